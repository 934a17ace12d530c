/* SPDX-License-Identifier: MIT */
/* /healthz, /readyz, and /metrics in Prometheus' text form: all from memory, nothing here asks the database. */
#include "tracker/web/web_priv.h"

#include "common/mem.h"
#include "common/num.h"
#include "tracker/job/jobs.h"
#include "tracker/monitor/monitor.h"
#include "tracker/net/server.h"
#include "tracker/policy/rebalance.h"
#include "tracker/web/web_log.h"
#include "tracker/web/web_sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A monitor that has not read the tables for so long has no database, whatever it hopes for. */
enum { STALE_MS = 15000 };

static const double mib = 1024.0 * 1024.0;

/* ---- health ---- */

void web_health_begin(struct web_request *r)
{
    web_answer_text(r, 200, "ok");
}

const char *web_not_ready(const struct web *w)
{
    const struct cmd_shared *cmd = w->parts.cmd;
    if (atomic_load(&w->is_stopping) || cluster_box_is_stopping(cmd->box))
        return "stopping";
    if (!cluster_box_is_ready(cmd->box))
        return "the first round of the monitor is not done";
    int64_t age = monitor_reload_age_ms(w->parts.monitor);
    if (!store_env_is_alive(cmd->env) || age < 0 || age > STALE_MS)
        return "the database does not answer";
    return NULL;
}

void web_ready_begin(struct web_request *r)
{
    const char *why = web_not_ready(r->web);
    web_answer_text(r, why == NULL ? 200 : 503, why == NULL ? "ready" : why);
}

/* ---- the tracker itself ---- */

static void tracker(struct web *w, struct buf *out)
{
    struct buf label = BUF_ZERO;
    struct server_numbers n;
    server_numbers(w->parts.server, &n);
    metric_label(&label, "version", span_of(MOG_VERSION));
    metric_head(out, "mogilefsd_build_info", "gauge", "Always 1; the version is in the label.");
    metric_u64(out, "mogilefsd_build_info", buf_cstr(&label), 1);
    buf_fini(&label);
    metric_gauge(out, "mogilefsd_uptime_seconds", "Time since the start.", (double)n.uptime_s);
    metric_gauge(out, "mogilefsd_ready", "1 when clients are served.", web_not_ready(w) == NULL);
    metric_gauge(out, "mogilefsd_clients", "Connected clients.", (double)n.clients);
    metric_total(out, "mogilefsd_clients_accepted_total", "Clients that connected.", n.accepted);
    metric_total(out, "mogilefsd_requests_total", "Requests of clients, but for those of the admin console.",
                 n.queries);
    metric_total(out, "mogilefsd_requests_delayed_total", "Requests that found no idle query thread.",
                 n.out_of_workers);
    metric_total(out, "mogilefsd_requests_in_loop_total",
                 "Lookups answered without a query thread, from what of an embedded database is in memory.", n.in_loop);
    metric_head(out, "mogilefsd_request_wait_seconds", "histogram",
                "Time until a request was taken, by a query thread or the loop.");
    metric_write_histogram(out, "mogilefsd_request_wait_seconds", "", server_waits(w->parts.server));
}

/* ---- pools ---- */

struct pool_row {
    const char *name;
    struct jobs_pool_numbers n;
};

static void pool_family(struct buf *out, const struct pool_row *rows, size_t n, const char *name, const char *help,
                        size_t offset)
{
    metric_head(out, name, "gauge", help);
    for (size_t i = 0; i < n; i++) {
        struct buf label = BUF_ZERO;
        size_t value;
        memcpy(&value, (const char *)&rows[i].n + offset, sizeof(value));
        metric_label(&label, "pool", span_of(rows[i].name));
        metric_u64(out, name, buf_cstr(&label), value);
        buf_fini(&label);
    }
}

static void pools(struct web *w, struct buf *out)
{
    struct pool_row rows[JOB_KINDS + 2];
    struct server_numbers s;
    size_t n = 0;
    server_numbers(w->parts.server, &s);
    rows[n++] = (struct pool_row){"queryworker", {s.running, s.wanted, s.busy, s.waiting}};
    rows[n++] = (struct pool_row){
        "web", {pool_running(w->pool), pool_wanted(w->pool), pool_busy(w->pool), pool_waiting(w->pool)}};
    for (size_t k = 0; k < JOB_KINDS; k++) {
        rows[n].name = jobs_name((enum job_kind)k);
        jobs_pool_numbers(w->parts.jobs, (enum job_kind)k, &rows[n++].n);
    }
    pool_family(out, rows, n, "mogilefsd_pool_threads", "Threads that run.",
                offsetof(struct jobs_pool_numbers, running));
    pool_family(out, rows, n, "mogilefsd_pool_threads_wanted", "Threads that should run.",
                offsetof(struct jobs_pool_numbers, wanted));
    pool_family(out, rows, n, "mogilefsd_pool_threads_busy", "Threads that work on something.",
                offsetof(struct jobs_pool_numbers, busy));
    pool_family(out, rows, n, "mogilefsd_pool_waiting", "Items in memory that wait for a thread.",
                offsetof(struct jobs_pool_numbers, waiting));
}

/* ---- queues in the database ---- */

static void queue_family(struct buf *out, const struct web_sample *s, const char *name, const char *help, size_t offset)
{
    metric_head(out, name, "gauge", help);
    for (size_t q = 0; q < WEB_QUEUES; q++) {
        struct buf label = BUF_ZERO;
        uint64_t value;
        memcpy(&value, (const char *)&s->queues[q] + offset, sizeof(value));
        metric_label(&label, "queue", span_of(jobs_queue_name((enum store_queue)q)));
        metric_u64(out, name, buf_cstr(&label), value);
        buf_fini(&label);
    }
}

static void queues(struct web *w, struct buf *out)
{
    struct web_sample s;
    web_sampler_get(w->sampler, &s);
    if (!s.has_queues)
        return; /* never seen yet: no number is better than a wrong one */
    queue_family(out, &s, "mogilefsd_queue_length", "Rows of a queue in the database.",
                 offsetof(struct report_queue, length));
    queue_family(out, &s, "mogilefsd_queue_due", "Rows that are due now.", offsetof(struct report_queue, due));
    queue_family(out, &s, "mogilefsd_queue_parked", "Rows that are given up, until somebody asks for them again.",
                 offsetof(struct report_queue, parked));
    queue_family(out, &s, "mogilefsd_queue_oldest_seconds", "How long the row that waits longest has been due.",
                 offsetof(struct report_queue, oldest_s));
    metric_gauge(out, "mogilefsd_queue_sample_age_seconds", "How old the numbers of the queues are.",
                 (double)s.age_ms / 1000);
}

/* ---- check and rebalance ---- */

static double setting(const struct cluster *c, const char *name)
{
    const char *value = cluster_setting(c, name);
    return value != NULL ? (double)num_perl_int(span_of(value)) : 0;
}

static void fsck(const struct cluster *c, struct buf *out)
{
    static const char prefix[] = "fsck_sum_evcount_";
    metric_gauge(out, "mogilefsd_fsck_running", "1 while any tracker of the cluster queues files for the check.",
                 cluster_setting_is_on(c, "fsck_host"));
    metric_gauge(out, "mogilefsd_fsck_checked_fid", "The highest file that was queued for the check.",
                 setting(c, "fsck_highest_fid_checked"));
    metric_gauge(out, "mogilefsd_fsck_end_fid", "The file that the check ends with.", setting(c, "fsck_fid_at_end"));
    metric_head(out, "mogilefsd_fsck_events", "gauge", "Findings of the check since it was reset, by code.");
    for (size_t i = 0; i < c->n_settings; i++) {
        if (!span_starts(span_of(c->settings[i].name), prefix))
            continue;
        struct buf label = BUF_ZERO;
        metric_label(&label, "code", span_of(c->settings[i].name + sizeof(prefix) - 1));
        metric_double(out, "mogilefsd_fsck_events", buf_cstr(&label), setting(c, c->settings[i].name));
        buf_fini(&label);
    }
}

static void rebalance(const struct cluster *c, struct buf *out)
{
    const char *text = cluster_setting(c, "rebal_state");
    struct rebalance_state state;
    struct mog_fail f;
    metric_gauge(out, "mogilefsd_rebalance_running", "1 while any tracker of the cluster rebalances.",
                 cluster_setting_is_on(c, "rebal_host"));
    memset(&state, 0, sizeof(state));
    if (text != NULL && rebalance_state_parse(span_of(text), &state, &f) == MOG_OK) {
        metric_gauge(out, "mogilefsd_rebalance_queued_files", "Files that the latest rebalance has queued.",
                     (double)state.fids_queued);
        metric_gauge(out, "mogilefsd_rebalance_queued_bytes", "Bytes of these files.", (double)state.bytes_queued);
        metric_gauge(out, "mogilefsd_rebalance_devices_done", "Devices that it is done with.",
                     (double)state.completed.n);
        metric_gauge(out, "mogilefsd_rebalance_devices_left", "Devices that it has yet to look at.",
                     (double)(state.sources.n + (state.current != 0)));
    }
    rebalance_state_fini(&state);
}

/* ---- hosts and devices ---- */

static void hosts(const struct cluster *c, struct buf *out)
{
    static const enum host_status states[] = {HOST_ALIVE, HOST_READONLY, HOST_DOWN, HOST_DEAD};
    metric_head(out, "mogilefsd_host_state", "gauge", "1 for the state that the host was set to.");
    for (size_t i = 0; i < c->n_hosts; i++) {
        for (size_t k = 0; k < sizeof(states) / sizeof(states[0]); k++) {
            struct buf label = BUF_ZERO;
            metric_label(&label, "host", span_of(c->hosts[i].name));
            metric_label(&label, "state", span_of(devstate_host_word(states[k])));
            metric_u64(out, "mogilefsd_host_state", buf_cstr(&label), c->hosts[i].status == states[k]);
            buf_fini(&label);
        }
    }
}

/* `labels`: of each device, in their order. */
static void device_states(const struct cluster *c, char **labels, struct buf *out)
{
    static const enum device_status states[] = {DEVICE_ALIVE, DEVICE_READONLY, DEVICE_DRAIN, DEVICE_DOWN, DEVICE_DEAD};
    static const enum device_seen seen[] = {DEVICE_WRITEABLE, DEVICE_READABLE, DEVICE_UNREACHABLE};
    metric_head(out, "mogilefsd_device_state", "gauge", "1 for the state that the device was set to.");
    for (size_t i = 0; i < c->n_devices; i++) {
        for (size_t k = 0; k < sizeof(states) / sizeof(states[0]); k++)
            buf_printf(out, "mogilefsd_device_state{%s,state=\"%s\"} %d\n", labels[i], devstate_device_word(states[k]),
                       c->devices[i].status == states[k]);
    }
    metric_head(out, "mogilefsd_device_observed", "gauge", "1 for the state that this tracker sees the device in.");
    for (size_t i = 0; i < c->n_devices; i++) {
        for (size_t k = 0; k < sizeof(seen) / sizeof(seen[0]); k++)
            buf_printf(out, "mogilefsd_device_observed{%s,state=\"%s\"} %d\n", labels[i],
                       devstate_device_seen_word(seen[k]), cluster_device_seen(&c->devices[i]) == seen[k]);
    }
}

static void device_space(const struct cluster *c, char **labels, struct buf *out)
{
    metric_head(out, "mogilefsd_device_size_bytes", "gauge", "Space of the device.");
    for (size_t i = 0; i < c->n_devices; i++) {
        if (c->devices[i].has_total)
            metric_double(out, "mogilefsd_device_size_bytes", labels[i], (double)c->devices[i].mb_total * mib);
    }
    metric_head(out, "mogilefsd_device_used_bytes", "gauge", "Space in use.");
    for (size_t i = 0; i < c->n_devices; i++) {
        if (c->devices[i].has_used)
            metric_double(out, "mogilefsd_device_used_bytes", labels[i], (double)c->devices[i].mb_used * mib);
    }
    metric_head(out, "mogilefsd_device_utilization_ratio", "gauge",
                "Share of the time that the disk was busy, 0 to 1.");
    for (size_t i = 0; i < c->n_devices; i++) {
        if (c->devices[i].utilization >= 0)
            metric_double(out, "mogilefsd_device_utilization_ratio", labels[i], c->devices[i].utilization / 100);
    }
}

static void devices(const struct cluster *c, struct buf *out)
{
    char **labels = mem_calloc(c->n_devices, sizeof(*labels));
    for (size_t i = 0; i < c->n_devices; i++) {
        struct buf label = BUF_ZERO;
        char name[16];
        (void)snprintf(name, sizeof(name), "dev%u", (unsigned)c->devices[i].devid);
        metric_label(&label, "device", span_of(name));
        metric_label(&label, "host", span_of(c->devices[i].host != NULL ? c->devices[i].host->name : ""));
        labels[i] = buf_take(&label);
    }
    device_states(c, labels, out);
    device_space(c, labels, out);
    for (size_t i = 0; i < c->n_devices; i++)
        free(labels[i]);
    free(labels);
}

/* ---- database, monitor, log, this listener ---- */

static void database(struct web *w, struct buf *out)
{
    const struct store_metrics *m = store_env_metrics(w->parts.cmd->env);
    metric_gauge(out, "mogilefsd_database_up", "1 when the database answered last.",
                 store_env_is_alive(w->parts.cmd->env));
    metric_head(out, "mogilefsd_database_statement_seconds", "histogram", "Round trips to the database.");
    metric_write_histogram(out, "mogilefsd_database_statement_seconds", "", &m->statements);
    metric_total(out, "mogilefsd_database_errors_total", "Statements that failed.", metric_get(&m->errors));
    metric_total(out, "mogilefsd_database_deadlocks_total", "Statements that failed because of a deadlock.",
                 metric_get(&m->deadlocks));
    metric_total(out, "mogilefsd_database_connects_total", "Connections made.", metric_get(&m->connects));
    metric_total(out, "mogilefsd_database_connect_failures_total", "Connections that could not be made.",
                 metric_get(&m->connect_failures));
    metric_total(out, "mogilefsd_database_connections_lost_total", "Connections that broke.", metric_get(&m->lost));
}

static void monitoring(struct web *w, struct buf *out)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    int64_t age = monitor_reload_age_ms(w->parts.monitor);
    metric_head(out, "mogilefsd_monitor_round_seconds", "histogram", "Checks of all hosts and devices.");
    metric_write_histogram(out, "mogilefsd_monitor_round_seconds", "", monitor_rounds(w->parts.monitor));
    if (age >= 0)
        metric_gauge(out, "mogilefsd_monitor_reload_age_seconds", "Time since the small tables were read.",
                     (double)age / 1000);
    metric_head(out, "mogilefsd_log_messages_total", "counter", "Messages written to the log.");
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        struct buf label = BUF_ZERO;
        metric_label(&label, "level", span_of(levels[i]));
        metric_u64(out, "mogilefsd_log_messages_total", buf_cstr(&label), web_log_count(w->log, (enum log_level)i));
        buf_fini(&label);
    }
}

static void requests(struct web *w, const char *handler, size_t h, struct buf *out)
{
    for (size_t i = 0; i < WEB_STATUSES; i++) {
        char status[16] = "other";
        struct buf label = BUF_ZERO;
        if (metric_get(&w->requests[h][i]) == 0)
            continue;
        if (web_status_of(i) != 0)
            (void)snprintf(status, sizeof(status), "%d", web_status_of(i));
        metric_label(&label, "handler", span_of(handler));
        metric_label(&label, "status", span_of(status));
        metric_u64(out, "mogilefsd_http_requests_total", buf_cstr(&label), metric_get(&w->requests[h][i]));
        buf_fini(&label);
    }
}

static void listener(struct web *w, struct buf *out)
{
    static const char *const words[] = {
#define X(name, word) word,
        WEB_HANDLERS(X)
#undef X
    };
    metric_gauge(out, "mogilefsd_http_connections", "Open HTTP connections.", (double)http_conns_count(w->conns));
    metric_head(out, "mogilefsd_http_requests_total", "counter", "HTTP requests by what answered them, and status.");
    for (size_t h = 0; h < WEB_HANDLERS_N; h++)
        requests(w, words[h], h, out);
    metric_head(out, "mogilefsd_http_request_seconds", "histogram",
                "Time from a request's first line to the answer's end.");
    for (size_t h = 0; h < WEB_HANDLERS_N; h++) {
        struct buf label = BUF_ZERO;
        metric_label(&label, "handler", span_of(words[h]));
        metric_write_histogram(out, "mogilefsd_http_request_seconds", buf_cstr(&label), &w->seconds[h]);
        buf_fini(&label);
    }
    metric_total(out, "mogilefsd_http_sent_bytes_total", "Bytes of files sent by the gateway.",
                 metric_get(&w->sent_bytes));
}

void web_metrics_write(struct web *w, struct buf *out)
{
    struct cluster_box *box = w->parts.cmd->box;
    const struct cluster *c = cluster_box_borrow(box);
    tracker(w, out);
    if (w->parts.cmd->metrics != NULL)
        cmd_metrics_write(w->parts.cmd->metrics, out);
    pools(w, out);
    jobs_metrics_write(w->parts.jobs, out);
    queues(w, out);
    if (c != NULL) {
        fsck(c, out);
        rebalance(c, out);
        hosts(c, out);
        devices(c, out);
    }
    cluster_box_release(box, c);
    database(w, out);
    monitoring(w, out);
    listener(w, out);
    metric_process(out);
}

void web_metrics_begin(struct web_request *r)
{
    struct buf text = BUF_ZERO;
    web_metrics_write(r->web, &text);
    web_answer_buf(r, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}
