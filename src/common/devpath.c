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

size_t devpath_format(char *out, uint32_t devid, uint64_t fid)
{
    /* Ten digits at least; the folders are named by the first seven, also of longer fids, as the original has it. */
    char room[NUM_DIGITS_MAX], digits[NUM_DIGITS_MAX], *to = out;
    struct span dev = num_digits(devid, room);
    to = put_folder(to, "dev", 3);
    to = put(to, dev.ptr, dev.len);
    struct span file = num_digits(fid, room);
    size_t zeros = file.len < FID_DIGITS ? FID_DIGITS - file.len : 0, len = zeros + file.len;
    memset(digits, '0', zeros);
    memcpy(digits + zeros, file.ptr, file.len);
    to = put_folder(to, digits, 1);
    to = put_folder(to, digits + 1, 3);
    to = put_folder(to, digits + 4, 3);
    to = put_folder(to, digits, len);
    to = put(to, ".fid", sizeof(".fid")); /* and its NUL */
    return (size_t)(to - out) - 1;
}
