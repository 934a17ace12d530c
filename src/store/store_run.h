/* SPDX-License-Identifier: MIT */
/* Inside of the store: how an operation runs its statements. */
#ifndef MOG_STORE_STORE_RUN_H
#define MOG_STORE_STORE_RUN_H

#include "store/sql.h"
#include "store/store.h"
#include "store/store_flush.h"
#include "store/store_row.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/clock.h"

enum { STORE_TRIES = 3, STORE_DEADLOCK_TRIES = 10 };

struct store_slave_list; /* store_slave.c */
struct store_slaves_of;

/* 1: `held` and `n_held` are guarded by `mutex`. 2: `slaves` too. 3: the rest is set before threads start, or atomic.
 */
struct store_env {
    struct sql_target target;
    const struct sql_driver *driver;
    char *hostname;
    bool row_locks, must_exist;
    int64_t lock_renew_ms;
    atomic_bool alive;
    atomic_bool has_connected; /* once: what is not there later was there */
    _Atomic uint64_t min_fid;
    pthread_mutex_t writer; /* held by the one that writes, when the driver has one_writer */
    struct store_flush flush;
    pthread_mutex_t mutex;
    uint32_t *held; /* ids of locks that are rows and belong to a handle of this process */
    size_t n_held, cap_held;
    struct store_slave_list *slaves;
    struct store_metrics metrics;
};

struct store {
    struct store_env *env;
    const struct sql_driver *driver;
    struct sql_conn *conn;
    enum store_patience patience;
    bool probing;
    bool nowait;           /* connects in store_nowait_connect() alone, and reads only what is in memory */
    bool nowait_is_over;   /* that cannot be done with this database */
    bool unit_has_written; /* since store_validate(): a lost connection is not papered over any more */
    bool was_refused;      /* the latest statement lost its connection, and certainly had no effect */
    bool commit_is_open;   /* the latest transaction lost its connection while it committed: nobody knows */
    bool has_writer;       /* env->writer is ours */
    unsigned tx_depth;
    bool tx_is_doomed;
    char *lock_name; /* NULL: none held */
    uint32_t lock_id;
    int64_t lock_renewed_ms; /* monotonic */
    uint64_t statements, connects;
    uint32_t random; /* state of store_random() */
    struct mog_fail fail;
    struct sql_result result; /* of the latest statement */
    struct store_slaves_of *slaves;
};

/* Values for arguments. */
#define SQL_ARG_NULL                                                                                                   \
    (struct sql_value)                                                                                                 \
    {                                                                                                                  \
        .kind = SQL_NULL                                                                                               \
    }
static inline struct sql_value sql_int(uint64_t i)
{
    return (struct sql_value){.kind = SQL_INT, .i = (int64_t)i};
}
static inline struct sql_value sql_int_or_null(uint64_t i)
{
    return i == 0 ? SQL_ARG_NULL : sql_int(i);
}
static inline struct sql_value sql_text(struct span s)
{
    return (struct sql_value){.kind = SQL_TEXT, .text = s};
}
static inline struct sql_value sql_str(const char *s)
{
    return s == NULL ? SQL_ARG_NULL : sql_text(span_of(s));
}
static inline struct sql_value sql_name_of(struct span s)
{
    return (struct sql_value){.kind = SQL_NAME, .text = s};
}
static inline struct sql_value sql_blob(const void *data, size_t len)
{
    return (struct sql_value){.kind = SQL_BLOB, .text = {data, len}};
}

/*
 * Run one statement on the master; the rows are in st->result until the next one. Connects when needed; a deadlock of
 * a statement that is no part of a transaction is tried again. `...` are struct sql_value.
 */
MOG_MUSTCHECK enum mog_err store_run(struct store *st, enum sql_stmt id, const struct sql_value *args, size_t n_args);
/* The same for a statement with braces, in its form of sql_size[size] rows. */
MOG_MUSTCHECK enum mog_err store_run_sized(struct store *st, enum sql_stmt id, size_t size,
                                           const struct sql_value *args, size_t n_args);
/* The smallest `size` with places for n rows, or the largest there is. */
size_t store_size_for(size_t n);
#define STORE_RUN(st, id, ...)                                                                                         \
    store_run(st, id, (const struct sql_value[]){__VA_ARGS__},                                                         \
              sizeof((const struct sql_value[]){__VA_ARGS__}) / sizeof(struct sql_value))
#define STORE_RUN0(st, id) store_run(st, id, NULL, 0)

/* Run a text that is in no table of statements: of the schema, of accounts. Not repeated after a deadlock. */
MOG_MUSTCHECK enum mog_err store_run_text(struct store *st, const char *text);

/*
 * Run a statement with braces over `n` rows of `width` values each, behind the `n_head` values of `head` (at most 4),
 * in blocks of up to 100. `each` (may be NULL) sees st->result after every block; `affected` (may be NULL) is the sum.
 */
struct store_bulk {
    enum sql_stmt id;
    const struct sql_value *head;
    size_t n_head;
    const struct sql_value *rows;
    size_t width, n;
    void (*each)(struct store *st, void *arg);
    void *arg;
};
MOG_MUSTCHECK enum mog_err store_run_bulk(struct store *st, const struct store_bulk *b, uint64_t *affected);

/* The same for a column of fids. */
MOG_MUSTCHECK enum mog_err store_run_fids(struct store *st, struct store_bulk *b, const uint64_t *fids, size_t n,
                                          uint64_t *affected);

/* Whether statements can be sent together now: store_run_together(), all in one round trip, up to the first failure. */
bool store_can_run_together(const struct store *st);
MOG_MUSTCHECK enum mog_err store_run_together(struct store *st, struct sql_call *calls, size_t n, bool writes);

/* One of several writes that belong together: `bulk` with `width` 0 has all its values in `head`. */
struct store_call {
    struct store_bulk bulk;
    bool is_before; /* on its own, before the transaction of the others */
    uint64_t affected;
};
/*
 * Run them in one transaction, and release the lock that is held after it if asked to (kept after an error). Numbers,
 * NULL and blobs alone. 1 RT on MySQL; elsewhere one each, and one or two for the transaction and for the lock.
 */
MOG_MUSTCHECK enum mog_err store_run_calls(struct store *st, struct store_call *calls, size_t n, bool unlock);

/*
 * Take the lock of a fid, and then run a statement that reads. 1 RT on MySQL, else as the two. MOG_ELOCKED. After an
 * error of the statement the lock is held.
 */
MOG_MUSTCHECK enum mog_err store_lock_fid_run(struct store *st, uint64_t fid, unsigned wait_s, enum sql_stmt id,
                                              const struct sql_value *args, size_t n_args);

/* Run `fn` in a transaction: again after a deadlock when it is the outermost. An error of `fn` rolls back. */
typedef enum mog_err (*store_tx_fn)(struct store *st, void *arg);
MOG_MUSTCHECK enum mog_err store_transact(struct store *st, store_tx_fn fn, void *arg);
/*
 * Run `create` so, which inserts a row under the highest id + 1. Others may take that id at the same time: after a
 * MOG_EEXISTS `is_there` says whether it was what `create` is to insert that exists (MOG_OK), or its id alone
 * (MOG_ENOTFOUND), and then it is run again. MOG_EDEADLOCK: ids are taken faster than that. Within a transaction of the
 * caller's it is run once.
 */
MOG_MUSTCHECK enum mog_err store_transact_numbered(struct store *st, store_tx_fn create, store_tx_fn is_there,
                                                   void *arg);

/* Fill st->fail and return `code`. */
#define store_fail(st, code, ...) fail_set(&(st)->fail, code, __VA_ARGS__)

/* A number below `below` (not 0). */
uint32_t store_random(struct store *st, uint32_t below);

/* MOG_ETOOLONG, told what it is ("key"). */
MOG_MUSTCHECK enum mog_err store_check_len(struct store *st, const char *what, size_t len, size_t max);
/* The same for a name, whose width is in characters where the column is text. Connects. */
MOG_MUSTCHECK enum mog_err store_check_name(struct store *st, const char *what, struct span name, size_t max);
/* MOG_ERANGE unless 1 <= fid <= INT64_MAX. */
MOG_MUSTCHECK enum mog_err store_check_fid(struct store *st, uint64_t fid);

/* Copies out of a result. */
struct store_bytes store_bytes_cell(const struct sql_result *r, size_t row, size_t col);
char *store_str_cell(const struct sql_result *r, size_t row, size_t col); /* NULL for NULL */
void store_word_cell(char *out, size_t size, const struct sql_result *r, size_t row, size_t col);
void store_file_cells(struct store_file *f, const struct sql_result *r, size_t row, size_t col);         /* 6 columns */
void store_tempfile_cells(struct store_tempfile *t, const struct sql_result *r, size_t row, size_t col); /* 6 columns */
void store_checksum_cells(struct store_checksum *c, const struct sql_result *r, size_t row, size_t col); /* 2 */
void store_keys_cells(struct store_keys *l, const struct sql_result *r); /* column 0 of all rows */
void store_fids_cells(struct store_fids *l, const struct sql_result *r); /* the same */
void store_devids_add_cell(struct store_devids *l, const struct sql_result *r, size_t row, size_t col);
void store_devids_cells(struct store_devids *l, const struct sql_result *r, size_t col); /* ascending, NULLs left out */

/* store_devfid.c: record a location; MOG_EDEAD when its device is dead by now. In a transaction. */
MOG_MUSTCHECK enum mog_err store_devfid_add_alive(struct store *st, uint64_t fid, uint32_t devid);

/* store_slave.c: run a read on a slave, as store_run_sized(). MOG_ENOTFOUND: there is none (use the master). */
MOG_MUSTCHECK enum mog_err store_slave_run(struct store *st, enum sql_stmt id, size_t size,
                                           const struct sql_value *args, size_t n_args);
void store_slave_close_all(struct store *st);
void store_slave_list_free(struct store_slave_list *l);

/* store_lock.c: forget a lock that went with its connection. */
void store_lock_forget(struct store *st);
/* The same, and where the lock is a row, remove that, on a new connection if need be. */
void store_lock_abandon(struct store *st);

/* store.c: what the connection held ends with it; a transaction is doomed. */
void store_drop_connection(struct store *st);

/* The seconds of a patience; 0: none. */
unsigned store_patience_s(enum store_patience p);

#endif
