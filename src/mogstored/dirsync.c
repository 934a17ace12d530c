/* SPDX-License-Identifier: MIT */
/* Syncing of directories: who waits for the same directory at the same time shares one sync. */
#include "mogstored/dirsync.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uthash.h>

#include "common/mem.h"

struct key {
    uint64_t dev, ino;
};

/*
 * A directory that somebody waits for.
 * Invariants, under the lock: 1. `begun` >= `done`; they differ by at most one, while a sync runs.
 * 2. A waiter that came while sync n ran needs sync n + 1. 3. It lives while `waiters` is not 0.
 */
struct entry {
    struct key key;
    uint64_t begun, done;
    int last_error; /* errno of sync `done`; 0: it succeeded */
    unsigned waiters;
    pthread_cond_t changed;
    UT_hash_handle hh;
};

struct dirsync {
    pthread_mutex_t lock;
    struct entry *entries;
    pthread_mutex_t mkdir_lock; /* held while a directory is created and its parent synced */
    _Atomic unsigned creating;  /* threads that hold it or wait for it */
    _Atomic unsigned failures;  /* directories created that could not be synced into theirs, ever */
};

struct dirsync *dirsync_new(void)
{
    struct dirsync *s = mem_calloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->mkdir_lock, NULL);
    return s;
}

void dirsync_free(struct dirsync *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->mkdir_lock);
    free(s);
}

/* Under the lock. */
static struct entry *enter(struct dirsync *s, struct key key)
{
    struct entry *e = NULL;
    HASH_FIND(hh, s->entries, &key, sizeof key, e);
    if (!e) {
        e = mem_calloc(1, sizeof *e);
        e->key = key;
        pthread_cond_init(&e->changed, NULL);
        HASH_ADD(hh, s->entries, key, sizeof e->key, e);
    }
    e->waiters++;
    return e;
}

/* Under the lock. */
static void leave(struct dirsync *s, struct entry *e)
{
    if (--e->waiters > 0)
        return;
    HASH_DEL(s->entries, e);
    pthread_cond_destroy(&e->changed);
    free(e);
}

/* Under the lock, which is released meanwhile. */
static void run_sync(struct dirsync *s, struct entry *e, int fd)
{
    e->begun++;
    pthread_mutex_unlock(&s->lock);
    int err = fsync(fd) == 0 ? 0 : errno;
    pthread_mutex_lock(&s->lock);
    e->last_error = err;
    e->done = e->begun;
    pthread_cond_broadcast(&e->changed);
}

enum mog_err dirsync_wait(struct dirsync *s, int fd, struct mog_fail *f)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_sys(f, MOG_EIO, errno, "cannot stat the directory");
    struct key key = {.dev = st.st_dev, .ino = st.st_ino};
    pthread_mutex_lock(&s->lock);
    struct entry *e = enter(s, key);
    /* A sync that runs now may have passed our change already: only the one after it counts. */
    uint64_t needed = e->begun + 1;
    while (e->done < needed) {
        if (e->begun == e->done)
            run_sync(s, e, fd);
        else
            pthread_cond_wait(&e->changed, &s->lock);
    }
    int err = e->last_error;
    leave(s, e);
    pthread_mutex_unlock(&s->lock);
    return err == 0 ? MOG_OK : fail_sys(f, MOG_EIO, err, "cannot sync the directory");
}

enum mog_err dirsync_mkdir(struct dirsync *s, int dirfd, const char *name, bool is_synced, struct mog_fail *f)
{
    enum mog_err e = MOG_OK;
    if (!is_synced) {
        if (mkdirat(dirfd, name, 0755) != 0 && errno != EEXIST)
            e = fail_sys(f, MOG_EIO, errno, "cannot create directory %s", name);
        return e;
    }
    atomic_fetch_add(&s->creating, 1);
    pthread_mutex_lock(&s->mkdir_lock);
    if (mkdirat(dirfd, name, 0755) == 0) {
        if (fsync(dirfd) != 0) {
            e = fail_sys(f, MOG_EIO, errno, "cannot sync the directory above %s", name);
            atomic_fetch_add(&s->failures, 1);         /* somebody may be in it already */
            (void)unlinkat(dirfd, name, AT_REMOVEDIR); /* who finds a directory takes it for synced */
        }
    } else if (errno != EEXIST) {
        e = fail_sys(f, MOG_EIO, errno, "cannot create directory %s", name);
    }
    pthread_mutex_unlock(&s->mkdir_lock);
    atomic_fetch_sub(&s->creating, 1);
    return e;
}

unsigned dirsync_failures(const struct dirsync *s)
{
    return atomic_load(&s->failures);
}

enum mog_err dirsync_barrier(struct dirsync *s, unsigned failures_before, struct mog_fail *f)
{
    /* Whose directory we found has counted itself before it created it, so 0 means: synced, or counted as a failure. */
    if (atomic_load(&s->creating) != 0) {
        pthread_mutex_lock(&s->mkdir_lock);
        pthread_mutex_unlock(&s->mkdir_lock);
    }
    if (atomic_load(&s->failures) == failures_before)
        return MOG_OK;
    return fail_set(f, MOG_EIO, "a directory that was created meanwhile could not be synced");
}
