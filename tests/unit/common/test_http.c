/* SPDX-License-Identifier: MIT */
/* Tests of HTTP exchanges against a server that says exactly what each test wants. */
#include "common/http.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/net.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the server does: for each request of each connection, send the answer; then close, or wait for the next. */
struct server {
    const char *answer;    /* NULL: none, the request is left waiting */
    int requests_per_conn; /* then it closes */
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_int connections, requests;
    atomic_bool stop;
    pthread_mutex_t lock;
    struct buf got; /* all that clients sent */
};

static bool read_some(struct server *s, int fd, struct buf *in)
{
    while (!s->stop) {
        if (net_wait(fd, POLLIN, deadline_in(10)) != MOG_OK)
            continue;
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n <= 0)
            return false;
        buf_append(in, chunk, (size_t)n);
        pthread_mutex_lock(&s->lock);
        buf_append(&s->got, chunk, (size_t)n);
        pthread_mutex_unlock(&s->lock);
        return true;
    }
    return false;
}

/* One request with its body (by Content-Length, or chunked). */
static bool read_request(struct server *s, int fd)
{
    struct buf in = BUF_ZERO;
    bool whole = false;
    while (!whole && read_some(s, fd, &in)) {
        const char *end = strstr(buf_cstr(&in), "\r\n\r\n");
        if (end == NULL)
            continue;
        size_t head = (size_t)(end - in.data) + 4;
        const char *length = strcasestr(in.data, "content-length:");
        if (strcasestr(in.data, "transfer-encoding: chunked") != NULL)
            whole = in.len >= 5 && strcmp(in.data + in.len - 5, "0\r\n\r\n") == 0;
        else
            whole = in.len >= head + (length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0);
    }
    buf_fini(&in);
    return whole;
}

static void *serve(void *arg)
{
    struct server *s = arg;
    while (!s->stop) {
        if (net_wait(s->fd, POLLIN, deadline_in(10)) != MOG_OK)
            continue;
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            continue;
        s->connections++;
        for (int i = 0; i < s->requests_per_conn && read_request(s, fd); i++) {
            s->requests++;
            if (s->answer != NULL)
                (void)!write(fd, s->answer, strlen(s->answer));
            while (s->answer == NULL && !s->stop)
                clock_sleep_ms(5);
        }
        close(fd);
    }
    return NULL;
}

static void start(struct server *s, const char *answer, int requests_per_conn)
{
    struct mog_fail f = {.code = MOG_OK};
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    *s = (struct server){.answer = answer, .requests_per_conn = requests_per_conn};
    pthread_mutex_init(&s->lock, NULL);
    ck_assert_int_eq(net_listen("127.0.0.1", 0, &s->fd, &f), MOG_OK);
    ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&sa, &len), 0);
    s->port = ntohs(sa.sin_port);
    pthread_create(&s->thread, NULL, serve, s);
}

static void stop(struct server *s)
{
    s->stop = true;
    pthread_join(s->thread, NULL);
    close(s->fd);
    buf_fini(&s->got);
}

static char url[100];

static struct http_request request(const struct server *s, const char *method)
{
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/dev1/x", s->port);
    return (struct http_request){.method = method, .url = url};
}

static bool collect(void *arg, const char *data, size_t len)
{
    buf_append(arg, data, len);
    return true;
}

static bool refuse(void *arg, const char *data, size_t len)
{
    (void)arg, (void)data, (void)len;
    return false;
}

START_TEST(getting)
{
    struct server s;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: test/1\r\n\r\nhello", 10);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    struct buf body = BUF_ZERO;
    for (int i = 0; i < 3; i++) {
        struct http_request r = request(&s, "GET");
        struct http_answer a;
        buf_reset(&body);
        r.write = collect;
        r.write_arg = &body;
        ck_assert_msg(http_exchange(c, &r, &a, &f) == MOG_OK, "%s", f.text);
        ck_assert_int_eq(a.status, 200);
        ck_assert_int_eq(a.content_length, 5);
        ck_assert_uint_eq(a.received, 5);
        ck_assert_str_eq(a.server, "test/1");
        ck_assert_int_eq(a.reused, i > 0);
        ck_assert_str_eq(buf_cstr(&body), "hello");
    }
    ck_assert_int_eq(s.connections, 1);
    ck_assert(strncmp(buf_cstr(&s.got), "GET /dev1/x HTTP/1.1\r\n", 22) == 0);
    http_client_free(c);
    buf_fini(&body);
    stop(&s);
}
END_TEST

START_TEST(a_kept_connection_that_was_closed)
{
    struct server s;
    start(&s, "HTTP/1.1 204 No Content\r\n\r\n", 1);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    for (int i = 0; i < 5; i++) {
        struct http_request r = request(&s, "DELETE");
        struct http_answer a;
        ck_assert_msg(http_exchange(c, &r, &a, &f) == MOG_OK, "%s", f.text);
        ck_assert_int_eq(a.status, 204);
    }
    ck_assert_int_eq(s.requests, 5);
    http_client_free(c);
    stop(&s);
}
END_TEST

START_TEST(other_statuses_are_answers)
{
    struct server s;
    start(&s, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope", 10);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    struct buf body = BUF_ZERO;
    struct http_request r = request(&s, "GET");
    struct http_answer a;
    r.write = collect;
    r.write_arg = &body;
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_OK);
    ck_assert_int_eq(a.status, 404);
    ck_assert_uint_eq(body.len, 0);
    http_client_free(c);
    stop(&s);
}
END_TEST

START_TEST(head_has_no_body)
{
    struct server s;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 123456789012\r\n\r\n", 10);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    for (int i = 0; i < 2; i++) {
        struct http_request r = request(&s, "HEAD");
        struct http_answer a;
        r.nobody_wanted = true;
        r.total_timeout_ms = 10000;
        ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_OK);
        ck_assert(a.content_length == 123456789012);
    }
    ck_assert_int_eq(s.connections, 1);
    http_client_free(c);
    stop(&s);
}
END_TEST

struct source {
    size_t left;
    bool fail;
};

static ssize_t give(void *arg, char *out, size_t cap)
{
    struct source *src = arg;
    if (src->fail)
        return -1;
    size_t n = src->left < cap ? src->left : cap;
    memset(out, 'z', n);
    src->left -= n;
    return (ssize_t)n;
}

START_TEST(putting)
{
    struct server s;
    start(&s, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 10);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    static const char *const headers[] = {"Content-MD5: abc=", NULL};
    struct http_request r = request(&s, "PUT");
    struct http_answer a;
    r.headers = headers;
    r.body = span_of("small");
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_OK);
    ck_assert_int_eq(a.status, 201);
    ck_assert(strcasestr(buf_cstr(&s.got), "\r\nContent-Length: 5\r\n") != NULL);
    ck_assert(strstr(buf_cstr(&s.got), "\r\nContent-MD5: abc=\r\n") != NULL);
    ck_assert(strcasestr(buf_cstr(&s.got), "expect:") == NULL);
    struct source src = {.left = 1 << 20};
    r = request(&s, "PUT");
    r.read = give;
    r.read_arg = &src;
    r.body_length = 1 << 20;
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_OK);
    ck_assert_int_eq(a.status, 201);
    src.left = 100000;
    r.body_length = -1;
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_OK);
    ck_assert(strcasestr(buf_cstr(&s.got), "Transfer-Encoding: chunked") != NULL);
    ck_assert_int_eq(s.requests, 3);
    ck_assert_uint_gt(s.got.len, (1 << 20) + 100000);
    http_client_free(c);
    stop(&s);
}
END_TEST

START_TEST(no_body_is_a_body_of_nothing)
{
    struct server s;
    start(&s, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 10);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    struct http_request r = request(&s, "PUT");
    struct http_answer a;
    r.body = span_of("");
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_OK);
    ck_assert(strcasestr(buf_cstr(&s.got), "\r\nContent-Length: 0\r\n") != NULL);
    http_client_free(c);
    stop(&s);
}
END_TEST

START_TEST(aborts)
{
    struct server s;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 10);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    struct http_request r = request(&s, "GET");
    struct http_answer a;
    r.write = refuse;
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_ECANCELED);
    struct source src = {.fail = true};
    r = request(&s, "PUT");
    r.read = give;
    r.read_arg = &src;
    r.body_length = 10;
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_ECANCELED);
    r = request(&s, "GET");
    r.max_body = 4;
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_ETOOLONG);
    ck_assert(f.text[0] != '\0');
    http_client_free(c);
    stop(&s);
}
END_TEST

START_TEST(a_body_that_breaks_off)
{
    struct server s;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", 1);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    struct http_request r = request(&s, "GET");
    struct http_answer a;
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_ECLOSED);
    http_client_free(c);
    stop(&s);
}
END_TEST

START_TEST(no_answer)
{
    struct server s;
    start(&s, "", 1);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    struct http_request r = request(&s, "GET");
    struct http_answer a;
    ck_assert_int_ne(http_exchange(c, &r, &a, &f), MOG_OK);
    ck_assert_int_eq(a.status, 0);
    http_client_free(c);
    stop(&s);
}
END_TEST

START_TEST(deadlines)
{
    struct server s;
    start(&s, NULL, 1);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    for (int i = 0; i < 2; i++) {
        struct http_request r = request(&s, "GET");
        struct http_answer a;
        if (i == 0)
            r.total_timeout_ms = 300;
        else
            r.first_byte_timeout_ms = 300;
        int64_t begin = clock_mono_ms();
        ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_ETIMEOUT);
        ck_assert_int_ge(clock_mono_ms() - begin, 250);
        ck_assert_int_lt(clock_mono_ms() - begin, 8000);
    }
    http_client_free(c);
    stop(&s);
}
END_TEST

START_TEST(nobody_listens)
{
    struct server s;
    start(&s, "", 1);
    struct http_request r = request(&s, "GET");
    stop(&s);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    struct http_answer a;
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_ECONN);
    ck_assert_int_eq(a.status, 0);
    ck_assert(f.text[0] != '\0');
    http_client_free(c);
}
END_TEST

START_TEST(streams)
{
    struct server s;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", 10);
    struct http_client *c = http_client_new("agent/1");
    struct mog_fail f = {.code = MOG_OK};
    for (int early = 0; early < 2; early++) {
        struct http_request r = request(&s, "GET");
        struct http_answer a;
        char chunk[4], all[11] = "";
        size_t n = 0, len = 0;
        ck_assert_msg(http_open(c, &r, &a, &f) == MOG_OK, "%s", f.text);
        ck_assert_int_eq(a.status, 200);
        ck_assert_int_eq(a.content_length, 10);
        do {
            ck_assert_int_eq(http_read(c, chunk, sizeof(chunk), &n, &f), MOG_OK);
            memcpy(all + len, chunk, n);
            len += n;
        } while (n != 0 && !early);
        if (!early)
            ck_assert_str_eq(all, "0123456789");
        http_close(c);
    }
    struct http_request r = request(&s, "GET");
    struct http_answer a;
    ck_assert_int_eq(http_exchange(c, &r, &a, &f), MOG_OK);
    http_client_free(c);
    stop(&s);
}
END_TEST

UNIT_MAIN("http", getting, a_kept_connection_that_was_closed, other_statuses_are_answers, head_has_no_body, putting,
          no_body_is_a_body_of_nothing, aborts, a_body_that_breaks_off, no_answer, deadlines, nobody_listens, streams)
