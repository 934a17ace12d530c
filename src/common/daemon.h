/* SPDX-License-Identifier: MIT */
/* Becoming a daemon: fork, pid file, user, limits, readiness. */
#ifndef MOG_COMMON_DAEMON_H
#define MOG_COMMON_DAEMON_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Standard streams that are closed are opened, so that no socket or file gets their numbers, and with them what is
 * meant for a terminal. What is read there is at its end with an error, and writing fails. First of all in main().
 */
void daemon_open_streams(void);

/*
 * Detach as the original does: fork, setsid, fork, chdir "/", umask 022, standard streams to /dev/null.
 * Returns in the grandchild; before any thread is started. The first process exits with 0 only after the
 * grandchild has called daemon_ready(), or with 1 when it ends without it, so that start-up failures are seen.
 */
MOG_MUSTCHECK enum mog_err daemon_detach(struct mog_fail *f);

/* Start-up is complete: lets a waiting parent go, and tells systemd, where it asked for it. */
void daemon_ready(void);
/* Tell systemd that we stop or reload ("STOPPING=1", "RELOADING=1"...); nothing without systemd. */
void daemon_notify(const char *state);

/*
 * Create or overwrite `path` (mode 0644) with "<pid>\n". One that belongs to somebody else is replaced, if its folder
 * lets us. MOG_EIO with errno in `f`.
 */
MOG_MUSTCHECK enum mog_err daemon_pidfile_write(const char *path, struct mog_fail *f);
void daemon_pidfile_remove(const char *path);

/* Become `user` (with its groups) when started as root; checked for existence. */
MOG_MUSTCHECK enum mog_err daemon_become(const char *user, struct mog_fail *f);

/* Overwrite `secret` (NULL and "" are nothing) wherever it stands in the arguments, for those who list processes. */
void daemon_hide(int argc, char **argv, const char *secret);

/* Raise the soft limit of descriptors to at least `want`, as far as the hard limit lets us; returns what holds. */
size_t daemon_raise_nofile(size_t want);

#endif
