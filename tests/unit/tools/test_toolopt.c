/* SPDX-License-Identifier: MIT */
/* Tests of the tools' options: spellings, errors, and configuration files. */
#include "tools/toolopt.h"

#include <check.h>
#include <string.h>

static const struct toolopt_def defs[] = {
    {"key", 0, TOOLOPT_STRING, ""},     {"key_prefix", 0, TOOLOPT_STRING, ""}, {"count", 0, TOOLOPT_INT, ""},
    {"verbose", 'v', TOOLOPT_FLAG, ""}, {"verify", 0, TOOLOPT_NEGATABLE, ""},  {"big", 'b', TOOLOPT_FLAG, ""},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};
static const struct toolopt_def *const tables[] = {defs, NULL};

static struct toolopt o;
static struct opt_list rest;
static struct mog_fail f;

static enum mog_err parse(unsigned flags, const char *line)
{
    static char text[500];
    char *argv[20];
    int argc = 0;
    toolopt_fini(&o);
    opt_list_fini(&rest);
    f = (struct mog_fail){.code = MOG_OK};
    strncpy(text, line, sizeof text - 1);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return toolopt_parse(&o, tables, argc, argv, flags, &rest, &f);
}

START_TEST(spellings)
{
    static const char *const lines[] = {"--key=a",          "--key a",           "-key a", "-key=a", "--KEY=a",
                                        "-- key --key=b x", "--count=-5 --key=a"};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_msg(parse(0, lines[i]) == MOG_OK, "%s: %s", lines[i], f.text);
        ck_assert_str_eq(toolopt_str(&o, "key"), "a");
        ck_assert(toolopt_given(&o, "key"));
    }
    ck_assert_int_eq(parse(0, "x -- --key=b"), MOG_OK);
    ck_assert_ptr_null(toolopt_str(&o, "key"));
    ck_assert_uint_eq(rest.n, 2);
    ck_assert_str_eq(rest.items[1], "--key=b");
    ck_assert_int_eq(parse(0, "--coun +7 --verb"), MOG_OK);
    int64_t n;
    ck_assert_int_eq(toolopt_int(&o, "count", 0, 10, 1, &n, &f), MOG_OK);
    ck_assert_int_eq(n, 7);
    ck_assert(toolopt_flag(&o, "verbose"));
    ck_assert_int_eq(parse(0, "--key="), MOG_OK);
    ck_assert_str_eq(toolopt_str(&o, "key"), "");
    ck_assert_ptr_null(toolopt_text(&o, "key"));
    ck_assert_int_eq(parse(0, "-v -b -"), MOG_OK);
    ck_assert(toolopt_flag(&o, "verbose") && toolopt_flag(&o, "big"));
    ck_assert_str_eq(rest.items[0], "-");
}
END_TEST

START_TEST(negations)
{
    static const char *const lines[] = {"--noverify", "--no-verify", "--nover"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_msg(parse(0, lines[i]) == MOG_OK, "%s: %s", lines[i], f.text);
        ck_assert_str_eq(toolopt_str(&o, "verify"), "0");
        ck_assert(!toolopt_flag(&o, "verify"));
    }
    ck_assert_int_eq(parse(0, "--noverbose"), MOG_EUSAGE);
}
END_TEST

START_TEST(errors)
{
    static const struct {
        const char *line, *text;
    } rows[] = {
        {"--bogus=1", "Unknown option: bogus"},
        {"--ver", "Option ver is ambiguous"},
        {"--key", "Option key requires an argument"},
        {"--verbose=1", "Option verbose does not take an argument"},
        {"--count=abc", "Value \"abc\" invalid for option count (number expected)"},
        {"--count=", "Value \"\" invalid for option count (number expected)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(parse(0, rows[i].line) == MOG_EUSAGE, "%s", rows[i].line);
        ck_assert_str_eq(f.text, rows[i].text);
    }
    int64_t n;
    ck_assert_int_eq(parse(0, "--count=11"), MOG_OK);
    ck_assert_int_eq(toolopt_int(&o, "count", 0, 10, 1, &n, &f), MOG_EUSAGE);
    ck_assert_int_eq(toolopt_int(&o, "missing", 0, 10, 3, &n, &f), MOG_OK);
    ck_assert_int_eq(n, 3);
}
END_TEST

START_TEST(stopping_and_skipping)
{
    ck_assert_int_eq(parse(TOOLOPT_STOP_AT_WORD, "--key=a host --count=5"), MOG_OK);
    ck_assert_str_eq(toolopt_str(&o, "key"), "a");
    ck_assert_ptr_null(toolopt_str(&o, "count"));
    ck_assert_uint_eq(rest.n, 2);
    ck_assert_int_eq(parse(TOOLOPT_STOP_AT_WORD, "--bogus host"), MOG_OK);
    ck_assert_str_eq(rest.items[0], "--bogus");
    ck_assert_int_eq(parse(TOOLOPT_SKIP_UNKNOWN, "--bogus --key=a"), MOG_OK);
    ck_assert_str_eq(toolopt_str(&o, "key"), "a");
}
END_TEST

START_TEST(files)
{
    static const char text[] = "# comment\n\ntrackers = a:1, b:2 # both\n  domain=d=e\t\r\nbad-name = 1\njunk\n"
                               "empty =\ndomain = second\npass = x#y\nlast=1";
    ck_assert_int_eq(parse(0, "--key=line"), MOG_OK);
    toolopt_read_text(&o, text, sizeof text - 1, TOOLOPT_HASH_ANYWHERE);
    toolopt_read_text(&o, "key=file\n", 9, TOOLOPT_HASH_ANYWHERE);
    ck_assert_str_eq(toolopt_str(&o, "trackers"), "a:1, b:2");
    ck_assert_str_eq(toolopt_str(&o, "domain"), "d=e");
    ck_assert_str_eq(toolopt_str(&o, "pass"), "x");
    ck_assert_str_eq(toolopt_str(&o, "last"), "1");
    ck_assert_str_eq(toolopt_str(&o, "key"), "line");
    ck_assert_ptr_null(toolopt_str(&o, "empty"));
    ck_assert_ptr_null(toolopt_str(&o, "bad-name"));
    ck_assert(!toolopt_given(&o, "domain"));
    ck_assert_int_eq(parse(0, ""), MOG_OK);
    toolopt_read_text(&o, text, sizeof text - 1, TOOLOPT_HASH_AFTER_BLANK);
    ck_assert_str_eq(toolopt_str(&o, "pass"), "x#y");
    ck_assert_str_eq(toolopt_str(&o, "trackers"), "a:1, b:2");
}
END_TEST

START_TEST(missing_and_unreadable_files)
{
    bool missing = false;
    ck_assert_int_eq(parse(0, ""), MOG_OK);
    ck_assert_int_eq(toolopt_read_file(&o, "/nonexistent/x", TOOLOPT_HASH_ANYWHERE, &missing, &f), MOG_OK);
    ck_assert(missing);
    ck_assert_int_eq(toolopt_read_file(&o, "/", TOOLOPT_HASH_ANYWHERE, &missing, &f), MOG_EIO);
}
END_TEST

static void end(void)
{
    toolopt_fini(&o);
    opt_list_fini(&rest);
}

int main(void)
{
    Suite *s = suite_create("toolopt");
    TCase *tc = tcase_create("toolopt");
    tcase_add_checked_fixture(tc, NULL, end);
    tcase_add_test(tc, spellings);
    tcase_add_test(tc, negations);
    tcase_add_test(tc, errors);
    tcase_add_test(tc, stopping_and_skipping);
    tcase_add_test(tc, files);
    tcase_add_test(tc, missing_and_unreadable_files);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
