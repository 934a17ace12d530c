/* SPDX-License-Identifier: MIT */
/* GET /DOMAIN/KEY: files by their names, by a redirection, by an nginx in front, or through this process. */
#include "tracker/web/web_gateway.h"

#include "common/clock.h"
#include "common/httpdate.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/range.h"
#include "tracker/web/web_relay.h"
#include "tracker/web/web_source.h"
#include "tracker/web/web_target.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_MAX = 1024, /* longer than any key can be */
    MAX_COPIES = 16,
    SMALL = 256 << 10, /* up to here the bytes are all fetched before the answer begins */
};

static const char accel_prefix[] = "/mogilefs-copy/", scheme[] = "http://";

struct gateway {
    struct buf domain, key;
    struct cmd_copies copies;
    char etag[WEB_ETAG_SIZE];
    struct range part;
    int status; /* 200 or 206 */
};

static void gateway_free(void *own)
{
    struct gateway *g = own;
    buf_fini(&g->domain);
    buf_fini(&g->key);
    cmd_copies_fini(&g->copies);
    free(g);
}

/* ---- answers ---- */

/* What all answers about a file have. */
static void describe(struct web_request *r, const struct gateway *g)
{
    const char *cache = r->web->config.cache_control;
    web_answer_header(r, "ETag", g->etag);
    if (cache[0] != '\0')
        web_answer_header(r, "Cache-Control", cache);
}

static void answer_file(struct web_request *r, const struct gateway *g, int status, struct MHD_Response *response,
                        const char *last_modified)
{
    web_answer(r, status, response);
    describe(r, g);
    web_answer_header(r, "Content-Type", web_target_type(buf_as_span(&g->key)));
    web_answer_header(r, "Accept-Ranges", "bytes");
    if (last_modified != NULL && last_modified[0] != '\0')
        web_answer_header(r, "Last-Modified", last_modified);
    if (status == 206) {
        char range[96];
        (void)snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, g->part.first, g->part.last,
                       g->copies.length);
        web_answer_header(r, "Content-Range", range);
    }
}

static struct MHD_Response *nothing(void)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        abort(); /* out of memory */
    return response;
}

static void not_found(struct web_request *r)
{
    web_answer_text(r, 404, "There is no such file.");
}

static void unavailable(struct web_request *r)
{
    web_answer_text(r, 503, "The file cannot be read now.");
    web_answer_header(r, "Retry-After", "10");
}

static ssize_t no_bytes(void *arg, uint64_t pos, char *out, size_t max)
{
    (void)arg;
    (void)pos;
    (void)out;
    (void)max;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* What stands for a body that has a length and is not sent: of answers to HEAD, and 304. */
static struct MHD_Response *unsent(uint64_t length)
{
    struct MHD_Response *response =
        length != 0 ? MHD_create_response_from_callback(length, 1, no_bytes, NULL, NULL) : nothing();
    if (response == NULL)
        abort(); /* out of memory */
    return response;
}

static void not_modified(struct web_request *r, const struct gateway *g, const char *last_modified)
{
    web_answer(r, 304, unsent(g->copies.length));
    describe(r, g);
    if (last_modified != NULL && last_modified[0] != '\0')
        web_answer_header(r, "Last-Modified", last_modified);
}

/* ---- redirect ---- */

static void redirect(struct web_request *r, const struct gateway *g)
{
    web_answer(r, 302, nothing());
    describe(r, g);
    web_answer_header(r, "Location", g->copies.urls[0]);
}

/* ---- accel: see conf/nginx-gateway.conf ---- */

/* A range is for these bytes, unless the client asks for it only if they are others. */
static const char *wanted_range(const struct web_request *r, const struct gateway *g)
{
    const char *range = web_request_header(r, "Range"), *condition = web_request_header(r, "If-Range");
    return condition == NULL || strcmp(condition, g->etag) == 0 ? range : NULL;
}

/* "host:port/devN/..." of a copy. */
static const char *place(const struct gateway *g, size_t i)
{
    return g->copies.urls[i] + strlen(scheme);
}

static void accel(struct web_request *r, const struct gateway *g)
{
    char first[CLUSTER_URL_MAX + sizeof(accel_prefix)], name[40];
    const char *range = wanted_range(r, g);
    (void)snprintf(first, sizeof(first), "%s%s", accel_prefix, place(g, 0));
    answer_file(r, g, 200, nothing(), NULL);
    web_answer_header(r, "X-Accel-Redirect", first);
    for (size_t i = 1; i < g->copies.n; i++) {
        (void)snprintf(name, sizeof(name), "X-Mogilefs-Copy-%zu", i + 1);
        web_answer_header(r, name, place(g, i));
    }
    if (range != NULL)
        web_answer_header(r, "X-Mogilefs-Range", range);
}

/* ---- proxy ---- */

/* What part of the file is wanted. False: the answer is set. */
static bool choose_part(struct web_request *r, struct gateway *g)
{
    const char *range = r->is_head ? NULL : wanted_range(r, g);
    char all[64];
    g->status = 200;
    g->part = (struct range){.first = 0, .last = g->copies.length - 1}; /* of an empty file: not looked at */
    switch (range != NULL ? range_parse(span_of(range), g->copies.length, &g->part) : RANGE_WHOLE) {
    case RANGE_WHOLE:
        return true;
    case RANGE_PART:
        g->status = 206;
        return true;
    case RANGE_UNSATISFIABLE:
        break;
    }
    (void)snprintf(all, sizeof(all), "bytes */%" PRIu64, g->copies.length);
    web_answer_text(r, 416, "There is nothing in that range.");
    web_answer_header(r, "Content-Range", all);
    return false;
}

/* Only the copies know their time, so that this is asked last. */
static bool is_unchanged(const struct web_request *r, const char *last_modified)
{
    const char *since_text = web_request_header(r, "If-Modified-Since");
    int64_t since = 0, modified = 0;
    return since_text != NULL && web_request_header(r, "If-None-Match") == NULL &&
           httpdate_parse(span_of(since_text), &since) == MOG_OK &&
           httpdate_parse(span_of(last_modified), &modified) == MOG_OK && modified <= since;
}

static void proxy_head(struct web_request *r, struct gateway *g, struct web_source *s)
{
    char modified[64] = "";
    struct mog_fail f = {0};
    if (web_source_head(s, modified, &f) != MOG_OK) {
        log_warn("gateway: %s", f.text);
        unavailable(r);
        return;
    }
    if (is_unchanged(r, modified)) {
        not_modified(r, g, modified);
        return;
    }
    answer_file(r, g, 200, unsent(g->copies.length), modified);
}

/* All of it into memory: the answer can still become another one, and the connection to the node is kept. */
static void proxy_small(struct web_request *r, struct gateway *g, struct web_source *s, const char *modified)
{
    size_t size = (size_t)(s->end - s->first), have = 0, n = 0;
    char *bytes = mem_alloc(size);
    struct mog_fail f = {0};
    enum mog_err e = MOG_OK;
    while (e == MOG_OK && have < size) {
        e = web_source_read(s, bytes + have, size - have, &n, &f);
        have += n;
    }
    web_source_close(s);
    if (e != MOG_OK) {
        log_warn("gateway: %s", f.text);
        free(bytes);
        unavailable(r);
        return;
    }
    metric_add(&r->web->sent_bytes, size);
    answer_file(r, g, g->status, MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE), modified);
}

static void proxy_get(struct web_request *r, struct gateway *g, struct web_source *s)
{
    char modified[64] = "";
    struct mog_fail f = {0};
    if (web_source_open(s, modified, &f) != MOG_OK) {
        log_warn("gateway: %s", f.text);
        unavailable(r);
    } else if (is_unchanged(r, modified)) {
        not_modified(r, g, modified);
    } else {
        proxy_small(r, g, s, modified);
    }
    web_source_close(s);
}

/* The head of an answer that the library does not send. */
static void write_head(const struct web_request *r, const struct gateway *g, const char *modified, struct buf *out)
{
    char date[HTTPDATE_SIZE];
    const char *cache = r->web->config.cache_control;
    httpdate_format(clock_wall_s(), date);
    buf_printf(out, "HTTP/1.1 %s\r\nDate: %s\r\nConnection: close\r\nContent-Length: %" PRIu64 "\r\n",
               g->status == 206 ? "206 Partial Content" : "200 OK", date, g->part.last + 1 - g->part.first);
    if (g->status == 206)
        buf_printf(out, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", g->part.first, g->part.last,
                   g->copies.length);
    buf_printf(out, "Content-Type: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\nX-Content-Type-Options: nosniff\r\n",
               web_target_type(buf_as_span(&g->key)), g->etag);
    if (modified[0] != '\0')
        buf_printf(out, "Last-Modified: %s\r\n", modified);
    if (cache[0] != '\0')
        buf_printf(out, "Cache-Control: %s\r\n", cache);
    buf_str(out, "\r\n");
}

/* The first copy that answers as it should. False: none does. */
static bool open_any(struct web_relay_job *job, char *modified)
{
    struct mog_fail f = {0};
    for (job->at = 0; job->at < job->n; job->at++) {
        job->origin.url = job->urls[job->at];
        if (web_origin_open(&job->origin, &job->origin_fd, modified, &f) == MOG_OK)
            return true;
        log_warn("gateway: %s", f.text);
    }
    return false;
}

static void proxy_large(struct web_request *r, struct gateway *g, const struct web_source *s)
{
    char modified[WEB_ORIGIN_DATE_MAX] = "";
    struct web_relay_job job = {
        .urls = s->urls,
        .n = s->n,
        .origin = {.first = s->first, .end = s->end, .length = s->length, .connect_timeout_ms = s->connect_timeout_ms},
        .origin_fd = -1};
    if (!open_any(&job, modified)) {
        unavailable(r);
    } else if (is_unchanged(r, modified)) {
        (void)close(job.origin_fd);
        not_modified(r, g, modified);
    } else {
        write_head(r, g, modified, &job.head);
        g->copies.urls = NULL; /* the relay's */
        web_request_leave(r, g->status, &job);
    }
}

static void proxy(struct web_request *r, struct gateway *g, struct cmd_ctx *ctx)
{
    struct web_source s = {.client = node_http(ctx->node),
                           .urls = g->copies.urls,
                           .n = g->copies.n,
                           .length = g->copies.length,
                           .connect_timeout_ms = node_shared_config(ctx->shared->nodes).node_timeout_ms};
    if (!choose_part(r, g))
        return;
    s.first = g->part.first;
    s.end = g->part.last + 1;
    if (r->is_head || g->copies.length == 0)
        proxy_head(r, g, &s);
    else if (s.end - s.first <= SMALL)
        proxy_get(r, g, &s);
    else
        proxy_large(r, g, &s);
}

/* ---- on the pool ---- */

static uint32_t peer_ip(const struct web_request *r)
{
    struct sockaddr_in sa;
    memcpy(&sa, &r->conn->address, sizeof(sa));
    return sa.sin_family == AF_INET ? ntohl(sa.sin_addr.s_addr) : 0;
}

static void look_up(struct web_request *r, struct cmd_ctx *ctx)
{
    struct gateway *g = r->own;
    enum web_gateway mode = r->web->config.gateway;
    /* Who fetches the file is the client or an nginx there, or else we. */
    enum mog_err e = MOG_EDBDOWN;
    if (cmd_begin(ctx, mode == WEB_GATEWAY_PROXY ? 0 : peer_ip(r)))
        e = cmd_copies_find(ctx, buf_as_span(&g->domain), buf_as_span(&g->key), MAX_COPIES, &g->copies);
    cmd_end(ctx);
    if (e == MOG_ENOTFOUND) {
        not_found(r);
        return;
    }
    if (e != MOG_OK) {
        log_warn("gateway: %s: %s", err_text(e), store_failure(ctx->st)->text);
        unavailable(r);
        return;
    }
    web_target_etag(g->etag, g->copies.fid);
    if (web_target_matches(web_request_header(r, "If-None-Match"), g->etag))
        not_modified(r, g, NULL);
    else if (g->copies.n == 0)
        unavailable(r);
    else if (mode == WEB_GATEWAY_REDIRECT)
        redirect(r, g);
    else if (mode == WEB_GATEWAY_ACCEL)
        accel(r, g);
    else
        proxy(r, g, ctx);
}

/* ---- on the library's thread ---- */

static bool is_served(const struct web *w, struct span domain)
{
    for (size_t i = 0; i < w->config.domains.n; i++) {
        if (span_is(domain, w->config.domains.items[i]))
            return true;
    }
    return false;
}

void web_gateway_begin(struct web_request *r)
{
    if (r->web->config.gateway == WEB_GATEWAY_OFF) {
        web_answer_text(r, 404, "nothing here");
        return;
    }
    struct gateway *g = mem_calloc(1, sizeof(*g));
    buf_init(&g->domain, KEY_MAX);
    buf_init(&g->key, KEY_MAX);
    r->own = g;
    r->own_free = gateway_free;
    enum mog_err e = web_target_parse(r->path, &g->domain, &g->key);
    if (e != MOG_OK && r->path.len > 1 && memchr(r->path.ptr, '%', r->path.len) != NULL)
        web_answer_text(r, 400, "bad encoding");
    else if (e != MOG_OK || g->domain.overflowed || g->key.overflowed || !is_served(r->web, buf_as_span(&g->domain)))
        not_found(r);
    else
        web_request_defer(r, look_up);
}
