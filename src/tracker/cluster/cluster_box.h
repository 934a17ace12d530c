/* SPDX-License-Identifier: MIT */
/* Where the current snapshot lies: published by the monitor, borrowed by everybody. */
#ifndef MOG_TRACKER_CLUSTER_CLUSTER_BOX_H
#define MOG_TRACKER_CLUSTER_CLUSTER_BOX_H

#include "common/err.h"
#include "tracker/cluster/cluster.h"

#include <stdbool.h>
#include <stdint.h>

struct cluster_box;

struct cluster_box *cluster_box_new(void);
void cluster_box_free(struct cluster_box *b);

/*
 * The current snapshot; stays valid until cluster_box_release(). NULL before the first one. Any thread; never waits
 * for anything but a short mutex.
 */
const struct cluster *cluster_box_borrow(struct cluster_box *b);
void cluster_box_release(struct cluster_box *b, const struct cluster *c);

/* Replace the snapshot (takes `c`). The monitor only. */
void cluster_box_publish(struct cluster_box *b, struct cluster *c);

/*
 * A client's change must be seen by the next command: ask for a reload and a check round that begin after this call,
 * and wait until they are published. MOG_ETIMEOUT after `timeout_ms`; MOG_ECANCELED: the tracker stops. Query threads.
 */
MOG_MUSTCHECK enum mog_err cluster_box_refresh(struct cluster_box *b, int64_t timeout_ms);
/* Ask for the same without waiting: for changes that should be seen soon. */
void cluster_box_ask(struct cluster_box *b);
/* Wait for the end of the round that ends next, asking for nothing. */
MOG_MUSTCHECK enum mog_err cluster_box_wait_round(struct cluster_box *b, int64_t timeout_ms);
/* Wait until a first round is done. */
MOG_MUSTCHECK enum mog_err cluster_box_wait_ready(struct cluster_box *b, int64_t timeout_ms);
/* Do nothing for `ms`; less when the tracker stops. */
void cluster_box_pause(struct cluster_box *b, int64_t ms);
/* Whether there is a snapshot: the tables were read, though perhaps nothing of the cluster was seen yet. */
bool cluster_box_is_loaded(struct cluster_box *b);
/* Whether a first round is done. */
bool cluster_box_is_ready(struct cluster_box *b);

/* ---- the monitor's side ---- */

/*
 * Wait up to `ms` for a request or a stop. Returns true when somebody asks for a refresh; `*ticket` then covers all who
 * asked so far, and is handed back with cluster_box_round_done().
 */
bool cluster_box_wait_request(struct cluster_box *b, int64_t ms, uint64_t *ticket);
/* A round ended that had begun with a reload after `ticket` was read. */
void cluster_box_round_done(struct cluster_box *b, uint64_t ticket);
/* Wake everybody; all waits fail with MOG_ECANCELED from now on. */
void cluster_box_stop(struct cluster_box *b);
bool cluster_box_is_stopping(struct cluster_box *b);

#endif
