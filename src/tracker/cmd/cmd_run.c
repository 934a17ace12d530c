/* SPDX-License-Identifier: MIT */
/* From a line to an answer: parsing, gates, the call, errors. */
#include "tracker/cmd/cmd_run.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/urlenc.h"

#include <assert.h>
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFRESH_TIMEOUT_MS = 10 * 1000, ERROR_TEXT_MAX = 8192, ANSWER_USUAL = 500, REPLY_KEPT_MAX = 8192 };

static const char not_allowed[] = "not_allowed";

static struct cmd_ctx *ctx_new(const struct cmd_shared *shared, struct store *st)
{
    struct cmd_ctx *ctx = mem_calloc(1, sizeof(*ctx));
    ctx->shared = shared;
    ctx->st = st;
    ctx->node = node_new(shared->nodes);
    ctx->cache = fid_cache_new();
    rng_seed_random(&ctx->rng);
    kv_init(&ctx->args);
    buf_init(&ctx->error_text, ERROR_TEXT_MAX);
    return ctx;
}

struct cmd_ctx *cmd_ctx_new(const struct cmd_shared *shared)
{
    return ctx_new(shared, store_new(shared->env, STORE_CLIENT));
}

struct cmd_ctx *cmd_ctx_new_nowait(const struct cmd_shared *shared)
{
    struct store *st = store_new_nowait(shared->env);
    if (st == NULL)
        return NULL;
    struct cmd_ctx *ctx = ctx_new(shared, st);
    ctx->nowait = true;
    return ctx;
}

void cmd_ctx_free(struct cmd_ctx *ctx)
{
    if (ctx == NULL)
        return;
    cmd_end(ctx);
    store_free(ctx->st);
    node_free(ctx->node);
    fid_cache_free(ctx->cache);
    cmd_ahead_free(ctx->ahead);
    kv_fini(&ctx->args);
    buf_fini(&ctx->reply);
    buf_fini(&ctx->error_text);
    free(ctx);
}

void cmd_will_wait(struct cmd_ctx *ctx)
{
    if (ctx->on_wait != NULL)
        ctx->on_wait(ctx->on_wait_arg);
}

/* ---- errors ---- */

void cmd_err(struct cmd_ctx *ctx, const char *code)
{
    cmd_errf(ctx, code, "%s", cmd_error_text(code));
}

void cmd_errf(struct cmd_ctx *ctx, const char *code, const char *fmt, ...)
{
    if (ctx->error != NULL)
        return;
    ctx->error = code;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&ctx->error_text, fmt, ap);
    va_end(ap);
    if (ctx->error_text.len == 0)
        buf_str(&ctx->error_text, cmd_error_text(code));
}

void cmd_err_store(struct cmd_ctx *ctx, enum mog_err e)
{
    if (e == MOG_EEXISTS) {
        cmd_err(ctx, "dup");
        return;
    }
    log_warn("command failed, its client is told so: %s: %s", err_text(e), store_failure(ctx->st)->text);
    cmd_err(ctx, "failure");
}

/* ---- arguments ---- */

bool cmd_arg_is_true(const struct cmd_ctx *ctx, const char *name)
{
    return num_perl_true(cmd_arg(ctx, name));
}

bool cmd_arg_is_given(const struct cmd_ctx *ctx, const char *name)
{
    return cmd_arg(ctx, name).len != 0;
}

double cmd_arg_num(const struct cmd_ctx *ctx, const char *name)
{
    struct span value = cmd_arg(ctx, name);
    /* The longest leading decimal number: strtod would also take hex, inf and nan. */
    size_t start = 0, at;
    while (start < value.len && isspace((unsigned char)value.ptr[start]))
        start++;
    at = start;
    if (at < value.len && (value.ptr[at] == '+' || value.ptr[at] == '-'))
        at++;
    size_t digits = at;
    while (at < value.len && (isdigit((unsigned char)value.ptr[at]) || value.ptr[at] == '.'))
        at++;
    if (at == digits)
        return 0.0;
    if (at + 1 < value.len && (value.ptr[at] == 'e' || value.ptr[at] == 'E') &&
        (isdigit((unsigned char)value.ptr[at + 1]) ||
         (at + 2 < value.len && isdigit((unsigned char)value.ptr[at + 2])))) {
        at += 2;
        while (at < value.len && isdigit((unsigned char)value.ptr[at]))
            at++;
    }
    char text[64];
    size_t len = at - start < sizeof(text) - 1 ? at - start : sizeof(text) - 1;
    memcpy(text, value.ptr + start, len);
    text[len] = '\0';
    double number = strtod(text, NULL);
    return isfinite(number) ? number : copysign(DBL_MAX, number);
}

int64_t cmd_arg_int(const struct cmd_ctx *ctx, const char *name)
{
    struct span value = cmd_arg(ctx, name);
    uint64_t plain;
    if (value.len == 0)
        return 0;
    if (num_parse_u64(value, 0, INT64_MAX, &plain) == MOG_OK)
        return (int64_t)plain;
    double number = cmd_arg_num(ctx, name);
    if (number >= 9.2e18)
        return INT64_MAX;
    if (number <= -9.2e18)
        return INT64_MIN;
    /* Integers above 2^53 are exact, too; fractions and exponents are not in there. */
    int64_t digits = num_perl_int(value);
    return (double)digits == number ? digits : (int64_t)number;
}

bool cmd_arg_digits(const struct cmd_ctx *ctx, const char *name, uint64_t *out)
{
    return num_parse_u64(cmd_arg(ctx, name), 0, UINT64_MAX, out) == MOG_OK;
}

/* ---- answers ---- */

static void list_name(char *out, size_t size, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));
static void list_name(char *out, size_t size, const char *fmt, va_list ap)
{
    (void)vsnprintf(out, size, fmt, ap);
}

void cmd_addf(struct cmd_ctx *ctx, struct span value, const char *name_fmt, ...)
{
    char name[160];
    va_list ap;
    va_start(ap, name_fmt);
    list_name(name, sizeof(name), name_fmt, ap);
    va_end(ap);
    kv_put_pair(&ctx->reply, span_of(name), value);
}

void cmd_addf_u64(struct cmd_ctx *ctx, uint64_t value, const char *name_fmt, ...)
{
    char name[160];
    va_list ap;
    va_start(ap, name_fmt);
    list_name(name, sizeof(name), name_fmt, ap);
    va_end(ap);
    char digits[NUM_DIGITS_MAX];
    kv_put_pair(&ctx->reply, span_of(name), num_digits(value, digits));
}

bool cmd_uses_alt(const struct cmd_ctx *ctx, const struct cluster_host *host)
{
    return host != NULL && cluster_host_wants_alt(host, ctx->peer_ip, ctx->wants_alt);
}

size_t cmd_url(const struct cmd_ctx *ctx, const struct cluster_device *d, uint64_t fid, enum cluster_port port,
               char *out)
{
    return cluster_device_url(d, fid, port, cmd_uses_alt(ctx, d->host), out);
}

static void write_answer(struct cmd_ctx *ctx, struct buf *out)
{
    const struct span *callid = kv_find(&ctx->args, "callid");
    if (ctx->error != NULL) {
        buf_printf(out, "ERR %s ", ctx->error);
        urlenc_encode(out, buf_as_span(&ctx->error_text));
        if (callid != NULL) {
            buf_char(out, ' ');
            urlenc_encode(out, *callid);
        }
    } else {
        (void)buf_reserve(out, ANSWER_USUAL);
        buf_str(out, "OK ");
        if (callid != NULL && !ctx->names_callid)
            kv_put(&ctx->reply, "callid", *callid);
        buf_span(out, buf_as_span(&ctx->reply));
    }
    buf_str(out, "\r\n");
}

/* ---- running ---- */

static void check_gates(struct cmd_ctx *ctx, const struct cmd_row *row)
{
    if (row->flags & CMD_DOMAIN) {
        struct span domain = cmd_arg(ctx, "domain");
        if (domain.len == 0) {
            cmd_err(ctx, "no_domain");
            return;
        }
        ctx->domain = cluster_domain_by_name(ctx->cluster, domain);
        if (ctx->domain == NULL) {
            cmd_err(ctx, "unreg_domain");
            return;
        }
    }
    if (row->flags & CMD_KEY) {
        ctx->key = cmd_arg(ctx, "key");
        if (ctx->key.len == 0)
            cmd_err(ctx, "no_key");
    }
}

static void refresh(struct cmd_ctx *ctx)
{
    /* The snapshot that we hold must not keep an old one alive while we wait. */
    cluster_box_release(ctx->shared->box, ctx->cluster);
    ctx->cluster = NULL;
    ctx->domain = NULL;
    if (cluster_box_refresh(ctx->shared->box, REFRESH_TIMEOUT_MS) != MOG_OK)
        cmd_err(ctx, "failure");
}

bool cmd_is_instant(struct span line)
{
    const struct cmd_row *row = cmd_take_command(&line);
    return row != NULL && (row->flags & CMD_INSTANT) != 0;
}

bool cmd_is_early(struct span line)
{
    const struct cmd_row *row = cmd_take_command(&line);
    return row != NULL && (row->flags & CMD_EARLY) != 0;
}

void cmd_reset(struct cmd_ctx *ctx)
{
    kv_reset(&ctx->args);
    if (ctx->reply.cap > REPLY_KEPT_MAX)
        buf_fini(&ctx->reply);
    buf_reset(&ctx->reply);
    buf_reset(&ctx->error_text);
    ctx->names_callid = false;
    ctx->error = NULL;
    ctx->domain = NULL;
    ctx->key = span_make("", 0);
}

static void count(struct cmd_ctx *ctx, const struct cmd_row *row, int64_t started_us)
{
    struct cmd_metrics *m = ctx->shared->metrics;
    size_t i = row != NULL ? (size_t)(row - cmd_table()) : CMD_METRICS - 1;
    if (m == NULL)
        return;
    assert(i < CMD_METRICS && "the table of commands has outgrown its numbers");
    metric_observe(&m->seconds[i], clock_mono_us() - started_us);
    if (cmd_failed(ctx))
        metric_add(&m->errors[i], 1);
}

bool cmd_begin(struct cmd_ctx *ctx, uint32_t peer_ip)
{
    cmd_reset(ctx);
    ctx->peer_ip = peer_ip;
    ctx->wants_alt = false;
    ctx->cluster = cluster_box_borrow(ctx->shared->box);
    if (ctx->cluster == NULL)
        return false;
    fid_cache_configure(ctx->cache, ctx->cluster);
    (void)!store_validate(ctx->st);
    return true;
}

void cmd_end(struct cmd_ctx *ctx)
{
    cluster_box_release(ctx->shared->box, ctx->cluster);
    ctx->cluster = NULL;
    ctx->domain = NULL;
}

bool cmd_was_refused(const struct cmd_ctx *ctx)
{
    return ctx->error != NULL && strcmp(ctx->error, not_allowed) == 0;
}

void cmd_run_parsed(struct cmd_ctx *ctx, const struct cmd_row *row, int64_t started_us, const struct cmd_client *client,
                    struct buf *out)
{
    ctx->peer_ip = client->ip;
    ctx->wants_alt = span_is(cmd_arg(ctx, "zone"), "alt");
    bool is_lent = ctx->cluster != NULL;
    if (!is_lent)
        ctx->cluster = cluster_box_borrow(ctx->shared->box);
    if (!is_lent && ctx->cluster != NULL)
        fid_cache_configure(ctx->cache, ctx->cluster);
    if (row == NULL)
        cmd_err(ctx, "unknown_command");
    else if ((row->flags & CMD_ADMIN) && !client->is_admin)
        cmd_err(ctx, not_allowed);
    else if (ctx->cluster == NULL)
        cmd_err(ctx, "failure");
    else
        check_gates(ctx, row);
    if (!cmd_failed(ctx)) {
        /* A connection that broke is replaced here; what then fails fails with the database's reason. */
        if (!(row->flags & CMD_MEMORY) && (ctx->mine == NULL || !ctx->mine->is_known))
            (void)!store_validate(ctx->st);
        row->run(ctx);
    }
    if (!cmd_failed(ctx) && (row->flags & CMD_REFRESH))
        refresh(ctx);
    if (!cmd_failed(ctx) && (row->flags & CMD_NUDGE))
        cluster_box_ask(ctx->shared->box);
    write_answer(ctx, out);
    if (!is_lent)
        cmd_end(ctx);
    count(ctx, row, started_us);
}

const struct cmd_row *cmd_run(struct cmd_ctx *ctx, struct span line, const struct cmd_client *client, struct buf *out)
{
    int64_t started_us = clock_mono_us();
    cmd_reset(ctx);
    const struct cmd_row *row = cmd_take_command(&line);
    kv_parse(&ctx->args, line);
    cmd_run_parsed(ctx, row, started_us, client, out);
    return row;
}
