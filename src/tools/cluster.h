/* SPDX-License-Identifier: MIT */
/* What a tracker knows of its cluster (hosts, devices, domains, classes, settings), as plain structs. */
#ifndef MOG_TOOLS_CLUSTER_H
#define MOG_TOOLS_CLUSTER_H

#include "common/err.h"
#include "tools/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts are never NULL; what is unknown is "". Lists are sorted: by id, domains and classes and settings by name. */
struct cluster_host {
    uint64_t hostid;
    char *name, *status, *ip, *altip, *altmask;
    uint64_t port, get_port; /* get_port 0: none */
};

struct cluster_device {
    uint64_t devid, hostid;
    char *status, *observed, *utilization;
    int64_t weight;
    bool usage_known;
    uint64_t mb_total, mb_used;
};

struct cluster_class {
    char *name, *replpolicy, *hashtype;
    uint64_t mindevcount;
};

struct cluster_domain {
    char *name;
    struct cluster_class *classes;
    size_t n_classes;
};

struct cluster_setting {
    char *key, *value;
};

struct cluster {
    struct cluster_host *hosts;
    size_t n_hosts;
    struct cluster_device *devices;
    size_t n_devices;
    struct cluster_domain *domains;
    size_t n_domains;
    struct cluster_setting *settings;
    size_t n_settings;
};

#define CLUSTER_ZERO                                                                                                   \
    {                                                                                                                  \
        NULL, 0, NULL, 0, NULL, 0, NULL, 0                                                                             \
    }

void cluster_fini(struct cluster *c);

/* Each asks the tracker and replaces that part. Errors of client_request. */
MOG_MUSTCHECK enum mog_err cluster_load_hosts(struct cluster *c, struct client *client, struct mog_fail *f);
MOG_MUSTCHECK enum mog_err cluster_load_devices(struct cluster *c, struct client *client, struct mog_fail *f);
MOG_MUSTCHECK enum mog_err cluster_load_domains(struct cluster *c, struct client *client, struct mog_fail *f);
MOG_MUSTCHECK enum mog_err cluster_load_settings(struct cluster *c, struct client *client, struct mog_fail *f);

const struct cluster_host *cluster_host_find(const struct cluster *c, uint64_t hostid);
const struct cluster_host *cluster_host_by_name(const struct cluster *c, const char *name);
const struct cluster_device *cluster_device_find(const struct cluster *c, uint64_t devid);
const struct cluster_domain *cluster_domain_by_name(const struct cluster *c, const char *name);
const struct cluster_class *cluster_class_by_name(const struct cluster_domain *d, const char *name);
/* The value, or NULL. */
const char *cluster_setting(const struct cluster *c, const char *key);

#endif
