/* SPDX-License-Identifier: MIT */
/*
 * Calls of the C library that fail where they are told: the test program defines them itself, before the library, and
 * so before the libraries that it uses too. Only calls of the thread that asked fail, or, with
 * failing_begin_elsewhere(), those of all others but the ones that are spared. Include it in one file.
 */
#ifndef MOG_TESTS_FAILING_CALLS_H
#define MOG_TESTS_FAILING_CALLS_H

#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/err.h"

/* What is to fail in this thread, and what did. */
static _Thread_local struct {
    int at;                      /* the call that fails: 1 is the next; 0: none */
    int err;                     /* errno for all; 0: what suits the call */
    bool lasts;                  /* all calls after it fail too */
    int in_child;                /* ... of a process that this thread forks */
    const char *call;            /* the one that failed; NULL: none did */
    _Atomic(const char *) *told; /* is told at once which one it is; NULL: nobody is */
} failing;

/* What is to fail in other threads; the call that did is a literal. */
static struct {
    _Atomic int at;
    _Atomic(const char *) call;
} failing_elsewhere;
static _Thread_local bool failing_is_spared; /* this thread is no other one */

/* The real function of that name. */
#define FAILING_REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Whether it is the turn of this call of another thread. */
static bool failing_elsewhere_now(const char *call, int err)
{
    if (failing_is_spared || atomic_load(&failing_elsewhere.at) <= 0 || atomic_fetch_sub(&failing_elsewhere.at, 1) != 1)
        return false;
    atomic_store(&failing_elsewhere.call, call);
    errno = err;
    return true;
}

static bool failing_now(const char *call, int err)
{
    if (failing_elsewhere_now(call, err))
        return true;
    if (failing.at == 0 || --failing.at > 0)
        return false;
    if (failing.lasts)
        failing.at = 1;
    failing.call = call;
    if (failing.told != NULL)
        atomic_store(failing.told, call);
    errno = failing.err != 0 ? failing.err : err;
    return true;
}

static inline void failing_begin(int at, int err)
{
    failing.at = at;
    failing.err = err;
    failing.call = NULL;
}

/* The call that failed; NULL: there were not so many. */
static inline const char *failing_end(void)
{
    failing.at = 0;
    failing.lasts = false;
    return failing.call;
}

/* The `at`-th call from now on of any other thread fails. */
static inline void failing_begin_elsewhere(int at)
{
    failing_is_spared = true;
    atomic_store(&failing_elsewhere.call, NULL);
    atomic_store(&failing_elsewhere.at, at);
}

/* The call that failed; NULL: there were not so many. */
static inline const char *failing_end_elsewhere(void)
{
    atomic_store(&failing_elsewhere.at, 0);
    return atomic_load(&failing_elsewhere.call);
}

/* Open descriptors of the process, but for those of a database: SQLite closes them when it has no locks there. */
static inline size_t failing_descriptors(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char target[400];
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target);
        n += len < 3 || memcmp(target + len - 3, ".db", 3) != 0;
    }
    closedir(dir);
    return n;
}

/* Each call of `name` may fail with `err`, and returns `bad` then. */
#define FAILING(type, name, bad, err, params, args)                                                                    \
    type name params;                                                                                                  \
    type name params                                                                                                   \
    {                                                                                                                  \
        if (failing_now(#name, err))                                                                                   \
            return bad;                                                                                                \
        return FAILING_REAL(name) args;                                                                                \
    }

/* Those with a mode that is not always there. */
#define FAILING_OPEN(name, params, last, args)                                                                         \
    int name params;                                                                                                   \
    int name params                                                                                                    \
    {                                                                                                                  \
        va_list ap;                                                                                                    \
        va_start(ap, last);                                                                                            \
        mode_t mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;                  \
        va_end(ap);                                                                                                    \
        if (failing_now(#name, (flags & O_CREAT) ? ENOSPC : EMFILE))                                                   \
            return -1;                                                                                                 \
        return FAILING_REAL(name) args;                                                                                \
    }

FAILING_OPEN(open, (const char *path, int flags, ...), flags, (path, flags, mode))
FAILING_OPEN(open64, (const char *path, int flags, ...), flags, (path, flags, mode))
FAILING_OPEN(openat, (int at, const char *path, int flags, ...), flags, (at, path, flags, mode))

FAILING(int, stat, -1, EIO, (const char *path, struct stat *st), (path, st))
FAILING(char *, realpath, NULL, EACCES, (const char *path, char *out), (path, out))
FAILING(int, mkdirat, -1, ENOSPC, (int at, const char *path, mode_t mode), (at, path, mode))
FAILING(int, rename, -1, EIO, (const char *from, const char *to), (from, to))
FAILING(int, renameat, -1, EIO, (int at, const char *from, int to_at, const char *to), (at, from, to_at, to))
FAILING(int, link, -1, EIO, (const char *from, const char *to), (from, to))
FAILING(int, mkostemp, -1, ENOSPC, (char *path, int flags), (path, flags))
FAILING(int, fchmod, -1, EIO, (int fd, mode_t mode), (fd, mode))
FAILING(int, mkdir, -1, ENOSPC, (const char *path, mode_t mode), (path, mode))
FAILING(off_t, lseek, -1, EIO, (int fd, off_t at, int how), (fd, at, how))
FAILING(off64_t, lseek64, -1, EIO, (int fd, off64_t at, int how), (fd, at, how))
FAILING(int, fsync, -1, EIO, (int fd), (fd))
FAILING(int, fdatasync, -1, EIO, (int fd), (fd))
FAILING(int, fstat, -1, EIO, (int fd, struct stat *st), (fd, st))
FAILING(int, fstatat, -1, EIO, (int at, const char *path, struct stat *st, int flags), (at, path, st, flags))
FAILING(int, fstatvfs, -1, EIO, (int fd, struct statvfs *st), (fd, st))
FAILING(int, faccessat, -1, EIO, (int at, const char *path, int mode, int flags), (at, path, mode, flags))
FAILING(int, fallocate, -1, ENOSPC, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))
FAILING(int, ftruncate, -1, EIO, (int fd, off_t len), (fd, len))
FAILING(int, flock, -1, ENOLCK, (int fd, int how), (fd, how))
FAILING(ssize_t, pwrite, -1, ENOSPC, (int fd, const void *data, size_t len, off_t at), (fd, data, len, at))
FAILING(ssize_t, pread, -1, EIO, (int fd, void *data, size_t len, off_t at), (fd, data, len, at))
FAILING(int, fstat64, -1, EIO, (int fd, struct stat64 *st), (fd, st))
FAILING(int, ftruncate64, -1, EIO, (int fd, off64_t len), (fd, len))
FAILING(ssize_t, pwrite64, -1, ENOSPC, (int fd, const void *data, size_t len, off64_t at), (fd, data, len, at))
FAILING(ssize_t, pread64, -1, EIO, (int fd, void *data, size_t len, off64_t at), (fd, data, len, at))
FAILING(FILE *, fopen, NULL, EMFILE, (const char *path, const char *mode), (path, mode))
FAILING(FILE *, fopen64, NULL, EMFILE, (const char *path, const char *mode), (path, mode))
FAILING(DIR *, fdopendir, NULL, ENOMEM, (int fd), (fd))

FAILING(int, socket, -1, EMFILE, (int domain, int type, int protocol), (domain, type, protocol))
FAILING(int, connect, -1, ECONNREFUSED, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len))
FAILING(int, bind, -1, EADDRINUSE, (int fd, const struct sockaddr *at, socklen_t len), (fd, at, len))
FAILING(int, listen, -1, EADDRINUSE, (int fd, int backlog), (fd, backlog))
FAILING(ssize_t, splice, -1, ENOMEM, (int from, off64_t *from_at, int to, off64_t *to_at, size_t len, unsigned flags),
        (from, from_at, to, to_at, len, flags))
FAILING(ssize_t, writev, -1, ECONNRESET, (int fd, const struct iovec *parts, int n), (fd, parts, n))
FAILING(ssize_t, sendfile, -1, EIO, (int to, int from, off_t *at, size_t len), (to, from, at, len))
FAILING(ssize_t, sendfile64, -1, EIO, (int to, int from, off64_t *at, size_t len), (to, from, at, len))
FAILING(int, accept4, -1, EMFILE, (int fd, struct sockaddr *from, socklen_t *len, int flags), (fd, from, len, flags))
FAILING(ssize_t, sendmsg, -1, ECONNRESET, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
FAILING(ssize_t, recvmsg, -1, ECONNRESET, (int fd, struct msghdr *m, int flags), (fd, m, flags))

FAILING(int, epoll_create1, -1, EMFILE, (int flags), (flags))
FAILING(int, timerfd_create, -1, EMFILE, (int clock, int flags), (clock, flags))

FAILING(int, dup2, -1, EMFILE, (int fd, int to), (fd, to))
FAILING(int, chdir, -1, EACCES, (const char *path), (path))
FAILING(int, execve, -1, ENOEXEC, (const char *path, char *const argv[], char *const env[]), (path, argv, env))
FAILING(int, getsockopt, -1, ENOBUFS, (int fd, int level, int name, void *value, socklen_t *len),
        (fd, level, name, value, len))
FAILING(int, getsockname, -1, ENOBUFS, (int fd, struct sockaddr *at, socklen_t *len), (fd, at, len))

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
    return failing_now("posix_spawnp", EAGAIN) ? EAGAIN
                                               : FAILING_REAL(posix_spawnp)(pid, file, actions, attributes, argv, env);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    return failing_now("waitpid", EINTR) ? -1 : FAILING_REAL(waitpid)(pid, status, options);
}

pid_t fork(void)
{
    if (failing_now("fork", EAGAIN))
        return -1;
    pid_t pid = FAILING_REAL(fork)();
    if (pid == 0)
        failing.at = failing.in_child;
    return pid;
}

/* The system never fails to count an event: which descriptors are such. */
static _Atomic bool failing_is_event[1024];

int eventfd(unsigned value, int flags)
{
    int fd = failing_now("eventfd", EMFILE) ? -1 : FAILING_REAL(eventfd)(value, flags);
    if (fd >= 0 && fd < 1024)
        atomic_store(&failing_is_event[fd], true);
    return fd;
}

static int failing_never(int result, const int fds[2])
{
    for (int i = 0; result == 0 && i < 2; i++)
        if (fds[i] < 1024)
            atomic_store(&failing_is_event[fds[i]], true);
    return result;
}

/* Pipes, and streams to oneself, fail as little. */
int pipe2(int fds[2], int flags)
{
    return failing_now("pipe2", EMFILE) ? -1 : failing_never(FAILING_REAL(pipe2)(fds, flags), fds);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
    if (failing_now("socketpair", EMFILE))
        return -1;
    int result = FAILING_REAL(socketpair)(domain, type, protocol, fds);
    return (type & SOCK_SEQPACKET) == SOCK_SEQPACKET ? result : failing_never(result, fds);
}

static bool failing_may(int fd)
{
    return fd < 0 || fd >= 1024 || !atomic_load(&failing_is_event[fd]);
}

ssize_t write(int fd, const void *data, size_t len)
{
    return failing_may(fd) && failing_now("write", ENOSPC) ? -1 : FAILING_REAL(write)(fd, data, len);
}

ssize_t read(int fd, void *data, size_t len)
{
    return failing_may(fd) && failing_now("read", EIO) ? -1 : FAILING_REAL(read)(fd, data, len);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    return failing_may(fd) && failing_now("send", ECONNRESET) ? -1 : FAILING_REAL(send)(fd, data, len, flags);
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
    return failing_may(fd) && failing_now("recv", ECONNRESET) ? -1 : FAILING_REAL(recv)(fd, data, len, flags);
}

/* What is no more watched costs the system nothing. */
int epoll_ctl(int epoll, int what, int fd, struct epoll_event *e)
{
    if (what == EPOLL_CTL_ADD && failing_now("epoll_ctl", ENOSPC))
        return -1;
    return FAILING_REAL(epoll_ctl)(epoll, what, fd, e);
}

/* With a number, or a pointer that is taken for one, or nothing. */
int fcntl(int fd, int command, ...)
{
    va_list ap;
    va_start(ap, command);
    long value = va_arg(ap, long);
    va_end(ap);
    return failing_now("fcntl", EMFILE) ? -1 : FAILING_REAL(fcntl)(fd, command, value);
}

/* It closes all the same, as the kernel does. */
int close(int fd)
{
    if (fd >= 0 && fd < 1024)
        atomic_store(&failing_is_event[fd], false);
    int result = FAILING_REAL(close)(fd);
    return result == 0 && failing_now("close", EIO) ? -1 : result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    return failing_now("pthread_create", EAGAIN) ? EAGAIN : FAILING_REAL(pthread_create)(thread, attr, run, arg);
}

/* Of what has no function of its own only what opens files can fail. */
long syscall(long number, ...)
{
    long a[6];
    va_list ap;
    va_start(ap, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (number == SYS_openat2 && failing_now("openat2", EMFILE))
        return -1;
    return FAILING_REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- an operation with each call below it failing in turn ---- */

struct failing_case {
    const char *name;
    void (*reset)(void);                     /* as it is before the operation */
    enum mog_err (*run)(struct mog_fail *f); /* and free what it gave */
    bool (*is_undone)(void);                 /* nothing is changed; NULL: nothing ever is */
    bool (*is_done)(void);                   /* it is whole; NULL: there is nothing to see */
    int most;                                /* calls that can fail, at the most; 0: 200 */
};

/* The case with its n-th call failing. False: it has not so many. */
static inline bool failing_try(const struct failing_case *c, int n)
{
    struct mog_fail f = {0};
    if (c->reset != NULL)
        c->reset();
    size_t before = failing_descriptors();
    failing_begin(n, 0);
    enum mog_err e = c->run(&f);
    const char *call = failing_end();
    if (call == NULL && e == MOG_OK)
        return false;
    ck_assert_msg(call != NULL, "%s fails by itself: %s: %s", c->name, err_name(e), f.text);
    /* The other end of a connection may be ours too, and is closed a moment later. */
    bool is_left = failing_descriptors() > before;
    for (int i = 0; i < 3000 && is_left; i++) {
        (void)poll(NULL, 0, 10);
        is_left = failing_descriptors() > before;
    }
    ck_assert_msg(!is_left, "%s, %d (%s) failed: a descriptor is left", c->name, n, call);
    bool is_done = c->is_done == NULL || c->is_done(), is_undone = c->is_undone == NULL || c->is_undone();
    ck_assert_msg(e != MOG_OK || is_done, "%s, %d (%s) failed: told nobody, and is not done", c->name, n, call);
    ck_assert_msg(is_done || is_undone, "%s, %d (%s) failed: half done", c->name, n, call);
    ck_assert_msg(e == MOG_OK || (f.code == e && f.text[0] != '\0'), "%s, %d (%s) failed: %s, and it tells %s '%s'",
                  c->name, n, call, err_name(e), err_name(f.code), f.text);
    if (e == MOG_OK || (is_done && c->is_done != NULL))
        return true;
    e = c->run(&f);
    ck_assert_msg(e == MOG_OK, "%s, after %d (%s) failed it never works again: %s: %s", c->name, n, call, err_name(e),
                  f.text);
    ck_assert_msg(c->is_done == NULL || c->is_done(), "%s, after %d (%s) failed it does not all", c->name, n, call);
    return true;
}

static inline void failing_each(const struct failing_case *c)
{
    int n = 1;
    while (failing_try(c, n)) {
        n++;
        ck_assert_msg(n < (c->most != 0 ? c->most : 200), "%s never ends", c->name);
    }
    ck_assert_msg(n > 1, "%s has no call that can fail", c->name);
    printf("%s: %d calls\n", c->name, n - 1);
}

/* The main function of a program whose test runs once for each row of `cases`, as `_i`; and other tests, if any. */
#define FAILING_MAIN(name, test, cases, ...)                                                                           \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        Suite *suite = suite_create(name);                                                                             \
        TCase *tcase = tcase_create(name);                                                                             \
        tcase_set_timeout(tcase, 250);                                                                                 \
        tcase_add_loop_test(tcase, test, 0, sizeof(cases) / sizeof((cases)[0]));                                       \
        const TTest *const others[] = {NULL, ##__VA_ARGS__};                                                           \
        for (size_t i = 1; i < sizeof(others) / sizeof(others[0]); i++)                                                \
            tcase_add_test(tcase, others[i]);                                                                          \
        suite_add_tcase(suite, tcase);                                                                                 \
        SRunner *runner = srunner_create(suite);                                                                       \
        srunner_run_all(runner, CK_ENV);                                                                               \
        int failed = srunner_ntests_failed(runner);                                                                    \
        srunner_free(runner);                                                                                          \
        return failed != 0;                                                                                            \
    }

#endif
