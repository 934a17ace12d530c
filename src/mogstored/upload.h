/* SPDX-License-Identifier: MIT */
/* The file side of one upload: temporary file, data, sync, rename. Every call may block on the disk. */
#ifndef MOG_MOGSTORED_UPLOAD_H
#define MOG_MOGSTORED_UPLOAD_H

#include "common/err.h"
#include "common/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;
struct digest;

enum { UPLOAD_TEMP_SIZE = 64, UPLOAD_NAME_SIZE = 256 };

/*
 * States: closed (fd -1) -> open -> closed by commit or abort. One thread at a time.
 * Before upload_open, set: dev, path, length, is_synced, is_whole; for a part of a file has_range and range.
 */
struct upload {
    struct device *dev;
    const char *path; /* below the device, checked by dpath_parse */
    int64_t length;   /* bytes announced, -1 when not known */
    bool is_synced;   /* the file must be on disk when upload_commit returns */
    bool has_range;   /* write a part of the file in place, without a temporary one */
    struct range range;
    bool is_whole; /* opened, written and committed by one job: dirfd outlives a successful upload_commit, for
                      upload_pass_dir */
    int fd, dirfd;
    bool is_nameless;            /* fd gets its only name at the end */
    int64_t dir_opened_mono_ms;  /* when dirfd was opened, by this or by who passed it on */
    unsigned failures_before;    /* dirsync_failures() before that */
    char temp[UPLOAD_TEMP_SIZE]; /* "" when there is none */
    char name[UPLOAD_NAME_SIZE];
    uint64_t written, started_write; /* bytes; and how many of them were sent on their way to the disk */
    struct digest *md5;              /* NULL when nobody asks; owned */
};

void upload_init(struct upload *u);

/*
 * Create the missing directories and a file that does not have the name yet (or open the file itself for a range).
 * MOG_ENOTFOUND: the device is gone. MOG_EEXISTS: the target is a directory, or a parent is a file. MOG_EPERM: not
 * permitted, a link, a special file, a read-only file system. MOG_ENOSPC. MOG_ETOOLONG: a name.
 * MOG_EIO: anything else, errno in `f`.
 */
MOG_MUSTCHECK enum mog_err upload_open(struct upload *u, struct mog_fail *f);

/* Append `len` bytes, and feed the digest. Errors as upload_open. */
MOG_MUSTCHECK enum mog_err upload_write(struct upload *u, const void *data, size_t len, struct mog_fail *f);

/*
 * Sync the data, give the file its name, sync the directory. On failure the temporary file is gone. Errors as
 * upload_open: what stands in the way of one that is_whole may be found only here.
 */
MOG_MUSTCHECK enum mog_err upload_commit(struct upload *u, struct mog_fail *f);

/*
 * `from`, which is_whole and has ended, leaves the directory that it has open, if it does, to `to`, which is about to
 * be opened, if that is the same one and was opened a moment ago; or closes it. `to` may be NULL.
 */
void upload_pass_dir(struct upload *from, struct upload *to);

/* Remove what is temporary and close. In any state. */
void upload_abort(struct upload *u);

/* As upload_abort, on the device's janitor: never blocks. */
void upload_abandon(struct upload *u);

/* A new temporary name, unlike all others of this and any other living process. */
void upload_temp_name(char out[UPLOAD_TEMP_SIZE]);

/* Is it a temporary name of a process that no longer runs? */
bool upload_temp_is_abandoned(const char *name);

/* The code and text for `err` of a system call on `u`'s device; draws the conclusions for the device. */
enum mog_err upload_fail(struct device *d, int err, const char *what, const char *path, struct mog_fail *f);

#endif
