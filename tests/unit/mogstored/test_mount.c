/* SPDX-License-Identifier: MIT */
/* Mount tables, disk statistics, counters. */
#include "mogstored/iostat.h"
#include "mogstored/mount.h"
#include "mogstored/stats.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

static const char table[] = "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                            "30 25 8:17 / /var/mogdata/dev1 rw,noatime - xfs /dev/sdb1 rw\n"
                            "31 25 0:40 / /var/mogdata/dev2 rw shared:3 master:1 - btrfs /dev/sdc rw,space_cache\n"
                            "32 25 0:41 / /var/mogdata/dev3 rw - tmpfs name\\040with: blank rw\n"
                            "33 25 8:33 / /mnt/a rw - ext4 ram rw\n"
                            "34 25 8:33 / /mnt/b rw - ext4 /dev/sdd1 rw\n"
                            "garbage\n"
                            "35 25 x:y / /mnt/c rw - ext4 /dev/sde1 rw\n";

static const struct {
    unsigned major_no, minor_no;
    const char *path, *source;
} rows[] = {
    {8, 17, "/var/mogdata/dev1", "/dev/sdb1"},     /* by number */
    {0, 99, "/var/mogdata/dev2", "/dev/sdc"},      /* anonymous number: by path */
    {0, 99, "/var/mogdata/dev2/x", "/dev/sdc"},    /* below it */
    {0, 99, "/var/mogdata/dev22", "/dev/sda1"},    /* not below it: the root's */
    {0, 41, "/elsewhere", "name\\040with:_blank"}, /* nothing that a usage line cannot hold */
    {8, 33, "/mnt/a", "/dev/sdd1"},                /* a real device rather than a name */
};

START_TEST(test_sources)
{
    char out[MOUNT_SOURCE_SIZE];
    ck_assert(mount_parse_source(table, makedev(rows[_i].major_no, rows[_i].minor_no), rows[_i].path, out));
    if (strchr(rows[_i].source, ':'))
        ck_assert_ptr_null(strstr(out, ": "));
    else
        ck_assert_str_eq(out, rows[_i].source);
}
END_TEST

START_TEST(test_no_source)
{
    char out[MOUNT_SOURCE_SIZE];
    ck_assert(!mount_parse_source("", makedev(8, 1), "/", out));
    ck_assert(!mount_parse_source("1 2 3\n\n - \n", makedev(8, 1), "/", out));
    mount_find_source(makedev(4095, 1), "/", out);
    ck_assert_uint_gt(strlen(out), 0);
}
END_TEST

START_TEST(test_no_disk)
{
    char out[MOUNT_DISK_SIZE];
    ck_assert(!mount_find_disk(makedev(0, 1), "tmpfs", out));
    ck_assert(!mount_find_disk(makedev(0, 1), "/etc/passwd", out));
    ck_assert(!mount_find_disk(makedev(4095, 1), "unknown", out));
}
END_TEST

#define SAMPLE                                                                                                         \
    "   8       0 sda 1 2 3 4 5 6 7 8 9 %d 11 0 0 0 0\n"                                                               \
    "   8       1 sda1 1 2 3 4 5 6 7 8 9 0 11\n"                                                                       \
    " 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 %d 11\n"                                                                   \
    "short line\n"

static void feed(struct iostat *s, int sda, int nvme, int64_t at)
{
    char text[400];
    snprintf(text, sizeof text, SAMPLE, sda, nvme);
    iostat_feed(s, text, at);
}

START_TEST(test_utilisation)
{
    struct iostat *s = iostat_new();
    double value = -1;
    ck_assert(!iostat_find(s, "sda", &value));
    feed(s, 1000, 0, 5000);
    ck_assert(!iostat_find(s, "sda", &value)); /* one reading says nothing */
    feed(s, 1250, 5000, 6000);
    ck_assert(iostat_find(s, "sda", &value));
    ck_assert_double_eq_tol(value, 25.0, 0.001);
    ck_assert(iostat_find(s, "nvme0n1", &value));
    ck_assert_double_eq_tol(value, 100.0, 0.001);
    ck_assert(iostat_find(s, "sda1", &value));
    ck_assert_double_eq_tol(value, 0.0, 0.001);
    feed(s, 10, 5000, 7000); /* the counter began anew */
    ck_assert(iostat_find(s, "sda", &value));
    ck_assert_double_eq_tol(value, 0.0, 0.001);
    feed(s, 10, 5000, 7000); /* no time has gone by */
    ck_assert(!iostat_find(s, "sda", &value));
    ck_assert(!iostat_find(s, "sd", &value));
    iostat_sample(s);
    iostat_free(s);
}
END_TEST

START_TEST(test_counters)
{
    struct stats *s = calloc(1, sizeof *s);
    stats_add_request(s, STATS_PUT, 201, 99);
    stats_add_request(s, STATS_PUT, 299, 100);
    stats_add_request(s, STATS_PUT, 201, 101);
    stats_add_request(s, STATS_PUT, 201, UINT64_MAX / 2);
    size_t i = 0;
    while (stats_status(i) != 201)
        i++;
    ck_assert_uint_eq(atomic_load(&s->requests[STATS_PUT][i]), 3);
    while (stats_status(i) != 0)
        i++;
    ck_assert_uint_lt(i, STATS_STATUS_COUNT);
    ck_assert_uint_eq(atomic_load(&s->requests[STATS_PUT][i]), 1);
    ck_assert_uint_eq(atomic_load(&s->latency[STATS_PUT].buckets[0]), 2);
    ck_assert_uint_eq(atomic_load(&s->latency[STATS_PUT].buckets[1]), 1);
    ck_assert_uint_eq(atomic_load(&s->latency[STATS_PUT].buckets[STATS_BUCKET_COUNT]), 1);
    for (i = 1; i < STATS_BUCKET_COUNT; i++)
        ck_assert_uint_gt(stats_bucket_us(i), stats_bucket_us(i - 1));
    ck_assert_str_eq(stats_method_text(STATS_DELETE), "DELETE");
    free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mount");
    TCase *tests = tcase_create("all");
    tcase_add_loop_test(tests, test_sources, 0, sizeof rows / sizeof rows[0]);
    tcase_add_test(tests, test_no_source);
    tcase_add_test(tests, test_no_disk);
    tcase_add_test(tests, test_utilisation);
    tcase_add_test(tests, test_counters);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
