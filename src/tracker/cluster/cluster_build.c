/* SPDX-License-Identifier: MIT */
/* Building snapshots. */
#include "tracker/cluster/cluster_build.h"

#include "common/devpath.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/urlenc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cluster_seen *cluster_seen_find(const struct cluster_seen *rows, size_t n, uint32_t id)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (rows[mid].id == id)
            return &rows[mid];
        if (rows[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static char *text_of(const char *s)
{
    return mem_strdup(s != NULL ? s : "");
}

static struct span bytes_of(const struct store_bytes *b)
{
    return span_make(mem_strndup(b->ptr != NULL ? b->ptr : "", b->len), b->len);
}

#define ORDER_BY(name, type, field)                                                                                    \
    static int name(const void *a, const void *b)                                                                      \
    {                                                                                                                  \
        uint32_t x = ((const struct type *)a)->field, y = ((const struct type *)b)->field;                             \
        return x < y ? -1 : x > y;                                                                                     \
    }
ORDER_BY(order_domains, cluster_domain, dmid)
ORDER_BY(order_classes, cluster_class, classid)
ORDER_BY(order_hosts, cluster_host, hostid)
ORDER_BY(order_devices, cluster_device, devid)

static int order_settings(const void *a, const void *b)
{
    return strcmp(((const struct cluster_setting *)a)->name, ((const struct cluster_setting *)b)->name);
}

static void sort(void *rows, size_t n, size_t size, int (*order)(const void *, const void *))
{
    if (n > 1)
        qsort(rows, n, size, order);
}

static void build_classes(struct cluster_domain *d, const struct store_classes *rows, uint32_t default_mindevcount)
{
    struct cluster_class *classes = mem_calloc(rows->n + 1, sizeof(*classes));
    size_t n = 0;
    bool has_default = false;
    for (size_t i = 0; i < rows->n; i++) {
        const struct store_class *row = &rows->rows[i];
        if (row->dmid != d->dmid)
            continue;
        classes[n++] = (struct cluster_class){.dmid = row->dmid,
                                              .classid = row->classid,
                                              .name = bytes_of(&row->name),
                                              .mindevcount = row->mindevcount,
                                              .replpolicy = text_of(row->replpolicy),
                                              .hashtype = row->hashtype};
        has_default = has_default || row->classid == 0;
    }
    if (!has_default)
        classes[n++] = (struct cluster_class){.dmid = d->dmid,
                                              .name = span_make(mem_strdup("default"), 7),
                                              .mindevcount = default_mindevcount,
                                              .replpolicy = text_of(NULL)};
    sort(classes, n, sizeof(*classes), order_classes);
    d->classes = classes;
    d->n_classes = n;
}

static void build_domains(struct cluster *c, const struct store_topology *t)
{
    struct cluster_domain *domains = mem_calloc(t->domains.n, sizeof(*domains));
    for (size_t i = 0; i < t->domains.n; i++) {
        domains[i].dmid = t->domains.rows[i].dmid;
        domains[i].name = bytes_of(&t->domains.rows[i].name);
        build_classes(&domains[i], &t->classes, c->config.default_mindevcount);
    }
    sort(domains, t->domains.n, sizeof(*domains), order_domains);
    c->domains = domains;
    c->n_domains = t->domains.n;
}

static void build_hosts(struct cluster *c, const struct store_topology *t, const struct cluster_observations *seen)
{
    struct cluster_host *hosts = mem_calloc(t->hosts.n, sizeof(*hosts));
    for (size_t i = 0; i < t->hosts.n; i++) {
        const struct store_host *row = &t->hosts.rows[i];
        struct cluster_host *h = &hosts[i];
        *h = (struct cluster_host){.hostid = row->hostid,
                                   .status = HOST_DOWN,
                                   .name = text_of(row->hostname),
                                   .ip = text_of(row->hostip),
                                   .altip = text_of(row->altip),
                                   .altmask = text_of(row->altmask),
                                   .http_port = row->http_port,
                                   .http_get_port = row->http_get_port};
        (void)devstate_parse_host(span_of(row->status), &h->status);
        h->has_alt =
            h->altip[0] != '\0' && h->altmask[0] != '\0' && netmask_parse(span_of(h->altmask), &h->alt) == MOG_OK;
        const struct cluster_seen *s = cluster_seen_find(seen->hosts, seen->n_hosts, h->hostid);
        if (s != NULL)
            h->seen = s->host;
    }
    sort(hosts, t->hosts.n, sizeof(*hosts), order_hosts);
    c->hosts = hosts;
    c->n_hosts = t->hosts.n;
}

static struct cluster_base base_of(const struct cluster_device *d, enum cluster_port port, bool use_alt)
{
    char text[CLUSTER_URL_MAX];
    size_t len = d->host != NULL ? cluster_host_base(d->host, port, use_alt, text, CLUSTER_URL_MAX - DEVPATH_MAX) : 0;
    if (len == 0)
        return (struct cluster_base){{NULL, 0}, {NULL, 0}};
    len += (size_t)snprintf(text + len, sizeof(text) - len, "/dev%" PRIu32, d->devid);
    struct buf coded = BUF_ZERO;
    urlenc_encode(&coded, span_make(text, len));
    struct span coded_text = buf_as_span(&coded);
    return (struct cluster_base){span_make(mem_strndup(text, len), len), span_make(buf_take(&coded), coded_text.len)};
}

static void build_devices(struct cluster *c, const struct store_topology *t, const struct cluster_observations *seen,
                          bool log_bogus)
{
    struct cluster_device *devices = mem_calloc(t->devices.n, sizeof(*devices));
    for (size_t i = 0; i < t->devices.n; i++) {
        const struct store_device *row = &t->devices.rows[i];
        struct cluster_device *d = &devices[i];
        *d = (struct cluster_device){.devid = row->devid,
                                     .hostid = row->hostid,
                                     .host = cluster_host_by_id(c, row->hostid),
                                     .status = DEVICE_DOWN,
                                     .weight = row->weight,
                                     .has_total = row->has_mb_total,
                                     .has_used = row->has_mb_used,
                                     .mb_total = row->mb_total,
                                     .mb_used = row->mb_used,
                                     .mb_asof = row->mb_asof,
                                     .utilization = -1.0};
        if (!devstate_parse_device(span_of(row->status), &d->status) && log_bogus)
            log_warn("dev%u has bogus status '%s', pretending 'down'", row->devid, row->status);
        const struct cluster_seen *s = cluster_seen_find(seen->devices, seen->n_devices, d->devid);
        if (s != NULL) {
            d->seen = s->device;
            d->utilization = s->utilization;
            d->rejects_bad_md5 = s->rejects_bad_md5;
        }
        for (enum cluster_port port = 0; port < CLUSTER_PORTS; port++) {
            d->base[port] = base_of(d, port, false);
            d->alt_base[port] = base_of(d, port, true);
        }
    }
    sort(devices, t->devices.n, sizeof(*devices), order_devices);
    c->devices = devices;
    c->n_devices = t->devices.n;
}

static void build_settings(struct cluster *c, const struct store_topology *t)
{
    struct cluster_setting *settings = mem_calloc(t->settings.n, sizeof(*settings));
    size_t n = 0;
    for (size_t i = 0; i < t->settings.n; i++) {
        const struct store_setting *row = &t->settings.rows[i];
        if (row->field.ptr == NULL || row->value.ptr == NULL)
            continue;
        settings[n++] = (struct cluster_setting){text_of(row->field.ptr), text_of(row->value.ptr)};
    }
    sort(settings, n, sizeof(*settings), order_settings);
    c->settings = settings;
    c->n_settings = n;
}

struct cluster *cluster_build(const struct store_topology *t, const struct cluster_observations *seen,
                              const struct cluster_config *config, bool log_bogus)
{
    struct cluster *c = mem_calloc(1, sizeof(*c));
    c->config = *config;
    build_domains(c, t);
    build_hosts(c, t, seen);
    build_devices(c, t, seen, log_bogus);
    build_settings(c, t);
    return c;
}

/* The arrays are const for readers only; here they go the way they came. */
static void drop(const void *p)
{
    free((void *)(uintptr_t)p);
}

static void drop_bases(const struct cluster_base *bases)
{
    for (enum cluster_port port = 0; port < CLUSTER_PORTS; port++) {
        drop(bases[port].text.ptr);
        drop(bases[port].coded.ptr);
    }
}

void cluster_free(struct cluster *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_domains; i++) {
        const struct cluster_domain *d = &c->domains[i];
        for (size_t j = 0; j < d->n_classes; j++) {
            drop(d->classes[j].name.ptr);
            drop(d->classes[j].replpolicy);
        }
        drop(d->name.ptr);
        drop(d->classes);
    }
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct cluster_host *h = &c->hosts[i];
        drop(h->name);
        drop(h->ip);
        drop(h->altip);
        drop(h->altmask);
    }
    for (size_t i = 0; i < c->n_devices; i++) {
        drop_bases(c->devices[i].base);
        drop_bases(c->devices[i].alt_base);
    }
    for (size_t i = 0; i < c->n_settings; i++) {
        drop(c->settings[i].name);
        drop(c->settings[i].value);
    }
    drop(c->domains);
    drop(c->hosts);
    drop(c->devices);
    drop(c->settings);
    free(c);
}
