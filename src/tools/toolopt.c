/* SPDX-License-Identifier: MIT */
/* Options of the tools: command line in the original's spelling, configuration files, and which of them wins. */
#include "tools/toolopt.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/span.h"

enum { CONFIG_MAX_BYTES = 1024 * 1024 };

void toolopt_fini(struct toolopt *o)
{
    for (size_t i = 0; i < o->n; i++) {
        free(o->values[i].name);
        free(o->values[i].value);
    }
    free(o->values);
    *o = (struct toolopt)TOOLOPT_ZERO;
}

static struct toolopt_value *value_find(const struct toolopt *o, const char *name)
{
    for (size_t i = 0; i < o->n; i++) {
        if (strcmp(o->values[i].name, name) == 0)
            return &o->values[i];
    }
    return NULL;
}

void toolopt_set(struct toolopt *o, const char *name, const char *value, bool given)
{
    struct toolopt_value *v = value_find(o, name);
    if (!v) {
        o->values = mem_grow(o->values, o->n, &o->cap, sizeof *o->values);
        v = &o->values[o->n++];
        *v = (struct toolopt_value){.name = mem_strdup(name)};
    }
    free(v->value);
    v->value = mem_strdup(value);
    v->given = given;
}

const char *toolopt_str(const struct toolopt *o, const char *name)
{
    const struct toolopt_value *v = value_find(o, name);
    return v ? v->value : NULL;
}

const char *toolopt_text(const struct toolopt *o, const char *name)
{
    const char *s = toolopt_str(o, name);
    return s && s[0] ? s : NULL;
}

bool toolopt_flag(const struct toolopt *o, const char *name)
{
    const char *s = toolopt_str(o, name);
    return s && num_perl_true(span_of(s));
}

bool toolopt_given(const struct toolopt *o, const char *name)
{
    const struct toolopt_value *v = value_find(o, name);
    return v && v->given;
}

enum mog_err toolopt_int(const struct toolopt *o, const char *name, int64_t min, int64_t max, int64_t fallback,
                         int64_t *out, struct mog_fail *f)
{
    const char *s = toolopt_text(o, name);
    *out = fallback;
    if (!s)
        return MOG_OK;
    if (s[0] == '+')
        s++;
    enum mog_err e = num_parse_i64(span_of(s), INT64_MIN, INT64_MAX, out);
    if (e != MOG_OK)
        return fail_set(f, MOG_EUSAGE, "Value \"%s\" invalid for option %s (number expected)", s, name);
    if (*out < min || *out > max)
        return fail_set(f, MOG_EUSAGE, "Value \"%s\" invalid for option %s (%lld to %lld expected)", s, name,
                        (long long)min, (long long)max);
    return MOG_OK;
}

/* ---- command line ---- */

struct match {
    const struct toolopt_def *def;
    bool negated, ambiguous;
};

/* `name` is an exact name or a prefix of `full`: 2, 1, 0. */
static int name_fits(const char *full, const char *name, size_t len)
{
    if (strncasecmp(full, name, len) != 0)
        return 0;
    return full[len] == '\0' ? 2 : 1;
}

static void match_try(struct match *m, int *best, int fit, const struct toolopt_def *def, bool negated)
{
    if (fit == 0 || fit < *best)
        return;
    m->ambiguous = fit == *best && m->def != def;
    m->def = def;
    m->negated = negated;
    *best = fit;
}

static struct match def_find(const struct toolopt_def *const *tables, const char *name, size_t len, bool one_dash)
{
    struct match m = {NULL, false, false};
    int best = 0;
    for (size_t t = 0; tables[t]; t++) {
        for (const struct toolopt_def *d = tables[t]; d->name; d++) {
            if (one_dash && len == 1 && d->letter && name[0] == d->letter)
                return (struct match){d, false, false};
            match_try(&m, &best, name_fits(d->name, name, len), d, false);
            if (d->type == TOOLOPT_NEGATABLE && len > 2 && strncasecmp(name, "no", 2) == 0) {
                size_t skip = name[2] == '-' && len > 3 ? 3 : 2;
                match_try(&m, &best, name_fits(d->name, name + skip, len - skip), d, true);
            }
        }
    }
    return m;
}

static bool looks_like_number(const char *s)
{
    if (*s == '-' || *s == '+')
        s++;
    if (!isdigit((unsigned char)*s))
        return false;
    while (isdigit((unsigned char)*s))
        s++;
    return *s == '\0';
}

/* One option word; `*i` is its index and moves on when the next word is its value. */
static enum mog_err parse_option(struct toolopt *o, const struct toolopt_def *d, bool negated, const char *value,
                                 int argc, char **argv, int *i, struct mog_fail *f)
{
    if (d->type == TOOLOPT_FLAG || d->type == TOOLOPT_NEGATABLE) {
        if (value)
            return fail_set(f, MOG_EUSAGE, "Option %s does not take an argument", d->name);
        toolopt_set(o, d->name, negated ? "0" : "1", true);
        return MOG_OK;
    }
    if (!value) {
        if (*i + 1 >= argc)
            return fail_set(f, MOG_EUSAGE, "Option %s requires an argument", d->name);
        value = argv[++*i];
    }
    if (d->type == TOOLOPT_INT && !looks_like_number(value))
        return fail_set(f, MOG_EUSAGE, "Value \"%s\" invalid for option %s (number expected)", value, d->name);
    toolopt_set(o, d->name, value, true);
    return MOG_OK;
}

enum mog_err toolopt_parse(struct toolopt *o, const struct toolopt_def *const *tables, int argc, char **argv,
                           unsigned flags, struct opt_list *rest, struct mog_fail *f)
{
    int i = 0;
    for (; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--") == 0) {
            i++;
            break;
        }
        if (word[0] != '-' || word[1] == '\0') {
            if (flags & TOOLOPT_STOP_AT_WORD)
                break;
            opt_list_add(rest, word);
            continue;
        }
        bool one_dash = word[1] != '-';
        const char *name = word + (one_dash ? 1 : 2), *eq = strchr(name, '=');
        size_t len = eq ? (size_t)(eq - name) : strlen(name);
        struct match m = def_find(tables, name, len, one_dash);
        if (m.ambiguous)
            return fail_set(f, MOG_EUSAGE, "Option %.*s is ambiguous", (int)len, name);
        if (!m.def) {
            if (flags & TOOLOPT_SKIP_UNKNOWN)
                continue;
            if (flags & TOOLOPT_STOP_AT_WORD)
                break;
            return fail_set(f, MOG_EUSAGE, "Unknown option: %.*s", (int)len, name);
        }
        enum mog_err e = parse_option(o, m.def, m.negated, eq ? eq + 1 : NULL, argc, argv, &i, f);
        if (e != MOG_OK)
            return e;
    }
    for (; i < argc; i++)
        opt_list_add(rest, argv[i]);
    return MOG_OK;
}

/* ---- files ---- */

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static struct span without_comment(struct span line, enum toolopt_comment comment)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] != '#')
            continue;
        if (comment == TOOLOPT_HASH_ANYWHERE || i == 0 || isspace((unsigned char)line.ptr[i - 1]))
            return span_make(line.ptr, i);
    }
    return line;
}

static void read_setting(struct toolopt *o, struct span line)
{
    line = span_trim(line);
    size_t n = 0;
    while (n < line.len && is_name_char(line.ptr[n]))
        n++;
    struct span value = span_trim(span_make(line.ptr + n, line.len - n));
    if (n == 0 || value.len < 2 || value.ptr[0] != '=')
        return;
    value = span_trim(span_make(value.ptr + 1, value.len - 1));
    if (value.len == 0)
        return;
    char *name = span_dup(span_make(line.ptr, n)), *text = span_dup(value);
    if (!value_find(o, name))
        toolopt_set(o, name, text, false);
    free(name);
    free(text);
}

void toolopt_read_text(struct toolopt *o, const char *text, size_t len, enum toolopt_comment comment)
{
    struct span rest = span_make(text, len), line;
    while (span_split(&rest, '\n', &line))
        read_setting(o, without_comment(line, comment));
}

enum mog_err toolopt_read_file(struct toolopt *o, const char *path, enum toolopt_comment comment, bool *missing,
                               struct mog_fail *f)
{
    if (missing)
        *missing = false;
    FILE *in = fopen(path, "re");
    if (!in && (errno == ENOENT || errno == ENOTDIR)) {
        if (missing)
            *missing = true;
        return MOG_OK;
    }
    if (!in)
        return fail_sys(f, MOG_EIO, errno, "unable to open %s", path);

    struct buf text = BUF_ZERO;
    buf_init(&text, CONFIG_MAX_BYTES);
    char part[8192];
    size_t got;
    while ((got = fread(part, 1, sizeof part, in)) > 0 && !text.overflowed)
        buf_append(&text, part, got);
    enum mog_err e = MOG_OK;
    if (ferror(in))
        e = fail_sys(f, MOG_EIO, errno, "unable to read %s", path);
    else if (text.overflowed)
        e = fail_set(f, MOG_ETOOLONG, "%s is no configuration file: longer than %d bytes", path, CONFIG_MAX_BYTES);
    else
        toolopt_read_text(o, buf_cstr(&text), text.len, comment);
    fclose(in);
    buf_fini(&text);
    return e;
}

static enum mog_err read_named(struct toolopt *o, const char *path, enum toolopt_comment comment, struct mog_fail *f)
{
    bool missing = false;
    enum mog_err e = toolopt_read_file(o, path, comment, &missing, f);
    if (missing)
        fprintf(stderr, "Warning: there is no configuration file %s\n", path);
    return e;
}

static enum mog_err read_home(struct toolopt *o, const char *name, enum toolopt_comment comment, struct mog_fail *f)
{
    const char *home = getenv("HOME");
    if (!home || !home[0])
        return MOG_OK;
    char *path = mem_printf("%s/%s", home, name);
    enum mog_err e = toolopt_read_file(o, path, comment, NULL, f);
    free(path);
    return e;
}

enum mog_err toolopt_read_config(struct toolopt *o, enum toolopt_family family, struct mog_fail *f)
{
    enum toolopt_comment comment = family == TOOLOPT_STATS ? TOOLOPT_HASH_AFTER_BLANK : TOOLOPT_HASH_ANYWHERE;
    const char *named = toolopt_text(o, family == TOOLOPT_CLIENT ? "conf" : "config");
    const char *env = family == TOOLOPT_CLIENT ? getenv("MOGUTILSCONF") : NULL;
    enum mog_err e = MOG_OK;
    if (named)
        e = read_named(o, named, comment, f);
    if (e == MOG_OK && env && env[0])
        e = read_named(o, env, comment, f);
    if (e == MOG_OK && family == TOOLOPT_BIG) {
        e = read_home(o, ".mogtool", comment, f);
        if (e == MOG_OK)
            e = toolopt_read_file(o, "/etc/mogilefs/mogtool.conf", comment, NULL, f);
    }
    if (e == MOG_OK)
        e = read_home(o, ".mogilefs.conf", comment, f);
    if (e == MOG_OK)
        e = toolopt_read_file(o, "/etc/mogilefs/mogilefs.conf", comment, NULL, f);
    return e;
}
