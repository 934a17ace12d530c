/* SPDX-License-Identifier: MIT */
/* What stands in requests for files: domain and key in the path, a type by the key's ending, entity tags. Pure. */
#ifndef MOG_TRACKER_WEB_WEB_TARGET_H
#define MOG_TRACKER_WEB_WEB_TARGET_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * "/DOMAIN/KEY", percent-encoded; further slashes belong to the key. The decoded bytes, any of 0 to 255, are appended
 * to the two. MOG_ESYNTAX: not of that form, or '%' without two hex digits.
 */
MOG_MUSTCHECK enum mog_err web_target_parse(struct span path, struct buf *domain, struct buf *key);

/*
 * The value of `name` in a query string "a=b&c=d" ('+' is a blank there), decoded and appended to `out`.
 * MOG_ENOTFOUND, MOG_ESYNTAX.
 */
MOG_MUSTCHECK enum mog_err web_target_query(struct span query, const char *name, struct buf *out);

/* The media type by the ending of the key, in any case; application/octet-stream for all others. */
const char *web_target_type(struct span key);

enum { WEB_ETAG_SIZE = 24 };
/* A fid never gets other bytes, so it names them. */
void web_target_etag(char *out /* WEB_ETAG_SIZE */, uint64_t fid);
/* Whether an If-None-Match header names the tag. */
bool web_target_matches(const char *header, const char *etag);

#endif
