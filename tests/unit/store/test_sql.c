/* SPDX-License-Identifier: MIT */
/* Statement texts and data source names. Every statement of the backend is prepared by the backend itself. */
#include "store/store_fixture.h"

START_TEST(every_statement_is_accepted)
{
    struct store *st = fx.st;
    size_t n_missing = 0;
    OK(st, store_open(st));
    for (int id = 0; id < SQL_STMTS; id++) {
        if (store_backend(st) == STORE_PGSQL && id == SQL_FILE_KEYS_LIKE && st->conn->names_are_bytes)
            continue; /* bytes have no such comparison, and are not asked for it */
        bool is_row_lock = id >= SQL_LOCK_ROW_INSERT && id <= SQL_LOCK_ROW_DELETE;
        if (st->driver->texts[id] == NULL ||
            (is_row_lock && store_backend(st) == STORE_MYSQL && !fx.env->row_locks)) { /* there is no such table */
            n_missing++;
            continue;
        }
        for (size_t size = 0; size < SQL_SIZES; size++) {
            struct buf text = BUF_ZERO;
            sql_expand(&text, st->driver->texts[id], sql_size[size], false);
            size_t n_args = 0;
            for (size_t i = 0; i < text.len; i++)
                n_args += text.data[i] == '?';
            buf_fini(&text);
            struct mog_fail f = {0};
            enum mog_err e = st->driver->prepare(st->conn, (enum sql_stmt)id, size, n_args, &f);
            ck_assert_msg(e == MOG_OK, "%s: %s", sql_name[id], f.text);
            if (strchr(st->driver->texts[id], '{') == NULL)
                break;
        }
    }
    ck_assert_uint_lt(n_missing, 9);
}
END_TEST

START_TEST(braces)
{
    struct buf b = BUF_ZERO;
    sql_expand(&b, "a IN ({?}) AND b = ?", 3, false);
    ck_assert_str_eq(buf_cstr(&b), "a IN (?, ?, ?) AND b = ?");
    buf_reset(&b);
    sql_expand(&b, "f(?) VALUES {(?, 1 + ?)} x ?", 2, true);
    ck_assert_str_eq(buf_cstr(&b), "f($1) VALUES ($2, 1 + $3), ($4, 1 + $5) x $6");
    buf_fini(&b);
}
END_TEST

START_TEST(values_in_a_text)
{
    struct buf b = BUF_ZERO;
    const struct sql_value args[] = {
        sql_int(7), SQL_ARG_NULL, sql_blob("\x01'\xff", 3), sql_str("mgfs:fid:7:a_b-c.d"), {.kind = SQL_INT, .i = -1}};
    ck_assert(sql_inline(&b, "a {(?, ?)} b ? c ?", 1, args, 4));
    ck_assert_str_eq(buf_cstr(&b), "a (7, NULL) b x'0127ff' c 'mgfs:fid:7:a_b-c.d'");
    buf_reset(&b);
    ck_assert(sql_inline(&b, "a IN ({?})", 2, (struct sql_value[]){args[4], args[0]}, 2));
    ck_assert_str_eq(buf_cstr(&b), "a IN (-1, 7)");
    /* What could end a literal, or is missing, or too much. */
    const char *bad[] = {"a'b", "a\\b", "a\"", "a b", "\xc3\xa4", "a;"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sql_value v = sql_str(bad[i]);
        ck_assert_msg(!sql_inline(&b, "?", 1, &v, 1), "%s", bad[i]);
    }
    struct sql_value name = sql_name_of(span_of("a"));
    ck_assert(!sql_inline(&b, "?", 1, &name, 1));
    ck_assert(!sql_inline(&b, "? ?", 1, args, 1));
    ck_assert(!sql_inline(&b, "?", 1, args, 2));
    buf_fini(&b);
}
END_TEST

static void parse(struct sql_target *t, const char *dsn)
{
    struct mog_fail f = {0};
    enum mog_err e = sql_target_parse(t, dsn, "u", "p", &f);
    ck_assert_msg(e == MOG_OK, "%s: %s", dsn, f.text);
}

START_TEST(mysql_dsn)
{
    struct sql_target t;
    parse(&t, "DBI:mysql:mogilefs");
    ck_assert_str_eq(t.database, "mogilefs");
    ck_assert_uint_eq(t.n_hosts, 0);
    sql_target_fini(&t);
    parse(&t, "DBI:mysql:mogilefs:host=127.0.0.1");
    ck_assert_str_eq(t.hosts[0], "127.0.0.1");
    sql_target_fini(&t);
    parse(&t, "dbi:mysql:mogilefs;host=db1,db2 , db3;port=3307");
    ck_assert_uint_eq(t.n_hosts, 3);
    ck_assert_str_eq(t.hosts[1], "db2");
    ck_assert_uint_eq(t.port, 3307);
    sql_target_fini(&t);
    parse(&t, "DBI:mysql:database=x;hostname=localhost;port=3306;mysql_ssl=1;mysql_read_timeout=7;nonsense=1");
    ck_assert_str_eq(t.database, "x");
    ck_assert(t.ssl);
    ck_assert_uint_eq(t.read_timeout_s, 7);
    sql_target_fini(&t);
    parse(&t, "DBI:mysql:mogilefs:[::1]:3307");
    ck_assert_str_eq(t.hosts[0], "::1");
    ck_assert_uint_eq(t.port, 3307);
    sql_target_fini(&t);
    parse(&t, "DBI:mysql:mogilefs:mysql_socket=/run/x.sock;mysql_enable_utf8=0");
    ck_assert_str_eq(t.socket, "/run/x.sock");
    ck_assert_str_eq(t.charset, "latin1");
    ck_assert_str_eq(t.user, "u");
    sql_target_fini(&t);
    struct mog_fail f;
    ck_assert_int_eq(sql_target_parse(&t, "DBI:mysql:x;port=99999", "", "", &f), MOG_EINVAL);
    sql_target_fini(&t);
    ck_assert_int_eq(sql_target_parse(&t, "DBI:mysql(a=>1):x", "", "", &f), MOG_EINVAL);
    ck_assert_str_eq(f.text, "Unknown database type: DBI:mysql(a=>1):x");
    sql_target_fini(&t);
}
END_TEST

START_TEST(other_dsns)
{
    struct sql_target t;
    parse(&t, "DBI:SQLite:/a/b.db");
    ck_assert_str_eq(t.database, "/a/b.db");
    sql_target_fini(&t);
    parse(&t, "DBI:SQLite:dbname=/a/b.db;sqlite_unicode=1");
    ck_assert_str_eq(t.database, "/a/b.db");
    ck_assert(!t.is_uri);
    sql_target_fini(&t);
    parse(&t, "DBI:SQLite:uri=file:/a/b.db?mode=ro");
    ck_assert_str_eq(t.database, "file:/a/b.db?mode=ro");
    ck_assert(t.is_uri);
    sql_target_fini(&t);
    parse(&t, "DBI:Pg:db=mog;host=h;port=5433");
    ck_assert_str_eq(t.conninfo, "dbname=mog host=h port=5433");
    sql_target_fini(&t);
    struct mog_fail f;
    ck_assert_int_eq(sql_target_parse(&t, "DBI:SQLite:", "", "", &f), MOG_EINVAL);
    sql_target_fini(&t);
    ck_assert_int_eq(sql_target_parse(&t, "DBI:Oracle:x", "", "", &f), MOG_EINVAL);
    sql_target_fini(&t);
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("sql", every_statement_is_accepted, braces, values_in_a_text, mysql_dsn, other_dsns);
}
