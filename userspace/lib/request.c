// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pended reads, over Linux AIO. A request has a slot, which is taken by
 * acq_submit() and freed by the acq_wait() that hands its completion out, so
 * the slot's iocb keeps its address as long as the kernel could be asked to
 * cancel it. A request's number is its slot and how often that was used.
 */
#include <linux/aio_abi.h>
#include <linux/time_types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#define WAIT_MAX 64

struct request {
	struct iocb iocb;
	void *user;
	uint64_t id;
	bool taken;
};

struct acq_requests {
	aio_context_t ctx;
	struct request slots[ACQ_REQUESTS_MAX];
};

static struct acq_requests *create(int *err)
{
	struct acq_requests *reqs = calloc(1, sizeof(*reqs));
	unsigned int i;

	*err = -ENOMEM;
	if (!reqs)
		return NULL;
	if (syscall(SYS_io_setup, ACQ_REQUESTS_MAX, &reqs->ctx)) {
		*err = -errno;
		free(reqs);
		return NULL;
	}
	for (i = 0; i < ACQ_REQUESTS_MAX; i++)
		reqs->slots[i].id = i;
	return reqs;
}

static struct acq_requests *get_requests(struct acq *acq, int *err)
{
	struct acq_requests *reqs;

	pthread_mutex_lock(&acq->lock);
	if (!acq->requests)
		acq->requests = create(err);
	reqs = acq->requests;
	pthread_mutex_unlock(&acq->lock);
	return reqs;
}

void acq_requests_destroy(struct acq *acq)
{
	if (!acq->requests)
		return;
	syscall(SYS_io_destroy, acq->requests->ctx);
	free(acq->requests);
	acq->requests = NULL;
}

static struct request *slot_of(struct acq_requests *reqs, uint64_t id)
{
	return &reqs->slots[id % ACQ_REQUESTS_MAX];
}

static struct request *take_slot(struct acq *acq, struct acq_requests *reqs)
{
	struct request *req = reqs->slots;
	struct request *end = req + ACQ_REQUESTS_MAX;

	pthread_mutex_lock(&acq->lock);
	while (req < end && req->taken)
		req++;
	if (req < end) {
		req->taken = true;
		req->id += ACQ_REQUESTS_MAX;
	}
	pthread_mutex_unlock(&acq->lock);
	return req < end ? req : NULL;
}

static void free_slot(struct acq *acq, struct request *req)
{
	pthread_mutex_lock(&acq->lock);
	req->taken = false;
	pthread_mutex_unlock(&acq->lock);
}

int acq_submit(struct acq *acq, void *buf, size_t bytes, void *user, uint64_t *id)
{
	struct acq_requests *reqs;
	struct request *req;
	struct iocb *iocb;
	int err;

	reqs = get_requests(acq, &err);
	if (!reqs)
		return err;
	req = take_slot(acq, reqs);
	if (!req)
		return -EAGAIN;
	req->user = user;
	req->iocb = (struct iocb){
		.aio_data = req->id,
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = acq->fd,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = bytes,
	};
	if (id)
		*id = req->id;
	iocb = &req->iocb;
	/* From here on another thread may see its end and reuse the slot. */
	if (syscall(SYS_io_submit, reqs->ctx, 1, &iocb) == 1)
		return 0;
	err = -errno;
	free_slot(acq, req);
	return err;
}

/* Until the deadline or a signal; short waits, rounded up. */
static int get_events(aio_context_t ctx, struct io_event *events, long max, int timeout_ms)
{
	struct __kernel_old_timespec ts = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = timeout_ms % 1000 * 1000000L,
	};
	long got = syscall(SYS_io_getevents, ctx, 1L, max, events, timeout_ms < 0 ? NULL : &ts);

	if (got < 0)
		return -errno;
	return got ?: -ETIMEDOUT;
}

static void hand_out(struct request *req, const struct io_event *event, struct acq_completion *done)
{
	*done = (struct acq_completion){
		.id = req->id,
		.user = req->user,
		.buf = (void *)(uintptr_t)req->iocb.aio_buf,
		.result = event->res,
	};
	req->taken = false;
}

int acq_wait(struct acq *acq, struct acq_completion *done, unsigned int max, int timeout_ms)
{
	struct io_event events[WAIT_MAX];
	struct acq_requests *reqs;
	int err, got, i;

	if (!max)
		return -EINVAL;
	reqs = get_requests(acq, &err);
	if (!reqs)
		return err;
	got = get_events(reqs->ctx, events, max < WAIT_MAX ? max : WAIT_MAX, timeout_ms);
	pthread_mutex_lock(&acq->lock);
	for (i = 0; i < got; i++)
		hand_out(slot_of(reqs, events[i].data), &events[i], &done[i]);
	pthread_mutex_unlock(&acq->lock);
	return got;
}

/* The lock keeps the slot from being reused between the look and the call. */
int acq_cancel(struct acq *acq, uint64_t id)
{
	struct io_event unused;
	struct request *req;
	int err = -ENOENT;

	pthread_mutex_lock(&acq->lock);
	if (!acq->requests)
		goto out;
	req = slot_of(acq->requests, id);
	if (!req->taken || req->id != id)
		goto out;
	if (!syscall(SYS_io_cancel, acq->requests->ctx, &req->iocb, &unused) ||
	    errno == EINPROGRESS)
		err = 0;
out:
	pthread_mutex_unlock(&acq->lock);
	return err;
}
