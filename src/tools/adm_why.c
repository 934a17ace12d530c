/* SPDX-License-Identifier: MIT */
/* mogadm why: where one file's copies are, whether they are enough, and what keeps them from being so. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/httpstat.h"
#include "common/mem.h"
#include "common/num.h"
#include "report/report_why.h"
#include "tools/adm.h"
#include "tools/kvindex.h"
#include "tools/out.h"
#include "tools/probe.h"

enum { PROBE_MS = 5000, THREADS = 16, ANSWER_MAX = 300 };

struct why {
    struct adm *a;
    struct client_answer answer; /* of file_debug */
    struct kvindex pairs;
    struct cluster cluster;
    struct report_place *places; /* one for each device of the cluster */
    struct report_copy *copies;
    struct probe *probes;        /* of the copies */
    char (*answers)[ANSWER_MAX]; /* what these came to, in words */
    size_t n;
    struct report_why report;
};

static const char *pair(const struct why *w, const char *name)
{
    const struct span *v = kvindex_find(&w->pairs, "%s", name);
    return v ? v->ptr : NULL;
}

static const char *pair_or_empty(const struct why *w, const char *name)
{
    const char *v = pair(w, name);
    return v ? v : "";
}

/* ---- gathering ---- */

static enum mog_err ask(struct why *w, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    kv_add_str(&args, "domain", w->a->word[0]);
    kv_add_str(&args, "key", w->a->word[1]);
    enum mog_err e = client_request(w->a->client, "file_debug", &args, &w->answer, f);
    kv_fini(&args);
    if (e == MOG_OK)
        e = cluster_load_hosts(&w->cluster, w->a->client, f);
    if (e == MOG_OK)
        e = cluster_load_devices(&w->cluster, w->a->client, f);
    if (e == MOG_OK)
        e = cluster_load_domains(&w->cluster, w->a->client, f);
    return e;
}

static void learn_class(struct why *w)
{
    const struct cluster_domain *d = cluster_domain_by_name(&w->cluster, w->a->word[0]);
    const char *name = pair_or_empty(w, "fid_class");
    const struct cluster_class *cl = d ? cluster_class_by_name(d, name) : NULL;
    w->report.class_name = name;
    w->report.policy = cl ? cl->replpolicy : "";
    w->report.wanted = cl ? report_why_wanted(cl->replpolicy, cl->mindevcount) : 0;
}

static void learn_places(struct why *w)
{
    const struct cluster *c = &w->cluster;
    w->places = mem_calloc(c->n_devices + 1, sizeof *w->places);
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct cluster_device *d = &c->devices[i];
        const struct cluster_host *h = cluster_host_find(c, d->hostid);
        w->places[i] = (struct report_place){.devid = d->devid,
                                             .hostid = d->hostid,
                                             .status = d->status,
                                             .observed = d->observed,
                                             .host = h ? h->name : NULL,
                                             .host_status = h ? h->status : NULL,
                                             .has_usage = d->usage_known,
                                             .mb_total = d->mb_total,
                                             .mb_used = d->mb_used};
    }
    w->report.places = w->places;
    w->report.n_places = c->n_devices;
}

static const struct report_place *place_of(const struct why *w, uint64_t devid)
{
    for (size_t i = 0; i < w->report.n_places; i++) {
        if (w->places[i].devid == devid)
            return &w->places[i];
    }
    return NULL;
}

static void look_at_copies(struct why *w)
{
    struct span rest = span_of(pair_or_empty(w, "devids")), id;
    w->copies = mem_calloc(rest.len + 1, sizeof *w->copies);
    w->probes = mem_calloc(rest.len + 1, sizeof *w->probes);
    w->answers = mem_calloc(rest.len + 1, sizeof *w->answers);
    while (span_split(&rest, ',', &id)) {
        uint64_t devid;
        if (num_parse_u64(id, 1, UINT32_MAX, &devid) != MOG_OK)
            continue;
        const struct span *url = kvindex_find(&w->pairs, "devpath_%" PRIu64, devid);
        w->copies[w->n].devid = devid;
        w->copies[w->n].place = place_of(w, devid);
        w->probes[w->n++] = (struct probe){.method = "HEAD", .url = mem_strdup(url ? url->ptr : "")};
    }
    probe_run(w->probes, w->n, THREADS, PROBE_MS);
    for (size_t i = 0; i < w->n; i++) {
        struct probe *p = &w->probes[i];
        struct report_copy *c = &w->copies[i];
        httpstat_line(w->answers[i], ANSWER_MAX, p->err, p->answer.status, p->url, &p->fail);
        c->url = p->url;
        c->err = p->err;
        c->status = p->answer.status;
        c->length = p->answer.content_length;
        c->answer = w->answers[i];
    }
    w->report.copies = w->copies;
    w->report.n_copies = w->n;
}

static void learn_queue(struct why *w, enum report_queued q, const char *group)
{
    uint64_t nexttry;
    struct report_queued_row *row = &w->report.queued[q];
    row->is_queued = kvindex_u64(&w->pairs, &nexttry, "%s_nexttry", group);
    row->nexttry_unix_s = (int64_t)nexttry;
    (void)kvindex_u64(&w->pairs, &row->failcount, "%s_failcount", group);
}

static void learn(struct why *w)
{
    struct report_why *r = &w->report;
    kvindex_init(&w->pairs, &w->answer.args);
    r->domain = span_of(w->a->word[0]);
    r->key = span_of(w->a->word[1]);
    r->now_unix_s = clock_wall_s();
    r->reason = pair(w, "replqueue_reason");
    (void)kvindex_u64(&w->pairs, &r->fid, "fid_fid");
    (void)kvindex_u64(&w->pairs, &r->length, "fid_length");
    learn_class(w);
    learn_places(w);
    look_at_copies(w);
    learn_queue(w, REPORT_QUEUED_REPLICATE, "replqueue");
    learn_queue(w, REPORT_QUEUED_FSCK, "fsckqueue");
    learn_queue(w, REPORT_QUEUED_REBALANCE, "rebqueue");
    learn_queue(w, REPORT_QUEUED_DELETE, "delqueue");
}

/* ---- telling ---- */

static void say(void *arg, enum report_tone tone, const char *text)
{
    static const enum out_color colors[] = {OUT_PLAIN, OUT_GOOD, OUT_WARN, OUT_BAD};
    const struct why *w = arg;
    bool colored = w->a->color && tone != REPORT_PLAIN;
    printf("%s%s%s\n", out_begin(colored, colors[tone]), text, out_end(colored));
}

static void tell(struct why *w)
{
    const struct report_why *r = &w->report;
    char size[OUT_SIZE_MAX];
    out_size(size, r->length);
    printf("%s: file %" PRIu64 ", %" PRIu64 " bytes (%s), class %s, %s, %" PRIu64 " copies wanted\n", w->a->word[1],
           r->fid, r->length, size, r->class_name, r->policy, r->wanted);
    for (size_t i = 0; i < r->n_copies; i++) {
        const struct report_place *p = r->copies[i].place;
        char text[REPORT_TEXT_MAX];
        const char *problem = report_why_problem(r, i, text);
        printf("  dev%-6" PRIu64 " %-16s %-9s %s%s%s\n", r->copies[i].devid, p && p->host ? p->host : "?",
               p ? p->status : "?", out_begin(w->a->color, problem ? OUT_BAD : OUT_GOOD), problem ? problem : "good",
               out_end(w->a->color));
    }
    report_why_verdict(r, say, w);
}

static int why_run(struct adm *a)
{
    struct why w = {.a = a};
    struct mog_fail f = {.code = MOG_OK};
    int status = 1;
    if (ask(&w, &f) != MOG_OK) {
        adm_fail(strcmp(w.answer.code, "unknown_key") == 0 ? "There is no such file: " : "", &f);
    } else {
        learn(&w);
        if (adm_json(a))
            out_json(report_why_json(&w.report));
        else
            tell(&w);
        status = 0;
    }
    for (size_t i = 0; i < w.n; i++)
        probe_fini(&w.probes[i]);
    free(w.answers);
    free(w.probes);
    free(w.copies);
    free(w.places);
    kvindex_fini(&w.pairs);
    cluster_fini(&w.cluster);
    client_answer_fini(&w.answer);
    return status;
}

const struct adm_verb adm_why_verbs[] = {
    {NULL, "domain key", adm_json_opts, "Where a file's copies are, and what keeps it from having enough.", why_run, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
