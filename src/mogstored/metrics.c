/* SPDX-License-Identifier: MIT */
/* Numbers for monitoring, in the text format of Prometheus, on a port of their own. */
#include "mogstored/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"
#include "mogstored/devices.h"
#include "mogstored/http.h"

enum { MAX_CONNECTIONS = 16, METRICS_KEEPALIVE_S = 60 };

/* What is written of each device, and of what belongs to none (name "-"). */
struct source {
    const char *name;
    struct stats *stats;
    struct device *device; /* NULL: none */
};

typedef void (*family_fn)(struct buf *out, const struct source *s);

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP mogstored_%s %s\n# TYPE mogstored_%s %s\n", name, help, name, type);
}

static uint64_t get(_Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void requests(struct buf *out, const struct source *s)
{
    for (size_t m = 0; m < STATS_METHOD_COUNT; m++) {
        for (size_t i = 0; i < STATS_STATUS_COUNT; i++) {
            uint64_t n = get(&s->stats->requests[m][i]);
            if (n == 0)
                continue;
            buf_printf(out, "mogstored_requests_total{device=\"%s\",method=\"%s\",status=\"", s->name,
                       stats_method_text((enum stats_method)m));
            if (stats_status(i) != 0)
                buf_printf(out, "%d", stats_status(i));
            else
                buf_str(out, "other");
            buf_printf(out, "\"} %" PRIu64 "\n", n);
        }
    }
}

/* `labels` ends without a comma. */
static void histogram(struct buf *out, const char *name, const char *labels, struct stats_histogram *h)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < STATS_BUCKET_COUNT; i++) {
        sum += get(&h->buckets[i]);
        buf_printf(out, "mogstored_%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name, labels,
                   (double)stats_bucket_us(i) / 1e6, sum);
    }
    sum += get(&h->buckets[STATS_BUCKET_COUNT]);
    buf_printf(out, "mogstored_%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, sum);
    buf_printf(out, "mogstored_%s_sum{%s} %.6f\n", name, labels, (double)get(&h->sum_us) / 1e6);
    buf_printf(out, "mogstored_%s_count{%s} %" PRIu64 "\n", name, labels, sum);
}

static void latency(struct buf *out, const struct source *s)
{
    for (size_t m = 0; m < STATS_METHOD_COUNT; m++) {
        char *labels = mem_printf("device=\"%s\",method=\"%s\"", s->name, stats_method_text((enum stats_method)m));
        histogram(out, "request_seconds", labels, &s->stats->latency[m]);
        free(labels);
    }
}

static void sync_times(struct buf *out, const struct source *s)
{
    if (!s->device)
        return;
    char *labels = mem_printf("device=\"%s\"", s->name);
    histogram(out, "sync_seconds", labels, &s->stats->sync);
    free(labels);
}

static void bytes_sent(struct buf *out, const struct source *s)
{
    buf_printf(out, "mogstored_sent_bytes_total{device=\"%s\"} %" PRIu64 "\n", s->name, get(&s->stats->bytes_sent));
}

static void bytes_received(struct buf *out, const struct source *s)
{
    buf_printf(out, "mogstored_received_bytes_total{device=\"%s\"} %" PRIu64 "\n", s->name,
               get(&s->stats->bytes_received));
}

static void errors(struct buf *out, const struct source *s)
{
    if (s->device)
        buf_printf(out, "mogstored_device_errors_total{device=\"%s\"} %" PRIu64 "\n", s->name, get(&s->stats->errors));
}

static void refused(struct buf *out, const struct source *s)
{
    if (s->device)
        buf_printf(out, "mogstored_device_refused_total{device=\"%s\"} %" PRIu64 "\n", s->name,
                   get(&s->stats->refused));
}

static void queued(struct buf *out, const struct source *s)
{
    if (s->device)
        buf_printf(out, "mogstored_device_queued{device=\"%s\"} %u\n", s->name, atomic_load(&s->device->queued));
}

static void running(struct buf *out, const struct source *s)
{
    if (s->device)
        buf_printf(out, "mogstored_device_running{device=\"%s\"} %u\n", s->name, atomic_load(&s->device->running));
}

static void health(struct buf *out, const struct source *s)
{
    static const enum device_health states[] = {DEVICE_HEALTHY, DEVICE_FULL, DEVICE_READONLY, DEVICE_UNHEALTHY};
    if (!s->device)
        return;
    enum device_health now = device_health(s->device);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        buf_printf(out, "mogstored_device_health{device=\"%s\",state=\"%s\"} %d\n", s->name,
                   device_health_text(states[i]), states[i] == now);
}

static void space(struct buf *out, const struct source *s)
{
    if (!s->device)
        return;
    pthread_mutex_lock(&s->device->lock);
    struct device_measure m = s->device->measure;
    pthread_mutex_unlock(&s->device->lock);
    buf_printf(out, "mogstored_device_bytes{device=\"%s\",kind=\"used\"} %" PRIu64 "\n", s->name, m.used_kb * 1024);
    buf_printf(out, "mogstored_device_bytes{device=\"%s\",kind=\"available\"} %" PRIu64 "\n", s->name,
               m.available_kb * 1024);
}

static void inodes(struct buf *out, const struct source *s)
{
    if (!s->device)
        return;
    pthread_mutex_lock(&s->device->lock);
    struct device_measure m = s->device->measure;
    pthread_mutex_unlock(&s->device->lock);
    buf_printf(out, "mogstored_device_inodes{device=\"%s\",kind=\"total\"} %" PRIu64 "\n", s->name, m.inodes_total);
    buf_printf(out, "mogstored_device_inodes{device=\"%s\",kind=\"used\"} %" PRIu64 "\n", s->name, m.inodes_used);
}

static const struct {
    const char *name, *type, *help;
    family_fn write;
} families[] = {
    {"requests_total", "counter", "HTTP requests by device, method and status.", requests},
    {"request_seconds", "histogram", "Time from the first line of a request to the end of its answer.", latency},
    {"sync_seconds", "histogram", "Time that the syncs of one upload took.", sync_times},
    {"sent_bytes_total", "counter", "Bytes of files sent.", bytes_sent},
    {"received_bytes_total", "counter", "Bytes of uploads received.", bytes_received},
    {"device_errors_total", "counter", "Failures that the disk is to blame for.", errors},
    {"device_refused_total", "counter", "Requests refused with 503.", refused},
    {"device_queued", "gauge", "File operations that wait for a thread.", queued},
    {"device_running", "gauge", "File operations that run.", running},
    {"device_health", "gauge", "1 for the state that the device is in.", health},
    {"device_bytes", "gauge", "Space of the device's file system.", space},
    {"device_inodes", "gauge", "Inodes of the device's file system.", inodes},
};

void metrics_format(struct devices *ds, struct http *h, struct buf *out)
{
    size_t n;
    struct device **list = devices_list(ds, &n);
    head(out, "connections", "gauge", "Open HTTP connections.");
    buf_printf(out, "mogstored_connections %zu\n", http_connections(h));
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        head(out, families[i].name, families[i].type, families[i].help);
        families[i].write(out, &(struct source){.name = "-", .stats = http_stats(h)});
        for (size_t k = 0; k < n; k++)
            families[i].write(out,
                              &(struct source){.name = list[k]->name, .stats = &list[k]->stats, .device = list[k]});
    }
    free(list);
}

enum mog_err metrics_serve(int fd, struct devices *ds, struct http *h, struct http **out, struct mog_fail *f)
{
    struct http_opts opts = {
        .devices = ds, .max_conns = MAX_CONNECTIONS, .keepalive_s = METRICS_KEEPALIVE_S, .threads = 1, .counted = h};
    struct http *server = http_new(&opts);
    enum mog_err e = http_serve(server, fd, HTTP_PORT_METRICS, f);
    if (e == MOG_OK)
        *out = server;
    else
        metrics_stop(server);
    return e;
}

void metrics_stop(struct http *server)
{
    if (!server)
        return;
    http_stop(server);
    http_free(server);
}
