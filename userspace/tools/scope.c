// SPDX-License-Identifier: GPL-2.0-only
/*
 * The inside of an oscilloscope. Of the signal only bins are kept, each the least
 * and the greatest of some successive values, and some thousand of them to a
 * screen: as many at 1 s/div as at 1 us/div, and more than any terminal shows.
 * So what is drawn depends on the terminal, and what is kept does not.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "scope.h"

#define SPAN_BINS (SCOPE_BINS - 8) /* some are for what a sweep needs at its edges */
#define SCANS_DIV 100 /* of a division, unless told otherwise */
#define NOISE (1.0 / 32) /* of the signal's height; so far it has to come back to trigger again */
#define PATIENCE_MIN_S 0.1 /* auto waits for a trigger as long as a sweep takes, within this */
#define PATIENCE_MAX_S 1.0
#define LOOK_S 0.25 /* the middle of the signal is that of so long */
#define SLOW_S 0.4 /* a sweep that takes longer is shown on its way */

static const struct scope_bin nothing = { INT64_MAX, INT64_MIN };

static void add_value(struct scope_bin *bin, int64_t value)
{
	if (value < bin->min)
		bin->min = value;
	if (value > bin->max)
		bin->max = value;
}

static void add_bin(struct scope_bin *bin, const struct scope_bin *more)
{
	if (more->min < bin->min)
		bin->min = more->min;
	if (more->max > bin->max)
		bin->max = more->max;
}

static bool empty(const struct scope_bin *bin)
{
	return bin->min > bin->max;
}

/* --- time --- */

bool scope_waits(const struct scope *s)
{
	if (s->mode == SCOPE_AUTO || !s->sweeps)
		return !s->sweeps;
	return s->phase == SCOPE_WAITING && s->bin - s->waiting_from > s->width;
}

double scope_step(double value, int direction)
{
	static const double steps[] = { 1, 2, 5, 10 };
	double decade = pow(10, floor(log10(value) + 0.000001));
	int i;

	if (direction > 0) {
		for (i = 0; steps[i] * decade < value * 1.001; i++)
			;
		return steps[i] * decade;
	}
	for (i = 3; i >= 0; i--)
		if (steps[i] * decade < value * 0.999)
			return steps[i] * decade;
	return decade / 2;
}

/* Some scans, but not so many that the first sweep takes long. */
static double chosen_time_div(const struct scope *s)
{
	double time = SCANS_DIV * s->scan_s;

	if (s->rate_hz && time > 1)
		time = 1;
	return scope_step(time * 1.01, -1);
}

double scope_time_div(const struct scope *s)
{
	double time = s->time_div > 0 ? s->time_div : chosen_time_div(s);

	return fmax(time, s->scan_s);
}

static double span_s(const struct scope *s)
{
	return scope_time_div(s) * SCOPE_DIVS_X;
}

/* Bins to wait for a trigger. Without a rate there are no seconds. */
static double patience(const struct scope *s)
{
	double bin_s = s->ring.bin_s;

	if (!s->rate_hz)
		return s->width;
	return fmax(PATIENCE_MIN_S / bin_s, fmin(s->width, PATIENCE_MAX_S / bin_s));
}

/* --- the ring --- */

static unsigned int slot(uint64_t bin)
{
	return bin % SCOPE_BINS;
}

static void begin_bin(struct scope *s)
{
	unsigned int c, at = slot(s->bin);

	for (c = 0; c < s->picked; c++)
		s->ring.bins[c][at] = nothing;
	s->ring.lost[at] = false;
	s->in_bin = 0;
}

static void begin_waiting(struct scope *s)
{
	s->phase = SCOPE_WAITING;
	s->waiting_from = s->bin;
	s->armed = false;
}

static void size_bins(struct scope *s)
{
	double span = ceil(fmin(span_s(s) / s->scan_s, 1e15));

	s->per_bin = ceil(span / SPAN_BINS);
	s->ring.bin_s = s->per_bin * s->scan_s;
	/* the trigger is within a bin, which may stick out on either side */
	s->before = ceil(span * SCOPE_BEFORE / s->per_bin) + 1;
	s->width = ceil(span / s->per_bin) + 3;
}

/* Returns -ERANGE if one was picked that the stream doesn't have. */
static int pick_channels(struct scope *s)
{
	unsigned int c;

	if (!s->picked)
		s->first_ones = true;
	for (c = 0; s->first_ones && c < SCOPE_CHANNELS && c < s->stream_channels; c++) {
		s->pick[c] = c;
		s->picked = c + 1;
	}
	for (c = 0; c < s->picked; c++)
		if (s->pick[c] >= s->stream_channels)
			return -ERANGE;
	return s->source < s->picked ? 0 : -ERANGE;
}

void scope_restart(struct scope *s)
{
	if (!(s->scan_s > 0))
		return;
	size_bins(s);
	s->bin = 0;
	begin_bin(s);
	s->range = nothing;
	s->block = nothing;
	s->block_from = 0;
	s->learned = false;
	begin_waiting(s);
}

/* --- sweeps --- */

/* Out of the ring into what is shown: the sweep's bins up to now. */
static void copy_sweep(struct scope *s)
{
	unsigned int c, i;

	s->shown.count = s->bin - s->sweep_from;
	for (i = 0; i < s->shown.count; i++) {
		for (c = 0; c < s->picked; c++)
			s->shown.bins[c][i] = s->ring.bins[c][slot(s->sweep_from + i)];
		s->shown.lost[i] = s->ring.lost[slot(s->sweep_from + i)];
	}
	s->shown.zero = s->sweep_zero - s->sweep_from;
	s->shown.bin_s = s->ring.bin_s;
	s->shown.triggered = s->sweep_triggered;
}

static void begin_sweep(struct scope *s, uint64_t from, double zero, bool triggered)
{
	s->phase = SCOPE_SWEEPING;
	s->sweep_from = from;
	s->sweep_zero = zero;
	s->sweep_triggered = triggered;
}

static void end_sweep(struct scope *s)
{
	copy_sweep(s);
	s->sweeps++;
	begin_waiting(s);
	if (s->mode == SCOPE_SINGLE && s->sweep_triggered)
		s->phase = SCOPE_STOPPED;
}

/* Of what came while we waited, as much as fits. */
static void sweep_untriggered(struct scope *s)
{
	uint64_t from = s->waiting_from;

	if (s->bin - from > s->width)
		from = s->bin - s->width;
	begin_sweep(s, from, from + s->before, false);
}

const struct scope_sweep *scope_picture(struct scope *s)
{
	if (s->phase == SCOPE_SWEEPING && !s->hold && span_s(s) > SLOW_S)
		copy_sweep(s);
	return &s->shown;
}

/* --- the trigger --- */

double scope_level(const struct scope *s)
{
	if (s->level_set || empty(&s->range))
		return s->level;
	return s->range.min / 2.0 + s->range.max / 2.0;
}

/* How far the signal is beyond the level, in the direction of the edge. */
static double beyond(const struct scope *s, int64_t value)
{
	double above = value - scope_level(s);

	return s->falling ? -above : above;
}

static double noise(const struct scope *s)
{
	return empty(&s->range) ? 0 : ((double)s->range.max - s->range.min) * NOISE;
}

/* The level was crossed between the last scan and this one: where, in bins? */
static double crossing(const struct scope *s, double before, double now)
{
	double part = before / (before - now);

	return s->bin + (s->in_bin - 0.5 + part) / s->per_bin;
}

static void look_for_trigger(struct scope *s, int64_t value)
{
	double now = beyond(s, value), zero;

	if (now < -noise(s)) {
		s->armed = true;
	} else if (now >= 0 && s->armed) {
		s->armed = false;
		zero = crossing(s, beyond(s, s->previous), now);
		if (zero >= s->before)
			begin_sweep(s, (uint64_t)zero - s->before, zero, true);
	}
	s->previous = value;
}

/* The range widens at once, and shrinks to that of the last block. */
static void learn(struct scope *s)
{
	const struct scope_bin *bin = &s->ring.bins[s->source][slot(s->bin)];
	double block = patience(s);

	add_bin(&s->range, bin);
	add_bin(&s->block, bin);
	if (s->learned && s->rate_hz)
		block = fmax(block, LOOK_S / s->ring.bin_s);
	if (s->bin + 1 - s->block_from < block)
		return;
	if (!s->learned)
		s->waiting_from = s->bin + 1;
	s->learned = true;
	if (!empty(&s->block))
		s->range = s->block;
	s->block = nothing;
	s->block_from = s->bin + 1;
}

/* --- bins and scans --- */

static void end_bin(struct scope *s)
{
	learn(s);
	s->bin++;
	if (s->phase == SCOPE_WAITING && s->mode == SCOPE_AUTO && s->learned &&
	    s->bin - s->waiting_from >= patience(s))
		sweep_untriggered(s);
	if (s->phase == SCOPE_SWEEPING && s->bin - s->sweep_from >= s->width)
		end_sweep(s);
	begin_bin(s);
}

void scope_end(struct scope *s)
{
	if (s->in_bin)
		end_bin(s);
	if (s->phase == SCOPE_WAITING && s->mode == SCOPE_AUTO && !s->sweeps && s->bin)
		sweep_untriggered(s);
	if (s->phase != SCOPE_SWEEPING)
		return;
	if (!s->sweeps || (span_s(s) > SLOW_S && !s->hold))
		end_sweep(s);
	else
		begin_waiting(s); /* for what is left is no picture */
}

static void take_scan(struct scope *s, const struct acq_frame *frame, uint32_t first)
{
	unsigned int c, at = slot(s->bin);
	int64_t value;

	for (c = 0; c < s->picked; c++) {
		value = acq_frame_value(frame, first + s->pick[c]);
		add_value(&s->ring.bins[c][at], value);
		if (c == s->source && s->phase == SCOPE_WAITING && (s->learned || s->level_set))
			look_for_trigger(s, value);
	}
	if (++s->in_bin >= s->per_bin)
		end_bin(s);
}

/* Time passed without values. */
static void lose_scans(struct scope *s, double scans)
{
	uint64_t left = fmin(scans, 2.0 * SCOPE_BINS * s->per_bin), step;

	for (; left; left -= step) {
		s->ring.lost[slot(s->bin)] = true;
		step = s->per_bin - s->in_bin;
		if (step > left)
			step = left;
		s->in_bin += step;
		if (s->in_bin == s->per_bin)
			end_bin(s);
	}
	s->armed = false;
}

/* --- frames --- */

static uint32_t scans_of(const struct acq_frame *frame)
{
	return acq_frame_values(frame) / frame->channels;
}

/* With a rate, the fullest frame tells what a scan lasts. */
static bool same_stream(const struct scope *s, const struct acq_frame *frame)
{
	return s->scan_s > 0 && !(frame->flags & ACQ_FRAME_START) && frame->rate_hz == s->rate_hz &&
	       frame->format == s->format && frame->channels == s->stream_channels &&
	       (!s->rate_hz || scans_of(frame) <= s->scans);
}

static int begin_stream(struct scope *s, const struct acq_frame *frame)
{
	enum scope_phase phase = s->phase;
	int err;

	s->rate_hz = frame->rate_hz;
	s->scans = scans_of(frame);
	s->format = frame->format;
	s->stream_channels = frame->channels;
	s->scan_s = 0;
	err = pick_channels(s);
	if (err)
		return err;
	s->scan_s = s->rate_hz && s->scans ? 1.0 / s->rate_hz / s->scans : 1;
	scope_restart(s);
	if (phase == SCOPE_STOPPED)
		s->phase = phase;
	return 0;
}

static bool stopped(const struct scope *s)
{
	return s->hold || s->phase == SCOPE_STOPPED;
}

int scope_frame(struct scope *s, const struct acq_frame *frame)
{
	uint64_t lost = acq_track_frame(&s->track, frame);
	uint32_t scan, scans = scans_of(frame);
	int err = 0;

	if (frame->format == ACQ_FORMAT_EVENT || !acq_format_width(frame->format)) {
		s->format = frame->format;
		return -EOPNOTSUPP;
	}
	if (!same_stream(s, frame))
		err = begin_stream(s, frame);
	if (err || stopped(s))
		return err;
	if (lost)
		lose_scans(s, (double)lost * s->scans);
	if (frame->flags & ACQ_FRAME_HW_OVERRUN)
		s->ring.lost[slot(s->bin)] = true;
	for (scan = 0; scan < scans && !stopped(s); scan++)
		take_scan(s, frame, scan * frame->channels);
	return 0;
}

/* --- places and values --- */

double scope_position(const struct scope *s, const struct scope_sweep *sweep, double place)
{
	return sweep->zero + (place - SCOPE_BEFORE) * span_s(s) / sweep->bin_s;
}

/* The signal at one position: on the line between the middles of two bins. */
static bool value_at(const struct scope_sweep *sweep, unsigned int channel, double position,
		     double *value)
{
	double left = floor(position - 0.5), part = position - 0.5 - left;
	const struct scope_bin *bin;

	if (left < 0 || left + 1 >= sweep->count)
		return false;
	bin = &sweep->bins[channel][(int)left];
	if (empty(&bin[0]) || empty(&bin[1]))
		return false;
	*value = (1 - part) * (bin[0].min / 2.0 + bin[0].max / 2.0) +
		 part * (bin[1].min / 2.0 + bin[1].max / 2.0);
	return true;
}

bool scope_extent(const struct scope_sweep *sweep, unsigned int channel, double from, double to,
		  double *low, double *high)
{
	double at = fmax(0, ceil(from - 0.5)), ends[2];
	int i, n = 0;

	*low = INFINITY;
	*high = -INFINITY;
	for (; at < to - 0.5 && at < sweep->count; at++) {
		const struct scope_bin *bin = &sweep->bins[channel][(int)at];

		if (empty(bin))
			continue;
		*low = fmin(*low, bin->min);
		*high = fmax(*high, bin->max);
	}
	n += value_at(sweep, channel, from, &ends[n]);
	n += value_at(sweep, channel, to, &ends[n]);
	for (i = 0; i < n; i++) {
		*low = fmin(*low, ends[i]);
		*high = fmax(*high, ends[i]);
	}
	return *low <= *high;
}

static bool lost_between(const struct scope_sweep *sweep, double from, double to)
{
	double at = fmax(0, floor(from));

	for (; at < to && at < sweep->count; at++)
		if (sweep->lost[(int)at])
			return true;
	return false;
}

static struct scope_bin all_of(const struct scope_sweep *sweep, unsigned int channels)
{
	struct scope_bin all = nothing;
	unsigned int c, i;

	for (c = 0; c < SCOPE_CHANNELS; c++)
		for (i = 0; channels & 1U << c && i < sweep->count; i++)
			add_bin(&all, &sweep->bins[c][i]);
	return all;
}

void scope_fit(struct scope_view *view, const struct scope_sweep *sweep, unsigned int channels)
{
	struct scope_bin all = all_of(sweep, channels);
	double height, div, bottom;

	if (view->fixed || !sweep->count)
		return;
	if (empty(&all) && view->top > view->bottom)
		return;
	if (empty(&all)) /* but what was lost is a picture, too */
		all = (struct scope_bin){ 0, 0 };
	height = (double)all.max - all.min;
	if (all.min >= view->bottom && all.max <= view->top &&
	    height > 0.3 * (view->top - view->bottom))
		return;
	div = scope_step(fmax(height, 1) / SCOPE_DIVS_Y, 1);
	do {
		bottom = div * (round((all.min / 2.0 + all.max / 2.0) / div) - SCOPE_DIVS_Y / 2);
		view->bottom = bottom;
		view->top = bottom + SCOPE_DIVS_Y * div;
		div = scope_step(div, 1);
	} while (all.min < view->bottom || all.max > view->top);
}

const char *scope_number(double value, const char *between, char text[SCOPE_NUMBER_MAX])
{
	static const char *const prefixes[] = { "n", "u", "m", "", "k", "M", "G", "T" };
	int i = 3;

	for (; fabs(value) >= 999.95 && i < 7; i++)
		value /= 1000;
	for (; fabs(value) < 0.99995 && value != 0 && i > 0; i--)
		value *= 1000;
	snprintf(text, SCOPE_NUMBER_MAX, "%.4g%s%s", value, between, prefixes[i]);
	return text;
}

/* --- cells --- */

void scope_clear(struct scope_screen *screen)
{
	int i;

	for (i = 0; i < screen->rows * screen->cols; i++)
		screen->cells[i] = (struct scope_cell){ .glyph = ' ' };
}

void scope_put(struct scope_screen *screen, int row, int col, int ink, wchar_t glyph)
{
	if (row < 0 || row >= screen->rows || col < 0 || col >= screen->cols)
		return;
	screen->cells[row * screen->cols + col] = (struct scope_cell){ .glyph = glyph, .ink = ink };
}

/* The next character of a text, which may come from outside; it has one cell. */
static wchar_t next_glyph(const struct scope_screen *screen, const char **text)
{
	wchar_t glyph;
	int len = mbtowc(&glyph, *text, MB_CUR_MAX);

	*text += len > 0 ? len : 1;
	return len > 0 && wcwidth(glyph) == 1 && (!screen->ascii || glyph < 128) ? glyph : '?';
}

int scope_text(struct scope_screen *screen, int row, int col, int ink, const char *text)
{
	while (*text)
		scope_put(screen, row, col++, ink, next_glyph(screen, &text));
	return col;
}

/* --- the picture --- */

/* Dots of a cell. */
static int dots_across(const struct scope_screen *screen)
{
	return screen->ascii ? 1 : 2;
}

static int dots_down(const struct scope_screen *screen)
{
	return screen->ascii ? 3 : 4;
}

static void put_dot(struct scope_screen *screen, const struct scope_part *part, int x, int y,
		    int ink)
{
	static const uint8_t braille[4][2] = {
		{ 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 }
	};
	/* top, middle, bottom: bits 0 to 2 */
	static const char ascii[] = " '-\".|:|";
	int across = dots_across(screen), down = dots_down(screen);
	int row = part->row + y / down, col = part->col + x / across;
	struct scope_cell *cell = &screen->cells[row * screen->cols + col];

	cell->dots |= screen->ascii ? 1 << y % down : braille[y % down][x % across];
	cell->glyph = screen->ascii ? ascii[cell->dots] : 0x2800 + cell->dots;
	cell->ink = ink;
}

struct plot {
	const struct scope *s;
	const struct scope_view *view;
	const struct scope_part *part;
	struct scope_screen *screen;
	int across; /* dots */
	int down;
};

/* Line of dots of a value, 0: the top. */
static double dot_row(const struct plot *p, double value)
{
	const struct scope_view *view = p->view;

	return (view->top - value) / (view->top - view->bottom) * (p->down - 1);
}

static void draw_column(const struct plot *p, int x, double low, double high, int ink)
{
	/* what is far beyond the scale fits no int */
	int top = fmin(fmax(0, round(dot_row(p, high))), p->down);
	int bottom = fmin(fmax(-1, round(dot_row(p, low))), p->down - 1);
	int y;

	for (y = top; y <= bottom; y++)
		put_dot(p->screen, p->part, x, y, ink);
}

static void draw_trace(const struct plot *p, unsigned int channel)
{
	const struct scope_sweep *sweep = &p->s->shown;
	double from, to, low, high;
	int x;

	for (x = 0; x < p->across; x++) {
		from = scope_position(p->s, sweep, (double)x / p->across);
		to = scope_position(p->s, sweep, (x + 1.0) / p->across);
		if (scope_extent(sweep, channel, from, to, &low, &high))
			draw_column(p, x, low, high, INK_CHANNEL + channel);
	}
}

static void draw_loss(const struct plot *p)
{
	const struct scope_part *part = p->part;
	double from, to;
	int row, col;

	for (col = 0; col < part->cols; col++) {
		from = scope_position(p->s, &p->s->shown, (double)col / part->cols);
		to = scope_position(p->s, &p->s->shown, (col + 1.0) / part->cols);
		if (!lost_between(&p->s->shown, from, to))
			continue;
		for (row = 0; row < part->rows; row++)
			scope_put(p->screen, part->row + row, part->col + col, INK_LOSS,
				  p->screen->ascii ? '!' : L'╎');
	}
}

/* Row of a horizontal line of the grid, 0: the top; column of a vertical one. */
static int grid_row(const struct plot *p, int div)
{
	return round((double)div * (p->down - 1) / SCOPE_DIVS_Y) / dots_down(p->screen);
}

static int grid_col(const struct scope_part *part, int div)
{
	return round((double)div * (part->cols - 1) / SCOPE_DIVS_X);
}

static void draw_grid(const struct plot *p)
{
	const struct scope_part *part = p->part;
	int x, y, i;

	for (y = 0; y <= SCOPE_DIVS_Y; y++)
		for (i = 0; i < part->cols && !p->screen->ascii; i += 2)
			scope_put(p->screen, part->row + grid_row(p, y), part->col + i, INK_DIM,
				  L'·');
	for (x = 0; x <= SCOPE_DIVS_X; x++) {
		for (i = 0; i < part->rows && !p->screen->ascii; i++)
			scope_put(p->screen, part->row + i, part->col + grid_col(part, x), INK_DIM,
				  L'·');
		for (y = 0; y <= SCOPE_DIVS_Y; y++)
			scope_put(p->screen, part->row + grid_row(p, y),
				  part->col + grid_col(part, x), INK_DIM,
				  p->screen->ascii ? '+' : L'┼');
	}
}

static void draw_scale(const struct plot *p)
{
	const struct scope_part *part = p->part;
	double height = p->view->top - p->view->bottom;
	char number[SCOPE_NUMBER_MAX], text[LABEL_COLS + 1];
	int div, every = part->rows > 2 * SCOPE_DIVS_Y ? 1 : 2;

	for (div = 0; div <= SCOPE_DIVS_Y; div += every) {
		scope_number(p->view->top - height * div / SCOPE_DIVS_Y, "", number);
		snprintf(text, sizeof(text), "%*.*s ", LABEL_COLS - 1, LABEL_COLS - 1, number);
		scope_text(p->screen, part->row + grid_row(p, div), part->col - LABEL_COLS,
			   INK_PLAIN, text);
	}
}

/* Where the trigger is: when, at the top, and how high, at the right. */
static void draw_trigger(const struct plot *p)
{
	const struct scope_part *part = p->part;
	bool ascii = p->screen->ascii;
	int ink = INK_CHANNEL + p->s->source;
	double row = floor(dot_row(p, scope_level(p->s)) / dots_down(p->screen));
	bool known = p->s->level_set || p->s->learned;

	scope_put(p->screen, part->row, part->col + SCOPE_BEFORE * part->cols, ink,
		  ascii ? 'v' : L'▼');
	if (known && row >= 0 && row < part->rows)
		scope_put(p->screen, part->row + row, part->col + part->cols - 1, ink,
			  ascii ? '<' : L'◀');
}

void scope_draw(const struct scope *s, const struct scope_view *view, unsigned int channels,
		const struct scope_part *part, struct scope_screen *screen)
{
	struct plot p = {
		.s = s,
		.view = view,
		.part = part,
		.screen = screen,
		.across = part->cols * dots_across(screen),
		.down = part->rows * dots_down(screen),
	};
	unsigned int c;

	if (part->rows < 2 || part->cols < 2)
		return;
	draw_grid(&p);
	if (!s->shown.count || view->top <= view->bottom)
		return;
	draw_scale(&p);
	draw_loss(&p);
	for (c = 0; c < s->picked; c++)
		if (channels & 1U << c)
			draw_trace(&p, c);
	draw_trigger(&p);
}
