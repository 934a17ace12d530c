/* SPDX-License-Identifier: MIT */
/* Options from a table: one row says the command-line spelling, the configuration key, type, bounds and place. */
#ifndef MOG_COMMON_OPT_H
#define MOG_COMMON_OPT_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_type {
    OPT_FLAG,   /* bool; on the command line without a value. In a file: on/off, yes/no, true/false, 1/0 */
    OPT_COUNT,  /* int; each occurrence adds one. In a file: a number */
    OPT_INT,    /* int64_t, bounds checked */
    OPT_STRING, /* char *, owned (mem_strdup) */
    OPT_LIST,   /* struct opt_list; command line: one entry an occurrence; file: split at commas */
    OPT_IGNORE, /* accepted with its value, not used */
    OPT_IGNORE_FLAG,
};

struct opt_list {
    char **items;
    size_t n, cap;
};

enum opt_flags {
    OPT_CLI = 1,          /* may stand on the command line */
    OPT_FILE = 2,         /* may stand in the configuration file */
    OPT_NEGATABLE = 4,    /* --noX and --no-X too */
    OPT_MAY_BE_EMPTY = 8, /* a string may be empty, and its value may be missing */
    OPT_RELOAD = 16,      /* a change takes effect on HUP; else the change is named in the log */
    OPT_SECRET = 32,      /* its value is never shown */
    OPT_VALUE_TOO = 64,   /* a flag that takes the next argument for its value when that is one */
};

struct opt_row {
    const char *cli; /* long name without dashes; NULL: none */
    char letter;     /* short name; 0: none */
    const char *key; /* name in the file; NULL: none */
    enum opt_type type;
    unsigned flags;
    size_t offset; /* of the field in the options struct */
    int64_t min, max;
    const char *help;
    /*
     * Whether a string, or one item of a list, means anything: MOG_EINVAL with what is allowed in its place. NULL: all
     * do. Asked while it is still known where the value stands, so that the error can name file and line.
     */
    enum mog_err (*check)(const char *value, struct mog_fail *f);
};

/* How a classic configuration file is read. */
enum opt_grammar {
    OPT_GRAMMAR_TRACKER, /* "key = v", white space before '='; '=' optional; no comments behind values */
    OPT_GRAMMAR_STORED,  /* "key = v", '#' begins a comment anywhere; a flag may stand alone */
};

struct opt_spec {
    const char *program;
    const struct opt_row *rows;
    size_t n_rows;
    enum opt_grammar grammar;
    bool single_dash_long; /* -httplisten=... is accepted too */
    bool unknown_keys_ok;  /* an unknown key in a file is a warning, not an error */
};

/*
 * Read the command line into `opts` (the struct that the rows' offsets refer to). Long names: any unambiguous prefix,
 * any case. Arguments that are no options are appended to `rest` when it is not NULL, else refused. `seen` (n_rows
 * bools, may be NULL) is told which rows were set. MOG_EUSAGE with a clear text.
 */
MOG_MUSTCHECK enum mog_err opt_parse_argv(const struct opt_spec *spec, int argc, char **argv, void *opts, bool *seen,
                                          struct opt_list *rest, struct mog_fail *f);

/*
 * Read a configuration file; a path ending in .yaml or .yml is YAML with the same keys, else the classic form.
 * Rows set in `skip` (may be NULL) keep their value: the command line wins.
 * Errors name file, line, key and what is allowed. MOG_EIO: cannot be opened. MOG_ESYNTAX, MOG_ERANGE, MOG_EINVAL.
 */
MOG_MUSTCHECK enum mog_err opt_parse_file(const struct opt_spec *spec, const char *path, void *opts, const bool *skip,
                                          struct mog_fail *f);

/* Set one row from text, as a file would. For environment variables and tests. */
MOG_MUSTCHECK enum mog_err opt_set(const struct opt_row *row, void *opts, const char *value, struct mog_fail *f);

/* Print "  --name=ARG   help" lines for all command-line rows to standard output. */
void opt_print_help(const struct opt_spec *spec);

/* Free the strings and lists of `opts`. */
void opt_fini(const struct opt_spec *spec, void *opts);

void opt_list_add(struct opt_list *l, const char *item); /* copies */
void opt_list_fini(struct opt_list *l);

#endif
