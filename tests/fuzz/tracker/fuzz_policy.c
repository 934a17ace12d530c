/* SPDX-License-Identifier: MIT */
/* Texts that operators type: replication policies, rebalance policies and states, netmasks. */
#include "tracker/cluster/netmask.h"
#include "tracker/policy/policy.h"
#include "tracker/policy/rebalance.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_make((const char *)data, size);
    struct policy *p = NULL;
    struct rebalance_policy r;
    struct rebalance_state s;
    struct netmask m;
    struct mog_fail f;
    if (policy_parse(text, &p, &f) == MOG_OK)
        policy_free(p);
    if (rebalance_policy_parse(text, &r, &f) == MOG_OK)
        rebalance_policy_fini(&r);
    if (rebalance_state_parse(text, &s, &f) == MOG_OK) {
        struct buf b = BUF_ZERO;
        rebalance_state_format(&s, &b);
        buf_fini(&b);
        rebalance_state_fini(&s);
    }
    (void)!netmask_parse(text, &m);
    return 0;
}
