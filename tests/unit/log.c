// SPDX-License-Identifier: GPL-2.0-only
/* What acqpub publishes: batches of captures, and the mark. Includes the tool. */
#include "acqpub-log.c"
#include "common.c"

#include "run.h"
#include "suite.h"

#define STRIDE ((uint64_t)CAPTURE_STRIDE)

static struct log log_;
static struct batch batch;

static void quiet(void)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

/* Frames seq to seq + n - 1, of which the first has the flag START. */
static void put_capture(const char *name, const char *mode, uint64_t seq, unsigned int n)
{
	FILE *file = fopen(name, mode);
	size_t bytes;
	char *capture = new_capture(seq, n, &bytes);

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(capture, 1, bytes, file), bytes);
	fclose(file);
	free(capture);
}

static void begin_log(const char *pattern, char *const *files, size_t count)
{
	static const struct mark start;

	quiet();
	enter_folder();
	log_ = (struct log){ .pattern = pattern, .files = files, .count = count, .fd = -1 };
	log_begin(&log_, &start);
}

static void end_log(void)
{
	log_end(&log_);
	remove_folder();
}

static int next(unsigned int frames)
{
	return log_next(&log_, frames * STRIDE, &batch);
}

static void assert_batch(uint64_t first, unsigned int count)
{
	ck_assert_uint_eq(batch.first, first);
	ck_assert_uint_eq(batch.count, count);
	ck_assert_uint_eq(batch.last, first + count - 1);
	ck_assert_uint_eq(batch.bytes, count * STRIDE);
	ck_assert_uint_eq(batch.crc, crc32c(batch.data, batch.bytes));
}

/* The next batch is this. */
static void assert_next(unsigned int frames, uint64_t first, unsigned int count)
{
	ck_assert_int_eq(next(frames), LOG_BATCH);
	assert_batch(first, count);
}

static void assert_new_run(void)
{
	uint64_t run = log_.at.run;

	ck_assert_int_eq(next(1), LOG_RUN);
	ck_assert_int_eq(next(1), LOG_RUN);
	log_begin_run(&log_);
	ck_assert_uint_gt(log_.at.run, run);
}

/* that of RFC 3720, and of pieces that are no words */
START_TEST(crc)
{
	ck_assert_uint_eq(crc32c("123456789", 9), 0xe3069283);
	ck_assert_uint_eq(crc32c("", 0), 0);
	ck_assert_uint_eq(~crc_plain(~0U, (const void *)"123456789", 9), 0xe3069283);
}
END_TEST

START_TEST(batches)
{
	char *const files[] = { "run.acq" };
	uint64_t run;

	begin_log(NULL, files, 1);
	put_capture("run.acq", "w", 7, 10);
	assert_new_run();
	run = log_.at.run;
	assert_next(4, 7, 4);
	ck_assert_uint_eq(batch.after.run, 0);
	assert_next(4, 11, 4);
	ck_assert_uint_eq(batch.after.run, run);
	ck_assert_uint_eq(batch.after.seq, 10);
	ck_assert_uint_eq(batch.end.offset, 8 * STRIDE);
	assert_next(4, 15, 2);
	ck_assert_int_eq(next(4), LOG_END);
	end_log();
}
END_TEST

/* It is not split, however small a message should be. */
START_TEST(frame_larger_than_a_batch)
{
	char *const files[] = { "run.acq" };

	begin_log(NULL, files, 1);
	put_capture("run.acq", "w", 0, 2);
	assert_new_run();
	ck_assert_int_eq(log_next(&log_, 1, &batch), LOG_BATCH);
	assert_batch(0, 1);
	ck_assert_int_eq(log_next(&log_, 1, &batch), LOG_BATCH);
	assert_batch(1, 1);
	end_log();
}
END_TEST

START_TEST(mark_goes_on)
{
	char *const files[] = { "a.acq", "b.acq" };
	struct mark mark;

	begin_log(NULL, files, 2);
	put_capture("a.acq", "w", 0, 5);
	put_capture("b.acq", "w", 5, 5);
	assert_new_run();
	assert_next(3, 0, 3);
	mark = batch.end;
	assert_next(3, 3, 2);
	assert_next(3, 5, 3);
	log_begin(&log_, &mark);
	assert_next(2, 3, 2);
	ck_assert_uint_eq(batch.after.seq, 2);
	assert_next(9, 5, 5);
	ck_assert_str_eq(batch.end.file, "b.acq");
	ck_assert_int_eq(next(9), LOG_END);
	end_log();
}
END_TEST

/* Numbers that begin anew are another run, and a mark between the two knows its name. */
START_TEST(numbers_begin_anew)
{
	char *const files[] = { "a.acq", "b.acq" };
	struct mark mark;
	uint64_t run;

	begin_log(NULL, files, 2);
	put_capture("a.acq", "w", 100, 3);
	put_capture("b.acq", "w", 0, 3);
	assert_new_run();
	run = log_.at.run;
	assert_next(9, 100, 3);
	assert_new_run();
	mark = log_.at;
	ck_assert_uint_eq(mark.after.run, run);
	assert_next(9, 0, 3);
	ck_assert_uint_eq(batch.after.run, run);
	ck_assert_uint_eq(batch.after.seq, 102);
	log_begin(&log_, &mark);
	assert_next(9, 0, 3);
	ck_assert_uint_eq(batch.end.run, mark.run);
	end_log();
}
END_TEST

START_TEST(follows_what_grows)
{
	begin_log("adc-*.acq", NULL, 0);
	ck_assert_int_eq(next(9), LOG_NOTHING);
	put_capture("adc-1.acq", "w", 0, 2);
	assert_new_run();
	assert_next(9, 0, 2);
	ck_assert_int_eq(next(9), LOG_NOTHING);
	put_capture("adc-1.acq", "a", 2, 2);
	put_capture("adc-2.acq", "w", 4, 2);
	put_capture("other.acq", "w", 0, 2);
	assert_next(9, 2, 2);
	assert_next(9, 4, 2);
	ck_assert_int_eq(next(9), LOG_NOTHING);
	put_capture("adc-2-2.acq", "w", 8, 2); /* as acqread numbers them */
	put_capture("adc-2-1.acq", "w", 6, 2);
	put_capture("adc-10.acq", "w", 10, 2);
	assert_next(9, 6, 2);
	assert_next(9, 8, 2);
	assert_next(9, 10, 2);
	put_capture("adc-9.acq", "w", 0, 2); /* too late */
	ck_assert_int_eq(next(9), LOG_NOTHING);
	end_log();
}
END_TEST

/* The half of a frame waits for the other; if there is another file, it waits no longer. */
START_TEST(half_a_frame)
{
	size_t bytes;
	char *capture = new_capture(0, 2, &bytes);

	begin_log("adc-*.acq", NULL, 0);
	put_file("adc-1.acq", capture, bytes - 8);
	assert_new_run();
	assert_next(9, 0, 1);
	ck_assert_int_eq(next(9), LOG_NOTHING);
	put_file("adc-1.acq", capture, bytes);
	assert_next(9, 1, 1);
	put_file("adc-2.acq", capture, 40);
	put_capture("adc-3.acq", "w", 2, 1);
	assert_next(9, 2, 1);
	free(capture);
	end_log();
}
END_TEST

START_TEST(damage)
{
	char *const files[] = { "run.acq" };
	size_t bytes;
	char *capture = new_capture(0, 4, &bytes);

	begin_log(NULL, files, 1);
	memset(capture + STRIDE, 0xff, STRIDE);
	put_file("run.acq", capture, bytes);
	assert_new_run();
	assert_next(9, 0, 1);
	assert_next(9, 2, 2);
	ck_assert_uint_eq(log_.skipped, STRIDE);
	ck_assert_int_eq(next(9), LOG_END);
	free(capture);
	end_log();
}
END_TEST

START_TEST(no_capture)
{
	char *const files[] = { "run.acq" };
	static char zeros[100];

	begin_log(NULL, files, 1);
	ck_assert_int_eq(next(9), -ENOENT);
	memset(zeros, 'x', sizeof(zeros));
	put_file("run.acq", zeros, sizeof(zeros));
	ck_assert_int_eq(next(9), -EBADMSG);
	end_log();
}
END_TEST

/* Another file of the name would be published from its middle on. */
START_TEST(shorter_than_the_mark)
{
	char *const files[] = { "run.acq" };
	struct mark mark = { .file = "run.acq", .offset = 9 * STRIDE };

	begin_log(NULL, files, 1);
	put_capture("run.acq", "w", 0, 2);
	log_begin(&log_, &mark);
	ck_assert_int_eq(next(9), -EBADMSG);
	end_log();
}
END_TEST

START_TEST(removes_what_is_acknowledged)
{
	begin_log(NULL, NULL, 0);
	put_capture("adc-1.acq", "w", 0, 1);
	put_capture("adc-2.acq", "w", 0, 1);
	put_capture("adc-10.acq", "w", 0, 1);
	put_capture("adc-11.acq", "w", 0, 1);
	put_capture("b.acq", "w", 0, 1);
	ck_assert_uint_eq(log_count_before("adc-*.acq", "adc-11.acq"), 3);
	log_remove("adc-*.acq", "adc-2.acq", "adc-11.acq");
	ck_assert_int_eq(access("adc-1.acq", F_OK), 0);
	ck_assert_int_ne(access("adc-2.acq", F_OK), 0);
	ck_assert_int_ne(access("adc-10.acq", F_OK), 0);
	ck_assert_int_eq(access("adc-11.acq", F_OK), 0);
	ck_assert_int_eq(access("b.acq", F_OK), 0);
	ck_assert_uint_eq(log_count_before("adc-*.acq", "adc-11.acq"), 1);
	ck_assert_uint_eq(log_count_before("adc-*.acq", ""), 0);
	end_log();
}
END_TEST

/* What is no capture, or was cut off behind the mark, ends a list, but not what is followed. */
START_TEST(leaves_out)
{
	struct mark mark = { .file = "adc-1.acq", .offset = 9 * STRIDE, .run = 1 };

	begin_log("adc-*.acq", NULL, 0);
	put_capture("adc-1.acq", "w", 0, 2);
	put_file("adc-2.acq", "this is no capture, but it is longer than a header of one", 56);
	log_begin(&log_, &mark);
	ck_assert_int_eq(next(9), LOG_NOTHING);
	ck_assert_int_eq(next(9), LOG_NOTHING);
	put_capture("adc-3.acq", "w", 20, 2);
	assert_next(9, 20, 2);
	end_log();
}
END_TEST

/* It is longer than what was acknowledged of the first one. */
START_TEST(another_file_of_the_name)
{
	char *const files[] = { "run.acq" };
	struct mark mark = { .file = "run.acq", .offset = 2 * STRIDE, .run = 1, .after = { 1, 1 } };

	begin_log(NULL, files, 1);
	put_capture("run.acq", "w", 0, 4);
	log_begin(&log_, &mark);
	assert_next(9, 2, 2);
	put_capture("run.acq", "w", 100, 4);
	log_begin(&log_, &mark);
	assert_new_run();
	assert_next(9, 100, 4);
	end_log();
}
END_TEST

START_TEST(mark_is_remembered)
{
	struct mark mark, back;
	int fd;

	begin_log(NULL, NULL, 0);
	fd = mark_open("state", &mark);
	ck_assert_int_ge(fd, 0);
	ck_assert_str_eq(mark.file, "");
	ck_assert_int_eq(mark_open("state", &back), -EBUSY);
	mark = (struct mark){ .offset = 4800, .run = UINT64_MAX, .boot = "some-boot" };
	mark.after = (struct key){ 77, UINT64_MAX };
	memset(mark.file, 'n', NAME_MAX);
	ck_assert_int_eq(mark_save(fd, "state", &mark, true), 0);
	snprintf(mark.file, sizeof(mark.file), " with spaces.acq");
	ck_assert_int_eq(mark_save(fd, "state", &mark, false), 0);
	close(fd);
	fd = mark_open("state", &back);
	ck_assert_int_ge(fd, 0);
	ck_assert_str_eq(back.file, " with spaces.acq");
	ck_assert_uint_eq(back.offset, 4800);
	ck_assert_uint_eq(back.run, UINT64_MAX);
	ck_assert_uint_eq(back.after.run, 77);
	ck_assert_uint_eq(back.after.seq, UINT64_MAX);
	ck_assert_str_eq(back.boot, "some-boot");
	close(fd);
	end_log();
}
END_TEST

START_TEST(mark_is_damaged)
{
	struct mark mark = { .offset = 4800, .boot = "-", .file = "run.acq" }, back;
	int fd;

	begin_log(NULL, NULL, 0);
	fd = mark_open("state", &back);
	ck_assert_int_eq(mark_save(fd, "state", &mark, true), 0);
	ck_assert_int_eq(pwrite(fd, "5", 1, 25), 1);
	close(fd);
	ck_assert_int_eq(mark_open("state", &back), -EBADMSG);
	end_log();
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		crc,
		batches,
		frame_larger_than_a_batch,
		mark_goes_on,
		numbers_begin_anew,
		follows_what_grows,
		half_a_frame,
		damage,
		no_capture,
		shorter_than_the_mark,
		removes_what_is_acknowledged,
		leaves_out,
		another_file_of_the_name,
		mark_is_remembered,
		mark_is_damaged,
		NULL,
	};

	return run_suite("log", tests);
}
