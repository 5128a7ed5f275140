/* SPDX-License-Identifier: MIT */
/*
 * Types and field helpers shared by the device, the driver and the tests.
 *
 * The only header of the protocol that knows where it is compiled. In the
 * kernel the helpers are the kernel's own; elsewhere their twins stand here.
 * Every other header of this directory includes this one and nothing else.
 */
#ifndef HGPU_TYPES_H
#define HGPU_TYPES_H

#ifdef __KERNEL__

#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

typedef __le32 hgpu_le32;
typedef __le64 hgpu_le64;

#define HGPU_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size))

#else

#include <stddef.h>
#include <stdint.h>

/* Little-endian on the wire; convert once, where the memory is read. */
typedef uint32_t hgpu_le32;
typedef uint64_t hgpu_le64;

#ifndef BIT
#define BIT(nr) (1u << (nr))
#endif
#ifndef BIT_ULL
#define BIT_ULL(nr) (1ull << (nr))
#endif
#ifndef GENMASK
#define GENMASK(h, l) ((uint32_t)(((~0ull) >> (63 - (h))) & ((~0ull) << (l))))
#endif
#ifndef GENMASK_ULL
#define GENMASK_ULL(h, l) (((~0ull) >> (63 - (h))) & ((~0ull) << (l)))
#endif
#ifndef FIELD_GET
#define FIELD_GET(mask, reg) (((reg) & (mask)) >> __builtin_ctzll(mask))
#endif
#ifndef FIELD_PREP
#define FIELD_PREP(mask, val) \
    (((__typeof__(mask))(val) << __builtin_ctzll(mask)) & (mask))
#endif
#ifndef FIELD_MAX
#define FIELD_MAX(mask) ((mask) >> __builtin_ctzll(mask))
#endif

#define HGPU_ASSERT_SIZE(type, size) \
    _Static_assert(sizeof(type) == (size), "size of " #type)

#endif /* __KERNEL__ */

#endif /* HGPU_TYPES_H */
