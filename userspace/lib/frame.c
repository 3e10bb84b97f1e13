// SPDX-License-Identifier: LGPL-2.1-or-later
/* Frames in a buffer. What is in the buffer is not trusted. */
#include <string.h>

#include "internal.h"

/* No device has frames of more than a batch's buffer; a damaged length might. */
#define STRIDE_MAX (16U << 20)

static bool sound(const struct acq_frame *frame)
{
	return frame->stride >= sizeof(*frame) && frame->stride % 8 == 0 &&
	       frame->stride <= STRIDE_MAX && frame->bytes <= frame->stride - sizeof(*frame) &&
	       frame->format && frame->channels;
}

const struct acq_frame *acq_frame_next(struct acq_walk *walk)
{
	const struct acq_frame *frame;
	size_t left;

	walk->error = 0;
	if (walk->offset >= walk->bytes)
		return NULL;
	left = walk->bytes - walk->offset;
	frame = (const void *)((const char *)walk->buf + walk->offset);
	if ((uintptr_t)frame % 8)
		walk->error = -EBADMSG;
	else if (left < sizeof(*frame))
		walk->error = -ENODATA;
	else if (!sound(frame))
		walk->error = -EBADMSG;
	else if (left < frame->stride)
		walk->error = -ENODATA;
	if (walk->error)
		return NULL;
	walk->offset += frame->stride;
	return frame;
}

unsigned int acq_format_width(unsigned int format)
{
	switch (format) {
	case ACQ_FORMAT_U8:
	case ACQ_FORMAT_S8:
	case ACQ_FORMAT_EVENT:
		return 1;
	case ACQ_FORMAT_U16:
	case ACQ_FORMAT_S16:
		return 2;
	case ACQ_FORMAT_U32:
	case ACQ_FORMAT_S32:
		return 4;
	}
	return 0;
}

uint32_t acq_frame_values(const struct acq_frame *frame)
{
	unsigned int width = acq_format_width(frame->format);

	return width ? frame->bytes / width : 0;
}

int64_t acq_frame_value(const struct acq_frame *frame, uint32_t index)
{
	if (index >= acq_frame_values(frame))
		return 0;
	switch (frame->format) {
	case ACQ_FORMAT_S8:
		return ((const int8_t *)frame->data)[index];
	case ACQ_FORMAT_U16:
		return ((const uint16_t *)frame->data)[index];
	case ACQ_FORMAT_S16:
		return ((const int16_t *)frame->data)[index];
	case ACQ_FORMAT_U32:
		return ((const uint32_t *)frame->data)[index];
	case ACQ_FORMAT_S32:
		return ((const int32_t *)frame->data)[index];
	}
	return frame->data[index];
}
