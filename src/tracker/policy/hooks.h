/* SPDX-License-Identifier: MIT */
/*
 * What a site can change in the choice of devices. The original lets Perl plugins do that; here each is a row of the
 * table in hooks.c, switched on by its name in the key `plugins`. To add one: write its functions, add the row, name it
 * in mogilefsd.conf(5), test it in test_hooks.c. A replication policy is added likewise: a struct policy_ops in a file
 * of its own, and its row in policy.c.
 */
#ifndef MOG_TRACKER_POLICY_HOOKS_H
#define MOG_TRACKER_POLICY_HOOKS_H

#include "common/err.h"
#include "tracker/policy/choose.h"

struct hooks;

/* One plugin. Each function may reorder `items` (never add or drop any); NULL: it does not care. Pure, on any thread.
 */
struct hook_ops {
    const char *name;
    /* Destinations of an upload, best first, for a client at `client_ip` (host byte order; 0: unknown). */
    void (*order_destinations)(const struct hooks *h, const struct cluster *c, uint32_t client_ip,
                               struct choose_item *items, size_t n);
    /* Copies that a client can read, best first. */
    void (*order_paths)(const struct hooks *h, const struct cluster *c, uint32_t client_ip, struct choose_item *items,
                        size_t n);
    /* Sources for this tracker's own copying, best first. */
    void (*order_sources)(const struct hooks *h, const struct cluster *c, struct choose_item *items, size_t n);
};

/* Whether `name` is a plugin of the table. */
bool hooks_exist(const char *name);

/*
 * The plugins of these names, in this order. local_network: a netmask, or NULL. MOG_EINVAL: an unknown name, or a
 * local_network that is no netmask or that a plugin needs and is missing; the text says which. Immutable; free when no
 * snapshot has it.
 */
MOG_MUSTCHECK enum mog_err hooks_new(const char *const *names, size_t n, const char *local_network, struct hooks **out,
                                     struct mog_fail *f);
void hooks_free(struct hooks *h);

/* Run the plugins of the snapshot's configuration over a list; nothing without plugins. */
void hooks_order_destinations(const struct cluster *c, uint32_t client_ip, struct choose_item *items, size_t n);
void hooks_order_paths(const struct cluster *c, uint32_t client_ip, struct choose_item *items, size_t n);
void hooks_order_sources(const struct cluster *c, struct choose_item *items, size_t n);

#endif
