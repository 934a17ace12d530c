/* SPDX-License-Identifier: MIT */
/* Load on a cluster: one operation after the other, each by many connections for some seconds. */
#include "tools/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/urlenc.h"
#include "tools/bench_op.h"

#define OPEN_PUT "open_put" /* a preparation alone */

enum { A_DAY_S = 86400, LIST_LIMIT = 1000 };

struct bench {
    const struct bench_opts *opts;
    struct bench_files files;
    struct loop *loop;
    char *body;
};

bool bench_is_op(const char *name)
{
    return strcmp(name, OPEN_PUT) != 0 && bench_op_find(name) != NULL;
}

/* Each slot begins with another tracker; with which one, is up to chance. */
static struct loop *make_loop(struct tool *t, const struct bench_opts *opts, struct mog_fail *f)
{
    size_t n = client_count(t->client);
    const char **names = mem_calloc(n, sizeof *names);
    size_t from = (size_t)getpid() % n;
    for (size_t i = 0; i < n; i++)
        names[i] = client_name(t->client, (i + from) % n);
    struct loop *l = loop_new(&(struct loop_opts){.connections = opts->connections,
                                                  .trackers = names,
                                                  .n_trackers = n,
                                                  .spread = opts->each_tracker_alone,
                                                  .reply_timeout_ms = opts->timeout_s * 1000,
                                                  .task_size = bench_op_task_size()},
                              f);
    free(names);
    return l;
}

struct bench *bench_new(struct tool *t, const struct bench_opts *opts, struct mog_fail *f)
{
    struct loop *loop = make_loop(t, opts, f);
    if (loop == NULL)
        return NULL;
    struct bench *b = mem_calloc(1, sizeof *b);
    b->opts = opts;
    b->body = mem_alloc((size_t)opts->size + 1);
    for (uint64_t i = 0; i < opts->size; i++)
        b->body[i] = (char)('a' + i % 26);
    b->files = (struct bench_files){.domain = t->domain,
                                    .prefix = opts->prefix,
                                    .class_name = opts->class_name,
                                    .body = span_make(b->body, (size_t)opts->size),
                                    .most = opts->keys,
                                    .random = UINT64_C(88172645463325252)};
    b->loop = loop;
    return b;
}

/* Remember the keys of an answer of list_keys; `*after`: the last one, owned by the caller. */
static void take_names(struct bench_files *files, uint64_t most, const struct kv *args, char **after)
{
    char name[32];
    uint64_t n = kv_u64(args, "key_count", 0);
    for (uint64_t i = 1; i <= n && files->n_names < most; i++) {
        struct buf encoded = BUF_ZERO;
        snprintf(name, sizeof name, "key_%" PRIu64, i);
        const struct span *key = kv_find(args, name);
        if (key == NULL)
            break;
        urlenc_encode(&encoded, *key);
        files->names = mem_grow(files->names, files->n_names, &files->cap_names, sizeof *files->names);
        files->names[files->n_names++] = buf_take(&encoded);
        free(*after);
        *after = span_dup(*key);
    }
}

enum mog_err bench_adopt(struct bench *b, struct client *client, struct mog_fail *f)
{
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    struct kv args = KV_ZERO;
    char *after = mem_strdup("");
    size_t before;
    enum mog_err e;
    do {
        before = b->files.n_names;
        kv_reset(&args);
        kv_add_str(&args, "domain", b->files.domain);
        kv_add_str(&args, "prefix", b->files.prefix);
        kv_add_str(&args, "after", after);
        kv_add_u64(&args, "limit", LIST_LIMIT);
        e = client_request(client, "list_keys", &args, &answer, f);
        if (e == MOG_OK)
            take_names(&b->files, b->opts->keys, &answer.args, &after);
    } while (e == MOG_OK && b->files.n_names > before && b->files.n_names < b->opts->keys);
    if (e == MOG_EREFUSED && strcmp(answer.code, "none_match") == 0)
        e = MOG_OK;
    if (e == MOG_OK && b->files.n_names == 0)
        e = fail_set(f, MOG_ENOTFOUND, "no key begins with '%.200s'", b->files.prefix);
    free(after);
    kv_fini(&args);
    client_answer_fini(&answer);
    return e;
}

void bench_free(struct bench *b)
{
    loop_free(b->loop);
    bench_files_fini(&b->files);
    free(b->body);
    free(b);
}

/* Run `op` to its end; `r` has its latencies' memory. */
static void run(struct bench *b, const struct bench_op *op, struct loop_job job, struct bench_result *r)
{
    struct bench_run *one = bench_run_new(&b->files, op);
    struct loop_result got = {.latencies = r->latencies};
    job.begin = bench_run_begin;
    job.reply = bench_run_reply;
    job.arg = one;
    b->files.bytes = 0;
    loop_run(b->loop, &job, &got);
    bench_run_free(one);
    r->errors = got.errors;
    r->seconds = got.seconds;
    r->bytes = b->files.bytes;
    snprintf(r->first_error, sizeof r->first_error, "%s", got.first_error);
}

/* How many files are wanted before `op`, of the kind that it needs. */
static uint64_t missing(const struct bench *b, const struct bench_op *op)
{
    const struct bench_files *f = &b->files;
    uint64_t wanted = b->opts->keys;
    switch (bench_op_need(op)) {
    case BENCH_NEEDS_NOTHING:
        return 0;
    case BENCH_NEEDS_KEYS:
        if (f->n_names > 0 || f->n_stored - f->n_deleted >= wanted || f->n_stored >= wanted)
            return 0;
        return wanted - f->n_stored;
    case BENCH_NEEDS_OPEN:
        wanted = b->opts->count ? b->opts->count : wanted;
        return f->n_open >= wanted ? 0 : wanted - f->n_open;
    }
    return 0;
}

enum mog_err bench_prepare(struct bench *b, const char *name, struct mog_fail *f)
{
    const struct bench_op *op = bench_op_find(name);
    uint64_t n = missing(b, op);
    if (n == 0)
        return MOG_OK;
    struct bench_result r = {.latencies = mem_calloc(1, sizeof(struct hist))};
    const char *how = bench_op_need(op) == BENCH_NEEDS_OPEN ? OPEN_PUT : "upload";
    run(b, bench_op_find(how), (struct loop_job){.seconds = A_DAY_S, .count = n}, &r);
    enum mog_err e = r.errors ? fail_set(f, MOG_EIO, "%" PRIu64 " of %" PRIu64 " files could not be stored: %s",
                                         r.errors, n, r.first_error)
                              : MOG_OK;
    free(r.latencies);
    return e;
}

void bench_run(struct bench *b, const char *op, struct bench_result *r)
{
    *r = (struct bench_result){.op = op, .latencies = mem_calloc(1, sizeof(struct hist))};
    run(b, bench_op_find(op),
        (struct loop_job){.seconds = b->opts->seconds, .count = b->opts->count, .rate = b->opts->rate}, r);
}

void bench_result_fini(struct bench_result *r)
{
    free(r->latencies);
}

uint64_t bench_clean(struct bench *b)
{
    struct bench_result r = {.latencies = mem_calloc(1, sizeof(struct hist))};
    run(b, bench_op_find("delete"), (struct loop_job){.seconds = A_DAY_S}, &r);
    free(r.latencies);
    return r.errors;
}
