/* SPDX-License-Identifier: MIT */
/* Lookups that came together: one round trip for all of them. */
#include "tracker/cmd/cmd_list.h"
#include "tracker/cmd/cmd_run.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/num.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool cmd_is_lookup(struct span line)
{
    static const char unverified[] = "noverify=1";
    const struct cmd_row *row = cmd_take_command(&line);
    if (row == NULL || (row->flags & CMD_LOOKUP) == 0)
        return false;
    /* Verifying takes as long as a storage node likes: nobody else waits for that. */
    return row->run != cmd_get_paths || memmem(line.ptr, line.len, unverified, sizeof(unverified) - 1) != NULL;
}

bool cmd_wants_ahead(const struct cmd_ctx *ctx)
{
    return !fid_cache_is_on(ctx->cache);
}

static void ahead_parse(struct cmd_ctx *ctx, struct cmd_ahead *a, struct span line)
{
    a->row = cmd_take_command(&line);
    kv_parse(&a->args, line);
    const struct span *domain = kv_find(&a->args, "domain"), *key = kv_find(&a->args, "key");
    const struct cluster_domain *d = domain != NULL ? cluster_domain_by_name(ctx->cluster, *domain) : NULL;
    a->is_known = false;
    a->is_wanted = d != NULL && key != NULL && key->len != 0;
    if (a->is_wanted) {
        a->dmid = d->dmid;
        a->key = *key;
    }
}

/* A line may only look as if it wanted no verification: see cmd_is_lookup(). */
static bool is_slow(const struct cmd_ahead *a)
{
    const struct span *noverify = kv_find(&a->args, "noverify");
    return a->row->run == cmd_get_paths && (noverify == NULL || !num_perl_true(*noverify));
}

/* Read all that are of the domain of the first wanted one. */
static enum mog_err ahead_read_domain(struct cmd_ctx *ctx, size_t first, size_t n)
{
    struct span keys[CMD_TOGETHER_MAX] = {{NULL, 0}};
    struct store_found found[CMD_TOGETHER_MAX];
    size_t who[CMD_TOGETHER_MAX], count = 0;
    unsigned flags = STORE_READ_SLAVE | STORE_READ_DEVIDS;
    bool is_sure = false;
    for (size_t i = first; i < n; i++) {
        struct cmd_ahead *a = &ctx->ahead[i];
        if (!a->is_wanted || a->dmid != ctx->ahead[first].dmid)
            continue;
        a->is_wanted = false;
        keys[count] = a->key;
        who[count++] = i;
        if (a->row->run == cmd_file_info)
            flags |= STORE_READ_CHECKSUM;
    }
    enum mog_err e = store_file_find_many(ctx->st, ctx->ahead[first].dmid, keys, count, flags, found, &is_sure);
    for (size_t k = 0; k < count; k++) {
        struct cmd_ahead *a = &ctx->ahead[who[k]];
        a->err = e != MOG_OK ? e : found[k].file.fid != 0 ? MOG_OK : MOG_ENOTFOUND;
        a->is_known = a->err != MOG_ENOTFOUND || is_sure;
        a->found = found[k];
    }
    /* A database that is away is away for all of them; anything else may be the fault of one key. */
    return e == MOG_EDBDOWN || e == MOG_ETIMEOUT ? MOG_OK : e;
}

static void ahead_forget(struct cmd_ahead *a)
{
    kv_reset(&a->args);
    store_found_free(&a->found);
    a->is_known = a->is_wanted = false;
}

void cmd_ahead_free(struct cmd_ahead *all)
{
    for (size_t i = 0; all != NULL && i < CMD_TOGETHER_MAX; i++) {
        ahead_forget(&all[i]);
        kv_fini(&all[i].args);
    }
    free(all);
}

bool cmd_read_ahead(struct cmd_ctx *ctx, const struct span *lines, size_t n)
{
    assert(n <= CMD_TOGETHER_MAX);
    enum mog_err e = MOG_OK;
    int64_t started_us = clock_mono_us();
    if (ctx->ahead == NULL)
        ctx->ahead = mem_calloc(CMD_TOGETHER_MAX, sizeof(*ctx->ahead));
    bool is_ready = cmd_begin(ctx, 0);
    for (size_t i = 0; is_ready && i < n; i++) {
        ctx->ahead[i].started_us = started_us;
        ahead_parse(ctx, &ctx->ahead[i], lines[i]);
        if (is_slow(&ctx->ahead[i]))
            e = MOG_EINVAL;
    }
    for (size_t i = 0; is_ready && e == MOG_OK && i < n; i++) {
        if (ctx->ahead[i].is_wanted)
            e = ahead_read_domain(ctx, i, n);
    }
    cmd_end(ctx);
    if (is_ready && e == MOG_OK)
        return true;
    for (size_t i = 0; i < n; i++)
        ahead_forget(&ctx->ahead[i]);
    return false;
}

const struct cmd_row *cmd_run_ahead(struct cmd_ctx *ctx, size_t i, const struct cmd_client *client, struct buf *out)
{
    struct cmd_ahead *a = &ctx->ahead[i];
    cmd_reset(ctx);
    struct kv empty = ctx->args;
    ctx->args = a->args;
    a->args = empty;
    ctx->mine = a;
    cmd_run_parsed(ctx, a->row, a->started_us, client, out);
    ctx->mine = NULL;
    ahead_forget(a);
    return a->row;
}

enum mog_err cmd_find_file(struct cmd_ctx *ctx, unsigned flags, struct store_found *out)
{
    struct cmd_ahead *a = ctx->mine;
    if (a == NULL || !a->is_known || a->dmid != ctx->domain->dmid)
        return store_file_find(ctx->st, ctx->domain->dmid, ctx->key, flags, out);
    *out = a->found;
    a->found = (struct store_found){0};
    a->is_known = false;
    return a->err;
}
