/* SPDX-License-Identifier: MIT */
/* xoshiro256**, seeded by splitmix64. */
#include "common/rng.h"

#include "common/clock.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void rng_seed(struct rng *r, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        r->s[i] = z ^ (z >> 31);
    }
}

void rng_seed_random(struct rng *r)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
        seed = (uint64_t)clock_wall_us() ^ (uint64_t)(uintptr_t)r;
    rng_seed(r, seed);
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t *s = r->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    return bound != 0 ? rng_u64(r) % bound : 0;
}

double rng_unit(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * (1.0 / 9007199254740992.0);
}

void rng_shuffle(struct rng *r, void *array, size_t n, size_t size)
{
    char *base = array, keep[64];
    assert(size <= sizeof(keep) && "small elements only");
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rng_below(r, i);
        memcpy(keep, base + (i - 1) * size, size);
        memmove(base + (i - 1) * size, base + j * size, size);
        memcpy(base + j * size, keep, size);
    }
}
