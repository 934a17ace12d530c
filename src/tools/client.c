/* SPDX-License-Identifier: MIT */
/* A tracker's client: a list of trackers, fail-over, one kept connection, one request at a time. */
#include "tools/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/num.h"
#include "common/urlenc.h"

enum {
    DEFAULT_PORT = 7001,
    CONNECT_MS = 250,
    CONNECT_PREFERRED_MS = 100,
    CONNECT_PATIENT_MS = 2000, /* second round: a far or busy tracker is better than none */
    REPLY_MS = 3000,
    DEAD_PAUSE_MS = 5000,
    HOST_MAX = 256,
    TRACKERS_MAX = 256,
    LINE_MAX_BYTES = 64 * 1024 * 1024,
};

struct tracker {
    char host[HOST_MAX];
    char preferred[HOST_MAX]; /* "": none */
    uint16_t port;
    char *name;
    int64_t dead_until_ms;
};

struct client {
    struct tracker *trackers;
    size_t n, cap;
    size_t *order; /* permutation of the trackers, asked round-robin */
    size_t next;   /* position in `order` */
    size_t current;
    bool ever_connected;
    int fd;
    struct buf in;
    int64_t connect_ms, reply_ms;
};

/* ---- answers ---- */

void client_answer_fini(struct client_answer *a)
{
    buf_fini(&a->text);
    kv_fini(&a->args);
    a->ok = false;
    a->code[0] = '\0';
}

static void answer_reset(struct client_answer *a)
{
    a->ok = false;
    a->code[0] = '\0';
    buf_reset(&a->text);
    kv_reset(&a->args);
}

static enum mog_err bad_line(struct span line, struct mog_fail *f)
{
    int shown = line.len > 200 ? 200 : (int)line.len;
    return fail_set(f, MOG_EPROTO, "invalid response from server: [%.*s]", shown, line.ptr ? line.ptr : "");
}

static enum mog_err parse_ok(struct client_answer *a, struct span rest, struct span line, struct mog_fail *f)
{
    struct span digits = rest;
    while (digits.len > 0 && digits.ptr[0] >= '0' && digits.ptr[0] <= '9') {
        digits.ptr++;
        digits.len--;
    }
    if (digits.ptr != rest.ptr && (digits.len == 0 || digits.ptr[0] == ' '))
        rest = digits;
    rest = span_trim(rest);
    if (rest.len && memchr(rest.ptr, ' ', rest.len))
        return bad_line(line, f);
    kv_parse(&a->args, rest);
    a->ok = true;
    return MOG_OK;
}

enum mog_err client_answer_parse(struct client_answer *a, struct span line, struct mog_fail *f)
{
    answer_reset(a);
    if (line.len == 2 && span_is(line, "OK")) {
        a->ok = true;
        return MOG_OK;
    }
    if (span_starts(line, "OK "))
        return parse_ok(a, span_make(line.ptr + 3, line.len - 3), line, f);
    if (!span_starts(line, "ERR "))
        return bad_line(line, f);

    struct span rest = span_make(line.ptr + 4, line.len - 4), code, text = {NULL, 0};
    if (!span_split(&rest, ' ', &code) || code.len == 0 || code.len >= sizeof a->code)
        return bad_line(line, f);
    memcpy(a->code, code.ptr, code.len);
    a->code[code.len] = '\0';
    if (rest.ptr && span_split(&rest, ' ', &text))
        urlenc_decode(&a->text, text);
    return MOG_OK;
}

/* ---- the list of trackers ---- */

static enum mog_err tracker_parse(struct tracker *t, struct span item, struct mog_fail *f)
{
    const char *slash = memchr(item.ptr, '/', item.len);
    if (slash) {
        size_t len = (size_t)(slash - item.ptr);
        if (len >= sizeof t->preferred)
            return fail_set(f, MOG_ESYNTAX, "tracker '%.*s' is too long", 80, item.ptr);
        memcpy(t->preferred, item.ptr, len);
        t->preferred[len] = '\0';
        item = span_make(slash + 1, item.len - len - 1);
    }
    char *text = span_dup(item);
    enum mog_err e = net_split(text, DEFAULT_PORT, t->host, sizeof t->host, &t->port);
    /* A number alone is a port for a listener, but no tracker to connect to. */
    if (e != MOG_OK || t->host[0] == '\0')
        e = fail_set(f, MOG_ESYNTAX, "tracker '%s' is not of the form host:port", text);
    free(text);
    if (e == MOG_OK)
        t->name = mem_printf(strchr(t->host, ':') ? "[%s]:%u" : "%s:%u", t->host, t->port);
    return e;
}

static void shuffle(size_t *order, size_t n)
{
    uint32_t seed[TRACKERS_MAX];
    if (n < 2 || getrandom(seed, n * sizeof seed[0], 0) != (ssize_t)(n * sizeof seed[0]))
        return;
    for (size_t i = n - 1; i > 0; i--) {
        size_t j = seed[i] % (i + 1), keep = order[i];
        order[i] = order[j];
        order[j] = keep;
    }
}

struct client *client_new(const char *trackers, const struct client_opts *opts, struct mog_fail *f)
{
    struct client *c = mem_calloc(1, sizeof *c);
    c->fd = -1;
    buf_init(&c->in, 0);
    c->connect_ms = opts && opts->connect_timeout_ms ? opts->connect_timeout_ms : CONNECT_MS;
    c->reply_ms = opts && opts->reply_timeout_ms ? opts->reply_timeout_ms : REPLY_MS;

    enum mog_err e = MOG_OK;
    struct span rest = span_of(trackers), item;
    while (e == MOG_OK && span_split(&rest, ',', &item)) {
        item = span_trim(item);
        if (item.len == 0)
            continue;
        if (c->n == TRACKERS_MAX) {
            e = fail_set(f, MOG_EINVAL, "more than %d trackers", TRACKERS_MAX);
            break;
        }
        struct tracker t = {.port = 0};
        e = tracker_parse(&t, item, f);
        if (e == MOG_OK) {
            c->trackers = mem_grow(c->trackers, c->n, &c->cap, sizeof t);
            c->trackers[c->n++] = t;
        }
    }
    if (e == MOG_OK && c->n == 0)
        e = fail_set(f, MOG_EINVAL, "no tracker given");
    if (e != MOG_OK) {
        client_free(c);
        return NULL;
    }
    c->order = mem_calloc(c->n, sizeof *c->order);
    for (size_t i = 0; i < c->n; i++)
        c->order[i] = i;
    if (!opts || !opts->keep_order)
        shuffle(c->order, c->n);
    return c;
}

static void disconnect(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_reset(&c->in);
}

void client_free(struct client *c)
{
    if (!c)
        return;
    disconnect(c);
    buf_fini(&c->in);
    for (size_t i = 0; i < c->n; i++)
        free(c->trackers[i].name);
    free(c->trackers);
    free(c->order);
    free(c);
}

size_t client_count(const struct client *c)
{
    return c->n;
}

const char *client_name(const struct client *c, size_t i)
{
    return c->trackers[i].name;
}

const char *client_current(const struct client *c)
{
    return c->ever_connected ? c->trackers[c->current].name : "";
}

/* ---- connecting ---- */

static enum mog_err connect_one(struct client *c, struct tracker *t, int64_t timeout_ms, struct mog_fail *f)
{
    if (t->preferred[0] &&
        net_connect(t->preferred, t->port, deadline_in(CONNECT_PREFERRED_MS), &c->fd, NULL) == MOG_OK)
        return MOG_OK;
    return net_connect(t->host, t->port, deadline_in(timeout_ms), &c->fd, f);
}

/* A kept connection whose other end has gone shows it as readable; nothing may arrive while we ask nothing. */
static bool kept_is_usable(struct client *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return c->fd >= 0 && c->in.len == 0 && poll(&p, 1, 0) == 0;
}

static enum mog_err connect_any(struct client *c, struct mog_fail *f)
{
    if (kept_is_usable(c))
        return MOG_OK;
    disconnect(c);

    struct mog_fail last = {.code = MOG_ECONN};
    for (int round = 0; round < 2; round++) {
        for (size_t tried = 0; tried < c->n; tried++) {
            size_t i = c->order[c->next];
            struct tracker *t = &c->trackers[i];
            c->next = (c->next + 1) % c->n;
            if (round == 0 && t->dead_until_ms > clock_mono_ms())
                continue;
            int64_t wait = round == 0 ? c->connect_ms : CONNECT_PATIENT_MS;
            if (connect_one(c, t, wait, &last) == MOG_OK) {
                t->dead_until_ms = 0;
                c->current = i;
                c->ever_connected = true;
                return MOG_OK;
            }
            c->fd = -1;
            t->dead_until_ms = clock_mono_ms() + DEAD_PAUSE_MS;
        }
    }
    if (c->n == 1)
        return fail_set(f, MOG_ECONN, "couldn't connect to tracker %s: %s", c->trackers[0].name,
                        last.text[0] ? last.text : err_text(MOG_ECONN));
    return fail_set(f, MOG_ECONN, "couldn't connect to any of %zu trackers; the last one said: %s", c->n,
                    last.text[0] ? last.text : err_text(MOG_ECONN));
}

/* ---- lines ---- */

static enum mog_err read_line(struct client *c, struct deadline by, struct span *line, size_t *used, struct mog_fail *f)
{
    size_t scanned = 0;
    for (;;) {
        const char *lf = c->in.len > scanned ? memchr(c->in.data + scanned, '\n', c->in.len - scanned) : NULL;
        if (lf) {
            size_t len = (size_t)(lf - c->in.data);
            *used = len + 1;
            *line = span_make(c->in.data, len && lf[-1] == '\r' ? len - 1 : len);
            return MOG_OK;
        }
        scanned = c->in.len;
        if (scanned > LINE_MAX_BYTES)
            return fail_set(f, MOG_ETOOLONG, "answer of tracker %s is too long", client_current(c));
        enum mog_err e = net_wait(c->fd, POLLIN, by);
        if (e == MOG_ETIMEOUT)
            return fail_set(f, e, "timed out waiting for tracker %s", client_current(c));
        if (e != MOG_OK)
            return fail_set(f, e, "cannot wait for tracker %s", client_current(c));
        ssize_t got = recv(c->fd, buf_reserve(&c->in, 65536), 65536, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got < 0)
            return fail_sys(f, MOG_ECLOSED, errno, "error talking to tracker %s", client_current(c));
        if (got == 0)
            return fail_set(f, MOG_ECLOSED, "tracker %s closed the connection", client_current(c));
        buf_commit(&c->in, (size_t)got);
    }
}

static enum mog_err send_line(struct client *c, struct span line, struct deadline by, struct mog_fail *f)
{
    enum mog_err e = net_write_all(c->fd, line.ptr, line.len, by);
    if (e != MOG_OK)
        return fail_set(f, e, "error talking to tracker %s: %s", client_current(c), err_text(e));
    return MOG_OK;
}

/* ---- requests ---- */

/* Asking these twice does no harm. A repeated create_close of a stored file is answered OK. */
static bool is_repeatable(const char *command)
{
    static const char *const names[] = {
        "create_close",     "file_debug",     "file_info",      "fsck_getlog",     "fsck_status", "get_devices",
        "get_domains",      "get_hosts",      "get_paths",      "list_fids",       "list_keys",   "noop",
        "rebalance_status", "rebalance_test", "server_setting", "server_settings", "test"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], command) == 0)
            return true;
    }
    return false;
}

static enum mog_err exchange(struct client *c, struct span line, int64_t extra_ms, struct client_answer *a,
                             struct mog_fail *f)
{
    struct deadline by = deadline_in(c->reply_ms + extra_ms);
    struct span answer;
    size_t used = 0;
    enum mog_err e = send_line(c, line, by, f);
    if (e == MOG_OK)
        e = read_line(c, by, &answer, &used, f);
    if (e == MOG_OK)
        e = client_answer_parse(a, answer, f);
    if (e == MOG_OK)
        buf_consume(&c->in, used);
    else
        disconnect(c); /* a late answer must never be taken for the next one's */
    return e;
}

enum mog_err client_request(struct client *c, const char *command, const struct kv *args, struct client_answer *a,
                            struct mog_fail *f)
{
    return client_request_slow(c, command, args, 0, a, f);
}

enum mog_err client_request_slow(struct client *c, const char *command, const struct kv *args, int64_t extra_ms,
                                 struct client_answer *a, struct mog_fail *f)
{
    struct buf line = BUF_ZERO;
    buf_str(&line, command);
    buf_char(&line, ' ');
    if (args)
        kv_format(args, &line);
    buf_str(&line, "\r\n");

    bool repeatable = is_repeatable(command);
    size_t tries = repeatable ? (c->n < 2 ? 2 : c->n) : 1;
    enum mog_err e = MOG_ECONN;
    for (size_t i = 0; i < tries; i++) {
        answer_reset(a);
        e = connect_any(c, f);
        if (e != MOG_OK)
            break;
        e = exchange(c, buf_as_span(&line), extra_ms, a, f);
        if (e == MOG_OK && !a->ok) {
            e = fail_set(f, MOG_EREFUSED, "%s %s", a->code, buf_cstr(&a->text));
            /* A tracker that has lost its database answers so; another one, which is asked next, may not have. */
            if (c->n == 1 || (strcmp(a->code, "failure") != 0 && strcmp(a->code, "db") != 0))
                break;
            disconnect(c);
            continue;
        }
        if (e == MOG_OK || (e == MOG_ETIMEOUT && c->n == 1))
            break;
    }
    buf_fini(&line);
    return e;
}

enum mog_err client_admin(struct client *c, const char *line, struct buf *out, struct mog_fail *f)
{
    enum mog_err e = connect_any(c, f);
    if (e != MOG_OK)
        return e;
    struct buf text = BUF_ZERO;
    buf_printf(&text, "%s\r\n", line);
    struct deadline by = deadline_in(c->reply_ms);
    e = send_line(c, buf_as_span(&text), by, f);
    buf_fini(&text);

    for (bool first = true; e == MOG_OK; first = false) {
        struct span got;
        size_t used;
        e = read_line(c, by, &got, &used, f);
        if (e != MOG_OK)
            break;
        bool last = span_is(got, ".");
        if (!last && first && span_starts(got, "ERR ")) {
            e = fail_set(f, MOG_EREFUSED, "%.*s", (int)(got.len > 200 ? 200 : got.len), got.ptr);
            last = true;
        } else if (!last) {
            buf_span(out, got);
            buf_char(out, '\n');
        }
        buf_consume(&c->in, used);
        if (last)
            break;
    }
    if (e != MOG_OK && e != MOG_EREFUSED)
        disconnect(c);
    return e;
}

enum mog_err client_read_line(struct client *c, int64_t timeout_ms, struct buf *out, struct mog_fail *f)
{
    struct span got = {NULL, 0};
    size_t used = 0;
    if (c->fd < 0)
        return fail_set(f, MOG_ECLOSED, "not connected to a tracker");
    enum mog_err e = read_line(c, deadline_in(timeout_ms), &got, &used, f);
    if (e != MOG_OK)
        return e;
    buf_span(out, got);
    buf_consume(&c->in, used);
    return MOG_OK;
}
