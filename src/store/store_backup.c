/* SPDX-License-Identifier: MIT */
/* SQLite's online backup: one read transaction over the whole file, which in WAL mode stops no writer. */
#include "store/store_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

enum { BUSY_TIMEOUT_MS = 30000, BUSY_PAUSE_MS = 50, ALL_PAGES = -1, MODE = 0640 };

enum mog_err store_sync_folder(const char *path, struct mog_fail *f)
{
    char *folder = mem_strdup(path), *slash = NULL;
    for (char *p = folder; *p != '\0'; p++)
        if (*p == '/')
            slash = p;
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    int fd = open(slash == NULL ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum mog_err e = fd >= 0 && fsync(fd) == 0 ? MOG_OK : fail_sys(f, MOG_EIO, errno, "%s", folder);
    if (fd >= 0)
        close(fd);
    free(folder);
    return e;
}

static enum mog_err open_database(const char *path, sqlite3 **db, struct mog_fail *f)
{
    int rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return fail_set(f, MOG_EIO, "%s: %s", path, *db == NULL ? "no memory" : sqlite3_errmsg(*db));
    sqlite3_busy_timeout(*db, BUSY_TIMEOUT_MS);
    return MOG_OK;
}

static enum mog_err copy_pages(sqlite3 *from, sqlite3 *to, struct mog_fail *f)
{
    struct deadline by = deadline_in(BUSY_TIMEOUT_MS);
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (b == NULL)
        return fail_set(f, MOG_EIO, "backup: %s", sqlite3_errmsg(to));
    int rc;
    while ((rc = sqlite3_backup_step(b, ALL_PAGES)) == SQLITE_BUSY || rc == SQLITE_LOCKED) {
        if (deadline_is_past(by))
            break;
        clock_sleep_ms(BUSY_PAUSE_MS);
    }
    int end = sqlite3_backup_finish(b);
    if (rc == SQLITE_DONE && end == SQLITE_OK)
        return MOG_OK;
    rc = rc == SQLITE_DONE ? end : rc;
    bool is_damaged = rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT;
    return fail_set(f, is_damaged ? MOG_EDB : MOG_EIO, "backup: %s", sqlite3_errstr(rc));
}

/* A copy of a damaged database is worth nothing, and better found out now than when it is needed. */
static enum mog_err check_copy(sqlite3 *db, struct mog_fail *f)
{
    sqlite3_stmt *s = NULL;
    enum mog_err e = MOG_OK;
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW)
        e = fail_set(f, MOG_EDB, "the copy cannot be checked: %s", sqlite3_errmsg(db));
    else if (strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0)
        e = fail_set(f, MOG_EDB, "the database is damaged: %s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return e;
}

static enum mog_err fill(const char *from, const char *fresh, struct mog_fail *f)
{
    sqlite3 *source = NULL, *copy = NULL;
    enum mog_err e = open_database(from, &source, f);
    if (e == MOG_OK)
        e = open_database(fresh, &copy, f);
    if (e == MOG_OK)
        e = copy_pages(source, copy, f);
    if (e == MOG_OK)
        e = check_copy(copy, f);
    sqlite3_close_v2(copy);
    sqlite3_close_v2(source);
    return e;
}

enum mog_err store_backup_sqlite(const char *from, const char *to, uint64_t *bytes, struct mog_fail *f)
{
    struct stat sb;
    *bytes = 0;
    if (access(from, F_OK) != 0)
        return fail_sys(f, MOG_ENOTFOUND, errno, "%s", from);
    if (access(to, F_OK) == 0)
        return fail_set(f, MOG_EEXISTS, "%s exists, and is left alone", to);
    char *fresh = mem_printf("%s.new", to);
    enum mog_err e = MOG_OK;
    int fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    if (fd < 0) {
        e = fail_sys(f, MOG_EIO, errno, "%s", fresh);
        goto out;
    }
    e = fill(from, fresh, f);
    if (e == MOG_OK && (fsync(fd) != 0 || fstat(fd, &sb) != 0))
        e = fail_sys(f, MOG_EIO, errno, "%s", fresh);
    /* link() replaces nothing, should somebody have put a file there meanwhile. */
    if (e == MOG_OK && link(fresh, to) != 0)
        e = fail_sys(f, errno == EEXIST ? MOG_EEXISTS : MOG_EIO, errno, "%s", to);
    (void)unlink(fresh);
    if (e == MOG_OK)
        e = store_sync_folder(to, f);
    if (e == MOG_OK)
        *bytes = (uint64_t)sb.st_size;
out:
    if (fd >= 0)
        close(fd);
    free(fresh);
    return e;
}
