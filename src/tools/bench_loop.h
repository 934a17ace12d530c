/* SPDX-License-Identifier: MIT */
/* Many requests at a time from one thread, at as little cost as can be: so that the client is not what is measured. */
#ifndef MOG_TOOLS_BENCH_LOOP_H
#define MOG_TOOLS_BENCH_LOOP_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "tools/hist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop; /* owned by one thread, as all of its slots are */
struct slot; /* one of the requests at a time: a connection to a tracker, and some to storage nodes */

struct loop_opts {
    unsigned connections;
    const char *const *trackers; /* "host:port"; copied */
    size_t n_trackers;           /* at least 1 */
    bool spread;                 /* slot i stays with tracker i; else one that fails is followed by the next */
    int64_t reply_timeout_ms;    /* without any progress */
    size_t task_size;            /* bytes of slot_task(), zero at first */
};

/* Request lines have one exchange with a tracker; an upload has three, one of them with a node. */
struct loop_reply {
    struct span line; /* a tracker's, without line end; empty when a node answered */
    int status;       /* a node's; 0 when a tracker answered */
    uint64_t bytes;   /* of the body of a node's answer */
};

enum loop_step {
    LOOP_ASKED,   /* slot_ask_tracker or slot_ask_node was called */
    LOOP_DONE,    /* the request succeeded */
    LOOP_FAILED,  /* it did not; slot_fail said why */
    LOOP_NO_MORE, /* there is nothing left to do; from `begin` alone */
};

struct loop_job {
    enum loop_step (*begin)(void *arg, struct slot *s);
    /* `r` is valid until the next slot_ask_. A reply that did not come is told as NULL: what it means is up to the job.
     */
    enum loop_step (*reply)(void *arg, struct slot *s, const struct loop_reply *r);
    void *arg;
    int64_t seconds; /* no request begins later */
    uint64_t count;  /* at most so many; 0: no limit */
    uint64_t rate;   /* so many a second, whether or not earlier ones are answered; 0: the next when one is answered */
};

struct loop_result {
    struct hist *latencies; /* of what succeeded; with a rate they count from when the request was due; borrowed */
    uint64_t errors;
    double seconds;
    char first_error[200];
};

/*
 * Connections are made when they are needed. Raises this process's limit of open files as far as it may. NULL, with
 * MOG_EIO in `f`, when there is no descriptor left.
 */
struct loop *loop_new(const struct loop_opts *o, struct mog_fail *f);
void loop_free(struct loop *l);

/* Run a job to its end. `r->latencies` is given by the caller. */
void loop_run(struct loop *l, const struct loop_job *job, struct loop_result *r);

/* Memory of the job's own, kept between its steps. */
void *slot_task(struct slot *s);

/* The next exchange is with the tracker: append the request line with its line end to what is returned. */
struct buf *slot_ask_tracker(struct slot *s);

/*
 * The next exchange is with a storage node. `body` is borrowed until the reply, and not sent when its ptr is NULL.
 * False, and slot_fail was called, when the URL cannot be used.
 */
bool slot_ask_node(struct slot *s, const char *method, const char *url, struct span body);

/* Why this request fails; the first reason counts. */
void slot_fail(struct slot *s, const char *fmt, ...) MOG_PRINTF(2, 3);

#endif
