/* SPDX-License-Identifier: MIT */
/* mogadm why: where one file's copies are, whether they are enough, and what keeps them from being so. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/num.h"
#include "tools/adm.h"
#include "tools/httpstat.h"
#include "tools/kvindex.h"
#include "tools/out.h"
#include "tools/probe.h"

enum { PROBE_MS = 5000, THREADS = 16, END_OF_TIME = 2147483647 };

struct why {
    struct adm *a;
    struct client_answer answer; /* of file_debug */
    struct kvindex pairs;
    struct cluster cluster;
    uint64_t fid, length, wanted;
    const char *class_name, *policy;
    json_t *json; /* NULL: text */

    uint64_t *devids;
    struct probe *probes;
    size_t n;
    size_t good, good_hosts;
};

static const char *pair(const struct why *w, const char *name)
{
    const struct span *v = kvindex_find(&w->pairs, "%s", name);
    return v ? v->ptr : "";
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
    const struct cluster_class *cl = d ? cluster_class_by_name(d, pair(w, "fid_class")) : NULL;
    w->class_name = pair(w, "fid_class");
    w->policy = cl ? cl->replpolicy : "";
    w->wanted = cl ? cl->mindevcount : 0;
    const char *paren = strchr(w->policy, '(');
    uint64_t n;
    /* A number in the policy counts for more than the class's own. */
    if (paren && num_parse_u64(span_trim(span_make(paren + 1, strcspn(paren + 1, "),"))), 1, 255, &n) == MOG_OK)
        w->wanted = n;
}

static void look_at_copies(struct why *w)
{
    struct span rest = span_of(pair(w, "devids")), id;
    w->devids = mem_calloc(rest.len + 1, sizeof *w->devids);
    w->probes = mem_calloc(rest.len + 1, sizeof *w->probes);
    while (span_split(&rest, ',', &id)) {
        if (num_parse_u64(id, 1, UINT32_MAX, &w->devids[w->n]) != MOG_OK)
            continue;
        const struct span *url = kvindex_find(&w->pairs, "devpath_%" PRIu64, w->devids[w->n]);
        w->probes[w->n++] = (struct probe){.method = "HEAD", .url = mem_strdup(url ? url->ptr : "")};
    }
    probe_run(w->probes, w->n, THREADS, PROBE_MS);
}

/* ---- judging ---- */

static bool is_in_use(const char *status)
{
    return strcmp(status, "alive") == 0 || strcmp(status, "readonly") == 0 || strcmp(status, "drain") == 0;
}

/* What is wrong with copy `i`; NULL when it is a good one. `out` has room for the text. */
static const char *copy_problem(const struct why *w, size_t i, char *out, size_t size)
{
    const struct cluster_device *d = cluster_device_find(&w->cluster, w->devids[i]);
    const struct cluster_host *h = d ? cluster_host_find(&w->cluster, d->hostid) : NULL;
    const struct probe *p = &w->probes[i];
    if (!d || !h)
        return "the device is unknown";
    if (strcmp(d->status, "dead") == 0 || strcmp(h->status, "dead") == 0)
        return "the device is dead: the copy counts as lost";
    if (!is_in_use(d->status) || !is_in_use(h->status))
        return "the device or its host is marked down";
    if (!probe_ok(p)) {
        char line[300];
        httpstat_line(line, sizeof line, p->err, p->answer.status, p->url, &p->fail);
        snprintf(out, size,
                 p->err == MOG_OK && p->answer.status == 404 ? "the file is missing there: %s"
                                                             : "the node does not give it: %s",
                 line);
        return out;
    }
    if (p->answer.content_length >= 0 && (uint64_t)p->answer.content_length != w->length) {
        snprintf(out, size, "it has %" PRId64 " bytes instead of %" PRIu64, p->answer.content_length, w->length);
        return out;
    }
    return NULL;
}

static bool host_has_copy(const struct why *w, uint64_t hostid, size_t before)
{
    char text[400];
    for (size_t i = 0; i < before; i++) {
        const struct cluster_device *d = cluster_device_find(&w->cluster, w->devids[i]);
        if (d && d->hostid == hostid && !copy_problem(w, i, text, sizeof text))
            return true;
    }
    return false;
}

static bool has_copy(const struct why *w, uint64_t devid)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->devids[i] == devid)
            return true;
    }
    return false;
}

static void judge(struct why *w)
{
    char text[400];
    for (size_t i = 0; i < w->n; i++) {
        if (copy_problem(w, i, text, sizeof text))
            continue;
        const struct cluster_device *d = cluster_device_find(&w->cluster, w->devids[i]);
        w->good++;
        w->good_hosts += !host_has_copy(w, d->hostid, i);
    }
}

/* Why a device cannot take another copy; NULL when it can. */
static const char *target_problem(const struct why *w, const struct cluster_device *d)
{
    const struct cluster_host *h = cluster_host_find(&w->cluster, d->hostid);
    if (!h || strcmp(h->status, "alive") != 0)
        return "its host is not alive";
    if (strcmp(d->status, "alive") != 0)
        return "it is not alive";
    if (strcmp(d->observed, "writeable") != 0)
        return "it is not seen as writeable";
    if (d->usage_known && d->mb_total && (d->mb_total - d->mb_used) < (w->length >> 20) + 100)
        return "it is full";
    return NULL;
}

/* ---- telling ---- */

static void say(struct why *w, enum out_color color, const char *fmt, ...) MOG_PRINTF(3, 4);
static void say(struct why *w, enum out_color color, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (w->json) {
        json_t *s = json_string(text);
        json_array_append_new(json_object_get(w->json, "findings"), s ? s : json_string("?"));
        return;
    }
    printf("%s%s%s\n", out_begin(w->a->color && color != OUT_PLAIN, color), text,
           out_end(w->a->color && color != OUT_PLAIN));
}

static void tell_copies(struct why *w)
{
    for (size_t i = 0; i < w->n; i++) {
        char text[400];
        const char *problem = copy_problem(w, i, text, sizeof text);
        const struct cluster_device *d = cluster_device_find(&w->cluster, w->devids[i]);
        const struct cluster_host *h = d ? cluster_host_find(&w->cluster, d->hostid) : NULL;
        if (w->json) {
            json_t *row = json_object();
            json_object_set_new(row, "devid", json_integer((json_int_t)w->devids[i]));
            out_json_str(row, "hostname", h ? h->name : NULL);
            out_json_str(row, "url", w->probes[i].url);
            json_object_set_new(row, "ok", json_boolean(problem == NULL));
            out_json_str(row, "problem", problem);
            json_array_append_new(json_object_get(w->json, "copies"), row);
            continue;
        }
        printf("  dev%-6" PRIu64 " %-16s %-9s %s%s%s\n", w->devids[i], h ? h->name : "?", d ? d->status : "?",
               out_begin(w->a->color, problem ? OUT_BAD : OUT_GOOD), problem ? problem : "good", out_end(w->a->color));
    }
}

/* When a row of a queue is due, in words. */
static void tell_queue(struct why *w, const char *group, const char *what)
{
    uint64_t nexttry, failcount = 0;
    char text[OUT_SIZE_MAX];
    if (!kvindex_u64(&w->pairs, &nexttry, "%s_nexttry", group))
        return;
    (void)kvindex_u64(&w->pairs, &failcount, "%s_failcount", group);
    int64_t wait = (int64_t)nexttry - clock_wall_s();
    if (nexttry == END_OF_TIME)
        say(w, OUT_WARN,
            "It is queued for %s, but given up after %" PRIu64 " failures: only fsck or an operator "
            "will try again.",
            what, failcount);
    else if (wait <= 0)
        say(w, OUT_PLAIN, "It is queued for %s and due now (failed %" PRIu64 " times before).", what, failcount);
    else {
        out_duration(text, wait);
        say(w, OUT_PLAIN, "It is queued for %s, next in %s (failed %" PRIu64 " times before).", what, text, failcount);
    }
}

static void tell_targets(struct why *w)
{
    size_t usable = 0, other_hosts = 0;
    for (size_t i = 0; i < w->cluster.n_devices; i++) {
        const struct cluster_device *d = &w->cluster.devices[i];
        if (has_copy(w, d->devid))
            continue;
        const char *problem = target_problem(w, d);
        if (!problem) {
            usable++;
            other_hosts += !host_has_copy(w, d->hostid, w->n);
        } else if (strcmp(d->status, "dead") != 0) {
            say(w, OUT_PLAIN, "dev%" PRIu64 " cannot take a copy: %s.", d->devid, problem);
        }
    }
    if (usable == 0)
        say(w, OUT_BAD, "There is no device that could take another copy.");
    else if (other_hosts == 0)
        say(w, OUT_WARN, "Another copy can only go to a host that has one already.");
    else
        say(w, OUT_PLAIN, "%zu devices could take another copy, %zu of them on other hosts.", usable, other_hosts);
}

static void tell_verdict(struct why *w)
{
    bool two_hosts = w->wanted < 2 || w->good_hosts >= 2;
    if (w->good == 0)
        say(w, OUT_BAD, "No copy can be read now: the file is unavailable.");
    if (w->wanted && w->good >= w->wanted && two_hosts) {
        say(w, OUT_GOOD, "It has %zu good copies on %zu hosts; %" PRIu64 " are wanted: all is well.", w->good,
            w->good_hosts, w->wanted);
    } else if (w->wanted && w->good >= w->wanted) {
        say(w, OUT_WARN, "It has %zu good copies, but all on one host.", w->good);
        tell_targets(w);
    } else {
        say(w, OUT_WARN, "It has %zu good copies on %zu hosts; %" PRIu64 " are wanted.", w->good, w->good_hosts,
            w->wanted);
        tell_targets(w);
    }
    tell_queue(w, "replqueue", "replication");
    tell_queue(w, "fsckqueue", "fsck");
    tell_queue(w, "rebqueue", "rebalance");
    tell_queue(w, "delqueue", "deletion");
    if (w->wanted && w->good < w->wanted && !kvindex_find(&w->pairs, "replqueue_nexttry"))
        say(w, OUT_WARN, "It is not queued for replication: fsck will find it.");
}

static void tell_file(struct why *w)
{
    if (w->json) {
        out_json_str(w->json, "domain", w->a->word[0]);
        out_json_str(w->json, "key", w->a->word[1]);
        json_object_set_new(w->json, "fid", json_integer((json_int_t)w->fid));
        json_object_set_new(w->json, "length", json_integer((json_int_t)w->length));
        out_json_str(w->json, "class", w->class_name);
        out_json_str(w->json, "replpolicy", w->policy);
        json_object_set_new(w->json, "wanted", json_integer((json_int_t)w->wanted));
        json_object_set_new(w->json, "good", json_integer((json_int_t)w->good));
        return;
    }
    char size[OUT_SIZE_MAX];
    out_size(size, w->length);
    printf("%s: file %" PRIu64 ", %" PRIu64 " bytes (%s), class %s, %s, %" PRIu64 " copies wanted\n", w->a->word[1],
           w->fid, w->length, size, w->class_name, w->policy, w->wanted);
}

static int why_run(struct adm *a)
{
    struct why w = {.a = a};
    struct mog_fail f = {.code = MOG_OK};
    int status = 1;
    if (ask(&w, &f) != MOG_OK) {
        adm_fail(strcmp(w.answer.code, "unknown_key") == 0 ? "There is no such file: " : "", &f);
    } else {
        kvindex_init(&w.pairs, &w.answer.args);
        (void)kvindex_u64(&w.pairs, &w.fid, "fid_fid");
        (void)kvindex_u64(&w.pairs, &w.length, "fid_length");
        if (adm_json(a))
            w.json = json_pack("{s:[], s:[]}", "copies", "findings");
        learn_class(&w);
        look_at_copies(&w);
        judge(&w);
        tell_file(&w);
        tell_copies(&w);
        tell_verdict(&w);
        if (w.json)
            out_json(w.json);
        status = 0;
    }
    for (size_t i = 0; i < w.n; i++)
        probe_fini(&w.probes[i]);
    free(w.probes);
    free(w.devids);
    kvindex_fini(&w.pairs);
    cluster_fini(&w.cluster);
    client_answer_fini(&w.answer);
    return status;
}

const struct adm_verb adm_why_verbs[] = {
    {NULL, "domain key", adm_json_opts, "Where a file's copies are, and what keeps it from having enough.", why_run, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
