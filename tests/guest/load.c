// SPDX-License-Identifier: GPL-2.0-only
/* Loading, unloading, and parameters: refused cleanly, and nothing is left behind. */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common.h"

static const char *const halves[] = { "thread", "workqueue", "tasklet" };

static const char *half_asked_for(void)
{
	const char *half = getenv("ACQ_BOTTOM_HALF");

	return half ? half : "thread";
}

static bool loaded(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

static void load_core(const char *half)
{
	char params[64];

	snprintf(params, sizeof(params), "bottom_half=%s", half);
	load_module_or_fail("acq", params);
}

static void load(void)
{
	if (!loaded("acq"))
		load_core(half_asked_for());
	if (!loaded("acq_sim"))
		load_module_or_fail("acq_sim", "");
	ck_assert_ok(access(NODE, F_OK));
}

static void unload(void)
{
	unload_module_or_fail("acq_sim");
	unload_module_or_fail("acq");
}

static void no_line_of(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	char line[512];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		ck_assert_msg(!strstr(line, word), "%s: %s", path, line);
	fclose(file);
}

static void nothing_of_sim(void)
{
	ck_assert(access(NODE, F_OK));
	ck_assert(access("/sys/class/acq/acq", F_OK));
	ck_assert(access("/sys/devices/platform/acq_sim", F_OK));
	ck_assert(access("/sys/bus/platform/drivers/acq_sim", F_OK));
	ck_assert(!loaded("acq_sim"));
	no_line_of("/proc/interrupts", "acq");
	no_line_of("/proc/modules", "acq_sim ");
}

static void nothing_left(void)
{
	nothing_of_sim();
	ck_assert(access("/sys/class/acq", F_OK));
	ck_assert(!loaded("acq"));
	no_line_of("/proc/devices", "acq");
	no_line_of("/proc/modules", "acq ");
}

static void read_some(unsigned int frames)
{
	struct stream stream;
	int fd;

	sim_reset();
	fd = open_or_fail(O_RDONLY);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, frames);
	close(fd);
}

/* users pin the modules, and as long as one is there nothing is taken from it */
START_TEST(open_file_pins)
{
	struct stream stream;
	int fd, other;

	sim_reset();
	fd = open_or_fail(O_RDONLY);
	ck_assert_int_eq(unload_module("acq"), EAGAIN);
	ck_assert_int_eq(unload_module("acq_sim"), EAGAIN);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 3);
	ck_assert_int_eq(unload_module("acq_sim"), EAGAIN);
	stream_read_or_fail(&stream, fd, 3);
	other = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	close(fd);
	ck_assert_int_eq(unload_module("acq_sim"), EAGAIN);
	stream_read_or_fail(&stream, other, 3);
	ck_assert_uint_eq(stream.starts, 1);
	close(other);
	unload();
	nothing_left();
}
END_TEST

START_TEST(mapping_pins)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int fd = open_or_fail(O_RDWR);
	void *map = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);

	ck_assert_ptr_ne(map, MAP_FAILED);
	close(fd);
	ck_assert_int_eq(unload_module("acq_sim"), EAGAIN);
	munmap(map, page);
	unload();
	nothing_left();
}
END_TEST

START_TEST(core_needs_no_source)
{
	unload_module_or_fail("acq_sim");
	nothing_of_sim();
	ck_assert(loaded("acq"));
	load();
	read_some(3);
}
END_TEST

START_TEST(many_rounds)
{
	unsigned int i, count = rounds(100, 1000);

	for (i = 0; i < count; i++) {
		load();
		if (i % 10 == 0)
			read_some(2);
		unload();
		if (i % 10 == 0)
			nothing_left();
	}
	nothing_left();
}
END_TEST

/* open, read, close for ever, whether or not there is a device */
static void use(unsigned int pause)
{
	char buf[4096];
	int fd;

	for (;; pause = pause * 5 % 23 + 1) {
		fd = open(NODE, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			ck_assert(read(fd, buf, sizeof(buf)) > 0 || errno == ENODEV);
			close(fd);
		}
		/* unloading has to find a moment without users */
		pause_ms(pause);
	}
}

START_TEST(rounds_in_use)
{
	unsigned int i, count = rounds(25, 1000);
	pid_t children[2];

	for (i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork_or_fail();
		if (!children[i])
			use(i + 1);
	}
	for (i = 0; i < count; i++) {
		load();
		pause_ms(i % 7);
		unload();
	}
	for (i = 0; i < ARRAY_SIZE(children); i++) {
		kill(children[i], SIGKILL);
		ck_assert(WIFSIGNALED(wait_or_fail(children[i])));
	}
	nothing_left();
}
END_TEST

START_TEST(each_bottom_half)
{
	int fd;

	unload();
	load_core(halves[_i]);
	load_module_or_fail("acq_sim", "rate=500 channels=3 samples=4 waveform=counter");
	fd = open_or_fail(O_RDONLY);
	ck_assert_uint_eq(info(fd).bottom_half, ACQ_BOTTOM_HALF_THREAD + _i);
	close(fd);
	read_some(20);
	unload();
}
END_TEST

START_TEST(parameters)
{
	static const char all_params[] =
		"rate=250 channels=3 samples=7 format=u8 waveform=noise irq_frames=5 fifo_depth=50";
	struct acq_info got;
	char value[16];
	int fd;

	unload_module_or_fail("acq_sim");
	load_module_or_fail("acq_sim", all_params);
	fd = open_or_fail(O_RDONLY);
	got = info(fd);
	close(fd);
	ck_assert_uint_eq(got.rate_hz, 250);
	ck_assert_uint_eq(got.channels, 3);
	ck_assert_uint_eq(got.samples, 7);
	ck_assert_uint_eq(got.format, ACQ_FORMAT_U8);
	sim_get("waveform", value, sizeof(value));
	ck_assert_str_eq(value, "noise");
	ck_assert_uint_eq(sim_get_number("irq_frames"), 5);
	ck_assert_uint_eq(sim_get_number("fifo_depth"), 50);
	unload();
}
END_TEST

static const char *const bad_core[] = {
	"bottom_half=",	     "bottom_half=softirq", "bottom_half=threads",
	"ring_max_kib=many", "ring_max_kib=-1",
};

START_TEST(bad_core_parameters)
{
	unload();
	ck_assert_int_eq(load_module("acq", bad_core[_i]), EINVAL);
	nothing_left();
}
END_TEST

static const char *const bad_sim[] = {
	"rate=0",
	"rate=4294967295",
	"rate=99999999999",
	"rate=fast",
	"channels=0",
	"channels=17",
	"samples=0",
	"samples=4294967295",
	"format=s24",
	"format=",
	"waveform=square",
	"waveform=",
	"irq_frames=4294967295",
	"irq_frames=-1",
	"fifo_depth=4294967295",
	"irq_frames=8 fifo_depth=4",
};

START_TEST(bad_sim_parameters)
{
	int error;

	unload_module_or_fail("acq_sim");
	error = load_module("acq_sim", bad_sim[_i]);
	/* a number that doesn't fit is ERANGE, before the module sees it */
	ck_assert_msg(error == EINVAL || error == ERANGE, "%s: %s", bad_sim[_i], strerror(error));
	nothing_of_sim();
	load();
	unload();
}
END_TEST

/* a ring that not even two frames fit into can't be had, and the rest goes on */
START_TEST(ring_bound)
{
	char *buf = alloc_or_fail(65536);
	int fd;

	unload();
	load_module_or_fail("acq", "ring_max_kib=1");
	load_module_or_fail("acq_sim", "channels=1 samples=1000");
	fd = open_or_fail(O_RDONLY);
	ck_assert_int_eq(read(fd, buf, 65536), -1);
	ck_assert(errno == ENOMEM || errno == EINVAL);
	ck_assert(!(info(fd).flags & ACQ_INFO_STREAMING));
	close(fd);
	sim_setup(1000, 1, 4);
	fd = open_or_fail(O_RDONLY);
	ck_assert_uint_eq(info(fd).ring_frames_max, 16);
	ck_assert_uint_le(info(fd).ring_frames, 16);
	ck_assert_int_gt(read(fd, buf, 65536), 0);
	close(fd);
	unload();
	free(buf);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("load");
	TCase *tcase = tcase_create("load");

	tcase_set_timeout(tcase, 3 * PATIENCE_MS / 1000);
	tcase_add_checked_fixture(tcase, load, NULL);
	tcase_add_test(tcase, open_file_pins);
	tcase_add_test(tcase, mapping_pins);
	tcase_add_test(tcase, core_needs_no_source);
	tcase_add_test(tcase, many_rounds);
	tcase_add_test(tcase, rounds_in_use);
	tcase_add_loop_test(tcase, each_bottom_half, 0, ARRAY_SIZE(halves));
	tcase_add_test(tcase, parameters);
	tcase_add_loop_test(tcase, bad_core_parameters, 0, ARRAY_SIZE(bad_core));
	tcase_add_loop_test(tcase, bad_sim_parameters, 0, ARRAY_SIZE(bad_sim));
	tcase_add_test(tcase, ring_bound);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run(suite());
}
