/* SPDX-License-Identifier: MIT */
/* Queues, locks, the check's log, statistics. On SQLite, or on the server of MOG_TEST_DSN. */
#include "store/store_fixture.h"

#include <pthread.h>
#include <sys/wait.h>

START_TEST(claims_are_leases)
{
    struct store *st = fx.st;
    int64_t now;
    OK(st, store_now(st, &now));
    for (uint64_t fid = 1; fid <= 130; fid++)
        OK(st, store_replicate_add(st, fid, fid == 5 ? 9 : 0, fid <= 120 ? 0 : 500));
    struct store_queue_rows rows;
    bool due[STORE_QUEUES];
    OK(st, store_queues_due(st, due));
    ck_assert(due[STORE_QUEUE_REPLICATE] && !due[STORE_QUEUE_DELETE]);
    OK(st, store_queue_claim(st, STORE_QUEUE_REPLICATE, 115, &rows));
    ck_assert_uint_eq(rows.n, 115);
    bool is_shuffled = false, saw_from = false;
    for (size_t i = 0; i < rows.n; i++) {
        ck_assert_int_eq(rows.rows[i].nexttry, 0);
        is_shuffled = is_shuffled || (i > 0 && rows.rows[i].fid < rows.rows[i - 1].fid);
        saw_from = saw_from || rows.rows[i].fromdevid == 9;
    }
    ck_assert(is_shuffled);
    store_queue_rows_free(&rows);
    struct store_queue_row q;
    OK(st, store_queue_claim(st, STORE_QUEUE_REPLICATE, 1000, &rows));
    ck_assert_uint_eq(rows.n, 5);
    uint64_t fids[5];
    for (size_t i = 0; i < 5; i++) {
        fids[i] = rows.rows[i].fid;
        saw_from = saw_from || rows.rows[i].fromdevid == 9;
    }
    ck_assert(saw_from);
    store_queue_rows_free(&rows);
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, fids[0], &q));
    ck_assert_int_ge(q.nexttry, now + 1000);
    ck_assert_int_le(q.nexttry, now + 1030);
    ck_assert_uint_eq(q.failcount, 0);
    OK(st, store_queue_release(st, STORE_QUEUE_REPLICATE, fids, 5));
    OK(st, store_queue_claim(st, STORE_QUEUE_REPLICATE, 1000, &rows));
    ck_assert_uint_eq(rows.n, 5);
    store_queue_rows_free(&rows);
    ck_assert_ptr_null(store_lock_held(st));
    uint64_t n;
    OK(st, store_replicate_deferred(st, &n));
    ck_assert_uint_eq(n, 130);
    OK(st, store_queue_park(st, STORE_QUEUE_REPLICATE, 1));
    OK(st, store_replicate_deferred(st, &n));
    ck_assert_uint_eq(n, 129);
    OK(st, store_replicate_now(st, &n));
    ck_assert_uint_eq(n, 130);
    OK(st, store_queue_length(st, STORE_QUEUE_REPLICATE, &n));
    ck_assert_uint_eq(n, 130);
}
END_TEST

START_TEST(rows_live_and_die)
{
    struct store *st = fx.st;
    int64_t now;
    struct store_queue_row q;
    OK(st, store_now(st, &now));
    OK(st, store_replicate_add(st, 7, 0, 0));
    OK(st, store_replicate_add(st, 7, 0, 100)); /* is there: stays */
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, 7, &q));
    ck_assert_int_eq(q.nexttry, 0);
    OK(st, store_queue_defer(st, STORE_QUEUE_REPLICATE, 7, 60, true));
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, 7, &q));
    ck_assert_int_ge(q.nexttry, now + 60);
    ck_assert_uint_eq(q.failcount, 1);
    OK(st, store_queue_defer(st, STORE_QUEUE_REPLICATE, 7, 10, false));
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, 7, &q));
    ck_assert_uint_eq(q.failcount, 1);
    fixture_sql(st, "UPDATE file_to_replicate SET failcount = 255", NULL);
    OK(st, store_queue_park(st, STORE_QUEUE_REPLICATE, 7));
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, 7, &q));
    ck_assert_int_eq(q.nexttry, STORE_END_OF_TIME);
    ck_assert_uint_eq(q.failcount, 255);
    OK(st, store_replicate_add(st, 7, 0, 1)); /* parked: revived */
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, 7, &q));
    ck_assert_int_lt(q.nexttry, now + 60);
    OK(st, store_queue_done(st, STORE_QUEUE_REPLICATE, 7));
    OK(st, store_queue_done(st, STORE_QUEUE_REPLICATE, 7));
    FAILS(st, MOG_ENOTFOUND, store_queue_find(st, STORE_QUEUE_REPLICATE, 7, &q));
}
END_TEST

START_TEST(types_do_not_touch_each_other)
{
    struct store *st = fx.st;
    struct store_todo items[30];
    for (size_t i = 0; i < 30; i++)
        items[i] = (struct store_todo){.fid = i + 1, .devid = 4, .arg = span_of("1,2")};
    OK(st, store_todo_add(st, STORE_QUEUE_REBALANCE, items, 30));
    for (size_t i = 0; i < 30; i++)
        items[i] = (struct store_todo){.fid = i + 1};
    OK(st, store_todo_add(st, STORE_QUEUE_FSCK, items, 30));
    OK(st, store_todo_add(st, STORE_QUEUE_FSCK, items, 30));
    struct store_queue_rows rows;
    bool due[STORE_QUEUES];
    OK(st, store_queues_due(st, due));
    ck_assert(!due[STORE_QUEUE_REPLICATE] && !due[STORE_QUEUE_DELETE]);
    ck_assert(due[STORE_QUEUE_FSCK] && due[STORE_QUEUE_REBALANCE]);
    OK(st, store_queue_claim(st, STORE_QUEUE_FSCK, 100, &rows));
    ck_assert_uint_eq(rows.n, 30);
    ck_assert_uint_eq(rows.rows[0].type, 1);
    store_queue_rows_free(&rows);
    OK(st, store_queues_due(st, due));
    ck_assert(!due[STORE_QUEUE_FSCK] && due[STORE_QUEUE_REBALANCE]);
    OK(st, store_queue_claim(st, STORE_QUEUE_REBALANCE, 100, &rows));
    ck_assert_uint_eq(rows.n, 30);
    ck_assert_uint_eq(rows.rows[0].devid, 4);
    ck_assert_str_eq(rows.rows[0].arg.ptr, "1,2");
    store_queue_rows_free(&rows);
    OK(st, store_queue_done(st, STORE_QUEUE_FSCK, 1));
    uint64_t n;
    OK(st, store_queue_length(st, STORE_QUEUE_FSCK, &n));
    ck_assert_uint_eq(n, 29);
    OK(st, store_queue_length(st, STORE_QUEUE_REBALANCE, &n));
    ck_assert_uint_eq(n, 30);
    FAILS(st, MOG_EINVAL, store_todo_add(st, STORE_QUEUE_DELETE, items, 1));
}
END_TEST

START_TEST(deletions)
{
    struct store *st = fx.st;
    uint64_t fids[250], n;
    for (size_t i = 0; i < 250; i++)
        fids[i] = i + 1;
    OK(st, store_delete_add(st, fids, 250, 0));
    OK(st, store_delete_add(st, fids, 10, 5000));
    OK(st, store_queue_length(st, STORE_QUEUE_DELETE, &n));
    ck_assert_uint_eq(n, 250);
    struct store_queue_rows rows;
    bool due[STORE_QUEUES];
    OK(st, store_queues_due(st, due));
    ck_assert(due[STORE_QUEUE_DELETE] && !due[STORE_QUEUE_REPLICATE]);
    OK(st, store_queue_claim(st, STORE_QUEUE_DELETE, 500, &rows));
    ck_assert_uint_eq(rows.n, 250);
    store_queue_rows_free(&rows);
    const uint64_t zero = 0;
    FAILS(st, MOG_ERANGE, store_delete_add(st, &zero, 1, 0));
    OK(st, store_delete_add(st, fids, 0, 0));
}
END_TEST

START_TEST(legacy_queue)
{
    struct store *st = fx.st;
    size_t moved;
    struct store_devfids l;
    OK(st, store_legacy_requeue(st, &moved));
    ck_assert_uint_eq(moved, 0);
    fixture_sql(st, "INSERT INTO file_to_delete_later (fid, delafter) VALUES (1, 5), (2, 6), (3, 2147483640)", NULL);
    OK(st, store_devfid_add(st, 1, 8, false, NULL));
    OK(st, store_devfid_add(st, 1, 9, false, NULL));
    OK(st, store_legacy_requeue(st, &moved));
    ck_assert_uint_eq(moved, 2);
    OK(st, store_legacy_list(st, 1000, &l));
    ck_assert_uint_eq(l.n, 3);
    for (size_t i = 0; i < l.n; i++)
        ck_assert(l.rows[i].fid == 1 ? l.rows[i].devid >= 8 : l.rows[i].devid == 0);
    store_devfids_free(&l);
    OK(st, store_legacy_later(st, 1, 600));
    OK(st, store_legacy_done(st, 2));
    OK(st, store_legacy_list(st, 1000, &l));
    ck_assert_uint_eq(l.n, 0);
    store_devfids_free(&l);
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM file_to_delete_later"), 2);
}
END_TEST

START_TEST(check_log)
{
    struct store *st = fx.st;
    struct store_fsck_events l;
    uint64_t last;
    (void)fixture_file(st, 1, "k", 1);
    OK(st, store_fsck_reset(st));
    OK(st, store_fsck_log(st, "MISS", 5, 3));
    OK(st, store_fsck_log(st, "MISS", 6, 3));
    OK(st, store_fsck_log(st, "POVI", 7, 0));
    FAILS(st, MOG_EINVAL, store_fsck_log(st, "LONGER", 7, 0));
    OK(st, store_fsck_max_logid(st, &last));
    OK(st, store_fsck_events(st, 0, 100, &l)); /* their numbers need not follow each other */
    ck_assert_uint_eq(l.n, 3);
    ck_assert_str_eq(l.rows[1].evcode, "MISS");
    ck_assert(l.rows[1].has_devid && !l.rows[2].has_devid);
    ck_assert_uint_eq(l.rows[2].fid, 7);
    ck_assert_uint_eq(l.rows[2].logid, last);
    /* On PostgreSQL a number ends at 2^31: there is nothing behind. */
    store_fsck_events_free(&l);
    if (store_backend(st) == STORE_PGSQL) {
        OK(st, store_fsck_events(st, UINT64_MAX, 100, &l));
        ck_assert_uint_eq(l.n, 0);
    } else {
        fixture_sql(st, "INSERT INTO fsck_log (logid, utime) VALUES (3000000001, 1), (3000000002, 1)", NULL);
        OK(st, store_fsck_events(st, 3000000001, 100, &l));
        ck_assert(l.n == 1 && l.rows[0].logid == 3000000002);
        store_fsck_events_free(&l);
        OK(st, store_fsck_events(st, UINT64_MAX, 100, &l));
        ck_assert_uint_eq(l.n, 0);
        fixture_sql(st, "DELETE FROM fsck_log WHERE logid > 3000000000", NULL);
    }
    store_fsck_events_free(&l);
    OK(st, store_fsck_events(st, 0, 100, &l));
    uint64_t second = l.rows[1].logid;
    store_fsck_events_free(&l);
    OK(st, store_fsck_events(st, second, 100, &l));
    ck_assert_uint_eq(l.n, 1);
    store_fsck_events_free(&l);
    OK(st, store_fsck_summarize(st));
    OK(st, store_fsck_summarize(st));
    int64_t n;
    OK(st, store_setting_get_int(st, "fsck_sum_evcount_MISS", 0, &n));
    ck_assert_int_eq(n, 2);
    OK(st, store_setting_get_int(st, "fsck_sum_evcount_POVI", 0, &n));
    ck_assert_int_eq(n, 1);
    OK(st, store_fsck_clear(st));
    OK(st, store_fsck_max_logid(st, &last));
    ck_assert_uint_eq(last, 0);
    OK(st, store_fsck_log(st, "MISS", 8, 3));
    OK(st, store_fsck_summarize(st));
    OK(st, store_setting_get_int(st, "fsck_sum_evcount_MISS", 0, &n));
    ck_assert_int_eq(n, 3);
    OK(st, store_setting_get_int(st, "fsck_fid_at_end", 0, &n));
    ck_assert_int_gt(n, 0);
    OK(st, store_fsck_reset(st));
    OK(st, store_setting_get_int(st, "fsck_sum_evcount_MISS", -1, &n));
    ck_assert_int_eq(n, -1);
}
END_TEST

START_TEST(locks_exclude)
{
    struct store *a = fx.st, *b = store_new(fx.env, STORE_CLIENT);
    struct store_env *other_env = fixture_new_env_as(&fx, "elsewhere");
    struct store *c = store_new(other_env, STORE_CLIENT);
    OK(a, store_lock_fid(a, 7, 0));
    ck_assert_str_eq(store_lock_held(a), "mgfs:fid:7:replicate");
    FAILS(a, MOG_EINVAL, store_lock(a, "x", 0));
    ck_assert_str_eq(store_failure(a)->text,
                     "Lock recursion detected (grabbing x, had mgfs:fid:7:replicate).  Bailing out.");
    FAILS(b, MOG_ELOCKED, store_lock_fid(b, 7, 0));
    FAILS(b, MOG_ELOCKED, store_lock_fid(b, 7, 1));
    FAILS(c, MOG_ELOCKED, store_lock_fid(c, 7, 0)); /* hosts exclude each other too */
    OK(b, store_lock_fid(b, 8, 0));
    store_unlock(b);
    store_unlock(a);
    store_unlock(a);
    OK(b, store_lock_fid(b, 7, 0));
    if (store_backend(a) == STORE_SQLITE || fx.env->row_locks) {
        const char *table = store_backend(a) == STORE_SQLITE ? "lock" : "`lock`";
        char text[100];
        OK(a, store_lock(a, "mgfs:reaper", 0));
        OK(a, store_lock_renew(a));
        /* An hour later it may be taken over, unless it was renewed. */
        snprintf(text, sizeof text, "UPDATE %s SET acquiredat = acquiredat - 4000", table);
        fixture_sql(a, text, NULL);
        a->lock_renewed_ms -= 3600000;
        OK(a, store_lock_renew(a));
        FAILS(c, MOG_ELOCKED, store_lock(c, "mgfs:reaper", 0));
        fixture_sql(a, text, NULL);
        OK(c, store_lock(c, "mgfs:reaper", 0));
        store_unlock(c);
        a->lock_renewed_ms -= 3600000;
        FAILS(a, MOG_ENOTFOUND, store_lock_renew(a));
        store_unlock(a);
    }
    /* It goes with its handle. */
    store_free(b);
    OK(a, store_lock_fid(a, 7, 5));
    store_unlock(a);
    OK(c, store_lock(c, "mgfs:reaper", 0));
    store_free(c);
    store_env_free(other_env);
    OK(a, store_lock(a, "mgfs:reaper", 5));
    store_unlock(a);
}
END_TEST

START_TEST(lock_of_a_killed_process)
{
    struct store *st = fx.st;
    store_close(st);
    pid_t child = fork();
    if (child == 0) {
        struct store_env *env = fixture_new_env(&fx);
        struct store *own = store_new(env, STORE_CLIENT);
        if (store_lock(own, "mgfs:reaper", 0) != MOG_OK)
            _exit(1);
        abort();
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    OK(st, store_lock(st, "mgfs:reaper", 10));
    store_unlock(st);
}
END_TEST

static void *adds_many(void *arg)
{
    struct store *st = store_new(arg, STORE_BACKGROUND);
    for (uint64_t i = 0; i < 60; i++) {
        uint64_t fid;
        char key[40];
        snprintf(key, sizeof key, "%p-%llu", (void *)st, (unsigned long long)i);
        const struct store_file_open o = {.dmid = 1, .key = span_of(key)};
        OK(st, store_file_open(st, &o, &fid));
        const struct store_file_close c = {
            .fid = fid, .devid = 1, .dmid = 1, .key = span_of(i % 2 == 0 ? key : "same"), .length = 1};
        OK(st, store_file_close(st, &c, NULL));
    }
    store_free(st);
    return NULL;
}

/* Threads that create new keys side by side and overwrite one key: nothing is lost, and no fid is forgotten. */
START_TEST(threads)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, adds_many, fx.env), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(t[i], NULL), 0);
    ck_assert_int_eq(fixture_number(fx.st, "SELECT COUNT(*) FROM file"), 4 * 30 + 1);
    ck_assert_int_eq(fixture_number(fx.st, "SELECT COUNT(*) FROM file_to_delete2"), 4 * 30 - 1);
    ck_assert_int_eq(fixture_number(fx.st, "SELECT COUNT(*) FROM file_to_replicate"), 4 * 60);
    ck_assert_int_eq(fixture_number(fx.st, "SELECT COUNT(*) FROM tempfile"), 0);
}
END_TEST

START_TEST(samples)
{
    struct store *st = fx.st;
    struct store_queue_sample q;
    int64_t now;
    OK(st, store_now(st, &now));
    OK(st, store_queue_sample(st, STORE_QUEUE_REPLICATE, &q));
    ck_assert_uint_eq(q.length + q.due + q.parked + q.first_new_fid + q.last_new_fid, 0);
    ck_assert_int_eq(q.earliest_unix_s, 0);
    for (uint64_t fid = 11; fid <= 20; fid++)
        OK(st, store_replicate_add(st, fid, 0, fid <= 15 ? 0 : 500));
    OK(st, store_queue_park(st, STORE_QUEUE_REPLICATE, 20));
    OK(st, store_queue_sample(st, STORE_QUEUE_REPLICATE, &q));
    ck_assert_uint_eq(q.length, 10);
    ck_assert_uint_eq(q.due, 5);
    ck_assert_uint_eq(q.parked, 1);
    ck_assert_uint_eq(q.first_new_fid, 11);
    ck_assert_uint_eq(q.last_new_fid, 15);
    ck_assert_int_ge(q.earliest_unix_s, now + 500);
    ck_assert_int_le(q.earliest_unix_s, now + 530);
    ck_assert_int_ge(q.now_unix_s, now);
    uint64_t fids[] = {5, 6};
    OK(st, store_delete_add(st, fids, 2, 0));
    OK(st, store_queue_sample(st, STORE_QUEUE_DELETE, &q));
    ck_assert_uint_eq(q.length, 2);
    ck_assert_uint_eq(q.due, 2);
    ck_assert_int_ge(q.earliest_unix_s, now);
    ck_assert_uint_eq(q.first_new_fid, 0);
    struct store_todo todo = {.fid = 3};
    OK(st, store_todo_add(st, STORE_QUEUE_FSCK, &todo, 1));
    OK(st, store_queue_sample(st, STORE_QUEUE_FSCK, &q));
    ck_assert_uint_eq(q.length, 1);
    OK(st, store_queue_sample(st, STORE_QUEUE_REBALANCE, &q));
    ck_assert_uint_eq(q.length, 0);
}
END_TEST

START_TEST(metrics)
{
    struct store *st = fx.st;
    const struct store_metrics *m = store_env_metrics(fx.env);
    OK(st, store_open(st));
    uint64_t before = metric_count(&m->statements), errors = metric_get(&m->errors);
    OK(st, store_ping(st));
    ck_assert_uint_eq(metric_count(&m->statements), before + 1);
    ck_assert_uint_ge(metric_get(&m->connects), 1);
    ck_assert_uint_eq(metric_get(&m->errors), errors);
}
END_TEST

START_TEST(statistics)
{
    struct store *st = fx.st;
    (void)fixture_file(st, 1, "a", 1);
    uint64_t fid = fixture_file(st, 1, "b", 1);
    OK(st, store_devfid_add(st, fid, 2, true, NULL));
    struct store_stats s;
    OK(st, store_stats_read(st, STORE_STAT_FILES, &s));
    ck_assert_uint_eq(s.n, 1);
    ck_assert_uint_eq(s.rows[0].key[0], 1);
    ck_assert_uint_eq(s.rows[0].count, 2);
    ck_assert_uint_eq(s.rows[0].bytes, 20);
    ck_assert_uint_eq(s.rows[0].bytes_full, 30);
    store_stats_free(&s);
    OK(st, store_stats_read(st, STORE_STAT_DEVICES, &s));
    ck_assert_uint_eq(s.n, 2);
    ck_assert_uint_eq(s.rows[0].count, 2);
    store_stats_free(&s);
    OK(st, store_stats_read(st, STORE_STAT_REPLICATION, &s));
    ck_assert_uint_eq(s.n, 2);
    ck_assert_uint_eq(s.rows[1].key[2], 2);
    store_stats_free(&s);
    OK(st, store_stats_read(st, STORE_STAT_DOMAINS, &s));
    store_stats_free(&s);
    OK(st, store_stats_read(st, STORE_STAT_REPLICATE_QUEUE, &s));
    ck_assert_uint_eq(s.rows[0].count, 2);
    store_stats_free(&s);
    OK(st, store_stats_read(st, STORE_STAT_DELETE_QUEUE, &s));
    store_stats_free(&s);
    OK(st, store_stats_read(st, STORE_STAT_GENERAL_QUEUES, &s));
    ck_assert_uint_eq(s.n, 0);
    store_stats_free(&s);
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("store_queue", claims_are_leases, rows_live_and_die, types_do_not_touch_each_other, deletions,
                       legacy_queue, check_log, locks_exclude, lock_of_a_killed_process, threads, samples, metrics,
                       statistics);
}
