/* SPDX-License-Identifier: MIT */
/* Large files on their way from storage nodes to clients, moved within the kernel by one thread. */
#include "tracker/web/web_relay.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

enum {
    PIPE_BYTES = 512 << 10,
    TURN = 4 << 20, /* bytes after which the others have their turn */
    NODE_SILENCE_MS = 10000,
    CLIENT_SILENCE_MS = 30000,
    SWEEP_MS = 1000,
    EVENTS = 64
};

/*
 * A transfer. It is the relay thread's, but for the time in which a pool thread opens another copy for it: then it is
 * in no list, and that thread's.
 */
struct transfer {
    struct web_task task;
    struct transfer *next, *prev;
    struct web_request *request;
    struct web_relay_job job;
    int client_fd, pipe[2];
    size_t head_sent, piped; /* bytes of the head that went out; bytes in the pipe */
    uint64_t left;           /* bytes that the copy has yet to give */
    size_t in_vain;          /* copies tried since the last byte came */
    int watched_fd;          /* in the epoll set; -1: none */
    int64_t moved_mono_ms;
};

/* `arrivals` and `stopping` are under `lock`; `transfers` is the thread's own. */
struct web_relay {
    struct web *web;
    pthread_t thread;
    int epoll_fd, wake_fd;
    struct transfer *transfers;

    pthread_mutex_t lock;
    struct transfer *arrivals;
    bool stopping;
};

/* ---- ends ---- */

static void unwatch(struct web_relay *relay, struct transfer *t)
{
    if (t->watched_fd >= 0)
        (void)epoll_ctl(relay->epoll_fd, EPOLL_CTL_DEL, t->watched_fd, NULL);
    t->watched_fd = -1;
}

static void close_origin(struct transfer *t)
{
    if (t->job.origin_fd >= 0)
        (void)close(t->job.origin_fd);
    t->job.origin_fd = -1;
}

/* It is in no list. The request belongs to the library's thread again. */
static void transfer_end(struct transfer *t, bool complete)
{
    struct web_request *r = t->request;
    close_origin(t);
    for (size_t i = 0; i < 2; i++) {
        if (t->pipe[i] >= 0)
            (void)close(t->pipe[i]);
    }
    free(t->job.urls);
    buf_fini(&t->job.head);
    free(t);
    web_request_relayed(r, complete);
}

/* ---- another copy ---- */

static bool hand_in(struct web_relay *relay, struct transfer *t);

static void reopen(struct web_task *task, struct cmd_ctx *ctx)
{
    struct transfer *t = (struct transfer *)task;
    struct web_relay *relay = t->request->web->relay;
    char ignored[WEB_ORIGIN_DATE_MAX];
    struct mog_fail f = {0};
    (void)ctx;
    while (t->job.origin_fd < 0 && t->in_vain < t->job.n) {
        t->job.at = (t->job.at + 1) % t->job.n;
        t->job.origin.url = t->job.urls[t->job.at];
        t->job.origin.first = t->job.origin.end - t->left;
        if (web_origin_open(&t->job.origin, &t->job.origin_fd, ignored, &f) != MOG_OK) {
            log_warn("gateway: %s", f.text);
            t->in_vain++;
        }
    }
    if (t->job.origin_fd < 0)
        log_warn("gateway: an answer was broken off, no copy can be read any more: %s", t->job.origin.url);
    if (t->job.origin_fd < 0 || !hand_in(relay, t))
        transfer_end(t, false);
}

static void reopen_dropped(struct web_task *task)
{
    transfer_end((struct transfer *)task, false);
}

/* The copy gave less than it promised. */
static void broken(struct web_relay *relay, struct transfer *t, const char *why)
{
    log_warn("gateway: GET %s: %s, %s", t->job.origin.url, why,
             t->job.n > 1 ? "going on with another copy" : "trying it again");
    unwatch(relay, t);
    DL_DELETE(relay->transfers, t);
    close_origin(t);
    t->in_vain++;
    if (!pool_submit(relay->web->pool, t))
        transfer_end(t, false);
}

/* ---- moving ---- */

enum pump { PUMP_AGAIN, PUMP_WAIT_NODE, PUMP_WAIT_CLIENT, PUMP_DONE, PUMP_NODE_BROKE, PUMP_CLIENT_GONE };

static enum pump send_head(struct transfer *t)
{
    while (t->head_sent < t->job.head.len) {
        ssize_t n = send(t->client_fd, t->job.head.data + t->head_sent, t->job.head.len - t->head_sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? PUMP_WAIT_CLIENT : PUMP_CLIENT_GONE;
        t->head_sent += (size_t)n;
        t->moved_mono_ms = clock_mono_ms();
    }
    return PUMP_AGAIN;
}

/* Node to pipe. PUMP_AGAIN: there is something in the pipe. */
static enum pump fill(struct transfer *t)
{
    if (t->left == 0 || t->piped >= PIPE_BYTES)
        return PUMP_AGAIN;
    size_t want = t->left < PIPE_BYTES ? (size_t)t->left : PIPE_BYTES;
    ssize_t n = splice(t->job.origin_fd, NULL, t->pipe[1], NULL, want, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n > 0) {
        t->left -= (uint64_t)n;
        t->piped += (size_t)n;
        t->in_vain = 0;
        t->moved_mono_ms = clock_mono_ms();
        return PUMP_AGAIN;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return t->piped != 0 ? PUMP_AGAIN : PUMP_WAIT_NODE; /* or the pipe has no place: then it is not empty */
    return t->piped != 0 ? PUMP_AGAIN : PUMP_NODE_BROKE;    /* what came before it broke goes out first */
}

/* Pipe to client. */
static enum pump drain(struct web_relay *relay, struct transfer *t, size_t *turn)
{
    while (t->piped != 0) {
        unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (t->left != 0 ? SPLICE_F_MORE : 0);
        ssize_t n = splice(t->pipe[0], NULL, t->client_fd, NULL, t->piped, flags);
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR) ? PUMP_WAIT_CLIENT : PUMP_CLIENT_GONE;
        t->piped -= (size_t)n;
        *turn += (size_t)n;
        t->moved_mono_ms = clock_mono_ms();
        metric_add(&relay->web->sent_bytes, (uint64_t)n);
    }
    return t->left == 0 ? PUMP_DONE : PUMP_AGAIN;
}

static enum pump pump(struct web_relay *relay, struct transfer *t)
{
    size_t turn = 0;
    enum pump p = send_head(t);
    while (p == PUMP_AGAIN && turn < TURN) {
        p = fill(t);
        if (p == PUMP_AGAIN)
            p = drain(relay, t, &turn);
    }
    return p;
}

static void end(struct web_relay *relay, struct transfer *t, bool complete)
{
    unwatch(relay, t);
    DL_DELETE(relay->transfers, t);
    transfer_end(t, complete);
}

static void watch(struct web_relay *relay, struct transfer *t, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = t};
    if (t->watched_fd == fd)
        return;
    unwatch(relay, t);
    if (epoll_ctl(relay->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0) {
        t->watched_fd = fd;
    } else {
        log_warn("gateway: an answer was broken off, its connections cannot be watched: %s", strerror(errno));
        end(relay, t, false);
    }
}

static void move(struct web_relay *relay, struct transfer *t)
{
    switch (pump(relay, t)) {
    case PUMP_AGAIN: /* its turn is over: it is ready at once for the next one */
    case PUMP_WAIT_CLIENT:
        watch(relay, t, t->client_fd, EPOLLOUT);
        break;
    case PUMP_WAIT_NODE:
        watch(relay, t, t->job.origin_fd, EPOLLIN);
        break;
    case PUMP_DONE:
        end(relay, t, true);
        break;
    case PUMP_NODE_BROKE:
        broken(relay, t, "ended early");
        break;
    case PUMP_CLIENT_GONE:
        end(relay, t, false);
        break;
    }
}

/* ---- the thread ---- */

/* True: in the relay. False: it stops. Any thread. */
static bool hand_in(struct web_relay *relay, struct transfer *t)
{
    uint64_t one = 1;
    pthread_mutex_lock(&relay->lock);
    bool stopping = relay->stopping;
    if (!stopping)
        DL_APPEND(relay->arrivals, t);
    pthread_mutex_unlock(&relay->lock);
    if (!stopping)
        (void)!write(relay->wake_fd, &one, sizeof(one));
    return !stopping;
}

static bool take_arrivals(struct web_relay *relay)
{
    uint64_t count;
    (void)!read(relay->wake_fd, &count, sizeof(count));
    pthread_mutex_lock(&relay->lock);
    struct transfer *list = relay->arrivals, *t, *tmp;
    bool stopping = relay->stopping;
    relay->arrivals = NULL;
    pthread_mutex_unlock(&relay->lock);
    DL_FOREACH_SAFE(list, t, tmp)
    {
        DL_DELETE(list, t);
        DL_APPEND(relay->transfers, t);
        t->moved_mono_ms = clock_mono_ms();
        if (!stopping)
            move(relay, t);
    }
    return !stopping;
}

static void sweep(struct web_relay *relay)
{
    int64_t now = clock_mono_ms();
    struct transfer *t, *tmp;
    DL_FOREACH_SAFE(relay->transfers, t, tmp)
    {
        bool at_client = t->watched_fd == t->client_fd;
        if (at_client && now - t->moved_mono_ms > CLIENT_SILENCE_MS) {
            char peer[HTTP_PEER_SIZE];
            log_info("gateway: closing the connection of %s, which is too slow",
                     http_conn_peer(t->request->conn, peer));
            end(relay, t, false);
        } else if (!at_client && now - t->moved_mono_ms > NODE_SILENCE_MS) {
            broken(relay, t, "silent");
        }
    }
}

static void *run(void *arg)
{
    struct web_relay *relay = arg;
    int64_t swept = clock_mono_ms();
    bool goes_on = true;
    log_set_context("relay");
    pthread_setname_np(pthread_self(), "relay");
    while (goes_on) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(relay->epoll_fd, events, EVENTS, SWEEP_MS);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr != NULL)
                move(relay, events[i].data.ptr);
        }
        goes_on = take_arrivals(relay);
        if (clock_mono_ms() - swept >= SWEEP_MS) {
            swept = clock_mono_ms();
            sweep(relay);
        }
    }
    struct transfer *t, *tmp;
    DL_FOREACH_SAFE(relay->transfers, t, tmp)
    end(relay, t, false);
    return NULL;
}

struct web_relay *web_relay_start(struct web *w)
{
    struct web_relay *relay = mem_calloc(1, sizeof(*relay));
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};
    sigset_t all, old;
    relay->web = w;
    pthread_mutex_init(&relay->lock, NULL);
    relay->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    relay->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bool ok = relay->epoll_fd >= 0 && relay->wake_fd >= 0 &&
              epoll_ctl(relay->epoll_fd, EPOLL_CTL_ADD, relay->wake_fd, &wake) == 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    ok = ok && pthread_create(&relay->thread, NULL, run, relay) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (ok)
        return relay;
    web_relay_free(relay);
    return NULL;
}

void web_relay_stop(struct web_relay *relay)
{
    uint64_t one = 1;
    if (relay == NULL)
        return;
    pthread_mutex_lock(&relay->lock);
    relay->stopping = true;
    pthread_mutex_unlock(&relay->lock);
    (void)!write(relay->wake_fd, &one, sizeof(one));
    pthread_join(relay->thread, NULL);
}

void web_relay_free(struct web_relay *relay)
{
    if (relay == NULL)
        return;
    if (relay->epoll_fd >= 0)
        (void)close(relay->epoll_fd);
    if (relay->wake_fd >= 0)
        (void)close(relay->wake_fd);
    pthread_mutex_destroy(&relay->lock);
    free(relay);
}

void web_relay_add(struct web_relay *relay, struct web_request *r, struct web_relay_job *job)
{
    struct transfer *t = mem_calloc(1, sizeof(*t));
    t->task = (struct web_task){reopen, reopen_dropped};
    t->request = r;
    t->job = *job;
    t->client_fd = r->conn->fd;
    t->left = job->origin.end - job->origin.first;
    t->watched_fd = t->pipe[0] = t->pipe[1] = -1;
    bool ok = pipe2(t->pipe, O_CLOEXEC | O_NONBLOCK) == 0;
    if (!ok)
        log_warn("gateway: no pipe for an answer: %s", strerror(errno));
    else
        (void)fcntl(t->pipe[1], F_SETPIPE_SZ, PIPE_BYTES); /* a smaller one does too */
    if (!ok || !hand_in(relay, t))
        transfer_end(t, false);
}
