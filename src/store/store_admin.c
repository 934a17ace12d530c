/* SPDX-License-Identifier: MIT */
/* Databases and accounts. Names stand in these statements themselves, so they are quoted here and in no table. */
#include "store/store_admin.h"

#include "store/store_run.h"

/* Append `text` between two `quote`s, which are doubled inside; a backslash is doubled where it escapes. */
static void quoted(struct buf *out, char quote, const char *text, bool backslash_escapes)
{
    buf_char(out, quote);
    for (; *text != '\0'; text++) {
        if (*text == quote || (*text == '\\' && backslash_escapes))
            buf_char(out, *text);
        buf_char(out, *text);
    }
    buf_char(out, quote);
}

static enum mog_err run_and_free(struct store *st, struct buf *text)
{
    enum mog_err e = store_run_text(st, buf_cstr(text));
    buf_fini(text);
    return e;
}

/* ---- MySQL ---- */

static enum mog_err mysql_create(struct store *st, const char *database)
{
    struct buf b = BUF_ZERO;
    buf_str(&b, "CREATE DATABASE IF NOT EXISTS ");
    quoted(&b, '`', database, false);
    return run_and_free(st, &b);
}

static void mysql_account(struct buf *b, const char *user, const char *host)
{
    quoted(b, '\'', user, true);
    buf_char(b, '@');
    quoted(b, '\'', host, true);
}

/* In a grant, the name of a database is a pattern. */
static void mysql_pattern(struct buf *b, const char *database)
{
    buf_char(b, '`');
    for (; *database != '\0'; database++) {
        if (*database == '_' || *database == '%' || *database == '\\')
            buf_char(b, '\\');
        if (*database == '`')
            buf_char(b, '`');
        buf_char(b, *database);
    }
    buf_char(b, '`');
}

static enum mog_err mysql_user(struct store *st, const char *user, const char *password, const char *host)
{
    static const char *const verbs[] = {"CREATE USER IF NOT EXISTS ", "ALTER USER "};
    enum mog_err e = MOG_OK;
    for (int i = 0; e == MOG_OK && i < (password[0] == '\0' ? 1 : 2); i++) {
        struct buf b = BUF_ZERO;
        buf_str(&b, verbs[i]);
        mysql_account(&b, user, host);
        buf_str(&b, " IDENTIFIED BY ");
        quoted(&b, '\'', password, true);
        e = run_and_free(st, &b);
    }
    return e;
}

static enum mog_err mysql_grant(struct store *st, const char *database, const char *user, const char *host)
{
    struct buf b = BUF_ZERO;
    buf_str(&b, "GRANT ALL PRIVILEGES ON ");
    mysql_pattern(&b, database);
    buf_str(&b, ".* TO ");
    mysql_account(&b, user, host);
    return run_and_free(st, &b);
}

/* ---- PostgreSQL ---- */

static enum mog_err pgsql_create(struct store *st, const char *database)
{
    struct buf b = BUF_ZERO;
    buf_str(&b, "CREATE DATABASE ");
    quoted(&b, '"', database, false);
    buf_str(&b, " TEMPLATE template0 ENCODING 'UTF-8'");
    enum mog_err e = run_and_free(st, &b);
    return e == MOG_EEXISTS ? MOG_OK : e;
}

static enum mog_err pgsql_user(struct store *st, const char *user, const char *password)
{
    struct buf b = BUF_ZERO;
    buf_str(&b, "CREATE ROLE ");
    quoted(&b, '"', user, false);
    buf_str(&b, " LOGIN PASSWORD ");
    quoted(&b, '\'', password, false); /* with standard_conforming_strings, the default since 9.1 */
    enum mog_err e = run_and_free(st, &b);
    return e == MOG_EEXISTS ? MOG_OK : e;
}

static enum mog_err pgsql_grant(struct store *st, const char *database, const char *user)
{
    struct buf b = BUF_ZERO;
    buf_str(&b, "ALTER DATABASE ");
    quoted(&b, '"', database, false);
    buf_str(&b, " OWNER TO ");
    quoted(&b, '"', user, false);
    return run_and_free(st, &b);
}

/* ---- both ---- */

enum mog_err store_admin_create_database(struct store *st, const char *database)
{
    switch (store_backend(st)) {
    case STORE_SQLITE:
        return MOG_OK;
    case STORE_MYSQL:
        return mysql_create(st, database);
    case STORE_PGSQL:
        return pgsql_create(st, database);
    }
    return MOG_EINVAL;
}

enum mog_err store_admin_create_user(struct store *st, const char *user, const char *password)
{
    enum mog_err e;
    switch (store_backend(st)) {
    case STORE_SQLITE:
        return MOG_OK;
    case STORE_MYSQL:
        e = mysql_user(st, user, password, "%");
        return e == MOG_OK ? mysql_user(st, user, password, "localhost") : e;
    case STORE_PGSQL:
        return pgsql_user(st, user, password);
    }
    return MOG_EINVAL;
}

enum mog_err store_admin_grant(struct store *st, const char *database, const char *user)
{
    enum mog_err e;
    switch (store_backend(st)) {
    case STORE_SQLITE:
        return MOG_OK;
    case STORE_MYSQL:
        e = mysql_grant(st, database, user, "%");
        return e == MOG_OK ? mysql_grant(st, database, user, "localhost") : e;
    case STORE_PGSQL:
        return pgsql_grant(st, database, user);
    }
    return MOG_EINVAL;
}
