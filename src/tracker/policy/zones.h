/* SPDX-License-Identifier: MIT */
/* What is wrong with the network zones of the settings. Pure. */
#ifndef MOG_TRACKER_POLICY_ZONES_H
#define MOG_TRACKER_POLICY_ZONES_H

#include "common/buf.h"
#include "tracker/cluster/cluster.h"

/* Append one line for each zone of `network_zones` without usable masks, and for each mask that two zones have. */
void zones_problems(const struct cluster *c, struct buf *out);

#endif
