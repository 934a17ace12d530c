/* SPDX-License-Identifier: MIT */
/* What all threads share about storage nodes, and the small requests: size, delete, folders. */
#include "tracker/node/node_priv.h"

#include "common/clock.h"
#include "common/devpath.h"
#include "common/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum { FOLDER_MEMORY_MS = 3600 * 1000, PURGE_EVERY_MS = 300 * 1000, SIDE_LOG_EVERY_MS = 300 * 1000, NO_MKCOL_MAX = 40 };

/* A folder that was made, a device that wants no MKCOL, or a host whose side channel was complained about. */
struct memo {
    UT_hash_handle hh;
    int64_t at_mono_ms;
    char key[];
};

/* Invariant: everything but `stopping` is read and written under `lock`. */
struct node_shared {
    pthread_mutex_t lock;
    struct node_config config;
    struct memo *memos;
    int64_t purged_mono_ms;
    _Atomic bool stopping;
};

struct node_shared *node_shared_new(const struct node_config *config)
{
    struct node_shared *s = mem_calloc(1, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    s->config = *config;
    s->purged_mono_ms = clock_mono_ms();
    return s;
}

void node_shared_free(struct node_shared *s)
{
    if (s == NULL)
        return;
    struct memo *m, *next;
    HASH_ITER(hh, s->memos, m, next)
    {
        HASH_DEL(s->memos, m);
        free(m);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void node_shared_set_config(struct node_shared *s, const struct node_config *config)
{
    pthread_mutex_lock(&s->lock);
    s->config = *config;
    pthread_mutex_unlock(&s->lock);
}

struct node_config node_shared_config(struct node_shared *s)
{
    pthread_mutex_lock(&s->lock);
    struct node_config config = s->config;
    pthread_mutex_unlock(&s->lock);
    return config;
}

void node_shared_stop(struct node_shared *s)
{
    atomic_store(&s->stopping, true);
}

bool node_shared_is_stopping(struct node_shared *s)
{
    return atomic_load(&s->stopping);
}

/* Whether `key` was remembered less than `age_ms` ago. */
static bool memo_is_fresh(struct node_shared *s, const char *key, int64_t age_ms)
{
    struct memo *m = NULL;
    pthread_mutex_lock(&s->lock);
    HASH_FIND_STR(s->memos, key, m);
    bool fresh = m != NULL && clock_mono_ms() - m->at_mono_ms < age_ms;
    pthread_mutex_unlock(&s->lock);
    return fresh;
}

/* Under the lock. */
static void purge(struct node_shared *s, int64_t now)
{
    if (now - s->purged_mono_ms < PURGE_EVERY_MS)
        return;
    s->purged_mono_ms = now;
    struct memo *m, *next;
    HASH_ITER(hh, s->memos, m, next)
    {
        if (now - m->at_mono_ms >= FOLDER_MEMORY_MS) {
            HASH_DEL(s->memos, m);
            free(m);
        }
    }
}

static void memo_set(struct node_shared *s, const char *key)
{
    int64_t now = clock_mono_ms();
    struct memo *m = NULL;
    pthread_mutex_lock(&s->lock);
    purge(s, now);
    HASH_FIND_STR(s->memos, key, m);
    if (m == NULL) {
        size_t len = strlen(key);
        m = mem_calloc(1, sizeof(*m) + len + 1);
        memcpy(m->key, key, len + 1);
        HASH_ADD_STR(s->memos, key, m);
    }
    m->at_mono_ms = now;
    pthread_mutex_unlock(&s->lock);
}

bool node_may_log_side(struct node_shared *s, const char *host)
{
    char key[80];
    (void)snprintf(key, sizeof(key), "side %s", host);
    if (memo_is_fresh(s, key, SIDE_LOG_EVERY_MS))
        return false;
    memo_set(s, key);
    return true;
}

struct node *node_new(struct node_shared *s)
{
    struct node *n = mem_calloc(1, sizeof(*n));
    n->shared = s;
    n->http = http_client_new("MogileFS::Connection::HTTP/" MOG_VERSION);
    n->source = http_client_new("MogileFS::Connection::HTTP/" MOG_VERSION);
    http_client_set_abort(n->http, &s->stopping);
    http_client_set_abort(n->source, &s->stopping);
    http_client_set_pool(n->http, node_shared_config(s).conn_pool_size);
    return n;
}

void node_free(struct node *n)
{
    if (n == NULL)
        return;
    http_client_free(n->http);
    http_client_free(n->source);
    free(n);
}

struct http_client *node_http(struct node *n)
{
    return n->http;
}

void node_set_alive(struct node *n, void (*alive)(void *arg), void *arg)
{
    n->alive = alive;
    n->alive_arg = arg;
}

enum mog_err node_request(struct node *n, const char *method, const char *url, int64_t timeout_ms,
                          struct http_answer *a, struct mog_fail *f)
{
    int64_t total_ms = timeout_ms;
    if (timeout_ms == 0) {
        timeout_ms = node_shared_config(n->shared).node_timeout_ms;
        total_ms = 2 * timeout_ms;
    }
    struct http_request r = {.method = method,
                             .url = url,
                             .connect_timeout_ms = timeout_ms,
                             .first_byte_timeout_ms = timeout_ms,
                             .silence_timeout_ms = timeout_ms,
                             .total_timeout_ms = total_ms,
                             .max_body = 1024 * 1024};
    return http_exchange(n->http, &r, a, f);
}

enum node_size_result node_size(struct node *n, const char *url, int64_t timeout_ms, uint64_t *size, struct mog_fail *f)
{
    struct http_answer a;
    struct mog_fail why = {0};
    enum mog_err e = node_request(n, "HEAD", url, timeout_ms, &a, &why);
    if (e != MOG_OK) {
        (void)fail_set(f, e, "Failed HEAD check for %s (500): %s", url, why.text);
        return NODE_SIZE_UNREACHABLE;
    }
    if (a.status == 404)
        return NODE_SIZE_MISSING;
    if (a.status >= 200 && a.status <= 299 && a.content_length >= 0) {
        *size = (uint64_t)a.content_length;
        return NODE_SIZE_KNOWN;
    }
    if (a.status >= 200 && a.status <= 299 && strncmp(a.server, "lighttpd", 8) == 0) {
        *size = 0; /* it leaves out the length of empty files */
        return NODE_SIZE_KNOWN;
    }
    (void)fail_set(f, MOG_EHTTP, "Failed HEAD check for %s (%d): %s", url, a.status,
                   a.status >= 200 && a.status <= 299 ? "no length" : "HTTP status");
    return NODE_SIZE_UNREACHABLE;
}

enum mog_err node_delete(struct node *n, const char *url, int *status, struct mog_fail *f)
{
    struct http_answer a;
    *status = 0;
    enum mog_err e = node_request(n, "DELETE", url, 0, &a, f);
    if (e != MOG_OK)
        return e;
    *status = a.status;
    if (a.status >= 200 && a.status <= 299)
        return MOG_OK;
    if (a.status == 404)
        return MOG_ENOTFOUND;
    return fail_set(f, MOG_EHTTP, "DELETE %s: HTTP status %d", url, a.status);
}

static void no_mkcol_key(char *out, const struct cluster_device *d)
{
    (void)snprintf(out, NO_MKCOL_MAX, "no mkcol %u", d->devid);
}

bool node_makes_folders(struct node *n, const struct cluster *c, const struct cluster_device *d)
{
    char no_mkcol[NO_MKCOL_MAX];
    if (cluster_setting_is_on(c, "skip_mkcol"))
        return true;
    no_mkcol_key(no_mkcol, d);
    return memo_is_fresh(n->shared, no_mkcol, FOLDER_MEMORY_MS);
}

/* False: this node makes folders by itself, no use in going on. */
static bool make_folder(struct node *n, const struct cluster_device *d, const char *path, struct deadline by)
{
    char base[80], url[CLUSTER_URL_MAX + 8], key[CLUSTER_URL_MAX + 8], no_mkcol[NO_MKCOL_MAX];
    if (d->host == NULL || !cluster_host_base(d->host, CLUSTER_WRITE, false, base, sizeof(base)))
        return false;
    no_mkcol_key(no_mkcol, d);
    if (memo_is_fresh(n->shared, no_mkcol, FOLDER_MEMORY_MS))
        return false;
    (void)snprintf(url, sizeof(url), "%s%s/", base, path);
    (void)snprintf(key, sizeof(key), "made %s", path);
    if (memo_is_fresh(n->shared, key, FOLDER_MEMORY_MS))
        return true;
    struct http_answer a;
    struct mog_fail ignored;
    int64_t left = deadline_left_ms(by);
    if (left == 0 || node_request(n, "MKCOL", url, left, &a, &ignored) != MOG_OK)
        return false;
    if (a.status == 400 || a.status == 501) {
        memo_set(n->shared, no_mkcol);
        return false;
    }
    if ((a.status >= 200 && a.status <= 299) || a.status == 405) /* 405: it is there already */
        memo_set(n->shared, key);
    return true;
}

void node_make_folders(struct node *n, const struct cluster *c, const struct cluster_device *d, uint64_t fid,
                       struct deadline by)
{
    if (cluster_setting_is_on(c, "skip_mkcol"))
        return;
    char path[DEVPATH_MAX];
    devpath_format(path, d->devid, fid);
    /* "/devN/B/MMM/TTT/...": cut at the third, fourth and fifth slash. */
    size_t slashes = 0;
    for (size_t i = 0; path[i] != '\0' && slashes < 5; i++) {
        if (path[i] != '/' || ++slashes < 3)
            continue;
        path[i] = '\0';
        bool go_on = make_folder(n, d, path, by);
        path[i] = '/';
        if (!go_on)
            return;
    }
}

void node_make_test_folder(struct node *n, const struct cluster *c, const struct cluster_device *d, struct deadline by)
{
    if (cluster_setting_is_on(c, "skip_mkcol"))
        return;
    char path[DEVPATH_MAX];
    (void)snprintf(path, sizeof(path), "/dev%u/test-write", d->devid);
    (void)make_folder(n, d, path, by);
}
