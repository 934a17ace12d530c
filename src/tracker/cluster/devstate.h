/* SPDX-License-Identifier: MIT */
/* States of hosts and devices, as set by operators and as seen by the monitor, and what each allows. */
#ifndef MOG_TRACKER_CLUSTER_DEVSTATE_H
#define MOG_TRACKER_CLUSTER_DEVSTATE_H

#include "common/span.h"

#include <stdbool.h>

enum host_status { HOST_ALIVE, HOST_READONLY, HOST_DOWN, HOST_DEAD };
enum device_status { DEVICE_ALIVE, DEVICE_READONLY, DEVICE_DRAIN, DEVICE_DOWN, DEVICE_DEAD };

/* What the monitor of this tracker has seen; kept in memory only. */
enum host_seen { HOST_NOT_SEEN, HOST_REACHABLE, HOST_UNREACHABLE };
enum device_seen { DEVICE_NOT_SEEN, DEVICE_WRITEABLE, DEVICE_READABLE, DEVICE_UNREACHABLE };

/* What a device's status lets us do, the state of its host left aside. */
struct device_rights {
    bool read, write /* and delete */, new_files, drain, dead, monitored;
};

const struct device_rights *devstate_rights(enum device_status s);

/* Words as they stand in the database and on the wire. False: unknown word. */
bool devstate_parse_host(struct span word, enum host_status *out);
bool devstate_parse_device(struct span word, enum device_status *out);
const char *devstate_host_word(enum host_status s);
const char *devstate_device_word(enum device_status s);
const char *devstate_host_seen_word(enum host_seen s);     /* "" when not seen */
const char *devstate_device_seen_word(enum device_seen s); /* "" when not seen */

#endif
