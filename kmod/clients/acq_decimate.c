// SPDX-License-Identifier: GPL-2.0-only
/*
 * acq_decimate - average the frames of one device and be the source of the next:
 * 1 MS/s into 1 kS/s without a program in between.
 *
 *	modprobe acq_decimate source=acq factor=16
 *
 * Several of them, and one on top of another, are lists: source=acq,acq1 factor=10,10.
 *
 * A frame of the new device is the mean, value by value, of @factor frames that
 * follow each other. Blocks are counted from the frame that carries START, so a
 * frame that is missing upstream costs the block it belongs to and no other; blocks
 * that can't be made are a gap of as many frames downstream.
 *
 * Lifetime. The client upstream is opened first and closed last. The device
 * downstream goes with whoever comes first, gone() or the module's exit: @mine is
 * exchanged for NULL by the one that unregisters it.
 *
 * All that belongs to the block under way is touched by frames() alone, which runs
 * once at a time, and not at all between decimate_stop() and decimate_start().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <linux/acq.h>

#define RING_BYTES_MAX (4 * 1024 * 1024)
#define FACTOR_DEFAULT 16
#define FACTOR_MAX 1000000
#define DECIMATE_MAX 4

static char *source[DECIMATE_MAX] = { "acq" };
static unsigned int sources = 1;
module_param_array(source, charp, &sources, 0444);
MODULE_PARM_DESC(source, "devices to take frames from (default acq)");

static unsigned int factor[DECIMATE_MAX];
module_param_array(factor, uint, NULL, 0444);
MODULE_PARM_DESC(factor, "for each, frames that make one, 2 to 1000000 (default 16)");

/**
 * struct decimate - from one device to the next
 * @source: name of the device upstream
 * @factor: frames that make one
 * @up: the client
 * @down: the device, as start() was told
 * @mine: the device while it is to be unregistered, else NULL
 * @gone: upstream was unplugged
 * @geo: upstream
 * @values: of a frame
 * @batch: being pushed, or NULL
 * @timestamp: of @batch
 * @origin: sequence number that block 0 begins with
 * @made: blocks before this one were made or are lost
 * @block: under way
 * @have: frames of it
 * @first: timestamp of the first of those
 * @flags: of all of them
 * @sums: of each value
 */
struct decimate {
	const char *source;
	u32 factor;
	struct acq_client *up;
	struct acq_device *down;
	struct acq_device *mine;
	bool gone;
	struct acq_geometry geo;
	u32 values;
	struct acq_batch *batch;
	u64 timestamp;
	u64 origin;
	u64 made;
	u64 block;
	u32 have;
	u64 first;
	u16 flags;
	s64 *sums;
};

static struct decimate decimates[DECIMATE_MAX];

static u32 value_bytes(u8 format)
{
	switch (format) {
	case ACQ_FORMAT_U8:
	case ACQ_FORMAT_S8:
		return 1;
	case ACQ_FORMAT_U16:
	case ACQ_FORMAT_S16:
		return 2;
	case ACQ_FORMAT_U32:
	case ACQ_FORMAT_S32:
		return 4;
	default:
		return 0;
	}
}

static s64 value_get(u8 format, const void *data, u32 n)
{
	switch (format) {
	case ACQ_FORMAT_U8:
		return ((const u8 *)data)[n];
	case ACQ_FORMAT_S8:
		return ((const s8 *)data)[n];
	case ACQ_FORMAT_U16:
		return ((const u16 *)data)[n];
	case ACQ_FORMAT_S16:
		return ((const s16 *)data)[n];
	case ACQ_FORMAT_U32:
		return ((const u32 *)data)[n];
	default:
		return ((const s32 *)data)[n];
	}
}

static void value_put(u8 format, void *data, u32 n, s64 value)
{
	switch (value_bytes(format)) {
	case 1:
		((u8 *)data)[n] = value;
		break;
	case 2:
		((u16 *)data)[n] = value;
		break;
	default:
		((u32 *)data)[n] = value;
		break;
	}
}

/* Half of it away from zero. */
static s64 mean(s64 sum, u32 count)
{
	return div_s64(sum + (sum < 0 ? -(s64)(count / 2) : count / 2), count);
}

/* Frames of one block share a time, those of different blocks need not. */
static void decimate_batch(struct decimate *dec)
{
	if (dec->batch && dec->timestamp == dec->first)
		return;
	if (dec->batch)
		acq_push_end(dec->batch);
	dec->batch = acq_push_begin(dec->down, ns_to_ktime(dec->first));
	dec->timestamp = dec->first;
}

static void decimate_emit(struct decimate *dec)
{
	u32 frames = 1, n;
	void *data;

	decimate_batch(dec);
	acq_batch_gap(dec->batch, dec->block - dec->made);
	data = acq_batch_reserve(dec->batch, &frames);
	for (n = 0; n < dec->values; n++)
		value_put(dec->geo.format, data, n, mean(dec->sums[n], dec->factor));
	acq_batch_commit(dec->batch, 1, dec->geo.payload_max, dec->flags);
	dec->made = dec->block + 1;
}

/* Is @frame the next one of the block under way? The first of a block always is. */
static bool decimate_place(struct decimate *dec, const struct acq_frame *frame)
{
	u32 index;
	u64 block;

	if (frame->flags & ACQ_FRAME_START) {
		dec->origin = frame->seq;
		dec->made = 0;
	}
	block = div_u64_rem(frame->seq - dec->origin, dec->factor, &index);
	if (!index) {
		dec->block = block;
		dec->have = 0;
		dec->flags = 0;
		dec->first = frame->timestamp_ns;
		memset(dec->sums, 0, dec->values * sizeof(*dec->sums));
	}
	return dec->block == block && dec->have == index;
}

static void decimate_frame(struct decimate *dec, const struct acq_frame *frame)
{
	u32 n;

	/* One that is not full lacks values, as one that is missing does. */
	if (!decimate_place(dec, frame) || frame->bytes != dec->geo.payload_max)
		return;
	for (n = 0; n < dec->values; n++)
		dec->sums[n] += value_get(dec->geo.format, frame->data, n);
	/* START and GAP are each client's own. */
	dec->flags |= frame->flags & ~(ACQ_FRAME_START | ACQ_FRAME_GAP);
	if (++dec->have == dec->factor)
		decimate_emit(dec);
}

static void decimate_frames(void *priv, const struct acq_frame *first, u32 count)
{
	struct decimate *dec = priv;

	for (; count--; first = (const void *)first + first->stride)
		decimate_frame(dec, first);
	if (dec->batch)
		acq_push_end(dec->batch);
	dec->batch = NULL;
}

static void decimate_unplug(struct decimate *dec)
{
	struct acq_device *down = xchg(&dec->mine, NULL);

	if (down)
		acq_unregister(down);
}

static void decimate_gone(void *priv)
{
	struct decimate *dec = priv;

	WRITE_ONCE(dec->gone, true);
	decimate_unplug(dec);
}

static const struct acq_client_ops decimate_client_ops = {
	.name = KBUILD_MODNAME,
	.frames = decimate_frames,
	.gone = decimate_gone,
};

static int decimate_start(void *priv, struct acq_device *adev)
{
	struct decimate *dec = priv;

	dec->down = adev;
	return acq_start(dec->up);
}

static void decimate_stop(void *priv)
{
	struct decimate *dec = priv;

	acq_stop(dec->up);
}

static const struct acq_source_ops decimate_source_ops = {
	.owner = THIS_MODULE,
	.start = decimate_start,
	.stop = decimate_stop,
};

/* Room for a quarter of a second: a work item of ours must run meanwhile. */
static int decimate_configure(struct decimate *dec)
{
	u32 most = RING_BYTES_MAX / (sizeof(struct acq_frame) + dec->geo.payload_max);
	struct acq_config config = {
		.ring_frames = clamp_t(u32, dec->geo.rate_hz / 4, 2, max(most, 2U)),
		.latency_us = ACQ_LATENCY_KEEP,
	};

	return acq_client_configure(dec->up, &config);
}

static int decimate_prepare(struct decimate *dec)
{
	u32 bytes;

	acq_client_geometry(dec->up, &dec->geo);
	bytes = value_bytes(dec->geo.format);
	if (!bytes) {
		pr_err("the frames of %s are events: there is nothing to average\n", dec->source);
		return -EINVAL;
	}
	dec->values = dec->geo.payload_max / bytes;
	dec->sums = kvcalloc(dec->values, sizeof(*dec->sums), GFP_KERNEL);
	if (!dec->sums)
		return -ENOMEM;
	return decimate_configure(dec);
}

static int decimate_register(struct decimate *dec)
{
	struct acq_device *down;
	struct acq_source src = {
		.name = KBUILD_MODNAME,
		.ops = &decimate_source_ops,
		.priv = dec,
		.upstream = dec->up,
		.geo = dec->geo,
		.formats = BIT(dec->geo.format),
	};

	src.geo.rate_hz /= dec->factor;
	src.geo.batch = src.geo.batch / dec->factor + 1;
	down = acq_register(&src);
	if (IS_ERR(down))
		return PTR_ERR(down);
	xchg(&dec->mine, down);
	/* Either gone() finds @mine, or we find @gone: an xchg lies between, on both sides. */
	if (READ_ONCE(dec->gone))
		decimate_unplug(dec);
	return 0;
}

static int decimate_begin(struct decimate *dec)
{
	int ret;

	if (dec->factor < 2 || dec->factor > FACTOR_MAX) {
		pr_err("factor must be 2 to %u\n", FACTOR_MAX);
		return -EINVAL;
	}
	dec->up = acq_open(dec->source, &decimate_client_ops, dec);
	if (IS_ERR(dec->up)) {
		pr_err("no device %s: load its source first\n", dec->source);
		return PTR_ERR(dec->up);
	}
	ret = decimate_prepare(dec);
	if (!ret)
		ret = decimate_register(dec);
	if (ret) {
		acq_close(dec->up);
		kvfree(dec->sums);
	}
	return ret;
}

static void decimate_end(struct decimate *dec)
{
	decimate_unplug(dec);
	acq_close(dec->up);
	kvfree(dec->sums);
}

static int __init decimate_init(void)
{
	unsigned int n;
	int ret;

	for (n = 0; n < sources; n++) {
		decimates[n].source = source[n];
		decimates[n].factor = factor[n] ?: FACTOR_DEFAULT;
		ret = decimate_begin(&decimates[n]);
		if (ret)
			goto end_others;
	}
	return 0;

end_others:
	while (n--)
		decimate_end(&decimates[n]);
	return ret;
}
module_init(decimate_init);

/* What is on top of another goes first. */
static void __exit decimate_exit(void)
{
	unsigned int n = sources;

	while (n--)
		decimate_end(&decimates[n]);
}
module_exit(decimate_exit);

MODULE_DESCRIPTION("Average the frames of one acq device into another");
MODULE_AUTHOR("The acq authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
