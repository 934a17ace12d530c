/* SPDX-License-Identifier: MIT */
/* Tests of requests that wait for others: none is left behind by those that were to take it along. */
#include "tracker/net/server_priv.h"

#include "common/clock.h"
#include "unit.h"

#include <string.h>

/* A server whose query threads never come: what is handed to them stays where it can be counted. */
static void setup(struct server *s, struct request *r)
{
    memset(s, 0, sizeof(*s));
    memset(r, 0, sizeof(*r));
    s->queries = query_pool_new(s);
    together_init(s);
    r->server = s;
    r->kind = CMD_LOOKUPS;
    *s->together[CMD_LOOKUPS].last = r;
    s->together[CMD_LOOKUPS].last = &r->done_next;
}

static bool match_any(void *arg, void *item)
{
    (void)arg;
    (void)item;
    return true;
}

static void teardown(struct server *s)
{
    void *out[1];
    (void)pool_take(s->queries, match_any, NULL, out, 1);
    pool_stop(s->queries);
    together_fini(s);
}

START_TEST(who_waits_for_nobody_goes_on)
{
    struct server s;
    struct request r;
    setup(&s, &r);
    together_tick(&s);
    ck_assert_uint_eq(pool_waiting(s.queries), 1);
    ck_assert(s.together[CMD_LOOKUPS].first == NULL);
    ck_assert_int_eq(r.kind, CMD_LOOKUPS); /* with others, if there are some */
    together_tick(&s);
    ck_assert_uint_eq(pool_waiting(s.queries), 1);
    teardown(&s);
}
END_TEST

START_TEST(who_waits_for_others_stays)
{
    struct server s;
    struct request r;
    setup(&s, &r);
    for (size_t i = 0; i < TOGETHER_AT_ONCE; i++)
        s.together[CMD_LOOKUPS].begun_us[i] = clock_mono_us() + 60 * 1000 * 1000;
    together_tick(&s);
    ck_assert_uint_eq(pool_waiting(s.queries), 0);
    ck_assert(s.together[CMD_LOOKUPS].first == &r);
    teardown(&s);
}
END_TEST

START_TEST(who_waits_behind_what_hangs_goes_alone)
{
    struct server s;
    struct request r;
    setup(&s, &r);
    for (size_t i = 0; i < TOGETHER_AT_ONCE; i++)
        s.together[CMD_LOOKUPS].begun_us[i] = clock_mono_us() - 60 * 1000 * 1000;
    together_tick(&s);
    ck_assert_uint_eq(pool_waiting(s.queries), 1);
    ck_assert(s.together[CMD_LOOKUPS].first == NULL);
    ck_assert_int_eq(r.kind, CMD_ALONE);
    teardown(&s);
}
END_TEST

UNIT_MAIN("together", who_waits_for_nobody_goes_on, who_waits_for_others_stays, who_waits_behind_what_hangs_goes_alone)
