/* SPDX-License-Identifier: MIT */
/* Latencies in buckets of 1.6 % or less, from a microsecond to hours, in fixed memory. */
#ifndef MOG_TOOLS_HIST_H
#define MOG_TOOLS_HIST_H

#include <stddef.h>
#include <stdint.h>

enum { HIST_SUB = 64, HIST_BUCKETS = HIST_SUB * 40 };

struct hist {
    uint64_t counts[HIST_BUCKETS];
    uint64_t n, sum_us, max_us;
};

void hist_record(struct hist *h, uint64_t us);
void hist_merge(struct hist *into, const struct hist *from);
/* The latency that the share `q` (0 to 1) of all does not exceed; 0 when there are none. */
uint64_t hist_quantile(const struct hist *h, double q);
double hist_mean_us(const struct hist *h);

#endif
