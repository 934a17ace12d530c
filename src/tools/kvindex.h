/* SPDX-License-Identifier: MIT */
/* Fast look-up in the long answers of list commands: "dev412_status" among ten thousand pairs. */
#ifndef MOG_TOOLS_KVINDEX_H
#define MOG_TOOLS_KVINDEX_H

#include "common/kv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrows the pairs; they must not change meanwhile. */
struct kvindex {
    struct kv_item *sorted; /* by name; the bytes are those of the kv */
    size_t n;
};

void kvindex_init(struct kvindex *x, const struct kv *k);
void kvindex_fini(struct kvindex *x);

/* The value of the pair whose name is formatted so (up to 159 bytes), or NULL. */
const struct span *kvindex_find(const struct kvindex *x, const char *fmt, ...) MOG_PRINTF(2, 3);
/* A copy of it, which the caller frees; "" when absent. */
char *kvindex_dup(const struct kvindex *x, const char *fmt, ...) MOG_PRINTF(2, 3);
/* Its number in `*out`; false, and 0, when absent or no number. */
bool kvindex_u64(const struct kvindex *x, uint64_t *out, const char *fmt, ...) MOG_PRINTF(3, 4);

#endif
