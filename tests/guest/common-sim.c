// SPDX-License-Identifier: GPL-2.0-only
/* The simulated converter, through its attributes, and the modules. */
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "common.h"

#define SIM "/sys/devices/platform/acq_sim/"

static void sim_path(char path[static 128], const char *name)
{
	snprintf(path, 128, SIM "%s", name);
}

bool sim_has(const char *name)
{
	char path[128];

	sim_path(path, name);
	return !access(path, F_OK);
}

static int sim_try_set(const char *name, const char *value)
{
	char path[128];
	ssize_t done;
	int fd, error;

	sim_path(path, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	done = write(fd, value, strlen(value));
	error = done < 0 ? errno : 0;
	close(fd);
	return error;
}

/* A client that was killed may be attached a little longer: EBUSY passes. */
void sim_set(const char *name, const char *value)
{
	int error;

	wait_until((error = sim_try_set(name, value)) != EBUSY);
	ck_assert_msg(!error, "%s = %s: %s", name, value, strerror(error));
}

void sim_set_number(const char *name, unsigned long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", value);
	sim_set(name, text);
}

void sim_get(const char *name, char *value, size_t bytes)
{
	char path[128];
	FILE *file;

	sim_path(path, name);
	file = fopen(path, "re");
	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	ck_assert_ptr_nonnull(fgets(value, bytes, file));
	fclose(file);
	value[strcspn(value, "\n")] = '\0';
}

unsigned long sim_get_number(const char *name)
{
	char text[24];

	sim_get(name, text, sizeof(text));
	return strtoul(text, NULL, 0);
}

void sim_setup(unsigned int rate, unsigned int channels, unsigned int samples)
{
	struct acq_setup setup = {
		.size = sizeof(setup),
		.rate_hz = rate,
		.channels = channels,
		.samples = samples,
	};
	int fd = open_or_fail(O_RDWR);
	int error;

	wait_until((error = command(fd, ACQ_IOC_SETUP, &setup) ? errno : 0) != EBUSY);
	ck_assert_msg(!error, "SETUP: %s", strerror(error));
	if (rate)
		ck_assert_uint_eq(setup.rate_hz, rate);
	if (channels)
		ck_assert_uint_eq(setup.channels, channels);
	if (samples)
		ck_assert_uint_eq(setup.samples, samples);
	close(fd);
}

void sim_rate(unsigned int rate)
{
	sim_setup(rate, 0, 0);
}

/*
 * What every test begins with. The payload is 20 bytes, so that a frame of 52
 * has a tail of 4 to be zeroed. Each frame has its interrupt.
 */
void sim_reset(void)
{
	sim_resume();
	sim_set("format", "s16");
	sim_set("waveform", "counter");
	sim_set("irq_frames", "1");
	sim_setup(1000, 2, 5);
}

/* The clock stands still, and what was on its way has arrived. */
void sim_stall(void)
{
	int fd = open_or_fail(O_RDONLY);
	uint64_t frames, before;

	sim_set("fault_stall", "1");
	frames = stats(fd).device_frames;
	do {
		before = frames;
		pause_ms(on_debug() ? 100 : 30);
		frames = stats(fd).device_frames;
	} while (frames != before);
	close(fd);
}

void sim_resume(void)
{
	sim_set("fault_stall", "0");
}

/* what a test has unplugged, or left so */
void sim_plug(void)
{
	int fd;

	if (!access(NODE, F_OK))
		return;
	fd = open("/sys/bus/platform/drivers/acq_sim/bind", O_WRONLY | O_CLOEXEC);
	ck_assert_ok(fd);
	ck_assert_int_eq(write(fd, "acq_sim", 7), 7);
	close(fd);
	ck_assert(!access(NODE, F_OK));
}

/* as the hardware would: the driver notices and lets go */
void sim_unplug(void)
{
	sim_set("unplug", "1");
	wait_until(access(NODE, F_OK));
}

/* 0 or an errno */
int load_module(const char *name, const char *params)
{
	struct utsname system;
	char path[256];
	int fd, error;

	uname(&system);
	snprintf(path, sizeof(path), "/lib/modules/%s/updates/%s.ko", system.release, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	error = syscall(SYS_finit_module, fd, params, 0) ? errno : 0;
	close(fd);
	return error;
}

void load_module_or_fail(const char *name, const char *params)
{
	int error = load_module(name, params);

	ck_assert_msg(!error, "loading %s %s: %s", name, params, strerror(error));
}

int unload_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0;
}

/* A file that was just closed by a killed program pins the module a little longer. */
void unload_module_or_fail(const char *name)
{
	int error;

	wait_until((error = unload_module(name)) != EAGAIN && error != EBUSY);
	ck_assert_msg(!error, "unloading %s: %s", name, strerror(error));
}
