// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device: what a source registers as, the numbers and the fan-out.
 *
 * Lifetime. struct acq_device is freed with the last reference to its struct
 * device: one is the registration's, one each client's. acq_unregister() ends all
 * use of the source; clients that remain find @dead.
 */
#include <linux/acq.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "core.h"
#include "trace.h"

#define DEVICE_MINORS 256
/* Between drain and fan-out: no more than a cache holds, but one whole frame. */
#define BATCH_BYTES_MAX (1024 * 1024)
/* The first has hardware, the others a client of the one before. */
#define DEVICE_DEPTHS (ACQ_CHAIN_MAX + 1)
/* A source that is late brings more than one interrupt's worth. */
#define BATCH_BYTES_MIN (16 * 1024)

static dev_t device_numbers;
static DEFINE_IDA(device_indexes);
static struct lock_class_key device_lock_keys[DEVICE_DEPTHS];

static void device_release(struct device *dev)
{
	struct acq_device *adev = container_of(dev, struct acq_device, dev);

	kvfree(adev->batch.buf);
	kfree(adev);
}

/* Geometry */

static bool geometry_ok(const struct acq_source *src, const struct acq_geometry *geo)
{
	return geo->channels >= 1 && geo->channels <= U8_MAX && geo->samples >= 1 &&
	       geo->payload_max >= 1 && geo->payload_max <= ACQ_PAYLOAD_LIMIT && geo->format < 32 &&
	       (src->formats & BIT(geo->format));
}

/* A new buffer for batches, as @geo needs it. Context: adev->lock, or not registered. */
static int batch_alloc(struct acq_device *adev, const struct acq_geometry *geo)
{
	u32 stride = acq_frame_stride(geo->payload_max);
	u32 frames = clamp_t(u32, max_t(u32, geo->batch, BATCH_BYTES_MIN / stride), 1,
			     BATCH_BYTES_MAX / stride);
	void *buf = kvcalloc(frames, stride, GFP_KERNEL | __GFP_NOWARN);

	if (!buf)
		return -ENOMEM;
	kvfree(adev->batch.buf);
	adev->batch.buf = buf;
	adev->batch.capacity = frames;
	adev->stride = stride;
	return 0;
}

/**
 * acq_geometry_get() - the geometry must stand still from here on
 * @adev: held by the caller
 *
 * Context: any.
 * Return: false while a setup is under way.
 */
bool acq_geometry_get(struct acq_device *adev)
{
	return atomic_inc_unless_negative(&adev->geometry);
}

/**
 * acq_geometry_put() - undo acq_geometry_get()
 * @adev: held by the caller
 */
void acq_geometry_put(struct acq_device *adev)
{
	atomic_dec(&adev->geometry);
}

static int device_change(struct acq_device *adev,
			 int (*change)(struct acq_geometry *geo, void *arg), void *arg)
{
	const struct acq_source_ops *ops = adev->src.ops;
	struct acq_geometry geo = adev->src.geo;
	int ret;

	if (!ops->setup)
		return 0; /* nothing can be set: what is in force is granted */
	ret = change(&geo, arg);
	if (!ret)
		ret = ops->setup(adev->src.priv, &geo);
	if (ret)
		return ret;
	if (!geometry_ok(&adev->src, &geo))
		ret = -EINVAL;
	else
		ret = batch_alloc(adev, &geo);
	if (ret) {
		/* The source has the new geometry, the device the old: go back. */
		geo = adev->src.geo;
		ops->setup(adev->src.priv, &geo);
		return ret;
	}
	adev->src.geo = geo;
	return 0;
}

/**
 * acq_device_setup() - acq_setup(), and say what was granted
 * @adev: held by the caller
 * @change: see acq_setup()
 * @arg: see acq_setup()
 * @granted: gets the geometry that is in force
 *
 * Return: as acq_setup().
 */
int acq_device_setup(struct acq_device *adev, int (*change)(struct acq_geometry *geo, void *arg),
		     void *arg, struct acq_geometry *granted)
{
	int ret = -ENODEV;

	if (mutex_lock_interruptible(&adev->lock))
		return -ERESTARTSYS;
	if (!adev->dead) {
		ret = -EBUSY;
		if (!atomic_cmpxchg(&adev->geometry, 0, -1)) {
			ret = device_change(adev, change, arg);
			/* Pairs with the inc in acq_geometry_get(): who gets it sees this one. */
			atomic_set_release(&adev->geometry, 0);
		}
	}
	*granted = adev->src.geo;
	mutex_unlock(&adev->lock);
	return ret;
}

int acq_setup(struct acq_device *adev, int (*change)(struct acq_geometry *geo, void *arg),
	      void *arg)
{
	struct acq_geometry granted;

	return acq_device_setup(adev, change, arg, &granted);
}
EXPORT_SYMBOL_GPL(acq_setup);

/* Start, stop, attach, detach */

static int device_start(struct acq_device *adev)
{
	int ret;

	adev->batch.count = 0;
	adev->batch.flags = 0;
	WRITE_ONCE(adev->running, true);
	ret = adev->src.ops->start(adev->src.priv, adev);
	if (ret) {
		WRITE_ONCE(adev->running, false);
		acq_irq_flush(adev);
	}
	return ret;
}

static void device_stop(struct acq_device *adev)
{
	WRITE_ONCE(adev->running, false);
	acq_irq_flush(adev);
	adev->src.ops->stop(adev->src.priv);
}

static void device_remove_client(struct acq_device *adev, struct acq_client *client)
{
	adev->nattached--;
	list_del_rcu(&client->attached);
	/* The bottom half may be at this client now. */
	synchronize_rcu();
}

/**
 * acq_device_attach() - give a client the frames; start with the first one
 * @adev: not dead
 * @client: not attached, its ring ready
 *
 * Context: process, adev->lock held.
 * Return: 0, or what the source's start() returned.
 */
int acq_device_attach(struct acq_device *adev, struct acq_client *client)
{
	int ret;

	lockdep_assert_held(&adev->lock);
	list_add_tail_rcu(&client->attached, &adev->attached);
	if (adev->nattached++ || adev->asleep)
		return 0;
	ret = device_start(adev);
	if (ret)
		device_remove_client(adev, client);
	return ret;
}

/**
 * acq_device_detach() - no frames any more; stop with the last client
 * @adev: may be dead
 * @client: attached; on return nobody but its owner touches it
 *
 * Context: process, adev->lock held.
 */
void acq_device_detach(struct acq_device *adev, struct acq_client *client)
{
	lockdep_assert_held(&adev->lock);
	if (adev->nattached == 1 && !adev->dead && !adev->asleep)
		device_stop(adev);
	device_remove_client(adev, client);
}

/**
 * acq_device_suspend() - the system goes to sleep: stop the source
 * @adev: registered
 *
 * Context: process, may sleep. Devices downstream have been suspended already.
 */
void acq_device_suspend(struct acq_device *adev)
{
	mutex_lock(&adev->lock);
	if (adev->nattached)
		device_stop(adev);
	adev->asleep = true;
	mutex_unlock(&adev->lock);
}

/* The hardware does not start any more: an end, as STOP makes it, is better than silence. */
static void device_stop_clients(struct acq_device *adev)
{
	struct acq_client *client;

	/* Not to be stopped again by the last one. */
	adev->asleep = true;
	list_for_each_entry(client, &adev->opened, opened)
		if (client->state == ACQ_CLIENT_ATTACHED)
			acq_client_stop(client);
	adev->asleep = false;
}

/**
 * acq_device_resume() - the system is awake: start the source if it has clients
 * @adev: suspended
 *
 * What was missed meanwhile nobody can count, so for each client it is a new
 * beginning. If the hardware does not start, the clients are stopped.
 *
 * Context: process, may sleep. Devices upstream have been resumed already.
 */
void acq_device_resume(struct acq_device *adev)
{
	struct acq_client *client;
	int ret = 0;

	mutex_lock(&adev->lock);
	adev->asleep = false;
	list_for_each_entry(client, &adev->opened, opened)
		if (client->state == ACQ_CLIENT_ATTACHED)
			acq_client_mark_start(client);
	if (adev->nattached)
		ret = device_start(adev);
	if (ret) {
		dev_err(&adev->dev, "%s does not start after sleep: %d\n", adev->source, ret);
		device_stop_clients(adev);
	}
	mutex_unlock(&adev->lock);
}

/* Batches */

static struct acq_device *batch_device(const struct acq_batch *batch)
{
	return container_of(batch, struct acq_device, batch);
}

static struct acq_frame *batch_frame(const struct acq_batch *batch, u32 n)
{
	return batch->frames + (size_t)n * batch_device(batch)->stride;
}

/*
 * A client in whose ring frames can be made, and need not be copied there: it has room,
 * and its ring's pages are ours. To its own a program could write, while the source is at
 * work there, and before others get their copies.
 */
static struct acq_client *batch_home(const struct acq_batch *batch)
{
	struct list_head *attached = &batch_device(batch)->attached;
	struct acq_client *client;

	if (!batch->rcu)
		return NULL;
	client = list_first_or_null_rcu(attached, struct acq_client, attached);
	if (!client || client->ring.buffer || !acq_ring_sync(&client->ring))
		return NULL;
	return acq_ring_room(&client->ring) ? client : NULL;
}

static void batch_begin(struct acq_batch *batch)
{
	struct acq_client *home = batch_home(batch);

	batch->home = home;
	batch->frames = home ? acq_ring_frame(&home->ring, home->ring.fifo.in) : batch->buf;
	batch->room = home ? min(acq_ring_room(&home->ring), batch->capacity) : batch->capacity;
}

/**
 * acq_batch_send() - what was committed goes to every client
 * @adev: running
 *
 * The one in whose ring it is comes last: then the frames are its own, to mark and to show.
 *
 * Context: the bottom half.
 */
void acq_batch_send(struct acq_device *adev)
{
	struct acq_batch *batch = &adev->batch;
	struct acq_client *client;

	if (!batch->count)
		return;
	rcu_read_lock();
	list_for_each_entry_rcu(client, &adev->attached, attached) {
		if (client != batch->home)
			acq_client_push(client, batch);
	}
	if (batch->home)
		acq_client_push(batch->home, batch);
	rcu_read_unlock();
	batch->count = 0;
	batch->flags = 0;
}

void *acq_batch_reserve(struct acq_batch *batch, u32 *frames)
{
	if (!batch->count || batch->count == batch->room) {
		acq_batch_send(batch_device(batch));
		batch_begin(batch);
	}
	*frames = min(*frames, batch->room - batch->count);
	return batch_frame(batch, batch->count)->data;
}
EXPORT_SYMBOL_GPL(acq_batch_reserve);

/* Headers that differ in seq alone, their first word. */
static void batch_stamp(void *at, u32 frames, u32 stride, const struct acq_frame *first)
{
	u64 words[sizeof(*first) / sizeof(u64)];

	BUILD_BUG_ON(offsetof(struct acq_frame, seq) || sizeof(words) != sizeof(*first));
	memcpy(words, first, sizeof(words));
	for (; frames; frames--, at += stride, words[0]++)
		memcpy(at, words, sizeof(words));
}

void acq_batch_commit(struct acq_batch *batch, u32 frames, u32 bytes, u16 flags)
{
	struct acq_device *adev = batch_device(batch);
	const struct acq_geometry *geo = &adev->src.geo;
	u32 valid = min(bytes, geo->payload_max);
	u32 stride = adev->stride, i;
	u32 pad = stride - sizeof(struct acq_frame) - valid;
	struct acq_frame *first = batch_frame(batch, batch->count);
	struct acq_frame header = {
		.seq = batch->seq,
		.timestamp_ns = batch->timestamp_ns,
		.bytes = valid,
		.stride = stride,
		.rate_hz = geo->rate_hz,
		.flags = (flags | batch->mark) & ~ACQ_FRAME_HW_OVERRUN,
		.format = geo->format,
		.channels = geo->channels,
	};

	if (!frames)
		return;
	flags |= batch->mark;
	batch->mark = 0;
	batch->flags |= flags;
	if (!batch->count)
		batch->first_flags = flags;
	batch_stamp(first, frames, stride, &header);
	first->flags = flags;
	for (i = 0; pad && i < frames; i++)
		memset(first->data + (size_t)i * stride + valid, 0, pad);
	batch->seq += frames;
	batch->count += frames;
}
EXPORT_SYMBOL_GPL(acq_batch_commit);

void acq_batch_hw_lost(struct acq_batch *batch, u32 count)
{
	struct acq_device *adev = batch_device(batch);

	WRITE_ONCE(adev->hw_lost, adev->hw_lost + count);
	batch->mark |= ACQ_FRAME_HW_OVERRUN;
}
EXPORT_SYMBOL_GPL(acq_batch_hw_lost);

void acq_batch_gap(struct acq_batch *batch, u64 frames)
{
	struct acq_device *adev = batch_device(batch);
	struct acq_client *client;

	if (!frames)
		return;
	acq_batch_send(adev);
	rcu_read_lock();
	list_for_each_entry_rcu(client, &adev->attached, attached)
		acq_client_gap(client, batch->seq, frames);
	rcu_read_unlock();
	batch->seq += frames;
}
EXPORT_SYMBOL_GPL(acq_batch_gap);

u32 acq_batch_stride(const struct acq_batch *batch)
{
	return batch_device(batch)->stride;
}
EXPORT_SYMBOL_GPL(acq_batch_stride);

u64 acq_batch_seq(const struct acq_batch *batch)
{
	return batch->seq;
}
EXPORT_SYMBOL_GPL(acq_batch_seq);

struct acq_batch *acq_push_begin(struct acq_device *adev, ktime_t timestamp)
{
	adev->batch.timestamp_ns = ktime_to_ns(timestamp);
	trace_acq_drain(adev);
	return &adev->batch;
}
EXPORT_SYMBOL_GPL(acq_push_begin);

void acq_push_end(struct acq_batch *batch)
{
	trace_acq_drained(batch_device(batch));
	acq_batch_send(batch_device(batch));
}
EXPORT_SYMBOL_GPL(acq_push_end);

/* Registration */

static bool source_ok(const struct acq_source *src)
{
	const struct acq_source_ops *ops = src->ops;

	if (!src->name || !ops || !ops->owner || !ops->start || !ops->stop)
		return false;
	if (src->irq < 0 || (src->irq && (!ops->quiet || !ops->drain || !ops->unquiet)))
		return false;
	return geometry_ok(src, &src->geo);
}

static struct acq_device *device_alloc(const struct acq_source *src)
{
	struct acq_device *adev = kzalloc(sizeof(*adev), GFP_KERNEL);

	if (!adev)
		return NULL;
	adev->src = *src;
	strscpy(adev->source, src->name, sizeof(adev->source));
	adev->index = -1;
	adev->depth = src->upstream ? src->upstream->adev->depth + 1 : 0;
	mutex_init(&adev->lock);
	lockdep_set_class(&adev->lock, &device_lock_keys[adev->depth]);
	INIT_LIST_HEAD(&adev->opened);
	INIT_LIST_HEAD(&adev->attached);
	device_initialize(&adev->dev);
	adev->dev.class = &acq_class;
	adev->dev.parent = src->parent;
	adev->dev.release = device_release;
	cdev_init(&adev->cdev, &acq_fops);
	/* An open file pins the source's module by the cdev, ours by the fops. */
	adev->cdev.owner = src->ops->owner;
	return adev;
}

/* /dev/acq is the first, /dev/acq1 the next. */
static int device_name(struct acq_device *adev)
{
	int index = ida_alloc_max(&device_indexes, DEVICE_MINORS - 1, GFP_KERNEL);

	if (index < 0)
		return index;
	adev->index = index;
	adev->dev.devt = device_numbers + index;
	return index ? dev_set_name(&adev->dev, "acq%d", index) : dev_set_name(&adev->dev, "acq");
}

static void device_put_name(struct acq_device *adev)
{
	if (adev->index >= 0)
		ida_free(&device_indexes, adev->index);
}

struct acq_device *acq_register(const struct acq_source *src)
{
	struct acq_device *adev;
	int ret;

	if (!source_ok(src))
		return ERR_PTR(-EINVAL);
	if (src->upstream && src->upstream->adev->depth >= ACQ_CHAIN_MAX) {
		pr_err("acq: %s: %s has %u devices upstream, and no chain is longer\n", src->name,
		       dev_name(&src->upstream->adev->dev), ACQ_CHAIN_MAX);
		return ERR_PTR(-ELOOP);
	}
	adev = device_alloc(src);
	if (!adev)
		return ERR_PTR(-ENOMEM);
	ret = device_name(adev);
	if (ret)
		goto put_name;
	ret = batch_alloc(adev, &adev->src.geo);
	if (ret)
		goto put_name;
	ret = acq_irq_request(adev);
	if (ret)
		goto put_name;
	ret = cdev_device_add(&adev->cdev, &adev->dev);
	if (ret)
		goto free_irq;
	acq_debugfs_add(adev);
	return adev;

free_irq:
	acq_irq_free(adev);
put_name:
	device_put_name(adev);
	put_device(&adev->dev);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(acq_register);

void acq_unregister(struct acq_device *adev)
{
	struct acq_client *client;

	/* No new files. Those that are open hold the device, not the source. */
	cdev_device_del(&adev->cdev, &adev->dev);
	acq_debugfs_remove(adev);
	device_put_name(adev);

	mutex_lock(&adev->lock);
	if (adev->nattached && !adev->asleep)
		device_stop(adev);
	acq_irq_free(adev);
	adev->dead = true;
	trace_acq_unplug(adev);
	list_for_each_entry(client, &adev->opened, opened)
		acq_client_hangup(client);
	mutex_unlock(&adev->lock);
	put_device(&adev->dev);
}
EXPORT_SYMBOL_GPL(acq_unregister);

const char *acq_device_name(const struct acq_device *adev)
{
	return dev_name(&adev->dev);
}
EXPORT_SYMBOL_GPL(acq_device_name);

static int __init acq_init(void)
{
	int ret;

	ret = class_register(&acq_class);
	if (ret)
		return ret;
	ret = alloc_chrdev_region(&device_numbers, 0, DEVICE_MINORS, "acq");
	if (ret)
		class_unregister(&acq_class);
	else
		acq_debugfs_init();
	return ret;
}
module_init(acq_init);

static void __exit acq_exit(void)
{
	acq_debugfs_exit();
	unregister_chrdev_region(device_numbers, DEVICE_MINORS);
	class_unregister(&acq_class);
	ida_destroy(&device_indexes);
}
module_exit(acq_exit);

MODULE_DESCRIPTION("Data from an interrupting device into programs");
MODULE_AUTHOR("The acq authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
