// SPDX-License-Identifier: GPL-2.0-only
/*
 * uring - read by io_uring, which needs no thread to wait for a device of acq's
 *
 *	cc uring.c -lacq -luring -o uring && ./uring
 *
 * One read at a time, or linked ones: others may complete in any order.
 */
#include <liburing.h>

#include "example.h"

/* as read(2), but an error is -errno */
static int read_by(struct io_uring *uring, int fd, void *buf)
{
	struct io_uring_cqe *cqe;
	int ret;

	io_uring_prep_read(io_uring_get_sqe(uring), fd, buf, BUFFER_BYTES, -1);
	io_uring_submit(uring);
	/* here a program would do what else there is to do */
	do
		ret = io_uring_wait_cqe(uring, &cqe);
	while (ret == -EINTR);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(uring, cqe);
	return ret;
}

int main(int argc, char **argv)
{
	static _Alignas(8) char buf[BUFFER_BYTES];
	struct acq *acq = begin(argc, argv, O_RDONLY);
	struct io_uring uring;
	int got = io_uring_queue_init(1, &uring, 0) ?: 1;

	while (more_wanted() && got > 0) {
		got = read_by(&uring, acq_fd(acq), buf);
		if (got > 0)
			show_all(buf, got);
	}
	return end(acq, got);
}
