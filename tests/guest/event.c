// SPDX-License-Identifier: GPL-2.0-only
/* The event shared with the driver: eventfd; and SIGIO. */
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "common.h"

static struct stream stream;
static int device, event;

static void begin(void)
{
	sim_reset();
	device = open_or_fail(O_RDWR);
	configure_or_fail(device, 4096, 1, 0);
	stream_begin(&stream, device);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_ok(event);
}

static int set_eventfd(int fd)
{
	struct acq_eventfd arg = { .size = sizeof(arg), .fd = fd };

	return command(device, ACQ_IOC_SET_EVENTFD, &arg);
}

/* signals since the last look */
static uint64_t signals(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) == sizeof(count))
		return count;
	ck_assert_int_eq(errno, EAGAIN);
	return 0;
}

static void wait_signal(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
}

static bool silent(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, on_debug() ? 300 : 100) == 0;
}

START_TEST(after_each_batch)
{
	uint64_t count;

	ck_assert_ok(set_eventfd(event));
	ck_assert_uint_eq(signals(event), 0);
	start_or_fail(device);
	wait_signal(event);
	ck_assert_uint_ge(stats(device).ring, 1);
	wait_until(stats(device).produced >= 30);
	sim_stall();
	count = signals(event);
	/* a batch may have had several interrupts' frames, but none was silent */
	ck_assert_uint_ge(count, 1);
	ck_assert_uint_le(count, stats(device).produced);
	ck_assert(silent(event));
}
END_TEST

START_TEST(at_watermark)
{
	unsigned int there;

	set_watermark_or_fail(device, 4096);
	ck_assert_ok(set_eventfd(event));
	there = fill_or_fail(device, 5);
	ck_assert(silent(event));
	set_watermark_or_fail(device, there + 2);
	sim_resume();
	wait_signal(event);
	ck_assert_uint_ge(stats(device).ring, there + 2);
}
END_TEST

START_TEST(at_latency)
{
	sim_rate(5);
	configure_or_fail(device, 64, 64, 50000);
	ck_assert_ok(set_eventfd(event));
	start_or_fail(device);
	wait_signal(event);
	ck_assert_uint_ge(stats(device).ring, 1);
	ck_assert_uint_lt(stats(device).ring, 64);
}
END_TEST

START_TEST(at_stop)
{
	sim_stall();
	ck_assert_ok(set_eventfd(event));
	start_or_fail(device);
	ck_assert(silent(event));
	stop_or_fail(device);
	ck_assert_uint_ge(signals(event), 1);
}
END_TEST

/* arming is never too late: what is there already is told */
START_TEST(ready_already)
{
	fill_or_fail(device, 3);
	ck_assert_ok(set_eventfd(event));
	ck_assert_uint_ge(signals(event), 1);
	ck_assert(silent(event));
}
END_TEST

START_TEST(detached)
{
	ck_assert_ok(set_eventfd(event));
	start_or_fail(device);
	wait_signal(event);
	ck_assert_ok(set_eventfd(-1));
	signals(event);
	ck_assert(silent(event));
	ck_assert_ok(set_eventfd(-1));
	ck_assert_ok(set_eventfd(event));
	wait_signal(event);
}
END_TEST

START_TEST(armed_again_and_again)
{
	unsigned int i, count = rounds(1000, 100000);
	int other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	start_or_fail(device);
	for (i = 0; i < count; i++)
		ck_assert_ok(set_eventfd(i % 3 == 2 ? -1 : i % 3 ? event : other));
	ck_assert_ok(set_eventfd(event));
	signals(other);
	ck_assert(silent(other));
	wait_signal(event);
}
END_TEST

/* the kernel's hold on it is its own */
START_TEST(closed_by_program)
{
	int keep = fcntl(event, F_DUPFD_CLOEXEC, 0);

	ck_assert_ok(set_eventfd(event));
	close(event);
	start_or_fail(device);
	wait_signal(keep);
	close(keep);
	stream_read_or_fail(&stream, device, 20);
	ck_assert_ok(set_eventfd(-1));
}
END_TEST

START_TEST(refused)
{
	int bad[] = { device, -2, 12345 };
	unsigned int i;

	ck_assert_ok(set_eventfd(event));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(set_eventfd(bad[i]), -1);
		ck_assert_int_eq(errno, bad[i] == device ? EINVAL : EBADF);
	}
	/* and the one that was there still is */
	start_or_fail(device);
	wait_signal(event);
}
END_TEST

/* a program that maps the ring and sleeps on its event makes no call to the device */
START_TEST(with_mapping)
{
	unsigned int frames = 0, count = rounds(500, 50000);
	struct ring ring;

	ring_map_or_fail(&ring, device);
	ck_assert_ok(set_eventfd(event));
	start_or_fail(device);
	while (frames < count) {
		wait_signal(event);
		signals(event);
		frames += ring_take(&ring, &stream, 4096);
	}
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

/* SIGIO */

static void arm_signal(int signal)
{
	ck_assert_ok(fcntl(device, F_SETFL, O_NONBLOCK));
	sigio_arm_or_fail(device, signal);
}

START_TEST(sigio)
{
	siginfo_t got;

	arm_signal(0);
	ck_assert_int_eq(sigio_next(0, &got, 50), 0);
	start_or_fail(device);
	ck_assert_int_eq(sigio_next(0, &got, PATIENCE_MS), SIGIO);
	ck_assert(readable(device));
}
END_TEST

/* with a signal of the program's choice comes which file, and what for */
START_TEST(chosen_signal)
{
	siginfo_t got;
	int i;

	arm_signal(SIGRTMIN);
	start_or_fail(device);
	for (i = 0; i < 10; i++) {
		ck_assert_int_eq(sigio_next(SIGRTMIN, &got, PATIENCE_MS), SIGRTMIN);
		ck_assert_int_eq(got.si_fd, device);
		ck_assert_int_eq(got.si_code, POLL_IN);
		ck_assert(got.si_band & POLLIN);
		stream_drain_or_fail(&stream, device);
	}
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

static void drain_signals(int signal)
{
	siginfo_t got;

	while (sigio_next(signal, &got, 0))
		;
}

START_TEST(signal_at_watermark)
{
	unsigned int there;
	siginfo_t got;

	arm_signal(SIGRTMIN);
	set_watermark_or_fail(device, 4096);
	there = fill_or_fail(device, 5);
	ck_assert_int_eq(sigio_next(SIGRTMIN, &got, 100), 0);
	set_watermark_or_fail(device, there + 2);
	sim_resume();
	ck_assert_int_ne(sigio_next(SIGRTMIN, &got, PATIENCE_MS), 0);
	ck_assert_uint_ge(stats(device).ring, there + 2);
}
END_TEST

START_TEST(signal_at_stop)
{
	siginfo_t got;

	sim_stall();
	arm_signal(SIGRTMIN);
	start_or_fail(device);
	ck_assert_int_eq(sigio_next(SIGRTMIN, &got, 50), 0);
	stop_or_fail(device);
	ck_assert_int_eq(sigio_next(SIGRTMIN, &got, PATIENCE_MS), SIGRTMIN);
}
END_TEST

START_TEST(no_signal_any_more)
{
	siginfo_t got;

	arm_signal(SIGRTMIN);
	start_or_fail(device);
	ck_assert_int_ne(sigio_next(SIGRTMIN, &got, PATIENCE_MS), 0);
	ck_assert_ok(fcntl(device, F_SETFL, O_NONBLOCK));
	drain_signals(SIGRTMIN);
	ck_assert_int_eq(sigio_next(SIGRTMIN, &got, 100), 0);
	ck_assert(readable(device));
}
END_TEST

/* all of them at once, each for itself */
START_TEST(everything_at_once)
{
	struct pollfd pollfd = { .fd = device, .events = POLLIN };
	siginfo_t got;
	int i;

	arm_signal(SIGRTMIN);
	ck_assert_ok(set_eventfd(event));
	start_or_fail(device);
	for (i = 0; i < 20; i++) {
		ck_assert_int_ne(sigio_next(SIGRTMIN, &got, PATIENCE_MS), 0);
		wait_signal(event);
		signals(event);
		ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
		stream_drain_or_fail(&stream, device);
	}
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("event");
	TCase *eventfd = tcase_create("eventfd"), *signal = tcase_create("signal");

	tcase_add_checked_fixture(eventfd, begin, NULL);
	tcase_add_test(eventfd, after_each_batch);
	tcase_add_test(eventfd, at_watermark);
	tcase_add_test(eventfd, at_latency);
	tcase_add_test(eventfd, at_stop);
	tcase_add_test(eventfd, ready_already);
	tcase_add_test(eventfd, detached);
	tcase_add_test(eventfd, armed_again_and_again);
	tcase_add_test(eventfd, closed_by_program);
	tcase_add_test(eventfd, refused);
	tcase_add_test(eventfd, with_mapping);
	suite_add_tcase(suite, eventfd);

	tcase_add_checked_fixture(signal, begin, NULL);
	tcase_add_test(signal, sigio);
	tcase_add_test(signal, chosen_signal);
	tcase_add_test(signal, signal_at_watermark);
	tcase_add_test(signal, signal_at_stop);
	tcase_add_test(signal, no_signal_any_more);
	tcase_add_test(signal, everything_at_once);
	suite_add_tcase(suite, signal);
	return suite;
}

int main(void)
{
	return run(suite());
}
