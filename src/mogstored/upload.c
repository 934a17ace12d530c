/* SPDX-License-Identifier: MIT */
/* The file side of one upload: temporary file, data, sync, rename. Every call may block on the disk. */
#include "mogstored/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/num.h"
#include "mogstored/beneath.h"
#include "mogstored/device.h"
#include "mogstored/dirsync.h"
#include "mogstored/dpath.h"
#include "mogstored/janitor.h"
#include "mogstored/nameless.h"

enum {
    TEMP_TRIES = 8,
    START_WRITE_BYTES = 8 << 20,
    RESERVE_FROM_BYTES = 2 << 20,
    PASS_DIR_MS = 10, /* a directory is opened anew after this, to see what has become of the device */
    DIR_TRIES = 3,    /* while somebody removes it */
    MARK_SIZE = 9,
};

void upload_init(struct upload *u)
{
    *u = (struct upload){.length = -1, .fd = -1, .dirfd = -1};
}

static uint32_t random_u32(void)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = (uint32_t)clock_mono_us();
    return random;
}

/*
 * In all names of this process: in a container, where each start has the same process id, nothing else tells them from
 * those of an earlier one.
 */
static uint32_t own_mark(void)
{
    static _Atomic uint32_t mark; /* 0: not chosen yet */
    uint32_t have = atomic_load(&mark);
    if (have != 0)
        return have;
    uint32_t chosen = random_u32() | 1;
    return atomic_compare_exchange_strong(&mark, &have, chosen) ? chosen : have;
}

void upload_temp_name(char out[UPLOAD_TEMP_SIZE])
{
    snprintf(out, UPLOAD_TEMP_SIZE, DPATH_TEMPORARY_PREFIX "%ld-%08" PRIx32 "%08" PRIx32, (long)getpid(), own_mark(),
             random_u32());
}

static bool is_running_stored(uint64_t pid)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/%" PRIu64 "/comm", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, name, sizeof name - 1);
    close(fd);
    return n > 0 && strncmp(name, "mogstored", 9) == 0;
}

bool upload_temp_is_abandoned(const char *name)
{
    struct span rest = span_of(name), pid_text;
    uint64_t pid;
    if (!dpath_is_temporary(rest))
        return false;
    size_t n = sizeof DPATH_TEMPORARY_PREFIX - 1;
    rest = span_make(rest.ptr + n, rest.len - n);
    if (!span_split(&rest, '-', &pid_text) || !rest.ptr || rest.len != 16 ||
        num_parse_u64(pid_text, 1, INT32_MAX, &pid) != MOG_OK)
        return false;
    for (size_t i = 0; i < rest.len; i++) {
        if (!strchr("0123456789abcdef", rest.ptr[i]))
            return false;
    }
    if (pid != (uint64_t)getpid())
        return !is_running_stored(pid);
    char mark[MARK_SIZE];
    snprintf(mark, sizeof mark, "%08" PRIx32, own_mark());
    return memcmp(rest.ptr, mark, sizeof mark - 1) != 0;
}

enum mog_err upload_fail(struct device *d, int err, const char *what, const char *path, struct mog_fail *f)
{
    enum mog_err code = MOG_EIO;
    device_note_errno(d, err, what);
    switch (err) {
    case ENOENT:
        code = MOG_ENOTFOUND;
        break;
    case EISDIR:
    case ENOTDIR:
    case EEXIST:
    case ENOTEMPTY:
        code = MOG_EEXISTS;
        break;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
    case EXDEV:
        code = MOG_EPERM;
        break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        code = MOG_ENOSPC;
        break;
    case ENAMETOOLONG:
        code = MOG_ETOOLONG;
        break;
    default:
        break;
    }
    return fail_sys(f, code, err, "%s %s/%s", what, d->name, path);
}

/* No fault of the device, and not "not found": that is the device itself. */
static enum mog_err vanishes(struct upload *u, struct mog_fail *f)
{
    return fail_sys(f, MOG_EIO, ENOENT, "somebody removes %s/%s or its directory meanwhile", u->dev->name, u->path);
}

static void drop_file(struct upload *u)
{
    if (u->temp[0] != '\0')
        (void)unlinkat(u->dirfd, u->temp, 0);
    if (u->fd >= 0)
        close(u->fd);
    digest_free(u->md5);
    u->temp[0] = '\0';
    u->fd = -1;
    u->is_nameless = false;
    u->md5 = NULL;
}

static void close_dir(struct upload *u)
{
    if (u->dirfd >= 0)
        close(u->dirfd);
    u->dirfd = -1;
}

/* Open directory `name` in `at` (taken), creating it if it is missing. Returns the descriptor, or -1 with `e` set. */
static int enter_or_create(struct upload *u, int at, const char *name, struct mog_fail *f, enum mog_err *e)
{
    int fd = beneath_open(at, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT) {
        *e = dirsync_mkdir(u->dev->dirsync, at, name, u->is_synced, f);
        if (*e != MOG_OK) {
            int err = f->sys_errno;
            *e = err == ENOENT ? MOG_EAGAIN : upload_fail(u->dev, err, "cannot create a directory for", u->path, f);
        } else {
            fd = beneath_open(at, name, O_RDONLY | O_DIRECTORY, 0);
        }
    }
    if (fd < 0 && *e == MOG_OK)
        *e = errno == ENOENT ? MOG_EAGAIN : upload_fail(u->dev, errno, "cannot open a directory of", u->path, f);
    close(at);
    return fd;
}

/*
 * Open the directory of the target, creating what is missing from the top. `root` is taken. MOG_EAGAIN, as by all that
 * follows: somebody removes it, or one above it, meanwhile.
 */
static enum mog_err open_parent(struct upload *u, int root, struct mog_fail *f)
{
    enum mog_err e = MOG_OK;
    struct span rest, last = dpath_last(u->path), part;
    if (last.ptr == u->path) {
        u->dirfd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (u->dirfd < 0)
            e = upload_fail(u->dev, errno, "cannot open the directory of", u->path, f);
        close(root);
        return e;
    }
    /* Almost always it is there. */
    char parent[DPATH_MAX + 1];
    size_t n = (size_t)(last.ptr - u->path) - 1;
    memcpy(parent, u->path, n);
    parent[n] = '\0';
    u->dirfd = beneath_open(root, parent, O_RDONLY | O_DIRECTORY, 0);
    if (u->dirfd >= 0 || errno != ENOENT) {
        if (u->dirfd < 0)
            e = upload_fail(u->dev, errno, "cannot open the directory of", u->path, f);
        close(root);
        return e;
    }
    rest = span_of(parent);
    /* The way down needs a descriptor that can be synced. */
    int at = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(root);
    if (at < 0)
        return upload_fail(u->dev, errno, "cannot open the device of", u->path, f);
    while (at >= 0 && span_split(&rest, '/', &part)) {
        char name[UPLOAD_NAME_SIZE];
        memcpy(name, part.ptr, part.len);
        name[part.len] = '\0';
        at = enter_or_create(u, at, name, f, &e);
    }
    u->dirfd = at;
    return e;
}

/* What is there under the name now must be a file or nothing. */
static enum mog_err check_target(struct upload *u, struct mog_fail *f)
{
    struct stat st;
    if (fstatat(u->dirfd, u->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? MOG_OK : upload_fail(u->dev, errno, "cannot look at", u->path, f);
    if (S_ISREG(st.st_mode))
        return MOG_OK;
    if (S_ISDIR(st.st_mode))
        return upload_fail(u->dev, EISDIR, "cannot replace", u->path, f);
    return fail_set(f, MOG_EPERM, "%s/%s is not a regular file", u->dev->name, u->path);
}

static enum mog_err create_temp(struct upload *u, struct mog_fail *f)
{
    for (int i = 0; i < TEMP_TRIES; i++) {
        upload_temp_name(u->temp);
        u->fd = openat(u->dirfd, u->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (u->fd >= 0)
            return MOG_OK;
        if (errno != EEXIST)
            break;
    }
    u->temp[0] = '\0';
    if (errno == ENOENT)
        return MOG_EAGAIN;
    return upload_fail(u->dev, errno, "cannot create a file for", u->path, f);
}

static enum mog_err open_target(struct upload *u, struct mog_fail *f)
{
    struct stat st;
    u->fd = beneath_open(u->dirfd, u->name, O_RDWR | O_CREAT, 0644);
    if (u->fd < 0 && errno == ENOENT)
        return MOG_EAGAIN;
    if (u->fd < 0)
        return upload_fail(u->dev, errno, "cannot open", u->path, f);
    if (fstat(u->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return fail_set(f, MOG_EPERM, "%s/%s is not a regular file", u->dev->name, u->path);
    return MOG_OK;
}

/* A full disk is better found now than after the last byte, and the file lies in one piece. */
static enum mog_err reserve(struct upload *u, struct mog_fail *f)
{
    if (u->length < RESERVE_FROM_BYTES || u->has_range)
        return MOG_OK;
    if (fallocate(u->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)u->length) == 0)
        return MOG_OK;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return upload_fail(u->dev, errno, "no room for", u->path, f);
    return MOG_OK;
}

/* In place of one that is open but was removed, if there is one. */
static enum mog_err open_dir(struct upload *u, struct mog_fail *f)
{
    int root = -1;
    close_dir(u);
    u->dir_opened_mono_ms = clock_mono_ms();
    u->failures_before = dirsync_failures(u->dev->dirsync);
    enum mog_err e = device_open_root(u->dev, &root, f);
    return e == MOG_OK ? open_parent(u, root, f) : e;
}

/*
 * Not for what is synced: that would be the file's data first and then the directory, but who tells that the file has a
 * name is its inode, which a file system without a journal does not write with either.
 */
static void create_nameless(struct upload *u)
{
    if (u->is_synced || u->has_range || !atomic_load(&u->dev->has_nameless))
        return;
    u->fd = nameless_create(u->dirfd);
    u->is_nameless = u->fd >= 0;
}

static enum mog_err open_file(struct upload *u, struct mog_fail *f)
{
    enum mog_err e = MOG_OK;
    create_nameless(u);
    /* What stands in the way of one that is whole is found soon enough when it gets its name. */
    if (!u->is_nameless || !u->is_whole)
        e = check_target(u, f);
    if (e == MOG_OK && !u->is_nameless)
        e = u->has_range ? open_target(u, f) : create_temp(u, f);
    return e == MOG_OK ? reserve(u, f) : e;
}

enum mog_err upload_open(struct upload *u, struct mog_fail *f)
{
    enum mog_err e = MOG_EAGAIN;
    struct span last = dpath_last(u->path);
    memcpy(u->name, last.ptr, last.len);
    u->name[last.len] = '\0';
    if (u->dirfd >= 0)
        e = open_file(u, f);
    for (int i = 0; i < DIR_TRIES && e == MOG_EAGAIN; i++) {
        e = open_dir(u, f);
        if (e == MOG_OK)
            e = open_file(u, f);
    }
    if (e == MOG_EAGAIN)
        e = vanishes(u, f);
    if (e != MOG_OK)
        upload_abort(u);
    return e;
}

/* Both directories, not the names in them. */
static bool is_same_dir(const struct upload *a, const struct upload *b)
{
    size_t n = (size_t)(dpath_last(a->path).ptr - a->path);
    return a->dev == b->dev && (size_t)(dpath_last(b->path).ptr - b->path) == n && memcmp(a->path, b->path, n) == 0;
}

void upload_pass_dir(struct upload *from, struct upload *to)
{
    if (to && from->dirfd >= 0 && is_same_dir(from, to) && clock_mono_ms() - from->dir_opened_mono_ms < PASS_DIR_MS) {
        to->dirfd = from->dirfd;
        to->dir_opened_mono_ms = from->dir_opened_mono_ms;
        from->dirfd = -1;
    }
    close_dir(from);
}

/* So that the final sync finds little left to do. */
static void start_write(struct upload *u)
{
    if (!u->is_synced || u->written - u->started_write < START_WRITE_BYTES)
        return;
    uint64_t base = u->has_range ? u->range.first : 0;
    (void)sync_file_range(u->fd, (off_t)(base + u->started_write), (off_t)(u->written - u->started_write),
                          SYNC_FILE_RANGE_WRITE);
    u->started_write = u->written;
}

enum mog_err upload_write(struct upload *u, const void *data, size_t len, struct mog_fail *f)
{
    const char *at = data;
    size_t left = len;
    while (left > 0) {
        uint64_t offset = (u->has_range ? u->range.first : 0) + u->written;
        ssize_t n = pwrite(u->fd, at, left, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return upload_fail(u->dev, errno, "cannot write", u->path, f);
        at += n;
        left -= (size_t)n;
        u->written += (uint64_t)n;
    }
    if (u->md5)
        digest_update(u->md5, data, len);
    start_write(u);
    return MOG_OK;
}

static enum mog_err close_file(struct upload *u, struct mog_fail *f)
{
    int fd = u->fd;
    u->fd = -1;
    if (close(fd) != 0)
        return upload_fail(u->dev, errno, "cannot close", u->path, f);
    return MOG_OK;
}

static enum mog_err rename_temp(struct upload *u, struct mog_fail *f)
{
    if (renameat(u->dirfd, u->temp, u->dirfd, u->name) != 0)
        return errno == ENOENT ? vanishes(u, f) : upload_fail(u->dev, errno, "cannot give its name to", u->path, f);
    u->temp[0] = '\0';
    return MOG_OK;
}

/* A file that has none cannot replace another. */
static enum mog_err replace_by_nameless(struct upload *u, struct mog_fail *f)
{
    enum mog_err e = check_target(u, f);
    if (e != MOG_OK)
        return e;
    upload_temp_name(u->temp);
    if (nameless_link(u->fd, u->dirfd, u->temp) == 0)
        return rename_temp(u, f);
    u->temp[0] = '\0';
    return errno == ENOENT ? vanishes(u, f) : upload_fail(u->dev, errno, "cannot give a name to", u->path, f);
}

static enum mog_err name_nameless(struct upload *u, struct mog_fail *f)
{
    int rc = nameless_link(u->fd, u->dirfd, u->name);
    /* It does not keep its directory from being removed. */
    for (int i = 0; i < DIR_TRIES && rc != 0 && errno == ENOENT; i++) {
        enum mog_err e = open_dir(u, f);
        if (e != MOG_OK)
            return e == MOG_EAGAIN ? vanishes(u, f) : e;
        rc = nameless_link(u->fd, u->dirfd, u->name);
    }
    if (rc == 0)
        return MOG_OK;
    if (errno == EEXIST)
        return replace_by_nameless(u, f);
    if (errno != ENOENT)
        return upload_fail(u->dev, errno, "cannot give its name to", u->path, f);
    atomic_store(&u->dev->has_nameless, false); /* or it is /proc that is gone: the janitor tries again */
    return vanishes(u, f);
}

static enum mog_err give_name(struct upload *u, struct mog_fail *f)
{
    if (u->has_range)
        return MOG_OK;
    return u->is_nameless ? name_nameless(u, f) : rename_temp(u, f);
}

static enum mog_err sync_directory(struct upload *u, struct mog_fail *f)
{
    enum mog_err e = dirsync_wait(u->dev->dirsync, u->dirfd, f);
    if (e != MOG_OK)
        return upload_fail(u->dev, f->sys_errno, "cannot sync the directory of", u->path, f);
    return dirsync_barrier(u->dev->dirsync, u->failures_before, f);
}

enum mog_err upload_commit(struct upload *u, struct mog_fail *f)
{
    enum mog_err e = MOG_OK;
    int64_t began = clock_mono_us();
    /* A sync that failed is never tried again: the kernel has forgotten what it could not write. */
    if (u->is_synced && fdatasync(u->fd) != 0)
        e = upload_fail(u->dev, errno, "cannot sync", u->path, f);
    /* A descriptor is what a nameless file is named by, and the file systems that have some report nothing at close. */
    if (e == MOG_OK && !u->is_nameless)
        e = close_file(u, f);
    if (e == MOG_OK)
        e = give_name(u, f);
    if (e == MOG_OK && u->is_synced)
        e = sync_directory(u, f);
    if (u->is_synced)
        device_note_commit(u->dev, clock_mono_us() - began);
    if (e == MOG_OK)
        device_account(u->dev, (int64_t)((u->written + 1023) / 1024));
    drop_file(u);
    if (e != MOG_OK || !u->is_whole)
        close_dir(u);
    return e;
}

void upload_abort(struct upload *u)
{
    drop_file(u);
    close_dir(u);
}

void upload_abandon(struct upload *u)
{
    if (u->fd < 0 && u->dirfd < 0 && u->temp[0] == '\0') {
        upload_abort(u);
        return;
    }
    janitor_give(u->dev->janitor, u->fd, u->dirfd, u->temp);
    u->fd = u->dirfd = -1;
    u->temp[0] = '\0';
    upload_abort(u);
}
