// SPDX-License-Identifier: GPL-2.0-only
/*
 * From Windows to Linux: what a program does that was written for a Windows
 * driver with pended requests, row by row of the table in README.md. Plain system
 * calls, so that they can be copied. From common.h are the checks, the struct
 * stream, which checks each frame, and the sim_ functions, which are the hardware:
 * sim_stall() keeps it from interrupting, sim_resume() lets it.
 */
#include <libaio.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common.h"

#define REQUESTS 16
#define WORKERS 4
#define SHARED_BYTES (64 * 1024)

static struct stream stream;
static char buffers[REQUESTS][4096] __attribute__((aligned(8)));
static size_t frame_bytes;
static int device;

static void begin(void)
{
	sim_reset();
	device = open("/dev/acq", O_RDWR | O_CLOEXEC);
	ck_assert_ok(device);
	frame_bytes = info(device).stride;
	stream_begin(&stream, device);
}

static void process(const void *frames, ssize_t bytes)
{
	ck_assert_int_gt(bytes, 0);
	stream_take_all(&stream, frames, bytes);
	ck_assert_uint_eq(stream.lost, 0);
}

/* The device runs, and its hardware has nothing to say: what is asked for now pends. */
static void start_in_silence(void)
{
	sim_stall();
	ck_assert_ok(ioctl(device, ACQ_IOC_START, 0));
}

/* CreateFile(L"\\\\.\\Acq"): the kernel makes the node, there is no symbolic link to make */
START_TEST(create_file)
{
	int handle = open("/dev/acq", O_RDWR | O_CLOEXEC);
	struct stat node;

	ck_assert_ok(handle);
	ck_assert_ok(fstat(handle, &node));
	ck_assert(S_ISCHR(node.st_mode));
	/* it starts with the first request, not before */
	ck_assert_uint_eq(info(handle).flags, 0);
	/* CloseHandle */
	ck_assert_ok(close(handle));
	ck_assert_errno(open("/dev/acq99", O_RDWR | O_CLOEXEC), ENOENT);
}
END_TEST

static void submit(io_context_t context, struct iocb *iocb, unsigned int i)
{
	io_prep_pread(iocb, device, buffers[i], frame_bytes, 0);
	ck_assert_int_eq(io_submit(context, 1, &iocb), 1);
}

/* ReadFile with an OVERLAPPED, ERROR_IO_PENDING: a request for each event that will come */
START_TEST(read_file_overlapped)
{
	struct io_event done[REQUESTS];
	struct iocb iocbs[REQUESTS];
	struct timespec now = { 0 };
	io_context_t context = 0;
	unsigned int i;

	ck_assert_int_eq(io_setup(REQUESTS, &context), 0);
	start_in_silence();
	for (i = 0; i < REQUESTS; i++)
		submit(context, &iocbs[i], i);
	/* HasOverlappedIoCompleted: none */
	ck_assert_int_eq(io_getevents(context, 0, REQUESTS, done, &now), 0);
	ck_assert_uint_eq(stats(device).pended, REQUESTS);

	sim_resume();
	ck_assert_int_eq(io_getevents(context, REQUESTS, REQUESTS, done, NULL), REQUESTS);
	for (i = 0; i < REQUESTS; i++) {
		ck_assert_ptr_eq(done[i].obj, &iocbs[i]);
		process(buffers[i], done[i].res);
	}
	io_destroy(context);
}
END_TEST

/* the same with io_uring, which has no worker thread wait for it */
START_TEST(read_file_uring)
{
	struct io_uring_cqe *cqe;
	struct io_uring uring;

	ck_assert_int_eq(io_uring_queue_init(REQUESTS, &uring, 0), 0);
	start_in_silence();
	io_uring_prep_read(io_uring_get_sqe(&uring), device, buffers[0], frame_bytes, -1);
	ck_assert_int_eq(io_uring_submit(&uring), 1);
	/* pending */
	ck_assert_int_eq(io_uring_peek_cqe(&uring, &cqe), -EAGAIN);

	sim_resume();
	ck_assert_int_eq(io_uring_wait_cqe(&uring, &cqe), 0);
	process(buffers[0], cqe->res);
	io_uring_cqe_seen(&uring, cqe);
	io_uring_queue_exit(&uring);
}
END_TEST

/* and for who would rather ask again: a read that does not wait */
START_TEST(read_file_nonblocking)
{
	struct pollfd again = { .fd = device, .events = POLLIN };

	ck_assert_ok(fcntl(device, F_SETFL, O_NONBLOCK));
	start_in_silence();
	ck_assert_errno(read(device, buffers[0], sizeof(buffers[0])), EAGAIN);
	sim_resume();
	ck_assert_int_eq(poll(&again, 1, -1), 1);
	process(buffers[0], read(device, buffers[0], sizeof(buffers[0])));
}
END_TEST

/* ReadFile returns TRUE, not ERROR_IO_PENDING: the event has happened already */
START_TEST(completes_at_once)
{
	struct timespec now = { 0 };
	io_context_t context = 0;
	struct io_event done;
	struct iocb iocb;

	ck_assert_int_eq(io_setup(1, &context), 0);
	fill_or_fail(device, 4);
	submit(context, &iocb, 0);
	ck_assert_int_eq(io_getevents(context, 1, 1, &done, &now), 1);
	process(buffers[0], done.res);
	process(buffers[1], read(device, buffers[1], frame_bytes));
	/* none of these two had to wait */
	ck_assert_uint_eq(stats(device).pended, 0);
	io_destroy(context);
}
END_TEST

static void *wait_and_process(void *arg)
{
	ssize_t got;

	(void)arg;
	for (;;) {
		got = read(device, buffers[0], sizeof(buffers[0]));
		if (got <= 0)
			break;
		process(buffers[0], got);
	}
	/* the stream was stopped, and nothing is left */
	ck_assert_int_eq(got, 0);
	return NULL;
}

/* a thread that loops around WaitForSingleObject and GetOverlappedResult: read() is both */
START_TEST(thread_that_waits)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, wait_and_process, NULL), 0);
	wait_until(stats(device).delivered >= 50);
	ck_assert_ok(ioctl(device, ACQ_IOC_STOP, 0));
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(stats(device).delivered, stream.frames);
}
END_TEST

/* WaitForSingleObject, WaitForMultipleObjects: poll */
START_TEST(wait_for_single_object)
{
	struct pollfd object = { .fd = device, .events = POLLIN };

	start_in_silence();
	/* WAIT_TIMEOUT */
	ck_assert_int_eq(poll(&object, 1, 20), 0);
	sim_resume();
	/* WAIT_OBJECT_0 */
	ck_assert_int_eq(poll(&object, 1, -1), 1);
	ck_assert_int_eq(object.revents, POLLIN);
	process(buffers[0], read(device, buffers[0], sizeof(buffers[0])));
}
END_TEST

struct port {
	io_context_t context;
	unsigned int ended[REQUESTS];
};

static void *take_completions(void *arg)
{
	struct port *port = arg;
	struct io_event done;
	int i;

	for (i = 0; i < REQUESTS / WORKERS; i++) {
		ck_assert_int_eq(io_getevents(port->context, 1, 1, &done, NULL), 1);
		ck_assert_int_eq(done.res, frame_bytes);
		/* done.obj is the OVERLAPPED, done.data the completion key */
		__atomic_add_fetch((unsigned int *)done.data, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* GetQueuedCompletionStatus: worker threads at a completion port */
START_TEST(get_queued_completion_status)
{
	struct iocb iocbs[REQUESTS], *iocb;
	struct port port = { 0 };
	pthread_t workers[WORKERS];
	unsigned int i;

	ck_assert_int_eq(io_setup(REQUESTS, &port.context), 0);
	for (i = 0; i < WORKERS; i++)
		spawn_or_fail(&workers[i], take_completions, &port);
	for (i = 0; i < REQUESTS; i++) {
		iocb = &iocbs[i];
		io_prep_pread(iocb, device, buffers[i], frame_bytes, 0);
		iocb->data = &port.ended[i];
		ck_assert_int_eq(io_submit(port.context, 1, &iocb), 1);
	}
	for (i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	/* each request has ended once, and they got their frames in the order of issue */
	for (i = 0; i < REQUESTS; i++) {
		ck_assert_uint_eq(port.ended[i], 1);
		process(buffers[i], frame_bytes);
	}
	io_destroy(port.context);
}
END_TEST

/* one port for many handles: epoll, whose data is the completion key */
START_TEST(get_queued_completion_status_of_many)
{
	int port = epoll_create1(EPOLL_CLOEXEC), i;
	struct epoll_event ready;
	struct {
		int fd;
		struct stream stream;
	} handles[2], *handle;

	for (i = 0; i < 2; i++) {
		handle = &handles[i];
		handle->fd = open("/dev/acq", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		ck_assert_ok(handle->fd);
		stream_begin(&handle->stream, handle->fd);
		ready = (struct epoll_event){ .events = EPOLLIN, .data.ptr = handle };
		ck_assert_ok(epoll_ctl(port, EPOLL_CTL_ADD, handle->fd, &ready));
	}
	/* each open file gets every frame */
	while (handles[0].stream.frames < 30 || handles[1].stream.frames < 30) {
		ck_assert_int_eq(epoll_wait(port, &ready, 1, -1), 1);
		handle = ready.data.ptr;
		stream_drain_or_fail(&handle->stream, handle->fd);
		ck_assert_uint_eq(handle->stream.lost, 0);
	}
}
END_TEST

static volatile sig_atomic_t routine_ran;
static volatile ssize_t routine_got;

/* read() may be called from a signal handler */
static void completion_routine(int signal)
{
	(void)signal;
	routine_got = read(device, buffers[0], sizeof(buffers[0]));
	routine_ran = 1;
}

/* ReadFileEx, whose completion routine runs as an APC while the thread is alertable: SIGIO */
START_TEST(read_file_ex)
{
	struct sigaction action = { .sa_handler = completion_routine };
	sigset_t block, alertable;
	int i;

	ck_assert_ok(sigaction(SIGIO, &action, NULL));
	sigemptyset(&block);
	sigaddset(&block, SIGIO);
	ck_assert_ok(sigprocmask(SIG_BLOCK, &block, &alertable));
	ck_assert_ok(fcntl(device, F_SETOWN, getpid()));
	ck_assert_ok(fcntl(device, F_SETFL, O_ASYNC | O_NONBLOCK));
	ck_assert_ok(ioctl(device, ACQ_IOC_START, 0));
	for (i = 0; i < 10; i++) {
		routine_ran = 0;
		/* SleepEx(INFINITE, TRUE) */
		while (!routine_ran)
			sigsuspend(&alertable);
		/* several batches may have become one signal, and the next finds nothing */
		if (routine_got > 0)
			process(buffers[0], routine_got);
	}
	ck_assert_uint_gt(stream.frames, 0);
}
END_TEST

/*
 * IoMarkIrpPending, IoCsqInsertIrp, IoCsqRemoveNextIrp: the core has the queue, and a
 * driver nothing to do with it. A program sees that it is one, first come first served,
 * for whatever kind of request.
 */
START_TEST(io_csq)
{
	struct reader readers[REQUESTS / 2];
	struct io_event done[REQUESTS / 2];
	struct iocb iocbs[REQUESTS / 2];
	io_context_t context = 0;
	unsigned int i;

	ck_assert_int_eq(io_setup(REQUESTS, &context), 0);
	start_in_silence();
	for (i = 0; i < REQUESTS / 2; i++) {
		submit(context, &iocbs[i], i);
		/* a thread, blocked in read() */
		reader_start_and_block(&readers[i], device, frame_bytes);
	}
	ck_assert_uint_eq(stats(device).pended, REQUESTS);
	sim_resume();
	ck_assert_int_eq(io_getevents(context, i, i, done, NULL), i);
	for (i = 0; i < REQUESTS / 2; i++) {
		process(buffers[i], done[i].res);
		process(readers[i].buf, reader_join(&readers[i]));
		reader_free(&readers[i]);
	}
	io_destroy(context);
}
END_TEST

/* CancelIoEx, and in the driver IoSetCancelRoutine: io_cancel */
START_TEST(cancel_io)
{
	struct io_event done, unused;
	struct iocb iocbs[2];
	io_context_t context = 0;

	ck_assert_int_eq(io_setup(REQUESTS, &context), 0);
	start_in_silence();
	submit(context, &iocbs[0], 0);
	submit(context, &iocbs[1], 1);
	/* "in progress": as on Windows, the request itself says how it ended */
	ck_assert_int_eq(io_cancel(context, &iocbs[0], &unused), -EINPROGRESS);
	ck_assert_int_eq(io_getevents(context, 1, 1, &done, NULL), 1);
	ck_assert_ptr_eq(done.obj, &iocbs[0]);
	/* ERROR_OPERATION_ABORTED */
	ck_assert_int_eq(done.res, -ECANCELED);

	/* the frame it would have had goes to the next one */
	sim_resume();
	ck_assert_int_eq(io_getevents(context, 1, 1, &done, NULL), 1);
	ck_assert_ptr_eq(done.obj, &iocbs[1]);
	process(buffers[1], done.res);
	ck_assert_uint_eq(stream.starts, 1);
	io_destroy(context);
}
END_TEST

/* the same with io_uring */
START_TEST(cancel_io_uring)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring uring;
	int i;

	ck_assert_int_eq(io_uring_queue_init(REQUESTS, &uring, 0), 0);
	start_in_silence();
	sqe = io_uring_get_sqe(&uring);
	io_uring_prep_read(sqe, device, buffers[0], frame_bytes, -1);
	io_uring_sqe_set_data64(sqe, 1);
	ck_assert_int_eq(io_uring_submit(&uring), 1);
	sqe = io_uring_get_sqe(&uring);
	io_uring_prep_cancel64(sqe, 1, 0);
	io_uring_sqe_set_data64(sqe, 2);
	ck_assert_int_eq(io_uring_submit(&uring), 1);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(io_uring_wait_cqe(&uring, &cqe), 0);
		ck_assert_int_eq(cqe->res, cqe->user_data == 1 ? -ECANCELED : 0);
		io_uring_cqe_seen(&uring, cqe);
	}
	io_uring_queue_exit(&uring);
}
END_TEST

static void wake_up(int signal)
{
	(void)signal;
}

/* CancelSynchronousIo: a signal with a handler, without SA_RESTART */
START_TEST(cancel_synchronous_io)
{
	struct sigaction action = { .sa_handler = wake_up };
	struct reader reader;

	ck_assert_ok(sigaction(SIGUSR1, &action, NULL));
	start_in_silence();
	reader_start_and_block(&reader, device, frame_bytes);
	ck_assert_int_eq(pthread_kill(reader.thread, SIGUSR1), 0);
	ck_assert_int_eq(reader_join(&reader), -1);
	ck_assert_int_eq(reader.error, EINTR);
	ck_assert_uint_eq(stats(device).cancelled, 1);
	reader_free(&reader);
}
END_TEST

static void terminate_abnormally(void)
{
	struct acq_share share = { .size = sizeof(share), .bytes = SHARED_BYTES };
	struct iocb iocbs[REQUESTS];
	io_context_t context = 0;
	unsigned int i;

	device = open("/dev/acq", O_RDWR | O_CLOEXEC);
	ck_assert_ok(device);
	share.addr = (uintptr_t)memory_or_fail(SHARED_BYTES);
	ck_assert_ok(ioctl(device, ACQ_IOC_SHARE_BUFFER, &share));
	ck_assert_int_eq(io_setup(REQUESTS, &context), 0);
	start_in_silence();
	for (i = 0; i < REQUESTS; i++)
		submit(context, &iocbs[i], i);
	/* each is pinned */
	ck_assert_int_ge(pinned_pages(), REQUESTS + SHARED_BYTES / page_bytes());
	raise(SIGKILL);
}

/* a program that crashes, IRP_MJ_CLEANUP: all its requests are cancelled, its memory unlocked */
START_TEST(abnormal_termination)
{
	long pinned = pinned_pages();
	pid_t child = fork_or_fail();

	if (!child)
		terminate_abnormally();
	ck_assert(WIFSIGNALED(wait_or_fail(child)));
	wait_until(!(info(device).flags & ACQ_INFO_STREAMING));
	wait_until(pinned_pages() == pinned);
}
END_TEST

/* CloseHandle of the completion port with requests outstanding */
START_TEST(cleanup)
{
	long pinned = pinned_pages();
	struct iocb iocbs[REQUESTS];
	io_context_t context = 0;
	unsigned int i;

	ck_assert_int_eq(io_setup(REQUESTS, &context), 0);
	start_in_silence();
	for (i = 0; i < REQUESTS; i++)
		submit(context, &iocbs[i], i);
	ck_assert_int_eq(io_destroy(context), 0);
	/* nothing is written to the buffers any more, and no frame has gone with them */
	ck_assert_uint_eq(stats(device).cancelled, REQUESTS);
	ck_assert_int_eq(pinned_pages(), pinned);
	sim_resume();
	process(buffers[0], read(device, buffers[0], sizeof(buffers[0])));
	ck_assert_uint_eq(stream.starts, 1);
}
END_TEST

/*
 * The ISR, KeInsertQueueDpc, the DPC that enables the interrupt again: the source's quiet(),
 * drain() and unquiet(). A program sees the time of the interrupt, and how many there were.
 */
START_TEST(isr_and_dpc)
{
	const struct acq_frame *frame;
	uint64_t before = stats(device).irqs;
	unsigned int times = 0, i;
	uint64_t time = 0;

	sim_set("irq_frames", "8");
	set_watermark_or_fail(device, 64);
	ck_assert_int_eq(read(device, buffers, 64 * frame_bytes), 64 * frame_bytes);
	ck_assert_ok(ioctl(device, ACQ_IOC_STOP, 0));
	for (i = 0; i < 64; i++) {
		frame = (const void *)((char *)buffers + i * frame_bytes);
		times += frame->timestamp_ns != time;
		time = frame->timestamp_ns;
	}
	ck_assert_uint_ge(stats(device).irqs - before, times);
	ck_assert_uint_lt(times, 64);
	process(buffers, 64 * frame_bytes);
}
END_TEST

/* fill the buffer, complete the request when it is full: the watermark */
START_TEST(complete_when_full)
{
	struct acq_config config = {
		.size = sizeof(config),
		.watermark = sizeof(buffers[0]) / frame_bytes,
	};
	io_context_t context = 0;
	struct io_event done;
	struct iocb iocb;

	ck_assert_ok(ioctl(device, ACQ_IOC_CONFIGURE, &config));
	ck_assert_int_eq(io_setup(1, &context), 0);
	io_prep_pread(&iocb, device, buffers[0], sizeof(buffers[0]), 0);
	ck_assert_int_eq(io_submit(context, 1, (struct iocb *[]){ &iocb }), 1);
	ck_assert_int_eq(io_getevents(context, 1, 1, &done, NULL), 1);
	ck_assert_int_eq(done.res, config.watermark * frame_bytes);
	process(buffers[0], done.res);
	io_destroy(context);
}
END_TEST

/* or when the total timeout of SetCommTimeouts has passed: the latency bound */
START_TEST(complete_in_time)
{
	struct acq_config config = {
		.size = sizeof(config),
		.watermark = sizeof(buffers[0]) / frame_bytes,
		.latency_us = 20000,
	};
	ssize_t got;

	sim_rate(20);
	stream_begin(&stream, device);
	ck_assert_ok(ioctl(device, ACQ_IOC_CONFIGURE, &config));
	got = read(device, buffers[0], sizeof(buffers[0]));
	ck_assert_int_lt(got, config.watermark * frame_bytes);
	process(buffers[0], got);
}
END_TEST

/* DeviceIoControl with METHOD_BUFFERED: one struct, in and out, that says how long it is */
START_TEST(device_io_control)
{
	struct acq_config config = {
		.size = sizeof(config),
		.ring_frames = 1000,
		.watermark = 10,
		.latency_us = ACQ_LATENCY_KEEP,
	};

	ck_assert_ok(ioctl(device, ACQ_IOC_CONFIGURE, &config));
	/* what was granted */
	ck_assert_uint_eq(config.ring_frames, 1024);
	ck_assert_uint_eq(config.watermark, 10);
	/* ERROR_INSUFFICIENT_BUFFER */
	config.size = 4;
	ck_assert_errno(ioctl(device, ACQ_IOC_CONFIGURE, &config), EINVAL);
	/* ERROR_INVALID_FUNCTION */
	ck_assert_errno(ioctl(device, _IO(ACQ_IOC_TYPE, 0xff), 0), ENOTTY);
}
END_TEST

/* A ring in memory, wherever its frames lie. */
struct mapping {
	struct acq_consumer *consumer;
	const struct acq_producer *producer;
	const char *frames;
};

/* All frames that are there: no system call. */
static unsigned int consume(struct mapping *map)
{
	uint32_t in = __atomic_load_n(&map->producer->in, __ATOMIC_ACQUIRE);
	uint32_t out = map->consumer->out, count = in - out;
	const struct acq_frame *frame;
	size_t at;

	for (; out != in; out++) {
		at = out & (map->producer->frames - 1);
		frame = (const void *)(map->frames + at * map->producer->stride);
		process(frame, frame->stride);
	}
	__atomic_store_n(&map->consumer->out, out, __ATOMIC_RELEASE);
	return count;
}

static void *map_pages(size_t bytes, int access, off_t offset)
{
	void *pages = mmap(NULL, bytes, access, MAP_SHARED, device, offset);

	ck_assert_msg(pages != MAP_FAILED, "mmap: %s", strerror(errno));
	return pages;
}

/* an ioctl with METHOD_OUT_DIRECT whose buffer the driver keeps and fills until DONE */
START_TEST(out_direct_until_done)
{
	char *memory = aligned_alloc(page_bytes(), SHARED_BYTES);
	struct acq_share share = {
		.size = sizeof(share),
		.addr = (uintptr_t)memory,
		.bytes = SHARED_BYTES,
	};
	struct pollfd object = { .fd = device, .events = POLLIN };
	struct mapping map = { .frames = memory };

	ck_assert_ok(ioctl(device, ACQ_IOC_SHARE_BUFFER, &share));
	/* MmProbeAndLockPages */
	ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), SHARED_BYTES / 1024);
	map.consumer = map_pages(page_bytes(), PROT_READ | PROT_WRITE, 0);
	map.producer = map_pages(page_bytes(), PROT_READ, page_bytes());
	while (stream.frames < 100) {
		ck_assert_int_eq(poll(&object, 1, -1), 1);
		consume(&map);
	}

	/* DONE */
	ck_assert_ok(ioctl(device, ACQ_IOC_STOP, 0));
	munmap(map.consumer, page_bytes());
	munmap((void *)map.producer, page_bytes());
	ck_assert_ok(ioctl(device, ACQ_IOC_UNSHARE_BUFFER, 0));
	ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), 0);
	free(memory);
}
END_TEST

/* an event that the program makes and the driver sets: ObReferenceObjectByHandle, KeSetEvent */
START_TEST(shared_event)
{
	int event = eventfd(0, EFD_CLOEXEC);
	struct acq_eventfd shared = { .size = sizeof(shared), .fd = event };
	uint64_t times;

	ck_assert_ok(event);
	ck_assert_ok(fcntl(device, F_SETFL, O_NONBLOCK));
	ck_assert_ok(ioctl(device, ACQ_IOC_SET_EVENTFD, &shared));
	ck_assert_ok(ioctl(device, ACQ_IOC_START, 0));
	while (stream.frames < 20) {
		/* WaitForSingleObject, and ResetEvent with it */
		ck_assert_int_eq(read(event, &times, sizeof(times)), sizeof(times));
		stream_drain_or_fail(&stream, device);
		ck_assert_uint_eq(stream.lost, 0);
	}
	/* ObDereferenceObject */
	shared.fd = -1;
	ck_assert_ok(ioctl(device, ACQ_IOC_SET_EVENTFD, &shared));
}
END_TEST

/* MmMapLockedPagesSpecifyCache with UserMode: the driver's buffer in the program */
START_TEST(map_locked_pages)
{
	struct pollfd object = { .fd = device, .events = POLLIN };
	struct mapping map;
	size_t bytes;

	map.consumer = map_pages(page_bytes(), PROT_READ | PROT_WRITE, 0);
	bytes = info(device).map_bytes;
	map.producer = map_pages(bytes, PROT_READ, page_bytes());
	map.frames = (const char *)map.producer + map.producer->frames_offset - page_bytes();
	while (stream.frames < 100) {
		if (!consume(&map))
			ck_assert_int_eq(poll(&object, 1, -1), 1);
	}
	/* the driver's memory is safe from the program */
	ck_assert_errno(mprotect((void *)map.producer, bytes, PROT_READ | PROT_WRITE), EACCES);
}
END_TEST

/*
 * IRP_MJ_INTERNAL_DEVICE_CONTROL with a context block of function pointers, from driver to
 * driver: struct acq_source_ops of <linux/acq.h>. acq_sim has handed its own to acq, which
 * counts the users of each.
 */
START_TEST(internal_device_control)
{
	ck_assert_str_eq(info(device).source, "acq_sim");
	ck_assert(!access("/sys/module/acq/holders/acq_sim", F_OK));
	ck_assert_int_ne(unload_module("acq"), 0);
	/* and this program uses acq_sim's */
	ck_assert_int_ne(unload_module("acq_sim"), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("port");
	TCase *tcase = tcase_create("port");

	tcase_add_checked_fixture(tcase, begin, NULL);
	tcase_add_test(tcase, create_file);
	tcase_add_test(tcase, read_file_overlapped);
	tcase_add_test(tcase, read_file_uring);
	tcase_add_test(tcase, read_file_nonblocking);
	tcase_add_test(tcase, completes_at_once);
	tcase_add_test(tcase, thread_that_waits);
	tcase_add_test(tcase, wait_for_single_object);
	tcase_add_test(tcase, get_queued_completion_status);
	tcase_add_test(tcase, get_queued_completion_status_of_many);
	tcase_add_test(tcase, read_file_ex);
	tcase_add_test(tcase, io_csq);
	tcase_add_test(tcase, cancel_io);
	tcase_add_test(tcase, cancel_io_uring);
	tcase_add_test(tcase, cancel_synchronous_io);
	tcase_add_test(tcase, abnormal_termination);
	tcase_add_test(tcase, cleanup);
	tcase_add_test(tcase, isr_and_dpc);
	tcase_add_test(tcase, complete_when_full);
	tcase_add_test(tcase, complete_in_time);
	tcase_add_test(tcase, device_io_control);
	tcase_add_test(tcase, out_direct_until_done);
	tcase_add_test(tcase, shared_event);
	tcase_add_test(tcase, map_locked_pages);
	tcase_add_test(tcase, internal_device_control);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run(suite());
}
