// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files that acqread makes for other programs, opened by these: sox, numpy and
 * sigrok-cli. And its own lines.
 */
#include "run.h"
#include "suite.h"

/* The samples of run.acq alone, as they are to come out. */
static void put_samples(const char *capture, size_t bytes)
{
	FILE *file = fopen("samples", "w");
	size_t at;

	ck_assert_ptr_nonnull(file);
	for (at = 0; at < bytes; at += ((struct acq_frame *)(capture + at))->stride) {
		const struct acq_frame *frame = (void *)(capture + at);

		fwrite(frame->data, 1, frame->bytes, file);
	}
	fclose(file);
}

/* A capture of other values: a counter, 16 bytes of it in each frame. */
static char *begin_kind(unsigned int n, int format, int channels, size_t *bytes)
{
	char *capture = begin(n, bytes);
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct acq_frame *frame = (void *)(capture + (size_t)i * CAPTURE_STRIDE);

		frame->format = format;
		frame->channels = channels;
		fill_counter(frame);
	}
	put_file("run.acq", capture, *bytes);
	put_samples(capture, *bytes);
	return capture;
}

/* --- sound --- */

START_TEST(wav_opens_in_sox)
{
	size_t bytes;
	char *capture = begin_kind(1000, ACQ_FORMAT_S16, 2, &bytes);

	assert_run("acqread -o run.wav run.acq 2>&1", 0, "1000 frames, 48000 bytes, 0 lost");
	assert_run("soxi -c run.wav; soxi -r run.wav; soxi -s run.wav; soxi -b run.wav", 0,
		   "2\n4000\n4000\n16\n");
	assert_run("sox run.wav -t raw - 2>&1 | cmp - samples", 0, "");
	end(capture);
}
END_TEST

START_TEST(sound_without_loss)
{
	static const char *const names[] = { "wav",  "flac", "au",   "aiff", "caf",  "w64",
					     "rf64", "avr",  "mat4", "mat5", "nist", "paf",
					     "pvf",  "sf",   "voc",  "wavex" };
	size_t bytes, i;
	char line[128], *capture = begin_kind(1000, ACQ_FORMAT_S16, 1, &bytes);

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(line, sizeof(line), "acqread -qq -f %s -o run.x run.acq 2>&1", names[i]);
		assert_run(line, 0, "");
		assert_run("sox -t sndfile run.x -t raw - | cmp - samples", 0, "");
	}
	end(capture);
}
END_TEST

/* What comes out sounds the same, and that is all. */
START_TEST(sound_with_loss)
{
	size_t bytes;
	char *capture = begin_kind(1000, ACQ_FORMAT_S16, 1, &bytes);

	assert_run("acqread -qq -o run.ogg run.acq && soxi -s run.ogg", 0, "8000\n");
	assert_run("acqread -qq -o run.mp3 run.acq && head -c 2 run.mp3 | od -An -tx1", 0,
		   " ff e3");
	end(capture);
}
END_TEST

/* Values without a sign lie about the middle, as sound does. */
START_TEST(values_of_sound)
{
	static const struct {
		int format;
		const char *sox; /* that makes the samples of it again */
	} kinds[] = {
		{ ACQ_FORMAT_U8, "-e unsigned -b 8" },	 { ACQ_FORMAT_S8, "-e signed -b 8" },
		{ ACQ_FORMAT_U16, "-e unsigned -b 16" }, { ACQ_FORMAT_S16, "-e signed -b 16" },
		{ ACQ_FORMAT_U32, "-e unsigned -b 32" }, { ACQ_FORMAT_S32, "-e signed -b 32" },
	};
	char line[128], *capture;
	size_t bytes, i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		capture = begin_kind(500, kinds[i].format, 2, &bytes);
		assert_run("acqread -qq -o run.wav run.acq 2>&1", 0, "");
		snprintf(line, sizeof(line), "sox -D run.wav -t raw %s - | cmp - samples",
			 kinds[i].sox);
		assert_run(line, 0, "");
		end(capture);
	}
}
END_TEST

START_TEST(sound_through_a_pipe)
{
	static const char *const names[] = { "wav", "au", "aiff", "flac" };
	static const char *const others[] = { "caf",  "w64", "rf64", "avr", "mat4", "mat5",
					      "nist", "paf", "pvf",  "sf",  "voc",  "wavex" };
	size_t bytes, i;
	char line[128], *capture = begin_kind(20000, ACQ_FORMAT_S16, 2, &bytes);

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(line, sizeof(line),
			 "acqread -qq -o - -f %s run.acq | sox -t %s - -t raw - | cmp - samples",
			 names[i], names[i]);
		assert_run(line, 0, "");
	}
	for (i = 0; i < sizeof(others) / sizeof(*others); i++) {
		snprintf(line, sizeof(line), "acqread -qq -o - -f %s run.acq 2>&1", others[i]);
		assert_run(line, 2, " needs a file, for lengths in its head; wav au aiff flac");
	}
	end(capture);
}
END_TEST

START_TEST(no_sound)
{
	size_t bytes, i;
	char *capture = begin(10, &bytes);
	struct acq_frame *third = (void *)(capture + 2 * CAPTURE_STRIDE);

	third->channels = 1;
	put_file("run.acq", capture, bytes);
	assert_run("acqread -o run.wav run.acq 2>&1", 1,
		   "run.wav: frame 2 has s16 x 1 at 1000 Hz, after s16 x 2 at 1000 Hz; ");
	assert_run("sox run.wav -t raw - | wc -c", 0, "32\n");
	third->channels = 2;
	third->rate_hz = 999;
	put_file("run.acq", capture, bytes);
	assert_run("acqread -o run.wav run.acq 2>&1", 1, "frame 2 has s16 x 2 at 999 Hz, ");
	assert_run("acqread -o run.vcd run.acq 2>&1", 1, "frame 2 has s16 x 2 at 999 Hz, ");
	for (i = 0; i < 10; i++)
		((struct acq_frame *)(capture + i * CAPTURE_STRIDE))->rate_hz = 0;
	put_file("run.acq", capture, bytes);
	assert_run("acqread -o run.wav run.acq 2>&1", 1,
		   "acqread: run.acq: frame 0 has no sample rate, and wav needs one; try");
	end(capture);
	capture = begin_kind(10, ACQ_FORMAT_S32, 2, &bytes);
	assert_run("acqread -o run.flac run.acq 2>&1", 1,
		   "run.flac: flac has no place for 2 x s32 at 2000 Hz; try --format wav");
	end(capture);
	capture = begin_kind(1, ACQ_FORMAT_S16, 2, &bytes);
	((struct acq_frame *)capture)->rate_hz = 20001; /* four scans of that */
	put_file("run.acq", capture, bytes);
	assert_run("acqread -o run.flac run.acq 2>&1", 1, "acqread: run.flac: flac: Error");
	end(capture);
}
END_TEST

/* A frame of a later kernel's, or a damaged one. */
START_TEST(unknown_values)
{
	static const char *const names[] = { "npy", "vcd", "wav" };
	size_t bytes, i;
	char line[128], *capture = begin(10, &bytes);

	((struct acq_frame *)capture)->format = 31;
	put_file("run.acq", capture, bytes);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(line, sizeof(line), "acqread -o run.%s run.acq 2>&1", names[i]);
		assert_run(line, 1,
			   "run.acq: frame 0 has values of an unknown kind (31); try --format hex");
	}
	end(capture);
}
END_TEST

/* --- npy --- */

#define PYTHON(text) "/usr/bin/python3 -c 'import numpy as np, sys; " text "' 2>&1"

START_TEST(npy_opens_in_numpy)
{
	static const struct {
		int format;
		const char *said;
	} kinds[] = {
		{ ACQ_FORMAT_U8, "(8000, 2) uint8 C True\n" },
		{ ACQ_FORMAT_S8, "(8000, 2) int8 C True\n" },
		{ ACQ_FORMAT_U16, "(4000, 2) uint16 C True\n" },
		{ ACQ_FORMAT_S16, "(4000, 2) int16 C True\n" },
		{ ACQ_FORMAT_U32, "(2000, 2) uint32 C True\n" },
		{ ACQ_FORMAT_S32, "(2000, 2) int32 C True\n" },
		{ ACQ_FORMAT_EVENT, "(8000, 2) uint8 C True\n" },
	};
	size_t bytes, i;
	char *capture;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		capture = begin_kind(1000, kinds[i].format, 2, &bytes);
		assert_run("acqread -qq -o run.npy run.acq 2>&1", 0, "");
		assert_run(PYTHON("a = np.load(\"run.npy\", mmap_mode=\"r\"); "
				  "b = np.fromfile(\"samples\", a.dtype).reshape(-1, 2); "
				  "print(a.shape, a.dtype, \"C\", (a == b).all())"),
			   0, kinds[i].said);
		end(capture);
	}
}
END_TEST

#define SAME_ROWS \
	PYTHON("a = np.load(\"run.npy\"); b = np.fromfile(\"samples\", a.dtype); " \
	       "print(a.shape, (a == b.reshape(-1, 2)).all())")

/* Its number of rows stays open, and numpy takes what there is. */
START_TEST(npy_through_a_pipe)
{
	size_t bytes;
	char *capture = begin_kind(1000, ACQ_FORMAT_S16, 2, &bytes);

	assert_run("acqread -qq -o - -f npy run.acq | cat >run.npy", 0, "");
	assert_run(SAME_ROWS, 0, "(4000, 2) True\n");
	assert_run("cp run.npy first.npy; acqread -qq -o - -f npy run.acq >>run.npy", 0, "");
	assert_run("cat first.npy first.npy | cmp - run.npy", 0, "");
	end(capture);
}
END_TEST

/* --- vcd --- */

/* Every sample that sigrok has, as numbers of the channels. */
#define SIGROK \
	"sigrok-cli -I vcd -i run.vcd -O csv:header=false:label=off | " \
	"/usr/bin/python3 -c 'import sys\n" \
	"for line in sys.stdin:\n" \
	" if line[0] in \"01\":\n" \
	"  bits = line.strip().split(\",\"); n = len(bits) // 2\n" \
	"  print(*(int(\"\".join(reversed(bits[i:i + n])), 2) for i in (0, n)))'"

START_TEST(vcd_opens_in_sigrok)
{
	size_t bytes;
	char *capture = begin(50, &bytes);

	assert_run("acqread -qq -o run.vcd run.acq 2>&1", 0, "");
	assert_run("sigrok-cli -I vcd -i run.vcd --show", 0, "Samplerate: 100000\nChannels: 32\n");
	assert_run("sigrok-cli -I vcd -i run.vcd --show", 0, "Logic sample count: 5000\n");
	assert_run("sigrok-cli -I vcd -i run.vcd --show", 0, "- ch1[15]: logic\n");
	/* 4000 scans per second, of 25 samples each */
	assert_run(SIGROK " | uniq -c | awk '{ print $1, $2, $3 }' | head -n 3", 0,
		   "25 0 1\n25 2 3\n25 4 5\n");
	assert_run(SIGROK " | uniq | wc -l", 0, "200\n");
	assert_run(SIGROK " | tail -n 1", 0, "398 399\n");
	end(capture);
}
END_TEST

/* One unit for a scan if that can be. */
START_TEST(vcd_units)
{
	static const struct {
		uint32_t rate;
		const char *unit;
	} cases[] = {
		{ 0, "1 us" },	  { 1, "10 ms" },     { 25, "10 ms" },	     { 1000, "10 us" },
		{ 4000, "1 us" }, { 250000, "1 us" }, { 25000000, "10 ns" }, { 4294967295, "1 ns" },
	};
	size_t bytes, i;
	char line[64], *capture = begin(1, &bytes);

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		((struct acq_frame *)capture)->rate_hz = cases[i].rate;
		put_file("run.acq", capture, bytes);
		snprintf(line, sizeof(line), "$timescale %s $end\n", cases[i].unit);
		assert_run("acqread -qq -o - -f vcd run.acq 2>&1", 0, line);
	}
	end(capture);
}
END_TEST

/* What is lost is unknown for its time: frames 2 to 4 of 1 ms each. */
START_TEST(vcd_of_lost_frames)
{
	size_t bytes;
	char *capture = begin_kind(3, ACQ_FORMAT_S32, 4, &bytes);
	struct acq_frame *last = (void *)(capture + 2 * CAPTURE_STRIDE);

	last->seq = 5;
	last->flags = ACQ_FRAME_GAP;
	put_file("run.acq", capture, bytes);
	run("acqread -qq -o - -f vcd run.acq 2>&1");
	ck_assert_ptr_nonnull(strstr(text, "$timescale 1 ms $end\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n#1\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n#2\nx!\nx\"\n"));
	ck_assert_ptr_null(strstr(text, "\n#3\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n#5\n0!\n0\"\n0#\n1$\n")); /* 8 */
	ck_assert_str_eq(text + strlen(text) - 4, "\n#6\n");
	/* they may be lost from the capture, too */
	last->flags = 0;
	put_file("run.acq", capture, bytes);
	run("acqread -qq -o - -f vcd run.acq 2>&1");
	ck_assert_ptr_nonnull(strstr(text, "\n#2\nx!\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n#5\n0!\n"));
	end(capture);
}
END_TEST

/* Events have the times of their interrupts, and every byte is seen. */
START_TEST(vcd_of_events)
{
	size_t bytes, i;
	char *capture = begin_kind(2, ACQ_FORMAT_EVENT, 1, &bytes);

	for (i = 0; i < 2; i++)
		((struct acq_frame *)(capture + i * CAPTURE_STRIDE))->rate_hz = 0;
	put_file("run.acq", capture, bytes);
	run("acqread -qq -o - -f vcd run.acq 2>&1");
	ck_assert_ptr_nonnull(strstr(text, "$timescale 1 us $end\n"));
	ck_assert_ptr_nonnull(strstr(text, "ch0[7]"));
	ck_assert_ptr_null(strstr(text, "ch0[8]"));
	ck_assert_ptr_nonnull(strstr(text, "\n#15\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n#1000\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n#1015\n"));
	/* another capture behind it: its clock is another, but this one can't go back */
	((struct acq_frame *)(capture + CAPTURE_STRIDE))->timestamp_ns = 1;
	put_file("run.acq", capture, bytes);
	run("acqread -qq -o - -f vcd run.acq 2>&1");
	ck_assert_ptr_nonnull(strstr(text, "\n#15\n"));
	ck_assert_str_eq(text + strlen(text) - 5, "\n#32\n");
	end(capture);
}
END_TEST

/* --- lines --- */

START_TEST(format_string)
{
	size_t bytes;
	char *capture = begin(2, &bytes);

	assert_run("acqread -qq -o - -F '%n|%S|%t|%f|%r|%s|%c|%k|%b|%d|' run.acq", 0,
		   "0|1.000000000|1000000000|S|1000|4|2|s16|16|run.acq|\n"
		   "1|1.001000000|1001000000||1000|4|2|s16|16|run.acq|\n");
	assert_run("acqread -qq -o - -F '%v%%%x' run.acq", 0,
		   "0 1 2 3 4 5 6 7%00000100020003000400050006000700\n"
		   "8 9 10 11 12 13 14 15%080009000a000b000c000d000e000f00\n");
	assert_run("acqread -qq -o - -n 1 --format-string= run.acq", 0, "\n");
	assert_run("acqread -qq -o - -n 1 -F hello run.acq", 0, "hello\n");
	assert_run("acqread -F '%n %q' run.acq 2>&1", 2,
		   "acqread: --format-string: \"%q\" is not % and one of %bcdf");
	assert_run("acqread -F '100%' run.acq 2>&1", 2, "\"%\" is not % and");
	assert_run("acqread -F %n -f csv run.acq 2>&1", 2,
		   "--format csv and --format-string: one of them");
	assert_run("acqread -F %U run.acq 2>&1", 2,
		   "run.acq: a capture has CLOCK_MONOTONIC's times");
	end(capture);
}
END_TEST

START_TEST(clocks)
{
	size_t bytes;
	char *capture = begin(3, &bytes);

	assert_run("acqread -qq -o - -f csv run.acq | tail -n 1", 0, "2,1002000000,");
	assert_run("acqread -qq -o - -f csv --clock monotonic run.acq | tail -n 1", 0,
		   "2,1002000000,");
	assert_run("acqread -qq -o - -f csv --clock relative run.acq | tail -n 1", 0, "2,2000000,");
	assert_run("acqread -qq -o - -f json --clock relative run.acq | tail -n 1", 0,
		   "\"timestamp_ns\":2000000,");
	assert_run("acqread -qq -o - run.acq | tail -n 1", 0, "         2    0.002000 ");
	assert_run("acqread -qq -o - --clock monotonic run.acq | tail -n 1", 0,
		   "         2    1.002000 ");
	assert_run("acqread -qq -o - -f hex --clock monotonic run.acq", 0,
		   "frame 2 time 1.002000 ");
	assert_run("acqread -qq -o - -F %S --clock relative run.acq | tail -n 1", 0,
		   "0.002000000\n");
	assert_run("acqread --clock realtime run.acq 2>&1", 2,
		   "run.acq: a capture has CLOCK_MONOTONIC's times, of a boot that it does not ");
	assert_run("acqread --clock relative -f raw run.acq 2>&1", 2,
		   "--clock: raw shows no times; these do: table hex csv json");
	assert_run("acqread --clock tai run.acq 2>&1", 2,
		   "--clock: \"tai\" is not one of monotonic realtime relative");
	end(capture);
}
END_TEST

#define OF_MANUAL \
	"sed -n '/^\\.SH EXAMPLES/,$s/^\\$ //p' ../../userspace/man/acqread.1 | " \
	"sed 's/\\\\-/-/g' | grep -E 'run\\.npy|run\\.vcd|sox'"

/* The manual's examples that other programs are in; the device is a capture here. */
START_TEST(examples)
{
	size_t bytes;
	char line[1024], *capture;

	ck_assert_int_eq(run(OF_MANUAL), 0);
	snprintf(line, sizeof(line), "%s\n%.900s",
		 "acqread() { command acqread \"$@\" run.acq; }; set -e; exec 2>&1\n"
		 "python3() { /usr/bin/python3 \"$@\"; }",
		 text);
	capture = begin_kind(2000, ACQ_FORMAT_S16, 1, &bytes);
	assert_run(line, 0, "[7999.5]\n");
	ck_assert_ptr_nonnull(strstr(text, "Channels: 16\n"));
	assert_run("soxi -s filtered.wav", 0, "16000\n");
	end(capture);
}
END_TEST

START_TEST(closed_pipes)
{
	static const char *const names[] = { "npy", "vcd", "wav", "au" };
	size_t bytes, i;
	char line[160], *capture = begin(20000, &bytes);

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(line, sizeof(line), PIPE("acqread -f %s run.acq", "head -c 100"),
			 names[i]);
		assert_run(line, 0, "0\n");
		ck_assert_str_eq(text, "0\n");
	}
	assert_run(PIPE("acqread -F %n run.acq", "head -n 2"), 0, "0\n");
	ck_assert_str_eq(text, "0\n");
	end(capture);
}
END_TEST

START_TEST(disk_full)
{
	static const char *const names[] = { "npy", "vcd", "wav", "flac", "raw" };
	size_t bytes, i;
	char line[128], *capture = begin(1000, &bytes);

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(line, sizeof(line), "acqread -f %s -o /dev/full run.acq 2>&1", names[i]);
		assert_run(line, 1, "acqread: /dev/full: No space left on device\n");
	}
	end(capture);
}
END_TEST

START_TEST(terminals)
{
	static const char *const names[] = { "raw", "npy", "wav" };
	size_t bytes, i;
	char line[128], *capture = begin(1, &bytes);

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(line, sizeof(line), "script -qec 'acqread -f %s run.acq' /dev/null",
			 names[i]);
		assert_run(line, 2, "is not for a terminal; use -o FILE or a pipe");
	}
	end(capture);
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		wav_opens_in_sox,
		sound_without_loss,
		sound_with_loss,
		values_of_sound,
		sound_through_a_pipe,
		no_sound,
		unknown_values,
		npy_opens_in_numpy,
		npy_through_a_pipe,
		vcd_opens_in_sigrok,
		vcd_units,
		vcd_of_lost_frames,
		vcd_of_events,
		format_string,
		clocks,
		examples,
		closed_pipes,
		disk_full,
		terminals,
		NULL,
	};

	return run_suite("formats", tests);
}
