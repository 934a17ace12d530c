/* SPDX-License-Identifier: MIT */
/* The deletion queue of databases before schema 12. */
#include "store/store_queue.h"

#include "common/mem.h"
#include "store/store_run.h"

static enum mog_err requeue(struct store *st, void *arg)
{
    const struct store_fids *due = arg;
    struct store_bulk add = {.id = SQL_LEGACY_ADD}, remove = {.id = SQL_LEGACY_LATER_DELETE};
    enum mog_err e = store_run_fids(st, &add, due->rows, due->n, NULL);
    return e == MOG_OK ? store_run_fids(st, &remove, due->rows, due->n, NULL) : e;
}

enum mog_err store_legacy_requeue(struct store *st, size_t *moved)
{
    struct store_fids due = {NULL, 0};
    *moved = 0;
    enum mog_err e = STORE_RUN0(st, SQL_LEGACY_DUE);
    if (e != MOG_OK || st->result.n_rows == 0)
        return e;
    store_fids_cells(&due, &st->result);
    e = store_transact(st, requeue, &due);
    if (e == MOG_OK)
        *moved = due.n;
    store_fids_free(&due);
    return e;
}

enum mog_err store_legacy_list(struct store *st, unsigned limit, struct store_devfids *out)
{
    *out = (struct store_devfids){NULL, 0};
    enum mog_err e = STORE_RUN(st, SQL_LEGACY_LIST, sql_int(limit));
    if (e != MOG_OK)
        return e;
    out->rows = mem_calloc(st->result.n_rows + 1, sizeof out->rows[0]);
    out->n = st->result.n_rows;
    for (size_t i = 0; i < out->n; i++)
        out->rows[i] = (struct store_devfid){sql_u64(&st->result, i, 0), sql_u32(&st->result, i, 1)};
    return MOG_OK;
}

enum mog_err store_legacy_done(struct store *st, uint64_t fid)
{
    return STORE_RUN(st, SQL_LEGACY_DONE, sql_int(fid));
}

struct later {
    uint64_t fid;
    int64_t delay_s;
};

static enum mog_err put_off(struct store *st, void *arg)
{
    const struct later *l = arg;
    enum mog_err e = STORE_RUN(st, SQL_LEGACY_LATER_ADD, sql_int(l->fid), sql_int((uint64_t)l->delay_s));
    return e == MOG_OK ? store_legacy_done(st, l->fid) : e;
}

enum mog_err store_legacy_later(struct store *st, uint64_t fid, int64_t delay_s)
{
    struct later l = {fid, delay_s};
    return store_transact(st, put_off, &l);
}
