/* SPDX-License-Identifier: MIT */
/* Monotonic milliseconds for deadlines, wall-clock seconds for what is stored; never mix the two. */
#ifndef MOG_COMMON_CLOCK_H
#define MOG_COMMON_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* clock_mono_ms() as of the last tick, up to 10 ms ago, at a fraction of the cost. */
int64_t clock_coarse_ms(void);
int64_t clock_wall_s(void);
int64_t clock_wall_us(void);

/* Sleep; returns early on a signal. */
void clock_sleep_ms(int64_t ms);

/* A point of monotonic time by which something must be done. */
struct deadline {
    int64_t at_mono_ms;
};

struct deadline deadline_in(int64_t ms);
int64_t deadline_left_ms(struct deadline d); /* 0 when past */
bool deadline_is_past(struct deadline d);

#endif
