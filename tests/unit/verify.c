// SPDX-License-Identifier: GPL-2.0-only
/* acq_verify_frame(): the counter pattern, to the last bit. */
#include <errno.h>

#include "frames.h"
#include "suite.h"

static const int formats[] = { ACQ_FORMAT_U8,  ACQ_FORMAT_S8,  ACQ_FORMAT_U16,	ACQ_FORMAT_S16,
			       ACQ_FORMAT_U32, ACQ_FORMAT_S32, ACQ_FORMAT_EVENT };

#define FORMATS (sizeof(formats) / sizeof(*formats))

START_TEST(sound_frames)
{
	const uint64_t seqs[] = { 0, 1, 255, 65535, 1ULL << 32, ~0ULL };
	struct acq_frame *frame;
	size_t i, j;

	for (i = 0; i < FORMATS; i++)
		for (j = 0; j < sizeof(seqs) / sizeof(*seqs); j++) {
			frame = new_frame(seqs[j], formats[i], 1, 100);
			fill_counter(frame);
			ck_assert_int_eq(acq_verify_frame(frame, NULL), 0);
			free(frame);
		}
}
END_TEST

/* By hand, so that a mistake in fill_counter() is not made twice. */
START_TEST(the_pattern)
{
	struct acq_frame *frame = new_frame(3, ACQ_FORMAT_S16, 2, 8);
	const int16_t values[] = { 12, 13, 14, 15 };

	memcpy(frame->data, values, sizeof(values));
	ck_assert_int_eq(acq_verify_frame(frame, NULL), 0);
	frame->seq = 2;
	ck_assert_int_eq(acq_verify_frame(frame, NULL), -EBADMSG);
	free(frame);
}
END_TEST

START_TEST(any_flipped_bit)
{
	struct acq_frame *frame;
	uint32_t bit, at, room;
	size_t i;

	for (i = 0; i < FORMATS; i++) {
		frame = new_frame(300, formats[i], 1, 36);
		fill_counter(frame);
		room = (frame->stride - sizeof(*frame)) * 8;
		for (bit = 0; bit < room; bit++) {
			frame->data[bit / 8] ^= 1 << bit % 8;
			ck_assert_int_eq(acq_verify_frame(frame, &at), -EBADMSG);
			ck_assert_uint_eq(at, bit / 8 < 36 ?
						      bit / 8 / acq_format_width(formats[i]) :
						      acq_frame_values(frame));
			frame->data[bit / 8] ^= 1 << bit % 8;
		}
		ck_assert_int_eq(acq_verify_frame(frame, &at), 0);
		free(frame);
	}
}
END_TEST

START_TEST(nothing_to_verify_is_damage)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_S16, 1, 0);

	ck_assert_int_eq(acq_verify_frame(frame, NULL), -EBADMSG);
	frame->bytes = 8;
	frame->format = 99;
	ck_assert_int_eq(acq_verify_frame(frame, NULL), -EBADMSG);
	free(frame);
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		sound_frames, the_pattern, any_flipped_bit, nothing_to_verify_is_damage, NULL,
	};

	return run_suite("verify", tests);
}
