/* SPDX-License-Identifier: MIT */
/* What a database driver does: one connection that runs prepared statements by id. Only the store uses it. */
#ifndef MOG_STORE_SQL_H
#define MOG_STORE_SQL_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sql_stmt {
#define X(id, kind, purpose) SQL_##id,
#include "store/sql_stmt.def"
#undef X
    SQL_STMTS
};

enum sql_kind { SQL_KIND_READ, SQL_KIND_WRITE, SQL_KIND_CONTROL };

extern const enum sql_kind sql_kind[SQL_STMTS];
extern const char *const sql_name[SQL_STMTS];

/*
 * Statement texts, one table per driver. '?' is a parameter. A part in braces is repeated, with commas between, once
 * per row of the call: "WHERE fid IN ({?})", "VALUES {(?, ?)}". NULL: this driver does not have the statement.
 */
extern const char *const sql_text_sqlite[SQL_STMTS];
extern const char *const sql_text_mysql[SQL_STMTS];
extern const char *const sql_text_pgsql[SQL_STMTS];

/*
 * A statement with braces is prepared for one of these numbers of rows. Few of them have all, so that a connection
 * makes room for the sizes of a statement when it first runs it.
 */
enum { SQL_SIZES = 13 };
extern const size_t sql_size[SQL_SIZES]; /* ascending; 1, 20 and 100 are among them */

/* Append `text` with its braced part written `rows` times; '?' becomes $1, $2 ... with `dollar`. */
void sql_expand(struct buf *out, const char *text, size_t rows, bool dollar);

enum sql_value_kind { SQL_NULL, SQL_INT, SQL_TEXT, SQL_NAME, SQL_BLOB };

/* A parameter or a cell of a result. */
struct sql_value {
    enum sql_value_kind kind;
    int64_t i;        /* SQL_INT */
    struct span text; /* the others; SQL_NAME is bytes for a column of names, whose type varies */
};

/*
 * Append a statement with its braced part written `rows` times and the values in place of '?'. False: a value is of a
 * kind that does not go into a text (only numbers, NULL, blobs, and texts of letters, digits and ":_.-" do).
 */
bool sql_inline(struct buf *out, const char *text, size_t rows, const struct sql_value *args, size_t n_args);

/* All rows of one statement, in memory. Zero before the first use; sql_result_free() empties it. */
struct sql_result {
    size_t n_cols, n_rows;
    struct sql_value *cells;
    size_t n_cells, cap_cells;
    struct buf bytes;   /* behind the texts: until sql_result_finish(), text.ptr is an offset */
    uint64_t affected;  /* rows matched (UPDATE) or changed */
    uint64_t insert_id; /* of an automatic number; 0: none */
};

void sql_result_reset(struct sql_result *r); /* empties, keeps the memory */
void sql_result_free(struct sql_result *r);
/* For drivers: add a cell; then once, when all are there, resolve the texts. */
void sql_result_add_int(struct sql_result *r, int64_t i);
void sql_result_add_bytes(struct sql_result *r, const void *data, size_t len);
void sql_result_add_null(struct sql_result *r);
void sql_result_finish(struct sql_result *r, size_t n_cols);

/* Cells. NULL and text that is no number read as 0; NULL reads as an empty span. Out of range: clamped to the type. */
const struct sql_value *sql_cell(const struct sql_result *r, size_t row, size_t col);
bool sql_is_null(const struct sql_result *r, size_t row, size_t col);
int64_t sql_i64(const struct sql_result *r, size_t row, size_t col);
uint64_t sql_u64(const struct sql_result *r, size_t row, size_t col);
uint32_t sql_u32(const struct sql_result *r, size_t row, size_t col);
struct span sql_span(const struct sql_result *r, size_t row, size_t col);

/* A parsed DSN. */
struct sql_target {
    enum store_backend backend;
    char *database; /* MySQL: name; SQLite: path */
    char *conninfo; /* PostgreSQL: connection string */
    bool is_uri;    /* SQLite: `database` is a file: URI */
    char **hosts;   /* MySQL: tried in this order; none: the local socket */
    size_t n_hosts;
    uint16_t port; /* 0: the default */
    char *socket;
    char *user, *password;
    char *default_file, *default_group, *init_command, *charset;
    char *ssl_ca, *ssl_capath, *ssl_key, *ssl_cert, *ssl_cipher;
    bool ssl, ssl_optional, ssl_verify, compress;
    bool has_ssl_verify;
    unsigned connect_timeout_s, read_timeout_s, write_timeout_s; /* 0: by the handle */
};

/* Parse `dsn`. MOG_EINVAL. */
MOG_MUSTCHECK enum mog_err sql_target_parse(struct sql_target *t, const char *dsn, const char *user,
                                            const char *password, struct mog_fail *f);
void sql_target_fini(struct sql_target *t);

struct sql_limits {
    unsigned connect_s;
    unsigned statement_s; /* 0: none */
    bool many_nodes;      /* MySQL: the server is a node of a cluster; see what was committed at the others */
    bool nowait;          /* drivers with `can_nowait`: after open(), whatever would wait is MOG_EAGAIN */
    bool must_exist;      /* SQLite: do not make the file */
};

/* One of several statements that are sent together. */
struct sql_call {
    enum sql_stmt id;
    size_t rows; /* what the braced part is written for */
    const struct sql_value *args;
    size_t n_args;
    /* Results: */
    struct sql_result *r; /* where its rows go; NULL: nowhere */
    uint64_t affected;
    bool done;
};

/* A connection. Drivers embed it as their first member. */
struct sql_conn {
    bool is_dead;         /* closed by the other end, or in an unknown state: only close() is left */
    bool was_refused;     /* with is_dead: the statement that found it so certainly had no effect */
    bool names_are_bytes; /* found out at open and by inspect() */
    bool names_are_utf8;  /* they are text, and its width is in characters of several bytes */
    bool can_return;      /* INSERT ... RETURNING works */
    char *flush_path;     /* a commit is on disk when this file was synced after it; NULL: commit() sees to that */
};

struct sql_driver {
    const char *const *texts;
    bool one_writer; /* writers of one process wait for each other before they ask the database */
    bool can_nowait; /* some databases can be read without waiting; open() says MOG_EUNSUPPORTED of the others */
    MOG_MUSTCHECK enum mog_err (*open)(const struct sql_target *t, const struct sql_limits *l, struct sql_conn **c,
                                       struct mog_fail *f);
    void (*close)(struct sql_conn *c);
    /* False when the other end has closed it; no round trip. */
    bool (*is_alive)(struct sql_conn *c);
    /* Look at the type of the name columns again (after the schema was made). */
    MOG_MUSTCHECK enum mog_err (*inspect)(struct sql_conn *c, struct mog_fail *f);
    /* Have the database look at a statement of the table, whose parameters must number `n_args`; run() does so itself.
     */
    MOG_MUSTCHECK enum mog_err (*prepare)(struct sql_conn *c, enum sql_stmt id, size_t size, size_t n_args,
                                          struct mog_fail *f);
    /*
     * Run a statement of the table with all its parameters. `rows`: what the braced part is written for.
     * Errors as store.h has them; MOG_ESCHEMA: a table or column does not exist.
     */
    MOG_MUSTCHECK enum mog_err (*run)(struct sql_conn *c, enum sql_stmt id, size_t size, const struct sql_value *args,
                                      size_t n_args, struct sql_result *r, struct mog_fail *f);
    /*
     * Run statements one after the other in one round trip, up to the first that fails; a transaction that is open then
     * is rolled back. Values must be such as sql_inline() takes. NULL: this driver cannot.
     */
    MOG_MUSTCHECK enum mog_err (*run_calls)(struct sql_conn *c, struct sql_call *calls, size_t n, struct mog_fail *f);
    /* Run a text that is in no table (the schema's). */
    MOG_MUSTCHECK enum mog_err (*run_text)(struct sql_conn *c, const char *text, struct sql_result *r,
                                           struct mog_fail *f);
};

extern const struct sql_driver sql_driver_sqlite;
extern const struct sql_driver sql_driver_mysql;
extern const struct sql_driver sql_driver_pgsql;
const struct sql_driver *sql_driver_of(enum store_backend b);

#endif
