/* SPDX-License-Identifier: MIT */
/* The head of an HTTP request: its first line and its headers. Pure: no sockets, no memory of its own. */
#ifndef MOG_MOGSTORED_HTTP_HEAD_H
#define MOG_MOGSTORED_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_HEAD_MAX = 16 << 10 /* bytes of a head, with the empty line at its end */ };

/* The headers that somebody asks for. */
enum http_field {
    FIELD_CONNECTION,
    FIELD_CONTENT_LENGTH,
    FIELD_CONTENT_MD5,
    FIELD_CONTENT_RANGE,
    FIELD_EXPECT,
    FIELD_IF_MODIFIED_SINCE,
    FIELD_IF_RANGE,
    FIELD_RANGE,
    FIELD_TRAILER,
    FIELD_TRANSFER_ENCODING,
    HTTP_FIELDS,
};

/* All texts are NUL-terminated and lie in the bytes that were parsed. */
struct http_head {
    const char *method; /* any word */
    const char *target; /* as sent; blanks, NUL, CR and LF are not in it, all others may be */
    size_t target_len;
    const char *fields[HTTP_FIELDS]; /* values without blanks around them; of several the first; NULL: absent */
    bool is_1_0;                     /* HTTP/1.0: knows neither 100 Continue nor chunks */
    bool keeps_alive;                /* the connection is to stay, by version and Connection headers */
    bool has_length, is_chunked, has_expect;
    uint64_t length; /* Content-Length; at most INT64_MAX */
};

/*
 * Look for the end of a head in the `len` bytes at `in`, which do not begin with an empty line. Returns its length, the
 * empty line at its end counted, or 0 when more bytes are needed. `*line` is where to go on then (0 at first).
 */
size_t http_head_find(const char *in, size_t len, size_t *line);

/* Can these first bytes never become a request line? */
bool http_head_is_hopeless(const char *in, size_t len);

/*
 * Take a whole head apart, writing NULs into it. Returns 0, or the status to refuse it with and why in `*refusal`
 * (static): 400, 501 for a Transfer-Encoding that is not known, 505 for a version. The body's length is not known then,
 * so the connection cannot go on; `out->method` and `out->target` may be NULL.
 */
int http_head_parse(char *in, size_t len, struct http_head *out, const char **refusal);

#endif
