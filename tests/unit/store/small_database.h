/* SPDX-License-Identifier: MIT */
/* A database with a row of each kind, and all that is in it as a text: for those who see that nothing is half done. */
#ifndef MOG_TESTS_SMALL_DATABASE_H
#define MOG_TESTS_SMALL_DATABASE_H

#include "common/num.h"
#include "store/store_fixture.h"

static const char *const small_rows[] = {
    "INSERT INTO domain (dmid, namespace) VALUES (1, 'd'), (2, 'empty')",
    "INSERT INTO class (dmid, classid, classname, mindevcount, replpolicy) VALUES (1, 1, 'one', 2, NULL), "
    "(1, 2, 'unused', 2, NULL)",
    "INSERT INTO host (hostid, status, http_port, hostname, hostip) VALUES (1, 'alive', 75, 'h1', '127.0.0.1'), "
    "(2, 'alive', 75, 'h2', '127.0.0.2')",
    "INSERT INTO device (devid, hostid, status, weight) VALUES (1, 1, 'alive', 100), (2, 1, 'alive', 100), "
    "(3, 1, 'alive', 100), (4, 1, 'dead', 100)",
    "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (101, 1, 'k', 10, 1, 7), "
    "(102, 1, 'l', 10, 1, 1)",
    "INSERT INTO file_on (fid, devid) VALUES (101, 1), (101, 2), (101, 4), (102, 4), (104, 1), (104, 2)",
    "INSERT INTO tempfile (fid, createtime, classid, dmid, dkey, devids) VALUES (103, 2000000000, 1, 1, 'k', '1,2'), "
    "(107, 1, 1, 1, 'old', '1,2')",
    "INSERT INTO file_to_replicate (fid, nexttry, fromdevid, failcount, flags) VALUES (101, 0, NULL, 0, 0), "
    "(102, 5, NULL, 1, 0)",
    "INSERT INTO file_to_delete2 (fid, nexttry, failcount) VALUES (104, 0, 0)",
    "INSERT INTO file_to_queue (fid, devid, type, nexttry, failcount, flags, arg) VALUES (101, 1, 1, 0, 0, 0, NULL), "
    "(101, 1, 2, 0, 0, 0, '2,3')",
    "INSERT INTO file_to_delete (fid) VALUES (105)",
    "INSERT INTO file_to_delete_later (fid, delafter) VALUES (106, 1)",
    "INSERT INTO fsck_log (utime, fid, evcode, devid) VALUES (1, 101, 'MISS', 1), (2, 101, 'MISS', 2)",
    "INSERT INTO server_settings (field, value) VALUES ('a', '1'), ('schema_version', '17'), ('fsck_start_time', '5'), "
    "('fsck_sum_evcount_MISS', '1')",
};

static inline void small_fill(struct store *other)
{
    fixture_sql(other, "BEGIN", NULL);
    fixture_empty(other);
    for (size_t i = 0; i < sizeof small_rows / sizeof small_rows[0]; i++)
        fixture_sql(other, small_rows[i], NULL);
    fixture_sql(other, "COMMIT", NULL);
    const struct store_checksum sum = {.hashtype = 1, .len = 16, .bytes = "0123456789abcde"};
    OK(other, store_checksum_set(other, 101, &sum));
}

/* A moment may stand in a text too. */
static inline void small_show_text(struct buf *out, struct span text)
{
    enum { MOMENT_DIGITS = 10 };
    for (size_t i = 0; i < text.len;) {
        size_t digits = 0;
        while (i + digits < text.len && text.ptr[i + digits] >= '0' && text.ptr[i + digits] <= '9')
            digits++;
        if (digits >= MOMENT_DIGITS)
            buf_str(out, "moment");
        else
            buf_append(out, text.ptr + i, digits != 0 ? digits : 1);
        i += digits != 0 ? digits : 1;
    }
    buf_char(out, '|');
}

/* Numbers that differ from run to run stand as what they are: a moment, or a number that the database chose. */
static inline void small_show(struct buf *out, const struct sql_value *v)
{
    uint64_t n = 0;
    bool is_number = v->kind == SQL_INT || num_parse_u64(v->text, 0, INT64_MAX, &n) == MOG_OK;
    if (v->kind == SQL_INT)
        n = (uint64_t)v->i;
    if (v->kind == SQL_NULL)
        buf_str(out, "NULL|");
    else if (!is_number)
        small_show_text(out, v->text);
    else if (n == STORE_END_OF_TIME)
        buf_str(out, "never|");
    else if (n >= 1000000000)
        buf_str(out, "moment|");
    else if (n > 107)
        buf_str(out, "new|");
    else
        buf_printf(out, "%d|", (int)n);
}

static inline int small_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void small_dump_table(struct buf *out, struct store *other, const char *table)
{
    struct sql_result r = {0};
    char text[80];
    snprintf(text, sizeof text, "SELECT * FROM %s", table);
    fixture_sql(other, text, &r);
    char **lines = mem_calloc(r.n_rows + 1, sizeof *lines);
    for (size_t i = 0; i < r.n_rows; i++) {
        struct buf line = BUF_ZERO;
        /* The number of an event is the database's, and the devices of an upload are up to chance. */
        size_t end = strcmp(table, "tempfile") == 0 ? r.n_cols - 1 : r.n_cols;
        for (size_t k = strcmp(table, "fsck_log") == 0 ? 1 : 0; k < end; k++)
            small_show(&line, sql_cell(&r, i, k));
        if (strstr(buf_cstr(&line), "logid") != NULL)
            buf_truncate(&line, strcspn(buf_cstr(&line), "|"));
        lines[i] = mem_strdup(buf_cstr(&line));
        buf_fini(&line);
    }
    qsort(lines, r.n_rows, sizeof *lines, small_compare);
    for (size_t i = 0; i < r.n_rows; i++) {
        buf_printf(out, "%s: %s\n", table, lines[i]);
        free(lines[i]);
    }
    free(lines);
    sql_result_free(&r);
}

static inline char *small_dump(struct store *other)
{
    struct buf out = BUF_ZERO;
    for (size_t i = 0; i < FIXTURE_TABLES; i++)
        small_dump_table(&out, other, fixture_tables[i]);
    char *text = mem_strdup(buf_cstr(&out));
    buf_fini(&out);
    return text;
}

#endif
