/* SPDX-License-Identifier: MIT */
/*
 * Every argument of every command: missing, empty, zero, negative, endless, and with every byte. The answer is an OK or
 * an error of the protocol, and the database stays sound.
 */
#include "unit.h"

#include "common/log.h"
#include "harness.h"
#include "tracker/cmd/cmd_run.h"

#include <ctype.h>
#include <float.h>
#include <inttypes.h>
#include <sqlite3.h>

/* Values that make a command succeed, or at least go far. */
static const struct {
    const char *name, *value;
} usual[] = {
    {"domain", "d"},  {"key", "k"},         {"class", "c"},     {"fid", "5"},
    {"devid", "1"},   {"path", "http:x"},   {"from_key", "k"},  {"to_key", "k2"},
    {"host", "h1"},   {"hostname", "h1"},   {"hostid", "1"},    {"ip", "127.9.9.9"},
    {"port", "7500"}, {"status", "alive"},  {"state", "alive"}, {"device", "1"},
    {"weight", "50"}, {"mindevcount", "2"}, {"value", "1"},     {"policy", "from_hosts%3D1"},
    {"sdevid", "1"},  {"ddevid", "2"},      {"size", "10"},     {"checksum", "MD5:d41d8cd98f00b204e9800998ecf8427e"},
    {"limit", "10"},  {"after_logid", "0"}, {"startpos", "0"},
};

static const char *usual_value(const char *name)
{
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        if (strcmp(usual[i].name, name) == 0)
            return usual[i].value;
    }
    return "1";
}

/* The names of a row's arguments: words, '|' between alternatives, '?' behind optional ones. */
static size_t names_of(const char *text, char names[][40], size_t max)
{
    size_t n = 0;
    while (*text != '\0' && n < max) {
        size_t len = strcspn(text, " |?");
        if (len != 0)
            (void)snprintf(names[n++], 40, "%.*s", (int)len, text);
        text += len;
        text += strspn(text, " |?");
    }
    return n;
}

static void check_answer(const char *line, const char *answer)
{
    size_t len = strlen(answer);
    ck_assert_msg(len > 4 && strcmp(answer + len - 2, "\r\n") == 0, "%s: %s", line, answer);
    for (size_t i = 0; i < len - 2; i++)
        ck_assert_msg(answer[i] > 31 && answer[i] < 127, "%s: byte %d in the answer", line, answer[i]);
    if (strncmp(answer, "OK ", 3) == 0)
        return;
    ck_assert_msg(strncmp(answer, "ERR ", 4) == 0, "%s: %s", line, answer);
    size_t code = strspn(answer + 4, "abcdefghijklmnopqrstuvwxyz_");
    ck_assert_msg(code != 0 && answer[4 + code] == ' ' && answer[4 + code + 1] > ' ', "%s: %s", line, answer);
}

static void run(struct harness *h, const struct buf *line)
{
    char *answer = harness_run(h, line->data, line->len);
    check_answer(line->data, answer);
    free(answer);
}

static void build(struct buf *line, const struct cmd_row *row, char names[][40], size_t n, size_t which,
                  const char *value)
{
    buf_reset(line);
    buf_printf(line, "%s ", row->name);
    for (size_t i = 0; i < n; i++) {
        if (i != which)
            buf_printf(line, "%s=%s&", names[i], usual_value(names[i]));
        else if (value != NULL)
            buf_printf(line, "%s=%s&", names[i], value);
    }
}

static void try_command(struct harness *h, const struct cmd_row *row)
{
    static char long_value[2000];
    char names[16][40];
    struct buf line = BUF_ZERO;
    size_t n = names_of(row->args, names, 16);
    memset(long_value, 'x', sizeof(long_value) - 1);
    const char *const values[] = {NULL,
                                  "",
                                  "0",
                                  "-1",
                                  "1",
                                  "2x",
                                  "18446744073709551616",
                                  "99999999999999999999",
                                  "1e30",
                                  "0x10",
                                  "nan",
                                  "%00",
                                  "a%00b",
                                  "%",
                                  "%zz",
                                  "+",
                                  long_value};
    for (size_t i = 0; i < n; i++) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            build(&line, row, names, n, i, values[v]);
            run(h, &line);
        }
        for (unsigned byte = 0; byte < 256; byte++) {
            char value[16];
            (void)snprintf(value, sizeof(value), "a%%%02Xb", byte);
            build(&line, row, names, n, i, value);
            run(h, &line);
        }
    }
    build(&line, row, names, 0, 0, NULL);
    run(h, &line);
    buf_fini(&line);
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

static void check_database(const struct harness *h)
{
    static const char *const never[] = {
        "SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
        "SELECT COUNT(*) FROM file WHERE dkey IS NULL OR dkey = '' OR length < 0",
        "SELECT COUNT(*) FROM file WHERE dmid NOT IN (SELECT dmid FROM domain)",
        "SELECT COUNT(*) FROM class WHERE dmid NOT IN (SELECT dmid FROM domain)",
        "SELECT COUNT(*) FROM class WHERE mindevcount < 1 OR mindevcount > 255",
        "SELECT COUNT(*) FROM device WHERE hostid NOT IN (SELECT hostid FROM host)",
        "SELECT COUNT(*) FROM device WHERE status NOT IN ('alive', 'dead', 'down', 'readonly', 'drain')",
        "SELECT COUNT(*) FROM host WHERE status NOT IN ('alive', 'dead', 'down', 'readonly')",
        "SELECT COUNT(*) FROM server_settings WHERE field = 'schema_version' AND value <> '17'",
        ("SELECT COUNT(*) FROM file_on o WHERE NOT EXISTS (SELECT 1 FROM file f WHERE f.fid = o.fid) "
         "AND NOT EXISTS (SELECT 1 FROM file_to_delete2 q WHERE q.fid = o.fid)"),
    };
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(h->path, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        ck_assert_msg(number(db, never[i]) == 0, "%s: not 0", never[i]);
    sqlite3_close(db);
}

/* Commands that only wait are left out, and what takes the scenery away comes last. */
static bool is_left_out(const char *name)
{
    return strcmp(name, "sleep") == 0 || strcmp(name, "do_monitor_round") == 0;
}

static void try_all(const char *prefix)
{
    struct harness h;
    log_set_level(LOG_LEVEL_ERR);
    memset(&h, 0, sizeof(h));
    harness_start(&h);
    for (const struct cmd_row *row = cmd_table(); row->name != NULL; row++) {
        bool deletes = strncmp(row->name, "delete_", 7) == 0;
        if (!is_left_out(row->name) && deletes == (strcmp(prefix, "delete_") == 0))
            try_command(&h, row);
    }
    check_database(&h);
    harness_stop(&h);
}

START_TEST(every_argument_of_every_command)
{
    try_all("");
}
END_TEST

START_TEST(every_argument_of_what_deletes)
{
    try_all("delete_");
}
END_TEST

static const char *taken(const char *text, size_t len, struct span *rest)
{
    *rest = span_make(text, len);
    const struct cmd_row *row = cmd_take_command(rest);
    return row != NULL ? row->name : "none";
}

START_TEST(the_command_of_a_line)
{
    static const struct {
        const char *line, *name, *rest;
    } rows[] = {
        {"noop", "noop", ""},
        {"get_paths a=1", "get_paths", "a=1"},
        {" \t Get_PATHS \t a=1 ", "get_paths", "a=1 "},
        {"get_path a=1", "none", "a=1"},
        {"get_pathss a=1", "none", "a=1"},
        {"g", "none", ""},
        {"noop&a=1", "noop", "&a=1"},
        {"noop\r", "noop", "\r"},
        {"", "none", ""},
        {" \t", "none", ""},
        {"=noop", "none", "=noop"},
        {"noop_ x", "none", "x"},
        {"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_noop_and_more x", "none", "x"},
    };
    struct span rest;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_str_eq(taken(rows[i].line, strlen(rows[i].line), &rest), rows[i].name);
        ck_assert_msg(span_is(rest, rows[i].rest), "'%s'", rows[i].line);
    }
    /* Every command, whatever stands behind it, and nothing but what its length says. */
    for (const struct cmd_row *row = cmd_table(); row->name != NULL; row++) {
        char line[80];
        size_t len = strlen(row->name);
        for (int c = 0; c < 256; c++) {
            (void)snprintf(line, sizeof(line), "%s%c", row->name, c);
            bool goes_on = c == '_' || (c < 128 && isalnum(c));
            ck_assert_msg((strcmp(taken(line, len + 1, &rest), row->name) == 0) == !goes_on, "%s, byte %d", row->name,
                          c);
        }
        ck_assert_str_eq(taken(line, len, &rest), row->name);
        ck_assert_ptr_eq(cmd_table_find(span_make(line, len)), row);
        ck_assert_str_ne(taken(line, len - 1, &rest), row->name);
    }
    ck_assert_ptr_null(cmd_table_find(span_make("noop\0x", 6)));
    ck_assert_ptr_null(cmd_table_find(span_make("\0", 1)));
    ck_assert_ptr_null(cmd_table_find(span_make(NULL, 0)));
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        const char *text;
        double number;
        int64_t integer;
    } rows[] = {
        {"", 0, 0},
        {"x", 0, 0},
        {"2x", 2, 2},
        {" \t+7", 7, 7},
        {"-2.9", -2.9, -2},
        {".5", 0.5, 0},
        {"1.5e1", 15, 15},
        {"1e", 1, 1},
        {"1e+", 1, 1},
        {"0x10", 0, 0},
        {"nan", 0, 0},
        {"inf", 0, 0},
        {"9007199254740993", 9007199254740992.0, 9007199254740993},
        {"-9007199254740993x", -9007199254740992.0, -9007199254740993},
        {"1e16", 1e16, 10000000000000000},
        {"-1e17", -1e17, -100000000000000000},
        {"99999999999999999e1", 1e18, 1000000000000000000},
        {"9223372036854775807", 9223372036854775808.0, INT64_MAX},
        {"9223372036854775808", 9223372036854775808.0, INT64_MAX},
        {"1e30", 1e30, INT64_MAX},
        {"-1e30", -1e30, INT64_MIN},
        {"1e999", DBL_MAX, INT64_MAX},
        {"-1e999", -DBL_MAX, INT64_MIN},
        {"1e-999", 0, 0},
    };
    struct cmd_ctx ctx = {.args = KV_ZERO};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        kv_reset(&ctx.args);
        kv_add_str(&ctx.args, "n", rows[i].text);
        ck_assert_msg(cmd_arg_num(&ctx, "n") == rows[i].number, "%s: %g", rows[i].text, cmd_arg_num(&ctx, "n"));
        ck_assert_msg(cmd_arg_int(&ctx, "n") == rows[i].integer, "%s: %" PRId64, rows[i].text, cmd_arg_int(&ctx, "n"));
    }
    ck_assert_int_eq(cmd_arg_int(&ctx, "absent"), 0);
    kv_fini(&ctx.args);
}
END_TEST

UNIT_MAIN("cmd_arguments", the_command_of_a_line, numbers, every_argument_of_every_command,
          every_argument_of_what_deletes)
