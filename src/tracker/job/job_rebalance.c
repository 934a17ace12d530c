/* SPDX-License-Identifier: MIT */
/* A running rebalance: files of one source device after the other are queued to be moved. */
#include "tracker/job/job_priv.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/num.h"
#include "store/store_file.h"
#include "store/store_topology.h"
#include "tracker/policy/rebalance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_SIZE = 10000, QUEUE_RATE = 500, RATE_MAX = 100000, FILES_AT_ONCE = 1000 };

/* Where the status that a source had before it was drained is kept; the state itself may hold no further keys. */
static const char saved_status[] = "rebal_sdev_status";

struct inject {
    struct job_worker *w;
    struct rebalance_policy policy;
    struct rebalance_state state;
    bool has_policy, has_state;
    struct store_todo *items; /* to be queued; with their targets' texts */
    size_t n_items;
    uint32_t revived; /* a device that this step has made alive again; 0: none */
};

static enum mog_err save_state(struct inject *in)
{
    struct buf text = BUF_ZERO;
    rebalance_state_format(&in->state, &text);
    enum mog_err e = store_setting_set(in->w->st, "rebal_state", buf_as_span(&text));
    buf_fini(&text);
    return e;
}

/* What belongs together, and the state with it, is one transaction: else a limit counts twice, or a device stays
 * drained. */
static enum mog_err together(struct inject *in, enum mog_err (*step)(struct inject *in))
{
    struct store *st = in->w->st;
    enum mog_err e = store_begin(st);
    if (e != MOG_OK)
        return e;
    in->revived = 0;
    e = step(in);
    if (e == MOG_OK)
        e = store_commit(st);
    else
        store_rollback(st);
    if (e == MOG_OK && in->revived != 0)
        log_info("rebalance: dev%" PRIu32 " is alive again", in->revived);
    return e;
}

/* Empty when there is none. */
static enum mog_err read_text(struct inject *in, const char *field, struct store_bytes *value)
{
    enum mog_err e = store_setting_get(in->w->st, field, value);
    return e == MOG_ENOTFOUND ? MOG_OK : e;
}

/* Whether the status that this device had is remembered. */
static enum mog_err look_if_saved(struct inject *in, uint32_t devid, bool *is_saved)
{
    struct store_bytes saved = {0};
    struct span word, id;
    uint64_t of = 0;
    enum mog_err e = read_text(in, saved_status, &saved);
    word = store_bytes_span(&saved);
    *is_saved = e == MOG_OK && saved.len != 0 && span_split(&word, ':', &id) &&
                num_parse_u64(id, 1, UINT32_MAX, &of) == MOG_OK && of == devid;
    store_bytes_free(&saved);
    return e;
}

/* Alive or drained, as rebalance_sources() wants them. */
static bool may_be_source(const char *status)
{
    enum device_status s;
    return devstate_parse_device(span_of(status), &s) && devstate_rights(s)->write;
}

/* Take the device out of use while it is emptied, and remember what it was. */
static enum mog_err drain_source(struct inject *in)
{
    struct store *st = in->w->st;
    struct store_device row;
    bool is_saved = false;
    char text[40];
    enum mog_err e = store_device_get(st, in->state.current, &row);
    /* The operator may have taken it out of use since it was chosen. */
    if (e == MOG_ENOTFOUND || (e == MOG_OK && !may_be_source(row.status))) {
        log_warn("rebalance: dev%" PRIu32 " cannot be drained, it is left out", in->state.current);
        rebalance_finish_source(&in->state);
        return save_state(in);
    }
    bool is_drained = e == MOG_OK && strcmp(row.status, "drain") == 0;
    /* Drained a moment ago, by a tracker that ended before it had noted that. */
    if (is_drained)
        e = look_if_saved(in, row.devid, &is_saved);
    if (e == MOG_OK && !is_saved) {
        int len = snprintf(text, sizeof(text), "%" PRIu32 ":%s", row.devid, row.status);
        e = store_setting_set(st, saved_status, span_make(text, (size_t)len));
    }
    if (e == MOG_OK && !is_drained)
        e = store_device_set_status(st, row.devid, "drain");
    return e == MOG_OK ? save_state(in) : e;
}

/* The device that `saved` tells of as alive; false: there is none. */
static bool was_alive(const struct store_bytes *saved, uint32_t *devid)
{
    struct span word = store_bytes_span(saved), id;
    enum device_status status;
    uint64_t number = 0;
    if (saved->len == 0 || !span_split(&word, ':', &id) || word.ptr == NULL ||
        num_parse_u64(id, 1, UINT32_MAX, &number) != MOG_OK)
        return false;
    *devid = (uint32_t)number;
    return devstate_parse_device(word, &status) && status == DEVICE_ALIVE;
}

/* Give the source its old status back, if nobody has changed it meanwhile. */
static enum mog_err restore_source(struct inject *in)
{
    struct store *st = in->w->st;
    struct store_bytes saved = {0};
    uint32_t devid = 0;
    enum mog_err e = read_text(in, saved_status, &saved);
    /* Nothing there: begun by a tracker that does not remember, and the operator decides. */
    if (e == MOG_OK && !in->policy.leave_in_drain_mode && was_alive(&saved, &devid)) {
        e = store_device_swap_status(st, devid, "drain", devstate_device_word(DEVICE_ALIVE));
        if (e == MOG_OK)
            in->revived = devid;
        else if (e == MOG_ENOTFOUND)
            e = MOG_OK;
    }
    if (e == MOG_OK && saved.len != 0)
        e = store_setting_delete(st, saved_status);
    store_bytes_free(&saved);
    return e;
}

static enum mog_err note_end(struct inject *in)
{
    struct store *st = in->w->st;
    enum mog_err e = in->state.current != 0 ? restore_source(in) : MOG_OK;
    if (e == MOG_OK && in->has_state)
        e = save_state(in);
    if (e == MOG_OK)
        e = store_setting_delete(st, "rebal_signal");
    if (e == MOG_OK)
        e = store_setting_delete_if(st, "rebal_host", span_of(in->w->jobs->config.hostname));
    return e;
}

static enum mog_err end(struct inject *in, bool stopped)
{
    if (stopped)
        in->state.time_stopped = clock_wall_s();
    else
        in->state.time_finished = clock_wall_s();
    enum mog_err e = together(in, note_end);
    if (e == MOG_OK)
        log_info("rebalance: %s", stopped ? "stopped" : "finished");
    return e;
}

/* Policy and state from the settings. MOG_EINVAL: they make no sense. */
static enum mog_err load(struct inject *in, struct mog_fail *f)
{
    struct store_bytes policy = {0}, state = {0};
    enum mog_err e = read_text(in, "rebal_policy", &policy);
    if (e == MOG_OK)
        e = read_text(in, "rebal_state", &state);
    if (e == MOG_OK) {
        in->has_policy = rebalance_policy_parse(store_bytes_span(&policy), &in->policy, f) == MOG_OK;
        if (in->has_policy && state.len != 0)
            in->has_state = rebalance_state_parse(store_bytes_span(&state), &in->state, f) == MOG_OK;
        else if (in->has_policy) {
            rebalance_state_init(&in->state, &in->policy, in->w->cluster, clock_wall_s());
            in->has_state = true;
        }
        e = in->has_state ? MOG_OK : MOG_EINVAL;
    }
    store_bytes_free(&policy);
    store_bytes_free(&state);
    return e;
}

static enum mog_err look_if_stopped(struct inject *in, bool *is_stopped)
{
    struct store_bytes signal = {0};
    enum mog_err e = read_text(in, "rebal_signal", &signal);
    *is_stopped = e == MOG_OK && span_is(store_bytes_span(&signal), "stop");
    store_bytes_free(&signal);
    return e;
}

/* "4,5,6": where one file may go. */
static char *targets_text(struct inject *in, const struct rebalance_ids *all)
{
    struct rebalance_ids copy = {0};
    struct buf text = BUF_ZERO;
    for (size_t i = 0; i < all->n; i++)
        rebalance_ids_add(&copy, all->items[i]);
    rng_shuffle(&in->w->rng, copy.items, copy.n, sizeof(*copy.items));
    if (in->policy.use_dest_devs != 0 && copy.n > in->policy.use_dest_devs)
        copy.n = in->policy.use_dest_devs;
    rebalance_ids_format(&copy, &text);
    rebalance_ids_fini(&copy);
    return buf_take(&text);
}

/* Those of the fids that the limits allow. */
static enum mog_err choose_files(struct inject *in, const struct store_fids *fids, const struct rebalance_ids *dests)
{
    enum mog_err e = MOG_OK;
    in->items = mem_calloc(fids->n, sizeof(*in->items));
    for (size_t at = 0; e == MOG_OK && at < fids->n; at += FILES_AT_ONCE) {
        struct store_files files = {0};
        size_t part = fids->n - at < FILES_AT_ONCE ? fids->n - at : FILES_AT_ONCE;
        e = store_file_get_many(in->w->st, fids->rows + at, part, &files);
        for (size_t i = 0; e == MOG_OK && i < files.n; i++) {
            if (!rebalance_take(&in->state, &in->policy, files.rows[i].length))
                continue;
            in->items[in->n_items++] = (struct store_todo){
                .fid = files.rows[i].fid, .devid = in->state.current, .arg = span_of(targets_text(in, dests))};
        }
        store_files_free(&files);
    }
    return e;
}

static enum mog_err queue_items(struct inject *in)
{
    enum mog_err e =
        in->n_items != 0 ? store_todo_add(in->w->st, STORE_QUEUE_REBALANCE, in->items, in->n_items) : MOG_OK;
    return e == MOG_OK ? save_state(in) : e;
}

static enum mog_err finish_source(struct inject *in)
{
    enum mog_err e = restore_source(in);
    rebalance_finish_source(&in->state);
    return e == MOG_OK ? save_state(in) : e;
}

static enum mog_err work_source(struct inject *in, const struct rebalance_ids *dests)
{
    struct store_fids fids = {0};
    enum mog_err e = MOG_OK;
    uint64_t rate = cluster_setting_u64(in->w->cluster, "queue_rate_for_rebal", QUEUE_RATE);
    if (!rebalance_limit_is_used_up(&in->state, &in->policy))
        e = store_devfid_chunk(in->w->st, in->state.current, in->policy.newest_first, in->state.last_fid,
                               (unsigned)(rate < RATE_MAX ? rate : RATE_MAX), &fids);
    if (e == MOG_OK && fids.n == 0) {
        e = together(in, finish_source);
    } else if (e == MOG_OK) {
        in->state.last_fid = fids.rows[fids.n - 1];
        e = choose_files(in, &fids, dests);
        in->state.time_latest_run = clock_wall_s();
        if (in->n_items == 0) {
            in->state.empty_runs++;
            in->state.time_latest_empty_run = in->state.time_latest_run;
        }
        if (e == MOG_OK)
            e = together(in, queue_items);
    }
    store_fids_free(&fids);
    return e;
}

static enum mog_err pass(struct inject *in)
{
    struct rebalance_ids dests = {0};
    struct mog_fail f = {0};
    bool is_stopped = false;
    enum mog_err e = load(in, &f);
    if (e == MOG_EINVAL) {
        log_err("rebalance: stopped, its policy or state cannot be used: %s", f.text);
        return end(in, true);
    }
    if (e == MOG_OK)
        e = look_if_stopped(in, &is_stopped);
    if (e != MOG_OK)
        return e;
    if (is_stopped)
        return end(in, true);
    if (in->state.current == 0) {
        if (!rebalance_next_source(&in->state, &in->policy))
            return end(in, false);
        e = together(in, drain_source);
        if (e != MOG_OK || in->state.current == 0)
            return e;
    }
    rebalance_destinations(&in->policy, &in->state, in->w->cluster, &dests);
    if (dests.n == 0) {
        log_err("rebalance cannot find suitable destination devices, it is stopped");
        e = end(in, true);
    } else {
        e = work_source(in, &dests);
    }
    rebalance_ids_fini(&dests);
    return e;
}

void job_rebalance_inject(struct job_worker *w)
{
    uint64_t queued = 0;
    struct inject in = {.w = w};
    enum mog_err e = store_queue_length(w->st, STORE_QUEUE_REBALANCE, &queued);
    if (e == MOG_OK && queued < cluster_setting_u64(w->cluster, "queue_size_for_rebal", QUEUE_SIZE))
        e = pass(&in);
    if (e != MOG_OK && e != MOG_ENOTFOUND) /* somebody else's by now */
        job_master_complain(w, HINDRANCE_REBALANCE, "rebalance: it did not go on");
    for (size_t i = 0; i < in.n_items; i++)
        free((char *)(uintptr_t)in.items[i].arg.ptr);
    free(in.items);
    if (in.has_policy)
        rebalance_policy_fini(&in.policy);
    if (in.has_state)
        rebalance_state_fini(&in.state);
}
