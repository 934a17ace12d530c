/* SPDX-License-Identifier: MIT */
/* Uploads, syncs, measuring and logs of a device, with each call of the system below them failing in turn. */
#include "failing_calls.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/net.h"
#include "mogstored/access_log.h"
#include "mogstored/device.h"
#include "mogstored/devices.h"
#include "mogstored/dirsync.h"
#include "mogstored/litter.h"
#include "mogstored/metrics.h"
#include "mogstored/side.h"
#include "mogstored/stored_options.h"
#include "mogstored/upload.h"
#include "mogstored/usage.h"

static char folder[] = "/tmp/mogtest-XXXXXX";
static struct docroot root;
static struct settings settings;
static struct device *device;

/* Run it in the folder. */
static void run_command(const char *what)
{
    char command[200];
    snprintf(command, sizeof command, "cd %s && %s", folder, what);
    ck_assert_int_eq(system(command), 0);
}

/* What a failed call has told about the device is forgotten. */
static void heal(void)
{
    pthread_mutex_lock(&device->lock);
    device->fault[0] = '\0';
    pthread_mutex_unlock(&device->lock);
    atomic_store(&device->has_fault, false);
    atomic_store(&device->is_full, false);
    atomic_store(&device->is_readonly, false);
    atomic_store(&device->is_missing, false);
}

static void empty_device(void)
{
    run_command("find dev1 -mindepth 1 -delete");
    heal();
}

static bool holds(const char *path, const char *text)
{
    char got[64] = "";
    int fd = openat(root.fd, path, O_RDONLY);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, got, sizeof got - 1);
    close(fd);
    return n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

/* No file is left on the device but, with `names`, those. */
static bool has_only(const char *names)
{
    char command[300], got[300] = "";
    snprintf(command, sizeof command, "cd %s/dev1 && find . -type f | sort | tr '\\n' ' '", folder);
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    if (fgets(got, sizeof got, p) == NULL)
        got[0] = '\0';
    pclose(p);
    return strcmp(got, names) == 0;
}

static enum mog_err put(const char *path, bool is_synced, bool has_range, struct mog_fail *f)
{
    struct upload u;
    upload_init(&u);
    u.dev = device;
    u.path = path;
    u.is_synced = is_synced;
    u.has_range = has_range;
    u.range = (struct range){.first = 2, .last = 6};
    u.length = has_range ? 5 : 4 << 20; /* long enough to reserve room for it */
    heal();
    enum mog_err e = upload_open(&u, f);
    if (e == MOG_OK) {
        e = upload_write(&u, "hello", 5, f);
        if (e == MOG_OK)
            e = upload_commit(&u, f);
        else
            upload_abort(&u);
    }
    ck_assert_int_eq(u.fd, -1);
    ck_assert_int_eq(u.dirfd, -1);
    return e;
}

static enum mog_err put_synced(struct mog_fail *f)
{
    return put("0/000/001/f", true, false, f);
}
static enum mog_err put_quickly(struct mog_fail *f)
{
    return put("0/000/001/f", false, false, f);
}
static bool nothing_put(void)
{
    return has_only("");
}
static bool is_put(void)
{
    return has_only("./0/000/001/f ") && holds("dev1/0/000/001/f", "hello");
}

static void put_old(void)
{
    empty_device();
    run_command("mkdir -p dev1/0/000/001 && printf 0123456789 > dev1/0/000/001/f");
}
static bool is_old(void)
{
    return has_only("./0/000/001/f ") && holds("dev1/0/000/001/f", "0123456789");
}
static enum mog_err put_part(struct mog_fail *f)
{
    return put("0/000/001/f", true, true, f);
}
static bool is_part_put(void)
{
    return has_only("./0/000/001/f ") && holds("dev1/0/000/001/f", "01hello789");
}

static enum mog_err sync_directory(struct mog_fail *f)
{
    int fd = FAILING_REAL(openat)(root.fd, "dev1", O_RDONLY | O_DIRECTORY);
    enum mog_err e = dirsync_wait(device->dirsync, fd, f);
    FAILING_REAL(close)(fd);
    return e;
}

static enum mog_err make_directory(struct mog_fail *f)
{
    int fd = FAILING_REAL(openat)(root.fd, "dev1", O_RDONLY | O_DIRECTORY);
    enum mog_err e = dirsync_mkdir(device->dirsync, fd, "new", true, f);
    FAILING_REAL(close)(fd);
    return e;
}
static bool no_directory(void)
{
    return faccessat(root.fd, "dev1/new", F_OK, 0) != 0;
}
static bool is_directory(void)
{
    return !no_directory();
}

/*
 * The numbers are published though the file cannot be written; else the device has a fault to tell, unless it was a
 * shortage, of descriptors here.
 */
static enum mog_err measure(struct mog_fail *f)
{
    struct usage_writer w = {0};
    heal();
    if (usage_round(&w, device))
        return MOG_OK;
    if (device_health(device) != DEVICE_UNHEALTHY)
        return fail_set(f, MOG_EIO, "as healthy as before");
    device_describe_fault(device, f->text, sizeof f->text);
    return f->code = MOG_EIO;
}
static bool no_temporary(void)
{
    return has_only("") || has_only("./usage ");
}

static enum mog_err log_accesses(struct mog_fail *f)
{
    char path[100];
    struct access_log *log = NULL;
    snprintf(path, sizeof path, "%s/access.log", folder);
    enum mog_err e = access_log_open(path, &log, f);
    ck_assert((e == MOG_OK) == (log != NULL));
    access_log_close(log);
    return e;
}

static enum mog_err open_device(struct mog_fail *f)
{
    int fd = -1;
    heal();
    enum mog_err e = device_open_root(device, &fd, f);
    if (e == MOG_OK)
        FAILING_REAL(close)(fd);
    return e;
}

/* Without a thread old files stay for the next start. */
static enum mog_err clear_litter(struct mog_fail *f)
{
    struct litter *l = litter_start(device);
    litter_stop(l);
    return l != NULL ? MOG_OK : fail_set(f, MOG_EIO, "no thread");
}

/* A directory that was not synced must not be taken for one that was. */
static enum mog_err make_directory_or_none(struct mog_fail *f)
{
    enum mog_err e = make_directory(f);
    ck_assert(e == MOG_OK || no_directory());
    return e;
}

/* ---- the start ---- */

static enum mog_err open_devices(struct mog_fail *f)
{
    struct devices *ds = NULL;
    enum mog_err e =
        devices_new(&(struct devices_opts){.docroot = folder, .threads = 1, .round_s = 3600}, &settings, &ds, f);
    ck_assert((e == MOG_OK) == (ds != NULL));
    devices_free(ds);
    return e;
}

static struct devices *new_devices(void)
{
    struct devices *ds = NULL;
    struct mog_fail f = {0};
    const struct devices_opts opts = {.docroot = folder, .threads = 1, .round_s = 3600};
    ck_assert_int_eq(devices_new(&opts, &settings, &ds, &f), MOG_OK);
    return ds;
}

static void nothing_more(struct job *j)
{
    (void)j;
}
static _Atomic bool has_worked;
static void job_done(struct job *j, bool has_run)
{
    (void)j;
    ck_assert(has_run);
    atomic_store(&has_worked, true);
}

/* What a device lacks at the start it has a little later. */
static enum mog_err start_devices(struct mog_fail *f)
{
    int at = failing.at;
    failing.at = 0;
    struct devices *ds = new_devices();
    failing.at = at;
    enum mog_err e = devices_start(ds, f);
    failing.at = 0;
    bool is_well = false;
    for (int i = 0; e == MOG_OK && !is_well && i < 3000; i++) {
        struct device *d = devices_find(ds, 1);
        is_well = d != NULL && device_health(d) == DEVICE_HEALTHY;
        if (!is_well) {
            devices_kick(ds);
            (void)poll(NULL, 0, 10);
        }
    }
    ck_assert_msg(e != MOG_OK || is_well, "dev1 is never there");
    struct job j = {.run = nothing_more, .done = job_done};
    atomic_store(&has_worked, e != MOG_OK);
    ck_assert(e != MOG_OK || device_submit(devices_find(ds, 1), &j, true));
    for (int i = 0; i < 3000 && !atomic_load(&has_worked); i++)
        (void)poll(NULL, 0, 10);
    ck_assert(atomic_load(&has_worked));
    devices_stop(ds);
    devices_free(ds);
    return e;
}

static void search_done(struct devices_search *s)
{
    (void)s;
    atomic_store(&has_worked, true);
}

/* A search that cannot be done is refused, and one that is taken is always answered. */
static enum mog_err search_device(struct mog_fail *f)
{
    int at = failing.at;
    failing.at = 0;
    struct devices *ds = new_devices();
    struct devices_search s = {.id = 1, .done = search_done};
    atomic_store(&has_worked, false);
    failing.at = at;
    enum mog_err e = devices_start(ds, f);
    bool is_taken = e == MOG_OK && devices_search(ds, &s);
    failing.at = 0;
    for (int i = 0; is_taken && i < 3000 && !atomic_load(&has_worked); i++)
        (void)poll(NULL, 0, 10);
    ck_assert(is_taken == atomic_load(&has_worked));
    ck_assert(!is_taken || s.found != NULL);
    devices_stop(ds);
    ck_assert_msg(!devices_search(ds, &s), "it is taken by nobody");
    devices_free(ds);
    return e == MOG_OK && !is_taken ? fail_set(f, MOG_EIO, "not taken") : e;
}

static int listen_anywhere(void)
{
    struct mog_fail f = {0};
    int fd = -1, at = failing.at;
    failing.at = 0;
    ck_assert_int_eq(net_listen("127.0.0.1", 0, &fd, &f), MOG_OK);
    failing.at = at;
    return fd;
}

static enum mog_err serve_side(struct mog_fail *f)
{
    int at = failing.at, fd = listen_anywhere();
    failing.at = 0;
    struct devices *ds = new_devices();
    struct side *s = side_new(&(struct side_opts){.devices = ds, .settings = &settings, .has_iostat = true});
    failing.at = at;
    enum mog_err e = side_serve(s, fd, f);
    failing.at = 0;
    side_stop(s);
    side_free(s);
    devices_stop(ds);
    devices_free(ds);
    close(fd);
    return e;
}

static enum mog_err serve_metrics(struct mog_fail *f)
{
    int at = failing.at, fd = listen_anywhere();
    failing.at = 0;
    struct devices *ds = new_devices();
    struct http *m = NULL;
    failing.at = at;
    enum mog_err e = metrics_serve(fd, ds, NULL, &m, f);
    failing.at = 0;
    ck_assert((e == MOG_OK) == (m != NULL));
    metrics_stop(m);
    devices_stop(ds);
    devices_free(ds);
    ck_assert_msg(close(fd) == 0, "the listening socket is the caller's");
    return e;
}

static enum mog_err load_options(struct mog_fail *f)
{
    char file[100], config[] = "--config";
    snprintf(file, sizeof file, "%s/mogstored.conf", folder);
    char *argv[] = {(char *)"mogstored", config, file, NULL};
    struct stored_options o;
    enum mog_err e = stored_options_load(&o, 3, argv, folder, f);
    ck_assert(e != MOG_OK || strcmp(o.docroot, "/somewhere") == 0);
    stored_options_fini(&o);
    return e;
}
static void write_options(void)
{
    run_command("printf 'docroot = /somewhere\n' > mogstored.conf");
}

static const struct failing_case cases[] = {
    {"upload, synced", empty_device, put_synced, nothing_put, is_put, 0},
    {"upload, not synced", empty_device, put_quickly, nothing_put, is_put, 0},
    {"upload over a file", put_old, put_synced, is_old, is_put, 0},
    {"upload of a part", put_old, put_part, is_old, is_part_put, 0},
    {"dirsync_wait", empty_device, sync_directory, NULL, NULL, 0},
    {"dirsync_mkdir", empty_device, make_directory_or_none, no_directory, is_directory, 0},
    {"usage_round", empty_device, measure, no_temporary, no_temporary, 0},
    {"access_log_open", NULL, log_accesses, NULL, NULL, 0},
    {"device_open_root", empty_device, open_device, NULL, NULL, 0},
    {"litter_start", empty_device, clear_litter, NULL, NULL, 0},
    {"devices_new", empty_device, open_devices, NULL, NULL, 0},
    {"devices_start", empty_device, start_devices, NULL, NULL, 0},
    {"devices_search", empty_device, search_device, NULL, NULL, 0},
    {"side_serve", empty_device, serve_side, NULL, NULL, 0},
    {"metrics_serve", empty_device, serve_metrics, NULL, NULL, 0},
    {"stored_options_load", write_options, load_options, NULL, NULL, 0},
};

START_TEST(every_call_fails_in_turn)
{
    struct stat st;
    log_set_level(LOG_LEVEL_ERR);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(stat(folder, &st), 0);
    root = (struct docroot){.fd = open(folder, O_PATH | O_DIRECTORY), .st_dev = st.st_dev, .path = folder};
    ck_assert_int_eq(mkdirat(root.fd, "dev1", 0755), 0);
    settings_init(&settings);
    device = device_new(1, &root, &settings, 1, 3600);
    ck_assert(device_wait_measured(device, 30000));
    failing_each(&cases[_i]);
    device_stop(device);
    device_free(device);
    settings_fini(&settings);
    close(root.fd);
    run_command("rm -rf ../\"${PWD##*/}\"");
}
END_TEST

FAILING_MAIN("failing_calls", every_call_fails_in_turn, cases)
