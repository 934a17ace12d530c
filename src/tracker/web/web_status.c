/* SPDX-License-Identifier: MIT */
/* /api/status: the state of the cluster as a document, all from memory. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/num.h"
#include "tracker/job/jobs.h"
#include "tracker/net/server.h"
#include "tracker/web/web_log.h"
#include "tracker/web/web_priv.h"
#include "tracker/web/web_sampler.h"
#include "tracker/web/web_target.h"

#include <stdlib.h>
#include <string.h>

static int append(const char *bytes, size_t len, void *out)
{
    buf_append(out, bytes, len);
    return 0;
}

/* Takes `doc`. */
static void dump(json_t *doc, struct buf *out)
{
    (void)json_dump_callback(doc, append, out, JSON_COMPACT);
    json_decref(doc);
}

void web_answer_json(struct web_request *r, int status, json_t *doc)
{
    struct buf text = BUF_ZERO;
    dump(doc, &text);
    web_answer_buf(r, status, "application/json", &text);
    web_answer_header(r, "Cross-Origin-Resource-Policy", "same-origin");
}

/* ---- this tracker ---- */

static void counters(struct web *w, struct kv *out)
{
    struct server_numbers n;
    struct buf lines = BUF_ZERO;
    server_numbers(w->parts.server, &n);
    kv_add_u64(out, "uptime", n.uptime_s);
    kv_add_u64(out, "clients", n.clients);
    kv_add_u64(out, "pending_queries", n.waiting);
    kv_add_u64(out, "processing_queries", n.busy);
    kv_add_u64(out, "bored_queryworkers", n.running > n.busy ? n.running - n.busy : 0);
    kv_add_u64(out, "queries", n.queries);
    kv_add_u64(out, "times_out_of_qworkers", n.out_of_workers);
    jobs_counters(w->parts.jobs, &lines);
    struct span rest = buf_as_span(&lines), line, name;
    while (span_split(&rest, '\n', &line)) {
        struct span value = line;
        if (!span_split(&value, ' ', &name) || value.ptr == NULL)
            continue;
        char *copy = span_dup(name);
        kv_add(out, copy, span_trim(value));
        free(copy);
    }
    buf_fini(&lines);
}

static json_t *this_tracker(struct web *w, int64_t after_unix_s)
{
    static const char *const levels[] = {"error", "warning"};
    struct web_log_line *lines = mem_calloc(WEB_LOG_LINES, sizeof(*lines));
    struct report_error *errors = mem_calloc(WEB_LOG_LINES, sizeof(*errors));
    struct report_point *points = mem_calloc(WEB_HISTORY, sizeof(*points));
    struct kv numbers = KV_ZERO;
    size_t n = web_log_latest(w->log, lines);
    for (size_t i = 0; i < n; i++)
        errors[i] = (struct report_error){lines[i].unix_s, levels[lines[i].level], lines[i].context, lines[i].text,
                                          lines[i].times};
    counters(w, &numbers);
    struct report_tracker t = {.name = w->parts.name,
                               .version = MOG_VERSION,
                               .counters = &numbers,
                               .has_ready = true,
                               .not_ready = web_not_ready(w),
                               .has_memory = true,
                               .errors = errors,
                               .n_errors = n,
                               .points = points,
                               .n_points = web_sampler_history(w->sampler, 0, points),
                               .after_unix_s = after_unix_s,
                               .every_s = WEB_SAMPLE_EVERY_S};
    json_t *row = report_status_tracker(&t);
    kv_fini(&numbers);
    free(points);
    free(errors);
    free(lines);
    return json_pack("[o]", row);
}

/* ---- the cluster ---- */

static int64_t number(const struct cluster *c, const char *name)
{
    const char *value = cluster_setting(c, name);
    return value != NULL ? num_perl_int(span_of(value)) : 0;
}

/* As the command fsck_status has it, from the settings as they were last read. */
static void fsck(const struct cluster *c, uint64_t max_logid, struct kv *out)
{
    static const char prefix[] = "fsck_sum_evcount_";
    const char *host = cluster_setting(c, "fsck_host");
    kv_add_u64(out, "running", cluster_setting_is_on(c, "fsck_host"));
    kv_add_str(out, "host", host != NULL ? host : "");
    kv_add_i64(out, "max_fid_checked", number(c, "fsck_highest_fid_checked"));
    kv_add_i64(out, "policy_only", number(c, "fsck_opt_policy_only"));
    kv_add_i64(out, "end_fid", number(c, "fsck_fid_at_end"));
    kv_add_i64(out, "start_time", number(c, "fsck_start_time"));
    kv_add_i64(out, "stop_time", number(c, "fsck_stop_time"));
    kv_add_i64(out, "current_time", clock_wall_s());
    kv_add_u64(out, "max_logid", max_logid);
    for (size_t i = 0; i < c->n_settings; i++) {
        if (!span_starts(span_of(c->settings[i].name), prefix))
            continue;
        char *name = mem_printf("num_%s", c->settings[i].name + sizeof(prefix) - 1);
        kv_add_str(out, name, c->settings[i].value);
        free(name);
    }
}

static void hosts(const struct cluster *c, struct report_host *out)
{
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct cluster_host *h = &c->hosts[i];
        out[i] = (struct report_host){.hostid = h->hostid,
                                      .port = h->http_port,
                                      .name = h->name,
                                      .ip = h->ip,
                                      .status = devstate_host_word(h->status),
                                      .observed = devstate_host_seen_word(h->seen)};
    }
}

static void devices(const struct cluster *c, struct report_device *out)
{
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct cluster_device *d = &c->devices[i];
        out[i] = (struct report_device){.devid = d->devid,
                                        .hostid = d->hostid,
                                        .status = devstate_device_word(d->status),
                                        .observed = devstate_device_seen_word(cluster_device_seen(d)),
                                        .weight = d->weight,
                                        .has_usage = d->has_total && d->has_used,
                                        .mb_total = d->mb_total,
                                        .mb_used = d->mb_used,
                                        .utilization = d->utilization};
    }
}

static json_t *document(struct web *w, int64_t after_unix_s)
{
    static const struct cluster none;
    struct cluster_box *box = w->parts.cmd->box;
    const struct cluster *borrowed = cluster_box_borrow(box), *c = borrowed != NULL ? borrowed : &none;
    struct report_host *host_rows = mem_calloc(c->n_hosts + 1, sizeof(*host_rows));
    struct report_device *device_rows = mem_calloc(c->n_devices + 1, sizeof(*device_rows));
    struct web_sample sample;
    struct kv check = KV_ZERO;
    web_sampler_get(w->sampler, &sample);
    hosts(c, host_rows);
    devices(c, device_rows);
    fsck(c, sample.max_logid, &check);
    struct report_status s = {.unix_s = clock_wall_s(),
                              .hosts = host_rows,
                              .n_hosts = c->n_hosts,
                              .devices = device_rows,
                              .n_devices = c->n_devices,
                              .has_queues = sample.has_queues,
                              .queues_age_s = (double)sample.age_ms / 1000,
                              .fsck = &check,
                              .is_rebalancing = cluster_setting_is_on(c, "rebal_host"),
                              .rebalance_state = cluster_setting(c, "rebal_state")};
    memcpy(s.queues, sample.queues, sizeof(s.queues));
    json_t *doc = report_status(&s, this_tracker(w, after_unix_s));
    kv_fini(&check);
    free(device_rows);
    free(host_rows);
    cluster_box_release(box, borrowed);
    return doc;
}

void web_status_write(struct web *w, int64_t after_unix_s, struct buf *out)
{
    dump(document(w, after_unix_s), out);
}

void web_status_begin(struct web_request *r)
{
    struct buf word = BUF_ZERO;
    uint64_t after = 0;
    enum mog_err e = web_target_query(r->query, "after", &word);
    if (e == MOG_OK)
        e = num_parse_u64(buf_as_span(&word), 0, INT64_MAX, &after);
    buf_fini(&word);
    if (e != MOG_OK && e != MOG_ENOTFOUND)
        web_answer_json(r, 400, json_pack("{s:s}", "error", "after is no number of seconds"));
    else
        web_answer_json(r, 200, document(r->web, (int64_t)after));
}
