/* SPDX-License-Identifier: MIT */
/* Blocking HTTP over libcurl's multi interface, whose poll lets deadlines be kept to the millisecond. */
#include "common/http.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_SIZE = 128 * 1024, DEFAULT_CONNECT_MS = 2000, DEFAULT_SILENCE_MS = 10000 };

struct http_client {
    CURLM *multi;
    CURL *easy;
    char *user_agent;
    long pool;
    const _Atomic bool *abort; /* NULL: none */

    /* The exchange in progress; `active` from start to finish. */
    bool active;
    struct http_request req;
    struct curl_slist *headers;
    struct http_answer *answer; /* the caller's; valid while http_exchange or http_open run, then `kept` */
    struct http_answer kept;
    size_t body_sent;                 /* of req.body */
    bool head_done, done, body_ended; /* body_ended: all of our body was handed to curl */
    CURLcode result;
    bool canceled, too_long;
    int64_t started_ms, moved_ms; /* last byte in either direction */
    int64_t request_sent_ms;      /* when our side was complete; 0 before */
    bool streaming, paused;
    struct buf stream; /* body bytes that nobody has read yet */
    char error[CURL_ERROR_SIZE];
};

static void global_init(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http_client *http_client_new(const char *user_agent)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, global_init);
    struct http_client *c = mem_calloc(1, sizeof(*c));
    c->user_agent = mem_strdup(user_agent);
    c->pool = 20;
    c->multi = curl_multi_init();
    c->easy = curl_easy_init();
    if (c->multi == NULL || c->easy == NULL)
        abort();
    buf_init(&c->stream, 0);
    return c;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL)
        return;
    http_close(c);
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    buf_fini(&c->stream);
    free(c->user_agent);
    free(c);
}

void http_client_set_pool(struct http_client *c, size_t connections)
{
    c->pool = connections < 10000 ? (long)connections : 10000;
}

void http_client_set_abort(struct http_client *c, const _Atomic bool *flag)
{
    c->abort = flag;
}

static size_t on_read(char *out, size_t size, size_t n, void *arg)
{
    struct http_client *c = arg;
    size_t cap = size * n;
    ssize_t got;
    if (c->req.read != NULL) {
        got = c->req.read(c->req.read_arg, out, cap);
    } else {
        size_t left = c->req.body.len - c->body_sent;
        got = (ssize_t)(left < cap ? left : cap);
        if (got > 0)
            memcpy(out, c->req.body.ptr + c->body_sent, (size_t)got);
        c->body_sent += (size_t)got;
    }
    if (got < 0) {
        c->canceled = true;
        return CURL_READFUNC_ABORT;
    }
    /* Reading a source may itself take long: only what moved counts as a sign of life of the other end. */
    c->moved_ms = clock_mono_ms();
    if (got == 0)
        c->body_ended = true;
    return (size_t)got;
}

/* A kept connection that turned out to be closed: curl starts again from the first byte of a body in memory. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct http_client *c = arg;
    c->answer->stale = c->req.read != NULL;
    if (c->req.read != NULL || origin != SEEK_SET || offset < 0 || (size_t)offset > c->req.body.len)
        return CURL_SEEKFUNC_CANTSEEK;
    c->body_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* Keep the value of the header `name` (with its colon) when `line` is that one. */
static void note_header(struct span line, const char *name, char *out, size_t out_size)
{
    size_t len = strlen(name);
    if (line.len < len || !span_is_nocase(span_make(line.ptr, len), name))
        return;
    struct span value = span_trim(span_make(line.ptr + len, line.len - len));
    (void)snprintf(out, out_size, "%.*s", (int)(value.len > 60 ? 60 : value.len), value.ptr);
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct http_client *c = arg;
    size_t len = size * n;
    c->moved_ms = clock_mono_ms();
    note_header(span_make(data, len), "server:", c->answer->server, sizeof(c->answer->server));
    note_header(span_make(data, len), "last-modified:", c->answer->last_modified, sizeof(c->answer->last_modified));
    if (len > 2)
        return len;
    long status = 0;
    (void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return len; /* "100 Continue" */
    curl_off_t length = -1;
    (void)curl_easy_getinfo(c->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    c->answer->status = (int)status;
    c->answer->content_length = length;
    c->head_done = true;
    if (c->req.head != NULL && !c->req.head(c->req.head_arg, (int)status, length)) {
        c->canceled = true;
        return 0;
    }
    return len;
}

static size_t on_write(char *data, size_t size, size_t n, void *arg)
{
    struct http_client *c = arg;
    size_t len = size * n;
    if (c->streaming && c->stream.len >= BUFFER_SIZE) {
        c->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    c->moved_ms = clock_mono_ms();
    c->answer->received += len;
    if (c->req.max_body != 0 && c->answer->received > c->req.max_body) {
        c->too_long = true;
        return 0;
    }
    if (c->answer->status < 200 || c->answer->status > 299)
        return len;
    if (c->streaming) {
        buf_append(&c->stream, data, len);
    } else if (c->req.write != NULL && !c->req.write(c->req.write_arg, data, len)) {
        c->canceled = true;
        return 0;
    }
    return len;
}

static void set_method(struct http_client *c)
{
    const struct http_request *r = &c->req;
    bool body = r->read != NULL || r->body.ptr != NULL;
    if (body) {
        curl_easy_setopt(c->easy, CURLOPT_UPLOAD, 1L);
        curl_off_t length = r->read != NULL ? (curl_off_t)r->body_length : (curl_off_t)r->body.len;
        curl_easy_setopt(c->easy, CURLOPT_INFILESIZE_LARGE, length);
        curl_easy_setopt(c->easy, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(c->easy, CURLOPT_READDATA, c);
        curl_easy_setopt(c->easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(c->easy, CURLOPT_SEEKDATA, c);
        curl_easy_setopt(c->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_SIZE);
        if (strcmp(r->method, "PUT") != 0)
            curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, r->method);
    } else if (strcmp(r->method, "HEAD") == 0 || r->nobody_wanted) {
        curl_easy_setopt(c->easy, CURLOPT_NOBODY, 1L);
        if (strcmp(r->method, "HEAD") != 0)
            curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, r->method);
    } else if (strcmp(r->method, "GET") != 0) {
        curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, r->method);
    }
}

static void set_headers(struct http_client *c)
{
    const struct http_request *r = &c->req;
    /* No "Expect: 100-continue": storage nodes answer early anyway, and old ones wait a second over it. */
    c->headers = curl_slist_append(NULL, "Expect:");
    if (r->no_keepalive)
        c->headers = curl_slist_append(c->headers, "Connection: close");
    for (size_t i = 0; r->headers != NULL && r->headers[i] != NULL; i++)
        c->headers = curl_slist_append(c->headers, r->headers[i]);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
}

static void start(struct http_client *c, const struct http_request *r, struct http_answer *a, bool streaming)
{
    http_close(c);
    c->req = *r;
    *a = (struct http_answer){.content_length = -1};
    c->answer = a;
    c->head_done = c->done = c->canceled = c->too_long = c->paused = false;
    c->body_ended = r->read == NULL && r->body.len == 0;
    c->body_sent = 0;
    c->streaming = streaming;
    c->started_ms = c->moved_ms = clock_mono_ms();
    c->request_sent_ms = 0;
    c->error[0] = '\0';
    buf_reset(&c->stream);
    curl_easy_reset(c->easy);
    int64_t connect_ms = r->connect_timeout_ms != 0 ? r->connect_timeout_ms : DEFAULT_CONNECT_MS;
    curl_easy_setopt(c->easy, CURLOPT_URL, r->url);
    curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(c->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c->easy, CURLOPT_USERAGENT, c->user_agent);
    curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(c->easy, CURLOPT_BUFFERSIZE, (long)BUFFER_SIZE);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_PATH_AS_IS, 1L);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, c->pool != 0 ? c->pool : 1L);
    if (c->pool == 0)
        curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, 1L);
    set_method(c);
    set_headers(c);
    curl_multi_add_handle(c->multi, c->easy);
    c->active = true;
}

static enum mog_err error_of(const struct http_client *c)
{
    if (c->canceled)
        return MOG_ECANCELED;
    if (c->too_long)
        return MOG_ETOOLONG;
    switch (c->result) {
    case CURLE_OK:
        return MOG_OK;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return MOG_ECONN;
    case CURLE_OPERATION_TIMEDOUT:
        return MOG_ETIMEOUT;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_FAIL_REWIND:
        return MOG_ECLOSED;
    default:
        return MOG_EPROTO;
    }
}

static enum mog_err fail(const struct http_client *c, struct mog_fail *f, enum mog_err e)
{
    const char *why = c->error[0] != '\0' ? c->error : err_text(e);
    return fail_set(f, e, "%s %s: %s", c->req.method, c->req.url, why);
}

/* Milliseconds that the exchange may still take, and what it means when they are over. */
static int64_t time_left(struct http_client *c, const char **what)
{
    int64_t now = clock_mono_ms();
    int64_t silence_ms = c->req.silence_timeout_ms != 0 ? c->req.silence_timeout_ms : DEFAULT_SILENCE_MS;
    int64_t left = c->moved_ms + silence_ms - now;
    *what = "no byte moved";
    if (c->req.total_timeout_ms != 0 && c->started_ms + c->req.total_timeout_ms - now < left) {
        left = c->started_ms + c->req.total_timeout_ms - now;
        *what = "not finished";
    }
    if (c->req.first_byte_timeout_ms != 0 && !c->head_done && c->body_ended) {
        if (c->request_sent_ms == 0)
            c->request_sent_ms = now;
        int64_t first = c->request_sent_ms + c->req.first_byte_timeout_ms - now;
        if (first < left) {
            left = first;
            *what = "no answer";
        }
    }
    return left;
}

static void look_for_end(struct http_client *c)
{
    int left = 0;
    CURLMsg *msg;
    while ((msg = curl_multi_info_read(c->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            c->done = true;
            c->result = msg->data.result;
        }
    }
}

static bool is_ready(const struct http_client *c, bool head_is_enough)
{
    if (c->done)
        return true;
    return c->streaming && (head_is_enough ? c->head_done : c->stream.len != 0);
}

/* Drive the exchange until it is done, or, for a stream, until there is a head or body bytes. */
static enum mog_err drive(struct http_client *c, bool head_is_enough, struct mog_fail *f)
{
    if (c->paused && c->stream.len < BUFFER_SIZE) {
        c->paused = false;
        c->moved_ms = clock_mono_ms();
        curl_easy_pause(c->easy, CURLPAUSE_CONT);
    }
    while (!is_ready(c, head_is_enough)) {
        int running = 0;
        CURLMcode m = curl_multi_perform(c->multi, &running);
        look_for_end(c);
        if (m != CURLM_OK)
            return fail_set(f, MOG_EPROTO, "%s %s: %s", c->req.method, c->req.url, curl_multi_strerror(m));
        if (is_ready(c, head_is_enough))
            break;
        const char *what = "";
        int64_t left = time_left(c, &what);
        if (left <= 0)
            return fail_set(f, MOG_ETIMEOUT, "%s %s: timed out (%s)", c->req.method, c->req.url, what);
        if (c->abort != NULL && atomic_load_explicit(c->abort, memory_order_relaxed))
            return fail_set(f, MOG_ECANCELED, "%s %s: canceled", c->req.method, c->req.url);
        int slice = c->abort != NULL ? 200 : 1000;
        (void)curl_multi_poll(c->multi, NULL, 0, left > slice ? slice : (int)left, NULL);
    }
    if (!c->done)
        return MOG_OK;
    enum mog_err e = error_of(c);
    return e == MOG_OK ? MOG_OK : fail(c, f, e);
}

static void note_reuse(struct http_client *c)
{
    long connects = 0;
    (void)curl_easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &connects);
    c->answer->reused = connects == 0;
}

void http_close(struct http_client *c)
{
    if (!c->active)
        return;
    /* An unfinished transfer takes its connection with it. */
    curl_multi_remove_handle(c->multi, c->easy);
    curl_slist_free_all(c->headers);
    c->headers = NULL;
    c->active = false;
    if (c->stream.cap > 4 * BUFFER_SIZE)
        buf_fini(&c->stream);
}

enum mog_err http_exchange(struct http_client *c, const struct http_request *r, struct http_answer *a,
                           struct mog_fail *f)
{
    start(c, r, a, false);
    enum mog_err e = drive(c, false, f);
    note_reuse(c);
    http_close(c);
    return e;
}

enum mog_err http_open(struct http_client *c, const struct http_request *r, struct http_answer *a, struct mog_fail *f)
{
    start(c, r, &c->kept, true);
    enum mog_err e = drive(c, true, f);
    note_reuse(c);
    *a = c->kept;
    if (e != MOG_OK && c->head_done && c->stream.len != 0)
        return MOG_OK; /* it broke so early that the first bytes came with it: http_read() tells after these */
    if (e != MOG_OK)
        http_close(c);
    return e;
}

enum mog_err http_read(struct http_client *c, char *out, size_t cap, size_t *n, struct mog_fail *f)
{
    *n = 0;
    if (!c->active)
        return fail_set(f, MOG_EINVAL, "no stream is open");
    if (c->stream.len == 0) {
        enum mog_err e = drive(c, false, f);
        if (e != MOG_OK && c->stream.len == 0)
            return e; /* else what came before it broke first, and the failure with the next call */
    }
    *n = c->stream.len < cap ? c->stream.len : cap;
    if (*n == 0)
        return MOG_OK;
    memcpy(out, c->stream.data, *n);
    buf_consume(&c->stream, *n);
    return MOG_OK;
}
