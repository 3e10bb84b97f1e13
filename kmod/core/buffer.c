// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program's memory, pinned for as long as the kernel may write to it: the
 * buffer of a pended read, or a shared ring. The locked MDL of the Windows
 * pattern, with an account.
 *
 * The rule: what is pinned is counted first, against the user's RLIMIT_MEMLOCK
 * (unless CAP_IPC_LOCK) and in the process's VmPin, and uncounted after it is
 * unpinned. The struct holds the user and grabs the mm, so both counts can be
 * undone after the process is gone. No lock of acq is needed here; pinning may
 * fault, so the caller holds none but client->consumer.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "core.h"

static int buffer_charge_user(struct acq_buffer *buffer, unsigned int npages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct user_struct *user = current_user();
	long old = atomic_long_read(&user->locked_vm);

	do {
		if (old + npages > limit)
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&user->locked_vm, &old, old + npages));
	buffer->user = get_uid(user);
	return 0;
}

static int buffer_account(struct acq_buffer *buffer, unsigned int npages)
{
	int ret;

	if (!capable(CAP_IPC_LOCK)) {
		ret = buffer_charge_user(buffer, npages);
		if (ret)
			return ret;
	}
	mmgrab(current->mm);
	buffer->mm = current->mm;
	atomic64_add(npages, &buffer->mm->pinned_vm);
	buffer->accounted = npages;
	return 0;
}

static void buffer_unaccount(struct acq_buffer *buffer)
{
	if (buffer->user) {
		atomic_long_sub(buffer->accounted, &buffer->user->locked_vm);
		free_uid(buffer->user);
	}
	atomic64_sub(buffer->accounted, &buffer->mm->pinned_vm);
	mmdrop(buffer->mm);
}

/**
 * acq_buffer_alloc() - account for a buffer that is about to be pinned
 * @npages: most pages that it will have, at least 1
 *
 * Context: process, the one whose memory it is.
 * Return: an empty buffer, or ERR_PTR(-ENOMEM): no memory, or the pages would go
 * past RLIMIT_MEMLOCK.
 */
struct acq_buffer *acq_buffer_alloc(unsigned int npages)
{
	struct acq_buffer *buffer;
	int ret;

	buffer = kvzalloc(struct_size(buffer, pages, npages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	ret = buffer_account(buffer, npages);
	if (ret) {
		kvfree(buffer);
		return ERR_PTR(ret);
	}
	return buffer;
}

/*
 * Pages of files are written back by their filesystem behind a pin's back; 6.12
 * refuses them itself, 6.1 does not yet.
 */
static bool buffer_page_ok(struct page *page)
{
	struct folio *folio = page_folio(page);

	/* Anonymous memory after MADV_FREE is not swap-backed, and fine. */
	return folio_test_anon(folio) || folio_test_swapbacked(folio) || folio_test_hugetlb(folio);
}

static unsigned int buffer_keep_ok(struct page **pages, unsigned int npages)
{
	unsigned int ok = 0;

	while (ok < npages && buffer_page_ok(pages[ok]))
		ok++;
	unpin_user_pages(pages + ok, npages - ok);
	return ok;
}

/**
 * acq_buffer_pin() - pin more pages
 * @buffer: from acq_buffer_alloc(), with room for them
 * @addr: in the first page
 * @npages: how many, at least 1
 *
 * Context: as acq_buffer_alloc(); may fault.
 * Return: how many were pinned, from the first, which may be fewer; or -EFAULT,
 * -ENOMEM, -EINTR if none was.
 */
int acq_buffer_pin(struct acq_buffer *buffer, unsigned long addr, unsigned int npages)
{
	struct page **pages = buffer->pages + buffer->npages;
	int ret;

	npages = min(npages, buffer->accounted - buffer->npages);
	ret = pin_user_pages_fast(addr & PAGE_MASK, npages, FOLL_WRITE | FOLL_LONGTERM, pages);
	if (ret <= 0)
		return ret ?: -EFAULT;
	ret = buffer_keep_ok(pages, ret);
	buffer->npages += ret;
	return ret ?: -EFAULT;
}

/**
 * acq_buffer_pin_range() - pin all of a range, or nothing
 * @addr: page-aligned
 * @npages: at least 1
 *
 * Context: as acq_buffer_alloc(); may fault.
 * Return: the buffer, or ERR_PTR(): -ENOMEM, -EFAULT, -EINTR.
 */
struct acq_buffer *acq_buffer_pin_range(unsigned long addr, unsigned int npages)
{
	struct acq_buffer *buffer = acq_buffer_alloc(npages);
	int ret;

	if (IS_ERR(buffer))
		return buffer;
	while (buffer->npages < npages) {
		ret = acq_buffer_pin(buffer, addr + buffer->npages * PAGE_SIZE,
				     npages - buffer->npages);
		if (ret < 0) {
			acq_buffer_free(buffer, 0);
			return ERR_PTR(ret);
		}
	}
	return buffer;
}

/**
 * acq_buffer_free() - unpin, uncount, free
 * @buffer: nobody may write to it any more
 * @dirty: how many of the pages, from the first, were written to
 *
 * Context: process, any; may sleep.
 */
void acq_buffer_free(struct acq_buffer *buffer, unsigned int dirty)
{
	unpin_user_pages_dirty_lock(buffer->pages, dirty, true);
	unpin_user_pages(buffer->pages + dirty, buffer->npages - dirty);
	buffer_unaccount(buffer);
	kvfree(buffer);
}
