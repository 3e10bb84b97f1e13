// SPDX-License-Identifier: GPL-2.0-only
/*
 * share - have the frames put into the program's own memory, and look at them there
 *
 *	cc share.c -lacq -o share && ./share
 *
 * The memory may come from malloc, be of huge pages, or a memfd that other
 * processes map. It is pinned, and counts against RLIMIT_MEMLOCK.
 */
#include "example.h"

#define ROOM_FRAMES 1024

/* room for so many frames, in whole pages */
static void *room(size_t stride, size_t *bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *memory;

	*bytes = (ROOM_FRAMES * stride + page - 1) / page * page;
	memory = aligned_alloc(page, *bytes);
	if (!memory)
		err(1, "%zu bytes", *bytes);
	return memory;
}

int main(int argc, char **argv)
{
	struct acq *acq = begin(argc, argv, O_RDWR);
	struct acq_info info = { .size = sizeof(info) };
	const struct acq_frame *frames;
	void *memory = NULL;
	size_t bytes;
	int ret = acq_get_info(acq, &info);

	if (!ret) {
		memory = room(info.stride, &bytes);
		ret = acq_ring_share(acq, memory, bytes);
	}
	while (more_wanted() && ret > 0) {
		/* as many as lie one behind the other, where they stay until they are released */
		ret = acq_ring_next(acq, &frames, -1);
		if (ret > 0) {
			show_all(frames, (size_t)ret * info.stride);
			acq_ring_release(acq, ret);
		} else if (ret == -EINTR) {
			ret = 1;
		}
	}
	ret = end(acq, ret);
	/* not before acq_close() or acq_ring_unmap(): the kernel writes to it until then */
	free(memory);
	return ret;
}
