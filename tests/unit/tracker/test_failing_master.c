/* SPDX-License-Identifier: MIT */
/*
 * What the job master does in a pass, with each statement of the database, and each call of the system below it,
 * failing in turn: rows reach the workers, a check misses no file, a rebalance keeps its limits and gives its devices
 * back.
 */
#include "failing_calls.h"
#include "store/fault_driver.h"
#include "store/plain_sql.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "store/store_lock.h"
#include "store/store_schema.h"
#include "store/store_topology.h"
#include "tracker/cluster/cluster_build.h"
#include "tracker/job/job_priv.h"

enum { POINTS_MAX = 1000, PASSES_MAX = 30, FID_MAX = 120 };

static char folder[40];
static struct store_env *env;
static struct store *db; /* never hindered */
static struct cluster *cluster;
static struct node_shared *nodes;
static struct cluster_box *box;
static struct jobs *jobs;
static struct job_worker worker;

/* What the workers were given. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned times[JOB_QUEUES][FID_MAX];
    unsigned with_wrong_options;
} given = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* ---- the database ---- */

static void sql(const char *text)
{
    fixture_sql(db, text, NULL);
}

/* -1: there is no row. */
static int64_t number(const char *text)
{
    struct sql_result r = {0};
    fixture_sql(db, text, &r);
    int64_t n = r.n_rows != 0 ? sql_i64(&r, 0, 0) : -1;
    sql_result_free(&r);
    return n;
}

/* -1: it is not there. */
static int64_t setting(const char *field)
{
    char text[120];
    snprintf(text, sizeof text, "SELECT value FROM server_settings WHERE field = '%s'", field);
    return number(text);
}

static bool setting_is(const char *field, const char *value)
{
    char text[200];
    snprintf(text, sizeof text, "SELECT COUNT(*) FROM server_settings WHERE field = '%s' AND value = '%s'", field,
             value);
    return number(text) == 1;
}

static bool device_is(uint32_t devid, const char *status)
{
    char text[100];
    snprintf(text, sizeof text, "SELECT COUNT(*) FROM device WHERE devid = %" PRIu32 " AND status = '%s'", devid,
             status);
    return number(text) == 1;
}

/* A number out of the text of rebal_state. */
static int64_t state_of(const char *name)
{
    struct store_bytes value = {0};
    char key[60];
    int64_t n = -1;
    snprintf(key, sizeof key, " %s=", name);
    if (store_setting_get(db, "rebal_state", &value) == MOG_OK) {
        const char *at = strstr(value.ptr, key);
        n = at != NULL ? strtoll(at + strlen(key), NULL, 10) : -1;
    }
    store_bytes_free(&value);
    return n;
}

/* ---- the stage ---- */

static void *collector_new(void *arg)
{
    return arg;
}

static void collect(void *worker_of_pool, void *value)
{
    struct job_item *item = value;
    (void)worker_of_pool;
    pthread_mutex_lock(&given.lock);
    given.times[item->queue][item->row.fid]++;
    given.with_wrong_options += item->queue == STORE_QUEUE_FSCK && !atomic_load(&jobs->fsck_policy_only);
    atomic_fetch_sub(&jobs->waiting[item->queue], 1);
    pthread_cond_signal(&given.changed);
    pthread_mutex_unlock(&given.lock);
    job_item_free(item);
}

static void drop(void *arg, void *value)
{
    (void)arg;
    job_item_free(value);
}

static void set_up(void)
{
    struct mog_fail f = {0};
    char path[80], dsn[100];
    ck_assert_int_eq(log_open("test", LOG_SINK_FILE, "/dev/null", &f), MOG_OK);
    snprintf(folder, sizeof folder, "%s/mogtest-XXXXXX", access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/db", folder);
    snprintf(dsn, sizeof dsn, "DBI:SQLite:%s", path);
    ck_assert_int_eq(store_embedded_create(path, &f), MOG_OK);
    const struct store_config config = {.dsn = dsn, .hostname = "here"};
    ck_assert_int_eq(store_env_new(&config, &env, &f), MOG_OK);
    db = store_new(env, STORE_BACKGROUND);
    const struct node_config node = {.node_timeout_ms = 1000, .conn_pool_size = 1, .stream_port = 1};
    nodes = node_shared_new(&node);
    box = cluster_box_new();
    const struct jobs_config job = {.env = env, .box = box, .nodes = nodes, .hostname = "here"};
    jobs = jobs_new(&job);
    const struct pool_ops ops = {.name = "collector", .worker_new = collector_new, .work = collect, .drop = drop};
    for (size_t k = 0; k < JOB_KINDS; k++) {
        pool_stop(jobs->pools[k]);
        jobs->pools[k] = pool_new(&ops, 0);
        pool_resize(jobs->pools[k], 1);
        while (pool_running(jobs->pools[k]) != 1)
            (void)poll(NULL, 0, 1);
    }
    worker = (struct job_worker){.jobs = jobs, .st = store_new(env, STORE_BACKGROUND)};
    rng_seed_random(&worker.rng);
    fault_install(worker.st, false);
    fault.is_thorough = true;
}

static void tear_down(void)
{
    char command[80];
    store_free(worker.st);
    node_shared_stop(nodes);
    cluster_box_stop(box);
    jobs_stop(jobs);
    cluster_box_free(box);
    node_shared_free(nodes);
    cluster_free(cluster);
    cluster = NULL;
    store_free(db);
    store_env_free(env);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* What the database says now is what the tracker knows of the cluster. */
static void look_at_cluster(void)
{
    static const struct cluster_config config = {.min_free_mb = 100, .default_mindevcount = 2};
    struct cluster_seen host = {.id = 1, .host = HOST_REACHABLE}, devices[3];
    struct store_topology t;
    for (uint32_t i = 0; i < 3; i++)
        devices[i] = (struct cluster_seen){.id = i + 1, .device = DEVICE_WRITEABLE, .utilization = -1};
    const struct cluster_observations seen = {.hosts = &host, .devices = devices, .n_hosts = 1, .n_devices = 3};
    cluster_free(cluster);
    ck_assert_int_eq(store_topology_read(db, &t), MOG_OK);
    cluster = cluster_build(&t, &seen, &config, false);
    store_topology_free(&t);
    worker.cluster = cluster;
}

static void begin_again(const char *const *settings)
{
    static const char *const rows[] = {
        "DELETE FROM file",
        "DELETE FROM file_on",
        "DELETE FROM file_to_replicate",
        "DELETE FROM file_to_delete2",
        "DELETE FROM file_to_queue",
        "DELETE FROM server_settings WHERE field <> 'schema_version'",
        "DELETE FROM device",
        "DELETE FROM host",
        "DELETE FROM lock",
        "INSERT INTO host (hostid, status, http_port, hostname, hostip) VALUES (1, 'alive', 1, 'h1', '127.0.0.1')",
        "INSERT INTO device (devid, hostid, status, weight, mb_total, mb_used) VALUES "
        "(1, 1, 'alive', 100, 1000, 10), (2, 1, 'alive', 100, 1000, 10), (3, 1, 'alive', 100, 1000, 10)",
        "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (101, 1, 'a', 5, 1, 1), "
        "(102, 1, 'b', 5, 1, 1), (103, 2, 'c', 5, 1, 1), (104, 1, 'd', 5, 2, 1), (105, 1, 'e', 5, 1, 1), "
        "(106, 1, 'f', 5, 1, 1)",
        "INSERT INTO file_on (fid, devid) VALUES (101, 1), (102, 1), (103, 1), (104, 2), (105, 2), (106, 2)",
    };
    sql("BEGIN");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        sql(rows[i]);
    for (; *settings != NULL; settings++)
        sql(*settings);
    sql("COMMIT");
    look_at_cluster();
    memset(given.times, 0, sizeof given.times);
    given.with_wrong_options = 0;
    atomic_store(&jobs->fsck_policy_only, false);
}

static void pass(void)
{
    jobs->injected_mono_ms = 0;
    (void)job_master_pass(&worker);
    pthread_mutex_lock(&given.lock);
    for (size_t q = 0; q < JOB_QUEUES; q++)
        while (atomic_load(&jobs->waiting[q]) != 0)
            pthread_cond_wait(&given.changed, &given.lock);
    pthread_mutex_unlock(&given.lock);
}

/* ---- rows that are due ---- */

#define SETTING(field, value) "INSERT INTO server_settings (field, value) VALUES ('" field "', '" value "')"

static const char *const due_rows[] = {
    SETTING("fsck_opt_policy_only", "1"),
    "INSERT INTO file_to_replicate (fid, nexttry, failcount, flags) VALUES (101, 0, 0, 0)",
    "INSERT INTO file_to_delete2 (fid, nexttry, failcount) VALUES (102, 0, 0)",
    "INSERT INTO file_to_queue (fid, devid, type, nexttry, failcount, flags, arg) VALUES "
    "(103, NULL, 1, 0, 0, 0, NULL), (104, 2, 2, 0, 0, 0, '3')",
    NULL,
};

static unsigned times_given(enum store_queue q, uint64_t fid)
{
    pthread_mutex_lock(&given.lock);
    unsigned n = given.times[q][fid];
    pthread_mutex_unlock(&given.lock);
    return n;
}

static bool all_are_given(void)
{
    return times_given(STORE_QUEUE_REPLICATE, 101) != 0 && times_given(STORE_QUEUE_DELETE, 102) != 0 &&
           times_given(STORE_QUEUE_FSCK, 103) != 0 && times_given(STORE_QUEUE_REBALANCE, 104) != 0;
}

static void check_given(const char *what)
{
    int64_t left = number("SELECT COUNT(*) FROM file_to_replicate") + number("SELECT COUNT(*) FROM file_to_delete2") +
                   number("SELECT COUNT(*) FROM file_to_queue");
    ck_assert_msg(left == 4, "%s: a row is lost", what);
    for (int q = 0; q < JOB_QUEUES; q++)
        for (uint64_t fid = 101; fid < FID_MAX; fid++)
            ck_assert_msg(times_given((enum store_queue)q, fid) <= 1, "%s: fid %d was given twice", what, (int)fid);
    ck_assert_msg(given.with_wrong_options == 0, "%s: it is checked with the options of another check", what);
}

/* What was claimed, and got lost on the way, is due again some time. */
static void lease_ends(void)
{
    if (times_given(STORE_QUEUE_REPLICATE, 101) == 0)
        sql("UPDATE file_to_replicate SET nexttry = 0");
    if (times_given(STORE_QUEUE_DELETE, 102) == 0)
        sql("UPDATE file_to_delete2 SET nexttry = 0");
    if (times_given(STORE_QUEUE_FSCK, 103) == 0)
        sql("UPDATE file_to_queue SET nexttry = 0 WHERE type = 1");
    if (times_given(STORE_QUEUE_REBALANCE, 104) == 0)
        sql("UPDATE file_to_queue SET nexttry = 0 WHERE type = 2");
}

/* ---- a check ---- */

static const char *const fsck_of_all[] = {
    SETTING("fsck_host", "here"),
    SETTING("fsck_fid_at_end", "105"),
    SETTING("queue_rate_for_fsck", "3"),
    SETTING("fsck_opt_policy_only", "1"),
    NULL,
};
static const char *const fsck_of_class[] = {
    SETTING("fsck_host", "here"),
    SETTING("fsck_fid_at_end", "106"),
    SETTING("queue_rate_for_fsck", "3"),
    SETTING("fsck_opt_policy_only", "1"),
    SETTING("fsck_opt_dmid", "1"),
    SETTING("fsck_opt_classid", "1"),
    NULL,
};

static const char *scope_of_check(void)
{
    return setting("fsck_opt_dmid") == 1 ? "fid <= 106 AND dmid = 1 AND classid = 1" : "fid <= 105";
}

static void check_fsck(const char *what)
{
    char text[300];
    int64_t at = setting("fsck_highest_fid_checked");
    snprintf(text, sizeof text,
             "SELECT COUNT(*) FROM file WHERE %s AND fid <= %" PRId64
             " AND fid NOT IN (SELECT fid FROM file_to_queue WHERE type = 1)",
             scope_of_check(), at);
    ck_assert_msg(number(text) == 0, "%s: the check is at %d, and has forgotten files before that", what, (int)at);
    snprintf(text, sizeof text, "SELECT COUNT(*) FROM file WHERE %s AND fid <= %" PRId64, scope_of_check(), at);
    int64_t counted = setting("fsck_fids_checked");
    ck_assert_msg((counted < 0 ? 0 : counted) == number(text), "%s: it says that it has looked at %d files", what,
                  (int)counted);
    bool is_over = setting("fsck_host") == -1;
    ck_assert_msg(is_over == (setting("fsck_stop_time") > 0), "%s: its end is half noted", what);
    ck_assert_msg(given.with_wrong_options == 0, "%s: it is checked with the options of another check", what);
}

static bool fsck_is_over(void)
{
    char text[300];
    snprintf(text, sizeof text,
             "SELECT COUNT(*) FROM file WHERE %s AND fid NOT IN (SELECT fid FROM file_to_queue WHERE type = 1)",
             scope_of_check());
    return setting("fsck_host") == -1 && number(text) == 0;
}

/* ---- a rebalance ---- */

static const char *const rebalance[] = {
    SETTING("rebal_host", "here"),
    SETTING("queue_rate_for_rebal", "2"),
    SETTING("rebal_policy", "from_devices=1,2 to_devices=3 limit_by=count limit=2"),
    NULL,
};
static const char *const rebalance_to_stop[] = {
    SETTING("rebal_host", "here"),
    SETTING("rebal_signal", "stop"),
    SETTING("queue_rate_for_rebal", "1"),
    SETTING("rebal_policy", "from_devices=1,2 to_devices=3"),
    SETTING("rebal_state", "completed_devs= source_devs=2 sdev_current=1 sdev_lastfid=0 sdev_limit=none limit=0"),
    SETTING("rebal_sdev_status", "1:alive"),
    "UPDATE device SET status = 'drain' WHERE devid = 1",
    NULL,
};
static const char *const rebalance_without_targets[] = {
    SETTING("rebal_host", "here"),
    SETTING("rebal_policy", "from_devices=1 to_percent_free=99.9999"),
    NULL,
};
static const char *const rebalance_without_sense[] = {
    SETTING("rebal_host", "here"),
    SETTING("rebal_policy", "from_moon=1"),
    NULL,
};
/* By a tracker that ended after it had noted what the device was, and had drained it. */
static const char *const rebalance_taken_up[] = {
    SETTING("rebal_host", "here"),
    SETTING("queue_rate_for_rebal", "100"),
    SETTING("rebal_policy", "from_devices=1 to_devices=3"),
    SETTING("rebal_sdev_status", "1:alive"),
    "UPDATE device SET status = 'drain' WHERE devid = 1",
    NULL,
};

static int64_t moved;

/* The workers move at once what they were given. */
static void move_all(void)
{
    moved += number("SELECT COUNT(*) FROM file_to_queue WHERE type = 2");
    sql("DELETE FROM file_on WHERE fid IN (SELECT fid FROM file_to_queue WHERE type = 2)");
    sql("DELETE FROM file_to_queue WHERE type = 2");
    /* What one pass has drained the next one sees so. */
    look_at_cluster();
}

static bool is_running(void)
{
    return setting("rebal_host") != -1;
}

static void check_rebalance(const char *what)
{
    for (uint32_t devid = 1; devid <= 2; devid++) {
        char remembered[20];
        snprintf(remembered, sizeof remembered, "%" PRIu32 ":alive", devid);
        ck_assert_msg(device_is(devid, "alive") || setting_is("rebal_sdev_status", remembered),
                      "%s: dev%d is drained, and nobody remembers what it was", what, (int)devid);
        ck_assert_msg(is_running() || device_is(devid, "alive"), "%s: dev%d stays drained", what, (int)devid);
    }
    ck_assert_msg(is_running() || setting("rebal_sdev_status") == -1, "%s: something is remembered for ever", what);
    move_all();
}

static void check_limits(const char *what)
{
    check_rebalance(what);
    ck_assert_msg(moved <= 4, "%s: %d files are moved, which is more than the limits", what, (int)moved);
    ck_assert_msg(state_of("fids_queued") == moved || (moved == 0 && state_of("fids_queued") == -1),
                  "%s: %d files were moved, and it has counted %d", what, (int)moved, (int)state_of("fids_queued"));
}

static bool rebalance_is_over(void)
{
    return !is_running() && moved == 4 && state_of("time_finished") > 0;
}

static void check_stop(const char *what)
{
    check_rebalance(what);
    ck_assert_msg(moved == 0, "%s: files are moved after it was stopped", what);
    ck_assert_msg(is_running() == setting_is("rebal_signal", "stop"), "%s: its stop is half noted", what);
}

static bool rebalance_is_stopped(void)
{
    return !is_running() && state_of("time_stopped") > 0;
}

static bool rebalance_has_ended(void)
{
    return !is_running();
}

static bool all_is_moved(void)
{
    return !is_running() && moved == 3;
}

/* ---- each thing fails in turn ---- */

static const struct master_case {
    const char *name;
    const char *const *settings;
    void (*check)(const char *what); /* what may never be */
    bool (*is_done)(void);
    void (*between)(void); /* before a pass that follows a failure; NULL: nothing */
    bool meets_deadlocks;
} cases[] = {
    {"what is due", due_rows, check_given, all_are_given, lease_ends, true},
    {"a check", fsck_of_all, check_fsck, fsck_is_over, NULL},
    {"a check of a class", fsck_of_class, check_fsck, fsck_is_over, NULL},
    {"a rebalance", rebalance, check_limits, rebalance_is_over, NULL, true},
    {"a rebalance that is stopped", rebalance_to_stop, check_stop, rebalance_is_stopped, NULL},
    {"a rebalance without targets", rebalance_without_targets, check_rebalance, rebalance_is_stopped, NULL},
    {"a rebalance without sense", rebalance_without_sense, check_rebalance, rebalance_has_ended, NULL},
    {"a rebalance that is taken up", rebalance_taken_up, check_rebalance, all_is_moved, NULL},
};

enum injector { IN_DATABASE, IN_DATABASE_LOST, IN_DATABASE_DEADLOCK, IN_CALLS, INJECTORS };

static void inject(int injector, int at)
{
    static const enum mog_err errors[] = {MOG_EDB, MOG_EDBDOWN, MOG_EDEADLOCK};
    if (injector == IN_CALLS) {
        failing_begin(at, 0);
        return;
    }
    fault.at = at;
    fault.times = 1;
    fault.failed = 0;
    fault.error = errors[injector];
    fault.is_late = injector == IN_DATABASE_LOST;
}

static bool did_strike(int injector)
{
    return injector == IN_CALLS ? failing.call != NULL : fault.failed > 0;
}

static void end_injection(void)
{
    env->flush.is_broken = false; /* the tracker is started again */
    failing.at = 0;
    fault_clear();
}

/* Only what the pass itself asks fails. */
static void pass_with_fault(int *calls_left)
{
    failing.at = *calls_left;
    if (store_validate(worker.st) == MOG_OK || store_validate(worker.st) == MOG_OK)
        pass();
    *calls_left = failing.at;
    failing.at = 0;
}

/* The fault strikes in one of the passes that all of it takes. False: there is nothing any more to strike at. */
static bool fail_at(const struct master_case *c, int injector, int at)
{
    char what[160];
    snprintf(what, sizeof what, "%s, fault %d, at %d", c->name, injector, at);
    begin_again(c->settings);
    moved = 0;
    inject(injector, at);
    int calls_left = injector == IN_CALLS ? at : 0;
    failing.at = 0;
    for (int i = 0; i < PASSES_MAX && !c->is_done(); i++) {
        pass_with_fault(&calls_left);
        if (did_strike(injector))
            end_injection();
        ck_assert_msg(!store_is_in_transaction(worker.st), "%s: a transaction is open", what);
        ck_assert_msg(store_lock_held(worker.st) == NULL && env->n_held == 0, "%s: a lock is held", what);
        c->check(what);
        if (did_strike(injector) && c->between != NULL)
            c->between();
    }
    end_injection();
    ck_assert_msg(c->is_done(), "%s: it is never done", what);
    return did_strike(injector);
}

START_TEST(every_pass_ends_well)
{
    size_t failures = 0;
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int at = 1;
        if (_i == IN_DATABASE_DEADLOCK && !cases[i].meets_deadlocks)
            continue; /* they take their time, and are errors like any other */
        while (fail_at(&cases[i], _i, at)) {
            failures++;
            ck_assert_msg(++at < POINTS_MAX, "%s never ends", cases[i].name);
        }
        ck_assert_msg(at > 1, "%s: nothing of it can fail", cases[i].name);
    }
    printf("fault %d: %zu failures\n", _i, failures);
    tear_down();
}
END_TEST

/* ---- a client in the middle ---- */

static bool did_reset;

static void reset_check(void)
{
    if (worker.st->has_writer)
        return; /* nobody else can write before the transaction ends */
    sql("UPDATE server_settings SET value = '0' WHERE field IN ('fsck_highest_fid_checked', 'fsck_fids_checked')");
    did_reset = true;
}

START_TEST(a_reset_counts_whenever_it_comes)
{
    const char *const *const checks[] = {fsck_of_all, fsck_of_class};
    set_up();
    fault.is_thorough = false;
    for (size_t i = 0; i < 2; i++) {
        size_t resets = 0;
        bool is_over = false;
        for (int at = 1; !is_over; at++) {
            begin_again(checks[i]);
            pass();
            int64_t first = setting("fsck_highest_fid_checked");
            ck_assert_int_gt(first, 0);
            inject(IN_DATABASE, at);
            fault.meanwhile = reset_check;
            did_reset = false;
            pass();
            is_over = !did_strike(IN_DATABASE);
            end_injection();
            fault.meanwhile = NULL;
            resets += did_reset;
            ck_assert_msg(!did_reset || setting("fsck_highest_fid_checked") <= first, "check %zu at %d goes on", i, at);
        }
        ck_assert_uint_gt(resets, 5);
    }
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failing_master");
    TCase *tcase = tcase_create("failing_master");
    tcase_set_timeout(tcase, 250);
    tcase_add_loop_test(tcase, every_pass_ends_well, 0, INJECTORS);
    tcase_add_test(tcase, a_reset_counts_whenever_it_comes);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
