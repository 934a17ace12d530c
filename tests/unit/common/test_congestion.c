/* SPDX-License-Identifier: MIT */
/* Tests of congestion control within a machine. */
#include "common/congestion.h"

#include "common/net.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage sa = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sa;
    if (text == NULL) {
        sa.ss_family = AF_UNIX;
    } else if (strchr(text, ':') != NULL) {
        v6->sin6_family = AF_INET6;
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    } else {
        v4->sin_family = AF_INET;
        ck_assert_int_eq(inet_pton(AF_INET, text, &v4->sin_addr), 1);
    }
    return sa;
}

START_TEST(who_is_near)
{
    static const struct {
        const char *peer, *own;
        bool is_near;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.9.8.7", true},
        {"127.255.255.254", "127.0.0.1", true},
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.2", "10.0.0.1", false},
        {"126.0.0.1", "127.0.0.1", false},
        {"128.0.0.1", "127.0.0.1", false},
        {"1.0.0.127", "10.0.0.1", false},
        {"::1", "::1", true},
        {"::2", "::1", false},
        {"fd00::1", "fd00::1", true},
        {"fd00::2", "fd00::1", false},
        {"::ffff:127.0.0.1", "::ffff:127.9.8.7", true},
        {"::ffff:10.0.0.1", "::ffff:10.0.0.1", true},
        {"::ffff:10.0.0.2", "::ffff:10.0.0.1", false},
        {"127.0.0.1", "::1", false},
        {NULL, NULL, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_storage peer = address(cases[i].peer), own = address(cases[i].own);
        ck_assert_msg(congestion_is_near(&peer, &own) == cases[i].is_near, "%s at %s", cases[i].peer, cases[i].own);
    }
}
END_TEST

START_TEST(who_has_a_pace)
{
    ck_assert(congestion_is_paced("bbr") && congestion_is_paced("bbr3"));
    ck_assert(!congestion_is_paced("cubic") && !congestion_is_paced("reno") && !congestion_is_paced("bb") &&
              !congestion_is_paced(""));
}
END_TEST

static const char *algorithm(int fd)
{
    static char name[CONGESTION_NAME_SIZE];
    socklen_t len = sizeof(name) - 1;
    memset(name, 0, sizeof(name));
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    return name;
}

static int fresh(const char *name)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    if (name != NULL)
        ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)), 0);
    return fd;
}

/* The system's choice, into `name`. */
static void system_choice(char name[CONGESTION_NAME_SIZE])
{
    int fd = fresh(NULL);
    (void)strcpy(name, algorithm(fd));
    close(fd);
}

START_TEST(connections_begin_without_pace)
{
    struct mog_fail f = {.code = MOG_OK};
    struct congestion p;
    char usual[CONGESTION_NAME_SIZE];
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    int server, client;
    system_choice(usual);
    ck_assert_int_eq(net_listen("127.0.0.1", 0, &server, &f), MOG_OK);
    /* The second time as for a socket that an earlier process has had. */
    for (int i = 0; i < 2; i++) {
        congestion_init(&p);
        congestion_listen(&p, server);
        ck_assert_str_eq(p.usual, congestion_is_paced(usual) ? usual : "");
        ck_assert_str_eq(algorithm(server), congestion_is_paced(usual) ? "reno" : usual);
    }
    ck_assert_int_eq(getsockname(server, (struct sockaddr *)&sa, &len), 0);
    ck_assert_int_eq(net_connect("127.0.0.1", ntohs(sa.sin_port), deadline_in(30000), &client, &f), MOG_OK);
    ck_assert_int_eq(net_wait(server, POLLIN, deadline_in(30000)), MOG_OK);
    int accepted = accept(server, NULL, NULL);
    ck_assert_int_ge(accepted, 0);
    congestion_accepted(&p, accepted);
    ck_assert(!congestion_is_paced(algorithm(accepted)));
    close(accepted);
    close(client);
    close(server);
}
END_TEST

/* A socket without a peer has none that is near. */
START_TEST(connections_from_elsewhere_get_the_usual)
{
    struct congestion p;
    char usual[CONGESTION_NAME_SIZE];
    system_choice(usual);
    (void)strcpy(p.usual, usual);
    int fd = fresh("reno");
    congestion_accepted(&p, fd);
    ck_assert_str_eq(algorithm(fd), usual);
    close(fd);

    (void)strcpy(p.usual, "reno");
    fd = fresh(NULL);
    congestion_accepted(&p, fd);
    ck_assert_str_eq(algorithm(fd), usual); /* as a route asks for */
    close(fd);

    p.usual[0] = '\0';
    fd = fresh("reno");
    congestion_accepted(&p, fd);
    ck_assert_str_eq(algorithm(fd), "reno");
    close(fd);
}
END_TEST

UNIT_MAIN("congestion", who_is_near, who_has_a_pace, connections_begin_without_pace,
          connections_from_elsewhere_get_the_usual)
