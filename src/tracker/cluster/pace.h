/* SPDX-License-Identifier: MIT */
/* How background jobs hold back while clients wait longer because of them. */
#ifndef MOG_TRACKER_CLUSTER_PACE_H
#define MOG_TRACKER_CLUSTER_PACE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Requests of clients that began while no job was at work tell how long each command takes by itself: its
 * median and its 99th percentile. When either becomes much longer beside jobs, items of the queues are begun at longer
 * intervals, else at shorter ones; it may be longer where clients are few. After a second without clients, at once.
 * What clients have made to be done in the last seconds (a copy of what they store, the removal of what they delete) is
 * begun as fast as they make it.
 *
 * All functions but pace_owe() take the time (clock_mono_us()), and all are for any thread. A NULL pace holds nothing
 * back.
 */
struct pace;

/* Each has its own intervals. */
enum pace_lane { PACE_REPLICATE, PACE_DELETE, PACE_CHECK, PACE_LANES };

/* `kinds`: how many kinds of requests there are. `least_rate`: about so many items a second of each lane may always
 * begin. */
struct pace *pace_new(size_t kinds, int64_t least_rate);
void pace_free(struct pace *p);
void pace_set_least_rate(struct pace *p, int64_t least_rate);

/* Requests that are answered now; of kinds that are not below `kinds` nothing is remembered. */
struct pace_request {
    size_t kind;
    int64_t begun_us; /* when it came */
};
void pace_served(struct pace *p, const struct pace_request *all, size_t n, int64_t now_us);
/* A client has made one more item that is to be worked on soon. */
void pace_owe(struct pace *p, enum pace_lane lane);

/* May an item begin? 0: it does; otherwise ask again after so many microseconds, or sooner. */
int64_t pace_ask(struct pace *p, enum pace_lane lane, int64_t now_us);
/* Work of a job, held back or not, is begun; has ended. */
void pace_begin(struct pace *p, int64_t now_us);
void pace_end(struct pace *p, int64_t now_us);

#endif
