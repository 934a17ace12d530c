/* SPDX-License-Identifier: MIT */
/* Many requests at a time from one thread, at as little cost as can be: so that the client is not what is measured. */
#include "tools/bench_loop.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/net.h"
#include "tools/bench_reply.h"

enum {
    NODES = 4, /* kept connections to storage nodes, a slot */
    NAME_MAX_BYTES = 264,
    EVENTS = 256,
    SCRATCH = 256 * 1024,
    CONNECT_MS = 2000,
    PAUSE_US = 100 * 1000, /* after nobody could be reached */
    TICK_US = 200 * 1000,  /* how often time limits are looked at */
    HTTP_PORT = 80,
    TRACKER_PORT = 7001,
};

/* One socket of a slot. */
struct conn {
    struct slot *slot;
    char name[NAME_MAX_BYTES]; /* "host:port" it is, or was, connected to */
    int fd;                    /* -1: not connected */
    bool waits_for_room;       /* to write */
    bool was_used;             /* a request was answered on it */
};

struct slot {
    struct loop *loop;
    struct conn conns[1 + NODES]; /* the tracker's comes first */
    struct conn *active;          /* the exchange in work; NULL: none, the slot is idle */
    unsigned next_node;
    size_t tracker; /* whom to connect to next */
    struct buf head;
    struct span body;
    size_t sent; /* of both */
    struct reply_parser parser;
    int64_t begun_us, expires_us, paused_until_us;
    bool has_failed;
    char why[200];
    void *task;
};

struct loop {
    int epoll;
    char **trackers;
    size_t n_trackers;
    bool spread;
    int64_t timeout_us;
    bool lacks_fine_wait; /* epoll_pwait2 */
    struct slot *slots;
    unsigned n_slots;
    struct slot **idle; /* the last one is used first */
    unsigned n_idle;
    char *scratch;
    /* of the job in work */
    const struct loop_job *job;
    struct loop_result *result;
    int64_t begun_us, until_us, now_us;
    uint64_t n_begun;
    bool is_over;
};

/* ---- connections ---- */

static void conn_close(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->waits_for_room = c->was_used = false;
}

static void conn_watch(struct conn *c, int operation)
{
    struct epoll_event ev = {.events = EPOLLIN | (c->waits_for_room ? EPOLLOUT : 0u), .data.ptr = c};
    (void)epoll_ctl(c->slot->loop->epoll, operation, c->fd, &ev);
}

static enum mog_err conn_open(struct conn *c, const char *name, uint16_t port, struct mog_fail *f)
{
    char host[NAME_MAX_BYTES];
    snprintf(c->name, sizeof c->name, "%s", name);
    if (net_split(name, port, host, sizeof host, &port) != MOG_OK || !host[0])
        return fail_set(f, MOG_ESYNTAX, "'%s' is not of the form host:port", name);
    enum mog_err e = net_connect(host, port, deadline_in(CONNECT_MS), &c->fd, f);
    if (e == MOG_OK)
        conn_watch(c, EPOLL_CTL_ADD);
    else
        c->fd = -1;
    return e;
}

static enum mog_err tracker_open(struct slot *s, struct mog_fail *f)
{
    struct loop *l = s->loop;
    enum mog_err e = MOG_ECONN;
    for (size_t i = 0; e != MOG_OK && i < (l->spread ? 1 : l->n_trackers); i++) {
        e = conn_open(&s->conns[0], l->trackers[s->tracker], TRACKER_PORT, f);
        if (e != MOG_OK && !l->spread)
            s->tracker = (s->tracker + 1) % l->n_trackers;
    }
    return e;
}

/* ---- the end of a request ---- */

void slot_fail(struct slot *s, const char *fmt, ...)
{
    if (s->has_failed)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->why, sizeof s->why, fmt, ap);
    va_end(ap);
    s->has_failed = true;
}

static void step(struct slot *s, enum loop_step what);

static void slot_end(struct slot *s, bool is_good)
{
    struct loop *l = s->loop;
    s->active = NULL;
    l->idle[l->n_idle++] = s;
    if (is_good) {
        int64_t took = l->now_us - s->begun_us;
        hist_record(l->result->latencies, took > 0 ? (uint64_t)took : 0);
    } else if (l->result->errors++ == 0) {
        snprintf(l->result->first_error, sizeof l->result->first_error, "%s", s->has_failed ? s->why : "failed");
    }
}

/* The exchange broke off. */
static void exchange_lost(struct slot *s, const char *why)
{
    struct conn *c = s->active;
    bool is_node = c != &s->conns[0];
    /* A node may close a kept connection just when it is used again; asking it again does no harm. */
    bool again = is_node && c->was_used && !reply_has_begun(&s->parser);
    conn_close(c);
    if (again) {
        s->sent = 0;
        step(s, LOOP_ASKED);
        return;
    }
    slot_fail(s, "%s: %s", c->name, why);
    step(s, s->loop->job->reply(s->loop->job->arg, s, NULL));
}

/* ---- sending ---- */

/* False when the connection is of no use. */
static bool write_more(struct slot *s)
{
    struct conn *c = s->active;
    size_t total = s->head.len + s->body.len;
    while (s->sent < total) {
        struct iovec parts[2];
        size_t n = 0;
        if (s->sent < s->head.len)
            parts[n++] = (struct iovec){s->head.data + s->sent, s->head.len - s->sent};
        size_t at = s->sent > s->head.len ? s->sent - s->head.len : 0;
        if (at < s->body.len)
            parts[n++] = (struct iovec){(char *)(uintptr_t)s->body.ptr + at, s->body.len - at};
        struct msghdr m = {.msg_iov = parts, .msg_iovlen = n};
        ssize_t put = sendmsg(c->fd, &m, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno != EAGAIN)
            return false;
        bool is_full = put < 0;
        if (!is_full) {
            s->sent += (size_t)put;
            s->expires_us = s->loop->now_us + s->loop->timeout_us;
        }
        if (is_full != c->waits_for_room) {
            c->waits_for_room = is_full;
            conn_watch(c, EPOLL_CTL_MOD);
        }
        if (is_full)
            return true;
    }
    if (c->waits_for_room) {
        c->waits_for_room = false;
        conn_watch(c, EPOLL_CTL_MOD);
    }
    return true;
}

struct buf *slot_ask_tracker(struct slot *s)
{
    s->active = &s->conns[0];
    s->body = span_make(NULL, 0);
    buf_reset(&s->head);
    reply_begin(&s->parser, REPLY_LINE);
    return &s->head;
}

/* The connection to this node: the one that there is, or the one unused for longest. */
static struct conn *node_conn(struct slot *s, const char *name)
{
    for (int i = 1; i <= NODES; i++) {
        if (s->conns[i].fd >= 0 && strcmp(s->conns[i].name, name) == 0)
            return &s->conns[i];
    }
    struct conn *c = &s->conns[1 + s->next_node];
    s->next_node = (s->next_node + 1) % NODES;
    conn_close(c);
    snprintf(c->name, sizeof c->name, "%s", name);
    return c;
}

bool slot_ask_node(struct slot *s, const char *method, const char *url, struct span body)
{
    char name[NAME_MAX_BYTES];
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : "", *path = strchr(host, '/');
    size_t len = path ? (size_t)(path - host) : 0;
    if (len == 0 || len >= sizeof name) {
        slot_fail(s, "cannot use the URL %.100s", url);
        return false;
    }
    memcpy(name, host, len);
    name[len] = '\0';
    s->active = node_conn(s, name);
    s->body = body;
    buf_reset(&s->head);
    buf_printf(&s->head, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, name);
    if (body.ptr)
        buf_printf(&s->head, "Content-Length: %zu\r\n", body.len);
    buf_str(&s->head, "\r\n");
    reply_begin(&s->parser, REPLY_HTTP);
    return true;
}

static void send_exchange(struct slot *s)
{
    struct conn *c = s->active;
    struct mog_fail f = {.code = MOG_OK};
    enum mog_err e = MOG_OK;
    s->sent = 0;
    if (c->fd < 0 && c == &s->conns[0])
        e = tracker_open(s, &f);
    else if (c->fd < 0) {
        char name[NAME_MAX_BYTES];
        memcpy(name, c->name, sizeof name);
        e = conn_open(c, name, HTTP_PORT, &f);
    }
    s->expires_us = s->loop->now_us + s->loop->timeout_us;
    if (e != MOG_OK) {
        s->loop->now_us = clock_mono_us();
        s->paused_until_us = s->loop->now_us + PAUSE_US;
        exchange_lost(s, f.text);
    } else if (!write_more(s)) {
        exchange_lost(s, "closed the connection");
    }
}

static void step(struct slot *s, enum loop_step what)
{
    switch (what) {
    case LOOP_ASKED:
        send_exchange(s);
        break;
    case LOOP_DONE:
        slot_end(s, true);
        break;
    case LOOP_FAILED:
    case LOOP_NO_MORE:
        slot_end(s, false);
        break;
    }
}

/* ---- receiving ---- */

static void reply_ready(struct slot *s, struct conn *c)
{
    struct loop *l = s->loop;
    struct loop_reply r = {s->parser.line, s->parser.status, s->parser.body_bytes};
    c->was_used = true;
    /* An answer before the end of the question: the rest of it must not be taken for another one. */
    if (s->parser.closes || s->sent < s->head.len + s->body.len)
        conn_close(c);
    step(s, l->job->reply(l->job->arg, s, &r));
}

static void read_more(struct conn *c)
{
    struct slot *s = c->slot;
    struct loop *l = s->loop;
    ssize_t got = recv(c->fd, l->scratch, SCRATCH, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (s->active != c || s->sent < s->head.len) {
        conn_close(c); /* its end while idle, or a word out of turn */
        return;
    }
    enum reply_state state = got > 0 ? reply_add(&s->parser, l->scratch, (size_t)got) : reply_at_end(&s->parser);
    s->expires_us = l->now_us + l->timeout_us;
    switch (state) {
    case REPLY_MORE:
        break;
    case REPLY_COMPLETE:
        reply_ready(s, c);
        break;
    case REPLY_BROKEN:
        exchange_lost(s, got > 0 ? "an answer that cannot be understood" : "closed the connection");
        break;
    }
}

static void conn_event(struct conn *c, uint32_t events)
{
    if (c->fd >= 0 && (events & EPOLLOUT) && c->slot->active == c && !write_more(c->slot))
        exchange_lost(c->slot, "closed the connection");
    if (c->fd >= 0 && (events & ~(uint32_t)EPOLLOUT))
        read_more(c);
}

/* ---- running ---- */

static int64_t due_us(const struct loop *l)
{
    double offset = l->job->rate ? (double)l->n_begun * 1e6 / (double)l->job->rate : 0;
    return l->job->rate ? l->begun_us + (int64_t)offset : l->now_us;
}

static bool may_begin(const struct loop *l)
{
    return !l->is_over && due_us(l) < l->until_us && l->now_us < l->until_us &&
           (l->job->count == 0 || l->n_begun < l->job->count);
}

static void begin_one(struct loop *l, struct slot *s)
{
    s->begun_us = due_us(l);
    s->has_failed = false;
    enum loop_step what = l->job->begin(l->job->arg, s);
    if (what == LOOP_NO_MORE) {
        l->is_over = true;
        l->idle[l->n_idle++] = s;
        return;
    }
    l->n_begun++;
    step(s, what);
}

/* Begin all that is due, on the slots that are free. */
static void begin_due(struct loop *l)
{
    for (unsigned i = l->n_idle; i-- > 0 && may_begin(l) && due_us(l) <= l->now_us;) {
        struct slot *s = l->idle[i];
        if (s->paused_until_us > l->now_us)
            continue;
        l->idle[i] = l->idle[--l->n_idle];
        begin_one(l, s);
    }
}

static void check_limits(struct loop *l)
{
    for (unsigned i = 0; i < l->n_slots; i++) {
        struct slot *s = &l->slots[i];
        if (s->active && s->expires_us < l->now_us) {
            s->active->was_used = false; /* it must not be asked again */
            exchange_lost(s, "timed out waiting for an answer");
        }
    }
}

static int wait_events(struct loop *l, struct epoll_event *events)
{
    int64_t wait_us = TICK_US;
    if (l->job->rate && l->n_idle > 0 && may_begin(l)) {
        wait_us = due_us(l) - l->now_us;
        /* What is due already could not begin: those that are free are paused. */
        wait_us = wait_us <= 0 ? 1000 : wait_us > TICK_US ? TICK_US : wait_us;
    } else if (l->n_idle > 0 && may_begin(l)) {
        wait_us = PAUSE_US; /* those that are left are paused */
    }
    struct timespec ts = {wait_us / 1000000, wait_us % 1000000 * 1000};
    int n = l->lacks_fine_wait ? -1 : epoll_pwait2(l->epoll, events, EVENTS, &ts, NULL);
    if (n < 0 && (l->lacks_fine_wait || errno == ENOSYS || errno == EPERM)) {
        l->lacks_fine_wait = true; /* Linux before 5.11, or a container that does not know the call */
        n = epoll_wait(l->epoll, events, EVENTS, (int)((wait_us + 999) / 1000));
    }
    return n;
}

/* What was due and never sent failed too: a tracker that stands still must not look fast. */
static void count_unsent(struct loop *l)
{
    const struct loop_job *job = l->job;
    uint64_t due = job->rate * (uint64_t)job->seconds;
    if (job->count && job->count < due)
        due = job->count;
    if (!job->rate || l->is_over || l->n_begun >= due)
        return;
    if (l->result->errors == 0)
        snprintf(l->result->first_error, sizeof l->result->first_error,
                 "%llu requests were due, and no connection free", (unsigned long long)(due - l->n_begun));
    l->result->errors += due - l->n_begun;
}

void loop_run(struct loop *l, const struct loop_job *job, struct loop_result *r)
{
    struct epoll_event events[EVENTS];
    l->job = job;
    l->result = r;
    l->is_over = false;
    l->n_begun = 0;
    assert(l->n_idle == l->n_slots && "no job is in work");
    /* Connections that have ended since the last job. */
    for (int n = epoll_wait(l->epoll, events, EVENTS, 0); n-- > 0;)
        conn_event(events[n].data.ptr, events[n].events);
    l->begun_us = l->now_us = clock_mono_us();
    l->until_us = l->begun_us + job->seconds * 1000000;
    int64_t checked_us = l->begun_us;
    for (;;) {
        begin_due(l);
        if (l->n_idle == l->n_slots && !may_begin(l))
            break;
        int n = wait_events(l, events);
        l->now_us = clock_mono_us();
        for (int i = 0; i < n; i++) {
            if (i > 0)
                l->now_us = clock_mono_us();
            conn_event(events[i].data.ptr, events[i].events);
            begin_due(l);
        }
        if (l->now_us - checked_us >= TICK_US) {
            checked_us = l->now_us;
            check_limits(l);
        }
    }
    r->seconds = (double)(clock_mono_us() - l->begun_us) / 1e6;
    count_unsent(l);
}

void *slot_task(struct slot *s)
{
    return s->task;
}

/* ---- life ---- */

static void slot_init(struct loop *l, struct slot *s, unsigned number, size_t task_size)
{
    s->loop = l;
    s->tracker = number % l->n_trackers;
    s->task = mem_calloc(1, task_size + 1);
    for (int i = 0; i <= NODES; i++) {
        s->conns[i].slot = s;
        s->conns[i].fd = -1;
    }
}

static void raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    /* Requests that are due must not wait for the 50 us by which timers may be late. */
    (void)prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
}

struct loop *loop_new(const struct loop_opts *o, struct mog_fail *f)
{
    raise_limits();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        (void)fail_sys(f, MOG_EIO, errno, "cannot wait for events");
        return NULL;
    }
    struct loop *l = mem_calloc(1, sizeof *l);
    l->epoll = epoll;
    l->n_trackers = o->n_trackers;
    l->spread = o->spread;
    l->trackers = mem_calloc(o->n_trackers, sizeof *l->trackers);
    for (size_t i = 0; i < o->n_trackers; i++)
        l->trackers[i] = mem_strdup(o->trackers[i]);
    l->timeout_us = o->reply_timeout_ms * 1000;
    l->n_slots = l->n_idle = o->connections;
    l->slots = mem_calloc(l->n_slots, sizeof *l->slots);
    l->idle = mem_calloc(l->n_slots, sizeof(struct slot *));
    l->scratch = mem_alloc(SCRATCH);
    for (unsigned i = 0; i < l->n_slots; i++) {
        slot_init(l, &l->slots[i], i, o->task_size);
        l->idle[i] = &l->slots[i];
    }
    return l;
}

void loop_free(struct loop *l)
{
    for (unsigned i = 0; i < l->n_slots; i++) {
        struct slot *s = &l->slots[i];
        for (int c = 0; c <= NODES; c++)
            conn_close(&s->conns[c]);
        buf_fini(&s->head);
        reply_fini(&s->parser);
        free(s->task);
    }
    for (size_t i = 0; i < l->n_trackers; i++)
        free(l->trackers[i]);
    free(l->trackers);
    free(l->slots);
    free(l->idle);
    free(l->scratch);
    close(l->epoll);
    free(l);
}
