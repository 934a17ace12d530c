/* SPDX-License-Identifier: MIT */
/*
 * Background jobs and what they ask storage nodes, with each statement of the database, each request of HTTP and each
 * call of the system below them failing in turn: no file loses its last copy, no row is forgotten, and all ends well.
 */
#include "failing_calls.h"
#include "store/fault_driver.h"
#include "store/plain_sql.h"
#include "tracker/small_node.h"

#include <inttypes.h>

#include "common/devpath.h"
#include "common/log.h"
#include "store/store_lock.h"
#include "store/store_schema.h"
#include "store/store_topology.h"
#include "tracker/cluster/cluster_build.h"
#include "tracker/cluster/fid_notes.h"
#include "tracker/job/job_priv.h"
#include "tracker/node/node.h"

#define BODY "hello"

enum { POINTS_MAX = 150, AGAIN_MAX = 8 };

static char folder[40];
static struct small_node small;
static struct store_env *env;
static struct store *db; /* never hindered */
static struct cluster *cluster;
static struct jobs *jobs;
static struct node_shared *nodes;
static struct cluster_box *box;
static struct fid_notes *notes;
static struct job_worker worker;

/* ---- the stage ---- */

static void sql(const char *text)
{
    fixture_sql(db, text, NULL);
}

static int64_t number(const char *text)
{
    return fixture_number(db, text);
}

static const char *path_of(uint32_t devid, uint64_t fid)
{
    static char path[DEVPATH_MAX];
    devpath_format(path, devid, fid);
    return path;
}

static struct cluster *make_cluster(void)
{
    static char name[] = "d", one[] = "one", address[] = "127.0.0.1", h1[] = "h1", h2[] = "h2";
    struct store_domain domains[] = {{1, {name, 1}}};
    struct store_class classes[] = {{.dmid = 1, .classid = 1, .name = {one, 3}, .mindevcount = 2}};
    struct store_host hosts[] = {
        {.hostid = 1, .status = "alive", .hostname = h1, .hostip = address, .http_port = small.port},
        {.hostid = 2, .status = "alive", .hostname = h2, .hostip = address, .http_port = small.port}};
    struct store_device devices[4];
    struct cluster_seen host_seen[] = {{.id = 1, .host = HOST_REACHABLE}, {.id = 2, .host = HOST_REACHABLE}};
    struct cluster_seen device_seen[4];
    for (uint32_t i = 0; i < 4; i++) {
        devices[i] = (struct store_device){.devid = i + 1,
                                           .hostid = i == 0 ? 1 : 2,
                                           .weight = 100,
                                           .has_mb_total = true,
                                           .has_mb_used = true,
                                           .mb_total = 10000,
                                           .mb_used = 10};
        snprintf(devices[i].status, sizeof devices[i].status, "%s", i == 3 ? "dead" : "alive");
        device_seen[i] = (struct cluster_seen){.id = i + 1, .device = DEVICE_WRITEABLE, .utilization = -1};
    }
    const struct store_topology t = {
        .domains = {domains, 1}, .classes = {classes, 1}, .hosts = {hosts, 2}, .devices = {devices, 4}};
    const struct cluster_observations seen = {.hosts = host_seen, .devices = device_seen, .n_hosts = 2, .n_devices = 4};
    const struct cluster_config config = {.min_free_mb = 100, .default_mindevcount = 2};
    return cluster_build(&t, &seen, &config, false);
}

static void set_up(void)
{
    struct mog_fail f = {0};
    char path[80], dsn[100];
    log_set_level(LOG_LEVEL_ERR);
    snprintf(folder, sizeof folder, "%s/mogtest-XXXXXX", access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/db", folder);
    snprintf(dsn, sizeof dsn, "DBI:SQLite:%s", path);
    ck_assert_int_eq(store_embedded_create(path, &f), MOG_OK);
    const struct store_config config = {.dsn = dsn, .hostname = "here"};
    ck_assert_int_eq(store_env_new(&config, &env, &f), MOG_OK);
    db = store_new(env, STORE_BACKGROUND);
    small_start(&small);
    cluster = make_cluster();
    const struct node_config node = {.node_timeout_ms = 30000, .conn_pool_size = 4, .stream_port = 1};
    nodes = node_shared_new(&node);
    box = cluster_box_new();
    notes = fid_notes_new();
    const struct jobs_config job = {.env = env, .box = box, .nodes = nodes, .notes = notes, .hostname = "here"};
    jobs = jobs_new(&job);
    worker = (struct job_worker){.jobs = jobs,
                                 .st = store_new(env, STORE_BACKGROUND),
                                 .node = node_new(nodes),
                                 .cache = fid_cache_new(),
                                 .cluster = cluster};
    rng_seed_random(&worker.rng);
    fault_install(worker.st, false);
    fault.is_thorough = true;
}

static void tear_down(void)
{
    char command[80];
    store_free(worker.st);
    node_free(worker.node);
    fid_cache_free(worker.cache);
    node_shared_stop(nodes);
    cluster_box_stop(box);
    jobs_stop(jobs);
    cluster_box_free(box);
    fid_notes_free(notes);
    node_shared_free(nodes);
    cluster_free(cluster);
    store_free(db);
    store_env_free(env);
    small_stop(&small);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void put_copy(uint64_t fid, uint32_t devid)
{
    small_put(&small, path_of(devid, fid), BODY, strlen(BODY));
}

/* Five files, each of which has something waiting for it. */
static void begin_again(void)
{
    static const char *const rows[] = {
        "DELETE FROM file",
        "DELETE FROM file_on",
        "DELETE FROM file_to_replicate",
        "DELETE FROM file_to_delete2",
        "DELETE FROM file_to_queue",
        "DELETE FROM tempfile",
        "DELETE FROM fsck_log",
        "DELETE FROM device",
        "DELETE FROM lock",
        "INSERT INTO device (devid, hostid, status) VALUES (1, 1, 'alive'), (2, 2, 'alive'), (3, 2, 'alive'), "
        "(4, 2, 'dead')",
        "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (101, 1, 'a', 5, 1, 1), "
        "(103, 1, 'c', 5, 1, 2), (104, 1, 'd', 5, 1, 2), (105, 1, 'e', 5, 1, 2)",
        "INSERT INTO file_on (fid, devid) VALUES (101, 1), (102, 1), (102, 2), (103, 1), (103, 2), (104, 1), (104, 2), "
        "(105, 1), (105, 4)",
        "INSERT INTO file_to_replicate (fid, nexttry, failcount, flags) VALUES (101, 0, 0, 0)",
        "INSERT INTO file_to_delete2 (fid, nexttry, failcount) VALUES (102, 0, 0)",
        "INSERT INTO file_to_queue (fid, devid, type, nexttry, failcount, flags, arg) VALUES "
        "(103, 2, 2, 0, 0, 0, '3'), (104, NULL, 1, 0, 0, 0, NULL)",
        "INSERT INTO tempfile (fid, createtime, classid, dmid, dkey, devids) VALUES (106, 1, 1, 1, 'old', '1,2')",
    };
    sql("BEGIN");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        sql(rows[i]);
    sql("COMMIT");
    small_empty(&small);
    for (uint32_t devid = 1; devid <= 4; devid++) {
        char usage[20];
        snprintf(usage, sizeof usage, "/dev%" PRIu32 "/usage", devid);
        small_put(&small, usage, "total: 1000\nused: 10\n", 21);
    }
    put_copy(101, 1);
    put_copy(102, 1);
    put_copy(102, 2);
    put_copy(103, 1);
    put_copy(103, 2);
    put_copy(104, 1); /* and not where it should be too */
    put_copy(105, 1);
}

static bool is_on(uint64_t fid, uint32_t devid)
{
    char text[100];
    snprintf(text, sizeof text, "SELECT COUNT(*) FROM file_on WHERE fid = %" PRIu64 " AND devid = %" PRIu32, fid,
             devid);
    return number(text) != 0;
}

static bool is_stored(uint64_t fid, uint32_t devid)
{
    return small_has(&small, path_of(devid, fid), BODY);
}

/* ---- the jobs ---- */

static struct store_queue_row row_of(uint64_t fid)
{
    return (struct store_queue_row){.fid = fid};
}

static void replicate(void)
{
    struct store_queue_row row = row_of(101);
    (void)job_replicate(&worker, &row);
}
static bool is_replicated(void)
{
    return number("SELECT COUNT(*) FROM file_to_replicate WHERE fid = 101") == 0 &&
           number("SELECT devcount FROM file WHERE fid = 101") == 2;
}

static void remove_file(void)
{
    struct store_queue_row row = row_of(102);
    (void)job_delete(&worker, &row);
}
static bool is_removed(void)
{
    return number("SELECT COUNT(*) FROM file_to_delete2") + number("SELECT COUNT(*) FROM file_on WHERE fid = 102") ==
               0 &&
           !is_stored(102, 1) && !is_stored(102, 2);
}

/* A move that failed leaves the queue: the next rebalance finds the file again. */
static void move(void)
{
    static char targets[] = "3";
    struct store_queue_row row = row_of(103);
    row.devid = 2;
    row.arg = (struct store_bytes){targets, 1};
    (void)job_rebalance(&worker, &row);
}
static bool is_moved(void)
{
    return !is_on(103, 2) && is_on(103, 1) && is_on(103, 3) && !is_stored(103, 2) &&
           number("SELECT COUNT(*) FROM file_to_queue WHERE type = 2") == 0;
}

static void check(void)
{
    struct store_queue_row row = row_of(104);
    (void)job_fsck(&worker, &row);
}
/* Mended at once, or known to be short of a copy, and queued for it. */
static bool is_checked(void)
{
    bool is_whole = number("SELECT COUNT(*) FROM file_on WHERE fid = 104") == 2;
    for (uint32_t devid = 1; devid <= 4; devid++)
        if (is_on(104, devid) && !is_stored(104, devid))
            return false;
    return number("SELECT COUNT(*) FROM file_to_queue WHERE type = 1") == 0 &&
           (is_whole || number("SELECT COUNT(*) FROM file_to_replicate WHERE fid = 104") == 1);
}

static void reap(void)
{
    job_reap(&worker);
    pthread_mutex_lock(&jobs->reap_lock);
    for (size_t i = 0; i < jobs->n_reaps; i++) {
        jobs->reaps[i].next_mono_ms = 0;
        jobs->reaps[i].given_up = false;
        jobs->reaps[i].delay_s = 5;
    }
    pthread_mutex_unlock(&jobs->reap_lock);
    job_reap(&worker);
}
static bool is_reaped(void)
{
    return !is_on(105, 4) && number("SELECT COUNT(*) FROM file_to_replicate WHERE fid = 105") == 1;
}

static void sweep(void)
{
    jobs->legacy_next_mono_ms = 0;
    jobs->config.tempfile_age_s = 3600;
    job_sweep(&worker);
}
static bool is_swept(void)
{
    return number("SELECT COUNT(*) FROM tempfile WHERE fid = 106") == 0 &&
           number("SELECT COUNT(*) FROM file_to_delete2 WHERE fid = 106") == 1 && is_on(106, 1) && is_on(106, 2);
}

static const struct job_case {
    const char *name;
    void (*run)(void);
    bool (*is_done)(void);
    bool asks_nodes;
} job_cases[] = {
    {"job_replicate", replicate, is_replicated, true},
    {"job_delete", remove_file, is_removed, true},
    {"job_rebalance", move, is_moved, true},
    {"job_fsck", check, is_checked, true},
    {"job_reap", reap, is_reaped, false},
    {"job_sweep", sweep, is_swept, false},
};

/* ---- what may never be, whatever fails ---- */

/* A copy is deleted before it is forgotten: the move, or the check, finds that out the next time. */
static bool may_be_missing(uint64_t fid, uint32_t devid)
{
    return devid == 2 && (fid == 103 || fid == 104);
}

static void check_files(const char *what, bool nodes_answer)
{
    static const uint64_t fids[] = {101, 103, 104, 105};
    for (size_t i = 0; i < sizeof fids / sizeof fids[0]; i++) {
        unsigned good = 0;
        for (uint32_t devid = 1; devid <= 3; devid++) {
            bool on = is_on(fids[i], devid), stored = is_stored(fids[i], devid);
            good += on && stored;
            ck_assert_msg(!on || stored || may_be_missing(fids[i], devid), "%s: fid %d is said to be on dev%d", what,
                          (int)fids[i], (int)devid);
        }
        ck_assert_msg(good >= 1, "%s: fid %d has no copy left that is known", what, (int)fids[i]);
    }
    /* Nothing is forgotten that still has to be done. */
    ck_assert_msg(number("SELECT COUNT(*) FROM file_to_replicate WHERE fid = 101") == 1 || is_replicated(),
                  "%s: replication was forgotten", what);
    ck_assert_msg(number("SELECT COUNT(*) FROM file_to_delete2 WHERE fid = 102") == 1 || is_removed(),
                  "%s: deletion was forgotten", what);
    /* A check may end without a copy that cannot be asked when there are others. */
    ck_assert_msg(!nodes_answer || number("SELECT COUNT(*) FROM file_to_queue WHERE type = 1") == 1 || is_checked(),
                  "%s: the check was forgotten", what);
    ck_assert_msg(is_on(105, 4) || is_reaped(), "%s: a copy on a dead device was forgotten", what);
    ck_assert_msg(number("SELECT COUNT(*) FROM tempfile WHERE fid = 106") == 1 || is_swept(), "%s: an upload was",
                  what);
}

static void check_rest(const char *what)
{
    ck_assert_msg(!store_is_in_transaction(worker.st), "%s: a transaction is open", what);
    ck_assert_msg(store_lock_held(worker.st) == NULL, "%s: a lock is held", what);
    ck_assert_msg(env->n_held == 0, "%s: a lock is held by nobody", what);
}

/* ---- one thing fails in a run of a job ---- */

enum injector { IN_DATABASE, IN_DATABASE_LOST, IN_DATABASE_DEADLOCK, IN_NODES, IN_CALLS = IN_NODES + NODE_FAULTS };

static void inject(int injector, int at)
{
    if (injector < IN_NODES) {
        static const enum mog_err errors[] = {MOG_EDB, MOG_EDBDOWN, MOG_EDEADLOCK};
        fault.at = at;
        fault.times = 1;
        fault.failed = 0;
        fault.error = errors[injector];
        fault.is_late = injector == IN_DATABASE_LOST;
    } else if (injector < IN_CALLS) {
        small_spoil(&small, at, (enum small_node_fault)(injector - IN_NODES));
    } else {
        failing_begin(at, 0);
    }
}

/* Whether something failed. */
static bool end_injection(int injector)
{
    /* After a sync that failed nothing is written any more: the tracker is started again. */
    env->flush.is_broken = false;
    bool is_call = failing_end() != NULL;
    fault_clear();
    int spoiled = small_end_spoiling(&small);
    return injector < IN_NODES ? fault.failed > 0 : injector < IN_CALLS ? spoiled > 0 : is_call;
}

static bool fail_job(const struct job_case *c, int injector, int at)
{
    char what[100];
    snprintf(what, sizeof what, "%s, fault %d, at %d", c->name, injector, at);
    begin_again();
    ck_assert_int_eq(store_validate(worker.st), MOG_OK);
    inject(injector, at);
    c->run();
    bool did_fail = end_injection(injector);
    check_rest(what);
    check_files(what, injector < IN_NODES);
    if (!did_fail) {
        ck_assert_msg(c->is_done(), "%s: nothing failed, and it is not done", what);
        return false;
    }
    for (int i = 0; i < AGAIN_MAX && !c->is_done(); i++) {
        if (store_validate(worker.st) != MOG_OK)
            ck_assert_int_eq(store_validate(worker.st), MOG_OK);
        c->run();
        check_rest(what);
        check_files(what, injector < IN_NODES);
    }
    ck_assert_msg(c->is_done(), "%s: it is never done afterwards", what);
    return true;
}

START_TEST(jobs_end_well)
{
    set_up();
    size_t failures = 0;
    for (size_t i = 0; i < sizeof job_cases / sizeof job_cases[0]; i++) {
        const struct job_case *c = &job_cases[i];
        int at = 1;
        if (_i >= IN_NODES && !c->asks_nodes)
            continue;
        while (fail_job(c, _i, at)) {
            failures++;
            ck_assert_msg(++at < POINTS_MAX, "%s never ends", c->name);
        }
        ck_assert_msg(at > 1, "%s: nothing of it can fail", c->name);
    }
    printf("fault %d: %zu failures\n", _i, failures);
    tear_down();
}
END_TEST

/* ---- requests to nodes ---- */

static const struct cluster_device *device(uint32_t devid)
{
    return cluster_device_by_id(cluster, devid);
}

static enum mog_err ask_size(struct mog_fail *f)
{
    char url[CLUSTER_URL_MAX];
    uint64_t size = 0;
    ck_assert(cluster_device_url(device(1), 101, CLUSTER_READ, false, url));
    enum node_size_result r = node_size(worker.node, url, 0, &size, f);
    ck_assert_int_ne(r, NODE_SIZE_MISSING);
    ck_assert(r != NODE_SIZE_KNOWN || size == strlen(BODY));
    return r == NODE_SIZE_KNOWN ? MOG_OK : f->code;
}

static enum mog_err ask_delete(struct mog_fail *f)
{
    char url[CLUSTER_URL_MAX];
    int status = 0;
    ck_assert(cluster_device_url(device(1), 102, CLUSTER_WRITE, false, url));
    enum mog_err e = node_delete(worker.node, url, &status, f);
    return e == MOG_ENOTFOUND ? MOG_OK : e; /* it was asked again after the answer was lost */
}
static bool not_deleted(void)
{
    return is_stored(102, 1);
}
static bool is_deleted(void)
{
    return !is_stored(102, 1);
}

static enum mog_err ask_digest(struct mog_fail *f)
{
    static const uint8_t md5[] = {0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76,
                                  0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17, 0xc5, 0x92};
    uint8_t out[DIGEST_MAX_BYTES];
    enum node_digest_result r = node_digest(worker.node, device(1), 101, CLUSTER_READ, DIGEST_MD5, NULL, out, f);
    ck_assert_int_ne(r, NODE_DIGEST_MISSING);
    ck_assert(r != NODE_DIGEST_KNOWN || memcmp(out, md5, sizeof md5) == 0);
    return r == NODE_DIGEST_KNOWN ? MOG_OK : f->code;
}

static enum mog_err copy(struct mog_fail *f)
{
    struct node_copy c = {.cluster = cluster,
                          .from = device(1),
                          .to = device(3),
                          .fid = 101,
                          .length = strlen(BODY),
                          .compute = DIGEST_MD5};
    return node_copy(worker.node, &c, f) == NODE_COPY_OK ? MOG_OK : f->code;
}
/* Half a copy is taken away again, if the node can be asked. */
static bool not_copied(void)
{
    return is_stored(101, 1);
}
static bool is_copied(void)
{
    return is_stored(101, 1) && is_stored(101, 3);
}

static enum mog_err ask_usage(struct mog_fail *f)
{
    struct node_usage usage = {0};
    enum mog_err e = node_usage(worker.node, device(1), 30000, &usage, f);
    ck_assert(e != MOG_OK || (usage.total_kb == 1000 && usage.used_kb == 10));
    return e;
}

static enum mog_err test_write(struct mog_fail *f)
{
    return node_test_write(worker.node, cluster, device(1), 30000, 7, f);
}

static enum mog_err probe_md5(struct mog_fail *f)
{
    bool rejects = true;
    enum mog_err e = node_probe_md5(worker.node, device(1), 30000, &rejects);
    ck_assert(e != MOG_OK || !rejects);
    return e == MOG_OK ? MOG_OK : fail_set(f, e, "no detail");
}

/* A new handle each time, whose descriptors are its own: connections that are kept are no leak. */
static enum mog_err (*wrapped)(struct mog_fail *f);
static enum mog_err with_new_node(struct mog_fail *f)
{
    node_free(worker.node);
    worker.node = node_new(nodes);
    enum mog_err e = wrapped(f);
    node_free(worker.node);
    worker.node = NULL;
    return e;
}

static const struct failing_case node_cases[] = {
    {"node_size", begin_again, ask_size, NULL, NULL, 0},
    {"node_delete", begin_again, ask_delete, not_deleted, is_deleted, 0},
    {"node_digest", begin_again, ask_digest, NULL, NULL, 0},
    {"node_copy", begin_again, copy, not_copied, is_copied, 0},
    {"node_usage", begin_again, ask_usage, NULL, NULL, 0},
    {"node_test_write", begin_again, test_write, NULL, NULL, 0},
    {"node_probe_md5", begin_again, probe_md5, NULL, NULL, 0},
};

/* The n-th request is spoiled: the error is told, and asking again helps. */
static bool spoil_request(const struct failing_case *c, enum small_node_fault fault_kind, int n)
{
    struct mog_fail f = {0};
    begin_again();
    small_spoil(&small, n, fault_kind);
    enum mog_err e = c->run(&f);
    bool was_spoiled = end_injection(IN_NODES);
    ck_assert_msg(e == MOG_OK || was_spoiled, "%s fails by itself: %s", c->name, f.text);
    ck_assert_msg(e == MOG_OK || f.text[0] != '\0', "%s, request %d: no reason is told", c->name, n);
    ck_assert_msg(e != MOG_OK || c->is_done == NULL || c->is_done(), "%s, request %d: it is not done", c->name, n);
    if (e != MOG_OK && (c->is_done == NULL || !c->is_done())) {
        ck_assert_msg(c->is_undone == NULL || c->is_undone(), "%s, request %d: half done", c->name, n);
        e = c->run(&f);
        ck_assert_msg(e == MOG_OK, "%s, after request %d: %s: %s", c->name, n, err_name(e), f.text);
    }
    return was_spoiled;
}

START_TEST(requests_tell_what_failed)
{
    const struct failing_case *c = &node_cases[_i];
    set_up();
    for (int kind = 0; kind < NODE_FAULTS; kind++) {
        int n = 1;
        while (spoil_request(c, (enum small_node_fault)kind, n))
            ck_assert_int_lt(++n, POINTS_MAX);
        ck_assert_int_gt(n, 1);
    }
    struct failing_case fresh = *c;
    wrapped = c->run;
    fresh.run = with_new_node;
    failing_each(&fresh);
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failing_jobs");
    TCase *tcase = tcase_create("failing_jobs");
    tcase_set_timeout(tcase, 250);
    tcase_add_loop_test(tcase, jobs_end_well, 0, IN_CALLS + 1);
    tcase_add_loop_test(tcase, requests_tell_what_failed, 0, sizeof node_cases / sizeof node_cases[0]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
