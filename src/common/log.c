/* SPDX-License-Identifier: MIT */
/* The log's sinks. The only mutable state of the process that does not hang from a struct. */
#include "common/log.h"

#include "common/buf.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/*
 * Invariants: 1. all but `level` is read and written under `lock`. 2. `fd` is open while sink is LOG_SINK_FILE.
 */
static struct {
    pthread_mutex_t lock;
    const char *ident;
    enum log_sink sink;
    char *path;
    int fd;
    _Atomic int level;
    log_hook_fn hook, keeper;
    void *hook_arg, *keeper_arg;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .sink = LOG_SINK_STDERR, .fd = -1, .level = LOG_LEVEL_INFO};

static __thread char context_name[64];

static enum mog_err open_file(const char *path, int *fd, struct mog_fail *f)
{
    *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (*fd < 0)
        return fail_sys(f, MOG_EIO, errno, "cannot open log file %s", path);
    return MOG_OK;
}

enum mog_err log_open(const char *ident, enum log_sink sink, const char *path, struct mog_fail *f)
{
    int fd = -1;
    if (sink == LOG_SINK_FILE) {
        enum mog_err e = open_file(path, &fd, f);
        if (e != MOG_OK)
            return e;
    }
    pthread_mutex_lock(&state.lock);
    if (state.fd >= 0)
        (void)close(state.fd);
    free(state.path);
    state.ident = ident;
    state.sink = sink;
    state.fd = fd;
    state.path = path != NULL ? mem_strdup(path) : NULL;
    if (sink == LOG_SINK_SYSLOG)
        openlog(ident, LOG_PID, LOG_DAEMON);
    pthread_mutex_unlock(&state.lock);
    return MOG_OK;
}

void log_reopen(void)
{
    pthread_mutex_lock(&state.lock);
    int fd = -1;
    if (state.sink == LOG_SINK_FILE && open_file(state.path, &fd, NULL) == MOG_OK) {
        (void)close(state.fd);
        state.fd = fd;
    }
    pthread_mutex_unlock(&state.lock);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&state.level, (int)level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&state.level, memory_order_relaxed);
}

void log_set_context(const char *context)
{
    (void)snprintf(context_name, sizeof(context_name), "%s", context != NULL ? context : "");
}

void log_set_hook(log_hook_fn fn, void *arg)
{
    pthread_mutex_lock(&state.lock);
    state.hook = fn;
    state.hook_arg = arg;
    pthread_mutex_unlock(&state.lock);
}

void log_set_keeper(log_hook_fn fn, void *arg)
{
    pthread_mutex_lock(&state.lock);
    state.keeper = fn;
    state.keeper_arg = arg;
    pthread_mutex_unlock(&state.lock);
}

static void add_time(struct buf *line)
{
    time_t now = time(NULL);
    struct tm tm;
    char text[64];
    if (localtime_r(&now, &tm) != NULL && strftime(text, sizeof(text), "[%a %b %e %H:%M:%S %Y] ", &tm) != 0)
        buf_str(line, text);
}

static void write_line(int fd, struct buf *line)
{
    buf_char(line, '\n');
    /* One write a line, so that lines of several threads and processes do not mix. A full or gone log is no reason to
     * stop. */
    (void)!write(fd, line->data, line->len);
}

static void emit(enum log_level level, const char *text)
{
    static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
    if (state.sink == LOG_SINK_SYSLOG) {
        if (context_name[0] != '\0')
            syslog(priorities[level], "[%s] %s", context_name, text);
        else
            syslog(priorities[level], "%s", text);
        return;
    }
    struct buf line = BUF_ZERO;
    if (state.sink == LOG_SINK_STDERR)
        buf_printf(&line, "%s: ", state.ident != NULL ? state.ident : "mogilefs");
    else
        add_time(&line);
    if (context_name[0] != '\0')
        buf_printf(&line, "[%s] ", context_name);
    buf_str(&line, text);
    switch (state.sink) {
    case LOG_SINK_STDERR:
        write_line(STDERR_FILENO, &line);
        break;
    case LOG_SINK_STDOUT:
        write_line(STDOUT_FILENO, &line);
        break;
    case LOG_SINK_FILE:
        write_line(state.fd, &line);
        break;
    case LOG_SINK_SYSLOG:
        break;
    }
    buf_fini(&line);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    if (!log_is_on(level))
        return;
    struct buf text = BUF_ZERO;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    /* Texts from outside may hold line ends: one event stays one line. */
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < ' ')
            text.data[i] = ' ';
    }
    pthread_mutex_lock(&state.lock);
    emit(level, buf_cstr(&text));
    if (state.hook != NULL)
        state.hook(state.hook_arg, level, context_name, buf_cstr(&text));
    if (state.keeper != NULL)
        state.keeper(state.keeper_arg, level, context_name, buf_cstr(&text));
    pthread_mutex_unlock(&state.lock);
    buf_fini(&text);
}
