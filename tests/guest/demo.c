// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The demonstration: malloc'ed memory through the whole recoverable-fault path and back.
 *
 * The program never tells the driver about its buffer. It writes the buffer's address into SDMA packets
 * and rings a doorbell; everything else happens because the GPU faults. What the driver counts is printed
 * beside what the kernel's own page table shows (/proc/self/pagemap, /proc/iomem).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/show.h"
#include "lib/tap.h"

enum {
	BYTES = 64 << 20,
	PAGES = BYTES / 4096,
	BLOCK = 1 << 20,
	BLOCKS = BYTES / BLOCK,
	DWORDS = BYTES / 4,
};
#define SEED 0x600dcafeu
#define FILL 0x55504748u	/* "HGPU" */

/* One page's entry, as the kernel gives it. */
static void show_entry(const void *at)
{
	uint64_t e = pagemap_entry(at);

	if (pagemap_is_device(e))
		line("e.g. the first page", "device-private swap entry, type %u, PFN %#" PRIx64,
		     pagemap_type(e), pagemap_pfn(e));
}

/* ---- the work and what must come out of it ---- */

/*
 * In place: every block of 1 MiB moves one down (over the first, whose contents are lost), the last one is
 * filled, and then a word in each page, another one in each, has a number added by an atomic. The copies
 * depend on one another, so a page lost or stale anywhere shows in the result.
 */
static size_t touched_dword(size_t page)
{
	return page * (PAGE / 4) + page % (PAGE / 4);
}

static void emit_work(struct queue *q, char *buf)
{
	for (int i = 1; i < BLOCKS; i++)
		queue_copy(q, buf + (size_t)(i - 1) * BLOCK, buf + (size_t)i * BLOCK, BLOCK);
	queue_fill(q, buf + (size_t)(BLOCKS - 1) * BLOCK, FILL, BLOCK);
	for (size_t page = 0; page < PAGES; page++)
		queue_atomic(q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, (uint32_t *)buf + touched_dword(page), page + 1, 0);
}

static uint32_t expected(size_t dword)
{
	size_t page = dword / (PAGE / 4);
	uint32_t v = dword < DWORDS - BLOCK / 4 ? pattern_at(dword + BLOCK / 4, SEED) : FILL;

	return dword == touched_dword(page) ? v + page + 1 : v;
}

static size_t wrong_dwords(const uint32_t *buf, size_t *first)
{
	size_t wrong = 0;

	for (size_t i = 0; i < DWORDS; i++)
		if (buf[i] != expected(i) && !wrong++)
			*first = i;
	return wrong;
}

/* ---- the steps ---- */

static void introduce(struct gpu *gpu)
{
	uint64_t start, end;

	show_title("hmm-gpu: one malloc'ed buffer, through the whole recoverable-fault path and back");
	demand(gpu_count() > 0, "no GPU in KFD's topology; is hmm_gpu.ko loaded?");
	gpu_open(gpu, 0);
	demand(device_region(0, &start, &end), "/proc/iomem shows no device-private region of the driver");
	line("GPU", "gpu_id %u, node %u of KFD's topology", gpu->id, gpu->node);
	line("VRAM", "%s MiB, struct pages at %#" PRIx64 "-%#" PRIx64 "   %s/proc/iomem%s", count(gpu->vram / MIB),
	     start, end, dim, plain);
}

static char *fill_buffer(void)
{
	/* room to use an aligned part of: migration is done in granules of 2 MiB, and whole ones count evenly */
	char *all = malloc(BYTES + GRANULE), *buf = (char *)(((uintptr_t)all + GRANULE - 1) & ~(GRANULE - 1));
	long long start = now_ms();

	step(1, "CPU: malloc 64 MiB, write every byte");
	demand(all, "malloc: %s", strerror(errno));
	pattern_fill(buf, BYTES, SEED);
	line("time", "%s ms", count(now_ms() - start));
	show_where(buf, BYTES);
	demand(where_is(buf, BYTES).present == PAGES, "the buffer is not in RAM to start with");
	return buf;
}

static void let_gpu_work(struct gpu *gpu, char *buf)
{
	struct stats s;
	struct queue q;
	long long start;

	step(2, "GPU: a user SDMA queue works on it in place; the driver was told nothing");
	queue_create(&q, gpu, 1 << 20);
	stats_read(&s, 0);
	emit_work(&q, buf);
	line("packets", "%d copies and 1 fill of 1 MiB, %d atomic adds", BLOCKS - 1, PAGES);
	start = now_ms();
	queue_submit(&q);
	demand(wait_until(queue_idle(&q), 60000), "the queue stands at byte %" PRIu64 " of %" PRIu64 " after %lld s; "
	       "GPU faults taken: %" PRIu64, queue_rptr(&q), q.wptr, (now_ms() - start) / 1000, stats_since(&s, "gpu_faults"));
	line("time", "%s ms", count(now_ms() - start));
	line("GPU faults taken", "%s", count(stats_since(&s, "gpu_faults")));
	line("pages migrated to VRAM", "%s", count(stats_since(&s, "pages_to_vram")));
	line("bytes copied by the kernel's SDMA", "%s", count(stats_since(&s, "sdma_bytes")));
	line("GPU page table entries written", "%s", count(stats_since(&s, "ptes_written")));
	line("GPU TLB flushes", "%s", count(stats_since(&s, "tlb_flushes")));
	line("interrupts", "%s", count(stats_since(&s, "interrupts")));
	show_where(buf, BYTES);
	show_entry(buf);

	demand(stats_since(&s, "gpu_faults") > 0, "the GPU took no fault");
	demand(stats_since(&s, "pages_to_vram") == PAGES, "the driver counts %" PRIu64 " pages to VRAM, expected %d",
	       stats_since(&s, "pages_to_vram"), PAGES);
	demand(stats_since(&s, "sdma_bytes") >= BYTES, "fewer bytes were copied than the buffer has");
	demand(stats_since(&s, "ptes_written") >= PAGES / 512, "too few page table entries");
	demand(where_is(buf, BYTES).device == PAGES, "the CPU's page table does not have all pages in VRAM");
	queue_destroy(&q);
}

static void read_result(char *buf)
{
	struct stats s;
	size_t first = 0, wrong;
	long long start;

	step(3, "CPU: read the result");
	stats_read(&s, 0);
	start = now_ms();
	wrong = wrong_dwords((uint32_t *)buf, &first);
	line("time, with the comparison", "%s ms", count(now_ms() - start));
	line("CPU faults taken", "%s", count(stats_since(&s, "cpu_faults")));
	line("pages migrated back to RAM", "%s", count(stats_since(&s, "pages_to_ram")));
	demand(wait_until(stat_now("vram_chunks_alloc") == stat_now("vram_chunks_freed"), 5000),
	       "VRAM is still held after all pages have gone home");
	line("VRAM freed", "%s MiB in %" PRIu64 " chunks", count(stats_since(&s, "vram_pages_freed") * PAGE / MIB),
	     stats_since(&s, "vram_chunks_freed"));
	show_where(buf, BYTES);
	line("bytes compared / wrong", "%s /%s", count(BYTES), count(wrong * 4));

	demand(!wrong, "%zu words are wrong; the first, at byte %#zx, is %08x, expected %08x", wrong, first * 4,
	       ((uint32_t *)buf)[first], expected(first));
	demand(stats_since(&s, "cpu_faults") > 0, "the CPU took no fault");
	demand(stats_since(&s, "pages_to_ram") == PAGES, "the driver counts %" PRIu64 " pages back, expected %d",
	       stats_since(&s, "pages_to_ram"), PAGES);
	demand(stats_since(&s, "vram_pages_freed") == PAGES, "%" PRIu64 " VRAM pages freed, expected %d",
	       stats_since(&s, "vram_pages_freed"), PAGES);
	demand(where_is(buf, BYTES).present == PAGES, "the CPU's page table does not have all pages in RAM");
}

int main(int argc, char **argv)
{
	struct gpu gpu;
	char *buf;

	show_init(argc, argv);
	introduce(&gpu);
	buf = fill_buffer();
	let_gpu_work(&gpu, buf);
	read_result(buf);
	return show_pass();
}
