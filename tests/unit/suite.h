/* SPDX-License-Identifier: GPL-2.0-only */
/* A suite of one test case. */
#ifndef TEST_SUITE_H
#define TEST_SUITE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 32

/* The words of a line, parted by spaces, behind the program's own name. Returns their number. */
static inline int split_words(const char *line, char *argv[WORDS_MAX])
{
	static char copy[256];
	char *word;
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return argc;
}

/* Run the tests, a list that ends with NULL; returns what main() is to return. */
static inline int run_suite(const char *name, const struct TTest **tests)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	for (; *tests; tests++)
		tcase_add_test(tcase, *tests);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif /* TEST_SUITE_H */
