/* SPDX-License-Identifier: MIT */
/* Counting, and what is written of it. */
#include "common/metric.h"

#include "unit.h"

#include <stdlib.h>
#include <string.h>

START_TEST(samples)
{
    struct buf out = BUF_ZERO;
    metric_total(&out, "a_total", "Help.", 18446744073709551615ULL);
    metric_gauge(&out, "b", "More.", 0.25);
    metric_u64(&out, "b", "x=\"1\"", 7);
    ck_assert_str_eq(buf_cstr(&out), "# HELP a_total Help.\n# TYPE a_total counter\na_total 18446744073709551615\n"
                                     "# HELP b More.\n# TYPE b gauge\nb 0.25\nb{x=\"1\"} 7\n");
    buf_fini(&out);
}
END_TEST

START_TEST(histogram)
{
    struct buf out = BUF_ZERO;
    static struct metric_histogram h;
    metric_observe(&h, -5);
    metric_observe(&h, 100);
    metric_observe(&h, 101);
    metric_observe(&h, 2000000);
    metric_observe(&h, 31000000);
    ck_assert_uint_eq(metric_count(&h), 5);
    metric_write_histogram(&out, "t_seconds", "", &h);
    const char *text = buf_cstr(&out);
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{le=\"0.0001\"} 2\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{le=\"0.00025\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{le=\"1\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{le=\"5\"} 4\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{le=\"30\"} 4\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_bucket{le=\"+Inf\"} 5\n"));
    ck_assert_ptr_nonnull(strstr(text, "t_seconds_sum 33.000201\nt_seconds_count 5\n"));
    buf_reset(&out);
    metric_write_histogram(&out, "t", "a=\"b\"", &h);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "t_bucket{a=\"b\",le=\"+Inf\"} 5\nt_sum{a=\"b\"} 33.000201\n"));
    buf_fini(&out);
}
END_TEST

START_TEST(labels)
{
    struct buf out = BUF_ZERO;
    metric_label(&out, "a", span_of("x\"y\\z\nw"));
    metric_label(&out, "b", span_of("\xc3\xa9\xff\xed\xa0\x80\xf0\x9f\x98\x80\xc3"));
    ck_assert_str_eq(buf_cstr(&out), "a=\"x\\\"y\\\\z\\nw\",b=\"\xc3\xa9????\xf0\x9f\x98\x80?\"");
    buf_fini(&out);
}
END_TEST

START_TEST(process)
{
    struct buf out = BUF_ZERO;
    metric_process(&out);
    static const char *const families[] = {"process_cpu_seconds_total",
                                           "process_resident_memory_bytes",
                                           "process_virtual_memory_bytes",
                                           "process_threads",
                                           "process_start_time_seconds",
                                           "process_open_fds",
                                           "process_max_fds"};
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        ck_assert_msg(strstr(buf_cstr(&out), families[i]) != NULL, "%s is missing", families[i]);
    /* A sanitizer may have a thread of its own. */
    const char *threads = strstr(buf_cstr(&out), "\nprocess_threads ");
    ck_assert_ptr_nonnull(threads);
    ck_assert_int_ge(atoi(threads + strlen("\nprocess_threads ")), 1);
    buf_fini(&out);
}
END_TEST

UNIT_MAIN("metric", samples, histogram, labels, process)
