/* SPDX-License-Identifier: MIT */
/* mogadm check: are all trackers, hosts and devices there, and how full are they? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/num.h"
#include "tools/adm.h"
#include "tools/out.h"
#include "tools/probe.h"
#include "tools/usage.h"

enum { THREADS = 32, DEFAULT_WAIT_S = 5 };

#define RULE "---------- ---------- ---------- ------"

static const struct toolopt_def check_opts[] = {
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {"strict", 0, TOOLOPT_FLAG, "exit with 1 when anything is not OK"},
    {"wait", 0, TOOLOPT_INT, "seconds to wait for a host (default 5)"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

struct check {
    struct adm *a;
    struct cluster cluster;
    bool have_cluster, problem;
    bool *host_ok; /* by index of the host */
    struct probe *probes;
    size_t n_probes;
    size_t *probed; /* index of the device of each probe */
    int64_t wait_ms;
    json_t *json; /* NULL: text */
    double kib_total, kib_used, kib_free;
};

/* The check ends here: what is missing is told of in JSON too. */
static int give_up(struct check *k, const char *text)
{
    k->problem = true;
    return adm_fail_text(text);
}

/* ---- trackers ---- */

/* Hosts and devices come from the tracker's memory, also when its database is gone: something that does not is asked.
 */
static bool database_answers(struct client *one, struct mog_fail *f)
{
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    enum mog_err e = client_request(one, "fsck_status", NULL, &answer, f);
    bool refused = strcmp(answer.code, "failure") == 0 || strcmp(answer.code, "db") == 0;
    client_answer_fini(&answer);
    return e == MOG_OK || (e == MOG_EREFUSED && !refused);
}

static int check_tracker(struct adm *a, struct client *one, void *arg)
{
    struct check *k = arg;
    struct cluster got = CLUSTER_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    if (!k->json) {
        printf("  %s ... ", client_name(one, 0));
        fflush(stdout);
    }
    bool ok = cluster_load_hosts(&got, one, &f) == MOG_OK && cluster_load_devices(&got, one, &f) == MOG_OK;
    if (ok) {
        cluster_fini(&k->cluster);
        k->cluster = got;
        k->have_cluster = true;
    } else {
        cluster_fini(&got);
    }
    bool has_database = ok && database_answers(one, &f);
    k->problem |= !has_database;
    if (k->json) {
        json_t *row = json_object();
        json_object_set_new(row, "tracker", json_string(client_name(one, 0)));
        json_object_set_new(row, "ok", json_boolean(has_database));
        if (!has_database)
            report_json_str(row, "error", ok ? "its database does not answer" : f.text);
        json_array_append_new(json_object_get(k->json, "trackers"), row);
    } else {
        printf("%s%s%s\n", out_begin(a->color, has_database ? OUT_GOOD : OUT_BAD),
               has_database ? "OK"
               : ok         ? "DATABASE FAILURE (the tracker is up; see its log)"
                            : "REQUEST FAILURE (is the tracker up?)",
               out_end(a->color));
    }
    return has_database ? 0 : 1;
}

/* ---- hosts ---- */

static void print_host(struct check *k, const struct cluster_host *h, const struct probe *p)
{
    bool alive = strcmp(h->status, "alive") == 0, ok = p && probe_ok(p);
    if (k->json) {
        json_t *row = json_object();
        json_object_set_new(row, "hostid", json_integer((json_int_t)h->hostid));
        report_json_str(row, "hostname", h->name);
        report_json_str(row, "status", h->status);
        json_object_set_new(row, "checked", json_boolean(alive));
        json_object_set_new(row, "ok", json_boolean(ok));
        json_array_append_new(json_object_get(k->json, "hosts"), row);
        return;
    }
    printf("  [%2" PRIu64 "] %s ... ", h->hostid, h->name);
    if (!alive)
        printf("%sskipping; status = %s%s\n", out_begin(k->a->color, OUT_WARN), h->status, out_end(k->a->color));
    else if (ok)
        printf("%sOK%s\n", out_begin(k->a->color, OUT_GOOD), out_end(k->a->color));
    else
        printf("%sREQUEST FAILURE FETCHING: %s%s\n", out_begin(k->a->color, OUT_BAD), p ? p->url : "",
               out_end(k->a->color));
}

/* Returns how many hosts answered. */
static size_t check_hosts(struct check *k)
{
    struct cluster *c = &k->cluster;
    struct probe *probes = mem_calloc(c->n_hosts + 1, sizeof *probes);
    size_t n = 0, good = 0;
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct cluster_host *h = &c->hosts[i];
        if (strcmp(h->status, "alive") == 0)
            probes[n++] = (struct probe){.method = "GET", .url = mem_printf("http://%s:%" PRIu64 "/", h->ip, h->port)};
    }
    probe_run(probes, n, THREADS, k->wait_ms);
    k->host_ok = mem_calloc(c->n_hosts + 1, sizeof *k->host_ok);
    for (size_t i = 0, at = 0; i < c->n_hosts; i++) {
        const struct probe *p = strcmp(c->hosts[i].status, "alive") == 0 ? &probes[at++] : NULL;
        k->host_ok[i] = p && probe_ok(p);
        good += k->host_ok[i];
        k->problem |= !k->host_ok[i];
        print_host(k, &c->hosts[i], p);
    }
    for (size_t i = 0; i < n; i++)
        probe_fini(&probes[i]);
    free(probes);
    return good;
}

/* ---- devices ---- */

static void gather_devices(struct check *k)
{
    struct cluster *c = &k->cluster;
    k->probes = mem_calloc(c->n_devices + 1, sizeof *k->probes);
    k->probed = mem_calloc(c->n_devices + 1, sizeof *k->probed);
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct cluster_host *h = &c->hosts[i];
        for (size_t j = 0; j < c->n_devices && k->host_ok[i]; j++) {
            const struct cluster_device *d = &c->devices[j];
            if (d->hostid != h->hostid || strcmp(d->status, "dead") == 0)
                continue;
            k->probed[k->n_probes] = j;
            k->probes[k->n_probes++] = (struct probe){
                .method = "GET",
                .url = mem_printf("http://%s:%" PRIu64 "//dev%" PRIu64 "/usage", h->ip, h->port, d->devid)};
        }
    }
}

/* The URL with the doubled slash made single, as it is shown. */
static char *shown_url(const char *url)
{
    const char *twice = strstr(url + 7, "//");
    return twice ? mem_printf("%.*s%s", (int)(twice - url), url, twice + 1) : mem_strdup(url);
}

static char *device_problem(const struct probe *p, struct usage *u)
{
    char *url = shown_url(p->url), *text = NULL;
    const char *missing = NULL;
    if (!probe_ok(p))
        text = mem_printf("REQUEST FAILURE FETCHING: %s", url);
    else if (!usage_parse(u, buf_as_span(&p->body), &missing))
        text = missing ? mem_printf("MISSING FIELD (%s) FROM USAGE FILE: %s", missing, url)
                       : mem_printf("USAGE FILE BROKEN OR EMPTY: %s", url);
    free(url);
    return text;
}

static void device_json(struct check *k, const struct cluster_device *d, const struct usage *u, const char *problem)
{
    json_t *row = json_object();
    json_object_set_new(row, "hostid", json_integer((json_int_t)d->hostid));
    json_object_set_new(row, "devid", json_integer((json_int_t)d->devid));
    report_json_str(row, "status", d->status);
    report_json_str(row, "observed_state", d->observed);
    json_object_set_new(row, "ok", json_boolean(problem == NULL));
    if (problem) {
        report_json_str(row, "error", problem);
    } else {
        json_object_set_new(row, "total_kib", json_real(u->total_kib));
        json_object_set_new(row, "used_kib", json_real(u->used_kib));
        json_object_set_new(row, "available_kib", json_real(u->available_kib));
        json_object_set_new(row, "use_percent", json_real(usage_percent(u->available_kib, u->total_kib)));
    }
    double utilization;
    if (num_parse_double(span_of(d->utilization), &utilization) == MOG_OK)
        json_object_set_new(row, "utilization", json_real(utilization));
    json_array_append_new(json_object_get(k->json, "devices"), row);
}

static void device_text(struct check *k, const struct cluster_device *d, const struct usage *u, const char *problem)
{
    const double gib = 1024.0 * 1024.0;
    char name[32], utilization[32] = "N/A";
    double value;
    snprintf(name, sizeof name, "dev%" PRIu64, d->devid);
    printf("  [%2" PRIu64 "] %-7s", d->hostid, name);
    if (problem) {
        printf(" %s%s%s\n", out_begin(k->a->color, OUT_BAD), problem, out_end(k->a->color));
        return;
    }
    if (num_parse_double(span_of(d->utilization), &value) == MOG_OK)
        snprintf(utilization, sizeof utilization, "%.1f", value);
    const char *observed = d->observed[0] ? d->observed : "?";
    printf("     %10.3f %10.3f %10.3f %6.2f%%  %s%-7s%s %5s\n", u->total_kib / gib, u->used_kib / gib,
           u->available_kib / gib, usage_percent(u->available_kib, u->total_kib), adm_state_begin(k->a, observed),
           observed, adm_state_end(k->a), utilization);
}

static void check_devices(struct check *k)
{
    const double gib = 1024.0 * 1024.0;
    gather_devices(k);
    probe_run(k->probes, k->n_probes, THREADS, k->wait_ms);
    if (!k->json) {
        printf("  host device      %10s %10s %10s %7s  %7s   %4s\n", "size(G)", "used(G)", "free(G)", "use% ",
               "ob state", "I/O%");
        printf("  ---- ------------ " RULE " ---------- -----\n");
    }
    for (size_t i = 0; i < k->n_probes; i++) {
        const struct cluster_device *d = &k->cluster.devices[k->probed[i]];
        struct usage u = {.total_kib = 0};
        char *problem = device_problem(&k->probes[i], &u);
        k->problem |= problem || strcmp(d->observed, "writeable") != 0;
        if (!problem) {
            k->kib_total += u.total_kib;
            k->kib_used += u.used_kib;
            k->kib_free += u.available_kib;
        }
        if (k->json)
            device_json(k, d, &u, problem);
        else
            device_text(k, d, &u, problem);
        free(problem);
    }
    if (!k->json) {
        printf("  ---- ------------ " RULE "\n");
        printf("             total:%10.3f %10.3f %10.3f %6.2f%%\n", k->kib_total / gib, k->kib_used / gib,
               k->kib_free / gib, usage_percent(k->kib_free, k->kib_total));
    }
}

static void check_fini(struct check *k)
{
    for (size_t i = 0; i < k->n_probes; i++)
        probe_fini(&k->probes[i]);
    free(k->probes);
    free(k->probed);
    free(k->host_ok);
    cluster_fini(&k->cluster);
    json_decref(k->json);
}

static int check_all(struct check *k)
{
    if (!k->json)
        printf("Checking trackers...\n");
    (void)adm_each_tracker(k->a, check_tracker, k);
    if (!k->have_cluster)
        return give_up(k, "Unable to retrieve host information from tracker(s).");
    if (!k->json)
        printf("\nChecking hosts...\n");
    if (check_hosts(k) == 0)
        return give_up(k, "No devices found on tracker(s).");
    if (!k->json)
        printf("\nChecking devices...\n");
    check_devices(k);
    return k->problem && toolopt_flag(&k->a->opt, "strict") ? 1 : 0;
}

static int check_run(struct adm *a)
{
    struct check k = {.a = a};
    struct mog_fail f = {.code = MOG_OK};
    int64_t wait_s;
    if (toolopt_int(&a->opt, "wait", 1, 3600, DEFAULT_WAIT_S, &wait_s, &f) != MOG_OK)
        return adm_fail("", &f);
    k.wait_ms = wait_s * 1000;
    if (adm_json(a))
        k.json = json_pack("{s:[], s:[], s:[]}", "trackers", "hosts", "devices");
    int status = check_all(&k);
    if (k.json) {
        json_object_set_new(k.json, "ok", json_boolean(!k.problem));
        out_json(json_incref(k.json));
    }
    check_fini(&k);
    return status;
}

static int stats_run(struct adm *a)
{
    (void)a;
    fprintf(stderr, "mogadm stats is deprecated by new 'mogstats' utility\n");
    return 1;
}

const struct adm_verb adm_check_verbs[] = {
    {NULL, NULL, check_opts, "Check trackers, hosts and devices.", check_run, ADM_KEEP_ORDER},
    {NULL, NULL, NULL, NULL, NULL, 0},
};

const struct adm_verb adm_stats_verbs[] = {
    {NULL, NULL, NULL, "Replaced by the program mogstats.", stats_run, ADM_NO_TRACKER},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
