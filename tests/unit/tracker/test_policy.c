/* SPDX-License-Identifier: MIT */
/* Replication policies against the answers of the original, and where ours are better. */
#include "tracker/policy/policy.h"

#include "common/buf.h"
#include "unit.h"

#include "layout.h"

#include <inttypes.h>
#include <stdio.h>

/* Ids in ascending order, whatever the order of the answer. */
static void add_ids(struct buf *out, const char *name, const uint32_t *ids, size_t n)
{
    if (n == 0)
        return;
    buf_printf(out, "%s%s(", out->len != 0 ? " " : "", name);
    bool first = true;
    for (uint32_t id = 0; id < 100; id++) {
        for (size_t i = 0; i < n; i++) {
            if (ids[i] == id) {
                buf_printf(out, "%s%" PRIu32, first ? "" : ",", id);
                first = false;
            }
        }
    }
    buf_char(out, ')');
}

struct ask {
    const char *policy;
    uint32_t min;
    const char *layout;
    const char *zones[3][2]; /* settings */
    uint32_t failed;         /* device tried in vain */
    const uint32_t *only;
    size_t n_only;
};

static char *answer_of(const struct ask *ask)
{
    struct layout l;
    struct policy *p = NULL;
    struct mog_fail f = {0};
    struct rng rng;
    struct buf out = BUF_ZERO;
    rng_seed(&rng, 7);
    layout_draw(&l, ask->layout);
    for (size_t i = 0; i < 3 && ask->zones[i][0] != NULL; i++)
        l.settings[l.cluster.n_settings++] = (struct cluster_setting){ask->zones[i][0], ask->zones[i][1]};
    ck_assert_msg(policy_parse(span_of(ask->policy), &p, &f) == MOG_OK, "%s: %s", ask->policy, f.text);
    struct policy_question q = {.cluster = &l.cluster,
                                .on = l.on,
                                .n_on = l.n_on,
                                .failed = &ask->failed,
                                .n_failed = ask->failed != 0 ? 1 : 0,
                                .only = ask->only,
                                .n_only = ask->n_only,
                                .mindevcount = ask->min,
                                .rng = &rng};
    /* As the replication worker does: copies on dead devices do not count. */
    size_t n = 0;
    for (size_t i = 0; i < l.n_on; i++) {
        if (!cluster_device_is_dead(cluster_device_by_id(&l.cluster, l.on[i])))
            l.on[n++] = l.on[i];
    }
    q.n_on = n;
    struct policy_answer a;
    policy_ask(p, &q, &a);
    switch (a.verdict) {
    case POLICY_ALL_GOOD:
        buf_str(&out, "good");
        break;
    case POLICY_TOO_GOOD:
        buf_str(&out, "too good");
        break;
    case POLICY_NO_ANSWER:
        buf_str(&out, "none");
        break;
    case POLICY_COPY:
        add_ids(&out, "ideal", a.ideal, a.n_ideal);
        add_ids(&out, "desperate", a.desperate, a.n_desperate);
        if (out.len == 0)
            buf_str(&out, "empty");
        break;
    }
    policy_answer_fini(&a);
    policy_free(p);
    return buf_take(&out);
}

static void expect(const struct ask *ask, const char *want)
{
    char *got = answer_of(ask);
    ck_assert_msg(strcmp(got, want) == 0, "%s min %u %s: got %s, want %s", ask->policy, ask->min, ask->layout, got,
                  want);
    free(got);
}

static const struct {
    uint32_t min;
    const char *layout, *hosts, *devices;
} vectors[] = {
    {1, "h1[d1*]", "good", "good"},
    {1, "h1[d1* d2*]", "too good", "too good"},
    {1, "h1[d1*] h2[d2*]", "too good", "too good"},
    {1, "h1[d1] h2[d2]", "ideal(1,2)", "ideal(1,2)"},
    {2, "h1[d1* d2] h2[d3* d4]", "good", "good"},
    {2, "h1[d1* d2] h2[d3 d4]", "ideal(3,4) desperate(2)", "ideal(2,3,4)"},
    {2, "h1[d1* d2*] h2[d3 d4]", "ideal(3,4)", "good"},
    {2, "h1[d1* d2] h2 hostdown[d3 d4]", "desperate(2)", "ideal(2)"},
    {2, "h1[d1* d2] h2 hostdown[d3 d4] h3[d5 d6]", "ideal(5,6) desperate(2)", "ideal(2,5,6)"},
    {2, "h1[d1 d2*dead] h2[d3* d4]", "ideal(1) desperate(4)", "ideal(1,4)"},
    {2, "h1[d1*]", "none", "none"},
    {2, "h1[d1* d2*]", "good", "good"},
    {2, "h1[d1* d2*] h2 hostdown[d3]", "none", "good"},
    {2, "h1[d1* d2*] h2[d3 down]", "good", "good"},
    {2, "h1[d1* d2*] h2[d3 readonly]", "good", "good"},
    {2, "h1[d1*] h2[d2:50]", "none", "none"},
    /* Of unknown usage: a small weight, not none. */
    {2, "h1[d1*] h2[d2 unknown]", "ideal(2)", "ideal(2)"},
    {2, "h1[d1* d3] h2[d2 unknown]", "ideal(2) desperate(3)", "ideal(2,3)"},
    {2, "h1[d1*readonly] h2[d2*down]", "good", "good"},
    {2, "h1[d1*dead] h2[d2*]", "none", "none"},
    {2, "h1[d1* d2] h2[d3* d4] h3[d5*]", "too good", "too good"},
    {2, "h1[d1* d2*] h2[d3* d4]", "too good", "too good"},
    {2, "h1[d3*drain d5] h2[d4* d6]", "good", "good"},
    {2, "h1[d3*drain d5*] h2[d4* d6]", "too good", "too good"},
    {3, "h1[d1 d2*] h2[d3* d4]", "ideal(1,4)", "ideal(1,4)"},
    {3, "h1[d1 d2*] h2[d3* d4] h3[d5]", "ideal(5) desperate(1,4)", "ideal(1,4,5)"},
    {3, "h1[d1 d2*] h2[d3* d4] h3 hostdown[d5]", "desperate(1,4)", "ideal(1,4)"},
    {3, "h1[d1 d2*] h2[d3* d4*]", "good", "good"},
    {3, "h1[d1*] h2[d2*]", "good", "good"},
    {3, "h1[d1* d2* d3*] h2[d4]", "ideal(4)", "good"},
    {3, "h1[d1* d2* d3* d4*] h2[d5]", "too good", "too good"},
    {4, "h1[d1* d2*] h2[d3* d4*]", "good", "good"},
    {4, "h1[d1* d2* d5] h2[d3* d4]", "ideal(4,5)", "ideal(4,5)"},
};

START_TEST(hosts_and_devices)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct ask ask = {.policy = "MultipleHosts()", .min = vectors[i].min, .layout = vectors[i].layout};
        expect(&ask, vectors[i].hosts);
        ask.policy = "MultipleDevices()";
        expect(&ask, vectors[i].devices);
    }
}
END_TEST

START_TEST(failed_destinations_are_not_suggested_again)
{
    struct ask ask = {.policy = "", .min = 2, .layout = "h1[d1* d2] h2[d3]", .failed = 3};
    expect(&ask, "desperate(2)");
}
END_TEST

START_TEST(targets_restrict_the_choice_but_not_the_judgement)
{
    static const uint32_t only[] = {2};
    struct ask ask = {.policy = "", .min = 2, .layout = "h1[d1* d2] h2[d3]", .only = only, .n_only = 1};
    expect(&ask, "desperate(2)"); /* with d2 alone in view it would be ideal */
}
END_TEST

START_TEST(a_number_overrides_mindevcount)
{
    struct ask ask = {.policy = "MultipleHosts(1)", .min = 3, .layout = "h1[d1*] h2[d2]"};
    expect(&ask, "good");
}
END_TEST

START_TEST(full_hosts)
{
    static const char *const layouts[][2] = {
        {"h1[d1 full d2 full] h2[d3*full] h3[d7* d8 d9] h4[d10* d11 d12]", "good"},
        {"h1[d1*full d2 full] h2[d3*full] h3[d7* d8 d9] h4[d10* d11 d12]", "too good"},
        {"h1[d1*full d2*full] h2[d3*full] h3[d7 d8 d9] h4[d10 d11 d12]", "ideal(7,8,9,10,11,12)"},
        {"h1[d1 full d2 full] h2[d3 full] h3[d7* d8 d9] h4[d10* d11 d12]", "desperate(8,9,11,12)"},
        {"h1[d1 full d2 full] h2[d3 full] h3[d7* d8 d9] h4[d10* d11* d12]", "none"},
    };
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        struct ask ask = {.policy = "MultipleHosts()", .min = 3, .layout = layouts[i][0]};
        expect(&ask, layouts[i][1]);
    }
}
END_TEST

#define A1 "h1(192.168.0.1)"
#define A2 "h2(192.168.0.2)"
#define B3 "h3(10.0.0.3)"
#define B4 "h4(10.0.0.4)"

START_TEST(networks)
{
    static const struct {
        uint32_t min;
        const char *layout, *want;
    } rows[] = {
        {2, A1 "[d1* d2] " A2 "[d3* d4]", "good"},
        {2, A1 "[d1* d2] " A2 "[d3 d4]", "desperate(2,3,4)"},
        {2, A1 "[d1* d2*] " A2 "[d3 d4]", "desperate(3,4)"},
        {2, A1 "[d1 d2*] " A2 "[d3 d4] " B3 "[d5 d6] " B4 "[d7 d8]", "ideal(5,6,7,8) desperate(1,3,4)"},
        {2, A1 "[d1 d2*] " A2 "[d3 d4] " B3 "hostdown[d5 d6] " B4 "hostdown[d7 d8]", "desperate(1,3,4)"},
        {2, A1 "[d1 d2*] " A2 "[d3 d4] " B3 "[d5* d6]", "good"},
        {2, A1 "[d1 d2*] " A2 "[d3* d4*]", "too good"},
        {2, A1 "[d1* d2*] " A2 "[d3* d4*] " B3 "[d5 d6] " B4 "[d7 d8]", "ideal(5,6,7,8)"},
        {2, A1 "[d1* d2* d3] h2(10.0.0.2)hostdown[d4]", "none"}, /* the original copies without end */
        {1, A1 "[d1* d2*]", "good"},
        {2, A1 "[d1* d2*] h2(10.0.0.2)[d3*]", "good"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ask ask = {.policy = "MultipleNetworks()",
                          .min = rows[i].min,
                          .layout = rows[i].layout,
                          .zones = {{"network_zones", "b, c"}, {"zone_b", "10.0.0.0/8 172.16.0.0/12"}}};
        expect(&ask, rows[i].want);
    }
}
END_TEST

START_TEST(hosts_per_network)
{
    static const struct {
        const char *policy, *layout, *want;
    } rows[] = {
        {"HostsPerNetwork(near=1, far=1)", A1 "[d1*] " A2 "[d2] " B3 "[d3]", "ideal(3)"},
        {"HostsPerNetwork(near=1, far=1)", A1 "[d1*] " A2 "[d2] " B3 "[d3*]", "good"},
        {"HostsPerNetwork(near=1, far=1)", A1 "[d1*] " A2 "[d2*] " B3 "[d3*]", "too good"},
        {"HostsPerNetwork(near=2)", A1 "[d1* d4] " A2 "[d2] " B3 "[d3]", "ideal(2) desperate(4)"},
        {"HostsPerNetwork(near=3)", A1 "[d1 d2*] " A2 "[d3* d4]", "desperate(1,4)"},
        {"HostsPerNetwork(near=1)", "h1(1.2.3.4)[d1*]", "none"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ask ask = {
            .policy = rows[i].policy,
            .min = 2,
            .layout = rows[i].layout,
            .zones = {{"network_zones", "far"}, {"zone_far", "10.0.0.0/8"}, {"zone_near", "192.168.0.0/16"}}};
        expect(&ask, rows[i].want);
    }
}
END_TEST

START_TEST(unions)
{
    struct ask ask = {.policy = "Union(MultipleHosts(2), HostsPerNetwork(far=1))",
                      .min = 2,
                      .layout = A1 "[d1*] " A2 "[d2] " B3 "[d3]",
                      .zones = {{"network_zones", "far"}, {"zone_far", "10.0.0.0/8"}}};
    char *got = answer_of(&ask);
    ck_assert_str_eq(got, "ideal(2,3)"); /* d3 serves both and stands first; that is looked at below */
    free(got);
    ask.layout = A1 "[d1*] " A2 "[d2] " B3 "[d3*]";
    expect(&ask, "good");
    ask.layout = A1 "[d1*] " A2 "[d2*] " B3 "[d3]";
    expect(&ask, "ideal(3)");
    ask.layout = A1 "[d1*] " A2 "[d2*] " B3 "[d3* d4*]";
    expect(&ask, "too good");
}
END_TEST

START_TEST(a_union_prefers_what_serves_more_parts)
{
    struct layout l;
    struct policy *p = NULL;
    struct mog_fail f;
    struct policy_answer a;
    struct rng rng;
    rng_seed(&rng, 1);
    layout_draw(&l, A1 "[d1*] " A2 "[d2] " B3 "[d3]");
    l.settings[l.cluster.n_settings++] = (struct cluster_setting){"network_zones", "far"};
    l.settings[l.cluster.n_settings++] = (struct cluster_setting){"zone_far", "10.0.0.0/8"};
    ck_assert(policy_parse(span_of("Union(MultipleHosts(2), HostsPerNetwork(far=1))"), &p, &f) == MOG_OK);
    for (size_t i = 0; i < 50; i++) {
        struct policy_question q = {.cluster = &l.cluster, .on = l.on, .n_on = l.n_on, .mindevcount = 2, .rng = &rng};
        policy_ask(p, &q, &a);
        ck_assert_uint_eq(a.n_ideal, 2);
        ck_assert_uint_eq(a.ideal[0], 3);
        policy_answer_fini(&a);
    }
    policy_free(p);
}
END_TEST

START_TEST(texts)
{
    static const char *const good[] = {"MultipleHosts(5)",
                                       "MultipleHosts()",
                                       " MultipleHosts (2)",
                                       "MultipleHosts(2) junk",
                                       "MogileFS::ReplicationPolicy::MultipleDevices(3)",
                                       "Union(MultipleHosts(5), MultipleHosts(2))",
                                       "Union(MultipleHosts(5), MultipleHosts(2), )",
                                       "Union ( MultipleHosts ( 5 ) , \n MultipleHosts ( 2 ), )",
                                       "Union(MultipleHosts(1))",
                                       "HostsPerNetwork(a=1)",
                                       "MultipleNetworks ( 2 )"};
    static const char *const bad[] = {"",
                                      "MultipleHosts",
                                      "MultipleHosts(",
                                      "MultipleHosts(a)",
                                      "MultipleHosts(99999999999999999999)",
                                      "Nope()",
                                      "Union()",
                                      "Union(MultipleHosts(1)",
                                      "HostsPerNetwork()",
                                      "HostsPerNetwork(a)",
                                      "HostsPerNetwork(a=)",
                                      "Union(Union(Union(Union(Union(Union(Union(Union(MultipleHosts()))))))))"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct policy *p = NULL;
        struct mog_fail f = {0};
        ck_assert_msg(policy_parse_strict(span_of(good[i]), &p, &f) == MOG_OK, "%s: %s", good[i], f.text);
        policy_free(p);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct policy *p = NULL;
        struct mog_fail f = {0};
        ck_assert_msg(policy_parse_strict(span_of(bad[i]), &p, &f) == MOG_ESYNTAX, "%s", bad[i]);
        ck_assert_msg(f.text[0] != '\0', "%s", bad[i]);
    }
}
END_TEST

UNIT_MAIN("policy", hosts_and_devices, failed_destinations_are_not_suggested_again,
          targets_restrict_the_choice_but_not_the_judgement, a_number_overrides_mindevcount, full_hosts, networks,
          hosts_per_network, unions, a_union_prefers_what_serves_more_parts, texts)
