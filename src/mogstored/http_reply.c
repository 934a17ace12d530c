/* SPDX-License-Identifier: MIT */
/* The head that all answers have, and answers of one short line. */
#include "mogstored/http_request.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

static const struct {
    int status;
    const char *line;
} lines[] = {
    {200, "HTTP/1.1 200 OK\r\n"},
    {201, "HTTP/1.1 201 Created\r\n"},
    {204, "HTTP/1.1 204 No Content\r\n"},
    {206, "HTTP/1.1 206 Partial Content\r\n"},
    {304, "HTTP/1.1 304 Not Modified\r\n"},
    {400, "HTTP/1.1 400 Bad Request\r\n"},
    {403, "HTTP/1.1 403 Forbidden\r\n"},
    {404, "HTTP/1.1 404 Not Found\r\n"},
    {405, "HTTP/1.1 405 Method Not Allowed\r\n"},
    {409, "HTTP/1.1 409 Conflict\r\n"},
    {413, "HTTP/1.1 413 Content Too Large\r\n"},
    {414, "HTTP/1.1 414 URI Too Long\r\n"},
    {416, "HTTP/1.1 416 Range Not Satisfiable\r\n"},
    {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
    {500, "HTTP/1.1 500 Internal Server Error\r\n"},
    {501, "HTTP/1.1 501 Not Implemented\r\n"},
    {503, "HTTP/1.1 503 Service Unavailable\r\n"},
    {505, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
    {507, "HTTP/1.1 507 Insufficient Storage\r\n"},
};

char *reply_put(char *at, const char *text)
{
    return mempcpy(at, text, strlen(text));
}

char *reply_put_u64(char *at, uint64_t n)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

static char *put_status(char *at, int status)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (lines[i].status == status)
            return reply_put(at, lines[i].line);
    }
    at = reply_put(at, "HTTP/1.1 ");
    at = reply_put_u64(at, (uint64_t)status);
    return reply_put(at, " -\r\n");
}

/* Written anew once a second only. */
static const char *date(struct http_loop *l)
{
    int64_t now = clock_wall_s();
    if (now != l->date_s || l->date[0] == '\0') {
        httpdate_format(now, l->date);
        l->date_s = now;
    }
    return l->date;
}

/* HTTP_ANSWER_HEAD_BYTES are enough for all of it. */
static char *put_head(struct request *r, char *at, uint64_t length)
{
    struct connection *c = r->conn;
    c->closes = r->answer.closes || !r->head.keeps_alive || c->entry->is_surplus || atomic_load(&r->http->is_quiescing);
    at = put_status(at, r->answer.status);
    at = reply_put(at, "Date: ");
    at = reply_put(at, date(c->loop));
    /* Told outright, since clients of HTTP/1.0 age look for the word. */
    at = reply_put(at, c->closes ? "\r\nConnection: close\r\nServer: mogstored/" MOG_VERSION "\r\n"
                                 : "\r\nConnection: keep-alive\r\nServer: mogstored/" MOG_VERSION "\r\n");
    if (r->answer.status == 204)
        return at;
    at = reply_put(at, "Content-Length: ");
    at = reply_put_u64(at, length);
    return reply_put(at, "\r\n");
}

static char *put_line_headers(const struct request *r, char *at)
{
    const struct answer *a = &r->answer;
    if (a->text)
        at = reply_put(at, "Content-Type: text/plain\r\n");
    if (a->status == 503) {
        at = reply_put(at, "Retry-After: ");
        at = reply_put_u64(at, HTTP_RETRY_AFTER_S);
        at = reply_put(at, "\r\n");
    }
    if (a->status != 405 && !(r->method && r->method->begin == options_begin))
        return at;
    switch (r->conn->listener->port) {
    case HTTP_PORT_ALL:
        return reply_put(at, "Allow: GET, HEAD, PUT, DELETE, OPTIONS\r\n");
    case HTTP_PORT_READING:
        return reply_put(at, "Allow: GET, HEAD, OPTIONS\r\n");
    case HTTP_PORT_METRICS:
        return reply_put(at, "Allow: GET, HEAD\r\n");
    }
    return at;
}

void reply_answer(struct request *r)
{
    const struct answer *a = &r->answer;
    char head[HTTP_ANSWER_HEAD_BYTES], line[sizeof r->fail.text + 2] = "", *at;
    bool is_file = r->method && r->method->begin == get_begin && !a->text;
    r->is_answered = true;
    http_conn_enter(r->conn->entry, HTTP_PHASE_SEND);
    if (is_file) {
        at = reply_put(get_headers(r, put_head(r, head, get_length(r))), "\r\n");
        get_send(r, span_make(head, (size_t)(at - head)));
        return;
    }
    int n = a->text ? snprintf(line, sizeof line, "%s\n", a->text) : 0;
    size_t len = n < (int)sizeof line ? (size_t)n : sizeof line - 1;
    at = reply_put(put_line_headers(r, put_head(r, head, len)), "\r\n");
    if (r->method && r->method->is_head)
        len = 0;
    connection_send(r->conn, span_make(head, (size_t)(at - head)), line, len, false);
}
