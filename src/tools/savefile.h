/* SPDX-License-Identifier: MIT */
/* A file that appears under its name only when it is complete. */
#ifndef MOG_TOOLS_SAVEFILE_H
#define MOG_TOOLS_SAVEFILE_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct savefile {
    int fd;            /* -1: none */
    char *path, *temp; /* `path`: its name, links resolved; NULL: none */
    int slot;          /* own: what removes it when a signal ends the program; 0: nothing */
    bool direct;       /* written in place: a device, a pipe, what has no name */
    bool replaces;     /* own: there was a file of this name */
    mode_t mode;       /* own: of that one */
    int sys_errno;     /* of the last failed write */
};

/*
 * Begin a temporary file beside `path`. What exists under the name and is no regular file is opened and written in
 * place. A symbolic link stays, and what it leads to is meant; where that has no name, it is written in place too.
 * MOG_EIO. savefile_fini in any case.
 */
MOG_MUSTCHECK enum mog_err savefile_init(struct savefile *s, const char *path, struct mog_fail *f);
/* For a struct fetch_sink: append; begin again. `arg` is the struct savefile. */
bool savefile_write(void *arg, const char *data, size_t len);
bool savefile_restart(void *arg);
/* Give it its name. A file that existed at the beginning keeps its mode; a new one has that of new files. MOG_EIO. */
MOG_MUSTCHECK enum mog_err savefile_commit(struct savefile *s, struct mog_fail *f);
/* Without a commit the temporary file goes away; so it does when a signal ends the program. */
void savefile_fini(struct savefile *s);

#endif
