/* SPDX-License-Identifier: MIT */
/* Measuring a device, and writing its usage file for those who read the disk itself. */
#include "mogstored/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "mogstored/device.h"
#include "mogstored/nameless.h"
#include "mogstored/upload.h"

/* Is the directory the one that we know, or an acceptable new one? Sets the fault if not. */
static bool check_mount(struct device *d, const struct stat *st)
{
    bool is_mount_point = st->st_dev != d->root->st_dev;
    pthread_mutex_lock(&d->lock);
    bool was_mount_point = d->was_mount_point;
    pthread_mutex_unlock(&d->lock);
    if (is_mount_point)
        return true;
    if (was_mount_point) {
        device_set_fault(d, "no longer mounted");
        return false;
    }
    if (atomic_load(&d->settings->strict_mounts)) {
        device_set_fault(d, "not a mount point, as strict_mounts demands");
        return false;
    }
    return true;
}

/* Other files than the device's may have used up what is missing: what was measured before holds for as long as it may.
 */
static void note_failure(struct device *d, const char *what, int err)
{
    if (!device_is_shortage(err))
        device_set_fault(d, "%s: %s", what, strerror(err));
}

/* Opens the directory (O_PATH) and says what it is. Sets the fault if it cannot be used. */
static bool open_checked(struct device *d, int *fd, struct stat *st)
{
    *fd = openat(d->root->fd, d->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    atomic_store(&d->is_missing, *fd < 0 && errno == ENOENT);
    if (*fd < 0 || fstat(*fd, st) != 0) {
        note_failure(d, "cannot open the directory", errno);
        return false;
    }
    if (!check_mount(d, st))
        return false;
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", *fd);
    if (faccessat(AT_FDCWD, self, R_OK | X_OK, AT_EACCESS) != 0) {
        note_failure(d, "cannot read the directory", errno);
        return false;
    }
    return true;
}

static void publish(struct device *d, const struct stat *st, const struct statvfs *vfs)
{
    struct device_measure m = {.when_unix_s = clock_wall_s()};
    char path[4096];
    uint64_t block = vfs->f_frsize > 0 ? vfs->f_frsize : vfs->f_bsize;
    struct stat link;
    m.available_kb = (uint64_t)vfs->f_bavail * block / 1024;
    m.used_kb = (uint64_t)(vfs->f_blocks - vfs->f_bfree) * block / 1024;
    if (m.used_kb == 0)
        m.used_kb = 1; /* trackers take 0 for a broken file, and never use the device */
    m.total_kb = m.used_kb + m.available_kb;
    m.inodes_total = vfs->f_files;
    m.inodes_used = vfs->f_files - vfs->f_ffree;
    snprintf(path, sizeof path, "%s/%s", d->root->path, d->name);
    mount_find_source(st->st_dev, path, m.source);
    struct device_place place = {.st_dev = st->st_dev, .is_readonly = (vfs->f_flag & ST_RDONLY) != 0};
    place.is_link = fstatat(d->root->fd, d->name, &link, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(link.st_mode);
    (void)mount_find_disk(st->st_dev, m.source, place.disk);
    device_publish(d, &m, &place);
}

static int write_new(int dirfd, const char *temp, const struct buf *text)
{
    int fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno;
    ssize_t n = write(fd, text->data, text->len);
    int err = n < 0 ? errno : n == (ssize_t)text->len ? 0 : ENOSPC;
    if (close(fd) != 0 && err == 0)
        err = errno;
    if (err == 0 && renameat(dirfd, temp, dirfd, "usage") != 0)
        err = errno;
    if (err != 0)
        (void)unlinkat(dirfd, temp, 0);
    return err;
}

/* On a full disk: no new block, and no reader ever sees less than a whole file. */
static int write_in_place(int dirfd, const struct buf *text)
{
    struct stat st;
    int fd = openat(dirfd, "usage", O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int err = 0;
    struct buf padded = BUF_ZERO;
    buf_append(&padded, text->data, text->len);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err = EINVAL;
    } else {
        while (padded.len < (size_t)st.st_size && padded.len < 4096)
            buf_char(&padded, '\n');
        ssize_t n = pwrite(fd, padded.data, padded.len, 0);
        if (n != (ssize_t)padded.len)
            err = n < 0 ? errno : ENOSPC;
        else if (ftruncate(fd, (off_t)text->len) != 0)
            err = errno;
    }
    buf_fini(&padded);
    if (close(fd) != 0 && err == 0)
        err = errno;
    return err;
}

/* `dirfd` is -1 with `err` set if it could not be opened. */
static void write_file(struct usage_writer *w, struct device *d, int dirfd, int err)
{
    struct buf text = BUF_ZERO;
    char temp[UPLOAD_TEMP_SIZE];
    (void)device_format_usage(d, &text);
    upload_temp_name(temp);
    if (dirfd >= 0)
        err = write_new(dirfd, temp, &text);
    if (err == ENOSPC || err == EDQUOT)
        err = write_in_place(dirfd, &text);
    buf_fini(&text);
    if (err != 0 && !w->has_failed)
        log_warn("usage: cannot write %s/usage: %s (the numbers are served all the same)", d->name, strerror(err));
    w->has_failed = err != 0;
}

static void write_to(struct usage_writer *w, struct device *d, int root_fd, const struct stat *st)
{
    int dirfd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    write_file(w, d, dirfd, dirfd < 0 ? errno : 0);
    if (dirfd < 0)
        return;
    if (!atomic_load(&d->has_nameless)) {
        w->nameless_st_dev = st->st_dev;
        atomic_store(&d->has_nameless, nameless_is_had(dirfd));
    }
    close(dirfd);
}

bool usage_round(struct usage_writer *w, struct device *d)
{
    struct stat st;
    struct statvfs vfs;
    int fd = -1;
    bool is_well = open_checked(d, &fd, &st);
    if (is_well && fstatvfs(fd, &vfs) != 0) {
        note_failure(d, "cannot ask for its space", errno);
        is_well = false;
    }
    if (is_well) {
        if (w->nameless_st_dev != st.st_dev)
            atomic_store(&d->has_nameless, false);
        publish(d, &st, &vfs);
        if (!(vfs.f_flag & ST_RDONLY))
            write_to(w, d, fd, &st);
    } else {
        atomic_store(&d->has_nameless, false);
    }
    if (fd >= 0)
        close(fd);
    device_round_ended(d);
    return is_well;
}
