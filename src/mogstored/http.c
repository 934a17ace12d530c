/* SPDX-License-Identifier: MIT */
/* The HTTP server on port 7500: the library's daemons, their options and their end. */
#include "mogstored/http.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "mogstored/http_request.h"

enum {
    CONNECTION_MEMORY = 14 << 10, /* head of request and answer; stays with an idle connection, so it is kept small */
    THREADS_MIN = 2,
    THREADS_MAX = 16,
};

static void library_log(void *arg, const char *format, va_list ap)
{
    char text[256];
    (void)arg;
    if (!log_is_on(LOG_LEVEL_DEBUG))
        return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)vsnprintf(text, sizeof text, format, ap);
#pragma GCC diagnostic pop
    text[strcspn(text, "\n")] = '\0';
    log_debug("http: %s", text);
}

/*
 * The library closes a connection without a word when the first thing on it has no resemblance to a request. Its socket
 * is still open here.
 */
static void answer_garbage(const struct http_conn *conn)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    if (conn->has_asked || atomic_load(&conn->is_hung_up) ||
        getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return;
    /* The end of the stream counts as a byte. */
    if (info.tcpi_bytes_received > 1 && info.tcpi_bytes_sent == 0)
        (void)send(conn->fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void connection_changed(void *arg, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode code)
{
    struct http *h = arg;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        struct http_conn *conn = *context;
        if (conn) {
            /* A head that the library could not take apart: it says no more of that request. */
            if (conn->request)
                request_completed(NULL, connection, &conn->request, MHD_REQUEST_TERMINATED_WITH_ERROR);
            answer_garbage(conn);
            http_conns_remove(h->conns, conn);
        }
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *sa = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    *context = http_conns_add(h->conns, fd->connect_fd, sa ? sa->client_addr : NULL,
                              sa && sa->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                                           : sizeof(struct sockaddr_in));
}

static void *sweep(void *arg)
{
    struct http *h = arg;
    pthread_setname_np(pthread_self(), "http-sweep");
    pthread_mutex_lock(&h->lock);
    while (!h->is_stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&h->wake, &h->lock, &until);
        http_conns_sweep(h->conns);
        if (atomic_load(&h->is_quiescing))
            http_conns_close_idle(h->conns, atomic_load(&h->leave_idle_ms));
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

struct http *http_new(const struct http_opts *opts)
{
    struct http *h = NULL;
    if (posix_memalign((void **)&h, _Alignof(struct http), sizeof *h) != 0)
        abort();
    memset(h, 0, sizeof *h);
    h->opts = *opts;
    h->conns = http_conns_new(opts->max_conns, (int64_t)opts->keepalive_s * 1000);
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&h->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return h;
}

static unsigned thread_count(const struct http *h)
{
    long n = h->opts.threads > 0 ? (long)h->opts.threads : sysconf(_SC_NPROCESSORS_ONLN);
    if (n < THREADS_MIN)
        return THREADS_MIN;
    return n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

enum mog_err http_serve(struct http *h, int fd, bool is_readonly, struct mog_fail *f)
{
    struct http_listener *l = &h->listeners[h->n_listeners];
    unsigned threads = thread_count(h);
    /* The library splits the limit among its threads, which do not fill evenly: each gets room for the surplus. */
    unsigned limit = (unsigned)h->opts.max_conns + HTTP_SURPLUS * threads;
    *l = (struct http_listener){.http = h, .fd = fd, .is_readonly = is_readonly};
    http_conns_listen(h->conns, fd);
    l->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
            MHD_USE_TURBO,
        0, NULL, NULL, request_handle, l, MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, h->opts.keepalive_s, MHD_OPTION_URI_LOG_CALLBACK,
        request_new, l, MHD_OPTION_NOTIFY_COMPLETED, request_completed, l, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, h, MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024U, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_END);
    if (!l->daemon)
        return fail_set(f, MOG_EIO, "cannot start the HTTP server");
    h->n_listeners++;
    if (!h->has_sweeper)
        h->has_sweeper = pthread_create(&h->sweeper, NULL, sweep, h) == 0;
    return MOG_OK;
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
    atomic_store(&h->is_quiescing, true);
    for (size_t i = 0; i < h->n_listeners; i++) {
        (void)MHD_quiesce_daemon(h->listeners[i].daemon);
        give_up_socket(h->listeners[i].fd);
    }
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
    for (size_t i = 0; i < h->n_listeners; i++)
        MHD_stop_daemon(h->listeners[i].daemon);
    h->n_listeners = 0;
    pthread_mutex_lock(&h->lock);
    h->is_stopping = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    if (h->has_sweeper)
        pthread_join(h->sweeper, NULL);
    h->has_sweeper = false;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    request_free_spares(h);
    http_conns_free(h->conns);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
