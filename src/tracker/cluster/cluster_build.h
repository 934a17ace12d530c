/* SPDX-License-Identifier: MIT */
/* Rows of the database and observations of the monitor, made into a snapshot. */
#ifndef MOG_TRACKER_CLUSTER_CLUSTER_BUILD_H
#define MOG_TRACKER_CLUSTER_CLUSTER_BUILD_H

#include "store/store_topology.h"
#include "tracker/cluster/cluster.h"

/* What the monitor has seen of one device or host. */
struct cluster_seen {
    uint32_t id; /* devid or hostid */
    enum host_seen host;
    enum device_seen device;
    double utilization; /* negative: unknown */
    bool rejects_bad_md5;
};

/* Sorted by id, each. */
struct cluster_observations {
    struct cluster_seen *hosts, *devices;
    size_t n_hosts, n_devices;
};

/* The entry of `id`, or NULL. */
const struct cluster_seen *cluster_seen_find(const struct cluster_seen *rows, size_t n, uint32_t id);

/*
 * A new snapshot with everything copied; freed by cluster_free(). Devices with an unknown status count as down and
 * are named in the log once per call with `log_bogus`.
 */
struct cluster *cluster_build(const struct store_topology *t, const struct cluster_observations *seen,
                              const struct cluster_config *config, bool log_bogus);
void cluster_free(struct cluster *c);

#endif
