/* SPDX-License-Identifier: MIT */
/* Tests of snapshots: what the URLs of files on devices are, what gets files, what devices are shown as. */
#include "tracker/cluster/cluster_build.h"

#include "common/devpath.h"
#include "layout.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* The last address is as long as one can be. */
static char longest[64];
static struct store_host hosts[] = {
    {.hostid = 1, .status = "alive", .hostip = (char[]){"127.0.0.1"}, .http_port = 7500},
    {.hostid = 2,
     .status = "alive",
     .hostip = (char[]){"10.0.0.2"},
     .http_port = 7500,
     .http_get_port = 65535,
     .altip = (char[]){"10.9.0.2"},
     .altmask = (char[]){"10.9.0.0/16"}},
    {.hostid = 3, .status = "alive", .hostip = (char[]){"[::1] &%"}, .http_port = 1},
    {.hostid = 4, .status = "alive", .hostip = NULL, .http_port = 7500},
    {.hostid = 5, .status = "alive", .hostip = (char[]){"127.0.0.5"}, .http_get_port = 7500},
    {.hostid = 6, .status = "alive", .hostip = longest, .http_port = 4294967295},
};
static struct store_device devices[] = {
    {.devid = 1, .hostid = 1, .status = "alive"},          {.devid = 22, .hostid = 2, .status = "alive"},
    {.devid = 3, .hostid = 3, .status = "alive"},          {.devid = 4, .hostid = 4, .status = "alive"},
    {.devid = 5, .hostid = 5, .status = "alive"},          {.devid = 7, .hostid = 77, .status = "alive"},
    {.devid = 4294967295, .hostid = 6, .status = "alive"},
};

static struct cluster *built(size_t longest_len)
{
    const struct store_topology t = {.hosts = {hosts, sizeof(hosts) / sizeof(hosts[0])},
                                     .devices = {devices, sizeof(devices) / sizeof(devices[0])}};
    const struct cluster_observations seen = {NULL, NULL, 0, 0};
    const struct cluster_config config = {.default_mindevcount = 2};
    memset(longest, 'a', sizeof(longest));
    longest[longest_len] = '\0';
    return cluster_build(&t, &seen, &config, false);
}

static void check(const struct cluster *c, uint32_t devid, enum cluster_port port, bool use_alt, const char *text,
                  const char *coded)
{
    const struct cluster_device *d = cluster_device_by_id(c, devid);
    const struct cluster_base *base = cluster_device_base(d, port, use_alt);
    char url[CLUSTER_URL_MAX], expected[CLUSTER_URL_MAX];
    ck_assert_msg(span_is(base->text, text), "dev%u: %.*s", devid, (int)base->text.len, base->text.ptr);
    ck_assert_msg(span_is(base->coded, coded), "dev%u: %.*s", devid, (int)base->coded.len, base->coded.ptr);
    size_t len = cluster_device_url(d, UINT64_MAX, port, use_alt, url);
    (void)snprintf(expected, sizeof(expected), "%s/1/844/674/18446744073709551615.fid", text);
    if (text[0] == '\0')
        ck_assert_uint_eq(len, 0);
    else
        ck_assert(span_is(span_make(url, len), expected) && url[len] == '\0');
}

START_TEST(urls)
{
    static const struct {
        uint32_t devid;
        enum cluster_port port;
        bool use_alt;
        const char *text, *coded;
    } rows[] = {
        {1, CLUSTER_WRITE, false, "http://127.0.0.1:7500/dev1", "http://127.0.0.1:7500/dev1"},
        {1, CLUSTER_READ, false, "http://127.0.0.1:7500/dev1", "http://127.0.0.1:7500/dev1"},
        {1, CLUSTER_READ, true, "http://127.0.0.1:7500/dev1", "http://127.0.0.1:7500/dev1"},
        {22, CLUSTER_WRITE, false, "http://10.0.0.2:7500/dev22", "http://10.0.0.2:7500/dev22"},
        {22, CLUSTER_READ, false, "http://10.0.0.2:65535/dev22", "http://10.0.0.2:65535/dev22"},
        {22, CLUSTER_WRITE, true, "http://10.9.0.2:7500/dev22", "http://10.9.0.2:7500/dev22"},
        {22, CLUSTER_READ, true, "http://10.9.0.2:65535/dev22", "http://10.9.0.2:65535/dev22"},
        {3, CLUSTER_READ, false, "http://[::1] &%:1/dev3", "http://%5B::1%5D+%26%25:1/dev3"},
        {4, CLUSTER_READ, false, "", ""},
        {5, CLUSTER_WRITE, false, "", ""},
        {5, CLUSTER_READ, false, "http://127.0.0.5:7500/dev5", "http://127.0.0.5:7500/dev5"},
        {7, CLUSTER_WRITE, true, "", ""},
    };
    struct cluster *c = built(8);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check(c, rows[i].devid, rows[i].port, rows[i].use_alt, rows[i].text, rows[i].coded);
    cluster_free(c);
}
END_TEST

/* The longest address that fits, with the longest numbers behind it; with one byte more there is none. */
START_TEST(long_addresses)
{
    size_t fits = CLUSTER_URL_MAX - DEVPATH_MAX - 1 - strlen("http://:4294967295");
    char text[CLUSTER_URL_MAX];
    struct cluster *c = built(fits);
    (void)snprintf(text, sizeof(text), "http://%s:4294967295/dev4294967295", longest);
    check(c, 4294967295, CLUSTER_WRITE, false, text, text);
    cluster_free(c);
    c = built(fits + 1);
    check(c, 4294967295, CLUSTER_WRITE, false, "", "");
    cluster_free(c);
}
END_TEST

/* min_free_space, 100 MiB here, is what must be left, and is enough. */
START_TEST(space)
{
    static const bool gets[] = {true, false, false, true};
    struct layout l;
    layout_draw(&l, "h1[d1:100 d2:99 d3 full d4 unknown]");
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_msg(cluster_device_gets_files(&l.cluster, &l.devices[i]) == gets[i], "dev%u", i + 1);
}
END_TEST

/* What was seen of a device is no news once its host is silent; of one that nobody looks at it is kept. */
START_TEST(shown)
{
    struct layout l;
    layout_draw(&l, "h1[d1 d2 d3]");
    l.devices[1].seen = DEVICE_READABLE;
    l.devices[2].status = DEVICE_DOWN;
    l.devices[2].seen = DEVICE_NOT_SEEN;
    ck_assert_int_eq(cluster_device_seen(&l.devices[0]), DEVICE_WRITEABLE);
    ck_assert_int_eq(cluster_device_seen(&l.devices[1]), DEVICE_READABLE);
    l.hosts[0].seen = HOST_UNREACHABLE;
    ck_assert_int_eq(cluster_device_seen(&l.devices[0]), DEVICE_UNREACHABLE);
    ck_assert_int_eq(cluster_device_seen(&l.devices[1]), DEVICE_UNREACHABLE);
    ck_assert_int_eq(cluster_device_seen(&l.devices[2]), DEVICE_NOT_SEEN);
    l.devices[0].host = NULL;
    ck_assert_int_eq(cluster_device_seen(&l.devices[0]), DEVICE_WRITEABLE);
}
END_TEST

UNIT_MAIN("cluster", urls, long_addresses, space, shown)
