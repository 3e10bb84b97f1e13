/* SPDX-License-Identifier: GPL-2.0-only */
/* Capture files as one log of frames, and how much of it has been acknowledged. */
#ifndef ACQPUB_LOG_H
#define ACQPUB_LOG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <acq.h>

#define BOOT_ID_MAX 40

/* What orders all frames of a subject. A run ends where sequence numbers begin anew. */
struct key {
	uint64_t run; /* ns of the time of day when it began; 0: no frame */
	uint64_t seq;
};

/* A place in the log, between two frames. */
struct mark {
	char file[NAME_MAX + 1]; /* without its directory; "": before the first */
	uint64_t offset;
	struct key after; /* the frame before */
	uint64_t run; /* of the frame behind, unless it begins another */
	char boot[BOOT_ID_MAX]; /* of that run; "-": not known */
};

/* Some whole frames of one run. */
struct batch {
	const void *data; /* until the next call */
	size_t bytes;
	struct key after; /* the frame before the first */
	uint64_t first;
	uint64_t last;
	uint32_t count;
	uint32_t crc; /* CRC-32C of the data */
	struct mark end;
};

struct log {
	/* what is asked for: a list or a pattern */
	char *const *files;
	size_t count;
	const char *pattern;

	struct mark at;
	size_t file; /* of the list, the one at hand */
	int fd;
	uint64_t read_to; /* offset behind what is in buf */
	char *buf;
	size_t room;
	size_t len;
	size_t used;
	uint32_t stride; /* 0: not known yet */
	uint64_t skipped; /* bytes that are not frames */
	char boot[BOOT_ID_MAX]; /* when this file was written */
};

enum log_result {
	LOG_END, /* of the list */
	LOG_BATCH,
	LOG_NOTHING, /* for now */
	LOG_RUN, /* the next frame begins a run: log_begin_run() */
};

/* Begin at a mark. */
void log_begin(struct log *log, const struct mark *from);

/*
 * As many frames as are there and fit into max bytes, one at least. Returns an
 * enum log_result, or a negative errno value that was told.
 */
int log_next(struct log *log, size_t max, struct batch *batch);

/*
 * Give the run that begins here its name. It has to be remembered before a frame
 * of it is published, or it would get another name the next time.
 */
void log_begin_run(struct log *log);

void log_end(struct log *log);

/* Remove the files of a pattern from one to before another. */
void log_remove(const char *pattern, const char *from, const char *to);

/* How many of them come before one. */
unsigned int log_count_before(const char *pattern, const char *file);

/*
 * Open and lock the file that remembers a mark, which stays empty if it is new.
 * Returns its descriptor, or a negative errno value that was told.
 */
int mark_open(const char *path, struct mark *mark);

/* Remember; with sync even if the machine fails. Returns 0 or such a value. */
int mark_save(int fd, const char *path, const struct mark *mark, bool sync);

/* CRC-32C (Castagnoli). */
uint32_t crc32c(const void *data, size_t bytes);

#endif /* ACQPUB_LOG_H */
