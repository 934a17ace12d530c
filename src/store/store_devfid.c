/* SPDX-License-Identifier: MIT */
/* Locations: which fid is on which device. */
#include "store/store_file.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/store_queue.h"
#include "store/store_run.h"

enum { DEVID_MAX = 16777215, REAP_CHUNK = 100, CHANGED_RETRY_S = 1 };

struct devfid_job {
    uint64_t fid;
    uint32_t devid;
    bool is_removal, did_change;
    bool recount;
};

enum device_life { DEVICE_UNKNOWN, DEVICE_DEAD, DEVICE_NOT_DEAD };

/* As the database has it now: what a tracker remembers may be some seconds old. */
static enum mog_err device_life(struct store *st, uint32_t devid, enum device_life *life)
{
    char status[16];
    enum mog_err e = STORE_RUN(st, SQL_DEVFID_DEVICE_STATUS, sql_int(devid));
    *life = DEVICE_UNKNOWN;
    if (e != MOG_OK || st->result.n_rows == 0)
        return e;
    store_word_cell(status, sizeof status, &st->result, 0, 0);
    *life = strcmp(status, "dead") == 0 ? DEVICE_DEAD : DEVICE_NOT_DEAD;
    return MOG_OK;
}

/* A location was not added: it was there, or the device is dead (MOG_EDEAD). */
static enum mog_err check_not_dead(struct store *st, uint32_t devid)
{
    enum device_life life;
    enum mog_err e = device_life(st, devid, &life);
    return e == MOG_OK && life == DEVICE_DEAD ? store_fail(st, MOG_EDEAD, "device %u is dead", (unsigned)devid) : e;
}

enum mog_err store_devfid_add_alive(struct store *st, uint64_t fid, uint32_t devid)
{
    enum mog_err e = STORE_RUN(st, SQL_DEVFID_ADD_ALIVE, sql_int(fid), sql_int(devid), sql_int(devid));
    return e == MOG_OK && st->result.affected == 0 ? check_not_dead(st, devid) : e;
}

static enum mog_err devfid_write(struct store *st, void *arg)
{
    struct devfid_job *j = arg;
    enum mog_err e =
        STORE_RUN(st, j->is_removal ? SQL_DEVFID_REMOVE : SQL_DEVFID_ADD, sql_int(j->fid), sql_int(j->devid));
    j->did_change = e == MOG_OK && st->result.affected > 0;
    if (e == MOG_OK && j->recount)
        e = store_file_recount(st, j->fid);
    return e;
}

static enum mog_err check_ids(struct store *st, uint64_t fid, uint32_t devid)
{
    enum mog_err e = store_check_fid(st, fid);
    if (e == MOG_OK && (devid == 0 || devid > DEVID_MAX))
        e = store_fail(st, MOG_ERANGE, "device id %u is out of range", (unsigned)devid);
    return e;
}

static enum mog_err devfid_change(struct store *st, struct devfid_job *j)
{
    enum mog_err e = check_ids(st, j->fid, j->devid);
    if (e != MOG_OK)
        return e;
    return j->recount ? store_transact(st, devfid_write, j) : devfid_write(st, j);
}

enum mog_err store_devfid_add(struct store *st, uint64_t fid, uint32_t devid, bool recount, bool *added)
{
    struct devfid_job j = {.fid = fid, .devid = devid, .recount = recount};
    enum mog_err e = devfid_change(st, &j);
    if (added != NULL)
        *added = e == MOG_OK && j.did_change;
    return e;
}

enum { DONE_CALLS = 2 };

/* The values of the calls of store_replicate_done(). */
struct done_values {
    struct sql_value later[3], done[5];
};

/* Its calls; the last one tells whether the fid has left the queue. */
static size_t add_done(struct store *st, struct store_call *calls, size_t n, uint64_t fid, const struct store_judged *j,
                       struct done_values *v)
{
    const struct sql_value id = sql_int(fid);
    *v = (struct done_values){{sql_int(CHANGED_RETRY_S), sql_int(0), id},
                              {id, id, sql_int(j->classid), id, sql_int(j->n_on)}};
    /* PostgreSQL's statements see what was committed when they began, so it must be another that waits for the row. */
    if (store_backend(st) == STORE_PGSQL)
        calls[n++].bulk = (struct store_bulk){.id = SQL_REPLICATE_DEFER, .head = v->later, .n_head = 3};
    calls[n++].bulk = (struct store_bulk){.id = SQL_REPLICATE_DONE_IF, .head = v->done, .n_head = 5};
    return n;
}

static enum mog_err stay_if_changed(struct store *st, uint64_t fid, const struct store_call *outcome)
{
    return outcome->affected != 0 ? MOG_OK : store_queue_defer(st, STORE_QUEUE_REPLICATE, fid, CHANGED_RETRY_S, false);
}

enum mog_err store_replicate_done(struct store *st, uint64_t fid, const struct store_judged *judged)
{
    struct done_values values;
    struct store_call calls[DONE_CALLS] = {0};
    size_t n = add_done(st, calls, 0, fid, judged, &values);
    enum mog_err e = store_run_calls(st, calls, n, true);
    return e == MOG_OK ? stay_if_changed(st, fid, &calls[n - 1]) : e;
}

enum mog_err store_devfid_add_replica(struct store *st, const struct store_replica *r)
{
    enum { ADD, CALLS_MAX = 4 + DONE_CALLS };
    const struct sql_value add[] = {sql_int(r->fid), sql_int(r->devid), sql_int(r->devid)};
    const struct sql_value recount[] = {sql_int(r->fid), sql_int(r->fid)};
    struct sql_value checksum[3];
    struct done_values done;
    struct store_call calls[CALLS_MAX] = {{.bulk = {.id = SQL_DEVFID_ADD_ALIVE, .head = add, .n_head = 3}}};
    size_t n = 1;
    enum mog_err e = check_ids(st, r->fid, r->devid);
    if (e != MOG_OK)
        return e;
    /* As store_file_recount(); and the class must not change any more. */
    if ((r->recount || r->last != NULL) && store_backend(st) == STORE_PGSQL)
        calls[n++].bulk = (struct store_bulk){.id = SQL_FILE_LOCK_FID, .head = recount, .n_head = 1};
    if (r->recount)
        calls[n++].bulk = (struct store_bulk){.id = SQL_FILE_RECOUNT, .head = recount, .n_head = 2};
    if (r->checksum != NULL) {
        checksum[0] = sql_int(r->fid);
        checksum[1] = sql_int(r->checksum->hashtype);
        checksum[2] = sql_blob(r->checksum->bytes, r->checksum->len);
        calls[n++].bulk = (struct store_bulk){.id = SQL_CHECKSUM_SET, .head = checksum, .n_head = 3};
    }
    if (r->last != NULL)
        n = add_done(st, calls, n, r->fid, r->last, &done);
    e = store_run_calls(st, calls, n, r->last != NULL);
    if (e == MOG_OK && calls[ADD].affected == 0)
        e = check_not_dead(st, r->devid);
    return e == MOG_OK && r->last != NULL ? stay_if_changed(st, r->fid, &calls[n - 1]) : e;
}

enum mog_err store_devfid_remove(struct store *st, uint64_t fid, uint32_t devid, bool recount, bool *removed)
{
    struct devfid_job j = {.fid = fid, .devid = devid, .recount = recount, .is_removal = true};
    enum mog_err e = devfid_change(st, &j);
    if (removed != NULL)
        *removed = e == MOG_OK && j.did_change;
    return e;
}

enum mog_err store_devfid_remove_many(struct store *st, uint64_t fid, const uint32_t *devids, size_t n)
{
    struct sql_value head = sql_int(fid);
    struct sql_value *rows = mem_calloc(n + 1, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = sql_int(devids[i]);
    struct store_bulk b = {.id = SQL_DEVFID_REMOVE_MANY, .head = &head, .n_head = 1, .rows = rows, .width = 1, .n = n};
    enum mog_err e = store_run_bulk(st, &b, NULL);
    free(rows);
    return e;
}

enum mog_err store_devfid_list(struct store *st, uint64_t fid, struct store_devids *out)
{
    *out = (struct store_devids){NULL, 0};
    enum mog_err e = STORE_RUN(st, SQL_DEVFID_LIST, sql_int(fid > INT64_MAX ? 0 : fid));
    if (e == MOG_OK)
        store_devids_cells(out, &st->result, 0);
    return e;
}

static void add_devfids(struct store *st, void *arg)
{
    struct store_devfids *out = arg;
    const struct sql_result *r = &st->result;
    out->rows = mem_realloc(out->rows, out->n + r->n_rows + 1, sizeof out->rows[0]);
    for (size_t i = 0; i < r->n_rows; i++)
        out->rows[out->n++] = (struct store_devfid){sql_u64(r, i, 0), sql_u32(r, i, 1)};
}

static int compare_devfids(const void *a, const void *b)
{
    const struct store_devfid *x = a, *y = b;
    if (x->fid != y->fid)
        return x->fid < y->fid ? -1 : 1;
    return (x->devid > y->devid) - (x->devid < y->devid);
}

enum mog_err store_devfid_list_many(struct store *st, const uint64_t *fids, size_t n, struct store_devfids *out)
{
    *out = (struct store_devfids){NULL, 0};
    struct store_bulk b = {.id = SQL_DEVFID_LIST_MANY, .each = add_devfids, .arg = out};
    enum mog_err e = store_run_fids(st, &b, fids, n, NULL);
    if (e != MOG_OK)
        store_devfids_free(out);
    else if (out->n > 0)
        qsort(out->rows, out->n, sizeof out->rows[0], compare_devfids);
    return e;
}

enum mog_err store_devfid_on_device(struct store *st, uint32_t devid, unsigned limit, struct store_fids *out)
{
    *out = (struct store_fids){NULL, 0};
    enum mog_err e = STORE_RUN(st, SQL_DEVFID_ON_DEVICE, sql_int(devid), sql_int(limit));
    if (e == MOG_OK)
        store_fids_cells(out, &st->result);
    return e;
}

enum mog_err store_devfid_chunk(struct store *st, uint32_t devid, bool newest_first, uint64_t from, unsigned limit,
                                struct store_fids *out)
{
    *out = (struct store_fids){NULL, 0};
    enum mog_err e;
    if (newest_first && from == 0)
        e = STORE_RUN(st, SQL_DEVFID_NEWEST, sql_int(devid), sql_int(limit));
    else
        e = STORE_RUN(st, newest_first ? SQL_DEVFID_NEWEST_FROM : SQL_DEVFID_OLDEST, sql_int(devid), sql_int(from),
                      sql_int(limit));
    if (e == MOG_OK)
        store_fids_cells(out, &st->result);
    return e;
}

struct reap_job {
    uint32_t devid;
    const uint64_t *fids;
    size_t n;
    int64_t delay_s;
};

/* Queue first, then forget: in this order also for those who read in between. */
static enum mog_err reap_chunk(struct store *st, void *arg)
{
    const struct reap_job *j = arg;
    enum device_life life;
    enum mog_err e = device_life(st, j->devid, &life);
    if (e == MOG_OK && life == DEVICE_NOT_DEAD)
        e = store_fail(st, MOG_EINVAL, "device %u is not dead any more", (unsigned)j->devid);
    if (e != MOG_OK)
        return e;
    struct sql_value rows[REAP_CHUNK * 2], devid = sql_int(j->devid);
    for (size_t i = 0; i < j->n; i++) {
        rows[2 * i] = sql_int(j->fids[i]);
        rows[2 * i + 1] = sql_int((uint64_t)j->delay_s);
    }
    struct store_bulk queue = {.id = SQL_REPLICATE_ADD_MANY, .rows = rows, .width = 2, .n = j->n};
    struct store_bulk forget = {.id = SQL_DEVFID_REAP, .head = &devid, .n_head = 1};
    e = store_run_bulk(st, &queue, NULL);
    return e == MOG_OK ? store_run_fids(st, &forget, j->fids, j->n, NULL) : e;
}

enum mog_err store_devfid_reap(struct store *st, uint32_t devid, const uint64_t *fids, size_t n, int64_t delay_s)
{
    enum mog_err e = MOG_OK;
    for (size_t done = 0; e == MOG_OK && done < n; done += REAP_CHUNK) {
        struct reap_job j = {devid, fids + done, n - done < REAP_CHUNK ? n - done : REAP_CHUNK, delay_s};
        e = store_transact(st, reap_chunk, &j);
    }
    return e;
}
