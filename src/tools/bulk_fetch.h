/* SPDX-License-Identifier: MIT */
/* Reading all files of a prefix into a folder. */
#ifndef MOG_TOOLS_BULK_FETCH_H
#define MOG_TOOLS_BULK_FETCH_H

#include "common/span.h"
#include "tools/tool.h"

#include <stdbool.h>

/*
 * Read all keys of the domain that begin with `prefix`, or those named in --keys-from, each into the file below the
 * folder `root` that its rest behind the prefix names. Returns the exit status.
 */
int bulk_fetch(struct tool *t, const char *prefix, const char *root);

/*
 * The path below a folder for the rest of a key: without leading and doubled slashes. NULL when it cannot be one
 * (empty, ends with a slash, has "." or ".." as a part, or a NUL byte); else the caller frees it.
 */
char *bulk_fetch_path(struct span rest);

#endif
