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

    int channel; /* from the process whose place we took; -1: none */
    struct event *arrival;
    void (*adopt)(void *arg, int fd, const void *data, size_t len);
    void *adopt_arg;
};

struct succession *succession_new(struct event_base *base, void (*taken)(void *arg), void *arg)
{
    struct succession *s = mem_calloc(1, sizeof *s);
    *s = (struct succession){.base = base, .taken = taken, .arg = arg, .answer_fd = -1, .channel = -1};
    return s;
}

static void close_channel(struct succession *s)
{
    if (s->arrival != NULL)
        event_free(s->arrival);
    s->arrival = NULL;
    if (s->channel >= 0)
        (void)close(s->channel);
    s->channel = -1;
}

static void on_arrival(evutil_socket_t channel, short what, void *arg)
{
    struct succession *s = arg;
    char data[SUCCESSION_DATA_MAX];
    size_t len = 0;
    int fd = -1;
    enum mog_err e;
    (void)what;
    while ((e = handover_receive(channel, &fd, data, sizeof(data), &len)) == MOG_OK)
        s->adopt(s->adopt_arg, fd, data, len);
    if (e == MOG_ECLOSED)
        close_channel(s);
}

void succession_adopt(struct succession *s, int channel, void (*adopt)(void *arg, int fd, const void *data, size_t len),
                      void *arg)
{
    if (channel < 0)
        return;
    s->channel = channel;
    s->adopt = adopt;
    s->adopt_arg = arg;
    s->arrival = event_new(s->base, channel, EV_READ | EV_PERSIST, on_arrival, s);
    if (s->arrival == NULL || event_add(s->arrival, NULL) != 0)
        close_channel(s);
}

bool succession_give(struct succession *s, int fd, const void *data, size_t len)
{
    return s->is_taken && len <= SUCCESSION_DATA_MAX && handover_give(s->answer_fd, fd, data, len) == MOG_OK;
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
        /* The socket stays: connections are given over it. */
        event_free(s->answer);
        s->answer = NULL;
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
    if (s->answer != NULL && deadline_is_past(s->by))
        fail(s, "does not serve in time");
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
    if (s->answer != NULL)
        handover_abandon(s->pid);
    close_answer(s);
    close_channel(s);
    free(s);
}
