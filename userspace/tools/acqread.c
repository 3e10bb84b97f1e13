// SPDX-License-Identifier: GPL-2.0-only
/*
 * acqread - frames from a device or a capture, in every way the kernel offers,
 * to people and programs.
 *
 * An input gives batches of frames; each frame is accounted for and put to the
 * output in a format (acqread-formats.c); the output is written once a batch.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

#include "acqread-formats.h"
#include "common.h"

#define BUFFER_BYTES (1024U * 1024)
#define RING_BYTES (8U * 1024 * 1024)
#define SHARE_BYTES (4U * 1024 * 1024)
#define LATENCY_US 50000U
#define PENDED 4 /* reads that --method aio keeps outstanding */
#define DAMAGE_SAID 3 /* say where for so many, then only count */

struct session;

/* A way of getting at frames. */
struct method {
	const char *name;
	int flags; /* of open(2) */
	int (*begin)(struct session *s);
	/*
	 * One batch, which stays as it is until the next call. Returns bytes, 0
	 * at the end, or an error; in time, or -ETIMEDOUT.
	 */
	ssize_t (*next)(struct session *s, const void **batch, int timeout_ms);
};

struct options {
	const char *device;
	const char *capture;
	const char *output;
	const struct method *method;
	const struct format *format;
	const char *line; /* of --format-string */
	enum times times;
	uint64_t rotate_bytes; /* 0: never */
	int64_t rotate_ns; /* 0: never */
	uint64_t realtime; /* priority, 0: no */
	bool mlock;
	uint64_t frames; /* UINT64_MAX: no limit */
	int64_t duration_ns; /* -1: no limit */
	int64_t idle_ns; /* -1: no limit */
	uint64_t watermark; /* 0: choose */
	uint64_t ring; /* 0: choose */
	int64_t latency_ns; /* -1: choose */
	bool verify;
	int quiet;
	int verbose;
};

struct pended {
	char *buf;
	uint64_t asked; /* frames; 0: not submitted */
};

struct session {
	struct options opt;
	const char *name; /* of the input */
	const struct method *method;
	struct acq *acq; /* NULL: a capture */
	int capture_fd;
	pid_t subscriber; /* what writes it if it is a stream; 0: it isn't */
	uint32_t stride; /* 0: not known yet */
	uint32_t ring;
	uint32_t watermark;
	int64_t end_ns; /* -1: never */
	int64_t last_ns; /* when the last batch came */
	bool stopping;

	/* the methods' */
	char *buf;
	size_t buf_bytes;
	size_t buf_len; /* capture: bytes in it */
	size_t buf_used; /* capture: of these, consumed */
	unsigned int held; /* frames of the ring that we still look at */
	int event_fd;
	struct pended pended[PENDED];
	struct acq_completion done[PENDED];
	int done_count;
	int done_next;
#ifdef HAVE_LIBURING
	struct io_uring uring;
	bool in_flight;
	unsigned int half;
#endif

	/* the account */
	struct acq_track track;
	uint64_t bytes;
	uint64_t damaged;
	uint64_t skipped; /* bytes of a capture that are not frames */
	bool cut; /* a capture ends within a frame */
	uint64_t first_seq;
	uint64_t first_ns;
	uint64_t batch_seq; /* first frame with the last timestamp */
	uint64_t batch_ns;
	uint32_t rate_hz;

	struct output out;
	bool progress;
	uint64_t told_frames; /* of the progress line */
	int64_t told_ns;
};

/* --- account --- */

/* Is anybody to see the frames? */
static bool showing(const struct session *s)
{
	return !s->opt.quiet || s->opt.output;
}

static void account_time(struct session *s, const struct acq_frame *frame)
{
	if (!s->track.frames) {
		s->first_seq = frame->seq;
		s->first_ns = frame->timestamp_ns;
	}
	if (frame->timestamp_ns != s->batch_ns || !s->track.frames) {
		s->batch_seq = frame->seq;
		s->batch_ns = frame->timestamp_ns;
	}
	s->rate_hz = frame->rate_hz;
}

static void account_damage(struct session *s, const struct acq_frame *frame)
{
	uint32_t at;

	if (!acq_verify_frame(frame, &at))
		return;
	if (s->damaged++ < DAMAGE_SAID)
		say("%s: frame %" PRIu64 " is damaged: value %u is %" PRId64
		    ", not what the counter waveform has there",
		    s->name, (uint64_t)frame->seq, at, acq_frame_value(frame, at));
}

static void account(struct session *s, const struct acq_frame *frame)
{
	uint64_t disorder = s->track.disorder, lost;

	account_time(s, frame);
	lost = acq_track_frame(&s->track, frame);
	s->bytes += frame->stride;
	s->stride = frame->stride;
	if (lost && s->opt.verbose)
		say("%s: %" PRIu64 " frames lost before frame %" PRIu64, s->name, lost,
		    (uint64_t)frame->seq);
	if (s->track.disorder != disorder && disorder < DAMAGE_SAID)
		say("%s: frame %" PRIu64 " is out of order", s->name, (uint64_t)frame->seq);
	if (s->opt.verify)
		account_damage(s, frame);
}

/* Frames the device made per second, seen from the interrupts' timestamps. */
static double measured_rate(const struct session *s)
{
	if (s->batch_ns <= s->first_ns || s->batch_seq <= s->first_seq)
		return s->rate_hz;
	return (s->batch_seq - s->first_seq) * 1e9 / (s->batch_ns - s->first_ns);
}

static uint64_t all_damage(const struct session *s)
{
	return s->damaged + s->track.disorder + !!s->skipped + (s->opt.verify && s->cut);
}

static bool flawless(const struct session *s)
{
	return !s->track.lost && !s->track.hw_overruns && !all_damage(s);
}

static void summary(const struct session *s)
{
	char more[160] = "";
	int len = 0;

	if (s->track.hw_overruns)
		len += snprintf(more + len, sizeof(more) - len, ", %" PRIu64 " hardware overruns",
				s->track.hw_overruns);
	if (all_damage(s) || s->opt.verify)
		snprintf(more + len, sizeof(more) - len, ", %" PRIu64 " damaged", all_damage(s));
	say("%" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64 " lost%s, %.1f frames/s",
	    s->track.frames, s->bytes, s->track.lost, more, measured_rate(s));
}

static void kernel_summary(struct session *s)
{
	struct acq_stats st = { .size = sizeof(st) };

	if (acq_get_stats(s->acq, &st))
		return;
	say("kernel: %" PRIu64 " produced, %" PRIu64 " delivered, %" PRIu64 " lost, %" PRIu64
	    " flushed, %u in the ring; %" PRIu64 " wakeups, %" PRIu64 " pended, %" PRIu64
	    " cancelled",
	    (uint64_t)st.produced, (uint64_t)st.delivered, (uint64_t)st.lost, (uint64_t)st.flushed,
	    st.ring, (uint64_t)st.wakeups, (uint64_t)st.pended, (uint64_t)st.cancelled);
}

static uint64_t frames_left(const struct session *s)
{
	return s->opt.frames - s->track.frames;
}

/* --- methods --- */

/* Bytes to ask for, so as not to take frames that nobody wants. */
static size_t wanted_bytes(const struct session *s, size_t room, uint64_t frames)
{
	if (frames < room / s->stride)
		return frames * s->stride;
	return room - room % s->stride;
}

static char *page_aligned(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

/* A buffer for a number of reads at once, each of which has room for a frame. */
static int buffer_begin(struct session *s, unsigned int parts)
{
	size_t part = BUFFER_BYTES / parts;

	if (part < s->stride)
		part = (s->stride + 4095UL) & ~4095UL;
	s->buf_bytes = part * parts;
	s->buf = page_aligned(s->buf_bytes);
	return s->buf ? 0 : -ENOMEM;
}

static int read_begin(struct session *s)
{
	return buffer_begin(s, 1);
}

static ssize_t read_now(struct session *s, const void **batch, int timeout_ms)
{
	*batch = s->buf;
	return acq_read(s->acq, s->buf, wanted_bytes(s, s->buf_bytes, frames_left(s)), timeout_ms);
}

static int wait_fd(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ready = poll(&pfd, 1, timeout_ms);

	if (ready < 0)
		return -errno;
	return ready ? 0 : -ETIMEDOUT;
}

static ssize_t poll_next(struct session *s, const void **batch, int timeout_ms)
{
	ssize_t got;
	int err;

	do {
		err = wait_fd(acq_fd(s->acq), timeout_ms);
		if (err)
			return err;
		got = read_now(s, batch, 0);
	} while (got == -ETIMEDOUT); /* another took them */
	return got;
}

static int sigio_begin(struct session *s)
{
	int fd = acq_fd(s->acq);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (fcntl(fd, F_SETOWN, getpid()) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) < 0)
		return -errno;
	return buffer_begin(s, 1) ?: acq_start(s->acq);
}

static int wait_sigio(int timeout_ms)
{
	struct timespec ts = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	if (sigtimedwait(&set, NULL, timeout_ms < 0 ? NULL : &ts) > 0)
		return 0;
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static ssize_t sigio_next(struct session *s, const void **batch, int timeout_ms)
{
	ssize_t got;
	int err;

	for (;;) {
		got = read_now(s, batch, 0);
		if (got != -ETIMEDOUT)
			return got;
		err = wait_sigio(timeout_ms);
		if (err)
			return err;
	}
}

static int mmap_begin(struct session *s)
{
	return acq_ring_map(s->acq);
}

static int share_begin(struct session *s)
{
	size_t page = sysconf(_SC_PAGESIZE), bytes;
	int frames;

	bytes = ((size_t)s->ring * s->stride + page - 1) / page * page;
	s->buf = page_aligned(bytes);
	if (!s->buf)
		return -ENOMEM;
	s->buf_bytes = bytes;
	frames = acq_ring_share(s->acq, s->buf, bytes);
	if (frames > 0)
		s->ring = frames;
	return frames < 0 ? frames : 0;
}

/* Not the whole ring at once: it is to have room while we work. */
static unsigned int piece(const struct session *s, unsigned int have)
{
	unsigned int most = s->ring / 8 ?: 1;

	if (have > most)
		have = most;
	return have < frames_left(s) ? have : frames_left(s);
}

static ssize_t ring_next(struct session *s, const void **batch, int timeout_ms)
{
	const struct acq_frame *frames;
	int have;

	acq_ring_release(s->acq, s->held);
	s->held = 0;
	have = acq_ring_next(s->acq, &frames, timeout_ms);
	if (have <= 0)
		return have;
	s->held = piece(s, have);
	*batch = frames;
	return (ssize_t)s->held * s->stride;
}

static int eventfd_begin(struct session *s)
{
	int err = acq_ring_map(s->acq);

	if (err)
		return err;
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event_fd < 0)
		return -errno;
	return acq_set_eventfd(s->acq, s->event_fd) ?: acq_start(s->acq);
}

/* The count is taken before the ring is looked at, so no signal is missed. */
static ssize_t eventfd_next(struct session *s, const void **batch, int timeout_ms)
{
	eventfd_t count;
	ssize_t got;
	int err;

	for (;;) {
		got = ring_next(s, batch, 0);
		if (got != -ETIMEDOUT)
			return got;
		err = wait_fd(s->event_fd, timeout_ms);
		if (err)
			return err;
		eventfd_read(s->event_fd, &count);
	}
}

static int aio_begin(struct session *s)
{
	int i, err = buffer_begin(s, PENDED);

	for (i = 0; !err && i < PENDED; i++)
		s->pended[i].buf = s->buf + i * (s->buf_bytes / PENDED);
	return err;
}

/* Keep as many reads pended as there are frames to ask for. */
static int aio_refill(struct session *s)
{
	uint64_t left = frames_left(s);
	struct pended *p;
	size_t bytes;
	int err;

	for (p = s->pended; p < s->pended + PENDED; p++)
		left -= p->asked;
	for (p = s->pended; p < s->pended + PENDED && left; p++) {
		if (p->asked)
			continue;
		bytes = wanted_bytes(s, s->buf_bytes / PENDED, left);
		err = acq_submit(s->acq, p->buf, bytes, p, NULL);
		if (err)
			return err;
		p->asked = bytes / s->stride;
		left -= p->asked;
	}
	return 0;
}

static ssize_t aio_next(struct session *s, const void **batch, int timeout_ms)
{
	struct acq_completion *done;
	int err;

	if (s->done_next == s->done_count) {
		err = aio_refill(s);
		if (err)
			return err;
		s->done_next = 0;
		s->done_count = 0;
		err = acq_wait(s->acq, s->done, PENDED, timeout_ms);
		if (err < 0)
			return err;
		s->done_count = err;
	}
	done = &s->done[s->done_next++];
	((struct pended *)done->user)->asked = 0;
	*batch = done->buf;
	return done->result;
}

#ifdef HAVE_LIBURING
static int uring_begin(struct session *s)
{
	int err = io_uring_queue_init(8, &s->uring, 0);

	return err ?: buffer_begin(s, 2);
}

static void uring_submit(struct session *s, uint64_t frames)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->uring);
	size_t half = s->buf_bytes / 2;

	s->half = !s->half;
	io_uring_prep_read(sqe, acq_fd(s->acq), s->buf + s->half * half,
			   wanted_bytes(s, half, frames), -1);
	io_uring_submit(&s->uring);
	s->in_flight = true;
}

static int uring_wait(struct session *s, struct io_uring_cqe **cqe, int timeout_ms)
{
	struct __kernel_timespec ts = { timeout_ms / 1000, timeout_ms % 1000 * 1000000LL };
	int err;

	if (timeout_ms < 0)
		return io_uring_wait_cqe(&s->uring, cqe);
	err = io_uring_wait_cqe_timeout(&s->uring, cqe, &ts);
	return err == -ETIME ? -ETIMEDOUT : err;
}

/*
 * One read at a time, since several of them may complete in any order; but while
 * one buffer is worked on, the read into the other one is with the kernel.
 */
static ssize_t uring_next(struct session *s, const void **batch, int timeout_ms)
{
	struct io_uring_cqe *cqe;
	uint64_t frames;
	ssize_t got;
	int err;

	if (!s->in_flight)
		uring_submit(s, frames_left(s));
	err = uring_wait(s, &cqe, timeout_ms);
	if (err)
		return err;
	got = cqe->res;
	io_uring_cqe_seen(&s->uring, cqe);
	s->in_flight = false;
	*batch = s->buf + s->half * (s->buf_bytes / 2);
	frames = got > 0 ? frames_left(s) - got / s->stride : 0;
	if (frames)
		uring_submit(s, frames);
	return got;
}

static void uring_end(struct session *s)
{
	if (s->uring.ring_fd > 0)
		io_uring_queue_exit(&s->uring);
}
#else
static int uring_begin(struct session *s)
{
	say("%s: built without io_uring; install liburing-dev and build again", s->name);
	return 1;
}

static ssize_t uring_next(struct session *s, const void **batch, int timeout_ms)
{
	(void)s;
	(void)batch;
	(void)timeout_ms;
	return -ENOSYS;
}

static void uring_end(struct session *s)
{
	(void)s;
}
#endif

static const struct method methods[] = {
	{ "read", O_RDONLY, read_begin, read_now },
	{ "poll", O_RDONLY, read_begin, poll_next },
	{ "mmap", O_RDWR, mmap_begin, ring_next },
	{ "share", O_RDWR, share_begin, ring_next },
	{ "aio", O_RDONLY, aio_begin, aio_next },
	{ "uring", O_RDONLY, uring_begin, uring_next },
	{ "sigio", O_RDONLY, sigio_begin, sigio_next },
	{ "eventfd", O_RDWR, eventfd_begin, eventfd_next },
};

static const struct method *const share = &methods[3];

static const struct method *find_method(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(methods); i++)
		if (!strcmp(methods[i].name, name))
			return &methods[i];
	return NULL;
}

/* --- captures --- */

/* What was not consumed goes to the front; a frame that does not fit gets room. */
static void capture_shift(struct session *s)
{
	s->buf_len -= s->buf_used;
	memmove(s->buf, s->buf + s->buf_used, s->buf_len);
	s->buf_used = 0;
	if (s->buf_bytes - s->buf_len < BUFFER_BYTES / 2) {
		s->buf_bytes = s->buf_bytes * 2 + BUFFER_BYTES;
		s->buf = grown(s->buf, s->buf_bytes);
	}
}

/* Without a wait ppoll(2) lets none in. */
static void let_signals_in(const sigset_t *none)
{
	sigset_t old;

	sigprocmask(SIG_SETMASK, none, &old);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* Signals come in here only, so that none is missed between look and sleep. */
static int capture_wait(int fd, int timeout_ms)
{
	struct timespec ts = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	sigset_t none;
	int ready;

	sigemptyset(&none);
	let_signals_in(&none);
	ready = ppoll(&pfd, 1, timeout_ms < 0 ? NULL : &ts, &none);
	if (ready < 0)
		return -errno;
	return ready ? 0 : -ETIMEDOUT;
}

static ssize_t capture_next(struct session *s, const void **batch, int timeout_ms)
{
	ssize_t got;
	int err;

	capture_shift(s);
	err = capture_wait(s->capture_fd, timeout_ms);
	if (err)
		return err;
	got = read(s->capture_fd, s->buf + s->buf_len, s->buf_bytes - s->buf_len);
	if (got < 0)
		return -errno;
	s->buf_len += got;
	*batch = s->buf;
	s->cut = !got && s->buf_len;
	return got ? (ssize_t)s->buf_len : 0;
}

static int capture_begin(struct session *s)
{
	s->capture_fd = STDIN_FILENO;
	if (is_stream(s->opt.capture)) {
		s->capture_fd = open_stream(s->opt.capture, &s->subscriber);
		return s->capture_fd < 0 ? s->capture_fd : 0;
	}
	if (strcmp(s->opt.capture, "-"))
		s->capture_fd = open(s->opt.capture, O_RDONLY | O_CLOEXEC);
	return s->capture_fd < 0 ? -errno : 0;
}

static const struct method capture = { "capture", O_RDONLY, capture_begin, capture_next };

/* --- from batch to output --- */

/* Is there, at @offset, what could be the next frame of this stream? */
static bool resumes_at(const struct session *s, struct acq_walk walk, size_t offset)
{
	const struct acq_frame *frame;

	walk.offset = offset;
	if (walk.bytes - offset < sizeof(*frame))
		return true; /* can't tell yet */
	frame = (const void *)((const char *)walk.buf + offset);
	if (frame->stride != s->stride)
		return false;
	return acq_frame_next(&walk) || walk.error == -ENODATA;
}

/* Damage: find the next frame. False if there never was one. */
static bool resync(struct session *s, struct acq_walk *walk)
{
	size_t from = walk->offset;

	if (!s->stride)
		return false;
	do
		walk->offset += 8;
	while (walk->offset < walk->bytes && !resumes_at(s, *walk, walk->offset));
	if (walk->offset > walk->bytes)
		walk->offset = walk->bytes;
	if (!s->skipped)
		say("%s: damaged behind frame %" PRIu64, s->name, s->track.next - 1);
	s->skipped += walk->offset - from;
	return true;
}

/* The frames from walk->offset to where the walk can't go on. */
static int walk_on(struct session *s, struct acq_walk *walk, bool put)
{
	const char *start = (const char *)walk->buf + walk->offset;
	const char *end;
	const struct acq_frame *frame;

	while (frames_left(s)) {
		frame = acq_frame_next(walk);
		if (!frame)
			break;
		account(s, frame);
		if (put)
			out_put(&s->out, frame);
	}
	end = (const char *)walk->buf + walk->offset;
	if (!put && showing(s))
		return out_write(&s->out, start, end - start);
	return out_flush(&s->out);
}

/* Frames as they are need no work, each of them. */
static bool putting(const struct session *s)
{
	bool rotating = s->opt.rotate_bytes || s->opt.rotate_ns;

	return showing(s) && (s->opt.format != raw || rotating);
}

static int consume(struct session *s, const void *batch, size_t bytes)
{
	struct acq_walk walk = { .buf = batch, .bytes = bytes };
	int err;

	out_batch(&s->out);
	for (;;) {
		err = walk_on(s, &walk, putting(s));
		if (err || walk.error != -EBADMSG || !frames_left(s))
			break;
		if (!resync(s, &walk)) {
			err = -EBADMSG;
			break;
		}
	}
	s->buf_used = walk.offset;
	return err;
}

/* --- the stream --- */

static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t asked; /* for the account, by SIGUSR1 */
static volatile sig_atomic_t ticked; /* a second is over */
static struct acq *volatile streaming;
/* A program that ends us may say so twice: timeout(1) tells us, and then our group. */
#define INSIST_NS NSEC_PER_SEC

/*
 * Stopping ends whatever wait we are in, and what is left still comes. Who insists
 * gets an end at once.
 */
static void on_signal(int sig)
{
	static int64_t first;
	int saved = errno;

	if (interrupted) {
		if (clock_ns() - first > INSIST_NS) {
			signal(sig, SIG_DFL);
			raise(sig);
		}
		return;
	}
	first = clock_ns();
	interrupted = 1;
	if (streaming)
		acq_stop(streaming);
	errno = saved;
}

/* A look that a signal asks for comes a second later at the latest, missed or not. */
static void on_usr1(int sig)
{
	(void)sig;
	asked = 1;
	alarm(1);
}

static void on_alarm(int sig)
{
	(void)sig;
	ticked = 1;
	alarm(1);
}

/*
 * A shell has its background jobs ignore SIGINT, and yet that is how scripts end a
 * recording; nohup's SIGHUP stays ignored.
 */
static void catch_signals(void)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct sigaction old;

	/* one after the other */
	sigaddset(&act.sa_mask, SIGINT);
	sigaddset(&act.sa_mask, SIGTERM);
	sigaddset(&act.sa_mask, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (!sigaction(SIGHUP, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &act, NULL);
	act.sa_handler = on_usr1;
	sigaction(SIGUSR1, &act, NULL);
	act.sa_handler = on_alarm;
	sigaction(SIGALRM, &act, NULL);
}

/* Until capture_wait() lets them in. */
static void hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A line on the terminal that is written over each second. */
static void begin_progress(struct session *s)
{
	s->progress = isatty(STDERR_FILENO) && s->opt.quiet < 2 && !(s->out.tty && showing(s));
	s->told_ns = clock_ns();
	if (s->progress)
		alarm(1);
}

static void ring_fill(const struct session *s, char text[48])
{
	struct acq_stats st = { .size = sizeof(st) };

	*text = 0;
	if (s->acq && !acq_get_stats(s->acq, &st))
		snprintf(text, 48, ", ring %u of %u", st.ring, s->ring);
}

static void progress(struct session *s)
{
	int64_t now = clock_ns();
	char fill[48];

	ring_fill(s, fill);
	say_passing("%" PRIu64 " frames, %.1f frames/s, %" PRIu64 " lost%s", s->track.frames,
		    (s->track.frames - s->told_frames) * 1e9 / (now - s->told_ns), s->track.lost,
		    fill);
	s->told_ns = now;
	s->told_frames = s->track.frames;
}

static void tell(struct session *s)
{
	if (asked) {
		asked = 0;
		summary(s);
		if (s->acq)
			kernel_summary(s);
	}
	if (ticked) {
		ticked = 0;
		if (s->progress)
			progress(s);
		else
			alarm(0);
	}
}

/* When to look up from waiting, whichever comes first; -1: never. */
static int64_t next_deadline(const struct session *s)
{
	int64_t end = s->stopping ? -1 : s->end_ns;
	int64_t idle = s->opt.idle_ns < 0 ? -1 : s->last_ns + s->opt.idle_ns;

	if (end < 0 || idle < 0)
		return end < 0 ? idle : end;
	return end < idle ? end : idle;
}

static int next_timeout(const struct session *s)
{
	int64_t deadline = next_deadline(s), left;

	if (deadline < 0)
		return -1;
	left = deadline - clock_ns();
	if (left <= 0)
		return 0;
	if (left > 86400 * NSEC_PER_SEC)
		left = 86400 * NSEC_PER_SEC;
	return (left + 999999) / 1000000;
}

/* Is --duration over? Then stop, and go on with what is left. */
static bool time_is_up(struct session *s)
{
	if (s->end_ns < 0 || s->stopping || clock_ns() < s->end_ns)
		return false;
	s->stopping = true;
	if (s->acq)
		acq_stop(s->acq);
	return true;
}

/* What to do about an error of the input: 0: go on. */
static int input_error(struct session *s, int err)
{
	if (err == -EINTR)
		return s->acq || !interrupted ? 0 : -EINTR;
	if (err != -ETIMEDOUT)
		return err;
	if (time_is_up(s) || s->opt.idle_ns < 0 || clock_ns() < s->last_ns + s->opt.idle_ns)
		return 0;
	return -ETIMEDOUT;
}

/* The kernel's watermark must not wait for more than we still want. */
static void lower_watermark(struct session *s)
{
	struct acq_config config = { .size = sizeof(config), .latency_us = ACQ_LATENCY_KEEP };

	if (!s->acq || !frames_left(s) || frames_left(s) >= s->watermark)
		return;
	config.watermark = frames_left(s);
	if (!acq_configure(s->acq, &config))
		s->watermark = config.watermark;
}

static bool over(const struct session *s)
{
	return !frames_left(s) || (!s->acq && (interrupted || s->stopping));
}

/* Returns 0 when everything was said that was asked for, or the reason. */
static int stream(struct session *s)
{
	const void *batch;
	ssize_t got;
	int err = 0;

	while (!err && !over(s)) {
		if (asked || ticked)
			tell(s);
		got = s->method->next(s, &batch, next_timeout(s));
		if (!got)
			return interrupted || s->stopping || !s->acq ? 0 : -ENODATA;
		if (got < 0) {
			err = input_error(s, got);
			continue;
		}
		if (s->opt.idle_ns >= 0)
			s->last_ns = clock_ns();
		err = consume(s, batch, got);
		time_is_up(s);
		lower_watermark(s);
	}
	return err == -EINTR ? 0 : err;
}

/* What ended a stream was told by what read it. */
static int end_stream(struct session *s, int err)
{
	int status = close_stream(s->capture_fd, s->subscriber);

	s->capture_fd = -1;
	return err ?: status;
}

static int run(struct session *s)
{
	int64_t now = clock_ns();
	int err;

	s->last_ns = now;
	s->end_ns = s->opt.duration_ns < 0 ? -1 : now + s->opt.duration_ns;
	streaming = s->acq;
	if (!s->acq)
		hold_signals();
	catch_signals();
	begin_progress(s);
	err = stream(s);
	alarm(0);
	streaming = NULL;
	if (s->held)
		acq_ring_release(s->acq, s->held);
	return s->subscriber ? end_stream(s, err) : err;
}

/* --- setting up --- */

/* Two seconds of frames, within reason. */
static uint64_t choose_ring(const struct session *s, const struct acq_info *info)
{
	uint64_t most = s->method == share ? SHARE_BYTES : RING_BYTES;
	uint64_t ring = 2ULL * info->rate_hz;

	if (s->opt.ring)
		return s->opt.ring;
	if (ring < info->ring_frames)
		ring = info->ring_frames;
	if (ring < 2 * s->opt.watermark)
		ring = 2 * s->opt.watermark;
	if (ring > most / info->stride && most / info->stride > s->opt.watermark)
		ring = most / info->stride;
	if (ring > info->ring_frames_max)
		ring = info->ring_frames_max;
	return ring < 2 ? 2 : ring;
}

/* Wake up twenty times a second, with at most a quarter of the ring full. */
static uint32_t choose_watermark(const struct session *s, uint32_t rate_hz)
{
	uint64_t mark = rate_hz / 20;

	if (s->opt.watermark)
		mark = s->opt.watermark;
	else if (mark > s->ring / 4)
		mark = s->ring / 4;
	if (mark > s->opt.frames)
		mark = s->opt.frames;
	return mark ?: 1;
}

/* A watermark of the user's own holds without a time limit. */
static uint32_t choose_latency(const struct session *s)
{
	if (s->opt.latency_ns >= 0)
		return (s->opt.latency_ns + 999) / 1000;
	return s->opt.watermark ? 0 : LATENCY_US;
}

/* A ring of our own choice may shrink until it is granted. */
static int configure_ring(struct session *s, uint64_t frames)
{
	struct acq_config config;
	int err;

	do {
		config = (struct acq_config){ .size = sizeof(config),
					      .latency_us = ACQ_LATENCY_KEEP };
		config.ring_frames = frames;
		err = acq_configure(s->acq, &config);
		frames /= 2;
	} while (err && !s->opt.ring && frames >= 2);
	s->ring = config.ring_frames;
	if (!err || !s->opt.ring)
		return err;
	say("%s: no ring of %" PRIu64 " frames: %s", s->name, s->opt.ring, acq_strerror(err));
	return 1;
}

static int configure_mark(struct session *s, uint32_t rate_hz)
{
	struct acq_config config = { .size = sizeof(config) };
	int err;

	config.watermark = choose_watermark(s, rate_hz);
	config.latency_us = choose_latency(s);
	err = acq_configure(s->acq, &config);
	if (err == -EINVAL) {
		say("%s: a watermark of %u does not fit into a ring of %u frames", s->name,
		    config.watermark, s->ring);
		return 1;
	}
	s->watermark = config.watermark;
	return err;
}

static int configure(struct session *s)
{
	struct acq_info info = { .size = sizeof(info) };
	int err = acq_get_info(s->acq, &info);

	if (err)
		return err;
	s->stride = info.stride;
	s->ring = choose_ring(s, &info);
	if (s->method != share)
		err = configure_ring(s, s->ring);
	if (!err)
		err = s->method->begin(s);
	if (!err)
		err = configure_mark(s, info.rate_hz);
	if (!err && s->opt.verbose)
		say("%s: %s, %u Hz, %u x %u %s; ring %u, watermark %u, latency %u us, method %s",
		    s->name, info.source, info.rate_hz, info.samples, info.channels,
		    format_name(info.format), s->ring, s->watermark, choose_latency(s),
		    s->method->name);
	return err;
}

static int begin_device(struct session *s)
{
	int err = acq_open(&s->acq, s->opt.device, s->method->flags);

	if (err) {
		say_open_error(s->name, err);
		return 1;
	}
	return configure(s);
}

static const char *input_name(const struct options *opt)
{
	if (!opt->capture)
		return opt->device ?: "acq";
	return strcmp(opt->capture, "-") ? opt->capture : "stdin";
}

static int begin_output(struct session *s)
{
	struct output *out = &s->out;

	if (s->opt.output && strcmp(s->opt.output, "-"))
		out->name = s->opt.output;
	out->format = s->opt.format;
	out->line = s->opt.line;
	out->times = s->opt.times;
	out->rotate_bytes = s->opt.rotate_bytes;
	out->rotate_ns = s->opt.rotate_ns;
	out->verbose = s->opt.verbose;
	out->input = input_name(&s->opt);
	if (out_begin(out))
		return EXIT_LOSS;
	if (out->tty && out->format->binary && showing(s)) {
		say("%s is not for a terminal; use -o FILE or a pipe", out->format->name);
		return EXIT_USAGE;
	}
	if (!out->patchable && out->format->seeks && showing(s)) {
		say("%s: %s needs a file, for lengths in its head; wav au aiff flac do without",
		    out->path, out->format->name);
		return EXIT_USAGE;
	}
	return 0;
}

static int begin_input(struct session *s)
{
	int err;

	s->capture_fd = -1;
	s->event_fd = -1;
	s->name = input_name(&s->opt);
	if (s->opt.capture) {
		s->method = &capture;
		err = capture_begin(s);
		if (err)
			say("%s: %s", s->name, strerror(-err));
		return err ? EXIT_LOSS : 0;
	}
	s->method = s->opt.method;
	err = begin_device(s);
	if (err < 0)
		say("%s: %s (--method %s)", s->name, acq_strerror(err), s->method->name);
	return err ? EXIT_LOSS : 0;
}

static void end(struct session *s)
{
	uring_end(s);
	acq_close(s->acq);
	if (s->event_fd >= 0)
		close(s->event_fd);
	if (s->capture_fd > STDIN_FILENO)
		close(s->capture_fd);
	if (!s->acq)
		free(s->buf);
	else if (s->buf)
		munmap(s->buf, s->buf_bytes);
}

static int begin_realtime(const struct options *opt)
{
	struct sched_param param = { .sched_priority = opt->realtime };

	if (opt->mlock && mlockall(MCL_CURRENT | MCL_FUTURE)) {
		say("--mlock: %s; raise 'ulimit -l', or run it as root", strerror(errno));
		return EXIT_LOSS;
	}
	if (opt->realtime && sched_setscheduler(0, SCHED_FIFO, &param)) {
		say("--realtime %d: %s; raise 'ulimit -r', or run it as root", param.sched_priority,
		    strerror(errno));
		return EXIT_LOSS;
	}
	return 0;
}

/* --- the end --- */

static void say_why(const struct session *s, int err)
{
	if (err == -ENODATA)
		say("%s: the stream was stopped", s->name);
	else if (err == -ETIMEDOUT)
		say("%s: nothing came for %g s", s->name, (double)s->opt.idle_ns / NSEC_PER_SEC);
	else if (err == -EBADMSG && !s->acq)
		say("%s: not a capture: it does not begin with a frame", s->name);
	else
		say("%s: %s", s->name, s->acq ? acq_strerror(err) : strerror(-err));
}

static int finish(struct session *s, int err)
{
	int out_err = out_end(&s->out);

	if (out_err == -EPIPE) { /* whoever read it has enough */
		say_passing(NULL);
		return flawless(s) ? EXIT_SUCCESS : EXIT_LOSS;
	}
	if (out_err)
		err = out_err;
	if (err < 0)
		say_why(s, err);
	if (s->cut)
		say("%s: ends within a frame; %zu bytes of it were left out", s->name, s->buf_len);
	if (s->skipped)
		say("%s: %" PRIu64 " bytes were no frames", s->name, s->skipped);
	if (s->opt.quiet < 2 && (s->track.frames || !err))
		summary(s);
	if (s->opt.verbose && s->acq)
		kernel_summary(s);
	if (err == EXIT_USAGE) /* a stream's address */
		return err;
	return err || !flawless(s) ? EXIT_LOSS : EXIT_SUCCESS;
}

/* --- options --- */

static const char usage[] =
	"Usage: acqread [OPTION]... [FILE]\n"
	"Read frames from a device, a capture FILE (\"-\": stdin), or nats://host/subject.\n"
	"  -d, --device NAME        acq, acq1, ... or a path (default: acq)\n"
	"  -n, --frames N           end after N frames\n"
	"  -t, --duration TIME      end after TIME: seconds, or with us, ms, s, min, h\n"
	"      --idle-timeout TIME  fail if nothing comes for TIME\n"
	"  -m, --method METHOD      read poll mmap share aio uring sigio eventfd\n"
	"  -w, --watermark N        wake up when N frames are there,\n"
	"  -l, --latency TIME       or when the oldest has waited for TIME; 0: never\n"
	"  -r, --ring N             have the kernel keep up to N frames for us\n"
	"      --realtime PRIO, --mlock  run before others (1 to 99), never swapped out\n"
	"  -f, --format FORMAT      table raw hex csv json npy vcd wav flac au ...\n"
	"  -F, --format-string TEXT  a line for each frame: %n number %S time %v values\n"
	"      --clock CLOCK        show times as monotonic, realtime or relative\n"
	"  -o, --output FILE        write there (\"-\": stdout); may have date's %Y %m ...\n"
	"      --rotate-size SIZE, --rotate-time TIME  a new FILE after 100M, 1h\n"
	"      --verify             check sequence and the simulator's counter waveform\n"
	"  -q, --quiet              no frames on stdout; twice: no summary either\n"
	"  -v, --verbose            tell each loss, the settings, the kernel's counters\n"
	"  -h, --help, -V, --version\n"
	"Exit status: 0; 1: loss, damage, or the device failed; 2: bad usage.\n"
	"Examples: acqread -n 20; acqread -t 10 -o run.acq; acqread -f csv run.acq\n";

enum {
	OPT_IDLE = 256,
	OPT_VERIFY,
	OPT_CLOCK,
	OPT_ROTATE_SIZE,
	OPT_ROTATE_TIME,
	OPT_REALTIME,
	OPT_MLOCK,
};

static const struct option long_options[] = {
	{ "device", required_argument, NULL, 'd' },
	{ "frames", required_argument, NULL, 'n' },
	{ "duration", required_argument, NULL, 't' },
	{ "idle-timeout", required_argument, NULL, OPT_IDLE },
	{ "method", required_argument, NULL, 'm' },
	{ "watermark", required_argument, NULL, 'w' },
	{ "latency", required_argument, NULL, 'l' },
	{ "ring", required_argument, NULL, 'r' },
	{ "format", required_argument, NULL, 'f' },
	{ "format-string", required_argument, NULL, 'F' },
	{ "clock", required_argument, NULL, OPT_CLOCK },
	{ "output", required_argument, NULL, 'o' },
	{ "rotate-size", required_argument, NULL, OPT_ROTATE_SIZE },
	{ "rotate-time", required_argument, NULL, OPT_ROTATE_TIME },
	{ "realtime", required_argument, NULL, OPT_REALTIME },
	{ "mlock", no_argument, NULL, OPT_MLOCK },
	{ "verify", no_argument, NULL, OPT_VERIFY },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static bool number_option(const char *what, uint64_t min, uint64_t max, uint64_t *out)
{
	char wanted[64];

	if (parse_number(optarg, min, max, out))
		return true;
	if (max == UINT64_MAX - 1)
		snprintf(wanted, sizeof(wanted), "a number from %" PRIu64, min);
	else
		snprintf(wanted, sizeof(wanted), "a number from %" PRIu64 " to %" PRIu64, min, max);
	return bad_value(what, optarg, wanted);
}

static bool time_option(const char *what, int64_t max, int64_t *out)
{
	if (parse_time(optarg, out) && *out <= max)
		return true;
	return bad_value(what, optarg, "a time like 5, 0.5, 20ms, 2min");
}

static bool method_option(struct options *opt)
{
	opt->method = find_method(optarg);
	return opt->method ||
	       bad_value("--method", optarg, "one of read poll mmap share aio uring sigio eventfd");
}

static bool format_option(struct options *opt)
{
	char wanted[320];

	opt->format = find_format(optarg);
	if (opt->format)
		return true;
	snprintf(wanted, sizeof(wanted), "one of %s", format_names());
	return bad_value("--format", optarg, wanted);
}

static bool line_option(struct options *opt)
{
	const char *bad = bad_specifier(optarg);

	if (bad) {
		say("--format-string: \"%.2s\" is not %% and one of %s", bad, SPECIFIERS);
		return false;
	}
	opt->line = optarg;
	return true;
}

static bool clock_option(struct options *opt)
{
	static const char *const names[] = {
		[TIMES_MONOTONIC] = "monotonic",
		[TIMES_REALTIME] = "realtime",
		[TIMES_RELATIVE] = "relative",
	};
	enum times times;

	for (times = TIMES_MONOTONIC; times <= TIMES_RELATIVE; times++)
		if (!strcmp(optarg, names[times])) {
			opt->times = times;
			return true;
		}
	return bad_value("--clock", optarg, "one of monotonic realtime relative");
}

static bool size_option(const char *what, uint64_t *out)
{
	return parse_size(optarg, out) ||
	       bad_value(what, optarg, "a size like 1000000, 64k, 100M, 2G");
}

static bool rotate_time_option(struct options *opt)
{
	if (!time_option("--rotate-time", INT64_MAX, &opt->rotate_ns))
		return false;
	return opt->rotate_ns ||
	       bad_value("--rotate-time", optarg, "a time like 5, 0.5, 20ms, 2min");
}

static bool take_option(struct options *opt, int c)
{
	const int64_t latency_max = ACQ_LATENCY_MAX_US * INT64_C(1000);

	switch (c) {
	case 'd':
		opt->device = optarg;
		return true;
	case 'n':
		return number_option("--frames", 1, UINT64_MAX - 1, &opt->frames);
	case 't':
		return time_option("--duration", INT64_MAX, &opt->duration_ns);
	case OPT_IDLE:
		return time_option("--idle-timeout", INT64_MAX, &opt->idle_ns);
	case 'm':
		return method_option(opt);
	case 'w':
		return number_option("--watermark", 1, UINT32_MAX, &opt->watermark);
	case 'l':
		return time_option("--latency", latency_max, &opt->latency_ns);
	case 'r':
		return number_option("--ring", 2, UINT32_MAX, &opt->ring);
	case 'f':
		return format_option(opt);
	case 'F':
		return line_option(opt);
	case OPT_CLOCK:
		return clock_option(opt);
	case 'o':
		opt->output = optarg;
		return true;
	case OPT_ROTATE_SIZE:
		return size_option("--rotate-size", &opt->rotate_bytes);
	case OPT_ROTATE_TIME:
		return rotate_time_option(opt);
	case OPT_REALTIME:
		return number_option("--realtime", 1, 99, &opt->realtime);
	case OPT_MLOCK:
		opt->mlock = true;
		return true;
	case OPT_VERIFY:
		opt->verify = true;
		return true;
	case 'q':
		opt->quiet++;
		return true;
	case 'v':
		opt->verbose++;
		return true;
	}
	return false;
}

/* A FILE that is a device after all is one. */
static void take_file(struct options *opt, const char *file)
{
	struct stat st;

	if (strcmp(file, "-") && !stat(file, &st) && S_ISCHR(st.st_mode) && !opt->device)
		opt->device = strchr(file, '/') ? file : NULL;
	if (opt->device != file)
		opt->capture = file;
}

static bool capture_consistent(const struct options *opt)
{
	if (opt->device || opt->method || opt->watermark || opt->ring || opt->latency_ns >= 0) {
		say("%s: a capture has no --device, --method, --watermark, --ring or --latency",
		    opt->capture);
		return false;
	}
	if (opt->times == TIMES_REALTIME || (opt->line && has_date(opt->line))) {
		say("%s: a capture has CLOCK_MONOTONIC's times, of a boot that it does not name; "
		    "take the time of day when recording it",
		    opt->capture);
		return false;
	}
	return true;
}

/* Before anything is put there it is emptied. */
static bool reads_output(const struct options *opt)
{
	const char *in = strcmp(opt->capture, "-") ? opt->capture : "/dev/stdin";
	struct stat from, to;

	return !stat(in, &from) && !stat(opt->output, &to) && S_ISREG(to.st_mode) &&
	       from.st_dev == to.st_dev && from.st_ino == to.st_ino;
}

static bool output_consistent(const struct options *opt)
{
	bool file = opt->output && strcmp(opt->output, "-");

	if (opt->line && opt->format) {
		say("--format %s and --format-string: one of them, please", opt->format->name);
		return false;
	}
	if (file && opt->capture && reads_output(opt)) {
		say("%s: is what is read, too, and would be lost; use another --output",
		    opt->output);
		return false;
	}
	if ((opt->rotate_bytes || opt->rotate_ns) && !file) {
		say("--rotate-size and --rotate-time need --output FILE");
		return false;
	}
	return true;
}

static bool format_consistent(const struct options *opt)
{
	if (!opt->format->put) {
		say("--format %s: built without libsndfile; install libsndfile1-dev and rebuild",
		    opt->format->name);
		return false;
	}
	if (opt->times && !opt->format->times) {
		say("--clock: %s shows no times; these do: table hex csv json --format-string",
		    opt->format->name);
		return false;
	}
	return true;
}

static void choose_format(struct options *opt)
{
	if (opt->line)
		opt->format = by_line;
	else if (!opt->format)
		opt->format = format_for(opt->output);
}

static bool consistent(struct options *opt)
{
	if ((opt->capture && !capture_consistent(opt)) || !output_consistent(opt))
		return false;
	choose_format(opt);
	return format_consistent(opt);
}

/* Returns -1: go on; else the exit status. */
static int parse_options(struct options *opt, int argc, char **argv)
{
	int c;

	*opt = (struct options){
		.frames = UINT64_MAX,
		.duration_ns = -1,
		.idle_ns = -1,
		.latency_ns = -1,
	};
	while ((c = next_option(argc, argv, "d:n:t:m:w:l:r:f:F:o:qvhV", long_options, usage)) > 0)
		if (!take_option(opt, c))
			goto bad;
	if (!c)
		return EXIT_SUCCESS;
	if (argc - optind > 1) {
		say("one FILE at a time, please");
		goto bad;
	}
	if (optind < argc)
		take_file(opt, argv[optind]);
	if (!consistent(opt))
		goto bad;
	opt->method = opt->method ?: find_method("read");
	return -1;
bad:
	fputs("Try 'acqread --help'.\n", stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct session s = { 0 };
	int status;

	status = parse_options(&s.opt, argc, argv);
	if (status >= 0)
		return status;
	/* last the output: a file that is there stays while there is nothing to put into it */
	status = begin_input(&s) ?: begin_realtime(&s.opt) ?: begin_output(&s);
	if (!status)
		status = finish(&s, run(&s));
	end(&s);
	return status;
}
