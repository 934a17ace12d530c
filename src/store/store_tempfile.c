/* SPDX-License-Identifier: MIT */
/* Open uploads, and the sweep of those that were given up. */
#include "store/store_file.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/num.h"
#include "store/store_lock.h"
#include "store/store_queue.h"
#include "store/store_run.h"

enum { DEVID_MAX = 16777215 };

enum mog_err store_tempfile_get(struct store *st, uint64_t fid, struct store_tempfile *out)
{
    *out = (struct store_tempfile){0};
    if (fid == 0 || fid > INT64_MAX)
        return store_fail(st, MOG_ENOTFOUND, "no such upload");
    enum mog_err e = STORE_RUN(st, SQL_TEMPFILE_GET, sql_int(fid));
    if (e == MOG_OK && st->result.n_rows == 0)
        e = store_fail(st, MOG_ENOTFOUND, "no such upload");
    if (e == MOG_OK)
        store_tempfile_cells(out, &st->result, 0, 0);
    return e;
}

enum mog_err store_tempfile_delete(struct store *st, uint64_t fid)
{
    return STORE_RUN(st, SQL_TEMPFILE_DELETE, sql_int(fid));
}

/* The rows of one sweep. */
struct sweep {
    struct store_fids all;    /* whose tempfile row goes */
    struct store_fids failed; /* those of `all` that never became a file */
    struct sql_value *places; /* (fid, devid) of the failed ones */
    size_t n_places, cap_places;
};

/* "1,2,3"; anything else counts as empty. */
static void add_places(struct sweep *s, uint64_t fid, struct span devids)
{
    size_t before = s->n_places;
    struct span part;
    bool is_good = devids.len > 0 && devids.ptr[devids.len - 1] != ',';
    while (is_good && span_split(&devids, ',', &part)) {
        uint64_t devid;
        is_good = num_parse_u64(part, 1, DEVID_MAX, &devid) == MOG_OK;
        for (int i = 0; is_good && i < 2; i++) {
            s->places = mem_grow(s->places, s->n_places, &s->cap_places, sizeof s->places[0]);
            s->places[s->n_places++] = sql_int(i == 0 ? fid : devid);
        }
    }
    if (!is_good)
        s->n_places = before;
}

static void sweep_read(struct sweep *s, const struct sql_result *r)
{
    s->all.rows = mem_calloc(r->n_rows + 1, sizeof(uint64_t));
    s->failed.rows = mem_calloc(r->n_rows + 1, sizeof(uint64_t));
    for (size_t i = 0; i < r->n_rows; i++) {
        uint64_t fid = sql_u64(r, i, 0);
        s->all.rows[s->all.n++] = fid;
        if (!sql_is_null(r, i, 2))
            continue;
        s->failed.rows[s->failed.n++] = fid;
        add_places(s, fid, sql_span(r, i, 1));
    }
}

/* Only rows that we take away ourselves are ours to clean up after: a close may be faster. */
static enum mog_err sweep_write(struct store *st, void *arg)
{
    const struct sweep *s = arg;
    const struct store_bulk places = {.id = SQL_DEVFID_ADD_MANY, .rows = s->places, .width = 2, .n = s->n_places / 2};
    struct store_bulk gone = {.id = SQL_TEMPFILE_DELETE_MANY};
    uint64_t n = 0;
    enum mog_err e = store_run_fids(st, &gone, s->all.rows, s->all.n, &n);
    if (e == MOG_OK && n != s->all.n)
        return store_fail(st, MOG_ECANCELED, "an upload was closed during the sweep");
    if (e == MOG_OK)
        e = store_run_bulk(st, &places, NULL);
    if (e == MOG_OK)
        e = store_delete_add(st, s->failed.rows, s->failed.n, 0);
    return e;
}

enum mog_err store_tempfile_sweep(struct store *st, int64_t age_s, size_t *queued)
{
    struct sweep s = {0};
    *queued = 0;
    enum mog_err e = store_lock(st, "mgfs:tempfiles", 0);
    if (e != MOG_OK)
        return e;
    e = STORE_RUN(st, SQL_TEMPFILE_OLD, sql_int((uint64_t)age_s));
    if (e == MOG_OK && st->result.n_rows > 0) {
        sweep_read(&s, &st->result);
        e = store_transact(st, sweep_write, &s);
        if (e == MOG_OK)
            *queued = s.failed.n;
        else if (e == MOG_ECANCELED)
            e = MOG_OK; /* nothing was done; the next sweep sees what is left */
    }
    store_fids_free(&s.all);
    store_fids_free(&s.failed);
    free(s.places);
    struct mog_fail why = st->fail;
    store_unlock(st);
    st->fail = why;
    return e;
}
