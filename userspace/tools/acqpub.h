/* SPDX-License-Identifier: GPL-2.0-only */
/* acqpub: what its parts ask of each other. */
#ifndef ACQPUB_H
#define ACQPUB_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef HAVE_NATS
#include <nats/nats.h>
#endif

#include "acqpub-log.h"

#define DEFAULT_SERVER "nats://localhost:4222"
#define DEFAULT_SUBJECTS "acq.>"
#define SUBJECT_MAX 256

/* How to get to the servers. */
struct servers {
	const char *urls; /* with commas */
	const char *creds;
	const char *ca;
	const char *cert;
	const char *key;
};

struct publish_options {
	struct servers servers;
	const char *device; /* spooled to spool by a program of ours, NULL: none */
	const char *spool;
	const char *pattern; /* of growing files */
	char *const *files;
	size_t count;
	const char *subject;
	const char *state; /* file */
	const char *create; /* subjects of a stream to make; NULL: don't */
	const char *stream;
	uint64_t max_bytes; /* 0: no limit */
	int64_t max_age_ns; /* 0: no limit */
	uint64_t replicas;
	uint64_t batch; /* bytes */
	int64_t latency_ns;
	uint64_t window; /* messages */
	int quiet;
	int verbose;
};

/* A message's headers; nats-server knows the last. */
#define HEADER_FIRST "Acq-First"
#define HEADER_LAST "Acq-Last"
#define HEADER_COUNT "Acq-Count"
#define HEADER_BOOT "Acq-Boot"
#define HEADER_CRC "Acq-Crc32c"
#define HEADER_RUN "Acq-Run"
#define HEADER_AFTER "Acq-After"
#define HEADER_ACKED "Acq-Acked"
#define HEADER_ID "Nats-Msg-Id"
#define HEADERS_MAX 1024 /* bytes that they take, at most */

/* A signal asked for the end. */
extern volatile sig_atomic_t interrupted;

/* Sleep, but for a signal. */
void pause_ns(int64_t ns);

#ifdef HAVE_NATS
/*
 * Connect, and stay so; waits for a server. The library calls changed, if any, when
 * the connection is lost, there again, or given up. Returns 0, or an exit status
 * after a line.
 */
int connect_servers(natsConnection **nc, const struct servers *servers,
		    void (*changed)(natsConnection *nc, void *closure), void *closure);

/* What the library says of its last error. */
const char *why(natsStatus s);

/* The stream that takes a subject; *name is to be freed, and NULL if there is none. */
natsStatus find_stream(jsCtx *js, const char *subject, char **name);
#endif

/* These return an exit status. */
int publish(const struct publish_options *opt);
int subscribe(const char *url, const struct servers *servers);

#endif /* ACQPUB_H */
