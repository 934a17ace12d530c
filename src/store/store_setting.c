/* SPDX-License-Identifier: MIT */
/* Cluster-wide settings. */
#include "store/store_topology.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "common/num.h"
#include "store/store_run.h"

enum mog_err store_setting_get(struct store *st, const char *field, struct store_bytes *value)
{
    *value = (struct store_bytes){NULL, 0};
    enum mog_err e = STORE_RUN(st, SQL_SETTING_GET, sql_str(field));
    if (e != MOG_OK && e != MOG_EINVAL)
        return e;
    if (e == MOG_EINVAL || st->result.n_rows == 0) /* the bytes can be no text of that database, so no name either */
        return store_fail(st, MOG_ENOTFOUND, "no setting %s", field);
    *value = store_bytes_cell(&st->result, 0, 0);
    return MOG_OK;
}

enum mog_err store_setting_get_int(struct store *st, const char *field, int64_t fallback, int64_t *value)
{
    *value = fallback;
    enum mog_err e = STORE_RUN(st, SQL_SETTING_GET, sql_str(field));
    if (e == MOG_OK && st->result.n_rows > 0)
        *value = sql_i64(&st->result, 0, 0);
    return e;
}

enum mog_err store_setting_set(struct store *st, const char *field, struct span value)
{
    enum mog_err e = store_check_len(st, "the name of a setting", strlen(field), STORE_FIELD_MAX);
    if (e == MOG_OK)
        e = store_check_len(st, field, value.len, STORE_VALUE_MAX);
    return e == MOG_OK ? STORE_RUN(st, SQL_SETTING_SET, sql_str(field), sql_text(value)) : e;
}

enum mog_err store_setting_set_int(struct store *st, const char *field, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return store_setting_set(st, field, span_of(text));
}

enum mog_err store_setting_delete(struct store *st, const char *field)
{
    return STORE_RUN(st, SQL_SETTING_DELETE, sql_str(field));
}

enum mog_err store_setting_delete_if(struct store *st, const char *field, struct span value)
{
    enum mog_err e = STORE_RUN(st, SQL_SETTING_DELETE_IF, sql_str(field), sql_text(value));
    if (e == MOG_OK && st->result.affected == 0)
        e = store_fail(st, MOG_ENOTFOUND, "no setting %s with the expected value", field);
    return e;
}

enum mog_err store_setting_delete_prefix(struct store *st, const char *prefix)
{
    return STORE_RUN(st, SQL_SETTING_DELETE_PREFIX, sql_int(strlen(prefix)), sql_str(prefix));
}

enum mog_err store_setting_add(struct store *st, const char *field, int64_t by)
{
    char text[24];
    if (by == 0)
        return MOG_OK;
    snprintf(text, sizeof text, "%" PRId64, by);
    return STORE_RUN(st, SQL_SETTING_ADD, sql_str(field), sql_str(text));
}

enum mog_err store_setting_list(struct store *st, struct store_settings *out)
{
    *out = (struct store_settings){NULL, 0};
    enum mog_err e = STORE_RUN0(st, SQL_SETTING_LIST);
    if (e != MOG_OK)
        return e;
    const struct sql_result *r = &st->result;
    out->rows = mem_calloc(r->n_rows + 1, sizeof out->rows[0]);
    out->n = r->n_rows;
    for (size_t i = 0; i < r->n_rows; i++) {
        out->rows[i].field = store_bytes_cell(r, i, 0);
        out->rows[i].value = store_bytes_cell(r, i, 1);
    }
    return MOG_OK;
}
