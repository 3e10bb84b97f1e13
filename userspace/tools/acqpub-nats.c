// SPDX-License-Identifier: GPL-2.0-only
/*
 * acqpub's publishing half: batches of the log go to the stream, a window of them at a
 * time; as they are acknowledged, in whatever order, the mark moves on to the last
 * before which none is missing. Whatever goes wrong ends the same way: forget what is
 * on its way and begin again at the mark. What arrives twice by that is dropped, by
 * the server within a while, by the reader for ever.
 *
 * The library's thread calls on_ack() and on_change(), which touch only what is below
 * `lock`; all else is the main thread's.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "acqpub.h"
#include "common.h"

#define ACK_WAIT_MS 5000
#define ACK_WAIT_MAX_MS 40000
#define END_WAIT_NS (5 * NSEC_PER_SEC) /* for what is on its way when we are to end */
#define SAVE_NS NSEC_PER_SEC
#define REMIND_NS (60 * NSEC_PER_SEC)
#define LOOK_NS (NSEC_PER_SEC / 10) /* a wait looks for signals as often */
#define RETRY_MIN_NS (NSEC_PER_SEC / 10)
#define RETRY_MAX_NS (4 * NSEC_PER_SEC)

/* A message on its way. */
struct slot {
	const natsMsg *msg; /* only to be compared; NULL: acknowledged */
	uint32_t frames;
	size_t bytes;
	struct mark end;
};

struct trouble {
	bool there;
	bool dropped; /* the connection, not an answer */
	natsStatus status;
	jsErrCode code;
	char text[128];
};

struct publisher {
	const struct publish_options *opt;
	char shown[256]; /* the servers, without passwords */
	natsConnection *nc;
	jsCtx *js;
	struct log log;
	struct mark acked;
	int state_fd;
	int64_t saved_ns;
	uint64_t stream_max; /* bytes of a message that the stream takes; 0: any */
	pid_t child; /* writes the spool; 0: none */
	bool child_failed;
	bool reading; /* the log's end isn't reached */
	bool partial; /* the last batch was all there was */
	int64_t end_ns; /* give up waiting then; 0: never */
	bool waiting; /* for a server or a stream, and it was said */
	int64_t told_ns;
	int64_t retry_ns;

	/* the account */
	uint64_t frames;
	uint64_t bytes;
	uint64_t messages;
	uint64_t again;
	bool progress;
	int64_t shown_ns;
	uint64_t shown_bytes;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct slot *slots; /* a ring of opt->window */
	unsigned int head;
	unsigned int count;
	struct trouble trouble;
};

/* --- connections --- */

/* Without one, the library prints to stderr by itself. */
static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus err, void *closure)
{
	(void)nc;
	(void)sub;
	(void)err;
	(void)closure;
}

/* Without users and their passwords. */
static void show_servers(const char *urls, char *shown, size_t room)
{
	const char *part = urls, *at, *end;
	size_t len = 0;

	for (*shown = 0; *part && len < room; part = *end ? end + 1 : end) {
		end = part + strcspn(part, ",");
		at = memchr(part, '@', end - part);
		if (at)
			part = at + 1;
		len += snprintf(shown + len, room - len, "%s%.*s", len ? "," : "",
				(int)(end - part), part);
	}
}

static natsStatus set_servers(natsOptions *opts, const char *urls)
{
	char *copy = strdup(urls), *save = NULL, *url;
	const char *list[64];
	natsStatus s;
	int n = 0;

	for (url = strtok_r(copy, ",", &save); url && n < 64; url = strtok_r(NULL, ",", &save))
		list[n++] = url;
	s = natsOptions_SetServers(opts, list, n);
	free(copy);
	return s;
}

static bool readable(const char *path)
{
	if (!path || !access(path, R_OK))
		return true;
	say("%s: %s", path, strerror(errno));
	return false;
}

static natsStatus set_secrets(natsOptions *opts, const struct servers *servers)
{
	natsStatus s = NATS_OK;

	if (servers->creds)
		s = natsOptions_SetUserCredentialsFromFiles(opts, servers->creds, NULL);
	if (s == NATS_OK && servers->ca)
		s = natsOptions_LoadCATrustedCertificates(opts, servers->ca);
	if (s == NATS_OK && servers->cert)
		s = natsOptions_LoadCertificatesChain(opts, servers->cert, servers->key);
	return s;
}

static natsStatus set_options(natsOptions *opts, const struct servers *servers,
			      natsConnectionHandler changed, void *closure)
{
	natsStatus s = set_servers(opts, servers->urls);

	if (s == NATS_OK)
		s = set_secrets(opts, servers);
	if (s != NATS_OK)
		return s;
	natsOptions_SetName(opts, program_invocation_short_name);
	natsOptions_SetErrorHandler(opts, on_error, NULL);
	natsOptions_SetMaxReconnect(opts, -1);
	natsOptions_SetReconnectWait(opts, 250);
	natsOptions_SetPingInterval(opts, 10000);
	natsOptions_SetWriteDeadline(opts, 10000);
	if (!changed)
		return NATS_OK;
	natsOptions_SetDisconnectedCB(opts, changed, closure);
	natsOptions_SetReconnectedCB(opts, changed, closure);
	return natsOptions_SetClosedCB(opts, changed, closure);
}

/* Is it of no use to try again? */
static bool hopeless(natsStatus s)
{
	switch (s) {
	case NATS_OK:
	case NATS_ERR:
	case NATS_IO_ERROR:
	case NATS_NO_SERVER:
	case NATS_TIMEOUT:
	case NATS_STALE_CONNECTION:
	case NATS_CONNECTION_CLOSED:
	case NATS_CONNECTION_DISCONNECTED:
	case NATS_SYS_ERROR: /* a name that isn't found, now */
		return false;
	default:
		return true;
	}
}

/* The library puts its own line before it: "(conn.c:2088): No server available". */
const char *why(natsStatus s)
{
	const char *text = nats_GetLastError(NULL), *colon;

	if (!text || !*text)
		return natsStatus_GetText(s);
	colon = *text == '(' ? strstr(text, "): ") : NULL;
	return colon ? colon + 3 : text;
}

static const char *cure(natsStatus s)
{
	switch (s) {
	case NATS_SSL_ERROR:
		return "; --tls-ca FILE or $NATS_CA names who signs its certificate";
	case NATS_CONNECTION_AUTH_FAILED:
		return "; --creds FILE or $NATS_CREDS, or USER:PASSWORD@ in the address";
	default:
		return "";
	}
}

static int try_servers(natsConnection **nc, natsOptions *opts, const char *shown)
{
	int64_t wait = RETRY_MIN_NS;
	bool told = false;
	natsStatus s;

	while (!interrupted) {
		s = natsConnection_Connect(nc, opts);
		if (s == NATS_OK)
			return 0;
		if (hopeless(s)) {
			say("%s: %s%s", shown, why(s), cure(s));
			break;
		}
		if (!told)
			say("%s: %s; waiting", shown, why(s));
		told = true;
		pause_ns(wait);
		wait = wait < RETRY_MAX_NS ? 2 * wait : wait;
	}
	return EXIT_LOSS;
}

int connect_servers(natsConnection **nc, const struct servers *servers,
		    natsConnectionHandler changed, void *closure)
{
	natsOptions *opts = NULL;
	int status = EXIT_LOSS;
	char shown[256];
	natsStatus s;

	if (!readable(servers->creds) || !readable(servers->ca) || !readable(servers->cert) ||
	    !readable(servers->key))
		return EXIT_LOSS;
	s = natsOptions_Create(&opts);
	show_servers(servers->urls, shown, sizeof(shown));
	if (s == NATS_OK)
		s = set_options(opts, servers, changed, closure);
	if (s == NATS_OK)
		status = try_servers(nc, opts, shown);
	else
		say("%s: %s", shown, why(s));
	natsOptions_Destroy(opts);
	return status;
}

natsStatus find_stream(jsCtx *js, const char *subject, char **name)
{
	jsStreamNamesList *list = NULL;
	jsOptions opts;
	natsStatus s;

	*name = NULL;
	jsOptions_Init(&opts);
	opts.Stream.Info.SubjectsFilter = subject;
	s = js_StreamNames(&list, js, &opts, NULL);
	if (s == NATS_OK && list->Count)
		*name = strdup(list->List[0]);
	jsStreamNamesList_Destroy(list);
	return s == NATS_NOT_FOUND ? NATS_OK : s;
}

/* --- what the library's thread tells --- */

static struct slot *slot_of(struct publisher *p, const natsMsg *msg)
{
	unsigned int i;

	for (i = 0; i < p->count; i++)
		if (p->slots[(p->head + i) % p->opt->window].msg == msg)
			return &p->slots[(p->head + i) % p->opt->window];
	return NULL;
}

/* The first trouble is the one that counts. */
static void note_trouble(struct publisher *p, const struct trouble *trouble)
{
	if (!p->trouble.there)
		p->trouble = *trouble;
}

static void on_ack(jsCtx *js, natsMsg *msg, jsPubAck *ack, jsPubAckErr *err, void *closure)
{
	struct trouble trouble = { .there = true };
	struct publisher *p = closure;
	struct slot *slot;

	(void)js;
	pthread_mutex_lock(&p->lock);
	slot = slot_of(p, msg);
	if (slot && ack)
		slot->msg = NULL; /* which another one may be made of */
	if (slot && !ack) {
		trouble.status = err->Err;
		trouble.code = err->ErrCode;
		snprintf(trouble.text, sizeof(trouble.text), "%s",
			 err->ErrText ?: natsStatus_GetText(err->Err));
		note_trouble(p, &trouble);
	}
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	natsMsg_Destroy(msg);
}

/* What was on its way may have got lost with the connection. */
static void on_change(natsConnection *nc, void *closure)
{
	struct trouble trouble = { .there = true, .dropped = true };
	struct publisher *p = closure;
	const char *text = NULL;

	trouble.status = natsConnection_GetLastError(nc, &text);
	snprintf(trouble.text, sizeof(trouble.text), "%s",
		 text && *text ? text : "the connection is lost");
	pthread_mutex_lock(&p->lock);
	note_trouble(p, &trouble);
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* --- waiting --- */

static void progress(struct publisher *p)
{
	int64_t now = clock_ns();

	if (!p->progress || now - p->shown_ns < NSEC_PER_SEC)
		return;
	say_passing("%" PRIu64 " frames acknowledged, %.1f MB/s, %u messages on their way%s",
		    p->frames, (p->bytes - p->shown_bytes) * 1e3 / (now - p->shown_ns), p->count,
		    p->waiting ? "; waiting" : "");
	p->shown_ns = now;
	p->shown_bytes = p->bytes;
}

/* Until something changes, or a while is over. The lock is held. */
static void wait_changed(struct publisher *p, int64_t ns)
{
	int64_t at = clock_ns() + (ns < LOOK_NS ? ns : LOOK_NS);
	struct timespec ts = { at / NSEC_PER_SEC, at % NSEC_PER_SEC };

	pthread_cond_timedwait(&p->changed, &p->lock, &ts);
}

static bool troubled(struct publisher *p)
{
	bool there;

	pthread_mutex_lock(&p->lock);
	there = p->trouble.there;
	pthread_mutex_unlock(&p->lock);
	return there;
}

/* Let more frames come, so that messages are not too many. */
static void linger(struct publisher *p, int64_t ns)
{
	int64_t end = clock_ns() + ns;

	pthread_mutex_lock(&p->lock);
	while (!p->trouble.there && (!interrupted || p->end_ns) && clock_ns() < end)
		wait_changed(p, end - clock_ns());
	pthread_mutex_unlock(&p->lock);
}

static void wait_acks(struct publisher *p)
{
	unsigned int head = p->head;

	pthread_mutex_lock(&p->lock);
	if (!p->trouble.there && p->count && p->slots[head].msg)
		wait_changed(p, LOOK_NS);
	pthread_mutex_unlock(&p->lock);
}

/* --- the mark --- */

static int save(struct publisher *p, bool sync)
{
	p->saved_ns = clock_ns();
	return mark_save(p->state_fd, p->opt->state, &p->acked, sync) ? EXIT_LOSS : 0;
}

/*
 * The file that was at hand before, "" if there was none, and those up to the one now
 * are no longer needed. They go before the mark is saved: then none is left behind,
 * and what isn't there has been acknowledged.
 */
static int passed(struct publisher *p, const char *file)
{
	if (p->opt->device && *file)
		log_remove(p->opt->pattern, file, p->acked.file);
	return save(p, false);
}

/* Move the mark on. */
static int advance(struct publisher *p)
{
	unsigned int moved = 0;
	struct slot *slot;
	char file[NAME_MAX + 1];

	memcpy(file, p->acked.file, sizeof(file));
	pthread_mutex_lock(&p->lock);
	for (; p->count && !p->slots[p->head].msg; p->count--, moved++) {
		slot = &p->slots[p->head];
		p->acked = slot->end;
		p->frames += slot->frames;
		p->bytes += slot->bytes;
		p->messages++;
		p->head = (p->head + 1) % p->opt->window;
	}
	pthread_mutex_unlock(&p->lock);
	progress(p);
	if (!moved)
		return 0;
	p->retry_ns = 0;
	if (p->waiting)
		say("going on");
	p->waiting = false;
	if (clock_ns() - p->saved_ns < SAVE_NS && !strcmp(file, p->acked.file))
		return 0;
	return passed(p, file);
}

/* --- streams --- */

static int create_stream(struct publisher *p)
{
	const struct publish_options *opt = p->opt;
	char *subjects = strdup(opt->create), *save = NULL, *subject;
	const char *list[64];
	jsStreamConfig config;
	jsErrCode code = 0;
	natsStatus s;

	jsStreamConfig_Init(&config);
	config.Name = opt->stream;
	config.Subjects = list;
	for (subject = strtok_r(subjects, ",", &save); subject && config.SubjectsLen < 64;
	     subject = strtok_r(NULL, ",", &save))
		list[config.SubjectsLen++] = subject;
	config.Discard = js_DiscardNew;
	config.Storage = js_FileStorage;
	if (opt->max_bytes)
		config.MaxBytes = opt->max_bytes;
	config.MaxAge = opt->max_age_ns;
	config.Replicas = opt->replicas;
	s = js_AddStream(NULL, p->js, &config, NULL, &code);
	free(subjects);
	if (s == NATS_OK && opt->verbose)
		say("stream %s: made, for %s", opt->stream, opt->create);
	/* without an answer it may be there now, or later: publishing tells */
	if (s == NATS_OK || s == NATS_TIMEOUT)
		return 0;
	say("stream %s: %s", opt->stream, why(s));
	return EXIT_LOSS;
}

static void find_limit(struct publisher *p, const char *name)
{
	jsStreamInfo *info = NULL;

	if (js_GetStreamInfo(&info, p->js, name, NULL, NULL) != NATS_OK)
		return;
	p->stream_max = info->Config->MaxMsgSize > 0 ? info->Config->MaxMsgSize : 0;
	jsStreamInfo_Destroy(info);
}

/* Is there a stream for us? Returns 0 if so, or if nobody can tell now. */
static int check_stream(struct publisher *p)
{
	char *name;
	natsStatus s = find_stream(p->js, p->opt->subject, &name);

	if (s == NATS_NO_RESPONDERS && !p->waiting) {
		say("%s: no JetStream yet (nats-server -js); waiting", p->shown);
		p->waiting = true;
	}
	if (s != NATS_OK)
		return 0;
	if (!name && p->opt->create)
		return create_stream(p);
	if (!name) {
		say("no stream takes %s; --create --max-bytes 10G makes one", p->opt->subject);
		return EXIT_LOSS;
	}
	find_limit(p, name);
	free(name);
	return 0;
}

/* --- messages --- */

static size_t message_limit(const struct publisher *p)
{
	size_t limit = natsConnection_GetMaxPayload(p->nc);

	if (p->stream_max && p->stream_max < limit)
		limit = p->stream_max;
	return limit > HEADERS_MAX ? limit - HEADERS_MAX : 1;
}

static natsStatus set_header(natsMsg *msg, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static natsStatus set_header(natsMsg *msg, const char *name, const char *fmt, ...)
{
	char text[SUBJECT_MAX + 80];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return natsMsgHeader_Set(msg, name, text);
}

static natsStatus set_key(natsMsg *msg, const char *name, const struct key *key)
{
	if (!key->run)
		return set_header(msg, name, "-");
	return set_header(msg, name, "%" PRIu64 ":%" PRIu64, key->run, key->seq);
}

static natsStatus set_headers(natsMsg *msg, const struct batch *batch, const struct key *acked,
			      const char *subject)
{
	const struct mark *end = &batch->end;
	natsStatus s;

	s = set_header(msg, HEADER_FIRST, "%" PRIu64, batch->first);
	if (s == NATS_OK)
		s = set_header(msg, HEADER_LAST, "%" PRIu64, batch->last);
	if (s == NATS_OK)
		s = set_header(msg, HEADER_COUNT, "%u", batch->count);
	if (s == NATS_OK)
		s = set_header(msg, HEADER_BOOT, "%s", end->boot);
	if (s == NATS_OK)
		s = set_header(msg, HEADER_CRC, "%08x", batch->crc);
	if (s == NATS_OK)
		s = set_header(msg, HEADER_RUN, "%" PRIu64, end->run);
	if (s == NATS_OK)
		s = set_key(msg, HEADER_AFTER, &batch->after);
	if (s == NATS_OK)
		s = set_key(msg, HEADER_ACKED, acked);
	if (s == NATS_OK)
		s = set_header(msg, HEADER_ID, "%" PRIu64 ":%" PRIu64 "-%" PRIu64 "@%s", end->run,
			       batch->first, batch->last, subject);
	return s;
}

/* The slot is there before the answer can be. */
static void add_slot(struct publisher *p, const natsMsg *msg, const struct batch *batch)
{
	pthread_mutex_lock(&p->lock);
	p->slots[(p->head + p->count++) % p->opt->window] = (struct slot){
		.msg = msg,
		.frames = batch->count,
		.bytes = batch->bytes,
		.end = batch->end,
	};
	pthread_mutex_unlock(&p->lock);
}

static void refused(struct publisher *p, natsStatus s)
{
	struct trouble trouble = { .there = true, .status = s };

	snprintf(trouble.text, sizeof(trouble.text), "%s", natsStatus_GetText(s));
	pthread_mutex_lock(&p->lock);
	note_trouble(p, &trouble);
	pthread_mutex_unlock(&p->lock);
}

static int send_batch(struct publisher *p, const struct batch *batch)
{
	jsPubOptions opts;
	natsMsg *msg = NULL;
	natsStatus s;

	s = natsMsg_Create(&msg, p->opt->subject, NULL, batch->data, batch->bytes);
	if (s == NATS_OK)
		s = set_headers(msg, batch, &p->acked.after, p->opt->subject);
	if (s != NATS_OK) {
		say("%s: %s", p->opt->subject, natsStatus_GetText(s));
		natsMsg_Destroy(msg);
		return EXIT_LOSS;
	}
	jsPubOptions_Init(&opts);
	/* longer when they come late, or the answer to too much would be more */
	opts.MaxWait = ACK_WAIT_MS + p->retry_ns / (RETRY_MAX_NS / ACK_WAIT_MAX_MS);
	add_slot(p, msg, batch);
	s = js_PublishMsgAsync(p->js, &msg, &opts);
	if (s != NATS_OK)
		refused(p, s);
	natsMsg_Destroy(msg);
	return 0;
}

/* --- trouble --- */

/* Nothing is on its way any more; what will be read next is what comes behind the mark. */
static void forget(struct publisher *p)
{
	natsMsgList list = { 0 };

	if (js_PublishAsyncGetPendingList(&list, p->js) == NATS_OK)
		natsMsgList_Destroy(&list);
	pthread_mutex_lock(&p->lock);
	p->again += p->count;
	p->count = 0;
	p->trouble.there = false;
	pthread_mutex_unlock(&p->lock);
	log_begin(&p->log, &p->acked);
	p->reading = true;
}

static bool is_full(const struct trouble *t)
{
	if (t->code == JSStreamMessageExceedsMaximumErr)
		return false;
	return strstr(t->text, "maximum") || t->code == JSStorageResourcesExceededErr ||
	       t->code == JSInsufficientResourcesErr || t->code == JSAccountResourcesExceededErr;
}

/* At once, and then once a minute. */
static void say_waiting(struct publisher *p, const struct trouble *t)
{
	int64_t now = clock_ns();

	if (p->waiting && now - p->told_ns < REMIND_NS)
		return;
	if (is_full(t))
		say("THE STREAM IS FULL (%s): %s waits; raise its limit or purge it", t->text,
		    p->opt->subject);
	else if (p->waiting || p->retry_ns)
		say("%s; waiting", t->text);
	else
		return; /* once is no trouble */
	p->waiting = true;
	p->told_ns = now;
}

/* Until it is back, which is a trouble of its own. */
static int wait_connection(struct publisher *p)
{
	if (!p->waiting)
		say("%s: the connection is lost; waiting", p->shown);
	p->waiting = true;
	linger(p, LOOK_NS);
	return 0;
}

static int say_closed(struct publisher *p, const struct trouble *t)
{
	say("%s: %s", p->shown, t->text);
	return EXIT_LOSS;
}

static int recover(struct publisher *p)
{
	struct trouble t;
	int status = 0;

	pthread_mutex_lock(&p->lock);
	t = p->trouble;
	pthread_mutex_unlock(&p->lock);
	if (natsConnection_IsClosed(p->nc))
		return say_closed(p, &t);
	forget(p);
	if (t.dropped)
		return 0;
	say_waiting(p, &t);
	if (!is_full(&t))
		status = check_stream(p);
	if (p->retry_ns)
		linger(p, p->retry_ns);
	p->retry_ns = p->retry_ns ? 2 * p->retry_ns : RETRY_MIN_NS;
	if (p->retry_ns > RETRY_MAX_NS)
		p->retry_ns = RETRY_MAX_NS;
	return status;
}

/* --- the spool --- */

static int make_directories(const char *path)
{
	char copy[PATH_MAX], *slash;

	snprintf(copy, sizeof(copy), "%s", path);
	for (slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(copy, 0777);
		*slash = '/';
	}
	if (!mkdir(copy, 0777) || errno == EEXIST)
		return 0;
	say("%s: %s; --spool DIR puts it elsewhere", path, strerror(errno));
	return EXIT_LOSS;
}

/*
 * acqread does the writing. It must not live longer than we do, or the next of us
 * would start another beside it.
 */
static int start_child(struct publisher *p)
{
	const struct publish_options *opt = p->opt;
	char output[PATH_MAX];
	pid_t parent = getpid();

	snprintf(output, sizeof(output), "%.*s-%%Y%%m%%dT%%H%%M%%S.acq",
		 (int)(strlen(opt->pattern) - strlen("-*.acq")), opt->pattern);
	p->child = fork();
	if (p->child < 0) {
		say("fork: %s", strerror(errno));
		p->child = 0;
		return EXIT_LOSS;
	}
	if (p->child)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_LOSS);
	/* it may end later than us, and nobody else may write here then: it has the lock, too */
	fcntl(p->state_fd, F_SETFD, 0);
	setenv("TZ", "UTC0", 1); /* an hour that comes twice would make names that came before */
	execlp("acqread", "acqread", "-qq", "-d", opt->device, "--rotate-time", "10", "-o", output,
	       NULL);
	say("acqread: %s", strerror(errno));
	_exit(EXIT_LOSS);
}

/* Its end is the end of the log. */
static void reap_child(struct publisher *p, bool wait)
{
	int status;

	if (!p->child || waitpid(p->child, &status, wait ? 0 : WNOHANG) != p->child)
		return;
	p->child = 0;
	p->child_failed = !WIFEXITED(status) || WEXITSTATUS(status);
	if (p->child_failed && !interrupted)
		say("%s: acqread has ended; what it wrote is still published", p->opt->device);
}

static void stop_child(struct publisher *p)
{
	if (p->child)
		kill(p->child, SIGINT);
	reap_child(p, true);
}

/* --- the stream of batches --- */

static bool following(const struct publisher *p)
{
	return p->opt->pattern && !(p->opt->device && !p->child);
}

static int begin_run(struct publisher *p)
{
	log_begin_run(&p->log);
	p->acked = p->log.at;
	return save(p, true);
}

static int too_large(const struct publisher *p, const struct batch *batch)
{
	say("%s: a frame takes %zu bytes, and %s no more than %zu in a message; raise its %s",
	    batch->end.file, batch->bytes, p->stream_max ? "the stream" : "the server",
	    message_limit(p), p->stream_max ? "max_msg_size" : "max_payload");
	return EXIT_LOSS;
}

/* Returns an exit status, 0: go on. */
static int publish_next(struct publisher *p)
{
	size_t limit = message_limit(p), max = p->opt->batch < limit ? p->opt->batch : limit;
	struct batch batch;
	int got;

	if (p->partial)
		linger(p, p->opt->latency_ns);
	p->partial = false;
	got = log_next(&p->log, max, &batch);
	switch (got) {
	case LOG_BATCH:
		if (batch.bytes > limit)
			return too_large(p, &batch);
		p->partial = following(p) && batch.bytes + p->log.stride <= max;
		return send_batch(p, &batch);
	case LOG_RUN:
		if (!p->count)
			return begin_run(p);
		wait_acks(p);
		return 0;
	case LOG_NOTHING:
		p->partial = following(p);
		p->reading = p->partial;
		return 0;
	case LOG_END:
		p->reading = false;
		return 0;
	default:
		return EXIT_LOSS;
	}
}

/* The first time that a signal came. */
static void begin_end(struct publisher *p)
{
	p->end_ns = clock_ns() + END_WAIT_NS;
	stop_child(p);
	if (!p->opt->device)
		p->reading = false;
}

static bool given_up(const struct publisher *p)
{
	return p->end_ns && clock_ns() >= p->end_ns;
}

static int publish_all(struct publisher *p)
{
	int status = 0;

	while (!status && !given_up(p)) {
		status = advance(p);
		reap_child(p, false);
		if (interrupted && !p->end_ns)
			begin_end(p);
		if (status || (!p->reading && !p->count))
			break;
		if (troubled(p)) {
			if (interrupted)
				break;
			status = recover(p);
		} else if (natsConnection_Status(p->nc) != NATS_CONN_STATUS_CONNECTED) {
			status = wait_connection(p);
		} else if (!p->reading || p->count == p->opt->window) {
			wait_acks(p);
		} else {
			status = publish_next(p);
		}
	}
	return status;
}

static void summary(const struct publisher *p)
{
	char again[48] = "";

	if (p->again)
		snprintf(again, sizeof(again), ", %" PRIu64 " sent again", p->again);
	say_passing(NULL);
	if (!p->opt->quiet)
		say("%" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64 " messages acknowledged%s",
		    p->frames, p->bytes, p->messages, again);
}

/* --- begin and end --- */

static int begin_jetstream(struct publisher *p)
{
	jsOptions opts;
	natsStatus s;

	jsOptions_Init(&opts);
	opts.PublishAsync.MaxPending = p->opt->window + 1;
	opts.PublishAsync.AckHandler = on_ack;
	opts.PublishAsync.AckHandlerClosure = p;
	s = natsConnection_JetStream(&p->js, p->nc, &opts);
	if (s == NATS_OK)
		return check_stream(p);
	say("%s: %s", p->shown, why(s));
	return EXIT_LOSS;
}

static int begin(struct publisher *p)
{
	pthread_condattr_t attr;
	unsigned int before;
	int status;
	size_t i;

	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	p->slots = grown(NULL, p->opt->window * sizeof(*p->slots));
	p->reading = true;
	p->shown_ns = clock_ns();
	p->progress = isatty(STDERR_FILENO) && !p->opt->quiet;
	if (p->opt->device && make_directories(p->opt->spool))
		return EXIT_LOSS;
	for (i = 0; i < p->opt->count; i++)
		if (!readable(p->opt->files[i]))
			return EXIT_LOSS;
	show_servers(p->opt->servers.urls, p->shown, sizeof(p->shown));
	p->state_fd = mark_open(p->opt->state, &p->acked);
	if (p->state_fd < 0)
		return EXIT_LOSS;
	before = p->opt->device ? log_count_before(p->opt->pattern, p->acked.file) : 0;
	if (before)
		say("%s: %u files before what was acknowledged are left; publish or remove them",
		    p->opt->spool, before);
	p->log.fd = -1;
	p->log.files = p->opt->files;
	p->log.count = p->opt->count;
	p->log.pattern = p->opt->pattern;
	log_begin(&p->log, &p->acked);
	/* the spool fills from now on, whether there is a server or not */
	status = p->opt->device ? start_child(p) : 0;
	if (!status)
		status = connect_servers(&p->nc, &p->opt->servers, on_change, p);
	return status ?: begin_jetstream(p);
}

static void end(struct publisher *p)
{
	stop_child(p);
	jsCtx_Destroy(p->js);
	natsConnection_Destroy(p->nc);
	nats_CloseAndWait(0);
	if (p->state_fd >= 0)
		close(p->state_fd);
	log_end(&p->log);
	free(p->slots);
}

int publish(const struct publish_options *opt)
{
	struct publisher p = { .opt = opt, .state_fd = -1 };
	int status;

	p.log.fd = -1;
	status = begin(&p);
	if (!status) {
		status = publish_all(&p);
		if (save(&p, false))
			status = EXIT_LOSS;
		summary(&p);
	}
	if (p.child_failed && !interrupted)
		status = EXIT_LOSS;
	end(&p);
	return interrupted && !p.messages ? EXIT_SUCCESS : status;
}
