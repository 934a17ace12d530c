/* SPDX-License-Identifier: MIT */
/* All devices of the docroot: found at the start, every few seconds, and when a request names a new one. */
#include "mogstored/devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <uthash.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/pool.h"
#include "mogstored/dpath.h"
#include "mogstored/janitor.h"
#include "mogstored/litter.h"

enum { SCAN_PERIOD_S = 3, FIRST_MEASURE_MS = 2000, SEARCH_THREADS = 2, SEARCHES_MAX = 1000 };

struct known {
    uint32_t id;
    struct device *device;
    struct litter *litter;
    UT_hash_handle hh;
};

/*
 * Invariants: 1. `known` and `threads` are under `lock`; entries are only added. 2. `is_kicked` and `is_stopping` are
 * under `scan_lock`.
 * 3. `searches` is NULL after devices_stop, under `search_lock`.
 */
struct devices {
    struct docroot root;
    char *path;
    struct settings *settings;
    unsigned round_s;
    pthread_rwlock_t lock;
    struct known *known;
    unsigned threads;
    pthread_mutex_t add_lock; /* held while a device is added, so that it is made once; taken before `lock` */
    pthread_mutex_t search_lock;
    struct pool *searches;
    pthread_t scanner;
    bool has_scanner;
    pthread_mutex_t scan_lock;
    pthread_cond_t scan_wake;
    bool is_kicked, is_stopping;
    bool is_unreadable; /* the docroot, when it was looked through last; the scanner's own */
};

enum mog_err devices_new(const struct devices_opts *opts, struct settings *settings, struct devices **out,
                         struct mog_fail *f)
{
    struct stat st;
    char *path = realpath(opts->docroot, NULL);
    if (!path || stat(path, &st) != 0) {
        int err = errno;
        free(path);
        return fail_sys(f, err == ENOENT ? MOG_ENOTFOUND : MOG_EPERM, err, "docroot: cannot use %s", opts->docroot);
    }
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int err = errno;
    if (fd >= 0 && faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) != 0) {
        err = errno;
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        free(path);
        return fail_sys(f, MOG_EPERM, err, "docroot: cannot use %s", opts->docroot);
    }
    struct devices *ds = mem_calloc(1, sizeof *ds);
    ds->path = path;
    ds->root = (struct docroot){.fd = fd, .st_dev = st.st_dev, .path = strcmp(path, "/") == 0 ? "" : path};
    ds->settings = settings;
    ds->round_s = opts->round_s;
    ds->threads = opts->threads;
    pthread_rwlock_init(&ds->lock, NULL);
    pthread_mutex_init(&ds->add_lock, NULL);
    pthread_mutex_init(&ds->search_lock, NULL);
    pthread_mutex_init(&ds->scan_lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ds->scan_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *out = ds;
    return MOG_OK;
}

struct device *devices_find(struct devices *ds, uint32_t id)
{
    struct known *k = NULL;
    pthread_rwlock_rdlock(&ds->lock);
    HASH_FIND(hh, ds->known, &id, sizeof id, k);
    struct device *d = k ? k->device : NULL;
    pthread_rwlock_unlock(&ds->lock);
    return d;
}

/* The threads of known devices that the system did not let us start. */
static void start_missing_threads(struct devices *ds)
{
    size_t n;
    struct device **list = devices_list(ds, &n);
    for (size_t i = 0; i < n; i++)
        janitor_start(list[i]->janitor);
    free(list);
}

/* The device `id` if its directory exists; made if it is new. Blocks on the docroot's disk. */
static struct device *find_or_add(struct devices *ds, uint32_t id)
{
    struct stat st;
    char name[16];
    snprintf(name, sizeof name, "dev%" PRIu32, id);
    struct device *d = devices_find(ds, id);
    if (d || fstatat(ds->root.fd, name, &st, 0) != 0 || !S_ISDIR(st.st_mode))
        return d;
    pthread_mutex_lock(&ds->add_lock);
    d = devices_find(ds, id);
    if (!d) {
        struct known *k = mem_calloc(1, sizeof *k);
        k->id = id;
        k->device = d = device_new(id, &ds->root, ds->settings, ds->threads, ds->round_s);
        k->litter = litter_start(d);
        pthread_rwlock_wrlock(&ds->lock);
        HASH_ADD(hh, ds->known, id, sizeof k->id, k);
        pthread_rwlock_unlock(&ds->lock);
        log_info("devices: found %s/%s", ds->root.path, name);
    }
    pthread_mutex_unlock(&ds->add_lock);
    return d;
}

/* At the start, and on the scanner's thread then. */
static void scan(struct devices *ds)
{
    int fd = openat(ds->root.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && !ds->is_unreadable)
        log_warn("devices: cannot read %s: %s", ds->path, strerror(errno));
    ds->is_unreadable = !dir;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        uint32_t id;
        if (dpath_is_device(span_of(entry->d_name), &id))
            (void)find_or_add(ds, id);
    }
    closedir(dir);
}

static void *scan_thread(void *arg)
{
    struct devices *ds = arg;
    pthread_setname_np(pthread_self(), "docroot");
    pthread_mutex_lock(&ds->scan_lock);
    while (!ds->is_stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += SCAN_PERIOD_S;
        int rc = 0;
        while (rc == 0 && !ds->is_kicked && !ds->is_stopping)
            rc = pthread_cond_timedwait(&ds->scan_wake, &ds->scan_lock, &until);
        if (ds->is_stopping)
            break;
        ds->is_kicked = false;
        pthread_mutex_unlock(&ds->scan_lock);
        scan(ds);
        start_missing_threads(ds);
        pthread_mutex_lock(&ds->scan_lock);
    }
    pthread_mutex_unlock(&ds->scan_lock);
    return NULL;
}

/* A search and whose it is: what the pool carries. */
struct search {
    struct devices *ds;
    struct devices_search *s;
};

static void search_work(void *worker, void *item)
{
    (void)worker;
    struct search *search = item;
    struct devices_search *s = search->s;
    s->found = find_or_add(search->ds, s->id);
    if (s->found)
        (void)device_wait_measured(s->found, FIRST_MEASURE_MS);
    free(search);
    s->done(s);
}

static void search_drop(void *arg, void *item)
{
    (void)arg;
    struct search *search = item;
    struct devices_search *s = search->s;
    free(search);
    s->found = NULL;
    s->done(s);
}

bool devices_search(struct devices *ds, struct devices_search *s)
{
    struct search *search = mem_alloc(sizeof *search);
    search->ds = ds;
    search->s = s;
    s->found = NULL;
    pthread_mutex_lock(&ds->search_lock);
    bool taken = ds->searches && pool_submit(ds->searches, search);
    pthread_mutex_unlock(&ds->search_lock);
    if (!taken)
        free(search);
    return taken;
}

static int by_id(const void *a, const void *b)
{
    const struct device *const *x = a, *const *y = b;
    return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

struct device **devices_list(struct devices *ds, size_t *n)
{
    struct known *k, *tmp;
    size_t i = 0;
    pthread_rwlock_rdlock(&ds->lock);
    struct device **list = mem_calloc(HASH_COUNT(ds->known) + 1, sizeof(struct device *));
    HASH_ITER(hh, ds->known, k, tmp)
    list[i++] = k->device;
    pthread_rwlock_unlock(&ds->lock);
    qsort(list, i, sizeof(struct device *), by_id);
    *n = i;
    return list;
}

enum mog_err devices_start(struct devices *ds, struct mog_fail *f)
{
    ds->searches =
        pool_new(&(struct pool_ops){.name = "search", .work = search_work, .drop = search_drop}, SEARCHES_MAX);
    pool_resize(ds->searches, SEARCH_THREADS);
    scan(ds);
    size_t n;
    struct device **list = devices_list(ds, &n);
    int64_t until = clock_mono_ms() + FIRST_MEASURE_MS;
    for (size_t i = 0; i < n; i++) {
        int64_t left = until - clock_mono_ms();
        if (!device_wait_measured(list[i], left > 0 ? left : 0))
            log_warn("devices: %s does not answer in time, starting without it", list[i]->name);
    }
    free(list);
    ds->has_scanner = pthread_create(&ds->scanner, NULL, scan_thread, ds) == 0;
    return ds->has_scanner ? MOG_OK : fail_set(f, MOG_EIO, "cannot start a thread that looks for devices");
}

void devices_stop(struct devices *ds)
{
    pthread_mutex_lock(&ds->scan_lock);
    ds->is_stopping = true;
    pthread_cond_signal(&ds->scan_wake);
    pthread_mutex_unlock(&ds->scan_lock);
    if (ds->has_scanner)
        pthread_join(ds->scanner, NULL);
    ds->has_scanner = false;
    pthread_mutex_lock(&ds->search_lock);
    struct pool *searches = ds->searches;
    ds->searches = NULL;
    pthread_mutex_unlock(&ds->search_lock);
    pool_stop(searches);
    struct known *k, *tmp;
    HASH_ITER(hh, ds->known, k, tmp)
    {
        litter_stop(k->litter);
        k->litter = NULL;
        device_stop(k->device);
    }
}

void devices_free(struct devices *ds)
{
    if (!ds)
        return;
    struct known *k = ds->known;
    HASH_CLEAR(hh, ds->known);
    while (k) {
        struct known *next = k->hh.next;
        device_free(k->device);
        free(k);
        k = next;
    }
    close(ds->root.fd);
    free(ds->path);
    pthread_rwlock_destroy(&ds->lock);
    pthread_mutex_destroy(&ds->add_lock);
    pthread_mutex_destroy(&ds->search_lock);
    pthread_mutex_destroy(&ds->scan_lock);
    pthread_cond_destroy(&ds->scan_wake);
    free(ds);
}

void devices_set_threads(struct devices *ds, unsigned threads)
{
    size_t n;
    pthread_rwlock_wrlock(&ds->lock);
    ds->threads = threads;
    pthread_rwlock_unlock(&ds->lock);
    struct device **list = devices_list(ds, &n);
    for (size_t i = 0; i < n; i++)
        device_set_threads(list[i], threads);
    free(list);
}

void devices_kick(struct devices *ds)
{
    size_t n;
    struct device **list = devices_list(ds, &n);
    for (size_t i = 0; i < n; i++)
        janitor_kick(list[i]->janitor);
    free(list);
    pthread_mutex_lock(&ds->scan_lock);
    ds->is_kicked = true;
    pthread_cond_signal(&ds->scan_wake);
    pthread_mutex_unlock(&ds->scan_lock);
}
