/* SPDX-License-Identifier: MIT */
/* Data source names, as Perl's DBI writes them. */
#include "store/sql.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "common/num.h"

void sql_target_fini(struct sql_target *t)
{
    for (size_t i = 0; i < t->n_hosts; i++)
        free(t->hosts[i]);
    free(t->hosts);
    free(t->database);
    free(t->conninfo);
    free(t->socket);
    free(t->user);
    free(t->password);
    free(t->default_file);
    free(t->default_group);
    free(t->init_command);
    free(t->charset);
    free(t->ssl_ca);
    free(t->ssl_capath);
    free(t->ssl_key);
    free(t->ssl_cert);
    free(t->ssl_cipher);
    *t = (struct sql_target){0};
}

static void set_text(char **field, struct span value)
{
    free(*field);
    *field = span_dup(value);
}

/* ---- MySQL ---- */

enum attr_kind { ATTR_TEXT, ATTR_BOOL, ATTR_SECONDS };

static const struct attr {
    const char *name;
    enum attr_kind kind;
    size_t offset;
} attrs[] = {
    {"mysql_socket", ATTR_TEXT, offsetof(struct sql_target, socket)},
    {"mysql_read_default_file", ATTR_TEXT, offsetof(struct sql_target, default_file)},
    {"mysql_read_default_group", ATTR_TEXT, offsetof(struct sql_target, default_group)},
    {"mysql_init_command", ATTR_TEXT, offsetof(struct sql_target, init_command)},
    {"mysql_ssl_ca_file", ATTR_TEXT, offsetof(struct sql_target, ssl_ca)},
    {"mysql_ssl_ca_path", ATTR_TEXT, offsetof(struct sql_target, ssl_capath)},
    {"mysql_ssl_client_key", ATTR_TEXT, offsetof(struct sql_target, ssl_key)},
    {"mysql_ssl_client_cert", ATTR_TEXT, offsetof(struct sql_target, ssl_cert)},
    {"mysql_ssl_cipher", ATTR_TEXT, offsetof(struct sql_target, ssl_cipher)},
    {"mysql_ssl", ATTR_BOOL, offsetof(struct sql_target, ssl)},
    {"mysql_ssl_optional", ATTR_BOOL, offsetof(struct sql_target, ssl_optional)},
    {"mysql_compression", ATTR_BOOL, offsetof(struct sql_target, compress)},
    {"mysql_connect_timeout", ATTR_SECONDS, offsetof(struct sql_target, connect_timeout_s)},
    {"mysql_read_timeout", ATTR_SECONDS, offsetof(struct sql_target, read_timeout_s)},
    {"mysql_write_timeout", ATTR_SECONDS, offsetof(struct sql_target, write_timeout_s)},
};

static enum mog_err set_port(struct sql_target *t, struct span value, struct mog_fail *f)
{
    uint64_t port;
    if (num_parse_u64(value, 1, 65535, &port) != MOG_OK)
        return fail_set(f, MOG_EINVAL, "the database's port is no number of 1 to 65535: %.*s", (int)value.len,
                        value.ptr);
    t->port = (uint16_t)port;
    return MOG_OK;
}

static void set_hosts(struct sql_target *t, struct span list)
{
    struct span part;
    size_t cap = t->n_hosts;
    while (span_split(&list, ',', &part)) {
        part = span_trim(part);
        if (part.len == 0)
            continue;
        t->hosts = mem_grow(t->hosts, t->n_hosts, &cap, sizeof t->hosts[0]);
        t->hosts[t->n_hosts++] = span_dup(part);
    }
}

static enum mog_err set_attr(struct sql_target *t, struct span name, struct span value, struct mog_fail *f)
{
    if (span_is(name, "database") || span_is(name, "db") || span_is(name, "dbname")) {
        set_text(&t->database, value);
    } else if (span_is(name, "host") || span_is(name, "hostname")) {
        set_hosts(t, value);
    } else if (span_is(name, "port")) {
        return set_port(t, value, f);
    } else if (span_is(name, "mysql_enable_utf8") || span_is(name, "mysql_enable_utf8mb4")) {
        const char *charset = !num_perl_true(value)                ? "latin1"
                              : span_is(name, "mysql_enable_utf8") ? "utf8"
                                                                   : "utf8mb4";
        set_text(&t->charset, span_of(charset));
    } else if (span_is(name, "mysql_ssl_verify_server_cert")) {
        t->ssl_verify = num_perl_true(value);
        t->has_ssl_verify = true;
    } else {
        for (size_t i = 0; i < sizeof attrs / sizeof attrs[0]; i++) {
            void *field = (char *)t + attrs[i].offset;
            if (!span_is(name, attrs[i].name))
                continue;
            if (attrs[i].kind == ATTR_TEXT)
                set_text(field, value);
            else if (attrs[i].kind == ATTR_BOOL)
                *(bool *)field = num_perl_true(value);
            else if (num_perl_int(value) > 0 && num_perl_int(value) <= 86400)
                *(unsigned *)field = (unsigned)num_perl_int(value);
        }
    }
    return MOG_OK; /* what is unknown is ignored, as the original does */
}

/* Cut the next item off; brackets protect what is inside, and go. */
static bool next_item(struct span *rest, struct buf *item)
{
    bool in_brackets = false;
    buf_reset(item);
    if (rest->ptr == NULL)
        return false;
    size_t i = 0;
    for (; i < rest->len; i++) {
        char c = rest->ptr[i];
        if ((c == ':' || c == ';') && !in_brackets)
            break;
        if (c == '[' || c == ']')
            in_brackets = c == '[';
        else
            buf_char(item, c);
    }
    *rest = i < rest->len ? span_make(rest->ptr + i + 1, rest->len - i - 1) : span_make(NULL, 0);
    return true;
}

static enum mog_err parse_mysql(struct sql_target *t, struct span rest, struct mog_fail *f)
{
    struct buf item = BUF_ZERO;
    enum mog_err e = MOG_OK;
    while (e == MOG_OK && next_item(&rest, &item)) {
        struct span text = buf_as_span(&item);
        const char *equals = text.len == 0 ? NULL : memchr(text.ptr, '=', text.len);
        if (equals != NULL)
            e = set_attr(t, span_make(text.ptr, (size_t)(equals - text.ptr)),
                         span_make(equals + 1, text.len - (size_t)(equals - text.ptr) - 1), f);
        else if (text.len == 0)
            continue;
        else if (t->database == NULL)
            set_text(&t->database, text);
        else if (t->n_hosts == 0)
            set_hosts(t, text);
        else if (t->port == 0)
            e = set_port(t, text, f);
    }
    buf_fini(&item);
    if (e == MOG_OK && t->database == NULL)
        t->database = mem_strdup("mogilefs");
    return e;
}

/* ---- the others ---- */

static enum mog_err parse_sqlite(struct sql_target *t, struct span rest, struct mog_fail *f)
{
    struct span part;
    if (rest.len == 0 || memchr(rest.ptr, '=', rest.len) == NULL) {
        set_text(&t->database, rest);
        rest.ptr = NULL;
    }
    while (rest.ptr != NULL && span_split(&rest, ';', &part)) {
        struct span name;
        if (!span_split(&part, '=', &name) || part.ptr == NULL)
            continue;
        if (span_is(name, "dbname") || span_is(name, "db") || span_is(name, "database") || span_is(name, "uri")) {
            set_text(&t->database, part);
            t->is_uri = span_is(name, "uri");
        }
    }
    if (t->database == NULL || t->database[0] == '\0')
        return fail_set(f, MOG_EINVAL, "the SQLite database has no path");
    return MOG_OK;
}

static enum mog_err parse_pgsql(struct sql_target *t, struct span rest)
{
    struct buf info = BUF_ZERO;
    struct span part;
    while (span_split(&rest, ';', &part)) {
        part = span_trim(part);
        if (part.len == 0)
            continue;
        if (info.len > 0)
            buf_char(&info, ' ');
        const char *alias = span_starts(part, "db=") ? "db=" : span_starts(part, "database=") ? "database=" : NULL;
        if (alias != NULL) {
            buf_str(&info, "dbname=");
            part = span_make(part.ptr + strlen(alias), part.len - strlen(alias));
        }
        buf_span(&info, part);
    }
    t->conninfo = mem_strdup(buf_cstr(&info));
    buf_fini(&info);
    return MOG_OK;
}

enum mog_err sql_target_parse(struct sql_target *t, const char *dsn, const char *user, const char *password,
                              struct mog_fail *f)
{
    static const struct {
        const char *prefix;
        enum store_backend backend;
    } types[] = {{"DBI:mysql:", STORE_MYSQL}, {"DBI:SQLite:", STORE_SQLITE}, {"DBI:Pg:", STORE_PGSQL}};
    *t = (struct sql_target){0};
    t->user = mem_strdup(user == NULL ? "" : user);
    t->password = mem_strdup(password == NULL ? "" : password);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t len = strlen(types[i].prefix);
        if (strncasecmp(dsn, types[i].prefix, len) != 0)
            continue;
        t->backend = types[i].backend;
        struct span rest = span_of(dsn + len);
        switch (t->backend) {
        case STORE_MYSQL:
            return parse_mysql(t, rest, f);
        case STORE_SQLITE:
            return parse_sqlite(t, rest, f);
        case STORE_PGSQL:
            return parse_pgsql(t, rest);
        }
    }
    return fail_set(f, MOG_EINVAL, "Unknown database type: %s", dsn);
}
