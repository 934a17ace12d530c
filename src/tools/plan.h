/* SPDX-License-Identifier: MIT */
/* What has to be asked of a tracker so that a cluster gets the shape of a file. Pure: nothing is asked here. */
#ifndef MOG_TOOLS_PLAN_H
#define MOG_TOOLS_PLAN_H

#include "common/err.h"
#include "common/kv.h"
#include "common/opt.h"
#include "tools/cluster.h"
#include "tools/clusterfile.h"

#include <stdbool.h>
#include <stddef.h>

struct plan_action {
    char *text;          /* "create host hosta: ip 10.0.0.1, port 7500" */
    const char *command; /* of the tracker */
    struct kv args;
};

struct plan {
    struct plan_action *actions; /* in the order in which they must be done */
    size_t n, cap;
    struct opt_list notes; /* what differs and will not be changed */
};

void plan_fini(struct plan *p);

/*
 * Compare. What the file does not mention stays as it is; with `prune`, domains, classes, hosts and settings that it
 * does not name are deleted, each only when the file has that section. Devices are never deleted.
 * MOG_EINVAL: the file wants what cannot be ("PATH:LINE: ...").
 */
MOG_MUSTCHECK enum mog_err plan_make(struct plan *p, const struct clusterfile *want, const struct cluster *have,
                                     bool prune, struct mog_fail *f);

#endif
