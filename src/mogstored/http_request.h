/* SPDX-License-Identifier: MIT */
/* Threads, connections and requests of the HTTP server; shared by the http_*.c files only. */
#ifndef MOG_MOGSTORED_HTTP_REQUEST_H
#define MOG_MOGSTORED_HTTP_REQUEST_H

#include "common/err.h"
#include "common/http_conns.h"
#include "common/httpdate.h"
#include "common/range.h"
#include "common/span.h"
#include "mogstored/device.h"
#include "mogstored/devices.h"
#include "mogstored/dpath.h"
#include "mogstored/http.h"
#include "mogstored/http_chunked.h"
#include "mogstored/http_head.h"
#include "mogstored/md5field.h"
#include "mogstored/upload.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_TARGET_MAX = 8192,             /* bytes of a target that are looked at */
    HTTP_SMALL_BYTES = 64 << 10,        /* files up to this size are sent from memory, together with the head */
    HTTP_BLOCK_BYTES = 64 << 10,        /* pieces of a file that goes through our memory, and of what comes in */
    HTTP_SENDFILE_BYTES = 1 << 20,      /* pieces of a file that does not */
    HTTP_READ_BYTES = 128 << 10,        /* read at once when a disk must be waited for */
    HTTP_BUFFER_BYTES = 256 << 10,      /* of an upload, before it is handed to the disk */
    HTTP_DRAIN_OTHER_BYTES = 64 << 10,  /* body that is dropped to keep a connection: of a GET... */
    HTTP_DRAIN_PUT_BYTES = 1 << 20,     /* ... and of a refused upload */
    HTTP_DRAIN_FAILED_BYTES = 64 << 20, /* ... and of one that failed when a part had come */
    HTTP_LINGER_BYTES = 16 << 20,       /* dropped after the last answer, before the connection is closed */
    HTTP_ANSWER_HEAD_BYTES = 1 << 10,   /* room for the head of any answer */
    HTTP_RETRY_AFTER_S = 10,
    HTTP_SEEN = 256, /* parts of files whose being in memory is remembered, ... */
    HTTP_SEEN_US = 100 * 1000 /* ... for so long: no page goes that soon after it was sent */,
};

struct connection;
struct request;

/* A step of a request on its connection's thread: it sets the answer, starts a job, or goes on with the body. */
typedef void (*request_step_fn)(struct request *r);

struct http_method {
    const char *name;
    enum stats_method counted_as;
    bool is_write; /* needs permission, and is refused on a read-only port */
    bool is_head;
    void (*begin)(struct request *r); /* the head was checked; may set the answer or start a job */
    /* Take some of the `len` bytes of body at `data`, and return how many. NULL: dropped. */
    size_t (*body)(struct request *r, const char *data, size_t len);
    void (*end)(struct request *r); /* the body is there, and no answer yet; NULL: cannot be */
};

/* One port. */
struct http_listener {
    struct http *http;
    int fd;
    enum http_port port;
};

/* A part of a file that was in memory a moment ago. */
struct http_seen {
    uint64_t dev, ino, at;
    int64_t changed_ns; /* the file's ctime */
    int64_t mono_us;    /* when it was asked for; 0: never */
    size_t len;
};

/*
 * One thread and what is its own. Whoever finishes a connection's job, or accepts one for another thread, puts it on
 * `done`; all else is the thread's.
 */
struct http_loop {
    struct http *http;
    pthread_t thread;
    int epoll, wake; /* `wake`: an eventfd, written when `done` gets its first */
    bool is_running, is_deaf /* accepts nothing for a moment */;
    int64_t deaf_until_mono_ms; /* and how long */
    _Atomic(struct connection *) done;
    _Atomic unsigned n_connections;         /* of this thread, and on their way to it */
    struct connection *first, *ready_first; /* all of this thread; those with more to do than is fair at once */
    struct request *spare;                  /* memory for the next request; NULL: none */
    struct http_seen seen[HTTP_SEEN];
    int64_t date_s; /* what `date` says */
    char date[HTTPDATE_SIZE];
    char in[HTTP_BLOCK_BYTES];
    char out[HTTP_ANSWER_HEAD_BYTES + HTTP_BLOCK_BYTES]; /* an answer: its head ends where its body begins */
};

enum connection_state {
    CONNECTION_HEAD,   /* a head is awaited */
    CONNECTION_BODY,   /* the head was taken, and there is more of the body */
    CONNECTION_BUSY,   /* a job or a search runs, and nothing else touches the request */
    CONNECTION_SEND,   /* the answer is being sent */
    CONNECTION_LINGER, /* it was sent, and what still comes is dropped: a reset would destroy it on its way */
};

/* Its loop's, but for what `entry` says, and `done_next`. */
struct connection {
    struct http_conn *entry;
    struct http_loop *loop;
    const struct http_listener *listener;
    struct connection *prev, *next, *ready_prev, *ready_next;
    struct connection *done_next; /* of who finishes its job */
    struct request *request;      /* NULL between requests */
    enum connection_state state;
    bool is_linked;     /* in the list of its loop, which the thread that accepts it may not touch */
    bool is_registered; /* with epoll */
    bool is_readable;   /* there may be something to read */
    bool has_end;       /* the end of what comes is in sight */
    bool is_ready;      /* in the list */
    bool closes;        /* after this answer */
    char *in;           /* bytes that have come and wait for others, or for their turn; NULL: none */
    size_t in_len, in_cap, line;
    char *out; /* what is left of an answer in memory; NULL: nothing */
    size_t out_len, out_at;
    uint64_t dropped; /* while lingering */
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
    const char *content_type; /* static; NULL: nothing is sent of a file */
    struct range part;        /* the bytes to send; last < first: none */
    uint64_t at;              /* the next of them */
    bool is_ours;             /* the kernel tells us what is in memory of it */
    uint64_t dev, ino;        /* which file it is, and as of when */
    int64_t changed_ns;
    bool is_sent_in_pieces;
    bool is_read; /* the whole part is in `memory`, or in the loop's `out` where that is NULL */
    char *memory; /* the part, or a piece of it read by the device's threads; owned */
    uint64_t memory_at, memory_len;
    int read_errno;
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
 * Invariants: 1. While a job or search runs, the connection is CONNECTION_BUSY, and only that job touches the request.
 * 2. `after` is the step to go on with then. 3. `answer.status` is set once.
 * 4. How the body is framed (`body_left`, `chunked`, `head.is_chunked`) is the connection's, job or no job.
 */
struct request {
    struct http *http;
    struct connection *conn;
    const struct http_method *method;
    int64_t started_mono_us;
    bool is_answered;
    uint64_t body_left; /* of a body with a known length */
    uint64_t dropped;
    struct device *dev;

    request_step_fn after;
    void (*work)(struct request *r); /* what `job` does, on the device's threads */
    struct job job;
    struct devices_search search;
    struct answer answer;
    struct request_get get;
    struct request_put put;
    struct http_head head;

    /* What is above is zero at first. */
    struct chunked chunked;
    struct dpath path;
    struct mog_fail fail;
    size_t room;  /* of `bytes` */
    char bytes[]; /* the head as it came, taken apart */
};

/* The request that a job is part of. */
static inline struct request *request_of(struct job *j)
{
    return (struct request *)((char *)j - offsetof(struct request, job));
}

struct http {
    struct http_opts opts;
    struct http_conns *conns;
    struct http_listener listeners[HTTP_LISTENERS_MAX];
    _Atomic size_t n_listeners; /* a loop that is deaf for a moment looks at them */
    struct http_loop *loops;
    size_t n_loops;
    struct stats stats;
    _Atomic bool is_quiescing, is_stopping;
    _Atomic int64_t leave_idle_ms; /* while quiescing */
    _Atomic int accept_errno;      /* why connections could not be accepted; 0: they can */
    pthread_mutex_t listen_lock;   /* held to let loops accept again, and to end that for good */
    pthread_t sweeper;
    bool has_sweeper;
    _Atomic bool is_sweeper_asleep; /* until somebody posts `wake` */
    sem_t wake;
};

/* ---- http_loop.c ---- */

void loop_init(struct http_loop *l, struct http *h);
MOG_MUSTCHECK enum mog_err loop_start(struct http_loop *l, struct mog_fail *f);
/* Let it accept from a listener. Any thread. */
MOG_MUSTCHECK enum mog_err loop_listen(struct http_loop *l, struct http_listener *listener, struct mog_fail *f);
void loop_deafen(struct http_loop *l); /* no more of that; any thread */
/*
 * All loops have been deafened: one may have been woken for a connection that it no longer takes, and nobody else is
 * woken for that one. Any thread.
 */
void loop_accept_rest(struct http_loop *l);
/* http->is_stopping is set: wait for the end of its thread. */
void loop_stop(struct http_loop *l);
/* All threads have ended: close its connections. */
void loop_fini(struct http_loop *l);

/* There is something to look after: a connection, or accept_errno. Any thread. */
void loop_wake_sweeper(struct http *h);

/* A connection's job has ended, or it is new: its thread goes on with it. Any thread; the last that it does with the
 * connection. */
void loop_resume(struct connection *c);
/* There is more to do on it, after the others had their turn. The loop's thread. */
void loop_put_ready(struct connection *c);
void loop_take_ready(struct connection *c); /* out of the list, if it is there */

/* ---- http_connection.c; all on the loop's thread ---- */

/*
 * A connection on socket `fd` (taken), from `sa`, for this loop or for one with fewer: answers what has come already.
 * This one may be called on any thread.
 */
void connection_accept(struct http_loop *l, const struct http_listener *listener, int fd, const struct sockaddr *sa,
                       socklen_t len);
/* Epoll says so. */
void connection_event(struct connection *c, uint32_t events);
/* It is its turn again: after a job, or in the list of ready ones. */
void connection_resumed(struct connection *c);
void connection_run(struct connection *c);
/* With all that it holds. Not while it is CONNECTION_BUSY. */
void connection_close(struct connection *c);

/*
 * Send `head`, and the `len` bytes at `body`, which may be in the loop's `out` behind the room for a head, and are
 * copied otherwise. What the socket does not take now stays for later. `goes_on`: more will follow at once.
 */
void connection_send(struct connection *c, struct span head, const char *body, size_t len, bool goes_on);

enum sent { SENT_ALL, SENT_SOME, SENT_BROKEN };
/* Send from memory: *n is what was taken. SENT_SOME: the socket is full. */
enum sent connection_push(struct connection *c, const char *data, size_t len, bool goes_on, size_t *n);

/* ---- http_request.c; all on the loop's thread, but for the jobs ---- */

/* A request whose head are these bytes, or, `len` 0, one without. Takes them apart, checks and begins. */
void request_begin(struct connection *c, const char *head, size_t len);
/* A connection that begins with something else: it gets this answer, and ends. */
void request_refuse(struct connection *c, int status, const char *text);
/* Body has come: returns how much of it was used. All of it, unless the request is busy then. */
size_t request_body(struct request *r, const char *data, size_t len);
/* Is there somebody who takes it? */
bool request_wants_body(const struct request *r);
/* It is not what a body can be: this is the answer, and the end. */
void request_broken_body(struct request *r, int status, const char *text);
/* The whole body has. */
void request_body_ended(struct request *r);
/* It is over: counters, access log, what it left. `is_whole`: its answer was sent to its end. Frees `r`. */
void request_end(struct request *r, bool is_whole);
void request_free(struct request *r);

/* Set the answer. `text` must live as long as the request, or be NULL. */
void request_answer(struct request *r, int status, const char *text);
/* The same, and close the connection then. */
void request_answer_close(struct request *r, int status, const char *text);

/*
 * Let `work` run on the device's threads, the connection busy meanwhile; then go on with `after`, which finds the
 * answer set if the device stopped. When the queue is full (and it is not urgent): the answer is 503, false, and
 * nothing runs.
 */
bool request_run(struct request *r, void (*work)(struct request *r), request_step_fn after, bool is_urgent);

/* What a step ends with that belongs to the head of the request: it is over, and the body or the answer comes next. */
void request_has_begun(struct request *r);

/* ---- http_reply.c ---- */

/* Send the request's answer. */
void reply_answer(struct request *r);

/* ---- the methods ---- */

void get_begin(struct request *r);
void get_metrics(struct request *r);
/* The headers of an answer that concerns a file, at `at`; returns their end. */
char *get_headers(const struct request *r, char *at);
/* Bytes of body that the answer announces. */
uint64_t get_length(const struct request *r);
/* Send the answer to a GET or HEAD, whose head this is. */
void get_send(struct request *r, struct span head);
/* Go on sending. SENT_SOME also when a job has to read first. */
enum sent get_send_more(struct request *r);
void get_fini(struct request *r);
void put_begin(struct request *r);
size_t put_body(struct request *r, const char *data, size_t len);
/* Room for body that is read straight into it, *len at least 1. put_filled tells how much came. */
char *put_room(struct request *r, size_t *len);
void put_filled(struct request *r, size_t n);
void put_end(struct request *r);
void put_fini(struct request *r, bool is_broken_off);
void delete_begin(struct request *r);
void options_begin(struct request *r);
void mkcol_begin(struct request *r);

/* Append `text`, and return where to go on. Pure. */
char *reply_put(char *at, const char *text);
char *reply_put_u64(char *at, uint64_t n);

#endif
