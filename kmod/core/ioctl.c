// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands, in one table: number, least size, size, function. Lengths and
 * errnos are ruled here once; a function sees a complete struct and returns it.
 */
#include <linux/fs.h>
#include <linux/math64.h>
#include <linux/time.h>
#include <linux/uaccess.h>
#include <asm/ioctls.h>

#include "core.h"

union ioctl_arg {
	__u32 size;
	struct acq_info info;
	struct acq_stats stats;
	struct acq_config config;
	struct acq_setup setup;
	struct acq_eventfd eventfd;
	struct acq_share share;
};

static u32 info_flags(struct acq_client *client)
{
	struct acq_device *adev = client->adev;

	return (adev->nattached && !adev->dead ? ACQ_INFO_STREAMING : 0) |
	       (client->state == ACQ_CLIENT_ATTACHED && !adev->dead ? ACQ_INFO_ATTACHED : 0) |
	       (client->state == ACQ_CLIENT_STOPPED ? ACQ_INFO_STOPPED : 0) |
	       (acq_ring_mapped(&client->ring) ? ACQ_INFO_MAPPED : 0) |
	       (client->ring.buffer ? ACQ_INFO_SHARED : 0) | (adev->dead ? ACQ_INFO_GONE : 0);
}

static void info_device(struct acq_device *adev, struct acq_info *info)
{
	const struct acq_geometry *geo = &adev->src.geo;

	strscpy(info->name, dev_name(&adev->dev), sizeof(info->name));
	strscpy(info->source, adev->source, sizeof(info->source));
	info->rate_hz = geo->rate_hz;
	info->rate_max_hz = adev->src.rate_max_hz;
	info->channels = geo->channels;
	info->channels_max = adev->src.channels_max;
	info->samples = geo->samples;
	info->samples_max = adev->src.samples_max;
	info->format = geo->format;
	info->formats = adev->src.formats;
	info->payload_max = geo->payload_max;
	info->stride = adev->stride;
	info->clock = CLOCK_MONOTONIC;
	info->timestamp = READ_ONCE(adev->timestamp);
	info->bottom_half = adev->bottom_half;
}

static u64 client_map_bytes(struct acq_client *client, u32 frames)
{
	if (client->ring.buffer)
		return PAGE_SIZE;
	return PAGE_SIZE + PAGE_ALIGN((u64)frames * client->adev->stride);
}

static int ioctl_get_info(struct file *file, union ioctl_arg *arg)
{
	struct acq_client *client = file->private_data;
	struct acq_device *adev = client->adev;
	struct acq_info *info = &arg->info;

	if (info->reserved[0] || info->reserved[1])
		return -EINVAL;
	memset(info, 0, sizeof(*info));
	info->abi = ACQ_ABI_VERSION;
	if (mutex_lock_interruptible(&adev->lock))
		return -ERESTARTSYS;
	info->flags = info_flags(client);
	info_device(adev, info);

	mutex_lock(&client->map_lock);
	info->ring_frames = acq_client_ring_frames(client);
	info->ring_frames_max = acq_ring_frames_max(adev->stride);
	info->watermark = client->watermark;
	info->latency_us = client->latency_us;
	info->map_bytes = client_map_bytes(client, info->ring_frames);
	mutex_unlock(&client->map_lock);
	mutex_unlock(&adev->lock);
	return 0;
}

static int ioctl_get_stats(struct file *file, union ioctl_arg *arg)
{
	struct acq_client *client = file->private_data;
	struct acq_device *adev = client->adev;

	memset(&arg->stats, 0, sizeof(arg->stats));
	acq_client_stats(client, &arg->stats);
	arg->stats.device_frames = READ_ONCE(adev->batch.seq);
	arg->stats.hw_lost = READ_ONCE(adev->hw_lost);
	arg->stats.irqs = READ_ONCE(adev->irqs);
	arg->stats.spurious_irqs = READ_ONCE(adev->spurious);
	return 0;
}

static int ioctl_configure(struct file *file, union ioctl_arg *arg)
{
	struct acq_client *client = file->private_data;
	int ret = acq_client_lock(client, false);

	if (ret)
		return ret;
	ret = acq_client_configure(client, &arg->config);
	acq_client_unlock(client);
	/* What waits may be ready by the new terms. */
	if (!ret)
		acq_client_look_again(client);
	return ret;
}

static int setup_change(struct acq_geometry *geo, void *arg)
{
	const struct acq_setup *setup = arg;

	geo->rate_hz = setup->rate_hz ?: geo->rate_hz;
	geo->channels = setup->channels ?: geo->channels;
	geo->samples = setup->samples ?: geo->samples;
	return 0;
}

static int ioctl_setup(struct file *file, union ioctl_arg *arg)
{
	struct acq_client *client = file->private_data;
	struct acq_setup *setup = &arg->setup;
	struct acq_device *adev = client->adev;
	struct acq_geometry geo;
	int ret;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	ret = acq_device_setup(adev, setup_change, setup, &geo);
	if (ret)
		return ret;
	setup->rate_hz = geo.rate_hz;
	setup->channels = geo.channels;
	setup->samples = geo.samples;
	return 0;
}

static int ioctl_start(struct file *file, union ioctl_arg *arg)
{
	struct acq_client *client = file->private_data;
	int ret = acq_client_lock(client, false);

	if (ret)
		return ret;
	ret = acq_client_attach(client, true);
	acq_client_unlock(client);
	return ret;
}

static int ioctl_stop(struct file *file, union ioctl_arg *arg)
{
	struct acq_client *client = file->private_data;

	if (mutex_lock_interruptible(&client->adev->lock))
		return -ERESTARTSYS;
	acq_client_stop(client);
	mutex_unlock(&client->adev->lock);
	return 0;
}

static int ioctl_flush(struct file *file, union ioctl_arg *arg)
{
	struct acq_client *client = file->private_data;
	int ret = acq_client_lock(client, false);

	if (ret)
		return ret;
	acq_client_flush(client);
	acq_client_unlock(client);
	return 0;
}

static int ioctl_set_eventfd(struct file *file, union ioctl_arg *arg)
{
	return acq_event_set_fd(file->private_data, arg->eventfd.fd);
}

/* Context: adev->lock, map_lock held. Return: 0, or why the ring can't be replaced. */
static int client_ring_idle(struct acq_client *client)
{
	if (client->adev->dead)
		return -ENODEV;
	if (client->state == ACQ_CLIENT_ATTACHED || atomic_read(&client->maps))
		return -EBUSY;
	return 0;
}

/* @buffer is the ring's on success. Context: client->consumer held. */
static int client_share(struct acq_client *client, struct acq_buffer *buffer)
{
	struct acq_device *adev = client->adev;
	int ret;

	mutex_lock(&adev->lock);
	mutex_lock(&client->map_lock);
	ret = client_ring_idle(client);
	if (!ret && client->ring.buffer)
		ret = -EBUSY;
	if (!ret && (size_t)buffer->npages * PAGE_SIZE / 2 < adev->stride)
		ret = -EINVAL;
	if (!ret)
		ret = acq_client_share(client, buffer);
	mutex_unlock(&client->map_lock);
	mutex_unlock(&adev->lock);
	return ret;
}

static int share_check(const struct file *file, const struct acq_share *share)
{
	u64 end;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (share->ring_frames)
		return -EINVAL;
	if (!share->bytes || !PAGE_ALIGNED(share->addr) || !PAGE_ALIGNED(share->bytes))
		return -EINVAL;
	if (check_add_overflow(share->addr, share->bytes, &end) || end > ULONG_MAX)
		return -EINVAL;
	return 0;
}

static int ioctl_share_buffer(struct file *file, union ioctl_arg *arg)
{
	struct acq_client *client = file->private_data;
	struct acq_share *share = &arg->share;
	struct acq_buffer *buffer;
	int ret = share_check(file, share);

	if (ret)
		return ret;
	if (share->bytes > acq_ring_bytes_max())
		return -ENOMEM;
	ret = acq_client_lock(client, false);
	if (ret)
		return ret;

	buffer = acq_buffer_pin_range(share->addr, share->bytes >> PAGE_SHIFT);
	ret = PTR_ERR_OR_ZERO(buffer);
	if (ret)
		goto unlock;
	ret = client_share(client, buffer);
	if (ret)
		acq_buffer_free(buffer, 0);
	else
		share->ring_frames = acq_ring_size(&client->ring);
unlock:
	acq_client_unlock(client);
	return ret;
}

/* Context: client->consumer held. */
static int client_unshare(struct acq_client *client)
{
	struct acq_device *adev = client->adev;
	int ret = 0;

	mutex_lock(&adev->lock);
	mutex_lock(&client->map_lock);
	if (!client->ring.buffer)
		ret = -EINVAL;
	else if ((client->state == ACQ_CLIENT_ATTACHED && !adev->dead) ||
		 atomic_read(&client->maps))
		ret = -EBUSY;
	if (!ret) {
		acq_client_drop_ring(client);
		acq_geometry_put(adev);
	}
	mutex_unlock(&client->map_lock);
	mutex_unlock(&adev->lock);
	return ret;
}

static int ioctl_unshare_buffer(struct file *file, union ioctl_arg *arg)
{
	struct acq_client *client = file->private_data;
	int ret = acq_client_lock(client, false);

	if (ret)
		return ret;
	ret = client_unshare(client);
	acq_client_unlock(client);
	return ret;
}

/* The program could not be told what it was given. If it is killed, its file's end does this. */
static void share_undo(struct acq_client *client)
{
	if (mutex_lock_killable(&client->consumer))
		return;
	client_unshare(client);
	acq_client_unlock(client);
}

struct ioctl_command {
	size_t size;
	size_t least;
	int (*func)(struct file *file, union ioctl_arg *arg);
};

/* @last: the last member of the struct's first version. */
#define COMMAND(_nr, _func, _type, _last) \
	[_IOC_NR(_nr)] = { \
		.size = sizeof(_type), \
		.least = offsetofend(_type, _last), \
		.func = _func, \
	}
/* Without a size: takes no argument. */
#define COMMAND_BARE(_nr, _func) \
	[_IOC_NR(_nr)] = { \
		.func = _func, \
	}

static const struct ioctl_command ioctl_commands[] = {
	COMMAND(ACQ_IOC_GET_INFO, ioctl_get_info, struct acq_info, map_bytes),
	COMMAND(ACQ_IOC_GET_STATS, ioctl_get_stats, struct acq_stats, spurious_irqs),
	COMMAND(ACQ_IOC_CONFIGURE, ioctl_configure, struct acq_config, latency_us),
	COMMAND(ACQ_IOC_SETUP, ioctl_setup, struct acq_setup, samples),
	COMMAND_BARE(ACQ_IOC_START, ioctl_start),
	COMMAND_BARE(ACQ_IOC_STOP, ioctl_stop),
	COMMAND_BARE(ACQ_IOC_FLUSH, ioctl_flush),
	COMMAND(ACQ_IOC_SET_EVENTFD, ioctl_set_eventfd, struct acq_eventfd, fd),
	COMMAND(ACQ_IOC_SHARE_BUFFER, ioctl_share_buffer, struct acq_share, bytes),
	COMMAND_BARE(ACQ_IOC_UNSHARE_BUFFER, ioctl_unshare_buffer),
};

/* The layout is the same for 32-bit programs: no holes, nothing that moves. */
static_assert(sizeof(struct acq_frame) == 32);
static_assert(sizeof(struct acq_producer) == 32);
static_assert(sizeof(struct acq_info) == 160);
static_assert(sizeof(struct acq_stats) == 104);
static_assert(sizeof(struct acq_config) == 16);
static_assert(sizeof(struct acq_setup) == 16);
static_assert(sizeof(struct acq_eventfd) == 8);
static_assert(sizeof(struct acq_share) == 24);

static const struct ioctl_command *ioctl_find(unsigned int cmd)
{
	unsigned int nr = _IOC_NR(cmd);

	if (cmd != _IO(ACQ_IOC_TYPE, nr) || nr >= ARRAY_SIZE(ioctl_commands) ||
	    !ioctl_commands[nr].func)
		return NULL;
	return &ioctl_commands[nr];
}

static long ioctl_fionread(struct acq_client *client, int __user *user)
{
	u64 bytes;

	spin_lock_bh(&client->lock);
	bytes = (u64)acq_ring_count(&client->ring) * client->ring.fifo.esize;
	spin_unlock_bh(&client->lock);
	return put_user((int)min_t(u64, bytes, INT_MAX), user);
}

long acq_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	const struct ioctl_command *command = ioctl_find(cmd);
	void __user *ptr = (void __user *)user;
	union ioctl_arg arg;
	u32 size;
	long ret;

	if (cmd == FIONREAD)
		return ioctl_fionread(file->private_data, ptr);
	if (!command)
		return -ENOTTY;
	if (!command->size)
		return user ? -EINVAL : command->func(file, NULL);

	if (get_user(size, (u32 __user *)ptr))
		return -EFAULT;
	if (size < command->least)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&arg, command->size, ptr, size);
	if (ret)
		return ret;
	ret = command->func(file, &arg);
	if (ret)
		return ret;
	arg.size = size;
	if (!copy_to_user(ptr, &arg, min_t(size_t, size, command->size)))
		return 0;
	if (cmd == ACQ_IOC_SHARE_BUFFER)
		share_undo(file->private_data);
	return -EFAULT;
}
