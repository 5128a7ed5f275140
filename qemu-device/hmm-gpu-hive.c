/*
 * hmm-gpu: GPUs of one machine that reach each other's VRAM (SPEC 4.7)
 *
 * GPUs with the same hive=N are a hive. A GPU takes the lowest node that is
 * free when it is realized and gives it back when it is unplugged; what a peer
 * may do with its memory is the core's affair.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qapi/error.h"
#include "hmm-gpu-pci.h"

/* All GPUs that are in a hive; under the BQL */
static QLIST_HEAD(, HmmGpu) hmm_gpu_in_hives =
    QLIST_HEAD_INITIALIZER(hmm_gpu_in_hives);

bool hmm_gpu_join_hive(HmmGpu *s, Error **errp)
{
    uint32_t taken = 0;
    HmmGpu *other;

    s->node = 0;
    if (!s->hive) {
        return true;
    }
    QLIST_FOREACH(other, &hmm_gpu_in_hives, in_hives) {
        if (other->hive == s->hive) {
            taken |= BIT(other->node);
        }
    }
    s->node = cto32(taken);
    if (s->node >= HGPU_XGMI_NODES) {
        error_setg(errp, "hive=%" PRIu32 " has %u GPUs already, and room for "
                   "no more: give this one another hive, or none", s->hive,
                   HGPU_XGMI_NODES);
        return false;
    }
    QLIST_INSERT_HEAD(&hmm_gpu_in_hives, s, in_hives);
    return true;
}

void hmm_gpu_leave_hive(HmmGpu *s)
{
    if (s->hive) {
        QLIST_REMOVE(s, in_hives);
    }
}

HgpuGpu *hmm_gpu_hive_node(HmmGpu *s, uint32_t node)
{
    HmmGpu *other;

    QLIST_FOREACH(other, &hmm_gpu_in_hives, in_hives) {
        if (other->hive == s->hive && other->node == node) {
            return &other->gpu;
        }
    }
    return NULL;
}
