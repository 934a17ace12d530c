/* SPDX-License-Identifier: MIT */
/* A device on a scratch folder: its health, its queue, uploads, shared syncs, digests, litter. */
#include "mogstored/device.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "mogstored/beneath.h"
#include "mogstored/digester.h"
#include "mogstored/dirsync.h"
#include "mogstored/janitor.h"
#include "mogstored/nameless.h"
#include "mogstored/upload.h"

static char folder[] = "/tmp/mogtest-XXXXXX";
static struct docroot root;
static struct settings settings;
static struct device *device;

static void set_up(void)
{
    struct stat st;
    log_set_level(LOG_LEVEL_ERR);
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(stat(folder, &st), 0);
    root = (struct docroot){.fd = open(folder, O_PATH | O_DIRECTORY), .st_dev = st.st_dev, .path = folder};
    ck_assert_int_eq(mkdirat(root.fd, "dev1", 0755), 0);
    settings_init(&settings);
    device = device_new(1, &root, &settings, 2, 3600);
    ck_assert(device_wait_measured(device, 30000));
}

static void tear_down(void)
{
    char command[64];
    device_stop(device);
    device_free(device);
    settings_fini(&settings);
    close(root.fd);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(test_health)
{
    char text[200];
    ck_assert_int_eq(device_health(device), DEVICE_HEALTHY);
    device_describe_fault(device, text, sizeof text);
    ck_assert_str_eq(text, "");
    device_note_errno(device, ENOENT, "x");
    ck_assert_int_eq(device_health(device), DEVICE_HEALTHY);
    device_note_errno(device, EIO, "cannot read");
    ck_assert_int_eq(device_health(device), DEVICE_UNHEALTHY);
    device_describe_fault(device, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "cannot read"));
    atomic_store(&device->has_fault, false);
    device->fault[0] = '\0';

    int64_t now = clock_mono_ms();
    atomic_store(&device->measured_mono_ms, now - DEVICE_MEASURED_LIMIT_MS - 1000);
    ck_assert_int_eq(device_health(device), DEVICE_UNHEALTHY);
    device_describe_fault(device, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "measured"));
    atomic_store(&device->measured_mono_ms, now);
    atomic_store(&device->oldest_started_mono_ms, now - DEVICE_JOB_LIMIT_MS - 1000);
    ck_assert_int_eq(device_health(device), DEVICE_UNHEALTHY);
    device_describe_fault(device, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "call takes 31 s"));
    atomic_store(&device->oldest_started_mono_ms, 0);
    atomic_store(&device->is_full, true);
    ck_assert_int_eq(device_health(device), DEVICE_FULL);
    device_note_errno(device, EROFS, "x");
    ck_assert_int_eq(device_health(device), DEVICE_READONLY);
    ck_assert_str_eq(device_health_text(DEVICE_READONLY), "read-only");
}
END_TEST

START_TEST(test_late_commits)
{
    ck_assert(!device_is_late(device));
    device_note_commit(device, 1000);
    device_note_commit(device, INT64_C(7000000));
    ck_assert(!device_is_late(device)); /* one is no pattern */
    device_note_commit(device, INT64_C(7000000));
    ck_assert(device_is_late(device));
    device->late_commits_mono_ms[1] = clock_mono_ms() - DEVICE_LATE_PAUSE_MS - 1;
    ck_assert(!device_is_late(device));
}
END_TEST

START_TEST(test_account)
{
    device->measure = (struct device_measure){.total_kb = 1000, .used_kb = 100, .available_kb = 900};
    device_account(device, 50);
    ck_assert_uint_eq(device->measure.used_kb, 150);
    ck_assert_uint_eq(device->measure.available_kb, 850);
    device_account(device, -1000);
    ck_assert_uint_eq(device->measure.used_kb, 1);
    ck_assert_uint_eq(device->measure.available_kb, 999);
    device_account(device, 5000);
    ck_assert_uint_eq(device->measure.used_kb, 1000);
    ck_assert_uint_eq(device->measure.available_kb, 0);
}
END_TEST

START_TEST(test_usage_text)
{
    struct buf text = BUF_ZERO;
    char expected[300];
    device->measure = (struct device_measure){.total_kb = 1000, .used_kb = 181, .available_kb = 819, .when_unix_s = 77};
    memcpy(device->measure.source, "/dev/sdb1", sizeof "/dev/sdb1");
    ck_assert_int_eq(device_format_usage(device, &text), 77);
    snprintf(expected, sizeof expected,
             "available: 819\ndevice: /dev/sdb1\ndisk: %s/dev1\ntime: 77\ntotal: 1000\nuse: 19%%\nused: 181\n", folder);
    ck_assert_str_eq(buf_cstr(&text), expected);
    buf_fini(&text);
}
END_TEST

START_TEST(test_replaced_directory)
{
    struct mog_fail f;
    int fd;
    ck_assert_int_eq(device_open_root(device, &fd, &f), MOG_OK);
    close(fd);
    atomic_store(&device->seen_st_dev, 12345);
    ck_assert_int_eq(device_open_root(device, &fd, &f), MOG_EIO);
    ck_assert_int_eq(renameat(root.fd, "dev1", root.fd, "away"), 0);
    ck_assert_int_eq(device_open_root(device, &fd, &f), MOG_ENOTFOUND);
    ck_assert(atomic_load(&device->is_missing));
    ck_assert_int_eq(device_health(device), DEVICE_UNHEALTHY);
}
END_TEST

struct held {
    struct job job;
    pthread_mutex_t *gate;
    _Atomic int runs, dones;
    int turn; /* how many had run before */
    pthread_t thread;
    struct job *left_to;
};

static _Atomic int turns;

static void held_run(struct job *j)
{
    struct held *h = (struct held *)j;
    pthread_mutex_lock(h->gate);
    pthread_mutex_unlock(h->gate);
    h->turn = atomic_fetch_add(&turns, 1);
    h->thread = pthread_self();
    atomic_fetch_add(&h->runs, 1);
}

static void held_leave(struct job *j, struct job *next)
{
    struct held *h = (struct held *)j;
    ck_assert_int_eq(atomic_load(&h->dones), 0);
    h->left_to = next;
}

static void held_done(struct job *j, bool has_run)
{
    struct held *h = (struct held *)j;
    ck_assert(has_run == (atomic_load(&h->runs) == 1));
    atomic_fetch_add(&h->dones, 1);
}

START_TEST(test_queue)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    enum { LIMIT = 2 * DEVICE_QUEUE_PER_THREAD, N = LIMIT + 10 };
    static struct held jobs[N];
    memset(jobs, 0, sizeof jobs);
    pthread_mutex_lock(&gate);
    int taken = 0;
    for (int i = 0; i < N; i++) {
        jobs[i].gate = &gate;
        jobs[i].job.run = held_run;
        jobs[i].job.done = held_done;
    }
    while (taken < N - 1 && device_submit(device, &jobs[taken].job, false))
        taken++;
    ck_assert_int_ge(taken, LIMIT);
    ck_assert_int_le(taken, LIMIT + 2);
    ck_assert(!device_has_room(device));
    ck_assert(device_submit(device, &jobs[taken].job, true)); /* what is urgent is always taken */
    taken++;
    int64_t until = clock_mono_ms() + 30000;
    while (atomic_load(&device->oldest_started_mono_ms) == 0 && clock_mono_ms() < until)
        clock_sleep_ms(1);
    ck_assert_int_ne(atomic_load(&device->oldest_started_mono_ms), 0);
    pthread_mutex_unlock(&gate);
    device_stop(device);
    for (int i = 0; i < taken; i++)
        ck_assert_int_eq(atomic_load(&jobs[i].dones), 1);
    ck_assert_uint_eq(atomic_load(&device->queued), 0);
    ck_assert_int_eq(atomic_load(&device->oldest_started_mono_ms), 0);
    ck_assert(!device_submit(device, &jobs[0].job, true));
    device_free(device);
    device = device_new(1, &root, &settings, 2, 3600);
}
END_TEST

static void submit_held(struct held *h, pthread_mutex_t *gate, unsigned place)
{
    *h = (struct held){.job = {.run = held_run, .done = held_done, .leave = held_leave, .place = place}, .gate = gate};
    ck_assert(device_submit(device, &h->job, true));
}

static void wait_for(const _Atomic int *number, int wanted)
{
    int64_t until = clock_mono_ms() + 30000;
    while (atomic_load(number) < wanted && clock_mono_ms() < until)
        clock_sleep_ms(1);
    ck_assert_int_eq(atomic_load(number), wanted);
}

static void wait_until_running(unsigned n)
{
    int64_t until = clock_mono_ms() + 30000;
    while (atomic_load(&device->running) != n && clock_mono_ms() < until)
        clock_sleep_ms(1);
    ck_assert_uint_eq(atomic_load(&device->running), n);
}

/* A job that waits at `gate`; as far as others see, it gets on for a minute. */
static void run_leader(struct held *leader, pthread_mutex_t *gate)
{
    pthread_mutex_lock(gate);
    submit_held(leader, gate, 7);
    wait_until_running(1);
    pthread_mutex_lock(&device->lock);
    leader->job.started_mono_ms = clock_mono_ms() + 60000;
    pthread_mutex_unlock(&device->lock);
}

static void make_late(struct held *h)
{
    pthread_mutex_lock(&device->lock);
    h->job.started_mono_ms = clock_mono_ms() - DEVICE_FOLLOW_MS - 1;
    pthread_mutex_unlock(&device->lock);
}

static pthread_mutex_t open_gate = PTHREAD_MUTEX_INITIALIZER;

START_TEST(test_one_place_one_thread)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    static struct held leader, follower[3], others[2];
    run_leader(&leader, &gate);
    for (int i = 0; i < 3; i++)
        submit_held(&follower[i], &open_gate, 7);
    ck_assert_uint_eq(atomic_load(&device->queued), 3);
    submit_held(&others[0], &open_gate, 8);
    submit_held(&others[1], &open_gate, 0);
    wait_for(&others[0].dones, 1);
    wait_for(&others[1].dones, 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(atomic_load(&follower[i].runs), 0);
    pthread_mutex_unlock(&gate);
    wait_for(&follower[2].dones, 1);
    ck_assert_ptr_eq(leader.left_to, &follower[0].job);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(atomic_load(&follower[i].dones), 1);
        ck_assert_int_eq(follower[i].turn, leader.turn + 1 + i);
        ck_assert(pthread_equal(follower[i].thread, leader.thread));
        ck_assert_ptr_eq(follower[i].left_to, i < 2 ? &follower[i + 1].job : NULL);
    }
    wait_until_running(0);
    ck_assert_uint_eq(atomic_load(&device->queued), 0);
}
END_TEST

START_TEST(test_others_have_their_turn)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    enum { N = 3 * DEVICE_FOLLOWERS_RUN };
    static struct held leader, follower[N], other;
    device_set_threads(device, 1);
    run_leader(&leader, &gate);
    for (int i = 0; i < N; i++)
        submit_held(&follower[i], &open_gate, 7);
    submit_held(&other, &open_gate, 0);
    pthread_mutex_unlock(&gate);
    wait_for(&other.dones, 1);
    for (int i = 0; i < N; i++)
        wait_for(&follower[i].dones, 1);
    ck_assert_int_eq(other.turn, leader.turn + DEVICE_FOLLOWERS_RUN);
    ck_assert_ptr_null(follower[DEVICE_FOLLOWERS_RUN - 2].left_to);
    for (int i = 1; i < N; i++)
        ck_assert_int_gt(follower[i].turn, follower[i - 1].turn);
    wait_until_running(0);
    ck_assert_uint_eq(atomic_load(&device->queued), 0);
}
END_TEST

/* What follows it does not wait for it. */
START_TEST(test_one_hangs_at_its_place)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    static struct held leader, follower[3], next;
    run_leader(&leader, &gate);
    for (int i = 0; i < 3; i++)
        submit_held(&follower[i], &open_gate, 7);
    make_late(&leader);
    for (int i = 0; i < 3; i++)
        wait_for(&follower[i].dones, 1);
    ck_assert_int_eq(follower[2].turn, follower[0].turn + 2);
    submit_held(&next, &open_gate, 7);
    wait_for(&next.dones, 1);
    ck_assert_int_eq(atomic_load(&leader.runs), 0);
    wait_until_running(1);
    pthread_mutex_unlock(&gate);
    wait_for(&leader.dones, 1);
    ck_assert_ptr_null(leader.left_to);
}
END_TEST

/* Nor for one of them that hangs as well. */
START_TEST(test_another_hangs_too)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER, second_gate = PTHREAD_MUTEX_INITIALIZER;
    static struct held leader, follower[4];
    device_set_threads(device, 3);
    run_leader(&leader, &gate);
    pthread_mutex_lock(&second_gate);
    for (int i = 0; i < 4; i++)
        submit_held(&follower[i], i == 0 ? &second_gate : &open_gate, 7);
    make_late(&leader);
    for (int i = 1; i < 4; i++)
        wait_for(&follower[i].dones, 1);
    ck_assert_int_eq(atomic_load(&follower[0].runs), 0);
    pthread_mutex_unlock(&second_gate);
    wait_for(&follower[0].dones, 1);
    pthread_mutex_unlock(&gate);
    wait_for(&leader.dones, 1);
}
END_TEST

static void *stop_device(void *arg)
{
    (void)arg;
    device_stop(device);
    return NULL;
}

START_TEST(test_followers_at_the_end)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    static struct held leader, follower[3], late;
    pthread_t stopper;
    run_leader(&leader, &gate);
    for (int i = 0; i < 3; i++)
        submit_held(&follower[i], &open_gate, 7);
    ck_assert_int_eq(pthread_create(&stopper, NULL, stop_device, NULL), 0);
    for (int i = 0; i < 3; i++) {
        wait_for(&follower[i].dones, 1);
        ck_assert_int_eq(atomic_load(&follower[i].runs), 0);
    }
    int64_t until = clock_mono_ms() + 30000; /* pool_end comes a moment after */
    bool is_taken = true;
    while (is_taken && clock_mono_ms() < until) {
        late = (struct held){.job = {.run = held_run, .done = held_done, .place = 7}, .gate = &open_gate};
        is_taken = device_submit(device, &late.job, true);
        if (is_taken)
            wait_for(&late.dones, 1);
    }
    ck_assert(!is_taken);
    pthread_mutex_unlock(&gate);
    pthread_join(stopper, NULL);
    ck_assert_int_eq(atomic_load(&leader.dones), 1);
    ck_assert_ptr_null(leader.left_to);
    ck_assert_uint_eq(atomic_load(&device->queued), 0);
    device_free(device);
    device = device_new(1, &root, &settings, 2, 3600);
}
END_TEST

static enum mog_err store(const char *path, const char *text, struct upload *u, struct mog_fail *f)
{
    upload_init(u);
    u->dev = device;
    u->path = path;
    u->is_synced = true;
    enum mog_err e = upload_open(u, f);
    if (e == MOG_OK)
        e = upload_write(u, text, strlen(text), f);
    if (e == MOG_OK)
        e = upload_commit(u, f);
    return e;
}

static void read_file(const char *path, char *out, size_t size)
{
    int fd = openat(root.fd, path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, out, size - 1) : 0;
    out[n > 0 ? n : 0] = '\0';
    close(fd);
}

/* Somebody else has created its directory, and cannot sync it: it would not be found after a power cut. */
START_TEST(test_upload_into_a_directory_that_is_not_synced)
{
    struct upload u;
    struct mog_fail f;
    int path_only = openat(root.fd, "dev1", O_PATH | O_DIRECTORY);
    ck_assert_int_eq(mkdirat(root.fd, "dev1/a", 0755), 0);
    upload_init(&u);
    u.dev = device;
    u.path = "a/f";
    u.is_synced = true;
    ck_assert_int_eq(upload_open(&u, &f), MOG_OK);
    ck_assert_int_eq(dirsync_mkdir(device->dirsync, path_only, "b", true, &f), MOG_EIO);
    ck_assert_int_eq(upload_commit(&u, &f), MOG_EIO);
    ck_assert_int_eq(store("a/f", "x", &u, &f), MOG_OK); /* a later one is not held up by it */
    close(path_only);
}
END_TEST

START_TEST(test_upload)
{
    struct upload u;
    struct mog_fail f;
    char text[32];
    ck_assert_int_eq(store("a/b/c", "hello", &u, &f), MOG_OK);
    read_file("dev1/a/b/c", text, sizeof text);
    ck_assert_str_eq(text, "hello");
    ck_assert_int_eq(store("plain", "x", &u, &f), MOG_OK);
    ck_assert_int_eq(store("a/b", "x", &u, &f), MOG_EEXISTS);
    ck_assert_int_eq(store("plain/b", "x", &u, &f), MOG_EEXISTS);
    ck_assert_int_eq(symlinkat("/tmp", root.fd, "dev1/link"), 0);
    ck_assert_int_eq(store("link", "x", &u, &f), MOG_EPERM);
    ck_assert_int_eq(store("link/x", "x", &u, &f), MOG_EPERM);
    ck_assert_int_eq(u.fd, -1);
    ck_assert_int_eq(u.dirfd, -1);

    upload_init(&u);
    u.dev = device;
    u.path = "given/up";
    u.is_synced = true;
    ck_assert_int_eq(upload_open(&u, &f), MOG_OK);
    char temp[128];
    snprintf(temp, sizeof temp, "dev1/given/%s", u.temp);
    ck_assert_int_eq(faccessat(root.fd, temp, F_OK, 0), 0);
    upload_abandon(&u);
    int64_t until = clock_mono_ms() + 30000;
    while (faccessat(root.fd, temp, F_OK, 0) == 0 && clock_mono_ms() < until)
        clock_sleep_ms(1);
    ck_assert_int_ne(faccessat(root.fd, temp, F_OK, 0), 0);
    upload_abandon(&u); /* in any state */
    upload_abort(&u);
}
END_TEST

static void begin(struct upload *u, const char *path)
{
    upload_init(u);
    u->dev = device;
    u->path = path;
    u->is_whole = true;
}

static void finish(struct upload *u)
{
    struct mog_fail f;
    ck_assert_int_eq(upload_open(u, &f), MOG_OK);
    ck_assert_int_eq(upload_write(u, u->path, strlen(u->path), &f), MOG_OK);
    ck_assert_int_eq(upload_commit(u, &f), MOG_OK);
    ck_assert_int_eq(u->fd, -1);
    ck_assert_int_ge(u->dirfd, 0);
    char name[64], text[32];
    snprintf(name, sizeof name, "dev1/%s", u->path);
    read_file(name, text, sizeof text);
    ck_assert_str_eq(text, u->path);
}

static void pass_now(struct upload *from, struct upload *to)
{
    from->dir_opened_mono_ms = clock_mono_ms() + 60000;
    upload_pass_dir(from, to);
}

START_TEST(test_passed_directory)
{
    struct upload a, b;
    struct mog_fail f;
    atomic_store(&device->has_nameless, false);
    begin(&a, "p/a");
    finish(&a);
    begin(&b, "p/b");
    int fd = a.dirfd;
    pass_now(&a, &b);
    ck_assert_int_eq(a.dirfd, -1);
    ck_assert_int_eq(b.dirfd, fd);
    finish(&b);
    ck_assert_int_eq(b.dirfd, fd);

    /* One that failed has nothing to leave, and the next opens its own. */
    ck_assert_int_eq(mkdirat(root.fd, "dev1/p/dir", 0755), 0);
    begin(&a, "p/dir");
    pass_now(&b, &a);
    ck_assert_int_eq(upload_open(&a, &f), MOG_EEXISTS);
    ck_assert_int_eq(a.dirfd, -1);
    begin(&b, "p/b");
    pass_now(&a, &b);
    ck_assert_int_eq(b.dirfd, -1);
    finish(&b);

    begin(&a, "q/a");
    pass_now(&b, &a);
    ck_assert_int_eq(a.dirfd, -1);
    ck_assert_int_eq(b.dirfd, -1);
    finish(&a);
    begin(&b, "qq/a");
    pass_now(&a, &b);
    ck_assert_int_eq(b.dirfd, -1);
    finish(&b);
    begin(&a, "qq/b");
    b.dir_opened_mono_ms = clock_mono_ms() - 1000;
    upload_pass_dir(&b, &a);
    ck_assert_int_eq(a.dirfd, -1);
    finish(&a);

    /* The directory may have been removed since: that is no fault of the device. */
    ck_assert_int_eq(unlinkat(root.fd, "dev1/qq/a", 0), 0);
    ck_assert_int_eq(unlinkat(root.fd, "dev1/qq/b", 0), 0);
    ck_assert_int_eq(unlinkat(root.fd, "dev1/qq", AT_REMOVEDIR), 0);
    begin(&b, "qq/new");
    pass_now(&a, &b);
    ck_assert_int_ge(b.dirfd, 0);
    finish(&b);
    ck_assert_int_eq(device_health(device), DEVICE_HEALTHY);

    begin(&a, "qq/given-up");
    pass_now(&b, &a);
    upload_abandon(&a);
    ck_assert_int_eq(a.dirfd, -1);
    upload_pass_dir(&a, NULL);
}
END_TEST

static int entries(const char *path)
{
    int fd = openat(root.fd, path, O_RDONLY | O_DIRECTORY), n = -2;
    DIR *dir = fdopendir(fd);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

/* As far as this file system has files without a name; with names the outcome is the same. */
START_TEST(test_nameless)
{
    struct upload u, other;
    struct mog_fail f;
    char text[32];
    atomic_store(&device->has_nameless, true);
    for (int whole = 0; whole < 2; whole++) {
        static const char *const paths[] = {"n/0", "n/1"};
        for (int times = 0; times < 2; times++) { /* the second replaces the first */
            begin(&u, paths[whole]);
            u.is_whole = whole == 1;
            ck_assert_int_eq(upload_open(&u, &f), MOG_OK);
            if (u.is_nameless)
                ck_assert_int_eq(entries("dev1/n"), whole + times);
            ck_assert_int_eq(upload_write(&u, times ? "again" : "first", 5, &f), MOG_OK);
            ck_assert_int_eq(upload_commit(&u, &f), MOG_OK);
            upload_pass_dir(&u, NULL);
            read_file(whole ? "dev1/n/1" : "dev1/n/0", text, sizeof text);
            ck_assert_str_eq(text, times ? "again" : "first");
            ck_assert_int_eq(entries("dev1/n"), whole + 1);
        }
    }
    /* What is in the way is refused: at once, or when the name is given. */
    ck_assert_int_eq(mkdirat(root.fd, "dev1/n/dir", 0755), 0);
    ck_assert_int_eq(symlinkat("0", root.fd, "dev1/n/link"), 0);
    ck_assert_int_eq(mkfifoat(root.fd, "dev1/n/fifo", 0644), 0);
    static const struct {
        const char *path;
        enum mog_err e;
    } taken[] = {{"n/dir", MOG_EEXISTS}, {"n/link", MOG_EPERM}, {"n/fifo", MOG_EPERM}};
    for (size_t i = 0; i < 2 * sizeof taken / sizeof taken[0]; i++) {
        begin(&u, taken[i / 2].path);
        u.is_whole = i % 2 == 1;
        enum mog_err e = upload_open(&u, &f);
        if (u.is_whole && e == MOG_OK)
            e = upload_commit(&u, &f);
        ck_assert_int_eq(e, taken[i / 2].e);
        ck_assert_int_eq(u.fd, -1);
        ck_assert_int_eq(u.dirfd, -1);
        ck_assert_int_eq(entries("dev1/n"), 5);
    }
    read_file("dev1/n/0", text, sizeof text);
    ck_assert_str_eq(text, "again");

    /* Given up: nothing is left. */
    begin(&u, "n/given-up");
    ck_assert_int_eq(upload_open(&u, &f), MOG_OK);
    upload_abort(&u);
    ck_assert_int_eq(entries("dev1/n"), 5);

    /* Its directory was passed on, and then removed. */
    begin(&u, "gone/a");
    finish(&u);
    begin(&other, "gone/b");
    pass_now(&u, &other);
    ck_assert_int_eq(unlinkat(root.fd, "dev1/gone/a", 0), 0);
    ck_assert_int_eq(unlinkat(root.fd, "dev1/gone", AT_REMOVEDIR), 0);
    finish(&other);
    upload_pass_dir(&other, NULL);

    /* It does not keep its directory from being removed. */
    begin(&u, "gone/c/d");
    ck_assert_int_eq(upload_open(&u, &f), MOG_OK);
    if (u.is_nameless) {
        ck_assert_int_eq(unlinkat(root.fd, "dev1/gone/c", AT_REMOVEDIR), 0);
        ck_assert_int_eq(upload_commit(&u, &f), MOG_OK);
        ck_assert_int_eq(faccessat(root.fd, "dev1/gone/c/d", F_OK, 0), 0);
    }
    upload_abort(&u);

    /* What must last has a name from the beginning. */
    begin(&u, "n/synced");
    u.is_synced = true;
    ck_assert_int_eq(upload_open(&u, &f), MOG_OK);
    ck_assert(!u.is_nameless);
    upload_abort(&u);
    ck_assert_int_eq(device_health(device), DEVICE_HEALTHY);
}
END_TEST

START_TEST(test_nameless_is_tried)
{
    struct statfs fs;
    int fd = openat(root.fd, "dev1", O_RDONLY | O_DIRECTORY), before = entries("dev1");
    ck_assert_int_eq(fstatfs(fd, &fs), 0);
    bool is_had = nameless_is_had(fd);
    if (fs.f_type == EXT4_SUPER_MAGIC)
        ck_assert(is_had);
    ck_assert_int_eq(entries("dev1"), before);
    close(fd);
    ck_assert(!nameless_is_had(-1));
    fd = open("/dev/shm", O_RDONLY | O_DIRECTORY); /* could, but is not known for it */
    ck_assert(fd < 0 || !nameless_is_had(fd));
    close(fd);
    fd = open("/proc", O_RDONLY | O_DIRECTORY);
    ck_assert(!nameless_is_had(fd));
    close(fd);
    int64_t until = clock_mono_ms() + 30000; /* the janitor has found it out, too */
    while (atomic_load(&device->has_nameless) != is_had && clock_mono_ms() < until)
        clock_sleep_ms(1);
    ck_assert(atomic_load(&device->has_nameless) == is_had);
}
END_TEST

START_TEST(test_temp_names)
{
    char a[UPLOAD_TEMP_SIZE], b[UPLOAD_TEMP_SIZE];
    upload_temp_name(a);
    upload_temp_name(b);
    ck_assert_str_ne(a, b);
    ck_assert(!upload_temp_is_abandoned(a)); /* ours, and we live */
    ck_assert(upload_temp_is_abandoned(".mogtmp-4194300-0123456789abcdef"));
    /* Of an earlier process with the same id, as in a container. The digit is of what all names of ours share. */
    char *digit = strrchr(a, '-') + 1;
    *digit = *digit == '0' ? '1' : '0';
    ck_assert(upload_temp_is_abandoned(a));
    static const char *const others[] = {"x",
                                         ".mogtmp-",
                                         ".mogtmp-4194300",
                                         ".mogtmp-4194300-0123456789abcde",
                                         ".mogtmp-x-0123456789abcdef",
                                         ".mogtmp-4194300-0123456789ABCDEF",
                                         ".mogtmp-4194300-0123456789abcdef0"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_msg(!upload_temp_is_abandoned(others[i]), "%s", others[i]);
}
END_TEST

static void *sync_many(void *arg)
{
    struct mog_fail f;
    int fd = openat(root.fd, "dev1", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d", i);
        ck_assert_int_eq(dirsync_mkdir(arg, fd, name, true, &f), MOG_OK);
        ck_assert_int_eq(dirsync_wait(arg, fd, &f), MOG_OK);
        ck_assert_int_eq(dirsync_barrier(arg, 0, &f), MOG_OK);
    }
    close(fd);
    return NULL;
}

START_TEST(test_dirsync)
{
    struct dirsync *s = dirsync_new();
    struct mog_fail f;
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sync_many, s), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(dirsync_wait(s, root.fd, &f), MOG_EIO); /* O_PATH: cannot be synced */
    ck_assert_int_ne(f.sys_errno, 0);
    dirsync_free(s);
}
END_TEST

START_TEST(test_beneath)
{
    char text[16];
    int fd = openat(root.fd, "dev1/f", O_WRONLY | O_CREAT, 0644);
    ck_assert_int_eq(write(fd, "0123456789", 10), 10);
    close(fd);
    ck_assert_int_eq(beneath_open(root.fd, "../etc", O_RDONLY, 0), -1);
    ck_assert_int_eq(errno, EXDEV);
    ck_assert_int_eq(beneath_open(root.fd, "/etc/passwd", O_RDONLY, 0), -1);
    ck_assert_int_eq(errno, EXDEV);
    fd = beneath_open_read(root.fd, "dev1/f");
    ck_assert_int_ge(fd, 0);
    ssize_t n = beneath_read_cached(fd, text, 4, 3);
    if (n >= 0) {
        ck_assert_int_eq(n, 4);
        ck_assert_mem_eq(text, "3456", 4);
        ck_assert_int_eq(beneath_read_cached(fd, text, 4, 10), 0);
    }
    ck_assert(beneath_is_cached(fd, 0, 0));
    close(fd);
    fd = beneath_open_cached(root.fd, "dev1/f");
    if (fd >= 0)
        close(fd);
    else
        ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(beneath_open_cached(root.fd, "dev1/none"), -1);
}
END_TEST

/* In all threads: the kernel does not know this call, or a container forbids it. */
static void refuse_call(unsigned number, int err)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program), 0);
}

START_TEST(test_beneath_without_openat2)
{
    static const struct {
        const char *path;
        int flags, err; /* 0: it opens */
    } cases[] = {
        {"dev1/d/f", O_RDONLY, 0},
        {"dev1/d/f/x", O_RDONLY, ENOTDIR},
        {"dev1/d/f", O_PATH | O_DIRECTORY, ENOTDIR},
        {"dev1/none/f", O_RDONLY, ENOENT},
        {"dev1/d/none", O_RDONLY, ENOENT},
        {"dev1/link/f", O_RDONLY, ELOOP},
        {"dev1/link/none", O_RDONLY, ELOOP},
        {"dev1/link", O_PATH | O_DIRECTORY, ELOOP},
        {"dev1/link", O_RDONLY | O_DIRECTORY, ELOOP},
        {"dev1/d/link", O_RDONLY, ELOOP},
        {"dev1/../dev1/d/f", O_RDONLY, EXDEV},
    };
    ck_assert_int_eq(mkdirat(root.fd, "dev1/d", 0755), 0);
    close(openat(root.fd, "dev1/d/f", O_WRONLY | O_CREAT, 0644));
    ck_assert_int_eq(symlinkat("d", root.fd, "dev1/link"), 0);
    ck_assert_int_eq(symlinkat("f", root.fd, "dev1/d/link"), 0);
    refuse_call(SYS_openat2, _i == 0 ? ENOSYS : EPERM);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = beneath_open(root.fd, cases[i].path, cases[i].flags, 0);
        int err = fd < 0 ? errno : 0;
        ck_assert_msg(err == cases[i].err, "%s: %d", cases[i].path, err);
        if (fd >= 0)
            close(fd);
    }
    ck_assert_int_eq(beneath_open_read(root.fd, "dev1/link/f"), -1);
    ck_assert_int_eq(errno, ELOOP);
    ck_assert_int_eq(beneath_open_cached(root.fd, "dev1/d/f"), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

static _Atomic int digests_done;

static void digest_done(struct digest_task *t)
{
    (void)t;
    atomic_fetch_add(&digests_done, 1);
}

static void digest_of(struct digester *g, struct digest_task *t, const char *path, bool is_background)
{
    *t = (struct digest_task){.type = DIGEST_MD5, .dev = device, .is_background = is_background, .done = digest_done};
    snprintf(t->below, sizeof t->below, "%s", path);
    int before = atomic_load(&digests_done);
    digester_submit(g, t);
    int64_t until = clock_mono_ms() + 30000;
    while (atomic_load(&digests_done) == before && clock_mono_ms() < until)
        clock_sleep_ms(1);
    ck_assert_int_eq(atomic_load(&digests_done), before + 1);
}

/* Loop 1: on a kernel before 6.5. */
START_TEST(test_digests_leave_in_memory_what_is_there)
{
    enum { SIZE = 3 << 20, CACHESTAT = 451 };
    static const char bytes[SIZE];
    struct digester *g = digester_new();
    struct digest_task t;
    struct statfs fs;
    int fd = openat(root.fd, "dev1/f", O_RDWR | O_CREAT, 0644);
    ck_assert_int_eq(write(fd, bytes, SIZE), SIZE);
    ck_assert_int_eq(fsync(fd), 0);
    if (_i == 1)
        refuse_call(CACHESTAT, ENOSYS);
    ck_assert(beneath_is_cached(fd, 0, SIZE));
    digest_of(g, &t, "f", false);
    ck_assert_int_eq(t.outcome, DIGEST_OUTCOME_OK);
    ck_assert(beneath_is_cached(fd, 0, SIZE));
    ck_assert_int_eq(fstatfs(fd, &fs), 0);
    ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    ck_assert(fs.f_type == TMPFS_MAGIC || !beneath_is_cached(fd, 0, SIZE));
    close(fd);
    digester_stop(g);
    digester_free(g);
}
END_TEST

START_TEST(test_digester)
{
    static const uint8_t md5_of_hello[] = {0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76,
                                           0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17, 0xc5, 0x92};
    struct digester *g = digester_new();
    static struct digest_task t;
    struct upload u;
    struct mog_fail f;
    ck_assert_int_eq(store("a/hello", "hello", &u, &f), MOG_OK);
    for (int i = 0; i < 2; i++) {
        digest_of(g, &t, "a/hello", i == 1);
        ck_assert_int_eq(t.outcome, DIGEST_OUTCOME_OK);
        ck_assert_mem_eq(t.value, md5_of_hello, 16);
        digest_of(g, &t, "a/none", i == 1);
        ck_assert_int_eq(t.outcome, DIGEST_OUTCOME_MISSING);
        digest_of(g, &t, "a", i == 1);
        ck_assert_int_eq(t.outcome, DIGEST_OUTCOME_MISSING);
    }
    digester_stop(g);
    digest_of(g, &t, "a/hello", true);
    ck_assert_int_eq(t.outcome, DIGEST_OUTCOME_FAILED);
    digester_free(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("device");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, test_health);
    tcase_add_test(tests, test_late_commits);
    tcase_add_test(tests, test_account);
    tcase_add_test(tests, test_usage_text);
    tcase_add_test(tests, test_replaced_directory);
    tcase_add_test(tests, test_queue);
    tcase_add_test(tests, test_one_place_one_thread);
    tcase_add_test(tests, test_others_have_their_turn);
    tcase_add_test(tests, test_one_hangs_at_its_place);
    tcase_add_test(tests, test_another_hangs_too);
    tcase_add_test(tests, test_followers_at_the_end);
    tcase_add_test(tests, test_upload);
    tcase_add_test(tests, test_upload_into_a_directory_that_is_not_synced);
    tcase_add_test(tests, test_passed_directory);
    tcase_add_test(tests, test_nameless);
    tcase_add_test(tests, test_nameless_is_tried);
    tcase_add_test(tests, test_temp_names);
    tcase_add_test(tests, test_dirsync);
    tcase_add_test(tests, test_beneath);
    tcase_add_loop_test(tests, test_beneath_without_openat2, 0, 2);
    tcase_add_loop_test(tests, test_digests_leave_in_memory_what_is_there, 0, 2);
    tcase_add_test(tests, test_digester);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
