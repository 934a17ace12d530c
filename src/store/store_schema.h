/* SPDX-License-Identifier: MIT */
/* The schema: its version, creating and upgrading it, and the embedded database that is made at first start. */
#ifndef MOG_STORE_STORE_SCHEMA_H
#define MOG_STORE_STORE_SCHEMA_H

#include "store/store.h"

enum { STORE_SCHEMA_VERSION = 17 };

/* The version stored in the database; 0 when there is none, or no table of settings. 1 RT. */
MOG_MUSTCHECK enum mog_err store_schema_version(struct store *st, uint32_t *version);

/* MOG_ESCHEMA unless the version is exactly ours, with the original's text (two paragraphs) in store_failure(). */
MOG_MUSTCHECK enum mog_err store_schema_check(struct store *st);

/* MOG_ENOTFOUND unless the table `lock` exists, which row locks need (db_row_locks). 1 RT. */
MOG_MUSTCHECK enum mog_err store_schema_check_row_locks(struct store *st);

struct store_schema_job {
    bool dry_run;        /* change nothing; `note` is told what would be done */
    bool keep_version;   /* do not store the version */
    bool with_row_locks; /* MySQL: make the table `lock` too */
    /* Told each statement before it runs ("Running SQL: ...;") and each warning. May be NULL. */
    void (*note)(void *arg, bool is_warning, const char *text);
    void *arg;
};

/*
 * Bring the database to our version: create missing tables and indexes, alter old ones. Looks at what is there, so it
 * can be run again after a failure. A schema newer than ours is MOG_ESCHEMA.
 */
MOG_MUSTCHECK enum mog_err store_schema_upgrade(struct store *st, const struct store_schema_job *job);

/*
 * Tell `note`, in a sentence each, what differs from a database that store_schema_upgrade() makes from nothing though
 * the schema is complete, and what that means: names that are text, numbers that are narrow, tables without
 * transactions.
 */
MOG_MUSTCHECK enum mog_err store_schema_report(struct store *st, void (*note)(void *arg, const char *text), void *arg);

/*
 * Create the embedded SQLite database `path` with its schema, mode 0640, complete or not at all. MOG_EEXISTS: the file
 * is there (and is left alone).
 */
MOG_MUSTCHECK enum mog_err store_embedded_create(const char *path, struct mog_fail *f);

/*
 * Take the exclusive lock beside the embedded database ("<path>.lock"), held until the descriptor is closed (also by a
 * fork that keeps it). MOG_ELOCKED: another tracker has it. MOG_EIO.
 */
MOG_MUSTCHECK enum mog_err store_embedded_lock(const char *path, int *fd, struct mog_fail *f);

#endif
