/*
 * hmm-gpu: an emulated GPU for memory-management work, as a PCI device
 *
 *   -device hmm-gpu[,vram-size=SIZE][,vram-bar-size=SIZE][,sdma-engines=N]
 *                  [,xnack=on|off][,hive=N][,virgl=on|off|auto]
 *                  [,virgl-timeout=MS][,virgl-helper=FILE]
 *
 * vram-size      16M to 64G in steps of 2M (default 512M); host memory is
 *                taken as the guest touches it
 * vram-bar-size  how much of VRAM BAR 0 shows, from its start: a power of two,
 *                16M to 64G (default: the smallest that shows all)
 * sdma-engines   2 to 8 (default 2)
 * xnack          whether a page fault can be retried (default on)
 * hive           GPUs with the same number, 1 or more, reach each other's VRAM
 *                (default 0: in no hive); 8 at most
 * virgl          whether it has the virgl engine (default auto: where QEMU was
 *                built with it, and xnack is on)
 * virgl-timeout  for how long a stream may be rendered (default 10000)
 * virgl-helper   the renderer program (default: the one made with this QEMU)
 *
 * This is the PCI device around the GPU of core/: identity and BARs (section
 * 2 of protocol/SPEC.md), properties, reset, and what happens at realize and
 * unplug. It hands register and doorbell accesses to the core as they are and
 * must not know what they mean; section 2 is all of the contract it knows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/pci/msix.h"
#include "hw/pci/pcie.h"
#include "hw/qdev-properties.h"
#include "hw/resettable.h"
#include "migration/misc.h"
#include "migration/vmstate.h"
#include "hmm-gpu-pci.h"

#define HMM_GPU_PCIE_CAP        0x80

#define HMM_GPU_VRAM_DEFAULT    (512 * MiB)
#define HMM_GPU_VRAM_BAR_MIN    (16 * MiB)
#define HMM_GPU_VRAM_BAR_MAX    (64 * GiB)

const char *hmm_gpu_name(HmmGpu *s)
{
    return DEVICE(s)->id ?: TYPE_HMM_GPU;
}

/* ---- BARs ---- */

/*
 * BAR 2 and BAR 5 take every access of any size and alignment: what is not a
 * register or doorbell access is refused here or in the core, the same way
 * under every accelerator, instead of being cut to size on its way.
 */
#define HMM_GPU_ANY_ACCESS                                                  \
    {                                                                       \
        .min_access_size = 1, .max_access_size = 8, .unaligned = true,      \
    }

static bool hmm_gpu_is_reg_access(HmmGpu *s, hwaddr addr, unsigned int size,
                                  const char *what)
{
    if (size == 4 && !(addr & 3)) {
        return true;
    }
    qemu_log_mask(LOG_GUEST_ERROR, "%s: %u-byte %s at register offset 0x%"
                  HWADDR_PRIx " refused: registers are 4 bytes wide\n",
                  hmm_gpu_name(s), size, what, addr);
    return false;
}

static uint64_t hmm_gpu_reg_read(void *opaque, hwaddr addr, unsigned int size)
{
    HmmGpu *s = opaque;
    uint32_t val;

    if (!hmm_gpu_is_reg_access(s, addr, size, "read")) {
        return 0;
    }
    hmm_gpu_enter_core(s);
    val = hgpu_reg_read(&s->gpu, addr);
    hmm_gpu_leave_core(s);
    return val;
}

static void hmm_gpu_reg_write(void *opaque, hwaddr addr, uint64_t val,
                              unsigned int size)
{
    HmmGpu *s = opaque;

    if (!hmm_gpu_is_reg_access(s, addr, size, "write")) {
        return;
    }
    hmm_gpu_enter_core(s);
    hgpu_reg_write(&s->gpu, addr, val);
    hmm_gpu_leave_core(s);
}

static const MemoryRegionOps hmm_gpu_reg_ops = {
    .read = hmm_gpu_reg_read,
    .write = hmm_gpu_reg_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = HMM_GPU_ANY_ACCESS,
    .impl = HMM_GPU_ANY_ACCESS,
};

static uint64_t hmm_gpu_read_zero(void *opaque, hwaddr addr, unsigned int size)
{
    return 0;
}

static void hmm_gpu_doorbell_write(void *opaque, hwaddr addr, uint64_t val,
                                   unsigned int size)
{
    HmmGpu *s = opaque;

    hmm_gpu_enter_core(s);
    hgpu_doorbell_write(&s->gpu, addr, val, size);
    hmm_gpu_leave_core(s);
}

static const MemoryRegionOps hmm_gpu_doorbell_ops = {
    .read = hmm_gpu_read_zero,
    .write = hmm_gpu_doorbell_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = HMM_GPU_ANY_ACCESS,
    .impl = HMM_GPU_ANY_ACCESS,
};

static void hmm_gpu_write_dropped(void *opaque, hwaddr addr, uint64_t val,
                                  unsigned int size)
{
}

/* BAR 0 behind the end of VRAM */
static const MemoryRegionOps hmm_gpu_no_vram_ops = {
    .read = hmm_gpu_read_zero,
    .write = hmm_gpu_write_dropped,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = HMM_GPU_ANY_ACCESS,
    .impl = HMM_GPU_ANY_ACCESS,
};

/* ---- Reset ---- */

/*
 * VRAM is up to 64 GiB of mostly untouched memory: it is given back to the
 * host, never written. Where discarding is not allowed the old contents stay,
 * which the contract permits.
 */
static void hmm_gpu_discard_vram(HmmGpu *s)
{
    if (ram_block_discard_is_disabled() || migration_in_incoming_postcopy() ||
        migration_in_bg_snapshot()) {
        return;
    }
    if (ram_block_discard_range(s->vram.ram_block, 0, s->vram_size) == 0) {
        memory_region_set_dirty(&s->vram, 0, s->vram_size);
    }
}

static bool hmm_gpu_in_flr(HmmGpu *s)
{
    PCIDevice *pdev = PCI_DEVICE(s);

    /* See pcie_cap_flr_write_config(): the bit is set during the reset. */
    return pci_get_word(pdev->config + pdev->exp.exp_cap + PCI_EXP_DEVCTL) &
           PCI_EXP_DEVCTL_BCR_FLR;
}

static void hmm_gpu_reset_hold(Object *obj, ResetType type)
{
    HmmGpu *s = HMM_GPU(obj);

    hmm_gpu_host_reset(s);
    if (!hmm_gpu_in_flr(s)) {
        hmm_gpu_discard_vram(s);
    }
}

static void hmm_gpu_write_config(PCIDevice *pdev, uint32_t addr, uint32_t val,
                                 int len)
{
    pci_default_write_config(pdev, addr, val, len);
    pcie_cap_flr_write_config(pdev, addr, val, len);
}

/* ---- Realize and unplug ---- */

static bool hmm_gpu_check_properties(HmmGpu *s, Error **errp)
{
    if (s->vram_size < HGPU_VRAM_MIN || s->vram_size > HGPU_VRAM_MAX ||
        !QEMU_IS_ALIGNED(s->vram_size, HGPU_VRAM_ALIGN)) {
        error_setg(errp, "vram-size=%" PRIu64 " is not possible: give 16M to "
                   "64G in steps of 2M, for example vram-size=512M",
                   s->vram_size);
        return false;
    }
    if (!s->vram_bar_size) {
        s->vram_bar_size = pow2ceil(s->vram_size);
    }
    if (s->vram_bar_size < HMM_GPU_VRAM_BAR_MIN ||
        s->vram_bar_size > HMM_GPU_VRAM_BAR_MAX ||
        !is_power_of_2(s->vram_bar_size)) {
        error_setg(errp, "vram-bar-size=%" PRIu64 " is not possible: give a "
                   "power of two from 16M to 64G, or leave it out to show "
                   "all of VRAM", s->vram_bar_size);
        return false;
    }
    if (s->sdma_engines < HGPU_SDMA_ENGINES_MIN ||
        s->sdma_engines > HGPU_SDMA_ENGINES_MAX) {
        error_setg(errp, "sdma-engines=%" PRIu32 " is not possible: give %d "
                   "to %d", s->sdma_engines, HGPU_SDMA_ENGINES_MIN,
                   HGPU_SDMA_ENGINES_MAX);
        return false;
    }
    return hmm_gpu_virgl_init(s, errp);
}

/*
 * Not memory_region_init_ram(): that would reserve all of vram-size. The
 * block is registered all the same, so that its contents are migrated.
 */
static bool hmm_gpu_init_vram(HmmGpu *s, Error **errp)
{
    ERRP_GUARD();
    Object *obj = OBJECT(s);
    uint64_t shown = MIN(s->vram_size, s->vram_bar_size);

    if (!memory_region_init_ram_flags_nomigrate(&s->vram, obj, "hmm-gpu-vram",
                                                s->vram_size, RAM_NORESERVE,
                                                errp)) {
        g_autofree char *size = size_to_str(s->vram_size);

        error_prepend(errp, "No %s of address space for VRAM, try a smaller "
                      "vram-size: ", size);
        return false;
    }
    vmstate_register_ram(&s->vram, DEVICE(s));

    memory_region_init_io(&s->vram_bar, obj, &hmm_gpu_no_vram_ops, s,
                          "hmm-gpu-vram-bar", s->vram_bar_size);
    memory_region_init_alias(&s->vram_window, obj, "hmm-gpu-vram-window",
                             &s->vram, 0, shown);
    memory_region_add_subregion(&s->vram_bar, 0, &s->vram_window);
    return true;
}

static bool hmm_gpu_init_msix(PCIDevice *pdev, Error **errp)
{
    int i;

    if (msix_init_exclusive_bar(pdev, HGPU_MSIX_VECTORS, HGPU_BAR_MSIX,
                                errp) < 0) {
        return false;
    }
    for (i = 0; i < HGPU_MSIX_VECTORS; i++) {
        msix_vector_use(pdev, i);
    }
    return true;
}

static bool hmm_gpu_init_pcie(PCIDevice *pdev, Error **errp)
{
    if (pcie_endpoint_cap_init(pdev, HMM_GPU_PCIE_CAP) < 0) {
        error_setg(errp, "The PCI Express capability could not be added");
        return false;
    }
    pcie_cap_flr_init(pdev);
    return true;
}

static void hmm_gpu_register_bars(HmmGpu *s)
{
    PCIDevice *pdev = PCI_DEVICE(s);

    memory_region_init_io(&s->doorbell_bar, OBJECT(s), &hmm_gpu_doorbell_ops,
                          s, "hmm-gpu-doorbells", HGPU_BAR_DOORBELL_SIZE);
    memory_region_init_io(&s->reg_bar, OBJECT(s), &hmm_gpu_reg_ops, s,
                          "hmm-gpu-registers", HGPU_BAR_REGS_SIZE);

    pci_register_bar(pdev, HGPU_BAR_VRAM,
                     PCI_BASE_ADDRESS_SPACE_MEMORY |
                     PCI_BASE_ADDRESS_MEM_TYPE_64 |
                     PCI_BASE_ADDRESS_MEM_PREFETCH, &s->vram_bar);
    pci_register_bar(pdev, HGPU_BAR_DOORBELL,
                     PCI_BASE_ADDRESS_SPACE_MEMORY |
                     PCI_BASE_ADDRESS_MEM_TYPE_64, &s->doorbell_bar);
    pci_register_bar(pdev, HGPU_BAR_REGS, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &s->reg_bar);
}

static void hmm_gpu_realize(PCIDevice *pdev, Error **errp)
{
    HmmGpu *s = HMM_GPU(pdev);

    if (!hmm_gpu_check_properties(s, errp)) {
        return;
    }
    if (!hmm_gpu_join_hive(s, errp)) {
        return;
    }
    if (!hmm_gpu_init_pcie(pdev, errp)) {
        goto err_hive;
    }
    if (!hmm_gpu_init_msix(pdev, errp)) {
        goto err_pcie;
    }
    if (!hmm_gpu_init_vram(s, errp)) {
        goto err_msix;
    }
    hmm_gpu_register_bars(s);

    hmm_gpu_host_init(s);
    return;

err_msix:
    msix_unuse_all_vectors(pdev);
    msix_uninit_exclusive_bar(pdev);
err_pcie:
    pcie_cap_exit(pdev);
err_hive:
    hmm_gpu_leave_hive(s);
}

/*
 * The core lives in the object, which may be kept alive by a slice that is
 * running right now (the write that unplugs us may be our own DMA), so there
 * is nothing to free here but what belongs to the bus.
 */
static void hmm_gpu_exit(PCIDevice *pdev)
{
    HmmGpu *s = HMM_GPU(pdev);

    hmm_gpu_leave_hive(s);
    hmm_gpu_host_exit(s);
    /* The subregion holds a reference to its owner, us. */
    memory_region_del_subregion(&s->vram_bar, &s->vram_window);
    vmstate_unregister_ram(&s->vram, DEVICE(s));
    msix_unuse_all_vectors(pdev);
    msix_uninit_exclusive_bar(pdev);
    pcie_cap_exit(pdev);
}

static const Property hmm_gpu_properties[] = {
    DEFINE_PROP_SIZE("vram-size", HmmGpu, vram_size, HMM_GPU_VRAM_DEFAULT),
    DEFINE_PROP_SIZE("vram-bar-size", HmmGpu, vram_bar_size, 0),
    DEFINE_PROP_UINT32("sdma-engines", HmmGpu, sdma_engines,
                       HGPU_SDMA_ENGINES_MIN),
    DEFINE_PROP_UINT32("hive", HmmGpu, hive, 0),
    DEFINE_PROP_ON_OFF_AUTO("virgl", HmmGpu, virgl, ON_OFF_AUTO_AUTO),
    DEFINE_PROP_UINT32("virgl-timeout", HmmGpu, virgl_timeout, 10000),
    DEFINE_PROP_STRING("virgl-helper", HmmGpu, virgl_helper),
    DEFINE_PROP_BIT("xnack", HmmGpu, features, HMM_GPU_FEATURE_XNACK, true),
};

static void hmm_gpu_describe_properties(ObjectClass *klass)
{
    object_class_property_set_description(klass, "vram-size",
        "video memory, 16M to 64G in steps of 2M (default 512M)");
    object_class_property_set_description(klass, "vram-bar-size",
        "how much of it BAR 0 shows, a power of two from 16M to 64G "
        "(default: all)");
    object_class_property_set_description(klass, "sdma-engines",
        "2 to 8 (default 2)");
    object_class_property_set_description(klass, "hive",
        "GPUs with the same number reach each other's VRAM (default 0: none)");
    object_class_property_set_description(klass, "virgl",
        "the engine that renders (default auto: where there is a renderer)");
    object_class_property_set_description(klass, "virgl-timeout",
        "milliseconds that a stream may be rendered (default 10000)");
    object_class_property_set_description(klass, "virgl-helper",
        "the renderer program (default: the one made with this QEMU)");
    object_class_property_set_description(klass, "xnack",
        "whether a page fault can be retried (default on)");
}

static void hmm_gpu_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    pc->realize = hmm_gpu_realize;
    pc->exit = hmm_gpu_exit;
    pc->config_write = hmm_gpu_write_config;
    pc->vendor_id = HGPU_PCI_VENDOR_ID;
    pc->device_id = HGPU_PCI_DEVICE_ID;
    pc->revision = HGPU_PCI_REVISION;
    pc->class_id = HGPU_PCI_CLASS;

    rc->phases.hold = hmm_gpu_reset_hold;

    dc->desc = "Emulated GPU with recoverable page faults";
    dc->vmsd = &vmstate_hmm_gpu;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, hmm_gpu_properties);
    hmm_gpu_describe_properties(klass);
}

static const TypeInfo hmm_gpu_type_info = {
    .name = TYPE_HMM_GPU,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(HmmGpu),
    .class_init = hmm_gpu_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { }
    },
};

static void hmm_gpu_register_types(void)
{
    type_register_static(&hmm_gpu_type_info);
}

type_init(hmm_gpu_register_types)
