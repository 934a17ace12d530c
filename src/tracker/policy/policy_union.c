/* SPDX-License-Identifier: MIT */
/* Union: several policies must be satisfied at once. The original parses it only; here it is evaluated. */
#include "tracker/policy/policy_priv.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PARTS = 16 };

static enum mog_err parse_parts(struct policy *p, struct span *text, struct mog_fail *f)
{
    struct span all = *text;
    if (!policy_take_char(text, '('))
        return policy_args_error(p, all, f);
    while (!policy_take_char(text, ')')) {
        struct policy *part = NULL;
        if (p->n_parts == MAX_PARTS || policy_parse_one(text, &part, f) != MOG_OK)
            return policy_args_error(p, all, f);
        p->parts = mem_grow(p->parts, p->n_parts, &p->cap_parts, sizeof(*p->parts));
        p->parts[p->n_parts++] = part;
        if (!policy_take_char(text, ',')) {
            if (!policy_take_char(text, ')'))
                return policy_args_error(p, all, f);
            break;
        }
    }
    return p->n_parts != 0 ? MOG_OK : policy_args_error(p, all, f);
}

/* One device that parts want, how many want it, and where it stood first. */
struct vote {
    uint32_t devid;
    size_t votes, place;
};

struct votes {
    struct vote *items;
    size_t n, cap;
};

static void vote_for(struct votes *v, const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < v->n && v->items[at].devid != ids[i])
            at++;
        if (at == v->n) {
            v->items = mem_grow(v->items, v->n, &v->cap, sizeof(*v->items));
            v->items[v->n] = (struct vote){.devid = ids[i], .place = v->n};
            v->n++;
        }
        v->items[at].votes++;
    }
}

static int by_votes(const void *a, const void *b)
{
    const struct vote *x = a, *y = b;
    if (x->votes != y->votes)
        return x->votes > y->votes ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static uint32_t *elect(struct votes *v, size_t *n)
{
    if (v->n > 1)
        qsort(v->items, v->n, sizeof(*v->items), by_votes);
    uint32_t *ids = mem_calloc(v->n, sizeof(*ids));
    for (size_t i = 0; i < v->n; i++)
        ids[i] = v->items[i].devid;
    *n = v->n;
    free(v->items);
    return ids;
}

static void ask_union(const struct policy *p, const struct policy_question *q, struct policy_answer *a)
{
    struct votes ideal = {0}, desperate = {0};
    bool all_happy = true, all_too_good = true, some_copy = false;
    for (size_t i = 0; i < p->n_parts; i++) {
        struct policy_answer part;
        policy_ask(p->parts[i], q, &part);
        all_happy = all_happy && policy_is_happy(&part);
        all_too_good = all_too_good && part.verdict == POLICY_TOO_GOOD;
        some_copy = some_copy || part.verdict == POLICY_COPY;
        vote_for(&ideal, part.ideal, part.n_ideal);
        vote_for(&desperate, part.desperate, part.n_desperate);
        policy_answer_fini(&part);
    }
    a->ideal = elect(&ideal, &a->n_ideal);
    a->desperate = elect(&desperate, &a->n_desperate);
    if (all_happy)
        a->verdict = all_too_good ? POLICY_TOO_GOOD : POLICY_ALL_GOOD;
    else
        a->verdict = some_copy ? POLICY_COPY : POLICY_NO_ANSWER;
}

const struct policy_ops policy_union = {"Union", parse_parts, ask_union};
