// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll - wait in poll(2), which can wait for other things too, then read
 *
 *	cc poll.c -lacq -o poll && ./poll
 *
 * select and epoll (level and edge) go the same way.
 */
#include <poll.h>

#include "example.h"

int main(int argc, char **argv)
{
	struct acq *acq = begin(argc, argv, O_RDONLY | O_NONBLOCK);
	struct pollfd device = { .fd = acq_fd(acq), .events = POLLIN };
	int ret = -EAGAIN;

	while (more_wanted() && ret == -EAGAIN) {
		/* The first call starts the hardware. Whatever it says, read says it, too. */
		poll(&device, 1, -1);
		ret = show_what_is_there(acq);
	}
	return end(acq, ret);
}
