/* SPDX-License-Identifier: MIT */
/* delete, rename, updateclass, file_info, file_debug: one file by its key. */
#include "tracker/cmd/cmd_list.h"

#include "common/urlenc.h"
#include "store/store_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void cmd_delete(struct cmd_ctx *ctx)
{
    uint64_t fid = 0;
    enum mog_err e = store_file_delete(ctx->st, ctx->domain->dmid, ctx->key, &fid);
    /* After an error too: it may be done without our having heard of it, now or when the client asked before. */
    fid_cache_forget_key(ctx->cache, ctx->domain->dmid, ctx->key);
    if (e == MOG_ENOTFOUND) {
        cmd_err(ctx, "unknown_key");
        return;
    }
    if (e != MOG_OK) {
        cmd_err_store(ctx, e);
        return;
    }
    pace_owe(ctx->shared->pace, PACE_DELETE);
    fid_cache_forget_devids(ctx->cache, fid);
}

void cmd_rename(struct cmd_ctx *ctx)
{
    struct span from = cmd_arg(ctx, "from_key"), to = cmd_arg(ctx, "to_key");
    if (from.len == 0 || to.len == 0) {
        cmd_err(ctx, "no_key");
        return;
    }
    enum mog_err e = store_file_rename(ctx->st, ctx->domain->dmid, from, to);
    /* After an error too, as in cmd_delete(). */
    fid_cache_forget_key(ctx->cache, ctx->domain->dmid, from);
    fid_cache_forget_key(ctx->cache, ctx->domain->dmid, to);
    if (e == MOG_ENOTFOUND)
        cmd_err(ctx, "unknown_key");
    else if (e == MOG_EEXISTS)
        cmd_err(ctx, "key_exists");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
}

void cmd_updateclass(struct cmd_ctx *ctx)
{
    if (!cmd_arg_is_true(ctx, "class")) {
        cmd_err(ctx, "no_class");
        return;
    }
    const struct cluster_class *k = cluster_class_by_name(ctx->domain, cmd_arg(ctx, "class"));
    if (k == NULL) {
        cmd_err(ctx, "class_not_found");
        return;
    }
    struct store_found found;
    memset(&found, 0, sizeof(found));
    enum mog_err e = store_file_find(ctx->st, ctx->domain->dmid, ctx->key, STORE_READ_DEVIDS, &found);
    if (e == MOG_ENOTFOUND)
        cmd_err(ctx, "invalid_key");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
    else if (found.devids.n == 0)
        cmd_err(ctx, "no_devices");
    else if (found.file.classid != k->classid) {
        e = store_file_set_class(ctx->st, found.file.fid, k->classid);
        if (e == MOG_ENOTFOUND)
            cmd_err(ctx, "invalid_key");
        else if (e != MOG_OK)
            cmd_err_store(ctx, e);
    }
    store_found_free(&found);
}

static void add_devids(struct cmd_ctx *ctx, const struct store_devids *devids)
{
    struct buf list = BUF_ZERO;
    for (size_t i = 0; i < devids->n; i++)
        buf_printf(&list, "%s%" PRIu32, i != 0 ? "," : "", devids->rows[i]);
    kv_put(&ctx->reply, "devids", buf_as_span(&list));
    buf_fini(&list);
}

static void add_checksum(struct cmd_ctx *ctx, const struct store_checksum *c, const char *when_missing)
{
    const char *name = digest_name((enum digest_type)c->hashtype);
    if (c->hashtype == 0 || name == NULL) {
        kv_put_str(&ctx->reply, "checksum", when_missing);
        return;
    }
    struct buf text = BUF_ZERO;
    buf_printf(&text, "%s:", name);
    urlenc_hex(&text, c->bytes, c->len);
    kv_put(&ctx->reply, "checksum", buf_as_span(&text));
    buf_fini(&text);
}

void cmd_file_info(struct cmd_ctx *ctx)
{
    struct store_found found;
    memset(&found, 0, sizeof(found));
    enum mog_err e = cmd_find_file(ctx, cmd_lookup_flags(cmd_file_info, &ctx->args, ctx->domain), &found);
    if (e != MOG_OK) {
        if (e == MOG_ENOTFOUND)
            cmd_err(ctx, "unknown_key");
        else
            cmd_err_store(ctx, e);
        store_found_free(&found);
        return;
    }
    const struct cluster_class *k = cluster_class_by_id(ctx->cluster, found.file.dmid, found.file.classid);
    kv_put_u64(&ctx->reply, "fid", found.file.fid);
    kv_put(&ctx->reply, "domain", ctx->domain->name);
    kv_put(&ctx->reply, "class", k != NULL ? k->name : span_of(""));
    kv_put(&ctx->reply, "key", store_bytes_span(&found.file.key));
    kv_put_u64(&ctx->reply, "length", found.file.length);
    kv_put_u64(&ctx->reply, "devcount", found.file.devcount);
    if (k != NULL && k->hashtype != 0)
        add_checksum(ctx, &found.checksum, "MISSING");
    if (cmd_arg_is_true(ctx, "devices"))
        add_devids(ctx, &found.devids);
    store_found_free(&found);
}

/* ---- file_debug ---- */

static void debug_file(struct cmd_ctx *ctx, const struct store_file *f)
{
    const struct cluster_domain *d = cluster_domain_by_id(ctx->cluster, f->dmid);
    const struct cluster_class *k = cluster_class_by_id(ctx->cluster, f->dmid, f->classid);
    kv_put_u64(&ctx->reply, "fid_fid", f->fid);
    kv_put_u64(&ctx->reply, "fid_dmid", f->dmid);
    kv_put(&ctx->reply, "fid_dkey", store_bytes_span(&f->key));
    kv_put_u64(&ctx->reply, "fid_length", f->length);
    kv_put_u64(&ctx->reply, "fid_classid", f->classid);
    kv_put_u64(&ctx->reply, "fid_devcount", f->devcount);
    kv_put(&ctx->reply, "fid_domain", d != NULL ? d->name : span_of(""));
    kv_put(&ctx->reply, "fid_class", k != NULL ? k->name : span_of(""));
}

static void debug_tempfile(struct cmd_ctx *ctx, const struct store_tempfile *t)
{
    kv_put_u64(&ctx->reply, "tempfile_classid", t->classid);
    kv_put_u64(&ctx->reply, "tempfile_dmid", t->dmid);
    kv_put(&ctx->reply, "tempfile_dkey", store_bytes_span(&t->key));
    kv_put(&ctx->reply, "tempfile_devids", store_bytes_span(&t->devids));
}

static void add_optional(struct cmd_ctx *ctx, const char *prefix, const char *name, uint64_t value)
{
    /* 0 stands for NULL, which is sent empty. */
    if (value != 0)
        cmd_addf_u64(ctx, value, "%s_%s", prefix, name);
    else
        cmd_addf(ctx, span_of(""), "%s_%s", prefix, name);
}

static void debug_todo(struct cmd_ctx *ctx, const char *prefix, const struct store_queue_row *q)
{
    cmd_addf_u64(ctx, q->fid, "%s_fid", prefix);
    add_optional(ctx, prefix, "devid", q->devid);
    cmd_addf_u64(ctx, q->type, "%s_type", prefix);
    cmd_addf_u64(ctx, (uint64_t)q->nexttry, "%s_nexttry", prefix);
    cmd_addf_u64(ctx, q->failcount, "%s_failcount", prefix);
    cmd_addf_u64(ctx, q->flags, "%s_flags", prefix);
    cmd_addf(ctx, store_bytes_span(&q->arg), "%s_arg", prefix);
}

static void debug_queues(struct cmd_ctx *ctx, const struct store_debug *d)
{
    if (d->has_replicate) {
        kv_put_u64(&ctx->reply, "replqueue_fid", d->replicate.fid);
        kv_put_u64(&ctx->reply, "replqueue_nexttry", (uint64_t)d->replicate.nexttry);
        add_optional(ctx, "replqueue", "fromdevid", d->replicate.fromdevid);
        kv_put_u64(&ctx->reply, "replqueue_failcount", d->replicate.failcount);
        kv_put_u64(&ctx->reply, "replqueue_flags", d->replicate.flags);
        char *reason = fid_notes_get(ctx->shared->notes, d->replicate.fid);
        if (reason != NULL)
            kv_put_str(&ctx->reply, "replqueue_reason", reason);
        free(reason);
    }
    if (d->has_delete) {
        kv_put_u64(&ctx->reply, "delqueue_fid", d->delete.fid);
        kv_put_u64(&ctx->reply, "delqueue_nexttry", (uint64_t)d->delete.nexttry);
        kv_put_u64(&ctx->reply, "delqueue_failcount", d->delete.failcount);
    }
    if (d->has_rebalance)
        debug_todo(ctx, "rebqueue", &d->rebalance);
    if (d->has_fsck)
        debug_todo(ctx, "fsckqueue", &d->fsck);
}

static void debug_places(struct cmd_ctx *ctx, const struct store_debug *d, uint64_t fid)
{
    for (size_t i = 0; i < d->devids.n; i++) {
        char url[CLUSTER_URL_MAX];
        const struct cluster_device *device = cluster_device_by_id(ctx->cluster, d->devids.rows[i]);
        if (device == NULL || !cmd_url(ctx, device, fid, CLUSTER_READ, url))
            url[0] = '\0';
        cmd_addf(ctx, span_of(url), "devpath_%" PRIu32, d->devids.rows[i]);
    }
    if (d->devids.n != 0)
        add_devids(ctx, &d->devids);
}

/* The fid that is meant: by number, or by domain and key. */
static bool debug_fid(struct cmd_ctx *ctx, uint64_t *fid)
{
    if (cmd_arg_is_true(ctx, "fid")) {
        int64_t number = cmd_arg_int(ctx, "fid");
        *fid = number > 0 ? (uint64_t)number : 0;
        return true;
    }
    struct span domain = cmd_arg(ctx, "domain"), key = cmd_arg(ctx, "key");
    ctx->domain = cluster_domain_by_name(ctx->cluster, domain);
    if (domain.len == 0 || ctx->domain == NULL || key.len == 0) {
        cmd_err(ctx, domain.len == 0 ? "no_domain" : ctx->domain == NULL ? "unreg_domain" : "no_key");
        return false;
    }
    struct store_found found;
    memset(&found, 0, sizeof(found));
    enum mog_err e = store_file_find(ctx->st, ctx->domain->dmid, key, 0, &found);
    *fid = found.file.fid;
    store_found_free(&found);
    if (e == MOG_ENOTFOUND)
        cmd_err(ctx, "unknown_key");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
    return e == MOG_OK;
}

void cmd_file_debug(struct cmd_ctx *ctx)
{
    uint64_t fid = 0;
    if (!debug_fid(ctx, &fid))
        return;
    struct store_debug d;
    memset(&d, 0, sizeof(d));
    enum mog_err e = store_debug_read(ctx->st, fid, &d);
    if (e != MOG_OK) {
        cmd_err_store(ctx, e);
        store_debug_free(&d);
        return;
    }
    if (d.has_file)
        debug_file(ctx, &d.file);
    if (d.has_temp)
        debug_tempfile(ctx, &d.temp);
    debug_queues(ctx, &d);
    debug_places(ctx, &d, fid);
    add_checksum(ctx, &d.checksum, "NONE");
    store_debug_free(&d);
}
