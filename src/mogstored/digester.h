/* SPDX-License-Identifier: MIT */
/* Digests of stored files: in slices on the device's threads, or, for fsck, one at a time per disk. */
#ifndef MOG_MOGSTORED_DIGESTER_H
#define MOG_MOGSTORED_DIGESTER_H

#include "common/digest.h"
#include "mogstored/device.h"
#include "mogstored/dpath.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct digester;

enum digest_outcome {
    DIGEST_OUTCOME_OK,
    DIGEST_OUTCOME_MISSING, /* certainly not there */
    DIGEST_OUTCOME_FAILED,  /* could not be read at `offset` */
};

/* One task. The caller fills the first part, and keeps its hands off until `done`. */
struct digest_task {
    enum digest_type type;
    struct device *dev;
    char below[DPATH_MAX + 1];
    bool is_background;                  /* for fsck: one per disk, at idle I/O priority */
    _Atomic bool is_canceled;            /* may be set by anybody at any time */
    void (*done)(struct digest_task *t); /* on another thread; the task is the caller's again */
    /* The result. */
    enum digest_outcome outcome;
    uint64_t offset;
    uint8_t value[DIGEST_MAX_BYTES];
    /* The digester's own. */
    struct job job;
    int fd;
    bool was_cached;
    struct digest *digest;
};

struct digester *digester_new(void);
/* Drop what waits; done is called for it. Blocks as long as a read does. */
void digester_stop(struct digester *g);
void digester_free(struct digester *g);

/* Start; `done` is called in any case. Any thread; never blocks on a disk. */
void digester_submit(struct digester *g, struct digest_task *t);

#endif
