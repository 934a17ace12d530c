/* SPDX-License-Identifier: MIT */
/* Dates as HTTP writes them. */
#ifndef MOG_COMMON_HTTPDATE_H
#define MOG_COMMON_HTTPDATE_H

#include "common/err.h"
#include "common/span.h"

#include <stdint.h>

enum { HTTPDATE_SIZE = 32 };

/*
 * "Sun, 06 Nov 1994 08:49:37 GMT" into `out` (HTTPDATE_SIZE bytes). Pure.
 * Before 1970 and after 9999: the first second of 1970.
 */
void httpdate_format(int64_t unix_s, char *out);

/*
 * Any of the three forms that HTTP knows; a suffix "; length=..." of old browsers is dropped.
 * MOG_ESYNTAX: none of them. Pure.
 */
MOG_MUSTCHECK enum mog_err httpdate_parse(struct span value, int64_t *unix_s);

#endif
