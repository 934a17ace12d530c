/* SPDX-License-Identifier: MIT */
/* The HTTP server on port 7500: files of all devices, their usage, and nothing else. */
#ifndef MOG_MOGSTORED_HTTP_H
#define MOG_MOGSTORED_HTTP_H

#include "common/err.h"
#include "mogstored/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access_log;
struct devices;
struct http;
struct settings;

enum {
    HTTP_LISTENERS_MAX = 2,
    HTTP_SURPLUS = 64 /* connections over the limit that are told so */,
    HTTP_LEAVE_IDLE_MS = 5000
};

/* What a port answers. */
enum http_port {
    HTTP_PORT_ALL,
    HTTP_PORT_READING, /* uploads and deletions get 405 */
    HTTP_PORT_METRICS, /* nothing but metrics */
};

struct http_opts {
    struct devices *devices;       /* must outlive the server */
    struct settings *settings;     /* the same */
    struct access_log *access_log; /* NULL: none; the same */
    size_t max_conns;
    unsigned keepalive_s; /* how long an idle connection is kept */
    unsigned threads;     /* 0: by the number of processors */
    struct http *counted; /* the server whose numbers HTTP_PORT_METRICS answers; NULL: there is no such port */
};

struct http *http_new(const struct http_opts *opts);

/*
 * Serve the listening socket `fd` (stays the caller's). At most HTTP_LISTENERS_MAX times. MOG_EIO with the detail in
 * `f`. Starts threads.
 */
MOG_MUSTCHECK enum mog_err http_serve(struct http *h, int fd, enum http_port port, struct mog_fail *f);

/*
 * Accept no more connections, finish what has begun, close what is idle. `is_handed_over`: the listening sockets are
 * shared with another process, and go on for it; a connection is idle only after HTTP_LEAVE_IDLE_MS, since its next
 * request may be on the way.
 */
void http_quiesce(struct http *h, bool is_handed_over);

/* Connections that are open. Any thread. */
size_t http_connections(struct http *h);

/* What concerns no device. */
struct stats *http_stats(struct http *h);

/* Close everything. No job of a device may wait or run any more (devices_stop). */
void http_stop(struct http *h);
void http_free(struct http *h);

#endif
