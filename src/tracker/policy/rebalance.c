/* SPDX-License-Identifier: MIT */
/* Rebalance policies, states and device choices. */
#include "tracker/policy/rebalance.h"

#include "common/mem.h"
#include "common/num.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE_USED_UP = 1024 /* with less than this left of a size limit, a source is done */ };

void rebalance_ids_add(struct rebalance_ids *l, uint32_t id)
{
    l->items = mem_grow(l->items, l->n, &l->cap, sizeof(*l->items));
    l->items[l->n++] = id;
}

bool rebalance_ids_have(const struct rebalance_ids *l, uint32_t id)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->items[i] == id)
            return true;
    }
    return false;
}

void rebalance_ids_fini(struct rebalance_ids *l)
{
    free(l->items);
    *l = (struct rebalance_ids){0};
}

void rebalance_ids_format(const struct rebalance_ids *l, struct buf *out)
{
    for (size_t i = 0; i < l->n; i++)
        buf_printf(out, "%s%" PRIu32, i != 0 ? "," : "", l->items[i]);
}

/* Comma-separated ids; empty elements are skipped, because the original writes them. */
static bool parse_ids(struct span text, struct rebalance_ids *out)
{
    struct span part;
    while (span_split(&text, ',', &part)) {
        uint64_t id = 0;
        part = span_trim(part);
        if (part.len == 0)
            continue;
        if (num_parse_u64(part, 0, UINT32_MAX, &id) != MOG_OK)
            return false;
        rebalance_ids_add(out, (uint32_t)id);
    }
    return true;
}

/* Cut the next "key=value" off; pairs are separated by exactly one white space. */
static bool next_pair(struct span *rest, struct span *key, struct span *value)
{
    if (rest->ptr == NULL || rest->len == 0)
        return false;
    size_t len = 0;
    while (len < rest->len && strchr(" \t\r\n", rest->ptr[len]) == NULL)
        len++;
    struct span pair = span_make(rest->ptr, len);
    *rest = len < rest->len ? span_make(rest->ptr + len + 1, rest->len - len - 1) : span_make(NULL, 0);
    *value = pair;
    (void)span_split(value, '=', key);
    if (value->ptr == NULL)
        *value = span_make("", 0);
    return true;
}

/* ---- policy ---- */

static enum mog_err bad_value(struct mog_fail *f, struct span key, struct span value, const char *allowed)
{
    return fail_set(f, MOG_EINVAL, "Invalid value '%.*s' for %.*s: %s", (int)(value.len < 100 ? value.len : 100),
                    value.ptr, (int)key.len, key.ptr, allowed);
}

static enum mog_err parse_limit(struct span value, uint64_t *limit)
{
    static const char suffixes[] = "bkmgtp";
    unsigned power = 0;
    if (value.len != 0) {
        const char last = value.ptr[value.len - 1];
        const char *at = strchr(suffixes, last >= 'A' && last <= 'Z' ? last - 'A' + 'a' : last);
        if (at != NULL && *at != '\0') {
            power = (unsigned)(at - suffixes);
            value.len--;
        }
    }
    uint64_t n = 0;
    if (num_parse_u64(value, 0, UINT64_MAX, &n) != MOG_OK)
        return MOG_ESYNTAX;
    for (unsigned i = 0; i < power; i++) {
        if (!num_mul_u64(n, 1024, &n))
            return MOG_ERANGE;
    }
    *limit = n;
    return MOG_OK;
}

/* One key of a filter ("percent_used", "hosts"); false: not one of its keys. */
static bool filter_key(struct rebalance_filter *filter, struct span name, struct span value, bool *ok)
{
    const struct {
        const char *name;
        double *number;
    } numbers[] = {{"percent_used", &filter->percent_used},
                   {"percent_free", &filter->percent_free},
                   {"space_used", &filter->space_used},
                   {"space_free", &filter->space_free}};
    for (size_t i = 0; i < 4; i++) {
        if (span_is(name, numbers[i].name)) {
            *ok = num_parse_double(value, numbers[i].number) == MOG_OK && *numbers[i].number >= 0;
            return true;
        }
    }
    if (span_is(name, "hosts"))
        *ok = parse_ids(value, &filter->hosts);
    else if (span_is(name, "devices"))
        *ok = parse_ids(value, &filter->devices);
    else
        return span_is(name, "all_devs"); /* accepted, means nothing */
    return true;
}

static struct span behind(struct span s, size_t n)
{
    return span_make(s.ptr + n, s.len - n);
}

static enum mog_err policy_pair(struct rebalance_policy *p, struct span key, struct span value, struct mog_fail *f)
{
    bool ok = true;
    uint64_t n = 0;
    if (span_starts(key, "from_") && filter_key(&p->from, behind(key, 5), value, &ok))
        return ok ? MOG_OK : bad_value(f, key, value, "ids or a number are needed");
    if (span_starts(key, "to_") && filter_key(&p->to, behind(key, 3), value, &ok))
        return ok ? MOG_OK : bad_value(f, key, value, "ids or a number are needed");
    if (span_is(key, "not_to_hosts"))
        return parse_ids(value, &p->to.not_hosts) ? MOG_OK : bad_value(f, key, value, "ids are needed");
    if (span_is(key, "not_to_devices"))
        return parse_ids(value, &p->to.not_devices) ? MOG_OK : bad_value(f, key, value, "ids are needed");
    if (span_is(key, "fid_age")) {
        p->newest_first = span_is(value, "new");
        return p->newest_first || span_is(value, "old") ? MOG_OK : bad_value(f, key, value, "old or new");
    }
    if (span_is(key, "limit_type")) {
        p->global_limit = span_is(value, "global");
        return p->global_limit || span_is(value, "device") ? MOG_OK : bad_value(f, key, value, "device or global");
    }
    if (span_is(key, "limit_by")) {
        if (span_is(value, "percent"))
            return fail_set(f, MOG_EINVAL, "policy size limits by percent are unimplemented");
        p->limit_by = span_is(value, "count")  ? REBALANCE_COUNT
                      : span_is(value, "size") ? REBALANCE_SIZE
                                               : REBALANCE_NO_LIMIT;
        return p->limit_by != REBALANCE_NO_LIMIT || span_is(value, "none")
                   ? MOG_OK
                   : bad_value(f, key, value, "none, count or size");
    }
    if (span_is(key, "limit"))
        return parse_limit(value, &p->limit) == MOG_OK ? MOG_OK
                                                       : bad_value(f, key, value, "a number, with b k m g t p");
    if (span_is(key, "use_dest_devs")) {
        if (span_is(value, "all"))
            return MOG_OK;
        if (num_parse_u64(value, 1, 1000, &n) != MOG_OK)
            return bad_value(f, key, value, "all, or a number from 1 to 1000");
        p->use_dest_devs = (uint32_t)n;
        return MOG_OK;
    }
    if (span_is(key, "leave_in_drain_mode")) {
        p->leave_in_drain_mode = num_perl_true(value);
        return MOG_OK;
    }
    return fail_set(f, MOG_EINVAL, "Invalid setting %.*s", (int)(key.len < 100 ? key.len : 100), key.ptr);
}

enum mog_err rebalance_policy_parse(struct span text, struct rebalance_policy *out, struct mog_fail *f)
{
    struct span key, value;
    memset(out, 0, sizeof(*out));
    while (next_pair(&text, &key, &value)) {
        enum mog_err e = policy_pair(out, key, value, f);
        if (e != MOG_OK) {
            rebalance_policy_fini(out);
            return e;
        }
    }
    return MOG_OK;
}

static void filter_fini(struct rebalance_filter *filter)
{
    rebalance_ids_fini(&filter->hosts);
    rebalance_ids_fini(&filter->devices);
    rebalance_ids_fini(&filter->not_hosts);
    rebalance_ids_fini(&filter->not_devices);
}

void rebalance_policy_fini(struct rebalance_policy *p)
{
    filter_fini(&p->from);
    filter_fini(&p->to);
}

/* ---- choice of devices ---- */

static bool passes_usage(const struct rebalance_filter *filter, const struct cluster_device *d)
{
    if (filter->percent_used == 0 && filter->percent_free == 0 && filter->space_used == 0 && filter->space_free == 0)
        return true;
    bool known = false;
    double free_share = cluster_device_free_share(d, &known);
    if (!known)
        return false;
    double used_mb = (double)d->mb_used, free_mb = (double)d->mb_total * free_share;
    return (filter->percent_used == 0 || (1.0 - free_share) * 100.0 > filter->percent_used) &&
           (filter->percent_free == 0 || free_share * 100.0 > filter->percent_free) &&
           (filter->space_used == 0 || used_mb > filter->space_used) &&
           (filter->space_free == 0 || free_mb > filter->space_free);
}

static bool passes(const struct rebalance_filter *filter, const struct cluster_device *d)
{
    return (filter->hosts.n == 0 || rebalance_ids_have(&filter->hosts, d->hostid)) &&
           (filter->devices.n == 0 || rebalance_ids_have(&filter->devices, d->devid)) &&
           !rebalance_ids_have(&filter->not_hosts, d->hostid) && !rebalance_ids_have(&filter->not_devices, d->devid) &&
           passes_usage(filter, d);
}

void rebalance_sources(const struct rebalance_policy *p, const struct cluster *c, struct rebalance_ids *out)
{
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct cluster_device *d = &c->devices[i];
        if (cluster_device_can_delete(d) && passes(&p->from, d))
            rebalance_ids_add(out, d->devid);
    }
}

void rebalance_destinations(const struct rebalance_policy *p, const struct rebalance_state *s, const struct cluster *c,
                            struct rebalance_ids *out)
{
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct cluster_device *d = &c->devices[i];
        bool is_source = s != NULL && (rebalance_ids_have(&s->sources, d->devid) || s->current == d->devid ||
                                       rebalance_ids_have(&s->completed, d->devid));
        if (!is_source && cluster_device_gets_files(c, d) && passes(&p->to, d))
            rebalance_ids_add(out, d->devid);
    }
}

/* ---- state ---- */

void rebalance_state_init(struct rebalance_state *s, const struct rebalance_policy *p, const struct cluster *c,
                          int64_t now_s)
{
    memset(s, 0, sizeof(*s));
    rebalance_sources(p, c, &s->sources);
    s->time_started = now_s;
    if (p->global_limit && p->limit_by != REBALANCE_NO_LIMIT) {
        s->global_is_limited = true;
        s->global_limit = p->limit;
    }
}

void rebalance_state_fini(struct rebalance_state *s)
{
    rebalance_ids_fini(&s->completed);
    rebalance_ids_fini(&s->sources);
}

static enum mog_err state_pair(struct rebalance_state *s, struct span key, struct span value, struct mog_fail *f)
{
    uint64_t n = value.len != 0 ? (uint64_t)num_perl_int(value) : 0;
    const struct {
        const char *name;
        uint64_t *place;
    } counters[] = {{"fids_queued", &s->fids_queued},
                    {"bytes_queued", &s->bytes_queued},
                    {"empty_runs", &s->empty_runs},
                    {"sdev_lastfid", &s->last_fid}};
    const struct {
        const char *name;
        int64_t *place;
    } times[] = {{"time_started", &s->time_started},
                 {"time_finished", &s->time_finished},
                 {"time_stopped", &s->time_stopped},
                 {"time_latest_run", &s->time_latest_run},
                 {"time_latest_empty_run", &s->time_latest_empty_run}};
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        if (span_is(key, counters[i].name)) {
            *counters[i].place = n;
            return MOG_OK;
        }
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (span_is(key, times[i].name)) {
            *times[i].place = (int64_t)n;
            return MOG_OK;
        }
    }
    if (span_is(key, "completed_devs"))
        return parse_ids(value, &s->completed) ? MOG_OK : bad_value(f, key, value, "ids are needed");
    if (span_is(key, "source_devs"))
        return parse_ids(value, &s->sources) ? MOG_OK : bad_value(f, key, value, "ids are needed");
    if (span_is(key, "sdev_current")) {
        s->current = (uint32_t)n;
    } else if (span_is(key, "sdev_limit")) {
        s->device_is_limited = value.len != 0 && !span_is(value, "none");
        s->device_limit = n;
    } else if (span_is(key, "limit")) {
        s->global_is_limited = value.len != 0;
        s->global_limit = n;
    } else {
        return fail_set(f, MOG_EINVAL, "Invalid setting %.*s", (int)(key.len < 100 ? key.len : 100), key.ptr);
    }
    return MOG_OK;
}

enum mog_err rebalance_state_parse(struct span text, struct rebalance_state *out, struct mog_fail *f)
{
    struct span key, value;
    memset(out, 0, sizeof(*out));
    while (next_pair(&text, &key, &value)) {
        enum mog_err e = state_pair(out, key, value, f);
        if (e != MOG_OK) {
            rebalance_state_fini(out);
            return e;
        }
    }
    return MOG_OK;
}

void rebalance_state_format(const struct rebalance_state *s, struct buf *out)
{
    buf_str(out, "completed_devs=");
    rebalance_ids_format(&s->completed, out);
    buf_str(out, " source_devs=");
    rebalance_ids_format(&s->sources, out);
    if (s->current != 0) {
        buf_printf(out, " sdev_current=%" PRIu32 " sdev_lastfid=%" PRIu64, s->current, s->last_fid);
        if (s->device_is_limited)
            buf_printf(out, " sdev_limit=%" PRIu64, s->device_limit);
        else
            buf_str(out, " sdev_limit=none");
    }
    buf_printf(out, " limit=%" PRIu64 " fids_queued=%" PRIu64 " bytes_queued=%" PRIu64, s->global_limit, s->fids_queued,
               s->bytes_queued);
    buf_printf(out, " time_started=%" PRId64 " time_finished=%" PRId64 " time_stopped=%" PRId64, s->time_started,
               s->time_finished, s->time_stopped);
    buf_printf(out, " time_latest_run=%" PRId64 " time_latest_empty_run=%" PRId64 " empty_runs=%" PRIu64,
               s->time_latest_run, s->time_latest_empty_run, s->empty_runs);
}

bool rebalance_next_source(struct rebalance_state *s, const struct rebalance_policy *p)
{
    if (s->sources.n == 0)
        return false;
    s->current = s->sources.items[0];
    s->sources.n--;
    memmove(s->sources.items, s->sources.items + 1, s->sources.n * sizeof(*s->sources.items));
    s->last_fid = 0;
    s->device_is_limited = !p->global_limit && p->limit_by != REBALANCE_NO_LIMIT;
    s->device_limit = s->device_is_limited ? p->limit : 0;
    return true;
}

void rebalance_finish_source(struct rebalance_state *s)
{
    if (s->current != 0)
        rebalance_ids_add(&s->completed, s->current);
    s->current = 0;
    s->last_fid = 0;
    s->device_is_limited = false;
    s->device_limit = 0;
}

/* The amount that counts now; NULL: no limit. */
static uint64_t *remaining(struct rebalance_state *s, const struct rebalance_policy *p)
{
    if (p->limit_by == REBALANCE_NO_LIMIT)
        return NULL;
    return p->global_limit ? &s->global_limit : &s->device_limit;
}

bool rebalance_limit_is_used_up(const struct rebalance_state *s, const struct rebalance_policy *p)
{
    struct rebalance_state copy = *s;
    const uint64_t *left = remaining(&copy, p);
    if (left == NULL)
        return false;
    return p->limit_by == REBALANCE_COUNT ? *left == 0 : *left < SIZE_USED_UP;
}

bool rebalance_take(struct rebalance_state *s, const struct rebalance_policy *p, uint64_t length)
{
    uint64_t *left = remaining(s, p);
    uint64_t amount = p->limit_by == REBALANCE_COUNT ? 1 : length;
    if (left != NULL) {
        if (amount > *left)
            return false;
        *left -= amount;
    }
    s->fids_queued++;
    s->bytes_queued += length;
    return true;
}
