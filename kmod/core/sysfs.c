// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/acq: what a device is and has done, read-only. ACQ_IOC_SETUP changes it.
 * kmod/ABI/sysfs-class-acq tells programs.
 */
#include <linux/device.h>
#include <linux/pm.h>
#include <linux/sysfs.h>

#include "core.h"

static struct acq_device *to_acq(struct device *dev)
{
	return container_of(dev, struct acq_device, dev);
}

/* Values that a setup may be changing are read under the device's mutex. */
#define ACQ_ATTR(_name, _fmt, _value) \
	static ssize_t _name##_show(struct device *dev, struct device_attribute *attr, char *buf) \
	{ \
		struct acq_device *adev = to_acq(dev); \
		ssize_t ret; \
\
		if (mutex_lock_interruptible(&adev->lock)) \
			return -EINTR; \
		ret = sysfs_emit(buf, _fmt "\n", _value); \
		mutex_unlock(&adev->lock); \
		return ret; \
	} \
	static DEVICE_ATTR_RO(_name)

ACQ_ATTR(source, "%s", adev->source);
ACQ_ATTR(state, "%s", adev->nattached ? "streaming" : "idle");
ACQ_ATTR(clients, "%u", adev->nattached);
ACQ_ATTR(rate_hz, "%u", adev->src.geo.rate_hz);
ACQ_ATTR(channels, "%u", adev->src.geo.channels);
ACQ_ATTR(samples, "%u", adev->src.geo.samples);
ACQ_ATTR(payload_max, "%u", adev->src.geo.payload_max);
ACQ_ATTR(stride, "%u", adev->stride);
ACQ_ATTR(frames, "%llu", READ_ONCE(adev->batch.seq));
ACQ_ATTR(hw_lost, "%llu", READ_ONCE(adev->hw_lost));
ACQ_ATTR(irqs, "%llu", READ_ONCE(adev->irqs));
ACQ_ATTR(spurious_irqs, "%llu", READ_ONCE(adev->spurious));

static struct attribute *acq_attrs[] = {
	&dev_attr_source.attr,
	&dev_attr_state.attr,
	&dev_attr_clients.attr,
	&dev_attr_rate_hz.attr,
	&dev_attr_channels.attr,
	&dev_attr_samples.attr,
	&dev_attr_payload_max.attr,
	&dev_attr_stride.attr,
	&dev_attr_frames.attr,
	&dev_attr_hw_lost.attr,
	&dev_attr_irqs.attr,
	&dev_attr_spurious_irqs.attr,
	NULL,
};
ATTRIBUTE_GROUPS(acq);

static char *acq_devnode(acq_devnode_const struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0660;
	return NULL;
}

/* After what is downstream, and before the hardware; resume the other way round. */
static int acq_suspend(struct device *dev)
{
	acq_device_suspend(to_acq(dev));
	return 0;
}

static int acq_resume(struct device *dev)
{
	acq_device_resume(to_acq(dev));
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(acq_pm_ops, acq_suspend, acq_resume);

struct class acq_class = {
	.name = "acq",
	.pm = pm_sleep_ptr(&acq_pm_ops),
	.dev_groups = acq_groups,
	.devnode = acq_devnode,
};
