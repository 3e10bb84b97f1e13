// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reading by copy, with a time limit. */
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"

/* One read that never sleeps, however the file was opened. */
static ssize_t read_nowait(int fd, void *buf, size_t bytes)
{
	struct iovec iov = { .iov_base = buf, .iov_len = bytes };
	ssize_t got = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);

	return got < 0 ? -errno : got;
}

/*
 * Another reader may take what poll saw, so a plain read after poll could sleep
 * beyond the limit.
 */
static ssize_t read_until(int fd, void *buf, size_t bytes, int64_t deadline)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t got;
	int ready;

	for (;;) {
		got = read_nowait(fd, buf, bytes);
		if (got != -EAGAIN)
			return got;
		ready = poll(&pfd, 1, left_ms(deadline));
		if (ready < 0)
			return -errno;
		if (!ready)
			return -ETIMEDOUT;
	}
}

ssize_t acq_read(struct acq *acq, void *buf, size_t bytes, int timeout_ms)
{
	ssize_t got;

	if (timeout_ms > 0)
		return read_until(acq->fd, buf, bytes, deadline_in(timeout_ms));
	if (!timeout_ms) {
		got = read_nowait(acq->fd, buf, bytes);
		return got == -EAGAIN ? -ETIMEDOUT : got;
	}
	got = read(acq->fd, buf, bytes);
	if (got < 0 && errno == EAGAIN) /* opened with O_NONBLOCK */
		return read_until(acq->fd, buf, bytes, -1);
	return got < 0 ? -errno : got;
}
