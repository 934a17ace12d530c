/* SPDX-License-Identifier: MIT */
/* The settings that may change while the daemon runs, readable from any thread. */
#ifndef MOG_MOGSTORED_SETTINGS_H
#define MOG_MOGSTORED_SETTINGS_H

#include "common/netlist.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct sockaddr;

/* Invariant: `allow` is read and replaced under `lock`; an empty list allows everybody. */
struct settings {
    _Atomic bool is_synced;     /* an acknowledged upload is on disk */
    _Atomic bool is_readonly;   /* uploads and deletions are refused */
    _Atomic bool strict_mounts; /* a device must be a mount point */
    _Atomic int put_status;     /* 201 or 200 */
    pthread_rwlock_t lock;
    struct netlist allow;
};

void settings_init(struct settings *s);
void settings_fini(struct settings *s);

/* Replace the list (takes its entries). Any thread. */
void settings_set_allow(struct settings *s, struct netlist *list);

/* May a client at `sa` write and use the side channel? Any thread. */
bool settings_is_allowed(struct settings *s, const struct sockaddr *sa);

#endif
