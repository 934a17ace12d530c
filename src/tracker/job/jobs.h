/* SPDX-License-Identifier: MIT */
/* What the tracker does by itself: replication, deletion, checking, reaping, rebalancing, and who hands out the work.
 */
#ifndef MOG_TRACKER_JOB_JOBS_H
#define MOG_TRACKER_JOB_JOBS_H

#include "common/buf.h"
#include "common/span.h"
#include "store/store.h"
#include "store/store_queue.h"
#include "tracker/cluster/cluster_box.h"
#include "tracker/cluster/fid_notes.h"
#include "tracker/cluster/pace.h"
#include "tracker/node/node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In alphabetical order, as !jobs shows them. */
enum job_kind { JOB_DELETE, JOB_FSCK, JOB_MASTER, JOB_REAPER, JOB_REPLICATE, JOB_KINDS };

struct jobs_config {
    struct store_env *env;
    struct cluster_box *box;
    struct node_shared *nodes;
    struct fid_notes *notes; /* told why files are not yet replicated */
    struct pace *pace;       /* says when items may begin */
    const char *hostname;    /* as fsck_host and rebal_host have it; outlives the jobs */
    size_t want[JOB_KINDS];  /* JOB_MASTER: 0 or 1; with 0 only reapers run */
    bool rebalance_ignore_missing;
    int64_t tempfile_age_s; /* uploads older than this are given up */
};

struct jobs;

/* No thread runs before jobs_tick() is called. */
struct jobs *jobs_new(const struct jobs_config *config);

/* Once a second, when the monitor has done its first round: starts what is wanted and not there. Loop thread. */
void jobs_tick(struct jobs *j);

/* Change the wanted number. Loop thread. */
void jobs_want(struct jobs *j, enum job_kind kind, size_t n);
/* End the workers of this kind when idle; the next tick replaces them. Returns how many there were. */
size_t jobs_recycle(struct jobs *j, enum job_kind kind);

const char *jobs_name(enum job_kind kind);
/* The kind of that name; JOB_KINDS: none. */
enum job_kind jobs_find(struct span name);
void jobs_count(struct jobs *j, enum job_kind kind, size_t *count, size_t *desired);
/* Whether it ever had a worker. Loop thread. */
bool jobs_was_started(const struct jobs *j, enum job_kind kind);
size_t jobs_numbers(struct jobs *j, enum job_kind kind, uint32_t *out, size_t max);

/* "work_queue_for_delete 3\r\n" and the like, sorted. Any thread. */
void jobs_counters(struct jobs *j, struct buf *lines);

/* Fetch no more work; what was fetched is worked off. For a tracker whose place another process has taken. */
void jobs_finish(struct jobs *j);

/* ---- for monitoring; any thread ---- */

struct jobs_pool_numbers {
    size_t running, wanted, busy, waiting; /* threads, three times; items that wait in memory */
};
void jobs_pool_numbers(struct jobs *j, enum job_kind kind, struct jobs_pool_numbers *out);
/* Items of a queue that this tracker has finished since it was started. */
uint64_t jobs_finished(struct jobs *j, enum store_queue q);
uint64_t jobs_copied_bytes(struct jobs *j);
const char *jobs_queue_name(enum store_queue q);
/* What came of items, how long they took, and bytes copied, in Prometheus' format. */
void jobs_metrics_write(struct jobs *j, struct buf *out);

/* Ends all threads (node_shared_stop() and cluster_box_stop() must have been called), hands back what they held, frees.
 */
void jobs_stop(struct jobs *j);

#endif
