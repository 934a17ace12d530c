/* SPDX-License-Identifier: MIT */
/* Addresses, listening sockets, and connecting with a deadline. */
#ifndef MOG_COMMON_NET_H
#define MOG_COMMON_NET_H

#include "common/clock.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

/*
 * Split "host:port", ":port", "port", "host" or "[v6]:port". Missing host: "" ; missing port: `default_port`.
 * MOG_ESYNTAX when the port is no number of 1 to 65535 or the host does not fit.
 */
MOG_MUSTCHECK enum mog_err net_split(const char *text, uint16_t default_port, char *host, size_t host_size,
                                     uint16_t *port);

/*
 * A non-blocking, close-on-exec listening TCP socket with SO_REUSEADDR, SO_KEEPALIVE and TCP_NODELAY, backlog 1024.
 * An empty host is any IPv4 address. MOG_EIO with the detail in `f`.
 */
MOG_MUSTCHECK enum mog_err net_listen(const char *host, uint16_t port, int *fd, struct mog_fail *f);

/* A connected, non-blocking, close-on-exec TCP socket with TCP_NODELAY. MOG_ETIMEOUT, MOG_ECONN. */
MOG_MUSTCHECK enum mog_err net_connect(const char *host, uint16_t port, struct deadline by, int *fd,
                                       struct mog_fail *f);

/* Wait until `fd` can be read or written (POLLIN/POLLOUT in `events`). MOG_ETIMEOUT, MOG_EIO. */
MOG_MUSTCHECK enum mog_err net_wait(int fd, short events, struct deadline by);

/* Write all of it. MOG_ETIMEOUT, MOG_ECLOSED. */
MOG_MUSTCHECK enum mog_err net_write_all(int fd, const void *data, size_t len, struct deadline by);

/* "1.2.3.4:5" of the peer into `out`; "?" when unknown. */
void net_peer_name(const struct sockaddr *sa, char *out, size_t out_size);

/* Close `copy`, a duplicate of the socket `of` that others had in hand, unless they have closed it already. */
void net_close_copy(int copy, int of);

#endif
