/* SPDX-License-Identifier: MIT */
/* Numbers for monitoring, in the text format of Prometheus, on a port of their own. */
#ifndef MOG_MOGSTORED_METRICS_H
#define MOG_MOGSTORED_METRICS_H

#include "common/err.h"

struct buf;
struct devices;
struct http;

/* Append all of it. Any thread; never blocks on a disk. */
void metrics_format(struct devices *ds, struct http *h, struct buf *out);

/*
 * Answer GET /metrics (and /) on the listening socket `fd` (stays the caller's), with the numbers of `h`. MOG_EIO.
 * Starts threads of its own, so that it answers when all places of `h` are taken. `*out` is for metrics_stop.
 */
MOG_MUSTCHECK enum mog_err metrics_serve(int fd, struct devices *ds, struct http *h, struct http **out,
                                         struct mog_fail *f);

/* NULL is fine. */
void metrics_stop(struct http *server);

#endif
