/* SPDX-License-Identifier: MIT */
/* The thread of a device that measures it round by round and clears away what others left behind. */
#include "mogstored/janitor.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "mogstored/device.h"
#include "mogstored/usage.h"

enum { FAULTY_ROUND_MS = 2000, NAME_SIZE = 64, WARNINGS_MAX = 100 };

struct leftover {
    struct leftover *next;
    char *warning; /* NULL: none; owned */
    int fd, dirfd;
    char name[NAME_SIZE];
};

/* Invariant: all but `device`, `round_s` and `usage` (the thread's own) is under `lock`. */
struct janitor {
    struct device *device;
    unsigned round_s;
    pthread_t thread;
    struct usage_writer usage;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct leftover *first;
    unsigned warnings; /* among them */
    bool is_kicked, is_stopping, has_ended, has_thread;
    int64_t watch_mono_ms; /* when to look for jobs that follow one that hangs; 0: not now */
};

static void clear_away(struct leftover *l)
{
    while (l) {
        struct leftover *next = l->next;
        if (l->warning)
            log_warn("%s", l->warning);
        free(l->warning);
        if (l->name[0] != '\0')
            (void)unlinkat(l->dirfd, l->name, 0);
        if (l->fd >= 0)
            close(l->fd);
        if (l->dirfd >= 0)
            close(l->dirfd);
        free(l);
        l = next;
    }
}

static struct timespec to_timespec(int64_t mono_ms)
{
    return (struct timespec){.tv_sec = mono_ms / 1000, .tv_nsec = (mono_ms % 1000) * 1000000};
}

/* Under the lock: when there is something to do at the latest. */
static int64_t next_mono_ms(const struct janitor *j, int64_t round_mono_ms)
{
    return j->watch_mono_ms != 0 && j->watch_mono_ms < round_mono_ms ? j->watch_mono_ms : round_mono_ms;
}

/* Wait for something to do. False: time to stop, with nothing left. */
static bool wait_for_work(struct janitor *j, int64_t round_mono_ms, struct leftover **work, bool *is_kicked,
                          bool *watches)
{
    pthread_mutex_lock(&j->lock);
    while (!j->first && !j->is_kicked && !j->is_stopping && clock_mono_ms() < next_mono_ms(j, round_mono_ms)) {
        struct timespec until = to_timespec(next_mono_ms(j, round_mono_ms));
        pthread_cond_timedwait(&j->wake, &j->lock, &until);
    }
    *work = j->first;
    *is_kicked = j->is_kicked;
    *watches = j->watch_mono_ms != 0 && clock_mono_ms() >= j->watch_mono_ms;
    if (*watches)
        j->watch_mono_ms = 0;
    bool goes_on = *work || !j->is_stopping;
    j->first = NULL;
    j->warnings = 0;
    j->is_kicked = false;
    pthread_mutex_unlock(&j->lock);
    return goes_on;
}

static bool is_stopping(struct janitor *j)
{
    pthread_mutex_lock(&j->lock);
    bool stopping = j->is_stopping;
    pthread_mutex_unlock(&j->lock);
    return stopping;
}

static void *run(void *arg)
{
    struct janitor *j = arg;
    struct leftover *work = NULL;
    int64_t next_round = 0;
    bool is_kicked, watches;
    char name[16];
    snprintf(name, sizeof name, "j-%s", j->device->name);
    pthread_setname_np(pthread_self(), name);
    log_set_context(j->device->name);
    while (wait_for_work(j, next_round, &work, &is_kicked, &watches)) {
        if (watches && device_release_followers(j->device))
            janitor_watch(j);
        clear_away(work);
        if (is_stopping(j) || (!is_kicked && clock_mono_ms() < next_round))
            continue;
        bool is_well = usage_round(&j->usage, j->device);
        next_round = clock_mono_ms() + (is_well ? (int64_t)j->round_s * 1000 : FAULTY_ROUND_MS);
    }
    return NULL;
}

struct janitor *janitor_new(struct device *d, unsigned round_s)
{
    struct janitor *j = mem_calloc(1, sizeof *j);
    pthread_condattr_t monotonic;
    j->device = d;
    j->round_s = round_s;
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&j->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    janitor_start(j);
    return j;
}

void janitor_start(struct janitor *j)
{
    pthread_mutex_lock(&j->lock);
    bool is_missing = !j->has_thread && !j->is_stopping;
    if (is_missing)
        j->has_thread = pthread_create(&j->thread, NULL, run, j) == 0;
    bool has_failed = is_missing && !j->has_thread;
    pthread_mutex_unlock(&j->lock);
    if (!has_failed)
        return;
    device_set_fault(j->device, "cannot start a thread that measures it");
    device_round_ended(j->device); /* nobody need wait for that */
}

void janitor_stop(struct janitor *j)
{
    pthread_mutex_lock(&j->lock);
    j->is_stopping = true;
    pthread_cond_signal(&j->wake);
    bool has_thread = j->has_thread;
    pthread_mutex_unlock(&j->lock);
    if (has_thread)
        pthread_join(j->thread, NULL);
    pthread_mutex_lock(&j->lock);
    struct leftover *rest = j->first;
    j->first = NULL;
    j->has_ended = true;
    pthread_mutex_unlock(&j->lock);
    clear_away(rest);
}

void janitor_free(struct janitor *j)
{
    if (!j)
        return;
    pthread_cond_destroy(&j->wake);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

void janitor_kick(struct janitor *j)
{
    pthread_mutex_lock(&j->lock);
    j->is_kicked = true;
    pthread_cond_signal(&j->wake);
    pthread_mutex_unlock(&j->lock);
}

void janitor_watch(struct janitor *j)
{
    pthread_mutex_lock(&j->lock);
    if (j->watch_mono_ms == 0) {
        j->watch_mono_ms = clock_mono_ms() + DEVICE_FOLLOW_MS;
        pthread_cond_signal(&j->wake);
    }
    pthread_mutex_unlock(&j->lock);
}

/* Takes `l`. */
static void give(struct janitor *j, struct leftover *l)
{
    pthread_mutex_lock(&j->lock);
    bool has_ended = j->has_ended || !j->has_thread, is_too_much = l->warning && j->warnings >= WARNINGS_MAX;
    if (!has_ended && !is_too_much) {
        l->next = j->first;
        j->first = l;
        j->warnings += l->warning != NULL;
        pthread_cond_signal(&j->wake);
    }
    pthread_mutex_unlock(&j->lock);
    if (has_ended) {
        clear_away(l);
    } else if (is_too_much) {
        free(l->warning);
        free(l);
    }
}

void janitor_give(struct janitor *j, int fd, int dirfd, const char *name)
{
    struct leftover *l = mem_calloc(1, sizeof *l);
    l->fd = fd;
    l->dirfd = dirfd;
    snprintf(l->name, sizeof l->name, "%s", name);
    give(j, l);
}

void janitor_warn(struct janitor *j, const char *fmt, ...)
{
    struct leftover *l = mem_calloc(1, sizeof *l);
    struct buf text = BUF_ZERO;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    l->fd = l->dirfd = -1;
    l->warning = buf_take(&text);
    give(j, l);
}
