/* SPDX-License-Identifier: MIT */
/* Counters and histograms that any thread adds to without locks, and their text in Prometheus' format. */
#ifndef MOG_COMMON_METRIC_H
#define MOG_COMMON_METRIC_H

#include "common/buf.h"
#include "common/span.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { METRIC_BUCKETS = 14 };

typedef _Atomic uint64_t metric_counter;

/* Of durations. Cumulative only when written: bucket i counts what took at most its bound and more than the one before.
 */
struct metric_histogram {
    metric_counter buckets[METRIC_BUCKETS + 1]; /* the last one: longer than all bounds */
    metric_counter sum_us;
};

static inline void metric_add(metric_counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static inline uint64_t metric_get(const metric_counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* One event that took `took_us` microseconds. */
void metric_observe(struct metric_histogram *h, int64_t took_us);
/* How many there were. */
uint64_t metric_count(const struct metric_histogram *h);

/* ---- writing; names are whole ("mogilefsd_clients"), `labels` is "" or "a=\"b\",c=\"d\"" ---- */

/* The two lines before the first sample of a family. `type`: "counter", "gauge", "histogram". */
void metric_head(struct buf *out, const char *name, const char *type, const char *help);
void metric_u64(struct buf *out, const char *name, const char *labels, uint64_t value);
void metric_double(struct buf *out, const char *name, const char *labels, double value);
/* Buckets, sum in seconds and count. */
void metric_write_histogram(struct buf *out, const char *name, const char *labels, const struct metric_histogram *h);
/* Append name="value", the value escaped, bytes that are no UTF-8 replaced; a comma first when `out` is not empty. */
void metric_label(struct buf *out, const char *name, struct span value);

/* ---- families with one sample ---- */
void metric_gauge(struct buf *out, const char *name, const char *help, double value);
void metric_total(struct buf *out, const char *name, const char *help, uint64_t value);

/* The families process_*: memory, processor time, descriptors, threads, start. Reads files of /proc. */
void metric_process(struct buf *out);

#endif
