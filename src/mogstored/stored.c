/* SPDX-License-Identifier: MIT */
/* The storage daemon as a whole: start in order, run until a signal, stop in reverse order. */
#include "mogstored/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/num.h"
#include "mogstored/access_log.h"
#include "mogstored/devices.h"
#include "mogstored/http.h"
#include "mogstored/metrics.h"
#include "mogstored/reload.h"
#include "mogstored/side.h"
#include "mogstored/upgrade.h"

enum {
    ROUND_S = 10,  /* between two measurements of a device */
    SIDE_PART = 8, /* of the descriptors, for the side channel */
    MIN_SIDE_CLIENTS = 16,
    SPARE_DESCRIPTORS = 1024, /* beside connections and the files they read */
    STOP_LIMIT_MS = 3000,     /* a hung disk must not keep us from ending */
};

static enum mog_err listen_at(struct stored *s, const char *what, const char *address, int *fd, struct mog_fail *f)
{
    char host[64];
    uint16_t port;
    struct mog_fail inner = {0};
    enum mog_err e = stored_options_address(address, host, sizeof host, &port, &inner);
    if (e == MOG_OK)
        e = handover_listen(&s->inherited, host, port, fd, &inner);
    return e == MOG_OK ? MOG_OK : fail_set(f, e, "%s: %s", what, inner.text);
}

struct wanted {
    const char *what, *address; /* NULL: not wanted */
};

static void wanted_sockets(const struct stored_options *o, struct wanted *out)
{
    bool serves_http = strcmp(o->server, "none") != 0;
    out[STORED_HTTP] = (struct wanted){"httplisten", serves_http ? o->httplisten : NULL};
    out[STORED_SIDE] = (struct wanted){"mgmtlisten", o->mgmtlisten};
    out[STORED_HTTP_GET] = (struct wanted){"httpgetlisten", serves_http ? o->httpgetlisten : NULL};
    out[STORED_METRICS] = (struct wanted){"http_metrics_listen", o->http_metrics_listen};
}

enum mog_err stored_load(struct stored *s, int argc, char **argv, bool *is_done, struct mog_fail *f)
{
    *s = (struct stored){.argc = argc, .argv = argv, .inherited = HANDOVER_NONE, .answer_fd = -1};
    for (size_t i = 0; i < STORED_SOCKET_COUNT; i++)
        s->fds[i] = -1;
    settings_init(&s->settings);
    (void)!log_open("mogstored", LOG_SINK_STDERR, NULL, NULL);
    s->folder = getcwd(s->folder_buffer, sizeof s->folder_buffer) ? s->folder_buffer : "/";
    enum mog_err e = stored_options_load(&s->opts, argc, argv, s->folder, f);
    /* Who takes the place of a daemon in the background has no terminal. */
    if (s->opts.daemonize && handover_is_due())
        (void)!log_open("mogstored", LOG_SINK_SYSLOG, NULL, NULL);
    if (e != MOG_OK)
        return e;
    *is_done = s->opts.help || s->opts.version;
    if (s->opts.help) {
        printf("Usage: mogstored [options]\n\n");
        opt_print_help(&stored_options_spec);
    } else if (s->opts.version) {
        printf("mogstored %s\n", MOG_VERSION);
    }
    if (*is_done)
        return MOG_OK;
    e = reload_apply_settings(s, &s->opts, f);
    if (e == MOG_OK && s->opts.check_config) {
        *is_done = true;
        printf("mogstored: the configuration is fine\n");
    }
    return e;
}

enum mog_err stored_listen(struct stored *s, struct mog_fail *f)
{
    struct wanted wanted[STORED_SOCKET_COUNT];
    wanted_sockets(&s->opts, wanted);
    enum mog_err e = handover_inherit(&s->inherited, "MOGSTORED_FD", f);
    for (size_t i = 0; e == MOG_OK && i < STORED_SOCKET_COUNT; i++) {
        if (wanted[i].address)
            e = listen_at(s, wanted[i].what, wanted[i].address, &s->fds[i], f);
    }
    handover_close_rest(&s->inherited);
    return e;
}

/* Refuses to start beside the process that a pid file names. */
static enum mog_err check_pidfile(const char *path, struct mog_fail *f)
{
    char text[32] = "";
    uint64_t pid;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return MOG_OK;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0 || num_parse_u64(span_trim(span_of(text)), 1, INT32_MAX, &pid) != MOG_OK)
        return MOG_OK;
    if (pid == (uint64_t)getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
        return MOG_OK;
    return fail_set(f, MOG_EEXISTS, "already running on PID: %" PRIu64 " (%s)", pid, path);
}

static enum mog_err write_pidfile(struct stored *s, struct mog_fail *f)
{
    if (!s->opts.pidfile)
        return MOG_OK;
    enum mog_err e = daemon_pidfile_write(s->opts.pidfile, f);
    s->has_pidfile = e == MOG_OK;
    return e;
}

/* As daemon_become, with a group other than the user's own. */
static enum mog_err become(const char *user, const char *group, struct mog_fail *f)
{
    if (!group)
        return user ? daemon_become(user, f) : MOG_OK;
    const struct group *gr = getgrnam(group);
    if (!gr)
        return fail_set(f, MOG_ENOTFOUND, "group '%s' does not exist", group);
    gid_t gid = gr->gr_gid;
    const struct passwd *pw = user ? getpwnam(user) : NULL;
    if (user && !pw)
        return fail_set(f, MOG_ENOTFOUND, "user '%s' does not exist", user);
    if (geteuid() != 0)
        return getegid() == gid ? MOG_OK : fail_set(f, MOG_EPERM, "only root can take group '%s'", group);
    if ((user ? initgroups(user, gid) : setgroups(1, &gid)) != 0 || setgid(gid) != 0 || (pw && setuid(pw->pw_uid) != 0))
        return fail_sys(f, MOG_EPERM, errno, "cannot become %s:%s", user ? user : "", group);
    return MOG_OK;
}

/* Each connection may have a file open, and rarely does: fewer connections only when even the common case is too much.
 */
static void limit_connections(struct stored *s)
{
    size_t conns = (size_t)s->opts.maxconns, have = daemon_raise_nofile(conns * 2 + SPARE_DESCRIPTORS);
    size_t fits = have > 2 * (size_t)SPARE_DESCRIPTORS ? (have - SPARE_DESCRIPTORS) / 5 * 4 : have / 4;
    s->side_clients = have / SIDE_PART > MIN_SIDE_CLIENTS ? have / SIDE_PART : MIN_SIDE_CLIENTS;
    s->max_conns = conns < fits ? conns : fits;
    if (fits >= conns)
        return;
    log_warn("maxconns = %zu is too much for %zu file descriptors, which is the limit: going on with %zu", conns, have,
             fits);
}

/* All that is left to do for a process whose parent is in the background already. */
static enum mog_err leave_folder(struct mog_fail *f)
{
    return chdir("/") == 0 ? MOG_OK : fail_sys(f, MOG_EIO, errno, "cannot change to /");
}

enum mog_err stored_enter(struct stored *s, struct mog_fail *f)
{
    const struct stored_options *o = &s->opts;
    enum mog_err e = MOG_OK;
    limit_connections(s);
    (void)umask(022);
    if (o->pidfile && !s->inherited.is_successor)
        e = check_pidfile(o->pidfile, f);
    if (e == MOG_OK && o->daemonize)
        e = s->inherited.is_successor ? leave_folder(f) : daemon_detach(f);
    if (e == MOG_OK && !s->inherited.is_successor)
        e = write_pidfile(s, f);
    if (e == MOG_OK)
        e = become(o->user, o->group, f);
    return e;
}

static void ask_to_stop(void *arg, bool is_graceful, uint64_t limit_s)
{
    struct stored *s = arg;
    int sig = is_graceful ? SIGQUIT : SIGTERM;
    atomic_store(&s->graceful_limit_s, limit_s);
    /* Who says it to an old process means the daemon. Said first and looked then, as leave() does it the other way. */
    atomic_store(&s->said, sig);
    if (atomic_load(&s->heir) != 0)
        (void)kill((pid_t)atomic_load(&s->heir), sig);
    (void)kill(getpid(), sig);
}

static unsigned round_seconds(void)
{
    const char *text = getenv("MOG_DISK_USAGE_INTERVAL");
    uint64_t seconds;
    if (text && num_parse_u64(span_of(text), 1, 3600, &seconds) == MOG_OK)
        return (unsigned)seconds;
    return ROUND_S;
}

static void block_signals(sigset_t *set)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaddset(set, signals[i]);
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static enum mog_err start_http(struct stored *s, struct mog_fail *f)
{
    enum mog_err e = MOG_OK;
    s->http = http_new(&(struct http_opts){.devices = s->devices,
                                           .settings = &s->settings,
                                           .access_log = s->access_log,
                                           .max_conns = s->max_conns,
                                           .keepalive_s = (unsigned)s->opts.keepalive_timeout});
    if (s->fds[STORED_HTTP] >= 0)
        e = http_serve(s->http, s->fds[STORED_HTTP], HTTP_PORT_ALL, f);
    if (e == MOG_OK && s->fds[STORED_HTTP_GET] >= 0)
        e = http_serve(s->http, s->fds[STORED_HTTP_GET], HTTP_PORT_READING, f);
    return e;
}

enum mog_err stored_start(struct stored *s, struct mog_fail *f)
{
    const struct stored_options *o = &s->opts;
    sigset_t unused;
    block_signals(&unused);
    if (geteuid() == 0)
        log_info("running as root: an unmounted device is noticed all the same, but `user` is safer");
    enum mog_err e = devices_new(&(struct devices_opts){.docroot = o->docroot,
                                                        .threads = (unsigned)o->device_threads,
                                                        .round_s = round_seconds()},
                                 &s->settings, &s->devices, f);
    if (e == MOG_OK && o->access_log)
        e = access_log_open(o->access_log, &s->access_log, f);
    if (e == MOG_OK)
        e = devices_start(s->devices, f);
    if (e == MOG_OK)
        e = start_http(s, f);
    if (e == MOG_OK) {
        s->side = side_new(&(struct side_opts){.devices = s->devices,
                                               .settings = &s->settings,
                                               .http = s->http,
                                               .has_iostat = o->iostat,
                                               .max_clients = s->side_clients,
                                               .stop = ask_to_stop,
                                               .stop_arg = s});
        e = side_serve(s->side, s->fds[STORED_SIDE], f);
    }
    if (e == MOG_OK && s->fds[STORED_METRICS] >= 0)
        e = metrics_serve(s->fds[STORED_METRICS], s->devices, s->http, &s->metrics, f);
    if (e == MOG_OK && s->inherited.is_successor)
        e = write_pidfile(s, f);
    if (e != MOG_OK)
        return e;
    if (o->daemonize)
        (void)!log_open("mogstored", LOG_SINK_SYSLOG, NULL, NULL);
    daemon_ready();
    int channel = handover_done(&s->inherited);
    if (channel >= 0)
        close(channel); /* connections are not given: each ends with its answer */
    if (!o->daemonize) {
        printf("Running.\n");
        (void)fflush(stdout);
    }
    log_info("serving %s", o->docroot);
    return MOG_OK;
}

/* Those of the side channel count only where another process serves new ones: watchers never end. */
static bool has_clients(struct stored *s)
{
    return http_connections(s->http) > 0 || (s->has_left && side_clients(s->side) > 0);
}

/* Finish what has begun, at most for a while. A second signal to stop ends it. */
static void drain(struct stored *s, const sigset_t *signals)
{
    uint64_t limit_s = atomic_load(&s->graceful_limit_s);
    struct deadline by = deadline_in((int64_t)(limit_s > 0 ? limit_s : (uint64_t)s->opts.graceful_timeout) * 1000);
    if (s->has_left) {
        log_info("upgrade: process %d serves, finishing what has begun", s->successor);
        side_quiesce(s->side);
    } else {
        log_info("stopping gracefully");
        daemon_notify("STOPPING=1");
    }
    http_quiesce(s->http, s->has_left);
    while (has_clients(s) && !deadline_is_past(by)) {
        struct timespec pause = {.tv_nsec = 100000000};
        int sig = sigtimedwait(signals, NULL, &pause);
        if (sig == SIGTERM || sig == SIGINT)
            break;
    }
}

/* `sig` has just come; 0: none. */
static void leave(struct stored *s, const sigset_t *signals, int sig)
{
    atomic_store(&s->heir, s->successor);
    int said = atomic_load(&s->said); /* while there was no heir to tell */
    if (said != 0)
        (void)kill((pid_t)s->successor, said);
    metrics_stop(s->metrics); /* it is the new process that counts from now on */
    s->metrics = NULL;
    if (sig != SIGTERM && sig != SIGINT)
        drain(s, signals);
    log_info("ending run, another process has taken over");
}

/* 0: none came, and it is time to look after the new process. */
static int next_signal(struct stored *s, const sigset_t *signals)
{
    struct timespec pause = {.tv_nsec = UPGRADE_POLL_MS * 1000000L};
    int sig = upgrade_is_pending(s) ? sigtimedwait(signals, NULL, &pause) : sigwaitinfo(signals, NULL);
    return sig > 0 ? sig : 0;
}

void stored_run(struct stored *s)
{
    sigset_t signals;
    int sig = 0;
    block_signals(&signals);
    for (;;) {
        sig = next_signal(s, &signals);
        if (upgrade_is_pending(s) && upgrade_check(s)) {
            leave(s, &signals, sig);
            return;
        }
        switch (sig) {
        case SIGHUP:
            reload(s);
            break;
        case SIGUSR1:
            reload_logs(s);
            break;
        case SIGUSR2:
            upgrade_start(s);
            break;
        case SIGCHLD:
        case 0:
            break;
        case SIGQUIT:
            drain(s, &signals);
            log_info("ending run");
            return;
        default:
            log_info("ending run due to %s", sig == SIGINT ? "SIGINT" : "SIGTERM");
            return;
        }
    }
}

/* Ends the process when the threads do not end. */
struct watchdog {
    const struct stored *s;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_running, is_over; /* is_over: they have ended; under the lock */
};

/* Calls that hang in the kernel cannot be waited for. */
static void *watch(void *arg)
{
    struct watchdog *w = arg;
    struct timespec until;
    int err = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += STOP_LIMIT_MS / 1000;
    pthread_mutex_lock(&w->lock);
    while (!w->is_over && err == 0)
        err = pthread_cond_timedwait(&w->wake, &w->lock, &until);
    if (w->is_over) {
        pthread_mutex_unlock(&w->lock);
        return NULL;
    }
    log_warn("a disk does not answer, ending without it");
    upgrade_remove_pidfile(w->s);
    _exit(0);
}

static void watchdog_start(struct watchdog *w, const struct stored *s)
{
    pthread_condattr_t monotonic;
    *w = (struct watchdog){.s = s};
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    w->is_running = s->devices != NULL && pthread_create(&w->thread, NULL, watch, w) == 0;
}

/* What it reads may be freed afterwards. */
static void watchdog_stop(struct watchdog *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_over = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    if (w->is_running)
        pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
}

static void stop_threads(struct stored *s)
{
    struct watchdog watchdog;
    watchdog_start(&watchdog, s);
    metrics_stop(s->metrics);
    if (s->http)
        http_quiesce(s->http, s->has_left);
    if (s->side)
        side_stop(s->side);
    if (s->devices)
        devices_stop(s->devices);
    if (s->http)
        http_stop(s->http);
    side_free(s->side);
    http_free(s->http);
    access_log_close(s->access_log);
    devices_free(s->devices);
    watchdog_stop(&watchdog);
}

void stored_stop(struct stored *s)
{
    stop_threads(s);
    for (size_t i = 0; i < STORED_SOCKET_COUNT; i++) {
        if (s->fds[i] >= 0)
            close(s->fds[i]);
    }
    upgrade_stop(s);
    handover_fini(&s->inherited);
    settings_fini(&s->settings);
    stored_options_fini(&s->opts);
}
