// SPDX-License-Identifier: GPL-2.0-only
/* The commands: their lengths, their limits, what they grant. Built for 32 bits too. */
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>

#include "common.h"

static size_t page;
static int device;

static void open_device(void)
{
	sim_reset();
	page = sysconf(_SC_PAGESIZE);
	device = open_or_fail(O_RDWR);
}

/* Memory that ends with the last byte of a page, behind which there is nothing. */
static void *end_of_memory(size_t bytes)
{
	char *pages =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(pages, MAP_FAILED);
	ck_assert_ok(munmap(pages + page, page));
	return pages + page - bytes;
}

/* Addresses that are not the program's, or nobody's. */
static void bad_addresses(unsigned int cmd, size_t bytes)
{
	char *edge = end_of_memory(0);
	char *read_only = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_errno(command(device, cmd, NULL), EFAULT);
	ck_assert_errno(command(device, cmd, edge), EFAULT);
	/* @size is there, but not what it announces */
	*(uint32_t *)(edge - sizeof(uint32_t)) = bytes;
	ck_assert_errno(command(device, cmd, edge - sizeof(uint32_t)), EFAULT);
	ck_assert_errno(command(device, cmd, (void *)-page), EFAULT);
	ck_assert_errno(command(device, cmd, (void *)-8), EFAULT);
	ck_assert_errno(command(device, cmd, (void *)(UINTPTR_MAX / 4 * 3)), EFAULT);
	/* what is 0 there is no @size */
	ck_assert_errno(command(device, cmd, read_only), EINVAL);
	munmap(read_only, page);
}

/* What a size may announce that the memory behind it doesn't hold. */
static void bad_sizes(unsigned int cmd, const void *good, size_t bytes)
{
	static const uint32_t sizes[] = { 0x7fffffff, 0x80000000, 0xffffffff };
	uint32_t *at = end_of_memory(bytes);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memcpy(at, good, bytes);
		*at = sizes[i];
		ck_assert_int_eq(command(device, cmd, at), -1);
		ck_assert(errno == E2BIG || errno == EFAULT);
	}
}

/*
 * The rules of length for a command whose struct is @good: too short, exact,
 * longer with zeros, longer with something that the kernel doesn't know.
 */
static void lengths(unsigned int cmd, const void *good, size_t bytes)
{
	static const size_t more[] = { 1, 7, 8, 64, 3000 };
	char *at = alloc_or_fail(bytes + 4096);
	uint32_t *size = (uint32_t *)at, i;

	for (i = 0; i < bytes; i++) {
		memcpy(at, good, bytes);
		*size = i;
		ck_assert_errno(command(device, cmd, at), EINVAL);
		/* not even the size was touched */
		*size = bytes;
		ck_assert_mem_eq(at, good, bytes);
	}
	ck_assert_ok(command(device, cmd, at));

	for (i = 0; i < ARRAY_SIZE(more); i++) {
		memset(at, 0, bytes + 4096);
		memcpy(at, good, bytes);
		*size = bytes + more[i];
		ck_assert_ok(command(device, cmd, at));
		memcpy(at, good, bytes);
		*size = bytes + more[i];
		at[bytes + more[i] - 1] = 1;
		ck_assert_errno(command(device, cmd, at), E2BIG);
		at[bytes + more[i] - 1] = 0;
		/* what lies behind is no concern of the kernel's */
		memcpy(at, good, bytes);
		*size = bytes + more[i];
		at[bytes + more[i]] = 1;
		ck_assert_ok(command(device, cmd, at));
		ck_assert_int_eq(at[bytes + more[i]], 1);
		at[bytes + more[i]] = 0;
	}
	free(at);
}

/* The struct ends where the memory does: no byte more is touched. */
static void exact(unsigned int cmd, const void *good, size_t bytes)
{
	void *at = end_of_memory(bytes);

	memcpy(at, good, bytes);
	ck_assert_ok(command(device, cmd, at));
	memcpy(at, good, bytes);
	*(uint32_t *)at = bytes + 1;
	ck_assert_errno(command(device, cmd, at), EFAULT);
}

/* ends with a member that is not padded, and is what the UAPI header says */
#define test_lengths(cmd, type, last, ...) \
	do { \
		const type good = { .size = sizeof(good), ##__VA_ARGS__ }; \
\
		ck_assert_uint_eq(offsetof(type, last) + sizeof(good.last), sizeof(good)); \
		ck_assert_uint_eq(offsetof(type, size), 0); \
		lengths(cmd, &good, sizeof(good)); \
		exact(cmd, &good, sizeof(good)); \
		bad_sizes(cmd, &good, sizeof(good)); \
		bad_addresses(cmd, sizeof(good)); \
	} while (0)

START_TEST(lengths_of_get_info)
{
	test_lengths(ACQ_IOC_GET_INFO, struct acq_info, map_bytes);
}
END_TEST

START_TEST(lengths_of_get_stats)
{
	test_lengths(ACQ_IOC_GET_STATS, struct acq_stats, spurious_irqs);
}
END_TEST

START_TEST(lengths_of_configure)
{
	test_lengths(ACQ_IOC_CONFIGURE, struct acq_config, latency_us, .ring_frames = 8);
}
END_TEST

START_TEST(lengths_of_setup)
{
	test_lengths(ACQ_IOC_SETUP, struct acq_setup, samples, .rate_hz = 100);
}
END_TEST

START_TEST(lengths_of_set_eventfd)
{
	test_lengths(ACQ_IOC_SET_EVENTFD, struct acq_eventfd, fd, .fd = -1);
}
END_TEST

/* It can be done but once: each time it works it has to be undone. */
START_TEST(lengths_of_share_buffer)
{
	static const size_t more[] = { 0, 1, 8, 64 };
	void *memory =
		mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct acq_share good = {
		.size = sizeof(good),
		.addr = (uintptr_t)memory,
		.bytes = 16 * page,
	};
	struct acq_share *share = alloc_or_fail(sizeof(good) + 65);
	uint32_t i;

	ck_assert_ptr_ne(memory, MAP_FAILED);
	for (i = 0; i < sizeof(good); i++) {
		*share = good;
		share->size = i;
		ck_assert_errno(command(device, ACQ_IOC_SHARE_BUFFER, share), EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(more); i++) {
		*share = good;
		share->size += more[i];
		ck_assert_ok(command(device, ACQ_IOC_SHARE_BUFFER, share));
		ck_assert_ok(command(device, ACQ_IOC_UNSHARE_BUFFER, NULL));
		*share = good;
		share->size += more[i] + 1;
		((char *)(share + 1))[more[i]] = 1;
		ck_assert_errno(command(device, ACQ_IOC_SHARE_BUFFER, share), E2BIG);
		((char *)(share + 1))[more[i]] = 0;
	}
	bad_sizes(ACQ_IOC_SHARE_BUFFER, &good, sizeof(good));
	bad_addresses(ACQ_IOC_SHARE_BUFFER, sizeof(good));
	free(share);
}
END_TEST

static const unsigned int bare_commands[] = {
	ACQ_IOC_START,
	ACQ_IOC_STOP,
	ACQ_IOC_FLUSH,
	ACQ_IOC_UNSHARE_BUFFER,
};

START_TEST(bare)
{
	unsigned int cmd = bare_commands[_i];
	struct acq_info before = info(device);

	ck_assert_errno(ioctl(device, cmd, 1), EINVAL);
	ck_assert_errno(ioctl(device, cmd, &device), EINVAL);
	ck_assert_errno(ioctl(device, cmd, ~0UL), EINVAL);
	ck_assert_uint_eq(info(device).flags, before.flags);
}
END_TEST

START_TEST(unknown)
{
	static const unsigned int cmds[] = {
		0,
		~0U,
		_IO(ACQ_IOC_TYPE, 0),
		_IO(ACQ_IOC_TYPE, 0x1f),
		_IO(ACQ_IOC_TYPE, 0x2a),
		_IO(ACQ_IOC_TYPE, 0xff),
		_IO(ACQ_IOC_TYPE + 1, 0x20),
		_IO(ACQ_IOC_TYPE - 1, 0x24),
		_IOR(ACQ_IOC_TYPE, 0x20, struct acq_info),
		_IOWR(ACQ_IOC_TYPE, 0x22, struct acq_config),
		_IOW(ACQ_IOC_TYPE, 0x24, int),
		TCGETS,
		TIOCGWINSZ,
	};
	char *memory = alloc_or_fail(4096);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		ck_assert_errno(ioctl(device, cmds[i], NULL), ENOTTY);
		ck_assert_errno(ioctl(device, cmds[i], memory), ENOTTY);
	}
	free(memory);
}
END_TEST

START_TEST(reserved)
{
	struct acq_info info = { .size = sizeof(info), .reserved = { 1, 0 } };
	struct acq_share share = { .size = sizeof(share), .ring_frames = 1 };

	ck_assert_errno(command(device, ACQ_IOC_GET_INFO, &info), EINVAL);
	info.reserved[0] = 0;
	info.reserved[1] = 1;
	ck_assert_errno(command(device, ACQ_IOC_GET_INFO, &info), EINVAL);

	share.addr = (uintptr_t)mmap(NULL, 16 * page, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	share.bytes = 16 * page;
	ck_assert_errno(command(device, ACQ_IOC_SHARE_BUFFER, &share), EINVAL);
	share.ring_frames = 0;
	ck_assert_ok(command(device, ACQ_IOC_SHARE_BUFFER, &share));
}
END_TEST

/* what comes back may go in again: a program uses one struct for all its calls */
START_TEST(out_is_no_in)
{
	struct acq_info info = { .size = sizeof(info) };
	struct acq_stats stats = { .size = sizeof(stats) };
	int i;

	start_or_fail(device);
	for (i = 0; i < 3; i++) {
		ck_assert_ok(command(device, ACQ_IOC_GET_INFO, &info));
		ck_assert_ok(command(device, ACQ_IOC_GET_STATS, &stats));
		ck_assert_uint_eq(info.size, sizeof(info));
		ck_assert_uint_eq(stats.size, sizeof(stats));
	}
}
END_TEST

/* A result that can't be handed over is an error, and the kernel survives it. */
START_TEST(read_only_struct)
{
	struct acq_info *info =
		mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(info, MAP_FAILED);
	info->size = sizeof(*info);
	ck_assert_ok(mprotect(info, page, PROT_READ));
	ck_assert_errno(command(device, ACQ_IOC_GET_INFO, info), EFAULT);
	ck_assert_uint_eq(info->abi, 0);
}
END_TEST

START_TEST(get_info)
{
	const char *half = getenv("ACQ_BOTTOM_HALF");
	struct acq_info got = info(device);
	uint64_t bytes;

	ck_assert_uint_eq(got.size, sizeof(got));
	ck_assert_uint_eq(got.abi, ACQ_ABI_VERSION);
	ck_assert_str_eq(got.name, "acq");
	ck_assert_str_eq(got.source, "acq_sim");
	ck_assert_uint_eq(got.flags, 0);
	ck_assert_uint_eq(got.rate_hz, 1000);
	ck_assert_uint_ge(got.rate_max_hz, 100000);
	ck_assert_uint_eq(got.channels, 2);
	ck_assert_uint_eq(got.channels_max, 16);
	ck_assert_uint_eq(got.samples, 5);
	ck_assert_uint_ge(got.samples_max, 1024);
	ck_assert_uint_eq(got.format, ACQ_FORMAT_S16);
	ck_assert_uint_eq(got.formats & 1 << ACQ_FORMAT_S16, 1 << ACQ_FORMAT_S16);
	ck_assert_uint_eq(got.payload_max, 20);
	ck_assert_uint_eq(got.stride, 56);
	ck_assert_uint_ge(got.ring_frames, 2);
	ck_assert_uint_eq(got.ring_frames & (got.ring_frames - 1), 0);
	ck_assert_uint_ge(got.ring_frames_max, got.ring_frames);
	ck_assert_uint_eq(got.watermark, 1);
	ck_assert_uint_eq(got.latency_us, 0);
	ck_assert_uint_eq(got.clock, CLOCK_MONOTONIC);
	ck_assert_uint_eq(got.timestamp, ACQ_TIMESTAMP_HARDIRQ);
	ck_assert_uint_eq(got.reserved[0] | got.reserved[1], 0);

	bytes = (uint64_t)got.ring_frames * got.stride;
	ck_assert_uint_eq(got.map_bytes, page + (bytes + page - 1) / page * page);
	if (half)
		ck_assert_uint_eq(got.bottom_half,
				  !strcmp(half, "tasklet")   ? ACQ_BOTTOM_HALF_TASKLET :
				  !strcmp(half, "workqueue") ? ACQ_BOTTOM_HALF_WORKQUEUE :
							       ACQ_BOTTOM_HALF_THREAD);
}
END_TEST

START_TEST(get_info_flags)
{
	int other = open_or_fail(O_RDONLY);

	start_or_fail(device);
	ck_assert_uint_eq(info(device).flags, ACQ_INFO_STREAMING | ACQ_INFO_ATTACHED);
	ck_assert_uint_eq(info(other).flags, ACQ_INFO_STREAMING);
	stop_or_fail(device);
	ck_assert_uint_eq(info(device).flags, ACQ_INFO_STOPPED);
	ck_assert_uint_eq(info(other).flags, 0);
}
END_TEST

/* whoever only looks starts nothing, and has no counts */
START_TEST(get_stats)
{
	struct acq_stats got = stats(device);

	ck_assert_uint_eq(got.size, sizeof(got));
	ck_assert_uint_eq(got.ring, 0);
	ck_assert_uint_eq(got.produced, 0);
	ck_assert_uint_eq(got.delivered_bytes, 0);
	ck_assert_uint_eq(got.wakeups, 0);
	ck_assert_uint_eq(got.pended, 0);
	ck_assert_uint_eq(got.cancelled, 0);
	ck_assert_uint_eq(info(device).flags, 0);
	configure_or_fail(device, 4, 1, 0);
	fill_ring_or_fail(device);
	got = stats(device);
	ck_assert_uint_ge(got.device_frames, got.produced);
	ck_assert_uint_ge(got.irqs, 1);
}
END_TEST

static struct acq_config configure(unsigned int frames, unsigned int watermark,
				   unsigned int latency_us)
{
	struct acq_config config = {
		.size = sizeof(config),
		.ring_frames = frames,
		.watermark = watermark,
		.latency_us = latency_us,
	};

	ck_assert_ok(command(device, ACQ_IOC_CONFIGURE, &config));
	ck_assert_uint_eq(config.size, sizeof(config));
	ck_assert_uint_eq(info(device).ring_frames, config.ring_frames);
	ck_assert_uint_eq(info(device).watermark, config.watermark);
	ck_assert_uint_eq(info(device).latency_us, config.latency_us);
	return config;
}

static void refuse_configure(unsigned int frames, unsigned int watermark, unsigned int latency_us,
			     int error)
{
	struct acq_config config = {
		.size = sizeof(config),
		.ring_frames = frames,
		.watermark = watermark,
		.latency_us = latency_us,
	};
	struct acq_info before = info(device), after;

	ck_assert_int_eq(command(device, ACQ_IOC_CONFIGURE, &config), -1);
	if (error)
		ck_assert_int_eq(errno, error);
	else
		ck_assert(errno == EINVAL || errno == ENOMEM);
	after = info(device);
	ck_assert_mem_eq(&before, &after, sizeof(before));
}

START_TEST(configure_rounds_up)
{
	static const unsigned int asked[] = { 1, 2, 3, 4, 5, 8, 9, 1000, 1024, 1025 };
	static const unsigned int granted[] = { 2, 2, 4, 4, 8, 8, 16, 1024, 1024, 2048 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(asked); i++)
		ck_assert_uint_eq(configure(asked[i], 1, 0).ring_frames, granted[i]);
}
END_TEST

START_TEST(configure_keeps_what_is_zero)
{
	struct acq_config config;

	configure(64, 32, 1000);
	config = configure(0, 0, ACQ_LATENCY_KEEP);
	ck_assert_uint_eq(config.ring_frames, 64);
	ck_assert_uint_eq(config.watermark, 32);
	ck_assert_uint_eq(config.latency_us, 1000);
	config = configure(0, 5, ACQ_LATENCY_KEEP);
	ck_assert_uint_eq(config.ring_frames, 64);
	ck_assert_uint_eq(config.watermark, 5);
	config = configure(0, 0, 0);
	ck_assert_uint_eq(config.watermark, 5);
	ck_assert_uint_eq(config.latency_us, 0);
	config = configure(0, 0, ACQ_LATENCY_MAX_US);
	ck_assert_uint_eq(config.latency_us, ACQ_LATENCY_MAX_US);
	/* and the watermark shrinks with the ring */
	configure(64, 64, 0);
	config = configure(16, 0, 0);
	ck_assert_uint_eq(config.watermark, 16);
	config = configure(64, 0, 0);
	ck_assert_uint_eq(config.watermark, 16);
}
END_TEST

START_TEST(configure_refuses_absurd)
{
	static const unsigned int absurd[] = {
		0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 1 << 30,
	};
	unsigned int i, most = info(device).ring_frames_max;

	configure(64, 32, 1000);
	for (i = 0; i < ARRAY_SIZE(absurd); i++)
		refuse_configure(absurd[i], 0, ACQ_LATENCY_KEEP, 0);
	refuse_configure(most + 1, 0, ACQ_LATENCY_KEEP, 0);
	refuse_configure(0, 65, ACQ_LATENCY_KEEP, EINVAL);
	refuse_configure(32, 33, ACQ_LATENCY_KEEP, EINVAL);
	refuse_configure(0, 0xffffffff, ACQ_LATENCY_KEEP, EINVAL);
	refuse_configure(0, 0, ACQ_LATENCY_MAX_US + 1, EINVAL);
	refuse_configure(0, 0, ACQ_LATENCY_KEEP - 1, EINVAL);
}
END_TEST

/* all that it promises, but it is the program's memory cgroup that may say no */
START_TEST(configure_most)
{
	unsigned int most = info(device).ring_frames_max;

	ck_assert_uint_eq(most & (most - 1), 0);
	ck_assert_uint_eq(configure(most, 1, 0).ring_frames, most);
	sim_stall();
	ck_assert(!command(device, ACQ_IOC_START, NULL) || errno == ENOMEM);
}
END_TEST

START_TEST(configure_busy)
{
	configure(16, 4, 0);
	start_or_fail(device);
	refuse_configure(32, 0, ACQ_LATENCY_KEEP, EBUSY);
	refuse_configure(8, 0, ACQ_LATENCY_KEEP, EBUSY);
	/* but what needs no other memory may change at any time */
	configure(0, 16, 5000);
	configure(0, 1, 0);
	refuse_configure(0, 17, ACQ_LATENCY_KEEP, EINVAL);
	stop_or_fail(device);
	configure(32, 0, ACQ_LATENCY_KEEP);
}
END_TEST

/* a new ring has none of the old one's frames, but the counts know of them */
START_TEST(configure_between)
{
	configure(16, 4, 0);
	fill_ring_or_fail(device);
	stop_or_fail(device);
	configure(32, 1, 0);
	stats(device);
	start_or_fail(device);
	wait_until(readable(device));
	stats(device);
	ck_assert_uint_eq(info(device).ring_frames, 32);
}
END_TEST

static int setup(int fd, struct acq_setup *setup)
{
	setup->size = sizeof(*setup);
	return command(fd, ACQ_IOC_SETUP, setup);
}

START_TEST(setup_grants)
{
	struct acq_setup got = { .rate_hz = 250, .channels = 3, .samples = 7 };

	ck_assert_ok(setup(device, &got));
	ck_assert_uint_eq(got.rate_hz, 250);
	ck_assert_uint_eq(got.channels, 3);
	ck_assert_uint_eq(got.samples, 7);
	ck_assert_uint_eq(info(device).rate_hz, 250);
	ck_assert_uint_eq(info(device).channels, 3);
	ck_assert_uint_eq(info(device).samples, 7);
	ck_assert_uint_eq(info(device).payload_max, 42);
	ck_assert_uint_eq(info(device).stride, 80);

	/* 0: as it is, and that comes back */
	got = (struct acq_setup){ 0 };
	ck_assert_ok(setup(device, &got));
	ck_assert_uint_eq(got.rate_hz, 250);
	ck_assert_uint_eq(got.channels, 3);
	ck_assert_uint_eq(got.samples, 7);
	got = (struct acq_setup){ .channels = 1 };
	ck_assert_ok(setup(device, &got));
	ck_assert_uint_eq(got.channels, 1);
	ck_assert_uint_eq(info(device).payload_max, 14);

	/* too much of a rate is what can be had */
	got = (struct acq_setup){ .rate_hz = 0xffffffff };
	ck_assert_ok(setup(device, &got));
	ck_assert_uint_eq(got.rate_hz, info(device).rate_hz);
	ck_assert_uint_le(got.rate_hz, info(device).rate_max_hz);
	got = (struct acq_setup){ .rate_hz = 1 };
	ck_assert_ok(setup(device, &got));
	ck_assert_uint_eq(got.rate_hz, 1);
}
END_TEST

/* refused as a whole, or granted within bounds; never what can't be */
START_TEST(setup_bounds)
{
	const struct acq_setup absurd[] = {
		{ .channels = 17 },
		{ .channels = 0xffffffff },
		{ .samples = 0xffffffff },
		{ .channels = 0x10000, .samples = 0x10000 },
		{ .rate_hz = 10, .channels = 256, .samples = 1 },
	};
	struct acq_info now;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(absurd); i++) {
		struct acq_setup got = absurd[i];

		if (setup(device, &got)) {
			ck_assert_int_eq(errno, EINVAL);
			ck_assert_uint_eq(info(device).rate_hz, 1000);
			ck_assert_uint_eq(info(device).channels, 2);
			ck_assert_uint_eq(info(device).samples, 5);
		}
		now = info(device);
		ck_assert_uint_le(now.channels, now.channels_max);
		ck_assert_uint_le(now.samples, now.samples_max);
		ck_assert_uint_eq(now.payload_max, now.channels * now.samples * 2);
		sim_reset();
	}
}
END_TEST

START_TEST(setup_needs_write)
{
	struct acq_setup got = { .rate_hz = 10 };
	struct acq_share share = { .size = sizeof(share) };
	int fd = open_or_fail(O_RDONLY);

	ck_assert_errno(setup(fd, &got), EBADF);
	ck_assert_errno(command(fd, ACQ_IOC_SHARE_BUFFER, &share), EBADF);
	ck_assert_uint_eq(info(fd).rate_hz, 1000);
}
END_TEST

START_TEST(setup_busy)
{
	struct acq_setup got = { .rate_hz = 10 };
	int other = open_or_fail(O_RDONLY);

	start_or_fail(other);
	ck_assert_errno(setup(device, &got), EBUSY);
	stop_or_fail(other);
	start_or_fail(device);
	ck_assert_errno(setup(device, &got), EBUSY);
	stop_or_fail(device);
	ck_assert_ok(setup(device, &got));
	ck_assert_uint_eq(got.rate_hz, 10);
}
END_TEST

/* a ring that holds frames of another stride is of no use: they count as flushed */
START_TEST(setup_between)
{
	struct acq_setup got = { .channels = 16, .samples = 64 };
	struct stream stream;

	configure(16, 1, 0);
	fill_ring_or_fail(device);
	stop_or_fail(device);
	ck_assert_ok(setup(device, &got));
	stats(device);
	start_or_fail(device);
	stream_begin(&stream, device);
	ck_assert_uint_eq(stream.info.stride, 32 + 2048);
	stream_read_or_fail(&stream, device, 20);
	ck_assert_uint_ge(stats(device).flushed + stats(device).delivered, 36);
}
END_TEST

/* no one but root and the node's group */
START_TEST(node)
{
	unsigned int major_number, minor_number;
	struct stat stat;
	FILE *file;

	ck_assert_ok(fstat(device, &stat));
	ck_assert(S_ISCHR(stat.st_mode));
	ck_assert_uint_eq(stat.st_mode & 07777, 0660);
	file = fopen("/sys/class/acq/acq/dev", "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%u:%u", &major_number, &minor_number), 2);
	fclose(file);
	ck_assert_uint_eq(major_number, major(stat.st_rdev));
	ck_assert_uint_eq(minor_number, minor(stat.st_rdev));
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("ioctl");
	TCase *rules = tcase_create("rules"), *each = tcase_create("each");

	tcase_add_checked_fixture(rules, open_device, NULL);
	tcase_add_test(rules, lengths_of_get_info);
	tcase_add_test(rules, lengths_of_get_stats);
	tcase_add_test(rules, lengths_of_configure);
	tcase_add_test(rules, lengths_of_setup);
	tcase_add_test(rules, lengths_of_set_eventfd);
	tcase_add_test(rules, lengths_of_share_buffer);
	tcase_add_loop_test(rules, bare, 0, ARRAY_SIZE(bare_commands));
	tcase_add_test(rules, unknown);
	tcase_add_test(rules, reserved);
	tcase_add_test(rules, out_is_no_in);
	tcase_add_test(rules, read_only_struct);
	suite_add_tcase(suite, rules);

	tcase_add_checked_fixture(each, open_device, NULL);
	tcase_add_test(each, get_info);
	tcase_add_test(each, get_info_flags);
	tcase_add_test(each, get_stats);
	tcase_add_test(each, configure_rounds_up);
	tcase_add_test(each, configure_keeps_what_is_zero);
	tcase_add_test(each, configure_refuses_absurd);
	tcase_add_test(each, configure_most);
	tcase_add_test(each, configure_busy);
	tcase_add_test(each, configure_between);
	tcase_add_test(each, setup_grants);
	tcase_add_test(each, setup_bounds);
	tcase_add_test(each, setup_needs_write);
	tcase_add_test(each, setup_busy);
	tcase_add_test(each, setup_between);
	tcase_add_test(each, node);
	suite_add_tcase(suite, each);
	return suite;
}

int main(void)
{
	return run(suite());
}
