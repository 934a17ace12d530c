/* SPDX-License-Identifier: MIT */
/* Heads of requests: where they end, what they say, and what is refused. */
#include "mogstored/http_head.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* Parse a copy; the caller frees it. */
static int parse(const char *text, struct http_head *head, const char **refusal, char **copy)
{
    size_t line = 0, len = http_head_find(text, strlen(text), &line);
    ck_assert_uint_eq(len, strlen(text));
    *copy = strdup(text);
    return http_head_parse(*copy, len, head, refusal);
}

START_TEST(test_find)
{
    static const struct {
        const char *text;
        size_t len;
    } heads[] = {
        {"G / H\r\n\r\n", 9},
        {"G / H\n\nrest", 7},
        {"G / H\r\nA: b\r\n\r\nrest", 15},
        {"G / H\nA: b\n\r\n", 13},
        {"G / H\r\n", 0},
        {"G / H\r\n\r", 0},
        {"G / H\r\n \r\n", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        size_t line = 0, all = strlen(heads[i].text);
        ck_assert_uint_eq(http_head_find(heads[i].text, all, &line), heads[i].len);
        /* The same, byte by byte. */
        line = 0;
        size_t found = 0;
        for (size_t n = 0; n <= all && found == 0; n++)
            found = http_head_find(heads[i].text, n, &line);
        ck_assert_uint_eq(found, heads[i].len);
    }
}
END_TEST

START_TEST(test_hopeless)
{
    static const char *const hopeless[] = {
        "\x16\x03\x01", "x\r\n", "a(b c", " GET /", "\r\r", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHI", "GET\t/"};
    static const char *const may_be[] = {"", "G", "GET", "GET ", "GET / HT", "X-Y_Z / "};
    for (size_t i = 0; i < sizeof hopeless / sizeof hopeless[0]; i++)
        ck_assert_msg(http_head_is_hopeless(hopeless[i], strlen(hopeless[i])), "%s", hopeless[i]);
    for (size_t i = 0; i < sizeof may_be / sizeof may_be[0]; i++)
        ck_assert_msg(!http_head_is_hopeless(may_be[i], strlen(may_be[i])), "%s", may_be[i]);
}
END_TEST

static const struct {
    const char *text;
    int status;
    const char *refusal;
} refused[] = {
    {"GET /\r\n\r\n", 400, "bad request line"},
    {"GET  / HTTP/1.1\r\n\r\n", 400, "bad request line"},
    {"GET / HTTP/1.1 \r\n\r\n", 400, "bad request line"},
    {"GET / HTTP/11\r\n\r\n", 400, "bad request line"},
    {"GET / http/1.1\r\n\r\n", 400, "bad request line"},
    {"GET / HTTP/1.x\r\n\r\n", 400, "bad request line"},
    {"GET /a\rb HTTP/1.1\r\n\r\n", 400, "bad request line"},
    {"nonsense\r\n\r\n", 400, "bad request line"},
    {"GET / HTTP/2.0\r\n\r\n", 505, "this is HTTP/1.1"},
    {"GET / HTTP/0.9\r\n\r\n", 505, "this is HTTP/1.1"},
    {"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400, "bad header name"},
    {"GET / HTTP/1.1\r\n: b\r\n\r\n", 400, "bad header name"},
    {"GET / HTTP/1.1\r\nA b\r\n\r\n", 400, "bad header name"},
    {"GET / HTTP/1.1\r\nA\r\n\r\n", 400, "bad header name"},
    {"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400, "folded header"},
    {"GET / HTTP/1.1\r\n\tA: b\r\n\r\n", 400, "folded header"},
    {"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 400, "bad header value"},
    {"PUT / HTTP/1.1\r\nContent-Length: 5\r\ncontent-length: 6\r\n\r\n", 400, "more than one Content-Length"},
    {"PUT / HTTP/1.1\r\nContent-MD5: a\r\nContent-MD5: b\r\n\r\n", 400, "more than one Content-MD5"},
    {"PUT / HTTP/1.1\r\nContent-Range: bytes 0-1/*\r\nContent-Range: bytes 2-3/*\r\n\r\n", 400,
     "more than one Content-Range"},
    {"PUT / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", 400, "bad Content-Length"},
    {"PUT / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", 400, "bad Content-Length"},
    {"PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400, "bad Content-Length"},
    {"PUT / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", 400, "bad Content-Length"},
    {"PUT / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "Content-Length and Transfer-Encoding"},
    {"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "more than one Transfer-Encoding"},
    {"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "unknown Transfer-Encoding"},
    {"PUT / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", 501, "unknown Transfer-Encoding"},
};

START_TEST(test_refused)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct http_head head;
        const char *refusal = "";
        char *copy;
        ck_assert_int_eq(parse(refused[i].text, &head, &refusal, &copy), refused[i].status);
        ck_assert_str_eq(refusal, refused[i].refusal);
        ck_assert(!head.keeps_alive);
        free(copy);
    }
}
END_TEST

static const struct {
    const char *text;
    bool is_1_0, keeps_alive;
} kept[] = {
    {"GET / HTTP/1.1\r\n\r\n", false, true},
    {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false, false},
    {"GET / HTTP/1.1\r\nConnection: TE, Close\r\n\r\n", false, false},
    {"GET / HTTP/1.1\r\nConnection: TE\r\nConnection: close\r\n\r\n", false, false},
    {"GET / HTTP/1.1\r\nConnection: Keep-Alive, TE\r\n\r\n", false, true},
    {"GET / HTTP/1.1\r\nConnection: closed\r\n\r\n", false, true},
    {"GET / HTTP/1.9\r\n\r\n", false, true},
    {"GET / HTTP/1.0\r\n\r\n", true, false},
    {"GET / HTTP/1.0\nConnection: Keep-Alive, keep-alive\n\n", true, true},
    {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", true, false},
};

START_TEST(test_kept)
{
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        struct http_head head;
        const char *refusal = "";
        char *copy;
        ck_assert_int_eq(parse(kept[i].text, &head, &refusal, &copy), 0);
        ck_assert_int_eq(head.is_1_0, kept[i].is_1_0);
        ck_assert_int_eq(head.keeps_alive, kept[i].keeps_alive);
        free(copy);
    }
}
END_TEST

START_TEST(test_all_of_it)
{
    struct http_head head;
    const char *refusal = "";
    char *copy;
    ck_assert_int_eq(parse("PUT //dev1/a?b HTTP/1.1\r\nHOST: x\r\nA_b:\r\nRange:  bytes=1-2 \t\r\nContent-Length:7\r\n"
                           "expect: 100-Continue\r\nRange: bytes=3-4\r\nContent-Length: 7\r\nTrailer: \r\n\r\n",
                           &head, &refusal, &copy),
                     0);
    ck_assert_str_eq(head.method, "PUT");
    ck_assert_str_eq(head.target, "//dev1/a?b");
    ck_assert_uint_eq(head.target_len, strlen("//dev1/a?b"));
    ck_assert_str_eq(head.fields[FIELD_RANGE], "bytes=1-2");
    ck_assert_str_eq(head.fields[FIELD_TRAILER], "");
    ck_assert_ptr_null(head.fields[FIELD_IF_RANGE]);
    ck_assert(head.has_length && head.has_expect && !head.is_chunked);
    ck_assert_uint_eq(head.length, 7);
    free(copy);
    ck_assert_int_eq(parse("PUT / HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n", &head, &refusal, &copy), 0);
    ck_assert(head.is_chunked && !head.has_length && !head.has_expect);
    free(copy);
}
END_TEST

UNIT_MAIN("http_head", test_find, test_hopeless, test_refused, test_kept, test_all_of_it)
