/* SPDX-License-Identifier: MIT */
/* The open HTTP connections: how many, which of them are idle, and which are too slow to be kept. */
#include "common/http_conns.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/congestion.h"

/*
 * Invariants, under `lock`: 1. A connection is in the list from before its first request until before its socket is
 * closed; so a descriptor taken from the list under the lock is that connection's. 2. `used` counts those that are not
 * hung up: the others are about to go.
 */
struct http_conns {
    pthread_mutex_t lock;
    struct http_conn *first;
    size_t n, used, max;
    int64_t idle_limit_ms;
    struct congestion congestion; /* constant */
};

struct http_conns *http_conns_new(size_t max, int64_t idle_limit_ms)
{
    struct http_conns *c = mem_calloc(1, sizeof *c);
    c->max = max;
    c->idle_limit_ms = idle_limit_ms;
    congestion_init(&c->congestion);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void http_conns_free(struct http_conns *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void http_conns_listen(struct http_conns *c, int fd)
{
    congestion_listen(&c->congestion, fd);
}

/* Its own thread sees the end of file and closes it. Under the lock. */
static void hang_up(struct http_conns *c, struct http_conn *conn)
{
    if (!atomic_load(&conn->is_hung_up))
        c->used--;
    atomic_store(&conn->is_hung_up, true);
    (void)shutdown(conn->fd, SHUT_RDWR);
}

/* False: none is idle. Under the lock. */
static bool hang_up_longest_idle(struct http_conns *c)
{
    struct http_conn *oldest = NULL;
    /* Who has just come has its request on the way. */
    int64_t since = clock_mono_ms() - HTTP_FRESH_MS;
    for (struct http_conn *conn = c->first; conn; conn = conn->next) {
        int64_t at = atomic_load(&conn->since_mono_ms);
        /* New ones stand first, so of several with one time the oldest is taken. */
        if (atomic_load(&conn->phase) == HTTP_PHASE_IDLE && !atomic_load(&conn->is_hung_up) && at <= since) {
            oldest = conn;
            since = at;
        }
    }
    if (oldest)
        hang_up(c, oldest);
    return oldest != NULL;
}

void http_conns_make_room(struct http_conns *c)
{
    pthread_mutex_lock(&c->lock);
    (void)hang_up_longest_idle(c);
    pthread_mutex_unlock(&c->lock);
}

struct http_conn *http_conns_add(struct http_conns *c, int fd, const struct sockaddr *sa, socklen_t len)
{
    struct http_conn *conn = mem_calloc(1, sizeof *conn);
    conn->fd = fd;
    if (sa && len <= sizeof conn->address)
        memcpy(&conn->address, sa, len);
    congestion_accepted(&c->congestion, fd);
    http_conn_enter(conn, HTTP_PHASE_IDLE);
    pthread_mutex_lock(&c->lock);
    if (c->used >= c->max)
        (void)hang_up_longest_idle(c);
    conn->is_surplus = c->used >= c->max;
    conn->next = c->first;
    if (conn->next)
        conn->next->prev = conn;
    c->first = conn;
    c->n++;
    c->used++;
    pthread_mutex_unlock(&c->lock);
    return conn;
}

void http_conns_remove(struct http_conns *c, struct http_conn *conn)
{
    pthread_mutex_lock(&c->lock);
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        c->first = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    c->n--;
    if (!atomic_load(&conn->is_hung_up))
        c->used--;
    pthread_mutex_unlock(&c->lock);
    free(conn);
}

bool http_conns_is_surplus(struct http_conns *c, struct http_conn *conn)
{
    pthread_mutex_lock(&c->lock);
    if (c->used <= c->max)
        conn->is_surplus = false;
    bool is_surplus = conn->is_surplus;
    pthread_mutex_unlock(&c->lock);
    return is_surplus;
}

const char *http_conn_peer(const struct http_conn *conn, char *out)
{
    net_peer_name((const struct sockaddr *)&conn->address, out, HTTP_PEER_SIZE);
    return out;
}

void http_conn_enter(struct http_conn *conn, enum http_phase phase)
{
    /* Several times a request: not worth a fence. Who looks is content with what was true a moment ago. */
    atomic_store_explicit(&conn->since_mono_ms, clock_coarse_ms(), memory_order_release);
    atomic_store_explicit(&conn->phase, (int)phase, memory_order_release);
}

static int64_t limit_of(const struct http_conns *c, enum http_phase phase)
{
    switch (phase) {
    case HTTP_PHASE_IDLE:
        return c->idle_limit_ms;
    case HTTP_PHASE_HEADER:
        return HTTP_HEADER_LIMIT_MS;
    case HTTP_PHASE_BODY:
        return HTTP_BODY_LIMIT_MS;
    case HTTP_PHASE_ANSWER:
        return HTTP_ANSWER_LIMIT_MS;
    case HTTP_PHASE_SEND:
        return HTTP_SEND_LIMIT_MS;
    case HTTP_PHASE_LINGER:
        return HTTP_LINGER_LIMIT_MS;
    case HTTP_PHASE_BUSY:
        break;
    }
    return INT64_MAX;
}

/*
 * libmicrohttpd waits for the next event after a short read, and misses the end of a stream that came together with its
 * last bytes.
 */
void http_conns_hang_up_ended(struct http_conns *c)
{
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&c->lock);
    struct pollfd *polls = mem_calloc(c->n + 1, sizeof *polls);
    struct http_conn **conns = mem_calloc(c->n + 1, sizeof(struct http_conn *));
    nfds_t n = 0;
    for (struct http_conn *conn = c->first; conn; conn = conn->next) {
        int phase = atomic_load(&conn->phase);
        bool may_wait = phase == HTTP_PHASE_IDLE || phase == HTTP_PHASE_HEADER || phase == HTTP_PHASE_BODY;
        int64_t quiet_ms = now - atomic_load(&conn->since_mono_ms);
        if (may_wait && quiet_ms > HTTP_END_LIMIT_MS && quiet_ms < HTTP_END_LAST_MS) {
            polls[n] = (struct pollfd){.fd = conn->fd, .events = POLLRDHUP};
            conns[n++] = conn;
        }
    }
    if (n > 0 && poll(polls, n, 0) > 0) {
        for (nfds_t i = 0; i < n; i++) {
            int unread = 0;
            if ((polls[i].revents & POLLRDHUP) && ioctl(polls[i].fd, FIONREAD, &unread) == 0 && unread == 0)
                hang_up(c, conns[i]);
        }
    }
    pthread_mutex_unlock(&c->lock);
    free(polls);
    free(conns);
}

void http_conns_sweep(struct http_conns *c)
{
    int64_t now = clock_mono_ms();
    size_t slow = 0;
    char peer[HTTP_PEER_SIZE] = "";
    pthread_mutex_lock(&c->lock);
    for (struct http_conn *conn = c->first; conn; conn = conn->next) {
        enum http_phase phase = (enum http_phase)atomic_load(&conn->phase);
        if (atomic_load(&conn->is_hung_up) || now - atomic_load(&conn->since_mono_ms) <= limit_of(c, phase))
            continue;
        hang_up(c, conn);
        if (phase == HTTP_PHASE_IDLE || phase == HTTP_PHASE_LINGER)
            continue; /* not slow, but done */
        http_conn_peer(conn, peer);
        slow++;
    }
    /* A crowd that came all at once: nobody was idle for long enough then, and more cannot come in to push them out. */
    while (c->used > c->max && hang_up_longest_idle(c))
        slow++;
    pthread_mutex_unlock(&c->lock);
    /* Not under the lock: a log may be slow. */
    if (slow > 0)
        log_info("http: closed %zu connections that were too slow, one of them from %s", slow, peer);
}

void http_conns_close_idle(struct http_conns *c, int64_t idle_ms)
{
    /* The first bytes of a request may be on the way. */
    int64_t since = clock_mono_ms() - (idle_ms > HTTP_FRESH_MS ? idle_ms : HTTP_FRESH_MS);
    pthread_mutex_lock(&c->lock);
    for (struct http_conn *conn = c->first; conn; conn = conn->next) {
        int unread = 0;
        if (atomic_load(&conn->phase) == HTTP_PHASE_IDLE && atomic_load(&conn->since_mono_ms) <= since &&
            ioctl(conn->fd, FIONREAD, &unread) == 0 && unread == 0)
            hang_up(c, conn);
    }
    pthread_mutex_unlock(&c->lock);
}

size_t http_conns_count(struct http_conns *c)
{
    pthread_mutex_lock(&c->lock);
    size_t n = c->n;
    pthread_mutex_unlock(&c->lock);
    return n;
}
