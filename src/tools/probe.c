/* SPDX-License-Identifier: MIT */
/* Many short HTTP requests at once: one slow node does not hold up the look at the others. */
#include "tools/probe.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/mem.h"

enum { BODY_MAX = 64 * 1024, THREADS_MAX = 64 };

struct work {
    struct probe *probes;
    size_t n;
    atomic_size_t next;
    int64_t timeout_ms;
};

static bool on_body(void *arg, const char *data, size_t len)
{
    struct probe *p = arg;
    buf_append(&p->body, data, len);
    return true;
}

static void probe_one(struct http_client *http, struct probe *p, int64_t timeout_ms)
{
    struct http_request q = {.method = p->method,
                             .url = p->url,
                             .connect_timeout_ms = timeout_ms,
                             .silence_timeout_ms = timeout_ms,
                             .total_timeout_ms = timeout_ms,
                             .write = on_body,
                             .write_arg = p,
                             .max_body = BODY_MAX};
    p->err = http_exchange(http, &q, &p->answer, &p->fail);
}

static void *probe_thread(void *arg)
{
    struct work *w = arg;
    struct http_client *http = http_client_new("mogilefs-tools/" MOG_VERSION);
    size_t i;
    while ((i = atomic_fetch_add(&w->next, 1)) < w->n)
        probe_one(http, &w->probes[i], w->timeout_ms);
    http_client_free(http);
    return NULL;
}

void probe_run(struct probe *probes, size_t n, unsigned threads, int64_t timeout_ms)
{
    struct work w = {.probes = probes, .n = n, .timeout_ms = timeout_ms};
    pthread_t ids[THREADS_MAX];
    size_t want = threads < n ? threads : n, started = 0;
    if (want > THREADS_MAX)
        want = THREADS_MAX;
    while (started < want && pthread_create(&ids[started], NULL, probe_thread, &w) == 0)
        started++;
    if (started == 0)
        probe_thread(&w);
    for (size_t i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
}

bool probe_ok(const struct probe *p)
{
    return p->err == MOG_OK && p->answer.status >= 200 && p->answer.status <= 299;
}

void probe_fini(struct probe *p)
{
    free(p->url);
    buf_fini(&p->body);
    p->url = NULL;
}
