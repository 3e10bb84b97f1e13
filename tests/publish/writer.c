// SPDX-License-Identifier: GPL-2.0-only
/*
 * writer - captures as a device with the counter waveform would fill them, at once
 * or at a rate, in one file or in files that follow each other:
 *	writer [-n FRAMES] [-s SEQ] [-b BYTES] [-g EVERY] [-r RATE] [-e FRAMES] FILE
 * -b is the payload. Before every EVERYth frame three are lost. With -e each file
 * has so many frames, and FILE is a pattern for their number, like "run-%06u.acq".
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../unit/frames.h"

#define LOST_AT_ONCE 3
#define TICK_NS 10000000L

struct writer {
	uint64_t frames; /* 0: for ever */
	uint64_t seq;
	uint32_t bytes;
	uint64_t gap_every; /* 0: never */
	uint64_t rate; /* frames per second, 0: as fast as it goes */
	uint64_t each; /* frames of a file, 0: all */
	const char *name;

	int fd;
	unsigned int file;
	uint16_t flags; /* of the next frame */
};

/* The number goes where the pattern has it. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void next_file(struct writer *w)
{
	char name[4096];

	if (w->fd >= 0)
		close(w->fd);
	snprintf(name, sizeof(name), w->name, w->file++);
	w->fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (w->fd < 0)
		err(1, "%s", name);
}

static void next_frame(struct writer *w, uint64_t n, struct acq_frame *frame)
{
	if (w->fd < 0 || (w->each && n && n % w->each == 0))
		next_file(w);
	if (w->gap_every && n && n % w->gap_every == 0) {
		w->seq += LOST_AT_ONCE;
		w->flags |= ACQ_FRAME_GAP;
	}
	frame->seq = w->seq++;
	frame->timestamp_ns = 1000000000 + frame->seq * 1000000;
	frame->flags = w->flags;
	w->flags = 0;
	fill_counter(frame);
	if (write(w->fd, frame, frame->stride) != (ssize_t)frame->stride)
		err(1, "%s", w->name);
}

/* How many frames there should be by now. */
static uint64_t due(const struct writer *w, const struct timespec *begin)
{
	struct timespec now;

	if (!w->rate)
		return UINT64_MAX;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - begin->tv_sec + (now.tv_nsec - begin->tv_nsec) / 1e9) * w->rate + 1;
}

static void write_all(struct writer *w)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_S16, 2, w->bytes);
	const struct timespec tick = { .tv_nsec = TICK_NS };
	struct timespec begin;
	uint64_t n = 0;

	w->flags = ACQ_FRAME_START;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (!w->frames || n < w->frames) {
		if (n < due(w, &begin))
			next_frame(w, n++, frame);
		else
			nanosleep(&tick, NULL);
	}
	free(frame);
}

static bool take_option(struct writer *w, int c)
{
	uint64_t n = optarg ? strtoull(optarg, NULL, 0) : 0;

	switch (c) {
	case 'n':
		w->frames = n;
		return true;
	case 's':
		w->seq = n;
		return true;
	case 'b':
		w->bytes = n;
		return true;
	case 'g':
		w->gap_every = n;
		return true;
	case 'r':
		w->rate = n;
		return true;
	case 'e':
		w->each = n;
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct writer w = { .bytes = 1024 - sizeof(struct acq_frame), .fd = -1 };
	int c;

	do
		c = getopt(argc, argv, "n:s:b:g:r:e:");
	while (c >= 0 && take_option(&w, c));
	if (c >= 0 || optind != argc - 1)
		errx(2, "bad usage; the head of writer.c tells");
	w.name = argv[optind];
	write_all(&w);
	return 0;
}
