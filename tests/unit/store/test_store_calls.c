/* SPDX-License-Identifier: MIT */
/* Writes that go together, and the ends of a copy and of a deletion. On SQLite, or on the server of MOG_TEST_DSN. */
#include "store/store_fixture.h"

#include "store/store_lock.h"
#include "store/store_run.h"

static bool is_queued(struct store *st, enum store_queue q, uint64_t fid)
{
    struct store_queue_row row;
    enum mog_err e = store_queue_find(st, q, fid, &row);
    ck_assert(e == MOG_OK || e == MOG_ENOTFOUND);
    store_queue_row_fini(&row);
    return e == MOG_OK;
}

START_TEST(all_or_nothing)
{
    struct store *st = fx.st;
    const struct sql_value fid = sql_int(7);
    struct sql_value rows[] = {sql_int(7), sql_int(3), sql_int(8), sql_int(4), sql_int(9), sql_int(5)};
    struct store_call calls[] = {
        {.bulk = {.id = SQL_TEMPFILE_DELETE, .head = &fid, .n_head = 1}, .is_before = true},
        {.bulk = {.id = SQL_DEVFID_ADD_MANY, .rows = rows, .width = 2, .n = 3}},
        {.bulk = {.id = SQL_REPLICATE_DONE, .head = &fid, .n_head = 1}},
    };
    OK(st, store_replicate_add(st, 7, 0, 0));
    OK(st, store_lock_fid(st, 7, 0));
    OK(st, store_run_calls(st, calls, 3, false));
    ck_assert_uint_eq(calls[0].affected, 0);
    ck_assert_uint_eq(calls[1].affected, 3);
    ck_assert_uint_eq(calls[2].affected, 1);
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM file_on"), 3);
    ck_assert_ptr_nonnull(store_lock_held(st));
    /* A value that the last one refuses undoes the others, and the handle goes on working. */
    OK(st, store_replicate_add(st, 7, 0, 0));
    const struct sql_value bad[] = {sql_int(1), sql_int(1), sql_int(1), SQL_ARG_NULL};
    struct store_call failing[] = {
        {.bulk = {.id = SQL_REPLICATE_DONE, .head = &fid, .n_head = 1}},
        {.bulk = {.id = SQL_CHECKSUM_SET, .head = bad + 1, .n_head = 3}},
    };
    enum mog_err e = store_run_calls(st, failing, 2, true);
    ck_assert_int_ne(e, MOG_OK);
    ck_assert(!store_is_in_transaction(st));
    ck_assert(is_queued(st, STORE_QUEUE_REPLICATE, 7));
    ck_assert_ptr_nonnull(store_lock_held(st));
    OK(st, store_run_calls(st, calls + 2, 1, true));
    ck_assert(!is_queued(st, STORE_QUEUE_REPLICATE, 7));
    ck_assert_ptr_null(store_lock_held(st));
    OK(st, store_lock_fid(st, 7, 0));
    store_unlock(st);
}
END_TEST

START_TEST(locked_reads)
{
    struct store *st = fx.st;
    uint64_t fid = fixture_file(st, 1, "a", 3);
    struct store_found f;
    struct store *other = store_new(fx.env, STORE_BACKGROUND);
    OK(st, store_file_get_locked(st, fid, 0, STORE_READ_DEVIDS | STORE_READ_CHECKSUM, &f));
    ck_assert_uint_eq(f.file.fid, fid);
    ck_assert_uint_eq(f.devids.n, 1);
    ck_assert_uint_eq(f.devids.rows[0], 3);
    ck_assert(span_is(store_bytes_span(&f.file.key), "a"));
    store_found_free(&f);
    ck_assert_ptr_nonnull(store_lock_held(st));
    FAILS(other, MOG_ELOCKED, store_file_get_locked(other, fid, 0, STORE_READ_DEVIDS, &f));
    ck_assert_ptr_null(store_lock_held(other));
    FAILS(st, MOG_EINVAL, store_file_get_locked(st, fid, 0, 0, &f)); /* one lock a handle */
    store_unlock(st);
    FAILS(other, MOG_ENOTFOUND, store_file_get_locked(other, 99, 0, 0, &f));
    ck_assert_ptr_nonnull(store_lock_held(other));
    store_unlock(other);
    OK(st, store_file_get_locked(st, fid, 0, 0, &f));
    store_found_free(&f);
    store_unlock(st);
    store_free(other);
}
END_TEST

START_TEST(the_last_copy)
{
    struct store *st = fx.st;
    uint64_t fid = fixture_file(st, 1, "a", 3);
    uint32_t host;
    const struct store_host_edit edit = {.set = STORE_HOST_STATUS | STORE_HOST_IP | STORE_HOST_PORT,
                                         .status = "alive",
                                         .hostip = "127.0.0.1",
                                         .http_port = 7500};
    OK(st, store_host_create(st, span_of("h"), &edit, &host));
    OK(st, store_device_create(st, 3, host, "alive"));
    OK(st, store_device_create(st, 4, host, "alive"));
    OK(st, store_device_create(st, 5, host, "dead"));
    OK(st, store_replicate_add(st, fid, 0, 0));
    struct store_found f;
    struct store_checksum sum = {.hashtype = 1, .len = 16, .bytes = {0, '\'', '\\', 0xff}};
    OK(st, store_file_get_locked(st, fid, 0, 0, &f));
    store_found_free(&f);
    const struct store_judged by = {.classid = f.file.classid, .n_on = 2};
    struct store_replica r = {.fid = fid, .devid = 5, .recount = true, .last = &by};
    FAILS(st, MOG_EDEAD, store_devfid_add_replica(st, &r));
    store_unlock(st);
    ck_assert_msg(is_queued(st, STORE_QUEUE_REPLICATE, fid), "nothing is done on a dead device");
    OK(st, store_file_get_locked(st, fid, 0, 0, &f));
    store_found_free(&f);
    r.devid = 4;
    r.checksum = &sum;
    OK(st, store_devfid_add_replica(st, &r));
    ck_assert_ptr_null(store_lock_held(st));
    ck_assert(!is_queued(st, STORE_QUEUE_REPLICATE, fid));
    OK(st, store_file_get(st, fid, STORE_READ_DEVIDS | STORE_READ_CHECKSUM, &f));
    ck_assert_uint_eq(f.file.devcount, 2);
    ck_assert_uint_eq(f.devids.n, 2);
    ck_assert_uint_eq(f.checksum.hashtype, 1);
    ck_assert_mem_eq(f.checksum.bytes, sum.bytes, 16);
    store_found_free(&f);
}
END_TEST

/* Due again in a moment, without a failure; and the lock is free. */
static void check_stays(struct store *st, uint64_t fid)
{
    struct store_queue_row q;
    int64_t now;
    OK(st, store_now(st, &now));
    ck_assert_ptr_null(store_lock_held(st));
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, fid, &q));
    ck_assert_int_gt(q.nexttry, 0);
    ck_assert_int_le(q.nexttry, now + 5);
    ck_assert_uint_eq(q.failcount, 0);
}

START_TEST(changed_meanwhile)
{
    struct store *st = fx.st;
    uint64_t fid = fixture_file(st, 1, "a", 3);
    struct store_found f;
    OK(st, store_replicate_add(st, fid, 0, 0));
    OK(st, store_file_get(st, fid, STORE_READ_DEVIDS, &f));
    const struct store_judged first = {.classid = f.file.classid, .n_on = 1};
    const struct store_judged after = {.classid = f.file.classid + 1, .n_on = 2};
    store_found_free(&f);
    /* A location more than was judged by, and one less. */
    struct store_judged by = first;
    OK(st, store_devfid_add(st, fid, 4, false, NULL));
    OK(st, store_lock_fid(st, fid, 0));
    OK(st, store_replicate_done(st, fid, &by));
    check_stays(st, fid);
    by.n_on = 3;
    const struct store_replica r = {.fid = fid, .devid = 4, .recount = true, .last = &by};
    OK(st, store_lock_fid(st, fid, 0));
    OK(st, store_devfid_add_replica(st, &r));
    check_stays(st, fid);
    /* Another class, whose own request for replication has found the row there. */
    OK(st, store_file_set_class(st, fid, after.classid));
    by = (struct store_judged){.classid = first.classid, .n_on = 2};
    OK(st, store_lock_fid(st, fid, 0));
    OK(st, store_devfid_add_replica(st, &r));
    check_stays(st, fid);
    OK(st, store_lock_fid(st, fid, 0));
    OK(st, store_replicate_done(st, fid, &after));
    ck_assert(!is_queued(st, STORE_QUEUE_REPLICATE, fid));
    ck_assert_ptr_null(store_lock_held(st));
    /* A row that is not there is no failure. */
    OK(st, store_replicate_done(st, fid, &after));
    ck_assert(!is_queued(st, STORE_QUEUE_REPLICATE, fid));
}
END_TEST

START_TEST(deletions)
{
    struct store *st = fx.st;
    struct store_devids d;
    struct store_queue_row q;
    const uint64_t fid = 7;
    const uint32_t all[] = {1, 2};
    int64_t now;
    OK(st, store_now(st, &now));
    OK(st, store_delete_add(st, &fid, 1, 0));
    OK(st, store_devfid_add(st, fid, 1, false, NULL));
    OK(st, store_devfid_add(st, fid, 2, false, NULL));
    const struct store_checksum sum = {.hashtype = 1, .len = 16};
    OK(st, store_checksum_set(st, fid, &sum));
    OK(st, store_delete_begin(st, fid, 0, &d));
    ck_assert_uint_eq(d.n, 2);
    store_devids_free(&d);
    /* One copy could not be deleted. */
    struct store_delete_end end = {.gone = all, .n_gone = 1, .delay_s = 600, .failed = true};
    OK(st, store_delete_end(st, fid, &end));
    ck_assert_ptr_null(store_lock_held(st));
    OK(st, store_queue_find(st, STORE_QUEUE_DELETE, fid, &q));
    ck_assert_uint_eq(q.failcount, 1);
    ck_assert_int_ge(q.nexttry, now + 600);
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM checksum"), 0);
    /* A location that was recorded meanwhile keeps the fid in the queue. */
    OK(st, store_delete_begin(st, fid, 0, &d));
    ck_assert_uint_eq(d.n, 1);
    ck_assert_uint_eq(d.rows[0], 2);
    store_devids_free(&d);
    OK(st, store_devfid_add(st, fid, 3, false, NULL));
    end = (struct store_delete_end){.gone = all + 1, .n_gone = 1, .is_done = true};
    OK(st, store_delete_end(st, fid, &end));
    OK(st, store_queue_find(st, STORE_QUEUE_DELETE, fid, &q));
    ck_assert_int_le(q.nexttry, now + 100);
    OK(st, store_delete_begin(st, fid, 0, &d));
    ck_assert_uint_eq(d.n, 1);
    end.gone = d.rows;
    OK(st, store_delete_end(st, fid, &end));
    store_devids_free(&d);
    FAILS(st, MOG_ENOTFOUND, store_queue_find(st, STORE_QUEUE_DELETE, fid, &q));
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM file_on"), 0);
    /* Nothing was recorded at all. */
    OK(st, store_delete_add(st, &fid, 1, 0));
    OK(st, store_delete_begin(st, fid, 0, &d));
    ck_assert_uint_eq(d.n, 0);
    store_devids_free(&d);
    end = (struct store_delete_end){.is_done = true};
    OK(st, store_delete_end(st, fid, &end));
    FAILS(st, MOG_ENOTFOUND, store_queue_find(st, STORE_QUEUE_DELETE, fid, &q));
}
END_TEST

/* On the servers whose driver can send several statements at once, each of these ends is one round trip. */
START_TEST(round_trips)
{
    struct store *st = fx.st;
    uint64_t fid = fixture_file(st, 1, "a", 3), before;
    struct store_found f;
    OK(st, store_open(st));
    if (!store_can_run_together(st))
        return;
    before = store_statements(st);
    OK(st, store_file_get_locked(st, fid, 0, STORE_READ_DEVIDS, &f));
    store_found_free(&f);
    const struct store_delete_end end = {.is_done = true, .gone = (const uint32_t[]){3}, .n_gone = 1};
    OK(st, store_delete_end(st, fid, &end));
    ck_assert_uint_le(store_statements(st) - before, 3); /* the queue's row was not there: one more */
    ck_assert_ptr_null(store_lock_held(st));
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("store_calls", all_or_nothing, locked_reads, the_last_copy, changed_meanwhile, deletions,
                       round_trips);
}
