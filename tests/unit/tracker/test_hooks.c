/* SPDX-License-Identifier: MIT */
/* Plugins: ZoneLocal puts near devices first and keeps the order otherwise; configuration mistakes are told. */
#include "tracker/policy/hooks.h"

#include "unit.h"

#include "layout.h"

#include <stdio.h>

static char *ids_of(const struct choose_item *items, size_t n)
{
    static char text[100];
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", i != 0 ? "," : "", items[i].device->devid);
    return text;
}

START_TEST(near_devices_come_first)
{
    static const char *const names[] = {"ZoneLocal"};
    struct layout l;
    struct hooks *h = NULL;
    struct mog_fail f = {0};
    struct choose_item items[4];
    layout_draw(&l, "h1(10.1.0.1)[d1 d2] h2(10.2.0.1)[d3 d4]");
    l.settings[l.cluster.n_settings++] = (struct cluster_setting){"network_zones", "a,b"};
    l.settings[l.cluster.n_settings++] = (struct cluster_setting){"zone_a", "10.1.0.0/16"};
    l.settings[l.cluster.n_settings++] = (struct cluster_setting){"zone_b", "10.2.0.0/16"};
    ck_assert_msg(hooks_new(names, 1, "10.2.0.0/16", &h, &f) == MOG_OK, "%s", f.text);
    l.cluster.config.hooks = h;
    static const size_t order[] = {2, 0, 3, 1};
    for (size_t i = 0; i < 4; i++)
        items[i] = (struct choose_item){&l.devices[order[i]], 1};
    hooks_order_paths(&l.cluster, 0x0a010909, items, 4); /* a client in zone a */
    ck_assert_str_eq(ids_of(items, 4), "1,2,3,4");
    hooks_order_destinations(&l.cluster, 0x0a020909, items, 4); /* in zone b */
    ck_assert_str_eq(ids_of(items, 4), "3,4,1,2");
    hooks_order_paths(&l.cluster, 0x7f000001, items, 4); /* in none: as it was */
    ck_assert_str_eq(ids_of(items, 4), "3,4,1,2");
    for (size_t i = 0; i < 4; i++)
        items[i] = (struct choose_item){&l.devices[i], 1};
    hooks_order_sources(&l.cluster, items, 4); /* the tracker is in b */
    ck_assert_str_eq(ids_of(items, 4), "3,4,1,2");
    l.cluster.config.hooks = NULL;
    hooks_order_sources(&l.cluster, items, 4);
    ck_assert_str_eq(ids_of(items, 4), "3,4,1,2");
    hooks_free(h);
}
END_TEST

static void refused(const char *name, const char *local, const char *why)
{
    struct hooks *h = NULL;
    struct mog_fail f = {0};
    const char *const names[] = {name};
    ck_assert(hooks_new(names, 1, local, &h, &f) == MOG_EINVAL);
    ck_assert_msg(strstr(f.text, why) != NULL, "%s", f.text);
    ck_assert_ptr_null(h);
}

START_TEST(mistakes)
{
    refused("Nope", NULL, "'Nope'");
    refused("ZoneLocal", NULL, "local_network");
    refused("ZoneLocal", "10.0.0.0/99", "'10.0.0.0/99' is not a netmask");
    ck_assert(hooks_exist("ZoneLocal") && !hooks_exist("zonelocal"));
}
END_TEST

UNIT_MAIN("hooks", near_devices_come_first, mistakes)
