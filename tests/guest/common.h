/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest suites share. System calls are made raw, so that a suite tests
 * the kernel and no library. A helper called ..._or_fail ends the test when what
 * it does fails; each of the others tells its caller.
 */
#ifndef TESTS_GUEST_COMMON_H
#define TESTS_GUEST_COMMON_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/acq.h>

#define NODE "/dev/acq"
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* for a call that must fail, and how */
#define ck_assert_errno(call, error) \
	do { \
		int wanted_ = (error); \
\
		errno = 0; \
		ck_assert_int_eq(call, -1); \
		ck_assert_msg(errno == wanted_, "%s: %s, not %s", #call, strerror(errno), #error); \
	} while (0)

/* for a call that must not */
#define ck_assert_ok(call) \
	do { \
		if ((call) < 0) \
			ck_abort_msg("%s: %s", #call, strerror(errno)); \
	} while (0)

/* For each frame: Check's own assertions leave a mark in a file each time. */
#define expect(cond) \
	do { \
		if (!(cond)) \
			ck_abort_msg("%s", #cond); \
	} while (0)

#define expect_equal(is, wanted) \
	do { \
		uint64_t is_ = (is), wanted_ = (wanted); \
\
		if (is_ != wanted_) \
			ck_abort_msg("%s is %llu, not %s, %llu", #is, (unsigned long long)is_, \
				     #wanted, (unsigned long long)wanted_); \
	} while (0)

/* Nothing here takes this long, not even on the debug kernel under emulation. */
#define PATIENCE_MS (on_debug() ? 60000 : 25000)

/* Until something becomes true that another thread, process or interrupt makes true. */
#define wait_until(cond) \
	do { \
		int64_t end_ms = now_ms() + PATIENCE_MS; \
		while (!(cond)) { \
			if (now_ms() >= end_ms) \
				ck_abort_msg("in vain: %s", #cond); \
			pause_ms(1); \
		} \
	} while (0)

/* common.c */
bool on_debug(void);
bool torture(void);
unsigned int rounds(unsigned int test, unsigned int torture);
void *alloc_or_fail(size_t bytes);
int run(Suite *suite);

int64_t now_ns(void);
int64_t now_ms(void);
void pause_ms(unsigned int ms);

pid_t thread_id(void);
bool asleep(pid_t thread);
long proc_value(const char *path, const char *key);
pid_t fork_or_fail(void);
int wait_or_fail(pid_t child);
void join_or_fail(pid_t child);
void spawn_or_fail(pthread_t *thread, void *(*function)(void *), void *arg);

/* A thread in one read(), which may block. */
struct reader {
	pthread_t thread;
	pid_t tid;
	int fd;
	size_t bytes;
	void *buf;
	ssize_t got;
	int error;
	bool done;
};

void reader_start(struct reader *reader, int fd, size_t bytes);
void reader_start_and_block(struct reader *reader, int fd, size_t bytes);
ssize_t reader_join(struct reader *reader);
void reader_free(struct reader *reader);

/* SIGIO, or a signal of one's choice, of an open file */
void sigio_arm_or_fail(int fd, int signal);
int sigio_next(int signal, siginfo_t *got, unsigned int ms);

/* common-sim.c: the simulated converter */
void sim_set(const char *name, const char *value);
void sim_set_number(const char *name, unsigned long value);
void sim_get(const char *name, char *value, size_t bytes);
unsigned long sim_get_number(const char *name);
bool sim_has(const char *name);
void sim_setup(unsigned int rate, unsigned int channels, unsigned int samples);
void sim_rate(unsigned int rate);
void sim_reset(void);
void sim_stall(void);
void sim_resume(void);
void sim_plug(void);
void sim_unplug(void);
void load_module_or_fail(const char *name, const char *params);
int load_module(const char *name, const char *params);
int unload_module(const char *name);
void unload_module_or_fail(const char *name);

/* common-client.c: an open file of the device */
int open_or_fail(int flags);
int command(int fd, unsigned int cmd, void *arg);
struct acq_info info(int fd);
struct acq_stats stats(int fd);
void configure_or_fail(int fd, unsigned int frames, unsigned int watermark,
		       unsigned int latency_us);
void set_watermark_or_fail(int fd, unsigned int watermark);
void start_or_fail(int fd);
void stop_or_fail(int fd);
void flush_or_fail(int fd);
unsigned int fill_ring_or_fail(int fd);
unsigned int fill_or_fail(int fd, unsigned int frames);
bool readable(int fd);
short poll_now(int fd, short events);
int open_full_or_fail(unsigned int frames);
unsigned int bytes_of(unsigned int format);
void check_frame(const struct acq_info *info, const struct acq_frame *frame);

/* The frames of one client in order, each checked, and what was lost between. */
struct stream {
	struct acq_info info;
	uint64_t next; /* seq of the frame after the last one */
	uint64_t frames;
	uint64_t lost;
	uint64_t starts;
	uint64_t first; /* seq of the first one */
};

void stream_begin(struct stream *stream, int fd);
void stream_take(struct stream *stream, const struct acq_frame *frame);
unsigned int stream_take_all(struct stream *stream, const void *frames, size_t bytes);
void stream_read_or_fail(struct stream *stream, int fd, unsigned int frames);
unsigned int stream_drain_or_fail(struct stream *stream, int fd);

/* common-ring.c: the mapped ring */

/* The consumer page, the producer page, and the frames wherever they are. */
struct ring {
	struct acq_consumer *consumer;
	const struct acq_producer *producer;
	const char *frames;
	size_t mapped; /* bytes from the producer page on */
	uint32_t out;
};

size_t page_bytes(void);
void *memory_or_fail(size_t bytes);
void ring_map_or_fail(struct ring *ring, int fd);
void ring_map_share_or_fail(struct ring *ring, int fd, const void *memory);
void ring_unmap(struct ring *ring);
uint32_t ring_in(const struct ring *ring);
uint32_t ring_count(const struct ring *ring);
const struct acq_frame *ring_frame(const struct ring *ring, uint32_t position);
void ring_set_out(struct ring *ring, uint32_t out);
unsigned int ring_take(struct ring *ring, struct stream *stream, unsigned int most);
void ring_take_or_fail(struct ring *ring, struct stream *stream, int fd, unsigned int frames);
long pinned_pages(void);

/* common-waits.c: each way to wait for frames, on a file of its own, until the device goes */
struct waits;
#define WAITS 6 /* to wait */

struct waits *waits_begin(int (*open_node)(void));
void waits_fill(struct waits *waits, unsigned int frames);
void waits_woken_or_fail(struct waits *waits);
void waits_end(struct waits *waits, void (*take)(unsigned int way, const struct acq_frame *frame));

/* common-shell.c: lines of shell */
#define SAID "/tmp/said"
#define COMPLAINT "/tmp/complaint"

int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *contents(const char *path, size_t *bytes);
unsigned int lines_of(const char *path);
void says_or_fail(const char *path, const char *words);
void complains_or_fail(const char *words);

#define shell_or_fail(...) \
	do { \
		size_t bytes_; \
		int status_ = shell(__VA_ARGS__); \
		ck_assert_msg(!status_, "status %d: %s", status_, contents(COMPLAINT, &bytes_)); \
	} while (0)

/* common-host.c: the host, which QEMU runs on */
bool host_try(char *answer, size_t bytes, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void host_or_fail(char *answer, size_t bytes, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* TESTS_GUEST_COMMON_H */
