/* SPDX-License-Identifier: MIT */
/*
 * What the tracker shows over HTTP, for reading only: health, metrics, a page about the cluster, and a gateway to
 * files. An own thread of the HTTP library talks to clients; what asks the database or storage nodes runs on a pool.
 */
#ifndef MOG_TRACKER_WEB_WEB_H
#define MOG_TRACKER_WEB_WEB_H

#include "common/buf.h"
#include "common/err.h"
#include "common/opt.h"
#include "tracker/cmd/cmd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jobs;
struct monitor;
struct server;
struct web;

enum web_gateway { WEB_GATEWAY_OFF, WEB_GATEWAY_REDIRECT, WEB_GATEWAY_ACCEL, WEB_GATEWAY_PROXY };

/* "off" (or ""), "redirect", "accel", "proxy". MOG_EINVAL with a text in `f`. */
MOG_MUSTCHECK enum mog_err web_gateway_parse(const char *word, enum web_gateway *out, struct mog_fail *f);

struct web_config {
    enum web_gateway gateway;
    struct opt_list domains;   /* that the gateway serves */
    const char *cache_control; /* of the gateway's answers; NULL or "": none */
    struct opt_list hosts;     /* names that clients may call this host, beside its own */
    size_t threads;            /* for what waits */
};

/* What is shown. All of it outlives the web. */
struct web_parts {
    const struct cmd_shared *cmd;
    struct jobs *jobs;
    struct server *server;
    struct monitor *monitor;
    const char *hostname;
    const char *name; /* "host:port" of the client port */
};

/* Serve the listening socket `fd` (taken on success). `config` is copied. MOG_EIO. Starts threads. */
MOG_MUSTCHECK enum mog_err web_start(const struct web_parts *parts, const struct web_config *config, int fd,
                                     struct web **out, struct mog_fail *f);

/*
 * Append the cluster's state as one line of JSON without a line end: see mogilefs-status(7). Of the points of the last
 * hour those later than `after_unix_s`. From memory, any thread.
 */
void web_status_write(struct web *w, int64_t after_unix_s, struct buf *out);

/* Once a second: slow clients are hung up. Any one thread; NULL is fine. */
void web_tick(struct web *w);

/* The listening socket, which stays the web's. */
int web_listening(const struct web *w);
/* No more clients: the listening socket is closed, those connected stay. NULL is fine. */
void web_stop_listening(struct web *w);
/* Hang up those that have sent no request for `idle_ms`; returns how many are left. NULL is fine. */
size_t web_close_idle(struct web *w, int64_t idle_ms);

/*
 * Ends its threads and frees; cluster_box_stop() and node_shared_stop() must have been called, so that nothing waits
 * long. Before the parts are freed. NULL is fine.
 */
void web_stop(struct web *w);

#endif
