// SPDX-License-Identifier: GPL-2.0-only
/*
 * acqctl - what acq devices there are, what they do, and how they are set up.
 *
 * A device is a table of keys: from GET_INFO and GET_STATS, and the attributes
 * that its source has in sysfs, such as the simulator's waveform.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define CLASS_DIR "/sys/class/acq"
#define DEVICES_MAX 256
#define TEXT_MAX 256

struct options {
	const char *device;
	bool json;
	int64_t watch_ns; /* 0: once */
};

/* A device as it was at one moment. */
struct state {
	struct acq_info info;
	struct acq_stats stats;
};

/* --- keys --- */

enum group {
	INFO = 1,
	STATS = 2
};

struct key {
	const char *name;
	enum group group;
	bool text; /* else a number */
	void (*show)(const struct state *st, char text[TEXT_MAX]);
};

#define NUMBER_KEY(key, expr) \
	static void show_##key(const struct state *st, char *text) \
	{ \
		snprintf(text, TEXT_MAX, "%" PRIu64, (uint64_t)(expr)); \
	}

NUMBER_KEY(abi, st->info.abi)
NUMBER_KEY(streaming, !!(st->info.flags & ACQ_INFO_STREAMING))
NUMBER_KEY(rate, st->info.rate_hz)
NUMBER_KEY(rate_max, st->info.rate_max_hz)
NUMBER_KEY(channels, st->info.channels)
NUMBER_KEY(channels_max, st->info.channels_max)
NUMBER_KEY(samples, st->info.samples)
NUMBER_KEY(samples_max, st->info.samples_max)
NUMBER_KEY(payload_max, st->info.payload_max)
NUMBER_KEY(stride, st->info.stride)
NUMBER_KEY(ring, st->info.ring_frames)
NUMBER_KEY(ring_max, st->info.ring_frames_max)
NUMBER_KEY(frames, st->stats.device_frames)
NUMBER_KEY(hw_lost, st->stats.hw_lost)
NUMBER_KEY(irqs, st->stats.irqs)
NUMBER_KEY(spurious_irqs, st->stats.spurious_irqs)

static void show_name(const struct state *st, char *text)
{
	snprintf(text, TEXT_MAX, "%.32s", st->info.name);
}

static void show_source(const struct state *st, char *text)
{
	snprintf(text, TEXT_MAX, "%.32s", st->info.source);
}

static void show_format(const struct state *st, char *text)
{
	snprintf(text, TEXT_MAX, "%s", format_name(st->info.format));
}

static void show_formats(const struct state *st, char *text)
{
	unsigned int format;
	int len = 0;

	*text = 0;
	for (format = 0; format < 32; format++)
		if (st->info.formats & 1U << format)
			len += snprintf(text + len, TEXT_MAX - len, "%s%s", len ? " " : "",
					format_name(format));
}

static void show_one_of(const char *const *names, size_t count, unsigned int value, char *text)
{
	if (value < count && names[value])
		snprintf(text, TEXT_MAX, "%s", names[value]);
	else
		snprintf(text, TEXT_MAX, "%u", value);
}

static void show_timestamp(const struct state *st, char *text)
{
	static const char *const names[] = {
		[ACQ_TIMESTAMP_HARDIRQ] = "hardirq",
		[ACQ_TIMESTAMP_THREAD] = "thread",
		[ACQ_TIMESTAMP_SOURCE] = "source",
	};

	show_one_of(names, ARRAY_SIZE(names), st->info.timestamp, text);
}

static void show_clock(const struct state *st, char *text)
{
	static const char *const names[] = { "realtime", "monotonic" };

	show_one_of(names, ARRAY_SIZE(names), st->info.clock, text);
}

static void show_bottom_half(const struct state *st, char *text)
{
	static const char *const names[] = {
		[ACQ_BOTTOM_HALF_THREAD] = "thread",
		[ACQ_BOTTOM_HALF_WORKQUEUE] = "workqueue",
		[ACQ_BOTTOM_HALF_TASKLET] = "tasklet",
		[ACQ_BOTTOM_HALF_SOURCE] = "source",
	};

	show_one_of(names, ARRAY_SIZE(names), st->info.bottom_half, text);
}

static const struct key keys[] = {
	{ "name", INFO, true, show_name },
	{ "source", INFO, true, show_source },
	{ "abi", INFO, false, show_abi },
	{ "streaming", INFO, false, show_streaming },
	{ "rate", INFO, false, show_rate },
	{ "rate_max", INFO, false, show_rate_max },
	{ "channels", INFO, false, show_channels },
	{ "channels_max", INFO, false, show_channels_max },
	{ "samples", INFO, false, show_samples },
	{ "samples_max", INFO, false, show_samples_max },
	{ "format", INFO, true, show_format },
	{ "formats", INFO, true, show_formats },
	{ "payload_max", INFO, false, show_payload_max },
	{ "stride", INFO, false, show_stride },
	{ "ring", INFO, false, show_ring },
	{ "ring_max", INFO, false, show_ring_max },
	{ "clock", INFO, true, show_clock },
	{ "timestamp", INFO, true, show_timestamp },
	{ "bottom_half", INFO, true, show_bottom_half },
	{ "frames", STATS, false, show_frames },
	{ "hw_lost", STATS, false, show_hw_lost },
	{ "irqs", STATS, false, show_irqs },
	{ "spurious_irqs", STATS, false, show_spurious_irqs },
};

static const struct key *find_key(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

/* --- printing --- */

static void json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void json_member(const char *name, const char *text, bool quoted, bool first)
{
	printf("%s", first ? "" : ", ");
	json_string(name);
	printf(": ");
	if (quoted)
		json_string(text);
	else
		printf("%s", text);
}

static void json_group(const struct state *st, int groups)
{
	char text[TEXT_MAX];
	bool first = true;
	size_t i;

	printf("{");
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!(keys[i].group & groups))
			continue;
		keys[i].show(st, text);
		json_member(keys[i].name, text, keys[i].text, first);
		first = false;
	}
	printf("}");
}

static void print_group(const struct state *st, int groups, bool json)
{
	char text[TEXT_MAX];
	size_t i;

	if (json) {
		json_group(st, groups);
		printf("\n");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!(keys[i].group & groups))
			continue;
		keys[i].show(st, text);
		printf("%-14s %s\n", keys[i].name, text);
	}
}

/* --- devices --- */

static int get_state(struct acq *acq, struct state *st)
{
	memset(st, 0, sizeof(*st));
	st->info.size = sizeof(st->info);
	st->stats.size = sizeof(st->stats);
	return acq_get_info(acq, &st->info) ?: acq_get_stats(acq, &st->stats);
}

static struct acq *open_state(const char *name, struct state *st)
{
	struct acq *acq = open_device(name, O_RDONLY);
	int err;

	if (!acq)
		return NULL;
	err = get_state(acq, st);
	if (!err)
		return acq;
	say("%s: %s", name ?: "acq", acq_strerror(err));
	acq_close(acq);
	return NULL;
}

static bool fetch_state(const char *name, struct state *st)
{
	struct acq *acq = open_state(name, st);

	acq_close(acq);
	return acq;
}

/* acq, acq1, acq2, ..., acq10 */
static int by_number(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}

static int is_name(const struct dirent *entry)
{
	return *entry->d_name != '.';
}

static void list_row(const struct state *st)
{
	const struct acq_info *info = &st->info;

	printf("%-8.32s %-12.32s %8u %8u %8u %-6s %s\n", info->name, info->source, info->rate_hz,
	       info->channels, info->samples, format_name(info->format),
	       info->flags & ACQ_INFO_STREAMING ? "streaming" : "idle");
}

/* Returns false if one of them can't be opened. */
static bool list_devices(struct dirent **names, int count, bool json)
{
	bool all = true, first = true;
	struct state st;
	int i;

	if (json)
		printf("[");
	else
		printf("%-8s %-12s %8s %8s %8s %-6s %s\n", "NAME", "SOURCE", "RATE", "CHANNELS",
		       "SAMPLES", "FORMAT", "STATE");
	for (i = 0; i < count; i++) {
		if (!fetch_state(names[i]->d_name, &st)) {
			all = false;
			continue;
		}
		if (!json) {
			list_row(&st);
			continue;
		}
		printf("%s", first ? "" : ",\n ");
		json_group(&st, INFO);
		first = false;
	}
	if (json)
		printf("]\n");
	return all;
}

static int cmd_list(const struct options *opt, int argc, char **argv)
{
	struct dirent **names;
	int count, i;
	bool all;

	(void)argc;
	(void)argv;
	count = scandir(CLASS_DIR, &names, is_name, by_number);
	if (count < 0) {
		say("the module is not loaded; try: sudo modprobe acq_sim");
		return EXIT_LOSS;
	}
	if (!count)
		say("no device; load a source, for example: sudo modprobe acq_sim");
	all = !count || list_devices(names, count, opt->json);
	for (i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return count && all ? EXIT_SUCCESS : EXIT_LOSS;
}

static int cmd_info(const struct options *opt, int argc, char **argv)
{
	struct state st;

	if (!fetch_state(argc ? argv[0] : opt->device, &st))
		return EXIT_LOSS;
	print_group(&st, INFO, opt->json);
	return EXIT_SUCCESS;
}

/* --- stats --- */

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* What changed in a second. */
static void watch_row(const struct acq_stats *old, const struct acq_stats *now, double seconds,
		      bool json)
{
	double frames = (now->device_frames - old->device_frames) / seconds;
	double irqs = (now->irqs - old->irqs) / seconds;

	if (json)
		printf("{\"frames_per_s\": %.1f, \"irqs_per_s\": %.1f, ", frames, irqs);
	else
		printf("%12.1f %12.1f ", frames, irqs);
	printf(json ? "\"frames\": %llu, \"hw_lost\": %llu, \"spurious_irqs\": %llu}\n" :
		      "%14llu %10llu %10llu\n",
	       now->device_frames, now->hw_lost, now->spurious_irqs);
	fflush(stdout);
}

static int sleep_ns(int64_t ns)
{
	struct timespec ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	return nanosleep(&ts, NULL);
}

static int watch(struct acq *acq, struct state *st, const struct options *opt)
{
	struct sigaction act = { .sa_handler = on_signal };
	int64_t then = clock_ns(), now;
	struct acq_stats old;
	int err;

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (!opt->json)
		printf("%12s %12s %14s %10s %10s\n", "frames/s", "irqs/s", "frames", "hw_lost",
		       "spurious");
	while (!interrupted && !ferror(stdout)) {
		if (sleep_ns(opt->watch_ns))
			break;
		old = st->stats;
		err = get_state(acq, st);
		if (err || st->info.flags & ACQ_INFO_GONE) {
			say("%s: %s", opt->device ?: "acq", acq_strerror(err ?: -ENODEV));
			return EXIT_LOSS;
		}
		now = clock_ns();
		watch_row(&old, &st->stats, (double)(now - then) / NSEC_PER_SEC, opt->json);
		then = now;
	}
	return EXIT_SUCCESS;
}

static int cmd_stats(const struct options *opt, int argc, char **argv)
{
	struct state st;
	struct acq *acq = open_state(argc ? argv[0] : opt->device, &st);
	int status = EXIT_SUCCESS;

	if (!acq)
		return EXIT_LOSS;
	if (opt->watch_ns)
		status = watch(acq, &st, opt);
	else
		print_group(&st, STATS, opt->json);
	acq_close(acq);
	return status;
}

/* --- get and set --- */

/* The source's attribute in sysfs; false for what can't be the name of one. */
static bool attribute_path(const struct state *st, const char *key, char path[TEXT_MAX])
{
	if (!*key || *key == '.' || strchr(key, '/'))
		return false;
	return snprintf(path, TEXT_MAX, CLASS_DIR "/%.32s/device/%s", st->info.name, key) <
		       TEXT_MAX &&
	       !access(path, F_OK);
}

static bool read_attribute(const struct state *st, const char *key, char text[TEXT_MAX])
{
	char path[TEXT_MAX];
	ssize_t got;
	int fd;

	if (!attribute_path(st, key, path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text, TEXT_MAX - 1);
	close(fd);
	if (got < 0)
		return false;
	text[got] = 0;
	text[strcspn(text, "\n")] = 0;
	return true;
}

static bool is_number(const char *text)
{
	uint64_t value;

	return parse_number(text, 0, UINT64_MAX, &value);
}

/* Value of a key, and whether JSON quotes it. */
static bool key_value(const struct state *st, const char *name, char text[TEXT_MAX], bool *quoted)
{
	const struct key *key = find_key(name);

	if (key) {
		key->show(st, text);
		*quoted = key->text;
		return true;
	}
	if (!read_attribute(st, name, text))
		return false;
	*quoted = !is_number(text);
	return true;
}

static int unknown_key(const char *name, size_t len)
{
	say("%.*s: no such key; acqctl info and acqctl stats show them", (int)len, name);
	return EXIT_USAGE;
}

static int cmd_get(const struct options *opt, int argc, char **argv)
{
	char text[TEXT_MAX];
	struct state st;
	bool quoted;
	int i;

	if (!fetch_state(opt->device, &st))
		return EXIT_LOSS;
	if (!argc) {
		print_group(&st, INFO | STATS, opt->json);
		return EXIT_SUCCESS;
	}
	for (i = 0; i < argc; i++)
		if (!key_value(&st, argv[i], text, &quoted))
			return unknown_key(argv[i], strlen(argv[i]));
	for (i = 0; i < argc; i++) {
		key_value(&st, argv[i], text, &quoted);
		if (!opt->json) {
			printf("%s\n", text);
			continue;
		}
		printf("%s", i ? "" : "{");
		json_member(argv[i], text, quoted, !i);
		printf("%s", i == argc - 1 ? "}\n" : "");
	}
	return EXIT_SUCCESS;
}

struct change {
	struct acq_setup setup;
	bool geometry; /* anything in setup */
};

/* rate=1000 and the like. Returns 0 if it was one, -1 if not, or the status. */
static int take_geometry(struct change *change, const char *key, size_t len, const char *value)
{
	const struct {
		const char *name;
		__u32 *field;
	} fields[] = {
		{ "rate", &change->setup.rate_hz },
		{ "channels", &change->setup.channels },
		{ "samples", &change->setup.samples },
	};
	uint64_t number;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strlen(fields[i].name) != len || strncmp(fields[i].name, key, len))
			continue;
		if (!parse_number(value, 1, UINT32_MAX, &number)) {
			say("%s: \"%s\" is not a number from 1", fields[i].name, value);
			return EXIT_USAGE;
		}
		*fields[i].field = number;
		change->geometry = true;
		return 0;
	}
	return -1;
}

static int write_attribute(const struct state *st, const char *key, size_t len, const char *value)
{
	char path[TEXT_MAX], name[TEXT_MAX];
	int fd, err = 0;

	snprintf(name, sizeof(name), "%.*s", (int)len, key);
	if (!attribute_path(st, name, path))
		return unknown_key(key, len);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (!err)
		return 0;
	if (err == -EACCES)
		say("%s: no permission; try: sudo acqctl set %s=%s", name, name, value);
	else if (err == -EINVAL)
		say("%s: the device does not take \"%s\"; see acq(4)", name, value);
	else
		say("%s: %s", name, acq_strerror(err));
	return EXIT_LOSS;
}

static void say_setup_error(const struct options *opt, const struct acq_info *info, int err)
{
	const char *name = opt->device ?: "acq";

	if (err == -EINVAL)
		say("%s: the limits are rate %u, channels %u, samples %u, and a frame of 512 KiB",
		    name, info->rate_max_hz, info->channels_max, info->samples_max);
	else
		say("%s: %s", name, acq_strerror(err));
}

static int set_geometry(const struct options *opt, const struct state *st, struct change *change)
{
	struct acq *acq = open_device(opt->device, O_RDWR);
	int err;

	if (!acq)
		return EXIT_LOSS;
	change->setup.size = sizeof(change->setup);
	err = acq_setup_device(acq, &change->setup);
	if (err)
		say_setup_error(opt, &st->info, err);
	acq_close(acq);
	return err ? EXIT_LOSS : 0;
}

/* One KEY=VALUE: what goes by SETUP is collected, the rest is written at once. */
static int take_change(const struct state *st, struct change *change, const char *arg)
{
	const char *equals = strchr(arg, '=');
	size_t len;
	int status;

	if (!equals || equals == arg) {
		say("\"%s\" is not KEY=VALUE", arg);
		return EXIT_USAGE;
	}
	len = equals - arg;
	status = take_geometry(change, arg, len, equals + 1);
	return status < 0 ? write_attribute(st, arg, len, equals + 1) : status;
}

/* What was granted, for the keys that were asked for. */
static int show_granted(const struct options *opt, int argc, char **argv)
{
	char text[TEXT_MAX], name[TEXT_MAX];
	struct state st;
	bool quoted;
	int i;

	if (!fetch_state(opt->device, &st))
		return EXIT_LOSS;
	for (i = 0; i < argc; i++) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(argv[i], "="), argv[i]);
		if (!key_value(&st, name, text, &quoted))
			continue;
		if (!opt->json) {
			printf("%s=%s\n", name, text);
			continue;
		}
		printf("%s", i ? "" : "{");
		json_member(name, text, quoted, !i);
	}
	if (opt->json)
		printf("}\n");
	return EXIT_SUCCESS;
}

static int cmd_set(const struct options *opt, int argc, char **argv)
{
	struct change change = { 0 };
	struct state st;
	int i, status;

	if (!argc) {
		say("set: what? For example: acqctl set rate=1000 channels=4");
		return EXIT_USAGE;
	}
	if (!fetch_state(opt->device, &st))
		return EXIT_LOSS;
	for (i = 0; i < argc; i++) {
		status = take_change(&st, &change, argv[i]);
		if (status)
			return status;
	}
	status = change.geometry ? set_geometry(opt, &st, &change) : 0;
	return status ?: show_granted(opt, argc, argv);
}

/* --- options --- */

static const char usage[] =
	"Usage: acqctl [OPTION]... COMMAND\n"
	"Look at acq devices and set them up.\n"
	"  list                  all devices\n"
	"  info [DEVICE]         what a device is\n"
	"  stats [DEVICE]        what it has done; with --watch, what it is doing\n"
	"  get [KEY]...          single values, of info, stats or the source\n"
	"  set KEY=VALUE...      rate, channels, samples, or a setting of the source\n"
	"Options:\n"
	"  -d, --device NAME     acq, acq1, ... or a path (default: acq)\n"
	"  -j, --json            JSON\n"
	"  -w, --watch[=TIME]    stats: a line every TIME (default: a second)\n"
	"  -h, --help            this text\n"
	"  -V, --version         version\n"
	"Exit status: 0; 1 if the device says no or is not there; 2 for bad usage.\n"
	"Example: acqctl set rate=1000 channels=4\n";

static const struct option long_options[] = {
	{ "device", required_argument, NULL, 'd' }, { "json", no_argument, NULL, 'j' },
	{ "watch", optional_argument, NULL, 'w' },  { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },	    { 0 },
};

static const struct command {
	const char *name;
	int args_max; /* -1: any number */
	int (*run)(const struct options *opt, int argc, char **argv);
} commands[] = {
	{ "list", 0, cmd_list }, { "info", 1, cmd_info }, { "stats", 1, cmd_stats },
	{ "get", -1, cmd_get },	 { "set", -1, cmd_set },
};

static bool take_watch(struct options *opt, const char *value)
{
	opt->watch_ns = NSEC_PER_SEC;
	if (!value || (parse_time(value, &opt->watch_ns) && opt->watch_ns))
		return true;
	say("--watch: \"%s\" is not a time like 5, 0.5, 20ms", value);
	return false;
}

/* Returns -1: go on; else the exit status. */
static int parse_options(struct options *opt, int argc, char **argv)
{
	int c;

	for (;;) {
		c = getopt_long(argc, argv, "d:jw::hV", long_options, NULL);
		switch (c) {
		case -1:
			return -1;
		case 'd':
			opt->device = optarg;
			continue;
		case 'j':
			opt->json = true;
			continue;
		case 'w':
			if (take_watch(opt, optarg))
				continue;
			return EXIT_USAGE;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			print_version();
			return EXIT_SUCCESS;
		}
		fputs("Try 'acqctl --help'.\n", stderr);
		return EXIT_USAGE;
	}
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int run_command(const struct options *opt, int argc, char **argv)
{
	const struct command *command;

	if (!argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	command = find_command(argv[0]);
	if (!command) {
		say("%s: no such command; try 'acqctl --help'", argv[0]);
		return EXIT_USAGE;
	}
	if (command->args_max >= 0 && argc - 1 > command->args_max) {
		say("%s: too many arguments; try 'acqctl --help'", argv[0]);
		return EXIT_USAGE;
	}
	return command->run(opt, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	struct options opt = { 0 };
	int status;

	status = parse_options(&opt, argc, argv);
	if (status >= 0)
		return status;
	status = run_command(&opt, argc - optind, argv + optind);
	if (fflush(stdout) && errno != EPIPE) {
		say("stdout: %s", strerror(errno));
		return EXIT_LOSS;
	}
	return status;
}
