// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap - take frames out of the mapped ring, and poll when it is empty
 *
 *	cc mmap.c -lacq -o mmap && ./mmap
 *
 * There is no system call while frames are there. acq_ring_map(), acq_ring_next()
 * and acq_ring_release() do the same in three lines, as in share.c.
 */
#include <poll.h>
#include <sys/mman.h>

#include "example.h"

static void *map(struct acq *acq, size_t bytes, int protection, off_t offset)
{
	void *memory = mmap(NULL, bytes, protection, MAP_SHARED, acq_fd(acq), offset);

	if (memory == MAP_FAILED)
		err(1, "/dev/acq: mmap");
	return memory;
}

/* 0, or why there will be no more frames */
static int wait_for_frames(struct acq *acq)
{
	struct pollfd device = { .fd = acq_fd(acq), .events = POLLIN };

	/* a gone device hangs up at once, and is readable as long as frames are left */
	if (poll(&device, 1, -1) == 1 && !(device.revents & POLLIN))
		return -ENODEV;
	return 0;
}

int main(int argc, char **argv)
{
	struct acq *acq = begin(argc, argv, O_RDWR);
	struct acq_info info = { .size = sizeof(info) };
	size_t page = sysconf(_SC_PAGESIZE);
	const struct acq_producer *producer;
	struct acq_consumer *consumer;
	const char *frames;
	uint32_t in, out;
	int ret;

	/* the consumer page first: while it is mapped the ring keeps its size */
	consumer = map(acq, page, PROT_READ | PROT_WRITE, 0);
	ret = acq_get_info(acq, &info);
	if (ret)
		return end(acq, ret);
	producer = map(acq, info.map_bytes, PROT_READ, page);
	frames = (const char *)producer + producer->frames_offset - page;
	out = consumer->out;
	ret = acq_start(acq);
	while (more_wanted() && !ret) {
		/* acquire: no frame is read before the kernel has said that it is there */
		in = __atomic_load_n(&producer->in, __ATOMIC_ACQUIRE);
		if (in == out)
			ret = wait_for_frames(acq);
		for (; out != in && more_wanted(); out++)
			show((const void *)(frames + (out % producer->frames) * info.stride));
		/* release: the kernel gets no room back before its frames were read */
		__atomic_store_n(&consumer->out, out, __ATOMIC_RELEASE);
	}
	return end(acq, ret);
}
