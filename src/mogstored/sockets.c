/* SPDX-License-Identifier: MIT */
/* Listening sockets: opened by us, by systemd, or by the process whose place we take. */
#include "mogstored/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/net.h"
#include "common/num.h"
#include "common/span.h"

enum { SYSTEMD_FIRST_FD = 3 };

static enum mog_err add(struct sockets *s, uint64_t fd, const char *from, struct mog_fail *f)
{
    int listening = 0;
    socklen_t len = sizeof listening;
    if (getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
        return fail_set(f, MOG_EINVAL, "%s: descriptor %d is not a listening socket", from, (int)fd);
    if (s->n == SOCKETS_MAX)
        return fail_set(f, MOG_EINVAL, "%s: more than %d sockets", from, SOCKETS_MAX);
    (void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl((int)fd, F_SETFL, fcntl((int)fd, F_GETFL) | O_NONBLOCK);
    s->fds[s->n++] = (int)fd;
    return MOG_OK;
}

static enum mog_err inherit_systemd(struct sockets *s, struct mog_fail *f)
{
    const char *pid_text = getenv("LISTEN_PID"), *fds_text = getenv("LISTEN_FDS");
    uint64_t pid, n;
    enum mog_err e = MOG_OK;
    if (!pid_text || !fds_text || num_parse_u64(span_of(pid_text), 1, INT32_MAX, &pid) != MOG_OK ||
        pid != (uint64_t)getpid() || num_parse_u64(span_of(fds_text), 0, SOCKETS_MAX, &n) != MOG_OK)
        return MOG_OK;
    for (uint64_t i = 0; e == MOG_OK && i < n; i++)
        e = add(s, SYSTEMD_FIRST_FD + i, "LISTEN_FDS", f);
    return e;
}

enum mog_err sockets_inherit(struct sockets *s, struct mog_fail *f)
{
    *s = (struct sockets){0};
    enum mog_err e = inherit_systemd(s, f);
    const char *list = getenv("MOGSTORED_FD");
    struct span rest = span_of(list), part;
    while (e == MOG_OK && list && span_split(&rest, ',', &part)) {
        uint64_t fd;
        if (num_parse_u64(part, 3, INT32_MAX, &fd) != MOG_OK)
            e = fail_set(f, MOG_EINVAL, "MOGSTORED_FD: \"%s\" is not a list of descriptors", list);
        else
            e = add(s, fd, "MOGSTORED_FD", f);
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("MOGSTORED_FD");
    return e;
}

/* Is the socket bound to this very address? */
static bool is_bound_to(int fd, const char *host, uint16_t port)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        return false;
    if (sa.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&sa;
        struct in_addr want = {.s_addr = htonl(INADDR_ANY)};
        bool parsed = host[0] == '\0' || inet_pton(AF_INET, host, &want) == 1;
        return parsed && in->sin_addr.s_addr == want.s_addr && ntohs(in->sin_port) == port;
    }
    if (sa.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&sa;
        struct in6_addr want;
        return inet_pton(AF_INET6, host, &want) == 1 && memcmp(&want, &in6->sin6_addr, sizeof want) == 0 &&
               ntohs(in6->sin6_port) == port;
    }
    return false;
}

enum mog_err sockets_listen(struct sockets *s, const char *what, const char *address, int *fd, struct mog_fail *f)
{
    char host[64];
    uint16_t port;
    struct in6_addr unused;
    struct mog_fail inner = {0};
    bool is_numeric =
        net_split(address, 0, host, sizeof host, &port) == MOG_OK && port != 0 &&
        (host[0] == '\0' || inet_pton(AF_INET, host, &unused) == 1 || inet_pton(AF_INET6, host, &unused) == 1);
    if (!is_numeric)
        return fail_set(f, MOG_EINVAL, "%s: \"%s\" is not an address and a port (a.b.c.d:port)", what, address);
    for (size_t i = 0; i < s->n; i++) {
        if (is_bound_to(s->fds[i], host, port)) {
            *fd = s->fds[i];
            s->fds[i] = s->fds[--s->n];
            return MOG_OK;
        }
    }
    enum mog_err e = net_listen(host, port, fd, &inner);
    return e == MOG_OK ? MOG_OK : fail_set(f, e, "%s: %s", what, inner.text);
}

void sockets_close_rest(struct sockets *s)
{
    while (s->n > 0)
        close(s->fds[--s->n]);
}

enum mog_err sockets_hand_over(char **argv, const char *folder, const int *fds, size_t n, int *pid, struct mog_fail *f)
{
    struct buf list = BUF_ZERO;
    for (size_t i = 0; i < n; i++)
        buf_printf(&list, "%s%d", i > 0 ? "," : "", fds[i]);
    /* The variable is set here and not in the child, where only few functions may be called. */
    (void)setenv("MOGSTORED_FD", buf_cstr(&list), 1);
    buf_fini(&list);
    pid_t child = fork();
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        for (size_t i = 0; i < n; i++)
            (void)fcntl(fds[i], F_SETFD, 0);
        if (chdir(folder) == 0)
            (void)execvp(argv[0], argv);
        _exit(127);
    }
    (void)unsetenv("MOGSTORED_FD");
    if (child < 0)
        return fail_sys(f, MOG_EIO, errno, "cannot start a new process");
    *pid = (int)child;
    return MOG_OK;
}
