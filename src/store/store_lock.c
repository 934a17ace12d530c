/* SPDX-License-Identifier: MIT */
/* Named locks: the server's own where it has them, rows of a table elsewhere. */
#include "store/store_lock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/store_run.h"

enum { POLL_FIRST_MS = 20, POLL_MOST_MS = 500, LOCK_NAME_MAX = 64 };

/* The number that the original derives from a name. */
static uint32_t lock_number(const char *name)
{
    uint8_t md5[DIGEST_MAX_BYTES];
    struct digest *d = digest_new(DIGEST_MD5);
    digest_update(d, name, strlen(name));
    digest_final(d, md5);
    digest_free(d);
    return ((uint32_t)md5[0] << 24 | (uint32_t)md5[1] << 16 | (uint32_t)md5[2] << 8 | md5[3]) & 0x7fffffff;
}

static bool uses_rows(const struct store *st)
{
    return store_backend(st) == STORE_SQLITE || (store_backend(st) == STORE_MYSQL && st->env->row_locks);
}

/* ---- locks that are rows ---- */

/* Put the number on the process's own list; false when a handle of this process has it. */
static bool reserve(struct store_env *env, uint32_t id)
{
    bool is_free = true;
    pthread_mutex_lock(&env->mutex);
    for (size_t i = 0; i < env->n_held; i++)
        is_free = is_free && env->held[i] != id;
    if (is_free) {
        env->held = mem_grow(env->held, env->n_held, &env->cap_held, sizeof env->held[0]);
        env->held[env->n_held++] = id;
    }
    pthread_mutex_unlock(&env->mutex);
    return is_free;
}

static void unreserve(struct store_env *env, uint32_t id)
{
    pthread_mutex_lock(&env->mutex);
    for (size_t i = 0; i < env->n_held; i++) {
        if (env->held[i] == id) {
            env->held[i] = env->held[--env->n_held];
            break;
        }
    }
    pthread_mutex_unlock(&env->mutex);
}

/* Remove a row whose holder is gone. `did`: it was, and the row is worth another try. */
static enum mog_err evict_dead(struct store *st, uint32_t id, bool *did)
{
    *did = false;
    enum mog_err e = STORE_RUN(st, SQL_LOCK_ROW_READ, sql_int(id));
    if (e != MOG_OK)
        return e;
    if (st->result.n_rows == 0) {
        *did = true;
        return MOG_OK;
    }
    char *host = store_str_cell(&st->result, 0, 0);
    int64_t pid = sql_i64(&st->result, 0, 1);
    bool is_dead = sql_i64(&st->result, 0, 2) != 0;
    /* Our own pid: no handle of this process has it, so a dead process with our pid has left it. */
    if (host != NULL && strcmp(host, st->env->hostname) == 0)
        is_dead = is_dead || pid == getpid() || pid <= 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
    if (is_dead) {
        e = STORE_RUN(st, SQL_LOCK_ROW_DELETE, sql_int(id), sql_int((uint64_t)pid), sql_str(host));
        *did = e == MOG_OK && st->result.affected > 0;
    }
    free(host);
    return e;
}

/*
 * A row outlives the connection that wrote it, and would keep others out until it is an hour old. On a new connection
 * if need be; best effort. Only while the number is reserved: the row may be another handle's else.
 */
static void remove_row(struct store *st, uint32_t id)
{
    struct mog_fail why = st->fail;
    enum mog_err e =
        STORE_RUN(st, SQL_LOCK_ROW_DELETE, sql_int(id), sql_int((uint64_t)getpid()), sql_str(st->env->hostname));
    if (e != MOG_OK)
        log_warn("database: the row of a lock was left behind: %s", st->fail.text);
    st->fail = why;
}

static enum mog_err try_row(struct store *st, uint32_t id)
{
    if (!reserve(st->env, id))
        return MOG_ELOCKED;
    enum mog_err e = MOG_EEXISTS;
    for (int i = 0; e == MOG_EEXISTS && i < STORE_TRIES; i++) {
        e = STORE_RUN(st, SQL_LOCK_ROW_INSERT, sql_int(id), sql_str(st->env->hostname), sql_int((uint64_t)getpid()));
        if (e != MOG_EEXISTS)
            break;
        bool did_evict;
        e = evict_dead(st, id, &did_evict);
        if (e == MOG_OK)
            e = did_evict ? MOG_EEXISTS : MOG_ELOCKED;
    }
    if (e == MOG_EEXISTS)
        e = MOG_ELOCKED;
    if (e != MOG_OK && e != MOG_ELOCKED)
        remove_row(st, id); /* it may have been written all the same */
    if (e != MOG_OK)
        unreserve(st->env, id);
    return e;
}

/* ---- locks of PostgreSQL ---- */

/*
 * The pair with 0 excludes all trackers of our kind. The original's pair holds its host's name; it is taken too where
 * the original can use the database, for the sake of its trackers on this host.
 */
static enum mog_err try_advisory(struct store *st, uint32_t id)
{
    enum mog_err e = STORE_RUN(st, SQL_LOCK_TAKE, sql_int(0), sql_int(id));
    if (e != MOG_OK || sql_i64(&st->result, 0, 0) == 0)
        return e == MOG_OK ? MOG_ELOCKED : e;
    if (st->conn->names_are_bytes)
        return MOG_OK;
    e = STORE_RUN(st, SQL_LOCK_TAKE, sql_int(lock_number(st->env->hostname)), sql_int(id));
    if (e == MOG_OK && sql_i64(&st->result, 0, 0) != 0)
        return MOG_OK;
    enum mog_err undo = STORE_RUN(st, SQL_LOCK_RELEASE, sql_int(0), sql_int(id));
    return e != MOG_OK ? e : undo != MOG_OK ? undo : MOG_ELOCKED;
}

static enum mog_err poll_until(struct store *st, uint32_t id, unsigned wait_s)
{
    struct deadline by = deadline_in((int64_t)wait_s * 1000);
    int64_t pause_ms = POLL_FIRST_MS;
    for (;;) {
        enum mog_err e = uses_rows(st) ? try_row(st, id) : try_advisory(st, id);
        int64_t left_ms = deadline_left_ms(by);
        if (e != MOG_ELOCKED || left_ms <= 0)
            return e;
        clock_sleep_ms(pause_ms < left_ms ? pause_ms : left_ms);
        pause_ms = pause_ms * 2 < POLL_MOST_MS ? pause_ms * 2 : POLL_MOST_MS;
    }
}

/* ---- all kinds ---- */

static enum mog_err take_server_lock(struct store *st, const char *name, unsigned wait_s)
{
    enum mog_err e = STORE_RUN(st, SQL_LOCK_TAKE, sql_str(name), sql_int(wait_s));
    if (e != MOG_OK)
        return e;
    if (sql_is_null(&st->result, 0, 0))
        return store_fail(st, MOG_EDB, "the server cannot give the lock %s", name);
    return sql_i64(&st->result, 0, 0) == 1 ? MOG_OK : MOG_ELOCKED;
}

enum mog_err store_lock(struct store *st, const char *name, unsigned wait_s)
{
    if (st->lock_name != NULL)
        return store_fail(st, MOG_EINVAL, "Lock recursion detected (grabbing %s, had %s).  Bailing out.", name,
                          st->lock_name);
    if (st->tx_depth > 0 || strlen(name) > LOCK_NAME_MAX)
        return store_fail(st, MOG_EINVAL, "a lock is taken before a transaction, and its name is short");
    uint32_t id = lock_number(name);
    bool is_server_lock = store_backend(st) == STORE_MYSQL && !st->env->row_locks;
    enum mog_err e = is_server_lock ? take_server_lock(st, name, wait_s) : poll_until(st, id, wait_s);
    if (e == MOG_ELOCKED)
        return store_fail(st, MOG_ELOCKED, "somebody else holds the lock %s", name);
    if (e != MOG_OK)
        return e;
    st->lock_name = mem_strdup(name);
    st->lock_id = id;
    st->lock_renewed_ms = clock_mono_ms();
    return MOG_OK;
}

enum mog_err store_lock_fid(struct store *st, uint64_t fid, unsigned wait_s)
{
    char name[LOCK_NAME_MAX];
    snprintf(name, sizeof name, "mgfs:fid:%" PRIu64 ":replicate", fid);
    return store_lock(st, name, wait_s);
}

enum mog_err store_lock_fid_run(struct store *st, uint64_t fid, unsigned wait_s, enum sql_stmt id,
                                const struct sql_value *args, size_t n_args)
{
    if (!store_can_run_together(st) || st->lock_name != NULL || store_backend(st) != STORE_MYSQL) {
        enum mog_err e = store_lock_fid(st, fid, wait_s);
        return e == MOG_OK ? store_run(st, id, args, n_args) : e;
    }
    char name[LOCK_NAME_MAX];
    snprintf(name, sizeof name, "mgfs:fid:%" PRIu64 ":replicate", fid);
    const struct sql_value lock[] = {sql_str(name), sql_int(wait_s)};
    struct sql_result got = {0};
    struct sql_call calls[] = {{.id = SQL_LOCK_TAKE, .rows = 1, .args = lock, .n_args = 2, .r = &got},
                               {.id = id, .rows = 1, .args = args, .n_args = n_args, .r = &st->result}};
    enum mog_err e = store_run_together(st, calls, 2, false);
    bool answered = calls[0].done && st->conn != NULL;
    if (answered && sql_is_null(&got, 0, 0)) {
        e = store_fail(st, MOG_EDB, "the server cannot give the lock %s", name);
    } else if (answered && sql_i64(&got, 0, 0) != 1) {
        e = store_fail(st, MOG_ELOCKED, "somebody else holds the lock %s", name);
    } else if (answered) {
        st->lock_name = mem_strdup(name);
        st->lock_id = lock_number(name);
        st->lock_renewed_ms = clock_mono_ms();
    }
    sql_result_free(&got);
    return e;
}

enum mog_err store_lock_renew(struct store *st)
{
    if (st->lock_name == NULL || !uses_rows(st) || clock_mono_ms() - st->lock_renewed_ms < st->env->lock_renew_ms)
        return MOG_OK;
    enum mog_err e = STORE_RUN(st, SQL_LOCK_ROW_RENEW, sql_int(st->lock_id), sql_int((uint64_t)getpid()),
                               sql_str(st->env->hostname));
    if (e == MOG_OK && st->result.affected == 0)
        e = store_fail(st, MOG_ENOTFOUND, "the lock %s was taken over by another", st->lock_name);
    if (e == MOG_OK)
        st->lock_renewed_ms = clock_mono_ms();
    return e;
}

void store_lock_forget(struct store *st)
{
    if (st->lock_name == NULL)
        return;
    if (uses_rows(st))
        unreserve(st->env, st->lock_id);
    free(st->lock_name);
    st->lock_name = NULL;
}

static enum mog_err release(struct store *st)
{
    if (uses_rows(st))
        return STORE_RUN(st, SQL_LOCK_ROW_DELETE, sql_int(st->lock_id), sql_int((uint64_t)getpid()),
                         sql_str(st->env->hostname));
    if (store_backend(st) == STORE_MYSQL)
        return STORE_RUN(st, SQL_LOCK_RELEASE, sql_str(st->lock_name));
    enum mog_err e = MOG_OK;
    if (!st->conn->names_are_bytes)
        e = STORE_RUN(st, SQL_LOCK_RELEASE, sql_int(lock_number(st->env->hostname)), sql_int(st->lock_id));
    return e == MOG_OK ? STORE_RUN(st, SQL_LOCK_RELEASE, sql_int(0), sql_int(st->lock_id)) : e;
}

void store_lock_abandon(struct store *st)
{
    /* In a lost transaction nothing is run before its end is told. */
    if (st->lock_name != NULL && uses_rows(st) && st->tx_depth == 0 && store_open(st) == MOG_OK)
        remove_row(st, st->lock_id);
    store_lock_forget(st);
}

void store_unlock(struct store *st)
{
    if (st->lock_name == NULL)
        return;
    enum mog_err e = st->conn == NULL ? MOG_EDBDOWN : release(st);
    if (e == MOG_OK) {
        store_lock_forget(st);
        return;
    }
    if (st->conn != NULL)
        log_warn("database: releasing the lock %s failed: %s", st->lock_name, st->fail.text);
    /* A server releases its own kind of locks with the connection. */
    store_drop_connection(st);
    store_lock_abandon(st);
}

const char *store_lock_held(const struct store *st)
{
    return st->lock_name;
}
