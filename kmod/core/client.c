// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client: one consumer of a device, with a ring, a watermark and a queue of
 * requests of its own.
 *
 * Who may touch it. Its file's system calls, as long as the file lives, or the
 * driver that opened it. The bottom half, from acq_device_attach() to
 * acq_device_detach(). The latency timer, until acq_client_free() cancels it. The
 * worker (request.c, driver.c), likewise; a pended kiocb holds the file. Unplug,
 * while the client is in adev->opened. So the file's release, or the driver's
 * close, ends them all, and no reference count is needed.
 */
#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "core.h"
#include "trace.h"

/* Positions begin shortly before they wrap, so that nobody can rely on 0. */
#define CLIENT_FIRST_POSITION (-256U)

/*
 * Frames came, or an end, or other terms: requests first, then who polls.
 * Return: is acq_event_notify() due, after client->lock?
 */
static bool client_wake(struct acq_client *client)
{
	bool woke = client->ops ? acq_driver_kick(client) : acq_request_kick(client);
	bool tell = acq_client_pollable(client) && acq_event_wanted(client);

	client->wakeups += woke || tell;
	trace_acq_wake(client, woke, tell);
	return tell;
}

/* The latency bound: what is in the ring by now is late. */
static enum hrtimer_restart client_timer(struct hrtimer *timer)
{
	struct acq_client *client = container_of(timer, struct acq_client, timer);
	bool tell;

	spin_lock(&client->lock);
	client->timer_armed = false;
	WRITE_ONCE(client->late, client->ring.in);
	tell = client_wake(client);
	spin_unlock(&client->lock);

	if (tell)
		acq_event_notify(client);
	return HRTIMER_NORESTART;
}

/* Every frame in the ring is late, or has the timer still coming. */
static void client_arm_timer(struct acq_client *client)
{
	u32 latency_us = READ_ONCE(client->latency_us);

	lockdep_assert_held(&client->lock);
	if (!latency_us)
		return;
	client->timer_armed = true;
	hrtimer_start(&client->timer, ns_to_ktime((u64)latency_us * NSEC_PER_USEC),
		      HRTIMER_MODE_REL_SOFT);
}

/* For those who ask who uses the device. */
static void client_name(struct acq_client *client)
{
	if (client->ops) {
		strscpy(client->comm, client->ops->name, sizeof(client->comm));
		return;
	}
	get_task_comm(client->comm, current);
	client->pid = task_tgid_nr(current);
}

/**
 * acq_client_new() - a client for a file that is being opened, or for a driver
 * @adev: held by the caller
 * @ops: the driver's, or NULL
 * @priv: their first argument
 *
 * Context: process.
 * Return: the client, or ERR_PTR(): -ENOMEM, -ENODEV.
 */
struct acq_client *acq_client_new(struct acq_device *adev, const struct acq_client_ops *ops,
				  void *priv)
{
	struct acq_client *client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);

	if (!client)
		return ERR_PTR(-ENOMEM);
	mutex_init(&client->consumer);
	mutex_init(&client->map_lock);
	spin_lock_init(&client->lock);
	INIT_LIST_HEAD(&client->requests);
	init_waitqueue_head(&client->wq);
	client->ops = ops;
	client->priv = priv;
	if (ops)
		acq_driver_init(client);
	else
		INIT_WORK(&client->work, acq_request_work);
	hrtimer_setup(&client->timer, client_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	client->ring.in = CLIENT_FIRST_POSITION;
	client->ring.out = CLIENT_FIRST_POSITION;
	client->late = CLIENT_FIRST_POSITION;
	client->watermark = 1;
	client->adev = adev;
	client_name(client);

	mutex_lock(&adev->lock);
	if (adev->dead) {
		mutex_unlock(&adev->lock);
		kfree(client);
		return ERR_PTR(-ENODEV);
	}
	get_device(&adev->dev);
	client->id = ++adev->client_ids;
	list_add_tail(&client->opened, &adev->opened);
	mutex_unlock(&adev->lock);
	return client;
}

static void client_detach(struct acq_client *client)
{
	acq_device_detach(client->adev, client);
	acq_geometry_put(client->adev);
}

/**
 * acq_client_free() - the end of the file, or the driver's close
 * @client: nobody can call it any more
 *
 * Context: process, may sleep.
 */
void acq_client_free(struct acq_client *client)
{
	struct acq_device *adev = client->adev;

	/* Unplug and the bottom half end here... */
	mutex_lock(&adev->lock);
	list_del(&client->opened);
	if (client->state == ACQ_CLIENT_ATTACHED)
		client_detach(client);
	mutex_unlock(&adev->lock);

	/* ... then the timer, which may queue the work, then the work, then what that queues. */
	hrtimer_cancel(&client->timer);
	cancel_work_sync(&client->work);
	if (client->ops)
		cancel_work_sync(&client->gone);

	if (client->eventfd)
		eventfd_ctx_put(client->eventfd);
	if (client->ring.buffer)
		acq_geometry_put(adev);
	acq_ring_free(&client->ring);
	put_device(&adev->dev);
	kfree(client);
}

/* Frames in the ring. A program can't claim more than were put there. */
static u32 client_count(struct acq_client *client)
{
	lockdep_assert_held(&client->lock);
	return min_t(u64, acq_ring_count(&client->ring),
		     client->accepted - client->flushed - client->frames_base);
}

/* Frames this client has consumed, if so many are still there. */
static u64 client_delivered(const struct acq_client *client, u32 count)
{
	return client->accepted - client->flushed - count;
}

static u64 client_delivered_bytes(const struct acq_client *client, u32 count)
{
	u64 frames = client_delivered(client, count) - client->frames_base;

	return client->bytes_base + frames * client->ring.fifo.esize;
}

static void client_flush(struct acq_client *client)
{
	client->flushed += client_count(client);
	acq_ring_flush(&client->ring);
}

/**
 * acq_client_drop_ring() - free the storage of the ring; what was left is flushed
 * @client: not attached, not mapped
 *
 * Context: client->map_lock held; client->consumer too unless never attached, or of a
 * driver: its ring stays as it was configured.
 */
void acq_client_drop_ring(struct acq_client *client)
{
	if (!client->ring.base)
		return;
	spin_lock_bh(&client->lock);
	client_flush(client);
	client->bytes_base = client_delivered_bytes(client, 0);
	client->frames_base = client_delivered(client, 0);
	spin_unlock_bh(&client->lock);
	acq_ring_free(&client->ring);
}

/* A new producer page tells what the old one did. */
static void client_show(struct acq_client *client)
{
	spin_lock_bh(&client->lock);
	acq_ring_set(&client->ring, 0, 0);
	WRITE_ONCE(client->ring.shared->lost, client->lost);
	spin_unlock_bh(&client->lock);
}

/**
 * acq_client_share() - let the ring lie in the program's memory
 * @client: not attached, not mapped, not shared
 * @buffer: room for two frames at least; the ring's on success
 *
 * Context: adev->lock, client->map_lock and client->consumer held.
 * Return: 0 or -ENOMEM.
 */
int acq_client_share(struct acq_client *client, struct acq_buffer *buffer)
{
	struct acq_device *adev = client->adev;
	int ret;

	acq_client_drop_ring(client);
	ret = acq_ring_share(&client->ring, buffer, adev->stride);
	if (ret)
		return ret;
	/* Cannot fail: a setup under way would hold adev->lock. */
	acq_geometry_get(adev);
	client_show(client);
	return 0;
}

/**
 * acq_client_prepare() - make the ring as it was configured, if it is not
 * @client: not attached; the geometry is held
 *
 * Context: client->map_lock held.
 * Return: 0 or -ENOMEM.
 */
int acq_client_prepare(struct acq_client *client)
{
	struct acq_ring *ring = &client->ring;
	u32 stride = client->adev->stride;
	u32 frames = acq_ring_frames(client->ring_frames, stride);
	int ret;

	lockdep_assert_held(&client->map_lock);
	if (ring->buffer)
		return 0;
	/* A mapping keeps it as it is. */
	if (atomic_read(&client->maps))
		return 0;
	if (!frames)
		return -ENOMEM;
	if (ring->base && ring->fifo.esize == stride && acq_ring_size(ring) == frames)
		return 0;
	acq_client_drop_ring(client);
	ret = acq_ring_alloc(ring, frames, stride);
	if (ret)
		return ret;
	client_show(client);
	return 0;
}

static int client_attach_locked(struct acq_client *client)
{
	struct acq_device *adev = client->adev;
	int ret;

	/* Cannot fail: a setup under way would hold adev->lock. */
	acq_geometry_get(adev);
	mutex_lock(&client->map_lock);
	ret = acq_client_prepare(client);
	if (ret) {
		mutex_unlock(&client->map_lock);
		goto put_geometry;
	}
	spin_lock_bh(&client->lock);
	client->mark = ACQ_FRAME_START;
	acq_ring_set(&client->ring, ACQ_RING_STOPPED, ACQ_RING_ATTACHED);
	spin_unlock_bh(&client->lock);
	mutex_unlock(&client->map_lock);

	ret = acq_device_attach(adev, client);
	if (ret)
		goto unset;
	WRITE_ONCE(client->state, ACQ_CLIENT_ATTACHED);
	return 0;

unset:
	spin_lock_bh(&client->lock);
	acq_ring_set(&client->ring, ACQ_RING_ATTACHED,
		     client->state == ACQ_CLIENT_STOPPED ? ACQ_RING_STOPPED : 0);
	spin_unlock_bh(&client->lock);
put_geometry:
	acq_geometry_put(adev);
	return ret;
}

/**
 * acq_client_attach() - begin to get frames
 * @client: any state
 * @again: START: also after STOP; client->consumer is held
 *
 * The device's mutex depends on no program, so only a kill ends the wait.
 *
 * Context: process; starts the hardware if this is its first client.
 * Return: 0 (also if it is attached, or stopped and not @again), -ENODEV, -ENOMEM,
 * -EINTR, or what the source's start() returned.
 */
int acq_client_attach(struct acq_client *client, bool again)
{
	struct acq_device *adev = client->adev;
	int ret = 0;

	if (mutex_lock_killable(&adev->lock))
		return -EINTR;
	if (adev->dead)
		ret = -ENODEV;
	else if (client->state == ACQ_CLIENT_IDLE || (client->state == ACQ_CLIENT_STOPPED && again))
		ret = client_attach_locked(client);
	mutex_unlock(&adev->lock);
	return ret;
}

/* Streaming has ended: whoever waits must look. */
static void client_end(struct acq_client *client, u32 why)
{
	spin_lock_bh(&client->lock);
	acq_ring_set(&client->ring, ACQ_RING_ATTACHED, why);
	acq_request_end(client);
	client_wake(client);
	spin_unlock_bh(&client->lock);
	acq_event_notify(client);
}

/**
 * acq_client_stop() - no frames any more; what is in the ring can be read
 * @client: any state
 *
 * Context: process, adev->lock held.
 */
void acq_client_stop(struct acq_client *client)
{
	lockdep_assert_held(&client->adev->lock);
	if (client->state == ACQ_CLIENT_ATTACHED)
		client_detach(client);
	WRITE_ONCE(client->state, ACQ_CLIENT_STOPPED);
	client_end(client, ACQ_RING_STOPPED);
}

/**
 * acq_client_hangup() - the device is gone
 * @client: any state
 *
 * Context: unplug; adev->lock held. Waits for no program.
 */
void acq_client_hangup(struct acq_client *client)
{
	client_end(client, ACQ_RING_GONE);
}

/**
 * acq_client_late() - is the oldest frame past the latency bound?
 * @client: with a bound
 * @count: frames in its ring
 *
 * Context: as acq_ring_look().
 * Return: whether it is.
 */
bool acq_client_late(const struct acq_client *client, u32 count)
{
	/* late lies in (out, in]: count frames back from in. */
	u32 late = READ_ONCE(client->ring.in) - READ_ONCE(client->late);

	return late < count;
}

/**
 * acq_client_pollable() - would a nonblocking read have something to say?
 * @client: any state
 *
 * Frames that requests wait for are not for pollers.
 *
 * Context: client->lock held.
 * Return: whether it would.
 */
bool acq_client_pollable(struct acq_client *client)
{
	lockdep_assert_held(&client->lock);
	return list_empty(&client->requests) &&
	       acq_client_ready(client, acq_ring_look(&client->ring), U32_MAX);
}

/* A dropped frame leaves its HW_OVERRUN to the next one that is not. */
static u16 client_inherit(const struct acq_client *client, const struct acq_batch *batch, u32 n)
{
	u32 stride = client->ring.fifo.esize;
	u16 flags = 0;

	if (!(batch->flags & ACQ_FRAME_HW_OVERRUN))
		return 0;
	for (; n < batch->count; n++) {
		const struct acq_frame *frame = batch->frames + (size_t)n * stride;

		flags |= frame->flags;
	}
	return flags & ACQ_FRAME_HW_OVERRUN;
}

/* @frames from @seq on. Context: client->lock held. */
static void client_lose(struct acq_client *client, u64 seq, u64 frames)
{
	client->lost += frames;
	trace_acq_lost(client, seq, frames);
	WRITE_ONCE(client->ring.shared->lost, client->lost);
	/* Before a START there is nothing to be missing from. */
	if (!(client->mark & ACQ_FRAME_START))
		client->mark |= ACQ_FRAME_GAP;
}

/* Account for a batch; @n of @batch were put at @first. Context: client->lock. */
static void client_account(struct acq_client *client, const struct acq_batch *batch, u32 first,
			   u32 n)
{
	struct acq_ring *ring = &client->ring;
	bool rearm;

	if (n) {
		if (client->mark) {
			acq_ring_frame(ring, first)->flags = batch->first_flags | client->mark;
			client->mark = 0;
		}
		/* The bound counts from the oldest frame. */
		rearm = !client->timer_armed || !acq_ring_count(ring);
		client->accepted += n;
		trace_acq_push(client, batch, n);
		acq_ring_publish(ring);
		if (rearm)
			client_arm_timer(client);
	}
	if (n < batch->count) {
		client_lose(client, batch->seq - (batch->count - n), batch->count - n);
		client->mark |= client_inherit(client, batch, n);
	}
}

/**
 * acq_client_push() - a batch for this client
 * @client: attached
 * @batch: at least one frame
 *
 * The copy needs no lock; publishing does, so that FLUSH and START have a place in
 * the stream. Frames that were made in this ring need no copy, and had room.
 *
 * Context: the bottom half, under rcu_read_lock().
 */
void acq_client_push(struct acq_client *client, const struct acq_batch *batch)
{
	struct acq_ring *ring = &client->ring;
	u32 first = ring->fifo.in;
	bool tell = false, sane = true;
	u32 n = batch->count;

	if (client == batch->home) {
		acq_ring_fill(ring, n);
	} else {
		sane = acq_ring_sync(ring);
		n = sane ? acq_ring_put(ring, batch->frames, n) : 0;
	}

	spin_lock_bh(&client->lock);
	/* Once more under the lock: FLUSH may just have healed it. */
	if (!sane && !acq_ring_sync(ring) && !(ring->state & ACQ_RING_BROKEN)) {
		acq_ring_set(ring, 0, ACQ_RING_BROKEN);
		tell = true;
	}
	client_account(client, batch, first, n);
	tell |= client_wake(client);
	spin_unlock_bh(&client->lock);

	if (tell)
		acq_event_notify(client);
}

/**
 * acq_client_gap() - frames were lost before they came to any client
 * @client: attached
 * @seq: sequence number of the first of them
 * @frames: how many
 *
 * Context: the bottom half, under rcu_read_lock().
 */
void acq_client_gap(struct acq_client *client, u64 seq, u64 frames)
{
	spin_lock_bh(&client->lock);
	client_lose(client, seq, frames);
	spin_unlock_bh(&client->lock);
}

/**
 * acq_client_mark_start() - a new beginning: the next frame carries START
 * @client: any state
 */
void acq_client_mark_start(struct acq_client *client)
{
	spin_lock_bh(&client->lock);
	client->mark = ACQ_FRAME_START;
	spin_unlock_bh(&client->lock);
}

/**
 * acq_client_flush() - skip to the newest; the next frame carries START
 * @client: any state
 *
 * Context: client->consumer held.
 */
void acq_client_flush(struct acq_client *client)
{
	mutex_lock(&client->map_lock);
	spin_lock_bh(&client->lock);
	client_flush(client);
	client->mark = ACQ_FRAME_START;
	spin_unlock_bh(&client->lock);
	mutex_unlock(&client->map_lock);
}

/**
 * acq_client_ring_frames() - the size of the ring as it is, or as it would be
 * @client: any state
 *
 * Context: client->map_lock held.
 * Return: frames; 0 if a ring of the size that was asked for is out of bounds.
 */
u32 acq_client_ring_frames(struct acq_client *client)
{
	if (client->ring.base && (client->ring.buffer || client->state == ACQ_CLIENT_ATTACHED ||
				  atomic_read(&client->maps)))
		return acq_ring_size(&client->ring);
	return acq_ring_frames(client->ring_frames, client->adev->stride);
}

/* Context: adev->lock and map_lock held. */
static int client_configure(struct acq_client *client, struct acq_config *config)
{
	u32 stride = client->adev->stride;
	u32 frames = acq_client_ring_frames(client);
	u32 watermark = config->watermark;

	if (config->ring_frames) {
		if (config->ring_frames > 1U << 31)
			return -EINVAL;
		if (client->state == ACQ_CLIENT_ATTACHED || client->ring.buffer ||
		    atomic_read(&client->maps))
			return -EBUSY;
		frames = acq_ring_frames(config->ring_frames, stride);
	}
	if (!frames)
		return -ENOMEM;
	if (watermark > frames)
		return -EINVAL;

	if (config->ring_frames) {
		client->ring_frames = frames;
		if (client->ring.base &&
		    (acq_ring_size(&client->ring) != frames || client->ring.fifo.esize != stride))
			acq_client_drop_ring(client);
	}
	WRITE_ONCE(client->watermark, min(watermark ?: client->watermark, frames));
	if (config->latency_us != ACQ_LATENCY_KEEP)
		WRITE_ONCE(client->latency_us, config->latency_us);
	config->ring_frames = frames;
	config->watermark = client->watermark;
	config->latency_us = client->latency_us;
	return 0;
}

int acq_client_configure(struct acq_client *client, struct acq_config *config)
{
	struct acq_device *adev = client->adev;
	int ret;

	if (config->latency_us != ACQ_LATENCY_KEEP && config->latency_us > ACQ_LATENCY_MAX_US)
		return -EINVAL;
	mutex_lock(&adev->lock);
	mutex_lock(&client->map_lock);
	ret = client_configure(client, config);
	mutex_unlock(&client->map_lock);
	mutex_unlock(&adev->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(acq_client_configure);

/**
 * acq_client_look_again() - the terms of readiness have changed
 * @client: any state
 */
void acq_client_look_again(struct acq_client *client)
{
	bool tell;

	spin_lock_bh(&client->lock);
	/* A new bound counts from now, whatever the old one was. */
	if (acq_ring_count(&client->ring))
		client_arm_timer(client);
	tell = client_wake(client);
	spin_unlock_bh(&client->lock);
	if (tell)
		acq_event_notify(client);
}

void acq_client_stats(struct acq_client *client, struct acq_stats *stats)
{
	u32 count;

	spin_lock_bh(&client->lock);
	/* Once: a reader moves on meanwhile. */
	count = client_count(client);
	stats->ring = count;
	stats->produced = client->accepted + client->lost;
	stats->delivered = client_delivered(client, count);
	stats->delivered_bytes = client_delivered_bytes(client, count);
	stats->lost = client->lost;
	stats->flushed = client->flushed;
	stats->wakeups = client->wakeups;
	stats->pended = client->pended;
	stats->cancelled = client->cancelled;
	spin_unlock_bh(&client->lock);
}
EXPORT_SYMBOL_GPL(acq_client_stats);
