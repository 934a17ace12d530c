/* SPDX-License-Identifier: MIT */
/* Requests on their way from the loop to whoever runs them, a query thread or for some lookups the loop, and back. */
#include "tracker/net/server_priv.h"

#include "common/clock.h"
#include "common/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

enum { RECENT_LINE_MAX = 4096, LOOP_LINE_MAX = 4096, ROUND_MAX = 64, SPARES_MAX = 64, SPARE_REPLY_MAX = 4096 };

/* Few, and none that has grown large: what is used again and again needs no memory from anywhere. */
static void request_free(struct request *r)
{
    struct server *s = r->server;
    DL_DELETE(s->requests, r);
    if (r->closes_fd)
        (void)close(r->fd);
    free(r->line);
    if (s->n_spare == SPARES_MAX || r->reply.cap > SPARE_REPLY_MAX) {
        buf_fini(&r->reply);
        free(r);
        return;
    }
    r->next = s->spare;
    s->spare = r;
    s->n_spare++;
}

static struct request *request_alloc(struct server *s)
{
    struct request *r = s->spare;
    if (r == NULL)
        return mem_calloc(1, sizeof(*r));
    s->spare = r->next;
    s->n_spare--;
    struct buf reply = r->reply;
    buf_reset(&reply);
    *r = (struct request){.reply = reply};
    return r;
}

void query_spares_free(struct server *s)
{
    while (s->spare != NULL) {
        struct request *r = s->spare;
        s->spare = r->next;
        buf_fini(&r->reply);
        free(r);
    }
    s->n_spare = 0;
}

static void *worker_new(void *arg)
{
    struct server *s = arg;
    struct cmd_ctx *ctx = cmd_ctx_new(s->shared);
    /* Not with its first request: by then descriptors may be scarce, or the database far. A failure is met again there.
     */
    (void)!store_validate(ctx->st);
    return ctx;
}

static void worker_free(void *worker)
{
    cmd_ctx_free(worker);
}

void query_begin(struct request *r, int64_t now_us)
{
    metric_observe(&r->server->waits, now_us - r->sent_us);
    atomic_store(&r->started, true);
}

void query_end(struct cmd_ctx *ctx, struct request *r, int64_t started_us)
{
    r->is_refused = cmd_was_refused(ctx);
    r->run_us = clock_mono_us() - started_us;
}

void query_shown(struct buf *out, const char *line, size_t len)
{
    static const char word[] = "set_server_setting";
    struct span rest = span_make(line, len < RECENT_LINE_MAX ? len : RECENT_LINE_MAX), pair;
    while (rest.len != 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t'))
        rest = span_make(rest.ptr + 1, rest.len - 1);
    if (rest.len < sizeof(word) - 1 || strncasecmp(rest.ptr, word, sizeof(word) - 1) != 0) {
        buf_append(out, line, len < RECENT_LINE_MAX ? len : RECENT_LINE_MAX);
        return;
    }
    buf_append(out, rest.ptr, sizeof(word) - 1);
    rest = span_make(rest.ptr + sizeof(word) - 1, rest.len - (sizeof(word) - 1));
    while (rest.len != 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t'))
        rest = span_make(rest.ptr + 1, rest.len - 1);
    for (char between = ' '; rest.ptr != NULL && span_split(&rest, '&', &pair); between = '&') {
        struct span value = pair, name;
        (void)span_split(&value, '=', &name);
        bool is_shown = span_is(name, "key") || span_is(name, "callid");
        buf_char(out, between);
        if (is_shown)
            buf_append(out, pair.ptr, pair.len);
        else
            buf_printf(out, "%.*s=***", (int)name.len, name.ptr);
    }
}

/* The memory of the one that was there before is used again. */
static void recent_put(struct recent *slot, const struct request *r)
{
    buf_reset(&slot->line);
    query_shown(&slot->line, r->line, r->len);
    slot->total_s = (double)(r->done_us - r->sent_us) / 1e6;
    slot->run_s = (double)r->run_us / 1e6;
    memcpy(slot->peer, r->peer, sizeof(slot->peer));
}

static void remember(struct server *s, const struct request *r)
{
    recent_put(&s->recent[s->next_recent], r);
    s->next_recent = (s->next_recent + 1) % RECENT_REQUESTS;
}

static void remember_slow(struct server *s, const struct request *r)
{
    double run_s = (double)r->run_us / 1e6;
    size_t at = s->n_slow;
    while (at > 0 && s->slow[at - 1].run_s < run_s)
        at--;
    if (at == SLOW_REQUESTS)
        return;
    s->n_slow += s->n_slow < SLOW_REQUESTS;
    struct recent last = s->slow[s->n_slow - 1]; /* the one that falls out, or an empty one */
    memmove(&s->slow[at + 1], &s->slow[at], (s->n_slow - 1 - at) * sizeof(s->slow[0]));
    s->slow[at] = last;
    recent_put(&s->slow[at], r);
}

static void count_cost(struct server *s, const struct request *r)
{
    if (r->row == NULL)
        return;
    struct command_cost *cost = &s->costs[r->row - cmd_table()];
    uint64_t us = r->run_us > 0 ? (uint64_t)r->run_us : 0;
    cost->count++;
    cost->total_us += us;
    cost->max_us = us > cost->max_us ? us : cost->max_us;
}

/*
 * The jobs hold back when they took longer than they do without them. Who looks at the cluster's state is no load; what
 * waited for the first look at it is no measure.
 */
static void tell_jobs(struct server *s, struct request *const *all, size_t n, int64_t now_us)
{
    struct pace_request served[CMD_TOGETHER_MAX];
    size_t count = 0;
    assert(n <= CMD_TOGETHER_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct request *r = all[i];
        if (r->row != NULL && (r->row->flags & CMD_DOMAIN) != 0 && !r->was_held)
            served[count++] = (struct pace_request){(size_t)(r->row - cmd_table()), r->sent_us};
    }
    pace_served(s->shared->pace, served, count, now_us);
}

/*
 * What is told of requests, before they are answered: who has an answer and asks for the figures finds it there. Any
 * thread.
 */
static void account(struct server *s, struct request *const *all, size_t n)
{
    int64_t now_us = clock_mono_us();
    pthread_mutex_lock(&s->told_lock);
    for (size_t i = 0; i < n; i++) {
        all[i]->done_us = now_us;
        remember(s, all[i]);
        remember_slow(s, all[i]);
        count_cost(s, all[i]);
    }
    pthread_mutex_unlock(&s->told_lock);
    tell_jobs(s, all, n, now_us);
    for (size_t i = 0; i < n; i++)
        atomic_store(&all[i]->is_told, true);
}

/* A socket that does not take all of it, or nothing, is left to the loop. */
static bool send_answer(struct request *r)
{
    bool may_send = r->may_send && !atomic_load(&r->server->is_ending);
    ssize_t n = may_send ? send(r->fd, r->reply.data, r->reply.len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    r->sent = n > 0 ? (size_t)n : 0;
    return may_send && r->sent == r->reply.len;
}

/* Into the mailbox. */
static void post(struct server *s, struct request *const *all, size_t n, bool wakes)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < n; i++) {
        wakes = wakes || all[i]->is_waited_for;
        all[i]->is_posted = true;
        all[i]->done_next = NULL;
        *s->done_last = all[i];
        s->done_last = &all[i]->done_next;
    }
    atomic_store(&s->has_mail, true);
    pthread_mutex_unlock(&s->lock);
    if (wakes)
        server_wake(s);
}

void query_answer(struct server *s, struct request *const *all, size_t n)
{
    bool wakes = false;
    account(s, all, n);
    for (size_t i = 0; i < n; i++)
        wakes = !send_answer(all[i]) || all[i]->is_refused || wakes; /* a refusal is logged by the loop */
    post(s, all, n, wakes);
}

bool query_is_answered(struct request *r)
{
    pthread_mutex_lock(&r->server->lock);
    bool is_posted = r->is_posted;
    r->is_waited_for = !is_posted;
    pthread_mutex_unlock(&r->server->lock);
    return is_posted;
}

void query_run(struct cmd_ctx *ctx, struct request *r)
{
    int64_t started_us = clock_mono_us();
    query_begin(r, started_us);
    r->row = cmd_run(ctx, span_make(r->line, r->len), &r->client, &r->reply);
    query_end(ctx, r, started_us);
    query_answer(r->server, &r, 1);
}

enum mog_err query_run_together(struct cmd_ctx *ctx, struct request **all, size_t n, size_t *n_left,
                                metric_counter *n_answered)
{
    struct cmd_line lines[CMD_TOGETHER_MAX];
    struct request *done[CMD_TOGETHER_MAX];
    struct server *s = all[0]->server;
    size_t n_done = 0;
    int64_t started_us = clock_mono_us();
    for (size_t i = 0; i < n; i++)
        lines[i] = (struct cmd_line){.text = span_make(all[i]->line, all[i]->len), .client = &all[i]->client};
    enum mog_err e = cmd_go_ahead(ctx, all[0]->kind, lines, n);
    *n_left = 0;
    for (size_t i = 0; i < n; i++) {
        if (!lines[i].is_taken) {
            all[(*n_left)++] = all[i];
            continue;
        }
        query_begin(all[i], started_us);
        all[i]->row = cmd_run_ahead(ctx, i, &all[i]->client, &all[i]->reply);
        query_end(ctx, all[i], started_us);
        done[n_done++] = all[i];
    }
    cmd_end(ctx);
    if (n_answered != NULL)
        metric_add(n_answered, n_done);
    if (n_done != 0)
        query_answer(s, done, n_done);
    return e;
}

static void work(void *worker, void *item)
{
    struct cmd_ctx *ctx = worker;
    struct request *r = item;
    struct server *s = r->server;
    bool is_lookup = r->kind == CMD_LOOKUPS;
    if (r->has_turn) {
        together_run(ctx, r);
    } else {
        together_seen(ctx, r);
        query_run(ctx, r);
    }
    if (is_lookup)
        inloop_connect(s);
}

/* Canceled in the loop, or left over at the end: the loop thread frees it either way. */
static void drop(void *arg, void *item)
{
    struct request *r = item;
    enum cmd_kind kind = r->kind;
    bool has_turn = r->has_turn;
    request_free(r);
    if (has_turn)
        together_pass_on(arg, kind);
}

struct pool *query_pool_new(struct server *s)
{
    struct pool_ops ops = {.name = "queryworker",
                           .worker_new = worker_new,
                           .worker_free = worker_free,
                           .work = work,
                           .drop = drop,
                           .arg = s};
    return pool_new(&ops, 0);
}

size_t query_waiting(const struct server *s)
{
    size_t n = 0;
    const struct request *r;
    DL_FOREACH(s->requests, r)
    n += !atomic_load(&r->started);
    return n;
}

size_t query_running(const struct server *s)
{
    size_t n = 0;
    const struct request *r;
    DL_FOREACH(s->requests, r)
    n += atomic_load(&r->started) && !atomic_load(&r->is_told);
    return n;
}

static struct request *request_new(struct conn *c, char *line, size_t len)
{
    struct server *s = c->server;
    struct request *r = request_alloc(s);
    r->server = s;
    r->conn = c;
    r->fd = c->fd;
    memcpy(r->peer, c->peer, sizeof(r->peer));
    r->client = (struct cmd_client){.ip = c->peer_ip, .is_admin = c->is_admin};
    r->line = line;
    r->len = len;
    r->sent_us = clock_mono_us();
    r->kind = cmd_kind_of(span_make(line, len));
    DL_APPEND(s->requests, r);
    metric_add(&s->n_queries, 1);
    return r;
}

/* No thread is to be had, or the pool has stopped: the connection is closed, once nobody is in the midst of it. */
static void give_up_one(struct request *r)
{
    r->is_given_up = true;
    post(r->server, &r, 1, true);
}

static void give_up(struct request *r)
{
    struct request *others = r->has_turn ? together_give_up(r) : NULL;
    give_up_one(r);
    while (others != NULL) {
        struct request *other = others;
        others = other->done_next;
        give_up_one(other);
    }
}

void query_hand_in(struct request *r)
{
    if (!pool_submit(r->server->queries, r))
        give_up(r);
}

void query_round_end(int fd, short what, void *arg)
{
    struct server *s = arg;
    void *alone[ROUND_MAX];
    struct request *kinds[CMD_KINDS] = {NULL}, **last[CMD_KINDS];
    size_t n = 0, n_left = s->n_gathered, free_threads = pool_free_threads(s->queries);
    (void)fd;
    (void)what;
    for (enum cmd_kind kind = 0; kind < CMD_KINDS; kind++)
        last[kind] = &kinds[kind];
    for (struct request *r = s->gathered, *next; r != NULL; r = next) {
        next = r->done_next;
        r->done_next = NULL;
        if (r->kind == CMD_ALONE || s->together[r->kind].is_off) {
            alone[n++] = r;
        } else {
            *last[r->kind] = r;
            last[r->kind] = &r->done_next;
        }
    }
    s->gathered = NULL;
    s->gathered_last = &s->gathered;
    s->n_gathered = 0;
    if (!pool_submit_many(s->queries, alone, n)) {
        for (size_t i = 0; i < n; i++)
            give_up(alone[i]);
    }
    /* Lookups come last: the loop may do some itself, and the threads are at the others meanwhile. */
    for (enum cmd_kind kind = CMD_KINDS - 1; kind > CMD_ALONE; kind--) {
        if (kind == CMD_LOOKUPS && kinds[kind] != NULL)
            n_left -= inloop_run(s, &kinds[kind]);
        if (kinds[kind] != NULL)
            together_submit(s, kind, kinds[kind]);
    }
    if (n_left > free_threads)
        metric_add(&s->n_out_of_workers, n_left - free_threads);
}

/*
 * Not at once: what others ask for, and the loop is about to read, goes along, and those that can share a statement
 * find each other. Nobody waits for anything that is not there yet.
 */
static void gather(struct request *r)
{
    struct server *s = r->server;
    r->done_next = NULL;
    *s->gathered_last = r;
    s->gathered_last = &r->done_next;
    if (s->n_gathered++ == 0)
        event_active(s->round_end, 0, 0);
    else if (s->n_gathered == ROUND_MAX)
        query_round_end(-1, 0, s);
}

void query_submit(struct conn *c, char *line, size_t len)
{
    struct server *s = c->server;
    struct request *r = request_new(c, line, len);
    c->request = r;
    r->may_send = conn_may_be_answered(c);
    r->is_waited_for = !c->is_armed; /* what has come since is not noticed */
    r->is_held = !s->is_ready && !cmd_is_early(span_make(line, len));
    if (r->is_held)
        metric_add(&s->n_out_of_workers, 1);
    else
        gather(r);
}

void query_release(struct server *s)
{
    struct request *r, *next;
    DL_FOREACH_SAFE(s->requests, r, next)
    {
        if (r->is_held) {
            r->is_held = false;
            r->was_held = true;
            gather(r);
        }
    }
}

bool query_is_short(size_t len)
{
    return len <= LOOP_LINE_MAX;
}

bool query_is_instant(const struct server *s, const char *line, size_t len)
{
    /* Clients take a noop's answer for a sign that all is served; and an operator may want no query threads. */
    return s->is_ready && s->queries_wanted != 0 && query_is_short(len) && cmd_is_instant(span_make(line, len));
}

static void tell_refusal(const struct request *r)
{
    if (r->is_refused)
        access_refused(r->server, r->peer,
                       "a command for administrators, and not in a network of theirs (admin_allow)");
}

void query_run_now(struct conn *c, char *line, size_t len, struct buf *out)
{
    struct request *r = request_new(c, line, len);
    metric_observe(&r->server->waits, 0);
    r->row = cmd_run(r->server->instant, span_make(line, len), &r->client, out);
    r->run_us = clock_mono_us() - r->sent_us;
    account(r->server, &r, 1);
    tell_refusal(r);
    request_free(r);
}

static bool is_request(void *arg, void *item)
{
    return arg == item;
}

bool query_cancel(struct request *r)
{
    r->conn = NULL;
    if (r->is_held || together_cancel(r)) {
        request_free(r);
        return false;
    }
    /* Waiting for a thread: it goes now. In work: it runs to its end, and nobody gets the answer. */
    if (pool_cancel(r->server->queries, is_request, r) != 0)
        return false;
    r->closes_fd = true;
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void query_costs(struct server *s, struct buf *out)
{
    char **lines = NULL;
    size_t n = 0, cap = 0;
    pthread_mutex_lock(&s->told_lock);
    for (size_t i = 0; cmd_table()[i].name != NULL; i++) {
        const struct command_cost *cost = &s->costs[i];
        const struct {
            const char *suffix;
            uint64_t value;
        } figures[] = {{"count", cost->count}, {"max_us", cost->max_us}, {"total_us", cost->total_us}};
        for (size_t k = 0; k < 3 && cost->count != 0; k++) {
            lines = mem_grow(lines, n, &cap, sizeof(*lines));
            lines[n++] =
                mem_printf("query_%s_%s %" PRIu64 "\r\n", cmd_table()[i].name, figures[k].suffix, figures[k].value);
        }
    }
    pthread_mutex_unlock(&s->told_lock);
    if (n > 1)
        qsort(lines, n, sizeof(*lines), by_text);
    for (size_t i = 0; i < n; i++) {
        buf_str(out, lines[i]);
        free(lines[i]);
    }
    free(lines);
}

void query_finished(struct request *r)
{
    struct conn *c = r->conn;
    tell_refusal(r);
    if (c != NULL) {
        c->request = NULL;
        if (r->is_given_up)
            conn_free(c);
        else
            conn_answer(c, r->reply.data + r->sent, r->reply.len - r->sent);
    }
    request_free(r);
}
