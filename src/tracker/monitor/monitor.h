/* SPDX-License-Identifier: MIT */
/* The monitor: reads the small tables, checks every device, and publishes a snapshot of the cluster. One per tracker.
 */
#ifndef MOG_TRACKER_MONITOR_MONITOR_H
#define MOG_TRACKER_MONITOR_MONITOR_H

#include "common/err.h"
#include "common/metric.h"
#include "store/store.h"
#include "tracker/cluster/cluster_box.h"
#include "tracker/node/node.h"

#include <stdbool.h>
#include <stdint.h>

struct monitor;

struct monitor_config {
    struct cluster_config cluster;
    int64_t conn_timeout_ms; /* for each request of a check */
    uint16_t stream_port;
};

struct monitor_parts {
    struct store_env *env;
    struct cluster_box *box;
    struct node_shared *nodes;
};

/*
 * Starts the monitor's threads; the first snapshot is published soon after. The parts outlive the monitor. NULL: the
 * system gives no thread.
 */
struct monitor *monitor_start(const struct monitor_parts *parts, const struct monitor_config *config);
/* New values from the next round on. Any thread. */
void monitor_set_config(struct monitor *m, const struct monitor_config *config);
/* Ends the threads (cluster_box_stop() must have been called) and frees. NULL is fine. */
void monitor_stop(struct monitor *m);

/* Whether rounds are wanted (the default): without them nothing is reloaded or checked. Any thread. */
void monitor_want(struct monitor *m, bool wanted);
bool monitor_is_wanted(struct monitor *m);

/* The number of its thread, for !jobs. */
uint32_t monitor_number(struct monitor *m);

/* Milliseconds since the last reload that succeeded, for health checks; negative: none yet. Any thread. */
int64_t monitor_reload_age_ms(struct monitor *m);
/* How long its rounds took. Any thread. */
const struct metric_histogram *monitor_rounds(const struct monitor *m);

#endif
