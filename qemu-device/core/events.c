/*
 * hmm-gpu device core: names of the trace events.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "gpu.h"

const HgpuTraceInfo hgpu_trace_info[HGPU_TRACE_COUNT] = {
#define HGPU_TRACE_ROW(id, name, nargs, fmt) \
    [HGPU_TRACE_##id] = { name, nargs, fmt },
    HGPU_TRACE_EVENTS(HGPU_TRACE_ROW)
#undef HGPU_TRACE_ROW
};
