/* SPDX-License-Identifier: MIT */
/* What the store does with files, with each call of the system below it failing in turn. */
#include "failing_calls.h"

#include <stdlib.h>

#include "common/log.h"
#include "store/store_backup.h"
#include "store/store_flush.h"
#include "store/store_run.h"
#include "store/store_schema.h"

static char folder[40];

static const char *path_of(const char *name)
{
    static char path[4][200];
    static unsigned next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

static bool is_there(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static void empty_folder(void)
{
    static const char *const names[] = {"db",           "db.new",   "db.new-wal", "db.new-shm", "db-wal",
                                        "db-shm",       "db.lock",  "copy",       "copy.new",   "copy.new-wal",
                                        "copy.new-shm", "copy-wal", "copy-shm"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(path_of(names[i]));
}

/* Whether the database of that name is one, with its schema. */
static bool is_database(const char *name)
{
    char dsn[300];
    struct mog_fail f;
    struct store_env *env;
    snprintf(dsn, sizeof dsn, "DBI:SQLite:%s", path_of(name));
    if (!is_there(name))
        return false;
    const struct store_config config = {.dsn = dsn};
    ck_assert_int_eq(store_env_new(&config, &env, &f), MOG_OK);
    struct store *st = store_new(env, STORE_CLIENT);
    bool is_good = store_schema_check(st) == MOG_OK;
    store_free(st);
    store_env_free(env);
    return is_good;
}

static enum mog_err create(struct mog_fail *f)
{
    return store_embedded_create(path_of("db"), f);
}
static bool nothing_created(void)
{
    return !is_there("db") && !is_there("db.new");
}
static bool created(void)
{
    return is_database("db") && !is_there("db.new");
}

static enum mog_err lock(struct mog_fail *f)
{
    int fd = -1;
    enum mog_err e = store_embedded_lock(path_of("db"), &fd, f);
    ck_assert((e == MOG_OK) == (fd >= 0));
    if (fd >= 0)
        FAILING_REAL(close)(fd);
    return e;
}

/* The same database each time. */
static void make_source(void)
{
    char command[300];
    struct mog_fail f = {0};
    empty_folder();
    if (!is_there("template")) {
        enum mog_err e = store_embedded_create(path_of("template"), &f);
        ck_assert_msg(e == MOG_OK, "%s", f.text);
    }
    snprintf(command, sizeof command, "cp %s %s", path_of("template"), path_of("db"));
    ck_assert_int_eq(system(command), 0);
}
static enum mog_err backup(struct mog_fail *f)
{
    uint64_t bytes = 7;
    enum mog_err e = store_backup_sqlite(path_of("db"), path_of("copy"), &bytes, f);
    ck_assert((e == MOG_OK) == (bytes > 7));
    return e;
}
static bool no_copy(void)
{
    return is_database("db") && !is_there("copy") && !is_there("copy.new");
}
static bool is_copied(void)
{
    return is_database("db") && is_database("copy") && !is_there("copy.new");
}

static enum mog_err sync_folder(struct mog_fail *f)
{
    return store_sync_folder(path_of("db"), f);
}

/* A sync that failed breaks it for good, which is what it promises. */
static enum mog_err flush(struct mog_fail *f)
{
    struct store_flush s;
    store_flush_init(&s);
    enum mog_err e = store_flush_wait(&s, path_of("db"), f), again = MOG_OK;
    bool is_broken = s.is_broken;
    if (e != MOG_OK)
        again = store_flush_wait(&s, path_of("db"), f);
    ck_assert(again == (is_broken ? MOG_EIO : MOG_OK));
    ck_assert(!s.running);
    store_flush_fini(&s);
    return e;
}

static const struct failing_case cases[] = {
    {"store_embedded_create", empty_folder, create, nothing_created, created, 2000},
    {"store_embedded_lock", empty_folder, lock, NULL, NULL, 0},
    {"store_backup_sqlite", make_source, backup, no_copy, is_copied, 2000},
    {"store_sync_folder", make_source, sync_folder, NULL, NULL, 0},
    {"store_flush_wait", make_source, flush, NULL, NULL, 0},
};

START_TEST(every_call_fails_in_turn)
{
    log_set_level(LOG_LEVEL_ERR);
    snprintf(folder, sizeof folder, "%s/mogtest-XXXXXX", access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    failing_each(&cases[_i]);
    empty_folder();
    (void)unlink(path_of("template"));
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

FAILING_MAIN("store_files", every_call_fails_in_turn, cases)
