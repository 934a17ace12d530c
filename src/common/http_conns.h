/* SPDX-License-Identifier: MIT */
/* The open HTTP connections: how many, which of them are idle, and which are too slow to be kept. */
#ifndef MOG_COMMON_HTTP_CONNS_H
#define MOG_COMMON_HTTP_CONNS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct http_conns;

enum http_phase {
    HTTP_PHASE_IDLE,   /* between requests, or a part of a first line has come */
    HTTP_PHASE_HEADER, /* the request line is complete */
    HTTP_PHASE_BODY,   /* more of the body is awaited */
    HTTP_PHASE_ANSWER, /* an answer is sent that is small enough to be in memory as long as that takes */
    HTTP_PHASE_SEND,   /* more of an answer is to be taken by the client, who has just taken some */
    HTTP_PHASE_LINGER, /* an answer was the last one: what still comes is dropped */
    HTTP_PHASE_BUSY,   /* waiting for a disk, or sending: no limit here */
};

enum {
    HTTP_PEER_SIZE = 64,
    HTTP_HEADER_LIMIT_MS = 30000,
    HTTP_BODY_LIMIT_MS = 30000,
    HTTP_ANSWER_LIMIT_MS = 120000,
    HTTP_SEND_LIMIT_MS = 30000,
    HTTP_LINGER_LIMIT_MS = 5000,
    HTTP_END_LIMIT_MS = 500,  /* so long after its last bytes a connection is looked at for its end, ... */
    HTTP_END_LAST_MS = 10000, /* ... and no longer: what comes later is an event of its own */
    HTTP_FRESH_MS = 250
};

/* Constant after conns_add, but for the atomics and the list. */
struct http_conn {
    struct http_conn *prev, *next;
    int fd;
    struct sockaddr_storage address;
    bool is_surplus;         /* came when all places were taken; its own thread's */
    _Atomic bool is_hung_up; /* by us; written under the table's lock */
    void *request;           /* begun and not completed; the user's, on the connection's own thread */
    _Atomic int phase;
    _Atomic int64_t since_mono_ms; /* the phase began; in a body: the last bytes came */
};

/* `max`: places; `idle_limit_ms`: how long a connection may be idle before conns_sweep hangs it up. */
struct http_conns *http_conns_new(size_t max, int64_t idle_limit_ms);
void http_conns_free(struct http_conns *c); /* empty by then */

/*
 * Connections will come from this listening socket: those within the machine are not slowed down by a pace (see
 * congestion.h). Before the first one comes; of several sockets each. Any thread.
 */
void http_conns_listen(struct http_conns *c, int fd);

/* A connection on socket `fd`. When all places are taken, the longest idle one is hung up. Any thread. */
struct http_conn *http_conns_add(struct http_conns *c, int fd, const struct sockaddr *sa, socklen_t len);
/* Before its socket is closed. Frees `conn`. */
void http_conns_remove(struct http_conns *c, struct http_conn *conn);

/* Is it still one too many? Then it is to be told so, and closed. The connection's thread. */
bool http_conns_is_surplus(struct http_conns *c, struct http_conn *conn);

/* "1.2.3.4:5" into `out` (HTTP_PEER_SIZE bytes), and returns it. Any thread, while the connection lives. */
const char *http_conn_peer(const struct http_conn *conn, char *out);

void http_conn_enter(struct http_conn *conn, enum http_phase phase);

/*
 * Hang up those that have been idle for too long, or take too long for a header, a body or an answer (trickling bytes
 * help them in a body alone, taking some in a large answer). To be called every second.
 */
void http_conns_sweep(struct http_conns *c);
/* And those whose other end has gone, where the server does not see that itself. To be called every second. */
void http_conns_hang_up_ended(struct http_conns *c);
/* The longest idle one has to go: what it holds has run out. Any thread. */
void http_conns_make_room(struct http_conns *c);
/* Hang up all that have been idle for `idle_ms`; those that have just become so are left for the next call. */
void http_conns_close_idle(struct http_conns *c, int64_t idle_ms);

size_t http_conns_count(struct http_conns *c);

#endif
