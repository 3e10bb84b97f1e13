// SPDX-License-Identifier: GPL-2.0-only
/*
 * acqpub - publish captures and devices to a NATS JetStream, and read them there.
 *
 * The capture files are the log (acqpub-log.c) that is published (acqpub-nats.c);
 * acqread and acqscope have us read a stream for them (acqpub-sub.c).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "acqpub.h"
#include "common.h"

volatile sig_atomic_t interrupted;

void pause_ns(int64_t ns)
{
	struct timespec ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	if (!interrupted)
		nanosleep(&ts, NULL);
}

/* timeout(1) says it twice in a row, to us and to our group; who says it later insists. */
static void on_signal(int sig)
{
	static int64_t first;

	if (!interrupted) {
		first = clock_ns();
	} else if (clock_ns() - first > NSEC_PER_SEC) {
		signal(sig, SIG_DFL);
		raise(sig);
	}
	interrupted = 1;
}

static void catch_signals(void)
{
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
}

#ifndef HAVE_NATS
static int without_nats(void)
{
	say("built without libnats; install libnats-dev and build again");
	return EXIT_LOSS;
}

int publish(const struct publish_options *opt)
{
	(void)opt;
	return without_nats();
}

int subscribe(const char *url, const struct servers *servers)
{
	(void)url;
	(void)servers;
	return without_nats();
}
#endif

/* --- names --- */

/* A part of a subject: no dots, wildcards or blanks. */
static void token(char *to, size_t room, const char *from, size_t len)
{
	size_t i;

	for (i = 0; i < len && i < room - 1; i++)
		to[i] = strchr(".*> \t/", from[i]) ? '-' : from[i];
	to[i] = 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What the frames come from: a device, or whatever a file is named after. */
static void source_name(const struct publish_options *opt, char *name, size_t room)
{
	const char *file = opt->device ?: base_name(opt->pattern ?: opt->files[0]);

	if (opt->device && !strncmp(file, "/dev/", 5))
		file += 5;
	token(name, room, file, opt->device ? strlen(file) : strcspn(file, "-.*?["));
}

static const char *default_subject(const struct publish_options *opt)
{
	static char subject[SUBJECT_MAX];
	char host[65] = "", clean[65], name[128];

	gethostname(host, sizeof(host) - 1);
	token(clean, sizeof(clean), host, strcspn(host, "."));
	source_name(opt, name, sizeof(name));
	snprintf(subject, sizeof(subject), "acq.%s.%s", clean, name);
	return subject;
}

static const char *default_spool(void)
{
	static char spool[PATH_MAX];
	const char *state = getenv("STATE_DIRECTORY"), *home = getenv("XDG_STATE_HOME");

	if (state)
		return state;
	if (home)
		snprintf(spool, sizeof(spool), "%s/acq", home);
	else
		snprintf(spool, sizeof(spool), "%s/.local/state/acq", getenv("HOME") ?: "");
	return spool;
}

static const char *spool_pattern(const struct publish_options *opt)
{
	static char pattern[PATH_MAX + 160];
	char name[128];

	source_name(opt, name, sizeof(name));
	snprintf(pattern, sizeof(pattern), "%s/%s-*.acq", opt->spool, name);
	return pattern;
}

/* Beside the files. */
static const char *default_state(const struct publish_options *opt)
{
	static char state[PATH_MAX];
	const char *file = opt->pattern ?: opt->files[0];

	snprintf(state, sizeof(state), "%.*s.acqpub-%s", (int)(base_name(file) - file), file,
		 opt->subject);
	return state;
}

/* --- options --- */

static const char usage[] =
	"Usage: acqpub [OPTION]... FILE...\n"
	"       acqpub [OPTION]... -f PATTERN | -d NAME\n"
	"Publish captures, growing ones, or a device to a NATS JetStream; none is lost.\n"
	"  -d, --device NAME       have acqread write acq, acq1, ... to a spool\n"
	"      --spool DIR         which is there (default: ~/.local/state/acq)\n"
	"  -f, --follow PATTERN    files that grow: '/var/lib/acq/acq-*.acq', by name\n"
	"  -S, --server URL,...    servers (default: $NATS_URL, or " DEFAULT_SERVER ")\n"
	"  -s, --subject SUBJECT   default: acq.HOST.DEVICE\n"
	"      --state FILE        remembers what is acknowledged (default: beside them)\n"
	"      --create[=SUBJECTS]  make a stream for " DEFAULT_SUBJECTS
	" if none takes ours, which\n"
	"      --max-bytes SIZE, --max-age TIME  is full then, forgets what is older\n"
	"      --stream NAME, --replicas N  is called so (acq), has so many copies (1)\n"
	"      --batch SIZE, --latency TIME  of a message, at most (64k, 100ms)\n"
	"      --window N          messages on their way (64)\n"
	"      --creds FILE, --tls-ca FILE, --tls-cert FILE, --tls-key FILE\n"
	"                          default: $NATS_CREDS $NATS_CA $NATS_CERT $NATS_KEY\n"
	"      --subscribe URL     frames to stdout, as acqread has it for nats://\n"
	"  -q, --quiet             no summary\n"
	"  -v, --verbose           tell more\n"
	"  -h, --help, -V, --version\n"
	"Exit status: 0; 1: something was not published; 2: bad usage.\n"
	"Examples: acqpub --create --max-bytes 10G -d acq; acqpub run.acq\n";

enum {
	OPT_SPOOL = 256,
	OPT_STATE,
	OPT_CREATE,
	OPT_STREAM,
	OPT_MAX_BYTES,
	OPT_MAX_AGE,
	OPT_REPLICAS,
	OPT_BATCH,
	OPT_LATENCY,
	OPT_WINDOW,
	OPT_CREDS,
	OPT_CA,
	OPT_CERT,
	OPT_KEY,
	OPT_SUBSCRIBE,
};

static const struct option long_options[] = {
	{ "device", required_argument, NULL, 'd' },
	{ "spool", required_argument, NULL, OPT_SPOOL },
	{ "follow", required_argument, NULL, 'f' },
	{ "server", required_argument, NULL, 'S' },
	{ "subject", required_argument, NULL, 's' },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "create", optional_argument, NULL, OPT_CREATE },
	{ "stream", required_argument, NULL, OPT_STREAM },
	{ "max-bytes", required_argument, NULL, OPT_MAX_BYTES },
	{ "max-age", required_argument, NULL, OPT_MAX_AGE },
	{ "replicas", required_argument, NULL, OPT_REPLICAS },
	{ "batch", required_argument, NULL, OPT_BATCH },
	{ "latency", required_argument, NULL, OPT_LATENCY },
	{ "window", required_argument, NULL, OPT_WINDOW },
	{ "creds", required_argument, NULL, OPT_CREDS },
	{ "tls-ca", required_argument, NULL, OPT_CA },
	{ "tls-cert", required_argument, NULL, OPT_CERT },
	{ "tls-key", required_argument, NULL, OPT_KEY },
	{ "subscribe", required_argument, NULL, OPT_SUBSCRIBE },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static bool number_option(const char *what, uint64_t max, uint64_t *out)
{
	char wanted[64];

	if (parse_number(optarg, 1, max, out))
		return true;
	snprintf(wanted, sizeof(wanted), "a number from 1 to %llu", (unsigned long long)max);
	return bad_value(what, optarg, wanted);
}

static bool size_option(const char *what, uint64_t max, uint64_t *out)
{
	return (parse_size(optarg, out) && *out <= max) ||
	       bad_value(what, optarg, "a size like 1000000, 64k, 100M, 2G");
}

static bool time_option(const char *what, int64_t *out)
{
	return (parse_time(optarg, out) && *out) ||
	       bad_value(what, optarg, "a time like 5, 0.5, 20ms, 2min");
}

static bool take_stream_option(struct publish_options *opt, int c)
{
	switch (c) {
	case OPT_CREATE:
		opt->create = optarg ?: DEFAULT_SUBJECTS;
		return true;
	case OPT_STREAM:
		opt->stream = optarg;
		return true;
	case OPT_MAX_BYTES:
		return size_option("--max-bytes", INT64_MAX, &opt->max_bytes);
	case OPT_MAX_AGE:
		return time_option("--max-age", &opt->max_age_ns);
	case OPT_REPLICAS:
		return number_option("--replicas", 5, &opt->replicas);
	case OPT_BATCH:
		return size_option("--batch", 64 << 20, &opt->batch);
	case OPT_LATENCY:
		return time_option("--latency", &opt->latency_ns);
	case OPT_WINDOW:
		return number_option("--window", 4096, &opt->window);
	}
	return false;
}

static bool take_option(struct publish_options *opt, int c)
{
	switch (c) {
	case 'd':
		opt->device = optarg;
		return true;
	case OPT_SPOOL:
		opt->spool = optarg;
		return true;
	case 'f':
		opt->pattern = optarg;
		return true;
	case 'S':
		opt->servers.urls = optarg;
		return true;
	case 's':
		opt->subject = optarg;
		return true;
	case OPT_STATE:
		opt->state = optarg;
		return true;
	case OPT_CREDS:
		opt->servers.creds = optarg;
		return true;
	case OPT_CA:
		opt->servers.ca = optarg;
		return true;
	case OPT_CERT:
		opt->servers.cert = optarg;
		return true;
	case OPT_KEY:
		opt->servers.key = optarg;
		return true;
	case 'q':
		opt->quiet++;
		return true;
	case 'v':
		opt->verbose++;
		return true;
	}
	return take_stream_option(opt, c);
}

/* The mark knows files by their names without directories. */
static bool names_differ(const struct publish_options *opt)
{
	size_t i, j;

	for (i = 1; i < opt->count; i++)
		for (j = 0; j < i; j++)
			if (!strcmp(base_name(opt->files[i]), base_name(opt->files[j]))) {
				say("two files are called %s; one at a time, please",
				    base_name(opt->files[i]));
				return false;
			}
	return true;
}

static bool consistent(const struct publish_options *opt)
{
	if (!!opt->device + !!opt->pattern + !!opt->count != 1) {
		say("FILE..., --follow PATTERN or --device NAME: one of them, please");
		return false;
	}
	if (opt->create && !opt->max_bytes && !opt->max_age_ns) {
		say("--create needs --max-bytes or --max-age, for no disk is endless");
		return false;
	}
	if (!opt->create && (opt->max_bytes || opt->max_age_ns || opt->replicas)) {
		say("--max-bytes, --max-age and --replicas go with --create; no stream is altered");
		return false;
	}
	if (!opt->servers.cert != !opt->servers.key) {
		say("--tls-cert and --tls-key go together");
		return false;
	}
	return names_differ(opt);
}

static bool good_subject(const char *subject)
{
	size_t len = strlen(subject);

	return (len && len < SUBJECT_MAX && !strpbrk(subject, "*> \t/") && subject[0] != '.' &&
		subject[len - 1] != '.' && !strstr(subject, "..")) ||
	       bad_value("--subject", subject, "words between dots, like acq.lab1.adc");
}

static bool good_servers(const char *urls)
{
	const char *part, *scheme;

	for (part = urls; part; part = strchr(part, ',') ? strchr(part, ',') + 1 : NULL) {
		scheme = strstr(part, "://");
		if (scheme && scheme < part + strcspn(part, ",") && !is_stream(part))
			return bad_value("--server", urls, "nats:// or tls:// and a server");
	}
	return true;
}

/* Wildcards are for the names of files. */
static bool plain_folder(const char *what, const char *path, const char *name)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", (int)(name - path), path);
	return !strpbrk(folder, "*?[%") ||
	       bad_value(what, path, "in a folder whose name has no * ? [ or %");
}

static bool plain_folders(const struct publish_options *opt)
{
	if (opt->device)
		return plain_folder("--spool", opt->spool, strchr(opt->spool, 0));
	return !opt->pattern || plain_folder("--follow", opt->pattern, base_name(opt->pattern));
}

static bool complete(struct publish_options *opt)
{
	if (!consistent(opt))
		return false;
	opt->servers.urls = opt->servers.urls ?: getenv("NATS_URL") ?: DEFAULT_SERVER;
	opt->spool = opt->spool ?: default_spool();
	opt->replicas = opt->replicas ?: 1;
	opt->subject = opt->subject ?: default_subject(opt);
	if (!good_servers(opt->servers.urls) || !good_subject(opt->subject) || !plain_folders(opt))
		return false;
	if (opt->device)
		opt->pattern = spool_pattern(opt);
	opt->state = opt->state ?: default_state(opt);
	return true;
}

static const struct publish_options defaults = {
	.stream = "acq",
	.batch = 64 * 1024,
	.latency_ns = NSEC_PER_SEC / 10,
	.window = 64,
};

/* Returns -1: go on; else the exit status. */
static int parse_options(struct publish_options *opt, const char **url, int argc, char **argv)
{
	int c;

	*opt = defaults;
	opt->servers.creds = getenv("NATS_CREDS");
	opt->servers.ca = getenv("NATS_CA");
	opt->servers.cert = getenv("NATS_CERT");
	opt->servers.key = getenv("NATS_KEY");
	while ((c = next_option(argc, argv, "d:f:S:s:qvhV", long_options, usage)) > 0)
		if (c == OPT_SUBSCRIBE)
			*url = optarg;
		else if (!take_option(opt, c))
			goto bad;
	if (!c)
		return EXIT_SUCCESS;
	opt->files = argv + optind;
	opt->count = argc - optind;
	if (*url || complete(opt))
		return -1;
bad:
	fputs("Try 'acqpub --help'.\n", stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct publish_options opt;
	const char *url = NULL;
	int status = parse_options(&opt, &url, argc, argv);

	if (status >= 0)
		return status;
	catch_signals();
	return url ? subscribe(url, &opt.servers) : publish(&opt);
}
