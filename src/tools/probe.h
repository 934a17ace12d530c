/* SPDX-License-Identifier: MIT */
/* Many short HTTP requests at once: one slow node does not hold up the look at the others. */
#ifndef MOG_TOOLS_PROBE_H
#define MOG_TOOLS_PROBE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe {
    const char *method; /* "GET", "HEAD" */
    char *url;          /* owned */

    /* filled in */
    enum mog_err err; /* MOG_OK: an answer came */
    struct http_answer answer;
    struct buf body; /* of a GET, up to 64 KiB; more is MOG_ETOOLONG */
    struct mog_fail fail;
};

/* Do all `n` probes, up to `threads` at a time, each within `timeout_ms`. */
void probe_run(struct probe *probes, size_t n, unsigned threads, int64_t timeout_ms);
bool probe_ok(const struct probe *p); /* a status of 200 to 299 */
void probe_fini(struct probe *p);

#endif
