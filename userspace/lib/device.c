// SPDX-License-Identifier: LGPL-2.1-or-later
/* The handle, and the commands that go straight to the device. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"

#define MAX_PATH 256

int acq_ioctl(const struct acq *acq, unsigned int cmd, const void *arg)
{
	return ioctl(acq->fd, cmd, arg) < 0 ? -errno : 0;
}

static int open_node(const char *name, int flags)
{
	char path[MAX_PATH];
	int len, fd;

	if (!name)
		name = "acq";
	len = snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/dev/", name);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* Is this an acq device that speaks as we do? */
static int check_abi(struct acq *acq)
{
	struct acq_info info = { .size = sizeof(info) };
	int err = acq_get_info(acq, &info);

	if (!err && info.abi > ACQ_ABI_VERSION)
		err = -EPROTONOSUPPORT;
	return err;
}

int acq_open(struct acq **acqp, const char *name, int flags)
{
	struct acq *acq = calloc(1, sizeof(*acq));
	int err;

	*acqp = NULL;
	if (!acq)
		return -ENOMEM;
	pthread_mutex_init(&acq->lock, NULL);
	acq->fd = open_node(name, flags);
	err = acq->fd < 0 ? acq->fd : check_abi(acq);
	if (err) {
		acq_close(acq);
		return err;
	}
	*acqp = acq;
	return 0;
}

void acq_close(struct acq *acq)
{
	if (!acq)
		return;
	acq_requests_destroy(acq);
	if (acq->ring.consumer)
		acq_ring_unmap(acq);
	if (acq->fd >= 0)
		close(acq->fd);
	pthread_mutex_destroy(&acq->lock);
	free(acq);
}

int acq_fd(const struct acq *acq)
{
	return acq->fd;
}

/* Fill a sized struct: what the caller left in it must not look like input. */
static int get(const struct acq *acq, unsigned int cmd, void *arg, __u32 size)
{
	if (size < sizeof(size))
		return -EINVAL;
	memset((char *)arg + sizeof(size), 0, size - sizeof(size));
	return acq_ioctl(acq, cmd, arg);
}

int acq_get_info(struct acq *acq, struct acq_info *info)
{
	return get(acq, ACQ_IOC_GET_INFO, info, info->size);
}

int acq_get_stats(struct acq *acq, struct acq_stats *stats)
{
	return get(acq, ACQ_IOC_GET_STATS, stats, stats->size);
}

int acq_configure(struct acq *acq, struct acq_config *config)
{
	return acq_ioctl(acq, ACQ_IOC_CONFIGURE, config);
}

int acq_setup_device(struct acq *acq, struct acq_setup *setup)
{
	return acq_ioctl(acq, ACQ_IOC_SETUP, setup);
}

int acq_start(struct acq *acq)
{
	return acq_ioctl(acq, ACQ_IOC_START, NULL);
}

int acq_stop(struct acq *acq)
{
	int err;

	do
		err = acq_ioctl(acq, ACQ_IOC_STOP, NULL);
	while (err == -EINTR);
	return err;
}

int acq_flush(struct acq *acq)
{
	int err = acq_ioctl(acq, ACQ_IOC_FLUSH, NULL);

	if (!err && acq->ring.consumer)
		acq_ring_resync(&acq->ring);
	return err;
}

int acq_set_eventfd(struct acq *acq, int fd)
{
	struct acq_eventfd arg = { .size = sizeof(arg), .fd = fd };

	return acq_ioctl(acq, ACQ_IOC_SET_EVENTFD, &arg);
}
