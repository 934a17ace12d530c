/* SPDX-License-Identifier: MIT */
/* The admin console: lines that begin with '!', answered in the loop. */
#include "tracker/net/server_priv.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/num.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static const char help_text[] = "Mogilefsd admin commands:\n"
                                "\n"
                                "  !version               the server's version\n"
                                "  !stats                 uptime, requests and queues\n"
                                "  !status                the whole cluster, in JSON (needs http_listen)\n"
                                "  !jobs                  workers of each kind\n"
                                "  !want <count> <job>    change how many workers of a kind there are\n"
                                "  !to <job> <message>    tell all workers of a kind something (:shutdown)\n"
                                "  !queue                 requests that wait for a worker\n"
                                "  !recent                the latest answered requests, with their times\n"
                                "  !watch                 log messages on this connection, on and off\n"
                                "  !shutdown              end the tracker at once\n"
                                "  !slow                  the slowest requests since the start\n"
                                "\n";

typedef bool admin_fn(struct conn *c, struct span args, struct buf *out);

/* Cut one word off, and the blanks behind it. */
static struct span take_word(struct span *text)
{
    size_t len = 0;
    while (len < text->len && text->ptr[len] != ' ' && text->ptr[len] != '\t')
        len++;
    struct span word = span_make(text->ptr, len);
    while (len < text->len && (text->ptr[len] == ' ' || text->ptr[len] == '\t'))
        len++;
    *text = span_make(text->ptr + len, text->len - len);
    return word;
}

static bool admin_version(struct conn *c, struct span args, struct buf *out)
{
    (void)c;
    (void)args;
    buf_str(out, MOG_VERSION "\r\n");
    return true;
}

static bool admin_stats(struct conn *c, struct span args, struct buf *out)
{
    struct server *s = c->server;
    (void)args;
    size_t running = pool_running(s->queries), busy = pool_busy(s->queries);
    buf_printf(out, "uptime %" PRId64 "\r\n", (clock_mono_ms() - s->started_mono_ms) / 1000);
    buf_printf(out, "pending_queries %zu\r\n", query_waiting(s));
    buf_printf(out, "processing_queries %zu\r\n", query_running(s));
    buf_printf(out, "bored_queryworkers %zu\r\n", running > busy ? running - busy : 0);
    if (metric_get(&s->n_queries) != 0)
        buf_printf(out, "queries %" PRIu64 "\r\n", metric_get(&s->n_queries));
    query_costs(s, out);
    if (metric_get(&s->n_out_of_workers) != 0)
        buf_printf(out, "times_out_of_qworkers %" PRIu64 "\r\n", metric_get(&s->n_out_of_workers));
    s->ops.counters(s->ops.arg, out);
    return true;
}

static bool admin_status(struct conn *c, struct span args, struct buf *out)
{
    struct server *s = c->server;
    (void)args;
    if (s->ops.status(s->ops.arg, out))
        buf_str(out, "\r\n");
    else
        buf_str(out, "ERR no_status http_listen is not set\r\n");
    return true;
}

static void print_job(const struct server_job *job, struct buf *out)
{
    buf_printf(out, "%s count %zu\r\n%s desired %zu\r\n%s pids ", job->name, job->count, job->name, job->desired,
               job->name);
    for (size_t i = 0; i < job->n_numbers; i++)
        buf_printf(out, "%s%" PRIu32, i != 0 ? " " : "", job->numbers[i]);
    buf_str(out, "\r\n");
}

static void query_job(struct server *s, struct server_job *job)
{
    *job = (struct server_job){.name = "queryworker", .count = pool_running(s->queries), .desired = s->queries_wanted};
    job->was_started = s->ops.is_ready(s->ops.arg);
    job->n_numbers = pool_numbers(s->queries, job->numbers, SERVER_MAX_WANT);
}

/* Job number `i` of all, the query threads among them in their alphabetical place. */
static bool job_at(struct server *s, size_t i, struct server_job *job)
{
    size_t other = 0;
    bool queries_done = false;
    for (size_t at = 0;; at++) {
        bool more = s->ops.job(s->ops.arg, other, job);
        if (!queries_done && (!more || strcmp(job->name, "queryworker") > 0)) {
            query_job(s, job);
            queries_done = true;
            more = true;
        } else {
            other++;
        }
        if (!more)
            return false;
        if (at == i)
            return true;
    }
}

static bool admin_jobs(struct conn *c, struct span args, struct buf *out)
{
    struct server_job *job = mem_alloc(sizeof(*job));
    (void)args;
    for (size_t i = 0; job_at(c->server, i, job); i++) {
        if (job->was_started)
            print_job(job, out);
    }
    free(job);
    return true;
}

static void bad_class(struct server *s, struct span name, struct buf *out)
{
    struct server_job *job = mem_alloc(sizeof(*job));
    buf_printf(out, "ERROR: Invalid class '%.*s'.  Valid classes: ", (int)name.len, name.ptr);
    for (size_t i = 0; job_at(s, i, job); i++)
        buf_printf(out, "%s%s", i != 0 ? ", " : "", job->name);
    buf_str(out, "\r\n");
    free(job);
}

static bool admin_want(struct conn *c, struct span args, struct buf *out)
{
    struct server *s = c->server;
    struct span count = take_word(&args), name = take_word(&args);
    uint64_t n = 0;
    enum mog_err e = num_parse_u64(count, 0, UINT64_MAX, &n);
    if (e == MOG_ERANGE)
        n = SERVER_MAX_WANT;
    if ((e != MOG_OK && e != MOG_ERANGE) || name.len == 0) {
        buf_str(out, "ERROR: usage: !want <count> <jobclass>\r\n");
        return true;
    }
    if (!s->ops.is_ready(s->ops.arg)) {
        buf_str(out, "ERROR: Monitor has not completed initial run yet\n\r\n");
        return true;
    }
    if (n > SERVER_MAX_WANT)
        n = SERVER_MAX_WANT;
    if (span_is(name, "queryworker"))
        server_want_queries(s, (size_t)n);
    else if (!s->ops.want(s->ops.arg, name, (size_t)n)) {
        bad_class(s, name, out);
        return true;
    }
    buf_printf(out, "Now desiring %" PRIu64 " children doing '%.*s'.\r\n", n, (int)name.len, name.ptr);
    return true;
}

static bool admin_to(struct conn *c, struct span args, struct buf *out)
{
    struct server *s = c->server;
    struct span name = take_word(&args);
    size_t told = 0;
    if (name.len == 0 || args.len == 0) {
        buf_str(out, "ERROR: usage: !to <jobclass> <message>\r\n");
        return true;
    }
    if (span_is(name, "queryworker"))
        told = span_is(args, ":shutdown") ? pool_recycle(s->queries) : pool_running(s->queries);
    else if (!s->ops.to(s->ops.arg, name, args, &told))
        told = 0;
    buf_printf(out, "Message sent to %zu children.\r\n", told);
    return true;
}

static bool admin_queue(struct conn *c, struct span args, struct buf *out)
{
    const struct request *r;
    (void)args;
    DL_FOREACH(c->server->requests, r)
    {
        if (!atomic_load(&r->started)) {
            struct buf shown = BUF_ZERO;
            query_shown(&shown, r->line, r->len);
            buf_printf(out, "%s %s\r\n", r->peer, buf_cstr(&shown));
            buf_fini(&shown);
        }
    }
    return true;
}

static void print_recent(const struct recent *r, struct buf *out)
{
    buf_printf(out, "%s %s %.4f %.4f\r\n", r->peer, buf_cstr(&r->line), r->total_s, r->run_s);
}

static bool admin_recent(struct conn *c, struct span args, struct buf *out)
{
    struct server *s = c->server;
    (void)args;
    pthread_mutex_lock(&s->told_lock);
    for (size_t i = 0; i < RECENT_REQUESTS; i++) {
        const struct recent *r = &s->recent[(s->next_recent + i) % RECENT_REQUESTS];
        if (r->line.len != 0)
            print_recent(r, out);
    }
    pthread_mutex_unlock(&s->told_lock);
    return true;
}

static bool admin_slow(struct conn *c, struct span args, struct buf *out)
{
    struct server *s = c->server;
    (void)args;
    pthread_mutex_lock(&s->told_lock);
    for (size_t i = 0; i < s->n_slow; i++)
        print_recent(&s->slow[i], out);
    pthread_mutex_unlock(&s->told_lock);
    return true;
}

static bool admin_watch(struct conn *c, struct span args, struct buf *out)
{
    (void)args;
    c->watching = !c->watching;
    if (c->watching) {
        atomic_fetch_add(&c->server->n_watchers, 1);
        buf_str(out, "Added you to watcher list.\r\n");
    } else {
        atomic_fetch_sub(&c->server->n_watchers, 1);
        buf_str(out, "Removed you from watcher list.\r\n");
    }
    return true;
}

static bool admin_shutdown(struct conn *c, struct span args, struct buf *out)
{
    (void)args;
    (void)out;
    c->server->ops.shutdown(c->server->ops.arg);
    return false;
}

/* In the order in which prefixes are tried; an exact row matches its whole word only. */
static const struct {
    const char *name;
    bool exact;
    admin_fn *run;
} commands[] = {
    {"stats", true, admin_stats},    {"status", true, admin_status},    {"shutdown", false, admin_shutdown},
    {"jobs", false, admin_jobs},     {"want", false, admin_want},       {"to", false, admin_to},
    {"queue", false, admin_queue},   {"pend", false, admin_queue},      {"watch", false, admin_watch},
    {"recent", false, admin_recent}, {"version", false, admin_version}, {"slow", false, admin_slow},
};

bool admin_run(struct conn *c, struct span line, struct buf *out)
{
    while (line.len != 0 && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
        line.len--;
    struct span args = line, word = take_word(&args);
    bool found = false;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && !found; i++) {
        found = commands[i].exact ? span_is(word, commands[i].name) : span_starts(word, commands[i].name);
        if (found && !commands[i].run(c, args, out))
            return false;
    }
    if (!found)
        buf_str(out, help_text);
    buf_str(out, ".\r\n");
    return true;
}
