/* SPDX-License-Identifier: MIT */
/* Every statement of the busy paths finds its rows by an index: the database's own plan says so, on many rows. */
#include "store/store_fixture.h"

#include <inttypes.h>

/*
 * What stands for the parameters: d dmid, D one without files, c classid, k key, p prefix, a the key to begin after, b
 * the key to end below, % LIKE pattern, f fid, v devid, T type of queue, n a number, l limit. '*': the rest are fids.
 */
static const struct hot {
    enum sql_stmt id;
    const char *args;
    bool may_sort; /* the schema has no index in that order, and the rows are few */
} hot[] = {
    {SQL_DOMAIN_HAS_FILES, "D", false},
    {SQL_CLASS_HAS_FILES, "Dc", false},
    {SQL_FILE_BY_KEY, "dk", false},
    {SQL_FILE_BY_KEY_DEVIDS, "dk", false},
    {SQL_FILE_BY_KEY_ALL, "dk", false},
    {SQL_FILE_BY_FID, "f", false},
    {SQL_FILE_BY_FID_DEVIDS, "f", false},
    {SQL_FILE_BY_FID_ALL, "f", false},
    {SQL_FILE_FIDS, "*", true},
    {SQL_FILE_LIST, "fl", false},
    {SQL_FILE_FIDS_BETWEEN, "fnl", false},
    {SQL_FILE_MAX_FID, "", false},
    {SQL_FILE_MAX_KNOWN_FID, "", false},
    {SQL_FILE_KEYS_RANGE, "dpabl", false},
    {SQL_FILE_KEYS_FROM, "dpal", false},
    {SQL_FILE_KEYS_LIKE, "d%al", false},
    {SQL_FILE_KEYS_LIKE_CASE, "d%%al", false},
    {SQL_FILE_LOCK_KEY, "dk", false},
    {SQL_FILE_LOCK_FID, "f", false},
    {SQL_FILE_FID_OF_KEY, "dk", false},
    {SQL_FILE_DELETE, "f", false},
    {SQL_FILE_DELETE_KEYED, "fdk", false},
    {SQL_FILE_RENAME, "kdk", false},
    {SQL_FILE_SET_CLASS, "cf", false},
    {SQL_FILE_RECOUNT, "ff", false},
    {SQL_TEMPFILE_FID_USED, "fff", false},
    {SQL_TEMPFILE_GET, "f", false},
    {SQL_TEMPFILE_DELETE, "f", false},
    {SQL_TEMPFILE_DELETE_MANY, "*", false},
    {SQL_UPLOAD_READ, "fdkv", false},
    {SQL_DEVFID_REMOVE, "fv", false},
    {SQL_DEVFID_REMOVE_MANY, "f*", false},
    {SQL_DEVFID_REAP, "v*", false},
    {SQL_DEVFID_LIST, "f", true},
    {SQL_DEVFID_LIST_MANY, "*", true},
    {SQL_DEVFID_ON_DEVICE, "vl", false},
    {SQL_DEVFID_OLDEST, "vfl", true},
    {SQL_DEVFID_NEWEST, "vl", true},
    {SQL_DEVFID_NEWEST_FROM, "vfl", true},
    {SQL_CHECKSUM_GET, "f", false},
    {SQL_CHECKSUM_DELETE, "f", false},
    {SQL_REPLICATE_CLAIM, "l", false},
    {SQL_REPLICATE_LEASE, "*", false},
    {SQL_REPLICATE_DONE, "f", false},
    {SQL_REPLICATE_DEFER, "nnf", false},
    {SQL_REPLICATE_PARK, "f", false},
    {SQL_REPLICATE_RELEASE, "*", false},
    {SQL_REPLICATE_FIND, "f", false},
    {SQL_DELETE_CLAIM, "l", false},
    {SQL_DELETE_LEASE, "*", false},
    {SQL_DELETE_DONE, "f", false},
    {SQL_DELETE_DEFER, "nnf", false},
    {SQL_DELETE_PARK, "f", false},
    {SQL_DELETE_RELEASE, "*", false},
    {SQL_DELETE_FIND, "f", false},
    {SQL_TODO_CLAIM, "Tl", false},
    {SQL_TODO_LEASE, "T*", false},
    {SQL_TODO_DONE, "Tf", false},
    {SQL_TODO_DEFER, "nnTf", false},
    {SQL_TODO_PARK, "Tf", false},
    {SQL_TODO_RELEASE, "T*", false},
    {SQL_TODO_FIND, "Tf", false},
    {SQL_FSCK_EVENTS, "fl", false},
    {SQL_FSCK_MAX_LOGID, "", false},
    {SQL_FSCK_COUNTS, "fn", true},
};

/* ---- many rows ---- */

static int64_t n_files(void)
{
    const char *text = fixture_env("MOG_TEST_FILES");
    return text == NULL ? 10000 : atoll(text);
}

/* How the backend writes: the numbers 1 to N as a table of one column `n`, and texts one after the other. */
static char *numbers(enum store_backend b)
{
    switch (b) {
    case STORE_MYSQL:
        return mem_printf("(SELECT seq AS n FROM seq_1_to_%" PRId64 ") x", n_files());
    case STORE_PGSQL:
        return mem_printf("generate_series(1, %" PRId64 ") AS x(n)", n_files());
    case STORE_SQLITE:
        return mem_printf("(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %" PRId64
                          ") SELECT n FROM c) x",
                          n_files());
    }
    return NULL;
}

static void fill(struct store *st)
{
    enum store_backend b = store_backend(st);
    char *from = numbers(b);
    const char *key = b == STORE_MYSQL ? "CONCAT('dir', n % 100, '/', n)" : "'dir' || (n % 100) || '/' || n";
    const char *key_as = b == STORE_PGSQL && st->conn->names_are_bytes ? "::text::bytea" : "";
    char *texts[] = {
        mem_printf("INSERT INTO file (fid, dmid, dkey, length, classid, devcount) "
                   "SELECT n, 1 + n %% 2, (%s)%s, 10, n %% 5, 2 FROM %s",
                   key, key_as, from),
        mem_printf("INSERT INTO file_on (fid, devid) SELECT n, 1 + n %% 50 FROM %s", from),
        mem_printf("INSERT INTO file_on (fid, devid) SELECT n, 51 + n %% 50 FROM %s", from),
        mem_printf("INSERT INTO tempfile (fid, createtime, classid, dmid) SELECT n, 1, 0, 1 FROM %s", from),
        mem_printf("INSERT INTO checksum (fid, hashtype, checksum) SELECT n, 1, '0123456789abcdef' FROM %s", from),
        mem_printf("INSERT INTO file_to_replicate (fid, nexttry) SELECT n, n FROM %s", from),
        mem_printf("INSERT INTO file_to_delete2 (fid, nexttry) SELECT n, n FROM %s", from),
        mem_printf("INSERT INTO file_to_queue (fid, type, nexttry) SELECT n, 1 + n %% 2, n FROM %s", from),
        mem_printf("INSERT INTO fsck_log (utime, fid, evcode, devid) SELECT n, n, 'MISS', 1 FROM %s", from),
    };
    fixture_sql(st, b == STORE_SQLITE ? "BEGIN" : "SELECT 1", NULL);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        fixture_sql(st, texts[i], NULL);
        free(texts[i]);
    }
    fixture_sql(st, b == STORE_SQLITE ? "COMMIT" : "SELECT 1", NULL);
    free(from);
    if (b == STORE_PGSQL)
        fixture_sql(st, "ANALYZE", NULL);
    if (b != STORE_MYSQL) /* nobody ever makes SQLite count */
        return;
    static const char *const tables[] = {"file",     "file_on",         "tempfile",     "checksum", "file_to_replicate",
                                         "fsck_log", "file_to_delete2", "file_to_queue"};
    char text[80];
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        snprintf(text, sizeof text, "ANALYZE TABLE %s", tables[i]);
        fixture_sql(st, text, NULL);
    }
}

/* ---- texts with values ---- */

static void add_value(struct buf *out, char kind, int nth)
{
    switch (kind) {
    case 'k':
        buf_str(out, "'dir17/1017'");
        break;
    case 'p':
        buf_str(out, "'dir17/'");
        break;
    case 'a':
        buf_str(out, "'dir17/1017'");
        break;
    case 'b':
        buf_str(out, "'dir170'");
        break;
    case '%':
        buf_str(out, "'dir17/%'");
        break;
    case 'f':
    case '*':
        buf_printf(out, "%d", 1000 + 17 * nth);
        break;
    case 'D':
        buf_str(out, "9");
        break;
    case 'n':
        buf_str(out, "1500");
        break;
    case 'l':
        buf_str(out, "100");
        break;
    case 'v':
        buf_str(out, "3");
        break;
    default:
        buf_str(out, "1");
    }
}

static char *explain_text(const struct store *st, const struct hot *h)
{
    struct buf text = BUF_ZERO, out = BUF_ZERO;
    sql_expand(&text, st->driver->texts[h->id], strchr(h->args, '*') == NULL ? 1 : 10, false);
    buf_str(&out, store_backend(st) == STORE_SQLITE ? "EXPLAIN QUERY PLAN " : "EXPLAIN ");
    const char *arg = h->args;
    int nth = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '?') {
            buf_char(&out, text.data[i]);
            continue;
        }
        ck_assert_msg(*arg != '\0', "%s has more parameters than %s", sql_name[h->id], h->args);
        add_value(&out, *arg, nth++);
        arg += *arg != '*';
    }
    ck_assert_msg(*arg == '\0' || *arg == '*', "%s has fewer parameters than %s", sql_name[h->id], h->args);
    buf_fini(&text);
    char *all = mem_strdup(buf_cstr(&out));
    buf_fini(&out);
    return all;
}

/* ---- plans ---- */

static char *plan_as_text(const struct sql_result *r)
{
    struct buf b = BUF_ZERO;
    for (size_t row = 0; row < r->n_rows; row++) {
        for (size_t col = 0; col < r->n_cols; col++) {
            struct span s = sql_span(r, row, col);
            if (sql_cell(r, row, col)->kind == SQL_INT)
                buf_printf(&b, "%" PRId64 " ", sql_i64(r, row, col));
            else
                buf_printf(&b, "%.*s ", (int)s.len, s.ptr == NULL ? "" : s.ptr);
        }
        buf_char(&b, '\n');
    }
    char *text = mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    return text;
}

/* What is wrong with a plan; NULL: nothing. */
static const char *fault_of(enum store_backend b, const struct sql_result *r, const char *text, bool may_sort)
{
    if (b == STORE_PGSQL) {
        if (strstr(text, "Seq Scan") != NULL)
            return "reads a whole table";
        return !may_sort && strstr(text, "Sort") != NULL ? "sorts" : NULL;
    }
    for (size_t row = 0; row < r->n_rows; row++) {
        struct span s = sql_span(r, row, 3); /* MySQL: how it accesses the table; SQLite: all */
        if (b == STORE_MYSQL && (span_is(s, "ALL") || span_is(s, "index")))
            return "reads a whole table or index";
        /* x is the row of constants that others are joined to. */
        if (b == STORE_SQLITE && span_starts(s, "SCAN") && !span_is(s, "SCAN CONSTANT ROW") && !span_is(s, "SCAN x"))
            return "reads a whole table";
    }
    if (!may_sort && (strstr(text, "filesort") != NULL || strstr(text, "TEMP B-TREE") != NULL))
        return "sorts";
    return NULL;
}

static size_t check_plans(struct store *st)
{
    size_t n_bad = 0;
    for (size_t i = 0; i < sizeof hot / sizeof hot[0]; i++) {
        const struct hot *h = &hot[i];
        bool is_like = h->id == SQL_FILE_KEYS_LIKE || h->id == SQL_FILE_KEYS_LIKE_CASE;
        /* Byte strings are listed by ranges; SQLite's LIKE folds case, which an index does not. */
        if (st->driver->texts[h->id] == NULL || (is_like && st->conn->names_are_bytes))
            continue;
        char *text = explain_text(st, h);
        struct sql_result r = {0};
        fixture_sql(st, text, &r);
        char *plan = plan_as_text(&r);
        const char *fault = fault_of(store_backend(st), &r, plan, h->may_sort);
        if (fault != NULL) {
            fprintf(stderr, "%s %s\n%s\n%s\n", sql_name[h->id], fault, text, plan);
            n_bad++;
        }
        sql_result_free(&r);
        free(plan);
        free(text);
    }
    return n_bad;
}

START_TEST(every_busy_statement_uses_an_index)
{
    struct store *st = store_new(fx.env, STORE_UNLIMITED);
    OK(st, store_open(st));
    fill(st);
    ck_assert_uint_eq(check_plans(st), 0);
    store_free(st);
    fixture_empty(fx.st);
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("store_plans", every_busy_statement_uses_an_index);
}
