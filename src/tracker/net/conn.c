/* SPDX-License-Identifier: MIT */
/* One client connection: lines in, one at a time in work, answers out. */
#include "tracker/net/server_priv.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

/* A chunk is also the most that one client can have answered at one go. */
enum { WRITE_TIMEOUT_S = 120, READ_CHUNK = 16 * 1024 };

static void conn_serve(struct conn *c);

void conn_free(struct conn *c)
{
    struct server *s = c->server;
    bool is_lent = c->request != NULL && query_cancel(c->request);
    conn_unwatch(c);
    s->held -= c->held;
    DL_DELETE(s->conns, c);
    s->n_conns--;
    event_free(c->readable);
    event_free(c->writable);
    evbuffer_free(c->in);
    evbuffer_free(c->out);
    if (s->reading == c)
        s->reading = NULL;
    if (is_lent)
        (void)shutdown(c->fd, SHUT_RDWR);
    else
        (void)close(c->fd);
    free(c);
}

void conn_unwatch(struct conn *c)
{
    if (c->watching)
        atomic_fetch_sub(&c->server->n_watchers, 1);
    c->watching = false;
}

static void want_readable(struct conn *c, bool is_wanted)
{
    if (is_wanted != c->is_armed)
        (void)(is_wanted ? event_add(c->readable, NULL) : event_del(c->readable));
    c->is_armed = is_wanted;
}

/*
 * The events that the state wants, in one place. A client that is served is not unwatched at once: most send nothing
 * until they have their answer, and each change costs a system call. Those that do are unwatched by on_readable().
 */
static void set_interest(struct conn *c)
{
    if (c->eof)
        want_readable(c, false);
    else if (c->state == CONN_READING)
        want_readable(c, true);
    if (evbuffer_get_length(c->out) != 0) {
        struct timeval timeout = {.tv_sec = WRITE_TIMEOUT_S};
        /* Only what went out counts as progress: log lines pushed to a watcher that does not read are none. */
        if (c->moved || !event_pending(c->writable, EV_WRITE, NULL))
            (void)event_add(c->writable, &timeout);
        c->moved = false;
        c->is_write_armed = true;
    } else if (c->is_write_armed) {
        (void)event_del(c->writable);
        c->is_write_armed = false;
    }
}

/* Write what the socket takes. False: the client is gone (and `c` freed). */
static bool flush(struct conn *c)
{
    while (evbuffer_get_length(c->out) != 0) {
        int n = evbuffer_write(c->out, c->fd);
        if (n > 0) {
            c->moved = true;
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        conn_free(c);
        return false;
    }
    if (c->state == CONN_WRITING && evbuffer_get_length(c->out) == 0)
        c->state = CONN_READING;
    return true;
}

/* Send what the socket takes at once, and keep the rest. False: the client is gone (and `c` freed). */
static bool send_or_keep(struct conn *c, const char *data, size_t len)
{
    ssize_t n = 0;
    c->state = CONN_WRITING;
    if (evbuffer_get_length(c->out) == 0)
        n = send(c->fd, data, len, MSG_NOSIGNAL);
    if (n == (ssize_t)len) {
        c->moved = true;
        c->state = CONN_READING;
        return true;
    }
    if (n > 0)
        c->moved = true;
    else
        n = 0; /* whatever is wrong, flush() meets it again */
    (void)evbuffer_add(c->out, data + n, len - (size_t)n);
    return flush(c);
}

/* Take the next whole line; CR before LF is cut off. The caller frees. */
static char *take_line(struct conn *c, size_t *len)
{
    struct evbuffer_ptr from, end;
    size_t have = evbuffer_get_length(c->in);
    /* What was looked at is not looked at again: a long line that comes byte by byte would cost its square. */
    if (c->scanned >= have || evbuffer_ptr_set(c->in, &from, c->scanned, EVBUFFER_PTR_SET) != 0)
        return NULL;
    end = evbuffer_search_eol(c->in, &from, NULL, EVBUFFER_EOL_LF);
    if (end.pos < 0) {
        c->scanned = have;
        return NULL;
    }
    char *line = mem_alloc((size_t)end.pos + 1);
    (void)evbuffer_remove(c->in, line, (size_t)end.pos);
    (void)evbuffer_drain(c->in, 1);
    c->scanned = 0;
    *len = (size_t)end.pos;
    if (*len != 0 && line[*len - 1] == '\r')
        --*len;
    line[*len] = '\0';
    return line;
}

/* One line: empty ones are nothing, '!' is answered here, the rest goes to a query thread. False: `c` is freed. */
static bool dispatch(struct conn *c, char *line, size_t len)
{
    if (len == 0) {
        free(line);
        return true;
    }
    c->was_used = true;
    c->active_mono_ms = clock_mono_ms();
    if (line[0] == '!') {
        struct buf out = BUF_ZERO;
        bool stays = true;
        if (c->is_admin) {
            stays = admin_run(c, span_make(line + 1, len - 1), &out);
        } else {
            access_refused(c->server, c->peer, "a ! command, and not in a network that may administer (admin_allow)");
            buf_str(&out, "ERROR: not allowed from this address\r\n.\r\n");
        }
        free(line);
        if (stays)
            stays = send_or_keep(c, out.data, out.len);
        else
            conn_free(c);
        buf_fini(&out);
        return stays;
    }
    if (query_is_instant(c->server, line, len)) {
        struct buf out = BUF_ZERO;
        query_run_now(c, line, len, &out);
        bool stays = send_or_keep(c, out.data, out.len);
        buf_fini(&out);
        return stays;
    }
    c->state = CONN_RUNNING;
    query_submit(c, line, len);
    return true;
}

/* How much this client makes us keep: what it began to say, what is in work, what it does not read. */
static void count_held(struct conn *c)
{
    size_t held = evbuffer_get_length(c->in) + evbuffer_get_length(c->out) + (c->request != NULL ? c->request->len : 0);
    c->server->held += held - c->held;
    c->held = held;
}

/* Serve as many buffered lines as go without waiting. */
static void conn_serve(struct conn *c)
{
    while (c->state == CONN_READING) {
        size_t len = 0;
        char *line = take_line(c, &len);
        if (line == NULL)
            break;
        if (!dispatch(c, line, len))
            return;
    }
    if (c->state == CONN_READING) {
        if (c->eof) {
            conn_free(c); /* everything whole was answered; an unfinished last line is dropped */
            return;
        }
        if (evbuffer_get_length(c->in) > MAX_REQUEST_LINE) {
            log_warn("client %s sent a line of more than %d bytes, closing its connection", c->peer, MAX_REQUEST_LINE);
            conn_free(c);
            return;
        }
    }
    count_held(c);
    if (access_is_too_much(c->server, c)) {
        access_refused(c->server, c->peer, "all clients together send or leave unread too much, and this one most");
        conn_free(c);
        return;
    }
    set_interest(c);
}

/* Whether what has just come is one whole line and nothing else, as it nearly always is; cuts its end off. */
static bool is_one_line(const struct conn *c, const char *data, size_t *len)
{
    if (data[*len - 1] != '\n' || evbuffer_get_length(c->in) != 0 || memchr(data, '\n', *len - 1) != NULL)
        return false;
    --*len;
    if (*len != 0 && data[*len - 1] == '\r')
        --*len;
    return true;
}

/* Empty the mailbox, which may hold the answer of `c`. False: `c` is freed. */
static bool collect(struct conn *c)
{
    struct server *s = c->server;
    s->reading = c;
    server_collect(s);
    bool is_there = s->reading != NULL;
    s->reading = NULL;
    return is_there;
}

/*
 * Threads that answer by themselves do not wake the loop: what they have done since is finished here, before anything
 * that comes later. If a request of `c` is still in work then, its thread knows that it is waited for. False: `c` is
 * freed.
 */
static bool catch_up(struct conn *c)
{
    if (atomic_load(&c->server->has_mail) && !collect(c))
        return false;
    /* One that is finished may have been followed by a line that had come with it. */
    while (c->state == CONN_RUNNING && query_is_answered(c->request)) {
        if (!collect(c))
            return false;
    }
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    char data[READ_CHUNK];
    (void)what;
    if (!catch_up(c))
        return;
    if (c->state != CONN_READING) {
        want_readable(c, false);
        return;
    }
    ssize_t n = recv(fd, data, sizeof(data), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        conn_free(c);
        return;
    }
    size_t len = (size_t)n;
    if (n == 0)
        c->eof = true;
    else if (!is_one_line(c, data, &len))
        (void)evbuffer_add(c->in, data, len);
    else if (!dispatch(c, mem_strndup(data, len), len))
        return;
    conn_serve(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void)fd;
    if (what & EV_TIMEOUT) {
        log_warn("write timeout expired: client %s did not read its answer for %d s, closing its connection", c->peer,
                 WRITE_TIMEOUT_S);
        conn_free(c);
        return;
    }
    if (flush(c))
        conn_serve(c);
}

void conn_answer(struct conn *c, const char *data, size_t len)
{
    c->active_mono_ms = clock_mono_ms();
    c->moved = true;
    c->state = CONN_READING;
    if (len == 0 || send_or_keep(c, data, len))
        conn_serve(c);
}

bool conn_may_be_answered(const struct conn *c)
{
    return !c->watching && !c->eof && evbuffer_get_length(c->in) == 0 && evbuffer_get_length(c->out) == 0;
}

void conn_push(struct conn *c, const char *data, size_t len)
{
    /* It watches, but does not read: it misses lines, and is cut off by the write time-out if it goes on so. */
    if (evbuffer_get_length(c->out) > WATCH_BACKLOG)
        return;
    (void)evbuffer_add(c->out, data, len);
    /* That may have been the last of an answer too: then the next line is due. */
    if (flush(c))
        conn_serve(c);
}

bool conn_is_lost(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (c->request == NULL || atomic_load(&c->request->started))
        return false;
    return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error != 0;
}

struct conn *conn_new(struct server *s, int fd, const char *peer, const struct sockaddr_storage *addr)
{
    struct conn *c = mem_calloc(1, sizeof(*c));
    c->server = s;
    c->fd = fd;
    c->addr = *addr;
    c->is_admin = access_is_admin(s, addr);
    c->active_mono_ms = clock_mono_ms();
    (void)strncpy(c->peer, peer, sizeof(c->peer) - 1);
    c->in = evbuffer_new();
    c->out = evbuffer_new();
    c->readable = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(s->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    DL_APPEND(s->conns, c);
    s->n_conns++;
    metric_add(&s->n_accepted, 1);
    set_interest(c);
    return c;
}

void conn_resume(struct conn *c, bool watching, const char *data, size_t len)
{
    if (watching && c->is_admin) {
        c->watching = true;
        atomic_fetch_add(&c->server->n_watchers, 1);
    }
    (void)evbuffer_add(c->in, data, len);
    conn_serve(c);
}
