/* SPDX-License-Identifier: MIT */
/* mogadm status: the whole cluster on one screen. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/num.h"
#include "report/report_status.h"
#include "tools/adm.h"
#include "tools/out.h"

enum { BAR_CELLS = 24, DEFAULT_INTERVAL_S = 2, NEARLY_FULL_PERCENT = 95, OLD_QUEUES_S = 60 };

static const struct toolopt_def status_opts[] = {
    {"watch", 0, TOOLOPT_FLAG, "show it again and again"},
    {"interval", 0, TOOLOPT_INT, "seconds between two looks (default 2)"},
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

/* One tracker's counters. */
struct tracker_state {
    char *name, *version;
    bool ok;
    char error[400];
    json_t *document;   /* of !status; NULL: it does not tell */
    struct kv counters; /* of !stats */
    int64_t asked_ms;
    uint64_t queries_before;
    int64_t asked_before_ms; /* 0: first look */
};

struct status {
    struct adm *a;
    struct tracker_state *trackers;
    size_t n_trackers;
    struct cluster cluster;
    bool have_cluster;
    struct mog_fail fail;
    struct client_answer fsck, rebalance;
    struct mog_fail fsck_fail; /* why not have_fsck */
    bool have_fsck, have_rebalance;
};

/* ---- gathering ---- */

static void parse_counters(struct kv *k, const struct buf *text)
{
    struct span rest = buf_as_span(text), line, name;
    while (span_split(&rest, '\n', &line)) {
        struct span value = line;
        if (!span_split(&value, ' ', &name) || !value.ptr)
            continue;
        char *key = span_dup(name);
        kv_add(k, key, value);
        free(key);
    }
}

static struct tracker_state *tracker_of(struct status *s, const struct client *one)
{
    size_t i = 0;
    while (strcmp(s->trackers[i].name, client_name(one, 0)) != 0)
        i++;
    return &s->trackers[i];
}

/* What a tracker of ours tells of itself; NULL: it is another one, or does not tell. */
static json_t *parse_document(const struct buf *text)
{
    json_t *doc = json_loadb(buf_cstr(text), text->len, 0, NULL);
    if (doc && json_is_array(json_object_get(doc, "trackers")))
        return doc;
    json_decref(doc);
    return NULL;
}

static int look_at_tracker(struct adm *a, struct client *one, void *arg)
{
    struct status *s = arg;
    struct mog_fail f = {.code = MOG_OK};
    struct buf text = BUF_ZERO;
    struct tracker_state *t = tracker_of(s, one);
    (void)a;
    t->asked_before_ms = t->ok ? t->asked_ms : 0;
    t->queries_before = kv_u64(&t->counters, "queries", 0);
    kv_reset(&t->counters);
    t->asked_ms = clock_mono_ms();
    t->ok = client_admin(one, "!stats", &text, &f) == MOG_OK;
    parse_counters(&t->counters, &text);
    buf_reset(&text);
    if (t->ok && client_admin(one, "!version", &text, &f) == MOG_OK) {
        free(t->version);
        t->version = span_dup(span_trim(buf_as_span(&text)));
    }
    snprintf(t->error, sizeof t->error, "%s", f.text);
    buf_reset(&text);
    json_decref(t->document);
    t->document = t->ok && client_admin(one, "!status", &text, &f) == MOG_OK ? parse_document(&text) : NULL;
    buf_fini(&text);
    return 0;
}

static void gather(struct status *s)
{
    struct client *c = s->a->client;
    s->fail = (struct mog_fail){.code = MOG_OK};
    (void)adm_each_tracker(s->a, look_at_tracker, s);
    s->have_cluster = cluster_load_hosts(&s->cluster, c, &s->fail) == MOG_OK &&
                      cluster_load_devices(&s->cluster, c, &s->fail) == MOG_OK;
    if (!s->have_cluster || cluster_load_settings(&s->cluster, c, &s->fsck_fail) != MOG_OK) {
        s->have_fsck = s->have_rebalance = false;
        client_answer_fini(&s->rebalance);
        return;
    }
    s->have_fsck = client_request(c, "fsck_status", NULL, &s->fsck, &s->fsck_fail) == MOG_OK;
    struct mog_fail ignored;
    s->have_rebalance = client_request(c, "rebalance_status", NULL, &s->rebalance, &ignored) == MOG_OK;
}

static void status_fini(struct status *s)
{
    for (size_t i = 0; i < s->n_trackers; i++) {
        free(s->trackers[i].name);
        free(s->trackers[i].version);
        kv_fini(&s->trackers[i].counters);
        json_decref(s->trackers[i].document);
    }
    free(s->trackers);
    cluster_fini(&s->cluster);
    client_answer_fini(&s->fsck);
    client_answer_fini(&s->rebalance);
}

/* ---- text ---- */

static void heading(const struct status *s, const char *text)
{
    printf("%s%s%s\n", out_begin(s->a->color, OUT_BOLD), text, out_end(s->a->color));
}

/* Why a tracker that answers serves nobody; NULL: it does, or does not tell. */
static const char *not_ready(const struct tracker_state *t)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(t->document, "trackers"), 0), "not_ready"));
}

static void print_tracker(const struct status *s, const struct tracker_state *t)
{
    char uptime[OUT_SIZE_MAX];
    if (!t->ok) {
        printf("  %-24s %s%s%s\n", t->name, out_begin(s->a->color, OUT_BAD), t->error, out_end(s->a->color));
        return;
    }
    out_duration(uptime, (int64_t)kv_u64(&t->counters, "uptime", 0));
    uint64_t queries = kv_u64(&t->counters, "queries", 0);
    const char *trouble = not_ready(t);
    printf("  %-24s %s%s%s  %s, up %s, %" PRIu64 " requests", t->name,
           out_begin(s->a->color, trouble ? OUT_BAD : OUT_GOOD), trouble ? trouble : "OK", out_end(s->a->color),
           t->version ? t->version : "?", uptime, queries);
    if (t->asked_before_ms && t->asked_ms > t->asked_before_ms && queries >= t->queries_before)
        printf(" (%.0f/s)", (double)(queries - t->queries_before) * 1000 / (double)(t->asked_ms - t->asked_before_ms));
    printf(", %" PRIu64 " waiting, %" PRIu64 " idle workers\n", kv_u64(&t->counters, "pending_queries", 0),
           kv_u64(&t->counters, "bored_queryworkers", 0));
}

static void print_space(const struct status *s, uint64_t mb_total, uint64_t mb_used)
{
    char bar[BAR_CELLS + 1], free_text[OUT_SIZE_MAX], total_text[OUT_SIZE_MAX];
    double ratio = mb_total ? (double)mb_used / (double)mb_total : 0;
    out_bar(bar, BAR_CELLS, ratio);
    out_size(free_text, (mb_total > mb_used ? mb_total - mb_used : 0) * 1024 * 1024);
    out_size(total_text, mb_total * 1024 * 1024);
    enum out_color color = ratio * 100 >= NEARLY_FULL_PERCENT ? OUT_BAD : ratio >= 0.8 ? OUT_WARN : OUT_GOOD;
    printf("[%s%s%s] %5.1f%%  %10s free of %s", out_begin(s->a->color, color), bar, out_end(s->a->color), ratio * 100,
           free_text, total_text);
}

static void print_device(const struct status *s, const struct cluster_device *d)
{
    char name[32];
    const char *observed = d->observed[0] ? d->observed : "-";
    snprintf(name, sizeof name, "dev%" PRIu64, d->devid);
    printf("    %-8s %s%-8s%s %s%-11s%s ", name, adm_state_begin(s->a, d->status), d->status, adm_state_end(s->a),
           adm_state_begin(s->a, observed), observed, adm_state_end(s->a));
    if (d->usage_known)
        print_space(s, d->mb_total, d->mb_used);
    else
        printf("usage unknown");
    double utilization;
    if (num_parse_double(span_of(d->utilization), &utilization) == MOG_OK)
        printf("  %.0f%% busy", utilization);
    putchar('\n');
}

static void print_hosts(const struct status *s)
{
    const struct cluster *c = &s->cluster;
    uint64_t total = 0, used = 0;
    size_t n = 0;
    heading(s, "Hosts and devices");
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct cluster_host *h = &c->hosts[i];
        printf("  %s [%" PRIu64 "] %s%s%s\n", h->name, h->hostid, adm_state_begin(s->a, h->status), h->status,
               adm_state_end(s->a));
        for (size_t j = 0; j < c->n_devices; j++) {
            const struct cluster_device *d = &c->devices[j];
            if (d->hostid != h->hostid || strcmp(d->status, "dead") == 0)
                continue;
            print_device(s, d);
            n++;
            total += d->mb_total;
            used += d->mb_used;
        }
    }
    printf("    %-29s ", "total");
    if (n)
        print_space(s, total, used);
    else
        printf("no devices");
    putchar('\n');
}

static bool is_queue(const char *name)
{
    return strncmp(name, "queue_", 6) == 0 || strncmp(name, "work_queue_for_", 15) == 0;
}

/* The document of the first tracker that gave one; NULL: none did. */
static json_t *first_document(const struct status *s)
{
    for (size_t i = 0; i < s->n_trackers; i++) {
        if (s->trackers[i].document)
            return s->trackers[i].document;
    }
    return NULL;
}

/* The document with the queues' lengths; NULL: no tracker tells them, having no page, or not yet. */
static json_t *document_with_queues(const struct status *s)
{
    for (size_t i = 0; i < s->n_trackers; i++) {
        if (json_is_object(json_object_get(s->trackers[i].document, "queues")))
            return s->trackers[i].document;
    }
    return NULL;
}

/* What waits in the database, as the trackers' document has it. */
static void print_lengths(json_t *queues)
{
    const char *name;
    json_t *row;
    json_object_foreach(queues, name, row)
    {
        char oldest[OUT_SIZE_MAX];
        json_int_t parked = json_integer_value(json_object_get(row, "parked")),
                   due = json_integer_value(json_object_get(row, "due"));
        printf("  %-28s %12" JSON_INTEGER_FORMAT " waiting, %" JSON_INTEGER_FORMAT " due", name,
               json_integer_value(json_object_get(row, "length")), due);
        out_duration(oldest, json_integer_value(json_object_get(row, "oldest_s")));
        if (due > 0)
            printf(" (for up to %s)", oldest);
        if (parked > 0)
            printf(", %" JSON_INTEGER_FORMAT " given up", parked);
        putchar('\n');
    }
}

/* A tracker that keeps no document tells only of what it has fetched. */
static void print_queues(const struct status *s)
{
    bool any = false;
    const json_t *doc = document_with_queues(s);
    heading(s, "Queues");
    if (doc) {
        double age_s = json_number_value(json_object_get(doc, "queues_age_s"));
        if (age_s > OLD_QUEUES_S)
            printf("  as they were %.0f s ago\n", age_s);
        print_lengths(json_object_get(doc, "queues"));
        return;
    }
    for (size_t i = 0; i < s->n_trackers; i++) {
        const struct tracker_state *t = &s->trackers[i];
        for (size_t j = 0; t->ok && j < t->counters.n; j++) {
            const char *name = t->counters.items[j].name.ptr;
            if (!is_queue(name))
                continue;
            if (s->n_trackers > 1)
                printf("  %-24s %-28s %12s\n", t->name, name, t->counters.items[j].value.ptr);
            else
                printf("  %-28s %12s\n", name, t->counters.items[j].value.ptr);
            any = true;
        }
    }
    if (!any)
        printf("  nothing was queued since the trackers were started\n");
}

static void print_fsck(const struct status *s)
{
    const struct kv *k = &s->fsck.args;
    uint64_t checked = kv_u64(k, "max_fid_checked", 0), end = kv_u64(k, "end_fid", 0);
    heading(s, "Fsck");
    if (!s->have_fsck) {
        printf("  unknown: %s\n", s->fsck_fail.text);
        return;
    }
    char bar[BAR_CELLS + 1];
    out_bar(bar, BAR_CELLS, end ? (double)checked / (double)end : 0);
    if (kv_u64(k, "running", 0))
        printf("  running on %s  [%s] file %" PRIu64 " of %" PRIu64, kv_str(k, "host", "?"), bar, checked, end);
    else
        printf("  not running, checked up to file %" PRIu64 " of %" PRIu64, checked, end);
    for (size_t i = 0; i < k->n; i++) {
        if (strncmp(k->items[i].name.ptr, "num_", 4) == 0)
            printf("  %s %s", k->items[i].name.ptr + 4, k->items[i].value.ptr);
    }
    putchar('\n');
}

/* The value of KEY in "a=1 b=2". */
static struct span state_value(const char *state, const char *key)
{
    struct span rest = span_of(state), word, name;
    while (span_split(&rest, ' ', &word)) {
        struct span value = word;
        if (span_split(&value, '=', &name) && span_is(name, key) && value.ptr)
            return value;
    }
    return span_make("0", 1);
}

static bool rebalance_runs(const struct status *s)
{
    const char *host = cluster_setting(&s->cluster, "rebal_host");
    return host && num_perl_true(span_of(host));
}

static void print_rebalance(const struct status *s)
{
    heading(s, "Rebalance");
    if (!s->have_rebalance) {
        printf("  %s\n", strcmp(s->rebalance.code, "no_rebal_state") == 0 ? "not running" : "unknown");
        return;
    }
    const char *state = kv_str(&s->rebalance.args, "state", "");
    struct span files = state_value(state, "fids_queued"), bytes = state_value(state, "bytes_queued");
    char size[OUT_SIZE_MAX];
    uint64_t n = 0;
    (void)!num_parse_u64(bytes, 0, UINT64_MAX, &n);
    out_size(size, n);
    printf("  %s, %.*s files with %s queued\n", rebalance_runs(s) ? "running" : "stopped", (int)files.len, files.ptr,
           size);
}

static void print_text(const struct status *s)
{
    heading(s, "Trackers");
    for (size_t i = 0; i < s->n_trackers; i++)
        print_tracker(s, &s->trackers[i]);
    if (!s->have_cluster) {
        printf("%s\n", s->fail.text);
        return;
    }
    print_hosts(s);
    print_queues(s);
    print_fsck(s);
    print_rebalance(s);
}

/* ---- JSON ---- */

/* The row of a tracker: its own, or what it told the old way. Owned by the caller. */
static json_t *tracker_row(const struct tracker_state *t)
{
    struct report_tracker row = {.name = t->name,
                                 .failure = t->ok ? NULL : t->error,
                                 .version = t->version,
                                 .counters = t->ok ? &t->counters : NULL};
    json_t *own = json_array_get(json_object_get(t->document, "trackers"), 0);
    if (!json_is_object(own))
        return report_status_tracker(&row);
    report_json_str(own, "tracker", t->name); /* as we call it */
    return json_incref(own);
}

/* The same document from what any tracker can be asked. */
static json_t *own_document(const struct status *s, json_t *trackers)
{
    const struct cluster *c = &s->cluster;
    struct report_host *hosts = mem_calloc(c->n_hosts + 1, sizeof *hosts);
    struct report_device *devices = mem_calloc(c->n_devices + 1, sizeof *devices);
    for (size_t i = 0; i < c->n_hosts; i++)
        hosts[i] = (struct report_host){.hostid = c->hosts[i].hostid,
                                        .port = c->hosts[i].port,
                                        .name = c->hosts[i].name,
                                        .ip = c->hosts[i].ip,
                                        .status = c->hosts[i].status};
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct cluster_device *d = &c->devices[i];
        devices[i] = (struct report_device){.devid = d->devid,
                                            .hostid = d->hostid,
                                            .status = d->status,
                                            .observed = d->observed,
                                            .weight = d->weight,
                                            .has_usage = d->usage_known,
                                            .mb_total = d->mb_total,
                                            .mb_used = d->mb_used,
                                            .utilization = -1};
        if (num_parse_double(span_of(d->utilization), &devices[i].utilization) != MOG_OK)
            devices[i].utilization = -1;
    }
    struct report_status r = {.unix_s = clock_wall_s(),
                              .hosts = hosts,
                              .n_hosts = c->n_hosts,
                              .devices = devices,
                              .n_devices = c->n_devices,
                              .fsck = s->have_fsck ? &s->fsck.args : NULL,
                              .is_rebalancing = rebalance_runs(s),
                              .rebalance_state = s->have_rebalance ? kv_str(&s->rebalance.args, "state", "") : NULL};
    json_t *doc = report_status(&r, trackers);
    free(hosts);
    free(devices);
    return doc;
}

static void print_json(const struct status *s)
{
    json_t *rows = json_array(), *first = first_document(s);
    for (size_t i = 0; i < s->n_trackers; i++)
        json_array_append_new(rows, tracker_row(&s->trackers[i]));
    if (first) {
        json_object_set_new(first, "trackers", rows);
        out_json(json_incref(first));
    } else {
        out_json(own_document(s, rows));
    }
}

static int status_run(struct adm *a)
{
    struct status s = {.a = a, .n_trackers = client_count(a->client)};
    struct mog_fail f = {.code = MOG_OK};
    int64_t interval_s;
    if (toolopt_int(&a->opt, "interval", 1, 86400, DEFAULT_INTERVAL_S, &interval_s, &f) != MOG_OK)
        return adm_fail("", &f);
    s.trackers = mem_calloc(s.n_trackers, sizeof *s.trackers);
    for (size_t i = 0; i < s.n_trackers; i++)
        s.trackers[i].name = mem_strdup(client_name(a->client, i));
    bool watch = toolopt_flag(&a->opt, "watch");
    for (;;) {
        gather(&s);
        if (watch && a->color)
            fputs("\033[H\033[2J", stdout);
        if (adm_json(a))
            print_json(&s);
        else
            print_text(&s);
        if (fflush(stdout) != 0 || !watch)
            break;
        clock_sleep_ms(interval_s * 1000);
    }
    bool ok = s.have_cluster;
    status_fini(&s);
    return ok ? 0 : 1;
}

const struct adm_verb adm_status_verbs[] = {
    {NULL, NULL, status_opts, "The whole cluster on one screen.", status_run, ADM_KEEP_ORDER},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
