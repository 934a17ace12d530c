/* SPDX-License-Identifier: MIT */
/* Where a fid lies on a device: /dev7/0/001/234/0001234567.fid */
#ifndef MOG_COMMON_DEVPATH_H
#define MOG_COMMON_DEVPATH_H

#include <stddef.h>
#include <stdint.h>

enum { DEVPATH_MAX = 80, DEVPATH_TAIL_MAX = 40 };

/* The path below the docroot, with the leading '/'. `out` has DEVPATH_MAX bytes. Returns its length. */
size_t devpath_format(char *out, uint32_t devid, uint64_t fid);

/*
 * The part of it that is the same on all devices, "/0/001/234/0001234567.fid", into DEVPATH_TAIL_MAX bytes. Returns its
 * length. Needs no URL coding.
 */
size_t devpath_tail(char *out, uint64_t fid);

#endif
