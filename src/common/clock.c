/* SPDX-License-Identifier: MIT */
/* Clocks and deadlines. */
#include "common/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_coarse_ms(void)
{
    return read_us(CLOCK_MONOTONIC_COARSE) / 1000;
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t clock_wall_s(void)
{
    return clock_wall_us() / 1000000;
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&ts, NULL);
}

struct deadline deadline_in(int64_t ms)
{
    return (struct deadline){clock_mono_ms() + ms};
}

int64_t deadline_left_ms(struct deadline d)
{
    int64_t left = d.at_mono_ms - clock_mono_ms();
    return left > 0 ? left : 0;
}

bool deadline_is_past(struct deadline d)
{
    return deadline_left_ms(d) == 0;
}
