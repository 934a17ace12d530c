/* SPDX-License-Identifier: MIT */
/* Mending one file under its lock: which copies are good, where else it may be, what is forgotten, what is queued. */
#include "tracker/job/fsck_priv.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/urlenc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct fix {
    struct fsck_check *c;
    enum digest_type alg; /* DIGEST_NONE: no digests */
    struct fsck_copy *copies;
    size_t n;
    bool unknown; /* a copy, or a device in the search, could not be asked */
    bool unseen;  /* a recorded copy could not */
    bool is_open; /* without that, digests cannot be judged */
};

static bool matches_row(const struct fix *f, const struct fsck_copy *copy)
{
    const struct store_checksum *row = &f->c->file.checksum;
    return copy->has_digest && row->hashtype == f->alg && memcmp(row->bytes, copy->digest, row->len) == 0;
}

/* Size, and the digest when digests are wanted. */
static void look_at(struct fix *f, struct fsck_copy *copy)
{
    struct fsck_check *c = f->c;
    copy->state = fsck_copy_state(c, copy->devid);
    if (copy->state != COPY_GOOD || f->alg == DIGEST_NONE)
        return;
    struct mog_fail fail = {0};
    const struct cluster_device *d = cluster_device_by_id(c->w->cluster, copy->devid);
    switch (node_digest(c->w->node, d, c->fid, CLUSTER_READ, f->alg, "fsck", copy->digest, &fail)) {
    case NODE_DIGEST_KNOWN:
        copy->has_digest = true;
        break;
    case NODE_DIGEST_MISSING:
        copy->state = fsck_copy_state(c, copy->devid) == COPY_MISSING ? COPY_MISSING : COPY_UNKNOWN;
        break;
    case NODE_DIGEST_UNKNOWN:
        log_warn("fsck: the digest of fid %" PRIu64 " on dev%" PRIu32 " cannot be had: %s", c->fid, copy->devid,
                 fail.text);
        copy->state = COPY_UNKNOWN;
        break;
    }
}

static void look_at_recorded(struct fix *f)
{
    struct fsck_check *c = f->c;
    f->copies = mem_calloc(c->file.devids.n + c->w->cluster->n_devices + 1, sizeof(*f->copies));
    for (size_t i = 0; i < c->file.devids.n; i++) {
        struct fsck_copy *copy = &f->copies[f->n++];
        copy->devid = c->file.devids.rows[i];
        look_at(f, copy);
        f->unknown = f->unseen = f->unseen || copy->state == COPY_UNKNOWN;
        if (copy->state == COPY_MISSING && c->first_try)
            fsck_log(c, "MISS", copy->devid);
        if (copy->state == COPY_LENGTH && c->first_try)
            fsck_log(c, "BLEN", copy->devid);
    }
}

static size_t count_good(const struct fix *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        n += f->copies[i].state == COPY_GOOD;
    return n;
}

static bool is_known(const struct fix *f, uint32_t devid)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->copies[i].devid == devid)
            return true;
    }
    return false;
}

/* Whether a copy found in the search is the file: the size says so, and the stored checksum when there is one. */
static bool is_the_file(const struct fix *f, const struct fsck_copy *copy)
{
    if (copy->state != COPY_GOOD)
        return false;
    return f->alg == DIGEST_NONE || f->c->file.checksum.hashtype != f->alg || matches_row(f, copy);
}

/* Look for the file on all other devices that are not dead, reachable ones first. True: found and recorded. */
static bool search(struct fix *f)
{
    struct fsck_check *c = f->c;
    const struct cluster *cl = c->w->cluster;
    uint32_t *order = mem_calloc(cl->n_devices, sizeof(*order));
    size_t n = 0;
    bool found = false;
    if (c->first_try)
        fsck_log(c, "SRCH", 0);
    for (size_t i = 0; i < cl->n_devices; i++) {
        if (!cluster_device_is_dead(&cl->devices[i]) && !is_known(f, cl->devices[i].devid))
            order[n++] = cl->devices[i].devid;
    }
    rng_shuffle(&c->w->rng, order, n, sizeof(*order));
    for (size_t i = 0; i < n && !found && !job_is_stopping(c->w); i++) {
        struct fsck_copy copy = {.devid = order[i]};
        look_at(f, &copy);
        f->unknown = f->unknown || copy.state == COPY_UNKNOWN;
        if (!is_the_file(f, &copy))
            continue;
        if (store_devfid_add(c->w->st, c->fid, copy.devid, job_recounts(c->w), NULL) != MOG_OK) {
            fsck_stopped(c);
            f->unknown = true;
            break;
        }
        fid_cache_forget_devids(c->w->cache, c->fid);
        fsck_log(c, "FOND", 0);
        f->copies[f->n++] = copy;
        found = true;
    }
    free(order);
    return found;
}

/* Forget a copy, and delete what is left of it where that is known to be wrong. */
static void forget(struct fix *f, struct fsck_copy *copy, bool delete_file)
{
    struct fsck_check *c = f->c;
    const struct cluster_device *d = cluster_device_by_id(c->w->cluster, copy->devid);
    char url[CLUSTER_URL_MAX];
    log_info("removing file_on mapping for fid=%" PRIu64 ", dev=%" PRIu32, c->fid, copy->devid);
    if (delete_file && d != NULL && cluster_device_can_delete(d) &&
        cluster_device_url(d, c->fid, CLUSTER_WRITE, false, url)) {
        int status = 0;
        struct mog_fail fail = {0};
        enum mog_err e = node_delete(c->w->node, url, &status, &fail);
        if (e != MOG_OK && e != MOG_ENOTFOUND)
            log_warn("fsck: a bad copy was not deleted, it is only forgotten: %s", fail.text);
    }
    if (store_devfid_remove(c->w->st, c->fid, copy->devid, false, NULL) != MOG_OK)
        fsck_stopped(c);
    fid_cache_forget_devids(c->w->cache, c->fid);
    copy->devid = 0;
}

/*
 * Copies that are dead or missing; where a good one is known, those of the wrong length too. Without one these are all
 * that there is, and it may be the node that is wrong about their length.
 */
static void forget_bad(struct fix *f, bool has_good)
{
    for (size_t i = 0; i < f->n; i++) {
        struct fsck_copy *copy = &f->copies[i];
        if (copy->state == COPY_DEAD || copy->state == COPY_MISSING || (copy->state == COPY_LENGTH && has_good))
            forget(f, copy, copy->state == COPY_LENGTH);
    }
}

/* ---- digests ---- */

static const struct fsck_copy *first_digest(const struct fix *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->copies[i].devid != 0 && f->copies[i].has_digest)
            return &f->copies[i];
    }
    return NULL;
}

static bool digests_agree(const struct fix *f)
{
    const struct fsck_copy *first = first_digest(f);
    for (size_t i = 0; i < f->n; i++) {
        const struct fsck_copy *copy = &f->copies[i];
        if (copy->devid != 0 && copy->has_digest && memcmp(copy->digest, first->digest, digest_size(f->alg)) != 0)
            return false;
    }
    return true;
}

static bool any_matches_row(const struct fix *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->copies[i].devid != 0 && matches_row(f, &f->copies[i]))
            return true;
    }
    return false;
}

static void log_digests(const struct fix *f)
{
    struct buf text = BUF_ZERO;
    for (size_t i = 0; i < f->n; i++) {
        if (f->copies[i].devid == 0 || !f->copies[i].has_digest)
            continue;
        buf_printf(&text, "%s%s:", text.len != 0 ? "; " : "", digest_name(f->alg));
        urlenc_hex(&text, f->copies[i].digest, digest_size(f->alg));
        buf_printf(&text, " on devids=[%" PRIu32 "]", f->copies[i].devid);
    }
    log_warn("fsck: fid %" PRIu64 " has copies with digests that differ from what is stored or from each other: %s",
             f->c->fid, buf_cstr(&text));
    buf_fini(&text);
}

/* Store the digest of a copy as that of the file. */
static void set_checksum(struct fix *f, const struct fsck_copy *copy)
{
    struct fsck_check *c = f->c;
    struct store_checksum row = {.hashtype = f->alg, .len = digest_size(f->alg)};
    memcpy(row.bytes, copy->digest, row.len);
    if (store_checksum_set(c->w->st, c->fid, &row) != MOG_OK)
        fsck_stopped(c);
    c->file.checksum = row;
}

/* Copies that do not have the stored digest go, when others do. */
static void drop_mismatches(struct fix *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->copies[i].devid != 0 && f->copies[i].has_digest && !matches_row(f, &f->copies[i]))
            forget(f, &f->copies[i], true);
    }
}

/* The stored checksum is of another algorithm: when the copies still have it, it is replaced by one of the class's. */
static void other_algorithm(struct fix *f)
{
    struct fsck_check *c = f->c;
    const struct fsck_copy *first = first_digest(f);
    const struct cluster_device *d = cluster_device_by_id(c->w->cluster, first->devid);
    const struct store_checksum *row = &c->file.checksum;
    uint8_t there[DIGEST_MAX_BYTES];
    struct mog_fail fail = {0};
    if (!digests_agree(f)) {
        log_digests(f);
        fsck_log(c, "BSUM", 0);
        return;
    }
    fsck_log(c, "BALG", 0);
    if (c->class == NULL || c->class->hashtype != f->alg)
        return; /* the algorithm of this check is not one that the class keeps */
    if (node_digest(c->w->node, d, c->fid, CLUSTER_READ, (enum digest_type)row->hashtype, "fsck", there, &fail) !=
        NODE_DIGEST_KNOWN)
        return;
    if (memcmp(there, row->bytes, row->len) != 0) {
        log_digests(f);
        return;
    }
    set_checksum(f, first);
}

static void compare_digests(struct fix *f)
{
    struct fsck_check *c = f->c;
    bool has_row = c->file.checksum.hashtype != 0;
    bool class_hash = c->class != NULL && c->class->hashtype != 0;
    if (first_digest(f) == NULL)
        return;
    /* The copy that cannot be asked may be the good one: what the others agree on is no checksum to throw it away by.
     */
    if (f->unseen && !any_matches_row(f)) {
        f->is_open = true;
        return;
    }
    if (has_row && c->file.checksum.hashtype != f->alg) {
        other_algorithm(f);
        return;
    }
    if (has_row) {
        /* No known copy is right: perhaps another device still has one that is. */
        if (!any_matches_row(f) && !search(f)) {
            log_digests(f);
            fsck_log(c, "BSUM", 0);
            return;
        }
        drop_mismatches(f);
        return;
    }
    if (digests_agree(f)) {
        if (class_hash) {
            fsck_log(c, "NSUM", 0);
            set_checksum(f, first_digest(f));
        }
        return;
    }
    log_digests(f);
    fsck_log(c, c->mode == DIGEST_NONE ? "BSUM" : "MSUM", 0);
}

/* ---- the whole ---- */

static void queue_if_needed(struct fix *f)
{
    struct fsck_check *c = f->c;
    /* By what is recorded now, after all that was forgotten and found. */
    if (fsck_load(c) != MOG_OK)
        return;
    if (fsck_policy_is_met(c, &c->file.devids)) {
        fsck_check_devcount(c);
        return;
    }
    if (store_replicate_add(c->w->st, c->fid, 0, 1) != MOG_OK) {
        fsck_stopped(c);
        return;
    }
    if (c->first_try || !f->is_open)
        fsck_log(c, "REPL", 0);
    if (job_recounts(c->w) && c->file.devids.n != c->file.file.devcount &&
        store_file_recount(c->w->st, c->fid) != MOG_OK)
        fsck_stopped(c);
}

static enum fsck_result fix(struct fix *f)
{
    struct fsck_check *c = f->c;
    look_at_recorded(f);
    if (count_good(f) == 0 && !search(f)) {
        if (f->unknown || job_is_stopping(c->w)) {
            log_warn("Fsck stalled for fid FID[f=%" PRIu64 "]: no good copy found, and not every device can be asked",
                     c->fid);
            return FSCK_STALLED;
        }
        forget_bad(f, false);
        if (job_recounts(c->w) && store_file_recount(c->w->st, c->fid) != MOG_OK)
            fsck_stopped(c);
        fsck_log(c, "GONE", 0);
        return FSCK_HANDLED;
    }
    if (f->alg != DIGEST_NONE)
        compare_digests(f);
    forget_bad(f, true);
    queue_if_needed(f);
    if (!f->is_open)
        return FSCK_HANDLED;
    log_warn("Fsck stalled for fid FID[f=%" PRIu64 "]: a copy's device is unreachable", c->fid);
    return FSCK_STALLED;
}

enum fsck_result fsck_fix(struct fsck_check *c)
{
    struct fix f = {.c = c};
    if (!c->digests_off)
        f.alg = c->class != NULL && c->class->hashtype != 0 ? (enum digest_type)c->class->hashtype : c->mode;
    if (c->policy_only && !(c->class != NULL && c->class->hashtype != 0 && c->file.checksum.hashtype == 0))
        f.alg = DIGEST_NONE;
    enum fsck_result result = fix(&f);
    free(f.copies);
    return result;
}
