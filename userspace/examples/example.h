/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the examples share, so that each shows its way of waiting and little else:
 * the command line, a line for each frame, an account of losses, the end. Each is
 *
 *	NAME [FRAMES]
 *
 * and ends with 0, with 1 if frames were lost or the device failed, or with 2.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <acq.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAMES 20
#define BUFFER_BYTES (1024 * 1024) /* the largest frame, or many small ones */

static long frames_wanted = FRAMES;
static struct acq_track track;
static uint64_t began_ns;

static inline struct acq *begin(int argc, char **argv, int flags)
{
	char *end = "";
	struct acq *acq;
	int ret;

	if (argc > 1)
		frames_wanted = strtol(argv[1], &end, 10);
	if (argc > 2 || *end || frames_wanted < 1) {
		fprintf(stderr, "Usage: %s [FRAMES], which is %d\n", argv[0], FRAMES);
		exit(2);
	}
	setlinebuf(stdout); /* who reads a pipe gets each frame at once */
	ret = acq_open(&acq, NULL, flags);
	if (ret)
		errx(1, "/dev/acq: %s", acq_strerror(ret));
	return acq;
}

static inline bool more_wanted(void)
{
	return track.frames < (uint64_t)frames_wanted;
}

/* Its number, seconds since the first one, and its first value. */
static inline void show(const struct acq_frame *frame)
{
	uint64_t lost = acq_track_frame(&track, frame);

	if (lost)
		warnx("%" PRIu64 " frames lost before frame %" PRIu64 ": the ring was full", lost,
		      (uint64_t)frame->seq);
	if (frame->flags & ACQ_FRAME_HW_OVERRUN)
		warnx("the hardware lost data before frame %" PRIu64, (uint64_t)frame->seq);
	if (track.frames == 1)
		began_ns = frame->timestamp_ns;
	printf("%10" PRIu64 " %10.6f %7" PRId64 "\n", (uint64_t)frame->seq,
	       (frame->timestamp_ns - began_ns) / 1e9, acq_frame_value(frame, 0));
}

static inline void show_all(const void *frames, size_t bytes)
{
	struct acq_walk walk = { .buf = frames, .bytes = bytes };
	const struct acq_frame *frame;

	while (more_wanted() && (frame = acq_frame_next(&walk)))
		show(frame);
}

/*
 * For a file opened with O_NONBLOCK: show what is there. Returns -EAGAIN when that
 * was all for now; else why no more will come.
 */
static inline int show_what_is_there(struct acq *acq)
{
	static _Alignas(8) char buf[BUFFER_BYTES];
	ssize_t got;

	while (more_wanted()) {
		got = read(acq_fd(acq), buf, sizeof(buf));
		if (got < 0)
			return -errno;
		if (!got)
			return 0;
		show_all(buf, got);
	}
	return 0;
}

/* Returns the exit status. @ret: negative if something failed. */
static inline int end(struct acq *acq, int ret)
{
	if (ret < 0)
		warnx("/dev/acq: %s", acq_strerror(ret));
	acq_close(acq);
	return ret < 0 || more_wanted() || track.lost || track.hw_overruns;
}

#endif /* EXAMPLE_H */
