// SPDX-License-Identifier: LGPL-2.1-or-later
/* Is anything missing, was anything altered? */
#include "internal.h"

/* Frames missing before this one; a contradiction is counted, never believed. */
static uint64_t missing(struct acq_track *track, const struct acq_frame *frame)
{
	bool jump = frame->seq != track->next;
	bool gap = frame->flags & ACQ_FRAME_GAP;

	if (jump != gap || frame->seq < track->next)
		track->disorder++;
	return frame->seq > track->next ? frame->seq - track->next : 0;
}

uint64_t acq_track_frame(struct acq_track *track, const struct acq_frame *frame)
{
	bool start = frame->flags & ACQ_FRAME_START;
	uint64_t lost = 0;

	if (!start && track->frames)
		lost = missing(track, frame);
	track->frames++;
	track->starts += start;
	track->lost += lost;
	track->gaps += lost > 0;
	track->hw_overruns += !!(frame->flags & ACQ_FRAME_HW_OVERRUN);
	track->next = frame->seq + 1;
	return lost;
}

/* The values of one width: the index of the first that is not first + i. */
#define FIRST_WRONG(type) \
	static uint32_t first_wrong_##type(const void *data, uint32_t n, uint64_t first) \
	{ \
		const type *value = data; \
		uint32_t i; \
\
		for (i = 0; i < n; i++) \
			if (value[i] != (type)(first + i)) \
				break; \
		return i; \
	}

FIRST_WRONG(uint8_t)
FIRST_WRONG(uint16_t)
FIRST_WRONG(uint32_t)

static uint32_t first_wrong(const struct acq_frame *frame, uint32_t n)
{
	uint64_t first = frame->seq * n;

	switch (acq_format_width(frame->format)) {
	case 1:
		return first_wrong_uint8_t(frame->data, n, first);
	case 2:
		return first_wrong_uint16_t(frame->data, n, first);
	case 4:
		return first_wrong_uint32_t(frame->data, n, first);
	}
	return 0;
}

/* What lies behind the payload must be zero. */
static bool padding_sound(const struct acq_frame *frame)
{
	uint32_t room = frame->stride - sizeof(*frame), i;

	for (i = frame->bytes; i < room; i++)
		if (frame->data[i])
			return false;
	return true;
}

int acq_verify_frame(const struct acq_frame *frame, uint32_t *index)
{
	uint32_t n = acq_frame_values(frame);
	uint32_t wrong = first_wrong(frame, n);

	if (index)
		*index = wrong;
	if (!n || wrong < n || !padding_sound(frame))
		return -EBADMSG;
	return 0;
}
