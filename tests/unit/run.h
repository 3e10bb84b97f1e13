/* SPDX-License-Identifier: GPL-2.0-only */
/* Tools as a user runs them: a capture in a folder of its own, and lines of shell. */
#ifndef TEST_RUN_H
#define TEST_RUN_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frames.h"

static char dir[32];
static char text[1 << 20]; /* what the last line printed */

static inline void enter_folder(void)
{
	snprintf(dir, sizeof(dir), "/tmp/acq-tool-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static inline void remove_folder(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static inline void put_file(const char *name, const char *data, size_t bytes)
{
	FILE *file = fopen(name, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
	fclose(file);
}

/* A capture of n frames, in a folder of this test's own. */
static inline char *begin(unsigned int n, size_t *bytes)
{
	char *capture = new_capture(0, n, bytes);

	enter_folder();
	put_file("run.acq", capture, *bytes);
	return capture;
}

static inline void end(char *capture)
{
	remove_folder();
	free(capture);
}

/* Runs a line of shell, returns its exit status and leaves its output in text. */
static inline int run(const char *line)
{
	FILE *pipe = popen(line, "r");
	int status;

	ck_assert_ptr_nonnull(pipe);
	text[fread(text, 1, sizeof(text) - 1, pipe)] = 0;
	status = pclose(pipe);
	ck_assert_msg(WIFEXITED(status), "%s", line);
	return WEXITSTATUS(status);
}

#define assert_run(line, status, expected) \
	do { \
		int _status = run(line); \
\
		ck_assert_msg(_status == (status), "%s: status %d: %s", line, _status, text); \
		ck_assert_msg(strstr(text, expected), "%s: %s", line, text); \
	} while (0)

/* The first one's status, and nothing on stderr. */
#define PIPE(left, right) \
	"bash -c '" left " 2>err | " right " >/dev/null; echo ${PIPESTATUS[0]}; cat err'"

#endif /* TEST_RUN_H */
