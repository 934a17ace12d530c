/* SPDX-License-Identifier: MIT */
/* Parsing of policies, and the facts that all of them look at. */
#include "tracker/policy/policy_priv.h"

#include "common/mem.h"
#include "common/num.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_POLICY_DEPTH = 8, MAX_COUNT = 255 };

static const struct policy_ops *const all_ops[] = {&policy_multiple_hosts, &policy_multiple_devices,
                                                   &policy_multiple_networks, &policy_hosts_per_network, &policy_union};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void policy_skip_blanks(struct span *text)
{
    while (text->len != 0 && is_blank(text->ptr[0])) {
        text->ptr++;
        text->len--;
    }
}

bool policy_take_char(struct span *text, char c)
{
    policy_skip_blanks(text);
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    text->ptr++;
    text->len--;
    return true;
}

enum mog_err policy_args_error(const struct policy *p, struct span rest, struct mog_fail *f)
{
    return fail_set(f, MOG_ESYNTAX, "MogileFS::ReplicationPolicy::%s failed to parse args: %.*s", p->ops->name,
                    (int)(rest.len < 200 ? rest.len : 200), rest.ptr != NULL ? rest.ptr : "");
}

enum mog_err policy_parse_count(struct policy *p, struct span *text, struct mog_fail *f)
{
    struct span all = *text;
    if (!policy_take_char(text, '('))
        return policy_args_error(p, all, f);
    policy_skip_blanks(text);
    size_t digits = 0;
    while (digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9')
        digits++;
    uint64_t count = 0;
    if (digits != 0 && num_parse_u64(span_make(text->ptr, digits), 0, MAX_COUNT, &count) != MOG_OK)
        return policy_args_error(p, all, f);
    text->ptr += digits;
    text->len -= digits;
    if (!policy_take_char(text, ')'))
        return policy_args_error(p, all, f);
    p->count = (uint32_t)count;
    return MOG_OK;
}

static struct span take_name(struct span *text)
{
    static const char prefix[] = "MogileFS::ReplicationPolicy::";
    policy_skip_blanks(text);
    size_t len = 0;
    while (len < text->len &&
           ((text->ptr[len] >= 'a' && text->ptr[len] <= 'z') || (text->ptr[len] >= 'A' && text->ptr[len] <= 'Z') ||
            (text->ptr[len] >= '0' && text->ptr[len] <= '9') || text->ptr[len] == '_' || text->ptr[len] == ':'))
        len++;
    struct span name = span_make(text->ptr, len);
    text->ptr += len;
    text->len -= len;
    if (span_starts(name, prefix))
        name = span_make(name.ptr + sizeof(prefix) - 1, name.len - sizeof(prefix) + 1);
    return name;
}

enum mog_err policy_parse_one(struct span *text, struct policy **out, struct mog_fail *f)
{
    struct span all = *text, name = take_name(text);
    *out = NULL;
    if (name.len == 0)
        return fail_set(f, MOG_ESYNTAX, "Failed to parse policy string: %.*s", (int)(all.len < 200 ? all.len : 200),
                        all.ptr != NULL ? all.ptr : "");
    for (size_t i = 0; i < sizeof(all_ops) / sizeof(all_ops[0]); i++) {
        if (!span_is(name, all_ops[i]->name))
            continue;
        struct policy *p = mem_calloc(1, sizeof(*p));
        p->ops = all_ops[i];
        enum mog_err e = p->ops->parse_args(p, text, f);
        if (e != MOG_OK) {
            policy_free(p);
            return e;
        }
        *out = p;
        return MOG_OK;
    }
    return fail_set(
        f, MOG_ESYNTAX,
        "Failed to load replication policy class MogileFS::ReplicationPolicy::%.*s: known are MultipleHosts, "
        "MultipleDevices, MultipleNetworks, HostsPerNetwork, Union",
        (int)(name.len < 60 ? name.len : 60), name.ptr);
}

enum mog_err policy_parse_strict(struct span text, struct policy **out, struct mog_fail *f)
{
    /* Unions nest by recursion: bound it before it begins. */
    size_t depth = 0, deepest = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '(')
            depth++;
        else if (text.ptr[i] == ')' && depth != 0)
            depth--;
        deepest = depth > deepest ? depth : deepest;
    }
    if (deepest > MAX_POLICY_DEPTH)
        return fail_set(f, MOG_ESYNTAX, "Failed to parse policy string: nested too deeply");
    return policy_parse_one(&text, out, f);
}

enum mog_err policy_parse(struct span text, struct policy **out, struct mog_fail *f)
{
    return policy_parse_strict(text.len != 0 ? text : span_of("MultipleHosts()"), out, f);
}

void policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_zones; i++)
        free(p->zones[i].zone);
    for (size_t i = 0; i < p->n_parts; i++)
        policy_free(p->parts[i]);
    free(p->zones);
    free(p->parts);
    free(p);
}

void policy_ask(const struct policy *p, const struct policy_question *q, struct policy_answer *a)
{
    *a = (struct policy_answer){.verdict = POLICY_NO_ANSWER};
    p->ops->ask(p, q, a);
}

void policy_answer_fini(struct policy_answer *a)
{
    free(a->ideal);
    free(a->desperate);
    *a = (struct policy_answer){.verdict = POLICY_NO_ANSWER};
}

/* ---- facts ---- */

static bool has_id(const uint32_t *ids, size_t n, uint32_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

bool policy_facts_has_host(const struct policy_facts *facts, uint32_t hostid)
{
    for (size_t i = 0; i < facts->n_on; i++) {
        if (facts->on[i]->hostid == hostid)
            return true;
    }
    return false;
}

void policy_facts_init(struct policy_facts *facts, const struct policy_question *q)
{
    *facts = (struct policy_facts){.on = mem_calloc(q->n_on, sizeof(*facts->on))};
    for (size_t i = 0; i < q->n_on; i++) {
        const struct cluster_device *d = cluster_device_by_id(q->cluster, q->on[i]);
        if (d == NULL)
            continue;
        if (!policy_facts_has_host(facts, d->hostid))
            facts->hosts_on++;
        facts->on[facts->n_on++] = d;
    }
    for (size_t i = 0; i < q->cluster->n_devices; i++)
        facts->disks_total += !cluster_device_is_dead(&q->cluster->devices[i]);
    for (size_t i = 0; i < q->cluster->n_hosts; i++) {
        bool has_alive = false;
        for (size_t j = 0; j < q->cluster->n_devices && !has_alive; j++)
            has_alive = q->cluster->devices[j].hostid == q->cluster->hosts[i].hostid &&
                        q->cluster->devices[j].status == DEVICE_ALIVE;
        facts->hosts_total += has_alive;
    }
}

void policy_facts_fini(struct policy_facts *facts)
{
    free(facts->on);
}

struct choose_item *policy_eligible(const struct policy_question *q, const struct policy_facts *facts, size_t *n)
{
    (void)facts;
    struct choose_item *items = mem_calloc(q->cluster->n_devices, sizeof(*items));
    *n = 0;
    for (size_t i = 0; i < q->cluster->n_devices; i++) {
        const struct cluster_device *d = &q->cluster->devices[i];
        if (has_id(q->on, q->n_on, d->devid) || has_id(q->failed, q->n_failed, d->devid) ||
            (q->only != NULL && !has_id(q->only, q->n_only, d->devid)) || !cluster_device_gets_files(q->cluster, d))
            continue;
        items[(*n)++].device = d;
    }
    return items;
}

static void add(const struct policy_question *q, uint32_t **list, size_t *n_list, struct choose_item *items, size_t n)
{
    n = choose_destinations(q->rng, items, n);
    *list = mem_realloc(*list, *n_list + n, sizeof(**list));
    for (size_t i = 0; i < n; i++)
        (*list)[(*n_list)++] = items[i].device->devid;
}

void policy_add_ideal(const struct policy_question *q, struct policy_answer *a, struct choose_item *items, size_t n)
{
    add(q, &a->ideal, &a->n_ideal, items, n);
}

void policy_add_desperate(const struct policy_question *q, struct policy_answer *a, struct choose_item *items, size_t n)
{
    add(q, &a->desperate, &a->n_desperate, items, n);
}
