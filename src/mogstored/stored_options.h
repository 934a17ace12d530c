/* SPDX-License-Identifier: MIT */
/* The options and configuration keys of mogstored. */
#ifndef MOG_MOGSTORED_STORED_OPTIONS_H
#define MOG_MOGSTORED_STORED_OPTIONS_H

#include "common/err.h"
#include "common/opt.h"

#include <stdbool.h>
#include <stdint.h>

struct stored_options {
    char *httplisten, *mgmtlisten, *httpgetlisten, *http_metrics_listen; /* the last two may be NULL */
    char *docroot, *pidfile, *config, *user, *group, *access_log, *server, *serverbin;
    struct opt_list allow;
    int64_t maxconns, put_status, device_threads, keepalive_timeout, graceful_timeout;
    bool daemonize, skipconfig, check_config, iostat, fsync, strict_mounts, readonly, help, version;
};

/* The rows behind `struct stored_options`. */
extern const struct opt_spec stored_options_spec;

/*
 * Defaults, then the command line, then the configuration file, which wins (as in the original; a change of what the
 * command line said is logged). MOG_EUSAGE for the command line; MOG_EIO, MOG_ESYNTAX, MOG_EINVAL, MOG_ERANGE for the
 * file; the text in `f` is complete. Relative paths become absolute, as seen from `folder`. `o` must be finished with
 * stored_options_fini in any case.
 */
MOG_MUSTCHECK enum mog_err stored_options_load(struct stored_options *o, int argc, char **argv, const char *folder,
                                               struct mog_fail *f);

void stored_options_fini(struct stored_options *o);

/* "a.b.c.d:port", ":port", "[v6]:port", of numbers alone; `host` is "" for any. MOG_EINVAL. Pure. */
MOG_MUSTCHECK enum mog_err stored_options_address(const char *address, char *host, size_t host_size, uint16_t *port,
                                                  struct mog_fail *f);

/* Does the field of `row` differ between the two? */
bool stored_options_differ(const struct opt_row *row, const struct stored_options *a, const struct stored_options *b);

#endif
