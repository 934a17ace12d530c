/* SPDX-License-Identifier: MIT */
/*
 * Connections within a machine, where the system's congestion control sends at a measured pace (BBR). There each piece
 * waits for its timer: between processes of one machine, where nothing can be congested, these timers cost more than
 * all else. A connection that began with a pace keeps it, whatever it is told later, so connections have to begin
 * without, and those from elsewhere are given the system's choice as soon as they are there.
 */
#ifndef MOG_COMMON_CONGESTION_H
#define MOG_COMMON_CONGESTION_H

#include <stdbool.h>
#include <sys/socket.h>

enum { CONGESTION_NAME_SIZE = 16 };

struct congestion {
    char usual[CONGESTION_NAME_SIZE]; /* the system's choice; "": it has no pace, and nothing is changed */
};

/* Ask the system. */
void congestion_init(struct congestion *c);

/* What the connections of a listening TCP socket begin with. Before the first one comes. Any thread. */
void congestion_listen(const struct congestion *c, int fd);

/* One of them is there: one from elsewhere gets the system's choice. Any thread; before anything is sent. */
void congestion_accepted(const struct congestion *c, int fd);

/* Does the algorithm of this name send at a pace? Pure. */
bool congestion_is_paced(const char *name);
/* Is the peer of a connection on the same machine as this end, by the addresses of both? Pure. */
bool congestion_is_near(const struct sockaddr_storage *peer, const struct sockaddr_storage *own);

#endif
