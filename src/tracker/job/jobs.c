/* SPDX-License-Identifier: MIT */
/* Pools of workers, how many are wanted, and what they have in hand. */
#include "tracker/job/job_priv.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

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
    MASTER_IDLE_MS = 1000
};

static const struct {
    const char *name;
    bool needs_master;
} kinds[] = {
    [JOB_DELETE] = {"delete", true},  [JOB_FSCK] = {"fsck", true},           [JOB_MASTER] = {"job_master", false},
    [JOB_REAPER] = {"reaper", false}, [JOB_REPLICATE] = {"replicate", true},
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

static void *worker_new(void *arg)
{
    struct jobs *j = arg;
    struct job_worker *w = mem_calloc(1, sizeof(*w));
    w->jobs = j;
    w->st = store_new(j->config.env, STORE_BACKGROUND);
    w->node = node_new(j->config.nodes);
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

static void run_master(struct job_worker *w, struct job_item *item)
{
    if (!job_master_pass(w))
        cluster_box_pause(w->jobs->config.box, MASTER_IDLE_MS);
    job_submit(w->jobs, JOB_MASTER, item);
}

static void work(void *worker, void *value)
{
    struct job_worker *w = worker;
    struct job_item *item = value;
    struct jobs *j = w->jobs;
    if (job_is_stopping(w)) {
        item_dropped(j, item);
        return;
    }
    if (item->kind == ITEM_QUEUE) {
        atomic_fetch_sub(&j->waiting[item->queue], 1);
        atomic_fetch_add(&j->sent[item->queue], 1);
    }
    w->cluster = cluster_box_borrow(j->config.box);
    bool up = w->cluster != NULL && store_validate(w->st) == MOG_OK;
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
        if (item->kind == ITEM_QUEUE)
            cluster_box_pause(w->jobs->config.box,
                              DB_RETRY_MS); /* its claim runs out by itself; do not race through the rest */
    } else if (item->kind == ITEM_SWEEP) {
        job_sweep(w);
    } else if (item->kind == ITEM_REAP) {
        job_reap(w);
    } else {
        work_queue_item(w, item);
    }
    if (item != NULL && item->kind == ITEM_SWEEP)
        atomic_store(&j->sweep_pending, false);
    cluster_box_release(j->config.box, w->cluster);
    w->cluster = NULL;
    if (item != NULL)
        job_item_free(item);
}

struct jobs *jobs_new(const struct jobs_config *config)
{
    struct jobs *j = mem_calloc(1, sizeof(*j));
    j->config = *config;
    pthread_mutex_init(&j->reap_lock, NULL);
    pthread_mutex_init(&j->drop_lock, NULL);
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
    }
    if (j->is_finishing)
        return;
    int64_t now = clock_mono_ms();
    if (effective_want(j, JOB_DELETE) != 0 && now - j->sweep_asked_mono_ms >= SWEEP_EVERY_MS &&
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
    size_t n = pool_running(j->pools[kind]);
    pool_resize(j->pools[kind], 0);
    return n;
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

/* Rows that were claimed and not worked on are due again at once, for other trackers and for our next run. */
static void hand_back(struct jobs *j)
{
    struct store *st = store_new(j->config.env, STORE_CLIENT);
    for (size_t q = 0; q < JOB_QUEUES; q++) {
        if (j->n_dropped[q] != 0 &&
            store_queue_release(st, (enum store_queue)q, j->dropped[q], j->n_dropped[q]) != MOG_OK)
            log_warn("%zu items of the %s queue were not handed back, they are due again in %d s: %s", j->n_dropped[q],
                     queue_names[q], STORE_QUEUE_LEASE_S, store_failure(st)->text);
        free(j->dropped[q]);
    }
    store_free(st);
}

void jobs_stop(struct jobs *j)
{
    if (j == NULL)
        return;
    /* The master first: it would go on filling the others. */
    pool_stop(j->pools[JOB_MASTER]);
    for (size_t k = 0; k < JOB_KINDS; k++) {
        if (k != JOB_MASTER)
            pool_stop(j->pools[k]);
    }
    hand_back(j);
    free(j->reaps);
    pthread_mutex_destroy(&j->reap_lock);
    pthread_mutex_destroy(&j->drop_lock);
    free(j);
}
