// SPDX-License-Identifier: GPL-2.0-only
/*
 * aio - keep several reads pended with the kernel, which completes them in order
 *
 *	cc aio.c -lacq -o aio && ./aio
 *
 * acq_submit() and acq_wait() are Linux AIO, io_submit(2) and io_getevents(2);
 * acq_cancel() would end one of them early.
 */
#include "example.h"

#define READS 4

/* 0, or why it has no frames */
static int wait_for_one(struct acq *acq, struct acq_completion *done)
{
	int ret;

	do
		ret = acq_wait(acq, done, 1, -1);
	while (ret == -EINTR);
	return ret < 0 ? ret : done->result < 0 ? done->result : 0;
}

int main(int argc, char **argv)
{
	static _Alignas(8) char bufs[READS][BUFFER_BYTES];
	struct acq *acq = begin(argc, argv, O_RDONLY);
	struct acq_completion done;
	int i, ret = 0;

	for (i = 0; i < READS && !ret; i++)
		ret = acq_submit(acq, bufs[i], BUFFER_BYTES, NULL, NULL);
	while (more_wanted() && !ret) {
		ret = wait_for_one(acq, &done);
		if (ret)
			break;
		show_all(done.buf, done.result);
		ret = acq_submit(acq, done.buf, BUFFER_BYTES, NULL, NULL);
	}
	/* cancels the reads that are left, and waits until nothing writes to their buffers */
	return end(acq, ret);
}
