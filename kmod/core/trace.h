/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: the way of a frame, and what becomes of requests. The way is
 *
 *	acq_irq -> acq_drain -> acq_drained -> acq_push -> acq_wake -> acq_read
 *
 * where a device without an interrupt has no acq_irq, a client whose program did
 * not wait no acq_wake, and one that maps its ring no acq_read. @after_ns is the
 * age of what the event is about: the time since its interrupt.
 *
 * Each event comes before what it tells of can be seen elsewhere, so that the
 * events of a frame are in order whichever processors they come from.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM acq

#if !defined(_ACQ_CORE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _ACQ_CORE_TRACE_H

#include <linux/ktime.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "core.h"

/* define_trace.h reads all below several times. */
#ifndef ACQ_TRACE_NAME
#define ACQ_TRACE_NAME 16

static inline void acq_trace_name(char *to, const struct acq_device *adev)
{
	strscpy(to, dev_name(&adev->dev), ACQ_TRACE_NAME);
}

static inline s64 acq_trace_age(u64 timestamp)
{
	return ktime_get_ns() - timestamp;
}

/*
 * The oldest frame in the ring, copied out but not consumed yet. In a shared buffer
 * it is what the program made of it.
 */
static inline const struct acq_frame *acq_trace_oldest(struct acq_client *client)
{
	return acq_ring_frame(&client->ring, client->ring.out);
}

static inline s64 acq_trace_oldest_age(struct acq_client *client)
{
	return acq_trace_age(READ_ONCE(acq_trace_oldest(client)->timestamp_ns));
}

/* Since the interrupt that was the last one drained. */
static inline s64 acq_trace_latest_age(const struct acq_device *adev)
{
	return acq_trace_age(READ_ONCE(adev->batch.timestamp_ns));
}

static inline u32 acq_trace_left(const struct acq_client *client, u32 frames)
{
	return READ_ONCE(client->ring.in) - client->ring.out - frames;
}

#endif /* ACQ_TRACE_NAME */

/* Tables, not code. */
/* clang-format off */

/* an interrupt that was the device's own: @irqs counts them */
TRACE_EVENT(acq_irq,
	    TP_PROTO(const struct acq_device *adev, u64 timestamp),
	    TP_ARGS(adev, timestamp),
	    TP_STRUCT__entry(__array(char, dev, ACQ_TRACE_NAME)
			     __field(u64, irqs)
			     __field(u64, timestamp_ns)),
	    TP_fast_assign(acq_trace_name(__entry->dev, adev);
			   __entry->irqs = adev->irqs;
			   __entry->timestamp_ns = timestamp;),
	    TP_printk("dev=%s irqs=%llu timestamp_ns=%llu",
		      __entry->dev, __entry->irqs, __entry->timestamp_ns));

/* the bottom half; @seq is of the frame that comes next */
DECLARE_EVENT_CLASS(acq_bottom_half,
		    TP_PROTO(const struct acq_device *adev),
		    TP_ARGS(adev),
		    TP_STRUCT__entry(__array(char, dev, ACQ_TRACE_NAME)
				     __field(u64, seq)
				     __field(u64, timestamp_ns)
				     __field(s64, after_ns)),
		    TP_fast_assign(acq_trace_name(__entry->dev, adev);
				   __entry->seq = adev->batch.seq;
				   __entry->timestamp_ns = adev->batch.timestamp_ns;
				   __entry->after_ns = acq_trace_age(adev->batch.timestamp_ns);),
		    TP_printk("dev=%s seq=%llu timestamp_ns=%llu after_ns=%lld",
			      __entry->dev, __entry->seq, __entry->timestamp_ns,
			      __entry->after_ns));

/* before the source is drained, or begins to push */
DEFINE_EVENT(acq_bottom_half, acq_drain,
	     TP_PROTO(const struct acq_device *adev),
	     TP_ARGS(adev));

/* after it */
DEFINE_EVENT(acq_bottom_half, acq_drained,
	     TP_PROTO(const struct acq_device *adev),
	     TP_ARGS(adev));

/* frames go into a client's ring, which then holds @fill of @ring */
TRACE_EVENT(acq_push,
	    TP_PROTO(const struct acq_client *client, const struct acq_batch *batch, u32 frames),
	    TP_ARGS(client, batch, frames),
	    TP_STRUCT__entry(__array(char, dev, ACQ_TRACE_NAME)
			     __field(u64, seq)
			     __field(s64, after_ns)
			     __field(u32, client)
			     __field(u32, frames)
			     __field(u32, fill)
			     __field(u32, ring)),
	    TP_fast_assign(acq_trace_name(__entry->dev, client->adev);
			   __entry->seq = batch->seq - batch->count;
			   __entry->after_ns = acq_trace_age(batch->timestamp_ns);
			   __entry->client = client->id;
			   __entry->frames = frames;
			   __entry->fill = client->ring.fifo.in - client->ring.fifo.out;
			   __entry->ring = acq_ring_size(&client->ring);),
	    TP_printk("dev=%s client=%u seq=%llu frames=%u fill=%u ring=%u after_ns=%lld",
		      __entry->dev, __entry->client, __entry->seq, __entry->frames,
		      __entry->fill, __entry->ring, __entry->after_ns));

/*
 * frames that found the client's ring full, or that the source could not make; @lost
 * is all that the client lost so far
 */
TRACE_EVENT(acq_lost,
	    TP_PROTO(const struct acq_client *client, u64 seq, u64 frames),
	    TP_ARGS(client, seq, frames),
	    TP_STRUCT__entry(__array(char, dev, ACQ_TRACE_NAME)
			     __field(u64, seq)
			     __field(u64, frames)
			     __field(u64, lost)
			     __field(u32, client)),
	    TP_fast_assign(acq_trace_name(__entry->dev, client->adev);
			   __entry->seq = seq;
			   __entry->lost = client->lost;
			   __entry->client = client->id;
			   __entry->frames = frames;),
	    TP_printk("dev=%s client=%u seq=%llu frames=%llu lost=%llu",
		      __entry->dev, __entry->client, __entry->seq, __entry->frames,
		      __entry->lost));

/* the client is ready: its first request is told, or who polls; once a batch at most */
TRACE_EVENT_CONDITION(acq_wake,
		      TP_PROTO(struct acq_client *client, bool request, bool poll),
		      TP_ARGS(client, request, poll),
		      TP_CONDITION(request || poll),
		      TP_STRUCT__entry(__array(char, dev, ACQ_TRACE_NAME)
				       __field(s64, after_ns)
				       __field(u32, client)
				       __field(u32, fill)
				       __field(u32, watermark)
				       __field(bool, request)
				       __field(bool, poll)),
		      TP_fast_assign(acq_trace_name(__entry->dev, client->adev);
				     __entry->after_ns = acq_trace_latest_age(client->adev);
				     __entry->client = client->id;
				     __entry->fill = acq_ring_count(&client->ring);
				     __entry->watermark = READ_ONCE(client->watermark);
				     __entry->request = request;
				     __entry->poll = poll;),
		      TP_printk("dev=%s client=%u fill=%u watermark=%u request=%d poll=%d after_ns=%lld",
				__entry->dev, __entry->client, __entry->fill,
				__entry->watermark, __entry->request, __entry->poll,
				__entry->after_ns));

/* frames have been copied out; @seq and @after_ns are of the first, @fill is left */
TRACE_EVENT_CONDITION(acq_read,
		      TP_PROTO(struct acq_client *client, u32 frames),
		      TP_ARGS(client, frames),
		      TP_CONDITION(frames),
		      TP_STRUCT__entry(__array(char, dev, ACQ_TRACE_NAME)
				       __field(u64, seq)
				       __field(s64, after_ns)
				       __field(u32, client)
				       __field(u32, frames)
				       __field(u32, fill)),
		      TP_fast_assign(acq_trace_name(__entry->dev, client->adev);
				     __entry->seq = READ_ONCE(acq_trace_oldest(client)->seq);
				     __entry->after_ns = acq_trace_oldest_age(client);
				     __entry->client = client->id;
				     __entry->frames = frames;
				     __entry->fill = acq_trace_left(client, frames);),
		      TP_printk("dev=%s client=%u seq=%llu frames=%u fill=%u after_ns=%lld",
				__entry->dev, __entry->client, __entry->seq,
				__entry->frames, __entry->fill, __entry->after_ns));

/* a blocked read or a Linux AIO joins the client's queue, as its @request-th */
TRACE_EVENT(acq_pend,
	    TP_PROTO(const struct acq_client *client, u64 request, bool aio, u32 fits),
	    TP_ARGS(client, request, aio, fits),
	    TP_STRUCT__entry(__array(char, dev, ACQ_TRACE_NAME)
			     __field(u64, request)
			     __field(u32, client)
			     __field(u32, fits)
			     __field(bool, aio)),
	    TP_fast_assign(acq_trace_name(__entry->dev, client->adev);
			   __entry->request = request;
			   __entry->client = client->id;
			   __entry->fits = fits;
			   __entry->aio = aio;),
	    TP_printk("dev=%s client=%u request=%llu aio=%d fits=%u",
		      __entry->dev, __entry->client, __entry->request, __entry->aio,
		      __entry->fits));

/* how a request that waited has ended: @ret is bytes or an error */
DECLARE_EVENT_CLASS(acq_request_ends,
		    TP_PROTO(const struct acq_client *client, u64 request, ssize_t ret),
		    TP_ARGS(client, request, ret),
		    TP_STRUCT__entry(__array(char, dev, ACQ_TRACE_NAME)
				     __field(u64, request)
				     __field(s64, ret)
				     __field(u32, client)),
		    TP_fast_assign(acq_trace_name(__entry->dev, client->adev);
				   __entry->request = request;
				   __entry->ret = ret;
				   __entry->client = client->id;),
		    TP_printk("dev=%s client=%u request=%llu ret=%lld",
			      __entry->dev, __entry->client, __entry->request,
			      __entry->ret));

/* with frames, or because the stream has ended */
DEFINE_EVENT(acq_request_ends, acq_complete,
	     TP_PROTO(const struct acq_client *client, u64 request, ssize_t ret),
	     TP_ARGS(client, request, ret));

/* before its time: by a signal, io_cancel, the end of the program */
DEFINE_EVENT(acq_request_ends, acq_cancel,
	     TP_PROTO(const struct acq_client *client, u64 request, ssize_t ret),
	     TP_ARGS(client, request, ret));

/* the device is gone, after @frames and with @clients attached */
TRACE_EVENT(acq_unplug,
	    TP_PROTO(const struct acq_device *adev),
	    TP_ARGS(adev),
	    TP_STRUCT__entry(__array(char, dev, ACQ_TRACE_NAME)
			     __field(u64, frames)
			     __field(u32, clients)),
	    TP_fast_assign(acq_trace_name(__entry->dev, adev);
			   __entry->frames = adev->batch.seq;
			   __entry->clients = adev->nattached;),
	    TP_printk("dev=%s frames=%llu clients=%u",
		      __entry->dev, __entry->frames, __entry->clients));

/* clang-format on */

#endif /* _ACQ_CORE_TRACE_H */

/* This folder is in the include path of trace.c, wherever it is built. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
