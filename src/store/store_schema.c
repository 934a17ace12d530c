/* SPDX-License-Identifier: MIT */
/* Making and upgrading the schema: looks at what is there, and adds what is missing. */
#include "store/store_schema.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/num.h"
#include "store/embedded.h"
#include "store/store_run.h"
#include "store/store_topology.h"

enum mog_err store_schema_version(struct store *st, uint32_t *version)
{
    struct store_bytes value;
    *version = 0;
    enum mog_err e = store_setting_get(st, "schema_version", &value);
    if (e == MOG_ENOTFOUND || e == MOG_ESCHEMA)
        return MOG_OK;
    if (e == MOG_OK && value.ptr != NULL) {
        int64_t n = num_perl_int(store_bytes_span(&value));
        *version = n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
    }
    store_bytes_free(&value);
    return e;
}

enum mog_err store_schema_check(struct store *st)
{
    uint32_t found;
    enum mog_err e = store_schema_version(st, &found);
    if (e == MOG_OK && found != STORE_SCHEMA_VERSION)
        e = store_fail(st, MOG_ESCHEMA,
                       "Server's database schema version of %u doesn't match expected value of %d.  Halting.\n\n"
                       "Please run mogdbsetup to upgrade your schema.",
                       (unsigned)found, (int)STORE_SCHEMA_VERSION);
    return e;
}

/* ---- the texts ---- */

/* One statement of a file of sql/, with the comment that says what it is for. */
struct part {
    struct span verb, object, argument; /* "table" "host"; "index" "host" "status"; "missing" "host.altip" ... */
    struct span text;
};

static const char *backend_folder(enum store_backend b)
{
    switch (b) {
    case STORE_SQLITE:
        return "sqlite";
    case STORE_MYSQL:
        return "mysql";
    case STORE_PGSQL:
        return "pgsql";
    }
    return "";
}

static const char *find_text(enum store_backend b, const char *file)
{
    char *name = mem_printf("%s/%s", backend_folder(b), file);
    const char *text = "";
    for (const struct embedded_text *t = embedded_sql; t->name != NULL; t++)
        if (strcmp(t->name, name) == 0)
            text = t->text;
    free(name);
    return text;
}

/* The next statement: a line "-- verb object argument", and text up to ";" at a line's end. */
static bool next_part(const char **at, struct part *p)
{
    const char *begin = *at, *end;
    while (strncmp(begin, "-- ", 3) == 0 || *begin == '\n') {
        const char *line_end = strchr(begin, '\n');
        if (line_end == NULL)
            return false;
        struct span line = span_make(begin, (size_t)(line_end - begin));
        *p = (struct part){0};
        if (line.len > 3) {
            line = span_make(line.ptr + 3, line.len - 3);
            (void)span_split(&line, ' ', &p->verb);
            (void)span_split(&line, ' ', &p->object);
            p->argument = line;
        }
        begin = line_end + 1;
        if (*begin != '-' && *begin != '\n')
            break;
    }
    end = strstr(begin, ";\n");
    if (*begin == '\0' || end == NULL)
        return false;
    p->text = span_make(begin, (size_t)(end - begin));
    *at = end + 2;
    return true;
}

/* ---- one run ---- */

struct run {
    struct store *st;
    const struct store_schema_job *job;
    bool names_are_bytes, wide_fids, unsafe_engine;
};

static void tell(const struct run *r, bool is_warning, const char *prefix, struct span text, const char *suffix)
{
    if (r->job->note == NULL)
        return;
    char *all = mem_printf("%s%.*s%s", prefix, (int)text.len, text.ptr, suffix);
    r->job->note(r->job->arg, is_warning, all);
    free(all);
}

/* Fill in {fid} and {name COLUMN N}. */
static void expand(const struct run *r, struct span text, struct buf *out)
{
    struct span rest = text, plain, token, word, column, width;
    while (span_split(&rest, '{', &plain)) {
        buf_span(out, plain);
        if (!span_split(&rest, '}', &token))
            break;
        (void)span_split(&token, ' ', &word);
        if (span_is(word, "fid")) {
            buf_str(out, r->wide_fids ? "BIGINT" : "INT");
            continue;
        }
        (void)span_split(&token, ' ', &column);
        width = token;
        enum store_backend b = store_backend(r->st);
        if (!r->names_are_bytes)
            buf_printf(out, "VARCHAR(%.*s)", (int)width.len, width.ptr);
        else if (b == STORE_MYSQL)
            buf_printf(out, "VARBINARY(%.*s)", (int)width.len, width.ptr);
        else if (b == STORE_SQLITE)
            buf_str(out, "TEXT");
        else
            buf_printf(out, "BYTEA CHECK (octet_length(%.*s) <= %.*s)", (int)column.len, column.ptr, (int)width.len,
                       width.ptr);
    }
}

/* `is_told`: the original says what it creates, and is silent about what it alters. */
static enum mog_err run_text(const struct run *r, struct span text, const char *what, struct span object, bool is_told)
{
    struct buf full = BUF_ZERO;
    expand(r, text, &full);
    if (r->unsafe_engine) {
        char *engine = strstr(full.data, " ENGINE=InnoDB");
        if (engine != NULL)
            buf_truncate(&full, (size_t)(engine - full.data));
    }
    if (is_told || r->job->dry_run)
        tell(r, false, "Running SQL: ", buf_as_span(&full), ";");
    enum mog_err e = r->job->dry_run ? MOG_OK : store_run_text(r->st, buf_cstr(&full));
    if (e != MOG_OK) {
        struct mog_fail why = r->st->fail;
        e = store_fail(r->st, e, "Failed to %s %.*s: %s", what, (int)object.len, object.ptr, why.text);
    }
    buf_fini(&full);
    return e;
}

static enum mog_err exists(struct store *st, struct span table, bool *is_there)
{
    enum mog_err e = STORE_RUN(st, SQL_SCHEMA_TABLE, sql_text(table));
    *is_there = e == MOG_OK && st->result.n_rows > 0;
    return e;
}

static enum mog_err index_exists(struct store *st, struct span table, struct span index, bool *is_there)
{
    enum mog_err e = STORE_RUN(st, SQL_SCHEMA_INDEX, sql_text(table), sql_text(index));
    *is_there = e == MOG_OK && st->result.n_rows > 0;
    return e;
}

/* `type`: of "table.column", borrowed from the result; ptr NULL when there is no such column. */
static enum mog_err column_type(struct store *st, struct span object, struct span *type)
{
    struct span table = {NULL, 0};
    (void)span_split(&object, '.', &table);
    enum mog_err e = STORE_RUN(st, SQL_SCHEMA_COLUMN, sql_text(table), sql_text(object));
    *type = e == MOG_OK && st->result.n_rows > 0 ? sql_span(&st->result, 0, 0) : span_make(NULL, 0);
    return e;
}

/* ---- engines of MySQL ---- */

#define UNSAFE_HINT                                                                                                    \
    "InnoDB backend is unavailable for use, force creation of tables by setting USE_UNSAFE_MYSQL=1 in your "           \
    "environment and run this command again."

static enum mog_err check_engine_before(const struct run *r)
{
    if (store_backend(r->st) != STORE_MYSQL || r->unsafe_engine)
        return MOG_OK;
    enum mog_err e = STORE_RUN0(r->st, SQL_SCHEMA_ENGINE);
    struct span support = sql_span(&r->st->result, 0, 0);
    if (e == MOG_OK && !span_is(support, "YES") && !span_is(support, "DEFAULT"))
        e = store_fail(r->st, MOG_EUNSUPPORTED, UNSAFE_HINT);
    return e;
}

static enum mog_err check_engine_after(const struct run *r, struct span table, bool is_new)
{
    if (store_backend(r->st) != STORE_MYSQL || r->unsafe_engine || (r->job->dry_run && is_new))
        return MOG_OK;
    enum mog_err e = STORE_RUN(r->st, SQL_SCHEMA_TABLE_ENGINE, sql_text(table));
    if (e != MOG_OK || span_is_nocase(sql_span(&r->st->result, 0, 0), "InnoDB"))
        return e;
    if (is_new)
        return store_fail(r->st, MOG_EUNSUPPORTED,
                          "MySQL didn't change table type to InnoDB as requested.\n\n" UNSAFE_HINT);
    tell(r, true, "WARNING: MySQL table that isn't InnoDB: ", table, "");
    return MOG_OK;
}

/* ---- tables and columns ---- */

static bool wants_table(const struct run *r, const struct part *p)
{
    return !span_is(p->verb, "row-locks") || r->job->with_row_locks;
}

static enum mog_err make_part(const struct run *r, const struct part *p)
{
    bool is_index = span_is(p->verb, "index"), is_there = false;
    if (!wants_table(r, p))
        return MOG_OK;
    enum mog_err e =
        is_index ? index_exists(r->st, p->object, p->argument, &is_there) : exists(r->st, p->object, &is_there);
    if (e == MOG_OK && !is_there && !is_index)
        e = check_engine_before(r);
    if (e == MOG_OK && !is_there)
        e = run_text(r, p->text, is_index ? "create indexes on" : "create table", p->object, true);
    if (e == MOG_OK && !is_index)
        e = check_engine_after(r, p->object, !is_there);
    return e;
}

static enum mog_err make_tables(const struct run *r)
{
    const char *at = find_text(store_backend(r->st), "schema.sql");
    struct part p = {0};
    enum mog_err e = MOG_OK;
    while (e == MOG_OK && next_part(&at, &p))
        e = make_part(r, &p);
    return e;
}

static bool contains(struct span text, struct span word)
{
    return word.len > 0 && text.len >= word.len && memmem(text.ptr, text.len, word.ptr, word.len) != NULL;
}

static enum mog_err alter_tables(const struct run *r)
{
    const char *at = find_text(store_backend(r->st), "alter.sql");
    struct part p = {0};
    struct span type = {NULL, 0}, table = {NULL, 0};
    enum mog_err e = MOG_OK;
    while (e == MOG_OK && next_part(&at, &p)) {
        struct span object = p.object;
        bool is_there;
        (void)span_split(&object, '.', &table);
        e = exists(r->st, table, &is_there);
        if (e != MOG_OK || !is_there) /* a dry run has not made it */
            continue;
        e = column_type(r->st, p.object, &type);
        if (e != MOG_OK)
            break;
        bool is_due = span_is(p.verb, "missing") ? type.ptr == NULL
                      : span_is(p.verb, "lacks") ? type.ptr != NULL && !contains(type, p.argument)
                                                 : type.ptr != NULL && contains(type, p.argument);
        if (is_due)
            e = run_text(r, p.text, "alter", p.object, false);
    }
    return e;
}

/* A set-up that was cut off goes on as it began: the first table that it made tells. */
static enum mog_err look_at_names(struct run *r, bool has_file)
{
    bool has_domain = false;
    struct span type = {NULL, 0};
    enum mog_err e = exists(r->st, span_of("domain"), &has_domain);
    if (e == MOG_OK && has_domain)
        e = column_type(r->st, span_of("domain.namespace"), &type);
    bool is_text = store_backend(r->st) == STORE_SQLITE && span_is(type, "text"); /* how ours says it there */
    r->names_are_bytes =
        has_domain ? span_starts(type, "varbinary") || span_starts(type, "bytea") || is_text : !has_file;
    return e;
}

/* Names are bytes in a schema that is new as a whole; fids are as wide as those that are there. */
static enum mog_err look_around(struct run *r)
{
    bool has_file;
    enum mog_err e = exists(r->st, span_of("file"), &has_file);
    if (e == MOG_OK)
        e = look_at_names(r, has_file);
    r->wide_fids = !has_file;
    const char *size = getenv("MOG_FIDSIZE");
    if (size != NULL && strcmp(size, "big") == 0)
        r->wide_fids = true;
    else if (e == MOG_OK && has_file) {
        struct span type;
        e = column_type(r->st, span_of("file.fid"), &type);
        r->wide_fids = contains(type, span_of("bigint"));
    }
    const char *is_unsafe = getenv("USE_UNSAFE_MYSQL");
    r->unsafe_engine = is_unsafe != NULL && num_perl_true(span_of(is_unsafe));
    return e;
}

static enum mog_err store_version(const struct run *r)
{
    if (r->job->keep_version)
        return MOG_OK;
    if (r->job->dry_run) {
        tell(r, false, "Setting schema_version to 17", span_of(""), "");
        return MOG_OK;
    }
    return store_setting_set_int(r->st, "schema_version", STORE_SCHEMA_VERSION);
}

enum mog_err store_schema_upgrade(struct store *st, const struct store_schema_job *job)
{
    struct run r = {.st = st, .job = job};
    uint32_t version;
    enum mog_err e = store_schema_version(st, &version);
    if (e == MOG_OK && version > STORE_SCHEMA_VERSION)
        return store_fail(st, MOG_ESCHEMA,
                          "Your current schema version is %u, but this version of mogdbsetup only knows up to %d.  "
                          "Aborting to be safe.",
                          (unsigned)version, (int)STORE_SCHEMA_VERSION);
    if (e == MOG_OK)
        e = look_around(&r);
    if (e == MOG_OK)
        e = make_tables(&r);
    if (e == MOG_OK)
        e = alter_tables(&r);
    if (e == MOG_OK)
        e = store_version(&r);
    struct mog_fail why = {0};
    if (e == MOG_OK && (e = st->driver->inspect(st->conn, &why)) != MOG_OK)
        return store_fail(st, e, "%s", why.text);
    return e;
}

enum mog_err store_schema_check_row_locks(struct store *st)
{
    bool is_there;
    enum mog_err e = exists(st, span_of("lock"), &is_there);
    if (e == MOG_OK && !is_there)
        e = store_fail(st, MOG_ENOTFOUND, "the table `lock` does not exist: run mogdbsetup --row-locks");
    return e;
}
