/* SPDX-License-Identifier: MIT */
/* The same work on many names, by several threads, with progress and a list of what failed. */
#include "tools/bulk.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tools/out.h"

enum { JOBS_MAX = 64, JOBS_DEFAULT = 4, WAITING_MAX = 1000, PROGRESS_MS = 500 };

struct item {
    struct item *next;
    char *name;
    size_t len;
};

struct bulk {
    struct bulk_opts opts;
    struct tool *tool;
    char *trackers;
    pthread_t threads[JOBS_MAX];
    unsigned n_threads;
    FILE *failed_list;

    /* Under `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t room, work;
    struct item *first, **last;
    size_t n_waiting;
    bool ended;
    uint64_t n_added, n_done, n_skipped, n_failed, bytes;
    int64_t begun_ms, shown_ms;
};

/* ---- telling; under the lock ---- */

static void show_progress(struct bulk *b, bool at_end)
{
    int64_t now = clock_mono_ms();
    if (!b->opts.progress || (!at_end && now - b->shown_ms < PROGRESS_MS))
        return;
    b->shown_ms = now;
    char size[OUT_SIZE_MAX], rate[OUT_SIZE_MAX];
    double seconds = (double)(now - b->begun_ms) / 1000;
    out_size(size, b->bytes);
    out_size(rate, seconds > 0 ? (uint64_t)((double)b->bytes / seconds) : 0);
    fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " files %s, %s, %s/s, %" PRIu64 " failed   ", b->n_done + b->n_skipped,
            b->n_added, b->opts.verb, size, rate, b->n_failed);
    if (at_end)
        fputc('\n', stderr);
}

static void tell_failure(struct bulk *b, struct span item, const char *why)
{
    b->n_failed++;
    if (b->opts.progress)
        fputc('\n', stderr);
    fprintf(stderr, "%.*s: %s\n", (int)item.len, item.ptr, why);
    if (b->failed_list) {
        fwrite(item.ptr, 1, item.len, b->failed_list);
        fputc(b->opts.failed_sep, b->failed_list);
        fflush(b->failed_list);
    }
}

/* ---- threads ---- */

static struct item *take(struct bulk *b)
{
    pthread_mutex_lock(&b->lock);
    while (!b->first && !b->ended)
        pthread_cond_wait(&b->work, &b->lock);
    struct item *i = b->first;
    if (i) {
        b->first = i->next;
        if (!b->first)
            b->last = &b->first;
        b->n_waiting--;
        pthread_cond_signal(&b->room);
    }
    pthread_mutex_unlock(&b->lock);
    return i;
}

static void *bulk_thread(void *arg)
{
    struct bulk *b = arg;
    struct mog_fail f;
    struct bulk_worker w = {
        .client = client_new(b->trackers, &b->tool->client_opts, &f), .http = tool_http_new(), .bulk = b};
    struct item *i;
    while ((i = take(b)) != NULL) {
        uint64_t bytes = 0;
        struct span name = span_make(i->name, i->len);
        f = (struct mog_fail){.code = MOG_OK};
        enum bulk_outcome outcome = w.client ? b->opts.fn(b->opts.arg, &w, name, &bytes, &f) : BULK_FAILED;
        pthread_mutex_lock(&b->lock);
        b->bytes += bytes;
        b->n_done += outcome == BULK_DONE;
        b->n_skipped += outcome == BULK_SKIPPED;
        if (outcome == BULK_FAILED)
            tell_failure(b, name, f.text[0] ? f.text : err_text(f.code));
        show_progress(b, false);
        pthread_mutex_unlock(&b->lock);
        free(i->name);
        free(i);
    }
    http_client_free(w.http);
    client_free(w.client);
    return NULL;
}

struct bulk *bulk_new(struct tool *t, const struct bulk_opts *opts)
{
    struct bulk *b = mem_calloc(1, sizeof *b);
    b->opts = *opts;
    b->tool = t;
    b->trackers = mem_strdup(toolopt_text(&t->opt, "trackers"));
    b->last = &b->first;
    b->begun_ms = b->shown_ms = clock_mono_ms();
    if (opts->failed_path) {
        b->failed_list = fopen(opts->failed_path, "we");
        if (!b->failed_list) {
            fprintf(stderr, "cannot write to %s: %s\n", opts->failed_path, strerror(errno));
            free(b->trackers);
            free(b);
            return NULL;
        }
    }
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->room, NULL);
    pthread_cond_init(&b->work, NULL);
    while (b->n_threads < opts->jobs && pthread_create(&b->threads[b->n_threads], NULL, bulk_thread, b) == 0)
        b->n_threads++;
    return b;
}

bool bulk_add(void *bulk, struct span item)
{
    struct bulk *b = bulk;
    struct item *i = mem_calloc(1, sizeof *i);
    *i = (struct item){NULL, span_dup(item), item.len};
    pthread_mutex_lock(&b->lock);
    /* Without any thread, all wait for bulk_finish. */
    while (b->n_threads > 0 && b->n_waiting >= WAITING_MAX)
        pthread_cond_wait(&b->room, &b->lock);
    *b->last = i;
    b->last = &i->next;
    b->n_waiting++;
    b->n_added++;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
    return true;
}

void bulk_note_failure(struct bulk *b, struct span item, const char *why)
{
    pthread_mutex_lock(&b->lock);
    b->n_added++;
    tell_failure(b, item, why);
    pthread_mutex_unlock(&b->lock);
}

int bulk_finish(struct bulk *b)
{
    pthread_mutex_lock(&b->lock);
    b->ended = true;
    pthread_cond_broadcast(&b->work);
    pthread_mutex_unlock(&b->lock);
    if (b->n_threads == 0)
        bulk_thread(b); /* no thread could be had */
    for (unsigned i = 0; i < b->n_threads; i++)
        pthread_join(b->threads[i], NULL);
    show_progress(b, true);
    char size[OUT_SIZE_MAX];
    out_size(size, b->bytes);
    fprintf(stderr, "%" PRIu64 " files %s (%s), %" PRIu64 " skipped, %" PRIu64 " failed\n", b->n_done, b->opts.verb,
            size, b->n_skipped, b->n_failed);
    int status = b->n_failed ? 1 : 0;
    if (b->failed_list && fclose(b->failed_list) != 0) {
        fprintf(stderr, "cannot write to %s: %s\n", b->opts.failed_path, strerror(errno));
        status = 1;
    }
    pthread_cond_destroy(&b->room);
    pthread_cond_destroy(&b->work);
    pthread_mutex_destroy(&b->lock);
    free(b->trackers);
    free(b);
    return status;
}

bool bulk_read_options(struct tool *t, struct bulk_opts *opts)
{
    struct mog_fail f = {.code = MOG_OK};
    int64_t jobs;
    if (toolopt_int(&t->opt, "jobs", 1, JOBS_MAX, JOBS_DEFAULT, &jobs, &f) != MOG_OK) {
        fprintf(stderr, "%s\n", f.text);
        return false;
    }
    opts->jobs = (unsigned)jobs;
    opts->failed_path = toolopt_text(&t->opt, "failed");
    opts->failed_sep = toolopt_flag(&t->opt, "null") ? '\0' : '\n';
    opts->progress = toolopt_str(&t->opt, "progress") ? toolopt_flag(&t->opt, "progress") : isatty(STDERR_FILENO) == 1;
    return true;
}
