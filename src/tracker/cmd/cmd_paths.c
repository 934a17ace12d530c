/* SPDX-License-Identifier: MIT */
/* get_paths: the best copies of a file, the first one verified. */
#include "tracker/cmd/cmd_list.h"

#include "common/clock.h"
#include "common/devpath.h"
#include "common/mem.h"
#include "store/store_file.h"
#include "tracker/policy/choose.h"
#include "tracker/policy/hooks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PATHS = 2, MAX_PATHS = 1000, USUAL_COPIES = 8 };

/* What is known of the file, from the database or the shared cache. */
struct located {
    uint64_t fid, length;
    uint32_t *devids;
    size_t n;
};

static bool locate_in_cache(struct cmd_ctx *ctx, struct located *l)
{
    return fid_cache_is_on(ctx->cache) && fid_cache_get_fid(ctx->cache, ctx->domain->dmid, ctx->key, &l->fid) &&
           fid_cache_get_devids(ctx->cache, l->fid, &l->devids, &l->n);
}

static bool locate(struct cmd_ctx *ctx, struct located *l)
{
    struct store_found found;
    memset(&found, 0, sizeof(found));
    enum mog_err e = cmd_find_file(ctx, cmd_lookup_flags(cmd_get_paths, &ctx->args, ctx->domain), &found);
    if (e == MOG_ENOTFOUND) {
        cmd_err(ctx, "unknown_key");
    } else if (e != MOG_OK) {
        cmd_err_store(ctx, e);
    } else {
        l->fid = found.file.fid;
        l->length = found.file.length;
        l->devids = found.devids.rows;
        l->n = found.devids.n;
        found.devids = (struct store_devids){0};
        fid_cache_set(ctx->cache, ctx->domain->dmid, ctx->key, l->fid, l->devids, l->n);
    }
    store_found_free(&found);
    return !cmd_failed(ctx);
}

/* Less used devices first; of unknown use, by the operator's weight. */
static double weight_of(const struct cluster_device *d)
{
    if (d->utilization >= 0) {
        double weight = 102.0 - round(d->utilization);
        return weight > 0 ? weight : 100.0;
    }
    return d->weight == 0 ? 100.0 : d->weight;
}

/* The walk over the copies in their order. */
struct walk {
    struct cmd_ctx *ctx;
    const struct located *file;
    size_t want, n;
    const struct cluster_device **chosen; /* accepted, in order */
    const struct cluster_device **last;   /* draining ones, and those not yet seen after a start */
    size_t n_last;
    const struct cluster_device *backup;
    bool verify;
    struct deadline verify_by; /* all verifications share one time-out, so that clients do not give up on us */
    const struct cluster_device *room[2 * USUAL_COPIES + 1]; /* for `chosen` and `last`: most files have few copies */
};

static void walk_fini(struct walk *w)
{
    if (w->chosen != w->room)
        free(w->chosen);
}

/* What the client's URLs of files on the device begin with. */
static const struct cluster_base *base_of(const struct cmd_ctx *ctx, const struct cluster_device *d)
{
    return cluster_device_base(d, CLUSTER_READ, cmd_uses_alt(ctx, d->host));
}

static bool is_whole(struct walk *w, const struct cluster_device *d)
{
    char url[CLUSTER_URL_MAX];
    uint64_t size = 0;
    struct mog_fail f;
    int64_t left = w->verify ? deadline_left_ms(w->verify_by) : 0;
    if (left == 0)
        return true;
    if (cluster_device_url(d, w->file->fid, CLUSTER_READ, false, url) == 0)
        return false;
    cmd_will_wait(w->ctx);
    return node_size(w->ctx->node, url, left, &size, &f) == NODE_SIZE_KNOWN && size == w->file->length;
}

static void visit(struct walk *w, const struct cluster_device *d)
{
    if (base_of(w->ctx, d)->text.len == 0)
        return;
    bool is_guess = cluster_device_may_be_readable(d);
    if (!is_guess && !cluster_device_is_readable(d)) {
        w->backup = d;
        return;
    }
    if (w->n == 0 && !is_whole(w, d))
        return;
    if (is_guess || devstate_rights(d->status)->drain)
        w->last[w->n_last++] = d;
    else
        w->chosen[w->n++] = d;
}

/* The devices of the copies, best first. walk_fini() follows. */
static void walk_copies(struct walk *w)
{
    struct choose_item usual[USUAL_COPIES], *items = usual;
    size_t n = 0;
    w->chosen = w->room;
    if (w->file->n > USUAL_COPIES) {
        items = mem_calloc(w->file->n, sizeof(*items));
        w->chosen = mem_calloc(2 * w->file->n + 1, sizeof(w->chosen[0]));
    }
    w->last = w->chosen + w->file->n + 1;
    for (size_t i = 0; i < w->file->n; i++) {
        const struct cluster_device *d = cluster_device_by_id(w->ctx->cluster, w->file->devids[i]);
        if (d != NULL && d->host != NULL)
            items[n++] = (struct choose_item){d, weight_of(d)};
    }
    n = choose_order(&w->ctx->rng, items, n);
    hooks_order_paths(w->ctx->cluster, w->ctx->peer_ip, items, n);
    for (size_t i = 0; i < n && w->n < w->want; i++)
        visit(w, items[i].device);
    if (items != usual)
        free(items);
    for (size_t i = 0; i < w->n_last && w->n < w->want; i++)
        w->chosen[w->n++] = w->last[i];
    if (w->n == 0 && w->backup != NULL)
        w->chosen[w->n++] = w->backup;
}

void cmd_get_paths(struct cmd_ctx *ctx)
{
    struct located file = {0};
    bool noverify = cmd_arg_is_true(ctx, "noverify");
    if (!(noverify && locate_in_cache(ctx, &file)) && !locate(ctx, &file))
        return;
    int64_t count = cmd_arg_int(ctx, "pathcount");
    struct walk w = {.ctx = ctx,
                     .file = &file,
                     .want = count < DEFAULT_PATHS ? DEFAULT_PATHS
                             : count > MAX_PATHS   ? MAX_PATHS
                                                   : (size_t)count,
                     .verify = !noverify};
    if (w.verify)
        w.verify_by = deadline_in(node_shared_config(ctx->shared->nodes).node_timeout_ms);
    walk_copies(&w);
    char tail[DEVPATH_TAIL_MAX];
    size_t tail_len = devpath_tail(tail, file.fid);
    kv_put_u64(&ctx->reply, "paths", w.n);
    for (size_t i = 0; i < w.n; i++) {
        kv_put_nth(&ctx->reply, "path", i + 1, span_make(NULL, 0));
        buf_span(&ctx->reply, base_of(ctx, w.chosen[i])->coded);
        buf_append(&ctx->reply, tail, tail_len);
    }
    walk_fini(&w);
    free(file.devids);
}

void cmd_copies_fini(struct cmd_copies *c)
{
    free(c->urls);
    *c = (struct cmd_copies){0};
}

enum mog_err cmd_copies_find(struct cmd_ctx *ctx, struct span domain, struct span key, size_t max,
                             struct cmd_copies *out)
{
    struct store_found found;
    memset(&found, 0, sizeof(found));
    ctx->domain = cluster_domain_by_name(ctx->cluster, domain);
    if (ctx->domain == NULL || key.len == 0)
        return MOG_ENOTFOUND;
    enum mog_err e = store_file_find(ctx->st, ctx->domain->dmid, key, STORE_READ_SLAVE | STORE_READ_DEVIDS, &found);
    if (e == MOG_OK) {
        struct located file = {
            .fid = found.file.fid, .length = found.file.length, .devids = found.devids.rows, .n = found.devids.n};
        struct walk w = {.ctx = ctx, .file = &file, .want = max};
        walk_copies(&w);
        *out = (struct cmd_copies){.fid = file.fid, .length = file.length, .n = w.n};
        out->urls = mem_calloc(w.n, sizeof(*out->urls));
        for (size_t i = 0; i < w.n; i++)
            (void)cmd_url(ctx, w.chosen[i], file.fid, CLUSTER_READ, out->urls[i]);
        walk_fini(&w);
    }
    store_found_free(&found);
    return e;
}
