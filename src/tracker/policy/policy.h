/* SPDX-License-Identifier: MIT */
/* Replication policies: given where a file is, is that good, and if not, where should the next copy go. Pure. */
#ifndef MOG_TRACKER_POLICY_POLICY_H
#define MOG_TRACKER_POLICY_POLICY_H

#include "common/err.h"
#include "common/rng.h"
#include "common/span.h"
#include "tracker/cluster/cluster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct policy;

/*
 * Parse "MultipleHosts(3)", "MultipleDevices()", "MultipleNetworks(2)", "HostsPerNetwork(near=2, far=1)",
 * "Union(MultipleHosts(2), HostsPerNetwork(far=1))"; empty text is "MultipleHosts()". The original's full class names
 * are accepted, and text behind the closing parenthesis is ignored, as there. MOG_ESYNTAX with the original's text in
 * `f`.
 */
MOG_MUSTCHECK enum mog_err policy_parse(struct span text, struct policy **out, struct mog_fail *f);
/* The same, but an empty text is an error: for what operators type. */
MOG_MUSTCHECK enum mog_err policy_parse_strict(struct span text, struct policy **out, struct mog_fail *f);
void policy_free(struct policy *p);

struct policy_question {
    const struct cluster *cluster;
    const uint32_t *on; /* devices that hold the file and count; unknown ids are ignored */
    size_t n_on;
    const uint32_t *failed; /* destinations that were tried in vain */
    size_t n_failed;
    const uint32_t *only; /* the next copy may go to these alone; NULL: any. The judgement looks at all devices */
    size_t n_only;
    uint32_t mindevcount;
    struct rng *rng;
};

enum policy_verdict {
    POLICY_ALL_GOOD,
    POLICY_TOO_GOOD,  /* satisfied, with copies to spare */
    POLICY_NO_ANSWER, /* not satisfied, and nothing to suggest now */
    POLICY_COPY,      /* copy to one of `ideal`, else of `desperate` (both may be empty) */
};

struct policy_answer {
    enum policy_verdict verdict;
    uint32_t *ideal, *desperate; /* best first */
    size_t n_ideal, n_desperate;
};

/* Always succeeds; the answer is freed by policy_answer_fini(). */
void policy_ask(const struct policy *p, const struct policy_question *q, struct policy_answer *a);
void policy_answer_fini(struct policy_answer *a);
static inline bool policy_is_happy(const struct policy_answer *a)
{
    return a->verdict == POLICY_ALL_GOOD || a->verdict == POLICY_TOO_GOOD;
}

#endif
