/* SPDX-License-Identifier: MIT */
/* Read slaves: a random one that answers, and a pause for those that do not. */
#include "store/store_run.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"

enum { FAILURES_MAX = 21 };

/* Immutable but for `refs`, which env->mutex guards. */
struct store_slave_list {
    size_t refs;
    size_t n;
    struct {
        char *dsn, *user, *password;
        struct sql_target target;
        bool is_usable; /* the DSN makes sense */
    } * slaves;
    unsigned connect_timeout_s, dead_retry_s;
};

struct slave_conn {
    struct sql_conn *conn;
    unsigned failures; /* in a row, of connects and of statements */
    int64_t retry_at_mono_ms;
};

/* A handle's own connections to the slaves of `list`. */
struct store_slaves_of {
    struct store_slave_list *list;
    struct slave_conn *conns;
    bool is_exhausted; /* said so already */
};

void store_slave_list_free(struct store_slave_list *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->n; i++) {
        free(l->slaves[i].dsn);
        free(l->slaves[i].user);
        free(l->slaves[i].password);
        sql_target_fini(&l->slaves[i].target);
    }
    free(l->slaves);
    free(l);
}

static void list_release(struct store_env *env, struct store_slave_list *l)
{
    pthread_mutex_lock(&env->mutex);
    bool is_last = l != NULL && --l->refs == 0;
    pthread_mutex_unlock(&env->mutex);
    if (is_last)
        store_slave_list_free(l);
}

static bool is_same(const struct store_slave_list *l, const struct store_slave *slaves, size_t n, unsigned connect_s,
                    unsigned retry_s)
{
    if (l == NULL || n == 0)
        return l == NULL && n == 0;
    bool same = l->n == n && l->connect_timeout_s == connect_s && l->dead_retry_s == retry_s;
    for (size_t i = 0; same && i < n; i++)
        same = strcmp(l->slaves[i].dsn, slaves[i].dsn) == 0 && strcmp(l->slaves[i].user, slaves[i].user) == 0 &&
               strcmp(l->slaves[i].password, slaves[i].password) == 0;
    return same;
}

static struct store_slave_list *list_new(const struct store_slave *slaves, size_t n)
{
    struct store_slave_list *l = mem_calloc(1, sizeof *l);
    l->refs = 1;
    l->n = n;
    l->slaves = mem_calloc(n, sizeof l->slaves[0]);
    for (size_t i = 0; i < n; i++) {
        struct mog_fail f;
        l->slaves[i].dsn = mem_strdup(slaves[i].dsn);
        l->slaves[i].user = mem_strdup(slaves[i].user);
        l->slaves[i].password = mem_strdup(slaves[i].password);
        enum mog_err e = sql_target_parse(&l->slaves[i].target, slaves[i].dsn, slaves[i].user, slaves[i].password, &f);
        l->slaves[i].is_usable = e == MOG_OK && l->slaves[i].target.backend == STORE_MYSQL;
        if (!l->slaves[i].is_usable)
            log_warn("database: read slave %s is not usable: %s", slaves[i].dsn,
                     e == MOG_OK ? "not a MySQL database" : f.text);
    }
    return l;
}

void store_env_set_slaves(struct store_env *env, const struct store_slave *slaves, size_t n, unsigned connect_timeout_s,
                          unsigned dead_retry_s)
{
    if (env->target.backend != STORE_MYSQL)
        return;
    pthread_mutex_lock(&env->mutex);
    bool same = is_same(env->slaves, slaves, n, connect_timeout_s, dead_retry_s);
    pthread_mutex_unlock(&env->mutex);
    if (same)
        return;
    struct store_slave_list *fresh = n == 0 ? NULL : list_new(slaves, n);
    if (fresh != NULL) {
        fresh->connect_timeout_s = connect_timeout_s == 0 ? 1 : connect_timeout_s;
        fresh->dead_retry_s = dead_retry_s;
    }
    pthread_mutex_lock(&env->mutex);
    struct store_slave_list *old = env->slaves;
    env->slaves = fresh;
    pthread_mutex_unlock(&env->mutex);
    list_release(env, old);
}

void store_slave_close_all(struct store *st)
{
    struct store_slaves_of *s = st->slaves;
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->list->n; i++)
        if (s->conns[i].conn != NULL)
            st->driver->close(s->conns[i].conn);
    list_release(st->env, s->list);
    free(s->conns);
    free(s);
    st->slaves = NULL;
}

/* Bring the handle up to the list that holds now. False: there are no slaves. */
static bool refresh(struct store *st)
{
    pthread_mutex_lock(&st->env->mutex);
    struct store_slave_list *now = st->env->slaves;
    bool is_current = (st->slaves == NULL ? NULL : st->slaves->list) == now;
    if (!is_current && now != NULL)
        now->refs++;
    pthread_mutex_unlock(&st->env->mutex);
    if (is_current)
        return now != NULL;
    store_slave_close_all(st);
    if (now == NULL)
        return false;
    st->slaves = mem_calloc(1, sizeof *st->slaves);
    st->slaves->list = now;
    st->slaves->conns = mem_calloc(now->n, sizeof st->slaves->conns[0]);
    return true;
}

/* Leave it alone for `pauses` times the pause; returns that in seconds. */
static unsigned put_aside(struct store *st, struct slave_conn *c, unsigned pauses)
{
    unsigned wait_s = st->slaves->list->dead_retry_s * pauses;
    if (c->conn != NULL)
        st->driver->close(c->conn);
    c->conn = NULL;
    c->retry_at_mono_ms = clock_mono_ms() + (int64_t)wait_s * 1000;
    return wait_s;
}

static bool connect_slave(struct store *st, size_t i)
{
    const struct store_slave_list *l = st->slaves->list;
    struct slave_conn *c = &st->slaves->conns[i];
    if (c->conn != NULL && (c->conn->is_dead || !st->driver->is_alive(c->conn))) {
        st->driver->close(c->conn);
        c->conn = NULL;
    }
    if (c->conn != NULL)
        return true;
    if (!l->slaves[i].is_usable || clock_mono_ms() < c->retry_at_mono_ms)
        return false;
    struct sql_limits limits = {l->connect_timeout_s, store_patience_s(st->patience)};
    struct mog_fail f = {0};
    if (st->driver->open(&l->slaves[i].target, &limits, &c->conn, &f) == MOG_OK)
        return true;
    c->conn = NULL;
    c->failures = c->failures < FAILURES_MAX ? c->failures + 1 : FAILURES_MAX;
    log_warn("database: cannot connect to slave %s, next try in %u s: %s", l->slaves[i].dsn,
             put_aside(st, c, c->failures), f.text);
    return false;
}

/* The first time it may have been the connection, and a new one is tried at once. */
static void statement_failed(struct store *st, size_t i)
{
    struct slave_conn *c = &st->slaves->conns[i];
    log_warn("Error talking to slave: %s, next try in %u s: %s", st->slaves->list->slaves[i].dsn,
             put_aside(st, c, c->failures), st->fail.text);
    c->failures = c->failures < FAILURES_MAX ? c->failures + 1 : FAILURES_MAX;
}

enum mog_err store_slave_run(struct store *st, enum sql_stmt id, size_t size, const struct sql_value *args,
                             size_t n_args)
{
    if (st->tx_depth > 0 || !refresh(st))
        return MOG_ENOTFOUND;
    size_t n = st->slaves->list->n, first = store_random(st, (uint32_t)n);
    for (size_t k = 0; k < n; k++) {
        size_t i = (first + k) % n;
        struct slave_conn *c = &st->slaves->conns[i];
        if (!connect_slave(st, i))
            continue;
        st->statements++;
        enum mog_err e = st->driver->run(c->conn, id, size, args, n_args, &st->result, &st->fail);
        if (e == MOG_OK) {
            c->failures = 0;
            st->slaves->is_exhausted = false;
            return MOG_OK;
        }
        statement_failed(st, i);
    }
    if (!st->slaves->is_exhausted)
        log_warn("Slave list exhausted, failing back to master.");
    st->slaves->is_exhausted = true;
    return MOG_ENOTFOUND;
}
