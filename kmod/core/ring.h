/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ring, and its inline half: what each read and each interrupt goes through, where
 * a call would cost more than what it does. ring.c states the law and the barriers.
 */
#ifndef _ACQ_RING_H
#define _ACQ_RING_H

#include <linux/atomic.h>
#include <linux/kfifo.h>

#include <uapi/linux/acq.h>

/**
 * struct acq_ring - a kfifo of frames over pages that programs can map
 *
 * ring.c states the law and the barriers.
 *
 * @base: the pages, mapped once: consumer page, producer page, frames. NULL: none
 * @pages: them, one by one
 * @npages: how many
 * @buffer: the program's own memory, if the frames lie there; else NULL
 * @shared_out: the consumer page, written by the program
 * @shared: the producer page, read by the program, never by the kernel
 * @fifo: geometry, and the producer's positions: in, and out as last validated
 * @in: frames published
 * @out: frames consumed; the consumer's, unless mapped
 * @mode: > 0: readers at work or pended; < 0: mappings of the consumer page
 * @state: enum acq_ring_state (written under client->lock); the program sees a copy
 */
struct acq_ring {
	void *base;
	struct page **pages;
	unsigned int npages;
	struct acq_buffer *buffer;
	struct acq_consumer *shared_out;
	struct acq_producer *shared;

	struct __kfifo fifo ____cacheline_aligned_in_smp;
	u32 in;
	u32 out ____cacheline_aligned_in_smp;
	atomic_t mode;
	u32 state;
};

static inline u32 acq_ring_size(const struct acq_ring *ring)
{
	return ring->fifo.mask + 1;
}

static inline bool acq_ring_mapped(const struct acq_ring *ring)
{
	return atomic_read(&ring->mode) < 0;
}

/**
 * acq_ring_exists() - has the ring storage?
 * @ring: any
 *
 * Return: whether it has.
 */
static inline bool acq_ring_exists(struct acq_ring *ring)
{
	/* Barrier D. */
	return smp_load_acquire(&ring->base);
}

/**
 * acq_ring_read_begin() - a reader is at work, or pended
 * @ring: any
 *
 * Return: false while the consumer page is mapped: read or mapped, never both.
 */
static inline bool acq_ring_read_begin(struct acq_ring *ring)
{
	return atomic_inc_unless_negative(&ring->mode);
}

/**
 * acq_ring_read_end() - undo acq_ring_read_begin()
 * @ring: any
 */
static inline void acq_ring_read_end(struct acq_ring *ring)
{
	/* Release: who maps the consumer page sees where we stopped. */
	atomic_fetch_dec_release(&ring->mode);
}

/**
 * acq_ring_state() - enum acq_ring_state
 * @ring: may be without storage
 *
 * Context: any.
 * Return: a combination of them.
 */
static inline u32 acq_ring_state(const struct acq_ring *ring)
{
	/* Barrier E. */
	return smp_load_acquire(&ring->state);
}

/**
 * acq_ring_frame() - a frame's place
 * @ring: with storage
 * @pos: its position
 *
 * Return: where it lies, or is to lie.
 */
static inline struct acq_frame *acq_ring_frame(struct acq_ring *ring, u32 pos)
{
	return ring->fifo.data + (size_t)(pos & ring->fifo.mask) * ring->fifo.esize;
}

/**
 * struct acq_look - what there is to read
 * @state: enum acq_ring_state, with ACQ_RING_BROKEN if the consumer's position is
 *	nonsense by now. That is a hint: acq_ring_sync() decides
 * @count: frames in the ring. With a consumer page full of nonsense: those since the
 *	last position that made sense
 */
struct acq_look {
	u32 state;
	u32 count;
};

/**
 * acq_ring_look() - look what there is to read
 * @ring: may be without storage
 *
 * Context: client->lock held; or client->consumer, counted as a reader.
 * Return: that.
 */
static inline struct acq_look acq_ring_look(struct acq_ring *ring)
{
	struct acq_look look = { .state = acq_ring_state(ring) };
	u32 in = smp_load_acquire(&ring->in); /* Barrier A. */

	if (likely(!acq_ring_mapped(ring))) {
		look.count = in - READ_ONCE(ring->out);
	} else {
		look.count = in - READ_ONCE(ring->shared_out->out);
		if (look.count > acq_ring_size(ring))
			look.state |= ACQ_RING_BROKEN;
	}
	if (look.state & ACQ_RING_BROKEN)
		look.count = in - READ_ONCE(ring->fifo.out);
	return look;
}

/**
 * acq_ring_count() - frames in the ring
 * @ring: may be without storage
 *
 * Context: as acq_ring_look().
 * Return: how many.
 */
static inline u32 acq_ring_count(struct acq_ring *ring)
{
	return acq_ring_look(ring).count;
}

/**
 * acq_poll_barrier() - between registering to be woken and looking
 *
 * Context: poll, and who gives back or tries client->consumer.
 */
static inline void acq_poll_barrier(void)
{
	smp_mb(); /* Barrier C. */
}

#endif /* _ACQ_RING_H */
