// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests that wait for frames: blocked reads and Linux AIO, in one queue per
 * client, served in the order in which they were issued. The pended IRP.
 *
 * The rules:
 *
 *  - client->requests is under client->lock. The head stays queued while its data
 *    is copied, under client->consumer, so nothing can overtake it.
 *  - Whoever unlinks a request completes it. A blocked read unlinks itself, in its
 *    own context; an AIO read is completed and unlinked by the client's work alone,
 *    and one work item never runs twice at once: so each request ends exactly once.
 *    It is unlinked last: else a read that comes between would find an empty queue
 *    and finish first.
 *  - An AIO read's buffer is pinned before it is queued, so that completing it
 *    needs neither the program's mm nor a fault; unpinned before ki_complete().
 *  - The kiocb's cancel routine runs under the AIO context's lock, interrupts
 *    off. It takes no lock of ours: it sets the bit and queues the work. It may
 *    come before the request is queued (queueing looks at the bit) and after the
 *    copy (then the frames have won). The request is freed after ki_complete(),
 *    which no cancel routine outlives.
 *  - A pended kiocb holds its file and so the client.
 *  - The worker only tries client->consumer: a reader stuck in a fault may hold
 *    it. acq_client_unlock() therefore kicks the queue if there is one.
 */
#include <linux/aio.h>
#include <linux/bvec.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "core.h"
#include "trace.h"

/**
 * struct acq_request - a place in the queue
 * @node: in client->requests (client->lock)
 * @number: of all that waited, from 1
 * @fits: frames it has room for
 * @ended: STOP or unplug came while it waited (client->lock)
 * @task: who is blocked; NULL: it is in a struct acq_aio
 */
struct acq_request {
	struct list_head node;
	u64 number;
	u32 fits;
	bool ended;
	struct task_struct *task;
};

/**
 * struct acq_aio - a pended AIO read
 * @req: its place
 * @client: whose queue
 * @iocb: to be completed; not to be touched after that
 * @buffer: its memory
 * @cancelled: the cancel routine was here
 * @iter: where to copy to
 * @bvec: the pieces of @buffer
 */
struct acq_aio {
	struct acq_request req;
	struct acq_client *client;
	struct kiocb *iocb;
	struct acq_buffer *buffer;
	bool cancelled;
	struct iov_iter iter;
	struct bio_vec bvec[];
};

/* What a read of an empty ring says; @state was seen before the ring was. */
static int request_end(u32 state, bool ended)
{
	if (state & ACQ_RING_GONE)
		return -ENODEV;
	/* A STOP that a START has overtaken still ends what waited. */
	return ended || state & ACQ_RING_STOPPED ? 0 : -EAGAIN;
}

/* Has it reason to look at the ring? Context: as acq_ring_look(). */
static bool request_ready(struct acq_client *client, const struct acq_request *req)
{
	return READ_ONCE(req->ended) ||
	       acq_client_ready(client, acq_ring_look(&client->ring), req->fits);
}

/*
 * Take frames, as many as fit and are there; @req: for a request that waited.
 *
 * Context: process, client->consumer held; counted as a reader, so not mapped.
 * Return: bytes; 0: stopped; -EAGAIN: not ready; -EFAULT, -EINVAL, -EIO, -ENODEV.
 */
static ssize_t request_take(struct acq_client *client, struct iov_iter *to,
			    const struct acq_request *req)
{
	struct acq_ring *ring = &client->ring;
	struct acq_look look = acq_ring_look(ring);
	bool ended = req && READ_ONCE(req->ended);
	u32 stride, count;
	size_t fits;

	if (!acq_ring_exists(ring))
		return request_end(look.state, ended);
	if (look.state & ACQ_RING_BROKEN)
		return -EIO;

	stride = ring->fifo.esize;
	fits = iov_iter_count(to) / stride;
	if (!fits)
		return -EINVAL;
	if (!ended && !acq_client_ready(client, look, req ? req->fits : fits))
		return -EAGAIN;
	if (!look.count)
		return request_end(look.state, ended);

	count = acq_ring_take(ring, to, min_t(size_t, look.count, fits));
	return count ? (ssize_t)count * stride : -EFAULT;
}

/* Read what is there, without waiting for frames. */
static ssize_t request_now(struct acq_client *client, struct iov_iter *to, bool nowait)
{
	ssize_t ret = acq_client_lock(client, nowait);

	if (ret)
		return ret;
	ret = list_empty(&client->requests) ? request_take(client, to, NULL) : -EAGAIN;
	acq_client_unlock(client);
	return ret;
}

/**
 * acq_request_kick() - let the head of the queue look, if it has reason to
 * @client: any state
 *
 * Context: any but hard interrupts; client->lock held.
 * Return: whether it had.
 */
bool acq_request_kick(struct acq_client *client)
{
	struct acq_request *head;

	lockdep_assert_held(&client->lock);
	head = list_first_entry_or_null(&client->requests, struct acq_request, node);
	if (!head || !request_ready(client, head))
		return false;
	if (head->task)
		wake_up_process(head->task);
	else
		queue_work(system_unbound_wq, &client->work);
	return true;
}

/**
 * acq_request_look_again() - acq_request_kick(), by who gave back client->consumer
 * @client: any state
 *
 * Context: process.
 */
void acq_request_look_again(struct acq_client *client)
{
	spin_lock_bh(&client->lock);
	acq_request_kick(client);
	spin_unlock_bh(&client->lock);
}

/**
 * acq_request_end() - STOP or unplug: what waits is to end
 * @client: any state
 *
 * Each takes what remains, in order, or nothing.
 *
 * Context: client->lock held.
 */
void acq_request_end(struct acq_client *client)
{
	struct acq_request *req;

	lockdep_assert_held(&client->lock);
	list_for_each_entry(req, &client->requests, node)
		WRITE_ONCE(req->ended, true);
}

static void request_enqueue(struct acq_client *client, struct acq_request *req)
{
	lockdep_assert_held(&client->lock);
	list_add_tail(&req->node, &client->requests);
	req->number = ++client->pended;
	client->waiting++;
	trace_acq_pend(client, req->number, !req->task, req->fits);
}

static void request_count_cancelled(struct acq_client *client)
{
	spin_lock_bh(&client->lock);
	client->cancelled++;
	spin_unlock_bh(&client->lock);
}

/* Out of the queue; what is left is for the next one, or for pollers. */
static void request_dequeue(struct acq_client *client, struct acq_request *req)
{
	bool tell;

	spin_lock_bh(&client->lock);
	list_del(&req->node);
	client->waiting--;
	acq_request_kick(client);
	tell = acq_event_wanted(client) && acq_client_pollable(client);
	spin_unlock_bh(&client->lock);
	if (tell)
		acq_event_notify(client);
}

static u32 request_fits(struct acq_client *client, size_t bytes)
{
	return clamp_t(size_t, bytes / READ_ONCE(client->adev->stride), 1, U32_MAX);
}

/* Blocked reads */

/*
 * Looks under the lock: what it finds has been accounted for, and traced.
 *
 * Context: client->lock held; given back here.
 * Return: 0 when @req is the head and ready, or -ERESTARTSYS.
 */
static int request_sleep(struct acq_client *client, struct acq_request *req)
	__releases(&client->lock)
{
	bool next;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		next = list_is_first(&req->node, &client->requests) && request_ready(client, req);
		spin_unlock_bh(&client->lock);
		if (next || signal_pending(current))
			break;
		schedule();
		spin_lock_bh(&client->lock);
	}
	__set_current_state(TASK_RUNNING);
	return next ? 0 : -ERESTARTSYS;
}

static ssize_t request_wait(struct acq_client *client, struct iov_iter *to)
{
	struct acq_request req = {
		.fits = request_fits(client, iov_iter_count(to)),
		.task = current,
	};
	ssize_t ret;

	spin_lock_bh(&client->lock);
	request_enqueue(client, &req);
	for (;;) {
		ret = request_sleep(client, &req);
		if (!ret)
			ret = acq_client_lock(client, false);
		if (ret)
			break;
		ret = request_take(client, to, &req);
		if (ret != -EAGAIN) {
			trace_acq_complete(client, req.number, ret);
			request_dequeue(client, &req);
		}
		acq_client_unlock(client);
		if (ret != -EAGAIN)
			return ret;
		/* FLUSH was quicker: sleep on. */
		spin_lock_bh(&client->lock);
	}

	trace_acq_cancel(client, req.number, ret);
	request_count_cancelled(client);
	request_dequeue(client, &req);
	return ret;
}

/* Linux AIO */

/* Pin @len bytes of the piece of user memory that @to stands at. */
static ssize_t aio_pin_piece(struct acq_aio *aio, struct iov_iter *to, size_t len)
{
	unsigned long addr = (unsigned long)acq_iter_addr(to);
	size_t offset = offset_in_page(addr);
	unsigned int npages = DIV_ROUND_UP(offset + len, PAGE_SIZE);
	int ret = acq_buffer_pin(aio->buffer, addr, npages);

	if (ret == -EFAULT && fault_in_iov_iter_writeable(to, len) < len)
		ret = acq_buffer_pin(aio->buffer, addr, npages);
	if (ret < 0)
		return ret;
	return min(len, (size_t)ret * PAGE_SIZE - offset);
}

static void aio_add_pieces(struct acq_aio *aio, unsigned int first, size_t offset, size_t len)
{
	unsigned int i;

	for (i = first; len; i++) {
		size_t part = min(len, PAGE_SIZE - offset);

		aio->bvec[i].bv_page = aio->buffer->pages[i];
		aio->bvec[i].bv_offset = offset;
		aio->bvec[i].bv_len = part;
		len -= part;
		offset = 0;
	}
}

/* Return: bytes pinned, from the first; or an error if none was. */
static ssize_t aio_pin(struct acq_aio *aio, struct iov_iter *to, size_t bytes)
{
	size_t done = 0;

	/* Empty segments in front are no pages; advance skips those that follow. */
	iov_iter_advance(to, 0);
	while (done < bytes) {
		size_t want = min(bytes - done, iov_iter_single_seg_count(to));
		size_t offset = offset_in_page(acq_iter_addr(to));
		unsigned int first = aio->buffer->npages;
		ssize_t len = aio_pin_piece(aio, to, want);

		if (len < 0)
			return done ?: len;
		aio_add_pieces(aio, first, offset, len);
		iov_iter_advance(to, len);
		done += len;
		if (len < want)
			break;
	}
	return done;
}

/* Only what was written to is dirty. */
static unsigned int aio_dirty_pages(const struct acq_aio *aio, ssize_t written)
{
	unsigned int pages = 0;

	for (; written > 0; pages++)
		written -= aio->bvec[pages].bv_len;
	return pages;
}

static unsigned int aio_count_pages(const struct iov_iter *to, size_t bytes)
{
	struct iov_iter clip = *to;

	iov_iter_truncate(&clip, bytes);
	return iov_iter_npages(&clip, INT_MAX);
}

/* Whole frames of @to, no more than the ring can hold: what one read can bring. */
static size_t aio_clip(struct acq_client *client, const struct iov_iter *to)
{
	u32 stride = client->ring.fifo.esize;

	return min_t(size_t, iov_iter_count(to) / stride, acq_ring_size(&client->ring)) * stride;
}

static struct acq_aio *aio_new(struct acq_client *client, struct iov_iter *to, size_t bytes)
{
	unsigned int npages = aio_count_pages(to, bytes);
	struct acq_aio *aio;
	ssize_t pinned;

	aio = kvzalloc(struct_size(aio, bvec, npages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!aio)
		return ERR_PTR(-ENOMEM);
	aio->buffer = acq_buffer_alloc(npages);
	if (IS_ERR(aio->buffer)) {
		void *err = aio->buffer;

		kvfree(aio);
		return err;
	}
	pinned = aio_pin(aio, to, bytes);
	if (pinned >= 0)
		pinned -= pinned % client->ring.fifo.esize;
	if (pinned <= 0) {
		acq_buffer_free(aio->buffer, 0);
		kvfree(aio);
		return ERR_PTR(pinned ?: -EFAULT);
	}
	aio->client = client;
	iov_iter_bvec(&aio->iter, ITER_DEST, aio->bvec, aio->buffer->npages, pinned);
	return aio;
}

/* Under the AIO context's lock, interrupts off; once at most. */
static int aio_cancel(struct kiocb *iocb)
{
	struct acq_aio *aio = iocb->private;

	WRITE_ONCE(aio->cancelled, true);
	/* Queueing orders the store before the work that looks for it. */
	queue_work(system_unbound_wq, &aio->client->work);
	return 0;
}

static ssize_t aio_pend(struct acq_client *client, struct kiocb *iocb, struct iov_iter *to)
{
	struct acq_aio *aio;
	size_t bytes;
	ssize_t ret;

	/* The ring must stand still while its geometry is used. */
	ret = acq_client_lock(client, false);
	if (ret)
		return ret;
	bytes = acq_ring_exists(&client->ring) ? aio_clip(client, to) : 0;
	aio = bytes ? aio_new(client, to, bytes) : ERR_PTR(-EINVAL);
	acq_client_unlock(client);
	if (IS_ERR(aio))
		return PTR_ERR(aio);

	aio->req.fits = request_fits(client, iov_iter_count(&aio->iter));
	aio->iocb = iocb;
	iocb->private = aio;
	kiocb_set_cancel_fn(iocb, aio_cancel);

	spin_lock_bh(&client->lock);
	request_enqueue(client, &aio->req);
	if (READ_ONCE(aio->cancelled))
		queue_work(system_unbound_wq, &client->work);
	acq_request_kick(client);
	spin_unlock_bh(&client->lock);
	/* It may be complete by now. */
	return -EIOCBQUEUED;
}

/* Unpin, complete, unlink, free. Context: the client's work, no lock held. */
static void aio_complete(struct acq_aio *aio, ssize_t ret)
{
	struct acq_client *client = aio->client;

	if (ret == -ECANCELED) {
		trace_acq_cancel(client, aio->req.number, ret);
		/* Before the event, which says so. */
		request_count_cancelled(client);
	} else {
		trace_acq_complete(client, aio->req.number, ret);
	}
	acq_buffer_free(aio->buffer, aio_dirty_pages(aio, ret));
	acq_ring_read_end(&client->ring);
	/* The file may go with the kiocb; its release waits for this work. */
	aio->iocb->ki_complete(aio->iocb, ret);
	request_dequeue(client, &aio->req);
	kvfree(aio);
}

static struct acq_aio *aio_of(struct acq_request *req)
{
	return container_of(req, struct acq_aio, req);
}

/* Wherever they are in the queue: cancelled requests wait for nothing. */
static struct acq_aio *aio_find_cancelled(struct acq_client *client)
{
	struct acq_request *req;
	struct acq_aio *found = NULL;

	spin_lock_bh(&client->lock);
	list_for_each_entry(req, &client->requests, node) {
		if (!req->task && READ_ONCE(aio_of(req)->cancelled)) {
			found = aio_of(req);
			break;
		}
	}
	spin_unlock_bh(&client->lock);
	return found;
}

static struct acq_aio *aio_find_ready(struct acq_client *client)
{
	struct acq_request *head;

	spin_lock_bh(&client->lock);
	head = list_first_entry_or_null(&client->requests, struct acq_request, node);
	if (head && (head->task || !request_ready(client, head)))
		head = NULL;
	spin_unlock_bh(&client->lock);
	return head ? aio_of(head) : NULL;
}

/* Serve the head if it is ready. Return: is there reason to come again? */
static bool aio_serve(struct acq_client *client)
{
	ssize_t ret = -EAGAIN;
	struct acq_aio *aio;

	acq_poll_barrier(); /* C of ring.c */
	if (acq_client_lock(client, true))
		return false;
	aio = aio_find_ready(client);
	if (aio)
		ret = request_take(client, &aio->iter, &aio->req);
	acq_client_unlock(client);
	if (ret == -EAGAIN)
		return false;
	aio_complete(aio, ret);
	return true;
}

/**
 * acq_request_work() - end the AIO reads that can be ended
 * @work: the client's
 *
 * Context: a worker. The only place that unlinks AIO reads.
 */
void acq_request_work(struct work_struct *work)
{
	struct acq_client *client = container_of(work, struct acq_client, work);
	struct acq_aio *aio;

	while ((aio = aio_find_cancelled(client)))
		aio_complete(aio, -ECANCELED);
	while (aio_serve(client))
		cond_resched();
}

/* Starting the hardware may sleep: a read that must not leaves it to poll. */
static noinline int request_attach(struct acq_client *client, const struct iov_iter *to,
				   bool nowait)
{
	if (iov_iter_count(to) < READ_ONCE(client->adev->stride))
		return -EINVAL;
	return nowait ? -EAGAIN : acq_client_attach(client, false);
}

/* Nothing is there, or somebody is before us. */
static noinline ssize_t request_pend(struct acq_client *client, struct kiocb *iocb,
				     struct iov_iter *to)
{
	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	if (iocb->ki_flags & IOCB_AIO_RW)
		return aio_pend(client, iocb, to);
	if (iocb->ki_filp->f_flags & O_NONBLOCK)
		return -EAGAIN;
	return request_wait(client, to);
}

/**
 * acq_read_iter() - read_iter of an open file
 * @iocb: of the system call, of Linux AIO, or of io_uring
 * @to: user memory
 *
 * Only Linux AIO pends; IOCB_NOWAIT never waits; anything else, io_uring's workers
 * among them, waits interruptibly.
 *
 * Return: bytes, whole frames; 0: stopped; -EIOCBQUEUED; or an error.
 */
ssize_t acq_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct acq_client *client = iocb->ki_filp->private_data;
	bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	ssize_t ret = 0;

	if (!iov_iter_count(to))
		return 0;
	/* Read or mapped, never both. */
	if (!acq_ring_read_begin(&client->ring))
		return -EBUSY;
	if (READ_ONCE(client->state) == ACQ_CLIENT_IDLE)
		ret = request_attach(client, to, nowait);
	if (!ret) {
		ret = request_now(client, to, nowait);
		if (ret == -EAGAIN)
			ret = request_pend(client, iocb, to);
	}
	if (ret != -EIOCBQUEUED)
		acq_ring_read_end(&client->ring);
	return ret;
}
