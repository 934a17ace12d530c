/* SPDX-License-Identifier: MIT */
/* Tests of latency histograms and of the small text helpers. */
#include "tools/hist.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tools/bulk_fetch.h"
#include "common/httpstat.h"
#include "tools/out.h"
#include "tools/statline.h"
#include "tools/usage.h"

START_TEST(quantiles_are_close)
{
    struct hist *h = mem_calloc(1, sizeof *h), *other = mem_calloc(1, sizeof *other);
    ck_assert_uint_eq(hist_quantile(h, 0.5), 0);
    for (uint64_t us = 1; us <= 1000000; us++)
        hist_record(us % 2 ? h : other, us);
    hist_merge(h, other);
    ck_assert_uint_eq(h->n, 1000000);
    ck_assert_uint_eq(h->max_us, 1000000);
    static const double quantiles[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        double want = quantiles[i] * 1e6, got = (double)hist_quantile(h, quantiles[i]);
        ck_assert_msg(got >= want && got <= want * 1.016 + 1, "%f: %f", quantiles[i], got);
    }
    ck_assert_double_eq_tol(hist_mean_us(h), 500000.5, 0.01);
    free(h);
    free(other);
}
END_TEST

START_TEST(extremes_have_buckets)
{
    static const uint64_t values[] = {0, 1, 127, 128, 129, 1ull << 35, 1ull << 40, UINT64_MAX / 4};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct hist *h = mem_calloc(1, sizeof *h);
        hist_record(h, values[i]);
        ck_assert_uint_le(hist_quantile(h, 1), values[i]);
        ck_assert_uint_eq(h->max_us, values[i]);
        free(h);
    }
}
END_TEST

START_TEST(sizes_and_durations)
{
    char s[OUT_SIZE_MAX], bar[11];
    out_size(s, 0);
    ck_assert_str_eq(s, "0 B");
    out_size(s, 1023);
    ck_assert_str_eq(s, "1023 B");
    out_size(s, 1536);
    ck_assert_str_eq(s, "1.5 KiB");
    out_size(s, UINT64_MAX);
    ck_assert_str_eq(s, "16.0 EiB");
    out_duration(s, -5);
    ck_assert_str_eq(s, "0 s");
    out_duration(s, 3725);
    ck_assert_str_eq(s, "1 h 02 min");
    out_duration(s, 90000);
    ck_assert_str_eq(s, "1 d 1 h");
    out_bar(bar, 10, 0.5);
    ck_assert_str_eq(bar, "#####.....");
    out_bar(bar, 10, -1);
    ck_assert_str_eq(bar, "..........");
    out_bar(bar, 10, 7);
    ck_assert_str_eq(bar, "##########");
}
END_TEST

START_TEST(usage_files)
{
    struct usage u;
    const char *missing;
    ck_assert(
        usage_parse(&u, span_of("available: 100\r\ndevice: /dev/sda1\ndisk: /x\ntotal: 400\nused: 300\n"), &missing));
    ck_assert_double_eq(u.total_kib, 400);
    ck_assert_double_eq(usage_percent(u.available_kib, u.total_kib), 75);
    ck_assert_double_eq(usage_percent(0, 0), 0);
    ck_assert(!usage_parse(&u, span_of("available: 100\ndevice: \ndisk: /x\n"), &missing));
    ck_assert_str_eq(missing, "device");
    ck_assert(!usage_parse(&u, span_of("nothing of use"), &missing));
    ck_assert_ptr_null(missing);
    ck_assert(usage_parse(&u, span_of("available: 100\ndevice: a\ndisk: b\ntotal: many\n"), &missing));
    ck_assert_double_eq(u.total_kib, 0);
}
END_TEST

START_TEST(queue_states)
{
    ck_assert_str_eq(statline_state(0, 1000000, true), "newfile");
    ck_assert_str_eq(statline_state(0, 1000000, false), "new");
    ck_assert_str_eq(statline_state(1, 1000000, false), "redo");
    ck_assert_str_eq(statline_state(2, 1000000, false), "unknown");
    ck_assert_str_eq(statline_state(999, 1000000, false), "unknown");
    ck_assert_str_eq(statline_state(1000, 1000000, false), "overdue");
    ck_assert_str_eq(statline_state(1000000, 1000000, false), "deferred");
    ck_assert_str_eq(statline_state(2147483647, 1000000, false), "manual");
    ck_assert_str_eq(statline_queue(1), "FSCK_QUEUE");
    ck_assert_str_eq(statline_queue(2), "REBAL_QUEUE");
    ck_assert_str_eq(statline_queue(3), "UNKNOWN_QUEUE");
}
END_TEST

START_TEST(paths_for_keys)
{
    static const struct {
        const char *rest, *path;
    } rows[] = {
        {"a", "a"},         {"a/b", "a/b"},      {"/a//b", "a/b"}, {"", NULL},    {"/", NULL},
        {"a/", NULL},       {"..", NULL},        {"a/../b", NULL}, {"./a", NULL}, {"...", "..."},
        {"a/..b", "a/..b"}, {"../../etc", NULL}, {"//", NULL},     {" ", " "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = bulk_fetch_path(span_of(rows[i].rest));
        ck_assert_msg(!path == !rows[i].path, "row %zu", i);
        if (path)
            ck_assert_str_eq(path, rows[i].path);
        free(path);
    }
    ck_assert_ptr_null(bulk_fetch_path(span_make("a\0b", 3)));
}
END_TEST

START_TEST(http_lines)
{
    char line[200];
    struct mog_fail f = {.code = MOG_ECONN, .text = "GET http://h:1/x: refused"};
    httpstat_line(line, sizeof line, MOG_OK, 404, "http://h:1/x", NULL);
    ck_assert_str_eq(line, "404 Not Found");
    httpstat_line(line, sizeof line, MOG_OK, 299, "http://h:1/x", NULL);
    ck_assert_str_eq(line, "299 Status");
    httpstat_line(line, sizeof line, MOG_ECONN, 0, "http://h:1/x", &f);
    ck_assert_str_eq(line, "500 Can't connect to h:1 (refused)");
    httpstat_line(line, sizeof line, MOG_ETIMEOUT, 0, "http://h:1/y", &f);
    ck_assert_str_eq(line, "500 GET http://h:1/x: refused");
    httpstat_line(line, sizeof line, MOG_ETIMEOUT, 0, "http://h:1/y", NULL);
    ck_assert_str_eq(line, "500 timed out");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hist");
    TCase *tc = tcase_create("hist");
    tcase_add_test(tc, quantiles_are_close);
    tcase_add_test(tc, extremes_have_buckets);
    tcase_add_test(tc, sizes_and_durations);
    tcase_add_test(tc, usage_files);
    tcase_add_test(tc, queue_states);
    tcase_add_test(tc, paths_for_keys);
    tcase_add_test(tc, http_lines);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
