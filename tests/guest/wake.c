// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system goes to sleep and wakes up, and processors come and go, while frames come.
 *
 * The last suite by its name: QEMU resets its machine for a sleep, and cards can't be
 * pulled from the guest any more after that, as edu and uart do.
 */
#include <sched.h>
#include <stdio.h>

#include "common.h"

static void write_or_fail(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_msg(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s > %s: %s", text,
		      path, strerror(errno));
	close(fd);
}

/* Everything but the firmware's part: tasks freeze, devices are suspended and resumed. */
static void sleep_test(void)
{
	write_or_fail("/sys/module/suspend/parameters/pm_test_delay", "0");
	write_or_fail("/sys/power/pm_test", "devices");
	write_or_fail("/sys/power/state", "mem");
	write_or_fail("/sys/power/pm_test", "none");
}

/* For real, until the clock's alarm. */
static void sleep_until_alarm(void)
{
	write_or_fail("/sys/class/rtc/rtc0/wakealarm", "0");
	write_or_fail("/sys/class/rtc/rtc0/wakealarm", "+2");
	write_or_fail("/sys/power/state", "mem");
}

/* Frames came before, and come after; between them lies a new beginning and nothing else. */
static void stream_sleeps(void (*sleep)(void), unsigned int times)
{
	int fd = open_or_fail(O_RDONLY);
	struct stream stream;
	struct acq_stats now;
	unsigned int i;

	configure_or_fail(fd, 4096, 1, 0);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 50);
	for (i = 1; i <= times; i++) {
		ck_assert_uint_eq(stream.starts, i);
		sleep();
		ck_assert(info(fd).flags & ACQ_INFO_STREAMING);
		stream_read_or_fail(&stream, fd, stats(fd).ring + 50);
	}
	ck_assert_uint_eq(stream.starts, times + 1);
	ck_assert_uint_eq(stream.lost, 0);
	now = stats(fd);
	ck_assert_uint_eq(now.lost, 0);
	ck_assert_uint_eq(now.delivered, stream.frames);
	close(fd);
}

START_TEST(suspend)
{
	stream_sleeps(sleep_test, 5);
}
END_TEST

START_TEST(suspend_until_alarm)
{
	stream_sleeps(sleep_until_alarm, 2);
}
END_TEST

/* The hardware's own word for it: what is said to stream is who is attached. */
static void check_silent(int fd)
{
	uint64_t irqs = stats(fd).irqs;

	ck_assert(!(info(fd).flags & ACQ_INFO_STREAMING));
	pause_ms(on_debug() ? 300 : 100);
	ck_assert_uint_eq(stats(fd).irqs, irqs);
}

/* Nobody streams: nothing starts. */
START_TEST(suspend_idle)
{
	int fd = open_or_fail(O_RDONLY);
	struct stream stream;

	sleep_test();
	check_silent(fd);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 10);
	stop_or_fail(fd);
	sleep_test();
	check_silent(fd);
	close(fd);
}
END_TEST

/* A blocked read sleeps through it. */
START_TEST(suspend_blocked)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	struct reader reader;

	sim_stall();
	reader_start_and_block(&reader, fd, stride);
	sleep_test();
	sim_resume();
	ck_assert_int_eq(reader_join(&reader), (ssize_t)stride);
	ck_assert(((struct acq_frame *)reader.buf)->flags & ACQ_FRAME_START);
	reader_free(&reader);
	close(fd);
}
END_TEST

/* Up to the next frame that begins a stream. */
static void read_start_or_fail(int fd)
{
	size_t stride = info(fd).stride;
	struct acq_frame *frame = alloc_or_fail(stride);

	do {
		ck_assert_int_eq(read(fd, frame, stride), (ssize_t)stride);
	} while (!(frame->flags & ACQ_FRAME_START));
	free(frame);
}

/* What is downstream sleeps first and wakes last. */
START_TEST(suspend_chain)
{
	unsigned int i;
	int fd;

	load_module_or_fail("acq_decimate", "");
	fd = open("/dev/acq1", O_RDONLY | O_CLOEXEC);
	ck_assert_ok(fd);
	read_start_or_fail(fd);
	for (i = 0; i < 3; i++) {
		sleep_test();
		/* what came before it is still there, and comes first */
		read_start_or_fail(fd);
		ck_assert_uint_eq(stats(fd).lost, 0);
	}
	close(fd);
	unload_module_or_fail("acq_decimate");
}
END_TEST

/* Who is bound to a processor that goes makes lockdep complain of 6.12's own scheduler. */
static void run_on(unsigned int first, unsigned int last)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (; first <= last; first++)
		CPU_SET(first, &cpus);
	ck_assert_ok(sched_setaffinity(0, sizeof(cpus), &cpus));
}

/* The interrupt, the bottom half and the clock move; no frame is lost on the way. */
START_TEST(cpu_hotplug)
{
	int fd = open_or_fail(O_RDONLY);
	struct stream stream;
	unsigned int i;

	configure_or_fail(fd, 32768, 1, 0);
	stream_begin(&stream, fd);
	/* the clock begins where it is started: on the one that goes first */
	run_on(1, 1);
	start_or_fail(fd);
	run_on(0, 1);
	stream_read_or_fail(&stream, fd, 1);
	for (i = 0; i < rounds(20, 200); i++) {
		write_or_fail("/sys/devices/system/cpu/cpu1/online", i % 2 ? "1" : "0");
		stream_read_or_fail(&stream, fd, stats(fd).ring + 20);
	}
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stream.starts, 1);
	ck_assert_uint_eq(stats(fd).lost, 0);
	close(fd);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("wake");
	TCase *tcase = tcase_create("sleep");

	tcase_set_timeout(tcase, on_debug() ? 300 : 100);
	tcase_add_checked_fixture(tcase, sim_reset, NULL);
	tcase_add_test(tcase, suspend);
	tcase_add_test(tcase, suspend_until_alarm);
	tcase_add_test(tcase, suspend_idle);
	tcase_add_test(tcase, suspend_blocked);
	tcase_add_test(tcase, suspend_chain);
	tcase_add_test(tcase, cpu_hotplug);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run(suite());
}
