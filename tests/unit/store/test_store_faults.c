/* SPDX-License-Identifier: MIT */
/* Deadlocks, lost connections, hung and read-only servers: nothing is half done, and the next unit of work goes on. */
#include "store/fault_driver.h"
#include "store/store_backup.h"
#include "store/store_fixture.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void induce(struct store *st, int at, int times, enum mog_err error)
{
    fault_install(st, false); /* one by one, so that each can fail */
    fault.at = at;
    fault.times = times;
    fault.error = error;
    fault.failed = 0;
    fault.is_refusal = false;
}

START_TEST(deadlocks_are_tried_again)
{
    struct store *st = fx.st;
    uint64_t fid;
    struct store_queue_row q;
    OK(st, store_open(st));
    induce(st, 1, 2, MOG_EDEADLOCK);
    OK(st, store_replicate_add(st, 1000001, 0, 0));
    OK(st, store_queue_find(st, STORE_QUEUE_REPLICATE, 1000001, &q));
    induce(st, 1, st->driver->one_writer ? STORE_TRIES : STORE_DEADLOCK_TRIES, MOG_EDEADLOCK);
    FAILS(st, MOG_EDEADLOCK, store_replicate_add(st, 1000002, 0, 0));
    FAILS(st, MOG_ENOTFOUND, store_queue_find(st, STORE_QUEUE_REPLICATE, 1000002, &q));
    induce(st, 1, 1, MOG_ELOCKED);
    FAILS(st, MOG_ELOCKED, store_replicate_add(st, 1000002, 0, 0));

    const struct store_file_open o = {.dmid = 1, .key = span_of("k")};
    OK(st, store_file_open(st, &o, &fid));
    const struct store_file_close c = {.fid = fid, .devid = 1, .dmid = 1, .key = span_of("k"), .length = 1};
    induce(st, 4, 1, MOG_EDEADLOCK);
    OK(st, store_file_close(st, &c, NULL));
    ck_assert_int_eq(fixture_number(st, "SELECT COUNT(*) FROM file_to_replicate"), 2);
    /* Inside a transaction of the caller's it is the caller's to redo. */
    OK(st, store_begin(st));
    induce(st, 1, 1, MOG_EDEADLOCK);
    FAILS(st, MOG_EDEADLOCK, store_replicate_add(st, 3, 0, 0));
    store_rollback(st);
    /* A claim that meets a deadlock comes back empty. */
    struct store_queue_rows rows;
    induce(st, store_backend(st) == STORE_MYSQL && !fx.env->row_locks ? 3 : 4, 20, MOG_EDEADLOCK);
    OK(st, store_queue_claim(st, STORE_QUEUE_REPLICATE, 10, &rows));
    ck_assert_uint_eq(rows.n, 0);
    fault_clear();
    ck_assert(!store_is_in_transaction(st));
    ck_assert_ptr_null(store_lock_held(st));
    OK(st, store_queue_claim(st, STORE_QUEUE_REPLICATE, 10, &rows));
    ck_assert_uint_ge(rows.n, 1);
    store_queue_rows_free(&rows);
}
END_TEST

/* Cut a close off at each of its statements, and its second try too: either nothing of it is there, or all. */
START_TEST(a_close_is_whole)
{
    struct store *st = fx.st;
    uint64_t old = fixture_file(st, 1, "k", 1), fid;
    for (int at = 1; at <= 12; at++) {
        const struct store_file_open o = {.dmid = 1, .key = span_of("k")};
        OK(st, store_file_open(st, &o, &fid));
        const struct store_checksum sum = {.hashtype = 1, .len = 16};
        const struct store_file_close c = {
            .fid = fid, .devid = 1, .dmid = 1, .key = span_of("k"), .length = 1, .checksum = &sum};
        induce(st, at, 2, MOG_EDBDOWN);
        enum mog_err e = store_file_close(st, &c, NULL);
        bool was_cut = fault.failed > 0;
        fault_clear();
        ck_assert(!store_is_in_transaction(st));
        OK(st, store_validate(st));
        struct store_found f;
        struct store_tempfile t;
        OK(st, store_file_find(st, 1, span_of("k"), STORE_READ_CHECKSUM, &f));
        ck_assert_uint_eq(f.file.fid, was_cut ? old : fid);
        ck_assert_uint_eq(f.devids.n, 1);
        store_found_free(&f);
        ck_assert_int_eq(store_tempfile_get(st, fid, &t), was_cut ? MOG_OK : MOG_ENOTFOUND);
        store_tempfile_fini(&t);
        struct store_queue_row q;
        ck_assert_int_eq(store_queue_find(st, STORE_QUEUE_DELETE, old, &q), was_cut ? MOG_ENOTFOUND : MOG_OK);
        ck_assert_int_eq(store_queue_find(st, STORE_QUEUE_REPLICATE, fid, &q), was_cut ? MOG_ENOTFOUND : MOG_OK);
        ck_assert_int_eq(e, was_cut ? MOG_EDBDOWN : MOG_OK);
        if (!was_cut)
            return;
    }
    ck_abort_msg("the close never ended");
}
END_TEST

/* A connection that breaks before the commit has undone everything: the second try does it all. */
START_TEST(a_cut_close_is_done_again)
{
    struct store *st = fx.st;
    uint64_t fid;
    for (int at = 1; at <= 12; at++) {
        const struct store_file_open o = {.dmid = 1, .key = span_of("k")};
        OK(st, store_file_open(st, &o, &fid));
        const struct store_file_close c = {.fid = fid, .devid = 1, .dmid = 1, .key = span_of("k"), .length = 1};
        uint64_t connects = store_connects(st);
        induce(st, at, 1, MOG_EDBDOWN);
        enum mog_err e = store_file_close(st, &c, NULL);
        bool was_cut = fault.failed > 0;
        fault_clear();
        if (e == MOG_EDBDOWN) { /* in the commit: that may have been done */
            ck_assert_int_gt(at, 4);
            OK(st, store_validate(st));
            continue;
        }
        OK(st, e);
        ck_assert_uint_eq(store_connects(st), connects + (was_cut ? 1 : 0));
        struct store_found f;
        OK(st, store_file_find(st, 1, span_of("k"), 0, &f));
        ck_assert_uint_eq(f.file.fid, fid);
        store_found_free(&f);
        if (!was_cut)
            return;
    }
    ck_abort_msg("the close never ended");
}
END_TEST

START_TEST(what_was_refused_is_done_again)
{
    struct store *st = fx.st;
    struct store_bytes v;
    OK(st, store_setting_set(st, "a", span_of("1")));
    induce(st, 1, 1, MOG_EDBDOWN);
    fault.is_refusal = true;
    OK(st, store_setting_set(st, "a", span_of("2")));
    OK(st, store_setting_get(st, "a", &v));
    ck_assert_str_eq(v.ptr, "2");
    store_bytes_free(&v);
    /* Once, and not with a lock. */
    induce(st, 1, 2, MOG_EDBDOWN);
    fault.is_refusal = true;
    FAILS(st, MOG_EDBDOWN, store_setting_set(st, "a", span_of("3")));
    OK(st, store_validate(st));
    OK(st, store_lock(st, "mgfs:reaper", 5));
    induce(st, 1, 1, MOG_EDBDOWN);
    fault.is_refusal = true;
    FAILS(st, MOG_EDBDOWN, store_setting_set(st, "a", span_of("3")));
    FAILS(st, MOG_EDBDOWN, store_validate(st));
    OK(st, store_validate(st));
    OK(st, store_setting_get(st, "a", &v));
    ck_assert_str_eq(v.ptr, "2");
    store_bytes_free(&v);
}
END_TEST

START_TEST(reads_survive_a_lost_connection)
{
    struct store *st = fx.st;
    uint32_t dmid = fixture_domain(st, "d");
    OK(st, store_validate(st));
    uint64_t connects = store_connects(st);
    induce(st, 1, 1, MOG_EDBDOWN);
    OK(st, store_domain_find(st, span_of("d"), &dmid));
    ck_assert_uint_eq(store_connects(st), connects + 1);
    induce(st, 1, 1, MOG_EDBDOWN);
    FAILS(st, MOG_EDBDOWN, store_setting_set(st, "a", span_of("1")));
    OK(st, store_validate(st));
    OK(st, store_setting_set(st, "a", span_of("1")));
    /* After a write the unit is no more repeated. */
    induce(st, 1, 1, MOG_EDBDOWN);
    FAILS(st, MOG_EDBDOWN, store_domain_find(st, span_of("d"), &dmid));
    OK(st, store_validate(st));
    OK(st, store_domain_find(st, span_of("d"), &dmid));
}
END_TEST

START_TEST(a_lock_is_not_recovered)
{
    struct store *st = fx.st;
    OK(st, store_lock(st, "mgfs:reaper", 5));
    induce(st, 1, 1, MOG_EDBDOWN);
    FAILS(st, MOG_EDBDOWN, store_setting_set(st, "a", span_of("1")));
    FAILS(st, MOG_EDBDOWN, store_validate(st));
    ck_assert_str_eq(store_failure(st)->text, "DB connection recovery unsafe, lock held: mgfs:reaper");
    ck_assert_ptr_null(store_lock_held(st));
    OK(st, store_validate(st));
    OK(st, store_lock(st, "mgfs:reaper", 5));
    store_unlock(st);
    /* Nor a transaction. */
    OK(st, store_begin(st));
    OK(st, store_setting_set(st, "a", span_of("1")));
    induce(st, 1, 1, MOG_EDBDOWN);
    FAILS(st, MOG_EDBDOWN, store_setting_set(st, "b", span_of("1")));
    FAILS(st, MOG_EDBDOWN, store_setting_set(st, "c", span_of("1")));
    FAILS(st, MOG_EDBDOWN, store_commit(st));
    struct store_bytes v;
    OK(st, store_validate(st));
    FAILS(st, MOG_ENOTFOUND, store_setting_get(st, "a", &v));
}
END_TEST

START_TEST(nothing_there)
{
    struct mog_fail f = {0};
    struct store_env *env;
    const char *dsn = store_backend(fx.st) == STORE_SQLITE  ? "DBI:SQLite:/nonexistent/dir/x.db"
                      : store_backend(fx.st) == STORE_MYSQL ? "DBI:mysql:x;host=127.0.0.1;port=1"
                                                            : "DBI:Pg:dbname=x;host=127.0.0.1;port=1";
    const struct store_config config = {.dsn = dsn};
    ck_assert_int_eq(store_env_new(&config, &env, &f), MOG_OK);
    struct store *st = store_new(env, STORE_CLIENT), *probing = store_new_probing(env, STORE_CLIENT);
    FAILS(st, MOG_EDBDOWN, store_validate(st));
    ck_assert_ptr_nonnull(strstr(store_failure(st)->text, "Failed to connect to database: "));
    store_env_set_alive(env, false);
    FAILS(st, MOG_EDBDOWN, store_ping(st));
    ck_assert_ptr_nonnull(strstr(store_failure(st)->text, "known to be down"));
    FAILS(probing, MOG_EDBDOWN, store_ping(probing));
    ck_assert_ptr_null(strstr(store_failure(probing)->text, "known to be down"));
    store_free(st);
    store_free(probing);
    store_env_free(env);
}
END_TEST

/* ---- what a real server does ---- */

static bool is_server(void)
{
    return store_backend(fx.st) != STORE_SQLITE;
}

static void kill_connection(struct store *killer, struct store *victim)
{
    bool is_mysql = store_backend(victim) == STORE_MYSQL;
    int64_t id = fixture_number(victim, is_mysql ? "SELECT CONNECTION_ID()" : "SELECT pg_backend_pid()");
    char text[80];
    if (is_mysql)
        snprintf(text, sizeof text, "KILL %lld", (long long)id);
    else
        snprintf(text, sizeof text, "SELECT pg_terminate_backend(%lld)", (long long)id);
    fixture_sql(killer, text, NULL);
    for (int i = 0; i < 3000 && victim->driver->is_alive(victim->conn); i++)
        clock_sleep_ms(10);
    ck_assert(!victim->driver->is_alive(victim->conn));
}

START_TEST(killed_connections)
{
    struct store *st = fx.st, *other;
    if (!is_server())
        return;
    other = store_new(fx.env, STORE_CLIENT);
    OK(st, store_validate(st));
    kill_connection(other, st);
    OK(st, store_validate(st));
    OK(st, store_setting_set(st, "a", span_of("1")));
    ck_assert_uint_eq(store_connects(st), 2);
    OK(st, store_validate(st));
    kill_connection(other, st);
    struct store_bytes v;
    OK(st, store_setting_get(st, "a", &v)); /* a unit of reads goes on by itself */
    store_bytes_free(&v);
    /* A write goes on when the server itself says that it had ended the connection before. */
    kill_connection(other, st);
    enum mog_err e = store_setting_set(st, "a", span_of("2"));
    ck_assert_msg(e == MOG_OK || e == MOG_EDBDOWN, "%s", err_name(e));
    ck_assert(store_backend(st) == STORE_MYSQL || e == MOG_OK);
    int64_t n;
    OK(st, store_validate(st));
    OK(st, store_setting_get_int(st, "a", 0, &n));
    ck_assert_int_eq(n, e == MOG_OK ? 2 : 1);
    OK(st, store_setting_set(st, "a", span_of("1")));
    OK(st, store_validate(st));
    OK(st, store_begin(st));
    OK(st, store_setting_set(st, "a", span_of("3")));
    kill_connection(other, st);
    FAILS(st, MOG_EDBDOWN, store_commit(st));
    OK(st, store_validate(st));
    OK(st, store_setting_get_int(st, "a", 0, &n));
    ck_assert_int_eq(n, 1);
    OK(st, store_lock(st, "mgfs:reaper", 5));
    kill_connection(other, st);
    FAILS(st, MOG_EDBDOWN, store_validate(st));
    OK(other, store_lock(other, "mgfs:reaper", 5));
    store_free(other);
}
END_TEST

struct crossing {
    struct store *st;
    uint32_t second;
    enum mog_err e;
};

static void *cross(void *arg)
{
    struct crossing *c = arg;
    c->e = store_device_set_weight(c->st, c->second, 50);
    return NULL;
}

START_TEST(deadlock_of_two)
{
    struct store *st = fx.st, *other;
    if (!is_server())
        return;
    other = store_new(fx.env, STORE_CLIENT);
    OK(st, store_device_create(st, 1, 1, "alive"));
    OK(st, store_device_create(st, 2, 1, "alive"));
    OK(st, store_begin(st));
    OK(other, store_begin(other));
    OK(st, store_device_set_weight(st, 1, 10));
    OK(other, store_device_set_weight(other, 2, 20));
    pthread_t t;
    struct crossing c = {other, 1, MOG_OK};
    ck_assert_int_eq(pthread_create(&t, NULL, cross, &c), 0);
    enum mog_err e = store_device_set_weight(st, 2, 10);
    if (e == MOG_EDEADLOCK)
        store_rollback(st);
    pthread_join(t, NULL);
    ck_assert_msg((e == MOG_EDEADLOCK) != (c.e == MOG_EDEADLOCK), "%s, %s", err_name(e), err_name(c.e));
    store_rollback(st);
    store_rollback(other);
    store_free(other);
}
END_TEST

START_TEST(waiting_for_a_row)
{
    struct store *st = fx.st, *other;
    if (!is_server())
        return;
    other = store_new(fx.env, STORE_CLIENT);
    OK(st, store_device_create(st, 1, 1, "alive"));
    fixture_sql(other,
                store_backend(st) == STORE_MYSQL ? "SET SESSION innodb_lock_wait_timeout = 1"
                                                 : "SET lock_timeout = '1s'",
                NULL);
    OK(st, store_begin(st));
    OK(st, store_device_set_weight(st, 1, 10));
    FAILS(other, MOG_ELOCKED, store_device_set_weight(other, 1, 20));
    OK(st, store_commit(st));
    OK(other, store_device_set_weight(other, 1, 20));
    fixture_sql(other,
                store_backend(st) == STORE_MYSQL ? "SET SESSION TRANSACTION READ ONLY"
                                                 : "SET default_transaction_read_only = on",
                NULL);
    FAILS(other, MOG_EPERM, store_device_set_weight(other, 1, 30));
    struct store_device d;
    OK(other, store_device_get(other, 1, &d));
    ck_assert_int_eq(d.weight, 20);
    store_free(other);
}
END_TEST

START_TEST(hung_server)
{
    const char *pid = fixture_env("MOG_TEST_SERVER_PID");
    if (pid == NULL || store_backend(fx.st) != STORE_MYSQL)
        return;
    struct fixture own = fx;
    snprintf(own.dsn, sizeof own.dsn, "%.900s;mysql_read_timeout=1;mysql_connect_timeout=1", fx.dsn);
    struct store_env *env = fixture_new_env(&own);
    struct store *st = store_new(env, STORE_CLIENT), *fresh = store_new(env, STORE_CLIENT);
    OK(st, store_ping(st));
    ck_assert_int_eq(kill((pid_t)atoi(pid), SIGSTOP), 0);
    enum mog_err slow = MOG_OK;
    for (int i = 0; slow == MOG_OK && i < 1000; i++) /* its threads stop one by one */
        slow = store_ping(st);
    enum mog_err none = store_ping(fresh);
    ck_assert_int_eq(kill((pid_t)atoi(pid), SIGCONT), 0);
    ck_assert_int_eq(slow, MOG_ETIMEOUT);
    ck_assert_int_eq(none, MOG_EDBDOWN);
    OK(st, store_validate(st));
    OK(st, store_ping(st));
    store_free(st);
    store_free(fresh);
    store_env_free(env);
}
END_TEST

START_TEST(read_slaves)
{
    const char *dsn = fixture_env("MOG_TEST_SLAVE_DSN");
    if (dsn == NULL || store_backend(fx.st) != STORE_MYSQL)
        return;
    struct fixture own = fx;
    snprintf(own.dsn, sizeof own.dsn, "%s", dsn);
    struct store_env *env = fixture_new_env(&own);
    struct store *slave = store_new(env, STORE_CLIENT), *st = fx.st;
    const struct store_schema_job job = {0};
    OK(slave, store_schema_upgrade(slave, &job));
    fixture_empty(slave);
    uint64_t there = fixture_file(slave, 1, "k", 8), here = fixture_file(st, 1, "k", 1), before;
    for (int i = 0; there == here && i < 2; i++)
        there = fixture_file(slave, 1, "k", 8);
    struct store_found f;
    const unsigned flags = STORE_READ_SLAVE | STORE_READ_DEVIDS;
    const char *user = fixture_env("MOG_TEST_DB_USER"), *password = fixture_env("MOG_TEST_DB_PASSWORD");
    struct store_slave slaves[] = {{"DBI:mysql:x;host=127.0.0.1;port=1", user, password}, {dsn, user, password}};
    /* The one that answers is used, the other is left alone for a while. */
    store_env_set_slaves(fx.env, slaves, 2, 1, 15);
    for (int i = 0; i < 10; i++) {
        before = store_statements(st);
        OK(st, store_file_find(st, 1, span_of("k"), flags, &f));
        ck_assert_uint_eq(f.file.fid, there);
        ck_assert_uint_eq(f.devids.rows[0], 8);
        ck_assert_uint_eq(store_statements(st) - before, 1);
        store_found_free(&f);
    }
    OK(st, store_file_find(st, 1, span_of("k"), STORE_READ_DEVIDS, &f));
    ck_assert_uint_eq(f.file.fid, here);
    store_found_free(&f);
    /* None that answers: the master. Not even the key: what the slave says holds. */
    FAILS(st, MOG_ENOTFOUND, store_file_find(st, 1, span_of("missing"), flags, &f));
    store_env_set_slaves(fx.env, slaves, 1, 1, 15);
    OK(st, store_file_find(st, 1, span_of("k"), flags, &f));
    ck_assert_uint_eq(f.file.fid, here);
    store_found_free(&f);
    store_env_set_slaves(fx.env, NULL, 0, 1, 15);
    OK(st, store_file_find(st, 1, span_of("k"), flags, &f));
    ck_assert_uint_eq(f.file.fid, here);
    store_found_free(&f);
    /* With a slave, reading goes on while the master is down. */
    store_env_set_slaves(fx.env, slaves + 1, 1, 1, 15);
    store_env_set_alive(fx.env, false);
    struct store *late = store_new(fx.env, STORE_CLIENT);
    OK(late, store_file_find(late, 1, span_of("k"), flags, &f));
    store_found_free(&f);
    FAILS(late, MOG_EDBDOWN, store_file_find(late, 1, span_of("k"), 0, &f));
    store_free(late);
    store_free(slave);
    store_env_free(env);
}
END_TEST

/* ---- SQLite ---- */

/* Who says nothing is waited for as long as the DSN says. */
START_TEST(time_outs_of_the_dsn)
{
    static const char *const dsns[][2] = {{"DBI:Pg:dbname=x", "connect_timeout"},
                                          {"DBI:mysql:x", "mysql_connect_timeout"}};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    for (size_t i = 0; i < sizeof dsns / sizeof dsns[0]; i++) {
        struct fixture silent = fx;
        snprintf(silent.dsn, sizeof silent.dsn, "%s;host=127.0.0.1;port=%u;%s=2", dsns[i][0],
                 (unsigned)ntohs(address.sin_port), dsns[i][1]);
        struct store_env *env = fixture_new_env(&silent);
        struct store *st = store_new(env, STORE_CLIENT);
        int64_t begun_ms = clock_mono_ms();
        FAILS(st, MOG_EDBDOWN, store_open(st));
        ck_assert_int_ge(clock_mono_ms() - begun_ms, 1000);
        ck_assert_int_lt(clock_mono_ms() - begun_ms, 4000);
        store_free(st);
        store_env_free(env);
    }
    close(fd);
}
END_TEST

START_TEST(a_relative_path_stays_where_it_was)
{
    struct mog_fail f = {0};
    struct fixture own = fx;
    ck_assert_int_eq(chdir(fx.folder), 0);
    ck_assert_int_eq(store_embedded_create("relative.db", &f), MOG_OK);
    snprintf(own.dsn, sizeof own.dsn, "DBI:SQLite:relative.db");
    struct store_env *env = fixture_new_env(&own);
    struct store *st = store_new(env, STORE_CLIENT);
    OK(st, store_schema_check(st));
    store_close(st);
    ck_assert_int_eq(chdir("/"), 0);
    OK(st, store_validate(st));
    OK(st, store_schema_check(st));
    store_free(st);
    store_env_free(env);
}
END_TEST

/* It goes away under us, and is not made anew; another that comes to its place is seen. */
static void a_file_that_goes_away(struct store *st, const char *path)
{
    struct mog_fail f = {0};
    uint32_t version;
    uint64_t size, connects = store_connects(st);
    char copy[160];
    snprintf(copy, sizeof copy, "%s.copy", path);
    ck_assert_int_eq(store_backup_sqlite(path, copy, &size, &f), MOG_OK);
    ck_assert_int_eq(unlink(path), 0);
    FAILS(st, MOG_EDBDOWN, store_validate(st));
    FAILS(st, MOG_EDBDOWN, store_ping(st));
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(rename(copy, path), 0);
    OK(st, store_validate(st));
    OK(st, store_schema_version(st, &version));
    ck_assert_uint_eq(version, 18);
    ck_assert_uint_eq(store_connects(st), connects + 1);
    ck_assert_int_eq(store_backup_sqlite(path, copy, &size, &f), MOG_OK);
    ck_assert_int_eq(rename(copy, path), 0);
    OK(st, store_validate(st));
    ck_assert_uint_eq(store_connects(st), connects + 2);
}

START_TEST(embedded_database)
{
    struct mog_fail f = {0};
    char path[128];
    int fd, second;
    struct stat sb;
    snprintf(path, sizeof path, "%s/mogilefs.db", fx.folder);
    ck_assert_int_eq(store_embedded_lock(path, &fd, &f), MOG_OK);
    ck_assert_int_eq(store_embedded_lock(path, &second, &f), MOG_ELOCKED);
    ck_assert_int_eq(store_embedded_create(path, &f), MOG_OK);
    ck_assert_int_eq(store_embedded_create(path, &f), MOG_EEXISTS);
    ck_assert_int_eq(stat(path, &sb), 0);
    ck_assert_uint_eq(sb.st_mode & 0777, 0640);
    struct fixture own = fx;
    snprintf(own.dsn, sizeof own.dsn, "DBI:SQLite:%s", path);
    struct store_env *env = fixture_new_env(&own);
    struct store *st = store_new(env, STORE_CLIENT);
    OK(st, store_schema_check(st));
    OK(st, store_schema_check_row_locks(st));
    fixture_sql(st, "UPDATE server_settings SET value = '18'", NULL);
    FAILS(st, MOG_ESCHEMA, store_schema_check(st));
    ck_assert_str_eq(store_failure(st)->text,
                     "Server's database schema version of 18 doesn't match expected value of 17.  Halting.\n\n"
                     "Please run mogdbsetup to upgrade your schema.");
    a_file_that_goes_away(st, path);
    store_free(st);
    store_env_free(env);
    close(fd);
    ck_assert_int_eq(store_embedded_lock(path, &fd, &f), MOG_OK);
    close(fd);
    ck_assert_int_eq(store_embedded_create("/nonexistent/x.db", &f), MOG_EIO);
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("store_faults", deadlocks_are_tried_again, a_close_is_whole, a_cut_close_is_done_again,
                       what_was_refused_is_done_again, reads_survive_a_lost_connection, a_lock_is_not_recovered,
                       nothing_there, killed_connections, deadlock_of_two, waiting_for_a_row, hung_server, read_slaves,
                       time_outs_of_the_dsn, a_relative_path_stays_where_it_was, embedded_database);
}
