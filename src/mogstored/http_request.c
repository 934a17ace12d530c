/* SPDX-License-Identifier: MIT */
/* One HTTP request from its first line to its end. */
#include "mogstored/http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/num.h"
#include "mogstored/access_log.h"
#include "mogstored/settings.h"

static const struct http_method methods[] = {
    {"GET", STATS_GET, false, false, get_begin, NULL, NULL},
    {"HEAD", STATS_HEAD, false, true, get_begin, NULL, NULL},
    {"PUT", STATS_PUT, true, false, put_begin, put_body, put_end},
    {"DELETE", STATS_DELETE, true, false, delete_begin, NULL, NULL},
    {"OPTIONS", STATS_OTHER, false, false, options_begin, NULL, NULL},
    {"MKCOL", STATS_OTHER, true, false, mkcol_begin, NULL, NULL},
};

static const struct http_method *find_method(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    }
    return NULL;
}

/*
 * The library takes the arguments of a query apart before anybody asks for them, and when they do not fit into the
 * connection's memory it forgets the request, unanswered. What it is going to look at is what we have been given.
 */
static void hide_arguments(const char *uri)
{
    char *query = strchr(uri, '?');
    if (query && query[1] != '\0')
        query[1] = '\0';
}

void *request_new(void *listener, const char *uri, struct MHD_Connection *connection)
{
    struct http_listener *l = listener;
    size_t len = strnlen(uri, HTTP_TARGET_MAX + 1);
    struct request *r = request_take(l->http, len);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    r->listener = l;
    r->http = l->http;
    r->connection = connection;
    r->conn = info->socket_context;
    r->conn->has_asked = true;
    r->conn->request = r;
    r->started_mono_us = clock_mono_us();
    r->get.fd = -1;
    upload_init(&r->put.upload);
    memcpy(r->target, uri, len);
    r->target[len] = '\0';
    hide_arguments(uri);
    http_conn_enter(r->conn, HTTP_PHASE_HEADER);
    return r;
}

void request_answer(struct request *r, int status, const char *text)
{
    r->answer = (struct answer){.status = status, .text = text};
}

void request_answer_close(struct request *r, int status, const char *text)
{
    r->answer = (struct answer){.status = status, .text = text, .closes = true};
}

static void run_job(struct job *j)
{
    struct request *r = (struct request *)((char *)j - offsetof(struct request, job));
    r->work(r);
}

static void job_done(struct job *j, bool has_run)
{
    struct request *r = (struct request *)((char *)j - offsetof(struct request, job));
    if (!has_run)
        request_answer_close(r, 503, "shutting down");
    MHD_resume_connection(r->connection);
}

bool request_run(struct request *r, void (*work)(struct request *r), request_step_fn after, bool is_urgent)
{
    if (!is_urgent && !device_has_room(r->dev)) {
        atomic_fetch_add_explicit(&r->dev->stats.refused, 1, memory_order_relaxed);
        request_answer(r, 503, "too much to do on this device");
        return false;
    }
    r->work = work;
    r->after = after;
    r->job.run = run_job;
    r->job.done = job_done;
    http_conn_enter(r->conn, HTTP_PHASE_BUSY);
    MHD_suspend_connection(r->connection);
    if (!device_submit(r->dev, &r->job, true))
        job_done(&r->job, false);
    return true;
}

/* ---- the checks of a request's head ---- */

struct head {
    struct request *r;
    const char *refusal; /* why the head is refused with 400; NULL: it is not */
};

/* REQUEST_FIELDS: none of them. */
static enum request_field find_field(const char *name)
{
    static const char *const names[REQUEST_FIELDS] = {
        [FIELD_CONTENT_LENGTH] = "Content-Length",
        [FIELD_CONTENT_MD5] = "Content-MD5",
        [FIELD_CONTENT_RANGE] = "Content-Range",
        [FIELD_EXPECT] = "Expect",
        [FIELD_IF_MODIFIED_SINCE] = "If-Modified-Since",
        [FIELD_IF_RANGE] = "If-Range",
        [FIELD_RANGE] = "Range",
        [FIELD_TRAILER] = "Trailer",
        [FIELD_TRANSFER_ENCODING] = "Transfer-Encoding",
    };
    size_t i = 0;
    while (i < REQUEST_FIELDS && ((name[0] | 0x20) != (names[i][0] | 0x20) || strcasecmp(name, names[i]) != 0))
        i++;
    return (enum request_field)i;
}

static bool has_space(const char *name)
{
    while (*name != '\0' && *name != ' ' && *name != '\t')
        name++;
    return *name != '\0';
}

static enum MHD_Result look_at_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct head *h = arg;
    (void)kind;
    if (has_space(name))
        h->refusal = "bad header name";
    /*
     * Names and values lie in the order in which they came. Of a header that goes on in the next line the library makes
     * a new one, behind all of them: joined to the name what belongs to the value.
     */
    if (value && (uintptr_t)value < (uintptr_t)name)
        h->refusal = "folded header";
    enum request_field field = find_field(name);
    if (field == REQUEST_FIELDS)
        return MHD_YES;
    const char **first = &h->r->fields[field];
    if (!value)
        value = "";
    if (field == FIELD_CONTENT_LENGTH && *first && strcmp(*first, value) != 0)
        h->refusal = "more than one Content-Length";
    if (field == FIELD_TRANSFER_ENCODING && *first)
        h->refusal = "more than one Transfer-Encoding";
    if (!*first)
        *first = value;
    return MHD_YES;
}

/* How the body is framed; sets the answer when that is not clear. */
static void check_framing(struct request *r)
{
    struct head h = {.r = r};
    (void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, look_at_header, &h);
    const char *length = r->fields[FIELD_CONTENT_LENGTH], *encoding = r->fields[FIELD_TRANSFER_ENCODING];
    if (length && encoding)
        h.refusal = "Content-Length and Transfer-Encoding";
    if (length && num_parse_u64(span_of(length), 0, INT64_MAX, &r->length) != MOG_OK)
        h.refusal = "bad Content-Length";
    if (h.refusal) {
        request_answer_close(r, 400, h.refusal);
        return;
    }
    r->has_length = length != NULL;
    r->is_chunked = encoding && strcasecmp(encoding, "chunked") == 0;
    if (encoding && !r->is_chunked)
        request_answer_close(r, 501, "unknown Transfer-Encoding");
    const char *expect = r->fields[FIELD_EXPECT];
    r->has_expect = expect && strcasecmp(expect, "100-continue") == 0;
}

static bool is_reading(const struct request *r)
{
    return !r->method->is_write;
}

static void refuse_target(struct request *r, enum mog_err e)
{
    bool is_put = strcmp(r->method->name, "PUT") == 0;
    switch (e) {
    case MOG_EPERM:
        request_answer(r, is_reading(r) ? 403 : 400, is_reading(r) ? "Bogus URL" : "Invalid filename");
        break;
    case MOG_ENOTFOUND:
        if (is_put)
            request_answer(r, 400, "Does not meet minimum directory requirement");
        else
            request_answer(r, 404, "no such file");
        break;
    default:
        request_answer(r, 400, "Invalid filename");
        break;
    }
}

/* Who may do what, and what the target means; sets the answer when the request is refused. */
static void check_head(struct request *r)
{
    struct http *h = r->http;
    if (r->conn->is_surplus && http_conns_is_surplus(h->conns, r->conn)) {
        request_answer_close(r, 503, "too many connections");
        return;
    }
    check_framing(r);
    if (r->answer.status != 0)
        return;
    if (!r->method) {
        request_answer(r, 501, "method not implemented");
        return;
    }
    if (r->method->is_write && r->listener->is_readonly) {
        request_answer(r, 405, "this port is for reading");
        r->answer.closes = r->is_chunked || r->length > 0;
        return;
    }
    if (strcmp(r->method->name, "MKCOL") == 0)
        return;
    if (r->method->is_write && !settings_is_allowed(h->opts.settings, (struct sockaddr *)&r->conn->address)) {
        request_answer(r, 403, "not allowed from here");
        return;
    }
    if (r->method->is_write && atomic_load(&h->opts.settings->is_readonly)) {
        request_answer(r, 403, "this node is read-only");
        return;
    }
    if (r->target_len > HTTP_TARGET_MAX) {
        request_answer(r, 400, "Invalid filename");
        return;
    }
    enum mog_err e = dpath_parse(span_make(r->target, r->target_len), &r->path);
    if (e != MOG_OK)
        refuse_target(r, e);
    else if (r->method->is_write && (r->path.has_query || (r->path.trailing_slash && r->path.kind != DPATH_DEVICE)))
        request_answer(r, 400, "Invalid filename");
}

/* ---- the steps ---- */

static bool has_body(const struct request *r)
{
    return r->is_chunked || r->length > 0;
}

/* How much of a body is dropped for the sake of the connection, and of a client that reads no answer before. */
static uint64_t drain_limit(const struct request *r)
{
    if (r->put.received > 0)
        return HTTP_DRAIN_FAILED_BYTES;
    return r->method && r->method->body ? HTTP_DRAIN_PUT_BYTES : HTTP_DRAIN_OTHER_BYTES;
}

/* An answer that comes before the body: the rest is dropped if it is small, else the connection goes. */
static enum MHD_Result answer_early(struct request *r)
{
    if (!has_body(r) && !r->answer.closes)
        return MHD_YES;
    bool is_bounded = !r->is_chunked || !r->method || !r->method->body;
    if (!r->answer.closes && !r->has_expect && is_bounded && r->length <= drain_limit(r))
        return MHD_YES;
    r->answer.closes = true;
    return reply_answer(r);
}

enum MHD_Result request_has_begun(struct request *r)
{
    if (r->after)
        return MHD_YES; /* suspended */
    if (r->answer.status != 0)
        return answer_early(r);
    http_conn_enter(r->conn, has_body(r) ? HTTP_PHASE_BODY : HTTP_PHASE_BUSY);
    return MHD_YES;
}

/* The device is known, or known not to be there. */
static void begin_on_device(struct request *r)
{
    bool is_put = strcmp(r->method->name, "PUT") == 0;
    if (!r->dev && is_put)
        request_answer(r, 404, "Base directory does not exist");
    else if (!r->dev) /* 404 would make trackers forget the copies of an unmounted device */
        request_answer(r, 503, "no such device here");
    else if (device_health(r->dev) == DEVICE_UNHEALTHY) {
        atomic_fetch_add_explicit(&r->dev->stats.refused, 1, memory_order_relaxed);
        device_describe_fault(r->dev, r->fail.text, sizeof r->fail.text);
        if (is_put && atomic_load(&r->dev->is_missing))
            request_answer(r, 404, "Base directory does not exist");
        else
            request_answer(r, 503, r->fail.text);
    } else {
        r->method->begin(r);
    }
}

static enum MHD_Result searched(struct request *r, const char *data, size_t *size)
{
    (void)data;
    (void)size;
    r->dev = r->search.found;
    if (r->answer.status == 0)
        begin_on_device(r);
    return request_has_begun(r);
}

static void search_done(struct devices_search *s)
{
    struct request *r = (struct request *)((char *)s - offsetof(struct request, search));
    MHD_resume_connection(r->connection);
}

static void search_device(struct request *r)
{
    r->search.id = r->path.devid;
    r->search.done = search_done;
    r->after = searched;
    http_conn_enter(r->conn, HTTP_PHASE_BUSY);
    MHD_suspend_connection(r->connection);
    if (devices_search(r->http->opts.devices, &r->search))
        return;
    request_answer(r, 503, "too many look for devices");
    MHD_resume_connection(r->connection);
}

static enum MHD_Result begin(struct request *r, const char *method)
{
    r->has_begun = true;
    r->method_name = method;
    r->method = find_method(method);
    check_head(r);
    if (r->answer.status != 0)
        return request_has_begun(r);
    if (r->path.kind == DPATH_DEVICE || r->path.kind == DPATH_USAGE || r->path.kind == DPATH_FILE) {
        r->dev = devices_find(r->http->opts.devices, r->path.devid);
        if (r->dev)
            begin_on_device(r);
        else
            search_device(r);
    } else {
        r->method->begin(r);
    }
    return request_has_begun(r);
}

/* The library takes no answer in the middle of a body: this one goes past it, as the last thing on the connection. */
static enum MHD_Result break_off(struct request *r)
{
    char text[128];
    int n = snprintf(text, sizeof text, "HTTP/1.1 %d -\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                     r->answer.status);
    (void)send(r->conn->fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return MHD_NO;
}

/* Body that nobody wants. */
static enum MHD_Result drop_body(struct request *r, size_t *size)
{
    r->dropped += *size;
    *size = 0;
    http_conn_enter(r->conn, HTTP_PHASE_BODY);
    return r->dropped > drain_limit(r) ? break_off(r) : MHD_YES;
}

enum MHD_Result request_continue(struct request *r, const char *data, size_t *size)
{
    if (*size > 0) {
        if (r->answer.status != 0 || !r->method || !r->method->body)
            return drop_body(r, size);
        return r->method->body(r, data, size);
    }
    if (r->answer.status != 0)
        return reply_answer(r);
    if (r->method && r->method->end)
        return r->method->end(r, data, size);
    request_answer(r, 500, "no answer");
    return reply_answer(r);
}

enum MHD_Result request_handle(void *listener, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **request)
{
    struct request *r = *request;
    (void)listener;
    (void)connection;
    (void)url;
    (void)version;
    if (!r->has_begun)
        return begin(r, method);
    if (r->after) {
        request_step_fn after = r->after;
        r->after = NULL;
        return after(r, data, size);
    }
    return request_continue(r, data, size);
}

static void account(struct request *r)
{
    uint64_t took = (uint64_t)(clock_mono_us() - r->started_mono_us);
    struct stats *stats = r->dev ? &r->dev->stats : &r->http->stats;
    enum stats_method m = r->method ? r->method->counted_as : STATS_OTHER;
    uint64_t sent = 0;
    if (m == STATS_GET && r->is_answered && (r->answer.status == 200 || r->answer.status == 206))
        sent = r->get.part.last + 1 - r->get.part.first;
    stats_add_request(stats, m, r->answer.status, took);
    atomic_fetch_add_explicit(&stats->bytes_sent, sent, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->bytes_received, r->put.received, memory_order_relaxed);
    if (!r->http->opts.access_log)
        return;
    char peer[HTTP_PEER_SIZE];
    access_log_add(r->http->opts.access_log, &(struct access_entry){
                                                 .peer = http_conn_peer(r->conn, peer),
                                                 .method = r->method_name ? r->method_name : "-",
                                                 .target = r->target,
                                                 .status = r->answer.status,
                                                 .bytes = m == STATS_PUT ? r->put.received : sent,
                                                 .took_us = took,
                                             });
}

void request_completed(void *listener, struct MHD_Connection *connection, void **request,
                       enum MHD_RequestTerminationCode code)
{
    struct request *r = *request;
    (void)listener;
    (void)connection;
    if (!r)
        return;
    *request = NULL;
    if (r->answer.status == 0 && code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        r->answer.status = r->has_begun ? 499 : 400;
    account(r);
    put_fini(r, code != MHD_REQUEST_TERMINATED_COMPLETED_OK);
    get_fini(r);
    r->conn->request = NULL;
    http_conn_enter(r->conn, HTTP_PHASE_IDLE);
    request_give(r);
}
