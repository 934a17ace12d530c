/* SPDX-License-Identifier: MIT */
/* Deletion: the copies of a fid go from their devices, then the fid from the queue; and the sweep of old uploads. */
#include "tracker/job/job_priv.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/store_file.h"
#include "store/store_lock.h"
#include "store/store_topology.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    LOCK_WAIT_S = 1,
    LEGACY_LIST = 1000,
    LEGACY_HANDLED = 100,
    LEGACY_NOT_WRITEABLE_S = 600,
    LEGACY_NOT_DELETABLE_S = 7200,
    LEGACY_FAILED_S = 1800,
    LEGACY_IDLE_PASSES = 360,
    LEGACY_IDLE_MAX = 1800
};

enum delete_result { DELETE_DONE, DELETE_NOT_SEEN_WRITEABLE, DELETE_NOT_ALLOWED, DELETE_FAILED, DELETE_UNKNOWN_DEVICE };

/* One copy. DELETE_DONE: nothing of it is left, or its device is dead. */
static enum delete_result delete_copy(struct job_worker *w, uint64_t fid, uint32_t devid)
{
    const struct cluster_device *d = cluster_device_by_id(w->cluster, devid);
    char url[CLUSTER_URL_MAX];
    int status = 0;
    struct mog_fail f = {0};
    if (d == NULL) {
        struct store_device row;
        return store_device_get(w->st, devid, &row) == MOG_ENOTFOUND ? DELETE_DONE : DELETE_UNKNOWN_DEVICE;
    }
    if (cluster_device_is_dead(d))
        return DELETE_DONE;
    if (!cluster_device_is_seen_writeable(d))
        return DELETE_NOT_SEEN_WRITEABLE;
    if (!cluster_device_can_delete(d))
        return DELETE_NOT_ALLOWED;
    if (!cluster_device_url(d, fid, CLUSTER_WRITE, false, url))
        return DELETE_FAILED;
    enum mog_err e = node_delete(w->node, url, &status, &f);
    if (e == MOG_OK || e == MOG_ENOTFOUND)
        return DELETE_DONE;
    log_warn("Error: unlink failure: %s: HTTP code %d%s%s", url, status != 0 ? status : 500, status != 0 ? "" : " ",
             status != 0 ? "" : f.text);
    return DELETE_FAILED;
}

/* Seconds until the next try of a copy that could not be deleted. */
static int64_t delay_of(enum delete_result r, int64_t failcount)
{
    switch (r) {
    case DELETE_NOT_SEEN_WRITEABLE:
        return 60 * (10 + failcount);
    case DELETE_NOT_ALLOWED:
        return 3600 * (1 + failcount);
    case DELETE_FAILED:
        return 1800 * (1 + failcount);
    case DELETE_DONE:
    case DELETE_UNKNOWN_DEVICE:
        break;
    }
    return STORE_QUEUE_LEASE_S;
}

/* Up to a tenth longer, so that what failed together does not come back together. */
static int64_t with_jitter(struct job_worker *w, int64_t s)
{
    return s + (int64_t)(rng_unit(&w->rng) * (double)s / 10.0);
}

/* Delete all copies that can be deleted, and say in `end` what is left to do. `gone` has room for all. */
static void delete_copies(struct job_worker *w, const struct store_queue_row *row, const struct store_devids *devids,
                          uint32_t *gone, struct store_delete_end *end)
{
    int64_t wait_s = 0;
    for (size_t i = 0; i < devids->n; i++) {
        enum delete_result r = delete_copy(w, row->fid, devids->rows[i]);
        if (r == DELETE_DONE) {
            gone[end->n_gone++] = devids->rows[i];
            continue;
        }
        int64_t s = delay_of(r, row->failcount);
        wait_s = wait_s == 0 || s < wait_s ? s : wait_s;
    }
    end->gone = gone;
    end->is_done = wait_s == 0;
    /* A tracker that stops has failed at nothing. */
    end->failed = !job_is_stopping(w);
    end->delay_s = end->failed ? with_jitter(w, wait_s) : 0;
}

enum job_result job_delete(struct job_worker *w, const struct store_queue_row *row)
{
    struct store_devids devids = {0};
    enum job_result result = JOB_FAILED;
    enum mog_err e = store_delete_begin(w->st, row->fid, LOCK_WAIT_S, &devids);
    if (e == MOG_ELOCKED) {
        result = JOB_POSTPONED;
        /* Somebody works on it, which is no failure of the deletion. */
        e = store_queue_defer(w->st, STORE_QUEUE_DELETE, row->fid, 1, false);
    } else if (e == MOG_OK) {
        struct store_delete_end end = {0};
        uint32_t *gone = mem_calloc(devids.n, sizeof(*gone));
        delete_copies(w, row, &devids, gone, &end);
        result = end.is_done ? JOB_DONE : end.failed ? JOB_FAILED : JOB_POSTPONED;
        e = store_delete_end(w->st, row->fid, &end);
        fid_cache_forget_devids(w->cache, row->fid);
        free(gone);
    }
    if (e != MOG_OK)
        job_log_store(w, "deletion", row->fid);
    store_devids_free(&devids);
    store_unlock(w->st);
    return e == MOG_OK ? result : JOB_FAILED;
}

/* ---- the queue of databases from before schema 12 ---- */

static void legacy_item(struct job_worker *w, const struct store_devfid *item)
{
    enum mog_err e;
    if (item->devid == 0) {
        e = store_legacy_done(w->st, item->fid);
    } else {
        switch (delete_copy(w, item->fid, item->devid)) {
        case DELETE_DONE:
            e = store_devfid_remove(w->st, item->fid, item->devid, false, NULL);
            break;
        case DELETE_NOT_SEEN_WRITEABLE:
            e = store_legacy_later(w->st, item->fid, LEGACY_NOT_WRITEABLE_S);
            break;
        case DELETE_NOT_ALLOWED:
            e = store_legacy_later(w->st, item->fid, LEGACY_NOT_DELETABLE_S);
            break;
        default:
            e = store_legacy_later(w->st, item->fid, LEGACY_FAILED_S);
            break;
        }
    }
    if (e != MOG_OK)
        job_log_store(w, "deletion", item->fid);
}

static bool legacy_pass(struct job_worker *w)
{
    size_t moved = 0;
    struct store_devfids list = {0};
    if (store_legacy_requeue(w->st, &moved) != MOG_OK || store_legacy_list(w->st, LEGACY_LIST, &list) != MOG_OK) {
        log_warn("the old delete queue cannot be read, trying again: %s", store_failure(w->st)->text);
        return false;
    }
    rng_shuffle(&w->rng, list.rows, list.n, sizeof(*list.rows));
    for (size_t i = 0; i < list.n && i < LEGACY_HANDLED && !job_is_stopping(w); i++)
        legacy_item(w, &list.rows[i]);
    bool any = moved != 0 || list.n != 0;
    store_devfids_free(&list);
    return any;
}

/* The old queue is nearly always empty: ask less and less often. True: there was something. */
static bool legacy(struct job_worker *w)
{
    struct jobs *j = w->jobs;
    int64_t now = clock_mono_ms();
    if (now < j->legacy_next_mono_ms)
        return false;
    if (legacy_pass(w)) {
        j->legacy_idle = 0;
        j->legacy_next_mono_ms = 0;
        return true;
    }
    if (j->legacy_idle > LEGACY_IDLE_PASSES)
        j->legacy_next_mono_ms = now + (int64_t)j->legacy_idle * 1000;
    if (j->legacy_idle <= LEGACY_IDLE_MAX)
        j->legacy_idle++;
    return false;
}

void job_sweep(struct job_worker *w)
{
    size_t queued = 0;
    enum mog_err e = store_tempfile_sweep(w->st, w->jobs->config.tempfile_age_s, &queued);
    if (e != MOG_OK && e != MOG_ELOCKED)
        log_warn("old uploads were not swept, trying again: %s", store_failure(w->st)->text);
    else if (queued != 0)
        log_info("%zu uploads that were never finished are queued for deletion", queued);
    bool any = legacy(w) || queued != 0;
    /* While there is something, again soon. */
    if (any)
        atomic_store(&w->jobs->sweep_again, true);
}
