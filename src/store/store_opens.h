/* SPDX-License-Identifier: MIT */
/* New uploads that are registered at the same time share a statement, and with it a commit. */
#ifndef MOG_STORE_STORE_OPENS_H
#define MOG_STORE_STORE_OPENS_H

#include "store/store_file.h"

#include <pthread.h>

struct store_opens_wait; /* one that waits */

/*
 * Who comes while few statements are under way runs one at once, for itself and all that wait; so nobody
 * waits when there is nobody to share with. Invariants, under `lock`: 1. the first in the list leads as soon as
 * `running` allows it, and is signalled then. 2. who is taken from the list belongs to a leader until it is done.
 */
struct store_opens {
    pthread_mutex_t lock;
    struct store_opens_wait *first, **last;
    unsigned running;
};

void store_opens_init(struct store_opens *s);
void store_opens_fini(struct store_opens *s);

/*
 * Register an upload under a new number; `is_used`: a file has that number already. The connection must be able to
 * return rows of an INSERT. When the statement for several fails for a reason that may lie in one of them, each runs
 * its own. Any thread with a handle of its own.
 */
MOG_MUSTCHECK enum mog_err store_opens_insert(struct store *st, const struct store_file_open *o, uint64_t *fid,
                                              bool *is_used);

#endif
