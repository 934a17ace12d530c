/* SPDX-License-Identifier: MIT */
/* Connections within a machine, where the system's congestion control sends at a measured pace. */
#include "common/congestion.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

static const char without[] = "reno"; /* every kernel has it, and allows it to everybody */

bool congestion_is_paced(const char *name)
{
    return strncmp(name, "bbr", 3) == 0; /* whatever its version */
}

static bool is_loopback(const struct sockaddr_storage *sa)
{
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;
    if (sa->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET);
}

bool congestion_is_near(const struct sockaddr_storage *peer, const struct sockaddr_storage *own)
{
    if (peer->ss_family != own->ss_family)
        return false;
    if (peer->ss_family == AF_INET)
        return is_loopback(peer) || ((const struct sockaddr_in *)peer)->sin_addr.s_addr ==
                                        ((const struct sockaddr_in *)own)->sin_addr.s_addr;
    return peer->ss_family == AF_INET6 &&
           (is_loopback(peer) || IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)peer)->sin6_addr,
                                                    &((const struct sockaddr_in6 *)own)->sin6_addr));
}

/* Of a socket; "" when it has none. */
static void algorithm(int fd, char name[CONGESTION_NAME_SIZE])
{
    socklen_t len = CONGESTION_NAME_SIZE - 1;
    memset(name, 0, CONGESTION_NAME_SIZE);
    if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) != 0)
        name[0] = '\0';
}

static void choose(int fd, const char *name)
{
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
}

void congestion_init(struct congestion *c)
{
    /* Of a socket of our own: one that listens may have from an earlier process what that one has chosen. */
    int fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *c = (struct congestion){.usual = ""};
    if (fresh < 0)
        return;
    algorithm(fresh, c->usual);
    (void)close(fresh);
    if (!congestion_is_paced(c->usual))
        c->usual[0] = '\0';
}

void congestion_listen(const struct congestion *c, int fd)
{
    if (c->usual[0] != '\0')
        choose(fd, without);
}

void congestion_accepted(const struct congestion *c, int fd)
{
    struct sockaddr_storage peer, own;
    socklen_t peer_len = sizeof(peer), own_len = sizeof(own);
    char now[CONGESTION_NAME_SIZE];
    if (c->usual[0] == '\0')
        return;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
        getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 && congestion_is_near(&peer, &own))
        return;
    /* Another one is what a route asks for. */
    algorithm(fd, now);
    if (strcmp(now, without) == 0)
        choose(fd, c->usual);
}
