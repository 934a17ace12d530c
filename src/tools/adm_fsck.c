/* SPDX-License-Identifier: MIT */
/* mogadm fsck: the check of all files. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tools/adm.h"
#include "tools/kvindex.h"
#include "tools/out.h"

enum { TAIL_ROWS = 20, TAIL_POLL_MS = 5000 };

static const struct toolopt_def reset_opts[] = {
    {"policy-only", 0, TOOLOPT_FLAG, "check the number and places of copies only, not the copies"},
    {"startpos", 0, TOOLOPT_INT, "begin behind this file id (default 0)"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct toolopt_def log_opts[] = {
    {"fid", 0, TOOLOPT_INT, "only lines of this file id"},
    {"event", 0, TOOLOPT_STRING, "only lines with this event (MISS, POVI, ...)"},
    {"devid", 0, TOOLOPT_INT, "only lines of this device"},
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static int fsck_start(struct adm *a)
{
    return adm_command(a, "fsck_start", NULL, "", "fsck started");
}

static int fsck_stop(struct adm *a)
{
    return adm_command(a, "fsck_stop", NULL, "", "fsck stopped");
}

static int fsck_clearlog(struct adm *a)
{
    return adm_command(a, "fsck_clearlog", NULL, "", "fsck log cleared");
}

static int fsck_reset(struct adm *a)
{
    struct kv args = KV_ZERO;
    if (toolopt_flag(&a->opt, "policy-only"))
        kv_add_str(&args, "policy_only", "1");
    adm_add_option(a, &args, "startpos");
    int result = adm_command(a, "fsck_reset", &args, "", "fsck stopped");
    kv_fini(&args);
    return result;
}

/* ---- status ---- */

static void format_time(char *out, size_t size, uint64_t s)
{
    if (s < 60)
        snprintf(out, size, "%" PRIu64 "s", s);
    else if (s < 3600)
        snprintf(out, size, "%" PRIu64 "m", s / 60);
    else if (s < 86400)
        snprintf(out, size, "%" PRIu64 "h %" PRIu64 "m", s / 3600, s % 3600 / 60);
    else
        snprintf(out, size, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s % 86400 / 3600);
}

/* Where the run began; it is not part of the status. 0 when it cannot be had. */
static uint64_t start_fid(struct adm *a)
{
    struct kv args = KV_ZERO;
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    struct mog_fail f;
    uint64_t fid = 0;
    kv_add_str(&args, "key", "fsck_start_fid");
    if (client_request(a->client, "server_setting", &args, &answer, &f) == MOG_OK)
        fid = kv_u64(&answer.args, "value", 0);
    client_answer_fini(&answer);
    kv_fini(&args);
    return fid;
}

struct progress {
    uint64_t checked, end, elapsed_s, rate, left_s;
};

static struct progress progress_of(const struct kv *k, uint64_t began_at)
{
    struct progress p = {.checked = kv_u64(k, "max_fid_checked", 0), .end = kv_u64(k, "end_fid", 0)};
    uint64_t start = kv_u64(k, "start_time", 0), stop = kv_u64(k, "stop_time", 0), now = kv_u64(k, "current_time", 0);
    uint64_t until = stop ? stop : now;
    if (start && until > start)
        p.elapsed_s = until - start;
    uint64_t done = p.checked > began_at ? p.checked - began_at : 0;
    if (p.elapsed_s)
        p.rate = done / p.elapsed_s;
    if (p.rate && p.end > p.checked)
        p.left_s = (p.end - p.checked) / p.rate;
    return p;
}

static bool is_shown_above(const char *name)
{
    static const char *const names[] = {"current_time", "max_logid",  "host",      "running",    "max_fid_checked",
                                        "end_fid",      "start_time", "stop_time", "policy_only"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static void print_status(const struct kv *k, const struct progress *p)
{
    char elapsed[40], left[40];
    struct kvindex x;
    format_time(elapsed, sizeof elapsed, p->elapsed_s);
    format_time(left, sizeof left, p->left_s);
    putchar('\n');
    if (kv_u64(k, "running", 0))
        printf("%11s: Yes (on %s)\n", "Running", kv_str(k, "host", ""));
    else
        printf("%11s: No\n", "Running");
    printf("%11s: %" PRIu64 " / %" PRIu64 " (%.2f%%)\n", "Status", p->checked, p->end,
           p->end ? (double)p->checked / (double)p->end * 100 : 0.0);
    printf("%11s: %s (%" PRIu64 " fids/s; %s remain)\n", "Time", elapsed, p->rate, left);
    printf("%11s: %s\n\n", "Check Type",
           kv_u64(k, "policy_only", 0) ? "Repl policy only (skip file checks)" : "Normal (check policy + files)");
    kvindex_init(&x, k);
    for (size_t i = 0; i < x.n; i++) {
        char name[80];
        if (is_shown_above(x.sorted[i].name.ptr))
            continue;
        snprintf(name, sizeof name, "[%.70s]", x.sorted[i].name.ptr);
        printf("%11s: %s\n", name, x.sorted[i].value.ptr);
    }
    putchar('\n');
    kvindex_fini(&x);
}

static void status_json(const struct kv *k, const struct progress *p)
{
    json_t *o = json_object(), *events = json_object();
    json_object_set_new(o, "running", json_boolean(kv_u64(k, "running", 0) != 0));
    report_json_str(o, "host", kv_str(k, "host", ""));
    json_object_set_new(o, "policy_only", json_boolean(kv_u64(k, "policy_only", 0) != 0));
    json_object_set_new(o, "max_fid_checked", json_integer((json_int_t)p->checked));
    json_object_set_new(o, "end_fid", json_integer((json_int_t)p->end));
    static const char *const numbers[] = {"start_time", "stop_time", "current_time", "max_logid"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(o, numbers[i], json_integer((json_int_t)kv_u64(k, numbers[i], 0)));
    json_object_set_new(o, "elapsed_s", json_integer((json_int_t)p->elapsed_s));
    json_object_set_new(o, "fids_per_s", json_integer((json_int_t)p->rate));
    json_object_set_new(o, "remaining_s", json_integer((json_int_t)p->left_s));
    for (size_t i = 0; i < k->n; i++) {
        const char *name = k->items[i].name.ptr;
        if (strncmp(name, "num_", 4) == 0)
            json_object_set_new(events, name + 4, json_integer((json_int_t)kv_u64(k, name, 0)));
    }
    json_object_set_new(o, "events", events);
    out_json(o);
}

static int fsck_status(struct adm *a)
{
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    int status = 0;
    if (client_request(a->client, "fsck_status", NULL, &answer, &f) != MOG_OK) {
        fprintf(stderr, "%s\n", f.text);
        status = adm_fail_text("can't get fsck status");
    } else {
        struct progress p = progress_of(&answer.args, start_fid(a));
        if (adm_json(a))
            status_json(&answer.args, &p);
        else
            print_status(&answer.args, &p);
    }
    client_answer_fini(&answer);
    return status;
}

/* ---- log ---- */

static bool row_wanted(struct adm *a, const char *fid, const char *event, const char *devid)
{
    const char *want_fid = toolopt_text(&a->opt, "fid"), *want_event = toolopt_text(&a->opt, "event"),
               *want_devid = toolopt_text(&a->opt, "devid");
    return (!want_fid || strcmp(want_fid, fid) == 0) && (!want_event || strcmp(want_event, event) == 0) &&
           (!want_devid || strcmp(want_devid, devid) == 0);
}

static void print_row(struct adm *a, const struct kvindex *x, uint64_t i, json_t *json)
{
    char *utime = kvindex_dup(x, "row_%" PRIu64 "_utime", i), *event = kvindex_dup(x, "row_%" PRIu64 "_evcode", i),
         *fid = kvindex_dup(x, "row_%" PRIu64 "_fid", i), *devid = kvindex_dup(x, "row_%" PRIu64 "_devid", i);
    if (!row_wanted(a, fid, event, devid)) {
        /* nothing to show */
    } else if (json) {
        json_t *row = json_object();
        uint64_t n;
        if (kvindex_u64(x, &n, "row_%" PRIu64 "_utime", i))
            json_object_set_new(row, "unixtime", json_integer((json_int_t)n));
        report_json_str(row, "event", event);
        json_object_set_new(row, "fid",
                            kvindex_u64(x, &n, "row_%" PRIu64 "_fid", i) ? json_integer((json_int_t)n) : json_null());
        json_object_set_new(row, "devid",
                            kvindex_u64(x, &n, "row_%" PRIu64 "_devid", i) ? json_integer((json_int_t)n) : json_null());
        json_array_append_new(json, row);
    } else {
        printf("%-20s %5s %13s %10s\n", utime, event, fid, devid[0] ? devid : "-");
    }
    free(utime);
    free(event);
    free(fid);
    free(devid);
}

/* The rows behind `*after`, which moves on. `*n`: how many there were. */
static enum mog_err log_page(struct adm *a, int64_t *after, json_t *json, uint64_t *n, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    kv_add_i64(&args, "after_logid", *after);
    enum mog_err e = client_request(a->client, "fsck_getlog", &args, &answer, f);
    *n = 0;
    if (e == MOG_OK) {
        struct kvindex x;
        uint64_t count = kv_u64(&answer.args, "row_count", 0), logid;
        kvindex_init(&x, &answer.args);
        while (*n < count && kvindex_u64(&x, &logid, "row_%" PRIu64 "_logid", *n + 1)) {
            ++*n;
            print_row(a, &x, *n, json);
            *after = (int64_t)logid;
        }
        kvindex_fini(&x);
    }
    client_answer_fini(&answer);
    kv_fini(&args);
    return e;
}

static void print_log_heading(void)
{
    printf("%-20s %5s %13s %10s\n", "unixtime", "event", "fid", "devid");
}

static int fsck_printlog(struct adm *a)
{
    struct mog_fail f = {.code = MOG_OK};
    json_t *json = adm_json(a) ? json_array() : NULL;
    int64_t after = 0;
    uint64_t n;
    enum mog_err e;
    if (!json)
        print_log_heading();
    do
        e = log_page(a, &after, json, &n, &f);
    while (e == MOG_OK && n > 0 && !ferror(stdout));
    if (json && e == MOG_OK)
        out_json(json);
    else
        json_decref(json); /* a part of a list looks like a whole one */
    return e == MOG_OK ? 0 : adm_fail("", &f);
}

/* What has no end cannot be an array: one object a line. `rows` is emptied. */
static void print_lines(json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        if (json_dumpf(row, stdout, JSON_COMPACT) == 0)
            putchar('\n');
    }
    json_array_clear(rows);
}

static int fsck_taillog(struct adm *a)
{
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    enum mog_err e = client_request(a->client, "fsck_status", NULL, &answer, &f);
    int64_t after = (int64_t)kv_u64(&answer.args, "max_logid", 0) - TAIL_ROWS;
    client_answer_fini(&answer);
    if (e != MOG_OK) {
        fprintf(stderr, "%s\n", f.text);
        return adm_fail_text("can't get fsck status");
    }
    json_t *json = adm_json(a) ? json_array() : NULL;
    if (!json)
        print_log_heading();
    for (;;) {
        uint64_t n;
        e = log_page(a, &after, json, &n, &f);
        print_lines(json);
        if (fflush(stdout) != 0 || e != MOG_OK)
            break;
        if (n == 0)
            clock_sleep_ms(TAIL_POLL_MS);
    }
    json_decref(json);
    return e == MOG_OK ? 1 : adm_fail("", &f);
}

const struct adm_verb adm_fsck_verbs[] = {
    {"start", NULL, NULL, "Start, or go on with, the check of all files.", fsck_start, 0},
    {"stop", NULL, NULL, "Stop it; it can go on from there.", fsck_stop, 0},
    {"status", NULL, adm_json_opts, "How far it is, and what it has found.", fsck_status, 0},
    {"reset", NULL, reset_opts, "Begin anew with the next start.", fsck_reset, 0},
    {"clearlog", NULL, NULL, "Empty the log.", fsck_clearlog, 0},
    {"printlog", NULL, log_opts, "Print the whole log.", fsck_printlog, 0},
    {"taillog", NULL, log_opts, "Print the end of the log, and go on with what is added.", fsck_taillog, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
