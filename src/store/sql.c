/* SPDX-License-Identifier: MIT */
/* What all drivers share: the tables of ids, the braces of statement texts, results in memory. */
#include "store/sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/num.h"
#include "common/urlenc.h"

const enum sql_kind sql_kind[SQL_STMTS] = {
#define X(id, kind, purpose) [SQL_##id] = SQL_KIND_##kind,
#include "store/sql_stmt.def"
#undef X
};

const char *const sql_name[SQL_STMTS] = {
#define X(id, kind, purpose) [SQL_##id] = #id,
#include "store/sql_stmt.def"
#undef X
};

const size_t sql_size[SQL_SIZES] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 100};

const struct sql_driver *sql_driver_of(enum store_backend b)
{
    switch (b) {
    case STORE_SQLITE:
        return &sql_driver_sqlite;
    case STORE_MYSQL:
        return &sql_driver_mysql;
    case STORE_PGSQL:
        return &sql_driver_pgsql;
    }
    return NULL;
}

static void expand_part(struct buf *out, struct span part, bool dollar, unsigned *n)
{
    for (size_t i = 0; i < part.len; i++) {
        if (part.ptr[i] == '?' && dollar)
            buf_printf(out, "$%u", ++*n);
        else
            buf_char(out, part.ptr[i]);
    }
}

void sql_expand(struct buf *out, const char *text, size_t rows, bool dollar)
{
    unsigned n = 0;
    const char *open = strchr(text, '{');
    const char *close = open == NULL ? NULL : strchr(open, '}');
    if (close == NULL) {
        expand_part(out, span_of(text), dollar, &n);
        return;
    }
    expand_part(out, span_make(text, (size_t)(open - text)), dollar, &n);
    for (size_t i = 0; i < rows; i++) {
        if (i > 0)
            buf_str(out, ", ");
        expand_part(out, span_make(open + 1, (size_t)(close - open - 1)), dollar, &n);
    }
    expand_part(out, span_of(close + 1), dollar, &n);
}

static bool is_plain(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char ch = text.ptr[i];
        bool is_word = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        if (!is_word && memchr(":_.-", ch, 4) == NULL)
            return false;
    }
    return true;
}

static bool inline_value(struct buf *out, const struct sql_value *v)
{
    switch (v->kind) {
    case SQL_NULL:
        buf_str(out, "NULL");
        return true;
    case SQL_INT:
        buf_printf(out, "%" PRId64, v->i);
        return true;
    case SQL_BLOB:
        buf_str(out, "x'");
        urlenc_hex(out, v->text.ptr, v->text.len);
        buf_char(out, '\'');
        return true;
    case SQL_TEXT:
        if (!is_plain(v->text))
            return false;
        buf_printf(out, "'%.*s'", (int)v->text.len, v->text.ptr);
        return true;
    case SQL_NAME:
        break;
    }
    return false;
}

bool sql_inline(struct buf *out, const char *text, size_t rows, const struct sql_value *args, size_t n_args)
{
    struct buf expanded = BUF_ZERO;
    size_t n = 0;
    bool ok = true;
    sql_expand(&expanded, text, rows, false);
    for (size_t i = 0; ok && i < expanded.len; i++) {
        if (expanded.data[i] != '?')
            buf_char(out, expanded.data[i]);
        else
            ok = n < n_args && inline_value(out, &args[n++]);
    }
    buf_fini(&expanded);
    return ok && n == n_args;
}

void sql_result_reset(struct sql_result *r)
{
    r->n_cols = r->n_rows = r->n_cells = 0;
    r->affected = r->insert_id = 0;
    buf_reset(&r->bytes);
}

void sql_result_free(struct sql_result *r)
{
    free(r->cells);
    buf_fini(&r->bytes);
    *r = (struct sql_result){0};
}

static struct sql_value *result_cell(struct sql_result *r)
{
    if (r->n_cells == r->cap_cells)
        r->cells = mem_grow(r->cells, r->n_cells, &r->cap_cells, sizeof r->cells[0]);
    struct sql_value *v = &r->cells[r->n_cells++];
    *v = (struct sql_value){.kind = SQL_NULL};
    return v;
}

void sql_result_add_int(struct sql_result *r, int64_t i)
{
    struct sql_value *v = result_cell(r);
    v->kind = SQL_INT;
    v->i = i;
}

void sql_result_add_bytes(struct sql_result *r, const void *data, size_t len)
{
    struct sql_value *v = result_cell(r);
    v->kind = SQL_TEXT;
    v->i = (int64_t)r->bytes.len;
    v->text.len = len;
    buf_append(&r->bytes, data, len);
    buf_char(&r->bytes, '\0');
}

void sql_result_add_null(struct sql_result *r)
{
    (void)result_cell(r);
}

void sql_result_finish(struct sql_result *r, size_t n_cols)
{
    r->n_cols = n_cols;
    r->n_rows = n_cols == 0 ? 0 : r->n_cells / n_cols;
    for (size_t i = 0; i < r->n_cells; i++)
        if (r->cells[i].kind == SQL_TEXT)
            r->cells[i].text.ptr = r->bytes.data + r->cells[i].i;
}

const struct sql_value *sql_cell(const struct sql_result *r, size_t row, size_t col)
{
    static const struct sql_value null = {.kind = SQL_NULL};
    return row < r->n_rows && col < r->n_cols ? &r->cells[row * r->n_cols + col] : &null;
}

bool sql_is_null(const struct sql_result *r, size_t row, size_t col)
{
    return sql_cell(r, row, col)->kind == SQL_NULL;
}

int64_t sql_i64(const struct sql_result *r, size_t row, size_t col)
{
    const struct sql_value *v = sql_cell(r, row, col);
    if (v->kind == SQL_INT)
        return v->i;
    return v->kind == SQL_NULL ? 0 : num_perl_int(v->text);
}

uint64_t sql_u64(const struct sql_result *r, size_t row, size_t col)
{
    int64_t i = sql_i64(r, row, col);
    return i < 0 ? 0 : (uint64_t)i;
}

uint32_t sql_u32(const struct sql_result *r, size_t row, size_t col)
{
    uint64_t u = sql_u64(r, row, col);
    return u > UINT32_MAX ? UINT32_MAX : (uint32_t)u;
}

struct span sql_span(const struct sql_result *r, size_t row, size_t col)
{
    const struct sql_value *v = sql_cell(r, row, col);
    return v->kind == SQL_NULL || v->kind == SQL_INT ? (struct span){NULL, 0} : v->text;
}
