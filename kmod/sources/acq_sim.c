// SPDX-License-Identifier: GPL-2.0-only
/*
 * acq_sim - a simulated converter, and its driver
 *
 * Two halves that share nothing but registers and an interrupt line. The device
 * model has a sample clock, a FIFO, a level-triggered interrupt, and faults on
 * demand. The driver is the one that a real converter of this kind would have:
 * it finds out about everything, faults included, as a real driver must.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/fixp-arith.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irq_work.h>
#include <linux/irqdomain.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include <linux/acq.h>

#define SIM_RATE_MAX 10000000 /* frames per second */
#define SIM_BYTES_MAX 1000000000 /* of frames, per second */
#define SIM_TICKS_MAX 10000 /* of the sample clock, per second */
#define SIM_IRQS_AUTO 1000 /* per second */
#define SIM_CHANNELS_MAX 16
#define SIM_SAMPLES_MAX 4096
#define SIM_IRQ_FRAMES_MAX 65536
#define SIM_DEPTH_AUTO 1048576
#define SIM_DEPTH_MAX 16777216
#define SIM_FAULTS_MAX 10000 /* the kernel shuts off a line after 99900 spurious interrupts */
#define SIM_WAVE 256 /* scans of one period */

/*
 * The registers, and DATA, which is read in bursts: model_read_data(). No register
 * can read as all ones. The settings, from RATE on, stand still while CONTROL is 1.
 */
enum sim_reg {
	SIM_STATUS, /* SIM_READY, SIM_OVERFLOW */
	SIM_LEVEL, /* frames that DATA has, up to the next loss */
	SIM_LOST, /* frames lost before what DATA has next; reading clears it */
	SIM_ENABLE, /* the status bits that interrupt */
	SIM_CONTROL, /* 1: run, with an empty FIFO; 0: stop */
	SIM_RATE, /* frames per second */
	SIM_CHANNELS, /* values of a scan */
	SIM_SAMPLES, /* scans of a frame */
	SIM_FORMAT, /* of a value: enum sim_format */
	SIM_THRESHOLD, /* frames that make READY */
	SIM_DEPTH, /* frames that fit into the FIFO */
	SIM_REGS
};

#define SIM_READY BIT(0) /* THRESHOLD is reached, or there was a loss */
#define SIM_OVERFLOW BIT(1) /* LOST is not 0 */

enum sim_format {
	SIM_U8,
	SIM_S8,
	SIM_U16,
	SIM_S16,
	SIM_U32,
	SIM_S32
};

static const char *const sim_formats[] = { "u8", "s8", "u16", "s16", "u32", "s32", NULL };

enum sim_waveform {
	SIM_SINE,
	SIM_RAMP,
	SIM_COUNTER,
	SIM_NOISE
};

static const char *const sim_waveforms[] = { "sine", "ramp", "counter", "noise", NULL };

static u32 sim_format_bytes(enum sim_format format)
{
	return 1 << format / 2;
}

/* Frames of one tick of the sample clock: a multiple of THRESHOLD. */
static u32 sim_burst(u32 rate, u32 threshold)
{
	return threshold * DIV_ROUND_UP(rate, threshold * SIM_TICKS_MAX);
}

/* ---------------------------------------------------------------------------
 * The device model
 *
 * Its lock covers the fields that follow it and is taken in every context: by the
 * clock and by quiet() in hard interrupts, by mask and unmask under the interrupt
 * descriptor's lock. Under it an irq_work is queued at most, which takes no lock.
 *
 * The FIFO keeps counts. What a frame holds follows from how many were read from
 * DATA before it, which is its acq_frame.seq: the core numbers from 0 the frames
 * that it gets, and the driver commits each that it reads, in order. So a loss
 * in the FIFO doesn't move the waveform, as it doesn't move seq.
 */
struct sim_model {
	struct hrtimer clock; /* its tick is a hard interrupt */
	struct irq_work work; /* raises the interrupt: the clock and unmask can't */
	struct fwnode_handle *fwnode;
	struct irq_domain *domain; /* of one interrupt */
	unsigned int irq;
	u64 noise; /* DATA alone touches it, and has one reader at a time */

	raw_spinlock_t lock;
	u32 reg[SIM_REGS]; /* the settings are read without the lock, too */
	bool masked; /* at the interrupt controller */
	ktime_t started; /* CONTROL became 1 */
	u32 burst; /* frames of one tick */
	u64 ticks; /* since then */
	u32 level; /* frames in the FIFO */
	u64 lost; /* frames, before the one at mark; 0: no loss */
	u32 mark; /* frames in the FIFO that are older than the loss */
	u64 index; /* frames read from DATA */
	u32 waveform; /* enum sim_waveform */

	/* faults on demand; counts go down as they take effect */
	u32 stall; /* the clock brings nothing */
	u32 spurious; /* so many interrupts without a status */
	u32 overflow; /* the next so many frames are lost */
	u32 storm; /* READY sticks, and so many writes of 0 to ENABLE do nothing */
	u32 dead; /* reads give all ones, writes do nothing, the clock stands still */
};

/* One period of sine and of ramp, signed, all of 32 bits. */
static u32 sim_wave[2][SIM_WAVE] __ro_after_init;

static void __init model_make_waves(void)
{
	u32 i;

	/* fixp_sin32_rad() interpolates between degrees: a turn is a multiple of 360 */
	for (i = 0; i < SIM_WAVE; i++) {
		sim_wave[SIM_SINE][i] = fixp_sin32_rad(i * 360, SIM_WAVE * 360);
		sim_wave[SIM_RAMP][i] = S32_MIN + i * (U32_MAX / SIM_WAVE + 1);
	}
}

static u32 model_status(const struct sim_model *m)
{
	u32 status = 0;

	if (m->level >= m->reg[SIM_THRESHOLD] || m->lost || m->storm)
		status |= SIM_READY;
	if (m->lost && !m->mark)
		status |= SIM_OVERFLOW;
	return status;
}

static bool model_asserts(const struct sim_model *m)
{
	return m->reg[SIM_CONTROL] && !m->dead && (m->reg[SIM_ENABLE] & model_status(m));
}

/*
 * Whoever changes what the line depends on comes here. The line is a level: while
 * it is high and not masked the interrupt comes, and comes again.
 */
static void model_update_line(struct sim_model *m)
{
	lockdep_assert_held(&m->lock);
	if (!m->masked && (m->spurious || model_asserts(m)))
		irq_work_queue(&m->work);
}

/* Hard interrupt. handle_level_irq() masks, calls the handler, and unmasks. */
static void model_raise(struct irq_work *work)
{
	struct sim_model *m = container_of(work, struct sim_model, work);
	bool raise;

	raw_spin_lock(&m->lock);
	raise = !m->masked && (model_asserts(m) || m->spurious);
	if (raise && !model_asserts(m))
		m->spurious--;
	raw_spin_unlock(&m->lock);
	if (raise)
		generic_handle_domain_irq(m->domain, 0);
}

static void model_irq_mask(struct irq_data *data)
{
	struct sim_model *m = irq_data_get_irq_chip_data(data);

	raw_spin_lock(&m->lock);
	m->masked = true;
	raw_spin_unlock(&m->lock);
}

static void model_irq_unmask(struct irq_data *data)
{
	struct sim_model *m = irq_data_get_irq_chip_data(data);

	raw_spin_lock(&m->lock);
	m->masked = false;
	model_update_line(m);
	raw_spin_unlock(&m->lock);
}

static int model_irq_set_type(struct irq_data *data, unsigned int type)
{
	return type == IRQ_TYPE_LEVEL_HIGH ? IRQ_SET_MASK_OK : -EINVAL;
}

static struct irq_chip model_irq_chip = {
	.name = KBUILD_MODNAME,
	.irq_mask = model_irq_mask,
	.irq_unmask = model_irq_unmask,
	.irq_set_type = model_irq_set_type,
};

static int model_irq_map(struct irq_domain *domain, unsigned int irq, irq_hw_number_t hw)
{
	irq_set_chip_data(irq, domain->host_data);
	irq_set_chip_and_handler(irq, &model_irq_chip, handle_level_irq);
	irq_set_noprobe(irq);
	return 0;
}

static const struct irq_domain_ops model_irq_domain_ops = { .map = model_irq_map };

/*
 * One count can't tell of losses in two places. If a second one comes before the
 * first was seen, the frames between go as well: LEVEL has not shown them yet.
 */
static void model_lose(struct sim_model *m, u64 frames)
{
	if (!frames)
		return;
	if (m->lost) {
		m->lost += m->level - m->mark;
		m->level = m->mark;
	} else {
		m->mark = m->level;
	}
	m->lost += frames;
}

static void model_produce(struct sim_model *m, u64 frames)
{
	u32 forced = min_t(u64, frames, m->overflow), fit;

	lockdep_assert_held(&m->lock);
	m->overflow -= forced;
	model_lose(m, forced);
	frames -= forced;

	fit = min_t(u64, frames, m->reg[SIM_DEPTH] - m->level);
	m->level += fit;
	model_lose(m, frames - fit);
}

/* When all of its frames are due, and not a nanosecond earlier. */
static ktime_t model_next_tick(const struct sim_model *m)
{
	u64 frames = (m->ticks + 1) * m->burst;

	return ktime_add_ns(m->started,
			    mul_u64_u32_div(frames, NSEC_PER_SEC, m->reg[SIM_RATE]) + 1);
}

/*
 * Hard interrupt. What is due is counted from the start, so that neither late
 * ticks nor the rounding of a period touch the rate.
 */
static enum hrtimer_restart model_tick(struct hrtimer *clock)
{
	struct sim_model *m = container_of(clock, struct sim_model, clock);
	bool run;
	u64 due;

	raw_spin_lock(&m->lock);
	run = m->reg[SIM_CONTROL] && !m->dead;
	if (run) {
		due = mul_u64_u32_div(ktime_to_ns(ktime_sub(ktime_get(), m->started)),
				      m->reg[SIM_RATE], NSEC_PER_SEC);
		due = div_u64(due, m->burst) - m->ticks;
		m->ticks += due;
		if (!m->stall)
			model_produce(m, due * m->burst);
		hrtimer_set_expires(clock, model_next_tick(m));
		model_update_line(m);
	}
	raw_spin_unlock(&m->lock);
	return run ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

static void model_start(struct sim_model *m)
{
	m->level = 0;
	m->mark = 0;
	m->lost = 0;
	m->ticks = 0;
	m->burst = sim_burst(m->reg[SIM_RATE], m->reg[SIM_THRESHOLD]);
	m->started = ktime_get();
}

/* After it no interrupt is on its way any more. */
static void model_halt(struct sim_model *m)
{
	hrtimer_cancel(&m->clock);
	irq_work_sync(&m->work);
}

static u32 model_take_lost(struct sim_model *m)
{
	u32 lost = m->mark ? 0 : min_t(u64, m->lost, U32_MAX - 1);

	m->lost -= lost;
	return lost;
}

/* Any context. */
static u32 reg_read(struct sim_model *m, enum sim_reg reg)
{
	unsigned long flags;
	u32 value;

	raw_spin_lock_irqsave(&m->lock, flags);
	if (m->dead)
		value = U32_MAX;
	else if (reg == SIM_STATUS)
		value = model_status(m);
	else if (reg == SIM_LEVEL)
		value = m->lost ? m->mark : m->level;
	else if (reg == SIM_LOST)
		value = model_take_lost(m);
	else
		value = m->reg[reg];
	raw_spin_unlock_irqrestore(&m->lock, flags);
	return value;
}

/* Any context; CONTROL: process context, one at a time. */
static void reg_write(struct sim_model *m, enum sim_reg reg, u32 value)
{
	unsigned long flags;
	bool run;

	raw_spin_lock_irqsave(&m->lock, flags);
	if (reg == SIM_ENABLE && !value && m->storm)
		m->storm--;
	else if (!m->dead)
		m->reg[reg] = value;
	run = m->reg[SIM_CONTROL];
	if (reg == SIM_CONTROL && run)
		model_start(m);
	model_update_line(m);
	raw_spin_unlock_irqrestore(&m->lock, flags);

	if (reg == SIM_CONTROL && run)
		hrtimer_start(&m->clock, model_next_tick(m), HRTIMER_MODE_ABS_HARD);
	else if (reg == SIM_CONTROL)
		model_halt(m);
}

/* A word holds several values, its lanes; they are added without a carry between. */
static u64 model_lanes_add(u64 a, u64 b, u64 high)
{
	return ((a & ~high) + (b & ~high)) ^ ((a ^ b) & high);
}

/* Value i of the frame with seq s is s * values + i, truncated. */
static void model_fill_counter(const struct sim_model *m, void *to, u32 frames, u32 stride,
			       u64 first)
{
	const u32 bits = 8 * sim_format_bytes(m->reg[SIM_FORMAT]);
	const u32 values = m->reg[SIM_CHANNELS] * m->reg[SIM_SAMPLES];
	const u32 bytes = values * bits / 8, words = bytes / 8, tail = bytes % 8;
	const u64 mask = GENMASK_ULL(bits - 1, 0);
	const u64 ones = div64_u64(U64_MAX, mask);
	const u64 high = ones << (bits - 1), step = ones * (64 / bits);
	/* 0, 1, 2 ... in the order of memory; the lanes of ones * ones are 1, 2, 3 ... */
	const u64 index = IS_ENABLED(CONFIG_CPU_BIG_ENDIAN) ? step - ones * ones :
							      ones * ones - ones;
	u64 value = first * values, word, *at;
	u32 i;

	for (; frames; frames--, to += stride, value += values) {
		word = model_lanes_add(ones * (value & mask), index, high);
		for (at = to, i = 0; i < words; i++) {
			*at++ = word;
			word = model_lanes_add(word, step, high);
		}
		if (tail)
			memcpy(at, &word, tail);
	}
}

/* xorshift64 */
static u64 model_noise(struct sim_model *m)
{
	m->noise ^= m->noise << 13;
	m->noise ^= m->noise >> 7;
	m->noise ^= m->noise << 17;
	return m->noise;
}

static void model_fill_noise(struct sim_model *m, void *to, u32 frames, u32 stride)
{
	const u32 bytes =
		m->reg[SIM_CHANNELS] * m->reg[SIM_SAMPLES] * sim_format_bytes(m->reg[SIM_FORMAT]);
	u64 word;
	u32 at;

	for (; frames; frames--, to += stride) {
		for (at = 0; at < bytes; at += sizeof(word)) {
			word = model_noise(m);
			memcpy(to + at, &word, min_t(u32, bytes - at, sizeof(word)));
		}
	}
}

/* as many of the upper bits as a value has */
static void *model_put(void *to, u32 value, enum sim_format format)
{
	if (format <= SIM_S8)
		*(u8 *)to = value >> 24;
	else if (format <= SIM_S16)
		*(u16 *)to = value >> 16;
	else
		*(u32 *)to = value;
	return to + sim_format_bytes(format);
}

/* The channels' phases are spread over the period. */
static void model_fill_wave(const struct sim_model *m, void *to, u32 frames, u32 stride, u32 scan,
			    const u32 *wave)
{
	const u32 format = m->reg[SIM_FORMAT], channels = m->reg[SIM_CHANNELS];
	const u32 flip = format % 2 ? 0 : BIT(31); /* the even ones are unsigned */
	u32 i, k;

	for (; frames; frames--, to += stride) {
		void *at = to;

		for (i = 0; i < m->reg[SIM_SAMPLES]; i++, scan++) {
			for (k = 0; k < channels; k++) {
				u32 phase = scan + k * SIM_WAVE / channels;

				at = model_put(at, wave[phase % SIM_WAVE] ^ flip, format);
			}
		}
	}
}

/*
 * A burst of DATA: @frames payloads, @stride bytes apart, no more than LEVEL told.
 * One reader at a time.
 */
static void model_read_data(struct sim_model *m, void *to, u32 frames, u32 stride)
{
	unsigned long flags;
	u32 waveform;
	u64 first;

	raw_spin_lock_irqsave(&m->lock, flags);
	waveform = m->waveform;
	first = m->index;
	m->index += frames;
	m->level -= min(frames, m->level);
	m->mark -= min(frames, m->mark);
	raw_spin_unlock_irqrestore(&m->lock, flags);

	if (waveform == SIM_COUNTER)
		model_fill_counter(m, to, frames, stride, first);
	else if (waveform == SIM_NOISE)
		model_fill_noise(m, to, frames, stride);
	else
		model_fill_wave(m, to, frames, stride, first * m->reg[SIM_SAMPLES],
				sim_wave[waveform]);
}

/* The interrupt has been freed. */
static void model_exit(void *data)
{
	struct sim_model *m = data;

	model_halt(m);
	irq_dispose_mapping(m->irq);
	irq_domain_remove(m->domain);
	irq_domain_free_fwnode(m->fwnode);
}

#ifndef ACQ_HAS_HRTIMER_SETUP
static void hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *),
			  clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

static int model_init(struct sim_model *m)
{
	raw_spin_lock_init(&m->lock);
	m->masked = true;
	m->noise = 0x9e3779b97f4a7c15;
	m->work = IRQ_WORK_INIT_HARD(model_raise);
	hrtimer_setup(&m->clock, model_tick, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);

	m->fwnode = irq_domain_alloc_named_fwnode(KBUILD_MODNAME);
	if (!m->fwnode)
		return -ENOMEM;
	m->domain = irq_domain_create_linear(m->fwnode, 1, &model_irq_domain_ops, m);
	if (!m->domain)
		goto free_fwnode;
	m->irq = irq_create_mapping(m->domain, 0);
	if (!m->irq)
		goto remove_domain;
	return 0;

remove_domain:
	irq_domain_remove(m->domain);
free_fwnode:
	irq_domain_free_fwnode(m->fwnode);
	return -ENOMEM;
}

/* ---------------------------------------------------------------------------
 * The driver
 */
static unsigned int rate = 1000;
module_param(rate, uint, 0444);
MODULE_PARM_DESC(rate, "frames per second, 1..10000000 (default 1000)");

static unsigned int channels = 1;
module_param(channels, uint, 0444);
MODULE_PARM_DESC(channels, "values of one scan, 1..16 (default 1)");

static unsigned int samples = 16;
module_param(samples, uint, 0444);
MODULE_PARM_DESC(samples, "scans of one frame, 1..4096 (default 16)");

static char *format = "s16";
module_param(format, charp, 0444);
MODULE_PARM_DESC(format, "u8, s8, u16, s16, u32 or s32 (default s16)");

static char *waveform = "sine";
module_param(waveform, charp, 0444);
MODULE_PARM_DESC(waveform, "sine, ramp, counter or noise (default sine)");

static unsigned int irq_frames;
module_param(irq_frames, uint, 0444);
MODULE_PARM_DESC(irq_frames, "frames per interrupt, 1..65536; 0: by the rate (default)");

static unsigned int fifo_depth;
module_param(fifo_depth, uint, 0444);
MODULE_PARM_DESC(fifo_depth, "frames in the FIFO, irq_frames..16777216; 0: by the rate (default)");

struct acq_sim {
	struct sim_model model; /* the driver uses its registers and irq, no more */
	struct acq_device *adev; /* set before there are attributes */
	u32 payload; /* bytes of a frame; changes by setup() only */

	/* asked for, under the device's mutex */
	u32 irq_frames; /* 0: by the rate */
	u32 fifo_depth; /* 0: by the rate */
};

static struct platform_device *sim_pdev;

static void sim_unplug(struct work_struct *work)
{
	device_release_driver(&sim_pdev->dev);
}

/* the module's, as it frees the struct acq_sim */
static DECLARE_WORK(sim_unplug_work, sim_unplug);

/* All ones are read where nobody answers: the device has gone, and we go too. */
static bool sim_gone(u32 value)
{
	if (value != U32_MAX)
		return false;
	schedule_work(&sim_unplug_work);
	return true;
}

static int sim_setup(void *priv, struct acq_geometry *geo)
{
	struct acq_sim *sim = priv;
	u32 threshold = sim->irq_frames, depth = sim->fifo_depth, coding, stride;

	if (!geo->rate_hz || !geo->channels || geo->channels > SIM_CHANNELS_MAX || !geo->samples ||
	    geo->samples > SIM_SAMPLES_MAX)
		return -EINVAL;
	coding = geo->format - ACQ_FORMAT_U8;
	geo->payload_max = geo->channels * geo->samples * sim_format_bytes(coding);
	stride = ALIGN(sizeof(struct acq_frame) + geo->payload_max, 8);
	geo->rate_hz = min3(geo->rate_hz, (u32)SIM_RATE_MAX, SIM_BYTES_MAX / stride);
	if (!threshold)
		threshold = clamp(geo->rate_hz / SIM_IRQS_AUTO, 1U,
				  depth ? DIV_ROUND_UP(depth, 4) : SIM_IRQ_FRAMES_MAX);
	if (!depth)
		depth = max3(4 * threshold, min_t(u32, geo->rate_hz, SIM_DEPTH_AUTO), 16U);
	geo->batch = sim_burst(geo->rate_hz, threshold);
	sim->payload = geo->payload_max;

	reg_write(&sim->model, SIM_RATE, geo->rate_hz);
	reg_write(&sim->model, SIM_CHANNELS, geo->channels);
	reg_write(&sim->model, SIM_SAMPLES, geo->samples);
	reg_write(&sim->model, SIM_FORMAT, coding);
	reg_write(&sim->model, SIM_THRESHOLD, threshold);
	reg_write(&sim->model, SIM_DEPTH, depth);
	return 0;
}

static int sim_start(void *priv, struct acq_device *adev)
{
	struct acq_sim *sim = priv;

	if (sim_gone(reg_read(&sim->model, SIM_STATUS)))
		return -ENODEV;
	reg_write(&sim->model, SIM_CONTROL, 1);
	reg_write(&sim->model, SIM_ENABLE, SIM_READY | SIM_OVERFLOW);
	return 0;
}

static void sim_stop(void *priv)
{
	struct acq_sim *sim = priv;

	reg_write(&sim->model, SIM_ENABLE, 0);
	reg_write(&sim->model, SIM_CONTROL, 0);
}

static bool sim_quiet(void *priv)
{
	struct acq_sim *sim = priv;
	u32 status = reg_read(&sim->model, SIM_STATUS);

	if (sim_gone(status) || !(status & reg_read(&sim->model, SIM_ENABLE)))
		return false;
	reg_write(&sim->model, SIM_ENABLE, 0);
	return true;
}

static void sim_drain(void *priv, struct acq_batch *batch)
{
	struct acq_sim *sim = priv;
	u32 status = reg_read(&sim->model, SIM_STATUS);
	u32 lost = status & SIM_OVERFLOW ? reg_read(&sim->model, SIM_LOST) : 0;
	u32 left = reg_read(&sim->model, SIM_LEVEL);
	u32 stride = acq_batch_stride(batch), frames;
	void *to;

	if (sim_gone(left))
		return;
	if (lost)
		acq_batch_hw_lost(batch, lost);
	for (; left; left -= frames) {
		frames = left;
		to = acq_batch_reserve(batch, &frames);
		model_read_data(&sim->model, to, frames, stride);
		/* it may have gone in the midst of that */
		if (sim_gone(reg_read(&sim->model, SIM_STATUS)))
			return;
		acq_batch_commit(batch, frames, sim->payload, 0);
	}
}

static void sim_unquiet(void *priv)
{
	struct acq_sim *sim = priv;

	reg_write(&sim->model, SIM_ENABLE, SIM_READY | SIM_OVERFLOW);
}

static const struct acq_source_ops sim_ops = {
	.owner = THIS_MODULE,
	.setup = sim_setup,
	.start = sim_start,
	.stop = sim_stop,
	.quiet = sim_quiet,
	.drain = sim_drain,
	.unquiet = sim_unquiet,
};

/*
 * An attribute is a u32 in struct acq_sim. What the driver asks of the device is
 * changed through acq_setup(). The rest is the model's: signal and faults, by a
 * hand that reaches around the driver.
 */
struct sim_attribute {
	struct device_attribute attr;
	size_t value;
	size_t granted; /* shown instead */
	u32 max;
	const char *const *names; /* NULL: a number */
	bool setup;
};

static u32 *sim_field(struct device *dev, size_t offset)
{
	return dev_get_drvdata(dev) + offset;
}

static ssize_t sim_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct sim_attribute *sa = container_of(attr, struct sim_attribute, attr);
	u32 value = READ_ONCE(*sim_field(dev, sa->granted));

	if (sa->names)
		return sysfs_emit(buf, "%s\n", sa->names[value]);
	return sysfs_emit(buf, "%u\n", value);
}

struct sim_change {
	struct acq_sim *sim;
	u32 *setting;
	u32 value;
	bool swapped;
};

/* The format is the geometry's; a setting is ours, and comes back in @arg. */
static int sim_change(struct acq_geometry *geo, void *arg)
{
	struct sim_change *change = arg;
	struct acq_sim *sim = change->sim;

	if (change->setting == &sim->model.reg[SIM_FORMAT]) {
		geo->format = ACQ_FORMAT_U8 + change->value;
		return 0;
	}
	swap(*change->setting, change->value);
	if (sim->fifo_depth && sim->irq_frames > sim->fifo_depth) {
		swap(*change->setting, change->value);
		return -EINVAL;
	}
	change->swapped = true;
	return 0;
}

static int sim_set(struct sim_change *change)
{
	int err = acq_setup(change->sim->adev, sim_change, change);

	/* the core couldn't follow: change it back */
	if (err && change->swapped)
		acq_setup(change->sim->adev, sim_change, change);
	return err;
}

static void sim_poke(struct sim_model *m, u32 *field, u32 value)
{
	raw_spin_lock_irq(&m->lock);
	WRITE_ONCE(*field, value);
	if (m->dead)
		m->spurious = 1; /* the line twitches once more, and the driver looks */
	model_update_line(m);
	raw_spin_unlock_irq(&m->lock);
}

static ssize_t sim_store(struct device *dev, struct device_attribute *attr, const char *buf,
			 size_t count)
{
	struct sim_attribute *sa = container_of(attr, struct sim_attribute, attr);
	struct acq_sim *sim = dev_get_drvdata(dev);
	struct sim_change change = { .sim = sim, .setting = sim_field(dev, sa->value) };
	int match;

	if (sa->names) {
		match = __sysfs_match_string(sa->names, -1, buf);
		if (match < 0)
			return match;
		change.value = match;
	} else if (kstrtou32(buf, 0, &change.value) || change.value > sa->max) {
		return -EINVAL;
	}
	if (sa->setup)
		return sim_set(&change) ?: count;
	sim_poke(&sim->model, change.setting, change.value);
	return count;
}

#define SIM_ATTRIBUTE(_name, _value, _granted, _max, _names, _setup) \
	static struct sim_attribute sim_##_name = { \
		.attr = __ATTR(_name, 0644, sim_show, sim_store), \
		.value = offsetof(struct acq_sim, _value), \
		.granted = offsetof(struct acq_sim, _granted), \
		.max = _max, \
		.names = _names, \
		.setup = _setup, \
	}

SIM_ATTRIBUTE(format, model.reg[SIM_FORMAT], model.reg[SIM_FORMAT], 0, sim_formats, true);
SIM_ATTRIBUTE(irq_frames, irq_frames, model.reg[SIM_THRESHOLD], SIM_IRQ_FRAMES_MAX, NULL, true);
SIM_ATTRIBUTE(fifo_depth, fifo_depth, model.reg[SIM_DEPTH], SIM_DEPTH_MAX, NULL, true);
SIM_ATTRIBUTE(waveform, model.waveform, model.waveform, 0, sim_waveforms, false);
SIM_ATTRIBUTE(fault_stall, model.stall, model.stall, 1, NULL, false);
SIM_ATTRIBUTE(fault_spurious, model.spurious, model.spurious, SIM_FAULTS_MAX, NULL, false);
SIM_ATTRIBUTE(fault_overflow, model.overflow, model.overflow, U32_MAX, NULL, false);
SIM_ATTRIBUTE(fault_storm, model.storm, model.storm, SIM_FAULTS_MAX, NULL, false);
SIM_ATTRIBUTE(fault_dead, model.dead, model.dead, 1, NULL, false);

/* An attribute can't wait for its own end: the work item does. */
static ssize_t unplug_store(struct device *dev, struct device_attribute *attr, const char *buf,
			    size_t count)
{
	bool now;

	if (kstrtobool(buf, &now) || !now)
		return -EINVAL;
	schedule_work(&sim_unplug_work);
	return count;
}
static DEVICE_ATTR_WO(unplug);

static struct attribute *sim_attrs[] = {
	&sim_format.attr.attr,
	&sim_irq_frames.attr.attr,
	&sim_fifo_depth.attr.attr,
	&sim_waveform.attr.attr,
	&sim_fault_stall.attr.attr,
	&sim_fault_spurious.attr.attr,
	&sim_fault_overflow.attr.attr,
	&sim_fault_storm.attr.attr,
	&sim_fault_dead.attr.attr,
	&dev_attr_unplug.attr,
	NULL,
};
ATTRIBUTE_GROUPS(sim);

static void sim_unregister(void *data)
{
	acq_unregister(data);
	/* Stopping a device that is gone notices it once more: not to unplug the next one. */
	cancel_work(&sim_unplug_work);
}

static int sim_register(struct device *dev, struct acq_sim *sim)
{
	struct acq_source src = {
		.name = KBUILD_MODNAME,
		.ops = &sim_ops,
		.priv = sim,
		.parent = dev,
		.irq = sim->model.irq,
		.irqflags = IRQF_TRIGGER_HIGH,
		.rate_max_hz = SIM_RATE_MAX,
		.channels_max = SIM_CHANNELS_MAX,
		.samples_max = SIM_SAMPLES_MAX,
		.formats = GENMASK(ACQ_FORMAT_S32, ACQ_FORMAT_U8),
	};
	int err;

	src.geo.rate_hz = rate;
	src.geo.channels = channels;
	src.geo.samples = samples;
	src.geo.format = ACQ_FORMAT_U8 + __sysfs_match_string(sim_formats, -1, format);
	err = sim_setup(sim, &src.geo);
	if (err)
		return err;
	sim->adev = acq_register(&src);
	if (IS_ERR(sim->adev))
		return PTR_ERR(sim->adev);
	return devm_add_action_or_reset(dev, sim_unregister, sim->adev);
}

static int sim_probe(struct platform_device *pdev)
{
	struct acq_sim *sim = devm_kzalloc(&pdev->dev, sizeof(*sim), GFP_KERNEL);
	int err;

	if (!sim)
		return -ENOMEM;
	platform_set_drvdata(pdev, sim);
	/* the parameters were checked when the module was loaded */
	sim->irq_frames = irq_frames;
	sim->fifo_depth = fifo_depth;
	sim->model.waveform = __sysfs_match_string(sim_waveforms, -1, waveform);

	err = model_init(&sim->model);
	if (err)
		return err;
	err = devm_add_action_or_reset(&pdev->dev, model_exit, &sim->model);
	if (err)
		return err;
	return sim_register(&pdev->dev, sim);
}

static struct platform_driver sim_driver = {
	.probe = sim_probe,
	.driver = {
		.name = KBUILD_MODNAME,
		.dev_groups = sim_groups,
		.probe_type = PROBE_FORCE_SYNCHRONOUS,
	},
};

static bool __init sim_check(const char *name, u32 value, u32 least, u32 most)
{
	if (value >= least && value <= most)
		return true;
	pr_err("%s=%u must be within %u..%u\n", name, value, least, most);
	return false;
}

static bool __init sim_check_name(const char *name, const char *value, const char *const *names,
				  const char *all)
{
	if (__sysfs_match_string(names, -1, value) >= 0)
		return true;
	pr_err("%s=%s must be one of %s\n", name, value, all);
	return false;
}

static bool __init sim_check_params(void)
{
	return sim_check("rate", rate, 1, SIM_RATE_MAX) &&
	       sim_check("channels", channels, 1, SIM_CHANNELS_MAX) &&
	       sim_check("samples", samples, 1, SIM_SAMPLES_MAX) &&
	       sim_check("irq_frames", irq_frames, 0, SIM_IRQ_FRAMES_MAX) &&
	       sim_check("fifo_depth", fifo_depth, fifo_depth ? irq_frames : 0, SIM_DEPTH_MAX) &&
	       sim_check_name("format", format, sim_formats, "u8 s8 u16 s16 u32 s32") &&
	       sim_check_name("waveform", waveform, sim_waveforms, "sine ramp counter noise");
}

static int __init sim_init(void)
{
	int err;

	if (!sim_check_params())
		return -EINVAL;
	model_make_waves();
	sim_pdev = platform_device_register_simple(KBUILD_MODNAME, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(sim_pdev))
		return PTR_ERR(sim_pdev);
	err = platform_driver_register(&sim_driver);
	/* the reason why a probe failed is in the log only */
	if (!err && !sim_pdev->dev.driver) {
		platform_driver_unregister(&sim_driver);
		err = -ENODEV;
	}
	if (err)
		platform_device_unregister(sim_pdev);
	return err;
}

static void __exit sim_exit(void)
{
	platform_driver_unregister(&sim_driver);
	/* unbound: nobody can queue it any more */
	cancel_work_sync(&sim_unplug_work);
	platform_device_unregister(sim_pdev);
}

module_init(sim_init);
module_exit(sim_exit);

MODULE_DESCRIPTION("Simulated converter for acq");
MODULE_LICENSE("GPL");
