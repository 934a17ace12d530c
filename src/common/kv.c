/* SPDX-License-Identifier: MIT */
/* Ordered name=value arguments. */
#include "common/kv.h"

#include "common/mem.h"
#include "common/num.h"
#include "common/urlenc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blocks grow, so that what is used again and again soon has one that is large enough; one of more is given back. */
enum { BLOCK_MIN = 256, BLOCK_KEPT_MAX = 8 * 1024, ITEMS_KEPT_MAX = 256 };

/* So many names are looked through for each part; what comes then is sorted out at the end. */
enum { FEW = 32 };

struct kv_block {
    struct kv_block *next;
    size_t used, cap;
    char bytes[];
};

void kv_init(struct kv *k)
{
    *k = (struct kv)KV_ZERO;
}

static void blocks_free(struct kv_block *b)
{
    while (b != NULL) {
        struct kv_block *next = b->next;
        free(b);
        b = next;
    }
}

void kv_reset(struct kv *k)
{
    struct kv_block *b = k->blocks;
    k->n = 0;
    if (k->cap > ITEMS_KEPT_MAX) {
        free(k->items);
        k->items = NULL;
        k->cap = 0;
    }
    if (b == NULL)
        return;
    if (b->cap > BLOCK_KEPT_MAX) {
        blocks_free(b);
        k->blocks = NULL;
        return;
    }
    blocks_free(b->next);
    b->next = NULL;
    b->used = 0;
}

void kv_fini(struct kv *k)
{
    blocks_free(k->blocks);
    free(k->items);
    kv_init(k);
}

/* `n` bytes that stay where they are until the reset. */
static char *keep(struct kv *k, size_t n)
{
    struct kv_block *b = k->blocks;
    if (b == NULL || b->cap - b->used < n) {
        size_t cap = b != NULL ? b->cap * 2 : BLOCK_MIN;
        cap = cap < n ? n : cap;
        struct kv_block *fresh = mem_alloc(sizeof(*fresh) + cap);
        *fresh = (struct kv_block){.next = b, .cap = cap};
        k->blocks = b = fresh;
    }
    char *bytes = b->bytes + b->used;
    b->used += n;
    return bytes;
}

static void push(struct kv *k, struct span name, struct span value)
{
    if (k->n == k->cap)
        k->items = mem_grow(k->items, k->n, &k->cap, sizeof(*k->items));
    k->items[k->n++] = (struct kv_item){name, value, value.len + 1};
}

static struct kv_item *find_item(struct kv *k, struct span name)
{
    for (size_t i = 0; i < k->n; i++) {
        if (span_eq(k->items[i].name, name))
            return &k->items[i];
    }
    return NULL;
}

static void join(struct kv *k, struct kv_item *item, struct span more)
{
    struct span old = item->value;
    size_t gap = num_perl_true(old) ? 1 : 0, len = old.len + gap + more.len;
    char *memory = (char *)(uintptr_t)old.ptr;
    if (len + 1 > item->room) {
        /* Room for as much again: who joins many copies few. */
        item->room = 2 * (len + 1);
        memory = keep(k, item->room);
        if (old.len != 0)
            memcpy(memory, old.ptr, old.len);
    }
    memory[old.len] = '\0';
    if (more.len != 0)
        memcpy(memory + old.len + gap, more.ptr, more.len);
    memory[len] = '\0';
    item->value = span_make(memory, len);
}

static int by_name_then_place(const void *a, const void *b)
{
    const struct kv_item *x = *(struct kv_item *const *)a, *y = *(struct kv_item *const *)b;
    size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = len != 0 ? memcmp(x->name.ptr, y->name.ptr, len) : 0;
    if (order == 0)
        order = (x->name.len > y->name.len) - (x->name.len < y->name.len);
    return order != 0 ? order : (x > y) - (x < y);
}

/* One item for each name, where the first one was. */
static void join_repeated(struct kv *k)
{
    struct kv_item **sorted = mem_calloc(k->n, sizeof(struct kv_item *)), *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < k->n; i++)
        sorted[i] = &k->items[i];
    qsort(sorted, k->n, sizeof(struct kv_item *), by_name_then_place);
    for (size_t i = 0; i < k->n; i++) {
        if (first == NULL || !span_eq(first->name, sorted[i]->name)) {
            first = sorted[i];
        } else {
            join(k, first, sorted[i]->value);
            sorted[i]->name.ptr = NULL; /* gone */
        }
    }
    for (size_t i = 0; i < k->n; i++) {
        if (k->items[i].name.ptr != NULL)
            k->items[n++] = k->items[i];
    }
    k->n = n;
    free(sorted);
}

/* Where the name or the value from `at` on ends: at the first '=' or '&', and there is one. It is decoded then. */
static char *word_end(char *at, size_t *len)
{
    static const bool is_special[256] = {['='] = true, ['&'] = true, ['%'] = true, ['+'] = true};
    char *begin = at;
    while (!is_special[(unsigned char)*at])
        at++;
    *len = (size_t)(at - begin);
    if (*at == '%' || *at == '+') {
        while (*at != '=' && *at != '&')
            at++;
        *len = urlenc_decode_inplace(begin, (size_t)(at - begin));
    }
    return at;
}

/* One part, which has an '&' behind it; returns where that is. */
static char *parse_part(struct kv *k, char *part)
{
    struct span name = {.ptr = part}, value;
    char *end = word_end(part, &name.len), *text = end;
    value = span_make(part + name.len, 0); /* without '=': the NUL behind the name serves both */
    if (*end == '=') {
        text = end + 1;
        end = word_end(text, &value.len);
        value.ptr = text;
    }
    while (*end != '&') /* from a second '=' on */
        end++;
    /* What is behind them is no part of anything any more: there is room for a NUL. */
    part[name.len] = text[value.len] = '\0';
    struct kv_item *before = k->n < FEW ? find_item(k, name) : NULL;
    if (before != NULL)
        join(k, before, value);
    else
        push(k, name, value);
    return end;
}

void kv_parse(struct kv *k, struct span args)
{
    if (args.len == 0)
        return;
    char *at = keep(k, args.len + 1), *end = at + args.len;
    memcpy(at, args.ptr, args.len);
    *end = '&';
    for (; at < end; at++) {
        bool is_left_out = at[0] == '&' || (at[0] == '0' && at[1] == '&');
        if (!is_left_out)
            at = parse_part(k, at);
        else if (at[0] == '0')
            at++;
    }
    if (k->n >= FEW)
        join_repeated(k);
}

void kv_add(struct kv *k, const char *name, struct span value)
{
    size_t name_len = strlen(name);
    char *memory = keep(k, name_len + value.len + 2);
    memcpy(memory, name, name_len + 1);
    if (value.len != 0)
        memcpy(memory + name_len + 1, value.ptr, value.len);
    memory[name_len + 1 + value.len] = '\0';
    push(k, span_make(memory, name_len), span_make(memory + name_len + 1, value.len));
}

void kv_add_str(struct kv *k, const char *name, const char *value)
{
    kv_add(k, name, span_of(value));
}

void kv_add_u64(struct kv *k, const char *name, uint64_t value)
{
    char digits[NUM_DIGITS_MAX];
    kv_add(k, name, num_digits(value, digits));
}

void kv_add_i64(struct kv *k, const char *name, int64_t value)
{
    char text[NUM_DIGITS_MAX + 2];
    kv_add(k, name, span_make(text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value)));
}

const char *kv_str(const struct kv *k, const char *name, const char *fallback)
{
    const struct span *value = kv_find(k, name);
    return value != NULL ? value->ptr : fallback;
}

uint64_t kv_u64(const struct kv *k, const char *name, uint64_t fallback)
{
    const struct span *value = kv_find(k, name);
    uint64_t n = 0;
    if (value == NULL || num_parse_u64(*value, 0, UINT64_MAX, &n) != MOG_OK)
        return fallback;
    return n;
}

void kv_format(const struct kv *k, struct buf *out)
{
    for (size_t i = 0; i < k->n; i++) {
        if (i != 0)
            buf_char(out, '&');
        urlenc_encode(out, k->items[i].name);
        buf_char(out, '=');
        urlenc_encode(out, k->items[i].value);
    }
}

static char *copy(char *to, struct span s)
{
    if (s.len != 0)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

/* A pair that needs no coding, whose name has two parts. */
static void put(struct buf *out, struct span name, struct span more, struct span value)
{
    char *begin = buf_reserve(out, name.len + more.len + value.len + 2), *to = begin;
    if (out->len != 0)
        *to++ = '&';
    to = copy(copy(to, name), more);
    *to++ = '=';
    to = copy(to, value);
    buf_commit(out, (size_t)(to - begin));
}

static const struct span nothing = {NULL, 0};

void kv_put(struct buf *out, const char *name, struct span value)
{
    put(out, span_of(name), nothing, nothing);
    urlenc_encode(out, value);
}

void kv_put_pair(struct buf *out, struct span name, struct span value)
{
    if (out->len != 0)
        buf_char(out, '&');
    urlenc_encode(out, name);
    buf_char(out, '=');
    urlenc_encode(out, value);
}

void kv_put_str(struct buf *out, const char *name, const char *value)
{
    kv_put(out, name, span_of(value));
}

void kv_put_u64(struct buf *out, const char *name, uint64_t value)
{
    char digits[NUM_DIGITS_MAX];
    put(out, span_of(name), nothing, num_digits(value, digits));
}

void kv_put_i64(struct buf *out, const char *name, int64_t value)
{
    put(out, span_of(name), nothing, nothing);
    buf_printf(out, "%" PRId64, value);
}

void kv_put_nth(struct buf *out, const char *prefix, uint64_t nth, struct span value)
{
    char digits[NUM_DIGITS_MAX];
    put(out, span_of(prefix), num_digits(nth, digits), nothing);
    urlenc_encode(out, value);
}
