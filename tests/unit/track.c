// SPDX-License-Identifier: GPL-2.0-only
/* acq_track_frame(): loss is what the sequence numbers say, exactly. */
#include "frames.h"
#include "suite.h"

static uint64_t next(struct acq_track *track, uint64_t seq, int flags)
{
	struct acq_frame frame = { .seq = seq, .flags = flags };

	return acq_track_frame(track, &frame);
}

START_TEST(gapless)
{
	struct acq_track track = { 0 };
	int i;

	ck_assert_uint_eq(next(&track, 1000, ACQ_FRAME_START), 0);
	for (i = 1; i < 100; i++)
		ck_assert_uint_eq(next(&track, 1000 + i, 0), 0);
	ck_assert_uint_eq(track.frames, 100);
	ck_assert_uint_eq(track.lost, 0);
	ck_assert_uint_eq(track.gaps, 0);
	ck_assert_uint_eq(track.starts, 1);
	ck_assert_uint_eq(track.disorder, 0);
}
END_TEST

START_TEST(gaps_are_counted)
{
	struct acq_track track = { 0 };

	next(&track, 5, ACQ_FRAME_START);
	ck_assert_uint_eq(next(&track, 9, ACQ_FRAME_GAP), 3);
	ck_assert_uint_eq(next(&track, 10, 0), 0);
	ck_assert_uint_eq(next(&track, 12, ACQ_FRAME_GAP), 1);
	ck_assert_uint_eq(track.lost, 4);
	ck_assert_uint_eq(track.gaps, 2);
	ck_assert_uint_eq(track.disorder, 0);
}
END_TEST

START_TEST(start_begins_anew)
{
	struct acq_track track = { 0 };

	next(&track, 100, ACQ_FRAME_START);
	ck_assert_uint_eq(next(&track, 500, ACQ_FRAME_START), 0);
	ck_assert_uint_eq(next(&track, 3, ACQ_FRAME_START), 0);
	ck_assert_uint_eq(next(&track, 4, 0), 0);
	ck_assert_uint_eq(track.lost, 0);
	ck_assert_uint_eq(track.disorder, 0);
	ck_assert_uint_eq(track.starts, 3);
}
END_TEST

/* The middle of a capture: nothing is known about what came before. */
START_TEST(first_frame_without_start)
{
	struct acq_track track = { 0 };

	ck_assert_uint_eq(next(&track, 77, 0), 0);
	ck_assert_uint_eq(next(&track, 78, 0), 0);
	ck_assert_uint_eq(track.disorder, 0);

	track = (struct acq_track){ 0 };
	ck_assert_uint_eq(next(&track, 77, ACQ_FRAME_GAP), 0);
	ck_assert_uint_eq(track.disorder, 0);
}
END_TEST

START_TEST(contradictions)
{
	struct acq_track track = { 0 };

	next(&track, 10, ACQ_FRAME_START);
	ck_assert_uint_eq(next(&track, 10, 0), 0); /* twice */
	ck_assert_uint_eq(track.disorder, 1);
	ck_assert_uint_eq(next(&track, 4, ACQ_FRAME_GAP), 0); /* back */
	ck_assert_uint_eq(track.disorder, 2);
	ck_assert_uint_eq(next(&track, 8, 0), 3); /* a jump, no flag */
	ck_assert_uint_eq(track.disorder, 3);
	ck_assert_uint_eq(next(&track, 9, ACQ_FRAME_GAP), 0); /* no jump */
	ck_assert_uint_eq(track.disorder, 4);
	ck_assert_uint_eq(track.lost, 3);
}
END_TEST

START_TEST(overruns_do_not_count_as_lost)
{
	struct acq_track track = { 0 };

	next(&track, 0, ACQ_FRAME_START | ACQ_FRAME_HW_OVERRUN);
	next(&track, 1, ACQ_FRAME_HW_OVERRUN);
	ck_assert_uint_eq(track.hw_overruns, 2);
	ck_assert_uint_eq(track.lost, 0);
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		gapless,
		gaps_are_counted,
		start_begins_anew,
		first_frame_without_start,
		contradictions,
		overruns_do_not_count_as_lost,
		NULL,
	};

	return run_suite("track", tests);
}
