/* SPDX-License-Identifier: MIT */
/* The headers Range (of a GET) and Content-Range (of a PUT). */
#include "common/range.h"

#include <string.h>
#include <strings.h>

#include "common/num.h"

/* Cuts `prefix` (letters of any case) off. */
static bool cut_prefix(struct span *s, const char *prefix)
{
    size_t n = strlen(prefix);
    if (s->len < n || strncasecmp(s->ptr, prefix, n) != 0)
        return false;
    *s = span_make(s->ptr + n, s->len - n);
    return true;
}

static enum range_result parse_suffix(struct span digits, uint64_t size, struct range *out)
{
    uint64_t n;
    enum mog_err e = num_parse_u64(digits, 0, INT64_MAX, &n);
    if (e == MOG_ESYNTAX)
        return RANGE_WHOLE;
    if (e != MOG_OK || n == 0 || size == 0)
        return RANGE_UNSATISFIABLE;
    out->first = n < size ? size - n : 0;
    out->last = size - 1;
    return RANGE_PART;
}

enum range_result range_parse(struct span value, uint64_t size, struct range *out)
{
    struct span a, b = value;
    if (!cut_prefix(&b, "bytes=") || b.len == 0 || !memchr(b.ptr, '-', b.len))
        return RANGE_WHOLE;
    if (!span_split(&b, '-', &a))
        return RANGE_WHOLE;
    if (a.len == 0)
        return parse_suffix(b, size, out);

    uint64_t first = 0, last = INT64_MAX;
    enum mog_err ea = num_parse_u64(a, 0, INT64_MAX, &first);
    enum mog_err eb = b.len == 0 ? MOG_OK : num_parse_u64(b, 0, INT64_MAX, &last);
    if (ea == MOG_ESYNTAX || eb == MOG_ESYNTAX)
        return RANGE_WHOLE;
    /* The current RFC would have "last before first" ignored; clients of the original expect 416. */
    if (ea != MOG_OK || eb != MOG_OK || first > last || first >= size)
        return RANGE_UNSATISFIABLE;
    out->first = first;
    out->last = last < size ? last : size - 1;
    return RANGE_PART;
}

enum mog_err range_parse_content(struct span value, struct range *out)
{
    struct span rest = value, a, b;
    if (!cut_prefix(&rest, "bytes ") || !span_split(&rest, '-', &a) || !span_split(&rest, '/', &b) || !rest.ptr)
        return MOG_ESYNTAX;
    uint64_t first, last, total;
    enum mog_err e = num_parse_u64(a, 0, INT64_MAX - 1, &first);
    if (e == MOG_OK)
        e = num_parse_u64(b, 0, INT64_MAX - 1, &last);
    if (e != MOG_OK)
        return e;
    if (first > last)
        return MOG_ESYNTAX;
    if (!span_is(rest, "*")) {
        e = num_parse_u64(rest, 0, INT64_MAX, &total);
        if (e != MOG_OK)
            return e;
        if (total <= last)
            return MOG_ESYNTAX;
    }
    out->first = first;
    out->last = last;
    return MOG_OK;
}
