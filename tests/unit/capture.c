// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tools as a user runs them, without a device: captures, pipes, damage, exit
 * status. Needs acqread and acqctl in the PATH.
 */
#include <time.h>

#include "run.h"
#include "suite.h"

START_TEST(a_sound_capture)
{
	size_t bytes;
	char *capture = begin(1000, &bytes);

	assert_run("acqread run.acq 2>&1 >/dev/null", 0,
		   "acqread: 1000 frames, 48000 bytes, 0 lost, 1000.0 frames/s\n");
	assert_run("acqread --verify -q run.acq 2>&1", 0,
		   "acqread: 1000 frames, 48000 bytes, 0 lost, 0 damaged, 1000.0 frames/s\n");
	assert_run("acqread run.acq 2>/dev/null | wc -l", 0, "1001\n");
	assert_run("acqread -n 3 run.acq 2>/dev/null | wc -l", 0, "4\n");
	assert_run("acqread -qq run.acq 2>&1 | wc -c", 0, "0\n");
	assert_run("acqread -f raw run.acq 2>/dev/null | cmp - run.acq", 0, "");
	assert_run("acqread -o copy.acq run.acq 2>/dev/null && cmp copy.acq run.acq", 0, "");
	assert_run("acqread -f csv run.acq 2>/dev/null | wc -l", 0, "4001\n");
	end(capture);
}
END_TEST

/* A pipe cuts frames anywhere. */
START_TEST(from_a_pipe)
{
	size_t bytes;
	char *capture = begin(1000, &bytes);

	assert_run("dd if=run.acq bs=7 status=none | acqread --verify -q - 2>&1", 0,
		   "1000 frames, 48000 bytes, 0 lost, 0 damaged");
	assert_run("acqread - <run.acq 2>/dev/null | wc -l", 0, "1001\n");
	assert_run("acqread - </dev/null 2>&1", 0, "0 frames, 0 bytes, 0 lost");
	end(capture);
}
END_TEST

START_TEST(loss_is_reported)
{
	size_t bytes;
	char *capture = begin(10, &bytes);
	struct acq_frame *last = (void *)(capture + 9 * CAPTURE_STRIDE);

	last->seq += 5;
	last->flags = ACQ_FRAME_GAP;
	put_file("run.acq", capture, bytes);
	assert_run("acqread -q run.acq 2>&1", 1, "10 frames, 480 bytes, 5 lost");
	assert_run("acqread -qv run.acq 2>&1", 1, "5 frames lost before frame 14");
	last->flags = 0;
	put_file("run.acq", capture, bytes);
	assert_run("acqread -q run.acq 2>&1", 1, "frame 14 is out of order");
	end(capture);
}
END_TEST

START_TEST(overruns_are_reported)
{
	size_t bytes;
	char *capture = begin(10, &bytes);

	((struct acq_frame *)(capture + CAPTURE_STRIDE))->flags = ACQ_FRAME_HW_OVERRUN;
	put_file("run.acq", capture, bytes);
	assert_run("acqread -q run.acq 2>&1", 1, "0 lost, 1 hardware overruns");
	end(capture);
}
END_TEST

START_TEST(altered_values)
{
	size_t bytes;
	char *capture = begin(10, &bytes);

	capture[5 * CAPTURE_STRIDE + 32 + 6] ^= 1;
	put_file("run.acq", capture, bytes);
	assert_run("acqread -q run.acq 2>&1", 0, "10 frames");
	assert_run("acqread --verify -q run.acq 2>&1", 1, "frame 5 is damaged: value 3 is 42");
	assert_run("acqread --verify -q run.acq 2>&1", 1, ", 1 damaged");
	end(capture);
}
END_TEST

/* Frames behind the damage are found again. */
START_TEST(broken_headers)
{
	size_t bytes;
	char *capture = begin(10, &bytes);

	memset(capture + 4 * CAPTURE_STRIDE, 0xff, CAPTURE_STRIDE + 32);
	put_file("run.acq", capture, bytes);
	assert_run("acqread -q run.acq 2>&1", 1, "damaged behind frame 3");
	assert_run("acqread -q run.acq 2>&1", 1, "96 bytes were no frames");
	assert_run("acqread -q run.acq 2>&1", 1, "8 frames, 384 bytes, 2 lost");
	end(capture);
}
END_TEST

START_TEST(not_a_capture)
{
	size_t bytes;
	char *capture = begin(1, &bytes);

	memset(capture, 'x', bytes);
	put_file("run.acq", capture, bytes);
	assert_run("acqread run.acq 2>&1", 1, "not a capture");
	assert_run("acqread none.acq 2>&1", 1, "acqread: none.acq: No such file or directory\n");
	assert_run("acqread . 2>&1", 1, "Is a directory");
	assert_run("acqread run.acq 2>&1 | wc -l", 0, "1\n");
	end(capture);
}
END_TEST

START_TEST(cut_capture)
{
	size_t bytes;
	char *capture = begin(10, &bytes);

	put_file("run.acq", capture, bytes - 1);
	assert_run("acqread -q run.acq 2>&1", 0, "9 frames");
	assert_run("acqread -q run.acq 2>&1", 0, "47 bytes of it were left out");
	assert_run("acqread --verify -q run.acq 2>&1", 1, ", 1 damaged");
	put_file("run.acq", capture, 20);
	assert_run("acqread -q run.acq 2>&1", 0, "0 frames");
	end(capture);
}
END_TEST

START_TEST(closed_pipe_is_no_error)
{
	size_t bytes;
	char *capture = begin(20000, &bytes);

	assert_run(PIPE("acqread run.acq", "head -n 2"), 0, "0\n");
	ck_assert_str_eq(text, "0\n");
	assert_run(PIPE("acqread -f raw run.acq", "head -c 100"), 0, "0\n");
	ck_assert_str_eq(text, "0\n");
	end(capture);
}
END_TEST

START_TEST(output_that_fails)
{
	size_t bytes;
	char *capture = begin(10, &bytes);

	assert_run("acqread run.acq 2>&1 >/dev/full", 1, "No space left");
	assert_run("acqread -o /none/x run.acq 2>&1", 1, "/none/x: No such file");
	end(capture);
}
END_TEST

/* Signals end it with its summary, and what came so far is there. */
START_TEST(signals)
{
	static const char *const names[] = { "INT", "TERM" };
	static const char script[] = "rm -f f; mkfifo f; (cat run.acq; exec sleep 20) >f & w=$!\n"
				     "acqread -q f 2>&1 & r=$!\n"
				     "sleep 0.5; kill -%s $r; wait $r; s=$?; kill $w; exit $s\n";
	size_t bytes, i;
	char line[256], *capture = begin(10, &bytes);
	time_t before = time(NULL);

	for (i = 0; i < 2; i++) {
		snprintf(line, sizeof(line), script, names[i]);
		assert_run(line, 0, "10 frames, 480 bytes, 0 lost");
	}
	ck_assert_int_lt(time(NULL) - before, 15);
	end(capture);
}
END_TEST

/* Also while nobody writes to a pipe, and while there is always something to read. */
START_TEST(signal_without_a_wait)
{
	size_t bytes;
	char *capture = begin(20000, &bytes);

	/* 124: ended by its time limit */
	assert_run("mkfifo f; timeout -k 5 0.2 acqread f; echo $?", 0, "124\n");

	ck_assert_int_eq(run("for i in $(seq 100); do cat run.acq; done >all.acq"), 0);
	assert_run("acqread -o all.csv all.acq 2>said & r=$!\n"
		   "until [ -s all.csv ] || ! kill -0 $r; do :; done\n"
		   "kill -INT $r; wait $r; echo $?; cat said",
		   0, "0\nacqread: ");
	ck_assert_ptr_null(strstr(text, " 2000000 frames"));
	end(capture);
}
END_TEST

/* A reader of a pipe that stays open; what it says on stderr until it says what is asked. */
#define ASKED(reader, ask, until) \
	"rm -f f; mkfifo f; (cat run.acq; exec sleep 60) >f & w=$!\n" reader " & r=$!\n" \
	"for i in $(seq 500); do " until " && break; " ask "; sleep 0.02; done\n" \
	"kill $w; wait $r; s=$?; cat said; exit $s"

START_TEST(usr1)
{
	size_t bytes;
	char *capture = begin(10, &bytes);

	/* the first one may come too early */
	assert_run(ASKED("acqread -qq -o o f 2>said", "[ ! -s o ] || kill -USR1 $r", "[ -s said ]"),
		   0, "acqread: 10 frames, 480 bytes, 0 lost, 1000.0 frames/s\n");
	end(capture);
}
END_TEST

/* On a terminal, unless the frames go there. */
START_TEST(progress_line)
{
	size_t bytes;
	char *capture = begin(10, &bytes);

	assert_run(ASKED("script -qefc 'acqread -q f' said >/dev/null", ":",
			 "grep -q '10 frames, .* frames/s, 0 lost' said"),
		   0, " frames/s, 0 lost\r\033[Kacqread: 10 frames, 480 bytes, 0 lost, 1000.0 ");
	/* it has begun when the last one is there */
	assert_run(ASKED("script -qefc 'acqread f & p=$!; for i in $(seq 500); "
			 "do grep -q \"^ *9 \" said && break; sleep 0.02; done; "
			 "kill -ALRM $p; kill -USR1 $p; wait $p' said >/dev/null",
			 ":", "grep -q '^acqread: 10 frames' said"),
		   0, "acqread: 10 frames, 480 bytes, 0 lost, 1000.0 frames/s\r\n");
	ck_assert_ptr_null(strstr(text, "frames/s, 0 lost"));
	end(capture);
}
END_TEST

START_TEST(time_limits)
{
	size_t bytes;
	char *capture = begin(10, &bytes);

	assert_run("(cat run.acq; sleep 2) | acqread -q --idle-timeout 0.2 - 2>&1", 1,
		   "stdin: nothing came for 0.2 s");
	assert_run("(cat run.acq; sleep 2) | acqread -q -t 0.2 - 2>&1", 0, "10 frames");
	end(capture);
}
END_TEST

START_TEST(bad_usage)
{
	ck_assert_int_eq(run("acqread --bogus 2>&1"), 2);
	ck_assert_int_eq(run("acqread -n x 2>&1"), 2);
	ck_assert_int_eq(run("acqctl 2>&1"), 2);
	ck_assert_int_eq(run("acqctl bogus 2>&1"), 2);
	ck_assert_int_eq(run("acqctl list x 2>&1"), 2);
	ck_assert_int_eq(run("acqctl --bogus 2>&1"), 2);
	assert_run("acqread --version", 0, "acqread 0.");
	assert_run("acqctl --version", 0, "acqctl 0.");
	assert_run("acqread --help", 0, "Usage: acqread");
	assert_run("acqctl --help", 0, "Usage: acqctl");
}
END_TEST

START_TEST(no_device)
{
	assert_run("acqread -d no-such-acq 2>&1", 1, "acqread: no-such-acq: ");
	assert_run("acqctl info no-such-acq 2>&1", 1, "acqctl: no-such-acq: ");
	assert_run("acqread -d /dev/null 2>&1", 1, "not an acq device");
	assert_run("acqread /dev/zero 2>&1", 1, "not an acq device");
	assert_run("acqctl -d /dev/null info 2>&1", 1, "not an acq device");
	if (access("/sys/class/acq", F_OK)) {
		assert_run("acqctl list 2>&1", 1, "sudo modprobe acq_sim");
		assert_run("acqread 2>&1", 1, "sudo modprobe acq_sim");
	}
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		a_sound_capture,
		from_a_pipe,
		loss_is_reported,
		overruns_are_reported,
		altered_values,
		broken_headers,
		not_a_capture,
		cut_capture,
		closed_pipe_is_no_error,
		output_that_fails,
		signals,
		signal_without_a_wait,
		usr1,
		progress_line,
		time_limits,
		bad_usage,
		no_device,
		NULL,
	};

	return run_suite("capture", tests);
}
