/* SPDX-License-Identifier: MIT */
/* IPv4 netmasks in the spellings that administrators use for zones and alternate addresses. */
#ifndef MOG_TRACKER_CLUSTER_NETMASK_H
#define MOG_TRACKER_CLUSTER_NETMASK_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

struct netmask {
    uint32_t base, mask; /* host byte order; base has no bits outside mask */
    bool never;          /* an IPv6 network: parses, matches no IPv4 address */
};

/*
 * "a.b.c.d/bits", "a.b.c.d:netmask", "a.b.c.d/netmask", "a.b.c.d#hostmask", "a.b.c.d", "any", "default",
 * "a.b.c.d-e.f.g.h" (when it is exactly one block), and IPv6 CIDR. MOG_ESYNTAX otherwise. Pure.
 */
MOG_MUSTCHECK enum mog_err netmask_parse(struct span text, struct netmask *out);

/* "a.b.c.d" to a number in host byte order. MOG_ESYNTAX. */
MOG_MUSTCHECK enum mog_err netmask_parse_ip(struct span text, uint32_t *ip);

bool netmask_has(const struct netmask *m, uint32_t ip);
unsigned netmask_bits(const struct netmask *m);

#endif
