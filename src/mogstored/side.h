/* SPDX-License-Identifier: MIT */
/* The side channel on port 7501: sizes, digests, utilisation, and the switch to turn the daemon off. */
#ifndef MOG_MOGSTORED_SIDE_H
#define MOG_MOGSTORED_SIDE_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct devices;
struct http;
struct settings;
struct side;

enum { SIDE_LEAVE_IDLE_MS = 5000 };

struct side_opts {
    struct devices *devices;   /* must outlive the channel */
    struct settings *settings; /* the same */
    struct http *http;         /* for its numbers; may be NULL */
    size_t max_clients;        /* at a time; 0: the default */
    bool has_iostat;           /* else `watch` shows "-" */
    /* `shutdown`: at once, or gracefully within `limit_s` (0: the default). On the channel's thread; returns at once.
     */
    void (*stop)(void *arg, bool is_graceful, uint64_t limit_s);
    void *stop_arg;
};

struct side *side_new(const struct side_opts *opts);

/* Serve the listening socket `fd` (stays the caller's) on a thread of its own. MOG_EIO with the detail in `f`. */
MOG_MUSTCHECK enum mog_err side_serve(struct side *s, int fd, struct mog_fail *f);

/*
 * Another process serves new connections: accept none, close watchers, and all others when they have been idle for
 * SIDE_LEAVE_IDLE_MS. Returns at once; side_clients() says how many are left. Any thread.
 */
void side_quiesce(struct side *s);
size_t side_clients(struct side *s);

/*
 * Close all connections and end the thread. Digests that run are canceled; they must have ended (devices_stop) before
 * side_free.
 */
void side_stop(struct side *s);
void side_free(struct side *s);

#endif
