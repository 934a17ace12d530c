/* SPDX-License-Identifier: MIT */
/* Tests of the pool of threads: all items run once, limits hold, sizes change, and stopping drops what waits. */
#include "common/pool.h"

#include "common/clock.h"
#include "unit.h"

#include <stdatomic.h>
#include <stdint.h>

struct state {
    atomic_int made, freed, done, dropped, running, most;
    atomic_bool hold; /* items wait while it is set */
};

static void *worker_new(void *arg)
{
    struct state *s = arg;
    s->made++;
    return s;
}

static void worker_free(void *worker)
{
    ((struct state *)worker)->freed++;
}

static void work(void *worker, void *item)
{
    (void)item;
    struct state *s = worker;
    int now = ++s->running;
    int most = s->most;
    while (now > most && !atomic_compare_exchange_weak(&s->most, &most, now))
        continue;
    while (s->hold)
        clock_sleep_ms(1);
    s->running--;
    s->done++;
}

static void drop(void *arg, void *item)
{
    (void)item;
    ((struct state *)arg)->dropped++;
}

static struct pool *make(struct state *s, size_t limit)
{
    struct pool_ops ops = {"test", worker_new, worker_free, work, drop, s, 0, 0};
    return pool_new(&ops, limit);
}

#define WAIT_FOR(condition)                                                                                            \
    do {                                                                                                               \
        struct deadline by = deadline_in(30000);                                                                       \
        while (!(condition) && !deadline_is_past(by))                                                                  \
            clock_sleep_ms(1);                                                                                         \
        ck_assert_msg(condition, "within 30 s: %s", #condition);                                                       \
    } while (0)

static void *item(size_t i)
{
    return (void *)(uintptr_t)(i + 1);
}

START_TEST(everything_runs_once)
{
    struct state s = {0};
    struct pool *p = make(&s, 0);
    pool_resize(p, 4);
    for (size_t i = 0; i < 1000; i++)
        ck_assert(pool_submit(p, item(i)));
    WAIT_FOR(s.done == 1000);
    ck_assert_int_le(s.most, 4);
    pool_stop(p);
    ck_assert_int_eq(s.done, 1000);
    ck_assert_int_eq(s.dropped, 0);
    ck_assert_int_eq(s.made, s.freed);
}
END_TEST

START_TEST(a_limit)
{
    struct state s = {.hold = true};
    struct pool *p = make(&s, 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert(pool_submit(p, item(i)));
    ck_assert(!pool_submit(p, item(3)));
    ck_assert_uint_eq(pool_waiting(p), 3);
    pool_resize(p, 1);
    WAIT_FOR(pool_busy(p) == 1);
    ck_assert(pool_submit(p, item(4)));
    s.hold = false;
    WAIT_FOR(s.done == 4);
    pool_stop(p);
}
END_TEST

START_TEST(sizes)
{
    struct state s = {.hold = true};
    struct pool *p = make(&s, 0);
    pool_resize(p, 5);
    ck_assert_uint_eq(pool_wanted(p), 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert(pool_submit(p, item(i)));
    WAIT_FOR(s.running == 5);
    pool_resize(p, 2);
    ck_assert_uint_eq(pool_wanted(p), 2);
    s.hold = false;
    WAIT_FOR(pool_running(p) == 2);
    WAIT_FOR(s.done == 5);
    pool_resize(p, 0);
    WAIT_FOR(pool_running(p) == 0);
    ck_assert(pool_submit(p, item(9)));
    ck_assert_uint_eq(pool_waiting(p), 1);
    pool_resize(p, 3);
    WAIT_FOR(s.done == 6);
    pool_stop(p);
    ck_assert_int_eq(s.made, s.freed);
}
END_TEST

START_TEST(stopping_drops_what_waits)
{
    struct state s = {.hold = true};
    struct pool *p = make(&s, 0);
    pool_resize(p, 1);
    for (size_t i = 0; i < 10; i++)
        ck_assert(pool_submit(p, item(i)));
    WAIT_FOR(s.running == 1);
    s.hold = false;
    pool_stop(p);
    ck_assert_int_eq(s.done + s.dropped, 10);
    ck_assert_int_ge(s.done, 1);
}
END_TEST

/* Items that wait, in the sense of pool_wait_begin, until they are let go. */
static void wait_work(void *worker, void *item)
{
    struct state *s = worker;
    struct pool *p = *(struct pool **)item;
    s->running++;
    pool_wait_begin(p);
    while (s->hold)
        clock_sleep_ms(1);
    pool_wait_end(p);
    s->running--;
    s->done++;
}

START_TEST(few_are_active)
{
    struct state s = {0};
    struct pool_ops ops = {"test", worker_new, worker_free, work, drop, &s, .active = 2, .overdue_ms = 600000};
    struct pool *p = pool_new(&ops, 0);
    pool_resize(p, 8);
    for (size_t round = 0; round < 20; round++) {
        s.hold = true;
        for (size_t i = 0; i < 50; i++)
            ck_assert(pool_submit(p, item(i)));
        WAIT_FOR(s.running == 2);
        s.hold = false;
        WAIT_FOR(s.done == (int)(round + 1) * 50);
    }
    ck_assert_int_eq(s.most, 2);
    s.hold = true;
    for (size_t i = 0; i < 3; i++)
        ck_assert(pool_submit(p, item(i)));
    WAIT_FOR(s.running == 2);
    s.hold = false;
    pool_stop(p); /* also the one that stands by */
    ck_assert_int_eq(s.most, 2);
}
END_TEST

START_TEST(who_waits_lets_others_work)
{
    for (size_t threads = 3; threads <= 6; threads += 3) {
        struct state s = {.hold = true};
        struct pool_ops ops = {"test", worker_new, worker_free, wait_work, drop, &s, .active = 2, .overdue_ms = 600000};
        struct pool *p = pool_new(&ops, 0);
        pool_resize(p, threads);
        for (size_t i = 0; i < 10; i++)
            ck_assert(pool_submit(p, &p));
        WAIT_FOR(s.running == (int)threads);
        s.hold = false;
        WAIT_FOR(s.done == 10);
        pool_stop(p);
    }
}
END_TEST

/* Items that are at work until they are let go, and then wait, until they are let go again. */
static void two_step_work(void *worker, void *item)
{
    struct state *s = worker;
    struct pool *p = *(struct pool **)item;
    s->running++;
    while (s->hold)
        continue;
    pool_wait_begin(p);
    s->done++;
    while (s->done % 3 != 0)
        clock_sleep_ms(1);
    pool_wait_end(p);
    s->running--;
}

/* Two that begin to wait at the same time call the one that stands by once: else fewer would work from then on. */
START_TEST(who_stands_by_is_called_once)
{
    struct state s = {.hold = true};
    struct pool_ops ops = {"test", worker_new, worker_free, two_step_work, drop, &s, .active = 2, .overdue_ms = 600000};
    struct pool *p = pool_new(&ops, 0);
    pool_resize(p, 3);
    for (int round = 1; round <= 60; round++) {
        s.hold = true;
        for (size_t i = 0; i < 3; i++)
            ck_assert(pool_submit(p, &p));
        WAIT_FOR(s.running == 2);
        clock_sleep_ms(1); /* the third goes to stand by, mostly */
        s.hold = false;
        WAIT_FOR(s.done == 3 * round && s.running == 0);
    }
    pool_stop(p);
}
END_TEST

START_TEST(who_is_overdue_works_all_the_same)
{
    struct state s = {.hold = true};
    struct pool_ops ops = {"test", worker_new, worker_free, work, drop, &s, .active = 1, .overdue_ms = 1};
    struct pool *p = pool_new(&ops, 0);
    pool_resize(p, 5);
    for (size_t i = 0; i < 9; i++)
        ck_assert(pool_submit(p, item(i)));
    WAIT_FOR(s.running == 5);
    s.hold = false;
    WAIT_FOR(s.done == 9);
    s.hold = true;
    for (size_t i = 0; i < 2; i++)
        ck_assert(pool_submit(p, item(i)));
    WAIT_FOR(s.running == 2);
    s.hold = false;
    WAIT_FOR(s.done == 11);
    pool_stop(p);
}
END_TEST

static bool is_odd(void *arg, void *one)
{
    (void)arg;
    return (uintptr_t)one % 2 == 1;
}

static bool match_last(void *arg, void *value)
{
    (void)arg;
    return value == item(9);
}

START_TEST(cancelling)
{
    struct state s = {0};
    struct pool *p = make(&s, 0);
    for (size_t i = 0; i < 10; i++)
        ck_assert(pool_submit(p, item(i)));
    ck_assert_uint_eq(pool_cancel(p, is_odd, NULL), 5);
    ck_assert_int_eq(s.dropped, 5);
    ck_assert_uint_eq(pool_waiting(p), 5);
    pool_resize(p, 1);
    WAIT_FOR(s.done == 5);
    pool_stop(p);
}
END_TEST

static bool is_small(void *arg, void *value)
{
    (void)arg;
    return (uintptr_t)value <= 6;
}

START_TEST(taking_more)
{
    struct state s = {0};
    struct pool *p = make(&s, 0);
    void *out[10];
    for (size_t i = 0; i < 10; i++)
        ck_assert(pool_submit(p, item(i)));
    ck_assert_uint_eq(pool_take(p, is_small, NULL, out, 4), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_ptr_eq(out[i], item(i));
    ck_assert_uint_eq(pool_take(p, is_small, NULL, out, 10), 2);
    ck_assert_ptr_eq(out[1], item(5));
    ck_assert_uint_eq(pool_take(p, is_small, NULL, out, 10), 0);
    ck_assert_uint_eq(pool_take(p, match_last, NULL, out, 10), 1);
    ck_assert_ptr_eq(out[0], item(9));
    ck_assert(pool_submit(p, item(10))); /* the end of the list is where it should be */
    ck_assert_uint_eq(pool_waiting(p), 4);
    ck_assert_int_eq(s.dropped, 0);
    pool_resize(p, 1);
    WAIT_FOR(s.done == 4);
    pool_stop(p);
}
END_TEST

/* Every long item gets a thread, although one wake-up is on its way at a time; and threads come and go meanwhile. */
START_TEST(long_items_run_side_by_side)
{
    struct state s = {.hold = true};
    struct pool *p = make(&s, 0);
    pool_resize(p, 8);
    for (int round = 0; round < 20; round++) {
        s.hold = true;
        s.done = 0;
        for (size_t i = 0; i < 8; i++)
            ck_assert(pool_submit(p, item(i)));
        WAIT_FOR(s.running == 8);
        ck_assert_uint_eq(pool_free_threads(p), 0);
        pool_resize(p, 4);
        s.hold = false;
        WAIT_FOR(s.done == 8);
        pool_resize(p, 8);
    }
    ck_assert_uint_gt(pool_free_threads(p), 0);
    pool_stop(p);
    ck_assert_int_eq(s.made, s.freed);
}
END_TEST

START_TEST(recycling)
{
    struct state s = {.hold = true};
    struct pool *p = make(&s, 0);
    uint32_t before[2], after[2];
    pool_resize(p, 2);
    ck_assert(pool_submit(p, item(1)));
    WAIT_FOR(s.running == 1);
    ck_assert_uint_eq(pool_numbers(p, before, 2), 2);
    ck_assert_uint_eq(pool_recycle(p), 2);
    ck_assert_uint_eq(pool_recycle(p), 0); /* told already */
    WAIT_FOR(pool_running(p) == 1);        /* the idle one goes at once, the other when its item is done */
    s.hold = false;
    WAIT_FOR(pool_running(p) == 0 && s.freed == 2);
    ck_assert_int_eq(s.done, 1);
    pool_resize(p, 2);
    WAIT_FOR(s.made == 4);
    ck_assert_uint_eq(pool_numbers(p, after, 2), 2);
    ck_assert_uint_gt(after[0], before[1]);
    pool_stop(p);
}
END_TEST

START_TEST(late_threads_are_named_once)
{
    struct state s = {.hold = true};
    struct pool *p = make(&s, 0);
    uint32_t numbers[2] = {0, 0}, late[2];
    pool_resize(p, 2);
    ck_assert(pool_submit(p, item(1)));
    WAIT_FOR(s.running == 1);
    ck_assert_uint_eq(pool_late(p, 60000, late, 2), 0);
    clock_sleep_ms(5);
    ck_assert_uint_eq(pool_late(p, 1, late, 2), 1);
    ck_assert_uint_eq(pool_late(p, 1, late + 1, 1), 0);
    ck_assert_uint_eq(pool_numbers(p, numbers, 2), 2);
    ck_assert(late[0] == numbers[0] || late[0] == numbers[1]);
    s.hold = false;
    WAIT_FOR(s.done == 1);
    ck_assert_uint_eq(pool_late(p, 0, late, 2), 0); /* nothing in hand */
    pool_stop(p);
}
END_TEST

START_TEST(another_number_may_be_active)
{
    struct state s = {.hold = true};
    struct pool_ops ops = {"test", worker_new, worker_free, work, drop, &s, .active = 1, .overdue_ms = 600000};
    struct pool *p = pool_new(&ops, 0);
    pool_resize(p, 8);
    for (size_t i = 0; i < 20; i++)
        ck_assert(pool_submit(p, item(i)));
    WAIT_FOR(s.running == 1);
    pool_set_active(p, 3);
    WAIT_FOR(s.running == 3);
    pool_set_active(p, 0);
    WAIT_FOR(s.running == 8);
    pool_set_active(p, 2);
    s.hold = false;
    WAIT_FOR(s.done == 20);
    s.most = 0;
    s.hold = true;
    for (size_t i = 0; i < 20; i++)
        ck_assert(pool_submit(p, item(i)));
    WAIT_FOR(s.running == 2);
    s.hold = false;
    WAIT_FOR(s.done == 40);
    ck_assert_int_eq(s.most, 2);
    pool_stop(p);
}
END_TEST

START_TEST(an_ended_one_refuses)
{
    struct state s = {0};
    struct pool *p = make(&s, 0);
    pool_resize(p, 2);
    ck_assert(pool_submit(p, item(1)));
    pool_end(p);
    ck_assert_int_eq(s.done + s.dropped, 1);
    ck_assert(!pool_submit(p, item(2)));
    pool_resize(p, 3);
    pool_set_active(p, 1);
    ck_assert_uint_eq(pool_running(p), 0);
    pool_stop(p);
    ck_assert_int_eq(s.done + s.dropped, 1);
}
END_TEST

UNIT_MAIN("pool", everything_runs_once, a_limit, sizes, stopping_drops_what_waits, cancelling, taking_more,
          long_items_run_side_by_side, recycling, few_are_active, who_waits_lets_others_work,
          who_stands_by_is_called_once, who_is_overdue_works_all_the_same, late_threads_are_named_once,
          another_number_may_be_active, an_ended_one_refuses)
