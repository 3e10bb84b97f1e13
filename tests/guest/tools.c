// SPDX-License-Identifier: GPL-2.0-only
/* Tools that look closely: fio at random queue depths, strace that counts system calls. */
#include <stdio.h>

#include "common.h"

#define CALLS "/tmp/calls"

static size_t stride;

static void begin(void)
{
	int fd;

	sim_reset();
	fd = open_or_fail(O_RDONLY);
	stride = info(fd).stride;
	close(fd);
}

/* Field number N, from 1, of fio's terse line. */
static long terse(unsigned int n)
{
	FILE *file = fopen(SAID, "re");
	char line[4096], *at;

	ck_assert_ptr_nonnull(file);
	/* what comes before is notes */
	do
		ck_assert_msg(fgets(line, sizeof(line), file), "fio said nothing");
	while (strncmp(line, "3;", 2));
	fclose(file);
	for (at = line; --n; at++)
		at = at + strcspn(at, ";");
	return strtol(at, NULL, 10);
}

#define FIO "fio --name=acq --filename=" NODE " --rw=read --thread --group_reporting --minimal"

static const char *const engines[] = { "libaio", "io_uring" };

/* In blocks of several frames, which may come short; a job each for several programs. */
START_TEST(fio)
{
	unsigned int i, depth, block, jobs, kib = on_debug() ? 64 : 512;

	sim_set_number("irq_frames", 20);
	sim_rate(10000);
	srand(1);
	for (i = 0; i < rounds(5, 100); i++) {
		depth = 1 + rand() % 64;
		block = stride * (1 + rand() % 80);
		jobs = 1 + rand() % 3;
		printf("fio: %s, depth %u, block %u, jobs %u\n", engines[_i], depth, block, jobs);
		shell_or_fail("%s --ioengine=%s --iodepth=%u --bs=%u --numjobs=%u --size=%uk", FIO,
			      engines[_i], depth, block, jobs, kib);
		ck_assert_int_eq(terse(5), 0);
		ck_assert_int_gt(terse(6), 0);
	}
}
END_TEST

struct calls {
	unsigned long waits; /* poll and its kin */
	unsigned long others;
};

/* from the table of strace -c: time, seconds, usecs/call, calls, perhaps errors, name */
static struct calls count_calls(void)
{
	FILE *file = fopen(CALLS, "re");
	struct calls calls = { 0 };
	char line[256], name[64];
	unsigned long count;

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*f %*f %*u %lu %*u %63s", &count, name) != 2 &&
		    sscanf(line, "%*f %*f %*u %lu %63s", &count, name) != 2)
			continue;
		if (!strcmp(name, "total"))
			continue;
		if (!strcmp(name, "poll") || !strcmp(name, "ppoll"))
			calls.waits += count;
		else
			calls.others += count;
	}
	fclose(file);
	ck_assert_uint_gt(calls.others, 0);
	return calls;
}

static struct calls acqread(const char *method, unsigned int frames, unsigned int watermark)
{
	shell_or_fail("strace -c -f -o " CALLS " acqread -q -n %u -w %u -l 0 --method %s", frames,
		      watermark, method);
	return count_calls();
}

/* Starting is not quite the same each time; one call for each wait would be 38 more. */
#define SPREAD 20

static const char *const methods[] = { "mmap", "share" };

/*
 * Each wait gives a watermark of frames at least, and besides there are no more
 * system calls for many frames than for few. acqread fails if it lost any.
 */
START_TEST(no_system_call_per_frame)
{
	const unsigned int few = 500, many = 10000, watermark = 250;
	struct calls short_run, long_run;

	sim_set_number("irq_frames", 10);
	sim_rate(2000);
	short_run = acqread(methods[_i], few, watermark);
	long_run = acqread(methods[_i], many, watermark);
	printf("%s: %lu waits and %lu other calls for %u frames, %lu and %lu for %u\n", methods[_i],
	       short_run.waits, short_run.others, few, long_run.waits, long_run.others, many);
	ck_assert_uint_ge(short_run.waits, 1);
	ck_assert_uint_le(short_run.waits, few / watermark + 1);
	ck_assert_uint_le(long_run.waits, many / watermark + 1);
	ck_assert_uint_le(long_run.others, short_run.others + SPREAD);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("tools");
	TCase *tcase = tcase_create("tools");

	tcase_set_timeout(tcase, 250);
	tcase_add_checked_fixture(tcase, begin, NULL);
	tcase_add_loop_test(tcase, fio, 0, ARRAY_SIZE(engines));
	tcase_add_loop_test(tcase, no_system_call_per_frame, 0, ARRAY_SIZE(methods));
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run(suite());
}
