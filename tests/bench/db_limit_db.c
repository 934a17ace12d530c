/* SPDX-License-Identifier: MIT */
/* The bare database of db_limit: a connection with its prepared statements, rows to work on, and the operations. */
#include "db_limit_db.h"

#include <inttypes.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "store/sql.h"

enum {
    CHUNK = 1000,
    COLUMNS_MAX = 16,
    PARAMS_MAX = 8,
    KEY_MAX = 255,
    CELL_MAX = 256,
    LIST_LIMIT = 100,
    STOCK_PER_SECOND = 5000, /* more than two cores and a disk can use up */
    CONNECT_S = 5,
    ANSWER_S = 60,
};

enum stmt {
    LOOKUP,
    LIST_KEYS,
    OPEN,
    CLOSE_READ,
    TEMPFILE_DELETE,
    FILE_INSERT,
    FILE_ON,
    REPLICATE,
    DELETE_ADD,
    DELETE,
    STMTS
};

/*
 * Texts, and where each parameter comes from: d domain, k key, f fid, p prefix, e end of prefix, a empty text,
 * n limit, 1 the number one. NULL: the statement of the tracker.
 */
static const struct {
    const char *text, *params;
} stmts[STMTS] = {
    [LOOKUP] = {"SELECT f.fid, o.devid FROM file f LEFT JOIN file_on o ON o.fid = f.fid "
                "WHERE f.dmid = ? AND f.dkey = ?",
                "dk"},
    [LIST_KEYS] = {NULL, "dpaen"},
    [OPEN] =
        {"INSERT INTO tempfile (dmid, dkey, classid, devids, createtime) VALUES (?, ?, 0, '1,2', UNIX_TIMESTAMP())",
         "dk"},
    [CLOSE_READ] = {"SELECT t.fid, t.dmid, t.classid, t.createtime, t.dkey, t.devids, f.fid FROM (SELECT 1 AS one) x "
                    "LEFT JOIN tempfile t ON t.fid = ? LEFT JOIN file f ON f.dmid = ? AND f.dkey = ?",
                    "fdk"},
    [TEMPFILE_DELETE] = {"DELETE FROM tempfile WHERE fid = ?", "f"},
    [FILE_INSERT] = {"INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (?, ?, ?, 4096, 0, 1)",
                     "fdk"},
    [FILE_ON] = {"INSERT IGNORE INTO file_on (fid, devid) VALUES (?, ?)", "f1"},
    [REPLICATE] = {"INSERT IGNORE INTO file_to_replicate (fid, nexttry) VALUES (?, 0)", "f"},
    [DELETE_ADD] = {"INSERT IGNORE INTO file_to_delete2 (fid, nexttry) "
                    "SELECT fid, UNIX_TIMESTAMP() FROM file WHERE dmid = ? AND dkey = ?",
                    "dk"},
    [DELETE] = {"DELETE FROM file WHERE dmid = ? AND dkey = ?", "dk"},
};

struct db_conn {
    struct db *db;
    MYSQL *m;
    MYSQL_STMT *stmts[STMTS];
    /* what the parameters are bound to */
    uint64_t fid, dmid, one, limit;
    char key[KEY_MAX + 1], prefix[KEY_MAX + 1], prefix_end[KEY_MAX + 1];
    unsigned long key_len, prefix_len, no_len;
    /* what the columns are bound to */
    char cells[COLUMNS_MAX][CELL_MAX];
    unsigned long lengths[COLUMNS_MAX];
};

static const char *prefix_of(const struct db *db)
{
    return db->opts->prefix ? db->opts->prefix : "db_limit/";
}

/* ---- connection and statements ---- */

static void bind_number(MYSQL_BIND *b, uint64_t *n)
{
    *b = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = n, .is_unsigned = 1};
}

static void bind_text(MYSQL_BIND *b, char *text, unsigned long *len)
{
    *b = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_BLOB, .buffer = text, .buffer_length = KEY_MAX, .length = len};
}

static void bind_param(struct db_conn *c, MYSQL_BIND *b, char what)
{
    switch (what) {
    case 'd':
        bind_number(b, &c->dmid);
        break;
    case 'f':
        bind_number(b, &c->fid);
        break;
    case 'n':
        bind_number(b, &c->limit);
        break;
    case '1':
        bind_number(b, &c->one);
        break;
    case 'k':
        bind_text(b, c->key, &c->key_len);
        break;
    case 'p':
        bind_text(b, c->prefix, &c->prefix_len);
        break;
    case 'e':
        bind_text(b, c->prefix_end, &c->prefix_len);
        break;
    default:
        bind_text(b, c->key, &c->no_len);
        break;
    }
}

static enum mog_err prepare(struct db_conn *c, enum stmt id, struct mog_fail *f)
{
    MYSQL_BIND params[PARAMS_MAX], columns[COLUMNS_MAX];
    const char *text = stmts[id].text ? stmts[id].text : sql_text_mysql[SQL_FILE_KEYS_RANGE];
    size_t n = strlen(stmts[id].params);
    MYSQL_STMT *s = c->stmts[id] = mysql_stmt_init(c->m);
    if (s == NULL || mysql_stmt_prepare(s, text, strlen(text)) != 0)
        return fail_set(f, MOG_EDB, "%s: %s", text, s ? mysql_stmt_error(s) : mysql_error(c->m));
    if (mysql_stmt_param_count(s) != n || mysql_stmt_field_count(s) > COLUMNS_MAX)
        return fail_set(f, MOG_EDB, "%s: has other parameters or columns than expected", text);
    for (size_t i = 0; i < n; i++)
        bind_param(c, &params[i], stmts[id].params[i]);
    for (size_t i = 0; i < mysql_stmt_field_count(s); i++)
        columns[i] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
                                  .buffer = c->cells[i],
                                  .buffer_length = CELL_MAX,
                                  .length = &c->lengths[i]};
    if (mysql_stmt_bind_param(s, params) != 0 ||
        (mysql_stmt_field_count(s) > 0 && mysql_stmt_bind_result(s, columns) != 0))
        return fail_set(f, MOG_EDB, "%s: %s", text, mysql_stmt_error(s));
    return MOG_OK;
}

enum mog_err db_connect(struct db *db, struct db_conn **out, struct mog_fail *f)
{
    const struct db_opts *o = db->opts;
    const char *host = o->host ? o->host : o->socket ? "localhost" : "127.0.0.1";
    unsigned connect_s = CONNECT_S, answer_s = ANSWER_S;
    struct db_conn *c = *out = mem_calloc(1, sizeof *c);
    c->db = db;
    c->dmid = (uint64_t)o->domain_id;
    c->one = 1;
    c->limit = LIST_LIMIT;
    c->prefix_len = (unsigned long)snprintf(c->prefix, sizeof c->prefix, "%s", prefix_of(db));
    memcpy(c->prefix_end, c->prefix, sizeof c->prefix);
    c->prefix_end[c->prefix_len - 1]++;
    c->m = mysql_init(NULL);
    if (c->m == NULL)
        return fail_set(f, MOG_EDBDOWN, "the client library does not start");
    mysql_options(c->m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(c->m, MYSQL_OPT_READ_TIMEOUT, &answer_s);
    mysql_options(c->m, MYSQL_OPT_WRITE_TIMEOUT, &answer_s);
    if (mysql_real_connect(c->m, host, o->user, o->password, o->database, (unsigned)o->port, o->socket, 0) == NULL)
        return fail_set(f, MOG_EDBDOWN, "cannot connect: %s", mysql_error(c->m));
    enum mog_err e = MOG_OK;
    for (int id = 0; e == MOG_OK && id < STMTS; id++)
        e = prepare(c, (enum stmt)id, f);
    return e;
}

void db_close(struct db_conn *c)
{
    if (c == NULL)
        return;
    for (int i = 0; i < STMTS; i++) {
        if (c->stmts[i])
            mysql_stmt_close(c->stmts[i]);
    }
    if (c->m)
        mysql_close(c->m);
    free(c);
}

/* Run a prepared statement and read all its rows. */
static bool run(struct db_conn *c, enum stmt id, struct mog_fail *f)
{
    MYSQL_STMT *s = c->stmts[id];
    int rc = mysql_stmt_execute(s);
    if (rc == 0 && mysql_stmt_field_count(s) > 0) {
        while ((rc = mysql_stmt_fetch(s)) == 0 || rc == MYSQL_DATA_TRUNCATED)
            ;
        rc = rc == MYSQL_NO_DATA ? 0 : 1;
        mysql_stmt_free_result(s);
    }
    if (rc != 0)
        (void)fail_set(f, MOG_EDB, "%s", mysql_stmt_error(s));
    return rc == 0;
}

static bool run_text(struct db_conn *c, const char *text, struct mog_fail *f)
{
    if (mysql_query(c->m, text) == 0)
        return true;
    (void)fail_set(f, MOG_EDB, "%.60s: %s", text, mysql_error(c->m));
    return false;
}

static bool commit(struct db_conn *c, bool was_good, struct mog_fail *f)
{
    if (was_good)
        return run_text(c, "COMMIT", f);
    mysql_rollback(c->m);
    return false;
}

/* ---- the operations ---- */

static void use_key(struct db_conn *c, uint64_t random)
{
    const struct db_key *k = &c->db->keys[random % c->db->n_keys];
    memcpy(c->key, k->bytes, k->len);
    c->key_len = k->len;
}

static void stock_key(const struct db *db, uint64_t n, char out[KEY_MAX + 1], unsigned long *len)
{
    *len = (unsigned long)snprintf(out, KEY_MAX + 1, "%.180s%s/%" PRIu64, prefix_of(db), db->stock.name, n);
}

static bool use_stock(struct db_conn *c)
{
    struct db_stock *s = &c->db->stock;
    uint64_t n = atomic_fetch_add(&s->used, 1);
    if (n >= (uint64_t)s->n_chunks * CHUNK)
        return false;
    c->fid = s->chunks[n / CHUNK] + n % CHUNK;
    stock_key(c->db, n, c->key, &c->key_len);
    return true;
}

static enum db_done op_lookup(struct db_conn *c, uint64_t random, struct mog_fail *f)
{
    use_key(c, random);
    return run(c, LOOKUP, f) ? DB_DONE : DB_FAILED;
}

static enum db_done op_list(struct db_conn *c, uint64_t random, struct mog_fail *f)
{
    (void)random;
    return run(c, LIST_KEYS, f) ? DB_DONE : DB_FAILED;
}

static enum db_done op_open(struct db_conn *c, uint64_t random, struct mog_fail *f)
{
    (void)random;
    stock_key(c->db, 0, c->key, &c->key_len);
    return run(c, OPEN, f) ? DB_DONE : DB_FAILED;
}

static enum db_done op_close(struct db_conn *c, uint64_t random, struct mog_fail *f)
{
    (void)random;
    if (!use_stock(c))
        return DB_NO_MORE;
    if (!run(c, CLOSE_READ, f) || !run_text(c, "START TRANSACTION", f))
        return DB_FAILED;
    bool good = run(c, TEMPFILE_DELETE, f) && run(c, FILE_INSERT, f) && run(c, FILE_ON, f) && run(c, REPLICATE, f);
    return commit(c, good, f) ? DB_DONE : DB_FAILED;
}

static enum db_done op_delete(struct db_conn *c, uint64_t random, struct mog_fail *f)
{
    (void)random;
    if (!use_stock(c))
        return DB_NO_MORE;
    if (!run_text(c, "START TRANSACTION", f))
        return DB_FAILED;
    return commit(c, run(c, DELETE_ADD, f) && run(c, DELETE, f), f) ? DB_DONE : DB_FAILED;
}

static const struct db_mode modes[] = {
    {"lookup", op_lookup, true, DB_NO_STOCK},     {"list", op_list, true, DB_NO_STOCK},
    {"open", op_open, false, DB_NO_STOCK},        {"close", op_close, false, DB_STOCK_OPEN},
    {"delete", op_delete, false, DB_STOCK_FILES},
};

const struct db_mode *db_mode_find(const char *name)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    }
    return NULL;
}

const char *db_mode_names(void)
{
    return "lookup, list, open, close or delete";
}

/* ---- rows to work on ---- */

static void add_quoted(struct db_conn *c, struct buf *b, const char *text, size_t len)
{
    char quoted[2 * KEY_MAX + 1];
    unsigned long n = mysql_real_escape_string(c->m, quoted, text, len);
    buf_char(b, '\'');
    buf_append(b, quoted, n);
    buf_char(b, '\'');
}

/* Run the text in `b`, and empty it. */
static bool run_buf(struct db_conn *c, struct buf *b, struct mog_fail *f)
{
    bool good = run_text(c, buf_cstr(b), f);
    buf_reset(b);
    return good;
}

/* A chunk of open uploads in one statement; `*first` is the id of the first, and the others follow it. */
static bool make_open(struct db_conn *c, uint64_t from, uint64_t *first, struct buf *b, struct mog_fail *f)
{
    char key[KEY_MAX + 1];
    unsigned long len;
    buf_str(b, "INSERT INTO tempfile (dmid, dkey, classid, devids, createtime) VALUES ");
    for (uint64_t i = from; i < from + CHUNK; i++) {
        stock_key(c->db, i, key, &len);
        buf_printf(b, "%s(%" PRIu64 ", ", i == from ? "" : ", ", c->dmid);
        add_quoted(c, b, key, len);
        buf_str(b, ", 0, '1,2', UNIX_TIMESTAMP())");
    }
    bool good = run_buf(c, b, f);
    *first = mysql_insert_id(c->m);
    return good;
}

/* Turn a chunk of open uploads into files with two copies. */
static bool make_files(struct db_conn *c, uint64_t first, struct buf *b, struct mog_fail *f)
{
    uint64_t last = first + CHUNK - 1;
    buf_printf(b,
               "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) SELECT fid, dmid, dkey, 4096, 0, 2 "
               "FROM tempfile WHERE fid BETWEEN %" PRIu64 " AND %" PRIu64,
               first, last);
    bool good = run_buf(c, b, f);
    for (int devid = 1; good && devid <= 2; devid++) {
        buf_printf(b,
                   "INSERT INTO file_on (fid, devid) SELECT fid, %d FROM tempfile WHERE fid BETWEEN %" PRIu64
                   " AND %" PRIu64,
                   devid, first, last);
        good = run_buf(c, b, f);
    }
    buf_printf(b, "DELETE FROM tempfile WHERE fid BETWEEN %" PRIu64 " AND %" PRIu64, first, last);
    return good && run_buf(c, b, f);
}

static bool make_chunks(struct db_conn *c, uint64_t rows, bool as_files, struct mog_fail *f)
{
    struct db_stock *s = &c->db->stock;
    struct buf b = BUF_ZERO;
    bool good = run_text(c, "SET SESSION auto_increment_increment = 1", f);
    s->chunks = mem_calloc((size_t)(rows / CHUNK) + 1, sizeof *s->chunks);
    s->n_chunks = 0;
    for (uint64_t i = 0; good && i < rows; i += CHUNK) {
        good = run_text(c, "START TRANSACTION", f) && make_open(c, i, &s->chunks[s->n_chunks], &b, f);
        if (good)
            s->n_chunks++;
        if (good && as_files)
            good = make_files(c, s->chunks[s->n_chunks - 1], &b, f);
        good = commit(c, good, f);
    }
    buf_fini(&b);
    return good;
}

static void drop_keys(struct db *db)
{
    for (size_t i = 0; i < db->n_keys; i++)
        free(db->keys[i].bytes);
    free(db->keys);
    db->keys = NULL;
    db->n_keys = 0;
}

static bool read_keys(struct db_conn *c, struct mog_fail *f)
{
    struct db *db = c->db;
    struct buf b = BUF_ZERO;
    drop_keys(db);
    buf_printf(&b, "SELECT dkey FROM file WHERE dmid = %" PRIu64 " AND dkey >= ", c->dmid);
    add_quoted(c, &b, c->prefix, c->prefix_len);
    buf_str(&b, " AND dkey < ");
    add_quoted(c, &b, c->prefix_end, c->prefix_len);
    buf_printf(&b, " LIMIT %" PRId64, db->opts->keys);
    bool good = run_buf(c, &b, f);
    buf_fini(&b);
    MYSQL_RES *r = good ? mysql_store_result(c->m) : NULL;
    if (good && r == NULL)
        (void)fail_set(f, MOG_EDB, "reading keys: %s", mysql_error(c->m));
    if (r == NULL)
        return false;
    db->keys = mem_calloc((size_t)mysql_num_rows(r) + 1, sizeof *db->keys);
    for (MYSQL_ROW row; (row = mysql_fetch_row(r)) != NULL;) {
        unsigned long len = mysql_fetch_lengths(r)[0];
        if (row[0] != NULL && len <= KEY_MAX)
            db->keys[db->n_keys++] = (struct db_key){mem_dup(row[0], len), len};
    }
    mysql_free_result(r);
    return true;
}

enum mog_err db_prepare(struct db *db, struct db_conn *c, const struct db_mode *mode, struct mog_fail *f)
{
    struct db_stock *s = &db->stock;
    snprintf(s->name, sizeof s->name, "%" PRIx64 "-%d", (uint64_t)clock_wall_us(), getpid());
    if (mode->needs_keys) {
        if (!read_keys(c, f))
            return f->code;
        if (db->n_keys >= (size_t)db->opts->keys)
            return MOG_OK;
        bool good = make_chunks(c, (uint64_t)db->opts->keys - db->n_keys, true, f) && read_keys(c, f);
        s->n_chunks = 0; /* they stay */
        return good ? MOG_OK : f->code;
    }
    uint64_t rows = (uint64_t)db->opts->seconds * STOCK_PER_SECOND;
    if (mode->stock != DB_NO_STOCK && !make_chunks(c, rows, mode->stock == DB_STOCK_FILES, f))
        return f->code;
    return MOG_OK;
}

enum mog_err db_clean(struct db *db, struct db_conn *c, struct mog_fail *f)
{
    static const char *const tables[] = {"tempfile", "file", "file_on", "file_to_replicate", "file_to_delete2"};
    struct buf b = BUF_ZERO;
    bool good = true;
    for (size_t i = 0; good && i < db->stock.n_chunks; i++) {
        for (size_t t = 0; good && t < sizeof tables / sizeof tables[0]; t++) {
            uint64_t first = db->stock.chunks[i];
            buf_printf(&b, "DELETE FROM %s WHERE fid BETWEEN %" PRIu64 " AND %" PRIu64, tables[t], first,
                       first + CHUNK - 1);
            good = run_buf(c, &b, f);
        }
    }
    if (good) {
        char key[KEY_MAX + 1];
        unsigned long len;
        stock_key(db, 0, key, &len);
        buf_str(&b, "DELETE FROM tempfile WHERE dkey = ");
        add_quoted(c, &b, key, len);
        good = run_buf(c, &b, f);
    }
    buf_fini(&b);
    return good ? MOG_OK : f->code;
}

void db_fini(struct db *db)
{
    drop_keys(db);
    free(db->stock.chunks);
}
