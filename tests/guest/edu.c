// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's edu card: a PCI device with an interrupt, DMA, and a result that is known.
 * There are two, each in a port of its own; see tests/qemu/boot. Their INTx is one line.
 */
#include <glob.h>
#include <stdio.h>
#include <sys/mman.h>

#include "common.h"

#define DRIVER "/sys/bus/pci/drivers/acq_edu/"
#define BURST 8 /* frames that come together */
#define PERIOD 34 /* 34! is 0 modulo 2^32 */
#define RING 256
/* From the wish to pull it to the last one awake. It is not the debug kernel's strength. */
#define WAKE_MS (on_debug() ? 20000 : 2000)

static const struct {
	const char *port; /* where it is in the guest */
	const char *id, *bus; /* its name, and the port's, in QEMU */
} cards[] = {
	{ "0000:00:04.0", "edu0", "port0" },
	{ "0000:00:04.2", "edu1", "port2" },
};

struct payload {
	uint32_t n;
	uint32_t factorial;
};

/* The frames of one client in order, none lost, and each right. */
struct sequence {
	struct acq_info info;
	uint64_t frames;
	uint64_t seq; /* of the last one, as the next two */
	uint64_t timestamp;
	uint32_t n;
};

static uint32_t factorial(uint32_t n)
{
	uint32_t product = 1;

	while (n)
		product *= n--;
	return product;
}

static void check_payload(const struct acq_info *info, const struct acq_frame *frame)
{
	struct payload payload;

	expect_equal(frame->bytes, sizeof(payload));
	expect_equal(frame->stride, info->stride);
	expect_equal(frame->stride, sizeof(*frame) + sizeof(payload));
	expect_equal(frame->rate_hz, 0);
	expect_equal(frame->format, ACQ_FORMAT_U32);
	expect_equal(frame->channels, 2);
	memcpy(&payload, frame->data, sizeof(payload));
	expect(payload.n < PERIOD);
	expect_equal(payload.factorial, factorial(payload.n));
}

/* Those of a burst come by one interrupt; seq begins with the card, and so with a burst. */
static void check_timestamp(const struct sequence *sequence, const struct acq_frame *frame)
{
	expect(frame->timestamp_ns <= (uint64_t)now_ns());
	if (!sequence->frames)
		return;
	if (frame->seq % BURST)
		expect_equal(frame->timestamp_ns, sequence->timestamp);
	else
		expect(frame->timestamp_ns > sequence->timestamp);
}

static void sequence_take(struct sequence *sequence, const struct acq_frame *frame)
{
	struct payload payload;

	check_payload(&sequence->info, frame);
	check_timestamp(sequence, frame);
	memcpy(&payload, frame->data, sizeof(payload));
	expect_equal(frame->flags, sequence->frames ? 0 : ACQ_FRAME_START);
	if (sequence->frames) {
		expect_equal(frame->seq, sequence->seq + 1);
		expect_equal(payload.n, (sequence->n + 1) % PERIOD);
	}
	sequence->frames++;
	sequence->seq = frame->seq;
	sequence->timestamp = frame->timestamp_ns;
	sequence->n = payload.n;
}

static void sequence_begin(struct sequence *sequence, int fd)
{
	*sequence = (struct sequence){ .info = info(fd) };
}

static void sequence_take_all(struct sequence *sequence, const void *frames, size_t bytes)
{
	size_t at;

	expect_equal(bytes % sequence->info.stride, 0);
	for (at = 0; at < bytes; at += sequence->info.stride)
		sequence_take(sequence, (const void *)((const char *)frames + at));
}

static void sequence_read_or_fail(struct sequence *sequence, int fd, unsigned int frames)
{
	char buf[64];

	ck_assert_uint_le(sequence->info.stride, sizeof(buf));
	for (; frames; frames--) {
		ck_assert_int_eq(read(fd, buf, sequence->info.stride), sequence->info.stride);
		sequence_take_all(sequence, buf, sequence->info.stride);
	}
}

/* Where the card is */

static bool find(char found[static 128], const char *pattern)
{
	glob_t paths;
	bool is = !glob(pattern, 0, NULL, &paths);

	if (is)
		snprintf(found, 128, "%s", paths.gl_pathv[0]);
	globfree(&paths);
	return is;
}

/* its folder in sysfs */
static bool card_find(unsigned int card, char path[static 128])
{
	char pattern[128];

	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%s/0000:*:00.0", cards[card].port);
	return find(path, pattern);
}

/* of its device, as in /proc/interrupts */
static bool card_name(unsigned int card, char name[static 128])
{
	char path[128], pattern[160];

	if (!card_find(card, path))
		return false;
	snprintf(pattern, sizeof(pattern), "%s/acq/acq*", path);
	if (!find(path, pattern))
		return false;
	snprintf(name, 128, "%s", strrchr(path, '/') + 1);
	return true;
}

static bool card_works(unsigned int card)
{
	char name[128];

	return card_name(card, name);
}

static int card_open_or_fail(unsigned int card)
{
	char name[128], path[160];
	int fd;

	wait_until(card_name(card, name));
	snprintf(path, sizeof(path), "/dev/%s", name);
	/* the link in sysfs comes before the node */
	wait_until((fd = open(path, O_RDWR | O_CLOEXEC)) >= 0);
	ck_assert_str_eq(info(fd).source, "acq_edu");
	configure_or_fail(fd, RING, 1, 0);
	return fd;
}

static void write_or_fail(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_msg(write(fd, value, strlen(value)) >= 0, "%s: %s", path, strerror(errno));
	close(fd);
}

static void card_write_or_fail(unsigned int card, const char *file, const char *value)
{
	char path[128], full[160];

	ck_assert(card_find(card, path));
	snprintf(full, sizeof(full), "%s/%s", path, file);
	write_or_fail(full, value);
}

/* Take it away and bring it back: by root's hand, or QEMU's. */

static void card_driver_or_fail(unsigned int card, const char *file)
{
	char path[128];

	ck_assert(card_find(card, path));
	write_or_fail(file, strrchr(path, '/') + 1);
}

static void card_unbind(unsigned int card)
{
	card_driver_or_fail(card, DRIVER "unbind");
}

static void card_bind(unsigned int card)
{
	card_driver_or_fail(card, DRIVER "bind");
}

static bool card_plugged(unsigned int card)
{
	char answer[4096];

	host_or_fail(answer, sizeof(answer), "qmp qom-list path=/machine/peripheral");
	return strstr(answer, cards[card].id);
}

static void card_pull(unsigned int card)
{
	char answer[1024];

	host_or_fail(answer, sizeof(answer), "qmp device_del id=%s", cards[card].id);
}

static void card_plug(unsigned int card)
{
	char answer[1024];

	/* the guest forgets it first */
	wait_until(!card_plugged(card));
	host_or_fail(answer, sizeof(answer), "qmp device_add driver=edu id=%s bus=%s",
		     cards[card].id, cards[card].bus);
	wait_until(card_works(card));
}

/* The next time it is bound it has MSI, or it hasn't. */
static void card_rebind(unsigned int card, bool msi)
{
	if (card_works(card))
		card_unbind(card);
	card_write_or_fail(card, "msi_bus", msi ? "1" : "0");
	card_bind(card);
}

static bool module_loaded(void)
{
	return !access("/sys/module/acq_edu", F_OK);
}

/* Whatever the test before this one left: two cards with MSI. */
static void begin(void)
{
	unsigned int card;

	if (module_loaded())
		unload_module_or_fail("acq_edu");
	load_module_or_fail("acq_edu", "");
	for (card = 0; card < ARRAY_SIZE(cards); card++) {
		if (!card_plugged(card))
			card_plug(card);
		card_rebind(card, true);
	}
}

/* the action's name stands behind a space and before a comma, or the end of the line */
static bool has_action(const char *line, const char *name)
{
	size_t length = strlen(name);

	while ((line = strchr(line, ' '))) {
		line++;
		if (!strncmp(line, name, length) && strchr("\n,", line[length]))
			return true;
	}
	return false;
}

/* The card's line in /proc/interrupts, which may be another card's, too. */
static void interrupt_or_fail(unsigned int card, char line[static 512])
{
	FILE *file = fopen("/proc/interrupts", "re");
	char name[128];

	ck_assert_ptr_nonnull(file);
	ck_assert(card_name(card, name));
	do
		ck_assert_msg(fgets(line, 512, file), "%s has no interrupt", name);
	while (!has_action(line, name));
	fclose(file);
}

static bool card_has_msi(unsigned int card)
{
	char line[512];

	interrupt_or_fail(card, line);
	return strstr(line, "PCI-MSI");
}

/* more than a period, by MSI and by the line */
START_TEST(frames)
{
	struct sequence sequence;
	struct acq_stats now;
	struct acq_info is;
	int fd;

	card_rebind(0, _i);
	ck_assert_int_eq(card_has_msi(0), _i);
	fd = card_open_or_fail(0);
	is = info(fd);
	ck_assert_uint_eq(is.rate_hz, 0);
	ck_assert_uint_eq(is.formats, 1 << ACQ_FORMAT_U32);
	ck_assert_uint_eq(is.channels, 2);

	sequence_begin(&sequence, fd);
	sequence_read_or_fail(&sequence, fd, 1);
	ck_assert_uint_eq(sequence.n, 0);
	sequence_read_or_fail(&sequence, fd, 5 * BURST);
	now = stats(fd);
	ck_assert_uint_eq(now.lost + now.hw_lost, 0);
	/* a burst takes one for each conversion, and two for its transfers */
	ck_assert_uint_ge(now.irqs, 5 * (BURST + 2));
	ck_assert_uint_eq(now.produced % BURST, 0);
	close(fd);
}
END_TEST

/* What the one on the line has to say is no business of the other. */
START_TEST(shared_line)
{
	struct sequence sequence, neighbour;
	char line[512], other[512];
	int fd, idle;

	card_rebind(0, false);
	card_rebind(1, false);
	interrupt_or_fail(0, line);
	interrupt_or_fail(1, other);
	ck_assert_str_eq(line, other);
	fd = card_open_or_fail(0);
	idle = card_open_or_fail(1);

	sequence_begin(&sequence, fd);
	sequence_read_or_fail(&sequence, fd, 2 * BURST);
	/* it may be asked after the one whose frame we have */
	wait_until(stats(idle).spurious_irqs >= 2 * (BURST + 2));
	ck_assert_uint_eq(stats(idle).irqs, 0);

	/* and now both */
	sequence_begin(&neighbour, idle);
	sequence_read_or_fail(&neighbour, idle, 2 * BURST);
	sequence_read_or_fail(&sequence, fd, 2 * BURST);
	ck_assert_uint_eq(stats(fd).lost + stats(idle).lost, 0);
	close(fd);
	close(idle);
}
END_TEST

/* Its last transfer ends without a driver, and nobody hears of it. */
START_TEST(leaves_the_line_alone)
{
	struct sequence sequence;
	uint64_t spurious;
	int fd, neighbour;

	card_rebind(0, _i);
	card_rebind(1, false);
	fd = card_open_or_fail(0);
	neighbour = card_open_or_fail(1);
	sequence_begin(&sequence, neighbour);
	sequence_read_or_fail(&sequence, neighbour, BURST);

	start_or_fail(fd);
	/* that is in the midst of the second burst */
	wait_until(stats(fd).irqs >= 2 * BURST + 2);
	card_unbind(0);
	spurious = stats(neighbour).spurious_irqs;
	sequence_read_or_fail(&sequence, neighbour, 2 * BURST);
	ck_assert_uint_eq(stats(neighbour).spurious_irqs, spurious);
	close(fd);
	close(neighbour);
	card_bind(0);
}
END_TEST

/* A transfer that is under way when it stops does not come in the way of the next start. */
START_TEST(starts_over)
{
	unsigned int i, count = rounds(8, 100);
	struct sequence sequence;
	uint64_t irqs;
	int fd;

	card_rebind(0, _i);
	fd = card_open_or_fail(0);
	for (i = 0; i < count; i++) {
		irqs = stats(fd).irqs;
		sequence_begin(&sequence, fd);
		start_or_fail(fd);
		sequence_read_or_fail(&sequence, fd, BURST);
		ck_assert_uint_eq(sequence.n, BURST - 1);
		/* the next burst is on its way to the card, or back */
		wait_until(stats(fd).irqs >= irqs + 2 * BURST + 2 + i % 2);
		stop_or_fail(fd);
		flush_or_fail(fd);
	}
	close(fd);
}
END_TEST

static struct sequence gone[WAITS]; /* of each way to wait for it */

static void gone_take(unsigned int way, const struct acq_frame *frame)
{
	sequence_take(&gone[way], frame);
}

static int first_card(void)
{
	return card_open_or_fail(0);
}

static struct waits *load_begin(void)
{
	struct waits *waits = waits_begin(first_card);
	int fd = first_card(), i;

	for (i = 0; i < WAITS; i++)
		sequence_begin(&gone[i], fd);
	close(fd);
	waits_fill(waits, BURST);
	return waits;
}

static void load_end(struct waits *waits, int64_t pulled_ms)
{
	waits_woken_or_fail(waits);
	ck_assert_int_lt(now_ms() - pulled_ms, WAKE_MS);
	waits_end(waits, gone_take);
	ck_assert_int_lt(now_ms() - pulled_ms, 2 * WAKE_MS);
}

static const struct {
	void (*away)(unsigned int card);
	void (*back)(unsigned int card);
} ways[] = {
	{ card_unbind, card_bind },
	{ card_pull, card_plug },
};

START_TEST(gone_under_load)
{
	unsigned int i, count = rounds(20, 200);
	long pinned = pinned_pages();
	struct sequence sequence;
	struct waits *waits;
	int64_t pulled_ms;
	int fd;

	for (i = 0; i < count; i++) {
		waits = load_begin();
		/* in all phases */
		pause_ms(i * 37 % 200);
		pulled_ms = now_ms();
		ways[_i].away(0);
		load_end(waits, pulled_ms);
		ck_assert(!card_works(0));

		ways[_i].back(0);
		fd = card_open_or_fail(0);
		sequence_begin(&sequence, fd);
		sequence_read_or_fail(&sequence, fd, 1);
		ck_assert_uint_eq(sequence.seq, 0);
		close(fd);
	}
	wait_until(pinned_pages() == pinned);
}
END_TEST

/*
 * Its registers, off and on: off, they read as 0 in QEMU. Hardware would say all
 * ones, and QEMU has no way to; acq_sim has.
 */
static void card_answers(unsigned int card, bool answers)
{
	char path[128], full[160];
	uint16_t word;
	int fd;

	ck_assert(card_find(card, path));
	snprintf(full, sizeof(full), "%s/config", path);
	fd = open(full, O_RDWR | O_CLOEXEC);
	ck_assert_ok(fd);
	ck_assert_int_eq(pread(fd, &word, 2, 4), 2);
	word = answers ? word | 2 : word & ~2;
	ck_assert_int_eq(pwrite(fd, &word, 2, 4), 2);
	close(fd);
}

static void check_works(int fd)
{
	struct sequence sequence;

	flush_or_fail(fd);
	sequence_begin(&sequence, fd);
	sequence_read_or_fail(&sequence, fd, BURST);
}

START_TEST(does_not_answer)
{
	struct acq_stats before, now;
	int fd = card_open_or_fail(0);

	check_works(fd);
	/* the transfer into the card's memory is about to begin */
	wait_until(stats(fd).irqs >= 2 * BURST + 2);
	before = stats(fd);
	card_answers(0, false);
	/* it interrupts at its end, but does not say so, and then there is no more */
	wait_until(stats(fd).spurious_irqs > before.spurious_irqs);
	stop_or_fail(fd);
	ck_assert_errno(command(fd, ACQ_IOC_START, NULL), ENODEV);
	now = stats(fd);
	ck_assert_uint_eq(now.irqs, before.irqs);
	ck_assert_uint_eq(now.spurious_irqs, before.spurious_irqs + 1);
	ck_assert_uint_eq(now.device_frames, BURST);

	card_answers(0, true);
	start_or_fail(fd);
	check_works(fd);

	card_answers(0, false);
	card_unbind(0);
	ck_assert_int_eq(poll_now(fd, 0), POLLHUP | POLLERR);
	card_bind(0);
	close(fd);
	fd = card_open_or_fail(0);
	check_works(fd);
	close(fd);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("edu");
	TCase *tcase = tcase_create("edu");

	tcase_set_timeout(tcase, 6 * PATIENCE_MS / 1000);
	tcase_add_checked_fixture(tcase, begin, NULL);
	tcase_add_loop_test(tcase, frames, 0, 2);
	tcase_add_test(tcase, shared_line);
	tcase_add_loop_test(tcase, leaves_the_line_alone, 0, 2);
	tcase_add_loop_test(tcase, starts_over, 0, 2);
	tcase_add_test(tcase, does_not_answer);
	tcase_add_loop_test(tcase, gone_under_load, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run(suite());
}
