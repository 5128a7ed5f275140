// SPDX-License-Identifier: GPL-2.0-only
/*
 * hmm_gpu_kunit.ko: the suites, one a file, of functions that need no GPU.
 *
 * A suite registers itself with kunit_test_suite(). What it calls is exported
 * by hmm_gpu.ko with EXPORT_SYMBOL_IF_KUNIT().
 */
#include <linux/module.h>

#include "hgpu_compat.h"

HGPU_COMPAT_IMPORT_KUNIT_NS();
MODULE_DESCRIPTION("KUnit suites of hmm_gpu");
MODULE_LICENSE("GPL");
