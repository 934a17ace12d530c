/* SPDX-License-Identifier: MIT */
/* The judgement on one file: good copies, the verdict's sentences, the document. */
#include "report/report_why.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { PLACES = 4 };

/* Four devices on two hosts; copies on the first two of them are asked for by each test. */
struct file {
    struct report_place places[PLACES];
    struct report_copy copies[PLACES];
    struct report_why why;
    char said[8192];
};

static void file_init(struct file *f, size_t n_copies)
{
    memset(f, 0, sizeof(*f));
    for (size_t i = 0; i < PLACES; i++) {
        f->places[i] = (struct report_place){.devid = i + 1,
                                             .hostid = i % 2 + 1,
                                             .status = "alive",
                                             .observed = "writeable",
                                             .host = i % 2 == 0 ? "one" : "two",
                                             .host_status = "alive",
                                             .has_usage = true,
                                             .mb_total = 1000,
                                             .mb_used = 100};
        f->copies[i] = (struct report_copy){.devid = i + 1,
                                            .place = &f->places[i],
                                            .url = "http://127.0.0.1/dev1/x",
                                            .err = MOG_OK,
                                            .status = 200,
                                            .length = 5,
                                            .answer = "200 OK"};
    }
    f->why = (struct report_why){.domain = {"d", 1},
                                 .key = {"k", 1},
                                 .fid = 7,
                                 .length = 5,
                                 .wanted = 2,
                                 .class_name = "c",
                                 .policy = "MultipleHosts()",
                                 .places = f->places,
                                 .n_places = PLACES,
                                 .copies = f->copies,
                                 .n_copies = n_copies,
                                 .now_unix_s = 1000000};
}

static void hear(void *arg, enum report_tone tone, const char *text)
{
    struct file *f = arg;
    size_t len = strlen(f->said);
    (void)snprintf(f->said + len, sizeof(f->said) - len, "%d %s\n", (int)tone, text);
}

static const char *verdict(struct file *f)
{
    f->said[0] = '\0';
    report_why_verdict(&f->why, hear, f);
    return f->said;
}

START_TEST(wanted)
{
    static const struct {
        const char *policy;
        uint64_t own, wanted;
    } rows[] = {
        {"MultipleHosts()", 2, 2},     {"MultipleHosts(3)", 2, 3},
        {"MultipleHosts( 4 )", 2, 4},  {"", 5, 5},
        {"MultipleHosts(0)", 2, 2},    {"MultipleHosts(x)", 2, 2},
        {"MultipleHosts(3, 1)", 2, 3}, {"MultipleHosts(", 2, 2},
        {"MultipleHosts(999)", 2, 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(report_why_wanted(rows[i].policy, rows[i].own) == rows[i].wanted, "%s", rows[i].policy);
}
END_TEST

START_TEST(problems)
{
    struct file f;
    char text[REPORT_TEXT_MAX];
    file_init(&f, 1);
    ck_assert_ptr_null(report_why_problem(&f.why, 0, text));
    f.copies[0].length = -1; /* not told: taken on trust */
    ck_assert_ptr_null(report_why_problem(&f.why, 0, text));
    f.copies[0].length = 4;
    ck_assert_str_eq(report_why_problem(&f.why, 0, text), "it has 4 bytes instead of 5");
    f.copies[0].status = 404;
    f.copies[0].answer = "404 Not Found";
    ck_assert_str_eq(report_why_problem(&f.why, 0, text), "the file is missing there: 404 Not Found");
    f.copies[0].err = MOG_ECONN;
    f.copies[0].answer = "500 Can't connect";
    ck_assert_str_eq(report_why_problem(&f.why, 0, text), "the node does not give it: 500 Can't connect");
    f.places[0].status = "down";
    ck_assert_str_eq(report_why_problem(&f.why, 0, text), "the device or its host is marked down");
    f.places[0].host_status = "dead";
    ck_assert_str_eq(report_why_problem(&f.why, 0, text), "the device is dead: the copy counts as lost");
    f.places[0].host = NULL;
    f.places[0].host_status = NULL;
    ck_assert_str_eq(report_why_problem(&f.why, 0, text), "the device is unknown");
    f.copies[0].place = NULL;
    ck_assert_str_eq(report_why_problem(&f.why, 0, text), "the device is unknown");
}
END_TEST

START_TEST(all_is_well)
{
    struct file f;
    file_init(&f, 2);
    ck_assert_str_eq(verdict(&f), "1 It has 2 good copies on 2 hosts; 2 are wanted: all is well.\n");
    f.why.wanted = 1;
    f.why.n_copies = 1;
    ck_assert_str_eq(verdict(&f), "1 It has 1 good copy on 1 host; 1 is wanted: all is well.\n");
}
END_TEST

/* Copies on devices that are away count, so neither replication nor a check makes others: only the operator can. */
START_TEST(cut_off)
{
    static const char *const remedy =
        "It is not queued for replication, since copies that cannot be reached count: bring "
        "their devices back, or mark them dead to have new copies made.\n";
    static const char *const by_fsck = "It is not queued for replication: fsck will find it.\n";
    struct file f;
    file_init(&f, 2);
    f.copies[1].err = MOG_ECONN;
    ck_assert_ptr_nonnull(strstr(verdict(&f), remedy));
    ck_assert_ptr_null(strstr(verdict(&f), by_fsck));
    f.copies[1].err = MOG_OK;
    f.copies[1].status = 503;
    ck_assert_ptr_nonnull(strstr(verdict(&f), remedy));
    f.copies[1].status = 404; /* it has answered: a check forgets the copy */
    ck_assert_ptr_nonnull(strstr(verdict(&f), by_fsck));
    f.places[1].host_status = "down";
    ck_assert_ptr_nonnull(strstr(verdict(&f), remedy));
    f.why.wanted = 3;
    ck_assert_ptr_nonnull(strstr(verdict(&f), by_fsck));
    f.why.wanted = 2;
    f.places[1].status = "dead";
    ck_assert_ptr_nonnull(strstr(verdict(&f), by_fsck));
    f.places[1].status = "alive";
    f.why.queued[REPORT_QUEUED_REPLICATE].is_queued = true;
    ck_assert_ptr_null(strstr(verdict(&f), remedy));
}
END_TEST

START_TEST(on_one_host)
{
    struct file f;
    file_init(&f, 2);
    f.copies[1].devid = 3;
    f.copies[1].place = &f.places[2];
    ck_assert_str_eq(verdict(&f), "2 It has 2 good copies, but all on one host.\n"
                                  "0 2 devices could take another copy, 2 of them on other hosts.\n");
    f.places[1].observed = f.places[3].observed = "readable";
    ck_assert_str_eq(verdict(&f), "2 It has 2 good copies, but all on one host.\n"
                                  "0 dev2 cannot take a copy: it is not seen as writeable.\n"
                                  "0 dev4 cannot take a copy: it is not seen as writeable.\n"
                                  "3 There is no device that could take another copy.\n");
}
END_TEST

START_TEST(too_few)
{
    struct file f;
    file_init(&f, 1);
    f.places[1].host_status = f.places[3].host_status = "down";
    ck_assert_str_eq(verdict(&f), "2 It has 1 good copy on 1 host; 2 are wanted.\n"
                                  "0 dev2 cannot take a copy: its host is not alive.\n"
                                  "0 dev4 cannot take a copy: its host is not alive.\n"
                                  "2 Another copy can only go to a host that has one already.\n"
                                  "2 It is not queued for replication: fsck will find it.\n");
    f.places[2].mb_used = 950;
    ck_assert_ptr_nonnull(strstr(verdict(&f), "dev3 cannot take a copy: it is full."));
    f.places[2].mb_used = 2000; /* more than there is */
    ck_assert_ptr_nonnull(strstr(verdict(&f), "dev3 cannot take a copy: it is full."));
    f.places[3].status = "dead"; /* nobody expects it to */
    ck_assert_ptr_null(strstr(verdict(&f), "dev4"));
    f.why.n_copies = 0;
    ck_assert_int_eq(strncmp(verdict(&f), "3 No copy can be read now: the file is unavailable.\n", 52), 0);
}
END_TEST

START_TEST(queues)
{
    struct file f;
    file_init(&f, 1);
    f.why.queued[REPORT_QUEUED_REPLICATE] = (struct report_queued_row){true, 1000000 + 7000, 3};
    f.why.reason = "no host";
    ck_assert_ptr_nonnull(strstr(verdict(&f),
                                 "0 It is queued for replication, next in 1 h 56 min (failed 3 times before).\n"
                                 "0 The last time: no host.\n"));
    ck_assert_ptr_null(strstr(verdict(&f), "not queued"));
    f.why.queued[REPORT_QUEUED_REPLICATE].nexttry_unix_s = 0;
    ck_assert_ptr_nonnull(strstr(verdict(&f), "replication and due now"));
    f.why.queued[REPORT_QUEUED_REPLICATE].nexttry_unix_s = 2147483647;
    ck_assert_ptr_nonnull(strstr(verdict(&f), "2 It is queued for replication, but given up after 3 failures"));
    f.why.queued[REPORT_QUEUED_DELETE] = (struct report_queued_row){true, 1000000 + 30, 0};
    f.why.queued[REPORT_QUEUED_FSCK] = (struct report_queued_row){true, 1000000 + 90, 0};
    f.why.queued[REPORT_QUEUED_REBALANCE] = (struct report_queued_row){true, 1000000 + 86400 * 9, 0};
    ck_assert_ptr_nonnull(strstr(verdict(&f), "deletion, next in 30 s "));
    ck_assert_ptr_nonnull(strstr(verdict(&f), "fsck, next in 1 min "));
    ck_assert_ptr_nonnull(strstr(verdict(&f), "rebalance, next in 9 d 0 h "));
}
END_TEST

START_TEST(many_devices)
{
    static struct report_place places[500];
    struct file f;
    file_init(&f, 1);
    for (size_t i = 0; i < 500; i++) {
        places[i] = f.places[1];
        places[i].devid = i + 100;
        places[i].status = "down";
    }
    f.why.places = places;
    f.why.n_places = 500;
    ck_assert_ptr_nonnull(strstr(verdict(&f), "0 488 other devices cannot take a copy either.\n"));
}
END_TEST

START_TEST(document)
{
    struct file f;
    file_init(&f, 2);
    f.why.key = (struct span){"a\xff\0b", 4};
    f.copies[1].status = 404;
    f.copies[1].answer = "404 Not Found";
    json_t *doc = report_why_json(&f.why);
    ck_assert_str_eq(json_string_value(json_object_get(doc, "key_hex")), "61ff0062");
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "good")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "good_hosts")), 1);
    json_t *copies = json_object_get(doc, "copies");
    ck_assert_uint_eq(json_array_size(copies), 2);
    ck_assert(json_is_true(json_object_get(json_array_get(copies, 0), "ok")));
    ck_assert(json_is_null(json_object_get(json_array_get(copies, 0), "problem")));
    ck_assert(json_is_false(json_object_get(json_array_get(copies, 1), "ok")));
    json_t *first = json_array_get(json_object_get(doc, "findings"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "tone")), "warning");
    json_decref(doc);
}
END_TEST

UNIT_MAIN("report_why", wanted, problems, all_is_well, cut_off, on_one_host, too_few, queues, many_devices, document)
