/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames as a device would make them, for the suites that have none. */
#ifndef TEST_FRAMES_H
#define TEST_FRAMES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <acq.h>

#define FRAME_ROOM 4096

static inline void *zeroed(size_t bytes)
{
	void *mem = calloc(1, bytes);

	if (!mem)
		abort();
	return mem;
}

/* One frame in memory of its own, aligned; the payload is 0. */
static inline struct acq_frame *new_frame(uint64_t seq, int format, int channels, uint32_t bytes)
{
	uint32_t stride = (sizeof(struct acq_frame) + bytes + 7) / 8 * 8;
	struct acq_frame *frame = zeroed(stride > FRAME_ROOM ? stride : FRAME_ROOM);

	frame->seq = seq;
	frame->timestamp_ns = 1000000000 + seq * 1000000;
	frame->bytes = bytes;
	frame->stride = stride;
	frame->rate_hz = 1000;
	frame->format = format;
	frame->channels = channels;
	return frame;
}

/* The simulator's counter, as the contract has it. */
static inline void fill_counter(struct acq_frame *frame)
{
	unsigned int width = acq_format_width(frame->format);
	uint32_t n = frame->bytes / width, i;
	uint64_t value;

	for (i = 0; i < n; i++) {
		value = frame->seq * n + i;
		memcpy(frame->data + (size_t)i * width, &value, width);
	}
}

#define CAPTURE_STRIDE 48

/* A capture of n counter frames from seq on. The caller frees it. */
static inline char *new_capture(uint64_t seq, unsigned int n, size_t *bytes)
{
	char *capture = zeroed((size_t)n * CAPTURE_STRIDE);
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct acq_frame *frame = new_frame(seq + i, ACQ_FORMAT_S16, 2, 16);

		frame->flags = i ? 0 : ACQ_FRAME_START;
		fill_counter(frame);
		memcpy(capture + (size_t)i * CAPTURE_STRIDE, frame, CAPTURE_STRIDE);
		free(frame);
	}
	*bytes = (size_t)n * CAPTURE_STRIDE;
	return capture;
}

#endif /* TEST_FRAMES_H */
