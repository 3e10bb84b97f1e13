// SPDX-License-Identifier: GPL-2.0-only
/* SHARE_BUFFER: the ring in the program's own memory. Whose, how much, how long. */
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common.h"

#define NOBODY 65534

static struct stream stream;
static size_t page;
static long pinned_before;

static void begin(void)
{
	sim_reset();
	page = page_bytes();
	pinned_before = pinned_pages();
}

/* what a test pinned is unpinned with it */
static void end(void)
{
	wait_until(pinned_pages() == pinned_before);
}

static int share(int fd, const void *memory, size_t bytes)
{
	struct acq_share share = {
		.size = sizeof(share),
		.addr = (uintptr_t)memory,
		.bytes = bytes,
	};

	return command(fd, ACQ_IOC_SHARE_BUFFER, &share) ? -1 : (int)share.ring_frames;
}

static unsigned int share_or_fail(int fd, const void *memory, size_t bytes)
{
	int frames = share(fd, memory, bytes);

	ck_assert_msg(frames >= 2, "SHARE_BUFFER: %s", strerror(errno));
	return frames;
}

static void unshare_or_fail(int fd)
{
	ck_assert_ok(command(fd, ACQ_IOC_UNSHARE_BUFFER, NULL));
}

/* the kinds of memory that people have */

static void *memory_malloc(size_t bytes)
{
	return aligned_alloc(page, bytes);
}

static void *memory_huge(size_t bytes)
{
	size_t huge = 2048 * 1024;
	void *memory;
	FILE *file;

	file = fopen("/proc/sys/vm/nr_hugepages", "we");
	if (!file)
		return NULL;
	fputs("4", file);
	fclose(file);
	memory = mmap(NULL, (bytes + huge - 1) / huge * huge, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	ck_assert_msg(memory != MAP_FAILED, "huge pages: %s", strerror(errno));
	return memory;
}

static void *memory_sysv(size_t bytes)
{
	int id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
	void *memory;

	ck_assert_ok(id);
	memory = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	return memory == (void *)-1 ? NULL : memory;
}

static void *memory_posix(size_t bytes)
{
	int fd = open("/dev/shm/acq", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *memory;

	ck_assert_ok(fd);
	unlink("/dev/shm/acq");
	ck_assert_ok(ftruncate(fd, bytes));
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return memory;
}

static void *memory_memfd(size_t bytes)
{
	int fd = memfd_create("acq", MFD_CLOEXEC);
	void *memory;

	ck_assert_ok(fd);
	ck_assert_ok(ftruncate(fd, bytes));
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return memory;
}

static void *(*const kinds[])(size_t bytes) = {
	memory_malloc, memory_or_fail, memory_huge, memory_sysv, memory_posix, memory_memfd,
};

/* the frames come, wrap, and are consumed without a system call but to wait */
START_TEST(each_kind)
{
	int fd = open_or_fail(O_RDWR);
	void *memory = kinds[_i](16 * page);
	struct ring ring;
	unsigned int frames;

	ck_assert_ptr_nonnull(memory);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	frames = share_or_fail(fd, memory, 16 * page);
	/* of 56 bytes */
	ck_assert_uint_eq(frames, 1024);
	ck_assert_uint_eq(info(fd).ring_frames, frames);
	ck_assert_uint_eq(info(fd).flags, ACQ_INFO_SHARED);
	ring_map_share_or_fail(&ring, fd, memory);
	ck_assert_uint_eq(ring.producer->frames, frames);
	ck_assert_uint_eq(ring.producer->frames_offset, 0);
	stream_begin(&stream, fd);
	ring_take_or_fail(&ring, &stream, fd, 1500);
	ck_assert_uint_eq(stream.starts, 1);
	ck_assert_uint_eq(stream.lost, 0);
	stop_or_fail(fd);
	ring_unmap(&ring);
	unshare_or_fail(fd);
	ck_assert_uint_eq(info(fd).flags, ACQ_INFO_STOPPED);
}
END_TEST

START_TEST(read_of_shared)
{
	int fd = open_or_fail(O_RDWR);

	share_or_fail(fd, memory_or_fail(16 * page), 16 * page);
	stream_begin(&stream, fd);
	stream_read_or_fail(&stream, fd, 1500);
	ck_assert_uint_eq(stream.lost, 0);
	ck_assert_uint_eq(stats(fd).delivered, 1500);
}
END_TEST

/* a ring of two frames, each over a page and a half */
START_TEST(smallest)
{
	int fd = open_or_fail(O_RDWR);
	void *memory = memory_or_fail(3 * page);
	struct ring ring;

	sim_setup(200, 1, (page / 2 * 3 - sizeof(struct acq_frame)) / 2);
	ck_assert_errno(share(fd, memory, 2 * page), EINVAL);
	ck_assert_uint_eq(share_or_fail(fd, memory, 3 * page), 2);
	ring_map_share_or_fail(&ring, fd, memory);
	stream_begin(&stream, fd);
	ring_take_or_fail(&ring, &stream, fd, 20);
}
END_TEST

START_TEST(frames_are_not_to_be_mapped)
{
	int fd = open_or_fail(O_RDWR);

	share_or_fail(fd, memory_or_fail(16 * page), 16 * page);
	ck_assert_uint_eq(info(fd).map_bytes, page);
	ck_assert_ptr_eq(mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 2 * page), MAP_FAILED);
	ck_assert_ptr_eq(mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, fd, page), MAP_FAILED);
}
END_TEST

static void refuse(const void *memory, size_t bytes, int error)
{
	int fd = open_or_fail(O_RDWR);

	ck_assert_errno(share(fd, memory, bytes), error);
	ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), 0);
	ck_assert_int_eq(pinned_pages(), pinned_before);
	ck_assert_uint_eq(info(fd).flags, 0);
	close(fd);
}

START_TEST(refuse_nonsense)
{
	char *memory = memory_or_fail(16 * page);
	int fd = open_or_fail(O_RDWR);
	struct acq_share far = { .size = sizeof(far), .addr = -page, .bytes = 16 * page };

	refuse(memory + 8, 8 * page, EINVAL);
	refuse(memory, 8 * page + 8, EINVAL);
	refuse(memory, 8, EINVAL);
	refuse(memory, 0, EINVAL);
	refuse(NULL, 0, EINVAL);
	refuse(NULL, 16 * page, EFAULT);

	/* round the end of the address space, and the end itself */
	ck_assert_int_eq(command(fd, ACQ_IOC_SHARE_BUFFER, &far), -1);
	ck_assert(errno == EINVAL || errno == EFAULT);
	far.addr = 0;
	far.bytes = -(uint64_t)page;
	ck_assert_int_eq(command(fd, ACQ_IOC_SHARE_BUFFER, &far), -1);
	ck_assert(errno == EINVAL || errno == EFAULT || errno == ENOMEM);
	far.addr = UINT64_C(1) << 32;
	far.bytes = UINT64_C(1) << 44;
	ck_assert_int_eq(command(fd, ACQ_IOC_SHARE_BUFFER, &far), -1);
	ck_assert(errno == EINVAL || errno == EFAULT || errno == ENOMEM);
	far.addr = UINT64_C(0xffff888000000000);
	far.bytes = 16 * page;
	ck_assert_int_eq(command(fd, ACQ_IOC_SHARE_BUFFER, &far), -1);
	ck_assert(errno == EINVAL || errno == EFAULT);
}
END_TEST

/* all or nothing: what was pinned before the hole is unpinned */
START_TEST(refuse_hole)
{
	char *memory = memory_or_fail(16 * page);

	munmap(memory + 9 * page, page);
	refuse(memory, 16 * page, EFAULT);
}
END_TEST

START_TEST(refuse_read_only)
{
	char *memory = memory_or_fail(16 * page);

	ck_assert_ok(mprotect(memory, 16 * page, PROT_READ));
	refuse(memory, 16 * page, EFAULT);
	ck_assert_ok(mprotect(memory, 8 * page, PROT_READ | PROT_WRITE));
	refuse(memory, 16 * page, EFAULT);
	ck_assert_ok(mprotect(memory, 16 * page, PROT_NONE));
	refuse(memory, 16 * page, EFAULT);
}
END_TEST

static void *memory_of_file(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *memory;

	ck_assert_ok(fd);
	ck_assert_ok(ftruncate(fd, 16 * page));
	memory = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, flags, fd, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	close(fd);
	return memory;
}

/* A file system that is not memory alone writes back behind a pin's back. */
START_TEST(refuse_file)
{
	void *private;
	int fd;

	mkdir("/tmp/files", 0700);
	ck_assert_ok(mount("none", "/tmp/files", "ramfs", 0, NULL));
	refuse(memory_of_file("/tmp/files/shared", MAP_SHARED), 16 * page, EFAULT);
	/* a private mapping's pages are copies, and the program's own */
	private = memory_of_file("/tmp/files/private", MAP_PRIVATE);
	fd = open_or_fail(O_RDWR);
	share_or_fail(fd, private, 16 * page);
	close(fd);
	munmap(private, 16 * page);
}
END_TEST

static void no_files(void)
{
	umount2("/tmp/files", MNT_DETACH);
	rmdir("/tmp/files");
}

/* memory without pages of its own, and pages that are the kernel's */
START_TEST(refuse_devices)
{
	int fd = open_or_fail(O_RDWR), mem;
	struct ring ring;
	void *memory;

	ring_map_or_fail(&ring, fd);
	refuse(ring.consumer, page, EFAULT);
	refuse(ring.producer, page, EFAULT);
	refuse(ring.frames, 2 * page, EFAULT);
	ring_unmap(&ring);

	mem = open("/dev/mem", O_RDWR | O_CLOEXEC);
	ck_assert_ok(mem);
	memory = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0xf0000);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	refuse(memory, 16 * page, EFAULT);
	close(mem);
}
END_TEST

START_TEST(busy)
{
	struct acq_config config = { .size = sizeof(config), .ring_frames = 8 };
	struct acq_setup setup = { .size = sizeof(setup), .rate_hz = 10 };
	int fd = open_or_fail(O_RDWR), other = open_or_fail(O_RDWR);
	void *memory = memory_or_fail(16 * page);
	struct ring ring;

	ck_assert_errno(command(fd, ACQ_IOC_UNSHARE_BUFFER, NULL), EINVAL);
	start_or_fail(fd);
	ck_assert_errno(share(fd, memory, 16 * page), EBUSY);
	stop_or_fail(fd);
	ring_map_or_fail(&ring, fd);
	ck_assert_errno(share(fd, memory, 16 * page), EBUSY);
	ring_unmap(&ring);

	share_or_fail(fd, memory, 16 * page);
	ck_assert_errno(share(fd, memory, 16 * page), EBUSY);
	ck_assert_errno(command(fd, ACQ_IOC_CONFIGURE, &config), EBUSY);
	ck_assert_errno(command(other, ACQ_IOC_SETUP, &setup), EBUSY);
	start_or_fail(fd);
	ck_assert_errno(command(fd, ACQ_IOC_UNSHARE_BUFFER, NULL), EBUSY);
	stop_or_fail(fd);
	ring_map_share_or_fail(&ring, fd, memory);
	ck_assert_errno(command(fd, ACQ_IOC_UNSHARE_BUFFER, NULL), EBUSY);
	ring_unmap(&ring);
	unshare_or_fail(fd);
	ck_assert_errno(command(fd, ACQ_IOC_UNSHARE_BUFFER, NULL), EINVAL);
	ck_assert_ok(command(fd, ACQ_IOC_CONFIGURE, &config));
	ck_assert_ok(command(other, ACQ_IOC_SETUP, &setup));
}
END_TEST

/* two clients may have one buffer: what they make of it is their own affair */
START_TEST(twice_pinned)
{
	int first = open_or_fail(O_RDWR), second = open_or_fail(O_RDWR);
	void *memory = memory_or_fail(16 * page);

	share_or_fail(first, memory, 16 * page);
	share_or_fail(second, memory, 16 * page);
	start_or_fail(first);
	start_or_fail(second);
	wait_until(stats(first).ring > 10 && stats(second).ring > 10);
	ck_assert_int_eq(pinned_pages(), pinned_before + 32);
}
END_TEST

START_TEST(accounted)
{
	int fd = open_or_fail(O_RDWR), other = open_or_fail(O_RDWR), i;
	void *memory = memory_or_fail(16 * page);

	for (i = 0; i < 3; i++) {
		share_or_fail(fd, memory, 16 * page);
		ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), 16 * page / 1024);
		ck_assert_int_eq(pinned_pages(), pinned_before + 16);
		share_or_fail(other, memory_or_fail(4 * page), 4 * page);
		ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), 20 * page / 1024);
		unshare_or_fail(fd);
		ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), 4 * page / 1024);
		unshare_or_fail(other);
		ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), 0);
		ck_assert_int_eq(pinned_pages(), pinned_before);
	}
}
END_TEST

/* A program without privileges has its limit, for all its files together. */
START_TEST(limited)
{
	const struct rlimit limit = { 20 * page, 20 * page };
	int first = open_or_fail(O_RDWR), second = open_or_fail(O_RDWR);
	pid_t child = fork_or_fail();
	char *memory;

	if (child) {
		join_or_fail(child);
		close(first);
		close(second);
		return;
	}
	ck_assert_ok(setrlimit(RLIMIT_MEMLOCK, &limit));
	ck_assert_ok(setuid(NOBODY));
	memory = memory_or_fail(64 * page);
	ck_assert_errno(share(first, memory, 21 * page), ENOMEM);
	share_or_fail(first, memory, 16 * page);
	ck_assert_errno(share(second, memory + 32 * page, 5 * page), ENOMEM);
	share_or_fail(second, memory + 32 * page, 4 * page);
	unshare_or_fail(first);
	ck_assert_errno(share(first, memory, 17 * page), ENOMEM);
	share_or_fail(first, memory, 16 * page);
	_exit(0);
}
END_TEST

START_TEST(close_releases)
{
	void *memory = memory_or_fail(16 * page);
	int fd = open_or_fail(O_RDWR);
	struct ring ring;

	share_or_fail(fd, memory, 16 * page);
	ring_map_share_or_fail(&ring, fd, memory);
	stream_begin(&stream, fd);
	ring_take_or_fail(&ring, &stream, fd, 20);
	close(fd);
	/* a mapping is a user */
	ck_assert_int_eq(pinned_pages(), pinned_before + 16);
	ring_unmap(&ring);
	wait_until(pinned_pages() == pinned_before);
	ck_assert_int_eq(proc_value("/proc/self/status", "VmPin"), 0);
}
END_TEST

START_TEST(kill_releases)
{
	unsigned int i, count = rounds(20, 1000);

	for (i = 0; i < count; i++) {
		int ready[2];
		pid_t child;
		char byte;

		ck_assert_ok(pipe2(ready, O_CLOEXEC));
		child = fork_or_fail();
		if (!child) {
			int fd = open_or_fail(O_RDWR);

			share_or_fail(fd, memory_or_fail(16 * page), 16 * page);
			start_or_fail(fd);
			ck_assert_int_eq(write(ready[1], "", 1), 1);
			pause();
		}
		ck_assert_int_eq(read(ready[0], &byte, 1), 1);
		kill(child, SIGKILL);
		ck_assert(WIFSIGNALED(wait_or_fail(child)));
		wait_until(pinned_pages() == pinned_before);
		close(ready[0]);
		close(ready[1]);
	}
}
END_TEST

/* the kernel's hold outlives the program's mapping: nothing is hurt */
START_TEST(unmapped_by_program)
{
	int fd = open_or_fail(O_RDWR), i;
	void *memory = memory_or_fail(16 * page);

	share_or_fail(fd, memory, 16 * page);
	start_or_fail(fd);
	wait_until(stats(fd).ring > 10);
	munmap(memory, 16 * page);
	/* whoever gets that address next is not written to */
	memory = mmap(memory, 16 * page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	wait_until(stats(fd).ring > 200);
	for (i = 0; i < (int)(16 * page); i++)
		ck_assert_int_eq(((char *)memory)[i], 0);
	stop_or_fail(fd);
	unshare_or_fail(fd);
}
END_TEST

/* a fork doesn't take the frames away from the parent, nor show them to the child */
START_TEST(forked)
{
	int fd = open_or_fail(O_RDWR);
	void *memory = memory_or_fail(16 * page);
	struct ring ring;
	pid_t child;

	share_or_fail(fd, memory, 16 * page);
	ring_map_share_or_fail(&ring, fd, memory);
	stream_begin(&stream, fd);
	ring_take_or_fail(&ring, &stream, fd, 5);
	child = fork_or_fail();
	if (!child) {
		*(volatile char *)memory = 1;
		pause();
	}
	ring_take_or_fail(&ring, &stream, fd, 1500);
	ck_assert_uint_eq(stream.lost, 0);
	kill(child, SIGKILL);
	wait_or_fail(child);
}
END_TEST

/* a read that is served from memory that the program writes to gives nonsense, no more */
START_TEST(scribbled)
{
	int fd = open_or_fail(O_RDWR), i;
	char *memory = memory_or_fail(4 * page);
	char *buf = alloc_or_fail(4 * page);
	size_t stride = info(fd).stride;

	share_or_fail(fd, memory, 4 * page);
	for (i = 0; i < 200; i++) {
		memset(memory, 0xff, 4 * page);
		ck_assert_int_eq(read(fd, buf, stride), stride);
	}
	ck_assert_uint_eq(stats(fd).delivered, 200);
	ck_assert_uint_eq(stats(fd).delivered_bytes, 200 * stride);
	free(buf);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("share");
	TCase *use = tcase_create("use"), *limits = tcase_create("limits");

	tcase_add_checked_fixture(use, begin, NULL);
	tcase_add_loop_test(use, each_kind, 0, ARRAY_SIZE(kinds));
	tcase_add_test(use, read_of_shared);
	tcase_add_test(use, smallest);
	tcase_add_test(use, frames_are_not_to_be_mapped);
	tcase_add_test(use, unmapped_by_program);
	tcase_add_test(use, forked);
	tcase_add_test(use, scribbled);
	tcase_add_test(use, twice_pinned);
	suite_add_tcase(suite, use);

	tcase_add_unchecked_fixture(limits, NULL, no_files);
	tcase_add_checked_fixture(limits, begin, end);
	tcase_add_test(limits, refuse_nonsense);
	tcase_add_test(limits, refuse_hole);
	tcase_add_test(limits, refuse_read_only);
	tcase_add_test(limits, refuse_file);
	tcase_add_test(limits, refuse_devices);
	tcase_add_test(limits, limited);
	tcase_add_test(limits, kill_releases);
	suite_add_tcase(suite, limits);

	limits = tcase_create("account");
	tcase_add_checked_fixture(limits, begin, NULL);
	tcase_add_test(limits, busy);
	tcase_add_test(limits, accounted);
	tcase_add_test(limits, close_releases);
	suite_add_tcase(suite, limits);
	return suite;
}

int main(void)
{
	return run(suite());
}
