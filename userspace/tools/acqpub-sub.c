// SPDX-License-Identifier: GPL-2.0-only
/*
 * acqpub's reading half: the messages of one subject, as the frames of one device.
 *
 * (run, sequence) orders all frames of a subject, and each message names the frame
 * before its first. So a message is next when we have written that frame, or a later
 * one; it is old when we have written its last; in between its first frames are left
 * out. One that comes too early is held until what is missing has come, for a while.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "acqpub.h"
#include "common.h"

#define FETCH 32 /* messages at a time */
#define IDLE_MS 250
#define LOOK_IDLE 20 /* after so many idle fetches, see whether the consumer is still there */
#define PATIENCE_NS (10 * NSEC_PER_SEC)
#define PATIENCE_FIRST_NS NSEC_PER_SEC /* an old stream has forgotten its first frame */
#define HELD_MAX (64U << 20) /* bytes */
#define RETRY_NS (NSEC_PER_SEC / 4)
#define KEPT_NS (300 * NSEC_PER_SEC) /* an idle consumer, by the server */
#define UNACKED_MAX 2048

/* A message that isn't written yet. */
struct held {
	struct held *next;
	natsMsg *msg;
	struct key after;
	uint64_t run;
	uint64_t first;
	uint64_t last;
};

enum from {
	FROM_START,
	FROM_NOW,
	FROM_SEQUENCE,
	FROM_TIME
};

struct subscriber {
	/* the URL's parts */
	char *text;
	struct servers servers;
	const char *subject;
	const char *consumer; /* durable, NULL: none */
	enum from from;
	uint64_t from_seq;
	int64_t from_ns; /* since 1970 */
	bool to_now;

	natsConnection *nc;
	jsCtx *js;
	natsSubscription *sub;
	char *stream;
	char name[128]; /* of the consumer */
	uint64_t stream_seq; /* of the last message that came */
	uint64_t to_seq; /* with to_now: the stream's last, when we began */
	unsigned int idle; /* fetches without a message */
	bool over;

	struct key done; /* the last frame that was written; run 0: none */
	struct held *held; /* by run and first */
	size_t held_bytes;
	int64_t held_ns; /* since when the first of them has waited */
	char *buf; /* aligned, as frames are */
	size_t room;
	uint64_t strange; /* messages that aren't ours, or damaged */
};

/* --- the URL --- */

static bool bad_url(const char *text, const char *what)
{
	say("%s: %s; like nats://server/acq.host.device?from=now", text, what);
	return false;
}

static bool from_time(struct subscriber *s, const char *text)
{
	struct tm tm = { 0 };
	struct timespec now;
	int64_t ago;
	char *end;

	s->from = FROM_TIME;
	if (parse_time(text, &ago)) {
		clock_gettime(CLOCK_REALTIME, &now);
		s->from_ns = now.tv_sec * NSEC_PER_SEC + now.tv_nsec - ago;
		return true;
	}
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (!end || *end)
		return bad_value("from", text,
				 "start, now, #SEQUENCE, 2026-11-20T12:00:00Z or 10min (ago)");
	s->from_ns = timegm(&tm) * NSEC_PER_SEC;
	return true;
}

static bool take_from(struct subscriber *s, const char *text)
{
	if (!strcmp(text, "start")) {
		s->from = FROM_START;
		return true;
	}
	if (!strcmp(text, "now")) {
		s->from = FROM_NOW;
		return true;
	}
	if (text[0] == '#' && parse_number(text + 1, 0, UINT64_MAX, &s->from_seq)) {
		s->from = FROM_SEQUENCE;
		return true;
	}
	return from_time(s, text);
}

static bool take_parameter(struct subscriber *s, const char *text)
{
	if (!strncmp(text, "from=", 5))
		return take_from(s, text + 5);
	if (!strncmp(text, "consumer=", 9) && text[9] && !strpbrk(text + 9, ".*> \t/\\")) {
		s->consumer = text + 9;
		return true;
	}
	if (!strcmp(text, "to=now")) {
		s->to_now = true;
		return true;
	}
	return bad_value("the address", text, "one of from=WHERE, consumer=NAME, to=now");
}

/* nats://server1,server2/subject?parameter&parameter */
static bool parse_url(struct subscriber *s, const char *url)
{
	char *scheme, *slash, *part, *save = NULL;

	s->text = strdup(url);
	scheme = strstr(s->text, "://");
	slash = scheme ? strchr(scheme + 3, '/') : NULL;
	if (!slash || !slash[1] || slash[1] == '?')
		return bad_url(url, "names no subject");
	*slash = 0;
	s->servers.urls = scheme[3] ? s->text : DEFAULT_SERVER;
	s->subject = slash + 1;
	part = strchr(slash + 1, '?');
	if (part)
		*part++ = 0;
	if (strpbrk(s->subject, "*> \t/"))
		return bad_url(url, "is not of one device");
	for (part = part ? strtok_r(part, "&", &save) : NULL; part;
	     part = strtok_r(NULL, "&", &save))
		if (!take_parameter(s, part))
			return false;
	return true;
}

/* --- output --- */

/* Returns 0, or -EPIPE: nobody reads it any more, or an exit status that was told. */
static int write_all(const char *data, size_t bytes)
{
	ssize_t put;

	while (bytes) {
		put = write(STDOUT_FILENO, data, bytes);
		if (put < 0 && errno == EPIPE)
			return -EPIPE;
		if (put < 0 && (errno != EINTR || interrupted)) {
			if (errno != EINTR)
				say("stdout: %s", strerror(errno));
			return EXIT_LOSS;
		}
		if (put > 0) {
			data += put;
			bytes -= put;
		}
	}
	return 0;
}

static bool nobody_reads(void)
{
	struct pollfd pfd = { .fd = STDOUT_FILENO };

	return poll(&pfd, 1, 0) > 0 && pfd.revents & POLLERR;
}

/* What the one before says about the first frame isn't known here, or isn't so. */
static void mark_first(const struct subscriber *s, const struct held *h, struct acq_frame *frame)
{
	if (s->done.run != h->run)
		frame->flags |= ACQ_FRAME_START;
	else if (!(frame->flags & ACQ_FRAME_START) && frame->seq != s->done.seq + 1)
		frame->flags |= ACQ_FRAME_GAP;
}

static bool wanted(const struct subscriber *s, const struct held *h, const struct acq_frame *frame)
{
	if (!s->done.run && s->from == FROM_SEQUENCE)
		return frame->seq >= s->from_seq;
	return s->done.run != h->run || frame->seq > s->done.seq;
}

/* The frames of a message that weren't written yet. */
static int write_message(struct subscriber *s, const struct held *h)
{
	size_t bytes = natsMsg_GetDataLength(h->msg), from = 0;
	struct acq_walk walk = { .bytes = bytes };
	const struct acq_frame *frame;
	int err;

	if (s->room < bytes) {
		s->room = bytes;
		s->buf = grown(s->buf, bytes);
	}
	memcpy(s->buf, natsMsg_GetData(h->msg), bytes);
	walk.buf = s->buf;
	for (;;) {
		frame = acq_frame_next(&walk);
		if (!frame)
			return 0;
		if (wanted(s, h, frame))
			break;
		from = walk.offset;
	}
	mark_first(s, h, (struct acq_frame *)(s->buf + from));
	err = write_all(s->buf + from, bytes - from);
	if (!err)
		s->done = (struct key){ h->run, h->last };
	return err;
}

/* --- order --- */

static int compare(uint64_t run1, uint64_t seq1, uint64_t run2, uint64_t seq2)
{
	if (run1 != run2)
		return run1 < run2 ? -1 : 1;
	return seq1 < seq2 ? -1 : seq1 > seq2;
}

static bool is_old(const struct subscriber *s, const struct held *h)
{
	return compare(h->run, h->last, s->done.run, s->done.seq) <= 0;
}

static bool is_next(const struct subscriber *s, const struct held *h)
{
	/* what comes first when the whole is asked for should be the first there ever was */
	if (!s->done.run && s->from != FROM_START)
		return true;
	return compare(h->after.run, h->after.seq, s->done.run, s->done.seq) <= 0;
}

/* Nothing is held for ever. */
static bool given_up(const struct subscriber *s)
{
	int64_t patience = s->done.run ? PATIENCE_NS : PATIENCE_FIRST_NS;

	return s->over || s->held_bytes > HELD_MAX || clock_ns() - s->held_ns > patience;
}

static void say_missing(const struct subscriber *s, const struct held *h)
{
	if (s->done.run)
		say("%s: something is missing between frames %" PRIu64 " and %" PRIu64, s->subject,
		    s->done.seq, h->first);
}

static void ack(const struct subscriber *s, natsMsg *msg)
{
	if (s->consumer)
		natsMsg_Ack(msg, NULL);
	natsMsg_Destroy(msg);
}

static void drop_first(struct subscriber *s)
{
	struct held *h = s->held;

	s->held = h->next;
	s->held_bytes -= natsMsg_GetDataLength(h->msg);
	s->held_ns = clock_ns();
	ack(s, h->msg);
	free(h);
}

/* Write what is next, and then what that makes next. */
static int deliver(struct subscriber *s)
{
	int err = 0;

	while (!err && s->held) {
		if (!is_old(s, s->held)) {
			if (!is_next(s, s->held)) {
				if (!given_up(s))
					break;
				say_missing(s, s->held);
			}
			err = write_message(s, s->held);
		}
		if (!err)
			drop_first(s);
	}
	return err;
}

static void hold(struct subscriber *s, const struct held *part)
{
	struct held **at = &s->held, *h = grown(NULL, sizeof(*h));

	if (!s->held)
		s->held_ns = clock_ns();
	while (*at && compare((*at)->run, (*at)->first, part->run, part->first) < 0)
		at = &(*at)->next;
	*h = *part;
	h->next = *at;
	*at = h;
	s->held_bytes += natsMsg_GetDataLength(h->msg);
}

/* --- messages --- */

static bool header(natsMsg *msg, const char *name, const char **text)
{
	return natsMsgHeader_Get(msg, name, text) == NATS_OK;
}

static bool header_number(natsMsg *msg, const char *name, uint64_t *value)
{
	const char *text;

	return header(msg, name, &text) && parse_number(text, 0, UINT64_MAX, value);
}

static bool parse_headers(natsMsg *msg, struct held *h, uint32_t *crc)
{
	const char *after, *sum;

	if (!header_number(msg, HEADER_RUN, &h->run) || !h->run ||
	    !header_number(msg, HEADER_FIRST, &h->first) ||
	    !header_number(msg, HEADER_LAST, &h->last) || !header(msg, HEADER_AFTER, &after) ||
	    !header(msg, HEADER_CRC, &sum) || sscanf(sum, "%8x", crc) != 1)
		return false;
	return !strcmp(after, "-") ||
	       sscanf(after, "%" SCNu64 ":%" SCNu64, &h->after.run, &h->after.seq) == 2;
}

static void strange(struct subscriber *s, natsMsg *msg, const char *why)
{
	if (!s->strange++)
		say("%s: message %" PRIu64 " of the stream %s; left out", s->subject, s->stream_seq,
		    why);
	ack(s, msg);
}

static void look_at(struct subscriber *s, natsMsg *msg)
{
	struct held h = { .msg = msg };
	jsMsgMetaData *meta = NULL;
	uint32_t crc;

	if (natsMsg_GetMetaData(&meta, msg) == NATS_OK) {
		if (meta->Sequence.Stream > s->stream_seq)
			s->stream_seq = meta->Sequence.Stream;
		jsMsgMetaData_Destroy(meta);
	}
	if (!parse_headers(msg, &h, &crc))
		strange(s, msg, "is not acqpub's");
	else if (crc != crc32c(natsMsg_GetData(msg), natsMsg_GetDataLength(msg)))
		strange(s, msg, "is damaged");
	else
		hold(s, &h);
}

/* --- the consumer --- */

/* What the consumer shall begin with, unless it is one that goes on. */
static void set_start(const struct subscriber *s, jsConsumerConfig *config)
{
	if (s->stream_seq) { /* another one in the place of one that the server has lost */
		config->DeliverPolicy = js_DeliverByStartSequence;
		config->OptStartSeq = s->stream_seq + 1;
	} else if (s->from == FROM_NOW) {
		config->DeliverPolicy = js_DeliverNew;
	} else if (s->from == FROM_TIME) {
		config->DeliverPolicy = js_DeliverByStartTime;
		config->OptStartTime = s->from_ns;
	}
}

static void set_config(const struct subscriber *s, jsConsumerConfig *config)
{
	set_start(s, config);
	if (s->consumer) {
		config->AckPolicy = js_AckExplicit;
		config->MaxAckPending = UNACKED_MAX;
	} else {
		config->AckPolicy = js_AckNone;
		config->InactiveThreshold = KEPT_NS;
	}
}

/* A durable consumer that is there stays as it is. */
static bool goes_on(const struct subscriber *s)
{
	jsConsumerInfo *info = NULL;
	natsStatus st = NATS_NOT_FOUND;

	if (s->consumer)
		st = js_GetConsumerInfo(&info, s->js, s->stream, s->consumer, NULL, NULL);
	jsConsumerInfo_Destroy(info);
	return st == NATS_OK;
}

/* Of a durable one it is ours, of another the server's. */
static natsStatus find_name(struct subscriber *s)
{
	jsConsumerInfo *info = NULL;
	natsStatus st = NATS_OK;

	if (!s->consumer)
		st = natsSubscription_GetConsumerInfo(&info, s->sub, NULL, NULL);
	if (st == NATS_OK)
		snprintf(s->name, sizeof(s->name), "%s", s->consumer ?: info->Name);
	jsConsumerInfo_Destroy(info);
	return st;
}

static natsStatus find_end(struct subscriber *s)
{
	jsStreamInfo *info = NULL;
	natsStatus st = js_GetStreamInfo(&info, s->js, s->stream, NULL, NULL);

	if (st == NATS_OK)
		s->to_seq = info->State.LastSeq;
	jsStreamInfo_Destroy(info);
	return st;
}

static void drop_consumer(struct subscriber *s)
{
	natsSubscription_Destroy(s->sub);
	s->sub = NULL;
}

/* Its server may have forgotten it; then another one goes on. */
static void check_consumer(struct subscriber *s)
{
	jsConsumerInfo *info = NULL;
	jsErrCode code = 0;
	natsStatus st;

	s->idle = 0;
	st = js_GetConsumerInfo(&info, s->js, s->stream, s->name, NULL, &code);
	if (st == NATS_OK) {
		if (s->to_now && !info->NumPending && !info->NumAckPending)
			s->over = true;
		jsConsumerInfo_Destroy(info);
	} else if (code == JSConsumerNotFoundErr || st == NATS_NOT_FOUND) {
		drop_consumer(s);
	}
}

static natsStatus make_consumer(struct subscriber *s)
{
	jsSubOptions opts;
	natsStatus st;

	jsSubOptions_Init(&opts);
	opts.Stream = s->stream;
	if (goes_on(s))
		opts.Consumer = s->consumer;
	else
		set_config(s, &opts.Config);
	st = js_PullSubscribe(&s->sub, s->js, s->subject, s->consumer, NULL, &opts, NULL);
	if (st == NATS_OK)
		st = find_name(s);
	if (st == NATS_OK && s->to_now)
		check_consumer(s);
	return st;
}

/* Returns -1: go on; else the exit status. */
static int begin_consumer(struct subscriber *s)
{
	static bool told;
	natsStatus st = NATS_OK;

	if (!s->stream)
		st = find_stream(s->js, s->subject, &s->stream);
	if (st == NATS_OK && !s->stream) {
		say("no stream has %s; was it ever published?", s->subject);
		return EXIT_LOSS;
	}
	if (st == NATS_OK && s->to_now && !s->to_seq)
		st = find_end(s);
	if (st == NATS_OK)
		st = make_consumer(s);
	if (st == NATS_OK)
		return -1;
	drop_consumer(s);
	if (!told)
		say("%s: %s; waiting", s->subject,
		    nats_GetLastError(NULL) ?: natsStatus_GetText(st));
	told = true;
	pause_ns(RETRY_NS);
	return -1;
}

/* --- the stream --- */

/* What is there, or the next that comes. */
static natsStatus fetch(struct subscriber *s, natsMsgList *list)
{
	jsFetchRequest request;
	natsStatus st;

	jsFetchRequest_Init(&request);
	request.Batch = FETCH;
	request.NoWait = true;
	request.Expires = IDLE_MS * INT64_C(1000000);
	st = natsSubscription_FetchRequest(list, s->sub, &request);
	if (st == NATS_OK && list->Count)
		return st;
	natsMsgList_Destroy(list);
	return natsSubscription_Fetch(list, s->sub, 1, IDLE_MS, NULL);
}

static void take(struct subscriber *s, natsMsgList *list)
{
	int i;

	s->idle = 0;
	for (i = 0; i < list->Count; i++) {
		look_at(s, list->Msgs[i]);
		list->Msgs[i] = NULL;
	}
	natsMsgList_Destroy(list);
	if (s->to_now && s->stream_seq >= s->to_seq)
		s->over = true;
}

static void read_some(struct subscriber *s)
{
	natsMsgList list = { 0 };
	natsStatus st = fetch(s, &list);

	if (st == NATS_OK) {
		take(s, &list);
		return;
	}
	s->idle++;
	if (st != NATS_TIMEOUT && st != NATS_NOT_FOUND)
		pause_ns(RETRY_NS);
	if (s->to_now || s->idle >= LOOK_IDLE || (st != NATS_TIMEOUT && st != NATS_NOT_FOUND))
		check_consumer(s);
}

static int run(struct subscriber *s)
{
	int err = 0;

	while (!err && !interrupted && !s->over) {
		if (!s->sub) {
			err = begin_consumer(s);
			if (err > 0)
				return err;
			err = 0;
			continue;
		}
		read_some(s);
		err = deliver(s);
		if (nobody_reads())
			err = -EPIPE;
		if (natsConnection_IsClosed(s->nc)) {
			say("%s: the server has shut us out", s->servers.urls);
			return EXIT_LOSS;
		}
	}
	if (!err && s->over)
		err = deliver(s);
	return err == -EPIPE ? 0 : err ?: s->strange ? EXIT_LOSS : 0;
}

static void end(struct subscriber *s)
{
	while (s->held) { /* not acknowledged */
		struct held *h = s->held;

		s->held = h->next;
		natsMsg_Destroy(h->msg);
		free(h);
	}
	natsConnection_FlushTimeout(s->nc, 1000);
	drop_consumer(s);
	jsCtx_Destroy(s->js);
	natsConnection_Destroy(s->nc);
	nats_CloseAndWait(0);
	free(s->stream);
	free(s->buf);
	free(s->text);
}

int subscribe(const char *url, const struct servers *servers)
{
	struct subscriber s = { .servers = *servers };
	int status = EXIT_USAGE;

	if (parse_url(&s, url))
		status = connect_servers(&s.nc, &s.servers, NULL, NULL);
	if (!status && natsConnection_JetStream(&s.js, s.nc, NULL) != NATS_OK)
		status = EXIT_LOSS;
	if (!status)
		status = run(&s);
	end(&s);
	return status;
}
