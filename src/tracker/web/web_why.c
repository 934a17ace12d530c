/* SPDX-License-Identifier: MIT */
/* /api/why: where the copies of one file are, whether they are enough, and what keeps it from having more. */
#include "common/clock.h"
#include "common/httpstat.h"
#include "common/log.h"
#include "common/mem.h"
#include "report/report_why.h"
#include "store/store_file.h"
#include "tracker/web/web_priv.h"
#include "tracker/web/web_target.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAME_MAX_LEN = 1024, /* longer than any name can be */
    PROBE_MS = 5000,     /* for one copy */
    ALL_PROBES_MS = 12000,
    ANSWER_MAX = 300
};

/* What was asked. */
struct why {
    struct web *web; /* NULL: not counted there */
    struct buf domain, key;
};

/* What was found out, besides. */
struct findings {
    struct store_debug rows;
    struct report_place *places;
    struct report_copy *copies;
    struct {
        char url[CLUSTER_URL_MAX], answer[ANSWER_MAX];
    } * texts; /* of the copies */
    char *reason;
};

static void why_free(void *own)
{
    struct why *y = own;
    if (y->web != NULL)
        atomic_fetch_sub(&y->web->whys, 1);
    buf_fini(&y->domain);
    buf_fini(&y->key);
    free(y);
}

static void refuse(struct web_request *r, int status, const char *code, const char *text)
{
    web_answer_json(r, status, json_pack("{s:s, s:s}", "error", code, "text", text));
}

/* ---- on the pool ---- */

static void learn_places(const struct cluster *c, struct findings *f, struct report_why *out)
{
    f->places = mem_calloc(c->n_devices + 1, sizeof(*f->places));
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct cluster_device *d = &c->devices[i];
        f->places[i] =
            (struct report_place){.devid = d->devid,
                                  .hostid = d->hostid,
                                  .status = devstate_device_word(d->status),
                                  .observed = devstate_device_seen_word(cluster_device_seen(d)),
                                  .host = d->host != NULL ? d->host->name : NULL,
                                  .host_status = d->host != NULL ? devstate_host_word(d->host->status) : NULL,
                                  .has_usage = d->has_total && d->has_used,
                                  .mb_total = d->mb_total,
                                  .mb_used = d->mb_used};
    }
    out->places = f->places;
    out->n_places = c->n_devices;
}

/* HEAD, as mogadm does. */
static void probe(struct cmd_ctx *ctx, struct report_copy *copy, char *answer, int64_t timeout_ms)
{
    struct http_request q = {.method = "HEAD",
                             .url = copy->url,
                             .connect_timeout_ms = timeout_ms,
                             .silence_timeout_ms = timeout_ms,
                             .total_timeout_ms = timeout_ms,
                             .nobody_wanted = true};
    struct http_answer a = {0};
    struct mog_fail f = {0};
    copy->err = http_exchange(node_http(ctx->node), &q, &a, &f);
    copy->status = a.status;
    copy->length = a.content_length;
    httpstat_line(answer, ANSWER_MAX, copy->err, a.status, copy->url, &f);
}

static void look_at_copies(struct cmd_ctx *ctx, struct findings *f, struct report_why *out)
{
    const struct store_devids *ids = &f->rows.devids;
    struct deadline by = deadline_in(ALL_PROBES_MS);
    f->copies = mem_calloc(ids->n + 1, sizeof(*f->copies));
    f->texts = mem_calloc(ids->n + 1, sizeof(*f->texts));
    for (size_t i = 0; i < ids->n; i++) {
        struct report_copy *copy = &f->copies[i];
        const struct cluster_device *d = cluster_device_by_id(ctx->cluster, ids->rows[i]);
        int64_t left = deadline_left_ms(by);
        *copy = (struct report_copy){
            .devid = ids->rows[i], .url = f->texts[i].url, .answer = f->texts[i].answer, .err = MOG_ETIMEOUT};
        if (d == NULL)
            continue;
        copy->place = &f->places[d - ctx->cluster->devices];
        if (!cmd_url(ctx, d, out->fid, CLUSTER_READ, f->texts[i].url))
            f->texts[i].url[0] = '\0';
        else if (left > 0)
            probe(ctx, copy, f->texts[i].answer, left < PROBE_MS ? left : PROBE_MS);
        else
            (void)strcpy(f->texts[i].answer, "not asked, since the others took too long");
    }
    out->copies = f->copies;
    out->n_copies = ids->n;
}

static void learn_queue(struct report_why *out, enum report_queued q, bool is_queued, const struct store_queue_row *row)
{
    out->queued[q] =
        (struct report_queued_row){.is_queued = is_queued, .nexttry_unix_s = row->nexttry, .failcount = row->failcount};
}

static void learn(struct cmd_ctx *ctx, const struct store_file *file, struct findings *f, struct report_why *out)
{
    const struct store_debug *rows = &f->rows;
    const struct cluster_class *k = cluster_class_by_id(ctx->cluster, file->dmid, file->classid);
    out->fid = file->fid;
    out->length = file->length;
    out->now_unix_s = clock_wall_s();
    out->class_name = out->policy = "";
    learn_places(ctx->cluster, f, out);
    if (k != NULL) {
        out->policy = k->replpolicy[0] != '\0' ? k->replpolicy : "MultipleHosts()";
        out->wanted = report_why_wanted(k->replpolicy, k->mindevcount);
    }
    learn_queue(out, REPORT_QUEUED_REPLICATE, rows->has_replicate, &rows->replicate);
    learn_queue(out, REPORT_QUEUED_FSCK, rows->has_fsck, &rows->fsck);
    learn_queue(out, REPORT_QUEUED_REBALANCE, rows->has_rebalance, &rows->rebalance);
    learn_queue(out, REPORT_QUEUED_DELETE, rows->has_delete, &rows->delete);
    if (rows->has_replicate)
        out->reason = f->reason = fid_notes_get(ctx->shared->notes, file->fid);
    look_at_copies(ctx, f, out);
}

static void findings_fini(struct findings *f)
{
    store_debug_free(&f->rows);
    free(f->places);
    free(f->copies);
    free(f->texts);
    free(f->reason);
}

static void report(struct web_request *r, struct cmd_ctx *ctx, const struct store_file *file)
{
    const struct why *y = r->own;
    struct findings f = {0};
    struct report_why out = {.domain = buf_as_span(&y->domain), .key = buf_as_span(&y->key)};
    enum mog_err e = store_debug_read(ctx->st, file->fid, &f.rows);
    if (e != MOG_OK) {
        log_warn("why: %s: %s", err_text(e), store_failure(ctx->st)->text);
        refuse(r, 503, "db", "The database does not answer.");
    } else {
        const struct cluster_class *k = cluster_class_by_id(ctx->cluster, file->dmid, file->classid);
        char *class_name = span_dup(k != NULL ? k->name : span_of(""));
        learn(ctx, file, &f, &out);
        out.class_name = class_name;
        web_answer_json(r, 200, report_why_json(&out));
        free(class_name);
    }
    findings_fini(&f);
}

static void find(struct web_request *r, struct cmd_ctx *ctx)
{
    const struct why *y = r->own;
    const struct cluster_domain *d = cluster_domain_by_name(ctx->cluster, buf_as_span(&y->domain));
    struct store_found found = {0};
    if (d == NULL) {
        refuse(r, 404, "unreg_domain", "There is no such domain.");
        return;
    }
    enum mog_err e = store_file_find(ctx->st, d->dmid, buf_as_span(&y->key), 0, &found);
    if (e == MOG_OK) {
        report(r, ctx, &found.file);
    } else if (e == MOG_ENOTFOUND) {
        refuse(r, 404, "unknown_key", "There is no such file.");
    } else {
        log_warn("why: %s: %s", err_text(e), store_failure(ctx->st)->text);
        refuse(r, 503, "db", "The database does not answer.");
    }
    store_found_free(&found);
}

static void look_up(struct web_request *r, struct cmd_ctx *ctx)
{
    if (cmd_begin(ctx, 0))
        find(r, ctx);
    else
        refuse(r, 503, "not_ready", "The tracker has not yet seen the cluster.");
    cmd_end(ctx);
}

/* ---- on the library's thread ---- */

static bool name_of(struct web_request *r, const char *name, struct buf *out)
{
    enum mog_err e = web_target_query(r->query, name, out);
    if (e == MOG_OK && out->len != 0 && !out->overflowed)
        return true;
    if (e == MOG_ESYNTAX)
        refuse(r, 400, "bad_encoding", "A '%' without two digits of a hexadecimal number.");
    else if (out->overflowed)
        refuse(r, 404, "unknown_key", "There is no such file.");
    else
        refuse(r, 400, "bad_request", "Ask with ?domain=DOMAIN&key=KEY.");
    return false;
}

void web_why_begin(struct web_request *r)
{
    struct why *y = mem_calloc(1, sizeof(*y));
    buf_init(&y->domain, NAME_MAX_LEN);
    buf_init(&y->key, NAME_MAX_LEN);
    r->own = y;
    r->own_free = why_free;
    if (!name_of(r, "domain", &y->domain) || !name_of(r, "key", &y->key))
        return;
    /* Nodes that hang hold a thread each: the gateway keeps half of them. */
    if (atomic_fetch_add(&r->web->whys, 1) >= r->web->config.threads / 2) {
        atomic_fetch_sub(&r->web->whys, 1);
        refuse(r, 503, "busy", "Too many questions at once.");
        web_answer_header(r, "Retry-After", "1");
        return;
    }
    y->web = r->web;
    web_request_defer(r, look_up);
}
