/* SPDX-License-Identifier: MIT */
/* mogbench: how many requests a cluster answers, and how fast. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tools/bench.h"
#include "tools/bench_op.h"
#include "tools/bigfile.h"
#include "tools/out.h"

enum {
    CONNECTIONS_MAX = 10000,
    RATE_MAX = 10 * 1000 * 1000,
    KEYS_MAX = 10 * 1000 * 1000,
    SIZE_MAX_BYTES = 1024 * 1024 * 1024
};

static const struct toolopt_def defs[] = {
    {"ops", 0, TOOLOPT_STRING, "what to do, separated by commas (default: noop,upload,get_paths,file_info,delete)"},
    {"connections", 'c', TOOLOPT_INT, "connections at the same time (default 10)"},
    {"seconds", 's', TOOLOPT_INT, "how long each takes (default 5)"},
    {"count", 0, TOOLOPT_INT, "at most so many requests of each"},
    {"rate", 0, TOOLOPT_INT, "so many requests a second, answered or not; latencies count from when each was due"},
    {"keys", 0, TOOLOPT_INT, "files to store before what needs some (default 1000)"},
    {"size", 0, TOOLOPT_STRING, "size of a file: a number with B, K or M (default 4K)"},
    {"class", 0, TOOLOPT_STRING, "class to store in"},
    {"prefix", 0, TOOLOPT_STRING, "beginning of all keys (default: mogbench/)"},
    {"existing", 0, TOOLOPT_FLAG, "use the files that there are, whose keys begin with the prefix; change nothing"},
    {"spread", 0, TOOLOPT_FLAG, "each connection stays with one tracker, evenly spread"},
    {"keep", 0, TOOLOPT_FLAG, "do not delete the files at the end"},
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct tool_spec spec = {
    .defs = defs,
    .sample = "--trackers=host --domain=foo --ops=noop,upload,get_paths,fetch,delete --connections=50 --seconds=10",
    .family = TOOLOPT_CLIENT,
};

static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
static const char *const quantile_names[] = {"p50", "p90", "p99", "p99.9"};
enum { N_QUANTILES = sizeof quantiles / sizeof quantiles[0] };

static void print_heading(void)
{
    printf("%-16s %9s %7s %10s %9s %9s %9s %9s %9s %9s %10s\n", "operation", "requests", "errors", "per second",
           "mean ms", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "MiB/s");
}

static double per_second(const struct bench_result *r)
{
    return r->seconds > 0 ? (double)r->latencies->n / r->seconds : 0;
}

static void print_result(const struct bench_result *r)
{
    const double mib = 1024 * 1024;
    printf("%-16s %9" PRIu64 " %7" PRIu64 " %10.0f %9.3f", r->op, r->latencies->n, r->errors, per_second(r),
           hist_mean_us(r->latencies) / 1000);
    for (int i = 0; i < N_QUANTILES; i++)
        printf(" %9.3f", (double)hist_quantile(r->latencies, quantiles[i]) / 1000);
    printf(" %9.3f", (double)r->latencies->max_us / 1000);
    if (r->bytes && r->seconds > 0)
        printf(" %10.1f", (double)r->bytes / mib / r->seconds);
    putchar('\n');
    fflush(stdout);
    if (r->errors)
        fprintf(stderr, "%s: first error: %s\n", r->op, r->first_error);
}

static json_t *result_json(const struct bench_result *r)
{
    json_t *o = json_object(), *latency = json_object();
    report_json_str(o, "operation", r->op);
    json_object_set_new(o, "requests", json_integer((json_int_t)r->latencies->n));
    json_object_set_new(o, "errors", json_integer((json_int_t)r->errors));
    json_object_set_new(o, "seconds", json_real(r->seconds));
    json_object_set_new(o, "per_second", json_real(per_second(r)));
    json_object_set_new(o, "bytes", json_integer((json_int_t)r->bytes));
    json_object_set_new(latency, "mean", json_real(hist_mean_us(r->latencies) / 1000));
    for (int i = 0; i < N_QUANTILES; i++)
        json_object_set_new(latency, quantile_names[i],
                            json_real((double)hist_quantile(r->latencies, quantiles[i]) / 1000));
    json_object_set_new(latency, "max", json_real((double)r->latencies->max_us / 1000));
    json_object_set_new(o, "latency_ms", latency);
    if (r->errors)
        report_json_str(o, "first_error", r->first_error);
    return o;
}

static bool read_options(struct tool *t, struct bench_opts *o, struct mog_fail *f)
{
    int64_t connections, seconds, count, keys, rate;
    const char *size = toolopt_text(&t->opt, "size");
    if (toolopt_int(&t->opt, "connections", 1, CONNECTIONS_MAX, 10, &connections, f) != MOG_OK ||
        toolopt_int(&t->opt, "rate", 1, RATE_MAX, 0, &rate, f) != MOG_OK ||
        toolopt_int(&t->opt, "timeout", 1, 86400, 3, &o->timeout_s, f) != MOG_OK ||
        toolopt_int(&t->opt, "seconds", 1, 86400, 5, &seconds, f) != MOG_OK ||
        toolopt_int(&t->opt, "count", 1, INT64_MAX, 0, &count, f) != MOG_OK ||
        toolopt_int(&t->opt, "keys", 1, KEYS_MAX, 1000, &keys, f) != MOG_OK)
        return false;
    o->size = 4096;
    if (size && strcmp(size, "0") != 0 && (bigfile_chunksize(size, &o->size) != MOG_OK || o->size > SIZE_MAX_BYTES)) {
        (void)fail_set(f, MOG_EUSAGE, "Bad size '%s': use a number with B, K or M, up to 1024M", size);
        return false;
    }
    if (size && strcmp(size, "0") == 0)
        o->size = 0;
    o->connections = (unsigned)connections;
    o->seconds = seconds;
    o->count = (uint64_t)count;
    o->keys = (uint64_t)keys;
    o->rate = (uint64_t)rate;
    o->class_name = toolopt_str(&t->opt, "class");
    o->each_tracker_alone = toolopt_flag(&t->opt, "spread");
    return true;
}

/* The names in `list`, checked. */
static bool read_ops(const char *list, bool only_reading, struct opt_list *ops)
{
    struct span rest = span_of(list), one;
    while (span_split(&rest, ',', &one)) {
        char *name = span_dup(span_trim(one));
        bool known = bench_is_op(name);
        if (known)
            opt_list_add(ops, name);
        else
            fprintf(stderr, "Unknown operation '%s'; known are: %s\n", name, bench_op_names());
        bool allowed = known && (!only_reading || bench_op_only_reads(bench_op_find(name)));
        if (known && !allowed)
            fprintf(stderr, "Operation '%s' changes files, which --existing excludes\n", name);
        free(name);
        if (!allowed)
            return false;
    }
    return ops->n > 0;
}

static int run_ops(struct tool *t, const struct bench_opts *o, const struct opt_list *ops)
{
    struct mog_fail f = {.code = MOG_OK};
    struct bench *b = bench_new(t, o, &f);
    if (b == NULL)
        return tool_fail("", &f);
    json_t *json = toolopt_flag(&t->opt, "json") ? json_array() : NULL;
    int status = 0;
    bool leave = toolopt_flag(&t->opt, "keep") || toolopt_flag(&t->opt, "existing");
    if (toolopt_flag(&t->opt, "existing") && bench_adopt(b, t->client, &f) != MOG_OK)
        status = tool_fail("", &f);
    else if (!json)
        print_heading();
    for (size_t i = 0; i < ops->n && status == 0; i++) {
        struct bench_result r;
        if (bench_prepare(b, ops->items[i], &f) != MOG_OK) {
            status = tool_fail("", &f);
            break;
        }
        bench_run(b, ops->items[i], &r);
        if (json)
            json_array_append_new(json, result_json(&r));
        else
            print_result(&r);
        if (r.latencies->n == 0)
            status = 1;
        bench_result_fini(&r);
    }
    if (json)
        out_json(json);
    if (!leave) {
        uint64_t left = bench_clean(b);
        if (left)
            fprintf(stderr, "%" PRIu64 " files could not be deleted\n", left);
    }
    bench_free(b);
    return status;
}

static int bench_main(struct tool *t)
{
    struct bench_opts o = {.connections = 1};
    struct mog_fail f = {.code = MOG_OK};
    struct opt_list ops = {NULL, 0, 0};
    const char *list = toolopt_text(&t->opt, "ops"), *prefix = toolopt_text(&t->opt, "prefix");
    bool existing = toolopt_flag(&t->opt, "existing");
    prefix = prefix ? prefix : "mogbench/";
    if (!read_options(t, &o, &f))
        return tool_fail("", &f);
    /* Two runs at the same time must not meet. */
    char *unique =
        existing ? mem_strdup(prefix) : mem_printf("%s%" PRIx64 "-%d/", prefix, (uint64_t)clock_wall_us(), getpid());
    o.prefix = unique;
    int status = 1;
    if (read_ops(list       ? list
                 : existing ? "noop,get_paths,file_info"
                            : "noop,upload,get_paths,file_info,delete",
                 existing, &ops))
        status = run_ops(t, &o, &ops);
    opt_list_fini(&ops);
    free(unique);
    return status;
}

int main(int argc, char **argv)
{
    struct tool t;
    int status;
    if (tool_begin(&t, &spec, argc, argv, &status))
        status = bench_main(&t);
    return tool_end(&t, status);
}
