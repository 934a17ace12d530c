/* SPDX-License-Identifier: MIT */
/* One connection of the side channel; shared by the side*.c files only. */
#ifndef MOG_MOGSTORED_SIDE_CLIENT_H
#define MOG_MOGSTORED_SIDE_CLIENT_H

#include "common/clock.h"
#include "common/span.h"
#include "mogstored/digester.h"
#include "mogstored/iostat.h"
#include "mogstored/side.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

enum {
    SIDE_LINE_MAX = 4096,     /* bytes of a command */
    SIDE_CLIENTS_MAX = 500,   /* connections at a time; for one more the longest idle one is closed */
    SIDE_FRESH_MS = 1000,     /* so long nobody is idle */
    SIDE_READ_MAX = 8192,     /* commands that are read ahead of their turn */
    SIDE_OUTPUT_MAX = 65536,  /* answers that a client has not taken; no command of it is looked at above */
    SIDE_EOF_GRACE_MS = 5000, /* for the answer to a client that has closed its side */
    SIDE_DEAF_MS = 100,       /* so long nothing is accepted after that has failed */
    SIDE_ACCEPT_LOG_MS = 60000,
};

struct side_client;

/*
 * Work on other threads for a client. Invariants: 1. `client` is the loop's: NULL when it has gone. 2. After it was
 * given away, all but `task.is_canceled` is the worker's until it is in the mailbox.
 */
struct side_work {
    struct side_work *next; /* in the mailbox */
    struct side *side;
    struct side_client *client;
    char *path;   /* as sent */
    bool is_size; /* else a digest */
    struct digest_task task;
    struct job job; /* of a size */
    int64_t size;
};

/* All of it is the loop's. */
struct side_client {
    struct side_client *prev, *next;
    struct side *side;
    struct bufferevent *io;
    struct side_work *work; /* the command in progress; NULL: none */
    bool is_watcher;
    bool has_ended;  /* the other end sends no more */
    bool is_closing; /* close as soon as the output is gone */
    int64_t ended_mono_ms;
    int64_t active_mono_ms; /* its last command came or was answered */
};

/* Invariant: `mailbox` is under `lock`; all else is the loop's while it runs. */
struct side {
    struct side_opts opts;
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *tick, *mail, *halt;
    int64_t accept_logged_mono_ms; /* when a failure to accept was logged last; 0: never */
    int mail_fd, halt_fd;          /* eventfds */
    struct side_client *first;
    _Atomic bool is_quiescing;
    _Atomic size_t clients;
    struct iostat *iostat;
    struct digester *digester;
    int64_t started_unix_s;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    struct side_work *mailbox;
};

/* Run one command line (without its end). */
void side_run_command(struct side_client *c, struct span line);

/* Append text (a line end is added: CR LF). */
void side_reply(struct side_client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The work is done: answer, and free it. On the loop; its client is there. */
void side_finish_work(struct side_work *w);

/* Give a finished work back to the loop. Any thread. */
void side_post(struct side_work *w);

#endif
