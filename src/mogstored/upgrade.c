/* SPDX-License-Identifier: MIT */
/* What SIGUSR2 does: a new process, perhaps of a new binary, takes the listening sockets over, and then our place. */
#include "mogstored/upgrade.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/mem.h"
#include "mogstored/stored.h"

static char *old_name(const struct stored *s)
{
    return mem_printf("%s.oldbin", s->opts.pidfile);
}

static void write_old_name(const struct stored *s)
{
    struct mog_fail f;
    if (!s->has_pidfile)
        return;
    char *name = old_name(s);
    if (daemon_pidfile_write(name, &f) != MOG_OK)
        log_warn("upgrade: %s", f.text);
    free(name);
}

static void remove_old_name(const struct stored *s)
{
    if (!s->has_pidfile)
        return;
    char *name = old_name(s);
    daemon_pidfile_remove(name);
    free(name);
}

void upgrade_remove_pidfile(const struct stored *s)
{
    if (s->has_left || s->successor != 0)
        remove_old_name(s);
    if (s->has_pidfile && !s->has_left)
        daemon_pidfile_remove(s->opts.pidfile);
}

static void forget(struct stored *s)
{
    if (s->answer_fd >= 0)
        close(s->answer_fd);
    s->answer_fd = -1;
}

static void fail(struct stored *s, const char *why)
{
    forget(s);
    handover_abandon(s->successor);
    remove_old_name(s);
    log_err("upgrade: the new process %d %s, going on as before", s->successor, why);
    s->successor = 0;
}

void upgrade_start(struct stored *s)
{
    int fds[STORED_SOCKET_COUNT];
    struct handover_offer offer = {.argv = s->argv, .folder = s->folder, .fds = fds, .lock_fd = -1};
    struct mog_fail f;
    if (s->successor != 0) {
        log_warn("upgrade: process %d is there already", s->successor);
        return;
    }
    for (size_t i = 0; i < STORED_SOCKET_COUNT; i++) {
        if (s->fds[i] >= 0)
            fds[offer.n++] = s->fds[i];
    }
    if (handover_start(&offer, &s->successor, &s->answer_fd, &f) != MOG_OK) {
        s->successor = 0;
        log_err("upgrade: %s, going on as before", f.text);
        return;
    }
    write_old_name(s);
    s->upgrade_by = deadline_in(HANDOVER_LIMIT_S * 1000);
    log_info("upgrade: process %d is to take our place", s->successor);
}

bool upgrade_is_pending(const struct stored *s)
{
    return s->answer_fd >= 0;
}

bool upgrade_check(struct stored *s)
{
    switch (handover_answer(s->answer_fd)) {
    case HANDOVER_WAITING:
        if (deadline_is_past(s->upgrade_by))
            fail(s, "does not serve in time");
        break;
    case HANDOVER_TAKEN:
        forget(s);
        s->has_left = true;
        break;
    case HANDOVER_FAILED:
        fail(s, "has ended before it served");
        break;
    }
    return s->has_left;
}

void upgrade_stop(struct stored *s)
{
    if (upgrade_is_pending(s))
        handover_abandon(s->successor);
    forget(s);
    upgrade_remove_pidfile(s);
}
