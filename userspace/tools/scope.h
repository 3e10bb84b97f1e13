/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inside of an oscilloscope: frames go in, a sweep comes out, and is drawn
 * into cells of text. Knows nothing of devices, files and terminals.
 */
#ifndef ACQ_SCOPE_H
#define ACQ_SCOPE_H

#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>

#include <acq.h>

#define SCOPE_CHANNELS 8 /* at most, at once */
#define SCOPE_BINS 4096 /* kept of the signal, whatever the time base */
#define SCOPE_DIVS_X 10
#define SCOPE_DIVS_Y 8
#define SCOPE_BEFORE 0.2 /* of the screen's width is before the trigger */

enum scope_mode {
	SCOPE_AUTO, /* a sweep without a trigger, if there is none for long */
	SCOPE_NORMAL, /* only triggered sweeps */
	SCOPE_SINGLE, /* only one of these */
};

enum scope_phase {
	SCOPE_WAITING, /* for the trigger */
	SCOPE_SWEEPING, /* until the sweep is as wide as the screen */
	SCOPE_STOPPED, /* after the one of SCOPE_SINGLE */
};

/* The least and the greatest of some successive values; min > max: there are none. */
struct scope_bin {
	int64_t min;
	int64_t max;
};

struct scope_sweep {
	struct scope_bin bins[SCOPE_CHANNELS][SCOPE_BINS];
	bool lost[SCOPE_BINS]; /* something is missing here */
	unsigned int count;
	double zero; /* where the trigger was, in bins */
	double bin_s; /* what a bin lasts */
	bool triggered;
};

struct scope {
	/* settings; scope_restart() makes them count */
	double time_div; /* seconds of a division; 0: choose */
	unsigned int picked; /* channels in pick[]; 0: the first ones of each stream */
	unsigned int pick[SCOPE_CHANNELS];
	enum scope_mode mode;
	unsigned int source; /* which of the picked ones triggers */
	bool falling;
	bool level_set; /* else the middle of the signal */
	double level;
	bool hold; /* keep the sweep that is shown */

	/* the stream */
	struct acq_track track;
	uint32_t rate_hz; /* of the frames; 0: scans stand for seconds */
	uint32_t scans; /* of a frame */
	unsigned int format;
	unsigned int stream_channels;
	bool first_ones; /* nobody picked any */
	double scan_s; /* what a scan lasts; 0: no frame yet */

	/* a ring of the newest bins; positions count bins and don't wrap */
	struct scope_sweep ring;
	uint64_t bin; /* the one that is being filled */
	uint64_t in_bin; /* scans in it */
	uint64_t per_bin;
	unsigned int width; /* bins of a sweep */
	unsigned int before; /* of these, before the trigger */

	/* the trigger */
	enum scope_phase phase;
	struct scope_bin range; /* where the source's values are of late */
	struct scope_bin block; /* those since the last look */
	uint64_t block_from;
	bool learned; /* range is known */
	bool armed; /* the signal was on the other side */
	int64_t previous;
	uint64_t waiting_from;
	uint64_t sweep_from;
	double sweep_zero;
	bool sweep_triggered;

	struct scope_sweep shown;
	uint64_t sweeps; /* that were completed */
};

/* Forget the signal, but not the account of the frames; after a change of settings. */
void scope_restart(struct scope *s);

/*
 * The next frame. Returns 0; -EOPNOTSUPP if it has no samples to draw; -ERANGE if it
 * hasn't all of the channels.
 */
int scope_frame(struct scope *s, const struct acq_frame *frame);

/* No more will come: show what there is of a sweep. */
void scope_end(struct scope *s);

/* What to draw: the last sweep; or the one under way, if that takes long. */
const struct scope_sweep *scope_picture(struct scope *s);

double scope_level(const struct scope *s);

/* Has no trigger come for longer than a sweep takes? */
bool scope_waits(const struct scope *s);

/* Seconds of a division, and the next of the steps 1, 2, 5, 10, ... up or down from there. */
double scope_time_div(const struct scope *s);
double scope_step(double value, int direction);

/* What the screen shows of the values; bottom == top: nothing yet. */
struct scope_view {
	double bottom;
	double top;
	bool fixed;
};

/* Have the view show the channels of the mask, with as little change as possible. */
void scope_fit(struct scope_view *view, const struct scope_sweep *sweep, unsigned int channels);

/* Values of a channel between two positions in a sweep. False if there are none. */
bool scope_extent(const struct scope_sweep *sweep, unsigned int channel, double from, double to,
		  double *low, double *high);

/* Position in the sweep of a place on the screen, 0: left, 1: right. */
double scope_position(const struct scope *s, const struct scope_sweep *sweep, double place);

enum scope_ink {
	INK_PLAIN,
	INK_DIM,
	INK_BOLD,
	INK_LOSS,
	INK_CHANNEL, /* and more for the channels after the first */
};

struct scope_cell {
	wchar_t glyph;
	uint8_t dots;
	uint8_t ink;
};

struct scope_screen {
	int rows;
	int cols;
	bool ascii;
	struct scope_cell *cells;
};

void scope_clear(struct scope_screen *screen);

void scope_put(struct scope_screen *screen, int row, int col, int ink, wchar_t glyph);

/* Text from there, clipped at the edge. Returns the column behind it. */
int scope_text(struct scope_screen *screen, int row, int col, int ink, const char *text);

/* The picture in a part of the screen; the scale is in LABEL_COLS at its left. */
#define LABEL_COLS 7
struct scope_part {
	int row;
	int col;
	int rows;
	int cols;
};

void scope_draw(const struct scope *s, const struct scope_view *view, unsigned int channels,
		const struct scope_part *part, struct scope_screen *screen);

/* "20k", "-1.5M", "5m": a number and its prefix, in at most 8 columns. */
#define SCOPE_NUMBER_MAX 16
const char *scope_number(double value, const char *between, char text[SCOPE_NUMBER_MAX]);

#endif /* ACQ_SCOPE_H */
