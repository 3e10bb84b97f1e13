/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * acq between drivers: what a source needs to feed a device, and a client in the
 * kernel to take frames from one.
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
 *
 * A client in the kernel is what an open file is to a program: a ring, a watermark
 * and a place in the stream of its own, under the same rules.
 *
 *	a work item	frames(), one call at a time; may sleep
 *	another		gone(), once
 *	process		acq_open(), acq_start(), acq_stop(), acq_close()
 *
 * Neither keeps the other: the source's module may go, which is an unplug to the
 * client, and the client may close at any time. A driver that is both, a client of
 * one device and the source of the next, names the first in acq_source.upstream.
 */
#ifndef _LINUX_ACQ_H
#define _LINUX_ACQ_H

#include <linux/ktime.h>
#include <linux/types.h>
#include <uapi/linux/acq.h>

struct acq_batch;
struct acq_client;
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
 * @start: let the hardware acquire and interrupt. May sleep. @adev is what
 *	acq_register() returns, or is about to: the first program can be faster
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
	int (*start)(void *priv, struct acq_device *adev);
	void (*stop)(void *priv);
	bool (*quiet)(void *priv);
	void (*drain)(void *priv, struct acq_batch *batch);
	void (*unquiet)(void *priv);
};

/* a source that is a client of a source that is a client of a source with hardware */
#define ACQ_CHAIN_MAX 2

/* drain() may sleep: the device can't use the tasklet */
#define ACQ_SOURCE_SLEEPS BIT(0)

/**
 * struct acq_source - a source as it registers
 * @name: of the driver, at most 31 characters
 * @ops: its functions; must outlive the device
 * @priv: first argument of each; the source's, until acq_unregister() returns
 * @parent: the hardware's struct device, or NULL
 * @upstream: the client whose frames it makes its own of, or NULL. Chains are
 *	ACQ_CHAIN_MAX deep at most
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
	const struct acq_client *upstream;
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
 * (a geometry out of bounds, a tasklet for a source that sleeps), -ELOOP for a
 * chain that is too long, -ENOMEM, or
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
 * @bytes: payload bytes of each; more than payload_max is taken for payload_max. The
 *	rest is zeroed here
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
 * acq_batch_gap() - frames are missing before the next one
 * @batch: of this drain() or push
 * @frames: how many, in frames of this device
 *
 * For a source that knows how many it could not make, because its own input had a
 * gap: the sequence numbers jump, each client counts them as lost, and its next
 * frame carries ACQ_FRAME_GAP. What was committed before goes to the clients first.
 *
 * Context: drain(), or between acq_push_begin() and acq_push_end().
 */
void acq_batch_gap(struct acq_batch *batch, u64 frames);

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

/* Clients in the kernel */

/**
 * struct acq_client_ops - what a client in the kernel is told
 * @name: of the driver, for those who ask who uses the device
 * @frames: @count frames, acq_frame.stride bytes apart, of which the first is
 *	@first. They lie in the client's ring and are consumed when it returns. Called
 *	by the rules of poll: the watermark is reached, or the latency bound has
 *	passed, or streaming has ended. Process context, may sleep; one call at a
 *	time, none after acq_stop() or acq_close() have returned. However long it
 *	takes, the device and its other clients do not wait: the ring fills, and what
 *	does not fit is lost and counted.
 * @gone: optional. The device was unplugged, and frames() has seen all that was in
 *	the ring. Process context, may sleep, once at most and not after acq_close()
 *	has returned. May call acq_stop() and acq_unregister(); not acq_close(),
 *	which waits for it.
 */
struct acq_client_ops {
	const char *name;
	void (*frames)(void *priv, const struct acq_frame *first, u32 count);
	void (*gone)(void *priv);
};

/**
 * acq_open() - become a client of a device
 * @name: of the device, as in /dev
 * @ops: functions of the client; must outlive it
 * @priv: their first argument
 *
 * Like a program's open() this does not start the hardware. Unlike it, it pins no
 * module, and the device's geometry stands still from here to acq_close(): a SETUP
 * is told EBUSY.
 *
 * Context: process, may sleep.
 * Return: the client, or ERR_PTR(): -ENODEV if there is no such device, or -ENOMEM.
 */
struct acq_client *acq_open(const char *name, const struct acq_client_ops *ops, void *priv);

/**
 * acq_close() - end of the client; none of its functions runs any more
 * @client: from acq_open(); not to be used any more
 *
 * Context: process, may sleep. Not from the client's functions, nor under a lock
 * that they take.
 */
void acq_close(struct acq_client *client);

/**
 * acq_client_configure() - ring, watermark and latency
 * @client: stopped, or never started
 * @config: as for ACQ_IOC_CONFIGURE; what was granted comes back
 *
 * Context: process, may sleep. Not while acq_start() or acq_stop() runs.
 * Return: 0, -EINVAL for what makes no sense, -ENOMEM for too large a ring, -EBUSY
 * for another ring while started.
 */
int acq_client_configure(struct acq_client *client, struct acq_config *config);

/**
 * acq_start() - begin to get frames; the first one carries ACQ_FRAME_START
 * @client: stopped, or never started
 *
 * Context: process, may sleep. One acq_start() or acq_stop() at a time.
 * Return: 0 (also if it was started), -ENODEV, -ENOMEM, -EINTR if the caller is
 * being killed, or what the source's start() returned.
 */
int acq_start(struct acq_client *client);

/**
 * acq_stop() - no frames any more
 * @client: any
 *
 * frames() has seen what was in the ring when this returns.
 *
 * Context: process, may sleep. Not from frames(), nor under a lock that it takes.
 */
void acq_stop(struct acq_client *client);

/**
 * acq_client_geometry() - what the frames of the client's device look like
 * @client: from acq_open()
 * @geo: gets it; does not change before acq_close()
 *
 * Context: any.
 */
void acq_client_geometry(const struct acq_client *client, struct acq_geometry *geo);

/**
 * acq_client_stats() - the client's counters, consistent with each other
 * @client: from acq_open()
 * @stats: gets them; those of the device are not touched
 *
 * Context: any but hard interrupts.
 */
void acq_client_stats(struct acq_client *client, struct acq_stats *stats);

#endif /* _LINUX_ACQ_H */
