/* SPDX-License-Identifier: MIT */
/* A fresh database for each test: SQLite in a scratch folder, or the server that MOG_TEST_DSN names. */
#ifndef MOG_TESTS_STORE_FIXTURE_H
#define MOG_TESTS_STORE_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "store/plain_sql.h"
#include "store/store.h"
#include "store/store_file.h"
#include "store/store_fsck.h"
#include "store/store_lock.h"
#include "store/store_queue.h"
#include "store/store_run.h"
#include "store/store_schema.h"
#include "store/store_stats.h"
#include "store/store_topology.h"

#define OK(st, call)                                                                                                   \
    do {                                                                                                               \
        enum mog_err ok_e = (call);                                                                                    \
        ck_assert_msg(ok_e == MOG_OK, "%s: %s: %s", #call, err_name(ok_e), store_failure(st)->text);                   \
    } while (0)
#define FAILS(st, code, call)                                                                                          \
    do {                                                                                                               \
        enum mog_err fails_e = (call);                                                                                 \
        ck_assert_msg(fails_e == (code), "%s: %s instead of %s: %s", #call, err_name(fails_e), err_name(code),         \
                      store_failure(st)->text);                                                                        \
    } while (0)

struct fixture {
    char folder[64];
    char dsn[1024];
    struct store_env *env;
    struct store *st;
};

static inline const char *fixture_env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static inline struct store_env *fixture_new_env_as(const struct fixture *fx, const char *hostname)
{
    struct mog_fail f = {0};
    struct store_env *env;
    const struct store_config config = {.dsn = fx->dsn,
                                        .hostname = hostname,
                                        .user = fixture_env("MOG_TEST_DB_USER"),
                                        .password = fixture_env("MOG_TEST_DB_PASSWORD"),
                                        .row_locks = fixture_env("MOG_TEST_ROW_LOCKS") != NULL};
    enum mog_err e = store_env_new(&config, &env, &f);
    ck_assert_msg(e == MOG_OK, "%s", f.text);
    return env;
}

static inline struct store_env *fixture_new_env(const struct fixture *fx)
{
    return fixture_new_env_as(fx, NULL);
}

static const char *const fixture_tables[] = {"domain",
                                             "class",
                                             "file",
                                             "tempfile",
                                             "file_to_delete",
                                             "unreachable_fids",
                                             "file_on",
                                             "host",
                                             "device",
                                             "server_settings",
                                             "file_to_delete2",
                                             "file_to_replicate",
                                             "file_to_queue",
                                             "fsck_log",
                                             "checksum",
                                             "file_to_delete_later"};
enum { FIXTURE_TABLES = sizeof fixture_tables / sizeof fixture_tables[0] };

static inline void fixture_empty(struct store *st)
{
    char text[80];
    for (size_t i = 0; i < FIXTURE_TABLES; i++) {
        snprintf(text, sizeof text, "DELETE FROM %s", fixture_tables[i]);
        fixture_sql(st, text, NULL);
    }
}

static inline void fixture_open(struct fixture *fx)
{
    *fx = (struct fixture){0};
    const char *dsn = fixture_env("MOG_TEST_DSN");
    /* In memory where it can be: thousands of commits need no disk. */
    snprintf(fx->folder, sizeof fx->folder, "%s/mogtest-store-XXXXXX",
             access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(fx->folder));
    if (dsn != NULL)
        snprintf(fx->dsn, sizeof fx->dsn, "%s", dsn);
    else
        snprintf(fx->dsn, sizeof fx->dsn, "DBI:SQLite:%s/test.db", fx->folder);
    fx->env = fixture_new_env(fx);
    fx->st = store_new(fx->env, STORE_BACKGROUND);
    /* A table that the original has made turns the rest into text too. */
    if (fixture_env("MOG_TEST_TEXT_NAMES") != NULL)
        fixture_sql(fx->st,
                    "CREATE TABLE IF NOT EXISTS domain (dmid SMALLINT NOT NULL PRIMARY KEY, namespace VARCHAR(255), "
                    "UNIQUE (namespace))",
                    NULL);
    const struct store_schema_job job = {.with_row_locks = fixture_env("MOG_TEST_ROW_LOCKS") != NULL};
    OK(fx->st, store_schema_upgrade(fx->st, &job));
    fixture_empty(fx->st);
}

static inline void fixture_close(struct fixture *fx)
{
    store_free(fx->st);
    store_env_free(fx->env);
    char *command = mem_printf("rm -rf '%s'", fx->folder);
    ck_assert_int_eq(system(command), 0);
    free(command);
}

/* A domain that is there. */
static inline uint32_t fixture_domain(struct store *st, const char *name)
{
    uint32_t dmid;
    OK(st, store_domain_create(st, span_of(name), &dmid));
    return dmid;
}

/* A finished file; its fid. */
static inline uint64_t fixture_file(struct store *st, uint32_t dmid, const char *key, uint32_t devid)
{
    uint64_t fid;
    const struct store_file_open o = {.dmid = dmid, .key = span_of(key), .devids = "1,2"};
    OK(st, store_file_open(st, &o, &fid));
    const struct store_file_close c = {.fid = fid, .devid = devid, .dmid = dmid, .key = span_of(key), .length = 10};
    OK(st, store_file_close(st, &c, NULL));
    return fid;
}

static struct fixture fx;
static inline void fixture_setup(void)
{
    fixture_open(&fx);
}
static inline void fixture_teardown(void)
{
    fixture_close(&fx);
}

static inline int fixture_run(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
#define FIXTURE_RUN(name, ...)                                                                                         \
    fixture_run(name, (const TTest *const[]){__VA_ARGS__}, sizeof((const TTest *const[]){__VA_ARGS__}) / sizeof(void *))

#endif
