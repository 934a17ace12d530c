/* SPDX-License-Identifier: MIT */
/* Keys to work on: from a file with one a line, or all of a domain that begin with a prefix. */
#ifndef MOG_TOOLS_KEYSOURCE_H
#define MOG_TOOLS_KEYSOURCE_H

#include "common/opt.h"
#include "common/span.h"
#include "tools/tool.h"

#include <stdbool.h>

/* Called for each key; false counts as a failure, and the next key follows all the same. */
typedef bool (*keysource_fn)(void *arg, struct span key);

/* All keys in the file `path` ("-": standard input), each ended by `sep`. Returns the exit status: 0 when all went
 * well. */
int keysource_file(const char *path, char sep, keysource_fn fn, void *arg);

/* A keysource_fn that appends the key to the struct opt_list `list`; a key with a NUL byte is cut there. */
bool keysource_collect(void *list, struct span key);

/* All keys of the tool's domain with this prefix ("" for all). No key at all is status 0. */
int keysource_prefix(struct tool *t, const char *prefix, const char *error_prefix, keysource_fn fn, void *arg);

/* One page of list_keys. `after` is replaced by the last key. `n`: how many keys. none_match is MOG_OK with *n = 0. */
MOG_MUSTCHECK enum mog_err keysource_page(struct client *c, const char *domain, struct span prefix, unsigned limit,
                                          struct buf *after, keysource_fn fn, void *arg, size_t *n, struct mog_fail *f);

#endif
