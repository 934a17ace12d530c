/* SPDX-License-Identifier: MIT */
/* Files: uploads, keys, lists, locations and checksums. The paths that clients wait for. */
#ifndef MOG_STORE_STORE_FILE_H
#define MOG_STORE_STORE_FILE_H

#include "store/store.h"
#include "store/store_row.h"

/* ---- reading a file ---- */

/* Everything about one file. Zero it before the first use; store_found_free() empties it. */
struct store_found {
    struct store_file file;
    struct store_devids devids;     /* ascending; all locations, whatever their state */
    struct store_checksum checksum; /* hashtype 0: none */
};
void store_found_free(struct store_found *found);

enum store_read_flags {
    STORE_READ_SLAVE = 1,    /* a read slave will do */
    STORE_READ_DEVIDS = 2,   /* fill devids */
    STORE_READ_CHECKSUM = 4, /* fill checksum */
    STORE_READ_FID = 8,      /* of the file itself, the fid will do */
};

/*
 * The file of a key, or of a fid. A file without locations is MOG_OK with 0 devids. MOG_ENOTFOUND.
 * 1 RT whatever the flags.
 */
MOG_MUSTCHECK enum mog_err store_file_find(struct store *st, uint32_t dmid, struct span key, unsigned flags,
                                           struct store_found *out);
/*
 * The files of up to STORE_FIND_MANY keys of one domain, in one round trip: for requests that came together. May fill
 * more than the flags say. out[i] is overwritten; its file.fid is 0 when key i was not found by its very bytes.
 * Unless `*is_sure` it may be there all the same (the column ignores case): ask store_file_find(). On error all of
 * `out` is empty, and one key that the database does not take spoils all: ask for each.
 */
enum { STORE_FIND_MANY = 20 };
MOG_MUSTCHECK enum mog_err store_file_find_many(struct store *st, uint32_t dmid, const struct span *keys, size_t n,
                                                unsigned flags, struct store_found *out, bool *is_sure);
MOG_MUSTCHECK enum mog_err store_file_get(struct store *st, uint64_t fid, unsigned flags, struct store_found *out);
/*
 * Take the fid's lock (as store_lock_fid), then the same. MOG_ELOCKED. store_unlock() must follow whatever it returns.
 * 1 RT on MySQL, else 2 or more.
 */
MOG_MUSTCHECK enum mog_err store_file_get_locked(struct store *st, uint64_t fid, unsigned wait_s, unsigned flags,
                                                 struct store_found *out);

/* ---- an upload ---- */

struct store_file_open {
    uint64_t fid; /* 0: allocate one */
    uint32_t dmid, classid;
    struct span key;    /* kept for information; cut nowhere: longer than STORE_NAME_MAX is MOG_ETOOLONG */
    const char *devids; /* "1,2,3"; NULL: NULL */
};

/*
 * Register an upload and return its fid: never one that a file row has, nor one at or below store_env_min_fid().
 * MOG_EEXISTS: the explicit fid is taken, or was and its copies are not deleted yet, or is too low (no row stays
 * behind).
 * 1 RT on SQLite, PostgreSQL and MariaDB 10.5 or later; 2 on MySQL; more only while the counter is being moved on.
 * An explicit fid costs up to 5.
 */
MOG_MUSTCHECK enum mog_err store_file_open(struct store *st, const struct store_file_open *o, uint64_t *fid);

/*
 * The same for up to STORE_OPEN_MANY uploads that came together, none with a fid of its own: one statement and one
 * commit for most numbers of them, else two. fids[i] is 0 where the number that came was not to be used: open that one
 * alone. On error all are 0, rows may stay behind for the sweep, and what is wrong with one spoils all: open each
 * alone.
 */
enum { STORE_OPEN_MANY = 20 };
MOG_MUSTCHECK enum mog_err store_file_open_many(struct store *st, const struct store_file_open *all, size_t n,
                                                uint64_t *fids);
/* Whether that can be had from the database that is connected. */
bool store_can_open_many(const struct store *st);

/* What create_close needs to know before it asks the storage node. Zero before use. */
struct store_upload {
    bool is_open;               /* the tempfile row exists; else `temp` is zero */
    struct store_tempfile temp; /* the row of the fid */
    bool has_old;               /* (dmid, key) has a file */
    struct store_file old;      /* that file, whose fid may be the upload's own */
    bool old_on_device;         /* file_on has (old.fid, devid) */
    struct store_checksum old_checksum;
};
void store_upload_free(struct store_upload *u);

/* MOG_OK also when nothing is found. Plain reads, locks nothing. 1 RT. */
MOG_MUSTCHECK enum mog_err store_upload_read(struct store *st, uint64_t fid, uint32_t devid, uint32_t dmid,
                                             struct span key, struct store_upload *out);

struct store_file_close {
    uint64_t fid;
    uint32_t devid, dmid, classid; /* classid: the tempfile's */
    struct span key;
    uint64_t length;
    const struct store_checksum *checksum; /* to be stored; NULL: none */
    uint64_t old_fid; /* what store_upload_read() saw for the key (a hint that saves RTs); 0: none */
};

/*
 * Finish an upload, all in one transaction: tempfile row away, an old file of the key removed and queued for deletion,
 * location, checksum, file row with devcount 1, row in file_to_replicate (due at once).
 * `replaced` (may be NULL): the fid of the old file, 0 when there was none.
 * MOG_ENOTFOUND: no tempfile row: another close was faster, or it was swept; nothing changed (read the upload again).
 * MOG_EEXISTS: a file row with this fid exists; nothing changed.
 * MOG_EDEAD: the device is dead by now, where the only copy would be forgotten again; nothing changed.
 * 6 RT for a new key, 9 for an overwritten one, 1 more with a checksum.
 */
MOG_MUSTCHECK enum mog_err store_file_close(struct store *st, const struct store_file_close *c, uint64_t *replaced);

/*
 * Give an upload up: tempfile row away, location recorded, fid queued for deletion, in one transaction.
 * MOG_ENOTFOUND: no tempfile row; nothing changed. 5 RT.
 */
MOG_MUSTCHECK enum mog_err store_file_discard(struct store *st, uint64_t fid, uint32_t devid);

MOG_MUSTCHECK enum mog_err store_tempfile_get(struct store *st, uint64_t fid, struct store_tempfile *out);
/* MOG_OK also when there is none. 1 RT. */
MOG_MUSTCHECK enum mog_err store_tempfile_delete(struct store *st, uint64_t fid);

/*
 * Clean up to 50 uploads that are older than `age_s`: rows of finished ones go; of the others, every offered device
 * becomes a location and the fid is queued for deletion. Takes and releases the lock mgfs:tempfiles (no wait).
 * `queued`: how many uploads were queued for deletion. MOG_ELOCKED: somebody else is at it. 3 RT when there is nothing.
 */
MOG_MUSTCHECK enum mog_err store_tempfile_sweep(struct store *st, int64_t age_s, size_t *queued);

/* ---- changing a file ---- */

/*
 * Remove the key and queue its fid for deletion, in one transaction. `fid` (may be NULL): the file's.
 * MOG_ENOTFOUND. 5 RT (1 when not found).
 */
MOG_MUSTCHECK enum mog_err store_file_delete(struct store *st, uint32_t dmid, struct span key, uint64_t *fid);
/* The same by fid; also queues when there is no file row. 4 RT. */
MOG_MUSTCHECK enum mog_err store_file_delete_fid(struct store *st, uint64_t fid);
/* MOG_ENOTFOUND: no `from`; MOG_EEXISTS: `to` is another file's. from == to is MOG_OK if it exists. 1 RT. */
MOG_MUSTCHECK enum mog_err store_file_rename(struct store *st, uint32_t dmid, struct span from, struct span to);
/* Change the class and queue for replication, in one transaction. MOG_ENOTFOUND. 4 RT. */
MOG_MUSTCHECK enum mog_err store_file_set_class(struct store *st, uint64_t fid, uint32_t classid);
/* Set devcount to the number of locations. MOG_OK also without a file row. 1 RT. */
MOG_MUSTCHECK enum mog_err store_file_recount(struct store *st, uint64_t fid);

/* ---- lists ---- */

struct store_list_keys {
    uint32_t dmid;
    struct span prefix, after; /* may be empty; `after` itself is not listed */
    unsigned limit;            /* 1 to 1000 */
    bool case_sensitive;       /* the setting case_sensitive_list_keys; has no meaning where keys are bytes */
};

/* Keys in the database's order. 0 keys is MOG_OK. 1 RT. */
MOG_MUSTCHECK enum mog_err store_file_list_keys(struct store *st, const struct store_list_keys *l,
                                                struct store_keys *out);
/* Up to `limit` files with fid > from, by fid. 1 RT. */
MOG_MUSTCHECK enum mog_err store_file_list_fids(struct store *st, uint64_t from, unsigned limit,
                                                struct store_files *out);
/* Fids with low < fid <= high, ascending, at most `limit`. 1 RT. */
MOG_MUSTCHECK enum mog_err store_file_fids_between(struct store *st, uint64_t low, uint64_t high, unsigned limit,
                                                   struct store_fids *out);
/* Of these fids (at most 1000), those that have a file row, with it; by fid. 1 RT per 100. */
MOG_MUSTCHECK enum mog_err store_file_get_many(struct store *st, const uint64_t *fids, size_t n,
                                               struct store_files *out);
/* 0 when there is no file. 1 RT. */
MOG_MUSTCHECK enum mog_err store_file_max_fid(struct store *st, uint64_t *fid);
/* The highest fid that anything in file, file_on or file_to_delete2 has; 0: none. 1 RT. */
MOG_MUSTCHECK enum mog_err store_file_max_known_fid(struct store *st, uint64_t *fid);

/* ---- all rows of one fid, for file_debug ---- */

struct store_debug {
    bool has_file, has_temp, has_replicate, has_delete, has_fsck, has_rebalance;
    struct store_file file;
    struct store_tempfile temp;
    struct store_queue_row replicate, delete, fsck, rebalance;
    struct store_devids devids;
    struct store_checksum checksum;
};
void store_debug_free(struct store_debug *d);

/* MOG_OK also for an unknown fid. 8 RT. */
MOG_MUSTCHECK enum mog_err store_debug_read(struct store *st, uint64_t fid, struct store_debug *out);

/* ---- locations (file_on) ---- */

/*
 * Record a location. `recount`: also bring devcount up to date, in the same transaction (false with skip_devcount).
 * `added` (may be NULL): false when it was there. 1 RT, 4 with recount.
 */
MOG_MUSTCHECK enum mog_err store_devfid_add(struct store *st, uint64_t fid, uint32_t devid, bool recount, bool *added);

/* What a file's policy was judged by. */
struct store_judged {
    uint32_t classid;
    size_t n_on; /* locations, those on dead and unknown devices included */
};
/*
 * Nothing more is to be copied: the fid leaves the replication queue, and the handle its lock. Not so when class or
 * locations have changed since they were read: who changed them found the row there, and relies on it. Then it is due
 * again in a second. 1 RT on MySQL, else 3 to 5; one more when it stays.
 */
MOG_MUSTCHECK enum mog_err store_replicate_done(struct store *st, uint64_t fid, const struct store_judged *judged);

struct store_replica {
    uint64_t fid;
    uint32_t devid;
    bool recount;
    const struct store_checksum *checksum; /* to be stored too; NULL: none */
    const struct store_judged *last;       /* also do what store_replicate_done() does; NULL: more is to be copied */
};
/*
 * A finished copy: location, devcount and checksum in one transaction. MOG_EDEAD: the device is dead by now, where
 * the reaper would forget the copy again; the fid stays in the queue. 1 RT on MySQL, else 3 to 7.
 */
MOG_MUSTCHECK enum mog_err store_devfid_add_replica(struct store *st, const struct store_replica *r);

/* Forget a location; MOG_OK also when it was not there (`removed`, may be NULL, tells). 1 RT, 4 with recount. */
MOG_MUSTCHECK enum mog_err store_devfid_remove(struct store *st, uint64_t fid, uint32_t devid, bool recount,
                                               bool *removed);
/* Forget several locations of one fid. 1 RT per 100. */
MOG_MUSTCHECK enum mog_err store_devfid_remove_many(struct store *st, uint64_t fid, const uint32_t *devids, size_t n);
/* Ascending. 1 RT. */
MOG_MUSTCHECK enum mog_err store_devfid_list(struct store *st, uint64_t fid, struct store_devids *out);
/* Locations of several fids, by fid and devid. 1 RT per 100 fids. */
MOG_MUSTCHECK enum mog_err store_devfid_list_many(struct store *st, const uint64_t *fids, size_t n,
                                                  struct store_devfids *out);
/* Up to `limit` fids that have a copy on the device, in no order. 1 RT. */
MOG_MUSTCHECK enum mog_err store_devfid_on_device(struct store *st, uint32_t devid, unsigned limit,
                                                  struct store_fids *out);
/*
 * The next fids of a device in order: ascending and fid > from, or with `newest_first` descending and fid < from.
 * from == 0: from the beginning. 1 RT.
 */
MOG_MUSTCHECK enum mog_err store_devfid_chunk(struct store *st, uint32_t devid, bool newest_first, uint64_t from,
                                              unsigned limit, struct store_fids *out);
/*
 * For the reaper: queue the fids for replication in `delay_s` and then forget their copies on the device, in one
 * transaction per 100 fids. MOG_EINVAL: the device is not dead any more; nothing of this block was changed. 5 RT each.
 */
MOG_MUSTCHECK enum mog_err store_devfid_reap(struct store *st, uint32_t devid, const uint64_t *fids, size_t n,
                                             int64_t delay_s);

/* ---- checksums ---- */

/* MOG_ENOTFOUND. 1 RT. */
MOG_MUSTCHECK enum mog_err store_checksum_get(struct store *st, uint64_t fid, struct store_checksum *out);
/* Insert or replace. 1 RT. */
MOG_MUSTCHECK enum mog_err store_checksum_set(struct store *st, uint64_t fid, const struct store_checksum *c);
/* MOG_ENOTFOUND when there was none. 1 RT. */
MOG_MUSTCHECK enum mog_err store_checksum_delete(struct store *st, uint64_t fid);

#endif
