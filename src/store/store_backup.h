/* SPDX-License-Identifier: MIT */
/* A copy of an SQLite database that is in use. */
#ifndef MOG_STORE_STORE_BACKUP_H
#define MOG_STORE_STORE_BACKUP_H

#include "common/err.h"

#include <stdint.h>

/*
 * Copy the database `from` to the new file `to`, mode 0640, as it is at one moment; who uses it goes on meanwhile. The
 * copy is checked, on disk, and complete under its name or not there at all. `bytes`: its size. MOG_ENOTFOUND: there is
 * no such database; MOG_EEXISTS: `to` is there, and is left alone; MOG_EIO: it could not be read or written; MOG_EDB:
 * it is no database, or damaged. Blocks until it is done.
 */
MOG_MUSTCHECK enum mog_err store_backup_sqlite(const char *from, const char *to, uint64_t *bytes, struct mog_fail *f);

/* Make the name of a file durable: sync the folder that it is in. MOG_EIO. */
MOG_MUSTCHECK enum mog_err store_sync_folder(const char *path, struct mog_fail *f);

#endif
