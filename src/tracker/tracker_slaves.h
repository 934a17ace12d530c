/* SPDX-License-Identifier: MIT */
/* Read slaves of a MySQL database, as the settings name them. */
#ifndef MOG_TRACKER_TRACKER_SLAVES_H
#define MOG_TRACKER_TRACKER_SLAVES_H

#include "store/store.h"
#include "tracker/cluster/cluster.h"

/* Hand the slaves of the settings to the store. Cheap when nothing has changed. Bad entries are logged and left out. */
void tracker_slaves_apply(struct store_env *env, const struct cluster *c, bool log_bad);

#endif
