// SPDX-License-Identifier: GPL-2.0-only
/*
 * read - sleep in read(2) until frames are there
 *
 *	cc read.c -lacq -o read && ./read
 */
#include "example.h"

int main(int argc, char **argv)
{
	static _Alignas(8) char buf[BUFFER_BYTES];
	struct acq *acq = begin(argc, argv, O_RDONLY);
	ssize_t got = 1;

	while (more_wanted() && got > 0) {
		/* whole frames, as many as are there; the first call starts the hardware */
		got = read(acq_fd(acq), buf, sizeof(buf));
		if (got > 0)
			show_all(buf, got);
	}
	/* ENODEV only comes when all that was there before has been read */
	return end(acq, got < 0 ? -errno : 0);
}
