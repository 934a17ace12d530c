/* SPDX-License-Identifier: MIT */
/*
 * Large files on their way from storage nodes to clients: one thread moves the bytes of all of them within the kernel,
 * through a pipe each, so that neither their length nor slow clients cost memory or threads.
 */
#ifndef MOG_TRACKER_WEB_WEB_RELAY_H
#define MOG_TRACKER_WEB_WEB_RELAY_H

#include "tracker/web/web_origin.h"
#include "tracker/web/web_priv.h"

struct web_relay;

/* NULL: the system gives no thread, or no descriptors. */
struct web_relay *web_relay_start(struct web *w);
/* Breaks off what is on its way, and refuses what comes later. Then, when nothing can come any more, free it. */
void web_relay_stop(struct web_relay *r);
void web_relay_free(struct web_relay *r); /* NULL is fine */

/* One file, or a part of it. */
struct web_relay_job {
    char (*urls)[CLUSTER_URL_MAX]; /* copies; taken */
    size_t n, at;                  /* how many, and the one that `origin_fd` reads */
    struct web_origin origin;      /* what was asked of that one */
    int origin_fd;                 /* from web_origin_open(); taken */
    struct buf head;               /* of the answer; taken */
};

/*
 * Send the answer to the request's client, past the HTTP library: its connection must be suspended, and ends with the
 * answer. When a copy breaks off, another one goes on at that byte. The request goes on (and its connection to its end)
 * when all is sent, or cannot be. Pool threads.
 */
void web_relay_add(struct web_relay *relay, struct web_request *r, struct web_relay_job *job /* takes */);

#endif
