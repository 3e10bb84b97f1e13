// SPDX-License-Identifier: GPL-2.0-only
/*
 * The output of acqread. A format puts each frame to a buffer, which is written
 * once a batch; a file that ends there, by a kill -9 even, is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_SNDFILE
#include <sndfile.h>
#endif

#include "acqread-formats.h"
#include "common.h"

/* --- the buffer --- */

/* Why nothing can be written any more; told once. That nobody reads it is no news. */
static void fail(struct output *out, int err)
{
	out->broken = true;
	if (out->err)
		return;
	out->err = err == -EPIPE ? err : 1;
	if (err < 0 && err != -EPIPE)
		say("%s: %s", out->path, strerror(-err));
}

static char *room_for(struct output *out, size_t bytes)
{
	if (!out->buf || out->room - out->len < bytes) {
		out->room = 2 * out->room + bytes + 4096;
		out->buf = grown(out->buf, out->room);
	}
	return out->buf + out->len;
}

static void out_append(struct output *out, const void *data, size_t len)
{
	memcpy(room_for(out, len), data, len);
	out->len += len;
}

static void __attribute__((format(printf, 2, 3)))
out_printf(struct output *out, const char *fmt, ...)
{
	va_list args;

	room_for(out, 256);
	va_start(args, fmt);
	out->len += vsnprintf(out->buf + out->len, 256, fmt, args);
	va_end(args);
}

static int write_all(int fd, const char *data, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	ssize_t put;

	while (len) {
		put = write(fd, data, len);
		if (put < 0 && errno == EAGAIN)
			poll(&pfd, 1, -1);
		else if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0) {
			data += put;
			len -= put;
		}
	}
	return 0;
}

int out_write(struct output *out, const char *data, size_t len)
{
	int err = out->broken ? 0 : write_all(out->fd, data, len);

	if (err)
		fail(out, err);
	out->flushed += len;
	return out->err;
}

static void write_buffer(struct output *out)
{
	out_write(out, out->buf, out->len);
	out->len = 0;
}

/* Write again what is at @at of the file already. */
static void patch(struct output *out, const void *data, size_t len, uint64_t at)
{
	ssize_t put = out->broken ? (ssize_t)len : pwrite(out->fd, data, len, out->base + at);

	if (put != (ssize_t)len)
		fail(out, put < 0 ? -errno : -EIO);
}

int out_flush(struct output *out)
{
	write_buffer(out);
	if (out->begun && out->format->update)
		out->format->update(out);
	return out->err;
}

/* --- times --- */

static int64_t shown_ns(const struct output *out, const struct acq_frame *frame)
{
	return frame->timestamp_ns - out->epoch_ns;
}

static double seconds_in(const struct output *out, const struct acq_frame *frame)
{
	return shown_ns(out, frame) / 1e9;
}

/* The wall clock is set and slewed, so its distance is looked up for each batch. */
static uint64_t timestamp_of_1970(void)
{
	int64_t before = clock_ns();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return before + (clock_ns() - before) / 2 - (now.tv_sec * NSEC_PER_SEC + now.tv_nsec);
}

static enum times times_of(const struct output *out)
{
	return out->times ?: out->format->times;
}

void out_batch(struct output *out)
{
	if (!out->dated)
		return;
	out->unix_ns = timestamp_of_1970();
	if (times_of(out) == TIMES_REALTIME)
		out->epoch_ns = out->unix_ns;
}

/* --- text --- */

static void put_hex(struct output *out, const struct acq_frame *frame, uint32_t from, uint32_t to,
		    const char *before)
{
	uint32_t i;

	for (i = from; i < to; i++)
		out_printf(out, "%s%02x", before, frame->data[i]);
}

/* Columns that a value of the format takes. */
static unsigned int value_width(const struct acq_frame *frame)
{
	switch (frame->format) {
	case ACQ_FORMAT_EVENT:
		return 3;
	case ACQ_FORMAT_U8:
	case ACQ_FORMAT_S8:
		return 5;
	case ACQ_FORMAT_U16:
	case ACQ_FORMAT_S16:
		return 7;
	}
	return 12;
}

#define TABLE_LEFT 28 /* columns before the values */
#define TABLE_MORE 7 /* columns for how many more there are */

/* How many of n values fit into a row. */
static uint32_t values_that_fit(const struct output *out, const struct acq_frame *frame, uint32_t n)
{
	uint32_t room = out->width - TABLE_LEFT;

	if (n * value_width(frame) <= room)
		return n;
	return (room - TABLE_MORE) / value_width(frame);
}

static void table_head(struct output *out, const struct acq_frame *frame)
{
	uint32_t n = acq_frame_values(frame);
	uint32_t i, fit = values_that_fit(out, frame, n);
	char name[8];

	out_printf(out, "%10s %11s %-5s", "seq", "time", "flags");
	if (frame->format == ACQ_FORMAT_EVENT)
		out_printf(out, " bytes");
	else
		for (i = 0; i < fit; i++) {
			snprintf(name, sizeof(name), "ch%u", i % frame->channels);
			out_printf(out, "%*s", value_width(frame), name);
		}
	out_printf(out, "\n");
}

static void table_put(struct output *out, const struct acq_frame *frame)
{
	uint32_t n = acq_frame_values(frame);
	uint32_t i, fit = values_that_fit(out, frame, n);
	char flags[FLAG_TEXT_MAX];

	if (!out->begun)
		table_head(out, frame);
	out_printf(out, "%10" PRIu64 " %11.6f %-5s", (uint64_t)frame->seq, seconds_in(out, frame),
		   flag_text(frame->flags, flags));
	if (frame->format == ACQ_FORMAT_EVENT)
		put_hex(out, frame, 0, fit, " ");
	else
		for (i = 0; i < fit; i++)
			out_printf(out, "%*" PRId64, value_width(frame), acq_frame_value(frame, i));
	if (fit < n)
		out_printf(out, " +%u", n - fit);
	out_printf(out, "\n");
}

static void hex_put(struct output *out, const struct acq_frame *frame)
{
	char flags[FLAG_TEXT_MAX];
	uint32_t i, end;

	out_printf(out, "frame %" PRIu64 " time %.6f flags %s %s x %u, %u bytes\n",
		   (uint64_t)frame->seq, seconds_in(out, frame),
		   frame->flags ? flag_text(frame->flags, flags) : "-", format_name(frame->format),
		   frame->channels, frame->bytes);
	for (i = 0; i < frame->bytes; i = end) {
		end = i + 16 < frame->bytes ? i + 16 : frame->bytes;
		out_printf(out, "%08x ", i);
		put_hex(out, frame, i, end, " ");
		out_printf(out, "\n");
	}
}

static void csv_head(struct output *out, const struct acq_frame *frame)
{
	unsigned int i;

	out_printf(out, "seq,timestamp_ns,flags");
	if (frame->format == ACQ_FORMAT_EVENT) {
		out_printf(out, ",data\n");
		return;
	}
	out_printf(out, ",scan");
	for (i = 0; i < frame->channels; i++)
		out_printf(out, ",ch%u", i);
	out_printf(out, "\n");
}

static void csv_left(struct output *out, const struct acq_frame *frame)
{
	char flags[FLAG_TEXT_MAX];

	out_printf(out, "%" PRIu64 ",%" PRId64 ",%s,", (uint64_t)frame->seq, shown_ns(out, frame),
		   flag_text(frame->flags, flags));
}

/* A line for each scan; for events, whose bytes are no scans, one for each. */
static void csv_put(struct output *out, const struct acq_frame *frame)
{
	uint32_t i, n = acq_frame_values(frame);

	if (!out->begun)
		csv_head(out, frame);
	if (frame->format == ACQ_FORMAT_EVENT) {
		csv_left(out, frame);
		put_hex(out, frame, 0, frame->bytes, "");
		out_printf(out, "\n");
		return;
	}
	for (i = 0; i < n; i++) {
		if (i % frame->channels == 0) {
			csv_left(out, frame);
			out_printf(out, "%u", i / frame->channels);
		}
		out_printf(out, ",%" PRId64, acq_frame_value(frame, i));
		if ((i + 1) % frame->channels == 0 || i + 1 == n)
			out_printf(out, "\n");
	}
}

static void json_flags(struct output *out, const struct acq_frame *frame)
{
	const char *comma = "";
	unsigned int bit;

	out_printf(out, ",\"flags\":[");
	for (bit = 0; flag_name(bit); bit++) {
		if (!(frame->flags & 1U << bit))
			continue;
		out_printf(out, "%s\"%s\"", comma, flag_name(bit));
		comma = ",";
	}
	out_printf(out, "]");
}

/* Scans as arrays in an array. */
static void json_scans(struct output *out, const struct acq_frame *frame)
{
	uint32_t i, n = acq_frame_values(frame);

	out_printf(out, "[");
	for (i = 0; i < n; i++) {
		if (i % frame->channels == 0)
			out_printf(out, "%s[", i ? "]," : "");
		else
			out_printf(out, ",");
		out_printf(out, "%" PRId64, acq_frame_value(frame, i));
	}
	out_printf(out, "%s]", n ? "]" : "");
}

/* An object for each frame, on a line of its own. */
static void json_put(struct output *out, const struct acq_frame *frame)
{
	out_printf(out, "{\"seq\":%" PRIu64 ",\"timestamp_ns\":%" PRId64, (uint64_t)frame->seq,
		   shown_ns(out, frame));
	json_flags(out, frame);
	out_printf(out,
		   ",\"rate_hz\":%u,\"format\":\"%s\",\"channels\":%u,\"data\":", frame->rate_hz,
		   format_name(frame->format), frame->channels);
	if (frame->format == ACQ_FORMAT_EVENT) {
		out_printf(out, "\"");
		put_hex(out, frame, 0, frame->bytes, "");
		out_printf(out, "\"}\n");
		return;
	}
	json_scans(out, frame);
	out_printf(out, "}\n");
}

/* --- one's own line --- */

static void put_seconds(struct output *out, const struct acq_frame *frame)
{
	int64_t ns = shown_ns(out, frame);
	uint64_t far = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;

	out_printf(out, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "", far / NSEC_PER_SEC,
		   far % NSEC_PER_SEC);
}

/* As of ISO 8601. */
static void put_date(struct output *out, const struct acq_frame *frame, bool utc)
{
	int64_t ns = frame->timestamp_ns - out->unix_ns;
	time_t seconds = ns / NSEC_PER_SEC;
	char date[64], zone[16] = "Z";
	struct tm tm;

	if (utc)
		gmtime_r(&seconds, &tm);
	else
		localtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%FT%T", &tm);
	if (!utc)
		strftime(zone, sizeof(zone), "%z", &tm);
	out_printf(out, "%s.%09" PRId64 "%s", date, ns % NSEC_PER_SEC, zone);
}

static void put_values(struct output *out, const struct acq_frame *frame)
{
	uint32_t i, n = acq_frame_values(frame);

	for (i = 0; i < n; i++)
		out_printf(out, "%s%" PRId64, i ? " " : "", acq_frame_value(frame, i));
}

/* Whole scans only: nothing else is there unless the frame is damaged. */
static uint32_t frame_scans(const struct acq_frame *frame)
{
	return acq_frame_values(frame) / frame->channels;
}

static void put_specifier(struct output *out, const struct acq_frame *frame, char what)
{
	char flags[FLAG_TEXT_MAX];

	switch (what) {
	case '%':
		out_printf(out, "%%");
		break;
	case 'b':
		out_printf(out, "%u", frame->bytes);
		break;
	case 'c':
		out_printf(out, "%u", frame->channels);
		break;
	case 'd':
		out_append(out, out->input, strlen(out->input));
		break;
	case 'f':
		out_printf(out, "%s", flag_text(frame->flags, flags));
		break;
	case 'k':
		out_printf(out, "%s", format_name(frame->format));
		break;
	case 'L':
	case 'U':
		put_date(out, frame, what == 'U');
		break;
	case 'n':
		out_printf(out, "%" PRIu64, (uint64_t)frame->seq);
		break;
	case 'r':
		out_printf(out, "%u", frame->rate_hz);
		break;
	case 's':
		out_printf(out, "%u", frame_scans(frame));
		break;
	case 'S':
		put_seconds(out, frame);
		break;
	case 't':
		out_printf(out, "%" PRId64, shown_ns(out, frame));
		break;
	case 'v':
		put_values(out, frame);
		break;
	case 'x':
		put_hex(out, frame, 0, frame->bytes, "");
		break;
	}
}

static void line_put(struct output *out, const struct acq_frame *frame)
{
	const char *at = out->line, *next;

	for (; *at; at = next) {
		next = strchrnul(at, '%');
		out_append(out, at, next - at);
		if (*next) {
			put_specifier(out, frame, next[1]);
			next += 2;
		}
	}
	out_append(out, "\n", 1);
}

const char *bad_specifier(const char *line)
{
	for (line = strchr(line, '%'); line; line = strchr(line + 2, '%'))
		if (!line[1] || !strchr(SPECIFIERS, line[1]))
			return line;
	return NULL;
}

bool has_date(const char *line)
{
	for (line = strchr(line, '%'); line; line = strchr(line + 2, '%'))
		if (line[1] == 'L' || line[1] == 'U')
			return true;
	return false;
}

/* --- samples without their frames --- */

/* A file has one kind of values, one number of channels and one rate. */
static bool same_shape(struct output *out, const struct acq_frame *frame)
{
	if (!out->begun) {
		out->values = frame->format;
		out->channels = frame->channels;
		out->rate_hz = frame->rate_hz;
	}
	if (!acq_format_width(frame->format))
		say("%s: frame %" PRIu64 " has values of an unknown kind (%u); try --format hex",
		    out->input, (uint64_t)frame->seq, frame->format);
	else if (frame->format != out->values || frame->channels != out->channels ||
		 frame->rate_hz != out->rate_hz)
		say("%s: frame %" PRIu64 " has %s x %u at %u Hz, after %s x %u at %u Hz; "
		    "--format csv and json can hold both",
		    out->path, (uint64_t)frame->seq, format_name(frame->format), frame->channels,
		    frame->rate_hz, format_name(out->values), out->channels, out->rate_hz);
	else
		return true;
	out->err = 1;
	return false;
}

/* --- npy: an array of numpy, a row for each scan --- */

#define NPY_HEAD 128 /* bytes; has room for any number of rows */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NPY_ORDER '<'
#else
#define NPY_ORDER '>'
#endif

static char npy_kind(unsigned int format)
{
	switch (format) {
	case ACQ_FORMAT_S8:
	case ACQ_FORMAT_S16:
	case ACQ_FORMAT_S32:
		return 'i';
	}
	return 'u';
}

static void npy_head(const struct output *out, char head[NPY_HEAD], int64_t rows)
{
	static const char magic[] = { '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, NPY_HEAD - 10, 0 };
	unsigned int width = acq_format_width(out->values);
	char *text = head + sizeof(magic);
	int len;

	memset(head, ' ', NPY_HEAD);
	memcpy(head, magic, sizeof(magic));
	len = sprintf(text,
		      "{'descr': '%c%c%u', 'fortran_order': False, 'shape': (%" PRId64 ", %u), }",
		      width == 1 ? '|' : NPY_ORDER, npy_kind(out->values), width, rows,
		      out->channels);
	text[len] = ' ';
	head[NPY_HEAD - 1] = '\n';
}

/* numpy.load() takes -1 rows for all that are there: what else is true of a pipe? */
static void npy_put(struct output *out, const struct acq_frame *frame)
{
	uint32_t scans = frame_scans(frame);
	char head[NPY_HEAD];

	if (!same_shape(out, frame))
		return;
	if (!out->begun) {
		npy_head(out, head, out->patchable ? 0 : -1);
		out_append(out, head, sizeof(head));
	}
	out_append(out, frame->data,
		   (size_t)scans * frame->channels * acq_format_width(frame->format));
	out->rows += scans;
}

static void npy_update(struct output *out)
{
	char head[NPY_HEAD];

	if (!out->patchable)
		return;
	npy_head(out, head, out->rows);
	patch(out, head, sizeof(head), 0);
}

/* --- vcd: what changes when, for logic analyzers --- */

/* They draw single bits, and some know nothing else. */
struct vcd_id {
	char text[4];
	unsigned int len;
};

static struct vcd_id vcd_id(unsigned int n)
{
	struct vcd_id id = { .len = 0 };

	do {
		id.text[id.len++] = '!' + n % 94;
		n /= 94;
	} while (n);
	return id;
}

static uint64_t vcd_scans_per_second(const struct acq_frame *frame)
{
	return (uint64_t)frame->rate_hz * frame_scans(frame);
}

/*
 * Readers make a sample of each unit, so few of them are wanted: one for each scan
 * if that is a power of ten, else ten to a hundred.
 */
static uint64_t vcd_unit(const struct acq_frame *frame)
{
	uint64_t rate = vcd_scans_per_second(frame), unit = NSEC_PER_SEC;

	if (!rate)
		return 1000;
	while (unit > 1 && unit * rate * 10 > NSEC_PER_SEC &&
	       !(unit * rate <= NSEC_PER_SEC && NSEC_PER_SEC % (unit * rate) == 0))
		unit /= 10;
	return unit;
}

static const char *unit_text(uint64_t ns, char text[16])
{
	static const char *const names[] = { "ns", "us", "ms", "s" };
	unsigned int i;

	for (i = 0; i < 3 && ns >= 1000; i++)
		ns /= 1000;
	snprintf(text, 16, "%u %s", (unsigned int)ns, names[i]);
	return text;
}

static void vcd_head(struct output *out, const struct acq_frame *frame)
{
	struct vcd *vcd = &out->vcd;
	unsigned int channel, bit;
	char text[16];

	vcd->bits = 8 * acq_format_width(frame->format);
	vcd->unit_ns = vcd_unit(frame);
	vcd->last = grown(vcd->last, frame->channels * sizeof(*vcd->last));
	memset(vcd->last, 0, frame->channels * sizeof(*vcd->last));
	vcd->unknown = true;
	vcd->position = 0;
	vcd->next_time = 0;
	out_printf(out, "$version acqread " ACQ_VERSION " $end\n$timescale %s $end\n",
		   unit_text(vcd->unit_ns, text));
	out_printf(out, "$scope module acq $end\n");
	for (channel = 0; channel < frame->channels; channel++)
		for (bit = 0; bit < vcd->bits; bit++) {
			struct vcd_id id = vcd_id(channel * vcd->bits + bit);

			out_printf(out, "$var wire 1 %.*s ch%u[%u] $end\n", (int)id.len, id.text,
				   channel, bit);
		}
	out_printf(out, "$upscope $end\n$enddefinitions $end\n");
}

/* When a scan is; by the rate if there is one, since timestamps are a batch's. */
static uint64_t vcd_time(const struct output *out, const struct acq_frame *frame, uint32_t scan)
{
	uint64_t position = out->vcd.position, rate = frame->rate_hz, ns;

	if (rate)
		ns = position / rate * NSEC_PER_SEC + position % rate * NSEC_PER_SEC / rate +
		     scan * NSEC_PER_SEC / vcd_scans_per_second(frame);
	else
		ns = frame->timestamp_ns > out->file_ns ? frame->timestamp_ns - out->file_ns : 0;
	ns /= out->vcd.unit_ns;
	return ns > out->vcd.next_time ? ns : out->vcd.next_time;
}

static void vcd_at(struct output *out, uint64_t time)
{
	out_printf(out, "#%" PRIu64 "\n", time);
	out->vcd.next_time = time + 1;
}

static void vcd_bit(struct output *out, char value, unsigned int n)
{
	struct vcd_id id = vcd_id(n);

	out_append(out, &value, 1);
	out_append(out, id.text, id.len);
	out_append(out, "\n", 1);
}

static void vcd_value(struct output *out, unsigned int channel, uint64_t value)
{
	struct vcd *vcd = &out->vcd;
	uint64_t changed = vcd->unknown ? UINT64_MAX : value ^ vcd->last[channel];
	unsigned int bit;

	for (bit = 0; bit < vcd->bits; bit++)
		if (changed >> bit & 1)
			vcd_bit(out, '0' + (value >> bit & 1), channel * vcd->bits + bit);
	vcd->last[channel] = value;
}

static bool vcd_changes(const struct output *out, const struct acq_frame *frame, uint32_t scan)
{
	unsigned int i;

	for (i = 0; i < frame->channels; i++)
		if (out->vcd.last[i] !=
		    (uint64_t)acq_frame_value(frame, scan * frame->channels + i))
			return true;
	return out->vcd.unknown;
}

static void vcd_scan(struct output *out, const struct acq_frame *frame, uint32_t scan)
{
	uint64_t time = vcd_time(out, frame, scan);
	unsigned int i;

	if (!frame->rate_hz)
		out->vcd.next_time = time + 1;
	if (!vcd_changes(out, frame, scan))
		return;
	vcd_at(out, time);
	for (i = 0; i < frame->channels; i++)
		vcd_value(out, i, acq_frame_value(frame, scan * frame->channels + i));
	out->vcd.unknown = false;
}

/* From where frames are lost to where they go on nothing is known. */
static void vcd_gap(struct output *out, const struct acq_frame *frame)
{
	unsigned int n;

	vcd_at(out, out->vcd.next_time);
	for (n = 0; n < frame->channels * out->vcd.bits; n++)
		vcd_bit(out, 'x', n);
	out->vcd.unknown = true;
	out->vcd.position += frame->seq - out->vcd.next;
}

static void vcd_put(struct output *out, const struct acq_frame *frame)
{
	uint32_t i, n = frame_scans(frame);

	if (!same_shape(out, frame))
		return;
	if (!out->begun)
		vcd_head(out, frame);
	else if (!(frame->flags & ACQ_FRAME_START) && frame->seq > out->vcd.next)
		vcd_gap(out, frame);
	for (i = 0; i < n; i++)
		vcd_scan(out, frame, i);
	out->vcd.position++;
	out->vcd.next = frame->seq + 1;
	if (frame->rate_hz)
		out->vcd.next_time = vcd_time(out, frame, 0);
}

/* Let the last value have its time. */
static void vcd_finish(struct output *out)
{
	free(out->vcd.last);
	out->vcd.last = NULL;
	vcd_at(out, out->vcd.next_time);
}

/* --- sound: the formats of libsndfile --- */

#ifdef HAVE_SNDFILE
#define SOUND_VALUES 1024 /* at a time */
static sf_count_t sound_length(void *user)
{
	const struct output *out = user;

	return out->flushed + out->len;
}

static sf_count_t sound_seek(sf_count_t offset, int whence, void *user)
{
	struct output *out = user;

	if (whence == SEEK_CUR)
		offset += out->sound_at;
	else if (whence == SEEK_END)
		offset += out->flushed + out->len;
	out->sound_at = offset;
	return offset;
}

static sf_count_t sound_read(void *data, sf_count_t bytes, void *user)
{
	(void)data;
	(void)bytes;
	(void)user;
	return 0;
}

/* Again what is in the buffer still, or behind its end; but not far behind. */
static void sound_buffer(struct output *out, const char *data, size_t bytes, uint64_t at)
{
	uint64_t end = at + bytes;

	if (at > out->len)
		return;
	if (end > out->len)
		room_for(out, end - out->len);
	memcpy(out->buf + at, data, bytes);
	if (end > out->len)
		out->len = end;
}

/* What a pipe has taken stays as it was, and its end is where it ends. */
static sf_count_t sound_write(const void *data, sf_count_t bytes, void *user)
{
	struct output *out = user;

	if (out->sound_at < out->flushed)
		write_buffer(out);
	if (out->sound_at >= out->flushed)
		sound_buffer(out, data, bytes, out->sound_at - out->flushed);
	else if (out->patchable)
		patch(out, data, bytes, out->sound_at);
	out->sound_at += bytes;
	return bytes;
}

static sf_count_t sound_tell(void *user)
{
	const struct output *out = user;

	return out->sound_at;
}

/* The first that has room for each bit; the last ones are for formats that have no other. */
static int sound_subtype(SF_INFO *info, unsigned int width)
{
	static const struct {
		int subtype;
		unsigned int width;
	} all[] = {
		{ SF_FORMAT_PCM_S8, 1 }, { SF_FORMAT_PCM_U8, 1 },	  { SF_FORMAT_PCM_16, 2 },
		{ SF_FORMAT_PCM_24, 3 }, { SF_FORMAT_PCM_32, 4 },	  { SF_FORMAT_DOUBLE, 4 },
		{ SF_FORMAT_VORBIS, 4 }, { SF_FORMAT_MPEG_LAYER_III, 4 },
	};
	int major = info->format;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		info->format = major | all[i].subtype;
		if (all[i].width >= width && sf_format_check(info))
			return 0;
	}
	return -EINVAL;
}

static SNDFILE *sound_open(struct output *out, const struct acq_frame *frame)
{
	static SF_VIRTUAL_IO io = {
		.get_filelen = sound_length,
		.seek = sound_seek,
		.read = sound_read,
		.write = sound_write,
		.tell = sound_tell,
	};
	uint64_t rate = (uint64_t)frame->rate_hz * frame_scans(frame);
	SF_INFO info = {
		.samplerate = rate < INT_MAX ? rate : INT_MAX,
		.channels = frame->channels,
		.format = out->format->major,
	};

	if (sound_subtype(&info, acq_format_width(frame->format)))
		return NULL;
	out->sound_at = 0;
	return sf_open_virtual(&io, SFM_WRITE, &info, out);
}

static void sound_begin(struct output *out, const struct acq_frame *frame)
{
	if (!frame->rate_hz || !frame_scans(frame)) {
		say("%s: frame %" PRIu64 " has no sample rate, and %s needs one; try --format csv",
		    out->input, (uint64_t)frame->seq, out->format->name);
		out->err = 1;
		return;
	}
	out->sound = sound_open(out, frame);
	if (!out->sound) {
		say("%s: %s has no place for %u x %s at %" PRIu64 " Hz; try --format wav or csv",
		    out->path, out->format->name, frame->channels, format_name(frame->format),
		    (uint64_t)frame->rate_hz * frame_scans(frame));
		out->err = 1;
		return;
	}
}

/*
 * The lengths that sox writes to a pipe, and it and others take for "as much as comes".
 * The head is in the buffer still, and ends with one of them.
 */
static void wav_endless(struct output *out, size_t head)
{
	static const char whole[] = { 0x24, 0xf0, 0xff, 0x7f }, data[] = { 0, 0xf0, 0xff, 0x7f };

	memcpy(out->buf + 4, whole, sizeof(whole));
	memcpy(out->buf + head - sizeof(data), data, sizeof(data));
}

/* The bits of the value on top, as sound has it: with a sign. */
static int sound_value(const struct acq_frame *frame, uint32_t i)
{
	unsigned int bits = 8 * acq_format_width(frame->format);
	uint32_t value = (uint32_t)acq_frame_value(frame, i) << (32 - bits);

	return (int)(npy_kind(frame->format) == 'u' ? value ^ 1U << 31 : value);
}

static void sound_values(struct output *out, const int *values, uint32_t n)
{
	if (sf_write_int(out->sound, values, n) == n)
		return;
	say("%s: %s: %s; try --format wav or csv", out->path, out->format->name,
	    sf_strerror(out->sound));
	out->err = 1;
}

static void sound_put(struct output *out, const struct acq_frame *frame)
{
	uint32_t i, n = frame_scans(frame) * frame->channels;
	uint32_t most = SOUND_VALUES - SOUND_VALUES % frame->channels;
	int values[SOUND_VALUES];
	size_t head;

	if (!same_shape(out, frame))
		return;
	if (!out->begun)
		sound_begin(out, frame);
	head = out->len;
	for (i = 0; i < n && !out->err; i++) {
		values[i % most] = sound_value(frame, i);
		if (i % most == most - 1 || i == n - 1)
			sound_values(out, values, i % most + 1);
	}
	if (!out->begun && !out->err && !out->patchable && out->format->major == SF_FORMAT_WAV)
		wav_endless(out, head);
}

static void sound_update(struct output *out)
{
	if (out->patchable && out->sound)
		sf_command(out->sound, SFC_UPDATE_HEADER_NOW, NULL, 0);
}

static void sound_finish(struct output *out)
{
	if (out->sound)
		sf_close(out->sound);
	out->sound = NULL;
}

/* Streams have no lengths in their heads; those with one are believed in a pipe, or not. */
#define STREAM(major_) \
	.put = sound_put, .finish = sound_finish, .binary = true, .major = SF_FORMAT_##major_
#define HEADED(major_) STREAM(major_), .update = sound_update
#define SOUND(major_) HEADED(major_), .seeks = true
#else
#define STREAM(...) .binary = true
#define HEADED(...) .binary = true
#define SOUND(...) .binary = true
#endif

/* --- all of them --- */

static void raw_put(struct output *out, const struct acq_frame *frame)
{
	out_append(out, frame, frame->stride);
}

static const struct format formats[] = {
	{ "table", .put = table_put, .times = TIMES_RELATIVE },
	{ "raw", "acq", .put = raw_put, .binary = true },
	{ "hex", .put = hex_put, .times = TIMES_RELATIVE },
	{ "csv", .put = csv_put, .times = TIMES_MONOTONIC },
	{ "json", .put = json_put, .times = TIMES_MONOTONIC },
	{ "npy", .put = npy_put, .update = npy_update, .binary = true },
	{ "vcd", .put = vcd_put, .finish = vcd_finish },
	{ "wav", .small = true, HEADED(WAV) },
	{ "flac", STREAM(FLAC) },
	{ "au", HEADED(AU) },
	{ "aiff", .small = true, HEADED(AIFF) },
	{ "caf", SOUND(CAF) },
	{ "w64", SOUND(W64) },
	{ "rf64", SOUND(RF64) },
	{ "ogg", STREAM(OGG) },
	{ "mp3", STREAM(MPEG) },
	{ "avr", .small = true, SOUND(AVR) },
	{ "mat4", .small = true, SOUND(MAT4) },
	{ "mat5", .small = true, SOUND(MAT5) },
	{ "nist", .small = true, SOUND(NIST) },
	{ "paf", .small = true, SOUND(PAF) },
	{ "pvf", SOUND(PVF) },
	{ "sf", .small = true, SOUND(IRCAM) },
	{ "voc", .small = true, SOUND(VOC) },
	{ "wavex", .small = true, SOUND(WAVEX) },
};

const struct format *const raw = &formats[1];

static const struct format line_format = {
	.name = "--format-string",
	.put = line_put,
	.times = TIMES_MONOTONIC,
};

const struct format *const by_line = &line_format;

const struct format *find_format(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}

const struct format *format_for(const char *file)
{
	const char *suffix = file ? strrchr(file, '.') : NULL;
	const struct format *format;

	if (suffix && !strcmp(suffix + 1, raw->suffix))
		return raw;
	format = suffix ? find_format(suffix + 1) : NULL;
	return format ?: &formats[0];
}

const char *format_names(void)
{
	static char names[256];
	size_t i, len = 0;

	for (i = 0; i < ARRAY_SIZE(formats); i++)
		len += snprintf(names + len, sizeof(names) - len, "%s%s", i ? " " : "",
				formats[i].name);
	return names;
}

/* --- files --- */

/* run.acq, run-1.acq, run-2.acq, ... */
static int numbered(const char *path, unsigned int n, char out[PATH_MAX])
{
	const char *base = strrchr(path, '/') ?: path;
	const char *dot = strrchr(base, '.') ?: base + strlen(base);
	int len;

	if (n)
		len = snprintf(out, PATH_MAX, "%.*s-%u%s", (int)(dot - path), path, n, dot);
	else
		len = snprintf(out, PATH_MAX, "%s", path);
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Of several files none may take another's place, nor that of an earlier run's. */
static int open_new(struct output *out, const char *path)
{
	unsigned int n;
	struct stat st;

	for (n = 0; !numbered(path, n, out->path); n++) {
		out->fd = open(out->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (out->fd >= 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		if (!stat(out->path, &st) && !S_ISREG(st.st_mode)) {
			say("%s: not a file that can be rotated", out->path);
			return 1;
		}
	}
	return -ENAMETOOLONG;
}

static int open_path(struct output *out, const char *path)
{
	if (out->rotate_bytes || out->rotate_ns)
		return open_new(out, path);
	snprintf(out->path, sizeof(out->path), "%s", path);
	out->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return out->fd < 0 ? -errno : 0;
}

/* The name's conversions are those of the moment. */
static int open_name(struct output *out)
{
	time_t now = time(NULL);
	char path[PATH_MAX];
	struct tm tm;

	localtime_r(&now, &tm);
	if (!strftime(path, sizeof(path), out->name, &tm)) {
		snprintf(out->path, sizeof(out->path), "%s", out->name);
		return *out->name ? -ENAMETOOLONG : -ENOENT;
	}
	return open_path(out, path);
}

static int open_file(struct output *out)
{
	struct stat st;
	int err;

	out->fd = STDOUT_FILENO;
	if (out->name) {
		err = open_name(out);
		if (err)
			return err;
		if (out->verbose)
			say("%s: begun", out->path);
	} else {
		snprintf(out->path, sizeof(out->path), "stdout");
	}
	out->base = lseek(out->fd, 0, SEEK_CUR);
	out->patchable = !fstat(out->fd, &st) && S_ISREG(st.st_mode) &&
			 !(fcntl(out->fd, F_GETFL) & O_APPEND);
	out->flushed = 0;
	out->rows = 0;
	out->begun = false;
	return 0;
}

static void close_file(struct output *out)
{
	if (out->begun && out->format->finish)
		out->format->finish(out);
	out_flush(out);
	if (out->fd > STDERR_FILENO && close(out->fd))
		fail(out, -errno);
	out->fd = -1;
}

/*
 * Some have lengths of 32 bits, and would be wrong without a word; no frame and no
 * tail has as much as this leaves. In a pipe nobody looks at the lengths.
 */
static bool is_full(const struct output *out)
{
	return out->format->small && out->patchable &&
	       out->flushed + out->len > UINT32_MAX - (32U << 20);
}

static bool to_be_rotated(const struct output *out, const struct acq_frame *frame)
{
	if (!out->begun || !(out->rotate_bytes || out->rotate_ns))
		return false;
	return is_full(out) ||
	       (out->rotate_bytes && out->flushed + out->len >= out->rotate_bytes) ||
	       (out->rotate_ns && frame->timestamp_ns - out->file_ns >= out->rotate_ns);
}

static void rotate(struct output *out)
{
	int err;

	close_file(out);
	err = out->err ? 0 : open_file(out);
	if (err)
		fail(out, err);
}

static void say_full(struct output *out)
{
	say("%s: a %s has no more than 4 GiB; use --rotate-size, or --format w64 or rf64",
	    out->path, out->format->name);
	out->err = 1;
}

void out_put(struct output *out, const struct acq_frame *frame)
{
	if (to_be_rotated(out, frame))
		rotate(out);
	if (out->err)
		return;
	if (!out->begun)
		out->file_ns = frame->timestamp_ns;
	if (!out->shown && times_of(out) == TIMES_RELATIVE)
		out->epoch_ns = frame->timestamp_ns;
	out->shown = true;
	if (is_full(out)) {
		say_full(out);
		return;
	}
	out->format->put(out, frame);
	out->begun = true;
}

int out_begin(struct output *out)
{
	struct winsize size;
	int err = open_file(out);

	if (err)
		fail(out, err);
	out->dated = times_of(out) == TIMES_REALTIME || (out->line && has_date(out->line));
	out->tty = isatty(out->fd);
	out->width = 80;
	if (out->tty && !ioctl(out->fd, TIOCGWINSZ, &size) && size.ws_col > 60)
		out->width = size.ws_col;
	return out->err;
}

int out_end(struct output *out)
{
	if (out->fd >= 0)
		close_file(out);
	free(out->buf);
	out->buf = NULL;
	out->room = 0;
	return out->err;
}
