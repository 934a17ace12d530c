/* SPDX-License-Identifier: MIT */
/* What SIGHUP does: read the configuration again, apply what can change, name the rest; open the logs anew. */
#ifndef MOG_MOGSTORED_RELOAD_H
#define MOG_MOGSTORED_RELOAD_H

#include "common/err.h"

struct stored;
struct stored_options;

/* Put the values of `o` that may change into the live settings. MOG_ESYNTAX, MOG_EINVAL: nothing was changed. */
MOG_MUSTCHECK enum mog_err reload_apply_settings(struct stored *s, const struct stored_options *o, struct mog_fail *f);

/* A configuration that cannot be read leaves everything as it is, and is logged. The main thread. */
void reload(struct stored *s);

/* Open the log files anew, since they may have been moved away. */
void reload_logs(struct stored *s);

#endif
