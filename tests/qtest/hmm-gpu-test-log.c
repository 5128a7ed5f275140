/*
 * hmm-gpu qtest: what the device tells the person who runs QEMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hmm-gpu-test.h"

typedef struct LogFile {
    char *dir;
    char *path;
    char *text;
} LogFile;

static void open_logging(TestGpu *g, LogFile *log, const char *what)
{
    g_autofree char *args = NULL;

    *log = (LogFile) { .dir = g_dir_make_tmp("hmm-gpu-test-XXXXXX", NULL) };
    g_assert_nonnull(log->dir);
    log->path = g_build_filename(log->dir, "log", NULL);
    args = g_strdup_printf("%s -D %s -device " GPU_ARGS, what, log->path);
    gpu_open(g, args);
}

static void close_logging(TestGpu *g, LogFile *log)
{
    gpu_close(g);
    /* Without a message there is no file. */
    if (!g_file_get_contents(log->path, &log->text, NULL, NULL)) {
        log->text = g_strdup("");
    }
    unlink(log->path);
    rmdir(log->dir);
    g_free(log->path);
    g_free(log->dir);
}

static unsigned int count(const char *text, const char *what)
{
    unsigned int n = 0;

    while ((text = strstr(text, what))) {
        text += strlen(what);
        n++;
    }
    return n;
}

static void do_what_is_refused(TestGpu *g)
{
    gpu_write(g, HGPU_ID, 1);
    gpu_write(g, HGPU_RETRY_INTERVAL, 0);
    qpci_io_writeb(g->dev, g->regs, HGPU_SCRATCH, 1);
    qpci_io_writel(g->dev, g->doorbells, 0, 1);
}

static void guest_errors_logged_when_asked_for(void)
{
    TestGpu g;
    LogFile log;

    open_logging(&g, &log, "-d guest_errors");
    do_what_is_refused(&g);
    close_logging(&g, &log);
    if (count(log.text, "gpu0: ") != 4) {
        g_test_message("log: %s", log.text);
    }
    g_assert_cmpuint(count(log.text, "gpu0: "), ==, 4);
    g_assert_cmpuint(count(log.text, "\n"), ==, 4);
    g_free(log.text);
}

static void guest_errors_silent_otherwise(void)
{
    TestGpu g;
    LogFile log;

    open_logging(&g, &log, "-d unimp");
    do_what_is_refused(&g);
    close_logging(&g, &log);
    g_assert_cmpstr(log.text, ==, "");
    g_free(log.text);
}

/* One fault can be followed by its id from report to replay. */
static void fault_traced_from_report_to_replay(void)
{
    TestGpu g;
    TestVm vm;
    TestRing q;
    TestPkts p = { };
    LogFile log;

    open_logging(&g, &log, "-trace hmm_gpu_*");
    gpu_setup(&g);
    vm_init(&vm, &g, 3, 33);
    queue_open(&q, &vm, 0, HGPU_SDMA_CTX_RLC0, 0x10000000, 0);
    pkt_fill(&p, 0x20000000, 1, 4);
    ring_submit(&q, &p);
    ring_wait_status(&q, HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT);
    vm_map(&vm, 0x20000000, RAM_DATA, 4096, PTE_RAM);
    gpu_flush_tlb(&g, 3);
    ring_wait_idle(&q);
    close_logging(&g, &log);

    g_assert_cmpuint(count(log.text, "hmm_gpu_doorbell gpu0: "), ==, 1);
    g_assert_cmpuint(count(log.text, "hmm_gpu_mqd_map gpu0: "), ==, 1);
    g_assert_cmpuint(count(log.text, "hmm_gpu_fault_retry gpu0: id 1 "), ==,
                     1);
    g_assert_cmpuint(count(log.text, "hmm_gpu_ih_entry gpu0: "), ==, 1);
    g_assert_cmpuint(count(log.text, "hmm_gpu_irq gpu0: "), ==, 1);
    g_assert_cmpuint(count(log.text, "hmm_gpu_fault_replayed gpu0: id 1 "),
                     ==, 1);
    g_free(log.text);
}

void hmm_gpu_add_log_tests(void)
{
#define ADD(name) qtest_add_func("hmm-gpu/log/" #name, name)
    ADD(guest_errors_logged_when_asked_for);
    ADD(guest_errors_silent_otherwise);
    ADD(fault_traced_from_report_to_replay);
#undef ADD
}
