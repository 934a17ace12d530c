/* SPDX-License-Identifier: MIT */
/* What the files of this directory share. */
#ifndef MOG_TRACKER_NODE_NODE_PRIV_H
#define MOG_TRACKER_NODE_NODE_PRIV_H

#include "tracker/node/node.h"

struct node {
    struct node_shared *shared;
    struct http_client *http;
    struct http_client *source; /* the reading end of a copy */
    void (*alive)(void *arg);
    void *alive_arg;
};

/* Tell whoever watches that this thread is at work. */
static inline void node_tell_alive(const struct node *n)
{
    if (n->alive != NULL)
        n->alive(n->alive_arg);
}

/*
 * One request without a body; the answer's body is dropped. `timeout_ms` is for all of it; 0: node_timeout to connect,
 * and again to answer.
 */
MOG_MUSTCHECK enum mog_err node_request(struct node *n, const char *method, const char *url, int64_t timeout_ms,
                                        struct http_answer *a, struct mog_fail *f);

/* Whether a complaint about the side channel of `host` may be logged now (once in 300 s). */
bool node_may_log_side(struct node_shared *s, const char *host);

#endif
