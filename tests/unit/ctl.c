// SPDX-License-Identifier: GPL-2.0-only
/* The keys and options of acqctl. Includes the tool. */
#define main acqctl_main
#include "acqctl.c"
#undef main
#include "common.c"

#include "suite.h"

static const struct state example = {
	.info = { .abi = 1,
		  .name = "acq",
		  .source = "sim \"1\"",
		  .flags = ACQ_INFO_STREAMING,
		  .rate_hz = 1000,
		  .channels = 4,
		  .samples = 16,
		  .format = ACQ_FORMAT_S16,
		  .formats = 1 << ACQ_FORMAT_U8 | 1 << ACQ_FORMAT_S16,
		  .clock = 1,
		  .timestamp = ACQ_TIMESTAMP_HARDIRQ,
		  .bottom_half = 77 },
	.stats = { .device_frames = 1ULL << 40, .irqs = 3 },
};

static void assert_value(const char *key, const char *value)
{
	char text[TEXT_MAX];
	bool quoted;

	ck_assert(key_value(&example, key, text, &quoted));
	ck_assert_str_eq(text, value);
}

START_TEST(values)
{
	assert_value("name", "acq");
	assert_value("streaming", "1");
	assert_value("rate", "1000");
	assert_value("format", "s16");
	assert_value("formats", "u8 s16");
	assert_value("clock", "monotonic");
	assert_value("timestamp", "hardirq");
	assert_value("bottom_half", "77"); /* of a newer kernel */
	assert_value("frames", "1099511627776");
	assert_value("irqs", "3");
}
END_TEST

START_TEST(no_such_keys)
{
	static const char *const names[] = { "",	   ".", "..", "nothing", "../acq/uevent",
					     "/etc/passwd" };
	char text[TEXT_MAX];
	bool quoted;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert(!key_value(&example, names[i], text, &quoted));
}
END_TEST

START_TEST(every_key_fits_a_text)
{
	char text[TEXT_MAX];
	struct state st;
	size_t i;

	memset(&st, 0xff, sizeof(st));
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		keys[i].show(&st, text);
		ck_assert_uint_lt(strlen(text), TEXT_MAX);
		ck_assert_uint_gt(strlen(text), 0);
	}
}
END_TEST

static char *printed_json(void)
{
	static char text[4096];
	FILE *file = tmpfile();
	int saved = dup(STDOUT_FILENO);

	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	print_group(&example, INFO | STATS, true);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	rewind(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	return text;
}

START_TEST(json)
{
	const char *text = printed_json();

	ck_assert_ptr_nonnull(strstr(text, "{\"name\": \"acq\", \"source\": \"sim \\\"1\\\"\", "));
	ck_assert_ptr_nonnull(strstr(text, "\"rate\": 1000, "));
	ck_assert_ptr_nonnull(strstr(text, "\"spurious_irqs\": 0}\n"));
}
END_TEST

static int change_of(const char *arg, struct acq_setup *setup)
{
	struct change change = { 0 };
	int status;

	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	status = take_change(&example, &change, arg);
	*setup = change.setup;
	return status;
}

START_TEST(changes)
{
	struct acq_setup setup;

	ck_assert_int_eq(change_of("rate=1000", &setup), 0);
	ck_assert_uint_eq(setup.rate_hz, 1000);
	ck_assert_uint_eq(setup.channels, 0);
	ck_assert_int_eq(change_of("channels=4", &setup), 0);
	ck_assert_uint_eq(setup.channels, 4);
	ck_assert_int_eq(change_of("samples=16", &setup), 0);
	ck_assert_uint_eq(setup.samples, 16);
	ck_assert_int_eq(change_of("rate=0", &setup), EXIT_USAGE);
	ck_assert_int_eq(change_of("rate=", &setup), EXIT_USAGE);
	ck_assert_int_eq(change_of("rate=-1", &setup), EXIT_USAGE);
	ck_assert_int_eq(change_of("rate=4294967296", &setup), EXIT_USAGE);
	ck_assert_int_eq(change_of("rate", &setup), EXIT_USAGE);
	ck_assert_int_eq(change_of("=3", &setup), EXIT_USAGE);
	ck_assert_int_eq(change_of("rat=3", &setup), EXIT_USAGE);
	ck_assert_int_eq(change_of("../x=3", &setup), EXIT_USAGE);
}
END_TEST

static int options_of(char *arg, struct options *opt)
{
	char name[] = "acqctl", *argv[3] = { name, arg };

	*opt = (struct options){ 0 };
	optind = 0;
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	return parse_options(opt, 2, argv);
}

START_TEST(options)
{
	struct options opt;

	ck_assert_int_eq(options_of("-dacq1", &opt), -1);
	ck_assert_str_eq(opt.device, "acq1");
	ck_assert_int_eq(options_of("--json", &opt), -1);
	ck_assert(opt.json);
	ck_assert_int_eq(options_of("--watch", &opt), -1);
	ck_assert_int_eq(opt.watch_ns, NSEC_PER_SEC);
	ck_assert_int_eq(options_of("--watch=0.25", &opt), -1);
	ck_assert_int_eq(opt.watch_ns, NSEC_PER_SEC / 4);
	ck_assert_int_eq(options_of("--watch=0", &opt), EXIT_USAGE);
	ck_assert_int_eq(options_of("--bogus", &opt), EXIT_USAGE);
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		values, no_such_keys, every_key_fits_a_text, json, changes, options, NULL,
	};

	return run_suite("ctl", tests);
}
