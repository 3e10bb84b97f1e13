// SPDX-License-Identifier: GPL-2.0-only
/* io_uring: reads without worker threads, polls, cancellation, links. */
#include <dirent.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "common.h"

#define DEPTH 64

static struct io_uring uring;
static struct stream stream;
static size_t stride;
static int device;

static void begin(void)
{
	int ret;

	sim_reset();
	ret = io_uring_queue_init(DEPTH, &uring, 0);
	ck_assert_msg(!ret, "io_uring_queue_init: %s", strerror(-ret));
	device = open_or_fail(O_RDWR);
	configure_or_fail(device, 4096, 1, 0);
	stride = info(device).stride;
	stream_begin(&stream, device);
}

static void attach_to_silence(void)
{
	sim_stall();
	start_or_fail(device);
}

/* No thread of this process but the one that runs this. */
static bool no_worker(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int threads = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		threads++;
	closedir(dir);
	return threads == 3; /* with "." and ".." */
}

static struct io_uring_sqe *sqe_or_fail(uint64_t data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring);

	ck_assert_ptr_nonnull(sqe);
	/* what the liburing of old leaves in it */
	memset(sqe, 0, sizeof(*sqe));
	sqe->user_data = data;
	return sqe;
}

/* liburing's preparations clear user_data */
static struct io_uring_sqe *prepare_read(uint64_t data, void *buf, size_t bytes)
{
	struct io_uring_sqe *sqe = sqe_or_fail(data);

	io_uring_prep_read(sqe, device, buf, bytes, -1);
	sqe->user_data = data;
	return sqe;
}

static void submit_or_fail(int count)
{
	ck_assert_int_eq(io_uring_submit(&uring), count);
}

static void submit_read(uint64_t data, void *buf, size_t bytes)
{
	prepare_read(data, buf, bytes);
	submit_or_fail(1);
}

/* of struct io_uring_cqe, which is not to be copied */
struct completion {
	uint64_t user_data;
	int res;
	unsigned int flags;
};

/* the next one */
static struct completion completion(void)
{
	struct __kernel_timespec patience = { PATIENCE_MS / 1000, 0 };
	struct completion copy;
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe_timeout(&uring, &cqe, &patience);

	ck_assert_msg(!ret, "nothing has ended: %s", strerror(-ret));
	copy = (struct completion){ cqe->user_data, cqe->res, cqe->flags };
	io_uring_cqe_seen(&uring, cqe);
	return copy;
}

static bool no_completion(void)
{
	struct io_uring_cqe *cqe;

	return io_uring_peek_cqe(&uring, &cqe) == -EAGAIN;
}

START_TEST(read_at_once)
{
	char *buf = alloc_or_fail(4 * stride);

	fill_or_fail(device, 4);
	submit_read(1, buf, 4 * stride);
	ck_assert(!no_completion());
	ck_assert_int_eq(completion().res, 4 * stride);
	stream_take_all(&stream, buf, 4 * stride);
	ck_assert(no_worker());
}
END_TEST

START_TEST(read_pends_without_worker)
{
	char *buf = alloc_or_fail(stride);
	int i;

	attach_to_silence();
	submit_read(1, buf, stride);
	ck_assert(no_completion());
	ck_assert(no_worker());
	sim_resume();
	ck_assert_int_eq(completion().res, stride);
	stream_take_all(&stream, buf, stride);
	for (i = 0; i < 50; i++) {
		submit_read(1, buf, stride);
		ck_assert_int_eq(completion().res, stride);
		stream_take_all(&stream, buf, stride);
	}
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert(no_worker());
	free(buf);
}
END_TEST

/* the first one attaches, whether or not it has to wait for that */
START_TEST(read_attaches)
{
	char *buf = alloc_or_fail(stride);

	submit_read(1, buf, stride);
	ck_assert_int_eq(completion().res, stride);
	ck_assert(info(device).flags & ACQ_INFO_ATTACHED);
	ck_assert(no_worker());
	free(buf);
}
END_TEST

START_TEST(read_after_poll)
{
	char *buf = alloc_or_fail(4 * stride);
	struct io_uring_sqe *sqe;
	int i;

	for (i = 0; i < 20; i++) {
		sqe = sqe_or_fail(1);
		io_uring_prep_poll_add(sqe, device, POLLIN);
		sqe->user_data = 1;
		sqe->flags |= IOSQE_IO_LINK;
		prepare_read(2, buf, 4 * stride);
		submit_or_fail(2);
		ck_assert_int_eq(completion().res, POLLIN);
		stream_take_all(&stream, buf, completion().res);
	}
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert(no_worker());
	free(buf);
}
END_TEST

START_TEST(vector)
{
	char *first = alloc_or_fail(stride), *second = alloc_or_fail(2 * stride);
	struct iovec iov[] = { { first, stride }, { second, 2 * stride } };
	struct io_uring_sqe *sqe = sqe_or_fail(1);

	set_watermark_or_fail(device, 3);
	io_uring_prep_readv(sqe, device, iov, 2, -1);
	submit_or_fail(1);
	ck_assert_int_eq(completion().res, 3 * stride);
	stream_take_all(&stream, first, stride);
	stream_take_all(&stream, second, 2 * stride);
	ck_assert(no_worker());
	free(first);
	free(second);
}
END_TEST

START_TEST(registered)
{
	char *buf = memory_or_fail(page_bytes());
	struct iovec iov = { buf, page_bytes() };
	struct io_uring_sqe *sqe;
	int i;

	ck_assert_int_eq(io_uring_register_buffers(&uring, &iov, 1), 0);
	ck_assert_int_eq(io_uring_register_files(&uring, &device, 1), 0);
	for (i = 0; i < 20; i++) {
		sqe = sqe_or_fail(1);
		io_uring_prep_read_fixed(sqe, 0, buf + 100, stride, -1, 0);
		sqe->flags |= IOSQE_FIXED_FILE;
		submit_or_fail(1);
		ck_assert_int_eq(completion().res, stride);
		stream_take_all(&stream, buf + 100, stride);
	}
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert(no_worker());
}
END_TEST

/* IOSQE_ASYNC asks for a worker, which waits like a program */
START_TEST(read_in_worker)
{
	char *buf = alloc_or_fail(stride);
	struct io_uring_sqe *sqe;
	int i;

	attach_to_silence();
	sqe = prepare_read(1, buf, stride);
	sqe->flags |= IOSQE_ASYNC;
	submit_or_fail(1);
	sim_resume();
	ck_assert_int_eq(completion().res, stride);
	stream_take_all(&stream, buf, stride);
	for (i = 0; i < 20; i++) {
		sqe = prepare_read(1, buf, stride);
		sqe->flags |= IOSQE_ASYNC;
		submit_or_fail(1);
		ck_assert_int_eq(completion().res, stride);
		stream_take_all(&stream, buf, stride);
	}
	ck_assert_uint_eq(stream.lost, 0);
	free(buf);
}
END_TEST

START_TEST(poll_once)
{
	struct io_uring_sqe *sqe = sqe_or_fail(1);

	attach_to_silence();
	io_uring_prep_poll_add(sqe, device, POLLIN);
	submit_or_fail(1);
	ck_assert(no_completion());
	sim_resume();
	ck_assert_int_eq(completion().res, POLLIN);
	pause_ms(20);
	ck_assert(no_completion());
}
END_TEST

START_TEST(poll_many_times)
{
	struct io_uring_sqe *sqe = sqe_or_fail(1);
	char *buf = alloc_or_fail(64 * stride);
	struct completion cqe;
	int i;

	attach_to_silence();
	io_uring_prep_poll_multishot(sqe, device, POLLIN);
	sqe->user_data = 7;
	submit_or_fail(1);
	sim_resume();
	ck_assert_ok(fcntl(device, F_SETFL, O_NONBLOCK));
	for (i = 0; i < 20; i++) {
		cqe = completion();
		ck_assert_uint_eq(cqe.user_data, 7);
		ck_assert_int_eq(cqe.res, POLLIN);
		ck_assert(cqe.flags & IORING_CQE_F_MORE);
		stream_drain_or_fail(&stream, device);
	}
	/* and is ended by cancelling it */
	sqe = sqe_or_fail(8);
	io_uring_prep_cancel64(sqe, 7, 0);
	sqe->user_data = 8;
	submit_or_fail(1);
	do
		cqe = completion();
	while (cqe.user_data == 7 && cqe.flags & IORING_CQE_F_MORE);
	if (cqe.user_data == 7)
		ck_assert_int_eq(cqe.res, -ECANCELED);
	free(buf);
}
END_TEST

static void cancel(uint64_t data)
{
	struct io_uring_sqe *sqe = sqe_or_fail(0);

	io_uring_prep_cancel64(sqe, data, 0);
	sqe->user_data = 0;
	submit_or_fail(1);
}

START_TEST(cancel_read)
{
	char *buf = alloc_or_fail(stride);
	struct completion cqe;
	int i;

	attach_to_silence();
	submit_read(1, buf, stride);
	cancel(1);
	for (i = 0; i < 2; i++) {
		cqe = completion();
		ck_assert_int_eq(cqe.res, cqe.user_data ? -ECANCELED : 0);
	}
	ck_assert(no_completion());
	sim_resume();
	stream_read_or_fail(&stream, device, 3);
	ck_assert_uint_eq(stream.starts, 1);
	ck_assert(no_completion());
	free(buf);
}
END_TEST

/* of a read that a worker has begun, wherever it waits now */
START_TEST(cancel_worker)
{
	int left = 2, read_said = 0, cancel_said = -ENOENT;
	char *buf = alloc_or_fail(stride);
	struct completion cqe;
	struct io_uring_sqe *sqe;

	attach_to_silence();
	sqe = prepare_read(1, buf, stride);
	sqe->flags |= IOSQE_ASYNC;
	submit_or_fail(1);
	cancel(1);
	while (left) {
		cqe = completion();
		left--;
		if (cqe.user_data) {
			read_said = cqe.res;
			continue;
		}
		cancel_said = cqe.res;
		/* on its way from the worker to its wait: once more */
		if (cancel_said == -ENOENT) {
			cancel(1);
			left++;
		}
	}
	ck_assert(read_said == -ECANCELED || read_said == -EINTR);
	ck_assert(cancel_said == 0 || cancel_said == -EALREADY);
	ck_assert(no_completion());
	sim_resume();
	stream_read_or_fail(&stream, device, 3);
	ck_assert_uint_eq(stream.starts, 1);
	free(buf);
}
END_TEST

/* each read ends exactly once, and no frame goes with a cancelled one */
START_TEST(cancel_race)
{
	unsigned int i, k, count = rounds(1000, 100000), cancelled = 0;
	char *buf = alloc_or_fail(stride);
	struct completion cqe;
	int64_t until;

	start_or_fail(device);
	for (i = 0; i < count; i++) {
		submit_read(1, buf, stride);
		until = now_ns() + i * 7919 % 2000 * 1000;
		while (now_ns() < until)
			;
		cancel(1);
		for (k = 0; k < 2; k++) {
			cqe = completion();
			if (!cqe.user_data)
				continue;
			if (cqe.res == -ECANCELED || cqe.res == -EINTR) {
				cancelled++;
				continue;
			}
			ck_assert_int_eq(cqe.res, stride);
			stream_take_all(&stream, buf, stride);
		}
		ck_assert(no_completion());
	}
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stream.frames + cancelled, count);
	ck_assert_uint_eq(stats(device).delivered, stream.frames);
	free(buf);
}
END_TEST

/* one after the other: in order */
START_TEST(linked_reads)
{
	char *buf = alloc_or_fail(8 * stride);
	struct completion cqe;
	unsigned int i;

	attach_to_silence();
	for (i = 0; i < 8; i++)
		prepare_read(i, buf + i * stride, stride)->flags |= i < 7 ? IOSQE_IO_LINK : 0;
	submit_or_fail(8);
	sim_resume();
	for (i = 0; i < 8; i++) {
		cqe = completion();
		ck_assert_uint_eq(cqe.user_data, i);
		ck_assert_int_eq(cqe.res, stride);
	}
	stream_take_all(&stream, buf, 8 * stride);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert(no_worker());
	free(buf);
}
END_TEST

START_TEST(linked_timeout)
{
	struct __kernel_timespec time = { 0, 50000000 };
	char *buf = alloc_or_fail(stride);
	struct completion cqe;
	struct io_uring_sqe *sqe;
	int i;

	attach_to_silence();
	prepare_read(1, buf, stride)->flags |= IOSQE_IO_LINK;
	sqe = sqe_or_fail(2);
	io_uring_prep_link_timeout(sqe, &time, 0);
	sqe->user_data = 2;
	submit_or_fail(2);
	for (i = 0; i < 2; i++) {
		cqe = completion();
		if (cqe.user_data == 1)
			ck_assert_int_eq(cqe.res, -ECANCELED);
		else
			ck_assert(cqe.res == -ETIME || cqe.res == -EALREADY);
	}
	/* one that is in time */
	sim_resume();
	time.tv_sec = 60;
	prepare_read(1, buf, stride)->flags |= IOSQE_IO_LINK;
	sqe = sqe_or_fail(2);
	io_uring_prep_link_timeout(sqe, &time, 0);
	sqe->user_data = 2;
	submit_or_fail(2);
	for (i = 0; i < 2; i++) {
		cqe = completion();
		ck_assert_int_eq(cqe.res, cqe.user_data == 1 ? (int)stride : -ECANCELED);
	}
	free(buf);
}
END_TEST

START_TEST(stop_ends)
{
	char *buf = alloc_or_fail(stride);

	attach_to_silence();
	submit_read(1, buf, stride);
	stop_or_fail(device);
	ck_assert_int_eq(completion().res, 0);
	submit_read(1, buf, stride);
	ck_assert_int_eq(completion().res, 0);
	free(buf);
}
END_TEST

START_TEST(refusals)
{
	char *buf = alloc_or_fail(stride);
	struct ring ring;

	submit_read(1, buf, stride - 1);
	ck_assert_int_eq(completion().res, -EINVAL);
	fill_or_fail(device, 3);
	submit_read(1, NULL, stride);
	ck_assert_int_eq(completion().res, -EFAULT);
	stream_read_or_fail(&stream, device, 1);
	ring_map_or_fail(&ring, device);
	submit_read(1, buf, stride);
	ck_assert_int_eq(completion().res, -EBUSY);
	ring_unmap(&ring);
	free(buf);
}
END_TEST

/* with reads, polls and a worker in flight */
static void leave_in_flight(void)
{
	char *buf = alloc_or_fail(8 * stride);
	struct io_uring_sqe *sqe;
	unsigned int i;

	attach_to_silence();
	for (i = 0; i < 4; i++)
		submit_read(i, buf + i * stride, stride);
	sqe = sqe_or_fail(5);
	io_uring_prep_poll_multishot(sqe, device, POLLIN);
	submit_or_fail(1);
	prepare_read(6, buf + 6 * stride, stride)->flags |= IOSQE_ASYNC;
	submit_or_fail(1);
}

START_TEST(program_ends)
{
	int passive = open_or_fail(O_RDONLY), status;
	pid_t child;

	io_uring_queue_exit(&uring);
	close(device);
	child = fork_or_fail();
	if (!child) {
		begin();
		leave_in_flight();
		if (_i)
			raise(SIGKILL);
		exit(0);
	}
	status = wait_or_fail(child);
	ck_assert(_i ? WIFSIGNALED(status) : status == 0);
	wait_until(!(info(passive).flags & ACQ_INFO_STREAMING));
}
END_TEST

START_TEST(queue_ends)
{
	int passive = open_or_fail(O_RDONLY);

	leave_in_flight();
	io_uring_queue_exit(&uring);
	sim_resume();
	close(device);
	wait_until(!(info(passive).flags & ACQ_INFO_STREAMING));
}
END_TEST

static bool has_uring(void)
{
	struct io_uring probe;
	int ret = io_uring_queue_init(2, &probe, 0);

	if (!ret)
		io_uring_queue_exit(&probe);
	return ret != -ENOSYS;
}

/* Only on a kernel that was built without: the sandbox that forbids it is a failure. */
START_TEST(skipped_because_this_kernel_has_no_io_uring)
{
	ck_assert(!has_uring());
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("uring");
	TCase *tcase = tcase_create("uring");

	suite_add_tcase(suite, tcase);
	if (!has_uring()) {
		puts("uring: SKIPPED, this kernel has no io_uring");
		tcase_add_test(tcase, skipped_because_this_kernel_has_no_io_uring);
		return suite;
	}
	tcase_add_checked_fixture(tcase, begin, NULL);
	tcase_add_test(tcase, read_at_once);
	tcase_add_test(tcase, read_pends_without_worker);
	tcase_add_test(tcase, read_attaches);
	tcase_add_test(tcase, read_after_poll);
	tcase_add_test(tcase, vector);
	tcase_add_test(tcase, registered);
	tcase_add_test(tcase, read_in_worker);
	tcase_add_test(tcase, poll_once);
	tcase_add_test(tcase, poll_many_times);
	tcase_add_test(tcase, cancel_read);
	tcase_add_test(tcase, cancel_worker);
	tcase_add_test(tcase, cancel_race);
	tcase_add_test(tcase, linked_reads);
	tcase_add_test(tcase, linked_timeout);
	tcase_add_test(tcase, stop_ends);
	tcase_add_test(tcase, refusals);
	tcase_add_loop_test(tcase, program_ends, 0, 2);
	tcase_add_test(tcase, queue_ends);
	return suite;
}

int main(void)
{
	return run(suite());
}
