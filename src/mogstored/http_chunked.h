/* SPDX-License-Identifier: MIT */
/* A body in chunks, taken apart as it comes. Pure: no sockets, no memory of its own. */
#ifndef MOG_MOGSTORED_HTTP_CHUNKED_H
#define MOG_MOGSTORED_HTTP_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CHUNKED_LINE_MAX = 128,          /* bytes of a line of the trailer that are kept */
    CHUNKED_EXTENSION_MAX = 4 << 10, /* bytes behind the size of a chunk */
    CHUNKED_TRAILER_MAX = 8 << 10,   /* bytes of all lines behind the last one */
};

enum chunked_state { CHUNKED_IN_SIZE, CHUNKED_IN_EXTENSION, CHUNKED_IN_DATA, CHUNKED_AFTER_DATA, CHUNKED_IN_TRAILER };

enum chunked_event {
    CHUNKED_MORE,      /* all bytes were taken, and others are needed */
    CHUNKED_DATA,      /* body: *n bytes; those that are used are to be told to chunked_took */
    CHUNKED_END,       /* the body is complete, with its trailer */
    CHUNKED_BAD,       /* it is not in chunks */
    CHUNKED_TOO_LARGE, /* a chunk of more than INT64_MAX bytes */
};

/* All zero at first. */
struct chunked {
    enum chunked_state state;
    bool has_digit, has_cr, is_last;
    bool has_md5;   /* the trailer has a Content-MD5 */
    uint64_t left;  /* of this chunk */
    size_t ignored; /* bytes of the extension, or of the trailer */
    size_t line_len;
    char line[CHUNKED_LINE_MAX]; /* of the trailer, as it comes */
    char md5[CHUNKED_LINE_MAX];  /* the value of Content-MD5, NUL-terminated */
};

/*
 * Look at the `len` bytes at `in`. `*used` of them are done with; after CHUNKED_DATA the next `*n` are body. Call it
 * again with what follows until it says otherwise than CHUNKED_DATA, and never after CHUNKED_END.
 */
enum chunked_event chunked_next(struct chunked *c, const char *in, size_t len, size_t *used, size_t *n);

/* `n` bytes of body were used: at most as many as chunked_next has shown. */
void chunked_took(struct chunked *c, size_t n);

#endif
