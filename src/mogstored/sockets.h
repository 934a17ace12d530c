/* SPDX-License-Identifier: MIT */
/* Listening sockets: opened by us, by systemd, or by the process whose place we take. */
#ifndef MOG_MOGSTORED_SOCKETS_H
#define MOG_MOGSTORED_SOCKETS_H

#include "common/err.h"

#include <stddef.h>

enum { SOCKETS_MAX = 16 };

/* Inherited descriptors that nobody has asked for yet. */
struct sockets {
    int fds[SOCKETS_MAX];
    size_t n;
};

/*
 * Collect what LISTEN_FDS (systemd) or MOGSTORED_FD (an upgrade: "3,4") offer, and clear these variables.
 * MOG_EINVAL: a descriptor that is no listening socket.
 */
MOG_MUSTCHECK enum mog_err sockets_inherit(struct sockets *s, struct mog_fail *f);

/*
 * A listening socket at `address` ("a.b.c.d:port", ":port", "port", "[v6]:port"; no names): an inherited one that is
 * bound there, else a new one. `what` names the option for messages. MOG_EINVAL, MOG_EIO.
 */
MOG_MUSTCHECK enum mog_err sockets_listen(struct sockets *s, const char *what, const char *address, int *fd,
                                          struct mog_fail *f);

/* Close inherited sockets that nobody wanted. */
void sockets_close_rest(struct sockets *s);

/*
 * Start `argv` anew, in `folder`, with the descriptors `fds` (each >= 0) open and named in MOGSTORED_FD. `*pid` is the
 * child.
 */
MOG_MUSTCHECK enum mog_err sockets_hand_over(char **argv, const char *folder, const int *fds, size_t n, int *pid,
                                             struct mog_fail *f);

#endif
