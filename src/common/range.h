/* SPDX-License-Identifier: MIT */
/* The headers Range (of a GET) and Content-Range (of a PUT). */
#ifndef MOG_COMMON_RANGE_H
#define MOG_COMMON_RANGE_H

#include "common/err.h"
#include "common/span.h"

#include <stdint.h>

enum range_result {
    RANGE_WHOLE,         /* not a range that we serve (several, another unit, a syntax error): the whole file */
    RANGE_PART,          /* bytes first to last */
    RANGE_UNSATISFIABLE, /* nothing of it is in the file */
};

/* Byte positions, both inclusive. */
struct range {
    uint64_t first, last;
};

/* The value of a Range header, for a file of `size` bytes. `out` is set for RANGE_PART only. Pure. */
enum range_result range_parse(struct span value, uint64_t size, struct range *out);

/*
 * The value of a Content-Range header of an upload: "bytes A-B/" and '*' or a total larger than B.
 * MOG_ESYNTAX: anything else, A > B too. MOG_ERANGE: above the largest file offset. Pure.
 */
MOG_MUSTCHECK enum mog_err range_parse_content(struct span value, struct range *out);

#endif
