/* SPDX-License-Identifier: MIT */
/* The database behind a cluster: what a process shares, one handle per thread, units of work, transactions, errors. */
#ifndef MOG_STORE_STORE_H
#define MOG_STORE_STORE_H

#include "common/err.h"
#include "common/metric.h"
#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Rules for all store_* functions of this library:
 *
 * - A `struct store` belongs to one thread. `struct store_env` is shared by all threads of the process.
 * - They return MOG_OK or
 *     MOG_ENOTFOUND     the row that the call is about does not exist
 *     MOG_EEXISTS       a unique key is taken
 *     MOG_ENOTEMPTY     something still refers to the row
 *     MOG_ELOCKED       a named lock, or the lock wait of a statement, was not to be had in time: try again later
 *     MOG_EDEADLOCK     a deadlock, ten times in a row (or once, inside the caller's own transaction): redo the unit
 *     MOG_EDBDOWN       no connection, or it broke; the next unit of work connects anew
 *     MOG_ETIMEOUT      the statement's deadline passed; the connection was dropped, the effect is unknown
 *     MOG_EPERM         the database is read-only, or the user lacks a privilege
 *     MOG_ETOOLONG, MOG_EINVAL, MOG_ERANGE   an argument cannot be stored; nothing was sent
 *     MOG_EAGAIN        of a handle made by store_new_nowait() alone: it would have to wait
 *     MOG_EDB           any other error
 *   with the detail in store_failure(). On an error, out parameters are empty (as after their _free) unless noted.
 * - "RT" in the comments counts round trips, on the common path. BEGIN and COMMIT count as one each.
 * - Operations of several statements are one transaction. Alone they are repeated up to 10 times after a deadlock, with
 *   growing random pauses; inside store_begin ... store_commit they join that transaction, and the error goes to the
 *   caller.
 * - A connection that breaks is replaced at the next store_validate(), or within the unit when all of it was reads so
 *   far; never while a named lock is held or a transaction is open.
 * - A write or a transaction whose connection broke before it can have had an effect is tried once more on a new
 *   connection. One that may have had an effect (the connection broke while it ran or committed) is not: MOG_EDBDOWN.
 */

enum store_backend { STORE_SQLITE, STORE_MYSQL, STORE_PGSQL };

/* How long one statement may take. */
enum store_patience {
    STORE_CLIENT,     /* 25 s: a client waits */
    STORE_MONITOR,    /* 8 s: whoever waits for news of the cluster gives up after 10 s */
    STORE_BACKGROUND, /* 120 s */
    STORE_UNLIMITED,  /* none: set-up and statistics */
};

struct store_config {
    const char *dsn;       /* "DBI:mysql:...", "DBI:SQLite:...", "DBI:Pg:..." */
    const char *user;      /* NULL: "" */
    const char *password;  /* NULL: "" */
    const char *hostname;  /* names this host in rows of locks; NULL: gethostname() */
    bool row_locks;        /* MySQL: named locks are rows of the table `lock`, for Galera and group replication, and
                              reads wait until they see what was committed at other nodes */
    unsigned lock_renew_s; /* store_lock_renew() does something once in so many seconds; 0: 600 */
    bool must_exist;       /* SQLite: a file that is not there is an error; else it is made */
};

struct store_env;
struct store;

/*
 * Parse and keep `c` (copied); connects to nothing. MOG_EINVAL: "Unknown database type: <dsn>" or a malformed DSN.
 * Free it after the last handle. A process has one for a database: it knows which locks of its rows are its own.
 */
MOG_MUSTCHECK enum mog_err store_env_new(const struct store_config *c, struct store_env **env, struct mog_fail *f);
void store_env_free(struct store_env *env);

enum store_backend store_env_backend(const struct store_env *env);

/*
 * The hint that the database is down (any thread). While it is false, a handle without a connection fails at once with
 * MOG_EDBDOWN instead of waiting for a connect; one with a connection keeps using it. A handle made with
 * store_new_probing() does not look at it. True at first.
 */
void store_env_set_alive(struct store_env *env, bool alive);
bool store_env_is_alive(const struct store_env *env);

/* What all handles of a process have done, for monitoring; added to by any thread. */
struct store_metrics {
    struct metric_histogram statements; /* round trips, BEGIN and COMMIT among them */
    metric_counter errors;              /* statements that failed, but for what is expected (a row there already) */
    metric_counter deadlocks;           /* also counted in errors */
    metric_counter connects, connect_failures;
    metric_counter lost; /* connections that broke */
};
const struct store_metrics *store_env_metrics(const struct store_env *env);

/*
 * Fids up to and including this one are never handed out and refused when asked for by number. Any thread.
 * Set once at start from store_file_max_known_fid(); 0 before that.
 */
void store_env_set_min_fid(struct store_env *env, uint64_t fid);
uint64_t store_env_min_fid(const struct store_env *env);

/* One read slave of a MySQL master. */
struct store_slave {
    const char *dsn, *user, *password;
};

/*
 * Use these read slaves from now on (any thread; copied; n = 0: none). Connections to the old ones are dropped when
 * anything differs. Nothing but MySQL has slaves: ignored elsewhere. connect_timeout_s: usually 1; dead_retry_s:
 * usually 15, times the number of failures in a row (at most 21) is the pause before a dead one is tried again.
 */
void store_env_set_slaves(struct store_env *env, const struct store_slave *slaves, size_t n, unsigned connect_timeout_s,
                          unsigned dead_retry_s);

/* A handle; connects when it is first used. Never NULL. */
struct store *store_new(struct store_env *env, enum store_patience patience);
/* The same for the one that watches whether the database is there: tries to connect whatever the hint says. */
struct store *store_new_probing(struct store_env *env, enum store_patience patience);
/* Rolls back, releases the lock, disconnects. NULL is fine. */
void store_free(struct store *st);

/*
 * A handle for a thread that must not wait for a disk: it reads what the system has in memory, and whatever needs more
 * (data that is not there, a lock that another has, a connection, to write) is MOG_EAGAIN at once; somebody else has to
 * do it. NULL: this kind of database has no such thing; SQLite's does.
 */
struct store *store_new_nowait(struct store_env *env);
/*
 * Connect such a handle, and close the connection that was lost. May wait: a thread that may has it for itself
 * meanwhile. MOG_EUNSUPPORTED: this database cannot be read so, ever (a statement may have found out); MOG_EDBDOWN.
 */
MOG_MUSTCHECK enum mog_err store_nowait_connect(struct store *st);
/* Whether it is connected, as far as is known. */
bool store_nowait_is_connected(const struct store *st);

enum store_backend store_backend(const struct store *st);

/* Connect now if there is no connection. 0 RT when connected. MOG_EDBDOWN: "Failed to connect to database: <reason>".
 */
MOG_MUSTCHECK enum mog_err store_open(struct store *st);

/*
 * Begin a unit of work (a client's command, one pass of a worker): replaces a connection that is known to be broken or
 * that the server has closed meanwhile. 0 RT when all is well. MOG_EDBDOWN; "DB connection recovery unsafe, lock held:
 * <name>" when a lock was lost with the connection (the lock is forgotten then, the next call connects).
 */
MOG_MUSTCHECK enum mog_err store_validate(struct store *st);

/* Ask the server for a sign of life. 1 RT. */
MOG_MUSTCHECK enum mog_err store_ping(struct store *st);

/* Drop the connection (and with it the lock and the transaction). */
void store_close(struct store *st);

/*
 * A transaction of the caller's. May be nested: only the outermost pair reaches the database, and a rollback inside
 * makes the outermost commit roll back too and return MOG_ECANCELED. 1 RT each when outermost.
 */
MOG_MUSTCHECK enum mog_err store_begin(struct store *st);
MOG_MUSTCHECK enum mog_err store_commit(struct store *st);
void store_rollback(struct store *st);
bool store_is_in_transaction(const struct store *st);

/* The detail of the latest error of this handle. Never NULL; valid until the next call. */
const struct mog_fail *store_failure(const struct store *st);

/* Statements sent by this handle since it was made (BEGIN, COMMIT and ROLLBACK included; connecting is not). */
uint64_t store_statements(const struct store *st);
/* Connections made by this handle. */
uint64_t store_connects(const struct store *st);

/*
 * Whether names and keys are byte strings here (any database that we created), or compare as the database's text type
 * does. Asked once per connection. 0 RT when connected before.
 */
MOG_MUSTCHECK enum mog_err store_keys_are_bytes(struct store *st, bool *bytes);

/* The database's clock. 1 RT. */
MOG_MUSTCHECK enum mog_err store_now(struct store *st, int64_t *unix_s);

#endif
