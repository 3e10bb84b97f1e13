// SPDX-License-Identifier: GPL-2.0-only
/* The options of acqread, and what it chooses by itself. Includes the tool. */
#define main acqread_main
#include "acqread.c"
#undef main
#include "acqread-formats.c"
#include "common.c"

#include <ctype.h>

#include "suite.h"

static struct options opt;

/* Parse "acqread ...". */
static int parse(const char *line)
{
	char *argv[WORDS_MAX] = { "acqread" };
	int argc = split_words(line, argv);

	optind = 0;
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	return parse_options(&opt, argc, argv);
}

START_TEST(defaults)
{
	ck_assert_int_eq(parse(""), -1);
	ck_assert_ptr_null(opt.device);
	ck_assert_ptr_null(opt.capture);
	ck_assert_str_eq(opt.method->name, "read");
	ck_assert_str_eq(opt.format->name, "table");
	ck_assert_uint_eq(opt.frames, UINT64_MAX);
	ck_assert_int_eq(opt.duration_ns, -1);
	ck_assert_int_eq(opt.idle_ns, -1);
	ck_assert(!opt.verify);
}
END_TEST

START_TEST(each_option)
{
	const char *line = "-d acq1 -n 20 -t 1.5 -w 8 -r 64 -l 20ms -m mmap -f csv -o x -qq -v";

	ck_assert_int_eq(parse(line), -1);
	ck_assert_str_eq(opt.device, "acq1");
	ck_assert_uint_eq(opt.frames, 20);
	ck_assert_int_eq(opt.duration_ns, 1500000000);
	ck_assert_uint_eq(opt.watermark, 8);
	ck_assert_uint_eq(opt.ring, 64);
	ck_assert_int_eq(opt.latency_ns, 20000000);
	ck_assert_str_eq(opt.method->name, "mmap");
	ck_assert_str_eq(opt.format->name, "csv");
	ck_assert_str_eq(opt.output, "x");
	ck_assert_int_eq(opt.quiet, 2);
	ck_assert_int_eq(opt.verbose, 1);

	line = "--device=acq --frames=1 --duration=0 --watermark=1 --ring=2 --latency=0";
	ck_assert_int_eq(parse(line), -1);
	ck_assert_str_eq(opt.device, "acq");
	ck_assert_int_eq(opt.duration_ns, 0);
	ck_assert_int_eq(opt.latency_ns, 0);
	line = "--method=aio --format=raw --output=- --verify --quiet --verbose --idle-timeout=3";
	ck_assert_int_eq(parse(line), -1);
	ck_assert_int_eq(opt.idle_ns, 3 * NSEC_PER_SEC);
	ck_assert(opt.verify);
	ck_assert_str_eq(opt.output, "-");

	line = "--realtime 7 --mlock";
	ck_assert_int_eq(parse(line), -1);
	ck_assert_uint_eq(opt.realtime, 7);
	ck_assert(opt.mlock);
	line = "-F %n --clock realtime -o x --rotate-size 3M --rotate-time 2min";
	ck_assert_int_eq(parse(line), -1);
	ck_assert_str_eq(opt.line, "%n");
	ck_assert_ptr_eq(opt.format, by_line);
	ck_assert_int_eq(opt.times, TIMES_REALTIME);
	ck_assert_uint_eq(opt.rotate_bytes, 3 << 20);
	ck_assert_int_eq(opt.rotate_ns, 120 * NSEC_PER_SEC);
	ck_assert_int_eq(parse("-o x --rotate-size 12"), -1);
	ck_assert_uint_eq(opt.rotate_bytes, 12);
	ck_assert_int_eq(parse("--format-string=x%% --clock=monotonic"), -1);
	ck_assert_int_eq(opt.times, TIMES_MONOTONIC);
	ck_assert_uint_eq(opt.rotate_bytes, 0);
}
END_TEST

START_TEST(every_method_and_format)
{
	static const char *const names[] = { "read", "poll",  "mmap",  "share",
					     "aio",  "uring", "sigio", "eventfd" };
	static const char *const forms[] = { "table", "raw", "hex", "csv", "json", "npy", "vcd" };
	char line[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(line, sizeof(line), "-m %s", names[i]);
		ck_assert_int_eq(parse(line), -1);
		ck_assert_str_eq(opt.method->name, names[i]);
		ck_assert_ptr_nonnull(strstr(usage, names[i]));
	}
	ck_assert_uint_eq(i, ARRAY_SIZE(methods));
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		snprintf(line, sizeof(line), "-f %s", forms[i]);
		ck_assert_int_eq(parse(line), -1);
		ck_assert_str_eq(opt.format->name, forms[i]);
		ck_assert_ptr_nonnull(strstr(usage, forms[i]));
	}
}
END_TEST

/* This suite is built without it, but knows what there would be. */
START_TEST(without_libsndfile)
{
	char line[64];
	size_t i;

	ck_assert_str_eq(formats[7].name, "wav");
	for (i = 7; i < ARRAY_SIZE(formats); i++) {
		snprintf(line, sizeof(line), "-f %s", formats[i].name);
		ck_assert_int_eq(parse(line), EXIT_USAGE);
		snprintf(line, sizeof(line), "-o x.%s", formats[i].name);
		ck_assert_int_eq(parse(line), EXIT_USAGE);
	}
}
END_TEST

static void put_nothing(struct output *o, const struct acq_frame *frame)
{
	(void)o;
	(void)frame;
}

/* Lengths of 32 bits end: with a word, or in a new file; but not in a pipe. */
START_TEST(four_gib)
{
	static const struct format small = { "x", .put = put_nothing, .small = true };
	struct output o = { .format = &small, .fd = -1, .patchable = true };
	struct acq_frame frame = { .stride = sizeof(frame) };

	o.flushed = 4190000000;
	out_put(&o, &frame);
	ck_assert_int_eq(o.err, 0);
	o.flushed = 4294960000;
	out_put(&o, &frame);
	ck_assert_int_eq(o.err, 1);
	o.err = 0;
	o.rotate_ns = UINT64_MAX;
	ck_assert(to_be_rotated(&o, &frame));
	o.rotate_ns = 0;
	o.patchable = false;
	out_put(&o, &frame);
	ck_assert_int_eq(o.err, 0);
}
END_TEST

/* As a word, not as a part of one. */
static bool has_word(const char *in, const char *word)
{
	const char *at, *end;

	for (at = strstr(in, word); at; at = strstr(at + 1, word)) {
		end = at + strlen(word);
		if ((at == in || !isalnum(at[-1])) && !isalnum(*end))
			return true;
	}
	return false;
}

START_TEST(formats_are_in_manual)
{
	static char text[1 << 16];
	FILE *file = fopen("../../userspace/man/acqread.1", "r");
	size_t i;

	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	for (i = 0; i < ARRAY_SIZE(formats); i++)
		ck_assert_msg(has_word(text, formats[i].name), "no %s", formats[i].name);
}
END_TEST

START_TEST(bad_usage)
{
	static const char *const lines[] = {
		"-n 0",
		"-n -1",
		"-n 1x",
		"-n x",
		"-n",
		"-n 1e3",
		"-n 18446744073709551616",
		"-w 0",
		"-w 4294967296",
		"-r 1",
		"-r 0x10",
		"-t x",
		"-t -1",
		"-t 1y",
		"-t nan",
		"-t inf",
		"-t 1e300",
		"-l 2h",
		"-l 1parsec",
		"-m",
		"-m magic",
		"-f xml",
		"-F %",
		"-F %q",
		"-F %n -f csv",
		"-F %L x.acq",
		"--clock utc",
		"--clock relative -f raw",
		"--clock relative -o x.npy",
		"--clock realtime x.acq",
		"--rotate-size 0 -o x",
		"--rotate-size 1K -o x",
		"--rotate-size 99999999999T -o x",
		"--rotate-size 1k",
		"--rotate-time 0 -o x",
		"--rotate-time 1 -o -",
		"--realtime 0",
		"--realtime 100",
		"--realtime high",
		"--mlock=1",
		"--bogus",
		"--idle-timeout",
		"a b",
		"x.acq -m mmap",
		"x.acq -d acq",
		"x.acq -w 4",
		"x.acq -r 4",
		"x.acq -l 0",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++)
		ck_assert_msg(parse(lines[i]) == EXIT_USAGE, "%s", lines[i]);
}
END_TEST

START_TEST(format_by_name_of_file)
{
	parse("-o x.csv");
	ck_assert_str_eq(opt.format->name, "csv");
	parse("-o run.acq");
	ck_assert_str_eq(opt.format->name, "raw");
	parse("-o x.json");
	ck_assert_str_eq(opt.format->name, "json");
	parse("-o x.txt");
	ck_assert_str_eq(opt.format->name, "table");
	parse("-o csv");
	ck_assert_str_eq(opt.format->name, "table");
	parse("-o x.npy");
	ck_assert_str_eq(opt.format->name, "npy");
	parse("-o a.csv/x");
	ck_assert_str_eq(opt.format->name, "table");
	parse("-f table -o x.csv");
	ck_assert_str_eq(opt.format->name, "table");
}
END_TEST

START_TEST(capture_or_device)
{
	ck_assert_int_eq(parse("run.acq"), -1);
	ck_assert_str_eq(opt.capture, "run.acq");
	ck_assert_int_eq(parse("-"), -1);
	ck_assert_str_eq(opt.capture, "-");
	ck_assert_int_eq(parse("/dev/null"), -1); /* stands for /dev/acq */
	ck_assert_ptr_null(opt.capture);
	ck_assert_str_eq(opt.device, "/dev/null");
}
END_TEST

START_TEST(times)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{ "0", 0 },
		{ "1", 1000000000 },
		{ "2s", 2000000000 },
		{ ".5", 500000000 },
		{ "20ms", 20000000 },
		{ "7us", 7000 },
		{ "0.000000003", 3 },
		{ "2m", 120000000000 },
		{ "2min", 120000000000 },
		{ "1h", 3600000000000 },
	};
	int64_t ns;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert(parse_time(cases[i].text, &ns));
		ck_assert_int_eq(ns, cases[i].ns);
	}
	ck_assert(!parse_time("", &ns));
	ck_assert(!parse_time(" 1", &ns));
	ck_assert(!parse_time("1 s", &ns));
	ck_assert(!parse_time(".", &ns));
}
END_TEST

START_TEST(numbers)
{
	uint64_t n;

	ck_assert(parse_number("18446744073709551615", 0, UINT64_MAX, &n));
	ck_assert_uint_eq(n, UINT64_MAX);
	ck_assert(!parse_number("18446744073709551616", 0, UINT64_MAX, &n));
	ck_assert(!parse_number("", 0, UINT64_MAX, &n));
	ck_assert(!parse_number("+1", 0, UINT64_MAX, &n));
}
END_TEST

/* The help is for a screen of 24 lines. */
START_TEST(help_fits)
{
	const char *line = usage, *end;
	int lines = 0;

	for (; *line; line = end + 1) {
		end = strchr(line, '\n');
		ck_assert_int_le(end - line, 80);
		lines++;
	}
	ck_assert_int_lt(lines, 24);
}
END_TEST

static void choose(uint32_t rate, uint32_t stride, const char *line, uint64_t *ring, uint32_t *mark)
{
	struct acq_info info = {
		.rate_hz = rate, .stride = stride, .ring_frames = 1024, .ring_frames_max = 1 << 20
	};
	struct session s = { 0 };

	ck_assert_int_eq(parse(line), -1);
	s.opt = opt;
	s.method = opt.method;
	*ring = choose_ring(&s, &info);
	s.ring = *ring;
	*mark = choose_watermark(&s, rate);
}

START_TEST(choices)
{
	uint64_t ring;
	uint32_t mark;

	choose(1, 48, "", &ring, &mark);
	ck_assert_uint_eq(ring, 1024);
	ck_assert_uint_eq(mark, 1);
	choose(0, 48, "", &ring, &mark); /* aperiodic */
	ck_assert_uint_eq(mark, 1);
	choose(1000, 48, "", &ring, &mark);
	ck_assert_uint_eq(ring, 2000);
	ck_assert_uint_eq(mark, 50);
	choose(1000, 48, "-n 20", &ring, &mark);
	ck_assert_uint_eq(mark, 20);
	choose(1000, 48, "-w 300 -r 600", &ring, &mark);
	ck_assert_uint_eq(ring, 600);
	ck_assert_uint_eq(mark, 300);
	choose(1000000, 64, "", &ring, &mark);
	ck_assert_uint_eq(ring, RING_BYTES / 64);
	ck_assert_uint_le(mark, ring / 4);
	choose(1000000, 64, "-m share", &ring, &mark);
	ck_assert_uint_eq(ring, SHARE_BYTES / 64);
	choose(10, 512 * 1024 + 32, "", &ring, &mark);
	ck_assert_uint_ge(ring, 2);
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		defaults,
		each_option,
		every_method_and_format,
		without_libsndfile,
		four_gib,
		formats_are_in_manual,
		bad_usage,
		format_by_name_of_file,
		capture_or_device,
		times,
		numbers,
		help_fits,
		choices,
		NULL,
	};

	return run_suite("options", tests);
}
