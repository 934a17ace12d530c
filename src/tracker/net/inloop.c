/* SPDX-License-Identifier: MIT */
/*
 * Lookups that the loop answers by itself. Where the database is a file (SQLite) that is in memory, looking some keys
 * up takes less time than waking a thread for it. What is not in memory, or would have to wait for any other reason, is
 * left to the query threads, whose disk may be slow, or hang.
 */
#include "tracker/net/server_priv.h"

#include "common/clock.h"
#include "common/log.h"

enum { CONNECT_AGAIN_MS = 1000, PAUSE_MAX = 64 };

void inloop_init(struct server *s)
{
    struct inloop *l = &s->inloop;
    l->ctx = cmd_ctx_new_nowait(s->shared);
    atomic_store(&l->state, l->ctx != NULL ? INLOOP_WANTED : INLOOP_NEVER);
}

void inloop_fini(struct server *s)
{
    cmd_ctx_free(s->inloop.ctx);
}

static void want_connection(struct inloop *l)
{
    atomic_store(&l->connect_at_mono_ms, clock_mono_ms() + CONNECT_AGAIN_MS);
    atomic_store(&l->state, INLOOP_WANTED);
}

void inloop_connect(struct server *s)
{
    struct inloop *l = &s->inloop;
    enum inloop_state wanted = INLOOP_WANTED;
    if (atomic_load(&l->state) != INLOOP_WANTED || clock_mono_ms() < atomic_load(&l->connect_at_mono_ms) ||
        !atomic_compare_exchange_strong(&l->state, &wanted, INLOOP_CONNECTING))
        return;
    enum mog_err e = store_nowait_connect(l->ctx->st);
    if (e == MOG_OK) {
        atomic_store(&l->state, INLOOP_READY);
    } else if (e == MOG_EUNSUPPORTED) {
        log_info("lookups are all left to query threads: %s", store_failure(l->ctx->st)->text);
        atomic_store(&l->state, INLOOP_NEVER);
    } else {
        want_connection(l); /* the threads tell the log why, for what they cannot do themselves */
    }
}

/*
 * Asking in vain costs as much as waking a thread, or more: the more so in a row, the less often. A round that gets
 * what it asks for, between others that do not, changes that by half.
 */
static void learn(struct inloop *l, enum mog_err e)
{
    if (e == MOG_OK)
        l->pause /= 2;
    else if (!store_nowait_is_connected(l->ctx->st))
        want_connection(l);
    else
        l->rest = l->pause = l->pause == 0 ? 1 : l->pause * 2 < PAUSE_MAX ? l->pause * 2 : PAUSE_MAX;
}

/* An operator may want no query threads: then nothing is served. */
static bool may_run(struct server *s)
{
    struct inloop *l = &s->inloop;
    if (atomic_load(&l->state) != INLOOP_READY || atomic_load(&s->queries_wanted) == 0)
        return false;
    if (l->rest == 0)
        return true;
    l->rest--;
    return false;
}

/* Take up to CMD_TOGETHER_MAX of them. Long lines take long to read: they stay. */
static size_t take(struct request **lookups, struct request **all)
{
    size_t n = 0;
    while (*lookups != NULL && n < CMD_TOGETHER_MAX) {
        struct request *r = *lookups;
        if (query_is_short(r->len)) {
            all[n++] = r;
            *lookups = r->done_next;
        } else {
            lookups = &r->done_next;
        }
    }
    return n;
}

/*
 * No more than one statement may ask for: where so much is asked for that more has come in one round, the threads do
 * the rest.
 */
size_t inloop_run(struct server *s, struct request **lookups)
{
    struct request *all[CMD_TOGETHER_MAX];
    size_t n_left = 0, n = may_run(s) ? take(lookups, all) : 0;
    if (n == 0)
        return 0;
    learn(&s->inloop, query_run_together(s->inloop.ctx, all, n, &n_left, &s->inloop.n_answered));
    for (size_t i = n_left; i-- > 0;) {
        all[i]->done_next = *lookups;
        *lookups = all[i];
    }
    return n - n_left;
}
