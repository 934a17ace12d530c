/* SPDX-License-Identifier: MIT */
/* Tests of addresses and of sockets with deadlines. */
#include "common/net.h"

#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(splitting)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"127.0.0.1:80", "127.0.0.1", 80}, {":80", "", 80},         {"80", "", 80},         {"db1", "db1", 7001},
        {"db1:65535", "db1", 65535},       {"[::1]:80", "::1", 80}, {"[::1]", "::1", 7001}, {"", "", 7001},
        {" 10.0.0.1:1 ", "10.0.0.1", 1},
    };
    char host[64];
    uint16_t port;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(net_split(good[i].text, 7001, host, sizeof(host), &port) == MOG_OK, "'%s'", good[i].text);
        ck_assert_str_eq(host, good[i].host);
        ck_assert_uint_eq(port, good[i].port);
    }
    static const char *const bad[] = {"a:", "a:0", "a:65536", "a:x", "a:1:2", "[::1", "[::1]80", "[::1]:x", "a:-1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(net_split(bad[i], 7001, host, sizeof(host), &port) == MOG_ESYNTAX, "'%s'", bad[i]);
    char tiny[4];
    ck_assert_int_eq(net_split("abcd:1", 1, tiny, sizeof(tiny), &port), MOG_ESYNTAX);
    ck_assert_int_eq(net_split("abc:1", 1, tiny, sizeof(tiny), &port), MOG_OK);
}
END_TEST

static uint16_t port_of(int fd)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    return ntohs(sa.sin_port);
}

START_TEST(talking)
{
    struct mog_fail f = {.code = MOG_OK};
    int server, client, second;
    ck_assert_int_eq(net_listen("127.0.0.1", 0, &server, &f), MOG_OK);
    ck_assert_int_eq(net_listen("127.0.0.1", port_of(server), &second, &f), MOG_EIO);
    ck_assert(strstr(f.text, "Address already in use") != NULL);
    ck_assert_int_eq(net_connect("127.0.0.1", port_of(server), deadline_in(5000), &client, &f), MOG_OK);
    ck_assert_int_eq(net_wait(server, POLLIN, deadline_in(5000)), MOG_OK);
    int peer = accept(server, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    ck_assert_int_eq(net_wait(peer, POLLIN, deadline_in(20)), MOG_ETIMEOUT);
    ck_assert_int_eq(net_write_all(client, "abc", 3, deadline_in(5000)), MOG_OK);
    char got[4] = "";
    ck_assert_int_eq(net_wait(peer, POLLIN, deadline_in(5000)), MOG_OK);
    ck_assert_int_eq(read(peer, got, 3), 3);
    ck_assert_str_eq(got, "abc");
    ck_assert(fcntl(client, F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(client, F_GETFD) & FD_CLOEXEC);
    close(peer);
    close(client);
    close(server);
}
END_TEST

START_TEST(a_peer_that_does_not_read)
{
    static char block[1 << 20];
    struct mog_fail f = {.code = MOG_OK};
    int server, client;
    ck_assert_int_eq(net_listen("127.0.0.1", 0, &server, &f), MOG_OK);
    ck_assert_int_eq(net_connect("127.0.0.1", port_of(server), deadline_in(5000), &client, &f), MOG_OK);
    enum mog_err e = MOG_OK;
    for (int i = 0; i < 64 && e == MOG_OK; i++)
        e = net_write_all(client, block, sizeof(block), deadline_in(200));
    ck_assert_int_eq(e, MOG_ETIMEOUT);
    close(client);
    close(server);
}
END_TEST

START_TEST(nobody_listens)
{
    struct mog_fail f = {.code = MOG_OK};
    int server, client;
    ck_assert_int_eq(net_listen("127.0.0.1", 0, &server, &f), MOG_OK);
    uint16_t port = port_of(server);
    close(server);
    ck_assert_int_eq(net_connect("127.0.0.1", port, deadline_in(5000), &client, &f), MOG_ECONN);
    ck_assert(strstr(f.text, "127.0.0.1") != NULL);
    ck_assert_int_eq(net_connect("no.such.host.invalid", 1, deadline_in(20000), &client, &f), MOG_ECONN);
}
END_TEST

UNIT_MAIN("net", splitting, talking, a_peer_that_does_not_read, nobody_listens)
