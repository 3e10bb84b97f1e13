// SPDX-License-Identifier: GPL-2.0-only
/* What can be seen from outside: tracepoints, the clients of a device in debugfs, its counters. */
#include <ctype.h>
#include <inttypes.h>
#include <libaio.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common.h"

#define TRACING "/sys/kernel/tracing/"
#define CLIENTS "/sys/kernel/debug/acq/acq/clients"
#define DRIVER "/sys/bus/platform/drivers/acq_sim/"

static size_t stride;
static int device;

static void set_or_fail(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	if (write(fd, value, strlen(value)) < 0)
		ck_abort_msg("%s = %s: %s", path, value, strerror(errno));
	close(fd);
}

static void driver_or_fail(const char *what)
{
	char path[128];

	snprintf(path, sizeof(path), DRIVER "%s", what);
	set_or_fail(path, "acq_sim");
}

/* --- events --- */

#define EVENTS_MAX 65536

struct event {
	uint64_t us; /* CLOCK_MONOTONIC */
	char name[16];
	char text[200]; /* " dev=acq client=1 ..." */
};

static struct event *events;
static unsigned int count;

/* Only while no client is attached: see record-cmd in tests/qemu/init. */
static void tracing_begin(void)
{
	set_or_fail(TRACING "events/acq/enable", "0");
	set_or_fail(TRACING "trace_clock", "mono");
	set_or_fail(TRACING "events/acq/enable", "1");
	events = alloc_or_fail(EVENTS_MAX * sizeof(*events));
}

static void tracing_end(void)
{
	set_or_fail(TRACING "events/acq/enable", "0");
	free(events);
}

/* forget what was */
static void events_clear(void)
{
	set_or_fail(TRACING "trace", "");
}

/* "  who-1234  [001] d.h2.  12.345678: acq_irq: dev=acq irqs=3" */
static bool event_parse(struct event *event, const char *line)
{
	const char *name = strstr(line, ": acq_"), *time = name;
	unsigned long long sec, usec;
	int end = 0;

	if (!name || *line == '#')
		return false;
	while (time > line && !isspace((unsigned char)time[-1]))
		time--;
	ck_assert_msg(sscanf(time, "%llu.%6llu", &sec, &usec) == 2, "%s", line);
	event->us = sec * 1000000 + usec;
	ck_assert_msg(sscanf(name, ": %15[a-z_]:%n", event->name, &end) == 1 && end, "%s", line);
	snprintf(event->text, sizeof(event->text), "%.*s", (int)strcspn(name + end, "\n"),
		 name + end);
	return true;
}

/* Frames go on coming, on a slow guest faster than their events can be read. */
static void events_get(void)
{
	FILE *file = fopen(TRACING "trace", "re");
	char line[512];

	ck_assert_ptr_nonnull(file);
	set_or_fail(TRACING "tracing_on", "0");
	count = 0;
	while (fgets(line, sizeof(line), file)) {
		ck_assert_uint_lt(count, EVENTS_MAX);
		count += event_parse(&events[count], line);
	}
	fclose(file);
	set_or_fail(TRACING "tracing_on", "1");
}

static int64_t field(const struct event *event, const char *name)
{
	size_t length = strlen(name);
	const char *at = event->text;

	while ((at = strchr(at, ' '))) {
		at++;
		if (!strncmp(at, name, length) && at[length] == '=')
			return strtoll(at + length + 1, NULL, 10);
	}
	ck_abort_msg("no %s in %s:%s", name, event->name, event->text);
	return 0;
}

/* The first event of this name from @from on; NULL: the first of all. */
static const struct event *seek(const struct event *from, const char *name)
{
	for (from = from ?: events; from < events + count; from++)
		if (!strcmp(from->name, name))
			return from;
	return NULL;
}

/* It must be there, and of our device. */
static const struct event *find(const struct event *from, const char *name)
{
	const struct event *event = seek(from, name);

	ck_assert_msg(event, "no %s among %u events", name, count);
	ck_assert_msg(!strncmp(event->text, " dev=acq ", 9), "%s:%s", name, event->text);
	return event;
}

static unsigned int count_of(const char *name)
{
	const struct event *event = NULL;
	unsigned int n;

	for (n = 0; (event = seek(event, name)); event++)
		n++;
	return n;
}

static int64_t sum_of(const char *name, const char *what)
{
	const struct event *event = NULL;
	int64_t sum = 0;

	for (; (event = seek(event, name)); event++)
		sum += field(event, what);
	return sum;
}

/* --- the way of a frame --- */

static void begin(void)
{
	if (access(NODE, F_OK))
		driver_or_fail("bind");
	sim_reset();
	tracing_begin();
	device = open_or_fail(O_RDWR);
	configure_or_fail(device, 1024, 1, 0);
	stride = info(device).stride;
}

static void end(void)
{
	close(device);
	tracing_end();
}

/* Attached, nothing in the ring, and nothing will come until sim_resume(). */
static void attach_to_silence(void)
{
	sim_stall();
	start_or_fail(device);
	flush_or_fail(device);
	events_clear();
}

static const struct event *irq_of(const struct acq_frame *frame)
{
	const struct event *irq = NULL;

	while ((irq = seek(irq, "acq_irq"))) {
		if (field(irq, "timestamp_ns") == (int64_t)frame->timestamp_ns)
			return find(irq, "acq_irq");
		irq++;
	}
	ck_abort_msg("no interrupt at %" PRIu64, (uint64_t)frame->timestamp_ns);
	return NULL;
}

static void expect_order(const struct event *first, const struct event *second)
{
	expect(first < second);
	expect(first->us <= second->us);
}

static void expect_has(const struct event *event, uint64_t seq)
{
	expect(field(event, "seq") <= (int64_t)seq);
	expect(field(event, "seq") + field(event, "frames") > (int64_t)seq);
}

/* What happened to the first frame of a client that waited for it and then read it alone. */
static void check_way(const struct acq_frame *frame, bool poll)
{
	const struct event *irq, *drain, *drained, *push, *wake, *read;

	events_get();
	irq = irq_of(frame);
	drain = find(irq, "acq_drain");
	drained = find(drain, "acq_drained");
	push = find(drained, "acq_push");
	wake = find(push, "acq_wake");
	read = find(wake, "acq_read");

	expect(irq->us >= frame->timestamp_ns / 1000);
	expect_order(irq, drain);
	expect_order(drain, drained);
	expect_order(drained, push);
	expect_order(push, wake);
	expect_order(wake, read);
	expect_equal(field(drain, "timestamp_ns"), frame->timestamp_ns);
	expect_equal(field(drained, "timestamp_ns"), frame->timestamp_ns);
	expect(field(drain, "after_ns") > 0);
	expect(field(drained, "after_ns") >= field(drain, "after_ns"));
	expect(field(push, "after_ns") >= field(drained, "after_ns"));
	expect(field(wake, "after_ns") >= field(push, "after_ns"));
	expect(field(read, "after_ns") >= field(wake, "after_ns"));

	expect_equal(field(drain, "seq"), frame->seq);
	expect(field(drained, "seq") > (int64_t)frame->seq);
	expect_has(push, frame->seq);
	expect_equal(field(push, "ring"), 1024);
	expect_equal(field(wake, "watermark"), 1);
	expect_equal(field(wake, "request"), !poll);
	expect_equal(field(wake, "poll"), poll);
	expect_equal(field(wake, "client"), field(push, "client"));
	expect_equal(field(read, "client"), field(push, "client"));
	expect_equal(field(read, "seq"), frame->seq);
	expect_equal(field(read, "frames"), 1);
}

START_TEST(way_to_blocked_read)
{
	struct reader reader;
	int i;

	for (i = 0; i < 10; i++) {
		attach_to_silence();
		reader_start_and_block(&reader, device, stride);
		sim_resume();
		ck_assert_int_eq(reader_join(&reader), stride);
		sim_stall();
		check_way(reader.buf, false);
		reader_free(&reader);
	}
}
END_TEST

static void *poller(void *tid)
{
	struct pollfd pollfd = { .fd = device, .events = POLLIN };

	__atomic_store_n((pid_t *)tid, thread_id(), __ATOMIC_RELEASE);
	ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
	return NULL;
}

START_TEST(way_to_poll)
{
	struct acq_frame *frame = alloc_or_fail(stride);
	pthread_t thread;
	pid_t tid;
	int i;

	for (i = 0; i < 10; i++) {
		attach_to_silence();
		tid = 0;
		spawn_or_fail(&thread, poller, &tid);
		wait_until(__atomic_load_n(&tid, __ATOMIC_ACQUIRE) && asleep(tid));
		sim_resume();
		pthread_join(thread, NULL);
		sim_stall();
		ck_assert_int_eq(read(device, frame, stride), stride);
		check_way(frame, true);
	}
	free(frame);
}
END_TEST

/* a client that does not wait is not woken, and one that does not come does not read */
START_TEST(only_what_happens)
{
	struct acq_stats now;
	unsigned int there;

	attach_to_silence();
	sim_resume();
	there = fill_or_fail(device, 20);
	events_get();
	now = stats(device);
	ck_assert_uint_eq(count_of("acq_irq"), count_of("acq_drain"));
	ck_assert_uint_eq(count_of("acq_irq"), count_of("acq_drained"));
	ck_assert_int_eq(sum_of("acq_push", "frames"), there);
	ck_assert_uint_eq(count_of("acq_wake"), 0);
	ck_assert_uint_eq(count_of("acq_read"), 0);
	ck_assert_uint_eq(count_of("acq_lost"), 0);
	ck_assert_uint_eq(count_of("acq_pend"), 0);
	ck_assert_int_eq(field(events + count - 1, "fill"), now.ring);

	/* the clock still stands */
	set_or_fail(TRACING "events/acq/enable", "0");
	events_clear();
	sim_resume();
	wait_until(stats(device).ring > there + 20);
	events_get();
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(lost)
{
	const struct event *event = NULL;
	struct acq_frame *frames = alloc_or_fail(2 * stride);
	uint64_t missing, next;

	/* so that a batch is lost in part */
	sim_set_number("irq_frames", 5);
	configure_or_fail(device, 2, 1, 0);
	attach_to_silence();
	sim_resume();
	wait_until(stats(device).lost > 10);
	sim_stall();
	events_get();
	missing = stats(device).lost;
	ck_assert_int_eq(sum_of("acq_lost", "frames"), missing);
	ck_assert_int_eq(sum_of("acq_push", "frames"), 2);

	/* the ring keeps the oldest two, and what is missing follows them */
	ck_assert_int_eq(read(device, frames, 2 * stride), 2 * stride);
	next = frames->seq + 2;
	for (missing = 0; (event = seek(event, "acq_lost")); event++) {
		ck_assert_int_eq(field(event, "seq"), next);
		next += field(event, "frames");
		missing += field(event, "frames");
		ck_assert_int_eq(field(event, "lost"), missing);
	}
	sim_resume();
	ck_assert_int_eq(read(device, frames, stride), stride);
	ck_assert_uint_eq(frames->seq, next);
	ck_assert(frames->flags & ACQ_FRAME_GAP);
	free(frames);
}
END_TEST

/* --- requests --- */

/* The one request so far has pended, and ended so. */
static void check_request(bool aio, const char *end, long ret, const char *other)
{
	const struct event *pend, *ended;

	events_get();
	pend = find(NULL, "acq_pend");
	ended = find(pend, end);
	ck_assert_int_eq(field(pend, "aio"), aio);
	ck_assert_int_eq(field(pend, "fits"), 4);
	ck_assert_int_eq(field(pend, "request"), stats(device).pended);
	ck_assert_int_eq(field(ended, "request"), field(pend, "request"));
	ck_assert_int_eq(field(ended, "client"), field(pend, "client"));
	ck_assert_int_eq(field(ended, "ret"), ret);
	ck_assert_uint_eq(count_of("acq_pend"), 1);
	ck_assert_uint_eq(count_of(end), 1);
	ck_assert_uint_eq(count_of(other), 0);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* How a blocked read of four frames ends, after it was woken so. */
static void check_blocked_read(void (*wake)(struct reader *reader), ssize_t result)
{
	struct reader reader;
	ssize_t got;

	set_watermark_or_fail(device, 4);
	attach_to_silence();
	reader_start_and_block(&reader, device, 4 * stride);
	wake(&reader);
	got = reader_join(&reader);
	ck_assert_int_eq(got, result);
	if (got < 0)
		check_request(false, "acq_cancel", -512, "acq_complete"); /* ERESTARTSYS */
	else
		check_request(false, "acq_complete", got, "acq_cancel");
	reader_free(&reader);
}

static void let_come(struct reader *reader)
{
	(void)reader;
	sim_resume();
}

static void stop(struct reader *reader)
{
	stop_or_fail(reader->fd);
}

static void interrupt(struct reader *reader)
{
	pthread_kill(reader->thread, SIGUSR1);
}

START_TEST(blocked_read)
{
	check_blocked_read(let_come, 4 * stride);
}
END_TEST

START_TEST(blocked_read_stopped)
{
	check_blocked_read(stop, 0);
}
END_TEST

START_TEST(blocked_read_interrupted)
{
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &act, NULL);
	check_blocked_read(interrupt, -1);
}
END_TEST

/* 0: frames come, 1: the device goes, 2: io_cancel */
START_TEST(pended_aio)
{
	struct timespec patience = { PATIENCE_MS / 1000, 0 };
	char *memory = alloc_or_fail(4 * stride);
	io_context_t context = 0;
	struct io_event done;
	struct iocb iocb, *list = &iocb;

	ck_assert_int_eq(io_setup(1, &context), 0);
	set_watermark_or_fail(device, 4);
	attach_to_silence();
	io_prep_pread(&iocb, device, memory, 4 * stride, 0);
	ck_assert_int_eq(io_submit(context, 1, &list), 1);
	if (_i == 0)
		sim_resume();
	else if (_i == 1)
		driver_or_fail("unbind");
	else
		ck_assert_int_eq(io_cancel(context, &iocb, &done), -EINPROGRESS);
	ck_assert_int_eq(io_getevents(context, 1, 1, &done, &patience), 1);
	if (_i == 2)
		check_request(true, "acq_cancel", -ECANCELED, "acq_complete");
	else
		check_request(true, "acq_complete", (long)done.res, "acq_cancel");
	io_destroy(context);
	free(memory);
}
END_TEST

START_TEST(unplug)
{
	const struct event *event;

	start_or_fail(device);
	wait_until(stats(device).ring > 5);
	driver_or_fail("unbind");
	events_get();
	ck_assert_uint_eq(count_of("acq_unplug"), 1);
	event = find(NULL, "acq_unplug");
	ck_assert_int_eq(field(event, "frames"), stats(device).device_frames);
	ck_assert_int_eq(field(event, "clients"), 1);
	ck_assert_ptr_null(seek(event, "acq_push"));
}
END_TEST

/* --- the clients in debugfs --- */

#define TABLE_MAX 65536

struct row {
	unsigned int client, ring, fill, watermark, pended;
	unsigned long long lost, wakeups;
	int pid;
	char state[16], comm[80];
};

static bool row_parse(struct row *row, const char *line)
{
	int end = 0;

	if (sscanf(line, "%u %d %15s %u %u %u %llu %u %llu %n", &row->client, &row->pid, row->state,
		   &row->ring, &row->fill, &row->watermark, &row->lost, &row->pended, &row->wakeups,
		   &end) != 9)
		return false;
	snprintf(row->comm, sizeof(row->comm), "%.*s", (int)strcspn(line + end, "\n"), line + end);
	return true;
}

/* Each line is whole, and no client is there twice; how many? @rows may be NULL. */
static unsigned int rows_of(char *text, struct row *rows, unsigned int most)
{
	unsigned int n = 0, last = 0;
	char *line, *rest = text;
	struct row row;

	line = strsep(&rest, "\n");
	ck_assert_msg(strstr(line, "client"), "%s", line);
	while ((line = strsep(&rest, "\n")) && *line) {
		ck_assert_msg(row_parse(&row, line), "%s", line);
		expect(row.client > last);
		expect(!row.ring || row.fill <= row.ring);
		last = row.client;
		if (rows && n < most)
			rows[n] = row;
		n++;
	}
	return n;
}

static size_t read_all(int fd, char *text)
{
	size_t bytes = 0;
	ssize_t got;

	while ((got = read(fd, text + bytes, TABLE_MAX - 1 - bytes)) > 0)
		bytes += got;
	ck_assert_ok(got);
	text[bytes] = 0;
	return bytes;
}

static unsigned int rows_get(struct row *rows, unsigned int most)
{
	char *text = alloc_or_fail(TABLE_MAX);
	int fd = open(CLIENTS, O_RDONLY | O_CLOEXEC);
	unsigned int n;

	ck_assert_msg(fd >= 0, CLIENTS ": %s", strerror(errno));
	read_all(fd, text);
	close(fd);
	n = rows_of(text, rows, most);
	free(text);
	return n;
}

static struct row row_get(void)
{
	struct row row;

	ck_assert_uint_eq(rows_get(&row, 1), 1);
	ck_assert_int_eq(row.pid, getpid());
	return row;
}

START_TEST(one_client)
{
	struct acq_stats now;
	struct reader reader;
	struct row row;

	close(device);
	ck_assert_uint_eq(rows_get(NULL, 0), 0);
	prctl(PR_SET_NAME, "a b\\\n\x1b[2Jc");
	device = open_or_fail(O_RDWR);
	prctl(PR_SET_NAME, "another");
	row = row_get();
	ck_assert_str_eq(row.comm, "a b\\134\\012\\033[2Jc");
	ck_assert_str_eq(row.state, "idle");
	ck_assert_uint_eq(row.ring, 0);

	configure_or_fail(device, 16, 3, 0);
	fill_ring_or_fail(device);
	sim_stall();
	row = row_get();
	now = stats(device);
	ck_assert_str_eq(row.state, "attached");
	ck_assert_uint_eq(row.ring, 16);
	ck_assert_uint_eq(row.fill, 16);
	ck_assert_uint_eq(row.watermark, 3);
	ck_assert_uint_eq(row.lost, now.lost);
	ck_assert_uint_gt(row.lost, 0);
	ck_assert_uint_eq(row.wakeups, now.wakeups);
	ck_assert_uint_eq(row.pended, 0);

	flush_or_fail(device);
	reader_start_and_block(&reader, device, 3 * stride);
	row = row_get();
	ck_assert_uint_eq(row.fill, 0);
	ck_assert_uint_eq(row.pended, 1);
	sim_resume();
	reader_join(&reader);
	reader_free(&reader);
	sim_stall();
	row = row_get();
	ck_assert_uint_eq(row.pended, 0);
	ck_assert_uint_gt(row.wakeups, now.wakeups);
	ck_assert_uint_eq(row.wakeups, stats(device).wakeups);
	stop_or_fail(device);
	ck_assert_str_eq(row_get().state, "stopped");
}
END_TEST

/* its number in the events is the one here */
START_TEST(same_number)
{
	int other = open_or_fail(O_RDONLY);
	struct row rows[2];

	events_clear();
	start_or_fail(other);
	wait_until(stats(other).ring > 2);
	stop_or_fail(other);
	ck_assert_uint_eq(rows_get(rows, 2), 2);
	ck_assert_str_eq(rows[0].state, "idle");
	ck_assert_str_eq(rows[1].state, "stopped");
	events_get();
	ck_assert_int_eq(field(find(NULL, "acq_push"), "client"), rows[1].client);
	close(other);
	ck_assert_uint_eq(rows_get(NULL, 0), 1);
}
END_TEST

/* a ring with a nonsense position */
START_TEST(broken)
{
	struct ring ring;

	ring_map_or_fail(&ring, device);
	start_or_fail(device);
	ring_set_out(&ring, ring_in(&ring) + 1000);
	wait_until(!strcmp(row_get().state, "broken"));
	ck_assert_uint_gt(row_get().lost, 0);
	ring_unmap(&ring);
}
END_TEST

/* The file was opened before the device went, and is read after it. */
START_TEST(open_over_unplug)
{
	char *text = alloc_or_fail(TABLE_MAX);
	int fd = open(CLIENTS, O_RDONLY | O_CLOEXEC);
	struct row row;

	ck_assert_ok(fd);
	start_or_fail(device);
	driver_or_fail("unbind");
	ck_assert_int_eq(access(CLIENTS, F_OK), -1);
	read_all(fd, text);
	ck_assert_uint_eq(rows_of(text, &row, 1), 1);
	ck_assert_str_eq(row.state, "gone");
	/* even without the last client, and with the source's module gone */
	close(device);
	unload_module_or_fail("acq_sim");
	ck_assert_int_eq(unload_module("acq"), EAGAIN);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	read_all(fd, text);
	ck_assert_uint_eq(rows_of(text, NULL, 0), 0);
	close(fd);
	load_module_or_fail("acq_sim", "");
	device = open_or_fail(O_RDONLY);
	free(text);
}
END_TEST

static void *read_into(void *buf)
{
	int fd = open(CLIENTS, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	ck_assert_ok(fd);
	got = read(fd, buf, 4096);
	close(fd);
	return (void *)got;
}

/* A page that is missing until we say so, or -1 if this kernel has no userfaults. */
static int missing_page(void *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)page, .len = page_bytes() },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	ck_assert_ok(ioctl(fd, UFFDIO_API, &api));
	ck_assert_ok(ioctl(fd, UFFDIO_REGISTER, &reg));
	return fd;
}

/* a program that looks, and has its buffer on hold, holds up nobody else */
START_TEST(waits_for_no_looker)
{
	void *page = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	struct uffdio_zeropage zero = { .range = { (uintptr_t)page, page_bytes() } };
	struct pollfd pollfd = { .events = POLLIN };
	pthread_t thread;
	void *got;

	ck_assert_ptr_ne(page, MAP_FAILED);
	pollfd.fd = missing_page(page);
	if (pollfd.fd < 0) {
		puts("trace: waits_for_no_looker SKIPPED, this kernel has no userfaultfd");
		return;
	}
	spawn_or_fail(&thread, read_into, page);
	ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
	ck_assert_int_eq(pollfd.revents, POLLIN);
	start_or_fail(device);
	driver_or_fail("unbind");
	driver_or_fail("bind");
	ck_assert_uint_eq(rows_get(NULL, 0), 0);
	ck_assert_ok(ioctl(pollfd.fd, UFFDIO_ZEROPAGE, &zero));
	pthread_join(thread, &got);
	ck_assert_int_gt((intptr_t)got, 0);
	close(pollfd.fd);
}
END_TEST

#define CHURNERS 32

static bool churning;

/* clients that come, do something and go, whether the device is there or not */
static void *churn(void *arg)
{
	unsigned int i = (uintptr_t)arg;
	struct acq_stats now;
	char *buf = malloc(64 * 1024);
	ssize_t got = 0;
	int fd;

	for (; __atomic_load_n(&churning, __ATOMIC_ACQUIRE); i++) {
		fd = open(NODE, O_RDWR | O_CLOEXEC | (i & 1 ? O_NONBLOCK : 0));
		if (fd < 0) {
			pause_ms(1);
			continue;
		}
		if (i & 2)
			got += read(fd, buf, 64 * 1024);
		else
			command(fd, ACQ_IOC_START, NULL);
		now.size = sizeof(now);
		command(fd, ACQ_IOC_GET_STATS, &now);
		close(fd);
	}
	free(buf);
	return (void *)got;
}

struct looker {
	pthread_t thread;
	unsigned int most;
	unsigned int looks;
};

/* each file twice: between the two the device may go */
static void *look(void *arg)
{
	struct looker *looker = arg;
	char *text = malloc(TABLE_MAX);
	unsigned int n;
	int fd;

	while (__atomic_load_n(&churning, __ATOMIC_ACQUIRE)) {
		fd = open(CLIENTS, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			pause_ms(1);
			continue;
		}
		read_all(fd, text);
		n = rows_of(text, NULL, 0);
		if (n > looker->most)
			looker->most = n;
		lseek(fd, 0, SEEK_SET);
		read_all(fd, text);
		rows_of(text, NULL, 0);
		close(fd);
		__atomic_add_fetch(&looker->looks, 1, __ATOMIC_RELAXED);
	}
	free(text);
	return NULL;
}

START_TEST(clients_come_and_go)
{
	unsigned int i, loops = rounds(50, 1000), looks;
	pthread_t churners[CHURNERS];
	struct looker lookers[2] = { 0 };

	__atomic_store_n(&churning, true, __ATOMIC_RELEASE);
	for (i = 0; i < CHURNERS; i++)
		spawn_or_fail(&churners[i], churn, (void *)(uintptr_t)i);
	for (i = 0; i < ARRAY_SIZE(lookers); i++)
		spawn_or_fail(&lookers[i].thread, look, &lookers[i]);
	for (i = 0; i < loops; i++) {
		looks = __atomic_load_n(&lookers[i % 2].looks, __ATOMIC_RELAXED);
		wait_until(__atomic_load_n(&lookers[i % 2].looks, __ATOMIC_RELAXED) > looks);
		driver_or_fail("unbind");
		driver_or_fail("bind");
	}
	__atomic_store_n(&churning, false, __ATOMIC_RELEASE);
	for (i = 0; i < CHURNERS; i++)
		pthread_join(churners[i], NULL);
	for (i = 0; i < ARRAY_SIZE(lookers); i++)
		pthread_join(lookers[i].thread, NULL);
	ck_assert_uint_gt(lookers[0].most, 1);
	/* only those of the device that went at first are left, and these don't show */
	ck_assert_uint_eq(rows_get(NULL, 0), 0);
}
END_TEST

/* Many at once: more than a page of them. */
START_TEST(crowd)
{
	struct row *rows = alloc_or_fail(300 * sizeof(*rows));
	int fds[300];
	int i;

	close(device);
	for (i = 0; i < 300; i++)
		fds[i] = open_or_fail(O_RDONLY);
	ck_assert_uint_eq(rows_get(rows, 300), 300);
	for (i = 1; i < 300; i++)
		ck_assert_uint_eq(rows[i].client, rows[i - 1].client + 1);
	for (i = 0; i < 300; i++)
		close(fds[i]);
	ck_assert_uint_eq(rows_get(rows, 300), 0);
	device = open_or_fail(O_RDONLY);
	free(rows);
}
END_TEST

/* --- counters in sysfs --- */

static uint64_t attribute(const char *name)
{
	unsigned long long value;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/acq/acq/%s", name);
	file = fopen(path, "re");
	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(fscanf(file, "%llu", &value), 1);
	ck_assert_int_eq(fgetc(file), '\n');
	ck_assert_int_eq(fgetc(file), EOF);
	fclose(file);
	ck_assert_errno(open(path, O_WRONLY | O_CLOEXEC), EACCES);
	return value;
}

START_TEST(counters)
{
	struct acq_stats now;
	uint64_t before;

	start_or_fail(device);
	/* a frame's interrupt may find that the one before has fetched it, and is spurious, too */
	sim_stall();
	before = stats(device).spurious_irqs;
	sim_set("fault_spurious", "7");
	wait_until(stats(device).spurious_irqs == before + 7);
	sim_set("fault_overflow", "3");
	sim_set("fault_stall", "0");
	wait_until(stats(device).hw_lost && stats(device).ring > 9);
	sim_stall();
	now = stats(device);
	ck_assert_uint_eq(attribute("frames"), now.device_frames);
	ck_assert_uint_eq(attribute("hw_lost"), now.hw_lost);
	ck_assert_uint_eq(attribute("irqs"), now.irqs);
	ck_assert_uint_eq(attribute("spurious_irqs"), now.spurious_irqs);
	ck_assert_uint_ge(now.spurious_irqs, before + 7);
	ck_assert_uint_gt(now.irqs, 0);
}
END_TEST

static Suite *suite(void)
{
	TCase *traced = tcase_create("tracepoints"), *shown = tcase_create("clients");
	Suite *suite = suite_create("trace");

	tcase_set_timeout(traced, 3 * PATIENCE_MS / 1000);
	tcase_add_checked_fixture(traced, begin, end);
	tcase_add_test(traced, way_to_blocked_read);
	tcase_add_test(traced, way_to_poll);
	tcase_add_test(traced, only_what_happens);
	tcase_add_test(traced, lost);
	tcase_add_test(traced, blocked_read);
	tcase_add_test(traced, blocked_read_stopped);
	tcase_add_test(traced, blocked_read_interrupted);
	tcase_add_loop_test(traced, pended_aio, 0, 3);
	tcase_add_test(traced, unplug);
	suite_add_tcase(suite, traced);

	tcase_set_timeout(shown, 3 * PATIENCE_MS / 1000);
	tcase_add_checked_fixture(shown, begin, end);
	tcase_add_test(shown, one_client);
	tcase_add_test(shown, same_number);
	tcase_add_test(shown, broken);
	tcase_add_test(shown, open_over_unplug);
	tcase_add_test(shown, waits_for_no_looker);
	tcase_add_test(shown, clients_come_and_go);
	tcase_add_test(shown, crowd);
	tcase_add_test(shown, counters);
	suite_add_tcase(suite, shown);
	return suite;
}

int main(void)
{
	return run(suite());
}
