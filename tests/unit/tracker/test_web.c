/* SPDX-License-Identifier: MIT */
/* Of the HTTP listener what needs no network: targets, tags, names of hosts, ages of queues. */
#include "tracker/web/web_origin.h"
#include "tracker/web/web_priv.h"
#include "tracker/web/web_sampler.h"
#include "tracker/web/web_target.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static enum mog_err parse(const char *path, struct buf *domain, struct buf *key)
{
    buf_reset(domain);
    buf_reset(key);
    return web_target_parse(span_of(path), domain, key);
}

START_TEST(targets)
{
    static const struct {
        const char *path, *domain, *key; /* NULL: refused */
    } rows[] = {
        {"/d/k", "d", "k"},
        {"/d/a/b", "d", "a/b"},
        {"/d//abs/key", "d", "/abs/key"},
        {"/d/a%2Fb", "d", "a/b"},
        {"/d/a+b", "d", "a+b"},
        {"/d/..", "d", ".."},
        {"/d/../x", "d", "../x"},
        {"/%64%20e/%C3%A9.jpg", "d e", "\xc3\xa9.jpg"},
        {"/d/%25", "d", "%"},
        {"/d/a/", "d", "a/"},
        {"/d%2fe/k", "d/e", "k"},
        {"", NULL, NULL},
        {"/", NULL, NULL},
        {"//", NULL, NULL},
        {"/d", NULL, NULL},
        {"/d/", NULL, NULL},
        {"//k", NULL, NULL},
        {"d/k", NULL, NULL},
        {"/d/%", NULL, NULL},
        {"/d/%4", NULL, NULL},
        {"/d/%4g", NULL, NULL},
        {"/d/%-1", NULL, NULL},
        {"/%zz/k", NULL, NULL},
    };
    struct buf domain = BUF_ZERO, key = BUF_ZERO;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum mog_err e = parse(rows[i].path, &domain, &key);
        if (rows[i].key == NULL) {
            ck_assert_msg(e == MOG_ESYNTAX, "%s is accepted", rows[i].path);
            continue;
        }
        ck_assert_msg(e == MOG_OK, "%s is refused", rows[i].path);
        ck_assert_str_eq(buf_cstr(&domain), rows[i].domain);
        ck_assert_str_eq(buf_cstr(&key), rows[i].key);
    }
    buf_fini(&domain);
    buf_fini(&key);
}
END_TEST

START_TEST(every_byte)
{
    struct buf domain = BUF_ZERO, key = BUF_ZERO;
    for (unsigned c = 0; c < 256; c++) {
        char path[16];
        (void)snprintf(path, sizeof(path), "/d/%%%02x", c);
        ck_assert_int_eq(parse(path, &domain, &key), MOG_OK);
        ck_assert_uint_eq(key.len, 1);
        ck_assert_uint_eq((unsigned char)key.data[0], c);
    }
    buf_fini(&domain);
    buf_fini(&key);
}
END_TEST

START_TEST(queries)
{
    struct buf out = BUF_ZERO;
    ck_assert_int_eq(web_target_query(span_of("a=1&key=x+y%2B&b"), "key", &out), MOG_OK);
    ck_assert_str_eq(buf_cstr(&out), "x y+");
    buf_reset(&out);
    ck_assert_int_eq(web_target_query(span_of("b&key"), "key", &out), MOG_OK);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_int_eq(web_target_query(span_of("a=1"), "key", &out), MOG_ENOTFOUND);
    ck_assert_int_eq(web_target_query(span_of(""), "key", &out), MOG_ENOTFOUND);
    ck_assert_int_eq(web_target_query(span_of("key=%x"), "key", &out), MOG_ESYNTAX);
    buf_fini(&out);
}
END_TEST

START_TEST(media_types)
{
    ck_assert_str_eq(web_target_type(span_of("a/b.jpg")), "image/jpeg");
    ck_assert_str_eq(web_target_type(span_of("A.JPG")), "image/jpeg");
    ck_assert_str_eq(web_target_type(span_of("x.tar.gz")), "application/gzip");
    ck_assert_str_eq(web_target_type(span_of("jpg")), "application/octet-stream");
    ck_assert_str_eq(web_target_type(span_of("a.jpg/b")), "application/octet-stream");
    ck_assert_str_eq(web_target_type(span_of("a.")), "application/octet-stream");
    ck_assert_str_eq(web_target_type(span_of("")), "application/octet-stream");
    ck_assert_str_eq(web_target_type(span_make("a.js\0n", 6)), "application/octet-stream");
}
END_TEST

START_TEST(tags)
{
    char etag[WEB_ETAG_SIZE];
    web_target_etag(etag, 255);
    ck_assert_str_eq(etag, "\"ff\"");
    web_target_etag(etag, UINT64_MAX);
    ck_assert_str_eq(etag, "\"ffffffffffffffff\"");
    ck_assert(web_target_matches("\"a\"", "\"a\""));
    ck_assert(web_target_matches("\"b\" , W/\"a\"", "\"a\""));
    ck_assert(web_target_matches("*", "\"a\""));
    ck_assert(!web_target_matches("\"b\"", "\"a\""));
    ck_assert(!web_target_matches("a", "\"a\""));
    ck_assert(!web_target_matches("", "\"a\""));
    ck_assert(!web_target_matches(NULL, "\"a\""));
}
END_TEST

START_TEST(host_names)
{
    char name[] = "files.example.org", *names[] = {name};
    struct opt_list list = {.items = names, .n = 1, .cap = 1};
    static const char *const good[] = {"127.0.0.1",
                                       "10.1.2.3:7002",
                                       "[::1]",
                                       "[fe80::1]:80",
                                       "localhost",
                                       "LocalHost:1",
                                       "t1",
                                       "t1.example.org",
                                       "T1:7002",
                                       "t1.example.org.",
                                       "files.example.org:80",
                                       "FILES.example.org"};
    static const char *const bad[] = {"",
                                      "evil.org",
                                      "t1.evil.org",
                                      "localhost.evil.org",
                                      "1.2.3",
                                      "1.2.3.4.5",
                                      "[::1",
                                      "[::1]x",
                                      "::1",
                                      "t1:",
                                      "t1:0",
                                      "t1:65536",
                                      "t1:80:80",
                                      " t1",
                                      "t1 ",
                                      "t",
                                      "[]",
                                      "[1.2.3.4]",
                                      ":80",
                                      "x.files.example.org",
                                      "example.org",
                                      "."};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(web_host_is_allowed(good[i], "t1.example.org", &list), "%s is refused", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!web_host_is_allowed(bad[i], "t1.example.org", &list), "'%s' is accepted", bad[i]);
    ck_assert(!web_host_is_allowed("x", "", &list));
}
END_TEST

static int64_t see(struct web_seen *seen, int64_t now, uint64_t first, uint64_t last, int64_t earliest)
{
    struct store_queue_sample q = {
        .now_unix_s = now, .first_new_fid = first, .last_new_fid = last, .earliest_unix_s = earliest};
    return web_seen_add(seen, &q);
}

START_TEST(ages)
{
    static struct web_seen seen;
    ck_assert_int_eq(see(&seen, 1000, 0, 0, 0), 0);
    ck_assert_int_eq(see(&seen, 1010, 5, 9, 0), 0);
    ck_assert_int_eq(see(&seen, 1020, 5, 12, 0), 10);
    /* 5 to 7 were taken; 8 was seen at 1010, 11 at 1020. */
    ck_assert_int_eq(see(&seen, 1030, 8, 20, 0), 20);
    ck_assert_int_eq(see(&seen, 1040, 11, 20, 0), 20);
    ck_assert_int_eq(see(&seen, 1050, 25, 30, 0), 0);
    ck_assert_int_eq(see(&seen, 1060, 0, 0, 0), 0);
    ck_assert_int_eq(see(&seen, 1070, 25, 30, 0), 0);
    /* Rows with a time of their own: due since then; not due yet. */
    ck_assert_int_eq(see(&seen, 1080, 25, 30, 500), 580);
    ck_assert_int_eq(see(&seen, 1090, 0, 0, 2000), 0);
    /* Older than all that is remembered. */
    for (int64_t t = 2000; t < 2000 + 10 * 1000; t += 10)
        ck_assert_int_eq(see(&seen, t, 40, 50, 0), t - 2000);
}
END_TEST

START_TEST(heads)
{
    struct web_origin_head h;
    ck_assert_int_eq(web_origin_parse(span_of("HTTP/1.1 206 Partial Content\r\ncontent-length:  12 \r\n"
                                              "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nX: y: z\r\n\r\n"),
                                      &h),
                     MOG_OK);
    ck_assert_int_eq(h.status, 206);
    ck_assert(h.has_length);
    ck_assert_uint_eq(h.length, 12);
    ck_assert_str_eq(h.last_modified, "Sun, 06 Nov 1994 08:49:37 GMT");
    ck_assert_int_eq(web_origin_parse(span_of("HTTP/1.0 404\n\n"), &h), MOG_OK);
    ck_assert_int_eq(h.status, 404);
    ck_assert(!h.has_length);
    static const char *const bad[] = {
        "",
        "\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 2000 x\r\n\r\n",
        "HTTP/1.1 2x0 x\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nLast-Modified: a\rX: y\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(web_origin_parse(span_of(bad[i]), &h) == MOG_EPROTO, "%s", bad[i]);
    ck_assert_int_eq(web_origin_parse(span_make("HTTP/1.1 200 OK\r\nLast-Modified: a\0b\r\n\r\n", 41), &h), MOG_EPROTO);
    /* Longer than a date can be: left out. */
    ck_assert_int_eq(
        web_origin_parse(span_of("HTTP/1.1 200 OK\r\nLast-Modified: 0123456789012345678901234567890123456789"
                                 "0123456789012345678901234567890123456789\r\n\r\n"),
                         &h),
        MOG_OK);
    ck_assert_str_eq(h.last_modified, "");
}
END_TEST

UNIT_MAIN("web", heads, targets, every_byte, queries, media_types, tags, host_names, ages)
