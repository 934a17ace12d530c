/* SPDX-License-Identifier: MIT */
/* Wiring: the only file that sees everything. */
#include "tracker/tracker.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/handover.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/num.h"
#include "store/store_file.h"
#include "store/store_schema.h"
#include "tracker/job/jobs.h"
#include "tracker/monitor/monitor.h"
#include "tracker/net/server.h"
#include "tracker/policy/hooks.h"
#include "tracker/tracker_options.h"
#include "tracker/tracker_slaves.h"
#include "tracker/tracker_succession.h"
#include "tracker/web/web.h"

#include <event2/event.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TICK_MS = 1000,
    FIRST_TICK_MS = 10, /* until the first monitor round is done */
    STOP_LIMIT_S = 10,  /* what hangs longer at the end is left to the system */
    TEMPFILE_AGE_S = 3600,
    MIN_NOFILE = 65536,
    LEAVE_TICK_MS = 20,  /* after a hand-over: how often connections that wait for a request are given away */
    LEAVE_IDLE_S = 30,   /* one that cannot be given is closed when it has been so long without a request */
    LEAVE_LIMIT_S = 300, /* and then each as soon as its request is answered */
    FRESH_TICKS = 5,     /* after a hand-over to us: what the old process changed last is soon seen */
    HTTP_PORT = 7002
};

static const int handled[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
enum { N_SIGNALS = sizeof(handled) / sizeof(handled[0]) };

struct tracker {
    struct tracker_options options;
    int argc;
    char **argv;
    char folder[PATH_MAX]; /* that we were started in */
    char hostname[256];
    struct handover inherited;
    int db_lock_fd;
    int *listen_fds;
    size_t n_listen, cap_listen;
    int http_fd;
    char name[300]; /* of the client port, for people */
    char *pidfile;  /* written; NULL: none */

    struct hooks *hooks;
    struct store_env *env;
    struct cluster_box *box;
    struct node_shared *nodes;
    struct fid_notes *notes;
    struct pace *pace;
    struct monitor *monitor;
    struct jobs *jobs;
    struct cmd_shared cmd;
    struct cmd_metrics metrics;
    struct web *web;
    struct event_base *base;
    struct server *server;
    struct event *tick, *signals[N_SIGNALS];
    struct succession *succession;
    int64_t left_mono_ms; /* when another process took our place; 0: none did */
    bool reading;         /* the tables were read: what only reads is served */
    bool working;         /* the first monitor round is done, workers were started */
    const char *end_reason;
    uint64_t ticks;
    uint64_t slave_version; /* of the settings of read slaves that were looked at */
    int fresh_ticks;        /* to come, with a look at the cluster in each */
};

struct tracker *tracker_new(void)
{
    struct tracker *t = mem_calloc(1, sizeof(*t));
    t->db_lock_fd = t->http_fd = -1;
    t->inherited = HANDOVER_NONE;
    return t;
}

/* ---- the steps before the loop ---- */

/* A copy for reloads and for who takes our place: what the system shows of us loses its secrets. */
static void keep_arguments(struct tracker *t, int argc, char **argv)
{
    t->argc = argc;
    t->argv = mem_calloc((size_t)argc + 1, sizeof(*t->argv));
    for (int i = 0; i < argc; i++)
        t->argv[i] = mem_strdup(argv[i]);
}

enum mog_err tracker_load(struct tracker *t, int argc, char **argv, struct mog_fail *f)
{
    keep_arguments(t, argc, argv);
    if (getcwd(t->folder, sizeof(t->folder)) == NULL)
        (void)strcpy(t->folder, "/");
    enum mog_err e = tracker_options_load(&t->options, t->argc, t->argv, t->folder, f);
    if (e != MOG_OK)
        return e;
    daemon_hide(argc, argv, t->options.db_pass);
    if (t->options.help) {
        tracker_options_print_help();
        return MOG_ECANCELED;
    }
    if (t->options.version) {
        printf("mogilefsd %s\n", MOG_VERSION);
        return MOG_ECANCELED;
    }
    if (t->options.check_config) {
        printf("mogilefsd: the configuration is fine\n");
        return MOG_ECANCELED;
    }
    e = tracker_options_hooks(&t->options, &t->hooks, f);
    if (e != MOG_OK)
        return e;
    if (t->options.debug > 0)
        log_set_level(LOG_LEVEL_DEBUG);
    e = handover_inherit(&t->inherited, NULL, f);
    if (e != MOG_OK)
        return e;
    if (gethostname(t->hostname, sizeof(t->hostname) - 1) != 0)
        return fail_set(f, MOG_EIO, "the host has no name (gethostname)");
    return MOG_OK;
}

enum mog_err tracker_check_user(struct tracker *t, struct mog_fail *f)
{
    const char *user = t->options.user;
    if (getuid() != 0)
        return MOG_OK;
    if (user == NULL || user[0] == '\0')
        return fail_set(f, MOG_EPERM,
                        "mogilefsd cannot be run as root (set user = root to allow it, or a user to become)");
    return daemon_become(user, f);
}

static enum mog_err database_error(const char *reason, struct mog_fail *f)
{
    /* The reason may itself be long: it comes first, the advice after it. */
    return fail_set(f, MOG_EDBDOWN,
                    "%.250s\nError: unable to establish connection with your MogileFS database. Please verify the "
                    "configuration; if the database is not set up yet, run 'mogdbsetup'.",
                    reason);
}

/* The lock that we hold together with the process whose place we take, if it is the one that we need. */
static bool inherit_lock(struct tracker *t)
{
    struct stat have, want;
    char *name = mem_printf("%s.lock", t->options.db_file);
    bool is_it = t->inherited.lock_fd >= 0 && fstat(t->inherited.lock_fd, &have) == 0 && stat(name, &want) == 0 &&
                 have.st_dev == want.st_dev && have.st_ino == want.st_ino;
    free(name);
    if (is_it) {
        t->db_lock_fd = t->inherited.lock_fd;
        t->inherited.lock_fd = -1;
    }
    return is_it;
}

/* The embedded database: one tracker at a time, made when it is not there. */
static enum mog_err prepare_embedded(struct tracker *t, struct mog_fail *f)
{
    enum mog_err e = inherit_lock(t) ? MOG_OK : store_embedded_lock(t->options.db_file, &t->db_lock_fd, f);
    if (e != MOG_OK)
        return e;
    e = store_embedded_create(t->options.db_file, f);
    if (e == MOG_EEXISTS)
        return MOG_OK;
    if (e == MOG_OK)
        log_info("created the embedded database %s", t->options.db_file);
    return e;
}

enum mog_err tracker_check_database(struct tracker *t, struct mog_fail *f)
{
    const char *renew = getenv("T_LOCK_RENEW"); /* for tests, in seconds */
    struct store_config config = {.dsn = t->options.db_dsn,
                                  .user = t->options.db_user,
                                  .password = t->options.db_pass,
                                  .hostname = t->hostname,
                                  .row_locks = t->options.db_row_locks,
                                  .lock_renew_s = renew != NULL ? (unsigned)num_perl_int(span_of(renew)) : 0};
    uint64_t max_fid = 0;
    enum mog_err e = t->options.db_file != NULL ? prepare_embedded(t, f) : MOG_OK;
    if (e == MOG_OK)
        e = store_env_new(&config, &t->env, f);
    if (e != MOG_OK)
        return e;
    struct store *st = store_new(t->env, STORE_CLIENT);
    e = store_open(st);
    if (e != MOG_OK)
        e = database_error(store_failure(st)->text, f);
    if (e == MOG_OK && !t->options.no_schema_check && store_schema_check(st) != MOG_OK)
        e = fail_set(f, MOG_ESCHEMA, "%s", store_failure(st)->text);
    if (e == MOG_OK && t->options.db_row_locks && store_schema_check_row_locks(st) != MOG_OK)
        e = fail_set(f, MOG_ESCHEMA, "db_row_locks needs a table that is not there: run mogdbsetup --row-locks (%s)",
                     store_failure(st)->text);
    if (e == MOG_OK && store_file_max_known_fid(st, &max_fid) != MOG_OK)
        e = database_error(store_failure(st)->text, f);
    if (e == MOG_OK)
        store_env_set_min_fid(t->env, max_fid);
    store_free(st); /* no connection may be carried over a fork */
    return e;
}

/* Without a host it is for this machine only: what it shows is nobody else's business unless somebody says so. */
static enum mog_err listen_http(struct tracker *t, struct mog_fail *f)
{
    char host[256];
    uint16_t port = 0;
    const char *text = t->options.http_listen;
    struct mog_fail inner = {0};
    if (text == NULL || text[0] == '\0')
        return MOG_OK;
    if (net_split(text, HTTP_PORT, host, sizeof(host), &port) != MOG_OK)
        return fail_set(f, MOG_EINVAL, "http_listen: '%s' is not an address (host:port)", text);
    enum mog_err e = handover_listen(&t->inherited, host[0] != '\0' ? host : "127.0.0.1", port, &t->http_fd, &inner);
    return e == MOG_OK ? MOG_OK : fail_set(f, e, "http_listen: %s", inner.text);
}

enum mog_err tracker_listen(struct tracker *t, struct mog_fail *f)
{
    for (size_t i = 0; i < t->options.listen.n; i++) {
        char host[256];
        uint16_t port = 0;
        int fd = -1;
        const char *text = t->options.listen.items[i];
        struct mog_fail inner = {0};
        if (net_split(text, (uint16_t)t->options.conf_port, host, sizeof(host), &port) != MOG_OK)
            return fail_set(f, MOG_EINVAL, "listen: '%s' is not an address (host:port)", text);
        enum mog_err e = handover_listen(&t->inherited, host, port, &fd, &inner);
        if (e != MOG_OK)
            return fail_set(f, e, "Error creating socket: %s", inner.text);
        t->listen_fds = mem_grow(t->listen_fds, t->n_listen, &t->cap_listen, sizeof(*t->listen_fds));
        t->listen_fds[t->n_listen++] = fd;
        bool any = host[0] == '\0' || strcmp(host, "0.0.0.0") == 0;
        if (i == 0)
            (void)snprintf(t->name, sizeof(t->name), "%s:%u", any ? t->hostname : host, (unsigned)port);
    }
    enum mog_err e = listen_http(t, f);
    if (e == MOG_OK)
        handover_close_rest(&t->inherited);
    return e;
}

static enum mog_err write_pidfile(struct tracker *t, struct mog_fail *f)
{
    if (t->options.pidfile == NULL || t->options.pidfile[0] == '\0')
        return MOG_OK;
    enum mog_err e = daemon_pidfile_write(t->options.pidfile, f);
    if (e != MOG_OK) {
        log_err("%s", f->text);
        log_info("Couldn't write pidfile, ending run");
        return e;
    }
    free(t->pidfile);
    t->pidfile = mem_strdup(t->options.pidfile);
    return MOG_OK;
}

/* Who takes the place of a daemon is in the background already. */
static enum mog_err leave_terminal(const struct tracker *t, struct mog_fail *f)
{
    if (!t->inherited.is_successor)
        return daemon_detach(f);
    return chdir("/") == 0 ? MOG_OK : fail_set(f, MOG_EIO, "cannot change to /");
}

enum mog_err tracker_enter(struct tracker *t, struct mog_fail *f)
{
    const struct tracker_options *o = &t->options;
    enum mog_err e = MOG_OK;
    (void)daemon_raise_nofile(MIN_NOFILE);
    if (o->daemonize)
        e = leave_terminal(t, f);
    if (e == MOG_OK && o->log_file != NULL)
        e = log_open("mogilefsd", LOG_SINK_FILE, o->log_file, f);
    else if (e == MOG_OK)
        e = log_open("mogilefsd", o->daemonize ? LOG_SINK_SYSLOG : LOG_SINK_STDOUT, NULL, f);
    if (e != MOG_OK)
        return e;
    log_info("beginning run");
    return t->inherited.is_successor ? MOG_OK : write_pidfile(t, f);
}

/* ---- what the admin console asks for ---- */

static bool op_is_ready(void *arg)
{
    return ((struct tracker *)arg)->working;
}

/* The jobs, and the monitor in its alphabetical place among them. */
static bool op_job(void *arg, size_t i, struct server_job *job)
{
    static const int order[] = {JOB_DELETE, JOB_FSCK, JOB_MASTER, -1, JOB_REAPER, JOB_REPLICATE};
    struct tracker *t = arg;
    if (i >= sizeof(order) / sizeof(order[0]))
        return false;
    *job = (struct server_job){.name = "monitor", .was_started = true};
    if (order[i] < 0) {
        job->count = job->desired = job->n_numbers = monitor_is_wanted(t->monitor) ? 1 : 0;
        job->numbers[0] = monitor_number(t->monitor);
        return true;
    }
    enum job_kind kind = (enum job_kind)order[i];
    job->name = jobs_name(kind);
    job->was_started = jobs_was_started(t->jobs, kind);
    jobs_count(t->jobs, kind, &job->count, &job->desired);
    job->n_numbers = jobs_numbers(t->jobs, kind, job->numbers, SERVER_MAX_WANT);
    return true;
}

static bool op_want(void *arg, struct span name, size_t n)
{
    struct tracker *t = arg;
    enum job_kind kind = jobs_find(name);
    bool monitor = span_is(name, "monitor");
    if (kind != JOB_KINDS)
        jobs_want(t->jobs, kind, n);
    else if (monitor && n <= 1) /* there is never a second one */
        monitor_want(t->monitor, n == 1);
    return kind != JOB_KINDS || monitor;
}

static bool op_to(void *arg, struct span name, struct span text, size_t *told)
{
    struct tracker *t = arg;
    enum job_kind kind = jobs_find(name);
    size_t desired = 0;
    bool monitor = span_is(name, "monitor");
    *told = monitor ? 1 : 0;
    if (monitor && span_is(text, ":refresh_monitor"))
        cluster_box_ask(t->box);
    if (kind == JOB_KINDS)
        return monitor;
    if (span_is(text, ":shutdown"))
        *told = jobs_recycle(t->jobs, kind);
    else
        jobs_count(t->jobs, kind, told, &desired);
    return true;
}

static void op_counters(void *arg, struct buf *lines)
{
    jobs_counters(((struct tracker *)arg)->jobs, lines);
}

static bool op_status(void *arg, struct buf *out)
{
    struct tracker *t = arg;
    if (t->web != NULL)
        web_status_write(t->web, 0, out);
    return t->web != NULL;
}

static void end(struct tracker *t, const char *reason)
{
    if (t->end_reason == NULL)
        t->end_reason = reason;
    (void)event_base_loopbreak(t->base);
}

static void op_shutdown(void *arg)
{
    succession_end(((struct tracker *)arg)->succession);
    end(arg, "ending run due to SIGTERM");
}

/* ---- the loop ---- */

static struct monitor_config monitor_config_of(const struct tracker_options *o, const struct hooks *hooks)
{
    return (struct monitor_config){.cluster = {.min_free_mb = (uint64_t)o->min_free_space,
                                               .default_mindevcount = (uint32_t)o->default_mindevcount,
                                               .hooks = hooks},
                                   .conn_timeout_ms = o->conn_timeout * 1000,
                                   .stream_port = (uint16_t)o->mogstored_stream_port};
}

static struct node_config node_config_of(const struct tracker_options *o)
{
    return (struct node_config){.node_timeout_ms = o->node_timeout * 1000,
                                .conn_pool_size = (size_t)o->conn_pool_size,
                                .stream_port = (uint16_t)o->mogstored_stream_port,
                                .repl_use_get_port = o->repl_use_get_port};
}

/* Wanted workers as the options have them, query workers last. */
enum { WANTS = JOB_KINDS + 1 };

static void wants_of(const struct tracker_options *o, int64_t wants[WANTS])
{
    wants[JOB_MASTER] = o->job_master;
    wants[JOB_DELETE] = o->delete_jobs;
    wants[JOB_REPLICATE] = o->replicate_jobs;
    wants[JOB_FSCK] = o->fsck_jobs;
    wants[JOB_REAPER] = o->reaper_jobs;
    wants[JOB_KINDS] = o->query_jobs;
}

/* `old`: what held before, NULL at first. What did not change stays as it was set by !want. */
static void want_from_options(struct tracker *t, const int64_t old[WANTS])
{
    int64_t wants[WANTS];
    wants_of(&t->options, wants);
    for (size_t k = 0; k < JOB_KINDS; k++) {
        if (old == NULL || old[k] != wants[k])
            jobs_want(t->jobs, (enum job_kind)k, (size_t)wants[k]);
    }
    if (old == NULL || old[JOB_KINDS] != wants[JOB_KINDS])
        server_want_queries(t->server, (size_t)wants[JOB_KINDS]);
}

/* The lists were looked at when they were read. */
static void apply_access(struct tracker *t)
{
    struct server_access access = {0};
    struct mog_fail f;
    if (tracker_options_networks(&t->options.allow, "allow", &access.allow, &f) != MOG_OK ||
        tracker_options_networks(&t->options.admin_allow, "admin_allow", &access.admin_allow, &f) != MOG_OK) {
        log_err("%s", f.text);
        server_access_fini(&access);
        return;
    }
    if (access.admin_allow.n == 0)
        log_info("admin_allow is not set: every client that can connect may administer the cluster");
    server_set_access(t->server, &access);
}

static void reload(struct tracker *t)
{
    struct tracker_options fresh;
    struct mog_fail f = {0};
    if (tracker_options_load(&fresh, t->argc, t->argv, t->folder, &f) != MOG_OK) {
        log_err("config: not read again, everything stays as it is: %s", f.text);
        tracker_options_fini(&fresh);
        return;
    }
    tracker_options_log_fixed(&t->options, &fresh);
    struct node_config node = node_config_of(&fresh);
    struct monitor_config monitor = monitor_config_of(&fresh, t->hooks);
    int64_t old_wants[WANTS];
    wants_of(&t->options, old_wants);
    tracker_options_fini(&t->options);
    t->options = fresh;
    node_shared_set_config(t->nodes, &node);
    monitor_set_config(t->monitor, &monitor);
    pace_set_least_rate(t->pace, fresh.jobs_min_rate);
    apply_access(t);
    log_set_level(fresh.debug > 0 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    log_reopen();
    if (t->working)
        want_from_options(t, old_wants);
    log_info("config: read again");
}

/* ---- taking the place of another process, and giving ours away ---- */

static enum mog_err start_web(struct tracker *t, struct mog_fail *f)
{
    const struct tracker_options *o = &t->options;
    struct web_parts parts = {.cmd = &t->cmd,
                              .jobs = t->jobs,
                              .server = t->server,
                              .monitor = t->monitor,
                              .hostname = t->hostname,
                              .name = t->name};
    struct web_config config = {.gateway = o->gateway,
                                .domains = o->http_gateway_domains,
                                .cache_control = o->http_gateway_cache_control,
                                .hosts = o->http_hosts,
                                .threads = (size_t)o->query_jobs};
    if (t->http_fd < 0)
        return MOG_OK;
    enum mog_err e = web_start(&parts, &config, t->http_fd, &t->web, f);
    if (e == MOG_OK)
        t->http_fd = -1; /* the web's now */
    return e;
}

static void adopt(void *arg, int fd, const void *data, size_t len)
{
    server_adopt(((struct tracker *)arg)->server, fd, data, len);
}

static bool give(void *arg, int fd, const void *data, size_t len)
{
    return succession_give(((struct tracker *)arg)->succession, fd, data, len);
}

static enum mog_err serve(struct tracker *t, struct mog_fail *f)
{
    for (size_t i = 0; i < t->n_listen; i++) {
        if (server_listen(t->server, t->listen_fds[i]) != MOG_OK)
            return fail_set(f, MOG_EIO, "cannot watch the listening socket");
        t->listen_fds[i] = -1; /* the server's now */
    }
    enum mog_err e = start_web(t, f);
    if (e == MOG_OK && t->inherited.is_successor)
        e = write_pidfile(t, f);
    if (e == MOG_OK) {
        t->fresh_ticks = t->inherited.is_successor ? FRESH_TICKS : 0;
        daemon_ready();
        succession_adopt(t->succession, handover_done(&t->inherited), adopt, t);
    }
    return e;
}

static void hand_over(struct tracker *t)
{
    int fds[HANDOVER_SOCKETS_MAX];
    struct handover_offer offer = {.argv = t->argv, .folder = t->folder, .fds = fds, .lock_fd = t->db_lock_fd};
    offer.n = server_listening(t->server, fds, HANDOVER_SOCKETS_MAX);
    if (t->web != NULL && offer.n < HANDOVER_SOCKETS_MAX)
        fds[offer.n++] = web_listening(t->web);
    succession_start(t->succession, &offer);
}

static void on_taken(void *arg)
{
    struct tracker *t = arg;
    log_info("hand-over: the new process serves, finishing what has begun");
    server_stop_listening(t->server);
    web_stop_listening(t->web);
    jobs_finish(t->jobs);
    free(t->pidfile);
    t->pidfile = NULL; /* the new one's now */
    t->left_mono_ms = clock_mono_ms();
    struct timeval soon = {.tv_usec = LEAVE_TICK_MS * 1000};
    (void)event_add(t->tick, &soon);
}

/* Connections go to the new process as soon as they wait for a request; what it does not take is served here. */
static void leave(struct tracker *t)
{
    server_give(t->server, give, t);
    bool is_late = clock_mono_ms() - t->left_mono_ms >= LEAVE_LIMIT_S * 1000;
    int64_t idle_ms = is_late ? 0 : LEAVE_IDLE_S * 1000;
    size_t clients = server_close_idle(t->server, idle_ms) + web_close_idle(t->web, idle_ms);
    if (clients == 0)
        end(t, "ending run, another process has taken over");
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct tracker *t = arg;
    (void)what;
    switch (sig) {
    case SIGTERM:
        end(t, "ending run due to SIGTERM");
        break;
    case SIGINT:
        end(t, "ending run due to SIGINT");
        break;
    case SIGHUP:
        reload(t);
        break;
    case SIGUSR2:
        hand_over(t);
        break;
    default:
        log_reopen();
        break;
    }
}

static void apply_settings(struct tracker *t)
{
    const struct cluster *c = cluster_box_borrow(t->box);
    if (c != NULL && store_env_backend(t->env) == STORE_MYSQL) {
        /* What is wrong with them is said when they change, and now and then. */
        uint64_t version = cluster_setting_u64(c, "slave_version", 0);
        tracker_slaves_apply(t->env, c, t->ticks % 60 == 1 || version != t->slave_version);
        t->slave_version = version;
    }
    cluster_box_release(t->box, c);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct tracker *t = arg;
    struct timeval again = {.tv_sec = TICK_MS / 1000};
    struct mog_fail f = {0};
    (void)fd;
    (void)what;
    t->ticks++;
    if (!t->reading && cluster_box_is_loaded(t->box)) {
        t->reading = true;
        server_want_queries(t->server, t->options.query_jobs);
    }
    if (!t->working && cluster_box_is_ready(t->box)) {
        t->working = true;
        want_from_options(t, NULL);
        server_set_ready(t->server);
        if (t->inherited.is_successor && serve(t, &f) != MOG_OK) {
            log_err("%s", f.text);
            end(t, "ending run");
        }
    }
    if (t->working) {
        jobs_tick(t->jobs);
        apply_settings(t);
        if (t->fresh_ticks > 0 && t->fresh_ticks-- > 0)
            cluster_box_ask(t->box);
    } else {
        again = (struct timeval){.tv_usec = FIRST_TICK_MS * 1000};
    }
    server_tick(t->server);
    web_tick(t->web);
    succession_tick(t->succession);
    if (t->left_mono_ms != 0) {
        leave(t);
        again = (struct timeval){.tv_usec = LEAVE_TICK_MS * 1000};
    }
    (void)event_add(t->tick, &again);
}

static enum mog_err start(struct tracker *t, struct mog_fail *f)
{
    struct node_config node = node_config_of(&t->options);
    struct monitor_config monitor = monitor_config_of(&t->options, t->hooks);
    const char *age = getenv("T_TEMPFILE_TOO_OLD");
    t->box = cluster_box_new();
    t->nodes = node_shared_new(&node);
    t->notes = fid_notes_new();
    t->pace = pace_new(CMD_METRICS, t->options.jobs_min_rate);
    struct jobs_config jobs = {.env = t->env,
                               .box = t->box,
                               .nodes = t->nodes,
                               .notes = t->notes,
                               .pace = t->pace,
                               .hostname = t->hostname,
                               .rebalance_ignore_missing = t->options.rebalance_ignore_missing,
                               .tempfile_age_s = age != NULL ? num_perl_int(span_of(age)) : TEMPFILE_AGE_S};
    t->jobs = jobs_new(&jobs);
    struct monitor_parts parts = {.env = t->env, .box = t->box, .nodes = t->nodes};
    t->monitor = monitor_start(&parts, &monitor);
    if (t->monitor == NULL)
        return fail_set(f, MOG_EIO, "cannot start a thread");
    t->cmd = (struct cmd_shared){.env = t->env,
                                 .box = t->box,
                                 .nodes = t->nodes,
                                 .notes = t->notes,
                                 .pace = t->pace,
                                 .hostname = t->hostname,
                                 .metrics = &t->metrics};
    struct server_ops ops = {.arg = t,
                             .is_ready = op_is_ready,
                             .job = op_job,
                             .want = op_want,
                             .to = op_to,
                             .counters = op_counters,
                             .status = op_status,
                             .shutdown = op_shutdown};
    t->base = event_base_new();
    t->server = t->base != NULL ? server_new(t->base, &t->cmd, &ops) : NULL;
    if (t->server == NULL)
        return fail_set(f, MOG_EIO, "cannot watch for clients");
    apply_access(t);
    t->succession = succession_new(t->base, on_taken, t);
    return MOG_OK;
}

static enum mog_err add_events(struct tracker *t, struct mog_fail *f)
{
    for (size_t i = 0; i < N_SIGNALS; i++) {
        t->signals[i] = evsignal_new(t->base, handled[i], on_signal, t);
        if (t->signals[i] == NULL || event_add(t->signals[i], NULL) != 0)
            return fail_set(f, MOG_EIO, "cannot watch for signals");
    }
    struct timeval first = {.tv_usec = FIRST_TICK_MS * 1000};
    t->tick = evtimer_new(t->base, on_tick, t);
    return t->tick != NULL && event_add(t->tick, &first) == 0 ? MOG_OK : fail_set(f, MOG_EIO, "cannot wait");
}

enum mog_err tracker_run(struct tracker *t, struct mog_fail *f)
{
    (void)signal(SIGPIPE, SIG_IGN);
    enum mog_err e = start(t, f);
    if (e == MOG_OK)
        e = add_events(t, f);
    /* Clients of a running tracker must not wait for our first look at the cluster: see on_tick(). */
    if (e == MOG_OK && !t->inherited.is_successor)
        e = serve(t, f);
    if (e != MOG_OK)
        return e;
    (void)event_base_dispatch(t->base);
    if (t->left_mono_ms == 0)
        daemon_notify("STOPPING=1");
    log_info("%s", t->end_reason != NULL ? t->end_reason : "ending run");
    return MOG_OK;
}

/* ---- the end ---- */

/* A database or a disk that hangs must not keep the process: what it was doing is safe to repeat. */
static void *exit_later(void *arg)
{
    (void)arg;
    clock_sleep_ms(STOP_LIMIT_S * 1000);
    log_warn("a worker did not end within %d s, leaving it", STOP_LIMIT_S);
    _exit(0);
}

static void limit_stop(void)
{
    pthread_t id;
    if (pthread_create(&id, NULL, exit_later, NULL) == 0)
        pthread_detach(id);
}

void tracker_free(struct tracker *t)
{
    if (t->box != NULL) {
        limit_stop();
        if (t->server != NULL)
            server_end_answers(t->server);
        cluster_box_stop(t->box);
        node_shared_stop(t->nodes);
        if (t->pidfile != NULL)
            daemon_pidfile_remove(t->pidfile);
        succession_free(t->succession);
        web_stop(t->web);
        server_free(t->server);
        jobs_stop(t->jobs);
        monitor_stop(t->monitor);
        cluster_box_free(t->box);
        node_shared_free(t->nodes);
        fid_notes_free(t->notes);
        pace_free(t->pace);
        for (size_t i = 0; i < N_SIGNALS; i++) {
            if (t->signals[i] != NULL)
                event_free(t->signals[i]);
        }
        if (t->tick != NULL)
            event_free(t->tick);
        if (t->base != NULL)
            event_base_free(t->base);
    }
    for (size_t i = 0; i < t->n_listen; i++) {
        if (t->listen_fds[i] >= 0)
            (void)close(t->listen_fds[i]);
    }
    free(t->listen_fds);
    hooks_free(t->hooks);
    if (t->http_fd >= 0)
        (void)close(t->http_fd);
    store_env_free(t->env);
    if (t->db_lock_fd >= 0)
        (void)close(t->db_lock_fd);
    handover_fini(&t->inherited);
    tracker_options_fini(&t->options);
    for (int i = 0; i < t->argc; i++)
        free(t->argv[i]);
    free(t->argv);
    free(t->pidfile);
    free(t);
}
