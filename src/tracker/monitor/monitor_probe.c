/* SPDX-License-Identifier: MIT */
/* The check of one device, and the pool that runs many of them. */
#include "tracker/monitor/monitor_probe.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/pool.h"
#include "common/rng.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_THREADS = 64, FAST_FAILURE_MS = 500 };

struct probe_thread {
    struct monitor_probe *probe;
    struct node *node;
    struct rng rng;
};

/*
 * One host of the running round. Until one of its devices has answered, its devices are asked one after the other, so
 * that hosts that hang cannot take all threads.
 */
struct probe_host {
    uint32_t hostid;
    bool answered, hangs;
    struct probe_item *next, *end; /* its items that were not handed in yet */
};

struct probe_item {
    const struct cluster_device *device;
    struct probe_host *host;
};

/* Invariants: `left`, `usage` and `hosts` are under `lock`; the rest is set before the round's items are handed in. */
struct monitor_probe {
    struct node_shared *nodes;
    struct monitor_seen *seen;
    struct pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    const struct cluster *cluster;
    uint64_t round;
    int64_t timeout_ms;
    struct probe_host *hosts;
    struct probe_item *items;
    size_t left;
    struct store_usage *usage;
    size_t n_usage, cap_usage;
};

static void add_usage(struct monitor_probe *p, const struct cluster_device *d, const struct node_usage *u)
{
    struct store_usage row = {
        .devid = d->devid, .mb_total = u->total_kb / 1024, .mb_used = u->used_kb / 1024, .mb_asof = clock_wall_s()};
    pthread_mutex_lock(&p->lock);
    p->usage = mem_grow(p->usage, p->n_usage, &p->cap_usage, sizeof(*p->usage));
    p->usage[p->n_usage++] = row;
    pthread_mutex_unlock(&p->lock);
}

static void usage_failed(struct monitor_probe *p, const struct probe_item *item, int64_t elapsed_ms,
                         const struct mog_fail *f)
{
    const struct cluster_device *d = item->device;
    bool changed = monitor_seen_set_device(p->seen, d->devid, DEVICE_UNREACHABLE);
    if (elapsed_ms < FAST_FAILURE_MS) {
        uint32_t port = d->host->http_get_port != 0 ? d->host->http_get_port : d->host->http_port;
        if (monitor_seen_may_log(p->seen, d->devid, changed))
            log_warn("Port %u not listening on %s (http://%s:%u/dev%u/usage)?  Error was: %s", port, d->host->ip,
                     d->host->ip, port, d->devid, f->text);
        return;
    }
    pthread_mutex_lock(&p->lock);
    bool is_disk = item->host->answered;
    item->host->hangs = !is_disk;
    pthread_mutex_unlock(&p->lock);
    /* Where others of the host answer it is the device alone: else the host would come and go with each of them. */
    if (is_disk) {
        if (monitor_seen_may_log(p->seen, d->devid, changed))
            log_warn("monitor: dev%u of host %s does not answer in time, it is not used: %s", d->devid, d->host->name,
                     f->text);
        return;
    }
    /* Each round asks another device of a host that hangs, until all have been asked: no news each time. */
    bool is_news = monitor_seen_set_host(p->seen, d->hostid, HOST_UNREACHABLE);
    if ((is_news || !changed) && monitor_seen_may_log(p->seen, d->devid, is_news))
        log_warn("monitor: host %s does not answer in time, none of its devices is used: %s", d->host->name, f->text);
}

static void test_write(struct probe_thread *t, const struct cluster_device *d)
{
    struct monitor_probe *p = t->probe;
    struct mog_fail f = {0};
    if (!cluster_device_can_delete(d)) {
        (void)monitor_seen_set_device(p->seen, d->devid, DEVICE_READABLE);
        return;
    }
    enum mog_err e = node_test_write(t->node, p->cluster, d, p->timeout_ms, rng_u64(&t->rng), &f);
    if (e == MOG_EDIGEST) /* another tracker may have used the same name at this moment */
        e = node_test_write(t->node, p->cluster, d, p->timeout_ms, rng_u64(&t->rng), &f);
    if (e != MOG_OK) {
        bool changed = monitor_seen_set_device(p->seen, d->devid, DEVICE_READABLE);
        if (monitor_seen_may_log(p->seen, d->devid, changed))
            log_warn("monitor: dev%u takes no files, it is read only for now: %s", d->devid, f.text);
        return;
    }
    if (monitor_seen_set_device(p->seen, d->devid, DEVICE_WRITEABLE)) {
        if (monitor_seen_take_complaint(p->seen, d->devid))
            log_info("monitor: dev%u is writeable again", d->devid);
        else
            log_debug("monitor: dev%u is writeable", d->devid);
    }
    bool rejects = false;
    if (node_probe_md5(t->node, d, p->timeout_ms, &rejects) == MOG_OK)
        monitor_seen_set_md5(p->seen, d->devid, rejects);
}

static void items_done(struct monitor_probe *p, size_t n)
{
    pthread_mutex_lock(&p->lock);
    p->left -= n;
    if (n != 0 && p->left == 0)
        pthread_cond_signal(&p->ended);
    pthread_mutex_unlock(&p->lock);
}

/* What of a host may be asked now: everything once it has answered, nothing more when it hangs, else the next device.
 */
static void hand_in(struct monitor_probe *p, struct probe_host *host)
{
    pthread_mutex_lock(&p->lock);
    struct probe_item *from = host->next, *to = host->answered || host->hangs ? host->end : from + (from != host->end);
    bool skip = host->hangs && !host->answered;
    host->next = to;
    pthread_mutex_unlock(&p->lock);
    for (struct probe_item *item = from; item != to; item++) {
        if (skip || !pool_submit(p->pool, item))
            items_done(p, 1);
    }
}

static void check(struct probe_thread *t, const struct probe_item *item)
{
    struct monitor_probe *p = t->probe;
    const struct cluster_device *d = item->device;
    struct node_usage usage;
    struct mog_fail f = {0};
    int64_t start = clock_mono_ms();
    enum mog_err e = node_usage(t->node, d, p->timeout_ms, &usage, &f);
    if (e != MOG_OK && e != MOG_ESYNTAX) {
        usage_failed(p, item, clock_mono_ms() - start, &f);
        return;
    }
    bool was_silent = monitor_seen_host(p->seen, d->hostid) == HOST_UNREACHABLE;
    if (monitor_seen_set_host(p->seen, d->hostid, HOST_REACHABLE)) {
        if (was_silent)
            log_info("monitor: host %s answers again", d->host->name);
        else
            log_debug("monitor: host %s is reachable", d->host->name);
    }
    pthread_mutex_lock(&p->lock);
    item->host->answered = true;
    pthread_mutex_unlock(&p->lock);
    hand_in(p, item->host);
    if (e == MOG_ESYNTAX) {
        if (monitor_seen_may_log(p->seen, d->devid, false))
            log_warn("%s", f.text);
        return;
    }
    add_usage(p, d, &usage);
    /* After a failure the first answer is tested at once, so that a device that is back is used in the same round. */
    enum device_seen before = monitor_seen_device(p->seen, d->devid);
    bool force = before == DEVICE_UNREACHABLE || before == DEVICE_NOT_SEEN;
    if (monitor_seen_begin_test(p->seen, d->devid, force))
        test_write(t, d);
}

static void *thread_new(void *arg)
{
    struct probe_thread *t = mem_calloc(1, sizeof(*t));
    t->probe = arg;
    t->node = node_new(t->probe->nodes);
    rng_seed_random(&t->rng);
    return t;
}

static void thread_free(void *worker)
{
    struct probe_thread *t = worker;
    node_free(t->node);
    free(t);
}

static void work(void *worker, void *value)
{
    struct probe_thread *t = worker;
    struct probe_item *item = value;
    check(t, item);
    hand_in(t->probe, item->host);
    items_done(t->probe, 1);
}

static void drop(void *arg, void *item)
{
    (void)item;
    items_done(arg, 1);
}

struct monitor_probe *monitor_probe_new(struct node_shared *nodes, struct monitor_seen *seen)
{
    struct monitor_probe *p = mem_calloc(1, sizeof(*p));
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->ended, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&p->lock, NULL);
    p->nodes = nodes;
    p->seen = seen;
    struct pool_ops ops = {
        .name = "monitor", .worker_new = thread_new, .worker_free = thread_free, .work = work, .drop = drop, .arg = p};
    p->pool = pool_new(&ops, 0);
    return p;
}

void monitor_probe_free(struct monitor_probe *p)
{
    if (p == NULL)
        return;
    pool_stop(p->pool);
    free(p->hosts);
    free(p->items);
    free(p->usage);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->ended);
    free(p);
}

/* Those of each host side by side, with what did not answer last: the first is taken for the host. */
static int by_host(const void *a, const void *b)
{
    const struct cluster_device *x = ((const struct probe_item *)a)->device,
                                *y = ((const struct probe_item *)b)->device;
    bool x_failed = x->seen == DEVICE_UNREACHABLE, y_failed = y->seen == DEVICE_UNREACHABLE;
    if (x->hostid != y->hostid)
        return x->hostid < y->hostid ? -1 : 1;
    if (x_failed != y_failed)
        return x_failed ? 1 : -1;
    return x->devid < y->devid ? -1 : x->devid > y->devid;
}

/*
 * Of a host whose devices have all failed another one comes first in each round: if that were always the same one, and
 * it is a disk that hangs, the host would never be seen to be back.
 */
static void take_turns(const struct probe_host *h, uint64_t round)
{
    size_t n = (size_t)(h->end - h->next);
    if (n < 2 || h->next->device->seen != DEVICE_UNREACHABLE)
        return;
    const struct cluster_device *first = h->next->device;
    struct probe_item *other = h->next + round % n;
    h->next->device = other->device;
    other->device = first;
}

/* The items of the round. */
static size_t fill_items(struct monitor_probe *p, const struct cluster *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_devices; i++) {
        if (cluster_device_is_monitored(&c->devices[i]))
            p->items[n++].device = &c->devices[i];
    }
    if (n > 1)
        qsort(p->items, n, sizeof(*p->items), by_host);
    for (size_t h = 0, at = 0; h < c->n_hosts; h++) {
        p->hosts[h] = (struct probe_host){.hostid = c->hosts[h].hostid, .next = p->items + at};
        for (; at < n && p->items[at].device->hostid == c->hosts[h].hostid; at++)
            p->items[at].host = &p->hosts[h];
        p->hosts[h].end = p->items + at;
        take_turns(&p->hosts[h], p->round);
    }
    return n;
}

void monitor_probe_begin(struct monitor_probe *p, const struct cluster *c, int64_t timeout_ms)
{
    p->cluster = c;
    p->round++;
    p->timeout_ms = timeout_ms;
    p->n_usage = 0;
    p->hosts = mem_realloc(p->hosts, c->n_hosts, sizeof(*p->hosts));
    p->items = mem_realloc(p->items, c->n_devices, sizeof(*p->items));
    size_t n = fill_items(p, c);
    size_t threads = n < MAX_THREADS ? n : MAX_THREADS;
    if (threads > pool_wanted(p->pool))
        pool_resize(p->pool, threads);
    pthread_mutex_lock(&p->lock);
    p->left = n;
    pthread_mutex_unlock(&p->lock);
    for (size_t h = 0; h < c->n_hosts; h++)
        hand_in(p, &p->hosts[h]);
}

bool monitor_probe_wait(struct monitor_probe *p, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    struct timespec ts = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    pthread_mutex_lock(&p->lock);
    int rc = 0;
    while (p->left != 0 && rc == 0)
        rc = pthread_cond_timedwait(&p->ended, &p->lock, &ts);
    bool over = p->left == 0;
    pthread_mutex_unlock(&p->lock);
    return over;
}

void monitor_probe_take_usage(struct monitor_probe *p, struct store_usage **rows, size_t *n)
{
    pthread_mutex_lock(&p->lock);
    *rows = p->usage;
    *n = p->n_usage;
    p->usage = NULL;
    p->n_usage = p->cap_usage = 0;
    pthread_mutex_unlock(&p->lock);
}
