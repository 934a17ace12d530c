/* SPDX-License-Identifier: MIT */
/* Weighted choices: distributions with a fixed seed. */
#include "tracker/policy/choose.h"

#include "unit.h"

#include "layout.h"

START_TEST(heavier_items_come_first_more_often)
{
    struct layout l;
    struct rng rng;
    size_t first = 0;
    rng_seed(&rng, 42);
    layout_draw(&l, "h1[d1 d2]");
    for (size_t i = 0; i < 10000; i++) {
        struct choose_item items[] = {{&l.devices[0], 0.1}, {&l.devices[1], 0.3}};
        ck_assert_uint_eq(choose_order(&rng, items, 2), 2);
        first += items[0].device->devid == 2;
    }
    /* Three of four. */
    ck_assert_uint_gt(first, 7300);
    ck_assert_uint_lt(first, 7700);
}
END_TEST

START_TEST(no_weight_no_place)
{
    struct layout l;
    struct rng rng;
    rng_seed(&rng, 1);
    layout_draw(&l, "h1[d1 d2 d3]");
    struct choose_item items[] = {{&l.devices[0], 0}, {&l.devices[1], 5}, {&l.devices[2], -1}};
    ck_assert_uint_eq(choose_order(&rng, items, 3), 1);
    ck_assert_uint_eq(items[0].device->devid, 2);
    ck_assert_uint_eq(choose_order(&rng, items, 0), 0);
}
END_TEST

START_TEST(destinations_follow_free_space)
{
    struct layout l;
    struct rng rng;
    size_t count[5] = {0};
    rng_seed(&rng, 3);
    layout_draw(&l, "h1[d1:900 d2:100 d3 full d4 unknown]");
    for (size_t i = 0; i < 10000; i++) {
        struct choose_item items[4];
        for (size_t k = 0; k < 4; k++)
            items[k] = (struct choose_item){&l.devices[k], 0};
        ck_assert_uint_eq(choose_destinations(&rng, items, 4), 3); /* the full one is never chosen */
        count[items[0].device->devid]++;
    }
    ck_assert_uint_gt(count[1], 8600); /* 90 of 101 */
    ck_assert_uint_gt(count[2], 800);  /* 10 of 101 */
    ck_assert_uint_gt(count[4], 50);   /* 1 of 101: seldom, but not never */
    ck_assert_uint_lt(count[4], 200);
}
END_TEST

START_TEST(only_the_twenty_freest)
{
    struct layout l;
    struct rng rng;
    struct choose_item items[24];
    rng_seed(&rng, 9);
    layout_draw(
        &l, "h1[d1:900 d2:900 d3:900 d4:900 d5:900 d6:900 d7:900 d8:900 d9:900 d10:900 d11:900 d12:900 d13:900 d14:900 "
            "d15:900 d16:900 d17:900 d18:900 d19:900 d20:900 d21:200 d22:200 d23:200 d24:200]");
    for (size_t i = 0; i < 24; i++)
        items[i] = (struct choose_item){&l.devices[i], 0};
    ck_assert_uint_eq(choose_destinations(&rng, items, 24), 20);
    for (size_t i = 0; i < 20; i++)
        ck_assert_uint_le(items[i].device->devid, 20);
}
END_TEST

UNIT_MAIN("choose", heavier_items_come_first_more_often, no_weight_no_place, destinations_follow_free_space,
          only_the_twenty_freest)
