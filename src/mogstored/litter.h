/* SPDX-License-Identifier: MIT */
/* Clearing away temporary files that an earlier process left on a device when it was killed. */
#ifndef MOG_MOGSTORED_LITTER_H
#define MOG_MOGSTORED_LITTER_H

struct device;
struct litter;

/*
 * Walk the device on a thread of its own, with idle I/O priority, and unlink files that bear a temporary name of ours
 * and belong to a process that is gone. NULL when no thread can be started.
 */
struct litter *litter_start(struct device *d);

/* Ends the walk early. NULL is fine. */
void litter_stop(struct litter *l);

#endif
