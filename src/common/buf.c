/* SPDX-License-Identifier: MIT */
/* Growable bytes. */
#include "common/buf.h"

#include "common/mem.h"
#include "common/num.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.limit = b->limit};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->overflowed = false;
    if (b->data != NULL)
        b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->data == NULL || b->cap - b->len <= n) {
        size_t cap = b->cap != 0 ? b->cap : 64;
        while (cap - b->len <= n)
            cap = cap < (size_t)1 << 40 ? cap * 2 : b->len + n + 1;
        b->data = mem_realloc(b->data, cap, 1);
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
    assert(b->len + n < b->cap && "caller reserved the room");
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_append_slowly(struct buf *b, const void *data, size_t len)
{
    if (b->overflowed)
        return;
    if (b->limit != 0 && (len > b->limit || b->len > b->limit - len)) {
        b->overflowed = true;
        return;
    }
    char *to = buf_reserve(b, len);
    if (len != 0)
        memcpy(to, data, len);
    buf_commit(b, len);
}

void buf_u64(struct buf *b, uint64_t v)
{
    char room[NUM_DIGITS_MAX];
    buf_span(b, num_digits(v, room));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    char small[256];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    if (n >= 0 && (size_t)n < sizeof(small)) {
        buf_append(b, small, (size_t)n);
    } else if (n >= 0) {
        char *large = mem_alloc((size_t)n + 1);
        (void)vsnprintf(large, (size_t)n + 1, fmt, again);
        buf_append(b, large, (size_t)n);
        free(large);
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len && "cannot drop more than there is");
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n + 1);
    b->len -= n;
}

void buf_truncate(struct buf *b, size_t len)
{
    assert(len <= b->len && "truncating does not grow");
    if (b->data == NULL)
        return;
    b->len = len;
    b->data[len] = '\0';
}

const char *buf_cstr(const struct buf *b)
{
    return b->data != NULL ? b->data : "";
}

struct span buf_as_span(const struct buf *b)
{
    return span_make(buf_cstr(b), b->len);
}

char *buf_take(struct buf *b)
{
    char *data = b->data != NULL ? b->data : mem_strdup("");
    *b = (struct buf){.limit = b->limit};
    return data;
}
