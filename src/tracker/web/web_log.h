/* SPDX-License-Identifier: MIT */
/* The latest warnings and errors of the tracker, for the page, and how many messages there were. */
#ifndef MOG_TRACKER_WEB_WEB_LOG_H
#define MOG_TRACKER_WEB_WEB_LOG_H

#include "common/log.h"

#include <stddef.h>
#include <stdint.h>

enum { WEB_LOG_LINES = 50, WEB_LOG_TEXT_MAX = 500, WEB_LOG_LEVELS = LOG_LEVEL_DEBUG + 1 };

struct web_log;

struct web_log_line {
    int64_t unix_s;
    enum log_level level; /* LOG_LEVEL_ERR or LOG_LEVEL_WARN */
    uint64_t times;       /* how often in a row; 1 and more */
    char context[64], text[WEB_LOG_TEXT_MAX];
};

/* Keeps what is logged from now on; one per process. */
struct web_log *web_log_new(void);
void web_log_free(struct web_log *l);

/* The latest lines, newest first, into `out` (WEB_LOG_LINES of them); returns how many. Any thread. */
size_t web_log_latest(struct web_log *l, struct web_log_line *out);
/* How many messages of a level were written. Any thread. */
uint64_t web_log_count(struct web_log *l, enum log_level level);

#endif
