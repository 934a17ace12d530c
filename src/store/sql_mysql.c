/* SPDX-License-Identifier: MIT */
/* The driver for MySQL and MariaDB: server-side prepared statements, several hosts in turn, deadlines by time-outs. */
#include "store/sql.h"

#include <mysql.h>
#include <mysqld_error.h>
#include <errmsg.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/urlenc.h"

/* Errors that the headers of some client libraries lack. */
enum {
    ERR_CONNECTION_KILLED = 1927,
    ERR_STATEMENT_TIMEOUT = 1969,
    ERR_QUERY_TIMEOUT = 3024,
    ERR_WRONG_VALUE = 3988,
    ERR_CLIENT_INACTIVE = 4031,
    ERR_NODE_NOT_READY = 1047,
    ERR_READ_ONLY_TRANSACTION = 1792,
    ERR_READ_ONLY_MODE = 1836,
    ERR_UNKNOWN_VARIABLE = 1193,
};

enum { CHARSET_BINARY = 63, CHARACTER_BYTES_MAX = 4 };

enum {
    MARIADB_WITH_RETURNING = 100500,
    LIMIT_SLACK_MS = 500,
    CHARSET_NAME_MAX = 64,
    NARROW_MAX = 4096,
    PREPARE_PAUSE_MS = 10000
};

struct mysql_conn {
    struct sql_conn base;
    MYSQL *m;
    MYSQL_STMT **stmts[SQL_STMTS]; /* NULL, or of SQL_SIZES */
    int64_t read_timeout_ms;       /* 0: none */
    int64_t begun_ms;              /* when the running statement was sent */
    int64_t prepare_from_ms;       /* until then the server is not asked to prepare anything more */
    bool in_transaction;           /* begun, and not ended by us */
    bool has_own_charset;          /* nobody has said which; it follows the database */
    bool has_choice;               /* there are several hosts: one that has become read-only is left */
};

static struct mysql_conn *conn_of(struct sql_conn *c)
{
    return (struct mysql_conn *)c;
}

/* ---- errors ---- */

/* A connection that ended during a statement: by our own limit, or by itself. */
static enum mog_err lost(struct mysql_conn *c, const char *what, const char *text, struct mog_fail *f)
{
    c->base.is_dead = true;
    int64_t took_ms = clock_mono_ms() - c->begun_ms;
    if (c->read_timeout_ms != 0 && took_ms + LIMIT_SLACK_MS >= c->read_timeout_ms)
        return fail_set(f, MOG_ETIMEOUT, "%s: no answer within %lld ms", what, (long long)took_ms);
    return fail_set(f, MOG_EDBDOWN, "%s: %s", what, text);
}

static enum mog_err classify(struct mysql_conn *c, unsigned number, const char *text, const char *what,
                             struct mog_fail *f)
{
    enum mog_err e = MOG_EDB;
    switch (number) {
    case CR_SERVER_GONE_ERROR: /* it could not be sent */
    case ER_SERVER_SHUTDOWN:   /* the server's answer: it was not done */
    case ERR_CONNECTION_KILLED:
    case ERR_CLIENT_INACTIVE:
    case ERR_NODE_NOT_READY:
        c->base.was_refused = true;
        return lost(c, what, text, f);
    case CR_SERVER_LOST:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_COMMANDS_OUT_OF_SYNC:
    case CR_MALFORMED_PACKET:
    case CR_SSL_CONNECTION_ERROR: /* what the library says of all these ends when the connection is encrypted */
        return lost(c, what, text, f);
    case ER_DUP_ENTRY:
    case ER_DUP_ENTRY_WITH_KEY_NAME:
        e = MOG_EEXISTS;
        break;
    case ER_LOCK_DEADLOCK:
    case ER_CHECKREAD: /* another one has committed meanwhile (innodb_snapshot_isolation) */
        e = MOG_EDEADLOCK;
        break;
    case ER_LOCK_WAIT_TIMEOUT:
        e = MOG_ELOCKED;
        break;
    case ER_QUERY_INTERRUPTED:
    case ERR_STATEMENT_TIMEOUT:
    case ERR_QUERY_TIMEOUT:
        e = MOG_ETIMEOUT;
        break;
    case ER_OPTION_PREVENTS_STATEMENT:
    case ERR_READ_ONLY_MODE:
        c->base.is_dead = c->base.is_dead || c->has_choice;
        e = MOG_EPERM;
        break;
    case ERR_READ_ONLY_TRANSACTION:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
        e = MOG_EPERM;
        break;
    case ER_NO_SUCH_TABLE:
    case ER_BAD_FIELD_ERROR:
        e = MOG_ESCHEMA;
        break;
    case ER_DATA_TOO_LONG:
        e = MOG_ETOOLONG;
        break;
    case ER_WARN_DATA_OUT_OF_RANGE:
        e = MOG_ERANGE;
        break;
    case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
    case ERR_WRONG_VALUE:
        e = MOG_EINVAL;
        break;
    case ER_RECORD_FILE_FULL:
        e = MOG_ENOSPC;
        break;
    default:
        break;
    }
    return fail_set(f, e, "%s: %s", what, text);
}

static enum mog_err stmt_error(struct mysql_conn *c, MYSQL_STMT *s, const char *what, struct mog_fail *f)
{
    return classify(c, mysql_stmt_errno(s), mysql_stmt_error(s), what, f);
}

/* ---- results ---- */

/* The cells of one row, bound for fetching: one piece of memory, which begins at `binds`. */
struct fetch {
    size_t n;
    MYSQL_BIND *binds;
    struct fetch_cell {
        long long i;
        unsigned long len;
        my_bool is_null;
    } * cells;
};

static bool is_integer(enum enum_field_types t)
{
    return t == MYSQL_TYPE_TINY || t == MYSQL_TYPE_SHORT || t == MYSQL_TYPE_LONG || t == MYSQL_TYPE_LONGLONG ||
           t == MYSQL_TYPE_INT24 || t == MYSQL_TYPE_YEAR;
}

/* Whether the room for the texts of a column can be told before its rows are there. */
static bool is_narrow(const MYSQL_FIELD *f)
{
    bool is_text = f->type == MYSQL_TYPE_VAR_STRING || f->type == MYSQL_TYPE_STRING;
    return is_integer(f->type) || (is_text && f->length != 0 && f->length <= NARROW_MAX);
}

/* Texts that are sent as bytes, to who wants no character set, are declared by their characters. */
static size_t room_for(const MYSQL_FIELD *f)
{
    size_t bytes_of_one = f->charsetnr == CHARSET_BINARY ? CHARACTER_BYTES_MAX : 1;
    return is_integer(f->type) ? 0 : is_narrow(f) ? f->length * bytes_of_one + 1 : f->max_length + 1;
}

/* Have the library find out max_length, which costs a look at all cells, if that is needed. */
static void fetch_measure(MYSQL_STMT *s, const MYSQL_FIELD *fields, size_t n)
{
    my_bool is_needed = 0;
    for (size_t i = 0; i < n; i++)
        is_needed = is_needed || !is_narrow(&fields[i]);
    mysql_stmt_attr_set(s, STMT_ATTR_UPDATE_MAX_LENGTH, &is_needed);
}

static void fetch_bind(struct fetch *b, const MYSQL_FIELD *fields, size_t n)
{
    size_t total = n * (sizeof *b->binds + sizeof *b->cells), at = total;
    for (size_t i = 0; i < n; i++)
        total += room_for(&fields[i]);
    b->n = n;
    b->binds = mem_alloc(total);
    b->cells = (struct fetch_cell *)(b->binds + n);
    memset(b->binds, 0, at);
    for (size_t i = 0; i < n; i++) {
        MYSQL_BIND *m = &b->binds[i];
        m->length = &b->cells[i].len;
        m->is_null = &b->cells[i].is_null;
        if (is_integer(fields[i].type)) {
            m->buffer_type = MYSQL_TYPE_LONGLONG;
            m->buffer = &b->cells[i].i;
            m->is_unsigned = (fields[i].flags & UNSIGNED_FLAG) != 0 ? 1 : 0;
        } else {
            m->buffer_type = MYSQL_TYPE_STRING;
            m->buffer = (char *)b->binds + at;
            m->buffer_length = room_for(&fields[i]);
            at += m->buffer_length;
        }
    }
}

static void fetch_take(const struct fetch *b, struct sql_result *r)
{
    for (size_t i = 0; i < b->n; i++) {
        const MYSQL_BIND *m = &b->binds[i];
        const struct fetch_cell *cell = &b->cells[i];
        if (cell->is_null)
            sql_result_add_null(r);
        else if (m->buffer_type == MYSQL_TYPE_LONGLONG)
            sql_result_add_int(r, m->is_unsigned && cell->i < 0 ? INT64_MAX : cell->i);
        else
            sql_result_add_bytes(r, m->buffer, cell->len < m->buffer_length ? cell->len : m->buffer_length);
    }
}

static enum mog_err take_rows(struct mysql_conn *c, MYSQL_STMT *s, struct sql_result *r, const char *what,
                              struct mog_fail *f)
{
    MYSQL_RES *meta = mysql_stmt_result_metadata(s);
    if (meta == NULL)
        return stmt_error(c, s, what, f);
    struct fetch b = {0};
    enum mog_err e = MOG_OK;
    MYSQL_FIELD *fields = mysql_fetch_fields(meta);
    size_t n = mysql_num_fields(meta);
    fetch_measure(s, fields, n);
    int rc = mysql_stmt_store_result(s);
    if (rc != 0) {
        e = stmt_error(c, s, what, f);
        goto out;
    }
    fetch_bind(&b, fields, n);
    if (mysql_stmt_bind_result(s, b.binds) != 0) {
        e = stmt_error(c, s, what, f);
        goto out;
    }
    while ((rc = mysql_stmt_fetch(s)) == 0)
        fetch_take(&b, r);
    if (rc == MYSQL_DATA_TRUNCATED)
        e = fail_set(f, MOG_EDB, "%s: the server has sent more than the width of a column", what);
    else if (rc != MYSQL_NO_DATA)
        e = stmt_error(c, s, what, f);
    sql_result_finish(r, b.n);
out:
    free(b.binds);
    mysql_free_result(meta);
    mysql_stmt_free_result(s);
    return e;
}

/* ---- statements ---- */

/*
 * The server prepares so many statements for all its clients together (max_prepared_stmt_count), and no more: what is
 * not prepared by then is sent as a text, and the server asked again later.
 */
static void note_no_more(struct mysql_conn *c)
{
    static atomic_flag is_said = ATOMIC_FLAG_INIT;
    c->prepare_from_ms = clock_mono_ms() + PREPARE_PAUSE_MS;
    if (!atomic_flag_test_and_set(&is_said))
        log_warn("database: the server's max_prepared_stmt_count is reached: statements are sent as texts, which takes "
                 "longer; make it larger");
}

static enum mog_err mysql_prepare_stmt(struct sql_conn *base, enum sql_stmt id, size_t size, size_t n_args,
                                       struct mog_fail *f)
{
    struct mysql_conn *c = conn_of(base);
    if (sql_kind[id] == SQL_KIND_CONTROL)
        return MOG_OK;
    if (c->stmts[id] == NULL)
        c->stmts[id] = mem_calloc(SQL_SIZES, sizeof *c->stmts[id]);
    MYSQL_STMT **s = &c->stmts[id][size];
    if (*s == NULL) {
        if (sql_text_mysql[id] == NULL)
            return fail_set(f, MOG_EUNSUPPORTED, "%s: not on MySQL", sql_name[id]);
        struct buf text = BUF_ZERO;
        sql_expand(&text, sql_text_mysql[id], sql_size[size], false);
        MYSQL_STMT *fresh = mysql_stmt_init(c->m);
        enum mog_err e = MOG_OK;
        c->begun_ms = clock_mono_ms();
        if (fresh == NULL)
            e = fail_set(f, MOG_EDB, "%s: no memory", sql_name[id]);
        else if (mysql_stmt_prepare(fresh, text.data, text.len) != 0) {
            e = stmt_error(c, fresh, sql_name[id], f);
            if (mysql_stmt_errno(fresh) == ER_MAX_PREPARED_STMT_COUNT_REACHED)
                note_no_more(c);
        }
        buf_fini(&text);
        if (e != MOG_OK) {
            if (fresh != NULL)
                mysql_stmt_close(fresh);
            return e;
        }
        *s = fresh;
    }
    if (mysql_stmt_param_count(*s) != n_args)
        return fail_set(f, MOG_EDB, "%s: %lu parameters wanted, %zu given", sql_name[id], mysql_stmt_param_count(*s),
                        n_args);
    return MOG_OK;
}

/* A name goes as bytes to a column of bytes; to one of text it must go as text, to be compared as the column compares.
 */
static void bind_arg(MYSQL_BIND *b, const struct sql_value *v, bool names_are_bytes)
{
    switch (v->kind) {
    case SQL_NULL:
        b->buffer_type = MYSQL_TYPE_NULL;
        return;
    case SQL_INT:
        b->buffer_type = MYSQL_TYPE_LONGLONG;
        b->buffer = (void *)&v->i;
        return;
    case SQL_TEXT:
        b->buffer_type = MYSQL_TYPE_STRING;
        break;
    case SQL_NAME:
        b->buffer_type = names_are_bytes ? MYSQL_TYPE_BLOB : MYSQL_TYPE_STRING;
        break;
    case SQL_BLOB:
        b->buffer_type = MYSQL_TYPE_BLOB;
        break;
    }
    b->buffer = v->text.ptr == NULL ? (void *)"" : (void *)v->text.ptr;
    b->buffer_length = v->text.len;
}

/* The rows or the count of the statement whose answer is next. */
static enum mog_err take_answer(struct mysql_conn *c, const char *what, struct sql_result *r, uint64_t *affected,
                                struct mog_fail *f)
{
    MYSQL_RES *rows = mysql_store_result(c->m);
    if (rows == NULL) {
        if (mysql_field_count(c->m) != 0)
            return classify(c, mysql_errno(c->m), mysql_error(c->m), what, f);
        *affected = mysql_affected_rows(c->m);
        return MOG_OK;
    }
    unsigned n = mysql_num_fields(rows);
    for (MYSQL_ROW row; r != NULL && (row = mysql_fetch_row(rows)) != NULL;) {
        const unsigned long *lengths = mysql_fetch_lengths(rows);
        for (unsigned i = 0; i < n; i++) {
            if (row[i] == NULL)
                sql_result_add_null(r);
            else
                sql_result_add_bytes(r, row[i], lengths[i]);
        }
    }
    if (r != NULL)
        sql_result_finish(r, n);
    mysql_free_result(rows);
    return MOG_OK;
}

static enum mog_err run_direct(struct mysql_conn *c, const char *text, const char *what, struct sql_result *r,
                               struct mog_fail *f)
{
    c->begun_ms = clock_mono_ms();
    if (mysql_real_query(c->m, text, strlen(text)) != 0)
        return classify(c, mysql_errno(c->m), mysql_error(c->m), what, f);
    uint64_t affected = 0;
    return take_answer(c, what, r, &affected, f);
}

/*
 * Whether the server still has our transaction. A node of a cluster rolls one back when another node's commit goes
 * before it, and would run the rest of the statements outside of any.
 */
static enum mog_err check_transaction(struct mysql_conn *c, const char *what, struct mog_fail *f)
{
    if (!c->in_transaction || (c->m->server_status & SERVER_STATUS_IN_TRANS) != 0)
        return MOG_OK;
    return fail_set(f, MOG_EDEADLOCK, "%s: the server has rolled the transaction back", what);
}

static enum mog_err run_control(struct mysql_conn *c, enum sql_stmt id, struct sql_result *r, struct mog_fail *f)
{
    enum mog_err e = id == SQL_COMMIT ? check_transaction(c, sql_name[id], f) : MOG_OK;
    if (e == MOG_OK)
        e = run_direct(c, sql_text_mysql[id], sql_name[id], r, f);
    if (id == SQL_COMMIT && c->base.was_refused) /* in a cluster, only what was never sent is certain */
        c->base.was_refused = mysql_errno(c->m) == CR_SERVER_GONE_ERROR;
    if (id != SQL_BEGIN)
        c->in_transaction = c->in_transaction && id == SQL_COMMIT && e != MOG_OK;
    else if (e == MOG_OK)
        c->in_transaction = true;
    return e;
}

/* A value as it stands in a text: bytes as their digits, text as the connection's character set has it quoted. */
static void add_literal(struct mysql_conn *c, const struct sql_value *v, struct buf *out)
{
    if (v->kind == SQL_NULL) {
        buf_str(out, "NULL");
    } else if (v->kind == SQL_INT) {
        buf_printf(out, "%" PRId64, v->i);
    } else if (v->kind == SQL_BLOB || (v->kind == SQL_NAME && c->base.names_are_bytes)) {
        buf_str(out, "x'");
        urlenc_hex(out, v->text.ptr, v->text.len);
        buf_char(out, '\'');
    } else {
        char *quoted = mem_alloc(2 * v->text.len + 1);
        size_t len = v->text.len == 0 ? 0 : mysql_real_escape_string(c->m, quoted, v->text.ptr, v->text.len);
        buf_char(out, '\'');
        buf_append(out, quoted, len);
        buf_char(out, '\'');
        free(quoted);
    }
}

/* Run a statement that the server does not prepare, by its text. */
static enum mog_err run_unprepared(struct mysql_conn *c, enum sql_stmt id, size_t size, const struct sql_value *args,
                                   size_t n_args, struct sql_result *r, struct mog_fail *f)
{
    struct buf form = BUF_ZERO, text = BUF_ZERO;
    size_t n = 0;
    sql_expand(&form, sql_text_mysql[id], sql_size[size], false);
    for (size_t i = 0; i < form.len; i++) {
        if (form.data[i] != '?')
            buf_char(&text, form.data[i]);
        else if (n++ < n_args)
            add_literal(c, &args[n - 1], &text);
    }
    enum mog_err e = MOG_OK;
    if (n != n_args)
        e = fail_set(f, MOG_EDB, "%s: %zu parameters wanted, %zu given", sql_name[id], n, n_args);
    c->begun_ms = clock_mono_ms();
    if (e == MOG_OK && mysql_real_query(c->m, text.data, text.len) != 0)
        e = classify(c, mysql_errno(c->m), mysql_error(c->m), sql_name[id], f);
    if (e == MOG_OK)
        e = take_answer(c, sql_name[id], r, &r->affected, f);
    if (e == MOG_OK)
        r->insert_id = mysql_insert_id(c->m);
    buf_fini(&form);
    buf_fini(&text);
    return e == MOG_OK ? check_transaction(c, sql_name[id], f) : e;
}

/* Whether to do without: asked before the server is, and again when it has said so. */
static bool must_go_unprepared(const struct mysql_conn *c, enum sql_stmt id, size_t size)
{
    bool is_prepared = c->stmts[id] != NULL && c->stmts[id][size] != NULL;
    return !is_prepared && sql_text_mysql[id] != NULL && clock_mono_ms() < c->prepare_from_ms;
}

static enum mog_err mysql_run(struct sql_conn *base, enum sql_stmt id, size_t size, const struct sql_value *args,
                              size_t n_args, struct sql_result *r, struct mog_fail *f)
{
    struct mysql_conn *c = conn_of(base);
    sql_result_reset(r);
    if (sql_kind[id] == SQL_KIND_CONTROL)
        return run_control(c, id, r, f);
    bool is_unprepared = must_go_unprepared(c, id, size);
    enum mog_err e = is_unprepared ? MOG_OK : mysql_prepare_stmt(base, id, size, n_args, f);
    is_unprepared = is_unprepared || (e == MOG_EDB && must_go_unprepared(c, id, size));
    if (e == MOG_OK || is_unprepared)
        e = check_transaction(c, sql_name[id], f);
    if (e == MOG_OK && is_unprepared)
        return run_unprepared(c, id, size, args, n_args, r, f);
    if (e != MOG_OK) {
        base->was_refused = base->is_dead; /* it was not sent yet */
        return e;
    }
    MYSQL_STMT *s = c->stmts[id][size];
    MYSQL_BIND *binds = mem_calloc(n_args + 1, sizeof *binds);
    for (size_t i = 0; i < n_args; i++)
        bind_arg(&binds[i], &args[i], base->names_are_bytes);
    c->begun_ms = clock_mono_ms();
    if ((n_args > 0 && mysql_stmt_bind_param(s, binds) != 0) || mysql_stmt_execute(s) != 0)
        e = stmt_error(c, s, sql_name[id], f);
    free(binds);
    if (e != MOG_OK)
        return e;
    if (mysql_stmt_field_count(s) > 0)
        e = take_rows(c, s, r, sql_name[id], f);
    else
        r->affected = mysql_stmt_affected_rows(s);
    r->insert_id = mysql_stmt_insert_id(s);
    if (e != MOG_OK) {
        /* After an error in place of rows, the library would wait for them before it sends the statement again. */
        mysql_stmt_close(s);
        c->stmts[id][size] = NULL;
    }
    return e == MOG_OK ? check_transaction(c, sql_name[id], f) : e;
}

/* The text of all statements, with semicolons between. */
static bool calls_text(const struct sql_call *calls, size_t n, struct buf *text)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        if (i > 0)
            buf_str(text, "; ");
        ok = sql_text_mysql[calls[i].id] != NULL &&
             sql_inline(text, sql_text_mysql[calls[i].id], calls[i].rows, calls[i].args, calls[i].n_args);
    }
    return ok;
}

static enum mog_err send_calls(struct mysql_conn *c, struct sql_call *calls, size_t n, const struct buf *text,
                               struct mog_fail *f)
{
    enum mog_err e = MOG_OK;
    c->begun_ms = clock_mono_ms();
    if (mysql_real_query(c->m, text->data, text->len) != 0)
        e = classify(c, mysql_errno(c->m), mysql_error(c->m), sql_name[calls[0].id], f);
    for (size_t i = 0; e == MOG_OK && i < n; i++) {
        if (i > 0 && mysql_next_result(c->m) != 0) {
            e = classify(c, mysql_errno(c->m), mysql_error(c->m), sql_name[calls[i].id], f);
            break;
        }
        if (calls[i].r != NULL)
            sql_result_reset(calls[i].r);
        e = take_answer(c, sql_name[calls[i].id], calls[i].r, &calls[i].affected, f);
        calls[i].done = e == MOG_OK;
    }
    return e;
}

static enum mog_err mysql_run_calls(struct sql_conn *base, struct sql_call *calls, size_t n, struct mog_fail *f)
{
    struct mysql_conn *c = conn_of(base);
    struct buf text = BUF_ZERO;
    for (size_t i = 0; i < n; i++)
        calls[i].done = false;
    enum mog_err e = calls_text(calls, n, &text) ? send_calls(c, calls, n, &text, f)
                                                 : fail_set(f, MOG_EINVAL, "statements that cannot be sent together");
    buf_fini(&text);
    if (e == MOG_OK)
        return e;
    /* What the server answered to one says nothing of those before it. */
    base->was_refused = base->is_dead && mysql_errno(c->m) == CR_SERVER_GONE_ERROR;
    bool is_open = false;
    for (size_t i = 0; i < n && calls[i].done; i++)
        is_open = calls[i].id == SQL_BEGIN || (is_open && calls[i].id != SQL_COMMIT);
    struct sql_result none = {0};
    struct mog_fail ignored;
    if (is_open && !base->is_dead && run_direct(c, sql_text_mysql[SQL_ROLLBACK], "ROLLBACK", &none, &ignored) != MOG_OK)
        base->is_dead = true;
    return e;
}

static enum mog_err mysql_run_text(struct sql_conn *base, const char *text, struct sql_result *r, struct mog_fail *f)
{
    sql_result_reset(r);
    return run_direct(conn_of(base), text, "statement", r, f);
}

/*
 * Speak as the columns of text store it: bytes then go in and out as they are, which is what the original's trackers
 * saw as long as their client library and the server agreed. One that the library does not know leaves its own.
 */
static enum mog_err speak(struct mysql_conn *c, struct span charset, struct mog_fail *f)
{
    char name[CHARSET_NAME_MAX];
    if (charset.len == 0 || charset.len >= sizeof name || span_is(charset, mysql_character_set_name(c->m)))
        return MOG_OK;
    snprintf(name, sizeof name, "%.*s", (int)charset.len, charset.ptr);
    c->begun_ms = clock_mono_ms();
    if (mysql_set_character_set(c->m, name) == 0 || mysql_errno(c->m) == CR_CANT_READ_CHARSET ||
        mysql_errno(c->m) == ER_WRONG_VALUE_FOR_VAR || mysql_errno(c->m) == ER_UNKNOWN_CHARACTER_SET)
        return MOG_OK;
    return classify(c, mysql_errno(c->m), mysql_error(c->m), "character set", f);
}

static enum mog_err mysql_inspect(struct sql_conn *base, struct mog_fail *f)
{
    struct mysql_conn *c = conn_of(base);
    struct sql_result r = {0};
    enum mog_err e = mysql_run(base, SQL_INSPECT, 0, NULL, 0, &r, f);
    if (e == MOG_OK) {
        bool has_file = r.n_rows > 0 && sql_i64(&r, 0, 0) == 1;
        struct span type = sql_span(&r, 0, 1);
        base->names_are_bytes = !has_file || span_is_nocase(type, "varbinary") || span_is_nocase(type, "binary") ||
                                span_is_nocase(type, "blob");
        /* What is text in either kind of database: the names of hosts, and with names as text those too. */
        if (c->has_own_charset && r.n_rows > 0)
            e = speak(c, sql_span(&r, base->names_are_bytes ? r.n_rows - 1 : 0, 2), f);
        MY_CHARSET_INFO charset;
        mysql_get_character_set_info(c->m, &charset);
        base->names_are_utf8 = !base->names_are_bytes && charset.mbmaxlen > 1;
    }
    sql_result_free(&r);
    return e;
}

/* ---- connecting ---- */

static void library_init(void)
{
    (void)mysql_library_init(0, NULL, NULL);
}

static void set_options(MYSQL *m, const struct sql_target *t, const struct sql_limits *l, unsigned read_s)
{
    unsigned connect_s = t->connect_timeout_s != 0 ? t->connect_timeout_s : l->connect_s;
    unsigned write_s = t->write_timeout_s != 0 ? t->write_timeout_s : read_s;
    unsigned no = 0;
    mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    if (read_s != 0)
        mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &read_s);
    if (write_s != 0)
        mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &write_s);
    mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &no);
    if (t->default_file != NULL)
        mysql_options(m, MYSQL_READ_DEFAULT_FILE, t->default_file);
    if (t->default_file != NULL || t->default_group != NULL)
        mysql_options(m, MYSQL_READ_DEFAULT_GROUP, t->default_group != NULL ? t->default_group : "client");
    if (t->init_command != NULL)
        mysql_options(m, MYSQL_INIT_COMMAND, t->init_command);
    if (t->charset != NULL)
        mysql_options(m, MYSQL_SET_CHARSET_NAME, t->charset);
    if (t->compress)
        mysql_options(m, MYSQL_OPT_COMPRESS, NULL);
    if (t->ssl) {
        my_bool enforce = t->ssl_optional ? 0 : 1, verify = t->has_ssl_verify && t->ssl_verify ? 1 : 0;
        mysql_ssl_set(m, t->ssl_key, t->ssl_cert, t->ssl_ca, t->ssl_capath, t->ssl_cipher);
        mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &enforce);
        mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    }
}

static enum mog_err connect_host(struct mysql_conn *c, const struct sql_target *t, const struct sql_limits *l,
                                 const char *host, struct mog_fail *f)
{
    unsigned read_s = t->read_timeout_s != 0 ? t->read_timeout_s : l->statement_s;
    c->m = mysql_init(NULL);
    if (c->m == NULL)
        return fail_set(f, MOG_EDBDOWN, "no memory for a connection");
    set_options(c->m, t, l, read_s);
    c->read_timeout_ms = (int64_t)read_s * 1000;
    c->begun_ms = clock_mono_ms();
    bool is_there = mysql_real_connect(c->m, host, t->user[0] == '\0' ? NULL : t->user, t->password, t->database,
                                       t->port, t->socket, CLIENT_FOUND_ROWS | CLIENT_MULTI_STATEMENTS) != NULL;
    /* MariaDB's client library goes on in the clear with a server that has no TLS, unless a certificate is verified. */
    bool is_clear = is_there && t->ssl && !t->ssl_optional && mysql_get_ssl_cipher(c->m) == NULL;
    if (is_there && !is_clear)
        return MOG_OK;
    fail_set(f, MOG_EDBDOWN, "%s",
             is_clear ? "mysql_ssl asks for TLS, which the server does not have" : mysql_error(c->m));
    mysql_close(c->m);
    c->m = NULL;
    return MOG_EDBDOWN;
}

static void mysql_close_conn(struct sql_conn *base)
{
    struct mysql_conn *c = conn_of(base);
    for (size_t i = 0; i < SQL_STMTS; i++) {
        for (size_t k = 0; c->stmts[i] != NULL && k < SQL_SIZES; k++)
            if (c->stmts[i][k] != NULL)
                mysql_stmt_close(c->stmts[i][k]);
        free(c->stmts[i]);
    }
    if (c->m != NULL)
        mysql_close(c->m);
    free(c);
}

/* One value of the server's, asked by a text; "" when it does not know the variable. */
static enum mog_err ask_server(struct mysql_conn *c, const char *text, size_t col, char *out, size_t size,
                               struct mog_fail *f)
{
    struct sql_result r = {0};
    enum mog_err e = run_direct(c, text, "set-up", &r, f);
    struct span got = e == MOG_OK && r.n_rows > 0 ? sql_span(&r, 0, col) : span_make("", 0);
    snprintf(out, size, "%.*s", (int)got.len, got.ptr == NULL ? "" : got.ptr);
    sql_result_free(&r);
    return e == MOG_EDB && mysql_errno(c->m) == ERR_UNKNOWN_VARIABLE ? MOG_OK : e;
}

/*
 * A node of a cluster must be one that serves, and must wait with a read until it has what was committed elsewhere: a
 * lock that is a row would not protect much otherwise. Each of the two kinds of clusters has its own variable.
 */
static enum mog_err join_nodes(struct mysql_conn *c, struct mog_fail *f)
{
    char word[40];
    enum mog_err e = ask_server(c, "SET SESSION wsrep_sync_wait = 7", 0, word, sizeof word, f);
    if (e == MOG_OK && mysql_errno(c->m) == ERR_UNKNOWN_VARIABLE)
        e = ask_server(c, "SET SESSION group_replication_consistency = 'BEFORE'", 0, word, sizeof word, f);
    if (e == MOG_OK)
        e = ask_server(c, "SELECT @@wsrep_on", 0, word, sizeof word, f);
    if (e != MOG_OK || strcmp(word, "1") != 0)
        return e;
    e = ask_server(c, "SHOW STATUS LIKE 'wsrep_ready'", 1, word, sizeof word, f);
    if (e == MOG_OK && strcmp(word, "ON") != 0)
        e = fail_set(f, MOG_EDBDOWN, "this node is not ready: it has no connection to the majority of its cluster");
    return e;
}

static enum mog_err set_up(struct mysql_conn *c, const struct sql_limits *l, struct mog_fail *f)
{
    const char *info = mysql_get_server_info(c->m);
    bool is_mariadb = info != NULL && strstr(info, "MariaDB") != NULL;
    /* A node that gives way to another's commit after it has sent the rows never ends its answer. */
    c->base.can_return = is_mariadb && mysql_get_server_version(c->m) >= MARIADB_WITH_RETURNING && !l->many_nodes;
    struct sql_result r = {0};
    enum mog_err e = run_direct(c, sql_text_mysql[SQL_SETUP], "SETUP", &r, f);
    sql_result_free(&r);
    if (e == MOG_OK && l->many_nodes)
        e = join_nodes(c, f);
    return e == MOG_OK ? mysql_inspect(&c->base, f) : e;
}

/* Connect to one host and make it ready. `is_writable`: it is no read-only replica. */
static enum mog_err open_host(const struct sql_target *t, const struct sql_limits *l, const char *host,
                              struct mysql_conn **out, bool *is_writable, struct mog_fail *f)
{
    struct mysql_conn *c = mem_calloc(1, sizeof *c);
    char read_only[8] = "";
    c->has_choice = t->n_hosts > 1;
    c->has_own_charset = t->charset == NULL && t->default_file == NULL && t->default_group == NULL;
    enum mog_err e = connect_host(c, t, l, host, f);
    if (e == MOG_OK)
        e = set_up(c, l, f);
    if (e == MOG_OK && c->has_choice)
        e = ask_server(c, "SELECT @@GLOBAL.read_only", 0, read_only, sizeof read_only, f);
    *is_writable = read_only[0] == '\0' || strcmp(read_only, "0") == 0;
    if (e != MOG_OK) {
        mysql_close_conn(&c->base);
        c = NULL;
    }
    *out = c;
    return e;
}

/* The first host in the list that takes writes; when none does, the first that answers. */
static enum mog_err mysql_open(const struct sql_target *t, const struct sql_limits *l, struct sql_conn **out,
                               struct mog_fail *f)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, library_init);
    struct mysql_conn *best = NULL, *c = NULL;
    enum mog_err e = MOG_EDBDOWN;
    bool is_writable = false;
    for (size_t i = 0; !is_writable && i < (t->n_hosts == 0 ? 1 : t->n_hosts); i++) {
        e = open_host(t, l, t->n_hosts == 0 ? NULL : t->hosts[i], &c, &is_writable, f);
        if (e != MOG_OK)
            is_writable = false;
        else if (best == NULL || is_writable) {
            if (best != NULL)
                mysql_close_conn(&best->base);
            best = c;
        } else
            mysql_close_conn(&c->base);
    }
    *out = best == NULL ? NULL : &best->base;
    return best != NULL ? MOG_OK : e;
}

/* A server that closed the connection while it was idle has left the end of the stream to be read. */
static bool mysql_is_alive(struct sql_conn *base)
{
    struct mysql_conn *c = conn_of(base);
    struct pollfd p = {.fd = mysql_get_socket(c->m), .events = POLLRDHUP};
    if (base->is_dead || p.fd < 0)
        return false;
    return poll(&p, 1, 0) <= 0 || (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) == 0;
}

const struct sql_driver sql_driver_mysql = {
    .texts = sql_text_mysql,
    .open = mysql_open,
    .close = mysql_close_conn,
    .is_alive = mysql_is_alive,
    .inspect = mysql_inspect,
    .prepare = mysql_prepare_stmt,
    .run = mysql_run,
    .run_calls = mysql_run_calls,
    .run_text = mysql_run_text,
};
