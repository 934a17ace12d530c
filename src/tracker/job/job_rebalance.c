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

enum { QUEUE_SIZE = 10000, QUEUE_RATE = 500, RATE_MAX = 100000 };

/* Where the status that a source had before it was drained is kept; the state itself may hold no further keys. */
static const char saved_status[] = "rebal_sdev_status";

struct inject {
    struct job_worker *w;
    struct rebalance_policy policy;
    struct rebalance_state state;
    bool has_policy, has_state;
};

static bool save_state(struct inject *in)
{
    struct buf text = BUF_ZERO;
    rebalance_state_format(&in->state, &text);
    bool ok = store_setting_set(in->w->st, "rebal_state", buf_as_span(&text)) == MOG_OK;
    buf_fini(&text);
    if (!ok)
        log_warn("rebalance: its state was not stored: %s", store_failure(in->w->st)->text);
    return ok;
}

/* Whether the status that this device had is remembered. */
static bool is_saved(struct store *st, uint32_t devid)
{
    struct store_bytes saved = {0};
    struct span word, id;
    uint64_t of = 0;
    bool is = false;
    if (store_setting_get(st, saved_status, &saved) == MOG_OK) {
        word = store_bytes_span(&saved);
        is = span_split(&word, ':', &id) && num_parse_u64(id, 1, UINT32_MAX, &of) == MOG_OK && of == devid;
    }
    store_bytes_free(&saved);
    return is;
}

/* Take the device out of use while it is emptied, and remember what it was. MOG_EINVAL: it is dead or gone. */
static enum mog_err drain_source(struct inject *in)
{
    struct store *st = in->w->st;
    struct store_device row;
    char text[40];
    enum mog_err e = store_device_get(st, in->state.current, &row);
    if (e == MOG_ENOTFOUND || (e == MOG_OK && strcmp(row.status, "dead") == 0))
        return MOG_EINVAL;
    if (e != MOG_OK)
        return e;
    int len = snprintf(text, sizeof(text), "%" PRIu32 ":%s", row.devid, row.status);
    /* Drained a moment ago, by a tracker that ended before it had noted that. */
    if (strcmp(row.status, "drain") != 0 || !is_saved(st, row.devid))
        e = store_setting_set(st, saved_status, span_make(text, (size_t)len));
    if (e == MOG_OK && strcmp(row.status, "drain") != 0)
        e = store_device_set_status(st, row.devid, "drain");
    return e == MOG_EINVAL ? MOG_EDB : e;
}

/* Give the source its old status back, if nobody has changed it meanwhile. */
static void restore_source(struct inject *in)
{
    struct store *st = in->w->st;
    struct store_bytes saved = {0};
    if (store_setting_get(st, saved_status, &saved) != MOG_OK)
        return; /* begun by a tracker that does not remember: the operator decides */
    struct span word = store_bytes_span(&saved), id;
    uint64_t devid = 0;
    if (!in->policy.leave_in_drain_mode && span_split(&word, ':', &id) && word.ptr != NULL &&
        num_parse_u64(id, 1, UINT32_MAX, &devid) == MOG_OK && !span_is(word, "drain")) {
        enum device_status status;
        if (devstate_parse_device(word, &status) && status == DEVICE_ALIVE &&
            store_device_swap_status(st, (uint32_t)devid, "drain", devstate_device_word(status)) == MOG_OK)
            log_info("rebalance: dev%" PRIu64 " is alive again", devid);
    }
    if (store_setting_delete(st, saved_status) != MOG_OK)
        log_warn("rebalance: setting %s was not removed: %s", saved_status, store_failure(st)->text);
    store_bytes_free(&saved);
}

static void end(struct inject *in, bool stopped)
{
    struct store *st = in->w->st;
    if (in->state.current != 0)
        restore_source(in);
    if (stopped)
        in->state.time_stopped = clock_wall_s();
    else
        in->state.time_finished = clock_wall_s();
    if (in->has_state && !save_state(in))
        return;
    if (store_setting_delete(st, "rebal_signal") != MOG_OK ||
        store_setting_delete_if(st, "rebal_host", span_of(in->w->jobs->config.hostname)) != MOG_OK)
        log_warn("rebalance: it was not marked as ended, trying again: %s", store_failure(st)->text);
    else
        log_info("rebalance: %s", stopped ? "stopped" : "finished");
}

static bool read_text(struct inject *in, const char *field, struct store_bytes *value)
{
    enum mog_err e = store_setting_get(in->w->st, field, value);
    return e == MOG_OK || e == MOG_ENOTFOUND;
}

/* Policy and state from the settings; false: try again, or the job was ended because they make no sense. */
static bool load(struct inject *in)
{
    struct store_bytes policy = {0}, state = {0};
    struct mog_fail f = {0};
    bool ok = read_text(in, "rebal_policy", &policy) && read_text(in, "rebal_state", &state);
    if (ok) {
        in->has_policy = rebalance_policy_parse(store_bytes_span(&policy), &in->policy, &f) == MOG_OK;
        if (in->has_policy && state.len != 0)
            in->has_state = rebalance_state_parse(store_bytes_span(&state), &in->state, &f) == MOG_OK;
        else if (in->has_policy) {
            rebalance_state_init(&in->state, &in->policy, in->w->cluster, clock_wall_s());
            in->has_state = true;
        }
        if (!in->has_state) {
            log_err("rebalance: stopped, its policy or state cannot be used: %s", f.text);
            end(in, true);
            ok = false;
        }
    }
    store_bytes_free(&policy);
    store_bytes_free(&state);
    return ok;
}

static bool is_told_to_stop(struct inject *in)
{
    struct store_bytes signal = {0};
    bool stop = read_text(in, "rebal_signal", &signal) && span_is(store_bytes_span(&signal), "stop");
    store_bytes_free(&signal);
    return stop;
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

/* Queue those of the fids that the limits allow. Returns false when the database failed. */
static bool queue_files(struct inject *in, const struct store_fids *fids, const struct rebalance_ids *dests)
{
    struct store *st = in->w->st;
    struct store_todo *items = mem_calloc(fids->n, sizeof(*items));
    size_t n = 0;
    bool ok = true;
    for (size_t at = 0; ok && at < fids->n; at += 1000) {
        struct store_files files = {0};
        size_t part = fids->n - at < 1000 ? fids->n - at : 1000;
        ok = store_file_get_many(st, fids->rows + at, part, &files) == MOG_OK;
        for (size_t i = 0; ok && i < files.n; i++) {
            if (!rebalance_take(&in->state, &in->policy, files.rows[i].length))
                continue;
            items[n++] = (struct store_todo){
                .fid = files.rows[i].fid, .devid = in->state.current, .arg = span_of(targets_text(in, dests))};
        }
        store_files_free(&files);
    }
    if (ok && n != 0)
        ok = store_todo_add(st, STORE_QUEUE_REBALANCE, items, n) == MOG_OK;
    if (ok) {
        in->state.time_latest_run = clock_wall_s();
        if (n == 0) {
            in->state.empty_runs++;
            in->state.time_latest_empty_run = in->state.time_latest_run;
        }
    }
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)items[i].arg.ptr);
    free(items);
    return ok;
}

static void work_source(struct inject *in, const struct rebalance_ids *dests)
{
    struct store *st = in->w->st;
    struct store_fids fids = {0};
    uint64_t rate = cluster_setting_u64(in->w->cluster, "queue_rate_for_rebal", QUEUE_RATE);
    bool used_up = rebalance_limit_is_used_up(&in->state, &in->policy);
    if (!used_up && store_devfid_chunk(st, in->state.current, in->policy.newest_first, in->state.last_fid,
                                       (unsigned)(rate < RATE_MAX ? rate : RATE_MAX), &fids) != MOG_OK) {
        log_warn("rebalance: the files of dev%" PRIu32 " cannot be read, trying again: %s", in->state.current,
                 store_failure(st)->text);
        return;
    }
    if (fids.n == 0) {
        restore_source(in);
        rebalance_finish_source(&in->state);
        (void)save_state(in);
    } else {
        in->state.last_fid = fids.rows[fids.n - 1];
        if (queue_files(in, &fids, dests))
            (void)save_state(in);
        else
            log_warn("rebalance: files of dev%" PRIu32 " were not queued, trying again: %s", in->state.current,
                     store_failure(st)->text);
    }
    store_fids_free(&fids);
}

static void pass(struct inject *in)
{
    struct rebalance_ids dests = {0};
    if (!load(in))
        return;
    if (is_told_to_stop(in)) {
        end(in, true);
        return;
    }
    if (in->state.current == 0) {
        if (!rebalance_next_source(&in->state, &in->policy)) {
            end(in, false);
            return;
        }
        enum mog_err e = drain_source(in);
        if (e != MOG_OK && e != MOG_EINVAL) {
            log_warn("rebalance: dev%" PRIu32 " was not drained, trying again: %s", in->state.current,
                     store_failure(in->w->st)->text);
            return;
        }
        if (e == MOG_EINVAL) {
            log_warn("rebalance: dev%" PRIu32 " cannot be drained, it is left out", in->state.current);
            rebalance_finish_source(&in->state);
            (void)save_state(in);
            return;
        }
        if (!save_state(in))
            return;
    }
    rebalance_destinations(&in->policy, &in->state, in->w->cluster, &dests);
    if (dests.n == 0) {
        log_err("rebalance cannot find suitable destination devices, it is stopped");
        end(in, true);
    } else {
        work_source(in, &dests);
    }
    rebalance_ids_fini(&dests);
}

void job_rebalance_inject(struct job_worker *w)
{
    uint64_t queued = 0;
    if (store_queue_length(w->st, STORE_QUEUE_REBALANCE, &queued) != MOG_OK ||
        queued >= cluster_setting_u64(w->cluster, "queue_size_for_rebal", QUEUE_SIZE))
        return;
    struct inject in = {.w = w};
    pass(&in);
    if (in.has_policy)
        rebalance_policy_fini(&in.policy);
    if (in.has_state)
        rebalance_state_fini(&in.state);
}
