/* SPDX-License-Identifier: MIT */
/*
 * Connections within a machine, where the system's congestion control sends at a measured pace (BBR). There each piece
 * waits for its timer: between processes of one machine, where nothing can be congested, these timers cost more than
 * all else. A connection that began with a pace keeps it, whatever it is told later, so connections have to begin
 * without, and those from elsewhere are given the system's choice as soon as they are there.
 */
#ifndef MOG_COMMON_PACE_H
#define MOG_COMMON_PACE_H

#include <stdbool.h>
#include <sys/socket.h>

enum { PACE_NAME_SIZE = 16 };

struct pace {
    char usual[PACE_NAME_SIZE]; /* the system's choice; "": it has no pace, and nothing is changed */
};

/* Ask the system. */
void pace_init(struct pace *p);

/* What the connections of a listening TCP socket begin with. Before the first one comes. Any thread. */
void pace_listen(const struct pace *p, int fd);

/* One of them is there: one from elsewhere gets the system's choice. Any thread; before anything is sent. */
void pace_accepted(const struct pace *p, int fd);

/* Does the algorithm of this name send at a pace? Pure. */
bool pace_is_paced(const char *name);
/* Is the peer of a connection on the same machine as this end, by the addresses of both? Pure. */
bool pace_is_near(const struct sockaddr_storage *peer, const struct sockaddr_storage *own);

#endif
