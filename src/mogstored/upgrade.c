/* SPDX-License-Identifier: MIT */
/* What SIGUSR2 does: a new process, perhaps of a new binary, that shares the listening sockets with this one. */
#include "mogstored/upgrade.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/mem.h"
#include "mogstored/stored.h"

#define SUCCESSOR_VARIABLE "MOGSTORED_SUCCESSOR"

bool upgrade_is_successor(void)
{
    return getenv(SUCCESSOR_VARIABLE) != NULL;
}

static char *old_name(const struct stored *s)
{
    return mem_printf("%s.oldbin", s->opts.pidfile);
}

static void move_pidfile(struct stored *s, bool is_back)
{
    struct mog_fail f;
    if (!s->opts.pidfile)
        return;
    char *old = old_name(s);
    const char *from = is_back ? old : s->opts.pidfile, *to = is_back ? s->opts.pidfile : old;
    daemon_pidfile_remove(from);
    if (daemon_pidfile_write(to, &f) != MOG_OK)
        log_warn("upgrade: %s", f.text);
    free(old);
}

void upgrade_remove_pidfile(const struct stored *s)
{
    if (!s->has_pidfile)
        return;
    char *name = s->successor != 0 ? old_name(s) : mem_strdup(s->opts.pidfile);
    daemon_pidfile_remove(name);
    free(name);
}

void upgrade_start(struct stored *s)
{
    int fds[STORED_SOCKET_COUNT];
    size_t n = 0;
    struct mog_fail f;
    if (s->successor != 0) {
        log_warn("upgrade: process %d is there already", s->successor);
        return;
    }
    for (size_t i = 0; i < STORED_SOCKET_COUNT; i++) {
        if (s->fds[i] >= 0)
            fds[n++] = s->fds[i];
    }
    move_pidfile(s, false);
    bool was_successor = upgrade_is_successor();
    (void)setenv(SUCCESSOR_VARIABLE, "1", 1);
    enum mog_err e = sockets_hand_over(s->argv, s->folder, fds, n, &s->successor, &f);
    if (!was_successor)
        (void)unsetenv(SUCCESSOR_VARIABLE);
    if (e != MOG_OK) {
        s->successor = 0;
        move_pidfile(s, true);
        log_err("upgrade: %s", f.text);
        return;
    }
    log_info("upgrade: process %d takes over, send SIGQUIT to %ld when it serves", s->successor, (long)getpid());
}

void upgrade_reap(struct stored *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != s->successor)
            continue;
        log_err("upgrade: the new process %ld has ended, going on as before", (long)pid);
        s->successor = 0;
        move_pidfile(s, true);
    }
}
