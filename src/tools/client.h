/* SPDX-License-Identifier: MIT */
/* A tracker's client: a list of trackers, fail-over, one kept connection, one request at a time. */
#ifndef MOG_TOOLS_CLIENT_H
#define MOG_TOOLS_CLIENT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/kv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client; /* owned by one thread */

struct client_opts {
    int64_t connect_timeout_ms; /* for a tracker in the first round; 0: 250 */
    int64_t reply_timeout_ms;   /* from the request to its whole answer; 0: 3000 */
    bool keep_order;            /* ask the trackers in the order of the list; else it is shuffled */
};

/* What a tracker answered. */
struct client_answer {
    bool ok;
    char code[64];   /* the error's code; "" when ok, and when no answer came */
    struct buf text; /* the error's text, decoded */
    struct kv args;  /* the result's pairs */
};

#define CLIENT_ANSWER_ZERO                                                                                             \
    {                                                                                                                  \
        false, "", BUF_ZERO, KV_ZERO                                                                                   \
    }

void client_answer_fini(struct client_answer *a);

/*
 * Parse one answer line without its line end. MOG_OK for a well-formed line, ERR lines included; MOG_EPROTO otherwise.
 * Old servers' length word behind OK is accepted.
 */
MOG_MUSTCHECK enum mog_err client_answer_parse(struct client_answer *a, struct span line, struct mog_fail *f);

/*
 * A client for `trackers`: items separated by commas, each "host", "host:port", "[v6]:port" or "preferred/host:port"
 * (the preferred address is tried first, for 100 ms); blanks around items do not matter, the port is 7001 by default.
 * No connection is made yet. NULL, with MOG_ESYNTAX or MOG_EINVAL in `f`, when the list is empty or malformed.
 */
struct client *client_new(const char *trackers, const struct client_opts *opts, struct mog_fail *f);
void client_free(struct client *c);

size_t client_count(const struct client *c);
/* "host:port" of tracker `i`, in the order of the list; "[v6]:port" where needed. Valid as long as `c`. */
const char *client_name(const struct client *c, size_t i);
/* The tracker of the present or last connection; "" before the first. */
const char *client_current(const struct client *c);

/*
 * Ask `command` with `args` (NULL: none) and wait for the answer.
 * MOG_OK: the tracker answered OK. MOG_EREFUSED: it answered ERR (a->code is set; `f` holds "code text").
 * MOG_ECONN: no tracker could be reached. MOG_ETIMEOUT, MOG_ECLOSED, MOG_EPROTO: the exchange broke off, and it is not
 * known whether the command was executed. Commands that only read, and create_close, are then asked again of the next
 * tracker before an error is returned; so they are after "failure" and "db". After these two the next request,
 * whichever it is, goes to another tracker.
 */
MOG_MUSTCHECK enum mog_err client_request(struct client *c, const char *command, const struct kv *args,
                                          struct client_answer *a, struct mog_fail *f);

/* The same for what takes long: the answer may come `extra_ms` later than others. */
MOG_MUSTCHECK enum mog_err client_request_slow(struct client *c, const char *command, const struct kv *args,
                                               int64_t extra_ms, struct client_answer *a, struct mog_fail *f);

/*
 * Send an admin line ("!stats") and append the answer's lines, each with '\n' and without the final dot, to `out`.
 * Errors as client_request; never repeated. An "ERR code text" line as answer is MOG_EREFUSED.
 */
MOG_MUSTCHECK enum mog_err client_admin(struct client *c, const char *line, struct buf *out, struct mog_fail *f);

/* Read one more line (pushed messages after "!watch") into `out`, waiting up to `timeout_ms`. */
MOG_MUSTCHECK enum mog_err client_read_line(struct client *c, int64_t timeout_ms, struct buf *out, struct mog_fail *f);

#endif
