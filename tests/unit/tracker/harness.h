/* SPDX-License-Identifier: MIT */
/*
 * Commands without a daemon: a scratch SQLite database, a thread that plays the monitor, and one query context. There
 * are two storage hosts that refuse every connection, so that handlers meet storage errors too.
 */
#ifndef MOG_TESTS_HARNESS_H
#define MOG_TESTS_HARNESS_H

#include "common/mem.h"
#include "store/store_schema.h"
#include "store/store_topology.h"
#include "tracker/cluster/cluster_build.h"
#include "tracker/cmd/cmd.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct harness {
    char folder[64], path[96];
    struct store_env *env;
    struct cluster_box *box;
    struct node_shared *nodes;
    struct cmd_shared shared;
    struct cmd_ctx *ctx;
    pthread_t monitor;
};

/* Reload and publish whenever somebody asks; every device is seen as writeable. */
static inline void *harness_monitor(void *arg)
{
    struct harness *h = arg;
    struct store *st = store_new(h->env, STORE_CLIENT);
    uint64_t ticket = 0;
    bool first = true;
    while (!cluster_box_is_stopping(h->box)) {
        if (!cluster_box_wait_request(h->box, first ? 0 : 1000, &ticket) && !first)
            continue;
        first = false;
        struct store_topology t;
        memset(&t, 0, sizeof(t));
        if (store_validate(st) != MOG_OK || store_topology_read(st, &t) != MOG_OK)
            abort();
        struct cluster_observations seen = {.n_hosts = t.hosts.n, .n_devices = t.devices.n};
        seen.hosts = mem_calloc(t.hosts.n, sizeof(*seen.hosts));
        seen.devices = mem_calloc(t.devices.n, sizeof(*seen.devices));
        for (size_t i = 0; i < t.hosts.n; i++)
            seen.hosts[i] = (struct cluster_seen){.id = t.hosts.rows[i].hostid, .host = HOST_REACHABLE};
        for (size_t i = 0; i < t.devices.n; i++)
            seen.devices[i] =
                (struct cluster_seen){.id = t.devices.rows[i].devid, .device = DEVICE_WRITEABLE, .utilization = -1};
        struct cluster_config config = {.min_free_mb = 100, .default_mindevcount = 2};
        cluster_box_publish(h->box, cluster_build(&t, &seen, &config, false));
        free(seen.hosts);
        free(seen.devices);
        store_topology_free(&t);
        cluster_box_round_done(h->box, ticket);
    }
    store_free(st);
    return NULL;
}

/* Run one line; the answer, which the caller frees. */
static inline char *harness_run(struct harness *h, const char *line, size_t len)
{
    struct buf out = BUF_ZERO;
    const struct cmd_client client = {.ip = 0x7f000001, .is_admin = true};
    (void)cmd_run(h->ctx, span_make(line, len), &client, &out);
    return buf_take(&out);
}

static inline void harness_must(struct harness *h, const char *line)
{
    char *answer = harness_run(h, line, strlen(line));
    if (strncmp(answer, "OK ", 3) != 0) {
        (void)fprintf(stderr, "%s: %s", line, answer);
        abort();
    }
    free(answer);
}

static inline void harness_start(struct harness *h)
{
    struct mog_fail f = {0};
    /* In memory where that is possible: thousands of commits follow. */
    (void)snprintf(h->folder, sizeof(h->folder), "%s/mogcmd-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(h->folder) == NULL)
        abort();
    (void)snprintf(h->path, sizeof(h->path), "%s/t.db", h->folder);
    if (store_embedded_create(h->path, &f) != MOG_OK)
        abort();
    char *dsn = mem_printf("DBI:SQLite:%s", h->path);
    struct store_config config = {.dsn = dsn, .hostname = "here"};
    struct node_config node = {.node_timeout_ms = 1000, .conn_pool_size = 1, .stream_port = 1};
    if (store_env_new(&config, &h->env, &f) != MOG_OK)
        abort();
    free(dsn);
    h->box = cluster_box_new();
    h->nodes = node_shared_new(&node);
    h->shared = (struct cmd_shared){.env = h->env, .box = h->box, .nodes = h->nodes, .hostname = "here"};
    h->ctx = cmd_ctx_new(&h->shared);
    if (pthread_create(&h->monitor, NULL, harness_monitor, h) != 0)
        abort();
    if (cluster_box_wait_ready(h->box, 10000) != MOG_OK)
        abort();
    harness_must(h, "create_domain domain=d");
    harness_must(h, "create_class domain=d&class=c&mindevcount=2");
    harness_must(h, "create_host host=h1&ip=127.0.0.1&port=1&status=alive");
    harness_must(h, "create_host host=h2&ip=127.0.0.2&port=1&status=alive");
    harness_must(h, "create_device devid=1&hostname=h1");
    harness_must(h, "create_device devid=2&hostname=h2");
}

static inline void harness_stop(struct harness *h)
{
    cluster_box_stop(h->box);
    pthread_join(h->monitor, NULL);
    cmd_ctx_free(h->ctx);
    cluster_box_free(h->box);
    node_shared_free(h->nodes);
    store_env_free(h->env);
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < 4; i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s%s", h->path, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(h->folder);
}

#endif
