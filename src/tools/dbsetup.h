/* SPDX-License-Identifier: MIT */
/* The parts of mogdbsetup: its options, its questions, its connections, and the run through them. */
#ifndef MOG_TOOLS_DBSETUP_H
#define MOG_TOOLS_DBSETUP_H

#include "common/err.h"
#include "store/store.h"

#include <stdbool.h>

struct dbsetup {
    bool verbose, yes, noschemabump, help, dry_run, check, row_locks;
    char *dbhost, *dbport, *dbname, *dbrootuser, *dbrootpassword, *dbuser, *dbpassword, *type, *plugins, *backup;
    enum store_backend backend; /* by `type` */
};

/* Fill in the defaults and read the command line. MOG_EUSAGE: told on standard error already. */
MOG_MUSTCHECK enum mog_err dbsetup_options_parse(struct dbsetup *d, int argc, char **argv);
void dbsetup_options_fini(struct dbsetup *d);
/* To standard error. */
void dbsetup_options_usage(void);

/* With --verbose, a line to standard error. */
void dbsetup_ask_status(const struct dbsetup *d, const char *fmt, ...) MOG_PRINTF(2, 3);
/* A line to standard error, always. */
void dbsetup_ask_complain(const char *fmt, ...) MOG_PRINTF(1, 2);

/*
 * Ask on standard output, read a line of standard input. --yes answers all. MOG_ECANCELED, told on standard error,
 * unless the answer is yes; an empty one is the default, the end of input is no.
 */
MOG_MUSTCHECK enum mog_err dbsetup_ask(const struct dbsetup *d, bool default_yes, const char *fmt, ...)
    MOG_PRINTF(3, 4);

/* An open handle and what it stands on. Zero before use. */
struct dbsetup_db {
    struct store_env *env;
    struct store *st;
};

/* Connect as the account of the cluster. The reason is in `f`. */
MOG_MUSTCHECK enum mog_err dbsetup_connect_user(const struct dbsetup *d, struct dbsetup_db *db, struct mog_fail *f);
/* Create database and account as the administrator, asking first. Told on standard error when it fails. */
MOG_MUSTCHECK enum mog_err dbsetup_connect_provide(const struct dbsetup *d);
void dbsetup_connect_close(struct dbsetup_db *db);

#endif
