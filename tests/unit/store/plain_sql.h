/* SPDX-License-Identifier: MIT */
/* Statements of the tests' own, past the store's. Each has to succeed. */
#ifndef MOG_TESTS_PLAIN_SQL_H
#define MOG_TESTS_PLAIN_SQL_H

#include <check.h>

#include "store/store_run.h"

/* Run a text that is no statement of the store; `r` may be NULL. */
static inline void fixture_sql(struct store *st, const char *text, struct sql_result *r)
{
    struct sql_result own = {0};
    struct mog_fail f = {0};
    ck_assert_int_eq(store_open(st), MOG_OK);
    enum mog_err e = st->driver->run_text(st->conn, text, r == NULL ? &own : r, &f);
    ck_assert_msg(e == MOG_OK, "%s: %s", text, f.text);
    sql_result_free(&own);
}

static inline int64_t fixture_number(struct store *st, const char *text)
{
    struct sql_result r = {0};
    fixture_sql(st, text, &r);
    ck_assert_uint_eq(r.n_rows, 1);
    int64_t n = sql_i64(&r, 0, 0);
    sql_result_free(&r);
    return n;
}

#endif
