/* SPDX-License-Identifier: MIT */
/* Latencies in buckets of 1.6 % or less, from a microsecond to hours, in fixed memory. */
#include "tools/hist.h"

/*
 * Values below 2 * HIST_SUB have a bucket each; above, every doubling is cut into HIST_SUB buckets. So the bucket is
 * the number of doublings and the leading bits of the value.
 */
static size_t bucket_of(uint64_t us)
{
    if (us < UINT64_C(2) * HIST_SUB)
        return (size_t)us;
    unsigned top = 63 - (unsigned)__builtin_clzll(us);
    unsigned shift = top - 6;
    size_t b = (size_t)shift * HIST_SUB + (size_t)(us >> shift);
    return b < HIST_BUCKETS ? b : HIST_BUCKETS - 1;
}

/* The largest value in bucket `b`. */
static uint64_t bucket_end(size_t b)
{
    if (b < (size_t)2 * HIST_SUB)
        return b;
    unsigned shift = (unsigned)(b / HIST_SUB) - 1;
    uint64_t lead = b - (uint64_t)shift * HIST_SUB;
    return ((lead + 1) << shift) - 1;
}

void hist_record(struct hist *h, uint64_t us)
{
    h->counts[bucket_of(us)]++;
    h->n++;
    h->sum_us += us;
    if (us > h->max_us)
        h->max_us = us;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    for (size_t i = 0; i < HIST_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->n += from->n;
    into->sum_us += from->sum_us;
    if (from->max_us > into->max_us)
        into->max_us = from->max_us;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
    if (h->n == 0)
        return 0;
    double want = q * (double)h->n;
    uint64_t seen = 0;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        seen += h->counts[i];
        if (h->counts[i] && (double)seen >= want) {
            uint64_t end = bucket_end(i);
            return end < h->max_us ? end : h->max_us;
        }
    }
    return h->max_us;
}

double hist_mean_us(const struct hist *h)
{
    return h->n ? (double)h->sum_us / (double)h->n : 0;
}
