// SPDX-License-Identifier: GPL-2.0-only
/* The oscilloscope without its terminal: trigger, bins, loss, cells, options. Includes the tool. */
#define main acqscope_main
#include "acqscope.c"
#undef main
#include "scope.c"
#include "common.c"

#include "frames.h"
#include "suite.h"

#define SCANS 16 /* of a frame */
#define PERIOD 256 /* of the sine, in scans */

static struct app app;
static struct scope *const s = &app.scope;
static const struct scope_sweep *const shown = &app.scope.shown;

typedef int64_t wave(uint64_t scan, unsigned int channel);

static int64_t sine(uint64_t scan, unsigned int channel)
{
	return lround(10000 * sin(2 * M_PI * scan / PERIOD + channel));
}

static int64_t ramp(uint64_t scan, unsigned int channel)
{
	return (int64_t)(scan % 100) * 100 + channel;
}

static int64_t flat(uint64_t scan, unsigned int channel)
{
	(void)scan;
	return 7 + channel;
}

/* A second apart: one scan of great height. */
static int64_t spikes(uint64_t scan, unsigned int channel)
{
	(void)channel;
	return scan % 16000 == 8000 ? 20000 : 0;
}

/* Frame number seq of a wave, 1000 a second; returns what the scope says. */
static int give(uint64_t seq, unsigned int flags, wave *wave, int format, unsigned int channels)
{
	unsigned int i, width = acq_format_width(format);
	struct acq_frame *frame = new_frame(seq, format, channels, SCANS * channels * width);
	int err;

	frame->flags = flags;
	for (i = 0; i < SCANS * channels; i++) {
		int64_t value = wave(seq * SCANS + i / channels, i % channels);

		memcpy(frame->data + (size_t)i * width, &value, width);
	}
	err = scope_frame(s, frame);
	free(frame);
	return err;
}

static void give_many(uint64_t seq, unsigned int n, wave *wave)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		ck_assert_int_eq(give(seq + i, i ? 0 : ACQ_FRAME_START, wave, ACQ_FORMAT_S16, 1),
				 0);
}

/* As after "acqscope ...". */
static int parse(const char *line)
{
	char *argv[WORDS_MAX] = { "acqscope" };
	int argc = split_words(line, argv);

	optind = 0;
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	return parse_options(&app, argc, argv);
}

static void begin(const char *line)
{
	ck_assert_int_eq(parse(line), -1);
	app.in.name = "run.acq";
}

/* The signal at a time of the sweep, in scans from the trigger. */
static double value(unsigned int channel, double scans)
{
	double at = shown->zero + scans / s->per_bin, low, high;

	ck_assert(scope_extent(shown, channel, at, at, &low, &high));
	return low;
}

/* --- the trigger --- */

START_TEST(rising_edge)
{
	begin("");
	give_many(0, 300, sine);
	ck_assert_uint_ge(s->sweeps, 2);
	ck_assert(shown->triggered);
	ck_assert_double_eq_tol(value(0, 0), 0, 1);
	ck_assert_double_gt(value(0, PERIOD / 4), 9990);
	ck_assert_double_lt(value(0, -PERIOD / 4), -9990);
}
END_TEST

START_TEST(falling_edge)
{
	begin("-e falling");
	give_many(0, 300, sine);
	ck_assert(shown->triggered);
	ck_assert_double_lt(value(0, PERIOD / 4), -9990);
}
END_TEST

START_TEST(level)
{
	begin("-l 5000 -m normal");
	give_many(0, 300, sine);
	ck_assert_double_eq_tol(value(0, 0), 5000, 1);
	ck_assert_double_gt(value(0, 5), 5000);
}
END_TEST

/* Between two scans: the ramp rises by 100 a scan. */
START_TEST(between_scans)
{
	begin("-l 5025 -m normal -t 1ms");
	give_many(0, 100, ramp);
	ck_assert_double_eq_tol(shown->zero - floor(shown->zero), 0.75, 0.000001);
	ck_assert_double_eq_tol(value(0, 0), 5025, 0.000001);
}
END_TEST

/* The level is crossed between one frame and the next. */
START_TEST(at_a_seam)
{
	begin("-m normal");
	give_many(0, 300, sine);
	ck_assert_uint_eq(PERIOD % SCANS, 0);
	ck_assert_uint_ge(s->sweeps, 2);
}
END_TEST

START_TEST(no_trigger)
{
	begin("-l 20000 -m normal");
	give_many(0, 1000, sine);
	ck_assert_uint_eq(s->sweeps, 0);
	ck_assert(scope_waits(s));
	begin("-l 20000");
	give_many(0, 1000, sine);
	ck_assert_uint_ge(s->sweeps, 2);
	ck_assert(!shown->triggered);
	begin("");
	give_many(0, 1000, flat);
	ck_assert_uint_ge(s->sweeps, 2);
	ck_assert(!shown->triggered);
	ck_assert_double_eq(value(0, 0), 7);
}
END_TEST

START_TEST(single)
{
	begin("-m single");
	give_many(0, 1000, sine);
	ck_assert_uint_eq(s->sweeps, 1);
	ck_assert_int_eq(s->phase, SCOPE_STOPPED);
	ck_assert_uint_eq(s->track.frames, 1000);
	give_many(1000, 10, sine); /* another stream */
	ck_assert_uint_eq(s->sweeps, 1);
}
END_TEST

/* Noise makes each slope cross the level several times; only one way counts. */
static int64_t noisy(uint64_t scan, unsigned int channel)
{
	return sine(scan, channel) + (scan % 2 ? 150 : -150);
}

START_TEST(noise_is_no_edge)
{
	unsigned int i, sweeps = 0;

	begin("-m normal");
	for (i = 0; i < 2000; i++) {
		give(i, i ? 0 : ACQ_FRAME_START, noisy, ACQ_FORMAT_S16, 1);
		if (s->sweeps == sweeps)
			continue;
		sweeps = s->sweeps;
		ck_assert_double_gt(value(0, PERIOD / 4), 9000);
	}
	ck_assert_uint_ge(sweeps, 10);
}
END_TEST

/* Zoomed in, most of the time there is no trigger; that is no reason for a sweep. */
START_TEST(patient)
{
	unsigned int i;

	begin("-t 100us");
	for (i = 0; i < 1000; i++) {
		give(i, i ? 0 : ACQ_FRAME_START, sine, ACQ_FORMAT_S16, 1);
		ck_assert(!s->sweeps || shown->triggered);
	}
	ck_assert_uint_ge(s->sweeps, 50);
}
END_TEST

START_TEST(other_channel_triggers)
{
	unsigned int i;

	begin("-s 1 -m normal");
	for (i = 0; i < 300; i++)
		give(i, i ? 0 : ACQ_FRAME_START, sine, ACQ_FORMAT_S16, 2);
	ck_assert_double_eq_tol(value(1, 0), 0, 1);
	ck_assert_double_lt(value(0, 0), -1000);
}
END_TEST

/* --- what is kept --- */

/* However long the screen, a spike of one scan is not lost; and nothing grows. */
START_TEST(spikes_survive)
{
	static const char *const times[] = { "-t 1s", "-t 2s", "-t 5s", "-t 60s" };
	double low, high;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(times); i++) {
		begin(times[i]);
		give_many(0, 7000, spikes);
		scope_picture(s);
		ck_assert_uint_le(shown->count, SCOPE_BINS);
		ck_assert(scope_extent(shown, 0, 0, shown->count, &low, &high));
		ck_assert_double_eq(low, 0);
		ck_assert_double_eq(high, 20000);
	}
}
END_TEST

START_TEST(slow_sweeps_are_shown_on_their_way)
{
	begin("-t 10s");
	give_many(0, 3000, sine);
	ck_assert_uint_eq(s->sweeps, 0);
	scope_picture(s);
	/* a second to learn, and at most another to find the trigger */
	ck_assert_double_ge(shown->count * shown->bin_s, 1);
	s->hold = true;
	memset(&s->shown, 0, sizeof(s->shown));
	scope_picture(s);
	ck_assert_uint_eq(shown->count, 0);
}
END_TEST

START_TEST(short_capture)
{
	begin("-t 100ms");
	give_many(0, 30, flat);
	ck_assert_uint_eq(s->sweeps, 0);
	scope_end(s);
	ck_assert_uint_eq(s->sweeps, 1);
	ck_assert_double_eq_tol(shown->count * shown->bin_s, 0.03, 0.001);
	begin("-m normal");
	give_many(0, 30, flat);
	scope_end(s);
	ck_assert_uint_eq(s->sweeps, 0);
}
END_TEST

/* However little there is, it is in the picture; and a longer time base then brings no other. */
START_TEST(end_of_capture)
{
	unsigned int count;

	begin("-t 60s");
	give_many(0, 1, flat);
	scope_end(s);
	ck_assert_uint_eq(s->sweeps, 1);
	ck_assert_uint_eq(shown->count, 1);
	ck_assert_int_eq(shown->bins[0][0].max, 7);
	begin("-t 5ms -m normal");
	for (count = 0; s->sweeps < 2 || s->phase != SCOPE_SWEEPING; count++)
		ck_assert_int_eq(give(count, count ? 0 : ACQ_FRAME_START, sine, ACQ_FORMAT_S16, 1),
				 0);
	scope_end(s);
	count = shown->count;
	s->time_div = 10;
	ck_assert_uint_eq(scope_picture(s)->count, count);
}
END_TEST

static unsigned int lost_bins(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < shown->count; i++)
		n += shown->lost[i];
	return n;
}

/* What is missing has its place in time, and no line goes across. */
START_TEST(loss)
{
	double low, high;
	unsigned int i;

	begin("-t 100ms -m normal");
	give_many(0, 1100, sine);
	ck_assert_uint_eq(s->sweeps, 0);
	give(1110, ACQ_FRAME_GAP, sine, ACQ_FORMAT_S16, 1);
	for (i = 1111; i < 2200; i++)
		give(i, 0, sine, ACQ_FORMAT_S16, 1);
	ck_assert_uint_eq(s->sweeps, 1);
	ck_assert_double_eq_tol(lost_bins() * shown->bin_s, 0.01, 2 * shown->bin_s);
	for (i = 0; !shown->lost[i]; i++)
		;
	ck_assert(!scope_extent(shown, 0, i + 2, i + 3, &low, &high));
	ck_assert_double_eq_tol(value(0, 3 * PERIOD), 0, 1000);
	ck_assert_uint_eq(s->track.lost, 10);
}
END_TEST

START_TEST(hardware_overrun)
{
	unsigned int i;

	begin("-m normal");
	for (i = 0; !s->sweeps; i++)
		give(i,
		     i == 110 ? ACQ_FRAME_HW_OVERRUN :
		     i	      ? 0 :
				ACQ_FRAME_START,
		     sine, ACQ_FORMAT_S16, 1);
	ck_assert_uint_eq(s->track.hw_overruns, 1);
	ck_assert_uint_eq(lost_bins(), 1);
}
END_TEST

/* A number that leaps is counted, not lived through. */
START_TEST(enormous_gap)
{
	begin("-t 1s");
	give_many(0, 10, sine);
	give(1ULL << 50, ACQ_FRAME_GAP, sine, ACQ_FORMAT_S16, 1);
	ck_assert_uint_eq(s->track.lost, (1ULL << 50) - 10);
	give_many(7, 4000, sine);
	ck_assert(!lost_bins() || s->sweeps);
}
END_TEST

/* --- formats and channels --- */

static int format;

static int64_t extremes(uint64_t scan, unsigned int channel)
{
	static const int64_t ends[][2] = {
		[ACQ_FORMAT_U8] = { 0, UINT8_MAX },   [ACQ_FORMAT_S8] = { INT8_MIN, INT8_MAX },
		[ACQ_FORMAT_U16] = { 0, UINT16_MAX }, [ACQ_FORMAT_S16] = { INT16_MIN, INT16_MAX },
		[ACQ_FORMAT_U32] = { 0, UINT32_MAX }, [ACQ_FORMAT_S32] = { INT32_MIN, INT32_MAX },
	};

	(void)channel;
	return ends[format][scan / 8 % 2];
}

START_TEST(each_format)
{
	double low, high;
	unsigned int i;

	for (format = ACQ_FORMAT_U8; format <= ACQ_FORMAT_S32; format++) {
		begin("");
		for (i = 0; i < 300; i++)
			ck_assert_int_eq(give(i, i ? 0 : ACQ_FRAME_START, extremes, format, 1), 0);
		ck_assert(shown->triggered);
		ck_assert(scope_extent(shown, 0, 0, shown->count, &low, &high));
		ck_assert_double_eq(low, extremes(0, 0));
		ck_assert_double_eq(high, extremes(8, 0));
		scope_fit(&app.view, shown, 1);
		ck_assert_double_le(app.view.bottom, low);
		ck_assert_double_ge(app.view.top, high);
		ck_assert_double_ge(high - low, 0.3 * (app.view.top - app.view.bottom));
	}
}
END_TEST

/* Events, and what a later version may have. */
START_TEST(other_formats_are_refused)
{
	char text[128];

	begin("");
	ck_assert_int_eq(give(0, ACQ_FRAME_START, flat, ACQ_FORMAT_EVENT, 1), -EOPNOTSUPP);
	ck_assert_int_eq(give(0, ACQ_FRAME_START, flat, 99, 1), -EOPNOTSUPP);
	end_input(&app, -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(end_reason(&app, text), "no samples, but the format ?"));
}
END_TEST

/* A device may give less than a full frame at first. */
START_TEST(short_first_frame)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_S16, 1, 2 * SCANS / 4);

	begin("");
	frame->flags = ACQ_FRAME_START;
	ck_assert_int_eq(scope_frame(s, frame), 0);
	ck_assert_int_eq(give(1, 0, sine, ACQ_FORMAT_S16, 1), 0);
	ck_assert_double_eq_tol(s->scan_s, 1 / 16000.0, 0.000000001);
	free(frame);
}
END_TEST

START_TEST(picked_channels)
{
	unsigned int i;

	begin("-c 0,2-3 -s 3");
	ck_assert_uint_eq(s->picked, 3);
	for (i = 0; i < 300; i++)
		give(i, i ? 0 : ACQ_FRAME_START, flat, ACQ_FORMAT_S16, 4);
	ck_assert_double_eq(value(0, 0), 7);
	ck_assert_double_eq(value(1, 0), 9);
	ck_assert_double_eq(value(2, 0), 10);
	ck_assert_uint_eq(s->pick[s->source], 3);
	begin("-c 4");
	ck_assert_int_eq(give(0, ACQ_FRAME_START, flat, ACQ_FORMAT_S16, 4), -ERANGE);
	begin("-s 4");
	ck_assert_int_eq(give(0, ACQ_FRAME_START, flat, ACQ_FORMAT_S16, 4), -ERANGE);
	begin("");
	ck_assert_int_eq(give(0, ACQ_FRAME_START, flat, ACQ_FORMAT_S16, 20), 0);
	ck_assert_uint_eq(s->picked, SCOPE_CHANNELS);
	/* captures one behind the other need not be alike */
	ck_assert_int_eq(give(0, ACQ_FRAME_START, flat, ACQ_FORMAT_S16, 1), 0);
	ck_assert_uint_eq(s->picked, 1);
}
END_TEST

/* Without a rate a scan stands for a second. */
START_TEST(no_rate)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_U8, 1, SCANS);
	char time[SCOPE_NUMBER_MAX + 12];

	begin("-t 20");
	frame->rate_hz = 0;
	frame->flags = ACQ_FRAME_START;
	for (; frame->seq < 200; frame->seq++) {
		ck_assert_int_eq(scope_frame(s, frame), 0);
		frame->flags = 0;
	}
	ck_assert_uint_ge(s->sweeps, 1);
	ck_assert_double_eq(shown->bin_s, 1);
	ck_assert_str_eq(time_text(s, time), "20 scans/div");
	free(frame);
}
END_TEST

/* --- scales --- */

START_TEST(steps)
{
	double t = 0.000001;
	int i;

	for (i = 0; i < 12; i++)
		t = scope_step(t, 1);
	ck_assert_double_eq_tol(t, 0.01, 0.000000001);
	for (i = 0; i < 12; i++)
		t = scope_step(t, -1);
	ck_assert_double_eq_tol(t, 0.000001, 0.0000000000001);
	ck_assert_double_eq_tol(scope_step(300, 1), 500, 0.000000001);
	ck_assert_double_eq_tol(scope_step(300, -1), 200, 0.000000001);
}
END_TEST

START_TEST(numbers)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 5, "5" },
		{ 0.005, "5m" },
		{ 0.000020, "20u" },
		{ 1500, "1.5k" },
		{ -40000, "-40k" },
		{ 2147483648.0, "2.147G" },
		{ 999.96, "1k" },
		{ 0.0000625, "62.5u" },
	};
	char number[SCOPE_NUMBER_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_str_eq(scope_number(cases[i].value, "", number), cases[i].text);
}
END_TEST

/* A scale that fits stays, though another would fit as well. */
START_TEST(scale_is_steady)
{
	struct scope_view before;

	begin("");
	give_many(0, 300, sine);
	scope_fit(&app.view, shown, 1);
	before = app.view;
	ck_assert_double_le(before.bottom, -10000);
	ck_assert_double_ge(before.top, 10000);
	begin("");
	app.view = before;
	give_many(0, 300, noisy);
	scope_fit(&app.view, shown, 1);
	ck_assert_double_eq(app.view.top, before.top);
	begin("-r -5:5");
	give_many(0, 300, sine);
	scope_fit(&app.view, shown, 1);
	ck_assert_double_eq(app.view.top, 5);
}
END_TEST

START_TEST(time_base)
{
	begin("");
	give_many(0, 1, sine);
	ck_assert_double_eq_tol(scope_time_div(s), 0.005, 0.000000001); /* 100 scans, or less */
	begin("-t 1us"); /* shorter than a scan */
	give_many(0, 1, sine);
	ck_assert_double_eq_tol(scope_time_div(s), 1 / 16000.0, 0.000000001);
}
END_TEST

/* --- cells --- */

static struct scope_screen screen;

static void draw(int rows, int cols, bool ascii)
{
	screen.ascii = ascii;
	ck_assert(size_screen(&screen, rows, cols));
	compose(&app, &screen);
}

static const struct scope_cell *cell(int row, int col)
{
	return &screen.cells[row * screen.cols + col];
}

static int count_glyph(wchar_t glyph, int ink)
{
	int i, n = 0;

	for (i = 0; i < screen.rows * screen.cols; i++)
		n += screen.cells[i].glyph == glyph && screen.cells[i].ink == ink;
	return n;
}

static const char *row_text(int row)
{
	static char text[400];
	int i;

	for (i = 0; i < screen.cols; i++) {
		wchar_t glyph = cell(row, i)->glyph;

		text[i] = glyph < 128 ? glyph : '*';
	}
	text[i] = 0;
	return text;
}

/* A flat signal is one row of half-height lines, from edge to edge but for the marker. */
START_TEST(flat_line)
{
	int col, row = -1;

	begin("-r -1:15");
	give_many(0, 1000, flat);
	draw(24, 80, false);
	for (col = 0; col < 24; col++)
		if (cell(col, LABEL_COLS)->ink == INK_CHANNEL)
			row = col;
	ck_assert_int_eq(row, 12); /* the middle of rows 2 to 22 */
	for (col = LABEL_COLS; col < 79; col++) {
		ck_assert_int_eq(cell(row, col)->ink, INK_CHANNEL);
		ck_assert_int_eq(__builtin_popcount(cell(row, col)->dots), 2);
		ck_assert_int_eq(cell(row, col)->glyph, 0x2800 + cell(row, col)->dots);
	}
}
END_TEST

/* Each dot of a sine is where the sine is. */
START_TEST(sine_dots)
{
	int col, row;

	begin("-r -10000:10000 -m normal -t 1.6ms"); /* a period is the screen's width */
	give_many(0, 300, sine);
	draw(33, 107, false);
	for (col = LABEL_COLS; col < 106; col++) {
		double at = (col - LABEL_COLS + 0.5) / 100 - SCOPE_BEFORE;
		double level = sin(2 * M_PI * at);

		for (row = 2; row < 32; row++) {
			double top = 1 - (row - 2) / 15.0, bottom = top - 1 / 15.0;

			if (cell(row, col)->ink != INK_CHANNEL || !cell(row, col)->dots)
				continue;
			ck_assert_double_le(level, top + 0.06);
			ck_assert_double_ge(level, bottom - 0.06);
		}
	}
	ck_assert_int_ge(count_glyph(L'▼', INK_CHANNEL), 1);
	ck_assert_int_eq(count_glyph(L'◀', INK_CHANNEL), 1);
}
END_TEST

/* What is higher or lower than the scale is cut off. */
START_TEST(cut_off)
{
	int col, inside = 0;

	begin("-r -5000:5000");
	give_many(0, 300, sine);
	draw(24, 80, false);
	for (col = 0; col < 80; col++) {
		ck_assert_int_eq(cell(0, col)->dots | cell(1, col)->dots | cell(23, col)->dots, 0);
		inside += !!cell(2, col)->dots;
	}
	ck_assert_int_ge(inside, 5);
	ck_assert_int_le(inside, 20);
}
END_TEST

/* Even if it is so far away that no screen has such a row. */
START_TEST(far_beyond)
{
	int i;

	format = ACQ_FORMAT_S32;
	begin("-r 0:0.0001");
	for (i = 0; i < 300; i++)
		ck_assert_int_eq(give(i, i ? 0 : ACQ_FRAME_START, extremes, format, 1), 0);
	draw(24, 80, false);
	for (i = 0; i < 80; i++)
		ck_assert_int_eq(cell(1, i)->dots | cell(23, i)->dots, 0);
	ck_assert_int_eq(cell(2, 40)->ink, INK_CHANNEL); /* all slopes */
}
END_TEST

START_TEST(loss_is_red)
{
	unsigned int i;

	begin("-m normal");
	for (i = 0; !s->sweeps; i++)
		give(i < 118 ? i : i + 5,
		     i == 118 ? ACQ_FRAME_GAP :
		     i	      ? 0 :
				ACQ_FRAME_START,
		     sine, ACQ_FORMAT_S16, 1);
	draw(24, 80, false);
	/* 5 ms of 50, of 73 columns, in 21 rows */
	ck_assert_int_ge(count_glyph(L'╎', INK_LOSS), 6 * 21);
	ck_assert_int_le(count_glyph(L'╎', INK_LOSS), 9 * 21);
	ck_assert_ptr_nonnull(strstr(row_text(0), " 5 lost"));
	ck_assert_int_eq(cell(0, strstr(row_text(0), "5 lost") - row_text(0))->ink, INK_LOSS);
	draw(24, 80, true);
	ck_assert_int_ge(count_glyph('!', INK_LOSS), 6 * 21);
}
END_TEST

/* Where nothing else is. */
START_TEST(only_loss)
{
	begin("-t 1ms");
	give_many(0, 1, sine);
	give(1000000, ACQ_FRAME_GAP, sine, ACQ_FORMAT_S16, 1);
	ck_assert_uint_ge(s->sweeps, 1);
	draw(24, 80, false);
	ck_assert_int_ge(count_glyph(L'╎', INK_LOSS), 50 * 21);
}
END_TEST

/* Nothing but ASCII, whatever is on the screen; and no cell twice as high as the others. */
START_TEST(ascii)
{
	int i;

	begin("-a");
	give_many(0, 300, sine);
	app.help = true;
	draw(30, 100, true);
	for (i = 0; i < 30 * 100; i++)
		ck_assert_int_lt(screen.cells[i].glyph, 128);
	ck_assert_int_ge(count_glyph('|', INK_CHANNEL) + count_glyph('.', INK_CHANNEL), 10);
}
END_TEST

/* No size is too small or too odd; what is outside is left alone (by the sanitizer's word). */
START_TEST(each_size)
{
	int rows, cols;

	begin("-c 0-7");
	ck_assert_int_eq(give(0, ACQ_FRAME_START, sine, ACQ_FORMAT_S16, 8), 0);
	for (rows = 1; rows < 300; rows++)
		give(rows, 0, sine, ACQ_FORMAT_S16, 8);
	app.help = true;
	for (rows = 1; rows < 40; rows++)
		for (cols = 1; cols < 200; cols += 7)
			draw(rows, cols, rows % 2);
	draw(ROWS_MIN - 1, 80, false);
	ck_assert_ptr_nonnull(strstr(row_text(0), "too small"));
}
END_TEST

START_TEST(status)
{
	begin("");
	give_many(0, 300, sine);
	draw(24, 80, false);
	ck_assert_ptr_eq(strstr(row_text(0), "run.acq  s16 x 1  16 kS/s  300 frames  0 lost"),
			 row_text(0));
	ck_assert_ptr_nonnull(strstr(row_text(0), " Trig'd"));
	ck_assert_ptr_nonnull(strstr(row_text(1), "** ch0"));
	ck_assert_ptr_nonnull(strstr(row_text(1), "trigger: auto, ch0 rising 0 (middle)"));
	ck_assert_ptr_eq(strstr(row_text(23), "5 ms/div  5k/div"), row_text(23));
	s->hold = true;
	draw(24, 80, false);
	ck_assert_ptr_nonnull(strstr(row_text(0), " Hold"));
	s->hold = false;
	end_input(&app, -ENODEV);
	app.in.acq = (void *)&app; /* a device */
	draw(24, 120, false);
	ck_assert_ptr_nonnull(strstr(row_text(0), " End"));
	ck_assert_ptr_nonnull(strstr(row_text(23), "the device is gone, unplugged or unbound"));
}
END_TEST

/* From -32768 to 32767 the middle is at -0.5, which is nothing to tell. */
START_TEST(middle_in_words)
{
	int i;

	format = ACQ_FORMAT_S16;
	begin("");
	for (i = 0; i < 300; i++)
		ck_assert_int_eq(give(i, i ? 0 : ACQ_FRAME_START, extremes, format, 1), 0);
	draw(24, 80, false);
	ck_assert_ptr_nonnull(strstr(row_text(1), "ch0 rising 0 (middle)"));
	s->level = -0.5;
	s->level_set = true;
	draw(24, 80, false);
	ck_assert_ptr_nonnull(strstr(row_text(1), "ch0 rising -500m"));
}
END_TEST

/* The file's name can't hide what was lost, nor be more than a name. */
START_TEST(any_name)
{
	begin("");
	app.in.name = "/a/very/long/path/to/a-file-whose-name-is-much-too-long-for-any-screen.acq";
	give_many(0, 300, sine);
	draw(24, 80, false);
	ck_assert_ptr_eq(strstr(row_text(0), "a-file-whose-name-is-muc  s16 x 1"), row_text(0));
	ck_assert_ptr_nonnull(strstr(row_text(0), "  300 frames  0 lost  "));
	ck_assert_ptr_nonnull(strstr(row_text(0), "  Trig'd"));
	app.in.name = "a\nEND\033[2J";
	draw(24, 80, false);
	ck_assert_ptr_eq(strstr(row_text(0), "a?END?[2J  s16"), row_text(0));
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	app.in.name = "gr\303\266\303\237e \377";
	draw(24, 80, false);
	ck_assert_int_eq(cell(0, 2)->glyph, L'ö');
	ck_assert_int_eq(cell(0, 6)->glyph, '?');
	draw(24, 80, true);
	ck_assert_int_eq(cell(0, 2)->glyph, '?');
	app.in.name = "1234567890123456789012\342\202\254"; /* cut in its last character */
	draw(24, 80, false);
	ck_assert_int_eq(cell(0, 21)->glyph, '2');
	ck_assert_int_eq(cell(0, 22)->glyph, ' ');
}
END_TEST

/* --- options --- */

START_TEST(each_option)
{
	begin("-d acq1 -t 2ms -r -1.5:1e3 -c 1,3 -m single -s 3 -e falling -l -7 -o x.svg -a");
	ck_assert_str_eq(app.opt.device, "acq1");
	ck_assert_double_eq(s->time_div, 0.002);
	ck_assert(app.view.fixed);
	ck_assert_double_eq(app.view.bottom, -1.5);
	ck_assert_double_eq(app.view.top, 1000);
	ck_assert_int_eq(s->mode, SCOPE_SINGLE);
	ck_assert_uint_eq(s->source, 1);
	ck_assert(s->falling && s->level_set && app.opt.ascii);
	ck_assert_double_eq(s->level, -7);
	ck_assert_str_eq(app.opt.snapshot, "x.svg");
	begin("--time=1 --range=0:1 --channels=0-1 --mode=normal --source=1 --edge=rising");
	ck_assert_double_eq(s->time_div, 1);
	begin("--level=0 --snapshot=- --ascii run.acq");
	ck_assert_str_eq(app.opt.capture, "run.acq");
	begin("--device=acq");
	begin("/dev/null"); /* stands for /dev/acq */
	ck_assert_ptr_null(app.opt.capture);
	ck_assert_str_eq(app.opt.device, "/dev/null");
}
END_TEST

START_TEST(bad_usage)
{
	static const char *const lines[] = {
		"-t 0",	   "-t x",     "-t -1",	    "-t",
		"-r 1",	   "-r 1:",    "-r 2:1",    "-r 1:1",
		"-r 1:2x", "-r nan:1", "-r 0:inf",  "-c x",
		"-c 1-",   "-c 3-1",   "-c 1,",	    "-c 0-8",
		"-c 255",  "-c -",     "-m x",	    "-s x",
		"-s 255",  "-e up",    "-l",	    "-l x",
		"-l 1x",   "-o x",     "-o x.jpg",  "--bogus",
		"a b",	   "-d a b",   "-c 0 -s 1", "-c 99999999999999999999",
		"-c 3-2",  "-s 8",     "-c 0-7,8",  "-c 0-7,8-7",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++)
		ck_assert_msg(parse(lines[i]) == EXIT_USAGE, "%s", lines[i]);
}
END_TEST

/* The help is for a screen of 24 lines, and has all options. */
START_TEST(help_fits)
{
	const char *line = usage, *end;
	const struct option *option;
	int lines = 0;
	char name[32];

	for (; *line; line = end + 1) {
		end = strchr(line, '\n');
		ck_assert_int_le(end - line, 84);
		lines++;
	}
	ck_assert_int_lt(lines, 24);
	for (option = long_options; option->name; option++) {
		snprintf(name, sizeof(name), "-%c, --%s", option->val, option->name);
		ck_assert_ptr_nonnull(strstr(usage, name));
	}
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		rising_edge,
		falling_edge,
		level,
		between_scans,
		at_a_seam,
		no_trigger,
		single,
		noise_is_no_edge,
		patient,
		other_channel_triggers,
		spikes_survive,
		slow_sweeps_are_shown_on_their_way,
		short_capture,
		end_of_capture,
		loss,
		hardware_overrun,
		enormous_gap,
		each_format,
		other_formats_are_refused,
		short_first_frame,
		picked_channels,
		no_rate,
		steps,
		numbers,
		scale_is_steady,
		time_base,
		flat_line,
		sine_dots,
		cut_off,
		far_beyond,
		loss_is_red,
		only_loss,
		ascii,
		each_size,
		status,
		middle_in_words,
		any_name,
		each_option,
		bad_usage,
		help_fits,
		NULL,
	};

	return run_suite("sweep", tests);
}
