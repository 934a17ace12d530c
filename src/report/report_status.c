/* SPDX-License-Identifier: MIT */
/* The state of a cluster as one document. */
#include "report/report_status.h"

#include "common/num.h"
#include "report/report_json.h"

enum { RATE_S = 60 /* rates are of the last minute */ };

static const char *const queue_names[REPORT_QUEUES] = {"replicate", "delete", "fsck", "rebalance"};

/* ---- a tracker ---- */

static json_t *errors_json(const struct report_tracker *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->n_errors; i++) {
        const struct report_error *e = &t->errors[i];
        json_t *row = json_object();
        report_json_set(row, "time", json_integer((json_int_t)e->unix_s));
        report_json_str(row, "level", e->level);
        report_json_str(row, "context", e->context);
        report_json_str(row, "text", e->text);
        report_json_u64(row, "times", e->times);
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *rate(uint64_t from, uint64_t to, int64_t seconds)
{
    return json_real(to > from ? (double)(to - from) / (double)seconds : 0);
}

static json_t *rates_json(const struct report_tracker *t)
{
    if (t->n_points < 2)
        return json_null();
    const struct report_point *last = &t->points[t->n_points - 1], *first = last - 1;
    while (first > t->points && last->unix_s - first->unix_s < RATE_S)
        first--;
    int64_t seconds = last->unix_s - first->unix_s;
    if (seconds <= 0) /* the clock was set back */
        return json_null();
    json_t *o = json_object(), *finished = json_object();
    report_json_set(o, "seconds", json_integer((json_int_t)seconds));
    report_json_set(o, "requests", rate(first->requests, last->requests, seconds));
    report_json_set(o, "copied_bytes", rate(first->copied_bytes, last->copied_bytes, seconds));
    for (size_t q = 0; q < REPORT_QUEUES; q++)
        report_json_set(finished, queue_names[q], rate(first->finished[q], last->finished[q], seconds));
    report_json_set(o, "finished", finished);
    return o;
}

struct columns {
    json_t *time, *requests, *copied_bytes, *finished[REPORT_QUEUES], *length[REPORT_QUEUES];
};

static void add_u64(json_t *list, uint64_t value)
{
    json_array_append_new(list, json_integer((json_int_t)value));
}

static void add_point(struct columns *c, const struct report_point *p)
{
    json_array_append_new(c->time, json_integer((json_int_t)p->unix_s));
    add_u64(c->requests, p->requests);
    add_u64(c->copied_bytes, p->copied_bytes);
    for (size_t q = 0; q < REPORT_QUEUES; q++) {
        add_u64(c->finished[q], p->finished[q]);
        if (p->has_queues)
            add_u64(c->length[q], p->lengths[q]);
        else
            json_array_append_new(c->length[q], json_null());
    }
}

/* By columns, which are far shorter than rows. */
static json_t *history_json(const struct report_tracker *t)
{
    struct columns c = {json_array(), json_array(), json_array(), {NULL}, {NULL}};
    json_t *o = json_object(), *finished = json_object(), *length = json_object();
    report_json_set(o, "every_s", json_integer((json_int_t)t->every_s));
    report_json_set(o, "time", c.time);
    report_json_set(o, "requests", c.requests);
    report_json_set(o, "copied_bytes", c.copied_bytes);
    report_json_set(o, "finished", finished);
    report_json_set(o, "length", length);
    for (size_t q = 0; q < REPORT_QUEUES; q++) {
        report_json_set(finished, queue_names[q], c.finished[q] = json_array());
        report_json_set(length, queue_names[q], c.length[q] = json_array());
    }
    for (size_t i = 0; i < t->n_points; i++) {
        if (t->points[i].unix_s > t->after_unix_s)
            add_point(&c, &t->points[i]);
    }
    return o;
}

json_t *report_status_tracker(const struct report_tracker *t)
{
    json_t *o = json_object();
    report_json_str(o, "tracker", t->name);
    report_json_set(o, "ok", json_boolean(t->failure == NULL));
    report_json_str(o, "error", t->failure);
    report_json_str(o, "version", t->version);
    report_json_set(o, "ready", t->has_ready ? json_boolean(t->not_ready == NULL) : json_null());
    report_json_str(o, "not_ready", t->not_ready);
    report_json_set(o, "counters", t->counters != NULL ? report_json_pairs(t->counters) : json_null());
    report_json_set(o, "rates", t->has_memory ? rates_json(t) : json_null());
    report_json_set(o, "errors", t->has_memory ? errors_json(t) : json_null());
    report_json_set(o, "history", t->has_memory ? history_json(t) : json_null());
    return o;
}

/* ---- the cluster ---- */

static json_t *hosts_json(const struct report_status *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_hosts; i++) {
        const struct report_host *h = &s->hosts[i];
        json_t *row = json_object();
        report_json_u64(row, "hostid", h->hostid);
        report_json_str(row, "hostname", h->name);
        report_json_str(row, "ip", h->ip);
        report_json_u64(row, "port", h->port);
        report_json_str(row, "status", h->status);
        report_json_str(row, "observed_state", h->observed);
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *devices_json(const struct report_status *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_devices; i++) {
        const struct report_device *d = &s->devices[i];
        json_t *row = json_object();
        report_json_u64(row, "devid", d->devid);
        report_json_u64(row, "hostid", d->hostid);
        report_json_str(row, "status", d->status);
        report_json_str(row, "observed_state", d->observed);
        report_json_set(row, "weight", json_integer((json_int_t)d->weight));
        report_json_set(row, "mb_total", d->has_usage ? json_integer((json_int_t)d->mb_total) : json_null());
        report_json_set(row, "mb_used", d->has_usage ? json_integer((json_int_t)d->mb_used) : json_null());
        report_json_set(row, "utilization", d->utilization >= 0 ? json_real(d->utilization) : json_null());
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *queues_json(const struct report_status *s)
{
    if (!s->has_queues)
        return json_null();
    json_t *o = json_object();
    for (size_t q = 0; q < REPORT_QUEUES; q++) {
        json_t *row = json_object();
        report_json_u64(row, "length", s->queues[q].length);
        report_json_u64(row, "due", s->queues[q].due);
        report_json_u64(row, "parked", s->queues[q].parked);
        report_json_set(row, "oldest_s", json_integer((json_int_t)s->queues[q].oldest_s));
        report_json_set(o, queue_names[q], row);
    }
    return o;
}

/* The value of `key` in "a=1 b=2"; empty when absent. */
static struct span state_value(const char *state, const char *key)
{
    struct span rest = span_of(state), word, name;
    while (span_split(&rest, ' ', &word)) {
        struct span value = word;
        if (span_split(&value, '=', &name) && span_is(name, key) && value.ptr != NULL)
            return value;
    }
    return span_make("", 0);
}

static uint64_t state_u64(const char *state, const char *key)
{
    uint64_t n = 0;
    (void)!num_parse_u64(state_value(state, key), 0, INT64_MAX, &n);
    return n;
}

static uint64_t state_count(const char *state, const char *key)
{
    struct span list = state_value(state, key), item;
    uint64_t n = 0;
    while (list.len != 0 && span_split(&list, ',', &item))
        n += item.len != 0;
    return n;
}

static json_t *rebalance_json(const struct report_status *s)
{
    const char *state = s->rebalance_state;
    json_t *o = json_object();
    report_json_set(o, "running", json_boolean(s->is_rebalancing));
    report_json_str(o, "state", state);
    report_json_u64(o, "queued_files", state_u64(state, "fids_queued"));
    report_json_u64(o, "queued_bytes", state_u64(state, "bytes_queued"));
    report_json_u64(o, "devices_done", state_count(state, "completed_devs"));
    report_json_u64(o, "devices_left", state_count(state, "source_devs") + (state_u64(state, "sdev_current") != 0));
    return o;
}

json_t *report_status(const struct report_status *s, json_t *trackers)
{
    json_t *o = json_object();
    report_json_set(o, "time", json_integer((json_int_t)s->unix_s));
    report_json_set(o, "trackers", trackers);
    report_json_set(o, "hosts", hosts_json(s));
    report_json_set(o, "devices", devices_json(s));
    report_json_set(o, "queues", queues_json(s));
    report_json_set(o, "queues_age_s", s->has_queues ? json_real(s->queues_age_s) : json_null());
    report_json_set(o, "fsck", s->fsck != NULL ? report_json_pairs(s->fsck) : json_null());
    report_json_set(o, "rebalance", rebalance_json(s));
    return o;
}
