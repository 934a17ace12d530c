/* SPDX-License-Identifier: MIT */
/* Lookups of different clients that are read from the database together. */
#include "tracker/net/server_priv.h"

#include "common/clock.h"

/*
 * A statement that takes longer than PROMPT_US is no reason to wait: others go beside it. One that takes longer than
 * HUNG_US hangs, and nobody is left behind it. After ROUNDS_MAX statements in a row a thread looks for other work.
 */
enum { PROMPT_US = 1000, HUNG_US = 100 * 1000, ROUNDS_MAX = 50, NO_PLACE = LOOKUPS_AT_ONCE };

void lookups_init(struct lookups *l)
{
    *l = (struct lookups){.last = &l->first};
    pthread_mutex_init(&l->lock, NULL);
}

void lookups_fini(struct lookups *l)
{
    pthread_mutex_destroy(&l->lock);
}

/* Under the lock: the age of the youngest statement under way; 0 when a place is free, which is put into `place`. */
static int64_t youngest_us(const struct lookups *l, int64_t now_us, size_t *place)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < LOOKUPS_AT_ONCE; i++) {
        int64_t age = now_us - l->begun_us[i];
        *place = i;
        if (l->begun_us[i] == 0)
            return 0;
        least = age < least ? age : least;
    }
    *place = NO_PLACE;
    return least;
}

/* Under the lock. */
static struct request *take(struct lookups *l)
{
    struct request *r = l->first;
    if (r == NULL)
        return NULL;
    l->first = r->done_next;
    if (l->first == NULL)
        l->last = &l->first;
    return r;
}

/* False: `r` waits for those that are at it. */
static bool enter(struct lookups *l, struct request *r, size_t *place)
{
    int64_t now_us = clock_mono_us();
    pthread_mutex_lock(&l->lock);
    int64_t age_us = youngest_us(l, now_us, place);
    bool may_go = *place != NO_PLACE || age_us > PROMPT_US;
    if (*place != NO_PLACE)
        l->begun_us[*place] = now_us;
    if (!may_go) {
        r->done_next = NULL;
        *l->last = r;
        l->last = &r->done_next;
    }
    pthread_mutex_unlock(&l->lock);
    return may_go;
}

/* What has gathered meanwhile; the place is left when that is nothing, or when it is `enough`. */
static size_t next(struct lookups *l, size_t place, struct request **all, bool enough)
{
    size_t n = 0;
    pthread_mutex_lock(&l->lock);
    while (n < (enough ? 1 : CMD_TOGETHER_MAX) && (all[n] = take(l)) != NULL)
        n++;
    if (place != NO_PLACE)
        l->begun_us[place] = n == 0 || enough ? 0 : clock_mono_us();
    pthread_mutex_unlock(&l->lock);
    return n;
}

static bool is_lookup(void *arg, void *item)
{
    (void)arg;
    return ((struct request *)item)->is_lookup;
}

/* More that wait for a thread. */
static size_t fill_up(struct pool *pool, struct request **all, size_t n)
{
    void *more[CMD_TOGETHER_MAX];
    size_t got = pool_take(pool, is_lookup, NULL, more, CMD_TOGETHER_MAX - n);
    for (size_t i = 0; i < got; i++)
        all[n + i] = more[i];
    return n + got;
}

/* Read what all of them ask for in one round trip. False: they must be run alone. */
static bool read_together(struct cmd_ctx *ctx, struct request *const *all, size_t n)
{
    struct span lines[CMD_TOGETHER_MAX];
    int64_t started_us = clock_mono_us();
    for (size_t i = 0; i < n; i++)
        lines[i] = span_make(all[i]->line, all[i]->len);
    if (!cmd_read_ahead(ctx, lines, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        query_begin(all[i], started_us);
        all[i]->row = cmd_run_ahead(ctx, i, &all[i]->client, &all[i]->reply);
        query_end(ctx, all[i], started_us);
    }
    server_post_done(all[0]->server, all, n);
    return true;
}

/* Each in a thread of its own, so that they do not wait for each other. */
static void part(struct cmd_ctx *ctx, struct pool *pool, struct request *const *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        all[i]->is_lookup = false;
        if (!pool_submit(pool, all[i]))
            query_run(ctx, all[i]);
    }
}

void lookups_run(struct cmd_ctx *ctx, struct request *r)
{
    struct server *s = r->server;
    struct request *all[CMD_TOGETHER_MAX] = {r};
    size_t place, n = 1;
    if (!enter(&s->lookups, r, &place))
        return;
    for (unsigned round = 1; n != 0; round++) {
        n = fill_up(s->queries, all, n);
        if (n == 1)
            query_run(ctx, all[0]);
        else if (!read_together(ctx, all, n))
            part(ctx, s->queries, all, n);
        bool is_last = round >= ROUNDS_MAX || place == NO_PLACE;
        n = next(&s->lookups, place, all, is_last);
        if (is_last) {
            if (n != 0 && !pool_submit(s->queries, all[0]))
                query_run(ctx, all[0]);
            return;
        }
    }
}

void lookups_tick(struct server *s)
{
    struct lookups *l = &s->lookups;
    size_t place;
    struct request *all = NULL, *r;
    pthread_mutex_lock(&l->lock);
    bool is_hung = youngest_us(l, clock_mono_us(), &place) > HUNG_US;
    /* With a free place, nobody may come: the one that was to take the others along has lost its client. */
    if (l->first != NULL && (is_hung || place != NO_PLACE)) {
        all = l->first;
        l->first = NULL;
        l->last = &l->first;
    }
    pthread_mutex_unlock(&l->lock);
    while ((r = all) != NULL) {
        all = r->done_next;
        r->is_lookup = !is_hung;
        query_hand_in(r);
    }
}
