/* SPDX-License-Identifier: MIT */
/*
 * Clusters drawn in a line: "h1[d1* d2] h2(10.0.0.1)[d3*dead d4:50]". '*': holds the copy; words: dead, down, readonly,
 * drain, full, unknown (usage), and "hostdown" before the bracket; ":N": N MB are free of 1000.
 */
#ifndef MOG_TESTS_LAYOUT_H
#define MOG_TESTS_LAYOUT_H

#include "tracker/cluster/cluster_build.h"

#include <stdlib.h>
#include <string.h>

struct layout {
    struct cluster cluster;
    struct cluster_host hosts[8];
    struct cluster_device devices[32];
    struct cluster_setting settings[8];
    uint32_t on[32];
    size_t n_on;
};

static inline bool layout_word(const char **at, const char *word)
{
    size_t len = strlen(word);
    while (**at == ' ')
        ++*at;
    if (strncmp(*at, word, len) != 0)
        return false;
    *at += len;
    return true;
}

static inline void layout_device(struct layout *l, struct cluster_host *h, const char **at)
{
    struct cluster_device *d = &l->devices[l->cluster.n_devices++];
    *d = (struct cluster_device){.devid = (uint32_t)strtoul(*at, (char **)(uintptr_t)at, 10),
                                 .host = h,
                                 .hostid = h->hostid,
                                 .status = DEVICE_ALIVE,
                                 .seen = DEVICE_WRITEABLE,
                                 .weight = 100,
                                 .has_total = true,
                                 .has_used = true,
                                 .mb_total = 1000,
                                 .mb_used = 100,
                                 .utilization = -1};
    if (layout_word(at, "*"))
        l->on[l->n_on++] = d->devid;
    if (layout_word(at, ":"))
        d->mb_used = 1000 - strtoul(*at, (char **)(uintptr_t)at, 10);
    if (layout_word(at, "dead"))
        d->status = DEVICE_DEAD;
    else if (layout_word(at, "down"))
        d->status = DEVICE_DOWN;
    else if (layout_word(at, "readonly"))
        d->status = DEVICE_READONLY;
    else if (layout_word(at, "drain"))
        d->status = DEVICE_DRAIN;
    else if (layout_word(at, "full"))
        d->mb_used = 1000;
    else if (layout_word(at, "unknown"))
        d->has_total = d->has_used = false;
}

static inline void layout_host(struct layout *l, const char **at)
{
    struct cluster_host *h = &l->hosts[l->cluster.n_hosts++];
    *h = (struct cluster_host){.hostid = (uint32_t)strtoul(*at, (char **)(uintptr_t)at, 10),
                               .status = HOST_ALIVE,
                               .seen = HOST_REACHABLE,
                               .name = "host",
                               .ip = "127.0.0.1",
                               .altip = "",
                               .altmask = "",
                               .http_port = 7500};
    if (layout_word(at, "(")) {
        static char ips[8][16];
        size_t len = strcspn(*at, ")");
        char *ip = ips[l->cluster.n_hosts - 1];
        memcpy(ip, *at, len);
        ip[len] = '\0';
        h->ip = ip;
        *at += len + 1;
    }
    if (layout_word(at, "hostdown"))
        h->status = HOST_DOWN;
    if (layout_word(at, "["))
        while (!layout_word(at, "]"))
            if (layout_word(at, "d"))
                layout_device(l, h, at);
}

static inline int layout_by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct cluster_device *)a)->devid, y = ((const struct cluster_device *)b)->devid;
    return x < y ? -1 : x > y;
}

static inline void layout_draw(struct layout *l, const char *text)
{
    memset(l, 0, sizeof(*l));
    l->cluster.config = (struct cluster_config){.min_free_mb = 100, .default_mindevcount = 2};
    while (layout_word(&text, "h"))
        layout_host(l, &text);
    qsort(l->devices, l->cluster.n_devices, sizeof(l->devices[0]), layout_by_id);
    l->cluster.hosts = l->hosts;
    l->cluster.devices = l->devices;
    l->cluster.settings = l->settings;
}

#endif
