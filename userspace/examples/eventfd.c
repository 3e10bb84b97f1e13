// SPDX-License-Identifier: GPL-2.0-only
/*
 * eventfd - wait for an eventfd that the kernel signals after each batch of frames
 *
 *	cc eventfd.c -lacq -o eventfd && ./eventfd
 *
 * Several devices may share one, and other threads may signal it as well.
 */
#include <sys/eventfd.h>

#include "example.h"

int main(int argc, char **argv)
{
	struct acq *acq = begin(argc, argv, O_RDONLY | O_NONBLOCK);
	int event = eventfd(0, EFD_CLOEXEC);
	eventfd_t signals;
	int ret;

	if (event < 0)
		err(1, "eventfd");
	/* no read and no poll starts the hardware here */
	ret = acq_set_eventfd(acq, event) ?: acq_start(acq) ?: -EAGAIN;
	while (more_wanted() && ret == -EAGAIN) {
		/* taken before the ring is emptied, or the next signal could get lost */
		eventfd_read(event, &signals);
		/* the device's end signals it, too, and this says why */
		ret = show_what_is_there(acq);
	}
	return end(acq, ret);
}
