/* SPDX-License-Identifier: MIT */
/* Rows out of results, and freeing what they own. */
#include "store/store_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/store_run.h"

enum { FEW = 4 }; /* a power of two */

struct span store_bytes_span(const struct store_bytes *b)
{
    return span_make(b->ptr, b->len);
}

void store_bytes_free(struct store_bytes *b)
{
    free(b->ptr);
    *b = (struct store_bytes){NULL, 0};
}

void store_file_fini(struct store_file *row)
{
    store_bytes_free(&row->key);
    *row = (struct store_file){0};
}

void store_tempfile_fini(struct store_tempfile *row)
{
    store_bytes_free(&row->key);
    store_bytes_free(&row->devids);
    *row = (struct store_tempfile){0};
}

void store_queue_row_fini(struct store_queue_row *row)
{
    store_bytes_free(&row->arg);
    *row = (struct store_queue_row){0};
}

void store_domains_free(struct store_domains *l)
{
    for (size_t i = 0; i < l->n; i++)
        store_bytes_free(&l->rows[i].name);
    free(l->rows);
    *l = (struct store_domains){NULL, 0};
}

void store_classes_free(struct store_classes *l)
{
    for (size_t i = 0; i < l->n; i++) {
        store_bytes_free(&l->rows[i].name);
        free(l->rows[i].replpolicy);
    }
    free(l->rows);
    *l = (struct store_classes){NULL, 0};
}

void store_hosts_free(struct store_hosts *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->rows[i].hostname);
        free(l->rows[i].hostip);
        free(l->rows[i].altip);
        free(l->rows[i].altmask);
    }
    free(l->rows);
    *l = (struct store_hosts){NULL, 0};
}

void store_devices_free(struct store_devices *l)
{
    free(l->rows);
    *l = (struct store_devices){NULL, 0};
}

void store_settings_free(struct store_settings *l)
{
    for (size_t i = 0; i < l->n; i++) {
        store_bytes_free(&l->rows[i].field);
        store_bytes_free(&l->rows[i].value);
    }
    free(l->rows);
    *l = (struct store_settings){NULL, 0};
}

void store_files_free(struct store_files *l)
{
    for (size_t i = 0; i < l->n; i++)
        store_file_fini(&l->rows[i]);
    free(l->rows);
    *l = (struct store_files){NULL, 0};
}

void store_keys_free(struct store_keys *l)
{
    free(l->rows);
    free(l->bytes);
    *l = (struct store_keys){NULL, NULL, 0};
}

void store_fids_free(struct store_fids *l)
{
    free(l->rows);
    *l = (struct store_fids){NULL, 0};
}

void store_devids_free(struct store_devids *l)
{
    free(l->rows);
    *l = (struct store_devids){NULL, 0};
}

void store_devfids_free(struct store_devfids *l)
{
    free(l->rows);
    *l = (struct store_devfids){NULL, 0};
}

void store_queue_rows_free(struct store_queue_rows *l)
{
    for (size_t i = 0; i < l->n; i++)
        store_queue_row_fini(&l->rows[i]);
    free(l->rows);
    *l = (struct store_queue_rows){NULL, 0};
}

void store_fsck_events_free(struct store_fsck_events *l)
{
    free(l->rows);
    *l = (struct store_fsck_events){NULL, 0};
}

enum { NUMBER_MAX = 24 };

/* A cell as text, which `room` may hold: SQLite keeps a number as one in some columns. */
static struct span cell_text(const struct sql_value *v, char room[NUMBER_MAX])
{
    if (v->kind == SQL_NULL)
        return span_make(NULL, 0);
    if (v->kind == SQL_INT)
        return span_make(room, (size_t)snprintf(room, NUMBER_MAX, "%lld", (long long)v->i));
    return v->text;
}

struct store_bytes store_bytes_cell(const struct sql_result *r, size_t row, size_t col)
{
    char room[NUMBER_MAX];
    const struct sql_value *v = sql_cell(r, row, col);
    if (v->kind == SQL_NULL)
        return (struct store_bytes){NULL, 0};
    struct span text = cell_text(v, room);
    return (struct store_bytes){mem_strndup(text.ptr, text.len), text.len};
}

char *store_str_cell(const struct sql_result *r, size_t row, size_t col)
{
    return store_bytes_cell(r, row, col).ptr;
}

void store_word_cell(char *out, size_t size, const struct sql_result *r, size_t row, size_t col)
{
    struct span s = sql_span(r, row, col);
    size_t n = s.len < size - 1 ? s.len : size - 1;
    if (n > 0)
        memcpy(out, s.ptr, n);
    out[n] = '\0';
}

void store_file_cells(struct store_file *f, const struct sql_result *r, size_t row, size_t col)
{
    f->fid = sql_u64(r, row, col);
    f->dmid = sql_u32(r, row, col + 1);
    f->key = store_bytes_cell(r, row, col + 2);
    f->length = sql_u64(r, row, col + 3);
    f->classid = sql_u32(r, row, col + 4);
    f->devcount = sql_u32(r, row, col + 5);
}

void store_tempfile_cells(struct store_tempfile *t, const struct sql_result *r, size_t row, size_t col)
{
    t->fid = sql_u64(r, row, col);
    t->dmid = sql_u32(r, row, col + 1);
    t->classid = sql_u32(r, row, col + 2);
    t->createtime = sql_i64(r, row, col + 3);
    t->key = store_bytes_cell(r, row, col + 4);
    t->devids = store_bytes_cell(r, row, col + 5);
}

void store_checksum_cells(struct store_checksum *c, const struct sql_result *r, size_t row, size_t col)
{
    *c = (struct store_checksum){0};
    struct span bytes = sql_span(r, row, col + 1);
    if (sql_is_null(r, row, col))
        return;
    c->hashtype = sql_u32(r, row, col);
    c->len = bytes.len < sizeof c->bytes ? bytes.len : sizeof c->bytes;
    if (c->len > 0)
        memcpy(c->bytes, bytes.ptr, c->len);
}

/* There may be a thousand: one piece of memory for all. */
void store_keys_cells(struct store_keys *l, const struct sql_result *r)
{
    struct buf b = BUF_ZERO;
    l->rows = mem_calloc(r->n_rows + 1, sizeof l->rows[0]);
    l->n = r->n_rows;
    for (size_t i = 0; i < r->n_rows; i++) {
        char room[NUMBER_MAX];
        struct span key = cell_text(sql_cell(r, i, 0), room);
        l->rows[i].len = key.len;
        buf_span(&b, key);
        buf_char(&b, '\0');
    }
    l->bytes = buf_take(&b);
    const char *key = l->bytes;
    for (size_t i = 0; i < l->n; i++) {
        l->rows[i].ptr = key;
        key += l->rows[i].len + 1;
    }
}

void store_fids_cells(struct store_fids *l, const struct sql_result *r)
{
    l->rows = mem_calloc(r->n_rows == 0 ? 1 : r->n_rows, sizeof l->rows[0]);
    l->n = r->n_rows;
    for (size_t i = 0; i < r->n_rows; i++)
        l->rows[i] = sql_u64(r, i, 0);
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Few: kept in order as they come. */
void store_devids_add_cell(struct store_devids *l, const struct sql_result *r, size_t row, size_t col)
{
    if (sql_is_null(r, row, col))
        return;
    /* Room for FEW, and twice as much whenever that is full. */
    if (l->n == 0 || (l->n >= FEW && (l->n & (l->n - 1)) == 0))
        l->rows = mem_realloc(l->rows, l->n == 0 ? FEW : 2 * l->n, sizeof l->rows[0]);
    uint32_t devid = sql_u32(r, row, col);
    size_t at = l->n++;
    for (; at > 0 && l->rows[at - 1] > devid; at--)
        l->rows[at] = l->rows[at - 1];
    l->rows[at] = devid;
}

void store_devids_cells(struct store_devids *l, const struct sql_result *r, size_t col)
{
    l->rows = mem_calloc(r->n_rows == 0 ? 1 : r->n_rows, sizeof l->rows[0]);
    l->n = 0;
    for (size_t i = 0; i < r->n_rows; i++)
        if (!sql_is_null(r, i, col))
            l->rows[l->n++] = sql_u32(r, i, col);
    qsort(l->rows, l->n, sizeof l->rows[0], compare_u32);
}
