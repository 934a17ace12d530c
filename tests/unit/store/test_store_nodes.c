/* SPDX-License-Identifier: MIT */
/* Handles at two nodes of one cluster (MOG_TEST_DSN, MOG_TEST_NODE2_DSN; nothing to test without the second). */
#include "store/store_fixture.h"

#include <pthread.h>

enum { ROUNDS = 60, WAIT_MS = 20000 };

static struct store_env *env2;

/* A handle at the second node; NULL: there is none. */
static struct store *second_node(void)
{
    const char *dsn = fixture_env("MOG_TEST_NODE2_DSN");
    if (dsn == NULL)
        return NULL;
    struct fixture own = fx;
    snprintf(own.dsn, sizeof own.dsn, "%s", dsn);
    env2 = fixture_new_env_as(&own, "other.host");
    return store_new(env2, STORE_BACKGROUND);
}

static void leave(struct store *other)
{
    store_free(other);
    store_env_free(env2);
    env2 = NULL;
}

static int64_t weight(struct store *st, uint32_t devid)
{
    struct store_device d;
    OK(st, store_device_get(st, devid, &d));
    return d.weight;
}

/* What was committed here is seen there at once, and the other way round. */
START_TEST(reads_wait_for_commits)
{
    struct store *st = fx.st, *other = second_node();
    if (other == NULL)
        return;
    OK(st, store_device_create(st, 1, 1, "alive"));
    for (int i = 1; i <= ROUNDS; i++) {
        struct store *from = i % 2 == 0 ? st : other, *to = i % 2 == 0 ? other : st;
        OK(from, store_device_set_weight(from, 1, i));
        ck_assert_int_eq(weight(to, 1), i);
    }
    leave(other);
}
END_TEST

/* A transaction that lost to another node's commit fails, whatever is still done in it, and none of it stays. */
START_TEST(a_lost_transaction_is_no_success)
{
    struct store *st = fx.st, *other = second_node();
    if (other == NULL)
        return;
    for (uint32_t devid = 1; devid <= 3; devid++)
        OK(st, store_device_create(st, devid, 1, "alive"));
    for (int rest = 0; rest < 3; rest++) {
        OK(st, store_validate(st));
        OK(st, store_begin(st));
        OK(st, store_device_set_weight(st, 1, 10));
        OK(other, store_device_set_weight(other, 1, 20 + rest));
        ck_assert_int_eq(weight(other, 1), 20 + rest);
        enum mog_err e = MOG_OK;
        /* Give the commit from there the time to get here and to throw us out. */
        struct store *watch = store_new(fx.env, STORE_BACKGROUND);
        struct deadline by = deadline_in(WAIT_MS);
        while (weight(watch, 1) != 20 + rest && !deadline_is_past(by))
            clock_sleep_ms(20);
        store_free(watch);
        for (int i = 0; e == MOG_OK && i < rest; i++)
            e = store_device_set_weight(st, 2 + (uint32_t)i, 30);
        if (e == MOG_OK)
            e = store_commit(st);
        else
            store_rollback(st);
        ck_assert_msg(e == MOG_EDEADLOCK, "%d more statements: %s: %s", rest, err_name(e), store_failure(st)->text);
        ck_assert(!store_is_in_transaction(st));
        ck_assert_int_eq(weight(st, 1), 20 + rest);
        ck_assert_int_eq(weight(st, 2), 100);
        ck_assert_int_eq(weight(st, 3), 100);
    }
    leave(other);
}
END_TEST

/* ---- two at once ---- */

struct side {
    struct store *st;
    const char *problem;
};

static enum mog_err add_one(struct store *st, void *arg)
{
    int64_t n;
    (void)arg;
    enum mog_err e = store_setting_get_int(st, "counter", 0, &n);
    return e == MOG_OK ? store_setting_set_int(st, "counter", n + 1) : e;
}

static bool is_later(enum mog_err e)
{
    return e == MOG_ELOCKED || e == MOG_EDEADLOCK;
}

/* Under a lock, a value that is read and written back counts right. */
static void *count_locked(void *arg)
{
    struct side *s = arg;
    for (int i = 0; i < ROUNDS && s->problem == NULL;) {
        enum mog_err e = store_lock(s->st, "mgfs:test:counter", 10);
        if (is_later(e))
            continue;
        if (e != MOG_OK || add_one(s->st, NULL) != MOG_OK)
            s->problem = store_failure(s->st)->text;
        store_unlock(s->st);
        i++;
    }
    return NULL;
}

/* The same in transactions, which are tried again when they lose. The first statement locks nothing there. */
static void *count_in_transactions(void *arg)
{
    struct side *s = arg;
    for (int i = 0; i < ROUNDS && s->problem == NULL; i++) {
        enum mog_err e;
        do
            e = store_setting_add(s->st, "sum", 1);
        while (is_later(e));
        if (e != MOG_OK)
            s->problem = store_failure(s->st)->text;
    }
    return NULL;
}

static void run_both(void *(*work)(void *), struct store *other)
{
    struct side sides[] = {{.st = fx.st}, {.st = other}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &sides[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++)
        ck_assert_msg(sides[i].problem == NULL, "%d: %s", i, sides[i].problem);
}

START_TEST(locks_exclude_between_nodes)
{
    struct store *st = fx.st, *other = second_node();
    if (other == NULL)
        return;
    OK(st, store_lock(st, "mgfs:reaper", 5));
    FAILS(other, MOG_ELOCKED, store_lock(other, "mgfs:reaper", 0));
    store_unlock(st);
    OK(other, store_lock(other, "mgfs:reaper", 0));
    FAILS(st, MOG_ELOCKED, store_lock(st, "mgfs:reaper", 0));
    store_unlock(other);
    run_both(count_locked, other);
    int64_t n;
    OK(st, store_setting_get_int(st, "counter", 0, &n));
    ck_assert_int_eq(n, 2 * ROUNDS);
    run_both(count_in_transactions, other);
    OK(st, store_setting_get_int(st, "sum", 0, &n));
    ck_assert_int_eq(n, 2 * ROUNDS);
    leave(other);
}
END_TEST

/* Uploads of one key from both sides: each is acknowledged, one stays, all others are queued for deletion. */
static void *overwrite(void *arg)
{
    struct side *s = arg;
    for (int i = 0; i < ROUNDS / 2 && s->problem == NULL; i++) {
        uint64_t fid;
        const struct store_file_open o = {.dmid = 1, .key = span_of("k"), .devids = "1"};
        enum mog_err e = store_file_open(s->st, &o, &fid);
        if (e == MOG_OK) {
            const struct store_file_close c = {.fid = fid, .devid = 1, .dmid = 1, .key = span_of("k"), .length = 1};
            e = store_file_close(s->st, &c, NULL);
        }
        if (e != MOG_OK)
            s->problem = store_failure(s->st)->text;
    }
    return NULL;
}

START_TEST(overwriting_from_both)
{
    struct store *st = fx.st, *other = second_node();
    if (other == NULL)
        return;
    run_both(overwrite, other);
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM file"), 1);
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM file_on"), ROUNDS);
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM file_to_delete2"), ROUNDS - 1);
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM tempfile"), 0);
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM file f JOIN file_to_delete2 q ON q.fid = f.fid"), 0);
    leave(other);
}
END_TEST

/* Claims at both nodes never take the same row. */
static void *claim(void *arg)
{
    struct side *s = arg;
    for (int idle = 0; idle < 3 && s->problem == NULL;) {
        struct store_queue_rows rows;
        if (store_queue_claim(s->st, STORE_QUEUE_REPLICATE, 5, &rows) != MOG_OK)
            s->problem = store_failure(s->st)->text;
        idle = rows.n == 0 ? idle + 1 : 0;
        for (size_t i = 0; i < rows.n && s->problem == NULL; i++)
            if (store_setting_add(s->st, "claimed", 1) != MOG_OK)
                s->problem = store_failure(s->st)->text;
        store_queue_rows_free(&rows);
    }
    return NULL;
}

START_TEST(claims_at_both)
{
    struct store *st = fx.st, *other = second_node();
    if (other == NULL)
        return;
    for (uint64_t fid = 1; fid <= ROUNDS; fid++)
        OK(st, store_replicate_add(st, fid, 0, 0));
    run_both(claim, other);
    int64_t n;
    OK(st, store_setting_get_int(st, "claimed", 0, &n));
    ck_assert_int_eq(n, ROUNDS);
    leave(other);
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("store_nodes", reads_wait_for_commits, a_lost_transaction_is_no_success,
                       locks_exclude_between_nodes, overwriting_from_both, claims_at_both);
}
