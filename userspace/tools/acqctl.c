// SPDX-License-Identifier: GPL-2.0-only
/*
 * acqctl - what acq devices there are, what they do, and how they are set up.
 *
 * A device is a table of keys: from GET_INFO and GET_STATS, and the attributes
 * that its source has in sysfs, such as the simulator's waveform.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

#define DEBUG_DIR "/sys/kernel/debug"
#define DEVICES_MAX 256
#define TEXT_MAX 256

struct options {
	const char *device;
	bool json;
	bool once;
	int64_t watch_ns; /* 0: not given */
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
	if (count <= 0)
		say("%s", no_device_cure());
	if (count < 0)
		return EXIT_LOSS;
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

/* Signals and a reader that goes away end what repeats itself, and are no error. */
static void end_on_signals(void)
{
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
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
	int64_t then = clock_ns(), now;
	struct acq_stats old;
	int err;

	end_on_signals();
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

/* The first line of a file. */
static bool read_line(const char *path, char text[TEXT_MAX])
{
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

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

static bool read_attribute(const struct state *st, const char *key, char text[TEXT_MAX])
{
	char path[TEXT_MAX];

	return attribute_path(st, key, path) && read_line(path, text);
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

/* --- top --- */

/* The columns of the kernel's list that we know; see kmod/ABI/sysfs-class-acq. */
static const struct column {
	const char *name;
	int width; /* negative: to the left */
	bool text;
} columns[] = {
	{ "client", 6, false }, { "pid", 7, false },	{ "state", -8, true },
	{ "ring", 8, false },	{ "fill", 8, false },	{ "watermark", 9, false },
	{ "lost", 10, false },	{ "pended", 6, false }, { "wakeups", 10, false },
	{ "comm", 0, true },
};

#define COLUMNS ARRAY_SIZE(columns)
#define COLUMNS_MAX 32

struct client {
	char value[COLUMNS][80];
};

/* The clients of a device, and what its sysfs says. */
struct clients {
	char source[TEXT_MAX];
	char state[TEXT_MAX];
	uint64_t frames;
	uint64_t irqs;
	int64_t when_ns;
	struct client *list;
	size_t count;
};

/*
 * Cut a line into words, the last of which is all the rest: a program's name may have
 * spaces in it. Returns how many.
 */
static size_t split(char *line, char *words[], size_t most)
{
	size_t n = 0;

	line[strcspn(line, "\n")] = 0;
	while (n < most) {
		line += strspn(line, " ");
		if (!*line)
			break;
		words[n++] = line;
		if (n == most)
			break;
		line += strcspn(line, " ");
		if (*line)
			*line++ = 0;
	}
	return n;
}

static const struct column *find_column(const char *name)
{
	size_t i;

	for (i = 0; i < COLUMNS; i++)
		if (!strcmp(columns[i].name, name))
			return &columns[i];
	return NULL;
}

/* A kernel of another version may have columns that we don't know, and lack some. */
static bool read_clients(FILE *file, struct clients *clients)
{
	const struct column *column[COLUMNS_MAX];
	char *words[COLUMNS_MAX], *line = NULL;
	size_t bytes = 0, most, n, i;
	struct client *client;

	if (getline(&line, &bytes, file) < 0) {
		free(line);
		return false;
	}
	most = split(line, words, COLUMNS_MAX);
	for (i = 0; i < most; i++)
		column[i] = find_column(words[i]);
	while (most && getline(&line, &bytes, file) >= 0) {
		client = realloc(clients->list, (clients->count + 1) * sizeof(*client));
		if (!client)
			break;
		clients->list = client;
		client += clients->count++;
		memset(client, 0, sizeof(*client));
		n = split(line, words, most);
		for (i = 0; i < n; i++)
			if (column[i])
				snprintf(client->value[column[i] - columns],
					 sizeof(client->value[0]), "%s", words[i]);
	}
	free(line);
	return most && !ferror(file);
}

static const char *clients_cure(const char *debug_dir, int err)
{
	struct statfs fs;

	if (err == EACCES)
		return "no permission to see the clients; try: sudo acqctl top";
	if (err != ENOENT && err != ENODEV)
		return strerror(err);
	if (statfs(debug_dir, &fs))
		return "this kernel has no debugfs; it takes one with CONFIG_DEBUG_FS=y";
	if (fs.f_type != DEBUGFS_MAGIC)
		return "debugfs is not mounted; try: sudo mount -t debugfs none " DEBUG_DIR;
	return "debugfs does not have the clients: the device went, or acq.ko is an older one";
}

static bool read_class(const char *name, const char *key, char text[TEXT_MAX])
{
	char path[TEXT_MAX];

	return snprintf(path, TEXT_MAX, CLASS_DIR "/%s/%s", name, key) < TEXT_MAX &&
	       read_line(path, text);
}

static uint64_t read_counter(const char *name, const char *key)
{
	char text[TEXT_MAX];
	uint64_t value = 0;

	if (read_class(name, key, text))
		parse_number(text, 0, UINT64_MAX, &value);
	return value;
}

/* From the outside: a client of our own would be in the list. */
static int fetch_clients(const char *name, struct clients *clients)
{
	char path[TEXT_MAX];
	FILE *file;
	bool ok;

	memset(clients, 0, sizeof(*clients));
	if (*name == '.' || !*name || !read_class(name, "source", clients->source))
		return -ENODEV;
	snprintf(path, TEXT_MAX, DEBUG_DIR "/acq/%s/clients", name);
	file = fopen(path, "re");
	if (!file) {
		say("%s: %s", name, clients_cure(DEBUG_DIR, errno));
		return -EACCES;
	}
	ok = read_clients(file, clients);
	fclose(file);
	if (!ok)
		say("%s: what is this?", path);
	/* After the list: no client is attached to a device that is idle. */
	if (ok && !read_class(name, "state", clients->state))
		return -ENODEV;
	clients->frames = read_counter(name, "frames");
	clients->irqs = read_counter(name, "irqs");
	clients->when_ns = clock_ns();
	return ok ? 0 : -EIO;
}

/* What is left of a terminal; anything else takes all. */
struct screen {
	bool live;
	int rows;
	int cols;
};

static struct screen screen_begin(bool live)
{
	struct screen screen = { .live = live, .rows = 24, .cols = 80 };
	struct winsize size;

	if (!live)
		return screen;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col) {
		screen.rows = size.ws_row;
		screen.cols = size.ws_col;
	}
	screen.rows--; /* where the cursor stays */
	printf("\033[H");
	return screen;
}

__attribute__((format(printf, 2, 3))) static void put_line(struct screen *screen, const char *fmt,
							   ...)
{
	char line[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (!screen->live)
		printf("%s\n", line);
	else if (screen->rows-- > 0)
		printf("%.*s\033[K\n", screen->cols, line);
}

static void screen_end(const struct screen *screen)
{
	if (screen->live)
		printf("\033[J");
	fflush(stdout);
}

/* One line of the table: the values, or without them the names. */
static void put_row(struct screen *screen, const struct client *client)
{
	char line[COLUMNS * 82], name[16];
	size_t i, j;
	int len = 0;

	for (i = 0; i < COLUMNS; i++) {
		for (j = 0; j < sizeof(name) - 1 && columns[i].name[j]; j++)
			name[j] = toupper((unsigned char)columns[i].name[j]);
		name[j] = 0;
		len += snprintf(line + len, sizeof(line) - len, "%s%*s", i ? " " : "",
				columns[i].width, client ? client->value[i] : name);
	}
	put_line(screen, "%s", line);
}

/* The rates since @old; at first there are none. */
static void put_summary(struct screen *screen, const char *name, const struct clients *now,
			const struct clients *old)
{
	double seconds = (double)(now->when_ns - old->when_ns) / NSEC_PER_SEC;
	char rates[80];

	if (old->when_ns && seconds > 0)
		snprintf(rates, sizeof(rates), "%.1f frames/s, %.1f irqs/s",
			 (now->frames - old->frames) / seconds, (now->irqs - old->irqs) / seconds);
	else
		snprintf(rates, sizeof(rates), "%" PRIu64 " frames, %" PRIu64 " irqs", now->frames,
			 now->irqs);
	put_line(screen, "%s: %s, %s, %s, clients: %zu", name, now->source, now->state, rates,
		 now->count);
}

static void put_clients(const char *name, const struct clients *now, const struct clients *old,
			bool live)
{
	struct screen screen = screen_begin(live);
	size_t i;

	put_summary(&screen, name, now, old);
	put_row(&screen, NULL);
	for (i = 0; i < now->count; i++) {
		if (live && screen.rows == 1 && now->count - i > 1) {
			put_line(&screen, "[%zu more]", now->count - i);
			break;
		}
		put_row(&screen, &now->list[i]);
	}
	screen_end(&screen);
}

static void json_clients(const char *name, const struct clients *now)
{
	const struct client *client;
	char text[TEXT_MAX];
	bool first;
	size_t i;

	printf("{");
	json_member("name", name, true, true);
	json_member("source", now->source, true, false);
	json_member("state", now->state, true, false);
	snprintf(text, TEXT_MAX, "%" PRIu64, now->frames);
	json_member("frames", text, false, false);
	snprintf(text, TEXT_MAX, "%" PRIu64, now->irqs);
	json_member("irqs", text, false, false);
	printf(", \"clients\": [");
	for (client = now->list; client < now->list + now->count; client++) {
		printf("%s{", client == now->list ? "" : ", ");
		for (i = 0, first = true; i < COLUMNS; i++) {
			if (!columns[i].text && !is_number(client->value[i]))
				continue;
			json_member(columns[i].name, client->value[i], columns[i].text, first);
			first = false;
		}
		printf("}");
	}
	printf("]}\n");
	fflush(stdout);
}

/* Look once. Returns 0 or the exit status. */
static int top(const char *name, const struct options *opt, struct clients *old, bool live)
{
	struct clients now;
	int err = fetch_clients(name, &now);

	if (!err && opt->json)
		json_clients(name, &now);
	else if (!err)
		put_clients(name, &now, old, live);
	free(now.list);
	if (err == -ENODEV && old->when_ns)
		say("%s: %s", name, acq_strerror(err));
	else if (err == -ENODEV)
		say_open_error(name, -ENOENT);
	now.list = NULL;
	*old = now;
	return err ? EXIT_LOSS : EXIT_SUCCESS;
}

static int cmd_top(const struct options *opt, int argc, char **argv)
{
	const char *name = (argc ? argv[0] : opt->device) ?: "acq";
	const char *slash = strrchr(name, '/');
	bool tty = isatty(STDOUT_FILENO);
	bool again = !opt->once && (tty || opt->watch_ns);
	struct clients old = { 0 };
	int status;

	name = slash ? slash + 1 : name;
	end_on_signals();
	do
		status = top(name, opt, &old, again && tty && !opt->json);
	while (again && !status && !interrupted && !ferror(stdout) &&
	       !sleep_ns(opt->watch_ns ?: NSEC_PER_SEC));
	return status;
}

/* --- options --- */

static const char usage[] =
	"Usage: acqctl [OPTION]... COMMAND\n"
	"Look at acq devices and set them up.\n"
	"  list                  all devices\n"
	"  info [DEVICE]         what a device is\n"
	"  stats [DEVICE]        what it has done; with --watch, what it is doing\n"
	"  top [DEVICE]          who has it open and how they fare, again and again\n"
	"  get [KEY]...          single values, of info, stats or the source\n"
	"  set KEY=VALUE...      rate, channels, samples, or a setting of the source\n"
	"Options:\n"
	"  -d, --device NAME     acq, acq1, ... or a path (default: acq)\n"
	"  -j, --json            JSON\n"
	"  -w, --watch[=TIME]    stats: a line every TIME (default: a second);\n"
	"                        top: look every TIME, even if not on a terminal\n"
	"      --once            top: look once, even if on a terminal\n"
	"  -h, --help            this text\n"
	"  -V, --version         version\n"
	"Exit status: 0; 1 if the device says no or is not there; 2 for bad usage.\n"
	"Example: acqctl set rate=1000 channels=4\n";

enum {
	OPTION_ONCE = 256,
};

static const struct option long_options[] = {
	{ "device", required_argument, NULL, 'd' },
	{ "json", no_argument, NULL, 'j' },
	{ "watch", optional_argument, NULL, 'w' },
	{ "once", no_argument, NULL, OPTION_ONCE },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static const struct command {
	const char *name;
	int args_max; /* -1: any number */
	int (*run)(const struct options *opt, int argc, char **argv);
} commands[] = {
	{ "list", 0, cmd_list }, { "info", 1, cmd_info }, { "stats", 1, cmd_stats },
	{ "get", -1, cmd_get },	 { "set", -1, cmd_set },  { "top", 1, cmd_top },
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
		case OPTION_ONCE:
			opt->once = true;
			continue;
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
