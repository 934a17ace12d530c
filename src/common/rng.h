/* SPDX-License-Identifier: MIT */
/* A small seedable random generator for choices; not for secrets. */
#ifndef MOG_COMMON_RNG_H
#define MOG_COMMON_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed); /* the same seed, the same numbers */
void rng_seed_random(struct rng *r);         /* from the system */
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); /* 0 to bound - 1; 0 for bound 0 */
double rng_unit(struct rng *r);                    /* [0, 1) */

/* Shuffle `n` elements of `size` bytes (at most 64). */
void rng_shuffle(struct rng *r, void *array, size_t n, size_t size);

#endif
