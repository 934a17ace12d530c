/* SPDX-License-Identifier: MIT */
/* The usage file of a storage node's device. */
#ifndef MOG_TOOLS_USAGE_H
#define MOG_TOOLS_USAGE_H

#include "common/span.h"

#include <stdbool.h>

struct usage {
    double total_kib, used_kib, available_kib;
};

/*
 * Parse "name: value" lines. False when a needed field (available, device, disk) is missing or empty (`*missing` is its
 * name), or when the text has no field at all (`*missing` is NULL). Other numbers that are missing count as 0.
 */
bool usage_parse(struct usage *u, struct span text, const char **missing);

/* How full, in percent; 0 for a device of no size. */
double usage_percent(double available_kib, double total_kib);

#endif
