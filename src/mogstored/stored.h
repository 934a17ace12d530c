/* SPDX-License-Identifier: MIT */
/* The storage daemon as a whole: start in order, run until a signal, stop in reverse order. */
#ifndef MOG_MOGSTORED_STORED_H
#define MOG_MOGSTORED_STORED_H

#include "common/clock.h"
#include "common/err.h"
#include "common/handover.h"
#include "mogstored/settings.h"
#include "mogstored/stored_options.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct access_log;
struct devices;
struct http;
struct side;

enum stored_socket { STORED_HTTP, STORED_SIDE, STORED_HTTP_GET, STORED_METRICS, STORED_SOCKET_COUNT };

/* Everything of the process hangs from here. The main thread's, but for the atomics. */
struct stored {
    int argc;
    char **argv;
    const char *folder; /* that we were started in: relative paths are meant from there */
    char folder_buffer[PATH_MAX];
    struct stored_options opts;
    struct settings settings;
    struct handover inherited;
    int fds[STORED_SOCKET_COUNT]; /* -1: not used */
    struct devices *devices;
    struct access_log *access_log;
    struct http *http;
    struct side *side;
    size_t max_conns, side_clients; /* at a time, by the limit of descriptors */
    struct http *metrics;
    bool has_pidfile;                  /* written by us */
    int successor;                     /* pid of the process that takes our place; 0: none */
    int answer_fd;                     /* from it, until it serves; else -1 */
    struct deadline upgrade_by;        /* it must serve by then */
    bool has_left;                     /* it serves */
    _Atomic int heir;                  /* its pid, when it serves; for other threads */
    _Atomic int said;                  /* the signal that another thread has ended us with; 0: none */
    _Atomic uint64_t graceful_limit_s; /* asked for by `shutdown graceful`; 0: the option's */
};

/* MOG_OK, and `*is_done` when there is nothing more to do (--help, --version). Errors have a complete text in `f`. */
MOG_MUSTCHECK enum mog_err stored_load(struct stored *s, int argc, char **argv, bool *is_done, struct mog_fail *f);
MOG_MUSTCHECK enum mog_err stored_listen(struct stored *s, struct mog_fail *f);
/* Background, pid file, user. Before any thread. */
MOG_MUSTCHECK enum mog_err stored_enter(struct stored *s, struct mog_fail *f);
MOG_MUSTCHECK enum mog_err stored_start(struct stored *s, struct mog_fail *f);
/* Until a signal ends it. */
void stored_run(struct stored *s);
/* In any stage. */
void stored_stop(struct stored *s);

#endif
