/* SPDX-License-Identifier: MIT */
/* The log of the check and its sums. */
#include "store/store_fsck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/store_file.h"
#include "store/store_lock.h"
#include "store/store_run.h"
#include "store/store_topology.h"

#define SUM_PREFIX "fsck_sum_evcount_"
#define PROCESSED  "fsck_logid_processed"

enum { EVCODE_LEN = 4, SUM_LOCK_WAIT_S = 10 };

enum mog_err store_fsck_log(struct store *st, const char *evcode, uint64_t fid, uint32_t devid)
{
    if (strlen(evcode) != EVCODE_LEN)
        return store_fail(st, MOG_EINVAL, "event codes have four letters");
    return STORE_RUN(st, SQL_FSCK_LOG, sql_int(fid), sql_str(evcode), sql_int_or_null(devid));
}

enum mog_err store_fsck_events(struct store *st, uint64_t after, unsigned limit, struct store_fsck_events *out)
{
    *out = (struct store_fsck_events){NULL, 0};
    const uint64_t most = store_backend(st) == STORE_PGSQL ? INT32_MAX : INT64_MAX; /* of the column */
    enum mog_err e = STORE_RUN(st, SQL_FSCK_EVENTS, sql_int(after < most ? after : most), sql_int(limit));
    if (e != MOG_OK)
        return e;
    const struct sql_result *r = &st->result;
    out->rows = mem_calloc(r->n_rows + 1, sizeof out->rows[0]);
    out->n = r->n_rows;
    for (size_t i = 0; i < r->n_rows; i++) {
        struct store_fsck_event *v = &out->rows[i];
        v->logid = sql_u64(r, i, 0);
        v->utime = sql_i64(r, i, 1);
        v->has_fid = !sql_is_null(r, i, 2);
        v->fid = sql_u64(r, i, 2);
        v->has_evcode = !sql_is_null(r, i, 3);
        store_word_cell(v->evcode, sizeof v->evcode, r, i, 3);
        v->has_devid = !sql_is_null(r, i, 4);
        v->devid = sql_u32(r, i, 4);
    }
    return MOG_OK;
}

enum mog_err store_fsck_max_logid(struct store *st, uint64_t *logid)
{
    enum mog_err e = STORE_RUN0(st, SQL_FSCK_MAX_LOGID);
    *logid = e == MOG_OK ? sql_u64(&st->result, 0, 0) : 0;
    return e;
}

enum mog_err store_fsck_clear(struct store *st)
{
    return STORE_RUN0(st, SQL_FSCK_CLEAR);
}

/* What a run of the summary found; the codes are copied since each setting is a statement of its own. */
struct sum {
    uint64_t n[64];
    char code[64][8];
    size_t n_codes;
};

static enum mog_err read_sum(struct store *st, uint64_t after, uint64_t up_to, struct sum *s)
{
    enum mog_err e = STORE_RUN(st, SQL_FSCK_COUNTS, sql_int(after), sql_int(up_to));
    s->n_codes = 0;
    for (size_t i = 0; e == MOG_OK && i < st->result.n_rows && s->n_codes < 64; i++) {
        if (sql_is_null(&st->result, i, 0))
            continue;
        store_word_cell(s->code[s->n_codes], sizeof s->code[0], &st->result, i, 0);
        s->n[s->n_codes++] = sql_u64(&st->result, i, 1);
    }
    return e;
}

static enum mog_err summarize(struct store *st, void *arg)
{
    uint64_t newest;
    int64_t processed;
    struct sum *s = arg;
    enum mog_err e = store_fsck_max_logid(st, &newest);
    if (e == MOG_OK)
        e = store_setting_get_int(st, PROCESSED, 0, &processed);
    if (e != MOG_OK || newest == (uint64_t)processed)
        return e;
    /* A cleared log starts again below the mark. */
    uint64_t after = processed < 0 || (uint64_t)processed > newest ? 0 : (uint64_t)processed;
    e = read_sum(st, after, newest, s);
    for (size_t i = 0; e == MOG_OK && i < s->n_codes; i++) {
        char field[sizeof SUM_PREFIX + 8];
        snprintf(field, sizeof field, SUM_PREFIX "%s", s->code[i]);
        e = store_setting_add(st, field, (int64_t)s->n[i]);
    }
    return e == MOG_OK ? store_setting_set_int(st, PROCESSED, (int64_t)newest) : e;
}

enum mog_err store_fsck_summarize(struct store *st)
{
    struct sum s;
    enum mog_err e = store_lock(st, "mgfs:fscksum", SUM_LOCK_WAIT_S);
    if (e != MOG_OK)
        return e == MOG_ELOCKED ? MOG_OK : e;
    e = store_transact(st, summarize, &s);
    struct mog_fail why = st->fail;
    store_unlock(st);
    st->fail = why;
    return e;
}

static enum mog_err reset(struct store *st, void *arg)
{
    (void)arg;
    uint64_t last_fid, logid = 0;
    enum mog_err e = store_file_max_fid(st, &last_fid);
    if (e == MOG_OK)
        e = store_fsck_max_logid(st, &logid);
    if (e == MOG_OK)
        e = store_setting_delete(st, "fsck_start_time");
    if (e == MOG_OK)
        e = store_setting_delete(st, "fsck_stop_time");
    if (e == MOG_OK)
        e = store_setting_set_int(st, "fsck_fids_checked", 0);
    if (e == MOG_OK)
        e = last_fid == 0 ? store_setting_delete(st, "fsck_fid_at_end")
                          : store_setting_set_int(st, "fsck_fid_at_end", (int64_t)last_fid);
    if (e == MOG_OK)
        e = store_setting_delete_prefix(st, SUM_PREFIX);
    if (e == MOG_OK)
        e = store_setting_set_int(st, "fsck_start_maxlogid", (int64_t)logid);
    return e == MOG_OK ? store_setting_set_int(st, PROCESSED, (int64_t)logid) : e;
}

enum mog_err store_fsck_reset(struct store *st)
{
    return store_transact(st, reset, NULL);
}
