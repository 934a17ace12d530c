/* SPDX-License-Identifier: MIT */
/* The description of a file that was stored in pieces: the object "_big_info:KEY" of mogtool. */
#include "tools/bigfile.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/num.h"

enum { PARTS_MAX = 10 * 1000 * 1000 };

void bigfile_init(struct bigfile *b)
{
    *b = (struct bigfile){.chunks = 0};
    b->description = mem_strdup("no description");
    b->type = mem_strdup("file");
    b->filename = mem_strdup("");
}

void bigfile_fini(struct bigfile *b)
{
    for (size_t i = 0; i < b->n_parts; i++)
        opt_list_fini(&b->parts[i].paths);
    free(b->parts);
    free(b->description);
    free(b->type);
    free(b->filename);
    *b = (struct bigfile){.chunks = 0};
}

struct bigfile_part *bigfile_add(struct bigfile *b, uint64_t number, uint64_t bytes, const char *md5)
{
    b->parts = mem_grow(b->parts, b->n_parts, &b->cap_parts, sizeof *b->parts);
    struct bigfile_part *p = &b->parts[b->n_parts++];
    *p = (struct bigfile_part){.number = number, .bytes = bytes};
    snprintf(p->md5, sizeof p->md5, "%.32s", md5);
    return p;
}

/* The rest of a line behind "NAME ", or a span without ptr. */
static struct span behind(struct span line, const char *name)
{
    size_t len = strlen(name);
    if (!span_starts(line, name) || line.len <= len || line.ptr[len] != ' ')
        return span_make(NULL, 0);
    return span_make(line.ptr + len + 1, line.len - len - 1);
}

static void take_text(char **to, struct span value)
{
    if (!value.ptr)
        return;
    free(*to);
    *to = span_dup(value);
}

static void take_number(uint64_t *to, struct span value)
{
    uint64_t n;
    if (value.ptr && num_parse_u64(value, 0, UINT64_MAX, &n) == MOG_OK)
        *to = n;
}

/* "1 bytes=N md5=HEX paths: URL, URL" */
static void parse_part(struct bigfile *b, struct span text)
{
    struct span number, bytes, md5, word, url;
    uint64_t n, size;
    if (!text.ptr || !span_split(&text, ' ', &number) || !text.ptr || !span_split(&text, ' ', &bytes) || !text.ptr ||
        !span_split(&text, ' ', &md5) || !text.ptr || !span_split(&text, ' ', &word) || !text.ptr)
        return;
    if (!span_starts(bytes, "bytes=") || !span_starts(md5, "md5=") || !span_is(word, "paths:") ||
        num_parse_u64(number, 1, PARTS_MAX, &n) != MOG_OK ||
        num_parse_u64(span_make(bytes.ptr + 6, bytes.len - 6), 0, INT64_MAX, &size) != MOG_OK)
        return;
    char *hex = span_dup(span_make(md5.ptr + 4, md5.len - 4));
    struct bigfile_part *p = bigfile_add(b, n, size, hex);
    free(hex);
    while (span_split(&text, ',', &url)) {
        char *path = span_dup(span_trim(url));
        if (path[0])
            opt_list_add(&p->paths, path);
        free(path);
    }
}

static int by_number(const void *a, const void *b)
{
    const struct bigfile_part *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static enum mog_err check(const struct bigfile *b, bool seen_chunks, struct mog_fail *f)
{
    if (!seen_chunks)
        return fail_set(f, MOG_ESYNTAX, "this is no description of a big file");
    uint64_t sum = 0;
    for (size_t i = 0; i < b->n_parts; i++) {
        if (b->parts[i].number != i + 1)
            return fail_set(f, MOG_ESYNTAX, "the description lacks part %zu, or has it twice", i + 1);
        sum += b->parts[i].bytes;
    }
    if (b->n_parts != b->chunks)
        return fail_set(f, MOG_ESYNTAX, "the description has %zu parts of %" PRIu64, b->n_parts, b->chunks);
    if (sum != b->size)
        return fail_set(f, MOG_ESYNTAX, "the parts have %" PRIu64 " bytes, not %" PRIu64, sum, b->size);
    return MOG_OK;
}

enum mog_err bigfile_parse(struct bigfile *b, struct span text, struct mog_fail *f)
{
    struct span line;
    bool seen_chunks = false;
    while (span_split(&text, '\n', &line)) {
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        uint64_t flag = 0;
        take_text(&b->description, behind(line, "des"));
        take_text(&b->type, behind(line, "type"));
        take_text(&b->filename, behind(line, "filename"));
        take_number(&b->size, behind(line, "size"));
        take_number(&flag, behind(line, "compressed"));
        b->compressed |= flag != 0;
        flag = 0;
        take_number(&flag, behind(line, "deflated"));
        b->deflated |= flag != 0;
        struct span chunks = behind(line, "chunks");
        seen_chunks |= chunks.ptr != NULL;
        take_number(&b->chunks, chunks);
        parse_part(b, behind(line, "part"));
    }
    if (b->n_parts > 1)
        qsort(b->parts, b->n_parts, sizeof *b->parts, by_number);
    return check(b, seen_chunks, f);
}

void bigfile_format(const struct bigfile *b, struct buf *out)
{
    buf_printf(out, "des %s\ntype %s\ncompressed %d\nfilename %s\nchunks %" PRIu64 "\nsize %" PRIu64 "\n",
               b->description, b->type, b->compressed, b->filename, b->chunks, b->size);
    if (b->deflated)
        buf_str(out, "deflated 1\n");
    buf_char(out, '\n');
    for (size_t i = 0; i < b->n_parts; i++) {
        const struct bigfile_part *p = &b->parts[i];
        buf_printf(out, "part %" PRIu64 " bytes=%" PRIu64 " md5=%s paths: ", p->number, p->bytes, p->md5);
        for (size_t j = 0; j < p->paths.n; j++)
            buf_printf(out, "%s%s", j ? ", " : "", p->paths.items[j]);
        buf_char(out, '\n');
    }
}

bool bigfile_key_is_valid(const char *key)
{
    if (!key[0])
        return false;
    for (; *key; key++) {
        if (*key == ',' || isspace((unsigned char)*key))
            return false;
    }
    return true;
}

enum mog_err bigfile_chunksize(const char *text, uint64_t *bytes)
{
    size_t len = strlen(text);
    uint64_t unit = UINT64_C(1) << 20, n;
    if (len && !isdigit((unsigned char)text[len - 1])) {
        static const struct {
            char letter;
            uint64_t unit;
        } units[] = {{'b', 1}, {'k', UINT64_C(1) << 10}, {'m', UINT64_C(1) << 20}, {'g', UINT64_C(1) << 30}};
        unit = 0;
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
            if (units[i].letter == tolower((unsigned char)text[len - 1]))
                unit = units[i].unit;
        }
        len--;
    }
    if (unit == 0)
        return MOG_ESYNTAX;
    enum mog_err e = num_parse_u64(span_make(text, len), 1, UINT32_MAX, &n);
    if (e != MOG_OK || n > (UINT64_C(4) << 30) / unit)
        return e != MOG_OK ? e : MOG_ERANGE;
    *bytes = n * unit;
    return MOG_OK;
}
