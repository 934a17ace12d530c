/* SPDX-License-Identifier: MIT */
/* The SQLite driver: one connection per thread, WAL, waits for other writers, a deadline per statement. */
#include "store/sql.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "store/sqlite_nowait.h"

enum { BUSY_TIMEOUT_MS = 5000, DEADLINE_CHECK_OPS = 20000, NOWAIT_STATEMENT_MS = 20 };

struct sqlite_conn {
    struct sql_conn base;
    sqlite3 *db;
    char *path;                      /* NULL for a URI: not watched */
    sqlite3_stmt **stmts[SQL_STMTS]; /* NULL, or of SQL_SIZES */
    int64_t statement_ms;            /* 0: none */
    bool nowait;                     /* only what is in memory is read */
    struct deadline by;
};

static struct sqlite_conn *conn_of(struct sql_conn *c)
{
    return (struct sqlite_conn *)c;
}

/* Called by SQLite now and then: true interrupts the statement. */
static int deadline_check(void *arg)
{
    struct sqlite_conn *c = arg;
    return c->statement_ms != 0 && deadline_is_past(c->by);
}

/* For a page that is not in memory, or a lock, or since it takes long. The connection is as good as before. */
static bool would_wait(int rc)
{
    int kind = rc & 0xff;
    return sqlite_nowait_result() != MOG_OK || kind == SQLITE_BUSY || kind == SQLITE_LOCKED ||
           kind == SQLITE_PROTOCOL || kind == SQLITE_INTERRUPT;
}

static enum mog_err classify(struct sqlite_conn *c, int rc, const char *what, struct mog_fail *f)
{
    const char *text = sqlite3_errmsg(c->db);
    if (c->nowait && would_wait(rc))
        return sqlite_nowait_result() == MOG_EUNSUPPORTED
                   ? fail_set(f, MOG_EUNSUPPORTED, "%s: the file system cannot tell what is in memory", what)
                   : fail_set(f, MOG_EAGAIN, "%s: would have to wait", what);
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail_set(f, MOG_EDEADLOCK, "%s: %s", what, text);
    case SQLITE_CONSTRAINT:
        if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID)
            return fail_set(f, MOG_EEXISTS, "%s: %s", what, text);
        return fail_set(f, MOG_EDB, "%s: %s", what, text);
    case SQLITE_INTERRUPT:
        return fail_set(f, MOG_ETIMEOUT, "%s: took longer than %lld ms", what, (long long)c->statement_ms);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return fail_set(f, MOG_EPERM, "%s: %s", what, text);
    case SQLITE_FULL:
        return fail_set(f, MOG_ENOSPC, "%s: %s", what, text);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        c->base.is_dead = true;
        return fail_set(f, MOG_EDBDOWN, "%s: %s", what, text);
    case SQLITE_TOOBIG:
        return fail_set(f, MOG_ETOOLONG, "%s: %s", what, text);
    default:
        if (strncmp(text, "no such table", 13) == 0 || strncmp(text, "no such column", 14) == 0)
            return fail_set(f, MOG_ESCHEMA, "%s: %s", what, text);
        return fail_set(f, MOG_EDB, "%s: %s", what, text);
    }
}

static enum mog_err bind(struct sqlite_conn *c, sqlite3_stmt *s, const struct sql_value *args, size_t n,
                         const char *what, struct mog_fail *f)
{
    for (size_t i = 0; i < n; i++) {
        int rc = SQLITE_OK, at = (int)i + 1;
        switch (args[i].kind) {
        case SQL_NULL:
            rc = sqlite3_bind_null(s, at);
            break;
        case SQL_INT:
            rc = sqlite3_bind_int64(s, at, args[i].i);
            break;
        case SQL_TEXT:
        case SQL_NAME:
            rc = sqlite3_bind_text64(s, at, args[i].text.ptr == NULL ? "" : args[i].text.ptr, args[i].text.len,
                                     SQLITE_STATIC, SQLITE_UTF8);
            break;
        case SQL_BLOB:
            rc = sqlite3_bind_blob64(s, at, args[i].text.ptr == NULL ? "" : args[i].text.ptr, args[i].text.len,
                                     SQLITE_STATIC);
            break;
        }
        if (rc != SQLITE_OK)
            return classify(c, rc, what, f);
    }
    return MOG_OK;
}

static void take_row(sqlite3_stmt *s, int n_cols, struct sql_result *r)
{
    for (int i = 0; i < n_cols; i++) {
        switch (sqlite3_column_type(s, i)) {
        case SQLITE_NULL:
            sql_result_add_null(r);
            break;
        case SQLITE_INTEGER:
            sql_result_add_int(r, sqlite3_column_int64(s, i));
            break;
        case SQLITE_BLOB: {
            const void *data = sqlite3_column_blob(s, i);
            sql_result_add_bytes(r, data == NULL ? "" : data, (size_t)sqlite3_column_bytes(s, i));
            break;
        }
        default: {
            const void *data = sqlite3_column_text(s, i);
            sql_result_add_bytes(r, data == NULL ? "" : data, (size_t)sqlite3_column_bytes(s, i));
        }
        }
    }
}

static enum mog_err step_all(struct sqlite_conn *c, sqlite3_stmt *s, struct sql_result *r, const char *what,
                             struct mog_fail *f)
{
    if (c->statement_ms != 0)
        c->by = deadline_in(c->statement_ms);
    int n_cols = sqlite3_column_count(s), rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        take_row(s, n_cols, r);
    enum mog_err e = rc == SQLITE_DONE ? MOG_OK : classify(c, sqlite3_extended_errcode(c->db), what, f);
    if (e == MOG_OK && !sqlite3_stmt_readonly(s)) {
        r->affected = (uint64_t)sqlite3_changes64(c->db);
        r->insert_id = (uint64_t)sqlite3_last_insert_rowid(c->db);
    }
    sql_result_finish(r, (size_t)n_cols);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return e;
}

static enum mog_err sqlite_prepare(struct sql_conn *base, enum sql_stmt id, size_t size, size_t n_args,
                                   struct mog_fail *f)
{
    struct sqlite_conn *c = conn_of(base);
    if (c->stmts[id] == NULL)
        c->stmts[id] = mem_calloc(SQL_SIZES, sizeof *c->stmts[id]);
    sqlite3_stmt **s = &c->stmts[id][size];
    if (*s == NULL) {
        if (sql_text_sqlite[id] == NULL)
            return fail_set(f, MOG_EUNSUPPORTED, "%s: not on SQLite", sql_name[id]);
        struct buf text = BUF_ZERO;
        sql_expand(&text, sql_text_sqlite[id], sql_size[size], false);
        int rc = sqlite3_prepare_v3(c->db, buf_cstr(&text), -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
        buf_fini(&text);
        if (rc != SQLITE_OK)
            return classify(c, rc, sql_name[id], f);
    }
    if ((size_t)sqlite3_bind_parameter_count(*s) != n_args)
        return fail_set(f, MOG_EDB, "%s: %d parameters wanted, %zu given", sql_name[id],
                        sqlite3_bind_parameter_count(*s), n_args);
    return MOG_OK;
}

static enum mog_err run(struct sqlite_conn *c, enum sql_stmt id, size_t size, const struct sql_value *args,
                        size_t n_args, struct sql_result *r, struct mog_fail *f)
{
    enum mog_err e = sqlite_prepare(&c->base, id, size, n_args, f);
    if (e == MOG_OK)
        e = bind(c, c->stmts[id][size], args, n_args, sql_name[id], f);
    return e == MOG_OK ? step_all(c, c->stmts[id][size], r, sql_name[id], f) : e;
}

static enum mog_err sqlite_run(struct sql_conn *base, enum sql_stmt id, size_t size, const struct sql_value *args,
                               size_t n_args, struct sql_result *r, struct mog_fail *f)
{
    struct sqlite_conn *c = conn_of(base);
    sql_result_reset(r);
    /* SQLite has rolled back by itself after some errors, and then calls it an error to ask for it. */
    if (id == SQL_ROLLBACK && sqlite3_get_autocommit(c->db) != 0)
        return MOG_OK;
    if (!c->nowait)
        return run(c, id, size, args, n_args, r, f);
    sqlite_nowait_begin();
    enum mog_err e = run(c, id, size, args, n_args, r, f);
    sqlite_nowait_end();
    return e;
}

static enum mog_err sqlite_run_text(struct sql_conn *base, const char *text, struct sql_result *r, struct mog_fail *f)
{
    struct sqlite_conn *c = conn_of(base);
    sql_result_reset(r);
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, text, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return classify(c, rc, "statement", f);
    enum mog_err e = s == NULL ? MOG_OK : step_all(c, s, r, "statement", f);
    sqlite3_finalize(s);
    return e;
}

/* Databases of ours declare names as TEXT; the original's as VARCHAR, and keep its habits in listing. */
static enum mog_err sqlite_inspect(struct sql_conn *base, struct mog_fail *f)
{
    struct sql_result r = {0};
    enum mog_err e = sqlite_run(base, SQL_INSPECT, 0, NULL, 0, &r, f);
    if (e == MOG_OK) {
        struct span type = sql_span(&r, 0, 0);
        base->names_are_bytes = r.n_rows == 0 || span_is_nocase(type, "TEXT");
        base->names_are_utf8 = !base->names_are_bytes;
    }
    sql_result_free(&r);
    return e;
}

static void sqlite_close(struct sql_conn *base)
{
    struct sqlite_conn *c = conn_of(base);
    for (size_t i = 0; i < SQL_STMTS; i++) {
        for (size_t k = 0; c->stmts[i] != NULL && k < SQL_SIZES; k++)
            sqlite3_finalize(c->stmts[i][k]);
        free(c->stmts[i]);
    }
    sqlite3_close_v2(c->db);
    free(c->base.flush_path);
    free(c->path);
    free(c);
}

/* A file that was deleted under us, or has another in its place, would take writes that nobody sees again. */
static bool sqlite_is_alive(struct sql_conn *base)
{
    struct sqlite_conn *c = conn_of(base);
    int has_moved = 0;
    if (!base->is_dead && c->path != NULL)
        (void)sqlite3_file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved);
    return !base->is_dead && has_moved == 0;
}

/* The library opens what it cannot open for writing just now, for want of descriptors, for reading, and for ever. */
static bool is_readonly_by_accident(const struct sqlite_conn *c)
{
    return c->path != NULL && sqlite3_db_readonly(c->db, "main") == 1 && access(c->path, W_OK) == 0;
}

/*
 * From now on nothing waits. Only the log lets readers go on beside a writer, and leaves the locks of the file itself
 * alone; a mapped file would be read without a call that could say no.
 */
static enum mog_err begin_nowait(struct sqlite_conn *c, struct mog_fail *f)
{
    sqlite3_int64 mapped = 0;
    if (c->base.flush_path == NULL || sqlite_nowait_init() == NULL || !sqlite_nowait_is_effective())
        return fail_set(f, MOG_EUNSUPPORTED, "this database cannot be read without waiting");
    (void)sqlite3_file_control(c->db, "main", SQLITE_FCNTL_MMAP_SIZE, &mapped);
    sqlite3_busy_timeout(c->db, 0);
    c->statement_ms = NOWAIT_STATEMENT_MS;
    c->nowait = true;
    return MOG_OK;
}

/* A URI may say itself that the file is to be made, and is refused when it must not be. */
static int open_flags(const struct sql_target *t, bool must_exist)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (t->is_uri ? SQLITE_OPEN_URI : 0);
    bool says_so = t->is_uri && strstr(t->database, "mode=rwc") != NULL;
    return !must_exist || says_so ? flags | SQLITE_OPEN_CREATE : flags;
}

static enum mog_err sqlite_open(const struct sql_target *t, const struct sql_limits *l, struct sql_conn **out,
                                struct mog_fail *f)
{
    struct sqlite_conn *c = mem_calloc(1, sizeof *c);
    c->base.can_return = true;
    c->statement_ms = (int64_t)l->statement_s * 1000;
    if (!t->is_uri && strcmp(t->database, ":memory:") != 0)
        c->path = mem_strdup(t->database);
    const char *nowait_files = sqlite_nowait_init();
    int rc = sqlite3_open_v2(t->database, &c->db, open_flags(t, l->must_exist), l->nowait ? nowait_files : NULL);
    enum mog_err e = MOG_OK;
    if (rc != SQLITE_OK) {
        e = fail_set(f, MOG_EDBDOWN, "%s: %s", t->database, c->db == NULL ? "no memory" : sqlite3_errmsg(c->db));
        goto out;
    }
    if (is_readonly_by_accident(c)) {
        e = fail_set(f, MOG_EDBDOWN, "%s: could be opened for reading only", t->database);
        goto out;
    }
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
    sqlite3_progress_handler(c->db, DEADLINE_CHECK_OPS, deadline_check, c);
    struct sql_result r = {0};
    e = sqlite_run(&c->base, SQL_SETUP, 0, NULL, 0, &r, f);
    if (e == MOG_EPERM)
        e = MOG_OK; /* a read-only database is still good for reading */
    /* Only a log can be synced after the commit: a rollback journal has to be synced before. */
    if (e == MOG_OK && c->path != NULL && r.n_rows == 1 && span_is_nocase(sql_span(&r, 0, 0), "wal")) {
        e = sqlite_run(&c->base, SQL_SETUP_FLUSH, 0, NULL, 0, &r, f);
        c->base.flush_path = mem_printf("%s-wal", sqlite3_db_filename(c->db, "main"));
    }
    sql_result_free(&r);
    if (e == MOG_OK)
        e = sqlite_inspect(&c->base, f);
    if (e == MOG_OK && l->nowait)
        e = begin_nowait(c, f);
out:
    if (e != MOG_OK) {
        sqlite_close(&c->base);
        c = NULL;
    }
    *out = c == NULL ? NULL : &c->base;
    return e;
}

const struct sql_driver sql_driver_sqlite = {
    .texts = sql_text_sqlite,
    .one_writer = true,
    .can_nowait = true,
    .open = sqlite_open,
    .close = sqlite_close,
    .is_alive = sqlite_is_alive,
    .inspect = sqlite_inspect,
    .prepare = sqlite_prepare,
    .run = sqlite_run,
    .run_text = sqlite_run_text,
};
