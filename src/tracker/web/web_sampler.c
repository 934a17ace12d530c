/* SPDX-License-Identifier: MIT */
/* What would cost queries to know: looked up every ten seconds by a thread of its own, and kept for an hour. */
#include "tracker/web/web_sampler.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/store_fsck.h"
#include "tracker/job/jobs.h"
#include "tracker/net/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A look at long queues takes its time: it may use this share of it, and no more. */
enum { SHARE = 20, SHORT_WAIT_MS = 200 };

/* Invariant: `sample`, `taken_mono_ms`, `points` and `stopping` are under `lock`; the rest is the thread's own. */
struct web_sampler {
    struct web_parts parts;
    pthread_t thread;
    struct store *st;
    struct web_seen seen[WEB_QUEUES];

    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    struct web_sample sample;
    int64_t taken_mono_ms;
    struct report_point points[WEB_HISTORY]; /* a ring */
    size_t next, n;
};

/* Since when `fid` was waiting without a break. */
static int64_t first_seen(const struct web_seen *seen, uint64_t fid, int64_t now)
{
    int64_t since = now;
    for (size_t i = 1; i <= seen->n; i++) {
        size_t at = (seen->next + WEB_SEEN - i) % WEB_SEEN;
        if (fid < seen->at[at].first || fid > seen->at[at].last)
            break;
        since = seen->at[at].unix_s;
    }
    return since;
}

int64_t web_seen_add(struct web_seen *seen, const struct store_queue_sample *q)
{
    int64_t now = q->now_unix_s, oldest = 0;
    if (q->first_new_fid == 0) {
        seen->fid = 0;
    } else {
        if (q->first_new_fid != seen->fid)
            seen->since_s = first_seen(seen, q->first_new_fid, now);
        seen->fid = q->first_new_fid;
        oldest = now - seen->since_s;
    }
    seen->at[seen->next].unix_s = now;
    seen->at[seen->next].first = q->first_new_fid != 0 ? q->first_new_fid : UINT64_MAX;
    seen->at[seen->next].last = q->last_new_fid;
    seen->next = (seen->next + 1) % WEB_SEEN;
    seen->n += seen->n < WEB_SEEN;
    if (q->earliest_unix_s != 0 && now - q->earliest_unix_s > oldest)
        oldest = now - q->earliest_unix_s;
    return oldest;
}

static bool look(struct web_sampler *s, struct web_sample *out)
{
    enum mog_err e = store_validate(s->st);
    for (size_t i = 0; e == MOG_OK && i < WEB_QUEUES; i++) {
        struct store_queue_sample q;
        e = store_queue_sample(s->st, (enum store_queue)i, &q);
        if (e == MOG_OK)
            out->queues[i] = (struct report_queue){
                .length = q.length, .due = q.due, .parked = q.parked, .oldest_s = web_seen_add(&s->seen[i], &q)};
    }
    if (e == MOG_OK)
        e = store_fsck_max_logid(s->st, &out->max_logid);
    if (e != MOG_OK && e != MOG_EDBDOWN)
        log_warn("the lengths of the queues were not read, trying again: %s", store_failure(s->st)->text);
    return e == MOG_OK;
}

static void take_point(struct web_sampler *s, const struct web_sample *sample)
{
    struct server_numbers server;
    struct report_point *p = &s->points[s->next];
    server_numbers(s->parts.server, &server);
    *p = (struct report_point){.unix_s = clock_wall_s(),
                               .has_queues = sample->has_queues,
                               .requests = server.queries,
                               .copied_bytes = jobs_copied_bytes(s->parts.jobs)};
    for (size_t i = 0; i < WEB_QUEUES; i++) {
        p->lengths[i] = sample->queues[i].length;
        p->finished[i] = jobs_finished(s->parts.jobs, (enum store_queue)i);
    }
    s->next = (s->next + 1) % WEB_HISTORY;
    s->n += s->n < WEB_HISTORY;
}

/* Under the lock; false: stop. */
static bool wait_ms(struct web_sampler *s, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!s->stopping && pthread_cond_timedwait(&s->wake, &s->lock, &until) == 0)
        continue;
    return !s->stopping;
}

static void *run(void *arg)
{
    struct web_sampler *s = arg;
    log_set_context("sampler");
    pthread_setname_np(pthread_self(), "sampler");
    pthread_mutex_lock(&s->lock);
    while (!cluster_box_is_ready(s->parts.cmd->box)) {
        if (!wait_ms(s, SHORT_WAIT_MS))
            break;
    }
    while (!s->stopping) {
        struct web_sample sample = {0};
        pthread_mutex_unlock(&s->lock);
        int64_t started = clock_mono_ms();
        sample.has_queues = look(s, &sample);
        int64_t took = clock_mono_ms() - started;
        pthread_mutex_lock(&s->lock);
        if (sample.has_queues) {
            s->sample = sample;
            s->taken_mono_ms = clock_mono_ms();
        }
        take_point(s, &sample);
        int64_t pause = WEB_SAMPLE_EVERY_S * 1000 - took;
        (void)wait_ms(s, pause > took * SHARE ? pause : took * SHARE);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void sampler_free(struct web_sampler *s)
{
    store_free(s->st);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct web_sampler *web_sampler_start(const struct web_parts *parts)
{
    struct web_sampler *s = mem_calloc(1, sizeof(*s));
    sigset_t all, old;
    s->parts = *parts;
    s->st = store_new(parts->cmd->env, STORE_BACKGROUND);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        return s;
    sampler_free(s);
    return NULL;
}

void web_sampler_stop(struct web_sampler *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    sampler_free(s);
}

void web_sampler_get(struct web_sampler *s, struct web_sample *out)
{
    pthread_mutex_lock(&s->lock);
    *out = s->sample;
    out->age_ms = clock_mono_ms() - s->taken_mono_ms;
    pthread_mutex_unlock(&s->lock);
}

size_t web_sampler_history(struct web_sampler *s, int64_t after_unix_s, struct report_point *out)
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n; i++) {
        const struct report_point *p = &s->points[(s->next + WEB_HISTORY - s->n + i) % WEB_HISTORY];
        if (p->unix_s > after_unix_s)
            out[n++] = *p;
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}
