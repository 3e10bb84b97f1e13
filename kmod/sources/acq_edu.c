// SPDX-License-Identifier: GPL-2.0-only
/*
 * acq_edu - QEMU's "edu" PCI card as a converter
 *
 * The card has a factorial unit, 4 KiB of memory that only its DMA engine reaches,
 * and one interrupt for both. A frame is one conversion: n, and the card's n!
 * modulo 2^32. A burst of them is put together in a coherent buffer, goes into the
 * card's memory by DMA, and comes back the same way; then its frames are there. So
 * there are three phases, and each ends with an interrupt.
 *
 * Locking: none. quiet() has two registers to itself. All else that changes is
 * start()'s until it begins the first phase, and from there to stop() the bottom
 * half's: the core keeps them apart.
 *
 * Lifetime: a transfer takes the card 100 ms and can't be called off. stop() does
 * not wait for it, but takes from it what could do harm: the bus and the interrupt.
 * It is waited for where its end matters: before the next start(), and before the
 * buffer and MSI are given back, because without MSI the card would pull its line,
 * and nobody would be there to have it let go.
 *
 * A card that was pulled reads as all ones: busy, and not our interrupt. So nothing
 * is begun any more, nothing loops, and nothing waits.
 */
#include <linux/acq.h>
#include <linux/bits.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/pci.h>

/* registers in BAR 0 */
#define EDU_ID 0x00
#define EDU_ID_MASK 0xffff /* what is above it is the version */
#define EDU_ID_CARD 0x00ed
#define EDU_FACTORIAL 0x08 /* write n, read n! */
#define EDU_STATUS 0x20
#define EDU_STATUS_COMPUTING BIT(0)
#define EDU_STATUS_IRQ BIT(7) /* interrupt when it is computed */
#define EDU_IRQ_STATUS 0x24 /* not 0: the card interrupts */
#define EDU_IRQ_ACK 0x64
#define EDU_DMA_SRC 0x80
#define EDU_DMA_DST 0x88
#define EDU_DMA_COUNT 0x90
#define EDU_DMA_CMD 0x98
#define EDU_DMA_RUN BIT(0)
#define EDU_DMA_TO_RAM BIT(1)
#define EDU_DMA_IRQ BIT(2) /* interrupt when it is done */

#define EDU_MEMORY 0x40000 /* the card's own, as its DMA engine sees it */
#define EDU_BURST 8 /* conversions */
#define EDU_PERIOD 34 /* 34! and all that follow are 0 modulo 2^32 */
#define EDU_SETTLE_US 1000000 /* ten transfers */

#ifndef PCI_IRQ_INTX
#define PCI_IRQ_INTX PCI_IRQ_LEGACY
#endif

enum edu_phase {
	EDU_CONVERT, /* one n */
	EDU_STORE, /* the burst goes into the card's memory */
	EDU_FETCH, /* and comes back */
};

/* the payload of a frame */
struct edu_scan {
	u32 n;
	u32 factorial;
};

struct edu_buffer {
	struct edu_scan to_card[EDU_BURST];
	struct edu_scan from_card[EDU_BURST];
};

struct edu {
	struct pci_dev *pdev;
	struct acq_device *adev;
	void __iomem *regs;
	struct edu_buffer *buffer; /* coherent */
	dma_addr_t dma; /* its address for the card */

	enum edu_phase phase; /* under way, or to be begun */
	bool begin; /* to be begun */
	u32 n; /* to be converted next */
	u32 count; /* conversions in to_card */
};

static bool edu_idle(struct edu *edu)
{
	return !(ioread32(edu->regs + EDU_STATUS) & EDU_STATUS_COMPUTING) &&
	       !(ioread32(edu->regs + EDU_DMA_CMD) & EDU_DMA_RUN);
}

/* Wait for what an earlier stop() left under way, and forget that it interrupts. */
static int edu_settle(struct edu *edu)
{
	bool idle;
	int ret;

	if ((ioread32(edu->regs + EDU_ID) & EDU_ID_MASK) != EDU_ID_CARD)
		return -ENODEV;
	ret = read_poll_timeout(edu_idle, idle, idle, 1000, EDU_SETTLE_US, false, edu);
	iowrite32(ioread32(edu->regs + EDU_IRQ_STATUS), edu->regs + EDU_IRQ_ACK);
	return ret;
}

static void edu_transfer(struct edu *edu, u32 src, u32 dst, u32 direction)
{
	iowrite32(src, edu->regs + EDU_DMA_SRC);
	iowrite32(dst, edu->regs + EDU_DMA_DST);
	iowrite32(sizeof(edu->buffer->to_card), edu->regs + EDU_DMA_COUNT);
	iowrite32(EDU_DMA_RUN | EDU_DMA_IRQ | direction, edu->regs + EDU_DMA_CMD);
}

static void edu_begin(struct edu *edu)
{
	edu->begin = false;
	switch (edu->phase) {
	case EDU_CONVERT:
		iowrite32(edu->n, edu->regs + EDU_FACTORIAL);
		break;
	case EDU_STORE:
		edu_transfer(edu, edu->dma + offsetof(struct edu_buffer, to_card), EDU_MEMORY, 0);
		break;
	case EDU_FETCH:
		edu_transfer(edu, EDU_MEMORY, edu->dma + offsetof(struct edu_buffer, from_card),
			     EDU_DMA_TO_RAM);
		break;
	}
}

static int edu_start(void *priv, struct acq_device *adev)
{
	struct edu *edu = priv;
	int ret = edu_settle(edu);

	if (ret)
		return ret;
	pci_set_master(edu->pdev);
	if (!edu->pdev->msi_enabled)
		pci_intx(edu->pdev, 1);
	iowrite32(EDU_STATUS_IRQ, edu->regs + EDU_STATUS);

	edu->phase = EDU_CONVERT;
	edu->n = 0;
	edu->count = 0;
	edu_begin(edu);
	return 0;
}

/* MSI goes over the bus, too. */
static void edu_stop(void *priv)
{
	struct edu *edu = priv;

	iowrite32(0, edu->regs + EDU_STATUS);
	pci_clear_master(edu->pdev);
	if (!edu->pdev->msi_enabled)
		pci_intx(edu->pdev, 0);
}

static bool edu_quiet(void *priv)
{
	struct edu *edu = priv;
	u32 status = ioread32(edu->regs + EDU_IRQ_STATUS);

	if (!status || status == U32_MAX)
		return false;
	iowrite32(status, edu->regs + EDU_IRQ_ACK);
	return true;
}

static void edu_take_conversion(struct edu *edu)
{
	struct edu_scan *scan = &edu->buffer->to_card[edu->count++];

	scan->n = edu->n;
	scan->factorial = ioread32(edu->regs + EDU_FACTORIAL);
	edu->n = (edu->n + 1) % EDU_PERIOD;
}

static void edu_take_burst(struct edu *edu, struct acq_batch *batch)
{
	const struct edu_scan *scan = edu->buffer->from_card;
	u32 i, one;

	for (i = 0; i < EDU_BURST; i++) {
		one = 1;
		memcpy(acq_batch_reserve(batch, &one), &scan[i], sizeof(*scan));
		acq_batch_commit(batch, 1, sizeof(*scan), 0);
	}
}

/* Whatever it interrupted for: the phase has ended if the card is idle. */
static void edu_drain(void *priv, struct acq_batch *batch)
{
	struct edu *edu = priv;

	if (!edu_idle(edu))
		return;
	edu->begin = true;
	switch (edu->phase) {
	case EDU_CONVERT:
		edu_take_conversion(edu);
		if (edu->count == EDU_BURST)
			edu->phase = EDU_STORE;
		break;
	case EDU_STORE:
		edu->phase = EDU_FETCH;
		break;
	case EDU_FETCH:
		edu_take_burst(edu, batch);
		edu->phase = EDU_CONVERT;
		edu->count = 0;
		break;
	}
}

static void edu_unquiet(void *priv)
{
	struct edu *edu = priv;

	if (edu->begin)
		edu_begin(edu);
}

static const struct acq_source_ops edu_ops = {
	.owner = THIS_MODULE,
	.start = edu_start,
	.stop = edu_stop,
	.quiet = edu_quiet,
	.drain = edu_drain,
	.unquiet = edu_unquiet,
};

static int edu_register(struct edu *edu)
{
	struct acq_source src = {
		.name = KBUILD_MODNAME,
		.ops = &edu_ops,
		.priv = edu,
		.parent = &edu->pdev->dev,
		.irq = pci_irq_vector(edu->pdev, 0),
		.irqflags = edu->pdev->msi_enabled ? 0 : IRQF_SHARED,
		.geo.channels = 2,
		.geo.samples = 1,
		.geo.payload_max = sizeof(struct edu_scan),
		.geo.batch = EDU_BURST,
		.geo.format = ACQ_FORMAT_U32,
		.channels_max = 2,
		.samples_max = 1,
		.formats = BIT(ACQ_FORMAT_U32),
	};

	edu->adev = acq_register(&src);
	return PTR_ERR_OR_ZERO(edu->adev);
}

/* All that is taken here the device gives back by itself. */
static int edu_get_resources(struct edu *edu)
{
	struct pci_dev *pdev = edu->pdev;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = pcim_iomap_regions(pdev, BIT(0), KBUILD_MODNAME);
	if (ret)
		return ret;
	edu->regs = pcim_iomap_table(pdev)[0];
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(28));
	if (ret)
		return ret;
	edu->buffer = dmam_alloc_coherent(&pdev->dev, sizeof(*edu->buffer), &edu->dma, GFP_KERNEL);
	if (!edu->buffer)
		return -ENOMEM;
	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI | PCI_IRQ_INTX);
	return ret < 0 ? ret : 0;
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu = devm_kzalloc(&pdev->dev, sizeof(*edu), GFP_KERNEL);
	int ret;

	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	pci_set_drvdata(pdev, edu);
	ret = edu_get_resources(edu);
	return ret ?: edu_register(edu);
}

static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	acq_unregister(edu->adev);
	edu_settle(edu);
}

static const struct pci_device_id edu_ids[] = { { PCI_DEVICE(0x1234, 0x11e8) }, {} };
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = KBUILD_MODNAME,
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};
module_pci_driver(edu_driver);

MODULE_DESCRIPTION("QEMU's edu card as a converter for acq");
MODULE_LICENSE("GPL");
