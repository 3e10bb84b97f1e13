// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients in the kernel: the ring of an open file, emptied by a driver's function
 * instead of a program's system calls.
 *
 * The bottom half must not depend on what a client does, so it only queues the
 * client's work, which calls frames() with what lies in the ring. That work is the
 * ring's one consumer and takes no lock; client->consumer is not used.
 *
 * gone() has a work item of its own: it may stop the client, and unregister what
 * the driver makes of its frames, both of which wait for frames() to be through.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "core.h"

/* Return: were there any? */
static bool driver_take(struct acq_client *client)
{
	struct acq_ring *ring = &client->ring;
	u32 left, piece;

	if (!acq_client_ready(client, acq_ring_look(&client->ring), U32_MAX))
		return false;
	left = acq_ring_count(ring);
	if (!left)
		return false;
	for (; left; left -= piece) {
		const struct acq_frame *first;

		piece = left;
		first = acq_ring_peek(ring, &piece);
		client->ops->frames(client->priv, first, piece);
		acq_ring_consume(ring, piece);
	}
	return true;
}

static void driver_work(struct work_struct *work)
{
	struct acq_client *client = container_of(work, struct acq_client, work);
	/* The state first: no frames come after an end. */
	u32 state = acq_ring_state(&client->ring);

	while (driver_take(client))
		cond_resched();
	if ((state & ACQ_RING_GONE) && !client->told) {
		client->told = true;
		queue_work(system_unbound_wq, &client->gone);
	}
}

static void driver_gone(struct work_struct *work)
{
	struct acq_client *client = container_of(work, struct acq_client, gone);

	if (client->ops->gone)
		client->ops->gone(client->priv);
}

/**
 * acq_driver_init() - what a client in the kernel has and a file has not
 * @client: new
 */
void acq_driver_init(struct acq_client *client)
{
	INIT_WORK(&client->work, driver_work);
	INIT_WORK(&client->gone, driver_gone);
}

/**
 * acq_driver_kick() - let frames() be called, if there is reason
 * @client: of a driver
 *
 * Context: any but hard interrupts; client->lock held.
 * Return: whether there was.
 */
bool acq_driver_kick(struct acq_client *client)
{
	lockdep_assert_held(&client->lock);
	if (!acq_client_ready(client, acq_ring_look(&client->ring), U32_MAX))
		return false;
	return queue_work(system_unbound_wq, &client->work);
}

static void driver_hold_geometry(struct acq_device *adev)
{
	/* Cannot fail: a setup under way would hold the lock. */
	mutex_lock(&adev->lock);
	acq_geometry_get(adev);
	mutex_unlock(&adev->lock);
}

struct acq_client *acq_open(const char *name, const struct acq_client_ops *ops, void *priv)
{
	struct device *dev = class_find_device_by_name(&acq_class, name);
	struct acq_client *client;

	if (!dev)
		return ERR_PTR(-ENODEV);
	client = acq_client_new(container_of(dev, struct acq_device, dev), ops, priv);
	put_device(dev);
	if (IS_ERR(client))
		return client;
	driver_hold_geometry(client->adev);
	return client;
}
EXPORT_SYMBOL_GPL(acq_open);

void acq_close(struct acq_client *client)
{
	acq_geometry_put(client->adev);
	acq_client_free(client);
}
EXPORT_SYMBOL_GPL(acq_close);

int acq_start(struct acq_client *client)
{
	return acq_client_attach(client, true);
}
EXPORT_SYMBOL_GPL(acq_start);

void acq_stop(struct acq_client *client)
{
	mutex_lock(&client->adev->lock);
	acq_client_stop(client);
	mutex_unlock(&client->adev->lock);
	flush_work(&client->work);
}
EXPORT_SYMBOL_GPL(acq_stop);

void acq_client_geometry(const struct acq_client *client, struct acq_geometry *geo)
{
	*geo = client->adev->src.geo;
}
EXPORT_SYMBOL_GPL(acq_client_geometry);
