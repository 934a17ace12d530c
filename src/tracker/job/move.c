/* SPDX-License-Identifier: MIT */
/* Taking one copy of a file off a device: for rebalancing, draining, and files with too many copies. */
#include "tracker/job/job_priv.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/num.h"
#include "store/store_file.h"
#include "store/store_lock.h"
#include "tracker/policy/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOCKED_RETRY_S = 10, LOCKED_TRIES = 10 };

static void log_failure(const struct cluster_device *d, uint64_t fid, const char *why)
{
    char url[CLUSTER_URL_MAX];
    if (!cluster_device_url(d, fid, CLUSTER_WRITE, false, url))
        url[0] = '\0';
    log_warn("Rebalance for DevFID[d=%" PRIu32 ";f=%" PRIu64 "] (%s) failed: %s", d->devid, fid, url, why);
}

/* Whether another copy than the one on `devid` is there with the right size. */
static bool another_is_whole(struct job_worker *w, uint64_t fid, uint32_t devid, bool *still_recorded)
{
    struct store_found file;
    memset(&file, 0, sizeof(file));
    bool whole = false;
    *still_recorded = false;
    if (store_file_get(w->st, fid, STORE_READ_DEVIDS, &file) == MOG_OK) {
        for (size_t i = 0; i < file.devids.n; i++) {
            char url[CLUSTER_URL_MAX];
            uint64_t size = 0;
            struct mog_fail f;
            const struct cluster_device *d = cluster_device_by_id(w->cluster, file.devids.rows[i]);
            if (file.devids.rows[i] == devid) {
                *still_recorded = true;
                continue;
            }
            whole = whole || (d != NULL && cluster_device_is_readable(d) &&
                              cluster_device_url(d, fid, CLUSTER_READ, false, url) &&
                              node_size(w->node, url, 0, &size, &f) == NODE_SIZE_KNOWN && size == file.file.length);
        }
    }
    store_found_free(&file);
    return whole;
}

static bool delete_copy(struct job_worker *w, uint64_t fid, const struct cluster_device *d, const char *reason)
{
    char url[CLUSTER_URL_MAX], why[600];
    int status = 0;
    struct mog_fail f = {0};
    bool recorded = false;
    if (!cluster_device_url(d, fid, CLUSTER_WRITE, false, url))
        return false;
    enum mog_err e = node_delete(w->node, url, &status, &f);
    /* Not there (any more): the row is wrong, and can go when the file is whole elsewhere. */
    bool gone = e == MOG_OK || (e == MOG_ENOTFOUND && (w->jobs->config.rebalance_ignore_missing ||
                                                       another_is_whole(w, fid, d->devid, &recorded)));
    if (!gone) {
        (void)snprintf(why, sizeof(why), "HTTP delete (due to '%s') failed: %s", reason,
                       e == MOG_ENOTFOUND ? "HTTP status 404" : f.text);
        log_failure(d, fid, why);
        return false;
    }
    if (store_devfid_remove(w->st, fid, d->devid, job_recounts(w), NULL) != MOG_OK) {
        job_log_store(w, "removal of a copy", fid);
        return false;
    }
    fid_cache_forget_devids(w->cache, fid);
    return true;
}

enum move_result move_away(struct job_worker *w, uint64_t fid, uint32_t devid, const uint32_t *targets,
                           size_t n_targets)
{
    const struct cluster_device *d = cluster_device_by_id(w->cluster, devid);
    struct replicate_request req = {.fid = fid, .masked = devid, .targets = targets, .n_targets = n_targets};
    bool removed = false, recorded = false;
    if (d == NULL)
        return MOVE_NOT;
    enum replicate_result result = replicate_run(w, &req);
    switch (result) {
    case REPL_NOFID:
        removed = true; /* deleted meanwhile: nothing is left to move */
        break;
    case REPL_SUCCESS:
        removed = delete_copy(w, fid, d, "did_rebalance;ret=1");
        break;
    case REPL_TOO_HAPPY:
    case REPL_LOST_RACE:
        if (another_is_whole(w, fid, devid, &recorded) && recorded)
            removed = delete_copy(w, fid, d, "over_replicated");
        break;
    case REPL_WOULD_WORSEN:
        log_failure(d, fid, "no suitable destination devices available");
        break;
    case REPL_LOCKED:
        return MOVE_LOCKED;
    case REPL_NO_SOURCE:
    case REPL_SOURCE_DOWN:
    case REPL_NO_SUGGESTIONS:
    case REPL_DOING_FAILED:
    case REPL_ALREADY_THERE:
    case REPL_ERROR:
        log_failure(d, fid, "Replication failed");
        break;
    case REPL_CANCELED:
        break;
    }
    store_unlock(w->st);
    return removed ? MOVE_DONE : MOVE_NOT;
}

/* Distinct hosts of the copies without the one at `skip`. */
static size_t hosts_without(const struct cluster_device *const *on, size_t n, size_t skip)
{
    size_t hosts = 0;
    for (size_t i = 0; i < n; i++) {
        bool again = i == skip;
        for (size_t k = 0; k < i && !again; k++)
            again = k != skip && on[k]->hostid == on[i]->hostid;
        hosts += !again;
    }
    return hosts;
}

/* A file with too many copies: those that count, and what is to hold without one of them. */
struct surplus {
    struct job_worker *w;
    const struct cluster_class *class; /* NULL, or `policy`: nothing to judge by */
    struct policy *policy;
    const struct cluster_device **on;
    size_t n;
};

/* Whether the policy is satisfied without the copy at `skip`: else another one would have to be made for it. */
static bool is_happy_without(const struct surplus *s, size_t skip)
{
    if (s->class == NULL || s->policy == NULL)
        return false;
    uint32_t *on = mem_calloc(s->n, sizeof(*on));
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (i != skip)
            on[n++] = s->on[i]->devid;
    }
    const struct policy_question q = {
        .cluster = s->w->cluster, .on = on, .n_on = n, .mindevcount = s->class->mindevcount, .rng = &s->w->rng};
    struct policy_answer a;
    policy_ask(s->policy, &q, &a);
    bool is_happy = policy_is_happy(&a);
    policy_answer_fini(&a);
    free(on);
    return is_happy;
}

/* The copy that is missed least; 0: none can go now. */
static uint32_t pick_surplus(const struct surplus *s)
{
    uint32_t best = 0;
    size_t best_hosts = 0;
    bool best_is_happy = false;
    for (size_t i = 0; i < s->n; i++) {
        if (!cluster_device_can_delete(s->on[i]) || !cluster_device_is_readable(s->on[i]))
            continue;
        bool is_happy = is_happy_without(s, i);
        size_t hosts = hosts_without(s->on, s->n, i);
        if (best != 0 && (is_happy < best_is_happy || (is_happy == best_is_happy && hosts <= best_hosts)))
            continue;
        best = s->on[i]->devid;
        best_hosts = hosts;
        best_is_happy = is_happy;
    }
    return best;
}

bool move_shed(struct job_worker *w, uint64_t fid)
{
    struct store_found file;
    struct surplus s = {.w = w};
    struct mog_fail ignored = {0};
    memset(&file, 0, sizeof(file));
    enum mog_err e = store_file_get(w->st, fid, STORE_READ_DEVIDS, &file);
    if (e != MOG_OK) {
        if (e != MOG_ENOTFOUND)
            job_log_store(w, "removal of a copy", fid);
        store_found_free(&file);
        return false;
    }
    s.class = cluster_class_by_id(w->cluster, file.file.dmid, file.file.classid);
    if (s.class != NULL && policy_parse(span_of(s.class->replpolicy), &s.policy, &ignored) != MOG_OK)
        s.policy = NULL;
    s.on = mem_calloc(file.devids.n, sizeof(*s.on));
    rng_shuffle(&w->rng, file.devids.rows, file.devids.n, sizeof(*file.devids.rows));
    for (size_t i = 0; i < file.devids.n; i++) {
        const struct cluster_device *d = cluster_device_by_id(w->cluster, file.devids.rows[i]);
        if (d != NULL && !cluster_device_is_dead(d))
            s.on[s.n++] = d;
    }
    uint32_t devid = pick_surplus(&s);
    free(s.on);
    policy_free(s.policy);
    store_found_free(&file);
    return devid != 0 && move_away(w, fid, devid, NULL, 0) == MOVE_DONE;
}

enum job_result job_rebalance(struct job_worker *w, const struct store_queue_row *row)
{
    struct span rest = store_bytes_span(&row->arg), part;
    uint32_t *targets = NULL;
    size_t n = 0, cap = 0;
    while (rest.ptr != NULL && span_split(&rest, ',', &part)) {
        uint64_t id = 0;
        if (num_parse_u64(span_trim(part), 1, UINT32_MAX, &id) != MOG_OK)
            continue;
        targets = mem_grow(targets, n, &cap, sizeof(*targets));
        targets[n++] = (uint32_t)id;
    }
    enum move_result result = move_away(w, row->fid, row->devid, targets, n);
    free(targets);
    /* Whatever came of it: a rebalance that failed is repeated by running it again. Only who was locked out waits. */
    enum mog_err e;
    if (job_is_stopping(w))
        e = store_queue_release(w->st, STORE_QUEUE_REBALANCE, &row->fid, 1);
    else if (result == MOVE_LOCKED && row->failcount < LOCKED_TRIES)
        e = store_queue_defer(w->st, STORE_QUEUE_REBALANCE, row->fid, LOCKED_RETRY_S, true);
    else
        e = store_queue_done(w->st, STORE_QUEUE_REBALANCE, row->fid);
    if (e != MOG_OK)
        job_log_store(w, "rebalance", row->fid);
    if (result != MOVE_DONE)
        return job_is_stopping(w) || result == MOVE_LOCKED ? JOB_POSTPONED : JOB_FAILED;
    return e == MOG_OK ? JOB_DONE : JOB_FAILED;
}
