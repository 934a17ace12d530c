/* SPDX-License-Identifier: MIT */
/* create_open: a fid, and one to three devices to put the bytes on. */
#include "tracker/cmd/cmd_list.h"
#include "tracker/cmd/cmd_run.h"

#include "common/clock.h"
#include "common/mem.h"
#include "store/store_file.h"
#include "tracker/policy/choose.h"
#include "tracker/policy/hooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { READY_TIMEOUT_MS = 10 * 1000 };

/* The class of an upload; 0 is the default one. */
static bool find_class(struct cmd_ctx *ctx, uint32_t *classid)
{
    *classid = 0;
    if (!cmd_arg_is_true(ctx, "class"))
        return true;
    const struct cluster_class *k = cluster_class_by_name(ctx->domain, cmd_arg(ctx, "class"));
    if (k == NULL) {
        cmd_err(ctx, "unreg_class");
        return false;
    }
    *classid = k->classid;
    return true;
}

/* Devices with room for `size` bytes; without any, those of unknown room. */
static size_t filter_by_size(struct choose_item *items, size_t n, double size)
{
    size_t fits = 0, unknown = 0;
    struct choose_item *rest = mem_calloc(n, sizeof(*rest));
    for (size_t i = 0; i < n; i++) {
        uint64_t mb = 0;
        if (!cluster_device_free_mb(items[i].device, &mb))
            rest[unknown++] = items[i];
        else if ((double)mb * 1048576.0 > size)
            items[fits++] = items[i];
    }
    if (fits == 0) {
        for (size_t i = 0; i < unknown; i++)
            items[fits++] = rest[i];
    }
    free(rest);
    return fits;
}

/* The first `want` devices on distinct hosts; when hosts run out, further devices fill up. */
static size_t spread(const struct choose_item *items, size_t n, size_t want, const struct cluster_device **dests)
{
    size_t found = 0;
    for (size_t pass = 0; pass < 2 && found < want; pass++) {
        for (size_t i = 0; i < n && found < want; i++) {
            bool used = false;
            for (size_t j = 0; j < found && !used; j++)
                used = pass == 0 ? dests[j]->hostid == items[i].device->hostid : dests[j] == items[i].device;
            if (!used)
                dests[found++] = items[i].device;
        }
    }
    return found;
}

static size_t choose(struct cmd_ctx *ctx, size_t want, const struct cluster_device **dests)
{
    const struct cluster *c = ctx->cluster;
    struct choose_item *items = mem_calloc(c->n_devices, sizeof(*items));
    size_t n = 0;
    char url[CLUSTER_URL_MAX];
    for (size_t i = 0; i < c->n_devices; i++) {
        if (cluster_device_gets_files(c, &c->devices[i]) &&
            cluster_device_url(&c->devices[i], 1, CLUSTER_WRITE, false, url))
            items[n++].device = &c->devices[i];
    }
    if (cmd_arg_is_true(ctx, "size"))
        n = filter_by_size(items, n, cmd_arg_num(ctx, "size"));
    n = choose_destinations(&ctx->rng, items, n);
    hooks_order_destinations(c, ctx->peer_ip, items, n);
    size_t found = spread(items, n, want, dests);
    free(items);
    return found;
}

static void answer(struct cmd_ctx *ctx, uint64_t fid, const struct cluster_device *const *dests, size_t n, bool multi)
{
    char url[CLUSTER_URL_MAX];
    kv_put_u64(&ctx->reply, "fid", fid);
    if (multi)
        kv_put_u64(&ctx->reply, "dev_count", n);
    for (size_t i = 0; i < n; i++) {
        if (!cmd_url(ctx, dests[i], fid, CLUSTER_WRITE, url))
            url[0] = '\0';
        if (multi) {
            cmd_addf_u64(ctx, dests[i]->devid, "devid_%zu", i + 1);
            kv_put_nth(&ctx->reply, "path_", i + 1, span_of(url));
        } else {
            kv_put_u64(&ctx->reply, "devid", dests[i]->devid);
            kv_put_str(&ctx->reply, "path", url);
        }
    }
}

/* The steps of one call and when each began, for debug_profile. */
struct profile {
    struct {
        char name[40];
        int64_t at_us;
    } points[4 + CMD_DESTS_MAX];
    size_t n;
};

static void mark(struct profile *p, const char *name)
{
    (void)snprintf(p->points[p->n].name, sizeof(p->points[0].name), "%s", name);
    p->points[p->n++].at_us = clock_mono_us();
}

static void answer_profile(struct cmd_ctx *ctx, const struct profile *p)
{
    int64_t end = clock_mono_us();
    kv_put_u64(&ctx->reply, "profpoints", p->n);
    for (size_t i = 0; i < p->n; i++) {
        int64_t next = i + 1 < p->n ? p->points[i + 1].at_us : end;
        char seconds[32];
        (void)snprintf(seconds, sizeof(seconds), "%.3f", (double)(next - p->points[i].at_us) / 1e6);
        cmd_addf(ctx, span_of(p->points[i].name), "prof_%zu_name", i + 1);
        cmd_addf(ctx, span_of(seconds), "prof_%zu_time", i + 1);
    }
}

/* An explicit fid, 0 for none; false: not a positive integer. */
static bool explicit_fid(struct cmd_ctx *ctx, uint64_t *fid)
{
    *fid = 0;
    if (!cmd_arg_is_true(ctx, "fid"))
        return true;
    int64_t number = cmd_arg_int(ctx, "fid");
    if (number <= 0) {
        cmd_err(ctx, number < 0 ? "fid_in_use" : "db");
        return false;
    }
    *fid = (uint64_t)number;
    return true;
}

static void plan_devices(struct cmd_open_plan *plan, const struct cluster_device *const *dests, size_t n)
{
    char *end = plan->text;
    plan->n = n;
    plan->text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        plan->devids[i] = dests[i]->devid;
        end += snprintf(end, sizeof(plan->text) - (size_t)(end - plan->text), "%s%" PRIu32, i != 0 ? "," : "",
                        dests[i]->devid);
    }
}

static size_t wanted_dests(const struct cmd_ctx *ctx)
{
    return cmd_arg_is_true(ctx, "multi_dest") ? CMD_DESTS_MAX : 1;
}

bool cmd_open_plan(struct cmd_ctx *ctx, struct cmd_open_plan *plan)
{
    const struct cluster_device *dests[CMD_DESTS_MAX];
    if (cmd_arg_is_true(ctx, "fid") || cmd_arg_is_true(ctx, "debug_profile") || !find_class(ctx, &plan->classid) ||
        cluster_box_wait_ready(ctx->shared->box, 0) != MOG_OK)
        return false;
    size_t n = choose(ctx, wanted_dests(ctx), dests);
    for (size_t i = 0; i < n; i++) {
        /* Nobody waits for the folders of others. */
        if (!node_makes_folders(ctx->node, ctx->cluster, dests[i]))
            return false;
    }
    plan_devices(plan, dests, n);
    return n != 0;
}

/* What was planned ahead for the request. False: nothing, or the domain is another one, or a device is gone, since. */
static bool take_plan(struct cmd_ctx *ctx, struct cmd_open_plan *plan, const struct cluster_device **dests)
{
    struct cmd_ahead *a = ctx->mine;
    if (a == NULL || !a->is_known)
        return false;
    a->is_known = a->dmid == ctx->domain->dmid;
    *plan = a->plan;
    for (size_t i = 0; i < plan->n; i++) {
        dests[i] = cluster_device_by_id(ctx->cluster, plan->devids[i]);
        a->is_known = a->is_known && dests[i] != NULL;
    }
    return a->is_known;
}

static enum mog_err register_upload(struct cmd_ctx *ctx, const struct store_file_open *o, uint64_t *fid)
{
    if (ctx->mine == NULL || !ctx->mine->is_known)
        return store_file_open(ctx->st, o, fid);
    *fid = ctx->mine->fid;
    return ctx->mine->err;
}

static bool open_upload(struct cmd_ctx *ctx, const struct cmd_open_plan *plan, uint64_t *fid)
{
    struct store_file_open o = {
        .dmid = ctx->domain->dmid, .classid = plan->classid, .key = cmd_arg(ctx, "key"), .devids = plan->text};
    if (!explicit_fid(ctx, &o.fid))
        return false;
    enum mog_err e = register_upload(ctx, &o, fid);
    if (e == MOG_OK)
        return true;
    if (e == MOG_EEXISTS) {
        cmd_err(ctx, "fid_in_use");
    } else {
        cmd_err_store(ctx, e);
        ctx->error = "db";
        buf_reset(&ctx->error_text);
        buf_str(&ctx->error_text, cmd_error_text("db"));
    }
    return false;
}

static bool plan_now(struct cmd_ctx *ctx, struct cmd_open_plan *plan, const struct cluster_device **dests,
                     struct profile *profile)
{
    if (!find_class(ctx, &plan->classid))
        return false;
    mark(profile, "wait_monitor");
    if (cluster_box_wait_ready(ctx->shared->box, READY_TIMEOUT_MS) != MOG_OK) {
        cmd_err(ctx, "failure");
        return false;
    }
    mark(profile, "find_deviceid");
    plan_devices(plan, dests, choose(ctx, wanted_dests(ctx), dests));
    if (plan->n == 0)
        cmd_err(ctx, "no_devices");
    return plan->n != 0;
}

void cmd_create_open(struct cmd_ctx *ctx)
{
    const struct cluster_device *dests[CMD_DESTS_MAX];
    struct cmd_open_plan plan = {.n = 0};
    struct profile profile = {.n = 0};
    uint64_t fid = 0;
    mark(&profile, "begin");
    bool is_planned = take_plan(ctx, &plan, dests);
    if (!is_planned && !plan_now(ctx, &plan, dests, &profile))
        return;
    if (!open_upload(ctx, &plan, &fid))
        return;
    mark(&profile, "vivify_dir_on_all_devs");
    /* One time-out for all of it: the client waits 3 s for the answer, and its uploads show what works. */
    struct deadline by =
        is_planned ? ctx->mine->by : deadline_in(node_shared_config(ctx->shared->nodes).node_timeout_ms);
    for (size_t i = 0; i < plan.n; i++) {
        char name[40];
        (void)snprintf(name, sizeof(name), "vivify_dir_on_dev%" PRIu32, dests[i]->devid);
        mark(&profile, name);
        if (!is_planned && !node_makes_folders(ctx->node, ctx->cluster, dests[i]))
            cmd_will_wait(ctx);
        node_make_folders(ctx->node, ctx->cluster, dests[i], fid, by);
    }
    answer(ctx, fid, dests, plan.n, cmd_arg_is_true(ctx, "multi_dest"));
    if (cmd_arg_is_true(ctx, "debug_profile"))
        answer_profile(ctx, &profile);
}
