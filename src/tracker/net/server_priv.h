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

/*
 * One line on its way through a query thread and back; for some lookups the loop plays the thread's part. That puts it
 * into the figures, sends the answer itself when it can, and leaves the request in the mailbox; the loop is woken only
 * if there is something left to do at once.
 */
struct request {
    struct request *next, *prev; /* in server.requests, or (next alone) among the spare ones */
    struct request *done_next;   /* in the mailbox, or among those that are gathered or wait to go together */
    struct server *server;
    struct conn *conn; /* NULL: the client is gone. Loop thread only */
    int fd;            /* its socket, which is not closed while a thread may send */
    bool closes_fd;    /* its connection is gone, and the socket goes with the request. Loop thread only */
    bool may_send;     /* nothing else is to be sent or read before the answer is out: its thread may send it */
    char peer[24];
    struct cmd_client client;
    char *line;
    size_t len;
    int64_t sent_us, run_us, done_us; /* handed in; time in the query thread; answered */
    _Atomic bool started;             /* set by the query thread */
    _Atomic bool is_told;             /* set by the query thread: it is accounted for, and about to be answered */
    bool is_held;                     /* waits for the first look at the cluster, and is in no pool yet */
    bool was_held;                    /* has waited for it */
    enum cmd_kind kind;               /* what it may be run together with */
    bool has_turn;                    /* it is called, to take others of its kind along */
    bool is_given_up;                 /* no thread runs it, and its connection is to be closed */
    bool is_refused;                  /* set by the query thread: its client may not do that */
    const struct cmd_row *row;        /* the command that ran; NULL: unknown. Set by the query thread */
    struct buf reply;                 /* written by the query thread, read by the loop after */
    size_t sent;                      /* bytes of it that the thread has sent */
    bool is_posted;                   /* under server.lock: it lies in the mailbox */
    bool is_waited_for;               /* under server.lock: the loop has to be woken for it */
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
    struct buf line; /* as query_shown() has it */
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
 * would each carry less; others go beside them only while those are slow. Invariants, under `lock`: 1. while some wait,
 * all places are taken, or one is called: it is on its way to a thread, or has come there and takes the others along
 * next. Who is done at a place takes along what waits then; who leaves it calls the first of them. 2. `begun_us` of a
 * place that is free is 0. 3. At most one is called: what comes before a thread has taken it goes along.
 */
enum { TOGETHER_AT_ONCE = 2 };
struct together {
    pthread_mutex_t lock;
    int64_t usual_us; /* a statement that takes longer is no reason to wait */
    int64_t begun_us[TOGETHER_AT_ONCE];
    struct request *first, **last; /* those that wait, by done_next */
    _Atomic size_t n_waiting;      /* the length of that list; read by any thread */
    bool is_called;
    _Atomic bool is_off; /* it would save nothing now: each is run alone */
};

/*
 * Lookups that the loop answers by itself. `ctx` is the loop's in INLOOP_READY, and that of the query thread that has
 * set it in INLOOP_CONNECTING.
 */
enum inloop_state { INLOOP_NEVER, INLOOP_WANTED, INLOOP_CONNECTING, INLOOP_READY };
struct inloop {
    struct cmd_ctx *ctx; /* NULL: not with this kind of database */
    _Atomic enum inloop_state state;
    _Atomic int64_t connect_at_mono_ms; /* in INLOOP_WANTED: when to try */
    unsigned rest, pause;               /* rounds to be left to the threads, and how many it was the last time */
    metric_counter n_answered;          /* requests; read by any thread */
};

struct server {
    struct event_base *base;
    const struct cmd_shared *shared;
    struct server_ops ops;
    struct event **listeners;
    size_t n_listeners, cap_listeners;
    struct conn *conns;
    struct conn *reading; /* the one that is read from while the mailbox is emptied; NULL once it is freed */
    _Atomic size_t n_conns;
    struct pool *queries;
    struct together together[CMD_KINDS];
    _Atomic size_t queries_wanted;
    struct request *requests; /* all in work */
    struct request *spare;    /* some that have been answered, with their memory */
    size_t n_spare;
    struct event *round_end; /* runs when all that the loop has just heard of is read; hands in what was asked for */
    struct request *gathered, **gathered_last; /* until then, by done_next */
    size_t n_gathered;
    bool is_ready; /* the first look at the cluster is done */
    int64_t started_mono_ms;
    metric_counter n_queries, n_out_of_workers, n_accepted; /* added to by the loop, read by any thread */
    struct metric_histogram waits;                          /* from the last byte of a request until it is taken */
    pthread_mutex_t told_lock;                              /* what is told of requests: */
    struct recent recent[RECENT_REQUESTS];
    size_t next_recent;
    struct recent slow[SLOW_REQUESTS]; /* slowest first */
    size_t n_slow;
    struct command_cost *costs; /* by the rows of the table of commands */

    int64_t accept_paused_ms; /* when accepting may go on; 0: it goes on */
    struct cmd_ctx *instant;  /* for the loop's own commands */
    struct inloop inloop;
    struct server_access access;
    size_t max_conns, held;    /* connections that there may be; bytes that all clients make us keep */
    int64_t refused_logged_ms; /* the last log line about a refusal */
    size_t n_refused;          /* since then */

    /* From other threads to the loop; the lists are under `lock`, then `wake` is written. */
    pthread_mutex_t lock;
    int wake_fd;
    struct event *wake;
    struct request *done, **done_last; /* the mailbox */
    _Atomic bool has_mail;             /* it is not empty, as seen without the lock */
    _Atomic bool is_ending;            /* threads send no answers any more */
    struct watch_line *watch_lines, **watch_last;
    size_t watch_bytes;
    _Atomic size_t n_watchers;
};

/* server.c */
/* Have the loop look into the mailbox now. Any thread. */
void server_wake(struct server *s);
/* Finish all requests that are answered, and go on with what their clients have sent since. May free connections. */
void server_collect(struct server *s);

/* together.c */
void together_init(struct server *s);
void together_fini(struct server *s);
/* Hand in requests (by done_next) of one kind that may go together: at once, or behind those that are at it. Loop
 * thread. */
void together_submit(struct server *s, enum cmd_kind kind, struct request *first);
/* Run a request that has a turn, and those that wait behind it. Query threads. */
void together_run(struct cmd_ctx *ctx, struct request *r);
/* A request is run alone: others of its kind may go together from now on. Query threads. */
void together_seen(struct cmd_ctx *ctx, struct request *r);
/* Whether `r` waited for others, and does not any more: its client is gone. Loop thread. */
bool together_cancel(struct request *r);
/* A request that has a turn does not take it: another one does. Loop thread. */
void together_pass_on(struct server *s, enum cmd_kind kind);
/* A request that has a turn cannot be handed in: returns all that waited for it, by done_next. Loop thread. */
MOG_MUSTCHECK struct request *together_give_up(struct request *r);
/* How many wait for others. Any thread. */
size_t together_waiting(const struct server *s);
/* Once a second: those that wait behind a database that hangs go on. Loop thread. */
void together_tick(struct server *s);

/* inloop.c */
void inloop_init(struct server *s);
void inloop_fini(struct server *s);
/*
 * Answer of some lookups (by done_next), which it takes from them, what can be answered without waiting; returns how
 * many. Loop thread.
 */
MOG_MUSTCHECK size_t inloop_run(struct server *s, struct request **lookups);
/* Make the connection for it, if one is wanted. May wait: query threads. */
void inloop_connect(struct server *s);

/* conn.c */
struct conn *conn_new(struct server *s, int fd, const char *peer, const struct sockaddr_storage *addr);
/* Go on where another process was with it: whether it watches, and the part of a line that has come. May free `c`. */
void conn_resume(struct conn *c, bool watching, const char *data, size_t len);
void conn_free(struct conn *c);
/* No more log lines for it. */
void conn_unwatch(struct conn *c);
/*
 * What is left of the answer of the request in work, perhaps nothing; then goes on with what the client has sent
 * meanwhile. May free `c`.
 */
void conn_answer(struct conn *c, const char *data, size_t len);
/* Whether the answer may go out at once: nothing else is to be sent, and nothing more is known to be asked. */
bool conn_may_be_answered(const struct conn *c);
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
/* Append a line as it may be shown to people: values of settings are left out, since passwords are among them. */
void query_shown(struct buf *out, const char *line, size_t len);
void query_submit(struct conn *c, char *line /* takes */, size_t len);
/* Whether a line is short enough for the loop to read it itself: the time for that grows with its length. */
bool query_is_short(size_t len);
/* Whether a line needs neither the database nor a thread: it is answered by the loop itself. */
bool query_is_instant(const struct server *s, const char *line, size_t len);
/* Run such a line (takes it) and append its answer. */
void query_run_now(struct conn *c, char *line, size_t len, struct buf *out);
/* Those that waited for the first look at the cluster go on. */
void query_release(struct server *s);
/* Give a request to the query threads. Loop thread. */
void query_hand_in(struct request *r);
/* Answer what was gathered, or give it to them; `arg` is the server. Loop thread. */
void query_round_end(int fd, short what, void *arg);
/*
 * A query thread, or the loop in its place, takes a request; has run it; answers those that it has run; does all that
 * for one.
 */
void query_begin(struct request *r, int64_t now_us);
void query_end(struct cmd_ctx *ctx, struct request *r, int64_t started_us);
void query_answer(struct server *s, struct request *const *all, size_t n);
void query_run(struct cmd_ctx *ctx, struct request *r);
/*
 * Do what up to CMD_TOGETHER_MAX of one kind ask for in one round trip, and answer those that could be done so; the
 * others are the first `n_left` of `all` then. Returns what came of asking the database. Added to `n_answered` (may be
 * NULL) before the first one is answered.
 */
enum mog_err query_run_together(struct cmd_ctx *ctx, struct request **all, size_t n, size_t *n_left,
                                metric_counter *n_answered);
/* Whether the answer is there, and server_collect() finds it; if not, the loop is woken when it is. Loop thread. */
bool query_is_answered(struct request *r);
/* The client of `r` is gone. True: it is in work, and the socket is closed with it. Loop thread. */
bool query_cancel(struct request *r);
void query_spares_free(struct server *s);
/* The rows "query_<command>_count" and the like, sorted by name. */
void query_costs(struct server *s, struct buf *out);
void query_finished(struct request *r); /* in the loop */
struct pool *query_pool_new(struct server *s);
size_t query_waiting(const struct server *s);
size_t query_running(const struct server *s);

#endif
