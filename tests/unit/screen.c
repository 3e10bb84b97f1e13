// SPDX-License-Identifier: GPL-2.0-only
/*
 * acqscope as a user sees it, without a device: in a real terminal, tmux, and as
 * snapshots. Needs acqscope, tmux and gnuplot in the PATH.
 */
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <time.h>

#include "run.h"
#include "suite.h"

#define SCANS 16
#define PERIOD 256

/* A capture of a sine of 62.5 Hz; frames are missing before some. */
static void put_sine(const char *name, unsigned int frames, unsigned int gap_every)
{
	FILE *file = fopen(name, "w");
	unsigned int i, k;
	uint64_t seq = 0;

	ck_assert_ptr_nonnull(file);
	for (i = 0; i < frames; i++, seq++) {
		bool gap = gap_every && i && i % gap_every == 0;
		struct acq_frame *frame = new_frame(seq += 2 * gap, ACQ_FORMAT_S16, 1, 2 * SCANS);
		int16_t *value = (void *)frame->data;

		frame->flags = !i ? ACQ_FRAME_START : gap ? ACQ_FRAME_GAP : 0;
		for (k = 0; k < SCANS; k++)
			value[k] = lround(20000 *
					  sin(2 * M_PI * ((seq * SCANS + k) % PERIOD) / PERIOD));
		fwrite(frame, 1, frame->stride, file);
		free(frame);
	}
	fclose(file);
}

static void begin_sine(void)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	enter_folder();
	put_sine("sine.acq", 300, 0);
}

/* --- the terminal --- */

static char tmux[64]; /* the command and its server */

static int tell_server(const char *what)
{
	char line[512];

	snprintf(line, sizeof(line), "%s %s", tmux, what);
	return system(line);
}

__attribute__((format(printf, 1, 2))) static void tell_tmux(const char *format, ...)
{
	char what[400];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	ck_assert_msg(!tell_server(what), "%s", what);
}

/* A shell in a terminal of 80x24. */
static void open_terminal(void)
{
	begin_sine();
	setenv("PS1", "$ ", 1);
	unsetenv("TMUX");
	tell_tmux("-u new-session -d -x 80 -y 24 'exec dash -i'");
	tell_tmux("set status off");
	tell_tmux("resize-window -x 80 -y 24");
}

static void close_terminal(void)
{
	tell_tmux("kill-session");
	remove_folder();
}

static void look(const char *how)
{
	char line[96];

	snprintf(line, sizeof(line), "%s capture-pane -p %s", tmux, how);
	ck_assert_int_eq(run(line), 0);
}

static void pause_briefly(void)
{
	struct timespec ts = { .tv_nsec = 50000000 };

	nanosleep(&ts, NULL);
}

/* Until the screen shows it; or, with a "!", until it does so no more. */
static void wait_for(const char *what)
{
	bool wanted = *what != '!';
	time_t begun = time(NULL);

	for (;;) {
		look("");
		if (!strstr(text, what + !wanted) == !wanted)
			return;
		ck_assert_msg(time(NULL) - begun < 20, "the screen never had: %s; but:\n%s", what,
			      text);
		pause_briefly();
	}
}

static void type(const char *keys)
{
	tell_tmux("send-keys %s", keys);
}

/* A line of the screen, from 0. */
static const char *line_of(const char *screen, int n)
{
	static char line[2048];

	while (n--)
		screen = strchr(screen, '\n') + 1;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(screen, "\n"), screen);
	return line;
}

/* Columns of UTF-8. */
static int columns(const char *line)
{
	int n = 0;

	for (; *line; line++)
		n += (*line & 0xc0) != 0x80;
	return n;
}

static bool ends_with(const char *line, const char *end)
{
	return strlen(line) >= strlen(end) && !strcmp(line + strlen(line) - strlen(end), end);
}

/* From the first line of the picture to the last. */
static char *picture(void)
{
	char *from = strchr(strchr(text, '\n') + 1, '\n') + 1;
	char *end = strstr(text, "5 ms/div");

	ck_assert_ptr_nonnull(end);
	return strndup(from, end - from);
}

/* The screen is the snapshot, but for what it says of the time. */
START_TEST(shows_a_sine)
{
	char *live, *drawn;

	open_terminal();
	type("'acqscope sine.acq' Enter");
	wait_for("End\n");
	ck_assert_ptr_eq(strstr(text, "sine.acq  s16 x 1  16 kS/s  300 frames  0 lost "), text);
	live = picture();
	ck_assert_int_eq(run("acqscope -o - sine.acq"), 0);
	drawn = picture();
	ck_assert_str_eq(live, drawn);
	ck_assert_ptr_nonnull(strstr(live, "⠋"));
	free(live);
	free(drawn);
	close_terminal();
}
END_TEST

/* Each key, and what the screen then says. */
START_TEST(keys)
{
	static const char *const steps[][2] = {
		{ "Space", "Hold" },
		{ "+", "10 ms/div" },
		{ "Right", "20 ms/div" },
		{ "-", "10 ms/div" },
		{ "Left", "5 ms/div" },
		{ "Down", "  20k/div" },
		{ "Up", "  10k/div" },
		{ "PageUp", "!   40k ┼" }, /* by a division: 30k is the top */
		{ "y", "   40k ┼" },
		{ "Space", "!Hold" },
		{ "m", "trigger: normal, ch0 rising" },
		{ "e", "trigger: normal, ch0 falling" },
		{ "']'", "ch0 falling 2k\n" },
		{ "'['", "ch0 falling 0\n" },
		{ "l", "0 (middle)" },
		{ "-l 1", "!⠋" },
		{ "-l 1", "⠋" },
		{ "'?'", "up down           scale" },
		{ "'?'", "!up down           scale" },
		{ "s", "Stop" },
		{ "m", "trigger: auto" },
		{ "m", "Trig" },
	};
	size_t i;

	open_terminal();
	put_sine("long.acq", 100000, 0);
	type("'acqscope long.acq' Enter");
	wait_for("Trig'd\n");
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		type(steps[i][0]);
		wait_for(steps[i][1]);
	}
	close_terminal();
}
END_TEST

START_TEST(again_from_the_beginning)
{
	open_terminal();
	type("'acqscope sine.acq' Enter");
	wait_for("End\n");
	wait_for("r again");
	type("r");
	wait_for("!End\n");
	wait_for("300 frames  0 lost ");
	wait_for("End\n");
	close_terminal();
}
END_TEST

START_TEST(resizes)
{
	open_terminal();
	type("'acqscope sine.acq' Enter");
	wait_for("End\n");
	tell_tmux("resize-window -x 200 -y 60");
	do
		wait_for("q quit\n");
	while (columns(line_of(text, 59)) != 200);
	ck_assert(ends_with(line_of(text, 0), " End"));
	ck_assert_int_eq(columns(line_of(text, 0)), 200);
	ck_assert_int_eq(columns(line_of(text, 2)), 200); /* the grid */
	ck_assert_ptr_nonnull(strstr(line_of(text, 2), "   40k ┼"));
	ck_assert_ptr_nonnull(strstr(line_of(text, 58), "  -40k ┼"));
	tell_tmux("resize-window -x 30 -y 10");
	wait_for("too small: 40x8 is needed");
	tell_tmux("resize-window -x 80 -y 24");
	wait_for("5 ms/div");
	close_terminal();
}
END_TEST

START_TEST(loss_is_red)
{
	open_terminal();
	put_sine("gaps.acq", 300, 20);
	type("'acqscope -o - gaps.acq | head -n 1; acqscope gaps.acq' Enter");
	wait_for("End\n");
	wait_for(" 28 lost ");
	wait_for("╎╎");
	look("-e");
	ck_assert_ptr_nonnull(strstr(text, "\033[31m28 lost"));
	ck_assert_ptr_nonnull(strstr(text, "\033[31m╎"));
	close_terminal();
}
END_TEST

/* How it ends, and what the shell says then of the status. */
static const struct {
	const char *end;
	const char *said;
} ends[] = {
	{ "send-keys q", "status 0" },
	{ "send-keys C-c", "status 0" },
	{ "send-keys C-\\\\", "status 0" },
	{ "run-shell 'kill -TERM $(cat pid)'", "status 0" },
	{ "run-shell 'kill -HUP $(cat pid)'", "status 0" },
};

START_TEST(terminal_is_restored)
{
	size_t i;

	open_terminal();
	put_sine("long.acq", 100000, 0);
	type("'stty -g >before; PS1=; clear; echo mark' Enter");
	wait_for("mark\n");
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		type("'sh -c \"echo \\$\\$ >pid; exec acqscope long.acq\"; echo status $?' Enter");
		wait_for("Trig'd\n");
		tell_tmux("%s", ends[i].end);
		wait_for(ends[i].said);
		ck_assert_ptr_nonnull(strstr(text, "mark\n"));
		ck_assert_ptr_null(strstr(text, "ms/div"));
		type("'stty -g | cmp - before && clear && echo mark' Enter");
		wait_for("!status");
		wait_for("mark\n");
	}
	close_terminal();
}
END_TEST

/* The shell gets its terminal back meanwhile. */
START_TEST(stopped_and_continued)
{
	open_terminal();
	put_sine("long.acq", 100000, 0);
	type("'stty -g >before; clear; acqscope long.acq' Enter");
	wait_for("Trig'd\n");
	type("C-z");
	wait_for("Stopped");
	ck_assert_ptr_null(strstr(text, "ms/div"));
	type("'stty -g | cmp - before; echo cmp $?' Enter");
	wait_for("cmp 0\n");
	type("fg Enter");
	wait_for("Trig'd\n");
	type("+");
	wait_for("10 ms/div");
	close_terminal();
}
END_TEST

/* Its timestamps tell how fast; and a key or a signal need not wait for the end. */
START_TEST(capture_without_rate)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_S16, 1, 2 * SCANS);
	FILE *file;

	open_terminal();
	file = fopen("slow.acq", "w");
	frame->rate_hz = 0;
	frame->flags = ACQ_FRAME_START;
	for (; frame->seq < 100000; frame->seq++) {
		fwrite(frame, 1, frame->stride, file);
		/* an hour's pause is no reason to wait an hour */
		frame->timestamp_ns += frame->seq ? 1000000 : 3600 * 1000000000ULL;
		frame->flags = 0;
	}
	fclose(file);
	free(frame);
	type("'acqscope slow.acq' Enter");
	wait_for("  Auto\n");
	wait_for("scans/div");
	type("Space");
	wait_for("Hold\n");
	close_terminal();
}
END_TEST

START_TEST(capture_from_a_pipe)
{
	open_terminal();
	type("'clear; cat sine.acq | acqscope -; echo status $?' Enter");
	wait_for("stdin  s16 x 1");
	wait_for("End\n");
	type("q");
	wait_for("status 0");
	close_terminal();
}
END_TEST

/* What can't be shown is said, and not on a screen that then goes. */
START_TEST(errors_in_a_terminal)
{
	open_terminal();
	type("'clear; echo this is text, not a frame at all >x; acqscope x; echo status $?' Enter");
	wait_for("status 1");
	ck_assert_ptr_nonnull(strstr(text, "acqscope: x: not a capture"));
	type("'clear; TERM=none acqscope sine.acq; echo then $?' Enter");
	wait_for("then 1");
	ck_assert_ptr_nonnull(strstr(text, "acqscope: TERM=none"));
	type("'clear; acqscope -; echo and then $?' Enter");
	wait_for("and then 1");
	ck_assert_ptr_nonnull(strstr(text, "acqscope: stdin: a terminal, not a capture"));
	close_terminal();
}
END_TEST

/* With the prompt below it, it fits. */
START_TEST(snapshot_in_a_terminal)
{
	open_terminal();
	type("'PS1=ready; clear; acqscope -o - sine.acq' Enter");
	wait_for("5 ms/div  10k/div\nready");
	ck_assert_ptr_eq(strstr(text, "sine.acq  s16 x 1"), text);
	close_terminal();
}
END_TEST

/* What ends the frames is said, and the picture stays. */
START_TEST(damage_keeps_the_picture)
{
	open_terminal();
	ck_assert_int_eq(run("{ head -c 12800 sine.acq; yes | head -c 999; } >x"), 0);
	type("'clear; acqscope x; echo status $?' Enter");
	wait_for("End\n");
	ck_assert_ptr_nonnull(strstr(text, "damaged behind frame 199"));
	type("m");
	wait_for("trigger: normal");
	ck_assert_ptr_nonnull(strstr(text, "⠋"));
	type("q");
	wait_for("status 1");
	ck_assert_ptr_nonnull(strstr(text, "acqscope: x: damaged behind frame 199"));
	close_terminal();
}
END_TEST

/* In either shell: an option, and what it may be. */
START_TEST(completion)
{
	static const char *const shells[] = {
		"'bash --norc' Enter '. %s/acqscope'",
		"'zsh -f' Enter 'fpath+=(%s); autoload -U compinit; compinit -u -D'",
	};
	char folder[PATH_MAX], keys[PATH_MAX + 100];
	size_t i;

	ck_assert_ptr_nonnull(realpath("../../userspace/completion", folder));
	for (i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		open_terminal();
		type("clear Enter");
		snprintf(keys, sizeof(keys), shells[i], folder);
		type(keys);
		type("Enter 'acqscope --mod' Tab");
		wait_for("acqscope --mode");
		type("s Tab");
		wait_for("acqscope --mode single");
		close_terminal();
	}
}
END_TEST

/* --- snapshots --- */

START_TEST(text_snapshot)
{
	int i;

	begin_sine();
	ck_assert_int_eq(run("acqscope -o - sine.acq"), 0);
	ck_assert(ends_with(line_of(text, 0), " Trig'd"));
	for (i = 0; i < 24; i++)
		ck_assert_int_le(columns(line_of(text, i)), 80);
	ck_assert_str_eq(line_of(text, 23), "5 ms/div  10k/div");
	assert_run("acqscope -o w.txt sine.acq && acqscope -o - - <sine.acq | sed 1d >x; "
		   "sed 1d w.txt | cmp - x && wc -l <w.txt",
		   0, "24\n");
	assert_run("LC_ALL=C acqscope -o - sine.acq | LC_ALL=C tr -d '[ -~]' | wc -c", 0, "24\n");
	assert_run("acqscope -a -o - sine.acq | LC_ALL=C tr -d '[ -~]' | wc -c", 0, "24\n");
	assert_run("acqscope -o - sine.acq 2>&1 >/dev/full", 1, "No space left");
	assert_run("(acqscope -o - sine.acq; echo $? >status) 2>&1 | head -c 1 >x; cat status", 0,
		   "0\n");
	remove_folder();
}
END_TEST

/* Values that lie on the sine, in the script for gnuplot. */
static unsigned int count_values(void)
{
	const char *line = strstr(text, "$ch0 << END\n");
	double t, value;
	unsigned int n = 0;
	char *end;

	ck_assert_ptr_nonnull(line);
	for (line = strchr(line, '\n') + 1; strncmp(line, "END", 3);
	     line = strchr(line, '\n') + 1) {
		t = strtod(line, &end);
		value = strtod(end, NULL);
		ck_assert_double_eq_tol(value, 20000 * sin(2 * M_PI * 62.5 * t), 2);
		n++;
	}
	return n;
}

START_TEST(data_of_a_snapshot)
{
	begin_sine();
	assert_run("mkdir bin; printf '#!/bin/sh\\nexec cat' >bin/gnuplot; chmod +x bin/gnuplot; "
		   "PATH=$PWD/bin:$PATH acqscope -o wave.svg sine.acq && cat wave.svg",
		   0, "set terminal svg");
	ck_assert_ptr_nonnull(strstr(text, "set xrange [-0.01:0.04]"));
	ck_assert_ptr_nonnull(strstr(text, "set yrange [-40000:40000]"));
	/* 50 ms of 16 kS/s, and the edges */
	ck_assert_uint_ge(count_values(), 800);
	ck_assert_uint_le(count_values(), 810);
	remove_folder();
}
END_TEST

START_TEST(pictures)
{
	begin_sine();
	put_sine("gaps.acq", 300, 20);
	assert_run("acqscope -o wave.svg gaps.acq 2>&1 && cat wave.svg", 0, "</svg>");
	ck_assert_ptr_nonnull(strstr(text, ">ch0<"));
	ck_assert_ptr_nonnull(strstr(text, "gaps.acq  s16 x 1  16 kS/s"));
	ck_assert_ptr_nonnull(strstr(text, ">20 ms<"));
	ck_assert_ptr_nonnull(strstr(text, "rgb(255,   0,   0)")); /* the gaps */
	assert_run("acqscope -o 'it'\\''s.png' sine.acq 2>&1 && head -c 8 it*s.png", 0, "\x89PNG");
	/* nothing but a gap */
	put_sine("lost.acq", 2, 1);
	assert_run("printf '\\200' | dd of=lost.acq bs=1 seek=68 conv=notrunc 2>&1", 0, "");
	assert_run("acqscope -t 1ms -o w.svg lost.acq && cat w.svg", 0, "</svg>");
	/* a name is no command */
	assert_run("mv sine.acq \"$(printf 'x\\nEND\\n!>owned\\n#')\"; "
		   "acqscope -o w.svg x* && ls",
		   0, "w.svg\n");
	ck_assert_ptr_null(strstr(text, "owned\nw.svg"));
	remove_folder();
}
END_TEST

START_TEST(without_gnuplot)
{
	begin_sine();
	assert_run("PATH=/none $(command -v acqscope) -o wave.svg sine.acq 2>&1", 1,
		   "install the package gnuplot-nox");
	assert_run("ls", 0, "sine.acq\n");
	ck_assert_str_eq(text, "sine.acq\n");
	assert_run("mkdir bin; ln -s /bin/false bin/gnuplot; "
		   "PATH=$PWD/bin:$PATH acqscope -o wave.svg sine.acq 2>&1",
		   1, "wave.svg: gnuplot failed");
	ck_assert_int_eq(run("ls wave.svg 2>&1"), 2);
	assert_run("acqscope -o /none/x.svg sine.acq 2>&1", 1, "/none/x.svg: No such file");
	remove_folder();
}
END_TEST

/* A gnuplot that hangs, and a FIFO that nobody opens. */
START_TEST(interrupted_while_it_waits)
{
	begin_sine();
	assert_run("mkdir bin; printf '#!/bin/sh\\n>begun; exec sleep 40' >bin/gnuplot; "
		   "chmod +x bin/*; PATH=$PWD/bin:$PATH; "
		   "setsid acqscope -o w.svg sine.acq & until [ -e begun ]; do sleep 0.05; done; "
		   "kill -INT -$!; wait $!; echo $?; ls",
		   0, "1\nbegun\nbin\nsine.acq\n");
	assert_run("mkfifo f; timeout -s INT -k 20 0.3 acqscope -o - f", 124, "");
	remove_folder();
}
END_TEST

START_TEST(no_picture)
{
	begin_sine();
	assert_run("acqscope -o - none.acq 2>&1", 1, "acqscope: none.acq: No such file");
	assert_run("acqscope -o - . 2>&1", 1, "Is a directory");
	assert_run("acqscope -o - - </dev/null 2>&1", 1, "stdin: no frame came");
	assert_run("head -c 40 /dev/zero >x; acqscope -o - x 2>&1", 1, "x: not a capture");
	assert_run("acqscope -o - -m normal -l 30000 sine.acq 2>&1", 1, "sine.acq: no trigger");
	assert_run("acqscope -o - -c 3 sine.acq 2>&1", 1, "it has 1 channels, from 0");
	assert_run("acqscope -o - -d no-such-acq 2>&1", 1, "acqscope: no-such-acq: ");
	assert_run("acqscope -o - /dev/null 2>&1", 1, "not an acq device");
	assert_run("acqscope sine.acq 2>&1 | cat; acqscope sine.acq 2>&1 >x", 1, "no terminal");
	assert_run("acqscope -o x.gif sine.acq 2>&1", 2, "in .svg, .png or .txt");
	assert_run("acqscope --version", 0, "acqscope 0.");
	assert_run("acqscope --help", 0, "Usage: acqscope");
	remove_folder();
}
END_TEST

START_TEST(events)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_EVENT, 1, 8);

	begin_sine();
	put_file("events.acq", (char *)frame, frame->stride);
	assert_run("acqscope -o - events.acq 2>&1", 1, "no samples, but the format event");
	free(frame);
	remove_folder();
}
END_TEST

/* A slow sweep that is interrupted is drawn as far as it came: 20 s are more than a pipe holds. */
START_TEST(interrupted)
{
	begin_sine();
	put_sine("long.acq", 20000, 0);
	assert_run("mkfifo f; acqscope -t 10s -o - f >out & exec 3>f; cat long.acq >&3; "
		   "kill -INT $!; wait $!; s=$?; cat out; exit $s",
		   0, "10 s/div");
	ck_assert_ptr_nonnull(strstr(text, "⣿⣿⣿"));
	remove_folder();
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		shows_a_sine,
		keys,
		again_from_the_beginning,
		resizes,
		loss_is_red,
		terminal_is_restored,
		stopped_and_continued,
		capture_without_rate,
		capture_from_a_pipe,
		errors_in_a_terminal,
		snapshot_in_a_terminal,
		damage_keeps_the_picture,
		completion,
		text_snapshot,
		data_of_a_snapshot,
		pictures,
		without_gnuplot,
		interrupted_while_it_waits,
		no_picture,
		events,
		interrupted,
		NULL,
	};
	int status;

	snprintf(tmux, sizeof(tmux), "tmux -L acq-%d", getpid());
	/* it stays between the tests */
	if (tell_server("-f /dev/null start-server ';' set -s exit-empty off"))
		return EXIT_FAILURE;
	status = run_suite("screen", tests);
	return tell_server("kill-server") ? EXIT_FAILURE : status;
}
