/* SPDX-License-Identifier: MIT */
/* Answers as they come in: a tracker's line, or what a storage node says by HTTP. */
#include "tools/bench_reply.h"

#include <string.h>

#include "common/num.h"

enum { LINE_MAX_BYTES = 64 * 1024 * 1024, HEAD_MAX_BYTES = 64 * 1024 };

void reply_begin(struct reply_parser *p, enum reply_kind kind)
{
    buf_reset(&p->held);
    p->kind = kind;
    p->line = span_make(NULL, 0);
    p->status = 0;
    p->has_length = p->closes = false;
    p->length = p->body_bytes = 0;
}

void reply_fini(struct reply_parser *p)
{
    buf_fini(&p->held);
}

bool reply_has_begun(const struct reply_parser *p)
{
    return p->held.len > 0 || p->status != 0;
}

/* ---- lines ---- */

static enum reply_state add_line(struct reply_parser *p, const char *data, size_t len)
{
    const char *lf = memchr(data, '\n', len);
    if (lf == NULL) {
        buf_append(&p->held, data, len);
        return p->held.len > LINE_MAX_BYTES ? REPLY_BROKEN : REPLY_MORE;
    }
    if (lf != data + len - 1)
        return REPLY_BROKEN;
    if (p->held.len > 0) {
        buf_append(&p->held, data, len);
        data = p->held.data;
        len = p->held.len;
    }
    len--;
    p->line = span_make(data, len > 0 && data[len - 1] == '\r' ? len - 1 : len);
    return REPLY_COMPLETE;
}

/* ---- HTTP ---- */

static bool parse_header(struct reply_parser *p, struct span line)
{
    struct span name;
    if (!memchr(line.ptr, ':', line.len) || !span_split(&line, ':', &name))
        return false;
    if (span_is_nocase(name, "Content-Length")) {
        if (num_parse_u64(span_trim(line), 0, UINT64_MAX, &p->length) != MOG_OK)
            return false;
        p->has_length = true;
    } else if (span_is_nocase(name, "Connection") && span_is_nocase(span_trim(line), "close")) {
        p->closes = true;
    } else if (span_is_nocase(name, "Transfer-Encoding")) {
        return false; /* storage nodes send files as they are */
    }
    return true;
}

/* "HTTP/1.1 201 Created", and the headers. */
static bool parse_head(struct reply_parser *p, struct span head)
{
    struct span line;
    uint64_t status;
    if (!span_split(&head, '\n', &line) || line.len < 12 || !span_starts(line, "HTTP/1.") ||
        num_parse_u64(span_make(line.ptr + 9, 3), 200, 599, &status) != MOG_OK)
        return false;
    p->closes = line.ptr[7] == '0';
    while (span_split(&head, '\n', &line)) {
        line = span_trim(line);
        if (line.len > 0 && !parse_header(p, line))
            return false;
    }
    p->status = (int)status;
    if (p->status == 204 || p->status == 304) {
        p->has_length = true;
        p->length = 0;
    }
    p->closes = p->closes || !p->has_length;
    return true;
}

static enum reply_state add_body(struct reply_parser *p, size_t len)
{
    p->body_bytes += len;
    if (!p->has_length || p->body_bytes < p->length)
        return REPLY_MORE;
    return p->body_bytes == p->length ? REPLY_COMPLETE : REPLY_BROKEN;
}

static enum reply_state add_http(struct reply_parser *p, const char *data, size_t len)
{
    if (p->status != 0)
        return add_body(p, len);
    size_t old = p->held.len;
    buf_append(&p->held, data, len);
    size_t from = old > 3 ? old - 3 : 0;
    const char *end = memmem(p->held.data + from, p->held.len - from, "\r\n\r\n", 4);
    if (end == NULL)
        return p->held.len > HEAD_MAX_BYTES ? REPLY_BROKEN : REPLY_MORE;
    size_t head = (size_t)(end - p->held.data) + 4;
    if (!parse_head(p, span_make(p->held.data, head)))
        return REPLY_BROKEN;
    return add_body(p, p->held.len - head);
}

enum reply_state reply_add(struct reply_parser *p, const char *data, size_t len)
{
    return p->kind == REPLY_LINE ? add_line(p, data, len) : add_http(p, data, len);
}

enum reply_state reply_at_end(const struct reply_parser *p)
{
    return p->kind == REPLY_HTTP && p->status != 0 && !p->has_length ? REPLY_COMPLETE : REPLY_BROKEN;
}
