/* SPDX-License-Identifier: MIT */
/* The bytes of a part of a file, from whichever of its copies gives them. */
#ifndef MOG_TRACKER_WEB_WEB_SOURCE_H
#define MOG_TRACKER_WEB_WEB_SOURCE_H

#include "common/err.h"
#include "common/http.h"
#include "tracker/cluster/cluster.h"

#include <stddef.h>
#include <stdint.h>

/* Not opened by itself; used by one thread at a time. */
struct web_source {
    struct http_client *client;
    char (*urls)[CLUSTER_URL_MAX]; /* copies, the best one first */
    size_t n;
    uint64_t length;     /* of the whole file */
    uint64_t first, end; /* the part: from first to before end, first < end <= length */
    int64_t connect_timeout_ms;

    /* Its own: */
    size_t at;      /* copy that is read, or to be tried next */
    size_t in_vain; /* copies tried since the last byte came */
    uint64_t next;  /* position of the next byte */
    bool is_open, has_begun;
};

/*
 * Open the first copy that answers as it should. `last_modified` (64 bytes; may be NULL) is what it says of itself.
 * MOG_ECONN: none does; the detail of the last one in `f`.
 */
MOG_MUSTCHECK enum mog_err web_source_open(struct web_source *s, char *last_modified, struct mog_fail *f);

/*
 * At least one byte, at most `cap`, into `out`; `*n` is 0 at the end of the part. When a copy breaks off, the next one
 * goes on at that byte. MOG_ECONN: all copies were tried, and none gave another byte.
 */
MOG_MUSTCHECK enum mog_err web_source_read(struct web_source *s, char *out, size_t cap, size_t *n, struct mog_fail *f);

void web_source_close(struct web_source *s);

/* What a copy says of itself, without its bytes: a HEAD, of the next copy when one does not answer as it should. */
MOG_MUSTCHECK enum mog_err web_source_head(struct web_source *s, char *last_modified, struct mog_fail *f);

#endif
