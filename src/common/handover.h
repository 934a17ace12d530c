/* SPDX-License-Identifier: MIT */
/* Listening sockets that come from elsewhere: from systemd, or from the process whose place we take. */
#ifndef MOG_COMMON_HANDOVER_H
#define MOG_COMMON_HANDOVER_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HANDOVER_SOCKETS_MAX = 32, HANDOVER_LIMIT_S = 60 /* for a new process to get ready */ };

/* What this process was given. The main thread's. */
struct handover {
    int fds[HANDOVER_SOCKETS_MAX]; /* listening sockets that nobody has asked for yet */
    size_t n;
    int lock_fd;  /* the lock of the process whose place we take, which we hold with it; -1: none */
    int ready_fd; /* to that process; -1: there is none, or we are done */
    bool is_successor;
};

#define HANDOVER_NONE ((struct handover){.ready_fd = -1, .lock_fd = -1})

/* Are we to take the place of a process that runs? Until handover_inherit(), which says so in is_successor. */
bool handover_is_due(void);

/*
 * Collect what LISTEN_FDS and LISTEN_PID offer, what the variable `list_name` (may be NULL) lists as "3,4", and what a
 * process that runs handover_start() has added; clear these variables. MOG_EINVAL: a descriptor that is not what it
 * should be.
 */
MOG_MUSTCHECK enum mog_err handover_inherit(struct handover *h, const char *list_name, struct mog_fail *f);

/*
 * A listening socket at this address: an inherited one that is bound there, else a new one (see net_listen). An
 * inherited socket of [::] that takes IPv4 too serves for 0.0.0.0. MOG_EIO, MOG_ECONN (a name that is unknown).
 */
MOG_MUSTCHECK enum mog_err handover_listen(struct handover *h, const char *host, uint16_t port, int *fd,
                                           struct mog_fail *f);

/* Close inherited sockets that nobody wanted; the log names them. */
void handover_close_rest(struct handover *h);

/*
 * We serve, and daemon_ready() has said so: the process whose place we take stops accepting. Returns the channel on
 * which it may send connections (see handover_receive; the caller closes it); -1 when there is no such process.
 */
int handover_done(struct handover *h);

/*
 * The next connection that the old process gives: `*fd` (the caller closes it) and up to `cap` bytes about it. Does not
 * block. MOG_ENOTFOUND: none now. MOG_ECLOSED: none any more.
 */
MOG_MUSTCHECK enum mog_err handover_receive(int channel, int *fd, void *data, size_t cap, size_t *len);

/* Close what is left. */
void handover_fini(struct handover *h);

/* ---- the other side ---- */

struct handover_offer {
    char **argv;        /* of main(): the program is looked up anew, so it may be a newer one */
    const char *folder; /* that we were started in, for relative names */
    const int *fds;     /* listening sockets, all of them */
    size_t n;
    int lock_fd; /* -1: none */
};

/*
 * Start the program anew, with these descriptors. `*pid` is the new process; `*answer_fd` (the caller closes it, close
 * on exec, non-blocking) can be read when handover_answer() knows more. MOG_EIO, MOG_ENOTFOUND (no such program).
 */
MOG_MUSTCHECK enum mog_err handover_start(const struct handover_offer *o, int *pid, int *answer_fd, struct mog_fail *f);

enum handover_answer {
    HANDOVER_WAITING,
    HANDOVER_TAKEN, /* it serves */
    HANDOVER_FAILED /* it has ended without */
};
enum handover_answer handover_answer(int answer_fd);

/*
 * When it serves, `answer_fd` is the channel to it: give it a connection, and some bytes about it. The caller goes on
 * to own its copy of `fd`. Does not block. MOG_ETIMEOUT: the channel is full. MOG_ECLOSED: it takes none.
 */
MOG_MUSTCHECK enum mog_err handover_give(int channel, int fd, const void *data, size_t len);

/* End a new process that failed or took too long, and wait for its end. */
void handover_abandon(int pid);

#endif
