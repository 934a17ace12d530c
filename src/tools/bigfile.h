/* SPDX-License-Identifier: MIT */
/* The description of a file that was stored in pieces: the object "_big_info:KEY" of mogtool. */
#ifndef MOG_TOOLS_BIGFILE_H
#define MOG_TOOLS_BIGFILE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/opt.h"
#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

struct bigfile_part {
    uint64_t number, bytes;
    char md5[33];
    struct opt_list paths; /* where it was when the description was written */
};

struct bigfile {
    char *description, *type, *filename; /* type: "file", "tarball", "partition" */
    bool compressed;
    bool deflated; /* compressed by us: to be undone when it is read */
    uint64_t chunks, size;
    struct bigfile_part *parts; /* sorted by number */
    size_t n_parts, cap_parts;
};

void bigfile_init(struct bigfile *b);
void bigfile_fini(struct bigfile *b);

/* MOG_ESYNTAX: no description of a big file, or parts are missing. Lines that are not understood are ignored. */
MOG_MUSTCHECK enum mog_err bigfile_parse(struct bigfile *b, struct span text, struct mog_fail *f);
void bigfile_format(const struct bigfile *b, struct buf *out);
/* A new part, at the end. */
struct bigfile_part *bigfile_add(struct bigfile *b, uint64_t number, uint64_t bytes, const char *md5);

/* No white space and no comma, and not empty. */
bool bigfile_key_is_valid(const char *key);

/* "64M", "100K", "5g", "12345B", "7" (megabytes) in bytes; MOG_ESYNTAX, MOG_ERANGE (1 byte to 4 GiB). */
MOG_MUSTCHECK enum mog_err bigfile_chunksize(const char *text, uint64_t *bytes);

#endif
