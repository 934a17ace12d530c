/* SPDX-License-Identifier: MIT */
/* Becoming a daemon. */
#include "common/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mem.h"

#ifdef MOG_HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

/* Write end of the pipe that the first process waits on; -1 when nobody waits. Set before any thread starts. */
static int ready_fd = -1;

void daemon_open_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* The lowest number that is free is the one that is closed. */
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

/* The first process: stay until the daemon is ready, and tell the shell how it went. */
static _Noreturn void wait_for_daemon(int fd)
{
    char answer = 0;
    ssize_t n;
    do {
        n = read(fd, &answer, 1);
    } while (n < 0 && errno == EINTR);
    _exit(n == 1 ? 0 : 1);
}

enum mog_err daemon_detach(struct mog_fail *f)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return fail_sys(f, MOG_EIO, errno, "cannot create a pipe");
    pid_t pid = fork();
    if (pid < 0) {
        enum mog_err e = fail_sys(f, MOG_EIO, errno, "cannot fork");
        (void)close(pipe_fds[0]);
        (void)close(pipe_fds[1]);
        return e;
    }
    if (pid > 0) {
        (void)close(pipe_fds[1]);
        wait_for_daemon(pipe_fds[0]);
    }
    (void)close(pipe_fds[0]);
    (void)setsid();
    pid = fork();
    if (pid < 0)
        return fail_sys(f, MOG_EIO, errno, "cannot fork");
    if (pid > 0)
        _exit(0);
    ready_fd = pipe_fds[1];
    (void)umask(022);
    if (chdir("/") != 0)
        return fail_sys(f, MOG_EIO, errno, "cannot change to /");
    return MOG_OK;
}

void daemon_ready(void)
{
    if (ready_fd >= 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null >= 0) {
            /* Only now: what goes wrong before is still told on the terminal. */
            (void)dup2(null, STDIN_FILENO);
            (void)dup2(null, STDOUT_FILENO);
            (void)dup2(null, STDERR_FILENO);
            (void)close(null);
        }
        (void)!write(ready_fd, "1", 1);
        (void)close(ready_fd);
        ready_fd = -1;
    }
    /* Who has detached itself, or takes the place of another, is not the process that systemd knows. */
    char text[48];
    (void)snprintf(text, sizeof(text), "MAINPID=%ld\nREADY=1", (long)getpid());
    daemon_notify(text);
}

void daemon_notify(const char *state)
{
#ifdef MOG_HAVE_SYSTEMD
    (void)sd_notify(0, state);
#else
    (void)state;
#endif
}

/* 0, or errno. `flags` beside those that all have. */
static int write_pid(const char *path, int flags, bool *is_open)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    *is_open = fd >= 0;
    if (fd < 0)
        return errno;
    char text[24];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    int err = 0;
    ssize_t n = write(fd, text, (size_t)len);
    /* Truncated after: who reads it during a hand-over must not find it empty. */
    if (n != len)
        err = n < 0 ? errno : ENOSPC;
    else if (ftruncate(fd, len) != 0)
        err = errno;
    (void)close(fd);
    return err;
}

/*
 * One that root wrote before it became somebody else, whose folder it lies in. Never absent, as above. Returns 0, or
 * errno.
 */
static int replace_pid(const char *path)
{
    bool is_open;
    char *new = mem_printf("%s.new", path);
    (void)unlink(new);
    int err = write_pid(new, O_EXCL, &is_open);
    if (err == 0 && rename(new, path) != 0)
        err = errno;
    if (err != 0 && is_open)
        (void)unlink(new);
    free(new);
    return err;
}

enum mog_err daemon_pidfile_write(const char *path, struct mog_fail *f)
{
    bool is_open;
    int err = write_pid(path, 0, &is_open);
    if (err == EACCES && replace_pid(path) == 0)
        err = 0;
    if (err == 0)
        return MOG_OK;
    return fail_sys(f, MOG_EIO, err, is_open ? "couldn't write into pidfile '%s'" : "couldn't create pidfile '%s'",
                    path);
}

void daemon_pidfile_remove(const char *path)
{
    (void)unlink(path);
}

enum mog_err daemon_become(const char *user, struct mog_fail *f)
{
    const struct passwd *pw = getpwnam(user);
    if (pw == NULL)
        return fail_set(f, MOG_ENOTFOUND, "user '%s' does not exist", user);
    if (geteuid() == pw->pw_uid)
        return MOG_OK;
    if (geteuid() != 0)
        return fail_set(f, MOG_EPERM, "only root can become user '%s'", user);
    if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0)
        return fail_sys(f, MOG_EPERM, errno, "cannot become user '%s'", user);
    return MOG_OK;
}

size_t daemon_raise_nofile(size_t want)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 0;
    if (r.rlim_cur < want) {
        struct rlimit more = {.rlim_cur = want, .rlim_max = r.rlim_max < want ? want : r.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &more) != 0) {
            more = (struct rlimit){.rlim_cur = r.rlim_max < want ? r.rlim_max : want, .rlim_max = r.rlim_max};
            (void)setrlimit(RLIMIT_NOFILE, &more);
        }
        (void)getrlimit(RLIMIT_NOFILE, &r);
    }
    return (size_t)r.rlim_cur;
}

void daemon_hide(int argc, char **argv, const char *secret)
{
    size_t len = secret != NULL ? strlen(secret) : 0;
    for (int i = 1; i < argc && len != 0; i++) {
        char *at = argv[i];
        while ((at = strstr(at, secret)) != NULL) {
            memset(at, '*', len);
            at += len;
        }
    }
}
