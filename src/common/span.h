/* SPDX-License-Identifier: MIT */
/* A borrowed slice of bytes: no NUL at its end, owns nothing. */
#ifndef MOG_COMMON_SPAN_H
#define MOG_COMMON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *ptr;
    size_t len;
};

/* Here are those that are nothing but a comparison once the compiler knows the length of a literal. */

static inline struct span span_make(const char *ptr, size_t len)
{
    return (struct span){ptr, len};
}

/* A span over the NUL-terminated `s` (NULL gives an empty span). */
static inline struct span span_of(const char *s)
{
    return span_make(s, s != NULL ? strlen(s) : 0);
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Same bytes as `s`. */
static inline bool span_is(struct span a, const char *s)
{
    return span_eq(a, span_of(s));
}

bool span_is_nocase(struct span a, const char *s); /* the same, ASCII letters without case */
bool span_starts(struct span a, const char *prefix);
struct span span_trim(struct span a); /* without ASCII white space at both ends */

/*
 * Cut the part before the first `sep` off `*rest` into `*part`. False when `*rest` is used up
 * (its ptr is NULL then). "a,,b" gives "a", "", "b".
 */
bool span_split(struct span *rest, char sep, struct span *part);

/* A NUL-terminated copy; the caller frees. */
char *span_dup(struct span a);

#endif
