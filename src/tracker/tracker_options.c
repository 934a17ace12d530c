/* SPDX-License-Identifier: MIT */
/* The rows of mogilefsd's options, and where values come from. */
#include "tracker/tracker_options.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/num.h"
#include "common/span.h"
#include "store/store.h"
#include "tracker/cluster/netmask.h"
#include "tracker/policy/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BOTH = OPT_CLI | OPT_FILE, MAX_JOBS = 500, MAX_RATE = 1000000, HOST_SIZE = 256 };

#define AT(field) offsetof(struct tracker_options, field)

/* ---- what values mean, asked for while the line that they stand in is known ---- */

static enum mog_err check_dsn(const char *value, struct mog_fail *f)
{
    struct store_env *env = NULL;
    struct mog_fail why = {0};
    enum mog_err e = store_env_new(&(struct store_config){.dsn = value}, &env, &why);
    store_env_free(env);
    bool is_unknown = strncmp(why.text, "Unknown", 7) == 0;
    return e == MOG_OK ? MOG_OK
                       : fail_set(f, e, "%s%s", why.text,
                                  is_unknown ? " (it begins with DBI:mysql:, DBI:Pg: or DBI:SQLite:)" : "");
}

static enum mog_err check_address(const char *value, struct mog_fail *f)
{
    char host[HOST_SIZE];
    uint16_t port = 0;
    return net_split(value, 1, host, sizeof(host), &port) == MOG_OK
               ? MOG_OK
               : fail_set(f, MOG_EINVAL, "'%s' is not an address (host:port)", value);
}

static enum mog_err check_http_listen(const char *value, struct mog_fail *f)
{
    return value[0] == '\0' ? MOG_OK : check_address(value, f);
}

static enum mog_err check_local_network(const char *value, struct mog_fail *f)
{
    struct netmask mask;
    return value[0] == '\0' || netmask_parse(span_of(value), &mask) == MOG_OK
               ? MOG_OK
               : fail_set(f, MOG_EINVAL, "'%s' is not a netmask (a.b.c.d/bits)", value);
}

/* Replication policies that the original has as plugins are always there, and need not be named. */
static bool is_policy(const char *name)
{
    static const char *const policies[] = {"MultipleNetworks", "HostsPerNetwork", "MultipleHosts", "MultipleDevices"};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        if (strcmp(name, policies[i]) == 0)
            return true;
    }
    return false;
}

static enum mog_err check_plugin(const char *name, struct mog_fail *f)
{
    if (hooks_exist(name) || is_policy(name))
        return MOG_OK;
    return fail_set(f, MOG_EUNSUPPORTED,
                    "Unable to load %s: plugins written for the Perl tracker cannot be used (built in: ZoneLocal, "
                    "MultipleNetworks, HostsPerNetwork)",
                    name);
}

static enum mog_err check_gateway(const char *value, struct mog_fail *f)
{
    enum web_gateway ignored;
    return web_gateway_parse(value, &ignored, f);
}

/* A line end in it would be a header of somebody else's making. */
static enum mog_err check_header(const char *value, struct mog_fail *f)
{
    for (size_t i = 0; value[i] != '\0'; i++) {
        if ((unsigned char)value[i] < ' ' || (unsigned char)value[i] >= 127)
            return fail_set(f, MOG_EINVAL, "not a header's value");
    }
    return MOG_OK;
}

/* ---- the rows ---- */

static const struct opt_row rows[] = {
    {"config", 'c', NULL, OPT_STRING, OPT_CLI, AT(config), 0, 0, "configuration file (/etc/mogilefs/mogilefsd.conf)"},
    {"skipconfig", 's', NULL, OPT_FLAG, OPT_CLI, AT(skip_config), 0, 0, "read no configuration file"},
    {"check-config", 0, NULL, OPT_FLAG, OPT_CLI, AT(check_config), 0, 0, "check options and configuration, and end"},
    {"help", 0, NULL, OPT_FLAG, OPT_CLI, AT(help), 0, 0, "this text"},
    {"version", 0, NULL, OPT_FLAG, OPT_CLI, AT(version), 0, 0, "the version"},
    {"debug", 'd', "debug", OPT_COUNT, BOTH | OPT_RELOAD, AT(debug), 0, 10, "more messages; may be repeated"},
    {"daemonize", 'D', "daemonize", OPT_FLAG, BOTH | OPT_NEGATABLE, AT(daemonize), 0, 0, "go to the background"},
    {"dsn", 0, "db_dsn", OPT_STRING, BOTH, AT(db_dsn), 0, 0, "database (an embedded one in state_dir)", check_dsn},
    {"dbuser", 0, "db_user", OPT_STRING, BOTH | OPT_MAY_BE_EMPTY, AT(db_user), 0, 0, "database user"},
    {"dbpass", 0, "db_pass", OPT_STRING, BOTH | OPT_MAY_BE_EMPTY | OPT_SECRET, AT(db_pass), 0, 0, "database password"},
    {NULL, 0, "db_pass_file", OPT_STRING, OPT_FILE, AT(db_pass_file), 0, 0, NULL},
    {NULL, 0, "db_row_locks", OPT_FLAG, OPT_FILE, AT(db_row_locks), 0, 0, NULL},
    {NULL, 0, "state_dir", OPT_STRING, OPT_FILE, AT(state_dir), 0, 0, NULL},
    {"user", 0, "user", OPT_STRING, BOTH | OPT_MAY_BE_EMPTY, AT(user), 0, 0, "user to run as when started as root"},
    {"confport", 'p', "conf_port", OPT_INT, BOTH, AT(conf_port), 1, 65535,
     "port of listen addresses without one (7001)"},
    {"listen", 'l', "listen", OPT_LIST, BOTH, AT(listen), 0, 0, "address to listen on; may be repeated (0.0.0.0)",
     check_address},
    {"allow", 0, "allow", OPT_LIST, BOTH | OPT_RELOAD, AT(allow), 0, 0, "networks that may connect (all)",
     netlist_check},
    {"admin_allow", 0, "admin_allow", OPT_LIST, BOTH | OPT_RELOAD, AT(admin_allow), 0, 0,
     "networks that may use commands of administrators (all)", netlist_check},
    {"workers", 'w', "query_jobs", OPT_INT, BOTH | OPT_RELOAD, AT(query_jobs), 0, MAX_JOBS, "query workers (20)"},
    {NULL, 0, "listener_jobs", OPT_INT, OPT_FILE, AT(listener_jobs), 0, MAX_JOBS, NULL},
    {NULL, 0, "delete_jobs", OPT_INT, OPT_FILE | OPT_RELOAD, AT(delete_jobs), 0, MAX_JOBS, NULL},
    {NULL, 0, "replicate_jobs", OPT_INT, OPT_FILE | OPT_RELOAD, AT(replicate_jobs), 0, MAX_JOBS, NULL},
    {NULL, 0, "fsck_jobs", OPT_INT, OPT_FILE | OPT_RELOAD, AT(fsck_jobs), 0, MAX_JOBS, NULL},
    {NULL, 0, "reaper_jobs", OPT_INT, OPT_FILE | OPT_RELOAD, AT(reaper_jobs), 0, MAX_JOBS, NULL},
    {NULL, 0, "jobs_min_rate", OPT_INT, OPT_FILE | OPT_RELOAD, AT(jobs_min_rate), 1, MAX_RATE, NULL},
    {NULL, 0, "monitor_jobs", OPT_IGNORE, OPT_FILE, 0, 0, 0, NULL},
    {"job_master", 0, "job_master", OPT_FLAG, BOTH | OPT_NEGATABLE | OPT_RELOAD, AT(job_master), 0, 0,
     "run background jobs (1)"},
    {"min_free_space", 0, "min_free_space", OPT_INT, BOTH | OPT_RELOAD, AT(min_free_space), 0, 1000000000,
     "MiB to stay free on a device (100)"},
    {"max_disk_age", 0, "max_disk_age", OPT_IGNORE, BOTH, 0, 0, 0, NULL},
    {"default_mindevcount", 0, "default_mindevcount", OPT_INT, BOTH | OPT_RELOAD, AT(default_mindevcount), 1, 255,
     "copies in the default class (2)"},
    {"node_timeout", 0, "node_timeout", OPT_INT, BOTH | OPT_RELOAD, AT(node_timeout), 1, 3600,
     "seconds to wait for a storage node (2)"},
    {"conn_timeout", 0, "conn_timeout", OPT_INT, BOTH | OPT_RELOAD, AT(conn_timeout), 1, 3600,
     "seconds a check of a device may take (2)"},
    {"conn_pool_size", 0, "conn_pool_size", OPT_INT, BOTH, AT(conn_pool_size), 0, 10000,
     "idle connections kept by each worker (20)"},
    {"max_handles", 0, "max_handles", OPT_IGNORE, BOTH, 0, 0, 0, NULL},
    {"pidfile", 0, "pidfile", OPT_STRING, BOTH | OPT_MAY_BE_EMPTY, AT(pidfile), 0, 0, "file for the process id"},
    {NULL, 0, "log_file", OPT_STRING, OPT_FILE, AT(log_file), 0, 0, NULL},
    {"no_schema_check", 0, "no_schema_check", OPT_FLAG, BOTH, AT(no_schema_check), 0, 0,
     "serve a schema of any version"},
    {"plugins", 0, "plugins", OPT_LIST, BOTH, AT(plugins), 0, 0, NULL, check_plugin},
    {"repl_use_get_port", 0, "repl_use_get_port", OPT_FLAG, BOTH | OPT_RELOAD | OPT_VALUE_TOO, AT(repl_use_get_port), 0,
     0, NULL},
    {"local_network", 0, "local_network", OPT_STRING, BOTH | OPT_MAY_BE_EMPTY, AT(local_network), 0, 0,
     "network of this tracker, for ZoneLocal", check_local_network},
    {"mogstored_stream_port", 0, "mogstored_stream_port", OPT_INT, BOTH, AT(mogstored_stream_port), 1, 65535,
     "port of the storage nodes' side channel (7501)"},
    {NULL, 0, "rebalance_ignore_missing", OPT_FLAG, OPT_FILE, AT(rebalance_ignore_missing), 0, 0, NULL},
    {"http_listen", 0, "http_listen", OPT_STRING, BOTH | OPT_MAY_BE_EMPTY, AT(http_listen), 0, 0,
     "address of the HTTP listener; without a host, loopback (none)", check_http_listen},
    {"http_hosts", 0, "http_hosts", OPT_LIST, BOTH, AT(http_hosts), 0, 0,
     "names that HTTP clients may call this host, beside its own; may be repeated"},
    {"http_gateway", 0, "http_gateway", OPT_STRING, BOTH | OPT_MAY_BE_EMPTY, AT(http_gateway), 0, 0,
     "give files by /DOMAIN/KEY: redirect, accel or proxy (off)", check_gateway},
    {"http_gateway_domains", 0, "http_gateway_domains", OPT_LIST, BOTH, AT(http_gateway_domains), 0, 0,
     "domains that the gateway serves; may be repeated (none)"},
    {"http_gateway_cache_control", 0, "http_gateway_cache_control", OPT_STRING, BOTH | OPT_MAY_BE_EMPTY,
     AT(http_gateway_cache_control), 0, 0, "Cache-Control header of the gateway's answers (none)", check_header},
    {"no_http", 0, NULL, OPT_IGNORE_FLAG, OPT_CLI, 0, 0, 0, NULL},
    {"workerport", 0, NULL, OPT_STRING, OPT_CLI, AT(workerport), 0, 0, NULL},
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static const struct opt_spec spec = {
    .program = "mogilefsd", .rows = rows, .n_rows = N_ROWS, .grammar = OPT_GRAMMAR_TRACKER, .unknown_keys_ok = true};

static const char default_config[] = "/etc/mogilefs/mogilefsd.conf";

/* Perl took any word for a flag, so that old files may say "repl_use_get_port = 1"; numbers come as they are. */
static void set_defaults(struct tracker_options *o)
{
    const char *debug = getenv("DEBUG"), *state = getenv("STATE_DIRECTORY");
    memset(o, 0, sizeof(*o));
    o->job_master = true;
    o->debug = debug != NULL ? (int)num_perl_int(span_of(debug)) : 0;
    o->conf_port = 7001;
    o->query_jobs = 20;
    o->delete_jobs = o->replicate_jobs = o->fsck_jobs = o->reaper_jobs = 1;
    o->jobs_min_rate = 50;
    o->min_free_space = 100;
    o->default_mindevcount = 2;
    o->node_timeout = o->conn_timeout = 2;
    o->conn_pool_size = 20;
    o->mogstored_stream_port = 7501;
    o->state_dir = mem_strdup(state != NULL && state[0] != '\0' ? state : "/var/lib/mogilefs");
}

/* The first line of a file that only holds a password. */
static enum mog_err read_password(const char *path, char **out, struct mog_fail *f)
{
    char text[1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_sys(f, MOG_EIO, errno, "db_pass_file %s", path);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (n < 0)
        return fail_set(f, MOG_EIO, "db_pass_file %s cannot be read", path);
    text[n] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    free(*out);
    *out = mem_strdup(text);
    return MOG_OK;
}

static enum mog_err find_database(struct tracker_options *o, struct mog_fail *f)
{
    const char *env_pass = getenv("MOGILEFS_DB_PASS");
    if (o->db_pass == NULL && o->db_pass_file != NULL) {
        enum mog_err e = read_password(o->db_pass_file, &o->db_pass, f);
        if (e != MOG_OK)
            return e;
    }
    if (o->db_pass == NULL && env_pass != NULL)
        o->db_pass = mem_strdup(env_pass);
    o->has_dsn = o->db_dsn != NULL || o->db_user != NULL || o->db_pass != NULL;
    if (o->has_dsn) {
        if (o->db_dsn == NULL)
            o->db_dsn = mem_strdup("DBI:mysql:mogilefs");
        if (o->db_user == NULL)
            o->db_user = mem_strdup("mogile");
    } else {
        o->db_file = mem_printf("%s/mogilefs.db", o->state_dir);
        o->db_dsn = mem_printf("DBI:SQLite:%s", o->db_file);
    }
    return MOG_OK;
}

enum mog_err tracker_options_hooks(const struct tracker_options *o, struct hooks **out, struct mog_fail *f)
{
    const char **names = mem_calloc(o->plugins.n, sizeof(*names));
    size_t n = 0;
    enum mog_err e = MOG_OK;
    for (size_t i = 0; e == MOG_OK && i < o->plugins.n; i++) {
        const char *name = o->plugins.items[i];
        if (hooks_exist(name))
            names[n++] = name;
        else
            e = check_plugin(name, f);
    }
    if (e == MOG_OK)
        e = hooks_new(names, n, o->local_network, out, f);
    free(names);
    return e;
}

/* Whether the plugins can be used, told already when the configuration is read. */
static enum mog_err check_plugins(const struct tracker_options *o, struct mog_fail *f)
{
    struct hooks *hooks = NULL;
    enum mog_err e = tracker_options_hooks(o, &hooks, f);
    hooks_free(hooks);
    return e;
}

enum mog_err tracker_options_networks(const struct opt_list *list, const char *key, struct netlist *out,
                                      struct mog_fail *f)
{
    struct mog_fail inner = {0};
    enum mog_err e = MOG_OK;
    *out = (struct netlist){0};
    for (size_t i = 0; e == MOG_OK && i < list->n; i++) {
        if (netlist_add_all(out, list->items[i], &inner) != MOG_OK)
            e = fail_set(f, MOG_EINVAL, "%s: %s", key, inner.text);
    }
    if (e != MOG_OK)
        netlist_fini(out);
    return e;
}

static size_t row_of(size_t offset)
{
    size_t i = 0;
    while (rows[i].key == NULL || rows[i].offset != offset)
        i++;
    return i;
}

/* What the command line says holds, but for plugins: the file's are loaded too, and first. */
static enum mog_err load_file(struct tracker_options *o, const char *path, bool *seen, struct mog_fail *f)
{
    struct opt_list more = o->plugins;
    o->plugins = (struct opt_list){0};
    seen[row_of(AT(plugins))] = false;
    enum mog_err e = opt_parse_file(&spec, path, o, seen, f);
    for (size_t i = 0; i < more.n; i++)
        opt_list_add(&o->plugins, more.items[i]);
    opt_list_fini(&more);
    return e;
}

/* A reload is done in another folder than the start, and reads the same files. */
static void begin_at(char **path, const char *folder)
{
    if (*path == NULL || (*path)[0] == '/')
        return;
    char *absolute = mem_printf("%s/%s", folder, *path);
    free(*path);
    *path = absolute;
}

enum mog_err tracker_options_load(struct tracker_options *o, int argc, char **argv, const char *folder,
                                  struct mog_fail *f)
{
    bool seen[N_ROWS] = {false};
    struct opt_list rest = {0};
    set_defaults(o);
    enum mog_err e = opt_parse_argv(&spec, argc, argv, o, seen, &rest, f);
    opt_list_fini(&rest); /* left-over arguments are ignored, as in the original */
    if (e != MOG_OK || o->help || o->version)
        return e;
    if (o->workerport != NULL)
        log_warn("The command line option --workerport is no longer needed (and has no necessary replacement)");
    begin_at(&o->config, folder);
    if (!o->skip_config) {
        const char *path = o->config;
        if (path == NULL && access(default_config, R_OK) == 0)
            path = default_config;
        if (path != NULL)
            e = load_file(o, path, seen, f);
    }
    begin_at(&o->db_pass_file, folder);
    if (e == MOG_OK && o->listener_jobs != 0)
        o->query_jobs = o->listener_jobs; /* the old name wins, as in the original */
    if (e == MOG_OK && o->listen.n == 0)
        opt_list_add(&o->listen, "0.0.0.0");
    if (e == MOG_OK)
        e = check_plugins(o, f);
    if (e == MOG_OK)
        e = web_gateway_parse(o->http_gateway, &o->gateway, f);
    if (e == MOG_OK)
        e = find_database(o, f);
    return e;
}

void tracker_options_fini(struct tracker_options *o)
{
    opt_fini(&spec, o);
    free(o->db_file);
    memset(o, 0, sizeof(*o));
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_list(const struct opt_list *a, const struct opt_list *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

static bool is_same(const struct opt_row *row, const void *a, const void *b)
{
    const char *x = (const char *)a + row->offset, *y = (const char *)b + row->offset;
    switch (row->type) {
    case OPT_FLAG:
        return *(const bool *)x == *(const bool *)y;
    case OPT_COUNT:
        return *(const int *)(const void *)x == *(const int *)(const void *)y;
    case OPT_INT:
        return *(const int64_t *)(const void *)x == *(const int64_t *)(const void *)y;
    case OPT_STRING:
        return same_text(*(char *const *)(const void *)x, *(char *const *)(const void *)y);
    case OPT_LIST:
        return same_list((const void *)x, (const void *)y);
    case OPT_IGNORE:
    case OPT_IGNORE_FLAG:
        return true;
    }
    return true;
}

void tracker_options_log_fixed(const struct tracker_options *old, const struct tracker_options *new)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].key != NULL && !(rows[i].flags & OPT_RELOAD) && !is_same(&rows[i], old, new))
            log_warn("config: %s has changed, which takes effect only after a restart", rows[i].key);
    }
}

void tracker_options_print_help(void)
{
    printf("mogilefsd %s, the tracker of MogileFS\n\nUsage: mogilefsd [options]\n\n", MOG_VERSION);
    opt_print_help(&spec);
    printf("\nDefaults in parentheses. See mogilefsd(8) and mogilefsd.conf(5).\n");
}
