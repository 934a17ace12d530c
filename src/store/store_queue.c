/* SPDX-License-Identifier: MIT */
/* The queues: one set of statements per table, claims by lease. */
#include "store/store_queue.h"

#include <stdlib.h>

#include "common/mem.h"
#include "store/store_file.h"
#include "store/store_lock.h"
#include "store/store_run.h"

enum { TYPE_FSCK = 1, TYPE_REBALANCE = 2, CLAIM_MAX = 1000, CLAIM_LOCK_WAIT_S = 30 };

struct queue_kind {
    const char *lock; /* excludes claims of other trackers, on MySQL */
    uint32_t type;    /* of file_to_queue; 0: the table has no types */
    enum sql_stmt claim, lease, done, defer, park, release, length, sample, find;
};

#define QUEUE_STATEMENTS(T)                                                                                            \
    .claim = SQL_##T##_CLAIM, .lease = SQL_##T##_LEASE, .done = SQL_##T##_DONE, .defer = SQL_##T##_DEFER,              \
    .park = SQL_##T##_PARK, .release = SQL_##T##_RELEASE, .length = SQL_##T##_LENGTH, .sample = SQL_##T##_SAMPLE,      \
    .find = SQL_##T##_FIND

static const struct queue_kind queue_kinds[] = {
    [STORE_QUEUE_REPLICATE] = {"mfsd:file_to_replicate", 0, QUEUE_STATEMENTS(REPLICATE)},
    [STORE_QUEUE_DELETE] = {"mfsd:file_to_delete2", 0, QUEUE_STATEMENTS(DELETE)},
    [STORE_QUEUE_FSCK] = {"mfsd:file_to_queue", TYPE_FSCK, QUEUE_STATEMENTS(TODO)},
    [STORE_QUEUE_REBALANCE] = {"mfsd:file_to_queue", TYPE_REBALANCE, QUEUE_STATEMENTS(TODO)},
};

/* Run with up to two leading values, then the type where the table has one, then the fid (0: none). */
static enum mog_err run_typed(struct store *st, enum sql_stmt id, uint32_t type, const struct sql_value *lead,
                              size_t n_lead, uint64_t fid)
{
    struct sql_value args[4];
    size_t n = 0;
    for (size_t i = 0; i < n_lead; i++)
        args[n++] = lead[i];
    if (type != 0)
        args[n++] = sql_int(type);
    if (fid != 0)
        args[n++] = sql_int(fid);
    return store_run(st, id, args, n);
}

static void queue_cells(struct store_queue_row *q, const struct sql_result *r, size_t row)
{
    q->fid = sql_u64(r, row, 0);
    q->nexttry = sql_i64(r, row, 1);
    q->failcount = sql_u32(r, row, 2);
    q->flags = sql_u32(r, row, 3);
    if (r->n_cols == 5)
        q->fromdevid = sql_u32(r, row, 4);
    if (r->n_cols == 7) {
        q->type = sql_u32(r, row, 4);
        q->devid = sql_u32(r, row, 5);
        q->arg = store_bytes_cell(r, row, 6);
    }
}

/* ---- claiming ---- */

struct claim {
    const struct queue_kind *kind;
    unsigned limit;
    struct store_queue_rows *out;
};

static enum mog_err read_due(struct store *st, const struct queue_kind *k, unsigned limit)
{
    if (k->type != 0)
        return STORE_RUN(st, k->claim, sql_int(k->type), sql_int(limit));
    return STORE_RUN(st, k->claim, sql_int(limit));
}

static enum mog_err claim_rows(struct store *st, void *arg)
{
    struct claim *c = arg;
    store_queue_rows_free(c->out);
    enum mog_err e = read_due(st, c->kind, c->limit);
    if (e != MOG_OK || st->result.n_rows == 0)
        return e;
    const struct sql_result *r = &st->result;
    c->out->rows = mem_calloc(r->n_rows, sizeof c->out->rows[0]);
    c->out->n = r->n_rows;
    uint64_t *fids = mem_calloc(r->n_rows, sizeof *fids);
    for (size_t i = 0; i < r->n_rows; i++) {
        queue_cells(&c->out->rows[i], r, i);
        fids[i] = c->out->rows[i].fid;
    }
    struct sql_value type = sql_int(c->kind->type);
    struct store_bulk lease = {.id = c->kind->lease, .head = &type, .n_head = c->kind->type != 0 ? 1 : 0};
    e = store_run_fids(st, &lease, fids, c->out->n, NULL);
    free(fids);
    return e;
}

enum mog_err store_queues_due(struct store *st, bool due[STORE_QUEUES])
{
    enum mog_err e = STORE_RUN0(st, SQL_QUEUES_DUE);
    for (size_t q = 0; q < STORE_QUEUES; q++)
        due[q] = e == MOG_OK && sql_u64(&st->result, 0, q) != 0;
    return e;
}

static void shuffle(struct store *st, struct store_queue_rows *l)
{
    for (size_t i = l->n; i > 1; i--) {
        size_t k = store_random(st, (uint32_t)i);
        struct store_queue_row swap = l->rows[i - 1];
        l->rows[i - 1] = l->rows[k];
        l->rows[k] = swap;
    }
}

enum mog_err store_queue_claim(struct store *st, enum store_queue q, unsigned limit, struct store_queue_rows *out)
{
    *out = (struct store_queue_rows){NULL, 0};
    struct claim c = {&queue_kinds[q], limit < 1 || limit > CLAIM_MAX ? CLAIM_MAX : limit, out};
    /* A look without locks: queues are empty most of the time. */
    enum mog_err e = read_due(st, c.kind, 1);
    if (e != MOG_OK || st->result.n_rows == 0)
        return e == MOG_EDEADLOCK ? MOG_OK : e;
    if (store_backend(st) == STORE_MYSQL) {
        /* The lock excludes all other claims, so that the rows need no locks that inserts would wait for. */
        e = store_lock(st, c.kind->lock, CLAIM_LOCK_WAIT_S);
        if (e != MOG_OK)
            return e == MOG_ELOCKED ? MOG_OK : e;
        e = claim_rows(st, &c);
        struct mog_fail why = st->fail;
        store_unlock(st);
        st->fail = why;
    } else {
        e = store_transact(st, claim_rows, &c);
    }
    if (e != MOG_OK)
        store_queue_rows_free(out);
    shuffle(st, out);
    return e == MOG_EDEADLOCK ? MOG_OK : e;
}

/* ---- the life of a row ---- */

enum mog_err store_queue_done(struct store *st, enum store_queue q, uint64_t fid)
{
    return run_typed(st, queue_kinds[q].done, queue_kinds[q].type, NULL, 0, fid);
}

enum mog_err store_queue_defer(struct store *st, enum store_queue q, uint64_t fid, int64_t delay_s, bool failed)
{
    const struct sql_value lead[] = {{.kind = SQL_INT, .i = delay_s}, sql_int(failed)};
    return run_typed(st, queue_kinds[q].defer, queue_kinds[q].type, lead, 2, fid);
}

enum mog_err store_queue_park(struct store *st, enum store_queue q, uint64_t fid)
{
    return run_typed(st, queue_kinds[q].park, queue_kinds[q].type, NULL, 0, fid);
}

enum mog_err store_queue_release(struct store *st, enum store_queue q, const uint64_t *fids, size_t n)
{
    struct sql_value type = sql_int(queue_kinds[q].type);
    struct store_bulk b = {.id = queue_kinds[q].release, .head = &type, .n_head = queue_kinds[q].type != 0 ? 1 : 0};
    return store_run_fids(st, &b, fids, n, NULL);
}

static enum mog_err count(struct store *st, enum mog_err e, uint64_t *n)
{
    *n = e == MOG_OK ? sql_u64(&st->result, 0, 0) : 0;
    return e;
}

enum mog_err store_queue_length(struct store *st, enum store_queue q, uint64_t *n)
{
    return count(st, run_typed(st, queue_kinds[q].length, queue_kinds[q].type, NULL, 0, 0), n);
}

enum mog_err store_queue_sample(struct store *st, enum store_queue q, struct store_queue_sample *out)
{
    const struct queue_kind *k = &queue_kinds[q];
    *out = (struct store_queue_sample){0};
    enum mog_err e = run_typed(st, k->sample, k->type, NULL, 0, 0);
    if (e != MOG_OK)
        return e;
    const struct sql_result *r = &st->result;
    out->length = sql_u64(r, 0, 0);
    out->due = sql_u64(r, 0, 1);
    out->parked = sql_u64(r, 0, 2);
    out->earliest_unix_s = sql_i64(r, 0, 3);
    out->first_new_fid = sql_u64(r, 0, 4);
    out->last_new_fid = sql_u64(r, 0, 5);
    out->now_unix_s = sql_i64(r, 0, 6);
    return MOG_OK;
}

enum mog_err store_queue_find(struct store *st, enum store_queue q, uint64_t fid, struct store_queue_row *out)
{
    *out = (struct store_queue_row){0};
    enum mog_err e = run_typed(st, queue_kinds[q].find, queue_kinds[q].type, NULL, 0, fid);
    if (e == MOG_OK && st->result.n_rows == 0)
        return store_fail(st, MOG_ENOTFOUND, "not in the queue");
    if (e == MOG_OK)
        queue_cells(out, &st->result, 0);
    return e;
}

/* ---- adding ---- */

enum mog_err store_replicate_add(struct store *st, uint64_t fid, uint32_t fromdevid, int64_t delay_s)
{
    enum mog_err e = store_check_fid(st, fid);
    struct sql_value delay = {.kind = SQL_INT, .i = delay_s};
    return e == MOG_OK ? STORE_RUN(st, SQL_REPLICATE_ADD, sql_int(fid), sql_int_or_null(fromdevid), delay, delay) : e;
}

enum mog_err store_replicate_deferred(struct store *st, uint64_t *n)
{
    return count(st, STORE_RUN0(st, SQL_REPLICATE_DEFERRED), n);
}

enum mog_err store_replicate_now(struct store *st, uint64_t *n)
{
    enum mog_err e = STORE_RUN0(st, SQL_REPLICATE_NOW);
    *n = e == MOG_OK ? st->result.affected : 0;
    return e;
}

enum mog_err store_delete_add(struct store *st, const uint64_t *fids, size_t n, int64_t delay_s)
{
    struct sql_value *rows = mem_calloc(2 * n + 1, sizeof *rows);
    enum mog_err e = MOG_OK;
    for (size_t i = 0; e == MOG_OK && i < n; i++) {
        e = store_check_fid(st, fids[i]);
        rows[2 * i] = sql_int(fids[i]);
        rows[2 * i + 1] = (struct sql_value){.kind = SQL_INT, .i = delay_s};
    }
    struct store_bulk b = {.id = SQL_DELETE_ADD, .rows = rows, .width = 2, .n = n};
    if (e == MOG_OK)
        e = store_run_bulk(st, &b, NULL);
    free(rows);
    return e;
}

enum mog_err store_delete_begin(struct store *st, uint64_t fid, unsigned wait_s, struct store_devids *devids)
{
    *devids = (struct store_devids){NULL, 0};
    struct sql_value arg = sql_int(fid);
    enum mog_err e = store_check_fid(st, fid);
    if (e == MOG_OK)
        e = store_lock_fid_run(st, fid, wait_s, SQL_DEVFID_LIST, &arg, 1);
    if (e == MOG_OK)
        store_devids_cells(devids, &st->result, 0);
    return e;
}

enum mog_err store_delete_end(struct store *st, uint64_t fid, const struct store_delete_end *o)
{
    const struct sql_value id = sql_int(fid), twice[] = {id, id};
    const struct sql_value later[] = {{.kind = SQL_INT, .i = o->delay_s}, sql_int(o->failed), id};
    struct sql_value *gone = mem_calloc(o->n_gone + 1, sizeof *gone);
    for (size_t i = 0; i < o->n_gone; i++)
        gone[i] = sql_int(o->gone[i]);
    /* These two are not there as a rule; in the transaction, the gaps would be locked in which clients insert. */
    struct store_call calls[] = {
        {.bulk = {.id = SQL_CHECKSUM_DELETE, .head = &id, .n_head = 1}, .is_before = true},
        {.bulk = {.id = SQL_TEMPFILE_DELETE, .head = &id, .n_head = 1}, .is_before = true},
        {.bulk = {.id = SQL_DELETE_DEFER, .head = later, .n_head = 3}},
        {.bulk = {.id = SQL_DEVFID_REMOVE_MANY, .head = &id, .n_head = 1, .rows = gone, .width = 1, .n = o->n_gone}},
    };
    struct store_call *outcome = &calls[2];
    /* The queue's row last, and only when nothing is recorded: an old upload may just have been swept up. */
    if (o->is_done && o->n_gone != 0) {
        calls[2] = calls[3];
        outcome = &calls[3];
    }
    if (o->is_done)
        outcome->bulk = (struct store_bulk){.id = SQL_DELETE_DONE_EMPTY, .head = twice, .n_head = 2};
    enum mog_err e = store_run_calls(st, calls, o->n_gone != 0 ? 4 : 3, true);
    if (e == MOG_OK && o->is_done && outcome->affected == 0)
        e = store_queue_defer(st, STORE_QUEUE_DELETE, fid, 1, false);
    free(gone);
    return e;
}

enum mog_err store_todo_add(struct store *st, enum store_queue q, const struct store_todo *items, size_t n)
{
    uint32_t type = queue_kinds[q].type;
    if (type == 0)
        return store_fail(st, MOG_EINVAL, "not a general queue");
    struct sql_value *rows = mem_calloc(4 * n + 1, sizeof *rows);
    enum mog_err e = MOG_OK;
    for (size_t i = 0; e == MOG_OK && i < n; i++) {
        e = store_check_fid(st, items[i].fid);
        if (e == MOG_OK)
            e = store_check_len(st, "arg", items[i].arg.len, STORE_VALUE_MAX);
        rows[4 * i] = sql_int(items[i].fid);
        rows[4 * i + 1] = sql_int_or_null(items[i].devid);
        rows[4 * i + 2] = items[i].arg.ptr == NULL ? SQL_ARG_NULL : sql_text(items[i].arg);
        rows[4 * i + 3] = sql_int(type);
    }
    struct store_bulk b = {.id = SQL_TODO_ADD, .rows = rows, .width = 4, .n = n};
    if (e == MOG_OK)
        e = store_run_bulk(st, &b, NULL);
    free(rows);
    return e;
}
