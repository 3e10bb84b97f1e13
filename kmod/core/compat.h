/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels acq builds for, hidden here. Kbuild looks
 * for each in the kernel's headers and defines ACQ_HAS_*.
 */
#ifndef _ACQ_COMPAT_H
#define _ACQ_COMPAT_H

#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/uio.h>

#ifndef ACQ_HAS_VM_FLAGS_CLEAR
static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

static inline void acq_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef ACQ_HAS_EVENTFD_SIGNAL_VOID
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

#ifdef ACQ_HAS_CONST_DEVNODE
#define acq_devnode_const const
#else
#define acq_devnode_const
#endif

/* The piece of user memory that @iter stands at. */
static inline void __user *acq_iter_addr(const struct iov_iter *iter)
{
#ifdef ACQ_HAS_ITER_IOV_ADDR
	return iter_iov_addr(iter);
#else
	if (iter_is_ubuf(iter))
		return iter->ubuf + iter->iov_offset;
	return iter->iov->iov_base + iter->iov_offset;
#endif
}

#ifndef ACQ_HAS_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

#endif /* _ACQ_COMPAT_H */
