/* SPDX-License-Identifier: MIT */
/* Digests of stored files: in slices on the device's threads, or, for fsck, one at a time per disk. */
#include "mogstored/digester.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/pool.h"
#include "mogstored/beneath.h"

enum {
    BLOCK_BYTES = 512 << 10,
    SLICE_BYTES = 4 << 20, /* then others get a turn */
    IOPRIO_IDLE = 3 << 13,
    IOPRIO_WHO_THREAD = 1,
};

/* The queue of one disk. */
struct lane {
    struct lane *next;
    char disk[MOUNT_DISK_SIZE + 24];
    char name[16];
    struct pool *pool;
};

/* Invariant: `first` is under `lock`; lanes are only added, until is_stopping. */
struct digester {
    pthread_mutex_t lock;
    struct lane *first;
    bool is_stopping;
};

struct digester *digester_new(void)
{
    struct digester *g = mem_calloc(1, sizeof *g);
    pthread_mutex_init(&g->lock, NULL);
    return g;
}

static void finish(struct digest_task *t, enum digest_outcome outcome)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    digest_free(t->digest);
    t->digest = NULL;
    t->outcome = outcome;
    t->done(t);
}

static enum digest_outcome outcome_of(int err)
{
    return err == ENOENT || err == ENOTDIR ? DIGEST_OUTCOME_MISSING : DIGEST_OUTCOME_FAILED;
}

/* False: `*outcome` says why there is nothing to read. */
static bool open_file(struct digest_task *t, enum digest_outcome *outcome)
{
    struct stat st;
    struct mog_fail f;
    int root = -1;
    *outcome = DIGEST_OUTCOME_FAILED;
    if (device_open_root(t->dev, &root, &f) != MOG_OK)
        return false;
    t->fd = beneath_open_read(root, t->below);
    int err = t->fd < 0 ? errno : 0;
    close(root);
    if (err == 0 && fstat(t->fd, &st) != 0)
        err = errno;
    if (err != 0) {
        *outcome = outcome_of(err);
        device_note_errno(t->dev, err == ENXIO ? 0 : err, "cannot open a file to read it");
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        *outcome = DIGEST_OUTCOME_MISSING;
        return false;
    }
    (void)posix_fadvise(t->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    t->was_cached = beneath_is_cached(t->fd, 0, st.st_size);
    t->digest = digest_new(t->type);
    return true;
}

/* Read and digest up to `limit` bytes. True when there is more to do. */
static bool read_slice(struct digest_task *t, char *block, uint64_t limit, enum digest_outcome *outcome)
{
    uint64_t end = t->offset + limit;
    while (t->offset < end) {
        *outcome = DIGEST_OUTCOME_FAILED;
        if (atomic_load(&t->is_canceled))
            return false;
        ssize_t n = pread(t->fd, block, BLOCK_BYTES, (off_t)t->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            device_note_errno(t->dev, errno, "cannot read");
            return false;
        }
        if (n == 0) {
            digest_final(t->digest, t->value);
            *outcome = DIGEST_OUTCOME_OK;
            return false;
        }
        digest_update(t->digest, block, (size_t)n);
        /* Who serves files wants them in memory; a digest must not push them out. */
        if (!t->was_cached)
            (void)posix_fadvise(t->fd, (off_t)t->offset, n, POSIX_FADV_DONTNEED);
        t->offset += (uint64_t)n;
    }
    return true;
}

/* ---- on the device's threads ---- */

static bool run_slice(struct digest_task *t, enum digest_outcome *outcome)
{
    if (!t->digest && !open_file(t, outcome))
        return false;
    char *block = mem_alloc(BLOCK_BYTES);
    bool has_more = read_slice(t, block, SLICE_BYTES, outcome);
    free(block);
    return has_more;
}

static void job_run(struct job *j)
{
    struct digest_task *t = (struct digest_task *)((char *)j - offsetof(struct digest_task, job));
    enum digest_outcome outcome;
    t->outcome = DIGEST_OUTCOME_OK;
    device_wait_begin(t->dev);
    bool has_more = run_slice(t, &outcome);
    device_wait_end(t->dev);
    if (!has_more) {
        t->outcome = outcome;
        digest_free(t->digest);
        t->digest = NULL;
    }
}

static void job_done(struct job *j, bool has_run)
{
    struct digest_task *t = (struct digest_task *)((char *)j - offsetof(struct digest_task, job));
    if (has_run && !t->digest)
        finish(t, t->outcome);
    else if (!has_run || !device_submit(t->dev, &t->job, true))
        finish(t, DIGEST_OUTCOME_FAILED);
}

/* ---- on the thread of a disk ---- */

static void *lane_worker_new(void *arg)
{
    (void)arg;
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_THREAD, 0, IOPRIO_IDLE);
    return mem_alloc(BLOCK_BYTES);
}

static void lane_work(void *worker, void *item)
{
    struct digest_task *t = item;
    enum digest_outcome outcome = DIGEST_OUTCOME_FAILED;
    if (!atomic_load(&t->is_canceled) && open_file(t, &outcome)) {
        while (read_slice(t, worker, SLICE_BYTES, &outcome))
            ;
    }
    finish(t, outcome);
}

static void lane_drop(void *arg, void *item)
{
    (void)arg;
    finish(item, DIGEST_OUTCOME_FAILED);
}

/* Devices on one disk share a queue. Under the lock. */
static struct lane *find_or_add_lane(struct digester *g, struct device *d)
{
    char disk[MOUNT_DISK_SIZE + 24];
    pthread_mutex_lock(&d->lock);
    if (d->disk[0] != '\0')
        snprintf(disk, sizeof disk, "%s", d->disk);
    else
        snprintf(disk, sizeof disk, "#%llu", (unsigned long long)d->st_dev);
    pthread_mutex_unlock(&d->lock);
    for (struct lane *l = g->first; l; l = l->next) {
        if (strcmp(l->disk, disk) == 0)
            return l;
    }
    struct lane *l = mem_calloc(1, sizeof *l);
    memcpy(l->disk, disk, sizeof disk);
    snprintf(l->name, sizeof l->name, "d-%.12s", disk);
    l->pool = pool_new(
        &(struct pool_ops){
            .name = l->name, .worker_new = lane_worker_new, .worker_free = free, .work = lane_work, .drop = lane_drop},
        0);
    pool_resize(l->pool, 1);
    l->next = g->first;
    g->first = l;
    return l;
}

void digester_submit(struct digester *g, struct digest_task *t)
{
    t->fd = -1;
    t->digest = NULL;
    t->offset = 0;
    t->job.run = job_run;
    t->job.done = job_done;
    bool taken;
    if (t->is_background) {
        pthread_mutex_lock(&g->lock);
        taken = !g->is_stopping && pool_submit(find_or_add_lane(g, t->dev)->pool, t);
        pthread_mutex_unlock(&g->lock);
    } else {
        taken = device_submit(t->dev, &t->job, true);
    }
    if (!taken)
        finish(t, DIGEST_OUTCOME_FAILED);
}

void digester_stop(struct digester *g)
{
    pthread_mutex_lock(&g->lock);
    g->is_stopping = true;
    struct lane *lane = g->first;
    g->first = NULL;
    pthread_mutex_unlock(&g->lock);
    while (lane) {
        struct lane *next = lane->next;
        pool_stop(lane->pool);
        free(lane);
        lane = next;
    }
}

void digester_free(struct digester *g)
{
    if (!g)
        return;
    pthread_mutex_destroy(&g->lock);
    free(g);
}
