/* SPDX-License-Identifier: MIT */
/* The table of plugins, and the one that is in it: ZoneLocal, which prefers what is near. */
#include "tracker/policy/hooks.h"

#include "common/mem.h"
#include "tracker/policy/policy_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HOOKS = 8 };

struct hooks {
    const struct hook_ops *ops[MAX_HOOKS];
    size_t n;
    bool has_local;
    struct netmask local; /* the network that this tracker is in */
};

/* Items for which `near` says so move to the front; both parts keep their order. */
static void bring_forward(struct choose_item *items, size_t n, const bool *near)
{
    struct choose_item *far = mem_calloc(n, sizeof(*far));
    size_t n_near = 0, n_far = 0;
    for (size_t i = 0; i < n; i++) {
        if (near[i])
            items[n_near++] = items[i];
        else
            far[n_far++] = items[i];
    }
    for (size_t i = 0; i < n_far; i++)
        items[n_near + i] = far[i];
    free(far);
}

/* ---- ZoneLocal ---- */

static void near_client(const struct hooks *h, const struct cluster *c, uint32_t client_ip, struct choose_item *items,
                        size_t n)
{
    char ip[16];
    (void)h;
    (void)snprintf(ip, sizeof(ip), "%u.%u.%u.%u", client_ip >> 24, client_ip >> 16 & 255, client_ip >> 8 & 255,
                   client_ip & 255);
    char *zone = policy_network_of(c, ip, true);
    bool *near = mem_calloc(n, sizeof(*near));
    for (size_t i = 0; zone[0] != '\0' && i < n; i++) {
        char *other = policy_network_of(c, items[i].device->host != NULL ? items[i].device->host->ip : "", true);
        near[i] = strcmp(other, zone) == 0;
        free(other);
    }
    bring_forward(items, n, near);
    free(near);
    free(zone);
}

static void near_tracker(const struct hooks *h, const struct cluster *c, struct choose_item *items, size_t n)
{
    (void)c;
    bool *near = mem_calloc(n, sizeof(*near));
    for (size_t i = 0; i < n; i++) {
        uint32_t ip = 0;
        near[i] = items[i].device->host != NULL &&
                  netmask_parse_ip(span_of(items[i].device->host->ip), &ip) == MOG_OK && netmask_has(&h->local, ip);
    }
    bring_forward(items, n, near);
    free(near);
}

/* ---- the table ---- */

static const struct hook_ops all_hooks[] = {
    {"ZoneLocal", near_client, near_client, near_tracker},
};

static const struct hook_ops *find(const char *name)
{
    for (size_t i = 0; i < sizeof(all_hooks) / sizeof(all_hooks[0]); i++) {
        if (strcmp(all_hooks[i].name, name) == 0)
            return &all_hooks[i];
    }
    return NULL;
}

bool hooks_exist(const char *name)
{
    return find(name) != NULL;
}

enum mog_err hooks_new(const char *const *names, size_t n, const char *local_network, struct hooks **out,
                       struct mog_fail *f)
{
    struct hooks *h = mem_calloc(1, sizeof(*h));
    enum mog_err e = MOG_OK;
    if (local_network != NULL && local_network[0] != '\0') {
        h->has_local = netmask_parse(span_of(local_network), &h->local) == MOG_OK;
        if (!h->has_local)
            e = fail_set(f, MOG_EINVAL, "local_network: '%s' is not a netmask (a.b.c.d/bits)", local_network);
    }
    for (size_t i = 0; e == MOG_OK && i < n; i++) {
        const struct hook_ops *ops = find(names[i]);
        if (ops == NULL || h->n == MAX_HOOKS)
            e = fail_set(f, MOG_EINVAL, "plugins: there is no '%s'", names[i]);
        else if (ops->order_sources == near_tracker && !h->has_local)
            e = fail_set(f, MOG_EINVAL, "plugins: %s needs the key local_network", names[i]);
        else
            h->ops[h->n++] = ops;
    }
    if (e != MOG_OK) {
        free(h);
        h = NULL;
    }
    *out = h;
    return e;
}

void hooks_free(struct hooks *h)
{
    free(h);
}

void hooks_order_destinations(const struct cluster *c, uint32_t client_ip, struct choose_item *items, size_t n)
{
    const struct hooks *h = c->config.hooks;
    for (size_t i = 0; h != NULL && i < h->n; i++) {
        if (h->ops[i]->order_destinations != NULL)
            h->ops[i]->order_destinations(h, c, client_ip, items, n);
    }
}

void hooks_order_paths(const struct cluster *c, uint32_t client_ip, struct choose_item *items, size_t n)
{
    const struct hooks *h = c->config.hooks;
    for (size_t i = 0; h != NULL && i < h->n; i++) {
        if (h->ops[i]->order_paths != NULL)
            h->ops[i]->order_paths(h, c, client_ip, items, n);
    }
}

void hooks_order_sources(const struct cluster *c, struct choose_item *items, size_t n)
{
    const struct hooks *h = c->config.hooks;
    for (size_t i = 0; h != NULL && i < h->n; i++) {
        if (h->ops[i]->order_sources != NULL)
            h->ops[i]->order_sources(h, c, items, n);
    }
}
