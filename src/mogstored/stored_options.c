/* SPDX-License-Identifier: MIT */
/* The options and configuration keys of mogstored. */
#include "mogstored/stored_options.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/netlist.h"

#define DEFAULT_CONFIG "/etc/mogilefs/mogstored.conf"

#define AT(field) offsetof(struct stored_options, field)
#define BOTH      (OPT_CLI | OPT_FILE)

/* Names would not be resolved anew when a network changes, so there are none. */
enum mog_err stored_options_address(const char *address, char *host, size_t host_size, uint16_t *port,
                                    struct mog_fail *f)
{
    struct in6_addr unused;
    bool is_numeric =
        net_split(address, 0, host, host_size, port) == MOG_OK && *port != 0 &&
        (host[0] == '\0' || inet_pton(AF_INET, host, &unused) == 1 || inet_pton(AF_INET6, host, &unused) == 1);
    return is_numeric ? MOG_OK : fail_set(f, MOG_EINVAL, "\"%s\" is not an address and a port (a.b.c.d:port)", address);
}

static enum mog_err check_address(const char *value, struct mog_fail *f)
{
    char host[64];
    uint16_t port;
    return stored_options_address(value, host, sizeof host, &port, f);
}

static enum mog_err check_server(const char *value, struct mog_fail *f)
{
    if (strcmp(value, "perlbal") == 0 || strcmp(value, "none") == 0)
        return MOG_OK;
    return fail_set(f, MOG_EINVAL, "'%s' is neither perlbal (HTTP served by mogstored itself) nor none", value);
}

static const struct opt_row rows[] = {
    {"httplisten", 0, "httplisten", OPT_STRING, BOTH, AT(httplisten), 0, 0, "address and port for HTTP (0.0.0.0:7500)",
     check_address},
    {"mgmtlisten", 0, "mgmtlisten", OPT_STRING, BOTH, AT(mgmtlisten), 0, 0,
     "address and port of the side channel (0.0.0.0:7501)", check_address},
    {"httpgetlisten", 0, "httpgetlisten", OPT_STRING, BOTH, AT(httpgetlisten), 0, 0,
     "a second HTTP port, for reading only", check_address},
    {"http_metrics_listen", 0, "http_metrics_listen", OPT_STRING, BOTH, AT(http_metrics_listen), 0, 0,
     "address and port for metrics in Prometheus' format", check_address},
    {"docroot", 0, "docroot", OPT_STRING, BOTH, AT(docroot), 0, 0, "the folder with the devices (/var/mogdata)"},
    {"maxconns", 0, "maxconns", OPT_INT, BOTH, AT(maxconns), 1, 1000000, "most HTTP connections at a time (10000)"},
    {"daemonize", 'd', "daemonize", OPT_FLAG, BOTH, AT(daemonize), 0, 0, "go to the background"},
    {"config", 0, NULL, OPT_STRING, OPT_CLI, AT(config), 0, 0, "configuration file (" DEFAULT_CONFIG ")"},
    {"skipconfig", 's', NULL, OPT_FLAG, OPT_CLI, AT(skipconfig), 0, 0, "read no configuration file"},
    {"pidfile", 0, "pidfile", OPT_STRING, BOTH, AT(pidfile), 0, 0, "write the process id there"},
    {"user", 0, "user", OPT_STRING, BOTH, AT(user), 0, 0, "run as this user when started as root"},
    {"group", 0, "group", OPT_STRING, BOTH, AT(group), 0, 0, "and with this group"},
    {"server", 0, "server", OPT_STRING, BOTH, AT(server), 0, 0, "perlbal: serve HTTP; none: only the side channel",
     check_server},
    {"serverbin", 0, "serverbin", OPT_STRING, BOTH | OPT_MAY_BE_EMPTY, AT(serverbin), 0, 0, NULL},
    {"iostat", 0, "iostat", OPT_FLAG, BOTH | OPT_NEGATABLE, AT(iostat), 0, 0, "measure how busy the disks are (on)"},
    {"fsync", 0, "fsync", OPT_FLAG, BOTH | OPT_NEGATABLE | OPT_RELOAD, AT(fsync), 0, 0,
     "an upload is on disk before it is acknowledged (on)"},
    {"strict_mounts", 0, "strict_mounts", OPT_FLAG, BOTH | OPT_RELOAD, AT(strict_mounts), 0, 0,
     "use devices only that are mount points"},
    {"readonly", 0, "readonly", OPT_FLAG, BOTH | OPT_RELOAD, AT(readonly), 0, 0, "refuse uploads and deletions"},
    {"allow", 0, "allow", OPT_LIST, BOTH | OPT_RELOAD, AT(allow), 0, 0,
     "networks that may write and use the side channel (all)", netlist_check},
    {"access_log", 0, "access_log", OPT_STRING, BOTH, AT(access_log), 0, 0, "file with a line a request"},
    {"put_status", 0, "put_status", OPT_INT, BOTH | OPT_RELOAD, AT(put_status), 200, 201,
     "answer to a successful upload: 201 or 200 (201)"},
    {"device_threads", 0, "device_threads", OPT_INT, BOTH | OPT_RELOAD, AT(device_threads), 1, 100,
     "threads of each device (10)"},
    {"keepalive_timeout", 0, "keepalive_timeout", OPT_INT, BOTH, AT(keepalive_timeout), 1, 86400,
     "seconds that an idle HTTP connection is kept (60)"},
    {"graceful_timeout", 0, "graceful_timeout", OPT_INT, BOTH | OPT_RELOAD, AT(graceful_timeout), 1, 86400,
     "seconds that a graceful stop may take (60)"},
    {"check-config", 0, NULL, OPT_FLAG, OPT_CLI, AT(check_config), 0, 0, "check options and configuration, and end"},
    {"help", 'h', NULL, OPT_FLAG, OPT_CLI, AT(help), 0, 0, "show this"},
    {"version", 0, NULL, OPT_FLAG, OPT_CLI, AT(version), 0, 0, "show the version"},
};

const struct opt_spec stored_options_spec = {
    .program = "mogstored",
    .rows = rows,
    .n_rows = sizeof rows / sizeof rows[0],
    .grammar = OPT_GRAMMAR_STORED,
    .single_dash_long = true,
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static void set_defaults(struct stored_options *o)
{
    const char *server = getenv("MOGSTORED_SERVER_TYPE");
    *o = (struct stored_options){
        .httplisten = mem_strdup("0.0.0.0:7500"),
        .mgmtlisten = mem_strdup("0.0.0.0:7501"),
        .docroot = mem_strdup("/var/mogdata"),
        .server = mem_strdup(server && server[0] != '\0' ? server : "perlbal"),
        .maxconns = 10000,
        .put_status = 201,
        .device_threads = 10,
        .keepalive_timeout = 60,
        .graceful_timeout = 60,
        .iostat = true,
        .fsync = true,
    };
}

static const void *field(const struct opt_row *row, const struct stored_options *o)
{
    return (const char *)o + row->offset;
}

static bool strings_differ(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") != 0;
}

bool stored_options_differ(const struct opt_row *row, const struct stored_options *a, const struct stored_options *b)
{
    switch (row->type) {
    case OPT_FLAG:
        return *(const bool *)field(row, a) != *(const bool *)field(row, b);
    case OPT_COUNT:
        return *(const int *)field(row, a) != *(const int *)field(row, b);
    case OPT_INT:
        return *(const int64_t *)field(row, a) != *(const int64_t *)field(row, b);
    case OPT_STRING:
        return strings_differ(*(char *const *)field(row, a), *(char *const *)field(row, b));
    case OPT_LIST: {
        const struct opt_list *x = field(row, a), *y = field(row, b);
        for (size_t i = 0; x->n == y->n && i < x->n; i++) {
            if (strings_differ(x->items[i], y->items[i]))
                return true;
        }
        return x->n != y->n;
    }
    case OPT_IGNORE:
    case OPT_IGNORE_FLAG:
        break;
    }
    return false;
}

/* A file of the time before 2005 deserves more than "unknown syntax". */
static void explain_old_syntax(struct mog_fail *f)
{
    if (f && (strcasestr(f->text, "'server ") || strcasestr(f->text, "'create ") || strcasestr(f->text, "'enable ")))
        strncat(f->text, " (this is the syntax of Perlbal, which is not read any more)",
                sizeof f->text - strlen(f->text) - 1);
}

static enum mog_err load_file(struct stored_options *o, int argc, char **argv, const bool *seen, struct mog_fail *f)
{
    const char *path = o->config ? o->config : DEFAULT_CONFIG;
    if (o->skipconfig || (!o->config && access(path, F_OK) != 0))
        return MOG_OK;
    if (access(path, F_OK) != 0)
        return fail_set(f, MOG_EIO, "Config file %s doesn't exist.", path);
    enum mog_err e = opt_parse_file(&stored_options_spec, path, o, NULL, f);
    if (e == MOG_ESYNTAX)
        explain_old_syntax(f);
    if (e != MOG_OK)
        return e;
    struct stored_options given;
    set_defaults(&given);
    if (opt_parse_argv(&stored_options_spec, argc, argv, &given, NULL, NULL, f) == MOG_OK) {
        for (size_t i = 0; i < ROWS; i++) {
            if (seen[i] && rows[i].key && stored_options_differ(&rows[i], o, &given))
                log_warn("config: %s in %s overrides the option --%s", rows[i].key, path, rows[i].cli);
        }
    }
    stored_options_fini(&given);
    return MOG_OK;
}

/* They would change their meaning with the folder. */
static void make_absolute(char **path, const char *folder)
{
    if (!*path || (*path)[0] == '/' || (*path)[0] == '\0')
        return;
    char *absolute = mem_printf("%s/%s", folder, *path);
    free(*path);
    *path = absolute;
}

enum mog_err stored_options_load(struct stored_options *o, int argc, char **argv, const char *folder,
                                 struct mog_fail *f)
{
    bool seen[ROWS] = {false};
    struct mog_fail why = {0};
    set_defaults(o);
    enum mog_err e = opt_parse_argv(&stored_options_spec, argc, argv, o, seen, NULL, f);
    make_absolute(&o->config, folder);
    if (e == MOG_OK && !o->help && !o->version)
        e = load_file(o, argc, argv, seen, f);
    make_absolute(&o->docroot, folder);
    make_absolute(&o->pidfile, folder);
    make_absolute(&o->access_log, folder);
    if (e == MOG_OK && o->serverbin && o->serverbin[0] != '\0')
        log_warn("config: serverbin is ignored, HTTP is served by mogstored itself");
    if (e == MOG_OK)
        e = check_server(o->server, &why);
    if (e == MOG_EINVAL && why.text[0] != '\0') /* the environment has said it */
        e = fail_set(f, e, "server: %s", why.text);
    return e;
}

void stored_options_fini(struct stored_options *o)
{
    opt_fini(&stored_options_spec, o);
}
