// SPDX-License-Identifier: GPL-2.0-only
/*
 * acq_ring_next() and acq_ring_release() over a ring that this suite feeds: the
 * positions, the wrap, and a kernel that contradicts itself. Reaches into the
 * library, by lib/internal.h.
 */
#include <fcntl.h>
#include <unistd.h>

#include "frames.h"
#include "internal.h"
#include "suite.h"

#define RING 8
#define STRIDE 40

static struct acq_consumer consumer;
static struct acq_producer producer;
static unsigned char frames[RING * STRIDE];

/* A mapped handle whose positions begin at @at. Any system call on its fd fails. */
static struct acq *mapped(uint32_t at)
{
	struct acq *acq = zeroed(sizeof(*acq));

	acq->fd = 1 << 20;
	consumer.out = at;
	producer = (struct acq_producer){
		.in = at, .state = ACQ_RING_ATTACHED, .frames = RING, .stride = STRIDE
	};
	acq->ring.consumer = &consumer;
	acq->ring.producer = &producer;
	acq->ring.frames = frames;
	acq->ring.count = RING;
	acq->ring.stride = STRIDE;
	acq_ring_resync(&acq->ring);
	return acq;
}

static int index_of(const struct acq_frame *frame)
{
	return ((const unsigned char *)frame - frames) / STRIDE;
}

START_TEST(not_mapped)
{
	struct acq acq = { .fd = -1 };
	const struct acq_frame *frame;

	ck_assert_int_eq(acq_ring_next(&acq, &frame, 0), -EINVAL);
	ck_assert_int_eq(acq_ring_release(&acq, 0), -EINVAL);
	ck_assert_int_eq(acq_ring_unmap(&acq), -EINVAL);
}
END_TEST

/* A system call would have said EBADF, so there was none. */
START_TEST(empty_without_waiting)
{
	struct acq *acq = mapped(0);
	const struct acq_frame *frame;

	ck_assert_int_eq(acq_ring_next(acq, &frame, 0), -ETIMEDOUT);
	ck_assert_int_eq(acq_ring_next(acq, &frame, 1), -EBADF);
	ck_assert_int_eq(acq_ring_next(acq, &frame, -1), -EBADF);
	producer.state = 0;
	ck_assert_int_eq(acq_ring_next(acq, &frame, 0), -EBADF);
	free(acq);
}
END_TEST

START_TEST(pieces_up_to_the_wrap)
{
	const uint32_t starts[] = { 0, 3, 7, ~0U, ~0U - 4, 0x7fffffff };
	const struct acq_frame *frame;
	struct acq *acq;
	uint32_t at, first;
	size_t i;

	for (i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		acq = mapped(starts[i]);
		producer.in += RING;
		at = starts[i] % RING;
		first = RING - at;
		ck_assert_int_eq(acq_ring_next(acq, &frame, -1), first);
		ck_assert_int_eq(index_of(frame), at);
		ck_assert_int_eq(acq_ring_release(acq, first), 0);
		ck_assert_uint_eq(consumer.out, starts[i] + first);
		if (at) {
			ck_assert_int_eq(acq_ring_next(acq, &frame, -1), at);
			ck_assert_int_eq(index_of(frame), 0);
			ck_assert_int_eq(acq_ring_release(acq, at), 0);
		}
		ck_assert_uint_eq(consumer.out, producer.in);
		ck_assert_int_eq(acq_ring_next(acq, &frame, 0), -ETIMEDOUT);
		free(acq);
	}
}
END_TEST

START_TEST(release_in_parts)
{
	struct acq *acq = mapped(~0U - 2);
	const struct acq_frame *frame;

	producer.in += 2;
	ck_assert_int_eq(acq_ring_next(acq, &frame, 0), 2);
	ck_assert_int_eq(acq_ring_release(acq, 3), -EINVAL);
	ck_assert_int_eq(acq_ring_release(acq, 1), 0);
	ck_assert_int_eq(acq_ring_release(acq, 2), -EINVAL);
	ck_assert_int_eq(acq_ring_release(acq, 1), 0);
	ck_assert_int_eq(acq_ring_release(acq, 1), -EINVAL);
	free(acq);
}
END_TEST

START_TEST(asked_again_gives_the_same_and_more)
{
	struct acq *acq = mapped(0);
	const struct acq_frame *first, *again;

	producer.in = 1;
	ck_assert_int_eq(acq_ring_next(acq, &first, 0), 1);
	producer.in = 4;
	ck_assert_int_eq(acq_ring_next(acq, &again, 0), 4);
	ck_assert_ptr_eq(first, again);
	ck_assert_int_eq(acq_ring_release(acq, 4), 0);
	free(acq);
}
END_TEST

START_TEST(nonsense_is_stale)
{
	struct acq *acq = mapped(0);
	const struct acq_frame *frame;

	producer.in = RING + 1;
	ck_assert_int_eq(acq_ring_next(acq, &frame, 0), -ESTALE);
	producer.in = ~0U;
	ck_assert_int_eq(acq_ring_next(acq, &frame, 0), -ESTALE);
	consumer.out = 5;
	producer.in = 6;
	acq_ring_resync(&acq->ring);
	ck_assert_int_eq(acq_ring_next(acq, &frame, 0), 1);
	free(acq);
}
END_TEST

START_TEST(open_what_is_no_device)
{
	struct acq *acq = (struct acq *)1;

	ck_assert_int_eq(acq_open(&acq, "/dev/null", O_RDONLY), -ENOTTY);
	ck_assert_ptr_null(acq);
	ck_assert_int_eq(acq_open(&acq, "no-such-acq", O_RDONLY), -ENOENT);
	ck_assert_int_eq(acq_open(&acq, "/", O_RDONLY), -ENOTTY);
	ck_assert_int_eq(acq_open(&acq, "/", O_RDWR), -EISDIR);
	acq_close(NULL);
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		not_mapped,
		empty_without_waiting,
		pieces_up_to_the_wrap,
		release_in_parts,
		asked_again_gives_the_same_and_more,
		nonsense_is_stale,
		open_what_is_no_device,
		NULL,
	};

	return run_suite("ring", tests);
}
