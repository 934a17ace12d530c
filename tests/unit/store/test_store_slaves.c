/* SPDX-License-Identifier: MIT */
/* Read slaves that fail: the next one answers, or the master; the log says so once, and they are left alone a while. */
#include "store/fault_driver.h"
#include "store/store_fixture.h"

#include "common/log.h"

enum { MASTER, ONE, TWO, DATABASES, READS = 10, POINTS_MAX = 20 };

/* Every database is an SQLite file; by their names they are taken for MySQL's, which alone have slaves. */
static struct {
    char folder[40], path[DATABASES][60];
    struct sql_driver driver;
    struct sql_conn *slave_conns[8]; /* NULL: a free place */
    struct store_env *env;
    struct store *st;
    unsigned lines, exhausted;  /* in the log */
    bool are_gone[DATABASES];   /* nobody can connect */
    bool are_broken[DATABASES]; /* every statement fails */
} stage;

static const char *const names[DATABASES] = {"master", "one", "two"};
static const struct store_slave slaves[] = {{"DBI:mysql:one", "", ""}, {"DBI:mysql:two", "", ""}};

static void count_line(void *arg, enum log_level level, const char *context, const char *text)
{
    (void)arg;
    (void)level;
    (void)context;
    if (strstr(text, "Slave list exhausted") != NULL)
        stage.exhausted++;
    else
        stage.lines++;
}

static size_t place_of(const struct sql_conn *c)
{
    size_t i = 0;
    while (i < 8 && stage.slave_conns[i] != c)
        i++;
    return i;
}

static enum mog_err stage_open(const struct sql_target *t, const struct sql_limits *l, struct sql_conn **c,
                               struct mog_fail *f)
{
    size_t i = 0;
    while (strcmp(t->database, names[i]) != 0)
        i++;
    struct sql_target file = {.backend = STORE_SQLITE, .database = stage.path[i]};
    *c = NULL;
    if (stage.are_gone[i])
        return fail_set(f, MOG_EDBDOWN, "gone");
    /* What fails is a slave's, never the master's. */
    enum mog_err e = i == MASTER ? fault_real->open(&file, l, c, f) : fault_open(&file, l, c, f);
    if (e == MOG_OK && i != MASTER)
        stage.slave_conns[place_of(NULL)] = *c;
    return e;
}

static void stage_close(struct sql_conn *c)
{
    if (place_of(c) < 8)
        stage.slave_conns[place_of(c)] = NULL;
    fault_real->close(c);
}

static bool stage_is_alive(struct sql_conn *c)
{
    return place_of(c) < 8 ? fault_is_alive(c) : fault_real->is_alive(c);
}

static enum mog_err stage_run(struct sql_conn *c, enum sql_stmt id, size_t size, const struct sql_value *args,
                              size_t n_args, struct sql_result *r, struct mog_fail *f)
{
    if (place_of(c) == 8)
        return fault_real->run(c, id, size, args, n_args, r, f);
    if (stage.are_broken[ONE])
        return fail_set(f, MOG_EDB, "no such table");
    return fault_run(c, id, size, args, n_args, r, f);
}

/* Each database has the key, with a fid of its own: 1 of the master, then 2, 3. */
static void fill(size_t i)
{
    struct mog_fail f = {0};
    char text[200];
    snprintf(stage.path[i], sizeof stage.path[i], "%s/%s", stage.folder, names[i]);
    ck_assert_int_eq(store_embedded_create(stage.path[i], &f), MOG_OK);
    snprintf(text, sizeof text, "DBI:SQLite:%s", stage.path[i]);
    const struct store_config config = {.dsn = text, .hostname = "here"};
    struct store_env *env;
    ck_assert_int_eq(store_env_new(&config, &env, &f), MOG_OK);
    struct store *st = store_new(env, STORE_CLIENT);
    snprintf(text, sizeof text,
             "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (%d, 1, 'k', 5, 1, 1)", (int)i + 1);
    fixture_sql(st, text, NULL);
    store_free(st);
    store_env_free(env);
}

static void set_up(void)
{
    struct mog_fail f = {0};
    memset(&stage, 0, sizeof stage);
    snprintf(stage.folder, sizeof stage.folder, "%s/mogtest-XXXXXX",
             access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(stage.folder));
    for (size_t i = 0; i < DATABASES; i++)
        fill(i);
    const struct store_config config = {.dsn = "DBI:mysql:master", .hostname = "here"};
    ck_assert_int_eq(store_env_new(&config, &stage.env, &f), MOG_OK);
    stage.st = store_new(stage.env, STORE_CLIENT);
    stage.st->driver = &sql_driver_sqlite;
    fault_install(stage.st, false);
    fault.is_thorough = true;
    stage.driver = *stage.st->driver;
    stage.driver.open = stage_open;
    stage.driver.close = stage_close;
    stage.driver.is_alive = stage_is_alive;
    stage.driver.run = stage_run;
    stage.driver.one_writer = false;
    stage.st->driver = &stage.driver;
    ck_assert_int_eq(log_open("test", LOG_SINK_FILE, "/dev/null", &f), MOG_OK);
    log_set_hook(count_line, NULL);
}

static void tear_down(void)
{
    char command[80];
    log_set_hook(NULL, NULL);
    store_free(stage.st);
    store_env_free(stage.env);
    snprintf(command, sizeof command, "rm -rf %s", stage.folder);
    ck_assert_int_eq(system(command), 0);
}

/* Which database answers. */
static int answer(void)
{
    struct store_found found;
    OK(stage.st, store_validate(stage.st));
    OK(stage.st, store_file_find(stage.st, 1, span_of("k"), STORE_READ_SLAVE, &found));
    uint64_t fid = found.file.fid;
    store_found_free(&found);
    ck_assert(fid >= 1 && fid <= DATABASES);
    return (int)fid - 1;
}

static void use_slaves(size_t n)
{
    /* Nothing but the pause lets one be tried again: an hour. */
    store_env_set_slaves(stage.env, NULL, 0, 1, 3600);
    (void)answer();
    store_env_set_slaves(stage.env, slaves, n, 1, 3600);
    stage.lines = stage.exhausted = 0;
}

/* ---- one thing fails ---- */

static const struct way {
    const char *name;
    enum mog_err error;
    bool is_late;
} ways[] = {
    {"the connection broke", MOG_EDBDOWN, false}, {"the connection broke before the answer", MOG_EDBDOWN, true},
    {"it took too long", MOG_ETIMEOUT, true},     {"an error", MOG_EDB, false},
    {"a deadlock", MOG_EDEADLOCK, false},
};

START_TEST(one_failure_is_somebody_elses_answer)
{
    set_up();
    for (size_t n = 1; n <= 2; n++) {
        bool did_fail = true;
        int at = 1;
        for (; did_fail; at++) {
            ck_assert_int_lt(at, POINTS_MAX);
            use_slaves(n);
            fault.at = at;
            fault.times = 1;
            fault.failed = 0;
            fault.error = ways[_i].error;
            fault.is_late = ways[_i].is_late;
            int from_master = 0;
            for (int i = 0; i < 3; i++)
                from_master += answer() == MASTER;
            did_fail = fault.failed > 0;
            fault_clear();
            ck_assert_msg(n == 1 || from_master == 0, "%s, at %d: nobody asks the other slave", ways[_i].name, at);
            ck_assert_msg(did_fail || from_master == 0, "%s: nothing failed, and the master is asked", ways[_i].name);
            ck_assert_msg(stage.lines <= (did_fail ? 1 : 0) && stage.exhausted <= (from_master != 0),
                          "%s, at %d: %u lines", ways[_i].name, at, stage.lines);
        }
        ck_assert_int_gt(at, 4);
    }
    tear_down();
}
END_TEST

/* ---- all fails, for long ---- */

/* A crowd of readers, none of which may notice, or fill the log. */
static void read_from_master(unsigned lines_max)
{
    for (int i = 0; i < READS; i++)
        ck_assert_int_eq(answer(), MASTER);
    ck_assert_uint_ge(stage.lines, 1);
    ck_assert_uint_le(stage.lines, lines_max);
    ck_assert_uint_eq(stage.exhausted, 1);
}

START_TEST(slaves_that_are_gone_are_asked_once)
{
    set_up();
    stage.are_gone[ONE] = stage.are_gone[TWO] = true;
    use_slaves(2);
    read_from_master(2);
    /* One of them is there again, and nobody knows before the pause is over. */
    stage.are_gone[TWO] = false;
    ck_assert_int_eq(answer(), MASTER);
    use_slaves(2);
    for (int i = 0; i < READS; i++)
        ck_assert_int_eq(answer(), TWO);
    ck_assert_uint_le(stage.lines, 1);
    ck_assert_uint_eq(stage.exhausted, 0);
    tear_down();
}
END_TEST

START_TEST(slaves_that_answer_nothing_are_asked_twice)
{
    set_up();
    stage.are_broken[ONE] = true;
    use_slaves(2);
    /* The first failure may be the connection's. */
    read_from_master(4);
    stage.are_broken[ONE] = false;
    use_slaves(2);
    ck_assert_int_ne(answer(), MASTER);
    ck_assert_uint_eq(stage.lines, 0);
    tear_down();
}
END_TEST

START_TEST(with_a_slave_the_master_may_be_gone)
{
    set_up();
    use_slaves(1);
    ck_assert_int_eq(answer(), ONE);
    store_close(stage.st);
    stage.are_gone[MASTER] = true;
    struct store_found found;
    for (int i = 0; i < READS; i++) {
        OK(stage.st, store_file_find(stage.st, 1, span_of("k"), STORE_READ_SLAVE, &found));
        ck_assert_uint_eq(found.file.fid, ONE + 1);
        store_found_free(&found);
    }
    /* Neither of them: the master's error is told. */
    stage.are_broken[ONE] = true;
    FAILS(stage.st, MOG_EDBDOWN, store_file_find(stage.st, 1, span_of("k"), STORE_READ_SLAVE, &found));
    ck_assert_ptr_nonnull(strstr(store_failure(stage.st)->text, "gone"));
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_slaves");
    TCase *tcase = tcase_create("store_slaves");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, one_failure_is_somebody_elses_answer, 0, sizeof ways / sizeof ways[0]);
    tcase_add_test(tcase, slaves_that_are_gone_are_asked_once);
    tcase_add_test(tcase, slaves_that_answer_nothing_are_asked_twice);
    tcase_add_test(tcase, with_a_slave_the_master_may_be_gone);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
