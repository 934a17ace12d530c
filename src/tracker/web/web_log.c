/* SPDX-License-Identifier: MIT */
/* The latest warnings and errors of the tracker, for the page, and how many messages there were. */
#include "tracker/web/web_log.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/metric.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `lines` is a ring under `lock`: the newest is before `next`. */
struct web_log {
    pthread_mutex_t lock;
    struct web_log_line lines[WEB_LOG_LINES];
    size_t next, n;
    metric_counter counts[WEB_LOG_LEVELS];
};

static void keep(struct web_log *l, enum log_level level, const char *context, const char *text)
{
    struct web_log_line *last = &l->lines[(l->next + WEB_LOG_LINES - 1) % WEB_LOG_LINES];
    if (l->n != 0 && last->level == level && strncmp(last->text, text, sizeof(last->text) - 1) == 0) {
        last->unix_s = clock_wall_s();
        last->times++;
        return;
    }
    struct web_log_line *line = &l->lines[l->next];
    *line = (struct web_log_line){.unix_s = clock_wall_s(), .level = level, .times = 1};
    (void)snprintf(line->context, sizeof(line->context), "%s", context);
    (void)snprintf(line->text, sizeof(line->text), "%s", text);
    l->next = (l->next + 1) % WEB_LOG_LINES;
    l->n += l->n < WEB_LOG_LINES;
}

static void on_log(void *arg, enum log_level level, const char *context, const char *text)
{
    struct web_log *l = arg;
    metric_add(&l->counts[level], 1);
    if (level > LOG_LEVEL_WARN)
        return;
    pthread_mutex_lock(&l->lock);
    keep(l, level, context, text);
    pthread_mutex_unlock(&l->lock);
}

struct web_log *web_log_new(void)
{
    struct web_log *l = mem_calloc(1, sizeof(*l));
    pthread_mutex_init(&l->lock, NULL);
    log_set_keeper(on_log, l);
    return l;
}

void web_log_free(struct web_log *l)
{
    if (l == NULL)
        return;
    log_set_keeper(NULL, NULL);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

size_t web_log_latest(struct web_log *l, struct web_log_line *out)
{
    pthread_mutex_lock(&l->lock);
    size_t n = l->n;
    for (size_t i = 0; i < n; i++)
        out[i] = l->lines[(l->next + WEB_LOG_LINES - 1 - i) % WEB_LOG_LINES];
    pthread_mutex_unlock(&l->lock);
    return n;
}

uint64_t web_log_count(struct web_log *l, enum log_level level)
{
    return metric_get(&l->counts[level]);
}
