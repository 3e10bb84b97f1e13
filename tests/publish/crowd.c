// SPDX-License-Identifier: GPL-2.0-only
/*
 * crowd - many publishers, all alive at once, and what each of them cost:
 *	crowd N FRAMES RATE DIR SERVERS
 * The Ith, from 0, follows DIR/I/adc-*.acq and publishes to acq.gG.hI, where group G has
 * a hundred hosts. A line on stdin has the captures grow: FRAMES frames of 1 KiB each,
 * at RATE a second. The next line ends the publishers, and for each of them stdout gets
 * its processor seconds, its peak in KiB, and its status.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../unit/frames.h"

#define GROUP 100
#define FRAME_BYTES 1024
#define TICK_NS 50000000L

struct member {
	pid_t pid;
	int capture;
};

struct crowd {
	unsigned int count;
	uint64_t frames;
	uint64_t rate;
	const char *dir;
	const char *servers;
	struct member *members;
};

static void publish(const struct crowd *c, unsigned int i)
{
	char pattern[4096], subject[64], log[4096];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(pattern, sizeof(pattern), "%s/%u/adc-*.acq", c->dir, i);
	snprintf(subject, sizeof(subject), "acq.g%u.h%u", i / GROUP, i);
	snprintf(log, sizeof(log), "%s/%u/log", c->dir, i);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		err(1, "%s", log);
	execlp("acqpub", "acqpub", "-S", c->servers, "-s", subject, "--latency", "1s", "--follow",
	       pattern, NULL);
	err(1, "acqpub");
}

static void begin(struct crowd *c, unsigned int i)
{
	struct member *m = &c->members[i];
	char name[4096];

	snprintf(name, sizeof(name), "%s/%u", c->dir, i);
	if (mkdir(name, 0777))
		err(1, "%s", name);
	snprintf(name, sizeof(name), "%s/%u/adc-1.acq", c->dir, i);
	m->capture = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (m->capture < 0)
		err(1, "%s", name);
	m->pid = fork();
	if (m->pid < 0)
		err(1, "fork");
	if (!m->pid)
		publish(c, i);
}

static void next_line(void)
{
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		errx(1, "stdin has ended");
}

static void grow(const struct crowd *c, struct acq_frame *frame)
{
	unsigned int i;

	fill_counter(frame);
	for (i = 0; i < c->count; i++)
		if (write(c->members[i].capture, frame, frame->stride) != (ssize_t)frame->stride)
			err(1, "%s/%u/adc-1.acq", c->dir, i);
	frame->flags = 0;
	frame->seq++;
}

static uint64_t due(const struct crowd *c, const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((now.tv_sec - begin->tv_sec) * 1000000000LL + now.tv_nsec - begin->tv_nsec) *
		       c->rate / 1000000000 +
	       1;
}

static void grow_all(const struct crowd *c)
{
	struct acq_frame *frame =
		new_frame(0, ACQ_FORMAT_S16, 2, FRAME_BYTES - sizeof(struct acq_frame));
	const struct timespec tick = { .tv_nsec = TICK_NS };
	struct timespec begin;

	frame->flags = ACQ_FRAME_START;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (frame->seq < c->frames) {
		if (frame->seq < due(c, &begin))
			grow(c, frame);
		else
			nanosleep(&tick, NULL);
	}
	free(frame);
}

static double seconds(const struct timeval *tv)
{
	return tv->tv_sec + tv->tv_usec / 1e6;
}

static void finish(const struct member *m)
{
	struct rusage used;
	int status;

	if (wait4(m->pid, &status, 0, &used) != m->pid)
		err(1, "wait4");
	printf("%.3f %ld %d\n", seconds(&used.ru_utime) + seconds(&used.ru_stime), used.ru_maxrss,
	       status);
}

int main(int argc, char **argv)
{
	struct crowd c = { 0 };
	unsigned int i;

	if (argc != 6)
		errx(2, "bad usage; the head of crowd.c tells");
	c.count = atoi(argv[1]);
	c.frames = atoll(argv[2]);
	c.rate = atoll(argv[3]);
	c.dir = argv[4];
	c.servers = argv[5];
	c.members = zeroed(c.count * sizeof(*c.members));
	for (i = 0; i < c.count; i++)
		begin(&c, i);
	next_line();
	grow_all(&c);
	next_line();
	for (i = 0; i < c.count; i++)
		kill(c.members[i].pid, SIGINT);
	for (i = 0; i < c.count; i++)
		finish(&c.members[i]);
	free(c.members);
	return 0;
}
