// SPDX-License-Identifier: GPL-2.0-only
/* read(): whole frames, in order, each exactly once; and what it waits for. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "common.h"

static struct stream stream;

START_TEST(less_than_a_frame)
{
	int fd = open_full_or_fail(16);
	size_t stride = info(fd).stride;
	char *buf = alloc_or_fail(stride);

	ck_assert_errno(read(fd, buf, 1), EINVAL);
	ck_assert_errno(read(fd, buf, stride - 1), EINVAL);
	stop_or_fail(fd);
	ck_assert_errno(read(fd, buf, stride - 1), EINVAL);
	ck_assert_uint_eq(stats(fd).ring, 16);
	free(buf);
}
END_TEST

START_TEST(one_frame)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	char *buf = alloc_or_fail(stride);
	int i;

	stream_begin(&stream, fd);
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(read(fd, buf, stride), stride);
		stream_take_all(&stream, buf, stride);
	}
	ck_assert_uint_eq(stats(fd).delivered, 20);
	ck_assert_uint_eq(stats(fd).delivered_bytes, 20 * stride);
	ck_assert_uint_eq(stream.starts, 1);
	free(buf);
}
END_TEST

/* as many as fit and are there, never a part of one */
START_TEST(many_frames)
{
	int fd = open_full_or_fail(16);
	size_t stride = info(fd).stride;
	char *buf = alloc_or_fail(64 * stride);

	stream_begin(&stream, fd);
	stop_or_fail(fd);
	ck_assert_int_eq(read(fd, buf, 6 * stride - 1), 5 * stride);
	stream_take_all(&stream, buf, 5 * stride);
	ck_assert_int_eq(read(fd, buf, 3 * stride), 3 * stride);
	stream_take_all(&stream, buf, 3 * stride);
	ck_assert_int_eq(read(fd, buf, 64 * stride), 8 * stride);
	stream_take_all(&stream, buf, 8 * stride);
	ck_assert_uint_eq(stream.lost, 0);
	free(buf);
}
END_TEST

/* a frame may lie in several pieces of the program's memory */
START_TEST(scattered)
{
	int fd = open_full_or_fail(16);
	size_t stride = info(fd).stride;
	char *first = alloc_or_fail(2 * stride), *second = alloc_or_fail(2 * stride);
	char *frames = alloc_or_fail(3 * stride);
	struct iovec iov[] = {
		{ first, stride + 10 },
		{ NULL, 0 },
		{ second, 2 * stride - 11 },
	};

	/* one byte short of three */
	ck_assert_int_eq(readv(fd, iov, ARRAY_SIZE(iov)), 2 * stride);
	memcpy(frames, first, stride + 10);
	memcpy(frames + stride + 10, second, stride - 10);
	stream_begin(&stream, fd);
	stream_take_all(&stream, frames, 2 * stride);
	stream_read_or_fail(&stream, fd, 14);
	ck_assert_uint_eq(stream.lost, 0);
	free(first);
	free(second);
	free(frames);
}
END_TEST

/* two pages of which the second is not there, or not writable */
static char *page_before_nothing(int prot)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *pages =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(pages, MAP_FAILED);
	ck_assert_ok(mprotect(pages + page, page, prot));
	if (prot == PROT_NONE)
		ck_assert_ok(munmap(pages + page, page));
	return pages + page;
}

static const int bad_prots[] = { PROT_NONE, PROT_READ };

/* a short count, then EFAULT, then the very next frame */
START_TEST(straddles_bad_page)
{
	int fd = open_full_or_fail(16);
	size_t stride = info(fd).stride;
	char *edge = page_before_nothing(bad_prots[_i]);
	char *half = edge - stride / 2;
	char *buf = half - 3 * stride;

	stop_or_fail(fd);
	stream_begin(&stream, fd);
	ck_assert_int_eq(read(fd, buf, 6 * stride), 3 * stride);
	stream_take_all(&stream, buf, 3 * stride);
	ck_assert_errno(read(fd, half, 3 * stride), EFAULT);
	ck_assert_errno(read(fd, edge, stride), EFAULT);
	ck_assert_uint_eq(stats(fd).delivered, 3);
	ck_assert_uint_eq(stats(fd).ring, 13);

	ck_assert_uint_eq(stream_drain_or_fail(&stream, fd), 13);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(fd).delivered_bytes, 16 * stride);
}
END_TEST

/* the same where the frames wrap around the end of the ring */
START_TEST(straddles_bad_page_at_wrap)
{
	int fd = open_full_or_fail(8);
	size_t stride = info(fd).stride;
	char *edge = page_before_nothing(PROT_NONE);
	unsigned int whole;

	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 5);
	/* full again: three frames before the wrap, five after */
	wait_until(stats(fd).ring == 8);
	for (whole = 0; whole < 6; whole++) {
		char *buf = edge - stride / 2 - whole * stride;
		ssize_t got = read(fd, buf, 8 * stride);

		if (!whole) {
			ck_assert_int_eq(got, -1);
			ck_assert_int_eq(errno, EFAULT);
		} else {
			ck_assert_int_eq(got, whole * stride);
			stream_take_all(&stream, buf, got);
		}
		wait_until(stats(fd).ring == 8);
	}
	stream_read_or_fail(&stream, fd, 8);
	ck_assert_uint_eq(stats(fd).delivered, 5 + 15 + 8);
}
END_TEST

START_TEST(scattered_over_bad_page)
{
	int fd = open_full_or_fail(8);
	size_t stride = info(fd).stride;
	char *edge = page_before_nothing(PROT_NONE);
	char *good = alloc_or_fail(2 * stride);
	struct iovec iov[] = {
		{ good, stride + 7 },
		{ edge, stride },
	};

	stop_or_fail(fd);
	stream_begin(&stream, fd);
	ck_assert_int_eq(readv(fd, iov, 2), stride);
	stream_take_all(&stream, good, stride);
	iov[0].iov_len = 7;
	ck_assert_errno(readv(fd, iov, 2), EFAULT);
	ck_assert_uint_eq(stream_drain_or_fail(&stream, fd), 7);
	ck_assert_uint_eq(stream.lost, 0);
	free(good);
}
END_TEST

/* a read that had to wait learns of it no later than its frames come */
START_TEST(bad_address_blocked)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	char *edge = page_before_nothing(PROT_NONE);

	ck_assert_errno(read(fd, edge, stride), EFAULT);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 5);
	ck_assert_uint_eq(stream.starts, 1);
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

static volatile sig_atomic_t alarms;

static void count_alarm(int signal)
{
	(void)signal;
	alarms = alarms + 1;
}

/* the third alarm lets the frames come */
static void resume_at_third_alarm(int signal)
{
	int error = errno;

	count_alarm(signal);
	if (alarms == 3)
		sim_resume();
	errno = error;
}

/* alarms until one finds the read asleep */
static void alarms_or_fail(void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	const struct itimerval every = { { 0, 50000 }, { 0, 50000 } };

	alarms = 0;
	ck_assert_ok(sigaction(SIGALRM, &action, NULL));
	ck_assert_ok(setitimer(ITIMER_REAL, &every, NULL));
}

static void no_alarms(void)
{
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };

	setitimer(ITIMER_REAL, &never, NULL);
}

START_TEST(signal_ends_it)
{
	int fd = open_or_fail(O_RDONLY);
	char *buf = alloc_or_fail(info(fd).stride);

	sim_stall();
	alarms_or_fail(count_alarm, 0);
	ck_assert_errno(read(fd, buf, info(fd).stride), EINTR);
	no_alarms();
	ck_assert_int_ge(alarms, 1);
	ck_assert_uint_eq(stats(fd).delivered, 0);
	ck_assert_uint_ge(stats(fd).pended, 1);
	ck_assert_uint_ge(stats(fd).cancelled, 1);
	sim_resume();
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 5);
	ck_assert_uint_eq(stream.lost, 0);
	free(buf);
}
END_TEST

START_TEST(signal_restarts_it)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	char *buf = alloc_or_fail(stride);

	sim_stall();
	alarms_or_fail(resume_at_third_alarm, SA_RESTART);
	ck_assert_int_eq(read(fd, buf, stride), stride);
	no_alarms();
	ck_assert_int_ge(alarms, 3);
	stream_begin(&stream, fd);
	stream_take_all(&stream, buf, stride);
	stream_read_or_fail(&stream, fd, 5);
	ck_assert_uint_eq(stream.lost, 0);
	free(buf);
}
END_TEST

START_TEST(nonblocking)
{
	int fd = open_or_fail(O_RDONLY | O_NONBLOCK);
	size_t stride = info(fd).stride;
	char *buf = alloc_or_fail(4096 * stride);
	unsigned int there;

	configure_or_fail(fd, 4096, 1, 0);
	sim_stall();
	ck_assert_errno(read(fd, buf, 8 * stride), EAGAIN);
	/* it attached all the same */
	ck_assert(info(fd).flags & ACQ_INFO_ATTACHED);
	ck_assert_errno(read(fd, buf, stride), EAGAIN);
	ck_assert_uint_eq(stats(fd).pended, 0);

	sim_resume();
	there = fill_or_fail(fd, 4);
	/* below the watermark, and room for more */
	set_watermark_or_fail(fd, there + 1);
	ck_assert_errno(read(fd, buf, 4096 * stride), EAGAIN);
	stream_begin(&stream, fd);
	ck_assert_int_eq(read(fd, buf, 2 * stride), 2 * stride);
	stream_take_all(&stream, buf, 2 * stride);
	set_watermark_or_fail(fd, there - 2);
	ck_assert_int_eq(read(fd, buf, 4096 * stride), (ssize_t)((there - 2) * stride));
	free(buf);
}
END_TEST

/* RWF_NOWAIT is O_NONBLOCK for one call */
START_TEST(nowait)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	char *buf = alloc_or_fail(stride);
	struct iovec iov = { buf, stride };

	sim_stall();
	ck_assert_errno(preadv2(fd, &iov, 1, -1, RWF_NOWAIT), EAGAIN);
	sim_resume();
	fill_or_fail(fd, 1);
	ck_assert_int_eq(preadv2(fd, &iov, 1, -1, RWF_NOWAIT), stride);
	stream_begin(&stream, fd);
	stream_take_all(&stream, buf, stride);
	free(buf);
}
END_TEST

static const unsigned int watermarks[] = { 1, 8, 16 };

/* a ring of 16: a read with room for more gets the watermark at least */
START_TEST(watermark)
{
	unsigned int mark = watermarks[_i];
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	char *buf = alloc_or_fail(32 * stride);
	ssize_t got;
	int i;

	configure_or_fail(fd, 16, mark, 0);
	stream_begin(&stream, fd);
	for (i = 0; i < 5; i++) {
		got = read(fd, buf, 32 * stride);
		ck_assert_int_ge(got, mark * stride);
		ck_assert_int_le(got, 16 * stride);
		stream_take_all(&stream, buf, got);
	}
	free(buf);
}
END_TEST

/* who waits learns of a new watermark */
START_TEST(watermark_lowered)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	struct reader reader;
	unsigned int there;

	configure_or_fail(fd, 4096, 4096, 0);
	there = fill_or_fail(fd, 3);
	reader_start_and_block(&reader, fd, 4096 * stride);
	set_watermark_or_fail(fd, there);
	ck_assert_int_eq(reader_join(&reader), there * stride);
	reader_free(&reader);
}
END_TEST

/* one frame each 200 ms: what comes first is the bound, never the watermark */
START_TEST(latency_bound)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride;
	struct acq_frame *frame;
	ssize_t got;
	int i;

	sim_rate(5);
	stride = info(fd).stride;
	frame = alloc_or_fail(64 * stride);
	configure_or_fail(fd, 64, 64, 50000);
	stream_begin(&stream, fd);
	for (i = 0; i < 3; i++) {
		got = read(fd, frame, 64 * stride);
		ck_assert_int_gt(got, 0);
		ck_assert_int_lt(got, 64 * stride);
		ck_assert_int_ge(now_ns() - (int64_t)frame->timestamp_ns, 50000000);
		stream_take_all(&stream, frame, got);
	}
	ck_assert_uint_eq(stream.lost, 0);
	free(frame);
}
END_TEST

/* the bound holds for reads that don't wait, and for the frames of each batch anew */
START_TEST(latency_passes)
{
	int fd = open_or_fail(O_RDONLY | O_NONBLOCK);
	size_t stride = info(fd).stride;
	char *buf = alloc_or_fail(4096 * stride);
	unsigned int there;
	ssize_t got;
	int i;

	configure_or_fail(fd, 4096, 4096, 300000);
	stream_begin(&stream, fd);
	for (i = 0; i < 2; i++) {
		there = fill_or_fail(fd, 2);
		wait_until((got = read(fd, buf, 4096 * stride)) != -1 || errno != EAGAIN);
		ck_assert_int_eq(got, there * stride);
		stream_take_all(&stream, buf, got);
		sim_resume();
	}
	ck_assert_uint_eq(stream.lost, 0);
	free(buf);
}
END_TEST

/* the watermark is out of this read's reach: it waits for what fits */
START_TEST(buffer_below_watermark)
{
	int fd = open_or_fail(O_RDONLY);
	struct reader reader;
	size_t stride;

	configure_or_fail(fd, 4096, 4096, 0);
	stride = info(fd).stride;
	sim_stall();
	reader_start_and_block(&reader, fd, 3 * stride);
	sim_resume();
	ck_assert_int_eq(reader_join(&reader), 3 * stride);
	sim_stall();
	ck_assert(!readable(fd));
	stream_begin(&stream, fd);
	stream_take_all(&stream, reader.buf, reader.got);
	reader_free(&reader);
}
END_TEST

/* the order is that in which they came: nothing passes a read that waits */
START_TEST(none_passes_waiting_read)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	struct iovec iov = { alloc_or_fail(stride), stride };
	struct reader reader;
	unsigned int there;

	configure_or_fail(fd, 4096, 4096, 0);
	there = fill_or_fail(fd, 2);
	reader_start_and_block(&reader, fd, 4096 * stride);
	ck_assert_errno(preadv2(fd, &iov, 1, -1, RWF_NOWAIT), EAGAIN);
	ck_assert(!readable(fd));
	stop_or_fail(fd);
	ck_assert_int_eq(reader_join(&reader), there * stride);
	reader_free(&reader);
	free(iov.iov_base);
}
END_TEST

START_TEST(stop_leaves_what_is_there)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	char *buf = alloc_or_fail(16 * stride);

	configure_or_fail(fd, 16, 16, 0);
	fill_ring_or_fail(fd);
	stop_or_fail(fd);
	ck_assert_int_eq(read(fd, buf, 10 * stride), 10 * stride);
	/* less than the watermark */
	ck_assert_int_eq(read(fd, buf, 10 * stride), 6 * stride);
	ck_assert_int_eq(read(fd, buf, 10 * stride), 0);
	ck_assert_int_eq(read(fd, buf, 10 * stride), 0);
	ck_assert(info(fd).flags & ACQ_INFO_STOPPED);
	ck_assert(!(info(fd).flags & ACQ_INFO_ATTACHED));
	free(buf);
}
END_TEST

START_TEST(stop_wakes)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	struct reader some, none;
	unsigned int there;

	configure_or_fail(fd, 4096, 4096, 0);
	there = fill_or_fail(fd, 2);
	reader_start_and_block(&some, fd, 4096 * stride);
	reader_start_and_block(&none, fd, 4096 * stride);
	stop_or_fail(fd);
	ck_assert_int_eq(reader_join(&some), there * stride);
	ck_assert_int_eq(reader_join(&none), 0);
	reader_free(&some);
	reader_free(&none);
}
END_TEST

/* what STOP left stays before what comes after START, which is marked */
START_TEST(start_again)
{
	int fd = open_or_fail(O_RDWR);
	unsigned int i;

	configure_or_fail(fd, 16, 1, 0);
	fill_ring_or_fail(fd);
	stop_or_fail(fd);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 4);
	start_or_fail(fd);
	stream_read_or_fail(&stream, fd, 12);
	ck_assert_uint_eq(stream.starts, 1);
	ck_assert_uint_eq(stream.lost, 0);
	stream_read_or_fail(&stream, fd, 1);
	ck_assert_uint_eq(stream.starts, 2);
	for (i = 0; i < 5; i++) {
		stop_or_fail(fd);
		start_or_fail(fd);
	}
	stop_or_fail(fd);
	stats(fd);
}
END_TEST

START_TEST(time_runs_forward)
{
	int fd = open_or_fail(O_RDONLY), i;
	size_t stride = info(fd).stride;
	struct acq_frame *frame, *before;
	int64_t begin = now_ns();

	frame = alloc_or_fail(stride);
	before = alloc_or_fail(stride);
	stream_begin(&stream, fd);
	for (i = 0; i < 40; i++) {
		ck_assert_int_eq(read(fd, frame, stride), stride);
		stream_take(&stream, frame);
		ck_assert_int_ge(frame->timestamp_ns, begin);
		ck_assert_uint_ge(frame->timestamp_ns, before->timestamp_ns);
		memcpy(before, frame, stride);
	}
	free(frame);
	free(before);
}
END_TEST

START_TEST(one_interrupt_one_timestamp)
{
	struct acq_frame *frames, *frame;
	int fd, i, same = 0;
	size_t stride;

	sim_set("irq_frames", "8");
	sim_rate(400);
	fd = open_or_fail(O_RDONLY);
	stride = info(fd).stride;
	frames = alloc_or_fail(64 * stride);
	configure_or_fail(fd, 64, 64, 0);
	ck_assert_int_eq(read(fd, frames, 64 * stride), 64 * stride);
	for (i = 1; i < 64; i++) {
		frame = (void *)((char *)frames + i * stride);
		same += frame->timestamp_ns ==
			((struct acq_frame *)((char *)frame - stride))->timestamp_ns;
	}
	/* 64 frames are eight interrupts; a late bottom half makes them fewer */
	ck_assert_int_ge(same, 63 - 8);
	free(frames);
}
END_TEST

static const char *const formats[] = { "u8", "s8", "u16", "s16", "u32", "s32" };
static const unsigned int format_codes[] = {
	ACQ_FORMAT_U8,	ACQ_FORMAT_S8,	ACQ_FORMAT_U16,
	ACQ_FORMAT_S16, ACQ_FORMAT_U32, ACQ_FORMAT_S32,
};

START_TEST(every_format)
{
	int fd = open_or_fail(O_RDONLY);

	sim_set("format", formats[_i]);
	ck_assert_uint_eq(info(fd).format, format_codes[_i]);
	ck_assert(info(fd).formats & 1 << format_codes[_i]);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 50);
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

/* each length of the tail, with old frames of another payload in the same memory */
START_TEST(tail_is_zero)
{
	int fd = open_or_fail(O_RDWR | O_NONBLOCK);
	unsigned int samples;

	sim_set("format", "u8");
	for (samples = 9; samples; samples--) {
		sim_setup(1000, 1, samples);
		configure_or_fail(fd, 8, 1, 0);
		fill_ring_or_fail(fd);
		stop_or_fail(fd);
		stream_begin(&stream, fd);
		ck_assert_uint_eq(stream.info.stride,
				  (sizeof(struct acq_frame) + samples + 7) / 8 * 8);
		ck_assert_uint_eq(stream_drain_or_fail(&stream, fd), 8);
	}
}
END_TEST

/* as many frames at a time as a small generator says: the wrap comes everywhere */
START_TEST(every_wrap)
{
	static const unsigned int sizes[] = { 2, 4, 8, 64 };
	unsigned int size = sizes[_i], count = 1, left = rounds(600, 100000);
	int fd = open_or_fail(O_RDWR);

	configure_or_fail(fd, size, 1, 0);
	stream_begin(&stream, fd);
	while (left) {
		count = (count * 5 + 3) % size + 1;
		if (count > left)
			count = left;
		stream_read_or_fail(&stream, fd, count);
		left -= count;
	}
	ck_assert_uint_eq(stats(fd).delivered, stream.frames);
	ck_assert_uint_ge(stats(fd).lost, stream.lost);
}
END_TEST

/* it is a stream: no position, nothing to write */
START_TEST(stream_only)
{
	int fd = open_or_fail(O_RDWR);
	char byte = 0;

	ck_assert_errno(lseek(fd, 0, SEEK_SET), ESPIPE);
	ck_assert_errno(lseek(fd, 0, SEEK_END), ESPIPE);
	ck_assert_errno(write(fd, &byte, 1), EINVAL);
	close(fd);
	fd = open_or_fail(O_WRONLY);
	ck_assert_errno(read(fd, &byte, 1), EBADF);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("read");
	TCase *what = tcase_create("what"), *when = tcase_create("when");

	tcase_add_checked_fixture(what, sim_reset, NULL);
	tcase_add_test(what, less_than_a_frame);
	tcase_add_test(what, one_frame);
	tcase_add_test(what, many_frames);
	tcase_add_test(what, scattered);
	tcase_add_loop_test(what, straddles_bad_page, 0, ARRAY_SIZE(bad_prots));
	tcase_add_test(what, straddles_bad_page_at_wrap);
	tcase_add_test(what, scattered_over_bad_page);
	tcase_add_test(what, bad_address_blocked);
	tcase_add_test(what, time_runs_forward);
	tcase_add_test(what, one_interrupt_one_timestamp);
	tcase_add_loop_test(what, every_format, 0, ARRAY_SIZE(formats));
	tcase_add_test(what, tail_is_zero);
	tcase_add_loop_test(what, every_wrap, 0, 4);
	tcase_add_test(what, stream_only);
	suite_add_tcase(suite, what);

	tcase_add_checked_fixture(when, sim_reset, NULL);
	tcase_add_test(when, signal_ends_it);
	tcase_add_test(when, signal_restarts_it);
	tcase_add_test(when, nonblocking);
	tcase_add_test(when, nowait);
	tcase_add_loop_test(when, watermark, 0, ARRAY_SIZE(watermarks));
	tcase_add_test(when, watermark_lowered);
	tcase_add_test(when, latency_bound);
	tcase_add_test(when, latency_passes);
	tcase_add_test(when, buffer_below_watermark);
	tcase_add_test(when, none_passes_waiting_read);
	tcase_add_test(when, stop_leaves_what_is_there);
	tcase_add_test(when, stop_wakes);
	tcase_add_test(when, start_again);
	suite_add_tcase(suite, when);
	return suite;
}

int main(void)
{
	return run(suite());
}
