/* SPDX-License-Identifier: MIT */
/* Look-ups and predicates over a snapshot. */
#include "tracker/cluster/cluster.h"

#include "common/devpath.h"
#include "common/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BY_ID(name, type, field)                                                                                       \
    static int name(const void *key, const void *row)                                                                  \
    {                                                                                                                  \
        uint32_t a = *(const uint32_t *)key, b = ((const struct type *)row)->field;                                    \
        return a < b ? -1 : a > b;                                                                                     \
    }
BY_ID(compare_domain, cluster_domain, dmid)
BY_ID(compare_class, cluster_class, classid)
BY_ID(compare_host, cluster_host, hostid)
BY_ID(compare_device, cluster_device, devid)

static int compare_setting(const void *key, const void *row)
{
    return strcmp(key, ((const struct cluster_setting *)row)->name);
}

static const void *search(const void *key, const void *rows, size_t n, size_t size,
                          int (*compare)(const void *, const void *))
{
    return n != 0 ? bsearch(key, rows, n, size, compare) : NULL;
}

const struct cluster_domain *cluster_domain_by_name(const struct cluster *c, struct span name)
{
    for (size_t i = 0; i < c->n_domains; i++) {
        if (span_eq(c->domains[i].name, name))
            return &c->domains[i];
    }
    return NULL;
}

const struct cluster_domain *cluster_domain_by_id(const struct cluster *c, uint32_t dmid)
{
    return search(&dmid, c->domains, c->n_domains, sizeof(*c->domains), compare_domain);
}

const struct cluster_class *cluster_class_by_name(const struct cluster_domain *d, struct span name)
{
    for (size_t i = 0; i < d->n_classes; i++) {
        if (span_eq(d->classes[i].name, name))
            return &d->classes[i];
    }
    return NULL;
}

const struct cluster_class *cluster_class_by_id(const struct cluster *c, uint32_t dmid, uint32_t classid)
{
    const struct cluster_domain *d = cluster_domain_by_id(c, dmid);
    return d != NULL ? search(&classid, d->classes, d->n_classes, sizeof(*d->classes), compare_class) : NULL;
}

const struct cluster_host *cluster_host_by_id(const struct cluster *c, uint32_t hostid)
{
    return search(&hostid, c->hosts, c->n_hosts, sizeof(*c->hosts), compare_host);
}

const struct cluster_device *cluster_device_by_id(const struct cluster *c, uint32_t devid)
{
    return search(&devid, c->devices, c->n_devices, sizeof(*c->devices), compare_device);
}

const char *cluster_setting(const struct cluster *c, const char *name)
{
    const struct cluster_setting *s = search(name, c->settings, c->n_settings, sizeof(*c->settings), compare_setting);
    return s != NULL ? s->value : NULL;
}

uint64_t cluster_setting_u64(const struct cluster *c, const char *name, uint64_t fallback)
{
    const char *value = cluster_setting(c, name);
    int64_t n = value != NULL ? num_perl_int(span_of(value)) : 0;
    return n > 0 ? (uint64_t)n : fallback;
}

bool cluster_setting_is_on(const struct cluster *c, const char *name)
{
    const char *value = cluster_setting(c, name);
    return value != NULL && num_perl_true(span_of(value));
}

static bool host_is_open(const struct cluster_host *h)
{
    return h != NULL && (h->status == HOST_ALIVE || h->status == HOST_READONLY);
}

bool cluster_device_is_monitored(const struct cluster_device *d)
{
    return host_is_open(d->host) && devstate_rights(d->status)->monitored;
}

enum device_seen cluster_device_seen(const struct cluster_device *d)
{
    bool is_cut_off = d->host != NULL && d->host->seen == HOST_UNREACHABLE && cluster_device_is_monitored(d);
    return is_cut_off ? DEVICE_UNREACHABLE : d->seen;
}

bool cluster_device_is_seen_unreachable(const struct cluster_device *d)
{
    return d->host == NULL || d->host->seen != HOST_REACHABLE || d->seen == DEVICE_UNREACHABLE ||
           d->seen == DEVICE_NOT_SEEN;
}

bool cluster_device_is_seen_writeable(const struct cluster_device *d)
{
    return !cluster_device_is_seen_unreachable(d) && d->seen == DEVICE_WRITEABLE;
}

bool cluster_device_is_readable(const struct cluster_device *d)
{
    return host_is_open(d->host) && devstate_rights(d->status)->read && !cluster_device_is_seen_unreachable(d);
}

bool cluster_device_may_be_readable(const struct cluster_device *d)
{
    return host_is_open(d->host) && devstate_rights(d->status)->read && d->seen == DEVICE_NOT_SEEN &&
           d->host->seen == HOST_NOT_SEEN;
}

bool cluster_device_can_delete(const struct cluster_device *d)
{
    return d->host != NULL && d->host->status == HOST_ALIVE && devstate_rights(d->status)->write;
}

bool cluster_device_is_dead(const struct cluster_device *d)
{
    return devstate_rights(d->status)->dead;
}

bool cluster_device_free_mb(const struct cluster_device *d, uint64_t *mb)
{
    if (!d->has_total || d->mb_total == 0 || !d->has_used)
        return false;
    *mb = d->mb_total > d->mb_used ? d->mb_total - d->mb_used : 0;
    return true;
}

bool cluster_device_gets_files(const struct cluster *c, const struct cluster_device *d)
{
    if (!devstate_rights(d->status)->new_files || d->host == NULL || d->host->status != HOST_ALIVE ||
        !cluster_device_is_seen_writeable(d))
        return false;
    uint64_t mb = 0;
    return !cluster_device_free_mb(d, &mb) || mb >= c->config.min_free_mb;
}

double cluster_device_free_share(const struct cluster_device *d, bool *known)
{
    uint64_t mb = 0;
    *known = cluster_device_free_mb(d, &mb);
    return *known ? (double)mb / (double)d->mb_total : 0.0;
}

double cluster_device_space_weight(const struct cluster_device *d)
{
    bool known = false;
    double share = cluster_device_free_share(d, &known);
    return known ? 100.0 * share : 1.0;
}

size_t cluster_host_base(const struct cluster_host *h, enum cluster_port port, bool use_alt, char *out, size_t size)
{
    static const char scheme[] = "http://";
    const char *ip = use_alt && h->has_alt ? h->altip : h->ip;
    uint32_t number = port == CLUSTER_READ && h->http_get_port != 0 ? h->http_get_port : h->http_port;
    char room[NUM_DIGITS_MAX];
    struct span digits = num_digits(number, room);
    size_t ip_len = strlen(ip), len = sizeof(scheme) - 1 + ip_len + 1 + digits.len;
    if (ip_len == 0 || number == 0 || len >= size)
        return 0;
    memcpy(out, scheme, sizeof(scheme) - 1);
    memcpy(out + sizeof(scheme) - 1, ip, ip_len);
    out[sizeof(scheme) - 1 + ip_len] = ':';
    memcpy(out + len - digits.len, digits.ptr, digits.len);
    out[len] = '\0';
    return len;
}

size_t cluster_device_url(const struct cluster_device *d, uint64_t fid, enum cluster_port port, bool use_alt, char *out)
{
    struct span base = cluster_device_base(d, port, use_alt)->text;
    if (base.len == 0)
        return 0;
    memcpy(out, base.ptr, base.len);
    return base.len + devpath_tail(out + base.len, fid);
}

bool cluster_host_wants_alt(const struct cluster_host *h, uint32_t peer_ip, bool asked)
{
    return h->has_alt && (asked || netmask_has(&h->alt, peer_ip));
}
