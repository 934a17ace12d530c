/* SPDX-License-Identifier: MIT */
/* How busy each disk is, from two readings of /proc/diskstats. */
#ifndef MOG_MOGSTORED_IOSTAT_H
#define MOG_MOGSTORED_IOSTAT_H

#include <stdbool.h>
#include <stdint.h>

struct iostat; /* one thread */

struct iostat *iostat_new(void);
void iostat_free(struct iostat *s);

/* Take a reading: the text of /proc/diskstats at `now_mono_ms`. */
void iostat_feed(struct iostat *s, const char *text, int64_t now_mono_ms);
/* Read /proc/diskstats, and feed it. */
void iostat_sample(struct iostat *s);

/* Per cent (0 to 100) of the time between the last two readings that `disk` was busy. False: not known. */
bool iostat_find(struct iostat *s, const char *disk, double *per_cent);

#endif
