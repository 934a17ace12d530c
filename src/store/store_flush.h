/* SPDX-License-Identifier: MIT */
/*
 * One sync of a file for all who wait for it. SQLite's own sync at each commit lets one commit at a time reach the
 * disk; here commits go into its log unsynced, one after the other, and those that come while a sync runs share the
 * next one.
 */
#ifndef MOG_STORE_STORE_FLUSH_H
#define MOG_STORE_STORE_FLUSH_H

#include "common/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Invariants, all under `lock`: done <= begun; at most one sync runs, and `running` says so. */
struct store_flush {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    uint64_t begun, done; /* syncs */
    bool running;
    bool
        is_broken; /* a sync failed: the kernel may have dropped what it could not write, nothing is certain any more */
    int broken_errno;
};

void store_flush_init(struct store_flush *s);
void store_flush_fini(struct store_flush *s);

/*
 * Return when a sync of `path` that began after this call has ended well. MOG_EIO: it failed, now or earlier; or there
 * was no descriptor for it, which passes. Any thread; the caller keeps the file from being replaced meanwhile.
 */
MOG_MUSTCHECK enum mog_err store_flush_wait(struct store_flush *s, const char *path, struct mog_fail *f);

#endif
