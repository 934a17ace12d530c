/* SPDX-License-Identifier: MIT */
/* Stored digests. */
#include "store/store_file.h"

#include "store/store_run.h"

enum mog_err store_checksum_get(struct store *st, uint64_t fid, struct store_checksum *out)
{
    *out = (struct store_checksum){0};
    enum mog_err e = STORE_RUN(st, SQL_CHECKSUM_GET, sql_int(fid > INT64_MAX ? 0 : fid));
    if (e == MOG_OK && st->result.n_rows == 0)
        return store_fail(st, MOG_ENOTFOUND, "no checksum");
    if (e == MOG_OK)
        store_checksum_cells(out, &st->result, 0, 0);
    return e;
}

enum mog_err store_checksum_set(struct store *st, uint64_t fid, const struct store_checksum *c)
{
    if (c->hashtype == 0 || c->hashtype > 255 || c->len == 0 || c->len > sizeof c->bytes)
        return store_fail(st, MOG_EINVAL, "not a checksum");
    return STORE_RUN(st, SQL_CHECKSUM_SET, sql_int(fid), sql_int(c->hashtype), sql_blob(c->bytes, c->len));
}

enum mog_err store_checksum_delete(struct store *st, uint64_t fid)
{
    enum mog_err e = STORE_RUN(st, SQL_CHECKSUM_DELETE, sql_int(fid));
    if (e == MOG_OK && st->result.affected == 0)
        e = store_fail(st, MOG_ENOTFOUND, "no checksum");
    return e;
}
