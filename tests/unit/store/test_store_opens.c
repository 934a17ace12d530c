/* SPDX-License-Identifier: MIT */
/* Uploads that are registered together: each has a number of its own, what is wrong with one is told to that one. */
#include "store/store_opens.h"
#include "store/store_fixture.h"

#include "common/clock.h"

#include <pthread.h>

enum { THREADS = 12, OPENS = 30 };

struct opener {
    pthread_t id;
    size_t number, n;
    uint64_t fids[OPENS], statements;
    enum mog_err last;
};

/* Its keys begin with its number; "bad" ones are refused by a trigger. */
static void *opener(void *arg)
{
    struct opener *o = arg;
    struct store *st = store_new(fx.env, STORE_CLIENT);
    char key[32], devids[16];
    for (size_t i = 0; i < o->n; i++) {
        snprintf(key, sizeof key, "%s%zu-%zu", o->number == 0 ? "bad" : "good", o->number, i);
        snprintf(devids, sizeof devids, "%zu", o->number + 1);
        const struct store_file_open open = {
            .dmid = 1, .classid = (uint32_t)o->number, .key = span_of(key), .devids = devids};
        o->last = store_file_open(st, &open, &o->fids[i]);
    }
    o->statements = store_statements(st);
    store_free(st);
    return NULL;
}

static void start(struct opener *all, size_t n_each)
{
    for (size_t i = 0; i < THREADS; i++) {
        all[i] = (struct opener){.number = i, .n = n_each};
        ck_assert_int_eq(pthread_create(&all[i].id, NULL, opener, &all[i]), 0);
    }
}

static void join(struct opener *all)
{
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(all[i].id, NULL), 0);
}

static void check_row(const struct opener *o, size_t i)
{
    char text[160];
    snprintf(text, sizeof text,
             "SELECT COUNT(*) FROM tempfile WHERE fid = %llu AND dmid = 1 AND classid = %zu AND devids = '%zu'",
             (unsigned long long)o->fids[i], o->number, o->number + 1);
    ck_assert_int_eq(fixture_number(fx.st, text), 1);
    struct store_upload u;
    char key[32];
    snprintf(key, sizeof key, "%s%zu-%zu", o->number == 0 ? "bad" : "good", o->number, i);
    OK(fx.st, store_upload_read(fx.st, o->fids[i], o->number + 1, 1, span_of(key), &u));
    ck_assert_uint_eq(u.temp.fid, o->fids[i]);
    ck_assert_uint_eq(u.temp.key.len, strlen(key));
    ck_assert_mem_eq(u.temp.key.ptr, key, strlen(key));
    store_upload_free(&u);
}

START_TEST(many_at_once)
{
    struct opener all[THREADS];
    start(all, OPENS);
    join(all);
    ck_assert_int_eq(fixture_number(fx.st, "SELECT COUNT(*) FROM tempfile"), THREADS * OPENS);
    for (size_t t = 0; t < THREADS; t++)
        for (size_t i = 0; i < OPENS; i++)
            check_row(&all[t], i);
}
END_TEST

/* While another writes, two lead and ten gather. */
static void gather(struct opener *all)
{
    struct store_opens *s = &fx.env->opens;
    OK(fx.st, store_begin(fx.st));
    start(all, 1);
    struct deadline by = deadline_in(30000);
    bool is_full = false;
    while (!is_full && !deadline_is_past(by)) {
        size_t n = 0;
        pthread_mutex_lock(&s->lock);
        for (const struct store_opens_wait *w = s->first; w != NULL; w = *(struct store_opens_wait *const *)w)
            n++;
        is_full = s->running == 2 && n == THREADS - 2;
        pthread_mutex_unlock(&s->lock);
        clock_sleep_ms(1);
    }
    ck_assert_msg(is_full, "all are on their way");
    store_rollback(fx.st);
    join(all);
}

START_TEST(those_who_wait_share)
{
    struct opener all[THREADS];
    uint64_t statements = 0;
    if (store_backend(fx.st) != STORE_SQLITE)
        return; /* only there a test can hold all others up */
    gather(all);
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(all[i].last, MOG_OK);
        check_row(&all[i], 0);
        statements += all[i].statements;
    }
    ck_assert_uint_eq(statements, 3);
}
END_TEST

START_TEST(one_that_is_refused)
{
    struct opener all[THREADS];
    if (store_backend(fx.st) != STORE_SQLITE)
        return;
    fixture_sql(fx.st,
                "CREATE TRIGGER no_bad BEFORE INSERT ON tempfile WHEN CAST(NEW.dkey AS TEXT) LIKE 'bad%' "
                "BEGIN SELECT RAISE(ABORT, 'bad key'); END",
                NULL);
    gather(all);
    ck_assert_int_ne(all[0].last, MOG_OK);
    for (size_t i = 1; i < THREADS; i++) {
        ck_assert_int_eq(all[i].last, MOG_OK);
        check_row(&all[i], 0);
    }
    ck_assert_int_eq(fixture_number(fx.st, "SELECT COUNT(*) FROM tempfile"), THREADS - 1);
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("store_opens", many_at_once, those_who_wait_share, one_that_is_refused);
}
