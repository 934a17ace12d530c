/* SPDX-License-Identifier: MIT */
/* gzip streams: making one while data passes, and undoing one (or a zlib stream) on its way to a descriptor. */
#ifndef MOG_TOOLS_FLATE_H
#define MOG_TOOLS_FLATE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

struct flate;

struct flate *flate_new_deflate(void);
struct flate *flate_new_inflate(void); /* gzip (several members too) or zlib, whatever comes */
void flate_free(struct flate *z);

/* Append what `len` bytes become to `out`; `last`: no more follow. MOG_ESYNTAX: the stream is damaged or cut short. */
MOG_MUSTCHECK enum mog_err flate_add(struct flate *z, const void *data, size_t len, bool last, struct buf *out,
                                     struct mog_fail *f);

/* How a stream begins. */
bool flate_is_gzip(const void *data, size_t len);
bool flate_is_zlib(const void *data, size_t len);

#endif
