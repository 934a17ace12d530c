/* SPDX-License-Identifier: MIT */
/* Publishing snapshots, and waiting for newer ones. */
#include "tracker/cluster/cluster_box.h"

#include "common/clock.h"
#include "common/mem.h"
#include "tracker/cluster/cluster_build.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct holder {
    struct holder *next;
    struct cluster *cluster;
    size_t borrowed;
};

/*
 * Invariants, all under `lock`:
 * 1. `current` is the newest snapshot; older ones that are still borrowed stand behind it in the list.
 * 2. requested >= done; a request is served when done reaches its number.
 */
struct cluster_box {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a round ended, or stop */
    pthread_cond_t asked;   /* a request, or stop; only the monitor waits here */
    struct holder *current;
    uint64_t requested, done, rounds;
    bool stopping;
};

struct cluster_box *cluster_box_new(void)
{
    struct cluster_box *b = mem_calloc(1, sizeof(*b));
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, &attr);
    pthread_cond_init(&b->asked, &attr);
    pthread_condattr_destroy(&attr);
    return b;
}

void cluster_box_free(struct cluster_box *b)
{
    if (b == NULL)
        return;
    while (b->current != NULL) {
        struct holder *next = b->current->next;
        cluster_free(b->current->cluster);
        free(b->current);
        b->current = next;
    }
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->changed);
    pthread_cond_destroy(&b->asked);
    free(b);
}

const struct cluster *cluster_box_borrow(struct cluster_box *b)
{
    pthread_mutex_lock(&b->lock);
    struct cluster *c = NULL;
    if (b->current != NULL) {
        b->current->borrowed++;
        c = b->current->cluster;
    }
    pthread_mutex_unlock(&b->lock);
    return c;
}

void cluster_box_release(struct cluster_box *b, const struct cluster *c)
{
    if (c == NULL)
        return;
    struct holder *gone = NULL;
    pthread_mutex_lock(&b->lock);
    struct holder **at = &b->current;
    while ((*at)->cluster != c)
        at = &(*at)->next;
    (*at)->borrowed--;
    if ((*at)->borrowed == 0 && *at != b->current) {
        gone = *at;
        *at = gone->next;
    }
    pthread_mutex_unlock(&b->lock);
    if (gone != NULL) {
        cluster_free(gone->cluster);
        free(gone);
    }
}

void cluster_box_publish(struct cluster_box *b, struct cluster *c)
{
    struct holder *h = mem_calloc(1, sizeof(*h)), *gone = NULL;
    h->cluster = c;
    pthread_mutex_lock(&b->lock);
    h->next = b->current;
    b->current = h;
    if (h->next != NULL && h->next->borrowed == 0) {
        gone = h->next;
        h->next = gone->next;
    }
    pthread_mutex_unlock(&b->lock);
    if (gone != NULL) {
        cluster_free(gone->cluster);
        free(gone);
    }
}

/* Under the lock. False: the time is over. */
static bool wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, struct deadline by)
{
    struct timespec ts = {.tv_sec = by.at_mono_ms / 1000, .tv_nsec = by.at_mono_ms % 1000 * 1000000};
    return pthread_cond_timedwait(cond, lock, &ts) == 0;
}

/* Wait until *counter >= goal. */
static enum mog_err wait_for(struct cluster_box *b, const uint64_t *counter, uint64_t goal, int64_t timeout_ms)
{
    struct deadline by = deadline_in(timeout_ms);
    enum mog_err e = MOG_OK;
    while (!b->stopping && *counter < goal && e == MOG_OK) {
        if (!wait_until(&b->changed, &b->lock, by) && deadline_is_past(by))
            e = MOG_ETIMEOUT;
    }
    if (*counter >= goal)
        return MOG_OK;
    return b->stopping ? MOG_ECANCELED : e;
}

enum mog_err cluster_box_refresh(struct cluster_box *b, int64_t timeout_ms)
{
    pthread_mutex_lock(&b->lock);
    uint64_t ticket = ++b->requested;
    pthread_cond_signal(&b->asked);
    enum mog_err e = wait_for(b, &b->done, ticket, timeout_ms);
    pthread_mutex_unlock(&b->lock);
    return e;
}

void cluster_box_ask(struct cluster_box *b)
{
    pthread_mutex_lock(&b->lock);
    b->requested++;
    pthread_cond_signal(&b->asked);
    pthread_mutex_unlock(&b->lock);
}

enum mog_err cluster_box_wait_round(struct cluster_box *b, int64_t timeout_ms)
{
    pthread_mutex_lock(&b->lock);
    enum mog_err e = wait_for(b, &b->rounds, b->rounds + 1, timeout_ms);
    pthread_mutex_unlock(&b->lock);
    return e;
}

enum mog_err cluster_box_wait_ready(struct cluster_box *b, int64_t timeout_ms)
{
    pthread_mutex_lock(&b->lock);
    enum mog_err e = wait_for(b, &b->rounds, 1, timeout_ms);
    pthread_mutex_unlock(&b->lock);
    return e;
}

void cluster_box_pause(struct cluster_box *b, int64_t ms)
{
    struct deadline by = deadline_in(ms);
    pthread_mutex_lock(&b->lock);
    while (!b->stopping && !deadline_is_past(by))
        (void)wait_until(&b->changed, &b->lock, by);
    pthread_mutex_unlock(&b->lock);
}

bool cluster_box_is_loaded(struct cluster_box *b)
{
    const struct cluster *c = cluster_box_borrow(b);
    cluster_box_release(b, c);
    return c != NULL;
}

bool cluster_box_is_ready(struct cluster_box *b)
{
    pthread_mutex_lock(&b->lock);
    bool ready = b->rounds != 0;
    pthread_mutex_unlock(&b->lock);
    return ready;
}

bool cluster_box_wait_request(struct cluster_box *b, int64_t ms, uint64_t *ticket)
{
    struct deadline by = deadline_in(ms);
    pthread_mutex_lock(&b->lock);
    while (!b->stopping && b->requested <= *ticket && !deadline_is_past(by))
        (void)wait_until(&b->asked, &b->lock, by);
    bool asked = b->requested > *ticket;
    *ticket = b->requested;
    pthread_mutex_unlock(&b->lock);
    return asked;
}

void cluster_box_round_done(struct cluster_box *b, uint64_t ticket)
{
    pthread_mutex_lock(&b->lock);
    if (ticket > b->done)
        b->done = ticket;
    b->rounds++;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

void cluster_box_stop(struct cluster_box *b)
{
    pthread_mutex_lock(&b->lock);
    b->stopping = true;
    pthread_cond_broadcast(&b->changed);
    pthread_cond_broadcast(&b->asked);
    pthread_mutex_unlock(&b->lock);
}

bool cluster_box_is_stopping(struct cluster_box *b)
{
    pthread_mutex_lock(&b->lock);
    bool stopping = b->stopping;
    pthread_mutex_unlock(&b->lock);
    return stopping;
}
