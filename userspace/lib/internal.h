/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the objects of libacq share. */
#ifndef ACQ_INTERNAL_H
#define ACQ_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include <acq.h>

/* The mapped ring; for one thread at a time, as the header says. */
struct acq_ring {
	struct acq_consumer *consumer; /* NULL: not mapped */
	const struct acq_producer *producer;
	size_t producer_bytes;
	const unsigned char *frames;
	uint32_t count;
	uint32_t stride;
	uint32_t out; /* what consumer->out was set to last */
	uint32_t given; /* by acq_ring_next(), from out on */
	bool shared;
};

struct acq_requests;

struct acq {
	int fd;
	struct acq_ring ring;
	pthread_mutex_t lock; /* requests: the pointer, and what is in it */
	struct acq_requests *requests;
};

int acq_ioctl(const struct acq *acq, unsigned int cmd, const void *arg);
void acq_ring_resync(struct acq_ring *ring);
void acq_requests_destroy(struct acq *acq);

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* When a wait of so many milliseconds ends; -1: never. */
static inline int64_t deadline_in(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : now_ns() + timeout_ms * INT64_C(1000000);
}

/* Milliseconds until then, rounded up so that poll does not spin. */
static inline int left_ms(int64_t deadline)
{
	int64_t left;

	if (deadline < 0)
		return -1;
	left = deadline - now_ns();
	return left > 0 ? (int)((left + 999999) / 1000000) : 0;
}

#endif /* ACQ_INTERNAL_H */
