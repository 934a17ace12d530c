/* SPDX-License-Identifier: MIT */
/* Uploads that are registered together: each has a number of its own, what is wrong with one is told. */
#include "store/store_fixture.h"

struct opens {
    char keys[STORE_OPEN_MANY][32], devids[STORE_OPEN_MANY][48];
    struct store_file_open all[STORE_OPEN_MANY];
    uint64_t fids[STORE_OPEN_MANY];
};

static void make(struct opens *o, size_t n, const char *prefix)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(o->keys[i], sizeof o->keys[i], "%s%zu", prefix, i);
        snprintf(o->devids[i], sizeof o->devids[i], "%zu,%zu", i + 1, i + 2);
        o->all[i] = (struct store_file_open){
            .dmid = 1, .classid = (uint32_t)i, .key = span_of(o->keys[i]), .devids = o->devids[i]};
        o->fids[i] = UINT64_MAX;
    }
}

static int64_t rows(void)
{
    return fixture_number(fx.st, "SELECT COUNT(*) FROM tempfile");
}

static bool can(void)
{
    OK(fx.st, store_open(fx.st));
    return store_can_open_many(fx.st);
}

START_TEST(each_number_of_them)
{
    struct opens o;
    uint64_t last = 0;
    for (size_t n = 1; can() && n <= STORE_OPEN_MANY; n++) {
        int64_t before = rows();
        uint64_t statements = store_statements(fx.st);
        make(&o, n, "key");
        OK(fx.st, store_file_open_many(fx.st, o.all, n, o.fids));
        ck_assert_uint_le(store_statements(fx.st) - statements, 2 + 1 /* what rows() took */);
        ck_assert_int_eq(rows(), before + (int64_t)n);
        for (size_t i = 0; i < n; i++) {
            struct store_tempfile t = {0};
            ck_assert_uint_gt(o.fids[i], last);
            last = o.fids[i];
            OK(fx.st, store_tempfile_get(fx.st, o.fids[i], &t));
            ck_assert_uint_eq(t.classid, i);
            ck_assert_uint_eq(t.key.len, strlen(o.keys[i]));
            ck_assert_mem_eq(t.key.ptr, o.keys[i], t.key.len);
            store_tempfile_fini(&t);
        }
    }
}
END_TEST

START_TEST(one_that_is_wrong)
{
    struct opens o;
    if (!can())
        return;
    make(&o, 7, "key");
    o.all[4].dmid = 70000;
    FAILS(fx.st, MOG_ERANGE, store_file_open_many(fx.st, o.all, 7, o.fids));
    ck_assert_int_eq(rows(), 0);
    for (size_t i = 0; i < 7; i++)
        ck_assert_uint_eq(o.fids[i], 0);
}
END_TEST

START_TEST(one_that_is_refused)
{
    struct opens o;
    if (store_backend(fx.st) != STORE_SQLITE)
        return; /* elsewhere a trigger is written otherwise */
    fixture_sql(fx.st,
                "CREATE TRIGGER no_bad BEFORE INSERT ON tempfile WHEN CAST(NEW.dkey AS TEXT) LIKE 'bad%' "
                "BEGIN SELECT RAISE(ABORT, 'bad key'); END",
                NULL);
    make(&o, 5, "key");
    o.all[3].key = span_of("bad");
    ck_assert_int_ne(store_file_open_many(fx.st, o.all, 5, o.fids), MOG_OK);
    ck_assert_int_eq(rows(), 0);
    ck_assert_uint_eq(o.fids[0], 0);
}
END_TEST

/* A server that has forgotten its counter gives numbers that files have. */
START_TEST(numbers_that_are_used)
{
    struct opens o;
    uint64_t fid = 0;
    if (!can())
        return;
    make(&o, 3, "key");
    OK(fx.st, store_file_open_many(fx.st, o.all, 1, o.fids));
    char text[200];
    snprintf(text, sizeof text,
             "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (%llu, 1, 'taken', 1, 0, 1)",
             (unsigned long long)o.fids[0] + 2);
    fixture_sql(fx.st, text, NULL);
    uint64_t used = o.fids[0] + 2;
    OK(fx.st, store_file_open_many(fx.st, o.all, 3, o.fids));
    ck_assert_uint_eq(o.fids[0], used - 1);
    ck_assert_uint_eq(o.fids[1], 0);
    ck_assert_uint_eq(o.fids[2], used + 1);
    OK(fx.st, store_file_open(fx.st, &o.all[1], &fid));
    ck_assert_uint_gt(fid, used);
    ck_assert_int_eq(fixture_number(fx.st, "SELECT COUNT(*) FROM tempfile t, file f WHERE t.fid = f.fid"), 0);
}
END_TEST

START_TEST(a_number_that_is_used_and_a_failure)
{
    struct opens o;
    if (store_backend(fx.st) != STORE_SQLITE)
        return; /* elsewhere a trigger is written otherwise */
    make(&o, 3, "key");
    OK(fx.st, store_file_open_many(fx.st, o.all, 1, o.fids));
    char text[200];
    snprintf(text, sizeof text,
             "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (%llu, 1, 'taken', 1, 0, 1)",
             (unsigned long long)o.fids[0] + 2);
    fixture_sql(fx.st, text, NULL);
    fixture_sql(fx.st, "CREATE TRIGGER stays BEFORE DELETE ON tempfile BEGIN SELECT RAISE(ABORT, 'it stays'); END",
                NULL);
    ck_assert_int_ne(store_file_open_many(fx.st, o.all, 3, o.fids), MOG_OK);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(o.fids[i], 0);
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("store_open_many", each_number_of_them, one_that_is_wrong, one_that_is_refused,
                       numbers_that_are_used, a_number_that_is_used_and_a_failure);
}
