/* SPDX-License-Identifier: MIT */
/* Blocking HTTP exchanges over libcurl: keep-alive per host, deadlines, streamed bodies. */
#ifndef MOG_COMMON_HTTP_H
#define MOG_COMMON_HTTP_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct http_client; /* one per thread; keeps connections alive */

struct http_client *http_client_new(const char *user_agent);
void http_client_free(struct http_client *c);

/* Most idle connections kept (default 20). */
void http_client_set_pool(struct http_client *c, size_t connections);

/* While `*flag` is true, exchanges end within 200 ms with MOG_ECANCELED. NULL: never. The flag outlives the client. */
void http_client_set_abort(struct http_client *c, const _Atomic bool *flag);

struct http_request {
    const char *method;         /* "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "MKCOL" */
    const char *url;            /* http://host:port/path */
    const char *const *headers; /* NULL-terminated array of "Name: value"; may be NULL */

    int64_t connect_timeout_ms;    /* 0: 2 s */
    int64_t first_byte_timeout_ms; /* from the end of our request to the head of the answer; 0: none */
    int64_t silence_timeout_ms;    /* longest time without a byte in either direction; 0: 10 s */
    int64_t total_timeout_ms;      /* whole exchange; 0: none */

    /*
     * Body to send. `read` fills up to `cap` bytes and returns how many, 0 at the end, or -1 to abort.
     * body_length: bytes, or -1 for chunked. Without `read` no body is sent, unless `body` is given.
     */
    int64_t body_length;
    ssize_t (*read)(void *arg, char *out, size_t cap);
    void *read_arg;
    struct span body; /* a small body in memory, when `read` is NULL */

    /* Body received: return false to abort. NULL: dropped. Only called for statuses 200 to 299. */
    bool (*write)(void *arg, const char *data, size_t len);
    void *write_arg;
    /* Called once when the head of the final answer is there (may be NULL); false aborts. */
    bool (*head)(void *arg, int status, int64_t content_length);
    void *head_arg;
    uint64_t max_body;  /* abort when more arrives (MOG_ETOOLONG); 0: no limit */
    bool no_keepalive;  /* ask for the connection to be closed */
    bool nobody_wanted; /* the answer has no body, whatever the head says (HEAD) */
};

struct http_answer {
    int status;             /* 0 when no answer came */
    int64_t content_length; /* -1 when not told */
    uint64_t received;      /* body bytes */
    char server[64];        /* Server header */
    char last_modified[64]; /* Last-Modified header; "" without */
    bool reused;            /* the connection had been used before */
    bool stale;             /* a kept connection broke at once, and a streamed body cannot begin again by itself */
};

/*
 * Do one exchange. MOG_OK whenever a full answer came, whatever its status; else MOG_ECONN, MOG_ETIMEOUT, MOG_ECLOSED
 * (broken off), MOG_ECANCELED (a callback aborted), MOG_ETOOLONG, MOG_EPROTO; detail in `f`. A kept connection that
 * turns out to be closed is replaced once for requests without a streamed body.
 */
MOG_MUSTCHECK enum mog_err http_exchange(struct http_client *c, const struct http_request *r, struct http_answer *a,
                                         struct mog_fail *f);

/*
 * The same as a stream to read from: http_open sends the request and returns when the head of the answer is there
 * (`write`, `head` are not used); http_read fills up to `cap` bytes, `*n` = 0 at the end of the body; http_close ends
 * it early or late and must follow every http_open that gave MOG_OK. One stream a client at a time; errors as
 * http_exchange.
 */
MOG_MUSTCHECK enum mog_err http_open(struct http_client *c, const struct http_request *r, struct http_answer *a,
                                     struct mog_fail *f);
MOG_MUSTCHECK enum mog_err http_read(struct http_client *c, char *out, size_t cap, size_t *n, struct mog_fail *f);
void http_close(struct http_client *c);

#endif
