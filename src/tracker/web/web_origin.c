/* SPDX-License-Identifier: MIT */
/* One GET of a part of a copy up to the end of the answer's head: the body stays in the socket, to be moved uncopied.
 */
#include "tracker/web/web_origin.h"

#include "common/buf.h"
#include "common/net.h"
#include "common/num.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MS = 5000, HOST_MAX_BYTES = 256, STATUS_LINE_MIN = 12 };

static const char scheme[] = "http://";

/* ---- the head ---- */

static enum mog_err parse_status(struct span line, int *status)
{
    uint64_t n;
    /* "HTTP/1.1 200" and, behind a blank, anything. */
    if (line.len < STATUS_LINE_MIN || !span_starts(line, "HTTP/1.") || line.ptr[8] != ' ' ||
        (line.len > STATUS_LINE_MIN && line.ptr[STATUS_LINE_MIN] != ' ') ||
        num_parse_u64(span_make(line.ptr + 9, 3), 100, 999, &n) != MOG_OK)
        return MOG_EPROTO;
    *status = (int)n;
    return MOG_OK;
}

static enum mog_err parse_header(struct span line, struct web_origin_head *out)
{
    struct span value = line, name;
    uint64_t length;
    if (!span_split(&value, ':', &name) || value.ptr == NULL)
        return MOG_EPROTO;
    value = span_trim(value);
    if (span_is_nocase(name, "Transfer-Encoding"))
        return MOG_EPROTO;
    if (span_is_nocase(name, "Content-Length")) {
        if (num_parse_u64(value, 0, INT64_MAX, &length) != MOG_OK || (out->has_length && out->length != length))
            return MOG_EPROTO;
        out->has_length = true;
        out->length = length;
    } else if (span_is_nocase(name, "Last-Modified") && value.len < sizeof(out->last_modified)) {
        memcpy(out->last_modified, value.ptr, value.len);
        out->last_modified[value.len] = '\0';
    }
    return MOG_OK;
}

enum mog_err web_origin_parse(struct span head, struct web_origin_head *out)
{
    struct span line;
    bool first = true;
    *out = (struct web_origin_head){0};
    while (span_split(&head, '\n', &line)) {
        if (line.len != 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0)
            break;
        /* A header goes to the client as it is: nothing in it may end a line, or be none. */
        if (memchr(line.ptr, '\r', line.len) != NULL || memchr(line.ptr, '\0', line.len) != NULL)
            return MOG_EPROTO;
        enum mog_err e = first ? parse_status(line, &out->status) : parse_header(line, out);
        if (e != MOG_OK)
            return e;
        first = false;
    }
    return first ? MOG_EPROTO : MOG_OK;
}

/* ---- the exchange ---- */

/* Where the head ends in `text`, empty line included; 0: not yet. */
static size_t head_end(const char *text, size_t len)
{
    const char *at = memmem(text, len, "\r\n\r\n", 4);
    return at != NULL ? (size_t)(at - text) + 4 : 0;
}

/* Read the head and not one byte more. */
static enum mog_err read_head(int fd, struct deadline by, char *head, size_t *len)
{
    for (size_t have = 0; have < WEB_ORIGIN_HEAD_MAX;) {
        enum mog_err e = net_wait(fd, POLLIN, by);
        if (e != MOG_OK)
            return e;
        ssize_t n = recv(fd, head + have, WEB_ORIGIN_HEAD_MAX - have, MSG_PEEK | MSG_DONTWAIT);
        if (n == 0)
            return MOG_ECLOSED;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return MOG_ECLOSED;
        size_t end = head_end(head, have + (size_t)n);
        size_t take = end != 0 ? end - have : (size_t)n;
        n = recv(fd, head + have, take, MSG_DONTWAIT);
        if (n != (ssize_t)take)
            return MOG_ECLOSED; /* it was there a moment ago */
        have += take;
        if (end != 0) {
            *len = have;
            return MOG_OK;
        }
    }
    return MOG_EPROTO;
}

static enum mog_err send_request(int fd, const struct web_origin *o, const char *authority, const char *path,
                                 struct deadline by)
{
    struct buf text = BUF_ZERO;
    /* 1.0, whose answers come in one piece and end the connection. */
    buf_printf(&text, "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: mogilefsd/" MOG_VERSION "\r\n", path, authority);
    if (o->first != 0 || o->end != o->length)
        buf_printf(&text, "Range: bytes=%" PRIu64 "-%" PRIu64 "\r\n", o->first, o->end - 1);
    buf_str(&text, "Connection: close\r\n\r\n");
    enum mog_err e = net_write_all(fd, text.data, text.len, by);
    buf_fini(&text);
    return e;
}

static enum mog_err exchange(const struct web_origin *o, int fd, const char *authority, const char *path,
                             struct web_origin_head *head, struct mog_fail *f)
{
    char text[WEB_ORIGIN_HEAD_MAX];
    size_t len = 0;
    bool whole = o->first == 0 && o->end == o->length;
    struct deadline by = deadline_in(o->connect_timeout_ms > ANSWER_MS ? o->connect_timeout_ms : ANSWER_MS);
    enum mog_err e = send_request(fd, o, authority, path, by);
    if (e == MOG_OK)
        e = read_head(fd, by, text, &len);
    if (e == MOG_OK)
        e = web_origin_parse(span_make(text, len), head);
    if (e != MOG_OK)
        return fail_set(f, e, "GET %s: %s", o->url, err_text(e));
    if (head->status != (whole ? 200 : 206))
        return fail_set(f, MOG_EHTTP, "GET %s: status %d", o->url, head->status);
    if (!head->has_length || head->length != o->end - o->first)
        return fail_set(f, MOG_ESIZE, "GET %s: %" PRIu64 " bytes instead of %" PRIu64, o->url, head->length,
                        o->end - o->first);
    return MOG_OK;
}

enum mog_err web_origin_open(const struct web_origin *o, int *fd, char *last_modified, struct mog_fail *f)
{
    char authority[HOST_MAX_BYTES], host[HOST_MAX_BYTES];
    uint16_t port = 0;
    struct web_origin_head head;
    const char *start = o->url + sizeof(scheme) - 1, *path = strchr(start, '/');
    *fd = -1;
    if (!span_starts(span_of(o->url), scheme) || path == NULL || (size_t)(path - start) >= sizeof(authority))
        return fail_set(f, MOG_EINVAL, "%s is no URL of a copy", o->url);
    memcpy(authority, start, (size_t)(path - start));
    authority[path - start] = '\0';
    enum mog_err e = net_split(authority, 80, host, sizeof(host), &port);
    if (e != MOG_OK)
        return fail_set(f, e, "%s is no URL of a copy", o->url);
    e = net_connect(host, port, deadline_in(o->connect_timeout_ms), fd, f);
    if (e != MOG_OK)
        return e;
    e = exchange(o, *fd, authority, path, &head, f);
    if (e != MOG_OK) {
        (void)close(*fd);
        *fd = -1;
        return e;
    }
    memcpy(last_modified, head.last_modified, sizeof(head.last_modified));
    return MOG_OK;
}
