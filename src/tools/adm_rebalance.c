/* SPDX-License-Identifier: MIT */
/* mogadm rebalance: moving files between devices by a policy. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/num.h"
#include "tools/adm.h"
#include "tools/out.h"

static const struct toolopt_def policy_opts[] = {
    {"options", 0, TOOLOPT_STRING, "the policy: \"from_percent_used=95 to_percent_free=50 limit_type=device ...\""},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static int rebalance_start(struct adm *a)
{
    return adm_command(a, "rebalance_start", NULL, "", "rebalance started");
}

static int rebalance_stop(struct adm *a)
{
    return adm_command(a, "rebalance_stop", NULL, "", "rebalance stopped");
}

static int rebalance_reset(struct adm *a)
{
    return adm_command(a, "rebalance_reset", NULL, "", "rebalance reset");
}

static int rebalance_policy(struct adm *a)
{
    struct kv args = KV_ZERO;
    const char *policy = toolopt_str(&a->opt, "options");
    if (policy)
        kv_add_str(&args, "policy", policy);
    int result = adm_command(a, "rebalance_set_policy", &args, "", "changed policy setting");
    kv_fini(&args);
    return result;
}

static bool load_settings(struct adm *a, struct cluster *c)
{
    struct mog_fail f = {.code = MOG_OK};
    if (cluster_load_settings(c, a->client, &f) == MOG_OK)
        return true;
    fprintf(stderr, "%s\n", f.text);
    adm_fail_text("can't get settings");
    return false;
}

static int rebalance_settings(struct adm *a)
{
    struct cluster c = CLUSTER_ZERO;
    bool ok = load_settings(a, &c);
    json_t *json = ok && adm_json(a) ? json_object() : NULL;
    for (size_t i = 0; i < c.n_settings; i++) {
        const char *key = c.settings[i].key;
        if (strncmp(key, "rebal_", 6) != 0 || strcmp(key, "rebal_state") == 0)
            continue;
        if (json)
            report_json_str(json, key, c.settings[i].value);
        else
            printf("%25s = %s\n", key, c.settings[i].value);
    }
    if (json)
        out_json(json);
    cluster_fini(&c);
    return ok ? 0 : 1;
}

/* ---- status ---- */

static int by_text(const void *a, const void *b)
{
    char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* The parts of `text` between any of the bytes in `seps`, sorted. */
static void split_sorted(struct opt_list *out, const char *text, const char *seps)
{
    char *copy = mem_strdup(text), *save = NULL;
    for (char *part = strtok_r(copy, seps, &save); part; part = strtok_r(NULL, seps, &save))
        opt_list_add(out, part);
    if (out->n > 1)
        qsort(out->items, out->n, sizeof *out->items, by_text);
    free(copy);
}

static void print_state(const char *state, bool running, bool as_json)
{
    struct opt_list parts = {NULL, 0, 0};
    json_t *json = as_json ? json_object() : NULL;
    split_sorted(&parts, state, " \t\r\n");
    if (json)
        json_object_set_new(json, "running", json_boolean(running));
    else
        printf("Rebalance is %s\nRebalance status:\n", running ? "running" : "stopped");
    for (size_t i = 0; i < parts.n; i++) {
        char *value = strchr(parts.items[i], '=');
        if (value)
            *value++ = '\0';
        else
            value = parts.items[i] + strlen(parts.items[i]);
        if (json)
            report_json_str(json, parts.items[i], value);
        else
            printf("%25s = %s\n", parts.items[i], value);
    }
    if (json)
        out_json(json);
    opt_list_fini(&parts);
}

static int rebalance_status(struct adm *a)
{
    struct cluster c = CLUSTER_ZERO;
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    int status = 1;
    if (load_settings(a, &c)) {
        const char *host = cluster_setting(&c, "rebal_host");
        bool running = host && num_perl_true(span_of(host));
        if (client_request(a->client, "rebalance_status", NULL, &answer, &f) == MOG_OK) {
            print_state(kv_str(&answer.args, "state", ""), running, adm_json(a));
            status = 0;
        } else {
            if (!adm_json(a))
                printf("Rebalance is %s\n", running ? "running" : "stopped");
            adm_fail("", &f);
        }
    }
    client_answer_fini(&answer);
    cluster_fini(&c);
    return status;
}

/* ---- test ---- */

static json_t *device_json(const struct cluster *c, const char *id)
{
    json_t *row = json_object();
    uint64_t devid = adm_devid(id);
    const struct cluster_device *d = cluster_device_find(c, devid);
    const struct cluster_host *h = d ? cluster_host_find(c, d->hostid) : NULL;
    json_object_set_new(row, "devid", json_integer((json_int_t)devid));
    report_json_str(row, "hostname", h ? h->name : NULL);
    json_object_set_new(row, "mb_free",
                        d && d->usage_known ? json_integer((json_int_t)(d->mb_total - d->mb_used)) : json_null());
    return row;
}

static void print_devices(const struct cluster *c, const char *list, json_t *json)
{
    struct opt_list ids = {NULL, 0, 0};
    split_sorted(&ids, list, ", ");
    for (size_t i = 0; i < ids.n; i++) {
        if (json) {
            json_array_append_new(json, device_json(c, ids.items[i]));
            continue;
        }
        const struct cluster_device *d = cluster_device_find(c, adm_devid(ids.items[i]));
        const struct cluster_host *h = d ? cluster_host_find(c, d->hostid) : NULL;
        printf(" - %s", ids.items[i]);
        if (h && d->usage_known)
            printf("  (%s, %.3f of %.3f G used)", h->name, (double)d->mb_used / 1024, (double)d->mb_total / 1024);
        else if (h)
            printf("  (%s)", h->name);
        putchar('\n');
    }
    opt_list_fini(&ids);
}

static void print_test(struct adm *a, const struct cluster *c, const struct kv *k)
{
    const char *policy = cluster_setting(c, "rebal_policy");
    const char *sources = kv_str(k, "sdevs", ""), *destinations = kv_str(k, "ddevs", "");
    if (adm_json(a)) {
        json_t *o = json_object(), *s = json_array(), *d = json_array();
        report_json_str(o, "policy", policy);
        print_devices(c, sources, s);
        print_devices(c, destinations, d);
        json_object_set_new(o, "sources", s);
        json_object_set_new(o, "destinations", d);
        out_json(o);
        return;
    }
    printf("Tested rebalance policy...\nPolicy: %s\n\nSource devices:\n", policy ? policy : "");
    print_devices(c, sources, NULL);
    printf("Destination devices:\n");
    print_devices(c, destinations, NULL);
}

static int rebalance_test(struct adm *a)
{
    struct cluster c = CLUSTER_ZERO;
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    struct mog_fail f = {.code = MOG_OK}, ignored;
    int status = 1;
    if (client_request(a->client, "rebalance_test", NULL, &answer, &f) != MOG_OK) {
        adm_fail("", &f);
    } else if (load_settings(a, &c)) {
        /* Names and space are an addition: without them the numbers are shown all the same. */
        if (cluster_load_hosts(&c, a->client, &ignored) == MOG_OK)
            (void)!cluster_load_devices(&c, a->client, &ignored);
        print_test(a, &c, &answer.args);
        status = 0;
    }
    client_answer_fini(&answer);
    cluster_fini(&c);
    return status;
}

const struct adm_verb adm_rebalance_verbs[] = {
    {"start", NULL, NULL, "Start, or go on with, a rebalance.", rebalance_start, 0},
    {"stop", NULL, NULL, "Stop it; it can go on from there.", rebalance_stop, 0},
    {"reset", NULL, NULL, "Forget how far it was.", rebalance_reset, 0},
    {"policy", NULL, policy_opts, "Set the policy.", rebalance_policy, 0},
    {"settings", NULL, adm_json_opts, "Show the settings of rebalance.", rebalance_settings, 0},
    {"status", NULL, adm_json_opts, "How far it is.", rebalance_status, 0},
    {"test", NULL, adm_json_opts, "Show which devices the policy would choose now.", rebalance_test, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
