/* SPDX-License-Identifier: MIT */
/* Writes that belong together: one transaction, and one round trip where the driver can. */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/store_lock.h"
#include "store/store_run.h"

enum { CALLS_MAX = 8 };

static enum mog_err run_one(struct store *st, struct store_call *call)
{
    const struct store_bulk *b = &call->bulk;
    if (b->width != 0)
        return store_run_bulk(st, b, &call->affected);
    enum mog_err e = store_run(st, b->id, b->head, b->n_head);
    call->affected = e == MOG_OK ? st->result.affected : 0;
    return e;
}

struct calls {
    struct store_call *calls;
    size_t n;
};

static enum mog_err run_transaction(struct store *st, void *arg)
{
    const struct calls *c = arg;
    enum mog_err e = MOG_OK;
    for (size_t i = 0; e == MOG_OK && i < c->n; i++) {
        if (!c->calls[i].is_before)
            e = run_one(st, &c->calls[i]);
    }
    return e;
}

static enum mog_err one_by_one(struct store *st, struct calls *c)
{
    enum mog_err e = MOG_OK;
    for (size_t i = 0; e == MOG_OK && i < c->n; i++) {
        if (c->calls[i].is_before)
            e = run_one(st, &c->calls[i]);
    }
    return e == MOG_OK ? store_transact(st, run_transaction, c) : e;
}

/* The values of a call side by side; freed by the caller when it has rows. */
static struct sql_value *values_of(const struct store_bulk *b, size_t *n)
{
    struct sql_value *args = mem_calloc(b->n_head + b->width * b->n + 1, sizeof *args);
    *n = b->n_head + b->width * b->n;
    if (b->n_head != 0)
        memcpy(args, b->head, b->n_head * sizeof *args);
    if (b->width * b->n != 0)
        memcpy(args + b->n_head, b->rows, b->width * b->n * sizeof *args);
    return args;
}

static void add_call(struct sql_call *out, size_t *n, const struct store_bulk *b)
{
    struct sql_call *call = &out[(*n)++];
    *call = (struct sql_call){.id = b->id, .rows = b->width != 0 ? b->n : 1};
    call->args = values_of(b, &call->n_args);
}

static enum mog_err together(struct store *st, struct calls *c, bool unlock)
{
    struct sql_call all[CALLS_MAX + 3];
    struct sql_value name = sql_str(st->lock_name);
    size_t n = 0, place[CALLS_MAX] = {0};
    for (size_t i = 0; i < c->n; i++) {
        place[i] = n;
        if (c->calls[i].is_before)
            add_call(all, &n, &c->calls[i].bulk);
    }
    add_call(all, &n, &(struct store_bulk){.id = SQL_BEGIN});
    for (size_t i = 0; i < c->n; i++) {
        if (c->calls[i].is_before)
            continue;
        place[i] = n;
        add_call(all, &n, &c->calls[i].bulk);
    }
    size_t commit = n;
    add_call(all, &n, &(struct store_bulk){.id = SQL_COMMIT});
    if (unlock && st->lock_name != NULL)
        add_call(all, &n, &(struct store_bulk){.id = SQL_LOCK_RELEASE, .head = &name, .n_head = 1});
    enum mog_err e = store_run_together(st, all, n, true);
    for (size_t i = 0; i < c->n; i++)
        c->calls[i].affected = all[place[i]].done ? all[place[i]].affected : 0;
    if (e == MOG_OK && unlock)
        store_lock_forget(st);
    if (all[commit].done)
        e = MOG_OK; /* the lock alone was not released: the caller's store_unlock() sees to it */
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)all[i].args);
    return e;
}

enum mog_err store_run_calls(struct store *st, struct store_call *calls, size_t n, bool unlock)
{
    struct calls c = {calls, n};
    if (n <= CALLS_MAX && store_can_run_together(st))
        return together(st, &c, unlock);
    enum mog_err e = one_by_one(st, &c);
    if (e == MOG_OK && unlock)
        store_unlock(st);
    return e;
}
