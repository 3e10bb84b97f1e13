// SPDX-License-Identifier: GPL-2.0-only
/* What people do at a prompt: the node under the usual tools, and the tools of our own. */
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"

#define CAPTURE "/tmp/capture.acq"

static size_t stride;

static void begin(void)
{
	int fd;

	sim_reset();
	fd = open_or_fail(O_RDONLY);
	stride = info(fd).stride;
	close(fd);
	unlink(CAPTURE);
}

/* The file is a capture without loss; how many frames? */
static unsigned int frames_of(const char *path)
{
	struct stream stream;
	size_t bytes;
	void *frames = contents(path, &bytes);
	int fd = open_or_fail(O_RDONLY);

	stream_begin(&stream, fd);
	close(fd);
	stream_take_all(&stream, frames, bytes);
	ck_assert_uint_eq(stream.lost, 0);
	free(frames);
	return stream.frames;
}

START_TEST(cat)
{
	char enough[64];

	snprintf(enough, sizeof(enough), "[ $(wc -c <" CAPTURE ") -ge %zu ]", 20 * stride);
	/* 143: the shell's word for SIGTERM */
	ck_assert_int_eq(shell("cat " NODE " >" CAPTURE "& until %s; do sleep 0.05; done; %s",
			       enough, "kill $!; wait $!"),
			 143);
	ck_assert_uint_ge(frames_of(CAPTURE), 20);
}
END_TEST

START_TEST(cat_into_pipe)
{
	shell_or_fail("cat " NODE " | head -c %zu >" CAPTURE, 300 * stride);
	ck_assert_uint_eq(frames_of(CAPTURE), 300);
}
END_TEST

START_TEST(head)
{
	shell_or_fail("head -c %zu " NODE " >" CAPTURE, 400 * stride);
	ck_assert_uint_eq(frames_of(CAPTURE), 400);
}
END_TEST

START_TEST(dd)
{
	shell_or_fail("dd if=" NODE " of=" CAPTURE " bs=%zu count=50", stride);
	ck_assert_uint_eq(frames_of(CAPTURE), 50);
	/* records that are no whole frames are cut to whole ones */
	shell_or_fail("dd if=" NODE " of=" CAPTURE " bs=%zu count=20", 5 * stride + 3);
	ck_assert_uint_ge(frames_of(CAPTURE), 20);
	shell_or_fail("dd if=" NODE " of=" CAPTURE " bs=%zu count=4 iflag=fullblock", 25 * stride);
	ck_assert_uint_eq(frames_of(CAPTURE), 100);
}
END_TEST

START_TEST(dd_too_small)
{
	ck_assert_int_ne(shell("dd if=" NODE " of=" CAPTURE " bs=%zu count=1", stride - 1), 0);
	says_or_fail(COMPLAINT, "Invalid argument");
}
END_TEST

START_TEST(dd_nonblocking)
{
	sim_stall();
	ck_assert_int_ne(shell("dd if=" NODE " of=" CAPTURE " bs=64k count=1 iflag=nonblock"), 0);
	says_or_fail(COMPLAINT, "temporarily unavailable");
}
END_TEST

/* a line a frame: the first word of each is seq */
START_TEST(od)
{
	unsigned long long before = 0, seq;
	unsigned int lines = 0;
	char line[1024];
	FILE *file;

	shell_or_fail("od -An -v -tu8 -w%zu " NODE " | head -n 25", stride);
	file = fopen(SAID, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		seq = strtoull(line, NULL, 10);
		if (lines++)
			ck_assert_uint_eq(seq, before + 1);
		before = seq;
	}
	fclose(file);
	ck_assert_uint_eq(lines, 25);
}
END_TEST

START_TEST(socat)
{
	shell_or_fail("socat -u OPEN:" NODE ",rdonly,readbytes=%zu CREATE:" CAPTURE, 200 * stride);
	ck_assert_uint_eq(frames_of(CAPTURE), 200);
	shell_or_fail("socat -u -b65536 OPEN:" NODE ",rdonly - | head -c %zu >" CAPTURE,
		      200 * stride);
	ck_assert_uint_eq(frames_of(CAPTURE), 200);
}
END_TEST

START_TEST(redirected)
{
	shell_or_fail("{ dd bs=%zu count=10; dd bs=%zu count=10; } <" NODE " >" CAPTURE, stride,
		      stride);
	ck_assert_uint_eq(frames_of(CAPTURE), 20);
}
END_TEST

START_TEST(acqread_table)
{
	sim_set("waveform", "sine");
	shell_or_fail("acqread -n 20");
	ck_assert_uint_ge(lines_of(SAID), 20);
	ck_assert_uint_ge(lines_of(COMPLAINT), 1);
}
END_TEST

static const char *const formats[] = { "table", "raw", "hex", "csv", "json" };

START_TEST(acqread_formats)
{
	shell_or_fail("acqread -n 20 -f %s", formats[_i]);
	if (!strcmp(formats[_i], "raw")) {
		shell_or_fail("acqread -q -n 20 -f raw -o " CAPTURE);
		ck_assert_uint_eq(frames_of(CAPTURE), 20);
	} else {
		ck_assert_uint_ge(lines_of(SAID), 20);
	}
}
END_TEST

START_TEST(acqread_until)
{
	int64_t begin = now_ms();

	shell_or_fail("acqread -q -t 1 -f raw -o " CAPTURE);
	ck_assert_int_ge(now_ms() - begin, 1000);
	ck_assert_uint_ge(frames_of(CAPTURE), 1);
	sim_stall();
	begin = now_ms();
	shell("acqread -q --idle-timeout 1");
	ck_assert_int_ge(now_ms() - begin, 1000);
}
END_TEST

/* a reader that goes away is no error, and SIGINT is an end like another */
START_TEST(acqread_ends)
{
	shell_or_fail("{ acqread; echo $? >/tmp/status; } | head -n 3; exit $(cat /tmp/status)");
	shell_or_fail("acqread -f raw -o " CAPTURE "& %s; kill -INT $!; wait $!",
		      "until [ -s " CAPTURE " ]; do sleep 0.05; done");
	ck_assert_uint_ge(frames_of(CAPTURE), 1);
	says_or_fail(COMPLAINT, "frames");
}
END_TEST

/* timeout(1) sends two: to its child, and to its group, in which that is too */
START_TEST(acqread_told_twice)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		shell_or_fail("acqread -f raw -o " CAPTURE " & pid=$!; "
			      "until [ -s " CAPTURE " ]; do :; done; "
			      "kill -INT $pid; kill -INT $pid; wait $pid");
		says_or_fail(COMPLAINT, "frames");
		unlink(CAPTURE);
	}
}
END_TEST

static bool blocked_in_write(pid_t child)
{
	char path[64], number[8] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/syscall", child);
	file = fopen(path, "re");
	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	ck_assert_ptr_nonnull(fgets(number, sizeof(number), file));
	fclose(file);
	return strtol(number, NULL, 10) == SYS_write && number[0] != 'r';
}

/* who insists gets an end, also where nobody takes the data */
START_TEST(acqread_insisted)
{
	int ends[2], status;
	int64_t began;
	pid_t child;

	ck_assert_ok(pipe2(ends, O_CLOEXEC));
	ck_assert_ok(fcntl(ends[1], F_SETPIPE_SZ, 4096));
	child = fork_or_fail();
	if (!child) {
		dup2(ends[1], 1);
		execlp("acqread", "acqread", "-f", "raw", NULL);
		_exit(127);
	}
	wait_until(blocked_in_write(child));
	began = now_ms();
	wait_until(kill(child, SIGINT) || waitpid(child, &status, WNOHANG) == child);
	ck_assert_int_ge(now_ms() - began, 1000);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGINT);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(acqread_capture)
{
	shell_or_fail("head -c %zu " NODE " >" CAPTURE, 30 * stride);
	shell_or_fail("acqread " CAPTURE);
	ck_assert_uint_ge(lines_of(SAID), 30);
	shell_or_fail("acqread --verify " CAPTURE);
	/* one bit of the tenth payload */
	shell_or_fail("printf '\\377' | dd of=" CAPTURE " bs=1 seek=%zu conv=notrunc",
		      9 * stride + sizeof(struct acq_frame) + 3);
	ck_assert_int_eq(shell("acqread --verify " CAPTURE), 1);
	/* a frame too few */
	shell_or_fail("{ head -c %zu " NODE "; } >" CAPTURE, 30 * stride);
	shell_or_fail("{ head -c %zu " CAPTURE "; tail -c %zu " CAPTURE "; } >" CAPTURE ".cut",
		      10 * stride, 19 * stride);
	ck_assert_int_eq(shell("acqread " CAPTURE ".cut"), 1);
	unlink(CAPTURE ".cut");
}
END_TEST

/* who reads the pipe comes late: the loss is told, and the status is 1 */
START_TEST(acqread_loss)
{
	sim_set_number("irq_frames", 200);
	sim_rate(20000);
	ck_assert_int_eq(shell("%s | { sleep 1; cat >/dev/null; }; exit $(cat /tmp/status)",
			       "{ acqread -r 256 -f json -n 5000; echo $? >/tmp/status; }"),
			 1);
	says_or_fail(COMPLAINT, "lost");
}
END_TEST

/* 100 kB/s of samples, until the reader has enough: no loss, and not a word */
START_TEST(acqread_into_pipe)
{
	static const char *const forms[] = { "raw", "csv", "json", "npy", "vcd", "wav" };
	size_t bytes, i;

	sim_set_number("irq_frames", 50);
	sim_rate(5000);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		shell_or_fail("{ acqread -f %s; echo $? >/tmp/status; } | head -c 200000; "
			      "exit $(cat /tmp/status)",
			      forms[i]);
		ck_assert_uint_eq(lines_of(COMPLAINT), 0);
		free(contents(SAID, &bytes));
		ck_assert_uint_eq(bytes, 200000);
	}
}
END_TEST

/* The bar: none lost, none damaged, at a rate that holds under emulation. */
START_TEST(acqread_verify)
{
	unsigned int frames = on_debug() ? 20000 : torture() ? 10000000 : 1000000;
	unsigned int rate = on_debug() ? 2000 : 40000;

	sim_set_number("irq_frames", rate / 100);
	sim_setup(rate, 1, 1);
	shell_or_fail("acqread -q --verify -n %u", frames);
}
END_TEST

START_TEST(acqctl)
{
	struct acq_info got;
	int fd;

	shell_or_fail("acqctl list");
	says_or_fail(SAID, "acq");
	shell_or_fail("acqctl info");
	says_or_fail(SAID, "acq_sim");
	says_or_fail(SAID, "1000");
	shell_or_fail("acqctl stats");
	shell_or_fail("acqctl info --json");
	says_or_fail(SAID, "{");
	shell_or_fail("acqctl set rate=500 channels=4");
	fd = open_or_fail(O_RDONLY);
	got = info(fd);
	ck_assert_uint_eq(got.rate_hz, 500);
	ck_assert_uint_eq(got.channels, 4);
	ck_assert_uint_eq(got.samples, 5);
	shell_or_fail("acqctl get rate");
	says_or_fail(SAID, "500");
	ck_assert(!(info(fd).flags & ACQ_INFO_STREAMING));

	start_or_fail(fd);
	ck_assert_int_ne(shell("acqctl set rate=1000"), 0);
	complains_or_fail("acqctl");
	ck_assert_int_ne(shell("acqctl set rate=fast"), 0);
	ck_assert_int_ne(shell("acqctl set colour=red"), 0);
}
END_TEST

/* a reader that goes away and SIGINT are ends like others */
START_TEST(acqctl_watch)
{
	shell_or_fail("%s | head -n 3; exit $(cat /tmp/status)",
		      "{ acqctl stats --watch=20ms; echo $? >/tmp/status; }");
	ck_assert_uint_eq(lines_of(SAID), 3);
	says_or_fail(SAID, "frames/s");
	ck_assert_uint_eq(lines_of(COMPLAINT), 0);
	shell_or_fail("acqctl stats --watch=20ms & %s; kill -INT $!; wait $!",
		      "until [ $(wc -l <" SAID ") -ge 2 ]; do sleep 0.05; done");
	ck_assert_uint_ge(lines_of(SAID), 2);
	ck_assert_uint_eq(lines_of(COMPLAINT), 0);
	/* a line each, nothing that only a terminal understands */
	ck_assert_int_eq(shell("grep -q '[^ 0-9a-z/_.]' " SAID), 1);
}
END_TEST

#define TOP "/tmp/top"

/* who looks is no client, and looks once unless told otherwise */
START_TEST(acqctl_top)
{
	shell_or_fail("acqctl top");
	says_or_fail(SAID, "acq: acq_sim, idle, ");
	says_or_fail(SAID, "clients: 0\n");
	ck_assert_uint_eq(lines_of(SAID), 2);
	shell_or_fail("acqread -q -f raw -o " CAPTURE "& until acqctl top acq >" TOP
		      " && grep -q 'attached .* acqread$' " TOP
		      "; do sleep 0.05; done; acqctl -d " NODE " --json top; kill $!; wait $!");
	says_or_fail(TOP, "acq: acq_sim, streaming, ");
	says_or_fail(TOP, "clients: 1\n");
	ck_assert_uint_eq(lines_of(TOP), 3);
	says_or_fail(SAID, "{\"name\": \"acq\", ");
	says_or_fail(SAID, "\"state\": \"attached\", ");
	says_or_fail(SAID, "\"comm\": \"acqread\"}]}\n");
	ck_assert_uint_eq(lines_of(SAID), 1);
	shell_or_fail("acqctl top --watch=20ms | head -n 20");
	ck_assert_uint_eq(lines_of(SAID), 20);
	says_or_fail(SAID, "irqs/s, clients: 0\n");
}
END_TEST

/* a terminal of so many lines, and the process that runs a line of shell on it */
static pid_t on_terminal(const char *line, unsigned short lines, int *terminal)
{
	struct winsize size = { .ws_row = lines, .ws_col = 100 };
	char name[64];
	pid_t child;
	int fd;

	*terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_ok(*terminal);
	ck_assert_int_eq(grantpt(*terminal) ?: unlockpt(*terminal), 0);
	ck_assert_int_eq(ptsname_r(*terminal, name, sizeof(name)), 0);
	child = fork_or_fail();
	if (child)
		return child;
	setsid();
	fd = open(name, O_RDWR);
	if (fd < 0 || ioctl(fd, TIOCSWINSZ, &size) || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 ||
	    dup2(fd, 2) < 0)
		_exit(100);
	execl("/bin/sh", "sh", "-c", line, NULL);
	_exit(101);
}

/* until it has said this so many times */
static void terminal_says_or_fail(int terminal, const char *words, int times)
{
	struct pollfd pollfd = { .fd = terminal, .events = POLLIN };
	char text[32768], *at = text;
	size_t bytes = 0;
	ssize_t got;

	while (times) {
		ck_assert_uint_lt(bytes, sizeof(text) - 1);
		ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
		got = read(terminal, text + bytes, sizeof(text) - 1 - bytes);
		ck_assert_int_gt(got, 0);
		bytes += got;
		text[bytes] = 0;
		while (times && (at = strstr(at, words))) {
			at++;
			times--;
		}
		at = text + bytes - (bytes < strlen(words) ? bytes : strlen(words) - 1);
	}
}

START_TEST(acqctl_top_on_terminal)
{
	int fds[10], i, terminal;
	pid_t child;

	for (i = 0; i < 10; i++)
		fds[i] = open_or_fail(O_RDONLY);
	child = on_terminal("exec acqctl top --watch=20ms", 5, &terminal);
	/* the summary, the names of the columns, one client, and below all the cursor */
	terminal_says_or_fail(terminal, "\033[H", 3);
	terminal_says_or_fail(terminal, "[9 more]\033[K\r\n\033[J", 3);
	ck_assert_int_eq(write(terminal, "\003", 1), 1);
	join_or_fail(child);
	close(terminal);
	for (i = 0; i < 10; i++)
		close(fds[i]);
}
END_TEST

/* Once a second, and gone before the summary. */
START_TEST(acqread_progress)
{
	int terminal;
	pid_t child = on_terminal("exec acqread -f raw -r 512 -o /dev/null", 5, &terminal);

	terminal_says_or_fail(terminal, " frames/s, 0 lost, ring ", 2);
	terminal_says_or_fail(terminal, " of 512", 1);
	ck_assert_int_eq(write(terminal, "\003", 1), 1);
	terminal_says_or_fail(terminal, "\r\033[Kacqread: ", 1);
	join_or_fail(child);
	close(terminal);
}
END_TEST

START_TEST(acqread_usr1)
{
	shell_or_fail("acqread -qq -f raw -o " CAPTURE " & pid=$!; "
		      "until [ -s " CAPTURE " ]; do :; done; kill -USR1 $pid; "
		      "until grep -q kernel: " COMPLAINT "; do :; done; kill -INT $pid; wait $pid");
	says_or_fail(COMPLAINT, " bytes, 0 lost, ");
	says_or_fail(COMPLAINT, " in the ring; ");
	ck_assert_uint_eq(lines_of(COMPLAINT), 2);
}
END_TEST

/* the time of day, from frames that have the monotonic clock's */
START_TEST(acqread_clock)
{
	shell_or_fail("before=$(date +%%s); acqread -qq -n 1 --clock realtime -F %%S -o " CAPTURE
		      "; after=$(date +%%s); at=$(cut -d. -f1 " CAPTURE "); "
		      "[ $at -ge $before ] && [ $at -le $after ]");
	shell_or_fail("before=$(date -u +%%FT%%H); acqread -qq -n 1 -F %%U -o " CAPTURE
		      "; grep -q ^$before " CAPTURE " || grep -q ^$(date -u +%%FT%%H) " CAPTURE);
	shell_or_fail("TZ=XYZ-5:30 acqread -qq -n 1 -F %%L -o " CAPTURE
		      "; grep -q '[0-9]+0530$' " CAPTURE);
	shell_or_fail("acqread -n 1 --clock realtime");
	shell_or_fail("acqread -n 1 -f csv --clock realtime");
}
END_TEST

/* All there, in the files' order. */
START_TEST(acqread_rotates)
{
	shell_or_fail("rm -f /tmp/r*.acq; acqread -q -n 1000 -o /tmp/r.acq --rotate-time 100ms");
	shell_or_fail("cat /tmp/r.acq >" CAPTURE "; i=1; while [ -e /tmp/r-$i.acq ]; "
		      "do cat /tmp/r-$i.acq >>" CAPTURE "; i=$((i + 1)); done; [ $i -gt 2 ]");
	shell_or_fail("acqread -q --verify " CAPTURE " && rm /tmp/r*.acq");
	ck_assert_uint_eq(frames_of(CAPTURE), 1000);
}
END_TEST

#define AS_NOBODY "busybox su -s /bin/sh nobody -c "

START_TEST(acqread_before_others)
{
	shell_or_fail("acqread -qq --realtime 7 --mlock -f raw -o " CAPTURE " & pid=$!; "
		      "until [ -s " CAPTURE " ]; do :; done; cat /proc/$pid/stat; "
		      "grep VmLck /proc/$pid/status; kill -INT $pid; wait $pid");
	says_or_fail(SAID, " 7 1 "); /* 1: SCHED_FIFO */
	says_or_fail(SAID, " kB\n");
	shell_or_fail("! grep 'VmLck:[[:space:]]*0 kB' " SAID);
	ck_assert_int_eq(shell("ulimit -l 0; " AS_NOBODY "'acqread --mlock " CAPTURE "'"), 1);
	complains_or_fail("acqread: --mlock: Operation not permitted; raise 'ulimit -l'");
	ck_assert_int_eq(shell(AS_NOBODY "'acqread --realtime 7 " CAPTURE "'"), 1);
	complains_or_fail("acqread: --realtime 7: Operation not permitted; raise 'ulimit -r'");
}
END_TEST

/* One line that names the cure, and no more. */
START_TEST(acqctl_top_cures)
{
	ck_assert_int_eq(shell("acqctl top acq7"), 1);
	complains_or_fail("acqctl list");
	ck_assert_int_eq(shell("acqctl top .."), 1);
	complains_or_fail("acqctl list");
	ck_assert_int_eq(shell(AS_NOBODY "'acqctl top'"), 1);
	complains_or_fail("sudo acqctl top");
	ck_assert_int_eq(shell("busybox unshare -m sh -c 'umount %s && exec acqctl top'",
			       "/sys/kernel/debug"),
			 1);
	complains_or_fail("sudo mount -t debugfs");
	unlink(TOP);
	ck_assert_int_eq(shell("acqctl top --watch=20ms >" TOP "& %s; echo acq_sim >%s; wait $!",
			       "until [ -s " TOP " ]; do sleep 0.05; done",
			       "/sys/bus/platform/drivers/acq_sim/unbind"),
			 1);
	complains_or_fail("gone");
	shell_or_fail("echo acq_sim >/sys/bus/platform/drivers/acq_sim/bind");
}
END_TEST

START_TEST(acqscope)
{
	sim_set("waveform", "sine");
	shell_or_fail("acqscope -o -");
	ck_assert_uint_eq(lines_of(SAID), 24);
	says_or_fail(SAID, "acq  s16 x 2  5 kS/s  ");
	says_or_fail(SAID, "  0 lost  ");
	says_or_fail(SAID, "  Trig'd\n");
	says_or_fail(SAID, "trigger: auto, ch0 rising 0 (middle)");
}
END_TEST

/* The last picture stays when the device goes, and it is said why. */
START_TEST(acqscope_on_terminal)
{
	int terminal, status;
	pid_t child;

	sim_set("waveform", "sine");
	setenv("TERM", "linux", 1);
	child = on_terminal("exec acqscope", 24, &terminal);
	terminal_says_or_fail(terminal, "Trig'd", 1);
	sim_set("unplug", "1");
	terminal_says_or_fail(terminal, "the device is gone, unplugged or unbound", 1);
	ck_assert_int_eq(write(terminal, "q", 1), 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	close(terminal);
	shell_or_fail("echo acq_sim >/sys/bus/platform/drivers/acq_sim/bind");
}
END_TEST

/* One line that names the cure, and no more. */
START_TEST(no_device)
{
	unload_module_or_fail("acq_sim");
	ck_assert_int_ne(shell("acqread -n 1"), 0);
	complains_or_fail("load a source, for example: sudo modprobe acq_sim");
	ck_assert_int_ne(shell("acqctl list"), 0);
	complains_or_fail("load a source, for example: sudo modprobe acq_sim");
	unload_module_or_fail("acq");
	ck_assert_int_ne(shell("acqread -n 1"), 0);
	complains_or_fail("modprobe acq_sim");
	ck_assert_int_ne(shell("acqctl info"), 0);
	complains_or_fail("modprobe acq_sim");
	ck_assert_int_ne(shell("acqscope -o -"), 0);
	complains_or_fail("modprobe acq_sim");
	ck_assert_int_ne(shell("acqctl top"), 0);
	complains_or_fail("modprobe acq_sim");
	shell_or_fail("modprobe acq_sim && acqread -n 1");
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("shell");
	TCase *usual = tcase_create("usual tools"), *own = tcase_create("own tools");

	tcase_add_checked_fixture(usual, begin, NULL);
	tcase_add_test(usual, cat);
	tcase_add_test(usual, cat_into_pipe);
	tcase_add_test(usual, head);
	tcase_add_test(usual, dd);
	tcase_add_test(usual, dd_too_small);
	tcase_add_test(usual, dd_nonblocking);
	tcase_add_test(usual, od);
	tcase_add_test(usual, socat);
	tcase_add_test(usual, redirected);
	suite_add_tcase(suite, usual);

	tcase_set_timeout(own, 180);
	tcase_add_checked_fixture(own, begin, NULL);
	tcase_add_test(own, acqread_table);
	tcase_add_loop_test(own, acqread_formats, 0, ARRAY_SIZE(formats));
	tcase_add_test(own, acqread_until);
	tcase_add_test(own, acqread_ends);
	tcase_add_test(own, acqread_told_twice);
	tcase_add_test(own, acqread_insisted);
	tcase_add_test(own, acqread_capture);
	tcase_add_test(own, acqread_loss);
	tcase_add_test(own, acqread_into_pipe);
	tcase_add_test(own, acqread_verify);
	tcase_add_test(own, acqctl);
	tcase_add_test(own, acqctl_watch);
	tcase_add_test(own, acqctl_top);
	tcase_add_test(own, acqctl_top_on_terminal);
	tcase_add_test(own, acqread_progress);
	tcase_add_test(own, acqread_usr1);
	tcase_add_test(own, acqread_clock);
	tcase_add_test(own, acqread_rotates);
	tcase_add_test(own, acqread_before_others);
	tcase_add_test(own, acqctl_top_cures);
	tcase_add_test(own, acqscope);
	tcase_add_test(own, acqscope_on_terminal);
	tcase_add_test(own, no_device);
	suite_add_tcase(suite, own);
	return suite;
}

int main(void)
{
	return run(suite());
}
