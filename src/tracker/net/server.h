/* SPDX-License-Identifier: MIT */
/*
 * The tracker's client port: connections on the event loop, commands on the query threads, admin commands answered in
 * the loop.
 */
#ifndef MOG_TRACKER_NET_SERVER_H
#define MOG_TRACKER_NET_SERVER_H

#include "common/buf.h"
#include "common/err.h"
#include "common/netlist.h"
#include "common/metric.h"
#include "common/span.h"
#include "tracker/cmd/cmd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct server;

enum { SERVER_MAX_JOBS = 16, SERVER_MAX_WANT = 500 };

/* One class of workers, for !jobs. */
struct server_job {
    const char *name;
    bool was_started; /* false: never had a worker, and is not shown */
    size_t count, desired;
    uint32_t numbers[SERVER_MAX_WANT];
    size_t n_numbers;
};

/* What the server asks of the rest of the tracker. All are called in the loop and must not block. */
struct server_ops {
    void *arg;
    bool (*is_ready)(void *arg); /* the first monitor round is done */
    /* Fill `job` number `i` in alphabetical order, without queryworker; false: no more. */
    bool (*job)(void *arg, size_t i, struct server_job *job);
    bool (*want)(void *arg, struct span job, size_t n);                     /* false: no such job */
    bool (*to)(void *arg, struct span job, struct span text, size_t *told); /* false: no such job */
    void (*counters)(void *arg, struct buf *lines);                         /* "name value\r\n" lines, sorted */
    bool (*status)(void *arg, struct buf *out); /* the cluster's state as one line of JSON; false: none is kept */
    void (*shutdown)(void *arg);
};

/* NULL: the system gives no descriptor. */
struct server *server_new(struct event_base *base, const struct cmd_shared *shared, const struct server_ops *ops);

/* Networks: who may connect, and who may also administer (! commands, and those with CMD_ADMIN). Empty: everybody. */
struct server_access {
    struct netlist allow, admin_allow; /* an administrator need not be in `allow` too */
};
void server_access_fini(struct server_access *a);
/* Takes what `access` holds. Those that are connected are judged anew. Loop thread. */
void server_set_access(struct server *s, struct server_access *access);

/* Accept clients on `fd` (listening, non-blocking; taken). */
MOG_MUSTCHECK enum mog_err server_listen(struct server *s, int fd);

/* The first look at the cluster is done: requests that waited for it go on. Loop thread. */
void server_set_ready(struct server *s);

/* The wanted number of query threads; 0 before the tables were read. Loop thread. */
void server_want_queries(struct server *s, size_t n);

/* Once a second: watches over what has no event of its own. Loop thread. */
void server_tick(struct server *s);

/* The listening sockets, which stay the server's: up to `max` into `fds`; returns how many. */
size_t server_listening(const struct server *s, int *fds, size_t max);
/* No more clients: listening sockets are closed, those connected stay. */
void server_stop_listening(struct server *s);
/*
 * Give away connections that wait for a request: `give(arg, fd, data, len)` is true when another process has it, with
 * what server_adopt() needs to know there. Loop thread.
 */
void server_give(struct server *s, bool (*give)(void *arg, int fd, const void *data, size_t len), void *arg);
/* A connection that was given away (taken). Loop thread. */
void server_adopt(struct server *s, int fd, const void *data, size_t len);

/* Close connections that have waited for a request this long; returns how many are left. Loop thread. */
size_t server_close_idle(struct server *s, int64_t idle_ms);

/* Numbers for monitoring, all of one moment or nearly so. */
struct server_numbers {
    uint64_t uptime_s, clients, accepted, queries, out_of_workers;
    uint64_t in_loop;                      /* lookups answered without a query thread */
    size_t waiting, busy, running, wanted; /* requests without a thread, requests in work; query threads */
};
/* Any thread. */
void server_numbers(struct server *s, struct server_numbers *out);
const struct metric_histogram *server_waits(const struct server *s);

/* Query threads answer no request from here on: the outcome of what is broken off would not be true. Any thread. */
void server_end_answers(struct server *s);
/* Close everything, end the query threads, free. cluster_box_stop() must have been called. */
void server_free(struct server *s);

#endif
