/* SPDX-License-Identifier: MIT */
/* Options of mogilefsd: command line, configuration file, environment. */
#ifndef MOG_TRACKER_TRACKER_OPTIONS_H
#define MOG_TRACKER_TRACKER_OPTIONS_H

#include "common/err.h"
#include "common/netlist.h"
#include "common/opt.h"
#include "tracker/web/web.h"

#include <stdbool.h>
#include <stdint.h>

struct tracker_options {
    bool daemonize, skip_config, check_config, help, version;
    bool no_schema_check, job_master, repl_use_get_port, rebalance_ignore_missing, db_row_locks;
    int debug;
    char *config, *db_dsn, *db_user, *db_pass, *db_pass_file, *state_dir, *pidfile, *user, *log_file, *local_network;
    char *workerport; /* not used */
    int64_t conf_port;
    int64_t query_jobs, listener_jobs, delete_jobs, replicate_jobs, fsck_jobs, reaper_jobs, jobs_min_rate;
    int64_t min_free_space, default_mindevcount, node_timeout, conn_timeout, conn_pool_size, mogstored_stream_port;
    struct opt_list listen, plugins, allow, admin_allow;
    char *http_listen, *http_gateway, *http_gateway_cache_control;
    struct opt_list http_gateway_domains, http_hosts;

    bool has_dsn;             /* a database was named, or is meant by db_user or db_pass */
    enum web_gateway gateway; /* http_gateway, understood */
    char *db_file;            /* of the embedded database; NULL: another one */
};

/*
 * Defaults, then the file, then the command line, then the environment's database password where none is given. Errors
 * name file, line and key. `folder`: where relative paths of files that are read here begin.
 */
MOG_MUSTCHECK enum mog_err tracker_options_load(struct tracker_options *o, int argc, char **argv, const char *folder,
                                                struct mog_fail *f);
void tracker_options_fini(struct tracker_options *o);

/* The networks of `allow` or `admin_allow` (`key`). MOG_EINVAL. Free with netlist_fini(). */
MOG_MUSTCHECK enum mog_err tracker_options_networks(const struct opt_list *list, const char *key, struct netlist *out,
                                                    struct mog_fail *f);

/* The plugins that `plugins` names. MOG_EUNSUPPORTED, MOG_EINVAL. Free with hooks_free(). */
struct hooks;
MOG_MUSTCHECK enum mog_err tracker_options_hooks(const struct tracker_options *o, struct hooks **out,
                                                 struct mog_fail *f);

/* Tell the log which options differ and take effect only after a restart. */
void tracker_options_log_fixed(const struct tracker_options *old, const struct tracker_options *new);

void tracker_options_print_help(void);

#endif
