/* SPDX-License-Identifier: MIT */
/* Tests of what clients and jobs get of a machine that they share, with a simulated one. */
#include "tracker/cluster/pace.h"

#include "unit.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * Two processors; requests of COST_US come by chance, whatever becomes of those before them, over CONNECTIONS
 * connections: those that find none free wait where the tracker does not see them. Up to THREADS threads work on them,
 * oldest first. Workers, who always have something to do, take ITEM_US of a processor for each item. Threads share the
 * processors evenly, and with many of them the tracker reads what has come only now and then.
 */
enum {
    SECOND = 1000 * 1000,
    STEP_US = 20,
    PROCESSORS = 2,
    COST_US = 100,
    PEAK = PROCESSORS * SECOND / COST_US,
    CONNECTIONS = 32,
    THREADS = 3,
    ITEM_US = 1000,
    READ_US = 300, /* for each worker at it for whom there is no processor besides */
    OTHERS_EVERY_US = 170 * 1000,
    OTHERS_US = 5 * 1000,
    LEAST_RATE = 50,
    BACKLOG = 1 << 17,
    LATENCIES = 1 << 17
};

static const enum pace_lane workers[] = {PACE_REPLICATE, PACE_REPLICATE, PACE_REPLICATE, PACE_REPLICATE,
                                         PACE_REPLICATE, PACE_CHECK,     PACE_CHECK};
enum { WORKERS = sizeof(workers) / sizeof(workers[0]) };

struct request {
    int64_t came_us, seen_us;
    double left_us;
};

struct machine {
    struct pace *p;
    uint64_t random;
    int64_t now, read_us;
    double rate, next_us; /* of requests a second; when the next one comes */
    bool has_work, has_others;
    int64_t owe_every_us;
    size_t others;            /* threads of other programs, now and then */
    int64_t backlog[BACKLOG]; /* when they came */
    uint64_t n_came, n_taken;
    struct request open[CONNECTIONS]; /* in the order of their coming */
    size_t n_open;
    struct {
        double left_us; /* 0: it waits for its turn */
        int64_t ask_us;
    } workers[WORKERS];
    size_t at_work;
    /* since measure() began */
    uint32_t took_us[LATENCIES];
    size_t n_took;
    unsigned begun[PACE_LANES];
};

static double chance(struct machine *m)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return ((double)(m->random >> 11) + 0.5) / 9007199254740992.0;
}

static double by_chance(struct machine *m, double mean)
{
    return -mean * log(chance(m));
}

static struct machine *machine_new(void)
{
    struct machine *m = calloc(1, sizeof(*m));
    ck_assert_ptr_nonnull(m);
    m->p = pace_new(1, LEAST_RATE);
    m->now = 1000 * (int64_t)SECOND;
    m->random = 1;
    return m;
}

static void machine_free(struct machine *m)
{
    pace_free(m->p);
    free(m);
}

/* Requests that have come are read, when the loop has its turn. */
static void come(struct machine *m)
{
    while (m->rate > 0 && m->next_us <= (double)m->now) {
        m->backlog[m->n_came++ % BACKLOG] = (int64_t)m->next_us;
        if (m->n_came - m->n_taken == BACKLOG)
            ck_abort_msg("clients wait for ever");
        m->next_us += by_chance(m, SECOND / m->rate);
    }
    if (m->now < m->read_us)
        return;
    size_t busy = m->at_work + m->others;
    m->read_us = m->now + READ_US * (int64_t)(busy > 1 ? busy - 1 : 0);
    for (; m->n_open < CONNECTIONS && m->n_taken < m->n_came; m->n_taken++)
        m->open[m->n_open++] = (struct request){m->backlog[m->n_taken % BACKLOG], m->now, by_chance(m, COST_US)};
}

static void serve(struct machine *m, double share)
{
    size_t left = 0, n = m->n_open;
    for (size_t i = 0; i < n; i++) {
        struct request *r = &m->open[i];
        if (i < THREADS)
            r->left_us -= share * STEP_US;
        if (r->left_us > 0) {
            m->open[left++] = *r;
            continue;
        }
        pace_served(m->p, &(struct pace_request){0, r->seen_us}, 1, m->now);
        m->took_us[m->n_took++ % LATENCIES] = (uint32_t)(m->now - r->came_us);
    }
    m->n_open = left;
}

static void work(struct machine *m, double share)
{
    for (size_t i = 0; i < WORKERS; i++) {
        if (m->workers[i].left_us > 0) {
            m->workers[i].left_us -= share * STEP_US;
            if (m->workers[i].left_us > 0)
                continue;
            pace_end(m->p, m->now);
            m->at_work--;
            m->workers[i].ask_us = m->now;
        }
        if (!m->has_work || m->now < m->workers[i].ask_us)
            continue;
        int64_t wait_us = pace_ask(m->p, workers[i], m->now);
        m->workers[i].ask_us = m->now + (wait_us + 999) / 1000 * 1000;
        if (wait_us == 0) {
            pace_begin(m->p, m->now);
            m->at_work++;
            m->begun[workers[i]]++;
            m->workers[i].left_us = by_chance(m, ITEM_US);
        }
    }
}

/* Let clients bring so much of the peak rate for some time. */
static void run(struct machine *m, double load, double seconds)
{
    m->rate = load * PEAK;
    m->next_us = (double)m->now;
    m->n_took = 0;
    memset(m->begun, 0, sizeof(m->begun));
    for (int64_t until = m->now + (int64_t)(seconds * SECOND); m->now < until; m->now += STEP_US) {
        m->others = m->has_others && m->now % OTHERS_EVERY_US < OTHERS_US ? 2 : 0;
        if (m->owe_every_us != 0 && m->now % m->owe_every_us < STEP_US)
            pace_owe(m->p, PACE_REPLICATE);
        come(m);
        size_t threads = (m->n_open < THREADS ? m->n_open : THREADS) + m->at_work + m->others;
        double share = threads <= PROCESSORS ? 1 : (double)PROCESSORS / (double)threads;
        serve(m, share);
        work(m, share);
    }
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

struct figures {
    double median_us, late_us;
    double begun[PACE_LANES]; /* a second */
};

static struct figures measure(struct machine *m, double load, double seconds)
{
    run(m, load, seconds);
    ck_assert_uint_le(m->n_took, LATENCIES);
    qsort(m->took_us, m->n_took, sizeof(m->took_us[0]), by_number);
    struct figures f = {.median_us = m->took_us[m->n_took / 2], .late_us = m->took_us[m->n_took * 99 / 100]};
    for (enum pace_lane lane = 0; lane < PACE_LANES; lane++)
        f.begun[lane] = m->begun[lane] / seconds;
    return f;
}

/* Twice what they are without jobs is what clients bear. */
static void check_clients(const char *when, struct figures quiet, struct figures f)
{
    ck_assert_msg(f.median_us <= 2 * quiet.median_us && f.late_us <= 2 * quiet.late_us,
                  "%s: median %.0f us in place of %.0f, 99th percentile %.0f us in place of %.0f", when, f.median_us,
                  quiet.median_us, f.late_us, quiet.late_us);
}

static void check_least_rate(struct figures f)
{
    ck_assert_double_ge(f.begun[PACE_REPLICATE], 0.9 * LEAST_RATE);
    ck_assert_double_ge(f.begun[PACE_CHECK], 0.9 * LEAST_RATE);
}

static struct figures quiet_at(double load, bool has_others)
{
    struct machine *m = machine_new();
    m->has_others = has_others;
    struct figures f = measure(m, load, 9);
    machine_free(m);
    return f;
}

static const double loads[] = {0.3, 0.5, 0.7};
enum { LOADS = sizeof(loads) / sizeof(loads[0]) };

static void jobs_begin_beside_clients(double load, bool has_others)
{
    struct figures quiet = quiet_at(load, has_others);
    struct machine *m = machine_new();
    m->has_others = has_others;
    run(m, load, 5);
    m->has_work = true;
    struct figures f = measure(m, load, 9);
    check_clients("jobs begin", quiet, f);
    check_least_rate(f);
    machine_free(m);
}

START_TEST(clients_bear_jobs)
{
    jobs_begin_beside_clients(loads[_i], false);
}
END_TEST

/* What other programs do to them is not laid to the jobs. */
START_TEST(clients_bear_jobs_beside_other_programs)
{
    jobs_begin_beside_clients(loads[_i], true);
}
END_TEST

/* Jobs have the machine for themselves, with much that clients have made to be done, when clients come. */
START_TEST(clients_come_when_jobs_are_at_full_speed)
{
    struct figures quiet = quiet_at(loads[_i], false);
    struct machine *m = machine_new();
    run(m, loads[_i], 5);
    for (unsigned i = 0; i < 10000; i++)
        pace_owe(m->p, PACE_REPLICATE);
    run(m, 0, 1);
    m->has_work = true;
    struct figures free = measure(m, 0, 5);
    ck_assert_double_ge(free.begun[PACE_REPLICATE] + free.begun[PACE_CHECK], 1500);
    run(m, loads[_i], 1);
    struct figures f = measure(m, loads[_i], 9);
    check_clients("clients came", quiet, f);
    check_least_rate(f);
    machine_free(m);
}
END_TEST

/* A tracker that has never seen clients without jobs. */
START_TEST(jobs_are_there_first)
{
    struct figures quiet = quiet_at(loads[_i], false);
    struct machine *m = machine_new();
    m->has_work = true;
    run(m, 0, 1);
    run(m, loads[_i], 8);
    check_clients("a tracker has begun", quiet, measure(m, loads[_i], 9));
    machine_free(m);
}
END_TEST

static unsigned begun_beside(double load)
{
    struct machine *m = machine_new();
    run(m, load, 20);
    m->has_work = true;
    run(m, load, 20);
    struct figures f = measure(m, load, 20);
    machine_free(m);
    return (unsigned)(f.begun[PACE_REPLICATE] + f.begun[PACE_CHECK]);
}

START_TEST(what_few_clients_leave_is_used)
{
    unsigned without = begun_beside(0);
    ck_assert_uint_ge(without, 1500);
    ck_assert_uint_ge(begun_beside(0.001), without / 4);
    ck_assert_uint_ge(begun_beside(0.01), without / 2);
    ck_assert_uint_ge(begun_beside(0.05), without / 4);
    ck_assert_uint_ge(begun_beside(0.1), without / 8);
}
END_TEST

START_TEST(what_lasts_is_learned)
{
    static const double one_after_the_other[] = {0.5, 0.1, 0.7, 0.1, 0.3};
    struct machine *m = machine_new();
    m->has_work = true;
    run(m, 0.1, 10);
    for (size_t i = 0; i < sizeof(one_after_the_other) / sizeof(one_after_the_other[0]); i++) {
        double load = one_after_the_other[i];
        struct figures quiet = quiet_at(load, false);
        run(m, load, 6);
        struct figures f = measure(m, load, 5);
        check_clients("the load changed", quiet, f);
        check_least_rate(f);
        if (load <= 0.1)
            ck_assert_double_ge(f.begun[PACE_REPLICATE] + f.begun[PACE_CHECK], 4 * LEAST_RATE);
    }
    machine_free(m);
}
END_TEST

/* Copies keep up with uploads, and those that were made long ago hurry nobody. */
START_TEST(copies_keep_up_with_uploads)
{
    struct machine *m = machine_new();
    run(m, 0.5, 5);
    m->has_work = true;
    m->owe_every_us = 5000;
    run(m, 0.5, 2);
    struct figures f = measure(m, 0.5, 5);
    ck_assert_double_ge(f.begun[PACE_REPLICATE], 190);
    m->owe_every_us = 0;
    run(m, 0.5, 5);
    f = measure(m, 0.5, 5);
    ck_assert_double_le(f.begun[PACE_REPLICATE], 150);
    machine_free(m);
}
END_TEST

static TCase *tests_new(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, UNIT_TIMEOUT_S);
    suite_add_tcase(suite, tests);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("pace_load");
    TCase *each = tests_new(suite, "each load"), *once = tests_new(suite, "once");
    tcase_add_loop_test(each, clients_bear_jobs, 0, LOADS);
    tcase_add_loop_test(each, clients_bear_jobs_beside_other_programs, 0, LOADS);
    tcase_add_loop_test(each, clients_come_when_jobs_are_at_full_speed, 0, LOADS);
    tcase_add_loop_test(each, jobs_are_there_first, 0, LOADS);
    tcase_add_test(once, what_few_clients_leave_is_used);
    tcase_add_test(once, what_lasts_is_learned);
    tcase_add_test(once, copies_keep_up_with_uploads);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
