/* SPDX-License-Identifier: MIT */
/* Every row that a fid has. */
#include "store/store_file.h"

#include "store/store_queue.h"
#include "store/store_run.h"

void store_debug_free(struct store_debug *d)
{
    store_file_fini(&d->file);
    store_tempfile_fini(&d->temp);
    store_queue_row_fini(&d->replicate);
    store_queue_row_fini(&d->delete);
    store_queue_row_fini(&d->fsck);
    store_queue_row_fini(&d->rebalance);
    store_devids_free(&d->devids);
    *d = (struct store_debug){0};
}

/* `has`: the row is there. Its absence is no error. */
static enum mog_err optional(enum mog_err e, bool *has)
{
    *has = e == MOG_OK;
    return e == MOG_ENOTFOUND ? MOG_OK : e;
}

static enum mog_err read_queues(struct store *st, uint64_t fid, struct store_debug *out)
{
    enum mog_err e = optional(store_queue_find(st, STORE_QUEUE_REPLICATE, fid, &out->replicate), &out->has_replicate);
    if (e == MOG_OK)
        e = optional(store_queue_find(st, STORE_QUEUE_DELETE, fid, &out->delete), &out->has_delete);
    if (e == MOG_OK)
        e = optional(store_queue_find(st, STORE_QUEUE_FSCK, fid, &out->fsck), &out->has_fsck);
    if (e == MOG_OK)
        e = optional(store_queue_find(st, STORE_QUEUE_REBALANCE, fid, &out->rebalance), &out->has_rebalance);
    return e;
}

enum mog_err store_debug_read(struct store *st, uint64_t fid, struct store_debug *out)
{
    struct store_found found = {0};
    bool has_checksum;
    *out = (struct store_debug){0};
    if (fid == 0 || fid > INT64_MAX)
        return MOG_OK;
    enum mog_err e = optional(store_file_get(st, fid, 0, &found), &out->has_file);
    out->file = found.file;
    if (e == MOG_OK)
        e = optional(store_tempfile_get(st, fid, &out->temp), &out->has_temp);
    if (e == MOG_OK)
        e = read_queues(st, fid, out);
    if (e == MOG_OK)
        e = store_devfid_list(st, fid, &out->devids);
    if (e == MOG_OK)
        e = optional(store_checksum_get(st, fid, &out->checksum), &has_checksum);
    if (e != MOG_OK)
        store_debug_free(out);
    return e;
}
