/* SPDX-License-Identifier: MIT */
/* A resizable pool of threads over one queue. */
#include "common/pool.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TRY_AGAIN_MS = 1000 };

struct item {
    struct item *next;
    void *value;
};

struct worker_thread {
    struct worker_thread *next;
    pthread_t id;
    struct pool *pool;
    uint32_t number;
    pthread_cond_t wake;
    /* Under the pool's lock: */
    struct worker_thread *idle_next;
    bool is_called;        /* somebody has taken it from the idle ones and signals `wake` */
    bool retired;          /* ends after its current item */
    bool told_late;        /* pool_late() has named it for the current item */
    int64_t busy_since_ms; /* when it took its item; 0: it has none */
};

/*
 * Invariants, all under `lock`:
 * 1. waiting is the length of the list from `first`.
 * 2. running counts threads that have not decided to end; alive those that do not stand in `ended`, where they wait to
 * be joined.
 * 3. After `stopping` nothing is queued.
 * 4. `waking` threads have been called and have not yet looked: each looks for more work than its own, and calls the
 * next. Without a limit of active threads it is one at a time, so that short items do not wake a thread each, and long
 * ones still get one each; with a limit, as many as may be active.
 * 5. `idle` is a stack: who worked last has warm caches and is called first.
 * 6. The memory of a thread that has ended is kept for the next one: a signal may still be on its way to it.
 * 7. `active` counts threads at an item that have not said that they wait; `taken` items ever taken.
 * 8. `standby` is a thread that waits for its turn at what may not be taken yet; it is not among the idle ones.
 */
struct pool {
    struct pool_ops ops;
    size_t limit;
    pthread_mutex_t lock;
    struct item *first, **last;
    size_t waiting, wanted, running, alive, busy, active;
    uint64_t taken;
    struct worker_thread *ended, *spare, *idle, *standby;
    struct worker_thread *threads; /* those that run, by number, newest first */
    size_t waking;
    int64_t try_again_mono_ms; /* the system had no more threads: when to ask again; 0: all wanted were started */
    bool stopping;
    pthread_cond_t all_ended;
};

struct pool *pool_new(const struct pool_ops *ops, size_t limit)
{
    struct pool *p = mem_calloc(1, sizeof(*p));
    p->ops = *ops;
    if (p->ops.overdue_ms == 0)
        p->ops.overdue_ms = POOL_OVERDUE_MS;
    p->limit = limit;
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->all_ended, NULL);
    return p;
}

/* Under the lock. */
static void *take(struct pool *p)
{
    struct item *item = p->first;
    p->first = item->next;
    if (p->first == NULL)
        p->last = &p->first;
    p->waiting--;
    void *value = item->value;
    free(item);
    return value;
}

/* Under the lock. */
static bool may_take(const struct pool *p)
{
    return p->ops.active == 0 || p->active < p->ops.active;
}

/* Under the lock. */
static size_t most_waking(const struct pool *p)
{
    return p->ops.active == 0 || !may_take(p) ? 1 : p->ops.active - p->active;
}

/*
 * Under the lock: call a thread when there is work for it, or something to stand by for. The caller of this signals it,
 * without the lock if it can.
 */
static struct worker_thread *call_one(struct pool *p)
{
    struct worker_thread *t = p->idle;
    if (p->waiting == 0 || p->waking >= most_waking(p) || (p->standby != NULL && !may_take(p)))
        return NULL;
    if (t != NULL)
        p->idle = t->idle_next;
    else
        t = p->standby;
    /* The one that stands by may have been called already: it decrements `waking` only once. */
    if (t == NULL || t->is_called)
        return NULL;
    t->is_called = true;
    p->waking++;
    return t;
}

static void signal_called(struct worker_thread *t)
{
    if (t != NULL)
        pthread_cond_signal(&t->wake);
}

/* Under the lock: all look whether they are still wanted. */
static void call_all(struct pool *p)
{
    while (p->idle != NULL) {
        struct worker_thread *t = p->idle;
        p->idle = t->idle_next;
        t->is_called = true;
        signal_called(t);
    }
    if (p->standby != NULL) {
        p->standby->is_called = true;
        signal_called(p->standby);
    }
}

/* Under the lock. */
static void wait_for_call(struct pool *p, struct worker_thread *self)
{
    self->is_called = false;
    self->idle_next = p->idle;
    p->idle = self;
    while (!self->is_called)
        pthread_cond_wait(&self->wake, &p->lock);
    p->waking -= p->waking > 0; /* call_all() does not count */
}

/*
 * Under the lock: as many work as should. True when what waits is to be taken all the same, since they get nowhere.
 */
static bool stand_by(struct pool *p, struct worker_thread *self)
{
    if (p->standby != NULL) {
        wait_for_call(p, self);
        return false;
    }
    struct timespec until;
    uint64_t taken = p->taken;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += p->ops.overdue_ms / 1000;
    until.tv_nsec += p->ops.overdue_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    self->is_called = false;
    p->standby = self;
    int rc = 0;
    while (!self->is_called && rc == 0)
        rc = pthread_cond_timedwait(&self->wake, &p->lock, &until);
    p->standby = NULL;
    if (self->is_called) {
        p->waking -= p->waking > 0;
        return false;
    }
    return p->waiting > 0 && p->taken == taken;
}

void pool_wait_begin(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->active--;
    struct worker_thread *called = call_one(p);
    pthread_mutex_unlock(&p->lock);
    signal_called(called);
}

void pool_wait_end(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->active++;
    pthread_mutex_unlock(&p->lock);
}

void pool_set_active(struct pool *p, size_t active)
{
    pthread_mutex_lock(&p->lock);
    p->ops.active = active;
    struct worker_thread *called = call_one(p);
    pthread_mutex_unlock(&p->lock);
    signal_called(called);
}

static bool is_surplus(const struct pool *p, const struct worker_thread *self)
{
    return p->stopping || self->retired || p->running > p->wanted;
}

static void *run(void *arg)
{
    struct worker_thread *self = arg;
    struct pool *p = self->pool;
    char context[64];
    (void)snprintf(context, sizeof(context), "%s(%" PRIu32 ")", p->ops.name, self->number);
    log_set_context(context);
    pthread_setname_np(pthread_self(), p->ops.name);
    void *worker = p->ops.worker_new != NULL ? p->ops.worker_new(p->ops.arg) : NULL;
    pthread_mutex_lock(&p->lock);
    while (!is_surplus(p, self)) {
        if (p->waiting == 0) {
            wait_for_call(p, self);
            continue;
        }
        if (!may_take(p) && !stand_by(p, self))
            continue;
        void *value = take(p);
        p->taken++;
        p->active++;
        p->busy++;
        self->told_late = false;
        self->busy_since_ms = clock_mono_ms();
        struct worker_thread *next = call_one(p);
        pthread_mutex_unlock(&p->lock);
        signal_called(next);
        p->ops.work(worker, value);
        pthread_mutex_lock(&p->lock);
        self->busy_since_ms = 0;
        p->active--;
        p->busy--;
    }
    p->running--;
    /* A wake-up meant for us must not be lost with us. */
    struct worker_thread *other = call_one(p);
    pthread_mutex_unlock(&p->lock);
    signal_called(other);
    if (p->ops.worker_free != NULL)
        p->ops.worker_free(worker);
    pthread_mutex_lock(&p->lock);
    struct worker_thread **at = &p->threads;
    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
    self->next = p->ended;
    p->ended = self;
    p->alive--;
    pthread_cond_broadcast(&p->all_ended);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

uint32_t pool_next_number(void)
{
    /* Linux's highest process id is 4194304: an operator who kills one of ours hits nothing. */
    static _Atomic uint32_t last = 4194304;
    return atomic_fetch_add(&last, 1) + 1;
}

/* Join those that have ended, and keep their memory. */
static void join_ended(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->ended != NULL) {
        struct worker_thread *t = p->ended;
        p->ended = t->next;
        pthread_mutex_unlock(&p->lock);
        pthread_join(t->id, NULL);
        pthread_mutex_lock(&p->lock);
        t->next = p->spare;
        p->spare = t;
    }
    pthread_mutex_unlock(&p->lock);
}

/* Under the lock. */
static struct worker_thread *thread_new(struct pool *p)
{
    struct worker_thread *t = p->spare;
    if (t != NULL) {
        p->spare = t->next;
    } else {
        t = mem_calloc(1, sizeof(*t));
        pthread_condattr_t monotonic;
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&t->wake, &monotonic);
        pthread_condattr_destroy(&monotonic);
    }
    t->pool = p;
    t->number = pool_next_number();
    t->retired = t->told_late = t->is_called = false;
    t->busy_since_ms = 0;
    return t;
}

static void threads_free(struct worker_thread *list)
{
    while (list != NULL) {
        struct worker_thread *next = list->next;
        pthread_cond_destroy(&list->wake);
        free(list);
        list = next;
    }
}

/* Under the lock. False when the system has no more threads. */
static bool start_one(struct pool *p)
{
    struct worker_thread *t = thread_new(p);
    /* Signals belong to the main thread. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&t->id, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        t->next = p->spare;
        p->spare = t;
        return false;
    }
    t->next = p->threads;
    p->threads = t;
    p->running++;
    p->alive++;
    return true;
}

/* Under the lock. */
static void start_missing(struct pool *p)
{
    bool was_short = p->try_again_mono_ms != 0;
    p->try_again_mono_ms = 0;
    while (!p->stopping && p->running < p->wanted) {
        if (!start_one(p)) {
            p->try_again_mono_ms = clock_mono_ms() + TRY_AGAIN_MS;
            if (!was_short)
                log_err("pool: cannot start a thread for %s, going on with %zu of %zu", p->ops.name, p->running,
                        p->wanted);
            return;
        }
    }
    if (was_short)
        log_info("pool: all %zu threads for %s are there now", p->wanted, p->ops.name);
}

/* Under the lock. False: what is handed in would wait for ever. */
static bool has_threads(struct pool *p)
{
    if (p->try_again_mono_ms != 0 && (p->running == 0 || clock_mono_ms() >= p->try_again_mono_ms))
        start_missing(p);
    return p->try_again_mono_ms == 0 || p->running > 0;
}

void pool_resize(struct pool *p, size_t threads)
{
    pthread_mutex_lock(&p->lock);
    p->wanted = threads;
    start_missing(p);
    call_all(p);
    pthread_mutex_unlock(&p->lock);
    join_ended(p);
}

size_t pool_recycle(struct pool *p)
{
    size_t n = 0;
    pthread_mutex_lock(&p->lock);
    for (struct worker_thread *t = p->threads; t != NULL; t = t->next) {
        n += !t->retired;
        t->retired = true;
    }
    call_all(p);
    pthread_mutex_unlock(&p->lock);
    return n;
}

size_t pool_late(struct pool *p, int64_t limit_ms, uint32_t *out, size_t max)
{
    size_t n = 0;
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&p->lock);
    for (struct worker_thread *t = p->threads; t != NULL && n < max; t = t->next) {
        if (t->busy_since_ms == 0 || t->told_late || now - t->busy_since_ms < limit_ms)
            continue;
        t->told_late = true;
        out[n++] = t->number;
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

static struct item *item_new(void *value)
{
    struct item *item = mem_alloc(sizeof(*item));
    *item = (struct item){NULL, value};
    return item;
}

static void items_free(struct item *list)
{
    while (list != NULL) {
        struct item *next = list->next;
        free(list);
        list = next;
    }
}

bool pool_submit_many(struct pool *p, void *const *values, size_t n)
{
    struct item *first = NULL, **last = &first;
    for (size_t i = 0; i < n; i++) {
        *last = item_new(values[i]);
        last = &(*last)->next;
    }
    if (n == 0)
        return true;
    pthread_mutex_lock(&p->lock);
    bool ok = !p->stopping && (p->limit == 0 || p->waiting + n <= p->limit) && has_threads(p);
    struct worker_thread *called = NULL;
    if (ok) {
        *p->last = first;
        p->last = last;
        p->waiting += n;
        called = call_one(p);
    }
    pthread_mutex_unlock(&p->lock);
    signal_called(called);
    if (!ok)
        items_free(first);
    return ok;
}

bool pool_submit(struct pool *p, void *value)
{
    return pool_submit_many(p, &value, 1);
}

static size_t read_counter(struct pool *p, const size_t *counter)
{
    pthread_mutex_lock(&p->lock);
    size_t n = *counter;
    pthread_mutex_unlock(&p->lock);
    return n;
}

size_t pool_wanted(struct pool *p)
{
    return read_counter(p, &p->wanted);
}

size_t pool_running(struct pool *p)
{
    return read_counter(p, &p->running);
}

size_t pool_busy(struct pool *p)
{
    return read_counter(p, &p->busy);
}

size_t pool_waiting(struct pool *p)
{
    return read_counter(p, &p->waiting);
}

size_t pool_free_threads(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    size_t taken = p->waiting + p->busy;
    size_t n = taken < p->running ? p->running - taken : 0;
    pthread_mutex_unlock(&p->lock);
    return n;
}

size_t pool_numbers(struct pool *p, uint32_t *out, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&p->lock);
    for (const struct worker_thread *t = p->threads; t != NULL && n < max; t = t->next)
        out[n++] = t->number;
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < n / 2; i++) {
        uint32_t keep = out[i];
        out[i] = out[n - 1 - i];
        out[n - 1 - i] = keep;
    }
    return n;
}

/* Cut up to `max` waiting items out, oldest first. */
static struct item *cut(struct pool *p, bool (*match)(void *arg, void *item), void *arg, size_t max, size_t *n)
{
    struct item *out = NULL, **end = &out;
    *n = 0;
    pthread_mutex_lock(&p->lock);
    struct item **at = &p->first;
    while (*at != NULL && *n < max) {
        struct item *item = *at;
        if (!match(arg, item->value)) {
            at = &item->next;
            continue;
        }
        *at = item->next;
        if (p->last == &item->next)
            p->last = at;
        item->next = NULL;
        *end = item;
        end = &item->next;
        p->waiting--;
        ++*n;
    }
    pthread_mutex_unlock(&p->lock);
    return out;
}

size_t pool_take(struct pool *p, bool (*match)(void *arg, void *item), void *arg, void **out, size_t max)
{
    size_t n, i = 0;
    for (struct item *item = cut(p, match, arg, max, &n), *next; item != NULL; item = next) {
        next = item->next;
        out[i++] = item->value;
        free(item);
    }
    return n;
}

size_t pool_cancel(struct pool *p, bool (*match)(void *arg, void *item), void *arg)
{
    size_t n;
    struct item *gone = cut(p, match, arg, SIZE_MAX, &n);
    while (gone != NULL) {
        struct item *next = gone->next;
        if (p->ops.drop != NULL)
            p->ops.drop(p->ops.arg, gone->value);
        free(gone);
        gone = next;
    }
    return n;
}

static bool match_any(void *arg, void *item)
{
    (void)arg;
    (void)item;
    return true;
}

void pool_end(struct pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    p->wanted = 0;
    call_all(p);
    pthread_mutex_unlock(&p->lock);
    (void)pool_cancel(p, match_any, NULL);
    pthread_mutex_lock(&p->lock);
    while (p->alive != 0)
        pthread_cond_wait(&p->all_ended, &p->lock);
    pthread_mutex_unlock(&p->lock);
    join_ended(p);
}

void pool_stop(struct pool *p)
{
    if (p == NULL)
        return;
    pool_end(p);
    threads_free(p->spare);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->all_ended);
    free(p);
}
