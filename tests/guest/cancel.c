// SPDX-License-Identifier: GPL-2.0-only
/*
 * Races for the end of a request: it ends exactly once, by its frames or by the
 * cancellation, and the frames it would have taken go to the next.
 */
#include <libaio.h>
#include <signal.h>
#include <stdio.h>

#include "common.h"

#define DEVICE_FRAMES 16384

static struct stream stream;
static unsigned int period_us;
static size_t stride;
static int device;

/* A round must be shorter than the time between two frames, or nothing ever waits. */
static void begin(void)
{
	sim_reset();
	period_us = on_debug() ? 20000 : 2000;
	sim_rate(1000000 / period_us);
	device = open_or_fail(O_RDWR);
	configure_or_fail(device, DEVICE_FRAMES, 1, 0);
	stride = info(device).stride;
	stream_begin(&stream, device);
}

static void spin_us(unsigned int us)
{
	int64_t end = now_ns() + us * INT64_C(1000);

	while (now_ns() < end)
		;
}

/* from nothing to so many periods, another each round */
static void spin_somewhat(unsigned int round, unsigned int periods)
{
	spin_us(round * 7919 % (periods * period_us));
}

/* A delay that hunts for the moment at which either side wins. */
struct hunt {
	unsigned int delay_us;
	unsigned int early, late; /* how often we came so */
};

static void hunt_learn(struct hunt *hunt, bool early)
{
	const unsigned int step = period_us / 20, most = 10 * period_us;

	if (early) {
		hunt->early++;
		hunt->delay_us += hunt->delay_us < most ? step : 0;
	} else {
		hunt->late++;
		hunt->delay_us -= hunt->delay_us >= step ? step : 0;
	}
}

static void hunt_check(const struct hunt *hunt)
{
	ck_assert_msg(hunt->early && hunt->late, "%u early, %u late", hunt->early, hunt->late);
}

static io_context_t context_or_fail(unsigned int requests)
{
	io_context_t context = 0;

	ck_assert_int_eq(io_setup(requests, &context), 0);
	return context;
}

static void submit(io_context_t context, struct iocb *iocb, int fd, void *buf, size_t bytes)
{
	io_prep_pread(iocb, fd, buf, bytes, 0);
	ck_assert_int_eq(io_submit(context, 1, &iocb), 1);
}

static void events_or_fail(io_context_t context, struct io_event *events, int count)
{
	struct timespec patience = { PATIENCE_MS / 1000, 0 }, none = { 0, 0 };
	struct io_event more;

	ck_assert_int_eq(io_getevents(context, count, count, events, &patience), count);
	ck_assert_int_eq(io_getevents(context, 1, 1, &more, &none), 0);
}

START_TEST(io_cancel_race)
{
	io_context_t context = context_or_fail(8);
	unsigned int i, count = rounds(1000, 100000);
	char *buf = alloc_or_fail(stride);
	struct hunt hunt = { .delay_us = period_us / 2 };
	struct io_event event, unused;
	struct iocb iocb;
	uint64_t cancelled = 0;
	int ret;

	start_or_fail(device);
	for (i = 0; i < count; i++) {
		submit(context, &iocb, device, buf, stride);
		spin_us(hunt.delay_us);
		ret = io_cancel(context, &iocb, &unused);
		ck_assert(ret == 0 || ret == -EINPROGRESS || ret == -EINVAL);
		events_or_fail(context, &event, 1);
		if ((long)event.res == -ECANCELED) {
			ck_assert_int_ne(ret, -EINVAL);
			cancelled++;
		} else {
			ck_assert_int_eq(event.res, stride);
			stream_take_all(&stream, buf, stride);
		}
		hunt_learn(&hunt, (long)event.res == -ECANCELED);
	}
	hunt_check(&hunt);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(device).cancelled, cancelled);
	ck_assert_uint_eq(stats(device).delivered, stream.frames);
	io_destroy(context);
	free(buf);
}
END_TEST

/* Several in the queue, of which one is cancelled: the others stay in order. */
START_TEST(io_cancel_in_queue_race)
{
	enum {
		DEPTH = 6
	};
	io_context_t context = context_or_fail(DEPTH);
	unsigned int i, k, count = rounds(300, 30000);
	char *buf = alloc_or_fail(DEPTH * stride);
	struct io_event events[DEPTH], unused;
	struct iocb iocbs[DEPTH];

	start_or_fail(device);
	for (i = 0; i < count; i++) {
		for (k = 0; k < DEPTH; k++)
			submit(context, &iocbs[k], device, buf + k * stride, stride);
		spin_somewhat(i, 2);
		io_cancel(context, &iocbs[i % DEPTH], &unused);
		io_cancel(context, &iocbs[i / DEPTH % DEPTH], &unused);
		events_or_fail(context, events, DEPTH);
		for (k = 0; k < DEPTH; k++) {
			if ((long)events[k].res == -ECANCELED)
				continue;
			ck_assert_int_eq(events[k].res, stride);
			stream_take_all(&stream, events[k].obj->u.c.buf, stride);
		}
	}
	ck_assert_uint_eq(stream.lost, 0);
	io_destroy(context);
	free(buf);
}
END_TEST

static void nothing(int signal)
{
	(void)signal;
}

struct victim {
	pthread_t thread;
	unsigned int interrupted;
	bool stop;
};

static void *victim_thread(void *arg)
{
	struct victim *victim = arg;
	char *buf = alloc_or_fail(stride);

	while (!__atomic_load_n(&victim->stop, __ATOMIC_ACQUIRE)) {
		ssize_t got = read(device, buf, stride);

		if (got < 0) {
			ck_assert_int_eq(errno, EINTR);
			victim->interrupted++;
		} else {
			ck_assert_int_eq(got, stride);
			stream_take_all(&stream, buf, stride);
		}
	}
	free(buf);
	return NULL;
}

START_TEST(signal_race)
{
	struct sigaction action = { .sa_handler = nothing };
	unsigned int i, count = rounds(1000, 100000);
	struct victim victim = { 0 };

	ck_assert_ok(sigaction(SIGUSR1, &action, NULL));
	start_or_fail(device);
	spawn_or_fail(&victim.thread, victim_thread, &victim);
	for (i = 0; i < count; i++) {
		spin_somewhat(i, 2);
		pthread_kill(victim.thread, SIGUSR1);
	}
	__atomic_store_n(&victim.stop, true, __ATOMIC_RELEASE);
	pthread_join(victim.thread, NULL);
	ck_assert_uint_gt(victim.interrupted, 0);
	ck_assert_uint_gt(stream.frames, 0);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(device).delivered, stream.frames);
}
END_TEST

/* A wait for a grace period each: several at once. */
#define DESTROYERS 8
#define DESTROY_DEPTH 4

/* The frames of requests that end while nobody looks are gone with them: only counts remain. */
static void *destroyer_thread(void *arg)
{
	unsigned int i, k, count = rounds(1000, 100000) / DESTROYERS + 1;
	char *buf = alloc_or_fail(DESTROY_DEPTH * stride);
	int fd = open_or_fail(O_RDONLY);
	struct iocb iocbs[DESTROY_DEPTH];
	struct acq_stats got;

	(void)arg;
	configure_or_fail(fd, DEVICE_FRAMES, 1, 0);
	start_or_fail(fd);
	for (i = 0; i < count; i++) {
		io_context_t context = context_or_fail(DESTROY_DEPTH);

		/* what came while the last one was destroyed */
		flush_or_fail(fd);
		for (k = 0; k < DESTROY_DEPTH; k++)
			submit(context, &iocbs[k], fd, buf + k * stride, stride);
		spin_somewhat(i, 2);
		ck_assert_int_eq(io_destroy(context), 0);
	}
	/* each of those that waited took a frame or was cancelled, and none is left */
	stop_or_fail(fd);
	got = stats(fd);
	ck_assert_uint_eq(got.delivered + got.cancelled, (uint64_t)count * DESTROY_DEPTH);
	ck_assert_uint_eq(got.lost, 0);
	close(fd);
	free(buf);
	return NULL;
}

START_TEST(io_destroy_race)
{
	pthread_t threads[DESTROYERS];
	long pinned = pinned_pages();
	unsigned int i;

	for (i = 0; i < DESTROYERS; i++)
		spawn_or_fail(&threads[i], destroyer_thread, NULL);
	for (i = 0; i < DESTROYERS; i++)
		pthread_join(threads[i], NULL);
	wait_until(pinned_pages() == pinned);
}
END_TEST

#define STOP_DEPTH 3

/* What the requests of a round got, in the order of issue: frames, then nothing. */
static bool stop_check(const struct iocb *iocbs, const struct io_event *events)
{
	bool ended = false;
	unsigned int k;

	for (k = 0; k < STOP_DEPTH; k++) {
		ck_assert_ptr_eq(events[k].obj, &iocbs[k]);
		ck_assert(events[k].res == (ended ? 0 : stride) || events[k].res == 0);
		ended = !events[k].res;
		stream_take_all(&stream, iocbs[k].u.c.buf, events[k].res);
	}
	return ended;
}

/* STOP: what is there in order, then 0 for whoever waits. */
START_TEST(stop_race)
{
	io_context_t context = context_or_fail(STOP_DEPTH);
	unsigned int i, k, count = rounds(1000, 100000);
	char *buf = alloc_or_fail(STOP_DEPTH * stride);
	struct hunt hunt = { .delay_us = period_us };
	struct io_event events[STOP_DEPTH];
	struct iocb iocbs[STOP_DEPTH];

	for (i = 0; i < count; i++) {
		start_or_fail(device);
		for (k = 0; k < STOP_DEPTH; k++)
			submit(context, &iocbs[k], device, buf + k * stride, stride);
		spin_us(hunt.delay_us);
		stop_or_fail(device);
		events_or_fail(context, events, STOP_DEPTH);
		hunt_learn(&hunt, stop_check(iocbs, events));
		while (stats(device).ring)
			stream_read_or_fail(&stream, device, 1);
	}
	hunt_check(&hunt);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(device).delivered, stream.frames);
	ck_assert_uint_eq(stats(device).produced, stream.frames);
	io_destroy(context);
	free(buf);
}
END_TEST

/* FLUSH, which takes the frames away from under those that wait for them. */
START_TEST(flush_race)
{
	io_context_t context = context_or_fail(8);
	unsigned int i, count = rounds(1000, 100000);
	char *buf = alloc_or_fail(3 * stride);
	struct io_event event;
	struct iocb iocb;

	set_watermark_or_fail(device, 3);
	start_or_fail(device);
	for (i = 0; i < count; i++) {
		submit(context, &iocb, device, buf, 3 * stride);
		spin_somewhat(i, 2);
		flush_or_fail(device);
		events_or_fail(context, &event, 1);
		ck_assert_int_eq(event.res, 3 * stride);
		stream_take_all(&stream, buf, event.res);
	}
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(device).delivered, stream.frames);
	io_destroy(context);
	free(buf);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("cancel");
	TCase *tcase = tcase_create("races");

	tcase_set_timeout(tcase, 3 * PATIENCE_MS / 1000);
	tcase_add_checked_fixture(tcase, begin, NULL);
	tcase_add_test(tcase, io_cancel_race);
	tcase_add_test(tcase, io_cancel_in_queue_race);
	tcase_add_test(tcase, signal_race);
	tcase_add_test(tcase, io_destroy_race);
	tcase_add_test(tcase, stop_race);
	tcase_add_test(tcase, flush_race);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run(suite());
}
