// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may fail, fails: each allocation and each copy within a system call, one at
 * a time, until a run in which none was left to fail. The call that failed has
 * changed nothing: made again it succeeds, and no stream has lost a frame.
 *
 * Only what the call does itself is meant, not the interrupt's bottom half nor
 * workers. The kernel's own parts of the call fail too, the debugging aids' among
 * them; so a call may also succeed though a point in it failed.
 */
#include <libaio.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#include "common.h"

#define NTH "/proc/thread-self/fail-nth"
#define INJECTOR "/sys/kernel/debug/fail"

#define RATE 100
#define RING 8192 /* nothing here keeps the stream waiting for half as long as that lasts */
#define SOME 4 /* frames */
#define MANY 64 /* frames of a ring of its own */
#define PAGES 4 /* of a buffer to share */
#define FAR ((void *)0x100000000000) /* from all other memory, so that it needs page tables */
#define NTH_MAX 1000000 /* no call has so many points */

/* The injection. */

static int nth_fd;
static const char *const injectors[] = { "slab", "_page_alloc", "_usercopy" };

static void injector_set(const char *injector, const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), INJECTOR "%s/%s", injector, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

/* By the nth alone, never at random, without a word, and wherever memory is asked for. */
static void injectors_begin(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(injectors); i++) {
		injector_set(injectors[i], "probability", "0");
		injector_set(injectors[i], "verbose", "0");
		injector_set(injectors[i], "stacktrace-depth", "32");
		injector_set(injectors[i], "require-start", "0");
		injector_set(injectors[i], "require-end", "0xffffffffffffffff");
		injector_set(injectors[i], "reject-start", "0");
		injector_set(injectors[i], "reject-end", "0");
	}
	injector_set("slab", "ignore-gfp-wait", "N");
	injector_set("_page_alloc", "ignore-gfp-wait", "N");
	injector_set("_page_alloc", "ignore-gfp-highmem", "N");
	injector_set("_page_alloc", "min-order", "0");
	nth_fd = open(NTH, O_RDWR | O_CLOEXEC);
	ck_assert_ok(nth_fd);
}

static void injectors_set_range(const char *kind, unsigned long start, unsigned long end)
{
	char name[32], value[32];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(injectors); i++) {
		snprintf(name, sizeof(name), "%s-start", kind);
		snprintf(value, sizeof(value), "%#lx", start);
		injector_set(injectors[i], name, value);
		snprintf(name, sizeof(name), "%s-end", kind);
		snprintf(value, sizeof(value), "%#lx", end);
		injector_set(injectors[i], name, value);
	}
}

/* Only points that a module's functions lead to count. */
static void injectors_within(const char *module)
{
	unsigned long at = 0, bytes = 0;
	char line[512], name[64] = "";
	FILE *file = fopen("/proc/modules", "re");

	ck_assert_ptr_nonnull(file);
	while (strcmp(name, module)) {
		ck_assert_msg(fgets(line, sizeof(line), file), "no module %s", module);
		if (sscanf(line, "%63s %lu %*s %*s %*s %lx", name, &bytes, &at) != 3)
			ck_abort_msg("/proc/modules: %s", line);
	}
	fclose(file);
	injectors_set_range("require", at, at + bytes);
}

/* Points that a function of the kernel leads to don't count. */
static void injectors_without(const char *function)
{
	unsigned long at, start = 0, end = 0;
	FILE *file = fopen("/proc/kallsyms", "re");
	char line[512], name[256];

	ck_assert_ptr_nonnull(file);
	/* sorted by address, but for the modules' behind */
	while (!end && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx %*s %255s", &at, name) != 2)
			ck_abort_msg("/proc/kallsyms: %s", line);
		if (start && at > start)
			end = at;
		if (!strcmp(name, function))
			start = at;
	}
	fclose(file);
	ck_assert_msg(end, "no function %s", function);
	injectors_set_range("reject", start, end);
}

/* This thread's nth point from here on fails; 0: none. */
static bool nth_write(unsigned int nth)
{
	char text[16];
	int bytes = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(nth_fd, text, bytes, 0) == bytes;
}

/* Return: how many points are left before the one that was to fail; 0: it failed. */
static unsigned int nth_end(void)
{
	char text[16] = "";
	ssize_t bytes = pread(nth_fd, text, sizeof(text) - 1, 0);
	unsigned int left = strtoul(text, NULL, 10);

	/* Reading and writing have points of their own: one of these was the nth. */
	if (bytes < 0)
		left = 1;
	if (!nth_write(0) && !nth_write(0))
		ck_abort_msg("%s: %s", NTH, strerror(errno));
	return left;
}

/**
 * struct operation - a system call to be swept
 * @name: for the report
 * @before: make it possible; or NULL
 * @call: it, and nothing else: -1 and errno, or what it returned
 * @failed: it did: what must be as it was? or NULL
 * @after: it succeeded: use what it gave, undo it
 * @also: an errno that it may fail with, besides ENOMEM and EFAULT
 * @too: one more
 * @least: points that it must have had; 0: nothing in it can fail
 */
struct operation {
	const char *name;
	void (*before)(void);
	long (*call)(void);
	void (*failed)(void);
	void (*after)(long ret);
	int also;
	int too;
	unsigned int least;
};

static bool may_fail_with(const struct operation *op, int error)
{
	return error == ENOMEM || error == EFAULT || error == op->also || error == op->too;
}

/* Run it with the nth point failing. Return: 0, or how many more points n was than there are. */
static unsigned int attempt(const struct operation *op, unsigned int nth, unsigned int *failed)
{
	unsigned int left;
	bool armed;
	int error;
	long ret;

	if (op->before)
		op->before();
	/* no assertion in between: Check writes down where it is */
	armed = nth_write(nth);
	errno = 0;
	ret = op->call();
	error = errno;
	left = nth_end();
	ck_assert(armed);

	if (ret < 0) {
		ck_assert_msg(!left, "%s: %s, though nothing in it failed", op->name,
			      strerror(error));
		ck_assert_msg(may_fail_with(op, error), "%s: point %u: %s", op->name, nth,
			      strerror(error));
		++*failed;
		if (op->failed)
			op->failed();
		ret = op->call();
		ck_assert_msg(ret >= 0, "%s: point %u: %s, and then: %s", op->name, nth,
			      strerror(error), strerror(errno));
	}
	op->after(ret);
	return left;
}

static void sweep(const struct operation *op)
{
	unsigned int nth, failed = 0;

	/* the name stands there also if this goes wrong */
	printf("%s: ", op->name);
	fflush(stdout);
	/* what is done once only, in this process too, is out of the way */
	ck_assert_uint_ne(attempt(op, NTH_MAX, &failed), 0);
	for (nth = 1; !attempt(op, nth, &failed); nth++)
		ck_assert_uint_lt(nth, NTH_MAX);
	if (nth > 1)
		printf("each of %u points failed, %u times the call did; then a clean run\n",
		       nth - 1, failed);
	else
		puts("it has no point that can fail");
	ck_assert_msg(nth - 1 >= op->least, "%s: %u points only", op->name, nth - 1);
}

/* The stream that goes on meanwhile, and must be without loss at the end. */

static struct stream stream;
static int device;
static size_t stride;
static char *buf;
static long pinned_before;

static void settings(void)
{
	sim_reset();
	sim_rate(RATE);
}

static void begin_idle(void)
{
	injectors_begin();
	settings();
	pinned_before = pinned_pages();
	device = open_or_fail(O_RDWR);
	stride = info(device).stride;
	close(device);
	buf = alloc_or_fail(SOME * stride);
}

static void end_idle(void)
{
	wait_until(pinned_pages() == pinned_before);
	/* EBUSY for ever if anybody still held the geometry */
	settings();
}

static void begin(void)
{
	begin_idle();
	device = open_or_fail(O_RDWR);
	configure_or_fail(device, RING, 1, 0);
	stream_begin(&stream, device);
	stream_read_or_fail(&stream, device, SOME);
}

/* What there is; the file waits for more, so no more. */
static void drain(void)
{
	unsigned int frames = stats(device).ring;

	if (frames)
		stream_read_or_fail(&stream, device, frames);
}

static void end(void)
{
	uint64_t frames = stream.frames;

	set_watermark_or_fail(device, 1);
	drain();
	stream_read_or_fail(&stream, device, SOME);
	ck_assert_uint_gt(stream.frames, frames);
	ck_assert_uint_eq(stream.starts, 1);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(device).lost, 0);
	close(device);
	end_idle();
}

/* A client of its own for each run. */

static int fresh;

static void fresh_open(void)
{
	fresh = open_or_fail(O_RDWR);
	configure_or_fail(fresh, MANY, 1, 0);
}

static void fresh_start(void)
{
	fresh_open();
	start_or_fail(fresh);
}

/* Frames come, from one start on and without loss. */
static void fresh_reads(void)
{
	struct stream own;

	stream_begin(&own, fresh);
	stream_read_or_fail(&own, fresh, SOME);
	ck_assert_uint_eq(own.starts, 1);
	ck_assert_uint_eq(own.lost, 0);
}

static void fresh_close(void)
{
	stats(fresh);
	close(fresh);
	if (stream.frames)
		drain();
}

static void fresh_end(long ret)
{
	ck_assert_int_eq(ret, 0);
	fresh_reads();
	fresh_close();
}

static void fresh_is_not(unsigned int flags)
{
	ck_assert_uint_eq(info(fresh).flags & flags, 0);
	/* of a ring */
	configure_or_fail(fresh, MANY, 1, 0);
}

static void fresh_is_not_attached(void)
{
	fresh_is_not(ACQ_INFO_ATTACHED);
}

static void fresh_is_not_mapped(void)
{
	fresh_is_not(ACQ_INFO_MAPPED);
}

/* open */

static long open_call(void)
{
	return open(NODE, O_RDWR | O_CLOEXEC);
}

static void open_after(long ret)
{
	fresh = ret;
	fresh_reads();
	fresh_close();
}

/* commands */

static struct acq_info info_arg;
static struct acq_stats stats_arg;
static struct acq_config config_arg;
static struct acq_setup setup_arg;
static struct acq_eventfd eventfd_arg;
static struct acq_share share_arg;
static unsigned int watermark;

static long get_info_call(void)
{
	info_arg = (struct acq_info){ .size = sizeof(info_arg) };
	return command(device, ACQ_IOC_GET_INFO, &info_arg);
}

static void get_info_after(long ret)
{
	ck_assert_int_eq(ret, 0);
	ck_assert_mem_eq(&info_arg, &stream.info, offsetof(struct acq_info, flags));
	ck_assert_uint_eq(info_arg.stride, stride);
	drain();
}

static long get_stats_call(void)
{
	stats_arg = (struct acq_stats){ .size = sizeof(stats_arg) };
	return command(device, ACQ_IOC_GET_STATS, &stats_arg);
}

static void get_stats_after(long ret)
{
	ck_assert_int_eq(ret, 0);
	drain();
	ck_assert_uint_le(stats_arg.produced, stats(device).produced);
	ck_assert_uint_gt(stats_arg.device_frames, 0);
}

/* the settings of a client whose frames are coming */
static void configure_before(void)
{
	watermark = watermark % SOME + 1;
}

static long configure_call(void)
{
	config_arg = (struct acq_config){
		.size = sizeof(config_arg),
		.watermark = watermark,
		.latency_us = 1000 * watermark,
	};
	return command(device, ACQ_IOC_CONFIGURE, &config_arg);
}

static void configure_after(long ret)
{
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(config_arg.ring_frames, RING);
	ck_assert_uint_eq(info(device).watermark, watermark);
	ck_assert_uint_eq(info(device).latency_us, 1000 * watermark);
	drain();
}

/* another ring for a client that had one */
static void configure_ring_before(void)
{
	fresh_start();
	stop_or_fail(fresh);
}

static long configure_ring_call(void)
{
	config_arg = (struct acq_config){ .size = sizeof(config_arg), .ring_frames = 2 * MANY };
	return command(fresh, ACQ_IOC_CONFIGURE, &config_arg);
}

static void configure_ring_after(long ret)
{
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(config_arg.ring_frames, 2 * MANY);
	ck_assert_uint_eq(info(fresh).ring_frames, 2 * MANY);
	start_or_fail(fresh);
	fresh_end(ret);
}

static void setup_before(void)
{
	sim_setup(RATE, 2, 5);
	fresh_open();
}

static long setup_call(void)
{
	setup_arg = (struct acq_setup){
		.size = sizeof(setup_arg),
		.rate_hz = 2 * RATE,
		.channels = 3,
		.samples = 300,
	};
	return command(fresh, ACQ_IOC_SETUP, &setup_arg);
}

/* whichever settings are in force, the frames obey them */
static void setup_failed(void)
{
	fresh_reads();
	fresh_close();
	fresh_open();
}

static void setup_after(long ret)
{
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(setup_arg.samples, 300);
	ck_assert_uint_eq(info(fresh).channels, 3);
	ck_assert_uint_eq(info(fresh).rate_hz, 2 * RATE);
	fresh_end(ret);
}

/* makes the ring */
static long start_call(void)
{
	return command(fresh, ACQ_IOC_START, NULL);
}

static void stop_before(void)
{
	fresh_start();
	wait_until(stats(fresh).ring >= SOME);
}

static long stop_call(void)
{
	return command(fresh, ACQ_IOC_STOP, NULL);
}

/* the rest is there, whole, and then the end */
static void stop_after(long ret)
{
	struct stream own;

	ck_assert_int_eq(ret, 0);
	stream_begin(&own, fresh);
	ck_assert_uint_ge(stream_drain_or_fail(&own, fresh), SOME);
	ck_assert_int_eq(read(fresh, buf, stride), 0);
	start_or_fail(fresh);
	stream_read_or_fail(&own, fresh, SOME);
	ck_assert_uint_eq(own.starts, 2);
	ck_assert_uint_eq(own.lost, 0);
	fresh_close();
}

static long flush_call(void)
{
	return command(fresh, ACQ_IOC_FLUSH, NULL);
}

static void set_eventfd_before(void)
{
	fresh_start();
	eventfd_arg = (struct acq_eventfd){
		.size = sizeof(eventfd_arg),
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	ck_assert_ok(eventfd_arg.fd);
}

static long set_eventfd_call(void)
{
	return command(fresh, ACQ_IOC_SET_EVENTFD, &eventfd_arg);
}

static void set_eventfd_after(long ret)
{
	wait_until(readable(eventfd_arg.fd));
	fresh_end(ret);
	close(eventfd_arg.fd);
}

/* memory that is not even there yet */
static void *memory;

static void share_before(void)
{
	fresh_open();
	memory = memory_or_fail(PAGES * page_bytes());
}

static long share_call(void)
{
	share_arg = (struct acq_share){
		.size = sizeof(share_arg),
		.addr = (uintptr_t)memory,
		.bytes = PAGES * page_bytes(),
	};
	return command(fresh, ACQ_IOC_SHARE_BUFFER, &share_arg);
}

static void share_failed(void)
{
	fresh_is_not(ACQ_INFO_SHARED);
	ck_assert_int_eq(pinned_pages(), pinned_before);
}

static void shared_frames(void)
{
	struct stream own;
	struct ring ring;

	stream_begin(&own, fresh);
	start_or_fail(fresh);
	ring_map_share_or_fail(&ring, fresh, memory);
	ring_take_or_fail(&ring, &own, fresh, SOME);
	ck_assert_uint_eq(own.lost, 0);
	stop_or_fail(fresh);
	ring_unmap(&ring);
}

static void share_end(void)
{
	fresh_close();
	munmap(memory, PAGES * page_bytes());
	ck_assert_int_eq(pinned_pages(), pinned_before);
}

static void share_after(long ret)
{
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_ge(share_arg.ring_frames, 2);
	ck_assert(info(fresh).flags & ACQ_INFO_SHARED);
	ck_assert_int_eq(pinned_pages(), pinned_before + PAGES);
	shared_frames();
	ck_assert_ok(command(fresh, ACQ_IOC_UNSHARE_BUFFER, NULL));
	share_end();
}

static void unshare_before(void)
{
	share_before();
	ck_assert_ok(share_call());
	shared_frames();
}

static long unshare_call(void)
{
	return command(fresh, ACQ_IOC_UNSHARE_BUFFER, NULL);
}

static void unshare_after(long ret)
{
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(pinned_pages(), pinned_before);
	start_or_fail(fresh);
	fresh_reads();
	share_end();
}

/* mmap */

static long map_call(int fd, size_t bytes, int prot, off_t offset)
{
	memory = mmap(FAR, bytes, prot, MAP_SHARED, fd, offset);
	return memory == MAP_FAILED ? -1 : 0;
}

/* Each of the two makes the ring. */
static long map_consumer_call(void)
{
	return map_call(fresh, page_bytes(), PROT_READ | PROT_WRITE, 0);
}

static void map_consumer_after(long ret)
{
	ck_assert(info(fresh).flags & ACQ_INFO_MAPPED);
	ck_assert_errno(read(fresh, buf, stride), EBUSY);
	munmap(memory, page_bytes());
	fresh_is_not_mapped();
	fresh_end(ret);
}

static size_t map_bytes;

static void map_frames_before(void)
{
	fresh_open();
	map_bytes = info(fresh).map_bytes;
}

static long map_frames_call(void)
{
	return map_call(fresh, map_bytes, PROT_READ, page_bytes());
}

static void map_frames_after(long ret)
{
	const struct acq_producer *producer = memory;

	ck_assert_uint_eq(producer->frames, MANY);
	ck_assert_uint_eq(producer->stride, stride);
	munmap(memory, map_bytes);
	fresh_end(ret);
}

/* From reading to the mapping and back the stream is one. */
static long map_stream_call(void)
{
	return map_call(device, page_bytes(), PROT_READ | PROT_WRITE, 0);
}

static void map_stream_after(long ret)
{
	struct ring ring;

	ck_assert_int_eq(ret, 0);
	ring_map_or_fail(&ring, device);
	ring_take_or_fail(&ring, &stream, device, SOME);
	ring_unmap(&ring);
	munmap(memory, page_bytes());
	stream_read_or_fail(&stream, device, SOME);
}

static void map_stream_failed(void)
{
	stream_read_or_fail(&stream, device, SOME);
}

/* reads */

static void read_before(void)
{
	wait_until(stats(device).ring >= SOME);
}

static long read_call(void)
{
	return read(device, buf, SOME * stride);
}

static void read_after(long ret)
{
	ck_assert_int_gt(ret, 0);
	stream_take_all(&stream, buf, ret);
}

/* in pieces that are no frames: a frame that fails in its midst is given again, whole */
static long readv_call(void)
{
	static const unsigned int quarters[] = { 3, 4, 2, 1, 6 };
	struct iovec pieces[ARRAY_SIZE(quarters)];
	char *at = buf;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		pieces[i].iov_base = at;
		pieces[i].iov_len = quarters[i] * stride / 4;
		at += pieces[i].iov_len;
	}
	return readv(device, pieces, ARRAY_SIZE(pieces));
}

/* Nothing comes until the read waits; it gets what comes then. */
static pthread_t resumer;
static uint64_t pended;

static void *resume(void *arg)
{
	wait_until(stats(device).pended > pended);
	sim_resume();
	return arg;
}

/* what is there is taken, and no more comes */
static void silence(void)
{
	sim_stall();
	drain();
	pended = stats(device).pended;
}

static void read_waits_before(void)
{
	silence();
	spawn_or_fail(&resumer, resume, NULL);
}

static void read_waits_after(long ret)
{
	pthread_join(resumer, NULL);
	read_after(ret);
}

static long read_attaches_call(void)
{
	ssize_t got = read(fresh, buf, stride);

	return got < 0 && errno == EAGAIN ? 0 : got;
}

static void read_attaches_before(void)
{
	fresh_open();
	ck_assert_ok(fcntl(fresh, F_SETFL, O_NONBLOCK));
}

static void read_attaches_after(long ret)
{
	ck_assert(info(fresh).flags & ACQ_INFO_ATTACHED);
	ck_assert_ok(fcntl(fresh, F_SETFL, 0));
	/* a slow machine has the first frame ready by then */
	if (ret) {
		ck_assert_int_eq(ret, stride);
		flush_or_fail(fresh);
	}
	fresh_end(0);
}

/* Linux AIO. What is refused after all is refused in the event. */

static io_context_t context;
static struct iocb iocb;

static void submit_before(void)
{
	silence();
	io_prep_pread(&iocb, device, buf, SOME * stride, 0);
}

static long submit_call(void)
{
	struct iocb *one = &iocb;
	int ret = io_submit(context, 1, &one);

	if (ret < 0)
		errno = -ret;
	return ret < 0 ? -1 : ret;
}

static long submit_result(void)
{
	struct timespec patience = { PATIENCE_MS / 1000, 0 };
	struct io_event event;

	ck_assert_int_eq(io_getevents(context, 1, 1, &event, &patience), 1);
	return event.res;
}

static unsigned int submit_refused;

static void submit_after(long ret)
{
	bool waits = stats(device).pended > pended;
	long got;

	ck_assert_int_eq(ret, 1);
	sim_resume();
	got = submit_result();
	ck_assert(waits == (got > 0));
	if (got < 0) {
		ck_assert_msg(got == -ENOMEM || got == -EFAULT, "event: %s", strerror(-got));
		submit_refused++;
		ck_assert_int_eq(submit_call(), 1);
		got = submit_result();
	}
	read_after(got);
	wait_until(pinned_pages() == pinned_before);
}

START_TEST(submit)
{
	static const struct operation op = {
		.name = "io_submit",
		.before = submit_before,
		.call = submit_call,
		.after = submit_after,
		.also = EAGAIN, /* what it says when there is no memory for a request */
		.least = 5,
	};

	ck_assert_int_eq(io_setup(2, &context), 0);
	sweep(&op);
	printf("io_submit: and %u times the event told of it\n", submit_refused);
	ck_assert_uint_gt(submit_refused, 0);
	io_destroy(context);
}
END_TEST

/* polls */

/* More files than poll has room for without memory. A start that fails is an error of the file. */
static long poll_call(void)
{
	struct pollfd fds[32];
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = (struct pollfd){ .fd = fresh, .events = POLLIN };
	ret = poll(fds, ARRAY_SIZE(fds), PATIENCE_MS);
	if (ret > 0 && (fds[0].revents & POLLERR)) {
		errno = ENOMEM;
		return -1;
	}
	return ret;
}

static void poll_after(long ret)
{
	ck_assert_int_gt(ret, 0);
	ck_assert(info(fresh).flags & ACQ_INFO_ATTACHED);
	fresh_end(0);
}

static int epoll;

static void epoll_before(void)
{
	fresh_open();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	ck_assert_ok(epoll);
}

static long epoll_call(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fresh, &event);
}

/* An attempt to attach that failed is an event; the next one is made when somebody looks. */
static void epoll_after(long ret)
{
	struct epoll_event event;

	do {
		ck_assert_int_eq(epoll_wait(epoll, &event, 1, PATIENCE_MS), 1);
	} while (!(event.events & EPOLLIN));
	close(epoll);
	fresh_end(ret);
}

static void async_before(void)
{
	fresh_start();
	ck_assert_ok(fcntl(fresh, F_SETOWN, getpid()));
	ck_assert_ok(fcntl(fresh, F_SETSIG, SIGURG)); /* which is ignored */
}

static long async_call(void)
{
	return fcntl(fresh, F_SETFL, O_ASYNC);
}

static void async_after(long ret)
{
	ck_assert_int_eq(fcntl(fresh, F_GETFL) & O_ASYNC, O_ASYNC);
	fresh_end(ret);
}

/* settings of the simulated converter: through the core, which may not be able to follow */

static int attribute;

static void attribute_open(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/platform/acq_sim/%s", name);
	attribute = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_msg(attribute >= 0, "%s: %s", path, strerror(errno));
}

static void attribute_is(const char *name, const char *value)
{
	char is[16];

	sim_get(name, is, sizeof(is));
	ck_assert_str_eq(is, value);
	fresh_open();
	fresh_end(0);
}

static void format_before(void)
{
	sim_set("format", "s16");
	attribute_open("format");
}

static long format_call(void)
{
	return pwrite(attribute, "u32", 3, 0);
}

static void format_failed(void)
{
	attribute_is("format", "s16");
}

static void format_after(long ret)
{
	ck_assert_int_eq(ret, 3);
	fresh_open();
	ck_assert_uint_eq(info(fresh).format, ACQ_FORMAT_U32);
	fresh_close();
	attribute_is("format", "u32");
	close(attribute);
}

static void irq_frames_before(void)
{
	sim_set("irq_frames", "1");
	attribute_open("irq_frames");
}

static long irq_frames_call(void)
{
	return pwrite(attribute, "2", 1, 0);
}

static void irq_frames_failed(void)
{
	attribute_is("irq_frames", "1");
}

static void irq_frames_after(long ret)
{
	ck_assert_int_eq(ret, 1);
	attribute_is("irq_frames", "2");
	close(attribute);
}

/* Beside a stream that must not notice. */
static const struct operation streaming[] = {
	{
		.name = "open",
		.call = open_call,
		.after = open_after,
		.least = 3,
	},
	{
		.name = "GET_INFO",
		.call = get_info_call,
		.after = get_info_after,
		.least = 2,
	},
	{
		.name = "GET_STATS",
		.call = get_stats_call,
		.after = get_stats_after,
		.least = 2,
	},
	{
		.name = "CONFIGURE of a stream",
		.before = configure_before,
		.call = configure_call,
		.after = configure_after,
		.least = 2,
	},
	{
		.name = "CONFIGURE of a ring",
		.before = configure_ring_before,
		.call = configure_ring_call,
		.after = configure_ring_after,
		.least = 2,
	},
	{
		.name = "START beside a stream",
		.before = fresh_open,
		.call = start_call,
		.failed = fresh_is_not_attached,
		.after = fresh_end,
		.least = 5,
	},
	{
		.name = "STOP",
		.before = stop_before,
		.call = stop_call,
		.after = stop_after,
	},
	{
		.name = "FLUSH",
		.before = stop_before,
		.call = flush_call,
		.after = fresh_end,
	},
	{
		.name = "SET_EVENTFD",
		.before = set_eventfd_before,
		.call = set_eventfd_call,
		.after = set_eventfd_after,
		.least = 2,
	},
	{
		.name = "SHARE_BUFFER",
		.before = share_before,
		.call = share_call,
		.failed = share_failed,
		.after = share_after,
		.least = 10,
	},
	{
		.name = "UNSHARE_BUFFER",
		.before = unshare_before,
		.call = unshare_call,
		.after = unshare_after,
	},
	{
		.name = "mmap of the consumer page",
		.before = fresh_open,
		.call = map_consumer_call,
		.failed = fresh_is_not_mapped,
		.after = map_consumer_after,
		.least = 5,
	},
	{
		.name = "mmap of the frames",
		.before = map_frames_before,
		.call = map_frames_call,
		.failed = fresh_is_not_mapped,
		.after = map_frames_after,
		.least = 5,
	},
	{
		.name = "mmap of a stream",
		.before = drain,
		.call = map_stream_call,
		.failed = map_stream_failed,
		.after = map_stream_after,
		.least = 1,
	},
	{
		.name = "read",
		.before = read_before,
		.call = read_call,
		.after = read_after,
		.least = 1,
	},
	{
		.name = "readv",
		.before = read_before,
		.call = readv_call,
		.after = read_after,
		.least = 5,
	},
	{
		.name = "read that waits",
		.before = read_waits_before,
		.call = read_call,
		.after = read_waits_after,
		.least = 1,
	},
	{
		.name = "fcntl O_ASYNC",
		.before = async_before,
		.call = async_call,
		.after = async_after,
		.least = 1,
	},
};

START_TEST(sweep_streaming)
{
	sweep(&streaming[_i]);
}
END_TEST

/* Where the call itself starts the hardware, or needs it idle. */
static const struct operation idle[] = {
	{
		.name = "SETUP",
		.before = setup_before,
		.call = setup_call,
		.failed = setup_failed,
		.after = setup_after,
		.least = 3,
	},
	{
		.name = "START of the hardware",
		.before = fresh_open,
		.call = start_call,
		.failed = fresh_is_not_attached,
		.after = fresh_end,
		.least = 5,
	},
	{
		.name = "first read",
		.before = read_attaches_before,
		.call = read_attaches_call,
		.failed = fresh_is_not_attached,
		.after = read_attaches_after,
		.least = 5,
	},
	{
		.name = "poll",
		.before = fresh_open,
		.call = poll_call,
		.after = poll_after,
		.least = 5,
	},
	{
		.name = "epoll_ctl",
		.before = epoll_before,
		.call = epoll_call,
		.after = epoll_after,
		.least = 5,
	},
	{
		.name = "format",
		.before = format_before,
		.call = format_call,
		.failed = format_failed,
		.after = format_after,
		.least = 3,
	},
	{
		.name = "irq_frames",
		.before = irq_frames_before,
		.call = irq_frames_call,
		.failed = irq_frames_failed,
		.after = irq_frames_after,
		.least = 3,
	},
};

START_TEST(sweep_idle)
{
	sweep(&idle[_i]);
}
END_TEST

/* Modules. */

/* What the guest's init looks for in the log. */
static const char *const complaints[] = { "WARNING",	"BUG:",		"INFO: ",     "Oops",
					  "KASAN",	"UBSAN",	"ODEBUG",     "refcount_t",
					  "suspicious", "inconsistent", "Call Trace", "possible ",
					  "stall" };

static void no_complaint(const char *line)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(complaints); i++)
		ck_assert_msg(!strstr(line, complaints[i]), "the kernel's log: %s", line);
}

/*
 * The module loader lets the allocator complain, with a stack, which the guest's
 * init would take for a finding. That much is excused, and nothing else in the log.
 */
static void excuse_allocator(void)
{
	const int read_clear = 4;
	size_t bytes = 1024 * 1024;
	char *log = alloc_or_fail(bytes), *line, *next = log;
	bool excused = false;

	ck_assert_ok(klogctl(read_clear, log, bytes - 1));
	while ((line = strsep(&next, "\n"))) {
		if (strstr(line, "vmalloc error") || strstr(line, "allocation failure"))
			excused = true;
		else if (strstr(line, "</TASK>"))
			excused = false;
		else if (!excused || !strstr(line, "Call Trace"))
			no_complaint(line);
	}
	free(log);
}

static int module_fd;

static void module_open(const char *name)
{
	struct utsname system;
	char path[256];

	uname(&system);
	snprintf(path, sizeof(path), "/lib/modules/%s/updates/%s.ko", system.release, name);
	module_fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(module_fd >= 0, "%s: %s", path, strerror(errno));
}

/*
 * The kernel's register_irq_proc() takes no notice of a file that it could not
 * make, and unregister_irq_proc() warns of it (6.12).
 */
static void begin_loading(void)
{
	injectors_begin();
	injectors_without("register_irq_proc");
}

static long module_call(void)
{
	return syscall(SYS_finit_module, module_fd, "", 0);
}

static void gone(const char *path)
{
	ck_assert_msg(access(path, F_OK), "%s is still there", path);
}

static void sim_failed(void)
{
	excuse_allocator();
	gone(NODE);
	gone("/sys/class/acq/acq");
	gone("/sys/kernel/debug/acq/acq");
	gone("/sys/module/acq_sim");
	gone("/sys/devices/platform/acq_sim");
	gone("/sys/bus/platform/drivers/acq_sim");
}

/* The kernel makes do without a node, as it does without much else. */
static void sim_after(long ret)
{
	excuse_allocator();
	if (access(NODE, F_OK)) {
		unload_module_or_fail("acq_sim");
		ret = module_call();
	}
	ck_assert_int_eq(ret, 0);
	settings();
	fresh_open();
	fresh_reads();
	close(fresh);
	unload_module_or_fail("acq_sim");
}

static void core_failed(void)
{
	excuse_allocator();
	gone("/sys/class/acq");
	gone("/sys/kernel/debug/acq");
	gone("/sys/module/acq");
}

static void core_after(long ret)
{
	ck_assert_int_eq(ret, 0);
	excuse_allocator();
	ck_assert_ok(access("/sys/class/acq", F_OK));
	unload_module_or_fail("acq");
}

/*
 * A load has hundreds of points, and most are the loader's: from the last to the
 * first, every so many at first, then those between, as far as the time allows.
 */
static void sweep_wide(const struct operation *op, unsigned int seconds)
{
	unsigned int failed = 0, hit = 0, tried = 0, points, from;
	int64_t end_ms = now_ms() + 1000LL * seconds;
	const unsigned int step = 16;
	int nth;

	attempt(op, NTH_MAX, &failed);
	points = NTH_MAX - attempt(op, NTH_MAX, &failed);
	for (from = 0; from < step; from++) {
		for (nth = points - from; nth > 0 && now_ms() < end_ms; nth -= step) {
			hit += !attempt(op, nth, &failed);
			tried++;
		}
	}
	printf("%s: a clean run had %u points; %u of them failed, %u times the call did%s\n",
	       op->name, points, hit, failed, tried < points ? "; then the time was over" : "");
	ck_assert_uint_ge(points, op->least);
	ck_assert_uint_gt(failed, 0);
}

/* All that acq_register() leads to. */
START_TEST(register_)
{
	static const struct operation op = {
		.name = "registering acq_sim",
		.call = module_call,
		.failed = sim_failed,
		.after = sim_after,
		.also = ENODEV, /* a probe that failed */
		.least = 20,
	};

	unload_module_or_fail("acq_sim");
	module_open("acq_sim");
	injectors_within("acq");
	sweep(&op);
	load_module_or_fail("acq_sim", "");
	close(module_fd);
}
END_TEST

START_TEST(load_sim)
{
	static const struct operation op = {
		.name = "loading acq_sim",
		.call = module_call,
		.failed = sim_failed,
		.after = sim_after,
		.also = ENODEV, /* a probe that failed */
		.too = EINVAL, /* module_add_driver(), when it has no memory */
		.least = 100,
	};

	unload_module_or_fail("acq_sim");
	module_open("acq_sim");
	sweep_wide(&op, torture() ? 3000 : 60);
	load_module_or_fail("acq_sim", "");
	close(module_fd);
}
END_TEST

START_TEST(load_core)
{
	static const struct operation op = {
		.name = "loading acq",
		.call = module_call,
		.failed = core_failed,
		.after = core_after,
		.least = 50,
	};

	unload_module_or_fail("acq_sim");
	unload_module_or_fail("acq");
	module_open("acq");
	/* it warns when it has no memory for a module's tracepoints */
	injectors_without("event_create_dir");
	sweep_wide(&op, torture() ? 3000 : 40);
	close(module_fd);
}
END_TEST

static bool kernel_injects(void)
{
	return !access(NTH, F_OK) && !access(INJECTOR "slab", F_OK) &&
	       !access(INJECTOR "_page_alloc", F_OK) && !access(INJECTOR "_usercopy", F_OK);
}

/* Only the debug kernel was built with it, and there it must be. */
START_TEST(skipped_because_this_kernel_injects_no_faults)
{
	ck_assert(!kernel_injects());
	ck_assert(!on_debug());
}
END_TEST

static void add_streaming(Suite *suite)
{
	TCase *tcase = tcase_create("streaming");

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_loop_test(tcase, sweep_streaming, 0, ARRAY_SIZE(streaming));
	tcase_add_test(tcase, submit);
	tcase_set_timeout(tcase, 6 * PATIENCE_MS / 1000);
	suite_add_tcase(suite, tcase);
}

static void add_idle(Suite *suite)
{
	TCase *tcase = tcase_create("idle");

	tcase_add_checked_fixture(tcase, begin_idle, end_idle);
	tcase_add_loop_test(tcase, sweep_idle, 0, ARRAY_SIZE(idle));
	tcase_set_timeout(tcase, 6 * PATIENCE_MS / 1000);
	suite_add_tcase(suite, tcase);
}

static void add_loading(Suite *suite)
{
	TCase *tcase = tcase_create("loading");

	tcase_add_checked_fixture(tcase, begin_loading, NULL);
	tcase_add_test(tcase, register_);
	tcase_add_test(tcase, load_sim);
	tcase_add_test(tcase, load_core);
	tcase_set_timeout(tcase, 6 * PATIENCE_MS / 1000);
	suite_add_tcase(suite, tcase);
}

static Suite *suite(void)
{
	Suite *suite = suite_create("failnth");
	TCase *skipped;

	if (kernel_injects()) {
		add_streaming(suite);
		add_idle(suite);
		add_loading(suite);
		return suite;
	}
	puts("failnth: SKIPPED, this kernel injects no faults");
	skipped = tcase_create("skipped");
	tcase_add_test(skipped, skipped_because_this_kernel_injects_no_faults);
	suite_add_tcase(suite, skipped);
	return suite;
}

int main(void)
{
	return run(suite());
}
