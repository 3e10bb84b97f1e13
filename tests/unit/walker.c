// SPDX-License-Identifier: GPL-2.0-only
/* acq_frame_next(): whole frames only, and nothing beyond the buffer. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frames.h"
#include "suite.h"

static struct acq_walk walk_of(const void *buf, size_t bytes)
{
	return (struct acq_walk){ .buf = buf, .bytes = bytes };
}

START_TEST(all_frames_in_order)
{
	size_t bytes;
	char *capture = new_capture(7, 100, &bytes);
	struct acq_walk walk = walk_of(capture, bytes);
	const struct acq_frame *frame;
	uint64_t seq = 7;

	while ((frame = acq_frame_next(&walk)))
		ck_assert_uint_eq(frame->seq, seq++);
	ck_assert_uint_eq(seq, 107);
	ck_assert_int_eq(walk.error, 0);
	ck_assert_uint_eq(walk.offset, bytes);
	ck_assert_ptr_null(acq_frame_next(&walk));
	free(capture);
}
END_TEST

START_TEST(empty_buffer)
{
	struct acq_walk walk = walk_of(NULL, 0);

	ck_assert_ptr_null(acq_frame_next(&walk));
	ck_assert_int_eq(walk.error, 0);
}
END_TEST

/* Every length: the frames that are whole, and then where the rest begins. */
START_TEST(cut_anywhere)
{
	size_t bytes, cut, stride;
	char *capture = new_capture(0, 3, &bytes);

	stride = bytes / 3;
	for (cut = 0; cut <= bytes; cut++) {
		struct acq_walk walk = walk_of(capture, cut);
		size_t frames = 0;

		while (acq_frame_next(&walk))
			frames++;
		ck_assert_uint_eq(frames, cut / stride);
		ck_assert_uint_eq(walk.offset, frames * stride);
		ck_assert_int_eq(walk.error, cut % stride ? -ENODATA : 0);
	}
	free(capture);
}
END_TEST

static int error_of(const struct acq_frame *frame)
{
	struct acq_walk walk = walk_of(frame, FRAME_ROOM);

	ck_assert_ptr_null(acq_frame_next(&walk));
	ck_assert_uint_eq(walk.offset, 0);
	return walk.error;
}

START_TEST(lies_are_damage)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_U8, 1, 40);
	const struct acq_frame good = *frame;
	const uint32_t strides[] = { 0, 8, 24, 31, 33, 71, 73, 0x80000000, ~0U, ~0U - 7 };
	size_t i;

	for (i = 0; i < sizeof(strides) / sizeof(*strides); i++) {
		frame->stride = strides[i];
		ck_assert_int_eq(error_of(frame), -EBADMSG);
	}
	*frame = good;
	frame->bytes = 41;
	ck_assert_int_eq(error_of(frame), -EBADMSG);
	frame->bytes = ~0U;
	ck_assert_int_eq(error_of(frame), -EBADMSG);
	*frame = good;
	frame->format = 0;
	ck_assert_int_eq(error_of(frame), -EBADMSG);
	*frame = good;
	frame->channels = 0;
	ck_assert_int_eq(error_of(frame), -EBADMSG);
	free(frame);
}
END_TEST

START_TEST(a_frame_without_payload_is_one)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_U8, 1, 0);
	struct acq_walk walk = walk_of(frame, sizeof(*frame));

	ck_assert_ptr_eq(acq_frame_next(&walk), frame);
	ck_assert_uint_eq(acq_frame_values(frame), 0);
	ck_assert_int_eq(acq_frame_value(frame, 0), 0);
	free(frame);
}
END_TEST

START_TEST(unaligned_buffer)
{
	char buf[256] __attribute__((aligned(8))) = { 0 };
	struct acq_walk walk = walk_of(buf + 4, sizeof(buf) - 4);

	ck_assert_ptr_null(acq_frame_next(&walk));
	ck_assert_int_eq(walk.error, -EBADMSG);
}
END_TEST

/* A buffer that ends where memory does: reading on would crash. */
static char *at_the_edge(size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t room = (bytes + page - 1) / page * page;
	char *mem =
		mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(mem, MAP_FAILED);
	ck_assert_int_eq(mprotect(mem + room, page, PROT_NONE), 0);
	return mem + room - bytes;
}

static void look_at_everything(const struct acq_frame *frame)
{
	struct acq_track track = { 0 };
	uint32_t i, n = acq_frame_values(frame);

	for (i = 0; i < n; i++)
		acq_frame_value(frame, i);
	acq_track_frame(&track, frame);
	acq_verify_frame(frame, &i);
}

START_TEST(random_damage_stays_inside)
{
	size_t bytes, frames;
	char *capture = new_capture(0, 20, &bytes), *edge = at_the_edge(bytes);
	int round, flips;

	srand(1);
	for (round = 0; round < 20000; round++) {
		struct acq_walk walk = walk_of(edge, bytes);
		const struct acq_frame *frame;

		memcpy(edge, capture, bytes);
		for (flips = rand() % 8; flips >= 0; flips--)
			edge[rand() % bytes] = rand();
		for (frames = 0; (frame = acq_frame_next(&walk)); frames++)
			look_at_everything(frame);
		ck_assert_uint_le(walk.offset, bytes);
		ck_assert_uint_le(frames, bytes / sizeof(*frame));
	}
	free(capture);
}
END_TEST

START_TEST(values_of_each_format)
{
	static const struct {
		int format;
		unsigned int width;
		int64_t ones; /* all bits set */
	} cases[] = {
		{ ACQ_FORMAT_U8, 1, 0xff },	     { ACQ_FORMAT_S8, 1, -1 },
		{ ACQ_FORMAT_U16, 2, 0xffff },	     { ACQ_FORMAT_S16, 2, -1 },
		{ ACQ_FORMAT_U32, 4, 0xffffffffLL }, { ACQ_FORMAT_S32, 4, -1 },
		{ ACQ_FORMAT_EVENT, 1, 0xff },
	};
	struct acq_frame *frame;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		frame = new_frame(0, cases[i].format, 1, 3 * cases[i].width);
		ck_assert_uint_eq(acq_format_width(cases[i].format), cases[i].width);
		ck_assert_uint_eq(acq_frame_values(frame), 3);
		memset(frame->data + cases[i].width, 0xff, cases[i].width);
		ck_assert_int_eq(acq_frame_value(frame, 0), 0);
		ck_assert_int_eq(acq_frame_value(frame, 1), cases[i].ones);
		ck_assert_int_eq(acq_frame_value(frame, 2), 0);
		memset(frame->data + 3 * cases[i].width, 0xff, cases[i].width);
		ck_assert_int_eq(acq_frame_value(frame, 3), 0);
		free(frame);
	}
	ck_assert_uint_eq(acq_format_width(0), 0);
	ck_assert_uint_eq(acq_format_width(200), 0);
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		all_frames_in_order,
		empty_buffer,
		cut_anywhere,
		lies_are_damage,
		a_frame_without_payload_is_one,
		unaligned_buffer,
		random_damage_stays_inside,
		values_of_each_format,
		NULL,
	};

	return run_suite("walker", tests);
}
