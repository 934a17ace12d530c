/* SPDX-License-Identifier: MIT */
/*
 * The gateway with each call of the system below it failing in turn: whoever reads a file has its bytes, or knows that
 * he has not; the next one has them; and no descriptor is left.
 */
#include "failing_calls.h"
#include "store/plain_sql.h"
#include "tracker/harness.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/devpath.h"
#include "common/log.h"
#include "common/net.h"
#include "store/store_run.h"
#include "tracker/job/jobs.h"
#include "tracker/net/server.h"
#include "tracker/web/web.h"
#include "tracker/web/web_origin.h"
#include "tracker/web/web_source.h"

enum {
    SMALL_FID = 101,
    LARGE_FID = 102,
    SMALL_LEN = 1000,
    LARGE_LEN = 700 << 10,
    POINTS_MAX = 600,
    PATIENCE_MS = 30000
};

/* ---- the files, which a process of its own serves ---- */

static char pattern[LARGE_LEN];
static pid_t server_pid;
static uint16_t node_port;

static void make_pattern(void)
{
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (char)(i * 7 + i / 251);
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static void serve_one(int fd)
{
    char head[4096], answer[200];
    size_t have = 0;
    while (have < sizeof head - 1) {
        ssize_t n = recv(fd, head + have, sizeof head - 1 - have, 0);
        if (n <= 0)
            return;
        have += (size_t)n;
        head[have] = '\0';
        if (strstr(head, "\r\n\r\n") != NULL)
            break;
    }
    char small[40];
    snprintf(small, sizeof small, "%010d.fid", SMALL_FID);
    unsigned long len = strstr(head, small) != NULL ? SMALL_LEN : LARGE_LEN, first = 0, last = len - 1;
    const char *range = strstr(head, "Range: bytes=");
    if (range != NULL)
        (void)sscanf(range, "Range: bytes=%lu-%lu", &first, &last);
    int n = snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: %lu\r\nConnection: close\r\n\r\n",
                     range != NULL ? "206 Partial Content" : "200 OK", last + 1 - first);
    send_all(fd, answer, (size_t)n);
    if (strncmp(head, "HEAD ", 5) != 0)
        send_all(fd, pattern + first, last + 1 - first);
}

static void *serve_thread(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct timeval limit = {.tv_sec = 30};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    serve_one(fd);
    close(fd);
    return NULL;
}

static void start_node(void)
{
    struct mog_fail f = {0};
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int listener = -1;
    make_pattern();
    ck_assert_int_eq(net_listen("127.0.0.1", 0, &listener, &f), MOG_OK);
    ck_assert_int_eq(fcntl(listener, F_SETFL, 0), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    node_port = ntohs(at.sin_port);
    server_pid = fork();
    ck_assert_int_ge(server_pid, 0);
    while (server_pid == 0) {
        pthread_t id;
        int fd = accept(listener, NULL, NULL);
        if (getppid() == 1)
            _exit(0);
        if (fd >= 0 && pthread_create(&id, NULL, serve_thread, (void *)(intptr_t)fd) == 0)
            pthread_detach(id);
    }
    close(listener);
}

static void stop_node(void)
{
    kill(server_pid, SIGKILL);
    ck_assert_int_eq(waitpid(server_pid, NULL, 0), server_pid);
}

/* ---- a copy that is read by ourselves ---- */

static void url_of(char *out, size_t size, uint32_t devid, uint64_t fid)
{
    char path[DEVPATH_MAX];
    devpath_format(path, devid, fid);
    snprintf(out, size, "http://127.0.0.1:%u%s", node_port, path);
}

static enum mog_err read_source(uint64_t fid, uint64_t first, uint64_t end, uint64_t length, struct mog_fail *f)
{
    static char urls[2][CLUSTER_URL_MAX], got[LARGE_LEN];
    struct web_source s = {.client = http_client_new("test"),
                           .urls = urls,
                           .n = 2,
                           .length = length,
                           .first = first,
                           .end = end,
                           .connect_timeout_ms = PATIENCE_MS};
    char modified[64] = "";
    size_t have = 0, n = 1;
    url_of(urls[0], sizeof urls[0], 1, fid);
    url_of(urls[1], sizeof urls[1], 2, fid);
    enum mog_err e = web_source_open(&s, modified, f);
    while (e == MOG_OK && n > 0) {
        e = web_source_read(&s, got + have, sizeof got - have, &n, f);
        have += n;
    }
    web_source_close(&s);
    http_client_free(s.client);
    ck_assert_msg(have <= end - first && memcmp(got, pattern + first, have) == 0, "other bytes");
    ck_assert(e != MOG_OK || have == end - first);
    return e;
}
static enum mog_err read_whole(struct mog_fail *f)
{
    return read_source(SMALL_FID, 0, SMALL_LEN, SMALL_LEN, f);
}
static enum mog_err read_part(struct mog_fail *f)
{
    return read_source(LARGE_FID, 100, 50000, LARGE_LEN, f);
}

static enum mog_err read_head(struct mog_fail *f)
{
    static char urls[2][CLUSTER_URL_MAX];
    struct web_source s = {.client = http_client_new("test"),
                           .urls = urls,
                           .n = 2,
                           .length = SMALL_LEN,
                           .connect_timeout_ms = PATIENCE_MS};
    char modified[64] = "";
    url_of(urls[0], sizeof urls[0], 1, SMALL_FID);
    url_of(urls[1], sizeof urls[1], 2, SMALL_FID);
    enum mog_err e = web_source_head(&s, modified, f);
    http_client_free(s.client);
    return e;
}

static enum mog_err open_origin(struct mog_fail *f)
{
    char url[CLUSTER_URL_MAX], modified[WEB_ORIGIN_DATE_MAX], got[100];
    url_of(url, sizeof url, 1, LARGE_FID);
    const struct web_origin o = {
        .url = url, .first = 5000, .end = LARGE_LEN, .length = LARGE_LEN, .connect_timeout_ms = PATIENCE_MS};
    int fd = -1;
    enum mog_err e = web_origin_open(&o, &fd, modified, f);
    failing.at = 0;
    ck_assert((e == MOG_OK) == (fd >= 0));
    if (e == MOG_OK) {
        ck_assert_int_eq(net_wait(fd, POLLIN, deadline_in(PATIENCE_MS)), MOG_OK);
        ssize_t n = recv(fd, got, sizeof got, 0);
        ck_assert_msg(n > 0 && memcmp(got, pattern + 5000, (size_t)n) == 0, "the body does not begin where it should");
        close(fd);
    }
    return e;
}

/* ---- the listener as a whole ---- */

static struct harness stage;
static struct event_base *base;
static struct server *server;
static struct jobs *jobs;

static void sql(const char *text)
{
    struct store *st = store_new(stage.env, STORE_CLIENT);
    fixture_sql(st, text, NULL);
    store_free(st);
}

static void set_up(void)
{
    static const struct server_ops no_ops;
    struct mog_fail f = {0};
    char line[100];
    failing_is_spared = true;
    ck_assert_int_eq(log_open("test", LOG_SINK_FILE, "/dev/null", &f), MOG_OK);
    start_node();
    harness_start(&stage);
    snprintf(line, sizeof line, "update_host host=h1&port=%u", node_port);
    harness_must(&stage, line);
    harness_must(&stage, "create_device devid=3&hostname=h1");
    sql("INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (101, 1, 'small', 1000, 0, 2), "
        "(102, 1, 'large', 716800, 0, 2)");
    sql("INSERT INTO file_on (fid, devid) VALUES (101, 1), (101, 3), (102, 1), (102, 3)");
    ck_assert_int_eq(cluster_box_refresh(stage.box, PATIENCE_MS), MOG_OK);
    base = event_base_new();
    server = server_new(base, &stage.shared, &no_ops);
    log_set_hook(NULL, NULL);
    const struct jobs_config config = {.env = stage.env, .box = stage.box, .nodes = stage.nodes, .hostname = "here"};
    jobs = jobs_new(&config);
}

static struct web *start_web(struct mog_fail *f, uint16_t *port)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    struct web *web = NULL;
    int fd = -1, left = failing.at;
    char domain[] = "d";
    struct web_config config = {.gateway = WEB_GATEWAY_PROXY, .threads = 2};
    const struct web_parts parts = {
        .cmd = &stage.shared, .jobs = jobs, .server = server, .hostname = "here", .name = "here:1"};
    failing.at = 0;
    opt_list_add(&config.domains, domain);
    ck_assert_int_eq(net_listen("127.0.0.1", 0, &fd, f), MOG_OK);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    failing.at = left;
    enum mog_err e = web_start(&parts, &config, fd, &web, f);
    failing.at = 0;
    ck_assert((e == MOG_OK) == (web != NULL));
    ck_assert_msg(e == MOG_OK || close(fd) == 0, "the listening socket stays the caller's");
    opt_list_fini(&config.domains);
    return web;
}

/* How a request ended. */
enum outcome { WHOLE, CUT, REFUSED };

static enum outcome judge(const char *got, size_t len, size_t wanted)
{
    const char *body = memmem(got, len, "\r\n\r\n", 4);
    char length[40];
    if (body == NULL)
        return CUT;
    body += 4;
    if (strncmp(got, "HTTP/1.1 5", 10) == 0)
        return REFUSED;
    ck_assert_msg(strncmp(got, "HTTP/1.1 200 ", 13) == 0, "%.60s", got);
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", wanted);
    ck_assert_msg(memmem(got, (size_t)(body - got), length, strlen(length)) != NULL, "%.*s", (int)(body - got), got);
    size_t n = (size_t)(got + len - body);
    ck_assert_msg(n <= wanted && memcmp(body, pattern, n) == 0, "other bytes than those of the file");
    return n == wanted ? WHOLE : CUT;
}

/* An answer of a text: whole, or not. */
static enum outcome judge_text(const char *got, size_t len, const char *wanted)
{
    const char *body = memmem(got, len, "\r\n\r\n", 4), *length = memmem(got, len, "Content-Length: ", 16);
    if (body == NULL || length == NULL || length > body ||
        (size_t)(got + len - body) < 4 + strtoul(length + 16, NULL, 10))
        return CUT;
    if (strncmp(got, "HTTP/1.1 5", 10) == 0)
        return REFUSED;
    ck_assert_msg(memmem(body, (size_t)(got + len - body), wanted, strlen(wanted)) != NULL, "%.*s", (int)len, got);
    return WHOLE;
}

/* `wanted`: so many bytes of the pattern; 0: a text with the length of the pattern's file in it. */
static enum outcome ask(uint16_t port, const char *target, size_t wanted)
{
    static char got[LARGE_LEN + 4096];
    struct mog_fail f = {0};
    char request[200];
    size_t have = 0;
    int fd = -1;
    ck_assert_int_eq(net_connect("127.0.0.1", port, deadline_in(PATIENCE_MS), &fd, &f), MOG_OK);
    int n =
        snprintf(request, sizeof request, "GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    (void)!net_write_all(fd, request, (size_t)n, deadline_in(PATIENCE_MS));
    for (ssize_t more = 1; more > 0 && have < sizeof got;) {
        ck_assert_msg(net_wait(fd, POLLIN, deadline_in(2 * PATIENCE_MS)) == MOG_OK,
                      "it is never answered after %s failed", atomic_load(&failing_elsewhere.call));
        more = recv(fd, got + have, sizeof got - have, 0);
        have += more > 0 ? (size_t)more : 0;
    }
    close(fd);
    return wanted != 0 ? judge(got, have, wanted) : judge_text(got, have, "\"fid\":101");
}

static void wait_descriptors(size_t before, const char *what, int at, const char *call)
{
    bool is_left = true;
    for (int i = 0; i < 3000 && is_left; i++) {
        is_left = failing_descriptors() > before;
        if (is_left)
            (void)poll(NULL, 0, 10);
    }
    ck_assert_msg(!is_left, "%s, %d (%s) failed: a descriptor is left", what, at, call);
}

static void fail_everywhere(const char *key, size_t wanted)
{
    struct mog_fail f = {0};
    uint16_t port = 0;
    struct web *web = start_web(&f, &port);
    /* What stays open: connections to nodes, and of the pool's threads to the database. */
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(ask(port, key, wanted), WHOLE);
    size_t before = failing_descriptors() + 4;
    unsigned outcomes[3] = {0};
    const char *call = "";
    int at = 1;
    for (; call != NULL && at < POINTS_MAX; at++) {
        failing_begin_elsewhere(at);
        enum outcome o = ask(port, key, wanted);
        call = failing_end_elsewhere();
        ck_assert_msg(o == WHOLE || call != NULL, "%s is not answered as a whole, and nothing failed", key);
        outcomes[o]++;
        o = ask(port, key, wanted);
        ck_assert_msg(o == WHOLE, "%s, after %d (%s) failed: the next answer is %s", key, at, call,
                      o == CUT ? "cut" : "an error");
        wait_descriptors(before, key, at, call);
    }
    printf("%s: %d calls; %u whole, %u cut, %u refused\n", key, at - 2, outcomes[WHOLE], outcomes[CUT],
           outcomes[REFUSED]);
    ck_assert_int_gt(at, 10);
    ck_assert_ptr_null(call);
    web_stop(web);
}

static enum mog_err start_and_ask(struct mog_fail *f)
{
    uint16_t port = 0;
    struct web *web = start_web(f, &port);
    if (web == NULL)
        return f->code;
    ck_assert_int_eq(ask(port, "d/small", SMALL_LEN), WHOLE);
    ck_assert_int_eq(ask(port, "d/large", LARGE_LEN), WHOLE);
    web_stop(web);
    return MOG_OK;
}

static void tear_down(void)
{
    node_shared_stop(stage.nodes);
    jobs_stop(jobs);
    server_free(server);
    event_base_free(base);
    harness_stop(&stage);
    stop_node();
}

static const struct failing_case cases[] = {
    {"web_source, a file", NULL, read_whole, NULL, NULL, 0},
    {"web_source, a part", NULL, read_part, NULL, NULL, 0},
    {"web_source_head", NULL, read_head, NULL, NULL, 0},
    {"web_origin_open", NULL, open_origin, NULL, NULL, 0},
};

START_TEST(every_call_fails_in_turn)
{
    struct mog_fail f = {0};
    ck_assert_int_eq(log_open("test", LOG_SINK_FILE, "/dev/null", &f), MOG_OK);
    start_node();
    failing_each(&cases[_i]);
    stop_node();
}
END_TEST

START_TEST(it_starts_or_says_why)
{
    const struct failing_case c = {"web_start", NULL, start_and_ask, NULL, NULL, 0};
    set_up();
    failing_each(&c);
    tear_down();
}
END_TEST

START_TEST(small_files)
{
    set_up();
    fail_everywhere("d/small", SMALL_LEN);
    tear_down();
}
END_TEST

START_TEST(large_files)
{
    set_up();
    fail_everywhere("d/large", LARGE_LEN);
    tear_down();
}
END_TEST

START_TEST(what_is_known_of_a_file)
{
    set_up();
    fail_everywhere("api/why?domain=d&key=small", 0);
    tear_down();
}
END_TEST

FAILING_MAIN("failing_web", every_call_fails_in_turn, cases, it_starts_or_says_why, small_files, large_files,
             what_is_known_of_a_file)
