/* SPDX-License-Identifier: MIT */
/* Load on a cluster: one operation after the other, each by many connections for some seconds. */
#ifndef MOG_TOOLS_BENCH_H
#define MOG_TOOLS_BENCH_H

#include "tools/hist.h"
#include "tools/tool.h"

#include <stdbool.h>
#include <stdint.h>

struct bench_opts {
    unsigned connections;
    int64_t seconds;         /* of each operation */
    uint64_t count;          /* at most so many requests of each operation; 0: no limit */
    uint64_t rate;           /* so many requests a second, whatever comes of them; 0: one after the other */
    int64_t timeout_s;       /* for an answer */
    uint64_t keys;           /* files to prepare for operations that need some */
    uint64_t size;           /* bytes of a file */
    const char *class_name;  /* NULL: not sent */
    const char *prefix;      /* of all keys; ends in something unique */
    bool each_tracker_alone; /* connections are spread over the trackers, one tracker each */
};

struct bench_result {
    const char *op;
    struct hist *latencies; /* of successful requests */
    uint64_t errors, bytes;
    double seconds;
    char first_error[200];
};

struct bench;

/* Borrows `t` and `opts`. NULL, with the reason in `f`, when this machine has no descriptors left. */
struct bench *bench_new(struct tool *t, const struct bench_opts *opts, struct mog_fail *f);
void bench_free(struct bench *b);

/* Whether there is an operation of this name. */
bool bench_is_op(const char *name);

/*
 * Read from files that are there: up to `opts->keys` whose keys begin with `opts->prefix`. Operations that change files
 * must not be run then. MOG_ENOTFOUND, and what client_request fails with.
 */
MOG_MUSTCHECK enum mog_err bench_adopt(struct bench *b, struct client *client, struct mog_fail *f);

/* Store files until there are `opts->keys`, when the operation needs some. MOG_OK, or why the first one failed. */
MOG_MUSTCHECK enum mog_err bench_prepare(struct bench *b, const char *op, struct mog_fail *f);

/* Run one operation. `r` is filled in; bench_result_fini. */
void bench_run(struct bench *b, const char *op, struct bench_result *r);
void bench_result_fini(struct bench_result *r);

/* Delete what was stored. Returns how many files could not be deleted. */
uint64_t bench_clean(struct bench *b);

#endif
