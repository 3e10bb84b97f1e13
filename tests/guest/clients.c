// SPDX-License-Identifier: GPL-2.0-only
/* Several programs, threads and descriptors at one device: who gets what, exactly. */
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"

static struct stream stream;

/* Whoever reads gets every frame: the same frames, to the last byte. */
START_TEST(each_gets_every_frame)
{
	int first = open_or_fail(O_RDONLY), second = open_or_fail(O_RDONLY);
	size_t stride = info(first).stride, bytes = 200 * stride;
	struct acq_frame *frames, *others;
	struct reader reader;
	uint64_t skip;

	/* so that neither loses any, however long the other takes */
	configure_or_fail(first, 4096, 1, 0);
	configure_or_fail(second, 4096, 200, 0);
	stream_begin(&stream, first);
	stream_read_or_fail(&stream, first, 1);
	reader_start(&reader, second, bytes);
	frames = alloc_or_fail(bytes);
	ck_assert_int_eq(reader_join(&reader), bytes);

	others = reader.buf;
	ck_assert_uint_ge(others->seq, stream.next);
	skip = others->seq - stream.next;
	stream_read_or_fail(&stream, first, skip);
	set_watermark_or_fail(first, 200);
	ck_assert_int_eq(read(first, frames, bytes), bytes);
	/* but for the mark of who has just begun */
	ck_assert_uint_eq(others->flags, ACQ_FRAME_START);
	others->flags = 0;
	ck_assert_mem_eq(frames, others, bytes);
	ck_assert_uint_eq(stats(first).lost + stats(second).lost, 0);
	free(frames);
	reader_free(&reader);
}
END_TEST

START_TEST(many_clients)
{
	unsigned int count = on_debug() ? 16 : 64, i;
	struct stream *streams = alloc_or_fail(count * sizeof(*streams));
	int *fds = alloc_or_fail(count * sizeof(*fds));

	for (i = 0; i < count; i++) {
		fds[i] = open_or_fail(O_RDONLY);
		configure_or_fail(fds[i], 64, 1, 0);
		stream_begin(&streams[i], fds[i]);
	}
	sim_stall();
	for (i = 0; i < count; i++)
		start_or_fail(fds[i]);
	sim_resume();
	for (i = 0; i < count; i++)
		stream_read_or_fail(&streams[i], fds[i], 10);
	for (i = 1; i < count; i++)
		ck_assert_uint_eq(streams[i].first, streams[0].first);
	free(fds);
	free(streams);
}
END_TEST

/* A program that stopped reading loses its own frames, the newest, and nobody else's. */
START_TEST(stopped_reader_loses_its_own)
{
	int stopped = open_full_or_fail(4), reader = open_or_fail(O_RDONLY);
	uint64_t lost;

	configure_or_fail(reader, 4096, 1, 0);
	stream_begin(&stream, reader);
	stream_read_or_fail(&stream, reader, 100);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(reader).lost, 0);

	sim_stall();
	lost = stats(stopped).lost;
	ck_assert_uint_ge(lost, 100);
	stream_begin(&stream, stopped);
	stream_read_or_fail(&stream, stopped, 4);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(stopped).lost, lost);
	sim_resume();
	stream_read_or_fail(&stream, stopped, 1);
	ck_assert_uint_eq(stream.lost, lost);
}
END_TEST

/* The first frame after its loss is marked for who lost, and for nobody else. */
START_TEST(gap_is_ones_own)
{
	int stopped = open_full_or_fail(4), reader = open_or_fail(O_RDONLY);
	struct stream slow;

	configure_or_fail(reader, 4096, 1, 0);
	stream_begin(&stream, reader);
	stream_begin(&slow, stopped);
	stream_read_or_fail(&stream, reader, 20);
	sim_stall();
	stream_read_or_fail(&slow, stopped, 4);
	sim_resume();
	stream_read_or_fail(&slow, stopped, 1);
	ck_assert_uint_gt(slow.lost, 0);
	while (stream.next < slow.next)
		stream_read_or_fail(&stream, reader, 1);
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

/* what GAPs and jumps say is what the counter says */
START_TEST(gaps_and_jumps_agree)
{
	int fd = open_or_fail(O_RDONLY | O_NONBLOCK);
	uint64_t lost;
	int i;

	configure_or_fail(fd, 4, 1, 0);
	stream_begin(&stream, fd);
	for (i = 0; i < 20; i++) {
		lost = stats(fd).lost;
		stream_drain_or_fail(&stream, fd);
		if (i % 2)
			wait_until(stats(fd).lost > lost);
	}
	sim_stall();
	stream_drain_or_fail(&stream, fd);
	lost = stats(fd).lost;
	ck_assert_uint_ge(lost, 10);
	ck_assert_uint_le(stream.lost, lost);
	sim_resume();
	wait_until(readable(fd));
	fcntl(fd, F_SETFL, 0);
	stream_read_or_fail(&stream, fd, 1);
	ck_assert_uint_eq(stream.lost, lost);
	ck_assert_uint_eq(stream.starts, 1);
}
END_TEST

struct looker {
	pthread_t thread;
	int fd;
	bool stop;
	unsigned int times;
};

/* stats() asserts the law each time */
static void *look(void *arg)
{
	struct looker *looker = arg;
	struct acq_stats before = stats(looker->fd), after;

	while (!__atomic_load_n(&looker->stop, __ATOMIC_ACQUIRE)) {
		after = stats(looker->fd);
		ck_assert_uint_ge(after.produced, before.produced);
		ck_assert_uint_ge(after.delivered, before.delivered);
		ck_assert_uint_ge(after.lost, before.lost);
		ck_assert_uint_ge(after.flushed, before.flushed);
		ck_assert_uint_le(after.ring, 8);
		before = after;
		looker->times++;
	}
	return NULL;
}

/* While frames come, are lost, read, flushed, and streaming ends and begins. */
START_TEST(counts_agree_at_every_moment)
{
	int fd = open_or_fail(O_RDWR | O_NONBLOCK);
	unsigned int i, count = rounds(500, 50000);
	size_t stride = info(fd).stride;
	struct looker looker = { .fd = fd };
	void *buf = alloc_or_fail(5 * stride);
	uint64_t taken = 0, before;
	struct acq_stats last;
	ssize_t got;

	sim_set("irq_frames", "4");
	sim_rate(2000);
	configure_or_fail(fd, 8, 1, 0);
	before = stats(fd).device_frames;
	start_or_fail(fd);
	spawn_or_fail(&looker.thread, look, &looker);
	for (i = 0; i < count; i++) {
		stats(fd);
		if (i % 50 == 17) {
			stop_or_fail(fd);
			stats(fd);
			start_or_fail(fd);
		} else if (i % 5 == 2) {
			flush_or_fail(fd);
		} else {
			got = read(fd, buf, 5 * stride);
			ck_assert(got > 0 || errno == EAGAIN);
			taken += got > 0 ? got / stride : 0;
		}
		/* so that the FLUSH of the next round has something to take away */
		if (i % 10 == 1)
			wait_until(stats(fd).ring >= 3);
	}
	__atomic_store_n(&looker.stop, true, __ATOMIC_RELEASE);
	pthread_join(looker.thread, NULL);
	ck_assert_uint_ge(looker.times, 10);

	/* the sums are also what others have counted */
	stop_or_fail(fd);
	last = stats(fd);
	ck_assert_uint_gt(last.flushed, 0);
	ck_assert_uint_gt(last.delivered, 0);
	ck_assert_uint_eq(last.delivered, taken);
	ck_assert_uint_eq(last.delivered_bytes, taken * stride);
	ck_assert_uint_eq(last.produced, last.device_frames - before);
	free(buf);
}
END_TEST

START_TEST(flush_begins_anew)
{
	int fd = open_full_or_fail(16);
	struct acq_stats before, after;

	sim_stall();
	before = stats(fd);
	ck_assert_uint_eq(before.ring, 16);
	flush_or_fail(fd);
	after = stats(fd);
	ck_assert_uint_eq(after.flushed, 16);
	ck_assert_uint_eq(after.ring, 0);
	ck_assert_uint_eq(after.lost, before.lost);
	ck_assert(!readable(fd));
	flush_or_fail(fd);
	ck_assert_uint_eq(stats(fd).flushed, 16);

	/* it doesn't count as a gap, though frames were lost before it */
	sim_resume();
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 3);
	ck_assert_uint_eq(stream.starts, 1);
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

START_TEST(flush_in_the_middle)
{
	int fd = open_or_fail(O_RDONLY), i;

	configure_or_fail(fd, 4096, 1, 0);
	stream_begin(&stream, fd);
	for (i = 0; i < 5; i++) {
		stream_read_or_fail(&stream, fd, 10);
		ck_assert_uint_eq(stream.starts, i + 1);
		flush_or_fail(fd);
	}
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

/* FLUSH of a client that is stopped, or never began */
START_TEST(flush_without_streaming)
{
	int fd = open_or_fail(O_RDWR);
	char *buf = alloc_or_fail(info(fd).stride);

	flush_or_fail(fd);
	ck_assert_uint_eq(stats(fd).flushed, 0);
	ck_assert(!(info(fd).flags & (ACQ_INFO_ATTACHED | ACQ_INFO_STOPPED)));
	configure_or_fail(fd, 4, 1, 0);
	fill_ring_or_fail(fd);
	stop_or_fail(fd);
	flush_or_fail(fd);
	ck_assert_uint_eq(stats(fd).flushed, 4);
	ck_assert_int_eq(read(fd, buf, info(fd).stride), 0);
	free(buf);
}
END_TEST

static bool interrupts_come(int fd)
{
	uint64_t irqs = stats(fd).irqs;
	int64_t end = now_ms() + (on_debug() ? 500 : 150);

	while (now_ms() < end) {
		if (stats(fd).irqs != irqs)
			return true;
		pause_ms(5);
	}
	return false;
}

/* The hardware runs from its first client's start to its last one's end. */
START_TEST(nobody_streams_no_interrupt)
{
	int passive = open_or_fail(O_RDONLY);
	int first = open_or_fail(O_RDONLY), second = open_or_fail(O_RDONLY);

	ck_assert(!interrupts_come(passive));
	ck_assert(!(info(passive).flags & ACQ_INFO_STREAMING));
	start_or_fail(first);
	ck_assert(info(passive).flags & ACQ_INFO_STREAMING);
	ck_assert(!(info(passive).flags & ACQ_INFO_ATTACHED));
	ck_assert(interrupts_come(passive));
	ck_assert(readable(second) || info(second).flags & ACQ_INFO_ATTACHED);
	stop_or_fail(first);
	ck_assert(interrupts_come(passive));
	stop_or_fail(second);
	ck_assert(!(info(passive).flags & ACQ_INFO_STREAMING));
	ck_assert(!interrupts_come(passive));
	start_or_fail(second);
	ck_assert(interrupts_come(passive));
	close(second);
	ck_assert(!(info(passive).flags & ACQ_INFO_STREAMING));
	ck_assert(!interrupts_come(passive));
	ck_assert_uint_eq(stats(passive).produced, 0);
}
END_TEST

/* START by who has started and STOP by who has stopped change nothing */
START_TEST(start_and_stop_twice)
{
	int fd = open_or_fail(O_RDONLY);

	start_or_fail(fd);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 3);
	start_or_fail(fd);
	stream_read_or_fail(&stream, fd, 3);
	ck_assert_uint_eq(stream.starts, 1);
	stop_or_fail(fd);
	stop_or_fail(fd);
	ck_assert(info(fd).flags & ACQ_INFO_STOPPED);
}
END_TEST

/* STOP before anything began: no read begins it */
START_TEST(stop_first)
{
	int fd = open_or_fail(O_RDONLY);
	char *buf = alloc_or_fail(info(fd).stride);

	stop_or_fail(fd);
	ck_assert_int_eq(read(fd, buf, info(fd).stride), 0);
	ck_assert(readable(fd));
	ck_assert(!(info(fd).flags & ACQ_INFO_ATTACHED));
	start_or_fail(fd);
	ck_assert_int_eq(read(fd, buf, info(fd).stride), info(fd).stride);
	free(buf);
}
END_TEST

#define SHARERS 4
#define SHARED_FRAMES 65536 /* more than there will be */

struct share {
	struct acq_info info;
	pthread_t threads[SHARERS];
	int fd;
	uint64_t first;
	unsigned int seen[SHARED_FRAMES]; /* how often, by seq from the first */
	unsigned int taken;
};

static void share_take(struct share *share, const struct acq_frame *frame)
{
	uint64_t at = frame->seq - share->first;

	check_frame(&share->info, frame);
	ck_assert_uint_lt(at, SHARED_FRAMES);
	__atomic_fetch_add(&share->seen[at], 1, __ATOMIC_RELAXED);
}

/* 1, 2 or 3 frames at a time, until all have been taken */
static void *share_thread(void *arg)
{
	struct share *share = arg;
	size_t stride = share->info.stride, at;
	char *buf = alloc_or_fail(3 * stride);
	unsigned int count = 1;
	ssize_t got;

	while ((got = read(share->fd, buf, count * stride)) > 0) {
		for (at = 0; at < (size_t)got; at += stride)
			share_take(share, (const void *)(buf + at));
		count = count % 3 + 1;
	}
	ck_assert_int_eq(got, 0);
	free(buf);
	return NULL;
}

/* The pool of outstanding requests: each frame goes to one of them, none is left over. */
START_TEST(threads_share_frames)
{
	int fd = open_or_fail(O_RDONLY);
	struct share *share = alloc_or_fail(sizeof(*share));
	unsigned int i;

	configure_or_fail(fd, 4096, 1, 0);
	share->info = info(fd);
	share->fd = fd;
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 1);
	share->first = stream.next;
	for (i = 0; i < SHARERS; i++)
		spawn_or_fail(&share->threads[i], share_thread, share);
	wait_until(stats(fd).delivered >= 500);
	stop_or_fail(fd);
	for (i = 0; i < SHARERS; i++)
		pthread_join(share->threads[i], NULL);

	ck_assert_uint_eq(stats(fd).lost, 0);
	for (i = 0; i < stats(fd).delivered - 1; i++)
		ck_assert_uint_eq(share->seen[i], 1);
	free(share);
}
END_TEST

/* a duplicate is the same client, and outlives the original */
START_TEST(duplicate)
{
	int fd = open_or_fail(O_RDONLY), other;
	struct reader reader;

	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 2);
	other = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ck_assert_ok(other);
	stream_read_or_fail(&stream, other, 2);
	stream_read_or_fail(&stream, fd, 2);
	ck_assert_uint_eq(stats(other).delivered, 6);
	ck_assert_uint_eq(stream.starts, 1);

	/* and close() of one descriptor cancels nothing */
	sim_stall();
	flush_or_fail(fd);
	reader_start_and_block(&reader, fd, stream.info.stride);
	close(fd);
	ck_assert(info(other).flags & ACQ_INFO_ATTACHED);
	sim_resume();
	ck_assert_int_eq(reader_join(&reader), stream.info.stride);
	stream_take_all(&stream, reader.buf, reader.got);
	stream_read_or_fail(&stream, other, 2);
	ck_assert_uint_eq(stream.lost, 0);
	reader_free(&reader);
}
END_TEST

/* parent and child take turns at the frames of one client */
START_TEST(forked)
{
	int fd = open_or_fail(O_RDONLY);
	pid_t child;

	configure_or_fail(fd, 4096, 1, 0);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 5);
	child = fork_or_fail();
	if (!child) {
		stream_read_or_fail(&stream, fd, 5);
		close(fd);
		exit(0);
	}
	join_or_fail(child);
	stream.next += 5;
	stream_read_or_fail(&stream, fd, 5);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(fd).delivered, 15);
}
END_TEST

static void exec_dd(int fd, size_t stride)
{
	char line[128];

	snprintf(line, sizeof(line), "dd bs=%zu count=5 >/dev/null 2>/dev/null <&%d", stride, fd);
	execl("/bin/sh", "sh", "-c", line, NULL);
	_exit(127);
}

/* exec keeps the client, unless the descriptor is close-on-exec */
START_TEST(executed)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	pid_t child;

	child = fork_or_fail();
	if (!child)
		exec_dd(fd, stride);
	ck_assert_int_ne(wait_or_fail(child), 0);
	ck_assert_uint_eq(stats(fd).delivered, 0);

	ck_assert_ok(fcntl(fd, F_SETFD, 0));
	child = fork_or_fail();
	if (!child)
		exec_dd(fd, stride);
	join_or_fail(child);
	ck_assert_uint_eq(stats(fd).delivered, 5);
}
END_TEST

/* the last close of a program that ends in whatever way stops the hardware */
START_TEST(exit_ends_it)
{
	int passive = open_or_fail(O_RDONLY);
	pid_t child = fork_or_fail();

	if (!child) {
		start_or_fail(open_or_fail(O_RDONLY));
		_exit(0);
	}
	join_or_fail(child);
	wait_until(!(info(passive).flags & ACQ_INFO_STREAMING));
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("clients");
	TCase *frames = tcase_create("frames"), *ends = tcase_create("start and stop");
	TCase *files = tcase_create("files");

	tcase_add_checked_fixture(frames, sim_reset, NULL);
	tcase_add_test(frames, each_gets_every_frame);
	tcase_add_test(frames, many_clients);
	tcase_add_test(frames, stopped_reader_loses_its_own);
	tcase_add_test(frames, gap_is_ones_own);
	tcase_add_test(frames, gaps_and_jumps_agree);
	tcase_add_test(frames, counts_agree_at_every_moment);
	tcase_add_test(frames, flush_begins_anew);
	tcase_add_test(frames, flush_in_the_middle);
	tcase_add_test(frames, flush_without_streaming);
	suite_add_tcase(suite, frames);

	tcase_add_checked_fixture(ends, sim_reset, NULL);
	tcase_add_test(ends, nobody_streams_no_interrupt);
	tcase_add_test(ends, start_and_stop_twice);
	tcase_add_test(ends, stop_first);
	tcase_add_test(ends, exit_ends_it);
	suite_add_tcase(suite, ends);

	tcase_add_checked_fixture(files, sim_reset, NULL);
	tcase_add_test(files, threads_share_frames);
	tcase_add_test(files, duplicate);
	tcase_add_test(files, forked);
	tcase_add_test(files, executed);
	suite_add_tcase(suite, files);
	return suite;
}

int main(void)
{
	return run(suite());
}
