/* SPDX-License-Identifier: MIT */
/* Files: uploads, keys, lists, locations, checksums. On SQLite, or on the server of MOG_TEST_DSN. */
#include "store/store_fixture.h"

static struct span bytes(const char *s, size_t n)
{
    return span_make(s, n);
}

static bool has_temp(uint64_t fid)
{
    struct store_tempfile t;
    enum mog_err e = store_tempfile_get(fx.st, fid, &t);
    store_tempfile_fini(&t);
    return e == MOG_OK;
}

START_TEST(upload_becomes_file)
{
    struct store *st = fx.st;
    uint32_t dmid = fixture_domain(st, "d");
    uint64_t fid, replaced = 77;
    const struct store_file_open o = {.dmid = dmid, .classid = 3, .key = span_of("k"), .devids = "5,6"};
    OK(st, store_file_open(st, &o, &fid));
    ck_assert_uint_gt(fid, 0);

    struct store_upload u;
    OK(st, store_upload_read(st, fid, 5, dmid, span_of("k"), &u));
    ck_assert(u.is_open);
    ck_assert(!u.has_old);
    ck_assert_uint_eq(u.temp.classid, 3);
    ck_assert_str_eq(u.temp.devids.ptr, "5,6");
    ck_assert_str_eq(u.temp.key.ptr, "k");
    store_upload_free(&u);

    struct store_checksum sum = {.hashtype = 1, .len = 16, .bytes = {0, 255, 7}};
    const struct store_file_close c = {.fid = fid,
                                       .devid = 5,
                                       .dmid = dmid,
                                       .classid = 3,
                                       .key = span_of("k"),
                                       .length = 5000000000,
                                       .checksum = &sum};
    OK(st, store_file_close(st, &c, &replaced));
    ck_assert_uint_eq(replaced, 0);
    FAILS(st, MOG_ENOTFOUND, store_file_close(st, &c, &replaced));
    ck_assert(!has_temp(fid));

    struct store_found f;
    OK(st, store_file_find(st, dmid, span_of("k"), STORE_READ_DEVIDS | STORE_READ_CHECKSUM, &f));
    ck_assert_uint_eq(f.file.fid, fid);
    ck_assert_uint_eq(f.file.length, 5000000000);
    ck_assert_uint_eq(f.file.devcount, 1);
    ck_assert_uint_eq(f.file.classid, 3);
    ck_assert_uint_eq(f.devids.n, 1);
    ck_assert_uint_eq(f.devids.rows[0], 5);
    ck_assert_uint_eq(f.checksum.hashtype, 1);
    ck_assert_mem_eq(f.checksum.bytes, sum.bytes, 16);
    store_found_free(&f);

    struct store_queue_row q;
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, fid, &q));
    ck_assert_int_eq(q.nexttry, 0);

    OK(st, store_upload_read(st, fid, 5, dmid, span_of("k"), &u));
    ck_assert(!u.is_open);
    ck_assert(u.has_old);
    ck_assert(u.old_on_device);
    ck_assert_uint_eq(u.old.fid, fid);
    ck_assert_uint_eq(u.old_checksum.hashtype, 1);
    store_upload_free(&u);
    OK(st, store_upload_read(st, fid, 6, dmid, span_of("k"), &u));
    ck_assert(u.has_old && !u.old_on_device);
    store_upload_free(&u);
}
END_TEST

START_TEST(overwrite_queues_the_old_file)
{
    struct store *st = fx.st;
    uint32_t dmid = fixture_domain(st, "d");
    uint64_t old = fixture_file(st, dmid, "k", 1);
    for (int hint = 0; hint < 2; hint++) {
        uint64_t fid, replaced;
        const struct store_file_open o = {.dmid = dmid, .key = span_of("k")};
        OK(st, store_file_open(st, &o, &fid));
        const struct store_file_close c = {
            .fid = fid, .devid = 2, .dmid = dmid, .key = span_of("k"), .length = 1, .old_fid = hint == 1 ? old : 0};
        OK(st, store_file_close(st, &c, &replaced));
        ck_assert_uint_eq(replaced, old);
        struct store_queue_row q;
        OK(st, store_queue_find(st, STORE_QUEUE_DELETE, old, &q));
        struct store_found f;
        FAILS(st, MOG_ENOTFOUND, store_file_get(st, old, 0, &f));
        OK(st, store_file_find(st, dmid, span_of("k"), 0, &f));
        ck_assert_uint_eq(f.file.fid, fid);
        store_found_free(&f);
        old = fid;
    }
}
END_TEST

START_TEST(close_of_a_fid_that_is_a_file)
{
    struct store *st = fx.st;
    uint32_t dmid = fixture_domain(st, "d");
    uint64_t fid = fixture_file(st, dmid, "k", 1);
    fixture_sql(st, "INSERT INTO tempfile (fid, dmid, classid, createtime) SELECT fid, 1, 0, 1 FROM file", NULL);
    struct store_file_close c = {.fid = fid, .devid = 2, .dmid = dmid, .key = span_of("k"), .length = 1};
    FAILS(st, MOG_EEXISTS, store_file_close(st, &c, NULL));
    c.key = span_of("other");
    FAILS(st, MOG_EEXISTS, store_file_close(st, &c, NULL));
    ck_assert(has_temp(fid));
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM file_on"), 1);
}
END_TEST

/* Its only copy would be forgotten by the reaper. */
START_TEST(nothing_is_put_on_a_dead_device)
{
    struct store *st = fx.st;
    uint32_t host;
    const struct store_host_edit edit = {.set = STORE_HOST_STATUS | STORE_HOST_IP | STORE_HOST_PORT,
                                         .status = "alive",
                                         .hostip = "127.0.0.1",
                                         .http_port = 7500};
    uint64_t fid, replaced;
    const struct store_file_open o = {.dmid = 1, .key = span_of("k")};
    OK(st, store_host_create(st, span_of("h"), &edit, &host));
    OK(st, store_device_create(st, 1, host, "alive"));
    OK(st, store_device_create(st, 2, host, "dead"));
    OK(st, store_file_open(st, &o, &fid));
    struct store_file_close c = {.fid = fid, .devid = 2, .dmid = 1, .key = span_of("k"), .length = 1};
    FAILS(st, MOG_EDEAD, store_file_close(st, &c, &replaced));
    struct store_upload u;
    OK(st, store_upload_read(st, fid, 2, 1, span_of("k"), &u));
    ck_assert(u.is_open && !u.has_old);
    store_upload_free(&u);
    c.devid = 1;
    OK(st, store_file_close(st, &c, &replaced));
    const struct store_replica r = {.fid = fid, .devid = 2, .recount = true};
    FAILS(st, MOG_EDEAD, store_devfid_add_replica(st, &r));
    const struct store_replica again = {.fid = fid, .devid = 1, .recount = true};
    OK(st, store_devfid_add_replica(st, &again));
    struct store_found f;
    OK(st, store_file_get(st, fid, STORE_READ_DEVIDS, &f));
    ck_assert_uint_eq(f.file.devcount, 1);
    ck_assert_uint_eq(f.devids.n, 1);
    store_found_free(&f);
    /* Nor is what is on a living one forgotten, by a reaper that has not seen it come back. */
    FAILS(st, MOG_EINVAL, store_devfid_reap(st, 1, &fid, 1, 1));
    OK(st, store_file_get(st, fid, STORE_READ_DEVIDS, &f));
    ck_assert_uint_eq(f.devids.n, 1);
    store_found_free(&f);
    OK(st, store_device_set_status(st, 1, "dead"));
    OK(st, store_devfid_reap(st, 1, &fid, 1, 1));
}
END_TEST

START_TEST(discard_leaves_it_to_the_delete_worker)
{
    struct store *st = fx.st;
    uint64_t fid;
    const struct store_file_open o = {.dmid = 1, .key = span_of("")};
    OK(st, store_file_open(st, &o, &fid));
    OK(st, store_file_discard(st, fid, 9));
    FAILS(st, MOG_ENOTFOUND, store_file_discard(st, fid, 9));
    ck_assert(!has_temp(fid));
    struct store_queue_row q;
    OK(st, store_queue_find(st, STORE_QUEUE_DELETE, fid, &q));
    struct store_devids d;
    OK(st, store_delete_begin(st, fid, 0, &d));
    ck_assert_uint_eq(d.n, 1);
    ck_assert_uint_eq(d.rows[0], 9);
    store_devids_free(&d);
    store_unlock(st);
}
END_TEST

START_TEST(explicit_fids)
{
    struct store *st = fx.st;
    uint64_t fid;
    int64_t base = fixture_number(st, "SELECT 1") + (int64_t)5000000;
    const struct store_file_open o = {.fid = (uint64_t)base, .dmid = 1, .key = span_of("k")};
    OK(st, store_file_open(st, &o, &fid));
    ck_assert_uint_eq(fid, (uint64_t)base);
    FAILS(st, MOG_EEXISTS, store_file_open(st, &o, &fid));
    ck_assert_uint_eq(fid, 0);
    /* The counter went along. */
    const struct store_file_open next = {.dmid = 1, .key = span_of("k")};
    OK(st, store_file_open(st, &next, &fid));
    ck_assert_uint_eq(fid, (uint64_t)base + 1);
    /* One that a file has, and one below those in use. */
    uint64_t file = fixture_file(st, 1, "f", 1);
    const struct store_file_open taken = {.fid = file, .dmid = 1, .key = span_of("k")};
    FAILS(st, MOG_EEXISTS, store_file_open(st, &taken, &fid));
    ck_assert(!has_temp(file));
    /* One that is being deleted: what has its number would be deleted too. */
    const struct store_file_open again = {.fid = (uint64_t)base, .dmid = 1, .key = span_of("k")};
    OK(st, store_file_discard(st, (uint64_t)base, 9));
    FAILS(st, MOG_EEXISTS, store_file_open(st, &again, &fid));
    ck_assert(!has_temp((uint64_t)base));
    store_env_set_min_fid(fx.env, (uint64_t)base + 100);
    const struct store_file_open low = {.fid = (uint64_t)base + 50, .dmid = 1, .key = span_of("k")};
    FAILS(st, MOG_EEXISTS, store_file_open(st, &low, &fid));
    /* None may leave no numbers for others. */
    const struct store_file_open high = {.fid = INT64_MAX, .dmid = 1, .key = span_of("k")};
    FAILS(st, MOG_ERANGE, store_file_open(st, &high, &fid));
    OK(st, store_file_open(st, &next, &fid));
    const struct store_file_open huge = {.fid = UINT64_MAX, .dmid = 1, .key = span_of("k")};
    FAILS(st, MOG_ERANGE, store_file_open(st, &huge, &fid));
    char long_key[300];
    memset(long_key, 'x', sizeof long_key);
    const struct store_file_open too_long = {.dmid = 1, .key = span_make(long_key, 256)};
    FAILS(st, MOG_ETOOLONG, store_file_open(st, &too_long, &fid));
}
END_TEST

/* What the original made may be narrow: there is nothing behind its end, which is no failure. */
START_TEST(fids_beyond_the_column)
{
    static const char *const narrow[] = {
        "file", "tempfile", "file_on", "checksum", "file_to_replicate", "file_to_delete2", "file_to_queue"};
    struct store *st = fx.st;
    struct store_debug d;
    struct store_upload u;
    const uint64_t fid = 5000000000;
    char text[100];
    for (size_t i = 0; i < sizeof narrow / sizeof narrow[0] && store_backend(st) == STORE_PGSQL; i++) {
        snprintf(text, sizeof text, "ALTER TABLE %s ALTER fid TYPE int4", narrow[i]);
        fixture_sql(st, text, NULL);
    }
    OK(st, store_debug_read(st, fid, &d));
    ck_assert(!d.has_file && !d.has_temp && !d.has_replicate && !d.has_delete && !d.has_fsck && d.devids.n == 0);
    store_debug_free(&d);
    OK(st, store_upload_read(st, fid, 1, 1, span_of("k"), &u));
    ck_assert(!u.is_open && !u.has_old);
    store_upload_free(&u);
    for (size_t i = 0; i < sizeof narrow / sizeof narrow[0] && store_backend(st) == STORE_PGSQL; i++) {
        snprintf(text, sizeof text, "ALTER TABLE %s ALTER fid TYPE int8", narrow[i]);
        fixture_sql(st, text, NULL);
    }
}
END_TEST

START_TEST(the_first_fid_can_be_chosen)
{
    struct store *st = fx.st;
    uint64_t fid;
    const struct store_file_open first = {.fid = 1, .dmid = 1, .key = span_of("k")};
    const struct store_file_open next = {.dmid = 1, .key = span_of("k")};
    /* Other tests have used the database before. */
    if (store_backend(st) == STORE_MYSQL)
        fixture_sql(st, "ALTER TABLE tempfile AUTO_INCREMENT = 1", NULL);
    else if (store_backend(st) == STORE_PGSQL)
        fixture_sql(st, "ALTER SEQUENCE tempfile_fid_seq RESTART", NULL);
    OK(st, store_file_open(st, &first, &fid));
    OK(st, store_file_open(st, &next, &fid));
    ck_assert_uint_gt(fid, 1); /* nodes of a cluster take steps of their number */
}
END_TEST

START_TEST(counter_that_went_back)
{
    struct store *st = fx.st;
    uint64_t first = fixture_file(st, 1, "a", 1), fid;
    char text[200];
    snprintf(text, sizeof text,
             "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (%llu, 1, 'b', 1, 0, 1)",
             (unsigned long long)first + 1);
    fixture_sql(st, text, NULL);
    store_env_set_min_fid(fx.env, first + 500);
    const struct store_file_open o = {.dmid = 1, .key = span_of("c")};
    OK(st, store_file_open(st, &o, &fid));
    ck_assert_uint_gt(fid, first + 500);
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM tempfile"), 1);
    store_env_set_min_fid(fx.env, 0);
    uint64_t known;
    OK(st, store_file_max_known_fid(st, &known));
    ck_assert_uint_eq(known, first + 1);
    OK(st, store_devfid_add(st, first + 40, 1, false, NULL));
    OK(st, store_file_max_known_fid(st, &known));
    ck_assert_uint_eq(known, first + 40);
}
END_TEST

START_TEST(names_are_bytes)
{
    static const char *const keys[] = {"Key", "key", "key ", "\xff\xfe", "\xe5\x9b\xbe", "a'b\"c\\d"};
    struct store *st = fx.st;
    bool are_bytes;
    OK(st, store_keys_are_bytes(st, &are_bytes));
    ck_assert(are_bytes);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        (void)fixture_file(st, 1, keys[i], 1);
    uint64_t fid;
    const struct span nul = bytes("n\0ul", 4);
    const struct store_file_open o = {.dmid = 1, .key = nul};
    OK(st, store_file_open(st, &o, &fid));
    const struct store_file_close c = {.fid = fid, .devid = 1, .dmid = 1, .key = nul, .length = 1};
    OK(st, store_file_close(st, &c, NULL));
    struct store_keys l;
    struct store_list_keys want = {.dmid = 1, .limit = 1000};
    OK(st, store_file_list_keys(st, &want, &l));
    ck_assert_uint_eq(l.n, 7);
    static const struct {
        const char *key;
        size_t len;
    } order[] = {{"Key", 3},   {"a'b\"c\\d", 7},    {"key", 3},     {"key ", 4},
                 {"n\0ul", 4}, {"\xe5\x9b\xbe", 3}, {"\xff\xfe", 2}};
    for (size_t i = 0; i < l.n; i++) {
        ck_assert_uint_eq(l.rows[i].len, order[i].len);
        ck_assert_mem_eq(l.rows[i].ptr, order[i].key, order[i].len);
    }
    store_keys_free(&l);
    want.prefix = bytes("n\0", 2);
    OK(st, store_file_list_keys(st, &want, &l));
    ck_assert_uint_eq(l.n, 1);
    store_keys_free(&l);
    want.prefix = span_of("\xff");
    OK(st, store_file_list_keys(st, &want, &l));
    ck_assert_uint_eq(l.n, 1);
    store_keys_free(&l);
    want.prefix = span_of("KEY");
    OK(st, store_file_list_keys(st, &want, &l));
    ck_assert_uint_eq(l.n, 0);
    store_keys_free(&l);
    struct store_found f;
    OK(st, store_file_find(st, 1, nul, 0, &f));
    ck_assert_uint_eq(f.file.key.len, 4);
    store_found_free(&f);
    FAILS(st, MOG_ENOTFOUND, store_file_find(st, 1, span_of("n"), 0, &f));
    uint32_t dmid, again;
    OK(st, store_domain_create(st, bytes("\xff\0d", 3), &dmid));
    OK(st, store_domain_find(st, bytes("\xff\0d", 3), &again));
    ck_assert_uint_eq(dmid, again);
}
END_TEST

/* On columns of text it is the database that compares, and the setting is heard. */
START_TEST(names_are_text)
{
    struct store *st = fx.st;
    bool are_bytes;
    OK(st, store_keys_are_bytes(st, &are_bytes));
    ck_assert(!are_bytes);
    (void)fixture_file(st, 1, "Case_Sensitive_Clod", 1);
    (void)fixture_file(st, 1, "casXY", 1);
    (void)fixture_file(st, 1, "other", 1);
    struct store_keys l;
    struct store_list_keys want = {.dmid = 1, .prefix = span_of("case"), .limit = 100};
    OK(st, store_file_list_keys(st, &want, &l));
    ck_assert_uint_eq(l.n, store_backend(st) == STORE_PGSQL ? 0 : 1);
    store_keys_free(&l);
    want.case_sensitive = true;
    OK(st, store_file_list_keys(st, &want, &l));
    ck_assert_uint_eq(l.n, 0);
    store_keys_free(&l);
    want.prefix = span_of("Case_");
    OK(st, store_file_list_keys(st, &want, &l));
    ck_assert_uint_eq(l.n, 1);
    ck_assert_str_eq(l.rows[0].ptr, "Case_Sensitive_Clod");
    store_keys_free(&l);
    want.after = span_of("Case_Sensitive_Clod");
    OK(st, store_file_list_keys(st, &want, &l));
    ck_assert_uint_eq(l.n, 0);
    store_keys_free(&l);
    /* The width is in characters, if the database knows them. */
    char wide[500];
    for (size_t i = 0; i < sizeof wide; i += 2)
        memcpy(wide + i, "\xc3\xa9", 2);
    uint64_t fid;
    const struct store_file_open o = {.dmid = 1, .key = span_make(wide, 500)};
    if (st->conn->names_are_utf8)
        OK(st, store_file_open(st, &o, &fid));
    else
        FAILS(st, MOG_ETOOLONG, store_file_open(st, &o, &fid));
    struct store_found f;
    enum mog_err e = store_file_find(st, 1, span_of("CASXY"), 0, &f);
    ck_assert_int_eq(e, store_backend(st) == STORE_MYSQL ? MOG_OK : MOG_ENOTFOUND);
    store_found_free(&f);
    OK(st, store_file_find(st, 1, span_of("casXY"), 0, &f));
    store_found_free(&f);
    OK(st, store_file_delete(st, 1, span_of("casXY"), NULL));
}
END_TEST

START_TEST(listing_pages)
{
    struct store *st = fx.st;
    char key[32];
    for (int i = 0; i < 25; i++) {
        snprintf(key, sizeof key, "%s%02d", i % 5 == 0 ? "b%_" : "a", i);
        (void)fixture_file(st, 1, key, 1);
    }
    (void)fixture_file(st, 2, "a00", 1);
    struct store_keys l;
    struct store_list_keys want = {.dmid = 1, .prefix = span_of("a"), .limit = 8};
    size_t n = 0;
    char after[32] = "";
    do {
        want.after = span_of(after);
        OK(st, store_file_list_keys(st, &want, &l));
        n += l.n;
        if (l.n > 0)
            snprintf(after, sizeof after, "%s", l.rows[l.n - 1].ptr);
        store_keys_free(&l);
    } while (n < 20);
    ck_assert_uint_eq(n, 20);
    ck_assert_str_eq(after, "a24");
    want = (struct store_list_keys){.dmid = 1, .prefix = span_of("b%_"), .limit = 100};
    OK(st, store_file_list_keys(st, &want, &l));
    ck_assert_uint_eq(l.n, 5);
    store_keys_free(&l);
    want.prefix = span_of("b%_x");
    OK(st, store_file_list_keys(st, &want, &l));
    ck_assert_uint_eq(l.n, 0);
    store_keys_free(&l);

    struct store_files files;
    OK(st, store_file_list_fids(st, 0, 10, &files));
    ck_assert_uint_eq(files.n, 10);
    ck_assert_uint_lt(files.rows[0].fid, files.rows[9].fid);
    uint64_t low = files.rows[3].fid, high = files.rows[6].fid;
    uint64_t some[3] = {high, 999999999, low};
    store_files_free(&files);
    struct store_fids fids;
    OK(st, store_file_fids_between(st, low, high, 1000, &fids));
    ck_assert_uint_eq(fids.n, 3);
    ck_assert_uint_eq(fids.rows[2], high);
    store_fids_free(&fids);
    OK(st, store_file_get_many(st, some, 3, &files));
    ck_assert_uint_eq(files.n, 2);
    ck_assert_uint_eq(files.rows[0].fid, low);
    store_files_free(&files);
}
END_TEST

START_TEST(changing_files)
{
    struct store *st = fx.st;
    uint64_t a = fixture_file(st, 1, "a", 1), b = fixture_file(st, 1, "b", 1), fid;
    FAILS(st, MOG_EEXISTS, store_file_rename(st, 1, span_of("a"), span_of("b")));
    FAILS(st, MOG_ENOTFOUND, store_file_rename(st, 1, span_of("x"), span_of("y")));
    FAILS(st, MOG_ENOTFOUND, store_file_rename(st, 1, span_of("x"), span_of("x")));
    OK(st, store_file_rename(st, 1, span_of("a"), span_of("a")));
    OK(st, store_file_rename(st, 1, span_of("a"), span_of("c")));
    FAILS(st, MOG_ENOTFOUND, store_file_delete(st, 1, span_of("a"), &fid));
    OK(st, store_file_delete(st, 1, span_of("c"), &fid));
    ck_assert_uint_eq(fid, a);
    struct store_queue_row q;
    OK(st, store_queue_find(st, STORE_QUEUE_DELETE, a, &q));
    struct store_found f;
    FAILS(st, MOG_ENOTFOUND, store_file_get(st, a, 0, &f));

    OK(st, store_queue_done(st, STORE_QUEUE_REPLICATE, b));
    OK(st, store_file_set_class(st, b, 7));
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, b, &q));
    FAILS(st, MOG_ENOTFOUND, store_file_set_class(st, 999999, 7));
    OK(st, store_file_get(st, b, 0, &f));
    ck_assert_uint_eq(f.file.classid, 7);
    store_found_free(&f);
    OK(st, store_file_delete_fid(st, b));
    FAILS(st, MOG_ENOTFOUND, store_file_get(st, b, 0, &f));
}
END_TEST

START_TEST(locations)
{
    struct store *st = fx.st;
    uint64_t fid = fixture_file(st, 1, "a", 4), other = fixture_file(st, 1, "b", 4);
    bool did;
    OK(st, store_devfid_add(st, fid, 2, true, &did));
    ck_assert(did);
    OK(st, store_devfid_add(st, fid, 2, true, &did));
    ck_assert(!did);
    struct store_found f;
    OK(st, store_file_get(st, fid, STORE_READ_DEVIDS, &f));
    ck_assert_uint_eq(f.file.devcount, 2);
    ck_assert_uint_eq(f.devids.n, 2);
    ck_assert_uint_eq(f.devids.rows[0], 2);
    store_found_free(&f);
    struct store_checksum sum = {.hashtype = 2, .len = 20};
    const struct store_replica r = {.fid = fid, .devid = 3, .recount = true, .checksum = &sum};
    OK(st, store_devfid_add_replica(st, &r));
    OK(st, store_checksum_get(st, fid, &sum));
    ck_assert_uint_eq(sum.hashtype, 2);
    sum.hashtype = 1;
    sum.len = 16;
    OK(st, store_checksum_set(st, fid, &sum));
    OK(st, store_checksum_get(st, fid, &sum));
    ck_assert_uint_eq(sum.len, 16);
    OK(st, store_checksum_delete(st, fid));
    FAILS(st, MOG_ENOTFOUND, store_checksum_delete(st, fid));
    OK(st, store_devfid_remove(st, fid, 3, true, &did));
    ck_assert(did);
    OK(st, store_devfid_remove(st, fid, 3, false, &did));
    ck_assert(!did);
    OK(st, store_file_get(st, fid, STORE_READ_CHECKSUM, &f));
    ck_assert_uint_eq(f.file.devcount, 2);
    ck_assert_uint_eq(f.checksum.hashtype, 0);
    store_found_free(&f);
    const uint64_t fids[] = {other, fid, 12345678};
    struct store_devfids l;
    OK(st, store_devfid_list_many(st, fids, 3, &l));
    ck_assert_uint_eq(l.n, 3);
    ck_assert_uint_eq(l.rows[0].fid, fid);
    ck_assert_uint_eq(l.rows[0].devid, 2);
    ck_assert_uint_eq(l.rows[2].fid, other);
    store_devfids_free(&l);
    const uint32_t all[] = {2, 4};
    OK(st, store_devfid_remove_many(st, fid, all, 2));
    OK(st, store_file_get(st, fid, STORE_READ_DEVIDS, &f));
    ck_assert_uint_eq(f.devids.n, 0);
    store_found_free(&f);
    FAILS(st, MOG_ERANGE, store_devfid_add(st, fid, 0, false, NULL));
}
END_TEST

START_TEST(device_walks)
{
    struct store *st = fx.st;
    uint64_t fids[25];
    char key[16];
    for (int i = 0; i < 25; i++) {
        snprintf(key, sizeof key, "k%d", i);
        fids[i] = fixture_file(st, 1, key, 7);
        OK(st, store_queue_done(st, STORE_QUEUE_REPLICATE, fids[i]));
    }
    struct store_fids l;
    OK(st, store_devfid_chunk(st, 7, false, 0, 10, &l));
    ck_assert_uint_eq(l.n, 10);
    ck_assert_uint_eq(l.rows[9], fids[9]);
    store_fids_free(&l);
    OK(st, store_devfid_chunk(st, 7, false, fids[9], 100, &l));
    ck_assert_uint_eq(l.n, 15);
    store_fids_free(&l);
    OK(st, store_devfid_chunk(st, 7, true, 0, 2, &l));
    ck_assert_uint_eq(l.rows[0], fids[24]);
    store_fids_free(&l);
    OK(st, store_devfid_chunk(st, 7, true, fids[1], 2, &l));
    ck_assert_uint_eq(l.n, 1);
    ck_assert_uint_eq(l.rows[0], fids[0]);
    store_fids_free(&l);
    /* A parked row comes back to life, one that waits stays. */
    OK(st, store_replicate_add(st, fids[0], 0, 5000));
    OK(st, store_replicate_add(st, fids[1], 0, 0));
    OK(st, store_queue_park(st, STORE_QUEUE_REPLICATE, fids[1]));
    OK(st, store_devfid_reap(st, 7, fids, 25, 1));
    OK(st, store_devfid_on_device(st, 7, 100, &l));
    ck_assert_uint_eq(l.n, 0);
    store_fids_free(&l);
    int64_t now;
    OK(st, store_now(st, &now));
    struct store_queue_row q;
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, fids[0], &q));
    ck_assert_int_gt(q.nexttry, now + 4000);
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, fids[1], &q));
    ck_assert_int_lt(q.nexttry, now + 10);
    ck_assert_uint_eq(q.failcount, 1);
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, fids[24], &q));
}
END_TEST

START_TEST(sweep_of_old_uploads)
{
    struct store *st = fx.st;
    uint64_t fid[4];
    static const char *const devids[] = {"1,20", "1,2,", NULL, "3"};
    for (int i = 0; i < 4; i++) {
        const struct store_file_open o = {.dmid = 1, .key = span_of("k"), .devids = devids[i]};
        OK(st, store_file_open(st, &o, &fid[i]));
    }
    size_t queued;
    OK(st, store_tempfile_sweep(st, 3600, &queued));
    ck_assert_uint_eq(queued, 0);
    fixture_sql(st, "UPDATE tempfile SET createtime = createtime - 7200", NULL);
    uint64_t fresh;
    const struct store_file_open o = {.dmid = 1, .key = span_of("k"), .devids = "9"};
    OK(st, store_file_open(st, &o, &fresh));
    char text[200];
    snprintf(text, sizeof text,
             "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (%llu, 1, 'done', 1, 0, 1)",
             (unsigned long long)fid[3]);
    fixture_sql(st, text, NULL);
    OK(st, store_tempfile_sweep(st, 3600, &queued));
    ck_assert_uint_eq(queued, 3);
    ck_assert_ptr_null(store_lock_held(st));
    for (int i = 0; i < 4; i++)
        ck_assert(!has_temp(fid[i]));
    ck_assert(has_temp(fresh));
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM file_on"), 2);
    uint64_t n;
    OK(st, store_queue_length(st, STORE_QUEUE_DELETE, &n));
    ck_assert_uint_eq(n, 3);
}
END_TEST

START_TEST(debug_shows_everything)
{
    struct store *st = fx.st;
    struct store_debug d;
    OK(st, store_debug_read(st, 424242, &d));
    ck_assert(!d.has_file && !d.has_temp && !d.has_replicate && !d.has_delete && !d.has_fsck && !d.has_rebalance);
    ck_assert_uint_eq(d.devids.n, 0);
    store_debug_free(&d);
    uint64_t fid = fixture_file(st, 1, "a", 3);
    const struct store_todo fsck = {.fid = fid}, move = {.fid = fid, .devid = 3, .arg = span_of("4,5")};
    OK(st, store_todo_add(st, STORE_QUEUE_FSCK, &fsck, 1));
    OK(st, store_todo_add(st, STORE_QUEUE_REBALANCE, &move, 1));
    OK(st, store_delete_add(st, &fid, 1, 10));
    OK(st, store_debug_read(st, fid, &d));
    ck_assert(d.has_file && !d.has_temp && d.has_replicate && d.has_delete && d.has_fsck && d.has_rebalance);
    ck_assert_uint_eq(d.devids.n, 1);
    ck_assert_uint_eq(d.rebalance.devid, 3);
    ck_assert_str_eq(d.rebalance.arg.ptr, "4,5");
    ck_assert_uint_eq(d.fsck.type, 1);
    ck_assert_ptr_null(d.fsck.arg.ptr);
    store_debug_free(&d);
}
END_TEST

START_TEST(several_keys_at_once)
{
    struct store *st = fx.st;
    uint64_t first = fixture_file(st, 1, "a", 9), second = fixture_file(st, 1, "b", 3);
    uint64_t other = fixture_file(st, 2, "c", 3);
    (void)other;
    OK(st, store_devfid_add(st, first, 4, true, NULL));
    char long_key[STORE_NAME_BYTES_MAX + 1];
    memset(long_key, 'k', sizeof long_key);
    const struct span keys[] = {
        span_of("b"), span_of("none"), span_of("a"), span_of("a"), span_make(long_key, sizeof long_key),
        span_of("c"), span_of(""),     span_of("d") /* seven are asked for: no statement has just so many places */};
    enum { N = sizeof keys / sizeof keys[0] };
    struct store_found found[N];
    bool is_sure;
    uint64_t before = store_statements(st);
    OK(st, store_file_find_many(st, 1, keys, N, STORE_READ_CHECKSUM, found, &is_sure));
    ck_assert_uint_eq(store_statements(st) - before, 1);
    ck_assert(is_sure == (store_backend(st) != STORE_MYSQL || fixture_env("MOG_TEST_TEXT_NAMES") == NULL));
    const uint64_t want[N] = {second, 0, first, first, 0, 0, 0, 0};
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(found[i].file.fid, want[i]);
    ck_assert_uint_eq(found[0].devids.n, 1);
    ck_assert_uint_eq(found[3].devids.n, 2);
    ck_assert_uint_eq(found[3].devids.rows[0], 4);
    ck_assert_uint_eq(found[3].devids.rows[1], 9);
    ck_assert_uint_eq(found[2].file.length, 10);
    ck_assert_uint_eq(found[2].checksum.hashtype, 0);
    for (size_t i = 0; i < N; i++)
        store_found_free(&found[i]);
    /* Less is asked for: what is asked for is there all the same. */
    OK(st, store_file_find_many(st, 1, keys, N, STORE_READ_DEVIDS | STORE_READ_FID, found, &is_sure));
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(found[i].file.fid, want[i]);
    ck_assert_uint_eq(found[0].devids.n, 1);
    ck_assert_uint_eq(found[2].devids.n, 2);
    ck_assert_uint_eq(found[2].devids.rows[1], 9);
    for (size_t i = 0; i < N; i++)
        store_found_free(&found[i]);
    OK(st, store_file_find_many(st, 1, keys, N, 0, found, &is_sure));
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(found[i].file.fid, want[i]);
    ck_assert_uint_eq(found[2].file.length, 10);
    ck_assert(span_is(store_bytes_span(&found[2].file.key), "a"));
    for (size_t i = 0; i < N; i++)
        store_found_free(&found[i]);
    OK(st, store_file_find_many(st, 1, &keys[4], 1, 0, found, &is_sure)); /* nothing to ask */
    ck_assert_uint_eq(found[0].file.fid, 0);
}
END_TEST

/* What the header says that it costs. */
START_TEST(round_trips)
{
    struct store *st = fx.st;
    uint64_t fid = fixture_file(st, 1, "a", 3), before = store_statements(st);
    struct store_found f;
#define COSTS(n, call)                                                                                                 \
    do {                                                                                                               \
        before = store_statements(st);                                                                                 \
        OK(st, call);                                                                                                  \
        ck_assert_uint_eq(store_statements(st) - before, (n));                                                         \
    } while (0)
    COSTS(0, store_validate(st));
    COSTS(1, store_file_find(st, 1, span_of("a"), STORE_READ_DEVIDS, &f));
    store_found_free(&f);
    COSTS(1, store_file_find(st, 1, span_of("a"), STORE_READ_DEVIDS | STORE_READ_CHECKSUM, &f));
    store_found_free(&f);
    const struct store_file_open o = {.dmid = 1, .key = span_of("b")};
    if (st->conn->can_return)
        COSTS(1, store_file_open(st, &o, &fid));
    else
        COSTS(2, store_file_open(st, &o, &fid));
    struct store_upload u;
    COSTS(1, store_upload_read(st, fid, 3, 1, span_of("b"), &u));
    store_upload_free(&u);
    struct store_file_close c = {.fid = fid, .devid = 3, .dmid = 1, .key = span_of("b"), .length = 1};
    COSTS(6, store_file_close(st, &c, NULL));
    OK(st, store_file_open(st, &o, &fid));
    c.old_fid = c.fid;
    c.fid = fid;
    COSTS(9, store_file_close(st, &c, NULL));
    COSTS(5, store_file_delete(st, 1, span_of("b"), NULL));
    COSTS(1, store_file_rename(st, 1, span_of("a"), span_of("c")));
    struct store_queue_rows rows;
    OK(st, store_replicate_now(st, &fid));
    OK(st, store_queue_claim(st, STORE_QUEUE_DELETE, 100, &rows));
    store_queue_rows_free(&rows);
    COSTS(1, store_queue_claim(st, STORE_QUEUE_DELETE, 100, &rows));
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("store_file", upload_becomes_file, overwrite_queues_the_old_file, close_of_a_fid_that_is_a_file,
                       nothing_is_put_on_a_dead_device, discard_leaves_it_to_the_delete_worker, explicit_fids,
                       fids_beyond_the_column, the_first_fid_can_be_chosen, counter_that_went_back,
                       fixture_env("MOG_TEST_TEXT_NAMES") != NULL ? names_are_text : names_are_bytes, listing_pages,
                       changing_files, locations, device_walks, sweep_of_old_uploads, debug_shows_everything,
                       round_trips, several_keys_at_once);
}
