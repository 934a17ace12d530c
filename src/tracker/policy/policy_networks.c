/* SPDX-License-Identifier: MIT */
/* Policies that look at networks: MultipleNetworks and HostsPerNetwork, over the zones of the settings. */
#include "tracker/policy/policy_priv.h"

#include "common/mem.h"
#include "common/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest mask of zone `name` ("zone_<name>": masks between commas and blanks) that has `ip`. */
static bool zone_match(const struct cluster *c, struct span name, uint32_t ip, struct netmask *best)
{
    char setting[64];
    if (snprintf(setting, sizeof(setting), "zone_%.*s", (int)name.len, name.ptr) >= (int)sizeof(setting))
        return false;
    const char *masks = cluster_setting(c, setting);
    if (masks == NULL)
        return false;
    bool found = false;
    size_t at = 0, len = strlen(masks);
    while (at < len) {
        size_t part = strcspn(masks + at, ", \t");
        struct netmask m;
        if (part != 0 && netmask_parse(span_make(masks + at, part), &m) == MOG_OK && netmask_has(&m, ip) &&
            (!found || netmask_bits(&m) > netmask_bits(best))) {
            *best = m;
            found = true;
        }
        at += part + 1;
    }
    return found;
}

/* The same over all settings zone_*, whether network_zones lists them or not. */
static bool find_any_zone(const struct cluster *c, uint32_t ip, struct span *zone, struct netmask *mask)
{
    static const char prefix[] = "zone_";
    bool found = false;
    for (size_t i = 0; i < c->n_settings; i++) {
        struct netmask m;
        if (strncmp(c->settings[i].name, prefix, sizeof(prefix) - 1) != 0)
            continue;
        struct span name = span_of(c->settings[i].name + sizeof(prefix) - 1);
        if (zone_match(c, name, ip, &m) && (!found || netmask_bits(&m) > netmask_bits(mask))) {
            *mask = m;
            *zone = name;
            found = true;
        }
    }
    return found;
}

/* The zone of network_zones with the longest matching mask; false: in no zone. */
static bool find_zone(const struct cluster *c, uint32_t ip, struct span *zone, struct netmask *mask)
{
    const char *zones = cluster_setting(c, "network_zones");
    struct span rest = span_of(zones), name;
    bool found = false;
    while (span_split(&rest, ',', &name)) {
        struct netmask m;
        name = span_trim(name);
        if (name.len != 0 && zone_match(c, name, ip, &m) && (!found || netmask_bits(&m) > netmask_bits(mask))) {
            *mask = m;
            *zone = name;
            found = true;
        }
    }
    return found;
}

char *policy_network_of(const struct cluster *c, const char *ip, bool zones_only)
{
    uint32_t number = 0;
    struct span zone;
    struct netmask mask;
    if (netmask_parse_ip(span_of(ip), &number) != MOG_OK)
        return mem_strdup(zones_only ? "" : "default");
    if (zones_only ? find_any_zone(c, number, &zone, &mask) : find_zone(c, number, &zone, &mask)) {
        if (zones_only)
            return span_dup(zone);
    } else if (zones_only) {
        return mem_strdup("");
    } else {
        mask = (struct netmask){.base = number & 0xffff0000u, .mask = 0xffff0000u};
    }
    return mem_printf("%u.%u.%u.%u/%u", mask.base >> 24, mask.base >> 16 & 255, mask.base >> 8 & 255, mask.base & 255,
                      netmask_bits(&mask));
}

/* ---- sets of network names ---- */

struct names {
    char **items;
    size_t n, cap;
};

static bool names_have(const struct names *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->items[i], name) == 0)
            return true;
    }
    return false;
}

static void names_add(struct names *s, char *name /* takes */)
{
    if (names_have(s, name)) {
        free(name);
        return;
    }
    s->items = mem_grow(s->items, s->n, &s->cap, sizeof(*s->items));
    s->items[s->n++] = name;
}

static void names_fini(struct names *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i]);
    free(s->items);
}

static char *device_network(const struct cluster *c, const struct cluster_device *d)
{
    return policy_network_of(c, d->host != NULL ? d->host->ip : "", false);
}

/* ---- MultipleNetworks ---- */

static void collect_networks(const struct policy_question *q, const struct policy_facts *f, struct names *on,
                             struct names *total)
{
    for (size_t i = 0; i < f->n_on; i++)
        names_add(on, device_network(q->cluster, f->on[i]));
    for (size_t i = 0; i < q->cluster->n_devices; i++) {
        if (q->cluster->devices[i].status == DEVICE_ALIVE)
            names_add(total, device_network(q->cluster, &q->cluster->devices[i]));
    }
}

static size_t at_least_one(size_t n)
{
    return n != 0 ? n : 1;
}

static enum policy_verdict judge_networks(const struct policy_facts *f, size_t min, size_t networks_on,
                                          size_t networks_total)
{
    size_t target = min < networks_total ? min : networks_total;
    if (min == 1 && f->n_on >= 1)
        return POLICY_ALL_GOOD;
    if (f->n_on >= 2 && f->n_on == f->disks_total)
        return POLICY_ALL_GOOD;
    if (networks_on < target)
        return POLICY_COPY;
    if (f->hosts_on > min || (f->hosts_on == min && f->n_on > min))
        return POLICY_TOO_GOOD;
    if (f->hosts_on == min || (f->hosts_on >= f->hosts_total && f->n_on >= min))
        return POLICY_ALL_GOOD;
    return POLICY_COPY;
}

static void suggest_networks(const struct policy_question *q, const struct policy_facts *f, const struct names *on,
                             size_t min, struct policy_answer *a)
{
    size_t n = 0, n_ideal = 0, n_network = 0, n_host = 0;
    struct choose_item *eligible = policy_eligible(q, f, &n);
    struct choose_item *ideal = mem_calloc(n, sizeof(*ideal)), *bad_network = mem_calloc(n, sizeof(*bad_network)),
                       *bad_host = mem_calloc(n, sizeof(*bad_host));
    bool skip = f->hosts_on < f->hosts_total;
    for (size_t i = 0; i < n; i++) {
        char *network = device_network(q->cluster, eligible[i].device);
        if (skip && policy_facts_has_host(f, eligible[i].device->hostid))
            bad_host[n_host++] = eligible[i];
        else if (skip && names_have(on, network))
            bad_network[n_network++] = eligible[i];
        else
            ideal[n_ideal++] = eligible[i];
        free(network);
    }
    /* Unlike the original, never add desperate copies without limit while another network is away. */
    if (n == 0 || (f->n_on >= min && n_ideal == 0 && (n_network == 0 || f->hosts_on >= min))) {
        a->verdict = POLICY_NO_ANSWER;
    } else {
        a->verdict = POLICY_COPY;
        policy_add_ideal(q, a, ideal, n_ideal);
        policy_add_desperate(q, a, bad_network, n_network);
        if (f->n_on < min)
            policy_add_desperate(q, a, bad_host, n_host);
    }
    free(eligible);
    free(ideal);
    free(bad_network);
    free(bad_host);
}

static void ask_networks(const struct policy *p, const struct policy_question *q, struct policy_answer *a)
{
    struct policy_facts facts;
    struct names on = {0}, total = {0};
    size_t min = p->count != 0 ? p->count : q->mindevcount;
    policy_facts_init(&facts, q);
    collect_networks(q, &facts, &on, &total);
    a->verdict = judge_networks(&facts, min, at_least_one(on.n), at_least_one(total.n));
    if (a->verdict == POLICY_COPY)
        suggest_networks(q, &facts, &on, min, a);
    names_fini(&on);
    names_fini(&total);
    policy_facts_fini(&facts);
}

/* ---- HostsPerNetwork ---- */

static bool take_zone(struct policy *p, struct span *text)
{
    policy_skip_blanks(text);
    size_t len = 0;
    while (len < text->len && strchr("=,() \t\r\n", text->ptr[len]) == NULL)
        len++;
    struct span name = span_make(text->ptr, len);
    text->ptr += len;
    text->len -= len;
    if (len == 0 || !policy_take_char(text, '='))
        return false;
    policy_skip_blanks(text);
    size_t digits = 0;
    while (digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9')
        digits++;
    uint64_t count = 0;
    if (num_parse_u64(span_make(text->ptr, digits), 0, 255, &count) != MOG_OK)
        return false;
    text->ptr += digits;
    text->len -= digits;
    p->zones = mem_grow(p->zones, p->n_zones, &p->cap_zones, sizeof(*p->zones));
    p->zones[p->n_zones++] = (struct policy_zone_count){span_dup(name), (uint32_t)count};
    return true;
}

static enum mog_err parse_zones(struct policy *p, struct span *text, struct mog_fail *f)
{
    struct span all = *text;
    if (!policy_take_char(text, '('))
        return policy_args_error(p, all, f);
    do {
        if (!take_zone(p, text))
            return policy_args_error(p, all, f);
    } while (policy_take_char(text, ','));
    return policy_take_char(text, ')') ? MOG_OK : policy_args_error(p, all, f);
}

static bool in_zone(const struct cluster *c, const struct cluster_host *h, const char *zone)
{
    char *network = policy_network_of(c, h != NULL ? h->ip : "", true);
    bool is = strcmp(network, zone) == 0;
    free(network);
    return is;
}

struct zone_tally {
    size_t devices, hosts, hosts_available;
};

static struct zone_tally tally(const struct policy_question *q, const struct policy_facts *f, const char *zone)
{
    struct zone_tally t = {0};
    for (size_t i = 0; i < f->n_on; i++) {
        if (!in_zone(q->cluster, f->on[i]->host, zone))
            continue;
        t.devices++;
        bool again = false;
        for (size_t j = 0; j < i && !again; j++)
            again = f->on[j]->hostid == f->on[i]->hostid;
        t.hosts += !again;
    }
    for (size_t i = 0; i < q->cluster->n_hosts; i++) {
        const struct cluster_host *h = &q->cluster->hosts[i];
        bool has_device = false;
        for (size_t j = 0; j < q->cluster->n_devices && !has_device; j++)
            has_device = q->cluster->devices[j].host == h && !cluster_device_is_dead(&q->cluster->devices[j]);
        t.hosts_available += has_device && in_zone(q->cluster, h, zone);
    }
    return t;
}

static bool zone_is_needed(const struct policy_question *q, const struct policy_facts *f,
                           const struct policy_zone_count *z, bool *surplus)
{
    struct zone_tally t = tally(q, f, z->zone);
    size_t on = z->count <= t.hosts_available ? t.hosts : t.devices;
    if (on < z->count)
        return true;
    if (t.devices > z->count)
        *surplus = true;
    return false;
}

static void ask_zones(const struct policy *p, const struct policy_question *q, struct policy_answer *a)
{
    struct policy_facts f;
    policy_facts_init(&f, q);
    bool *needed = mem_calloc(p->n_zones, sizeof(*needed)), any = false, surplus = false;
    for (size_t i = 0; i < p->n_zones; i++) {
        needed[i] = zone_is_needed(q, &f, &p->zones[i], &surplus);
        any = any || needed[i];
    }
    size_t n = 0, n_ideal = 0, n_desperate = 0;
    struct choose_item *eligible = policy_eligible(q, &f, &n);
    struct choose_item *ideal = mem_calloc(n, sizeof(*ideal)), *desperate = mem_calloc(n, sizeof(*desperate));
    for (size_t i = 0; any && i < n; i++) {
        bool fits = false;
        for (size_t j = 0; j < p->n_zones && !fits; j++)
            fits = needed[j] && in_zone(q->cluster, eligible[i].device->host, p->zones[j].zone);
        if (!fits)
            continue;
        if (policy_facts_has_host(&f, eligible[i].device->hostid))
            desperate[n_desperate++] = eligible[i];
        else
            ideal[n_ideal++] = eligible[i];
    }
    if (!any) {
        a->verdict = surplus ? POLICY_TOO_GOOD : POLICY_ALL_GOOD;
    } else if (n_ideal + n_desperate == 0) {
        a->verdict = POLICY_NO_ANSWER;
    } else {
        a->verdict = POLICY_COPY;
        policy_add_ideal(q, a, ideal, n_ideal);
        policy_add_desperate(q, a, desperate, n_desperate);
    }
    free(needed);
    free(eligible);
    free(ideal);
    free(desperate);
    policy_facts_fini(&f);
}

const struct policy_ops policy_multiple_networks = {"MultipleNetworks", policy_parse_count, ask_networks};
const struct policy_ops policy_hosts_per_network = {"HostsPerNetwork", parse_zones, ask_zones};
