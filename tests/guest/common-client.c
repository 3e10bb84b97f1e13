// SPDX-License-Identifier: GPL-2.0-only
/* An open file of the device, and its frames. */
#include <inttypes.h>
#include <sys/ioctl.h>

#include "common.h"

int open_or_fail(int flags)
{
	int fd = open(NODE, flags | O_CLOEXEC);

	ck_assert_msg(fd >= 0, NODE ": %s", strerror(errno));
	return fd;
}

int command(int fd, unsigned int cmd, void *arg)
{
	return ioctl(fd, cmd, arg);
}

struct acq_info info(int fd)
{
	struct acq_info info = { .size = sizeof(info) };

	ck_assert_ok(command(fd, ACQ_IOC_GET_INFO, &info));
	return info;
}

/* The law of the counts holds whenever somebody looks. */
struct acq_stats stats(int fd)
{
	struct acq_stats stats = { .size = sizeof(stats) };

	ck_assert_ok(command(fd, ACQ_IOC_GET_STATS, &stats));
	expect_equal(stats.produced, stats.delivered + stats.lost + stats.flushed + stats.ring);
	return stats;
}

void configure_or_fail(int fd, unsigned int frames, unsigned int watermark, unsigned int latency_us)
{
	struct acq_config config = {
		.size = sizeof(config),
		.ring_frames = frames,
		.watermark = watermark,
		.latency_us = latency_us,
	};

	ck_assert_ok(command(fd, ACQ_IOC_CONFIGURE, &config));
	if (frames)
		ck_assert_uint_eq(config.ring_frames, frames);
	if (watermark)
		ck_assert_uint_eq(config.watermark, watermark);
	if (latency_us != ACQ_LATENCY_KEEP)
		ck_assert_uint_eq(config.latency_us, latency_us);
}

void set_watermark_or_fail(int fd, unsigned int watermark)
{
	configure_or_fail(fd, 0, watermark, ACQ_LATENCY_KEEP);
}

void start_or_fail(int fd)
{
	ck_assert_ok(command(fd, ACQ_IOC_START, NULL));
}

void stop_or_fail(int fd)
{
	ck_assert_ok(command(fd, ACQ_IOC_STOP, NULL));
}

void flush_or_fail(int fd)
{
	ck_assert_ok(command(fd, ACQ_IOC_FLUSH, NULL));
}

static void attach_or_fail(int fd)
{
	if (!(info(fd).flags & ACQ_INFO_ATTACHED))
		start_or_fail(fd);
}

/* Attach and wait until the ring is full: it stays so, while more is lost. */
unsigned int fill_ring_or_fail(int fd)
{
	uint64_t lost;

	attach_or_fail(fd);
	lost = stats(fd).lost;
	wait_until(stats(fd).lost > lost);
	ck_assert_uint_eq(stats(fd).ring, info(fd).ring_frames);
	return info(fd).ring_frames;
}

/* Attach, wait for so many frames or a few more, and stop the clock. */
unsigned int fill_or_fail(int fd, unsigned int frames)
{
	attach_or_fail(fd);
	wait_until(stats(fd).ring >= frames);
	sim_stall();
	return stats(fd).ring;
}

/* A client with a full ring of so many frames. */
int open_full_or_fail(unsigned int frames)
{
	int fd = open_or_fail(O_RDWR);

	configure_or_fail(fd, frames, 1, 0);
	fill_ring_or_fail(fd);
	return fd;
}

short poll_now(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	ck_assert_ok(poll(&pollfd, 1, 0));
	return pollfd.revents;
}

bool readable(int fd)
{
	return poll_now(fd, POLLIN) & POLLIN;
}

unsigned int bytes_of(unsigned int format)
{
	switch (format) {
	case ACQ_FORMAT_U8:
	case ACQ_FORMAT_S8:
		return 1;
	case ACQ_FORMAT_U16:
	case ACQ_FORMAT_S16:
		return 2;
	case ACQ_FORMAT_U32:
	case ACQ_FORMAT_S32:
		return 4;
	default:
		ck_abort_msg("format %u", format);
		return 0;
	}
}

static void check_header(const struct acq_info *info, const struct acq_frame *frame)
{
	const unsigned int known = ACQ_FRAME_START | ACQ_FRAME_GAP | ACQ_FRAME_HW_OVERRUN;

	expect_equal(frame->bytes, info->channels * info->samples * bytes_of(info->format));
	expect_equal(frame->stride, info->stride);
	expect_equal(frame->rate_hz, info->rate_hz);
	expect_equal(frame->format, info->format);
	expect_equal(frame->channels, info->channels);
	expect_equal(frame->flags & ~known, 0);
	expect(frame->timestamp_ns > 0 && frame->timestamp_ns <= (uint64_t)now_ns());
}

/* The header is sane, the counter's payload right to the last bit, the tail zero. */
void check_frame(const struct acq_info *info, const struct acq_frame *frame)
{
	static const uint8_t zero[8];
	unsigned int values = info->channels * info->samples;
	unsigned int bytes = bytes_of(info->format);
	unsigned int tail, i;
	uint64_t value;

	check_header(info, frame);
	for (i = 0; i < values; i++) {
		value = frame->seq * values + i;
		if (memcmp(frame->data + i * bytes, &value, bytes))
			ck_abort_msg("seq %" PRIu64 ": value %u is damaged", (uint64_t)frame->seq,
				     i);
	}
	tail = frame->stride - sizeof(*frame) - frame->bytes;
	expect(tail < sizeof(zero));
	expect(!memcmp(frame->data + frame->bytes, zero, tail));
}

void stream_begin(struct stream *stream, int fd)
{
	*stream = (struct stream){ .info = info(fd) };
}

/*
 * The next frame. A GAP without a jump is as wrong as a jump without a GAP;
 * START stands before all jumps.
 */
void stream_take(struct stream *stream, const struct acq_frame *frame)
{
	bool start = frame->flags & ACQ_FRAME_START;
	bool gap = frame->flags & ACQ_FRAME_GAP;
	bool jump = frame->seq != stream->next;

	check_frame(&stream->info, frame);
	if (start) {
		expect(!gap);
		stream->starts++;
	} else {
		if (!stream->frames)
			ck_abort_msg("the first frame is no START");
		if (frame->seq < stream->next || gap != jump)
			ck_abort_msg("seq %" PRIu64 " after %" PRIu64 ", flags %#x",
				     (uint64_t)frame->seq, stream->next - 1, frame->flags);
		stream->lost += frame->seq - stream->next;
	}
	if (!stream->frames)
		stream->first = frame->seq;
	stream->next = frame->seq + 1;
	stream->frames++;
}

unsigned int stream_take_all(struct stream *stream, const void *frames, size_t bytes)
{
	unsigned int stride = stream->info.stride;
	size_t at;

	expect_equal(bytes % stride, 0);
	for (at = 0; at < bytes; at += stride)
		stream_take(stream, (const void *)((const char *)frames + at));
	return bytes / stride;
}

/* Exactly so many frames, in whatever pieces they come. */
void stream_read_or_fail(struct stream *stream, int fd, unsigned int frames)
{
	size_t bytes = (size_t)frames * stream->info.stride;
	void *buf = alloc_or_fail(bytes);
	ssize_t got;

	while (bytes) {
		got = read(fd, buf, bytes);
		if (got <= 0)
			ck_abort_msg("read: %s", got ? strerror(errno) : "ended");
		stream_take_all(stream, buf, got);
		bytes -= got;
	}
	free(buf);
}

/* All that is there, by reads that don't wait; the file is O_NONBLOCK or stopped. */
unsigned int stream_drain_or_fail(struct stream *stream, int fd)
{
	size_t bytes = 32UL * stream->info.stride;
	void *buf = alloc_or_fail(bytes);
	unsigned int frames = 0;
	ssize_t got;

	while ((got = read(fd, buf, bytes)) > 0)
		frames += stream_take_all(stream, buf, got);
	if (got < 0)
		ck_assert_int_eq(errno, EAGAIN);
	free(buf);
	return frames;
}
