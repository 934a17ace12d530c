/* SPDX-License-Identifier: MIT */
/* The same work on many names, by several threads, with progress and a list of what failed. */
#ifndef MOG_TOOLS_BULK_H
#define MOG_TOOLS_BULK_H

#include "common/http.h"
#include "common/span.h"
#include "tools/client.h"
#include "tools/tool.h"

#include <stdbool.h>
#include <stdint.h>

/* What a thread works with: connections of its own. */
struct bulk_worker {
    struct client *client;
    struct http_client *http;
    struct bulk *bulk;
};

enum bulk_outcome { BULK_DONE, BULK_SKIPPED, BULK_FAILED };

/* On a thread. `item` is NUL-terminated too. BULK_FAILED with the reason in `f`. `*bytes`: how much was moved. */
typedef enum bulk_outcome (*bulk_fn)(void *arg, struct bulk_worker *w, struct span item, uint64_t *bytes,
                                     struct mog_fail *f);

struct bulk_opts {
    unsigned jobs;
    bulk_fn fn;
    void *arg;
    const char *failed_path; /* names of failed items are written here, one a line; NULL: nowhere */
    char failed_sep;
    bool progress;    /* a line on standard error, again and again */
    const char *verb; /* "uploaded" */
};

struct bulk;

/* Starts the threads. NULL, said on standard error, when the list of failures cannot be written. */
struct bulk *bulk_new(struct tool *t, const struct bulk_opts *opts);

/* One more item (copied); waits while many are waiting already. For keysource too: always true. */
bool bulk_add(void *bulk, struct span item);

/* An item that failed before any thread got it. */
void bulk_note_failure(struct bulk *b, struct span item, const char *why);

/* Wait for all, print the sums to standard error, free. Returns the exit status: 0 when nothing failed. */
int bulk_finish(struct bulk *b);

/* The options --jobs, --failed, --null, --progress of `t` into `opts`. False: said, end with 1. */
MOG_MUSTCHECK bool bulk_read_options(struct tool *t, struct bulk_opts *opts);

#define BULK_OPTION_DEFS                                                                                               \
    {"jobs", 'j', TOOLOPT_INT, "files at the same time (default 4)"},                                                  \
        {"failed", 0, TOOLOPT_STRING, "write the names of what failed to this file"},                                  \
        {"null", '0', TOOLOPT_FLAG, "names in lists end with a NUL byte instead of a line end"},                       \
    {                                                                                                                  \
        "progress", 0, TOOLOPT_NEGATABLE, "show how far it is (default on a terminal)"                                 \
    }

#endif
