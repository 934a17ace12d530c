/* SPDX-License-Identifier: MIT */
/* Requests that came together: one round trip for all of them. */
#include "tracker/cmd/cmd_list.h"
#include "tracker/cmd/cmd_run.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/num.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum cmd_kind cmd_kind_of(struct span line)
{
    static const char unverified[] = "noverify=1";
    const struct cmd_row *row = cmd_take_command(&line);
    if (row == NULL || (row->flags & (CMD_LOOKUP | CMD_OPEN)) == 0)
        return CMD_ALONE;
    if (row->flags & CMD_OPEN)
        return CMD_OPENS;
    /* Verifying takes as long as a storage node likes: nobody else waits for that. */
    bool is_slow = row->run == cmd_get_paths && memmem(line.ptr, line.len, unverified, sizeof(unverified) - 1) == NULL;
    return is_slow ? CMD_ALONE : CMD_LOOKUPS;
}

bool cmd_wants_ahead(const struct cmd_ctx *ctx, enum cmd_kind kind)
{
    switch (kind) {
    case CMD_LOOKUPS:
        return !fid_cache_is_on(ctx->cache);
    case CMD_OPENS:
        return store_can_open_many(ctx->st);
    case CMD_ALONE:
    case CMD_KINDS:
        break;
    }
    return false;
}

/* Lend the arguments of a request to the context, or take them back. */
static void swap_args(struct cmd_ctx *ctx, struct cmd_ahead *a)
{
    struct kv args = ctx->args;
    ctx->args = a->args;
    a->args = args;
}

static void ahead_parse(struct cmd_ctx *ctx, struct cmd_ahead *a, struct span line)
{
    a->row = cmd_take_command(&line);
    kv_parse(&a->args, line);
    const struct span *domain = kv_find(&a->args, "domain"), *key = kv_find(&a->args, "key");
    const struct cluster_domain *d = domain != NULL ? cluster_domain_by_name(ctx->cluster, *domain) : NULL;
    a->is_known = false;
    a->is_wanted = d != NULL;
    a->dmid = d != NULL ? d->dmid : 0;
    a->key = key != NULL ? *key : span_make("", 0);
    a->flags = d != NULL && (a->row->flags & CMD_LOOKUP) ? cmd_lookup_flags(a->row->run, &a->args, d) : 0;
}

unsigned cmd_lookup_flags(cmd_fn *run, const struct kv *args, const struct cluster_domain *d)
{
    const struct span *devices = kv_find(args, "devices"), *noverify = kv_find(args, "noverify");
    unsigned flags = STORE_READ_SLAVE;
    if (run == cmd_get_paths)
        return flags | STORE_READ_DEVIDS | (noverify != NULL && num_perl_true(*noverify) ? STORE_READ_FID : 0);
    if (devices != NULL && num_perl_true(*devices))
        flags |= STORE_READ_DEVIDS;
    for (size_t i = 0; i < d->n_classes; i++) {
        if (d->classes[i].hashtype != 0)
            flags |= STORE_READ_CHECKSUM;
    }
    return flags;
}

/* A line may only look as if it wanted no verification: see cmd_kind_of(). */
static bool is_slow(const struct cmd_ahead *a)
{
    const struct span *noverify = kv_find(&a->args, "noverify");
    return a->row->run == cmd_get_paths && (noverify == NULL || !num_perl_true(*noverify));
}

/* A database that is away is away for all of them; anything else may be the fault of one. */
static bool is_of_all(enum mog_err e)
{
    return e == MOG_OK || e == MOG_EDBDOWN || e == MOG_ETIMEOUT;
}

/* Read all that are of the domain of the first wanted one. */
static enum mog_err ahead_read_domain(struct cmd_ctx *ctx, size_t first, size_t n)
{
    struct span keys[CMD_TOGETHER_MAX] = {{NULL, 0}};
    struct store_found found[CMD_TOGETHER_MAX];
    size_t who[CMD_TOGETHER_MAX], count = 0;
    unsigned flags = 0, all = ~0U;
    bool is_sure = false;
    for (size_t i = first; i < n; i++) {
        struct cmd_ahead *a = &ctx->ahead[i];
        if (!a->is_wanted || a->dmid != ctx->ahead[first].dmid)
            continue;
        a->is_wanted = false;
        keys[count] = a->key;
        who[count++] = i;
        flags |= a->flags;
        all &= a->flags;
    }
    flags = (flags & ~(unsigned)STORE_READ_FID) | (all & STORE_READ_FID);
    enum mog_err e = store_file_find_many(ctx->st, ctx->ahead[first].dmid, keys, count, flags, found, &is_sure);
    for (size_t k = 0; k < count; k++) {
        struct cmd_ahead *a = &ctx->ahead[who[k]];
        a->err = e != MOG_OK ? e : found[k].file.fid != 0 ? MOG_OK : MOG_ENOTFOUND;
        a->is_known = a->err != MOG_ENOTFOUND || is_sure;
        a->found = found[k];
    }
    return is_of_all(e) && !ctx->nowait ? MOG_OK : e;
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

/* What is not taken: slow ones. What asks for nothing that is there is answered with the others. */
static enum mog_err read_all(struct cmd_ctx *ctx, struct cmd_line *lines, size_t n)
{
    enum mog_err e = MOG_OK;
    for (size_t i = 0; i < n; i++) {
        struct cmd_ahead *a = &ctx->ahead[i];
        lines[i].is_taken = !is_slow(a);
        a->is_wanted = a->is_wanted && lines[i].is_taken && a->key.len != 0;
    }
    for (size_t i = 0; e == MOG_OK && i < n; i++) {
        if (ctx->ahead[i].is_wanted)
            e = ahead_read_domain(ctx, i, n);
    }
    return e;
}

static bool plan_one(struct cmd_ctx *ctx, struct cmd_ahead *a, const struct cmd_client *client)
{
    cmd_reset(ctx);
    swap_args(ctx, a);
    ctx->peer_ip = client->ip;
    ctx->domain = cluster_domain_by_name(ctx->cluster, cmd_arg(ctx, "domain"));
    bool ok = ctx->domain != NULL && cmd_open_plan(ctx, &a->plan) && !cmd_failed(ctx);
    swap_args(ctx, a);
    return ok;
}

/* What is not taken: all but the plainest. */
static enum mog_err open_all(struct cmd_ctx *ctx, struct cmd_line *lines, size_t n)
{
    struct store_file_open opens[CMD_TOGETHER_MAX];
    uint64_t fids[CMD_TOGETHER_MAX];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        struct cmd_ahead *a = &ctx->ahead[i];
        lines[i].is_taken = a->is_wanted && plan_one(ctx, a, lines[i].client);
        if (lines[i].is_taken)
            opens[count++] = (struct store_file_open){
                .dmid = a->dmid, .classid = a->plan.classid, .key = a->key, .devids = a->plan.text};
    }
    enum mog_err e = count != 0 ? store_file_open_many(ctx->st, opens, count, fids) : MOG_OK;
    struct deadline by = deadline_in(node_shared_config(ctx->shared->nodes).node_timeout_ms);
    for (size_t i = 0, k = 0; i < n; i++) {
        struct cmd_ahead *a = &ctx->ahead[i];
        if (!lines[i].is_taken)
            continue;
        a->err = e;
        a->fid = fids[k++];
        a->by = by;
        a->is_known = true;
        lines[i].is_taken = e != MOG_OK || a->fid != 0;
    }
    return e;
}

enum mog_err cmd_go_ahead(struct cmd_ctx *ctx, enum cmd_kind kind, struct cmd_line *lines, size_t n)
{
    assert(n <= CMD_TOGETHER_MAX && (!ctx->nowait || kind == CMD_LOOKUPS));
    enum mog_err e = MOG_ECANCELED;
    int64_t started_us = clock_mono_us();
    if (ctx->ahead == NULL)
        ctx->ahead = mem_calloc(CMD_TOGETHER_MAX, sizeof(*ctx->ahead));
    bool has_cluster = cmd_begin(ctx, 0);
    if (has_cluster && ctx->nowait && !cmd_wants_ahead(ctx, kind)) {
        e = MOG_EAGAIN; /* a shared cache is asked first, and is to know of it after */
    } else if (has_cluster) {
        for (size_t i = 0; i < n; i++) {
            ctx->ahead[i].started_us = started_us;
            ahead_parse(ctx, &ctx->ahead[i], lines[i].text);
        }
        e = kind == CMD_OPENS ? open_all(ctx, lines, n) : read_all(ctx, lines, n);
    }
    if (kind == CMD_OPENS)
        cmd_end(ctx); /* they wait for storage nodes, and for as long an old snapshot would stay in memory */
    for (size_t i = 0; i < n; i++) {
        lines[i].is_taken = lines[i].is_taken && (ctx->nowait ? e == MOG_OK : is_of_all(e));
        if (!lines[i].is_taken)
            ahead_forget(&ctx->ahead[i]);
    }
    return e;
}

const struct cmd_row *cmd_run_ahead(struct cmd_ctx *ctx, size_t i, const struct cmd_client *client, struct buf *out)
{
    struct cmd_ahead *a = &ctx->ahead[i];
    cmd_reset(ctx);
    swap_args(ctx, a);
    ctx->mine = a;
    cmd_run_parsed(ctx, a->row, a->started_us, client, out);
    ctx->mine = NULL;
    ahead_forget(a);
    return a->row;
}

enum mog_err cmd_find_file(struct cmd_ctx *ctx, unsigned flags, struct store_found *out)
{
    struct cmd_ahead *a = ctx->mine;
    if (a == NULL || !a->is_known)
        return store_file_find(ctx->st, ctx->domain->dmid, ctx->key, flags, out);
    *out = a->found;
    a->found = (struct store_found){0};
    a->is_known = false;
    return a->err;
}
