// SPDX-License-Identifier: LGPL-2.1-or-later
/* What went wrong, and what to do about it. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const struct {
	int err;
	const char *text;
} sentences[] = {
	{ 0, "no error" },
	{ ENOENT, "no such device; is its module loaded? try: sudo modprobe acq_sim" },
	{ ENXIO, "no driver behind that device node; try: sudo modprobe acq_sim" },
	{ ENODEV, "the device is gone, unplugged or unbound; open it again when it is back" },
	{ EACCES, "no permission; join the group acq (sudo usermod -aG acq $USER), log in again" },
	{ EPERM, "not permitted; this needs more rights, try sudo" },
	{ EBADF, "not open for this: open the device for reading and writing" },
	{ EBUSY, "in use: stop what streams from the device or maps its ring, and try again" },
	{ EINVAL, "a value is out of range, or a buffer does not fit; acqctl info has the limits" },
	{ ENOMEM, "not enough memory: take a smaller ring, or raise the limit (ulimit -l)" },
	{ EAGAIN, "too many requests are outstanding: wait for one to end" },
	{ ETIMEDOUT, "nothing came in time; does the device interrupt? acqctl stats tells" },
	{ EINTR, "interrupted by a signal: call again" },
	{ ECANCELED, "the request was cancelled" },
	{ ENOTTY, "not an acq device; acqctl list shows those there are" },
	{ EPROTONOSUPPORT,
	  "the kernel module is newer than this program; update libacq and tools" },
	{ EPROTO, "the kernel module contradicts itself; install module and tools of one version" },
	{ E2BIG, "the kernel module is older than this program; update the module" },
	{ ENOSYS, "this kernel lacks the system call; use another method" },
	{ EOPNOTSUPP, "not supported here; use another method" },
	{ EFAULT, "the buffer is not ordinary writable memory of the program's" },
	{ EBADMSG, "the data is damaged: this is not a frame" },
	{ ENODATA, "the data ends within a frame" },
	{ ESTALE, "the mapped ring's positions are out of step; flush it" },
	{ ENAMETOOLONG, "that is no name of a device; acqctl list shows those there are" },
	{ EISDIR, "a directory, not a device; acqctl list shows those there are" },
	{ EMFILE, "too many open files: close some, or raise the limit (ulimit -n)" },
	{ EIO, "the device failed; the kernel's log (sudo dmesg) says more" },
};

const char *acq_strerror(int err)
{
	const char *text;
	size_t i;

	for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (sentences[i].err == err || -sentences[i].err == err)
			return sentences[i].text;
	text = strerrordesc_np(err < 0 ? (int)-(unsigned int)err : err);
	return text ?: "unknown error";
}
