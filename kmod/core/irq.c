// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt: a hard handler that does nothing but quiet the hardware and take
 * the time, and a bottom half that drains it.
 *
 * The source stays quiet from the hard handler to the end of the bottom half, so
 * one interrupt is under way at a time, and what the hard handler leaves for the
 * bottom half needs no lock: handing over orders it. The device is quieted at the
 * device, which leaves a shared line to its neighbours; never IRQF_ONESHOT.
 *
 * Stopping: @running is cleared, then acq_irq_flush() waits for what is under
 * way. A bottom half that comes later finds @running clear, leaves the source
 * alone, and so leaves it quiet.
 */
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "core.h"
#include "trace.h"

static const char *const bottom_half_names[] = {
	[ACQ_BOTTOM_HALF_THREAD] = "thread",
	[ACQ_BOTTOM_HALF_WORKQUEUE] = "workqueue",
	[ACQ_BOTTOM_HALF_TASKLET] = "tasklet",
};

static int bottom_half = ACQ_BOTTOM_HALF_THREAD;

static int bottom_half_set(const char *val, const struct kernel_param *kp)
{
	int i;

	for (i = ACQ_BOTTOM_HALF_THREAD; i <= ACQ_BOTTOM_HALF_TASKLET; i++) {
		if (sysfs_streq(val, bottom_half_names[i])) {
			bottom_half = i;
			return 0;
		}
	}
	pr_err("acq: bottom_half must be thread, workqueue or tasklet\n");
	return -EINVAL;
}

static int bottom_half_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%s\n", bottom_half_names[bottom_half]);
}

static const struct kernel_param_ops bottom_half_ops = {
	.set = bottom_half_set,
	.get = bottom_half_get,
};
module_param_cb(bottom_half, &bottom_half_ops, NULL, 0444);
MODULE_PARM_DESC(bottom_half, "what drains the hardware: thread (default), workqueue or tasklet");

static void irq_drain(struct acq_device *adev)
{
	adev->batch.timestamp_ns = adev->irq_time;
	trace_acq_drain(adev);
	adev->src.ops->drain(adev->src.priv, &adev->batch);
	trace_acq_drained(adev);
	acq_batch_send(adev);
}

static void irq_bottom_half(struct acq_device *adev)
{
	if (!READ_ONCE(adev->running))
		return;
	if (adev->src.flags & ACQ_SOURCE_SLEEPS) {
		irq_drain(adev);
	} else {
		/* The client in whose ring the frames are made stays. */
		rcu_read_lock();
		adev->batch.rcu = true;
		irq_drain(adev);
		adev->batch.rcu = false;
		rcu_read_unlock();
	}
	adev->src.ops->unquiet(adev->src.priv);
}

static irqreturn_t irq_thread(int irq, void *data)
{
	irq_bottom_half(data);
	/* Hardware that is faster than we are would keep the thread from ever giving way. */
	cond_resched();
	return IRQ_HANDLED;
}

static void irq_work(struct work_struct *work)
{
	irq_bottom_half(container_of(work, struct acq_device, work));
}

static void irq_tasklet(struct tasklet_struct *tasklet)
{
	irq_bottom_half(container_of(tasklet, struct acq_device, tasklet));
}

/* Hard interrupt context, but on a shared line with forced threads: see there. */
static irqreturn_t irq_hard(int irq, void *data)
{
	struct acq_device *adev = data;
	u64 now = ktime_get_ns();

	if (!adev->src.ops->quiet(adev->src.priv)) {
		WRITE_ONCE(adev->spurious, adev->spurious + 1);
		return IRQ_NONE;
	}
	WRITE_ONCE(adev->irqs, adev->irqs + 1);
	trace_acq_irq(adev, now);
	if (!READ_ONCE(adev->running))
		return IRQ_HANDLED;

	adev->irq_time = now;
	adev->timestamp = in_hardirq() ? ACQ_TIMESTAMP_HARDIRQ : ACQ_TIMESTAMP_THREAD;
	switch (adev->bottom_half) {
	case ACQ_BOTTOM_HALF_WORKQUEUE:
		queue_work(system_highpri_wq, &adev->work);
		return IRQ_HANDLED;
	case ACQ_BOTTOM_HALF_TASKLET:
		tasklet_schedule(&adev->tasklet);
		return IRQ_HANDLED;
	default:
		return IRQ_WAKE_THREAD;
	}
}

/**
 * acq_irq_flush() - wait for the interrupt and the bottom half under way
 * @adev: with @running clear
 *
 * Context: process, adev->lock held.
 */
void acq_irq_flush(struct acq_device *adev)
{
	if (!adev->src.irq)
		return;
	synchronize_irq(adev->src.irq);
	cancel_work_sync(&adev->work);
	tasklet_kill(&adev->tasklet);
}

/**
 * acq_irq_request() - get the source's interrupt, if it has one
 * @adev: not registered yet
 *
 * A hard handler that PREEMPT_RT or threadirqs would force into a thread stays
 * hard by IRQF_NO_THREAD. On a shared line that would make the neighbour's
 * request fail, so there the timestamp is the thread's, and GET_INFO says so.
 *
 * Return: 0, -EINVAL for a source that sleeps with the tasklet, or what
 * requesting the interrupt returned.
 */
int acq_irq_request(struct acq_device *adev)
{
	unsigned long flags = adev->src.irqflags;

	if (!adev->src.irq) {
		adev->bottom_half = ACQ_BOTTOM_HALF_SOURCE;
		adev->timestamp = ACQ_TIMESTAMP_SOURCE;
		return 0;
	}
	adev->bottom_half = bottom_half;
	if (bottom_half == ACQ_BOTTOM_HALF_TASKLET && (adev->src.flags & ACQ_SOURCE_SLEEPS)) {
		dev_err(&adev->dev, "%s sleeps to drain: load acq with another bottom_half\n",
			adev->src.name);
		return -EINVAL;
	}
	if (flags & IRQF_ONESHOT)
		return -EINVAL;
	if (!(flags & IRQF_SHARED))
		flags |= IRQF_NO_THREAD;
	adev->timestamp = IS_ENABLED(CONFIG_PREEMPT_RT) && (flags & IRQF_SHARED) ?
				  ACQ_TIMESTAMP_THREAD :
				  ACQ_TIMESTAMP_HARDIRQ;

	INIT_WORK(&adev->work, irq_work);
	tasklet_setup(&adev->tasklet, irq_tasklet);
	return request_threaded_irq(adev->src.irq, irq_hard,
				    bottom_half == ACQ_BOTTOM_HALF_THREAD ? irq_thread : NULL,
				    flags, dev_name(&adev->dev), adev);
}

/**
 * acq_irq_free() - give the interrupt back; quiet() is not called any more
 * @adev: stopped
 */
void acq_irq_free(struct acq_device *adev)
{
	if (adev->src.irq)
		free_irq(adev->src.irq, adev);
}
