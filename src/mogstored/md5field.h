/* SPDX-License-Identifier: MIT */
/* The header Content-MD5: base64 of the sixteen bytes. */
#ifndef MOG_MOGSTORED_MD5FIELD_H
#define MOG_MOGSTORED_MD5FIELD_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

enum { MD5FIELD_BYTES = 16, MD5FIELD_TEXT_SIZE = 23 };

/* 22 characters of base64, with or without "==" behind. MOG_ESYNTAX otherwise. Pure. */
MOG_MUSTCHECK enum mog_err md5field_parse(struct span value, uint8_t out[MD5FIELD_BYTES]);

/* The 22 characters without padding into `out` (MD5FIELD_TEXT_SIZE bytes). Pure. */
void md5field_format(const uint8_t digest[MD5FIELD_BYTES], char *out);

#endif
