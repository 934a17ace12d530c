/* SPDX-License-Identifier: MIT */
/* Answers as they come in, in pieces of any size. */
#include "tools/bench_reply.h"

#include <string.h>

#include "unit.h"

#define HEAD_OK "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

/* Feed `text` in pieces of `piece` bytes; the state at its end, or REPLY_BROKEN. */
static enum reply_state feed(struct reply_parser *p, enum reply_kind kind, const char *text, size_t piece)
{
    size_t len = strlen(text);
    enum reply_state state = REPLY_MORE;
    reply_begin(p, kind);
    for (size_t at = 0; at < len && state == REPLY_MORE; at += piece) {
        state = reply_add(p, text + at, len - at < piece ? len - at : piece);
        if (state == REPLY_COMPLETE && at + piece < len)
            return REPLY_BROKEN;
    }
    return state;
}

static const struct {
    enum reply_kind kind;
    const char *text;
    enum reply_state state;
    int status;
    uint64_t body;
    bool closes;
} rows[] = {
    {REPLY_LINE, "OK a=b\r\n", REPLY_COMPLETE, 0, 0, false},
    {REPLY_LINE, "\n", REPLY_COMPLETE, 0, 0, false},
    {REPLY_LINE, "OK a=b", REPLY_MORE, 0, 0, false},
    {REPLY_LINE, "OK\r\nOK\r\n", REPLY_BROKEN, 0, 0, false},
    {REPLY_HTTP, HEAD_OK "12345", REPLY_COMPLETE, 200, 5, false},
    {REPLY_HTTP, HEAD_OK "1234", REPLY_MORE, 200, 4, false},
    {REPLY_HTTP, HEAD_OK "123456", REPLY_BROKEN, 200, 6, false},
    {REPLY_HTTP, "HTTP/1.1 201 Created\r\ncontent-length: 0\r\nConnection: Close\r\n\r\n", REPLY_COMPLETE, 201, 0,
     true},
    {REPLY_HTTP, "HTTP/1.0 404 Not Found\r\nContent-Length: 1\r\n\r\nx", REPLY_COMPLETE, 404, 1, true},
    {REPLY_HTTP, "HTTP/1.1 204 No Content\r\n\r\n", REPLY_COMPLETE, 204, 0, false},
    {REPLY_HTTP, "HTTP/1.1 200 OK\r\n\r\nabc", REPLY_MORE, 200, 3, true},
    {REPLY_HTTP, "HTTP/1.1 200 OK\r\n", REPLY_MORE, 0, 0, false},
    {REPLY_HTTP, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", REPLY_BROKEN, 0, 0, false},
    {REPLY_HTTP, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", REPLY_BROKEN, 0, 0, false},
    {REPLY_HTTP, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", REPLY_BROKEN, 0, 0, false},
    {REPLY_HTTP, "HTTP/1.1 200 OK\r\nno header\r\n\r\n", REPLY_BROKEN, 0, 0, false},
    {REPLY_HTTP, "HTTP/1.1 100 Continue\r\n\r\n", REPLY_BROKEN, 0, 0, false},
    {REPLY_HTTP, "SSH-2.0-OpenSSH_9.2\r\n\r\n", REPLY_BROKEN, 0, 0, false},
    {REPLY_HTTP, "\r\n\r\n", REPLY_BROKEN, 0, 0, false},
};

START_TEST(test_pieces)
{
    struct reply_parser p = {.kind = REPLY_LINE};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece <= strlen(rows[i].text); piece++) {
            enum reply_state state = feed(&p, rows[i].kind, rows[i].text, piece);
            ck_assert_msg(state == rows[i].state, "row %zu in pieces of %zu: state %d", i, piece, (int)state);
            if (state == REPLY_BROKEN)
                continue;
            ck_assert_msg(p.status == rows[i].status && p.body_bytes == rows[i].body && p.closes == rows[i].closes,
                          "row %zu in pieces of %zu: status %d", i, piece, p.status);
        }
    }
    reply_fini(&p);
}
END_TEST

START_TEST(test_line_is_whole)
{
    struct reply_parser p = {.kind = REPLY_LINE};
    for (size_t piece = 1; piece < 10; piece++) {
        ck_assert_int_eq(feed(&p, REPLY_LINE, "OK a=b\r\n", piece), REPLY_COMPLETE);
        ck_assert(span_is(p.line, "OK a=b"));
    }
    reply_fini(&p);
}
END_TEST

START_TEST(test_ends)
{
    struct reply_parser p = {.kind = REPLY_LINE};
    ck_assert_int_eq(feed(&p, REPLY_HTTP, "HTTP/1.1 200 OK\r\n\r\nabc", 4), REPLY_MORE);
    ck_assert_int_eq(reply_at_end(&p), REPLY_COMPLETE);
    ck_assert_int_eq(feed(&p, REPLY_HTTP, HEAD_OK "abc", 4), REPLY_MORE);
    ck_assert_int_eq(reply_at_end(&p), REPLY_BROKEN);
    ck_assert_int_eq(feed(&p, REPLY_LINE, "OK", 4), REPLY_MORE);
    ck_assert_int_eq(reply_at_end(&p), REPLY_BROKEN);
    ck_assert(reply_has_begun(&p));
    reply_begin(&p, REPLY_LINE);
    ck_assert(!reply_has_begun(&p));
    reply_fini(&p);
}
END_TEST

START_TEST(test_heads_have_a_limit)
{
    struct reply_parser p = {.kind = REPLY_LINE};
    enum reply_state state = REPLY_MORE;
    char block[1024];
    memset(block, 'x', sizeof block);
    reply_begin(&p, REPLY_HTTP);
    for (int i = 0; i < 100 && state == REPLY_MORE; i++)
        state = reply_add(&p, block, sizeof block);
    ck_assert_int_eq(state, REPLY_BROKEN);
    reply_fini(&p);
}
END_TEST

UNIT_MAIN("bench_reply", test_pieces, test_line_is_whole, test_ends, test_heads_have_a_limit)
