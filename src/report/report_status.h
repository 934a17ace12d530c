/* SPDX-License-Identifier: MIT */
/*
 * The state of a cluster as one document: what a tracker answers to /api/status and !status, and what mogadm prints.
 * Its keys are in mogilefs-status(7).
 */
#ifndef MOG_REPORT_REPORT_STATUS_H
#define MOG_REPORT_REPORT_STATUS_H

#include "common/kv.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPORT_QUEUES = 4 /* replicate, delete, fsck, rebalance */ };

/* Texts are borrowed. What is not known is NULL, a negative number, or not `has_`, and null in the document. */

struct report_error {
    int64_t unix_s;    /* of the latest time */
    const char *level; /* "error", "warning" */
    const char *context, *text;
    uint64_t times; /* in a row */
};

/* One moment; what is counted begins with the tracker. */
struct report_point {
    int64_t unix_s;
    bool has_queues;
    uint64_t lengths[REPORT_QUEUES];
    uint64_t requests, copied_bytes, finished[REPORT_QUEUES];
};

struct report_tracker {
    const char *name;    /* "host:port" */
    const char *failure; /* NULL: it answered */
    const char *version;
    const struct kv *counters;
    bool has_ready; /* `not_ready` says something */
    const char *not_ready;
    bool has_memory; /* the tracker told its errors and points, however few */
    const struct report_error *errors;
    size_t n_errors;
    const struct report_point *points; /* oldest first */
    size_t n_points;
    int64_t after_unix_s; /* only points later than that are shown; the rates are of all */
    int64_t every_s;      /* between two points */
};

struct report_host {
    uint64_t hostid, port;
    const char *name, *ip, *status, *observed;
};

struct report_device {
    uint64_t devid, hostid;
    const char *status, *observed;
    int64_t weight;
    bool has_usage;
    uint64_t mb_total, mb_used;
    double utilization; /* per cent */
};

struct report_queue {
    uint64_t length, due, parked;
    int64_t oldest_s;
};

struct report_status {
    int64_t unix_s;
    const struct report_host *hosts;
    size_t n_hosts;
    const struct report_device *devices;
    size_t n_devices;
    bool has_queues;
    double queues_age_s;
    struct report_queue queues[REPORT_QUEUES];
    const struct kv *fsck; /* as fsck_status answers */
    bool is_rebalancing;
    const char *rebalance_state; /* as rebalance_status answers */
};

/* The row of one tracker, for the document's "trackers". The caller's. */
json_t *report_status_tracker(const struct report_tracker *t);
/* The document. */
json_t *report_status(const struct report_status *s, json_t *trackers /* array; takes */);

#endif
