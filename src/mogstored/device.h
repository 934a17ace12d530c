/* SPDX-License-Identifier: MIT */
/* One device: a directory devN of the docroot, its threads, its health and its numbers. */
#ifndef MOG_MOGSTORED_DEVICE_H
#define MOG_MOGSTORED_DEVICE_H

#include "common/err.h"
#include "mogstored/dirsync.h"
#include "mogstored/mount.h"
#include "mogstored/settings.h"
#include "mogstored/stats.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct device;
struct janitor;
struct pool;

enum {
    DEVICE_QUEUE_PER_THREAD = 16,     /* jobs that may wait for each thread of a device */
    DEVICE_MEASURED_LIMIT_MS = 60000, /* older numbers make a device unhealthy */
    DEVICE_JOB_LIMIT_MS = 30000,      /* so does a job that takes longer */
    DEVICE_LATE_COMMIT_MS = 6000,     /* clients wait no longer for the answer to an upload */
    DEVICE_LATE_PAUSE_MS = 10000,     /* how long late commits make us refuse new uploads */
    DEVICE_THREADS_MAX = 100,
    DEVICE_FOLLOW_MS = 20,     /* a job that takes longer may hang, and nothing follows it */
    DEVICE_FOLLOWERS_RUN = 16, /* jobs at one place in a row, before others have their turn */
    DEVICE_ACTIVE_MIN =
        2, /* with fsync off, threads that work in the file system at a time while none of them waits for the disk: */
    DEVICE_ACTIVE_MAX = 4, /* as many as processors, within these limits */
};

/* The directory that the devices lie in. Opened once; shared, constant after the start. */
struct docroot {
    int fd; /* O_PATH */
    dev_t st_dev;
    const char *path; /* absolute, without a trailing '/' */
};

/* A piece of work for a device's threads; embedded in what it works on. */
struct job {
    void (*run)(struct job *j); /* on a thread of the device; may block */
    /* After run, or instead of it (`has_run` false) when the device stops first. The job may be reused or freed in it
     */
    void (*done)(struct job *j, bool has_run);
    /* Between run and done, if not NULL: `next`, whose `run` comes after, is what this thread does next at the same
     * place; NULL: nothing. */
    void (*leave)(struct job *j, struct job *next);
    /*
     * Not 0: it needs the same lock of the file system as all others with this number, which are of its kind. While one
     * of them runs, and gets on, others are not queued but follow it, on its thread.
     */
    unsigned place;
    struct device *dev; /* set by device_submit */
    /* Under the device's lock: */
    int64_t started_mono_ms;
    struct job *prev, *next;                    /* list of running jobs; `next` alone: of others */
    struct job *follower_first, *follower_last; /* those that follow it, whether it runs or was queued with them */
};

enum device_health {
    DEVICE_HEALTHY,
    DEVICE_FULL,      /* no space left for an ordinary user: uploads are tried all the same */
    DEVICE_READONLY,  /* mounted read-only: uploads and deletions are refused */
    DEVICE_UNHEALTHY, /* gone, not mounted, failing or hung: everything is refused */
};

/* What a round of measuring found. */
struct device_measure {
    uint64_t total_kb, used_kb, available_kb; /* total = used + available; used at least 1 */
    uint64_t inodes_total, inodes_used;
    int64_t when_unix_s;
    char source[MOUNT_SOURCE_SIZE];
};

/*
 * Invariants:
 * 1. Constant after device_new: all up to `lock`. Devices live until the daemon stops.
 * 2. `running_*` lists jobs by their start, oldest first; oldest_started_mono_ms is that of the first, 0 for none.
 * 3. `pool` takes nothing more after device_stop, and nothing follows anything.
 * 4. All below `lock` is under it, but for the atomics, which may be read without.
 */
struct device {
    uint32_t id;
    char name[12]; /* "dev7" */
    const struct docroot *root;
    struct settings *settings;
    struct stats stats;
    struct dirsync *dirsync;
    struct janitor *janitor;
    struct pool *pool;

    pthread_mutex_t lock;
    pthread_cond_t measured;
    struct job *running_first, *running_last;
    bool is_stopping;
    bool is_watched; /* the janitor looks for followers of jobs that hang */
    struct device_measure measure;
    dev_t st_dev;                    /* of the directory, when last seen healthy */
    bool has_had_round;              /* its first round has ended */
    bool was_mount_point;            /* it has been one: it must not stop being one */
    char fault[160];                 /* why it is unhealthy; "" when it is not */
    char disk[MOUNT_DISK_SIZE];      /* in /proc/diskstats; "" when unknown */
    int64_t late_commits_mono_ms[2]; /* the last two that took too long, newest first */

    _Atomic int64_t oldest_started_mono_ms, measured_mono_ms;
    _Atomic bool has_fault, is_readonly, is_full;
    _Atomic bool is_missing;      /* the directory is not there at all */
    _Atomic bool has_nameless;    /* files can begin without a name */
    _Atomic bool is_link;         /* devN is a symbolic link */
    _Atomic uint64_t seen_st_dev; /* st_dev for the threads that do not lock */
    _Atomic unsigned queued, running, threads;
    _Atomic uint64_t submitted, waited; /* jobs ever; those that found all threads busy */
};

/*
 * A device and its threads. `threads` is clamped to 1..DEVICE_THREADS_MAX. It is unhealthy until the first round of its
 * janitor, which starts at once and repeats every `round_s` seconds. All pointers must outlive it.
 */
struct device *device_new(uint32_t id, const struct docroot *root, struct settings *settings, unsigned threads,
                          unsigned round_s);

/* Wait until its first round has ended, its usage file written. False when that takes longer than `timeout_ms`. */
bool device_wait_measured(struct device *d, int64_t timeout_ms);

/* Refuse further work, drop what waits, end all threads. Blocks as long as a running job does. */
void device_stop(struct device *d);
void device_free(struct device *d); /* after device_stop */

/*
 * Hand a job to the device's threads. False, and nothing happens, when the queue is full or the device stops.
 * `is_urgent`: what an accepted request still needs is queued however many wait. Any thread; never blocks.
 */
MOG_MUSTCHECK bool device_submit(struct device *d, struct job *j, bool is_urgent);
/* Would a job that is not urgent be taken now? */
bool device_has_room(const struct device *d);

/*
 * Queue those jobs that follow one that may hang. True: some follow others, so that it is to be called again in
 * DEVICE_FOLLOW_MS. The janitor's thread.
 */
bool device_release_followers(struct device *d);

/* By a thread of the device: what follows, until the end, waits for the disk. */
void device_wait_begin(struct device *d);
void device_wait_end(struct device *d);

/* Clamped to 1..DEVICE_THREADS_MAX. How many work at a time is decided anew by the settings. */
void device_set_threads(struct device *d, unsigned threads);

/* Any thread; never blocks. */
enum device_health device_health(const struct device *d);
const char *device_health_text(enum device_health h);

/* Do commits take so long that a new upload would be answered too late? Any thread. */
bool device_is_late(struct device *d);
void device_note_commit(struct device *d, int64_t took_us);

/* Why it is unhealthy, for people; "" when it is healthy. */
void device_describe_fault(struct device *d, char *out, size_t size);

/* What a round found out about the directory itself. */
struct device_place {
    dev_t st_dev;
    bool is_link, is_readonly;
    char disk[MOUNT_DISK_SIZE];
};

/* A round found it well: its numbers, and the end of its fault. The janitor's thread. */
void device_publish(struct device *d, const struct device_measure *m, const struct device_place *place);
/* A round has ended, however: who waits for the first one may go on. The janitor's thread. */
void device_round_ended(struct device *d);

/* Mark it unhealthy until the next round; logged once per change. Formatted text. */
void device_set_fault(struct device *d, const char *fmt, ...) MOG_PRINTF(2, 3);

/* A file system call on it failed with `err`: counts it, and draws the conclusion where the disk is to blame. */
void device_note_errno(struct device *d, int err, const char *what);

/* Is `err` of the process or the whole system, which have run out of something, so that it says nothing of a disk? */
bool device_is_shortage(int err);

/*
 * Open the device's directory (O_PATH), checking that it is the one that was measured: a device that is no longer
 * mounted must not be mistaken for an empty one. MOG_ENOTFOUND: the directory is gone. MOG_EIO: another file system,
 * or unreadable. In both cases the device is marked, but for a shortage, which is MOG_EIO too. May block.
 */
MOG_MUSTCHECK enum mog_err device_open_root(struct device *d, int *fd, struct mog_fail *f);

/* Files have come or gone: `kb` more (or fewer) are in use than measured. Any thread. */
void device_account(struct device *d, int64_t kb);

struct buf;
/* Append the seven lines of a usage file, and two on inodes; returns when they were measured. Any thread. */
int64_t device_format_usage(struct device *d, struct buf *out);

#endif
