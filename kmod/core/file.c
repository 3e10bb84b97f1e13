// SPDX-License-Identifier: GPL-2.0-only
/*
 * The character device: an open file is a client.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>

#include "core.h"

static int acq_file_open(struct inode *inode, struct file *file)
{
	struct acq_device *adev = container_of(inode->i_cdev, struct acq_device, cdev);
	struct acq_client *client = acq_client_new(adev, NULL, NULL);

	if (IS_ERR(client))
		return PTR_ERR(client);
	file->private_data = client;
	/* Reads without waiting are honoured everywhere: io_uring needs no worker. */
	file->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, file);
}

static int acq_file_release(struct inode *inode, struct file *file)
{
	acq_client_free(file->private_data);
	return 0;
}

static __poll_t acq_poll(struct file *file, poll_table *wait)
{
	struct acq_client *client = file->private_data;
	__poll_t events = poll_requested_events(wait);
	int ret = 0;

	if ((events & (EPOLLIN | EPOLLRDNORM)) && READ_ONCE(client->state) == ACQ_CLIENT_IDLE)
		ret = acq_client_attach(client, false);
	poll_wait(file, &client->wq, wait);
	acq_poll_barrier();
	if (ret && ret != -ENODEV)
		return EPOLLERR;
	return acq_event_poll(client);
}

static int acq_fasync(int fd, struct file *file, int on)
{
	struct acq_client *client = file->private_data;

	return fasync_helper(fd, file, on, &client->fasync);
}

/* Mappings */

static bool vma_is_consumer(const struct vm_area_struct *vma)
{
	return vma->vm_pgoff == 0;
}

/* A fork, or what is left of a partial munmap: one more mapping. */
static void acq_vm_open(struct vm_area_struct *vma)
{
	struct acq_client *client = vma->vm_private_data;

	atomic_inc(&client->maps);
	/* Counts that are held already: these can't fail. */
	acq_geometry_get(client->adev);
	if (vma_is_consumer(vma))
		acq_ring_map_begin(&client->ring);
}

static void acq_vm_close(struct vm_area_struct *vma)
{
	struct acq_client *client = vma->vm_private_data;

	if (vma_is_consumer(vma)) {
		spin_lock_bh(&client->lock);
		acq_ring_map_end(&client->ring);
		spin_unlock_bh(&client->lock);
	}
	acq_geometry_put(client->adev);
	atomic_dec(&client->maps);
}

/* The file is held by the mapping, so the ring stays. */
static const struct vm_operations_struct acq_vm_ops = {
	.open = acq_vm_open,
	.close = acq_vm_close,
};

/*
 * The consumer page is one page at offset 0, and may be written. The producer page
 * and the frames follow, and never may.
 */
static int vma_check(struct file *file, struct vm_area_struct *vma)
{
	if (!(file->f_mode & FMODE_WRITE))
		return -EACCES;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EPERM;
	if (vma_is_consumer(vma))
		return vma_pages(vma) == 1 ? 0 : -EINVAL;
	return vma->vm_flags & VM_WRITE ? -EPERM : 0;
}

static int client_map_ring(struct acq_client *client, struct vm_area_struct *vma)
{
	int ret = 0;

	/* Only make a ring here: one that is there may be in use. */
	if (!client->ring.base)
		ret = acq_client_prepare(client);
	else if (client->ring.fifo.esize != client->adev->stride)
		ret = -EBUSY; /* left by STOP, before a setup: START or CONFIGURE first */
	if (ret)
		return ret;
	if (vma_is_consumer(vma) && !acq_ring_map_begin(&client->ring))
		return -EBUSY;
	ret = acq_ring_map(&client->ring, vma);
	if (ret && vma_is_consumer(vma)) {
		spin_lock_bh(&client->lock);
		acq_ring_map_end(&client->ring);
		spin_unlock_bh(&client->lock);
	}
	return ret;
}

static int acq_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct acq_client *client = file->private_data;
	int ret = vma_check(file, vma);

	if (ret)
		return ret;
	if (!acq_geometry_get(client->adev))
		return -EBUSY;

	vm_flags_clear(vma, VM_MAYEXEC | (vma_is_consumer(vma) ? 0 : VM_MAYWRITE));
	mutex_lock(&client->map_lock);
	ret = client_map_ring(client, vma);
	if (!ret)
		atomic_inc(&client->maps);
	mutex_unlock(&client->map_lock);
	if (ret) {
		acq_geometry_put(client->adev);
		return ret;
	}
	vma->vm_private_data = client;
	vma->vm_ops = &acq_vm_ops;
	return 0;
}

const struct file_operations acq_fops = {
	.owner = THIS_MODULE,
	.open = acq_file_open,
	.release = acq_file_release,
	.read_iter = acq_read_iter,
	.poll = acq_poll,
	.mmap = acq_mmap,
	.fasync = acq_fasync,
	.unlocked_ioctl = acq_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
