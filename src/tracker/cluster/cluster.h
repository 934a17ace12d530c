/* SPDX-License-Identifier: MIT */
/*
 * The cluster as one tracker knows it at one moment: domains, classes, hosts, devices, settings, and what the monitor
 * has seen of them. Immutable once published, counted, shared by all threads.
 */
#ifndef MOG_TRACKER_CLUSTER_CLUSTER_H
#define MOG_TRACKER_CLUSTER_CLUSTER_H

#include "common/span.h"
#include "tracker/cluster/devstate.h"
#include "tracker/cluster/netmask.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cluster_host {
    uint32_t hostid;
    enum host_status status;
    enum host_seen seen;
    const char *name; /* texts are never NULL, "" for NULL columns */
    const char *ip;
    const char *altip;
    const char *altmask;
    bool has_alt; /* altip given and altmask parsed into `alt` */
    struct netmask alt;
    uint32_t http_port;     /* as in the database; 0: NULL */
    uint32_t http_get_port; /* 0: none of its own */
};

enum cluster_port { CLUSTER_WRITE, CLUSTER_READ, CLUSTER_PORTS };

/* What the URLs of all files on a device begin with; empty: there is no address. */
struct cluster_base {
    struct span text;  /* "http://ip:port/dev7" */
    struct span coded; /* the same as it stands in answers */
};

struct cluster_device {
    uint32_t devid;
    const struct cluster_host *host; /* NULL: the host's row is missing */
    uint32_t hostid;
    enum device_status status;
    enum device_seen seen;
    int32_t weight;
    bool has_total, has_used;
    uint64_t mb_total, mb_used;
    int64_t mb_asof;
    double utilization; /* per cent; negative: unknown */
    bool rejects_bad_md5;
    struct cluster_base base[CLUSTER_PORTS], alt_base[CLUSTER_PORTS]; /* and by the alternate address of the host */
};

struct cluster_class {
    uint32_t dmid, classid;
    struct span name;
    uint32_t mindevcount;
    const char *replpolicy; /* "" : the default policy */
    uint32_t hashtype;      /* 0: none */
};

struct cluster_domain {
    uint32_t dmid;
    struct span name;
    const struct cluster_class *classes; /* by classid; always has class 0, "default" */
    size_t n_classes;
};

struct cluster_setting {
    const char *name, *value;
};

/* Values of the tracker's own configuration that decisions need. */
struct hooks;
struct cluster_config {
    uint64_t min_free_mb;
    uint32_t default_mindevcount;
    const struct hooks *hooks; /* plugins; NULL: none. Outlives all snapshots */
};

struct cluster {
    struct cluster_config config;
    const struct cluster_domain *domains; /* by dmid */
    size_t n_domains;
    const struct cluster_host *hosts; /* by hostid */
    size_t n_hosts;
    const struct cluster_device *devices; /* by devid */
    size_t n_devices;
    const struct cluster_setting *settings; /* by name, bytewise */
    size_t n_settings;
};

/* ---- look-ups; NULL when absent. Pointers live as long as the snapshot. Any thread. ---- */
const struct cluster_domain *cluster_domain_by_name(const struct cluster *c, struct span name);
const struct cluster_domain *cluster_domain_by_id(const struct cluster *c, uint32_t dmid);
const struct cluster_class *cluster_class_by_name(const struct cluster_domain *d, struct span name);
const struct cluster_class *cluster_class_by_id(const struct cluster *c, uint32_t dmid, uint32_t classid);
const struct cluster_host *cluster_host_by_id(const struct cluster *c, uint32_t hostid);
const struct cluster_device *cluster_device_by_id(const struct cluster *c, uint32_t devid);

/* ---- settings ---- */
const char *cluster_setting(const struct cluster *c, const char *name); /* NULL: not set */
/* A number as Perl reads it; `fallback` when not set or 0. */
uint64_t cluster_setting_u64(const struct cluster *c, const char *name, uint64_t fallback);
/* Set and neither empty nor "0". */
bool cluster_setting_is_on(const struct cluster *c, const char *name);

/* ---- predicates on a device and its host together ---- */
/* Nothing is known of it yet: what is only read may be tried. */
bool cluster_device_may_be_readable(const struct cluster_device *d);
bool cluster_device_is_readable(const struct cluster_device *d);                         /* a source, a good path */
bool cluster_device_gets_files(const struct cluster *c, const struct cluster_device *d); /* a destination */
bool cluster_device_can_delete(const struct cluster_device *d);                          /* by status alone */
bool cluster_device_is_monitored(const struct cluster_device *d);
/* For people: what was seen last of a device whose host no longer answers is not what it is in. */
enum device_seen cluster_device_seen(const struct cluster_device *d);
bool cluster_device_is_seen_writeable(const struct cluster_device *d);
bool cluster_device_is_seen_unreachable(const struct cluster_device *d);
bool cluster_device_is_dead(const struct cluster_device *d);

/* Free share, 0 to 1; `known` false: no usage (0 then). */
double cluster_device_free_share(const struct cluster_device *d, bool *known);
/* MiB free; false: unknown. */
bool cluster_device_free_mb(const struct cluster_device *d, uint64_t *mb);
/* The weight in the choice of a destination: 100 x free share, 1 when unknown, 0 when full. */
double cluster_device_space_weight(const struct cluster_device *d);

/* ---- URLs ---- */
enum { CLUSTER_URL_MAX = 160 };
/*
 * "http://ip:port/devN/...fid" into CLUSTER_URL_MAX bytes. `use_alt`: by the host's alternate address. Returns the
 * length; 0: the device has no host or address.
 */
size_t cluster_device_url(const struct cluster_device *d, uint64_t fid, enum cluster_port port, bool use_alt,
                          char *out);
static inline const struct cluster_base *cluster_device_base(const struct cluster_device *d, enum cluster_port port,
                                                             bool use_alt)
{
    return use_alt ? &d->alt_base[port] : &d->base[port];
}
/* "http://ip:port" of the device's host; the length, or 0. */
size_t cluster_host_base(const struct cluster_host *h, enum cluster_port port, bool use_alt, char *out, size_t size);
/* Whether a client at `peer_ip` (host byte order), or one that asks for it, gets alternate addresses of `h`. */
bool cluster_host_wants_alt(const struct cluster_host *h, uint32_t peer_ip, bool asked);

#endif
