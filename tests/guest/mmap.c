// SPDX-License-Identifier: GPL-2.0-only
/* The mapped ring: what may be mapped how, consuming it, and lying about it. */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common.h"

static struct stream stream;
static size_t page;

static void begin(void)
{
	sim_reset();
	page = page_bytes();
}

static int open_ring_or_fail(struct ring *ring, unsigned int frames)
{
	int fd = open_or_fail(O_RDWR);

	configure_or_fail(fd, frames, 1, 0);
	ring_map_or_fail(ring, fd);
	stream_begin(&stream, fd);
	return fd;
}

START_TEST(geometry)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 64);
	struct acq_info got = info(fd);

	ck_assert_uint_eq(ring.producer->frames, 64);
	ck_assert_uint_eq(ring.producer->stride, got.stride);
	ck_assert_uint_eq(ring.producer->frames_offset, 2 * page);
	ck_assert_uint_eq(ring.producer->lost, 0);
	ck_assert_uint_eq(ring.producer->state, 0);
	ck_assert_uint_eq(ring_count(&ring), 0);
	ck_assert_uint_eq(got.map_bytes, page + (64 * got.stride + page - 1) / page * page);
	ck_assert_uint_eq(got.flags, ACQ_INFO_MAPPED);

	start_or_fail(fd);
	ck_assert_uint_eq(ring.producer->state, ACQ_RING_ATTACHED);
	ring_take_or_fail(&ring, &stream, fd, 3);
	stop_or_fail(fd);
	ck_assert_uint_eq(ring.producer->state, ACQ_RING_STOPPED);
	ring_unmap(&ring);
	ck_assert_uint_eq(info(fd).flags, ACQ_INFO_STOPPED);
}
END_TEST

START_TEST(consume)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 1024);
	unsigned int frames = rounds(1000, 100000);

	ring_take_or_fail(&ring, &stream, fd, frames);
	ck_assert_uint_eq(stream.starts, 1);
	ck_assert_uint_eq(stats(fd).delivered, frames);
	ck_assert_uint_eq(stats(fd).delivered_bytes, (uint64_t)frames * stream.info.stride);
	ck_assert_uint_eq(stream.lost + stats(fd).lost + ring.producer->lost, 0);
}
END_TEST

/* no system call at all, but to have begun */
START_TEST(consume_spinning)
{
	struct ring ring;
	int64_t end = now_ms() + PATIENCE_MS;
	unsigned int frames = 0;
	int fd = open_ring_or_fail(&ring, 1024);

	start_or_fail(fd);
	while (frames < 200) {
		frames += ring_take(&ring, &stream, 1024);
		ck_assert_int_lt(now_ms(), end);
	}
	ck_assert_uint_eq(stats(fd).delivered, frames);
	ck_assert_uint_eq(stats(fd).wakeups + stats(fd).pended, stats(fd).wakeups);
}
END_TEST

/* a full ring drops the newest, says so, and the gap is where it belongs */
START_TEST(overflow)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 8);
	uint64_t lost;

	fill_ring_or_fail(fd);
	sim_stall();
	lost = stats(fd).lost;
	ck_assert_uint_eq(ring.producer->lost, lost);
	ck_assert_uint_eq(ring_count(&ring), 8);
	ck_assert_uint_eq(ring_take(&ring, &stream, 8), 8);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(fd).ring, 0);
	ck_assert_uint_eq(stats(fd).delivered, 8);
	sim_resume();
	ring_take_or_fail(&ring, &stream, fd, 1);
	ck_assert_uint_eq(stream.lost, lost);
}
END_TEST

START_TEST(watermark)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 4096);
	unsigned int there = fill_or_fail(fd, 3);

	set_watermark_or_fail(fd, there + 1);
	ck_assert(!readable(fd));
	set_watermark_or_fail(fd, there);
	ck_assert(readable(fd));
	ring_take(&ring, &stream, 1);
	ck_assert(!readable(fd));
	ck_assert_uint_eq(stats(fd).ring, there - 1);
}
END_TEST

START_TEST(flush)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 8);

	fill_ring_or_fail(fd);
	sim_stall();
	ring_take(&ring, &stream, 3);
	flush_or_fail(fd);
	ck_assert_uint_eq(stats(fd).flushed, 5);
	ring.out = ring.consumer->out;
	ck_assert_uint_eq(ring_count(&ring), 0);
	sim_resume();
	ring_take_or_fail(&ring, &stream, fd, 3);
	ck_assert_uint_eq(stream.starts, 2);
}
END_TEST

static void refuse_map(int fd, size_t bytes, int prot, int flags, off_t offset, int error)
{
	void *map = mmap(NULL, bytes, prot, flags, fd, offset);

	ck_assert_ptr_eq(map, MAP_FAILED);
	if (error)
		ck_assert_int_eq(errno, error);
}

/* either of the two words for "you may not" */
static void forbid_map(int fd, int prot, off_t offset)
{
	refuse_map(fd, page, prot, MAP_SHARED, offset, 0);
	ck_assert(errno == EPERM || errno == EACCES);
}

START_TEST(only_shared)
{
	int fd = open_or_fail(O_RDWR);

	refuse_map(fd, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, EINVAL);
	refuse_map(fd, page, PROT_READ, MAP_PRIVATE, 0, EINVAL);
	refuse_map(fd, page, PROT_READ, MAP_PRIVATE, page, EINVAL);
	refuse_map(fd, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, 2 * page, EINVAL);
}
END_TEST

START_TEST(only_so_far)
{
	int fd = open_or_fail(O_RDWR);
	size_t bytes = info(fd).map_bytes;

	refuse_map(fd, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, 0, EINVAL);
	refuse_map(fd, bytes + page, PROT_READ, MAP_SHARED, 0, EINVAL);
	refuse_map(fd, bytes + page, PROT_READ, MAP_SHARED, page, EINVAL);
	refuse_map(fd, page, PROT_READ, MAP_SHARED, page + bytes, EINVAL);
	refuse_map(fd, bytes, PROT_READ, MAP_SHARED, 2 * page, EINVAL);
	refuse_map(fd, page, PROT_READ, MAP_SHARED, 0x7ffff000, EINVAL);
	ck_assert(!(info(fd).flags & ACQ_INFO_MAPPED));
}
END_TEST

START_TEST(only_with_write)
{
	int fd = open_or_fail(O_RDONLY);

	refuse_map(fd, page, PROT_READ | PROT_WRITE, MAP_SHARED, 0, EACCES);
	refuse_map(fd, page, PROT_READ, MAP_SHARED, 0, EACCES);
	refuse_map(fd, page, PROT_READ, MAP_SHARED, page, EACCES);
	close(fd);
	fd = open_or_fail(O_WRONLY);
	refuse_map(fd, page, PROT_READ | PROT_WRITE, MAP_SHARED, 0, EACCES);
}
END_TEST

static void forbid_protect(const void *map, int prot)
{
	ck_assert_int_eq(mprotect((void *)map, page, prot), -1);
	ck_assert(errno == EPERM || errno == EACCES);
}

/* a hand that forces its way through /proc/self/mem finds nothing either */
static void forbid_poke(const void *map)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint32_t was = *(const uint32_t *)map, value = ~was;

	ck_assert_ok(fd);
	ck_assert_int_eq(pwrite(fd, &value, sizeof(value), (off_t)(uintptr_t)map), -1);
	ck_assert_uint_eq(*(const uint32_t *)map, was);
	close(fd);
}

static void die_writing(const void *map)
{
	pid_t child = fork_or_fail();
	int status;

	if (!child) {
		*(volatile uint32_t *)map = 1;
		_exit(0);
	}
	status = wait_or_fail(child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

START_TEST(never_writable)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 64);

	forbid_map(fd, PROT_READ | PROT_WRITE, page);
	forbid_map(fd, PROT_READ | PROT_WRITE, 2 * page);
	forbid_map(fd, PROT_WRITE, page);
	forbid_protect(ring.producer, PROT_READ | PROT_WRITE);
	forbid_protect(ring.frames, PROT_READ | PROT_WRITE);
	forbid_protect(ring.frames, PROT_WRITE);
	forbid_poke(ring.producer);
	forbid_poke(ring.frames);
	die_writing(ring.producer);
	die_writing(ring.frames);
	ring_take_or_fail(&ring, &stream, fd, 3);
}
END_TEST

START_TEST(never_executable)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 64);

	forbid_map(fd, PROT_READ | PROT_EXEC, page);
	forbid_map(fd, PROT_READ | PROT_EXEC, 0);
	forbid_protect(ring.consumer, PROT_READ | PROT_WRITE | PROT_EXEC);
	forbid_protect(ring.producer, PROT_READ | PROT_EXEC);
	forbid_protect(ring.frames, PROT_READ | PROT_EXEC);
	/* less is fine, and back */
	ck_assert_ok(mprotect(ring.consumer, page, PROT_READ));
	ck_assert_ok(mprotect(ring.consumer, page, PROT_READ | PROT_WRITE));
	ck_assert_ok(mprotect((void *)ring.frames, page, PROT_NONE));
	ck_assert_ok(mprotect((void *)ring.frames, page, PROT_READ));
}
END_TEST

/* any part of it, as often as one likes, and all show the same */
START_TEST(parts)
{
	const struct acq_producer *again;
	const char *third;
	struct ring ring, other;
	int fd = open_ring_or_fail(&ring, 256);
	unsigned int there;

	again = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);
	ck_assert_ptr_ne(again, MAP_FAILED);
	third = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 4 * page);
	ck_assert_ptr_ne(third, MAP_FAILED);
	ring_map_or_fail(&other, fd);

	there = fill_or_fail(fd, 250);
	ck_assert_uint_eq(again->in, ring_in(&ring));
	ck_assert_mem_eq(again, ring.producer, sizeof(*again));
	ck_assert_mem_eq(third, ring.frames + 2 * page, page);
	ck_assert_mem_eq(ring.producer, other.producer, ring.mapped);
	ck_assert_uint_eq(ring_take(&ring, &stream, there), there);
	ck_assert_uint_eq(other.consumer->out, ring.out);

	/* a hole in the middle of one */
	ck_assert_ok(munmap((char *)other.producer + 2 * page, page));
	ck_assert_mem_eq(ring.producer, other.producer, 2 * page);
	ck_assert_mem_eq(ring.frames + 2 * page, (char *)other.producer + 3 * page, page);
	munmap((void *)other.producer, other.mapped);
	munmap(other.consumer, page);
	munmap((void *)again, page);
	munmap((void *)third, page);
	ck_assert(info(fd).flags & ACQ_INFO_MAPPED);
	sim_resume();
	ring_take_or_fail(&ring, &stream, fd, 3);
	ring_unmap(&ring);
	ck_assert(!(info(fd).flags & ACQ_INFO_MAPPED));
}
END_TEST

START_TEST(forked)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 256);
	char *buf = alloc_or_fail(stream.info.stride);
	pid_t child;

	ring_take_or_fail(&ring, &stream, fd, 5);
	child = fork_or_fail();
	if (!child) {
		ring_take_or_fail(&ring, &stream, fd, 5);
		/* until the parent is rid of its own */
		wait_until(readable(fd));
		pause();
	}
	wait_until(__atomic_load_n(&ring.consumer->out, __ATOMIC_ACQUIRE) == ring.out + 5);
	stream.next += 5;
	ring.out += 5;
	ring_take_or_fail(&ring, &stream, fd, 5);
	ck_assert_uint_eq(stream.lost, 0);
	ring_unmap(&ring);
	/* the child's mapping is one too */
	ck_assert(info(fd).flags & ACQ_INFO_MAPPED);
	ck_assert_errno(read(fd, buf, stream.info.stride), EBUSY);
	kill(child, SIGKILL);
	wait_or_fail(child);
	wait_until(!(info(fd).flags & ACQ_INFO_MAPPED));
	stream_read_or_fail(&stream, fd, 3);
	ck_assert_uint_eq(stream.starts, 1);
	free(buf);
}
END_TEST

START_TEST(moved)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 256);
	void *grown, *to = memory_or_fail(page);

	grown = mremap(ring.consumer, page, 2 * page, MREMAP_MAYMOVE);
	ck_assert_ptr_eq(grown, MAP_FAILED);
	grown = mremap((void *)ring.producer, ring.mapped, ring.mapped + page, MREMAP_MAYMOVE);
	ck_assert_ptr_eq(grown, MAP_FAILED);

	ring.consumer = mremap(ring.consumer, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ck_assert_ptr_eq(ring.consumer, to);
	ck_assert(info(fd).flags & ACQ_INFO_MAPPED);
	ring_take_or_fail(&ring, &stream, fd, 5);
	ring_unmap(&ring);
	ck_assert(!(info(fd).flags & ACQ_INFO_MAPPED));
}
END_TEST

/* the file lives as long as its mappings, and streams */
START_TEST(outlives_close)
{
	int passive = open_or_fail(O_RDONLY);
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 256);
	unsigned int frames = 0;

	ring_take_or_fail(&ring, &stream, fd, 5);
	close(fd);
	while (frames < 50) {
		wait_until(ring_count(&ring));
		frames += ring_take(&ring, &stream, 256);
	}
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert(info(passive).flags & ACQ_INFO_STREAMING);
	munmap(ring.consumer, page);
	ck_assert(info(passive).flags & ACQ_INFO_STREAMING);
	munmap((void *)ring.producer, ring.mapped);
	wait_until(!(info(passive).flags & ACQ_INFO_STREAMING));
}
END_TEST

/* A file is read or mapped. */
START_TEST(read_or_mapped)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 256);
	char *buf = alloc_or_fail(stream.info.stride);
	struct reader reader;
	void *producer;

	ck_assert_errno(read(fd, buf, stream.info.stride), EBUSY);
	ring_take_or_fail(&ring, &stream, fd, 5);
	ck_assert_errno(read(fd, buf, stream.info.stride), EBUSY);
	ring_unmap(&ring);
	/* on from where the mapping was */
	stream_read_or_fail(&stream, fd, 5);
	ck_assert_uint_eq(stream.lost, 0);

	/* the producer page is in nobody's way */
	producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);
	ck_assert_ptr_ne(producer, MAP_FAILED);
	stream_read_or_fail(&stream, fd, 5);

	/* nor can it be mapped while somebody reads */
	sim_stall();
	flush_or_fail(fd);
	reader_start_and_block(&reader, fd, stream.info.stride);
	refuse_map(fd, page, PROT_READ | PROT_WRITE, MAP_SHARED, 0, EBUSY);
	sim_resume();
	ck_assert_int_eq(reader_join(&reader), stream.info.stride);
	stream_take_all(&stream, reader.buf, reader.got);
	reader_free(&reader);
	ring_map_or_fail(&ring, fd);
	ring_take_or_fail(&ring, &stream, fd, 5);
	ck_assert_uint_eq(stream.lost, 0);
	free(buf);
}
END_TEST

/* what is mapped stands still */
START_TEST(busy_while_mapped)
{
	struct acq_config config = { .size = sizeof(config), .ring_frames = 128 };
	struct acq_setup setup = { .size = sizeof(setup), .rate_hz = 10 };
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 64), other = open_or_fail(O_RDWR);

	ck_assert_errno(command(fd, ACQ_IOC_CONFIGURE, &config), EBUSY);
	ck_assert_errno(command(fd, ACQ_IOC_SETUP, &setup), EBUSY);
	ck_assert_errno(command(other, ACQ_IOC_SETUP, &setup), EBUSY);
	munmap(ring.consumer, page);
	ck_assert_errno(command(fd, ACQ_IOC_CONFIGURE, &config), EBUSY);
	ck_assert_errno(command(other, ACQ_IOC_SETUP, &setup), EBUSY);
	munmap((void *)ring.producer, ring.mapped);
	ck_assert_ok(command(fd, ACQ_IOC_CONFIGURE, &config));
	ck_assert_ok(command(other, ACQ_IOC_SETUP, &setup));
}
END_TEST

/* START and STOP of a mapped ring, again and again */
START_TEST(start_again)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 64), i;

	for (i = 1; i <= 5; i++) {
		start_or_fail(fd);
		ring_take_or_fail(&ring, &stream, fd, 5);
		stop_or_fail(fd);
		ring_take(&ring, &stream, 64);
		ck_assert_uint_eq(stream.starts, i);
		/* the end is readable */
		ck_assert(readable(fd));
	}
	ck_assert_uint_eq(stats(fd).delivered, stream.frames);
}
END_TEST

/* as many frames at a time as a small generator says: the wrap comes everywhere */
START_TEST(every_wrap)
{
	static const unsigned int sizes[] = { 2, 4, 8, 64 };
	unsigned int size = sizes[_i], count = 1, left = rounds(600, 100000);
	struct ring ring;
	int fd = open_ring_or_fail(&ring, size);

	while (left) {
		count = (count * 5 + 3) % size + 1;
		if (count > left)
			count = left;
		ring_take_or_fail(&ring, &stream, fd, count);
		left -= count;
	}
	ck_assert_uint_eq(stats(fd).delivered, stream.frames);
	ck_assert_uint_ge(stats(fd).lost, stream.lost);
}
END_TEST

/* the positions run through 2^32 wherever they began */
START_TEST(positions_wrap)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 2), i;

	for (i = 0; i < 300; i++)
		ring_take_or_fail(&ring, &stream, fd, 1);
	ck_assert_uint_eq(stats(fd).delivered, 300);
}
END_TEST

START_TEST(largest)
{
	int fd = open_or_fail(O_RDWR);
	unsigned int frames = info(fd).ring_frames_max;
	struct ring ring;

	configure_or_fail(fd, frames, 1, 0);
	ring_map_or_fail(&ring, fd);
	stream_begin(&stream, fd);
	ck_assert_uint_eq(ring.producer->frames, frames);
	/* all of it is there, and is nobody's old memory */
	ck_assert_int_eq(ring.frames[0], 0);
	ck_assert_int_eq(ring.frames[(size_t)frames * stream.info.stride - 1], 0);
	ring_take_or_fail(&ring, &stream, fd, 100);
	ck_assert_uint_eq(stream.lost, 0);
}
END_TEST

/* never what another program left in that memory */
START_TEST(nothing_old)
{
	struct ring ring;
	size_t i, bytes;

	open_ring_or_fail(&ring, 4096);
	bytes = ring.mapped - page;
	for (i = 0; i < bytes; i++)
		ck_assert_int_eq(ring.frames[i], 0);
	for (i = sizeof(*ring.producer); i < page; i++)
		ck_assert_int_eq(((const char *)ring.producer)[i], 0);
	for (i = sizeof(*ring.consumer); i < page; i++)
		ck_assert_int_eq(((const char *)ring.consumer)[i], 0);
}
END_TEST

/*
 * Lies. An @out that is not between its last value and @in harms its own client
 * alone, until FLUSH.
 */

static const int32_t lies[] = {
	/* from @in */
	1,
	2,
	8,
	9,
	1000,
	0x40000000,
	0x7fffffff,
	/* from @out */
	-1,
	-2,
	-8,
	-9,
	-1000,
	-0x40000000,
	-0x7fffffff - 1,
};

static void check_broken(int fd, const struct ring *ring)
{
	uint64_t lost = stats(fd).lost;

	wait_until(poll_now(fd, POLLIN) & POLLERR);
	wait_until(ring->producer->state & ACQ_RING_BROKEN);
	wait_until(stats(fd).lost > lost);
	ck_assert(!(poll_now(fd, POLLIN) & POLLHUP));
	ck_assert(info(fd).flags & ACQ_INFO_ATTACHED);
	lost = stats(fd).lost;
	ck_assert_uint_ge(ring->producer->lost, lost);
	lost = ring->producer->lost;
	ck_assert_uint_ge(stats(fd).lost, lost);
}

static void heal(int fd, struct ring *ring)
{
	unsigned int starts = stream.starts;

	flush_or_fail(fd);
	ring->out = ring->consumer->out;
	ck_assert(!(poll_now(fd, POLLIN) & POLLERR));
	ck_assert(!(ring->producer->state & ACQ_RING_BROKEN));
	ring_take_or_fail(ring, &stream, fd, 4);
	ck_assert_uint_eq(stream.starts, starts + 1);
}

START_TEST(lie)
{
	int other = open_or_fail(O_RDONLY);
	struct stream honest;
	struct ring ring;
	/* so many that it is not full before one more has come */
	int fd = open_ring_or_fail(&ring, 1024);
	uint32_t in;

	configure_or_fail(other, 8192, 1, 0);
	stream_begin(&honest, other);
	stream_read_or_fail(&honest, other, 2);
	ring_take_or_fail(&ring, &stream, fd, 5);
	/* the kernel's last value of it is this one */
	in = ring_in(&ring);
	wait_until(ring_in(&ring) != in);
	sim_stall();
	ring_set_out(&ring, lies[_i] + (lies[_i] > 0 ? ring_in(&ring) : ring.out));
	sim_resume();
	check_broken(fd, &ring);
	heal(fd, &ring);
	stream_read_or_fail(&honest, other, 20);
	ck_assert_uint_eq(honest.lost, 0);
}
END_TEST

/* what was a lie is one still when it is taken back */
START_TEST(lie_taken_back)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 8);
	uint32_t honest;

	ring_take_or_fail(&ring, &stream, fd, 5);
	honest = ring.out;
	ring_set_out(&ring, honest + 1000);
	check_broken(fd, &ring);
	ring_set_out(&ring, honest);
	ck_assert(poll_now(fd, POLLIN) & POLLERR);
	check_broken(fd, &ring);
	heal(fd, &ring);
}
END_TEST

/* who waits in poll is told */
START_TEST(lie_wakes)
{
	struct pollfd pollfd = { .events = POLLIN };
	struct ring ring;
	pid_t child;

	pollfd.fd = open_ring_or_fail(&ring, 8192);
	set_watermark_or_fail(pollfd.fd, 8192);
	start_or_fail(pollfd.fd);
	child = fork_or_fail();
	if (!child) {
		pause_ms(50);
		ring_set_out(&ring, ring.out - 1000);
		_exit(0);
	}
	ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
	ck_assert(pollfd.revents & POLLERR);
	join_or_fail(child);
}
END_TEST

/* it stays a lie when the mapping is gone: read says so, until FLUSH */
START_TEST(lie_outlives_mapping)
{
	struct ring ring;
	int fd = open_ring_or_fail(&ring, 8);
	char *buf = alloc_or_fail(stream.info.stride);

	ring_take_or_fail(&ring, &stream, fd, 5);
	sim_stall();
	ring_set_out(&ring, ring.out + 1000);
	ring_unmap(&ring);
	ck_assert_int_eq(read(fd, buf, stream.info.stride), -1);
	ck_assert(poll_now(fd, POLLIN) & POLLERR);
	sim_resume();
	ck_assert_int_eq(read(fd, buf, stream.info.stride), -1);
	flush_or_fail(fd);
	stream_read_or_fail(&stream, fd, 4);
	ck_assert_uint_eq(stream.starts, 2);
	free(buf);
}
END_TEST

struct liar {
	pthread_t thread;
	struct ring *ring;
	bool stop;
};

static void *lie_for_ever(void *arg)
{
	struct liar *liar = arg;
	unsigned int seed = 1, i = 0;

	while (!__atomic_load_n(&liar->stop, __ATOMIC_ACQUIRE)) {
		uint32_t out = rand_r(&seed);

		if (++i % 3)
			out = ring_in(liar->ring) - 16 + out % 32;
		__atomic_store_n(&liar->ring->consumer->out, out, __ATOMIC_RELEASE);
	}
	return NULL;
}

START_TEST(storm_of_lies)
{
	int other = open_or_fail(O_RDONLY), fd, i;
	struct stream honest;
	struct liar liar = { 0 };
	struct ring ring;

	sim_set("irq_frames", "4");
	sim_rate(4000);
	fd = open_ring_or_fail(&ring, 16);
	liar.ring = &ring;
	configure_or_fail(other, 16384, 1, 0);
	stream_begin(&honest, other);
	start_or_fail(fd);
	spawn_or_fail(&liar.thread, lie_for_ever, &liar);
	for (i = 0; i < (int)rounds(50, 5000); i++) {
		stream_read_or_fail(&honest, other, 40);
		poll_now(fd, POLLIN);
		stats(fd);
		flush_or_fail(fd);
	}
	__atomic_store_n(&liar.stop, true, __ATOMIC_RELEASE);
	pthread_join(liar.thread, NULL);
	ck_assert_uint_eq(honest.lost, 0);
	heal(fd, &ring);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("mmap");
	TCase *use = tcase_create("use"), *limits = tcase_create("limits");
	TCase *lying = tcase_create("lying");

	tcase_add_checked_fixture(use, begin, NULL);
	tcase_add_test(use, geometry);
	tcase_add_test(use, consume);
	tcase_add_test(use, consume_spinning);
	tcase_add_test(use, overflow);
	tcase_add_test(use, watermark);
	tcase_add_test(use, flush);
	tcase_add_test(use, start_again);
	tcase_add_loop_test(use, every_wrap, 0, 4);
	tcase_add_test(use, positions_wrap);
	tcase_add_test(use, largest);
	tcase_add_test(use, nothing_old);
	suite_add_tcase(suite, use);

	tcase_add_checked_fixture(limits, begin, NULL);
	tcase_add_test(limits, only_shared);
	tcase_add_test(limits, only_so_far);
	tcase_add_test(limits, only_with_write);
	tcase_add_test(limits, never_writable);
	tcase_add_test(limits, never_executable);
	tcase_add_test(limits, parts);
	tcase_add_test(limits, forked);
	tcase_add_test(limits, moved);
	tcase_add_test(limits, outlives_close);
	tcase_add_test(limits, read_or_mapped);
	tcase_add_test(limits, busy_while_mapped);
	suite_add_tcase(suite, limits);

	tcase_add_checked_fixture(lying, begin, NULL);
	tcase_add_loop_test(lying, lie, 0, ARRAY_SIZE(lies));
	tcase_add_test(lying, lie_taken_back);
	tcase_add_test(lying, lie_wakes);
	tcase_add_test(lying, lie_outlives_mapping);
	tcase_add_test(lying, storm_of_lies);
	suite_add_tcase(suite, lying);
	return suite;
}

int main(void)
{
	return run(suite());
}
