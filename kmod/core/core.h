/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside acq.ko. Sources see <linux/acq.h> and nothing of this.
 *
 * Locks, outermost first:
 *
 *	client->consumer	mutex	who takes frames out; held while copying to
 *					user memory, so it may be held for as long
 *					as a program likes: system calls take it
 *					interruptibly, the worker only tries
 *	  mmap_lock			(by a fault in that copy)
 *	  device->lock		mutex	attach, detach, setup, start, stop, unplug
 *	client->map_lock	mutex	the ring's storage; taken by mmap under
 *					mmap_lock, hence separate; inside
 *					device->lock where both are held
 *	  client->lock		spin	positions against FLUSH, requests, marks;
 *					taken by the bottom half: _bh
 *
 * A source that is a client itself starts and stops what is upstream under its own
 * device->lock, so that of the device upstream nests in it: a lock class for each
 * depth of a chain.
 *
 * The bottom half walks device->attached under RCU and takes client->lock alone.
 */
#ifndef _ACQ_CORE_H
#define _ACQ_CORE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/acq.h>

#include "compat.h"
#include "ring.h"

/**
 * struct acq_batch - the frames of one run of the bottom half, before fan-out
 * @buf: @capacity frames of the device's stride
 * @capacity: frames that fit, and no batch has more
 * @home: the client in whose ring they are made, unseen until they are pushed; or NULL
 *	when that is @buf. acq_batch_reserve() chooses it while @count is 0; until then
 *	it, @frames and @room are of the batch before, and nobody looks at them
 * @rcu: rcu_read_lock() is held for as long as the batch is, so there may be a @home
 * @frames: where they are made
 * @room: frames that may be made there
 * @count: frames committed
 * @seq: of frame @count
 * @timestamp_ns: of all of them
 * @mark: flags the next committed frame gets besides its own
 * @first_flags: of the first committed frame
 * @flags: of all committed frames
 *
 * Belongs to whoever runs the bottom half; the device's mutex while stopped.
 */
struct acq_batch {
	void *buf;
	u32 capacity;
	struct acq_client *home;
	bool rcu;
	void *frames;
	u32 room;
	u32 count;
	u64 seq;
	u64 timestamp_ns;
	u16 mark;
	u16 first_flags;
	u16 flags;
};

/**
 * struct acq_device - a device node and what feeds it
 * @dev: its reference count is the lifetime of this struct
 * @cdev: the node
 * @index: of the name, -1: none yet
 * @depth: devices upstream
 * @src: the source; its pointers are not to be used once @dead
 * @source: its name, which outlives it
 * @lock: attach, detach, setup, start, stop, unplug
 * @dead: unplugged (under @lock; read without it as a hint)
 * @asleep: the system sleeps, and the source is stopped (under @lock)
 * @opened: all clients (under @lock)
 * @client_ids: given out so far (under @lock)
 * @attached: clients that get frames (RCU; changed under @lock)
 * @nattached: how many those are (under @lock)
 * @geometry: users that need it to stand still: attached clients, mappings,
 *	shared buffers. Negative: a setup is under way
 * @stride: bytes of a frame (written by setup only)
 * @batch: between drain and fan-out
 * @running: the bottom half may call the source (written under @lock)
 * @bottom_half: enum acq_bottom_half
 * @work: the bottom half, if a work item
 * @tasklet: the bottom half, if a tasklet
 * @irq_time: timestamp of the interrupt under way. Written by the hard handler,
 *	read by the bottom half; the source is quiet in between
 * @timestamp: enum acq_timestamp (hard handler)
 * @irqs: the device's own (hard handler)
 * @spurious: not its own (hard handler)
 * @hw_lost: reported by the source (bottom half)
 * @debugfs: its folder, until it is unregistered
 */
struct acq_device {
	struct device dev;
	struct cdev cdev;
	int index;
	unsigned int depth;
	struct acq_source src;
	char source[32];

	struct mutex lock; /* attach, detach, setup, start, stop, unplug */
	bool dead;
	bool asleep;
	struct list_head opened;
	u32 client_ids;
	struct list_head attached;
	unsigned int nattached;
	atomic_t geometry;
	u32 stride;

	struct acq_batch batch;
	bool running;
	u8 bottom_half;
	struct work_struct work;
	struct tasklet_struct tasklet;
	u64 irq_time;
	u8 timestamp;
	u64 irqs;
	u64 spurious;
	u64 hw_lost;
	struct dentry *debugfs;
};

enum acq_client_state {
	ACQ_CLIENT_IDLE, /* never attached: a read or poll will */
	ACQ_CLIENT_ATTACHED,
	ACQ_CLIENT_STOPPED, /* only START attaches again */
};

/**
 * struct acq_client - one consumer of a device: an open file, or a driver
 * @adev: counted reference
 * @id: its number on @adev, from 1
 * @comm: who it is: the program that opened it, or the module
 * @pid: of that program, 0 for a module
 * @ops: a driver's functions, NULL for a file
 * @priv: their first argument
 * @opened: in @adev->opened
 * @attached: in @adev->attached
 * @state: enum acq_client_state (written under @adev->lock)
 * @consumer: see above
 * @map_lock: ring storage, @ring_frames, @watermark, @latency_us, @maps
 * @maps: mappings of whatever part of the ring
 * @ring: its storage changes under @adev->lock and @map_lock while not attached;
 *	mmap, which can't have the former, only makes one where there is none
 * @ring_frames: asked for by CONFIGURE, 0: the default
 * @watermark: frames that make the client ready
 * @latency_us: or this long after the oldest frame came, 0: never
 * @lock: all that follows
 * @mark: flags for the next frame: START, GAP, HW_OVERRUN
 * @accepted: frames put into the ring
 * @lost: frames dropped
 * @flushed: frames thrown away
 * @bytes_base: delivered bytes at @frames_base, when the stride last changed
 * @frames_base: delivered frames, then
 * @wakeups: see struct acq_stats
 * @pended: see struct acq_stats
 * @cancelled: see struct acq_stats
 * @waiting: those of @requests
 * @requests: blocked reads and AIO, in order of issue
 * @late: frames before this position are past the latency bound
 * @timer_armed: the latency timer will come
 * @eventfd: counted reference, or NULL
 * @timer: latency bound
 * @wq: who polls
 * @fasync: who wants SIGIO (fasync_helper's own lock)
 * @work: completes AIO (request.c), or calls a driver's frames() (driver.c)
 * @gone: calls a driver's gone()
 * @told: @gone has been queued (@work)
 */
struct acq_client {
	struct acq_device *adev;
	u32 id;
	char comm[TASK_COMM_LEN];
	pid_t pid;
	const struct acq_client_ops *ops;
	void *priv;
	struct list_head opened;
	struct list_head attached;
	int state;

	struct mutex consumer; /* who takes frames out */
	struct mutex map_lock; /* the ring's storage, and the settings */
	atomic_t maps;
	struct acq_ring ring;
	u32 ring_frames;
	u32 watermark;
	u32 latency_us;

	spinlock_t lock; /* all that follows, to @eventfd */
	u16 mark;
	u64 accepted;
	u64 lost;
	u64 flushed;
	u64 bytes_base;
	u64 frames_base;
	u64 wakeups;
	u64 pended;
	u64 cancelled;
	u32 waiting;
	struct list_head requests;
	u32 late;
	bool timer_armed;
	struct eventfd_ctx *eventfd;

	struct hrtimer timer;
	wait_queue_head_t wq;
	struct fasync_struct *fasync;
	struct work_struct work;
	struct work_struct gone;
	bool told;
};

/* device.c */
int acq_device_attach(struct acq_device *adev, struct acq_client *client);
void acq_device_detach(struct acq_device *adev, struct acq_client *client);
int acq_device_setup(struct acq_device *adev, int (*change)(struct acq_geometry *geo, void *arg),
		     void *arg, struct acq_geometry *granted);
bool acq_geometry_get(struct acq_device *adev);
void acq_geometry_put(struct acq_device *adev);
void acq_batch_send(struct acq_device *adev);
void acq_device_suspend(struct acq_device *adev);
void acq_device_resume(struct acq_device *adev);

static inline u32 acq_frame_stride(u32 payload_max)
{
	return ALIGN(sizeof(struct acq_frame) + payload_max, 8);
}

/* irq.c */
int acq_irq_request(struct acq_device *adev);
void acq_irq_free(struct acq_device *adev);
void acq_irq_flush(struct acq_device *adev);

/* ring.c */
u32 acq_ring_frames(u32 frames, u32 stride);
u32 acq_ring_frames_max(u32 stride);
u64 acq_ring_bytes_max(void);
int acq_ring_alloc(struct acq_ring *ring, u32 frames, u32 stride);
int acq_ring_share(struct acq_ring *ring, struct acq_buffer *buffer, u32 stride);
void acq_ring_free(struct acq_ring *ring);
int acq_ring_map(struct acq_ring *ring, struct vm_area_struct *vma);
bool acq_ring_map_begin(struct acq_ring *ring);
void acq_ring_map_end(struct acq_ring *ring);
bool acq_ring_sync(struct acq_ring *ring);
u32 acq_ring_put(struct acq_ring *ring, const void *frames, u32 count);
u32 acq_ring_room(const struct acq_ring *ring);
void acq_ring_fill(struct acq_ring *ring, u32 frames);
void acq_ring_publish(struct acq_ring *ring);
void acq_ring_set(struct acq_ring *ring, u32 clear, u32 set);
const struct acq_frame *acq_ring_peek(struct acq_ring *ring, u32 *frames);
void acq_ring_consume(struct acq_ring *ring, u32 frames);
u32 acq_ring_take(struct acq_ring *ring, struct iov_iter *to, u32 frames);
void acq_ring_flush(struct acq_ring *ring);

/* client.c */
struct acq_client *acq_client_new(struct acq_device *adev, const struct acq_client_ops *ops,
				  void *priv);
void acq_client_free(struct acq_client *client);
int acq_client_attach(struct acq_client *client, bool again);
void acq_client_stop(struct acq_client *client);
u32 acq_client_ring_frames(struct acq_client *client);
void acq_client_hangup(struct acq_client *client);
int acq_client_prepare(struct acq_client *client);
int acq_client_share(struct acq_client *client, struct acq_buffer *buffer);
void acq_client_drop_ring(struct acq_client *client);
void acq_client_flush(struct acq_client *client);
void acq_client_push(struct acq_client *client, const struct acq_batch *batch);
void acq_client_gap(struct acq_client *client, u64 seq, u64 frames);
void acq_client_mark_start(struct acq_client *client);
bool acq_client_late(const struct acq_client *client, u32 count);
bool acq_client_pollable(struct acq_client *client);
void acq_client_look_again(struct acq_client *client);

/**
 * acq_client_ready() - the one predicate
 * @client: any state
 * @look: from acq_ring_look()
 * @fits: frames that whoever asks has room for
 *
 * Context: as acq_ring_look().
 * Return: whether it is.
 */
static inline bool acq_client_ready(const struct acq_client *client, struct acq_look look,
				    size_t fits)
{
	u32 most;

	if (look.state & (ACQ_RING_BROKEN | ACQ_RING_STOPPED | ACQ_RING_GONE))
		return !(look.state & ACQ_RING_BROKEN);
	/* A watermark above a ring that shrank is reached when it is full. */
	most = min(READ_ONCE(client->watermark), acq_ring_size(&client->ring));
	if (look.count >= min_t(size_t, most, fits))
		return true;
	return READ_ONCE(client->latency_us) && acq_client_late(client, look.count);
}

/* request.c */
ssize_t acq_read_iter(struct kiocb *iocb, struct iov_iter *to);
void acq_request_end(struct acq_client *client);
bool acq_request_kick(struct acq_client *client);
void acq_request_look_again(struct acq_client *client);
void acq_request_work(struct work_struct *work);

/**
 * acq_client_lock() - become the consumer
 * @client: of the caller's file
 * @nowait: rather fail than wait
 *
 * Return: 0, -EAGAIN, -ERESTARTSYS.
 */
static inline int acq_client_lock(struct acq_client *client, bool nowait)
{
	if (mutex_trylock(&client->consumer))
		return 0;
	if (nowait)
		return -EAGAIN;
	return mutex_lock_interruptible(&client->consumer) ? -ERESTARTSYS : 0;
}

/**
 * acq_client_unlock() - undo acq_client_lock()
 * @client: of the caller's file
 *
 * The worker only tries the lock, so whoever gives it back looks after the queue:
 * the worker's request is in the queue before it tries.
 */
static inline void acq_client_unlock(struct acq_client *client)
{
	mutex_unlock(&client->consumer);
	acq_poll_barrier(); /* C of ring.c */
	if (!list_empty(&client->requests))
		acq_request_look_again(client);
}

/* driver.c */
void acq_driver_init(struct acq_client *client);
bool acq_driver_kick(struct acq_client *client);

/* event.c */
bool acq_event_wanted(struct acq_client *client);
__poll_t acq_event_poll(struct acq_client *client);
void acq_event_notify(struct acq_client *client);
int acq_event_set_fd(struct acq_client *client, int fd);

/* buffer.c */

/**
 * struct acq_buffer - memory of a program, pinned and accounted
 * @user: whose RLIMIT_MEMLOCK it counts against, NULL if unlimited; a reference
 * @mm: whose VmPin it counts in; a grab, not a user
 * @accounted: pages counted
 * @npages: pages pinned
 * @pages: they
 */
struct acq_buffer {
	struct user_struct *user;
	struct mm_struct *mm;
	unsigned int accounted;
	unsigned int npages;
	struct page *pages[];
};

struct acq_buffer *acq_buffer_alloc(unsigned int npages);
int acq_buffer_pin(struct acq_buffer *buffer, unsigned long addr, unsigned int npages);
struct acq_buffer *acq_buffer_pin_range(unsigned long addr, unsigned int npages);
void acq_buffer_free(struct acq_buffer *buffer, unsigned int dirty);

/* file.c */
extern const struct file_operations acq_fops;

/* ioctl.c */
long acq_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* sysfs.c */
extern struct class acq_class;

/* debugfs.c */
void acq_debugfs_add(struct acq_device *adev);
void acq_debugfs_remove(struct acq_device *adev);
void acq_debugfs_init(void);
void acq_debugfs_exit(void);

#endif /* _ACQ_CORE_H */
