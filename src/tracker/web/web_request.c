/* SPDX-License-Identifier: MIT */
/* One HTTP request: its checks, who answers it, and the answer. */
#include "tracker/web/web_priv.h"

#include "common/clock.h"
#include "common/mem.h"
#include "tracker/web/web_gateway.h"
#include "tracker/web/web_relay.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Ends with 0, which stands for all that are not listed. */
static const int statuses[WEB_STATUSES] = {200, 206, 302, 304, 400, 403, 404, 405,
                                           414, 416, 499, 500, 502, 503, 504, 0};

static const struct {
    const char *path;
    web_begin_fn *begin;
    enum web_handler handler;
    bool any_host; /* for load balancers, which call us what they like; it tells nothing worth stealing */
} routes[] = {
    {"/healthz", web_health_begin, WEB_HEALTH, true},    {"/readyz", web_ready_begin, WEB_HEALTH, true},
    {"/metrics", web_metrics_begin, WEB_METRICS, false}, {"/", web_page_begin, WEB_PAGE, false},
    {"/page.css", web_page_begin, WEB_PAGE, false},      {"/page.js", web_page_begin, WEB_PAGE, false},
    {"/icon.svg", web_page_begin, WEB_PAGE, false},      {"/api/status", web_status_begin, WEB_API, false},
    {"/api/why", web_why_begin, WEB_API, false},
};

int web_status_of(size_t i)
{
    return statuses[i];
}

/*
 * The library takes the arguments of a query apart before anybody asks for them, and when they do not fit into the
 * connection's memory it forgets the request, unanswered. What it is going to look at is what we have been given.
 */
static void hide_arguments(const char *uri)
{
    char *query = strchr(uri, '?');
    if (query != NULL && query[1] != '\0')
        query[1] = '\0';
}

void *web_request_new(void *web, const char *uri, struct MHD_Connection *connection)
{
    size_t len = strnlen(uri, WEB_TARGET_MAX + 1);
    struct web_request *r = mem_calloc(1, sizeof(*r) + len + 1);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    r->web = web;
    r->connection = connection;
    r->conn = info->socket_context;
    r->conn->request = r;
    r->started_mono_us = clock_mono_us();
    r->handler = WEB_REFUSED;
    r->is_too_long = len > WEB_TARGET_MAX;
    memcpy(r->target, uri, len);
    size_t path = strcspn(r->target, "?");
    r->path = span_make(r->target, path);
    r->query = path < len ? span_make(r->target + path + 1, len - path - 1) : span_make("", 0);
    http_conn_enter(r->conn, HTTP_PHASE_HEADER);
    hide_arguments(uri);
    return r;
}

const char *web_request_header(const struct web_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

/* ---- answers ---- */

void web_answer(struct web_request *r, int status, struct MHD_Response *response)
{
    if (r->status != 0 || response == NULL) {
        if (response != NULL)
            MHD_destroy_response(response);
        return;
    }
    r->status = status;
    r->response = response;
    /* Nothing that comes from here is to be taken for another type than it says. */
    web_answer_header(r, "X-Content-Type-Options", "nosniff");
}

void web_answer_header(struct web_request *r, const char *name, const char *value)
{
    (void)MHD_add_response_header(r->response, name, value);
}

void web_answer_buf(struct web_request *r, int status, const char *type, struct buf *body)
{
    size_t len = body->len;
    char *bytes = buf_take(body);
    web_answer(r, status, MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE));
    web_answer_header(r, "Content-Type", type);
    web_answer_header(r, "Cache-Control", "no-store");
}

void web_answer_text(struct web_request *r, int status, const char *text)
{
    struct buf body = BUF_ZERO;
    buf_str(&body, text);
    buf_char(&body, '\n');
    web_answer_buf(r, status, "text/plain; charset=utf-8", &body);
}

static enum MHD_Result reply(struct web_request *r)
{
    if (r->response == NULL)
        web_answer_text(r, 500, "no answer");
    if (r->closes)
        web_answer_header(r, "Connection", "close");
    http_conn_enter(r->conn, HTTP_PHASE_ANSWER);
    return MHD_queue_response(r->connection, (unsigned)r->status, r->response);
}

/* ---- checks ---- */

struct head {
    unsigned hosts;
    const char *host;
    bool has_body, is_bad;
};

static enum MHD_Result look_at_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct head *h = arg;
    (void)kind;
    h->is_bad = h->is_bad || strpbrk(name, " \t") != NULL;
    if (strcasecmp(name, "Host") == 0) {
        h->hosts++;
        h->host = value != NULL ? value : "";
    } else if (strcasecmp(name, "Transfer-Encoding") == 0 ||
               (strcasecmp(name, "Content-Length") == 0 && (value == NULL || strcmp(value, "0") != 0))) {
        h->has_body = true;
    }
    return MHD_YES;
}

/* A page from elsewhere can make a browser ask, though it cannot read the answer. */
static void check_site(struct web_request *r)
{
    const char *site = web_request_header(r, "Sec-Fetch-Site");
    if (r->handler == WEB_API && site != NULL && strcmp(site, "cross-site") == 0)
        web_answer_text(r, 403, "not for pages from elsewhere");
}

static void refuse_and_close(struct web_request *r, int status, const char *text)
{
    web_answer_text(r, status, text);
    r->closes = true;
}

static void check_host(struct web_request *r, const struct head *h)
{
    /* Without the header it is no browser. */
    if (h->hosts == 0 || web_host_is_allowed(h->host, r->web->parts.hostname, &r->web->config.hosts))
        return;
    web_answer_text(r, 403,
                    "This host is not known by that name. Names can be allowed with http_hosts in mogilefsd.conf.");
}

static void begin(struct web_request *r, const char *method, const char *version)
{
    struct head h = {0};
    size_t i = 0;
    r->has_begun = true;
    r->is_head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    (void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, look_at_header, &h);
    if (r->conn->is_surplus && http_conns_is_surplus(r->web->conns, r->conn))
        refuse_and_close(r, 503, "too many connections");
    else if (h.has_body)
        refuse_and_close(r, 400, "no request here has a body");
    else if (h.is_bad || h.hosts > 1 || (h.hosts == 0 && strcmp(version, MHD_HTTP_VERSION_1_1) == 0))
        refuse_and_close(r, 400, "bad headers");
    else if (r->is_too_long)
        refuse_and_close(r, 414, "the target is too long");
    else if (r->path.len == 0 || r->path.ptr[0] != '/')
        refuse_and_close(r, 400, "bad target");
    if (r->status != 0)
        return;
    if (!r->is_head && strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
        web_answer_text(r, 405, "only GET and HEAD");
        web_answer_header(r, "Allow", "GET, HEAD");
        return;
    }
    while (i < sizeof(routes) / sizeof(routes[0]) && !span_is(r->path, routes[i].path))
        i++;
    bool is_route = i < sizeof(routes) / sizeof(routes[0]);
    if (!is_route || !routes[i].any_host)
        check_host(r, &h);
    if (r->status != 0)
        return;
    r->handler = is_route ? routes[i].handler : WEB_GATEWAY;
    check_site(r);
    if (r->status != 0)
        return;
    if (is_route)
        routes[i].begin(r);
    else
        web_gateway_begin(r);
}

/* ---- steps ---- */

static void run(struct web_task *t, struct cmd_ctx *ctx)
{
    struct web_request *r = (struct web_request *)t;
    r->work(r, ctx);
    struct web_relay_job *job = r->leaving;
    if (job == NULL) {
        MHD_resume_connection(r->connection);
        return;
    }
    /* From here on the request is the relay's, and may be gone before this call returns. */
    r->leaving = NULL;
    web_relay_add(r->web->relay, r, job);
    free(job);
}

static void drop(struct web_task *t)
{
    struct web_request *r = (struct web_request *)t;
    web_answer_text(r, 503, "too much to do");
    MHD_resume_connection(r->connection);
}

void web_request_defer(struct web_request *r, web_work_fn *work)
{
    r->task = (struct web_task){run, drop};
    r->work = work;
    r->was_deferred = true;
    MHD_suspend_connection(r->connection);
    if (!pool_submit(r->web->pool, r))
        drop(&r->task);
}

void web_request_leave(struct web_request *r, int status, const struct web_relay_job *job)
{
    r->leaving = mem_alloc(sizeof(*r->leaving));
    *r->leaving = *job;
    r->is_relayed = true;
    r->status = status;
}

void web_request_relayed(struct web_request *r, bool complete)
{
    r->is_relay_complete = complete;
    MHD_resume_connection(r->connection);
}

enum MHD_Result web_request_step(void *web, struct MHD_Connection *connection, const char *url, const char *method,
                                 const char *version, const char *data, size_t *size, void **request)
{
    struct web_request *r = *request;
    (void)web;
    (void)connection;
    (void)url;
    (void)data;
    if (!r->has_begun) {
        begin(r, method, version);
        http_conn_enter(r->conn, HTTP_PHASE_BUSY);
        /* An answer this early keeps the library from reading on: only for connections that end with it. */
        return r->closes ? reply(r) : MHD_YES;
    }
    if (*size != 0) {
        *size = 0;
        return MHD_NO;
    }
    if (r->is_relayed)
        return MHD_NO; /* the connection ends with what was sent */
    if (r->was_deferred) {
        /* The library takes the first call after a suspension for the one with the head, and an answer to that for one
         * that comes too early to go on with the connection. */
        r->was_deferred = false;
        return MHD_YES;
    }
    return reply(r);
}

static size_t status_index(int status)
{
    size_t i = 0;
    while (statuses[i] != 0 && statuses[i] != status)
        i++;
    return i;
}

void web_request_completed(void *web, struct MHD_Connection *connection, void **request,
                           enum MHD_RequestTerminationCode code)
{
    struct web_request *r = *request;
    (void)web;
    (void)connection;
    if (r == NULL)
        return;
    *request = NULL;
    bool complete = code == MHD_REQUEST_TERMINATED_COMPLETED_OK || r->is_relay_complete;
    int status = complete ? r->status : r->has_begun ? 499 : 400;
    metric_add(&r->web->requests[r->handler][status_index(status)], 1);
    metric_observe(&r->web->seconds[r->handler], clock_mono_us() - r->started_mono_us);
    r->conn->request = NULL;
    http_conn_enter(r->conn, HTTP_PHASE_IDLE);
    if (r->response != NULL)
        MHD_destroy_response(r->response);
    if (r->own_free != NULL)
        r->own_free(r->own);
    free(r);
}
