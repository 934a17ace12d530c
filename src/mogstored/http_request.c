/* SPDX-License-Identifier: MIT */
/* One HTTP request from its head to its end. */
#include "mogstored/http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/mem.h"
#include "mogstored/access_log.h"
#include "mogstored/settings.h"

enum { ROOMY_HEAD = 1 << 10 /* heads up to this size lie in memory that is used again */ };

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

/* Memory for a request with a head of `len` bytes: zero, but for the last parts. */
static struct request *request_new(struct connection *c, size_t len)
{
    struct http_loop *l = c->loop;
    struct request *r = l->spare;
    if (r && len <= r->room) {
        l->spare = NULL;
    } else {
        size_t room = len > ROOMY_HEAD ? len : ROOMY_HEAD;
        r = mem_alloc(sizeof *r + room);
        r->room = room;
    }
    memset(r, 0, offsetof(struct request, chunked));
    memset(&r->path, 0, offsetof(struct dpath, below) + 1); /* not every request has one that is looked at */
    r->fail.text[0] = '\0';
    r->http = l->http;
    r->conn = c;
    r->started_mono_us = clock_mono_us();
    r->get.fd = -1;
    upload_init(&r->put.upload);
    c->request = r;
    return r;
}

void request_free(struct request *r)
{
    free(r);
}

static void give_back(struct request *r)
{
    struct http_loop *l = r->conn->loop;
    if (l->spare || r->room > ROOMY_HEAD)
        request_free(r);
    else
        l->spare = r;
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
    struct request *r = request_of(j);
    r->work(r);
}

static void job_done(struct job *j, bool has_run)
{
    struct request *r = request_of(j);
    if (!has_run)
        request_answer_close(r, 503, "shutting down");
    loop_resume(r->conn);
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
    http_conn_enter(r->conn->entry, HTTP_PHASE_BUSY);
    r->conn->state = CONNECTION_BUSY;
    if (!device_submit(r->dev, &r->job, true))
        job_done(&r->job, false);
    return true;
}

/* ---- the checks of a request's head ---- */

static bool has_body(const struct request *r)
{
    return r->head.is_chunked || r->head.length > 0;
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
    const struct connection *c = r->conn;
    if (!r->method) {
        request_answer(r, 501, "method not implemented");
        return;
    }
    if (r->method->is_write && c->listener->port == HTTP_PORT_READING) {
        request_answer(r, 405, "this port is for reading");
        r->answer.closes = has_body(r);
        return;
    }
    if (r->method->begin == mkcol_begin || r->method->begin == options_begin) /* whatever the target is */
        return;
    if (r->method->is_write && !settings_is_allowed(h->opts.settings, (const struct sockaddr *)&c->entry->address)) {
        request_answer(r, 403, "not allowed from here");
        return;
    }
    if (r->method->is_write && atomic_load(&h->opts.settings->is_readonly)) {
        request_answer(r, 403, "this node is read-only");
        return;
    }
    if (r->head.target_len > HTTP_TARGET_MAX) {
        request_answer(r, 400, "Invalid filename");
        return;
    }
    enum mog_err e = dpath_parse(span_make(r->head.target, r->head.target_len), &r->path);
    if (e != MOG_OK)
        refuse_target(r, e);
    else if (r->method->is_write && (r->path.has_query || (r->path.trailing_slash && r->path.kind != DPATH_DEVICE)))
        request_answer(r, 400, "Invalid filename");
}

/* ---- the steps ---- */

/* How much of a body is dropped for the sake of the connection, and of a client that reads no answer before. */
static uint64_t drain_limit(const struct request *r)
{
    if (r->put.received > 0)
        return HTTP_DRAIN_FAILED_BYTES;
    return r->method && r->method->body ? HTTP_DRAIN_PUT_BYTES : HTTP_DRAIN_OTHER_BYTES;
}

/* An answer that comes before the body: the rest is dropped if it is small, else the connection goes. */
static bool waits_for_body(const struct request *r)
{
    bool is_bounded = !r->head.is_chunked || !r->method || !r->method->body;
    return has_body(r) && !r->answer.closes && !r->head.has_expect && is_bounded && r->head.length <= drain_limit(r);
}

static void say_continue(struct request *r)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t n;
    if (!r->head.has_expect || r->head.is_1_0)
        return;
    /* The last answer was taken whole, so there is room; and if not, who waits for it goes on after a while. */
    (void)connection_push(r->conn, text, sizeof text - 1, false, &n);
}

void request_has_begun(struct request *r)
{
    struct connection *c = r->conn;
    if (c->state == CONNECTION_BUSY)
        return;
    c->state = CONNECTION_BODY;
    http_conn_enter(c->entry, has_body(r) ? HTTP_PHASE_BODY : HTTP_PHASE_BUSY);
    if (r->answer.status != 0 && !waits_for_body(r)) {
        r->answer.closes = r->answer.closes || has_body(r);
        reply_answer(r);
    } else if (!has_body(r)) {
        request_body_ended(r);
    } else if (r->answer.status == 0) {
        say_continue(r);
    }
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

static void searched(struct request *r)
{
    r->dev = r->search.found;
    if (r->answer.status == 0)
        begin_on_device(r);
    request_has_begun(r);
}

static void search_done(struct devices_search *s)
{
    struct request *r = (struct request *)((char *)s - offsetof(struct request, search));
    loop_resume(r->conn);
}

static void search_device(struct request *r)
{
    r->search.id = r->path.devid;
    r->search.done = search_done;
    r->after = searched;
    http_conn_enter(r->conn->entry, HTTP_PHASE_BUSY);
    r->conn->state = CONNECTION_BUSY;
    if (devices_search(r->http->opts.devices, &r->search))
        return;
    request_answer(r, 503, "too many look for devices");
    loop_resume(r->conn);
}

static void begin(struct request *r)
{
    r->method = find_method(r->head.method);
    if (r->conn->listener->port == HTTP_PORT_METRICS) {
        get_metrics(r);
        return;
    }
    check_head(r);
    if (r->answer.status != 0)
        return;
    if (r->path.kind == DPATH_DEVICE || r->path.kind == DPATH_USAGE || r->path.kind == DPATH_FILE) {
        r->dev = devices_find(r->http->opts.devices, r->path.devid);
        if (r->dev)
            begin_on_device(r);
        else
            search_device(r);
    } else {
        r->method->begin(r);
    }
}

void request_begin(struct connection *c, const char *head, size_t len)
{
    struct request *r = request_new(c, len);
    const char *refusal = NULL;
    memcpy(r->bytes, head, len);
    int status = http_head_parse(r->bytes, len, &r->head, &refusal);
    r->body_left = r->head.length;
    r->chunked = (struct chunked){0};
    if (c->entry->is_surplus && http_conns_is_surplus(c->loop->http->conns, c->entry)) {
        request_answer_close(r, 503, "too many connections");
    } else if (status != 0) {
        request_answer_close(r, status, refusal);
    } else {
        begin(r);
    }
    request_has_begun(r);
}

void request_refuse(struct connection *c, int status, const char *text)
{
    struct request *r = request_new(c, 0);
    request_answer_close(r, status, text);
    reply_answer(r);
}

bool request_wants_body(const struct request *r)
{
    return r->answer.status == 0 && r->method->body;
}

/* Body that nobody wants. */
static void drop_body(struct request *r, size_t len)
{
    r->dropped += len;
    http_conn_enter(r->conn->entry, HTTP_PHASE_BODY);
    if (r->dropped <= drain_limit(r))
        return;
    r->answer.closes = true;
    reply_answer(r);
}

size_t request_body(struct request *r, const char *data, size_t len)
{
    if (request_wants_body(r))
        return r->method->body(r, data, len);
    drop_body(r, len);
    return len;
}

void request_broken_body(struct request *r, int status, const char *text)
{
    if (r->answer.status == 0)
        request_answer(r, status, text);
    r->answer.closes = true;
    reply_answer(r);
}

void request_body_ended(struct request *r)
{
    if (r->answer.status == 0 && r->method->end) {
        r->method->end(r);
        return;
    }
    if (r->answer.status == 0)
        request_answer(r, 500, "no answer");
    reply_answer(r);
}

static void account(struct request *r)
{
    uint64_t took = (uint64_t)(clock_mono_us() - r->started_mono_us);
    struct stats *stats = r->dev ? &r->dev->stats : &r->http->stats;
    enum stats_method m = r->method ? r->method->counted_as : STATS_OTHER;
    uint64_t sent = 0;
    if (m == STATS_GET && r->is_answered && (r->answer.status == 200 || r->answer.status == 206))
        sent = get_length(r);
    stats_add_request(stats, m, r->answer.status, took);
    if (sent > 0)
        atomic_fetch_add_explicit(&stats->bytes_sent, sent, memory_order_relaxed);
    if (r->put.received > 0)
        atomic_fetch_add_explicit(&stats->bytes_received, r->put.received, memory_order_relaxed);
    if (!r->http->opts.access_log)
        return;
    char peer[HTTP_PEER_SIZE];
    access_log_add(r->http->opts.access_log, &(struct access_entry){
                                                 .peer = http_conn_peer(r->conn->entry, peer),
                                                 .method = r->head.method ? r->head.method : "-",
                                                 .target = r->head.target ? r->head.target : "-",
                                                 .status = r->answer.status,
                                                 .bytes = m == STATS_PUT ? r->put.received : sent,
                                                 .took_us = took,
                                             });
}

void request_end(struct request *r, bool is_whole)
{
    if (r->answer.status == 0)
        r->answer.status = 499;
    account(r);
    put_fini(r, !is_whole);
    get_fini(r);
    r->conn->request = NULL;
    give_back(r);
}
