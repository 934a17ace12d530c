/* SPDX-License-Identifier: MIT */
/* GET and HEAD: what is in memory is answered at once, everything else is fetched by the device's threads. */
#include "mogstored/http_request.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "mogstored/beneath.h"
#include "common/httpdate.h"
#include "mogstored/janitor.h"

static uint64_t part_length(const struct request_get *g)
{
    return g->part.last + 1 - g->part.first;
}

static bool is_not_modified(const struct request *r)
{
    int64_t since;
    const char *value = r->fields[FIELD_IF_MODIFIED_SINCE];
    if (!value || httpdate_parse(span_of(value), &since) != MOG_OK)
        return false;
    return since <= clock_wall_s() && r->get.modified_s <= since;
}

static bool wants_range(const struct request *r)
{
    char modified[HTTPDATE_SIZE];
    const char *condition = r->fields[FIELD_IF_RANGE];
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
    g->part = (struct range){.first = 0, .last = g->size - 1}; /* of an empty file: wraps, length 0 */
    const char *range = r->fields[FIELD_RANGE];
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
            err = read_block(&r->get, r->get.part.first, is_small ? len : HTTP_READ_BYTES);
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

static enum MHD_Result opened(struct request *r, const char *data, size_t *size)
{
    (void)data;
    (void)size;
    return request_has_begun(r);
}

/* All of it in one read that does not wait. */
static bool read_small(struct request_get *g)
{
    uint64_t len = part_length(g);
    if (!g->small)
        g->small = mem_alloc(HTTP_SMALL_BYTES);
    ssize_t n = beneath_read_cached(g->fd, g->small, len, (off_t)g->part.first);
    g->is_read = n == (ssize_t)len;
    g->memory = g->is_read ? g->small : NULL;
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
    bool is_done = !needs_bytes(r) || read_small(&r->get);
    if (!is_done)
        r->answer.status = 0;
    r->get.fd = -1;
    close(fd); /* it had a name a moment ago: not the last close, which may wait for the disk */
    return is_done;
}

static void begin_file(struct request *r)
{
    if (!try_cached(r))
        (void)request_run(r, open_work, opened, false);
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
        break;
    case DPATH_DEVICE:
        request_answer(r, 403, "a directory");
        break;
    case DPATH_USAGE: {
        struct buf text = BUF_ZERO;
        r->get.modified_s = device_format_usage(r->dev, &text);
        r->get.size = text.len;
        r->get.part = (struct range){.first = 0, .last = text.len - 1};
        r->get.memory = buf_take(&text);
        r->get.is_read = true;
        request_answer(r, 200, NULL);
        break;
    }
    case DPATH_FILE:
        begin_file(r);
        break;
    }
}

/*
 * The next piece of a file that is not in memory as a whole, or was not when we looked. What cannot be read at once is
 * read by the device's threads, the connection suspended meanwhile.
 */
static ssize_t next_piece(void *arg, uint64_t pos, char *out, size_t max)
{
    struct request *r = arg;
    struct request_get *g = &r->get;
    uint64_t at = g->part.first + pos;
    if (g->read_errno != 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (g->memory && at >= g->memory_at && at < g->memory_at + g->memory_len) {
        uint64_t left = g->memory_at + g->memory_len - at;
        size_t n = left < max ? (size_t)left : max;
        memcpy(out, g->memory + (at - g->memory_at), n);
        return (ssize_t)n;
    }
    uint64_t left = g->part.last + 1 - at;
    ssize_t n = beneath_read_cached(g->fd, out, left < max ? (size_t)left : max, (off_t)at);
    if (n > 0)
        return n;
    bool was_read = g->memory && g->memory_at == at; /* and there was nothing: the file has shrunk */
    if (n == 0 || was_read)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    g->memory_at = at;
    g->memory_len = 0;
    g->read_errno = ECANCELED; /* unless the job runs */
    (void)request_run(r, read_work, NULL, true);
    return 0;
}

static struct MHD_Response *large_response(struct request *r)
{
    struct request_get *g = &r->get;
    uint64_t len = part_length(g);
    g->has_send_limit = r->http->opts.keepalive_s > HTTP_SEND_LIMIT_S;
    if (g->has_send_limit)
        (void)MHD_set_connection_option(r->connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)HTTP_SEND_LIMIT_S);
    (void)posix_fadvise(g->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return MHD_create_response_from_callback(len, len < HTTP_BLOCK_BYTES ? (size_t)len : HTTP_BLOCK_BYTES, next_piece,
                                             r, NULL);
}

static ssize_t no_piece(void *arg, uint64_t pos, char *out, size_t max)
{
    (void)arg;
    (void)pos;
    (void)out;
    (void)max;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *make_response(struct request *r)
{
    struct request_get *g = &r->get;
    uint64_t len = sends_file(r) ? part_length(g) : 0;
    if (len == 0)
        return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    if (r->method->is_head)
        return MHD_create_response_from_callback(len, 1, no_piece, NULL, NULL);
    if (g->is_read) {
        /* It stays until the request has ended, and the answer with it. */
        return MHD_create_response_from_buffer(len, g->memory, MHD_RESPMEM_PERSISTENT);
    }
    return large_response(r);
}

enum MHD_Result get_reply(struct request *r)
{
    struct request_get *g = &r->get;
    int status = r->answer.status;
    char text[80];
    struct MHD_Response *response = make_response(r);
    if (!response)
        return MHD_NO;
    if (r->path.kind == DPATH_FILE || r->path.kind == DPATH_USAGE) {
        httpdate_format(g->modified_s, text);
        (void)MHD_add_response_header(response, "Last-Modified", text);
        (void)MHD_add_response_header(response, "Accept-Ranges", r->path.kind == DPATH_FILE ? "bytes" : "none");
    }
    if (sends_file(r))
        (void)MHD_add_response_header(response, "Content-Type",
                                      r->path.kind == DPATH_FILE ? "application/octet-stream" : "text/plain");
    if (status == 206) {
        snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, g->part.first, g->part.last, g->size);
        (void)MHD_add_response_header(response, "Content-Range", text);
    } else if (status == 416) {
        snprintf(text, sizeof text, "bytes */%" PRIu64, g->size);
        (void)MHD_add_response_header(response, "Content-Range", text);
    }
    return reply_queue(r, status, response, r->answer.closes);
}

void get_fini(struct request *r)
{
    struct stat st;
    if (r->get.has_send_limit)
        (void)MHD_set_connection_option(r->connection, MHD_CONNECTION_OPTION_TIMEOUT, r->http->opts.keepalive_s);
    if (r->get.memory != r->get.small)
        free(r->get.memory);
    if (r->get.fd < 0)
        return;
    /* The last close of an unlinked file frees its blocks, which waits for the disk. */
    if (fstat(r->get.fd, &st) == 0 && st.st_nlink == 0)
        janitor_give(r->dev->janitor, r->get.fd, -1, "");
    else
        close(r->get.fd);
}
