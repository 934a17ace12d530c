/* SPDX-License-Identifier: MIT */
/* A resizable pool of threads that take items from one bounded queue. */
#ifndef MOG_COMMON_POOL_H
#define MOG_COMMON_POOL_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;

enum { POOL_OVERDUE_MS = 5 };

struct pool_ops {
    const char *name;                       /* thread name and log context */
    void *(*worker_new)(void *arg);         /* per-thread state, made on the thread */
    void (*worker_free)(void *worker);      /* on the thread, at its end */
    void (*work)(void *worker, void *item); /* takes the item */
    void (*drop)(void *arg, void *item);    /* an item that no thread will take (stop) */
    void *arg;
    /*
     * How many threads work at a time on items that do not say that they wait (pool_wait_begin); 0: all of them. More
     * threads than that at one directory or one lock do less, not more. When no item was taken for `overdue_ms` (0:
     * POOL_OVERDUE_MS) although some wait, one thread more goes to work all the same.
     */
    size_t active;
    int64_t overdue_ms;
};

/* `limit`: most items waiting; 0 for none. No threads until pool_resize. */
struct pool *pool_new(const struct pool_ops *ops, size_t limit);

/*
 * Hand in one item (takes). False, and the item stays the caller's, when the queue is full, the pool stops, or the
 * system has not let it start a single thread. Threads that are missing so are tried again here, once a second.
 */
MOG_MUSTCHECK bool pool_submit(struct pool *p, void *item);
/* The same for several: all or none. */
MOG_MUSTCHECK bool pool_submit_many(struct pool *p, void *const *items, size_t n);

/* By the thread of an item: what follows, until the end, is waiting; so another thread may go to work. */
void pool_wait_begin(struct pool *p);
void pool_wait_end(struct pool *p);

/* Another value for `active` of struct pool_ops, from the next item on. */
void pool_set_active(struct pool *p, size_t active);

/* The wanted number of threads; more are started now, surplus ones end after their current item. */
void pool_resize(struct pool *p, size_t threads);

/* All present threads end after their current item; the next pool_resize replaces them. Returns how many there were. */
size_t pool_recycle(struct pool *p);

/*
 * Numbers of threads that have been at one item for longer than `limit_ms`, each told once an item. Fills up to `max`,
 * returns how many.
 */
size_t pool_late(struct pool *p, int64_t limit_ms, uint32_t *out, size_t max);

size_t pool_wanted(struct pool *p);
size_t pool_running(struct pool *p);
size_t pool_busy(struct pool *p);
size_t pool_waiting(struct pool *p);      /* items not yet taken */
size_t pool_free_threads(struct pool *p); /* so many items more find a thread at once */

/*
 * For a thread at work: take up to `max` more waiting items for which `match` is true into `out`, oldest first, to do
 * them together with its own. `match` runs under the pool's lock. Returns how many.
 */
size_t pool_take(struct pool *p, bool (*match)(void *arg, void *item), void *arg, void **out, size_t max);

/* Take out, without running them, all waiting items for which `match` is true (drop is called for each). */
size_t pool_cancel(struct pool *p, bool (*match)(void *arg, void *item), void *arg);

/*
 * Every thread of a pool has a number that no process can have (above 4194304), which stands in its log context
 * ("replicate(4194310)"). Fills up to `max`, ascending; returns how many.
 */
size_t pool_numbers(struct pool *p, uint32_t *out, size_t max);
/* A number of that kind for a thread that belongs to no pool. */
uint32_t pool_next_number(void);

/* Finish current items, drop the waiting ones, join all threads. What is handed in later is refused. */
void pool_end(struct pool *p);

/* The same, and free. */
void pool_stop(struct pool *p);

#endif
