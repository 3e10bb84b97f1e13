// SPDX-License-Identifier: GPL-2.0-only
/* Linux AIO: reads that pend, in order, and end exactly once. */
#include <libaio.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common.h"

#define REQUESTS 64

static struct stream stream;
static struct io_event events[REQUESTS];
static struct iocb iocbs[REQUESTS];
static io_context_t context;
static long pinned_before;
static size_t stride;
static int device;

static void begin(void)
{
	sim_reset();
	pinned_before = pinned_pages();
	context = 0;
	ck_assert_int_eq(io_setup(REQUESTS, &context), 0);
	device = open_or_fail(O_RDWR);
	configure_or_fail(device, 4096, 1, 0);
	stride = info(device).stride;
	stream_begin(&stream, device);
}

/* Nothing stays pinned when everything has ended. */
static void end(void)
{
	io_destroy(context);
	if (!(info(device).flags & ACQ_INFO_SHARED))
		wait_until(pinned_pages() == pinned_before);
}

static void submit_to(unsigned int n, void *memory, size_t bytes)
{
	struct iocb *iocb = &iocbs[n];

	io_prep_pread(iocb, device, memory, bytes, 0);
	iocb->data = memory;
	ck_assert_int_eq(io_submit(context, 1, &iocb), 1);
}

static void submit(unsigned int n, unsigned int frames)
{
	submit_to(n, alloc_or_fail(frames * stride), frames * stride);
}

/* nothing in flight takes longer than this */
static int wait_events(long least, long most)
{
	struct timespec patience = { PATIENCE_MS / 1000, 0 };

	return io_getevents(context, least, most, events, &patience);
}

/* the result of the next request that ends */
static long result(void)
{
	ck_assert_int_eq(wait_events(1, 1), 1);
	return events[0].res;
}

static bool no_event(void)
{
	struct timespec none = { 0, 0 };

	return io_getevents(context, 1, 1, events, &none) == 0;
}

/* a stalled client with nothing in its ring: what is submitted pends */
static void attach_to_silence(void)
{
	sim_stall();
	start_or_fail(device);
}

START_TEST(pends)
{
	attach_to_silence();
	submit(0, 4);
	ck_assert_uint_eq(stats(device).pended, 1);
	ck_assert(no_event());
	sim_resume();
	ck_assert_int_ge(result(), stride);
	ck_assert_ptr_eq(events[0].obj, &iocbs[0]);
	stream_take_all(&stream, events[0].data, events[0].res);
	ck_assert(no_event());
	stream_read_or_fail(&stream, device, 3);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(device).cancelled, 0);
}
END_TEST

START_TEST(attaches)
{
	submit(0, 1);
	ck_assert(info(device).flags & ACQ_INFO_ATTACHED);
	ck_assert_int_eq(result(), stride);
}
END_TEST

START_TEST(completes_at_once)
{
	fill_or_fail(device, 8);
	submit(0, 4);
	ck_assert(!no_event());
	ck_assert_int_eq(events[0].res, 4 * stride);
	ck_assert_uint_eq(stats(device).pended, 0);
	ck_assert_int_eq(pinned_pages(), pinned_before);
}
END_TEST

/* the smaller of the watermark and what fits */
START_TEST(waits_for_enough)
{
	attach_to_silence();
	set_watermark_or_fail(device, 4096);
	submit(0, 3);
	sim_resume();
	ck_assert_int_eq(result(), 3 * stride);
	stream_take_all(&stream, events[0].data, events[0].res);
	set_watermark_or_fail(device, 7);
	submit(0, 20);
	ck_assert_int_ge(result(), 7 * stride);
	stream_take_all(&stream, events[0].data, events[0].res);
}
END_TEST

START_TEST(latency_bound)
{
	sim_rate(5);
	configure_or_fail(device, 64, 64, 50000);
	start_or_fail(device);
	submit(0, 64);
	ck_assert_int_ge(result(), stride);
	ck_assert_int_lt(events[0].res, 64 * stride);
}
END_TEST

/* nonblocking is the file's word to read(), not to a request that may wait anyway */
START_TEST(nonblocking_file)
{
	ck_assert_ok(fcntl(device, F_SETFL, O_NONBLOCK));
	attach_to_silence();
	submit(0, 1);
	ck_assert(no_event());
	sim_resume();
	ck_assert_int_eq(result(), stride);
}
END_TEST

START_TEST(in_order)
{
	unsigned int i;

	attach_to_silence();
	for (i = 0; i < REQUESTS; i++)
		submit(i, 1 + i % 3);
	ck_assert_uint_eq(stats(device).pended, REQUESTS);
	/* each waits for all that it has room for */
	set_watermark_or_fail(device, 3);
	sim_resume();
	ck_assert_int_eq(wait_events(REQUESTS, REQUESTS), REQUESTS);
	for (i = 0; i < REQUESTS; i++) {
		ck_assert_ptr_eq(events[i].obj, &iocbs[i]);
		stream_take_all(&stream, events[i].data, events[i].res);
	}
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

START_TEST(many_in_one_submission)
{
	struct iocb *list[16];
	unsigned int i;

	attach_to_silence();
	for (i = 0; i < ARRAY_SIZE(list); i++) {
		list[i] = &iocbs[i];
		io_prep_pread(list[i], device, alloc_or_fail(stride), stride, 0);
	}
	ck_assert_int_eq(io_submit(context, ARRAY_SIZE(list), list), ARRAY_SIZE(list));
	sim_resume();
	ck_assert_int_eq(wait_events(ARRAY_SIZE(list), REQUESTS), ARRAY_SIZE(list));
	for (i = 0; i < ARRAY_SIZE(list); i++) {
		ck_assert_ptr_eq(events[i].obj, list[i]);
		ck_assert_int_eq(events[i].res, stride);
		stream_take_all(&stream, list[i]->u.c.buf, stride);
	}
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

/* Blocked reads and AIO wait in one queue: served in the order in which they came. */
START_TEST(mixed_in_order)
{
	struct reader readers[8];
	unsigned int i;

	attach_to_silence();
	for (i = 0; i < 8; i++) {
		reader_start_and_block(&readers[i], device, stride);
		submit(i, 1);
		ck_assert_uint_eq(stats(device).pended, 2 * i + 2);
	}
	sim_resume();
	ck_assert_int_eq(wait_events(8, REQUESTS), 8);
	for (i = 0; i < 8; i++) {
		ck_assert_int_eq(reader_join(&readers[i]), stride);
		stream_take_all(&stream, readers[i].buf, stride);
		ck_assert_ptr_eq(events[i].obj, &iocbs[i]);
		stream_take_all(&stream, events[i].data, stride);
		reader_free(&readers[i]);
	}
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

START_TEST(blocked_in_order)
{
	struct reader readers[16];
	unsigned int i;

	attach_to_silence();
	for (i = 0; i < 16; i++)
		reader_start_and_block(&readers[i], device, stride);
	sim_resume();
	for (i = 0; i < 16; i++) {
		ck_assert_int_eq(reader_join(&readers[i]), stride);
		stream_take_all(&stream, readers[i].buf, stride);
		reader_free(&readers[i]);
	}
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

/* the pieces of a vector, which share pages and cross them */
START_TEST(vector)
{
	char *memory = memory_or_fail(4 * page_bytes());
	struct iovec iov[] = {
		{ memory + page_bytes() - 30, 60 },
		{ NULL, 0 },
		{ memory + 2 * page_bytes() - 5, 100 },
		{ memory + 10, 200 },
	};
	char *flat = alloc_or_fail(360), *to = flat;
	struct iocb *iocb = &iocbs[0];
	unsigned int i;

	attach_to_silence();
	set_watermark_or_fail(device, 6);
	io_prep_preadv(iocb, device, iov, ARRAY_SIZE(iov), 0);
	ck_assert_int_eq(io_submit(context, 1, &iocb), 1);
	ck_assert(no_event());
	sim_resume();
	ck_assert_int_eq(result(), 360 / stride * stride);
	for (i = 0; i < ARRAY_SIZE(iov); i++) {
		memcpy(to, iov[i].iov_base ? iov[i].iov_base : "", iov[i].iov_len);
		to += iov[i].iov_len;
	}
	stream_take_all(&stream, flat, events[0].res);
	free(flat);
}
END_TEST

START_TEST(to_eventfd)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct iocb *iocb = &iocbs[0];
	uint64_t count;

	attach_to_silence();
	io_prep_pread(iocb, device, alloc_or_fail(stride), stride, 0);
	io_set_eventfd(iocb, fd);
	ck_assert_int_eq(io_submit(context, 1, &iocb), 1);
	ck_assert(!(poll_now(fd, POLLIN) & POLLIN));
	sim_resume();
	ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(result(), stride);
}
END_TEST

/* IOCB_CMD_POLL */
START_TEST(polls)
{
	struct iocb *iocb = &iocbs[0];

	attach_to_silence();
	io_prep_poll(iocb, device, POLLIN);
	ck_assert_int_eq(io_submit(context, 1, &iocb), 1);
	ck_assert(no_event());
	sim_resume();
	ck_assert_int_eq(result() & POLLIN, POLLIN);
}
END_TEST

/* Cancelled: said once, by the event; and its frames are for the next one. */

static void cancel_or_fail(unsigned int n)
{
	int ret = io_cancel(context, &iocbs[n], &events[0]);

	ck_assert_msg(ret == -EINPROGRESS || ret == 0, "io_cancel: %s", strerror(-ret));
}

START_TEST(cancel)
{
	attach_to_silence();
	submit(0, 1);
	cancel_or_fail(0);
	ck_assert_int_eq(result(), -ECANCELED);
	ck_assert_ptr_eq(events[0].obj, &iocbs[0]);
	ck_assert(no_event());
	ck_assert_uint_eq(stats(device).cancelled, 1);
	ck_assert_int_ne(io_cancel(context, &iocbs[0], &events[0]), 0);
	ck_assert_int_eq(pinned_pages(), pinned_before);
	sim_resume();
	stream_read_or_fail(&stream, device, 3);
	ck_assert(no_event());
}
END_TEST

START_TEST(cancel_in_the_middle)
{
	unsigned int i;

	attach_to_silence();
	for (i = 0; i < 8; i++)
		submit(i, 1);
	cancel_or_fail(3);
	ck_assert_int_eq(result(), -ECANCELED);
	ck_assert_ptr_eq(events[0].obj, &iocbs[3]);
	cancel_or_fail(0);
	ck_assert_int_eq(result(), -ECANCELED);
	cancel_or_fail(7);
	ck_assert_int_eq(result(), -ECANCELED);
	sim_resume();
	ck_assert_int_eq(wait_events(5, REQUESTS), 5);
	for (i = 0; i < 5; i++) {
		ck_assert_ptr_eq(events[i].obj, &iocbs[i < 2 ? i + 1 : i + 2]);
		stream_take_all(&stream, events[i].data, events[i].res);
	}
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(device).cancelled, 3);
}
END_TEST

START_TEST(stop)
{
	unsigned int there;

	set_watermark_or_fail(device, 4096);
	there = fill_or_fail(device, 3);
	submit(0, 4096);
	submit(1, 4096);
	submit(2, 1);
	ck_assert(no_event());
	stop_or_fail(device);
	ck_assert_int_eq(wait_events(3, 3), 3);
	ck_assert_ptr_eq(events[0].obj, &iocbs[0]);
	ck_assert_int_eq(events[0].res, there * stride);
	stream_take_all(&stream, events[0].data, events[0].res);
	ck_assert_int_eq(events[1].res, 0);
	ck_assert_int_eq(events[2].res, 0);
	submit(0, 1);
	ck_assert_int_eq(result(), 0);
}
END_TEST

START_TEST(flush)
{
	attach_to_silence();
	submit(0, 4);
	flush_or_fail(device);
	ck_assert(no_event());
	sim_resume();
	ck_assert_int_ge(result(), stride);
	stream_take_all(&stream, events[0].data, events[0].res);
	ck_assert_uint_eq(stream.starts, 1);
}
END_TEST

START_TEST(destroy)
{
	unsigned int i;

	attach_to_silence();
	for (i = 0; i < REQUESTS; i++)
		submit(i, 1);
	ck_assert_int_eq(io_destroy(context), 0);
	ck_assert_uint_eq(stats(device).cancelled, REQUESTS);
	ck_assert_int_eq(pinned_pages(), pinned_before);
	sim_resume();
	stream_read_or_fail(&stream, device, 3);
}
END_TEST

/* the request holds the file */
START_TEST(close_cancels_nothing)
{
	int passive = open_or_fail(O_RDONLY);

	attach_to_silence();
	submit(0, 1);
	close(device);
	sim_resume();
	ck_assert_int_eq(result(), stride);
	stream_take_all(&stream, events[0].data, stride);
	wait_until(!(info(passive).flags & ACQ_INFO_STREAMING));
	device = passive;
}
END_TEST

/* How a program may end with requests in flight. */

static void end_by_exit(void)
{
	exit(0);
}

static void end_by_signal(void)
{
	raise(SIGKILL);
}

static void end_by_exec(void)
{
	execl("/bin/true", "true", NULL);
	_exit(1);
}

static void (*const ends[])(void) = { end_by_exit, end_by_signal, end_by_exec };

START_TEST(program_ends)
{
	int passive = open_or_fail(O_RDONLY);
	pid_t child = fork_or_fail();
	unsigned int i;
	int status;

	if (!child) {
		context = 0;
		ck_assert_int_eq(io_setup(REQUESTS, &context), 0);
		device = open_or_fail(O_RDWR);
		attach_to_silence();
		for (i = 0; i < 8; i++)
			submit(i, 4);
		ends[_i]();
	}
	status = wait_or_fail(child);
	ck_assert(_i == 1 ? WIFSIGNALED(status) : status == 0);
	wait_until(!(info(passive).flags & ACQ_INFO_STREAMING));
	wait_until(pinned_pages() == pinned_before);
}
END_TEST

/* What can't be is the event's result, not io_submit's. */

START_TEST(refuse_bad_address)
{
	char *read_only = memory_or_fail(page_bytes());

	attach_to_silence();
	submit_to(0, NULL, stride);
	ck_assert_int_eq(result(), -EFAULT);
	ck_assert_ok(mprotect(read_only, page_bytes(), PROT_READ));
	submit_to(0, read_only, stride);
	ck_assert_int_eq(result(), -EFAULT);
	/* half a frame is none */
	submit_to(0, read_only - stride / 2, stride);
	ck_assert_int_eq(result(), -EFAULT);
	ck_assert_int_eq(pinned_pages(), pinned_before);
	ck_assert_uint_eq(stats(device).pended, 0);
}
END_TEST

/* whole frames as far as the memory goes */
START_TEST(short_of_memory_mapped)
{
	char *memory = memory_or_fail(2 * page_bytes()), *edge = memory + page_bytes();

	munmap(edge, page_bytes());
	attach_to_silence();
	set_watermark_or_fail(device, 4096);
	submit_to(0, edge - 3 * stride - stride / 2, 10 * stride);
	ck_assert(no_event());
	sim_resume();
	ck_assert_int_eq(result(), 3 * stride);
	stream_take_all(&stream, events[0].data, events[0].res);
	set_watermark_or_fail(device, 1);
	stream_read_or_fail(&stream, device, 5);
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

START_TEST(refuse_file)
{
	void *memory;
	int fd;

	mkdir("/tmp/files", 0700);
	ck_assert_ok(mount("none", "/tmp/files", "ramfs", 0, NULL));
	fd = open("/tmp/files/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_ok(fd);
	ck_assert_ok(ftruncate(fd, page_bytes()));
	memory = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	close(fd);
	umount2("/tmp/files", MNT_DETACH);
	attach_to_silence();
	submit_to(0, memory, stride);
	ck_assert_int_eq(result(), -EFAULT);
	ck_assert_int_eq(pinned_pages(), pinned_before);
	/* without pending there is nothing to pin */
	sim_resume();
	fill_or_fail(device, 2);
	submit_to(0, memory, stride);
	ck_assert_int_eq(result(), stride);
	munmap(memory, page_bytes());
}
END_TEST

START_TEST(refuse_small)
{
	submit_to(0, alloc_or_fail(stride), stride - 1);
	ck_assert_int_eq(result(), -EINVAL);
	attach_to_silence();
	submit_to(0, alloc_or_fail(stride), stride - 1);
	ck_assert_int_eq(result(), -EINVAL);
}
END_TEST

START_TEST(refuse_mapped)
{
	struct ring ring;

	ring_map_or_fail(&ring, device);
	submit(0, 1);
	ck_assert_int_eq(result(), -EBUSY);
	ring_unmap(&ring);
	/* and the other way round */
	attach_to_silence();
	submit(0, 1);
	ck_assert_ptr_eq(mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, device, 0),
			 MAP_FAILED);
	ck_assert_int_eq(errno, EBUSY);
	cancel_or_fail(0);
	ck_assert_int_eq(result(), -ECANCELED);
	ring_map_or_fail(&ring, device);
	ring_unmap(&ring);
}
END_TEST

START_TEST(refuse_unlimited)
{
	const struct rlimit limit = { 4 * page_bytes(), 4 * page_bytes() };
	pid_t child = fork_or_fail();
	char *memory;

	if (child) {
		join_or_fail(child);
		return;
	}
	context = 0;
	ck_assert_int_eq(io_setup(REQUESTS, &context), 0);
	attach_to_silence();
	ck_assert_ok(setrlimit(RLIMIT_MEMLOCK, &limit));
	ck_assert_ok(setuid(65534));
	memory = memory_or_fail(16 * page_bytes());
	submit_to(0, memory, 5 * page_bytes());
	ck_assert_int_eq(result(), -ENOMEM);
	submit_to(0, memory, 3 * page_bytes());
	submit_to(1, memory + 4 * page_bytes(), 2 * page_bytes());
	ck_assert_int_eq(result(), -ENOMEM);
	submit_to(1, memory + 4 * page_bytes(), page_bytes());
	ck_assert(no_event());
	cancel_or_fail(0);
	ck_assert_int_eq(result(), -ECANCELED);
	submit_to(2, memory, 3 * page_bytes());
	ck_assert(no_event());
	_exit(0);
}
END_TEST

/* never more pinned than the ring can fill */
START_TEST(pins_no_more_than_needed)
{
	size_t huge = 1024 * page_bytes();

	configure_or_fail(device, 64, 1, 0);
	attach_to_silence();
	submit_to(0, memory_or_fail(huge), huge);
	ck_assert(no_event());
	ck_assert_int_le(pinned_pages() - pinned_before, 64 * stride / page_bytes() + 2);
	ck_assert_int_le(proc_value("/proc/self/status", "VmPin") * 1024,
			 64 * stride + 2 * page_bytes());
}
END_TEST

/* the frames go where the pages are, whatever the program has at that address now */
START_TEST(unmapped_while_pended)
{
	size_t page = page_bytes();
	char *memory = memory_or_fail(page);
	size_t i;

	attach_to_silence();
	submit_to(0, memory, stride);
	munmap(memory, page);
	ck_assert_ptr_eq(mmap(memory, page, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 memory);
	sim_resume();
	ck_assert_int_eq(result(), stride);
	for (i = 0; i < page; i++)
		ck_assert_int_eq(memory[i], 0);
}
END_TEST

START_TEST(forked_while_pended)
{
	char *memory = memory_or_fail(page_bytes());
	pid_t child;

	attach_to_silence();
	submit_to(0, memory, stride);
	child = fork_or_fail();
	if (!child) {
		memory[0] = 1;
		pause();
	}
	/* this write is not to give the child the page that is pinned */
	memory[page_bytes() - 1] = 1;
	sim_resume();
	ck_assert_int_eq(result(), stride);
	stream_take_all(&stream, memory, stride);
	kill(child, SIGKILL);
	wait_or_fail(child);
}
END_TEST

START_TEST(write_refused)
{
	struct iocb *iocb = &iocbs[0];

	io_prep_pwrite(iocb, device, alloc_or_fail(stride), stride, 0);
	ck_assert_int_eq(io_submit(context, 1, &iocb), -EINVAL);
}
END_TEST

/* hundreds at once, of which some are cancelled, and the rest is served in order */
START_TEST(hundreds)
{
	unsigned int count = 512, i, served = 0;
	io_context_t many = 0;
	struct iocb *all = alloc_or_fail(count * sizeof(*all)), *one;
	struct io_event *ended = alloc_or_fail(count * sizeof(*ended));
	char *memory = memory_or_fail(count * stride + page_bytes());
	struct timespec patience = { PATIENCE_MS / 1000, 0 };

	ck_assert_int_eq(io_setup(count, &many), 0);
	attach_to_silence();
	for (i = 0; i < count; i++) {
		one = &all[i];
		io_prep_pread(one, device, memory + i * stride, stride, 0);
		ck_assert_int_eq(io_submit(many, 1, &one), 1);
	}
	for (i = 0; i < count; i += 7)
		ck_assert_int_eq(io_cancel(many, &all[i], &events[0]), -EINPROGRESS);
	sim_resume();
	ck_assert_int_eq(io_getevents(many, count, count, ended, &patience), count);
	for (i = 0; i < count; i++) {
		unsigned int n = ended[i].obj - all;

		if (n % 7 == 0) {
			ck_assert_int_eq((long)ended[i].res, -ECANCELED);
			continue;
		}
		ck_assert_int_eq(ended[i].res, stride);
		served++;
		stream_take_all(&stream, ended[i].obj->u.c.buf, stride);
	}
	ck_assert_uint_eq(served, count - (count + 6) / 7);
	ck_assert_uint_eq(stream.lost, 0);
	io_destroy(many);
	free(ended);
	free(all);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("aio");
	TCase *served = tcase_create("served"), *ended = tcase_create("ended");
	TCase *refused = tcase_create("refused");

	tcase_add_checked_fixture(served, begin, end);
	tcase_add_test(served, pends);
	tcase_add_test(served, attaches);
	tcase_add_test(served, completes_at_once);
	tcase_add_test(served, waits_for_enough);
	tcase_add_test(served, latency_bound);
	tcase_add_test(served, nonblocking_file);
	tcase_add_test(served, in_order);
	tcase_add_test(served, many_in_one_submission);
	tcase_add_test(served, mixed_in_order);
	tcase_add_test(served, blocked_in_order);
	tcase_add_test(served, vector);
	tcase_add_test(served, to_eventfd);
	tcase_add_test(served, polls);
	tcase_add_test(served, unmapped_while_pended);
	tcase_add_test(served, forked_while_pended);
	tcase_add_test(served, hundreds);
	suite_add_tcase(suite, served);

	tcase_add_checked_fixture(ended, begin, end);
	tcase_add_test(ended, cancel);
	tcase_add_test(ended, cancel_in_the_middle);
	tcase_add_test(ended, stop);
	tcase_add_test(ended, flush);
	tcase_add_test(ended, destroy);
	tcase_add_test(ended, close_cancels_nothing);
	tcase_add_loop_test(ended, program_ends, 0, ARRAY_SIZE(ends));
	suite_add_tcase(suite, ended);

	tcase_add_checked_fixture(refused, begin, end);
	tcase_add_test(refused, refuse_bad_address);
	tcase_add_test(refused, short_of_memory_mapped);
	tcase_add_test(refused, refuse_file);
	tcase_add_test(refused, refuse_small);
	tcase_add_test(refused, refuse_mapped);
	tcase_add_test(refused, refuse_unlimited);
	tcase_add_test(refused, pins_no_more_than_needed);
	tcase_add_test(refused, write_refused);
	suite_add_tcase(suite, refused);
	return suite;
}

int main(void)
{
	return run(suite());
}
