/* SPDX-License-Identifier: MIT */
/* One fid under check. */
#ifndef MOG_TRACKER_JOB_FSCK_PRIV_H
#define MOG_TRACKER_JOB_FSCK_PRIV_H

#include "common/digest.h"
#include "store/store_file.h"
#include "tracker/job/job_priv.h"
#include "tracker/policy/policy.h"

enum fsck_result {
    FSCK_HANDLED,
    FSCK_STALLED, /* something could not be asked: later */
    FSCK_LOCKED,  /* somebody else works on the file: soon */
};

/* What was found of one copy. */
enum copy_state {
    COPY_GOOD,
    COPY_DEAD,    /* on a dead device */
    COPY_MISSING, /* recorded, but the file is not there */
    COPY_LENGTH,  /* the file has another length */
    COPY_UNKNOWN, /* the device cannot be asked now */
};

struct fsck_copy {
    uint32_t devid;
    enum copy_state state;
    bool has_digest;
    uint8_t digest[DIGEST_MAX_BYTES];
};

struct fsck_check {
    struct job_worker *w;
    uint64_t fid;
    bool first_try; /* codes that a stalled fid would repeat are logged once */
    bool has_told;  /* something was logged */
    bool policy_only, digests_off;
    bool was_stopped;      /* the database did not do all that it was told: to be checked again later */
    enum digest_type mode; /* algorithm for all classes; DIGEST_NONE: by class */
    struct store_found file;
    const struct cluster_class *class; /* NULL: the class is unknown */
    struct policy *policy;
};

/* fsck.c */
/* MOG_ENOTFOUND: the file is gone; any other error was logged. */
enum mog_err fsck_load(struct fsck_check *c);
bool fsck_policy_is_met(const struct fsck_check *c, const struct store_devids *devids);
/* The database has failed: logged, and the fid stays in the queue. */
void fsck_stopped(struct fsck_check *c);
void fsck_log(struct fsck_check *c, const char *code, uint32_t devid);
void fsck_check_devcount(struct fsck_check *c);
/* Look at one copy's size. */
enum copy_state fsck_copy_state(struct fsck_check *c, uint32_t devid);

/* fsck_fix.c: under the fid's lock. */
enum fsck_result fsck_fix(struct fsck_check *c);

#endif
