/* SPDX-License-Identifier: MIT */
/* gzip streams over zlib. */
#include "tools/flate.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/mem.h"

enum { STEP = 256 * 1024, GZIP_BITS = 15 + 16, ANY_BITS = 15 + 32, MEMORY_LEVEL = 8 };

struct flate {
    z_stream s;
    bool inflating, ended;
};

static struct flate *flate_new(bool inflating)
{
    struct flate *z = mem_calloc(1, sizeof *z);
    z->inflating = inflating;
    int rc = inflating
                 ? inflateInit2(&z->s, ANY_BITS)
                 : deflateInit2(&z->s, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    if (rc != Z_OK)
        abort(); /* only for want of memory */
    return z;
}

struct flate *flate_new_deflate(void)
{
    return flate_new(false);
}

struct flate *flate_new_inflate(void)
{
    return flate_new(true);
}

void flate_free(struct flate *z)
{
    if (!z)
        return;
    if (z->inflating)
        inflateEnd(&z->s);
    else
        deflateEnd(&z->s);
    free(z);
}

static int step(struct flate *z, bool last, struct buf *out)
{
    z->s.next_out = (Bytef *)buf_reserve(out, STEP);
    z->s.avail_out = STEP;
    int rc = z->inflating ? inflate(&z->s, Z_NO_FLUSH) : deflate(&z->s, last ? Z_FINISH : Z_NO_FLUSH);
    buf_commit(out, STEP - z->s.avail_out);
    return rc;
}

static enum mog_err inflate_add(struct flate *z, bool last, struct buf *out, struct mog_fail *f)
{
    while (z->s.avail_in > 0) {
        if (z->ended) {
            inflateReset(&z->s); /* the next member of a gzip file */
            z->ended = false;
        }
        int rc = step(z, last, out);
        if (rc == Z_STREAM_END)
            z->ended = true;
        else if (rc != Z_OK)
            return fail_set(f, MOG_ESYNTAX, "the compressed data is damaged");
    }
    if (last && !z->ended)
        return fail_set(f, MOG_ESYNTAX, "the compressed data is cut short");
    return MOG_OK;
}

enum mog_err flate_add(struct flate *z, const void *data, size_t len, bool last, struct buf *out, struct mog_fail *f)
{
    const Bytef *at = data;
    do {
        /* zlib counts in 32 bits */
        size_t part = len < (1u << 30) ? len : 1u << 30;
        z->s.next_in = (Bytef *)(uintptr_t)at;
        z->s.avail_in = (uInt)part;
        at += part;
        len -= part;
        bool is_last = last && len == 0;
        if (z->inflating) {
            enum mog_err e = inflate_add(z, is_last, out, f);
            if (e != MOG_OK)
                return e;
        } else {
            int rc;
            do
                rc = step(z, is_last, out);
            while (rc == Z_OK && (z->s.avail_in > 0 || z->s.avail_out == 0 || is_last));
        }
    } while (len > 0);
    return MOG_OK;
}

bool flate_is_gzip(const void *data, size_t len)
{
    const uint8_t *p = data;
    return len >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

bool flate_is_zlib(const void *data, size_t len)
{
    const uint8_t *p = data;
    return len >= 2 && (p[0] & 0x0f) == 8 && p[0] >> 4 <= 7 && ((unsigned)p[0] << 8 | p[1]) % 31 == 0;
}
