/* SPDX-License-Identifier: MIT */
/* What would cost queries to know: looked up every ten seconds by a thread of its own, and kept for an hour. */
#ifndef MOG_TRACKER_WEB_WEB_SAMPLER_H
#define MOG_TRACKER_WEB_WEB_SAMPLER_H

#include "report/report_status.h"
#include "store/store_queue.h"
#include "tracker/web/web.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEB_QUEUES = REPORT_QUEUES /* of enum store_queue */, WEB_HISTORY = 361, WEB_SAMPLE_EVERY_S = 10 };

struct web_sample {
    bool has_queues;
    int64_t age_ms; /* of the queues' numbers */
    struct report_queue queues[WEB_QUEUES];
    uint64_t max_logid; /* of the check's log */
};

struct web_sampler;

/* NULL: the system gives no thread. */
struct web_sampler *web_sampler_start(const struct web_parts *parts);
void web_sampler_stop(struct web_sampler *s); /* NULL is fine */

/* The latest look. Any thread. */
void web_sampler_get(struct web_sampler *s, struct web_sample *out);
/* Points of the last hour later than `after_unix_s`, oldest first, into `out` (WEB_HISTORY of them); returns how many.
 */
size_t web_sampler_history(struct web_sampler *s, int64_t after_unix_s, struct report_point *out);

/* ---- for tests: how long a queue's oldest row has been due ---- */

enum { WEB_SEEN = 360 };

/* What was seen of the rows that are due at once, and so have no time of their own. A ring. */
struct web_seen {
    struct {
        int64_t unix_s;
        uint64_t first, last;
    } at[WEB_SEEN];
    size_t next, n;
    uint64_t fid;    /* the first of them now */
    int64_t since_s; /* since when it has been seen */
};

/*
 * Take one look into account and return the seconds. Such rows are taken in the order of their fids, so one whose fid
 * lay between the first and the last of an earlier look was waiting then.
 */
int64_t web_seen_add(struct web_seen *seen, const struct store_queue_sample *q);

#endif
