/* SPDX-License-Identifier: MIT */
/* The tracker's own URL coding of arguments, and hexadecimal. */
#ifndef MOG_COMMON_URLENC_H
#define MOG_COMMON_URLENC_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#include <stdint.h>

/*
 * Append `s` encoded: letters, digits and _ , - . / \ : stay, a space becomes '+', the rest is %xx
 * in upper-case hex, as the original writes it.
 */
void urlenc_encode(struct buf *out, struct span s);

/* Append `s` decoded: '+' is a space, %XX a byte; a '%' without two hex digits stays as it is. */
void urlenc_decode(struct buf *out, struct span s);

/* As urlenc_decode, in place: returns the new length (never longer). */
size_t urlenc_decode_inplace(char *data, size_t len);

/* Append `len` bytes as lower-case hex. */
void urlenc_hex(struct buf *out, const void *data, size_t len);

/* Hex to bytes: `s` must have exactly 2 * len digits of either case. MOG_ESYNTAX otherwise. */
MOG_MUSTCHECK enum mog_err urlenc_unhex(struct span s, uint8_t *out, size_t len);

#endif
