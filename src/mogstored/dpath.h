/* SPDX-License-Identifier: MIT */
/* The grammar of request targets: what a path names, before any file system is asked. */
#ifndef MOG_MOGSTORED_DPATH_H
#define MOG_MOGSTORED_DPATH_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DPATH_MAX = 1024,          /* bytes of a path, from the leading '/' on, repeated '/' left out */
    DPATH_COMPONENT_MAX = 255, /* bytes between two '/' */
    DPATH_DEVID_MAX = 16777215,
};

enum dpath_kind {
    DPATH_STAR,   /* "*" */
    DPATH_ROOT,   /* "/" */
    DPATH_DEVICE, /* "/dev7" */
    DPATH_USAGE,  /* "/dev7/usage" */
    DPATH_FILE,   /* anything below a device */
};

struct dpath {
    enum dpath_kind kind;
    uint32_t devid;            /* of DPATH_DEVICE, DPATH_USAGE, DPATH_FILE */
    bool trailing_slash;       /* the path ends in '/' ("/" itself does not count) */
    bool has_query;            /* a '?' was there; it and what follows are left out */
    bool is_test_write;        /* below "test-write/": never synced */
    char below[DPATH_MAX + 1]; /* path below the device's directory, without leading or trailing '/' */
};

/*
 * Parse the target of a request line: origin form, absolute form ("http://host/path", the host is ignored) or "*".
 * %XX is decoded once; letters, digits, '_', '.', '-' and unescaped '/' are all that may remain.
 * MOG_ESYNTAX: other characters, bad escapes, no leading '/'. MOG_ETOOLONG: path or component too long.
 * MOG_EPERM: a component "." or "..". MOG_ENOTFOUND: the first component is not the name of a device
 * (`out->has_query` and `out->trailing_slash` are valid then). Pure.
 */
MOG_MUSTCHECK enum mog_err dpath_parse(struct span target, struct dpath *out);

/* "dev7" -> 7: "dev0", or "dev" and digits without leading zero, at most DPATH_DEVID_MAX. Pure. */
bool dpath_is_device(struct span name, uint32_t *devid);

/* Is the last component one of our own temporary names (see upload.h)? Pure. */
bool dpath_is_temporary(struct span name);

/* The last component of a path without trailing '/'. Pure. */
struct span dpath_last(const char *path);

#define DPATH_TEMPORARY_PREFIX ".mogtmp-"

#endif
