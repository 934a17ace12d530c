/* SPDX-License-Identifier: MIT */
/* One GET of a part of a copy up to the end of the answer's head: the body stays in the socket, to be moved uncopied.
 */
#ifndef MOG_TRACKER_WEB_WEB_ORIGIN_H
#define MOG_TRACKER_WEB_WEB_ORIGIN_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

enum { WEB_ORIGIN_HEAD_MAX = 16 << 10, WEB_ORIGIN_DATE_MAX = 64 };

struct web_origin {
    const char *url;            /* http://host:port/path */
    uint64_t first, end;        /* the part: bytes first to before end; first < end <= length */
    uint64_t length;            /* that the whole file must have */
    int64_t connect_timeout_ms; /* for the answer to begin, too, when it is longer than the usual 5 s */
};

/*
 * A connected, non-blocking socket whose next bytes are the end - first bytes of the part, into `*fd` (the caller's).
 * `last_modified` (WEB_ORIGIN_DATE_MAX bytes): "" when not told. Blocks up to its time-outs. MOG_ECONN, MOG_ETIMEOUT,
 * MOG_ECLOSED, MOG_EPROTO; MOG_EHTTP: another status than 200 or 206; MOG_ESIZE: another length.
 */
MOG_MUSTCHECK enum mog_err web_origin_open(const struct web_origin *o, int *fd, char *last_modified,
                                           struct mog_fail *f);

/* What the head of an answer says. Pure. */
struct web_origin_head {
    int status;
    bool has_length;
    uint64_t length;
    char last_modified[WEB_ORIGIN_DATE_MAX];
};
/* `head`: with the empty line at its end. MOG_EPROTO: no answer of HTTP/1, or one whose body has no plain length. */
MOG_MUSTCHECK enum mog_err web_origin_parse(struct span head, struct web_origin_head *out);

#endif
