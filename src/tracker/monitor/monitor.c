/* SPDX-License-Identifier: MIT */
/* The monitor's thread: reloads, rounds, publishing. */
#include "tracker/monitor/monitor.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/pool.h"
#include "store/store_lock.h"
#include "store/store_topology.h"
#include "tracker/monitor/monitor_iostat.h"
#include "tracker/monitor/monitor_probe.h"
#include "tracker/monitor/monitor_seen.h"
#include "tracker/policy/zones.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RELOAD_EVERY_MS = 4000,
    RETRY_EVERY_MS = 500, /* while the database does not answer */
    ROUND_EVERY_MS = 2500,
    PUBLISH_EVERY_MS = 250,
    USAGE_EVERY_S = 15,
    LOG_EVERY_MS = 60000,
    UNWANTED_SLEEP_MS = 100
};

/* Invariant: `config` is under `lock`; all else but `reloaded_mono_ms` and `wanted` belongs to the thread. */
struct monitor {
    struct monitor_parts parts;
    pthread_t thread;
    uint32_t number;
    pthread_mutex_t lock;
    struct monitor_config config;
    struct store *st;
    struct store_topology topology;
    struct monitor_seen *seen;
    struct monitor_probe *probe;
    struct monitor_iostat *iostat;
    struct buf zones; /* what was last said of network zones */
    bool has_topology, was_down;
    int64_t complained_mono_ms, usage_complained_mono_ms;
    _Atomic int64_t reloaded_mono_ms; /* 0: never */
    struct metric_histogram rounds;   /* read by any thread */
    atomic_bool wanted;
};

static struct monitor_config config_of(struct monitor *m)
{
    pthread_mutex_lock(&m->lock);
    struct monitor_config config = m->config;
    pthread_mutex_unlock(&m->lock);
    return config;
}

static void publish(struct monitor *m, bool log_bogus)
{
    struct monitor_config config = config_of(m);
    if (m->has_topology)
        cluster_box_publish(m->parts.box, monitor_seen_build(m->seen, &m->topology, &config.cluster, log_bogus));
}

static void set_alive(struct monitor *m, bool alive)
{
    int64_t now = clock_mono_ms();
    store_env_set_alive(m->parts.env, alive);
    if (!alive && (!m->was_down || now - m->complained_mono_ms >= LOG_EVERY_MS)) {
        m->complained_mono_ms = now;
        log_err("Cannot connect to master database! %s (trying again every %d ms)", store_failure(m->st)->text,
                (int)RETRY_EVERY_MS);
    } else if (alive && m->was_down) {
        log_info("the master database is back");
    }
    m->was_down = !alive;
}

/* What was seen of devices that are checked no more must not pass for news when they come back. */
static void forget_unwatched(struct monitor *m)
{
    const struct cluster *c = cluster_box_borrow(m->parts.box);
    for (size_t i = 0; c != NULL && i < c->n_devices; i++) {
        if (!cluster_device_is_monitored(&c->devices[i]))
            monitor_seen_forget_device(m->seen, c->devices[i].devid);
    }
    cluster_box_release(m->parts.box, c);
}

/* Mistakes in the settings of network zones: said once, and again when they change. */
static void complain_of_zones(struct monitor *m)
{
    const struct cluster *c = cluster_box_borrow(m->parts.box);
    struct buf text = BUF_ZERO;
    if (c != NULL)
        zones_problems(c, &text);
    cluster_box_release(m->parts.box, c);
    if (!span_eq(buf_as_span(&text), buf_as_span(&m->zones))) {
        struct span rest = buf_as_span(&text), line;
        while (span_split(&rest, '\n', &line)) {
            if (line.len != 0)
                log_warn("%.*s", (int)line.len, line.ptr);
        }
        buf_reset(&m->zones);
        buf_append(&m->zones, text.data, text.len);
    }
    buf_fini(&text);
}

/* False: the database does not answer; the old tables stay. */
static bool reload(struct monitor *m)
{
    struct store_topology fresh;
    memset(&fresh, 0, sizeof(fresh));
    enum mog_err e = store_validate(m->st);
    if (e == MOG_OK)
        e = store_topology_read(m->st, &fresh);
    set_alive(m, e == MOG_OK);
    if (e != MOG_OK)
        return false;
    store_topology_free(&m->topology);
    m->topology = fresh;
    m->has_topology = true;
    atomic_store(&m->reloaded_mono_ms, clock_mono_ms());
    return true;
}

/* When the database's figures of a device are from; 0: never, or no such device. */
static int64_t asof_of(const struct store_devices *rows, uint32_t devid)
{
    for (size_t i = 0; i < rows->n; i++) {
        if (rows->rows[i].devid == devid)
            return rows->rows[i].mb_asof;
    }
    return 0;
}

/* Our own copy of the tables gets the new figures too, so that a new device can be used after one round. */
static void apply_usage(struct monitor *m, const struct store_usage *u)
{
    for (size_t i = 0; i < m->topology.devices.n; i++) {
        struct store_device *row = &m->topology.devices.rows[i];
        if (row->devid != u->devid)
            continue;
        row->has_mb_total = row->has_mb_used = true;
        row->mb_total = u->mb_total;
        row->mb_used = u->mb_used;
        row->mb_asof = u->mb_asof;
    }
}

static void store_usage_rows(struct monitor *m, bool may_write, const struct store_devices *asof)
{
    struct store_usage *rows = NULL;
    size_t n = 0, due = 0;
    monitor_probe_take_usage(m->probe, &rows, &n);
    int64_t now = clock_wall_s();
    for (size_t i = 0; i < n; i++) {
        if (!may_write || asof_of(asof, rows[i].devid) + USAGE_EVERY_S >= now)
            continue;
        apply_usage(m, &rows[i]);
        rows[due++] = rows[i];
    }
    bool failed = due != 0 && store_device_write_usage(m->st, rows, due) != MOG_OK;
    int64_t mono = clock_mono_ms();
    /* A database that can only be read refuses it in every round. */
    if (failed && (m->usage_complained_mono_ms == 0 || mono - m->usage_complained_mono_ms >= LOG_EVERY_MS)) {
        m->usage_complained_mono_ms = mono;
        log_warn("monitor: the usage of %zu devices was not stored, trying again in the next round: %s", due,
                 store_failure(m->st)->text);
    }
    free(rows);
}

static void take_utilization(struct monitor *m)
{
    for (size_t i = 0; i < m->topology.devices.n; i++) {
        uint32_t devid = m->topology.devices.rows[i].devid;
        monitor_seen_set_utilization(m->seen, devid, monitor_iostat_get(m->iostat, devid));
    }
}

/* Check all devices; what is seen is published while others still wait for their deadlines. */
static void run_round(struct monitor *m, bool database_is_up)
{
    struct store_devices asof = {0};
    bool locked = database_is_up && store_lock(m->st, "mgfs:device_update", 0) == MOG_OK;
    if (locked && store_device_list(m->st, &asof) != MOG_OK)
        asof = (struct store_devices){0};
    take_utilization(m);
    forget_unwatched(m);
    publish(m, false);
    const struct cluster *c = cluster_box_borrow(m->parts.box);
    if (c != NULL) {
        monitor_probe_begin(m->probe, c, config_of(m).conn_timeout_ms);
        while (!monitor_probe_wait(m->probe, PUBLISH_EVERY_MS)) {
            if (monitor_seen_take_changed(m->seen))
                publish(m, false);
        }
        cluster_box_release(m->parts.box, c);
        store_usage_rows(m, locked, &asof);
    }
    (void)monitor_seen_take_changed(m->seen);
    publish(m, false);
    const struct cluster *now = cluster_box_borrow(m->parts.box);
    if (now != NULL)
        monitor_iostat_watch(m->iostat, now);
    cluster_box_release(m->parts.box, now);
    if (locked)
        store_unlock(m->st);
    store_devices_free(&asof);
}

static void *run(void *arg)
{
    struct monitor *m = arg;
    uint64_t ticket = 0, reloaded = 0; /* reloaded: the last ticket that a successful reload came after */
    int64_t next_reload = clock_mono_ms(), next_round = next_reload;
    bool up = false;
    char context[40];
    (void)snprintf(context, sizeof(context), "monitor(%" PRIu32 ")", m->number);
    log_set_context(context);
    pthread_setname_np(pthread_self(), "monitor");
    while (!cluster_box_is_stopping(m->parts.box)) {
        if (!atomic_load(&m->wanted)) {
            clock_sleep_ms(UNWANTED_SLEEP_MS);
            next_reload = next_round = clock_mono_ms();
            continue;
        }
        int64_t next = next_reload < next_round ? next_reload : next_round, now = clock_mono_ms();
        bool asked = cluster_box_wait_request(m->parts.box, next > now ? next - now : 0, &ticket);
        if (!atomic_load(&m->wanted))
            continue;
        now = clock_mono_ms();
        if (asked || now >= next_reload) {
            up = reload(m);
            if (up)
                reloaded = ticket;
            publish(m, true);
            complain_of_zones(m);
            next_reload = clock_mono_ms() + (up ? RELOAD_EVERY_MS : RETRY_EVERY_MS);
        }
        if (!asked && now < next_round)
            continue;
        int64_t started_us = clock_mono_us();
        run_round(m, up);
        metric_observe(&m->rounds, clock_mono_us() - started_us);
        next_round = now + ROUND_EVERY_MS;
        /* Without any tables nobody can be served: the first round counts once the database was read. */
        if (m->has_topology)
            cluster_box_round_done(m->parts.box, reloaded);
    }
    return NULL;
}

static void monitor_free(struct monitor *m)
{
    monitor_probe_free(m->probe);
    monitor_iostat_stop(m->iostat);
    monitor_seen_free(m->seen);
    store_topology_free(&m->topology);
    store_free(m->st);
    buf_fini(&m->zones);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

struct monitor *monitor_start(const struct monitor_parts *parts, const struct monitor_config *config)
{
    struct monitor *m = mem_calloc(1, sizeof(*m));
    m->parts = *parts;
    m->config = *config;
    m->number = pool_next_number();
    atomic_store(&m->wanted, true);
    pthread_mutex_init(&m->lock, NULL);
    m->st = store_new_probing(parts->env, STORE_MONITOR);
    m->seen = monitor_seen_new();
    m->probe = monitor_probe_new(parts->nodes, m->seen);
    m->iostat = monitor_iostat_start(config->stream_port);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&m->thread, NULL, run, m);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        return m;
    monitor_free(m);
    return NULL;
}

void monitor_set_config(struct monitor *m, const struct monitor_config *config)
{
    pthread_mutex_lock(&m->lock);
    m->config = *config;
    pthread_mutex_unlock(&m->lock);
}

void monitor_stop(struct monitor *m)
{
    if (m == NULL)
        return;
    pthread_join(m->thread, NULL);
    monitor_free(m);
}

void monitor_want(struct monitor *m, bool wanted)
{
    atomic_store(&m->wanted, wanted);
}

bool monitor_is_wanted(struct monitor *m)
{
    return atomic_load(&m->wanted);
}

uint32_t monitor_number(struct monitor *m)
{
    return m->number;
}

const struct metric_histogram *monitor_rounds(const struct monitor *m)
{
    return &m->rounds;
}

int64_t monitor_reload_age_ms(struct monitor *m)
{
    int64_t at = atomic_load(&m->reloaded_mono_ms);
    return at != 0 ? clock_mono_ms() - at : -1;
}
