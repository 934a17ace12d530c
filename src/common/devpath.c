/* SPDX-License-Identifier: MIT */
/* Paths of fids on devices. By hand: most answers of a tracker have some. */
#include "common/devpath.h"

#include "common/num.h"

#include <string.h>

enum { FID_DIGITS = 10 };

static char *put(char *to, const char *from, size_t len)
{
    memcpy(to, from, len);
    return to + len;
}

static char *put_folder(char *to, const char *from, size_t len)
{
    *to++ = '/';
    return put(to, from, len);
}

size_t devpath_tail(char *out, uint64_t fid)
{
    /* Ten digits at least; the folders are named by the first seven, also of longer fids, as the original has it. */
    char room[NUM_DIGITS_MAX], *to = out;
    memset(room, '0', sizeof(room));
    size_t n = num_digits(fid, room).len, len = n < FID_DIGITS ? FID_DIGITS : n;
    const char *digits = room + sizeof(room) - len;
    to = put_folder(to, digits, 1);
    to = put_folder(to, digits + 1, 3);
    to = put_folder(to, digits + 4, 3);
    to = put_folder(to, digits, len);
    to = put(to, ".fid", sizeof(".fid")); /* and its NUL */
    return (size_t)(to - out) - 1;
}

size_t devpath_format(char *out, uint32_t devid, uint64_t fid)
{
    char room[NUM_DIGITS_MAX];
    struct span dev = num_digits(devid, room);
    char *to = put(put_folder(out, "dev", 3), dev.ptr, dev.len);
    return (size_t)(to - out) + devpath_tail(to, fid);
}
