/* SPDX-License-Identifier: MIT */
/* The rows that the store hands out and takes: plain structs, and lists of them that the caller owns. */
#ifndef MOG_STORE_STORE_ROW_H
#define MOG_STORE_STORE_ROW_H

#include "common/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* nexttry of a queue row that is never due, and needs an operator or a new enqueue. */
#define STORE_END_OF_TIME INT64_C(2147483647)

/*
 * Widths of columns, checked before anything is sent: in bytes; those of names are in characters where a database that
 * the original made keeps them as text in an encoding of several bytes.
 */
enum {
    STORE_NAME_MAX = 255,        /* domain.namespace, file.dkey, tempfile.dkey */
    STORE_NAME_BYTES_MAX = 1020, /* the most that such a name can have as text */
    STORE_CLASSNAME_MAX = 50,    /* class.classname */
    STORE_POLICY_MAX = 255,      /* class.replpolicy */
    STORE_HOSTNAME_MAX = 40,
    STORE_DEVIDS_MAX = 60,  /* tempfile.devids */
    STORE_FIELD_MAX = 50,   /* server_settings.field */
    STORE_VALUE_MAX = 65535 /* server_settings.value, file_to_queue.arg */
};

/*
 * Owned bytes, any value of them (NUL too). A NUL follows that is not counted, so `ptr` also serves as a C string.
 * ptr == NULL: SQL NULL, or absent.
 */
struct store_bytes {
    char *ptr;
    size_t len;
};

struct span store_bytes_span(const struct store_bytes *b);
void store_bytes_free(struct store_bytes *b); /* frees and empties */

struct store_domain {
    uint32_t dmid;
    struct store_bytes name;
};

struct store_class {
    uint32_t dmid, classid;
    struct store_bytes name;
    uint32_t mindevcount;
    char *replpolicy;  /* NULL: none */
    uint32_t hashtype; /* 0: none */
};

struct store_host {
    uint32_t hostid;
    char status[12]; /* "alive", "dead", "down", "readonly"; "" for NULL */
    char *hostname;  /* the texts are NULL where the column is */
    char *hostip;
    char *altip;
    char *altmask;
    uint32_t http_port;     /* 0: NULL */
    uint32_t http_get_port; /* 0: NULL */
};

struct store_device {
    uint32_t devid, hostid;
    char status[12]; /* "alive", "dead", "down", "readonly", "drain"; "" for NULL */
    int32_t weight;  /* NULL reads as 100 */
    bool has_mb_total, has_mb_used;
    uint64_t mb_total, mb_used;
    int64_t mb_asof; /* 0: NULL */
};

struct store_setting {
    struct store_bytes field, value;
};

struct store_file {
    uint64_t fid;
    uint32_t dmid, classid, devcount;
    uint64_t length;
    struct store_bytes key;
};

struct store_tempfile {
    uint64_t fid;
    uint32_t dmid, classid;
    int64_t createtime;
    struct store_bytes key;
    struct store_bytes devids; /* "1,2,3" as written by create_open; ptr NULL: NULL */
};

struct store_checksum {
    uint32_t hashtype; /* 0: there is no row */
    size_t len;
    uint8_t bytes[64];
};

/* One row of a queue. Fields that the queue does not have are 0. */
struct store_queue_row {
    uint64_t fid;
    int64_t nexttry; /* as it was before the claim */
    uint32_t failcount, flags;
    uint32_t type;      /* file_to_queue: 1 fsck, 2 rebalance */
    uint32_t fromdevid; /* file_to_replicate: preferred source; 0: NULL */
    uint32_t devid;     /* rebalance: source device; 0: NULL */
    struct store_bytes arg;
};

struct store_fsck_event {
    uint64_t logid;
    int64_t utime;
    bool has_fid, has_evcode, has_devid; /* false: NULL */
    uint64_t fid;
    char evcode[8];
    uint32_t devid;
};

struct store_devfid {
    uint64_t fid;
    uint32_t devid; /* 0: NULL (a fid without a location, where the list says so) */
};

/* Lists: start as all zero, are filled by one call, and emptied by their _free (which may be called on an empty one).
 */
struct store_domains {
    struct store_domain *rows;
    size_t n;
};
struct store_classes {
    struct store_class *rows;
    size_t n;
};
struct store_hosts {
    struct store_host *rows;
    size_t n;
};
struct store_devices {
    struct store_device *rows;
    size_t n;
};
struct store_settings {
    struct store_setting *rows;
    size_t n;
};
struct store_files {
    struct store_file *rows;
    size_t n;
};
struct store_keys {
    struct span *rows; /* NUL-terminated too */
    char *bytes;       /* behind all of them */
    size_t n;
};
struct store_fids {
    uint64_t *rows;
    size_t n;
};
struct store_devids {
    uint32_t *rows;
    size_t n;
};
struct store_devfids {
    struct store_devfid *rows;
    size_t n;
};
struct store_queue_rows {
    struct store_queue_row *rows;
    size_t n;
};
struct store_fsck_events {
    struct store_fsck_event *rows;
    size_t n;
};

void store_domains_free(struct store_domains *l);
void store_classes_free(struct store_classes *l);
void store_hosts_free(struct store_hosts *l);
void store_devices_free(struct store_devices *l);
void store_settings_free(struct store_settings *l);
void store_files_free(struct store_files *l);
void store_keys_free(struct store_keys *l);
void store_fids_free(struct store_fids *l);
void store_devids_free(struct store_devids *l);
void store_devfids_free(struct store_devfids *l);
void store_queue_rows_free(struct store_queue_rows *l);
void store_fsck_events_free(struct store_fsck_events *l);

/* Free what one row owns, and zero it. */
void store_file_fini(struct store_file *row);
void store_tempfile_fini(struct store_tempfile *row);
void store_queue_row_fini(struct store_queue_row *row);

#endif
