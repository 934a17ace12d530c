/* SPDX-License-Identifier: MIT */
/* The driver for PostgreSQL: prepared statements, names in binary form, a deadline around every wait. */
#include "store/sql.h"

#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"

/* Types of results that are numbers, as the server's catalog numbers them. */
enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23 };
enum { INT_TEXT_MAX = 24, NAME_MAX_LEN = 24, CLIENT_SLACK_MS = 5000, OLDEST_VERSION = 90500 };

struct pgsql_conn {
    struct sql_conn base;
    PGconn *c;
    uint16_t prepared[SQL_STMTS][SQL_SIZES]; /* parameters + 1; 0: not prepared */
    int64_t statement_ms;                    /* 0: none */
};

static struct pgsql_conn *conn_of(struct sql_conn *c)
{
    return (struct pgsql_conn *)c;
}

/* ---- errors ---- */

static const struct {
    const char *state; /* a class of two characters, or one state of five */
    enum mog_err code;
    bool is_end; /* the connection is of no use any more */
} states[] = {
    {"23505", MOG_EEXISTS, false},  {"40P01", MOG_EDEADLOCK, false}, {"40001", MOG_EDEADLOCK, false},
    {"55P03", MOG_ELOCKED, false},  {"57014", MOG_ETIMEOUT, false},  {"42501", MOG_EPERM, false},
    {"25006", MOG_EPERM, false},    {"42P01", MOG_ESCHEMA, false},   {"42703", MOG_ESCHEMA, false},
    {"22001", MOG_ETOOLONG, false}, {"22003", MOG_ERANGE, false},    {"2200H", MOG_ERANGE, false},
    {"22021", MOG_EINVAL, false},   {"22P02", MOG_EINVAL, false},    {"23514", MOG_EINVAL, false},
    {"42P04", MOG_EEXISTS, false},  {"42710", MOG_EEXISTS, false},   {"53100", MOG_ENOSPC, false},
    {"57P01", MOG_EDBDOWN, true},   {"57P02", MOG_EDBDOWN, true},    {"57P03", MOG_EDBDOWN, true},
    {"57P05", MOG_EDBDOWN, true},   {"08", MOG_EDBDOWN, true},
};

/* The server's text in one line. */
static enum mog_err fail_with(struct mog_fail *f, enum mog_err code, const char *what, const char *text)
{
    char line[sizeof f->text];
    size_t n = 0;
    for (; text[n] != '\0' && n < sizeof line - 1; n++)
        line[n] = text[n] == '\n' ? ' ' : text[n];
    while (n > 0 && line[n - 1] == ' ')
        n--;
    line[n] = '\0';
    return fail_set(f, code, "%s: %s", what, line);
}

static enum mog_err classify(struct pgsql_conn *c, const PGresult *res, const char *what, struct mog_fail *f)
{
    const char *state = res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_SQLSTATE);
    if (PQstatus(c->c) != CONNECTION_OK || state == NULL) {
        c->base.is_dead = true;
        return fail_with(f, MOG_EDBDOWN, what, PQerrorMessage(c->c));
    }
    enum mog_err e = MOG_EDB;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0) {
            e = states[i].code;
            c->base.is_dead = c->base.is_dead || states[i].is_end;
            c->base.was_refused = states[i].is_end; /* by the server's own word */
            break;
        }
    }
    return fail_with(f, e, what, PQresultErrorMessage(res));
}

/* ---- waiting ---- */

/* Wait until the socket has something to do. False: the deadline passed, or the connection broke. */
static bool wait_socket(struct pgsql_conn *c, short events, bool has_limit, struct deadline by)
{
    struct pollfd p = {.fd = PQsocket(c->c), .events = events};
    for (;;) {
        int64_t left_ms = has_limit ? deadline_left_ms(by) : -1;
        if (has_limit && left_ms == 0)
            return false;
        int n = poll(&p, 1, (int)left_ms);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

/*
 * The last result of what was sent. The server ends a long statement itself; waiting longer than that means that it
 * does not answer at all.
 */
static enum mog_err await(struct pgsql_conn *c, const char *what, PGresult **out, struct mog_fail *f)
{
    bool has_limit = c->statement_ms != 0;
    struct deadline by = deadline_in(c->statement_ms + CLIENT_SLACK_MS);
    PGresult *last = NULL;
    *out = NULL;
    for (;;) {
        int unsent = PQflush(c->c);
        while (unsent >= 0 && (unsent > 0 || PQisBusy(c->c))) {
            if (!wait_socket(c, unsent > 0 ? POLLIN | POLLOUT : POLLIN, has_limit, by)) {
                PQclear(last);
                c->base.is_dead = true;
                return fail_set(f, MOG_ETIMEOUT, "%s: no answer within %" PRId64 " ms", what,
                                c->statement_ms + CLIENT_SLACK_MS);
            }
            if (PQconsumeInput(c->c) == 0)
                break;
            unsent = PQflush(c->c);
        }
        if (PQstatus(c->c) != CONNECTION_OK && PQisBusy(c->c)) {
            PQclear(last);
            return classify(c, NULL, what, f);
        }
        PGresult *res = PQgetResult(c->c);
        if (res == NULL)
            break;
        PQclear(last);
        last = res;
    }
    ExecStatusType status = PQresultStatus(last);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        *out = last;
        return MOG_OK;
    }
    enum mog_err e = classify(c, last, what, f);
    PQclear(last);
    return e;
}

/* ---- results ---- */

static int64_t big_endian(const char *data, size_t n)
{
    uint64_t v = n > 0 && (data[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)data[i];
    return (int64_t)v;
}

static void take_rows(const PGresult *res, struct sql_result *r)
{
    int n_cols = PQnfields(res), n_rows = PQntuples(res);
    for (int row = 0; row < n_rows; row++) {
        for (int col = 0; col < n_cols; col++) {
            const char *data = PQgetvalue(res, row, col);
            size_t len = (size_t)PQgetlength(res, row, col);
            Oid type = PQftype(res, col);
            bool is_binary = PQfformat(res, col) == 1;
            if (PQgetisnull(res, row, col))
                sql_result_add_null(r);
            else if (is_binary && (type == OID_BOOL || type == OID_INT2 || type == OID_INT4 || type == OID_INT8))
                sql_result_add_int(r, big_endian(data, len));
            else
                sql_result_add_bytes(r, data, len);
        }
    }
    sql_result_finish(r, (size_t)n_cols);
    const char *affected = PQcmdTuples((PGresult *)res);
    r->affected = affected[0] == '\0' ? 0 : strtoull(affected, NULL, 10);
}

/* ---- statements ---- */

static void statement_name(char *out, enum sql_stmt id, size_t size)
{
    snprintf(out, NAME_MAX_LEN, "s%d_%zu", (int)id, size);
}

static enum mog_err pgsql_prepare(struct sql_conn *base, enum sql_stmt id, size_t size, size_t n_args,
                                  struct mog_fail *f)
{
    struct pgsql_conn *c = conn_of(base);
    uint16_t *prepared = &c->prepared[id][size];
    if (*prepared == 0) {
        if (sql_text_pgsql[id] == NULL)
            return fail_set(f, MOG_EUNSUPPORTED, "%s: not on PostgreSQL", sql_name[id]);
        char name[NAME_MAX_LEN];
        struct buf text = BUF_ZERO;
        PGresult *res = NULL;
        enum mog_err e = MOG_OK;
        statement_name(name, id, size);
        sql_expand(&text, sql_text_pgsql[id], sql_size[size], true);
        if (PQsendPrepare(c->c, name, buf_cstr(&text), 0, NULL) == 0)
            e = classify(c, NULL, sql_name[id], f);
        if (e == MOG_OK)
            e = await(c, sql_name[id], &res, f);
        PQclear(res);
        buf_fini(&text);
        if (e != MOG_OK)
            return e;
        *prepared = (uint16_t)(n_args + 1);
    }
    if (*prepared != n_args + 1)
        return fail_set(f, MOG_EDB, "%s: %u parameters wanted, %zu given", sql_name[id], *prepared - 1, n_args);
    return MOG_OK;
}

/*
 * Numbers go as text, which the server reads as whatever the column is; texts and names in binary form, which for a
 * column of bytes as well as of text are the bytes themselves.
 */
static enum mog_err send_prepared(struct pgsql_conn *c, enum sql_stmt id, size_t size, const struct sql_value *args,
                                  size_t n, struct mog_fail *f)
{
    const char **values = mem_calloc(n + 1, sizeof *values);
    int *lengths = mem_calloc(n + 1, sizeof *lengths), *formats = mem_calloc(n + 1, sizeof *formats);
    char(*ints)[INT_TEXT_MAX] = mem_calloc(n + 1, sizeof *ints);
    char name[NAME_MAX_LEN];
    for (size_t i = 0; i < n; i++) {
        const struct sql_value *v = &args[i];
        if (v->kind == SQL_INT) {
            snprintf(ints[i], INT_TEXT_MAX, "%" PRId64, v->i);
            values[i] = ints[i];
        } else if (v->kind != SQL_NULL) {
            values[i] = v->text.ptr == NULL ? "" : v->text.ptr;
            lengths[i] = (int)v->text.len;
            formats[i] = 1;
        }
    }
    statement_name(name, id, size);
    int ok = PQsendQueryPrepared(c->c, name, (int)n, values, lengths, formats, 1);
    c->base.was_refused = ok == 0;
    free(values);
    free(lengths);
    free(formats);
    free(ints);
    return ok != 0 ? MOG_OK : classify(c, NULL, sql_name[id], f);
}

static enum mog_err pgsql_run(struct sql_conn *base, enum sql_stmt id, size_t size, const struct sql_value *args,
                              size_t n_args, struct sql_result *r, struct mog_fail *f)
{
    struct pgsql_conn *c = conn_of(base);
    PGresult *res = NULL;
    sql_result_reset(r);
    enum mog_err e = pgsql_prepare(base, id, size, n_args, f);
    base->was_refused = base->is_dead; /* nothing but the preparation was sent yet */
    if (e == MOG_OK)
        e = send_prepared(c, id, size, args, n_args, f);
    if (e == MOG_OK) {
        e = await(c, sql_name[id], &res, f);
        base->was_refused = base->was_refused && id != SQL_COMMIT;
    }
    if (e == MOG_OK)
        take_rows(res, r);
    PQclear(res);
    return e;
}

static enum mog_err pgsql_run_text(struct sql_conn *base, const char *text, struct sql_result *r, struct mog_fail *f)
{
    struct pgsql_conn *c = conn_of(base);
    PGresult *res = NULL;
    sql_result_reset(r);
    enum mog_err e = PQsendQuery(c->c, text) != 0 ? MOG_OK : classify(c, NULL, "statement", f);
    if (e == MOG_OK)
        e = await(c, "statement", &res, f);
    if (e == MOG_OK)
        take_rows(res, r);
    PQclear(res);
    return e;
}

static enum mog_err pgsql_inspect(struct sql_conn *base, struct mog_fail *f)
{
    struct sql_result r = {0};
    enum mog_err e = pgsql_run(base, SQL_INSPECT, 0, NULL, 0, &r, f);
    if (e == MOG_OK)
        base->names_are_bytes = r.n_rows == 0 || span_is(sql_span(&r, 0, 0), "bytea");
    const char *encoding = PQparameterStatus(conn_of(base)->c, "server_encoding");
    base->names_are_utf8 = !base->names_are_bytes && encoding != NULL && strcmp(encoding, "UTF8") == 0;
    sql_result_free(&r);
    return e;
}

/* ---- connecting ---- */

static void pgsql_close(struct sql_conn *base)
{
    struct pgsql_conn *c = conn_of(base);
    PQfinish(c->c);
    free(c);
}

/* Notices ("already exists, skipping") are for people at a prompt. */
static void drop_notice(void *arg, const PGresult *notice)
{
    (void)arg;
    (void)notice;
}

static enum mog_err set_up(struct pgsql_conn *c, struct mog_fail *f)
{
    (void)PQsetNoticeReceiver(c->c, drop_notice, NULL);
    if (PQserverVersion(c->c) < OLDEST_VERSION)
        return fail_set(f, MOG_EUNSUPPORTED, "Postgres is too old! Must use >=postgresql-9.5!");
    const char *server = PQparameterStatus(c->c, "server_encoding");
    const char *client = PQparameterStatus(c->c, "client_encoding");
    /* Bytes go through unchanged. */
    if (server != NULL && client != NULL && strcmp(server, client) != 0 && PQsetClientEncoding(c->c, server) != 0)
        return fail_with(f, MOG_EDBDOWN, "client encoding", PQerrorMessage(c->c));
    if (PQsetnonblocking(c->c, 1) != 0)
        return fail_with(f, MOG_EDBDOWN, "connection", PQerrorMessage(c->c));
    char limit[INT_TEXT_MAX];
    snprintf(limit, sizeof limit, "%" PRId64, c->statement_ms);
    struct sql_result r = {0};
    const struct sql_value arg = {.kind = SQL_TEXT, .text = span_of(limit)};
    enum mog_err e = pgsql_run(&c->base, SQL_SETUP, 0, &arg, 1, &r, f);
    sql_result_free(&r);
    return e == MOG_OK ? pgsql_inspect(&c->base, f) : e;
}

static enum mog_err pgsql_open(const struct sql_target *t, const struct sql_limits *l, struct sql_conn **out,
                               struct mog_fail *f)
{
    char connect_s[INT_TEXT_MAX];
    snprintf(connect_s, sizeof connect_s, "%u", l->connect_s);
    /* What comes later wins: the connection string may have a time-out of its own. */
    const char *const keys[] = {"connect_timeout", "dbname", "fallback_application_name", "user", "password", NULL};
    const char *const values[] = {connect_s,
                                  t->conninfo,
                                  "mogilefs",
                                  t->user[0] == '\0' ? NULL : t->user,
                                  t->password[0] == '\0' ? NULL : t->password,
                                  NULL};
    struct pgsql_conn *c = mem_calloc(1, sizeof *c);
    c->base.can_return = true;
    c->statement_ms = (int64_t)l->statement_s * 1000;
    c->c = PQconnectdbParams(keys, values, 1);
    enum mog_err e =
        PQstatus(c->c) == CONNECTION_OK ? set_up(c, f) : fail_with(f, MOG_EDBDOWN, "PostgreSQL", PQerrorMessage(c->c));
    if (e != MOG_OK) {
        pgsql_close(&c->base);
        c = NULL;
    }
    *out = c == NULL ? NULL : &c->base;
    return e;
}

static bool pgsql_is_alive(struct sql_conn *base)
{
    struct pgsql_conn *c = conn_of(base);
    struct pollfd p = {.fd = PQsocket(c->c), .events = POLLRDHUP};
    if (base->is_dead || PQstatus(c->c) != CONNECTION_OK || p.fd < 0)
        return false;
    return poll(&p, 1, 0) <= 0 || (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) == 0;
}

const struct sql_driver sql_driver_pgsql = {
    .texts = sql_text_pgsql,
    .open = pgsql_open,
    .close = pgsql_close,
    .is_alive = pgsql_is_alive,
    .inspect = pgsql_inspect,
    .prepare = pgsql_prepare,
    .run = pgsql_run,
    .run_text = pgsql_run_text,
};
