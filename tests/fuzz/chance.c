/*
 * hmm-gpu fuzzing: the same numbers for the same seed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>

#include "fuzz.h"

static uint64_t state;

void chance_seed(uint32_t seed)
{
    state = UINT64_C(0x9e3779b97f4a7c15) * (seed + UINT64_C(1));
    chance(2);
}

uint32_t chance(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % n;
}

uint32_t chance_odd(void)
{
    static const uint32_t odd[] = {
        0, 1, 2, 3, 5, 7, 64, 0xff, 0x100, 4096, 0xffff, 0x10000, 0x40000000,
        0x7fffffff, 0x80000000, 0xffffffff,
    };

    switch (chance(6)) {
    case 0:
        return chance(12);
    case 1:
        return chance(0xffffffff);
    default:
        return odd[chance(sizeof(odd) / sizeof(odd[0]))];
    }
}
