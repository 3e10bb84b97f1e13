/* SPDX-License-Identifier: GPL-2.0-only */
/* A suite of one test case: its tests, then RUN_SUITE() as its main(). */
#ifndef TEST_SUITE_H
#define TEST_SUITE_H

#include <check.h>
#include <stdlib.h>

#define RUN_SUITE(name, ...)                                          \
	int main(void)                                                \
	{                                                             \
		const TTest *const tests[] = { __VA_ARGS__ };         \
		Suite *suite = suite_create(name);                    \
		TCase *tcase = tcase_create(name);                    \
		SRunner *runner = srunner_create(suite);              \
		size_t i;                                             \
		int failed;                                           \
                                                                      \
		for (i = 0; i < sizeof(tests) / sizeof(*tests); i++)  \
			tcase_add_test(tcase, tests[i]);              \
		tcase_set_timeout(tcase, 60);                         \
		suite_add_tcase(suite, tcase);                        \
		srunner_run_all(runner, CK_NORMAL);                   \
		failed = srunner_ntests_failed(runner);               \
		srunner_free(runner);                                 \
		return failed ? EXIT_FAILURE : EXIT_SUCCESS;          \
	}

#endif /* TEST_SUITE_H */
