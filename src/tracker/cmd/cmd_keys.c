/* SPDX-License-Identifier: MIT */
/* list_keys and list_fids: many files at a time. */
#include "tracker/cmd/cmd_list.h"

#include "store/store_file.h"

#include <inttypes.h>
#include <strings.h>

enum { MAX_KEYS = 1000, DEFAULT_FIDS = 100, MAX_FIDS = 500 };

/* Keys compare as the database compares them: as bytes, or, in databases that the original made, by the setting. */
static bool compares_case(struct cmd_ctx *ctx, bool *sensitive)
{
    bool bytes = true;
    enum mog_err e = store_keys_are_bytes(ctx->st, &bytes);
    if (e != MOG_OK) {
        cmd_err_store(ctx, e);
        return false;
    }
    *sensitive = bytes || cluster_setting_is_on(ctx->cluster, "case_sensitive_list_keys");
    return true;
}

static bool starts_with(struct span text, struct span prefix, bool sensitive)
{
    if (text.len < prefix.len)
        return false;
    struct span head = span_make(text.ptr, prefix.len);
    return sensitive ? span_eq(head, prefix) : strncasecmp(head.ptr, prefix.ptr, prefix.len) == 0;
}

void cmd_list_keys(struct cmd_ctx *ctx)
{
    struct store_list_keys l = {
        .dmid = ctx->domain->dmid, .prefix = cmd_arg(ctx, "prefix"), .after = cmd_arg(ctx, "after"), .limit = MAX_KEYS};
    if (!compares_case(ctx, &l.case_sensitive))
        return;
    if (l.prefix.len != 0 && cmd_arg_is_true(ctx, "after") && !starts_with(l.after, l.prefix, l.case_sensitive)) {
        cmd_err(ctx, "after_mismatch");
        return;
    }
    int64_t limit = cmd_arg_int(ctx, "limit");
    if (limit >= 1 && limit < MAX_KEYS)
        l.limit = (unsigned)limit;
    struct store_keys keys = {0};
    enum mog_err e = store_file_list_keys(ctx->st, &l, &keys);
    if (e != MOG_OK) {
        cmd_err_store(ctx, e);
        return;
    }
    if (keys.n == 0) {
        cmd_err(ctx, "none_match");
    } else {
        kv_put_u64(&ctx->reply, "key_count", keys.n);
        for (size_t i = 0; i < keys.n; i++)
            kv_put_nth(&ctx->reply, "key_", i + 1, keys.rows[i]);
        kv_put(&ctx->reply, "next_after", keys.rows[keys.n - 1]);
    }
    store_keys_free(&keys);
}

static void add_fid(struct cmd_ctx *ctx, size_t n, const struct store_file *f)
{
    const struct cluster_domain *d = cluster_domain_by_id(ctx->cluster, f->dmid);
    const struct cluster_class *k = cluster_class_by_id(ctx->cluster, f->dmid, f->classid);
    cmd_addf_u64(ctx, f->fid, "fid_%zu_fid", n);
    cmd_addf(ctx, d != NULL ? d->name : span_of(""), "fid_%zu_domain", n);
    cmd_addf(ctx, k != NULL ? k->name : span_of(""), "fid_%zu_class", n);
    cmd_addf(ctx, store_bytes_span(&f->key), "fid_%zu_key", n);
    cmd_addf_u64(ctx, f->length, "fid_%zu_length", n);
    cmd_addf_u64(ctx, f->devcount, "fid_%zu_devcount", n);
}

void cmd_list_fids(struct cmd_ctx *ctx)
{
    int64_t from = cmd_arg_int(ctx, "from"), count = cmd_arg_int(ctx, "to");
    unsigned limit = count == 0 ? DEFAULT_FIDS : count < 0 || count > MAX_FIDS ? MAX_FIDS : (unsigned)count;
    struct store_files files = {0};
    enum mog_err e = store_file_list_fids(ctx->st, from > 0 ? (uint64_t)from : 0, limit, &files);
    if (e != MOG_OK) {
        cmd_err_store(ctx, e);
        return;
    }
    kv_put_u64(&ctx->reply, "fid_count", files.n);
    for (size_t i = 0; i < files.n; i++)
        add_fid(ctx, i + 1, &files.rows[i]);
    store_files_free(&files);
}
