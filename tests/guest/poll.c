// SPDX-License-Identifier: GPL-2.0-only
/* poll, select and epoll say what read() would do; and FIONREAD. */
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

#include "common.h"

static struct stream stream;

/* The ways to ask; each answers whether the file is readable. */

static bool by_poll(int fd, int timeout)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLOUT };

	ck_assert_ok(poll(&pollfd, 1, timeout));
	ck_assert_int_eq(pollfd.revents & ~(POLLIN | POLLRDNORM), 0);
	return pollfd.revents & POLLIN;
}

static bool by_select(int fd, int timeout)
{
	struct timeval time = { timeout / 1000, timeout % 1000 * 1000 };
	fd_set in, except;

	FD_ZERO(&in);
	FD_ZERO(&except);
	FD_SET(fd, &in);
	FD_SET(fd, &except);
	ck_assert_ok(select(fd + 1, &in, NULL, &except, timeout < 0 ? NULL : &time));
	ck_assert(!FD_ISSET(fd, &except));
	return FD_ISSET(fd, &in);
}

static int epoll_or_fail(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_ok(epoll);
	ck_assert_ok(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	return epoll;
}

/* what epoll says, 0: nothing */
static uint32_t epoll_ask(int epoll, int timeout)
{
	struct epoll_event event = { 0 };
	int count = epoll_wait(epoll, &event, 1, timeout);

	ck_assert_ok(count);
	return count ? event.events : 0;
}

static bool by_epoll_once(int fd, int timeout, uint32_t edge)
{
	int epoll = epoll_or_fail(fd, EPOLLIN | edge);
	uint32_t events = epoll_ask(epoll, timeout);

	ck_assert_uint_eq(events & ~EPOLLIN, 0);
	close(epoll);
	return events & EPOLLIN;
}

static bool by_epoll(int fd, int timeout)
{
	return by_epoll_once(fd, timeout, 0);
}

static bool by_epoll_edge(int fd, int timeout)
{
	return by_epoll_once(fd, timeout, EPOLLET);
}

static bool (*const ways[])(int fd, int timeout) = {
	by_poll,
	by_select,
	by_epoll,
	by_epoll_edge,
};

START_TEST(around_watermark)
{
	int fd = open_or_fail(O_RDONLY);
	unsigned int there;

	configure_or_fail(fd, 4096, 1, 0);
	sim_stall();
	ck_assert(!ways[_i](fd, 0));
	/* to ask for input attaches */
	ck_assert(info(fd).flags & ACQ_INFO_ATTACHED);
	sim_resume();
	there = fill_or_fail(fd, 3);

	set_watermark_or_fail(fd, there + 1);
	ck_assert(!ways[_i](fd, 0));
	ck_assert(!ways[_i](fd, 20));
	set_watermark_or_fail(fd, there);
	ck_assert(ways[_i](fd, 0));
	set_watermark_or_fail(fd, there - 1);
	ck_assert(ways[_i](fd, PATIENCE_MS));

	/* and back to before it */
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 2);
	ck_assert(!ways[_i](fd, 0));
}
END_TEST

/* it sleeps, and wakes no sooner than there is enough */
START_TEST(waits_for_watermark)
{
	static const unsigned int watermarks[] = { 1, 7, 16 };
	int fd = open_or_fail(O_RDONLY);
	unsigned int i;

	configure_or_fail(fd, 16, 1, 0);
	stream_begin(&stream, fd);
	for (i = 0; i < ARRAY_SIZE(watermarks); i++) {
		set_watermark_or_fail(fd, watermarks[i]);
		ck_assert(ways[_i](fd, PATIENCE_MS));
		ck_assert_uint_ge(stats(fd).ring, watermarks[i]);
		stream_read_or_fail(&stream, fd, watermarks[i]);
	}
	ck_assert_uint_ge(stats(fd).wakeups, 1);
}
END_TEST

START_TEST(waits_for_latency)
{
	int fd = open_or_fail(O_RDONLY);
	struct acq_frame *frames;
	size_t stride;
	ssize_t got;

	sim_rate(5);
	configure_or_fail(fd, 64, 64, 50000);
	stride = info(fd).stride;
	frames = alloc_or_fail(64 * stride);
	ck_assert(ways[_i](fd, PATIENCE_MS));
	got = read(fd, frames, 64 * stride);
	ck_assert_int_gt(got, 0);
	ck_assert_int_lt(got, 64 * stride);
	ck_assert_int_ge(now_ns() - (int64_t)frames->timestamp_ns, 50000000);
	free(frames);
}
END_TEST

/* no bound, no watermark: no wake-up */
START_TEST(waits_in_vain)
{
	int fd = open_or_fail(O_RDONLY);

	configure_or_fail(fd, 4096, 4096, 0);
	fill_or_fail(fd, 3);
	ck_assert(!ways[_i](fd, 200));
	/* a bound that passed long ago */
	configure_or_fail(fd, 0, 0, 1000);
	ck_assert(ways[_i](fd, PATIENCE_MS));
}
END_TEST

struct waiter {
	pthread_t thread;
	bool (*way)(int fd, int timeout);
	pid_t tid;
	int fd;
	bool said;
};

static void *waiter_thread(void *arg)
{
	struct waiter *waiter = arg;

	__atomic_store_n(&waiter->tid, thread_id(), __ATOMIC_RELEASE);
	waiter->said = waiter->way(waiter->fd, -1);
	return NULL;
}

static void waiter_start(struct waiter *waiter, int fd, unsigned int way)
{
	*waiter = (struct waiter){ .fd = fd, .way = ways[way] };
	spawn_or_fail(&waiter->thread, waiter_thread, waiter);
	wait_until(__atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE) && asleep(waiter->tid));
}

static bool waiter_join(struct waiter *waiter)
{
	pthread_join(waiter->thread, NULL);
	return waiter->said;
}

START_TEST(wakes_at_lower_watermark)
{
	int fd = open_or_fail(O_RDONLY);
	struct waiter waiter;
	unsigned int there;

	configure_or_fail(fd, 4096, 4096, 0);
	there = fill_or_fail(fd, 3);
	waiter_start(&waiter, fd, _i);
	set_watermark_or_fail(fd, there);
	ck_assert(waiter_join(&waiter));
}
END_TEST

START_TEST(wakes_at_stop)
{
	int fd = open_or_fail(O_RDONLY);
	struct waiter waiter;

	configure_or_fail(fd, 4096, 4096, 0);
	sim_stall();
	start_or_fail(fd);
	waiter_start(&waiter, fd, _i);
	stop_or_fail(fd);
	ck_assert(waiter_join(&waiter));
}
END_TEST

/* the file and the ring of one are nothing to the other */
START_TEST(two_files)
{
	int slow = open_or_fail(O_RDONLY), fast = open_or_fail(O_RDONLY);
	struct pollfd pollfds[] = {
		{ .fd = slow, .events = POLLIN },
		{ .fd = fast, .events = POLLIN },
	};

	configure_or_fail(slow, 4096, 4096, 0);
	configure_or_fail(fast, 4096, 2, 0);
	ck_assert_int_eq(poll(pollfds, 2, -1), 1);
	ck_assert_int_eq(pollfds[0].revents, 0);
	ck_assert_int_eq(pollfds[1].revents & POLLIN, POLLIN);
}
END_TEST

/* one event for what comes, none for what is there, whatever is read */
START_TEST(edges)
{
	int fd = open_or_fail(O_RDONLY), epoll;
	unsigned int there;

	configure_or_fail(fd, 4096, 1, 0);
	sim_stall();
	epoll = epoll_or_fail(fd, EPOLLIN | EPOLLET);
	ck_assert_uint_eq(epoll_ask(epoll, 0), 0);
	sim_resume();
	ck_assert_uint_eq(epoll_ask(epoll, PATIENCE_MS), EPOLLIN);
	sim_stall();
	/* what came since the first one is one more edge at most */
	epoll_ask(epoll, 0);
	ck_assert_uint_eq(epoll_ask(epoll, 50), 0);

	there = stats(fd).ring;
	set_watermark_or_fail(fd, there);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 1);
	epoll_ask(epoll, 0);
	ck_assert_uint_eq(epoll_ask(epoll, 20), 0);
	sim_resume();
	/* above the watermark again */
	ck_assert_uint_eq(epoll_ask(epoll, PATIENCE_MS), EPOLLIN);
	ck_assert_uint_ge(stats(fd).ring, there);
}
END_TEST

/* a program that reads to EAGAIN after each edge misses nothing and never sleeps for good */
START_TEST(edges_carry_everything)
{
	int fd = open_or_fail(O_RDONLY | O_NONBLOCK);
	int epoll = epoll_or_fail(fd, EPOLLIN | EPOLLET);
	unsigned int frames = rounds(1000, 100000);

	stream_begin(&stream, fd);
	while (stream.frames < frames) {
		ck_assert_uint_eq(epoll_ask(epoll, PATIENCE_MS), EPOLLIN);
		stream_drain_or_fail(&stream, fd);
	}
	ck_assert_uint_eq(stream.starts, 1);
	ck_assert_uint_eq(stream.lost, stats(fd).lost);
}
END_TEST

START_TEST(one_shot)
{
	int fd = open_or_fail(O_RDONLY);
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
	int epoll = epoll_or_fail(fd, event.events);

	ck_assert_uint_eq(epoll_ask(epoll, PATIENCE_MS), EPOLLIN);
	ck_assert_uint_eq(epoll_ask(epoll, 20), 0);
	ck_assert_ok(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event));
	ck_assert_uint_eq(epoll_ask(epoll, PATIENCE_MS), EPOLLIN);
}
END_TEST

/* bytes that a read would give */
START_TEST(fionread)
{
	int fd = open_or_fail(O_RDONLY);
	size_t stride = info(fd).stride;
	int bytes = -1;

	configure_or_fail(fd, 16, 1, 0);
	ck_assert_ok(ioctl(fd, FIONREAD, &bytes));
	ck_assert_int_eq(bytes, 0);
	ck_assert(!(info(fd).flags & ACQ_INFO_ATTACHED));
	fill_ring_or_fail(fd);
	ck_assert_ok(ioctl(fd, FIONREAD, &bytes));
	ck_assert_int_eq(bytes, 16 * stride);
	stop_or_fail(fd);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 5);
	ck_assert_ok(ioctl(fd, FIONREAD, &bytes));
	ck_assert_int_eq(bytes, 11 * stride);
	ck_assert_errno(ioctl(fd, FIONREAD, NULL), EFAULT);
}
END_TEST

/* only who asks for input attaches */
START_TEST(not_for_input)
{
	int fd = open_or_fail(O_RDWR), epoll;
	fd_set none;

	ck_assert_int_eq(poll_now(fd, 0), 0);
	ck_assert_int_eq(poll_now(fd, POLLPRI | POLLOUT), 0);
	FD_ZERO(&none);
	FD_SET(fd, &none);
	ck_assert_int_eq(select(fd + 1, NULL, NULL, &none, &(struct timeval){ 0, 0 }), 0);
	epoll = epoll_or_fail(fd, EPOLLPRI | EPOLLET);
	ck_assert_uint_eq(epoll_ask(epoll, 0), 0);
	ck_assert(!(info(fd).flags & ACQ_INFO_ATTACHED));
	ck_assert(readable(fd) || info(fd).flags & ACQ_INFO_ATTACHED);
}
END_TEST

/* the end is readable for ever, and asking does not begin anew */
START_TEST(stop_under_level)
{
	int fd = open_or_fail(O_RDONLY), i;
	int epoll = epoll_or_fail(fd, EPOLLIN);
	char *buf = alloc_or_fail(info(fd).stride);
	uint64_t frames;

	ck_assert_uint_eq(epoll_ask(epoll, PATIENCE_MS), EPOLLIN);
	stop_or_fail(fd);
	stream_begin(&stream, fd);
	stream_drain_or_fail(&stream, fd);
	frames = stats(fd).device_frames;
	for (i = 0; i < 20; i++) {
		ck_assert_uint_eq(epoll_ask(epoll, PATIENCE_MS) & EPOLLIN, EPOLLIN);
		ck_assert(readable(fd));
		ck_assert_int_eq(read(fd, buf, info(fd).stride), 0);
		ck_assert(info(fd).flags & ACQ_INFO_STOPPED);
		ck_assert(!(info(fd).flags & (ACQ_INFO_ATTACHED | ACQ_INFO_STREAMING)));
		pause_ms(5);
	}
	ck_assert_uint_eq(stats(fd).device_frames, frames);

	start_or_fail(fd);
	ck_assert_uint_eq(epoll_ask(epoll, PATIENCE_MS), EPOLLIN);
	stream_read_or_fail(&stream, fd, 3);
	ck_assert_uint_eq(stream.starts, 2);
	free(buf);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("poll");
	TCase *each = tcase_create("each way"), *some = tcase_create("some ways");
	int count = ARRAY_SIZE(ways);

	tcase_add_checked_fixture(each, sim_reset, NULL);
	tcase_add_loop_test(each, around_watermark, 0, count);
	tcase_add_loop_test(each, waits_for_watermark, 0, count);
	tcase_add_loop_test(each, waits_for_latency, 0, count);
	tcase_add_loop_test(each, waits_in_vain, 0, count);
	tcase_add_loop_test(each, wakes_at_lower_watermark, 0, count);
	tcase_add_loop_test(each, wakes_at_stop, 0, count);
	suite_add_tcase(suite, each);

	tcase_add_checked_fixture(some, sim_reset, NULL);
	tcase_add_test(some, two_files);
	tcase_add_test(some, edges);
	tcase_add_test(some, edges_carry_everything);
	tcase_add_test(some, one_shot);
	tcase_add_test(some, fionread);
	tcase_add_test(some, not_for_input);
	tcase_add_test(some, stop_under_level);
	suite_add_tcase(suite, some);
	return suite;
}

int main(void)
{
	return run(suite());
}
