/* SPDX-License-Identifier: MIT */
/* Named locks that exclude all trackers of a database, of our kind and of the original. One per handle. */
#ifndef MOG_STORE_STORE_LOCK_H
#define MOG_STORE_STORE_LOCK_H

#include "store/store.h"

/*
 * Take the lock, waiting up to `wait_s` (0: one try). MOG_ELOCKED: somebody else has it. MOG_EINVAL: this handle holds
 * one already ("Lock recursion detected (grabbing <new>, had <old>).  Bailing out."). It lives as long as the
 * connection. 1 RT on MySQL; others try once a second.
 */
MOG_MUSTCHECK enum mog_err store_lock(struct store *st, const char *name, unsigned wait_s);
/* The lock around all work on the copies of one fid: "mgfs:fid:<fid>:replicate". */
MOG_MUSTCHECK enum mog_err store_lock_fid(struct store *st, uint64_t fid, unsigned wait_s);
/*
 * Say that the holder is still at work: locks that are rows can be taken over after an hour. To be called now and then
 * by work that may take that long; other kinds of locks, and calls that come early, cost nothing. MOG_ENOTFOUND: the
 * lock was taken over. At most 1 RT in 10 minutes.
 */
MOG_MUSTCHECK enum mog_err store_lock_renew(struct store *st);
/* Release what is held; nothing held is fine. An error is remembered in store_failure() and logged. 1 RT. */
void store_unlock(struct store *st);
/* The name of the lock held; NULL: none. */
const char *store_lock_held(const struct store *st);

#endif
