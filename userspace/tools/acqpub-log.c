// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log that acqpub publishes: captures in the order of a list or of their names.
 * The files are all that is kept of frames until they are acknowledged; a mark tells
 * how far that is.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "acqpub-log.h"
#include "common.h"

#define MARK_BYTES 512U /* a sector, so that it is written whole or not at all */
#define PIECE_BYTES (256U * 1024) /* read at a time */

/* --- CRC-32C --- */

#define CRC32C_POLYNOMIAL 0x82f63b78U

static uint32_t crc_byte(uint32_t crc)
{
	int bit;

	for (bit = 0; bit < 8; bit++)
		crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
	return crc;
}

static uint32_t crc_plain(uint32_t crc, const unsigned char *p, size_t bytes)
{
	static uint32_t table[256];
	unsigned int i;

	for (i = 0; !table[255] && i < 256; i++)
		table[i] = crc_byte(i);
	while (bytes--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const unsigned char *p,
							    size_t bytes)
{
	uint64_t wide = crc, word;

	for (; bytes >= sizeof(word); bytes -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	for (crc = wide; bytes; bytes--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}
#endif

uint32_t crc32c(const void *data, size_t bytes)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_sse42(~0U, data, bytes);
#endif
	return ~crc_plain(~0U, data, bytes);
}

/* --- marks --- */

static bool parse_key(const char *text, struct key *key)
{
	*key = (struct key){ 0 };
	if (!strcmp(text, "-"))
		return true;
	return sscanf(text, "%" SCNu64 ":%" SCNu64, &key->run, &key->seq) == 2 && key->run;
}

/* The first line is the CRC of the others. */
static bool parse_mark(const char *text, struct mark *mark)
{
	const char *body = strchr(text, '\n'), *name;
	unsigned int crc;
	char after[48];

	if (!body || sscanf(text, "acqpub 1 %8x", &crc) != 1 || crc != crc32c(body, strlen(body)))
		return false;
	name = strstr(body, "\nfile ");
	if (!name)
		return false;
	name += strlen("\nfile ");
	snprintf(mark->file, sizeof(mark->file), "%.*s", (int)strcspn(name, "\n"), name);
	return sscanf(body, " offset %" SCNu64 " run %" SCNu64 " after %47s boot %39s",
		      &mark->offset, &mark->run, after, mark->boot) == 4 &&
	       parse_key(after, &mark->after);
}

static int open_locked(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0) {
		say("%s: %s; it remembers what was acknowledged: --state FILE puts it elsewhere",
		    path, strerror(errno));
		return -errno;
	}
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	say("%s: another acqpub is at work with it", path);
	close(fd);
	return -EBUSY;
}

int mark_open(const char *path, struct mark *mark)
{
	char text[MARK_BYTES + 1] = "";
	int fd = open_locked(path), err = -EBADMSG;
	ssize_t got;

	*mark = (struct mark){ .boot = "-" };
	if (fd < 0)
		return fd;
	got = pread(fd, text, MARK_BYTES, 0);
	if (got > 0 && parse_mark(text, mark))
		return fd;
	if (!got) /* from now on it has its place on the disk, however full that will be */
		err = mark_save(fd, path, mark, true);
	else
		say("%s: not what acqpub wrote; remove it to publish everything again", path);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static void key_text(const struct key *key, char text[48])
{
	if (key->run)
		snprintf(text, 48, "%" PRIu64 ":%" PRIu64, key->run, key->seq);
	else
		snprintf(text, 48, "-");
}

int mark_save(int fd, const char *path, const struct mark *mark, bool sync)
{
	char body[MARK_BYTES], text[MARK_BYTES + 24], after[48];
	size_t len, head;

	key_text(&mark->after, after);
	len = snprintf(body, sizeof(body),
		       "\noffset %" PRIu64 "\nrun %" PRIu64 "\nafter %s\nboot %s\nfile %s\n",
		       mark->offset, mark->run, after, mark->boot, mark->file);
	head = snprintf(text, sizeof(text), "acqpub 1 ");
	/* always as long, so that nothing is left of the one before */
	memset(body + len, '\n', sizeof(body) - len);
	body[MARK_BYTES - head - 8] = 0;
	snprintf(text + head, sizeof(text) - head, "%08x%s", crc32c(body, strlen(body)), body);
	if (pwrite(fd, text, MARK_BYTES, 0) == MARK_BYTES && (!sync || !fdatasync(fd)))
		return 0;
	say("%s: %s", path, strerror(errno));
	return -errno;
}

/* --- files --- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Was this file written since the machine was started? Then that boot's clock is its own. */
static void find_boot(struct log *log)
{
	struct timespec now, up;
	struct stat st;
	FILE *file = NULL;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	snprintf(log->boot, sizeof(log->boot), "-");
	if (!fstat(log->fd, &st) && st.st_mtime >= now.tv_sec - up.tv_sec)
		file = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (!file)
		return;
	if (fscanf(file, "%39s", log->boot) != 1)
		snprintf(log->boot, sizeof(log->boot), "-");
	fclose(file);
}

/* The header at an offset, of a frame that is wholly there or not. False if there is none. */
static bool peek(const struct log *log, uint64_t offset, struct acq_frame *frame)
{
	return pread(log->fd, frame, sizeof(*frame), offset) == sizeof(*frame);
}

static void find_stride(struct log *log)
{
	struct acq_frame frame;
	struct acq_walk walk = { .buf = &frame, .bytes = sizeof(frame) };

	log->stride = 0;
	if (peek(log, 0, &frame) && (acq_frame_next(&walk) || walk.error == -ENODATA))
		log->stride = frame.stride;
}

/*
 * Is it the file of which so much was acknowledged? A power cut may have made it
 * shorter, but then there is nothing more in it; another file may have its name.
 * Returns 1; 0: it is another; or an error.
 */
static int check_mark(const struct log *log, const char *path)
{
	uint64_t offset = log->at.offset;
	struct acq_frame frame;

	if (lseek(log->fd, 0, SEEK_END) < (off_t)offset) {
		say("%s: is shorter than what was acknowledged of it; another file of this name?",
		    path);
		return -EBADMSG;
	}
	if (offset < log->stride || !peek(log, offset - log->stride, &frame) ||
	    frame.seq == log->at.after.seq)
		return 1;
	say("%s: is another file than the one of this name that was acknowledged", path);
	return 0;
}

static int open_file(struct log *log, const char *path)
{
	int same;

	if (strchr(path, '\n')) {
		say("%s: rename it; a name has no line feeds", path);
		return -EINVAL;
	}
	log->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (log->fd < 0) {
		say("%s: %s", path, strerror(errno));
		return -errno;
	}
	snprintf(log->at.file, sizeof(log->at.file), "%s", base_name(path));
	find_stride(log);
	same = check_mark(log, path);
	if (same < 0)
		return same;
	if (!same)
		log->at.offset = 0;
	log->read_to = log->at.offset;
	log->len = 0;
	log->used = 0;
	find_boot(log);
	return 1;
}

static int begin_file(struct log *log, const char *path)
{
	log->at.offset = 0;
	return open_file(log, path);
}

static void close_file(struct log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

/*
 * How acqread numbers files that would have one name: run.acq, run-1.acq, ...
 * run-10.acq; so what is behind the last dot doesn't count.
 */
static int compare_names(const char *a, const char *b)
{
	char stem_a[NAME_MAX + 1], stem_b[NAME_MAX + 1];
	const char *dot_a = strrchr(a, '.'), *dot_b = strrchr(b, '.');

	snprintf(stem_a, sizeof(stem_a), "%.*s", dot_a ? (int)(dot_a - a) : NAME_MAX, a);
	snprintf(stem_b, sizeof(stem_b), "%.*s", dot_b ? (int)(dot_b - b) : NAME_MAX, b);
	return strverscmp(stem_a, stem_b) ?: strcmp(a, b);
}

/* The first file of the pattern that comes behind this one, or, if there, this one itself. */
static int find_file(const char *pattern, const char *file, bool itself, char path[PATH_MAX])
{
	const char *first = NULL, *name;
	glob_t found;
	size_t i;
	int order;

	if (glob(pattern, GLOB_NOSORT | GLOB_NOESCAPE, NULL, &found))
		return 0;
	for (i = 0; i < found.gl_pathc; i++) {
		name = base_name(found.gl_pathv[i]);
		order = compare_names(name, file);
		if ((order > 0 || (itself && !order)) &&
		    (!first || compare_names(name, base_name(first)) < 0))
			first = found.gl_pathv[i];
	}
	if (first)
		snprintf(path, PATH_MAX, "%s", first);
	globfree(&found);
	return !!first;
}

void log_remove(const char *pattern, const char *from, const char *to)
{
	char path[PATH_MAX];

	while (find_file(pattern, from, true, path) && compare_names(base_name(path), to) < 0)
		if (unlink(path)) {
			say("%s: %s", path, strerror(errno));
			break;
		}
}

unsigned int log_count_before(const char *pattern, const char *file)
{
	char path[PATH_MAX], last[NAME_MAX + 1] = "";
	unsigned int count = 0;

	while (find_file(pattern, last, false, path) && compare_names(base_name(path), file) < 0) {
		snprintf(last, sizeof(last), "%.*s", NAME_MAX, base_name(path));
		count++;
	}
	return count;
}

/* Returns 1; 0: there is none yet; or an error. */
static int open_first(struct log *log)
{
	char path[PATH_MAX];
	size_t i;

	for (i = 0; !log->pattern && i < log->count; i++)
		if (!strcmp(base_name(log->files[i]), log->at.file)) {
			log->file = i;
			return open_file(log, log->files[i]);
		}
	log->file = 0;
	if (!log->pattern)
		return begin_file(log, log->files[0]);
	if (!find_file(log->pattern, log->at.file, true, path))
		return 0;
	if (strcmp(base_name(path), log->at.file))
		log->at.offset = 0;
	return open_file(log, path);
}

/* Bytes that were read, until there are as many as wanted; or an error. */
static ssize_t fill(struct log *log, size_t want)
{
	ssize_t got, all = 0;

	if (log->len - log->used >= want)
		return 0;
	log->len -= log->used;
	memmove(log->buf, log->buf + log->used, log->len);
	log->used = 0;
	while (log->len < want) {
		if (log->room - log->len < PIECE_BYTES) {
			log->room = log->room * 2 + PIECE_BYTES;
			log->buf = grown(log->buf, log->room);
		}
		got = pread(log->fd, log->buf + log->len, PIECE_BYTES, log->read_to);
		if (got < 0) {
			say("%s: %s", log->at.file, strerror(errno));
			return -errno;
		}
		if (!got)
			break;
		log->len += got;
		log->read_to += got;
		all += got;
	}
	return all;
}

/* It ends here. What is left is no frame. */
static void end_file(struct log *log)
{
	if (log->len > log->used)
		say("%s: ends within a frame; %zu bytes of it were left out", log->at.file,
		    log->len - log->used);
	close_file(log);
}

/* Returns 1; 0: this is the last one; or an error. */
static int next_file(struct log *log)
{
	char path[PATH_MAX];
	ssize_t got;

	if (!log->pattern) {
		end_file(log);
		return ++log->file < log->count ? begin_file(log, log->files[log->file]) : 0;
	}
	if (!find_file(log->pattern, log->at.file, false, path))
		return 0;
	/* whoever wrote this one has ended, but perhaps only just now */
	got = fill(log, log->len - log->used + 1);
	if (got)
		return got < 0 ? got : 1;
	end_file(log);
	return begin_file(log, path);
}

/* A file that is none of the log: nothing more is read of it, and the next one comes. */
static int leave_out(struct log *log, int err)
{
	if (!log->pattern) /* what a list names is asked for */
		return err;
	log->len = 0;
	log->used = 0;
	log->read_to = INT64_MAX / 2;
	return 1;
}

/* --- frames --- */

static bool begins_run(const struct log *log, const struct mark *at, const struct acq_frame *frame)
{
	if (!at->run)
		return true;
	if (at->after.run != at->run)
		return false;
	return frame->seq <= at->after.seq ||
	       (frame->flags & ACQ_FRAME_START && strcmp(log->boot, at->boot));
}

void log_begin_run(struct log *log)
{
	struct timespec now;
	uint64_t run;

	clock_gettime(CLOCK_REALTIME, &now);
	run = now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
	/* a clock that was set back makes no order */
	log->at.run = run > log->at.run ? run : log->at.run + 1;
	memcpy(log->at.boot, log->boot, sizeof(log->boot));
}

/* The frames of the buffer that make the next batch. Returns why there are no more. */
static int cut(struct log *log, size_t max, struct batch *batch)
{
	struct acq_walk walk = { .buf = log->buf + log->used, .bytes = log->len - log->used };
	struct mark *at = &batch->end;
	const struct acq_frame *frame;

	*batch = (struct batch){ .data = walk.buf, .after = log->at.after, .end = log->at };
	for (;;) {
		frame = acq_frame_next(&walk);
		if (!frame || (batch->count && walk.offset > max))
			return frame ? 0 : walk.error;
		if (begins_run(log, at, frame))
			return -EXDEV;
		if (!batch->count++)
			batch->first = frame->seq;
		batch->last = frame->seq;
		batch->bytes = walk.offset;
		log->stride = frame->stride;
		at->after = (struct key){ at->run, frame->seq };
	}
}

static int take(struct log *log, struct batch *batch)
{
	batch->crc = crc32c(batch->data, batch->bytes);
	batch->end.offset += batch->bytes;
	log->used += batch->bytes;
	log->at = batch->end;
	return LOG_BATCH;
}

/* Damage: on to the next place that could be a frame of this file. */
static int resync(struct log *log)
{
	const struct acq_frame *frame;
	uint64_t from = log->at.offset;

	if (!log->stride && !log->at.offset) {
		say("%s: not a capture: it does not begin with a frame", log->at.file);
		return -EBADMSG;
	}
	do {
		log->used += 8;
		log->at.offset += 8;
		frame = (const void *)(log->buf + log->used);
	} while (log->used + sizeof(*frame) <= log->len &&
		 (!log->stride || frame->stride != log->stride));
	if (!log->skipped)
		say("%s: damaged at byte %" PRIu64, log->at.file, from);
	log->skipped += log->at.offset - from;
	return 1;
}

/* Is there a batch in the file at hand? LOG_NOTHING: no. */
static int next_here(struct log *log, size_t max, struct batch *batch)
{
	ssize_t got;
	size_t have;
	int why;

	for (;;) {
		got = fill(log, max);
		if (got < 0)
			return got;
		why = cut(log, max, batch);
		if (batch->count)
			return take(log, batch);
		if (why == -EXDEV)
			return LOG_RUN;
		if (why == -EBADMSG) {
			why = resync(log);
			if (why < 0)
				return why;
			continue;
		}
		have = log->len - log->used;
		if (!have || fill(log, have + 1) <= 0) /* a frame of more than max */
			return LOG_NOTHING;
	}
}

int log_next(struct log *log, size_t max, struct batch *batch)
{
	int got;

	for (;;) {
		got = log->fd < 0 ? open_first(log) : LOG_BATCH;
		if (!got)
			return LOG_NOTHING;
		if (got > 0)
			got = next_here(log, max, batch);
		if (got == LOG_NOTHING)
			got = next_file(log) ?: log->pattern ? LOG_NOTHING : LOG_END;
		else if (got == -EBADMSG)
			got = leave_out(log, got);
		else
			return got;
		if (got <= 0 || got == LOG_NOTHING)
			return got;
	}
}

void log_begin(struct log *log, const struct mark *from)
{
	close_file(log);
	log->at = *from;
}

void log_end(struct log *log)
{
	close_file(log);
	free(log->buf);
}
