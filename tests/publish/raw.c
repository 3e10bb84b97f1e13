// SPDX-License-Identifier: GPL-2.0-only
/*
 * raw - what a test does to a server beside acqpub:
 *	raw ports N			N free ports of the loopback
 *	raw request URL SUBJECT [JSON]	ask the server; 1 if it answers with an error
 *	raw bare URL SUBJECT FILE	publish the bytes as they are, 64 KiB a message
 *	raw count URL STREAM HOSTS FRAMES	of the HOSTS subjects acq.STREAM.hN, which have
 *		frames from 0 to FRAMES: messages, frames, frames that are there again
 *	raw plan URL SUBJECT CAPTURE	publish the messages that stdin has, a line each:
 *		INDEX COUNT [RUN [AFTER [damaged]]]
 * A message of a plan has the headers of acqpub(1) and COUNT frames, from the INDEXth
 * of the capture on. RUN is 1; AFTER is what the capture has there. It has no id that
 * would let the server see a duplicate.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nats/nats.h>

#include "../unit/frames.h"

#define WAIT_MS 2000
#define BARE_BYTES (64U * 1024)
#define BARE_WINDOW 64
#define PORT_LOW 10000
#define PORT_HIGH 30000

struct capture {
	const char *frames;
	size_t bytes;
};

static void must(natsStatus status, const char *what)
{
	if (status != NATS_OK)
		errx(1, "%s: %s: %s", what, natsStatus_GetText(status), nats_GetLastError(NULL));
}

static natsConnection *connected(const char *url)
{
	natsConnection *nc = NULL;

	must(natsConnection_ConnectTo(&nc, url), url);
	return nc;
}

static struct capture mapped(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct capture capture;
	struct stat st;
	void *mem;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", name);
	mem = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mem == MAP_FAILED)
		err(1, "%s", name);
	close(fd);
	capture.frames = mem;
	capture.bytes = st.st_size;
	return capture;
}

/* --- ports --- */

/*
 * Below those that the kernel gives to clients: a client that tries a port of these
 * again and again, while its server is away, would one day connect to itself.
 */
static int bound(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	do
		addr.sin_port = htons(PORT_LOW + random() % (PORT_HIGH - PORT_LOW));
	while (bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return ntohs(addr.sin_port);
}

/* Each stays bound until we end, so that they differ. */
static void ports(int n)
{
	srandom(getpid());
	while (n-- > 0)
		printf("%d\n", bound());
}

/* --- request --- */

static int request(const char *url, const char *subject, const char *json)
{
	natsConnection *nc = connected(url);
	natsMsg *reply = NULL;
	const char *said;

	must(natsConnection_RequestString(&reply, nc, subject, json, WAIT_MS), subject);
	said = natsMsg_GetData(reply);
	puts(said);
	return strstr(said, "\"error\":") ? 1 : 0;
}

/* --- bare --- */

static void bare(const char *url, const char *subject, const char *name)
{
	jsOptions opts;
	struct capture capture = mapped(name);
	natsConnection *nc = connected(url);
	size_t at, bytes;
	jsCtx *js;

	jsOptions_Init(&opts);
	opts.PublishAsync.MaxPending = BARE_WINDOW;
	opts.PublishAsync.StallWait = 10 * WAIT_MS;
	must(natsConnection_JetStream(&js, nc, &opts), url);
	for (at = 0; at < capture.bytes; at += bytes) {
		bytes = capture.bytes - at < BARE_BYTES ? capture.bytes - at : BARE_BYTES;
		must(js_PublishAsync(js, subject, capture.frames + at, bytes, NULL), subject);
	}
	must(js_PublishAsyncComplete(js, NULL), subject);
	jsCtx_Destroy(js);
	natsConnection_Destroy(nc);
}

/* --- count --- */

struct tally {
	size_t hosts;
	size_t frames;
	uint8_t *seen;
	size_t messages;
	size_t unique;
	size_t again;
};

static size_t parsed(const char *text, size_t below)
{
	char *end;
	size_t n = strtoull(text, &end, 10);

	if (end == text || *end || n >= below)
		errx(1, "%s: not a count below %zu", text, below);
	return n;
}

static size_t header_number(natsMsg *msg, const char *key, size_t below)
{
	const char *text = "";

	must(natsMsgHeader_Get(msg, key, &text), key);
	return parsed(text, below);
}

/* Hosts are called h0, h1 and so on, and the first of a stream has a number divisible by HOSTS. */
static void count_message(struct tally *t, natsMsg *msg)
{
	const char *host = strrchr(natsMsg_GetSubject(msg), 'h');
	uint8_t *seen = t->seen + parsed(host + 1, SIZE_MAX) % t->hosts * t->frames;
	size_t first = header_number(msg, "Acq-First", t->frames);
	size_t last = header_number(msg, "Acq-Last", t->frames), i;

	t->messages++;
	for (i = first; i <= last; i++) {
		t->unique += !seen[i];
		t->again += seen[i];
		seen[i] = 1;
	}
}

static natsSubscription *all_headers(jsCtx *js, const char *stream)
{
	natsSubscription *sub = NULL;
	jsSubOptions opts;
	char subject[64];

	snprintf(subject, sizeof(subject), "acq.%s.>", stream);
	jsSubOptions_Init(&opts);
	opts.Stream = stream;
	opts.Config.AckPolicy = js_AckNone;
	opts.Config.HeadersOnly = true;
	must(js_PullSubscribe(&sub, js, subject, NULL, NULL, &opts, NULL), stream);
	return sub;
}

static uint64_t messages_of(jsCtx *js, const char *stream)
{
	jsStreamInfo *info = NULL;
	uint64_t messages;

	must(js_GetStreamInfo(&info, js, stream, NULL, NULL), stream);
	messages = info->State.Msgs;
	jsStreamInfo_Destroy(info);
	return messages;
}

static void count(const char *url, const char *stream, const char *hosts, const char *frames)
{
	struct tally t = { .hosts = parsed(hosts, UINT32_MAX),
			   .frames = parsed(frames, UINT32_MAX) };
	natsConnection *nc = connected(url);
	natsSubscription *sub;
	natsMsgList list;
	uint64_t end;
	jsCtx *js;
	int i;

	must(natsConnection_JetStream(&js, nc, NULL), url);
	end = messages_of(js, stream);
	sub = all_headers(js, stream);
	t.seen = zeroed(t.hosts * t.frames);
	while (t.messages < end) {
		must(natsSubscription_Fetch(&list, sub, 500, WAIT_MS, NULL), stream);
		for (i = 0; i < list.Count; i++)
			count_message(&t, list.Msgs[i]);
		natsMsgList_Destroy(&list);
	}
	printf("%zu %zu %zu\n", t.messages, t.unique, t.again);
	free(t.seen);
	natsSubscription_Destroy(sub);
	jsCtx_Destroy(js);
	natsConnection_Destroy(nc);
}

/* --- plan --- */

static uint32_t crc32c(const char *data, size_t bytes)
{
	uint32_t crc = ~0U;
	int bit;

	while (bytes--) {
		crc ^= (uint8_t)*data++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static const struct acq_frame *frame_at(const struct capture *capture, size_t index)
{
	const struct acq_frame *first = (const void *)capture->frames;

	if ((index + 1) * first->stride > capture->bytes)
		errx(2, "the capture has no frame %zu", index);
	return (const void *)(capture->frames + index * first->stride);
}

static void __attribute__((format(printf, 3, 4)))
header(natsMsg *msg, const char *key, const char *format, ...)
{
	char value[128];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	must(natsMsgHeader_Set(msg, key, value), key);
}

static void say_after(natsMsg *msg, const struct capture *capture, size_t index, uint64_t run,
		      const char *after)
{
	if (after)
		header(msg, "Acq-After", "%s", after);
	else if (index)
		header(msg, "Acq-After", "%" PRIu64 ":%" PRIu64, run,
		       (uint64_t)frame_at(capture, index - 1)->seq);
	else
		header(msg, "Acq-After", "-");
}

struct line {
	size_t index;
	size_t count;
	uint64_t run;
	char after[64]; /* "": as in the capture */
	bool damaged;
};

static natsMsg *message(const struct capture *capture, const struct line *line, const char *subject)
{
	const struct acq_frame *first = frame_at(capture, line->index);
	const struct acq_frame *last = frame_at(capture, line->index + line->count - 1);
	size_t bytes = line->count * first->stride;
	char *copy = zeroed(bytes);
	natsMsg *msg;

	memcpy(copy, first, bytes);
	copy[bytes - 1] ^= line->damaged;
	must(natsMsg_Create(&msg, subject, NULL, copy, bytes), subject);
	free(copy);
	header(msg, "Acq-First", "%" PRIu64, (uint64_t)first->seq);
	header(msg, "Acq-Last", "%" PRIu64, (uint64_t)last->seq);
	header(msg, "Acq-Count", "%zu", line->count);
	header(msg, "Acq-Boot", "-");
	header(msg, "Acq-Crc32c", "%08x", crc32c((const char *)first, bytes));
	header(msg, "Acq-Run", "%" PRIu64, line->run);
	say_after(msg, capture, line->index, line->run, *line->after ? line->after : NULL);
	return msg;
}

static bool next_line(struct line *line)
{
	char text[256], damaged[16];
	int fields;

	if (!fgets(text, sizeof(text), stdin))
		return false;
	line->run = 1;
	line->after[0] = 0;
	fields = sscanf(text, "%zu %zu %" SCNu64 " %63s %15s", &line->index, &line->count,
			&line->run, line->after, damaged);
	if (fields < 2 || !line->count)
		errx(2, "not a line of a plan: %s", text);
	line->damaged = fields == 5;
	return true;
}

static void plan(const char *url, const char *subject, const char *name)
{
	struct capture capture = mapped(name);
	natsConnection *nc = connected(url);
	struct line line;
	natsMsg *msg;
	jsCtx *js;

	must(natsConnection_JetStream(&js, nc, NULL), url);
	while (next_line(&line)) {
		msg = message(&capture, &line, subject);
		must(js_PublishMsg(NULL, js, msg, NULL, NULL), subject);
		natsMsg_Destroy(msg);
	}
	jsCtx_Destroy(js);
	natsConnection_Destroy(nc);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";

	if (!strcmp(mode, "ports") && argc == 3)
		ports(atoi(argv[2]));
	else if (!strcmp(mode, "request") && argc >= 4)
		return request(argv[2], argv[3], argc > 4 ? argv[4] : "");
	else if (!strcmp(mode, "bare") && argc == 5)
		bare(argv[2], argv[3], argv[4]);
	else if (!strcmp(mode, "count") && argc == 6)
		count(argv[2], argv[3], argv[4], argv[5]);
	else if (!strcmp(mode, "plan") && argc == 5)
		plan(argv[2], argv[3], argv[4]);
	else
		errx(2, "bad usage; the head of raw.c tells");
	return 0;
}
