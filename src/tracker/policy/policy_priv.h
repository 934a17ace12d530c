/* SPDX-License-Identifier: MIT */
/* What the policies share among themselves. */
#ifndef MOG_TRACKER_POLICY_POLICY_PRIV_H
#define MOG_TRACKER_POLICY_POLICY_PRIV_H

#include "tracker/policy/choose.h"
#include "tracker/policy/policy.h"

struct policy_ops;

struct policy_zone_count {
    char *zone;
    uint32_t count;
};

struct policy {
    const struct policy_ops *ops;
    uint32_t count; /* the number in parentheses; 0: the class's mindevcount */
    struct policy_zone_count *zones;
    size_t n_zones, cap_zones;
    struct policy **parts; /* of a union */
    size_t n_parts, cap_parts;
};

/* Reads the arguments from `*text` (behind the opening parenthesis) up to and including the closing one. */
typedef enum mog_err policy_parse_fn(struct policy *p, struct span *text, struct mog_fail *f);
typedef void policy_ask_fn(const struct policy *p, const struct policy_question *q, struct policy_answer *a);

struct policy_ops {
    const char *name;
    policy_parse_fn *parse_args;
    policy_ask_fn *ask;
};

extern const struct policy_ops policy_multiple_hosts, policy_multiple_devices, policy_multiple_networks,
    policy_hosts_per_network, policy_union;

/* "( [digits] )" */
enum mog_err policy_parse_count(struct policy *p, struct span *text, struct mog_fail *f);
/* One policy from the front of `*text`, which is moved behind it. */
enum mog_err policy_parse_one(struct span *text, struct policy **out, struct mog_fail *f);
void policy_skip_blanks(struct span *text);
bool policy_take_char(struct span *text, char c); /* after blanks */
enum mog_err policy_args_error(const struct policy *p, struct span rest, struct mog_fail *f);

/* ---- facts about a question ---- */

struct policy_facts {
    const struct cluster_device **on;
    size_t n_on;
    size_t hosts_on;    /* distinct hosts among them */
    size_t hosts_total; /* distinct hosts that own at least one device with status alive */
    size_t disks_total; /* devices that are not dead */
};
void policy_facts_init(struct policy_facts *facts, const struct policy_question *q);
void policy_facts_fini(struct policy_facts *facts);
bool policy_facts_has_host(const struct policy_facts *facts, uint32_t hostid);

/* Devices that could take the next copy; the caller frees the array. */
struct choose_item *policy_eligible(const struct policy_question *q, const struct policy_facts *facts, size_t *n);

/* Append `items` in the order of the destination choice to one of the answer's lists. */
void policy_add_ideal(const struct policy_question *q, struct policy_answer *a, struct choose_item *items, size_t n);
void policy_add_desperate(const struct policy_question *q, struct policy_answer *a, struct choose_item *items,
                          size_t n);

/* ---- networks ---- */

/* Text that identifies the network of `ip`; `zones_only`: "" outside all zones, else its /16. The caller frees. */
char *policy_network_of(const struct cluster *c, const char *ip, bool zones_only);

#endif
