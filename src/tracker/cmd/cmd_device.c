/* SPDX-License-Identifier: MIT */
/* Devices. */
#include "tracker/cmd/cmd_list.h"

#include "store/store_topology.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEVID = 0xffffff }; /* the column's width */

/* The host of a new device: by id, else by name. */
static bool find_host(struct cmd_ctx *ctx, uint32_t *hostid)
{
    uint64_t id = 0;
    enum mog_err e;
    const char *missing;
    if (cmd_arg_is_true(ctx, "hostid") && cmd_arg_digits(ctx, "hostid", &id)) {
        *hostid = id <= UINT32_MAX ? (uint32_t)id : 0;
        e = store_host_check(ctx->st, *hostid);
        missing = "unknown_hostid";
    } else if (cmd_arg_is_true(ctx, "hostname")) {
        e = store_host_find(ctx->st, cmd_arg(ctx, "hostname"), hostid);
        missing = "unknown_host";
    } else {
        cmd_errf(ctx, "bad_args", "No hostid/hostname parameter");
        return false;
    }
    if (e == MOG_ENOTFOUND)
        cmd_err(ctx, missing);
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
    return e == MOG_OK;
}

void cmd_create_device(struct cmd_ctx *ctx)
{
    enum device_status status = DEVICE_ALIVE;
    uint64_t devid = 0;
    uint32_t hostid = 0;
    if (cmd_arg_is_true(ctx, "state") && !devstate_parse_device(cmd_arg(ctx, "state"), &status)) {
        cmd_err(ctx, "invalid_state");
        return;
    }
    if (!cmd_arg_is_true(ctx, "devid") || !cmd_arg_digits(ctx, "devid", &devid) || devid == 0 || devid > MAX_DEVID) {
        cmd_err(ctx, "invalid_devid");
        return;
    }
    if (!find_host(ctx, &hostid))
        return;
    enum mog_err e = store_device_create(ctx->st, (uint32_t)devid, hostid, devstate_device_word(status));
    if (e == MOG_EEXISTS)
        cmd_err(ctx, "existing_devid");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
}

/* The device that `host` and `device` mean. */
static const struct cluster_device *find_device(struct cmd_ctx *ctx)
{
    double id = cmd_arg_num(ctx, "device");
    bool is_id = id > 0 && id <= UINT32_MAX && trunc(id) == id; /* 1.5 is not device 1 */
    const struct cluster_device *d = is_id ? cluster_device_by_id(ctx->cluster, (uint32_t)id) : NULL;
    if (d == NULL) {
        cmd_err(ctx, "no_device");
        return NULL;
    }
    if (d->host == NULL || !span_is(cmd_arg(ctx, "host"), d->host->name)) {
        cmd_err(ctx, "host_mismatch");
        return NULL;
    }
    return d;
}

static void finish(struct cmd_ctx *ctx, enum mog_err e)
{
    if (e == MOG_ENOTFOUND)
        cmd_err(ctx, "no_device");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
}

void cmd_set_state(struct cmd_ctx *ctx)
{
    enum device_status status;
    if (!cmd_arg_is_true(ctx, "host") || cmd_arg_num(ctx, "device") == 0.0 ||
        !devstate_parse_device(cmd_arg(ctx, "state"), &status)) {
        cmd_err(ctx, "bad_params");
        return;
    }
    const struct cluster_device *d = find_device(ctx);
    if (d == NULL)
        return;
    if (d->status == DEVICE_DEAD && status == DEVICE_ALIVE) {
        cmd_err(ctx, "state_too_high");
        return;
    }
    finish(ctx, store_device_set_status(ctx->st, d->devid, devstate_device_word(status)));
}

void cmd_set_weight(struct cmd_ctx *ctx)
{
    double weight = cmd_arg_num(ctx, "weight");
    if (!cmd_arg_is_true(ctx, "host") || cmd_arg_num(ctx, "device") == 0.0 || weight < 0.0 || weight > 8388607.0) {
        cmd_err(ctx, "bad_params");
        return;
    }
    const struct cluster_device *d = find_device(ctx);
    if (d != NULL)
        finish(ctx, store_device_set_weight(ctx->st, d->devid, (int32_t)weight));
}

static void add_number(struct cmd_ctx *ctx, bool known, uint64_t value, const char *name, size_t n)
{
    if (known)
        cmd_addf_u64(ctx, value, "dev%zu_%s", n, name);
    else
        cmd_addf(ctx, span_of(""), "dev%zu_%s", n, name);
}

static void add_device(struct cmd_ctx *ctx, size_t n, const struct cluster_device *d)
{
    char percent[32] = "", weight[16];
    uint64_t free_mb = 0;
    (void)snprintf(weight, sizeof(weight), "%" PRId32, d->weight);
    if (d->utilization >= 0)
        (void)snprintf(percent, sizeof(percent), "%.2f", d->utilization);
    cmd_addf_u64(ctx, d->devid, "dev%zu_devid", n);
    cmd_addf_u64(ctx, d->hostid, "dev%zu_hostid", n);
    cmd_addf(ctx, span_of(devstate_device_word(d->status)), "dev%zu_status", n);
    cmd_addf(ctx, span_of(weight), "dev%zu_weight", n);
    add_number(ctx, d->has_total, d->mb_total, "mb_total", n);
    add_number(ctx, d->has_used, d->mb_used, "mb_used", n);
    bool known = cluster_device_free_mb(d, &free_mb) || (d->has_total && d->mb_total == 0);
    add_number(ctx, known, free_mb, "mb_free", n);
    cmd_addf(ctx, span_of(""), "dev%zu_mb_asof", n);
    cmd_addf(ctx, span_of(devstate_device_seen_word(cluster_device_seen(d))), "dev%zu_observed_state", n);
    cmd_addf(ctx, span_of(percent), "dev%zu_utilization", n);
    add_number(ctx, d->seen != DEVICE_NOT_SEEN, d->rejects_bad_md5, "reject_bad_md5", n);
}

void cmd_get_devices(struct cmd_ctx *ctx)
{
    bool filter = kv_find(&ctx->args, "devid") != NULL;
    double id = cmd_arg_num(ctx, "devid");
    size_t n = 0;
    for (size_t i = 0; i < ctx->cluster->n_devices; i++) {
        const struct cluster_device *d = &ctx->cluster->devices[i];
        if (!filter || (double)d->devid == id)
            add_device(ctx, ++n, d);
    }
    kv_put_u64(&ctx->reply, "devices", n);
}
