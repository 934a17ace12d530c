/* SPDX-License-Identifier: MIT */
/* Connections of mogdbsetup: as the trackers' account, and as the administrator who makes it. */
#include "tools/dbsetup.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/store_admin.h"

/* The DSN of `database`; the caller frees. */
static char *make_dsn(const struct dbsetup *d, const char *database)
{
    const char *port_key = d->dbport != NULL && d->dbport[0] != '\0' ? ";port=" : "";
    const char *port = port_key[0] != '\0' ? d->dbport : "";
    switch (d->backend) {
    case STORE_SQLITE:
        return mem_printf(strchr(database, '=') == NULL ? "DBI:SQLite:%s" : "DBI:SQLite:dbname=%s", database);
    case STORE_MYSQL:
        if (strchr(d->dbhost, ':') != NULL)
            return mem_printf("DBI:mysql:%s;host=[%s]%s%s", database, d->dbhost, port_key, port);
        return mem_printf("DBI:mysql:%s;host=%s%s%s", database, d->dbhost, port_key, port);
    case STORE_PGSQL:
        return mem_printf("DBI:Pg:dbname=%s;host=%s%s%s", database, d->dbhost, port_key, port);
    }
    return NULL;
}

void dbsetup_connect_close(struct dbsetup_db *db)
{
    store_free(db->st);
    store_env_free(db->env);
    *db = (struct dbsetup_db){NULL, NULL};
}

static enum mog_err connect_as(const char *dsn, const char *user, const char *password, struct dbsetup_db *db,
                               struct mog_fail *f)
{
    const struct store_config config = {.dsn = dsn, .user = user, .password = password};
    *db = (struct dbsetup_db){NULL, NULL};
    enum mog_err e = store_env_new(&config, &db->env, f);
    if (e != MOG_OK)
        return e;
    db->st = store_new(db->env, STORE_UNLIMITED);
    e = store_open(db->st);
    if (e != MOG_OK) {
        *f = *store_failure(db->st);
        dbsetup_connect_close(db);
    }
    return e;
}

enum mog_err dbsetup_connect_user(const struct dbsetup *d, struct dbsetup_db *db, struct mog_fail *f)
{
    char *dsn = make_dsn(d, d->dbname);
    enum mog_err e = connect_as(dsn, d->dbuser, d->dbpassword, db, f);
    free(dsn);
    return e;
}

static enum mog_err provide_with(const struct dbsetup *d, struct store *st)
{
    enum mog_err e = dbsetup_ask(d, true, "Create/Upgrade database name '%s'?", d->dbname);
    if (e != MOG_OK)
        return e;
    e = store_admin_create_database(st, d->dbname);
    if (e != MOG_OK) {
        dbsetup_ask_complain("Failed to create database '%s': %s", d->dbname, store_failure(st)->text);
        return e;
    }
    e = dbsetup_ask(d, true,
                    "Grant all privileges to user '%s', connecting from anywhere, to the mogilefs database '%s'?",
                    d->dbuser, d->dbname);
    if (e != MOG_OK)
        return e;
    e = store_admin_create_user(st, d->dbuser, d->dbpassword);
    if (e != MOG_OK) {
        dbsetup_ask_complain("Failed to create user '%s': %s", d->dbuser, store_failure(st)->text);
        return e;
    }
    e = store_admin_grant(st, d->dbname, d->dbuser);
    if (e != MOG_OK)
        dbsetup_ask_complain("Failed to grant privileges to user '%s' on database '%s': %s", d->dbuser, d->dbname,
                             store_failure(st)->text);
    return e;
}

enum mog_err dbsetup_connect_provide(const struct dbsetup *d)
{
    static const char *const homes[] = {[STORE_MYSQL] = "mysql", [STORE_PGSQL] = "postgres"};
    struct mog_fail f = {0};
    struct dbsetup_db db;
    dbsetup_ask_status(d, "couldn't connect to database as mogilefs user.  trying root...");
    char *dsn = make_dsn(d, d->backend == STORE_SQLITE ? d->dbname : homes[d->backend]);
    enum mog_err e = connect_as(dsn, d->dbrootuser, d->dbrootpassword, &db, &f);
    if (e != MOG_OK)
        dbsetup_ask_complain("Failed to connect to %s as specified root user (%s): %s", dsn, d->dbrootuser, f.text);
    free(dsn);
    if (e != MOG_OK)
        return e;
    dbsetup_ask_status(d, "connected to database as root user.");
    e = provide_with(d, db.st);
    dbsetup_connect_close(&db);
    return e;
}
