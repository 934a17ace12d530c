/* SPDX-License-Identifier: MIT */
/* Answers as they come in: a tracker's line, or what a storage node says by HTTP. */
#ifndef MOG_TOOLS_BENCH_REPLY_H
#define MOG_TOOLS_BENCH_REPLY_H

#include "common/buf.h"
#include "common/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reply_kind { REPLY_LINE, REPLY_HTTP };

struct reply_parser {
    enum reply_kind kind;
    struct buf held;  /* what is not complete yet */
    struct span line; /* of the complete line */
    int status;       /* HTTP: 0 until the head is complete */
    bool has_length;  /* HTTP: it is known how long the body is */
    bool closes;      /* HTTP: the connection is of no use afterwards */
    uint64_t length, body_bytes;
};

enum reply_state { REPLY_MORE, REPLY_COMPLETE, REPLY_BROKEN };

/* Expect an answer. The parser is zero before the first use; reply_fini frees it. */
void reply_begin(struct reply_parser *p, enum reply_kind kind);
void reply_fini(struct reply_parser *p);

/* Add what came. `p->line` lies in `data` or in the parser. Bytes behind the answer are REPLY_BROKEN. */
enum reply_state reply_add(struct reply_parser *p, const char *data, size_t len);

/* The connection has ended: REPLY_COMPLETE for a body that ends with it, else REPLY_BROKEN. */
enum reply_state reply_at_end(const struct reply_parser *p);

/* Whether any byte of it has come. */
bool reply_has_begun(const struct reply_parser *p);

#endif
