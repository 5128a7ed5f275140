// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver goes while processes have pages in VRAM, and comes back.
 *
 * HGPU_MODULE names the module's file (tests/guest/run sets it).
 *
 * RUN:
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/event.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/smi.h"
#include "lib/tap.h"

#define SEED 0x5eed0005u
#define BYTES tap_size(8 * MIB, 2 * MIB)
#define DRIVER "/sys/bus/pci/drivers/hmm_gpu"

static void load(void)
{
	expect_int(driver_load(), ==, 0);
	expect(wait_until(gpu_count() > 0, 10000), "the GPU is not there after loading");
}

static void need_module_file(void)
{
	if (!getenv("HGPU_MODULE"))
		skip("HGPU_MODULE does not say where the module is");
}

static void works(void *arg)
{
	size_t bytes = tap_size(4 * MIB, MIB);
	char *buf = map_anon(bytes), *copy = map_anon(bytes);

	(void)arg;
	pattern_fill(buf, bytes, SEED);
	gpu_and_queue(&gpu, &q);
	queue_copy(&q, copy, buf, bytes);
	queue_run(&q);
	expect_in_vram(buf, bytes);
	pattern_check(copy, bytes, SEED);
	pattern_check(buf, bytes, SEED);
}

static void unload_is_refused_while_files_are_open(void)
{
	gpu_and_queue(&gpu, &q);
	expect_int(driver_unload(), ==, -EWOULDBLOCK);
	tap_join(tap_fork(works, NULL));
}

static void unload_and_load_again(void)
{
	need_module_file();
	for (unsigned int i = 0; i < tap_rounds(5); i++) {
		expect_int(driver_unload(), ==, 0);
		expect_int(gpu_count(), ==, 0);
		expect(access("/dev/kfd", F_OK), "/dev/kfd is still there");
		load();
		tap_join(tap_fork(works, NULL));
	}
}

static void unload_brings_live_device_pages_home(void)
{
	size_t bytes = tap_size(32 * MIB, 4 * MIB);
	char *buf = map_anon(bytes);

	need_module_file();
	pattern_fill(buf, bytes, SEED);
	gpu_and_queue(&gpu, &q);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	queue_destroy(&q);
	gpu_close(&gpu);
	expect_in_vram(buf, bytes);
	expect(wait_until(driver_unload() == 0, 5000), "the module does not go although nothing is open: %s", strerror(errno));
	expect_in_ram(buf, bytes);
	pattern_check(buf, bytes, SEED);
	load();
	tap_join(tap_fork(works, NULL));
}

struct rendezvous {
	volatile uint32_t *word;
	char *buf;
};

static void hold_until_told(void *arg)
{
	struct rendezvous *r = arg;

	__atomic_fetch_add(&r->word[0], 1, __ATOMIC_SEQ_CST);
	expect(wait_until(r->word[1], 30000), "nobody told us to go on");
	expect_in_ram(r->buf, BYTES);
	pattern_check(r->buf, BYTES, SEED);
}

static void unload_brings_pages_of_forked_children_home(void)
{
	struct rendezvous r = { .word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) };
	int a, b;

	need_module_file();
	r.buf = map_anon(BYTES);
	pattern_fill(r.buf, BYTES, SEED);
	gpu_open(&gpu, 0);
	expect_int(svm_prefetch(&gpu, r.buf, BYTES, gpu.id), ==, 0);
	gpu_close(&gpu);
	a = tap_fork(hold_until_told, &r);
	b = tap_fork(hold_until_told, &r);
	expect(wait_until(r.word[0] == 2, 20000), "the children did not start");
	expect(wait_until(driver_unload() == 0, 5000), "the module does not go although nothing is open: %s", strerror(errno));
	r.word[1] = 1;
	tap_join(a);
	tap_join(b);
	pattern_check(r.buf, BYTES, SEED);
	load();
}

static void unbind_takes_the_gpu_from_a_working_process(void)
{
	struct kfd_ioctl_destroy_queue_args destroy;
	char address[16], *buf = map_anon(16 * MIB);
	int error;

	gpu_pci_address(0, address);
	pattern_fill(buf, 16 * MIB, SEED);
	gpu_and_queue(&gpu, &q);
	for (int i = 0; i < 600; i++)
		queue_copy(&q, buf + 8 * MIB, buf, 2 * MIB);
	queue_submit(&q);
	expect(wait_until(where_is(buf, 16 * MIB).device > 0, 10000), "the queue did not begin");
	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	expect_in_ram(buf, 8 * MIB);
	pattern_check(buf, 8 * MIB, SEED);
	for (size_t i = 10 * MIB / 4; i < 16 * MIB / 4; i++)
		expect_int(((uint32_t *)buf)[i], ==, pattern_at(i, SEED));
	destroy.queue_id = q.id;
	error = kfd_ioctl(&gpu, AMDKFD_IOC_DESTROY_QUEUE, &destroy);
	expect(error == -ENODEV || error == -EINVAL, "DESTROY_QUEUE gave %d", error);
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), <, 0);
	/* The doorbell's page is gone: a signal, not whatever has the address now. */
	expect_int(signal_of_read((void *)q.doorbell), ==, SIGBUS);
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	tap_join(tap_fork(works, NULL));
}

/* They are signalled by the CPU from then on. */
static void unbind_leaves_events_to_their_process(void)
{
	struct waiter w = { .n = 1, .ms = FOREVER };
	char address[16];

	gpu_pci_address(0, address);
	w.id[0] = open_with_page();
	start(&w);
	expect_asleep(&w);
	for (int i = 0; i < 500; i++)
		queue_trap(&q, w.id[0]);	/* at the same time; with no slot written */
	queue_submit(&q);
	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	expect_asleep(&w);
	expect_int(set(w.id[0]), ==, 0);
	ended_with(&w, COMPLETE);
	expect_int(create(AUTO), ==, 2);
	expect_int(wait_one(2, 0), ==, TIMEOUT);
	expect_int(destroy(2), ==, 0);
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	tap_join(tap_fork(works, NULL));
}

static void unload_ends_events_that_were_left(void)
{
	need_module_file();
	open_with_page();
	create(MANUAL);
	create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	queue_destroy(&q);
	munmap(page.at, page.size);
	gpu_close(&gpu);
	expect(wait_until(driver_unload() == 0, 5000), "the module does not go although nothing is open: %s", strerror(errno));
	load();
	tap_join(tap_fork(works, NULL));
}

/* Who listens reads what was told before, and is then told that there is no more to come. */
static void unbind_hangs_up_on_who_listens(void)
{
	struct pollfd p = { .events = POLLIN };
	char address[16], *buf = map_anon(MIB), byte;

	gpu_pci_address(0, address);
	gpu_open(&gpu, 0);
	p.fd = smi_open(&gpu, SMI_MIGRATE);
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	expect_int(poll(&p, 1, 0), ==, 1);
	expect_int(p.revents, ==, POLLIN | POLLHUP);
	smi_next(p.fd, KFD_SMI_EVENT_MIGRATE_START);
	smi_next(p.fd, KFD_SMI_EVENT_MIGRATE_END);
	expect(read(p.fd, &byte, 1) == -1 && errno == ENODEV, "read: %s", strerror(errno));
	expect_int(poll(&p, 1, -1), ==, 1);
	expect_int(p.revents, ==, POLLHUP);
	expect_int(smi_try_open(&gpu, gpu.id), ==, -ENODEV);
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	expect(read(p.fd, &byte, 1) == -1 && errno == ENODEV, "after bind, read: %s", strerror(errno));
	tap_join(tap_fork(works, NULL));
}

static const struct tap_test tests[] = {
	TAP_TEST(unload_is_refused_while_files_are_open),
	TAP_TEST(unload_and_load_again),
	TAP_TEST(unload_brings_live_device_pages_home),
	TAP_TEST(unload_brings_pages_of_forked_children_home),
	TAP_TEST(unbind_takes_the_gpu_from_a_working_process),
	TAP_TEST(unbind_leaves_events_to_their_process),
	TAP_TEST(unload_ends_events_that_were_left),
	TAP_TEST(unbind_hangs_up_on_who_listens),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
