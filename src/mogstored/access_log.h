/* SPDX-License-Identifier: MIT */
/* The file with one line a request, written by a thread of its own: no request ever waits for it. */
#ifndef MOG_MOGSTORED_ACCESS_LOG_H
#define MOG_MOGSTORED_ACCESS_LOG_H

#include "common/err.h"

#include <stdint.h>

struct access_log;

struct access_entry {
    const char *peer, *method, *target; /* copied; bytes that would spoil the line are replaced */
    int status;
    uint64_t bytes, took_us;
};

/* Open `path` for appending and start the thread. MOG_EIO with the detail in `f`. */
MOG_MUSTCHECK enum mog_err access_log_open(const char *path, struct access_log **out, struct mog_fail *f);

/* Write what is there and free. NULL is fine. */
void access_log_close(struct access_log *a);

/* One line. Dropped (and counted) when the file is too slow. NULL is fine. Any thread; never blocks on the file. */
void access_log_add(struct access_log *a, const struct access_entry *entry);

/* The file was moved away: open it anew. NULL is fine. */
void access_log_reopen(struct access_log *a);

#endif
