/* SPDX-License-Identifier: MIT */
/* What an administrator's connection does for a new cluster: the database, and the account that uses it. */
#ifndef MOG_STORE_STORE_ADMIN_H
#define MOG_STORE_STORE_ADMIN_H

#include "store/store.h"

/* Create the database; one that exists is fine. Nothing to do on SQLite. 1 RT. */
MOG_MUSTCHECK enum mog_err store_admin_create_database(struct store *st, const char *database);

/*
 * Create the account `user`, if it does not exist, for connections from any host. MySQL: one that exists gets the
 * password, unless that is empty. 1 RT; MySQL: 4.
 */
MOG_MUSTCHECK enum mog_err store_admin_create_user(struct store *st, const char *user, const char *password);

/* Let the account do everything in `database`. PostgreSQL: it becomes the database's owner. 1 RT; MySQL: 2. */
MOG_MUSTCHECK enum mog_err store_admin_grant(struct store *st, const char *database, const char *user);

#endif
