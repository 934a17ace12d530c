/* SPDX-License-Identifier: MIT */
/* Pools of workers, how many are wanted, and what they have in hand. */
#include "tracker/job/job_priv.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/store_lock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    FETCH_START = 100,
    REAP_EVERY_MS = 5000,
    SWEEP_EVERY_MS = 5000,
    FSCK_NICE = 10,
    DB_RETRY_MS = 1000,
    GATE_LINES = 20,
    GATE_SPAN_MS = 10 * 1000,
    LATE_MAX = 16,
    HOLD_MS = 20 /* at most, until it is asked again whether an item may begin */
};

/* late_s: how long one item usually takes at most; a worker that takes longer is named in the log. */
static const struct {
    const char *name;
    bool needs_master;
    int64_t late_s;
} kinds[] = {
    [JOB_DELETE] = {"delete", true, 120},        [JOB_FSCK] = {"fsck", true, 3600},
    [JOB_MASTER] = {"job_master", false, 120},   [JOB_REAPER] = {"reaper", false, 240},
    [JOB_REPLICATE] = {"replicate", true, 3600},
};

static const char *const queue_names[] = {[STORE_QUEUE_REPLICATE] = "replicate",
                                          [STORE_QUEUE_DELETE] = "delete",
                                          [STORE_QUEUE_FSCK] = "fsck",
                                          [STORE_QUEUE_REBALANCE] = "rebalance"};

const char *jobs_name(enum job_kind kind)
{
    return kinds[kind].name;
}

enum job_kind jobs_find(struct span name)
{
    for (size_t k = 0; k < JOB_KINDS; k++) {
        if (span_is(name, kinds[k].name))
            return (enum job_kind)k;
    }
    return JOB_KINDS;
}

const char *jobs_queue_name(enum store_queue q)
{
    return queue_names[q];
}

bool job_is_stopping(const struct job_worker *w)
{
    return node_shared_is_stopping(w->jobs->config.nodes);
}

void job_log_store(const struct job_worker *w, const char *what, uint64_t fid)
{
    log_warn("%s of fid %" PRIu64 " stopped by the database, it is tried again later: %s", what, fid,
             store_failure(w->st)->text);
}

void job_log_gated(struct jobs *j, unsigned kind, const char *text)
{
    struct log_gate *gate = &j->gates[kind];
    int64_t now = clock_mono_ms();
    unsigned left_out = 0;
    pthread_mutex_lock(&j->gate_lock);
    if (gate->since_mono_ms == 0 || now - gate->since_mono_ms >= GATE_SPAN_MS) {
        left_out = gate->left_out;
        *gate = (struct log_gate){.since_mono_ms = now};
    }
    bool shown = gate->lines < GATE_LINES;
    gate->lines += shown;
    gate->left_out += !shown;
    pthread_mutex_unlock(&j->gate_lock);
    if (left_out != 0)
        log_warn("%u more lines like the next one were left out", left_out);
    if (shown)
        log_warn("%s", text);
}

void job_item_free(struct job_item *item)
{
    store_queue_row_fini(&item->row);
    free(item);
}

static void item_dropped(void *arg, void *value)
{
    struct jobs *j = arg;
    struct job_item *item = value;
    if (item->kind == ITEM_QUEUE) {
        enum store_queue q = item->queue;
        pthread_mutex_lock(&j->drop_lock);
        j->dropped[q] = mem_grow(j->dropped[q], j->n_dropped[q], &j->cap_dropped[q], sizeof(*j->dropped[q]));
        j->dropped[q][j->n_dropped[q]++] = item->row.fid;
        pthread_mutex_unlock(&j->drop_lock);
        atomic_fetch_sub(&j->waiting[q], 1);
    } else if (item->kind == ITEM_SWEEP) {
        atomic_store(&j->sweep_pending, false);
    } else if (item->kind == ITEM_HAND_BACK) {
        atomic_store(&j->keeper_asked, false);
    }
    job_item_free(item);
}

void job_submit(struct jobs *j, enum job_kind kind, struct job_item *item)
{
    if (item->kind == ITEM_QUEUE)
        atomic_fetch_add(&j->waiting[item->queue], 1);
    if (!pool_submit(j->pools[kind], item))
        item_dropped(j, item);
}

/* A lock that is a row can be taken over after an hour: long copies and digests say that they go on. */
static void keep_lock(void *arg)
{
    struct job_worker *w = arg;
    if (store_lock_renew(w->st) != MOG_OK)
        log_warn("the lock was not renewed: %s", store_failure(w->st)->text);
}

static void *worker_new(void *arg)
{
    struct jobs *j = arg;
    struct job_worker *w = mem_calloc(1, sizeof(*w));
    w->jobs = j;
    w->st = store_new(j->config.env, STORE_BACKGROUND);
    w->node = node_new(j->config.nodes);
    node_set_alive(w->node, keep_lock, w);
    w->cache = fid_cache_new();
    rng_seed_random(&w->rng);
    return w;
}

static void *fsck_worker_new(void *arg)
{
    /* On Linux this is the thread's own nice value: checking gives way to serving. */
    (void)setpriority(PRIO_PROCESS, 0, FSCK_NICE);
    return worker_new(arg);
}

static void worker_free(void *worker)
{
    struct job_worker *w = worker;
    store_free(w->st);
    node_free(w->node);
    fid_cache_free(w->cache);
    free(w);
}

static enum job_result run_queue_item(struct job_worker *w, struct job_item *item)
{
    switch (item->queue) {
    case STORE_QUEUE_REPLICATE:
        return job_replicate(w, &item->row);
    case STORE_QUEUE_DELETE:
        return job_delete(w, &item->row);
    case STORE_QUEUE_FSCK:
        return job_fsck(w, &item->row);
    case STORE_QUEUE_REBALANCE:
        return job_rebalance(w, &item->row);
    }
    return JOB_FAILED;
}

static void work_queue_item(struct job_worker *w, struct job_item *item)
{
    int64_t started_us = clock_mono_us();
    enum job_result result = run_queue_item(w, item);
    metric_observe(&w->jobs->seconds[item->queue], clock_mono_us() - started_us);
    metric_add(&w->jobs->results[item->queue][result], 1);
}

static void work(void *worker, void *value);

static bool is_replication(void *arg, void *value)
{
    const struct job_item *item = value;
    (void)arg;
    return item->kind == ITEM_QUEUE && item->queue == STORE_QUEUE_REPLICATE;
}

/* Moves and copies are done by the same workers: moves that are held back must not hold back what clients have stored.
 */
static bool work_on_copy(struct job_worker *w)
{
    void *copy;
    if (pool_take(w->jobs->pools[JOB_REPLICATE], is_replication, NULL, &copy, 1) == 0)
        return false;
    work(w, copy);
    return true;
}

/* Clients first: see pace.h. */
static void wait_for_turn(struct job_worker *w, enum store_queue q)
{
    static const enum pace_lane lanes[] = {[STORE_QUEUE_REPLICATE] = PACE_REPLICATE,
                                           [STORE_QUEUE_DELETE] = PACE_DELETE,
                                           [STORE_QUEUE_FSCK] = PACE_CHECK,
                                           [STORE_QUEUE_REBALANCE] = PACE_CHECK};
    struct jobs *j = w->jobs;
    int64_t began_us = clock_mono_us(), wait_us;
    while (!job_is_stopping(w) && (wait_us = pace_ask(j->config.pace, lanes[q], began_us)) != 0) {
        if (q != STORE_QUEUE_REBALANCE || !work_on_copy(w)) {
            int64_t wait_ms = (wait_us + 999) / 1000;
            cluster_box_pause(j->config.box, wait_ms < HOLD_MS ? wait_ms : HOLD_MS);
            metric_add(&j->held_back_us[q], (uint64_t)(clock_mono_us() - began_us));
        }
        began_us = clock_mono_us();
    }
}

static void run_master(struct job_worker *w, struct job_item *item)
{
    struct pace *pace = w->jobs->config.pace;
    pace_begin(pace, clock_mono_us());
    bool any = job_master_pass(w);
    pace_end(pace, clock_mono_us());
    if (!any)
        job_master_nap(w->jobs);
    job_submit(w->jobs, JOB_MASTER, item);
}

static void work_item(struct job_worker *w, struct job_item *item)
{
    struct jobs *j = w->jobs;
    if (item->kind == ITEM_SWEEP) {
        job_sweep(w);
    } else if (item->kind == ITEM_REAP) {
        job_reap(w);
    } else {
        job_master_note_taken(j, item->queue, atomic_fetch_sub(&j->waiting[item->queue], 1) - 1);
        atomic_fetch_add(&j->sent[item->queue], 1);
        work_queue_item(w, item);
    }
}

static void work(void *worker, void *value)
{
    struct job_worker *w = worker;
    struct job_item *item = value;
    struct jobs *j = w->jobs;
    /* A move may have stood here for long, before others: a file that has been stored meanwhile is copied first. */
    if (item->kind == ITEM_QUEUE && item->queue == STORE_QUEUE_REBALANCE && !job_is_stopping(w))
        (void)work_on_copy(w);
    if (item->kind == ITEM_QUEUE)
        wait_for_turn(w, item->queue);
    if (job_is_stopping(w)) {
        item_dropped(j, item);
        return;
    }
    bool up = store_validate(w->st) == MOG_OK;
    /* What was fetched is kept until the database is back: its claim lasts longer than most restarts. */
    while (!up && item->kind == ITEM_QUEUE && !job_is_stopping(w)) {
        cluster_box_pause(j->config.box, DB_RETRY_MS);
        up = store_validate(w->st) == MOG_OK;
    }
    w->cluster = cluster_box_borrow(j->config.box);
    up = up && w->cluster != NULL;
    if (up)
        fid_cache_configure(w->cache, w->cluster);
    if (item->kind == ITEM_MASTER) {
        /* The master passes its item on, whatever happens, so that there is always one. */
        if (up) {
            run_master(w, item);
        } else {
            cluster_box_pause(w->jobs->config.box, DB_RETRY_MS);
            job_submit(j, JOB_MASTER, item);
        }
        item = NULL;
    } else if (!up) {
        if (item->kind == ITEM_QUEUE) { /* the tracker stops */
            item_dropped(j, item);
            item = NULL;
        }
    } else {
        pace_begin(j->config.pace, clock_mono_us());
        work_item(w, item);
        pace_end(j->config.pace, clock_mono_us());
    }
    if (item != NULL && item->kind == ITEM_SWEEP)
        atomic_store(&j->sweep_pending, false);
    cluster_box_release(j->config.box, w->cluster);
    w->cluster = NULL;
    if (item != NULL)
        job_item_free(item);
}

/* Rows that were claimed and not worked on are due again at once, for other trackers and for our next run. */
static void hand_back(struct jobs *j)
{
    struct store *st = store_new(j->config.env, STORE_CLIENT);
    for (size_t q = 0; q < JOB_QUEUES; q++) {
        pthread_mutex_lock(&j->drop_lock);
        uint64_t *fids = j->dropped[q];
        size_t n = j->n_dropped[q];
        j->dropped[q] = NULL;
        j->n_dropped[q] = j->cap_dropped[q] = 0;
        pthread_mutex_unlock(&j->drop_lock);
        if (n != 0 && store_queue_release(st, (enum store_queue)q, fids, n) != MOG_OK)
            log_warn("%zu items of the %s queue were not handed back, they are due again in %d s: %s", n,
                     queue_names[q], STORE_QUEUE_LEASE_S, store_failure(st)->text);
        free(fids);
    }
    store_free(st);
}

static void keep_work(void *worker, void *value)
{
    struct job_item *item = value;
    struct jobs *j = item->owner;
    (void)worker;
    atomic_store(&j->keeper_asked, false);
    hand_back(j);
    job_item_free(item);
}

struct jobs *jobs_new(const struct jobs_config *config)
{
    struct jobs *j = mem_calloc(1, sizeof(*j));
    j->config = *config;
    pthread_mutex_init(&j->reap_lock, NULL);
    pthread_mutex_init(&j->drop_lock, NULL);
    pthread_mutex_init(&j->gate_lock, NULL);
    pthread_mutex_init(&j->bell_lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&j->bell, &attr);
    pthread_condattr_destroy(&attr);
    struct pool_ops keeper = {.name = "job_master", .work = keep_work, .drop = item_dropped, .arg = j};
    j->keeper = pool_new(&keeper, 0);
    for (size_t q = 0; q < JOB_QUEUES; q++)
        j->fetch_limit[q] = FETCH_START;
    for (size_t k = 0; k < JOB_KINDS; k++) {
        struct pool_ops ops = {.name = kinds[k].name,
                               .worker_new = k == JOB_FSCK ? fsck_worker_new : worker_new,
                               .worker_free = worker_free,
                               .work = work,
                               .drop = item_dropped,
                               .arg = j};
        j->pools[k] = pool_new(&ops, 0);
        j->want[k] = config->want[k];
    }
    return j;
}

void jobs_want(struct jobs *j, enum job_kind kind, size_t n)
{
    if (kind == JOB_MASTER && n > 1)
        return; /* acknowledged and ignored, as in the original */
    j->want[kind] = n;
}

static size_t effective_want(const struct jobs *j, size_t kind)
{
    if (j->is_finishing)
        return kinds[kind].needs_master ? j->want[kind] : 0;
    return kinds[kind].needs_master && j->want[JOB_MASTER] == 0 ? 0 : j->want[kind];
}

static void submit_plain(struct jobs *j, enum job_kind kind, enum item_kind what)
{
    struct job_item *item = mem_calloc(1, sizeof(*item));
    item->kind = what;
    job_submit(j, kind, item);
}

static bool is_queue_item(void *arg, void *value)
{
    (void)arg;
    return ((const struct job_item *)value)->kind == ITEM_QUEUE;
}

/* Without workers, what was fetched goes back, for other trackers. The loop must not wait for the database. */
static void give_up_items(struct jobs *j, size_t kind)
{
    if (pool_cancel(j->pools[kind], is_queue_item, NULL) == 0 || atomic_exchange(&j->keeper_asked, true))
        return;
    pool_resize(j->keeper, 1);
    struct job_item *item = mem_calloc(1, sizeof(*item));
    item->kind = ITEM_HAND_BACK;
    item->owner = j;
    if (!pool_submit(j->keeper, item))
        item_dropped(j, item);
}

static void name_late_workers(struct jobs *j, size_t kind)
{
    uint32_t late[LATE_MAX];
    size_t n = pool_late(j->pools[kind], kinds[kind].late_s * 1000, late, LATE_MAX);
    for (size_t i = 0; i < n; i++)
        log_warn("%s(%" PRIu32 ") has been at one item for more than %" PRId64 " s", kinds[kind].name, late[i],
                 kinds[kind].late_s);
}

void jobs_tick(struct jobs *j)
{
    for (size_t k = 0; k < JOB_KINDS; k++) {
        size_t running = pool_running(j->pools[k]), want = effective_want(j, k);
        if (running < want)
            log_info("Job %s has only %zu, wants %zu, making %zu.", kinds[k].name, running, want, want - running);
        if (running != want || pool_wanted(j->pools[k]) != want)
            pool_resize(j->pools[k], want);
        if (k == JOB_MASTER && want != 0 && !j->started[k])
            submit_plain(j, JOB_MASTER, ITEM_MASTER);
        if (want != 0)
            j->started[k] = true;
        else
            give_up_items(j, k);
        name_late_workers(j, k);
    }
    if (j->is_finishing)
        return;
    int64_t now = clock_mono_ms();
    if (effective_want(j, JOB_DELETE) != 0 &&
        (now - j->sweep_asked_mono_ms >= SWEEP_EVERY_MS || atomic_exchange(&j->sweep_again, false)) &&
        !atomic_exchange(&j->sweep_pending, true)) {
        j->sweep_asked_mono_ms = now;
        submit_plain(j, JOB_DELETE, ITEM_SWEEP);
    }
    if (j->want[JOB_REAPER] != 0 && now - j->reap_asked_mono_ms >= REAP_EVERY_MS &&
        pool_waiting(j->pools[JOB_REAPER]) == 0) {
        j->reap_asked_mono_ms = now;
        submit_plain(j, JOB_REAPER, ITEM_REAP);
    }
}

void jobs_finish(struct jobs *j)
{
    j->is_finishing = true;
    jobs_tick(j);
}

size_t jobs_recycle(struct jobs *j, enum job_kind kind)
{
    return pool_recycle(j->pools[kind]);
}

bool jobs_was_started(const struct jobs *j, enum job_kind kind)
{
    return j->started[kind];
}

void jobs_count(struct jobs *j, enum job_kind kind, size_t *count, size_t *desired)
{
    *count = pool_running(j->pools[kind]);
    *desired = j->want[kind];
}

size_t jobs_numbers(struct jobs *j, enum job_kind kind, uint32_t *out, size_t max)
{
    return pool_numbers(j->pools[kind], out, max);
}

void jobs_counters(struct jobs *j, struct buf *lines)
{
    static const enum store_queue sorted[] = {STORE_QUEUE_DELETE, STORE_QUEUE_FSCK, STORE_QUEUE_REBALANCE,
                                              STORE_QUEUE_REPLICATE};
    for (size_t i = 0; i < JOB_QUEUES; i++) {
        enum store_queue q = sorted[i];
        if (atomic_load(&j->sent[q]) != 0 || atomic_load(&j->waiting[q]) != 0)
            buf_printf(lines, "work_queue_for_%s %" PRIu64 "\r\n", queue_names[q], atomic_load(&j->waiting[q]));
    }
    for (size_t i = 0; i < JOB_QUEUES; i++) {
        enum store_queue q = sorted[i];
        if (atomic_load(&j->sent[q]) != 0)
            buf_printf(lines, "work_sent_to_%s %" PRIu64 "\r\n", queue_names[q], atomic_load(&j->sent[q]));
    }
}

void jobs_stop(struct jobs *j)
{
    if (j == NULL)
        return;
    /* The master first: it would go on filling the others. */
    job_master_wake(j);
    pool_stop(j->pools[JOB_MASTER]);
    for (size_t k = 0; k < JOB_KINDS; k++) {
        if (k != JOB_MASTER)
            pool_stop(j->pools[k]);
    }
    pool_stop(j->keeper);
    hand_back(j);
    free(j->reaps);
    pthread_mutex_destroy(&j->reap_lock);
    pthread_mutex_destroy(&j->drop_lock);
    pthread_mutex_destroy(&j->gate_lock);
    pthread_mutex_destroy(&j->bell_lock);
    pthread_cond_destroy(&j->bell);
    free(j);
}
