/* SPDX-License-Identifier: MIT */
/* Ordered name=value arguments, as requests and answers of the tracker carry them. Both ends use this. */
#ifndef MOG_COMMON_KV_H
#define MOG_COMMON_KV_H

#include "common/buf.h"
#include "common/span.h"

#include <stdint.h>
#include <string.h>

struct kv_item {
    struct span name, value; /* both NUL-terminated too, inside kv's own memory */
    size_t room;             /* bytes at value.ptr that nothing else is put into, the NUL among them */
};

struct kv {
    struct kv_item *items;
    size_t n, cap;
    struct kv_block *blocks; /* memory behind the spans, newest first */
};

#define KV_ZERO                                                                                                        \
    {                                                                                                                  \
        NULL, 0, 0, NULL                                                                                               \
    }

void kv_init(struct kv *k);
void kv_fini(struct kv *k);
void kv_reset(struct kv *k); /* empties; keeps some memory for the next ones */

/*
 * Parse "a=b&c=d" (names and values decoded), with the rules of the original: empty parts and parts that are exactly
 * "0" are skipped; a part without '=' has an empty value; a value ends at a second '='; a repeated name is one pair
 * whose values are joined with a NUL byte (without it when the earlier one is "" or "0"). The bytes are copied. Time
 * grows with n log n of the parts, memory with the bytes, whatever they are.
 */
void kv_parse(struct kv *k, struct span args);

/* Append one pair; bytes are copied. */
void kv_add(struct kv *k, const char *name, struct span value);
void kv_add_str(struct kv *k, const char *name, const char *value);
void kv_add_u64(struct kv *k, const char *name, uint64_t value);
void kv_add_i64(struct kv *k, const char *name, int64_t value);

/* The value of the last pair called `name`, or NULL. Valid until reset. */
static inline const struct span *kv_find(const struct kv *k, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = k->n; i-- > 0;) {
        const struct kv_item *item = &k->items[i];
        if (item->name.len == len && memcmp(item->name.ptr, name, len) == 0)
            return &item->value;
    }
    return NULL;
}

/* The same as text, or `fallback` when absent. A value may hold NUL bytes: use kv_find for names and keys. */
const char *kv_str(const struct kv *k, const char *name, const char *fallback);

/* Decimal number; `fallback` when absent or not a number in range. */
uint64_t kv_u64(const struct kv *k, const char *name, uint64_t fallback);

/* Append all pairs, encoded, joined by '&'. */
void kv_format(const struct kv *k, struct buf *out);

/*
 * Pairs of which nothing is looked up are written at once: append one to those that `out` has, as kv_format() would.
 * `out` has no limit, and `name` needs no coding. What is appended to `out` then, encoded, still belongs to the value.
 */
void kv_put(struct buf *out, const char *name, struct span value);
void kv_put_str(struct buf *out, const char *name, const char *value);
void kv_put_u64(struct buf *out, const char *name, uint64_t value);
void kv_put_i64(struct buf *out, const char *name, int64_t value);
/* The same for any name. */
void kv_put_pair(struct buf *out, struct span name, struct span value);
/* The `nth` of a list: the name is `prefix` with that number behind it. */
void kv_put_nth(struct buf *out, const char *prefix, uint64_t nth, struct span value);

#endif
