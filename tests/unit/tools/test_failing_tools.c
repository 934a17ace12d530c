/* SPDX-License-Identifier: MIT */
/*
 * What the tools are made of, with each call of the system below it failing in turn, and with trackers that close at
 * any byte of an answer: the error is told, nothing is half done, and asking again helps.
 */
#include "failing_calls.h"
#include "tracker/small_node.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/net.h"
#include "tools/big.h"
#include "tools/cluster.h"
#include "tools/fetch.h"
#include "tools/keysource.h"
#include "tools/savefile.h"
#include "tools/toolopt.h"
#include "tools/upload.h"

#define PATH "/dev1/0/000/000/0000000042.fid"
#define INFO "chunks 1\nsize 5\n\npart 1 bytes=5 md5=5d41402abc4b2a76b9719d911017c592 paths: x\n"

static char folder[] = "/tmp/mogtest-XXXXXX";
static struct small_node node;
static struct client *client;
static struct http_client *http;

static const char *in_folder(const char *name)
{
    static char paths[4][100];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    FILE *out = FAILING_REAL(fopen)(in_folder(name), "we");
    ck_assert_ptr_nonnull(out);
    ck_assert_int_ge(fputs(text, out), 0);
    ck_assert_int_eq(fclose(out), 0);
}

static bool holds(const char *name, const char *text)
{
    char got[200] = "";
    FILE *in = FAILING_REAL(fopen)(in_folder(name), "re");
    if (in == NULL)
        return false;
    size_t n = fread(got, 1, sizeof got - 1, in);
    fclose(in);
    return n == strlen(text) && strcmp(got, text) == 0;
}

static size_t files_in_folder(void)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return n;
}

/* ---- a tracker ---- */

static struct {
    int listener;
    uint16_t port;
    _Atomic bool is_over;
    _Atomic int cut_at; /* each answer ends after so many bytes; -1: never */
    pthread_t thread;
} tracker;

static const struct {
    const char *command, *answer; /* %u: the port of the node */
} answers[] = {
    {"get_paths ", "OK paths=1&path1=http%%3A//127.0.0.1%%3A%u" PATH "\r\n"},
    {"file_info ", "OK fid=42&domain=d&key=k&length=5&devcount=1&class=c&checksum=MD5:"
                   "5d41402abc4b2a76b9719d911017c592\r\n"},
    {"file_info domain=d&key=_big_info", "ERR unknown_key unknown_key\r\n"}, /* its length is not known */
    {"create_open ", "OK fid=42&dev_count=1&devid_1=1&path_1=http%%3A//127.0.0.1%%3A%u" PATH "\r\n"},
    {"create_close ", "OK \r\n"},
    {"delete ", "OK \r\n"},
    {"noop ", "OK \r\n"},
    {"list_keys ", "OK key_count=2&key_1=a&key_2=b&next_after=b\r\n"},
    {"get_hosts ", "OK hosts=1&host1_hostid=1&host1_hostname=h&host1_hostip=1.2.3.4&host1_http_port=1&"
                   "host1_status=alive\r\n"},
    {"get_devices ", "OK devices=1&dev1_devid=1&dev1_hostid=1&dev1_status=alive&dev1_weight=100\r\n"},
    {"get_domains ", "OK domains=1&domain1=d&domain1classes=1&domain1class1name=c&domain1class1mindevcount=2\r\n"},
    {"server_settings ", "OK key_count=1&key_1=a&value_1=b\r\n"},
    {"watch ", "OK \r\nfirst\r\nsecond\r\n"},
    {"!version", "2.73\r\n.\r\n"},
};

static void answer(int fd, const char *line)
{
    char text[500] = "ERR unknown_command Unknown+server+command\r\n";
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (strncmp(line, answers[i].command, strlen(answers[i].command)) == 0) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(text, sizeof text, answers[i].answer, node.port);
#pragma GCC diagnostic pop
        }
    }
    int cut = atomic_load(&tracker.cut_at);
    size_t len = strlen(text);
    bool is_cut = cut >= 0 && (size_t)cut < len;
    (void)!send(fd, text, is_cut ? (size_t)cut : len, MSG_NOSIGNAL);
    if (is_cut)
        (void)shutdown(fd, SHUT_RDWR);
}

static void *converse(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char line[2000];
    size_t have = 0;
    for (ssize_t n; (n = recv(fd, line + have, sizeof line - 1 - have, 0)) > 0;) {
        have += (size_t)n;
        line[have] = '\0';
        if (strchr(line, '\n') == NULL)
            continue;
        answer(fd, line);
        have = 0;
    }
    close(fd);
    return NULL;
}

static void *serve(void *arg)
{
    (void)arg;
    while (!atomic_load(&tracker.is_over)) {
        pthread_t id;
        int fd = accept(tracker.listener, NULL, NULL);
        if (fd >= 0 && pthread_create(&id, NULL, converse, (void *)(intptr_t)fd) == 0)
            pthread_detach(id);
    }
    return NULL;
}

static void start_tracker(void)
{
    struct mog_fail f = {0};
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    ck_assert_int_eq(net_listen("127.0.0.1", 0, &tracker.listener, &f), MOG_OK);
    ck_assert_int_eq(fcntl(tracker.listener, F_SETFL, 0), 0);
    ck_assert_int_eq(getsockname(tracker.listener, (struct sockaddr *)&at, &len), 0);
    tracker.port = ntohs(at.sin_port);
    atomic_store(&tracker.cut_at, -1);
    ck_assert_int_eq(pthread_create(&tracker.thread, NULL, serve, NULL), 0);
}

/* ---- one client for each try ---- */

static void make_client(void)
{
    const struct client_opts opts = {.connect_timeout_ms = 30000, .reply_timeout_ms = 30000};
    struct mog_fail f = {0};
    char trackers[40];
    snprintf(trackers, sizeof trackers, "127.0.0.1:%u", tracker.port);
    client = client_new(trackers, &opts, &f);
    ck_assert_ptr_nonnull(client);
    http = http_client_new("test");
}

static void free_client(void)
{
    client_free(client);
    http_client_free(http);
    client = NULL;
    http = NULL;
}

static enum mog_err (*wrapped)(struct mog_fail *f);
static enum mog_err with_new_client(struct mog_fail *f)
{
    make_client();
    enum mog_err e = wrapped(f);
    free_client();
    return e;
}

/* ---- what is asked ---- */

static enum mog_err request(const char *command, const char *name, const char *value, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    kv_add_str(&args, "domain", "d");
    enum mog_err e = client_request(client, command, &args, &a, f);
    ck_assert_msg((e == MOG_OK) == a.ok, "%s: %s", command, err_name(e));
    /* Never a part of an answer. */
    ck_assert(e != MOG_OK || name == NULL || strcmp(kv_str(&a.args, name, ""), value) == 0);
    client_answer_fini(&a);
    kv_fini(&args);
    return e;
}
static enum mog_err ask_noop(struct mog_fail *f)
{
    return request("noop", NULL, NULL, f);
}
static enum mog_err ask_info(struct mog_fail *f)
{
    return request("file_info", "checksum", "MD5:5d41402abc4b2a76b9719d911017c592", f);
}
static enum mog_err ask_delete(struct mog_fail *f)
{
    return request("delete", NULL, NULL, f);
}

static enum mog_err ask_version(struct mog_fail *f)
{
    struct buf out = BUF_ZERO;
    enum mog_err e = client_admin(client, "!version", &out, f);
    ck_assert(e != MOG_OK || strcmp(buf_cstr(&out), "2.73\n") == 0);
    buf_fini(&out);
    return e;
}

static enum mog_err watch(struct mog_fail *f)
{
    struct buf out = BUF_ZERO;
    enum mog_err e = client_admin(client, "!version", &out, f);
    buf_reset(&out);
    if (e == MOG_OK)
        e = request("watch", NULL, NULL, f); /* one line, and more to come */
    for (int i = 0; e == MOG_OK && i < 2; i++) {
        buf_reset(&out);
        e = client_read_line(client, 30000, &out, f);
        ck_assert(e != MOG_OK || strcmp(buf_cstr(&out), i == 0 ? "first" : "second") == 0);
    }
    buf_fini(&out);
    return e;
}

static enum mog_err list_page(struct mog_fail *f)
{
    struct buf after = BUF_ZERO;
    struct opt_list keys = {NULL, 0, 0};
    size_t n = 0;
    enum mog_err e = keysource_page(client, "d", span_of(""), 10, &after, keysource_collect, &keys, &n, f);
    ck_assert(e == MOG_OK ? n == 2 && keys.n == 2 && strcmp(buf_cstr(&after), "b") == 0 : n == 0 && keys.n == 0);
    buf_fini(&after);
    opt_list_fini(&keys);
    return e;
}

static enum mog_err load_cluster(struct mog_fail *f)
{
    struct cluster c = CLUSTER_ZERO;
    enum mog_err e = cluster_load_hosts(&c, client, f);
    if (e == MOG_OK)
        e = cluster_load_devices(&c, client, f);
    if (e == MOG_OK)
        e = cluster_load_domains(&c, client, f);
    if (e == MOG_OK)
        e = cluster_load_settings(&c, client, f);
    ck_assert(e != MOG_OK || (c.n_hosts == 1 && c.n_devices == 1 && c.n_domains == 1 && c.n_settings == 1));
    cluster_fini(&c);
    return e;
}

/* ---- files ---- */

static void put_file(void)
{
    small_empty(&node);
    small_put(&node, PATH, "hello", 5);
}

static bool into_buf(void *arg, const char *data, size_t len)
{
    buf_append(arg, data, len);
    return true;
}
static bool empty_buf(void *arg)
{
    buf_reset(arg);
    return true;
}

static enum mog_err fetch(struct mog_fail *f)
{
    struct buf got = BUF_ZERO;
    const struct fetch_opts opts = {.domain = "d", .key = span_of("k")};
    const struct fetch_sink sink = {.write = into_buf, .restart = empty_buf, .arg = &got};
    struct fetch_result r;
    enum mog_err e = fetch_run(client, http, &opts, &sink, &r, f);
    ck_assert(e != MOG_OK || strcmp(buf_cstr(&got), "hello") == 0);
    fetch_result_fini(&r);
    buf_fini(&got);
    return e;
}

static void empty_node(void)
{
    small_empty(&node);
}
static bool not_uploaded(void)
{
    return !small_has(&node, PATH, "hello");
}
static bool is_uploaded(void)
{
    return small_has(&node, PATH, "hello");
}
static enum mog_err upload(struct mog_fail *f)
{
    struct upload_source s;
    struct upload_result r;
    const struct upload_opts opts = {.domain = "d", .key = span_of("k"), .checksum = DIGEST_MD5};
    write_text("source", "hello");
    int fd = FAILING_REAL(open)(in_folder("source"), O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    enum mog_err e = upload_source_init(&s, fd, f);
    if (e == MOG_OK)
        e = upload_run(client, http, &s, &opts, &r, f);
    ck_assert(e != MOG_OK || (r.stage == UPLOAD_DONE && r.size == 5));
    upload_source_fini(&s);
    FAILING_REAL(close)(fd);
    return e;
}

static void begin_save(void)
{
    char command[80];
    snprintf(command, sizeof command, "rm -rf %s/* %s/.[a-z]*", folder, folder);
    ck_assert_int_eq(system(command), 0);
    write_text("file", "old");
}
static enum mog_err save(struct mog_fail *f)
{
    struct savefile s;
    enum mog_err e = savefile_init(&s, in_folder("file"), f);
    if (e == MOG_OK && (!savefile_write(&s, "wrong", 5) || !savefile_restart(&s) || !savefile_write(&s, "new", 3)))
        e = fail_set(f, MOG_EIO, "cannot write: %s", strerror(s.sys_errno));
    if (e == MOG_OK)
        e = savefile_commit(&s, f);
    savefile_fini(&s);
    return e;
}
static bool is_old(void)
{
    return holds("file", "old") && files_in_folder() == 1;
}
static bool is_new(void)
{
    return holds("file", "new") && files_in_folder() == 1;
}

/* ---- what mogtool is made of ---- */

static enum mog_err get_big(struct mog_fail *f)
{
    char url[100], md5[33], got[10] = "";
    uint64_t length = 0;
    int fd = big_temp_file(f);
    if (fd < 0)
        return f->code;
    snprintf(url, sizeof url, "http://127.0.0.1:%u" PATH, node.port);
    enum mog_err e = big_get(http, url, fd, &length, md5, f);
    int left = failing.at;
    failing.at = 0;
    ck_assert(e != MOG_OK || (length == 5 && strcmp(md5, "5d41402abc4b2a76b9719d911017c592") == 0 &&
                              pread(fd, got, 5, 0) == 5 && strcmp(got, "hello") == 0));
    close(fd);
    failing.at = left;
    return e;
}

static void put_info(void)
{
    small_empty(&node);
    small_put(&node, PATH, INFO, strlen(INFO));
}
static enum mog_err read_info(struct mog_fail *f)
{
    struct bigfile b;
    bigfile_init(&b);
    enum mog_err e = big_read_info(client, http, "d", "k", &b, f);
    ck_assert(e != MOG_OK || (b.n_parts == 1 && b.size == 5));
    bigfile_fini(&b);
    return e;
}

static enum mog_err ask_paths(struct mog_fail *f)
{
    struct opt_list paths = {NULL, 0, 0};
    bool unknown = true;
    enum mog_err e = big_paths(client, "d", "k", false, &paths, &unknown, f);
    ck_assert(!unknown && (e == MOG_OK) == (paths.n == 1));
    opt_list_fini(&paths);
    return e == MOG_OK ? big_delete_key(client, "d", "k", f) : e;
}

static enum mog_err spawn(struct mog_fail *f)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"[ \"$(cat)\" = hello ]", NULL};
    pid_t pid = 0;
    int fd = -1;
    enum mog_err e = big_spawn(argv, true, &pid, &fd, f);
    ck_assert((e == MOG_OK) == (fd >= 0));
    if (e != MOG_OK)
        return e;
    bool is_written = write(fd, "hello", 5) == 5;
    bool is_closed = close(fd) == 0;
    e = big_wait(pid, "sh", f);
    if (e == MOG_OK && !is_closed)
        e = fail_set(f, MOG_EIO, "cannot close");
    ck_assert(e != MOG_OK || is_written);
    return e;
}

/* ---- options ---- */

static void write_config(void)
{
    begin_save();
    write_text(".mogilefs.conf", "domain = here\n");
    setenv("HOME", folder, 1);
    unsetenv("MOGUTILSCONF");
}
static enum mog_err read_config(struct mog_fail *f)
{
    static const struct toolopt_def defs[] = {
        {"domain", 0, TOOLOPT_STRING, ""}, {"conf", 0, TOOLOPT_STRING, ""}, {NULL, 0, TOOLOPT_FLAG, NULL}};
    const struct toolopt_def *const tables[] = {defs, NULL};
    struct toolopt o = {0};
    struct opt_list rest = {NULL, 0, 0};
    char *argv[] = {NULL};
    ck_assert_int_eq(toolopt_parse(&o, tables, 0, argv, 0, &rest, f), MOG_OK);
    enum mog_err e = toolopt_read_config(&o, TOOLOPT_CLIENT, f);
    const char *domain = toolopt_text(&o, "domain");
    ck_assert(e != MOG_OK || (domain != NULL && strcmp(domain, "here") == 0));
    toolopt_fini(&o);
    opt_list_fini(&rest);
    return e;
}

/* ---- all of them ---- */

static const struct failing_case cases[] = {
    {"client_request, repeatable", NULL, ask_noop, NULL, NULL, 0},
    {"client_request, not repeatable", NULL, ask_delete, NULL, NULL, 0},
    {"client_admin", NULL, ask_version, NULL, NULL, 0},
    {"client_read_line", NULL, watch, NULL, NULL, 0},
    {"keysource_page", NULL, list_page, NULL, NULL, 0},
    {"cluster_load", NULL, load_cluster, NULL, NULL, 0},
    {"fetch_run", put_file, fetch, NULL, NULL, 0},
    {"upload_run", empty_node, upload, not_uploaded, is_uploaded, 0},
    {"savefile", begin_save, save, is_old, is_new, 0},
    {"big_get", put_file, get_big, NULL, NULL, 0},
    {"big_read_info", put_info, read_info, NULL, NULL, 0},
    {"big_paths, big_delete_key", NULL, ask_paths, NULL, NULL, 0},
    {"big_spawn, big_wait", NULL, spawn, NULL, NULL, 0},
    {"toolopt_read_config", write_config, read_config, NULL, NULL, 0},
};

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    small_start(&node);
    start_tracker();
}

static void tear_down(void)
{
    char command[80];
    atomic_store(&tracker.is_over, true);
    (void)shutdown(tracker.listener, SHUT_RDWR);
    pthread_join(tracker.thread, NULL);
    close(tracker.listener);
    small_stop(&node);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(every_call_fails_in_turn)
{
    struct failing_case c = cases[_i];
    set_up();
    wrapped = c.run;
    c.run = with_new_client;
    failing_each(&c);
    tear_down();
}
END_TEST

START_TEST(an_answer_may_end_anywhere)
{
    static enum mog_err (*const all[])(struct mog_fail *) = {ask_noop, ask_delete, ask_info,     ask_version,
                                                             watch,    list_page,  load_cluster, fetch};
    set_up();
    put_file();
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        enum mog_err e = MOG_ECLOSED;
        int cut = 0;
        for (; e != MOG_OK; cut++) {
            struct mog_fail f = {0};
            ck_assert_int_lt(cut, 400);
            atomic_store(&tracker.cut_at, cut);
            make_client();
            e = all[i](&f);
            ck_assert_msg(e == MOG_OK || e == MOG_ECLOSED, "%zu, cut at %d: %s: %s", i, cut, err_name(e), f.text);
            ck_assert_msg(e == MOG_OK || (f.code == e && f.text[0] != '\0'), "%zu, cut at %d: no reason is told", i,
                          cut);
            atomic_store(&tracker.cut_at, -1);
            ck_assert_msg(all[i](&f) == MOG_OK, "%zu, after it was cut at %d: %s", i, cut, f.text);
            free_client();
        }
        ck_assert_int_gt(cut, 4);
    }
    tear_down();
}
END_TEST

/* ---- signals ---- */

/* As a program begins, and not as the tests' library does. */
static void reset_signals(void)
{
    const struct rlimit none = {0, 0};
    for (int sig = 1; sig < 32; sig++)
        (void)signal(sig, SIG_DFL);
    (void)setrlimit(RLIMIT_CORE, &none);
}

static void begin_many(bool *ok)
{
    struct mog_fail f = {0};
    static struct savefile files[3];
    *ok = true;
    for (size_t i = 0; i < 3; i++) {
        char name[10];
        snprintf(name, sizeof name, "file%zu", i);
        *ok = *ok && savefile_init(&files[i], in_folder(name), &f) == MOG_OK && savefile_write(&files[i], "new", 3);
    }
    /* One of them is done, another given up: its place is free again. */
    *ok = *ok && savefile_commit(&files[0], &f) == MOG_OK;
    savefile_fini(&files[1]);
    *ok = *ok && savefile_init(&files[1], in_folder("file1"), &f) == MOG_OK;
}

static atomic_int n_umask;

/* Nobody may call it: who asks for the umask changes it, for what other threads make meanwhile too. */
mode_t umask(mode_t mask)
{
    atomic_fetch_add(&n_umask, 1);
    return (mode_t)syscall(SYS_umask, mask);
}

static unsigned mode_after_saving(const char *name)
{
    struct savefile s;
    struct mog_fail f = {0};
    struct stat st;
    ck_assert_int_eq(savefile_init(&s, in_folder(name), &f), MOG_OK);
    ck_assert_int_eq(fstat(s.fd, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07, 0);
    ck_assert_int_eq(savefile_commit(&s, &f), MOG_OK);
    savefile_fini(&s);
    ck_assert_int_eq(stat(in_folder(name), &st), 0);
    return st.st_mode & 07777;
}

START_TEST(modes_of_saved_files)
{
    set_up();
    begin_save();
    mode_t old = (mode_t)syscall(SYS_umask, 027);
    ck_assert_uint_eq(mode_after_saving("new"), 0640);
    ck_assert_int_eq(chmod(in_folder("file"), 0604), 0);
    ck_assert_uint_eq(mode_after_saving("file"), 0604);
    ck_assert_int_eq(atomic_load(&n_umask), 0);
    (void)syscall(SYS_umask, old);
    tear_down();
}
END_TEST

START_TEST(signals_leave_no_half_files)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#ifdef __SANITIZE_THREAD__
    return; /* it delivers signals in its own way, later */
#endif
    set_up();
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        int status = 0;
        begin_save();
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            bool ok;
            reset_signals();
            begin_many(&ok);
            if (ok)
                (void)raise(signals[i]);
            _exit(1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == signals[i], "ended with %d", status);
        ck_assert(holds("file", "old") && holds("file0", "new"));
        ck_assert_uint_eq(files_in_folder(), 2);
    }
    /* Who is told to ignore one goes on. */
    begin_save();
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        bool ok;
        reset_signals();
        (void)signal(SIGHUP, SIG_IGN);
        begin_many(&ok);
        (void)raise(SIGHUP);
        _exit(ok && files_in_folder() == 4 ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tear_down();
}
END_TEST

FAILING_MAIN("failing_tools", every_call_fails_in_turn, cases, an_answer_may_end_anywhere, modes_of_saved_files,
             signals_leave_no_half_files)
