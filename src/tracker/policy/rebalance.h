/* SPDX-License-Identifier: MIT */
/* The rebalance job's policy and state: their texts, and which devices they mean. Pure. */
#ifndef MOG_TRACKER_POLICY_REBALANCE_H
#define MOG_TRACKER_POLICY_REBALANCE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/span.h"
#include "tracker/cluster/cluster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rebalance_ids {
    uint32_t *items;
    size_t n, cap;
};
void rebalance_ids_add(struct rebalance_ids *l, uint32_t id);
bool rebalance_ids_have(const struct rebalance_ids *l, uint32_t id);
void rebalance_ids_fini(struct rebalance_ids *l);
/* "1,2,3" appended. */
void rebalance_ids_format(const struct rebalance_ids *l, struct buf *out);

enum rebalance_limit { REBALANCE_NO_LIMIT, REBALANCE_COUNT, REBALANCE_SIZE };

/* Thresholds that a device must exceed; 0: none. Per cent or MiB. */
struct rebalance_filter {
    struct rebalance_ids hosts, devices, not_hosts, not_devices; /* empty: no restriction */
    double percent_used, percent_free, space_used, space_free;
};

struct rebalance_policy {
    struct rebalance_filter from, to;
    bool newest_first;
    bool global_limit;
    enum rebalance_limit limit_by;
    uint64_t limit;         /* files or bytes */
    uint32_t use_dest_devs; /* most targets of one file; 0: all */
    bool leave_in_drain_mode;
};

/*
 * Parse "from_hosts=1,2 to_percent_free=50 ..." (pairs separated by one white space each). MOG_EINVAL with the
 * original's texts ("Invalid setting <key>"), and clear ones for values that could not work. Free with _fini.
 */
MOG_MUSTCHECK enum mog_err rebalance_policy_parse(struct span text, struct rebalance_policy *out, struct mog_fail *f);
void rebalance_policy_fini(struct rebalance_policy *p);

/* The progress of a rebalance, as `rebal_state` keeps it; trackers of both kinds read and write it. */
struct rebalance_state {
    struct rebalance_ids completed, sources;
    uint32_t current; /* source being emptied; 0: none */
    uint64_t last_fid;
    bool device_is_limited; /* sdev_limit is a number */
    uint64_t device_limit;  /* what the current source may still give */
    bool global_is_limited; /* `limit` is in use */
    uint64_t global_limit;  /* what all together may still give */
    uint64_t fids_queued, bytes_queued, empty_runs;
    int64_t time_started, time_finished, time_stopped, time_latest_run, time_latest_empty_run;
};

/* A new state: sources chosen now, counters 0. */
void rebalance_state_init(struct rebalance_state *s, const struct rebalance_policy *p, const struct cluster *c,
                          int64_t now_s);
/* MOG_EINVAL: an unknown key, or no key=value. */
MOG_MUSTCHECK enum mog_err rebalance_state_parse(struct span text, struct rebalance_state *out, struct mog_fail *f);
void rebalance_state_format(const struct rebalance_state *s, struct buf *out);
void rebalance_state_fini(struct rebalance_state *s);

/* Devices that the policy takes files from, and those that may get them (none of the sources of `s`, which may be
 * NULL). */
void rebalance_sources(const struct rebalance_policy *p, const struct cluster *c, struct rebalance_ids *out);
void rebalance_destinations(const struct rebalance_policy *p, const struct rebalance_state *s, const struct cluster *c,
                            struct rebalance_ids *out);

/* Begin with the next source; false: none is left. */
bool rebalance_next_source(struct rebalance_state *s, const struct rebalance_policy *p);
/* Done with the current source. */
void rebalance_finish_source(struct rebalance_state *s);
/* Whether the limits leave no room for any more file of the current source. */
bool rebalance_limit_is_used_up(const struct rebalance_state *s, const struct rebalance_policy *p);
/* Take one file of `length` bytes off the limits; false: it does not fit. */
bool rebalance_take(struct rebalance_state *s, const struct rebalance_policy *p, uint64_t length);

#endif
