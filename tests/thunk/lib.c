// SPDX-License-Identifier: GPL-2.0-or-later
#include "thunk.h"

#include <string.h>

#include "hgpu_sdma.h"

enum { RING_BYTES = 65536, SECONDS = 30 };

struct system thunk_open(void)
{
	HsaSystemProperties properties;
	struct system s = { 0 };

	ok(hsaKmtOpenKFD());
	ok(hsaKmtAcquireSystemProperties(&properties));
	s.num_nodes = properties.NumNodes;
	for (HSAuint32 node = 0; node < s.num_nodes; node++) {
		if (!node_properties(node).NumFComputeCores)
			continue;
		expect(s.num_gpus < MAX_GPUS, "there are more GPUs than %d", MAX_GPUS);
		s.gpu[s.num_gpus++] = node;
	}
	expect_int(s.num_gpus, >, 0);
	return s;
}

HsaNodeProperties node_properties(HSAuint32 node)
{
	HsaNodeProperties p;

	memset(&p, 0, sizeof(p));
	ok(hsaKmtGetNodeProperties(node, &p));
	return p;
}

/* ---- memory ---- */

HsaMemFlags paged(void)
{
	HsaMemFlags flags = { .Value = 0 };

	flags.ui32.HostAccess = 1;
	flags.ui32.ExecuteAccess = 1;
	return flags;
}

HsaMemFlags non_paged(void)
{
	HsaMemFlags flags = paged();

	flags.ui32.NonPaged = 1;
	return flags;
}

HsaMemFlags hidden(void)
{
	HsaMemFlags flags = non_paged();

	flags.ui32.HostAccess = 0;
	return flags;
}

/*
 * VRAM is mapped to its own GPU: libhsakmt 5.2 takes GPUs for peers whose VRAM the CPU can reach, but no link joins two
 * of ours (6.2 sees that in the topology).
 */
void *memory_alloc(HSAuint32 node, size_t size, HsaMemFlags flags)
{
	HsaMemMapFlags map = { .Value = 0 };
	HSAuint64 elsewhere = 0;
	void *at = NULL;

	ok(hsaKmtAllocMemory(node, size, flags, &at));
	if (node)
		ok(hsaKmtMapMemoryToGPUNodes(at, size, &elsewhere, map, 1, &node));
	else
		ok(hsaKmtMapMemoryToGPU(at, size, &elsewhere));
	return at;
}

void memory_free(void *at, size_t size)
{
	ok(hsaKmtUnmapMemoryToGPU(at));
	ok(hsaKmtFreeMemory(at, size));
}

/* ---- queues ---- */

void sdma_create(struct sdma *q, HSAuint32 node)
{
	memset(q, 0, sizeof(*q));
	q->ring = memory_alloc(0, RING_BYTES, paged());
	ok(hsaKmtCreateQueue(node, HSA_QUEUE_SDMA, 100, HSA_QUEUE_PRIORITY_NORMAL, q->ring, RING_BYTES, NULL,
			     &q->resource));
}

void sdma_destroy(struct sdma *q)
{
	ok(hsaKmtDestroyQueue(q->resource.QueueId));
	memory_free(q->ring, RING_BYTES);
}

static void emit(struct sdma *q, const uint32_t *dw, size_t bytes)
{
	expect(q->wptr + bytes <= RING_BYTES, "this test has more packets than the ring takes");
	memcpy((char *)q->ring + q->wptr, dw, bytes);
	q->wptr += bytes;
}

static uint32_t lo(const void *at) { return (uint32_t)(uintptr_t)at; }
static uint32_t hi(const void *at) { return (uintptr_t)at >> 32; }

void sdma_copy(struct sdma *q, void *dst, const void *src, size_t bytes)
{
	uint32_t p[HGPU_SDMA_COPY_LINEAR_DW] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_COPY, HGPU_SDMA_SUBOP_COPY_LINEAR), bytes - 1, 0,
		lo(src), hi(src), lo(dst), hi(dst),
	};

	emit(q, p, sizeof(p));
}

void sdma_fill(struct sdma *q, void *dst, uint32_t value, size_t bytes)
{
	uint32_t p[HGPU_SDMA_CONST_FILL_DW] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_CONST_FILL, 0) |
		FIELD_PREP(HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__FILLSIZE, HGPU_SDMA_FILLSIZE_DWORD),
		lo(dst), hi(dst), value, bytes - 1,
	};

	emit(q, p, sizeof(p));
}

void sdma_signal(struct sdma *q, const HsaEvent *event)
{
	const void *slot = (const void *)(uintptr_t)event->EventData.HWData2;
	uint32_t fence[HGPU_SDMA_FENCE_DW] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_FENCE, 0), lo(slot), hi(slot), event->EventId,
	};
	uint32_t trap[HGPU_SDMA_TRAP_DW] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_TRAP, 0),
		FIELD_PREP(HGPU_SDMA_PKT_TRAP_INT_CONTEXT__INT_CONTEXT, event->EventId),
	};

	expect(slot, "the event has no slot");
	emit(q, fence, sizeof(fence));
	emit(q, trap, sizeof(trap));
}

void sdma_submit(struct sdma *q)
{
	__atomic_store_n(q->resource.Queue_write_ptr_aql, q->wptr, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*(volatile HSAuint64 *)q->resource.Queue_DoorBell_aql = q->wptr;
}

bool sdma_is_done(const struct sdma *q)
{
	return __atomic_load_n(q->resource.Queue_read_ptr_aql, __ATOMIC_ACQUIRE) == q->wptr;
}

void sdma_run(struct sdma *q)
{
	sdma_submit(q);
	if (!wait_until(sdma_is_done(q), SECONDS * 1000))
		fail("the queue stands at %llu of %llu bytes", (unsigned long long)*q->resource.Queue_read_ptr_aql,
		     (unsigned long long)q->wptr);
}

/* ---- events ---- */

HsaEvent *event_create(HSA_EVENTTYPE type, HSAuint32 node, bool manual)
{
	HsaEventDescriptor d;
	HsaEvent *event = NULL;

	memset(&d, 0, sizeof(d));
	d.EventType = type;
	d.NodeId = node;
	ok(hsaKmtCreateEvent(&d, manual, false, &event));
	return event;
}
