/* SPDX-License-Identifier: MIT */
/* The process's log: levels, sinks, and a hook for clients that watch. One line per event. */
#ifndef MOG_COMMON_LOG_H
#define MOG_COMMON_LOG_H

#include "common/err.h"

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_sink {
    LOG_SINK_STDERR, /* the default before log_open: "ident: text" */
    LOG_SINK_STDOUT, /* "[ctime] text", as the original in the foreground */
    LOG_SINK_SYSLOG, /* facility daemon, with pid */
    LOG_SINK_FILE,
};

/*
 * Choose the sink. `ident` must live as long as the process. `path` is for LOG_SINK_FILE only (opened
 * for appending; opened again by log_reopen). MOG_EIO: cannot open (detail in `f`); the old sink stays.
 */
MOG_MUSTCHECK enum mog_err log_open(const char *ident, enum log_sink sink, const char *path, struct mog_fail *f);
void log_reopen(void);

/* Messages above `level` are dropped (default: info). debug_level 2 and more turns on per-item detail. */
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* The name put before each message of the calling thread ("replicate"); NULL for none. Copied. */
void log_set_context(const char *context);

/*
 * Called for every message that is written, on the thread that logs; must not log itself.
 * `text` has no line end. One hook per process; NULL removes it.
 */
typedef void (*log_hook_fn)(void *arg, enum log_level level, const char *context, const char *text);
void log_set_hook(log_hook_fn fn, void *arg);
/* A second one, for whoever keeps the latest messages; the same rules. */
void log_set_keeper(log_hook_fn fn, void *arg);

/* Any thread. No line end in the text. */
void log_msg(enum log_level level, const char *fmt, ...) MOG_PRINTF(2, 3);
#define log_err(...)  log_msg(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...) log_msg(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                                                 \
    do {                                                                                                               \
        if (log_is_on(LOG_LEVEL_DEBUG))                                                                                \
            log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__);                                                                     \
    } while (0)

#endif
