/* SPDX-License-Identifier: MIT */
/* Tests of the client's lists of trackers and its reading of answers. */
#include "tools/client.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(answers_are_parsed)
{
    struct client_answer a = CLIENT_ANSWER_ZERO;
    struct mog_fail f;
    ck_assert_int_eq(client_answer_parse(&a, span_of("OK "), &f), MOG_OK);
    ck_assert(a.ok && a.args.n == 0);
    ck_assert_int_eq(client_answer_parse(&a, span_of("OK"), &f), MOG_OK);
    ck_assert(a.ok);
    ck_assert_int_eq(client_answer_parse(&a, span_of("OK paths=1&path1=http://h:1/a%20b+c&empty="), &f), MOG_OK);
    ck_assert_str_eq(kv_str(&a.args, "path1", ""), "http://h:1/a b c");
    ck_assert_str_eq(kv_str(&a.args, "empty", "x"), "");
    /* very old servers told the length of what follows */
    ck_assert_int_eq(client_answer_parse(&a, span_of("OK 5 a=b&c"), &f), MOG_OK);
    ck_assert_str_eq(kv_str(&a.args, "a", ""), "b");
    ck_assert_int_eq(client_answer_parse(&a, span_of("ERR no_key Key+not+given%21 callid"), &f), MOG_OK);
    ck_assert(!a.ok);
    ck_assert_str_eq(a.code, "no_key");
    ck_assert_str_eq(buf_cstr(&a.text), "Key not given!");
    ck_assert_int_eq(client_answer_parse(&a, span_of("ERR code"), &f), MOG_OK);
    ck_assert_str_eq(a.code, "code");
    ck_assert_str_eq(buf_cstr(&a.text), "");
    client_answer_fini(&a);
}
END_TEST

START_TEST(other_lines_are_refused)
{
    static const char *const lines[] = {
        "", "O", "OKAY", "ok ", "ERR", "ERR ", "ERR  x", "HTTP/1.1 200 OK", "OK a=b c=d", ":: message"};
    struct client_answer a = CLIENT_ANSWER_ZERO;
    struct mog_fail f;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_msg(client_answer_parse(&a, span_of(lines[i]), &f) == MOG_EPROTO, "line %zu: %s", i, lines[i]);
    client_answer_fini(&a);
}
END_TEST

START_TEST(long_code_is_refused)
{
    struct client_answer a = CLIENT_ANSWER_ZERO;
    struct mog_fail f;
    char line[200] = "ERR ";
    memset(line + 4, 'x', 100);
    ck_assert_int_eq(client_answer_parse(&a, span_of(line), &f), MOG_EPROTO);
    client_answer_fini(&a);
}
END_TEST

START_TEST(trackers_are_listed)
{
    struct mog_fail f;
    struct client *c = client_new("a:1, b , [::1]:9,10.0.0.2/10.0.0.1:7005,,", NULL, &f);
    ck_assert_ptr_nonnull(c);
    ck_assert_uint_eq(client_count(c), 4);
    ck_assert_str_eq(client_name(c, 0), "a:1");
    ck_assert_str_eq(client_name(c, 1), "b:7001");
    ck_assert_str_eq(client_name(c, 2), "[::1]:9");
    ck_assert_str_eq(client_name(c, 3), "10.0.0.1:7005");
    ck_assert_str_eq(client_current(c), "");
    client_free(c);
}
END_TEST

START_TEST(bad_lists_are_refused)
{
    static const char *const lists[] = {"", " , ", "a:0", "a:99999", "a:x", "7001", ":7001"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct mog_fail f = {.code = MOG_OK};
        ck_assert_msg(client_new(lists[i], NULL, &f) == NULL, "list %s", lists[i]);
        ck_assert(f.code == MOG_ESYNTAX || f.code == MOG_EINVAL);
        ck_assert_str_ne(f.text, "");
    }
    client_free(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client");
    TCase *tc = tcase_create("client");
    tcase_add_test(tc, answers_are_parsed);
    tcase_add_test(tc, other_lines_are_refused);
    tcase_add_test(tc, long_code_is_refused);
    tcase_add_test(tc, trackers_are_listed);
    tcase_add_test(tc, bad_lists_are_refused);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
