/* SPDX-License-Identifier: MIT */
/* Reading one file: its paths from the tracker, then GET, going on at the next copy where one breaks off. */
#ifndef MOG_TOOLS_FETCH_H
#define MOG_TOOLS_FETCH_H

#include "common/err.h"
#include "common/http.h"
#include "common/opt.h"
#include "common/span.h"
#include "tools/client.h"

#include <stdbool.h>
#include <stdint.h>

/* Where the bytes go. */
struct fetch_sink {
    bool (*write)(void *arg, const char *data, size_t len); /* false: cannot be written; ends the whole fetch */
    bool (*restart)(void *arg); /* forget all that was written; NULL when that cannot be done */
    void *arg;
};

struct fetch_opts {
    const char *domain;
    struct span key;
    bool no_check; /* do not ask for the stored length and checksum, and accept whatever is whole by its own length */
    void (*progress)(void *arg, uint64_t received); /* may be NULL */
    void *progress_arg;
};

enum fetch_stage { FETCH_PATHS, FETCH_NO_PATHS, FETCH_BODY, FETCH_DONE };

struct fetch_result {
    enum fetch_stage stage;
    uint64_t length;        /* bytes received */
    struct opt_list errors; /* one text for each copy that failed, also when another one succeeded */
};

void fetch_result_fini(struct fetch_result *r);

/*
 * MOG_OK: the whole file was given to the sink. The stored length and the checksum, where the class has one, are
 * compared; a copy that differs is a failed one. MOG_EREFUSED, MOG_ENOTFOUND (no copy), MOG_EDIGEST, MOG_EIO (the
 * sink; also when the file was replaced while it was read, and the sink cannot begin again), MOG_EHTTP (all copies
 * failed; see r->errors).
 */
MOG_MUSTCHECK enum mog_err fetch_run(struct client *c, struct http_client *http, const struct fetch_opts *opts,
                                     const struct fetch_sink *sink, struct fetch_result *r, struct mog_fail *f);

/* The usable paths of a get_paths answer, appended to `paths`. */
void fetch_paths_of(const struct kv *answer, struct opt_list *paths);

#endif
