/* SPDX-License-Identifier: MIT */
/* Waiting for the monitor, which may take long, be asked by many, or stop. */
#include "tracker/cluster/cluster_box.h"

#include "common/clock.h"
#include "common/mem.h"
#include "unit.h"

#include <pthread.h>

enum { SHORT_MS = 20, LONG_MS = 30000 };

static struct cluster_box *box;

static enum mog_err wait_refresh(int64_t ms)
{
    return cluster_box_refresh(box, ms);
}
static enum mog_err wait_round(int64_t ms)
{
    return cluster_box_wait_round(box, ms);
}
static enum mog_err wait_ready(int64_t ms)
{
    return cluster_box_wait_ready(box, ms);
}

static enum mog_err (*const waits[])(int64_t ms) = {wait_refresh, wait_round, wait_ready};
enum { WAITS = sizeof waits / sizeof waits[0] };

START_TEST(nobody_waits_for_ever)
{
    box = cluster_box_new();
    for (size_t i = 0; i < WAITS; i++) {
        int64_t began = clock_mono_ms();
        ck_assert_int_eq(waits[i](SHORT_MS), MOG_ETIMEOUT);
        ck_assert_int_ge(clock_mono_ms() - began, SHORT_MS);
    }
    ck_assert(!cluster_box_is_ready(box) && !cluster_box_is_loaded(box));
    ck_assert_ptr_null(cluster_box_borrow(box));
    cluster_box_free(box);
}
END_TEST

struct waiter {
    pthread_t id;
    enum mog_err (*wait)(int64_t ms);
    enum mog_err result;
};

static void *wait_long(void *arg)
{
    struct waiter *w = arg;
    w->result = w->wait(LONG_MS);
    return NULL;
}

static void begin_waiting(struct waiter *all)
{
    for (size_t i = 0; i < WAITS; i++) {
        all[i] = (struct waiter){.wait = waits[i]};
        ck_assert_int_eq(pthread_create(&all[i].id, NULL, wait_long, &all[i]), 0);
    }
}

START_TEST(who_stops_is_waited_for_by_nobody)
{
    struct waiter all[WAITS];
    box = cluster_box_new();
    begin_waiting(all);
    clock_sleep_ms(SHORT_MS); /* so that they usually wait by now; if not, they find it stopped */
    cluster_box_stop(box);
    for (size_t i = 0; i < WAITS; i++) {
        pthread_join(all[i].id, NULL);
        ck_assert_int_eq(all[i].result, MOG_ECANCELED);
        ck_assert_int_eq(waits[i](LONG_MS), MOG_ECANCELED);
    }
    cluster_box_free(box);
}
END_TEST

/* A round that had begun before is no answer to who asked for one. */
START_TEST(only_a_later_round_is_an_answer)
{
    struct waiter w = {.wait = wait_refresh};
    uint64_t before = 0, ticket = 0;
    box = cluster_box_new();
    (void)cluster_box_wait_request(box, 0, &before);
    ck_assert_int_eq(pthread_create(&w.id, NULL, wait_long, &w), 0);
    while (!cluster_box_wait_request(box, LONG_MS, &ticket))
        continue;
    ck_assert_uint_gt(ticket, before);
    cluster_box_round_done(box, before);
    ck_assert(cluster_box_is_ready(box));
    ck_assert_int_eq(cluster_box_wait_ready(box, SHORT_MS), MOG_OK);
    cluster_box_round_done(box, ticket);
    pthread_join(w.id, NULL);
    ck_assert_int_eq(w.result, MOG_OK);
    cluster_box_free(box);
}
END_TEST

UNIT_MAIN("cluster_box", nobody_waits_for_ever, who_stops_is_waited_for_by_nobody, only_a_later_round_is_an_answer)
