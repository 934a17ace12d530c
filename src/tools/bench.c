/* SPDX-License-Identifier: MIT */
/* Load on a cluster: one operation after the other, each by many connections for some seconds. */
#include "tools/bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tools/fetch.h"
#include "tools/upload.h"

enum { A_DAY_S = 86400, LIST_LIMIT = 100, KEY_MAX = 300, PATHS = 2 };

struct worker {
    struct bench *b;
    unsigned number;
    struct client *client;
    struct http_client *http;
    struct client_answer answer;
    struct kv args;
    uint64_t random;
    uint64_t bytes;
    /* of the present operation */
    const struct op *op;
    struct hist *hist;
    uint64_t errors;
    int64_t until_us;
    char first_error[200];
};

/* What a request came to. */
enum done { DONE, FAILED, NO_MORE };

struct op {
    const char *name;
    enum done (*run)(struct worker *w, struct mog_fail *f);
    bool needs_keys;
};

struct bench {
    struct tool *tool;
    const struct bench_opts *opts;
    struct worker *workers;
    char *body;
    atomic_uint_fast64_t n_stored; /* keys 0 to n_stored - 1 were given out to uploads */
    atomic_uint_fast64_t n_deleted;
    atomic_uint_fast64_t n_begun; /* requests of the present operation */
    uint64_t budget;              /* of requests; 0: no limit */
};

/* ---- operations ---- */

static void key_of(const struct bench *b, uint64_t n, char out[KEY_MAX])
{
    snprintf(out, KEY_MAX, "%.250s%" PRIu64, b->opts->prefix, n);
}

/* xorshift: cheap, and good enough to choose keys by. */
static uint64_t next_random(struct worker *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

/* A key that exists, at random; false when there is none. */
static bool some_key(struct worker *w, char out[KEY_MAX])
{
    uint64_t low = atomic_load(&w->b->n_deleted), high = atomic_load(&w->b->n_stored);
    if (high > w->b->opts->keys)
        high = w->b->opts->keys; /* the last ones may be on their way still */
    if (low >= high)
        return false;
    key_of(w->b, low + next_random(w) % (high - low), out);
    return true;
}

static enum done request(struct worker *w, const char *command, struct mog_fail *f)
{
    enum mog_err e = client_request(w->client, command, &w->args, &w->answer, f);
    return e == MOG_OK ? DONE : FAILED;
}

static void begin_args(struct worker *w)
{
    kv_reset(&w->args);
    kv_add_str(&w->args, "domain", w->b->tool->domain);
}

static enum done op_noop(struct worker *w, struct mog_fail *f)
{
    kv_reset(&w->args);
    return request(w, "noop", f);
}

static enum done with_key(struct worker *w, const char *command, const char *noverify, struct mog_fail *f)
{
    char key[KEY_MAX];
    if (!some_key(w, key))
        return NO_MORE;
    begin_args(w);
    kv_add_str(&w->args, "key", key);
    if (noverify) {
        kv_add_str(&w->args, "noverify", noverify);
        kv_add_u64(&w->args, "pathcount", PATHS);
    }
    return request(w, command, f);
}

static enum done op_get_paths(struct worker *w, struct mog_fail *f)
{
    return with_key(w, "get_paths", "1", f);
}

static enum done op_get_paths_verify(struct worker *w, struct mog_fail *f)
{
    return with_key(w, "get_paths", "0", f);
}

static enum done op_file_info(struct worker *w, struct mog_fail *f)
{
    return with_key(w, "file_info", NULL, f);
}

static enum done op_list_keys(struct worker *w, struct mog_fail *f)
{
    char key[KEY_MAX];
    if (!some_key(w, key))
        return NO_MORE;
    begin_args(w);
    kv_add_str(&w->args, "prefix", w->b->opts->prefix);
    kv_add_u64(&w->args, "limit", LIST_LIMIT);
    return request(w, "list_keys", f);
}

static enum done op_create_open(struct worker *w, struct mog_fail *f)
{
    begin_args(w);
    kv_add_str(&w->args, "key", w->b->opts->prefix);
    if (w->b->opts->class_name)
        kv_add_str(&w->args, "class", w->b->opts->class_name);
    kv_add_str(&w->args, "fid", "0");
    kv_add_str(&w->args, "multi_dest", "1");
    return request(w, "create_open", f);
}

static enum done op_upload(struct worker *w, struct mog_fail *f)
{
    char key[KEY_MAX];
    const struct bench_opts *o = w->b->opts;
    struct upload_source s;
    struct upload_result r;
    key_of(w->b, atomic_fetch_add(&w->b->n_stored, 1), key);
    struct upload_opts u = {
        .domain = w->b->tool->domain, .class_name = o->class_name, .key = span_of(key), .rounds = 1};
    upload_source_memory(&s, span_make(w->b->body, (size_t)o->size));
    enum mog_err e = upload_run(w->client, w->http, &s, &u, &r, f);
    upload_source_fini(&s);
    if (e == MOG_OK)
        w->bytes += r.size;
    return e == MOG_OK ? DONE : FAILED;
}

static bool count_bytes(void *arg, const char *data, size_t len)
{
    struct worker *w = arg;
    (void)data;
    w->bytes += len;
    return true;
}

static enum done op_fetch(struct worker *w, struct mog_fail *f)
{
    char key[KEY_MAX];
    if (!some_key(w, key))
        return NO_MORE;
    struct fetch_opts o = {.domain = w->b->tool->domain, .key = span_of(key), .no_check = true};
    struct fetch_sink sink = {.write = count_bytes, .arg = w};
    struct fetch_result r;
    enum mog_err e = fetch_run(w->client, w->http, &o, &sink, &r, f);
    fetch_result_fini(&r);
    return e == MOG_OK ? DONE : FAILED;
}

static enum done op_delete(struct worker *w, struct mog_fail *f)
{
    char key[KEY_MAX];
    uint64_t n = atomic_fetch_add(&w->b->n_deleted, 1);
    if (n >= atomic_load(&w->b->n_stored)) {
        atomic_fetch_sub(&w->b->n_deleted, 1);
        return NO_MORE;
    }
    key_of(w->b, n, key);
    begin_args(w);
    kv_add_str(&w->args, "key", key);
    return request(w, "delete", f);
}

static const struct op ops[] = {
    {"noop", op_noop, false},
    {"create_open", op_create_open, false},
    {"upload", op_upload, false},
    {"get_paths", op_get_paths, true},
    {"get_paths_verify", op_get_paths_verify, true},
    {"file_info", op_file_info, true},
    {"list_keys", op_list_keys, true},
    {"fetch", op_fetch, true},
    {"delete", op_delete, true},
};

static const struct op *op_find(const char *name)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    }
    return NULL;
}

bool bench_is_op(const char *name)
{
    return op_find(name) != NULL;
}

const char *bench_op_names(void)
{
    return "noop create_open upload get_paths get_paths_verify file_info list_keys fetch delete";
}

/* ---- threads ---- */

static bool may_go_on(struct worker *w)
{
    uint64_t budget = w->b->budget;
    return clock_mono_us() < w->until_us && (budget == 0 || atomic_fetch_add(&w->b->n_begun, 1) < budget);
}

static void *worker_thread(void *arg)
{
    struct worker *w = arg;
    while (may_go_on(w)) {
        struct mog_fail f = {.code = MOG_OK};
        int64_t begun = clock_mono_us();
        enum done done = w->op->run(w, &f);
        int64_t took = clock_mono_us() - begun;
        if (done == NO_MORE)
            break;
        if (done == DONE) {
            hist_record(w->hist, took > 0 ? (uint64_t)took : 0);
        } else if (w->errors++ == 0) {
            snprintf(w->first_error, sizeof w->first_error, "%.190s", f.text);
        }
    }
    return NULL;
}

/* All threads at once, up to `seconds`; the sums in `r` when it is not NULL. */
static void run_all(struct bench *b, const struct op *op, int64_t seconds, struct bench_result *r)
{
    unsigned n = b->opts->connections, started = 0;
    pthread_t *ids = mem_calloc(n, sizeof *ids);
    int64_t begun = clock_mono_us();
    atomic_store(&b->n_begun, 0);
    for (unsigned i = 0; i < n; i++) {
        struct worker *w = &b->workers[i];
        w->op = op;
        w->errors = w->bytes = 0;
        w->first_error[0] = '\0';
        w->until_us = begun + seconds * 1000000;
        memset(w->hist, 0, sizeof *w->hist);
    }
    while (started < n && pthread_create(&ids[started], NULL, worker_thread, &b->workers[started]) == 0)
        started++;
    for (unsigned i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    free(ids);
    r->seconds = (double)(clock_mono_us() - begun) / 1e6;
    for (unsigned i = 0; i < started; i++) {
        const struct worker *w = &b->workers[i];
        hist_merge(r->latencies, w->hist);
        r->errors += w->errors;
        r->bytes += w->bytes;
        if (!r->first_error[0])
            snprintf(r->first_error, sizeof r->first_error, "%s", w->first_error);
    }
}

/* ---- the whole ---- */

struct bench *bench_new(struct tool *t, const struct bench_opts *opts)
{
    struct bench *b = mem_calloc(1, sizeof *b);
    b->tool = t;
    b->opts = opts;
    b->body = mem_alloc((size_t)opts->size + 1);
    for (uint64_t i = 0; i < opts->size; i++)
        b->body[i] = (char)('a' + i % 26);
    b->workers = mem_calloc(opts->connections, sizeof *b->workers);
    for (unsigned i = 0; i < opts->connections; i++) {
        struct worker *w = &b->workers[i];
        struct mog_fail ignored;
        /* The list was parsed once already, so it is good. */
        const char *trackers = opts->each_tracker_alone ? client_name(t->client, i % client_count(t->client))
                                                        : toolopt_text(&t->opt, "trackers");
        *w = (struct worker){.b = b, .number = i, .random = 88172645463325252ull + i * UINT64_C(7919)};
        w->client = client_new(trackers, NULL, &ignored);
        w->http = tool_http_new();
        w->hist = mem_calloc(1, sizeof *w->hist);
    }
    return b;
}

void bench_free(struct bench *b)
{
    for (unsigned i = 0; i < b->opts->connections; i++) {
        struct worker *w = &b->workers[i];
        client_free(w->client);
        http_client_free(w->http);
        client_answer_fini(&w->answer);
        kv_fini(&w->args);
        free(w->hist);
    }
    free(b->workers);
    free(b->body);
    free(b);
}

enum mog_err bench_prepare(struct bench *b, const char *op, struct mog_fail *f)
{
    uint64_t there = atomic_load(&b->n_stored), deleted = atomic_load(&b->n_deleted);
    if (!op_find(op)->needs_keys || there - deleted >= b->opts->keys || there >= b->opts->keys)
        return MOG_OK;
    struct bench_result r = {.latencies = mem_calloc(1, sizeof(struct hist))};
    b->budget = b->opts->keys - there;
    run_all(b, op_find("upload"), A_DAY_S, &r);
    enum mog_err e = r.errors ? fail_set(f, MOG_EIO, "%" PRIu64 " of %" PRIu64 " files could not be stored: %s",
                                         r.errors, b->budget, r.first_error)
                              : MOG_OK;
    free(r.latencies);
    return e;
}

void bench_run(struct bench *b, const char *op, struct bench_result *r)
{
    *r = (struct bench_result){.op = op, .latencies = mem_calloc(1, sizeof(struct hist))};
    b->budget = b->opts->count;
    run_all(b, op_find(op), b->opts->seconds, r);
}

void bench_result_fini(struct bench_result *r)
{
    free(r->latencies);
}

uint64_t bench_clean(struct bench *b)
{
    struct bench_result r = {.latencies = mem_calloc(1, sizeof(struct hist))};
    b->budget = 0;
    run_all(b, op_find("delete"), A_DAY_S, &r);
    free(r.latencies);
    return r.errors;
}
