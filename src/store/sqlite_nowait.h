/* SPDX-License-Identifier: MIT */
/* Reading SQLite's files only as far as the system has them in memory. */
#ifndef MOG_STORE_SQLITE_NOWAIT_H
#define MOG_STORE_SQLITE_NOWAIT_H

#include "common/err.h"

#include <stdbool.h>

/*
 * SQLite's own reads of files become ours, which are the same until sqlite_nowait_begin(). Before the first connection;
 * any thread, any number of times. Returns the name by which SQLite is to open the files of a connection that does not
 * wait (static); NULL: there can be none.
 */
const char *sqlite_nowait_init(void);

/*
 * Whether they have become ours, as far as this thread can tell: it has read some file of a database by them. One that
 * has just opened a connection has.
 */
bool sqlite_nowait_is_effective(void);

/* Until sqlite_nowait_end(), this thread's reads of what is not in memory fail. */
void sqlite_nowait_begin(void);
void sqlite_nowait_end(void);

/*
 * Between these two (MOG_OK elsewhere). MOG_OK: all that was asked for was there; MOG_EAGAIN: something was not;
 * MOG_EUNSUPPORTED: the file system does not say.
 */
enum mog_err sqlite_nowait_result(void);

#endif
