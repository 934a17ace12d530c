/* SPDX-License-Identifier: MIT */
/* Pieces of JSON that all documents are made of. Running out of memory ends the process, as everywhere. */
#ifndef MOG_REPORT_REPORT_JSON_H
#define MOG_REPORT_REPORT_JSON_H

#include "common/kv.h"
#include "common/span.h"

#include <jansson.h>
#include <stdint.h>

/* Set obj[name] to the bytes; when they are no UTF-8, to their readable part, and obj[name + "_hex"] to all of them. */
void report_json_bytes(json_t *obj, const char *name, struct span bytes);
void report_json_str(json_t *obj, const char *name, const char *value); /* NULL: null */
/* `name` must be plain ASCII in the next two. */
void report_json_set(json_t *obj, const char *name, json_t *value /* takes */);
void report_json_u64(json_t *obj, const char *name, uint64_t value);

/* An object of the pairs; values that are numbers become numbers. */
json_t *report_json_pairs(const struct kv *pairs);

#endif
