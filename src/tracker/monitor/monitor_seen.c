/* SPDX-License-Identifier: MIT */
/* Observations, kept by id whatever happens to the rows of the database. */
#include "tracker/monitor/monitor_seen.h"

#include "common/clock.h"
#include "common/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TEST_EVERY_MS = 15 * 1000, LOG_EVERY_MS = 60 * 1000 };

/* Times that belong to a device, beside its row in `seen`. */
struct times {
    int64_t tested_mono_ms, logged_mono_ms; /* 0: never */
};

/* Invariants, all under `lock`: the two lists are sorted by id; times[i] belongs to seen.devices[i]. */
struct monitor_seen {
    pthread_mutex_t lock;
    struct cluster_observations seen;
    size_t cap_hosts, cap_devices, cap_times;
    struct times *times;
    bool changed;
};

struct monitor_seen *monitor_seen_new(void)
{
    struct monitor_seen *s = mem_calloc(1, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void monitor_seen_free(struct monitor_seen *s)
{
    if (s == NULL)
        return;
    free(s->seen.hosts);
    free(s->seen.devices);
    free(s->times);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static size_t place_of(const struct cluster_seen *rows, size_t n, uint32_t id)
{
    size_t at = 0;
    while (at < n && rows[at].id < id)
        at++;
    return at;
}

/* Under the lock. */
static struct cluster_seen *host_row(struct monitor_seen *s, uint32_t id)
{
    const struct cluster_seen *have = cluster_seen_find(s->seen.hosts, s->seen.n_hosts, id);
    if (have != NULL)
        return &s->seen.hosts[have - s->seen.hosts];
    size_t at = place_of(s->seen.hosts, s->seen.n_hosts, id);
    s->seen.hosts = mem_grow(s->seen.hosts, s->seen.n_hosts, &s->cap_hosts, sizeof(*s->seen.hosts));
    memmove(&s->seen.hosts[at + 1], &s->seen.hosts[at], (s->seen.n_hosts - at) * sizeof(*s->seen.hosts));
    s->seen.hosts[at] = (struct cluster_seen){.id = id, .utilization = -1.0};
    s->seen.n_hosts++;
    return &s->seen.hosts[at];
}

/* Under the lock. */
static struct cluster_seen *device_row(struct monitor_seen *s, uint32_t id)
{
    const struct cluster_seen *have = cluster_seen_find(s->seen.devices, s->seen.n_devices, id);
    if (have != NULL)
        return &s->seen.devices[have - s->seen.devices];
    size_t n = s->seen.n_devices, at = place_of(s->seen.devices, n, id);
    s->seen.devices = mem_grow(s->seen.devices, n, &s->cap_devices, sizeof(*s->seen.devices));
    s->times = mem_grow(s->times, n, &s->cap_times, sizeof(*s->times));
    memmove(&s->seen.devices[at + 1], &s->seen.devices[at], (n - at) * sizeof(*s->seen.devices));
    memmove(&s->times[at + 1], &s->times[at], (n - at) * sizeof(*s->times));
    s->seen.devices[at] = (struct cluster_seen){.id = id, .utilization = -1.0};
    s->times[at] = (struct times){0};
    s->seen.n_devices++;
    return &s->seen.devices[at];
}

bool monitor_seen_set_host(struct monitor_seen *s, uint32_t hostid, enum host_seen state)
{
    pthread_mutex_lock(&s->lock);
    struct cluster_seen *row = host_row(s, hostid);
    bool changed = row->host != state;
    row->host = state;
    s->changed = s->changed || changed;
    pthread_mutex_unlock(&s->lock);
    return changed;
}

bool monitor_seen_set_device(struct monitor_seen *s, uint32_t devid, enum device_seen state)
{
    pthread_mutex_lock(&s->lock);
    struct cluster_seen *row = device_row(s, devid);
    bool changed = row->device != state;
    row->device = state;
    s->changed = s->changed || changed;
    pthread_mutex_unlock(&s->lock);
    return changed;
}

void monitor_seen_forget_device(struct monitor_seen *s, uint32_t devid)
{
    pthread_mutex_lock(&s->lock);
    const struct cluster_seen *have = cluster_seen_find(s->seen.devices, s->seen.n_devices, devid);
    if (have != NULL && have->device != DEVICE_NOT_SEEN) {
        s->seen.devices[have - s->seen.devices].device = DEVICE_NOT_SEEN;
        s->changed = true;
    }
    pthread_mutex_unlock(&s->lock);
}

void monitor_seen_set_utilization(struct monitor_seen *s, uint32_t devid, double percent)
{
    pthread_mutex_lock(&s->lock);
    device_row(s, devid)->utilization = percent;
    pthread_mutex_unlock(&s->lock);
}

void monitor_seen_set_md5(struct monitor_seen *s, uint32_t devid, bool rejects)
{
    pthread_mutex_lock(&s->lock);
    struct cluster_seen *row = device_row(s, devid);
    s->changed = s->changed || row->rejects_bad_md5 != rejects;
    row->rejects_bad_md5 = rejects;
    pthread_mutex_unlock(&s->lock);
}

enum host_seen monitor_seen_host(struct monitor_seen *s, uint32_t hostid)
{
    pthread_mutex_lock(&s->lock);
    enum host_seen state = host_row(s, hostid)->host;
    pthread_mutex_unlock(&s->lock);
    return state;
}

enum device_seen monitor_seen_device(struct monitor_seen *s, uint32_t devid)
{
    pthread_mutex_lock(&s->lock);
    enum device_seen state = device_row(s, devid)->device;
    pthread_mutex_unlock(&s->lock);
    return state;
}

bool monitor_seen_begin_test(struct monitor_seen *s, uint32_t devid, bool force)
{
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&s->lock);
    struct times *t = &s->times[device_row(s, devid) - s->seen.devices];
    bool due = force || t->tested_mono_ms == 0 || now - t->tested_mono_ms >= TEST_EVERY_MS;
    if (due)
        t->tested_mono_ms = now;
    pthread_mutex_unlock(&s->lock);
    return due;
}

bool monitor_seen_may_log(struct monitor_seen *s, uint32_t devid, bool changed)
{
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&s->lock);
    struct times *t = &s->times[device_row(s, devid) - s->seen.devices];
    bool may = changed || t->logged_mono_ms == 0 || now - t->logged_mono_ms >= LOG_EVERY_MS;
    if (may)
        t->logged_mono_ms = now;
    pthread_mutex_unlock(&s->lock);
    return may;
}

bool monitor_seen_take_complaint(struct monitor_seen *s, uint32_t devid)
{
    pthread_mutex_lock(&s->lock);
    struct times *t = &s->times[device_row(s, devid) - s->seen.devices];
    bool was = t->logged_mono_ms != 0;
    t->logged_mono_ms = 0;
    pthread_mutex_unlock(&s->lock);
    return was;
}

bool monitor_seen_take_changed(struct monitor_seen *s)
{
    pthread_mutex_lock(&s->lock);
    bool changed = s->changed;
    s->changed = false;
    pthread_mutex_unlock(&s->lock);
    return changed;
}

struct cluster *monitor_seen_build(struct monitor_seen *s, const struct store_topology *t,
                                   const struct cluster_config *config, bool log_bogus)
{
    pthread_mutex_lock(&s->lock);
    struct cluster *c = cluster_build(t, &s->seen, config, log_bogus);
    pthread_mutex_unlock(&s->lock);
    return c;
}
