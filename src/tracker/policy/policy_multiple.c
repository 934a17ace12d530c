/* SPDX-License-Identifier: MIT */
/* MultipleHosts, the default policy, and MultipleDevices, which does not care for hosts. */
#include "tracker/policy/policy_priv.h"

#include "common/mem.h"

#include <stdlib.h>

static uint32_t wanted(const struct policy *p, const struct policy_question *q)
{
    return p->count != 0 ? p->count : q->mindevcount;
}

/* The first rule that applies decides; POLICY_COPY: none of them. */
static enum policy_verdict judge_hosts(const struct policy_facts *f, size_t min)
{
    if (min == 1 && f->n_on == 1)
        return POLICY_ALL_GOOD;
    if (f->hosts_on > min || f->n_on > min)
        return POLICY_TOO_GOOD;
    if (f->hosts_on == min)
        return POLICY_ALL_GOOD;
    if (f->hosts_on >= f->hosts_total && f->n_on >= min)
        return POLICY_ALL_GOOD;
    if (f->n_on >= 2 && f->n_on == f->disks_total)
        return POLICY_ALL_GOOD; /* nowhere else to go */
    return POLICY_COPY;
}

static void suggest_hosts(const struct policy_question *q, const struct policy_facts *f, size_t min,
                          struct policy_answer *a)
{
    size_t n = 0, n_ideal = 0, n_desperate = 0;
    struct choose_item *eligible = policy_eligible(q, f, &n);
    struct choose_item *ideal = mem_calloc(n, sizeof(*ideal)), *desperate = mem_calloc(n, sizeof(*desperate));
    bool skip_hosts = f->hosts_on < f->hosts_total;
    for (size_t i = 0; i < n; i++) {
        if (skip_hosts && policy_facts_has_host(f, eligible[i].device->hostid))
            desperate[n_desperate++] = eligible[i];
        else
            ideal[n_ideal++] = eligible[i];
    }
    /* With enough copies already, a further one on a used host would gain nothing. */
    if (n == 0 || (f->n_on >= min && n_ideal == 0)) {
        a->verdict = POLICY_NO_ANSWER;
    } else {
        a->verdict = POLICY_COPY;
        policy_add_ideal(q, a, ideal, n_ideal);
        policy_add_desperate(q, a, desperate, n_desperate);
    }
    free(eligible);
    free(ideal);
    free(desperate);
}

static void ask_hosts(const struct policy *p, const struct policy_question *q, struct policy_answer *a)
{
    struct policy_facts facts;
    policy_facts_init(&facts, q);
    a->verdict = judge_hosts(&facts, wanted(p, q));
    if (a->verdict == POLICY_COPY)
        suggest_hosts(q, &facts, wanted(p, q), a);
    policy_facts_fini(&facts);
}

static void ask_devices(const struct policy *p, const struct policy_question *q, struct policy_answer *a)
{
    struct policy_facts f;
    size_t n = 0, min = wanted(p, q);
    policy_facts_init(&f, q);
    struct choose_item *eligible = policy_eligible(q, &f, &n);
    if (f.n_on == min) {
        a->verdict = POLICY_ALL_GOOD;
    } else if (f.n_on > min) {
        a->verdict = POLICY_TOO_GOOD;
    } else if (f.n_on >= 2 && f.n_on == f.disks_total) {
        a->verdict = POLICY_ALL_GOOD;
    } else if (n == 0) {
        a->verdict = POLICY_NO_ANSWER;
    } else {
        a->verdict = POLICY_COPY;
        policy_add_ideal(q, a, eligible, n);
    }
    free(eligible);
    policy_facts_fini(&f);
}

const struct policy_ops policy_multiple_hosts = {"MultipleHosts", policy_parse_count, ask_hosts};
const struct policy_ops policy_multiple_devices = {"MultipleDevices", policy_parse_count, ask_devices};
