/* SPDX-License-Identifier: MIT */
/* Range, Content-Range, dates, Content-MD5, and lists of networks. */
#include "common/httpdate.h"
#include "mogstored/md5field.h"
#include "common/netlist.h"
#include "common/range.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const struct {
    const char *value;
    uint64_t size;
    enum range_result result;
    uint64_t first, last;
} ranges[] = {
    {"bytes=0-0", 1, RANGE_PART, 0, 0},
    {"bytes=0-0", 0, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-1", 0, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-0", 9, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-3", 9, RANGE_PART, 6, 8},
    {"bytes=-10", 9, RANGE_PART, 0, 8},
    {"bytes=5-", 9, RANGE_PART, 5, 8},
    {"bytes=5-100", 9, RANGE_PART, 5, 8},
    {"bytes=9-", 9, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=5-4", 9, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=0-18446744073709551616", 9, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=0-9223372036854775807", 9, RANGE_PART, 0, 8},
    {"bytes=+1-2", 9, RANGE_WHOLE, 0, 0},
    {"bytes=1-2-3", 9, RANGE_WHOLE, 0, 0},
    {"bytes=1-2,3-4", 9, RANGE_WHOLE, 0, 0},
    {"bytes=12", 9, RANGE_WHOLE, 0, 0},
    {"bytes=", 9, RANGE_WHOLE, 0, 0},
    {"bytes=-", 9, RANGE_WHOLE, 0, 0},
    {"", 9, RANGE_WHOLE, 0, 0},
    {"items=1-2", 9, RANGE_WHOLE, 0, 0},
};

START_TEST(test_range)
{
    struct range r = {0, 0};
    ck_assert_msg(range_parse(span_of(ranges[_i].value), ranges[_i].size, &r) == ranges[_i].result, "%s",
                  ranges[_i].value);
    ck_assert_uint_eq(r.first, ranges[_i].first);
    ck_assert_uint_eq(r.last, ranges[_i].last);
}
END_TEST

static const struct {
    const char *value;
    enum mog_err result;
} contents[] = {
    {"bytes 0-0/*", MOG_OK},
    {"bytes 5-9/10", MOG_OK},
    {"bytes 5-9/9", MOG_ESYNTAX},
    {"bytes 9-5/*", MOG_ESYNTAX},
    {"bytes 0-9/", MOG_ESYNTAX},
    {"bytes 0-9", MOG_ESYNTAX},
    {"bytes */10", MOG_ESYNTAX},
    {"bytes=0-9/*", MOG_ESYNTAX},
    {"bytes 0-9/*x", MOG_ESYNTAX},
    {"bytes 0-9223372036854775806/*", MOG_OK},
    {"bytes 0-9223372036854775807/*", MOG_ERANGE},
    {"bytes 0-99999999999999999999/*", MOG_ERANGE},
    {"", MOG_ESYNTAX},
};

START_TEST(test_content_range)
{
    struct range r;
    ck_assert_msg(range_parse_content(span_of(contents[_i].value), &r) == contents[_i].result, "%s",
                  contents[_i].value);
}
END_TEST

START_TEST(test_dates)
{
    char text[HTTPDATE_SIZE];
    int64_t t = 0;
    static const char *const good[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994", "  Sun, 06 Nov 1994 08:49:37 GMT; length=3"};
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "Sun, 06 Nov 1994 08:49:37 GMT x",
                                      "Sun, 06 Nov 1994",
                                      ";",
                                      "Sun, 06 Nov 1994 08:49:37 CET aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    httpdate_format(784111777, text);
    ck_assert_str_eq(text, good[0]);
    httpdate_format(253402300799, text);
    ck_assert_str_eq(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    static const int64_t odd[] = {-1, INT64_MIN, 253402300800, INT64_MAX};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        httpdate_format(odd[i], text);
        ck_assert_str_eq(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    }
    /* Every day for five centuries, at another time each, as the library writes it. */
    for (time_t day = 0; day < 182622; day++) {
        char expected[HTTPDATE_SIZE];
        struct tm tm;
        time_t at = day * 86400 + day * 37 % 86400;
        ck_assert(strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &tm)) > 0);
        httpdate_format(at, text);
        if (strcmp(text, expected) != 0)
            ck_abort_msg("%s is not %s", text, expected);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_int_eq(httpdate_parse(span_of(good[i]), &t), MOG_OK);
        ck_assert_int_eq(t, 784111777);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(httpdate_parse(span_of(bad[i]), &t) == MOG_ESYNTAX, "%s", bad[i]);
}
END_TEST

START_TEST(test_md5)
{
    static const uint8_t expected[16] = {0x90, 0x33, 0xe0, 0xe3, 0x05, 0xf2, 0x47, 0xc0,
                                         0xc3, 0xc8, 0x0d, 0x0c, 0x78, 0x48, 0xc8, 0xb3};
    uint8_t digest[16];
    char text[MD5FIELD_TEXT_SIZE];
    ck_assert_int_eq(md5field_parse(span_of("kDPg4wXyR8DDyA0MeEjIsw=="), digest), MOG_OK);
    ck_assert_mem_eq(digest, expected, 16);
    ck_assert_int_eq(md5field_parse(span_of("kDPg4wXyR8DDyA0MeEjIsw"), digest), MOG_OK);
    ck_assert_mem_eq(digest, expected, 16);
    md5field_format(digest, text);
    ck_assert_str_eq(text, "kDPg4wXyR8DDyA0MeEjIsw");
    static const char *const bad[] = {"", "kDPg4wXyR8DDyA0MeEjIsw=", "kDPg4wXyR8DDyA0MeEjIs",
                                      "kDPg4wXyR8DDyA0MeEjI w==", "kDPg4wXyR8DDyA0MeEjIswab"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(md5field_parse(span_of(bad[i]), digest) == MOG_ESYNTAX, "%s", bad[i]);
}
END_TEST

static bool has(const struct netlist *l, const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return netlist_has(l, (struct sockaddr *)&v4);
    ck_assert_int_eq(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
    return netlist_has(l, (struct sockaddr *)&v6);
}

START_TEST(test_networks)
{
    struct netlist l = {0};
    struct mog_fail f;
    struct sockaddr local = {.sa_family = AF_UNIX};
    ck_assert(!has(&l, "10.0.0.1"));
    ck_assert_int_eq(netlist_add_all(&l, "10.1.0.0/17, 192.168.7.4 ,,fd00::/8", &f), MOG_OK);
    ck_assert_uint_eq(l.n, 3);
    ck_assert(has(&l, "10.1.0.1") && has(&l, "10.1.127.255") && has(&l, "192.168.7.4") && has(&l, "fdff::1"));
    ck_assert(!has(&l, "10.1.128.0") && !has(&l, "192.168.7.5") && !has(&l, "fe00::1") && !netlist_has(&l, &local));
    ck_assert(has(&l, "::ffff:10.1.0.1"));
    static const char *const bad[] = {"",     "/8",     "10.0.0.0/33", "10.0.0/8",
                                      "host", "::/129", "10.0.0.0/-1", "10.0.0.0/"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(netlist_add(&l, bad[i], &f) == MOG_ESYNTAX, "%s", bad[i]);
    ck_assert_int_eq(netlist_add(&l, "0.0.0.0/0", &f), MOG_OK);
    ck_assert_int_eq(netlist_check(" 10.0.0.0/8,, ::1 ", &f), MOG_OK);
    ck_assert_int_eq(netlist_check("10.0.0.0/8, x", &f), MOG_ESYNTAX);
    ck_assert_int_eq(netlist_check("", &f), MOG_ESYNTAX);
    ck_assert_int_eq(netlist_check(" , ", &f), MOG_ESYNTAX);
    ck_assert(has(&l, "1.2.3.4") && !has(&l, "2001::1"));
    netlist_fini(&l);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("headers");
    TCase *tests = tcase_create("all");
    tcase_add_loop_test(tests, test_range, 0, sizeof ranges / sizeof ranges[0]);
    tcase_add_loop_test(tests, test_content_range, 0, sizeof contents / sizeof contents[0]);
    tcase_add_test(tests, test_dates);
    tcase_add_test(tests, test_md5);
    tcase_add_test(tests, test_networks);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
