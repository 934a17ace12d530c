/* SPDX-License-Identifier: MIT */
/* Commands that touch no file of a client: pings, the cache, the replication queue, a copy by hand. */
#include "tracker/cmd/cmd_list.h"

#include "common/log.h"
#include "store/store_file.h"
#include "store/store_queue.h"

#include <inttypes.h>
#include <string.h>

enum { DEFAULT_SLEEP_S = 10, MAX_SLEEP_S = 25, ROUND_TIMEOUT_MS = 25 * 1000 };

void cmd_noop(struct cmd_ctx *ctx)
{
    (void)ctx;
}

void cmd_test(struct cmd_ctx *ctx)
{
    if (cmd_arg_is_true(ctx, "crash")) {
        log_warn("command test: failing on purpose");
        cmd_err(ctx, "failure");
    }
}

void cmd_sleep(struct cmd_ctx *ctx)
{
    int64_t seconds = cmd_arg_is_true(ctx, "duration") ? cmd_arg_int(ctx, "duration") : DEFAULT_SLEEP_S;
    if (seconds > MAX_SLEEP_S)
        seconds = MAX_SLEEP_S; /* longer would look like a worker that hangs */
    if (seconds > 0)
        cluster_box_pause(ctx->shared->box, seconds * 1000);
}

void cmd_clear_cache(struct cmd_ctx *ctx)
{
    for (size_t i = 0; i < ctx->args.n; i++)
        kv_put_pair(&ctx->reply, ctx->args.items[i].name, ctx->args.items[i].value);
    ctx->names_callid = true;
}

void cmd_do_monitor_round(struct cmd_ctx *ctx)
{
    if (cluster_box_wait_round(ctx->shared->box, ROUND_TIMEOUT_MS) != MOG_OK)
        cmd_err(ctx, "failure");
}

void cmd_replicate_now(struct cmd_ctx *ctx)
{
    uint64_t n = 0;
    enum mog_err e = store_replicate_now(ctx->st, &n);
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
    else
        kv_put_u64(&ctx->reply, "count", n);
}

static const struct cluster_device *device_arg(struct cmd_ctx *ctx, const char *name)
{
    int64_t id = cmd_arg_int(ctx, name);
    return id > 0 && id <= UINT32_MAX ? cluster_device_by_id(ctx->cluster, (uint32_t)id) : NULL;
}

void cmd_httpcopy(struct cmd_ctx *ctx)
{
    int64_t fid = cmd_arg_int(ctx, "fid");
    struct node_copy copy = {.cluster = ctx->cluster,
                             .from = device_arg(ctx, "sdevid"),
                             .to = device_arg(ctx, "ddevid"),
                             .fid = fid > 0 ? (uint64_t)fid : 0};
    struct store_found found;
    struct mog_fail f = {0};
    memset(&found, 0, sizeof(found));
    if (fid <= 0) {
        cmd_err(ctx, "failure");
        return;
    }
    if (copy.from == NULL || copy.to == NULL) {
        cmd_err(ctx, "copy_err");
        return;
    }
    enum mog_err e = store_file_get(ctx->st, copy.fid, STORE_READ_CHECKSUM, &found);
    if (e != MOG_OK) {
        if (e == MOG_ENOTFOUND)
            cmd_err(ctx, "copy_err");
        else
            cmd_err_store(ctx, e);
        store_found_free(&found);
        return;
    }
    copy.length = found.file.length;
    copy.want_type = (enum digest_type)found.checksum.hashtype;
    copy.want = found.checksum.bytes;
    enum node_copy_result r = node_copy(ctx->node, &copy, &f);
    if (r == NODE_COPY_OK) {
        bool recount = !cluster_setting_is_on(ctx->cluster, "skip_devcount");
        if (store_devfid_add(ctx->st, copy.fid, copy.to->devid, recount, NULL) != MOG_OK)
            cmd_errf(ctx, "copy_err", "failed to add link to database");
        fid_cache_forget_devids(ctx->cache, copy.fid);
    } else {
        log_warn("httpcopy: %s", f.text);
        cmd_errf(ctx, "copy_err", "%s", r == NODE_COPY_DEST_ERROR ? "dest_error" : "src_error");
    }
    store_found_free(&found);
}
