/* SPDX-License-Identifier: MIT */
/*
 * Why a file has the copies that it has: which are good, how many are wanted, and what keeps it from having them. The
 * judgement is made here, for mogadm why and for /api/why alike; who asks fills in what was found. Pure.
 */
#ifndef MOG_REPORT_REPORT_WHY_H
#define MOG_REPORT_REPORT_WHY_H

#include "common/err.h"
#include "common/span.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts are borrowed, and never NULL but where it says so. */
struct report_place {
    uint64_t devid, hostid;
    const char *status, *observed;  /* of the device */
    const char *host, *host_status; /* NULL: the host is unknown */
    bool has_usage;
    uint64_t mb_total, mb_used;
};

struct report_copy {
    uint64_t devid;
    const struct report_place *place; /* NULL: unknown */
    const char *url;                  /* "": none */
    /* What the node answered: */
    enum mog_err err;   /* MOG_OK: it answered */
    int status;         /* of HTTP */
    int64_t length;     /* negative: not told */
    const char *answer; /* both in words: "404 Not Found"; not read for a good copy */
};

enum report_queued { REPORT_QUEUED_REPLICATE, REPORT_QUEUED_FSCK, REPORT_QUEUED_REBALANCE, REPORT_QUEUED_DELETE };
enum { REPORT_QUEUED_N = REPORT_QUEUED_DELETE + 1 };

struct report_queued_row {
    bool is_queued;
    int64_t nexttry_unix_s;
    uint64_t failcount;
};

struct report_why {
    struct span domain, key;
    uint64_t fid, length, wanted; /* wanted 0: not known */
    const char *class_name, *policy;
    const char *reason; /* why it was not replicated the last time; NULL: not known */
    const struct report_place *places;
    size_t n_places;
    const struct report_copy *copies;
    size_t n_copies;
    struct report_queued_row queued[REPORT_QUEUED_N];
    int64_t now_unix_s;
};

/* How many copies a class wants: a number in the policy, "MultipleHosts(3)", counts for more than its own. */
uint64_t report_why_wanted(const char *policy, uint64_t mindevcount);

enum { REPORT_TEXT_MAX = 600 };

/* What is wrong with copy `i`; NULL when it is a good one. `out` (REPORT_TEXT_MAX bytes) has room for the text. */
const char *report_why_problem(const struct report_why *w, size_t i, char *out);

enum report_tone { REPORT_PLAIN, REPORT_GOOD, REPORT_WARN, REPORT_BAD };

/* Call `say` with each sentence of the verdict, in the order to be read. */
void report_why_verdict(const struct report_why *w, void (*say)(void *arg, enum report_tone tone, const char *text),
                        void *arg);

/* All of it as a document: see mogilefs-status(7). The caller's. */
json_t *report_why_json(const struct report_why *w);

#endif
