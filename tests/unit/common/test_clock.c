/* SPDX-License-Identifier: MIT */
/* Tests of clocks and deadlines. */
#include "common/clock.h"

#include "unit.h"

START_TEST(deadlines)
{
    struct deadline d = deadline_in(30);
    ck_assert(!deadline_is_past(d));
    ck_assert_int_le(deadline_left_ms(d), 30);
    int64_t before = clock_mono_us();
    clock_sleep_ms(40);
    ck_assert_int_ge(clock_mono_us() - before, 39000);
    ck_assert(deadline_is_past(d));
    ck_assert_int_eq(deadline_left_ms(d), 0);
    ck_assert(deadline_is_past(deadline_in(0)));
    ck_assert(deadline_is_past(deadline_in(-5)));
}
END_TEST

START_TEST(wall_clocks)
{
    int64_t s = clock_wall_s(), us = clock_wall_us();
    ck_assert_int_gt(s, 1600000000);
    ck_assert_int_le(us / 1000000 - s, 1);
    int64_t ms = clock_mono_ms();
    ck_assert_int_ge(clock_mono_ms(), ms);
}
END_TEST

UNIT_MAIN("clock", deadlines, wall_clocks)
