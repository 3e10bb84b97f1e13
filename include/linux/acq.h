/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * acq between drivers: what a source needs to feed a device, in one header.
 *
 * A source knows its hardware and nothing else: how to quiet the interrupt, how
 * to drain the data, how to let it interrupt again, how to start and stop. The
 * core owns the interrupt, the sequence numbers, the timestamps and the clients.
 *
 *	hard handler	quiet()
 *	bottom half	drain(), then unquiet()
 *	process		setup(), start(), stop(): one at a time, the device's
 *			mutex is held; start() and stop() alternate
 *
 * The core guarantees: no drain() or unquiet() before start() is called nor
 * after stop() is; drain() never runs twice at once; nothing at all after
 * acq_unregister() has returned. quiet() can come at any time between
 * acq_register() and acq_unregister(), because the line may be shared, and while
 * the source is stopped too.
 */
#ifndef _LINUX_ACQ_H
#define _LINUX_ACQ_H

#include <linux/ktime.h>
#include <linux/types.h>
#include <uapi/linux/acq.h>

struct acq_batch;
struct acq_device;
struct device;
struct module;

/**
 * struct acq_geometry - what the frames of a source look like
 * @rate_hz: frames per second, 0 if aperiodic
 * @channels: values of one scan, 1..255
 * @samples: scans of one frame, at least 1
 * @payload_max: most payload bytes of a frame, 1..ACQ_PAYLOAD_LIMIT
 * @batch: frames that one interrupt brings at most; a hint that sizes the buffer
 *	between drain() and the clients' rings
 * @format: enum acq_format
 */
struct acq_geometry {
	u32 rate_hz;
	u32 channels;
	u32 samples;
	u32 payload_max;
	u32 batch;
	u8 format;
};

/* A frame, header included, must fit into the buffer of a batch. */
#define ACQ_PAYLOAD_LIMIT (512 * 1024)

/**
 * struct acq_source_ops - what the core asks of a source
 * @owner: module that is pinned while a file of the device is open
 * @setup: optional. Round @geo to what the hardware can do and make it so; all
 *	its fields may be written, payload_max must be right on return. May sleep.
 *	Not called while streaming. An error leaves the old geometry in force; if
 *	the core can't follow, @setup is called again with the old one, and must
 *	take it. Without it nothing can be set.
 * @start: let the hardware acquire and interrupt. May sleep.
 * @stop: end it; the hardware must not interrupt any more. May sleep. Cannot
 *	fail, and is called for hardware that is gone as well.
 * @quiet: is this interrupt the hardware's? If so make it stop asserting it and
 *	return true. Hard interrupt context on every kernel (use raw spinlocks)
 *	unless the line is shared on PREEMPT_RT. Not needed without an interrupt.
 * @drain: put what the hardware holds into @batch. Context of the bottom half:
 *	must not sleep unless the source has ACQ_SOURCE_SLEEPS. Must end: drain no
 *	more than was there at the time of the call plus what one batch holds.
 * @unquiet: let the hardware interrupt again. If data came in the meantime it
 *	must interrupt at once. Same context as @drain.
 */
struct acq_source_ops {
	struct module *owner;
	int (*setup)(void *priv, struct acq_geometry *geo);
	int (*start)(void *priv);
	void (*stop)(void *priv);
	bool (*quiet)(void *priv);
	void (*drain)(void *priv, struct acq_batch *batch);
	void (*unquiet)(void *priv);
};

/* drain() may sleep: the device can't use the tasklet */
#define ACQ_SOURCE_SLEEPS BIT(0)

/**
 * struct acq_source - a source as it registers
 * @name: of the driver, at most 31 characters
 * @ops: its functions; must outlive the device
 * @priv: first argument of each; the source's, until acq_unregister() returns
 * @parent: the hardware's struct device
 * @irq: the interrupt, which the core requests; 0: none, the source calls
 *	acq_push_begin() and acq_push_end() itself
 * @irqflags: IRQF_SHARED, IRQF_TRIGGER_*; never IRQF_ONESHOT: the hardware is
 *	quieted at the hardware
 * @flags: ACQ_SOURCE_*
 * @geo: to begin with
 * @rate_max_hz: the most that setup() grants, 0 if the rate can't be set
 * @channels_max: the most that setup() grants
 * @samples_max: the most that setup() grants
 * @formats: BIT(enum acq_format) of each format it knows
 */
struct acq_source {
	const char *name;
	const struct acq_source_ops *ops;
	void *priv;
	struct device *parent;
	int irq;
	unsigned long irqflags;
	unsigned int flags;
	struct acq_geometry geo;
	u32 rate_max_hz;
	u32 channels_max;
	u32 samples_max;
	u32 formats;
};

/**
 * acq_register() - make a device of a source; /dev/acqN appears when it is ready
 * @src: copied
 *
 * Context: process, may sleep. quiet() may be called before it returns.
 * Return: the device, or ERR_PTR(): -EINVAL for a source that contradicts itself
 * (a geometry out of bounds, a tasklet for a source that sleeps), -ENOMEM, or
 * what requesting the interrupt returned.
 */
struct acq_device *acq_register(const struct acq_source *src);

/**
 * acq_unregister() - unplug: end the device, whoever has it open
 * @adev: from acq_register(); not to be used any more
 *
 * Stops the source, frees the interrupt, and lets the clients read what their
 * rings hold and then ENODEV. Waits for no program.
 *
 * Context: process, may sleep. Must not be called from the source's ops.
 */
void acq_unregister(struct acq_device *adev);

/**
 * acq_device_name() - name of the device node, without /dev/
 * @adev: from acq_register()
 *
 * Return: the name, as long as the device is registered.
 */
const char *acq_device_name(const struct acq_device *adev);

/**
 * acq_setup() - change the geometry from the source's side (sysfs, say)
 * @adev: from acq_register()
 * @change: called with the current geometry, under the device's mutex, not while
 *	streaming; alters it, returns 0 or an error that ends the call. The
 *	source's setup() is called next, as for ACQ_IOC_SETUP.
 * @arg: second argument of @change
 *
 * Context: process, may sleep. Not from the source's ops.
 * Return: 0, -EBUSY while any client is attached, mapped or shared, -ENODEV, or
 * what @change or setup() returned.
 */
int acq_setup(struct acq_device *adev, int (*change)(struct acq_geometry *geo, void *arg),
	      void *arg);

/**
 * acq_batch_reserve() - room for frames, to be filled in place
 * @batch: of this drain() or push
 * @frames: in: how many are wanted, at least 1; out: how many payloads lie there,
 *	acq_batch_stride() bytes apart, at least 1
 *
 * Context: drain(), or between acq_push_begin() and acq_push_end(). If the
 * batch's buffer is full, what is in it goes to the clients first.
 * Return: payload of the first of these frames. What lies there is old; it is
 * the source's until acq_batch_commit(), and payload_max bytes long.
 */
void *acq_batch_reserve(struct acq_batch *batch, u32 *frames);

/**
 * acq_batch_commit() - frames are complete
 * @batch: of this drain() or push
 * @frames: how many of the reserved ones, from the first
 * @bytes: payload bytes of each, at most payload_max; the rest is zeroed here
 * @flags: enum acq_frame_flags of each; only those that a source can know
 *
 * Context: as acq_batch_reserve(), which must come before.
 */
void acq_batch_commit(struct acq_batch *batch, u32 frames, u32 bytes, u16 flags);

/**
 * acq_batch_hw_lost() - the hardware lost data before the next frame
 * @batch: of this drain() or push
 * @count: how much, in units of the source; at least 1
 *
 * The next frame that is committed carries ACQ_FRAME_HW_OVERRUN.
 */
void acq_batch_hw_lost(struct acq_batch *batch, u32 count);

/**
 * acq_batch_stride() - bytes from one payload of a reservation to the next
 * @batch: of this drain() or push
 *
 * Return: bytes.
 */
u32 acq_batch_stride(const struct acq_batch *batch);

/**
 * acq_batch_seq() - sequence number of the frame that is committed next
 * @batch: of this drain() or push
 *
 * Return: what will be its acq_frame.seq.
 */
u64 acq_batch_seq(const struct acq_batch *batch);

/**
 * acq_push_begin() - a source without an interrupt begins a batch
 * @adev: from acq_register()
 * @timestamp: ktime_get() of when the data came into being
 *
 * Context: process or softirq; one batch at a time, which the source sees to.
 * Between start() and the return of stop() only.
 * Return: the batch, until acq_push_end().
 */
struct acq_batch *acq_push_begin(struct acq_device *adev, ktime_t timestamp);

/**
 * acq_push_end() - the batch is complete: it goes to the clients
 * @batch: from acq_push_begin()
 */
void acq_push_end(struct acq_batch *batch);

#endif /* _LINUX_ACQ_H */
