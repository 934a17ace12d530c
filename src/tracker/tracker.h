/* SPDX-License-Identifier: MIT */
/* The tracker as a whole: what starts in which order, and how it ends. */
#ifndef MOG_TRACKER_TRACKER_H
#define MOG_TRACKER_TRACKER_H

#include "common/err.h"

struct tracker;

/* Never NULL; tracker_free() at any stage afterwards. */
struct tracker *tracker_new(void);
void tracker_free(struct tracker *t);

/*
 * The steps, in this order; each fails with a text in `f`, which main prints. tracker_load() gives MOG_ECANCELED when
 * there is nothing to run (--help, --check-config).
 */
MOG_MUSTCHECK enum mog_err tracker_load(struct tracker *t, int argc, char **argv, struct mog_fail *f);
MOG_MUSTCHECK enum mog_err tracker_check_user(struct tracker *t, struct mog_fail *f);
MOG_MUSTCHECK enum mog_err tracker_check_database(struct tracker *t, struct mog_fail *f);
MOG_MUSTCHECK enum mog_err tracker_listen(struct tracker *t, struct mog_fail *f);
MOG_MUSTCHECK enum mog_err tracker_enter(struct tracker *t, struct mog_fail *f); /* daemon, log, pid file */
MOG_MUSTCHECK enum mog_err tracker_run(struct tracker *t, struct mog_fail *f);   /* until it is told to end */

#endif
