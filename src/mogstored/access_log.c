/* SPDX-License-Identifier: MIT */
/* The file with one line a request, written by a thread of its own: no request ever waits for it. */
#include "mogstored/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"

enum { WAITING_MAX = 4 << 20 };

/* Invariant: all but `path`, `thread` and `fd` (the thread's own) is under `lock`. */
struct access_log {
    char *path;
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct buf waiting;
    uint64_t dropped;
    bool is_stopping, wants_reopen;
};

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

static void write_all(int fd, const struct buf *b)
{
    size_t at = 0;
    while (at < b->len) {
        ssize_t n = write(fd, b->data + at, b->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        at += (size_t)n;
    }
}

static void reopen(struct access_log *a)
{
    int fd = open_file(a->path);
    if (fd < 0) {
        log_warn("access_log: cannot open %s: %s", a->path, strerror(errno));
        return;
    }
    close(a->fd);
    a->fd = fd;
}

static void *run(void *arg)
{
    struct access_log *a = arg;
    bool is_stopping = false;
    pthread_setname_np(pthread_self(), "access-log");
    while (!is_stopping) {
        pthread_mutex_lock(&a->lock);
        while (a->waiting.len == 0 && !a->is_stopping && !a->wants_reopen)
            pthread_cond_wait(&a->wake, &a->lock);
        struct buf work = a->waiting;
        bool wants_reopen = a->wants_reopen;
        uint64_t dropped = a->dropped;
        is_stopping = a->is_stopping;
        a->waiting = (struct buf)BUF_ZERO;
        a->wants_reopen = false;
        a->dropped = 0;
        pthread_mutex_unlock(&a->lock);
        write_all(a->fd, &work);
        buf_fini(&work);
        if (dropped > 0)
            log_warn("access_log: %" PRIu64 " lines were dropped, %s is too slow", dropped, a->path);
        if (wants_reopen)
            reopen(a);
    }
    return NULL;
}

enum mog_err access_log_open(const char *path, struct access_log **out, struct mog_fail *f)
{
    int fd = open_file(path);
    if (fd < 0)
        return fail_sys(f, MOG_EIO, errno, "access_log: cannot open %s", path);
    struct access_log *a = mem_calloc(1, sizeof *a);
    a->path = mem_strdup(path);
    a->fd = fd;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->wake, NULL);
    int rc = pthread_create(&a->thread, NULL, run, a);
    if (rc != 0) {
        close(fd);
        free(a->path);
        free(a);
        return fail_sys(f, MOG_EIO, rc, "access_log: cannot start a thread");
    }
    *out = a;
    return MOG_OK;
}

void access_log_close(struct access_log *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->is_stopping = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    close(a->fd);
    buf_fini(&a->waiting);
    free(a->path);
    pthread_cond_destroy(&a->wake);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* A client must not be able to write lines of its own. */
static void add_clean(struct buf *b, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            buf_printf(b, "\\x%02x", c);
        else
            buf_char(b, *text);
    }
}

void access_log_add(struct access_log *a, const struct access_entry *entry)
{
    if (!a)
        return;
    struct buf line = BUF_ZERO;
    time_t now = time(NULL);
    struct tm tm;
    char when[40] = "-";
    if (localtime_r(&now, &tm))
        (void)strftime(when, sizeof when, "%d/%b/%Y:%H:%M:%S %z", &tm);
    buf_printf(&line, "%s - - [%s] \"", entry->peer, when);
    add_clean(&line, entry->method);
    buf_char(&line, ' ');
    add_clean(&line, entry->target);
    buf_printf(&line, "\" %d %" PRIu64 " %" PRIu64 ".%06" PRIu64 "\n", entry->status, entry->bytes,
               entry->took_us / 1000000, entry->took_us % 1000000);
    pthread_mutex_lock(&a->lock);
    if (a->waiting.len + line.len > WAITING_MAX)
        a->dropped++;
    else
        buf_append(&a->waiting, line.data, line.len);
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
    buf_fini(&line);
}

void access_log_reopen(struct access_log *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->wants_reopen = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
}
