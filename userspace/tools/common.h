/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tools share. */
#ifndef ACQ_COMMON_H
#define ACQ_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <acq.h>

#ifndef ACQ_VERSION
#define ACQ_VERSION "unknown"
#endif

#define EXIT_LOSS 1 /* loss, damage, or the device failed */
#define EXIT_USAGE 2

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define CLASS_DIR "/sys/class/acq"

#define NSEC_PER_SEC INT64_C(1000000000)

/* One line on stderr that begins with the program's name. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same on a terminal, until the next line comes in its place; NULL: none. */
void say_passing(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void print_version(void);

struct option;

/* getopt_long(3), but --help and --version are answered. Returns the option; -1: no more; 0: so. */
int next_option(int argc, char **argv, const char *letters, const struct option *options,
		const char *usage);

/* That of an option's value. Returns false. */
bool bad_value(const char *what, const char *value, const char *wanted);

/* The whole string is a decimal number of min..max. */
bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* The whole string is a time: seconds, or with a suffix ns, us, ms, s, m, h. */
bool parse_time(const char *text, int64_t *ns);

/* The whole string is a size, not 0: bytes, or with k, M, G or T so many times 1024. */
bool parse_size(const char *text, uint64_t *out);

/* The open device, or NULL after a line that names the cure. */
struct acq *open_device(const char *name, int flags);

/* That line. */
void say_open_error(const char *name, int err);

/* Is it the address of a stream, nats://server/subject? */
bool is_stream(const char *name);

/* A program of ours reads it. Returns where its frames come, or a negative errno value. */
int open_stream(const char *url, pid_t *child);

/* Returns that program's exit status. */
int close_stream(int fd, pid_t child);

/* realloc(3), or the end. */
void *grown(void *mem, size_t bytes);

/* Why there is no device at all, and what to do about it. */
const char *no_device_cure(void);

/* "s16" and the like; "?" for one that we don't know. */
const char *format_name(unsigned int format);

/* A letter for each flag, in the order of the bits: S start, G gap, ... */
#define FLAG_LETTERS "SGOBFP"
#define FLAG_TEXT_MAX 8
const char *flag_text(unsigned int flags, char text[FLAG_TEXT_MAX]);

/* "start", "gap", ... for bit 0, 1, ...; NULL beyond the last. */
const char *flag_name(unsigned int bit);

int64_t clock_ns(void);

#endif /* ACQ_COMMON_H */
