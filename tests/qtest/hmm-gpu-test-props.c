/*
 * hmm-gpu qtest: property values that are refused, and how
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hmm-gpu-test.h"

typedef struct PropCase {
    const char *name;
    const char *props;
    const char *said;           /* what the message must contain */
} PropCase;

static const PropCase refused[] = {
    { "vram_size_below_16m", "vram-size=14M", "vram-size=14680064" },
    { "vram_size_above_64g", "vram-size=66G", "16M to 64G in steps of 2M" },
    { "vram_size_not_in_2m_steps", "vram-size=33M", "steps of 2M" },
    { "vram_size_not_even_a_page", "vram-size=33554433", "steps of 2M" },
    { "vram_size_zero", "vram-size=0", "vram-size=0 is not possible" },
    { "vram_size_no_number", "vram-size=big", "vram-size" },
    { "vram_size_negative", "vram-size=-1", "vram-size" },
    { "vram_bar_size_not_power_of_two", "vram-bar-size=48M",
      "power of two from 16M to 64G" },
    { "vram_bar_size_below_16m", "vram-bar-size=8M",
      "vram-bar-size=8388608 is not possible" },
    { "vram_bar_size_above_64g", "vram-bar-size=128G", "vram-bar-size" },
    { "sdma_engines_one", "sdma-engines=1", "give 2 to 8" },
    { "sdma_engines_nine", "sdma-engines=9", "give 2 to 8" },
    { "sdma_engines_negative", "sdma-engines=-2", "sdma-engines" },
    { "hive_no_number", "hive=bees", "hive" },
    { "xnack_neither_on_nor_off", "xnack=maybe", "xnack" },
    { "virgl_without_xnack", "virgl=on,xnack=off", "retry faults" },
    { "virgl_without_renderer", "virgl=on,virgl-helper=/nowhere",
      "there is no program /nowhere" },
    { "virgl_timeout_zero", "virgl-timeout=0", "milliseconds" },
};

static void value_refused(const void *data)
{
    const PropCase *c = data;
    g_autofree char *machine = gpu_machine_args();
    g_autofree char *cmd = g_strdup_printf(
        "%s %s -accel qtest -display none -S -device hmm-gpu,%s",
        g_getenv("QTEST_QEMU_BINARY"), machine, c->props);
    g_autofree char *out = NULL, *err = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(cmd, &out, &err, &status, NULL));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1 ||
        !strstr(err, c->said)) {
        g_test_message("status 0x%x, said: %s", status, err);
        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), ==, 1);
        g_assert_nonnull(strstr(err, c->said));
    }
}

/* A refused device leaves a machine in which a right one still fits. */
static void refused_hotplug_leaves_nothing(void)
{
    g_autofree char *machine = gpu_machine_args();
    QTestState *qts = qtest_initf("%s -device pcie-root-port,id=rp0,chassis=1",
                                  machine);
    int i;

    for (i = 0; i < 3; i++) {
        QDict *rsp = qtest_qmp(qts, "{'execute': 'device_add', 'arguments': "
                               "{'driver': 'hmm-gpu', 'bus': 'rp0', "
                               "'id': 'gpu0', 'vram-size': 1048576}}");

        g_assert_true(qdict_haskey(rsp, "error"));
        qobject_unref(rsp);
    }
    qtest_qmp_device_add(qts, "hmm-gpu", "gpu0",
                         "{'bus': 'rp0', 'vram-size': 16777216}");
    qtest_quit(qts);
}

void hmm_gpu_add_property_tests(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(refused); i++) {
        g_autofree char *path = g_strdup_printf("hmm-gpu/property/%s_refused",
                                                refused[i].name);

        qtest_add_data_func(path, &refused[i], value_refused);
    }
    qtest_add_func("hmm-gpu/property/refused_hotplug_leaves_nothing",
                   refused_hotplug_leaves_nothing);
}
