/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Between peers/bench_peer.c and bench.c: /dev/bench, whose read() is a plain
 * copy_to_user(), and whose commands follow.
 */
#ifndef BENCH_H
#define BENCH_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* What a tick of the bench's timer does. */
enum bench_event {
	BENCH_ACQ, /* raise the interrupt of the acq source "bench" */
	BENCH_IIO, /* poll the trigger of the IIO device "bench" */
	BENCH_EVENTFD, /* signal the eventfd */
};

/**
 * struct bench_timer - start the timer
 * @event: enum bench_event
 * @frames: frames or records that each tick brings; IIO: one
 * @first_ns: CLOCK_MONOTONIC of the first tick
 * @period_ns: to the next; 0: there is none
 * @count: ticks
 * @eventfd: for BENCH_EVENTFD
 */
struct bench_timer {
	__u32 event;
	__u32 frames;
	__aligned_u64 first_ns;
	__aligned_u64 period_ns;
	__u32 count;
	__s32 eventfd;
};

#define BENCH_IOC_TIMER _IOW('B', 1, struct bench_timer)
#define BENCH_IOC_STOP _IO('B', 2)
/* argument: records; into the IIO buffer at once */
#define BENCH_IOC_IIO_PUSH _IO('B', 3)
/*
 * argument: frames; the result: cycles. Generate as many payloads as the acq source
 * does for an interrupt, strides apart; and copy as many strides with memcpy().
 */
#define BENCH_IOC_GENERATE _IO('B', 4)
#define BENCH_IOC_MEMCPY _IO('B', 5)

/* bytes of a record of the IIO device, as many as of a small frame */
#define BENCH_RECORD 64

#endif /* BENCH_H */
