/* SPDX-License-Identifier: MIT */
/* Shared syncs. */
#include "store/store_flush.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/log.h"

void store_flush_init(struct store_flush *s)
{
    *s = (struct store_flush){0};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->ended, NULL);
}

void store_flush_fini(struct store_flush *s)
{
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->ended);
}

/* Opened each time: the log is another file after the last connection has closed and a new one has come. */
static int sync_path(const char *path, bool *is_lost)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        *is_lost = errno != EMFILE && errno != ENFILE && errno != ENOMEM;
        return errno;
    }
    int err = fdatasync(fd) != 0 ? errno : 0;
    /* The kernel forgets what it could not write: another sync would succeed, and mean nothing. */
    *is_lost = err != 0;
    (void)close(fd);
    return err;
}

enum mog_err store_flush_wait(struct store_flush *s, const char *path, struct mog_fail *f)
{
    pthread_mutex_lock(&s->lock);
    uint64_t mine = s->begun + 1; /* one that runs already may have begun before our bytes were written */
    while (s->done < mine && !s->is_broken) {
        if (s->running) {
            pthread_cond_wait(&s->ended, &s->lock);
            continue;
        }
        s->running = true;
        uint64_t number = ++s->begun;
        pthread_mutex_unlock(&s->lock);
        bool is_lost;
        int err = sync_path(path, &is_lost);
        pthread_mutex_lock(&s->lock);
        s->running = false;
        if (err == 0)
            s->done = number;
        if (is_lost) {
            s->is_broken = true;
            s->broken_errno = err;
            log_err("database: %s cannot be synced, so nothing is written any more; start again when the disk is well",
                    path);
        }
        pthread_cond_broadcast(&s->ended);
        if (err != 0 && !is_lost) {
            /* No descriptor was to be had, say: who comes next tries again, and syncs our bytes too. */
            pthread_mutex_unlock(&s->lock);
            return fail_sys(f, MOG_EIO, err, "%s cannot be opened to be synced", path);
        }
    }
    enum mog_err e = MOG_OK;
    if (s->is_broken)
        e = fail_sys(f, MOG_EIO, s->broken_errno, "%s cannot be synced", path);
    pthread_mutex_unlock(&s->lock);
    return e;
}
