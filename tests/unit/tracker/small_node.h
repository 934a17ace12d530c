/* SPDX-License-Identifier: MIT */
/* A storage node in memory, on threads of its own: files by path, and one request that it is told to spoil. */
#ifndef MOG_TESTS_SMALL_NODE_H
#define MOG_TESTS_SMALL_NODE_H

#include <arpa/inet.h>
#include <check.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* How a request is spoiled. */
enum small_node_fault {
    NODE_SAYS_500,     /* nothing is done */
    NODE_HANGS_UP,     /* nothing is done, and no answer */
    NODE_LOSES_ANSWER, /* it is done, and no answer */
    NODE_FAULTS
};

struct small_file {
    char path[80], data[120];
    size_t len;
};

/* All but `daemon` and `port` under the lock. */
struct small_node {
    struct MHD_Daemon *daemon;
    uint16_t port;
    pthread_mutex_t lock;
    struct small_file files[64]; /* an empty path is a free place */
    int spoil_at;                /* the request to be spoiled: 1 is the next; 0: none */
    enum small_node_fault fault;
    int spoiled;
};

struct small_request {
    bool has_begun, is_spoiled;
    struct small_file body;
};

static struct small_file *small_find(struct small_node *n, const char *path)
{
    for (size_t i = 0; i < sizeof n->files / sizeof n->files[0]; i++)
        if (strcmp(n->files[i].path, path) == 0)
            return &n->files[i];
    return NULL;
}

static inline void small_put(struct small_node *n, const char *path, const char *data, size_t len)
{
    pthread_mutex_lock(&n->lock);
    struct small_file *f = small_find(n, path);
    if (f == NULL)
        f = small_find(n, "");
    ck_assert_ptr_nonnull(f);
    snprintf(f->path, sizeof f->path, "%s", path);
    memcpy(f->data, data, len);
    f->len = len;
    pthread_mutex_unlock(&n->lock);
}

static inline bool small_has(struct small_node *n, const char *path, const char *data)
{
    pthread_mutex_lock(&n->lock);
    struct small_file *f = small_find(n, path);
    bool has = f != NULL && f->len == strlen(data) && memcmp(f->data, data, f->len) == 0;
    pthread_mutex_unlock(&n->lock);
    return has;
}

static inline void small_empty(struct small_node *n)
{
    pthread_mutex_lock(&n->lock);
    memset(n->files, 0, sizeof n->files);
    n->spoil_at = n->spoiled = 0;
    pthread_mutex_unlock(&n->lock);
}

static inline void small_spoil(struct small_node *n, int at, enum small_node_fault how)
{
    pthread_mutex_lock(&n->lock);
    n->spoil_at = at;
    n->fault = how;
    n->spoiled = 0;
    pthread_mutex_unlock(&n->lock);
}

/* How many were spoiled. */
static inline int small_end_spoiling(struct small_node *n)
{
    pthread_mutex_lock(&n->lock);
    int spoiled = n->spoiled;
    n->spoil_at = n->spoiled = 0;
    pthread_mutex_unlock(&n->lock);
    return spoiled;
}

/* Under the lock: do it; the status. `*found` is what a GET or HEAD gives. */
static unsigned small_do(struct small_node *n, const char *method, const char *url, struct small_request *r,
                         struct small_file **found)
{
    struct small_file *f = small_find(n, url);
    if (strcmp(method, "MKCOL") == 0)
        return 201;
    if (strcmp(method, "PUT") == 0) {
        f = f != NULL ? f : small_find(n, "");
        if (f == NULL)
            return 507;
        snprintf(f->path, sizeof f->path, "%s", url);
        memcpy(f->data, r->body.data, r->body.len);
        f->len = r->body.len;
        return 201;
    }
    if (f == NULL)
        return 404;
    if (strcmp(method, "DELETE") == 0) {
        f->path[0] = '\0';
        return 204;
    }
    *found = f;
    return 200;
}

static enum MHD_Result small_answer(struct small_node *n, struct MHD_Connection *c, const char *method, const char *url,
                                    struct small_request *r)
{
    struct small_file *found = NULL;
    char none[] = "";
    pthread_mutex_lock(&n->lock);
    unsigned status = 500;
    if (!r->is_spoiled || n->fault == NODE_LOSES_ANSWER)
        status = small_do(n, method, url, r, &found);
    bool hangs_up = r->is_spoiled && n->fault != NODE_SAYS_500;
    struct MHD_Response *answer = MHD_create_response_from_buffer(
        found != NULL ? found->len : 0, found != NULL ? found->data : none, MHD_RESPMEM_MUST_COPY);
    pthread_mutex_unlock(&n->lock);
    enum MHD_Result result = hangs_up ? MHD_NO : MHD_queue_response(c, status, answer);
    MHD_destroy_response(answer);
    return result;
}

static enum MHD_Result small_handle(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                                    const char *version, const char *data, size_t *len, void **state)
{
    struct small_node *n = arg;
    (void)version;
    if (*state == NULL) {
        struct small_request *fresh = mem_calloc(1, sizeof *fresh);
        pthread_mutex_lock(&n->lock);
        if (n->spoil_at != 0 && --n->spoil_at == 0) {
            fresh->is_spoiled = true;
            n->spoiled++;
        }
        pthread_mutex_unlock(&n->lock);
        *state = fresh;
        return MHD_YES;
    }
    struct small_request *r = *state;
    if (*len == 0)
        return small_answer(n, c, method, url, r);
    size_t room = sizeof r->body.data - r->body.len, take = *len < room ? *len : room;
    memcpy(r->body.data + r->body.len, data, take);
    r->body.len += take;
    *len = 0;
    return MHD_YES;
}

static void small_end(void *arg, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
    (void)arg;
    (void)c;
    (void)why;
    free(*state);
    *state = NULL;
}

static inline void small_start(struct small_node *n)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pthread_mutex_init(&n->lock, NULL);
    n->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL,
                                 small_handle, n, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at,
                                 MHD_OPTION_NOTIFY_COMPLETED, small_end, NULL, MHD_OPTION_END);
    ck_assert_ptr_nonnull(n->daemon);
    n->port = MHD_get_daemon_info(n->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

static inline void small_stop(struct small_node *n)
{
    MHD_stop_daemon(n->daemon);
    pthread_mutex_destroy(&n->lock);
}

#endif
