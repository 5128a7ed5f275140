/*
 * hmm-gpu: the whole device without a guest
 *
 * Run with QTEST_QEMU_BINARY naming the qemu-system-x86_64 to test. Firmware is
 * looked for in HGPU_QEMU_FIRMWARE (directories, colon between them), else
 * where Debian's packages put it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hmm-gpu-test.h"

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    hmm_gpu_add_pci_tests();
    hmm_gpu_add_sdma_tests();
    hmm_gpu_add_fault_tests();
    hmm_gpu_add_reset_tests();
    hmm_gpu_add_hostile_tests();
    hmm_gpu_add_property_tests();
    hmm_gpu_add_migration_tests();
    hmm_gpu_add_iommu_tests();
    hmm_gpu_add_hotplug_tests();
    hmm_gpu_add_hive_tests();
    hmm_gpu_add_log_tests();
    hmm_gpu_add_virgl_tests();

    return g_test_run();
}
