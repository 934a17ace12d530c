/* SPDX-License-Identifier: MIT */
/* The grammar of request targets. */
#include "mogstored/dpath.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *target;
    enum mog_err result;
    enum dpath_kind kind;
    uint32_t devid;
    const char *below;
};

static const struct row rows[] = {
    {"*", MOG_OK, DPATH_STAR, 0, ""},
    {"/", MOG_OK, DPATH_ROOT, 0, ""},
    {"//", MOG_OK, DPATH_ROOT, 0, ""},
    {"http://host", MOG_OK, DPATH_ROOT, 0, ""},
    {"http://host:7500/dev3/a", MOG_OK, DPATH_FILE, 3, "a"},
    {"/dev0", MOG_OK, DPATH_DEVICE, 0, ""},
    {"/dev16777215/", MOG_OK, DPATH_DEVICE, 16777215, ""},
    {"/dev16777216", MOG_ENOTFOUND, 0, 0, ""},
    {"/dev1/usage", MOG_OK, DPATH_USAGE, 1, "usage"},
    {"//dev1//usage", MOG_OK, DPATH_USAGE, 1, "usage"},
    {"/dev1/0/usage", MOG_OK, DPATH_FILE, 1, "0/usage"},
    {"/dev12/0/000/000/0000000001.fid", MOG_OK, DPATH_FILE, 12, "0/000/000/0000000001.fid"},
    {"/dev1/%61%2E%2d", MOG_OK, DPATH_FILE, 1, "a.-"},
    {"/dev1/a..b", MOG_OK, DPATH_FILE, 1, "a..b"},
    {"/dev1/...", MOG_OK, DPATH_FILE, 1, "..."},
    {"/dev1/..", MOG_EPERM, 0, 0, ""},
    {"/dev1/./a", MOG_EPERM, 0, 0, ""},
    {"/%2e%2e/a", MOG_EPERM, 0, 0, ""},
    {"/dev1/%00", MOG_ESYNTAX, 0, 0, ""},
    {"/dev1/%2f", MOG_ESYNTAX, 0, 0, ""},
    {"/dev1/%4", MOG_ESYNTAX, 0, 0, ""},
    {"/dev1/%", MOG_ESYNTAX, 0, 0, ""},
    {"/dev1/%g0", MOG_ESYNTAX, 0, 0, ""},
    {"/dev1/%25", MOG_ESYNTAX, 0, 0, ""},
    {"/dev1/ ", MOG_ESYNTAX, 0, 0, ""},
    {"/dev1/\xff", MOG_ESYNTAX, 0, 0, ""},
    {"", MOG_ESYNTAX, 0, 0, ""},
    {"dev1/a", MOG_ESYNTAX, 0, 0, ""},
    {"?", MOG_ESYNTAX, 0, 0, ""},
    {"/dev/a", MOG_ENOTFOUND, 0, 0, ""},
    {"/dev01/a", MOG_ENOTFOUND, 0, 0, ""},
    {"/dev1a/a", MOG_ENOTFOUND, 0, 0, ""},
    {"/Dev1/a", MOG_ENOTFOUND, 0, 0, ""},
    {"/dev999999999999/a", MOG_ENOTFOUND, 0, 0, ""},
};

START_TEST(test_rows)
{
    const struct row *row = &rows[_i];
    struct dpath path;
    ck_assert_msg(dpath_parse(span_of(row->target), &path) == row->result, "%s", row->target);
    if (row->result != MOG_OK)
        return;
    ck_assert_msg(path.kind == row->kind, "%s", row->target);
    ck_assert_uint_eq(path.devid, row->devid);
    ck_assert_str_eq(path.below, row->below);
}
END_TEST

START_TEST(test_flags)
{
    struct dpath path;
    ck_assert_int_eq(dpath_parse(span_of("/dev1/a/?b"), &path), MOG_OK);
    ck_assert(path.trailing_slash && path.has_query && !path.is_test_write);
    ck_assert_str_eq(path.below, "a");
    ck_assert_int_eq(dpath_parse(span_of("/dev1/test-write/x"), &path), MOG_OK);
    ck_assert(path.is_test_write && !path.trailing_slash && !path.has_query);
    ck_assert_int_eq(dpath_parse(span_of("/dev1/test-writer/x"), &path), MOG_OK);
    ck_assert(!path.is_test_write);
}
END_TEST

START_TEST(test_limits)
{
    struct dpath path;
    char text[DPATH_MAX + 8];
    memset(text, 'a', sizeof text);
    memcpy(text, "/dev1/", 6);
    ck_assert_int_eq(dpath_parse(span_make(text, 6 + DPATH_COMPONENT_MAX), &path), MOG_OK);
    ck_assert_int_eq(dpath_parse(span_make(text, 7 + DPATH_COMPONENT_MAX), &path), MOG_ETOOLONG);
    for (size_t i = 10; i < sizeof text; i += 10)
        text[i] = '/';
    text[DPATH_MAX] = text[DPATH_MAX - 1] = 'a';
    ck_assert_int_eq(dpath_parse(span_make(text, DPATH_MAX), &path), MOG_OK);
    ck_assert_uint_eq(strlen(path.below), DPATH_MAX - 6);
    ck_assert_int_eq(dpath_parse(span_make(text, DPATH_MAX + 1), &path), MOG_ETOOLONG);
}
END_TEST

START_TEST(test_every_byte)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    for (unsigned c = 0; c < 256; c++) {
        char text[] = "/dev1/xcx";
        struct dpath path;
        text[7] = (char)c;
        bool fits = (c != 0 && strchr(allowed, (int)c)) || c == '/' || c == '?';
        ck_assert_msg((dpath_parse(span_make(text, 9), &path) == MOG_OK) == fits, "byte %u", c);
    }
}
END_TEST

START_TEST(test_names)
{
    ck_assert(dpath_is_temporary(span_of(".mogtmp-1-x")));
    ck_assert(!dpath_is_temporary(span_of("mogtmp-1-x")));
    ck_assert(span_is(dpath_last("a/b/c"), "c"));
    ck_assert(span_is(dpath_last("c"), "c"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dpath");
    TCase *tests = tcase_create("all");
    tcase_add_loop_test(tests, test_rows, 0, sizeof rows / sizeof rows[0]);
    tcase_add_test(tests, test_flags);
    tcase_add_test(tests, test_limits);
    tcase_add_test(tests, test_every_byte);
    tcase_add_test(tests, test_names);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
