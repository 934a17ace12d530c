/* SPDX-License-Identifier: MIT */
/* Borrowed slices of bytes. */
#include "common/span.h"

#include "common/mem.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool span_is_nocase(struct span a, const char *s)
{
    return a.len == strlen(s) && (a.len == 0 || strncasecmp(a.ptr, s, a.len) == 0);
}

bool span_starts(struct span a, const char *prefix)
{
    size_t len = strlen(prefix);
    return a.len >= len && (len == 0 || memcmp(a.ptr, prefix, len) == 0);
}

struct span span_trim(struct span a)
{
    while (a.len != 0 && is_space(a.ptr[0])) {
        a.ptr++;
        a.len--;
    }
    while (a.len != 0 && is_space(a.ptr[a.len - 1]))
        a.len--;
    return a;
}

bool span_split(struct span *rest, char sep, struct span *part)
{
    if (rest->ptr == NULL)
        return false;
    const char *at = rest->len != 0 ? memchr(rest->ptr, sep, rest->len) : NULL;
    if (at == NULL) {
        *part = *rest;
        *rest = span_make(NULL, 0);
        return true;
    }
    *part = span_make(rest->ptr, (size_t)(at - rest->ptr));
    rest->len -= part->len + 1;
    rest->ptr = at + 1;
    return true;
}

char *span_dup(struct span a)
{
    return mem_strndup(a.ptr, a.len);
}
