/* SPDX-License-Identifier: MIT */
/* Growable bytes, always NUL-terminated, with an optional limit whose breach is remembered. */
#ifndef MOG_COMMON_BUF_H
#define MOG_COMMON_BUF_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data; /* NULL while empty; else data[len] is NUL */
    size_t len, cap;
    size_t limit;    /* 0: none */
    bool overflowed; /* something did not fit below `limit`; sticky */
};

#define BUF_ZERO                                                                                                       \
    {                                                                                                                  \
        NULL, 0, 0, 0, false                                                                                           \
    }

void buf_init(struct buf *b, size_t limit);
void buf_fini(struct buf *b);  /* frees; `b` is empty and usable afterwards */
void buf_reset(struct buf *b); /* empties, keeps the memory */

/* Room for `n` more bytes (limit not looked at): returns where to write; then buf_commit(b, written). */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

/* Appenders return nothing: a breach of the limit is asked for once, at the end (b->overflowed). */
void buf_append_slowly(struct buf *b, const void *data, size_t len); /* for buf_append() alone: there may be no room */
static inline void buf_append(struct buf *b, const void *data, size_t len)
{
    if (len == 0 || len >= b->cap - b->len || b->limit != 0) {
        buf_append_slowly(b, data, len);
        return;
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}
static inline void buf_str(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}
static inline void buf_span(struct buf *b, struct span s)
{
    buf_append(b, s.ptr, s.len);
}
static inline void buf_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}
void buf_u64(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) MOG_PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, __builtin_va_list ap) MOG_PRINTF(2, 0);

void buf_consume(struct buf *b, size_t n); /* drops the first `n` bytes */
void buf_truncate(struct buf *b, size_t len);

const char *buf_cstr(const struct buf *b); /* never NULL */
struct span buf_as_span(const struct buf *b);
char *buf_take(struct buf *b); /* the bytes, NUL-terminated, owned by the caller; `b` is empty then */

#endif
