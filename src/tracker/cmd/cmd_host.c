/* SPDX-License-Identifier: MIT */
/* Hosts. */
#include "tracker/cmd/cmd_list.h"

#include "common/num.h"
#include "store/store_topology.h"

#include <string.h>

/* One argument of update_host: the name in the protocol, the column's name (accepted too), and what it sets. */
static const struct host_arg {
    const char *name, *column;
    unsigned field;
} host_args[] = {
    {"status", NULL, STORE_HOST_STATUS},    {"ip", "hostip", STORE_HOST_IP},
    {"port", "http_port", STORE_HOST_PORT}, {"getport", "http_get_port", STORE_HOST_GET_PORT},
    {"altip", NULL, STORE_HOST_ALTIP},      {"altmask", NULL, STORE_HOST_ALTMASK},
};

static bool set_port(struct cmd_ctx *ctx, struct span value, uint32_t *port)
{
    uint64_t number = 0;
    if (value.len != 0 && num_parse_u64(value, 0, UINT16_MAX, &number) != MOG_OK) {
        cmd_err(ctx, "bad_params");
        return false;
    }
    *port = (uint32_t)number;
    return true;
}

static bool set_field(struct cmd_ctx *ctx, struct store_host_edit *edit, unsigned field, const struct span *value)
{
    /* Empty alternate addresses and get ports are NULL; the rest cannot be empty and stays as it is. */
    const char *text = value->len != 0 ? value->ptr : NULL;
    bool may_be_null = field == STORE_HOST_GET_PORT || field == STORE_HOST_ALTIP || field == STORE_HOST_ALTMASK;
    if (text == NULL && !may_be_null)
        return true;
    if (strlen(value->ptr) != value->len) {
        cmd_err(ctx, "bad_params");
        return false;
    }
    edit->set |= field;
    switch (field) {
    case STORE_HOST_STATUS:
        edit->status = text;
        return true;
    case STORE_HOST_IP:
        edit->hostip = text;
        return true;
    case STORE_HOST_ALTIP:
        edit->altip = text;
        return true;
    case STORE_HOST_ALTMASK:
        edit->altmask = text;
        return true;
    case STORE_HOST_PORT:
        return set_port(ctx, *value, &edit->http_port);
    default:
        return set_port(ctx, *value, &edit->http_get_port);
    }
}

static bool read_edit(struct cmd_ctx *ctx, struct store_host_edit *edit)
{
    for (size_t i = 0; i < sizeof(host_args) / sizeof(host_args[0]); i++) {
        const struct span *value = kv_find(&ctx->args, host_args[i].name);
        if (value == NULL && host_args[i].column != NULL)
            value = kv_find(&ctx->args, host_args[i].column);
        if (value != NULL && !set_field(ctx, edit, host_args[i].field, value))
            return false;
    }
    return true;
}

static bool check_status(struct cmd_ctx *ctx)
{
    enum host_status status;
    if (!cmd_arg_is_true(ctx, "status") || devstate_parse_host(cmd_arg(ctx, "status"), &status))
        return true;
    cmd_err(ctx, "unknown_state");
    return false;
}

static void answer(struct cmd_ctx *ctx, uint32_t hostid)
{
    kv_put_u64(&ctx->reply, "hostid", hostid);
    kv_put(&ctx->reply, "hostname", cmd_arg(ctx, "host"));
}

/* Whether the host exists; false after an error was answered too. */
static bool find_host(struct cmd_ctx *ctx, const char *missing_code, uint32_t *hostid)
{
    enum mog_err e = store_host_find(ctx->st, cmd_arg(ctx, "host"), hostid);
    if (e == MOG_ENOTFOUND && missing_code != NULL)
        cmd_err(ctx, missing_code);
    else if (e != MOG_OK && e != MOG_ENOTFOUND)
        cmd_err_store(ctx, e);
    return e == MOG_OK;
}

void cmd_create_host(struct cmd_ctx *ctx)
{
    struct store_host_edit edit = {.set = STORE_HOST_STATUS, .status = "down"};
    uint32_t hostid = 0;
    if (!cmd_arg_is_true(ctx, "host")) {
        cmd_err(ctx, "no_host");
        return;
    }
    bool exists = find_host(ctx, NULL, &hostid);
    if (cmd_failed(ctx))
        return;
    if (exists || !cmd_arg_is_true(ctx, "ip") || !cmd_arg_is_true(ctx, "port")) {
        cmd_err(ctx, exists ? "host_exists" : !cmd_arg_is_true(ctx, "ip") ? "no_ip" : "no_port");
        return;
    }
    if (!check_status(ctx) || !read_edit(ctx, &edit))
        return;
    if (!cmd_arg_is_true(ctx, "status"))
        edit.status = "down";
    enum mog_err e = store_host_create(ctx->st, cmd_arg(ctx, "host"), &edit, &hostid);
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
    else
        answer(ctx, hostid);
}

void cmd_update_host(struct cmd_ctx *ctx)
{
    struct store_host_edit edit = {0};
    uint32_t hostid = 0;
    if (!cmd_arg_is_true(ctx, "host")) {
        cmd_err(ctx, "no_host");
        return;
    }
    if (!find_host(ctx, "host_not_found", &hostid) || !check_status(ctx) || !read_edit(ctx, &edit))
        return;
    if ((edit.set & STORE_HOST_STATUS) && !cmd_arg_is_true(ctx, "status"))
        edit.set &= ~(unsigned)STORE_HOST_STATUS;
    enum mog_err e = store_host_update(ctx->st, hostid, &edit);
    if (e == MOG_ENOTFOUND)
        cmd_err(ctx, "host_not_found");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
    else
        answer(ctx, hostid);
}

void cmd_delete_host(struct cmd_ctx *ctx)
{
    uint32_t hostid = 0;
    if (!find_host(ctx, "unknown_host", &hostid))
        return;
    enum mog_err e = store_host_delete(ctx->st, hostid);
    if (e == MOG_ENOTEMPTY)
        cmd_err(ctx, "host_not_empty");
    else if (e == MOG_ENOTFOUND)
        cmd_err(ctx, "unknown_host");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
}

static void add_host(struct cmd_ctx *ctx, size_t n, const struct cluster_host *h)
{
    cmd_addf_u64(ctx, h->hostid, "host%zu_hostid", n);
    cmd_addf(ctx, span_of(devstate_host_word(h->status)), "host%zu_status", n);
    cmd_addf(ctx, span_of(h->name), "host%zu_hostname", n);
    cmd_addf(ctx, span_of(h->ip), "host%zu_hostip", n);
    if (h->http_port != 0)
        cmd_addf_u64(ctx, h->http_port, "host%zu_http_port", n);
    else
        cmd_addf(ctx, span_of(""), "host%zu_http_port", n);
    if (h->http_get_port != 0)
        cmd_addf_u64(ctx, h->http_get_port, "host%zu_http_get_port", n);
    else
        cmd_addf(ctx, span_of(""), "host%zu_http_get_port", n);
    cmd_addf(ctx, span_of(h->altip), "host%zu_altip", n);
    cmd_addf(ctx, span_of(h->altmask), "host%zu_altmask", n);
}

void cmd_get_hosts(struct cmd_ctx *ctx)
{
    bool filter = kv_find(&ctx->args, "hostid") != NULL;
    double id = cmd_arg_num(ctx, "hostid");
    size_t n = 0;
    for (size_t i = 0; i < ctx->cluster->n_hosts; i++) {
        const struct cluster_host *h = &ctx->cluster->hosts[i];
        if (!filter || (double)h->hostid == id)
            add_host(ctx, ++n, h);
    }
    kv_put_u64(&ctx->reply, "hosts", n);
}
