/* SPDX-License-Identifier: MIT */
/* Domains, classes, hosts, devices and settings. On SQLite, or on the server of MOG_TEST_DSN. */
#include "store/store_fixture.h"

START_TEST(domains)
{
    struct store *st = fx.st;
    uint32_t a, b, c;
    OK(st, store_domain_create(st, span_of("a"), &a));
    OK(st, store_domain_create(st, span_of("b"), &b));
    ck_assert_uint_eq(a, 1);
    ck_assert_uint_eq(b, 2);
    FAILS(st, MOG_EEXISTS, store_domain_create(st, span_of("a"), &c));
    OK(st, store_domain_find(st, span_of("b"), &c));
    ck_assert_uint_eq(c, b);
    FAILS(st, MOG_ENOTFOUND, store_domain_find(st, span_of("c"), &c));
    enum store_domain_content content;
    const struct store_class_edit none = {0};
    uint32_t classid;
    OK(st, store_class_create(st, b, span_of("x"), &none, &classid));
    FAILS(st, MOG_ENOTEMPTY, store_domain_delete(st, b, &content));
    ck_assert_int_eq(content, STORE_DOMAIN_HAS_CLASSES);
    (void)fixture_file(st, b, "k", 1);
    FAILS(st, MOG_ENOTEMPTY, store_domain_delete(st, b, &content));
    ck_assert_int_eq(content, STORE_DOMAIN_HAS_FILES);
    OK(st, store_class_update(st, a, span_of("default"), &none, &classid));
    OK(st, store_domain_delete(st, a, &content));
    FAILS(st, MOG_ENOTFOUND, store_domain_delete(st, a, NULL));
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM class"), 1);
    struct store_domains l;
    OK(st, store_domain_list(st, &l));
    ck_assert_uint_eq(l.n, 1);
    ck_assert_str_eq(l.rows[0].name.ptr, "b");
    store_domains_free(&l);
    char name[256];
    memset(name, 'n', sizeof name);
    FAILS(st, MOG_ETOOLONG, store_domain_create(st, span_make(name, 256), &c));
    OK(st, store_domain_create(st, span_make(name, 255), &c));
}
END_TEST

START_TEST(classes)
{
    struct store *st = fx.st;
    uint32_t dmid = fixture_domain(st, "d"), one, two, def;
    struct store_class_edit edit = {
        .mindevcount = 3, .replpolicy = span_of("MultipleHosts(3)"), .set_hashtype = true, .hashtype = 1};
    OK(st, store_class_create(st, dmid, span_of("one"), &edit, &one));
    const struct store_class_edit none = {0};
    OK(st, store_class_create(st, dmid, span_of("two"), &none, &two));
    OK(st, store_class_create(st, dmid, span_of("default"), &none, &def));
    ck_assert_uint_eq(one, 1);
    ck_assert_uint_eq(two, 2);
    ck_assert_uint_eq(def, 0);
    FAILS(st, MOG_EEXISTS, store_class_create(st, dmid, span_of("one"), &none, &def));
    FAILS(st, MOG_EEXISTS, store_class_create(st, dmid, span_of("default"), &none, &def));
    FAILS(st, MOG_ENOTFOUND, store_class_update(st, dmid, span_of("three"), &none, &def));
    const struct store_class_edit change = {.mindevcount = 5};
    OK(st, store_class_update(st, dmid, span_of("one"), &change, &def));
    ck_assert_uint_eq(def, one);
    struct store_classes l;
    OK(st, store_class_list(st, &l));
    ck_assert_uint_eq(l.n, 3);
    ck_assert_uint_eq(l.rows[0].mindevcount, 2);
    ck_assert_ptr_null(l.rows[0].replpolicy);
    ck_assert_uint_eq(l.rows[1].mindevcount, 5);
    ck_assert_str_eq(l.rows[1].replpolicy, "MultipleHosts(3)");
    ck_assert_uint_eq(l.rows[1].hashtype, 1);
    store_classes_free(&l);
    edit = (struct store_class_edit){.set_hashtype = true};
    OK(st, store_class_update(st, dmid, span_of("one"), &edit, &def));
    OK(st, store_class_list(st, &l));
    ck_assert_uint_eq(l.rows[1].hashtype, 0);
    ck_assert_uint_eq(l.rows[1].mindevcount, 5);
    store_classes_free(&l);
    FAILS(st, MOG_EEXISTS, store_class_rename(st, dmid, one, span_of("two")));
    OK(st, store_class_rename(st, dmid, one, span_of("uno")));
    OK(st, store_class_find(st, dmid, span_of("uno"), &def));
    ck_assert_uint_eq(def, one);
    uint64_t fid = fixture_file(st, dmid, "k", 1);
    OK(st, store_file_set_class(st, fid, one));
    FAILS(st, MOG_ENOTEMPTY, store_class_delete(st, dmid, one));
    OK(st, store_class_delete(st, dmid, two));
    FAILS(st, MOG_ENOTFOUND, store_class_delete(st, dmid, two));
    /* Made by hand: its id is taken, and no other one would do. */
    fixture_sql(st, "UPDATE class SET classname = 'odd' WHERE classid = 0", NULL);
    FAILS(st, MOG_EEXISTS, store_class_create(st, dmid, span_of("default"), &none, &def));
}
END_TEST

START_TEST(default_class_is_made_by_an_update)
{
    struct store *st = fx.st;
    uint32_t dmid = fixture_domain(st, "d"), classid = 9;
    const struct store_class_edit edit = {.mindevcount = 4};
    OK(st, store_class_update(st, dmid, span_of("default"), &edit, &classid));
    ck_assert_uint_eq(classid, 0);
    OK(st, store_class_update(st, dmid, span_of("default"), &edit, &classid));
    ck_assert_int_eq(fixture_number(st, "SELECT mindevcount FROM class"), 4);
}
END_TEST

START_TEST(hosts_and_devices)
{
    struct store *st = fx.st;
    uint32_t a, b, found;
    struct store_host_edit edit = {.set = STORE_HOST_STATUS | STORE_HOST_IP | STORE_HOST_PORT,
                                   .status = "alive",
                                   .hostip = "127.0.0.1",
                                   .http_port = 7600};
    OK(st, store_host_create(st, span_of("a"), &edit, &a));
    FAILS(st, MOG_EEXISTS, store_host_create(st, span_of("a"), &edit, &b));
    FAILS(st, MOG_EEXISTS, store_host_create(st, span_of("b"), &edit, &b));
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM host"), 1);
    edit.hostip = "127.0.0.2";
    OK(st, store_host_create(st, span_of("b"), &edit, &b));
    ck_assert_uint_eq(b, a + 1);
    OK(st, store_host_find(st, span_of("b"), &found));
    ck_assert_uint_eq(found, b);
    FAILS(st, MOG_ENOTFOUND, store_host_find(st, span_of("c"), &found));
    OK(st, store_host_check(st, b));
    FAILS(st, MOG_ENOTFOUND, store_host_check(st, 99));
    FAILS(st, MOG_ENOTFOUND, store_host_check(st, UINT32_MAX)); /* also where the column ends before */
    const struct store_host_edit alt = {.set = STORE_HOST_ALTIP | STORE_HOST_ALTMASK | STORE_HOST_GET_PORT,
                                        .altip = "10.0.0.1",
                                        .altmask = "10.0.0.0/8",
                                        .http_get_port = 80};
    OK(st, store_host_update(st, a, &alt));
    OK(st, store_host_update(st, a, &alt)); /* the same once more finds the row too */
    FAILS(st, MOG_EEXISTS, store_host_update(st, b, &alt));
    FAILS(st, MOG_ENOTFOUND, store_host_update(st, 99, &alt));
    const struct store_host_edit nothing = {0};
    OK(st, store_host_update(st, 99, &nothing));
    struct store_hosts hosts;
    OK(st, store_host_list(st, &hosts));
    ck_assert_uint_eq(hosts.n, 2);
    ck_assert_str_eq(hosts.rows[0].status, "alive");
    ck_assert_str_eq(hosts.rows[0].altip, "10.0.0.1");
    ck_assert_uint_eq(hosts.rows[0].http_get_port, 80);
    ck_assert_uint_eq(hosts.rows[0].http_port, 7600);
    ck_assert_ptr_null(hosts.rows[1].altip);
    ck_assert_uint_eq(hosts.rows[1].http_get_port, 0);
    store_hosts_free(&hosts);

    OK(st, store_device_create(st, 1, a, "alive"));
    FAILS(st, MOG_EEXISTS, store_device_create(st, 1, a, "alive"));
    OK(st, store_device_create(st, 2, a, "down"));
    OK(st, store_device_set_status(st, 2, "drain"));
    FAILS(st, MOG_ENOTFOUND, store_device_set_status(st, 3, "drain"));
    FAILS(st, MOG_ENOTFOUND, store_device_swap_status(st, 2, "alive", "dead"));
    OK(st, store_device_swap_status(st, 2, "drain", "alive"));
    OK(st, store_device_set_weight(st, 2, 7));
    const struct store_usage usage[] = {{2, 4000000000, 5, 1700000000}, {9, 1, 1, 1}};
    OK(st, store_device_write_usage(st, usage, 2));
    struct store_device d;
    OK(st, store_device_get(st, 2, &d));
    ck_assert_str_eq(d.status, "alive");
    ck_assert_int_eq(d.weight, 7);
    ck_assert(d.has_mb_total);
    ck_assert_uint_eq(d.mb_used, 5);
    ck_assert_int_eq(d.mb_asof, 1700000000);
    FAILS(st, MOG_ENOTFOUND, store_device_get(st, 9, &d));
    struct store_devices devices;
    OK(st, store_device_list(st, &devices));
    ck_assert_uint_eq(devices.n, 2);
    ck_assert(!devices.rows[0].has_mb_total);
    ck_assert_int_eq(devices.rows[0].weight, 100);
    store_devices_free(&devices);
    FAILS(st, MOG_ENOTEMPTY, store_host_delete(st, a));
    OK(st, store_host_delete(st, b));
    FAILS(st, MOG_ENOTFOUND, store_host_delete(st, b));
    FAILS(st, MOG_ETOOLONG, store_host_create(st, span_of("0123456789012345678901234567890123456789x"), &nothing, &b));
}
END_TEST

START_TEST(settings)
{
    struct store *st = fx.st;
    struct store_bytes v;
    int64_t n;
    FAILS(st, MOG_ENOTFOUND, store_setting_get(st, "x", &v));
    OK(st, store_setting_set(st, "x", span_of("one")));
    OK(st, store_setting_set(st, "x", span_of("two")));
    OK(st, store_setting_get(st, "x", &v));
    ck_assert_str_eq(v.ptr, "two");
    store_bytes_free(&v);
    OK(st, store_setting_set(st, "empty", span_of("")));
    OK(st, store_setting_get(st, "empty", &v));
    ck_assert_ptr_nonnull(v.ptr);
    ck_assert_uint_eq(v.len, 0);
    store_bytes_free(&v);
    OK(st, store_setting_add(st, "count", 5));
    OK(st, store_setting_add(st, "count", 3000000000));
    OK(st, store_setting_add(st, "count", -1));
    OK(st, store_setting_get(st, "count", &v));
    ck_assert_str_eq(v.ptr, "3000000004");
    store_bytes_free(&v);
    OK(st, store_setting_get_int(st, "none", 42, &n));
    ck_assert_int_eq(n, 42);
    FAILS(st, MOG_ENOTFOUND, store_setting_delete_if(st, "x", span_of("one")));
    OK(st, store_setting_delete_if(st, "x", span_of("two")));
    OK(st, store_setting_set_int(st, "fsck_a", 1));
    OK(st, store_setting_set_int(st, "fsck_b", 1));
    OK(st, store_setting_set_int(st, "fsckXc", 1));
    OK(st, store_setting_delete_prefix(st, "fsck_"));
    OK(st, store_setting_delete(st, "not there"));
    struct store_topology t;
    OK(st, store_topology_read(st, &t));
    ck_assert_uint_eq(t.settings.n, 3);
    ck_assert_str_eq(t.settings.rows[0].field.ptr, "count");
    store_topology_free(&t);
    char *long_value = mem_calloc(1, 70000);
    memset(long_value, 'v', 69999);
    FAILS(st, MOG_ETOOLONG, store_setting_set(st, "x", span_make(long_value, 65536)));
    OK(st, store_setting_set(st, "x", span_make(long_value, 65535)));
    OK(st, store_setting_get(st, "x", &v));
    ck_assert_uint_eq(v.len, 65535);
    store_bytes_free(&v);
    free(long_value);
}
END_TEST

START_TEST(transactions)
{
    struct store *st = fx.st;
    uint32_t dmid;
    OK(st, store_begin(st));
    OK(st, store_begin(st));
    (void)fixture_domain(st, "a");
    OK(st, store_commit(st));
    OK(st, store_commit(st));
    OK(st, store_domain_find(st, span_of("a"), &dmid));
    OK(st, store_begin(st));
    (void)fixture_domain(st, "b");
    store_rollback(st);
    FAILS(st, MOG_ENOTFOUND, store_domain_find(st, span_of("b"), &dmid));
    OK(st, store_begin(st));
    (void)fixture_domain(st, "c");
    OK(st, store_begin(st));
    store_rollback(st);
    FAILS(st, MOG_ECANCELED, store_commit(st));
    FAILS(st, MOG_ENOTFOUND, store_domain_find(st, span_of("c"), &dmid));
    ck_assert(!store_is_in_transaction(st));
}
END_TEST

/* The room for a cell is known before, or found out: none is cut off, whatever came before it. */
START_TEST(cells_of_all_lengths)
{
    static const size_t lens[] = {1, 65000, 0, 4095, 4096, 4097, 255, 256, 60000, 2};
    struct store *st = fx.st;
    char *text = mem_alloc(65000);
    for (size_t i = 0; i < 65000; i++)
        text[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct store_bytes value = {NULL, 0};
        OK(st, store_setting_set(st, "long", span_make(text, lens[i])));
        OK(st, store_setting_get(st, "long", &value));
        ck_assert(span_eq(store_bytes_span(&value), span_make(text, lens[i])));
        store_bytes_free(&value);
        uint32_t dmid = 0;
        size_t name_len = lens[i] % 255 + 1;
        OK(st, store_domain_create(st, span_make(text, name_len), &dmid));
        struct store_domains list = {NULL, 0};
        OK(st, store_domain_list(st, &list));
        ck_assert(span_eq(store_bytes_span(&list.rows[list.n - 1].name), span_make(text, name_len)));
        store_domains_free(&list);
        OK(st, store_domain_delete(st, dmid, NULL));
    }
    free(text);
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("store_topology", domains, classes, default_class_is_made_by_an_update, hosts_and_devices,
                       settings, cells_of_all_lengths, transactions);
}
