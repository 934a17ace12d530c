/* SPDX-License-Identifier: MIT */
/* Tests of requests that wait for others: none is left behind by those that were to take it along. */
#include "tracker/net/server_priv.h"

#include "common/clock.h"
#include "harness.h"
#include "unit.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

/* A server whose query threads never come: what is handed to them stays where it can be counted. */
static void setup(struct server *s, struct request *r)
{
    memset(s, 0, sizeof(*s));
    memset(r, 0, sizeof(*r));
    s->queries = query_pool_new(s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->told_lock, NULL);
    s->done_last = &s->done;
    s->wake_fd = -1;
    together_init(s);
    struct cmd_shared *shared = mem_calloc(1, sizeof(*shared));
    shared->pace = pace_new(CMD_METRICS, 50);
    s->shared = shared;
    s->costs = mem_calloc(CMD_METRICS, sizeof(*s->costs));
    r->server = s;
    r->kind = CMD_LOOKUPS;
}

/* The first of two that come together, which is freed when it is finished; the second is the caller's. */
static struct request *setup_two(struct server *s, struct request *second)
{
    struct request *r = mem_calloc(1, sizeof(*r));
    setup(s, r);
    *second = *r;
    r->done_next = second;
    DL_APPEND(s->requests, r);
    return r;
}

/* All places are taken by statements that began then. */
static void take_places(struct together *t, int64_t begun_us)
{
    for (size_t i = 0; i < TOGETHER_AT_ONCE; i++)
        t->begun_us[i] = begun_us;
}

static bool match_any(void *arg, void *item)
{
    (void)arg;
    (void)item;
    return true;
}

static void teardown(struct server *s)
{
    void *out[1];
    (void)pool_take(s->queries, match_any, NULL, out, 1);
    pool_stop(s->queries);
    together_fini(s);
    for (size_t i = 0; i < RECENT_REQUESTS; i++)
        buf_fini(&s->recent[i].line);
    for (size_t i = 0; i < s->n_slow; i++)
        buf_fini(&s->slow[i].line);
    free(s->costs);
    pace_free(s->shared->pace);
    free((void *)s->shared);
    query_spares_free(s);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->told_lock);
}

START_TEST(the_first_has_a_turn_and_the_others_wait_for_it)
{
    struct server s;
    struct request r, second;
    setup(&s, &r);
    second = r;
    r.done_next = &second;
    together_submit(&s, CMD_LOOKUPS, &r);
    struct together *t = &s.together[CMD_LOOKUPS];
    ck_assert_uint_eq(pool_waiting(s.queries), 1);
    ck_assert(r.has_turn && t->is_called);
    ck_assert(t->first == &second && !second.has_turn);
    ck_assert(together_cancel(&second));
    ck_assert(t->first == NULL && t->last == &t->first);
    ck_assert(!together_cancel(&second) && !together_cancel(&r));
    teardown(&s);
}
END_TEST

/* Its client goes before a thread comes: those that wait must not wait for nobody. */
START_TEST(a_turn_that_is_not_taken_is_passed_on)
{
    struct server s;
    struct request second, *r = setup_two(&s, &second);
    together_submit(&s, CMD_LOOKUPS, r);
    ck_assert(!query_cancel(r));
    struct together *t = &s.together[CMD_LOOKUPS];
    ck_assert(second.has_turn && t->is_called && t->first == NULL);
    ck_assert_uint_eq(pool_waiting(s.queries), 1);
    together_pass_on(&s, CMD_LOOKUPS);
    ck_assert(!t->is_called);
    teardown(&s);
}
END_TEST

START_TEST(who_waits_for_others_stays)
{
    struct server s;
    struct request r;
    setup(&s, &r);
    take_places(&s.together[CMD_LOOKUPS], clock_mono_us() + 60 * 1000 * 1000);
    together_submit(&s, CMD_LOOKUPS, &r);
    together_tick(&s);
    ck_assert_uint_eq(pool_waiting(s.queries), 0);
    ck_assert(s.together[CMD_LOOKUPS].first == &r);
    teardown(&s);
}
END_TEST

START_TEST(who_comes_while_statements_are_slow_goes_beside_them)
{
    struct server s;
    struct request r;
    setup(&s, &r);
    take_places(&s.together[CMD_LOOKUPS], clock_mono_us() - 60 * 1000 * 1000);
    together_submit(&s, CMD_LOOKUPS, &r);
    ck_assert_uint_eq(pool_waiting(s.queries), 1);
    ck_assert(r.has_turn);
    teardown(&s);
}
END_TEST

/* While all threads are at something else: one of them is to find as much as it can take. */
START_TEST(who_comes_while_one_is_on_its_way_goes_with_it)
{
    struct server s;
    struct request r, second;
    setup(&s, &r);
    second = r;
    together_submit(&s, CMD_LOOKUPS, &r);
    together_submit(&s, CMD_LOOKUPS, &second);
    ck_assert_uint_eq(pool_waiting(s.queries), 1);
    take_places(&s.together[CMD_LOOKUPS], clock_mono_us() - 60 * 1000 * 1000);
    together_tick(&s);
    ck_assert_uint_eq(pool_waiting(s.queries), 1);
    ck_assert(s.together[CMD_LOOKUPS].first == &second && !second.has_turn);
    teardown(&s);
}
END_TEST

START_TEST(who_waits_behind_what_hangs_goes_alone)
{
    struct server s;
    struct request r;
    setup(&s, &r);
    take_places(&s.together[CMD_LOOKUPS], clock_mono_us());
    together_submit(&s, CMD_LOOKUPS, &r);
    ck_assert_uint_eq(pool_waiting(s.queries), 0);
    take_places(&s.together[CMD_LOOKUPS], clock_mono_us() - 60 * 1000 * 1000);
    together_tick(&s);
    ck_assert_uint_eq(pool_waiting(s.queries), 1);
    ck_assert(s.together[CMD_LOOKUPS].first == NULL);
    ck_assert(!r.has_turn);
    teardown(&s);
}
END_TEST

/* No thread can be had: nobody may wait for the one that could not be handed in. */
START_TEST(a_turn_that_cannot_be_handed_in_is_given_up)
{
    struct server s;
    struct request second, *r = setup_two(&s, &second);
    pool_end(s.queries);
    together_submit(&s, CMD_LOOKUPS, r);
    struct together *t = &s.together[CMD_LOOKUPS];
    ck_assert(s.done == r && r->is_given_up && !r->has_turn && !t->is_called);
    ck_assert(r->done_next == &second && second.is_given_up && second.done_next == NULL);
    ck_assert_uint_eq(together_waiting(&s), 0);
    s.done = NULL;
    s.done_last = &s.done;
    query_finished(r);
    ck_assert(s.requests == NULL);
    teardown(&s);
}
END_TEST

/* A storage node that takes connections and says nothing. */
static int silent_node(struct harness *h)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t len = sizeof(sa);
    char line[100];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)inet_pton(AF_INET, "127.0.0.3", &sa.sin_addr);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    (void)snprintf(line, sizeof(line), "create_host host=silent&ip=127.0.0.3&port=%u&status=alive",
                   (unsigned)ntohs(sa.sin_port));
    harness_must(h, line);
    harness_must(h, "create_device devid=3&hostname=silent");
    harness_must(h, "set_state host=h1&device=1&state=readonly");
    harness_must(h, "set_state host=h2&device=2&state=readonly");
    return fd;
}

struct run {
    struct cmd_ctx *ctx;
    struct request *r;
};

static void *run_it(void *arg)
{
    struct run *run = arg;
    together_run(run->ctx, run->r);
    return NULL;
}

static bool has_place(struct together *t)
{
    pthread_mutex_lock(&t->lock);
    bool any = t->begun_us[0] == 0 || t->begun_us[1] == 0;
    pthread_mutex_unlock(&t->lock);
    return any;
}

/* One at a place makes folders on a node that does not answer; one waits, and then goes to work. */
START_TEST(who_waits_for_a_node_has_no_place)
{
    struct server s;
    struct request waiting, slow = {.kind = CMD_OPENS, .client = {.ip = 0x7f000001}};
    struct harness h;
    pthread_t thread;
    char line[] = "create_open domain=d&key=k";
    memset(&h, 0, sizeof(h));
    setup(&s, &waiting);
    harness_start(&h);
    int node = silent_node(&h);
    struct together *t = &s.together[CMD_OPENS];
    take_places(t, clock_mono_us() + 60 * 1000 * 1000);
    waiting.kind = CMD_OPENS;
    together_submit(&s, CMD_OPENS, &waiting);
    ck_assert(together_cancel(&waiting)); /* the slow one is to be alone at first */
    slow.server = &s;
    slow.has_turn = true;
    t->begun_us[0] = 0;
    slow.line = line;
    slow.len = strlen(line);
    struct node_config patient = {.node_timeout_ms = 600 * 1000, .conn_pool_size = 1, .stream_port = 1};
    node_shared_set_config(h.nodes, &patient);
    struct run run = {h.ctx, &slow};
    ck_assert_int_eq(pthread_create(&thread, NULL, run_it, &run), 0);
    int asks = accept(node, NULL, NULL);
    ck_assert_int_ge(asks, 0);
    ck_assert(has_place(t));
    waiting.done_next = NULL;
    together_submit(&s, CMD_OPENS, &waiting);
    ck_assert_uint_eq(pool_waiting(s.queries), 1);
    ck_assert(t->first == NULL && waiting.has_turn);
    (void)close(node);
    (void)close(asks);
    pthread_join(thread, NULL);
    ck_assert(s.done == &slow && strncmp(buf_cstr(&slow.reply), "OK ", 3) == 0);
    ck_assert(t->is_called); /* still: the slow one has come back without a place, and takes nobody along */
    buf_fini(&slow.reply);
    teardown(&s);
    harness_stop(&h);
}
END_TEST

static const struct cmd_row *row_of(const char *name)
{
    return cmd_table_find(span_of(name));
}

/* A request that took so long is answered. */
static void finish(struct server *s, const char *name, int64_t took_us, bool was_held)
{
    struct request *r = mem_calloc(1, sizeof(*r));
    r->server = s;
    r->line = mem_strndup(name, strlen(name));
    r->len = strlen(name);
    r->row = row_of(name);
    r->sent_us = clock_mono_us() - took_us;
    r->was_held = was_held;
    DL_APPEND(s->requests, r);
    query_answer(s, &r, 1);
    server_collect(s);
}

/* The jobs must not take the wait for the first look at the cluster for what clients are used to. */
START_TEST(who_was_held_at_the_start_is_no_measure)
{
    struct server s;
    struct request waiting;
    setup(&s, &waiting);
    struct pace *pace = s.shared->pace;
    finish(&s, "create_open", 60 * 1000 * 1000, true);
    finish(&s, "create_open", 1, false);
    pace_begin(pace, clock_mono_us());
    int64_t now_us = (clock_mono_us() / 1000000 + 1) * 1000000 + 500 * 1000; /* not in the look of a second */
    for (unsigned i = 0; i < 300; i++) {
        now_us += 10 * 1000;
        struct pace_request late = {(size_t)(row_of("create_open") - cmd_table()), now_us - 30 * 1000 * 1000};
        pace_served(pace, &late, 1, now_us);
    }
    (void)pace_ask(pace, PACE_CHECK, now_us);
    ck_assert_int_gt(pace_ask(pace, PACE_CHECK, now_us + 1), 10 * 1000);
    pace_end(pace, now_us);
    teardown(&s);
}
END_TEST

UNIT_MAIN("together", the_first_has_a_turn_and_the_others_wait_for_it, a_turn_that_is_not_taken_is_passed_on,
          who_waits_for_others_stays, who_comes_while_statements_are_slow_goes_beside_them,
          who_comes_while_one_is_on_its_way_goes_with_it, who_waits_behind_what_hangs_goes_alone,
          a_turn_that_cannot_be_handed_in_is_given_up, who_waits_for_a_node_has_no_place,
          who_was_held_at_the_start_is_no_measure)
