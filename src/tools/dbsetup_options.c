/* SPDX-License-Identifier: MIT */
/* The command line of mogdbsetup. */
#include "tools/dbsetup.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/daemon.h"
#include "common/mem.h"
#include "common/opt.h"

#define STRING(name, may_be_empty)                                                                                     \
    {                                                                                                                  \
        .cli = #name, .type = OPT_STRING, .flags = OPT_CLI | ((may_be_empty) ? OPT_MAY_BE_EMPTY : 0),                  \
        .offset = offsetof(struct dbsetup, name)                                                                       \
    }
#define FLAG(text, field)                                                                                              \
    {                                                                                                                  \
        .cli = (text), .type = OPT_FLAG, .flags = OPT_CLI, .offset = offsetof(struct dbsetup, field)                   \
    }

static const struct opt_row rows[] = {
    FLAG("verbose", verbose),     FLAG("yes", yes),          FLAG("noschemabump", noschemabump),
    FLAG("help", help),           FLAG("dry-run", dry_run),  FLAG("check", check),
    FLAG("row-locks", row_locks), STRING(dbhost, false),     STRING(dbport, false),
    STRING(dbname, false),        STRING(dbrootuser, false), STRING(dbrootpassword, true),
    STRING(dbuser, false),        STRING(dbpassword, true),  STRING(type, false),
    STRING(plugins, false),       STRING(backup, false),
};

static const struct opt_spec spec = {
    .program = "mogdbsetup", .rows = rows, .n_rows = sizeof rows / sizeof rows[0], .single_dash_long = true};

void dbsetup_options_usage(void)
{
    static const char *const lines[][3] = {
        {"--verbose", "off", "say what is done"},
        {"--dbhost=", "localhost", "host (or hosts, with commas) of the database"},
        {"--dbport=", "the type's own", "its port"},
        {"--dbname=", "mogilefs", "database; with SQLite the file's path"},
        {"--dbrootuser=", "root, postgres", "administrator; only needed to create"},
        {"--dbrootpass=", "(empty)", "the administrator's password"},
        {"--dbuser=", "mogile", "account of the trackers"},
        {"--dbpass=", "(empty)", "its password"},
        {"--type=", "MySQL", "MySQL, Postgres or SQLite"},
        {"--yes", "off", "answer every question with yes"},
        {"--check", "off", "only say whether the schema is complete; exit status 1 if not"},
        {"--dry-run", "off", "only show the statements that would run"},
        {"--backup=", "", "SQLite: copy the database, which may be in use, to this new file"},
        {"--row-locks", "off", "MySQL: also make the table for db_row_locks (Galera, group replication)"},
    };
    fputs("Usage: mogdbsetup [opts]\n\nOptions:\n\n       Option         Default           Description\n"
          "       ============== ================= ==========================================\n",
          stderr);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        fprintf(stderr, "       %-14s %-17s %s\n", lines[i][0], lines[i][1], lines[i][2]);
    fputc('\n', stderr);
}

static void set_default(char **field, const char *value)
{
    if (*field == NULL)
        *field = mem_strdup(value);
}

static enum mog_err find_type(struct dbsetup *d)
{
    static const struct {
        const char *name;
        enum store_backend backend;
    } types[] = {{"MySQL", STORE_MYSQL}, {"Postgres", STORE_PGSQL}, {"SQLite", STORE_SQLITE}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(d->type, types[i].name) == 0) {
            d->backend = types[i].backend;
            return MOG_OK;
        }
    }
    dbsetup_ask_complain("Failed to load MogileFS::Store::%s: the types are MySQL, Postgres and SQLite", d->type);
    return MOG_EUSAGE;
}

/* A name goes into a DSN, whose separators it cannot contain. */
static enum mog_err check_words(const struct dbsetup *d)
{
    const char *bad = d->backend == STORE_PGSQL ? ";'\\ " : ";:=[]";
    if (d->backend != STORE_SQLITE && d->dbname[strcspn(d->dbname, bad)] != '\0') {
        dbsetup_ask_complain("The name of the database cannot contain any of %s", bad);
        return MOG_EUSAGE;
    }
    if (d->dbhost[strcspn(d->dbhost, "; '\\")] != '\0' ||
        (d->dbport != NULL && strspn(d->dbport, "0123456789") != strlen(d->dbport))) {
        dbsetup_ask_complain("Not a host and port: %s %s", d->dbhost, d->dbport == NULL ? "" : d->dbport);
        return MOG_EUSAGE;
    }
    return MOG_OK;
}

enum mog_err dbsetup_options_parse(struct dbsetup *d, int argc, char **argv)
{
    struct mog_fail f = {0};
    *d = (struct dbsetup){0};
    if (opt_parse_argv(&spec, argc, argv, d, NULL, NULL, &f) != MOG_OK) {
        dbsetup_ask_complain("%s\n", f.text);
        dbsetup_options_usage();
        return MOG_EUSAGE;
    }
    daemon_hide(argc, argv, d->dbpassword);
    daemon_hide(argc, argv, d->dbrootpassword);
    if (d->help) {
        dbsetup_options_usage();
        return MOG_EUSAGE;
    }
    set_default(&d->type, "MySQL");
    enum mog_err e = find_type(d);
    if (e != MOG_OK)
        return e;
    set_default(&d->dbhost, "localhost");
    set_default(&d->dbname, "mogilefs");
    set_default(&d->dbrootuser, d->backend == STORE_PGSQL ? "postgres" : "root");
    set_default(&d->dbrootpassword, "");
    set_default(&d->dbuser, "mogile");
    set_default(&d->dbpassword, "");
    if (d->plugins != NULL && d->plugins[0] != '\0') {
        dbsetup_ask_complain("Failed to load plugin %s: plugins in Perl cannot be used", d->plugins);
        return MOG_EUSAGE;
    }
    return check_words(d);
}

void dbsetup_options_fini(struct dbsetup *d)
{
    opt_fini(&spec, d);
}
