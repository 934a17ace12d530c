/* SPDX-License-Identifier: MIT */
/* Listening sockets that come from elsewhere: from systemd, or from the process whose place we take. */
#include "common/handover.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/num.h"
#include "common/span.h"

#define HANDOVER_VARIABLE "MOGILEFS_HANDOVER" /* "<ready>" or "<ready>,<lock>": descriptors */

enum { FIRST_FD = 3 };

extern char **environ;

/* ---- what we were given ---- */

static enum mog_err add(struct handover *h, uint64_t fd, const char *from, struct mog_fail *f)
{
    int listening = 0;
    socklen_t len = sizeof listening;
    if (getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
        return fail_set(f, MOG_EINVAL, "%s: descriptor %d is not a listening socket", from, (int)fd);
    if (h->n == HANDOVER_SOCKETS_MAX)
        return fail_set(f, MOG_EINVAL, "%s: more than %d sockets", from, HANDOVER_SOCKETS_MAX);
    int flags = fcntl((int)fd, F_GETFL);
    if (flags < 0 || fcntl((int)fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
        return fail_sys(f, MOG_EINVAL, errno, "%s: descriptor %d cannot be used", from, (int)fd);
    h->fds[h->n++] = (int)fd;
    return MOG_OK;
}

static enum mog_err inherit_numbered(struct handover *h, struct mog_fail *f)
{
    const char *pid_text = getenv("LISTEN_PID"), *fds_text = getenv("LISTEN_FDS");
    uint64_t pid, n;
    enum mog_err e = MOG_OK;
    /* For another process: not an error, by the protocol. */
    if (!pid_text || !fds_text || num_parse_u64(span_of(pid_text), 1, INT32_MAX, &pid) != MOG_OK ||
        pid != (uint64_t)getpid())
        return MOG_OK;
    if (num_parse_u64(span_of(fds_text), 0, HANDOVER_SOCKETS_MAX, &n) != MOG_OK)
        return fail_set(f, MOG_EINVAL, "LISTEN_FDS: \"%s\" is not a number up to %d", fds_text, HANDOVER_SOCKETS_MAX);
    for (uint64_t i = 0; e == MOG_OK && i < n; i++)
        e = add(h, FIRST_FD + i, "LISTEN_FDS", f);
    return e;
}

static enum mog_err inherit_listed(struct handover *h, const char *name, struct mog_fail *f)
{
    const char *list = name ? getenv(name) : NULL;
    struct span rest = span_of(list), part;
    enum mog_err e = MOG_OK;
    while (e == MOG_OK && list && span_split(&rest, ',', &part)) {
        uint64_t fd;
        if (num_parse_u64(part, FIRST_FD, INT32_MAX, &fd) != MOG_OK)
            e = fail_set(f, MOG_EINVAL, "%s: \"%s\" is not a list of descriptors", name, list);
        else
            e = add(h, fd, name, f);
    }
    return e;
}

/* A descriptor of the wanted type that we may keep. */
static bool take_typed(struct span text, mode_t type, int *out)
{
    struct stat st;
    uint64_t fd;
    if (num_parse_u64(text, FIRST_FD, INT32_MAX, &fd) != MOG_OK || fstat((int)fd, &st) != 0 ||
        (st.st_mode & S_IFMT) != type || fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
        return false;
    *out = (int)fd;
    return true;
}

static enum mog_err inherit_rest(struct handover *h, struct mog_fail *f)
{
    const char *text = getenv(HANDOVER_VARIABLE);
    struct span rest = span_of(text), part;
    if (!text)
        return MOG_OK;
    if (!span_split(&rest, ',', &part) || !take_typed(part, S_IFSOCK, &h->ready_fd) ||
        (span_split(&rest, ',', &part) && !take_typed(part, S_IFREG, &h->lock_fd)))
        return fail_set(f, MOG_EINVAL, HANDOVER_VARIABLE ": \"%s\" are not the descriptors of a hand-over", text);
    h->is_successor = true;
    return MOG_OK;
}

bool handover_is_due(void)
{
    return getenv(HANDOVER_VARIABLE) != NULL;
}

enum mog_err handover_inherit(struct handover *h, const char *list_name, struct mog_fail *f)
{
    *h = HANDOVER_NONE;
    enum mog_err e = inherit_numbered(h, f);
    if (e == MOG_OK)
        e = inherit_listed(h, list_name, f);
    if (e == MOG_OK)
        e = inherit_rest(h, f);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    (void)unsetenv(HANDOVER_VARIABLE);
    if (list_name)
        (void)unsetenv(list_name);
    return e;
}

static bool is_same_v4(const struct sockaddr_storage *have, const struct sockaddr *want)
{
    struct sockaddr_in a, b;
    memcpy(&a, have, sizeof a);
    memcpy(&b, want, sizeof b);
    return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

static bool is_same_v6(const struct sockaddr_storage *have, const struct sockaddr *want)
{
    struct sockaddr_in6 a, b;
    memcpy(&a, have, sizeof a);
    memcpy(&b, want, sizeof b);
    return a.sin6_port == b.sin6_port && memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
}

/* systemd's "ListenStream=7001" is [::] and takes IPv4 too. */
static bool covers_any_v4(int fd, const struct sockaddr_storage *have, const struct sockaddr *want)
{
    struct sockaddr_in6 a;
    struct sockaddr_in b;
    int only_v6 = 1;
    socklen_t len = sizeof only_v6;
    memcpy(&a, have, sizeof a);
    memcpy(&b, want, sizeof b);
    return a.sin6_port == b.sin_port && IN6_IS_ADDR_UNSPECIFIED(&a.sin6_addr) &&
           b.sin_addr.s_addr == htonl(INADDR_ANY) && getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, &len) == 0 &&
           !only_v6;
}

static bool is_bound_to(int fd, const struct sockaddr *want)
{
    struct sockaddr_storage have;
    socklen_t len = sizeof have;
    if (getsockname(fd, (struct sockaddr *)&have, &len) != 0)
        return false;
    if (have.ss_family == AF_INET && want->sa_family == AF_INET)
        return is_same_v4(&have, want);
    if (have.ss_family == AF_INET6 && want->sa_family == AF_INET6)
        return is_same_v6(&have, want);
    return have.ss_family == AF_INET6 && want->sa_family == AF_INET && covers_any_v4(fd, &have, want);
}

enum mog_err handover_listen(struct handover *h, const char *host, uint16_t port, int *fd, struct mog_fail *f)
{
    char service[8];
    struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_family = host[0] == '\0' ? AF_INET : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    bool is_found = false;
    (void)snprintf(service, sizeof service, "%u", port);
    if (h->n > 0 && getaddrinfo(host[0] == '\0' ? NULL : host, service, &hints, &list) == 0) {
        for (const struct addrinfo *ai = list; ai && !is_found; ai = ai->ai_next) {
            for (size_t i = 0; i < h->n && !is_found; i++) {
                is_found = is_bound_to(h->fds[i], ai->ai_addr);
                if (is_found) {
                    *fd = h->fds[i];
                    h->fds[i] = h->fds[--h->n];
                }
            }
        }
        freeaddrinfo(list);
    }
    return is_found ? MOG_OK : net_listen(host, port, fd, f);
}

void handover_close_rest(struct handover *h)
{
    while (h->n > 0) {
        struct sockaddr_storage sa = {0};
        socklen_t len = sizeof sa;
        char name[64] = "?";
        int fd = h->fds[--h->n];
        if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
            net_peer_name((const struct sockaddr *)&sa, name, sizeof name);
        log_warn("start: nothing is configured to listen at the socket %s that was handed to us, closing it", name);
        close(fd);
    }
}

int handover_done(struct handover *h)
{
    int channel = h->ready_fd;
    if (channel >= 0)
        (void)!send(channel, "R", 1, MSG_NOSIGNAL);
    h->ready_fd = -1;
    return channel;
}

/* The one descriptor of a message; -1, and all are closed, when there is not just one. */
static int take_descriptor(struct msghdr *msg)
{
    int fd = -1;
    size_t n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
            if (n++ > 0)
                close(fd);
            memcpy(&fd, (const char *)c + at, sizeof(int));
        }
    }
    if (n == 0 || (n == 1 && (msg->msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0))
        return fd;
    close(fd);
    return -1;
}

enum mog_err handover_receive(int channel, int *fd, void *data, size_t cap, size_t *len)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = data, .iov_len = cap};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do {
        n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return MOG_ENOTFOUND;
    int got = n > 0 ? take_descriptor(&msg) : -1;
    if (got < 0)
        return MOG_ECLOSED;
    *fd = got;
    *len = (size_t)n;
    return MOG_OK;
}

void handover_fini(struct handover *h)
{
    while (h->n > 0)
        close(h->fds[--h->n]);
    if (h->ready_fd >= 0)
        close(h->ready_fd);
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    *h = HANDOVER_NONE;
}

/* ---- what we give ---- */

/* As a shell finds it, and anew each time: an upgrade may have moved it. */
static char *find_program(const char *name, struct mog_fail *f)
{
    const char *path = getenv("PATH");
    struct span rest = span_of(path ? path : "/usr/bin:/bin"), folder;
    if (strchr(name, '/'))
        return mem_strdup(name);
    while (span_split(&rest, ':', &folder)) {
        if (folder.len == 0)
            continue;
        char *full = mem_printf("%.*s/%s", (int)folder.len, folder.ptr, name);
        if (access(full, X_OK) == 0)
            return full;
        free(full);
    }
    (void)!fail_set(f, MOG_ENOTFOUND, "cannot find the program %s", name);
    return NULL;
}

static bool is_named(const char *entry, const char *name)
{
    size_t len = strlen(name);
    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

/* All that the child needs, made before the fork: between fork and exec hardly anything may be called. */
struct launch {
    char *program, **argv, **env, *pid_entry; /* "LISTEN_PID=", with room for the number */
    const char *folder;
    int fds[HANDOVER_SOCKETS_MAX + 2];
    size_t n;
};

enum { OWN_VARIABLES = 3, PID_DIGITS = 20 };

static void make_environment(struct launch *l, size_t n_sockets, bool has_lock)
{
    static const char *const replaced[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", HANDOVER_VARIABLE};
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    l->env = mem_calloc(n + OWN_VARIABLES + 1, sizeof *l->env);
    for (size_t i = 0; i < n; i++) {
        bool is_kept = true;
        for (size_t k = 0; k < sizeof replaced / sizeof replaced[0]; k++)
            is_kept = is_kept && !is_named(environ[i], replaced[k]);
        if (is_kept)
            l->env[kept++] = mem_strdup(environ[i]);
    }
    l->pid_entry = mem_printf("LISTEN_PID=%*s", PID_DIGITS, "");
    l->env[kept++] = l->pid_entry;
    l->env[kept++] = mem_printf("LISTEN_FDS=%zu", n_sockets);
    if (has_lock)
        l->env[kept++] = mem_printf(HANDOVER_VARIABLE "=%zu,%zu", FIRST_FD + n_sockets, FIRST_FD + n_sockets + 1);
    else
        l->env[kept++] = mem_printf(HANDOVER_VARIABLE "=%zu", FIRST_FD + n_sockets);
}

static void launch_fini(struct launch *l)
{
    for (size_t i = 0; l->env && l->env[i]; i++)
        free(l->env[i]);
    free(l->env);
    free(l->program);
}

/* In the child. Decimal, without the library: see above. */
static void put_pid(char *entry)
{
    char digits[PID_DIGITS];
    size_t n = 0, at = strlen("LISTEN_PID=");
    for (unsigned long pid = (unsigned long)getpid(); pid > 0 && n < sizeof digits; pid /= 10)
        digits[n++] = (char)('0' + pid % 10);
    while (n > 0)
        entry[at++] = digits[--n];
    entry[at] = '\0';
}

static _Noreturn void run_child(struct launch *l)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    put_pid(l->pid_entry);
    /* First out of the way, then to their places: one may lie where another belongs. */
    for (size_t i = 0; i < l->n; i++) {
        l->fds[i] = fcntl(l->fds[i], F_DUPFD_CLOEXEC, FIRST_FD + (int)l->n);
        if (l->fds[i] < 0)
            _exit(127);
    }
    for (size_t i = 0; i < l->n; i++) {
        if (dup2(l->fds[i], FIRST_FD + (int)i) < 0)
            _exit(127);
    }
    if (chdir(l->folder) == 0)
        (void)execve(l->program, l->argv, l->env);
    _exit(127);
}

enum mog_err handover_start(const struct handover_offer *o, int *pid, int *answer_fd, struct mog_fail *f)
{
    struct launch l = {.argv = o->argv, .folder = o->folder};
    int pair[2] = {-1, -1};
    enum mog_err e = MOG_OK;
    if (o->n > HANDOVER_SOCKETS_MAX)
        return fail_set(f, MOG_EINVAL, "more than %d sockets to hand over", HANDOVER_SOCKETS_MAX);
    l.program = find_program(o->argv[0], f);
    if (!l.program)
        return MOG_ENOTFOUND;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        e = fail_sys(f, MOG_EIO, errno, "cannot create a pair of sockets");
        goto out;
    }
    for (size_t i = 0; i < o->n; i++)
        l.fds[l.n++] = o->fds[i];
    l.fds[l.n++] = pair[1];
    if (o->lock_fd >= 0)
        l.fds[l.n++] = o->lock_fd;
    make_environment(&l, o->n, o->lock_fd >= 0);
    pid_t child = fork();
    if (child == 0)
        run_child(&l);
    if (child < 0) {
        e = fail_sys(f, MOG_EIO, errno, "cannot start a new process");
        goto out;
    }
    *pid = (int)child;
    *answer_fd = pair[0];
    pair[0] = -1;
out:
    if (pair[0] >= 0)
        close(pair[0]);
    if (pair[1] >= 0)
        close(pair[1]);
    launch_fini(&l);
    return e;
}

enum mog_err handover_give(int channel, int fd, const void *data, size_t len)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    ssize_t n;
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    do {
        n = sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return MOG_OK;
    /* ETOOMANYREFS: too many are on their way already. */
    bool is_full = errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ETOOMANYREFS;
    return is_full ? MOG_ETIMEOUT : MOG_ECLOSED;
}

enum handover_answer handover_answer(int answer_fd)
{
    char answer;
    ssize_t n;
    do {
        n = read(answer_fd, &answer, 1);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return HANDOVER_WAITING;
    return n == 1 ? HANDOVER_TAKEN : HANDOVER_FAILED;
}

void handover_abandon(int pid)
{
    (void)kill((pid_t)pid, SIGKILL);
    while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}
