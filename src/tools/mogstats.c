/* SPDX-License-Identifier: MIT */
/* mogstats: counts over the database's tables. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/daemon.h"
#include "common/mem.h"
#include "store/store_file.h"
#include "store/store_stats.h"
#include "store/store_topology.h"
#include "tools/out.h"
#include "tools/statline.h"
#include "tools/toolopt.h"

static const struct toolopt_def defs[] = {
    {"db_dsn", 0, TOOLOPT_STRING, "database: DBI:mysql:..., DBI:Pg:..., DBI:SQLite:..."},
    {"db_user", 0, TOOLOPT_STRING, "database user"},
    {"db_pass", 0, TOOLOPT_STRING, "its password"},
    {"config", 0, TOOLOPT_STRING, "configuration file"},
    {"stats", 0, TOOLOPT_STRING, "what to count, separated by commas (default: all)"},
    {"verbose", 0, TOOLOPT_FLAG, "say what is being counted"},
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {"help", 0, TOOLOPT_FLAG, "this text"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

#define D10 "----------"
#define D12 "------------"
#define D20 "--------------------"

struct stats {
    struct toolopt opt;
    struct store *st;
    struct store_topology top;
    int64_t now_unix_s;
    bool verbose;
    json_t *json; /* NULL: text */
};

/* ---- names ---- */

static const char *domain_name(const struct stats *s, uint64_t dmid)
{
    for (size_t i = 0; i < s->top.domains.n; i++) {
        if (s->top.domains.rows[i].dmid == dmid)
            return s->top.domains.rows[i].name.ptr;
    }
    return "";
}

static const char *class_name(const struct stats *s, uint64_t dmid, uint64_t classid)
{
    if (classid == 0)
        return "default";
    for (size_t i = 0; i < s->top.classes.n; i++) {
        const struct store_class *c = &s->top.classes.rows[i];
        if (c->dmid == dmid && c->classid == classid)
            return c->name.ptr;
    }
    return "";
}

static const struct store_device *device_of(const struct stats *s, uint64_t devid)
{
    for (size_t i = 0; i < s->top.devices.n; i++) {
        if (s->top.devices.rows[i].devid == devid)
            return &s->top.devices.rows[i];
    }
    return NULL;
}

static const char *host_name(const struct stats *s, const struct store_device *d)
{
    for (size_t i = 0; d && i < s->top.hosts.n; i++) {
        if (s->top.hosts.rows[i].hostid == d->hostid && s->top.hosts.rows[i].hostname)
            return s->top.hosts.rows[i].hostname;
    }
    return "";
}

/* ---- rows, made ready for sorting by their names ---- */

struct row {
    const char *first, *second;
    uint64_t number, count, bytes, bytes_full;
};

static int by_names(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int c = strcmp(x->first, y->first);
    if (c == 0)
        c = strcmp(x->second, y->second);
    return c ? c : (x->number > y->number) - (x->number < y->number);
}

static void sort_rows(struct row *rows, size_t n)
{
    if (n > 1)
        qsort(rows, n, sizeof *rows, by_names);
}

/* Rows of the same names are one. Returns how many are left. */
static size_t merge_rows(struct row *rows, size_t n)
{
    size_t out = 0;
    for (size_t i = 0; i < n; i++) {
        if (out && by_names(&rows[out - 1], &rows[i]) == 0)
            rows[out - 1].count += rows[i].count;
        else
            rows[out++] = rows[i];
    }
    return out;
}

static struct row *class_rows(const struct stats *s, const struct store_stats *in)
{
    struct row *rows = mem_calloc(in->n + 1, sizeof *rows);
    for (size_t i = 0; i < in->n; i++) {
        const struct store_stat *r = &in->rows[i];
        rows[i] = (struct row){domain_name(s, r->key[0]),
                               class_name(s, r->key[0], r->key[1]),
                               r->key[2],
                               r->count,
                               r->bytes,
                               r->bytes_full};
    }
    sort_rows(rows, in->n);
    return rows;
}

static json_t *row_json(const char *first, const char *first_value, const char *second, const char *second_value)
{
    json_t *o = json_object();
    report_json_str(o, first, first_value);
    if (second)
        report_json_str(o, second, second_value);
    return o;
}

static void add_count(json_t *o, const char *name, uint64_t value)
{
    json_object_set_new(o, name, json_integer((json_int_t)value));
}

static json_t *section(struct stats *s, const char *name)
{
    json_t *list = json_array();
    json_object_set_new(s->json, name, list);
    return list;
}

/* ---- sections ---- */

static enum mog_err read_stats(struct stats *s, enum store_stat_kind kind, const char *name, struct store_stats *out)
{
    if (s->verbose && !s->json)
        printf("... %s stats...\n", name);
    enum mog_err e = store_stats_read(s->st, kind, out);
    if (e == MOG_OK && s->verbose && !s->json)
        printf("... done\n");
    return e;
}

static enum mog_err show_devices(struct stats *s)
{
    struct store_stats in = {NULL, 0};
    enum mog_err e = read_stats(s, STORE_STAT_DEVICES, "devices", &in);
    json_t *list = e == MOG_OK && s->json ? section(s, "devices") : NULL;
    if (e == MOG_OK && !list) {
        printf("\nStatistics for devices...\n");
        printf("  %-10s %-15s %12s %10s\n", "device", "host", "files", "status");
        printf("  " D10 " ---------------- " D12 " " D10 "\n");
    }
    for (size_t i = 0; e == MOG_OK && i < in.n; i++) {
        const struct store_device *d = device_of(s, in.rows[i].key[0]);
        char name[32];
        snprintf(name, sizeof name, "dev%" PRIu64, in.rows[i].key[0]);
        if (list) {
            json_t *o = row_json("device", name, "host", host_name(s, d));
            add_count(o, "files", in.rows[i].count);
            report_json_str(o, "status", d ? d->status : NULL);
            json_array_append_new(list, o);
        } else {
            printf("  %-10s %-10s %10" PRIu64 " %10s\n", name, host_name(s, d), in.rows[i].count, d ? d->status : "");
        }
    }
    if (e == MOG_OK && !list)
        printf("  " D10 " ---------------- " D12 " " D10 "\n");
    store_stats_free(&in);
    return e;
}

static enum mog_err show_fids(struct stats *s)
{
    uint64_t fid = 0;
    if (s->verbose && !s->json)
        printf("... fids stats...\n");
    enum mog_err e = store_file_max_fid(s->st, &fid);
    if (e != MOG_OK)
        return e;
    if (s->verbose && !s->json)
        printf("... done\n");
    if (s->json)
        json_object_set_new(s->json, "max_fid", fid ? json_integer((json_int_t)fid) : json_null());
    else if (fid)
        printf("\nStatistics for file ids...\n  Max file id: %" PRIu64 "\n", fid);
    else
        printf("\nStatistics for file ids...\n  Max file id: none\n");
    return MOG_OK;
}

static enum mog_err show_files(struct stats *s)
{
    const uint64_t mib = UINT64_C(1) << 20;
    const char *rule = "  " D20 " ----------- " D10 " ----------- -------------\n";
    struct store_stats in = {NULL, 0};
    enum mog_err e = read_stats(s, STORE_STAT_FILES, "files", &in);
    struct row *rows = class_rows(s, &in);
    json_t *list = e == MOG_OK && s->json ? section(s, "files") : NULL;
    if (e == MOG_OK && !list)
        printf("\nStatistics for files...\n  %-20s %-10s %10s %11s %13s\n%s", "domain", "class", "files", "size (m)",
               "fullsize (m)", rule);
    for (size_t i = 0; e == MOG_OK && i < in.n; i++) {
        const struct row *r = &rows[i];
        if (list) {
            json_t *o = row_json("domain", r->first, "class", r->second);
            add_count(o, "files", r->count);
            add_count(o, "bytes", r->bytes);
            add_count(o, "bytes_of_all_copies", r->bytes_full);
            json_array_append_new(list, o);
        } else {
            printf("  %-20s %-10s %10" PRIu64 " %11" PRIu64 " %13" PRIu64 "\n", r->first, r->second, r->count,
                   r->bytes / mib, r->bytes_full / mib);
        }
    }
    if (e == MOG_OK && !list)
        fputs(rule, stdout);
    free(rows);
    store_stats_free(&in);
    return e;
}

static enum mog_err show_domains(struct stats *s)
{
    const char *rule = "  " D20 " ----------- " D10 "\n";
    struct store_stats in = {NULL, 0};
    enum mog_err e = read_stats(s, STORE_STAT_DOMAINS, "domains", &in);
    struct row *rows = class_rows(s, &in);
    json_t *list = e == MOG_OK && s->json ? section(s, "domains") : NULL;
    if (e == MOG_OK && !list)
        printf("\nStatistics for domains...\n  %-20s %-10s %10s\n%s", "domain", "class", "files", rule);
    for (size_t i = 0; e == MOG_OK && i < in.n; i++) {
        if (list) {
            json_t *o = row_json("domain", rows[i].first, "class", rows[i].second);
            add_count(o, "files", rows[i].count);
            json_array_append_new(list, o);
        } else {
            printf("  %-20s %-10s %10" PRIu64 "\n", rows[i].first, rows[i].second, rows[i].count);
        }
    }
    if (e == MOG_OK && !list)
        fputs(rule, stdout);
    free(rows);
    store_stats_free(&in);
    return e;
}

static enum mog_err show_replication(struct stats *s)
{
    const char *rule = "  " D20 " ----------- " D10 " " D10 "\n";
    struct store_stats in = {NULL, 0};
    enum mog_err e = read_stats(s, STORE_STAT_REPLICATION, "replication", &in);
    struct row *rows = class_rows(s, &in);
    json_t *list = e == MOG_OK && s->json ? section(s, "replication") : NULL;
    if (e == MOG_OK && !list)
        printf("\nStatistics for replication...\n  %-20s %-10s %10s %10s\n%s", "domain", "class", "devcount", "files",
               rule);
    for (size_t i = 0; e == MOG_OK && i < in.n; i++) {
        if (list) {
            json_t *o = row_json("domain", rows[i].first, "class", rows[i].second);
            add_count(o, "devcount", rows[i].number);
            add_count(o, "files", rows[i].count);
            json_array_append_new(list, o);
        } else {
            printf("  %-20s %-10s %10" PRIu64 " %10" PRIu64 "\n", rows[i].first, rows[i].second, rows[i].number,
                   rows[i].count);
        }
    }
    if (e == MOG_OK && !list)
        fputs(rule, stdout);
    free(rows);
    store_stats_free(&in);
    return e;
}

static enum mog_err show_queue(struct stats *s, enum store_stat_kind kind, const char *name, const char *title)
{
    const char *rule = "  " D20 " " D12 "\n";
    struct store_stats in = {NULL, 0};
    enum mog_err e = read_stats(s, kind, name, &in);
    struct row *rows = mem_calloc(in.n + 1, sizeof *rows);
    for (size_t i = 0; i < in.n; i++)
        rows[i] = (struct row){statline_state(in.rows[i].key[0], s->now_unix_s, kind == STORE_STAT_REPLICATE_QUEUE),
                               "",
                               0,
                               in.rows[i].count,
                               0,
                               0};
    sort_rows(rows, in.n);
    size_t n = merge_rows(rows, in.n);
    json_t *list = e == MOG_OK && s->json ? section(s, name) : NULL;
    if (e == MOG_OK && !list)
        printf("\nStatistics for %s...\n  %-20s %12s\n%s", title, "status", "count", rule);
    for (size_t i = 0; e == MOG_OK && i < n; i++) {
        if (list) {
            json_t *o = row_json("status", rows[i].first, NULL, NULL);
            add_count(o, "count", rows[i].count);
            json_array_append_new(list, o);
        } else {
            printf("  %-20s %12" PRIu64 "\n", rows[i].first, rows[i].count);
        }
    }
    if (e == MOG_OK && !list)
        fputs(rule, stdout);
    free(rows);
    store_stats_free(&in);
    return e;
}

static enum mog_err show_replication_queue(struct stats *s)
{
    return show_queue(s, STORE_STAT_REPLICATE_QUEUE, "replication-queue", "replication queue");
}

static enum mog_err show_delete_queue(struct stats *s)
{
    return show_queue(s, STORE_STAT_DELETE_QUEUE, "delete-queue", "delete queue");
}

static enum mog_err show_general_queues(struct stats *s)
{
    const char *rule = "  --------------- " D20 " " D12 "\n";
    struct store_stats in = {NULL, 0};
    enum mog_err e = read_stats(s, STORE_STAT_GENERAL_QUEUES, "general-queues", &in);
    struct row *rows = mem_calloc(in.n + 1, sizeof *rows);
    for (size_t i = 0; i < in.n; i++)
        rows[i] = (struct row){statline_queue(in.rows[i].key[0]),
                               statline_state(in.rows[i].key[1], s->now_unix_s, false),
                               0,
                               in.rows[i].count,
                               0,
                               0};
    sort_rows(rows, in.n);
    size_t n = merge_rows(rows, in.n);
    json_t *list = e == MOG_OK && s->json ? section(s, "general-queues") : NULL;
    if (e == MOG_OK && !list)
        printf("\nStatistics for general queues...\n  %-15s %-20s %12s\n%s", "queue", "status", "count", rule);
    for (size_t i = 0; e == MOG_OK && i < n; i++) {
        if (list) {
            json_t *o = row_json("queue", rows[i].first, "status", rows[i].second);
            add_count(o, "count", rows[i].count);
            json_array_append_new(list, o);
        } else {
            printf("  %-15s %-20s %12" PRIu64 "\n", rows[i].first, rows[i].second, rows[i].count);
        }
    }
    if (e == MOG_OK && !list)
        fputs(rule, stdout);
    free(rows);
    store_stats_free(&in);
    return e;
}

/* In the order in which they are printed. */
static const struct {
    const char *name;
    enum mog_err (*show)(struct stats *s);
} sections[] = {
    {"devices", show_devices},
    {"fids", show_fids},
    {"files", show_files},
    {"domains", show_domains},
    {"replication", show_replication},
    {"replication-queue", show_replication_queue},
    {"delete-queue", show_delete_queue},
    {"general-queues", show_general_queues},
};
enum { N_SECTIONS = sizeof sections / sizeof sections[0] };

/* ---- the run ---- */

static int usage(void)
{
    printf("Usage: mogstats --db_dsn=\"DBI:mysql:mfs:host=mfshost\" --db_user=\"mfs\" --db_pass=\"mfs\"\n"
           "       mogstats --config=\"/etc/mogilefs/mogilefs.conf\" --stats=\"devices,files\" --json\n"
           "       mogstats --db_dsn=\"DBI:SQLite:/var/lib/mogilefs/mogilefs.db\" --verbose\n"
           "valid stats: all, delete-queue, devices, domains, fids, files, general-queues, replication, "
           "replication-queue\n");
    return 1;
}

static bool names(const char *list, const char *name)
{
    struct span rest = span_of(list), one;
    while (span_split(&rest, ',', &one)) {
        if (span_is(span_trim(one), name))
            return true;
    }
    return false;
}

/* The first name in the list that is none, copied; NULL when all are. */
static char *bad_name(const char *list)
{
    struct span rest = span_of(list), one;
    while (span_split(&rest, ',', &one)) {
        bool known = span_is(span_trim(one), "all");
        for (size_t i = 0; i < N_SECTIONS; i++)
            known |= span_is(span_trim(one), sections[i].name);
        if (!known)
            return span_dup(span_trim(one));
    }
    return NULL;
}

static bool is_wanted(const char *list, const char *name)
{
    /* The sums over files have the counts of domains in them. */
    if (strcmp(name, "domains") == 0)
        return names(list, name) && !names(list, "files") && !names(list, "all");
    return names(list, "all") || names(list, name);
}

static int fail(struct stats *s, const struct mog_fail *f)
{
    if (!f->text[0] && s->st)
        f = store_failure(s->st);
    fflush(stdout);
    fprintf(stderr, "%s\n", f->text);
    return 1;
}

static int count_all(struct stats *s, const char *list, struct mog_fail *f)
{
    if (!s->json)
        printf("Fetching statistics... (%s)\n", list);
    fflush(stdout);
    if (store_topology_read(s->st, &s->top) != MOG_OK || store_now(s->st, &s->now_unix_s) != MOG_OK)
        return fail(s, f);
    for (size_t i = 0; i < N_SECTIONS; i++) {
        if (is_wanted(list, sections[i].name) && sections[i].show(s) != MOG_OK)
            return fail(s, f);
        fflush(stdout);
    }
    if (!s->json)
        printf("\ndone\n");
    return 0;
}

static int stats_run(struct stats *s)
{
    struct mog_fail f = {.code = MOG_OK};
    const char *list = toolopt_text(&s->opt, "stats"), *dsn = toolopt_text(&s->opt, "db_dsn");
    if (!list)
        list = "all";
    char *bad = bad_name(list);
    if (bad) {
        printf("ERROR: Invalid stat %s\n\n", bad);
        free(bad);
        return usage();
    }
    if (!dsn) {
        fprintf(stderr, "No database: give --db_dsn, or db_dsn = ... in ~/.mogilefs.conf\n");
        return usage();
    }
    struct store_config config = {.dsn = dsn,
                                  .user = toolopt_str(&s->opt, "db_user"),
                                  .password = toolopt_str(&s->opt, "db_pass"),
                                  .must_exist = true};
    struct store_env *env = NULL;
    if (store_env_new(&config, &env, &f) != MOG_OK)
        return fail(s, &f);
    s->st = store_new(env, STORE_UNLIMITED);
    s->verbose = toolopt_flag(&s->opt, "verbose");
    s->json = toolopt_flag(&s->opt, "json") ? json_object() : NULL;
    int status = count_all(s, list, &f);
    if (s->json) {
        if (status == 0)
            out_json(json_incref(s->json));
        json_decref(s->json);
    }
    store_topology_free(&s->top);
    store_free(s->st);
    store_env_free(env);
    return status;
}

int main(int argc, char **argv)
{
    struct stats s = {.verbose = false};
    const struct toolopt_def *const tables[] = {defs, NULL};
    struct opt_list rest = {NULL, 0, 0};
    struct mog_fail f = {.code = MOG_OK};
    int status;
    out_start();
    if (toolopt_parse(&s.opt, tables, argc - 1, argv + 1, TOOLOPT_SKIP_UNKNOWN, &rest, &f) != MOG_OK ||
        toolopt_read_config(&s.opt, TOOLOPT_STATS, &f) != MOG_OK) {
        fprintf(stderr, "%s\n", f.text);
        status = usage();
    } else {
        daemon_hide(argc, argv, toolopt_str(&s.opt, "db_pass"));
        status = toolopt_given(&s.opt, "help") ? usage() : stats_run(&s);
    }
    toolopt_fini(&s.opt);
    opt_list_fini(&rest);
    return out_finish(status);
}
