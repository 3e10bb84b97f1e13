// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The mapped ring. Two barriers, each paired with one in the kernel's ring.c:
 * the load-acquire of producer->in comes before the frames are read; the
 * store-release of consumer->out comes after.
 */
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static void unmap(struct acq_ring *ring)
{
	if (ring->producer)
		munmap((void *)ring->producer, ring->producer_bytes);
	if (ring->consumer)
		munmap(ring->consumer, page_size());
	*ring = (struct acq_ring){ 0 };
}

/* From here on our position is what the kernel takes it to be. */
void acq_ring_resync(struct acq_ring *ring)
{
	ring->out = __atomic_load_n(&ring->consumer->out, __ATOMIC_RELAXED);
	ring->given = 0;
}

/* Don't index memory by a geometry that can't be. */
static int adopt_geometry(struct acq_ring *ring, const void *frames)
{
	const struct acq_producer *producer = ring->producer;
	size_t offset = producer->frames_offset, bytes;

	ring->count = producer->frames;
	ring->stride = producer->stride;
	bytes = (size_t)ring->count * ring->stride;
	if (!ring->count || ring->count & (ring->count - 1) ||
	    ring->stride < sizeof(struct acq_frame) || ring->stride % 8)
		return -EPROTO;
	ring->frames = frames;
	if (frames)
		return 0;
	if (offset < 2 * page_size() || offset - page_size() + bytes > ring->producer_bytes)
		return -EPROTO;
	ring->frames = (const unsigned char *)producer + offset - page_size();
	return 0;
}

static void *map_pages(int fd, size_t bytes, int prot, off_t offset)
{
	void *mem = mmap(NULL, bytes, prot, MAP_SHARED, fd, offset);

	return mem == MAP_FAILED ? NULL : mem;
}

/* The consumer page first: while it is mapped the ring keeps its size. */
static int map(struct acq *acq, const void *frames)
{
	struct acq_info info = { .size = sizeof(info) };
	struct acq_ring *ring = &acq->ring;
	size_t page = page_size();
	int err;

	ring->consumer = map_pages(acq->fd, page, PROT_READ | PROT_WRITE, 0);
	if (!ring->consumer)
		return -errno;
	err = acq_get_info(acq, &info);
	if (err)
		goto undo;
	ring->producer_bytes = frames ? page : info.map_bytes;
	ring->producer = map_pages(acq->fd, ring->producer_bytes, PROT_READ, page);
	err = ring->producer ? adopt_geometry(ring, frames) : -errno;
	if (err)
		goto undo;
	acq_ring_resync(ring);
	return 0;
undo:
	unmap(ring);
	return err;
}

int acq_ring_map(struct acq *acq)
{
	return acq->ring.consumer ? -EBUSY : map(acq, NULL);
}

int acq_ring_share(struct acq *acq, void *addr, size_t bytes)
{
	struct acq_share share = {
		.size = sizeof(share),
		.addr = (uintptr_t)addr,
		.bytes = bytes,
	};
	int err;

	if (acq->ring.consumer)
		return -EBUSY;
	err = acq_ioctl(acq, ACQ_IOC_SHARE_BUFFER, &share);
	if (err)
		return err;
	err = map(acq, addr);
	if (!err && (size_t)acq->ring.count * acq->ring.stride > bytes) {
		unmap(&acq->ring);
		err = -EPROTO;
	}
	if (err) {
		acq_ioctl(acq, ACQ_IOC_UNSHARE_BUFFER, NULL);
		return err;
	}
	acq->ring.shared = true;
	return acq->ring.count;
}

int acq_ring_unmap(struct acq *acq)
{
	bool shared = acq->ring.shared;

	if (!acq->ring.consumer)
		return -EINVAL;
	if (shared)
		acq_stop(acq);
	unmap(&acq->ring);
	return shared ? acq_ioctl(acq, ACQ_IOC_UNSHARE_BUFFER, NULL) : 0;
}

static uint32_t there(const struct acq_ring *ring)
{
	return __atomic_load_n(&ring->producer->in, __ATOMIC_ACQUIRE) - ring->out;
}

static uint32_t state(const struct acq_ring *ring)
{
	return __atomic_load_n(&ring->producer->state, __ATOMIC_RELAXED);
}

/* One contiguous piece of what is there. */
static int give(struct acq_ring *ring, uint32_t have, const struct acq_frame **frames)
{
	uint32_t at = ring->out & (ring->count - 1);

	if (have > ring->count)
		return -ESTALE;
	if (have > ring->count - at)
		have = ring->count - at;
	ring->given = have;
	*frames = (const void *)(ring->frames + (size_t)at * ring->stride);
	return have;
}

/* Poll said that it is over, and the ring is empty: why? */
static int why_over(struct acq *acq, int revents)
{
	uint32_t now = state(&acq->ring);

	if (revents & POLLNVAL)
		return -EBADF;
	if (now & ACQ_RING_BROKEN)
		return -ESTALE;
	if (now & ACQ_RING_GONE || revents & POLLHUP)
		return -ENODEV;
	if (revents & POLLERR) /* it did not start; this says why */
		return acq_start(acq) ?: -EAGAIN;
	return now & ACQ_RING_ATTACHED ? -EAGAIN : 0;
}

/* Frames, or 0 and the reason in @err; -EAGAIN: neither, as it turned out. */
static uint32_t wait_frames(struct acq *acq, int64_t deadline, int *err)
{
	struct pollfd pfd = { .fd = acq->fd, .events = POLLIN };
	int ready = poll(&pfd, 1, left_ms(deadline));
	uint32_t have;

	if (ready < 0) {
		*err = -errno;
		return 0;
	}
	have = there(&acq->ring);
	if (!have)
		*err = ready ? why_over(acq, pfd.revents) : -ETIMEDOUT;
	return have;
}

int acq_ring_next(struct acq *acq, const struct acq_frame **frames, int timeout_ms)
{
	struct acq_ring *ring = &acq->ring;
	int64_t deadline;
	uint32_t have;
	int err;

	if (!ring->consumer)
		return -EINVAL;
	have = there(ring);
	if (have)
		return give(ring, have, frames);
	if (!timeout_ms && state(ring) == ACQ_RING_ATTACHED)
		return -ETIMEDOUT;

	deadline = deadline_in(timeout_ms);
	do {
		err = 0;
		have = wait_frames(acq, deadline, &err);
	} while (!have && err == -EAGAIN);
	return have ? give(ring, have, frames) : err;
}

int acq_ring_release(struct acq *acq, unsigned int frames)
{
	struct acq_ring *ring = &acq->ring;

	if (!ring->consumer || frames > ring->given)
		return -EINVAL;
	ring->given -= frames;
	ring->out += frames;
	__atomic_store_n(&ring->consumer->out, ring->out, __ATOMIC_RELEASE);
	return 0;
}
