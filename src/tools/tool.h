/* SPDX-License-Identifier: MIT */
/* What the single-purpose tools share: options, usage, configuration, the connection to the trackers. */
#ifndef MOG_TOOLS_TOOL_H
#define MOG_TOOLS_TOOL_H

#include "common/err.h"
#include "common/http.h"
#include "common/span.h"
#include "tools/client.h"
#include "tools/toolopt.h"

#include <stdbool.h>
#include <stdio.h>

struct tool_spec {
    const struct toolopt_def *defs; /* the tool's own options */
    const char *sample;             /* behind "Usage: PROGRAM " */
    enum toolopt_family family;
    bool no_domain;     /* a domain is not needed */
    bool no_trackers;   /* the tool needs no tracker */
    bool words_allowed; /* arguments that are no options are kept in `rest`; else they are ignored, with a warning */
    const char *const *need; /* options without which nothing can be done; ended by NULL; may be NULL */
};

struct tool {
    const struct tool_spec *spec;
    const char *program; /* without folders */
    struct toolopt opt;
    struct opt_list rest;
    struct client *client;
    struct client_opts client_opts; /* its own, for further clients of other threads */
    const char *domain;             /* "" when there is none */
};

/*
 * Read options and configuration and prepare the client. True: go on. False: end with `*status`; everything was said.
 * tool_end is due in both cases.
 */
MOG_MUSTCHECK bool tool_begin(struct tool *t, const struct tool_spec *spec, int argc, char **argv, int *status);
/* Frees everything; returns `status`, or 1 when standard output could not be written. */
MOG_MUSTCHECK int tool_end(struct tool *t, int status);

void tool_usage(const struct tool *t, FILE *to);

/* Print PREFIX and what `f` says as one line to standard error; returns 1, the exit status. */
int tool_fail(const char *prefix, const struct mog_fail *f);

/* Append domain=... to `args`. */
void tool_add_domain(const struct tool *t, struct kv *args);

/* A client for HTTP to storage nodes, named as the tools are. */
struct http_client *tool_http_new(void);

#endif
