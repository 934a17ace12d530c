/* SPDX-License-Identifier: MIT */
/* The bare database of db_limit: a connection with its prepared statements, rows to work on, and the operations. */
#ifndef MOG_TESTS_BENCH_DB_LIMIT_DB_H
#define MOG_TESTS_BENCH_DB_LIMIT_DB_H

#include "common/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db_opts {
    char *host, *socket, *database, *user, *password, *prefix; /* owned; NULL: the default */
    int64_t port, threads, seconds, rate, keys, domain_id;
};

struct db_key {
    char *bytes;
    unsigned long len;
};

/* Rows that were made before, for operations that use up one each. The ids of a chunk follow each other. */
struct db_stock {
    uint64_t *chunks; /* the first id of each chunk */
    size_t n_chunks;
    atomic_uint_fast64_t used;
    char name[48]; /* of this run: in all keys of the stock */
};

struct db_conn;

struct db {
    const struct db_opts *opts;
    struct db_key *keys; /* of files that exist */
    size_t n_keys;
    struct db_stock stock;
};

enum db_done { DB_DONE, DB_FAILED, DB_NO_MORE };

struct db_mode {
    const char *name;
    /* One operation of a client; `random` chooses the file. MOG_EDB with the server's words in `f` when it failed. */
    enum db_done (*run)(struct db_conn *c, uint64_t random, struct mog_fail *f);
    bool needs_keys;
    enum { DB_NO_STOCK, DB_STOCK_OPEN, DB_STOCK_FILES } stock;
};

/* The mode of this name, or NULL. */
const struct db_mode *db_mode_find(const char *name);
const char *db_mode_names(void);

/* Connect and prepare the statements. One thread at a time uses it. MOG_EDBDOWN, MOG_EDB. */
MOG_MUSTCHECK enum mog_err db_connect(struct db *db, struct db_conn **c, struct mog_fail *f);
void db_close(struct db_conn *c);

/* Read the keys that exist, make more files up to `opts->keys` of them, and what the mode uses up. MOG_EDB. */
MOG_MUSTCHECK enum mog_err db_prepare(struct db *db, struct db_conn *c, const struct db_mode *mode, struct mog_fail *f);
/* Remove what the mode left behind; the files that were made for looking up stay. MOG_EDB. */
MOG_MUSTCHECK enum mog_err db_clean(struct db *db, struct db_conn *c, struct mog_fail *f);
void db_fini(struct db *db);

#endif
