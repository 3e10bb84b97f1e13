/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * acq - data from an interrupting device into programs
 *
 * The contract between the kernel and a program, in words.
 *
 * A device (/dev/acq, /dev/acq1, ...) produces frames: a struct acq_frame and
 * its payload, never split, never merged. Every open file is a client of its
 * own, with its own ring: each client that is attached gets every frame, and a
 * slow one costs the others nothing. Threads that share one open file share its
 * frames, first come first served.
 *
 * Attaching. open() is passive. A client attaches by ACQ_IOC_START, or once per
 * open by its first read, or by a poll that asks for input. The hardware starts
 * with its first client and stops with its last. ACQ_IOC_STOP detaches: reads
 * give what is left, then 0, and only ACQ_IOC_START attaches again.
 *
 * Loss. @seq counts the frames the device produced. The first frame after
 * attaching and after ACQ_IOC_FLUSH carries ACQ_FRAME_START, and its @seq may be
 * anything. From there on @seq grows by one from frame to frame; where it jumps,
 * exactly the frames between were lost because this client's ring was full, and
 * that frame carries ACQ_FRAME_GAP. A full ring drops the newest. Always:
 *
 *	produced = delivered + lost + flushed + frames in the ring
 *
 * What the hardware itself lost does not move @seq; the next frame carries
 * ACQ_FRAME_HW_OVERRUN, and acq_stats.hw_lost counts it.
 *
 * Readiness. Read, poll, the eventfd and SIGIO share one predicate: at least
 * @watermark frames are in the ring; or the oldest one has been there for
 * @latency_us (less, if others left the ring meanwhile); or streaming has ended
 * (stopped, or the device is gone).
 *
 * read() gives whole frames only, as many as fit and are there. It waits for
 * the smaller of the watermark and what fits. A buffer smaller than a frame is
 * EINVAL. O_NONBLOCK: EAGAIN. A bad address is EFAULT and loses no frame. When
 * the device is gone: what is left, then ENODEV.
 *
 * mmap(). Offset 0 is one page, struct acq_consumer, to be mapped shared and
 * writable. Offset PAGE_SIZE is struct acq_producer (one page), then the frames;
 * shared and read-only. Consuming takes no system call:
 *
 *	in = load_acquire(&producer->in);
 *	while (out != in)
 *		use(frames + (out++ & (producer->frames - 1)) * producer->stride);
 *	store_release(&consumer->out, out);
 *
 * Positions count frames, run freely through 2^32, and need not begin at 0. A
 * file is read or mapped: while the consumer page is mapped, reads are EBUSY. An
 * @out that is not between its last value and @in is an error of that client
 * alone: poll says EPOLLERR and its frames are lost until ACQ_IOC_FLUSH.
 *
 * Commands. Numbers are _IO; each struct begins with its @size, set by the
 * caller to sizeof. Too short is EINVAL; longer than the kernel knows is E2BIG
 * unless the rest is zero; reserved fields must be zero, else EINVAL; an unknown
 * command is ENOTTY. START, STOP, FLUSH and UNSHARE_BUFFER take 0 as argument.
 * START while attached and STOP while stopped change nothing.
 */
#ifndef _UAPI_LINUX_ACQ_H
#define _UAPI_LINUX_ACQ_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define ACQ_ABI_VERSION 1

/**
 * enum acq_frame_flags - acq_frame.flags
 * @ACQ_FRAME_START: first frame after attaching or after ACQ_IOC_FLUSH
 * @ACQ_FRAME_GAP: frames just before this one were lost: the ring was full
 * @ACQ_FRAME_HW_OVERRUN: the hardware lost data just before this frame
 * @ACQ_FRAME_BREAK: a break on the line (serial sources)
 * @ACQ_FRAME_FRAMING: a framing error on the line (serial sources)
 * @ACQ_FRAME_PARITY: a parity error on the line (serial sources)
 */
enum acq_frame_flags {
	ACQ_FRAME_START = 1 << 0,
	ACQ_FRAME_GAP = 1 << 1,
	ACQ_FRAME_HW_OVERRUN = 1 << 2,
	ACQ_FRAME_BREAK = 1 << 3,
	ACQ_FRAME_FRAMING = 1 << 4,
	ACQ_FRAME_PARITY = 1 << 5,
};

/**
 * enum acq_format - acq_frame.format: one value of one channel, native endian
 * @ACQ_FORMAT_U8: unsigned, 1 byte
 * @ACQ_FORMAT_S8: signed, 1 byte
 * @ACQ_FORMAT_U16: unsigned, 2 bytes
 * @ACQ_FORMAT_S16: signed, 2 bytes
 * @ACQ_FORMAT_U32: unsigned, 4 bytes
 * @ACQ_FORMAT_S32: signed, 4 bytes
 * @ACQ_FORMAT_EVENT: bytes whose meaning is the source's
 */
enum acq_format {
	ACQ_FORMAT_U8 = 1,
	ACQ_FORMAT_S8 = 2,
	ACQ_FORMAT_U16 = 3,
	ACQ_FORMAT_S16 = 4,
	ACQ_FORMAT_U32 = 5,
	ACQ_FORMAT_S32 = 6,
	ACQ_FORMAT_EVENT = 7,
};

/**
 * struct acq_frame - the unit: one header, one payload
 * @seq: +1 for each frame the device produced
 * @timestamp_ns: CLOCK_MONOTONIC, taken in the interrupt handler; the frames of
 *	one interrupt share it
 * @bytes: valid payload bytes; the rest of the stride is zero
 * @stride: bytes from this frame to the next; fixed while streaming
 * @rate_hz: frames per second, 0 if aperiodic
 * @flags: enum acq_frame_flags
 * @format: enum acq_format
 * @channels: values of one scan; a payload is whole scans, channels interleaved
 * @data: the payload
 */
struct acq_frame {
	__aligned_u64 seq;
	__aligned_u64 timestamp_ns;
	__u32 bytes;
	__u32 stride;
	__u32 rate_hz;
	__u16 flags;
	__u8 format;
	__u8 channels;
	__u8 data[];
};

/**
 * struct acq_consumer - the page at mmap offset 0, written by the program
 * @out: frames consumed, free-running
 */
struct acq_consumer {
	__u32 out;
};

/**
 * enum acq_ring_state - acq_producer.state
 * @ACQ_RING_ATTACHED: frames are coming
 * @ACQ_RING_STOPPED: by ACQ_IOC_STOP; what is in the ring is the rest
 * @ACQ_RING_GONE: the device is gone; what is in the ring is the rest
 * @ACQ_RING_BROKEN: @out was nonsense; frames are lost until ACQ_IOC_FLUSH
 */
enum acq_ring_state {
	ACQ_RING_ATTACHED = 1 << 0,
	ACQ_RING_STOPPED = 1 << 1,
	ACQ_RING_GONE = 1 << 2,
	ACQ_RING_BROKEN = 1 << 3,
};

/**
 * struct acq_producer - the page at mmap offset PAGE_SIZE, read-only
 * @in: frames put into the ring, free-running
 * @state: enum acq_ring_state, for information; poll is what waits for a change
 * @lost: frames lost by this client since open
 * @frames: size of the ring in frames, a power of two
 * @stride: bytes from one frame to the next
 * @frames_offset: mmap offset of the first frame, 0 if the ring's storage is the
 *	program's own (ACQ_IOC_SHARE_BUFFER)
 */
struct acq_producer {
	__u32 in;
	__u32 state;
	__aligned_u64 lost;
	__u32 frames;
	__u32 stride;
	__aligned_u64 frames_offset;
};

/**
 * enum acq_timestamp - acq_info.timestamp: where acq_frame.timestamp_ns is taken
 * @ACQ_TIMESTAMP_HARDIRQ: in the hard interrupt handler
 * @ACQ_TIMESTAMP_THREAD: in a handler that the kernel forced into a thread
 *	(PREEMPT_RT or threadirqs, on a shared line)
 * @ACQ_TIMESTAMP_SOURCE: by a source that has no interrupt of its own
 */
enum acq_timestamp {
	ACQ_TIMESTAMP_HARDIRQ = 1,
	ACQ_TIMESTAMP_THREAD = 2,
	ACQ_TIMESTAMP_SOURCE = 3,
};

/**
 * enum acq_bottom_half - acq_info.bottom_half: what drains the hardware
 * @ACQ_BOTTOM_HALF_THREAD: the interrupt's thread
 * @ACQ_BOTTOM_HALF_WORKQUEUE: a work item
 * @ACQ_BOTTOM_HALF_TASKLET: a tasklet
 * @ACQ_BOTTOM_HALF_SOURCE: the source itself, it has no interrupt
 */
enum acq_bottom_half {
	ACQ_BOTTOM_HALF_THREAD = 1,
	ACQ_BOTTOM_HALF_WORKQUEUE = 2,
	ACQ_BOTTOM_HALF_TASKLET = 3,
	ACQ_BOTTOM_HALF_SOURCE = 4,
};

/**
 * enum acq_info_flags - acq_info.flags
 * @ACQ_INFO_STREAMING: the device streams, to whomever
 * @ACQ_INFO_ATTACHED: this client is attached
 * @ACQ_INFO_STOPPED: this client was stopped; only ACQ_IOC_START attaches it
 * @ACQ_INFO_MAPPED: this client's consumer page is mapped
 * @ACQ_INFO_SHARED: this client's ring lies in the program's own memory
 * @ACQ_INFO_GONE: the device is gone
 */
enum acq_info_flags {
	ACQ_INFO_STREAMING = 1 << 0,
	ACQ_INFO_ATTACHED = 1 << 1,
	ACQ_INFO_STOPPED = 1 << 2,
	ACQ_INFO_MAPPED = 1 << 3,
	ACQ_INFO_SHARED = 1 << 4,
	ACQ_INFO_GONE = 1 << 5,
};

/**
 * struct acq_info - ACQ_IOC_GET_INFO: the device and this client's settings
 * @size: sizeof(struct acq_info)
 * @abi: ACQ_ABI_VERSION of the kernel module
 * @name: of the device node, without /dev/
 * @source: of the driver that feeds it
 * @flags: enum acq_info_flags
 * @rate_hz: granted frames per second, 0 if aperiodic
 * @rate_max_hz: the most that ACQ_IOC_SETUP grants, 0 if it can't be set
 * @channels: values of one scan
 * @channels_max: the most that ACQ_IOC_SETUP grants
 * @samples: scans of one frame
 * @samples_max: the most that ACQ_IOC_SETUP grants
 * @format: enum acq_format of the frames now
 * @formats: bit N set: the source knows enum acq_format N
 * @payload_max: most payload bytes of a frame
 * @stride: bytes from one frame to the next
 * @ring_frames: size of this client's ring
 * @ring_frames_max: the most that ACQ_IOC_CONFIGURE grants at this stride
 * @watermark: of this client, in frames
 * @latency_us: of this client, 0: unbounded
 * @clock: clockid_t of the timestamps
 * @timestamp: enum acq_timestamp
 * @bottom_half: enum acq_bottom_half
 * @reserved: 0
 * @map_bytes: bytes that can be mapped at offset PAGE_SIZE
 */
struct acq_info {
	__u32 size;
	__u32 abi;
	char name[32];
	char source[32];
	__u32 flags;
	__u32 rate_hz;
	__u32 rate_max_hz;
	__u32 channels;
	__u32 channels_max;
	__u32 samples;
	__u32 samples_max;
	__u32 format;
	__u32 formats;
	__u32 payload_max;
	__u32 stride;
	__u32 ring_frames;
	__u32 ring_frames_max;
	__u32 watermark;
	__u32 latency_us;
	__u32 clock;
	__u32 timestamp;
	__u32 bottom_half;
	__u32 reserved[2];
	__aligned_u64 map_bytes;
};

/**
 * struct acq_stats - ACQ_IOC_GET_STATS: counters since open, or of the device
 * @size: sizeof(struct acq_stats)
 * @ring: frames in this client's ring now
 * @produced: frames the device produced while this client was attached
 * @delivered: frames this client consumed
 * @delivered_bytes: the same in bytes, headers included
 * @lost: frames lost because this client's ring was full
 * @flushed: frames thrown away by ACQ_IOC_FLUSH (and by a START after the
 *	geometry changed)
 * @wakeups: times a request, poll, the eventfd or SIGIO was told of this client's
 *	frames, once a batch at most
 * @pended: requests that had to wait: blocked reads and Linux AIO
 * @cancelled: of these, the ones that ended without data before their time
 * @device_frames: frames the device produced since it was registered
 * @hw_lost: losses that the hardware reported, in units of the source
 * @irqs: interrupts that were the device's own
 * @spurious_irqs: calls of the handler that were not for the device
 */
struct acq_stats {
	__u32 size;
	__u32 ring;
	__aligned_u64 produced;
	__aligned_u64 delivered;
	__aligned_u64 delivered_bytes;
	__aligned_u64 lost;
	__aligned_u64 flushed;
	__aligned_u64 wakeups;
	__aligned_u64 pended;
	__aligned_u64 cancelled;
	__aligned_u64 device_frames;
	__aligned_u64 hw_lost;
	__aligned_u64 irqs;
	__aligned_u64 spurious_irqs;
};

/* acq_config.latency_us: leave the bound as it is */
#define ACQ_LATENCY_KEEP (~0U)
#define ACQ_LATENCY_MAX_US 3600000000U

/**
 * struct acq_config - ACQ_IOC_CONFIGURE: this client's settings
 * @size: sizeof(struct acq_config)
 * @ring_frames: 0: as it is; rounded up to a power of two, at least 2, and what
 *	was granted comes back. EBUSY while attached or mapped or shared
 * @watermark: 0: as it is; frames that make the client ready, at most
 *	@ring_frames
 * @latency_us: ready also at most this long after the oldest frame came; 0: never
 *
 * All three come back as they are then. A watermark that no longer fits because
 * only @ring_frames was given shrinks with it.
 */
struct acq_config {
	__u32 size;
	__u32 ring_frames;
	__u32 watermark;
	__u32 latency_us;
};

/**
 * struct acq_setup - ACQ_IOC_SETUP: the device's settings, for all its clients
 * @size: sizeof(struct acq_setup)
 * @rate_hz: frames per second; 0: as it is
 * @channels: values of one scan; 0: as it is
 * @samples: scans of one frame; 0: as it is
 *
 * Needs a file opened for writing (EBADF). EBUSY while any client is attached,
 * mapped or shared. What was granted comes back.
 */
struct acq_setup {
	__u32 size;
	__u32 rate_hz;
	__u32 channels;
	__u32 samples;
};

/**
 * struct acq_eventfd - ACQ_IOC_SET_EVENTFD
 * @size: sizeof(struct acq_eventfd)
 * @fd: an eventfd that is signalled after every batch that leaves the client
 *	ready, and when streaming ends; -1: none
 */
struct acq_eventfd {
	__u32 size;
	__s32 fd;
};

/**
 * struct acq_share - ACQ_IOC_SHARE_BUFFER: the ring in the program's own memory
 * @size: sizeof(struct acq_share)
 * @ring_frames: must be 0; comes back: the largest power of two that fits
 * @addr: page-aligned
 * @bytes: of the buffer, a multiple of the page size
 *
 * The pages stay pinned until ACQ_IOC_UNSHARE_BUFFER or the end of the file, and
 * count against RLIMIT_MEMLOCK. EBUSY while attached, mapped or shared already;
 * needs a file opened for writing (EBADF).
 */
struct acq_share {
	__u32 size;
	__u32 ring_frames;
	__aligned_u64 addr;
	__aligned_u64 bytes;
};

#define ACQ_IOC_TYPE 0xAC

#define ACQ_IOC_GET_INFO _IO(ACQ_IOC_TYPE, 0x20)
#define ACQ_IOC_GET_STATS _IO(ACQ_IOC_TYPE, 0x21)
#define ACQ_IOC_CONFIGURE _IO(ACQ_IOC_TYPE, 0x22)
#define ACQ_IOC_SETUP _IO(ACQ_IOC_TYPE, 0x23)
#define ACQ_IOC_START _IO(ACQ_IOC_TYPE, 0x24)
#define ACQ_IOC_STOP _IO(ACQ_IOC_TYPE, 0x25)
#define ACQ_IOC_FLUSH _IO(ACQ_IOC_TYPE, 0x26)
#define ACQ_IOC_SET_EVENTFD _IO(ACQ_IOC_TYPE, 0x27)
#define ACQ_IOC_SHARE_BUFFER _IO(ACQ_IOC_TYPE, 0x28)
#define ACQ_IOC_UNSHARE_BUFFER _IO(ACQ_IOC_TYPE, 0x29)

#endif /* _UAPI_LINUX_ACQ_H */
