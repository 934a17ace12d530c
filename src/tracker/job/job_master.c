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
    INJECT_EVERY_MS = 1000
};

static const struct {
    enum store_queue queue;
    enum job_kind kind;
} feeds[] = {{STORE_QUEUE_REPLICATE, JOB_REPLICATE},
             {STORE_QUEUE_DELETE, JOB_DELETE},
             {STORE_QUEUE_FSCK, JOB_FSCK},
             {STORE_QUEUE_REBALANCE, JOB_REPLICATE}};

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

static bool feed(struct job_worker *w, enum store_queue queue, enum job_kind kind)
{
    struct jobs *j = w->jobs;
    size_t *limit = &j->fetch_limit[queue];
    size_t n = fetch_size(w, limit, atomic_load(&j->waiting[queue]));
    if (n == 0 || pool_running(j->pools[kind]) == 0)
        return false; /* with no worker, rows would only be kept from other trackers */
    struct store_queue_rows rows = {0};
    if (store_queue_claim(w->st, queue, (unsigned)(n < CLAIM_MAX ? n : CLAIM_MAX), &rows) != MOG_OK) {
        log_warn("cannot fetch queued work, trying again: %s", store_failure(w->st)->text);
        return false;
    }
    if (rows.n == 0)
        *limit = FETCH_START;
    for (size_t i = 0; i < rows.n; i++) {
        struct job_item *item = mem_calloc(1, sizeof(*item));
        item->kind = ITEM_QUEUE;
        item->queue = queue;
        item->row = rows.rows[i]; /* with what it owns */
        memset(&rows.rows[i], 0, sizeof(rows.rows[i]));
        job_submit(j, kind, item);
    }
    bool any = rows.n != 0;
    store_queue_rows_free(&rows);
    return any;
}

/* ---- fsck ---- */

static bool read_number(struct job_worker *w, const char *field, int64_t *n)
{
    return store_setting_get_int(w->st, field, 0, n) == MOG_OK;
}

/* All fids are queued. The order of the writes is what scripts wait for. */
static void end_fsck(struct job_worker *w, int64_t highest)
{
    const char *me = w->jobs->config.hostname;
    int64_t now = 0;
    if (store_setting_set_int(w->st, "fsck_highest_fid_checked", highest) != MOG_OK)
        return;
    /* Only while it is still ours: another tracker may have begun a new check. */
    enum mog_err e = store_setting_delete_if(w->st, "fsck_host", span_of(me));
    if (e == MOG_OK && store_now(w->st, &now) == MOG_OK &&
        store_setting_set_int(w->st, "fsck_stop_time", now) == MOG_OK)
        log_info("fsck: all files up to fid %" PRId64 " are queued for checking", highest);
}

static void inject_fids(struct job_worker *w)
{
    int64_t highest = 0, end = 0;
    uint64_t queued = 0;
    unsigned rate = (unsigned)cluster_setting_u64(w->cluster, "queue_rate_for_fsck", FSCK_RATE);
    if (store_queue_length(w->st, STORE_QUEUE_FSCK, &queued) != MOG_OK ||
        queued >= cluster_setting_u64(w->cluster, "queue_size_for_fsck", FSCK_QUEUE) ||
        !read_number(w, "fsck_highest_fid_checked", &highest) || !read_number(w, "fsck_fid_at_end", &end))
        return;
    struct store_fids fids = {0};
    if (store_file_fids_between(w->st, highest > 0 ? (uint64_t)highest : 0, end > 0 ? (uint64_t)end : 0,
                                rate < 100000 ? rate : 100000, &fids) != MOG_OK)
        return;
    if (fids.n == 0) {
        end_fsck(w, highest);
    } else {
        struct store_todo *items = mem_calloc(fids.n, sizeof(*items));
        for (size_t i = 0; i < fids.n; i++)
            items[i].fid = fids.rows[i];
        if (store_todo_add(w->st, STORE_QUEUE_FSCK, items, fids.n) == MOG_OK &&
            store_setting_set_int(w->st, "fsck_highest_fid_checked", (int64_t)fids.rows[fids.n - 1]) != MOG_OK)
            log_warn("fsck: its position was not stored, some files are queued twice: %s", store_failure(w->st)->text);
        free(items);
    }
    store_fids_free(&fids);
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
            log_warn("fsck: its log was not summed up, trying again: %s", store_failure(w->st)->text);
        inject_fids(w);
    }
    if (is_ours(w, "rebal_host"))
        job_rebalance_inject(w);
}

bool job_master_pass(struct job_worker *w)
{
    bool any = false;
    inject(w);
    for (size_t i = 0; i < sizeof(feeds) / sizeof(feeds[0]); i++)
        any = feed(w, feeds[i].queue, feeds[i].kind) || any;
    return any;
}
