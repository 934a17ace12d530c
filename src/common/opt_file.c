/* SPDX-License-Identifier: MIT */
/* Configuration files: the two classic forms, and YAML, over one table of rows. */
#include "common/opt.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/span.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_LINE = 65536 };

/* One file being read. */
struct file {
    const struct opt_spec *spec;
    const char *path;
    void *opts;
    const bool *skip;
    struct mog_fail *f;
};

/* The nearest thing to a list of what is allowed that still fits into a line: keys that begin alike. */
static void suggest(const struct opt_spec *spec, const char *key, char *out, size_t size)
{
    out[0] = '\0';
    for (size_t i = 0; i < spec->n_rows; i++) {
        const char *have = spec->rows[i].key;
        if (have != NULL && strncmp(have, key, 3) == 0) {
            (void)snprintf(out, size, "; did you mean %s?", have);
            return;
        }
    }
}

static enum mog_err set_key(struct file *file, size_t line, const char *key, const char *value)
{
    const struct opt_spec *spec = file->spec;
    for (size_t i = 0; i < spec->n_rows; i++) {
        const struct opt_row *row = &spec->rows[i];
        if (row->key == NULL || !(row->flags & OPT_FILE) || strcmp(row->key, key) != 0)
            continue;
        if (file->skip != NULL && file->skip[i])
            return MOG_OK;
        struct mog_fail inner = {0};
        enum mog_err e = opt_set(row, file->opts, value, &inner);
        if (e != MOG_OK)
            return fail_set(file->f, e, "%s line %zu: %s: %s", file->path, line, key, inner.text);
        return MOG_OK;
    }
    char hint[100];
    suggest(spec, key, hint, sizeof(hint));
    if (!spec->unknown_keys_ok)
        return fail_set(file->f, MOG_EINVAL, "%s line %zu: unknown key '%s'%s", file->path, line, key, hint);
    log_warn("config: %s line %zu: unknown key '%s' is ignored%s", file->path, line, key, hint);
    return MOG_OK;
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* "key = v", "key =v", "key v": white space must stand before the '='. */
static bool split_tracker(char *text, char **key, char **value)
{
    char *at = text;
    while (is_key_char(*at))
        at++;
    if (at == text || !is_blank(*at))
        return false;
    *at++ = '\0';
    while (is_blank(*at))
        at++;
    if (*at == '=') {
        at++;
        while (is_blank(*at))
            at++;
    }
    *key = text;
    *value = at;
    return true;
}

/* "key=v" with any white space; '#' was cut off before. */
static bool split_stored(char *text, char **key, char **value)
{
    char *at = text;
    while (is_key_char(*at))
        at++;
    char *end = at;
    while (is_blank(*at))
        at++;
    if (end == text || *at != '=')
        return false;
    at++;
    while (is_blank(*at))
        at++;
    *end = '\0';
    *key = text;
    *value = at;
    return *at != '\0';
}

static bool is_flag(const struct opt_spec *spec, const char *key)
{
    for (size_t i = 0; i < spec->n_rows; i++) {
        const struct opt_row *row = &spec->rows[i];
        if (row->type == OPT_FLAG && (row->flags & OPT_FILE) && row->key != NULL && strcmp(row->key, key) == 0)
            return true;
    }
    return false;
}

static enum mog_err classic_line(struct file *file, size_t number, char *text)
{
    bool tracker = file->spec->grammar == OPT_GRAMMAR_TRACKER;
    char *hash = strchr(text, '#');
    if (!tracker && hash != NULL)
        *hash = '\0';
    struct span trimmed = span_trim(span_of(text));
    if (trimmed.len == 0 || trimmed.ptr[0] == '#')
        return MOG_OK;
    char *line = span_dup(trimmed), *key = NULL, *value = NULL;
    enum mog_err e = MOG_OK;
    if (!tracker && is_flag(file->spec, line)) {
        /* cmogstored's files have the bare word. */
        e = set_key(file, number, line, "1");
        free(line);
        return e;
    }
    if (tracker && !split_tracker(line, &key, &value))
        e = fail_set(file->f, MOG_ESYNTAX,
                     "Malformed config file (line %zu): %s: '%s' is not of the form 'key = value'", number, file->path,
                     line);
    else if (!tracker && !split_stored(line, &key, &value))
        e = fail_set(file->f, MOG_ESYNTAX, "Unknown config syntax: %s line %zu: '%s' is not of the form 'key = value'",
                     file->path, number, line);
    if (e == MOG_OK)
        e = set_key(file, number, key, value);
    free(line);
    return e;
}

static enum mog_err read_classic(struct file *file, FILE *in)
{
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t len;
    enum mog_err e = MOG_OK;
    while (e == MOG_OK && (len = getline(&line, &cap, in)) >= 0) {
        number++;
        if (len > MAX_LINE || memchr(line, '\0', (size_t)len) != NULL)
            e = fail_set(file->f, MOG_ESYNTAX, "Malformed config file (line %zu): %s: a NUL byte or an endless line",
                         number, file->path);
        else
            e = classic_line(file, number, line);
    }
    if (e == MOG_OK && ferror(in))
        e = fail_sys(file->f, MOG_EIO, errno, "read: %s", file->path);
    free(line);
    return e;
}

/* The text of a YAML value: a scalar, or a flat list joined by commas as the classic form writes it. */
static enum mog_err yaml_value(struct file *file, yaml_document_t *doc, yaml_node_t *node, const char *key,
                               struct buf *out)
{
    size_t line = node->start_mark.line + 1;
    if (node->type == YAML_SCALAR_NODE) {
        buf_append(out, node->data.scalar.value, node->data.scalar.length);
        return MOG_OK;
    }
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_set(file->f, MOG_EINVAL, "%s line %zu: %s: a value or a list of values is needed", file->path, line,
                        key);
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
        yaml_node_t *item = yaml_document_get_node(doc, *i);
        if (item == NULL || item->type != YAML_SCALAR_NODE)
            return fail_set(file->f, MOG_EINVAL, "%s line %zu: %s: the list may hold plain values only", file->path,
                            line, key);
        if (out->len != 0)
            buf_char(out, ',');
        buf_append(out, item->data.scalar.value, item->data.scalar.length);
    }
    return MOG_OK;
}

static enum mog_err yaml_document(struct file *file, yaml_document_t *doc)
{
    yaml_node_t *root = yaml_document_get_root_node(doc);
    if (root == NULL)
        return MOG_OK; /* an empty file sets nothing */
    if (root->type != YAML_MAPPING_NODE)
        return fail_set(file->f, MOG_ESYNTAX, "%s line %zu: keys with values are needed", file->path,
                        root->start_mark.line + 1);
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_document_get_node(doc, pair->key), *value = yaml_document_get_node(doc, pair->value);
        if (key->type != YAML_SCALAR_NODE)
            return fail_set(file->f, MOG_ESYNTAX, "%s line %zu: a key must be plain text", file->path,
                            key->start_mark.line + 1);
        struct buf text = BUF_ZERO;
        const char *name = (const char *)key->data.scalar.value;
        enum mog_err e = yaml_value(file, doc, value, name, &text);
        if (e == MOG_OK)
            e = set_key(file, key->start_mark.line + 1, name, buf_cstr(&text));
        buf_fini(&text);
        if (e != MOG_OK)
            return e;
    }
    return MOG_OK;
}

static enum mog_err read_yaml(struct file *file, FILE *in)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    if (yaml_parser_initialize(&parser) == 0)
        return fail_set(file->f, MOG_EIO, "%s: cannot start the YAML parser", file->path);
    yaml_parser_set_input_file(&parser, in);
    enum mog_err e;
    if (yaml_parser_load(&parser, &doc) == 0) {
        e = fail_set(file->f, MOG_ESYNTAX, "%s line %zu: %s", file->path, parser.problem_mark.line + 1,
                     parser.problem != NULL ? parser.problem : "not YAML");
    } else {
        e = yaml_document(file, &doc);
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    return e;
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

enum mog_err opt_parse_file(const struct opt_spec *spec, const char *path, void *opts, const bool *skip,
                            struct mog_fail *f)
{
    struct file file = {.spec = spec, .path = path, .opts = opts, .skip = skip, .f = f};
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return fail_sys(f, MOG_EIO, errno, "open: %s", path);
    bool yaml = ends_with(path, ".yaml") || ends_with(path, ".yml");
    enum mog_err e = yaml ? read_yaml(&file, in) : read_classic(&file, in);
    (void)fclose(in);
    return e;
}
