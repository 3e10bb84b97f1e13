// SPDX-License-Identifier: GPL-2.0-only
/*
 * acqscope - a live oscilloscope in the terminal.
 *
 * An input gives frames to a scope (scope.c), which makes a picture of them: cells,
 * for a terminal or as text, or a script for gnuplot. One loop waits for keys,
 * frames and the time to draw, and for nothing else.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_NCURSES
#include <curses.h>
#endif

#include "common.h"
#include "scope.h"

#define BUFFER_BYTES (1024U * 1024)
#define RING_BYTES (8U * 1024 * 1024)
#define FRAME_NS (40 * 1000000) /* from one drawing to the next, at least */
#define BEHIND_S 0.1 /* a capture is played so far at once, at most */
#define PAUSE_S 1.0 /* and waits for its next frame no longer than this */
#define ROWS_MIN 8
#define COLS_MIN 40
#define NAME_MAX_SHOWN 24 /* bytes; the rest of the line is for what was lost */

struct options {
	const char *device;
	const char *capture;
	const char *snapshot;
	bool ascii;
	int source; /* -1: not given */
};

struct input {
	const char *name;
	struct acq *acq; /* NULL: a capture */
	pid_t subscriber; /* what writes it if it is a stream; 0: it isn't */
	int fd;
	bool paced; /* a file, to be played at the speed it was made */
	double due_s; /* of which so much may be taken now */
	uint64_t played_ns; /* timestamp of the last frame; 0: none yet */
	char *buf;
	size_t len;
	size_t used;
	bool over;
	int err; /* why */
};

struct app {
	struct options opt;
	struct input in;
	struct scope scope;
	struct scope_view view;
	unsigned int visible; /* a mask of the picked channels */
	bool help;
	bool quit;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* --- input --- */

/* Wake up for each picture; where the kernel won't have it so, its own choice will do. */
static void configure(struct acq *acq)
{
	struct acq_config config = { .size = sizeof(config), .latency_us = FRAME_NS / 1000 };
	struct acq_info info = { .size = sizeof(info) };

	if (acq_get_info(acq, &info))
		return;
	config.ring_frames = info.rate_hz > info.ring_frames ? info.rate_hz : info.ring_frames;
	if (config.ring_frames > RING_BYTES / info.stride)
		config.ring_frames = RING_BYTES / info.stride;
	if (config.ring_frames > info.ring_frames_max)
		config.ring_frames = info.ring_frames_max;
	config.watermark = info.rate_hz / 25;
	if (config.watermark > config.ring_frames / 4)
		config.watermark = config.ring_frames / 4;
	acq_configure(acq, &config);
}

static bool open_capture(struct app *app)
{
	struct input *in = &app->in;
	struct stat st;

	in->name = app->opt.capture;
	in->fd = STDIN_FILENO;
	if (!strcmp(in->name, "-"))
		in->name = "stdin";
	else if (is_stream(in->name))
		in->fd = open_stream(in->name, &in->subscriber);
	else
		in->fd = open(in->name, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0 || fstat(in->fd, &st)) {
		say("%s: %s", in->name, strerror(errno));
		return false;
	}
	in->paced = S_ISREG(st.st_mode) && !app->opt.snapshot;
	if (!isatty(in->fd))
		return true;
	say("%s: a terminal, not a capture; for example: acqscope - <run.acq", in->name);
	return false;
}

static bool open_input(struct app *app)
{
	struct input *in = &app->in;

	in->buf = malloc(BUFFER_BYTES);
	if (!in->buf) {
		say("out of memory");
		return false;
	}
	if (app->opt.capture)
		return open_capture(app);
	in->name = app->opt.device ?: "acq";
	in->acq = open_device(app->opt.device, O_RDONLY);
	if (!in->acq)
		return false;
	in->fd = acq_fd(in->acq);
	configure(in->acq);
	return true;
}

static void close_input(struct input *in)
{
	if (in->acq)
		acq_close(in->acq);
	else if (in->subscriber)
		close_stream(in->fd, in->subscriber);
	else if (in->fd > STDIN_FILENO)
		close(in->fd);
	free(in->buf);
}

/* More into the buffer. Returns bytes, 0 at the end, or an error. */
static ssize_t fill(struct input *in)
{
	size_t room;
	ssize_t got;

	in->len -= in->used;
	memmove(in->buf, in->buf + in->used, in->len);
	in->used = 0;
	room = BUFFER_BYTES - in->len;
	if (!room) /* no frame is that long */
		return -EBADMSG;
	if (in->acq)
		got = acq_read(in->acq, in->buf + in->len, room, 0);
	else
		got = read(in->fd, in->buf + in->len, room);
	if (got > 0)
		in->len += got;
	return got < 0 && !in->acq ? -errno : got;
}

/* The time from the last frame to this one has been played. */
static void play(struct input *in, const struct acq_frame *frame)
{
	double passed = (double)(int64_t)(frame->timestamp_ns - in->played_ns) / NSEC_PER_SEC;

	if (in->played_ns)
		in->due_s -= fmin(fmax(passed, 0), PAUSE_S);
	in->played_ns = frame->timestamp_ns;
}

/* A snapshot is of the first sweep; a capture is played no faster than it was made. */
static bool enough(const struct app *app)
{
	if (app->opt.snapshot)
		return app->scope.sweeps;
	return app->in.paced && app->in.due_s <= 0;
}

/* The frames of the buffer, as far as they are wanted. Returns 0 or an error. */
static int feed(struct app *app)
{
	struct input *in = &app->in;
	struct acq_walk walk = { .buf = in->buf, .bytes = in->len, .offset = in->used };
	const struct acq_frame *frame;
	int err = 0;

	while (!err && !enough(app)) {
		frame = acq_frame_next(&walk);
		if (!frame)
			break;
		err = scope_frame(&app->scope, frame);
		play(in, frame);
	}
	in->used = walk.offset;
	return err ?: walk.error == -EBADMSG ? -EBADMSG : 0;
}

static void end_input(struct app *app, int err)
{
	app->in.over = true;
	app->in.err = err;
	scope_end(&app->scope);
}

/* What has come, or is due; no more than a buffer, for keys and signals wait meanwhile. */
static void take_input(struct app *app)
{
	int err = feed(app);
	ssize_t got = 1;

	if (!err && !enough(app)) {
		got = fill(&app->in);
		if (got > 0)
			err = feed(app);
	}
	if (err || (got <= 0 && got != -ETIMEDOUT))
		end_input(app, err ?: got);
}

/* Does the picture stand still, by the user's wish? */
static bool halted(const struct app *app)
{
	return app->scope.hold || app->scope.phase == SCOPE_STOPPED;
}

/* Why there are no more frames; NULL at the plain end of a capture. */
static const char *end_reason(const struct app *app, char text[128])
{
	const struct input *in = &app->in;

	if (!in->err)
		return in->acq ? "the stream was stopped" : NULL;
	if (in->err == -EOPNOTSUPP) {
		snprintf(text, 128, "its frames have no samples, but the format %s; see acqread",
			 format_name(app->scope.format));
		return text;
	}
	if (in->err == -ERANGE) {
		snprintf(text, 128, "it has %u channels, from 0; see --channels and --source",
			 app->scope.stream_channels);
		return text;
	}
	if (in->err != -EBADMSG || in->acq)
		return in->acq ? acq_strerror(in->err) : strerror(-in->err);
	if (!app->scope.track.frames)
		return "not a capture: it does not begin with a frame";
	snprintf(text, 128, "damaged behind frame %" PRIu64, app->scope.track.next - 1);
	return text;
}

/* --- what the screen says --- */

static const char *state(const struct app *app)
{
	const struct scope *s = &app->scope;

	if (app->in.over && !app->opt.snapshot)
		return "End";
	if (halted(app))
		return s->hold ? "Hold" : "Stop";
	if (scope_waits(s))
		return "Wait";
	return s->shown.triggered ? "Trig'd" : "Auto";
}

/* Scans per second; nothing without a rate. */
static const char *rate_text(const struct scope *s, char text[SCOPE_NUMBER_MAX + 4])
{
	char number[SCOPE_NUMBER_MAX];

	*text = 0;
	if (s->rate_hz)
		sprintf(text, "%sS/s", scope_number(1 / s->scan_s, " ", number));
	return text;
}

static const char *time_text(const struct scope *s, char text[SCOPE_NUMBER_MAX + 12])
{
	char number[SCOPE_NUMBER_MAX];

	sprintf(text, "%s%s/div", scope_number(scope_time_div(s), " ", number),
		s->rate_hz ? "s" : "scans");
	return text;
}

/* A file may have any name: the end of it, without what could be a command to gnuplot. */
static const char *name_text(const char *name, char text[NAME_MAX_SHOWN + 1])
{
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;
	size_t i, len = strnlen(base, NAME_MAX_SHOWN);

	while (len && (base[len] & 0xc0) == 0x80) /* the middle of a character */
		len--;
	for (i = 0; i < len; i++)
		text[i] = iscntrl((unsigned char)base[i]) ? '?' : base[i];
	text[len] = 0;
	return text;
}

static void source_text(const struct app *app, char *text, size_t size)
{
	const struct scope *s = &app->scope;
	char name[NAME_MAX_SHOWN + 1], rate[SCOPE_NUMBER_MAX + 4];

	snprintf(text, size, "%s  %s x %u  %s  %" PRIu64 " frames  ", name_text(app->in.name, name),
		 format_name(s->format), s->stream_channels, rate_text(s, rate),
		 (uint64_t)s->track.frames);
}

static void loss_text(const struct app *app, char *text, size_t size)
{
	const struct acq_track *track = &app->scope.track;
	int len = snprintf(text, size, "%" PRIu64 " lost", (uint64_t)track->lost);

	if (track->hw_overruns)
		snprintf(text + len, size - len, ", %" PRIu64 " overruns",
			 (uint64_t)track->hw_overruns);
}

/* The middle of the signal may be at half a value; no more of it than can be seen. */
static double level_shown(const struct app *app)
{
	double step = (app->view.top - app->view.bottom) / SCOPE_DIVS_Y / 100;

	if (app->scope.level_set || step <= 0)
		return scope_level(&app->scope);
	return round(scope_level(&app->scope) / step) * step + 0.0; /* no -0 */
}

static void trigger_text(const struct app *app, char *text, size_t size)
{
	static const char *const modes[] = { "auto", "normal", "single" };
	const struct scope *s = &app->scope;
	char level[SCOPE_NUMBER_MAX];

	snprintf(text, size, "  trigger: %s, ch%u %s %s%s", modes[s->mode], s->pick[s->source],
		 s->falling ? "falling" : "rising", scope_number(level_shown(app), "", level),
		 s->level_set ? "" : " (middle)");
}

static bool any_loss(const struct app *app)
{
	return app->scope.track.lost || app->scope.track.hw_overruns;
}

static void text_right(struct scope_screen *screen, int row, int ink, const char *text)
{
	scope_text(screen, row, screen->cols - strlen(text), ink, text);
}

static void put_status(const struct app *app, struct scope_screen *screen)
{
	char text[256];
	int col;

	source_text(app, text, sizeof(text));
	col = scope_text(screen, 0, 0, INK_PLAIN, text);
	loss_text(app, text, sizeof(text));
	scope_text(screen, 0, col, any_loss(app) ? INK_LOSS : INK_PLAIN, text);
	snprintf(text, sizeof(text), "  %s", state(app));
	text_right(screen, 0, INK_BOLD, text);
}

static void put_legend(const struct app *app, struct scope_screen *screen)
{
	const struct scope *s = &app->scope;
	unsigned int c;
	int i, col = 0;
	char text[96];

	for (c = 0; c < s->picked; c++, col += 2) {
		int ink = app->visible & 1U << c ? (int)(INK_CHANNEL + c) : INK_DIM;

		for (i = 0; i < 2; i++)
			scope_put(screen, 1, col++, ink, screen->ascii ? '-' : L'━');
		snprintf(text, sizeof(text), " ch%u", s->pick[c]);
		col = scope_text(screen, 1, col, ink, text);
	}
	trigger_text(app, text, sizeof(text));
	text_right(screen, 1, INK_PLAIN, text);
}

static const char *hint(const struct app *app)
{
	if (app->in.over && app->in.paced)
		return "  r again  +- time  ? keys  q quit";
	return "  space hold  +- time  ? keys  q quit";
}

static void put_footer(const struct app *app, struct scope_screen *screen)
{
	const struct scope_view *view = &app->view;
	int row = screen->rows - 1, col;
	char text[SCOPE_NUMBER_MAX + 12], number[SCOPE_NUMBER_MAX], reason[128];
	const char *why = app->in.over ? end_reason(app, reason) : NULL;

	col = scope_text(screen, row, 0, INK_BOLD, time_text(&app->scope, text));
	snprintf(text, sizeof(text), "  %s/div",
		 scope_number((view->top - view->bottom) / SCOPE_DIVS_Y, "", number));
	col = scope_text(screen, row, col, INK_BOLD, text);
	if (why)
		scope_text(screen, row, col + 2, INK_LOSS, why);
	else if (!app->opt.snapshot)
		text_right(screen, row, INK_PLAIN, hint(app));
}

static const char *const help[] = {
	" + -  right left   time of a division    ", " up down           scale                 ",
	" page up, down     move the picture      ", " y                 scale follows signal  ",
	" [ ]  l            level; in the middle  ", " e                 rising, falling edge  ",
	" c                 channel that triggers ", " m                 auto, normal, single  ",
	" s                 one sweep, then stop  ", " space             hold, and go on       ",
	" 1 2 ...           show a channel or not ", " r                 a capture once more   ",
	" q                 quit                  ",
};

static void put_help(struct scope_screen *screen)
{
	int row = (screen->rows - (int)ARRAY_SIZE(help)) / 2;
	int col = (screen->cols - (int)strlen(help[0])) / 2;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(help); i++)
		scope_text(screen, row + i, col, INK_BOLD, help[i]);
}

/* The sweep to show, and a view that fits it. */
static void prepare_picture(struct app *app)
{
	const struct scope_sweep *sweep = scope_picture(&app->scope);

	scope_fit(&app->view, sweep, app->visible & ((1U << app->scope.picked) - 1));
}

static void compose(struct app *app, struct scope_screen *screen)
{
	const struct scope_part part = {
		.row = 2,
		.col = LABEL_COLS,
		.rows = screen->rows - 3,
		.cols = screen->cols - LABEL_COLS,
	};
	char name[NAME_MAX_SHOWN + 1];

	prepare_picture(app);
	scope_clear(screen);
	if (screen->rows < ROWS_MIN || screen->cols < COLS_MIN) {
		scope_text(screen, 0, 0, INK_PLAIN, "too small: 40x8 is needed");
		return;
	}
	if (app->scope.scan_s > 0) {
		put_status(app, screen);
		put_legend(app, screen);
		put_footer(app, screen);
	} else {
		scope_text(screen, 0, 0, INK_PLAIN, name_text(app->in.name, name));
		text_right(screen, 0, INK_BOLD, "no frame yet");
	}
	scope_draw(&app->scope, &app->view, app->visible, &part, screen);
	if (app->help)
		put_help(screen);
}

/* Cells for a screen of this size. */
static bool size_screen(struct scope_screen *screen, int rows, int cols)
{
	free(screen->cells);
	screen->rows = rows;
	screen->cols = cols;
	screen->cells = calloc((size_t)rows * cols, sizeof(*screen->cells));
	if (!screen->cells)
		say("out of memory");
	return screen->cells;
}

/* --- snapshots: text --- */

static void print_row(const struct scope_cell *cells, int cols)
{
	int i;

	while (cols && cells[cols - 1].glyph == ' ')
		cols--;
	for (i = 0; i < cols; i++)
		printf("%lc", (wint_t)cells[i].glyph);
	putchar('\n');
}

static void print_screen(struct app *app)
{
	struct scope_screen screen = { .ascii = app->opt.ascii };
	struct winsize size;
	int row;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row ||
	    !size.ws_col)
		size = (struct winsize){ .ws_row = 24 + 1, .ws_col = 80 };
	size.ws_row--; /* for the prompt */
	if (!size_screen(&screen, size.ws_row, size.ws_col))
		exit(EXIT_LOSS);
	compose(app, &screen);
	for (row = 0; row < screen.rows; row++)
		print_row(screen.cells + row * screen.cols, screen.cols);
	free(screen.cells);
}

/* --- snapshots: gnuplot --- */

static const char *const colours[SCOPE_CHANNELS] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7",
						     "#e69f00", "#56b4e9", "#000000", "#888888" };

/* Seconds from the trigger of a position in the sweep. */
static double plot_time(const struct scope *s, double position)
{
	return (position - s->shown.zero) * s->shown.bin_s;
}

/* A line through both ends of each bin; an empty bin parts it. */
static void plot_channel(FILE *out, const struct scope *s, unsigned int channel)
{
	const struct scope_bin *bin = s->shown.bins[channel];
	double time;
	unsigned int i;

	fprintf(out, "$ch%u << END\n", channel);
	for (i = 0; i < s->shown.count; i++) {
		time = plot_time(s, i + 0.5);
		if (bin[i].min > bin[i].max)
			fprintf(out, "\n");
		else
			fprintf(out, "%.9g %" PRId64 "\n", time, bin[i].min);
		if (bin[i].min < bin[i].max)
			fprintf(out, "%.9g %" PRId64 "\n", time, bin[i].max);
	}
	fprintf(out, "END\n");
}

/* A red band for each piece that is missing, wide enough to be seen. */
static void plot_loss(FILE *out, const struct scope *s)
{
	double least = scope_time_div(s) * SCOPE_DIVS_X / 500, from, to;
	unsigned int i, begin;

	fprintf(out, "set style rectangle back fc rgb '#ff0000' fs solid 0.5 noborder\n");
	for (i = 0; i < s->shown.count; i++) {
		if (!s->shown.lost[i])
			continue;
		for (begin = i; i < s->shown.count && s->shown.lost[i]; i++)
			;
		from = plot_time(s, begin);
		to = fmax(plot_time(s, i), from + least);
		fprintf(out, "set object rectangle from %.9g, graph 0 to %.9g, graph 1\n", from,
			to);
	}
}

/* gnuplot's own labels are none that fit. */
static void plot_tics(FILE *out, char axis, double from, double step, int steps, const char *unit)
{
	char number[SCOPE_NUMBER_MAX];
	int i;

	fprintf(out, "set %ctics (", axis);
	for (i = 0; i <= steps; i++) {
		double at = fabs(from + i * step) < step / 2 ? 0 : from + i * step;

		fprintf(out, "%s'%s%s' %.9g", i ? ", " : "",
			scope_number(at, *unit && at ? " " : "", number), at ? unit : "", at);
	}
	fprintf(out, ")\n");
}

static void plot_axes(FILE *out, const struct app *app)
{
	const struct scope *s = &app->scope;
	double time = scope_time_div(s), left = -SCOPE_BEFORE * SCOPE_DIVS_X * time;
	double height = app->view.top - app->view.bottom;

	fprintf(out, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", left,
		left + SCOPE_DIVS_X * time, app->view.bottom, app->view.top);
	plot_tics(out, 'x', left, time, SCOPE_DIVS_X, s->rate_hz ? "s" : "");
	plot_tics(out, 'y', app->view.bottom, height / SCOPE_DIVS_Y, SCOPE_DIVS_Y, "");
	fprintf(out, "set grid xtics ytics lt 1 lc rgb '#dddddd'\nset key top right opaque\n");
	fprintf(out, "set arrow from 0, graph 0 to 0, graph 1 nohead dt 3\n");
	fprintf(out, "set arrow from graph 0, first %.9g to graph 1, first %.9g nohead dt 3\n",
		scope_level(s), scope_level(s));
}

static void plot_title(FILE *out, const struct app *app)
{
	char source[256], loss[64], trigger[128], time[SCOPE_NUMBER_MAX + 12];

	source_text(app, source, sizeof(source));
	loss_text(app, loss, sizeof(loss));
	trigger_text(app, trigger, sizeof(trigger));
	/* a heredoc, for a name may have any quotes */
	fprintf(out, "$title << END\n%s%s\nEND\nset title $title[1]%s\n", source, loss,
		any_loss(app) ? " tc rgb '#d00000'" : "");
	fprintf(out, "set xlabel '%s %s'\n", time_text(&app->scope, time), trigger);
}

static void plot(FILE *out, const struct app *app)
{
	const struct scope *s = &app->scope;
	const char *comma = "";
	unsigned int c;

	fprintf(out, "set terminal %s size 1000,560 font 'sans,11' background '#ffffff'\n",
		strstr(app->opt.snapshot, ".png") ? "pngcairo noenhanced" :
						    "svg dynamic noenhanced");
	plot_title(out, app);
	plot_axes(out, app);
	plot_loss(out, s);
	for (c = 0; c < s->picked; c++)
		plot_channel(out, s, c);
	fputs("plot", out);
	for (c = 0; c < s->picked; c++) {
		if (!(app->visible & 1U << c))
			continue;
		fprintf(out, "%s $ch%u with lines lw 1.5 lc rgb '%s' title 'ch%u'", comma, c,
			colours[c], s->pick[c]);
		comma = ",";
	}
	fprintf(out, "\n");
}

/* gnuplot, which has our stdout: the file. */
static bool run_gnuplot(const struct app *app)
{
	FILE *script = popen("command -v gnuplot >/dev/null || exit 127; exec gnuplot -", "w");
	int status;

	if (!script) {
		say("gnuplot: %s", strerror(errno));
		return false;
	}
	plot(script, app);
	status = pclose(script);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		say("--snapshot needs gnuplot: install the package gnuplot-nox, or draw FILE.txt");
	else if (status)
		say("%s: gnuplot failed", app->opt.snapshot);
	return !status;
}

/* --- snapshots --- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

static bool is_text(const char *file)
{
	return !strcmp(file, "-") || ends_with(file, ".txt");
}

static bool write_text(struct app *app)
{
	print_screen(app);
	if (!fflush(stdout) && !ferror(stdout))
		return true;
	if (errno != EPIPE)
		say("%s: %s", app->opt.snapshot, strerror(errno));
	return errno == EPIPE;
}

static bool write_snapshot(struct app *app)
{
	const char *file = app->opt.snapshot;
	bool to_file = strcmp(file, "-");

	if (to_file && !freopen(file, "w", stdout)) {
		say("%s: %s", file, strerror(errno));
		return false;
	}
	prepare_picture(app);
	if (is_text(file) ? write_text(app) : run_gnuplot(app))
		return true;
	if (to_file)
		unlink(file);
	return false;
}

static int no_picture(const struct app *app)
{
	char text[128];
	const char *why = app->in.over ? end_reason(app, text) : NULL;

	if (why)
		say("%s: %s", app->in.name, why);
	else if (!app->scope.track.frames)
		say("%s: no frame came", app->in.name);
	else
		say("%s: no trigger; see --level and --source, or take --mode auto", app->in.name);
	return EXIT_LOSS;
}

static void allow_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Signals come in here only, so that none is missed between look and sleep. */
static int wait_for(struct pollfd *fds, int n, int64_t ns)
{
	struct timespec ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };
	sigset_t none;

	sigemptyset(&none);
	return ppoll(fds, n, ns < 0 ? NULL : &ts, &none);
}

static int snapshot(struct app *app)
{
	struct pollfd pfd = { .fd = app->in.fd, .events = POLLIN };

	while (!app->in.over && !app->scope.sweeps && !interrupted)
		if (wait_for(&pfd, 1, -1) > 0)
			take_input(app);
	if (!app->in.over)
		scope_end(&app->scope);
	if (!app->scope.sweeps)
		return no_picture(app);
	allow_signals(); /* for gnuplot, which inherits what is blocked */
	return write_snapshot(app) ? EXIT_SUCCESS : EXIT_LOSS;
}

/* --- the terminal --- */

#ifdef HAVE_NCURSES

/* A capture from its beginning. */
static void rewind_input(struct app *app)
{
	struct input *in = &app->in;

	if (!in->paced || lseek(in->fd, 0, SEEK_SET))
		return;
	in->len = 0;
	in->used = 0;
	in->due_s = 0;
	in->over = false;
	in->err = 0;
	memset(&app->scope.track, 0, sizeof(app->scope.track));
	app->scope.hold = false;
	app->scope.sweeps = 0;
	scope_restart(&app->scope);
}

static void set_time(struct app *app, int direction)
{
	struct scope *s = &app->scope;
	double time = scope_step(scope_time_div(s), direction);

	if (time * NSEC_PER_SEC < 1 || time > 100000)
		return;
	s->time_div = time;
	if (!halted(app) && !app->in.over)
		scope_restart(s);
}

/* Zoom about the middle of the screen. */
static void set_scale(struct scope_view *view, int direction)
{
	double div = scope_step((view->top - view->bottom) / SCOPE_DIVS_Y, direction);
	double middle = (view->top + view->bottom) / 2;

	if (view->top <= view->bottom || div < 0.001 || div > 1e12)
		return;
	view->bottom = middle - div * SCOPE_DIVS_Y / 2;
	view->top = middle + div * SCOPE_DIVS_Y / 2;
	view->fixed = true;
}

static void move_view(struct scope_view *view, int divs)
{
	double by = (view->top - view->bottom) / SCOPE_DIVS_Y * divs;

	view->bottom += by;
	view->top += by;
	view->fixed = true;
}

static void move_level(struct app *app, int direction)
{
	struct scope *s = &app->scope;

	s->level = scope_level(s) + direction * (app->view.top - app->view.bottom) / 40;
	s->level_set = true;
	s->armed = false;
}

static void set_mode(struct app *app, enum scope_mode mode)
{
	struct scope *s = &app->scope;

	s->mode = mode;
	if (app->in.over)
		return;
	s->sweeps = 0;
	scope_restart(s);
}

static void set_source(struct app *app)
{
	struct scope *s = &app->scope;

	if (s->picked)
		s->source = (s->source + 1) % s->picked;
	if (!app->in.over)
		scope_restart(s);
}

/* Hold, or go on; after a single sweep: the next one. */
static void set_hold(struct app *app)
{
	struct scope *s = &app->scope;

	if (s->phase != SCOPE_STOPPED)
		s->hold = !s->hold;
	if (!s->hold && !app->in.over)
		scope_restart(s);
}

static void set_edge(struct scope *s)
{
	s->falling = !s->falling;
	s->armed = false;
}

static void on_key(struct app *app, int key)
{
	struct scope *s = &app->scope;

	switch (key) {
	case 'q':
		app->quit = true;
		break;
	case ' ':
		set_hold(app);
		break;
	case '+':
	case KEY_RIGHT:
		set_time(app, 1);
		break;
	case '-':
	case KEY_LEFT:
		set_time(app, -1);
		break;
	case KEY_UP:
		set_scale(&app->view, -1);
		break;
	case KEY_DOWN:
		set_scale(&app->view, 1);
		break;
	case KEY_PPAGE:
		move_view(&app->view, -1);
		break;
	case KEY_NPAGE:
		move_view(&app->view, 1);
		break;
	case 'y':
		app->view = (struct scope_view){ 0 };
		break;
	case '[':
		move_level(app, -1);
		break;
	case ']':
		move_level(app, 1);
		break;
	case 'l':
		s->level_set = false;
		break;
	case 'e':
		set_edge(s);
		break;
	case 'c':
		set_source(app);
		break;
	case 'm':
		set_mode(app, (s->mode + 1) % 3);
		break;
	case 's':
		set_mode(app, SCOPE_SINGLE);
		break;
	case 'r':
		rewind_input(app);
		break;
	case 'h':
	case '?':
		app->help = !app->help;
		break;
	default:
		if (key >= '1' && key < '1' + SCOPE_CHANNELS)
			app->visible ^= 1U << (key - '1');
	}
}

static attr_t inks[INK_CHANNEL + SCOPE_CHANNELS];

static void begin_colours(void)
{
	static const short channel[] = { COLOR_YELLOW,	COLOR_CYAN, COLOR_GREEN,
					 COLOR_MAGENTA, COLOR_BLUE, COLOR_WHITE };
	int i;

	inks[INK_DIM] = A_DIM;
	inks[INK_BOLD] = A_BOLD;
	inks[INK_LOSS] = A_REVERSE;
	if (!has_colors() || start_color() == ERR)
		return;
	use_default_colors();
	init_pair(1, COLOR_RED, -1);
	inks[INK_LOSS] = COLOR_PAIR(1) | A_BOLD;
	for (i = 0; i < SCOPE_CHANNELS; i++) {
		init_pair(2 + i, channel[i % ARRAY_SIZE(channel)], -1);
		inks[INK_CHANNEL + i] = COLOR_PAIR(2 + i);
	}
}

static void end_terminal(void)
{
	if (isendwin())
		return;
	/* a terminal that changed its size doesn't bring all of the old screen back */
	erase();
	refresh();
	endwin();
}

/* Keys come from the terminal even if stdin is a capture. */
static FILE *begin_terminal(void)
{
	FILE *keys = fopen("/dev/tty", "r+e");

	if (!keys || !isatty(STDOUT_FILENO)) {
		say("no terminal; --snapshot FILE draws without one");
		return NULL;
	}
	set_escdelay(25);
	if (!newterm(NULL, stdout, keys)) {
		say("TERM=%s is no terminal that can be drawn on; try TERM=xterm",
		    getenv("TERM") ?: "");
		return NULL;
	}
	atexit(end_terminal);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	begin_colours();
	return keys;
}

static void show(const struct scope_screen *screen)
{
	int row, col;

	for (row = 0; row < screen->rows; row++)
		for (col = 0; col < screen->cols; col++) {
			const struct scope_cell *cell = &screen->cells[row * screen->cols + col];
			wchar_t glyph[2] = { cell->glyph };
			attr_t ink = inks[cell->ink];
			cchar_t out;

			setcchar(&out, glyph, ink & ~A_COLOR, PAIR_NUMBER(ink), NULL);
			mvadd_wch(row, col, &out);
		}
	refresh();
}

static bool draw(struct app *app, struct scope_screen *screen)
{
	if ((screen->rows != LINES || screen->cols != COLS) && !size_screen(screen, LINES, COLS))
		return false;
	compose(app, screen);
	show(screen);
	return true;
}

static void take_keys(struct app *app)
{
	int key;

	while ((key = getch()) != ERR)
		on_key(app, key);
}

/* The time that passed is what a capture may be played for. */
static void pace(struct input *in, int64_t ns)
{
	in->due_s = fmin(in->due_s + (double)ns / NSEC_PER_SEC, BEHIND_S);
}

static int64_t until(int64_t then)
{
	int64_t left = then - clock_ns();

	return left > 0 ? left : 0;
}

/* Are frames wanted? Of a device always, or it would count them as lost. */
static bool running(const struct app *app)
{
	return !app->in.over && !(app->in.paced && halted(app));
}

/* One turn: wait for whatever comes first, and see to it. Returns whether there is news. */
static bool turn(struct app *app, int keys, int64_t next, bool news)
{
	struct input *in = &app->in;
	bool live = running(app);
	struct pollfd fds[] = {
		{ .fd = keys, .events = POLLIN },
		{ .fd = live && !in->paced ? in->fd : -1, .events = POLLIN },
	};
	bool due = live && in->paced && in->due_s > 0;
	int64_t before = clock_ns();

	if (wait_for(fds, 2, due ? 0 : news || (live && in->paced) ? until(next) : -1) < 0)
		fds[0].revents = POLLIN; /* a signal, perhaps SIGWINCH: curses has a key for it */
	if (fds[0].revents & (POLLERR | POLLHUP))
		app->quit = true;
	if (fds[0].revents)
		take_keys(app);
	if (live && in->paced)
		pace(in, clock_ns() - before);
	if (live && (in->paced || fds[1].revents))
		take_input(app);
	return news || fds[0].revents || live;
}

static bool hopeless(const struct app *app)
{
	return app->in.over && (app->in.err || !app->scope.track.frames) && !app->scope.sweeps;
}

static int live(struct app *app)
{
	struct scope_screen screen = { .ascii = app->opt.ascii };
	FILE *keys = begin_terminal();
	int64_t next = clock_ns();
	bool news = true, good = keys;
	char text[128];

	while (good && !app->quit && !interrupted && !hopeless(app)) {
		if (news && clock_ns() >= next) {
			good = draw(app, &screen);
			next = clock_ns() + FRAME_NS;
			news = false;
		}
		news = turn(app, fileno(keys), next, news);
	}
	if (keys)
		end_terminal();
	free(screen.cells);
	if (good && hopeless(app))
		return no_picture(app);
	if (good && app->in.over && app->in.err)
		say("%s: %s", app->in.name, end_reason(app, text));
	return good && !app->in.err ? EXIT_SUCCESS : EXIT_LOSS;
}

#else

static int live(struct app *app)
{
	(void)app;
	say("built without ncurses: install libncurses-dev and build again, or take --snapshot");
	return EXIT_LOSS;
}

#endif

/* --- options --- */

static const char usage[] =
	"Usage: acqscope [OPTION]... [FILE]\n"
	"An oscilloscope: a device, a capture FILE (\"-\": stdin), or nats://host/subject.\n"
	"  -d, --device NAME      acq, acq1, ... or a path (default: acq)\n"
	"  -t, --time TIME        of a division: 5ms, 20us, 1\n"
	"  -r, --range MIN:MAX    of the values; else as the signal needs\n"
	"  -c, --channels LIST    show these, like 0,2-3 (default: the first 8)\n"
	"  -m, --mode MODE        of the trigger: auto normal single\n"
	"  -s, --source CHANNEL   that triggers\n"
	"  -e, --edge EDGE        that triggers: rising falling\n"
	"  -l, --level VALUE      that it crosses; else the middle of the signal\n"
	"  -o, --snapshot FILE    draw the first sweep to FILE.svg or FILE.png (with gnuplot)\n"
	"                         or FILE.txt (\"-\": stdout), and end; needs no terminal\n"
	"  -a, --ascii            no braille\n"
	"  -h, --help             this text\n"
	"  -V, --version          version\n"
	"Keys: + - time  up down scale  [ ] level  e edge  m mode  space hold  ? all  q quit\n"
	"Exit status: 0; 1: the device failed, or there was no picture; 2: bad usage.\n"
	"Examples: acqscope; acqscope -t 2ms -e falling run.acq; acqscope -o wave.svg\n";

static const struct option long_options[] = {
	{ "device", required_argument, NULL, 'd' },
	{ "time", required_argument, NULL, 't' },
	{ "range", required_argument, NULL, 'r' },
	{ "channels", required_argument, NULL, 'c' },
	{ "mode", required_argument, NULL, 'm' },
	{ "source", required_argument, NULL, 's' },
	{ "edge", required_argument, NULL, 'e' },
	{ "level", required_argument, NULL, 'l' },
	{ "snapshot", required_argument, NULL, 'o' },
	{ "ascii", no_argument, NULL, 'a' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

/* A finite number; sets *end to what is behind it. */
static bool number(const char *text, char **end, double *out)
{
	*out = strtod(text, end);
	return *end != text && isfinite(*out);
}

static bool time_option(struct scope *s)
{
	int64_t ns;

	if (!parse_time(optarg, &ns) || ns < 1)
		return bad_value("--time", optarg, "a time like 5ms, 20us, 1");
	s->time_div = (double)ns / NSEC_PER_SEC;
	return true;
}

static bool range_option(struct scope_view *view)
{
	char *end;

	view->fixed = true;
	if (number(optarg, &end, &view->bottom) && *end == ':' &&
	    number(end + 1, &end, &view->top) && !*end && view->bottom < view->top)
		return true;
	return bad_value("--range", optarg, "two numbers like -100:100, the smaller one first");
}

static bool level_option(struct scope *s)
{
	char *end;

	s->level_set = true;
	if (number(optarg, &end, &s->level) && !*end)
		return true;
	return bad_value("--level", optarg, "a number");
}

/* A number at *text; moves *text behind it. */
static bool channel_number(char **text, unsigned long *channel)
{
	if (!isdigit((unsigned char)**text))
		return false;
	*channel = strtoul(*text, text, 10);
	return *channel <= 254;
}

/* "2" or "2-5" at *text; moves *text behind it. */
static bool pick_some(struct scope *s, char **text)
{
	unsigned long first, last;

	if (!channel_number(text, &first))
		return false;
	last = first;
	if (**text == '-') {
		++*text;
		if (!channel_number(text, &last))
			return false;
	}
	if (first > last || last - first >= SCOPE_CHANNELS - s->picked)
		return false;
	for (; first <= last; first++)
		s->pick[s->picked++] = first;
	return true;
}

static bool channels_option(struct scope *s)
{
	char *text = optarg;

	s->picked = 0;
	while (pick_some(s, &text)) {
		if (!*text)
			return true;
		if (*text++ != ',')
			break;
	}
	return bad_value("--channels", optarg,
			 "a list like 0,2-3 of at most 8 channels, from 0 to 254");
}

static bool source_option(struct options *opt)
{
	uint64_t channel;

	if (!parse_number(optarg, 0, 254, &channel))
		return bad_value("--source", optarg, "a channel, from 0 to 254");
	opt->source = channel;
	return true;
}

/* Index of optarg in a list that ends with NULL; -1: it isn't there. */
static int one_of(const char *const *words)
{
	int i;

	for (i = 0; words[i]; i++)
		if (!strcmp(words[i], optarg))
			return i;
	return -1;
}

static bool mode_option(struct scope *s)
{
	static const char *const words[] = { "auto", "normal", "single", NULL };
	int i = one_of(words);

	s->mode = i;
	return i >= 0 || bad_value("--mode", optarg, "one of auto normal single");
}

static bool edge_option(struct scope *s)
{
	static const char *const words[] = { "rising", "falling", NULL };
	int i = one_of(words);

	s->falling = i;
	return i >= 0 || bad_value("--edge", optarg, "one of rising falling");
}

static bool snapshot_option(struct options *opt)
{
	opt->snapshot = optarg;
	return is_text(optarg) || ends_with(optarg, ".svg") || ends_with(optarg, ".png") ||
	       bad_value("--snapshot", optarg, "a file's name in .svg, .png or .txt");
}

static bool take_option(struct app *app, int c)
{
	switch (c) {
	case 'd':
		app->opt.device = optarg;
		return true;
	case 't':
		return time_option(&app->scope);
	case 'r':
		return range_option(&app->view);
	case 'c':
		return channels_option(&app->scope);
	case 'm':
		return mode_option(&app->scope);
	case 's':
		return source_option(&app->opt);
	case 'e':
		return edge_option(&app->scope);
	case 'l':
		return level_option(&app->scope);
	case 'o':
		return snapshot_option(&app->opt);
	case 'a':
		app->opt.ascii = true;
		return true;
	}
	return false;
}

/* A FILE that is a device after all is one. */
static bool take_file(struct options *opt, const char *file)
{
	struct stat st;

	if (opt->device) {
		say("%s: a FILE has no --device", file);
		return false;
	}
	if (strcmp(file, "-") && !stat(file, &st) && S_ISCHR(st.st_mode))
		opt->device = file;
	else
		opt->capture = file;
	return true;
}

/* The scope numbers the picked channels. */
static bool find_source(struct app *app)
{
	struct scope *s = &app->scope;
	unsigned int c;

	if (app->opt.source < 0)
		return true;
	s->source = app->opt.source;
	if (!s->picked && s->source < SCOPE_CHANNELS)
		return true;
	for (c = 0; c < s->picked; c++) {
		if (s->pick[c] != (unsigned int)app->opt.source)
			continue;
		s->source = c;
		return true;
	}
	say("--source: channel %d is not among --channels", app->opt.source);
	return false;
}

/* Returns -1: go on; else the exit status. */
static int parse_options(struct app *app, int argc, char **argv)
{
	int c;

	*app = (struct app){ .opt.source = -1, .visible = ~0U };
	while ((c = next_option(argc, argv, "d:t:r:c:m:s:e:l:o:ahV", long_options, usage)) > 0)
		if (!take_option(app, c))
			goto bad;
	if (!c)
		return EXIT_SUCCESS;
	if (argc - optind > 1) {
		say("one FILE at a time, please");
		goto bad;
	}
	if (optind < argc && !take_file(&app->opt, argv[optind]))
		goto bad;
	if (find_source(app))
		return -1;
bad:
	fputs("Try 'acqscope --help'.\n", stderr);
	return EXIT_USAGE;
}

/* They are let in while we wait, and nowhere else. */
static void block_signals(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction act = { .sa_handler = on_signal };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTSTP);
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		sigaddset(&set, ends[i]);
		sigaction(ends[i], &act, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	static struct app app;
	int status = parse_options(&app, argc, argv);

	if (status >= 0)
		return status;
	setlocale(LC_CTYPE, ""); /* numbers stay as they are */
	if (strcmp(nl_langinfo(CODESET), "UTF-8"))
		app.opt.ascii = true;
	if (!open_input(&app)) /* which may wait, if it is a FIFO */
		return EXIT_LOSS;
	block_signals();
	status = app.opt.snapshot ? snapshot(&app) : live(&app);
	close_input(&app.in);
	return status;
}
