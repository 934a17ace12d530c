/* SPDX-License-Identifier: MIT */
/* What the files of the client port share. Everything belongs to the loop thread unless said. */
#ifndef MOG_TRACKER_NET_SERVER_PRIV_H
#define MOG_TRACKER_NET_SERVER_PRIV_H

#include "common/pool.h"
#include "tracker/net/server.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { RECENT_REQUESTS = 50, SLOW_REQUESTS = 20, MAX_REQUEST_LINE = 1024 * 1024, WATCH_BACKLOG = 1024 * 1024 };

struct conn;

/* One line on its way through a query thread and back. */
struct request {
    struct request *next, *prev; /* in server.requests */
    struct request *done_next;   /* in the mailbox */
    struct server *server;
    struct conn *conn; /* NULL: the client is gone */
    char peer[24];
    struct cmd_client client;
    char *line;
    size_t len;
    int64_t sent_us, run_us;   /* handed to the pool; time in the query thread */
    _Atomic bool started;      /* set by the query thread */
    bool is_held;              /* waits for the first look at the cluster, and is in no pool yet */
    bool was_held;             /* has waited for it */
    enum cmd_kind kind;        /* what it may be run together with; under the pool's lock once it is submitted */
    bool is_refused;           /* set by the query thread: its client may not do that */
    const struct cmd_row *row; /* the command that ran; NULL: unknown. Set by the query thread */
    struct buf reply;          /* written by the query thread, read by the loop after */
};

enum conn_state {
    CONN_READING, /* waits for a line */
    CONN_RUNNING, /* a request is in work: nothing is read */
    CONN_WRITING, /* an answer is not yet written: nothing is read */
};

struct conn {
    struct conn *next, *prev;
    struct server *server;
    int fd;
    enum conn_state state;
    struct event *readable, *writable;
    struct evbuffer *in, *out;
    struct request *request; /* in CONN_RUNNING */
    char peer[24];           /* "1.2.3.4" */
    uint32_t peer_ip;
    struct sockaddr_storage addr;
    bool is_admin;          /* by the allow list */
    bool was_used;          /* a whole line has come */
    size_t scanned;         /* bytes of `in` that are known to hold no line end */
    size_t held;            /* bytes that this client makes us keep: counted in server.held */
    int64_t active_mono_ms; /* its last request came or was answered */
    bool eof;               /* the client has shut its side down */
    bool watching;          /* !watch */
    bool is_armed;          /* `readable` is added */
    bool is_write_armed;    /* `writable` is */
    bool moved;             /* bytes went out since the write time-out was set */
};

struct recent {
    char peer[24];
    char *line;
    double total_s, run_s;
};

/* What one command has cost since the start. */
struct command_cost {
    uint64_t count, total_us, max_us;
};

struct watch_line {
    struct watch_line *next;
    char text[];
};

/*
 * Requests of one kind that are run together: at most TOGETHER_AT_ONCE statements are under way, since more of them
 * would each carry less. Invariants, under `lock`: 1. one joins the list only while all places are taken; who leaves a
 * place takes what waits along, or sends the first of it to the pool to do so (which together_tick() sees to when that
 * one is cancelled). 2. `begun_us` of a place that is free is 0.
 */
enum { TOGETHER_AT_ONCE = 2 };
struct together {
    pthread_mutex_t lock;
    int64_t begun_us[TOGETHER_AT_ONCE];
    struct request *first, **last; /* by done_next */
};

struct server {
    struct event_base *base;
    const struct cmd_shared *shared;
    struct server_ops ops;
    struct event **listeners;
    size_t n_listeners, cap_listeners;
    struct conn *conns;
    _Atomic size_t n_conns;
    struct pool *queries;
    struct together together[CMD_KINDS];
    _Atomic size_t queries_wanted;
    struct request *requests; /* all in work */
    struct event *round_end;  /* runs when all that the loop has just heard of is read; hands in what was asked for */
    struct request *gathered, **gathered_last; /* until then, by done_next */
    size_t n_gathered;
    bool is_ready; /* the first look at the cluster is done */
    int64_t started_mono_ms;
    metric_counter n_queries, n_out_of_workers, n_accepted; /* added to by the loop, read by any thread */
    struct metric_histogram waits;                          /* from the last byte of a request to its thread */
    struct recent recent[RECENT_REQUESTS];
    size_t next_recent;
    struct recent slow[SLOW_REQUESTS]; /* slowest first */
    size_t n_slow;
    struct command_cost *costs; /* by the rows of the table of commands */
    int64_t accept_paused_ms;   /* when accepting may go on; 0: it goes on */
    struct cmd_ctx *instant;    /* for the loop's own commands */
    struct server_access access;
    size_t max_conns, held;    /* connections that there may be; bytes that all clients make us keep */
    int64_t refused_logged_ms; /* the last log line about a refusal */
    size_t n_refused;          /* since then */

    /* From other threads to the loop; the lists are under `lock`, then `wake` is written. */
    pthread_mutex_t lock;
    int wake_fd;
    struct event *wake;
    struct request *done, **done_last;
    struct watch_line *watch_lines, **watch_last;
    size_t watch_bytes;
    _Atomic size_t n_watchers;
};

/* server.c: a query thread hands finished requests back to the loop. Any thread. */
void server_post_done(struct server *s, struct request *const *all, size_t n);

/* together.c: run a request with others of its kind that wait; or leave it to those that are at it. Query threads. */
void together_init(struct server *s);
void together_fini(struct server *s);
void together_run(struct cmd_ctx *ctx, struct request *r);
/* Once a second: those that wait behind a database that hangs, or behind nobody, go on. Loop thread. */
void together_tick(struct server *s);

/* conn.c */
struct conn *conn_new(struct server *s, int fd, const char *peer, const struct sockaddr_storage *addr);
/* Go on where another process was with it: whether it watches, and the part of a line that has come. May free `c`. */
void conn_resume(struct conn *c, bool watching, const char *data, size_t len);
void conn_free(struct conn *c);
/* No more log lines for it. */
void conn_unwatch(struct conn *c);
/* The answer of the request in work; then goes on with what the client has sent meanwhile. */
void conn_answer(struct conn *c, const char *data, size_t len);
/* Whether its client has reset the connection while its request waits for a worker. */
bool conn_is_lost(struct conn *c);
/* Something unasked for (a watched log line). May free `c`. */
void conn_push(struct conn *c, const char *data, size_t len);

/* admin.c: run "!..." (without its first byte); the answer is appended to `out`. False: no answer, close. */
bool admin_run(struct conn *c, struct span line, struct buf *out);

/* access.c */
bool access_allows(const struct server *s, const struct sockaddr_storage *sa);
bool access_is_admin(const struct server *s, const struct sockaddr_storage *sa);
/* Tell the log, not too often. */
void access_refused(struct server *s, const char *peer, const char *what);
/* How many connections there may be, by the limit of descriptors. */
void access_measure(struct server *s);
/* Close connections that are idle, so that one more can be served. False: none is. */
bool access_make_room(struct server *s);
/* Whether this client makes us keep more than its part when all together are over the limit. */
bool access_is_too_much(const struct server *s, const struct conn *c);

/* query.c */
/* A line as it may be shown to people: values of settings are left out, since passwords are among them. */
char *query_shown(const char *line, size_t len);
void query_submit(struct conn *c, char *line /* takes */, size_t len);
/* Whether a line needs neither the database nor a thread: it is answered by the loop itself. */
bool query_is_instant(const struct server *s, const char *line, size_t len);
/* Run such a line (takes it) and append its answer. */
void query_run_now(struct conn *c, char *line, size_t len, struct buf *out);
/* Those that waited for the first look at the cluster go on. */
void query_release(struct server *s);
/* Give a request to the query threads. Loop thread. */
void query_hand_in(struct request *r);
/* Give them all that were gathered; `arg` is the server. Loop thread. */
void query_round_end(int fd, short what, void *arg);
/* A query thread takes a request; has run it; runs one from beginning to end. */
void query_begin(struct request *r, int64_t now_us);
void query_end(struct cmd_ctx *ctx, struct request *r, int64_t started_us);
void query_run(struct cmd_ctx *ctx, struct request *r);
void query_cancel(struct request *r); /* its client is gone */
/* The rows "query_<command>_count" and the like, sorted by name. */
void query_costs(const struct server *s, struct buf *out);
void query_finished(struct request *r); /* in the loop */
struct pool *query_pool_new(struct server *s);
size_t query_waiting(const struct server *s);
size_t query_running(const struct server *s);

#endif
