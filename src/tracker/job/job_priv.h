/* SPDX-License-Identifier: MIT */
/* What the workers share. */
#ifndef MOG_TRACKER_JOB_JOB_PRIV_H
#define MOG_TRACKER_JOB_JOB_PRIV_H

#include "common/metric.h"
#include "common/pool.h"
#include "common/rng.h"
#include "store/store_queue.h"
#include "tracker/cluster/cluster.h"
#include "tracker/job/jobs.h"
#include "tracker/node/fid_cache.h"

#include <pthread.h>
#include <stdatomic.h>

/* One worker thread. */
struct job_worker {
    struct jobs *jobs;
    struct store *st;
    struct node *node;
    struct fid_cache *cache;
    struct rng rng;
    const struct cluster *cluster; /* borrowed while an item is in work */
    char why[700];                 /* replicate_run(): why it did not succeed; "" when it did */
    bool row_is_gone; /* replicate_run(): the fid has left its queue, unless it was changed, and the lock is released */
};

enum item_kind { ITEM_QUEUE, ITEM_SWEEP, ITEM_REAP, ITEM_MASTER, ITEM_HAND_BACK };

struct job_item {
    enum item_kind kind;
    enum store_queue queue;     /* ITEM_QUEUE */
    struct store_queue_row row; /* ITEM_QUEUE */
    struct jobs *owner;         /* ITEM_HAND_BACK */
};

enum { JOB_QUEUES = STORE_QUEUES };

/* What came of an item. */
enum job_result {
    JOB_DONE,
    JOB_FAILED,    /* tried, and due again later, or given up */
    JOB_POSTPONED, /* somebody else is at it, or we stop */
    JOB_RESULTS
};

/* A dead device that the reaper empties. */
struct reap_device {
    uint32_t devid;
    int64_t next_mono_ms, delay_s;
    bool given_up; /* nothing found for long; armed again when it leaves the dead state and comes back */
};

/* At most some lines of a kind in a span of time; the rest is counted. */
struct log_gate {
    int64_t since_mono_ms;
    unsigned lines, left_out;
};
enum { LOG_GATES = 16 /* one for each enum replicate_result */ };

/* What keeps the job master from its work, second after second, for as long as a database refuses it. */
enum job_hindrance {
    HINDRANCE_LOOK,
    HINDRANCE_FETCH,
    HINDRANCE_FSCK_OPTIONS,
    HINDRANCE_FSCK_LOG,
    HINDRANCE_FSCK,
    HINDRANCE_REBALANCE,
    HINDRANCES
};

struct jobs {
    struct jobs_config config;
    struct pool *pools[JOB_KINDS];
    struct pool *keeper; /* hands items back that workers were not left to do */
    _Atomic bool keeper_asked;
    size_t want[JOB_KINDS];  /* loop thread */
    bool started[JOB_KINDS]; /* loop thread: was ever resized */
    bool is_finishing;       /* loop thread: no more is fetched */

    _Atomic uint64_t waiting[JOB_QUEUES], sent[JOB_QUEUES];
    _Atomic bool
        fsck_policy_only; /* setting fsck_opt_policy_only, as it was when rows of the check were fetched last */
    _Atomic bool sweep_pending;
    int64_t sweep_asked_mono_ms; /* loop thread */
    struct metric_histogram seconds[JOB_QUEUES];
    metric_counter results[JOB_QUEUES][JOB_RESULTS];
    metric_counter copied_bytes, reaped_fids;
    metric_counter held_back_us[JOB_QUEUES];

    pthread_mutex_t bell_lock;
    pthread_cond_t bell;
    bool bell_rung;
    /* When fewer items than this wait, the master's nap ends: there was more to fetch than it took. 0: never. */
    _Atomic uint64_t refill_below[JOB_QUEUES];

    /* Only the job master's thread: */
    size_t fetch_limit[JOB_QUEUES];
    int64_t injected_mono_ms;
    int64_t complained_mono_ms[HINDRANCES]; /* 0: never */

    /* Only the thread that sweeps (one at a time, by sweep_pending): */
    uint64_t legacy_idle;
    int64_t legacy_next_mono_ms;
    _Atomic bool sweep_again; /* the last sweep found something */

    pthread_mutex_t gate_lock;
    struct log_gate gates[LOG_GATES];

    pthread_mutex_t reap_lock; /* guards the next three */
    struct reap_device *reaps;
    size_t n_reaps, cap_reaps;
    int64_t reap_asked_mono_ms; /* loop thread */

    /* Items that nobody will work on any more: handed back soon. Under drop_lock. */
    pthread_mutex_t drop_lock;
    uint64_t *dropped[JOB_QUEUES];
    size_t n_dropped[JOB_QUEUES], cap_dropped[JOB_QUEUES];
};

/* Whether devcount is kept up to date (setting skip_devcount). */
static inline bool job_recounts(const struct job_worker *w)
{
    return !cluster_setting_is_on(w->cluster, "skip_devcount");
}
bool job_is_stopping(const struct job_worker *w);
/* A store call failed: logged once, with what was done. */
void job_log_store(const struct job_worker *w, const char *what, uint64_t fid);
/* The job master's: log what it could not do and why, once a minute for each hindrance. */
void job_master_complain(struct job_worker *w, enum job_hindrance which, const char *what);
/* Log `text`, unless there were too many lines of this kind (below LOG_GATES) lately. */
void job_log_gated(struct jobs *j, unsigned kind, const char *text);
/* Give an item of a queue back to its pool's queue; takes. */
void job_submit(struct jobs *j, enum job_kind kind, struct job_item *item);
void job_item_free(struct job_item *item);

/* job_master.c: one pass; false: nothing was fetched. */
bool job_master_pass(struct job_worker *w);
/* The master's thread: do nothing for a while, or until a queue needs more or the tracker stops. */
void job_master_nap(struct jobs *j);
/* A worker took an item, `left` still wait. Any thread. */
void job_master_note_taken(struct jobs *j, enum store_queue q, uint64_t left);
/* End the nap. Any thread. */
void job_master_wake(struct jobs *j);
/* job_rebalance.c: one injection, when this tracker runs a rebalance. */
void job_rebalance_inject(struct job_worker *w);

enum job_result job_replicate(struct job_worker *w, const struct store_queue_row *row);
enum job_result job_rebalance(struct job_worker *w, const struct store_queue_row *row);
enum job_result job_delete(struct job_worker *w, const struct store_queue_row *row);
void job_sweep(struct job_worker *w);
enum job_result job_fsck(struct job_worker *w, const struct store_queue_row *row);
void job_reap(struct job_worker *w);

/* ---- replicate.c: the engine ---- */

enum replicate_result {
    REPL_SUCCESS,   /* copied, and the policy is happy */
    REPL_LOST_RACE, /* the policy was happy already */
    REPL_NOFID,
    REPL_LOCKED, /* somebody else works on this fid */
    REPL_NO_SOURCE,
    REPL_SOURCE_DOWN,
    REPL_TOO_HAPPY,
    REPL_NO_SUGGESTIONS,
    REPL_DOING_FAILED,
    REPL_ALREADY_THERE,
    REPL_WOULD_WORSEN,
    REPL_ERROR, /* database, or an impossible class or policy */
    REPL_CANCELED,
};

struct replicate_request {
    uint64_t fid;
    uint32_t preferred;      /* source; 0: any */
    uint32_t masked;         /* a copy that does not count and is no destination; 0: none */
    const uint32_t *targets; /* where copies may go; NULL: anywhere */
    size_t n_targets;
    bool is_queued; /* done, it leaves the replication queue */
};

/*
 * Satisfy the policy of one fid. The fid's lock is held on return unless REPL_LOCKED or `w->row_is_gone`; the caller
 * releases it.
 */
enum replicate_result replicate_run(struct job_worker *w, const struct replicate_request *r);

/* ---- move.c ---- */

/* Make the policy happy without the copy on `devid`, then delete that. */
enum move_result {
    MOVE_DONE,
    MOVE_NOT, /* it stays, for reasons that were logged */
    MOVE_LOCKED,
};
enum move_result move_away(struct job_worker *w, uint64_t fid, uint32_t devid, const uint32_t *targets,
                           size_t n_targets);
/* Remove one copy of a fid that has too many. True: done. */
bool move_shed(struct job_worker *w, uint64_t fid);

#endif
