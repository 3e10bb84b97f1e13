// SPDX-License-Identifier: GPL-2.0-only
/* The simulated converter's own attributes, signals and faults. */
#include <inttypes.h>
#include <stdio.h>

#include "common.h"

#define SYSFS "/sys/devices/platform/acq_sim/"
#define DRIVER "/sys/bus/platform/drivers/acq_sim/"
#define HANGUP (POLLHUP | POLLERR)

/* 0 or an errno */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}

static int try_set(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), SYSFS "%s", name);
	return write_file(path, value);
}

static bool sim_is(const char *name, const char *value)
{
	char is[32];

	sim_get(name, is, sizeof(is));
	return !strcmp(is, value);
}

static bool wait_readable(int fd, int timeout_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, timeout_ms) == 1 && (pollfd.revents & POLLIN);
}

/* the next frame, into static memory */
static const struct acq_frame *next_frame(int fd)
{
	static union {
		struct acq_frame frame;
		char bytes[16384];
	} buf;
	size_t stride = info(fd).stride;
	ssize_t got = read(fd, &buf, stride);

	ck_assert_msg(got == (ssize_t)stride, "read: %zd, %s", got, strerror(errno));
	return &buf.frame;
}

static void start(void)
{
	ck_assert_ok(access(NODE, F_OK));
	wait_until(sim_has("unplug"));
	sim_set("fault_overflow", "0");
	sim_set("fifo_depth", "0");
	sim_reset();
}

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 3 * PATIENCE_MS / 1000);
	tcase_add_checked_fixture(tcase, start, NULL);
	suite_add_tcase(suite, tcase);
	return tcase;
}

/* ---- attributes ---- */

struct attempt {
	const char *name;
	const char *value;
	const char *becomes; /* NULL: refused with EINVAL */
};

static const struct attempt attempts[] = {
	{ "format", "u8", "u8" },
	{ "format", "s8", "s8" },
	{ "format", "u16\n", "u16" },
	{ "format", "s16", "s16" },
	{ "format", "u32", "u32" },
	{ "format", "s32", "s32" },
	{ "format", "event", NULL },
	{ "format", "S16", NULL },
	{ "format", "s1", NULL },
	{ "format", "s166", NULL },
	{ "format", "\n", NULL },
	{ "waveform", "sine", "sine" },
	{ "waveform", "ramp\n", "ramp" },
	{ "waveform", "counter", "counter" },
	{ "waveform", "noise", "noise" },
	{ "waveform", "square", NULL },
	{ "waveform", "\n", NULL },
	{ "irq_frames", "1", "1" },
	{ "irq_frames", "0x10", "16" },
	{ "irq_frames", "65536", "65536" },
	{ "irq_frames", "65537", NULL },
	{ "irq_frames", "-1", NULL },
	{ "irq_frames", "", NULL },
	{ "irq_frames", "ten", NULL },
	{ "irq_frames", "1 2", NULL },
	{ "irq_frames", "4294967297", NULL },
	{ "fifo_depth", "1", "1" },
	{ "fifo_depth", "16777216", "16777216" },
	{ "fifo_depth", "16777217", NULL },
	{ "fifo_depth", "-1", NULL },
	{ "fault_stall", "1", "1" },
	{ "fault_stall", "0", "0" },
	{ "fault_stall", "2", NULL },
	{ "fault_spurious", "0", "0" },
	{ "fault_spurious", "10001", NULL },
	{ "fault_spurious", "-1", NULL },
	{ "fault_overflow", "4294967295", "4294967295" },
	{ "fault_overflow", "0", "0" },
	{ "fault_overflow", "4294967296", NULL },
	{ "fault_storm", "10000", "10000" },
	{ "fault_storm", "0", "0" },
	{ "fault_storm", "10001", NULL },
	{ "fault_dead", "0", "0" },
	{ "fault_dead", "2", NULL },
	{ "unplug", "0", NULL },
	{ "unplug", "now", NULL },
};

START_TEST(attribute_values)
{
	const struct attempt *a = &attempts[_i];
	char before[32] = "", after[32] = "";
	int error;

	if (strcmp(a->name, "unplug"))
		sim_get(a->name, before, sizeof(before));
	/* a write of nothing never reaches an attribute */
	error = *a->value ? try_set(a->name, a->value) : EINVAL;
	if (a->becomes) {
		ck_assert_int_eq(error, 0);
		ck_assert_msg(sim_is(a->name, a->becomes), "%s: %s", a->name, a->value);
		return;
	}
	ck_assert_msg(error == EINVAL, "%s=%s: %s", a->name, a->value, strerror(error));
	if (!strcmp(a->name, "unplug"))
		return;
	sim_get(a->name, after, sizeof(after));
	ck_assert_str_eq(after, before);
}
END_TEST

static const struct attempt shapes[] = {
	{ "format", "s32", "s16" },
	{ "irq_frames", "2", "1" },
	{ "fifo_depth", "100", "1000" },
};

START_TEST(shape_is_busy_while_streaming)
{
	const struct attempt *a = &shapes[_i];
	int fd = open_or_fail(O_RDONLY);

	start_or_fail(fd);
	ck_assert_int_eq(try_set(a->name, a->value), EBUSY);
	ck_assert(sim_is(a->name, a->becomes));
	/* an invalid one is invalid all the same, or busy; never accepted */
	ck_assert_int_ne(try_set(a->name, "wrong"), 0);
	stop_or_fail(fd);
	ck_assert_int_eq(try_set(a->name, a->value), 0);
	ck_assert(sim_is(a->name, a->value));
	close(fd);
}
END_TEST

START_TEST(irq_frames_by_the_rate)
{
	sim_set("irq_frames", "0");
	sim_rate(10);
	ck_assert_uint_eq(sim_get_number("irq_frames"), 1);
	sim_rate(100000);
	ck_assert_uint_eq(sim_get_number("irq_frames"), 100);
	ck_assert_uint_ge(sim_get_number("fifo_depth"), 400);
	sim_set("fifo_depth", "40");
	ck_assert_uint_le(sim_get_number("irq_frames"), 10);
	sim_set("fifo_depth", "0");
	ck_assert_uint_eq(sim_get_number("irq_frames"), 100);
}
END_TEST

START_TEST(depth_holds_an_interrupt)
{
	sim_set("irq_frames", "8");
	ck_assert_int_eq(try_set("fifo_depth", "7"), EINVAL);
	sim_set("fifo_depth", "8");
	ck_assert_int_eq(try_set("irq_frames", "9"), EINVAL);
	ck_assert_uint_eq(sim_get_number("irq_frames"), 8);
	ck_assert_uint_eq(sim_get_number("fifo_depth"), 8);
}
END_TEST

START_TEST(setup_limits)
{
	struct acq_setup most = {
		.size = sizeof(most),
		.rate_hz = UINT32_MAX,
		.channels = 16,
		.samples = 4096,
	};
	struct acq_setup bad = { .size = sizeof(bad), .channels = 17 };
	int fd = open_or_fail(O_RDWR);
	struct acq_info is;

	sim_set("format", "s32");
	ck_assert_ok(command(fd, ACQ_IOC_SETUP, &most));
	is = info(fd);
	/* as fast as frames of that size can be moved */
	ck_assert_uint_gt(is.rate_hz, 0);
	ck_assert_uint_le((uint64_t)is.rate_hz * is.stride, 1000000000);
	ck_assert_uint_eq(is.rate_hz, most.rate_hz);
	ck_assert_uint_eq(is.channels_max, 16);
	ck_assert_uint_eq(is.samples_max, 4096);
	ck_assert_errno(command(fd, ACQ_IOC_SETUP, &bad), EINVAL);
	bad.channels = 0;
	bad.samples = 4097;
	ck_assert_errno(command(fd, ACQ_IOC_SETUP, &bad), EINVAL);
	ck_assert_uint_eq(info(fd).stride, is.stride);

	sim_set("format", "s16");
	sim_setup(0, 1, 16);
	most.channels = 0;
	most.samples = 0;
	most.rate_hz = UINT32_MAX;
	ck_assert_ok(command(fd, ACQ_IOC_SETUP, &most));
	ck_assert_uint_eq(most.rate_hz, info(fd).rate_max_hz);
	close(fd);
}
END_TEST

/* ---- signals ---- */

struct shape {
	const char *format;
	unsigned int channels;
	unsigned int samples;
};

static const struct shape signal_shapes[] = {
	{ "u8", 1, 1 },	  { "u8", 3, 7 },   { "s8", 16, 5 }, { "u16", 1, 1 }, { "s16", 2, 5 },
	{ "s16", 1, 16 }, { "s16", 16, 3 }, { "u32", 3, 3 }, { "s32", 1, 1 }, { "s32", 16, 20 },
};

static int open_signal(const struct shape *shape, const char *waveform)
{
	sim_set("waveform", waveform);
	sim_set("format", shape->format);
	sim_setup(2000, shape->channels, shape->samples);
	return open_or_fail(O_RDONLY);
}

/* more than 2^16 values, so that all but the widest wrap; in interrupts of many frames */
START_TEST(counter_is_a_function_of_seq)
{
	const struct shape *shape = &signal_shapes[_i];
	unsigned int frames = 70000 / (shape->channels * shape->samples) + 1;
	struct stream stream;
	int fd;

	if (frames > 7000)
		frames = 7000;
	sim_set("irq_frames", "50");
	sim_setup(50000, 1, 1);
	fd = open_signal(shape, "counter");
	sim_rate(20000);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, frames);
	close(fd);
}
END_TEST

/* value i of a frame, scaled to -1..1 */
static double value_of(const struct acq_frame *frame, unsigned int i)
{
	const void *data = frame->data;

	switch (frame->format) {
	case ACQ_FORMAT_U8:
		return ((const uint8_t *)data)[i] / 128.0 - 1;
	case ACQ_FORMAT_S8:
		return ((const int8_t *)data)[i] / 128.0;
	case ACQ_FORMAT_U16:
		return ((const uint16_t *)data)[i] / 32768.0 - 1;
	case ACQ_FORMAT_S16:
		return ((const int16_t *)data)[i] / 32768.0;
	case ACQ_FORMAT_U32:
		return ((const uint32_t *)data)[i] / 2147483648.0 - 1;
	default:
		return ((const int32_t *)data)[i] / 2147483648.0;
	}
}

#define PERIOD 256 /* scans */

/* scan @t of channel @k, in turns of the period */
static double phase_of(uint64_t t, unsigned int k, unsigned int channels)
{
	return (t + k * PERIOD / channels) % PERIOD / (double)PERIOD;
}

static double ramp(double phase)
{
	return 2 * phase - 1;
}

/* Bhaskara's approximation, exact to 0.002, so that no libm is needed */
static double sine(double phase)
{
	double x = phase < 0.5 ? phase : phase - 0.5;
	double y = 16 * x * (0.5 - x);
	double value = 4 * y / (5 - y);

	return phase < 0.5 ? value : -value;
}

static void check_signal(const struct shape *shape, const char *waveform,
			 double (*expected)(double phase))
{
	int fd = open_signal(shape, waveform);
	double least = 1, most = -1;
	const struct acq_frame *frame;
	unsigned int i, k, scans;

	/* two periods: phase goes on from frame to frame */
	for (scans = 0; scans < 2 * PERIOD; scans += shape->samples) {
		frame = next_frame(fd);
		ck_assert_uint_eq(frame->channels, shape->channels);
		for (i = 0; i < shape->channels * shape->samples; i++) {
			uint64_t t = frame->seq * shape->samples + i / shape->channels;
			double is = value_of(frame, i);

			k = i % shape->channels;
			if (is < least)
				least = is;
			if (is > most)
				most = is;
			is -= expected(phase_of(t, k, shape->channels));
			/* the 8 bit formats are exact to 1/128 */
			ck_assert_msg(is > -0.012 && is < 0.012,
				      "%s %s: scan %" PRIu64 ", channel %u: off by %f", waveform,
				      shape->format, t, k, is);
		}
	}
	ck_assert(least < -0.98);
	ck_assert(most > 0.98);
	close(fd);
}

START_TEST(sine_and_ramp)
{
	check_signal(&signal_shapes[_i], "sine", sine);
	check_signal(&signal_shapes[_i], "ramp", ramp);
}
END_TEST

START_TEST(noise)
{
	const struct shape *shape = &signal_shapes[_i];
	int fd = open_signal(shape, "noise");
	unsigned int i, values = 0;
	double value, sum = 0, squares = 0;
	const struct acq_frame *frame;

	while (values < 2000) {
		frame = next_frame(fd);
		for (i = 0; i < shape->channels * shape->samples; i++, values++) {
			value = value_of(frame, i);
			sum += value;
			squares += value * value;
		}
	}
	/* evenly spread: mean 0, variance 1/3 */
	ck_assert(sum / values > -0.1 && sum / values < 0.1);
	ck_assert(squares / values > 0.25 && squares / values < 0.42);
	close(fd);
}
END_TEST

START_TEST(waveform_changes_while_streaming)
{
	int fd = open_or_fail(O_RDONLY);
	const struct acq_info is = info(fd);

	check_frame(&is, next_frame(fd));
	sim_set("waveform", "noise");
	wait_until(next_frame(fd)->data[1] > 100);
	sim_set("waveform", "counter");
	sim_stall();
	flush_or_fail(fd);
	sim_resume();
	check_frame(&is, next_frame(fd));
	close(fd);
}
END_TEST

/* ---- the clock ---- */

static const unsigned int rates[][2] = {
	/* rate, irq_frames */
	{ 7, 1 }, { 1000, 1 }, { 1000, 7 }, { 30011, 0 }, { 100000, 1 }, { 1000000, 0 },
};

/* How many frames there are more than a clock of that rate makes since the boot. */
static double ahead(int fd, double rate)
{
	struct acq_stats is = stats(fd);

	return is.device_frames + is.hw_lost - rate * now_ns() / 1e9;
}

/* Being late only takes away from that, so the most is what the clock itself does. */
static double most_ahead(int fd, double rate)
{
	double most = ahead(fd, rate), is;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		pause_ms(1);
		is = ahead(fd, rate);
		if (is > most)
			most = is;
	}
	return most;
}

/* After a second and more, as far ahead as before, unless the machine was too busy to tell. */
START_TEST(rate_holds)
{
	const double rate = rates[_i][0];
	double before, after, slack;
	int fd;

	sim_set_number("irq_frames", rates[_i][1]);
	sim_setup(rates[_i][0], 1, 1);
	slack = sim_get_number("irq_frames") + 1 + rate / 100;
	fd = open_or_fail(O_RDONLY);
	start_or_fail(fd);
	after = most_ahead(fd, rate);
	do {
		before = after;
		pause_ms(rate < 100 ? 3000 : 1000);
		after = most_ahead(fd, rate);
	} while (after < before - slack || after > before + slack);
	close(fd);
}
END_TEST

START_TEST(few_interrupts_at_high_rates)
{
	struct acq_stats before, after;
	int fd = open_or_fail(O_RDONLY);

	sim_set("irq_frames", "0");
	sim_setup(1000000, 1, 1);
	before = stats(fd);
	start_or_fail(fd);
	wait_until(stats(fd).produced > 200000);
	after = stats(fd);
	ck_assert_uint_lt(after.irqs - before.irqs, 2 * (after.produced / 1000 + 10));
	close(fd);
}
END_TEST

START_TEST(silence_after_stop)
{
	int fd = open_or_fail(O_RDONLY);
	struct acq_stats before, after;

	next_frame(fd);
	stop_or_fail(fd);
	before = stats(fd);
	pause_ms(50);
	after = stats(fd);
	ck_assert_uint_eq(after.irqs, before.irqs);
	ck_assert_uint_eq(after.device_frames, before.device_frames);
	close(fd);
}
END_TEST

/* ---- faults ---- */

/* so slow that the reader keeps up on any machine: what is lost then is the fault's doing */
static int open_slow(void)
{
	sim_rate(200);
	return open_or_fail(O_RDONLY);
}

/* The loss is flagged at its place, counted exactly, and moves neither seq nor data. */
static void expect_overruns(int fd, struct stream *stream, uint64_t overruns, uint64_t lost)
{
	uint64_t seen = 0;
	const struct acq_frame *frame;

	while (seen < overruns) {
		frame = next_frame(fd);
		stream_take(stream, frame);
		seen += !!(frame->flags & ACQ_FRAME_HW_OVERRUN);
	}
	ck_assert_uint_eq(stream->lost, 0);
	ck_assert_uint_eq(stats(fd).hw_lost, lost);
}

START_TEST(overflow)
{
	int fd = open_slow();
	uint64_t lost = stats(fd).hw_lost;
	struct stream stream;
	unsigned int i;

	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 3);
	for (i = 0; i < 5; i++) {
		sim_set("fault_overflow", "10");
		lost += 10;
		expect_overruns(fd, &stream, 1, lost);
		ck_assert(sim_is("fault_overflow", "0"));
	}
	/* and one that lasts */
	sim_set("fault_overflow", "4294967295");
	wait_until(stats(fd).hw_lost > lost + 100);
	ck_assert(!sim_is("fault_overflow", "0"));
	sim_set("fault_overflow", "0");
	stream_read_or_fail(&stream, fd, 20);
	ck_assert_uint_eq(stream.lost, 0);
	close(fd);
}
END_TEST

/* A frame that begins a stream keeps what it has to say itself. */
START_TEST(overflow_first)
{
	int fd = open_slow();
	uint64_t lost = stats(fd).hw_lost;

	sim_set("fault_overflow", "10");
	ck_assert_uint_eq(next_frame(fd)->flags, ACQ_FRAME_START | ACQ_FRAME_HW_OVERRUN);
	ck_assert_uint_eq(stats(fd).hw_lost, lost + 10);
	close(fd);
}
END_TEST

/* A FIFO that holds less than a tick brings overflows by itself. */
START_TEST(overflow_by_depth)
{
	const struct acq_frame *frame;
	struct stream stream;
	unsigned int overruns = 0;
	int fd = open_or_fail(O_RDONLY);

	sim_set("fifo_depth", "1");
	sim_rate(100000);
	stream_begin(&stream, fd);
	while (overruns < 20) {
		frame = next_frame(fd);
		stream_take(&stream, frame);
		overruns += !!(frame->flags & ACQ_FRAME_HW_OVERRUN);
	}
	ck_assert_uint_gt(stats(fd).hw_lost, 100);
	close(fd);
}
END_TEST

START_TEST(stall)
{
	int fd = open_slow();
	struct acq_stats before, after;
	struct stream stream;

	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 3);
	sim_stall();
	while (stats(fd).ring)
		stream_read_or_fail(&stream, fd, 1);
	before = stats(fd);
	ck_assert(!wait_readable(fd, 100));
	after = stats(fd);
	ck_assert_uint_eq(after.device_frames, before.device_frames);
	ck_assert_uint_eq(after.irqs, before.irqs);
	sim_resume();
	stream_read_or_fail(&stream, fd, 20);
	/* what was due in the meantime is not made up for */
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(fd).hw_lost, before.hw_lost);
	close(fd);
}
END_TEST

/* each is counted, streaming or not, and nothing else comes of it */
START_TEST(spurious)
{
	int fd = open_slow();
	uint64_t before = stats(fd).spurious_irqs, irqs = stats(fd).irqs;
	struct stream stream;

	sim_set("fault_spurious", "1");
	wait_until(stats(fd).spurious_irqs == before + 1);
	sim_set("fault_spurious", "500");
	wait_until(stats(fd).spurious_irqs == before + 501);
	ck_assert(sim_is("fault_spurious", "0"));
	ck_assert_uint_eq(stats(fd).irqs, irqs);

	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 3);
	sim_set("fault_spurious", "500");
	wait_until(sim_is("fault_spurious", "0"));
	stream_read_or_fail(&stream, fd, 20);
	ck_assert_uint_eq(stream.lost, 0);
	/* the last one's handler may still be under way; some met a frame's */
	wait_until(stats(fd).spurious_irqs > before + 501 + 400);
	ck_assert_uint_le(stats(fd).spurious_irqs, before + 1001);
	close(fd);
}
END_TEST

START_TEST(storm)
{
	int fd = open_slow();
	uint64_t before = stats(fd).irqs;
	struct stream stream;

	/* it waits for the device to run */
	sim_set("fault_storm", "10000");
	ck_assert(sim_is("fault_storm", "10000"));
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 3);
	wait_until(sim_is("fault_storm", "0"));
	ck_assert_uint_ge(stats(fd).irqs, before + 10000);
	stream_read_or_fail(&stream, fd, 100);
	ck_assert_uint_eq(stream.lost, 0);
	close(fd);
}
END_TEST

/* stopping in the midst of it */
START_TEST(storm_and_stop)
{
	int fd = open_or_fail(O_RDONLY);
	uint64_t irqs;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		start_or_fail(fd);
		sim_set("fault_storm", "1000");
		stop_or_fail(fd);
		irqs = stats(fd).irqs;
		pause_ms(2);
		ck_assert_uint_eq(stats(fd).irqs, irqs);
		sim_set("fault_storm", "0");
	}
	flush_or_fail(fd);
	start_or_fail(fd);
	next_frame(fd);
	close(fd);
}
END_TEST

/* ---- gone ---- */

static bool node_there(void)
{
	return !access(NODE, F_OK);
}

static void bind_again(void)
{
	struct stream stream;
	int fd;

	wait_until(!node_there());
	ck_assert(!sim_has("unplug"));
	ck_assert_int_eq(write_file(DRIVER "bind", "acq_sim"), 0);
	wait_until(node_there() && sim_has("unplug"));
	sim_reset();
	fd = open_or_fail(O_RDONLY);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 10);
	/* a new device, which numbers from 0 */
	ck_assert_uint_lt(stream.first, 1000);
	close(fd);
}

enum way {
	UNPLUG,
	UNBIND,
	DIE,
	WAYS
};

static void go(enum way way)
{
	switch (way) {
	case UNPLUG:
		sim_set("unplug", "1");
		break;
	case UNBIND:
		ck_assert_int_eq(write_file(DRIVER "unbind", "acq_sim"), 0);
		break;
	default:
		sim_set("fault_dead", "1");
		break;
	}
}

/* the program that reads gets what there is, then ENODEV */
START_TEST(gone_while_streaming)
{
	int fd = open_or_fail(O_RDONLY);
	uint64_t frames = 0;
	char buf[4096];
	ssize_t got;

	next_frame(fd);
	go(_i);
	while ((got = read(fd, buf, sizeof(buf))) > 0)
		frames += got / info(fd).stride;
	ck_assert_int_eq(got, -1);
	ck_assert_int_eq(errno, ENODEV);
	ck_assert(info(fd).flags & ACQ_INFO_GONE);
	ck_assert_int_eq(poll_now(fd, POLLIN) & HANGUP, HANGUP);
	bind_again();
	ck_assert_int_eq(poll_now(fd, POLLIN) & HANGUP, HANGUP);
	close(fd);
}
END_TEST

/* nobody streams: a device that died is noticed all the same, by its last twitch */
START_TEST(gone_while_idle)
{
	int fd = open_or_fail(O_RDONLY);
	char buf[4096];

	go(_i);
	bind_again();
	ck_assert_errno(read(fd, buf, sizeof(buf)), ENODEV);
	close(fd);
}
END_TEST

START_TEST(gone_in_a_storm)
{
	int fd = open_or_fail(O_RDONLY);

	start_or_fail(fd);
	sim_set("fault_storm", "10000");
	sim_set("fault_spurious", "10000");
	go(_i);
	bind_again();
	close(fd);
}
END_TEST

START_TEST(gone_many_times)
{
	unsigned int i, count = rounds(20, 500);
	int fd;

	for (i = 0; i < count; i++) {
		fd = open_or_fail(O_RDONLY);
		start_or_fail(fd);
		go(i % WAYS);
		bind_again();
		close(fd);
	}
}
END_TEST

START_TEST(bind_restores_the_parameters)
{
	sim_set("waveform", "noise");
	sim_set("format", "u32");
	sim_set("fault_stall", "1");
	go(UNBIND);
	ck_assert_int_eq(write_file(DRIVER "bind", "acq_sim"), 0);
	wait_until(sim_has("unplug"));
	ck_assert(sim_is("waveform", "sine"));
	ck_assert(sim_is("format", "s16"));
	ck_assert(sim_is("fault_stall", "0"));
	ck_assert_int_ne(write_file(DRIVER "bind", "acq_sim"), 0);
}
END_TEST

static void add_attributes(Suite *suite)
{
	TCase *tcase = add_case(suite, "attributes");

	tcase_add_loop_test(tcase, attribute_values, 0, ARRAY_SIZE(attempts));
	tcase_add_loop_test(tcase, shape_is_busy_while_streaming, 0, ARRAY_SIZE(shapes));
	tcase_add_test(tcase, irq_frames_by_the_rate);
	tcase_add_test(tcase, depth_holds_an_interrupt);
	tcase_add_test(tcase, setup_limits);
}

static void add_signals(Suite *suite)
{
	TCase *tcase = add_case(suite, "signals");

	tcase_add_loop_test(tcase, counter_is_a_function_of_seq, 0, ARRAY_SIZE(signal_shapes));
	tcase_add_loop_test(tcase, sine_and_ramp, 0, ARRAY_SIZE(signal_shapes));
	tcase_add_loop_test(tcase, noise, 0, ARRAY_SIZE(signal_shapes));
	tcase_add_test(tcase, waveform_changes_while_streaming);
}

static void add_clock(Suite *suite)
{
	TCase *tcase = add_case(suite, "clock");

	tcase_add_loop_test(tcase, rate_holds, 0, ARRAY_SIZE(rates));
	tcase_add_test(tcase, few_interrupts_at_high_rates);
	tcase_add_test(tcase, silence_after_stop);
}

static void add_faults(Suite *suite)
{
	TCase *tcase = add_case(suite, "faults");

	tcase_add_test(tcase, overflow);
	tcase_add_test(tcase, overflow_first);
	tcase_add_test(tcase, overflow_by_depth);
	tcase_add_test(tcase, stall);
	tcase_add_test(tcase, spurious);
	tcase_add_test(tcase, storm);
	tcase_add_test(tcase, storm_and_stop);
}

static void add_gone(Suite *suite)
{
	TCase *tcase = add_case(suite, "gone");

	tcase_add_loop_test(tcase, gone_while_streaming, 0, WAYS);
	tcase_add_loop_test(tcase, gone_while_idle, 0, WAYS);
	tcase_add_loop_test(tcase, gone_in_a_storm, 0, WAYS);
	tcase_add_test(tcase, gone_many_times);
	tcase_add_test(tcase, bind_restores_the_parameters);
}

int main(void)
{
	Suite *suite = suite_create("sim");

	add_attributes(suite);
	add_signals(suite);
	add_clock(suite);
	add_faults(suite);
	add_gone(suite);
	return run(suite);
}
