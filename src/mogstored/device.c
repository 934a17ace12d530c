/* SPDX-License-Identifier: MIT */
/* One device: a directory devN of the docroot, its threads, its health and its numbers. */
#include "mogstored/device.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/pool.h"
#include "mogstored/janitor.h"

/* Under the lock. */
static void list_append(struct device *d, struct job *j)
{
    j->next = NULL;
    j->prev = d->running_last;
    if (j->prev)
        j->prev->next = j;
    else
        d->running_first = j;
    d->running_last = j;
    atomic_store(&d->oldest_started_mono_ms, d->running_first->started_mono_ms);
}

/* Under the lock. */
static void list_remove(struct device *d, struct job *j)
{
    if (j->prev)
        j->prev->next = j->next;
    else
        d->running_first = j->next;
    if (j->next)
        j->next->prev = j->prev;
    else
        d->running_last = j->prev;
    atomic_store(&d->oldest_started_mono_ms, d->running_first ? d->running_first->started_mono_ms : 0);
}

/* It may hang. */
static bool is_late(const struct job *running)
{
    return clock_mono_ms() - running->started_mono_ms > DEVICE_FOLLOW_MS;
}

/* Under the lock: `j`, and those that follow it, follow `leader` from now on. */
static void add_followers(struct job *leader, struct job *j)
{
    j->next = j->follower_first;
    if (leader->follower_first)
        leader->follower_last->next = j;
    else
        leader->follower_first = j;
    leader->follower_last = j->follower_first ? j->follower_last : j;
    j->follower_first = NULL;
}

/* Under the lock: take away those that follow `j`; the first, which the others follow now, or NULL. */
static struct job *take_followers(struct job *j)
{
    struct job *first = j->follower_first;
    j->follower_first = NULL;
    if (!first)
        return NULL;
    first->follower_first = first->next;
    first->follower_last = j->follower_last;
    return first;
}

/* Under the lock: leave `j`, and those that follow it, to the thread that is at its place. False when there is none. */
static bool follow(struct device *d, struct job *j)
{
    struct job *leader = j->place != 0 && !d->is_stopping ? d->running_first : NULL;
    while (leader && (leader->place != j->place || is_late(leader)))
        leader = leader->next;
    if (leader)
        add_followers(leader, j);
    return leader != NULL;
}

/* Under the lock: `j` was started, so others at its place are late; those that follow them follow `j` from now on. */
static void take_over(struct device *d, struct job *j)
{
    for (struct job *late = j->place != 0 ? d->running_first : NULL; late; late = late->next) {
        struct job *first = late != j && late->place == j->place ? take_followers(late) : NULL;
        if (first)
            add_followers(j, first);
    }
}

/* Neither `j` nor those that follow it are run. */
static void drop(void *arg, void *item)
{
    struct device *d = arg;
    struct job *j = item;
    while (j) {
        struct job *next = take_followers(j);
        atomic_fetch_sub(&d->queued, 1);
        j->done(j, false);
        j = next;
    }
}

/* `j`, and those that follow it, have their turn after what is queued. */
static void queue_again(struct device *d, struct job *j)
{
    if (!pool_submit(d->pool, j))
        drop(d, j);
}

/* Under the lock. */
static void start(struct device *d, struct job *j)
{
    atomic_fetch_sub(&d->queued, 1);
    atomic_fetch_add(&d->running, 1);
    j->started_mono_ms = clock_mono_ms();
    list_append(d, j);
}

/* Run `j`, which was started. Returns the one to go on with if `goes_on`, started, or NULL. */
static struct job *run(struct device *d, struct job *j, bool goes_on)
{
    j->run(j);
    pthread_mutex_lock(&d->lock);
    struct job *next = take_followers(j);
    list_remove(d, j);
    atomic_fetch_sub(&d->running, 1);
    if (next && goes_on)
        start(d, next);
    pthread_mutex_unlock(&d->lock);
    if (j->leave)
        j->leave(j, goes_on ? next : NULL);
    j->done(j, true);
    if (next && !goes_on)
        queue_again(d, next);
    return goes_on ? next : NULL;
}

/* Whether `j` follows another; else it is started if `starts`. */
static bool follow_or(struct device *d, struct job *j, bool starts)
{
    struct job *dropped = NULL;
    pthread_mutex_lock(&d->lock);
    bool follows = follow(d, j);
    if (!follows && starts) {
        start(d, j);
        take_over(d, j);
        if (d->is_stopping)
            dropped = take_followers(j);
    }
    bool is_led = follows || (starts && j->follower_first), is_news = is_led && !d->is_watched;
    d->is_watched = d->is_watched || is_led;
    pthread_mutex_unlock(&d->lock);
    if (is_news)
        janitor_watch(d->janitor);
    if (dropped)
        drop(d, dropped);
    return follows;
}

static void work(void *worker, void *item)
{
    (void)worker;
    struct job *j = item;
    struct device *d = j->dev;
    if (follow_or(d, j, true))
        return;
    for (int n = 1; j; n++)
        j = run(d, j, n < DEVICE_FOLLOWERS_RUN);
}

bool device_release_followers(struct device *d)
{
    struct job *released = NULL, *next;
    bool is_more = false;
    pthread_mutex_lock(&d->lock);
    for (struct job *j = d->running_first; j; j = j->next) {
        if (!j->follower_first)
            continue;
        if (!is_late(j)) {
            is_more = true;
            continue;
        }
        struct job *first = take_followers(j);
        first->next = released;
        released = first;
    }
    d->is_watched = is_more;
    pthread_mutex_unlock(&d->lock);
    for (; released; released = next) {
        next = released->next;
        queue_again(d, released);
    }
    return is_more;
}

static unsigned clamp_threads(unsigned threads)
{
    if (threads < 1)
        return 1;
    return threads > DEVICE_THREADS_MAX ? DEVICE_THREADS_MAX : threads;
}

/* Synced uploads wait most of the time, and go together: the sooner all of them have begun, the more share a sync. */
static size_t active_threads(const struct settings *settings)
{
    if (atomic_load(&settings->is_synced))
        return DEVICE_THREADS_MAX;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors < DEVICE_ACTIVE_MIN)
        return DEVICE_ACTIVE_MIN;
    return processors > DEVICE_ACTIVE_MAX ? DEVICE_ACTIVE_MAX : (size_t)processors;
}

struct device *device_new(uint32_t id, const struct docroot *root, struct settings *settings, unsigned threads,
                          unsigned round_s)
{
    struct device *d = mem_calloc(1, sizeof *d);
    pthread_condattr_t monotonic;
    d->id = id;
    snprintf(d->name, sizeof d->name, "dev%" PRIu32, id);
    d->root = root;
    d->settings = settings;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->measured, &monotonic);
    pthread_condattr_destroy(&monotonic);
    d->dirsync = dirsync_new();
    d->pool = pool_new(
        &(struct pool_ops){.name = d->name, .work = work, .drop = drop, .arg = d, .active = active_threads(settings)},
        0);
    device_set_threads(d, threads);
    d->janitor = janitor_new(d, round_s);
    return d;
}

bool device_wait_measured(struct device *d, int64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int rc = 0;
    pthread_mutex_lock(&d->lock);
    while (rc == 0 && !d->has_had_round)
        rc = pthread_cond_timedwait(&d->measured, &d->lock, &until);
    pthread_mutex_unlock(&d->lock);
    return rc == 0;
}

/* From now on nothing follows, and what does is not run. */
static void drop_followers(struct device *d)
{
    struct job *dropped = NULL, *next;
    pthread_mutex_lock(&d->lock);
    d->is_stopping = true;
    for (struct job *j = d->running_first; j; j = j->next) {
        struct job *first = take_followers(j);
        if (!first)
            continue;
        first->next = dropped;
        dropped = first;
    }
    pthread_mutex_unlock(&d->lock);
    for (; dropped; dropped = next) {
        next = dropped->next;
        drop(d, dropped);
    }
}

void device_stop(struct device *d)
{
    drop_followers(d);
    pool_end(d->pool);
    janitor_stop(d->janitor);
}

void device_free(struct device *d)
{
    if (!d)
        return;
    pool_stop(d->pool);
    janitor_free(d->janitor);
    dirsync_free(d->dirsync);
    pthread_cond_destroy(&d->measured);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

bool device_has_room(const struct device *d)
{
    return atomic_load(&d->queued) < atomic_load(&d->threads) * DEVICE_QUEUE_PER_THREAD;
}

bool device_submit(struct device *d, struct job *j, bool is_urgent)
{
    j->dev = d;
    j->follower_first = NULL;
    if (!is_urgent && !device_has_room(d))
        return false;
    unsigned ahead = atomic_fetch_add(&d->queued, 1) + atomic_load(&d->running);
    atomic_fetch_add_explicit(&d->submitted, 1, memory_order_relaxed);
    if (j->place != 0 && follow_or(d, j, false))
        return true;
    if (ahead >= atomic_load(&d->threads))
        atomic_fetch_add_explicit(&d->waited, 1, memory_order_relaxed);
    /* Not under our lock: the thread that is woken wants it at once. */
    if (pool_submit(d->pool, j))
        return true;
    atomic_fetch_sub(&d->queued, 1);
    return false;
}

void device_wait_begin(struct device *d)
{
    pool_wait_begin(d->pool);
}

void device_wait_end(struct device *d)
{
    pool_wait_end(d->pool);
}

void device_set_threads(struct device *d, unsigned threads)
{
    threads = clamp_threads(threads);
    atomic_store(&d->threads, threads);
    pool_set_active(d->pool, active_threads(d->settings));
    pool_resize(d->pool, threads);
}

enum device_health device_health(const struct device *d)
{
    int64_t now = clock_coarse_ms(), oldest = atomic_load(&d->oldest_started_mono_ms);
    int64_t measured = atomic_load(&d->measured_mono_ms);
    if (atomic_load(&d->has_fault) || measured == 0 || now - measured > DEVICE_MEASURED_LIMIT_MS)
        return DEVICE_UNHEALTHY;
    if (oldest != 0 && now - oldest > DEVICE_JOB_LIMIT_MS)
        return DEVICE_UNHEALTHY;
    if (atomic_load(&d->is_readonly))
        return DEVICE_READONLY;
    return atomic_load(&d->is_full) ? DEVICE_FULL : DEVICE_HEALTHY;
}

const char *device_health_text(enum device_health h)
{
    switch (h) {
    case DEVICE_HEALTHY:
        return "healthy";
    case DEVICE_FULL:
        return "full";
    case DEVICE_READONLY:
        return "read-only";
    case DEVICE_UNHEALTHY:
        return "unhealthy";
    }
    return "?";
}

bool device_is_late(struct device *d)
{
    pthread_mutex_lock(&d->lock);
    int64_t before = d->late_commits_mono_ms[1];
    pthread_mutex_unlock(&d->lock);
    return before != 0 && clock_mono_ms() - before < DEVICE_LATE_PAUSE_MS;
}

void device_note_commit(struct device *d, int64_t took_us)
{
    int64_t took_ms = took_us / 1000;
    stats_histogram_add(&d->stats.sync, (uint64_t)took_us);
    if (took_ms < DEVICE_LATE_COMMIT_MS)
        return;
    pthread_mutex_lock(&d->lock);
    int64_t now = clock_mono_ms();
    bool is_news = now - d->late_commits_mono_ms[0] > DEVICE_LATE_PAUSE_MS;
    d->late_commits_mono_ms[1] = d->late_commits_mono_ms[0];
    d->late_commits_mono_ms[0] = now;
    pthread_mutex_unlock(&d->lock);
    if (is_news)
        log_warn("device: %s needs %" PRId64 " ms to sync an upload, clients give up after %d", d->name, took_ms,
                 DEVICE_LATE_COMMIT_MS);
}

void device_describe_fault(struct device *d, char *out, size_t size)
{
    int64_t now = clock_mono_ms(), oldest = atomic_load(&d->oldest_started_mono_ms);
    int64_t measured = atomic_load(&d->measured_mono_ms);
    pthread_mutex_lock(&d->lock);
    snprintf(out, size, "%s", d->fault);
    pthread_mutex_unlock(&d->lock);
    if (out[0] == '\0' && measured == 0)
        snprintf(out, size, "not measured yet");
    else if (out[0] == '\0' && now - measured > DEVICE_MEASURED_LIMIT_MS)
        snprintf(out, size, "last measured %" PRId64 " s ago", (now - measured) / 1000);
    else if (out[0] == '\0' && oldest != 0 && now - oldest > DEVICE_JOB_LIMIT_MS)
        snprintf(out, size, "a file system call takes %" PRId64 " s already", (now - oldest) / 1000);
}

void device_set_fault(struct device *d, const char *fmt, ...)
{
    char text[sizeof d->fault];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&d->lock);
    bool is_news = d->fault[0] == '\0';
    memcpy(d->fault, text, sizeof text);
    atomic_store(&d->has_fault, true);
    pthread_mutex_unlock(&d->lock);
    if (is_news)
        log_err("device: %s is unhealthy: %s", d->name, text);
}

void device_publish(struct device *d, const struct device_measure *m, const struct device_place *place)
{
    pthread_mutex_lock(&d->lock);
    bool was_faulty = d->fault[0] != '\0';
    d->fault[0] = '\0';
    d->measure = *m;
    d->st_dev = place->st_dev;
    d->was_mount_point = d->was_mount_point || place->st_dev != d->root->st_dev;
    memcpy(d->disk, place->disk, sizeof d->disk);
    atomic_store(&d->is_link, place->is_link);
    atomic_store(&d->is_readonly, place->is_readonly);
    atomic_store(&d->is_full, m->available_kb == 0);
    atomic_store(&d->seen_st_dev, (uint64_t)place->st_dev);
    atomic_store(&d->measured_mono_ms, clock_mono_ms());
    atomic_store(&d->has_fault, false);
    pthread_mutex_unlock(&d->lock);
    if (was_faulty)
        log_info("device: %s is healthy again", d->name);
}

void device_round_ended(struct device *d)
{
    pthread_mutex_lock(&d->lock);
    d->has_had_round = true;
    pthread_cond_broadcast(&d->measured);
    pthread_mutex_unlock(&d->lock);
}

static bool is_disks_fault(int err)
{
    return err == EIO || err == ENODEV || err == ENXIO || err == ESTALE || err == EUCLEAN;
}

bool device_is_shortage(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOMEM;
}

void device_note_errno(struct device *d, int err, const char *what)
{
    if (err == EROFS)
        atomic_store(&d->is_readonly, true);
    if (!is_disks_fault(err))
        return;
    atomic_fetch_add_explicit(&d->stats.errors, 1, memory_order_relaxed);
    device_set_fault(d, "%s: %s", what, strerror(err));
}

/* Open the directory and see whether it is the one that was measured. Returns 0, errno, or -1: it is another one. */
static int open_and_compare(struct device *d, int *fd)
{
    struct stat st;
    *fd = openat(d->root->fd, d->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return errno;
    if (fstat(*fd, &st) == 0 && st.st_dev == (dev_t)atomic_load(&d->seen_st_dev))
        return 0;
    close(*fd);
    *fd = -1;
    return -1;
}

enum mog_err device_open_root(struct device *d, int *fd, struct mog_fail *f)
{
    int err = -1;
    /* Twice, since it may have been mounted and measured between our look at it and the comparison. */
    for (int i = 0; i < 2 && err == -1; i++)
        err = open_and_compare(d, fd);
    if (err == 0)
        return MOG_OK;
    if (err == -1) {
        device_set_fault(d, "another file system is mounted than before, or none");
        janitor_kick(d->janitor); /* it may be a good one */
        return fail_sys(f, MOG_EIO, ENODEV, "%s is not what was measured", d->name);
    }
    if (device_is_shortage(err))
        return fail_sys(f, MOG_EIO, err, "cannot open %s", d->name);
    atomic_store(&d->is_missing, err == ENOENT);
    device_set_fault(d, "cannot open the directory: %s", strerror(err));
    return fail_sys(f, err == ENOENT ? MOG_ENOTFOUND : MOG_EIO, err, "cannot open %s", d->name);
}

void device_account(struct device *d, int64_t kb)
{
    pthread_mutex_lock(&d->lock);
    struct device_measure *m = &d->measure;
    int64_t moved = kb;
    if (moved > 0 && (uint64_t)moved > m->available_kb)
        moved = (int64_t)m->available_kb;
    if (moved < 0 && (uint64_t)-moved >= m->used_kb)
        moved = m->used_kb > 0 ? -(int64_t)(m->used_kb - 1) : 0;
    m->used_kb = (uint64_t)((int64_t)m->used_kb + moved);
    m->available_kb = (uint64_t)((int64_t)m->available_kb - moved);
    pthread_mutex_unlock(&d->lock);
}

int64_t device_format_usage(struct device *d, struct buf *out)
{
    pthread_mutex_lock(&d->lock);
    struct device_measure m = d->measure;
    pthread_mutex_unlock(&d->lock);
    uint64_t per_cent =
        m.total_kb > 0 ? (uint64_t)((100.0 * (double)m.used_kb + (double)m.total_kb - 1) / (double)m.total_kb) : 100;
    buf_printf(out, "available: %" PRIu64 "\n", m.available_kb);
    buf_printf(out, "device: %s\n", m.source);
    buf_printf(out, "disk: %s/%s\n", d->root->path, d->name);
    if (m.inodes_total > 0) {
        buf_printf(out, "inodes_total: %" PRIu64 "\n", m.inodes_total);
        buf_printf(out, "inodes_used: %" PRIu64 "\n", m.inodes_used);
    }
    buf_printf(out, "time: %" PRId64 "\n", m.when_unix_s);
    buf_printf(out, "total: %" PRIu64 "\n", m.total_kb);
    buf_printf(out, "use: %" PRIu64 "%%\n", per_cent > 100 ? 100 : per_cent);
    buf_printf(out, "used: %" PRIu64 "\n", m.used_kb);
    return m.when_unix_s;
}
