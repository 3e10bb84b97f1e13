// SPDX-License-Identifier: GPL-2.0-only
/* Each way to wait for frames, on a file of its own, and what it says when the device goes. */
#include <libaio.h>
#include <liburing.h>
#include <sys/eventfd.h>

#include "common.h"

#define FRAMES 256 /* in a ring, and wanted: more than there will be */
#define SIGNAL SIGRTMIN

enum {
	READS,
	POLLS,
	PENDS, /* two Linux AIO reads */
	MAPS, /* and polls */
	TOLD, /* by an eventfd, a signal, and io_uring's poll */
	URING_READS,
};

_Static_assert(URING_READS + 1 == WAITS, "each way has its file");

struct poller {
	pthread_t thread;
	pid_t tid;
	int fd;
	int events;
};

struct waits {
	int fds[WAITS];
	size_t stride, bytes;
	struct reader reader;
	struct poller pollers[WAITS]; /* POLLS and MAPS */
	io_context_t context;
	struct iocb iocbs[2];
	struct io_event ended[2]; /* those */
	char *pended;
	struct ring ring;
	int event;
	struct io_uring uring;
	int said[WAITS]; /* TOLD's and URING_READS's, by io_uring */
	char *buf;
	void (*take)(unsigned int way, const struct acq_frame *frame);
};

static void *poller_run(void *arg)
{
	struct poller *poller = arg;
	struct pollfd pollfd = { .fd = poller->fd, .events = POLLIN };

	__atomic_store_n(&poller->tid, thread_id(), __ATOMIC_RELEASE);
	if (poll(&pollfd, 1, PATIENCE_MS) == 1)
		poller->events = pollfd.revents;
	return NULL;
}

static void poller_start(struct poller *poller, int fd)
{
	*poller = (struct poller){ .fd = fd };
	spawn_or_fail(&poller->thread, poller_run, poller);
	wait_until(__atomic_load_n(&poller->tid, __ATOMIC_ACQUIRE) && asleep(poller->tid));
}

static void pend(struct waits *waits)
{
	struct iocb *iocb;
	int i;

	waits->pended = alloc_or_fail(2 * waits->bytes);
	ck_assert_int_eq(io_setup(2, &waits->context), 0);
	for (i = 0; i < 2; i++) {
		iocb = &waits->iocbs[i];
		io_prep_pread(iocb, waits->fds[PENDS], waits->pended + i * waits->bytes,
			      waits->bytes, 0);
		ck_assert_int_eq(io_submit(waits->context, 1, &iocb), 1);
	}
}

static void arm(struct waits *waits)
{
	struct acq_eventfd arg = { .size = sizeof(arg), .fd = eventfd(0, EFD_CLOEXEC) };

	ck_assert_ok(command(waits->fds[TOLD], ACQ_IOC_SET_EVENTFD, &arg));
	waits->event = arg.fd;
	sigio_arm_or_fail(waits->fds[TOLD], SIGNAL);
}

static void uring_submit(struct waits *waits)
{
	struct io_uring_sqe *sqe;

	ck_assert_int_eq(io_uring_queue_init(2, &waits->uring, 0), 0);
	sqe = io_uring_get_sqe(&waits->uring);
	io_uring_prep_poll_add(sqe, waits->fds[TOLD], POLLIN);
	sqe->user_data = TOLD;
	sqe = io_uring_get_sqe(&waits->uring);
	io_uring_prep_read(sqe, waits->fds[URING_READS], waits->buf, waits->bytes, -1);
	sqe->user_data = URING_READS;
	ck_assert_int_eq(io_uring_submit(&waits->uring), 2);
}

static void open_all(struct waits *waits, int (*open_node)(void))
{
	int i;

	for (i = 0; i < WAITS; i++) {
		waits->fds[i] = open_node();
		configure_or_fail(waits->fds[i], FRAMES, FRAMES, 0);
	}
	waits->stride = info(waits->fds[0]).stride;
	waits->bytes = FRAMES * waits->stride;
	ring_map_or_fail(&waits->ring, waits->fds[MAPS]);
	for (i = 0; i < WAITS; i++)
		start_or_fail(waits->fds[i]);
}

/* All of them wait for more than there will be. */
struct waits *waits_begin(int (*open_node)(void))
{
	struct waits *waits = alloc_or_fail(sizeof(*waits));

	open_all(waits, open_node);
	waits->buf = alloc_or_fail(waits->bytes);
	arm(waits);
	uring_submit(waits);
	pend(waits);
	reader_start_and_block(&waits->reader, waits->fds[READS], waits->bytes);
	poller_start(&waits->pollers[POLLS], waits->fds[POLLS]);
	poller_start(&waits->pollers[MAPS], waits->fds[MAPS]);
	return waits;
}

/* So many frames are there for each, and nobody was told. */
void waits_fill(struct waits *waits, unsigned int frames)
{
	struct io_uring_cqe *cqe;
	siginfo_t got;
	int i;

	for (i = 0; i < WAITS; i++)
		wait_until(stats(waits->fds[i]).ring >= frames);
	ck_assert(!readable(waits->event));
	ck_assert_int_eq(sigio_next(SIGNAL, &got, 0), 0);
	ck_assert_int_eq(io_uring_peek_cqe(&waits->uring, &cqe), -EAGAIN);
}

/* as poll says it, by whatever call */
static int end_events(const struct waits *waits, int way)
{
	return POLLHUP | POLLERR | (stats(waits->fds[way]).produced ? POLLIN : 0);
}

static void poller_woken_or_fail(struct waits *waits, int way)
{
	pthread_join(waits->pollers[way].thread, NULL);
	ck_assert_int_eq(waits->pollers[way].events, end_events(waits, way));
}

/* What io_uring has to tell this thread interrupts its wait for AIO. */
static void pended_woken_or_fail(struct waits *waits)
{
	struct timespec patience = { PATIENCE_MS / 1000, 0 };
	int got = 0, ret;

	while (got < 2) {
		ret = io_getevents(waits->context, 1, 2 - got, waits->ended + got, &patience);
		ck_assert_msg(ret > 0 || ret == -EINTR, "%d of 2 ended, then %d", got, ret);
		got += ret > 0 ? ret : 0;
	}
}

static void told_or_fail(struct waits *waits)
{
	struct pollfd pollfd = { .fd = waits->event, .events = POLLIN };
	siginfo_t got;

	ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
	ck_assert_int_eq(sigio_next(SIGNAL, &got, PATIENCE_MS), SIGNAL);
	ck_assert_int_eq(got.si_fd, waits->fds[TOLD]);
	ck_assert_int_eq(got.si_code, POLL_HUP);
	ck_assert(got.si_band & POLLHUP);
}

static void uring_woken_or_fail(struct waits *waits)
{
	struct __kernel_timespec patience = { PATIENCE_MS / 1000, 0 };
	struct io_uring_cqe *cqe;
	int i, ret;

	for (i = 0; i < 2; i++) {
		ret = io_uring_wait_cqe_timeout(&waits->uring, &cqe, &patience);
		ck_assert_msg(!ret, "io_uring still waits, %d ended: %s", i, strerror(-ret));
		waits->said[cqe->user_data] = cqe->res;
		io_uring_cqe_seen(&waits->uring, cqe);
	}
	ck_assert_int_eq(waits->said[TOLD], end_events(waits, TOLD));
}

/* The device is gone: nobody waits any more. */
void waits_woken_or_fail(struct waits *waits)
{
	reader_join(&waits->reader);
	poller_woken_or_fail(waits, POLLS);
	poller_woken_or_fail(waits, MAPS);
	pended_woken_or_fail(waits);
	told_or_fail(waits);
	uring_woken_or_fail(waits);
}

static void take_all(struct waits *waits, int way, const char *frames, size_t bytes)
{
	size_t at;

	for (at = 0; at < bytes; at += waits->stride)
		waits->take(way, (const void *)(frames + at));
}

/* What remained, or ENODEV if that was nothing; then ENODEV. */
static void check_read(struct waits *waits, int way, const char *frames, ssize_t got)
{
	int fd = waits->fds[way];
	uint64_t there = stats(fd).produced;

	ck_assert_int_eq(got, there ? (ssize_t)(there * waits->stride) : -ENODEV);
	if (there)
		take_all(waits, way, frames, got);
	ck_assert_errno(read(fd, waits->buf, waits->bytes), ENODEV);
	ck_assert_int_eq(poll_now(fd, POLLIN), POLLHUP | POLLERR);
	ck_assert_uint_eq(stats(fd).delivered, there);
	close(fd);
}

/* of a file that nobody has read */
static void check_rest(struct waits *waits, int way)
{
	int fd = waits->fds[way];
	ssize_t got;

	ck_assert_int_eq(poll_now(fd, POLLIN), end_events(waits, way));
	got = read(fd, waits->buf, waits->bytes);
	check_read(waits, way, waits->buf, got < 0 ? -errno : got);
}

static void check_pended(struct waits *waits)
{
	int i;

	for (i = 0; i < 2; i++)
		ck_assert_ptr_eq(waits->ended[i].obj, &waits->iocbs[i]);
	check_read(waits, PENDS, waits->pended, (long)waits->ended[0].res);
	ck_assert_int_eq((long)waits->ended[1].res, -ENODEV);
	io_destroy(waits->context);
	free(waits->pended);
}

/* It stands still, longer than the file. */
static void check_mapped(struct waits *waits)
{
	struct ring *ring = &waits->ring;
	uint32_t in = ring_in(ring), i;

	ck_assert(ring->producer->state & ACQ_RING_GONE);
	ck_assert_uint_eq(ring_count(ring), stats(waits->fds[MAPS]).produced);
	close(waits->fds[MAPS]);
	for (i = ring->out; i != in; i++)
		waits->take(MAPS, ring_frame(ring, i));
	ck_assert_uint_eq(ring_in(ring), in);
	ring_unmap(ring);
}

/* What each of them has got is right; @take looks at the frames of each way in their order. */
void waits_end(struct waits *waits, void (*take)(unsigned int way, const struct acq_frame *frame))
{
	struct reader *reader = &waits->reader;

	waits->take = take;
	check_read(waits, URING_READS, waits->buf, waits->said[URING_READS]);
	check_read(waits, READS, reader->buf, reader->error ? -reader->error : reader->got);
	check_rest(waits, POLLS);
	check_pended(waits);
	check_rest(waits, TOLD);
	check_mapped(waits);
	close(waits->event);
	io_uring_queue_exit(&waits->uring);
	reader_free(reader);
	free(waits->buf);
	free(waits);
}
