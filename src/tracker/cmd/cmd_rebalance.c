/* SPDX-License-Identifier: MIT */
/* rebalance_*: the job's policy, switch and report. */
#include "tracker/cmd/cmd_list.h"

#include "common/clock.h"
#include "common/num.h"
#include "store/store_topology.h"
#include "tracker/policy/rebalance.h"

/* Read a setting; false after an error was answered. An absent one is empty with ptr NULL. */
static bool read_setting(struct cmd_ctx *ctx, const char *field, struct store_bytes *value)
{
    enum mog_err e = store_setting_get(ctx->st, field, value);
    if (e == MOG_OK || e == MOG_ENOTFOUND)
        return true;
    cmd_err_store(ctx, e);
    return false;
}

static bool is_set(struct cmd_ctx *ctx, const char *field)
{
    struct store_bytes value = {0};
    bool set = read_setting(ctx, field, &value) && num_perl_true(store_bytes_span(&value));
    store_bytes_free(&value);
    return set;
}

static void finish(struct cmd_ctx *ctx, enum mog_err e)
{
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
}

void cmd_rebalance_set_policy(struct cmd_ctx *ctx)
{
    struct rebalance_policy policy;
    struct mog_fail f = {0};
    const struct span *text = kv_find(&ctx->args, "policy");
    if (is_set(ctx, "rebal_host")) {
        cmd_errf(ctx, "no_set_rebal", "cannot change rebalance policy while rebalance is running");
        return;
    }
    if (cmd_failed(ctx))
        return;
    if (text != NULL && rebalance_policy_parse(*text, &policy, &f) != MOG_OK) {
        cmd_errf(ctx, "bad_rebal_pol", "%s", f.text);
        return;
    }
    if (text != NULL)
        rebalance_policy_fini(&policy);
    enum mog_err e = text != NULL ? store_setting_set(ctx->st, "rebal_policy", *text)
                                  : store_setting_delete(ctx->st, "rebal_policy");
    if (e == MOG_OK)
        e = store_setting_delete(ctx->st, "rebal_state");
    finish(ctx, e);
}

/* The stored policy, parsed; false after an error was answered. */
static bool load_policy(struct cmd_ctx *ctx, struct rebalance_policy *policy)
{
    struct store_bytes text = {0};
    struct mog_fail f = {0};
    bool ok = read_setting(ctx, "rebal_policy", &text);
    if (ok && text.len == 0) {
        cmd_err(ctx, "no_rebal_policy");
        ok = false;
    } else if (ok && rebalance_policy_parse(store_bytes_span(&text), policy, &f) != MOG_OK) {
        cmd_errf(ctx, "bad_rebal_pol", "%s", f.text);
        ok = false;
    }
    store_bytes_free(&text);
    return ok;
}

static void add_ids(struct cmd_ctx *ctx, const char *name, const struct rebalance_ids *ids)
{
    struct buf text = BUF_ZERO;
    rebalance_ids_format(ids, &text);
    kv_put(&ctx->reply, name, buf_as_span(&text));
    buf_fini(&text);
}

void cmd_rebalance_test(struct cmd_ctx *ctx)
{
    struct rebalance_policy policy;
    struct rebalance_state state;
    struct rebalance_ids destinations = {0};
    if (!load_policy(ctx, &policy))
        return;
    rebalance_state_init(&state, &policy, ctx->cluster, clock_wall_s());
    rebalance_destinations(&policy, &state, ctx->cluster, &destinations);
    add_ids(ctx, "sdevs", &state.sources);
    add_ids(ctx, "ddevs", &destinations);
    rebalance_ids_fini(&destinations);
    rebalance_state_fini(&state);
    rebalance_policy_fini(&policy);
}

static bool create_state(struct cmd_ctx *ctx, struct buf *text)
{
    struct rebalance_policy policy;
    struct rebalance_state state;
    if (!load_policy(ctx, &policy))
        return false;
    rebalance_state_init(&state, &policy, ctx->cluster, clock_wall_s());
    rebalance_state_format(&state, text);
    rebalance_state_fini(&state);
    rebalance_policy_fini(&policy);
    enum mog_err e = store_setting_set(ctx->st, "rebal_state", buf_as_span(text));
    finish(ctx, e);
    return e == MOG_OK;
}

void cmd_rebalance_start(struct cmd_ctx *ctx)
{
    struct store_bytes old = {0};
    struct buf text = BUF_ZERO;
    if (is_set(ctx, "rebal_host"))
        cmd_errf(ctx, "rebal_running", "rebalance is already running");
    else if (!cmd_failed(ctx) && is_set(ctx, "fsck_host"))
        cmd_errf(ctx, "fsck_running", "fsck running; cannot run rebalance at same time");
    if (cmd_failed(ctx) || !read_setting(ctx, "rebal_state", &old))
        return;
    if (old.len != 0)
        buf_span(&text, store_bytes_span(&old));
    if (old.len != 0 || create_state(ctx, &text)) {
        finish(ctx, store_setting_set(ctx->st, "rebal_host", span_of(ctx->shared->hostname)));
        kv_put(&ctx->reply, "state", buf_as_span(&text));
    }
    store_bytes_free(&old);
    buf_fini(&text);
}

void cmd_rebalance_status(struct cmd_ctx *ctx)
{
    struct store_bytes state = {0};
    if (!read_setting(ctx, "rebal_state", &state))
        return;
    if (state.len == 0)
        cmd_err(ctx, "no_rebal_state");
    else
        kv_put(&ctx->reply, "state", store_bytes_span(&state));
    store_bytes_free(&state);
}

void cmd_rebalance_stop(struct cmd_ctx *ctx)
{
    bool runs = is_set(ctx, "rebal_host");
    if (cmd_failed(ctx))
        return;
    if (!runs)
        cmd_err(ctx, "rebal_not_started");
    else
        finish(ctx, store_setting_set(ctx->st, "rebal_signal", span_of("stop")));
}

void cmd_rebalance_reset(struct cmd_ctx *ctx)
{
    bool runs = is_set(ctx, "rebal_host");
    if (cmd_failed(ctx))
        return;
    if (runs)
        cmd_errf(ctx, "rebal_running", "rebalance is running");
    else
        finish(ctx, store_setting_delete(ctx->st, "rebal_state"));
}
