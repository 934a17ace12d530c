/* SPDX-License-Identifier: MIT */
/* The table of HTTP connections: places, victims, limits of time. */
#include "common/http_conns.h"

#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

struct pair {
    int ours, theirs;
    struct http_conn *conn;
};

static void open_pair(struct pair *p, struct http_conns *c)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    p->ours = fds[0];
    p->theirs = fds[1];
    p->conn = http_conns_add(c, p->ours, NULL, 0);
}

static void close_pair(struct pair *p, struct http_conns *c)
{
    http_conns_remove(c, p->conn);
    close(p->ours);
    close(p->theirs);
}

static bool is_hung_up(const struct pair *p)
{
    char byte;
    return recv(p->theirs, &byte, 1, MSG_PEEK) == 0;
}

/* As if the phase had begun `ms` ago. */
static void age(struct pair *p, enum http_phase phase, int64_t ms)
{
    http_conn_enter(p->conn, phase);
    atomic_store(&p->conn->since_mono_ms, clock_mono_ms() - ms);
}

START_TEST(test_places)
{
    struct http_conns *c = http_conns_new(3, 60000);
    struct pair p[6];
    for (int i = 0; i < 3; i++) {
        open_pair(&p[i], c);
        ck_assert(!p[i].conn->is_surplus);
    }
    /* All are fresh: nobody is hung up for the fourth. */
    open_pair(&p[3], c);
    ck_assert(p[3].conn->is_surplus && http_conns_is_surplus(c, p[3].conn));
    close_pair(&p[3], c);
    /* The longest idle one makes room, not the one that is at work longer. */
    age(&p[0], HTTP_PHASE_BODY, 9000);
    age(&p[1], HTTP_PHASE_IDLE, 1000);
    age(&p[2], HTTP_PHASE_IDLE, 5000);
    open_pair(&p[3], c);
    ck_assert(!p[3].conn->is_surplus);
    ck_assert(is_hung_up(&p[2]) && !is_hung_up(&p[0]) && !is_hung_up(&p[1]));
    open_pair(&p[4], c);
    ck_assert(is_hung_up(&p[1]) && !p[4].conn->is_surplus);
    open_pair(&p[5], c);
    ck_assert(p[5].conn->is_surplus);
    ck_assert_uint_eq(http_conns_count(c), 6);
    /* A place that becomes free is the surplus one's. */
    close_pair(&p[0], c);
    ck_assert(!http_conns_is_surplus(c, p[5].conn));
    for (int i = 1; i < 6; i++)
        close_pair(&p[i], c);
    ck_assert_uint_eq(http_conns_count(c), 0);
    http_conns_free(c);
}
END_TEST

/* More than there is room for came at once: when they turn out to be idle they go, though nobody new comes in. */
START_TEST(test_a_crowd_at_once)
{
    struct http_conns *c = http_conns_new(2, 60000);
    struct pair p[5];
    int left = 0;
    for (int i = 0; i < 5; i++)
        open_pair(&p[i], c);
    http_conns_sweep(c);
    for (int i = 0; i < 5; i++) {
        ck_assert(!is_hung_up(&p[i]));
        age(&p[i], HTTP_PHASE_IDLE, 1000 + i);
    }
    age(&p[4], HTTP_PHASE_BODY, 9000);
    http_conns_sweep(c);
    for (int i = 0; i < 5; i++)
        left += !is_hung_up(&p[i]);
    ck_assert_int_eq(left, 2);
    ck_assert(!is_hung_up(&p[4]));
    for (int i = 0; i < 5; i++)
        close_pair(&p[i], c);
    http_conns_free(c);
}
END_TEST

static const struct {
    enum http_phase phase;
    int64_t age_ms;
    bool is_too_slow;
} ages[] = {
    {HTTP_PHASE_IDLE, 59000, false},   {HTTP_PHASE_IDLE, 61000, true},    {HTTP_PHASE_SEND, 29000, false},
    {HTTP_PHASE_SEND, 31000, true},    {HTTP_PHASE_LINGER, 4000, false},  {HTTP_PHASE_LINGER, 6000, true},
    {HTTP_PHASE_HEADER, 29000, false}, {HTTP_PHASE_HEADER, 31000, true},  {HTTP_PHASE_BODY, 29000, false},
    {HTTP_PHASE_BODY, 31000, true},    {HTTP_PHASE_BUSY, 9999999, false}, {HTTP_PHASE_ANSWER, 119000, false},
    {HTTP_PHASE_ANSWER, 121000, true},
};

START_TEST(test_sweep)
{
    struct http_conns *c = http_conns_new(3, 60000);
    struct pair p;
    open_pair(&p, c);
    age(&p, ages[_i].phase, ages[_i].age_ms);
    http_conns_sweep(c);
    ck_assert(is_hung_up(&p) == ages[_i].is_too_slow);
    http_conns_sweep(c);
    close_pair(&p, c);
    http_conns_free(c);
}
END_TEST

START_TEST(test_ended)
{
    struct http_conns *c = http_conns_new(3, 60000);
    struct pair p;
    open_pair(&p, c);
    ck_assert_int_eq(write(p.theirs, "x", 1), 1);
    ck_assert_int_eq(shutdown(p.theirs, SHUT_WR), 0);
    age(&p, HTTP_PHASE_BODY, HTTP_END_LIMIT_MS + 1000);
    http_conns_hang_up_ended(c);
    ck_assert(!is_hung_up(&p)); /* there is something to read yet */
    char byte;
    ck_assert_int_eq(read(p.ours, &byte, 1), 1);
    age(&p, HTTP_PHASE_BUSY, HTTP_END_LIMIT_MS + 1000);
    http_conns_hang_up_ended(c);
    ck_assert(!is_hung_up(&p)); /* it waits for its answer */
    age(&p, HTTP_PHASE_BODY, HTTP_END_LIMIT_MS + 1000);
    http_conns_hang_up_ended(c);
    ck_assert(is_hung_up(&p));
    close_pair(&p, c);
    http_conns_free(c);
}
END_TEST

START_TEST(test_close_idle)
{
    struct http_conns *c = http_conns_new(9, 60000);
    struct pair p[4];
    for (int i = 0; i < 4; i++) {
        open_pair(&p[i], c);
        age(&p[i], HTTP_PHASE_IDLE, 1000);
    }
    age(&p[1], HTTP_PHASE_BODY, 1000);
    age(&p[2], HTTP_PHASE_IDLE, 0);
    ck_assert_int_eq(write(p[3].theirs, "G", 1), 1);
    http_conns_close_idle(c, 2000);
    ck_assert(!is_hung_up(&p[0]));
    http_conns_close_idle(c, 0);
    ck_assert(is_hung_up(&p[0]) && !is_hung_up(&p[1]) && !is_hung_up(&p[2]) && !is_hung_up(&p[3]));
    for (int i = 0; i < 4; i++)
        close_pair(&p[i], c);
    http_conns_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conns");
    TCase *tests = tcase_create("all");
    log_set_level(LOG_LEVEL_ERR);
    tcase_add_test(tests, test_places);
    tcase_add_test(tests, test_a_crowd_at_once);
    tcase_add_loop_test(tests, test_sweep, 0, sizeof ages / sizeof ages[0]);
    tcase_add_test(tests, test_ended);
    tcase_add_test(tests, test_close_idle);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
