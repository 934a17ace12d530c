/* SPDX-License-Identifier: MIT */
/* Utilisation of devices, as storage nodes stream it over their side channel. Own thread, own event loop. */
#ifndef MOG_TRACKER_MONITOR_MONITOR_IOSTAT_H
#define MOG_TRACKER_MONITOR_MONITOR_IOSTAT_H

#include "tracker/cluster/cluster.h"

#include <stdint.h>

struct monitor_iostat;

/* NULL when no thread can be started (logged): the monitor goes on without. */
struct monitor_iostat *monitor_iostat_start(uint16_t port);
void monitor_iostat_stop(struct monitor_iostat *io);

/* Watch exactly the reachable hosts of `c` from now on. */
void monitor_iostat_watch(struct monitor_iostat *io, const struct cluster *c);

/* Per cent; negative: unknown, or not reported for a minute. */
double monitor_iostat_get(struct monitor_iostat *io, uint32_t devid);

#endif
