/* SPDX-License-Identifier: MIT */
/* Bodies in chunks: the same however they are cut. */
#include "mogstored/http_chunked.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum { BODY_MAX = 64 };

struct result {
    enum chunked_event event;
    size_t body_len, used;
    char body[BODY_MAX];
};

/* Feed `text` in pieces of `piece` bytes, of which at most `bite` bytes of body are taken at a time. */
static struct result feed(struct chunked *c, const char *text, size_t len, size_t piece, size_t bite)
{
    struct result r = {.event = CHUNKED_MORE};
    *c = (struct chunked){0};
    for (size_t at = 0; at < len && (r.event == CHUNKED_MORE || r.event == CHUNKED_DATA);) {
        size_t used, n, end = at - at % piece + piece;
        r.event = chunked_next(c, text + at, (end < len ? end : len) - at, &used, &n);
        at += used;
        if (r.event == CHUNKED_DATA) {
            ck_assert_uint_gt(n, 0);
            n = n < bite ? n : bite;
            ck_assert_uint_le(r.body_len + n, sizeof r.body);
            memcpy(r.body + r.body_len, text + at, n);
            r.body_len += n;
            chunked_took(c, n);
            at += n;
        }
        r.used = at;
    }
    return r;
}

static const struct {
    const char *text;
    enum chunked_event event;
    const char *body;
    const char *md5; /* NULL: none */
} bodies[] = {
    {"0\r\n\r\n", CHUNKED_END, "", NULL},
    {"5\r\nhello\r\n0\r\n\r\n", CHUNKED_END, "hello", NULL},
    {"5\nhello\n0\n\n", CHUNKED_END, "hello", NULL},
    {"005;a=b;c=\"d\"\r\nhello\r\nA;x\r\n0123456789\r\n0;end\r\n\r\n", CHUNKED_END, "hello0123456789", NULL},
    {"5 \r\nhello\r\n0\r\n\r\n", CHUNKED_END, "hello", NULL},
    {"1\r\nx\r\n0\r\nA: b\r\ncontent-MD5:  abc= \r\nContent-MD5: other\r\n\r\n", CHUNKED_END, "x", "abc="},
    {"0\r\nContent-MD5:\r\n\r\n", CHUNKED_END, "", ""},
    {"0\r\nContent-MD5\r\n\r\n", CHUNKED_END, "", ""},
    {"5\r\nhel", CHUNKED_DATA, "hel", NULL},
    {"5\r\nhello\r\n0\r\n", CHUNKED_MORE, "hello", NULL},
    {"\r\n", CHUNKED_BAD, "", NULL},
    {"zz\r\n", CHUNKED_BAD, "", NULL},
    {"-5\r\n", CHUNKED_BAD, "", NULL},
    {"0x5\r\n", CHUNKED_BAD, "", NULL},
    {";a\r\n", CHUNKED_BAD, "", NULL},
    {"5\rhello\r\n", CHUNKED_BAD, "", NULL},
    {"5\r\r\nhello\r\n", CHUNKED_BAD, "", NULL},
    {"5\r\nhelloworld\r\n", CHUNKED_BAD, "hello", NULL},
    {"5\r\nhello\r\r\n", CHUNKED_BAD, "hello", NULL},
    {"8000000000000000\r\n", CHUNKED_TOO_LARGE, "", NULL},
    {"fffffffffffffffff\r\n", CHUNKED_TOO_LARGE, "", NULL},
};

static void check_body(size_t i, size_t piece, size_t bite)
{
    struct chunked c;
    struct result r = feed(&c, bodies[i].text, strlen(bodies[i].text), piece, bite);
    ck_assert_msg(r.event == bodies[i].event, "%s: %d", bodies[i].text, (int)r.event);
    ck_assert_uint_eq(r.body_len, strlen(bodies[i].body));
    ck_assert_mem_eq(r.body, bodies[i].body, r.body_len);
    ck_assert(c.has_md5 == (bodies[i].md5 != NULL));
    if (c.has_md5)
        ck_assert_str_eq(c.md5, bodies[i].md5);
}

START_TEST(test_bodies)
{
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        for (size_t piece = 1; piece <= strlen(bodies[i].text); piece++) {
            check_body(i, piece, 1);
            check_body(i, piece, BODY_MAX);
        }
    }
}
END_TEST

START_TEST(test_the_next_request_is_left_alone)
{
    struct chunked c;
    const char *text = "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    struct result r = feed(&c, text, strlen(text), strlen(text), BODY_MAX);
    ck_assert_int_eq(r.event, CHUNKED_END);
    ck_assert_str_eq(text + r.used, "GET / HTTP/1.1\r\n\r\n");
}
END_TEST

/* `prefix`, `n` times `filler`, `suffix`. */
static enum chunked_event feed_long(const char *prefix, size_t n, const char *filler, const char *suffix)
{
    struct chunked c = {0};
    size_t used, none;
    enum chunked_event e = chunked_next(&c, prefix, strlen(prefix), &used, &none);
    for (size_t i = 0; i < n && e == CHUNKED_MORE; i++)
        e = chunked_next(&c, filler, strlen(filler), &used, &none);
    return e == CHUNKED_MORE ? chunked_next(&c, suffix, strlen(suffix), &used, &none) : e;
}

START_TEST(test_endless_lines)
{
    ck_assert_int_eq(feed_long("0;", CHUNKED_EXTENSION_MAX - 1, "x", "\n\n"), CHUNKED_END);
    ck_assert_int_eq(feed_long("0;", CHUNKED_EXTENSION_MAX + 1, "x", "\n\n"), CHUNKED_BAD);
    ck_assert_int_eq(feed_long("0\n", CHUNKED_TRAILER_MAX / 8 - 1, "a: 345\r\n", "\r\n"), CHUNKED_END);
    ck_assert_int_eq(feed_long("0\n", CHUNKED_TRAILER_MAX / 8 + 1, "a: 345\r\n", "\r\n"), CHUNKED_BAD);
    ck_assert_int_eq(feed_long("0\n", CHUNKED_TRAILER_MAX + 1, "x", "\r\n\r\n"), CHUNKED_BAD);
    ck_assert_int_eq(feed_long("", 100000, "0", "\n\n"), CHUNKED_BAD);
}
END_TEST

UNIT_MAIN("http_chunked", test_bodies, test_the_next_request_is_left_alone, test_endless_lines)
