/* SPDX-License-Identifier: MIT */
/* Streaming digests over libcrypto, and the hash types that classes can have. */
#ifndef MOG_COMMON_DIGEST_H
#define MOG_COMMON_DIGEST_H

#include "common/err.h"
#include "common/span.h"

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_MAX_BYTES = 64 };

/* Ids are those of the class.hashtype and checksum.hashtype columns. */
enum digest_type {
    DIGEST_NONE = 0,
    DIGEST_MD5 = 1,
    DIGEST_SHA1 = 2,
    DIGEST_SHA224 = 3,
    DIGEST_SHA256 = 4,
    DIGEST_SHA384 = 5,
    DIGEST_SHA512 = 6
};

/* "MD5", "SHA-1" ...; NULL for an unknown type. */
const char *digest_name(enum digest_type t);
/* Bytes of the digest; 0 for an unknown type. */
size_t digest_size(enum digest_type t);
/* The type of an exact name ("MD5", "SHA-1"); DIGEST_NONE when there is none. */
enum digest_type digest_by_name(struct span name);

struct digest;                                 /* one running digest */
struct digest *digest_new(enum digest_type t); /* NULL when `t` is unknown */
void digest_free(struct digest *d);
void digest_update(struct digest *d, const void *data, size_t len);
/* Writes digest_size() bytes to `out` and resets `d` for the next use. */
void digest_final(struct digest *d, uint8_t out[DIGEST_MAX_BYTES]);

#endif
