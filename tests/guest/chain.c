// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers that take frames from drivers: acq_decimate averages what the simulated
 * converter counts, so each of its values says from which frames it was made.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "common.h"

#define DOWN "/dev/acq1"
#define DOWN2 "/dev/acq2"
#define FACTOR 16

static bool exists(const char *node)
{
	return !access(node, F_OK);
}

static int open_node_or_fail(const char *node, int flags)
{
	int fd = open(node, flags | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", node, strerror(errno));
	return fd;
}

/* What a test that failed has left. */
static void tidy(void)
{
	wait_until(unload_module("acq_decimate") != EAGAIN);
	sim_plug();
	sim_reset();
	sim_set("format", "s32");
}

static void begin(void)
{
	tidy();
	load_module_or_fail("acq_decimate", "");
	ck_assert(exists(DOWN));
}

static void unload_or_fail(void)
{
	unload_module_or_fail("acq_decimate");
	ck_assert(!exists(DOWN));
}

/* A device downstream, and the frames upstream that its next one is to be made of. */
struct means {
	struct acq_info info;
	unsigned int factor;
	uint64_t seq; /* of the last one */
	uint64_t first; /* sequence number upstream of its first frame */
	uint64_t frames;
	uint64_t lost;
};

static void means_begin(struct means *means, int fd, unsigned int factor)
{
	*means = (struct means){ .info = info(fd), .factor = factor };
}

/* The counter's value @i of frame s is s * values + i, so the mean of a block is known. */
static uint64_t first_frame(const struct means *means, const struct acq_frame *frame)
{
	unsigned int values = means->info.channels * means->info.samples, i;
	const int32_t *data = (const void *)frame->data;
	uint64_t sum = data[0] - values * (means->factor - 1) / 2;

	expect_equal(frame->bytes, values * sizeof(*data));
	for (i = 1; i < values; i++)
		expect_equal(data[i], data[0] + i);
	expect_equal(sum % values, 0);
	return sum / values;
}

/* START stands before all of it; a jump is a gap of as many blocks. */
static void means_take(struct means *means, const struct acq_frame *frame)
{
	uint64_t first = first_frame(means, frame);
	uint64_t jump = frame->seq - means->seq - 1;

	if (!means->frames++) {
		expect(frame->flags & ACQ_FRAME_START);
	} else {
		expect_equal(first - means->first, (frame->seq - means->seq) * means->factor);
		expect_equal(!!(frame->flags & ACQ_FRAME_GAP), !!jump);
		means->lost += jump;
	}
	means->seq = frame->seq;
	means->first = first;
}

static void means_read_or_fail(struct means *means, int fd, unsigned int frames)
{
	char *buf = alloc_or_fail(means->info.stride);

	while (frames--) {
		ck_assert_int_eq(read(fd, buf, means->info.stride), means->info.stride);
		means_take(means, (const void *)buf);
	}
	free(buf);
}

START_TEST(averages)
{
	int up = open_or_fail(O_RDONLY), fd = open_node_or_fail(DOWN, O_RDONLY);
	struct acq_info down = info(fd);
	struct means means;

	ck_assert_str_eq(down.source, "acq_decimate");
	ck_assert_str_eq(down.name, "acq1");
	ck_assert_uint_eq(down.rate_hz, info(up).rate_hz / FACTOR);
	ck_assert_uint_eq(down.channels, info(up).channels);
	ck_assert_uint_eq(down.samples, info(up).samples);
	ck_assert_uint_eq(down.format, info(up).format);
	ck_assert_uint_eq(down.bottom_half, ACQ_BOTTOM_HALF_SOURCE);
	means_begin(&means, fd, FACTOR);
	means_read_or_fail(&means, fd, 40);
	ck_assert_uint_eq(means.lost, 0);
	ck_assert_uint_eq(stats(fd).lost, 0);
	/* opening one file does not start the other device's own clients */
	ck_assert(!(info(up).flags & ACQ_INFO_ATTACHED));
	close(fd);
	close(up);
	unload_or_fail();
}
END_TEST

/* Timestamps are those of the first frame of each block. */
START_TEST(timestamps)
{
	int up = open_or_fail(O_RDONLY), fd = open_node_or_fail(DOWN, O_RDONLY);
	size_t stride = info(up).stride, bytes = 40 * FACTOR * stride;
	char *frames = alloc_or_fail(bytes), *at = frames;
	char *mean = alloc_or_fail(stride);
	struct means means;

	configure_or_fail(up, 4096, 1, 0);
	start_or_fail(up);
	means_begin(&means, fd, FACTOR);
	means_read_or_fail(&means, fd, 1);
	ck_assert_int_eq(read(fd, mean, stride), (ssize_t)stride);
	means_take(&means, (const void *)mean);
	for (; bytes; at += stride, bytes -= stride) {
		const struct acq_frame *frame = (const void *)at;

		ck_assert_int_eq(read(up, at, stride), (ssize_t)stride);
		if (frame->seq == means.first)
			break;
	}
	ck_assert_uint_ne(bytes, 0);
	ck_assert_uint_eq(((const struct acq_frame *)mean)->timestamp_ns,
			  ((const struct acq_frame *)at)->timestamp_ns);
	free(mean);
	free(frames);
	close(fd);
	close(up);
	unload_or_fail();
}
END_TEST

/* The hardware runs for whoever is downstream, and for nobody else. */
START_TEST(starts_and_stops)
{
	int up = open_or_fail(O_RDONLY), fd = open_node_or_fail(DOWN, O_RDONLY);
	struct means means;
	unsigned int i;

	for (i = 0; i < rounds(20, 200); i++) {
		ck_assert(!(info(up).flags & ACQ_INFO_STREAMING));
		start_or_fail(fd);
		ck_assert(info(up).flags & ACQ_INFO_STREAMING);
		means_begin(&means, fd, FACTOR);
		means_read_or_fail(&means, fd, 2);
		stop_or_fail(fd);
		ck_assert(!(info(up).flags & ACQ_INFO_STREAMING));
		flush_or_fail(fd);
	}
	close(fd);
	close(up);
	unload_or_fail();
}
END_TEST

/* More in one interrupt than the ring of the client upstream can hold: lost there, a gap here. */
START_TEST(loss_is_a_gap)
{
	struct means means;
	int fd;

	unload_or_fail();
	sim_set("irq_frames", "1000");
	load_module_or_fail("acq_decimate", "");
	fd = open_node_or_fail(DOWN, O_RDONLY);
	means_begin(&means, fd, FACTOR);
	means_read_or_fail(&means, fd, 60);
	ck_assert_uint_gt(means.lost, 0);
	ck_assert_uint_le(means.lost, stats(fd).lost);
	stop_or_fail(fd);
	means_read_or_fail(&means, fd, stats(fd).ring);
	ck_assert_uint_eq(means.lost, stats(fd).lost);
	ck_assert_uint_eq(stats(fd).produced, means.frames + means.lost);
	close(fd);
	unload_or_fail();
}
END_TEST

/* who is in the kernel keeps the geometry, and gives it back */
START_TEST(geometry)
{
	struct acq_setup setup = { .size = sizeof(setup), .rate_hz = 500 };
	int up = open_or_fail(O_RDWR);

	ck_assert_errno(command(up, ACQ_IOC_SETUP, &setup), EBUSY);
	unload_or_fail();
	ck_assert_ok(command(up, ACQ_IOC_SETUP, &setup));
	ck_assert_uint_eq(setup.rate_hz, 500);
	close(up);
}
END_TEST

START_TEST(parameters)
{
	unload_or_fail();
	ck_assert_int_eq(load_module("acq_decimate", "source=acq9"), ENODEV);
	ck_assert_int_eq(load_module("acq_decimate", "factor=1"), EINVAL);
	ck_assert_int_eq(load_module("acq_decimate", "factor=1000001"), EINVAL);
	/* the second of two: the first is undone */
	ck_assert_int_eq(load_module("acq_decimate", "source=acq,acq9"), ENODEV);
	ck_assert(!exists(DOWN));
	load_module_or_fail("acq_decimate", "source=acq factor=2");
	unload_or_fail();
}
END_TEST

START_TEST(two_deep)
{
	struct means means;
	int fd;

	unload_or_fail();
	load_module_or_fail("acq_decimate", "source=acq,acq1 factor=4,8");
	fd = open_node_or_fail(DOWN2, O_RDONLY);
	ck_assert_uint_eq(info(fd).rate_hz, 1000 / 4 / 8);
	means_begin(&means, fd, 32);
	means_read_or_fail(&means, fd, 5);
	ck_assert_uint_eq(means.lost, 0);
	close(fd);
	unload_or_fail();
	ck_assert_int_eq(load_module("acq_decimate", "source=acq,acq1,acq2"), ELOOP);
	ck_assert(!exists(DOWN));
}
END_TEST

/* What the upstream hardware's end means two devices further: the rest, ENODEV, no node. */
START_TEST(unplug)
{
	struct reader reader;
	struct means means;
	unsigned int i;
	int fd;

	for (i = 0; i < rounds(20, 200); i++) {
		tidy();
		load_module_or_fail("acq_decimate", "source=acq,acq1 factor=4,8");
		fd = open_node_or_fail(DOWN2, O_RDONLY);
		means_begin(&means, fd, 32);
		means_read_or_fail(&means, fd, 1);
		set_watermark_or_fail(fd, 512);
		reader_start_and_block(&reader, fd, 512 * (size_t)means.info.stride);
		sim_unplug();
		if (reader_join(&reader) < 0)
			ck_assert_int_eq(reader.error, ENODEV);
		reader_free(&reader);
		ck_assert_errno(read(fd, &means, sizeof(means)), ENODEV);
		ck_assert_int_eq(poll_now(fd, POLLIN), POLLHUP | POLLERR);
		wait_until(!exists(DOWN) && !exists(DOWN2));
		/* the file pins the module, and nothing else does */
		ck_assert_int_eq(unload_module("acq_decimate"), EAGAIN);
		close(fd);
		unload_or_fail();
	}
}
END_TEST

/* The source's module may go as if nobody were there: it is an unplug. */
START_TEST(source_goes)
{
	struct means means;
	unsigned int i;
	int fd;

	for (i = 0; i < rounds(10, 100); i++) {
		fd = open_node_or_fail(DOWN, O_RDONLY);
		means_begin(&means, fd, FACTOR);
		means_read_or_fail(&means, fd, 1);
		unload_module_or_fail("acq_sim");
		wait_until(!exists(DOWN));
		wait_until(info(fd).flags & ACQ_INFO_GONE);
		close(fd);
		unload_or_fail();
		load_module_or_fail("acq_sim", "");
		begin();
	}
	unload_or_fail();
}
END_TEST

/* The client may go while frames come, and the device's other clients don't notice. */
START_TEST(client_goes)
{
	int up = open_or_fail(O_RDONLY);
	struct stream stream;
	unsigned int i;

	configure_or_fail(up, 8192, 1, 0);
	stream_begin(&stream, up);
	stream_read_or_fail(&stream, up, 10);
	for (i = 0; i < rounds(50, 1000); i++) {
		int fd = open_node_or_fail(DOWN, O_RDONLY);

		start_or_fail(fd);
		stream_read_or_fail(&stream, up, 1 + stats(up).ring);
		close(fd);
		unload_or_fail();
		load_module_or_fail("acq_decimate", "factor=2");
	}
	ck_assert_uint_eq(stream.lost, 0);
	/* a new beginning would hide a loss */
	ck_assert_uint_eq(stream.starts, 1);
	ck_assert_uint_eq(stats(up).lost, 0);
	close(up);
	unload_or_fail();
}
END_TEST

/* Programs come and go downstream while the source is pulled and plugged. */
static void *come_and_go(void *arg)
{
	volatile bool *stop = arg;
	char buf[256];
	int fd;

	while (!*stop) {
		fd = open(DOWN, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, buf, sizeof(buf)) < 0)
			expect(errno == ENODEV);
		close(fd);
	}
	return NULL;
}

START_TEST(races)
{
	pthread_t threads[2];
	bool stop = false;
	unsigned int i;

	spawn_or_fail(&threads[0], come_and_go, &stop);
	spawn_or_fail(&threads[1], come_and_go, &stop);
	for (i = 0; i < rounds(20, 200); i++) {
		pause_ms(i % 7);
		sim_unplug();
		wait_until(!exists(DOWN));
		wait_until(!unload_module("acq_decimate"));
		begin();
	}
	stop = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	unload_or_fail();
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("chain");
	TCase *tcase = tcase_create("decimate");

	tcase_set_timeout(tcase, on_debug() ? 400 : 150);
	tcase_add_checked_fixture(tcase, begin, NULL);
	tcase_add_test(tcase, averages);
	tcase_add_test(tcase, timestamps);
	tcase_add_test(tcase, starts_and_stops);
	tcase_add_test(tcase, loss_is_a_gap);
	tcase_add_test(tcase, geometry);
	tcase_add_test(tcase, parameters);
	tcase_add_test(tcase, two_deep);
	tcase_add_test(tcase, unplug);
	tcase_add_test(tcase, source_goes);
	tcase_add_test(tcase, client_goes);
	tcase_add_test(tcase, races);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run(suite());
}
