/* SPDX-License-Identifier: MIT */
/* The queues in the database: claimed by a lease, put off, done. Times are the database's clock. */
#ifndef MOG_STORE_STORE_QUEUE_H
#define MOG_STORE_STORE_QUEUE_H

#include "store/store.h"
#include "store/store_row.h"

enum store_queue {
    STORE_QUEUE_REPLICATE, /* file_to_replicate */
    STORE_QUEUE_DELETE,    /* file_to_delete2 */
    STORE_QUEUE_FSCK,      /* file_to_queue, type 1 */
    STORE_QUEUE_REBALANCE, /* file_to_queue, type 2 */
};

enum { STORE_QUEUE_LEASE_S = 1000, STORE_QUEUES = STORE_QUEUE_REBALANCE + 1 };

/* Which queues have rows that are due: a look without locks, since they are empty most of the time. 1 RT. */
MOG_MUSTCHECK enum mog_err store_queues_due(struct store *st, bool due[STORE_QUEUES]);

/*
 * Claim up to `limit` (1 to 1000) due rows, most urgent first, and push their nexttry STORE_QUEUE_LEASE_S ahead, so
 * that no tracker hands them out meanwhile. Rows come in random order, with their old nexttry.
 * On MySQL under the lock mfsd:<table> (waits up to 30 s), so the handle must hold no other lock.
 * A deadlock, or that lock not to be had, is MOG_OK with 0 rows: the next cycle comes soon.
 * 1 RT when nothing is due, else 4 and one per 100 rows.
 */
MOG_MUSTCHECK enum mog_err store_queue_claim(struct store *st, enum store_queue q, unsigned limit,
                                             struct store_queue_rows *out);

/* The item is finished: its row goes. MOG_OK also when it was gone. 1 RT. */
MOG_MUSTCHECK enum mog_err store_queue_done(struct store *st, enum store_queue q, uint64_t fid);
/* Due again in `delay_s`; `failed` adds 1 to failcount (255 at most). 1 RT. */
MOG_MUSTCHECK enum mog_err store_queue_defer(struct store *st, enum store_queue q, uint64_t fid, int64_t delay_s,
                                             bool failed);
/* Never due again by itself (STORE_END_OF_TIME), failcount + 1. 1 RT. */
MOG_MUSTCHECK enum mog_err store_queue_park(struct store *st, enum store_queue q, uint64_t fid);
/* Hand claimed rows back: due at once. 1 RT per 100. */
MOG_MUSTCHECK enum mog_err store_queue_release(struct store *st, enum store_queue q, const uint64_t *fids, size_t n);
/* Rows in the queue. 1 RT. */
MOG_MUSTCHECK enum mog_err store_queue_length(struct store *st, enum store_queue q, uint64_t *n);

/* One look at a queue, for monitoring. */
struct store_queue_sample {
    uint64_t length, due, parked;         /* rows; those due now; those never due by themselves */
    int64_t earliest_unix_s;              /* the earliest nexttry that is not 0 ("at once"); 0: there is none */
    uint64_t first_new_fid, last_new_fid; /* of the rows whose nexttry is 0; 0: there are none */
    int64_t now_unix_s;                   /* by the database's clock */
};
/* Reads the whole queue. 1 RT. */
MOG_MUSTCHECK enum mog_err store_queue_sample(struct store *st, enum store_queue q, struct store_queue_sample *out);

/* MOG_ENOTFOUND. 1 RT. */
MOG_MUSTCHECK enum mog_err store_queue_find(struct store *st, enum store_queue q, uint64_t fid,
                                            struct store_queue_row *out);

/*
 * Queue for replication: due at once (nexttry 0) when delay_s is 0, else in `delay_s`. A row that is there stays as
 * it is, except one at STORE_END_OF_TIME, which gets the new nexttry. fromdevid 0: none. 1 RT.
 */
MOG_MUSTCHECK enum mog_err store_replicate_add(struct store *st, uint64_t fid, uint32_t fromdevid, int64_t delay_s);
/* Rows that are neither new nor parked. 1 RT. */
MOG_MUSTCHECK enum mog_err store_replicate_deferred(struct store *st, uint64_t *n);
/* All rows that wait, parked ones included, are due now; `n`: how many. 1 RT. */
MOG_MUSTCHECK enum mog_err store_replicate_now(struct store *st, uint64_t *n);

/* Queue fids for deletion in `delay_s`; rows that are there stay. 1 RT per 100. */
MOG_MUSTCHECK enum mog_err store_delete_add(struct store *st, const uint64_t *fids, size_t n, int64_t delay_s);
/*
 * The delete worker begins with a fid: it takes its lock (as store_lock_fid; MOG_ELOCKED) and gets its locations.
 * store_unlock() or store_delete_end() must follow whatever it returns. 1 RT on MySQL, else 2 or more.
 */
MOG_MUSTCHECK enum mog_err store_delete_begin(struct store *st, uint64_t fid, unsigned wait_s,
                                              struct store_devids *devids);
struct store_delete_end {
    const uint32_t *gone; /* locations that are no more */
    size_t n_gone;
    bool is_done;    /* nothing is left: the fid leaves the queue, unless a location has been recorded meanwhile */
    int64_t delay_s; /* else it is due again then, and failcount is one more if `failed` */
    bool failed;
};
/* It ends: locations, checksum and tempfile row go, the queue's row as told, and the lock. 1 RT on MySQL, else 6 to 8.
 */
MOG_MUSTCHECK enum mog_err store_delete_end(struct store *st, uint64_t fid, const struct store_delete_end *o);

struct store_todo {
    uint64_t fid;
    uint32_t devid;  /* rebalance: the source; 0: NULL */
    struct span arg; /* rebalance: "4,5,6"; ptr NULL: NULL */
};
/* Queue for STORE_QUEUE_FSCK or STORE_QUEUE_REBALANCE, due now; rows that are there stay. 1 RT per 100. */
MOG_MUSTCHECK enum mog_err store_todo_add(struct store *st, enum store_queue q, const struct store_todo *items,
                                          size_t n);

/* ---- the delete queue of databases before schema 12, which still has to be drained ---- */

/* Move up to 500 rows of file_to_delete_later that are due into file_to_delete. 1 RT when there are none. */
MOG_MUSTCHECK enum mog_err store_legacy_requeue(struct store *st, size_t *moved);
/* Up to `limit` (fid, devid) of file_to_delete; devid 0: the fid has no location (left). 1 RT. */
MOG_MUSTCHECK enum mog_err store_legacy_list(struct store *st, unsigned limit, struct store_devfids *out);
/* 1 RT. */
MOG_MUSTCHECK enum mog_err store_legacy_done(struct store *st, uint64_t fid);
/* Into file_to_delete_later, in one transaction. 4 RT. */
MOG_MUSTCHECK enum mog_err store_legacy_later(struct store *st, uint64_t fid, int64_t delay_s);

#endif
