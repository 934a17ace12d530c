/* SPDX-License-Identifier: MIT */
/*
 * Files that get their name when all of them is there. Until then nobody sees them, nothing of them is left when the
 * process dies, and the directory has two changes less to go through than with a temporary name.
 */
#ifndef MOG_MOGSTORED_NAMELESS_H
#define MOG_MOGSTORED_NAMELESS_H

#include <stdbool.h>

/*
 * Whether files of directory `dirfd` (open for reading) can begin without a name, and gain by it: tried, with a file
 * that is gone afterwards, on file systems that are known for it. Others may take seconds to name a file (ZFS waits
 * until everything is on the disk). May block on the disk.
 */
bool nameless_is_had(int dirfd);

/* A new empty file in the file system of `dirfd`, for writing, 0644. Returns the descriptor, or -1 with errno. */
int nameless_create(int dirfd);

/* Give file `fd` the name `name` in `dirfd`. Returns 0, or -1 with errno: EEXIST when there is something, even a link.
 */
int nameless_link(int fd, int dirfd, const char *name);

#endif
