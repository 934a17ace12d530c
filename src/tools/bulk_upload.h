/* SPDX-License-Identifier: MIT */
/* Storing a whole folder. */
#ifndef MOG_TOOLS_BULK_UPLOAD_H
#define MOG_TOOLS_BULK_UPLOAD_H

#include "tools/tool.h"
#include "tools/upload.h"

/*
 * Store all regular files below the folder `root`, each under `prefix` + its path below the folder, or only those named
 * in --files-from. `opts` has what all have in common. Returns the exit status.
 */
int bulk_upload(struct tool *t, const char *root, const char *prefix, const struct upload_opts *opts);

#endif
