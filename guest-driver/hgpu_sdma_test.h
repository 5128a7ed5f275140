/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HGPU_SDMA_TEST_H
#define HGPU_SDMA_TEST_H

struct hgpu_device;

/**
 * hgpu_sdma_inject() - run a job that fails between two that do not
 * @hdev: the GPU
 * @name: "hang" (ends by the fence timeout), "illegal", "fault"
 *
 * Context: process context, may sleep, as long as fence_timeout_ms.
 * Return: 0 if the bad job alone failed, with the error it should have;
 * -EUCLEAN if not; -EINVAL for a name that is not known.
 */
int hgpu_sdma_inject(struct hgpu_device *hdev, const char *name);

#endif /* HGPU_SDMA_TEST_H */
