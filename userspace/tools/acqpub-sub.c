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

#define ASK 32 /* messages at a time */
#define EXPIRES_NS (2 * NSEC_PER_SEC) /* then the server says how many didn't come */
#define IDLE_MS 250
#define ACK_WAIT_NS (5 * NSEC_PER_SEC) /* then a message comes again, */
#define PATIENCE_NS (10 * NSEC_PER_SEC) /* so that it is there by then */
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
	char *stream;
	char name[128]; /* of the consumer */
	natsInbox *address; /* where messages come to */
	natsSubscription *inbox;
	uint64_t asked; /* messages that may still come */
	int64_t heard_ns; /* when something came */
	int64_t checked_ns;
	uint64_t consumer_seq; /* of the last message that came */
	uint64_t stream_seq;
	uint64_t to_seq; /* with to_now: the stream's last, when we began */
	bool over;

	struct key done; /* the last frame that was written; run 0: none */
	struct key acked; /* up to there the publisher knows all to be in the stream */
	struct held *held; /* by run and first */
	size_t held_bytes;
	int64_t held_ns; /* since when the first of them has waited */
	int64_t redelivered_ns; /* what an earlier reader left unread has come by then */
	bool told; /* that we wait */
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

	s->text = grown(NULL, strlen(url) + 1);
	memcpy(s->text, url, strlen(url) + 1);
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

/* Returns 0, or -EPIPE: nobody reads any more, or is to; or an exit status that was told. */
static int write_all(const char *data, size_t bytes)
{
	ssize_t put;

	while (bytes) {
		put = write(STDOUT_FILENO, data, bytes);
		if (put < 0 && (errno == EPIPE || (errno == EINTR && interrupted)))
			return -EPIPE;
		if (put < 0 && errno != EINTR) {
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

/* Is what this one waits for lost, not only late? Then it should have come before. */
static bool is_lost(const struct subscriber *s, const struct held *h)
{
	int64_t patience = s->done.run ? PATIENCE_NS : PATIENCE_FIRST_NS;

	return clock_ns() - s->held_ns > patience &&
	       compare(h->after.run, h->after.seq, s->acked.run, s->acked.seq) <= 0;
}

static bool given_up(const struct subscriber *s)
{
	return s->over || s->held_bytes > HELD_MAX || is_lost(s, s->held);
}

static void say_missing(const struct subscriber *s, const struct held *h)
{
	if (s->done.run)
		say("%s: something is missing between frames %" PRIu64 " and %" PRIu64, s->subject,
		    s->done.seq, h->first);
}

/* The publisher has them still, and if it has ended, it wants to be started again. */
static void say_late(struct subscriber *s)
{
	if (!s->told && s->done.run && clock_ns() - s->held_ns > PATIENCE_NS)
		say("%s: what comes behind frame %" PRIu64 " isn't published yet; waiting",
		    s->subject, s->done.seq);
	s->told = s->told || clock_ns() - s->held_ns > PATIENCE_NS;
}

static void answer(const struct subscriber *s, natsMsg *msg, const char *what)
{
	if (s->consumer)
		natsConnection_PublishString(s->nc, natsMsg_GetReply(msg), what);
	natsMsg_Destroy(msg);
}

static void drop_first(struct subscriber *s)
{
	struct held *h = s->held;

	s->held = h->next;
	s->held_bytes -= natsMsg_GetDataLength(h->msg);
	s->held_ns = clock_ns();
	s->told = false;
	answer(s, h->msg, "+ACK");
	free(h);
}

/* Write what is next, and then what that makes next. */
static int deliver(struct subscriber *s)
{
	int err = 0;

	if (clock_ns() < s->redelivered_ns && s->held_bytes <= HELD_MAX)
		return 0;
	while (!err && s->held) {
		if (!is_old(s, s->held)) {
			if (!is_next(s, s->held)) {
				if (!given_up(s)) {
					say_late(s);
					break;
				}
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

/* "RUN:SEQUENCE", or "-": none. */
static bool parse_key(const char *text, struct key *key)
{
	*key = (struct key){ 0 };
	return !strcmp(text, "-") ||
	       sscanf(text, "%" SCNu64 ":%" SCNu64, &key->run, &key->seq) == 2;
}

static bool parse_headers(natsMsg *msg, struct held *h, struct key *acked, uint32_t *crc)
{
	const char *after, *so_far, *sum;

	if (!header(msg, HEADER_AFTER, &after))
		return false;
	/* somebody else's message may not know: then nothing is worth waiting for */
	if (!header(msg, HEADER_ACKED, &so_far))
		so_far = after;
	return header_number(msg, HEADER_RUN, &h->run) && h->run &&
	       header_number(msg, HEADER_FIRST, &h->first) &&
	       header_number(msg, HEADER_LAST, &h->last) && parse_key(after, &h->after) &&
	       parse_key(so_far, acked) && header(msg, HEADER_CRC, &sum) &&
	       sscanf(sum, "%8x", crc) == 1;
}

static void strange(struct subscriber *s, natsMsg *msg, const char *what)
{
	if (!s->strange++)
		say("%s: message %" PRIu64 " of the stream %s; left out", s->subject, s->stream_seq,
		    what);
	answer(s, msg, "+ACK");
}

/*
 * Where a message is in the stream and in what the consumer gave us:
 * $JS.ACK.[DOMAIN.ACCOUNT.]STREAM.CONSUMER.DELIVERED.STREAM_SEQ.CONSUMER_SEQ.TIME.PENDING[.MORE]
 */
static bool parse_reply(const char *reply, uint64_t *stream_seq, uint64_t *consumer_seq)
{
	unsigned int dots = 0, skip;
	const char *p;

	for (p = reply; p && *p; p++)
		dots += *p == '.';
	if (dots < 8)
		return false;
	for (p = reply, skip = dots >= 10 ? 7 : 5; skip; p++)
		skip -= *p == '.';
	return sscanf(p, "%" SCNu64 ".%" SCNu64, stream_seq, consumer_seq) == 2;
}

static void look_at(struct subscriber *s, natsMsg *msg)
{
	struct held h = { .msg = msg };
	struct key acked;
	uint32_t crc;

	if (!parse_headers(msg, &h, &acked, &crc)) {
		strange(s, msg, "is not acqpub's");
		return;
	}
	if (compare(acked.run, acked.seq, s->acked.run, s->acked.seq) > 0)
		s->acked = acked;
	if (crc != crc32c(natsMsg_GetData(msg), natsMsg_GetDataLength(msg)))
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
	jsConsumerConfig_Init(config);
	config->FilterSubject = s->subject;
	config->Durable = s->consumer;
	set_start(s, config);
	if (s->consumer) {
		config->AckPolicy = js_AckExplicit;
		config->AckWait = ACK_WAIT_NS;
		config->MaxAckPending = UNACKED_MAX;
	} else {
		config->AckPolicy = js_AckNone;
		config->InactiveThreshold = KEPT_NS;
	}
}

/* A durable consumer that is there stays as it is. */
static natsStatus get_consumer(struct subscriber *s, jsConsumerInfo **info)
{
	natsStatus st = NATS_NOT_FOUND;
	jsConsumerConfig config;

	if (s->consumer)
		st = js_GetConsumerInfo(info, s->js, s->stream, s->consumer, NULL, NULL);
	if (st != NATS_NOT_FOUND)
		return st;
	set_config(s, &config);
	return js_AddConsumer(info, s->js, s->stream, &config, NULL, NULL);
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

/* What comes to the old address from now on is none of ours. */
static void drop_consumer(struct subscriber *s)
{
	natsSubscription_Destroy(s->inbox);
	natsInbox_Destroy(s->address);
	s->inbox = NULL;
	s->address = NULL;
}

static natsStatus open_inbox(struct subscriber *s)
{
	natsStatus st = natsInbox_Create(&s->address);

	s->asked = 0;
	s->consumer_seq = 0;
	s->heard_ns = clock_ns();
	if (st == NATS_OK)
		st = natsConnection_SubscribeSync(&s->inbox, s->nc, s->address);
	if (st == NATS_OK)
		st = natsSubscription_SetPendingLimits(s->inbox, -1, -1);
	return st;
}

/* What the server has given has come, and there is no more. */
static bool at_end(const struct subscriber *s, const jsConsumerInfo *info)
{
	if (s->consumer)
		return info->AckFloor.Stream >= s->to_seq ||
		       (!info->NumPending && !info->NumAckPending);
	return !info->NumPending && info->Delivered.Consumer == s->consumer_seq;
}

/* Returns 0, or an exit status after a line. */
static int look_at_consumer(struct subscriber *s, const jsConsumerInfo *info)
{
	if (strcmp(info->Config->FilterSubject ?: "", s->subject)) {
		say("consumer %s is of %s, not of %s; use another name", info->Name,
		    info->Config->FilterSubject ?: "the whole stream", s->subject);
		return EXIT_LOSS;
	}
	snprintf(s->name, sizeof(s->name), "%s", info->Name);
	if (!s->stream_seq)
		s->stream_seq = info->Delivered.Stream;
	if (!s->done.run && s->consumer && info->NumAckPending)
		s->redelivered_ns = clock_ns() + info->Config->AckWait + NSEC_PER_SEC;
	s->over = s->to_now && at_end(s, info);
	return 0;
}

/* The server may have forgotten it, or lost what it sent; then another one goes on. */
static void check_consumer(struct subscriber *s)
{
	jsConsumerInfo *info = NULL;
	natsStatus st = js_GetConsumerInfo(&info, s->js, s->stream, s->name, NULL, NULL);

	s->heard_ns = clock_ns();
	s->checked_ns = s->heard_ns;
	if (st == NATS_OK && s->to_now)
		s->over = at_end(s, info);
	if (st == NATS_NOT_FOUND ||
	    (!s->consumer && (st != NATS_OK || info->Delivered.Consumer != s->consumer_seq)))
		drop_consumer(s);
	jsConsumerInfo_Destroy(info);
}

static natsStatus find_all(struct subscriber *s, jsConsumerInfo **info)
{
	natsStatus st = NATS_OK;

	if (!s->stream)
		st = find_stream(s->js, s->subject, &s->stream);
	if (st != NATS_OK || !s->stream)
		return st;
	if (s->to_now && !s->to_seq)
		st = find_end(s);
	if (st == NATS_OK)
		st = get_consumer(s, info);
	return st == NATS_OK ? open_inbox(s) : st;
}

/* Returns 0: go on; else the exit status. */
static int begin_consumer(struct subscriber *s)
{
	jsConsumerInfo *info = NULL;
	natsStatus st = find_all(s, &info);
	static bool told;
	int status = 0;

	if (st == NATS_OK && !s->stream) {
		say("no stream has %s; was it ever published?", s->subject);
		status = EXIT_LOSS;
	} else if (st == NATS_OK) {
		status = look_at_consumer(s, info);
	} else {
		drop_consumer(s);
		if (!told)
			say("%s: %s; waiting", s->subject, why(st));
		told = true;
		pause_ns(RETRY_NS);
	}
	jsConsumerInfo_Destroy(info);
	return status;
}

/* --- the stream --- */

/* So that there are always some on their way. */
static void ask(struct subscriber *s)
{
	char subject[SUBJECT_MAX + 160], body[64];

	if (s->asked > ASK / 2)
		return;
	snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", s->stream, s->name);
	snprintf(body, sizeof(body), "{\"batch\":%d,\"expires\":%" PRId64 "}", ASK, EXPIRES_NS);
	if (natsConnection_PublishRequestString(s->nc, subject, s->address, body) == NATS_OK)
		s->asked += ASK;
}

/* A request is over: its time, or something has happened to the consumer. */
static void take_status(struct subscriber *s, natsMsg *msg, const char *status)
{
	uint64_t left;

	if (strcmp(status, "408") || !header_number(msg, "Nats-Pending-Messages", &left) ||
	    left > s->asked)
		left = s->asked;
	s->asked -= left;
	natsMsg_Destroy(msg);
	if (strcmp(status, "408"))
		pause_ns(RETRY_NS);
	if (strcmp(status, "408") || (s->to_now && !s->asked))
		check_consumer(s);
}

static void take(struct subscriber *s, natsMsg *msg)
{
	uint64_t stream_seq, consumer_seq;
	const char *status;

	s->heard_ns = clock_ns();
	if (!natsMsg_GetDataLength(msg) && header(msg, "Status", &status)) {
		take_status(s, msg, status);
		return;
	}
	s->asked -= !!s->asked;
	if (!parse_reply(natsMsg_GetReply(msg), &stream_seq, &consumer_seq)) {
		natsMsg_Destroy(msg);
		return;
	}
	if (!s->consumer && consumer_seq != s->consumer_seq + 1) {
		/* the connection was lost, and some with it */
		natsMsg_Destroy(msg);
		drop_consumer(s);
		return;
	}
	s->consumer_seq = consumer_seq;
	if (stream_seq > s->stream_seq)
		s->stream_seq = stream_seq;
	look_at(s, msg);
	if (s->to_now && !s->consumer && s->stream_seq >= s->to_seq)
		s->over = true;
}

/* Is it time to ask how the consumer is? */
static bool check_is_due(const struct subscriber *s)
{
	int64_t now = clock_ns();

	if (s->to_now && s->stream_seq >= s->to_seq && now - s->checked_ns > RETRY_NS)
		return true;
	/* the server has always something to say */
	return now - s->heard_ns > EXPIRES_NS + NSEC_PER_SEC;
}

static void receive(struct subscriber *s)
{
	natsMsg *msg = NULL;
	natsStatus st;

	ask(s);
	st = natsSubscription_NextMsg(&msg, s->inbox, IDLE_MS);
	if (st == NATS_OK)
		take(s, msg);
	else if (st != NATS_TIMEOUT)
		pause_ns(RETRY_NS);
	if (!s->inbox || !check_is_due(s))
		return;
	if (clock_ns() - s->heard_ns > EXPIRES_NS)
		s->asked = 0;
	check_consumer(s);
}

static int run(struct subscriber *s)
{
	int err = 0;

	while (!err && !interrupted && !s->over && !nobody_reads()) {
		if (natsConnection_IsClosed(s->nc)) {
			say("the servers have shut us out");
			return EXIT_LOSS;
		}
		if (s->inbox) {
			receive(s);
			err = deliver(s);
		} else {
			err = begin_consumer(s);
		}
	}
	if (!err && s->over)
		err = deliver(s);
	return err == -EPIPE ? 0 : err ?: s->strange ? EXIT_LOSS : 0;
}

/* What came and wasn't written is for the next reader. */
static void give_back(struct subscriber *s)
{
	struct held *h;
	natsMsg *msg;

	while (s->held) {
		h = s->held;
		s->held = h->next;
		answer(s, h->msg, "-NAK");
		free(h);
	}
	while (s->inbox && natsSubscription_NextMsg(&msg, s->inbox, 1) == NATS_OK)
		answer(s, msg, "-NAK");
}

/* The server would keep it for a while. */
static void delete_consumer(const struct subscriber *s)
{
	if (s->inbox && !s->consumer && natsConnection_Status(s->nc) == NATS_CONN_STATUS_CONNECTED)
		js_DeleteConsumer(s->js, s->stream, s->name, NULL, NULL);
}

static void end(struct subscriber *s)
{
	give_back(s);
	delete_consumer(s);
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
