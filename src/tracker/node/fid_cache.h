/* SPDX-License-Identifier: MIT */
/* The optional shared cache in memcached: key to fid, fid to devices. A miss and a dead server look the same. */
#ifndef MOG_TRACKER_NODE_FID_CACHE_H
#define MOG_TRACKER_NODE_FID_CACHE_H

#include "common/span.h"
#include "tracker/cluster/cluster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fid_cache; /* one per thread */

struct fid_cache *fid_cache_new(void);
void fid_cache_free(struct fid_cache *fc);

/*
 * Follow the settings memcache_servers and memcache_ttl of `c`; looks at them at most every 30 s. Without servers all
 * calls below do nothing. A server that does not answer is left alone for 30 s.
 */
void fid_cache_configure(struct fid_cache *fc, const struct cluster *c);
bool fid_cache_is_on(const struct fid_cache *fc);

bool fid_cache_get_fid(struct fid_cache *fc, uint32_t dmid, struct span key, uint64_t *fid);
/* The caller frees `*devids`; false when absent or empty. */
bool fid_cache_get_devids(struct fid_cache *fc, uint64_t fid, uint32_t **devids, size_t *n);
void fid_cache_set(struct fid_cache *fc, uint32_t dmid, struct span key, uint64_t fid, const uint32_t *devids,
                   size_t n);
void fid_cache_forget_key(struct fid_cache *fc, uint32_t dmid, struct span key);
/* Ours and the original's entry of the fid's devices. */
void fid_cache_forget_devids(struct fid_cache *fc, uint64_t fid);

#endif
