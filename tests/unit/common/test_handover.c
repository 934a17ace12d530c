/* SPDX-License-Identifier: MIT */
/* Inheriting sockets, giving them to a new process, and giving single connections away. */
#include "common/handover.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/net.h"
#include "unit.h"

static int listening(uint16_t *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *port = ntohs(sa.sin_port);
    return fd;
}

static void set_number(const char *name, long value)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", value);
    setenv(name, text, 1);
}

START_TEST(test_nothing_is_inherited)
{
    struct handover h;
    struct mog_fail f;
    ck_assert_int_eq(handover_inherit(&h, NULL, &f), MOG_OK);
    ck_assert(h.n == 0 && !h.is_successor && h.ready_fd < 0 && h.lock_fd < 0);
    ck_assert_int_eq(handover_done(&h), -1);
    handover_fini(&h);
}
END_TEST

START_TEST(test_sockets_of_another_process_are_left_alone)
{
    struct handover h;
    struct mog_fail f;
    set_number("LISTEN_PID", (long)getpid() + 1);
    setenv("LISTEN_FDS", "7", 1);
    ck_assert_int_eq(handover_inherit(&h, NULL, &f), MOG_OK);
    ck_assert_uint_eq(h.n, 0);
    ck_assert_ptr_null(getenv("LISTEN_FDS"));
}
END_TEST

START_TEST(test_nonsense_is_refused)
{
    static const char *const lists[] = {"x", "3,", "3:4", "999", "-1", "99999999999", "0"};
    struct handover h;
    struct mog_fail f;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        setenv("TEST_FDS", lists[i], 1);
        ck_assert_msg(handover_inherit(&h, "TEST_FDS", &f) == MOG_EINVAL, "%s", lists[i]);
        ck_assert_ptr_nonnull(strstr(f.text, "TEST_FDS"));
        ck_assert_ptr_null(getenv("TEST_FDS"));
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        setenv("MOGILEFS_HANDOVER", lists[i], 1);
        ck_assert_msg(handover_inherit(&h, NULL, &f) == MOG_EINVAL, "%s", lists[i]);
        ck_assert(!h.is_successor);
    }
    static const char *const counts[] = {"x", "", "33", "-1"};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        set_number("LISTEN_PID", getpid());
        setenv("LISTEN_FDS", counts[i], 1);
        ck_assert_msg(handover_inherit(&h, NULL, &f) == MOG_EINVAL, "%s", counts[i]);
    }
}
END_TEST

START_TEST(test_listed_socket_is_used_where_it_is_bound)
{
    struct handover h;
    struct mog_fail f;
    uint16_t port, other_port;
    int fd = listening(&port), other = listening(&other_port), got = -1;
    char list[32];
    snprintf(list, sizeof list, "%d,%d", fd, other);
    setenv("TEST_FDS", list, 1);
    ck_assert_int_eq(handover_inherit(&h, "TEST_FDS", &f), MOG_OK);
    ck_assert_uint_eq(h.n, 2);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    ck_assert_int_eq(handover_listen(&h, "127.0.0.1", port, &got, &f), MOG_OK);
    ck_assert_int_eq(got, fd);
    /* The port is right, the address is not. */
    ck_assert_int_eq(handover_listen(&h, "127.0.0.2", other_port, &got, &f), MOG_OK);
    ck_assert_int_ne(got, other);
    close(got);
    ck_assert_uint_eq(h.n, 1);
    handover_close_rest(&h);
    ck_assert_uint_eq(h.n, 0);
    ck_assert_int_eq(fcntl(other, F_GETFD), -1);
    close(fd);
    handover_fini(&h);
}
END_TEST

static enum handover_answer wait_answer(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(handover_answer(fd), HANDOVER_WAITING);
    ck_assert_int_eq(poll(&p, 1, 30000), 1);
    return handover_answer(fd);
}

START_TEST(test_start)
{
    /* The descriptors lie where the protocol says, and the variables name this very process. */
    char script[] = "[ \"$LISTEN_PID\" = $$ ] && [ \"$LISTEN_FDS\" = 2 ] && [ \"$MOGILEFS_HANDOVER\" = 5,6 ] &&"
                    " [ -S /dev/fd/3 ] && [ -S /dev/fd/4 ] && [ -f /dev/fd/6 ] && sleep 0.2 &&"
                    " [ \"$PWD\" = /usr ] && printf R >&5";
    char *argv[] = {(char *)"sh", (char *)"-c", script, NULL};
    uint16_t port;
    int fds[2] = {listening(&port), listening(&port)}, answer, pid;
    char name[] = "/tmp/mogtest-XXXXXX";
    int lock = mkstemp(name);
    struct mog_fail f;
    unlink(name);
    for (int i = 0; i < 2; i++)
        (void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    (void)fcntl(lock, F_SETFD, FD_CLOEXEC);
    struct handover_offer offer = {.argv = argv, .folder = "/usr", .fds = fds, .n = 2, .lock_fd = lock};
    ck_assert_int_eq(handover_start(&offer, &pid, &answer, &f), MOG_OK);
    ck_assert_int_eq(wait_answer(answer), HANDOVER_TAKEN);
    handover_abandon(pid);
    close(answer);
    close(lock);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(test_start_that_fails)
{
    char script[] = "sleep 0.2; exit 1";
    char *argv[] = {(char *)"sh", (char *)"-c", script, NULL};
    char *missing[] = {(char *)"no-such-program-anywhere", NULL};
    struct handover_offer offer = {.argv = argv, .folder = "/", .lock_fd = -1};
    int answer = -1, pid = 0;
    struct mog_fail f;
    ck_assert_int_eq(handover_start(&offer, &pid, &answer, &f), MOG_OK);
    ck_assert_int_eq(wait_answer(answer), HANDOVER_FAILED);
    handover_abandon(pid);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    close(answer);
    offer.argv = missing;
    ck_assert_int_eq(handover_start(&offer, &pid, &answer, &f), MOG_ENOTFOUND);
}
END_TEST

START_TEST(test_connections_are_given)
{
    int channel[2], pair[2], got = -1;
    char data[64], byte = 0;
    size_t len = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, channel), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_eq(handover_receive(channel[1], &got, data, sizeof data, &len), MOG_ENOTFOUND);
    ck_assert_int_eq(handover_give(channel[0], pair[0], "Chalf", 5), MOG_OK);
    close(pair[0]);
    ck_assert_int_eq(handover_receive(channel[1], &got, data, sizeof data, &len), MOG_OK);
    ck_assert_uint_eq(len, 5);
    ck_assert_int_eq(memcmp(data, "Chalf", 5), 0);
    ck_assert(fcntl(got, F_GETFD) & FD_CLOEXEC);
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
    ck_assert_int_eq(read(got, &byte, 1), 1);
    ck_assert_int_eq(byte, 'x');
    /* A message without a descriptor ends it: it is none of ours. */
    ck_assert_int_eq(send(channel[0], "C", 1, 0), 1);
    ck_assert_int_eq(handover_receive(channel[1], &got, data, sizeof data, &len), MOG_ECLOSED);
    /* A channel that nobody reads fills up, and one that is closed takes nothing. */
    enum mog_err e = MOG_OK;
    for (int i = 0; e == MOG_OK && i < 100000; i++)
        e = handover_give(channel[0], pair[1], "C", 1);
    ck_assert_int_eq(e, MOG_ETIMEOUT);
    close(channel[1]);
    ck_assert_int_eq(handover_give(channel[0], pair[1], "C", 1), MOG_ECLOSED);
    close(channel[0]);
    close(got);
    close(pair[1]);
}
END_TEST

UNIT_MAIN("handover", test_nothing_is_inherited, test_sockets_of_another_process_are_left_alone,
          test_nonsense_is_refused, test_listed_socket_is_used_where_it_is_bound, test_start, test_start_that_fails,
          test_connections_are_given)
