/* SPDX-License-Identifier: MIT */
/* Syncing of directories: who waits for the same directory at the same time shares one sync. */
#ifndef MOG_MOGSTORED_DIRSYNC_H
#define MOG_MOGSTORED_DIRSYNC_H

#include "common/err.h"

#include <stdbool.h>

struct dirsync;

struct dirsync *dirsync_new(void);
void dirsync_free(struct dirsync *s);

/*
 * Return when a sync of the directory `fd` that began after this call has ended. MOG_EIO with the detail in `f`.
 * Blocks on the disk. Any thread.
 */
MOG_MUSTCHECK enum mog_err dirsync_wait(struct dirsync *s, int fd, struct mog_fail *f);

/*
 * Create directory `name` (0755) in `dirfd`; it is on disk when this returns if `is_synced`. One that is there already
 * is MOG_OK. MOG_EIO with errno in `f`.
 */
MOG_MUSTCHECK enum mog_err dirsync_mkdir(struct dirsync *s, int dirfd, const char *name, bool is_synced,
                                         struct mog_fail *f);

/* To be asked before directories are looked for that somebody else may be about to create. Any thread. */
unsigned dirsync_failures(const struct dirsync *s);

/*
 * Return when all directories that dirsync_mkdir is about to create at this moment are on disk. MOG_EIO, with the text
 * in `f`, when one could not be synced since dirsync_failures() returned `failures_before`: it may be the one that was
 * found. Blocks on the disk. Any thread.
 */
MOG_MUSTCHECK enum mog_err dirsync_barrier(struct dirsync *s, unsigned failures_before, struct mog_fail *f);

#endif
