// SPDX-License-Identifier: GPL-2.0-only
/* libacq on a real device: every function that needs one, from one thread and from several. */
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <acq.h>

#include "common.h"

#define NOBODY 65534

static struct stream stream;
static size_t stride, page;
static struct acq *acq;
static int device; /* acq's */

/* for a function that returns a negative errno: it must be this one */
#define ck_assert_error(call, error) \
	do { \
		long got_ = (call); \
		ck_assert_msg(got_ == -(error), "%s: %ld (%s), not -%s", #call, got_, \
			      got_ < 0 ? strerror(-got_) : "no error", #error); \
	} while (0)

static struct acq *lib_open_or_fail(int flags)
{
	struct acq *handle;

	ck_assert_error(acq_open(&handle, NULL, flags), 0);
	return handle;
}

static void begin(void)
{
	sim_reset();
	page = page_bytes();
	acq = lib_open_or_fail(O_RDWR);
	device = acq_fd(acq);
	configure_or_fail(device, 4096, 1, 0);
	stride = info(device).stride;
	stream_begin(&stream, device);
}

/* Attached to a clock that stands still, with nothing in the ring. */
static void attach_to_silence(void)
{
	sim_stall();
	ck_assert_error(acq_start(acq), 0);
}

static void cured_or_fail(int err, const char *cure)
{
	ck_assert_msg(strstr(acq_strerror(err), cure), "no \"%s\" in: %s", cure, acq_strerror(err));
}

/* opening */

static const char *const names[] = { NULL, "acq", "/dev/acq", "/dev/../dev/acq" };

START_TEST(open_by_name)
{
	struct acq_info got = { .size = sizeof(got) };
	struct acq *handle;

	ck_assert_error(acq_open(&handle, names[_i], O_RDONLY), 0);
	ck_assert_int_eq(fcntl(acq_fd(handle), F_GETFD), FD_CLOEXEC);
	ck_assert_error(acq_get_info(handle, &got), 0);
	ck_assert_str_eq(got.name, "acq");
	ck_assert_str_eq(got.source, "acq_sim");
	ck_assert_uint_eq(got.flags, 0);
	acq_close(handle);
	acq_close(NULL);
}
END_TEST

static const struct {
	const char *name;
	int flags, err;
	const char *cure;
} unopenable[] = {
	{ "acq99", O_RDONLY, ENOENT, "modprobe acq_sim" },
	{ "/dev/null", O_RDWR, ENOTTY, "acqctl list" },
	{ "/dev", O_RDONLY, ENOTTY, "acqctl list" },
	{ "/dev", O_RDWR, EISDIR, "acqctl list" },
	{ "/dev/null/acq", O_RDONLY, ENOTDIR, "" },
};

START_TEST(open_errors)
{
	struct acq *handle = acq;
	char name[5000];

	ck_assert_error(acq_open(&handle, unopenable[_i].name, unopenable[_i].flags),
			unopenable[_i].err);
	ck_assert_ptr_null(handle);
	cured_or_fail(-unopenable[_i].err, unopenable[_i].cure);

	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_error(acq_open(&handle, name, O_RDONLY), ENAMETOOLONG);
	ck_assert_ptr_null(handle);
}
END_TEST

START_TEST(open_without_descriptors)
{
	const struct rlimit none = { 3, 3 };
	struct acq *handle;

	ck_assert_ok(setrlimit(RLIMIT_NOFILE, &none));
	ck_assert_error(acq_open(&handle, NULL, O_RDONLY), EMFILE);
	cured_or_fail(-EMFILE, "ulimit -n");
}
END_TEST

START_TEST(open_without_permission)
{
	pid_t child = fork_or_fail();
	struct acq *handle;

	if (child) {
		join_or_fail(child);
		return;
	}
	ck_assert_ok(setgid(NOBODY));
	ck_assert_ok(setuid(NOBODY));
	ck_assert_error(acq_open(&handle, NULL, O_RDONLY), EACCES);
	ck_assert_ptr_null(handle);
	cured_or_fail(-EACCES, "join the group acq");
	_exit(0);
}
END_TEST

START_TEST(open_without_module)
{
	struct acq *handle;

	acq_close(acq);
	unload_module_or_fail("acq_sim");
	unload_module_or_fail("acq");
	ck_assert_error(acq_open(&handle, NULL, O_RDONLY), ENOENT);
	cured_or_fail(-ENOENT, "modprobe acq_sim");
	ck_assert_int_eq(system("modprobe acq_sim"), 0);
	ck_assert_error(acq_open(&handle, NULL, O_RDONLY), 0);
}
END_TEST

/* settings */

/* what was in the struct is no input, and does not stay */
START_TEST(info_and_stats)
{
	struct acq_stats statistics;
	struct acq_info got;

	memset(&got, 0xff, sizeof(got));
	got.size = sizeof(got);
	ck_assert_error(acq_get_info(acq, &got), 0);
	ck_assert_uint_eq(got.abi, ACQ_ABI_VERSION);
	ck_assert_uint_eq(got.ring_frames, 4096);
	ck_assert_uint_eq(got.reserved[0], 0);

	ck_assert_error(acq_start(acq), 0);
	wait_until(stats(device).ring >= 3);
	memset(&statistics, 0xff, sizeof(statistics));
	statistics.size = sizeof(statistics);
	ck_assert_error(acq_get_stats(acq, &statistics), 0);
	ck_assert_uint_ge(statistics.ring, 3);
	ck_assert_uint_eq(statistics.produced, statistics.ring);
	ck_assert_uint_eq(statistics.lost, 0);

	/* and never written beyond what the caller has */
	got.size = 3;
	ck_assert_error(acq_get_info(acq, &got), EINVAL);
	got.size = sizeof(got) - 8;
	got.map_bytes = 77;
	acq_get_info(acq, &got);
	ck_assert_uint_eq(got.map_bytes, 77);
	statistics.size = 0;
	ck_assert_error(acq_get_stats(acq, &statistics), EINVAL);
}
END_TEST

START_TEST(configure)
{
	struct acq_config config = {
		.size = sizeof(config),
		.ring_frames = 100,
		.watermark = 7,
		.latency_us = 5000,
	};

	ck_assert_error(acq_configure(acq, &config), 0);
	ck_assert_uint_eq(config.ring_frames, 128);
	ck_assert_uint_eq(config.watermark, 7);
	ck_assert_uint_eq(config.latency_us, 5000);
	config.watermark = 129;
	ck_assert_error(acq_configure(acq, &config), EINVAL);
	cured_or_fail(-EINVAL, "acqctl info");
	ck_assert_error(acq_start(acq), 0);
	config.watermark = 1;
	config.ring_frames = 64;
	ck_assert_error(acq_configure(acq, &config), EBUSY);
	cured_or_fail(-EBUSY, "stop");
}
END_TEST

START_TEST(setup)
{
	struct acq_setup wish = { .size = sizeof(wish), .rate_hz = 500, .channels = 3 };
	struct acq *reader = lib_open_or_fail(O_RDONLY);

	ck_assert_error(acq_setup_device(acq, &wish), 0);
	ck_assert_uint_eq(wish.rate_hz, 500);
	ck_assert_uint_eq(wish.channels, 3);
	ck_assert_uint_eq(wish.samples, 5);
	ck_assert_uint_eq(info(device).rate_hz, 500);
	ck_assert_error(acq_setup_device(reader, &wish), EBADF);
	cured_or_fail(-EBADF, "reading and writing");
	ck_assert_error(acq_start(reader), 0);
	ck_assert_error(acq_setup_device(acq, &wish), EBUSY);
	ck_assert_error(acq_stop(reader), 0);
	ck_assert_error(acq_setup_device(acq, &wish), 0);
	acq_close(reader);
}
END_TEST

START_TEST(start_stop_flush)
{
	char *buf = alloc_or_fail(64 * stride);

	ck_assert_error(acq_start(acq), 0);
	ck_assert_error(acq_start(acq), 0);
	wait_until(stats(device).ring >= 5);
	ck_assert_error(acq_flush(acq), 0);
	ck_assert_uint_ge(stats(device).flushed, 5);
	ck_assert_int_ge(acq_read(acq, buf, stride, -1), 0);
	ck_assert(((struct acq_frame *)buf)->flags & ACQ_FRAME_START);
	ck_assert_error(acq_stop(acq), 0);
	ck_assert_error(acq_stop(acq), 0);
	while (acq_read(acq, buf, 64 * stride, -1) > 0)
		;
	ck_assert_error(acq_read(acq, buf, 64 * stride, -1), 0);
	ck_assert_error(acq_start(acq), 0);
	ck_assert_int_ge(acq_read(acq, buf, stride, -1), 0);
	free(buf);
}
END_TEST

/* reading */

static const int nonblocking[] = { 0, O_NONBLOCK };

/* O_NONBLOCK is nothing to a call that has a time limit of its own */
START_TEST(read_waits)
{
	char *buf = alloc_or_fail(64 * stride);
	ssize_t got;

	ck_assert_ok(fcntl(device, F_SETFL, nonblocking[_i]));
	while (stream.frames < 50) {
		got = acq_read(acq, buf, 64 * stride, stream.frames % 2 ? -1 : PATIENCE_MS);
		ck_assert_int_gt(got, 0);
		stream_take_all(&stream, buf, got);
	}
	ck_assert_uint_eq(stream.lost, 0);
	free(buf);
}
END_TEST

START_TEST(read_times_out)
{
	char *buf = alloc_or_fail(64 * stride);
	int64_t begin_ms;

	ck_assert_ok(fcntl(device, F_SETFL, nonblocking[_i]));
	attach_to_silence();
	begin_ms = now_ms();
	ck_assert_error(acq_read(acq, buf, 64 * stride, 50), ETIMEDOUT);
	ck_assert_int_ge(now_ms() - begin_ms, 50);
	ck_assert_error(acq_read(acq, buf, 64 * stride, 0), ETIMEDOUT);
	cured_or_fail(-ETIMEDOUT, "acqctl stats");
	sim_resume();
	fill_or_fail(device, 3);
	ck_assert_int_ge(acq_read(acq, buf, 64 * stride, 0), 3 * stride);
	free(buf);
}
END_TEST

START_TEST(read_errors)
{
	char *buf = alloc_or_fail(stride);

	ck_assert_error(acq_read(acq, buf, stride - 1, -1), EINVAL);
	ck_assert_error(acq_read(acq, buf, stride - 1, 0), EINVAL);
	ck_assert_error(acq_read(acq, buf, stride - 1, 50), EINVAL);
	fill_or_fail(device, 2);
	ck_assert_error(acq_read(acq, NULL, stride, -1), EFAULT);
	cured_or_fail(-EFAULT, "memory");
	ck_assert_int_eq(acq_read(acq, buf, stride, -1), stride);
	free(buf);
}
END_TEST

static void wake_up(int signal)
{
	(void)signal;
}

/* a signal as soon as this process sleeps, whenever that is */
static void interrupt_soon(void)
{
	const struct itimerval time = { { 0, 50000 }, { 0, 50000 } };
	const struct sigaction action = { .sa_handler = wake_up };

	ck_assert_ok(sigaction(SIGALRM, &action, NULL));
	ck_assert_ok(setitimer(ITIMER_REAL, &time, NULL));
}

static const int timeouts[] = { -1, 60000 };

START_TEST(signal_interrupts)
{
	struct acq_completion done;
	const struct acq_frame *frames;
	char *buf = alloc_or_fail(stride);

	attach_to_silence();
	interrupt_soon();
	ck_assert_error(acq_read(acq, buf, stride, timeouts[_i]), EINTR);
	cured_or_fail(-EINTR, "call again");
	ck_assert_error(acq_wait(acq, &done, 1, timeouts[_i]), EINTR);
	ck_assert_error(acq_ring_map(acq), 0);
	ck_assert_error(acq_ring_next(acq, &frames, timeouts[_i]), EINTR);
	free(buf);
}
END_TEST

struct waiter {
	pthread_t thread;
	int timeout_ms;
	bool done;
	long result;
};

static void *wait_in_read(void *arg)
{
	struct waiter *waiter = arg;
	char *buf = alloc_or_fail(stride);

	waiter->result = acq_read(acq, buf, stride, waiter->timeout_ms);
	free(buf);
	return NULL;
}

static void *wait_in_ring(void *arg)
{
	struct waiter *waiter = arg;
	const struct acq_frame *frames;

	waiter->result = acq_ring_next(acq, &frames, waiter->timeout_ms);
	return NULL;
}

/* from whatever thread: every wait ends */
START_TEST(stop_ends_reads)
{
	struct waiter waiters[8];
	unsigned int i;

	attach_to_silence();
	for (i = 0; i < ARRAY_SIZE(waiters); i++) {
		waiters[i].timeout_ms = timeouts[i % 2];
		spawn_or_fail(&waiters[i].thread, wait_in_read, &waiters[i]);
	}
	/* half of them block in read() */
	wait_until(stats(device).pended == ARRAY_SIZE(waiters) / 2);
	ck_assert_error(acq_stop(acq), 0);
	for (i = 0; i < ARRAY_SIZE(waiters); i++) {
		pthread_join(waiters[i].thread, NULL);
		ck_assert_error(waiters[i].result, 0);
	}
}
END_TEST

/* The device goes: what is left, then ENODEV, everywhere. */

static void unplug(void)
{
	sim_unplug();
	wait_until(info(device).flags & ACQ_INFO_GONE);
}

START_TEST(unplugged_reader)
{
	unsigned int there = fill_or_fail(device, 3);
	char *buf = alloc_or_fail(4096 * stride);
	struct acq_completion done;

	unplug();
	ck_assert_int_eq(acq_read(acq, buf, 4096 * stride, PATIENCE_MS), there * stride);
	ck_assert_error(acq_read(acq, buf, 4096 * stride, -1), ENODEV);
	ck_assert_error(acq_read(acq, buf, 4096 * stride, 0), ENODEV);
	ck_assert_error(acq_read(acq, buf, 4096 * stride, 100), ENODEV);
	cured_or_fail(-ENODEV, "open it again");
	ck_assert_error(acq_submit(acq, buf, stride, NULL, NULL), 0);
	ck_assert_int_eq(acq_wait(acq, &done, 1, PATIENCE_MS), 1);
	ck_assert_error(done.result, ENODEV);
	ck_assert_error(acq_start(acq), ENODEV);
	free(buf);
}
END_TEST

START_TEST(unplugged_ring)
{
	const struct acq_frame *frames;
	unsigned int left;
	int have;

	ck_assert_error(acq_ring_map(acq), 0);
	left = fill_or_fail(device, 3);
	unplug();
	for (; left; left -= have) {
		have = acq_ring_next(acq, &frames, -1);
		ck_assert_int_gt(have, 0);
		stream_take_all(&stream, frames, have * stride);
		ck_assert_error(acq_ring_release(acq, have), 0);
	}
	ck_assert_error(acq_ring_next(acq, &frames, -1), ENODEV);
	ck_assert_error(acq_ring_next(acq, &frames, 0), ENODEV);
	ck_assert_error(acq_ring_unmap(acq), 0);
}
END_TEST

/* the event */

START_TEST(event)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	ck_assert_error(acq_set_eventfd(acq, -2), EBADF);
	ck_assert_error(acq_set_eventfd(acq, device), EINVAL);
	ck_assert_error(acq_set_eventfd(acq, fd), 0);
	/* it does not attach */
	ck_assert_int_eq(poll(&pollfd, 1, 50), 0);
	ck_assert_error(acq_start(acq), 0);
	ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
	ck_assert_error(acq_set_eventfd(acq, -1), 0);
}
END_TEST

/* the ring */

/* as the header's example does it; attaches by itself */
static void ring_consume_or_fail(unsigned int count)
{
	const struct acq_frame *frames;
	int have;

	while (count) {
		have = acq_ring_next(acq, &frames, PATIENCE_MS);
		ck_assert_int_gt(have, 0);
		have = have < (int)count ? have : (int)count;
		stream_take_all(&stream, frames, have * stride);
		ck_assert_error(acq_ring_release(acq, have), 0);
		count -= have;
	}
	ck_assert_uint_eq(stream.lost, 0);
}

START_TEST(ring)
{
	char *buf = alloc_or_fail(stride);

	configure_or_fail(device, 1024, 8, 0);
	ck_assert_error(acq_ring_map(acq), 0);
	ck_assert_error(acq_ring_map(acq), EBUSY);
	ring_consume_or_fail(1500);
	ck_assert_error(acq_read(acq, buf, stride, 0), EBUSY);
	ck_assert_error(acq_ring_unmap(acq), 0);
	ck_assert_error(acq_ring_unmap(acq), EINVAL);
	/* the reader goes on where the ring was left */
	ck_assert_int_eq(acq_read(acq, buf, stride, PATIENCE_MS), stride);
	stream_take_all(&stream, buf, stride);
	free(buf);
}
END_TEST

START_TEST(ring_needs_writing)
{
	struct acq *reader = lib_open_or_fail(O_RDONLY);
	void *memory = memory_or_fail(16 * page);
	const struct acq_frame *frames;

	ck_assert_error(acq_ring_map(reader), EACCES);
	ck_assert_error(acq_ring_share(reader, memory, 16 * page), EBADF);
	ck_assert_error(acq_ring_next(reader, &frames, 0), EINVAL);
	ck_assert_error(acq_ring_release(reader, 0), EINVAL);
	acq_close(reader);
}
END_TEST

START_TEST(ring_keeps_what_it_gave)
{
	const struct acq_frame *first, *again;
	int have, more;

	configure_or_fail(device, 64, 1, 0);
	ck_assert_error(acq_ring_map(acq), 0);
	ck_assert_error(acq_ring_release(acq, 1), EINVAL);
	have = acq_ring_next(acq, &first, -1);
	ck_assert_int_ge(have, 1);
	fill_ring_or_fail(device);
	more = acq_ring_next(acq, &again, 0);
	ck_assert_ptr_eq(first, again);
	ck_assert_int_ge(more, have);
	ck_assert_error(acq_ring_release(acq, more + 1), EINVAL);
	ck_assert_error(acq_ring_release(acq, 1), 0);
	ck_assert_int_eq(acq_ring_next(acq, &again, 0), more > 1 ? more - 1 : 64 - more);
	if (more > 1)
		ck_assert_ptr_eq(again, (const char *)first + stride);
}
END_TEST

START_TEST(ring_times_out)
{
	const struct acq_frame *frames;
	int64_t begin_ms;

	ck_assert_error(acq_ring_map(acq), 0);
	attach_to_silence();
	begin_ms = now_ms();
	ck_assert_error(acq_ring_next(acq, &frames, 50), ETIMEDOUT);
	ck_assert_int_ge(now_ms() - begin_ms, 50);
	ck_assert_error(acq_ring_next(acq, &frames, 0), ETIMEDOUT);
	set_watermark_or_fail(device, 4096);
	sim_resume();
	wait_until(stats(device).ring >= 1);
	/* what is there is given, watermark or not */
	ck_assert_int_ge(acq_ring_next(acq, &frames, 0), 1);
}
END_TEST

START_TEST(ring_stops)
{
	const struct acq_frame *frames;
	struct waiter waiter = { .timeout_ms = timeouts[_i] };

	ck_assert_error(acq_ring_map(acq), 0);
	attach_to_silence();
	spawn_or_fail(&waiter.thread, wait_in_ring, &waiter);
	ck_assert_error(acq_stop(acq), 0);
	pthread_join(waiter.thread, NULL);
	ck_assert_error(waiter.result, 0);
	ck_assert_error(acq_ring_next(acq, &frames, -1), 0);
	ck_assert_error(acq_start(acq), 0);
	sim_resume();
	ring_consume_or_fail(10);
}
END_TEST

/* whoever writes nonsense to the ring hears of it, and can go on */
START_TEST(ring_out_of_step)
{
	const struct acq_frame *frames;
	struct acq_consumer *consumer;

	ck_assert_error(acq_ring_map(acq), 0);
	ring_consume_or_fail(10);
	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
	ck_assert_ptr_ne(consumer, MAP_FAILED);
	__atomic_store_n(&consumer->out, consumer->out + 1000, __ATOMIC_RELEASE);
	/* the kernel has seen it; the ring is far from full */
	wait_until(stats(device).lost);
	ck_assert(poll_now(device, POLLIN) & POLLERR);
	while (acq_ring_next(acq, &frames, 0) > 0)
		ck_assert_error(acq_ring_release(acq, 1), 0);
	ck_assert_error(acq_ring_next(acq, &frames, PATIENCE_MS), ESTALE);
	cured_or_fail(-ESTALE, "flush");
	ck_assert_error(acq_flush(acq), 0);
	stream_begin(&stream, device);
	ring_consume_or_fail(100);
}
END_TEST

/* A child that may only read, write and exit: any other system call is its death. */
static void nothing_but_memory(void)
{
	const struct acq_frame *frames;
	unsigned int taken = 0;
	int have;

	syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	while (taken < 256) {
		have = acq_ring_next(acq, &frames, -1);
		if (have <= 0 || acq_ring_release(acq, have))
			break;
		taken += have;
	}
	have = acq_ring_next(acq, &frames, 0);
	syscall(SYS_exit, taken != 256 || have != -ETIMEDOUT);
}

START_TEST(ring_without_system_calls)
{
	pid_t child;

	if (prctl(PR_GET_SECCOMP) < 0) {
		puts("lib: ring_without_system_calls SKIPPED, this kernel has no seccomp");
		return;
	}
	configure_or_fail(device, 256, 1, 0);
	ck_assert_error(acq_ring_map(acq), 0);
	fill_ring_or_fail(device);
	sim_stall();
	child = fork_or_fail();
	if (!child)
		nothing_but_memory();
	join_or_fail(child);
	ck_assert_uint_eq(stats(device).ring, 0);
}
END_TEST

/* shared memory */

START_TEST(share)
{
	char *memory = memory_or_fail(16 * page);
	const struct acq_frame *frames;

	/* of 56 bytes */
	ck_assert_int_eq(acq_ring_share(acq, memory, 16 * page), 1024);
	ck_assert_error(acq_ring_share(acq, memory, 16 * page), EBUSY);
	ck_assert_error(acq_ring_map(acq), EBUSY);
	ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), 16 * page / 1024);
	ck_assert_int_gt(acq_ring_next(acq, &frames, PATIENCE_MS), 0);
	ck_assert_uint_lt((const char *)frames - memory, 16 * page);
	ring_consume_or_fail(1500);
	ck_assert_error(acq_ring_unmap(acq), 0);
	ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), 0);
	/* and as long as it likes */
	ck_assert_int_eq(acq_ring_share(acq, memory, 16 * page), 1024);
	acq_close(acq);
	ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), 0);
	munmap(memory, 16 * page);
}
END_TEST

START_TEST(share_errors)
{
	char *memory = memory_or_fail(16 * page);

	ck_assert_error(acq_ring_share(acq, memory + 8, 8 * page), EINVAL);
	ck_assert_error(acq_ring_share(acq, memory, 8 * page + 8), EINVAL);
	ck_assert_error(acq_ring_share(acq, memory, 0), EINVAL);
	munmap(memory + 8 * page, page);
	ck_assert_error(acq_ring_share(acq, memory, 16 * page), EFAULT);
	ck_assert_error(acq_start(acq), 0);
	ck_assert_error(acq_ring_share(acq, memory, 8 * page), EBUSY);
	ck_assert_error(acq_stop(acq), 0);
	ck_assert_int_eq(acq_ring_share(acq, memory, 8 * page), 512);
}
END_TEST

/* a program without privileges, and its limit of locked memory */
START_TEST(limited)
{
	const struct rlimit limit = { 8 * page, 8 * page };
	char *memory = memory_or_fail(16 * page);
	struct acq_completion done;
	pid_t child;

	sim_stall();
	child = fork_or_fail();
	if (child) {
		join_or_fail(child);
		return;
	}
	ck_assert_ok(setrlimit(RLIMIT_MEMLOCK, &limit));
	ck_assert_ok(setuid(NOBODY));
	ck_assert_error(acq_ring_share(acq, memory, 16 * page), ENOMEM);
	cured_or_fail(-ENOMEM, "ulimit -l");
	ck_assert_error(acq_start(acq), 0);
	ck_assert_error(acq_submit(acq, memory, 16 * page, NULL, NULL), 0);
	ck_assert_int_eq(acq_wait(acq, &done, 1, PATIENCE_MS), 1);
	ck_assert_error(done.result, ENOMEM);
	ck_assert_error(acq_submit(acq, memory, 8 * page, NULL, NULL), 0);
	ck_assert_error(acq_wait(acq, &done, 1, 50), ETIMEDOUT);
	/* which cancels it */
	acq_close(acq);
	_exit(0);
}
END_TEST

/* requests */

START_TEST(requests)
{
	struct acq_completion done[16];
	uint64_t ids[16];
	char *bufs = alloc_or_fail(16 * stride);
	int ended = 0, got, i;

	attach_to_silence();
	ck_assert_error(acq_wait(acq, done, 16, 0), ETIMEDOUT);
	for (i = 0; i < 16; i++)
		ck_assert_error(acq_submit(acq, bufs + i * stride, stride, &ids[i], &ids[i]), 0);
	ck_assert_error(acq_wait(acq, done, 16, 0), ETIMEDOUT);
	ck_assert_error(acq_wait(acq, done, 16, 50), ETIMEDOUT);
	ck_assert_error(acq_wait(acq, done, 0, 50), EINVAL);
	ck_assert_uint_eq(stats(device).pended, 16);
	sim_resume();
	while (ended < 16) {
		got = acq_wait(acq, done, 16 - ended, _i ? -1 : PATIENCE_MS);
		ck_assert_int_gt(got, 0);
		for (i = 0; i < got; i++, ended++) {
			ck_assert_uint_eq(done[i].id, ids[ended]);
			ck_assert_ptr_eq(done[i].user, &ids[ended]);
			ck_assert_ptr_eq(done[i].buf, bufs + ended * stride);
			ck_assert_int_eq(done[i].result, stride);
			stream_take_all(&stream, done[i].buf, stride);
		}
	}
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_error(acq_wait(acq, done, 16, 0), ETIMEDOUT);
	free(bufs);
}
END_TEST

START_TEST(request_errors)
{
	struct acq_completion done;
	char *buf = alloc_or_fail(stride);

	ck_assert_error(acq_submit(acq, buf, stride - 1, NULL, NULL), 0);
	ck_assert_int_eq(acq_wait(acq, &done, 1, PATIENCE_MS), 1);
	ck_assert_error(done.result, EINVAL);
	attach_to_silence();
	ck_assert_error(acq_submit(acq, NULL, stride, NULL, NULL), 0);
	ck_assert_int_eq(acq_wait(acq, &done, 1, PATIENCE_MS), 1);
	ck_assert_error(done.result, EFAULT);
	ck_assert_error(acq_submit(acq, buf, stride, NULL, NULL), 0);
	ck_assert_error(acq_stop(acq), 0);
	ck_assert_int_eq(acq_wait(acq, &done, 1, PATIENCE_MS), 1);
	ck_assert_error(done.result, 0);
	ck_assert_error(acq_ring_map(acq), 0);
	ck_assert_error(acq_submit(acq, buf, stride, NULL, NULL), 0);
	ck_assert_int_eq(acq_wait(acq, &done, 1, PATIENCE_MS), 1);
	ck_assert_error(done.result, EBUSY);
	free(buf);
}
END_TEST

/* as many as promised; closing with all of them outstanding leaves nothing behind */
START_TEST(requests_max)
{
	int passive = open_or_fail(O_RDONLY);
	char *bufs = memory_or_fail(64 * page);
	long pinned = pinned_pages();
	struct acq_completion done;
	uint64_t id;
	int i;

	attach_to_silence();
	for (i = 0; i < ACQ_REQUESTS_MAX; i++)
		ck_assert_error(acq_submit(acq, bufs + i * stride, stride, NULL, &id), 0);
	ck_assert_error(acq_submit(acq, bufs, stride, NULL, NULL), EAGAIN);
	cured_or_fail(-EAGAIN, "wait for one to end");
	ck_assert_error(acq_cancel(acq, id), 0);
	/* it has ended, but nobody has seen it */
	ck_assert_error(acq_submit(acq, bufs, stride, NULL, NULL), EAGAIN);
	ck_assert_int_eq(acq_wait(acq, &done, 1, PATIENCE_MS), 1);
	ck_assert_uint_eq(done.id, id);
	ck_assert_error(done.result, ECANCELED);
	ck_assert_error(acq_submit(acq, bufs, stride, NULL, NULL), 0);
	ck_assert_int_gt(pinned_pages(), pinned);
	acq_close(acq);
	ck_assert_int_eq(pinned_pages(), pinned);
	wait_until(!(info(passive).flags & ACQ_INFO_STREAMING));
}
END_TEST

START_TEST(cancel)
{
	char *buf = alloc_or_fail(stride);
	struct acq_completion done;
	uint64_t id, other;

	ck_assert_error(acq_cancel(acq, 1), ENOENT);
	attach_to_silence();
	ck_assert_error(acq_submit(acq, buf, stride, NULL, &id), 0);
	ck_assert_error(acq_cancel(acq, id + 1), ENOENT);
	ck_assert_error(acq_cancel(acq, id), 0);
	ck_assert_int_eq(acq_wait(acq, &done, 1, PATIENCE_MS), 1);
	ck_assert_uint_eq(done.id, id);
	ck_assert_error(done.result, ECANCELED);
	ck_assert_error(acq_cancel(acq, id), ENOENT);
	/* its number is not used again */
	ck_assert_error(acq_submit(acq, buf, stride, NULL, &other), 0);
	ck_assert_uint_ne(other, id);
	ck_assert_error(acq_cancel(acq, id), ENOENT);
	sim_resume();
	ck_assert_int_eq(acq_wait(acq, &done, 1, PATIENCE_MS), 1);
	ck_assert_uint_eq(done.id, other);
	stream_take_all(&stream, buf, done.result);
	ck_assert_uint_eq(stream.starts, 1);
	free(buf);
}
END_TEST

/*
 * Threads that submit, threads that wait, and one that cancels: each request ends
 * exactly once, and each frame is in exactly one of them.
 */
#define SUBMITTERS 3
#define WAITERS 3

static struct race {
	unsigned int each; /* requests of a submitter */
	unsigned int ended;
	unsigned int cancelled;
	unsigned int frames;
	uint64_t last_id;
	struct job *jobs;
} race;

struct job {
	uint64_t id;
	unsigned int ended;
	struct acq_frame *frame;
};

static unsigned int race_ended(void)
{
	return __atomic_load_n(&race.ended, __ATOMIC_ACQUIRE);
}

static void *submit_many(void *arg)
{
	struct job *job = arg, *end_of_mine = job + race.each;
	int err;

	while (job < end_of_mine) {
		err = acq_submit(acq, job->frame, stride, job, &job->id);
		if (err == -EAGAIN) {
			pause_ms(1);
			continue;
		}
		ck_assert_error(err, 0);
		__atomic_store_n(&race.last_id, job->id, __ATOMIC_RELAXED);
		job++;
	}
	return NULL;
}

static void take_completion(const struct acq_completion *done)
{
	struct job *job = done->user;

	ck_assert_ptr_eq(done->buf, job->frame);
	ck_assert_uint_eq(__atomic_add_fetch(&job->ended, 1, __ATOMIC_RELAXED), 1);
	if (done->result == -ECANCELED) {
		__atomic_add_fetch(&race.cancelled, 1, __ATOMIC_RELAXED);
		return;
	}
	ck_assert_int_eq(done->result, stride);
	__atomic_add_fetch(&race.frames, 1, __ATOMIC_RELAXED);
}

static void *wait_for_many(void *arg)
{
	unsigned int all = SUBMITTERS * race.each;
	struct acq_completion done[8];
	int got, i;

	(void)arg;
	while (race_ended() < all) {
		got = acq_wait(acq, done, ARRAY_SIZE(done), 20);
		if (got == -ETIMEDOUT)
			continue;
		ck_assert_int_gt(got, 0);
		for (i = 0; i < got; i++)
			take_completion(&done[i]);
		__atomic_add_fetch(&race.ended, got, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void *cancel_many(void *arg)
{
	unsigned int all = SUBMITTERS * race.each;
	int err;

	(void)arg;
	while (race_ended() < all) {
		err = acq_cancel(acq, __atomic_load_n(&race.last_id, __ATOMIC_RELAXED));
		ck_assert(!err || err == -ENOENT);
		sched_yield();
	}
	return NULL;
}

static void race_begin(unsigned int each)
{
	unsigned int all = SUBMITTERS * each, i;
	char *frames = alloc_or_fail(all * stride);

	race = (struct race){ .each = each };
	race.jobs = alloc_or_fail(all * sizeof(*race.jobs));
	for (i = 0; i < all; i++)
		race.jobs[i].frame = (void *)(frames + i * stride);
}

/* the frames of all jobs, each once, without a hole */
static void race_check(void)
{
	unsigned int all = SUBMITTERS * race.each, i;
	unsigned char *seen = alloc_or_fail(race.frames);
	uint64_t first = UINT64_MAX, at;
	struct job *job;

	for (job = race.jobs; job < race.jobs + all; job++) {
		ck_assert_uint_eq(job->ended, 1);
		if (job->frame->stride && job->frame->seq < first)
			first = job->frame->seq;
	}
	for (job = race.jobs; job < race.jobs + all; job++) {
		/* a cancelled one was left alone */
		if (!job->frame->stride)
			continue;
		check_frame(&stream.info, job->frame);
		at = job->frame->seq - first;
		ck_assert_uint_lt(at, race.frames);
		ck_assert_uint_eq(seen[at], 0);
		seen[at] = 1;
	}
	for (i = 0; i < race.frames; i++)
		ck_assert_uint_eq(seen[i], 1);
	free(seen);
}

START_TEST(race_of_threads)
{
	pthread_t submitters[SUBMITTERS], waiters[WAITERS], canceller;
	unsigned int i;

	/* requests are to be faster than frames, so that they pend */
	sim_rate(on_debug() ? 100 : 1000);
	stream_begin(&stream, device);
	sim_stall();
	race_begin(rounds(1000, 30000));
	for (i = 0; i < WAITERS; i++)
		spawn_or_fail(&waiters[i], wait_for_many, NULL);
	for (i = 0; i < SUBMITTERS; i++)
		spawn_or_fail(&submitters[i], submit_many, race.jobs + i * race.each);
	spawn_or_fail(&canceller, cancel_many, NULL);
	/* a guest that is slow may submit later than frames come: not all of them */
	wait_until(__atomic_load_n(&race.cancelled, __ATOMIC_RELAXED));
	sim_resume();
	for (i = 0; i < SUBMITTERS; i++)
		pthread_join(submitters[i], NULL);
	for (i = 0; i < WAITERS; i++)
		pthread_join(waiters[i], NULL);
	pthread_join(canceller, NULL);
	ck_assert_uint_eq(race.ended, SUBMITTERS * race.each);
	ck_assert_uint_eq(race.frames + race.cancelled, race.ended);
	ck_assert_uint_gt(race.cancelled, 0);
	ck_assert_uint_gt(race.frames, 0);
	ck_assert_uint_eq(stats(device).delivered, race.frames);
	ck_assert_uint_eq(stats(device).lost, 0);
	race_check();
}
END_TEST

/* frames in a buffer, which is what all these give */
START_TEST(frames)
{
	char *buf = alloc_or_fail(64 * stride);
	struct acq_track track = { 0 };
	struct acq_walk walk = { .buf = buf };
	const struct acq_frame *frame;
	uint32_t wrong;

	set_watermark_or_fail(device, 64);
	walk.bytes = acq_read(acq, buf, 64 * stride, PATIENCE_MS);
	ck_assert_uint_eq(walk.bytes, 64 * stride);
	while ((frame = acq_frame_next(&walk))) {
		ck_assert_uint_eq(acq_track_frame(&track, frame), 0);
		ck_assert_error(acq_verify_frame(frame, NULL), 0);
		ck_assert_uint_eq(acq_format_width(frame->format), 2);
		ck_assert_uint_eq(acq_frame_values(frame), 10);
		ck_assert_int_eq(acq_frame_value(frame, 3), (int16_t)(frame->seq * 10 + 3));
	}
	ck_assert_error(walk.error, 0);
	ck_assert_uint_eq(track.frames, 64);
	ck_assert_uint_eq(track.starts, 1);
	ck_assert_uint_eq(track.lost + track.disorder + track.hw_overruns, 0);
	((struct acq_frame *)buf)->data[7] ^= 1;
	ck_assert_error(acq_verify_frame((void *)buf, &wrong), EBADMSG);
	ck_assert_uint_eq(wrong, 3);
	free(buf);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("lib");
	TCase *tcase = tcase_create("lib"), *gone = tcase_create("gone");

	tcase_set_timeout(tcase, 4 * PATIENCE_MS / 1000);
	tcase_add_checked_fixture(tcase, begin, NULL);
	tcase_add_loop_test(tcase, open_by_name, 0, ARRAY_SIZE(names));
	tcase_add_loop_test(tcase, open_errors, 0, ARRAY_SIZE(unopenable));
	tcase_add_test(tcase, open_without_descriptors);
	tcase_add_test(tcase, open_without_permission);
	tcase_add_test(tcase, open_without_module);
	tcase_add_test(tcase, info_and_stats);
	tcase_add_test(tcase, configure);
	tcase_add_test(tcase, setup);
	tcase_add_test(tcase, start_stop_flush);
	tcase_add_loop_test(tcase, read_waits, 0, ARRAY_SIZE(nonblocking));
	tcase_add_loop_test(tcase, read_times_out, 0, ARRAY_SIZE(nonblocking));
	tcase_add_test(tcase, read_errors);
	tcase_add_loop_test(tcase, signal_interrupts, 0, ARRAY_SIZE(timeouts));
	tcase_add_test(tcase, stop_ends_reads);
	tcase_add_test(tcase, event);
	tcase_add_test(tcase, ring);
	tcase_add_test(tcase, ring_needs_writing);
	tcase_add_test(tcase, ring_keeps_what_it_gave);
	tcase_add_test(tcase, ring_times_out);
	tcase_add_loop_test(tcase, ring_stops, 0, ARRAY_SIZE(timeouts));
	tcase_add_test(tcase, ring_out_of_step);
	tcase_add_test(tcase, ring_without_system_calls);
	tcase_add_test(tcase, share);
	tcase_add_test(tcase, share_errors);
	tcase_add_test(tcase, limited);
	tcase_add_loop_test(tcase, requests, 0, 2);
	tcase_add_test(tcase, request_errors);
	tcase_add_test(tcase, requests_max);
	tcase_add_test(tcase, cancel);
	tcase_add_test(tcase, race_of_threads);
	tcase_add_test(tcase, frames);
	suite_add_tcase(suite, tcase);

	tcase_add_unchecked_fixture(gone, sim_plug, sim_plug);
	tcase_add_checked_fixture(gone, begin, sim_plug);
	tcase_add_test(gone, unplugged_reader);
	tcase_add_test(gone, unplugged_ring);
	suite_add_tcase(suite, gone);
	return suite;
}

int main(void)
{
	return run(suite());
}
