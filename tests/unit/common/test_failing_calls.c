/* SPDX-License-Identifier: MIT */
/* Sockets, files and HTTP exchanges, with each call of the system below them failing in turn. */
#include "failing_calls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/daemon.h"
#include "common/handover.h"
#include "common/http.h"
#include "common/net.h"
#include "common/pool.h"

static char folder[] = "/tmp/mogtest-XXXXXX";
static uint16_t port;
static int listener;
static _Atomic bool is_over;

static const char *path_of(const char *name)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Answers every connection with the same, and closes it. */
static void *serve(void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    char request[2000];
    (void)arg;
    while (!atomic_load(&is_over)) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        struct timeval limit = {.tv_sec = 30};
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (recv(fd, request, sizeof request, 0) > 0)
            (void)send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

static enum mog_err listen_anew(struct mog_fail *f)
{
    int fd = -1;
    enum mog_err e = net_listen("127.0.0.1", 0, &fd, f);
    ck_assert((e == MOG_OK) == (fd >= 0));
    if (fd >= 0)
        FAILING_REAL(close)(fd);
    return e;
}

static enum mog_err connect_to(struct mog_fail *f)
{
    int fd = -1;
    enum mog_err e = net_connect("127.0.0.1", port, deadline_in(30000), &fd, f);
    ck_assert((e == MOG_OK) == (fd >= 0));
    if (fd >= 0)
        FAILING_REAL(close)(fd);
    return e;
}

static enum mog_err listen_inherited(struct mog_fail *f)
{
    struct handover h = {.lock_fd = -1, .ready_fd = -1};
    int fd = -1;
    enum mog_err e = handover_listen(&h, "127.0.0.1", 0, &fd, f);
    ck_assert((e == MOG_OK) == (fd >= 0));
    if (fd >= 0)
        FAILING_REAL(close)(fd);
    handover_fini(&h);
    return e;
}

static enum mog_err write_pidfile(struct mog_fail *f)
{
    return daemon_pidfile_write(path_of("pid"), f);
}
static bool is_written(void)
{
    char want[32], got[32] = "";
    snprintf(want, sizeof want, "%ld\n", (long)getpid());
    int fd = open(path_of("pid"), O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, got, sizeof got - 1) : -1;
    if (fd >= 0)
        close(fd);
    return n > 0 && strcmp(got, want) == 0;
}

static enum mog_err exchange(struct mog_fail *f)
{
    char url[60];
    struct http_client *c = http_client_new("test");
    struct http_answer a;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/x", port);
    const struct http_request r = {.method = "GET", .url = url, .total_timeout_ms = 30000};
    enum mog_err e = http_exchange(c, &r, &a, f);
    ck_assert(e != MOG_OK || (a.status == 200 && a.received == 5));
    http_client_free(c);
    return e;
}

static enum mog_err stream(struct mog_fail *f)
{
    char url[60], text[10];
    struct http_client *c = http_client_new("test");
    struct http_answer a;
    size_t n = 1, len = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/x", port);
    const struct http_request r = {.method = "GET", .url = url, .total_timeout_ms = 30000};
    enum mog_err e = http_open(c, &r, &a, f);
    if (e == MOG_OK) {
        while (e == MOG_OK && n > 0 && len < sizeof text) {
            e = http_read(c, text + len, sizeof text - len, &n, f);
            len += e == MOG_OK ? n : 0;
        }
        ck_assert(e != MOG_OK || (len == 5 && memcmp(text, "hello", 5) == 0));
        http_close(c);
    }
    http_client_free(c);
    return e;
}

/* ---- threads ---- */

static _Atomic unsigned items_done;

static void count_item(void *worker, void *item)
{
    (void)worker;
    (void)item;
    atomic_fetch_add(&items_done, 1);
}

/* What is handed in is done, however few threads there are; without any it is refused. */
static enum mog_err work(struct mog_fail *f)
{
    struct pool *p = pool_new(&(struct pool_ops){.name = "test", .work = count_item}, 0);
    atomic_store(&items_done, 0);
    pool_resize(p, 3);
    bool is_taken = pool_submit(p, NULL);
    ck_assert(is_taken || pool_running(p) == 0);
    for (int i = 0; is_taken && i < 3000 && atomic_load(&items_done) == 0; i++)
        (void)poll(NULL, 0, 10);
    ck_assert_uint_eq(atomic_load(&items_done), is_taken);
    pool_stop(p);
    return is_taken ? MOG_OK : fail_set(f, MOG_ETIMEOUT, "refused");
}

/* Threads that the system did not give are there when it gives some again, without anybody asking for them. */
START_TEST(missing_threads_come_later)
{
    struct pool *p = pool_new(&(struct pool_ops){.name = "test", .work = count_item}, 0);
    struct mog_fail f;
    failing_begin(1, 0);
    failing.lasts = true;
    pool_resize(p, 3);
    ck_assert(!pool_submit(p, NULL));
    ck_assert(!pool_submit(p, NULL));
    ck_assert_ptr_nonnull(failing_end());
    ck_assert(pool_submit(p, NULL));
    ck_assert_uint_eq(pool_running(p), 3);
    pool_stop(p);
    /* Some: the others are tried again after a while. */
    p = pool_new(&(struct pool_ops){.name = "test", .work = count_item}, 0);
    failing_begin(2, 0);
    pool_resize(p, 3);
    ck_assert_str_eq(failing_end(), "pthread_create");
    ck_assert_uint_eq(pool_running(p), 1);
    for (int i = 0; i < 3000 && pool_running(p) < 3; i++) {
        ck_assert(pool_submit(p, NULL));
        (void)poll(NULL, 0, 10);
    }
    ck_assert_uint_eq(pool_running(p), 3);
    pool_stop(p);
    ck_assert_int_eq(work(&f), MOG_OK);
}
END_TEST

static const struct failing_case cases[] = {
    {"net_listen", NULL, listen_anew, NULL, NULL, 0},
    {"net_connect", NULL, connect_to, NULL, NULL, 0},
    {"handover_listen", NULL, listen_inherited, NULL, NULL, 0},
    {"daemon_pidfile_write", NULL, write_pidfile, NULL, NULL, 0},
    {"http_exchange", NULL, exchange, NULL, NULL, 0},
    {"http_open", NULL, stream, NULL, NULL, 0},
    {"pool", NULL, work, NULL, NULL, 0},
};

START_TEST(every_call_fails_in_turn)
{
    struct mog_fail f = {0};
    pthread_t server;
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(net_listen("127.0.0.1", 0, &listener, &f), MOG_OK);
    ck_assert_int_eq(fcntl(listener, F_SETFL, 0), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    port = ntohs(at.sin_port);
    ck_assert_int_eq(pthread_create(&server, NULL, serve, NULL), 0);
    failing_each(&cases[_i]);
    ck_assert(cases[_i].run != write_pidfile || is_written());
    atomic_store(&is_over, true);
    ck_assert_int_eq(connect_to(&f), MOG_OK);
    pthread_join(server, NULL);
    close(listener);
    daemon_pidfile_remove(path_of("pid"));
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

FAILING_MAIN("failing_calls", every_call_fails_in_turn, cases, missing_threads_come_later)
