/* SPDX-License-Identifier: MIT */
/* One connection of the HTTP server: what comes is handed to its requests in order, what they answer is sent. */
#include "mogstored/http_request.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"

enum { BALANCE_SLACK = 4 /* connections */ };

/* What is done for one connection before others have their turn: requests answered, reads. */
enum { FAIR_REQUESTS = 64, FAIR_READS = 16 };

/* What a step has come to. */
enum step {
    STEP_ON,    /* the next one can follow */
    STEP_READ,  /* more bytes are needed */
    STEP_WAIT,  /* for room in the socket, or for a job */
    STEP_YIELD, /* it could go on, but others want to */
    STEP_CLOSE,
};

/* Bytes at hand: in the connection's own memory, or in the loop's. */
struct input {
    char *at;
    size_t left;
};

void connection_close(struct connection *c)
{
    struct http_loop *l = c->loop;
    int fd = c->entry->fd;
    if (c->request)
        request_end(c->request, false);
    loop_take_ready(c);
    if (c->prev)
        c->prev->next = c->next;
    else
        l->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    atomic_fetch_sub_explicit(&l->n_connections, 1, memory_order_relaxed);
    http_conns_remove(l->http->conns, c->entry);
    /* A close alone is not enough: a child that is about to become another program may have a copy for a moment. */
    if (c->is_registered)
        (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
    close(fd);
    free(c->in);
    free(c->out);
    free(c);
}

/* ---- what goes out ---- */

enum sent connection_push(struct connection *c, const char *data, size_t len, bool goes_on, size_t *n)
{
    for (*n = 0; *n < len;) {
        ssize_t sent = send(c->entry->fd, data + *n, len - *n, MSG_NOSIGNAL | (goes_on ? MSG_MORE : 0));
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? SENT_SOME : SENT_BROKEN;
        *n += (size_t)sent;
    }
    return SENT_ALL;
}

void connection_send(struct connection *c, struct span head, const char *body, size_t len, bool goes_on)
{
    char *room = c->loop->out + HTTP_ANSWER_HEAD_BYTES, *begin = room - head.len;
    size_t n;
    memcpy(begin, head.ptr, head.len);
    if (len > 0 && body != room)
        memcpy(room, body, len);
    c->state = CONNECTION_SEND;
    len += head.len;
    switch (connection_push(c, begin, len, goes_on, &n)) {
    case SENT_ALL:
        break;
    case SENT_SOME:
        c->out = mem_dup(begin + n, len - n);
        c->out_len = len - n;
        c->out_at = 0;
        break;
    case SENT_BROKEN: /* the next step finds it out again */
        c->has_end = true;
        break;
    }
}

/* What was left of an answer in memory. */
static enum sent push_rest(struct connection *c)
{
    size_t n;
    enum sent sent = connection_push(c, c->out + c->out_at, c->out_len - c->out_at, false, &n);
    c->out_at += n;
    if (n > 0)
        http_conn_enter(c->entry, HTTP_PHASE_SEND);
    if (sent == SENT_ALL) {
        free(c->out);
        c->out = NULL;
    }
    return sent;
}

/*
 * Would a close destroy the answer? Bytes that nobody has read, or that come before the last of it has left, are
 * answered with a reset, which takes along what has not been sent.
 */
static bool is_reset_by_close(const struct connection *c)
{
    int unread = 0, unsent = 0;
    return c->is_readable || (ioctl(c->entry->fd, FIONREAD, &unread) == 0 && unread > 0) ||
           (ioctl(c->entry->fd, SIOCOUTQNSD, &unsent) == 0 && unsent > 0);
}

static enum step end_answer(struct connection *c, const struct input *in)
{
    /* A body that nobody took, or the next request: the answer must be read before they are refused by a reset. */
    const struct request *r = c->request;
    bool has_more = r->answer.closes || r->body_left > 0 || r->head.is_chunked || in->left > 0;
    request_end(c->request, true);
    if (!c->closes) {
        c->state = CONNECTION_HEAD;
        http_conn_enter(c->entry, HTTP_PHASE_IDLE);
        return STEP_ON;
    }
    if (!has_more && !is_reset_by_close(c))
        return STEP_CLOSE;
    (void)shutdown(c->entry->fd, SHUT_WR);
    c->state = CONNECTION_LINGER;
    http_conn_enter(c->entry, HTTP_PHASE_LINGER);
    return STEP_ON;
}

static enum step send_answer(struct connection *c, const struct input *in)
{
    enum sent sent = c->out ? push_rest(c) : SENT_ALL;
    if (sent == SENT_ALL)
        sent = get_send_more(c->request);
    switch (sent) {
    case SENT_ALL:
        return end_answer(c, in);
    case SENT_SOME:
        return STEP_WAIT;
    case SENT_BROKEN:
        break;
    }
    return STEP_CLOSE;
}

/* ---- what comes in ---- */

static void take(struct input *in, size_t n)
{
    in->at += n;
    in->left -= n;
}

/*
 * A part of it has come. From the first whole line on there is a limit for all of it, which single bytes do not put
 * off; with less it is idle, and makes room for others.
 */
static enum step wait_for_head(struct connection *c)
{
    if (c->line > 0 && atomic_load_explicit(&c->entry->phase, memory_order_relaxed) == HTTP_PHASE_IDLE)
        http_conn_enter(c->entry, HTTP_PHASE_HEADER);
    return STEP_READ;
}

static enum step take_head(struct connection *c, struct input *in)
{
    /* Some clients end a body with an empty line that is not part of it. */
    while (c->line == 0 && in->left > 0) {
        size_t n = in->at[0] == '\n' ? 1 : in->left > 1 && in->at[0] == '\r' && in->at[1] == '\n' ? 2 : 0;
        if (n == 0)
            break;
        take(in, n);
    }
    if (in->left == 0 || (in->left == 1 && in->at[0] == '\r'))
        return STEP_READ;
    size_t len = http_head_find(in->at, in->left, &c->line);
    if (len > 0 && len <= HTTP_HEAD_MAX) {
        c->line = 0;
        request_begin(c, in->at, len);
        take(in, len);
        return STEP_ON;
    }
    if (http_head_is_hopeless(in->at, in->left))
        request_refuse(c, 400, "bad request line");
    else if (len > 0 || in->left >= HTTP_HEAD_MAX)
        request_refuse(c, c->line == 0 ? 414 : 431, "too long");
    else
        return wait_for_head(c);
    return STEP_ON;
}

static enum step take_chunks(struct connection *c, struct input *in)
{
    struct request *r = c->request;
    while (c->state == CONNECTION_BODY) {
        size_t used, n;
        enum chunked_event event = chunked_next(&r->chunked, in->at, in->left, &used, &n);
        take(in, used);
        switch (event) {
        case CHUNKED_DATA:
            n = request_body(r, in->at, n);
            chunked_took(&r->chunked, n);
            take(in, n);
            break;
        case CHUNKED_MORE:
            return STEP_READ;
        case CHUNKED_END:
            r->head.is_chunked = false; /* nothing of it is left to come */
            request_body_ended(r);
            break;
        case CHUNKED_BAD:
            request_broken_body(r, 400, "bad chunk");
            break;
        case CHUNKED_TOO_LARGE:
            request_broken_body(r, 413, "too large a chunk");
            break;
        }
    }
    return STEP_ON;
}

static enum step take_body(struct connection *c, struct input *in)
{
    struct request *r = c->request;
    if (r->head.is_chunked)
        return take_chunks(c, in);
    size_t n = in->left < r->body_left ? in->left : (size_t)r->body_left;
    if (n > 0) {
        n = request_body(r, in->at, n);
        take(in, n);
        r->body_left -= n;
    }
    if (c->state != CONNECTION_BODY)
        return STEP_ON;
    if (r->body_left > 0)
        return STEP_READ;
    request_body_ended(r);
    return STEP_ON;
}

static enum step linger(struct connection *c, struct input *in)
{
    c->dropped += in->left;
    take(in, in->left);
    return c->dropped > HTTP_LINGER_BYTES ? STEP_CLOSE : STEP_READ;
}

/* A read came to this. False: the connection is broken. */
static bool has_read(struct connection *c, ssize_t n, size_t wanted)
{
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno != EAGAIN)
        return false;
    if (n == 0)
        c->has_end = true;
    /* After a short read there is an event for whatever comes, but for an end that has been told already. */
    c->is_readable = n > 0 && ((size_t)n == wanted || c->has_end);
    return true;
}

/* A large body goes straight to where it is needed. */
static bool reads_straight(const struct connection *c, const struct input *in)
{
    const struct request *r = c->request;
    return c->state == CONNECTION_BODY && in->left == 0 && !r->head.is_chunked && request_wants_body(r);
}

static bool read_straight(struct connection *c)
{
    struct request *r = c->request;
    size_t room;
    char *to = put_room(r, &room);
    if (room > r->body_left)
        room = (size_t)r->body_left;
    ssize_t n = recv(c->entry->fd, to, room, 0);
    if (n > 0) {
        r->body_left -= (size_t)n;
        put_filled(r, (size_t)n);
    }
    return has_read(c, n, room);
}

/* What is left over lies in the connection's own memory afterwards. */
static void keep(struct connection *c, struct input *in)
{
    if (in->left == 0) {
        free(c->in);
        c->in = NULL;
        c->in_cap = 0;
    } else if (c->in) {
        memmove(c->in, in->at, in->left);
    } else {
        c->in = mem_dup(in->at, in->left);
        c->in_cap = in->left;
    }
    c->in_len = in->left;
    *in = (struct input){c->in, c->in_len};
}

static bool read_more(struct connection *c, struct input *in)
{
    size_t max = c->state == CONNECTION_HEAD ? HTTP_HEAD_MAX : HTTP_BLOCK_BYTES;
    if (reads_straight(c, in))
        return read_straight(c);
    keep(c, in);
    char *to = c->loop->in;
    if (in->left > 0) {
        if (c->in_cap - c->in_len < max / 4) {
            c->in_cap = c->in_len + max;
            c->in = mem_realloc(c->in, c->in_cap, 1);
            in->at = c->in; /* what is there already is looked at again if nothing comes */
        }
        to = c->in + c->in_len;
        max = c->in_cap - c->in_len;
    }
    ssize_t n = recv(c->entry->fd, to, max, 0);
    if (n > 0 && c->in)
        c->in_len += (size_t)n;
    if (n > 0)
        *in = c->in ? (struct input){c->in, c->in_len} : (struct input){to, (size_t)n};
    return has_read(c, n, max);
}

/* ---- the life of a connection ---- */

static enum step next_step(struct connection *c, struct input *in, unsigned *requests)
{
    switch (c->state) {
    case CONNECTION_HEAD:
        if (in->left == 0 || (*requests)++ < FAIR_REQUESTS)
            return take_head(c, in);
        http_conn_enter(c->entry, HTTP_PHASE_HEADER); /* not idle, though nothing more may come */
        return STEP_YIELD;
    case CONNECTION_BODY:
        return take_body(c, in);
    case CONNECTION_BUSY:
        return STEP_WAIT;
    case CONNECTION_SEND:
        return send_answer(c, in);
    case CONNECTION_LINGER:
        return linger(c, in);
    }
    return STEP_CLOSE;
}

/* As far as it goes. */
static enum step advance(struct connection *c, struct input *in)
{
    unsigned requests = 0, reads = 0;
    for (;;) {
        enum step step = next_step(c, in, &requests);
        if (step == STEP_READ && !c->is_readable)
            return c->has_end ? STEP_CLOSE : STEP_WAIT;
        if (step == STEP_READ && reads++ == FAIR_READS)
            return STEP_YIELD;
        if (step == STEP_READ && !read_more(c, in))
            return STEP_CLOSE;
        if (step != STEP_READ && step != STEP_ON)
            return step;
    }
}

/* Only now, since most that are not kept have ended by then. Not while a job runs: it is not for events to go on then.
 */
static bool is_registered(struct connection *c)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (!c->is_registered && c->state != CONNECTION_BUSY)
        c->is_registered = epoll_ctl(c->loop->epoll, EPOLL_CTL_ADD, c->entry->fd, &e) == 0;
    return c->is_registered || c->state == CONNECTION_BUSY;
}

void connection_run(struct connection *c)
{
    struct input in = {c->in, c->in_len};
    enum step step = advance(c, &in);
    if (step == STEP_CLOSE || !is_registered(c)) {
        connection_close(c);
        return;
    }
    keep(c, &in);
    if (step == STEP_YIELD)
        loop_put_ready(c);
}

void connection_event(struct connection *c, uint32_t events)
{
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->has_end = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->is_readable = true;
    connection_run(c);
}

static void link_to_loop(struct connection *c)
{
    struct http_loop *l = c->loop;
    c->is_linked = true;
    c->next = l->first;
    if (c->next)
        c->next->prev = c;
    l->first = c;
}

void connection_resumed(struct connection *c)
{
    if (!c->is_linked)
        link_to_loop(c);
    if (c->state == CONNECTION_BUSY) {
        struct request *r = c->request;
        request_step_fn after = r->after;
        r->after = NULL;
        c->state = r->is_answered ? CONNECTION_SEND : CONNECTION_BODY;
        http_conn_enter(c->entry, r->is_answered ? HTTP_PHASE_SEND : HTTP_PHASE_BODY);
        if (after)
            after(r);
    }
    connection_run(c);
}

/*
 * The kernel wakes the same thread first as long as that one sleeps: others would have no connections at all. Handing
 * one over costs more than a small request, so a few more than others have are kept.
 */
static struct http_loop *least_loaded(struct http_loop *own)
{
    struct http *h = own->http;
    struct http_loop *least = own;
    unsigned least_n = atomic_load_explicit(&own->n_connections, memory_order_relaxed);
    least_n = least_n > BALANCE_SLACK ? least_n - BALANCE_SLACK : 0;
    for (size_t i = 0; i < h->n_loops && least_n > 0; i++) {
        unsigned n = atomic_load_explicit(&h->loops[i].n_connections, memory_order_relaxed);
        if (n < least_n) {
            least_n = n;
            least = &h->loops[i];
        }
    }
    return least;
}

void connection_accept(struct http_loop *l, const struct http_listener *listener, int fd, const struct sockaddr *sa,
                       socklen_t len)
{
    bool is_own = pthread_equal(pthread_self(), l->thread) != 0;
    struct connection *c = mem_calloc(1, sizeof *c);
    c->loop = least_loaded(l);
    c->listener = listener;
    c->is_readable = true; /* most have said what they want by now */
    atomic_fetch_add_explicit(&c->loop->n_connections, 1, memory_order_relaxed);
    c->entry = http_conns_add(l->http->conns, fd, sa, len);
    loop_wake_sweeper(l->http);
    if (c->loop == l && is_own)
        connection_resumed(c);
    else
        loop_resume(c);
}
