/* SPDX-License-Identifier: MIT */
/* A cluster's wanted shape in YAML: hosts with their devices, domains with their classes, settings. */
#ifndef MOG_TOOLS_CLUSTERFILE_H
#define MOG_TOOLS_CLUSTERFILE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "tools/cluster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts that are not given are NULL, numbers that are not given CLUSTERFILE_UNSET. Lines count from 1. */
#define CLUSTERFILE_UNSET INT64_MIN

struct clusterfile_device {
    uint64_t devid;
    unsigned line;
    char *status;
    int64_t weight;
};

struct clusterfile_host {
    char *name;
    unsigned line;
    char *ip, *altip, *altmask, *status;
    int64_t port, getport;
    struct clusterfile_device *devices;
    size_t n_devices, cap_devices;
};

struct clusterfile_class {
    char *name;
    unsigned line;
    int64_t mindevcount;
    char *replpolicy, *hashtype;
};

struct clusterfile_domain {
    char *name;
    unsigned line;
    struct clusterfile_class *classes;
    size_t n_classes, cap_classes;
};

struct clusterfile_setting {
    char *key;
    unsigned line;
    char *value;
};

struct clusterfile {
    char *path; /* for messages */
    bool has_hosts, has_domains, has_settings;
    struct clusterfile_host *hosts;
    size_t n_hosts, cap_hosts;
    struct clusterfile_domain *domains;
    size_t n_domains, cap_domains;
    struct clusterfile_setting *settings;
    size_t n_settings, cap_settings;
};

void clusterfile_init(struct clusterfile *c, const char *path);
void clusterfile_fini(struct clusterfile *c);

/*
 * Parse `text`. MOG_ESYNTAX, MOG_ERANGE, MOG_EINVAL: "PATH:LINE: ..." with the key and what is allowed.
 * What is named twice is refused.
 */
MOG_MUSTCHECK enum mog_err clusterfile_parse(struct clusterfile *c, struct span text, struct mog_fail *f);

/* The present shape as such a file. Settings that are no matter of configuration are left out. */
void clusterfile_format(const struct cluster *c, struct buf *out);

/* Whether a setting belongs into such a file: one that set_server_setting may change. */
bool clusterfile_setting_is_configuration(const char *key);

#endif
