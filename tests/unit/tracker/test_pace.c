/* SPDX-License-Identifier: MIT */
/* Tests of how jobs hold back for clients, with a clock of their own. */
#include "tracker/cluster/pace.h"

#include "unit.h"

#include <math.h>
#include <stdbool.h>

enum { LEAST_RATE = 50, MS = 1000, SECOND = 1000 * MS, QUICK = 0, SLOW = 1, KINDS = 2 };

/* Time begins after the look at the beginning of a second. */
static const int64_t BEGIN = 1000 * (int64_t)SECOND + 100 * MS;

struct world {
    struct pace *p;
    int64_t now;
    unsigned begun[PACE_LANES]; /* items */
};

/* One request is answered. */
static void served(struct pace *p, size_t kind, int64_t begun_us, int64_t now_us)
{
    pace_served(p, &(struct pace_request){kind, begun_us}, 1, now_us);
}

static void setup(struct world *w)
{
    *w = (struct world){.p = pace_new(KINDS, LEAST_RATE), .now = BEGIN};
}

/* A second of a thousand requests that take `took_us`, beside `at_work` jobs, while items of a lane are always due. */
static void second(struct world *w, size_t kind, int64_t took_us, unsigned at_work, enum pace_lane lane)
{
    for (unsigned i = 0; i < at_work; i++)
        pace_begin(w->p, w->now);
    for (unsigned i = 0; i < 1000; i++) {
        w->now += MS;
        served(w->p, kind, w->now - took_us, w->now);
        w->begun[lane] += pace_ask(w->p, lane, w->now) == 0;
    }
    for (unsigned i = 0; i < at_work; i++)
        pace_end(w->p, w->now);
}

static unsigned begun_in_second(struct world *w, int64_t took_us, unsigned at_work)
{
    w->begun[PACE_CHECK] = 0;
    second(w, QUICK, took_us, at_work, PACE_CHECK);
    return w->begun[PACE_CHECK];
}

START_TEST(without_clients_nothing_waits)
{
    struct world w;
    setup(&w);
    for (unsigned i = 0; i < 1000; i++) {
        w.now += 1;
        ck_assert_int_eq(pace_ask(w.p, i % PACE_LANES, w.now), 0);
    }
    pace_free(w.p);
}
END_TEST

START_TEST(jobs_begin_carefully_when_clients_come)
{
    struct world w;
    setup(&w);
    served(w.p, QUICK, w.now - MS, w.now);
    ck_assert_int_eq(pace_ask(w.p, PACE_CHECK, w.now), 0);
    int64_t wait = pace_ask(w.p, PACE_CHECK, w.now + MS);
    ck_assert_int_gt(wait, 10 * MS);
    ck_assert_int_le(wait, SECOND / LEAST_RATE);
    /* Each lane by itself, but not at the same time. */
    int64_t others_wait = pace_ask(w.p, PACE_DELETE, w.now + MS);
    ck_assert_int_gt(others_wait, 0);
    ck_assert_int_lt(others_wait, wait / 2);
    ck_assert_int_eq(pace_ask(w.p, PACE_DELETE, w.now + MS + others_wait), 0);
    ck_assert_int_eq(pace_ask(w.p, PACE_CHECK, w.now + MS + wait), 0);
    pace_free(w.p);
}
END_TEST

START_TEST(when_clients_leave_nothing_waits)
{
    struct world w;
    setup(&w);
    (void)begun_in_second(&w, MS, 0);
    (void)begun_in_second(&w, 20 * MS, 1);
    ck_assert_int_ne(pace_ask(w.p, PACE_CHECK, w.now + 1), 0);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(pace_ask(w.p, PACE_CHECK, w.now + SECOND + i), 0);
    pace_free(w.p);
}
END_TEST

START_TEST(jobs_that_disturb_nobody_go_on)
{
    struct world w;
    setup(&w);
    (void)begun_in_second(&w, MS, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)begun_in_second(&w, MS, 1);
    /* All but those in the look of each second. */
    unsigned begun = begun_in_second(&w, MS, 1);
    ck_assert_uint_ge(begun, 930);
    ck_assert_uint_lt(begun, 1000);
    pace_free(w.p);
}
END_TEST

START_TEST(jobs_that_disturb_are_held_back_but_not_stopped)
{
    struct world w;
    setup(&w);
    (void)begun_in_second(&w, MS, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)begun_in_second(&w, MS, 1);
    (void)begun_in_second(&w, 5 * MS, 1);
    unsigned begun = begun_in_second(&w, 5 * MS, 1);
    ck_assert_uint_ge(begun, LEAST_RATE - 5);
    ck_assert_uint_le(begun, LEAST_RATE + 5);
    pace_set_least_rate(w.p, 10 * LEAST_RATE);
    begun = begun_in_second(&w, 5 * MS, 1);
    ck_assert_uint_ge(begun, 10 * LEAST_RATE - 50);
    ck_assert_uint_le(begun, 10 * LEAST_RATE + 50);
    pace_free(w.p);
}
END_TEST

START_TEST(a_few_late_requests_are_enough)
{
    struct world w;
    setup(&w);
    (void)begun_in_second(&w, MS, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)begun_in_second(&w, MS, 1);
    pace_begin(w.p, w.now);
    for (unsigned i = 0; i < 2000; i++) {
        w.now += MS;
        served(w.p, QUICK, w.now - (i % 50 == 0 ? 20 : 1) * MS, w.now);
        w.begun[PACE_REPLICATE] += i >= 1000 && pace_ask(w.p, PACE_REPLICATE, w.now) == 0;
    }
    ck_assert_uint_lt(w.begun[PACE_REPLICATE], 100);
    pace_free(w.p);
}
END_TEST

START_TEST(what_clients_make_to_be_done_is_done)
{
    struct world w;
    setup(&w);
    (void)begun_in_second(&w, MS, 0);
    (void)begun_in_second(&w, 20 * MS, 1);
    while (pace_ask(w.p, PACE_REPLICATE, w.now) != 0)
        w.now += MS;
    for (unsigned i = 0; i < 10; i++)
        pace_owe(w.p, PACE_REPLICATE);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(pace_ask(w.p, PACE_REPLICATE, w.now + 1), 0);
    ck_assert_int_ne(pace_ask(w.p, PACE_REPLICATE, w.now + 1), 0);
    pace_free(w.p);
}
END_TEST

/* A kind that takes long by itself is not late because another one is quick. */
START_TEST(kinds_are_judged_by_themselves)
{
    struct world w;
    setup(&w);
    second(&w, QUICK, MS, 0, PACE_CHECK);
    second(&w, SLOW, 50 * MS, 0, PACE_CHECK);
    for (unsigned i = 0; i < 4; i++) {
        second(&w, SLOW, 50 * MS, 1, PACE_CHECK);
        second(&w, QUICK, MS, 1, PACE_CHECK);
    }
    ck_assert_uint_ge(begun_in_second(&w, MS, 1), 930);
    pace_free(w.p);
}
END_TEST

/* Clients themselves bring more load, or a database becomes slower: that is nothing that jobs could mend. */
START_TEST(what_is_slow_without_jobs_is_usual)
{
    struct world w;
    setup(&w);
    (void)begun_in_second(&w, MS, 0);
    for (unsigned i = 0; i < 10; i++)
        (void)begun_in_second(&w, 5 * MS, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)begun_in_second(&w, 5 * MS, 1);
    ck_assert_uint_ge(begun_in_second(&w, 5 * MS, 1), 930);
    pace_free(w.p);
}
END_TEST

/* Long copies leave no quiet moment: holding other items back for ever would help nobody. */
START_TEST(what_never_ends_is_usual)
{
    struct world w;
    setup(&w);
    (void)begun_in_second(&w, MS, 0);
    pace_begin(w.p, w.now);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_le(begun_in_second(&w, 5 * MS, 1), 2 * LEAST_RATE);
    for (unsigned i = 0; i < 30; i++)
        (void)begun_in_second(&w, 5 * MS, 1);
    ck_assert_uint_ge(begun_in_second(&w, 5 * MS, 1), 930);
    pace_free(w.p);
}
END_TEST

/* Nor is there a quiet moment for those who were away. */
START_TEST(absence_tells_nothing)
{
    struct world w;
    setup(&w);
    (void)begun_in_second(&w, MS, 0);
    pace_begin(w.p, w.now);
    w.now += 15 * SECOND;
    for (unsigned i = 0; i < 5; i++)
        (void)begun_in_second(&w, 2 * MS, 1);
    ck_assert_uint_le(begun_in_second(&w, 2 * MS, 1), LEAST_RATE + 5);
    pace_free(w.p);
}
END_TEST

/* One worker, who always has something to do, while requests come that take as long as they take without him. */
struct steady {
    struct world w;
    uint64_t random;
    int64_t next_us, end_us; /* of requests; of his item, 0: he has none */
    unsigned begun;
};

static int64_t by_chance(struct steady *s, double median_us)
{
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(-median_us / log(2) * log(((double)(s->random >> 11) + 0.5) / 9007199254740992.0));
}

static void steady_run(struct steady *s, unsigned seconds, int64_t every_us, double median_us, bool has_work)
{
    s->begun = 0;
    for (int64_t until = s->w.now + seconds * (int64_t)SECOND; s->w.now < until; s->w.now += MS) {
        if (s->w.now >= s->next_us) {
            served(s->w.p, QUICK, s->w.now - by_chance(s, median_us), s->w.now);
            s->next_us = s->w.now + every_us;
        }
        if (s->end_us != 0 && s->w.now >= s->end_us) {
            pace_end(s->w.p, s->w.now);
            s->end_us = 0;
        }
        if (has_work && s->end_us == 0 && pace_ask(s->w.p, PACE_CHECK, s->w.now) == 0) {
            pace_begin(s->w.p, s->w.now);
            s->end_us = s->w.now + 2 * MS;
            s->begun++;
        }
    }
}

/* Many requests are longer than the moments between items: those that tell what is usual are among them. */
START_TEST(long_requests_are_nobodys_fault)
{
    static const int medians_ms[] = {1, 3, 10, 20};
    for (size_t i = 0; i < sizeof(medians_ms) / sizeof(medians_ms[0]); i++) {
        struct steady s = {.random = 1};
        setup(&s.w);
        steady_run(&s, 20, MS, medians_ms[i] * MS, false);
        steady_run(&s, 60, MS, medians_ms[i] * MS, true);
        steady_run(&s, 10, MS, medians_ms[i] * MS, true);
        ck_assert_msg(s.begun >= 10 * 300, "median %d ms: %u begun in 10 s", medians_ms[i], s.begun);
        pace_free(s.w.p);
    }
}
END_TEST

/* Somebody who asks once a second is not worth it, also when there were many before. */
START_TEST(who_asks_now_and_then_holds_nothing_back)
{
    struct steady s = {.random = 1};
    setup(&s.w);
    steady_run(&s, 10, MS, MS, false);
    steady_run(&s, 240, 1050 * MS, MS, true);
    steady_run(&s, 10, 1050 * MS, MS, true);
    ck_assert_uint_ge(s.begun, 10 * 300);
    pace_free(s.w.p);
}
END_TEST

/* What clients make comes on top of what may always begin. */
START_TEST(what_is_owed_takes_nothing_from_others)
{
    struct world w;
    setup(&w);
    (void)begun_in_second(&w, MS, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)begun_in_second(&w, 20 * MS, 1);
    w.begun[PACE_REPLICATE] = 0;
    pace_begin(w.p, w.now);
    for (unsigned i = 0; i < 5000; i++) {
        w.now += MS;
        served(w.p, QUICK, w.now - 20 * MS, w.now);
        if (i % 25 == 0)
            pace_owe(w.p, PACE_REPLICATE);
        w.begun[PACE_REPLICATE] += pace_ask(w.p, PACE_REPLICATE, w.now) == 0;
    }
    pace_end(w.p, w.now);
    ck_assert_uint_ge(w.begun[PACE_REPLICATE], 5 * (40 + LEAST_RATE - 6));
    ck_assert_uint_le(w.begun[PACE_REPLICATE], 5 * (40 + LEAST_RATE + 1));
    pace_free(w.p);
}
END_TEST

/* All take somewhat longer, and none very long: what clients see who have few connections. */
START_TEST(a_longer_median_is_late)
{
    struct world w;
    setup(&w);
    for (unsigned i = 0; i < 20; i++) {
        second(&w, QUICK, MS, 0, PACE_CHECK);
        for (unsigned k = 0; k < 50; k++)
            served(w.p, QUICK, w.now - 5 * MS, w.now);
    }
    for (unsigned i = 0; i < 4; i++)
        (void)begun_in_second(&w, MS, 1);
    ck_assert_uint_ge(begun_in_second(&w, MS, 1), 930);
    (void)begun_in_second(&w, 2 * MS, 1);
    ck_assert_uint_le(begun_in_second(&w, 2 * MS, 1), LEAST_RATE + 5);
    pace_free(w.p);
}
END_TEST

START_TEST(what_was_made_long_ago_is_not_hurried)
{
    struct world w;
    setup(&w);
    (void)begun_in_second(&w, MS, 0);
    (void)begun_in_second(&w, 20 * MS, 1);
    for (unsigned i = 0; i < 1000; i++)
        pace_owe(w.p, PACE_REPLICATE);
    for (unsigned i = 0; i < 5; i++)
        (void)begun_in_second(&w, 20 * MS, 1);
    for (unsigned i = 0; i < 10; i++)
        pace_owe(w.p, PACE_REPLICATE);
    w.begun[PACE_REPLICATE] = 0;
    second(&w, QUICK, 20 * MS, 1, PACE_REPLICATE);
    ck_assert_uint_ge(w.begun[PACE_REPLICATE], 10 + LEAST_RATE - 5);
    ck_assert_uint_le(w.begun[PACE_REPLICATE], 10 + LEAST_RATE + 5);
    pace_free(w.p);
}
END_TEST

/* Jobs have had all for themselves: nobody knows what they do to clients now. */
START_TEST(jobs_begin_carefully_when_clients_come_back)
{
    struct world w;
    setup(&w);
    for (unsigned i = 0; i < 8; i++)
        (void)begun_in_second(&w, MS, i >= 2);
    ck_assert_uint_ge(begun_in_second(&w, MS, 1), 930);
    w.now += 2 * SECOND;
    served(w.p, QUICK, w.now - MS, w.now);
    ck_assert_int_eq(pace_ask(w.p, PACE_CHECK, w.now), 0);
    ck_assert_int_gt(pace_ask(w.p, PACE_CHECK, w.now + 1), 10 * MS);
    pace_free(w.p);
}
END_TEST

START_TEST(no_pace_holds_nothing_back)
{
    pace_begin(NULL, 0);
    served(NULL, QUICK, 0, 1);
    pace_owe(NULL, PACE_DELETE);
    ck_assert_int_eq(pace_ask(NULL, PACE_DELETE, 1), 0);
    pace_end(NULL, 1);
    pace_free(NULL);
    struct world w;
    setup(&w);
    served(w.p, KINDS, w.now - MS, w.now); /* unknown kinds are nobody */
    ck_assert_int_eq(pace_ask(w.p, PACE_CHECK, w.now), 0);
    ck_assert_int_eq(pace_ask(w.p, PACE_CHECK, w.now), 0);
    pace_free(w.p);
}
END_TEST

UNIT_MAIN("pace", without_clients_nothing_waits, jobs_begin_carefully_when_clients_come,
          when_clients_leave_nothing_waits, jobs_that_disturb_nobody_go_on,
          jobs_that_disturb_are_held_back_but_not_stopped, a_few_late_requests_are_enough,
          what_clients_make_to_be_done_is_done, kinds_are_judged_by_themselves, what_is_slow_without_jobs_is_usual,
          what_never_ends_is_usual, absence_tells_nothing, long_requests_are_nobodys_fault,
          who_asks_now_and_then_holds_nothing_back, what_is_owed_takes_nothing_from_others, a_longer_median_is_late,
          what_was_made_long_ago_is_not_hurried, jobs_begin_carefully_when_clients_come_back,
          no_pace_holds_nothing_back)
