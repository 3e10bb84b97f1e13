// SPDX-License-Identifier: GPL-2.0-only
/* The device goes while programs wait: what remains, then ENODEV, and nobody is waited for. */
#include <libaio.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common.h"

#define DRIVER "/sys/bus/platform/drivers/acq_sim/"

static struct stream stream;
static size_t stride;
static int device;

static bool node_exists(void)
{
	return !access(NODE, F_OK);
}

static void unbind_or_fail(void)
{
	int fd = open(DRIVER "unbind", O_WRONLY | O_CLOEXEC);

	ck_assert_ok(fd);
	ck_assert_int_eq(write(fd, "acq_sim", 7), 7);
	close(fd);
}

/* as the hardware would: the driver notices and lets go */
static void unplug(void)
{
	sim_unplug();
	/* the node goes first, the hang-up comes */
	wait_until(info(device).flags & ACQ_INFO_GONE);
}

static void begin(void)
{
	sim_plug();
	sim_reset();
	device = open_or_fail(O_RDWR);
	configure_or_fail(device, 4096, 1, 0);
	stride = info(device).stride;
	stream_begin(&stream, device);
}

static void attach_to_silence(void)
{
	sim_stall();
	start_or_fail(device);
}

START_TEST(read_to_the_end)
{
	unsigned int there = fill_or_fail(device, 6);
	char *buf = alloc_or_fail(4 * stride);

	set_watermark_or_fail(device, 4096);
	unplug();
	ck_assert_int_eq(read(device, buf, 4 * stride), 4 * stride);
	stream_take_all(&stream, buf, 4 * stride);
	ck_assert_uint_eq(stats(device).ring, there - 4);
	stream_read_or_fail(&stream, device, there - 4);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_errno(read(device, buf, 4 * stride), ENODEV);
	ck_assert_errno(read(device, buf, 4 * stride), ENODEV);
	ck_assert_uint_eq(stats(device).delivered, there);
	free(buf);
}
END_TEST

START_TEST(commands_after_it)
{
	struct acq_setup setup = { .size = sizeof(setup), .rate_hz = 10 };
	int idle = open_or_fail(O_RDWR), stopped = open_or_fail(O_RDWR);
	char *buf = alloc_or_fail(stride);

	stop_or_fail(stopped);
	start_or_fail(device);
	unplug();
	ck_assert_uint_eq(info(device).flags & (ACQ_INFO_GONE | ACQ_INFO_STREAMING), ACQ_INFO_GONE);
	ck_assert_uint_eq(info(idle).flags & ACQ_INFO_GONE, ACQ_INFO_GONE);
	ck_assert_errno(command(device, ACQ_IOC_SETUP, &setup), ENODEV);
	ck_assert_errno(command(idle, ACQ_IOC_START, NULL), ENODEV);
	ck_assert_errno(command(stopped, ACQ_IOC_START, NULL), ENODEV);
	flush_or_fail(device);
	ck_assert_errno(read(device, buf, stride), ENODEV);
	ck_assert_errno(read(idle, buf, stride), ENODEV);
	ck_assert_errno(read(stopped, buf, stride), ENODEV);
	ck_assert_int_eq(poll_now(idle, POLLIN), POLLHUP | POLLERR);
	ck_assert_int_eq(command(device, ACQ_IOC_STOP, NULL) ? errno : 0, 0);
	stats(idle);
	ck_assert_errno(open(NODE, O_RDONLY | O_CLOEXEC), ENOENT);
	free(buf);
}
END_TEST

START_TEST(blocked_reads)
{
	struct reader some, none;
	unsigned int there;

	set_watermark_or_fail(device, 4096);
	there = fill_or_fail(device, 3);
	reader_start_and_block(&some, device, 4096 * stride);
	reader_start_and_block(&none, device, stride * 4096);
	unplug();
	ck_assert_int_eq(reader_join(&some), there * stride);
	ck_assert_int_eq(reader_join(&none), -1);
	ck_assert_int_eq(none.error, ENODEV);
	reader_free(&some);
	reader_free(&none);
}
END_TEST

struct waiter {
	pthread_t thread;
	pid_t tid;
	int epoll;
	uint32_t events;
};

static void *poller(void *arg)
{
	struct pollfd pollfd = { .fd = device, .events = POLLIN };
	struct waiter *waiter = arg;

	__atomic_store_n(&waiter->tid, thread_id(), __ATOMIC_RELEASE);
	ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
	waiter->events = pollfd.revents;
	return NULL;
}

static void *epoller(void *arg)
{
	struct waiter *waiter = arg;
	struct epoll_event event = { 0 };

	__atomic_store_n(&waiter->tid, thread_id(), __ATOMIC_RELEASE);
	ck_assert_int_eq(epoll_wait(waiter->epoll, &event, 1, PATIENCE_MS), 1);
	waiter->events = event.events;
	return NULL;
}

static void waiter_start(struct waiter *waiter, void *(*how)(void *), uint32_t edge)
{
	struct epoll_event event = { .events = EPOLLIN | edge };

	*waiter = (struct waiter){ .epoll = epoll_create1(EPOLL_CLOEXEC) };
	ck_assert_ok(epoll_ctl(waiter->epoll, EPOLL_CTL_ADD, device, &event));
	spawn_or_fail(&waiter->thread, how, waiter);
	wait_until(__atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE) && asleep(waiter->tid));
}

static uint32_t waiter_join(struct waiter *waiter)
{
	pthread_join(waiter->thread, NULL);
	return waiter->events;
}

/* with frames that were too few to wake them, and without */
START_TEST(pollers)
{
	struct waiter waiters[3];
	uint32_t events = POLLHUP | POLLERR | (_i ? POLLIN : 0);
	unsigned int there = 0, i;

	set_watermark_or_fail(device, 4096);
	if (_i)
		there = fill_or_fail(device, 3);
	else
		attach_to_silence();
	waiter_start(&waiters[0], poller, 0);
	waiter_start(&waiters[1], epoller, 0);
	waiter_start(&waiters[2], epoller, EPOLLET);
	unplug();
	for (i = 0; i < 3; i++)
		ck_assert_uint_eq(waiter_join(&waiters[i]), events);
	ck_assert_int_eq(poll_now(device, POLLIN), events);
	/* nobody asked, and is told all the same */
	ck_assert_int_eq(poll_now(device, 0), POLLHUP | POLLERR);
	stream_read_or_fail(&stream, device, there);
	ck_assert_int_eq(poll_now(device, POLLIN), POLLHUP | POLLERR);
}
END_TEST

/* a poll that would have been the one to attach */
START_TEST(poll_after_it)
{
	unplug();
	ck_assert_int_eq(poll_now(device, POLLIN), POLLHUP | POLLERR);
}
END_TEST

START_TEST(pended_aio)
{
	struct timespec patience = { PATIENCE_MS / 1000, 0 };
	struct io_event events[4];
	struct iocb iocbs[4], *iocb;
	io_context_t context = 0;
	unsigned int there, i;
	char *memory = alloc_or_fail(4 * 4096 * stride);

	ck_assert_int_eq(io_setup(4, &context), 0);
	set_watermark_or_fail(device, 4096);
	there = fill_or_fail(device, 5);
	for (i = 0; i < 4; i++) {
		iocb = &iocbs[i];
		io_prep_pread(iocb, device, memory + i * 4096 * stride, 4096 * stride, 0);
		ck_assert_int_eq(io_submit(context, 1, &iocb), 1);
	}
	unplug();
	ck_assert_int_eq(io_getevents(context, 4, 4, events, &patience), 4);
	for (i = 0; i < 4; i++) {
		ck_assert_ptr_eq(events[i].obj, &iocbs[i]);
		ck_assert_int_eq((long)events[i].res, i ? -ENODEV : (long)(there * stride));
	}
	stream_take_all(&stream, memory, there * stride);
	iocb = &iocbs[0];
	ck_assert_int_eq(io_submit(context, 1, &iocb), 1);
	ck_assert_int_eq(io_getevents(context, 1, 1, events, &patience), 1);
	ck_assert_int_eq((long)events[0].res, -ENODEV);
	io_destroy(context);
	free(memory);
}
END_TEST

START_TEST(uring_read)
{
	struct io_uring uring;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	char *buf = alloc_or_fail(stride);

	if (io_uring_queue_init(4, &uring, 0) == -ENOSYS) {
		puts("unplug: uring_read SKIPPED, this kernel has no io_uring");
		return;
	}
	attach_to_silence();
	sqe = io_uring_get_sqe(&uring);
	io_uring_prep_read(sqe, device, buf, stride, -1);
	ck_assert_int_eq(io_uring_submit(&uring), 1);
	ck_assert_int_eq(io_uring_peek_cqe(&uring, &cqe), -EAGAIN);
	unplug();
	ck_assert_int_eq(io_uring_wait_cqe(&uring, &cqe), 0);
	ck_assert_int_eq(cqe->res, -ENODEV);
	io_uring_queue_exit(&uring);
	free(buf);
}
END_TEST

START_TEST(events)
{
	struct acq_eventfd arg = { .size = sizeof(arg), .fd = eventfd(0, EFD_CLOEXEC) };
	struct pollfd pollfd = { .fd = arg.fd, .events = POLLIN };
	siginfo_t got;

	attach_to_silence();
	sigio_arm_or_fail(device, SIGRTMIN);
	ck_assert_ok(command(device, ACQ_IOC_SET_EVENTFD, &arg));
	ck_assert_int_eq(poll(&pollfd, 1, 0), 0);
	unplug();
	ck_assert_int_eq(poll(&pollfd, 1, PATIENCE_MS), 1);
	ck_assert_int_eq(sigio_next(SIGRTMIN, &got, PATIENCE_MS), SIGRTMIN);
	ck_assert_int_eq(got.si_fd, device);
	ck_assert_int_eq(got.si_code, POLL_HUP);
	ck_assert(got.si_band & POLLHUP);
}
END_TEST

/* it stands still, and what is in it can be consumed */
START_TEST(mapping)
{
	unsigned int there;
	struct ring ring;

	ring_map_or_fail(&ring, device);
	there = fill_or_fail(device, 6);
	unplug();
	ck_assert(ring.producer->state & ACQ_RING_GONE);
	ck_assert_int_eq(poll_now(device, POLLIN), POLLIN | POLLHUP | POLLERR);
	ck_assert_uint_eq(ring_take(&ring, &stream, 4096), there);
	ck_assert_int_eq(poll_now(device, POLLIN), POLLHUP | POLLERR);
	ck_assert_uint_eq(stats(device).delivered, there);
	close(device);
	/* the memory is the mapping's as long as it lives */
	ck_assert_uint_eq(ring_in(&ring), ring.out);
	check_frame(&stream.info, ring_frame(&ring, ring.out - 1));
	ring_unmap(&ring);
}
END_TEST

START_TEST(shared_buffer)
{
	struct acq_share share = { .size = sizeof(share), .bytes = 4 * page_bytes() };
	char *memory = memory_or_fail(share.bytes);
	long pinned = pinned_pages();
	struct ring ring;
	unsigned int there;

	share.addr = (uintptr_t)memory;
	ck_assert_ok(command(device, ACQ_IOC_SHARE_BUFFER, &share));
	ring_map_share_or_fail(&ring, device, memory);
	there = fill_or_fail(device, 6);
	unplug();
	ck_assert_int_eq(pinned_pages(), pinned + 4);
	ck_assert_uint_eq(ring_take(&ring, &stream, 4096), there);
	ring_unmap(&ring);
	ck_assert_ok(command(device, ACQ_IOC_UNSHARE_BUFFER, NULL));
	ck_assert_int_eq(pinned_pages(), pinned);
}
END_TEST

/* a program that holds the file and does not answer holds up nobody */
START_TEST(waits_for_no_program)
{
	pid_t child = fork_or_fail();
	int status;

	while (!child)
		stream_read_or_fail(&stream, device, 5);

	wait_until(stats(device).delivered > 20);
	kill(child, SIGSTOP);
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	unplug();
	ck_assert_int_eq(unload_module("acq_sim"), EAGAIN);
	kill(child, SIGKILL);
	kill(child, SIGCONT);
	wait_or_fail(child);
}
END_TEST

/* the next one is another device, and the old file stays what it was */
START_TEST(plugged_again)
{
	char *buf = alloc_or_fail(stride);
	struct stream again;
	int fd;

	start_or_fail(device);
	unplug();
	sim_plug();
	sim_reset();
	fd = open_or_fail(O_RDONLY);
	stream_begin(&again, fd);
	stream_read_or_fail(&again, fd, 5);
	flush_or_fail(device);
	ck_assert_errno(read(device, buf, stride), ENODEV);
	ck_assert(info(device).flags & ACQ_INFO_GONE);
	ck_assert(!(info(fd).flags & ACQ_INFO_GONE));
	close(device);
	stream_read_or_fail(&again, fd, 5);
	ck_assert_uint_eq(again.lost, 0);
	free(buf);
}
END_TEST

/* by root's hand, in sysfs */
START_TEST(unbound)
{
	char *buf = alloc_or_fail(stride);
	struct reader reader;

	attach_to_silence();
	reader_start_and_block(&reader, device, stride);
	unbind_or_fail();
	ck_assert_int_eq(reader_join(&reader), -1);
	ck_assert_int_eq(reader.error, ENODEV);
	ck_assert(!node_exists());
	sim_plug();
	free(buf);
}
END_TEST

/*
 * Unplug against everything that is under way: each request ends exactly once.
 */

#define RACE_DEPTH 4

struct race {
	int fd;
	io_context_t context;
	struct iocb iocbs[RACE_DEPTH];
	char *memory;
	struct reader readers[2];
	struct waiter waiter;
};

static void race_begin(struct race *race)
{
	struct iocb *iocb;
	int i;

	device = open_or_fail(O_RDWR);
	/* the settings went with the device */
	stride = info(device).stride;
	race->context = 0;
	ck_assert_int_eq(io_setup(RACE_DEPTH, &race->context), 0);
	race->memory = alloc_or_fail(RACE_DEPTH * stride);
	reader_start(&race->readers[0], device, stride);
	for (i = 0; i < RACE_DEPTH; i++) {
		iocb = &race->iocbs[i];
		io_prep_pread(iocb, device, race->memory + i * stride, stride, 0);
		ck_assert_int_eq(io_submit(race->context, 1, &iocb), 1);
	}
	reader_start(&race->readers[1], device, stride);
	race->waiter = (struct waiter){ 0 };
	spawn_or_fail(&race->waiter.thread, poller, &race->waiter);
}

static void race_end(struct race *race)
{
	struct timespec patience = { PATIENCE_MS / 1000, 0 }, none = { 0, 0 };
	struct io_event events[RACE_DEPTH + 1];
	long res;
	int i;

	ck_assert_int_eq(io_getevents(race->context, RACE_DEPTH, RACE_DEPTH + 1, events, &patience),
			 RACE_DEPTH);
	ck_assert_int_eq(io_getevents(race->context, 1, 1, events + RACE_DEPTH, &none), 0);
	for (i = 0; i < RACE_DEPTH; i++) {
		res = events[i].res;
		ck_assert_msg(res == (long)stride || res == -ENODEV, "result %ld", res);
	}
	for (i = 0; i < 2; i++) {
		ck_assert(reader_join(&race->readers[i]) == (ssize_t)stride ||
			  race->readers[i].error == ENODEV);
		reader_free(&race->readers[i]);
	}
	pthread_join(race->waiter.thread, NULL);
	ck_assert_uint_ne(race->waiter.events, 0);
	stats(device);
	io_destroy(race->context);
	free(race->memory);
	close(device);
}

START_TEST(unplug_race)
{
	unsigned int i, count = rounds(200, 2000);
	long pinned = pinned_pages();
	struct race race;
	int64_t until;

	close(device);
	for (i = 0; i < count; i++) {
		race_begin(&race);
		until = now_ns() + i * 7919 % 8000 * 1000;
		while (now_ns() < until)
			;
		unbind_or_fail();
		race_end(&race);
		sim_plug();
	}
	wait_until(pinned_pages() == pinned);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("unplug");
	TCase *tcase = tcase_create("unplug");

	tcase_set_timeout(tcase, 3 * PATIENCE_MS / 1000);
	tcase_add_checked_fixture(tcase, begin, NULL);
	tcase_add_test(tcase, read_to_the_end);
	tcase_add_test(tcase, commands_after_it);
	tcase_add_test(tcase, blocked_reads);
	tcase_add_loop_test(tcase, pollers, 0, 2);
	tcase_add_test(tcase, poll_after_it);
	tcase_add_test(tcase, pended_aio);
	tcase_add_test(tcase, uring_read);
	tcase_add_test(tcase, events);
	tcase_add_test(tcase, mapping);
	tcase_add_test(tcase, shared_buffer);
	tcase_add_test(tcase, waits_for_no_program);
	tcase_add_test(tcase, plugged_again);
	tcase_add_test(tcase, unbound);
	tcase_add_test(tcase, unplug_race);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return run(suite());
}
