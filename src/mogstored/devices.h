/* SPDX-License-Identifier: MIT */
/* All devices of the docroot: found at the start, every few seconds, and when a request names a new one. */
#ifndef MOG_MOGSTORED_DEVICES_H
#define MOG_MOGSTORED_DEVICES_H

#include "common/err.h"
#include "mogstored/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct devices;

struct devices_opts {
    const char *docroot; /* an existing directory; made absolute */
    unsigned threads;    /* of each device */
    unsigned round_s;    /* between two measurements of a device */
};

/* A look for a device that is not known yet; embedded in what waits for it. */
struct devices_search {
    uint32_t id;
    struct device *found;                   /* the answer, NULL: there is no such directory */
    void (*done)(struct devices_search *s); /* on a thread of ours; `s` may be freed in it */
};

/* Open the docroot. MOG_ENOTFOUND, MOG_EPERM with the detail in `f`. Starts no thread. */
MOG_MUSTCHECK enum mog_err devices_new(const struct devices_opts *opts, struct settings *settings, struct devices **out,
                                       struct mog_fail *f);

/* Look for devices, start their threads, wait a moment for their first measurement, and keep looking. MOG_EIO. */
MOG_MUSTCHECK enum mog_err devices_start(struct devices *ds, struct mog_fail *f);

/* End all threads; what waits is dropped. Blocks as long as a running job does. Devices stay valid. */
void devices_stop(struct devices *ds);
void devices_free(struct devices *ds); /* after devices_stop */

/* NULL when it is not known (yet). The device lives as long as `ds`. Any thread; never blocks on a disk. */
struct device *devices_find(struct devices *ds, uint32_t id);

/* Look for it on the disk, on a thread of ours. False when too many look already, or while stopping. Any thread. */
MOG_MUSTCHECK bool devices_search(struct devices *ds, struct devices_search *s);

/*
 * All devices, in order of their ids, in a new array (caller frees; the devices are not its own). Any thread.
 */
struct device **devices_list(struct devices *ds, size_t *n);

/* For all devices, now and later. Any thread. */
void devices_set_threads(struct devices *ds, unsigned threads);

/* Look for new ones, and measure all of them, soon. Any thread. */
void devices_kick(struct devices *ds);

#endif
