/* SPDX-License-Identifier: MIT */
/* Devices and their usage. */
#include "store/store_topology.h"

#include "common/mem.h"
#include "store/store_run.h"

enum { DEVID_MAX = 16777215, USAGE_CHUNK = 100, DEFAULT_WEIGHT = 100, WEIGHT_MAX = 8388607 };

static enum mog_err found_or(struct store *st, enum mog_err e)
{
    return e == MOG_OK && st->result.affected == 0 ? store_fail(st, MOG_ENOTFOUND, "no such device") : e;
}

enum mog_err store_device_create(struct store *st, uint32_t devid, uint32_t hostid, const char *status)
{
    if (devid == 0 || devid > DEVID_MAX)
        return store_fail(st, MOG_ERANGE, "device id %u is out of range", (unsigned)devid);
    return STORE_RUN(st, SQL_DEVICE_INSERT, sql_int(devid), sql_int(hostid), sql_str(status));
}

enum mog_err store_device_set_status(struct store *st, uint32_t devid, const char *status)
{
    return found_or(st, STORE_RUN(st, SQL_DEVICE_SET_STATUS, sql_str(status), sql_int(devid)));
}

enum mog_err store_device_swap_status(struct store *st, uint32_t devid, const char *from, const char *to)
{
    return found_or(st, STORE_RUN(st, SQL_DEVICE_SWAP_STATUS, sql_str(to), sql_int(devid), sql_str(from)));
}

enum mog_err store_device_set_weight(struct store *st, uint32_t devid, int32_t weight)
{
    if (weight < -WEIGHT_MAX || weight > WEIGHT_MAX)
        return store_fail(st, MOG_ERANGE, "weight %d is out of range", (int)weight);
    struct sql_value w = {.kind = SQL_INT, .i = weight};
    return found_or(st, STORE_RUN(st, SQL_DEVICE_SET_WEIGHT, w, sql_int(devid)));
}

static void device_cells(struct store_device *d, const struct sql_result *r, size_t row)
{
    d->devid = sql_u32(r, row, 0);
    d->hostid = sql_u32(r, row, 1);
    store_word_cell(d->status, sizeof d->status, r, row, 2);
    d->weight = sql_is_null(r, row, 3) ? DEFAULT_WEIGHT : (int32_t)sql_i64(r, row, 3);
    d->has_mb_total = !sql_is_null(r, row, 4);
    d->has_mb_used = !sql_is_null(r, row, 5);
    d->mb_total = sql_u64(r, row, 4);
    d->mb_used = sql_u64(r, row, 5);
    d->mb_asof = sql_i64(r, row, 6);
}

enum mog_err store_device_get(struct store *st, uint32_t devid, struct store_device *out)
{
    *out = (struct store_device){0};
    enum mog_err e = STORE_RUN(st, SQL_DEVICE_GET, sql_int(devid));
    if (e != MOG_OK)
        return e;
    if (st->result.n_rows == 0)
        return store_fail(st, MOG_ENOTFOUND, "no such device");
    device_cells(out, &st->result, 0);
    return MOG_OK;
}

enum mog_err store_device_list(struct store *st, struct store_devices *out)
{
    *out = (struct store_devices){NULL, 0};
    enum mog_err e = STORE_RUN0(st, SQL_DEVICE_LIST);
    if (e != MOG_OK)
        return e;
    out->rows = mem_calloc(st->result.n_rows + 1, sizeof out->rows[0]);
    out->n = st->result.n_rows;
    for (size_t i = 0; i < out->n; i++)
        device_cells(&out->rows[i], &st->result, i);
    return MOG_OK;
}

struct usage_chunk {
    const struct store_usage *rows;
    size_t n;
};

static enum mog_err write_chunk(struct store *st, void *arg)
{
    const struct usage_chunk *c = arg;
    const uint64_t most = store_backend(st) == STORE_PGSQL ? INT32_MAX : UINT32_MAX; /* of the column */
    enum mog_err e = MOG_OK;
    for (size_t i = 0; e == MOG_OK && i < c->n; i++) {
        const struct store_usage *u = &c->rows[i];
        uint64_t total = u->mb_total < most ? u->mb_total : most, used = u->mb_used < most ? u->mb_used : most;
        e = STORE_RUN(st, SQL_DEVICE_USAGE, sql_int(total), sql_int(used), sql_int((uint64_t)u->mb_asof),
                      sql_int(u->devid));
    }
    return e;
}

enum mog_err store_device_write_usage(struct store *st, const struct store_usage *rows, size_t n)
{
    enum mog_err e = MOG_OK;
    for (size_t done = 0; e == MOG_OK && done < n; done += USAGE_CHUNK) {
        struct usage_chunk c = {rows + done, n - done < USAGE_CHUNK ? n - done : USAGE_CHUNK};
        e = store_transact(st, write_chunk, &c);
    }
    return e;
}
