/* SPDX-License-Identifier: MIT */
/* Counts over whole tables, for mogstats. They may take minutes: use a handle with STORE_UNLIMITED. */
#ifndef MOG_STORE_STORE_STATS_H
#define MOG_STORE_STORE_STATS_H

#include "store/store.h"
#include "store/store_row.h"

struct store_stat {
    uint64_t key[3]; /* devid; or dmid, classid[, devcount]; or nexttry; or type, nexttry */
    uint64_t count;
    uint64_t bytes;      /* sum of lengths */
    uint64_t bytes_full; /* sum of lengths times devcount */
};
struct store_stats {
    struct store_stat *rows;
    size_t n;
};
void store_stats_free(struct store_stats *s);

enum store_stat_kind {
    STORE_STAT_DEVICES,         /* devid */
    STORE_STAT_FILES,           /* dmid, classid; with bytes */
    STORE_STAT_DOMAINS,         /* dmid, classid */
    STORE_STAT_REPLICATION,     /* dmid, classid, devcount */
    STORE_STAT_REPLICATE_QUEUE, /* nexttry */
    STORE_STAT_DELETE_QUEUE,    /* nexttry */
    STORE_STAT_GENERAL_QUEUES,  /* type, nexttry */
};

/* Ordered by key. 1 RT. */
MOG_MUSTCHECK enum mog_err store_stats_read(struct store *st, enum store_stat_kind kind, struct store_stats *out);

#endif
