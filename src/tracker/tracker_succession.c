/* SPDX-License-Identifier: MIT */
/* Restart without a refused connection: a new process is started, and takes our place when it serves. */
#include "tracker/tracker_succession.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct succession {
    struct event_base *base;
    void (*taken)(void *arg);
    void *arg;
    int pid, answer_fd; /* of the new process; 0, -1: none */
    struct event *answer;
    struct deadline by;
    bool is_taken;
};

struct succession *succession_new(struct event_base *base, void (*taken)(void *arg), void *arg)
{
    struct succession *s = mem_calloc(1, sizeof *s);
    *s = (struct succession){.base = base, .taken = taken, .arg = arg, .answer_fd = -1};
    return s;
}

static void close_answer(struct succession *s)
{
    if (s->answer != NULL)
        event_free(s->answer);
    s->answer = NULL;
    if (s->answer_fd >= 0)
        (void)close(s->answer_fd);
    s->answer_fd = -1;
}

static void fail(struct succession *s, const char *why)
{
    close_answer(s);
    handover_abandon(s->pid);
    log_err("hand-over: process %d %s, going on as before", s->pid, why);
    s->pid = 0;
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
    struct succession *s = arg;
    (void)what;
    switch (handover_answer(fd)) {
    case HANDOVER_WAITING:
        break;
    case HANDOVER_TAKEN:
        close_answer(s);
        s->is_taken = true;
        s->taken(s->arg);
        break;
    case HANDOVER_FAILED:
        fail(s, "has ended before it served");
        break;
    }
}

void succession_start(struct succession *s, const struct handover_offer *offer)
{
    struct mog_fail f = {0};
    if (s->pid != 0) {
        log_warn("hand-over: process %d is there already", s->pid);
        return;
    }
    if (handover_start(offer, &s->pid, &s->answer_fd, &f) != MOG_OK) {
        s->pid = 0;
        log_err("hand-over: %s, going on as before", f.text);
        return;
    }
    s->by = deadline_in(HANDOVER_LIMIT_S * 1000);
    s->answer = event_new(s->base, s->answer_fd, EV_READ | EV_PERSIST, on_answer, s);
    if (s->answer == NULL || event_add(s->answer, NULL) != 0) {
        fail(s, "cannot be watched");
        return;
    }
    log_info("hand-over: process %d is to take our place", s->pid);
}

void succession_tick(struct succession *s)
{
    if (s->answer_fd >= 0 && deadline_is_past(s->by))
        fail(s, "does not serve in time");
}

bool succession_is_taken(const struct succession *s)
{
    return s->is_taken;
}

void succession_end(const struct succession *s)
{
    if (s->is_taken)
        (void)kill((pid_t)s->pid, SIGTERM);
}

void succession_free(struct succession *s)
{
    if (s == NULL)
        return;
    if (s->answer_fd >= 0)
        handover_abandon(s->pid);
    close_answer(s);
    free(s);
}
