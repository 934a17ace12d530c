/* SPDX-License-Identifier: MIT */
/* One connection per host that says "watch" and reads "<devid>\t<per cent>" lines. */
#include "tracker/monitor/monitor_iostat.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/num.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uthash.h>

enum {
    TICK_MS = 1000,
    RETRY_NO_FIGURES_MS = 60 * 1000, /* the node said that it has none, or talks something else */
    RETRY_MS = 2 * 1000,             /* hosts are watched only while they answer otherwise: a restart is over soon */
    EXPIRE_MS = 60 * 1000,
    MAX_LINE = 4096
};

struct value {
    UT_hash_handle hh;
    uint32_t devid;
    double percent;
    int64_t at_mono_ms;
};

struct watch {
    UT_hash_handle hh;
    char ip[46];
    struct monitor_iostat *io;
    struct bufferevent *bev; /* NULL: not connected */
    bool connected, wanted;
    int64_t retry_mono_ms;
};

/*
 * Invariants: 1. `values`, `hosts` and `n_hosts` are under `lock`; the rest belongs to the thread. 2. `tick` is pending
 * while a host is to be connected to: where all are, nothing but their lines wakes the thread.
 */
struct monitor_iostat {
    pthread_t thread;
    pthread_mutex_t lock;
    struct event_base *base;
    struct event *tick, *wake;
    int wake_fd;
    struct watch *watches;
    struct value *values;
    char (*hosts)[46];
    size_t n_hosts;
    bool hosts_changed;
    uint16_t port;
    _Atomic bool stopping;
};

static void set_value(struct monitor_iostat *io, uint32_t devid, double percent)
{
    struct value *v = NULL;
    pthread_mutex_lock(&io->lock);
    HASH_FIND(hh, io->values, &devid, sizeof(devid), v);
    if (v == NULL) {
        v = mem_calloc(1, sizeof(*v));
        v->devid = devid;
        HASH_ADD(hh, io->values, devid, sizeof(devid), v);
    }
    v->percent = percent;
    v->at_mono_ms = clock_mono_ms();
    pthread_mutex_unlock(&io->lock);
}

static void tick_soon(struct monitor_iostat *io)
{
    struct timeval tick = {.tv_sec = TICK_MS / 1000};
    if (!event_pending(io->tick, EV_TIMEOUT, NULL))
        (void)event_add(io->tick, &tick);
}

static void disconnect(struct watch *w, int64_t retry_in_ms)
{
    if (w->bev != NULL)
        bufferevent_free(w->bev);
    w->bev = NULL;
    w->connected = false;
    w->retry_mono_ms = clock_mono_ms() + retry_in_ms;
    tick_soon(w->io);
}

/* False: the node says that it has no figures. */
static bool take_line(struct watch *w, struct span line)
{
    struct span id, percent = line;
    uint64_t devid = 0;
    double value = 0;
    if (span_starts(line, "ERR"))
        return false;
    if (!span_split(&percent, '\t', &id) || num_parse_u64(span_trim(id), 1, UINT32_MAX, &devid) != MOG_OK)
        return true; /* "." ends a block */
    if (num_parse_double(span_trim(percent), &value) == MOG_OK && value >= 0)
        set_value(w->io, (uint32_t)devid, value);
    return true;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct watch *w = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    size_t len = 0;
    char *line;
    bool ok = true;
    while (ok && (line = evbuffer_readln(in, &len, EVBUFFER_EOL_CRLF)) != NULL) {
        ok = take_line(w, span_make(line, len));
        free(line);
    }
    if (!ok || evbuffer_get_length(in) > MAX_LINE)
        disconnect(w, RETRY_NO_FIGURES_MS);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct watch *w = arg;
    if (what & BEV_EVENT_CONNECTED) {
        w->connected = true;
        bufferevent_set_timeouts(bev, NULL, NULL);
        (void)bufferevent_write(bev, "watch\n", 6);
        return;
    }
    disconnect(w, RETRY_MS);
}

static void connect_watch(struct watch *w)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(w->io->port)};
    if (inet_pton(AF_INET, w->ip, &sa.sin_addr) != 1) {
        w->retry_mono_ms = clock_mono_ms() + RETRY_NO_FIGURES_MS;
        return;
    }
    w->bev = bufferevent_socket_new(w->io->base, -1, BEV_OPT_CLOSE_ON_FREE);
    struct timeval connect_timeout = {.tv_sec = 5};
    bufferevent_setcb(w->bev, on_read, NULL, on_event, w);
    bufferevent_set_timeouts(w->bev, &connect_timeout, &connect_timeout);
    if (bufferevent_socket_connect(w->bev, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
        if (w->bev != NULL)
            disconnect(w, RETRY_MS);
        return;
    }
    (void)bufferevent_enable(w->bev, EV_READ | EV_WRITE);
}

/* Take over the list of hosts that monitor_iostat_watch() left. */
static void apply_hosts(struct monitor_iostat *io)
{
    struct watch *w, *next;
    pthread_mutex_lock(&io->lock);
    if (io->hosts_changed) {
        HASH_ITER(hh, io->watches, w, next)
        w->wanted = false;
        for (size_t i = 0; i < io->n_hosts; i++) {
            HASH_FIND_STR(io->watches, io->hosts[i], w);
            if (w == NULL) {
                w = mem_calloc(1, sizeof(*w));
                memcpy(w->ip, io->hosts[i], sizeof(w->ip));
                w->io = io;
                HASH_ADD_STR(io->watches, ip, w);
            }
            w->wanted = true;
        }
        io->hosts_changed = false;
    }
    pthread_mutex_unlock(&io->lock);
    HASH_ITER(hh, io->watches, w, next)
    {
        if (!w->wanted) {
            disconnect(w, 0);
            HASH_DEL(io->watches, w);
            free(w);
        }
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct monitor_iostat *io = arg;
    (void)fd;
    (void)what;
    if (atomic_load(&io->stopping)) {
        (void)event_base_loopbreak(io->base);
        return;
    }
    apply_hosts(io);
    int64_t now = clock_mono_ms();
    struct watch *w, *next;
    HASH_ITER(hh, io->watches, w, next)
    {
        if (w->bev == NULL && now >= w->retry_mono_ms)
            connect_watch(w);
        if (w->bev == NULL)
            tick_soon(io);
    }
}

/* Hosts have changed, or we stop: do not wait for the next tick. */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;
    (void)!read(fd, &count, sizeof(count));
    on_tick(fd, what, arg);
}

static void wake_up(struct monitor_iostat *io)
{
    uint64_t one = 1;
    (void)!write(io->wake_fd, &one, sizeof(one));
}

static void *run(void *arg)
{
    struct monitor_iostat *io = arg;
    pthread_setname_np(pthread_self(), "iostat");
    log_set_context("monitor");
    (void)event_base_dispatch(io->base);
    return NULL;
}

static bool add_events(struct monitor_iostat *io)
{
    io->base = event_base_new();
    io->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (io->base == NULL || io->wake_fd < 0)
        return false;
    io->tick = evtimer_new(io->base, on_tick, io);
    io->wake = event_new(io->base, io->wake_fd, EV_READ | EV_PERSIST, on_wake, io);
    return io->tick != NULL && io->wake != NULL && event_add(io->wake, NULL) == 0;
}

static void iostat_free(struct monitor_iostat *io)
{
    if (io->tick != NULL)
        event_free(io->tick);
    if (io->wake != NULL)
        event_free(io->wake);
    if (io->wake_fd >= 0)
        (void)close(io->wake_fd);
    if (io->base != NULL)
        event_base_free(io->base);
    free(io->hosts);
    pthread_mutex_destroy(&io->lock);
    free(io);
}

struct monitor_iostat *monitor_iostat_start(uint16_t port)
{
    struct monitor_iostat *io = mem_calloc(1, sizeof(*io));
    io->port = port;
    pthread_mutex_init(&io->lock, NULL);
    bool ok = add_events(io);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    ok = ok && pthread_create(&io->thread, NULL, run, io) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (ok)
        return io;
    log_err("monitor: cannot start a thread for iostat, going on without utilisation");
    iostat_free(io);
    return NULL;
}

void monitor_iostat_stop(struct monitor_iostat *io)
{
    if (io == NULL)
        return;
    atomic_store(&io->stopping, true);
    wake_up(io);
    pthread_join(io->thread, NULL);
    struct watch *w, *next_w;
    HASH_ITER(hh, io->watches, w, next_w)
    {
        disconnect(w, 0);
        HASH_DEL(io->watches, w);
        free(w);
    }
    struct value *v, *next_v;
    HASH_ITER(hh, io->values, v, next_v)
    {
        HASH_DEL(io->values, v);
        free(v);
    }
    iostat_free(io);
}

void monitor_iostat_watch(struct monitor_iostat *io, const struct cluster *c)
{
    if (io == NULL)
        return;
    char(*hosts)[sizeof(io->hosts[0])] = mem_calloc(c->n_hosts + 1, sizeof(*hosts));
    size_t n = 0;
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct cluster_host *h = &c->hosts[i];
        bool open = h->status == HOST_ALIVE || h->status == HOST_READONLY;
        if (open && h->seen == HOST_REACHABLE && strlen(h->ip) < sizeof(hosts[0]))
            (void)snprintf(hosts[n++], sizeof(hosts[0]), "%s", h->ip);
    }
    pthread_mutex_lock(&io->lock);
    bool changed = n != io->n_hosts || (n != 0 && memcmp(hosts, io->hosts, n * sizeof(*hosts)) != 0);
    if (changed) {
        free(io->hosts);
        io->hosts = hosts;
        io->n_hosts = n;
        io->hosts_changed = true;
    }
    pthread_mutex_unlock(&io->lock);
    if (changed)
        wake_up(io);
    else
        free(hosts);
}

/* A hook of the original's tests: T_FAKE_IO_DEV<devid> stands for what the node would report. */
static bool faked(uint32_t devid, double *percent)
{
    char name[40];
    if (getenv("TESTING") == NULL)
        return false;
    (void)snprintf(name, sizeof(name), "T_FAKE_IO_DEV%u", devid);
    const char *value = getenv(name);
    return value != NULL && num_parse_double(span_of(value), percent) == MOG_OK;
}

double monitor_iostat_get(struct monitor_iostat *io, uint32_t devid)
{
    double percent = -1.0;
    if (faked(devid, &percent) || io == NULL)
        return percent;
    struct value *v = NULL;
    pthread_mutex_lock(&io->lock);
    HASH_FIND(hh, io->values, &devid, sizeof(devid), v);
    if (v != NULL && clock_mono_ms() - v->at_mono_ms < EXPIRE_MS)
        percent = v->percent;
    pthread_mutex_unlock(&io->lock);
    return percent;
}
