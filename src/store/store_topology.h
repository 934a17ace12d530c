/* SPDX-License-Identifier: MIT */
/* Domains, classes, hosts, devices and settings: small tables that a monitor reads whole and commands change. */
#ifndef MOG_STORE_STORE_TOPOLOGY_H
#define MOG_STORE_STORE_TOPOLOGY_H

#include "store/store.h"
#include "store/store_row.h"

/* ---- all of it ---- */

struct store_topology {
    struct store_domains domains;   /* by dmid */
    struct store_classes classes;   /* by dmid, classid; only those with a row */
    struct store_hosts hosts;       /* by hostid */
    struct store_devices devices;   /* by devid */
    struct store_settings settings; /* by field */
};

/* 5 RT, not one snapshot of the database. */
MOG_MUSTCHECK enum mog_err store_topology_read(struct store *st, struct store_topology *t);
void store_topology_free(struct store_topology *t);

/* ---- domains ---- */

/* The next id is the highest + 1. MOG_EEXISTS, MOG_ETOOLONG, MOG_ERANGE (no id left). 4 RT. */
MOG_MUSTCHECK enum mog_err store_domain_create(struct store *st, struct span name, uint32_t *dmid);
/* MOG_ENOTFOUND. 1 RT. */
MOG_MUSTCHECK enum mog_err store_domain_find(struct store *st, struct span name, uint32_t *dmid);
MOG_MUSTCHECK enum mog_err store_domain_list(struct store *st, struct store_domains *out);

enum store_domain_content { STORE_DOMAIN_EMPTY, STORE_DOMAIN_HAS_FILES, STORE_DOMAIN_HAS_CLASSES };

/*
 * Delete the domain and its class 0. MOG_ENOTEMPTY with the reason in `content` (may be NULL) when it has files, or
 * else classes other than 0. MOG_ENOTFOUND. 6 RT.
 */
MOG_MUSTCHECK enum mog_err store_domain_delete(struct store *st, uint32_t dmid, enum store_domain_content *content);

/* ---- classes ---- */

/* What to write; each field is left as it is unless set. */
struct store_class_edit {
    uint32_t mindevcount;   /* 1 to 255; 0: leave (2 when created) */
    struct span replpolicy; /* ptr NULL: leave */
    bool set_hashtype;
    uint32_t hashtype; /* 0: NULL */
};

/*
 * Create a class with the next id (highest of the domain + 1; "default" has id 0) and write `edit`, in one transaction.
 * MOG_EEXISTS, MOG_ETOOLONG, MOG_ERANGE (256th class). 4 RT.
 */
MOG_MUSTCHECK enum mog_err store_class_create(struct store *st, uint32_t dmid, struct span name,
                                              const struct store_class_edit *edit, uint32_t *classid);
/* Write `edit` to an existing class; "default" is created when it has no row. MOG_ENOTFOUND. 4 RT. */
MOG_MUSTCHECK enum mog_err store_class_update(struct store *st, uint32_t dmid, struct span name,
                                              const struct store_class_edit *edit, uint32_t *classid);
/* MOG_ENOTFOUND. 1 RT. */
MOG_MUSTCHECK enum mog_err store_class_find(struct store *st, uint32_t dmid, struct span name, uint32_t *classid);
/* MOG_EEXISTS. 1 RT. */
MOG_MUSTCHECK enum mog_err store_class_rename(struct store *st, uint32_t dmid, uint32_t classid, struct span name);
/* MOG_ENOTEMPTY: files are in it. MOG_ENOTFOUND. 4 RT. */
MOG_MUSTCHECK enum mog_err store_class_delete(struct store *st, uint32_t dmid, uint32_t classid);
MOG_MUSTCHECK enum mog_err store_class_list(struct store *st, struct store_classes *out);

/* ---- hosts ---- */

enum store_host_field {
    STORE_HOST_STATUS = 1,
    STORE_HOST_IP = 2,
    STORE_HOST_PORT = 4,
    STORE_HOST_GET_PORT = 8,
    STORE_HOST_ALTIP = 16,
    STORE_HOST_ALTMASK = 32
};

struct store_host_edit {
    unsigned set;       /* of enum store_host_field: only these are written */
    const char *status; /* "alive", "dead", "down", "readonly" */
    const char *hostip; /* the three texts: NULL writes NULL */
    const char *altip;
    const char *altmask;
    uint32_t http_port;     /* 0: NULL */
    uint32_t http_get_port; /* 0: NULL */
};

/*
 * Insert a host with the highest id + 1, status "down" and then `edit`, in one transaction. MOG_EEXISTS: the name, the
 * address or the alternate address is taken. MOG_ETOOLONG. 5 RT.
 */
MOG_MUSTCHECK enum mog_err store_host_create(struct store *st, struct span hostname, const struct store_host_edit *edit,
                                             uint32_t *hostid);
/* MOG_EEXISTS, MOG_ENOTFOUND. 1 RT; none when nothing is set. */
MOG_MUSTCHECK enum mog_err store_host_update(struct store *st, uint32_t hostid, const struct store_host_edit *edit);
/* MOG_ENOTEMPTY: a device refers to it. MOG_ENOTFOUND. 4 RT. */
MOG_MUSTCHECK enum mog_err store_host_delete(struct store *st, uint32_t hostid);
/* MOG_ENOTFOUND. 1 RT. */
MOG_MUSTCHECK enum mog_err store_host_find(struct store *st, struct span hostname, uint32_t *hostid);
/* MOG_ENOTFOUND. 1 RT. */
MOG_MUSTCHECK enum mog_err store_host_check(struct store *st, uint32_t hostid);
MOG_MUSTCHECK enum mog_err store_host_list(struct store *st, struct store_hosts *out);

/* ---- devices ---- */

/* MOG_EEXISTS. 1 RT. */
MOG_MUSTCHECK enum mog_err store_device_create(struct store *st, uint32_t devid, uint32_t hostid, const char *status);
/* MOG_ENOTFOUND. 1 RT. */
MOG_MUSTCHECK enum mog_err store_device_set_status(struct store *st, uint32_t devid, const char *status);
/* Only if the status is `from` at this moment; else MOG_ENOTFOUND and no change. 1 RT. */
MOG_MUSTCHECK enum mog_err store_device_swap_status(struct store *st, uint32_t devid, const char *from, const char *to);
/* MOG_ENOTFOUND. 1 RT. */
MOG_MUSTCHECK enum mog_err store_device_set_weight(struct store *st, uint32_t devid, int32_t weight);
/* The row itself, not a cached one. MOG_ENOTFOUND. 1 RT. */
MOG_MUSTCHECK enum mog_err store_device_get(struct store *st, uint32_t devid, struct store_device *out);
MOG_MUSTCHECK enum mog_err store_device_list(struct store *st, struct store_devices *out);

struct store_usage {
    uint32_t devid;
    uint64_t mb_total, mb_used;
    int64_t mb_asof; /* the tracker's clock */
};

/* One transaction per 100 devices; devices without a row are skipped. n + 2 RT for each. */
MOG_MUSTCHECK enum mog_err store_device_write_usage(struct store *st, const struct store_usage *rows, size_t n);

/* ---- settings ---- */

/* MOG_ENOTFOUND: no such row; `value` then is {NULL, 0}. 1 RT. */
MOG_MUSTCHECK enum mog_err store_setting_get(struct store *st, const char *field, struct store_bytes *value);
/* The same as a number (as Perl reads one); `fallback` when there is no row. 1 RT. */
MOG_MUSTCHECK enum mog_err store_setting_get_int(struct store *st, const char *field, int64_t fallback, int64_t *value);
/* Insert or replace. MOG_ETOOLONG. 1 RT. */
MOG_MUSTCHECK enum mog_err store_setting_set(struct store *st, const char *field, struct span value);
MOG_MUSTCHECK enum mog_err store_setting_set_int(struct store *st, const char *field, int64_t value);
/* Deleting what is not there is MOG_OK. 1 RT. */
MOG_MUSTCHECK enum mog_err store_setting_delete(struct store *st, const char *field);
/* Delete only while the value is still `value`; else MOG_ENOTFOUND. 1 RT. */
MOG_MUSTCHECK enum mog_err store_setting_delete_if(struct store *st, const char *field, struct span value);
/* Delete all fields that begin with `prefix`. 1 RT. */
MOG_MUSTCHECK enum mog_err store_setting_delete_prefix(struct store *st, const char *prefix);
/* Add `by` to the number; without a row it becomes `by`. by == 0 does nothing. 1 to 2 RT. */
MOG_MUSTCHECK enum mog_err store_setting_add(struct store *st, const char *field, int64_t by);
MOG_MUSTCHECK enum mog_err store_setting_list(struct store *st, struct store_settings *out);

#endif
