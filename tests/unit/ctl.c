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

/* what a function prints */
static char *printed(void (*print)(const void *arg), const void *arg)
{
	static char text[4096];
	FILE *file = tmpfile();
	int saved = dup(STDOUT_FILENO);

	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	print(arg);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	rewind(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	return text;
}

static void print_example(const void *unused)
{
	(void)unused;
	print_group(&example, INFO | STATS, true);
}

START_TEST(json)
{
	const char *text = printed(print_example, NULL);

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
	ck_assert_int_eq(options_of("-w", &opt), -1);
	ck_assert_int_eq(opt.watch_ns, NSEC_PER_SEC);
	ck_assert(!opt.once);
	ck_assert_int_eq(options_of("--once", &opt), -1);
	ck_assert(opt.once);
	ck_assert_int_eq(options_of("--once=1", &opt), EXIT_USAGE);
	ck_assert_int_eq(options_of("--bogus", &opt), EXIT_USAGE);
}
END_TEST

/* --- top --- */

static bool clients_of(const char *text, struct clients *clients)
{
	FILE *file = tmpfile();
	bool ok;

	ck_assert_ptr_nonnull(file);
	memset(clients, 0, sizeof(*clients));
	fputs(text, file);
	rewind(file);
	ok = read_clients(file, clients);
	fclose(file);
	return ok;
}

static const char *value_of(const struct clients *clients, size_t row, const char *column)
{
	ck_assert_uint_lt(row, clients->count);
	return clients->list[row].value[find_column(column) - columns];
}

#define KERNEL_TABLE \
	"client   pid state      ring  fill watermark  lost  pended  wakeups comm\n" \
	"     1   123 attached   4096    17         8     5       2      900 acqread\n" \
	"     7     0 idle          0     0         1     0       0        0 a  b\\012\n"

START_TEST(clients)
{
	struct clients clients;

	ck_assert(clients_of(KERNEL_TABLE, &clients));
	ck_assert_uint_eq(clients.count, 2);
	ck_assert_str_eq(value_of(&clients, 0, "client"), "1");
	ck_assert_str_eq(value_of(&clients, 0, "pid"), "123");
	ck_assert_str_eq(value_of(&clients, 0, "state"), "attached");
	ck_assert_str_eq(value_of(&clients, 0, "ring"), "4096");
	ck_assert_str_eq(value_of(&clients, 0, "fill"), "17");
	ck_assert_str_eq(value_of(&clients, 0, "watermark"), "8");
	ck_assert_str_eq(value_of(&clients, 0, "lost"), "5");
	ck_assert_str_eq(value_of(&clients, 0, "pended"), "2");
	ck_assert_str_eq(value_of(&clients, 0, "wakeups"), "900");
	ck_assert_str_eq(value_of(&clients, 0, "comm"), "acqread");
	ck_assert_str_eq(value_of(&clients, 1, "comm"), "a  b\\012");
	free(clients.list);
}
END_TEST

START_TEST(no_clients)
{
	struct clients clients;

	ck_assert(clients_of("client pid comm\n", &clients));
	ck_assert_uint_eq(clients.count, 0);
	ck_assert(!clients_of("", &clients));
	ck_assert(!clients_of("\n1\n", &clients));
	free(clients.list);
}
END_TEST

/* columns that are new, gone, moved */
START_TEST(clients_of_another_kernel)
{
	struct clients clients;

	ck_assert(clients_of("pid client colour comm\n5 3 red x y\n6\n", &clients));
	ck_assert_uint_eq(clients.count, 2);
	ck_assert_str_eq(value_of(&clients, 0, "pid"), "5");
	ck_assert_str_eq(value_of(&clients, 0, "client"), "3");
	ck_assert_str_eq(value_of(&clients, 0, "comm"), "x y");
	ck_assert_str_eq(value_of(&clients, 0, "lost"), "");
	ck_assert_str_eq(value_of(&clients, 1, "pid"), "6");
	ck_assert_str_eq(value_of(&clients, 1, "comm"), "");
	free(clients.list);
}
END_TEST

static void print_table(const void *clients)
{
	static const struct clients old = { .when_ns = 1000, .frames = 1000, .irqs = 10 };

	put_clients("acq", clients, &old, false);
}

static void print_json(const void *clients)
{
	json_clients("acq", clients);
}

static void says_or_fail(const char *text, const char *words)
{
	ck_assert_msg(strstr(text, words), "no \"%s\" in: %s", words, text);
}

static void begins_or_fail(const char *text, const char *words)
{
	ck_assert_msg(!strncmp(text, words, strlen(words)), "not \"%s\": %s", words, text);
}

START_TEST(clients_shown)
{
	struct clients clients;
	const char *text;

	ck_assert(clients_of(KERNEL_TABLE, &clients));
	snprintf(clients.source, sizeof(clients.source), "sim");
	snprintf(clients.state, sizeof(clients.state), "streaming");
	clients.when_ns = 2 * NSEC_PER_SEC + 1000;
	clients.frames = 3000;
	clients.irqs = 20;

	text = printed(print_table, &clients);
	begins_or_fail(text, "acq: sim, streaming, 1000.0 frames/s, 5.0 irqs/s, clients: 2\n");
	says_or_fail(text, "CLIENT     PID STATE        RING     FILL WATERMARK");
	says_or_fail(text, "     1     123 attached     4096       17         8");
	ck_assert_ptr_null(strchr(text, '\033'));

	text = printed(print_json, &clients);
	begins_or_fail(text, "{\"name\": \"acq\", \"source\": \"sim\", \"state\": \"str");
	says_or_fail(text, "\"frames\": 3000, \"irqs\": 20, \"clients\": [{");
	says_or_fail(text, "[{\"client\": 1, \"pid\": 123, \"state\": \"attached\", ");
	says_or_fail(text, "\"comm\": \"a  b\\\\012\"}]}\n");
	ck_assert_uint_eq(strcspn(text, "\n"), strlen(text) - 1);
	free(clients.list);
}
END_TEST

/* what is missing, and the cure */
START_TEST(no_debugfs)
{
	ck_assert_ptr_nonnull(strstr(clients_cure("/", EACCES), "sudo acqctl top"));
	ck_assert_ptr_nonnull(strstr(clients_cure("/nothing/here", ENOENT), "CONFIG_DEBUG_FS"));
	ck_assert_ptr_nonnull(strstr(clients_cure("/", ENOENT), "sudo mount -t debugfs"));
	ck_assert_str_eq(clients_cure("/", EPERM), strerror(EPERM));
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		values,	       no_such_keys, every_key_fits_a_text,
		json,	       changes,	     options,
		clients,       no_clients,   clients_of_another_kernel,
		clients_shown, no_debugfs,   NULL,
	};

	return run_suite("ctl", tests);
}
