// SPDX-License-Identifier: GPL-2.0-only
/* What a guest can't do by itself, tests/qemu/host does for it: plug, unplug, send data. */
#include <stdarg.h>
#include <stdio.h>

#include "common.h"

#define HOST "/dev/ttyS1"

/* A line that is not an answer is the echo of something else, or nothing. */
static bool read_answer(int fd, char *answer, size_t bytes)
{
	size_t used = 0;
	char c;

	while (read(fd, &c, 1) == 1 && c != '\n')
		if (used + 1 < bytes)
			answer[used++] = c;
	answer[used] = 0;
	return !strncmp(answer, "ok", 2) || !strncmp(answer, "error", 5);
}

static bool ask(char *answer, size_t bytes, const char *format, va_list args)
{
	int fd = open(HOST, O_RDWR | O_NOCTTY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", HOST, strerror(errno));
	dprintf(fd, "HOST ");
	vdprintf(fd, format, args);
	dprintf(fd, "\n");
	while (!read_answer(fd, answer, bytes))
		;
	close(fd);
	if (strncmp(answer, "ok ", 3))
		return false;
	memmove(answer, answer + 3, strlen(answer + 3) + 1);
	return true;
}

/* Ask, and wait for the answer, which is left in @answer, without its "ok " if it is that. */
bool host_try(char *answer, size_t bytes, const char *format, ...)
{
	va_list args;
	bool done;

	va_start(args, format);
	done = ask(answer, bytes, format, args);
	va_end(args);
	return done;
}

void host_or_fail(char *answer, size_t bytes, const char *format, ...)
{
	va_list args;
	bool done;

	va_start(args, format);
	done = ask(answer, bytes, format, args);
	va_end(args);
	ck_assert_msg(done, "%s: %s", format, answer);
}
