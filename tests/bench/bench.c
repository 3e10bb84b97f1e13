// SPDX-License-Identifier: GPL-2.0-only
/*
 * What acq costs, beside its peers, in the guest of `make bench`.
 *
 * There an executed instruction, a nanosecond and a cycle of the time stamp counter
 * are the same thing: see tests/qemu/boot. Each line "ROW ..." is a row of
 * build/bench.csv without its ratio; an argument names the cases to run.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <linux/acq.h>
#include <linux/aio_abi.h>
#include <linux/comedi.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define REPEATS 9
#define EVENTS 10000
#define PERIOD_NS 100000
#define LATENCY_MARGIN_NS 300000
#define BUFFER_BYTES (4096 * 4096)
#define HANG_SECONDS 30 /* no row takes so long, nor a trial of a rate */
#define IIO_SECONDS 3 /* nor EVENTS */

static const char *bottom_half = "thread";
static unsigned int payload = 32;
static unsigned char *buffer, *plain_memory;
static int bench = -1;

/* --- the ground --- */

static void die(const char *what)
{
	dprintf(STDOUT_FILENO, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int check(int ret, const char *what)
{
	if (ret < 0)
		die(what);
	return ret;
}

/* An alarm ends a system call that waits in vain. */
static void do_nothing(int signal)
{
	(void)signal;
}

static void shell(const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command)) {
		errno = ECHILD;
		die(command);
	}
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec span = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	nanosleep(&span, NULL);
}

static void row(const char *name, const char *method, unsigned int batch, double acq, double peer,
		const char *peer_name)
{
	dprintf(STDOUT_FILENO, "ROW %s,%s,%s,%u,%u,%.2f,%.2f,%s\n", name, method, bottom_half,
		payload + 32, batch, acq, peer, peer_name);
	alarm(HANG_SECONDS);
}

static unsigned int stride(void)
{
	return payload + 32;
}

/* the guest has no other */
#define IIO "/sys/bus/iio/devices/iio:device0"

/* Fresh modules: /dev/acq is the bench's source. */
static void load(const char *half, unsigned int bytes)
{
	static const char *const modules[] = { "acq_sim", "bench_peer", "acq" };
	unsigned int i;

	if (bench >= 0)
		close(bench);
	bottom_half = half;
	payload = bytes;
	/* the IIO device's use of its trigger pins our module */
	shell("[ ! -e " IIO " ] || echo >" IIO "/trigger/current_trigger");
	for (i = 0; i < ARRAY_SIZE(modules); i++)
		shell("[ ! -e /sys/module/%s ] || rmmod %s", modules[i], modules[i]);
	shell("modprobe acq bottom_half=%s", half);
	shell("modprobe bench_peer payload=%u", bytes);
	bench = check(open("/dev/bench", O_RDWR | O_CLOEXEC), "/dev/bench");
}

static int acq_open(const char *path, unsigned int ring, unsigned int watermark)
{
	struct acq_config config = {
		.size = sizeof(config),
		.ring_frames = ring,
		.watermark = watermark,
		.latency_us = ACQ_LATENCY_KEEP,
	};
	int fd = check(open(path, O_RDWR | O_CLOEXEC), path);

	check(ioctl(fd, ACQ_IOC_CONFIGURE, &config), "CONFIGURE");
	return fd;
}

static struct acq_stats acq_stats(int fd)
{
	struct acq_stats stats = { .size = sizeof(stats) };

	check(ioctl(fd, ACQ_IOC_GET_STATS, &stats), "GET_STATS");
	return stats;
}

static void tick(enum bench_event event, unsigned int frames, uint64_t period_ns,
		 unsigned int count, int eventfd)
{
	struct bench_timer timer = {
		.event = event,
		.frames = frames,
		.first_ns = now_ns() + LATENCY_MARGIN_NS,
		.period_ns = period_ns,
		.count = count,
		.eventfd = eventfd,
	};

	check(ioctl(bench, BENCH_IOC_TIMER, &timer), "TIMER");
}

/* The client gets @frames by one interrupt. */
static void acq_fill(int fd, unsigned int frames)
{
	uint64_t end = acq_stats(fd).produced + frames;

	tick(BENCH_ACQ, frames, 0, 1, -1);
	while (acq_stats(fd).produced != end)
		sleep_ns(50000);
}

/* Instructions of @work, the least of several; @prepare comes before each. */
static double least(void (*prepare)(void *), void (*work)(void *), void *arg)
{
	uint64_t best = UINT64_MAX;
	int i;

	for (i = 0; i < REPEATS; i++) {
		uint64_t begin, cycles;

		if (prepare)
			prepare(arg);
		begin = __rdtsc();
		work(arg);
		cycles = __rdtsc() - begin;
		if (cycles < best)
			best = cycles;
	}
	return best;
}

/* --- batches that are there --- */

struct batch {
	int fd, in; /* where to read; where to fill */
	unsigned int frames;
	size_t bytes;
	volatile uint32_t *out;
	const struct acq_producer *producer;
	const unsigned char *ring;
	struct io_uring uring;
	aio_context_t aio;
	unsigned int comedi_bytes; /* of the ring */
	size_t comedi_at;
	uint64_t sum;
};

static void batch_fill(void *arg)
{
	struct batch *b = arg;

	acq_fill(b->fd, b->frames);
}

static void batch_read(void *arg)
{
	struct batch *b = arg;

	if (read(b->fd, buffer, b->bytes) != (ssize_t)b->bytes)
		die("read");
}

static void pipe_fill(void *arg)
{
	struct batch *b = arg;
	size_t left = b->bytes;

	/* record by record would be slow, and fill a page of the pipe's no better */
	while (left)
		left -= check(write(b->in, plain_memory, left), "write to the pipe");
}

static void iio_fill(void *arg)
{
	struct batch *b = arg;

	check(ioctl(bench, BENCH_IOC_IIO_PUSH, b->frames), "IIO_PUSH");
}

static double pipe_cost(unsigned int frames)
{
	struct batch b = { .frames = frames, .bytes = (size_t)frames * stride() };
	int fds[2];
	double cost;

	check(pipe(fds), "pipe");
	check(fcntl(fds[1], F_SETPIPE_SZ, b.bytes < 65536 ? 65536 : (int)b.bytes), "F_SETPIPE_SZ");
	b.fd = fds[0];
	b.in = fds[1];
	cost = least(pipe_fill, batch_read, &b) / frames;
	close(fds[0]);
	close(fds[1]);
	return cost;
}

static double plain_cost(unsigned int frames)
{
	struct batch b = { .fd = bench, .frames = frames, .bytes = (size_t)frames * stride() };

	return least(NULL, batch_read, &b) / frames;
}

static void iio_write(const char *file, const char *value)
{
	shell("echo %s >" IIO "/%s", value, file);
}

/* Return: the buffer, enabled. */
static int iio_open(unsigned int watermark)
{
	char text[32];
	int i, fd;

	for (i = 0; i < 8; i++) {
		snprintf(text, sizeof(text), "scan_elements/in_count%d_en", i);
		iio_write(text, "1");
	}
	iio_write("trigger/current_trigger", "bench");
	iio_write("buffer/length", "8192");
	snprintf(text, sizeof(text), "%u", watermark);
	iio_write("buffer/watermark", text);
	iio_write("buffer/enable", "1");
	fd = check(open("/dev/iio:device0", O_RDONLY | O_CLOEXEC), "/dev/iio:device0");
	return fd;
}

static void iio_close(int fd)
{
	close(fd);
	iio_write("buffer/enable", "0");
}

/* IIO drops the tick that comes before the last one is done with, and says nothing. */
static bool iio_read(struct batch *b)
{
	return read(b->fd, buffer, b->bytes) == (ssize_t)b->bytes;
}

static double iio_cost(unsigned int frames)
{
	struct batch b = { .frames = frames, .bytes = (size_t)frames * stride() };
	double cost;

	b.fd = iio_open(1);
	cost = least(iio_fill, batch_read, &b) / frames;
	iio_close(b.fd);
	return cost;
}

#define COMEDI_BUFFER (1024 * 1024)
#define COMEDI_SCAN 16 /* bytes of eight channels */

static unsigned int comedi_available(int fd)
{
	struct comedi_bufinfo info = { .subdevice = 0 };

	check(ioctl(fd, COMEDI_BUFINFO, &info), "COMEDI_BUFINFO");
	return info.buf_write_count - info.buf_read_count;
}

/* Start to convert eight channels every @scan_ns, all of them at once. */
static int comedi_open(unsigned int scan_ns)
{
	struct comedi_bufconfig config = { .subdevice = 0,
					   .maximum_size = COMEDI_BUFFER,
					   .size = COMEDI_BUFFER };
	unsigned int chanlist[8], i;
	struct comedi_cmd cmd = {
		.subdev = 0,
		.start_src = TRIG_NOW,
		.scan_begin_src = TRIG_TIMER,
		.scan_begin_arg = scan_ns,
		.convert_src = TRIG_NOW,
		.scan_end_src = TRIG_COUNT,
		.scan_end_arg = 8,
		.stop_src = TRIG_NONE,
		.chanlist = chanlist,
		.chanlist_len = 8,
	};
	int fd = check(open("/dev/comedi0", O_RDWR | O_CLOEXEC), "/dev/comedi0");

	for (i = 0; i < 8; i++)
		chanlist[i] = CR_PACK(i, 0, AREF_GROUND);
	check(ioctl(fd, COMEDI_BUFCONFIG, &config), "COMEDI_BUFCONFIG");
	/* it says what it would have instead, and then takes it */
	for (i = 0; i < 3; i++)
		ioctl(fd, COMEDI_CMDTEST, &cmd);
	check(ioctl(fd, COMEDI_CMD, &cmd), "COMEDI_CMD");
	return fd;
}

static void comedi_fill(void *arg)
{
	struct batch *b = arg;

	while (comedi_available(b->fd) < b->bytes)
		sleep_ns(1000000);
}

static double comedi_cost(unsigned int frames)
{
	struct batch b = { .frames = frames, .bytes = (size_t)frames * stride() };
	double cost;

	b.fd = comedi_open(10000);
	cost = least(comedi_fill, batch_read, &b) / frames;
	close(b.fd);
	return cost;
}

/* One BUFINFO gives back what was read, and says how much there is now. */
static void comedi_take_mapped(void *arg)
{
	struct batch *b = arg;
	struct comedi_bufinfo info = { .subdevice = 0 };
	size_t piece = b->comedi_bytes - b->comedi_at;

	if (piece > b->bytes)
		piece = b->bytes;
	memcpy(buffer, b->ring + b->comedi_at, piece);
	memcpy(buffer + piece, b->ring, b->bytes - piece);
	b->comedi_at = (b->comedi_at + b->bytes) % b->comedi_bytes;
	info.bytes_read = b->bytes;
	check(ioctl(b->fd, COMEDI_BUFINFO, &info), "COMEDI_BUFINFO");
}

static double comedi_map_cost(unsigned int frames)
{
	struct batch b = { .frames = frames, .bytes = (size_t)frames * stride() };
	double cost;

	b.fd = comedi_open(10000);
	b.comedi_bytes = COMEDI_BUFFER;
	b.ring = mmap(NULL, COMEDI_BUFFER, PROT_READ, MAP_SHARED | MAP_POPULATE, b.fd, 0);
	if (b.ring == MAP_FAILED)
		die("mmap of comedi's buffer");
	cost = least(comedi_fill, comedi_take_mapped, &b) / frames;
	munmap((void *)b.ring, COMEDI_BUFFER);
	close(b.fd);
	return cost;
}

/* The frames of a batch, where they lie; what a program would do with each: add it up. */
static uint64_t consume(const unsigned char *at, unsigned int frames, unsigned int bytes)
{
	uint64_t sum = 0;

	for (; frames; frames--, at += bytes) {
		const struct acq_frame *frame = (const void *)at;
		const uint64_t *word = (const void *)frame->data;
		unsigned int i;

		for (i = 0; i < (bytes - 32) / 8; i++)
			sum += word[i];
	}
	return sum;
}

static void plain_consume(void *arg)
{
	struct batch *b = arg;

	b->sum += consume(plain_memory, b->frames, stride());
}

static void plain_copy(void *arg)
{
	struct batch *b = arg;

	memcpy(buffer, plain_memory, b->bytes);
}

static const unsigned char *mapped_frame(const struct batch *b, uint32_t position)
{
	return b->ring + (size_t)(position & (b->producer->frames - 1)) * b->producer->stride;
}

/* All there is, a piece at a time. No system call. Return: frames. */
static uint32_t mapped_take(struct batch *b, bool copy)
{
	uint32_t in = __atomic_load_n(&b->producer->in, __ATOMIC_ACQUIRE);
	uint32_t out = *b->out, taken = in - out;
	unsigned char *to = buffer;

	while (in != out) {
		uint32_t frames = b->producer->frames - (out & (b->producer->frames - 1));
		const unsigned char *at = mapped_frame(b, out);

		if (frames > in - out)
			frames = in - out;
		if (copy) {
			memcpy(to, at, (size_t)frames * stride());
			to += (size_t)frames * stride();
		} else {
			b->sum += consume(at, frames, stride());
		}
		out += frames;
	}
	__atomic_store_n(b->out, out, __ATOMIC_RELEASE);
	return taken;
}

static void mapped_consume(void *arg)
{
	mapped_take(arg, false);
}

static void mapped_copy(void *arg)
{
	mapped_take(arg, true);
}

static void batch_map(struct batch *b, bool share, unsigned int ring_frames)
{
	long page = sysconf(_SC_PAGESIZE);
	size_t bytes = (size_t)ring_frames * stride();
	struct acq_share arg = { .size = sizeof(arg), .bytes = bytes };

	if (share) {
		void *own = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		arg.addr = (uintptr_t)own;
		check(ioctl(b->fd, ACQ_IOC_SHARE_BUFFER, &arg), "SHARE_BUFFER");
		b->ring = own;
	}
	b->out = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, b->fd, 0);
	b->producer = mmap(NULL, share ? page : page + (long)bytes, PROT_READ,
			   MAP_SHARED | MAP_POPULATE, b->fd, page);
	if (b->out == MAP_FAILED || b->producer == MAP_FAILED)
		die("mmap");
	if (!share)
		b->ring = (const unsigned char *)b->producer + page;
}

static void batch_unmap(struct batch *b, bool share, unsigned int ring_frames)
{
	long page = sysconf(_SC_PAGESIZE);
	size_t bytes = (size_t)ring_frames * stride();

	munmap((void *)b->out, page);
	munmap((void *)b->producer, share ? page : page + (long)bytes);
	close(b->fd);
	if (share)
		munmap((void *)b->ring, bytes);
}

static void aio_read(void *arg)
{
	struct batch *b = arg;
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = b->fd,
		.aio_buf = (uintptr_t)buffer,
		.aio_nbytes = b->bytes,
	}, *list = &iocb;
	struct io_event event;

	if (syscall(SYS_io_submit, b->aio, 1, &list) != 1 ||
	    syscall(SYS_io_getevents, b->aio, 1, 1, &event, NULL) != 1 || event.res <= 0)
		die("AIO");
}

static void uring_read(void *arg)
{
	struct batch *b = arg;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->uring);
	struct io_uring_cqe *cqe;

	io_uring_prep_read(sqe, b->fd, buffer, b->bytes, 0);
	if (io_uring_submit_and_wait(&b->uring, 1) != 1 || io_uring_wait_cqe(&b->uring, &cqe) ||
	    cqe->res <= 0)
		die("io_uring");
	io_uring_cqe_seen(&b->uring, cqe);
}

static double pipe_uring_cost(unsigned int frames)
{
	struct batch b = { .frames = frames, .bytes = (size_t)frames * stride() };
	int fds[2];
	double cost;

	check(pipe(fds), "pipe");
	check(fcntl(fds[1], F_SETPIPE_SZ, b.bytes < 65536 ? 65536 : (int)b.bytes), "F_SETPIPE_SZ");
	check(io_uring_queue_init(8, &b.uring, 0), "io_uring");
	b.fd = fds[0];
	b.in = fds[1];
	cost = least(pipe_fill, uring_read, &b) / frames;
	io_uring_queue_exit(&b.uring);
	close(fds[0]);
	close(fds[1]);
	return cost;
}

static void batch_rows(unsigned int n)
{
	bool small = stride() == BENCH_RECORD;
	struct batch b = { .frames = n, .bytes = (size_t)n * stride() };
	double cost, pipe = pipe_cost(n), plain = plain_cost(n);
	double loop = least(NULL, plain_consume, &b) / n, copy = least(NULL, plain_copy, &b) / n;

	b.fd = acq_open("/dev/acq", 4096, 1);
	check(ioctl(b.fd, ACQ_IOC_START, 0), "START");
	cost = least(batch_fill, batch_read, &b) / n;
	row("batch", "read", n, cost, pipe, "pipe");
	row("batch", "read", n, cost, plain, "copy_to_user");
	if (small) {
		row("batch", "read", n, cost, comedi_cost(n), "comedi");
		row("batch", "read", n, cost, iio_cost(n), "iio");
	}
	check(io_uring_queue_init(8, &b.uring, 0), "io_uring");
	row("batch", "uring", n, least(batch_fill, uring_read, &b) / n, pipe_uring_cost(n), "pipe");
	io_uring_queue_exit(&b.uring);
	check(syscall(SYS_io_setup, 1, &b.aio), "io_setup");
	row("batch", "aio", n, least(batch_fill, aio_read, &b) / n, pipe, "pipe read");
	syscall(SYS_io_destroy, b.aio);
	close(b.fd);

	b.fd = acq_open("/dev/acq", 4096, 1);
	batch_map(&b, false, 4096);
	check(ioctl(b.fd, ACQ_IOC_START, 0), "START");
	row("batch", "mmap", n, least(batch_fill, mapped_consume, &b) / n, loop, "loop");
	cost = least(batch_fill, mapped_copy, &b) / n;
	row("batch", "mmap copied", n, cost, copy, "memcpy");
	if (small)
		row("batch", "mmap copied", n, cost, comedi_map_cost(n), "comedi mmap");
	batch_unmap(&b, false, 4096);

	b.fd = acq_open("/dev/acq", 4096, 1);
	batch_map(&b, true, 4096);
	check(ioctl(b.fd, ACQ_IOC_START, 0), "START");
	row("batch", "share", n, least(batch_fill, mapped_consume, &b) / n, loop, "loop");
	batch_unmap(&b, true, 4096);
}

static void fill_rows(void)
{
	static const unsigned int waiting[] = { 256, 1024, 4096 };
	struct batch b = { .frames = 256, .bytes = 256 * stride() };
	double plain = plain_cost(256);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(waiting); i++) {
		b.fd = acq_open("/dev/acq", 4096, 1);
		check(ioctl(b.fd, ACQ_IOC_START, 0), "START");
		acq_fill(b.fd, waiting[i] - 256);
		row("ring fill", "read 256", waiting[i], least(batch_fill, batch_read, &b) / 256,
		    plain, "copy_to_user");
		close(b.fd);
	}
}

static void do_getppid(void *arg)
{
	(void)arg;
	syscall(SYS_getppid);
}

static void do_read_nothing(void *arg)
{
	struct batch *b = arg;

	if (read(b->fd, buffer, stride()) >= 0)
		die("read of an empty ring");
}

static void do_poll(void *arg)
{
	struct batch *b = arg;
	struct pollfd pollfd = { .fd = b->fd, .events = POLLIN };

	poll(&pollfd, 1, 0);
}

static void call_rows(void)
{
	double null = least(NULL, do_getppid, NULL), cost;
	struct batch b = { .fd = acq_open("/dev/acq", 4096, 1) }, pipe_end;
	int fds[2];

	check(ioctl(b.fd, ACQ_IOC_START, 0), "START");
	check(fcntl(b.fd, F_SETFL, O_NONBLOCK), "F_SETFL");
	row("call", "read EAGAIN", 0, least(NULL, do_read_nothing, &b), null, "null system call");
	check(pipe(fds), "pipe");
	pipe_end.fd = fds[0];
	cost = least(NULL, do_poll, &b);
	row("call", "poll", 0, cost, least(NULL, do_poll, &pipe_end), "poll of a pipe");
	close(fds[0]);
	close(fds[1]);
	close(b.fd);
}

/* --- from the interrupt to the program --- */

struct waiter {
	const char *name;
	bool mapped;
	void (*begin)(struct batch *b);
	uint64_t (*wait)(struct batch *b); /* return: when the tick was due */
	void (*end)(struct batch *b);
};

static uint64_t frame_due(const void *frame)
{
	const struct acq_frame *f = frame;
	uint64_t due;

	memcpy(&due, f->data, sizeof(due));
	return due;
}

static uint64_t wait_read(struct batch *b)
{
	batch_read(b);
	return frame_due(buffer);
}

static uint64_t wait_poll(struct batch *b)
{
	struct pollfd pollfd = { .fd = b->fd, .events = POLLIN };

	poll(&pollfd, 1, -1);
	return wait_read(b);
}

static uint64_t take_one(struct batch *b)
{
	uint64_t due = frame_due(mapped_frame(b, *b->out));

	__atomic_store_n(b->out, *b->out + 1, __ATOMIC_RELEASE);
	return due;
}

static uint64_t wait_mmap(struct batch *b)
{
	struct pollfd pollfd = { .fd = b->fd, .events = POLLIN };

	poll(&pollfd, 1, -1);
	return take_one(b);
}

static void begin_eventfd(struct batch *b)
{
	struct acq_eventfd arg = { .size = sizeof(arg) };

	b->in = check(eventfd(0, EFD_CLOEXEC), "eventfd");
	arg.fd = b->in;
	check(ioctl(b->fd, ACQ_IOC_SET_EVENTFD, &arg), "SET_EVENTFD");
}

/* One signal may stand for two frames, and be left over when both are taken. */
static uint64_t wait_eventfd(struct batch *b)
{
	uint64_t count;

	while (__atomic_load_n(&b->producer->in, __ATOMIC_ACQUIRE) == *b->out)
		if (read(b->in, &count, sizeof(count)) != sizeof(count))
			die("read of the eventfd");
	return take_one(b);
}

static void end_eventfd(struct batch *b)
{
	close(b->in);
}

static void begin_sigio(struct batch *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	check(fcntl(b->fd, F_SETOWN, getpid()), "F_SETOWN");
	check(fcntl(b->fd, F_SETFL, O_ASYNC | O_NONBLOCK), "F_SETFL");
}

/* One signal may stand for two frames. */
static uint64_t wait_sigio(struct batch *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	while (read(b->fd, buffer, b->bytes) != (ssize_t)b->bytes)
		if (sigwaitinfo(&set, NULL) < 0)
			die("sigwaitinfo");
	return frame_due(buffer);
}

static void begin_aio(struct batch *b)
{
	b->aio = 0;
	check(syscall(SYS_io_setup, 1, &b->aio), "io_setup");
}

static uint64_t wait_aio(struct batch *b)
{
	aio_read(b);
	return frame_due(buffer);
}

static void end_aio(struct batch *b)
{
	syscall(SYS_io_destroy, b->aio);
}

static void begin_uring(struct batch *b)
{
	check(io_uring_queue_init(8, &b->uring, 0), "io_uring");
}

static uint64_t wait_uring(struct batch *b)
{
	uring_read(b);
	return frame_due(buffer);
}

static void end_uring(struct batch *b)
{
	io_uring_queue_exit(&b->uring);
}

static const struct waiter waiters[] = {
	{ .name = "read", .wait = wait_read },
	{ .name = "poll", .wait = wait_poll },
	{ .name = "mmap", .mapped = true, .wait = wait_mmap },
	{ .name = "eventfd",
	  .mapped = true,
	  .begin = begin_eventfd,
	  .wait = wait_eventfd,
	  .end = end_eventfd },
	{ .name = "sigio", .begin = begin_sigio, .wait = wait_sigio },
	{ .name = "aio", .begin = begin_aio, .wait = wait_aio, .end = end_aio },
	{ .name = "uring", .begin = begin_uring, .wait = wait_uring, .end = end_uring },
};

struct latency {
	double p50, p99;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct latency latency_of(uint64_t *ns, unsigned int count)
{
	qsort(ns, count, sizeof(*ns), compare);
	return (struct latency){ ns[count / 2], ns[count * 99 / 100] };
}

static uint64_t samples[EVENTS];

static struct latency waiter_latency(const struct waiter *w)
{
	struct batch b = { .frames = 1, .bytes = stride() };
	unsigned int i;

	b.fd = acq_open("/dev/acq", 4096, 1);
	if (w->mapped)
		batch_map(&b, false, 4096);
	if (w->begin)
		w->begin(&b);
	check(ioctl(b.fd, ACQ_IOC_START, 0), "START");
	tick(BENCH_ACQ, 1, PERIOD_NS, EVENTS, -1);
	for (i = 0; i < EVENTS; i++) {
		uint64_t due = w->wait(&b);

		samples[i] = now_ns() - due;
	}
	if (w->end)
		w->end(&b);
	if (w->mapped)
		batch_unmap(&b, false, 4096);
	else
		close(b.fd);
	return latency_of(samples, EVENTS);
}

/* Of a file that counts events; closes it. A count of two is of the first one's time. */
static struct latency count_latency(int fd, uint64_t due)
{
	int64_t left = EVENTS;
	unsigned int i = 0;
	uint64_t count;

	for (; left > 0; left -= count, due += count * PERIOD_NS) {
		if (read(fd, &count, sizeof(count)) != sizeof(count))
			die("read of a count");
		samples[i++] = now_ns() - due;
	}
	close(fd);
	return latency_of(samples, i);
}

static struct latency timerfd_latency(void)
{
	uint64_t first = now_ns() + LATENCY_MARGIN_NS;
	struct itimerspec spec = {
		.it_value = { first / 1000000000, first % 1000000000 },
		.it_interval = { 0, PERIOD_NS },
	};
	int fd = check(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd");

	check(timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL), "timerfd_settime");
	return count_latency(fd, first);
}

static struct latency eventfd_latency(void)
{
	int fd = check(eventfd(0, EFD_CLOEXEC), "eventfd");
	struct bench_timer timer = {
		.event = BENCH_EVENTFD,
		.first_ns = now_ns() + LATENCY_MARGIN_NS,
		.period_ns = PERIOD_NS,
		.count = EVENTS,
		.eventfd = fd,
	};

	check(ioctl(bench, BENCH_IOC_TIMER, &timer), "TIMER");
	return count_latency(fd, timer.first_ns);
}

static struct latency iio_latency(void)
{
	struct batch b = { .frames = 1, .bytes = BENCH_RECORD };
	unsigned int i;

	b.fd = iio_open(1);
	tick(BENCH_IIO, 1, PERIOD_NS, EVENTS, -1);
	alarm(IIO_SECONDS);
	for (i = 0; i < EVENTS && iio_read(&b); i++) {
		uint64_t due;

		memcpy(&due, buffer, sizeof(due));
		samples[i] = now_ns() - due;
	}
	iio_close(b.fd);
	return latency_of(samples, i);
}

static void latency_row(const char *name, struct latency acq, struct latency peer,
			const char *peer_name)
{
	char text[64];

	snprintf(text, sizeof(text), "%s p50", name);
	row("latency", text, 1, acq.p50, peer.p50, peer_name);
	snprintf(text, sizeof(text), "%s p99", name);
	row("latency", text, 1, acq.p99, peer.p99, peer_name);
}

static void set_fifo(bool fifo)
{
	struct sched_param param = { .sched_priority = fifo ? 40 : 0 };

	check(sched_setscheduler(0, fifo ? SCHED_FIFO : SCHED_OTHER, &param), "scheduler");
}

static void latency_rows(void)
{
	unsigned int i, fifo;
	char name[32];

	for (fifo = 0; fifo < 2; fifo++) {
		struct latency timerfd, eventfd, iio;

		set_fifo(fifo);
		timerfd = timerfd_latency();
		eventfd = eventfd_latency();
		iio = iio_latency();
		for (i = 0; i < ARRAY_SIZE(waiters); i++) {
			struct latency acq = waiter_latency(&waiters[i]);

			snprintf(name, sizeof(name), "%s%s", waiters[i].name, fifo ? " fifo" : "");
			latency_row(name, acq, timerfd, "timerfd");
			if (i)
				continue;
			latency_row(name, acq, eventfd, "eventfd");
			latency_row(name, acq, iio, "iio");
		}
		set_fifo(false);
	}
}

/* --- what an event costs the processor: what is left to a loop that only counts --- */

static volatile uint64_t *spins;
static double spin_cost;

struct busy {
	uint64_t begin, spins;
};

static struct busy busy_begin(void)
{
	return (struct busy){ __rdtsc(), *spins };
}

/* Instructions since then that were not the loop's. */
static double busy_end(struct busy b)
{
	return __rdtsc() - b.begin - (*spins - b.spins) * spin_cost;
}

/* With the loop a sleep costs nothing: the kernel's own ticks are counted as loops. */
static void spinner_calibrate(void)
{
	struct busy b;

	sleep_ns(20000000);
	b = busy_begin();
	sleep_ns(400000000);
	spin_cost = (double)(__rdtsc() - b.begin) / (*spins - b.spins);
}

/* Before anything streams. */
static pid_t spinner_start(void)
{
	struct sched_param param = { 0 };
	pid_t pid;

	if (!spins)
		spins = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = check(fork(), "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sched_setscheduler(0, SCHED_IDLE, &param);
		for (;;)
			++*spins;
	}
	spinner_calibrate();
	return pid;
}

static void spinner_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* @count ticks of @frames, read @watermark at a time. Return: instructions of a tick. */
static double event_cost(bool iio, unsigned int frames, unsigned int watermark, uint64_t period_ns,
			 unsigned int count, bool mapped)
{
	struct batch b = { .frames = watermark, .bytes = (size_t)watermark * stride() };
	unsigned int left = count * frames;
	struct busy busy;
	double cost;
	pid_t pid;

	b.fd = iio ? iio_open(watermark) : acq_open("/dev/acq", 8192, watermark);
	if (mapped)
		batch_map(&b, false, 8192);
	if (!iio)
		check(ioctl(b.fd, ACQ_IOC_START, 0), "START");
	pid = spinner_start();
	busy = busy_begin();
	tick(iio ? BENCH_IIO : BENCH_ACQ, frames, period_ns, count, -1);
	if (iio)
		alarm(IIO_SECONDS);
	while (left) {
		if (mapped) {
			struct pollfd pollfd = { .fd = b.fd, .events = POLLIN };

			poll(&pollfd, 1, -1);
			left -= mapped_take(&b, false);
		} else {
			if (!iio)
				batch_read(&b);
			else if (!iio_read(&b))
				break;
			left -= watermark;
		}
	}
	cost = busy_end(busy) / count;
	spinner_stop(pid);
	if (!iio && acq_stats(b.fd).lost)
		die("lost frames");
	if (iio)
		iio_close(b.fd);
	else if (mapped)
		batch_unmap(&b, false, 8192);
	else
		close(b.fd);
	return cost;
}

static void event_rows(void)
{
	static const unsigned int marks[] = { 1, 16, 256 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(marks); i++)
		row("event", "read", marks[i],
		    event_cost(false, 1, marks[i], PERIOD_NS, 4096, false),
		    event_cost(true, 1, marks[i], PERIOD_NS, 4096, false), "iio");
}

/* The whole path of a frame, beside generating its bytes and copying them. */
static void path_rows(void)
{
	static const unsigned int bursts[] = { 16, 256, 2048 };
	bool small = stride() == BENCH_RECORD;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bursts); i++) {
		unsigned int n = small ? bursts[i] : bursts[i] / 16;
		struct batch b = { .frames = n, .bytes = (size_t)n * stride() };
		double null = least(NULL, do_getppid, NULL);
		double generate = 1e9, copy = 1e9, user = plain_cost(n) - null / n;
		double loop = least(NULL, plain_consume, &b) / n;
		uint64_t period_ns = n * stride() * 8 + 200000;
		int k;

		for (k = 0; k < REPEATS; k++) {
			int cycles = check(ioctl(bench, BENCH_IOC_GENERATE, n), "GENERATE");

			if (cycles < generate)
				generate = cycles;
			cycles = check(ioctl(bench, BENCH_IOC_MEMCPY, n), "MEMCPY");
			if (cycles < copy)
				copy = cycles;
		}
		generate /= n;
		copy /= n;
		row("path", "read", n, event_cost(false, n, n, period_ns, 200, false) / n,
		    generate + copy + user, "generate+memcpy+copy_to_user");
		row("path", "mmap", n, event_cost(false, n, n, period_ns, 200, true) / n,
		    generate + copy + loop, "generate+memcpy+loop");
	}
}

/* --- more clients --- */

#define FAN_FRAMES 256
#define FAN_TICKS 12

/* What a tick costs with @more clients beside the one that reads. */
static double fan_cost(unsigned int more, bool streaming)
{
	int fds[64];
	struct batch b = { .frames = FAN_FRAMES, .bytes = FAN_FRAMES * stride() };
	unsigned int i;
	struct busy busy;
	double cost;
	pid_t pid;

	b.fd = acq_open("/dev/acq", 4096, FAN_FRAMES);
	check(ioctl(b.fd, ACQ_IOC_START, 0), "START");
	for (i = 0; i < more; i++) {
		fds[i] = acq_open("/dev/acq", 4096, FAN_FRAMES);
		if (streaming)
			check(ioctl(fds[i], ACQ_IOC_START, 0), "START");
	}
	pid = spinner_start();
	busy = busy_begin();
	tick(BENCH_ACQ, FAN_FRAMES, 5000000, FAN_TICKS, -1);
	for (i = 0; i < FAN_TICKS; i++)
		batch_read(&b);
	cost = busy_end(busy) / FAN_TICKS;
	spinner_stop(pid);
	close(b.fd);
	for (i = 0; i < more; i++)
		close(fds[i]);
	return cost;
}

static void fan_rows(void)
{
	static const unsigned int counts[] = { 1, 4, 16, 63 };
	double alone = fan_cost(0, false), copy = 1e9;
	unsigned int i;
	int k;

	for (k = 0; k < REPEATS; k++) {
		int cycles = check(ioctl(bench, BENCH_IOC_MEMCPY, FAN_FRAMES), "MEMCPY");

		if (cycles < copy)
			copy = cycles;
	}
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		unsigned int n = counts[i];

		row("fan-out", "idle", n, fan_cost(n, false), alone, "no more clients");
		row("fan-out", "streaming each", n, (fan_cost(n, true) - alone) / n, copy,
		    "memcpy");
	}
}

/* Bytes charged to the memory cgroup that we have gone into. */
static unsigned long memory_charged(void)
{
	unsigned long bytes = 0;
	FILE *file = fopen("/sys/fs/cgroup/bench/memory.current", "re");

	if (!file || fscanf(file, "%lu", &bytes) != 1)
		die("memory.current");
	fclose(file);
	return bytes;
}

#define MEMORY_FILES 512

static void memory_rows(void)
{
	int fds[MEMORY_FILES], i;
	unsigned long before;

	shell("echo +memory >/sys/fs/cgroup/cgroup.subtree_control");
	shell("mkdir /sys/fs/cgroup/bench && echo %d >/sys/fs/cgroup/bench/cgroup.procs", getpid());
	before = memory_charged();
	for (i = 0; i < MEMORY_FILES; i++) {
		fds[i] = acq_open("/dev/acq", 0, 1);
		check(ioctl(fds[i], ACQ_IOC_START, 0), "START");
	}
	row("memory KiB", "open file", MEMORY_FILES,
	    (memory_charged() - before) / 1024.0 / MEMORY_FILES, 256, "frames of its ring");
	for (i = 0; i < MEMORY_FILES; i++)
		close(fds[i]);
}

static void trace_rows(void)
{
	double off = event_cost(false, 1, 1, PERIOD_NS, 4096, false), on;

	shell("echo 0 >/sys/kernel/tracing/options/record-cmd");
	shell("echo 1 >/sys/kernel/tracing/events/acq/enable");
	on = event_cost(false, 1, 1, PERIOD_NS, 4096, false);
	shell("echo 0 >/sys/kernel/tracing/events/acq/enable; echo >/sys/kernel/tracing/trace");
	row("tracepoints", "on", 1, on, off, "off");
}

/* --- the simulated converter beside comedi's --- */

#define SCAN_RATE 64000
#define SCANS 256

static double scan_cost(int fd, unsigned int bytes)
{
	struct busy busy;
	unsigned int i;

	busy = busy_begin();
	for (i = 0; i < 100; i++) {
		unsigned int left = bytes;

		while (left)
			left -= check(read(fd, buffer, left), "read of scans");
	}
	return busy_end(busy) / 100 / SCANS;
}

/* Frames of @samples scans of eight channels of 16 bits, 256 scans an interrupt. */
static int sim_open(unsigned int samples)
{
	struct acq_setup setup = {
		.size = sizeof(setup),
		.rate_hz = SCAN_RATE / samples,
		.channels = 8,
		.samples = samples,
	};
	int fd;

	shell("[ ! -e /sys/module/acq_sim ] || rmmod acq_sim");
	shell("modprobe acq_sim waveform=counter irq_frames=%u", SCANS / samples);
	fd = check(open("/dev/acq1", O_RDWR | O_CLOEXEC), "/dev/acq1");
	check(ioctl(fd, ACQ_IOC_SETUP, &setup), "SETUP");
	close(fd);
	fd = acq_open("/dev/acq1", 4096, SCANS / samples);
	check(ioctl(fd, ACQ_IOC_START, 0), "START");
	return fd;
}

static void scan_rows(void)
{
	pid_t pid = spinner_start();
	double single, block, comedi;
	int fd;

	fd = sim_open(1);
	single = scan_cost(fd, SCANS * (COMEDI_SCAN + 32));
	close(fd);
	fd = sim_open(SCANS);
	block = scan_cost(fd, SCANS * COMEDI_SCAN + 32);
	close(fd);
	fd = comedi_open(1000000000 / SCAN_RATE);
	comedi = scan_cost(fd, SCANS * COMEDI_SCAN);
	close(fd);
	spinner_stop(pid);
	row("scan of 8 x 16 bit", "frame a scan", SCANS, single, comedi, "comedi");
	row("scan of 8 x 16 bit", "256 a frame", SCANS, block, comedi, "comedi");
}

/* --- the highest rate at which a reader that checks everything loses nothing --- */

#define RATE_LEAST 1000000 /* scans a second, to begin with */
#define RATE_MS 10000 /* that a rate must hold for */
#define SEARCH_MS 250 /* ... to be worth a longer trial */
#define LATE_MS 20 /* what came last may be on its way */
#define SIM_RATE_MAX 10000000 /* frames a second that acq_sim takes */

/* A source that falls behind its clock loses nothing, but isn't that fast. */
static bool in_time(uint64_t scans, double rate_hz, unsigned int ms)
{
	return scans >= rate_hz * (ms - LATE_MS) / 1000;
}

/* With a ring of the size that Comedi's buffer has; acq_sim chooses the interrupts. */
static bool acq_holds(unsigned int scans, unsigned int rate_hz, unsigned int ms)
{
	uint64_t frames;
	char command[128];
	FILE *pipe;
	bool told;

	if (rate_hz > SIM_RATE_MAX)
		return false;
	shell("[ ! -e /sys/module/acq_sim ] || rmmod acq_sim");
	shell("modprobe acq_sim waveform=counter channels=8 samples=%u rate=%u", scans, rate_hz);
	snprintf(command, sizeof(command), "acqread -d acq1 -q --verify -r %u -t %ums 2>&1",
		 COMEDI_BUFFER / stride(), ms);
	alarm(HANG_SECONDS);
	pipe = popen(command, "r");
	if (!pipe)
		die("popen");
	told = fscanf(pipe, "acqread: %" SCNu64 " frames", &frames) == 1;
	/* its status is 0 if nothing was lost, by the ring or by the hardware, nor damaged */
	return !pclose(pipe) && told && in_time(frames * scans, (double)rate_hz * scans, ms);
}

/* Return: scans a second in frames of @scans; 1 to 2 % below the highest, but it held. */
static double acq_highest(unsigned int scans)
{
	unsigned int low = RATE_LEAST / scans, high = 2 * low, ms;

	if (!acq_holds(scans, low, SEARCH_MS))
		die("acqread --verify");
	while (acq_holds(scans, high, SEARCH_MS)) {
		low = high;
		high *= 2;
	}
	while (high - low > low / 100) {
		unsigned int rate_hz = low + (high - low) / 2;

		if (acq_holds(scans, rate_hz, SEARCH_MS))
			low = rate_hz;
		else
			high = rate_hz;
	}
	for (ms = RATE_MS / 10; ms <= RATE_MS; ms *= 10) {
		do
			low -= low / 100;
		while (!acq_holds(scans, low, ms));
	}
	return (double)low * scans;
}

/*
 * With these parameters channel 0 of comedi_test counts microseconds, channel 1 is a
 * square of the same period, and the others lie in the middle.
 */
#define COMEDI_WAVE "amplitude=10000000 period=65534"
#define COMEDI_PERIOD_US 65534
#define COMEDI_MIDDLE 32767

struct comedi_track {
	unsigned int step_us, due_us;
	uint64_t scans;
};

static bool comedi_verify(struct comedi_track *track, const uint16_t *scan, unsigned int count)
{
	unsigned int i;

	if (!track->scans)
		track->due_us = scan[0];
	track->scans += count;
	for (; count; count--, scan += 8) {
		bool low = track->due_us < COMEDI_PERIOD_US / 2;

		if (scan[0] != track->due_us || scan[1] != (low ? 0 : 2 * COMEDI_MIDDLE))
			return false;
		for (i = 2; i < 8; i++)
			if (scan[i] != COMEDI_MIDDLE)
				return false;
		track->due_us = (track->due_us + track->step_us) % COMEDI_PERIOD_US;
	}
	return true;
}

/* A buffer that was full ends the command, and read() says so. */
static bool comedi_take(struct comedi_track *track, int fd)
{
	ssize_t got = read(fd, buffer, COMEDI_BUFFER);

	return got > 0 && got % COMEDI_SCAN == 0 &&
	       comedi_verify(track, (const uint16_t *)buffer, got / COMEDI_SCAN);
}

static bool comedi_holds(unsigned int scan_us, unsigned int ms)
{
	struct comedi_track track = { .step_us = scan_us };
	int fd = comedi_open(scan_us * 1000);
	uint64_t end = now_ns() + ms * 1000000ULL;
	bool sound = true;

	alarm(HANG_SECONDS);
	while (sound && now_ns() < end)
		sound = comedi_take(&track, fd);
	close(fd);
	return sound && in_time(track.scans, 1e6 / scan_us, ms);
}

/* comedi_test knows whole microseconds. Return: the fewest for a scan. */
static unsigned int comedi_shortest(void)
{
	unsigned int us;

	for (us = 1; us <= 100; us++)
		if (comedi_holds(us, SEARCH_MS) && comedi_holds(us, RATE_MS))
			return us;
	die("Comedi's scans");
	return 0;
}

static void rate_rows(void)
{
	static const unsigned int scans[] = { 1, SCANS };
	unsigned int comedi_us = comedi_shortest(), before = payload, i;

	for (i = 0; i < ARRAY_SIZE(scans); i++) {
		payload = scans[i] * COMEDI_SCAN;
		row("highest rate", "verified", scans[i], 1e9 / acq_highest(scans[i]),
		    comedi_us * 1000, "comedi");
	}
	payload = before;
}

/* --- */

static bool wanted(int argc, char **argv, const char *name)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	static const char *const halves[] = { "thread", "workqueue", "tasklet" };
	static const unsigned int batches[] = { 1, 16, 256, 4096 };
	unsigned int i;

	prctl(PR_SET_TIMERSLACK, 1);
	/* what the kernel does when it has booted */
	sleep_ns(3000000000);
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = do_nothing }, NULL);
	alarm(HANG_SECONDS);
	buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	plain_memory = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	shell("modprobe comedi_test " COMEDI_WAVE);

	load("thread", 32);
	for (i = 0; wanted(argc, argv, "batch") && i < ARRAY_SIZE(batches); i++)
		batch_rows(batches[i]);
	if (wanted(argc, argv, "fill"))
		fill_rows();
	if (wanted(argc, argv, "call"))
		call_rows();
	if (wanted(argc, argv, "trace"))
		trace_rows();
	if (wanted(argc, argv, "scan"))
		scan_rows();
	if (wanted(argc, argv, "rate"))
		rate_rows();
	for (i = 0; i < ARRAY_SIZE(halves); i++) {
		load(halves[i], 32);
		if (wanted(argc, argv, "latency"))
			latency_rows();
		if (wanted(argc, argv, "event"))
			event_rows();
		if (wanted(argc, argv, "path"))
			path_rows();
		if (wanted(argc, argv, "fan"))
			fan_rows();
	}
	load("thread", 4064);
	for (i = 0; wanted(argc, argv, "batch") && i < ARRAY_SIZE(batches); i++)
		batch_rows(batches[i]);
	if (wanted(argc, argv, "path"))
		path_rows();
	/* last: in a cgroup of our own each wake-up costs more */
	if (wanted(argc, argv, "memory"))
		memory_rows();
	return 0;
}
