/* SPDX-License-Identifier: MIT */
/* Rebalance policies, states and limits. */
#include "tracker/policy/rebalance.h"

#include "unit.h"

#include "layout.h"

static struct rebalance_policy policy_of(const char *text)
{
    struct rebalance_policy p;
    struct mog_fail f = {0};
    ck_assert_msg(rebalance_policy_parse(span_of(text), &p, &f) == MOG_OK, "%s: %s", text, f.text);
    return p;
}

static void refused(const char *text, const char *why)
{
    struct rebalance_policy p;
    struct mog_fail f = {0};
    ck_assert_msg(rebalance_policy_parse(span_of(text), &p, &f) == MOG_EINVAL, "%s", text);
    ck_assert_msg(strstr(f.text, why) != NULL, "%s: %s", text, f.text);
}

START_TEST(texts)
{
    struct rebalance_policy p =
        policy_of("from_hosts=1,2 to_percent_free=50.5 limit_type=global limit_by=size limit=3k "
                  "fid_age=new use_dest_devs=2 leave_in_drain_mode=1 from_all_devs=1 not_to_hosts=3");
    ck_assert_uint_eq(p.from.hosts.n, 2);
    ck_assert_double_eq(p.to.percent_free, 50.5);
    ck_assert(p.global_limit && p.newest_first && p.leave_in_drain_mode);
    ck_assert_uint_eq(p.limit, 3072);
    ck_assert_uint_eq(p.use_dest_devs, 2);
    rebalance_policy_fini(&p);
    refused("bogus=1", "Invalid setting bogus");
    refused("from_hosts=1  to_hosts=2", "Invalid setting ");
    refused("limit_by=percent", "policy size limits by percent are unimplemented");
    refused("from_hosts=a", "from_hosts");
    refused("limit=99999999999p", "limit");
    refused("limit_by=weight", "none, count or size");
}
END_TEST

static char *listed(const struct rebalance_ids *ids)
{
    struct buf b = BUF_ZERO;
    rebalance_ids_format(ids, &b);
    return buf_take(&b);
}

START_TEST(sources_and_destinations)
{
    struct layout l;
    struct rebalance_ids sources = {0}, dests = {0};
    struct rebalance_state s;
    layout_draw(&l, "h1[d1:100 d2:900 d3 readonly] h2[d4:950 d5 drain d6 dead] h3[d7 unknown d8:700]");
    struct rebalance_policy p = policy_of("from_percent_used=80 to_percent_free=60 not_to_devices=8");
    rebalance_sources(&p, &l.cluster, &sources);
    char *text = listed(&sources);
    ck_assert_str_eq(text, "1");
    free(text);
    rebalance_state_init(&s, &p, &l.cluster, 1000);
    rebalance_destinations(&p, &s, &l.cluster, &dests);
    text = listed(&dests);
    ck_assert_str_eq(text, "2,4");
    free(text);
    rebalance_ids_fini(&sources);
    rebalance_ids_fini(&dests);
    rebalance_state_fini(&s);
    rebalance_policy_fini(&p);
}
END_TEST

START_TEST(states_survive_a_round_trip)
{
    struct rebalance_state s, again;
    struct mog_fail f = {0};
    struct buf text = BUF_ZERO, text2 = BUF_ZERO;
    ck_assert(rebalance_state_parse(span_of("completed_devs=,102,125 source_devs=7 sdev_current=5 sdev_lastfid=99 "
                                            "sdev_limit=none fids_queued=3 time_started=12"),
                                    &s, &f) == MOG_OK);
    ck_assert_uint_eq(s.completed.n, 2);
    ck_assert_uint_eq(s.current, 5);
    ck_assert_uint_eq(s.last_fid, 99);
    ck_assert(!s.device_is_limited);
    rebalance_state_format(&s, &text);
    ck_assert(rebalance_state_parse(buf_as_span(&text), &again, &f) == MOG_OK);
    rebalance_state_format(&again, &text2);
    ck_assert_str_eq(buf_cstr(&text), buf_cstr(&text2));
    rebalance_state_fini(&s);
    rebalance_state_fini(&again);
    buf_fini(&text);
    buf_fini(&text2);
    ck_assert(rebalance_state_parse(span_of("strange=1"), &s, &f) == MOG_EINVAL);
}
END_TEST

/* How many of 20 files of 1000 bytes a policy lets go from one source. */
static size_t moved(const char *text)
{
    struct layout l;
    struct rebalance_state s;
    struct rebalance_policy p = policy_of(text);
    layout_draw(&l, "h1[d1] h2[d2]");
    rebalance_state_init(&s, &p, &l.cluster, 1);
    ck_assert(rebalance_next_source(&s, &p));
    size_t n = 0;
    for (size_t i = 0; i < 20 && !rebalance_limit_is_used_up(&s, &p); i++)
        n += rebalance_take(&s, &p, 1000);
    ck_assert_uint_eq(s.fids_queued, n);
    ck_assert_uint_eq(s.bytes_queued, n * 1000);
    rebalance_state_fini(&s);
    rebalance_policy_fini(&p);
    return n;
}

START_TEST(limits)
{
    ck_assert_uint_eq(moved("from_devices=1"), 20);
    ck_assert_uint_eq(moved("from_devices=1 limit_by=count limit=7"), 7);
    ck_assert_uint_eq(moved("from_devices=1 limit_by=size limit=3k"), 3);
    ck_assert_uint_eq(moved("from_devices=1 limit_type=global limit_by=count limit=7"), 7);
    ck_assert_uint_eq(moved("from_devices=1 limit_type=global limit_by=size limit=5k"), 5);
    ck_assert_uint_eq(moved("from_devices=1 limit_by=count limit=0"), 0);
}
END_TEST

UNIT_MAIN("rebalance", texts, sources_and_destinations, states_survive_a_round_trip, limits)
