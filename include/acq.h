/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libacq - frames from an interrupting device, for programs
 *
 * <linux/acq.h> has the structures and the rules; this library is those rules as
 * functions. Link with -lacq, or `pkg-config --cflags --libs libacq`.
 *
 *	struct acq *acq;
 *	int err = acq_open(&acq, NULL, O_RDONLY);
 *
 *	if (err)
 *		errx(1, "%s", acq_strerror(err));
 *	while ((got = acq_read(acq, buf, sizeof(buf), -1)) > 0) {
 *		struct acq_walk walk = { .buf = buf, .bytes = got };
 *
 *		while ((frame = acq_frame_next(&walk)))
 *			use(frame);
 *	}
 *	acq_close(acq);
 *
 * Errors are negative errno values, returned; acq_strerror() has a sentence for
 * each, with the cure. errno itself is not part of the interface.
 *
 * Threads: one struct acq may be used by any number of threads at once, except
 * that the acq_ring_ functions are for one thread at a time, and that
 * acq_close() comes after everything else. The functions on frames touch
 * nothing but their arguments. After fork() only one of the processes may go on
 * using a struct acq.
 *
 * Timeouts are in milliseconds; -1 waits for ever, 0 does not wait. A signal
 * handler that returns ends a wait with -EINTR.
 *
 * Structures that begin with @size: the caller sets it to sizeof, and the rest
 * that is not an input to 0. So the library and the kernel can be newer than
 * the program, or older.
 */
#ifndef _ACQ_H
#define _ACQ_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/acq.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The functions of this header are all that the shared library exports. */
#define ACQ_API __attribute__((visibility("default")))

struct acq;

/**
 * acq_open() - open a device
 * @acqp: where the handle goes; the caller's, until acq_close()
 * @name: of the device ("acq", "acq1") or a path with a slash in it; NULL: the
 *	first device, /dev/acq
 * @flags: of open(2): O_RDONLY suffices to read; O_RDWR is needed for the
 *	acq_ring_ functions and acq_setup_device(). O_CLOEXEC is always added.
 *
 * Passive: the hardware does not start by this.
 *
 * Return: 0; -ENOENT (the module is not loaded, or no such device), -EACCES,
 * -ENOTTY (not an acq device), -EPROTONOSUPPORT (the module's ABI is newer than
 * this library), -ENOMEM, or what else open(2) says.
 */
ACQ_API int acq_open(struct acq **acqp, const char *name, int flags);

/**
 * acq_close() - release a handle and all that hangs on it
 * @acq: from acq_open(), or NULL
 *
 * Cancels and waits for the requests of acq_submit(): when it returns, nothing
 * is written to their buffers any more, and those that no acq_wait() has seen
 * are forgotten. Unmaps the ring; shared memory is the caller's alone again.
 */
ACQ_API void acq_close(struct acq *acq);

/**
 * acq_fd() - the file descriptor, for poll, epoll, fcntl or io_uring
 * @acq: from acq_open()
 *
 * Return: the descriptor. It stays the handle's: don't close it.
 */
ACQ_API int acq_fd(const struct acq *acq);

/**
 * acq_get_info() - what the device is, and how this client is set up
 * @acq: from acq_open()
 * @info: filled in; @info->size is set by the caller
 *
 * Return: 0, -EINVAL (@info->size too small).
 */
ACQ_API int acq_get_info(struct acq *acq, struct acq_info *info);

/**
 * acq_get_stats() - the counters of this client and of the device
 * @acq: from acq_open()
 * @stats: filled in; @stats->size is set by the caller
 *
 * Return: 0, -EINVAL (@stats->size too small).
 */
ACQ_API int acq_get_stats(struct acq *acq, struct acq_stats *stats);

/**
 * acq_configure() - size of the ring, watermark (both in frames), latency bound
 * @acq: from acq_open()
 * @config: in: what is wished, @config->size set by the caller, 0 (or
 *	ACQ_LATENCY_KEEP) for what is to stay; out: what was granted
 *
 * Return: 0, -EBUSY (the ring's size can't change while attached, mapped or
 * shared), -EINVAL (out of bounds), -ENOMEM.
 */
ACQ_API int acq_configure(struct acq *acq, struct acq_config *config);

/**
 * acq_setup_device() - rate, channels and samples of the device, for everyone
 * @acq: from acq_open() with O_RDWR
 * @setup: in: what is wished, @setup->size set by the caller, 0 for what is to
 *	stay; out: what was granted
 *
 * Return: 0, -EBUSY (some client is attached, mapped or shared), -EBADF (opened
 * without O_RDWR), -EINVAL, -ENODEV.
 */
ACQ_API int acq_setup_device(struct acq *acq, struct acq_setup *setup);

/**
 * acq_start() - attach: frames begin to come
 * @acq: from acq_open()
 *
 * Not needed before the first acq_read(), acq_submit() or acq_ring_next(), which
 * attach by themselves. Needed after acq_stop().
 *
 * Return: 0, -ENODEV, -ENOMEM, or why the hardware did not start.
 */
ACQ_API int acq_start(struct acq *acq);

/**
 * acq_stop() - detach: who reads gets the frames that are left, then the end
 * @acq: from acq_open()
 *
 * Ends every wait, in whatever thread. One system call and nothing else, so a
 * signal handler may call it.
 *
 * Return: 0.
 */
ACQ_API int acq_stop(struct acq *acq);

/**
 * acq_flush() - skip to the newest: throw away what is in the ring
 * @acq: from acq_open()
 *
 * Puts a mapped ring right after -ESTALE, too. With a mapped ring it belongs to
 * the acq_ring_ functions: one thread at a time, and what acq_ring_next() gave
 * is void.
 *
 * Return: 0.
 */
ACQ_API int acq_flush(struct acq *acq);

/**
 * acq_read() - copy whole frames out, as many as fit and are there
 * @acq: from acq_open()
 * @buf: aligned to 8 bytes, for acq_frame_next() to walk
 * @bytes: its size; at least one frame (acq_info.stride)
 * @timeout_ms: how long to wait for the watermark, or for what fits if that is
 *	less, or for the latency bound
 *
 * With -1 several threads are served in the order in which they came.
 *
 * Return: bytes copied, a multiple of the stride; 0 when streaming was stopped
 * and nothing is left; -ETIMEDOUT, -EINTR, -ENODEV (the device is gone and
 * nothing is left), -EINVAL (less than a frame fits), -EFAULT, -EBUSY (the ring
 * is mapped), or why the hardware did not start.
 */
ACQ_API ssize_t acq_read(struct acq *acq, void *buf, size_t bytes, int timeout_ms);

/**
 * acq_set_eventfd() - have an eventfd signalled when frames are there
 * @acq: from acq_open()
 * @fd: the caller's eventfd, -1: none any more
 *
 * Signalled after every batch that leaves the client ready, and when streaming
 * ends. It does not attach: call acq_start().
 *
 * Return: 0, -EBADF, -EINVAL (not an eventfd).
 */
ACQ_API int acq_set_eventfd(struct acq *acq, int fd);

/**
 * acq_ring_map() - map this client's ring, to consume it without system calls
 * @acq: from acq_open() with O_RDWR
 *
 * Until acq_ring_unmap(), acq_read() and acq_submit() give -EBUSY.
 *
 * Return: 0, -EBUSY (mapped already), -EACCES (opened without O_RDWR), -ENOMEM,
 * -ENODEV.
 */
ACQ_API int acq_ring_map(struct acq *acq);

/**
 * acq_ring_share() - the same, with the ring in memory of the caller's
 * @acq: from acq_open() with O_RDWR
 * @addr: page-aligned; from malloc, mmap (anonymous, shm, memfd, huge pages)
 * @bytes: a multiple of the page size
 *
 * The kernel puts the frames there until acq_ring_unmap() or acq_close(): keep
 * it and don't write to it. It stays pinned and counts against RLIMIT_MEMLOCK.
 *
 * Return: the frames that fit, a power of two; -EBUSY (attached or mapped),
 * -EBADF (opened without O_RDWR), -EINVAL (alignment, or not two frames fit),
 * -ENOMEM (more than RLIMIT_MEMLOCK), -EFAULT (not such memory), -ENODEV.
 */
ACQ_API int acq_ring_share(struct acq *acq, void *addr, size_t bytes);

/**
 * acq_ring_unmap() - undo acq_ring_map() or acq_ring_share()
 * @acq: from acq_open()
 *
 * Frames from acq_ring_next() must not be touched any more. A shared ring is
 * stopped first, as by acq_stop().
 *
 * Return: 0, -EINVAL (nothing mapped).
 */
ACQ_API int acq_ring_unmap(struct acq *acq);

/**
 * acq_ring_next() - the next frames in the mapped ring
 * @acq: with acq_ring_map() or acq_ring_share()
 * @frames: set to the first of them; the others follow stride by stride. They
 *	stay as they are until acq_ring_release().
 * @timeout_ms: how long to wait if none is there
 *
 * Makes no system call while frames are there, nor with a timeout of 0 while
 * streaming. Gives one contiguous piece: at the ring's wrap the rest comes with
 * the next call. Called again before acq_ring_release(), it gives the same
 * frames and perhaps more.
 *
 * Return: how many; 0 when streaming was stopped and nothing is left;
 * -ETIMEDOUT, -EINTR, -ENODEV (the device is gone and nothing is left), -ESTALE
 * (the ring's positions are out of step: acq_flush()), -EINVAL (nothing mapped),
 * or why the hardware did not start.
 */
ACQ_API int acq_ring_next(struct acq *acq, const struct acq_frame **frames, int timeout_ms);

/**
 * acq_ring_release() - give the oldest frames' room back
 * @acq: with a mapped ring
 * @frames: how many of those that acq_ring_next() gave
 *
 * No system call. Return: 0, -EINVAL (more than it gave).
 */
ACQ_API int acq_ring_release(struct acq *acq, unsigned int frames);

/**
 * struct acq_completion - how a request of acq_submit() ended
 * @id: of the request
 * @user: as given to acq_submit()
 * @buf: as given to acq_submit(); the caller's again
 * @result: as of acq_read(); -ECANCELED: cancelled before it had frames;
 *	-EAGAIN: the kernel has no room for more requests; -ENOMEM: its buffer
 *	would exceed RLIMIT_MEMLOCK
 */
struct acq_completion {
	uint64_t id;
	void *user;
	void *buf;
	ssize_t result;
};

/* Requests of one handle that can be outstanding, or waiting for acq_wait(). */
#define ACQ_REQUESTS_MAX 256

/**
 * acq_submit() - leave a read with the kernel, to be completed when frames come
 * @acq: from acq_open()
 * @buf: as of acq_read(); leave it alone, and mapped, until the request ends
 * @bytes: its size
 * @user: for the caller, comes back in the completion
 * @id: NULL, or where the number of the request goes, for acq_cancel(); set
 *	before the request can end
 *
 * Requests and waiting acq_read()s of a handle are served in the order in which
 * they were made. Each request that was submitted ends exactly once, in one
 * acq_wait() or in acq_close().
 *
 * Return: 0, -EAGAIN (ACQ_REQUESTS_MAX are outstanding, or the system's
 * fs.aio-max-nr is used up), -ENOMEM, -ENOSYS (a kernel without Linux AIO).
 */
ACQ_API int acq_submit(struct acq *acq, void *buf, size_t bytes, void *user, uint64_t *id);

/**
 * acq_wait() - wait for requests to end
 * @acq: from acq_open()
 * @done: filled in, in the order in which the requests ended
 * @max: how many fit into @done, at least 1
 * @timeout_ms: how long to wait for the first
 *
 * Any number of threads may wait; each completion goes to one of them.
 *
 * Return: how many, at least 1; -ETIMEDOUT, -EINTR, -EINVAL.
 */
ACQ_API int acq_wait(struct acq *acq, struct acq_completion *done, unsigned int max,
		     int timeout_ms);

/**
 * acq_cancel() - ask a request to end now
 * @acq: from acq_open()
 * @id: from acq_submit()
 *
 * The request's end comes by acq_wait() in any case: with -ECANCELED, or with
 * its frames if they came first. No frame is lost by cancelling.
 *
 * Return: 0, -ENOENT (has ended already).
 */
ACQ_API int acq_cancel(struct acq *acq, uint64_t id);

/**
 * struct acq_walk - a walk over a buffer of frames
 * @buf: the buffer, aligned to 8 bytes
 * @bytes: how much is in it
 * @offset: where the walk is; 0 to begin with
 * @error: why acq_frame_next() said NULL: 0: the buffer ends here; -ENODATA: it
 *	ends within the frame at @offset; -EBADMSG: no frame is at @offset
 */
struct acq_walk {
	const void *buf;
	size_t bytes;
	size_t offset;
	int error;
};

/**
 * acq_frame_next() - the next frame of a buffer
 * @walk: with @walk->buf and @walk->bytes set, the rest 0
 *
 * The frame that is returned lies wholly in the buffer, and so do its @bytes of
 * payload within its @stride, whatever the buffer holds.
 *
 * Return: the frame, or NULL, and then @walk->error says why.
 */
ACQ_API const struct acq_frame *acq_frame_next(struct acq_walk *walk);

/**
 * acq_format_width() - bytes of one value
 * @format: enum acq_format
 *
 * Return: 1, 2 or 4; 0 for a format this library does not know.
 */
ACQ_API unsigned int acq_format_width(unsigned int format);

/**
 * acq_frame_values() - number of values in a frame: scans times channels
 * @frame: from acq_frame_next(), or from a ring
 */
ACQ_API uint32_t acq_frame_values(const struct acq_frame *frame);

/**
 * acq_frame_value() - one value of a frame, whatever its format
 * @frame: from acq_frame_next(), or from a ring
 * @index: scan * frame->channels + channel, below acq_frame_values()
 *
 * Return: the value; 0 beyond the last.
 */
ACQ_API int64_t acq_frame_value(const struct acq_frame *frame, uint32_t index);

/**
 * struct acq_track - account of a stream's sequence numbers; begins as all 0
 * @frames: seen
 * @lost: missing between them
 * @gaps: places where some are missing
 * @starts: frames with ACQ_FRAME_START
 * @hw_overruns: frames with ACQ_FRAME_HW_OVERRUN
 * @disorder: frames whose number contradicts what came before: it stands still
 *	or goes back, or jumps without ACQ_FRAME_GAP, or the flag came without a
 *	jump. Never in a sound stream.
 * @next: number that the next frame should have
 */
struct acq_track {
	uint64_t frames;
	uint64_t lost;
	uint64_t gaps;
	uint64_t starts;
	uint64_t hw_overruns;
	uint64_t disorder;
	uint64_t next;
};

/**
 * acq_track_frame() - account for the next frame of a stream
 * @track: the account
 * @frame: each frame in turn
 *
 * Return: frames that are missing just before this one.
 */
ACQ_API uint64_t acq_track_frame(struct acq_track *track, const struct acq_frame *frame);

/**
 * acq_verify_frame() - is this frame's payload the simulator's counter pattern?
 * @frame: from acq_frame_next(), or from a ring
 * @index: NULL, or set to the first value that is wrong; to the number of
 *	values if one of the payload's bytes behind the last is not zero
 *
 * Of n values in frame s, value i is s * n + i, truncated to its width.
 *
 * Return: 0, -EBADMSG.
 */
ACQ_API int acq_verify_frame(const struct acq_frame *frame, uint32_t *index);

/**
 * acq_strerror() - a sentence about an error of this library, with the cure
 * @err: negative errno value (or positive)
 *
 * Return: a string that lives for ever.
 */
ACQ_API const char *acq_strerror(int err);

#ifdef __cplusplus
}
#endif

#endif /* _ACQ_H */
