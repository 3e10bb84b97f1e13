/* SPDX-License-Identifier: GPL-2.0-only */
/* The output of acqread: formats, and the files that they go to. */
#ifndef ACQREAD_FORMATS_H
#define ACQREAD_FORMATS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <acq.h>

/* What the times that are shown count from. */
enum times {
	TIMES_BY_FORMAT,
	TIMES_MONOTONIC,
	TIMES_REALTIME,
	TIMES_RELATIVE, /* the first frame */
};

struct output;

/* A way of showing frames. */
struct format {
	const char *name; /* files whose names end in .name get it without being told */
	const char *suffix; /* if that is another one */
	void (*put)(struct output *out, const struct acq_frame *frame);
	void (*update)(struct output *out); /* so that a file that ends here is whole */
	void (*finish)(struct output *out); /* what comes behind the last frame */
	enum times times; /* TIMES_BY_FORMAT: it shows none, or not ours */
	bool binary;
	bool small; /* its lengths have 32 bits */
	bool seeks; /* a pipe is no place for it */
	int major; /* libsndfile's name for it */
};

struct vcd {
	uint64_t unit_ns;
	uint64_t position; /* frames since the file's first, the lost ones too */
	uint64_t next; /* number that the next frame should have */
	uint64_t next_time;
	unsigned int bits; /* of a value */
	bool unknown; /* the values that were last put */
	uint64_t *last;
};

struct output {
	/* what is asked for */
	const struct format *format;
	const char *name; /* for strftime(3); NULL: stdout */
	const char *input; /* where frames come from */
	const char *line; /* of --format-string */
	enum times times;
	uint64_t rotate_bytes; /* 0: never */
	uint64_t rotate_ns; /* 0: never */
	bool verbose;

	/* the file */
	char path[PATH_MAX];
	int fd;
	bool tty;
	bool patchable; /* what was written can be written again */
	off_t base; /* where in it we begin */
	unsigned int width; /* columns of a table */
	char *buf;
	size_t len;
	size_t room;
	uint64_t flushed; /* bytes, not counting those in buf */
	bool begun; /* it has a frame */
	uint64_t file_ns; /* timestamp of that */
	int err; /* no more frames, please */
	bool broken; /* what is in buf can't be written either */

	bool shown; /* a frame, in whatever file */
	bool dated;
	uint64_t epoch_ns; /* timestamp that is shown as 0 */
	uint64_t unix_ns; /* timestamp of 1970 */

	/* the formats' */
	uint8_t values; /* format, channels and rate that the file has */
	uint8_t channels;
	uint32_t rate_hz;
	uint64_t rows;
	struct vcd vcd;
	void *sound;
	uint64_t sound_at;
};

extern const struct format *const raw;
extern const struct format *const by_line;

/* NULL if there is none of that name. */
const struct format *find_format(const char *name);

/* Without --format: as the file's name says, else a table. */
const struct format *format_for(const char *file);

/* Their names, for a message. */
const char *format_names(void);

#define SPECIFIERS "%bcdfkLnrsStUvx"

/* The first %-specifier of a --format-string that is none, or NULL. */
const char *bad_specifier(const char *line);

/* Has it one that tells the time of day? */
bool has_date(const char *line);

/* Open the (first) file. What goes wrong from here on is told, and then returns 1. */
int out_begin(struct output *out);

/* Before each batch. */
void out_batch(struct output *out);

/* One more frame; a mistake shows at the end of the batch. */
void out_put(struct output *out, const struct acq_frame *frame);

/* After each batch. Returns 0, 1, or -EPIPE: nobody reads it any more. */
int out_flush(struct output *out);

/* The same for frames as they are. */
int out_write(struct output *out, const char *data, size_t len);

/* The last file is complete. */
int out_end(struct output *out);

#endif /* ACQREAD_FORMATS_H */
