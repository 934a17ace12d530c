/* SPDX-License-Identifier: MIT */
/* What has been seen of hosts and devices: written by probes, read when a snapshot is built. Any thread. */
#ifndef MOG_TRACKER_MONITOR_MONITOR_SEEN_H
#define MOG_TRACKER_MONITOR_MONITOR_SEEN_H

#include "tracker/cluster/cluster_build.h"

#include <stdbool.h>
#include <stdint.h>

struct monitor_seen;

struct monitor_seen *monitor_seen_new(void);
void monitor_seen_free(struct monitor_seen *s);

/* Setters return true when the state was another one before. */
bool monitor_seen_set_host(struct monitor_seen *s, uint32_t hostid, enum host_seen state);
bool monitor_seen_set_device(struct monitor_seen *s, uint32_t devid, enum device_seen state);
/* Nothing is known of it, as of a new one. */
void monitor_seen_forget_device(struct monitor_seen *s, uint32_t devid);
void monitor_seen_set_utilization(struct monitor_seen *s, uint32_t devid, double percent);
void monitor_seen_set_md5(struct monitor_seen *s, uint32_t devid, bool rejects);

enum host_seen monitor_seen_host(struct monitor_seen *s, uint32_t hostid);
enum device_seen monitor_seen_device(struct monitor_seen *s, uint32_t devid);

/* Whether a test write is due (15 s after the last); marks it as done now. `force`: whatever the time. */
bool monitor_seen_begin_test(struct monitor_seen *s, uint32_t devid, bool force);
/* Whether a complaint about the device may be logged now (once a minute, and at each change). */
bool monitor_seen_may_log(struct monitor_seen *s, uint32_t devid, bool changed);
/* Whether anything was complained of since the last call: then its end is news, too. */
bool monitor_seen_take_complaint(struct monitor_seen *s, uint32_t devid);

/* Whether anything changed since the last call. */
bool monitor_seen_take_changed(struct monitor_seen *s);

/* Run `build` with a consistent view. */
struct cluster *monitor_seen_build(struct monitor_seen *s, const struct store_topology *t,
                                   const struct cluster_config *config, bool log_bogus);

#endif
