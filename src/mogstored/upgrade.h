/* SPDX-License-Identifier: MIT */
/* What SIGUSR2 does: a new process, perhaps of a new binary, takes the listening sockets over, and then our place. */
#ifndef MOG_MOGSTORED_UPGRADE_H
#define MOG_MOGSTORED_UPGRADE_H

#include <stdbool.h>

struct stored;

enum { UPGRADE_POLL_MS = 20 };

/*
 * Start it. Our pid is in "<pidfile>.oldbin" from now on; the new process writes the pid file when it serves. A second
 * one is refused while the first is on its way.
 */
void upgrade_start(struct stored *s);

/* Is a new process on its way? Then upgrade_check() is to be called every UPGRADE_POLL_MS. */
bool upgrade_is_pending(const struct stored *s);

/* True: the new process serves, and we leave. When it has failed, or takes too long, all is as it was before. */
bool upgrade_check(struct stored *s);

/* At the end: our pid file, under the name that it has now; a new process that does not serve yet is ended. */
void upgrade_stop(struct stored *s);
void upgrade_remove_pidfile(const struct stored *s);

#endif
