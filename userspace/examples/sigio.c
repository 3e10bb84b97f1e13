// SPDX-License-Identifier: GPL-2.0-only
/*
 * sigio - be sent a signal after each batch of frames
 *
 *	cc sigio.c -lacq -o sigio && ./sigio
 *
 * The signal stays blocked and is waited for: a handler could call next to nothing.
 * F_SETSIG chooses another one, which then names the file that it is about.
 */
#include <signal.h>

#include "example.h"

int main(int argc, char **argv)
{
	struct acq *acq = begin(argc, argv, O_RDONLY | O_NONBLOCK);
	int ret, fd = acq_fd(acq);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (fcntl(fd, F_SETOWN, getpid()) || fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC))
		err(1, "/dev/acq: O_ASYNC");
	/* no read and no poll starts the hardware here */
	ret = acq_start(acq) ?: -EAGAIN;
	while (more_wanted() && ret == -EAGAIN) {
		sigwaitinfo(&set, NULL);
		/* the device's end sends it, too, and this says why */
		ret = show_what_is_there(acq);
	}
	return end(acq, ret);
}
