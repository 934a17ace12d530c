/* SPDX-License-Identifier: MIT */
/* Fast look-up in the long answers of list commands: "dev412_status" among ten thousand pairs. */
#include "tools/kvindex.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/num.h"

static int by_name(const void *a, const void *b)
{
    const struct kv_item *x = a, *y = b;
    return strcmp(x->name.ptr, y->name.ptr);
}

void kvindex_init(struct kvindex *x, const struct kv *k)
{
    x->n = k->n;
    x->sorted = mem_calloc(k->n + 1, sizeof *x->sorted);
    for (size_t i = 0; i < k->n; i++)
        x->sorted[i] = k->items[i];
    if (x->n > 1)
        qsort(x->sorted, x->n, sizeof *x->sorted, by_name);
}

void kvindex_fini(struct kvindex *x)
{
    free(x->sorted);
    x->sorted = NULL;
    x->n = 0;
}

static const struct span *find(const struct kvindex *x, const char *fmt, va_list ap) MOG_PRINTF(2, 0);
static const struct span *find(const struct kvindex *x, const char *fmt, va_list ap)
{
    char name[160];
    vsnprintf(name, sizeof name, fmt, ap);
    struct kv_item wanted = {.name = span_of(name)};
    const struct kv_item *hit = x->n ? bsearch(&wanted, x->sorted, x->n, sizeof *x->sorted, by_name) : NULL;
    return hit ? &hit->value : NULL;
}

const struct span *kvindex_find(const struct kvindex *x, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const struct span *v = find(x, fmt, ap);
    va_end(ap);
    return v;
}

char *kvindex_dup(const struct kvindex *x, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const struct span *v = find(x, fmt, ap);
    va_end(ap);
    return v ? span_dup(*v) : mem_strdup("");
}

bool kvindex_u64(const struct kvindex *x, uint64_t *out, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const struct span *v = find(x, fmt, ap);
    va_end(ap);
    *out = 0;
    return v && num_parse_u64(*v, 0, UINT64_MAX, out) == MOG_OK;
}
