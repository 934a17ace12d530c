/* SPDX-License-Identifier: MIT */
/* get_paths of files with few, many and no copies, at addresses of all kinds. */
#include "unit.h"

#include "harness.h"

#include <sqlite3.h>

enum { DEVICES = 20 };

static void change(struct harness *h, const char *sql)
{
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(h->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 30000);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
    harness_must(h, "clear_cache");
}

static void start(struct harness *h)
{
    char line[80];
    memset(h, 0, sizeof(*h));
    harness_start(h);
    for (int i = 3; i <= DEVICES; i++) {
        (void)snprintf(line, sizeof(line), "create_device devid=%d&hostname=h%d", i, 1 + i % 2);
        harness_must(h, line);
    }
}

/* The answer has `n` paths, of which each has another device and all have the same tail. */
static void check_paths(const char *answer, size_t n, const char *tail)
{
    char head[24];
    bool is_seen[DEVICES + 1] = {false};
    const char *at = answer;
    (void)snprintf(head, sizeof(head), "OK paths=%zu", n);
    ck_assert_msg(strncmp(answer, head, strlen(head)) == 0, "%s", answer);
    for (size_t i = 1; i <= n; i++) {
        (void)snprintf(head, sizeof(head), "&path%zu=http://", i);
        at = strstr(at, head);
        ck_assert_msg(at != NULL, "%s in %s", head, answer);
        at = strstr(at, "/dev");
        ck_assert_ptr_nonnull(at);
        unsigned long devid = strtoul(at + 4, (char **)(uintptr_t)&at, 10);
        ck_assert(devid >= 1 && devid <= DEVICES && !is_seen[devid]);
        is_seen[devid] = true;
        ck_assert_msg(strncmp(at, tail, strlen(tail)) == 0, "%s", answer);
        at += strlen(tail);
    }
    ck_assert_str_eq(n != 0 ? at : answer + strlen("OK paths=0"), "\r\n");
}

START_TEST(any_number_of_copies)
{
    struct harness h;
    start(&h);
    change(&h, "INSERT INTO file VALUES (1234567, 1, 'k', 5, 0, 0)");
    for (size_t n = 0; n <= DEVICES; n++) {
        char sql[120], line[120];
        (void)snprintf(sql, sizeof(sql),
                       "DELETE FROM file_on; INSERT INTO file_on SELECT 1234567, devid FROM device "
                       "ORDER BY devid LIMIT %zu",
                       n);
        change(&h, sql);
        for (size_t want = 2; want <= DEVICES; want += 6) {
            int len = snprintf(line, sizeof(line), "get_paths domain=d&key=k&noverify=1&pathcount=%zu", want);
            char *answer = harness_run(&h, line, (size_t)len);
            check_paths(answer, n < want ? n : want, "/0/001/234/0001234567.fid");
            free(answer);
        }
    }
    /* Those that drain come last, and are all the same there. */
    change(&h, "UPDATE device SET status = 'drain' WHERE devid > 3");
    static const char line[] = "get_paths domain=d&key=k&noverify=1&pathcount=20";
    char *answer = harness_run(&h, line, strlen(line));
    check_paths(answer, DEVICES, "/0/001/234/0001234567.fid");
    for (int i = 1; i <= 3; i++) {
        char head[24];
        (void)snprintf(head, sizeof(head), "&path%d=", i);
        const char *dev = strstr(strstr(answer, head), "/dev");
        ck_assert_msg(dev[4] >= '1' && dev[4] <= '3' && dev[5] == '/', "%s", answer);
    }
    free(answer);
    harness_stop(&h);
}
END_TEST

START_TEST(addresses)
{
    struct harness h;
    static const char line[] = "get_paths domain=d&key=k&noverify=1&callid=%26";
    start(&h);
    change(&h, "INSERT INTO file VALUES (18, 1, 'k', 5, 0, 1); INSERT INTO file_on VALUES (18, 1);"
               "UPDATE host SET hostip = 'a b' WHERE hostid = 1");
    char *answer = harness_run(&h, line, strlen(line));
    ck_assert_str_eq(answer, "OK paths=1&path1=http://a+b:1/dev1/0/000/000/0000000018.fid&callid=%26\r\n");
    free(answer);
    change(&h, "UPDATE host SET hostip = '' WHERE hostid = 1");
    answer = harness_run(&h, line, strlen(line));
    ck_assert_str_eq(answer, "OK paths=0&callid=%26\r\n");
    free(answer);
    harness_stop(&h);
}
END_TEST

/* clear_cache says back what it was asked, and nothing twice. */
START_TEST(what_is_said_back)
{
    struct harness h;
    static const char line[] = "clear_cache a=1&callid=x%26&b%20c=%00";
    start(&h);
    char *answer = harness_run(&h, line, strlen(line));
    ck_assert_str_eq(answer, "OK a=1&callid=x%26&b+c=%00\r\n");
    free(answer);
    answer = harness_run(&h, "clear_cache", strlen("clear_cache"));
    ck_assert_str_eq(answer, "OK \r\n");
    free(answer);
    answer = harness_run(&h, "noop callid=1", strlen("noop callid=1"));
    ck_assert_str_eq(answer, "OK callid=1\r\n");
    free(answer);
    harness_stop(&h);
}
END_TEST

UNIT_MAIN("cmd_paths", any_number_of_copies, addresses, what_is_said_back)
