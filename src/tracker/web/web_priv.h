/* SPDX-License-Identifier: MIT */
/* What the files of the HTTP listener share. */
#ifndef MOG_TRACKER_WEB_WEB_PRIV_H
#define MOG_TRACKER_WEB_WEB_PRIV_H

#include "common/http_conns.h"
#include "common/metric.h"
#include "common/pool.h"
#include "tracker/web/web.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdatomic.h>

struct web_request;
struct web_relay;
struct web_relay_job;
struct web_sampler;
struct web_log;

/* What answered, for the numbers. X(name, word) */
#define WEB_HANDLERS(X)                                                                                                \
    X(WEB_HEALTH, "health")                                                                                            \
    X(WEB_METRICS, "metrics")                                                                                          \
    X(WEB_PAGE, "page")                                                                                                \
    X(WEB_API, "api")                                                                                                  \
    X(WEB_GATEWAY, "gateway")                                                                                          \
    X(WEB_REFUSED, "refused")

enum web_handler {
#define X(name, word) name,
    WEB_HANDLERS(X)
#undef X
        WEB_HANDLERS_N
};

enum { WEB_STATUSES = 16, WEB_TARGET_MAX = 8192, WEB_MAX_CONNECTIONS = 1000, WEB_MAX_WAITING = 2000 };

/* Constant after web_start(), but for the numbers, and what has a lock of its own. */
struct web {
    struct web_parts parts;
    struct web_config config; /* owned */
    int fd;
    struct MHD_Daemon *daemon;
    struct http_conns *conns;
    struct pool *pool;
    struct web_sampler *sampler;
    struct web_log *log;
    atomic_bool is_stopping;
    struct web_relay *relay; /* NULL: there is no proxying */
    atomic_size_t whys;      /* questions in work that ask storage nodes */

    metric_counter requests[WEB_HANDLERS_N][WEB_STATUSES];
    struct metric_histogram seconds[WEB_HANDLERS_N];
    metric_counter sent_bytes; /* of files */
};

/* An item of the pool: done by one of its threads, or dropped when it stops or is full. */
struct web_task {
    void (*run)(struct web_task *t, struct cmd_ctx *ctx);
    void (*drop)(struct web_task *t);
};

typedef void web_begin_fn(struct web_request *r);
typedef void web_work_fn(struct web_request *r, struct cmd_ctx *ctx);

/* One request. It belongs to the library's thread, or, while the connection is suspended, to the pool's. */
struct web_request {
    struct web_task task;
    struct web *web;
    struct MHD_Connection *connection;
    struct http_conn *conn;
    int64_t started_mono_us;
    enum web_handler handler;
    bool has_begun, is_head;
    bool closes;                        /* the connection ends with the answer */
    bool is_relayed, is_relay_complete; /* the answer goes past the library; all of it went */
    struct web_relay_job *leaving;      /* to be handed to the relay; NULL: nothing is */
    bool was_deferred;                  /* the call after the suspension is still to come */
    web_work_fn *work;                  /* what the pool is to do */
    int status;                         /* 0: no answer yet */
    struct MHD_Response *response;
    struct span path, query; /* of the target: before and after its first '?' */
    void *own;               /* of the handler */
    void (*own_free)(void *own);
    bool is_too_long; /* the target was cut */
    char target[];
};

/* ---- web_request.c ---- */

/* For the library: when the first line is there, at each step, at the end. */
void *web_request_new(void *web, const char *uri, struct MHD_Connection *connection);
enum MHD_Result web_request_step(void *web, struct MHD_Connection *connection, const char *url, const char *method,
                                 const char *version, const char *data, size_t *size, void **request);
void web_request_completed(void *web, struct MHD_Connection *connection, void **request,
                           enum MHD_RequestTerminationCode code);

/* NULL when absent. */
const char *web_request_header(const struct web_request *r, const char *name);

/* When `work` returns the relay takes over, and sends an answer of this status. The pool's thread. */
void web_request_leave(struct web_request *r, int status, const struct web_relay_job *job /* takes what is in it */);
/* It is sent, or was broken off. The relay. */
void web_request_relayed(struct web_request *r, bool complete);

/* Have `work` done by the pool; it must set an answer. The library's thread. */
void web_request_defer(struct web_request *r, web_work_fn *work);

/* Set the answer; the first one counts. */
void web_answer(struct web_request *r, int status, struct MHD_Response *response /* takes */);
/* `text` and a line end, as plain text. */
void web_answer_text(struct web_request *r, int status, const char *text);
/* The bytes of `body`, which is empty afterwards; never to be kept by caches. */
void web_answer_buf(struct web_request *r, int status, const char *type, struct buf *body);
/* Add a header to an answer that is set. */
void web_answer_header(struct web_request *r, const char *name, const char *value);

/* The status behind index `i` of web.requests; 0: any other. */
int web_status_of(size_t i);

/* ---- web_host.c ---- */

/* Whether a client may call us by this Host header: an address, localhost, the host's name, or one of http_hosts. */
bool web_host_is_allowed(const char *host, const char *hostname, const struct opt_list *hosts);

/* ---- web_metrics.c ---- */
web_begin_fn web_metrics_begin, web_health_begin, web_ready_begin;
/* Why clients are not served; NULL: they are. */
const char *web_not_ready(const struct web *w);
void web_metrics_write(struct web *w, struct buf *out);

/* ---- web_page.c, web_status.c, web_why.c ---- */
web_begin_fn web_page_begin, web_status_begin, web_why_begin;
/* The document (takes it), for this origin's scripts alone. */
void web_answer_json(struct web_request *r, int status, json_t *doc);

#endif
