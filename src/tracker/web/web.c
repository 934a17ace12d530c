/* SPDX-License-Identifier: MIT */
/* The HTTP listener: the library's server, the pool for what waits, start and end. */
#include "tracker/web/web_priv.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"
#include "tracker/web/web_log.h"
#include "tracker/web/web_relay.h"
#include "tracker/web/web_sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONNECTION_MEMORY = 24 << 10, /* heads of request and answer */
    KEEPALIVE_S = 30,
    SURPLUS = 64, /* connections above the limit that are told so */
    MIN_THREADS = 2
};

enum mog_err web_gateway_parse(const char *word, enum web_gateway *out, struct mog_fail *f)
{
    static const char *const words[] = {[WEB_GATEWAY_OFF] = "off",
                                        [WEB_GATEWAY_REDIRECT] = "redirect",
                                        [WEB_GATEWAY_ACCEL] = "accel",
                                        [WEB_GATEWAY_PROXY] = "proxy"};
    *out = WEB_GATEWAY_OFF;
    if (word == NULL || word[0] == '\0')
        return MOG_OK;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) == 0) {
            *out = (enum web_gateway)i;
            return MOG_OK;
        }
    }
    return fail_set(f, MOG_EINVAL, "'%.100s' is none of off, redirect, accel, proxy", word);
}

/* ---- the pool ---- */

static void *worker_new(void *arg)
{
    struct web *w = arg;
    return cmd_ctx_new(w->parts.cmd);
}

static void worker_free(void *worker)
{
    cmd_ctx_free(worker);
}

static void work(void *worker, void *item)
{
    struct web_task *t = item;
    t->run(t, worker);
}

static void drop(void *arg, void *item)
{
    (void)arg;
    struct web_task *t = item;
    t->drop(t);
}

/* ---- the library's server ---- */

static void library_log(void *arg, const char *format, va_list ap)
{
    char text[256];
    (void)arg;
    if (!log_is_on(LOG_LEVEL_DEBUG))
        return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)vsnprintf(text, sizeof(text), format, ap);
#pragma GCC diagnostic pop
    text[strcspn(text, "\n")] = '\0';
    log_debug("http: %s", text);
}

static void connection_changed(void *arg, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode code)
{
    struct web *w = arg;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        struct http_conn *conn = *context;
        /* A head that the library could not take apart: it says no more of that request. */
        if (conn != NULL && conn->request != NULL)
            web_request_completed(w, connection, &conn->request, MHD_REQUEST_TERMINATED_WITH_ERROR);
        if (conn != NULL)
            http_conns_remove(w->conns, conn);
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *sa = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    *context =
        http_conns_add(w->conns, fd->connect_fd, sa != NULL ? sa->client_addr : NULL, sizeof(struct sockaddr_in));
}

static enum mog_err serve(struct web *w, struct mog_fail *f)
{
    http_conns_listen(w->conns, w->fd);
    w->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_INTERNAL_POLLING_THREAD |
                                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_TURBO,
                                 0, NULL, NULL, web_request_step, w, MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL,
                                 MHD_OPTION_LISTEN_SOCKET, w->fd, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)(WEB_MAX_CONNECTIONS + SURPLUS), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)KEEPALIVE_S,
                                 MHD_OPTION_URI_LOG_CALLBACK, web_request_new, w, MHD_OPTION_NOTIFY_COMPLETED,
                                 web_request_completed, w, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, w,
                                 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    return w->daemon != NULL ? MOG_OK : fail_set(f, MOG_EIO, "cannot start the server of http_listen");
}

static void copy_list(struct opt_list *to, const struct opt_list *from)
{
    for (size_t i = 0; i < from->n; i++)
        opt_list_add(to, from->items[i]);
}

static void copy_config(struct web_config *to, const struct web_config *from)
{
    to->gateway = from->gateway;
    to->threads = from->threads > MIN_THREADS ? from->threads : MIN_THREADS;
    to->cache_control = mem_strdup(from->cache_control != NULL ? from->cache_control : "");
    copy_list(&to->domains, &from->domains);
    copy_list(&to->hosts, &from->hosts);
}

enum mog_err web_start(const struct web_parts *parts, const struct web_config *config, int fd, struct web **out,
                       struct mog_fail *f)
{
    struct web *w = mem_calloc(1, sizeof(*w));
    struct pool_ops ops = {
        .name = "web", .worker_new = worker_new, .worker_free = worker_free, .work = work, .drop = drop, .arg = w};
    w->parts = *parts;
    copy_config(&w->config, config);
    /* When it cannot start, the library closes what it listens at, or does not. */
    w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    /* Honest idle connections are closed by the library; who is still here sends a header bit by bit. */
    w->conns = http_conns_new(WEB_MAX_CONNECTIONS, (int64_t)KEEPALIVE_S * 1000 + HTTP_HEADER_LIMIT_MS);
    w->pool = pool_new(&ops, WEB_MAX_WAITING);
    pool_resize(w->pool, w->config.threads);
    w->log = web_log_new();
    bool ok = w->fd >= 0;
    ok = ok && (w->sampler = web_sampler_start(&w->parts)) != NULL;
    ok = ok && (w->config.gateway != WEB_GATEWAY_PROXY || (w->relay = web_relay_start(w)) != NULL);
    enum mog_err e = ok ? serve(w, f) : fail_set(f, MOG_EIO, "cannot start the threads of http_listen");
    if (e != MOG_OK) {
        net_close_copy(w->fd, fd);
        w->fd = -1;
        web_stop(w);
        return e;
    }
    (void)close(fd);
    *out = w;
    return MOG_OK;
}

void web_tick(struct web *w)
{
    if (w == NULL)
        return;
    http_conns_sweep(w->conns);
    http_conns_hang_up_ended(w->conns);
}

int web_listening(const struct web *w)
{
    return w->fd;
}

void web_stop_listening(struct web *w)
{
    if (w == NULL || w->fd < 0)
        return;
    (void)MHD_quiesce_daemon(w->daemon);
    (void)close(w->fd);
    w->fd = -1;
}

size_t web_close_idle(struct web *w, int64_t idle_ms)
{
    if (w == NULL)
        return 0;
    http_conns_close_idle(w->conns, idle_ms);
    return http_conns_count(w->conns);
}

void web_stop(struct web *w)
{
    if (w == NULL)
        return;
    atomic_store(&w->is_stopping, true);
    web_relay_stop(w->relay);
    web_sampler_stop(w->sampler);
    /* The library waits for all suspended connections: the pool lets the last of them go. */
    pool_end(w->pool);
    if (w->daemon != NULL) {
        web_stop_listening(w);
        MHD_stop_daemon(w->daemon);
    }
    /* Only now nobody can be about to hand something in. */
    pool_stop(w->pool);
    web_relay_free(w->relay);
    web_log_free(w->log);
    http_conns_free(w->conns);
    opt_list_fini(&w->config.domains);
    opt_list_fini(&w->config.hosts);
    free((char *)(uintptr_t)w->config.cache_control);
    free(w);
}
