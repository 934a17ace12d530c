/* SPDX-License-Identifier: MIT */
/* Options from a table: the command line, and the setting of single rows. Files are read by opt_file.c. */
#include "common/opt.h"

#include "common/mem.h"
#include "common/num.h"
#include "common/span.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void opt_list_add(struct opt_list *l, const char *item)
{
    l->items = mem_grow(l->items, l->n, &l->cap, sizeof(*l->items));
    l->items[l->n++] = mem_strdup(item);
}

void opt_list_fini(struct opt_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct opt_list){0};
}

static void *field(const struct opt_row *row, void *opts)
{
    return (char *)opts + row->offset;
}

static enum mog_err parse_flag(const char *value, bool *out)
{
    static const char *const yes[] = {"1", "on", "yes", "true"}, *const no[] = {"0", "off", "no", "false"};
    for (size_t i = 0; i < 4; i++) {
        if (strcasecmp(value, yes[i]) == 0 || strcasecmp(value, no[i]) == 0) {
            *out = strcasecmp(value, yes[i]) == 0;
            return MOG_OK;
        }
    }
    return MOG_EINVAL;
}

static enum mog_err set_number(const struct opt_row *row, void *opts, const char *value, struct mog_fail *f)
{
    int64_t n = 0, max = row->max != 0 ? row->max : INT32_MAX;
    enum mog_err e = num_parse_i64(span_trim(span_of(value)), row->min, max, &n);
    if (e != MOG_OK)
        return fail_set(f, e, "'%s' is not a number from %" PRId64 " to %" PRId64, value, row->min, max);
    if (row->type == OPT_COUNT)
        *(int *)field(row, opts) = (int)n;
    else
        *(int64_t *)field(row, opts) = n;
    return MOG_OK;
}

static enum mog_err check(const struct opt_row *row, const char *value, struct mog_fail *f)
{
    return row->check == NULL ? MOG_OK : row->check(value, f);
}

/*
 * A list in a file: replaces what stood before. One of commas alone was meant to hold something, and would be taken for
 * a list that is not set: of networks that may connect, say.
 */
static enum mog_err set_list(const struct opt_row *row, void *opts, const char *value, struct mog_fail *f)
{
    enum mog_err e = MOG_OK;
    struct opt_list *list = field(row, opts);
    opt_list_fini(list);
    struct span rest = span_of(value), part;
    while (e == MOG_OK && span_split(&rest, ',', &part)) {
        part = span_trim(part);
        if (part.len == 0)
            continue;
        char *item = span_dup(part);
        opt_list_add(list, item);
        e = check(row, item, f);
        free(item);
    }
    if (e == MOG_OK && list->n == 0 && strchr(value, ',') != NULL)
        e = fail_set(f, MOG_EINVAL, "'%s' is an empty list", value);
    return e;
}

enum mog_err opt_set(const struct opt_row *row, void *opts, const char *value, struct mog_fail *f)
{
    switch (row->type) {
    case OPT_FLAG:
        if (parse_flag(value, field(row, opts)) != MOG_OK)
            return fail_set(f, MOG_EINVAL, "'%s' is neither on (1, yes, true) nor off (0, no, false)", value);
        return MOG_OK;
    case OPT_COUNT:
    case OPT_INT:
        return set_number(row, opts, value, f);
    case OPT_STRING: {
        if (value[0] == '\0' && !(row->flags & OPT_MAY_BE_EMPTY))
            return fail_set(f, MOG_EINVAL, "a value is needed");
        char **place = field(row, opts);
        free(*place);
        *place = mem_strdup(value);
        return check(row, value, f);
    }
    case OPT_LIST:
        return set_list(row, opts, value, f);
    case OPT_IGNORE:
    case OPT_IGNORE_FLAG:
        return MOG_OK;
    }
    return MOG_OK;
}

static bool takes_value(const struct opt_row *row)
{
    return row->type != OPT_FLAG && row->type != OPT_COUNT && row->type != OPT_IGNORE_FLAG;
}

/* One run over the arguments. */
struct parse {
    const struct opt_spec *spec;
    int argc;
    char **argv;
    int at; /* the argument being read */
    void *opts;
    bool *seen;
    struct mog_fail *f;
};

static enum mog_err apply(struct parse *p, const struct opt_row *row, const char *shown, const char *value)
{
    size_t index = (size_t)(row - p->spec->rows);
    enum mog_err e = MOG_OK;
    struct mog_fail inner = {0};
    if (row->type == OPT_COUNT) {
        ++*(int *)field(row, p->opts);
    } else if (row->type == OPT_LIST) {
        /* The first one on the command line replaces what was set before (defaults); the rest are added. */
        struct opt_list *list = field(row, p->opts);
        if (p->seen != NULL && !p->seen[index])
            opt_list_fini(list);
        opt_list_add(list, value);
        e = check(row, value, &inner);
    } else {
        e = opt_set(row, p->opts, value != NULL ? value : "1", &inner);
    }
    if (p->seen != NULL)
        p->seen[index] = true;
    if (e != MOG_OK)
        return fail_set(p->f, MOG_EUSAGE, "option %s: %s", shown, inner.text);
    return MOG_OK;
}

/* The row that `name` (any case, any unambiguous prefix) means; `negated` for --noX and --no-X. */
static enum mog_err find_long(struct parse *p, struct span name, const struct opt_row **found, bool *negated)
{
    char first[64] = "", second[64] = "";
    *found = NULL;
    for (size_t i = 0; i < p->spec->n_rows; i++) {
        const struct opt_row *row = &p->spec->rows[i];
        if (row->cli == NULL || !(row->flags & OPT_CLI))
            continue;
        size_t len = strlen(row->cli);
        struct span bare = name;
        bool no = false;
        if ((row->flags & OPT_NEGATABLE) && name.len > 2 && strncasecmp(name.ptr, "no", 2) == 0) {
            size_t skip = name.ptr[2] == '-' ? 3 : 2;
            bare = span_make(name.ptr + skip, name.len - skip);
            no = true;
        }
        if (span_is_nocase(name, row->cli) || (no && span_is_nocase(bare, row->cli))) {
            *found = row;
            *negated = no && !span_is_nocase(name, row->cli);
            return MOG_OK;
        }
        if (name.len < len && name.len != 0 && strncasecmp(row->cli, name.ptr, name.len) == 0) {
            if (*found == NULL) {
                *found = row;
                *negated = false;
                (void)snprintf(first, sizeof(first), "%s", row->cli);
            } else if (second[0] == '\0') {
                (void)snprintf(second, sizeof(second), "%s", row->cli);
            }
        }
    }
    if (second[0] != '\0')
        return fail_set(p->f, MOG_EUSAGE, "option --%.*s is ambiguous (%s, %s)", (int)name.len, name.ptr, first,
                        second);
    if (*found == NULL)
        return fail_set(p->f, MOG_EUSAGE, "unknown option --%.*s (see %s(8))", (int)name.len, name.ptr,
                        p->spec->program);
    return MOG_OK;
}

static enum mog_err parse_long(struct parse *p, const char *text)
{
    const char *equals = strchr(text, '=');
    struct span name = span_make(text, equals != NULL ? (size_t)(equals - text) : strlen(text));
    const struct opt_row *row = NULL;
    bool negated = false;
    enum mog_err e = find_long(p, name, &row, &negated);
    if (e != MOG_OK)
        return e;
    char shown[80];
    (void)snprintf(shown, sizeof(shown), "--%s", row->cli);
    if (!takes_value(row)) {
        if (equals != NULL && row->type == OPT_FLAG)
            return apply(p, row, shown, equals + 1);
        if (equals != NULL)
            return fail_set(p->f, MOG_EUSAGE, "option %s does not take a value", shown);
        bool ignored, has_more = p->at + 1 < p->argc;
        if ((row->flags & OPT_VALUE_TOO) && has_more && parse_flag(p->argv[p->at + 1], &ignored) == MOG_OK)
            return apply(p, row, shown, p->argv[++p->at]);
        return apply(p, row, shown, negated ? "0" : "1");
    }
    if (equals != NULL)
        return apply(p, row, shown, equals + 1);
    bool more = p->at + 1 < p->argc;
    if ((row->flags & OPT_MAY_BE_EMPTY) && (!more || p->argv[p->at + 1][0] == '-'))
        return apply(p, row, shown, "");
    if (!more)
        return fail_set(p->f, MOG_EUSAGE, "option %s needs a value", shown);
    return apply(p, row, shown, p->argv[++p->at]);
}

/* "-d", "-dd", "-w3", "-w 3": letters without values may be bundled. */
static enum mog_err parse_letters(struct parse *p, const char *text)
{
    for (; *text != '\0'; text++) {
        const struct opt_row *row = NULL;
        for (size_t i = 0; i < p->spec->n_rows && row == NULL; i++) {
            if (p->spec->rows[i].letter == *text)
                row = &p->spec->rows[i];
        }
        if (row == NULL)
            return fail_set(p->f, MOG_EUSAGE, "unknown option -%c (see %s(8))", *text, p->spec->program);
        char shown[3] = {'-', *text, '\0'};
        enum mog_err e;
        if (!takes_value(row)) {
            e = apply(p, row, shown, "1");
            if (e != MOG_OK)
                return e;
            continue;
        }
        if (text[1] != '\0')
            return apply(p, row, shown, text + 1);
        if (p->at + 1 >= p->argc)
            return fail_set(p->f, MOG_EUSAGE, "option %s needs a value", shown);
        return apply(p, row, shown, p->argv[++p->at]);
    }
    return MOG_OK;
}

enum mog_err opt_parse_argv(const struct opt_spec *spec, int argc, char **argv, void *opts, bool *seen,
                            struct opt_list *rest, struct mog_fail *f)
{
    struct parse p = {.spec = spec, .argc = argc, .argv = argv, .opts = opts, .seen = seen, .f = f};
    bool ended = false;
    for (p.at = 1; p.at < argc; p.at++) {
        const char *arg = argv[p.at];
        enum mog_err e = MOG_OK;
        if (!ended && strcmp(arg, "--") == 0) {
            ended = true;
        } else if (!ended && strncmp(arg, "--", 2) == 0) {
            e = parse_long(&p, arg + 2);
        } else if (!ended && arg[0] == '-' && arg[1] != '\0') {
            bool is_long = spec->single_dash_long && arg[2] != '\0';
            e = is_long ? parse_long(&p, arg + 1) : parse_letters(&p, arg + 1);
        } else if (rest != NULL) {
            opt_list_add(rest, arg);
        } else {
            e = fail_set(f, MOG_EUSAGE, "unexpected argument '%s' (see %s(8))", arg, spec->program);
        }
        if (e != MOG_OK)
            return e;
    }
    return MOG_OK;
}

void opt_print_help(const struct opt_spec *spec)
{
    for (size_t i = 0; i < spec->n_rows; i++) {
        const struct opt_row *row = &spec->rows[i];
        if (row->cli == NULL || !(row->flags & OPT_CLI) || row->help == NULL)
            continue;
        char name[64];
        int n = snprintf(name, sizeof(name), "--%s%s", row->cli, takes_value(row) ? "=VALUE" : "");
        if (row->letter != 0)
            (void)snprintf(name + n, sizeof(name) - (size_t)n, ", -%c", row->letter);
        printf("  %-32s %s\n", name, row->help);
    }
}

void opt_fini(const struct opt_spec *spec, void *opts)
{
    for (size_t i = 0; i < spec->n_rows; i++) {
        const struct opt_row *row = &spec->rows[i];
        if (row->type == OPT_STRING) {
            char **place = field(row, opts);
            free(*place);
            *place = NULL;
        } else if (row->type == OPT_LIST) {
            opt_list_fini(field(row, opts));
        }
    }
}
