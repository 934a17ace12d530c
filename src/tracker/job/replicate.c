/* SPDX-License-Identifier: MIT */
/* Replication: one fid is copied until its policy is happy. */
#include "tracker/job/job_priv.h"

#include "common/log.h"
#include "common/mem.h"
#include "store/store_file.h"
#include "store/store_lock.h"
#include "tracker/policy/choose.h"
#include "tracker/policy/hooks.h"
#include "tracker/policy/policy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOCK_WAIT_S = 1, LOCKED_RETRY_S = 10 };

/* A list of device ids. */
struct ids {
    uint32_t *items;
    size_t n, cap;
};

static bool ids_have(const struct ids *l, uint32_t id)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->items[i] == id)
            return true;
    }
    return false;
}

static void ids_add(struct ids *l, uint32_t id)
{
    l->items = mem_grow(l->items, l->n, &l->cap, sizeof(*l->items));
    l->items[l->n++] = id;
}

/* One run of the engine. */
struct run {
    struct job_worker *w;
    const struct replicate_request *req;
    struct store_found file;
    const struct cluster_class *class;
    struct policy *policy;
    struct ids on;      /* all copies on known devices */
    struct ids counted; /* those that count for the policy: not dead, not masked */
    struct ids sources; /* those that can be read */
    struct ids bad_sources, bad_dests;
    size_t n_copied;
    char last_error[360]; /* of the copies that were tried */
};

static enum replicate_result give_up(struct run *r, enum replicate_result result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* End with a reason, which is logged and can be asked for with file_debug. */
static enum replicate_result give_up(struct run *r, enum replicate_result result, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(r->w->why, sizeof(r->w->why), fmt, ap);
    va_end(ap);
    return result;
}

static enum replicate_result load(struct run *r)
{
    struct job_worker *w = r->w;
    struct mog_fail f = {0};
    enum mog_err e =
        store_file_get_locked(w->st, r->req->fid, LOCK_WAIT_S, STORE_READ_DEVIDS | STORE_READ_CHECKSUM, &r->file);
    if (e == MOG_ELOCKED)
        return REPL_LOCKED;
    if (e == MOG_ENOTFOUND)
        return REPL_NOFID;
    if (e != MOG_OK)
        return give_up(r, REPL_ERROR, "replication of fid %" PRIu64 " stopped by the database: %.200s", r->req->fid,
                       store_failure(w->st)->text);
    r->class = cluster_class_by_id(w->cluster, r->file.file.dmid, r->file.file.classid);
    if (r->class == NULL)
        return give_up(r, REPL_ERROR,
                       "fid %" PRIu64 " has a class that does not exist (domain %" PRIu32 ", class %" PRIu32
                       "), it is tried again later",
                       r->req->fid, r->file.file.dmid, r->file.file.classid);
    if (policy_parse(span_of(r->class->replpolicy), &r->policy, &f) != MOG_OK)
        return give_up(r, REPL_ERROR, "class '%.*s' has a policy that cannot be used: %.200s", (int)r->class->name.len,
                       r->class->name.ptr, f.text);
    return REPL_SUCCESS;
}

static void sort_copies(struct run *r)
{
    for (size_t i = 0; i < r->file.devids.n; i++) {
        uint32_t id = r->file.devids.rows[i];
        const struct cluster_device *d = cluster_device_by_id(r->w->cluster, id);
        if (d == NULL)
            continue;
        ids_add(&r->on, id);
        if (!cluster_device_is_dead(d) && id != r->req->masked)
            ids_add(&r->counted, id);
        if (cluster_device_is_readable(d))
            ids_add(&r->sources, id);
    }
}

/* The next source: the preferred one, else by load. NULL: none is left. */
static const struct cluster_device *pick_source(struct run *r)
{
    struct choose_item *items = mem_calloc(r->sources.n, sizeof(*items));
    const struct cluster_device *best = NULL;
    size_t n = 0;
    for (size_t i = 0; i < r->sources.n; i++) {
        uint32_t id = r->sources.items[i];
        if (ids_have(&r->bad_sources, id))
            continue;
        const struct cluster_device *d = cluster_device_by_id(r->w->cluster, id);
        double weight = d->utilization >= 0 ? 102.0 - d->utilization : 50.0;
        items[n++] = (struct choose_item){d, weight > 1.0 ? weight : 1.0};
        if (id == r->req->preferred)
            best = d;
    }
    if (best == NULL && (n = choose_order(&r->w->rng, items, n)) != 0) {
        hooks_order_sources(r->w->cluster, items, n);
        best = items[0].device;
    }
    free(items);
    return best;
}

/* The policy's first suggestion; 0: none, and `*why` says what that means. */
static uint32_t pick_destination(struct run *r, const struct policy_answer *a, enum replicate_result *why)
{
    *why = REPL_NO_SUGGESTIONS;
    for (size_t i = 0; i < a->n_ideal; i++) {
        if (a->ideal[i] != r->req->masked)
            return a->ideal[i];
    }
    if (a->n_ideal != 0) {
        *why = REPL_WOULD_WORSEN;
        return 0;
    }
    for (size_t i = 0; i < a->n_desperate; i++) {
        if (a->desperate[i] != r->req->masked)
            return a->desperate[i];
    }
    return 0;
}

static struct policy_question question(struct run *r)
{
    return (struct policy_question){.cluster = r->w->cluster,
                                    .on = r->counted.items,
                                    .n_on = r->counted.n,
                                    .failed = r->bad_dests.items,
                                    .n_failed = r->bad_dests.n,
                                    .only = r->req->targets,
                                    .n_only = r->req->n_targets,
                                    .mindevcount = r->class->mindevcount,
                                    .rng = &r->w->rng};
}

static bool is_satisfied(struct run *r)
{
    struct policy_question q = question(r);
    struct policy_answer a;
    policy_ask(r->policy, &q, &a);
    bool good = a.verdict == POLICY_ALL_GOOD;
    policy_answer_fini(&a);
    return good;
}

/* What is_satisfied() looked at. Copies that this run has made count, whether they are recorded by now or not. */
static struct store_judged judged(const struct run *r)
{
    return (struct store_judged){.classid = r->file.file.classid, .n_on = r->file.devids.n + r->n_copied};
}

/* Nothing was to be copied. */
static enum replicate_result leave_queue(struct run *r)
{
    const struct store_judged by = judged(r);
    if (!r->req->is_queued)
        return REPL_LOST_RACE;
    if (store_replicate_done(r->w->st, r->req->fid, &by) != MOG_OK) {
        job_log_store(r->w, "replication", r->req->fid);
        return REPL_ERROR;
    }
    r->w->row_is_gone = true;
    return REPL_LOST_RACE;
}

static bool record_copy(struct run *r, const struct node_copy *copy)
{
    struct job_worker *w = r->w;
    ids_add(&r->on, copy->to->devid);
    ids_add(&r->counted, copy->to->devid);
    ids_add(&r->sources, copy->to->devid);
    struct store_checksum checksum = {.hashtype = copy->got_type, .len = digest_size(copy->got_type)};
    memcpy(checksum.bytes, copy->got, checksum.len);
    bool is_new = copy->got_type != DIGEST_NONE && r->file.checksum.hashtype == 0 && r->class->hashtype != 0;
    struct store_replica replica = {
        .fid = copy->fid, .devid = copy->to->devid, .recount = job_recounts(w), .checksum = is_new ? &checksum : NULL};
    r->n_copied++;
    const struct store_judged by = judged(r);
    bool is_last = r->req->is_queued && is_satisfied(r);
    replica.last = is_last ? &by : NULL;
    if (store_devfid_add_replica(w->st, &replica) != MOG_OK) {
        job_log_store(w, "replication", copy->fid);
        return false;
    }
    if (is_new)
        r->file.checksum = checksum;
    fid_cache_forget_devids(w->cache, copy->fid);
    w->row_is_gone = is_last;
    metric_add(&w->jobs->copied_bytes, copy->length);
    return true;
}

/* A recorded copy that is not there: the check will look into it. */
static void tell_fsck(struct job_worker *w, uint64_t fid)
{
    struct store_todo todo = {.fid = fid};
    if (store_todo_add(w->st, STORE_QUEUE_FSCK, &todo, 1) != MOG_OK)
        log_warn("fid %" PRIu64 " was not queued for checking: %s", fid, store_failure(w->st)->text);
}

static enum replicate_result copy_once(struct run *r, uint32_t dest)
{
    struct job_worker *w = r->w;
    const struct cluster_device *from = pick_source(r);
    if (from == NULL)
        return give_up(r, REPL_SOURCE_DOWN, "source_down: No devices available replicating %" PRIu64 "%s%s",
                       r->req->fid, r->last_error[0] != '\0' ? "; " : "", r->last_error);
    struct node_copy copy = {.cluster = w->cluster,
                             .from = from,
                             .to = cluster_device_by_id(w->cluster, dest),
                             .fid = r->req->fid,
                             .length = r->file.file.length,
                             .want_type = (enum digest_type)r->file.checksum.hashtype,
                             .want = r->file.checksum.bytes,
                             .compute = (enum digest_type)r->class->hashtype};
    struct mog_fail f = {0};
    enum node_copy_result result = node_copy(w->node, &copy, &f);
    if (job_is_stopping(w) && result != NODE_COPY_OK)
        return REPL_CANCELED;
    if (result == NODE_COPY_OK)
        return record_copy(r, &copy) ? REPL_SUCCESS : REPL_ERROR;
    bool dest_error = result == NODE_COPY_DEST_ERROR;
    (void)snprintf(r->last_error, sizeof(r->last_error), "%.359s", f.text);
    log_warn("%s", f.text);
    log_warn("Failed copying fid %" PRIu64 " from devid %" PRIu32 " to devid %" PRIu32 " (error type: %s)", r->req->fid,
             from->devid, dest, dest_error ? "dest_error" : "src_error");
    if (dest_error) {
        ids_add(&r->bad_dests, dest);
        return REPL_SUCCESS;
    }
    if (from->devid == r->req->preferred)
        log_warn("Fixed source dev%" PRIu32 " was requested for %" PRIu64 " but failed: will try other sources",
                 from->devid, r->req->fid);
    if (result == NODE_COPY_SRC_MISSING || result == NODE_COPY_SRC_DIGEST)
        tell_fsck(w, r->req->fid);
    ids_add(&r->bad_sources, from->devid);
    return REPL_SUCCESS;
}

/* Nothing (more) is copied: say why, with what an operator needs to see what is missing. */
static enum replicate_result explain(struct run *r, enum replicate_result result)
{
    const struct cluster *c = r->w->cluster;
    size_t takers = 0;
    for (size_t i = 0; i < c->n_devices; i++)
        takers += cluster_device_gets_files(c, &c->devices[i]);
    if (result == REPL_TOO_HAPPY)
        return give_up(r, result, "too_happy: fid %" PRIu64 " is on too many devices", r->req->fid);
    if (result != REPL_NO_SUGGESTIONS)
        return result;
    return give_up(r, result,
                   "policy_no_suggestions: replication policy ran out of suggestions for us replicating fid %" PRIu64
                   " (%zu copies, class wants %" PRIu32 ", %zu devices take files now%s%s)",
                   r->req->fid, r->counted.n, r->class->mindevcount, takers, r->last_error[0] != '\0' ? "; " : "",
                   r->last_error);
}

/* Ask the policy, copy, ask again. */
static enum replicate_result satisfy(struct run *r)
{
    for (;;) {
        struct policy_question q = question(r);
        struct policy_answer a;
        policy_ask(r->policy, &q, &a);
        enum replicate_result result;
        uint32_t dest = 0;
        if (a.verdict == POLICY_TOO_GOOD)
            result = REPL_TOO_HAPPY;
        else if (a.verdict == POLICY_ALL_GOOD)
            result = r->n_copied != 0 ? REPL_SUCCESS : leave_queue(r);
        else
            dest = pick_destination(r, &a, &result);
        policy_answer_fini(&a);
        if (dest == 0)
            return explain(r, result);
        if (ids_have(&r->bad_dests, dest))
            return give_up(r, REPL_DOING_FAILED,
                           "policy_error_doing_failed: replication policy told us to do something we already told it "
                           "we failed at while replicating fid %" PRIu64,
                           r->req->fid);
        if (ids_have(&r->on, dest))
            return give_up(r, REPL_ALREADY_THERE,
                           "policy_error_already_there: replication policy told us to put fid %" PRIu64
                           " on dev %" PRIu32 ", but it's already there!",
                           r->req->fid, dest);
        result = copy_once(r, dest);
        if (result != REPL_SUCCESS || r->w->row_is_gone)
            return result;
    }
}

static enum replicate_result run(struct run *r)
{
    enum replicate_result result = load(r);
    if (result != REPL_SUCCESS)
        return result;
    sort_copies(r);
    /* Copies on devices that we have not heard of yet (made through another tracker a moment ago) are no reason to
     * give up for ever. */
    if (r->file.devids.n == 0)
        return give_up(r, REPL_NO_SOURCE, "no_source: Source is no longer available replicating %" PRIu64, r->req->fid);
    if (r->sources.n == 0)
        return give_up(r, REPL_SOURCE_DOWN, "source_down: No alive devices available replicating %" PRIu64,
                       r->req->fid);
    if (r->req->preferred != 0 && !ids_have(&r->sources, r->req->preferred))
        log_warn("Fixed source dev%" PRIu32 " requested for %" PRIu64 " but not available. Trying other devices",
                 r->req->preferred, r->req->fid);
    return satisfy(r);
}

enum replicate_result replicate_run(struct job_worker *w, const struct replicate_request *req)
{
    struct run r = {.w = w, .req = req};
    w->why[0] = '\0';
    w->row_is_gone = false;
    enum replicate_result result = run(&r);
    if (w->why[0] != '\0')
        job_log_gated(w->jobs, result, w->why);
    policy_free(r.policy);
    store_found_free(&r.file);
    free(r.on.items);
    free(r.counted.items);
    free(r.sources.items);
    free(r.bad_sources.items);
    free(r.bad_dests.items);
    return result;
}

/* ---- the queue's items ---- */

/* Seconds until the next try: longer with each failure, with some chance so that trackers do not march in step. */
static int64_t backoff_s(struct job_worker *w, uint32_t failcount)
{
    static const int64_t base[] = {15, 60, 300, 1800, 3600, 7200, 14400, 28800, 86400};
    size_t i = failcount < 8 ? failcount : 8;
    return (int64_t)((double)base[i] * (0.8 + 0.4 * rng_unit(&w->rng)));
}

enum queue_action { ACTION_DONE, ACTION_LOCKED, ACTION_PARK, ACTION_SHED, ACTION_BACKOFF, ACTION_RELEASE };

static const enum queue_action actions[] = {
    [REPL_SUCCESS] = ACTION_DONE,          [REPL_LOST_RACE] = ACTION_DONE,         [REPL_NOFID] = ACTION_DONE,
    [REPL_LOCKED] = ACTION_LOCKED,         [REPL_NO_SOURCE] = ACTION_PARK,         [REPL_SOURCE_DOWN] = ACTION_BACKOFF,
    [REPL_TOO_HAPPY] = ACTION_SHED,        [REPL_NO_SUGGESTIONS] = ACTION_BACKOFF, [REPL_DOING_FAILED] = ACTION_BACKOFF,
    [REPL_ALREADY_THERE] = ACTION_BACKOFF, [REPL_WOULD_WORSEN] = ACTION_BACKOFF,   [REPL_ERROR] = ACTION_BACKOFF,
    [REPL_CANCELED] = ACTION_RELEASE,
};

/* What the action says of the item. */
static enum job_result result_of(enum queue_action action)
{
    switch (action) {
    case ACTION_DONE:
        return JOB_DONE;
    case ACTION_LOCKED:
    case ACTION_RELEASE:
        return JOB_POSTPONED;
    case ACTION_PARK:
    case ACTION_SHED:
    case ACTION_BACKOFF:
        break;
    }
    return JOB_FAILED;
}

enum job_result job_replicate(struct job_worker *w, const struct store_queue_row *row)
{
    struct replicate_request req = {.fid = row->fid, .preferred = row->fromdevid, .is_queued = true};
    enum queue_action action = actions[replicate_run(w, &req)];
    enum mog_err e = MOG_OK;
    uint32_t failcount = row->failcount;
    if (action == ACTION_DONE)
        fid_notes_clear(w->jobs->config.notes, row->fid);
    else if (w->why[0] != '\0')
        fid_notes_set(w->jobs->config.notes, row->fid, w->why);
    switch (action) {
    case ACTION_DONE:
        if (!w->row_is_gone)
            e = store_queue_done(w->st, STORE_QUEUE_REPLICATE, row->fid);
        break;
    case ACTION_LOCKED:
        e = store_queue_defer(w->st, STORE_QUEUE_REPLICATE, row->fid, LOCKED_RETRY_S, false);
        break;
    case ACTION_PARK:
        e = store_queue_park(w->st, STORE_QUEUE_REPLICATE, row->fid);
        break;
    case ACTION_RELEASE:
        e = store_queue_release(w->st, STORE_QUEUE_REPLICATE, &row->fid, 1);
        break;
    case ACTION_SHED:
        store_unlock(w->st);
        if (move_shed(w, row->fid))
            failcount = 0;
        e = store_queue_defer(w->st, STORE_QUEUE_REPLICATE, row->fid, backoff_s(w, failcount), true);
        break;
    case ACTION_BACKOFF:
        e = store_queue_defer(w->st, STORE_QUEUE_REPLICATE, row->fid, backoff_s(w, failcount), true);
        break;
    }
    if (e != MOG_OK)
        job_log_store(w, "replication", row->fid);
    store_unlock(w->st);
    return e == MOG_OK ? result_of(action) : JOB_FAILED;
}
