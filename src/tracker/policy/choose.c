/* SPDX-License-Identifier: MIT */
/* Weighted random order. */
#include "tracker/policy/choose.h"

#include <stdlib.h>

enum { SHORT_LIST = 20 };

size_t choose_order(struct rng *rng, struct choose_item *items, size_t n)
{
    size_t kept = 0;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].weight > 0.0) {
            sum += items[i].weight;
            items[kept++] = items[i];
        }
    }
    for (size_t place = 0; place + 1 < kept; place++) {
        double point = rng_unit(rng) * sum;
        size_t pick = place;
        while (pick + 1 < kept && point >= items[pick].weight) {
            point -= items[pick].weight;
            pick++;
        }
        struct choose_item chosen = items[pick];
        items[pick] = items[place];
        items[place] = chosen;
        sum -= chosen.weight;
    }
    return kept;
}

static int by_free_share(const void *a, const void *b)
{
    bool known = false;
    double x = cluster_device_free_share(((const struct choose_item *)a)->device, &known);
    double y = cluster_device_free_share(((const struct choose_item *)b)->device, &known);
    return x > y ? -1 : x < y;
}

size_t choose_destinations(struct rng *rng, struct choose_item *items, size_t n)
{
    if (n > SHORT_LIST) {
        /* Shuffled first, so that equals (new devices of unknown usage) all get their turn in the short list. */
        rng_shuffle(rng, items, n, sizeof(*items));
        qsort(items, n, sizeof(*items), by_free_share);
        n = SHORT_LIST;
    }
    for (size_t i = 0; i < n; i++)
        items[i].weight = cluster_device_space_weight(items[i].device);
    return choose_order(rng, items, n);
}
