/* SPDX-License-Identifier: MIT */
/* The check of one file: the fast look, and when that finds something, the slow one under the file's lock. */
#include "tracker/job/fsck_priv.h"

#include "common/log.h"
#include "store/store_fsck.h"
#include "store/store_lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOCK_WAIT_S = 1, LOCKED_RETRY_S = 10 };

void fsck_log(struct fsck_check *c, const char *code, uint32_t devid)
{
    if (store_fsck_log(c->w->st, code, c->fid, devid) == MOG_OK)
        c->has_told = true;
    else
        log_warn("fsck: event %s of fid %" PRIu64 " was not stored: %s", code, c->fid, store_failure(c->w->st)->text);
    log_debug("fsck: %s fid=%" PRIu64 " dev=%" PRIu32, code, c->fid, devid);
}

void fsck_stopped(struct fsck_check *c)
{
    job_log_store(c->w, "check", c->fid);
    c->was_stopped = true;
}

enum mog_err fsck_load(struct fsck_check *c)
{
    store_found_free(&c->file);
    memset(&c->file, 0, sizeof(c->file));
    enum mog_err e = store_file_get(c->w->st, c->fid, STORE_READ_DEVIDS | STORE_READ_CHECKSUM, &c->file);
    if (e != MOG_OK && e != MOG_ENOTFOUND)
        fsck_stopped(c);
    if (e == MOG_OK)
        c->class = cluster_class_by_id(c->w->cluster, c->file.file.dmid, c->file.file.classid);
    return e;
}

/* Copies on dead devices do not count; too many copies are no good either. */
bool fsck_policy_is_met(const struct fsck_check *c, const struct store_devids *devids)
{
    if (c->policy == NULL || c->class == NULL)
        return true; /* nothing to judge by; the class itself is complained about elsewhere */
    uint32_t *on = malloc((devids->n + 1) * sizeof(*on));
    if (on == NULL)
        abort();
    size_t n = 0;
    for (size_t i = 0; i < devids->n; i++) {
        const struct cluster_device *d = cluster_device_by_id(c->w->cluster, devids->rows[i]);
        if (d != NULL && !cluster_device_is_dead(d))
            on[n++] = d->devid;
    }
    struct policy_question q = {
        .cluster = c->w->cluster, .on = on, .n_on = n, .mindevcount = c->class->mindevcount, .rng = &c->w->rng};
    struct policy_answer a;
    policy_ask(c->policy, &q, &a);
    bool met = a.verdict == POLICY_ALL_GOOD;
    policy_answer_fini(&a);
    free(on);
    return met;
}

void fsck_check_devcount(struct fsck_check *c)
{
    if (!job_recounts(c->w) || c->file.devids.n == c->file.file.devcount)
        return;
    fsck_log(c, "BCNT", 0);
    if (store_file_recount(c->w->st, c->fid) != MOG_OK)
        fsck_stopped(c);
    c->file.file.devcount = (uint32_t)c->file.devids.n;
}

/*
 * Whether a device that says that it does not have `url` can be believed. One that was unmounted, or is behind
 * something that answers 404 to everything, does not have its own usage file either; and what it says must not change
 * meanwhile.
 */
static bool is_missing(struct fsck_check *c, const struct cluster_device *d, const char *url)
{
    char base[80], usage[CLUSTER_URL_MAX];
    uint64_t size = 0;
    struct mog_fail f = {0};
    if (d->host == NULL || !cluster_host_base(d->host, CLUSTER_READ, false, base, sizeof(base)))
        return false;
    (void)snprintf(usage, sizeof(usage), "%s/dev%" PRIu32 "/usage", base, d->devid);
    if (node_size(c->w->node, usage, 0, &size, &f) == NODE_SIZE_KNOWN)
        return node_size(c->w->node, url, 0, &size, &f) == NODE_SIZE_MISSING;
    log_warn("fsck: dev%" PRIu32 " does not have %s, nor its usage file: it is not believed", d->devid, url);
    return false;
}

enum copy_state fsck_copy_state(struct fsck_check *c, uint32_t devid)
{
    const struct cluster_device *d = cluster_device_by_id(c->w->cluster, devid);
    char url[CLUSTER_URL_MAX];
    uint64_t size = 0;
    struct mog_fail f = {0};
    if (d == NULL)
        return COPY_UNKNOWN;
    if (cluster_device_is_dead(d))
        return COPY_DEAD;
    if (!cluster_device_is_readable(d) || !cluster_device_url(d, c->fid, CLUSTER_READ, false, url))
        return COPY_UNKNOWN;
    switch (node_size(c->w->node, url, 0, &size, &f)) {
    case NODE_SIZE_KNOWN:
        return size == c->file.file.length ? COPY_GOOD : COPY_LENGTH;
    case NODE_SIZE_MISSING:
        return is_missing(c, d, url) ? COPY_MISSING : COPY_UNKNOWN;
    case NODE_SIZE_UNREACHABLE:
        log_warn("%s", f.text);
        return COPY_UNKNOWN;
    }
    return COPY_UNKNOWN;
}

/* ---- the slow look ---- */

enum recheck { RECHECK_NONE, RECHECK_HAS_COPIES, RECHECK_POLICY };

static enum fsck_result slow(struct fsck_check *c, const char *code, enum recheck recheck)
{
    struct job_worker *w = c->w;
    if (store_lock_fid(w->st, c->fid, LOCK_WAIT_S) != MOG_OK) {
        log_warn("Fsck stalled for fid FID[f=%" PRIu64 "]: failed to acquire lock", c->fid);
        return FSCK_LOCKED;
    }
    enum mog_err e = fsck_load(c);
    enum fsck_result result = e == MOG_OK || e == MOG_ENOTFOUND ? FSCK_HANDLED : FSCK_STALLED;
    bool there = e == MOG_OK;
    bool mended = there && ((recheck == RECHECK_HAS_COPIES && c->file.devids.n != 0) ||
                            (recheck == RECHECK_POLICY && fsck_policy_is_met(c, &c->file.devids)));
    if (there && !mended) {
        if (code != NULL && c->first_try)
            fsck_log(c, code, 0);
        result = fsck_fix(c);
    }
    store_unlock(w->st);
    return result;
}

/* ---- the fast look ---- */

static enum fsck_result check_sizes(struct fsck_check *c, bool *all_good)
{
    bool stalled = false, needs_fix = false;
    for (size_t i = 0; i < c->file.devids.n; i++) {
        uint32_t devid = c->file.devids.rows[i];
        enum copy_state s = fsck_copy_state(c, devid);
        if (s == COPY_UNKNOWN) {
            const struct cluster_device *d = cluster_device_by_id(c->w->cluster, devid);
            log_warn("Connectivity problem reaching device %" PRIu32 " on host %s", devid,
                     d != NULL && d->host != NULL ? d->host->ip : "?");
            stalled = true;
        } else if (s != COPY_GOOD) {
            needs_fix = true;
        }
    }
    *all_good = !stalled && !needs_fix;
    /* What is known to be wrong is mended, whatever cannot be seen. */
    return stalled && !needs_fix ? FSCK_STALLED : FSCK_HANDLED;
}

static enum fsck_result check(struct fsck_check *c)
{
    bool class_hash = c->class != NULL && c->class->hashtype != 0 && !c->digests_off, all_good = false;
    if (c->file.devids.n == 0)
        return slow(c, "NOPA", RECHECK_HAS_COPIES);
    if (!fsck_policy_is_met(c, &c->file.devids))
        return slow(c, "POVI", RECHECK_POLICY);
    fsck_check_devcount(c);
    if (class_hash && c->file.checksum.hashtype == 0)
        return slow(c, NULL, RECHECK_NONE);
    if (c->policy_only)
        return FSCK_HANDLED;
    if (c->mode != DIGEST_NONE)
        return slow(c, NULL, RECHECK_NONE);
    enum fsck_result result = check_sizes(c, &all_good);
    if (result != FSCK_HANDLED)
        return result;
    return all_good && !class_hash ? FSCK_HANDLED : slow(c, NULL, RECHECK_NONE);
}

static void read_modes(struct fsck_check *c)
{
    const char *mode = cluster_setting(c->w->cluster, "fsck_checksum");
    c->policy_only = atomic_load(&c->w->jobs->fsck_policy_only);
    if (mode == NULL)
        return;
    c->digests_off = strcmp(mode, "off") == 0;
    enum digest_type type = digest_by_name(span_of(mode));
    if (type == DIGEST_MD5 || type == DIGEST_SHA1)
        c->mode = type;
}

enum job_result job_fsck(struct job_worker *w, const struct store_queue_row *row)
{
    struct fsck_check c = {.w = w, .fid = row->fid, .first_try = row->failcount == 0};
    struct mog_fail f = {0};
    enum fsck_result result = FSCK_STALLED;
    read_modes(&c);
    enum mog_err e = fsck_load(&c);
    if (e == MOG_ENOTFOUND) {
        result = FSCK_HANDLED;
    } else if (e == MOG_OK) {
        if (c.class != NULL && policy_parse(span_of(c.class->replpolicy), &c.policy, &f) != MOG_OK)
            log_err("class '%.*s' has a policy that cannot be used: %s", (int)c.class->name.len, c.class->name.ptr,
                    f.text);
        result = check(&c);
        if (c.was_stopped && result == FSCK_HANDLED)
            result = FSCK_STALLED;
    }
    /* A stalled fid is due again when its claim would run out. The failure is counted if codes were logged, so that
     * these are logged once, but not before there was anything to tell. */
    if (result == FSCK_HANDLED)
        e = store_queue_done(w->st, STORE_QUEUE_FSCK, row->fid);
    else if (job_is_stopping(w))
        e = store_queue_release(w->st, STORE_QUEUE_FSCK, &row->fid, 1);
    else if (result == FSCK_LOCKED)
        e = store_queue_defer(w->st, STORE_QUEUE_FSCK, row->fid, LOCKED_RETRY_S, false);
    else
        e = store_queue_defer(w->st, STORE_QUEUE_FSCK, row->fid, STORE_QUEUE_LEASE_S, c.has_told || !c.first_try);
    if (e != MOG_OK)
        job_log_store(w, "check", row->fid);
    policy_free(c.policy);
    store_found_free(&c.file);
    return e == MOG_OK && result == FSCK_HANDLED ? JOB_DONE : JOB_FAILED;
}
