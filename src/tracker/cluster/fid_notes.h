/* SPDX-License-Identifier: MIT */
/* Why files are not yet replicated: the latest reason of each, kept by this tracker for whoever asks. Any thread. */
#ifndef MOG_TRACKER_CLUSTER_FID_NOTES_H
#define MOG_TRACKER_CLUSTER_FID_NOTES_H

#include <stdint.h>

struct fid_notes;

struct fid_notes *fid_notes_new(void);
void fid_notes_free(struct fid_notes *notes);

/* Remember `text` (copied) for `fid`, in place of an older one. The oldest notes go when there are too many. */
void fid_notes_set(struct fid_notes *notes, uint64_t fid, const char *text);
void fid_notes_clear(struct fid_notes *notes, uint64_t fid);
/* A copy, which the caller frees; NULL: none, also when `notes` is NULL. */
char *fid_notes_get(struct fid_notes *notes, uint64_t fid);

#endif
