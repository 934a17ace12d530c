/* SPDX-License-Identifier: MIT */
/* Files that exist: finding, listing, changing and deleting them. */
#include "store/store_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/store_queue.h"
#include "store/store_run.h"

enum { CLASSID_MAX = 255, LIST_MAX = 1000 };

void store_found_free(struct store_found *found)
{
    store_file_fini(&found->file);
    store_devids_free(&found->devids);
    found->checksum = (struct store_checksum){0};
}

/* `by_key` and `by_fid`: the file alone, with locations, with checksum as well. */
static const enum sql_stmt by_key[] = {SQL_FILE_BY_KEY, SQL_FILE_BY_KEY_DEVIDS, SQL_FILE_BY_KEY_ALL};
static const enum sql_stmt by_fid[] = {SQL_FILE_BY_FID, SQL_FILE_BY_FID_DEVIDS, SQL_FILE_BY_FID_ALL};

static enum mog_err found_rows(struct store *st, unsigned flags, struct store_found *out)
{
    const struct sql_result *r = &st->result;
    if (r->n_rows == 0)
        return store_fail(st, MOG_ENOTFOUND, "no such file");
    store_file_cells(&out->file, r, 0, 0);
    if (flags & (STORE_READ_DEVIDS | STORE_READ_CHECKSUM))
        store_devids_cells(&out->devids, r, 6);
    if (flags & STORE_READ_CHECKSUM)
        store_checksum_cells(&out->checksum, r, 0, 7);
    return MOG_OK;
}

static size_t wanted(unsigned flags)
{
    return flags & STORE_READ_CHECKSUM ? 2 : flags & STORE_READ_DEVIDS ? 1 : 0;
}

enum mog_err store_file_find(struct store *st, uint32_t dmid, struct span key, unsigned flags, struct store_found *out)
{
    *out = (struct store_found){0};
    const struct sql_value args[] = {sql_int(dmid), sql_name_of(key)};
    enum sql_stmt id = by_key[wanted(flags)];
    enum mog_err e = MOG_ENOTFOUND;
    if (key.len > STORE_NAME_BYTES_MAX)
        return store_fail(st, MOG_ENOTFOUND, "no such file: the key is too long for one");
    if (flags & STORE_READ_SLAVE)
        e = store_slave_run(st, id, 0, args, 2);
    if (e != MOG_OK)
        e = store_run(st, id, args, 2);
    return e == MOG_OK ? found_rows(st, flags, out) : e;
}

/* ---- several keys at once ---- */

/* A statement for several keys, and where its columns are; 0: it has none such. */
struct many {
    enum sql_stmt id;
    size_t key, devid, checksum;
};
static const struct many many_devids = {SQL_FILE_OF_KEYS_DEVIDS, 1, 2, 0}; /* and of the file nothing but the fid */
static const struct many many_files = {SQL_FILE_OF_KEYS, 2, 0, 0};
static const struct many many_all = {SQL_FILE_OF_KEYS_ALL, 2, 6, 7};

static const struct many *many_for(unsigned flags)
{
    switch (flags & (STORE_READ_DEVIDS | STORE_READ_CHECKSUM | STORE_READ_FID)) {
    case STORE_READ_DEVIDS | STORE_READ_FID:
        return &many_devids;
    case STORE_READ_FID:
    case 0:
        return &many_files;
    default:
        return &many_all;
    }
}

/* Keys of one client are alike at their beginning. */
static bool is_key(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || (a.ptr[a.len - 1] == b.ptr[b.len - 1] && span_eq(a, b)));
}

static void take_file(const struct many *m, const struct sql_result *r, size_t row, struct store_found *out)
{
    if (m == &many_devids)
        out->file.fid = sql_u64(r, row, 0);
    else
        store_file_cells(&out->file, r, row, 0);
    if (m->checksum != 0)
        store_checksum_cells(&out->checksum, r, row, m->checksum);
}

static bool has_devid(const struct store_devids *l, uint32_t devid)
{
    size_t i = 0;
    while (i < l->n && l->rows[i] != devid)
        i++;
    return i < l->n;
}

/*
 * Give each row to those that asked for its key, which may be several. Rows of a file may stand apart, and be there
 * once for each that asked.
 */
static void share_out(const struct many *m, const struct sql_result *r, const struct span *keys, size_t n,
                      struct store_found *out)
{
    for (size_t row = 0; row < r->n_rows; row++) {
        struct span key = sql_span(r, row, m->key);
        for (size_t i = 0; i < n; i++) {
            if (!is_key(key, keys[i]))
                continue;
            if (out[i].file.fid == 0)
                take_file(m, r, row, &out[i]);
            if (m->devid != 0 && !has_devid(&out[i].devids, sql_u32(r, row, m->devid)))
                store_devids_add_cell(&out[i].devids, r, row, m->devid);
        }
    }
}

enum mog_err store_file_find_many(struct store *st, uint32_t dmid, const struct span *keys, size_t n, unsigned flags,
                                  struct store_found *out, bool *is_sure)
{
    struct sql_value args[1 + STORE_FIND_MANY] = {sql_int(dmid)};
    size_t n_args = 1;
    const struct many *m = many_for(flags);
    enum mog_err e = MOG_ENOTFOUND;
    assert(n <= STORE_FIND_MANY);
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct store_found){0};
        if (keys[i].len <= STORE_NAME_BYTES_MAX)
            args[n_args++] = sql_name_of(keys[i]);
    }
    *is_sure = false;
    if (n_args == 1)
        return MOG_OK;
    size_t size = store_size_for(n_args - 1);
    for (; n_args < 1 + sql_size[size]; n_args++)
        args[n_args] = args[1];
    if (flags & STORE_READ_SLAVE)
        e = store_slave_run(st, m->id, size, args, n_args);
    if (e != MOG_OK)
        e = store_run_sized(st, m->id, size, args, n_args);
    if (e != MOG_OK)
        return e;
    share_out(m, &st->result, keys, n, out);
    *is_sure = store_backend(st) != STORE_MYSQL || (st->conn != NULL && st->conn->names_are_bytes);
    return MOG_OK;
}

/* ---- by fid ---- */

enum mog_err store_file_get(struct store *st, uint64_t fid, unsigned flags, struct store_found *out)
{
    *out = (struct store_found){0};
    if (fid == 0 || fid > INT64_MAX)
        return store_fail(st, MOG_ENOTFOUND, "no such file");
    enum mog_err e = STORE_RUN(st, by_fid[wanted(flags)], sql_int(fid));
    return e == MOG_OK ? found_rows(st, flags, out) : e;
}

enum mog_err store_file_get_locked(struct store *st, uint64_t fid, unsigned wait_s, unsigned flags,
                                   struct store_found *out)
{
    *out = (struct store_found){0};
    struct sql_value arg = sql_int(fid);
    enum mog_err e = store_check_fid(st, fid);
    if (e == MOG_OK)
        e = store_lock_fid_run(st, fid, wait_s, by_fid[wanted(flags)], &arg, 1);
    return e == MOG_OK ? found_rows(st, flags, out) : e;
}

/* ---- changing ---- */

struct file_job {
    uint64_t fid;
    uint32_t dmid, classid;
    struct span key;
};

static enum mog_err delete_keyed(struct store *st, void *arg)
{
    const struct file_job *j = arg;
    /* The queue first: the row that says where the copies are must never be the only trace of them. */
    enum mog_err e = store_delete_add(st, &j->fid, 1, 0);
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_FILE_DELETE_KEYED, sql_int(j->fid), sql_int(j->dmid), sql_name_of(j->key));
    if (e == MOG_OK && st->result.affected == 0)
        e = store_fail(st, MOG_ENOTFOUND, "no such file");
    return e;
}

enum mog_err store_file_delete(struct store *st, uint32_t dmid, struct span key, uint64_t *fid)
{
    struct file_job j = {.dmid = dmid, .key = key};
    enum mog_err e = MOG_ENOTFOUND;
    if (fid != NULL)
        *fid = 0;
    if (key.len > STORE_NAME_BYTES_MAX)
        return store_fail(st, MOG_ENOTFOUND, "no such file: the key is too long for one");
    /* The key may get another fid between the two steps: look again then. */
    for (int i = 0; e == MOG_ENOTFOUND && i < STORE_TRIES; i++) {
        e = STORE_RUN(st, SQL_FILE_FID_OF_KEY, sql_int(dmid), sql_name_of(key));
        if (e != MOG_OK)
            return e;
        if (st->result.n_rows == 0)
            return store_fail(st, MOG_ENOTFOUND, "no such file");
        j.fid = sql_u64(&st->result, 0, 0);
        e = store_transact(st, delete_keyed, &j);
    }
    if (e == MOG_OK && fid != NULL)
        *fid = j.fid;
    return e;
}

static enum mog_err delete_fid(struct store *st, void *arg)
{
    const struct file_job *j = arg;
    enum mog_err e = store_delete_add(st, &j->fid, 1, 0);
    return e == MOG_OK ? STORE_RUN(st, SQL_FILE_DELETE, sql_int(j->fid)) : e;
}

enum mog_err store_file_delete_fid(struct store *st, uint64_t fid)
{
    struct file_job j = {.fid = fid};
    enum mog_err e = store_check_fid(st, fid);
    return e == MOG_OK ? store_transact(st, delete_fid, &j) : e;
}

enum mog_err store_file_rename(struct store *st, uint32_t dmid, struct span from, struct span to)
{
    enum mog_err e = store_check_name(st, "key", to, STORE_NAME_MAX);
    if (e == MOG_OK && from.len > STORE_NAME_BYTES_MAX)
        e = store_fail(st, MOG_ENOTFOUND, "no such file: the key is too long for one");
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_FILE_RENAME, sql_name_of(to), sql_int(dmid), sql_name_of(from));
    if (e == MOG_OK && st->result.affected == 0)
        e = store_fail(st, MOG_ENOTFOUND, "no such file");
    return e;
}

static enum mog_err set_class(struct store *st, void *arg)
{
    const struct file_job *j = arg;
    enum mog_err e = STORE_RUN(st, SQL_FILE_SET_CLASS, sql_int(j->classid), sql_int(j->fid));
    if (e == MOG_OK && st->result.affected == 0)
        return store_fail(st, MOG_ENOTFOUND, "no such file");
    return e == MOG_OK ? store_replicate_add(st, j->fid, 0, 0) : e;
}

enum mog_err store_file_set_class(struct store *st, uint64_t fid, uint32_t classid)
{
    struct file_job j = {.fid = fid, .classid = classid};
    if (classid > CLASSID_MAX)
        return store_fail(st, MOG_ERANGE, "class id %u is out of range", (unsigned)classid);
    return store_transact(st, set_class, &j);
}

static enum mog_err recount_locked(struct store *st, void *arg)
{
    const struct file_job *j = arg;
    enum mog_err e = STORE_RUN(st, SQL_FILE_LOCK_FID, sql_int(j->fid));
    return e == MOG_OK ? STORE_RUN(st, SQL_FILE_RECOUNT, sql_int(j->fid), sql_int(j->fid)) : e;
}

enum mog_err store_file_recount(struct store *st, uint64_t fid)
{
    struct file_job j = {.fid = fid};
    /* PostgreSQL reads committed rows: its count could be older than the lock on the row, unless that is taken first.
     */
    if (store_backend(st) == STORE_PGSQL)
        return store_transact(st, recount_locked, &j);
    return STORE_RUN(st, SQL_FILE_RECOUNT, sql_int(fid), sql_int(fid));
}

/* ---- lists ---- */

static void file_rows(struct store *st, struct store_files *out)
{
    const struct sql_result *r = &st->result;
    out->rows = mem_realloc(out->rows, out->n + r->n_rows + 1, sizeof out->rows[0]);
    memset(out->rows + out->n, 0, (r->n_rows + 1) * sizeof out->rows[0]);
    for (size_t i = 0; i < r->n_rows; i++) {
        uint64_t fid = sql_u64(r, i, 0);
        if (out->n > 0 && out->rows[out->n - 1].fid == fid)
            continue; /* asked for twice */
        store_file_cells(&out->rows[out->n++], r, i, 0);
    }
}

/* The least byte string above all that begin with `prefix`; false when there is none. */
static bool successor(struct span prefix, char *out, size_t *len)
{
    size_t n = prefix.len;
    while (n > 0 && (unsigned char)prefix.ptr[n - 1] == 0xff)
        n--;
    if (n == 0)
        return false;
    memcpy(out, prefix.ptr, n);
    out[n - 1] = (char)((unsigned char)out[n - 1] + 1);
    *len = n;
    return true;
}

static enum mog_err keys_bytewise(struct store *st, const struct store_list_keys *l, unsigned limit)
{
    char below[STORE_NAME_BYTES_MAX];
    size_t len;
    if (successor(l->prefix, below, &len))
        return STORE_RUN(st, SQL_FILE_KEYS_RANGE, sql_int(l->dmid), sql_name_of(l->prefix), sql_name_of(l->after),
                         sql_name_of(span_make(below, len)), sql_int(limit));
    return STORE_RUN(st, SQL_FILE_KEYS_FROM, sql_int(l->dmid), sql_name_of(l->prefix), sql_name_of(l->after),
                     sql_int(limit));
}

static enum mog_err keys_as_text(struct store *st, const struct store_list_keys *l, unsigned limit)
{
    struct buf pattern = BUF_ZERO;
    for (size_t i = 0; i < l->prefix.len; i++) {
        if (strchr("%_!", l->prefix.ptr[i]) != NULL && l->prefix.ptr[i] != '\0')
            buf_char(&pattern, '!');
        buf_char(&pattern, l->prefix.ptr[i]);
    }
    buf_char(&pattern, '%');
    struct sql_value like = sql_name_of(buf_as_span(&pattern));
    enum mog_err e;
    if (l->case_sensitive && st->driver->texts[SQL_FILE_KEYS_LIKE_CASE] != NULL)
        e = STORE_RUN(st, SQL_FILE_KEYS_LIKE_CASE, sql_int(l->dmid), like, like, sql_name_of(l->after), sql_int(limit));
    else
        e = STORE_RUN(st, SQL_FILE_KEYS_LIKE, sql_int(l->dmid), like, sql_name_of(l->after), sql_int(limit));
    buf_fini(&pattern);
    return e;
}

enum mog_err store_file_list_keys(struct store *st, const struct store_list_keys *l, struct store_keys *out)
{
    *out = (struct store_keys){NULL, NULL, 0};
    unsigned limit = l->limit < 1 || l->limit > LIST_MAX ? LIST_MAX : l->limit;
    bool bytes;
    enum mog_err e = store_keys_are_bytes(st, &bytes);
    if (e != MOG_OK)
        return e;
    if (l->prefix.len > STORE_NAME_BYTES_MAX)
        return MOG_OK; /* no key is that long */
    /* SQLite compares all text as bytes; only LIKE folds case. */
    if (bytes || (l->case_sensitive && store_backend(st) == STORE_SQLITE))
        e = keys_bytewise(st, l, limit);
    else
        e = keys_as_text(st, l, limit);
    if (e != MOG_OK)
        return e;
    store_keys_cells(out, &st->result);
    return MOG_OK;
}

enum mog_err store_file_list_fids(struct store *st, uint64_t from, unsigned limit, struct store_files *out)
{
    *out = (struct store_files){NULL, 0};
    if (from > INT64_MAX)
        return MOG_OK;
    enum mog_err e = STORE_RUN(st, SQL_FILE_LIST, sql_int(from), sql_int(limit));
    if (e == MOG_OK)
        file_rows(st, out);
    return e;
}

enum mog_err store_file_fids_between(struct store *st, uint64_t low, uint64_t high, unsigned limit,
                                     struct store_fids *out)
{
    *out = (struct store_fids){NULL, 0};
    if (low >= high || low > INT64_MAX)
        return MOG_OK;
    uint64_t end = high < INT64_MAX ? high : INT64_MAX;
    enum mog_err e = STORE_RUN(st, SQL_FILE_FIDS_BETWEEN, sql_int(low), sql_int(end), sql_int(limit));
    if (e == MOG_OK)
        store_fids_cells(out, &st->result);
    return e;
}

static void add_files(struct store *st, void *arg)
{
    file_rows(st, arg);
}

static int compare_files(const void *a, const void *b)
{
    uint64_t x = ((const struct store_file *)a)->fid, y = ((const struct store_file *)b)->fid;
    return (x > y) - (x < y);
}

enum mog_err store_file_get_many(struct store *st, const uint64_t *fids, size_t n, struct store_files *out)
{
    *out = (struct store_files){NULL, 0};
    struct store_bulk b = {.id = SQL_FILE_FIDS, .each = add_files, .arg = out};
    enum mog_err e = store_run_fids(st, &b, fids, n, NULL);
    if (e != MOG_OK)
        store_files_free(out);
    else if (out->n > 0)
        qsort(out->rows, out->n, sizeof out->rows[0], compare_files);
    return e;
}

enum mog_err store_file_max_fid(struct store *st, uint64_t *fid)
{
    enum mog_err e = STORE_RUN0(st, SQL_FILE_MAX_FID);
    *fid = e == MOG_OK ? sql_u64(&st->result, 0, 0) : 0;
    return e;
}

enum mog_err store_file_max_known_fid(struct store *st, uint64_t *fid)
{
    enum mog_err e = STORE_RUN0(st, SQL_FILE_MAX_KNOWN_FID);
    *fid = e == MOG_OK ? sql_u64(&st->result, 0, 0) : 0;
    return e;
}
