// SPDX-License-Identifier: GPL-2.0-only
/* Consuming the mapped ring, as the UAPI header says. */
#include <sys/mman.h>

#include "common.h"

size_t page_bytes(void)
{
	return sysconf(_SC_PAGESIZE);
}

void *memory_or_fail(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	return memory;
}

static void map_or_fail(struct ring *ring, int fd, size_t bytes)
{
	void *consumer = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	void *producer;

	ck_assert_msg(consumer != MAP_FAILED, "consumer page: %s", strerror(errno));
	producer = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, page_bytes());
	ck_assert_msg(producer != MAP_FAILED, "producer page: %s", strerror(errno));
	ring->consumer = consumer;
	ring->producer = producer;
	ring->mapped = bytes;
	ring->out = ring->consumer->out;
}

void ring_map_or_fail(struct ring *ring, int fd)
{
	map_or_fail(ring, fd, info(fd).map_bytes);
	ring->frames = (const char *)ring->producer + ring->producer->frames_offset - page_bytes();
}

/* the same of a ring whose frames lie in the program's own memory */
void ring_map_share_or_fail(struct ring *ring, int fd, const void *memory)
{
	map_or_fail(ring, fd, page_bytes());
	ring->frames = memory;
}

void ring_unmap(struct ring *ring)
{
	munmap(ring->consumer, page_bytes());
	munmap((void *)ring->producer, ring->mapped);
}

uint32_t ring_in(const struct ring *ring)
{
	return __atomic_load_n(&ring->producer->in, __ATOMIC_ACQUIRE);
}

uint32_t ring_count(const struct ring *ring)
{
	return ring_in(ring) - ring->out;
}

const struct acq_frame *ring_frame(const struct ring *ring, uint32_t position)
{
	size_t at = position & (ring->producer->frames - 1);

	return (const void *)(ring->frames + at * ring->producer->stride);
}

void ring_set_out(struct ring *ring, uint32_t out)
{
	ring->out = out;
	__atomic_store_n(&ring->consumer->out, out, __ATOMIC_RELEASE);
}

/* Consume what is there, but no more than so many; how many those were. */
unsigned int ring_take(struct ring *ring, struct stream *stream, unsigned int most)
{
	uint32_t count = ring_count(ring), i;

	expect(count <= ring->producer->frames);
	if (count > most)
		count = most;
	for (i = 0; i < count; i++)
		stream_take(stream, ring_frame(ring, ring->out + i));
	ring_set_out(ring, ring->out + count);
	return count;
}

/* Exactly so many, asleep while there are none. */
void ring_take_or_fail(struct ring *ring, struct stream *stream, int fd, unsigned int frames)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	unsigned int count;

	while (frames) {
		count = ring_take(ring, stream, frames);
		frames -= count;
		if (!count) {
			ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
			ck_assert_int_eq(pollfd.revents, POLLIN);
		}
	}
}

/* Of all programs; unpinning may lag. The counters are exact once they are gathered. */
long pinned_pages(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);
	char nothing;

	ck_assert_ok(fd);
	ck_assert_int_eq(read(fd, &nothing, 1), 0);
	close(fd);
	return proc_value("/proc/vmstat", "nr_foll_pin_acquired") -
	       proc_value("/proc/vmstat", "nr_foll_pin_released");
}
