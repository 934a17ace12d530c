/* SPDX-License-Identifier: MIT */
/* What is mounted where: from a device number to the source of the mount and to the disk behind it. */
#ifndef MOG_MOGSTORED_MOUNT_H
#define MOG_MOGSTORED_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MOUNT_SOURCE_SIZE = 256, MOUNT_DISK_SIZE = 64 };

/*
 * The source ("/dev/sdb1", "tmpfs") of the mount with device number `dev`, else of the longest mount point that
 * `path` (absolute) lies under; "unknown" when there is none. Reads /proc only.
 */
void mount_find_source(dev_t dev, const char *path, char out[MOUNT_SOURCE_SIZE]);

/*
 * As mount_find_source, with the text of /proc/self/mountinfo given. False when nothing matches. Pure.
 */
bool mount_parse_source(const char *mountinfo, dev_t dev, const char *path, char out[MOUNT_SOURCE_SIZE]);

/*
 * The name in /proc/diskstats of the whole disk behind device number `dev` ("sda" for /dev/sda1). `source` is used
 * for anonymous numbers (btrfs, overlay). False when there is none. Reads /sys, and stats `source`.
 */
bool mount_find_disk(dev_t dev, const char *source, char out[MOUNT_DISK_SIZE]);

#endif
