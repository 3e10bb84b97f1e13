// SPDX-License-Identifier: GPL-2.0-only
/*
 * Telling a program that frames are there, in the ways that need no request:
 * poll and its kin, an eventfd of the program's (the event shared with the
 * driver), SIGIO.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>

#include "core.h"

static void event_signal_fd(struct acq_client *client)
{
	spin_lock_bh(&client->lock);
	if (client->eventfd)
		acq_eventfd_signal(client->eventfd);
	spin_unlock_bh(&client->lock);
}

/**
 * acq_event_wanted() - does anybody wait to be told?
 * @client: of an open file
 *
 * Context: client->lock held, after publishing.
 * Return: whether acq_event_notify() is of use.
 */
bool acq_event_wanted(struct acq_client *client)
{
	/* Barrier C of ring.c. */
	return wq_has_sleeper(&client->wq) || client->eventfd || READ_ONCE(client->fasync);
}

/**
 * acq_event_poll() - what poll says
 * @client: of an open file
 *
 * Context: any but hard interrupts; client->lock not held.
 * Return: EPOLL*.
 */
__poll_t acq_event_poll(struct acq_client *client)
{
	struct acq_look look;
	__poll_t events = 0;

	spin_lock_bh(&client->lock);
	look = acq_ring_look(&client->ring);
	if (look.state & ACQ_RING_GONE) {
		events = EPOLLHUP | EPOLLERR;
		if (look.count)
			events |= EPOLLIN | EPOLLRDNORM;
	} else if (acq_client_pollable(client)) {
		events = EPOLLIN | EPOLLRDNORM;
	}
	spin_unlock_bh(&client->lock);
	if (look.state & ACQ_RING_BROKEN)
		events |= EPOLLERR;
	return events;
}

/**
 * acq_event_notify() - there is something to look at: frames, or an end
 * @client: of an open file
 *
 * Context: the bottom half, the latency timer, STOP, unplug; client->lock not
 * held.
 */
void acq_event_notify(struct acq_client *client)
{
	u32 state = acq_ring_state(&client->ring);
	__poll_t events = EPOLLIN | EPOLLRDNORM;

	/* io_uring's poll hands on what it is woken with. */
	if (state & ACQ_RING_GONE)
		events = acq_event_poll(client);
	else if (state & ACQ_RING_BROKEN)
		events |= EPOLLERR;
	/* Barrier C of ring.c: nobody waiting costs nothing. */
	if (wq_has_sleeper(&client->wq))
		wake_up_interruptible_poll(&client->wq, events);
	if (READ_ONCE(client->eventfd))
		event_signal_fd(client);
	kill_fasync(&client->fasync, SIGIO, state & ACQ_RING_GONE ? POLL_HUP : POLL_IN);
}

/**
 * acq_event_set_fd() - the eventfd to signal from now on
 * @client: of an open file
 * @fd: of the calling program; -1: none
 *
 * If the client is ready already the new eventfd is signalled at once, so that
 * arming it is never too late.
 *
 * Context: process.
 * Return: 0, or -EBADF, or -EINVAL if that is no eventfd.
 */
int acq_event_set_fd(struct acq_client *client, int fd)
{
	struct eventfd_ctx *ctx = NULL;
	bool tell;

	if (fd != -1) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}

	spin_lock_bh(&client->lock);
	swap(ctx, client->eventfd);
	tell = fd != -1 && acq_client_pollable(client);
	spin_unlock_bh(&client->lock);
	if (ctx)
		eventfd_ctx_put(ctx);

	if (tell)
		event_signal_fd(client);
	return 0;
}
