/* SPDX-License-Identifier: MIT */
/* Uploads: from the fid of create_open to the file of create_close, or to deletion. */
#include "store/store_file.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "store/store_queue.h"
#include "store/store_run.h"

enum {
    ALLOCATE_TRIES = 10,
    PUT_TRIES = 20,
    DMID_MAX = 65535,
    CLASSID_MAX = 255,
    TEMPFILE_WIDTH = 6,
    TEMPFILE_ARGS = 4,
    FILE_WIDTH = 6
};

void store_upload_free(struct store_upload *u)
{
    store_tempfile_fini(&u->temp);
    store_file_fini(&u->old);
    *u = (struct store_upload){0};
}

/* ---- create_open ---- */

static enum mog_err check_open(struct store *st, const struct store_file_open *o)
{
    enum mog_err e = store_check_name(st, "key", o->key, STORE_NAME_MAX);
    if (e == MOG_OK && o->devids != NULL)
        e = store_check_len(st, "devids", strlen(o->devids), STORE_DEVIDS_MAX);
    if (e == MOG_OK && (o->dmid > DMID_MAX || o->classid > CLASSID_MAX))
        e = store_fail(st, MOG_ERANGE, "domain or class id is out of range");
    return e;
}

/* Run the statement for up to STORE_OPEN_MANY of them, whose number is one of sql_size. It must be able to return rows.
 */
static enum mog_err insert_many(struct store *st, const struct store_file_open *all, size_t n, uint64_t *fids,
                                bool *is_used)
{
    struct sql_value args[STORE_OPEN_MANY * TEMPFILE_ARGS];
    for (size_t i = 0; i < n; i++) {
        const struct sql_value row[TEMPFILE_ARGS] = {sql_int(all[i].dmid), sql_name_of(all[i].key),
                                                     sql_int(all[i].classid), sql_str(all[i].devids)};
        memcpy(&args[i * TEMPFILE_ARGS], row, sizeof(row));
    }
    enum mog_err e = store_run_sized(st, SQL_TEMPFILE_INSERT, store_size_for(n), args, n * TEMPFILE_ARGS);
    if (e == MOG_OK && st->result.n_rows != n)
        e = store_fail(st, MOG_EDB, "%zu uploads were registered, and %zu numbers came back", n, st->result.n_rows);
    /* Rows come back in the order in which they were numbered, which is the one in which they were given. */
    for (size_t i = 0; e == MOG_OK && i < n; i++) {
        fids[i] = sql_u64(&st->result, i, 0);
        is_used[i] = sql_i64(&st->result, i, 1) != 0;
        if (i > 0 && fids[i] <= fids[i - 1])
            e = store_fail(st, MOG_EDB, "new numbers came back in disorder");
    }
    return e;
}

/*
 * Whether a file has the number, or has had it and is not deleted yet: the upload would be deleted in its place. Where
 * the counter outlives the server (whatever can return rows) that need not be asked of its numbers.
 */
static enum mog_err find_used(struct store *st, uint64_t fid, bool *is_used)
{
    struct sql_value arg = sql_int(fid);
    enum mog_err e = STORE_RUN(st, SQL_TEMPFILE_FID_USED, arg, arg, arg);
    *is_used = e == MOG_OK && st->result.n_rows > 0;
    return e;
}

/* Register under a new number; `is_used`: a file has it already. */
static enum mog_err insert_next(struct store *st, const struct store_file_open *o, uint64_t *fid, bool *is_used)
{
    enum mog_err e = store_open(st);
    if (e != MOG_OK)
        return e;
    if (st->conn->can_return)
        return insert_many(st, o, 1, fid, is_used);
    const struct sql_value args[] = {sql_int(o->dmid), sql_name_of(o->key), sql_int(o->classid), sql_str(o->devids)};
    e = store_run(st, SQL_TEMPFILE_INSERT_PLAIN, args, 4);
    if (e != MOG_OK)
        return e;
    *fid = st->result.insert_id;
    return find_used(st, *fid, is_used);
}

/* The counter has been set back (by a restart of an old server): move it above all that is in use. */
static enum mog_err move_counter(struct store *st, uint64_t used_fid)
{
    uint64_t top, min_fid = store_env_min_fid(st->env);
    enum mog_err e = store_file_max_known_fid(st, &top);
    if (e != MOG_OK)
        return e;
    top = top > min_fid ? top : min_fid;
    bool was_inserted = false;
    if (top > used_fid) {
        e = STORE_RUN(st, SQL_TEMPFILE_SEED, sql_int(top));
        was_inserted = e == MOG_OK && store_backend(st) != STORE_PGSQL && st->result.affected > 0;
    }
    if (e == MOG_OK && was_inserted)
        e = STORE_RUN(st, SQL_TEMPFILE_DELETE, sql_int(top));
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_TEMPFILE_DELETE, sql_int(used_fid));
    return e;
}

static enum mog_err allocate(struct store *st, const struct store_file_open *o, uint64_t *fid)
{
    for (int i = 0; i < ALLOCATE_TRIES; i++) {
        bool is_used = false;
        enum mog_err e = insert_next(st, o, fid, &is_used);
        if (e != MOG_OK)
            return e;
        if (!is_used && *fid > store_env_min_fid(st->env))
            return MOG_OK;
        e = move_counter(st, *fid);
        if (e != MOG_OK)
            return e;
    }
    return store_fail(st, MOG_EDB, "no free fid after %d tries", (int)ALLOCATE_TRIES);
}

static enum mog_err open_explicit(struct store *st, void *arg)
{
    const struct store_file_open *o = arg;
    enum mog_err e = STORE_RUN(st, SQL_TEMPFILE_INSERT_FID, sql_int(o->dmid), sql_name_of(o->key), sql_int(o->classid),
                               sql_str(o->devids), sql_int(o->fid));
    bool is_used = false;
    if (e == MOG_OK)
        e = find_used(st, o->fid, &is_used);
    if (is_used)
        e = store_fail(st, MOG_EEXISTS, "a file has this fid, or one that is being deleted");
    /* Elsewhere the insert itself has moved the counter. */
    if (e == MOG_OK && store_backend(st) == STORE_PGSQL)
        e = STORE_RUN(st, SQL_TEMPFILE_SEED, sql_int(o->fid));
    return e;
}

/*
 * A number of the client's moves the counter, and one near its end would leave no numbers for anybody: half of what the
 * column holds stays for the counter alone.
 */
static enum mog_err check_explicit(struct store *st, uint64_t fid)
{
    uint64_t max = INT64_MAX / 2;
    enum mog_err e = STORE_RUN(st, SQL_SCHEMA_COLUMN, sql_str("tempfile"), sql_str("fid"));
    if (e == MOG_OK && st->result.n_rows > 0 && store_backend(st) != STORE_SQLITE &&
        !span_starts(sql_span(&st->result, 0, 0), "bigint"))
        max = store_backend(st) == STORE_PGSQL ? INT32_MAX / 2 : UINT32_MAX / 2;
    if (e == MOG_OK && fid > max)
        e = store_fail(st, MOG_ERANGE, "the fid is too large to be chosen: %" PRIu64 " at most", max);
    return e;
}

enum mog_err store_file_open(struct store *st, const struct store_file_open *o, uint64_t *fid)
{
    *fid = 0;
    enum mog_err e = check_open(st, o);
    if (e != MOG_OK)
        return e;
    if (o->fid == 0) {
        uint64_t got = 0;
        e = allocate(st, o, &got);
        *fid = e == MOG_OK ? got : 0;
        return e;
    }
    e = store_check_fid(st, o->fid);
    if (e == MOG_OK && o->fid <= store_env_min_fid(st->env))
        e = store_fail(st, MOG_EEXISTS, "the fid is below those in use");
    if (e == MOG_OK)
        e = check_explicit(st, o->fid);
    struct store_file_open copy = *o;
    if (e == MOG_OK)
        e = store_transact(st, open_explicit, &copy);
    if (e == MOG_OK)
        *fid = o->fid;
    return e;
}

bool store_can_open_many(const struct store *st)
{
    return st->conn != NULL && st->conn->can_return;
}

enum mog_err store_file_open_many(struct store *st, const struct store_file_open *all, size_t n, uint64_t *fids)
{
    bool is_used[STORE_OPEN_MANY] = {false};
    enum mog_err e = store_open(st);
    assert(n <= STORE_OPEN_MANY);
    if (e == MOG_OK && !store_can_open_many(st))
        e = store_fail(st, MOG_EUNSUPPORTED, "not on this database");
    for (size_t i = 0; i < n; i++) {
        fids[i] = 0;
        if (e == MOG_OK)
            e = check_open(st, &all[i]);
    }
    for (size_t done = 0, part; e == MOG_OK && done < n; done += part) {
        size_t size = store_size_for(n - done);
        part = sql_size[size] > n - done ? sql_size[size - 1] : sql_size[size];
        e = insert_many(st, &all[done], part, &fids[done], &is_used[done]);
    }
    for (size_t i = 0; e == MOG_OK && i < n; i++) {
        if (is_used[i] || fids[i] <= store_env_min_fid(st->env)) {
            e = move_counter(st, fids[i]);
            fids[i] = 0;
        }
    }
    if (e != MOG_OK)
        memset(fids, 0, n * sizeof(*fids));
    return e;
}

/* ---- create_close ---- */

enum mog_err store_upload_read(struct store *st, uint64_t fid, uint32_t devid, uint32_t dmid, struct span key,
                               struct store_upload *out)
{
    *out = (struct store_upload){0};
    enum mog_err e = store_check_fid(st, fid);
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_UPLOAD_READ, sql_int(fid), sql_int(dmid), sql_name_of(key), sql_int(devid));
    if (e != MOG_OK)
        return e;
    const struct sql_result *r = &st->result;
    if (!sql_is_null(r, 0, 0)) {
        out->is_open = true;
        store_tempfile_cells(&out->temp, r, 0, 0);
    }
    if (!sql_is_null(r, 0, TEMPFILE_WIDTH)) {
        out->has_old = true;
        store_file_cells(&out->old, r, 0, TEMPFILE_WIDTH);
        out->old_on_device = !sql_is_null(r, 0, TEMPFILE_WIDTH + FILE_WIDTH);
        store_checksum_cells(&out->old_checksum, r, 0, TEMPFILE_WIDTH + FILE_WIDTH + 1);
    }
    return MOG_OK;
}

struct close_job {
    const struct store_file_close *c;
    uint64_t replaced;
};

/*
 * Insert the file row; `is_taken`: fid or key has one already. MySQL counts a duplicate as a match, and tells it by
 * the fid that it found.
 */
static enum mog_err insert_file(struct store *st, const struct store_file_close *c, bool *is_taken)
{
    enum mog_err e = STORE_RUN(st, SQL_FILE_INSERT, sql_int(c->fid), sql_int(c->dmid), sql_name_of(c->key),
                               sql_int(c->length), sql_int(c->classid));
    const struct sql_result *r = &st->result;
    *is_taken = e == MOG_OK && (store_backend(st) == STORE_MYSQL ? r->insert_id != 0 : r->affected == 0);
    return e;
}

/*
 * Remove what the key has now, and queue it for deletion. When the key has nothing, then either another file has the
 * upload's fid, or the key's file went away in between.
 */
static enum mog_err replace_old(struct store *st, struct close_job *j)
{
    const struct store_file_close *c = j->c;
    enum mog_err e = STORE_RUN(st, SQL_FILE_LOCK_KEY, sql_int(c->dmid), sql_name_of(c->key));
    if (e != MOG_OK)
        return e;
    uint64_t old = sql_u64(&st->result, 0, 0);
    if (st->result.n_rows == 0) {
        e = STORE_RUN(st, SQL_FILE_LOCK_FID, sql_int(c->fid));
        old = sql_u64(&st->result, 0, 0);
        if (e != MOG_OK || st->result.n_rows == 0)
            return e;
    }
    if (old == c->fid)
        return store_fail(st, MOG_EEXISTS, "a file has this fid");
    j->replaced = old;
    e = store_delete_add(st, &old, 1, 0);
    return e == MOG_OK ? STORE_RUN(st, SQL_FILE_DELETE, sql_int(old)) : e;
}

/*
 * A new key is inserted without looking first: locking a key that does not exist would lock the gap around it, and
 * uploads of neighbouring keys would deadlock. Others may put files under the key between our steps.
 */
static enum mog_err put_file(struct store *st, struct close_job *j)
{
    bool is_taken = j->c->old_fid != 0;
    enum mog_err e = MOG_OK;
    for (int i = 0; e == MOG_OK && i < PUT_TRIES; i++) {
        if (!is_taken)
            e = insert_file(st, j->c, &is_taken);
        if (e != MOG_OK || !is_taken)
            return e;
        e = replace_old(st, j);
        is_taken = false;
    }
    return e == MOG_OK ? store_fail(st, MOG_EDEADLOCK, "the key changes faster than it can be written") : e;
}

static enum mog_err take_tempfile(struct store *st, uint64_t fid)
{
    enum mog_err e = STORE_RUN(st, SQL_TEMPFILE_DELETE, sql_int(fid));
    if (e == MOG_OK && st->result.affected == 0)
        e = store_fail(st, MOG_ENOTFOUND, "no such upload");
    return e;
}

static enum mog_err close_upload(struct store *st, void *arg)
{
    struct close_job *j = arg;
    const struct store_file_close *c = j->c;
    j->replaced = 0;
    enum mog_err e = take_tempfile(st, c->fid);
    if (e == MOG_OK)
        e = put_file(st, j);
    if (e == MOG_OK)
        e = store_devfid_add_alive(st, c->fid, c->devid);
    if (e == MOG_OK && c->checksum != NULL)
        e = store_checksum_set(st, c->fid, c->checksum);
    if (e == MOG_OK)
        e = store_replicate_add(st, c->fid, 0, 0);
    return e;
}

enum mog_err store_file_close(struct store *st, const struct store_file_close *c, uint64_t *replaced)
{
    struct close_job j = {c, 0};
    if (replaced != NULL)
        *replaced = 0;
    enum mog_err e = store_check_name(st, "key", c->key, STORE_NAME_MAX);
    if (e == MOG_OK)
        e = store_check_fid(st, c->fid);
    if (e == MOG_OK && c->length > INT64_MAX)
        e = store_fail(st, MOG_ERANGE, "length is out of range");
    if (e == MOG_OK)
        e = store_transact(st, close_upload, &j);
    if (e == MOG_OK && replaced != NULL)
        *replaced = j.replaced;
    return e;
}

struct discard_job {
    uint64_t fid;
    uint32_t devid;
};

static enum mog_err discard_upload(struct store *st, void *arg)
{
    const struct discard_job *j = arg;
    enum mog_err e = take_tempfile(st, j->fid);
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_DEVFID_ADD, sql_int(j->fid), sql_int(j->devid));
    return e == MOG_OK ? store_delete_add(st, &j->fid, 1, 0) : e;
}

enum mog_err store_file_discard(struct store *st, uint64_t fid, uint32_t devid)
{
    struct discard_job j = {fid, devid};
    enum mog_err e = store_check_fid(st, fid);
    return e == MOG_OK ? store_transact(st, discard_upload, &j) : e;
}
