/* SPDX-License-Identifier: MIT */
/* The reaper: what was on a dead device is queued for replication, and its copies there are forgotten. */
#include "tracker/job/job_priv.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/store_file.h"
#include "store/store_lock.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    FIRST_DELAY_MS = 16 * 1000, /* longer than any cached state that still calls the device alive */
    BUSY_DELAY_S = 5,
    IDLE_DELAY_S = 60,
    IDLE_DELAY_MAX_S = 7200,
    RATE = 1000,
    REAP_PART = 100,
    LOCK_WAIT_S = 60
};

/* Under the lock: entries for devices that are dead now, and only those. */
static void update_list(struct jobs *j, const struct cluster *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < j->n_reaps; i++) {
        const struct cluster_device *d = cluster_device_by_id(c, j->reaps[i].devid);
        if (d != NULL && cluster_device_is_dead(d))
            j->reaps[kept++] = j->reaps[i];
        else if (d == NULL)
            log_warn("No device row for dev%" PRIu32 ", cannot reap", j->reaps[i].devid);
        else
            log_info("dev%" PRIu32 " is no longer dead to reaper", j->reaps[i].devid);
    }
    j->n_reaps = kept;
    for (size_t i = 0; i < c->n_devices; i++) {
        bool known = !cluster_device_is_dead(&c->devices[i]);
        for (size_t k = 0; k < j->n_reaps && !known; k++)
            known = j->reaps[k].devid == c->devices[i].devid;
        if (known)
            continue;
        j->reaps = mem_grow(j->reaps, j->n_reaps, &j->cap_reaps, sizeof(*j->reaps));
        j->reaps[j->n_reaps++] = (struct reap_device){
            .devid = c->devices[i].devid, .next_mono_ms = clock_mono_ms() + FIRST_DELAY_MS, .delay_s = BUSY_DELAY_S};
        log_info("dev%" PRIu32 " is dead: it will be emptied in %d s", c->devices[i].devid, (int)FIRST_DELAY_MS / 1000);
    }
}

/* The next device that is due, and mark it as taken; 0: none. */
static uint32_t take_due(struct jobs *j)
{
    uint32_t devid = 0;
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&j->reap_lock);
    for (size_t i = 0; i < j->n_reaps && devid == 0; i++) {
        struct reap_device *r = &j->reaps[i];
        if (!r->given_up && r->next_mono_ms <= now) {
            devid = r->devid;
            r->next_mono_ms = now + 1000 * IDLE_DELAY_MAX_S; /* until reschedule() */
        }
    }
    pthread_mutex_unlock(&j->reap_lock);
    return devid;
}

enum reap_result { REAP_FOUND, REAP_NOTHING, REAP_LOCKED, REAP_KEPT /* the delay stays as it was */ };

static void reschedule(struct jobs *j, uint32_t devid, enum reap_result result)
{
    pthread_mutex_lock(&j->reap_lock);
    for (size_t i = 0; i < j->n_reaps; i++) {
        struct reap_device *r = &j->reaps[i];
        if (r->devid != devid)
            continue;
        if (result == REAP_FOUND || result == REAP_LOCKED)
            r->delay_s = BUSY_DELAY_S;
        else if (result == REAP_NOTHING)
            r->delay_s = r->delay_s < IDLE_DELAY_S ? IDLE_DELAY_S : r->delay_s * 2;
        r->given_up = r->delay_s > IDLE_DELAY_MAX_S;
        r->next_mono_ms = clock_mono_ms() + r->delay_s * 1000;
    }
    pthread_mutex_unlock(&j->reap_lock);
}

/* How many fids may be queued now; 0: the replication queue is long enough. */
static unsigned limit_now(struct job_worker *w)
{
    uint64_t limit = cluster_setting_u64(w->cluster, "queue_rate_for_reaper", RATE), deferred = 0;
    uint64_t size = cluster_setting_u64(w->cluster, "queue_size_for_reaper", 0);
    if (size != 0 && store_replicate_deferred(w->st, &deferred) == MOG_OK) {
        uint64_t room = deferred < size ? size - deferred : 0;
        limit = room < limit ? room : limit;
    }
    return limit < 100000 ? (unsigned)limit : 100000;
}

/* In how many seconds the `at`th of `n` is due. */
static int64_t enqueue_delay_s(size_t at, size_t n)
{
    /* A hook of the original's tests. */
    return getenv("TESTING") != NULL ? 1 : 1 + (int64_t)(BUSY_DELAY_S * at / n);
}

/* Under the reaper's lock: queue, then forget. */
static enum reap_result reap_some(struct job_worker *w, uint32_t devid, unsigned limit)
{
    struct store_fids fids = {0};
    enum reap_result result = REAP_KEPT;
    enum mog_err e = store_devfid_on_device(w->st, devid, limit, &fids);
    /* Spread over the time until the next pass, so that they do not all stand before what waits already. */
    for (size_t at = 0; e == MOG_OK && at < fids.n; at += REAP_PART) {
        size_t n = fids.n - at < REAP_PART ? fids.n - at : REAP_PART;
        e = store_devfid_reap(w->st, devid, fids.rows + at, n, enqueue_delay_s(at, fids.n));
    }
    if (e == MOG_EINVAL) {
        log_info("dev%" PRIu32 " is no longer dead, its files stay", devid);
    } else if (e != MOG_OK) {
        log_warn("reaping of dev%" PRIu32 " was stopped by the database, trying again: %s", devid,
                 store_failure(w->st)->text);
    } else {
        result = fids.n != 0 ? REAP_FOUND : REAP_NOTHING;
        metric_add(&w->jobs->reaped_fids, fids.n);
        if (fids.n != 0)
            log_info("dev%" PRIu32 " is dead: %zu files are queued to be replicated elsewhere", devid, fids.n);
    }
    for (size_t i = 0; i < fids.n; i++)
        fid_cache_forget_devids(w->cache, fids.rows[i]);
    store_fids_free(&fids);
    return result;
}

static void reap(struct job_worker *w, uint32_t devid)
{
    unsigned limit = limit_now(w);
    enum reap_result result = REAP_KEPT;
    enum mog_err e = limit != 0 ? store_lock(w->st, "mgfs:reaper", LOCK_WAIT_S) : MOG_ECANCELED;
    if (e == MOG_ELOCKED)
        result = REAP_LOCKED;
    if (e == MOG_OK) {
        result = reap_some(w, devid, limit);
        store_unlock(w->st);
    }
    reschedule(w->jobs, devid, result);
}

void job_reap(struct job_worker *w)
{
    uint32_t devid;
    pthread_mutex_lock(&w->jobs->reap_lock);
    update_list(w->jobs, w->cluster);
    pthread_mutex_unlock(&w->jobs->reap_lock);
    while (!job_is_stopping(w) && (devid = take_due(w->jobs)) != 0)
        reap(w, devid);
}
