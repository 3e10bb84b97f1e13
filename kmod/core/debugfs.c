// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/acq/DEVICE/clients: who uses a device, and how it fares. The
 * format is in kmod/ABI/sysfs-class-acq.
 *
 * Lifetime. An open file holds the device, and debugfs our module; clients come and
 * go under adev->lock, which is held while they are looked at, not while their lines
 * are copied to user memory. That is why debugfs must not guard each read, as it
 * does for files that are not _unsafe: unplug would wait for a read in progress, and
 * so for whatever its program has at the address it reads to.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>

#include "core.h"

static struct dentry *debugfs_root;

static const char *client_state(const struct acq_client *client)
{
	u32 state = acq_ring_state(&client->ring);

	if (state & ACQ_RING_GONE)
		return "gone";
	if (state & ACQ_RING_BROKEN)
		return "broken";
	if (state & ACQ_RING_ATTACHED)
		return "attached";
	return state & ACQ_RING_STOPPED ? "stopped" : "idle";
}

/* Context: adev->lock held, so the client stays. */
static void client_show(struct seq_file *seq, struct acq_client *client)
{
	struct acq_stats stats = {};
	u32 frames, watermark, waiting;

	mutex_lock(&client->map_lock);
	frames = acq_ring_exists(&client->ring) ? acq_ring_size(&client->ring) : 0;
	watermark = client->watermark;
	mutex_unlock(&client->map_lock);
	spin_lock_bh(&client->lock);
	waiting = client->waiting;
	spin_unlock_bh(&client->lock);
	acq_client_stats(client, &stats);

	seq_printf(seq, "%6u %7d %-8s %8u %8u %9u %12llu %8u %12llu ", client->id, client->pid,
		   client_state(client), frames, stats.ring, watermark, stats.lost, waiting,
		   stats.wakeups);
	/* A program chooses its name: it must not forge lines. */
	seq_escape_mem(seq, client->comm, strlen(client->comm),
		       ESCAPE_NP | ESCAPE_OCTAL | ESCAPE_APPEND, "\\");
	seq_putc(seq, '\n');
}

static int clients_show(struct seq_file *seq, void *unused)
{
	struct acq_device *adev = seq->private;
	struct acq_client *client;

	if (mutex_lock_interruptible(&adev->lock))
		return -ERESTARTSYS;
	seq_printf(seq, "%6s %7s %-8s %8s %8s %9s %12s %8s %12s %s\n", "client", "pid", "state",
		   "ring", "fill", "watermark", "lost", "pended", "wakeups", "comm");
	list_for_each_entry(client, &adev->opened, opened)
		client_show(seq, client);
	mutex_unlock(&adev->lock);
	return 0;
}

/* The file is not removed while it is being opened, so the device is there. */
static int clients_open(struct inode *inode, struct file *file)
{
	struct acq_device *adev = inode->i_private;
	int ret = single_open(file, clients_show, adev);

	if (!ret)
		get_device(&adev->dev);
	return ret;
}

static int clients_release(struct inode *inode, struct file *file)
{
	struct acq_device *adev = inode->i_private;
	int ret = single_release(inode, file);

	put_device(&adev->dev);
	return ret;
}

static const struct file_operations clients_fops = {
	.owner = THIS_MODULE,
	.open = clients_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = clients_release,
};

/**
 * acq_debugfs_add() - the device has a name: show its clients
 * @adev: registered
 *
 * What fails here is missed by nobody but who looks.
 */
void acq_debugfs_add(struct acq_device *adev)
{
	adev->debugfs = debugfs_create_dir(dev_name(&adev->dev), debugfs_root);
	debugfs_create_file_unsafe("clients", 0444, adev->debugfs, adev, &clients_fops);
}

/**
 * acq_debugfs_remove() - undo acq_debugfs_add()
 * @adev: held by the caller, who does not hold @lock, and still has its name
 */
void acq_debugfs_remove(struct acq_device *adev)
{
	debugfs_remove(adev->debugfs);
}

void acq_debugfs_init(void)
{
	debugfs_root = debugfs_create_dir("acq", NULL);
}

void acq_debugfs_exit(void)
{
	debugfs_remove(debugfs_root);
}
