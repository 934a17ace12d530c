/* SPDX-License-Identifier: MIT */
/*
 * Hand-over, and becoming a daemon, with each call of the system below them failing in turn: the old process goes on
 * serving, whoever waits is told, and no descriptor is left.
 */
#include "failing_calls.h"

#include <grp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "common/daemon.h"
#include "common/handover.h"
#include "common/log.h"
#include "common/net.h"
#include "unit.h"

enum { CALLS_MAX = 100, EXIT_FAILED = 3, EXIT_READY = 0 };

FAILING(int, initgroups, -1, EPERM, (const char *user, gid_t group), (user, group))
FAILING(int, setgid, -1, EPERM, (gid_t group), (group))
FAILING(int, setuid, -1, EAGAIN, (uid_t user), (user))

static int listener = -1, channel[2] = {-1, -1};

/* ---- handover_start ---- */

static void begin_serving(void)
{
    struct mog_fail f = {0};
    if (listener < 0)
        ck_assert_int_eq(net_listen("127.0.0.1", 0, &listener, &f), MOG_OK);
}

/* The old process can still accept. */
static bool still_serves(void)
{
    struct sockaddr_in at;
    struct mog_fail f = {0};
    socklen_t len = sizeof at;
    int client = -1;
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    ck_assert_int_eq(net_connect("127.0.0.1", ntohs(at.sin_port), deadline_in(30000), &client, &f), MOG_OK);
    ck_assert_int_eq(net_wait(listener, POLLIN, deadline_in(30000)), MOG_OK);
    int fd = accept(listener, NULL, NULL);
    bool serves = fd >= 0;
    close(fd);
    close(client);
    return serves;
}

static enum handover_answer answer_of(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 30000), 1);
    return handover_answer(fd);
}

/* A new process that takes the place at once. */
static enum mog_err start(struct mog_fail *f)
{
    char script[] = "[ \"$LISTEN_PID\" = $$ ] && [ -S /dev/fd/3 ] && printf R >&4; exec sleep 60";
    char *argv[] = {(char *)"sh", (char *)"-c", script, NULL};
    const struct handover_offer offer = {.argv = argv, .folder = "/", .fds = &listener, .n = 1, .lock_fd = -1};
    int pid = 0, answer = -1;
    enum mog_err e = handover_start(&offer, &pid, &answer, f);
    failing.at = 0;
    ck_assert((e == MOG_OK) == (answer >= 0) && (e == MOG_OK) == (pid > 0));
    if (e != MOG_OK)
        return e;
    enum handover_answer got = answer_of(answer);
    handover_abandon(pid);
    close(answer);
    return got == HANDOVER_TAKEN ? MOG_OK : fail_set(f, MOG_ECLOSED, "it has ended before it served");
}

START_TEST(the_old_process_goes_on)
{
    const struct failing_case c = {"handover_start", begin_serving, start, still_serves, NULL, 0};
    failing_each(&c);
    /* What fails in the new process is known by its end. */
    size_t before = failing_descriptors();
    int n = 1;
    for (enum mog_err e = MOG_EIO; e != MOG_OK; n++) {
        struct mog_fail f = {0};
        ck_assert_int_lt(n, CALLS_MAX);
        failing.in_child = n;
        e = start(&f);
        failing.in_child = 0;
        ck_assert(e == MOG_OK || e == MOG_ECLOSED);
        ck_assert_msg(failing_descriptors() == before, "a descriptor is left after %d", n);
        ck_assert(still_serves());
    }
    ck_assert_msg(n > 6, "only %d calls of the new process fail", n);
    close(listener);
}
END_TEST

/* ---- single connections ---- */

static void open_channel(void)
{
    for (int i = 0; i < 2; i++)
        if (channel[i] >= 0)
            close(channel[i]);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, channel), 0);
}

/* The error, when this call fails so the first time. */
static enum mog_err give_with(int err)
{
    failing_begin(1, err);
    enum mog_err e = handover_give(channel[0], STDIN_FILENO, "C", 1);
    ck_assert_str_eq(failing_end(), "sendmsg");
    return e;
}

static enum mog_err receive_with(int err)
{
    char data[4];
    size_t len = 0;
    int fd = -1;
    failing_begin(1, err);
    enum mog_err e = handover_receive(channel[1], &fd, data, sizeof data, &len);
    ck_assert_str_eq(failing_end(), "recvmsg");
    ck_assert((e == MOG_OK) == (fd >= 0));
    if (fd >= 0)
        close(fd);
    return e;
}

START_TEST(connections_stay_with_us_when_they_cannot_be_given)
{
    open_channel();
    size_t before = failing_descriptors();
    static const int full[] = {EAGAIN, ENOBUFS, ETOOMANYREFS}, broken[] = {EPIPE, ECONNRESET, EMSGSIZE, ENOMEM, EBADF};
    for (size_t i = 0; i < sizeof full / sizeof full[0]; i++)
        ck_assert_int_eq(give_with(full[i]), MOG_ETIMEOUT);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        ck_assert_int_eq(give_with(broken[i]), MOG_ECLOSED);
    ck_assert_int_eq(receive_with(EAGAIN), MOG_ENOTFOUND);
    ck_assert_int_eq(receive_with(ECONNRESET), MOG_ECLOSED);
    ck_assert_int_eq(receive_with(ENOMEM), MOG_ECLOSED);
    /* A signal is no reason. */
    ck_assert_int_eq(give_with(EINTR), MOG_OK);
    ck_assert_int_eq(receive_with(EINTR), MOG_OK);
    ck_assert_int_eq(receive_with(EINTR), MOG_ENOTFOUND);
    ck_assert_uint_eq(failing_descriptors(), before);
}
END_TEST

static void send_descriptors(int n, size_t len)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control = {0};
    char data[100] = {0};
    struct iovec iov = {.iov_base = data, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN((size_t)n * sizeof(int))};
    memset(CMSG_DATA(c), 0, (size_t)n * sizeof(int)); /* standard input, n times */
    ck_assert_int_eq(sendmsg(channel[0], &msg, 0), (ssize_t)len);
}

START_TEST(what_is_none_of_ours_is_closed)
{
    char data[4];
    size_t len = 0;
    int fd = -1;
    open_channel();
    size_t before = failing_descriptors();
    for (int n = 1; n <= 4; n++) {
        send_descriptors(n, n == 1 ? sizeof data + 1 : 1); /* one, but more about it than we take */
        ck_assert_int_eq(handover_receive(channel[1], &fd, data, sizeof data, &len), MOG_ECLOSED);
        ck_assert_int_eq(fd, -1);
        ck_assert_msg(failing_descriptors() == before, "%d descriptors came, and some are left", n);
    }
    send_descriptors(1, sizeof data);
    ck_assert_int_eq(handover_receive(channel[1], &fd, data, sizeof data, &len), MOG_OK);
    ck_assert_uint_eq(len, sizeof data);
    close(fd);
}
END_TEST

START_TEST(an_answer_that_cannot_be_read_is_none)
{
    open_channel();
    failing_begin(1, EINTR);
    ck_assert_int_eq(handover_answer(channel[0]), HANDOVER_WAITING);
    ck_assert_str_eq(failing_end(), "read");
    failing_begin(1, EIO);
    ck_assert_int_eq(handover_answer(channel[0]), HANDOVER_FAILED);
    ck_assert_str_eq(failing_end(), "read");
}
END_TEST

/* ---- what was inherited ---- */

static enum mog_err inherit(struct mog_fail *f)
{
    struct handover h;
    char text[40];
    int at = failing.at, pair[2];
    failing.at = 0;
    int fds[] = {fcntl(listener, F_DUPFD, 20), fcntl(listener, F_DUPFD, 20)};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    snprintf(text, sizeof text, "%d,%d", fds[0], fds[1]);
    setenv("TEST_FDS", text, 1);
    snprintf(text, sizeof text, "%d", pair[0]);
    setenv("MOGILEFS_HANDOVER", text, 1);
    failing.at = at;
    enum mog_err e = handover_inherit(&h, "TEST_FDS", f);
    at = failing.at;
    failing.at = 0;
    ck_assert(e != MOG_OK || (h.n == 2 && h.is_successor));
    for (size_t i = 0; e == MOG_OK && i < h.n; i++)
        ck_assert(fcntl(h.fds[i], F_GETFD) & FD_CLOEXEC && fcntl(h.fds[i], F_GETFL) & O_NONBLOCK);
    handover_fini(&h);
    /* What was not taken ends with the process. */
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(pair[i]);
    }
    failing.at = at;
    return e;
}

START_TEST(what_cannot_be_looked_at_is_not_inherited)
{
    const struct failing_case c = {"handover_inherit", begin_serving, inherit, still_serves, NULL, 0};
    failing_each(&c);
    close(listener);
}
END_TEST

/* ---- the log ---- */

static char folder[] = "/tmp/mogtest-XXXXXX", old_log[60], new_log[60];

static bool has_line(const char *path, const char *text)
{
    char got[400] = "";
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, got, sizeof got - 1) : 0;
    close(fd);
    return n > 0 && strstr(got, text) != NULL;
}

static void open_old_log(void)
{
    struct mog_fail f = {0};
    unlink(old_log);
    unlink(new_log);
    ck_assert_int_eq(log_open("test", LOG_SINK_FILE, old_log, &f), MOG_OK);
}
static enum mog_err open_new_log(struct mog_fail *f)
{
    enum mog_err e = log_open("test", LOG_SINK_FILE, new_log, f);
    failing.at = 0;
    log_err("a line");
    return e;
}
static bool logs_to_old(void)
{
    return has_line(old_log, "a line") && !has_line(new_log, "a line");
}
static bool logs_to_new(void)
{
    return has_line(new_log, "a line");
}
static void rotate_log(void)
{
    open_old_log();
    ck_assert_int_eq(rename(old_log, new_log), 0);
}
static enum mog_err reopen_log(struct mog_fail *f)
{
    log_reopen();
    failing.at = 0;
    log_err("a line");
    return has_line(old_log, "a line") ? MOG_OK : fail_set(f, MOG_EIO, "it logs to the file that was moved");
}

START_TEST(a_log_is_never_without_a_file)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(old_log, sizeof old_log, "%s/old", folder);
    snprintf(new_log, sizeof new_log, "%s/new", folder);
    const struct failing_case open_case = {"log_open", open_old_log, open_new_log, logs_to_old, logs_to_new, 0};
    failing_each(&open_case);
    const struct failing_case reopen_case = {"log_reopen", rotate_log, reopen_log, logs_to_new, NULL, 0};
    failing_each(&reopen_case);
    unlink(old_log);
    unlink(new_log);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* ---- daemons ---- */

/* As a program does; in a process of its own. */
static _Noreturn void run_daemon(void)
{
    struct mog_fail f = {0};
    pid_t first = getpid();
    int at = failing.at;
    failing.at = 0;
    size_t before = failing_descriptors();
    failing.at = at;
    enum mog_err e = daemon_detach(&f);
    failing.at = 0;
    if (e != MOG_OK && getpid() == first && failing_descriptors() != before)
        _exit(EXIT_FAILED + 2);
    if (e != MOG_OK)
        _exit(f.code == e && f.text[0] != '\0' ? EXIT_FAILED : EXIT_FAILED + 1);
    daemon_ready();
    _exit(EXIT_READY);
}

/* No file gets the number of a stream that was closed, and nothing is read or written there. */
static _Noreturn void run_without_streams(void)
{
    char byte = 'x';
    failing.at = 0;
    for (int fd = 0; fd <= 2; fd++)
        (void)close(fd);
    daemon_open_streams();
    int fd = open("/dev/null", O_RDWR);
    bool ok = fd > 2 && read(0, &byte, 1) < 0 && write(1, &byte, 1) < 0 && write(2, &byte, 1) < 0;
    (void)close(1);
    daemon_open_streams();
    _exit(ok && fcntl(1, F_GETFD) == 0 && write(1, &byte, 1) < 0 ? EXIT_READY : EXIT_FAILED);
}

static _Noreturn void run_as_nobody(void)
{
    struct mog_fail f = {0};
    enum mog_err e = daemon_become("nobody", &f);
    const char *call = failing_end();
    if (e == MOG_OK)
        _exit(call == NULL && getuid() != 0 ? EXIT_READY : EXIT_FAILED + 1);
    _exit(f.code == e && f.text[0] != '\0' && call != NULL ? EXIT_FAILED : EXIT_FAILED + 1);
}

static int status_of(void (*run)(void), int first, int next)
{
    int status = -1;
    failing.in_child = first;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        failing.in_child = next;
        run();
    }
    failing.in_child = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Each of its processes in turn: whoever started the first one learns of it. */
START_TEST(a_daemon_that_does_not_start_is_seen)
{
    /* A pipe, a process; one more; "/". */
    ck_assert_int_eq(status_of(run_daemon, 0, 0), EXIT_READY);
    ck_assert_int_eq(status_of(run_daemon, 1, 0), EXIT_FAILED);
    ck_assert_int_eq(status_of(run_daemon, 2, 0), EXIT_FAILED);
    /* From here the first process only waits. */
    int n = 1;
    while (status_of(run_daemon, 0, n) != EXIT_READY)
        ck_assert_int_lt(++n, CALLS_MAX);
    ck_assert_int_gt(n, 1);
}
END_TEST

START_TEST(closed_streams_are_no_holes)
{
    ck_assert_int_eq(status_of(run_without_streams, 0, 0), EXIT_READY);
}
END_TEST

START_TEST(no_half_of_a_user)
{
    if (geteuid() != 0)
        return;
    int n = 1;
    for (int status = -1; status != EXIT_READY; n++) {
        status = status_of(run_as_nobody, n, 0);
        ck_assert_msg(status == EXIT_READY || status == EXIT_FAILED, "call %d: %d", n, status);
    }
    ck_assert_int_gt(n, 3);
}
END_TEST

UNIT_MAIN("failing_processes", the_old_process_goes_on, connections_stay_with_us_when_they_cannot_be_given,
          what_is_none_of_ours_is_closed, an_answer_that_cannot_be_read_is_none,
          what_cannot_be_looked_at_is_not_inherited, a_log_is_never_without_a_file,
          a_daemon_that_does_not_start_is_seen, closed_streams_are_no_holes, no_half_of_a_user)
