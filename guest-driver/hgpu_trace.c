// SPDX-License-Identifier: GPL-2.0-only
/* The code behind the base's trace events. */

#ifndef __CHECKER__
#define CREATE_TRACE_POINTS
#include "hgpu_trace.h"
#endif
