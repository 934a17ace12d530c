/* SPDX-License-Identifier: MIT */
/* The job master: fetches due rows into the workers' queues, and feeds a running check with fids. */
#include "tracker/job/job_priv.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/num.h"
#include "store/store_file.h"
#include "store/store_fsck.h"
#include "store/store_topology.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    FETCH_START = 100,
    FETCH_STEP = 50,
    FETCH_MAX = 500,
    REFILL_PERCENT = 70,
    CLAIM_MAX = 1000,
    FSCK_QUEUE = 20000,
    FSCK_RATE = 1000,
    FSCK_RATE_MAX = 100000,
    SCOPE_LOOKS = 50, /* reads of up to FSCK_RATE rows in one pass */
    INJECT_EVERY_MS = 1000,
    IDLE_MS = 1000,
    COMPLAIN_EVERY_MS = 60 * 1000
};

static const struct {
    enum store_queue queue;
    enum job_kind kind;
} feeds[] = {{STORE_QUEUE_REPLICATE, JOB_REPLICATE},
             {STORE_QUEUE_DELETE, JOB_DELETE},
             {STORE_QUEUE_FSCK, JOB_FSCK},
             {STORE_QUEUE_REBALANCE, JOB_REPLICATE}};

void job_master_complain(struct job_worker *w, enum job_hindrance which, const char *what)
{
    int64_t now = clock_mono_ms(), *last = &w->jobs->complained_mono_ms[which];
    if (*last != 0 && now - *last < COMPLAIN_EVERY_MS)
        return;
    *last = now;
    log_warn("%s, trying again: %s", what, store_failure(w->st)->text);
}

/* ---- the nap between passes ---- */

void job_master_wake(struct jobs *j)
{
    pthread_mutex_lock(&j->bell_lock);
    j->bell_rung = true;
    pthread_cond_signal(&j->bell);
    pthread_mutex_unlock(&j->bell_lock);
}

void job_master_note_taken(struct jobs *j, enum store_queue q, uint64_t left)
{
    if (left < atomic_load(&j->refill_below[q]) && atomic_exchange(&j->refill_below[q], 0) != 0)
        job_master_wake(j);
}

void job_master_nap(struct jobs *j)
{
    int64_t until = clock_mono_ms() + IDLE_MS;
    struct timespec ts = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    int rc = 0;
    pthread_mutex_lock(&j->bell_lock);
    while (!j->bell_rung && rc == 0 && !node_shared_is_stopping(j->config.nodes))
        rc = pthread_cond_timedwait(&j->bell, &j->bell_lock, &ts);
    j->bell_rung = false;
    pthread_mutex_unlock(&j->bell_lock);
}

/* ---- fetching ---- */

/* How many rows to fetch for a queue of this depth: 0, or the limit, which grows while the queue runs dry. */
static size_t fetch_size(const struct job_worker *w, size_t *limit, uint64_t depth)
{
    uint64_t max = cluster_setting_u64(w->cluster, "internal_queue_limit", FETCH_MAX);
    if (depth == 0) {
        if (*limit < max)
            *limit += FETCH_STEP;
        return *limit;
    }
    return depth * 100 < *limit * REFILL_PERCENT ? *limit : 0;
}

/* After the rows were fetched, so that those that a reset was followed by are checked as it says. */
static enum mog_err read_fsck_options(struct job_worker *w)
{
    struct store_bytes value = {0};
    enum mog_err e = store_setting_get(w->st, "fsck_opt_policy_only", &value);
    if (e == MOG_OK || e == MOG_ENOTFOUND)
        atomic_store(&w->jobs->fsck_policy_only, e == MOG_OK && num_perl_true(store_bytes_span(&value)));
    store_bytes_free(&value);
    return e == MOG_ENOTFOUND ? MOG_OK : e;
}

/* Rows that we cannot hand out now are due again at once. */
static void give_back(struct job_worker *w, enum store_queue queue, const struct store_queue_rows *rows)
{
    uint64_t *fids = mem_calloc(rows->n, sizeof(*fids));
    for (size_t i = 0; i < rows->n; i++)
        fids[i] = rows->rows[i].fid;
    if (store_queue_release(w->st, queue, fids, rows->n) != MOG_OK)
        log_warn("%zu fetched items were not handed back, they are due again in %d s: %s", rows->n, STORE_QUEUE_LEASE_S,
                 store_failure(w->st)->text);
    free(fids);
}

/* How many rows to fetch. With no worker, rows would only be kept from other trackers. */
static size_t wants(struct job_worker *w, enum store_queue queue, enum job_kind kind)
{
    struct jobs *j = w->jobs;
    size_t n = fetch_size(w, &j->fetch_limit[queue], atomic_load(&j->waiting[queue]));
    return pool_running(j->pools[kind]) != 0 ? n : 0;
}

static bool feed(struct job_worker *w, enum store_queue queue, enum job_kind kind, size_t n)
{
    struct jobs *j = w->jobs;
    size_t *limit = &j->fetch_limit[queue];
    struct store_queue_rows rows = {0};
    n = n < CLAIM_MAX ? n : CLAIM_MAX;
    if (store_queue_claim(w->st, queue, (unsigned)n, &rows) != MOG_OK) {
        job_master_complain(w, HINDRANCE_FETCH, "cannot fetch queued work");
        return false;
    }
    if (rows.n == 0)
        *limit = FETCH_START;
    if (rows.n != 0 && queue == STORE_QUEUE_FSCK && read_fsck_options(w) != MOG_OK) {
        job_master_complain(w, HINDRANCE_FSCK_OPTIONS, "fsck: its options cannot be read");
        give_back(w, queue, &rows);
        store_queue_rows_free(&rows);
        return false;
    }
    bool any = rows.n != 0, more = rows.n == n;
    for (size_t i = 0; i < rows.n; i++) {
        struct job_item *item = mem_calloc(1, sizeof(*item));
        item->kind = ITEM_QUEUE;
        item->queue = queue;
        item->row = rows.rows[i]; /* with what it owns */
        memset(&rows.rows[i], 0, sizeof(rows.rows[i]));
        job_submit(j, kind, item);
    }
    store_queue_rows_free(&rows);
    if (more) {
        /* Busy workers must not run dry while the master sleeps. */
        atomic_store(&j->refill_below[queue], (*limit * REFILL_PERCENT + 99) / 100);
        job_master_note_taken(j, queue, atomic_load(&j->waiting[queue]));
    }
    return any;
}

/* ---- fsck ---- */

/*
 * All fids are queued. Only while the check is still ours: another tracker may have begun a new one (MOG_ENOTFOUND).
 * Scripts wait for the host to be gone, and then read the rest. In a transaction.
 */
static enum mog_err end_fsck(struct job_worker *w, int64_t highest)
{
    int64_t now = 0;
    enum mog_err e = store_setting_delete_if(w->st, "fsck_host", span_of(w->jobs->config.hostname));
    if (e == MOG_OK)
        e = store_setting_set_int(w->st, "fsck_highest_fid_checked", highest);
    if (e == MOG_OK)
        e = store_now(w->st, &now);
    if (e == MOG_OK)
        e = store_setting_set_int(w->st, "fsck_stop_time", now);
    return e;
}

/* What a check covers, and where it is. */
struct scope {
    int64_t highest, end;
    int64_t dmid, classid; /* -1: all */
};

static enum mog_err read_scope(struct job_worker *w, struct scope *s)
{
    enum mog_err e = store_setting_get_int(w->st, "fsck_highest_fid_checked", 0, &s->highest);
    if (e == MOG_OK)
        e = store_setting_get_int(w->st, "fsck_fid_at_end", 0, &s->end);
    if (e == MOG_OK)
        e = store_setting_get_int(w->st, "fsck_opt_dmid", -1, &s->dmid);
    if (e == MOG_OK)
        e = store_setting_get_int(w->st, "fsck_opt_classid", -1, &s->classid);
    return e;
}

static bool is_in_scope(const struct scope *s, const struct store_file *row)
{
    return (int64_t)row->fid <= s->end && (s->dmid < 0 || row->dmid == s->dmid) &&
           (s->classid < 0 || row->classid == s->classid);
}

/* The next fids of a check of one domain or class. `*last`: how far was looked; 0: nothing is left. */
static enum mog_err next_in_scope(struct job_worker *w, const struct scope *s, unsigned rate, struct store_todo *items,
                                  size_t *n, uint64_t *last)
{
    uint64_t from = s->highest > 0 ? (uint64_t)s->highest : 0;
    *n = 0;
    *last = 0;
    for (size_t looked = 0; *n < rate && looked < SCOPE_LOOKS; looked++) {
        struct store_files files = {0};
        unsigned want = rate - (unsigned)*n < FSCK_RATE ? rate - (unsigned)*n : FSCK_RATE;
        enum mog_err e = store_file_list_fids(w->st, from, want, &files);
        if (e != MOG_OK)
            return e;
        bool more = files.n != 0 && (int64_t)files.rows[0].fid <= s->end;
        for (size_t i = 0; more && i < files.n && (int64_t)files.rows[i].fid <= s->end; i++) {
            *last = from = files.rows[i].fid;
            if (is_in_scope(s, &files.rows[i]))
                items[(*n)++].fid = files.rows[i].fid;
        }
        store_files_free(&files);
        if (!more)
            break;
    }
    return MOG_OK;
}

static enum mog_err next_of_all(struct job_worker *w, const struct scope *s, unsigned rate, struct store_todo *items,
                                size_t *n, uint64_t *last)
{
    struct store_fids fids = {0};
    enum mog_err e = store_file_fids_between(w->st, s->highest > 0 ? (uint64_t)s->highest : 0,
                                             s->end > 0 ? (uint64_t)s->end : 0, rate, &fids);
    if (e != MOG_OK)
        return e;
    for (size_t i = 0; i < fids.n; i++)
        items[i].fid = fids.rows[i];
    *n = fids.n;
    *last = fids.n != 0 ? fids.rows[fids.n - 1] : 0;
    store_fids_free(&fids);
    return MOG_OK;
}

/*
 * Queue them and note that, or, when nothing is left, the end. Not when the check was reset while its fids were being
 * looked for (MOG_ENOTFOUND): the next pass begins where that says. In a transaction.
 */
static enum mog_err advance_fsck(struct job_worker *w, const struct scope *s, const struct store_todo *items, size_t n,
                                 uint64_t last)
{
    struct scope now = {0};
    /* Nobody can set it from here to the end of the transaction. */
    enum mog_err e = store_setting_add(w->st, "fsck_highest_fid_checked", 0);
    if (e == MOG_OK)
        e = read_scope(w, &now);
    if (e == MOG_OK &&
        (now.highest != s->highest || now.end != s->end || now.dmid != s->dmid || now.classid != s->classid))
        e = MOG_ENOTFOUND;
    if (e != MOG_OK)
        return e;
    if (last == 0)
        return end_fsck(w, s->highest);
    e = n != 0 ? store_todo_add(w->st, STORE_QUEUE_FSCK, items, n) : MOG_OK;
    if (e == MOG_OK)
        e = store_setting_set_int(w->st, "fsck_highest_fid_checked", (int64_t)last);
    if (e == MOG_OK && n != 0)
        e = store_setting_add(w->st, "fsck_fids_checked", (int64_t)n);
    return e;
}

static enum mog_err inject_fids(struct job_worker *w)
{
    struct scope s = {0};
    uint64_t queued = 0, last = 0, rate = cluster_setting_u64(w->cluster, "queue_rate_for_fsck", FSCK_RATE);
    size_t n = 0;
    enum mog_err e = store_queue_length(w->st, STORE_QUEUE_FSCK, &queued);
    if (e != MOG_OK || queued >= cluster_setting_u64(w->cluster, "queue_size_for_fsck", FSCK_QUEUE))
        return e;
    e = read_scope(w, &s);
    if (e != MOG_OK)
        return e;
    rate = rate < FSCK_RATE_MAX ? rate : FSCK_RATE_MAX;
    struct store_todo *items = mem_calloc((size_t)rate, sizeof(*items));
    e = s.dmid < 0 && s.classid < 0 ? next_of_all(w, &s, (unsigned)rate, items, &n, &last)
                                    : next_in_scope(w, &s, (unsigned)rate, items, &n, &last);
    if (e == MOG_OK)
        e = store_begin(w->st);
    if (e == MOG_OK) {
        e = advance_fsck(w, &s, items, n, last);
        if (e == MOG_OK)
            e = store_commit(w->st);
        else
            store_rollback(w->st);
    }
    free(items);
    if (e == MOG_OK && last == 0)
        log_info("fsck: all files up to fid %" PRId64 " are queued for checking", s.highest);
    return e == MOG_ENOTFOUND ? MOG_OK : e;
}

/* Whether setting `field` names this tracker; asked uncached, because a stop must count at once. */
static bool is_ours(struct job_worker *w, const char *field)
{
    const char *cached = cluster_setting(w->cluster, field);
    struct store_bytes now = {0};
    bool ours = cached != NULL && strcmp(cached, w->jobs->config.hostname) == 0 &&
                store_setting_get(w->st, field, &now) == MOG_OK &&
                span_is(store_bytes_span(&now), w->jobs->config.hostname);
    store_bytes_free(&now);
    return ours;
}

static void inject(struct job_worker *w)
{
    int64_t now = clock_mono_ms();
    /* Once a second, however busy, so that queue_rate_* is a rate. */
    if (w->jobs->injected_mono_ms != 0 && now - w->jobs->injected_mono_ms < INJECT_EVERY_MS)
        return;
    w->jobs->injected_mono_ms = now;
    if (is_ours(w, "fsck_host")) {
        if (store_fsck_summarize(w->st) != MOG_OK)
            job_master_complain(w, HINDRANCE_FSCK_LOG, "fsck: its log was not summed up");
        if (inject_fids(w) != MOG_OK)
            job_master_complain(w, HINDRANCE_FSCK, "fsck: it did not go on");
    }
    if (is_ours(w, "rebal_host"))
        job_rebalance_inject(w);
}

bool job_master_pass(struct job_worker *w)
{
    enum { FEEDS = sizeof(feeds) / sizeof(feeds[0]) };
    size_t wanted[FEEDS], total = 0;
    bool any = false, due[STORE_QUEUES];
    inject(w);
    for (size_t i = 0; i < FEEDS; i++)
        total += wanted[i] = wants(w, feeds[i].queue, feeds[i].kind);
    if (total == 0)
        return false;
    if (store_queues_due(w->st, due) != MOG_OK) {
        job_master_complain(w, HINDRANCE_LOOK, "cannot look for queued work");
        return false;
    }
    for (size_t i = 0; i < FEEDS; i++) {
        if (!due[feeds[i].queue])
            w->jobs->fetch_limit[feeds[i].queue] = FETCH_START;
        else if (wanted[i] != 0)
            any = feed(w, feeds[i].queue, feeds[i].kind, wanted[i]) || any;
    }
    return any;
}
