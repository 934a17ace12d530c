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
        *t = (struct together){.last = &t->first};
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
    return r;
}

/* False: `r` waits for those that are at it. */
static bool enter(struct together *t, struct request *r, size_t *place)
{
    int64_t now_us = clock_mono_us();
    pthread_mutex_lock(&t->lock);
    int64_t age_us = youngest_us(t, now_us, place);
    bool may_go = *place != NO_PLACE || age_us > usual_us[r->kind];
    if (*place != NO_PLACE)
        t->begun_us[*place] = now_us;
    if (!may_go) {
        r->done_next = NULL;
        *t->last = r;
        t->last = &r->done_next;
    }
    pthread_mutex_unlock(&t->lock);
    return may_go;
}

/* What has gathered meanwhile; the place is left when that is nothing, or when it is `enough`. */
static size_t next(struct together *t, size_t place, struct request **all, bool enough)
{
    size_t n = 0;
    pthread_mutex_lock(&t->lock);
    while (n < (enough ? 1 : CMD_TOGETHER_MAX) && (all[n] = take(t)) != NULL)
        n++;
    if (place != NO_PLACE)
        t->begun_us[place] = n == 0 || enough ? 0 : clock_mono_us();
    pthread_mutex_unlock(&t->lock);
    return n;
}

static bool is_alike(void *arg, void *item)
{
    return ((struct request *)item)->kind == *(const enum cmd_kind *)arg;
}

/* More that wait for a thread. */
static size_t fill_up(struct pool *pool, struct request **all, size_t n)
{
    void *more[CMD_TOGETHER_MAX];
    enum cmd_kind kind = all[0]->kind;
    size_t got = pool_take(pool, is_alike, &kind, more, CMD_TOGETHER_MAX - n);
    for (size_t i = 0; i < got; i++)
        all[n + i] = more[i];
    return n + got;
}

/* In a thread of its own, so that others do not wait for it. */
static void run_apart(struct cmd_ctx *ctx, struct request *r)
{
    r->kind = CMD_ALONE;
    if (!pool_submit(r->server->queries, r))
        query_run(ctx, r);
}

/* Do what all of them ask for in one round trip, and answer those that could be done so. */
static void run_all(struct cmd_ctx *ctx, struct request **all, size_t n)
{
    struct cmd_line lines[CMD_TOGETHER_MAX];
    struct server *s = all[0]->server;
    size_t done = 0;
    int64_t started_us = clock_mono_us();
    for (size_t i = 0; i < n; i++)
        lines[i] = (struct cmd_line){.text = span_make(all[i]->line, all[i]->len), .client = &all[i]->client};
    cmd_go_ahead(ctx, all[0]->kind, lines, n);
    for (size_t i = 0; i < n; i++) {
        if (!lines[i].is_taken) {
            run_apart(ctx, all[i]);
            continue;
        }
        query_begin(all[i], started_us);
        all[i]->row = cmd_run_ahead(ctx, i, &all[i]->client, &all[i]->reply);
        query_end(ctx, all[i], started_us);
        all[done++] = all[i];
    }
    if (done != 0)
        server_post_done(s, all, done);
}

/* A thread at a place, or beside all of them. */
struct turn {
    struct together *t;
    struct pool *pool;
    size_t place;
    bool is_over;
    struct request *left_over; /* the pool has stopped, and does not take it any more */
};

static void leave(void *arg)
{
    struct turn *turn = arg;
    struct request *r = NULL;
    if (turn->is_over)
        return;
    turn->is_over = true;
    if (next(turn->t, turn->place, &r, true) != 0 && !pool_submit(turn->pool, r))
        turn->left_over = r;
}

/* Who waits for a storage node does so without its place: a database that is quick is no reason to wait for that. */
static void run_one(struct cmd_ctx *ctx, struct request *r, struct turn *turn)
{
    ctx->on_wait = leave;
    ctx->on_wait_arg = turn;
    query_run(ctx, r);
    ctx->on_wait = NULL;
}

void together_run(struct cmd_ctx *ctx, struct request *r)
{
    struct server *s = r->server;
    struct turn turn = {.t = &s->together[r->kind], .pool = s->queries};
    struct request *all[CMD_TOGETHER_MAX] = {r};
    size_t n = 1;
    if (!enter(turn.t, r, &turn.place))
        return;
    for (unsigned round = 1; n != 0 && !turn.is_over; round++) {
        n = fill_up(s->queries, all, n);
        if (n == 1)
            run_one(ctx, all[0], &turn);
        else
            run_all(ctx, all, n);
        if (round >= ROUNDS_MAX || turn.place == NO_PLACE)
            leave(&turn);
        if (!turn.is_over)
            n = next(turn.t, turn.place, all, false);
    }
    if (turn.left_over != NULL)
        query_run(ctx, turn.left_over);
}

static void tick(struct together *t, enum cmd_kind kind)
{
    size_t place;
    struct request *all = NULL, *r;
    pthread_mutex_lock(&t->lock);
    bool is_hung = youngest_us(t, clock_mono_us(), &place) > HUNG_US;
    /* With a free place, nobody may come: the one that was to take the others along has lost its client. */
    if (t->first != NULL && (is_hung || place != NO_PLACE)) {
        all = t->first;
        t->first = NULL;
        t->last = &t->first;
    }
    pthread_mutex_unlock(&t->lock);
    while ((r = all) != NULL) {
        all = r->done_next;
        r->kind = is_hung ? CMD_ALONE : kind;
        query_hand_in(r);
    }
}

void together_tick(struct server *s)
{
    for (enum cmd_kind kind = CMD_ALONE + 1; kind < CMD_KINDS; kind++)
        tick(&s->together[kind], kind);
}
