/* SPDX-License-Identifier: MIT */
/* File system calls that never follow a link and never leave the directory they start from. */
#ifndef MOG_MOGSTORED_BENEATH_H
#define MOG_MOGSTORED_BENEATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Open `path` below the directory `dirfd` without following links. O_CLOEXEC, O_NOCTTY and O_NONBLOCK are added.
 * Returns the descriptor or -1 with errno: ELOOP for a link, EXDEV for a path that leaves. May block on the disk.
 */
int beneath_open(int dirfd, const char *path, int flags, mode_t mode);

/*
 * The same for reading, without updating the access time where we may leave it.
 */
int beneath_open_read(int dirfd, const char *path);

/*
 * As beneath_open_read, but fails with EAGAIN rather than wait for a disk (always, on kernels before 5.12).
 * Never blocks. `path` may go through mount points.
 */
int beneath_open_cached(int dirfd, const char *path);

/*
 * Read without waiting for a disk. Returns the bytes read, 0 at the end, or -1 with errno: EAGAIN when not (all)
 * in memory, EOPNOTSUPP where the file system cannot tell. Never blocks.
 */
ssize_t beneath_read_cached(int fd, void *out, size_t len, off_t at);

/*
 * Are all pages of the range in memory? `at` is a multiple of BENEATH_MEMORY_MAX. Before Linux 6.5 what
 * beneath_is_in_memory says. Never blocks.
 */
bool beneath_is_cached(int fd, off_t at, off_t len);

enum { BENEATH_MEMORY_MAX = 1 << 20 };

/*
 * Can `len` bytes (at most BENEATH_MEMORY_MAX) be read without waiting for a disk: are all of them in memory, and none
 * of them still on its way? The kernel tells the truth to who owns the file, or is privileged: that is who may open it
 * with O_NOATIME, and for all others it says yes. Never blocks on a file that was opened so.
 */
bool beneath_is_in_memory(int fd, off_t at, size_t len);

#endif
