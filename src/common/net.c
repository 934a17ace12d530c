/* SPDX-License-Identifier: MIT */
/* Addresses and sockets. */
#include "common/net.h"

#include "common/num.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum mog_err net_split(const char *text, uint16_t default_port, char *host, size_t host_size, uint16_t *port)
{
    struct span all = span_trim(span_of(text)), name = all, number = span_make(NULL, 0);
    const char *colon = NULL;
    if (all.len != 0 && all.ptr[0] == '[') {
        const char *close = memchr(all.ptr, ']', all.len);
        if (close == NULL)
            return MOG_ESYNTAX;
        name = span_make(all.ptr + 1, (size_t)(close - all.ptr) - 1);
        if (close + 1 < all.ptr + all.len) {
            if (close[1] != ':')
                return MOG_ESYNTAX;
            colon = close + 1;
        }
    } else if (all.len != 0) {
        colon = memchr(all.ptr, ':', all.len);
        if (colon != NULL)
            name = span_make(all.ptr, (size_t)(colon - all.ptr));
    }
    uint64_t n = default_port;
    if (colon != NULL)
        number = span_make(colon + 1, (size_t)(all.ptr + all.len - colon) - 1);
    else if (num_parse_u64(all, 1, UINT16_MAX, &n) == MOG_OK)
        name.len = 0; /* only a port */
    if (colon != NULL && num_parse_u64(number, 1, UINT16_MAX, &n) != MOG_OK)
        return MOG_ESYNTAX;
    if (name.len >= host_size)
        return MOG_ESYNTAX;
    if (name.len != 0)
        memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    *port = (uint16_t)n;
    return MOG_OK;
}

static enum mog_err resolve(const char *host, uint16_t port, int flags, struct addrinfo **out, struct mog_fail *f)
{
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {.ai_family = host[0] == '\0' ? AF_INET : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = flags | AI_NUMERICSERV};
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, service, &hints, out);
    if (rc != 0)
        return fail_set(f, MOG_ECONN, "cannot resolve %s: %s", host, gai_strerror(rc));
    return MOG_OK;
}

static void set_option(int fd, int level, int name)
{
    int on = 1;
    (void)setsockopt(fd, level, name, &on, sizeof(on));
}

enum mog_err net_listen(const char *host, uint16_t port, int *fd, struct mog_fail *f)
{
    struct addrinfo *list = NULL;
    enum mog_err e = resolve(host, port, AI_PASSIVE, &list, f);
    if (e != MOG_OK)
        return e;
    int s = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s >= 0) {
        set_option(s, SOL_SOCKET, SO_REUSEADDR);
        set_option(s, SOL_SOCKET, SO_KEEPALIVE);
        set_option(s, IPPROTO_TCP, TCP_NODELAY);
    }
    if (s < 0 || bind(s, list->ai_addr, list->ai_addrlen) != 0 || listen(s, 1024) != 0) {
        e = fail_sys(f, MOG_EIO, errno, "cannot listen on %s:%u", host[0] != '\0' ? host : "0.0.0.0", port);
        if (s >= 0)
            (void)close(s);
    } else {
        *fd = s;
    }
    freeaddrinfo(list);
    return e;
}

static enum mog_err connect_one(const struct addrinfo *ai, struct deadline by, int *fd, int *cause)
{
    int s = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0) {
        *cause = errno;
        return MOG_EIO;
    }
    set_option(s, IPPROTO_TCP, TCP_NODELAY);
    enum mog_err e = MOG_OK;
    if (connect(s, ai->ai_addr, ai->ai_addrlen) != 0) {
        *cause = errno;
        e = errno == EINPROGRESS ? net_wait(s, POLLOUT, by) : MOG_ECONN;
        socklen_t len = sizeof(*cause);
        if (e == MOG_OK && (getsockopt(s, SOL_SOCKET, SO_ERROR, cause, &len) != 0 || *cause != 0))
            e = MOG_ECONN;
        else if (e == MOG_ETIMEOUT)
            *cause = ETIMEDOUT;
    }
    if (e != MOG_OK)
        (void)close(s);
    else
        *fd = s;
    return e;
}

enum mog_err net_connect(const char *host, uint16_t port, struct deadline by, int *fd, struct mog_fail *f)
{
    struct addrinfo *list = NULL;
    enum mog_err e = resolve(host, port, 0, &list, f);
    if (e != MOG_OK)
        return e;
    int cause = 0;
    for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
        e = connect_one(ai, by, fd, &cause);
        if (e == MOG_OK || e == MOG_ETIMEOUT)
            break;
    }
    freeaddrinfo(list);
    return e == MOG_OK ? MOG_OK : fail_sys(f, e, cause, "cannot connect to %s:%u", host, port);
}

enum mog_err net_wait(int fd, short events, struct deadline by)
{
    for (;;) {
        int64_t left = deadline_left_ms(by);
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, left > 1000000 ? 1000000 : (int)left);
        if (n > 0)
            return MOG_OK;
        if (n == 0 && deadline_is_past(by))
            return MOG_ETIMEOUT;
        if (n < 0 && errno != EINTR)
            return MOG_EIO;
    }
}

enum mog_err net_write_all(int fd, const void *data, size_t len, struct deadline by)
{
    const char *at = data;
    while (len != 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return MOG_ECLOSED;
        enum mog_err e = net_wait(fd, POLLOUT, by);
        if (e != MOG_OK)
            return e;
    }
    return MOG_OK;
}

void net_peer_name(const struct sockaddr *sa, char *out, size_t out_size)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        (void)inet_ntop(AF_INET, &in.sin_addr, ip, sizeof(ip));
        port = ntohs(in.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        (void)inet_ntop(AF_INET6, &in6.sin6_addr, ip, sizeof(ip));
        port = ntohs(in6.sin6_port);
    }
    (void)snprintf(out, out_size, "%s:%u", ip, port);
}

void net_close_copy(int copy, int of)
{
    struct stat a, b;
    /* Its number may be another one's by now. */
    if (fstat(copy, &a) == 0 && fstat(of, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        (void)close(copy);
}
