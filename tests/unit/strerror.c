// SPDX-License-Identifier: GPL-2.0-only
/* acq_strerror(): a sentence for each error, and the cure in it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "suite.h"

#include <acq.h>
#include <string.h>

START_TEST(cures)
{
	ck_assert_ptr_nonnull(strstr(acq_strerror(-ENOENT), "modprobe acq_sim"));
	ck_assert_ptr_nonnull(strstr(acq_strerror(-EACCES), "group acq"));
	ck_assert_ptr_nonnull(strstr(acq_strerror(-ENOMEM), "ulimit -l"));
	ck_assert_ptr_nonnull(strstr(acq_strerror(-EPROTONOSUPPORT), "update"));
	ck_assert_ptr_nonnull(strstr(acq_strerror(-ENODEV), "unplugged"));
}
END_TEST

START_TEST(either_sign)
{
	int err;

	for (err = 0; err < 200; err++)
		ck_assert_str_eq(acq_strerror(err), acq_strerror(-err));
}
END_TEST

START_TEST(never_null_and_one_line)
{
	const int odd[] = { INT_MIN, INT_MAX, -4095, 4096, 100000 };
	const char *text;
	int err;
	size_t i;

	for (err = -300; err < 300; err++) {
		text = acq_strerror(err);
		ck_assert_ptr_nonnull(text);
		ck_assert_uint_gt(strlen(text), 0);
		ck_assert_ptr_null(strchr(text, '\n'));
	}
	for (i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		ck_assert_str_eq(acq_strerror(odd[i]), "unknown error");
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		cures,
		either_sign,
		never_null_and_one_line,
		NULL,
	};

	return run_suite("strerror", tests);
}
