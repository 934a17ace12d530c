/* SPDX-License-Identifier: MIT */
/* Counts over whole tables. */
#include "store/store_stats.h"

#include <stdlib.h>

#include "common/mem.h"
#include "store/store_run.h"

static const struct {
    enum sql_stmt id;
    size_t n_keys;
    bool has_bytes;
} stat_kinds[] = {
    [STORE_STAT_DEVICES] = {SQL_STAT_DEVICES, 1, false},
    [STORE_STAT_FILES] = {SQL_STAT_FILES, 2, true},
    [STORE_STAT_DOMAINS] = {SQL_STAT_DOMAINS, 2, false},
    [STORE_STAT_REPLICATION] = {SQL_STAT_REPLICATION, 3, false},
    [STORE_STAT_REPLICATE_QUEUE] = {SQL_STAT_REPLICATE_QUEUE, 1, false},
    [STORE_STAT_DELETE_QUEUE] = {SQL_STAT_DELETE_QUEUE, 1, false},
    [STORE_STAT_GENERAL_QUEUES] = {SQL_STAT_GENERAL_QUEUES, 2, false},
};

void store_stats_free(struct store_stats *s)
{
    free(s->rows);
    *s = (struct store_stats){NULL, 0};
}

enum mog_err store_stats_read(struct store *st, enum store_stat_kind kind, struct store_stats *out)
{
    *out = (struct store_stats){NULL, 0};
    enum mog_err e = STORE_RUN0(st, stat_kinds[kind].id);
    if (e != MOG_OK)
        return e;
    const struct sql_result *r = &st->result;
    size_t n_keys = stat_kinds[kind].n_keys;
    out->rows = mem_calloc(r->n_rows + 1, sizeof out->rows[0]);
    out->n = r->n_rows;
    for (size_t i = 0; i < r->n_rows; i++) {
        for (size_t k = 0; k < n_keys; k++)
            out->rows[i].key[k] = sql_u64(r, i, k);
        out->rows[i].count = sql_u64(r, i, n_keys);
        if (stat_kinds[kind].has_bytes) {
            out->rows[i].bytes = sql_u64(r, i, n_keys + 1);
            out->rows[i].bytes_full = sql_u64(r, i, n_keys + 2);
        }
    }
    return MOG_OK;
}
