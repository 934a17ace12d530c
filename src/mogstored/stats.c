/* SPDX-License-Identifier: MIT */
/* Counters and latency histograms, added to without locks by any thread. */
#include "mogstored/stats.h"

/* Ends with 0, which stands for all that are not listed. */
static const int statuses[STATS_STATUS_COUNT] = {200, 201, 204, 206, 304, 400, 403, 404, 405, 408, 409,
                                                 411, 413, 414, 416, 431, 500, 501, 503, 505, 507, 0};

static const uint64_t bounds_us[STATS_BUCKET_COUNT] = {100,   250,   500,    1000,   2500,    5000,    10000,
                                                       25000, 50000, 100000, 250000, 1000000, 5000000, 30000000};

const char *stats_method_text(enum stats_method m)
{
    static const char *const texts[] = {
#define X(name, text) text,
        STATS_METHODS(X)
#undef X
    };
    return texts[m];
}

int stats_status(size_t i)
{
    return statuses[i];
}

uint64_t stats_bucket_us(size_t i)
{
    return bounds_us[i];
}

static size_t status_index(int status)
{
    size_t i = 0;
    while (statuses[i] != 0 && statuses[i] != status)
        i++;
    return i;
}

void stats_histogram_add(struct stats_histogram *h, uint64_t took_us)
{
    size_t i = 0;
    while (i < STATS_BUCKET_COUNT && took_us > bounds_us[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, took_us, memory_order_relaxed);
}

void stats_add_request(struct stats *s, enum stats_method m, int status, uint64_t took_us)
{
    atomic_fetch_add_explicit(&s->requests[m][status_index(status)], 1, memory_order_relaxed);
    stats_histogram_add(&s->latency[m], took_us);
}
