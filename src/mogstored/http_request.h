/* SPDX-License-Identifier: MIT */
/* One HTTP request from its first line to its end; shared by the http_*.c files only. */
#ifndef MOG_MOGSTORED_HTTP_REQUEST_H
#define MOG_MOGSTORED_HTTP_REQUEST_H

#include "common/err.h"
#include "common/span.h"
#include "mogstored/device.h"
#include "mogstored/devices.h"
#include "mogstored/dpath.h"
#include "mogstored/http.h"
#include "common/http_conns.h"
#include "mogstored/md5field.h"
#include "common/range.h"
#include "mogstored/upload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

enum {
    HTTP_TARGET_MAX = 8192,             /* bytes of a target that are looked at */
    HTTP_SMALL_BYTES = 16 << 10,        /* files up to this size are sent from memory, together with the head */
    HTTP_BLOCK_BYTES = 64 << 10,        /* pieces of a larger file, for a connection that is being sent to */
    HTTP_READ_BYTES = 128 << 10,        /* read at once when a disk must be waited for */
    HTTP_BUFFER_BYTES = 256 << 10,      /* of an upload, before it is handed to the disk */
    HTTP_DRAIN_OTHER_BYTES = 64 << 10,  /* body that is dropped to keep a connection: of a GET... */
    HTTP_DRAIN_PUT_BYTES = 1 << 20,     /* ... and of a refused upload */
    HTTP_DRAIN_FAILED_BYTES = 64 << 20, /* ... and of one that failed when a part had come */
    HTTP_SEND_LIMIT_S = 30,             /* for a reader that takes nothing */
    HTTP_RETRY_AFTER_S = 10,
    REQUEST_SPARES = 16,
};

struct request;

/* The headers that somebody asks for. */
enum request_field {
    FIELD_CONTENT_LENGTH,
    FIELD_CONTENT_MD5,
    FIELD_CONTENT_RANGE,
    FIELD_EXPECT,
    FIELD_IF_MODIFIED_SINCE,
    FIELD_IF_RANGE,
    FIELD_RANGE,
    FIELD_TRAILER,
    FIELD_TRANSFER_ENCODING,
    REQUEST_FIELDS,
};

/*
 * A step of a request on its connection's thread. `data` and `*size` are the piece of the body at hand, as the library
 * offers it (*size 0: none); what is taken is subtracted from *size.
 */
typedef enum MHD_Result (*request_step_fn)(struct request *r, const char *data, size_t *size);

struct http_method {
    const char *name;
    enum stats_method counted_as;
    bool is_write; /* needs permission, and is refused on a read-only port */
    bool is_head;
    void (*begin)(struct request *r); /* the head was checked; may set the answer or start a job */
    request_step_fn body;             /* NULL: dropped */
    request_step_fn end;              /* the body is there, and no answer yet; NULL: cannot be */
};

/* One port. */
struct http_listener {
    struct http *http;
    struct MHD_Daemon *daemon;
    int fd;
    bool is_readonly;
};

struct answer {
    int status;       /* 0: not known yet */
    const char *text; /* NULL: no body. Static, or in the request */
    bool closes;
};

/* What is to be sent of a file. */
struct request_get {
    int fd;
    uint64_t size;
    int64_t modified_s;
    struct range part; /* the bytes to send; last < first: none */
    char *small;       /* room for HTTP_SMALL_BYTES; outlives the request; NULL: never needed yet */
    char *memory;      /* the part, or a piece of it read by the device's threads; owned, unless it is `small` */
    uint64_t memory_at, memory_len;
    bool is_read; /* `memory` holds the whole part */
    int read_errno;
    bool has_send_limit; /* the connection's timeout is that of a stalled reader */
};

struct request_put {
    struct upload upload;
    char *buffer;
    size_t used, cap;
    uint64_t received;
    bool has_md5, md5_announced, is_open;
    uint8_t md5[MD5FIELD_BYTES];
    enum mog_err result;
    char mismatch[160];
};

/*
 * Invariants: 1. While a job or search runs, the connection is suspended and only that job touches the request.
 * 2. `after` is the step to go on with when it has resumed the connection. 3. `answer.status` is set once.
 */
struct request {
    struct http_listener *listener;
    struct http *http;
    struct MHD_Connection *connection;
    struct http_conn *conn;
    const struct http_method *method;
    const char *method_name;
    int64_t started_mono_us;
    bool has_begun, is_answered;

    const char *fields[REQUEST_FIELDS]; /* values, in the library's memory; of several the first; NULL: absent */
    bool has_length, is_chunked, has_expect;
    uint64_t length; /* Content-Length */
    uint64_t dropped;
    struct device *dev;

    request_step_fn after;
    void (*work)(struct request *r); /* what `job` does, on the device's threads */
    struct job job;
    struct devices_search search;
    struct answer answer;
    struct request_get get;
    struct request_put put;
    size_t target_len;

    /* What is above is zero at first. */
    struct dpath path;
    struct mog_fail fail;
    char target[]; /* NUL-terminated, as sent */
};

/* Each with a cache line of its own. */
struct request_place {
    _Alignas(64) _Atomic(struct request *) spare;
};

struct http {
    struct request_place spares[REQUEST_SPARES];
    struct http_opts opts;
    struct http_conns *conns;
    struct http_listener listeners[HTTP_LISTENERS_MAX];
    size_t n_listeners;
    struct stats stats;
    _Atomic bool is_quiescing;
    _Atomic int64_t leave_idle_ms; /* while quiescing */
    pthread_t sweeper;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping; /* under `lock` */
    bool has_sweeper;
};

/* http_request.c: the callbacks of the library. */
void *request_new(void *listener, const char *uri, struct MHD_Connection *connection);
enum MHD_Result request_handle(void *listener, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **request);
void request_completed(void *listener, struct MHD_Connection *connection, void **request,
                       enum MHD_RequestTerminationCode code);

/* http_spare.c */
/* Memory for a request whose target has `target_len` bytes: zero, but for what follows it. Any thread. */
struct request *request_take(struct http *h, size_t target_len);
/* Takes it back. Any thread. */
void request_give(struct request *r);
void request_free_spares(struct http *h); /* when no request is left */

/* Set the answer. `text` must live as long as the request, or be NULL. */
void request_answer(struct request *r, int status, const char *text);
/* The same, and close the connection then. */
void request_answer_close(struct request *r, int status, const char *text);

/*
 * Suspend the connection and let `work` run on the device's threads; then go on with `after`, which finds the answer
 * set if the device stopped meanwhile. When the queue is full (and it is not urgent): the answer is 503, false, and
 * nothing is suspended.
 */
bool request_run(struct request *r, void (*work)(struct request *r), request_step_fn after, bool is_urgent);

/* What a step returns that belongs to the head of the request: it is over, and the body or the answer comes next. */
enum MHD_Result request_has_begun(struct request *r);

/* Goes on with the body, or queues the answer: what steps after the head return. */
enum MHD_Result request_continue(struct request *r, const char *data, size_t *size);

/* http_reply.c */
/* Queue the request's answer. */
enum MHD_Result reply_answer(struct request *r);
/* Queue `response` (taken) with the headers that all answers have. */
enum MHD_Result reply_queue(struct request *r, int status, struct MHD_Response *response, bool closes);

/* The methods. */
void get_begin(struct request *r);
/* Queue the answer to a GET or HEAD that concerns a file. */
enum MHD_Result get_reply(struct request *r);
void get_fini(struct request *r);
void put_begin(struct request *r);
enum MHD_Result put_body(struct request *r, const char *data, size_t *size);
enum MHD_Result put_end(struct request *r, const char *data, size_t *size);
void put_fini(struct request *r, bool is_broken_off);
void delete_begin(struct request *r);
void options_begin(struct request *r);
void mkcol_begin(struct request *r);

#endif
