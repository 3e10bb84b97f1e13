// SPDX-License-Identifier: GPL-2.0-only
/* Time, threads, processes, and running a suite. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "common.h"

static bool environment_is(const char *name, const char *value)
{
	const char *is = getenv(name);

	return is && !strcmp(is, value);
}

bool on_debug(void)
{
	return environment_is("ACQ_KERNEL", "debug");
}

bool torture(void)
{
	return environment_is("ACQ_SCALE", "torture");
}

/* how often to repeat what is worth repeating */
unsigned int rounds(unsigned int test, unsigned int torture_)
{
	unsigned int count = torture() ? torture_ : test;

	return on_debug() ? (count + 4) / 5 : count;
}

void *alloc_or_fail(size_t bytes)
{
	void *memory = calloc(1, bytes);

	ck_assert_ptr_nonnull(memory);
	return memory;
}

int run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t now_ms(void)
{
	return now_ns() / 1000000;
}

void pause_ms(unsigned int ms)
{
	struct timespec time = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000L,
	};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

pid_t thread_id(void)
{
	return syscall(SYS_gettid);
}

/* Whether a thread of whatever process sleeps interruptibly. */
bool asleep(pid_t thread)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", thread);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'S';
}

/* The number behind a word in a file such as /proc/self/status; -1: no such word. */
long proc_value(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	size_t length = strlen(key);
	char line[256];
	long value = -1;

	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	while (value < 0 && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, length) && strchr(": \t", line[length]))
			value = strtol(line + length + 1, NULL, 10);
	}
	fclose(file);
	return value;
}

/* A child that a failed test leaves behind would be the next one's trouble. */
pid_t fork_or_fail(void)
{
	pid_t child = fork();

	ck_assert_ok(child);
	if (!child)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return child;
}

/* its wait status */
int wait_or_fail(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

/* A child reports a failed assertion by itself, and by its exit status. */
void join_or_fail(pid_t child)
{
	int status = wait_or_fail(child);

	ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "a child's wait status is %#x",
		      status);
}

void spawn_or_fail(pthread_t *thread, void *(*function)(void *), void *arg)
{
	ck_assert_int_eq(pthread_create(thread, NULL, function, arg), 0);
}

static void *reader_thread(void *arg)
{
	struct reader *reader = arg;

	__atomic_store_n(&reader->tid, thread_id(), __ATOMIC_RELEASE);
	reader->got = read(reader->fd, reader->buf, reader->bytes);
	reader->error = reader->got < 0 ? errno : 0;
	__atomic_store_n(&reader->done, true, __ATOMIC_RELEASE);
	return NULL;
}

void reader_start(struct reader *reader, int fd, size_t bytes)
{
	*reader = (struct reader){ .fd = fd, .bytes = bytes };
	reader->buf = alloc_or_fail(bytes);
	spawn_or_fail(&reader->thread, reader_thread, reader);
}

/* Returns when the read waits in its client's queue. No other may begin meanwhile. */
void reader_start_and_block(struct reader *reader, int fd, size_t bytes)
{
	uint64_t pended = stats(fd).pended;

	reader_start(reader, fd, bytes);
	wait_until(stats(fd).pended > pended);
}

ssize_t reader_join(struct reader *reader)
{
	wait_until(__atomic_load_n(&reader->done, __ATOMIC_ACQUIRE));
	pthread_join(reader->thread, NULL);
	return reader->got;
}

void reader_free(struct reader *reader)
{
	free(reader->buf);
}

/* Before any other thread is begun, for each of them must block the signal. */
void sigio_arm_or_fail(int fd, int signal)
{
	int flags = fcntl(fd, F_GETFL);
	sigset_t set;

	ck_assert_ok(flags);
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, signal ? signal : SIGIO);
	ck_assert_ok(sigprocmask(SIG_BLOCK, &set, NULL));
	ck_assert_ok(fcntl(fd, F_SETOWN, getpid()));
	ck_assert_ok(fcntl(fd, F_SETSIG, signal));
	ck_assert_ok(fcntl(fd, F_SETFL, flags | O_ASYNC));
}

/* 0: none within the time */
int sigio_next(int signal, siginfo_t *got, unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, signal ? signal : SIGIO);
	do
		ret = sigtimedwait(&set, got, &time);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? 0 : ret;
}
