// SPDX-License-Identifier: GPL-2.0-only
/*
 * A serial card that the host feeds. What the host sent is told by its SHA-256, and
 * what came out of the node must have the same.
 */
#include <dirent.h>
#include <linux/pci_regs.h>
#include <linux/serial_reg.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>

#include "common.h"

#define DEVICES "/sys/bus/pci/devices/"
#define DRIVERS "/sys/bus/pci/drivers/"
#define QEMU_SERIAL 0x0002 /* ids of devices */
#define QEMU_EDU 0x11e8
#define FIFO_BYTES 16
#define RING 16384 /* frames: QEMU waits for a full FIFO, but nobody for a full ring */
#define SUM_CHARS 64 /* of a SHA-256 in hexadecimal */

static char card[32]; /* its address */
static int device;
static uint64_t lost_before; /* acq_stats.hw_lost is the device's, from all tests */

/* --- the card in sysfs --- */

/* 0 or an errno */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}

static void write_file_or_fail(const char *path, const char *text)
{
	int error = write_file(path, text);

	ck_assert_msg(!error, "%s into %s: %s", text, path, strerror(error));
}

static void device_path(char path[static 128], const char *address, const char *name)
{
	snprintf(path, 128, DEVICES "%s/%s", address, name);
}

static void card_path(char path[static 128], const char *name)
{
	device_path(path, card, name);
}

/* What an attribute of a device says; -1: there is none. */
static long device_number(const char *address, const char *name)
{
	char path[128], text[32] = "";
	FILE *file;

	device_path(path, address, name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	return strtol(text, NULL, 0);
}

/*
 * The next device of a kind of QEMU's, after the one at @address, in whatever order;
 * false: no more. "" begins.
 */
static bool device_next(char address[static 32], long id)
{
	DIR *dir = opendir(DEVICES);
	bool found = !address[0];
	struct dirent *entry;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (!found) {
			found = !strcmp(entry->d_name, address);
		} else if (device_number(entry->d_name, "device") == id) {
			snprintf(address, 32, "%.31s", entry->d_name);
			break;
		}
	}
	closedir(dir);
	return entry;
}

static bool card_find(void)
{
	card[0] = 0;
	return device_next(card, QEMU_SERIAL);
}

static bool card_driver_is(const char *name)
{
	char path[128], target[256];
	const char *at;
	ssize_t got;

	card_path(path, "driver");
	got = readlink(path, target, sizeof(target) - 1);
	if (got < 0)
		return !name;
	target[got] = 0;
	at = strrchr(target, '/');
	return name && at && !strcmp(at + 1, name);
}

static void card_unbind(void)
{
	char path[128];

	card_path(path, "driver/unbind");
	if (!card_driver_is(NULL))
		write_file_or_fail(path, card);
}

static void card_override(const char *driver)
{
	char path[128];

	card_path(path, "driver_override");
	write_file_or_fail(path, driver);
}

/* The kernel's own driver was first. */
static void card_take(void)
{
	ck_assert(card_find());
	if (card_driver_is("acq_uart"))
		return;
	card_unbind();
	card_override("acq_uart");
	write_file_or_fail(DRIVERS "acq_uart/bind", card);
}

/* as the next suite expects to find it; there is no test here to fail */
static void card_give_back(void)
{
	char path[128];

	if (!card_find())
		return;
	card_path(path, "driver/unbind");
	write_file(path, card);
	card_path(path, "driver_override");
	write_file(path, "\n");
	write_file("/sys/bus/pci/drivers_probe", card);
}

/* Its registers, behind the driver's back. */
static uint8_t reg_get(unsigned int reg)
{
	char path[128];
	uint8_t value;
	int fd;

	card_path(path, "resource0");
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_ok(fd);
	ck_assert_int_eq(pread(fd, &value, 1, reg), 1);
	close(fd);
	return value;
}

static void reg_set(unsigned int reg, uint8_t value)
{
	char path[128];
	int fd;

	card_path(path, "resource0");
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_ok(fd);
	ck_assert_int_eq(pwrite(fd, &value, 1, reg), 1);
	close(fd);
}

/* --- what is received --- */

/* The node that a source feeds. */
static int open_source_or_fail(const char *source, int flags)
{
	struct acq_info got;
	char path[32] = NODE;
	unsigned int i;
	int fd;

	for (i = 1; i < 8; i++) {
		fd = open(path, flags | O_CLOEXEC);
		if (fd >= 0) {
			got = info(fd);
			if (!strcmp(got.source, source))
				return fd;
			close(fd);
		}
		snprintf(path, sizeof(path), NODE "%u", i);
	}
	ck_abort_msg("no node of %s", source);
	return -1;
}

/* A client that reads so many bytes in a thread of its own, and adds them up. */
struct listener {
	pthread_t thread;
	int fd;
	uint64_t wanted;
	uint64_t bytes;
	uint64_t frames;
	uint64_t next; /* seq */
	uint32_t stride;
	unsigned int full; /* frames of a whole FIFO, or its trigger */
	unsigned int breaks;
	unsigned int overruns;
	FILE *sum;
	bool done;
};

static void listener_take(struct listener *l, const struct acq_frame *frame)
{
	static const uint8_t zero[FIFO_BYTES];

	expect_equal(frame->stride, l->stride);
	expect_equal(frame->rate_hz, 0);
	expect_equal(frame->format, ACQ_FORMAT_U8);
	expect_equal(frame->channels, 1);
	expect(frame->bytes >= 1 && frame->bytes <= FIFO_BYTES);
	expect(!memcmp(frame->data + frame->bytes, zero, FIFO_BYTES - frame->bytes));
	expect_equal(frame->flags & ~(ACQ_FRAME_BREAK | ACQ_FRAME_HW_OVERRUN),
		     l->frames ? 0 : ACQ_FRAME_START);
	if (l->frames)
		expect_equal(frame->seq, l->next);
	l->next = frame->seq + 1;
	l->frames++;
	l->bytes += frame->bytes;
	l->full += frame->bytes >= 14;
	l->breaks += !!(frame->flags & ACQ_FRAME_BREAK);
	l->overruns += !!(frame->flags & ACQ_FRAME_HW_OVERRUN);
	ck_assert_uint_eq(fwrite(frame->data, 1, frame->bytes, l->sum), frame->bytes);
}

static void *listener_run(void *arg)
{
	struct listener *l = arg;
	size_t room = 1024UL * l->stride;
	char *buf = alloc_or_fail(room);
	ssize_t got, at;

	while (l->bytes < l->wanted) {
		got = read(l->fd, buf, room);
		ck_assert_msg(got > 0, "read: %s", got ? strerror(errno) : "ended");
		for (at = 0; at < got; at += l->stride)
			listener_take(l, (const void *)(buf + at));
	}
	free(buf);
	__atomic_store_n(&l->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* The next frame is the first of a stream. */
static void restart_or_fail(int fd)
{
	stop_or_fail(fd);
	start_or_fail(fd);
}

/* Attached on return, so that nothing that is sent from now on is missed. */
static void listener_start(struct listener *l, int fd, uint64_t bytes)
{
	char line[64];

	*l = (struct listener){ .fd = fd, .wanted = bytes, .stride = info(fd).stride };
	snprintf(line, sizeof(line), "sha256sum >/tmp/sum%d", fd);
	l->sum = popen(line, "we");
	ck_assert_ptr_nonnull(l->sum);
	restart_or_fail(fd);
	spawn_or_fail(&l->thread, listener_run, l);
}

/* All has come, and no more than that; its sum. */
static void listener_join(struct listener *l, char sum[static SUM_CHARS + 1])
{
	char path[32];
	FILE *file;

	wait_until(__atomic_load_n(&l->done, __ATOMIC_ACQUIRE));
	pthread_join(l->thread, NULL);
	ck_assert_uint_eq(l->bytes, l->wanted);
	ck_assert_int_eq(pclose(l->sum), 0);
	snprintf(path, sizeof(path), "/tmp/sum%d", l->fd);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(sum, SUM_CHARS + 1, file));
	fclose(file);
	ck_assert_uint_eq(stats(l->fd).lost, 0);
	ck_assert_uint_eq(stats(l->fd).ring, 0);
}

/* Random bytes from the host through the card, equal at both ends. */
static void transfer_or_fail(struct listener *l, int fd, uint64_t bytes)
{
	char sent[128], received[SUM_CHARS + 1];

	listener_start(l, fd, bytes);
	host_or_fail(sent, sizeof(sent), "send uart0 %llu", (unsigned long long)bytes);
	listener_join(l, received);
	ck_assert_str_eq(received, sent);
}

static int open_uart_or_fail(void)
{
	int fd = open_source_or_fail("acq_uart", O_RDWR);

	configure_or_fail(fd, RING, RING / 64, 20000);
	return fd;
}

static void begin(void)
{
	int error = load_module("acq_uart", "");

	ck_assert_msg(!error || error == EEXIST, "acq_uart: %s", strerror(error));
	card_take();
	device = open_uart_or_fail();
	lost_before = stats(device).hw_lost;
}

static uint64_t hw_lost(void)
{
	return stats(device).hw_lost - lost_before;
}

/* --- tests --- */

START_TEST(geometry)
{
	struct acq_setup setup = { .size = sizeof(setup), .rate_hz = 100, .samples = 4 };
	struct acq_info got = info(device);

	ck_assert_uint_eq(got.payload_max, FIFO_BYTES);
	ck_assert_uint_eq(got.rate_hz, 0);
	ck_assert_uint_eq(got.rate_max_hz, 0);
	ck_assert_uint_eq(got.channels, 1);
	ck_assert_uint_eq(got.format, ACQ_FORMAT_U8);
	ck_assert_uint_eq(got.formats, 1 << ACQ_FORMAT_U8);
	/* nothing can be set: what is in force comes back */
	ck_assert_ok(command(device, ACQ_IOC_SETUP, &setup));
	ck_assert_uint_eq(setup.rate_hz, 0);
	ck_assert_uint_eq(setup.samples, FIFO_BYTES);
}
END_TEST

/* The bar. Most frames must be what a FIFO with its trigger gives. */
START_TEST(whole)
{
	uint64_t bytes = (uint64_t)rounds(4, 64) << 20;
	int64_t begin = now_ms();
	struct listener l;

	transfer_or_fail(&l, device, bytes);
	printf("%llu bytes in %llu frames, %u interrupts, %lld ms\n", (unsigned long long)bytes,
	       (unsigned long long)l.frames, (unsigned int)stats(device).irqs,
	       (long long)(now_ms() - begin));
	ck_assert_uint_eq(l.breaks, 0);
	ck_assert_uint_eq(l.overruns, 0);
	ck_assert_uint_gt(l.full, l.frames / 2);
	ck_assert_uint_eq(hw_lost(), 0);
}
END_TEST

/* So few that the trigger is not reached: the character timeout brings them. */
START_TEST(few)
{
	struct listener l;
	unsigned int i;

	for (i = 1; i <= 3; i++)
		transfer_or_fail(&l, device, i);
}
END_TEST

START_TEST(two_clients)
{
	char sent[128], received[2][SUM_CHARS + 1];
	struct listener l[2];
	int i;

	listener_start(&l[0], device, 20000);
	listener_start(&l[1], open_uart_or_fail(), 20000);
	host_or_fail(sent, sizeof(sent), "send uart0 20000");
	for (i = 0; i < 2; i++) {
		listener_join(&l[i], received[i]);
		ck_assert_str_eq(received[i], sent);
	}
}
END_TEST

static const uint8_t running[] = {
	[UART_IER] = UART_IER_RDI | UART_IER_RLSI,
	[UART_IIR] = 0xc0 | UART_IIR_NO_INT, /* the FIFO is on */
	[UART_LCR] = UART_LCR_WLEN8,
	[UART_MCR] = UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2,
};

/* Whatever the registers were, as after a suspend. */
START_TEST(start_programs_all)
{
	struct listener l;

	reg_set(UART_MCR, UART_MCR_LOOP);
	reg_set(UART_FCR, 0);
	reg_set(UART_LCR, UART_LCR_DLAB);
	reg_set(UART_DLL, 0x34);
	reg_set(UART_DLM, 0x12);
	start_or_fail(device);
	ck_assert_uint_eq(reg_get(UART_IER), running[UART_IER]);
	ck_assert_uint_eq(reg_get(UART_IIR), running[UART_IIR]);
	ck_assert_uint_eq(reg_get(UART_LCR), running[UART_LCR]);
	ck_assert_uint_eq(reg_get(UART_MCR), running[UART_MCR]);
	reg_set(UART_LCR, UART_LCR_WLEN8 | UART_LCR_DLAB);
	ck_assert_uint_eq(reg_get(UART_DLL), 1);
	ck_assert_uint_eq(reg_get(UART_DLM), 0);
	reg_set(UART_LCR, UART_LCR_WLEN8);
	transfer_or_fail(&l, device, 1000);
	stop_or_fail(device);
	ck_assert_uint_eq(reg_get(UART_IER), 0);
	ck_assert_uint_eq(reg_get(UART_MCR), 0);
}
END_TEST

/* A card that doesn't answer reads all ones. */
START_TEST(dead_card)
{
	char path[128];
	struct listener l;
	uint16_t all, none;
	int fd, error;

	card_path(path, "config");
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_ok(fd);
	ck_assert_int_eq(pread(fd, &all, 2, PCI_COMMAND), 2);
	none = all & ~PCI_COMMAND_IO;
	ck_assert_int_eq(pwrite(fd, &none, 2, PCI_COMMAND), 2);
	ck_assert_uint_eq(reg_get(UART_LSR), 0xff);
	error = command(device, ACQ_IOC_START, NULL) ? errno : 0;
	/* before anything can fail: the next test needs the card */
	ck_assert_int_eq(pwrite(fd, &all, 2, PCI_COMMAND), 2);
	close(fd);
	ck_assert_int_eq(error, ENODEV);
	transfer_or_fail(&l, device, 1000);
}
END_TEST

static struct acq_frame *read_frame_or_fail(void)
{
	struct acq_frame *frame = alloc_or_fail(info(device).stride);

	ck_assert_int_eq(read(device, frame, info(device).stride), frame->stride);
	return frame;
}

START_TEST(line_break)
{
	struct acq_frame *frame;
	struct listener l;
	char answer[256];

	transfer_or_fail(&l, device, 5000);
	host_or_fail(answer, sizeof(answer), "qmp chardev-send-break id=uart0");
	frame = read_frame_or_fail();
	ck_assert_uint_eq(frame->flags, ACQ_FRAME_BREAK);
	ck_assert_uint_eq(frame->bytes, 1);
	ck_assert_uint_eq(frame->data[0], 0);
	ck_assert_uint_eq(frame->seq, l.next);
	free(frame);
	transfer_or_fail(&l, device, 5000);
	ck_assert_uint_eq(l.breaks, 0);
	ck_assert_uint_eq(hw_lost(), 0);
}
END_TEST

/*
 * The card hears itself and interrupts nobody, until its FIFO has run over: what it
 * kept comes first, then the loss.
 */
START_TEST(overrun)
{
	struct acq_frame *frame;
	struct listener l;
	uint64_t next;
	int i;

	start_or_fail(device);
	reg_set(UART_IER, 0);
	reg_set(UART_MCR, running[UART_MCR] | UART_MCR_LOOP);
	for (i = 0; i < FIFO_BYTES + 4; i++)
		reg_set(UART_TX, 'a' + i);
	reg_set(UART_IER, running[UART_IER]);
	frame = read_frame_or_fail();
	ck_assert_uint_eq(frame->flags, ACQ_FRAME_START);
	ck_assert_uint_eq(frame->bytes, FIFO_BYTES);
	ck_assert_mem_eq(frame->data, "abcdefghijklmnop", FIFO_BYTES);
	ck_assert_uint_eq(hw_lost(), 1);
	next = frame->seq + 1;
	free(frame);

	for (i = 0; i < 2; i++) {
		reg_set(UART_TX, 'x' + i);
		frame = read_frame_or_fail();
		ck_assert_uint_eq(frame->flags, i ? 0 : ACQ_FRAME_HW_OVERRUN);
		ck_assert_uint_eq(frame->bytes, 1);
		ck_assert_uint_eq(frame->data[0], 'x' + i);
		ck_assert_uint_eq(frame->seq, next + i);
		free(frame);
	}
	ck_assert_uint_eq(hw_lost(), 1);
	transfer_or_fail(&l, device, 1000);
	ck_assert_uint_eq(l.overruns, 0);
}
END_TEST

#define FEED 50000U

static void *feed(void *arg)
{
	char *sent = arg;

	host_or_fail(sent, 128, "send uart0 %u", FEED);
	return NULL;
}

/* The card converts n into n!, modulo 2^32: the next n, from 0 on. */
static void factorial_take(int fd)
{
	static uint32_t factorial = 1, n;
	struct {
		struct acq_frame header;
		uint32_t n, factorial;
	} frame;

	ck_assert_int_eq(read(fd, &frame, sizeof(frame)), sizeof(frame));
	expect_equal(frame.header.seq, n);
	expect_equal(frame.n, n);
	expect_equal(frame.factorial, factorial);
	factorial *= ++n;
}

/* Three kinds of source at once, each its own node. */
START_TEST(several)
{
	int sim = open_source_or_fail("acq_sim", O_RDWR), edu;
	char sent[128], received[SUM_CHARS + 1];
	struct stream stream;
	struct listener l;
	pthread_t feeder;
	unsigned int i;

	load_module_or_fail("acq_edu", "");
	edu = open_source_or_fail("acq_edu", O_RDONLY);
	start_or_fail(edu);
	sim_reset();
	configure_or_fail(sim, 4096, 1, 0);
	stream_begin(&stream, sim);
	start_or_fail(sim);
	listener_start(&l, device, FEED);
	spawn_or_fail(&feeder, feed, sent);
	while (!__atomic_load_n(&l.done, __ATOMIC_ACQUIRE))
		stream_read_or_fail(&stream, sim, 20);
	pthread_join(feeder, NULL);
	listener_join(&l, received);
	ck_assert_str_eq(received, sent);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_ge(stream.frames, 20);
	for (i = 0; i < 24; i++)
		factorial_take(edu);
	ck_assert_uint_eq(stats(edu).lost, 0);
	close(edu);
	unload_module_or_fail("acq_edu");
}
END_TEST

/*
 * A neighbour on the line: a card without a driver, whose interrupt we raise and
 * take back by hand. In between nobody but the uart's handler is asked, and it must
 * say no.
 */
struct neighbour {
	char address[32];
	volatile uint32_t *regs;
	int fd; /* that nobody reads, for the counters */
};

#define EDU_RAISE (0x60 / 4)
#define EDU_ACKNOWLEDGE (0x64 / 4)

static void neighbour_enable(const struct neighbour *n, const char *value)
{
	char path[128];

	device_path(path, n->address, "enable");
	write_file_or_fail(path, value);
}

static void neighbour_find_or_fail(struct neighbour *n)
{
	char path[128];
	int fd;

	n->fd = open_uart_or_fail();
	n->address[0] = 0;
	for (;;) {
		ck_assert_msg(device_next(n->address, QEMU_EDU), "nobody is on the same line");
		neighbour_enable(n, "1");
		/* the line is known from here on */
		if (device_number(n->address, "irq") == device_number(card, "irq"))
			break;
		neighbour_enable(n, "0");
	}
	device_path(path, n->address, "resource0");
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_ok(fd);
	n->regs = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne((void *)n->regs, MAP_FAILED);
	close(fd);
}

static long effective_processor(void)
{
	char path[64], text[16] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/irq/%ld/effective_affinity_list",
		 device_number(card, "irq"));
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
	fclose(file);
	return strtol(text, NULL, 10);
}

/*
 * The one who raises must go on while another processor has the interrupt, to
 * take it back. It moves there with the next one.
 */
static void neighbour_apart_or_fail(void)
{
	char path[64];
	cpu_set_t set;

	snprintf(path, sizeof(path), "/proc/irq/%ld/smp_affinity_list", device_number(card, "irq"));
	write_file_or_fail(path, "1");
	wait_until(effective_processor() == 1);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	ck_assert_ok(sched_setaffinity(0, sizeof(set), &set));
}

/*
 * One for each of the card's at most, or the kernel would think that nobody cares
 * for the line. It is seen unless the line is masked at that moment, or the
 * processor that should see it is away.
 */
static void neighbour_interrupt(struct neighbour *n)
{
	n->regs[EDU_RAISE] = 1;
	n->regs[EDU_ACKNOWLEDGE] = 1;
}

static void neighbour_leave(struct neighbour *n)
{
	munmap((void *)n->regs, page_bytes());
	neighbour_enable(n, "0");
}

START_TEST(shared_line)
{
	char sent[128], received[SUM_CHARS + 1];
	struct neighbour neighbour;
	struct acq_stats before, now;
	unsigned int i = 0;
	uint64_t irqs;
	struct listener l;
	pthread_t feeder;

	neighbour_find_or_fail(&neighbour);
	before = stats(device);
	listener_start(&l, device, FEED);
	spawn_or_fail(&feeder, feed, sent);
	neighbour_apart_or_fail();
	while (!__atomic_load_n(&l.done, __ATOMIC_ACQUIRE)) {
		irqs = stats(neighbour.fd).irqs;
		neighbour_interrupt(&neighbour);
		i++;
		while (stats(neighbour.fd).irqs == irqs &&
		       !__atomic_load_n(&l.done, __ATOMIC_ACQUIRE))
			;
	}
	pthread_join(feeder, NULL);
	listener_join(&l, received);
	ck_assert_str_eq(received, sent);
	now = stats(device);
	printf("%u interrupts of the neighbour, %u of ours, %u were not\n", i,
	       (unsigned int)(now.irqs - before.irqs),
	       (unsigned int)(now.spurious_irqs - before.spurious_irqs));
	ck_assert_uint_gt(now.spurious_irqs - before.spurious_irqs, 10);
	ck_assert_uint_eq(hw_lost(), 0);
	neighbour_leave(&neighbour);
}
END_TEST

/* --- plugged and unplugged --- */

#define PORT "port1"

static void unplug(void)
{
	char answer[256], path[128];

	card_path(path, "");
	host_or_fail(answer, sizeof(answer), "qmp device_del id=uart0");
	wait_until(access(path, F_OK));
}

/* The guest lets go a little earlier than QEMU notices. */
static void plug(void)
{
	char answer[256];

	wait_until(host_try(answer, sizeof(answer), "qmp device_add driver=pci-serial id=uart0 %s",
			    "bus=" PORT " chardev=uart0"));
	wait_until(card_find() && card_driver_is("serial"));
	card_take();
}

static struct listener waiting[WAITS]; /* in each way */

static void waiting_take(unsigned int way, const struct acq_frame *frame)
{
	listener_take(&waiting[way], frame);
}

/* Somebody waits in each way, and nothing has come, or a byte. */
static void gone_while_waiting(unsigned int bytes)
{
	struct waits *waits = waits_begin(open_uart_or_fail);
	char sent[128];
	FILE *sum = fopen("/dev/null", "we");
	int i;

	ck_assert_ptr_nonnull(sum);
	for (i = 0; i < WAITS; i++)
		waiting[i] = (struct listener){ .stride = info(device).stride, .sum = sum };
	if (bytes)
		host_or_fail(sent, sizeof(sent), "send uart0 %u", bytes);
	waits_fill(waits, bytes);
	unplug();
	waits_woken_or_fail(waits);
	waits_end(waits, waiting_take);
	for (i = 0; i < WAITS; i++)
		ck_assert_uint_eq(waiting[i].bytes, bytes);
	fclose(sum);
}

#define FLOOD 50000U /* QEMU's socket holds as many, so that send does not wait */
#define FLOOD_LOSS 1000 /* what may drown in FIFOs while drivers come and go */

/* Frames in order for as long as there are any; what ended it. */
static int flood_read(struct listener *l, uint64_t enough)
{
	size_t room = 1024UL * l->stride;
	char *buf = alloc_or_fail(room);
	ssize_t got = 0, at;

	while (l->bytes < enough && (got = read(l->fd, buf, room)) > 0)
		for (at = 0; at < got; at += l->stride)
			listener_take(l, (const void *)(buf + at));
	free(buf);
	return got < 0 ? errno : 0;
}

static void flood_begin(struct listener *l)
{
	*l = (struct listener){ .fd = device, .stride = info(device).stride };
	l->sum = fopen("/dev/null", "we");
	ck_assert_ptr_nonnull(l->sum);
	restart_or_fail(device);
}

/* Bytes come all the time. How many got here before the end? */
static uint64_t gone_while_streaming(void)
{
	struct listener l;
	char answer[256];

	flood_begin(&l);
	host_or_fail(answer, sizeof(answer), "send uart0 %u", FLOOD);
	ck_assert_int_eq(flood_read(&l, FLOOD / 10), 0);
	unplug();
	ck_assert_int_eq(flood_read(&l, UINT64_MAX), ENODEV);
	ck_assert_uint_lt(l.bytes, FLOOD - FLOOD_LOSS);
	fclose(l.sum);
	return l.bytes;
}

/* The rest goes to the next card, and must not stay there. */
static void flood_end(uint64_t before)
{
	struct pollfd pollfd = { .fd = device, .events = POLLIN };
	struct listener l;

	flood_begin(&l);
	l.bytes = before;
	ck_assert_int_eq(flood_read(&l, FLOOD - FLOOD_LOSS), 0);
	while (poll(&pollfd, 1, 500))
		ck_assert_int_eq(flood_read(&l, l.bytes + 1), 0);
	fclose(l.sum);
}

/* Files of cards that are no more stay open: nobody waits for them. */
START_TEST(plugged_again)
{
	unsigned int i, count = rounds(20, 200);
	uint64_t before = 0;
	struct listener l;

	for (i = 0; i < count; i++) {
		transfer_or_fail(&l, device, 1000);
		if (i % 4 == 1)
			before = gone_while_streaming();
		else
			gone_while_waiting(i % 2);
		ck_assert(info(device).flags & ACQ_INFO_GONE);
		plug();
		if (i % 3)
			close(device);
		device = open_uart_or_fail();
		if (i % 4 == 1)
			flood_end(before);
	}
	transfer_or_fail(&l, device, 100000);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("uart");
	TCase *small = tcase_create("small"), *large = tcase_create("large");

	tcase_set_timeout(small, 2 * PATIENCE_MS / 1000);
	tcase_add_checked_fixture(small, begin, NULL);
	tcase_add_test(small, geometry);
	tcase_add_test(small, few);
	tcase_add_test(small, two_clients);
	tcase_add_test(small, start_programs_all);
	tcase_add_test(small, dead_card);
	tcase_add_test(small, line_break);
	tcase_add_test(small, overrun);
	tcase_add_test(small, several);
	tcase_add_test(small, shared_line);
	suite_add_tcase(suite, small);

	tcase_set_timeout(large, 250);
	tcase_add_unchecked_fixture(large, NULL, card_give_back);
	tcase_add_checked_fixture(large, begin, NULL);
	tcase_add_test(large, plugged_again);
	tcase_add_test(large, whole);
	suite_add_tcase(suite, large);
	return suite;
}

int main(void)
{
	return run(suite());
}
