/* SPDX-License-Identifier: MIT */
/* Requests of different clients that share what the database charges for each. */
#include "tracker/net/server_priv.h"

#include "common/clock.h"

/*
 * A statement that takes longer than usual is no reason to wait: others go beside it. One that takes longer than
 * HUNG_US hangs, and nobody is left behind it. After ROUNDS_MAX statements in a row a thread looks for other work.
 */
enum { HUNG_US = 100 * 1000, ROUNDS_MAX = 50, NO_PLACE = TOGETHER_AT_ONCE };
static const int64_t usual_us[CMD_KINDS] = {
    [CMD_LOOKUPS] = 1000, [CMD_OPENS] = 10 * 1000}; /* a commit waits for a disk */

void together_init(struct server *s)
{
    for (struct together *t = s->together; t < &s->together[CMD_KINDS]; t++) {
        *t = (struct together){.usual_us = usual_us[t - s->together], .last = &t->first};
        pthread_mutex_init(&t->lock, NULL);
    }
}

void together_fini(struct server *s)
{
    for (struct together *t = s->together; t < &s->together[CMD_KINDS]; t++)
        pthread_mutex_destroy(&t->lock);
}

/* Under the lock: the age of the youngest statement under way; 0 when a place is free, which is put into `place`. */
static int64_t youngest_us(const struct together *t, int64_t now_us, size_t *place)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < TOGETHER_AT_ONCE; i++) {
        int64_t age = now_us - t->begun_us[i];
        *place = i;
        if (t->begun_us[i] == 0)
            return 0;
        least = age < least ? age : least;
    }
    *place = NO_PLACE;
    return least;
}

/* Under the lock. */
static struct request *take(struct together *t)
{
    struct request *r = t->first;
    if (r == NULL)
        return NULL;
    t->first = r->done_next;
    if (t->first == NULL)
        t->last = &t->first;
    t->n_waiting--;
    return r;
}

/* Under the lock: all that wait, by done_next. */
static struct request *take_all(struct together *t)
{
    struct request *all = t->first;
    t->first = NULL;
    t->last = &t->first;
    t->n_waiting = 0;
    return all;
}

/*
 * Under the lock: the first of those that wait is called if none is on its way yet, and it finds a place, or the
 * statements there are slow. The caller hands it in, without the lock.
 */
static struct request *call(struct together *t)
{
    size_t place;
    if (t->is_called || t->first == NULL)
        return NULL;
    if (youngest_us(t, clock_mono_us(), &place) <= t->usual_us && place == NO_PLACE)
        return NULL;
    struct request *r = take(t);
    t->is_called = r->has_turn = true;
    return r;
}

void together_submit(struct server *s, enum cmd_kind kind, struct request *first)
{
    struct together *t = &s->together[kind];
    pthread_mutex_lock(&t->lock);
    *t->last = first;
    for (; first != NULL; first = first->done_next) {
        t->last = &first->done_next;
        t->n_waiting++;
    }
    struct request *called = call(t);
    pthread_mutex_unlock(&t->lock);
    if (called != NULL)
        query_hand_in(called);
}

bool together_cancel(struct request *r)
{
    struct together *t = &r->server->together[r->kind];
    pthread_mutex_lock(&t->lock);
    struct request **at = &t->first;
    while (*at != NULL && *at != r)
        at = &(*at)->done_next;
    bool is_found = *at == r;
    if (is_found) {
        *at = r->done_next;
        if (t->last == &r->done_next)
            t->last = at;
        t->n_waiting--;
    }
    pthread_mutex_unlock(&t->lock);
    return is_found;
}

void together_pass_on(struct server *s, enum cmd_kind kind)
{
    struct together *t = &s->together[kind];
    pthread_mutex_lock(&t->lock);
    t->is_called = false;
    struct request *called = call(t);
    pthread_mutex_unlock(&t->lock);
    if (called != NULL)
        query_hand_in(called);
}

struct request *together_give_up(struct request *r)
{
    struct together *t = &r->server->together[r->kind];
    pthread_mutex_lock(&t->lock);
    t->is_called = r->has_turn = false;
    struct request *all = take_all(t);
    pthread_mutex_unlock(&t->lock);
    return all;
}

size_t together_waiting(const struct server *s)
{
    size_t n = 0;
    for (enum cmd_kind kind = CMD_ALONE + 1; kind < CMD_KINDS; kind++)
        n += atomic_load(&s->together[kind].n_waiting);
    return n;
}

/* A thread at a place, or beside all of them, and what it runs together. */
struct turn {
    struct together *t;
    struct pool *pool;
    size_t place;
    bool is_over;
    struct request *all[CMD_TOGETHER_MAX];
    size_t n;
};

/* When the pool has stopped, it does not take them any more: they end with the server. */
static void pass_to(struct pool *pool, struct request *r)
{
    if (r != NULL)
        (void)!pool_submit(pool, r);
}

/* Take along what waits. The place is left when there is nothing; another one is for those that are too many. */
static void take_along(struct turn *turn)
{
    struct together *t = turn->t;
    pthread_mutex_lock(&t->lock);
    while (turn->n < CMD_TOGETHER_MAX && (turn->all[turn->n] = take(t)) != NULL)
        turn->n++;
    if (turn->place != NO_PLACE)
        t->begun_us[turn->place] = turn->n == 0 ? 0 : clock_mono_us();
    struct request *called = call(t);
    pthread_mutex_unlock(&t->lock);
    pass_to(turn->pool, called);
}

static void begin(struct turn *turn, struct request *r)
{
    pthread_mutex_lock(&turn->t->lock);
    turn->t->is_called = r->has_turn = false;
    int64_t now_us = clock_mono_us();
    (void)youngest_us(turn->t, now_us, &turn->place);
    if (turn->place != NO_PLACE)
        turn->t->begun_us[turn->place] = now_us;
    pthread_mutex_unlock(&turn->t->lock);
    turn->all[0] = r;
    turn->n = 1;
}

static void leave(void *arg)
{
    struct turn *turn = arg;
    if (turn->is_over)
        return;
    turn->is_over = true;
    pthread_mutex_lock(&turn->t->lock);
    if (turn->place != NO_PLACE)
        turn->t->begun_us[turn->place] = 0;
    struct request *called = call(turn->t);
    pthread_mutex_unlock(&turn->t->lock);
    pass_to(turn->pool, called);
}

/* In a thread of its own, so that others do not wait for it. */
static void run_apart(struct cmd_ctx *ctx, struct request *r)
{
    if (!pool_submit(r->server->queries, r))
        query_run(ctx, r);
}

/* In one round trip; who could not be answered so goes alone. */
static void run_all(struct cmd_ctx *ctx, struct request **all, size_t n)
{
    size_t left = 0;
    (void)query_run_together(ctx, all, n, &left, NULL);
    for (size_t i = 0; i < left; i++)
        run_apart(ctx, all[i]);
}

/* Who waits for a storage node does so without its place: a database that is quick is no reason to wait for that. */
static void run_one(struct cmd_ctx *ctx, struct request *r, struct turn *turn)
{
    ctx->on_wait = leave;
    ctx->on_wait_arg = turn;
    query_run(ctx, r);
    ctx->on_wait = NULL;
}

/* They have nothing to share: each in a thread of its own, also those that come until that changes. */
static void run_each(struct cmd_ctx *ctx, struct turn *turn, struct request *r)
{
    pthread_mutex_lock(&turn->t->lock);
    atomic_store(&turn->t->is_off, true);
    struct request *others = take_all(turn->t);
    pthread_mutex_unlock(&turn->t->lock);
    while (others != NULL) {
        struct request *other = others;
        others = other->done_next;
        run_apart(ctx, other);
    }
    leave(turn);
    query_run(ctx, r);
}

void together_run(struct cmd_ctx *ctx, struct request *r)
{
    struct turn turn = {.t = &r->server->together[r->kind], .pool = r->server->queries};
    begin(&turn, r);
    if (!cmd_wants_ahead(ctx, r->kind)) {
        run_each(ctx, &turn, r);
        return;
    }
    for (unsigned round = 1; !turn.is_over; round++) {
        take_along(&turn);
        if (turn.n == 0)
            return;
        if (turn.n == 1)
            run_one(ctx, turn.all[0], &turn);
        else
            run_all(ctx, turn.all, turn.n);
        if (round >= ROUNDS_MAX || turn.place == NO_PLACE)
            leave(&turn);
        turn.n = 0;
    }
}

void together_seen(struct cmd_ctx *ctx, struct request *r)
{
    struct together *t = &r->server->together[r->kind];
    if (r->kind != CMD_ALONE && atomic_load(&t->is_off) && cmd_wants_ahead(ctx, r->kind))
        atomic_store(&t->is_off, false);
}

static void tick(struct together *t)
{
    size_t place;
    struct request *all = NULL, *r;
    pthread_mutex_lock(&t->lock);
    if (!t->is_called && youngest_us(t, clock_mono_us(), &place) > HUNG_US)
        all = take_all(t);
    struct request *called = call(t);
    pthread_mutex_unlock(&t->lock);
    while ((r = all) != NULL) {
        all = r->done_next;
        query_hand_in(r);
    }
    if (called != NULL)
        query_hand_in(called);
}

void together_tick(struct server *s)
{
    for (enum cmd_kind kind = CMD_ALONE + 1; kind < CMD_KINDS; kind++)
        tick(&s->together[kind]);
}
