/* SPDX-License-Identifier: MIT */
/* mogadm device: the disks that hold the files. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/num.h"
#include "common/span.h"
#include "tools/adm.h"
#include "tools/out.h"

static const struct toolopt_def list_opts[] = {
    {"all", 0, TOOLOPT_FLAG, "dead devices too"},
    {"hostname", 0, TOOLOPT_STRING, "only devices of this host"},
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct toolopt_def summary_opts[] = {
    {"status", 0, TOOLOPT_STRING, "count devices with these statuses (default: alive,readonly,drain)"},
    {"hostname", 0, TOOLOPT_STRING, "only this host"},
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct toolopt_def add_opts[] = {
    {"status", 0, TOOLOPT_STRING, "its status (default: alive)"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct toolopt_def modify_opts[] = {
    {"status", 0, TOOLOPT_STRING, "alive, down, readonly, drain, dead"},
    {"weight", 0, TOOLOPT_INT, "weight in the choice of the copy to read (default 100)"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

/* One line per device, or one sum per host. */
typedef void (*host_fn)(struct adm *a, const struct cluster *c, const struct cluster_host *h, json_t *json);

static int each_host(struct adm *a, host_fn fn, const char *heading)
{
    struct cluster c = CLUSTER_ZERO;
    const char *only = toolopt_text(&a->opt, "hostname");
    bool ok = adm_load_hosts(a, &c) && adm_load_devices(a, &c), seen = !only;
    json_t *json = ok && adm_json(a) ? json_array() : NULL;
    if (ok && !json && heading)
        fputs(heading, stdout);
    for (size_t i = 0; ok && i < c.n_hosts; i++) {
        if (only && strcmp(only, c.hosts[i].name) != 0)
            continue;
        fn(a, &c, &c.hosts[i], json);
        seen = true;
    }
    if (json)
        out_json(json);
    cluster_fini(&c);
    if (ok && !seen) {
        fflush(stdout);
        fprintf(stderr, "There is no host '%s'.\n", only);
        return 1;
    }
    return ok ? 0 : 1;
}

static json_t *device_json(const struct cluster_host *h, const struct cluster_device *d)
{
    json_t *row = json_object();
    json_object_set_new(row, "devid", json_integer((json_int_t)d->devid));
    json_object_set_new(row, "hostid", json_integer((json_int_t)d->hostid));
    report_json_str(row, "hostname", h->name);
    report_json_str(row, "status", d->status);
    report_json_str(row, "observed_state", d->observed[0] ? d->observed : NULL);
    json_object_set_new(row, "weight", json_integer((json_int_t)d->weight));
    json_object_set_new(row, "mb_total", d->usage_known ? json_integer((json_int_t)d->mb_total) : json_null());
    json_object_set_new(row, "mb_used", d->usage_known ? json_integer((json_int_t)d->mb_used) : json_null());
    double utilization;
    bool known = num_parse_double(span_of(d->utilization), &utilization) == MOG_OK;
    json_object_set_new(row, "utilization", known ? json_real(utilization) : json_null());
    return row;
}

static void list_host(struct adm *a, const struct cluster *c, const struct cluster_host *h, json_t *json)
{
    if (!json) {
        printf("%s [%" PRIu64 "]: %s%s%s\n", h->name, h->hostid, adm_state_begin(a, h->status), h->status,
               adm_state_end(a));
        printf("%7s  %-7s %10s %10s %10s %10s\n", "", "", "used(G)", "free(G)", "total(G)", "weight(%)");
    }
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct cluster_device *d = &c->devices[i];
        if (d->hostid != h->hostid || (strcmp(d->status, "dead") == 0 && !toolopt_flag(&a->opt, "all")))
            continue;
        if (json) {
            json_array_append_new(json, device_json(h, d));
            continue;
        }
        char name[32];
        double total = (double)d->mb_total / 1024, used = (double)d->mb_used / 1024;
        snprintf(name, sizeof name, "dev%" PRIu64, d->devid);
        printf("%7s: %s%7s%s %10.3f %10.3f %10.3f %10" PRId64 "\n", name, adm_state_begin(a, d->status), d->status,
               adm_state_end(a), used, total - used, total, d->weight);
    }
    if (!json)
        putchar('\n');
}

static int device_list(struct adm *a)
{
    return each_host(a, list_host, NULL);
}

static bool status_wanted(struct adm *a, const char *status)
{
    const char *list = toolopt_text(&a->opt, "status");
    struct span rest = span_of(list ? list : "alive,readonly,drain"), one;
    while (span_split(&rest, ',', &one)) {
        if (span_is(span_trim(one), status))
            return true;
    }
    return false;
}

static void sum_host(struct adm *a, const struct cluster *c, const struct cluster_host *h, json_t *json)
{
    double total = 0, used = 0;
    size_t n = 0;
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct cluster_device *d = &c->devices[i];
        if (d->hostid != h->hostid || !status_wanted(a, d->status))
            continue;
        total += (double)d->mb_total / 1024;
        used += (double)d->mb_used / 1024;
        n++;
    }
    if (json) {
        json_t *row = json_object();
        report_json_str(row, "hostname", h->name);
        json_object_set_new(row, "hostid", json_integer((json_int_t)h->hostid));
        report_json_str(row, "status", h->status);
        json_object_set_new(row, "devices", json_integer((json_int_t)n));
        json_object_set_new(row, "used_gib", json_real(used));
        json_object_set_new(row, "free_gib", json_real(total - used));
        json_object_set_new(row, "total_gib", json_real(total));
        json_object_set_new(row, "used_percent", total > 0 ? json_real(used / total * 100) : json_null());
        json_array_append_new(json, row);
        return;
    }
    printf("%-15s [%4" PRIu64 "]: %s%6s%s", h->name, h->hostid, adm_state_begin(a, h->status), h->status,
           adm_state_end(a));
    printf("  %8.3f %8.3f %8.3f ", used, total - used, total);
    if (total > 0)
        printf("%8.2f", used / total * 100);
    putchar('\n');
}

static int device_summary(struct adm *a)
{
    char heading[120];
    snprintf(heading, sizeof heading, "%-15s %6s %7s  %8s %8s %8s %8s\n", "Hostname", "HostID", "Status", "used(G)",
             "free(G)", "total(G)", "%Used");
    return each_host(a, sum_host, heading);
}

static int device_add(struct adm *a)
{
    struct cluster c = CLUSTER_ZERO;
    bool ok = adm_load_hosts(a, &c);
    cluster_fini(&c);
    if (!ok)
        return 1;
    uint64_t devid = adm_devid(a->word[1]);
    if (devid == 0)
        return adm_help_error(a, "devid should be numeric");
    struct kv args = KV_ZERO;
    const char *status = toolopt_text(&a->opt, "status");
    kv_add_str(&args, "hostname", a->word[0]);
    kv_add_u64(&args, "devid", devid);
    kv_add_str(&args, "state", status ? status : "alive");
    int result = adm_command(a, "create_device", &args, "Error adding device: ", "Device added.");
    kv_fini(&args);
    return result;
}

static int set_state(struct adm *a, uint64_t devid, const char *status)
{
    struct kv args = KV_ZERO;
    if (strcmp(status, "drain") == 0)
        printf("***NOTE***: As of server version 2.40 'drain' has changed. See docs/wiki\n");
    kv_add_str(&args, "host", a->word[0]);
    kv_add_u64(&args, "device", devid);
    kv_add_str(&args, "state", status);
    int result = adm_command(a, "set_state", &args, "Error updating device: ", "Device updated.");
    kv_fini(&args);
    return result;
}

static int device_mark(struct adm *a)
{
    uint64_t devid = adm_devid(a->word[1]);
    return devid ? set_state(a, devid, a->word[2]) : adm_help_error(a, "devid should be numeric");
}

static int device_modify(struct adm *a)
{
    uint64_t devid = adm_devid(a->word[1]);
    const char *status = toolopt_text(&a->opt, "status"), *weight = toolopt_text(&a->opt, "weight");
    if (devid == 0)
        return adm_help_error(a, "devid should be numeric");
    int result = status ? set_state(a, devid, status) : 0;
    if (result == 0 && weight) {
        struct kv args = KV_ZERO;
        kv_add_str(&args, "host", a->word[0]);
        kv_add_u64(&args, "device", devid);
        kv_add_str(&args, "weight", weight);
        result = adm_command(a, "set_weight", &args, "Error updating device: ", "Device updated.");
        kv_fini(&args);
    }
    return result;
}

static int device_next(struct adm *a)
{
    struct cluster c = CLUSTER_ZERO;
    bool ok = adm_load_devices(a, &c);
    if (ok)
        printf("%" PRIu64 "\n", c.n_devices ? c.devices[c.n_devices - 1].devid + 1 : 1);
    cluster_fini(&c);
    return ok ? 0 : 1;
}

const struct adm_verb adm_device_verbs[] = {
    {"list", NULL, list_opts, "List all devices, for each host.", device_list, 0},
    {"summary", NULL, summary_opts, "Space of the hosts.", device_summary, 0},
    {"add", "hostname devid", add_opts, "Add a device to a host.", device_add, 0},
    {"mark", "hostname devid status", NULL, "Change the status of a device.", device_mark, 0},
    {"modify", "hostname devid", modify_opts, "Change a device's properties.", device_modify, 0},
    {"next", NULL, NULL, "The lowest number above those of all devices.", device_next, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
