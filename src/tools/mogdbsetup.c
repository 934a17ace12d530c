/* SPDX-License-Identifier: MIT */
/* mogdbsetup: creates the database of a cluster, or brings an older one up to date. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "store/store_backup.h"
#include "store/store_schema.h"
#include "tools/dbsetup.h"
#include "tools/out.h"

/* What the schema would need, counted by --check and --dry-run. */
struct tally {
    const struct dbsetup *d;
    size_t n;
};

static void note(void *arg, bool is_warning, const char *text)
{
    struct tally *t = arg;
    t->n += is_warning ? 0 : 1;
    if (is_warning)
        dbsetup_ask_complain("%s", text);
    else if (t->d->dry_run || t->d->check)
        puts(text);
    else
        dbsetup_ask_status(t->d, "%s", text);
}

static void note_difference(void *arg, const char *text)
{
    size_t *n = arg;
    if ((*n)++ == 0)
        puts("Unlike a new database:");
    printf("* %s\n", text);
}

/* --check and --dry-run: look, say, change nothing. */
static enum mog_err inspect(const struct dbsetup *d, struct store *st)
{
    struct tally t = {d, 0};
    const struct store_schema_job job = {
        .dry_run = true, .keep_version = true, .with_row_locks = d->row_locks, .note = note, .arg = &t};
    uint32_t version;
    enum mog_err e = store_schema_version(st, &version);
    if (e == MOG_OK)
        e = store_schema_upgrade(st, &job);
    if (e != MOG_OK) {
        dbsetup_ask_complain("%s", store_failure(st)->text);
        return e;
    }
    bool is_complete = t.n == 0 && version == STORE_SCHEMA_VERSION;
    size_t n_differences = 0;
    if (d->check && store_schema_report(st, note_difference, &n_differences) != MOG_OK)
        dbsetup_ask_complain("%s", store_failure(st)->text);
    printf("Schema version %u of %d: %zu statements to run.\n", (unsigned)version, (int)STORE_SCHEMA_VERSION, t.n);
    return is_complete || !d->check ? MOG_OK : MOG_ESCHEMA;
}

static enum mog_err inspect_absent(const struct dbsetup *d, const char *why)
{
    if (d->check) {
        dbsetup_ask_complain("%s", why);
        return MOG_ENOTFOUND;
    }
    printf("No connection as user '%s' (%s).\nThe database '%s' and the user would be created, then all tables.\n",
           d->dbuser, why, d->dbname);
    return MOG_OK;
}

/* `is_quiet`: say nothing of missing rights, which somebody is about to give. */
static enum mog_err upgrade(const struct dbsetup *d, struct store *st, uint32_t version, bool is_quiet)
{
    struct tally t = {d, 0};
    const struct store_schema_job job = {
        .keep_version = d->noschemabump, .with_row_locks = d->row_locks, .note = note, .arg = &t};
    bool is_current = version == STORE_SCHEMA_VERSION;
    enum mog_err e = MOG_OK;
    if (is_current)
        dbsetup_ask_status(d, "Schema already up-to-date at version %d.", (int)STORE_SCHEMA_VERSION);
    else if (version > 0 && version < STORE_SCHEMA_VERSION)
        e = dbsetup_ask(d, true, "Install/upgrade your schema from version %u to version %d?", (unsigned)version,
                        (int)STORE_SCHEMA_VERSION);
    if (e != MOG_OK)
        return e;
    /* A current schema is left alone, but for the table of locks. */
    if (!is_current || d->row_locks || d->backend == STORE_SQLITE) {
        e = store_schema_upgrade(st, &job);
        if (e != MOG_OK && !(is_quiet && e == MOG_EPERM))
            dbsetup_ask_complain("%s", store_failure(st)->text);
    }
    if (e == MOG_OK && d->noschemabump)
        dbsetup_ask_complain("\n*\n* Per your request, NOT UPGRADING to %d.  I assume you understand why.\n*",
                             (int)STORE_SCHEMA_VERSION);
    return e;
}

static enum mog_err set_up_tables(const struct dbsetup *d, struct dbsetup_db *db, bool is_quiet)
{
    uint32_t version = 0;
    enum mog_err e = store_schema_version(db->st, &version);
    if (e != MOG_OK)
        dbsetup_ask_complain("%s", store_failure(db->st)->text);
    else
        e = upgrade(d, db->st, version, is_quiet);
    dbsetup_connect_close(db);
    return e;
}

/* As the administrator make what is missing, then connect as the account. */
static enum mog_err provide(const struct dbsetup *d, struct dbsetup_db *db)
{
    struct mog_fail f = {0};
    enum mog_err e = dbsetup_connect_provide(d);
    if (e != MOG_OK)
        return e;
    e = dbsetup_connect_user(d, db, &f);
    if (e != MOG_OK)
        dbsetup_ask_complain("Failed to connect to database as regular user, even after creating it and setting up "
                             "permissions as the root user.\n%s",
                             f.text);
    return e;
}

static enum mog_err set_up(const struct dbsetup *d)
{
    struct mog_fail f = {0};
    struct dbsetup_db db;
    enum mog_err e = dbsetup_ask(d, false,
                                 "This will attempt to setup or upgrade your MogileFS database.\n"
                                 "It won't destroy existing data.\n"
                                 "Run with --help for more information.  Run with --yes to shut up these prompts.\n\n"
                                 "Continue?");
    if (e != MOG_OK)
        return e;
    bool is_provided = dbsetup_connect_user(d, &db, &f) != MOG_OK;
    if (is_provided)
        e = provide(d, &db);
    if (e == MOG_OK)
        e = set_up_tables(d, &db, !is_provided);
    /* A run that was cut off can leave an account that may connect, and nothing else. */
    if (e == MOG_EPERM && !is_provided) {
        e = provide(d, &db);
        if (e == MOG_OK)
            e = set_up_tables(d, &db, false);
    }
    if (e == MOG_OK)
        dbsetup_ask_status(d, "Done.");
    return e;
}

static enum mog_err look(const struct dbsetup *d)
{
    struct mog_fail f = {0};
    struct dbsetup_db db;
    /* Opening an SQLite database would create it. */
    if (d->backend == STORE_SQLITE && access(d->dbname, F_OK) != 0)
        return inspect_absent(d, "there is no such file");
    if (dbsetup_connect_user(d, &db, &f) != MOG_OK)
        return inspect_absent(d, f.text);
    enum mog_err e = inspect(d, db.st);
    dbsetup_connect_close(&db);
    return e;
}

/* --backup: a copy of a database that is in use. Servers have their own tools, which know more. */
static enum mog_err backup(const struct dbsetup *d)
{
    static const char *const instead[] = {
        [STORE_MYSQL] = "mariadb-dump --single-transaction, mysqldump --single-transaction or mariadb-backup",
        [STORE_PGSQL] = "pg_dump or pg_basebackup"};
    struct mog_fail f = {0};
    uint64_t bytes;
    if (d->backend != STORE_SQLITE) {
        dbsetup_ask_complain("--backup copies SQLite databases (--type=SQLite). For a server, use %s.",
                             instead[d->backend]);
        return MOG_EUNSUPPORTED;
    }
    enum mog_err e = store_backup_sqlite(d->dbname, d->backup, &bytes, &f);
    if (e != MOG_OK)
        dbsetup_ask_complain("No backup of %s was made: %s", d->dbname, f.text);
    else
        printf("%s is a copy of %s, %" PRIu64 " bytes.\n", d->backup, d->dbname, bytes);
    return e;
}

int main(int argc, char **argv)
{
    struct dbsetup d;
    out_start();
    enum mog_err e = dbsetup_options_parse(&d, argc, argv);
    if (e == MOG_OK)
        e = d.backup != NULL ? backup(&d) : d.check || d.dry_run ? look(&d) : set_up(&d);
    dbsetup_options_fini(&d);
    return out_finish(e == MOG_OK ? 0 : 1);
}
