/* SPDX-License-Identifier: MIT */
/* What a tracker knows of its cluster (hosts, devices, domains, classes, settings), as plain structs. */
#include "tools/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/num.h"
#include "tools/kvindex.h"

/* An answer says how many items follow; no cluster has more than this. */
enum { ITEMS_MAX = 10 * 1000 * 1000 };

static void free_hosts(struct cluster *c)
{
    for (size_t i = 0; i < c->n_hosts; i++) {
        struct cluster_host *h = &c->hosts[i];
        free(h->name);
        free(h->status);
        free(h->ip);
        free(h->altip);
        free(h->altmask);
    }
    free(c->hosts);
    c->hosts = NULL;
    c->n_hosts = 0;
}

static void free_devices(struct cluster *c)
{
    for (size_t i = 0; i < c->n_devices; i++) {
        free(c->devices[i].status);
        free(c->devices[i].observed);
        free(c->devices[i].utilization);
    }
    free(c->devices);
    c->devices = NULL;
    c->n_devices = 0;
}

static void free_domains(struct cluster *c)
{
    for (size_t i = 0; i < c->n_domains; i++) {
        struct cluster_domain *d = &c->domains[i];
        for (size_t j = 0; j < d->n_classes; j++) {
            free(d->classes[j].name);
            free(d->classes[j].replpolicy);
            free(d->classes[j].hashtype);
        }
        free(d->classes);
        free(d->name);
    }
    free(c->domains);
    c->domains = NULL;
    c->n_domains = 0;
}

static void free_settings(struct cluster *c)
{
    for (size_t i = 0; i < c->n_settings; i++) {
        free(c->settings[i].key);
        free(c->settings[i].value);
    }
    free(c->settings);
    c->settings = NULL;
    c->n_settings = 0;
}

void cluster_fini(struct cluster *c)
{
    free_hosts(c);
    free_devices(c);
    free_domains(c);
    free_settings(c);
}

/* How many items an answer has: never more than it has pairs. */
static size_t count_of(const struct kv *k, const char *name)
{
    uint64_t n = kv_u64(k, name, 0);
    if (n > k->n)
        n = k->n;
    return n > ITEMS_MAX ? ITEMS_MAX : (size_t)n;
}

/* ---- loading ---- */

static int by_hostid(const void *a, const void *b)
{
    const struct cluster_host *x = a, *y = b;
    return (x->hostid > y->hostid) - (x->hostid < y->hostid);
}

static int by_devid(const void *a, const void *b)
{
    const struct cluster_device *x = a, *y = b;
    return (x->devid > y->devid) - (x->devid < y->devid);
}

static int by_domain(const void *a, const void *b)
{
    const struct cluster_domain *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int by_class(const void *a, const void *b)
{
    const struct cluster_class *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int by_key(const void *a, const void *b)
{
    const struct cluster_setting *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static void sort(void *items, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
    if (n > 1)
        qsort(items, n, size, cmp);
}

enum mog_err cluster_load_hosts(struct cluster *c, struct client *client, struct mog_fail *f)
{
    struct client_answer a = CLIENT_ANSWER_ZERO;
    free_hosts(c);
    enum mog_err e = client_request(client, "get_hosts", NULL, &a, f);
    if (e == MOG_OK) {
        struct kvindex x;
        kvindex_init(&x, &a.args);
        size_t n = count_of(&a.args, "hosts");
        c->hosts = mem_calloc(n + 1, sizeof *c->hosts);
        for (size_t i = 1; i <= n; i++) {
            struct cluster_host *h = &c->hosts[c->n_hosts++];
            (void)kvindex_u64(&x, &h->hostid, "host%zu_hostid", i);
            h->name = kvindex_dup(&x, "host%zu_hostname", i);
            h->status = kvindex_dup(&x, "host%zu_status", i);
            h->ip = kvindex_dup(&x, "host%zu_hostip", i);
            h->altip = kvindex_dup(&x, "host%zu_altip", i);
            h->altmask = kvindex_dup(&x, "host%zu_altmask", i);
            (void)kvindex_u64(&x, &h->port, "host%zu_http_port", i);
            (void)kvindex_u64(&x, &h->get_port, "host%zu_http_get_port", i);
        }
        sort(c->hosts, c->n_hosts, sizeof *c->hosts, by_hostid);
        kvindex_fini(&x);
    }
    client_answer_fini(&a);
    return e;
}

enum mog_err cluster_load_devices(struct cluster *c, struct client *client, struct mog_fail *f)
{
    struct client_answer a = CLIENT_ANSWER_ZERO;
    free_devices(c);
    enum mog_err e = client_request(client, "get_devices", NULL, &a, f);
    if (e == MOG_OK) {
        struct kvindex x;
        kvindex_init(&x, &a.args);
        size_t n = count_of(&a.args, "devices");
        c->devices = mem_calloc(n + 1, sizeof *c->devices);
        for (size_t i = 1; i <= n; i++) {
            struct cluster_device *d = &c->devices[c->n_devices++];
            (void)kvindex_u64(&x, &d->devid, "dev%zu_devid", i);
            (void)kvindex_u64(&x, &d->hostid, "dev%zu_hostid", i);
            d->status = kvindex_dup(&x, "dev%zu_status", i);
            d->observed = kvindex_dup(&x, "dev%zu_observed_state", i);
            d->utilization = kvindex_dup(&x, "dev%zu_utilization", i);
            char *weight = kvindex_dup(&x, "dev%zu_weight", i);
            d->weight = num_perl_int(span_of(weight));
            free(weight);
            bool used = kvindex_u64(&x, &d->mb_used, "dev%zu_mb_used", i);
            d->usage_known = kvindex_u64(&x, &d->mb_total, "dev%zu_mb_total", i) && used;
        }
        sort(c->devices, c->n_devices, sizeof *c->devices, by_devid);
        kvindex_fini(&x);
    }
    client_answer_fini(&a);
    return e;
}

static void load_classes(struct cluster_domain *d, const struct kvindex *x, size_t i)
{
    uint64_t n;
    (void)kvindex_u64(x, &n, "domain%zuclasses", i);
    if (n > x->n)
        n = x->n;
    d->classes = mem_calloc((size_t)n + 1, sizeof *d->classes);
    for (size_t j = 1; j <= n; j++) {
        struct cluster_class *cl = &d->classes[d->n_classes++];
        cl->name = kvindex_dup(x, "domain%zuclass%zuname", i, j);
        cl->replpolicy = kvindex_dup(x, "domain%zuclass%zureplpolicy", i, j);
        cl->hashtype = kvindex_dup(x, "domain%zuclass%zuhashtype", i, j);
        (void)kvindex_u64(x, &cl->mindevcount, "domain%zuclass%zumindevcount", i, j);
    }
    sort(d->classes, d->n_classes, sizeof *d->classes, by_class);
}

enum mog_err cluster_load_domains(struct cluster *c, struct client *client, struct mog_fail *f)
{
    struct client_answer a = CLIENT_ANSWER_ZERO;
    free_domains(c);
    enum mog_err e = client_request(client, "get_domains", NULL, &a, f);
    if (e == MOG_OK) {
        struct kvindex x;
        kvindex_init(&x, &a.args);
        size_t n = count_of(&a.args, "domains");
        c->domains = mem_calloc(n + 1, sizeof *c->domains);
        for (size_t i = 1; i <= n; i++) {
            struct cluster_domain *d = &c->domains[c->n_domains++];
            d->name = kvindex_dup(&x, "domain%zu", i);
            load_classes(d, &x, i);
        }
        sort(c->domains, c->n_domains, sizeof *c->domains, by_domain);
        kvindex_fini(&x);
    }
    client_answer_fini(&a);
    return e;
}

enum mog_err cluster_load_settings(struct cluster *c, struct client *client, struct mog_fail *f)
{
    struct client_answer a = CLIENT_ANSWER_ZERO;
    free_settings(c);
    enum mog_err e = client_request(client, "server_settings", NULL, &a, f);
    if (e == MOG_OK) {
        struct kvindex x;
        kvindex_init(&x, &a.args);
        size_t n = count_of(&a.args, "key_count");
        c->settings = mem_calloc(n + 1, sizeof *c->settings);
        for (size_t i = 1; i <= n; i++) {
            struct cluster_setting *s = &c->settings[c->n_settings++];
            s->key = kvindex_dup(&x, "key_%zu", i);
            s->value = kvindex_dup(&x, "value_%zu", i);
        }
        sort(c->settings, c->n_settings, sizeof *c->settings, by_key);
        kvindex_fini(&x);
    }
    client_answer_fini(&a);
    return e;
}

/* ---- looking up ---- */

const struct cluster_host *cluster_host_find(const struct cluster *c, uint64_t hostid)
{
    for (size_t i = 0; i < c->n_hosts; i++) {
        if (c->hosts[i].hostid == hostid)
            return &c->hosts[i];
    }
    return NULL;
}

const struct cluster_host *cluster_host_by_name(const struct cluster *c, const char *name)
{
    for (size_t i = 0; i < c->n_hosts; i++) {
        if (strcmp(c->hosts[i].name, name) == 0)
            return &c->hosts[i];
    }
    return NULL;
}

const struct cluster_device *cluster_device_find(const struct cluster *c, uint64_t devid)
{
    for (size_t i = 0; i < c->n_devices; i++) {
        if (c->devices[i].devid == devid)
            return &c->devices[i];
    }
    return NULL;
}

const struct cluster_domain *cluster_domain_by_name(const struct cluster *c, const char *name)
{
    for (size_t i = 0; i < c->n_domains; i++) {
        if (strcmp(c->domains[i].name, name) == 0)
            return &c->domains[i];
    }
    return NULL;
}

const struct cluster_class *cluster_class_by_name(const struct cluster_domain *d, const char *name)
{
    for (size_t i = 0; i < d->n_classes; i++) {
        if (strcmp(d->classes[i].name, name) == 0)
            return &d->classes[i];
    }
    return NULL;
}

const char *cluster_setting(const struct cluster *c, const char *key)
{
    for (size_t i = 0; i < c->n_settings; i++) {
        if (strcmp(c->settings[i].key, key) == 0)
            return c->settings[i].value;
    }
    return NULL;
}
