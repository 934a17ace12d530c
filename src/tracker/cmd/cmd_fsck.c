/* SPDX-License-Identifier: MIT */
/* fsck_*: the check's switch, position, log and report. All of its state is in the settings. */
#include "tracker/cmd/cmd_list.h"

#include "common/num.h"
#include "store/store_file.h"
#include "store/store_fsck.h"
#include "store/store_queue.h"
#include "store/store_topology.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOG_ROWS = 100 };

/* Whether a job runs: its host setting is there and not empty. False also after an error was answered. */
static bool job_runs(struct cmd_ctx *ctx, const char *host_setting)
{
    struct store_bytes host = {0};
    enum mog_err e = store_setting_get(ctx->st, host_setting, &host);
    bool runs = e == MOG_OK && num_perl_true(store_bytes_span(&host));
    if (e != MOG_OK && e != MOG_ENOTFOUND)
        cmd_err_store(ctx, e);
    store_bytes_free(&host);
    return runs;
}

static int64_t number_of(struct cmd_ctx *ctx, const char *setting)
{
    int64_t n = 0;
    enum mog_err e = store_setting_get_int(ctx->st, setting, 0, &n);
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
    return n;
}

static bool write_start(struct cmd_ctx *ctx, int64_t position)
{
    int64_t now = 0;
    enum mog_err e = store_now(ctx->st, &now);
    if (e == MOG_OK)
        e = store_setting_set_int(ctx->st, "fsck_start_time", now);
    if (e == MOG_OK)
        e = store_setting_delete(ctx->st, "fsck_stop_time");
    if (e == MOG_OK)
        e = store_setting_set_int(ctx->st, "fsck_fids_checked", 0);
    if (e == MOG_OK)
        e = store_setting_set_int(ctx->st, "fsck_start_fid", position);
    /* The host comes last: it is what starts the work. */
    if (e == MOG_OK)
        e = store_setting_set(ctx->st, "fsck_host", span_of(ctx->shared->hostname));
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
    return e == MOG_OK;
}

void cmd_fsck_start(struct cmd_ctx *ctx)
{
    if (job_runs(ctx, "fsck_host")) {
        cmd_errf(ctx, "fsck_running", "fsck is already running");
        return;
    }
    if (job_runs(ctx, "rebal_host")) {
        cmd_errf(ctx, "rebal_running", "rebalance running; cannot run fsck at same time");
        return;
    }
    int64_t position = number_of(ctx, "fsck_highest_fid_checked"), end = number_of(ctx, "fsck_fid_at_end");
    if (cmd_failed(ctx))
        return;
    bool finished = position != 0 && end != 0 && position >= end, fresh = position == 0 && end == 0;
    if ((finished || fresh) && store_fsck_reset(ctx->st) != MOG_OK) {
        cmd_err(ctx, "db");
        return;
    }
    (void)write_start(ctx, position);
}

void cmd_fsck_stop(struct cmd_ctx *ctx)
{
    int64_t now = 0;
    enum mog_err e = store_setting_delete(ctx->st, "fsck_host");
    if (e == MOG_OK)
        e = store_now(ctx->st, &now);
    if (e == MOG_OK)
        e = store_setting_set_int(ctx->st, "fsck_stop_time", now);
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
}

/* What the check is to cover, -1 for all; false after an error was answered. */
static bool read_scope(struct cmd_ctx *ctx, int64_t *dmid, int64_t *classid)
{
    *dmid = *classid = -1;
    if (cmd_arg_is_given(ctx, "domain")) {
        ctx->domain = cluster_domain_by_name(ctx->cluster, cmd_arg(ctx, "domain"));
        if (ctx->domain == NULL) {
            cmd_err(ctx, "unreg_domain");
            return false;
        }
        *dmid = ctx->domain->dmid;
    }
    if (cmd_arg_is_given(ctx, "class")) {
        const struct cluster_class *k =
            ctx->domain != NULL ? cluster_class_by_name(ctx->domain, cmd_arg(ctx, "class")) : NULL;
        if (k == NULL) {
            cmd_err(ctx, ctx->domain == NULL ? "no_domain" : "class_not_found");
            return false;
        }
        *classid = k->classid;
    }
    return true;
}

static enum mog_err write_option(struct cmd_ctx *ctx, const char *field, int64_t value)
{
    return value < 0 ? store_setting_delete(ctx->st, field) : store_setting_set_int(ctx->st, field, value);
}

void cmd_fsck_reset(struct cmd_ctx *ctx)
{
    int64_t start = cmd_arg_int(ctx, "startpos"), dmid, classid;
    if (!read_scope(ctx, &dmid, &classid))
        return;
    enum mog_err e = write_option(ctx, "fsck_opt_policy_only", cmd_arg_is_true(ctx, "policy_only") ? 1 : -1);
    if (e == MOG_OK)
        e = write_option(ctx, "fsck_opt_dmid", dmid);
    if (e == MOG_OK)
        e = write_option(ctx, "fsck_opt_classid", classid);
    if (e == MOG_OK)
        e = store_setting_set_int(ctx->st, "fsck_highest_fid_checked", start > 0 ? start : 0);
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
    else if (store_fsck_reset(ctx->st) != MOG_OK)
        cmd_err(ctx, "db");
}

void cmd_fsck_clearlog(struct cmd_ctx *ctx)
{
    enum mog_err e = store_fsck_clear(ctx->st);
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
}

void cmd_fsck_getlog(struct cmd_ctx *ctx)
{
    struct store_fsck_events events = {0};
    int64_t after = cmd_arg_int(ctx, "after_logid");
    enum mog_err e = store_fsck_events(ctx->st, after > 0 ? (uint64_t)after : 0, LOG_ROWS, &events);
    if (e != MOG_OK) {
        cmd_err_store(ctx, e);
        return;
    }
    kv_put_u64(&ctx->reply, "row_count", events.n);
    for (size_t i = 0; i < events.n; i++) {
        const struct store_fsck_event *row = &events.rows[i];
        cmd_addf_u64(ctx, row->logid, "row_%zu_logid", i + 1);
        cmd_addf_u64(ctx, (uint64_t)row->utime, "row_%zu_utime", i + 1);
        if (row->has_fid)
            cmd_addf_u64(ctx, row->fid, "row_%zu_fid", i + 1);
        if (row->has_evcode)
            cmd_addf(ctx, span_of(row->evcode), "row_%zu_evcode", i + 1);
        if (row->has_devid)
            cmd_addf_u64(ctx, row->devid, "row_%zu_devid", i + 1);
    }
    store_fsck_events_free(&events);
}

static struct span setting_in(const struct store_settings *all, const char *field)
{
    for (size_t i = 0; i < all->n; i++) {
        if (span_is(store_bytes_span(&all->rows[i].field), field))
            return store_bytes_span(&all->rows[i].value);
    }
    return span_make("", 0);
}

static void add_setting_number(struct cmd_ctx *ctx, const struct store_settings *all, const char *name,
                               const char *field)
{
    kv_put_i64(&ctx->reply, name, num_perl_int(setting_in(all, field)));
}

static void report(struct cmd_ctx *ctx, const struct store_settings *all, int64_t now, uint64_t max_logid)
{
    static const char prefix[] = "fsck_sum_evcount_";
    struct span host = setting_in(all, "fsck_host");
    kv_put_u64(&ctx->reply, "running", num_perl_true(host));
    kv_put(&ctx->reply, "host", host);
    add_setting_number(ctx, all, "max_fid_checked", "fsck_highest_fid_checked");
    add_setting_number(ctx, all, "policy_only", "fsck_opt_policy_only");
    add_setting_number(ctx, all, "end_fid", "fsck_fid_at_end");
    add_setting_number(ctx, all, "start_time", "fsck_start_time");
    add_setting_number(ctx, all, "stop_time", "fsck_stop_time");
    kv_put_i64(&ctx->reply, "current_time", now);
    kv_put_u64(&ctx->reply, "max_logid", max_logid);
    for (size_t i = 0; i < all->n; i++) {
        struct span field = store_bytes_span(&all->rows[i].field);
        if (span_starts(field, prefix))
            cmd_addf(ctx, store_bytes_span(&all->rows[i].value), "num_%.*s", (int)(field.len - sizeof(prefix) + 1),
                     field.ptr + sizeof(prefix) - 1);
    }
}

/* The names of what a check is limited to; empty: everything. */
static void add_scope(struct cmd_ctx *ctx, const struct store_settings *all)
{
    struct span dmid = setting_in(all, "fsck_opt_dmid"), classid = setting_in(all, "fsck_opt_classid");
    const struct cluster_domain *d =
        dmid.len != 0 ? cluster_domain_by_id(ctx->cluster, (uint32_t)num_perl_int(dmid)) : NULL;
    const struct cluster_class *k = d != NULL && classid.len != 0
                                        ? cluster_class_by_id(ctx->cluster, d->dmid, (uint32_t)num_perl_int(classid))
                                        : NULL;
    kv_put(&ctx->reply, "domain", d != NULL ? d->name : span_of(""));
    kv_put(&ctx->reply, "class", k != NULL ? k->name : span_of(""));
}

/*
 * Asked for with detail=1: how many files this run has checked, how many wait, files a second, and seconds left. The
 * files that were not queued yet are estimated from how densely the fids so far were in use.
 */
static void report_progress(struct cmd_ctx *ctx, const struct store_settings *all, int64_t now, uint64_t waiting)
{
    double injected = (double)num_perl_int(setting_in(all, "fsck_fids_checked"));
    double at = (double)num_perl_int(setting_in(all, "fsck_highest_fid_checked"));
    double from = (double)num_perl_int(setting_in(all, "fsck_start_fid"));
    double end = (double)num_perl_int(setting_in(all, "fsck_fid_at_end"));
    int64_t start = num_perl_int(setting_in(all, "fsck_start_time"));
    int64_t stop = num_perl_int(setting_in(all, "fsck_stop_time"));
    int64_t seconds = (stop != 0 && waiting == 0 ? stop : now) - start;
    double checked = injected > (double)waiting ? injected - (double)waiting : 0;
    double density = at > from ? injected / (at - from) : 1.0;
    double left = (end > at ? (end - at) * density : 0) + (double)waiting;
    double rate = start != 0 ? checked / (double)(seconds > 0 ? seconds : 1) : 0;
    kv_put_u64(&ctx->reply, "fids_checked", (uint64_t)checked);
    kv_put_u64(&ctx->reply, "fids_waiting", waiting);
    kv_put_str(&ctx->reply, "fids_per_second", "");
    buf_printf(&ctx->reply, "%.1f", rate);
    if (left == 0)
        kv_put_u64(&ctx->reply, "seconds_left", 0);
    else if (rate > 0 && left / rate < 1e15)
        kv_put_u64(&ctx->reply, "seconds_left", (uint64_t)(left / rate + 0.5));
    else
        kv_put_str(&ctx->reply, "seconds_left", "");
    add_scope(ctx, all);
}

void cmd_fsck_status(struct cmd_ctx *ctx)
{
    struct store_settings all = {0};
    int64_t now = 0;
    uint64_t max_logid = 0, waiting = 0;
    bool detail = cmd_arg_is_true(ctx, "detail");
    enum mog_err e = store_fsck_summarize(ctx->st);
    if (e == MOG_OK)
        e = store_now(ctx->st, &now);
    if (e == MOG_OK)
        e = store_fsck_max_logid(ctx->st, &max_logid);
    if (e == MOG_OK)
        e = store_setting_list(ctx->st, &all);
    if (e == MOG_OK && detail)
        e = store_queue_length(ctx->st, STORE_QUEUE_FSCK, &waiting);
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
    else
        report(ctx, &all, now, max_logid);
    if (e == MOG_OK && detail)
        report_progress(ctx, &all, now, waiting);
    store_settings_free(&all);
}
