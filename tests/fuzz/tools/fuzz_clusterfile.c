/* SPDX-License-Identifier: MIT */
/* Cluster files, and the plans made from them for an empty cluster. */
#include <stddef.h>
#include <stdint.h>

#include "tools/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cluster nothing = CLUSTER_ZERO;
    struct clusterfile c;
    struct plan p = {.n = 0};
    struct mog_fail f;
    clusterfile_init(&c, "file");
    if (clusterfile_parse(&c, span_make((const char *)data, size), &f) == MOG_OK &&
        plan_make(&p, &c, &nothing, true, &f) == MOG_OK)
        (void)p.n;
    plan_fini(&p);
    clusterfile_fini(&c);
    return 0;
}
