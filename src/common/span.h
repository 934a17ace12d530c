/* SPDX-License-Identifier: MIT */
/* A borrowed slice of bytes: no NUL at its end, owns nothing. */
#ifndef MOG_COMMON_SPAN_H
#define MOG_COMMON_SPAN_H

#include <stdbool.h>
#include <stddef.h>

struct span {
    const char *ptr;
    size_t len;
};

/* A span over the NUL-terminated `s` (NULL gives an empty span). */
struct span span_of(const char *s);
static inline struct span span_make(const char *ptr, size_t len)
{
    return (struct span){ptr, len};
}

bool span_eq(struct span a, struct span b);
bool span_is(struct span a, const char *s);        /* same bytes as `s` */
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
