/* SPDX-License-Identifier: MIT */
/* Listening, the mailbox from other threads, and log lines for clients that watch. */
#include "tracker/net/server_priv.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

enum { ACCEPT_PAUSE_MS = 200, ACCEPTS_PER_EVENT = 64, LATE_MS = 30 * 1000, LATE_MAX = 16 };

/* ---- from other threads ---- */

void server_wake(struct server *s)
{
    uint64_t one = 1;
    (void)!write(s->wake_fd, &one, sizeof(one));
}

/* Called by the log, on any thread, under the log's lock. */
static void on_log(void *arg, enum log_level level, const char *context, const char *text)
{
    struct server *s = arg;
    if (atomic_load(&s->n_watchers) == 0)
        return;
    struct buf b = BUF_ZERO;
    buf_str(&b, ":: ");
    if (context[0] != '\0')
        buf_printf(&b, "[%s] ", context);
    if (level == LOG_LEVEL_DEBUG)
        buf_str(&b, "[debug] ");
    buf_str(&b, text);
    buf_str(&b, "\r\n");
    struct watch_line *w = mem_alloc(sizeof(*w) + b.len + 1);
    w->next = NULL;
    memcpy(w->text, buf_cstr(&b), b.len + 1);
    pthread_mutex_lock(&s->lock);
    bool fits = s->watch_bytes + b.len <= WATCH_BACKLOG;
    if (fits) {
        *s->watch_last = w;
        s->watch_last = &w->next;
        s->watch_bytes += b.len;
    }
    pthread_mutex_unlock(&s->lock);
    buf_fini(&b);
    if (fits)
        server_wake(s);
    else
        free(w);
}

static void spread_watch_lines(struct server *s, struct watch_line *lines)
{
    while (lines != NULL) {
        struct watch_line *next = lines->next;
        struct conn *c, *tmp;
        DL_FOREACH_SAFE(s->conns, c, tmp)
        {
            if (c->watching)
                conn_push(c, lines->text, strlen(lines->text));
        }
        free(lines);
        lines = next;
    }
}

void server_collect(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    struct request *done = s->done;
    s->done = NULL;
    s->done_last = &s->done;
    atomic_store(&s->has_mail, false);
    pthread_mutex_unlock(&s->lock);
    while (done != NULL) {
        struct request *next = done->done_next;
        query_finished(done);
        done = next;
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    uint64_t count;
    (void)what;
    (void)!read(fd, &count, sizeof(count));
    server_collect(s);
    pthread_mutex_lock(&s->lock);
    struct watch_line *lines = s->watch_lines;
    s->watch_lines = NULL;
    s->watch_last = &s->watch_lines;
    s->watch_bytes = 0;
    pthread_mutex_unlock(&s->lock);
    spread_watch_lines(s, lines);
}

/* ---- listening ---- */

static void pause_accepting(struct server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        (void)event_del(s->listeners[i]);
    s->accept_paused_ms = clock_mono_ms() + ACCEPT_PAUSE_MS;
}

/* Clients of a socket that was handed to us may come as ::ffff:1.2.3.4. */
static uint32_t peer_v4(const struct sockaddr_storage *sa)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    uint32_t ip = 0;
    if (sa->ss_family == AF_INET) {
        memcpy(&in, sa, sizeof(in));
        ip = in.sin_addr.s_addr;
    } else if (sa->ss_family == AF_INET6) {
        memcpy(&in6, sa, sizeof(in6));
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
            memcpy(&ip, &in6.sin6_addr.s6_addr[12], sizeof(ip));
    }
    return ntohl(ip);
}

/* NULL: it may not come in, and `fd` is closed. */
static struct conn *welcome(struct server *s, int fd, const struct sockaddr_storage *sa)
{
    char peer[24] = "?";
    int on = 1;
    uint32_t ip = peer_v4(sa);
    (void)snprintf(peer, sizeof(peer), "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
    bool is_allowed = access_allows(s, sa);
    if (!is_allowed || (s->n_conns >= s->max_conns && !access_make_room(s))) {
        access_refused(s, peer, is_allowed ? "too many connections" : "not in a network that may connect (allow)");
        (void)close(fd);
        return NULL;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    struct conn *c = conn_new(s, fd, peer, sa);
    c->peer_ip = ip;
    return c;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    (void)what;
    for (size_t i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof(sa);
        memset(&sa, 0, sizeof(sa));
        int client = accept4(fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                log_warn("cannot accept clients, trying again in %d ms: %s", ACCEPT_PAUSE_MS, strerror(errno));
                (void)access_make_room(s);
                pause_accepting(s);
            }
            return;
        }
        (void)welcome(s, client, &sa);
    }
}

enum mog_err server_listen(struct server *s, int fd)
{
    struct event *ev = event_new(s->base, fd, EV_READ | EV_PERSIST, on_accept, s);
    if (ev == NULL || event_add(ev, NULL) != 0)
        return MOG_EIO;
    s->listeners = mem_grow(s->listeners, s->n_listeners, &s->cap_listeners, sizeof(*s->listeners));
    s->listeners[s->n_listeners++] = ev;
    return MOG_OK;
}

size_t server_listening(const struct server *s, int *fds, size_t max)
{
    size_t n = 0;
    while (n < s->n_listeners && n < max) {
        fds[n] = event_get_fd(s->listeners[n]);
        n++;
    }
    return n;
}

void server_stop_listening(struct server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++) {
        int fd = event_get_fd(s->listeners[i]);
        event_free(s->listeners[i]);
        (void)close(fd);
    }
    free(s->listeners);
    s->listeners = NULL;
    s->n_listeners = s->cap_listeners = 0;
}

/* Requests that wait for a worker are given up with their client. */
static void drop_lost(struct server *s)
{
    struct conn *c, *tmp;
    DL_FOREACH_SAFE(s->conns, c, tmp)
    {
        if (conn_is_lost(c))
            conn_free(c);
    }
}

/* Query threads that ended because they were told to are replaced; those that take long are named. */
static void tend_workers(struct server *s)
{
    uint32_t late[LATE_MAX];
    size_t running = pool_running(s->queries), n = pool_late(s->queries, LATE_MS, late, LATE_MAX);
    for (size_t i = 0; i < n; i++)
        log_warn("queryworker(%u) has been at one request for more than %d s", late[i], LATE_MS / 1000);
    if (running < s->queries_wanted)
        server_want_queries(s, s->queries_wanted);
}

void server_tick(struct server *s)
{
    server_collect(s);
    drop_lost(s);
    tend_workers(s);
    together_tick(s);
    if (s->accept_paused_ms != 0 && clock_mono_ms() >= s->accept_paused_ms) {
        s->accept_paused_ms = 0;
        for (size_t i = 0; i < s->n_listeners; i++)
            (void)event_add(s->listeners[i], NULL);
    }
}

/* ---- life ---- */

static bool add_own_events(struct server *s)
{
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->wake_fd < 0)
        return false;
    s->wake = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
    s->round_end = event_new(s->base, -1, 0, query_round_end, s);
    return s->wake != NULL && s->round_end != NULL && event_add(s->wake, NULL) == 0;
}

static void remove_own_events(struct server *s)
{
    if (s->round_end != NULL)
        event_free(s->round_end);
    if (s->wake != NULL)
        event_free(s->wake);
    if (s->wake_fd >= 0)
        (void)close(s->wake_fd);
}

struct server *server_new(struct event_base *base, const struct cmd_shared *shared, const struct server_ops *ops)
{
    struct server *s = mem_calloc(1, sizeof(*s));
    s->base = base;
    if (!add_own_events(s)) {
        remove_own_events(s);
        free(s);
        return NULL;
    }
    s->shared = shared;
    s->ops = *ops;
    s->started_mono_ms = clock_mono_ms();
    s->done_last = &s->done;
    s->watch_last = &s->watch_lines;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->told_lock, NULL);
    s->gathered_last = &s->gathered;
    size_t n_commands = 0;
    while (cmd_table()[n_commands].name != NULL)
        n_commands++;
    s->costs = mem_calloc(n_commands, sizeof(*s->costs));
    together_init(s);
    s->queries = query_pool_new(s);
    s->instant = cmd_ctx_new(shared);
    inloop_init(s);
    access_measure(s);
    log_set_hook(on_log, s);
    return s;
}

void server_want_queries(struct server *s, size_t n)
{
    size_t running = pool_running(s->queries);
    if (running < n)
        log_info("Job queryworker has only %zu, wants %zu, making %zu.", running, n, n - running);
    for (size_t i = n; i < running; i++)
        log_info("Reducing queryworker headcount by 1.");
    s->queries_wanted = n;
    access_measure(s);
    pool_resize(s->queries, n);
}

void server_set_ready(struct server *s)
{
    s->is_ready = true;
    query_release(s);
}

/* One byte of GIVEN_*, then what has come of the next line. */
enum { GIVEN_PLAIN = 'C', GIVEN_WATCHING = 'W', GIVEN_MAX = 4096 };

void server_give(struct server *s, bool (*give)(void *arg, int fd, const void *data, size_t len), void *arg)
{
    struct conn *c, *tmp;
    server_collect(s);
    DL_FOREACH_SAFE(s->conns, c, tmp)
    {
        char data[GIVEN_MAX];
        size_t len = evbuffer_get_length(c->in);
        if (c->state != CONN_READING || c->eof || evbuffer_get_length(c->out) != 0 || len >= GIVEN_MAX)
            continue;
        data[0] = c->watching ? GIVEN_WATCHING : GIVEN_PLAIN;
        (void)evbuffer_copyout(c->in, data + 1, len);
        if (give(arg, c->fd, data, len + 1))
            conn_free(c);
    }
}

void server_adopt(struct server *s, int fd, const void *data, size_t len)
{
    struct sockaddr_storage sa = {0};
    socklen_t sa_len = sizeof(sa);
    (void)getpeername(fd, (struct sockaddr *)&sa, &sa_len);
    struct conn *c = welcome(s, fd, &sa);
    if (c != NULL)
        conn_resume(c, *(const char *)data == GIVEN_WATCHING, (const char *)data + 1, len - 1);
}

size_t server_close_idle(struct server *s, int64_t idle_ms)
{
    struct conn *c, *tmp;
    server_collect(s);
    int64_t now = clock_mono_ms();
    DL_FOREACH_SAFE(s->conns, c, tmp)
    {
        if (c->state == CONN_READING && now - c->active_mono_ms >= idle_ms)
            conn_free(c);
    }
    return s->n_conns;
}

void server_numbers(struct server *s, struct server_numbers *out)
{
    *out = (struct server_numbers){.uptime_s = (uint64_t)((clock_mono_ms() - s->started_mono_ms) / 1000),
                                   .clients = atomic_load(&s->n_conns),
                                   .accepted = metric_get(&s->n_accepted),
                                   .queries = metric_get(&s->n_queries),
                                   .out_of_workers = metric_get(&s->n_out_of_workers),
                                   .in_loop = metric_get(&s->inloop.n_answered),
                                   .waiting = pool_waiting(s->queries) + together_waiting(s),
                                   .busy = pool_busy(s->queries),
                                   .running = pool_running(s->queries),
                                   .wanted = atomic_load(&s->queries_wanted)};
}

const struct metric_histogram *server_waits(const struct server *s)
{
    return &s->waits;
}

void server_end_answers(struct server *s)
{
    atomic_store(&s->is_ending, true);
}

void server_free(struct server *s)
{
    if (s == NULL)
        return;
    log_set_hook(NULL, NULL);
    server_stop_listening(s);
    struct conn *c, *tmp;
    DL_FOREACH_SAFE(s->conns, c, tmp)
    conn_free(c);
    pool_stop(s->queries);
    /* What the threads finished last lies in the mailbox. */
    on_wake(s->wake_fd, 0, s);
    struct request *r, *next;
    DL_FOREACH_SAFE(s->requests, r, next)
    query_finished(r);
    query_spares_free(s);
    remove_own_events(s);
    for (size_t i = 0; i < RECENT_REQUESTS; i++)
        buf_fini(&s->recent[i].line);
    for (size_t i = 0; i < s->n_slow; i++)
        buf_fini(&s->slow[i].line);
    free(s->costs);
    together_fini(s);
    cmd_ctx_free(s->instant);
    inloop_fini(s);
    server_access_fini(&s->access);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->told_lock);
    free(s);
}
