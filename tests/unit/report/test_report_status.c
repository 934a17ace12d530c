/* SPDX-License-Identifier: MIT */
/* The document about a cluster: rates, the points of the last hour, what is not known. */
#include "report/report_status.h"

#include "unit.h"

#include <string.h>

static json_t *get(const json_t *o, const char *a, const char *b)
{
    return json_object_get(json_object_get(o, a), b);
}

static void points_init(struct report_point *p, size_t n)
{
    memset(p, 0, n * sizeof(*p));
    for (size_t i = 0; i < n; i++) {
        p[i].unix_s = 1000 + (int64_t)i * 10;
        p[i].requests = 500 + i * 20;
        p[i].copied_bytes = i * 1000;
        p[i].finished[1] = i * 5;
        p[i].has_queues = i != 1;
        p[i].lengths[0] = i;
    }
}

START_TEST(rates)
{
    struct report_point points[20];
    struct report_tracker t = {.name = "t:7001", .has_memory = true, .points = points, .every_s = 10};
    points_init(points, 20);
    for (size_t n = 0; n < 2; n++) {
        t.n_points = n;
        json_t *row = report_status_tracker(&t);
        ck_assert(json_is_null(json_object_get(row, "rates")));
        json_decref(row);
    }
    t.n_points = 20;
    t.after_unix_s = 5000; /* shows none, and is no reason for another rate */
    json_t *row = report_status_tracker(&t);
    ck_assert_int_eq(json_integer_value(get(row, "rates", "seconds")), 60);
    ck_assert_double_eq(json_real_value(get(row, "rates", "requests")), 2);
    ck_assert_double_eq(json_real_value(get(row, "rates", "copied_bytes")), 100);
    ck_assert_double_eq(json_real_value(json_object_get(get(row, "rates", "finished"), "delete")), 0.5);
    ck_assert_uint_eq(json_array_size(get(row, "history", "time")), 0);
    json_decref(row);
    points[19].requests = 3; /* a counter never goes back, whatever it says */
    row = report_status_tracker(&t);
    ck_assert_double_eq(json_real_value(get(row, "rates", "requests")), 0);
    json_decref(row);
    points[19].unix_s = points[13].unix_s = 900; /* the clock was set back */
    t.n_points = 2;
    points[0].unix_s = points[1].unix_s;
    row = report_status_tracker(&t);
    ck_assert(json_is_null(json_object_get(row, "rates")));
    json_decref(row);
}
END_TEST

START_TEST(history)
{
    struct report_point points[3];
    struct report_tracker t = {
        .name = "t:7001", .has_memory = true, .points = points, .n_points = 3, .after_unix_s = 1000, .every_s = 10};
    points_init(points, 3);
    json_t *row = report_status_tracker(&t);
    json_t *length = json_object_get(get(row, "history", "length"), "replicate");
    ck_assert_uint_eq(json_array_size(get(row, "history", "time")), 2);
    ck_assert_int_eq(json_integer_value(json_array_get(get(row, "history", "time"), 0)), 1010);
    ck_assert(json_is_null(json_array_get(length, 0))); /* the database did not answer then */
    ck_assert_int_eq(json_integer_value(json_array_get(length, 1)), 2);
    json_decref(row);
}
END_TEST

START_TEST(unknown)
{
    static const char *const parts[] = {"counters", "rates", "errors", "history", "ready", "version", "not_ready"};
    struct report_tracker t = {.name = "t:7001", .failure = "no answer"};
    struct report_status s = {.unix_s = 5};
    json_t *row = report_status_tracker(&t);
    ck_assert(json_is_false(json_object_get(row, "ok")));
    ck_assert_str_eq(json_string_value(json_object_get(row, "error")), "no answer");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        ck_assert_msg(json_is_null(json_object_get(row, parts[i])), "%s", parts[i]);
    json_t *doc = report_status(&s, json_pack("[o]", row));
    ck_assert(json_is_null(json_object_get(doc, "queues")));
    ck_assert(json_is_null(json_object_get(doc, "fsck")));
    ck_assert(json_is_null(get(doc, "rebalance", "state")));
    ck_assert_int_eq(json_integer_value(get(doc, "rebalance", "queued_files")), 0);
    json_decref(doc);
}
END_TEST

START_TEST(cluster)
{
    struct report_host host = {
        .hostid = 1, .port = 7500, .name = "h\xff", .ip = "127.0.0.1", .status = "alive", .observed = ""};
    struct report_device devices[2] = {
        {.devid = 1,
         .hostid = 1,
         .status = "alive",
         .observed = "writeable",
         .weight = 100,
         .has_usage = true,
         .mb_total = 9,
         .mb_used = 3,
         .utilization = 1.5},
        {.devid = 2, .hostid = 1, .status = "down", .observed = "", .utilization = -1},
    };
    struct kv fsck = KV_ZERO;
    kv_add_str(&fsck, "running", "1");
    kv_add_str(&fsck, "host", "t1");
    kv_add_str(&fsck, "num_MISS", "3");
    struct report_status s = {.hosts = &host,
                              .n_hosts = 1,
                              .devices = devices,
                              .n_devices = 2,
                              .has_queues = true,
                              .fsck = &fsck,
                              .is_rebalancing = true,
                              .rebalance_state = "completed_devs=1,2 source_devs=3,,4 sdev_current=5 fids_queued=6 "
                                                 "bytes_queued=x limit=0"};
    s.queues[3] = (struct report_queue){4, 3, 2, 1};
    json_t *doc = report_status(&s, json_array());
    json_t *first = json_array_get(json_object_get(doc, "devices"), 0),
           *second = json_array_get(json_object_get(doc, "devices"), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(first, "mb_used")), 3);
    ck_assert(json_is_null(json_object_get(second, "mb_used")));
    ck_assert(json_is_null(json_object_get(second, "utilization")));
    ck_assert_str_eq(
        json_string_value(json_object_get(json_array_get(json_object_get(doc, "hosts"), 0), "hostname_hex")), "68ff");
    ck_assert_int_eq(json_integer_value(get(doc, "fsck", "num_MISS")), 3);
    ck_assert_str_eq(json_string_value(get(doc, "fsck", "host")), "t1");
    ck_assert_int_eq(json_integer_value(get(doc, "rebalance", "devices_done")), 2);
    ck_assert_int_eq(json_integer_value(get(doc, "rebalance", "devices_left")), 3);
    ck_assert_int_eq(json_integer_value(get(doc, "rebalance", "queued_files")), 6);
    ck_assert_int_eq(json_integer_value(get(doc, "rebalance", "queued_bytes")), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(get(doc, "queues", "rebalance"), "parked")), 2);
    json_decref(doc);
    kv_fini(&fsck);
}
END_TEST

UNIT_MAIN("report_status", rates, history, unknown, cluster)
