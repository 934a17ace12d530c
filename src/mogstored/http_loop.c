/* SPDX-License-Identifier: MIT */
/* The threads of the HTTP server: each has its connections, and waits for all of them at once. */
#include "mogstored/http_request.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"

enum {
    EVENTS = 64,
    ACCEPTED_AT_THE_END = 256,
    DEAF_MS = 100, /* how long nothing is accepted when that fails, or when all places are taken */
};

static bool is_listener(const struct http *h, const void *who)
{
    for (size_t i = 0; i < HTTP_LISTENERS_MAX; i++) {
        if (who == &h->listeners[i])
            return true;
    }
    return false;
}

enum mog_err loop_listen(struct http_loop *l, struct http_listener *listener, struct mog_fail *f)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = listener};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, listener->fd, &e) != 0 && errno != EEXIST)
        return fail_sys(f, MOG_EIO, errno, "cannot wait for connections");
    return MOG_OK;
}

void loop_deafen(struct http_loop *l)
{
    for (size_t i = 0; i < l->http->n_listeners; i++)
        (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->http->listeners[i].fd, NULL);
}

static void hear_again(struct http_loop *l)
{
    struct mog_fail f;
    l->is_deaf = false;
    /* A port that is being given up may not be taken in again: its number is another socket's then. */
    pthread_mutex_lock(&l->http->listen_lock);
    for (size_t i = 0; i < l->http->n_listeners && !atomic_load(&l->http->is_quiescing); i++)
        (void)!loop_listen(l, &l->http->listeners[i], &f);
    pthread_mutex_unlock(&l->http->listen_lock);
}

/* Those who come wait in the kernel meanwhile, and other threads may have room. */
static void be_deaf(struct http_loop *l)
{
    loop_deafen(l);
    l->is_deaf = true;
    l->deaf_until_mono_ms = clock_mono_ms() + DEAF_MS;
}

void loop_wake_sweeper(struct http *h)
{
    if (atomic_load(&h->is_sweeper_asleep))
        (void)sem_post(&h->wake);
}

static void accept_one(struct http_loop *l, const struct http_listener *listener)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct http *h = l->http;
    if (http_conns_count(h->conns) >= h->opts.max_conns + HTTP_SURPLUS * h->n_loops) {
        be_deaf(l);
        return;
    }
    int fd = accept4(listener->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        connection_accept(l, listener, fd, (struct sockaddr *)&sa, len);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        atomic_store(&h->accept_errno, errno);
        (void)sem_post(&h->wake); /* the sweeper closes idle ones at once, and may wait for the log */
        be_deaf(l);
    }
}

void loop_accept_rest(struct http_loop *l)
{
    for (size_t i = 0; i < l->http->n_listeners; i++) {
        for (int n = 0; n < ACCEPTED_AT_THE_END; n++) {
            struct sockaddr_storage sa;
            socklen_t len = sizeof sa;
            int fd = accept4(l->http->listeners[i].fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0)
                break;
            connection_accept(l, &l->http->listeners[i], fd, (struct sockaddr *)&sa, len);
        }
    }
}

void loop_resume(struct connection *c)
{
    struct http_loop *l = c->loop;
    int wake = l->wake;
    struct connection *head = atomic_load_explicit(&l->done, memory_order_relaxed);
    do {
        c->done_next = head;
    } while (!atomic_compare_exchange_weak(&l->done, &head, c));
    /* From here on the connection may be gone. */
    if (!head)
        (void)!eventfd_write(wake, 1);
}

static void take_done(struct http_loop *l)
{
    if (!atomic_load_explicit(&l->done, memory_order_relaxed))
        return;
    struct connection *c = atomic_exchange(&l->done, NULL), *in_order = NULL;
    while (c) {
        struct connection *next = c->done_next;
        c->done_next = in_order;
        in_order = c;
        c = next;
    }
    while (in_order) {
        struct connection *next = in_order->done_next;
        connection_resumed(in_order);
        in_order = next;
    }
}

void loop_put_ready(struct connection *c)
{
    struct http_loop *l = c->loop;
    if (c->is_ready)
        return;
    c->is_ready = true;
    c->ready_prev = NULL;
    c->ready_next = l->ready_first;
    if (c->ready_next)
        c->ready_next->ready_prev = c;
    l->ready_first = c;
}

void loop_take_ready(struct connection *c)
{
    if (!c->is_ready)
        return;
    c->is_ready = false;
    if (c->ready_prev)
        c->ready_prev->ready_next = c->ready_next;
    else
        c->loop->ready_first = c->ready_next;
    if (c->ready_next)
        c->ready_next->ready_prev = c->ready_prev;
}

/* Each that is ready now has one turn; new ones come in at the front, and wait for the next round. */
static void run_ready(struct http_loop *l)
{
    for (struct connection *c = l->ready_first, *next; c; c = next) {
        next = c->ready_next;
        loop_take_ready(c);
        connection_run(c);
    }
}

static void *run(void *arg)
{
    struct http_loop *l = arg;
    char name[16];
    snprintf(name, sizeof name, "http-%zu", (size_t)(l - l->http->loops) % 1000);
    (void)pthread_setname_np(pthread_self(), name);
    while (!atomic_load(&l->http->is_stopping)) {
        struct epoll_event events[EVENTS];
        int timeout = l->ready_first ? 0 : l->is_deaf ? DEAF_MS : -1;
        int n = epoll_wait(l->epoll, events, EVENTS, timeout);
        for (int i = 0; i < n; i++) {
            void *who = events[i].data.ptr;
            if (is_listener(l->http, who))
                accept_one(l, who);
            else if (who != l)
                connection_event(who, events[i].events);
        }
        take_done(l);
        run_ready(l);
        /* By the clock: others may leave it no quiet moment. */
        if (l->is_deaf && clock_mono_ms() >= l->deaf_until_mono_ms)
            hear_again(l);
    }
    return NULL;
}

void loop_init(struct http_loop *l, struct http *h)
{
    l->http = h;
    l->epoll = l->wake = -1;
}

enum mog_err loop_start(struct http_loop *l, struct mog_fail *f)
{
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Each write is an event of its own, so nobody has to read. */
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.ptr = l};
    int err = 0;
    if (l->epoll < 0 || l->wake < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &e) != 0)
        err = errno;
    else
        err = pthread_create(&l->thread, NULL, run, l);
    l->is_running = err == 0;
    if (err != 0)
        return fail_sys(f, MOG_EIO, err, "cannot start a thread of the HTTP server");
    return MOG_OK;
}

void loop_stop(struct http_loop *l)
{
    if (!l->is_running)
        return;
    (void)!eventfd_write(l->wake, 1);
    pthread_join(l->thread, NULL);
    l->is_running = false;
}

void loop_fini(struct http_loop *l)
{
    /* Whose device has stopped gets an answer, and may ask for more: each is told at once. */
    while (atomic_load(&l->done))
        take_done(l);
    while (l->first)
        connection_close(l->first);
    request_free(l->spare);
    l->spare = NULL;
    if (l->epoll >= 0)
        close(l->epoll);
    if (l->wake >= 0)
        close(l->wake);
    l->epoll = l->wake = -1;
}
