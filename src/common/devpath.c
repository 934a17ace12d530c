/* SPDX-License-Identifier: MIT */
/* Paths of fids on devices. */
#include "common/devpath.h"

#include <inttypes.h>
#include <stdio.h>

void devpath_format(char *out, uint32_t devid, uint64_t fid)
{
    /* Ten digits at least; the folders are named by the first seven, also of longer fids, as the original has it. */
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%010" PRIu64, fid);
    (void)snprintf(out, DEVPATH_MAX, "/dev%" PRIu32 "/%.1s/%.3s/%.3s/%s.fid", devid, digits, digits + 1, digits + 4,
                   digits);
}
