// SPDX-License-Identifier: GPL-2.0-only
/*
 * userspace/examples: what a user who runs them sees. Python and the programs of the
 * pipelines are the host's, whose /usr comes by 9p.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common.h"

#define DIR "/examples/"
#define OWN "/tmp/own"

static const char *const programs[] = {
	DIR "read",  DIR "poll",    DIR "mmap",
	DIR "share", DIR "eventfd", DIR "sigio",
	DIR "aio",   DIR "uring",   "python3 " DIR "ring.py",
};

/* The debug kernel has no 9p. */
static int programs_here(void)
{
	return ARRAY_SIZE(programs) - on_debug();
}

static int device;
static unsigned int values; /* of a frame */

static void open_device(void)
{
	struct acq_info got;

	device = open_or_fail(O_RDONLY);
	got = info(device);
	values = got.channels * got.samples;
}

static void begin(void)
{
	sim_plug();
	sim_reset();
	if (on_debug())
		sim_rate(200);
	unlink(SAID);
	unlink(COMPLAINT);
	open_device();
}

static void end(void)
{
	close(device);
}

static pid_t run_program(const char *program, const char *args)
{
	pid_t child = fork_or_fail();
	char line[256];

	if (child)
		return child;
	snprintf(line, sizeof(line), "exec %s %s >" SAID " 2>" COMPLAINT, program, args);
	execl("/bin/sh", "sh", "-c", line, NULL);
	_exit(127);
}

/* What SAID says so far. */
struct said {
	unsigned int frames;
	uint64_t lost; /* between them */
	uint64_t last; /* number of the last one */
};

static void take_line(struct said *said, const char *line)
{
	static double before;
	unsigned long long seq;
	double time;
	long value;

	ck_assert_msg(sscanf(line, "%llu %lf %ld", &seq, &time, &value) == 3, "%s", line);
	/* the counter waveform */
	expect_equal(value, (int16_t)(seq * values));
	if (said->frames) {
		expect(seq > said->last && time >= before);
		said->lost += seq - said->last - 1;
	} else {
		expect(time == 0);
	}
	before = time;
	said->last = seq;
	said->frames++;
}

static struct said said_so_far(void)
{
	struct said said = { 0 };
	FILE *file = fopen(SAID, "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file) && strchr(line, '\n'))
		take_line(&said, line);
	if (file)
		fclose(file);
	return said;
}

static bool complained(void)
{
	struct stat stat_;

	return !stat(COMPLAINT, &stat_) && stat_.st_size;
}

static void run_to_end_or_fail(const char *program, const char *args, int status)
{
	int got = wait_or_fail(run_program(program, args));

	ck_assert(WIFEXITED(got));
	ck_assert_int_eq(WEXITSTATUS(got), status);
}

START_TEST(frames)
{
	struct said said;

	run_to_end_or_fail(programs[_i], "", 0);
	said = said_so_far();
	ck_assert_uint_eq(said.frames, 20);
	ck_assert_uint_eq(said.lost, 0);
	ck_assert(!complained());
	run_to_end_or_fail(programs[_i], "300", 0);
	said = said_so_far();
	ck_assert_uint_eq(said.frames, 300);
	ck_assert_uint_eq(said.lost, 0);
	ck_assert(!complained());
}
END_TEST

START_TEST(hardware_loss)
{
	sim_set("fault_overflow", "1");
	run_to_end_or_fail(programs[_i], "", 1);
	ck_assert_uint_eq(said_so_far().frames, 20);
	complains_or_fail(": the hardware lost data before frame ");
}
END_TEST

/* the losses of which it has told */
static uint64_t lost_by_complaint(void)
{
	FILE *file = fopen(COMPLAINT, "re");
	unsigned long long lost, all = 0;
	char line[128];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		ck_assert_msg(sscanf(line, "%*s %llu frames lost before frame", &lost) == 1, "%s",
			      line);
		all += lost;
	}
	fclose(file);
	return all;
}

/* It stands still until no ring has room: its own one, what it has pended, what it shares. */
static void overrun(pid_t child)
{
	uint64_t full = stats(device).device_frames + 6 * info(device).ring_frames + 1024;

	ck_assert_ok(kill(child, SIGSTOP));
	wait_until(stats(device).device_frames > full);
	ck_assert_ok(kill(child, SIGCONT));
}

/* Each loss is told to the frame, and it goes on; SIGINT ends it without a word. */
START_TEST(gap)
{
	unsigned int before;
	int status;
	pid_t child;

	end();
	sim_setup(on_debug() ? 200 : 500, 1, 2000);
	open_device();
	child = run_program(programs[_i], "1000000");
	wait_until(said_so_far().frames >= 5);
	overrun(child);
	wait_until(complained());
	before = said_so_far().frames;
	wait_until(said_so_far().frames > before);
	ck_assert_ok(kill(child, SIGINT));
	status = wait_or_fail(child);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGINT);
	ck_assert_uint_gt(said_so_far().lost, 0);
	ck_assert_uint_eq(said_so_far().lost, lost_by_complaint());
}
END_TEST

/* also after it was stopped and continued: all that there was, and why there is no more */
START_TEST(unplugged)
{
	unsigned int before;
	struct said said;
	int status;
	pid_t child;

	/* slow enough for a small ring not to fill up while it is stopped */
	sim_rate(200);
	child = run_program(programs[_i], "1000000");
	wait_until(said_so_far().frames >= 5);
	ck_assert_ok(kill(child, SIGSTOP));
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	ck_assert(WIFSTOPPED(status));
	ck_assert_ok(kill(child, SIGCONT));
	before = said_so_far().frames;
	wait_until(said_so_far().frames > before + 20);
	sim_unplug();
	status = wait_or_fail(child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 1);
	complains_or_fail(": /dev/acq: the device is gone");
	said = said_so_far();
	ck_assert_uint_eq(said.lost, 0);
	ck_assert_uint_eq(said.last + 1, stats(device).device_frames);
}
END_TEST

/* 141: the shell's word for SIGPIPE */
START_TEST(pipe_closed)
{
	ck_assert_int_eq(shell("{ %s 1000000; echo $? >/tmp/status; } | head -n 3; %s",
			       programs[_i], "exit $(cat /tmp/status)"),
			 141);
	ck_assert_uint_eq(said_so_far().frames, 3);
	ck_assert(!complained());
}
END_TEST

START_TEST(usage)
{
	static const char *const wrong[] = { "0", "x", "20 20", "''", "-1" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		run_to_end_or_fail(programs[_i], wrong[i], 2);
		complains_or_fail("Usage: ");
	}
}
END_TEST

START_TEST(no_device)
{
	int i;

	end();
	unload_module_or_fail("acq_sim");
	for (i = 0; i < programs_here(); i++) {
		run_to_end_or_fail(programs[i], "", 1);
		complains_or_fail("modprobe acq_sim");
	}
	shell_or_fail("modprobe acq_sim");
	open_device();
}
END_TEST

/* A sine has 256 scans: of 16000 a second, 62.5 times that. */
START_TEST(pipelines)
{
	end();
	sim_set("waveform", "sine");
	sim_setup(1000, 1, 16);
	open_device();
	shell_or_fail("bash " DIR "pipelines.sh");
	says_or_fail(COMPLAINT, "Samples read:             16000\n");
	says_or_fail(COMPLAINT, "Rough   frequency:           62\n");
	says_or_fail(SAID, "  40000 +-----");
	says_or_fail(SAID, " -40000 +-----");
	says_or_fail(SAID, "******");
	says_or_fail(SAID, "timing-1: 16.000 ms (62.500 Hz)\n");
}
END_TEST

/* The host's /usr instead of ours, for this suite alone, which leaves its interrupts to nobody. */
static void borrow_usr(void)
{
	ck_assert_ok(unshare(CLONE_NEWNS));
	ck_assert_ok(mkdir(OWN, 0755));
	ck_assert_ok(mount("/usr/bin", OWN, NULL, MS_BIND, NULL));
	ck_assert_int_eq(system("modprobe virtio_pci && modprobe 9pnet_virtio && modprobe 9p"), 0);
	ck_assert_ok(mount("usr", "/usr", "9p", MS_RDONLY,
			   "trans=virtio,version=9p2000.L,cache=loose,msize=262144"));
	setenv("PATH", OWN ":/usr/bin:/bin", 1);
}

static void return_usr(void)
{
	ck_assert_ok(umount("/usr"));
	ck_assert_int_eq(system("rmmod 9p && rmmod 9pnet_virtio"), 0);
	/* 6.12 has it built in */
	ck_assert_int_eq(system("! grep -q ^virtio_pci /proc/modules || rmmod virtio_pci"), 0);
}

static Suite *suite(void)
{
	Suite *suite = suite_create("examples");
	TCase *tcase = tcase_create("examples");
	int here = programs_here();

	tcase_set_timeout(tcase, 180);
	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_loop_test(tcase, frames, 0, here);
	tcase_add_loop_test(tcase, hardware_loss, 0, here);
	tcase_add_loop_test(tcase, gap, 0, here);
	tcase_add_loop_test(tcase, unplugged, 0, here);
	tcase_add_loop_test(tcase, pipe_closed, 0, here);
	tcase_add_loop_test(tcase, usage, 0, here);
	if (on_debug()) {
		printf("not run: ring.py and pipelines.sh, for want of 9p in this kernel\n");
	} else {
		tcase_add_unchecked_fixture(tcase, borrow_usr, return_usr);
		tcase_add_test(tcase, pipelines);
	}
	tcase_add_test(tcase, no_device);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run(suite());
}
