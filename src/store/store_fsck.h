/* SPDX-License-Identifier: MIT */
/* The log of the file-system check, its summary in the settings, and its reset. */
#ifndef MOG_STORE_STORE_FSCK_H
#define MOG_STORE_STORE_FSCK_H

#include "store/store.h"
#include "store/store_row.h"

/* Log an event of four letters ("MISS"). devid 0: NULL. 1 RT. */
MOG_MUSTCHECK enum mog_err store_fsck_log(struct store *st, const char *evcode, uint64_t fid, uint32_t devid);
/* Up to `limit` events with logid > after, ascending. 1 RT. */
MOG_MUSTCHECK enum mog_err store_fsck_events(struct store *st, uint64_t after, unsigned limit,
                                             struct store_fsck_events *out);
/* 0 when the log is empty. 1 RT. */
MOG_MUSTCHECK enum mog_err store_fsck_max_logid(struct store *st, uint64_t *logid);
/* Empty the log; on MySQL logids begin again at 1. Not in a transaction: MySQL would commit that. 1 RT. */
MOG_MUSTCHECK enum mog_err store_fsck_clear(struct store *st);

/*
 * Add the events since fsck_logid_processed to the settings fsck_sum_evcount_<CODE>, in one transaction. Takes the lock
 * mgfs:fscksum (waits up to 10 s; not to be had: nothing is done, MOG_OK). A log that was cleared meanwhile counts
 * from its beginning. The handle must hold no other lock.
 */
MOG_MUSTCHECK enum mog_err store_fsck_summarize(struct store *st);

/*
 * Reset the statistics of the check, in one transaction: start and stop times and all sums away, fids checked 0, end at
 * the highest fid (away without files), both log marks at the newest event.
 */
MOG_MUSTCHECK enum mog_err store_fsck_reset(struct store *st);

#endif
