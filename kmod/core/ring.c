// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring of one client: a kfifo of frames over an array of pages, which are the
 * kernel's own or the program's, mapped once into the kernel.
 *
 * The law: out <= in <= out + size, where in and out run freely through 2^32.
 *
 * One producer (the bottom half) and one consumer (whoever holds
 * client->consumer, or the program that mapped the consumer page) run without a
 * common lock. What each may trust:
 *
 *  - fifo.in and fifo.out are the producer's. fifo.out is the consumer's position
 *    as last validated, so a program can't make the producer overwrite anything
 *    but its own ring, nor overstate the room.
 *  - ring->in is what the producer has published, stored under client->lock so
 *    that FLUSH and START have an exact place in the stream.
 *  - ring->out is the consumer's while the consumer page is not mapped. Mapped,
 *    the consumer page alone counts, and each use of it reads it once.
 *  - The producer page and the frames are written and never read, but to copy
 *    frames out. Behind in, where nobody looks yet, the source itself may be at work.
 *
 * The barriers of the data path are here and in ring.h, its inline half, and nowhere
 * else (device.c has one, for the geometry):
 *
 *  A  acq_ring_publish() stores in with release, after the frames: pairs with the
 *     acquire in acq_ring_look() and in the program's own load of in.
 *  B  acq_ring_consume() and the program store out with release, after their last
 *     look at the frames: pairs with the acquire in acq_ring_sync().
 *  C  acq_poll_barrier(), between registering on the wait queue and looking for
 *     frames: pairs with wq_has_sleeper() after publishing, in event.c. One of the
 *     two sees the other; see fs/eventfd.c for the drawing of this race.
 *     The same one, between giving back client->consumer and looking for requests:
 *     pairs with itself in aio_serve(), between a request's coming into the queue and
 *     trying client->consumer. The worker gets the lock, or its holder sees the request.
 *  D  ring_lay_out() stores base with release, last of all: pairs with the acquire in
 *     acq_ring_exists(), for readers of a stopped client while mmap makes its ring.
 *  E  acq_ring_set() stores the state with release, after the last frame of a stream
 *     that ends: pairs with the acquire in acq_ring_state(). Look at the state first
 *     and at the ring then, and nothing is missed.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "core.h"
#include "trace.h"

#define RING_CONTROL_PAGES 2
#define RING_DEFAULT_BYTES (256 * 1024)
#define RING_PAGE_GFP (GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

static unsigned int ring_max_kib = 64 * 1024;
module_param(ring_max_kib, uint, 0644);
MODULE_PARM_DESC(ring_max_kib, "most KiB of frames in one client's ring (default 65536)");

/**
 * acq_ring_bytes_max() - the most bytes of frames in a ring
 *
 * Countable in an unsigned int, because that is what kfifo does.
 *
 * Return: bytes.
 */
u64 acq_ring_bytes_max(void)
{
	return min_t(u64, (u64)READ_ONCE(ring_max_kib) * 1024, SZ_1G);
}

/**
 * acq_ring_frames_max() - the most frames a ring may have
 * @stride: bytes of a frame
 *
 * Return: a power of two; 1 or 0 if not even the smallest ring is within bounds.
 */
u32 acq_ring_frames_max(u32 stride)
{
	u32 frames = div_u64(acq_ring_bytes_max(), stride);

	return frames ? rounddown_pow_of_two(frames) : 0;
}

/**
 * acq_ring_frames() - the size a ring gets
 * @frames: asked for; 0: the default
 * @stride: bytes of a frame
 *
 * Return: a power of two, at least 2; 0 if that is out of bounds.
 */
u32 acq_ring_frames(u32 frames, u32 stride)
{
	u32 most = acq_ring_frames_max(stride);

	if (most < 2)
		return 0;
	if (!frames)
		frames = min_t(u32, max_t(u32, RING_DEFAULT_BYTES / stride, 16), most);
	if (frames > most)
		return 0;
	return roundup_pow_of_two(max(frames, 2U));
}

static void ring_free_pages(struct acq_ring *ring)
{
	/* Behind the control pages the pages may be the program's. */
	unsigned int own = ring->buffer ? RING_CONTROL_PAGES : ring->npages;

	while (own--)
		if (ring->pages[own])
			__free_page(ring->pages[own]);
	kvfree(ring->pages);
	ring->pages = NULL;
}

static int ring_alloc_pages(struct acq_ring *ring, unsigned int own)
{
	unsigned int i;

	for (i = 0; i < own; i++) {
		ring->pages[i] = alloc_page(RING_PAGE_GFP);
		if (!ring->pages[i])
			return -ENOMEM;
	}
	return 0;
}

/* Map @ring->pages and lay the ring out over them. Positions go on as they were. */
static int ring_lay_out(struct acq_ring *ring, u32 stride, size_t bytes)
{
	void *base = vmap(ring->pages, ring->npages, VM_MAP | VM_USERMAP, PAGE_KERNEL);
	int ret;

	if (!base)
		return -ENOMEM;
	ret = __kfifo_init(&ring->fifo, base + RING_CONTROL_PAGES * PAGE_SIZE, bytes, stride);
	if (ret) {
		vunmap(base);
		return ret;
	}

	ring->fifo.in = ring->in;
	ring->fifo.out = ring->in;
	ring->shared_out = base;
	ring->shared_out->out = ring->in;
	ring->shared = base + PAGE_SIZE;
	ring->shared->in = ring->in;
	ring->shared->frames = acq_ring_size(ring);
	ring->shared->stride = stride;
	ring->shared->frames_offset = ring->buffer ? 0 : RING_CONTROL_PAGES * PAGE_SIZE;
	/* Barrier D. */
	smp_store_release(&ring->base, base);
	return 0;
}

static int ring_make(struct acq_ring *ring, unsigned int frame_pages, u32 stride, size_t bytes)
{
	int ret;

	ring->npages = RING_CONTROL_PAGES + frame_pages;
	ring->pages =
		kvcalloc(ring->npages, sizeof(*ring->pages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!ring->pages)
		return -ENOMEM;
	if (ring->buffer)
		memcpy(ring->pages + RING_CONTROL_PAGES, ring->buffer->pages,
		       frame_pages * sizeof(*ring->pages));

	ret = ring_alloc_pages(ring, ring->buffer ? RING_CONTROL_PAGES : ring->npages);
	if (!ret)
		ret = ring_lay_out(ring, stride, bytes);
	if (ret)
		ring_free_pages(ring);
	return ret;
}

/**
 * acq_ring_alloc() - make a ring over pages of the kernel
 * @ring: without one
 * @frames: from acq_ring_frames()
 * @stride: bytes of a frame
 *
 * The pages are charged to the memory cgroup of the caller.
 *
 * Context: process, client->map_lock held.
 * Return: 0 or -ENOMEM.
 */
int acq_ring_alloc(struct acq_ring *ring, u32 frames, u32 stride)
{
	size_t bytes = (size_t)frames * stride;

	return ring_make(ring, PFN_UP(bytes), stride, bytes);
}

/**
 * acq_ring_share() - make a ring over the program's own pages
 * @ring: without one
 * @buffer: pinned; the ring's on success, until acq_ring_free()
 * @stride: bytes of a frame
 *
 * The ring gets the largest power of two of frames that fits.
 *
 * Context: process, client->map_lock held.
 * Return: 0, -ENOMEM, or -EINVAL if fewer than two frames fit.
 */
int acq_ring_share(struct acq_ring *ring, struct acq_buffer *buffer, u32 stride)
{
	int ret;

	ring->buffer = buffer;
	ret = ring_make(ring, buffer->npages, stride, (size_t)buffer->npages * PAGE_SIZE);
	if (ret)
		ring->buffer = NULL;
	return ret;
}

/**
 * acq_ring_free() - undo acq_ring_alloc() or acq_ring_share()
 * @ring: empty, neither attached nor mapped; may be without storage
 *
 * Context: process, may sleep.
 */
void acq_ring_free(struct acq_ring *ring)
{
	if (!ring->base)
		return;
	vunmap(ring->base);
	ring->base = NULL;
	ring_free_pages(ring);
	if (ring->buffer)
		acq_buffer_free(ring->buffer, ring->buffer->npages);
	ring->buffer = NULL;
}

/**
 * acq_ring_map() - map pages of the ring into a program
 * @ring: with storage
 * @vma: its offset and size say which
 *
 * Context: mmap, client->map_lock held.
 * Return: 0, or -EINVAL for pages that are not there to be mapped.
 */
int acq_ring_map(struct acq_ring *ring, struct vm_area_struct *vma)
{
	unsigned long pages = ring->buffer ? RING_CONTROL_PAGES : ring->npages;

	if (vma->vm_pgoff >= pages || vma_pages(vma) > pages - vma->vm_pgoff)
		return -EINVAL;
	return remap_vmalloc_range(vma, ring->base, vma->vm_pgoff);
}

/**
 * acq_ring_map_begin() - the consumer page gets a mapping
 * @ring: with storage
 *
 * Context: mmap or fork.
 * Return: false while readers are at work or pended: read or mapped, never both.
 */
bool acq_ring_map_begin(struct acq_ring *ring)
{
	/* acq_ring_take() keeps the consumer page equal to ring->out. */
	return atomic_dec_unless_positive(&ring->mode);
}

/**
 * acq_ring_map_end() - a mapping of the consumer page is gone
 * @ring: with storage
 *
 * With the last one the consumer's position goes back to the kernel.
 *
 * Context: client->lock held.
 */
void acq_ring_map_end(struct acq_ring *ring)
{
	if (atomic_read(&ring->mode) == -1) {
		u32 out = READ_ONCE(ring->shared_out->out);
		u32 last = READ_ONCE(ring->fifo.out);

		if (out - last > ring->in - last)
			acq_ring_set(ring, 0, ACQ_RING_BROKEN);
		else
			WRITE_ONCE(ring->out, out);
	}
	/* Release: a producer that sees no mapping sees ring->out. */
	atomic_fetch_inc_release(&ring->mode);
}

/**
 * acq_ring_set() - change the state of the stream
 * @ring: may be without storage
 * @clear: enum acq_ring_state
 * @set: enum acq_ring_state
 *
 * Context: client->lock held.
 */
void acq_ring_set(struct acq_ring *ring, u32 clear, u32 set)
{
	u32 state = (ring->state & ~clear) | set;

	/* Barrier E. */
	smp_store_release(&ring->state, state);
	if (acq_ring_exists(ring))
		WRITE_ONCE(ring->shared->state, state);
}

/**
 * acq_ring_sync() - take over the consumer's position
 * @ring: of an attached client
 *
 * Context: the producer.
 * Return: false if it is nonsense, or was and has not been flushed since.
 */
bool acq_ring_sync(struct acq_ring *ring)
{
	struct __kfifo *fifo = &ring->fifo;
	u32 out;

	if (READ_ONCE(ring->state) & ACQ_RING_BROKEN)
		return false;
	if (atomic_read_acquire(&ring->mode) < 0)
		out = smp_load_acquire(&ring->shared_out->out); /* Barrier B. */
	else
		out = smp_load_acquire(&ring->out); /* Barrier B. */
	if (out - fifo->out > fifo->in - fifo->out)
		return false;
	WRITE_ONCE(fifo->out, out);
	return true;
}

/**
 * acq_ring_put() - copy frames in, as many as there is room for
 * @ring: just synced
 * @frames: stride after stride
 * @count: how many
 *
 * Nobody sees them before acq_ring_publish().
 *
 * Context: the producer.
 * Return: how many were copied, from the first.
 */
u32 acq_ring_put(struct acq_ring *ring, const void *frames, u32 count)
{
	return __kfifo_in(&ring->fifo, frames, count);
}

/**
 * acq_ring_room() - room for frames that are made in the ring
 * @ring: synced since the last acq_ring_publish()
 *
 * Context: the producer.
 * Return: how many fit in one piece.
 */
u32 acq_ring_room(const struct acq_ring *ring)
{
	u32 in = ring->fifo.in;
	u32 size = acq_ring_size(ring);

	return min(size - (in - ring->fifo.out), size - (in & ring->fifo.mask));
}

/**
 * acq_ring_fill() - acq_ring_put() of frames that were made in the ring
 * @ring: with room for them
 * @frames: how many
 *
 * Context: the producer.
 */
void acq_ring_fill(struct acq_ring *ring, u32 frames)
{
	ring->fifo.in += frames;
}

/**
 * acq_ring_publish() - let the consumer see what was put
 * @ring: of an attached client
 *
 * Context: the producer, client->lock held.
 */
void acq_ring_publish(struct acq_ring *ring)
{
	smp_store_release(&ring->in, ring->fifo.in); /* Barrier A, for the kernel. */
	smp_store_release(&ring->shared->in, ring->fifo.in); /* And for the program. */
}

/**
 * acq_ring_peek() - look at the oldest frames where they lie
 * @ring: not mapped
 * @frames: in: how many there are, at least 1; out: how many lie in one piece
 *
 * Context: process, the only consumer.
 * Return: the first of them; they stay until acq_ring_consume().
 */
const struct acq_frame *acq_ring_peek(struct acq_ring *ring, u32 *frames)
{
	u32 out = ring->out;

	*frames = min(*frames, acq_ring_size(ring) - (out & ring->fifo.mask));
	return acq_ring_frame(ring, out);
}

static void ring_consume(struct acq_ring *ring, u32 frames)
{
	u32 out = ring->out + frames;

	trace_acq_read(container_of(ring, struct acq_client, ring), frames);
	/* Barrier B. */
	smp_store_release(&ring->out, out);
	WRITE_ONCE(ring->shared_out->out, out);
}

/**
 * acq_ring_consume() - the oldest frames are done with
 * @ring: not mapped
 * @frames: how many, no more than there are
 *
 * Context: process, the only consumer.
 */
void acq_ring_consume(struct acq_ring *ring, u32 frames)
{
	ring_consume(ring, frames);
}

/**
 * acq_ring_take() - copy frames out and consume them
 * @ring: not mapped
 * @to: where to
 * @frames: how many, no more than there are
 *
 * A frame that could not be copied whole is not consumed, and @to stands before
 * it.
 *
 * Context: process, client->consumer held; may fault.
 * Return: how many were consumed, from the first.
 */
u32 acq_ring_take(struct acq_ring *ring, struct iov_iter *to, u32 frames)
{
	u32 stride = ring->fifo.esize;
	u32 out = ring->out;

	while (frames) {
		u32 piece = min(frames, acq_ring_size(ring) - (out & ring->fifo.mask));
		size_t bytes = (size_t)piece * stride;
		/*
		 * copy_to_iter() would look up what the kernel has mapped where, to find
		 * what the two lines above say: that these bytes are the ring's.
		 */
		size_t copied = _copy_to_iter(acq_ring_frame(ring, out), bytes, to);

		if (copied != bytes) {
			out += copied / stride;
			iov_iter_revert(to, copied % stride);
			break;
		}
		out += piece;
		frames -= piece;
	}

	frames = out - ring->out;
	ring_consume(ring, frames);
	return frames;
}

/**
 * acq_ring_flush() - consume everything unseen, and forgive nonsense
 * @ring: may be without storage
 *
 * Context: client->consumer and client->lock held.
 */
void acq_ring_flush(struct acq_ring *ring)
{
	if (!ring->base)
		return;
	WRITE_ONCE(ring->out, ring->in);
	WRITE_ONCE(ring->shared_out->out, ring->in);
	acq_ring_set(ring, ACQ_RING_BROKEN, 0);
}
