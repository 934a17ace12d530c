/* SPDX-License-Identifier: MIT */
/* What an older or foreign set-up means for those who use it, in sentences. */
#include "store/store_schema.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/store_run.h"

struct report {
    struct store *st;
    void (*note)(void *arg, const char *text);
    void *arg;
};

static void say(const struct report *r, char *text)
{
    r->note(r->arg, text);
    free(text);
}

/* `type`: owned; NULL when there is no such column. PostgreSQL's comes with the column's checks, which are left out. */
static enum mog_err type_of(const struct report *r, const char *table, const char *column, char **type)
{
    enum mog_err e = STORE_RUN(r->st, SQL_SCHEMA_COLUMN, sql_str(table), sql_str(column));
    *type = e == MOG_OK && r->st->result.n_rows > 0 ? span_dup(sql_span(&r->st->result, 0, 0)) : NULL;
    char *end = *type == NULL ? NULL : strstr(*type, " CHECK");
    if (end == NULL && *type != NULL && **type != '\0' && (*type)[strlen(*type) - 1] == ' ')
        end = *type + strlen(*type) - 1;
    if (end != NULL)
        *end = '\0';
    return e;
}

static bool has(const char *type, const char *word)
{
    return type != NULL && strcasestr(type, word) != NULL;
}

/* ---- names ---- */

static const struct {
    const char *table, *column, *what;
} names[] = {{"file", "dkey", "keys"},
             {"tempfile", "dkey", "keys of uploads"},
             {"domain", "namespace", "names of domains"},
             {"class", "classname", "names of classes"}};
enum { N_NAMES = sizeof names / sizeof names[0] };

static void say_collation(const struct report *r, size_t i, const char *type, const char *collation)
{
    size_t len = strlen(collation);
    if (len > 4 && strcmp(collation + len - 4, "_bin") == 0)
        say(r, mem_printf("%s.%s is %s (%s): %s are text of that character set, blanks at the end do not count, and a "
                          "width in characters limits them",
                          names[i].table, names[i].column, type, collation, names[i].what));
    else
        say(r,
            mem_printf("%s.%s is %s (%s): %s that differ only in upper and lower case, in accents or in blanks at the "
                       "end are the same, and lists are in that order",
                       names[i].table, names[i].column, type, collation, names[i].what));
}

/* MySQL: a column of text compares as its collation does. */
static enum mog_err mysql_name(const struct report *r, size_t i, const char *type)
{
    char *text = mem_printf("SELECT COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() "
                            "AND TABLE_NAME = '%s' AND COLUMN_NAME = '%s'",
                            names[i].table, names[i].column);
    enum mog_err e = store_run_text(r->st, text);
    free(text);
    if (e != MOG_OK || r->st->result.n_rows == 0 || sql_is_null(&r->st->result, 0, 0))
        return e; /* bytes */
    char *collation = span_dup(sql_span(&r->st->result, 0, 0));
    say_collation(r, i, type, collation);
    free(collation);
    return MOG_OK;
}

static enum mog_err report_names(const struct report *r)
{
    enum store_backend b = store_backend(r->st);
    enum mog_err e = MOG_OK;
    for (size_t i = 0; e == MOG_OK && i < N_NAMES; i++) {
        char *type;
        e = type_of(r, names[i].table, names[i].column, &type);
        if (e == MOG_OK && type != NULL && b == STORE_MYSQL)
            e = mysql_name(r, i, type);
        else if (b == STORE_PGSQL && type != NULL && !has(type, "bytea"))
            say(r, mem_printf("%s.%s is %s: %s must be valid in the database's encoding, and others are refused",
                              names[i].table, names[i].column, type, names[i].what));
        else if (b == STORE_SQLITE && i == 0 && has(type, "char"))
            say(r,
                mem_printf("file.dkey is %s: lists of keys by a prefix take upper and lower case for the same, unless "
                           "case_sensitive_list_keys is set",
                           type));
        free(type);
    }
    return e;
}

/* ---- numbers ---- */

static enum mog_err report_widths(const struct report *r)
{
    static const struct {
        const char *table, *column, *means;
    } widths[] = {
        {"file", "fid", "the cluster ends with the file of the highest such number"},
        {"tempfile", "fid", "no more files can be stored once fids have reached the highest such number"},
        {"file", "length", "files of 4 GiB and more cannot be stored"},
    };
    if (store_backend(r->st) == STORE_SQLITE)
        return MOG_OK; /* its integers have 64 bits whatever they are called */
    enum mog_err e = MOG_OK;
    for (size_t i = 0; e == MOG_OK && i < sizeof widths / sizeof widths[0]; i++) {
        char *type;
        e = type_of(r, widths[i].table, widths[i].column, &type);
        if (e == MOG_OK && type != NULL && !has(type, "bigint"))
            say(r, mem_printf("%s.%s is %s, not bigint: %s", widths[i].table, widths[i].column, type, widths[i].means));
        free(type);
    }
    return e;
}

/* ---- engines and modes ---- */

static enum mog_err report_engines(const struct report *r)
{
    enum mog_err e =
        store_run_text(r->st, "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA "
                              "= DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND ENGINE <> 'InnoDB'");
    const struct sql_result *rows = &r->st->result;
    for (size_t i = 0; e == MOG_OK && i < rows->n_rows; i++) {
        struct span table = sql_span(rows, i, 0), engine = sql_span(rows, i, 1);
        say(r, mem_printf("table %.*s is %.*s, not InnoDB: a crash can lose what was acknowledged, and a change of "
                          "several tables can be half done",
                          (int)table.len, table.ptr, (int)engine.len, engine.ptr));
    }
    return e;
}

static enum mog_err report_journal(const struct report *r)
{
    enum mog_err e = store_run_text(r->st, "PRAGMA journal_mode");
    if (e == MOG_OK && !span_is_nocase(sql_span(&r->st->result, 0, 0), "wal"))
        say(r, mem_strdup("the journal mode is not WAL: readers wait for writers"));
    return e;
}

enum mog_err store_schema_report(struct store *st, void (*note)(void *arg, const char *text), void *arg)
{
    const struct report r = {st, note, arg};
    enum mog_err e = report_names(&r);
    if (e == MOG_OK)
        e = report_widths(&r);
    if (e == MOG_OK && store_backend(st) == STORE_MYSQL)
        e = report_engines(&r);
    if (e == MOG_OK && store_backend(st) == STORE_SQLITE)
        e = report_journal(&r);
    return e;
}
