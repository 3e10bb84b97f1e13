// SPDX-License-Identifier: GPL-2.0-only
/* Lines of shell, and what they say. */
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common.h"

/* Run a line of shell, its stdout in SAID and its stderr in COMPLAINT; its exit status. */
int shell(const char *format, ...)
{
	char line[1024], all[1200];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	snprintf(all, sizeof(all), "{ %s; } >" SAID " 2>" COMPLAINT, line);
	status = system(all);
	ck_assert_int_ne(status, -1);
	ck_assert_msg(WIFEXITED(status), "%s: wait status %#x", line, status);
	return WEXITSTATUS(status);
}

char *contents(const char *path, size_t *bytes)
{
	FILE *file = fopen(path, "re");
	struct stat stat;
	char *text;

	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	ck_assert_ok(fstat(fileno(file), &stat));
	text = alloc_or_fail(stat.st_size + 1);
	*bytes = fread(text, 1, stat.st_size, file);
	ck_assert_uint_eq(*bytes, stat.st_size);
	fclose(file);
	return text;
}

unsigned int lines_of(const char *path)
{
	size_t bytes, i;
	char *text = contents(path, &bytes);
	unsigned int lines = 0;

	for (i = 0; i < bytes; i++)
		lines += text[i] == '\n';
	free(text);
	return lines;
}

void says_or_fail(const char *path, const char *words)
{
	size_t bytes;
	char *text = contents(path, &bytes);

	ck_assert_msg(strstr(text, words), "no \"%s\" in: %s", words, text);
	free(text);
}

/* an error is one line */
void complains_or_fail(const char *words)
{
	says_or_fail(COMPLAINT, words);
	ck_assert_uint_eq(lines_of(COMPLAINT), 1);
}
