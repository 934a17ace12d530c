/* SPDX-License-Identifier: MIT */
/* Options of the tools: command line in the original's spelling, configuration files, and which of them wins. */
#ifndef MOG_TOOLS_TOOLOPT_H
#define MOG_TOOLS_TOOLOPT_H

#include "common/err.h"
#include "common/opt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum toolopt_type {
    TOOLOPT_FLAG,
    TOOLOPT_NEGATABLE, /* --x and --nox, --no-x */
    TOOLOPT_STRING,    /* may be empty */
    TOOLOPT_INT,       /* with an optional sign */
};

/* One option; tables end with a row whose name is NULL. */
struct toolopt_def {
    const char *name;
    char letter; /* 0: none */
    enum toolopt_type type;
    const char *help;
};

enum toolopt_flags {
    TOOLOPT_STOP_AT_WORD = 1, /* the first word that is no known option ends parsing, and it and the rest stay */
    TOOLOPT_SKIP_UNKNOWN = 2, /* unknown options are left out silently */
};

struct toolopt_value {
    char *name, *value;
    bool given; /* on the command line */
};

/* All settings of a run, from wherever they came. */
struct toolopt {
    struct toolopt_value *values;
    size_t n, cap;
};

#define TOOLOPT_ZERO                                                                                                   \
    {                                                                                                                  \
        NULL, 0, 0                                                                                                     \
    }

void toolopt_fini(struct toolopt *o);

/*
 * Read argv[0..argc-1] (no program name in it). `tables`: arrays of rows, ended by NULL. Long names in any case and any
 * unambiguous prefix, with one dash or two, value behind '=' or as the next word; "--" ends options. Words that are no
 * options are appended to `rest`. MOG_EUSAGE, with the text that the user is to see, for what does not fit.
 */
MOG_MUSTCHECK enum mog_err toolopt_parse(struct toolopt *o, const struct toolopt_def *const *tables, int argc,
                                         char **argv, unsigned flags, struct opt_list *rest, struct mog_fail *f);

/* Where '#' begins a comment in a file. */
enum toolopt_comment { TOOLOPT_HASH_ANYWHERE, TOOLOPT_HASH_AFTER_BLANK };

/*
 * Add the settings of the file `path` that are not set yet ("name = value" lines, the first one of a name counts; other
 * lines are ignored). `*missing` (may be NULL) is set when there is no such file, which is no error.
 * MOG_EIO: "unable to open FILE: REASON".
 */
MOG_MUSTCHECK enum mog_err toolopt_read_file(struct toolopt *o, const char *path, enum toolopt_comment comment,
                                             bool *missing, struct mog_fail *f);

/* The same from memory. */
void toolopt_read_text(struct toolopt *o, const char *text, size_t len, enum toolopt_comment comment);

/* Which files a tool reads. */
enum toolopt_family {
    TOOLOPT_ADMIN,  /* --config; ~/.mogilefs.conf; /etc/mogilefs/mogilefs.conf */
    TOOLOPT_CLIENT, /* --conf; $MOGUTILSCONF; the same two */
    TOOLOPT_STATS,  /* as TOOLOPT_ADMIN, but values may hold '#' */
    TOOLOPT_BIG,    /* --config; ~/.mogtool; /etc/mogilefs/mogtool.conf; then as TOOLOPT_ADMIN */
};

/* Read the family's files: what is set already wins, then the file named by the option, the user's, the system's. */
MOG_MUSTCHECK enum mog_err toolopt_read_config(struct toolopt *o, enum toolopt_family family, struct mog_fail *f);

/* The value of `name`, or NULL. Valid until the next change. */
const char *toolopt_str(const struct toolopt *o, const char *name);
/* The same, and NULL for an empty value too. */
const char *toolopt_text(const struct toolopt *o, const char *name);
/* True as the original's: set, and neither "" nor "0". */
bool toolopt_flag(const struct toolopt *o, const char *name);
/* Set on the command line. */
bool toolopt_given(const struct toolopt *o, const char *name);
/* A number in [min, max]; `fallback` when not set. MOG_EUSAGE. */
MOG_MUSTCHECK enum mog_err toolopt_int(const struct toolopt *o, const char *name, int64_t min, int64_t max,
                                       int64_t fallback, int64_t *out, struct mog_fail *f);
/* Set (copied), replacing what was there. */
void toolopt_set(struct toolopt *o, const char *name, const char *value, bool given);

#endif
