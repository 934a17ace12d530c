/* SPDX-License-Identifier: MIT */
/* What mogbench can do: each operation as the exchanges it consists of. */
#include "tools/bench_op.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/urlenc.h"

enum { PATHS_MAX = 8, PATH_MAX_BYTES = 512 };

/* How far a request has come, between its exchanges. */
struct task {
    uint64_t key, fid, devids[PATHS_MAX];
    char paths[PATHS_MAX][PATH_MAX_BYTES];
    unsigned n_paths, path; /* the one in work */
    bool is_closing;
};

/* Which key a request carries. */
enum which { NO_KEY, PREFIX_ALONE, AS_PREFIX, SOME_KEY, NEXT_KEY, LAST_KEY };

struct bench_op {
    const char *name, *command, *args;
    enum which key;
    enum bench_need need;
    bool wants_class;
    /* After a tracker's OK, or after a node's answer; NULL: the tracker's OK is all. */
    enum loop_step (*next)(struct bench_run *run, struct slot *s, const struct loop_reply *r);
};

struct bench_run {
    struct bench_files *files;
    const struct bench_op *op;
    struct buf head; /* of the request line: all but the key's number */
};

/* ---- answers ---- */

/* Words for a tracker's ERR, or for what is no answer. */
static enum loop_step refused(struct bench_files *b, struct slot *s, struct span line)
{
    struct mog_fail f = {.code = MOG_OK};
    if (client_answer_parse(&b->answer, line, &f) != MOG_OK)
        slot_fail(s, "%.180s", f.text);
    else
        slot_fail(s, "%s %.120s", b->answer.code, buf_cstr(&b->answer.text));
    return LOOP_FAILED;
}

static bool is_ok(struct span line)
{
    return line.len >= 2 && memcmp(line.ptr, "OK", 2) == 0 && (line.len == 2 || line.ptr[2] == ' ');
}

static bool take_path(struct task *t, const struct kv *args, const char *name, uint64_t devid)
{
    const char *path = kv_str(args, name, "");
    size_t len = strlen(path);
    if (len == 0 || len >= PATH_MAX_BYTES || t->n_paths == PATHS_MAX)
        return false;
    memcpy(t->paths[t->n_paths], path, len + 1);
    t->devids[t->n_paths++] = devid;
    return true;
}

/* The places that the tracker named, of create_open or get_paths. */
static enum loop_step take_paths(struct bench_files *b, struct slot *s, struct span line)
{
    struct task *t = slot_task(s);
    struct mog_fail f = {.code = MOG_OK};
    char path[32], devid[32];
    t->n_paths = t->path = 0;
    if (client_answer_parse(&b->answer, line, &f) != MOG_OK) {
        slot_fail(s, "%.180s", f.text);
        return LOOP_FAILED;
    }
    const struct kv *args = &b->answer.args;
    t->fid = kv_u64(args, "fid", 0);
    uint64_t n = kv_u64(args, "dev_count", kv_u64(args, "paths", 0));
    for (uint64_t i = 1; i <= n && i <= PATHS_MAX; i++) {
        snprintf(path, sizeof path, kv_find(args, "dev_count") ? "path_%" PRIu64 : "path%" PRIu64, i);
        snprintf(devid, sizeof devid, "devid_%" PRIu64, i);
        (void)take_path(t, args, path, kv_u64(args, devid, 0));
    }
    if (t->n_paths == 0 && !take_path(t, args, "path", kv_u64(args, "devid", 0))) {
        slot_fail(s, "the tracker named no place");
        return LOOP_FAILED;
    }
    return LOOP_ASKED;
}

/* ---- uploads ---- */

static enum loop_step ask_node(struct slot *s, const char *method, struct span body)
{
    struct task *t = slot_task(s);
    return slot_ask_node(s, method, t->paths[t->path], body) ? LOOP_ASKED : LOOP_FAILED;
}

/* The node did not do it: the next place that the tracker named, if there is one. */
static enum loop_step next_path(struct slot *s, const struct loop_reply *r, const char *method, struct span body)
{
    struct task *t = slot_task(s);
    if (r != NULL)
        slot_fail(s, "%s %.120s: status %d", method, t->paths[t->path], r->status);
    return ++t->path < t->n_paths ? ask_node(s, method, body) : LOOP_FAILED;
}

static bool is_success(const struct loop_reply *r)
{
    return r != NULL && r->status >= 200 && r->status < 300;
}

static enum loop_step ask_close(struct bench_run *run, struct slot *s, uint64_t key, uint64_t fid, uint64_t devid,
                                const char *path)
{
    struct bench_files *b = run->files;
    struct buf *line = slot_ask_tracker(s);
    buf_printf(line, "create_close fid=%" PRIu64 "&devid=%" PRIu64 "&size=%zu&path=", fid, devid, b->body.len);
    urlenc_encode(line, span_of(path));
    buf_str(line, "&domain=");
    urlenc_encode(line, span_of(b->domain));
    buf_str(line, "&key=");
    urlenc_encode(line, span_of(b->prefix));
    buf_u64(line, key);
    buf_str(line, "\r\n");
    return LOOP_ASKED;
}

static enum loop_step next_of_upload(struct bench_run *run, struct slot *s, const struct loop_reply *r)
{
    struct bench_files *b = run->files;
    struct task *t = slot_task(s);
    if (r != NULL && r->status == 0) {
        if (t->is_closing) {
            b->bytes += b->body.len;
            return LOOP_DONE;
        }
        enum loop_step e = take_paths(b, s, r->line);
        return e == LOOP_ASKED ? ask_node(s, "PUT", b->body) : e;
    }
    if (!is_success(r))
        return next_path(s, r, "PUT", b->body);
    t->is_closing = true;
    return ask_close(run, s, t->key, t->fid, t->devids[t->path], t->paths[t->path]);
}

static enum loop_step next_of_open_put(struct bench_run *run, struct slot *s, const struct loop_reply *r)
{
    struct bench_files *b = run->files;
    struct task *t = slot_task(s);
    if (r != NULL && r->status == 0) {
        enum loop_step e = take_paths(b, s, r->line);
        return e == LOOP_ASKED ? ask_node(s, "PUT", b->body) : e;
    }
    if (!is_success(r))
        return next_path(s, r, "PUT", b->body);
    b->open = mem_grow(b->open, b->n_open, &b->cap_open, sizeof *b->open);
    b->open[b->n_open++] = (struct bench_open){t->fid, t->devids[t->path], mem_strdup(t->paths[t->path])};
    return LOOP_DONE;
}

static enum loop_step begin_close(struct bench_run *run, struct slot *s)
{
    struct bench_files *b = run->files;
    if (b->n_open == 0)
        return LOOP_NO_MORE;
    struct bench_open *o = &b->open[--b->n_open];
    enum loop_step e = ask_close(run, s, b->n_stored++, o->fid, o->devid, o->path);
    free(o->path);
    return e;
}

/* ---- reading ---- */

static enum loop_step next_of_fetch(struct bench_run *run, struct slot *s, const struct loop_reply *r)
{
    static const struct span none = {NULL, 0};
    if (r != NULL && r->status == 0) {
        enum loop_step e = take_paths(run->files, s, r->line);
        return e == LOOP_ASKED ? ask_node(s, "GET", none) : e;
    }
    if (!is_success(r))
        return next_path(s, r, "GET", none);
    run->files->bytes += r->bytes;
    return LOOP_DONE;
}

/* ---- the table ---- */

#define OPEN_ARGS "fid=0&multi_dest=1"

static const struct bench_op ops[] = {
    {"noop", "noop", "", NO_KEY, BENCH_NEEDS_NOTHING, false, NULL},
    {"create_open", "create_open", OPEN_ARGS, PREFIX_ALONE, BENCH_NEEDS_NOTHING, true, NULL},
    {"create_close", NULL, NULL, NO_KEY, BENCH_NEEDS_OPEN, false, NULL},
    {"upload", "create_open", OPEN_ARGS, NEXT_KEY, BENCH_NEEDS_NOTHING, true, next_of_upload},
    {"get_paths", "get_paths", "noverify=1&pathcount=2", SOME_KEY, BENCH_NEEDS_KEYS, false, NULL},
    {"get_paths_verify", "get_paths", "noverify=0&pathcount=2", SOME_KEY, BENCH_NEEDS_KEYS, false, NULL},
    {"file_info", "file_info", "", SOME_KEY, BENCH_NEEDS_KEYS, false, NULL},
    {"list_keys", "list_keys", "limit=100", AS_PREFIX, BENCH_NEEDS_KEYS, false, NULL},
    {"fetch", "get_paths", "noverify=1&pathcount=2", SOME_KEY, BENCH_NEEDS_KEYS, false, next_of_fetch},
    {"delete", "delete", "", LAST_KEY, BENCH_NEEDS_KEYS, false, NULL},
    {"open_put", "create_open", OPEN_ARGS, PREFIX_ALONE, BENCH_NEEDS_NOTHING, true, next_of_open_put},
};

const struct bench_op *bench_op_find(const char *name)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    }
    return NULL;
}

const char *bench_op_names(void)
{
    return "noop create_open create_close upload get_paths get_paths_verify file_info list_keys fetch delete";
}

enum bench_need bench_op_need(const struct bench_op *op)
{
    return op->need;
}

bool bench_op_only_reads(const struct bench_op *op)
{
    return op->key != NEXT_KEY && op->key != LAST_KEY && op->need != BENCH_NEEDS_OPEN;
}

size_t bench_op_task_size(void)
{
    return sizeof(struct task);
}

void bench_files_fini(struct bench_files *b)
{
    for (size_t i = 0; i < b->n_open; i++)
        free(b->open[i].path);
    for (size_t i = 0; i < b->n_names; i++)
        free(b->names[i]);
    free(b->open);
    free(b->names);
    b->open = NULL;
    b->names = NULL;
    b->n_open = b->cap_open = b->n_names = b->cap_names = 0;
    client_answer_fini(&b->answer);
}

/* ---- running ---- */

struct bench_run *bench_run_new(struct bench_files *b, const struct bench_op *op)
{
    struct bench_run *r = mem_calloc(1, sizeof *r);
    r->files = b;
    r->op = op;
    if (op->command == NULL)
        return r;
    buf_printf(&r->head, "%s %s", op->command, op->args);
    if (op->wants_class && b->class_name) {
        buf_str(&r->head, "&class=");
        urlenc_encode(&r->head, span_of(b->class_name));
    }
    if (op->key == NO_KEY)
        return r;
    buf_str(&r->head, op->args[0] ? "&domain=" : "domain=");
    urlenc_encode(&r->head, span_of(b->domain));
    buf_str(&r->head, op->key == AS_PREFIX ? "&prefix=" : "&key=");
    if (b->n_names == 0 || op->key != SOME_KEY)
        urlenc_encode(&r->head, span_of(b->prefix));
    return r;
}

void bench_run_free(struct bench_run *r)
{
    buf_fini(&r->head);
    free(r);
}

/* xorshift: cheap, and good enough to choose keys by. */
static uint64_t next_random(struct bench_files *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random;
}

/* The number of the key for the next request; false when there is none. */
static bool choose_key(struct bench_files *b, enum which which, uint64_t *key)
{
    uint64_t end = b->n_stored < b->most ? b->n_stored : b->most; /* the last ones may be on their way still */
    if (b->n_names > 0)
        end = b->n_names;
    switch (which) {
    case NO_KEY:
    case PREFIX_ALONE:
        return true;
    case AS_PREFIX:
        return b->n_deleted < end;
    case SOME_KEY:
        if (b->n_deleted >= end)
            return false;
        *key = b->n_deleted + next_random(b) % (end - b->n_deleted);
        return true;
    case NEXT_KEY:
        *key = b->n_stored++;
        return true;
    case LAST_KEY:
        if (b->n_deleted >= b->n_stored)
            return false;
        *key = b->n_deleted++;
        return true;
    }
    return false;
}

enum loop_step bench_run_begin(void *arg, struct slot *s)
{
    struct bench_run *run = arg;
    const struct bench_op *op = run->op;
    struct task *t = slot_task(s);
    uint64_t key = 0;
    if (op->command == NULL)
        return begin_close(run, s);
    if (!choose_key(run->files, op->key, &key))
        return LOOP_NO_MORE;
    t->key = key;
    t->n_paths = t->path = 0;
    t->is_closing = false;
    struct buf *line = slot_ask_tracker(s);
    buf_span(line, buf_as_span(&run->head));
    if (op->key == SOME_KEY && run->files->n_names > 0)
        buf_str(line, run->files->names[key]);
    else if (op->key == SOME_KEY || op->key == NEXT_KEY || op->key == LAST_KEY)
        buf_u64(line, key);
    buf_str(line, "\r\n");
    return LOOP_ASKED;
}

enum loop_step bench_run_reply(void *arg, struct slot *s, const struct loop_reply *r)
{
    struct bench_run *run = arg;
    struct task *t = slot_task(s);
    bool is_at_node = run->op->next != NULL && t->n_paths > 0 && !t->is_closing;
    if (r == NULL)
        return is_at_node ? run->op->next(run, s, NULL) : LOOP_FAILED;
    if (r->status == 0 && !is_ok(r->line))
        return refused(run->files, s, r->line);
    return run->op->next ? run->op->next(run, s, r) : LOOP_DONE;
}
