/* SPDX-License-Identifier: MIT */
/* The handle: connecting, running statements, transactions, and what to do when the connection is gone. */
#include "store/store_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"
#include "store/store_lock.h"

enum {
    CONNECT_TIMEOUT_S = 5,
    WRITER_WAIT_S = 10,
    LOCK_RENEW_S = 600,
    HEAD_MAX = 4,
    BULK_WIDTH_MAX = 4,
    HOSTNAME_CAP = 256,
    NUMBER_TRIES = 20
};

unsigned store_patience_s(enum store_patience p)
{
    switch (p) {
    case STORE_CLIENT:
        return 25;
    case STORE_MONITOR:
        return 8;
    case STORE_BACKGROUND:
        return 120;
    case STORE_UNLIMITED:
        return 0;
    }
    return 25;
}

/* A file is where it is now: daemons change their folder, and connect again later. */
static void make_absolute(struct sql_target *t)
{
    char *folder;
    bool is_relative = t->backend == STORE_SQLITE && !t->is_uri && t->database[0] != '/';
    if (!is_relative || strcmp(t->database, ":memory:") == 0 || (folder = getcwd(NULL, 0)) == NULL)
        return;
    char *path = mem_printf("%s/%s", folder, t->database);
    free(folder);
    free(t->database);
    t->database = path;
}

enum mog_err store_env_new(const struct store_config *c, struct store_env **out, struct mog_fail *f)
{
    *out = NULL;
    struct store_env *env = mem_calloc(1, sizeof *env);
    enum mog_err e = sql_target_parse(&env->target, c->dsn, c->user, c->password, f);
    if (e != MOG_OK) {
        sql_target_fini(&env->target);
        free(env);
        return e;
    }
    make_absolute(&env->target);
    char hostname[HOSTNAME_CAP] = "localhost";
    if (c->hostname == NULL && gethostname(hostname, sizeof hostname - 1) != 0)
        hostname[0] = '\0';
    env->hostname = mem_strdup(c->hostname != NULL ? c->hostname : hostname);
    env->driver = sql_driver_of(env->target.backend);
    env->row_locks = c->row_locks;
    env->must_exist = c->must_exist;
    env->lock_renew_ms = (int64_t)(c->lock_renew_s != 0 ? c->lock_renew_s : LOCK_RENEW_S) * 1000;
    atomic_init(&env->alive, true);
    atomic_init(&env->has_connected, false);
    atomic_init(&env->min_fid, 0);
    pthread_mutex_init(&env->writer, NULL);
    pthread_mutex_init(&env->mutex, NULL);
    store_flush_init(&env->flush);
    *out = env;
    return MOG_OK;
}

void store_env_free(struct store_env *env)
{
    if (env == NULL)
        return;
    sql_target_fini(&env->target);
    store_slave_list_free(env->slaves);
    pthread_mutex_destroy(&env->writer);
    pthread_mutex_destroy(&env->mutex);
    store_flush_fini(&env->flush);
    free(env->hostname);
    free(env->held);
    free(env);
}

enum store_backend store_env_backend(const struct store_env *env)
{
    return env->target.backend;
}

void store_env_set_alive(struct store_env *env, bool alive)
{
    atomic_store(&env->alive, alive);
}

bool store_env_is_alive(const struct store_env *env)
{
    return atomic_load(&env->alive);
}

void store_env_set_min_fid(struct store_env *env, uint64_t fid)
{
    atomic_store(&env->min_fid, fid);
}

const struct store_metrics *store_env_metrics(const struct store_env *env)
{
    return &env->metrics;
}

uint64_t store_env_min_fid(const struct store_env *env)
{
    return atomic_load(&env->min_fid);
}

struct store *store_new(struct store_env *env, enum store_patience patience)
{
    struct store *st = mem_calloc(1, sizeof *st);
    st->env = env;
    st->driver = env->driver;
    st->patience = patience;
    st->random = (uint32_t)clock_mono_us() ^ (uint32_t)(uintptr_t)st;
    return st;
}

struct store *store_new_probing(struct store_env *env, enum store_patience patience)
{
    struct store *st = store_new(env, patience);
    st->probing = true;
    return st;
}

struct store *store_new_nowait(struct store_env *env)
{
    if (!env->driver->can_nowait)
        return NULL;
    struct store *st = store_new(env, STORE_CLIENT);
    st->nowait = true;
    return st;
}

void store_free(struct store *st)
{
    if (st == NULL)
        return;
    if (st->tx_depth > 0)
        store_rollback(st);
    store_close(st);
    sql_result_free(&st->result);
    free(st);
}

enum store_backend store_backend(const struct store *st)
{
    return st->env->target.backend;
}

const struct mog_fail *store_failure(const struct store *st)
{
    return &st->fail;
}

uint64_t store_statements(const struct store *st)
{
    return st->statements;
}

uint64_t store_connects(const struct store *st)
{
    return st->connects;
}

bool store_is_in_transaction(const struct store *st)
{
    return st->tx_depth > 0;
}

uint32_t store_random(struct store *st, uint32_t below)
{
    st->random = st->random * 1664525U + 1013904223U;
    return (uint32_t)(((uint64_t)st->random * below) >> 32);
}

/* ---- the writer's turn ---- */

/* SQLite lets one write at a time; waiting in line here is fairer, and cheaper, than its sleeping and trying again. */
static enum mog_err writer_enter(struct store *st)
{
    if (!st->driver->one_writer || st->has_writer)
        return MOG_OK;
    if (st->nowait)
        return store_fail(st, MOG_EAGAIN, "would have to wait for the disk");
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WRITER_WAIT_S;
    if (pthread_mutex_timedlock(&st->env->writer, &until) != 0)
        return store_fail(st, MOG_EDEADLOCK, "another thread has been writing for %d s", (int)WRITER_WAIT_S);
    st->has_writer = true;
    return MOG_OK;
}

static void writer_leave(struct store *st)
{
    if (!st->has_writer)
        return;
    st->has_writer = false;
    pthread_mutex_unlock(&st->env->writer);
}

/* Locks end with their process: nobody minds when a power cut takes one away. */
static bool needs_flush(const struct store *st, enum sql_stmt id)
{
    bool is_lock = id == SQL_LOCK_ROW_INSERT || id == SQL_LOCK_ROW_RENEW || id == SQL_LOCK_ROW_DELETE;
    return !is_lock && (st->result.affected != 0 || st->result.n_rows != 0);
}

/* What was committed on the connection is on disk when this returns MOG_OK; after the turn, so that others may commit.
 */
static enum mog_err flush_commit(struct store *st)
{
    if (st->conn == NULL || st->conn->flush_path == NULL)
        return MOG_OK;
    struct mog_fail why = {0};
    enum mog_err e = store_flush_wait(&st->env->flush, st->conn->flush_path, &why);
    return e == MOG_OK ? MOG_OK : store_fail(st, e, "%s", why.text);
}

/* ---- connecting ---- */

void store_drop_connection(struct store *st)
{
    if (st->conn == NULL)
        return;
    st->driver->close(st->conn);
    st->conn = NULL;
    if (st->tx_depth > 0)
        st->tx_is_doomed = true; /* the server rolls back; our caller has yet to hear of it */
}

void store_close(struct store *st)
{
    if (st->lock_name != NULL && st->conn != NULL && st->tx_depth == 0)
        store_unlock(st); /* one that is a row would outlive the connection */
    store_drop_connection(st);
    writer_leave(st);
    store_lock_forget(st);
    store_slave_close_all(st);
}

static enum mog_err open_connection(struct store *st)
{
    /* A database that was there and is gone must not be made anew, empty: it would pass for one without a schema. */
    const struct sql_limits limits = {.connect_s = CONNECT_TIMEOUT_S,
                                      .statement_s = store_patience_s(st->patience),
                                      .many_nodes = st->env->row_locks,
                                      .nowait = st->nowait,
                                      .must_exist =
                                          st->env->must_exist || st->nowait || atomic_load(&st->env->has_connected)};
    struct mog_fail why = {0};
    if (!st->probing && !store_env_is_alive(st->env))
        return store_fail(st, MOG_EDBDOWN, "Failed to connect to database: known to be down");
    enum mog_err e = st->driver->open(&st->env->target, &limits, &st->conn, &why);
    if (e != MOG_OK)
        st->conn = NULL;
    if (e == MOG_EUNSUPPORTED && st->nowait)
        return store_fail(st, e, "%s", why.text);
    if (e != MOG_OK) {
        metric_add(&st->env->metrics.connect_failures, 1);
        return store_fail(st, e == MOG_EUNSUPPORTED ? e : MOG_EDBDOWN, "Failed to connect to database: %s", why.text);
    }
    atomic_store(&st->env->has_connected, true);
    st->connects++;
    metric_add(&st->env->metrics.connects, 1);
    return MOG_OK;
}

bool store_nowait_is_connected(const struct store *st)
{
    return st->conn != NULL && !st->conn->is_dead;
}

enum mog_err store_open(struct store *st)
{
    if (st->nowait)
        return store_nowait_is_connected(st) ? MOG_OK : store_fail(st, MOG_EAGAIN, "not connected");
    return st->conn != NULL ? MOG_OK : open_connection(st);
}

enum mog_err store_nowait_connect(struct store *st)
{
    if (store_nowait_is_connected(st))
        return MOG_OK;
    struct mog_fail why = st->fail;
    store_drop_connection(st);
    if (!st->nowait_is_over)
        return open_connection(st);
    st->fail = why;
    return MOG_EUNSUPPORTED;
}

/* A connection that broke while it held a lock: the work that the lock protected must stop. */
static enum mog_err refuse_recovery(struct store *st)
{
    enum mog_err e = store_fail(st, MOG_EDBDOWN, "DB connection recovery unsafe, lock held: %s", st->lock_name);
    struct mog_fail why = st->fail;
    store_lock_abandon(st);
    st->fail = why;
    return e;
}

enum mog_err store_validate(struct store *st)
{
    st->unit_has_written = false;
    bool is_gone = st->conn == NULL || st->conn->is_dead || !st->driver->is_alive(st->conn);
    if (!is_gone)
        return MOG_OK;
    if (st->nowait) {
        /* Closing may wait, too. */
        if (st->conn != NULL)
            st->conn->is_dead = true;
        return store_open(st);
    }
    store_drop_connection(st);
    if (st->lock_name != NULL)
        return refuse_recovery(st);
    if (st->tx_depth > 0)
        return store_fail(st, MOG_EDBDOWN, "the connection was lost in a transaction");
    return store_open(st);
}

enum mog_err store_ping(struct store *st)
{
    return STORE_RUN0(st, SQL_PING);
}

enum mog_err store_keys_are_bytes(struct store *st, bool *bytes)
{
    enum mog_err e = store_open(st);
    *bytes = e == MOG_OK && st->conn->names_are_bytes;
    return e;
}

enum mog_err store_now(struct store *st, int64_t *unix_s)
{
    enum mog_err e = STORE_RUN0(st, SQL_NOW);
    *unix_s = e == MOG_OK ? sql_i64(&st->result, 0, 0) : 0;
    return e;
}

/* Losers of a deadlock, or of a race for an id, come back at different times. */
static void pause_before_retry(struct store *st, int nth)
{
    clock_sleep_ms((int64_t)store_random(st, 10U << (nth < 4 ? nth : 4)));
}

/* A file waits for its lock by itself, and for long; servers tell a deadlock at once, and the next try is cheap. */
static int deadlock_tries(const struct store *st)
{
    return st->driver->one_writer ? STORE_TRIES : STORE_DEADLOCK_TRIES;
}

/* ---- statements ---- */

static void count(struct store *st, enum mog_err e, int64_t started_us)
{
    struct store_metrics *m = &st->env->metrics;
    if (e == MOG_EAGAIN || e == MOG_EUNSUPPORTED)
        return; /* it was not run */
    metric_observe(&m->statements, clock_mono_us() - started_us);
    if (e != MOG_OK && e != MOG_EEXISTS)
        metric_add(&m->errors, 1);
    if (e == MOG_EDEADLOCK)
        metric_add(&m->deadlocks, 1);
    if (st->conn->is_dead)
        metric_add(&m->lost, 1);
}

/* What is sent at once: one statement, or several. */
struct unit {
    enum sql_stmt id;
    size_t size;
    const struct sql_value *args;
    size_t n_args;
    struct sql_call *calls; /* NULL: the one above */
    size_t n_calls;
    bool calls_write;
};

static bool unit_writes(const struct unit *u)
{
    return u->calls != NULL ? u->calls_write : sql_kind[u->id] == SQL_KIND_WRITE;
}

static enum mog_err run_once(struct store *st, const struct unit *u)
{
    enum mog_err e = store_open(st);
    if (e != MOG_OK)
        return e;
    bool is_write = unit_writes(u);
    bool takes_turn = is_write && st->tx_depth == 0;
    if (takes_turn && (e = writer_enter(st)) != MOG_OK)
        return e;
    st->statements++;
    if (is_write)
        st->unit_has_written = true;
    int64_t started_us = clock_mono_us();
    e = u->calls != NULL ? st->driver->run_calls(st->conn, u->calls, u->n_calls, &st->fail)
                         : st->driver->run(st->conn, u->id, u->size, u->args, u->n_args, &st->result, &st->fail);
    count(st, e, started_us);
    if (takes_turn) {
        writer_leave(st);
        if (e == MOG_OK && needs_flush(st, u->id))
            e = flush_commit(st);
    }
    st->was_refused = st->conn->is_dead && st->conn->was_refused;
    if (st->nowait && e == MOG_EUNSUPPORTED)
        st->nowait_is_over = st->conn->is_dead = true;
    else if (st->conn->is_dead && !st->nowait)
        store_drop_connection(st);
    return e;
}

/* Reads can be done again while all of the unit was reads, and anything that certainly was not done. */
static bool may_run_again(const struct store *st, const struct unit *u, bool had_written)
{
    bool is_read = u->calls != NULL ? !u->calls_write : sql_kind[u->id] == SQL_KIND_READ;
    bool is_harmless = st->was_refused || (!had_written && is_read);
    return st->conn == NULL && st->tx_depth == 0 && st->lock_name == NULL && is_harmless;
}

static enum mog_err run_unit(struct store *st, const struct unit *u)
{
    bool had_written = st->unit_has_written;
    if (st->tx_is_doomed && sql_kind[u->id] != SQL_KIND_CONTROL)
        return store_fail(st, MOG_EDBDOWN, "the connection was lost in a transaction");
    if (st->conn == NULL && st->lock_name != NULL)
        return refuse_recovery(st);
    bool was_connected = st->conn != NULL;
    enum mog_err e = run_once(st, u);
    if (e == MOG_EDBDOWN && was_connected && may_run_again(st, u, had_written) && store_open(st) == MOG_OK)
        e = run_once(st, u);
    for (int i = 1; e == MOG_EDEADLOCK && st->tx_depth == 0 && i < deadlock_tries(st); i++) {
        pause_before_retry(st, i);
        e = run_once(st, u);
    }
    return e;
}

enum mog_err store_run_sized(struct store *st, enum sql_stmt id, size_t size, const struct sql_value *args,
                             size_t n_args)
{
    return run_unit(st, &(struct unit){.id = id, .size = size, .args = args, .n_args = n_args});
}

bool store_can_run_together(const struct store *st)
{
    /* Of the nodes of a cluster each may roll a transaction back at any moment: one by one it is noticed. */
    return st->driver->run_calls != NULL && !st->env->row_locks && st->tx_depth == 0;
}

enum mog_err store_run_together(struct store *st, struct sql_call *calls, size_t n, bool writes)
{
    return run_unit(st, &(struct unit){.id = calls[0].id, .calls = calls, .n_calls = n, .calls_write = writes});
}

enum mog_err store_run(struct store *st, enum sql_stmt id, const struct sql_value *args, size_t n_args)
{
    return store_run_sized(st, id, 0, args, n_args);
}

enum mog_err store_run_text(struct store *st, const char *text)
{
    enum mog_err e = st->nowait ? store_fail(st, MOG_EAGAIN, "might have to wait") : store_open(st);
    if (e != MOG_OK)
        return e;
    st->statements++;
    st->unit_has_written = true;
    e = st->driver->run_text(st->conn, text, &st->result, &st->fail);
    if (st->conn->is_dead)
        store_drop_connection(st);
    return e;
}

size_t store_size_for(size_t n)
{
    size_t k = 0;
    while (k + 1 < SQL_SIZES && n > sql_size[k])
        k++;
    return k;
}

enum mog_err store_run_bulk(struct store *st, const struct store_bulk *b, uint64_t *affected)
{
    struct sql_value args[HEAD_MAX + BULK_WIDTH_MAX * 100];
    uint64_t sum = 0;
    enum mog_err e = MOG_OK;
    for (size_t i = 0; i < b->n_head; i++)
        args[i] = b->head[i];
    for (size_t done = 0; e == MOG_OK && done < b->n;) {
        size_t k = store_size_for(b->n - done), slots = sql_size[k];
        size_t n = b->n - done < slots ? b->n - done : slots;
        for (size_t i = 0; i < slots; i++) /* the last row once more fills the rest: harmless in all these statements */
            memcpy(&args[b->n_head + i * b->width], &b->rows[(done + (i < n ? i : n - 1)) * b->width],
                   b->width * sizeof args[0]);
        e = store_run_sized(st, b->id, k, args, b->n_head + slots * b->width);
        if (e == MOG_OK) {
            sum += st->result.affected;
            if (b->each != NULL)
                b->each(st, b->arg);
        }
        done += n;
    }
    if (affected != NULL)
        *affected = sum;
    return e;
}

enum mog_err store_run_fids(struct store *st, struct store_bulk *b, const uint64_t *fids, size_t n, uint64_t *affected)
{
    struct sql_value *rows = mem_calloc(n == 0 ? 1 : n, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = sql_int(fids[i]);
    b->rows = rows;
    b->n = n;
    b->width = 1;
    enum mog_err e = store_run_bulk(st, b, affected);
    free(rows);
    b->rows = NULL;
    return e;
}

/* ---- transactions ---- */

enum mog_err store_begin(struct store *st)
{
    if (st->tx_depth > 0) {
        st->tx_depth++;
        return MOG_OK;
    }
    if (st->conn == NULL && st->lock_name != NULL)
        return refuse_recovery(st);
    enum mog_err e = store_open(st);
    if (e == MOG_OK)
        e = writer_enter(st);
    for (int i = 0; e == MOG_OK && i < STORE_TRIES; i++) {
        e = run_once(st, &(struct unit){.id = SQL_BEGIN});
        if (e != MOG_EDEADLOCK)
            break;
        e = i + 1 < STORE_TRIES ? MOG_OK : e;
    }
    if (e != MOG_OK) {
        writer_leave(st);
        return e;
    }
    st->tx_depth = 1;
    st->tx_is_doomed = false;
    st->commit_is_open = false;
    return MOG_OK;
}

enum mog_err store_commit(struct store *st)
{
    if (st->tx_depth > 1) {
        st->tx_depth--;
        return MOG_OK;
    }
    if (st->tx_depth == 0)
        return store_fail(st, MOG_EINVAL, "commit without a transaction");
    if (st->tx_is_doomed) {
        bool was_lost = st->conn == NULL;
        store_rollback(st);
        return was_lost ? store_fail(st, MOG_EDBDOWN, "the connection was lost in a transaction")
                        : store_fail(st, MOG_ECANCELED, "a part of the transaction was rolled back");
    }
    enum mog_err e = run_once(st, &(struct unit){.id = SQL_COMMIT});
    if (e != MOG_OK) {
        struct mog_fail why = st->fail;
        st->commit_is_open = st->conn == NULL && !st->was_refused;
        store_rollback(st);
        st->fail = why;
        return e;
    }
    st->tx_depth = 0;
    writer_leave(st);
    return flush_commit(st);
}

void store_rollback(struct store *st)
{
    if (st->tx_depth == 0)
        return;
    if (st->tx_depth > 1) {
        st->tx_depth--;
        st->tx_is_doomed = true;
        return;
    }
    struct mog_fail why = st->fail;
    if (st->conn != NULL && run_once(st, &(struct unit){.id = SQL_ROLLBACK}) != MOG_OK)
        store_drop_connection(st); /* whatever state it is in, it ends with the connection */
    st->fail = why;
    st->tx_depth = 0;
    st->tx_is_doomed = false;
    writer_leave(st);
}

/* `begun`: it got as far as that. */
static enum mog_err transact_once(struct store *st, store_tx_fn fn, void *arg, bool *begun)
{
    st->commit_is_open = false;
    enum mog_err e = store_begin(st);
    *begun = e == MOG_OK;
    if (e != MOG_OK)
        return e;
    e = fn(st, arg);
    if (e == MOG_OK)
        return store_commit(st);
    store_rollback(st);
    return e;
}

enum mog_err store_transact(struct store *st, store_tx_fn fn, void *arg)
{
    bool begun, may_reconnect = st->conn != NULL;
    if (st->tx_depth > 0)
        return transact_once(st, fn, arg, &begun);
    enum mog_err e = MOG_EDEADLOCK;
    for (int i = 0; i < deadlock_tries(st); i++) {
        if (i > 0)
            pause_before_retry(st, i);
        e = transact_once(st, fn, arg, &begun);
        /* What was not committed was rolled back with its connection. */
        if (e == MOG_EDBDOWN && may_reconnect && st->conn == NULL && st->lock_name == NULL && !st->commit_is_open) {
            may_reconnect = false;
            continue;
        }
        if (e != MOG_EDEADLOCK || !begun)
            break;
    }
    return e;
}

enum mog_err store_transact_numbered(struct store *st, store_tx_fn create, store_tx_fn is_there, void *arg)
{
    for (int i = 0; i < NUMBER_TRIES; i++) {
        if (i > 0)
            pause_before_retry(st, i);
        enum mog_err e = store_transact(st, create, arg);
        if (e != MOG_EEXISTS || st->tx_depth > 0)
            return e;
        struct mog_fail why = st->fail;
        enum mog_err there = is_there(st, arg);
        if (there == MOG_OK)
            st->fail = why;
        if (there != MOG_ENOTFOUND)
            return there == MOG_OK ? MOG_EEXISTS : there;
    }
    return store_fail(st, MOG_EDEADLOCK, "ids are taken faster than they can be found");
}

/* ---- checks ---- */

enum mog_err store_check_len(struct store *st, const char *what, size_t len, size_t max)
{
    return len <= max ? MOG_OK : store_fail(st, MOG_ETOOLONG, "%s has %zu bytes, more than %zu", what, len, max);
}

enum mog_err store_check_name(struct store *st, const char *what, struct span name, size_t max)
{
    enum mog_err e = store_open(st);
    if (e != MOG_OK)
        return e;
    size_t len = name.len;
    if (st->conn->names_are_utf8)
        for (size_t i = 0; i < name.len; i++)
            len -= ((unsigned char)name.ptr[i] & 0xc0) == 0x80; /* the bytes that continue a character */
    return store_check_len(st, what, len, max);
}

enum mog_err store_check_fid(struct store *st, uint64_t fid)
{
    if (fid >= 1 && fid <= INT64_MAX)
        return MOG_OK;
    return store_fail(st, MOG_ERANGE, "fid %llu is out of range", (unsigned long long)fid);
}
