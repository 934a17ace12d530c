/* SPDX-License-Identifier: MIT */
/* The thread of a device that measures it round by round and clears away what others left behind. */
#ifndef MOG_MOGSTORED_JANITOR_H
#define MOG_MOGSTORED_JANITOR_H

#include "common/err.h"

struct device;
struct janitor;

/*
 * Start the thread; the first round runs at once, the others every `round_s` seconds (sooner while it is faulty).
 * Without a thread the device has a fault until janitor_start() could start one.
 */
struct janitor *janitor_new(struct device *d, unsigned round_s);
/* Start the thread if it is missing. Any thread. */
void janitor_start(struct janitor *j);

/* Clear away what is still there and end the thread. From then on janitor_give does its work at once, and may block. */
void janitor_stop(struct janitor *j);
void janitor_free(struct janitor *j); /* after janitor_stop */

/*
 * Log a warning on the janitor's thread, for callers that must not wait for a log. Dropped when many wait already: who
 * fails by the thousand is heard all the same. Any thread; formatted text.
 */
void janitor_warn(struct janitor *j, const char *fmt, ...) MOG_PRINTF(2, 3);

/* Measure soon. Any thread. */
void janitor_kick(struct janitor *j);

/* Call device_release_followers() in DEVICE_FOLLOW_MS, and again while it asks for that. Any thread. */
void janitor_watch(struct janitor *j);

/*
 * Unlink `name` in `dirfd` (when `name` is not "") and close both descriptors (each may be -1; both are taken): calls
 * that may block, for callers that must not. Any thread.
 */
void janitor_give(struct janitor *j, int fd, int dirfd, const char *name);

#endif
