/* SPDX-License-Identifier: MIT */
/* Weighted random choices of devices: pure functions of their arguments and the generator's state. */
#ifndef MOG_TRACKER_POLICY_CHOOSE_H
#define MOG_TRACKER_POLICY_CHOOSE_H

#include "common/rng.h"
#include "tracker/cluster/cluster.h"

#include <stddef.h>

struct choose_item {
    const struct cluster_device *device;
    double weight;
};

/*
 * Put `items` into a weighted random order: each place is drawn with a probability proportional to the remaining
 * weights. Items with a weight of 0 or less are dropped. Returns how many are left, at the front.
 */
size_t choose_order(struct rng *rng, struct choose_item *items, size_t n);

/*
 * The choice of destinations: sort by free share, keep the first 20, order them by their space weight.
 * `items`: only `device` need be set. Returns how many are left, at the front.
 */
size_t choose_destinations(struct rng *rng, struct choose_item *items, size_t n);

#endif
