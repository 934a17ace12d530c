/* SPDX-License-Identifier: MIT */
/* Netmasks in all their spellings. */
#include "tracker/cluster/netmask.h"

#include "unit.h"

static bool has(const char *mask, const char *ip)
{
    struct netmask m;
    uint32_t number = 0;
    ck_assert_msg(netmask_parse(span_of(mask), &m) == MOG_OK, "%s", mask);
    ck_assert(netmask_parse_ip(span_of(ip), &number) == MOG_OK);
    return netmask_has(&m, number);
}

START_TEST(spellings)
{
    static const char *const same[] = {"10.1.0.0/16",          "10.1.0.0/255.255.0.0",  "10.1.0.0:255.255.0.0",
                                       "10.1.0.0#0.0.255.255", "10.1.0.0-10.1.255.255", "10.1.2.3/16"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        ck_assert_msg(has(same[i], "10.1.200.7"), "%s", same[i]);
        ck_assert_msg(!has(same[i], "10.2.0.1"), "%s", same[i]);
    }
    ck_assert(has("any", "1.2.3.4") && has("default", "1.2.3.4") && has("0.0.0.0/0", "255.255.255.255"));
    ck_assert(has("10.0.0.7", "10.0.0.7") && !has("10.0.0.7", "10.0.0.8"));
    ck_assert(!has("fd00::/8", "10.0.0.7"));
}
END_TEST

START_TEST(nonsense)
{
    static const char *const bad[] = {"",
                                      "10.0.0",
                                      "10.0.0.0/33",
                                      "10.0.0.0/x",
                                      "10.0.0.0/255.0.255.0",
                                      "10.0.0.256",
                                      "10.0.0.0-10.0.0.2",
                                      "10.0.0.9-10.0.0.1",
                                      "host",
                                      "fd00::/129",
                                      "10.0.0.0/8 x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct netmask m;
        ck_assert_msg(netmask_parse(span_of(bad[i]), &m) == MOG_ESYNTAX, "%s", bad[i]);
    }
}
END_TEST

UNIT_MAIN("netmask", spellings, nonsense)
