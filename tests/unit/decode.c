// SPDX-License-Identifier: GPL-2.0-only
/* The formats of acqread, frame by frame. Includes the tool. */
#define main acqread_main
#include "acqread.c"
#undef main
#include "acqread-formats.c"
#include "common.c"

#include "frames.h"
#include "suite.h"

static char *shown(const struct format *format, const struct acq_frame *frame, unsigned int width)
{
	static struct output out;

	ck_assert_ptr_nonnull(format);
	out = (struct output){ .format = format, .width = width };
	out_put(&out, frame);
	out_printf(&out, "%c", 0);
	return out.buf;
}

#define assert_shown(name, frame, text) \
	do { \
		char *_shown = shown(find_format(name), frame, 80); \
\
		ck_assert_str_eq(_shown, text); \
		free(_shown); \
	} while (0)

/* Two scans of two channels. */
static struct acq_frame *small_frame(void)
{
	static const int16_t values[] = { 0, -1, 32767, -32768 };
	struct acq_frame *frame = new_frame(5, ACQ_FORMAT_S16, 2, 8);

	frame->flags = ACQ_FRAME_START | ACQ_FRAME_HW_OVERRUN;
	memcpy(frame->data, values, sizeof(values));
	return frame;
}

static struct acq_frame *event_frame(void)
{
	struct acq_frame *frame = new_frame(5, ACQ_FORMAT_EVENT, 1, 3);

	memcpy(frame->data, "\0a\377", 3);
	return frame;
}

START_TEST(table)
{
	struct acq_frame *frame = small_frame();

	assert_shown("table", frame,
		     "       seq        time flags    ch0    ch1    ch0    ch1\n"
		     "         5    0.000000 SO         0     -1  32767 -32768\n");
	free(frame);
	frame = event_frame();
	assert_shown("table", frame,
		     "       seq        time flags bytes\n"
		     "         5    0.000000       00 61 ff\n");
	free(frame);
}
END_TEST

/* Whatever the format and however many values: the rows fit. */
START_TEST(table_fits)
{
	static const int formats[] = { ACQ_FORMAT_U8, ACQ_FORMAT_S16, ACQ_FORMAT_S32,
				       ACQ_FORMAT_EVENT };
	struct acq_frame *frame;
	uint32_t bytes;
	char *text, *line;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(formats); i++)
		for (bytes = 0; bytes < 4000; bytes += 4) {
			frame = new_frame(9999999999, formats[i], 1, bytes);
			memset(frame->data, 0x80, bytes);
			frame->flags = 0x3f;
			text = shown(find_format("table"), frame, 80);
			for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
				ck_assert_uint_le(strlen(line), 80);
			free(text);
			free(frame);
		}
}
END_TEST

START_TEST(table_says_how_many_more)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_S16, 1, 200);
	char *text = shown(find_format("table"), frame, 80);

	/* 80 - 28 - 7 columns, 7 for each */
	ck_assert_ptr_nonnull(strstr(text, " +94\n"));
	free(text);
	free(frame);
}
END_TEST

START_TEST(csv)
{
	struct acq_frame *frame = small_frame();

	assert_shown("csv", frame,
		     "seq,timestamp_ns,flags,scan,ch0,ch1\n"
		     "5,1005000000,SO,0,0,-1\n"
		     "5,1005000000,SO,1,32767,-32768\n");
	free(frame);
	frame = event_frame();
	assert_shown("csv", frame,
		     "seq,timestamp_ns,flags,data\n"
		     "5,1005000000,,0061ff\n");
	free(frame);
}
END_TEST

/* A scan that is not complete still ends its line. */
START_TEST(csv_ragged)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_U8, 2, 3);

	assert_shown("csv", frame,
		     "seq,timestamp_ns,flags,scan,ch0,ch1\n"
		     "0,1000000000,,0,0,0\n"
		     "0,1000000000,,1,0\n");
	free(frame);
}
END_TEST

#define JSON_5(flags) "{\"seq\":5,\"timestamp_ns\":1005000000,\"flags\":[" flags "],"
#define JSON_0 "{\"seq\":0,\"timestamp_ns\":1000000000,\"flags\":[],"
#define JSON_FORMAT(format, channels) \
	"\"rate_hz\":1000,\"format\":\"" format "\",\"channels\":" channels ","

START_TEST(json)
{
	struct acq_frame *frame = small_frame();

	assert_shown("json", frame,
		     JSON_5("\"start\",\"hw_overrun\"")
			     JSON_FORMAT("s16", "2") "\"data\":[[0,-1],[32767,-32768]]}\n");
	free(frame);
	frame = event_frame();
	assert_shown("json", frame, JSON_5("") JSON_FORMAT("event", "1") "\"data\":\"0061ff\"}\n");
	free(frame);
	frame = new_frame(0, ACQ_FORMAT_U8, 2, 0);
	assert_shown("json", frame, JSON_0 JSON_FORMAT("u8", "2") "\"data\":[]}\n");
	free(frame);
}
END_TEST

START_TEST(hex)
{
	struct acq_frame *frame = new_frame(0, ACQ_FORMAT_U8, 1, 18);

	frame->data[17] = 0xab;
	assert_shown("hex", frame,
		     "frame 0 time 0.000000 flags - u8 x 1, 18 bytes\n"
		     "00000000  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
		     "00000010  00 ab\n");
	free(frame);
}
END_TEST

/* The biggest frames there are go through the text buffer unharmed. */
START_TEST(big_frames)
{
	static const char *const names[] = { "table", "hex", "csv", "json" };
	const uint32_t bytes = 512 * 1024;
	struct acq_frame *frame = zeroed(sizeof(*frame) + bytes);
	char *text;
	size_t i;

	*frame = (struct acq_frame){ .bytes = bytes,
				     .format = ACQ_FORMAT_U8,
				     .stride = sizeof(*frame) + bytes,
				     .channels = 255 };
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		text = shown(find_format(names[i]), frame, 80);
		ck_assert_uint_gt(strlen(text), 50);
		free(text);
	}
	free(frame);
}
END_TEST

START_TEST(flags)
{
	char text[FLAG_TEXT_MAX];
	unsigned int bit;

	ck_assert_str_eq(flag_text(0, text), "");
	ck_assert_str_eq(flag_text(0x3f, text), "SGOBFP");
	ck_assert_str_eq(flag_text(0xffff, text), "SGOBFP?");
	for (bit = 0; FLAG_LETTERS[bit]; bit++)
		ck_assert_ptr_nonnull(flag_name(bit));
	ck_assert_ptr_null(flag_name(bit));
}
END_TEST

/* Interrupts every 4 ms bring 4 frames each; the last one is cut short. */
START_TEST(rate_from_timestamps)
{
	struct session s = { 0 };
	struct acq_frame frame = { .rate_hz = 7, .stride = 32 };
	int i;

	for (i = 0; i < 21; i++) {
		frame.seq = 100 + i;
		frame.timestamp_ns = 1000 + i / 4 * 4000000;
		account(&s, &frame);
		if (i < 4)
			ck_assert_double_eq(measured_rate(&s), 7);
	}
	ck_assert_double_eq_tol(measured_rate(&s), 1000, 0.001);
}
END_TEST

int main(void)
{
	const struct TTest *tests[] = {
		table,	    table_fits, table_says_how_many_more, csv,	csv_ragged, json, hex,
		big_frames, flags,	rate_from_timestamps,	  NULL,
	};

	return run_suite("decode", tests);
}
