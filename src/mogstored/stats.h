/* SPDX-License-Identifier: MIT */
/* Counters and latency histograms, added to without locks by any thread. */
#ifndef MOG_MOGSTORED_STATS_H
#define MOG_MOGSTORED_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, text): the methods that are counted; all others are "other". */
#define STATS_METHODS(X)                                                                                               \
    X(STATS_GET, "GET")                                                                                                \
    X(STATS_HEAD, "HEAD")                                                                                              \
    X(STATS_PUT, "PUT")                                                                                                \
    X(STATS_DELETE, "DELETE")                                                                                          \
    X(STATS_OTHER, "other")

enum stats_method {
#define X(name, text) name,
    STATS_METHODS(X)
#undef X
        STATS_METHOD_COUNT
};

enum { STATS_STATUS_COUNT = 24, STATS_BUCKET_COUNT = 14 };

/* Cumulative only when written: bucket i counts what took at most stats_bucket_us(i) and more than the one before. */
struct stats_histogram {
    _Atomic uint64_t buckets[STATS_BUCKET_COUNT + 1]; /* the last one: longer than all */
    _Atomic uint64_t sum_us;
};

/* Of one device, or of requests that concern none. */
struct stats {
    _Atomic uint64_t requests[STATS_METHOD_COUNT][STATS_STATUS_COUNT];
    struct stats_histogram latency[STATS_METHOD_COUNT];
    struct stats_histogram sync; /* of file and directory, of one upload */
    _Atomic uint64_t bytes_sent, bytes_received;
    _Atomic uint64_t errors;  /* failed file system calls that were no client's fault */
    _Atomic uint64_t refused; /* 503 because of the queue or the device's health */
};

const char *stats_method_text(enum stats_method m);

/* The status behind index `i` of `requests`; 0: any other. */
int stats_status(size_t i);

/* Upper bound of bucket `i` in microseconds. */
uint64_t stats_bucket_us(size_t i);

/* One finished request. */
void stats_add_request(struct stats *s, enum stats_method m, int status, uint64_t took_us);
void stats_histogram_add(struct stats_histogram *h, uint64_t took_us);

#endif
