// SPDX-License-Identifier: GPL-2.0-only
/*
 * acq_uart - what the receiver of a 16550 on a PCI serial card gets
 *
 * A frame is what the FIFO held when it was drained: 1 to 16 bytes, fewer than 14
 * if the line paused for the time of four characters. A byte that something was
 * wrong with ends its frame early, so that the frame's flags tell of its last byte.
 * An overrun tells that at least one byte was lost, never how many: acq_stats.hw_lost
 * counts overruns. They lost what came after the FIFO was full, so the next frame
 * has the flag, and it is right to within one FIFO's length if bytes keep coming.
 *
 * The kernel's own driver knows these cards, so there are no ids here: a card is
 * ours only if its driver_override says so (or by new_id).
 *
 * Locking: none. Whoever writes to the registers is alone. Interrupts are enabled
 * from the end of start() or unquiet() to quiet() or stop(), so quiet() finds one of
 * ours pending at no other time, and only then writes; one interrupt is under way at
 * a time. While start() has the divisor in the place of the data and IER, quiet()
 * may come for a neighbour on the line, but IIR stays where it is.
 */
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/math.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/serial_reg.h>

#include <linux/acq.h>

#define UART_REGS 8
#define UART_CLOCK 115200 /* baud with a divisor of 1, on a card with the usual crystal */
#define UART_FIFO_BYTES 16
#define UART_FRAMES_MAX 16 /* of one drain; what is left interrupts again */

#define UART_IER_ON (UART_IER_RDI | UART_IER_RLSI)
#define UART_FCR_ON (UART_FCR_ENABLE_FIFO | UART_FCR_R_TRIG_11) /* 14 bytes */
#define UART_LSR_BYTE (UART_LSR_BI | UART_LSR_FE | UART_LSR_PE) /* of the byte that is next */

static int baud_set(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 2, UART_CLOCK);
}

static const struct kernel_param_ops baud_ops = { .set = baud_set, .get = param_get_uint };
static unsigned int baud = UART_CLOCK;
module_param_cb(baud, &baud_ops, &baud, 0444);
MODULE_PARM_DESC(baud, "bits per second, 2..115200 (default 115200); 8 data bits, no parity");

struct acq_uart {
	void __iomem *regs;
};

static u8 uart_in(struct acq_uart *uart, unsigned int reg)
{
	return ioread8(uart->regs + reg);
}

static void uart_out(struct acq_uart *uart, unsigned int reg, u8 value)
{
	iowrite8(value, uart->regs + reg);
}

/* All ones are read where nobody answers; the upper bits of IER are always 0. */
static bool uart_gone(struct acq_uart *uart)
{
	return uart_in(uart, UART_IER) == 0xff;
}

/* Whoever had the card before, or a firmware, may have left the divisor in IER's place. */
static void uart_silence(struct acq_uart *uart)
{
	uart_out(uart, UART_LCR, UART_LCR_WLEN8);
	uart_out(uart, UART_IER, 0);
}

static void uart_set_baud(struct acq_uart *uart)
{
	unsigned int divisor = DIV_ROUND_CLOSEST(UART_CLOCK, baud);

	uart_out(uart, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	uart_out(uart, UART_DLL, divisor & 0xff);
	uart_out(uart, UART_DLM, divisor >> 8);
	uart_out(uart, UART_LCR, UART_LCR_WLEN8);
}

/* Supposes nothing about the registers: the card may just have been without power. */
static int uart_start(void *priv, struct acq_device *adev)
{
	struct acq_uart *uart = priv;

	uart_silence(uart);
	if (uart_gone(uart))
		return -ENODEV;
	uart_set_baud(uart);
	uart_out(uart, UART_FCR, UART_FCR_ON | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	uart_in(uart, UART_LSR); /* old errors would interrupt */
	/* the peer may send, and OUT2 connects the card's interrupt */
	uart_out(uart, UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	uart_out(uart, UART_IER, UART_IER_ON);
	return 0;
}

static void uart_stop(void *priv)
{
	struct acq_uart *uart = priv;

	uart_out(uart, UART_IER, 0);
	uart_out(uart, UART_MCR, 0);
}

/* A card that was pulled reads all ones, which has UART_IIR_NO_INT. */
static bool uart_quiet(void *priv)
{
	struct acq_uart *uart = priv;

	if (uart_in(uart, UART_IIR) & UART_IIR_NO_INT)
		return false;
	uart_out(uart, UART_IER, 0);
	return true;
}

/* The level of the line follows: if there is something, it interrupts at once. */
static void uart_unquiet(void *priv)
{
	uart_out(priv, UART_IER, UART_IER_ON);
}

/*
 * A break looks like a NUL with a framing error; the NUL stays in the data. QEMU flags
 * the oldest byte of the FIFO instead. It can make no framing and no parity errors:
 * no test has seen those two.
 */
static u16 uart_frame_flags(u8 status)
{
	u16 flags = 0;

	if (status & UART_LSR_BI)
		return ACQ_FRAME_BREAK;
	if (status & UART_LSR_FE)
		flags |= ACQ_FRAME_FRAMING;
	if (status & UART_LSR_PE)
		flags |= ACQ_FRAME_PARITY;
	return flags;
}

/* The bytes of one frame; @status gets the errors that LSR told of meanwhile. */
static u32 uart_read_frame(struct acq_uart *uart, u8 *to, u8 *status)
{
	u32 bytes = 0;
	u8 lsr;

	*status = 0;
	while (bytes < UART_FIFO_BYTES && !(*status & UART_LSR_BYTE)) {
		lsr = uart_in(uart, UART_LSR);
		if (!(lsr & UART_LSR_DR) || (lsr == 0xff && uart_gone(uart)))
			break;
		*status |= lsr;
		to[bytes++] = uart_in(uart, UART_RX);
	}
	return bytes;
}

static void uart_drain(void *priv, struct acq_batch *batch)
{
	u32 i, bytes, frames;
	u8 status, *to;

	for (i = 0; i < UART_FRAMES_MAX; i++) {
		frames = 1;
		to = acq_batch_reserve(batch, &frames);
		bytes = uart_read_frame(priv, to, &status);
		if (!bytes)
			break;
		acq_batch_commit(batch, 1, bytes, uart_frame_flags(status));
		/* a full FIFO keeps what it has: the loss is behind it */
		if (status & UART_LSR_OE)
			acq_batch_hw_lost(batch, 1);
	}
}

static const struct acq_source_ops uart_ops = {
	.owner = THIS_MODULE,
	.start = uart_start,
	.stop = uart_stop,
	.quiet = uart_quiet,
	.drain = uart_drain,
	.unquiet = uart_unquiet,
};

static int uart_register(struct pci_dev *pdev, struct acq_uart *uart)
{
	const struct acq_source src = {
		.name = KBUILD_MODNAME,
		.ops = &uart_ops,
		.priv = uart,
		.parent = &pdev->dev,
		.irq = pdev->irq,
		.irqflags = IRQF_SHARED,
		.geo = {
			.channels = 1,
			.samples = UART_FIFO_BYTES,
			.payload_max = UART_FIFO_BYTES,
			.batch = UART_FRAMES_MAX,
			.format = ACQ_FORMAT_U8,
		},
		.channels_max = 1,
		.samples_max = UART_FIFO_BYTES,
		.formats = BIT(ACQ_FORMAT_U8),
	};
	struct acq_device *adev = acq_register(&src);

	pci_set_drvdata(pdev, adev);
	return PTR_ERR_OR_ZERO(adev);
}

static int uart_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct acq_uart *uart = devm_kzalloc(&pdev->dev, sizeof(*uart), GFP_KERNEL);
	int err;

	if (!uart)
		return -ENOMEM;
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	if (pci_resource_len(pdev, 0) < UART_REGS || !pdev->irq)
		return -ENODEV; /* driver_override can bring us any card */
	err = pcim_iomap_regions(pdev, BIT(0), KBUILD_MODNAME);
	if (err)
		return err;
	uart->regs = pcim_iomap_table(pdev)[0];
	uart_silence(uart); /* the line may be shared: quiet() is asked from here on */
	return uart_register(pdev, uart);
}

static void uart_remove(struct pci_dev *pdev)
{
	acq_unregister(pci_get_drvdata(pdev));
}

static struct pci_driver uart_driver = {
	.name = KBUILD_MODNAME,
	.id_table = NULL, /* by driver_override only */
	.probe = uart_probe,
	.remove = uart_remove,
};
module_pci_driver(uart_driver);

MODULE_DESCRIPTION("Bytes from a 16550 on a PCI serial card for acq");
MODULE_LICENSE("GPL");
