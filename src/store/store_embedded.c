/* SPDX-License-Identifier: MIT */
/* The embedded SQLite database: made complete or not at all, and used by one tracker at a time. */
#include "store/store_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "store/store_backup.h"
#include "store/store_run.h"

static enum mog_err make_schema(struct store *st, void *arg)
{
    return store_schema_upgrade(st, arg);
}

static enum mog_err fill(const char *path, struct mog_fail *f)
{
    char *dsn = mem_printf("DBI:SQLite:dbname=%s", path);
    const struct store_config config = {.dsn = dsn};
    struct store_schema_job job = {0};
    struct store_env *env;
    enum mog_err e = store_env_new(&config, &env, f);
    free(dsn);
    if (e != MOG_OK)
        return e;
    struct store *st = store_new(env, STORE_BACKGROUND);
    e = store_transact(st, make_schema, &job);
    if (e != MOG_OK && f != NULL)
        *f = *store_failure(st);
    store_free(st);
    store_env_free(env);
    return e;
}

static void remove_all(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *name = mem_printf("%s%s", path, suffixes[i]);
        (void)unlink(name);
        free(name);
    }
}

/* What SQLite could not bring from its log into the file when it closed that would be left behind with the log. */
static enum mog_err check_whole(const char *path, struct mog_fail *f)
{
    char *log = mem_printf("%s-wal", path);
    enum mog_err e = access(log, F_OK) != 0 ? MOG_OK : fail_set(f, MOG_EIO, "%s could not be written whole", path);
    free(log);
    return e;
}

enum mog_err store_embedded_create(const char *path, struct mog_fail *f)
{
    if (access(path, F_OK) == 0)
        return fail_set(f, MOG_EEXISTS, "%s exists", path);
    char *fresh = mem_printf("%s.new", path);
    enum mog_err e = MOG_OK;
    remove_all(fresh); /* of a start that was cut off; the caller's lock says that nobody else is at it */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0) {
        e = fail_sys(f, MOG_EIO, errno, "%s", fresh);
        goto out;
    }
    e = fill(fresh, f);
    if (e == MOG_OK)
        e = check_whole(fresh, f);
    if (e == MOG_OK && fsync(fd) != 0)
        e = fail_sys(f, MOG_EIO, errno, "%s", fresh);
    if (e == MOG_OK && rename(fresh, path) != 0)
        e = fail_sys(f, MOG_EIO, errno, "%s", path);
    if (e == MOG_OK)
        e = store_sync_folder(path, f);
    else
        remove_all(fresh);
out:
    if (fd >= 0)
        close(fd);
    free(fresh);
    return e;
}

enum mog_err store_embedded_lock(const char *path, int *out, struct mog_fail *f)
{
    char *name = mem_printf("%s.lock", path);
    enum mog_err e = MOG_OK;
    *out = -1;
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        e = fail_sys(f, MOG_EIO, errno, "%s", name);
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        e = errno == EWOULDBLOCK ? fail_set(f, MOG_ELOCKED, "%s is in use by another tracker", path)
                                 : fail_sys(f, MOG_EIO, errno, "%s", name);
    if (e == MOG_OK)
        *out = fd;
    else if (fd >= 0)
        close(fd);
    free(name);
    return e;
}
