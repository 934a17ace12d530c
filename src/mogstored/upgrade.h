/* SPDX-License-Identifier: MIT */
/* What SIGUSR2 does: a new process, perhaps of a new binary, that shares the listening sockets with this one. */
#ifndef MOG_MOGSTORED_UPGRADE_H
#define MOG_MOGSTORED_UPGRADE_H

#include <stdbool.h>

struct stored;

/*
 * Start it. The pid file becomes "<pidfile>.oldbin" with our pid, and the new process writes its own. The operator
 * sends SIGQUIT to us when the new one serves. A second one is refused while the first lives.
 */
void upgrade_start(struct stored *s);

/* A child has ended: if it was the new process, things are as they were before. */
void upgrade_reap(struct stored *s);

/* At the end: our pid file, under the name that it has now. */
void upgrade_remove_pidfile(const struct stored *s);

/* Were we started in that way? Then we are in the background already. Valid from the start on. */
bool upgrade_is_successor(void);

#endif
