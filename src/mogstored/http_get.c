/* SPDX-License-Identifier: MIT */
/* GET and HEAD: what is in memory is answered at once, everything else is fetched by the device's threads. */
#include "mogstored/http_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "mogstored/beneath.h"
#include "mogstored/janitor.h"
#include "mogstored/metrics.h"

enum { FAIR_BYTES = 4 << 20 /* sent to one client before others have their turn */ };

static uint64_t part_length(const struct request_get *g)
{
    return g->part.last + 1 - g->part.first;
}

static bool is_not_modified(const struct request *r)
{
    int64_t since;
    const char *value = r->head.fields[FIELD_IF_MODIFIED_SINCE];
    if (!value || httpdate_parse(span_of(value), &since) != MOG_OK)
        return false;
    return since <= clock_wall_s() && r->get.modified_s <= since;
}

static bool wants_range(const struct request *r)
{
    char modified[HTTPDATE_SIZE];
    const char *condition = r->head.fields[FIELD_IF_RANGE];
    if (!condition)
        return true;
    httpdate_format(r->get.modified_s, modified);
    return strcmp(condition, modified) == 0;
}

/*
 * The file is open: what is to be sent of it, and with which status. Pure but for the answer: a status of 200 or 206
 * set in it means "send part".
 */
static void decide(struct request *r, const struct stat *st)
{
    struct request_get *g = &r->get;
    if (S_ISDIR(st->st_mode)) {
        request_answer(r, 403, "a directory");
        return;
    }
    if (!S_ISREG(st->st_mode)) {
        request_answer(r, 403, "not a regular file");
        return;
    }
    if (r->path.trailing_slash) {
        request_answer(r, 404, "no such file");
        return;
    }
    g->size = (uint64_t)st->st_size;
    g->modified_s = st->st_mtim.tv_sec;
    g->content_type = "application/octet-stream";
    g->dev = (uint64_t)st->st_dev;
    g->ino = (uint64_t)st->st_ino;
    g->changed_ns = st->st_ctim.tv_sec * 1000000000LL + st->st_ctim.tv_nsec;
    g->part = (struct range){.first = 0, .last = g->size - 1}; /* of an empty file: wraps, length 0 */
    const char *range = r->head.fields[FIELD_RANGE];
    if (is_not_modified(r)) {
        request_answer(r, 304, NULL);
        return;
    }
    switch (range && wants_range(r) ? range_parse(span_of(range), g->size, &g->part) : RANGE_WHOLE) {
    case RANGE_WHOLE:
        request_answer(r, 200, NULL);
        break;
    case RANGE_PART:
        request_answer(r, 206, NULL);
        break;
    case RANGE_UNSATISFIABLE:
        request_answer(r, 416, NULL);
        break;
    }
}

static bool sends_file(const struct request *r)
{
    return r->answer.status == 200 || r->answer.status == 206;
}

static bool needs_bytes(const struct request *r)
{
    return sends_file(r) && !r->method->is_head && part_length(&r->get) > 0;
}

/* ---- on the device's threads ---- */

static void answer_errno(struct request *r, int err)
{
    switch (err) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        request_answer(r, 404, "no such file");
        return;
    case EACCES:
    case EPERM:
    case ELOOP:
    case EXDEV:
        request_answer(r, 403, "not allowed");
        return;
    default:
        (void)upload_fail(r->dev, err, "cannot read", r->path.below, &r->fail);
        request_answer(r, 500, strerror(err));
        return;
    }
}

/* A socket cannot be opened: ENXIO then says nothing about the disk. */
static bool is_special(int root, const char *path)
{
    struct stat st;
    int fd = beneath_open(root, path, O_PATH, 0);
    bool special = fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
    if (fd >= 0)
        close(fd);
    return special;
}

/* Read up to `len` bytes at `at` of the file; a short file is not an error here. */
static int read_block(struct request_get *g, uint64_t at, uint64_t len)
{
    if (!g->memory)
        g->memory = mem_alloc(len > HTTP_READ_BYTES ? len : HTTP_READ_BYTES);
    g->memory_at = at;
    g->memory_len = 0;
    while (g->memory_len < len) {
        ssize_t n = pread(g->fd, g->memory + g->memory_len, len - g->memory_len, (off_t)(at + g->memory_len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            break;
        g->memory_len += (uint64_t)n;
    }
    return 0;
}

static void open_and_read(struct request *r)
{
    struct stat st;
    int root = -1;
    if (device_open_root(r->dev, &root, &r->fail) != MOG_OK) {
        request_answer(r, 503, r->fail.text);
        return;
    }
    r->get.fd = beneath_open_read(root, r->path.below);
    int err = r->get.fd >= 0 ? 0 : errno;
    if (err == ENXIO && is_special(root, r->path.below))
        err = EPERM;
    close(root);
    if (err == 0 && fstat(r->get.fd, &st) != 0)
        err = errno;
    if (err == 0) {
        decide(r, &st);
        if (needs_bytes(r)) {
            uint64_t len = part_length(&r->get);
            bool is_small = len <= HTTP_SMALL_BYTES;
            if (!is_small)
                (void)posix_fadvise(r->get.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
            err = read_block(&r->get, r->get.part.first, len < HTTP_READ_BYTES ? len : HTTP_READ_BYTES);
            r->get.is_read = is_small && r->get.memory_len == len;
        }
    }
    if (err != 0)
        answer_errno(r, err);
    if (r->get.fd >= 0 && (r->get.is_read || !needs_bytes(r))) {
        close(r->get.fd);
        r->get.fd = -1;
    }
}

/* Only what is not in memory comes here, so all of it is waiting for the disk. */
static void open_work(struct request *r)
{
    device_wait_begin(r->dev);
    open_and_read(r);
    device_wait_end(r->dev);
}

static void read_work(struct request *r)
{
    struct request_get *g = &r->get;
    uint64_t left = g->part.last + 1 - g->memory_at;
    device_wait_begin(r->dev);
    g->read_errno = read_block(g, g->memory_at, left < HTTP_READ_BYTES ? left : HTTP_READ_BYTES);
    device_wait_end(r->dev);
    if (g->read_errno != 0)
        (void)upload_fail(r->dev, g->read_errno, "cannot read", r->path.below, &r->fail);
}

/* ---- on the connection's thread ---- */

/*
 * All of it in one read that does not wait: to where it is sent from at once, unless a body has to be dropped before
 * that.
 */
static bool read_small(struct request *r)
{
    struct request_get *g = &r->get;
    uint64_t len = part_length(g);
    bool is_later = r->head.length > 0 || r->head.is_chunked;
    char *room = is_later ? mem_alloc(len) : r->conn->loop->out + HTTP_ANSWER_HEAD_BYTES;
    g->is_read = beneath_read_cached(g->fd, room, len, (off_t)g->part.first) == (ssize_t)len;
    if (is_later && g->is_read)
        g->memory = room;
    else if (is_later)
        free(room);
    return g->is_read;
}

/* True when the request could be decided without waiting for the disk. */
static bool try_cached(struct request *r)
{
    struct stat st;
    char path[sizeof r->dev->name + DPATH_MAX + 2];
    if (atomic_load(&r->dev->is_link))
        return false;
    char *end = stpcpy(path, r->dev->name);
    *end++ = '/';
    strcpy(end, r->path.below); /* fits: both have their limits */
    int fd = beneath_open_cached(r->dev->root->fd, path);
    if (fd < 0)
        return false;
    /* What is on another file system than the device is not the device's. */
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_dev != atomic_load(&r->dev->seen_st_dev)) {
        close(fd);
        return false;
    }
    r->get.fd = fd;
    decide(r, &st);
    if (needs_bytes(r) && part_length(&r->get) > HTTP_SMALL_BYTES)
        return true;
    bool is_done = !needs_bytes(r) || read_small(r);
    if (!is_done)
        r->answer.status = 0;
    r->get.fd = -1;
    close(fd); /* it had a name a moment ago: not the last close, which may wait for the disk */
    return is_done;
}

static void begin_file(struct request *r)
{
    if (!try_cached(r))
        (void)request_run(r, open_work, request_has_begun, false);
}

static void answer_text(struct request *r, struct buf *text, const char *type)
{
    struct request_get *g = &r->get;
    g->size = g->memory_len = text->len;
    g->part = (struct range){.first = 0, .last = g->size - 1};
    g->memory = buf_take(text);
    g->is_read = true;
    g->content_type = type;
    request_answer(r, 200, NULL);
}

void get_begin(struct request *r)
{
    switch (r->path.kind) {
    case DPATH_STAR:
        request_answer(r, 400, "Invalid filename");
        break;
    case DPATH_ROOT:
        request_answer(r, 200, NULL);
        r->get.part = (struct range){.first = 1, .last = 0};
        r->get.content_type = "text/plain";
        break;
    case DPATH_DEVICE:
        request_answer(r, 403, "a directory");
        break;
    case DPATH_USAGE: {
        struct buf text = BUF_ZERO;
        r->get.modified_s = device_format_usage(r->dev, &text);
        answer_text(r, &text, "text/plain");
        break;
    }
    case DPATH_FILE:
        begin_file(r);
        break;
    }
}

void get_metrics(struct request *r)
{
    struct buf text = BUF_ZERO;
    struct span query = span_make(r->head.target, r->head.target_len), path;
    (void)span_split(&query, '?', &path);
    r->path.kind = DPATH_ROOT;
    if (!r->method || r->method->begin != get_begin) {
        request_answer(r, 405, "this port is for reading");
    } else if (!span_is(path, "/metrics") && !span_is(path, "/")) {
        request_answer(r, 404, "only /metrics is here");
    } else {
        metrics_format(r->http->opts.devices, r->http->opts.counted, &text);
        answer_text(r, &text, "text/plain; version=0.0.4");
    }
}

/* ---- the answer ---- */

uint64_t get_length(const struct request *r)
{
    return sends_file(r) ? part_length(&r->get) : 0;
}

char *get_headers(const struct request *r, char *at)
{
    const struct request_get *g = &r->get;
    char text[HTTPDATE_SIZE];
    bool is_file = r->path.kind == DPATH_FILE;
    if (is_file || r->path.kind == DPATH_USAGE) {
        httpdate_format(g->modified_s, text);
        at = reply_put(reply_put(at, "Last-Modified: "), text);
        at = reply_put(at, is_file ? "\r\nAccept-Ranges: bytes\r\n" : "\r\nAccept-Ranges: none\r\n");
    }
    if (sends_file(r))
        at = reply_put(reply_put(reply_put(at, "Content-Type: "), g->content_type), "\r\n");
    if (r->answer.status == 206) {
        at = reply_put_u64(reply_put(at, "Content-Range: bytes "), g->part.first);
        at = reply_put_u64(reply_put(at, "-"), g->part.last);
        at = reply_put(reply_put_u64(reply_put(at, "/"), g->size), "\r\n");
    } else if (r->answer.status == 416) {
        at = reply_put(reply_put_u64(reply_put(at, "Content-Range: bytes */"), g->size), "\r\n");
    }
    return at;
}

void get_send(struct request *r, struct span head)
{
    struct request_get *g = &r->get;
    if (r->method->is_head || get_length(r) == 0) {
        connection_send(r->conn, head, NULL, 0, false);
    } else if (g->is_read && part_length(g) <= HTTP_BLOCK_BYTES) {
        const char *body = g->memory ? g->memory : r->conn->loop->out + HTTP_ANSWER_HEAD_BYTES;
        connection_send(r->conn, head, body, part_length(g), false);
    } else {
        g->is_ours = g->fd >= 0 && (fcntl(g->fd, F_GETFL) & O_NOATIME) != 0;
        g->at = g->part.first;
        g->is_sent_in_pieces = true;
        connection_send(r->conn, head, NULL, 0, true);
    }
}

static enum sent send_memory(struct request *r)
{
    struct request_get *g = &r->get;
    size_t n, from = (size_t)(g->at - g->memory_at), len = (size_t)(g->memory_len - from);
    enum sent sent = connection_push(r->conn, g->memory + from, len, g->at + len <= g->part.last, &n);
    g->at += n;
    return sent;
}

/*
 * Can the next `len` bytes be sent without waiting for a disk? The kernel is asked once for all who want them within a
 * tenth of a second, since it looks at each page: a fifth of what sending them costs.
 */
static bool is_in_memory(struct request *r, size_t len)
{
    struct request_get *g = &r->get;
    int64_t now = clock_mono_us();
    struct http_seen *seen = &r->conn->loop->seen[(g->ino * 31 + g->at / HTTP_SENDFILE_BYTES) % HTTP_SEEN];
    if (seen->ino == g->ino && seen->dev == g->dev && seen->changed_ns == g->changed_ns && seen->at == g->at &&
        seen->len == len && now - seen->mono_us < HTTP_SEEN_US)
        return true;
    if (!beneath_is_in_memory(g->fd, (off_t)g->at, len))
        return false;
    *seen = (struct http_seen){g->dev, g->ino, g->at, g->changed_ns, now, len};
    return true;
}

/* Without a copy: only what is in memory, so that no disk is waited for. */
static enum sent send_file(struct request *r, size_t len)
{
    struct request_get *g = &r->get;
    off_t at = (off_t)g->at;
    ssize_t n = sendfile(r->conn->entry->fd, g->fd, &at, len);
    if (n > 0)
        g->at += (uint64_t)n;
    if (n < 0 && errno == EAGAIN)
        return SENT_SOME;
    return n > 0 || (n < 0 && errno == EINTR) ? SENT_ALL : SENT_BROKEN;
}

/* Through our memory. What the socket does not take is read again when it does. */
static enum sent send_copy(struct request *r, size_t len, bool *must_wait)
{
    struct request_get *g = &r->get;
    char *room = r->conn->loop->out;
    size_t n = 0;
    ssize_t got = beneath_read_cached(g->fd, room, len, (off_t)g->at);
    *must_wait = got < 0;
    if (got <= 0)
        return SENT_BROKEN; /* 0: the file has shrunk */
    enum sent sent = connection_push(r->conn, room, (size_t)got, g->at + (uint64_t)got <= g->part.last, &n);
    g->at += n;
    return sent;
}

/* The connection is busy until the device's threads have read more. */
static enum sent fetch(struct request *r)
{
    struct request_get *g = &r->get;
    if (g->memory && g->memory_at == g->at) /* has been read, and there was nothing: the file has shrunk */
        return SENT_BROKEN;
    if (!g->memory)
        (void)posix_fadvise(g->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    g->memory_at = g->at;
    g->memory_len = 0;
    g->read_errno = ECANCELED; /* unless the job runs */
    (void)request_run(r, read_work, NULL, true);
    return SENT_SOME;
}

static enum sent send_piece(struct request *r)
{
    struct request_get *g = &r->get;
    uint64_t left = g->part.last + 1 - g->at;
    size_t len = left < HTTP_SENDFILE_BYTES ? (size_t)left : HTTP_SENDFILE_BYTES;
    bool must_wait;
    if (g->read_errno != 0)
        return SENT_BROKEN;
    if (g->memory && g->at >= g->memory_at && g->at < g->memory_at + g->memory_len)
        return send_memory(r);
    if (g->is_ours && is_in_memory(r, len))
        return send_file(r, len);
    enum sent sent = send_copy(r, len < HTTP_BLOCK_BYTES ? len : HTTP_BLOCK_BYTES, &must_wait);
    return must_wait ? fetch(r) : sent;
}

enum sent get_send_more(struct request *r)
{
    struct request_get *g = &r->get;
    uint64_t began = g->at;
    enum sent sent = SENT_ALL;
    while (g->is_sent_in_pieces && g->at <= g->part.last && sent == SENT_ALL) {
        if (g->at - began < FAIR_BYTES) {
            sent = send_piece(r);
        } else { /* a client that takes it as fast as we can send */
            loop_put_ready(r->conn);
            sent = SENT_SOME;
        }
    }
    if (sent == SENT_SOME && r->conn->state == CONNECTION_SEND && g->at != began)
        http_conn_enter(r->conn->entry, HTTP_PHASE_SEND);
    return sent;
}

void get_fini(struct request *r)
{
    struct stat st;
    free(r->get.memory);
    if (r->get.fd < 0)
        return;
    /* The last close of an unlinked file frees its blocks, which waits for the disk. */
    if (fstat(r->get.fd, &st) == 0 && st.st_nlink == 0)
        janitor_give(r->dev->janitor, r->get.fd, -1, "");
    else
        close(r->get.fd);
}
