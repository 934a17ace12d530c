/* SPDX-License-Identifier: MIT */
/* Restart without a refused connection: a new process is started, and takes our place when it serves. */
#ifndef MOG_TRACKER_TRACKER_SUCCESSION_H
#define MOG_TRACKER_TRACKER_SUCCESSION_H

#include "common/handover.h"

#include <stdbool.h>
#include <stddef.h>

enum { SUCCESSION_DATA_MAX = 16384 };

struct event_base;
struct succession;

/* `taken(arg)` is called in the loop when a new process serves. Nothing here blocks. Loop thread. */
struct succession *succession_new(struct event_base *base, void (*taken)(void *arg), void *arg);
void succession_free(struct succession *s); /* NULL is fine; a new process that serves goes on */

/* Start the new process. Refused, with a line in the log, while one is there. */
void succession_start(struct succession *s, const struct handover_offer *offer);

/* Once a second: a new process that takes too long is ended, and we go on. */
void succession_tick(struct succession *s);

/*
 * Give a connection, with some bytes about it, to the process that has taken our place. True: it has it, and ours is to
 * be closed. False: not now, or not at all.
 */
bool succession_give(struct succession *s, int fd, const void *data, size_t len);

/*
 * The other side: `adopt(arg, fd, data, len)` takes each connection that comes on `channel` (taken; -1: none come). In
 * the loop.
 */
void succession_adopt(struct succession *s, int channel, void (*adopt)(void *arg, int fd, const void *data, size_t len),
                      void *arg);

/* End the process that has. */
void succession_end(const struct succession *s);

#endif
