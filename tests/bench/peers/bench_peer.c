// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `make bench` measures acq beside: one timer whose tick is the interrupt of an
 * acq source, the trigger of an IIO device with the kernel's kfifo buffer, or an
 * eventfd's signal; and a read() that only copies.
 *
 * For the bench's guest, which has one processor and one program. Its frames and
 * records begin with the time for which the tick was set.
 */
#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/iio/buffer.h>
#include <linux/iio/iio.h>
#include <linux/iio/trigger.h>
#include <linux/iio/trigger_consumer.h>
#include <linux/iio/triggered_buffer.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/timex.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <linux/acq.h>

#include "bench.h"

#define PLAIN_BYTES (4096 * 4096)
#define CHANNELS 8 /* of 64 bits */

static struct {
	struct hrtimer hrtimer;
	struct bench_timer set;
	u32 left;
	u64 tick_ns; /* for which the tick under way was set */
	atomic_t frames; /* that acq has not drained: two ticks may become one interrupt */
	struct eventfd_ctx *eventfd;
} timer;

static void *plain;
static unsigned int payload = 32;
module_param(payload, uint, 0444);
MODULE_PARM_DESC(payload, "bytes of a frame's payload");

/* The acq source */

static unsigned int acq_irq;
static struct irq_desc *acq_desc; /* looked up once, as for a processor's own vectors */
static struct acq_device *adev;

static int source_start(void *priv, struct acq_device *dev)
{
	atomic_set(&timer.frames, 0);
	return 0;
}

static void source_stop(void *priv)
{
}

static bool source_quiet(void *priv)
{
	return true;
}

static void generate(void *to, u32 frames, u32 stride, u64 first)
{
	u32 words = payload / sizeof(u64), i;

	for (; frames; frames--, to += stride) {
		u64 *at = to;

		*at++ = timer.tick_ns;
		for (i = 1; i < words; i++)
			*at++ = first++;
	}
}

static void source_drain(void *priv, struct acq_batch *batch)
{
	u32 left = atomic_xchg(&timer.frames, 0), n;

	for (; left; left -= n) {
		void *to;

		n = left;
		to = acq_batch_reserve(batch, &n);
		generate(to, n, acq_batch_stride(batch), acq_batch_seq(batch));
		acq_batch_commit(batch, n, payload, 0);
	}
}

static void source_unquiet(void *priv)
{
}

static const struct acq_source_ops source_ops = {
	.owner = THIS_MODULE,
	.start = source_start,
	.stop = source_stop,
	.quiet = source_quiet,
	.drain = source_drain,
	.unquiet = source_unquiet,
};

static int source_init(struct device *parent)
{
	struct acq_source source = {
		.name = "bench",
		.ops = &source_ops,
		.parent = parent,
		.geo = {
			.channels = 1,
			.samples = 1,
			.payload_max = payload,
			.batch = 4096,
			.format = ACQ_FORMAT_U32,
		},
		.formats = BIT(ACQ_FORMAT_U32),
	};
	/* of no module: who requests it must not pin us */
	int irq = __irq_alloc_descs(-1, 1, 1, NUMA_NO_NODE, NULL, NULL);

	if (irq < 0)
		return irq;
	irq_set_chip_and_handler(irq, &dummy_irq_chip, handle_simple_irq);
	irq_modify_status(irq, IRQ_NOREQUEST | IRQ_NOAUTOEN, IRQ_NOPROBE);
	acq_desc = irq_data_to_desc(irq_get_irq_data(irq));
	source.irq = irq;
	adev = acq_register(&source);
	if (IS_ERR(adev)) {
		irq_free_desc(irq);
		return PTR_ERR(adev);
	}
	acq_irq = irq;
	return 0;
}

static void source_exit(void)
{
	acq_unregister(adev);
	irq_free_desc(acq_irq);
}

/* The IIO device */

static struct iio_dev *iio;
static struct iio_trigger *trigger;

#define CHANNEL(n) \
	{ \
		.type = IIO_COUNT, .indexed = 1, .channel = n, .scan_index = n, \
		.scan_type = { \
			.sign = 'u', .realbits = 64, .storagebits = 64, .endianness = IIO_CPU \
		}, \
	}

static const struct iio_chan_spec channels[CHANNELS] = {
	CHANNEL(0), CHANNEL(1), CHANNEL(2), CHANNEL(3),
	CHANNEL(4), CHANNEL(5), CHANNEL(6), CHANNEL(7),
};

static int iio_read_raw(struct iio_dev *dev, struct iio_chan_spec const *chan, int *val, int *val2,
			long mask)
{
	return -EINVAL;
}

static const struct iio_info iio_bench_info = { .read_raw = iio_read_raw };
static const struct iio_trigger_ops iio_bench_trigger_ops;

static void iio_push(void)
{
	static u64 count;
	u64 record[CHANNELS] = { timer.tick_ns };
	u32 i;

	for (i = 1; i < CHANNELS; i++)
		record[i] = count++;
	iio_push_to_buffers(iio, record);
}

/* The interrupt's thread. */
static irqreturn_t iio_handler(int irq, void *data)
{
	struct iio_poll_func *pf = data;

	iio_push();
	iio_trigger_notify_done(pf->indio_dev->trig);
	return IRQ_HANDLED;
}

static int iio_init(struct device *parent)
{
	int ret;

	iio = devm_iio_device_alloc(parent, 0);
	trigger = devm_iio_trigger_alloc(parent, "bench");
	if (!iio || !trigger)
		return -ENOMEM;
	iio->name = "bench";
	iio->info = &iio_bench_info;
	iio->channels = channels;
	iio->num_channels = ARRAY_SIZE(channels);
	iio->modes = INDIO_DIRECT_MODE;
	trigger->ops = &iio_bench_trigger_ops;
	ret = devm_iio_trigger_register(parent, trigger);
	if (ret)
		return ret;
	ret = devm_iio_triggered_buffer_setup(parent, iio, iio_pollfunc_store_time, iio_handler,
					      NULL);
	return ret ?: devm_iio_device_register(parent, iio);
}

/* The timer: a hard interrupt */

static enum hrtimer_restart timer_tick(struct hrtimer *hrtimer)
{
	timer.tick_ns = ktime_to_ns(hrtimer_get_expires(hrtimer));
	switch (timer.set.event) {
	case BENCH_ACQ:
		atomic_add(timer.set.frames, &timer.frames);
		generic_handle_irq_desc(acq_desc);
		break;
	case BENCH_IIO:
		iio_trigger_poll(trigger);
		break;
	case BENCH_EVENTFD:
		eventfd_signal(timer.eventfd);
		break;
	}
	if (!--timer.left || !timer.set.period_ns)
		return HRTIMER_NORESTART;
	hrtimer_add_expires_ns(hrtimer, timer.set.period_ns);
	return HRTIMER_RESTART;
}

static void timer_stop(void)
{
	hrtimer_cancel(&timer.hrtimer);
	if (timer.eventfd)
		eventfd_ctx_put(timer.eventfd);
	timer.eventfd = NULL;
}

static int timer_start(const struct bench_timer __user *arg)
{
	timer_stop();
	if (copy_from_user(&timer.set, arg, sizeof(timer.set)))
		return -EFAULT;
	if (timer.set.event == BENCH_EVENTFD) {
		struct eventfd_ctx *eventfd = eventfd_ctx_fdget(timer.set.eventfd);

		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
		timer.eventfd = eventfd;
	}
	timer.left = timer.set.count;
	hrtimer_start(&timer.hrtimer, ns_to_ktime(timer.set.first_ns), HRTIMER_MODE_ABS_HARD);
	return 0;
}

/* /dev/bench */

static long time_generate(u32 frames)
{
	cycles_t begin = get_cycles();

	generate(plain, frames, ALIGN(sizeof(struct acq_frame) + payload, 8), 0);
	return get_cycles() - begin;
}

static long time_memcpy(u32 frames)
{
	size_t bytes = frames * ALIGN(sizeof(struct acq_frame) + payload, 8);
	cycles_t begin = get_cycles();

	memcpy(plain, plain + PLAIN_BYTES / 2, bytes);
	return get_cycles() - begin;
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case BENCH_IOC_TIMER:
		return timer_start((const struct bench_timer __user *)arg);
	case BENCH_IOC_STOP:
		timer_stop();
		return 0;
	case BENCH_IOC_IIO_PUSH:
		while (arg--)
			iio_push();
		return 0;
	case BENCH_IOC_GENERATE:
		return time_generate(arg);
	case BENCH_IOC_MEMCPY:
		return time_memcpy(arg);
	}
	return -ENOTTY;
}

static ssize_t bench_read(struct file *file, char __user *to, size_t bytes, loff_t *pos)
{
	if (bytes > PLAIN_BYTES)
		return -EINVAL;
	return copy_to_user(to, plain, bytes) ? -EFAULT : bytes;
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.read = bench_read,
	.unlocked_ioctl = bench_ioctl,
};

static struct miscdevice bench_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "bench",
	.fops = &bench_fops,
};

static int bench_probe(struct platform_device *pdev)
{
	int ret = iio_init(&pdev->dev);

	if (ret)
		return ret;
	ret = source_init(&pdev->dev);
	if (ret)
		return ret;
	ret = misc_register(&bench_misc);
	if (ret)
		source_exit();
	return ret;
}

static void bench_remove(struct platform_device *pdev)
{
	misc_deregister(&bench_misc);
	timer_stop();
	source_exit();
}

static struct platform_driver bench_driver = {
	.driver = { .name = "bench" },
	.remove = bench_remove,
};

static struct platform_device *bench_device;

static int __init bench_init(void)
{
	hrtimer_init(&timer.hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	timer.hrtimer.function = timer_tick;
	plain = vzalloc(PLAIN_BYTES);
	if (!plain)
		return -ENOMEM;
	bench_device = platform_create_bundle(&bench_driver, bench_probe, NULL, 0, NULL, 0);
	if (IS_ERR(bench_device)) {
		vfree(plain);
		return PTR_ERR(bench_device);
	}
	return 0;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	platform_device_unregister(bench_device);
	platform_driver_unregister(&bench_driver);
	vfree(plain);
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Peers for the acq bench");
MODULE_LICENSE("GPL");
