/* SPDX-License-Identifier: MIT */
/* Checks of devices, many at a time, each on a thread of its own pool. */
#ifndef MOG_TRACKER_MONITOR_MONITOR_PROBE_H
#define MOG_TRACKER_MONITOR_MONITOR_PROBE_H

#include "store/store_topology.h"
#include "tracker/monitor/monitor_seen.h"
#include "tracker/node/node.h"

struct monitor_probe;

struct monitor_probe *monitor_probe_new(struct node_shared *nodes, struct monitor_seen *seen);
void monitor_probe_free(struct monitor_probe *p);

/*
 * Check every monitored device of `c`. Devices of one host are asked one at a time until one has answered, then all at
 * once; when a host lets a request run into its deadline first, its remaining devices are skipped. `c` must stay until
 * the round is over.
 */
void monitor_probe_begin(struct monitor_probe *p, const struct cluster *c, int64_t timeout_ms);
/* Wait up to `ms`; true when the round is over. */
bool monitor_probe_wait(struct monitor_probe *p, int64_t ms);
/* The usages that the last round brought; the caller frees `*rows`. After the round. */
void monitor_probe_take_usage(struct monitor_probe *p, struct store_usage **rows, size_t *n);

#endif
