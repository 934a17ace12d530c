/* SPDX-License-Identifier: MIT */
/* The HTTP server on port 7500: its threads, its ports and its end. */
#include "mogstored/http.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "mogstored/http_request.h"

enum {
    THREADS_MIN = 2,
    THREADS_MAX = 16,
    ACCEPT_LOG_MS = 60000,
    ROOM_CONNECTIONS = 8, /* idle ones that go at once when descriptors have run out: files need some too */
};

/* Descriptors or memory have run out: idle connections hold some. */
static void make_room(struct http *h, int64_t *logged_mono_ms)
{
    int err = atomic_exchange(&h->accept_errno, 0);
    if (err == 0)
        return;
    for (int i = 0; i < ROOM_CONNECTIONS; i++)
        http_conns_make_room(h->conns);
    if (clock_mono_ms() - *logged_mono_ms < ACCEPT_LOG_MS)
        return;
    *logged_mono_ms = clock_mono_ms();
    log_warn("http: cannot accept connections: %s; tried again every 0.1 s, idle ones are closed", strerror(err));
}

/* Nothing to look after, until the first connection. */
static void sleep_until_wanted(struct http *h)
{
    atomic_store(&h->is_sweeper_asleep, true);
    while (http_conns_count(h->conns) == 0 && atomic_load(&h->accept_errno) == 0 && !atomic_load(&h->is_stopping))
        (void)sem_wait(&h->wake);
    atomic_store(&h->is_sweeper_asleep, false);
}

static void *sweep(void *arg)
{
    struct http *h = arg;
    int64_t logged_mono_ms = -ACCEPT_LOG_MS;
    pthread_setname_np(pthread_self(), "http-sweep");
    while (!atomic_load(&h->is_stopping)) {
        struct timespec until;
        sleep_until_wanted(h);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        make_room(h, &logged_mono_ms);
        while (!atomic_load(&h->is_stopping) && sem_clockwait(&h->wake, CLOCK_MONOTONIC, &until) == 0)
            make_room(h, &logged_mono_ms);
        http_conns_sweep(h->conns);
        if (atomic_load(&h->is_quiescing))
            http_conns_close_idle(h->conns, atomic_load(&h->leave_idle_ms));
    }
    return NULL;
}

static unsigned thread_count(const struct http_opts *opts)
{
    long n = opts->threads > 0 ? (long)opts->threads : sysconf(_SC_NPROCESSORS_ONLN);
    if (n < THREADS_MIN)
        return opts->threads > 0 ? opts->threads : THREADS_MIN;
    return n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

struct http *http_new(const struct http_opts *opts)
{
    struct http *h = mem_calloc(1, sizeof *h);
    h->opts = *opts;
    h->conns = http_conns_new(opts->max_conns, (int64_t)opts->keepalive_s * 1000);
    h->n_loops = thread_count(opts);
    h->loops = mem_calloc(h->n_loops, sizeof *h->loops);
    for (size_t i = 0; i < h->n_loops; i++)
        loop_init(&h->loops[i], h);
    (void)sem_init(&h->wake, 0, 0);
    pthread_mutex_init(&h->listen_lock, NULL);
    return h;
}

static enum mog_err start_threads(struct http *h, struct mog_fail *f)
{
    enum mog_err e = MOG_OK;
    for (size_t i = 0; i < h->n_loops && e == MOG_OK; i++) {
        if (!h->loops[i].is_running)
            e = loop_start(&h->loops[i], f);
    }
    if (e == MOG_OK && !h->has_sweeper)
        h->has_sweeper = pthread_create(&h->sweeper, NULL, sweep, h) == 0;
    if (e == MOG_OK && !h->has_sweeper)
        e = fail_set(f, MOG_EIO, "cannot start a thread of the HTTP server");
    return e;
}

/* What all connections of a port begin with. */
static void prepare_socket(int fd)
{
    int on = 1, defer_s = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* Clients speak first: who has said nothing for a second is told of all the same, but most not twice. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s, sizeof defer_s);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK); /* threads and processes share what comes */
}

enum mog_err http_serve(struct http *h, int fd, enum http_port port, struct mog_fail *f)
{
    struct http_listener *l = &h->listeners[h->n_listeners];
    *l = (struct http_listener){.http = h, .fd = fd, .port = port};
    http_conns_listen(h->conns, fd);
    prepare_socket(fd);
    enum mog_err e = start_threads(h, f);
    h->n_listeners++;
    for (size_t i = 0; i < h->n_loops && e == MOG_OK; i++)
        e = loop_listen(&h->loops[i], l, f);
    return e;
}

/*
 * Else clients would go on connecting, and hang. Where systemd or another process has the socket too, it goes on there.
 * The number stays in use, since a thread may be about to accept from it.
 */
static void give_up_socket(int fd)
{
    int nothing = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (nothing < 0)
        return;
    (void)dup3(nothing, fd, O_CLOEXEC);
    close(nothing);
}

void http_quiesce(struct http *h, bool is_handed_over)
{
    int64_t idle_ms = is_handed_over ? HTTP_LEAVE_IDLE_MS : 0;
    atomic_store(&h->leave_idle_ms, idle_ms);
    pthread_mutex_lock(&h->listen_lock);
    atomic_store(&h->is_quiescing, true);
    for (size_t i = 0; i < h->n_loops; i++)
        loop_deafen(&h->loops[i]);
    pthread_mutex_unlock(&h->listen_lock);
    if (h->n_listeners > 0)
        loop_accept_rest(&h->loops[0]);
    for (size_t i = 0; i < h->n_listeners; i++)
        give_up_socket(h->listeners[i].fd);
    http_conns_close_idle(h->conns, idle_ms);
}

size_t http_connections(struct http *h)
{
    return http_conns_count(h->conns);
}

struct stats *http_stats(struct http *h)
{
    return &h->stats;
}

void http_stop(struct http *h)
{
    atomic_store(&h->is_stopping, true);
    (void)sem_post(&h->wake);
    for (size_t i = 0; i < h->n_loops; i++)
        loop_stop(&h->loops[i]);
    for (size_t i = 0; i < h->n_loops; i++)
        loop_fini(&h->loops[i]);
    if (h->has_sweeper)
        pthread_join(h->sweeper, NULL);
    h->has_sweeper = false;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    http_conns_free(h->conns);
    free(h->loops);
    (void)sem_destroy(&h->wake);
    pthread_mutex_destroy(&h->listen_lock);
    free(h);
}
