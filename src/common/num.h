/* SPDX-License-Identifier: MIT */
/* Numbers from text, with bounds; sums and products that cannot overflow unseen. */
#ifndef MOG_COMMON_NUM_H
#define MOG_COMMON_NUM_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Decimal digits only (num_parse_i64: one leading '-' too), nothing before or behind.
 * MOG_ESYNTAX: not a number (or empty); MOG_ERANGE: outside [min, max]. `*out` is set on MOG_OK only.
 */
MOG_MUSTCHECK enum mog_err num_parse_u64(struct span s, uint64_t min, uint64_t max, uint64_t *out);
MOG_MUSTCHECK enum mog_err num_parse_i64(struct span s, int64_t min, int64_t max, int64_t *out);
MOG_MUSTCHECK enum mog_err num_parse_double(struct span s, double *out);

/*
 * A number as Perl reads one: leading white space, sign and digits count, the rest is dropped, nothing is 0.
 * For values that the original took so ("007", "5 apples"). Saturates.
 */
int64_t num_perl_int(struct span s);

/* Truth as Perl sees it: everything but "" and "0". */
bool num_perl_true(struct span s);

/* `v` in decimal, at the end of `room`; no NUL follows. */
enum { NUM_DIGITS_MAX = 20 };
struct span num_digits(uint64_t v, char room[NUM_DIGITS_MAX]);

static inline bool num_mul_u64(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

#endif
