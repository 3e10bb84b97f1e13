// SPDX-License-Identifier: GPL-2.0-only
/* What the tools share. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

static bool passing; /* a line of say_passing() is there */

static void clear_passing(void)
{
	if (passing)
		fputs("\r\033[K", stderr);
	passing = false;
}

void say(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	flockfile(stderr);
	clear_passing();
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	funlockfile(stderr);
}

void say_passing(const char *fmt, ...)
{
	struct winsize size;
	char line[256];
	int columns = 80;
	va_list args;

	flockfile(stderr);
	clear_passing();
	if (fmt) {
		va_start(args, fmt);
		vsnprintf(line, sizeof(line), fmt, args);
		va_end(args);
		if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col)
			columns = size.ws_col;
		fprintf(stderr, "%.*s", columns - 1, line);
		passing = true;
	}
	funlockfile(stderr);
}

void print_version(void)
{
	printf("%s " ACQ_VERSION " (ABI %d)\n", program_invocation_short_name, ACQ_ABI_VERSION);
}

int next_option(int argc, char **argv, const char *letters, const struct option *options,
		const char *usage)
{
	int c = getopt_long(argc, argv, letters, options, NULL);

	if (c == 'h')
		fputs(usage, stdout);
	else if (c == 'V')
		print_version();
	else
		return c;
	return 0;
}

bool bad_value(const char *what, const char *value, const char *wanted)
{
	say("%s: \"%s\" is not %s", what, value, wanted);
	return false;
}

bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value < min || value > max)
		return false;
	*out = value;
	return true;
}

bool parse_time(const char *text, int64_t *ns)
{
	static const struct {
		const char *suffix;
		double seconds;
	} units[] = {
		{ "", 1 },   { "s", 1 },    { "ms", 0.001 }, { "us", 0.000001 },
		{ "m", 60 }, { "min", 60 }, { "h", 3600 },
	};
	double value;
	char *end;
	size_t i;

	if (!isdigit((unsigned char)*text) && *text != '.')
		return false;
	value = strtod(text, &end);
	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].suffix))
			continue;
		value *= units[i].seconds;
		if (!(value >= 0 && value <= 1e9)) /* 31 years */
			return false;
		*ns = (int64_t)(value * 1e9 + 0.5);
		return true;
	}
	return false;
}

bool parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "kMGT";
	size_t digits = strspn(text, "0123456789");
	const char *unit = strchr(units, text[digits]);
	unsigned int shift = text[digits] && unit ? 10 * (unit - units + 1) : 0;
	char number[24];

	snprintf(number, sizeof(number), "%.*s", (int)digits, text);
	if (!unit || (*unit && text[digits + 1]) || digits >= sizeof(number) ||
	    !parse_number(number, 1, UINT64_MAX >> shift, out))
		return false;
	*out <<= shift;
	return true;
}

/* Does the first line of a file have the word in it? False if there is no such file. */
static bool says(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	char line[80] = "";
	bool found;

	if (!file)
		return false;
	found = fgets(line, sizeof(line), file) && strstr(line, word);
	fclose(file);
	return found;
}

/* Secure Boot locks the kernel down; module.sig_enforce does without. */
static bool wants_signatures(void)
{
	return says("/sys/module/module/parameters/sig_enforce", "Y") ||
	       says("/sys/kernel/security/lockdown", "[integrity]") ||
	       says("/sys/kernel/security/lockdown", "[confidentiality]");
}

#define NOT_LOADED "the module is not loaded; try: sudo modprobe acq_sim"
#define ENROL "sudo mokutil --import /var/lib/dkms/mok.pub, and reboot"

const char *no_device_cure(void)
{
	if (!access(CLASS_DIR, F_OK))
		return "no device; load a source, for example: sudo modprobe acq_sim";
	if (wants_signatures())
		return NOT_LOADED "; if its key is rejected (Secure Boot): " ENROL;
	return NOT_LOADED;
}

static bool any_device(void)
{
	glob_t found;
	int err = glob(CLASS_DIR "/acq*", GLOB_NOSORT, NULL, &found);

	if (!err)
		globfree(&found);
	return !err;
}

static const char *open_cure(const char *name, int err)
{
	if (err != -ENOENT || strchr(name, '/'))
		return acq_strerror(err);
	if (!any_device())
		return no_device_cure();
	return "no such device; acqctl list shows those there are";
}

void say_open_error(const char *name, int err)
{
	name = name ?: "acq";
	say("%s: %s", name, open_cure(name, err));
}

struct acq *open_device(const char *name, int flags)
{
	struct acq *acq;
	int err = acq_open(&acq, name, flags);

	if (!err)
		return acq;
	say_open_error(name, err);
	return NULL;
}

bool is_stream(const char *name)
{
	return !strncmp(name, "nats://", 7) || !strncmp(name, "tls://", 6);
}

static void run_subscriber(const char *url, int out)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(out, STDOUT_FILENO);
	execlp("acqpub", "acqpub", "--subscribe", url, NULL);
	say("acqpub: %s; it reads streams, and comes with the package acq-nats", strerror(errno));
	_exit(EXIT_LOSS);
}

int open_stream(const char *url, pid_t *child)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	*child = fork();
	if (!*child)
		run_subscriber(url, ends[1]);
	close(ends[1]);
	if (*child > 0)
		return ends[0];
	close(ends[0]);
	return -errno;
}

int close_stream(int fd, pid_t child)
{
	int status;

	close(fd);
	kill(child, SIGTERM);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return EXIT_LOSS;
	return WEXITSTATUS(status);
}

void *grown(void *mem, size_t bytes)
{
	mem = realloc(mem, bytes);
	if (!mem) {
		say("out of memory");
		exit(EXIT_LOSS);
	}
	return mem;
}

const char *format_name(unsigned int format)
{
	static const char *const names[] = {
		[ACQ_FORMAT_U8] = "u8",	      [ACQ_FORMAT_S8] = "s8",	[ACQ_FORMAT_U16] = "u16",
		[ACQ_FORMAT_S16] = "s16",     [ACQ_FORMAT_U32] = "u32", [ACQ_FORMAT_S32] = "s32",
		[ACQ_FORMAT_EVENT] = "event",
	};

	if (format >= ARRAY_SIZE(names) || !names[format])
		return "?";
	return names[format];
}

const char *flag_text(unsigned int flags, char text[FLAG_TEXT_MAX])
{
	static const char letters[] = FLAG_LETTERS;
	char *p = text;
	int i;

	for (i = 0; letters[i]; i++)
		if (flags & 1U << i)
			*p++ = letters[i];
	if (flags >> i)
		*p++ = '?';
	*p = 0;
	return text;
}

const char *flag_name(unsigned int bit)
{
	static const char *const names[] = { "start", "gap",	 "hw_overrun",
					     "break", "framing", "parity" };

	return bit < ARRAY_SIZE(names) ? names[bit] : NULL;
}

int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}
