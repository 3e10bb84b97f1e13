// SPDX-License-Identifier: GPL-2.0-only
/* kill -9 in each kind of wait, again and again, beside a reader that misses nothing. */
#include <libaio.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/wait.h>

#include "common.h"

/* What a victim does: it waits for more than will ever come. */
#define WANTED 1024 /* frames */

static int device;
static size_t stride;

static void *victim_memory(void)
{
	return memory_or_fail(WANTED * stride);
}

static void wait_in_read(void)
{
	(void)!read(device, victim_memory(), WANTED * stride);
}

static void wait_in_poll(void)
{
	struct pollfd pollfd = { .fd = device, .events = POLLIN };

	poll(&pollfd, 1, -1);
}

static void wait_in_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(device, &set);
	select(device + 1, &set, NULL, NULL, NULL);
}

static void wait_in_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(epoll, EPOLL_CTL_ADD, device, &event);
	epoll_wait(epoll, &event, 1, -1);
}

static void wait_in_aio(void)
{
	struct iocb iocbs[8], *iocb;
	io_context_t context = 0;
	struct io_event event;
	int i;

	io_setup(8, &context);
	for (i = 0; i < 8; i++) {
		iocb = &iocbs[i];
		io_prep_pread(iocb, device, victim_memory(), WANTED * stride, 0);
		io_submit(context, 1, &iocb);
	}
	io_getevents(context, 1, 1, &event, NULL);
}

static void wait_in_uring(void)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring uring;
	int i;

	if (io_uring_queue_init(8, &uring, 0)) {
		pause();
		return;
	}
	for (i = 0; i < 4; i++) {
		sqe = io_uring_get_sqe(&uring);
		io_uring_prep_read(sqe, device, victim_memory(), WANTED * stride, -1);
		sqe->flags |= i == 3 ? IOSQE_ASYNC : 0;
	}
	io_uring_submit(&uring);
	io_uring_wait_cqe(&uring, &cqe);
}

static void wait_in_mapping(void)
{
	struct ring ring;

	ring_map_or_fail(&ring, device);
	wait_in_poll();
}

static void wait_in_shared(void)
{
	size_t bytes = (WANTED * stride + page_bytes() - 1) / page_bytes() * page_bytes();
	struct acq_share share = {
		.size = sizeof(share),
		.addr = (uintptr_t)memory_or_fail(bytes),
		.bytes = bytes,
	};

	ck_assert_ok(command(device, ACQ_IOC_SHARE_BUFFER, &share));
	wait_in_poll();
}

static void wait_for_event(void)
{
	struct acq_eventfd arg = { .size = sizeof(arg), .fd = eventfd(0, EFD_CLOEXEC) };
	uint64_t count;

	command(device, ACQ_IOC_SET_EVENTFD, &arg);
	command(device, ACQ_IOC_START, NULL);
	(void)!read(arg.fd, &count, sizeof(count));
}

static void wait_for_signal(void)
{
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fcntl(device, F_SETOWN, getpid());
	fcntl(device, F_SETFL, O_ASYNC);
	command(device, ACQ_IOC_START, NULL);
	sigwait(&set, &signal);
}

static void *read_in_thread(void *arg)
{
	(void)arg;
	wait_in_read();
	return NULL;
}

static void wait_in_threads(void)
{
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++)
		spawn_or_fail(&threads[i], read_in_thread, NULL);
	wait_in_read();
}

static void (*const waits[])(void) = {
	wait_in_read,	wait_in_poll,	 wait_in_select,  wait_in_epoll,
	wait_in_aio,	wait_in_uring,	 wait_in_mapping, wait_in_shared,
	wait_for_event, wait_for_signal, wait_in_threads,
};

static void be_victim(unsigned int wait, int ready)
{
	device = open_or_fail(O_RDWR);
	configure_or_fail(device, WANTED, WANTED, 0);
	ck_assert_int_eq(write(ready, "", 1), 1);
	waits[wait]();
	/* no wait of these ends */
	_exit(1);
}

/*
 * Reads until told to stop, and misses nothing. A process, because a fork beside
 * a thread that asserts inherits the locks of Check's that it holds.
 */
static pid_t witness_or_fail(int fd, const bool *stop)
{
	pid_t child = fork_or_fail();
	struct stream stream;

	if (child)
		return child;
	stream_begin(&stream, fd);
	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE))
		stream_read_or_fail(&stream, fd, 5);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stream.starts, 1);
	_exit(0);
}

/* Several at a time: the grace periods that their ends wait for are shared. */
#define VICTIMS 10

static void kill_some(unsigned int wait)
{
	pid_t victims[VICTIMS];
	int ready[2], status;
	char bytes[VICTIMS];
	unsigned int i;

	ck_assert_ok(pipe2(ready, O_CLOEXEC));
	for (i = 0; i < VICTIMS; i++) {
		victims[i] = fork_or_fail();
		if (!victims[i])
			be_victim(wait, ready[1]);
	}
	for (i = 0; i < VICTIMS; i++)
		ck_assert_int_eq(read(ready[0], bytes, 1), 1);
	/* one before it sleeps, perhaps */
	for (i = 1; i < VICTIMS; i++)
		wait_until(asleep(victims[i]));
	for (i = 0; i < VICTIMS; i++)
		kill(victims[i], SIGKILL);
	for (i = 0; i < VICTIMS; i++) {
		status = wait_or_fail(victims[i]);
		ck_assert_msg(WIFSIGNALED(status), "ended by itself: %#x", status);
	}
	close(ready[0]);
	close(ready[1]);
}

START_TEST(killed)
{
	unsigned int left = rounds(100, 1000) / VICTIMS;
	int fd = open_or_fail(O_RDONLY);
	long pinned = pinned_pages();
	pid_t witness;
	bool *stop;

	stop = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(stop, MAP_FAILED);
	/* slow enough for no victim to get what it waits for */
	sim_rate(50);
	configure_or_fail(fd, 4096, 1, 0);
	stride = info(fd).stride;
	witness = witness_or_fail(fd, stop);
	while (left--)
		kill_some(_i);
	__atomic_store_n(stop, true, __ATOMIC_RELEASE);
	join_or_fail(witness);
	wait_until(pinned_pages() == pinned);
	stop_or_fail(fd);
	wait_until(!(info(fd).flags & ACQ_INFO_STREAMING));
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("kill");
	TCase *tcase = tcase_create("kill");

	tcase_set_timeout(tcase, 3 * PATIENCE_MS / 1000);
	tcase_add_checked_fixture(tcase, sim_reset, NULL);
	tcase_add_loop_test(tcase, killed, 0, ARRAY_SIZE(waits));
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run(suite());
}
