/* SPDX-License-Identifier: MIT */
/* File system calls that never follow a link and never leave the directory they start from. */
#include "mogstored/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ALWAYS = O_CLOEXEC | O_NOCTTY | O_NONBLOCK, COMPONENT_SIZE = 256, NR_CACHESTAT = 451 };

static bool is_link(int dirfd, const char *name)
{
    struct stat st;
    return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* Component by component, for kernels without openat2 (before 5.6), and containers that refuse it. */
static int open_by_component(int dirfd, const char *path, int flags, mode_t mode)
{
    int at = dirfd;
    for (;;) {
        char part[COMPONENT_SIZE];
        const char *slash = strchr(path, '/');
        size_t len = slash ? (size_t)(slash - path) : strlen(path);
        int fd = -1;
        if (len >= sizeof part) {
            errno = ENAMETOOLONG;
        } else {
            memcpy(part, path, len);
            part[len] = '\0';
            bool is_dots = strcmp(part, "..") == 0 || strcmp(part, ".") == 0;
            if (is_dots)
                errno = EXDEV;
            else if (slash)
                fd = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            else
                fd = openat(at, part, flags | O_NOFOLLOW, mode);
            /* What lies behind a link is refused, as openat2 does it, and not "missing". */
            if (fd < 0 && errno == ENOTDIR)
                errno = is_link(at, part) ? ELOOP : ENOTDIR;
        }
        int saved = errno;
        if (at != dirfd)
            close(at);
        errno = saved;
        if (fd < 0 || !slash)
            return fd;
        at = fd;
        path = slash + 1;
    }
}

static int open2(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)flags, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

int beneath_open(int dirfd, const char *path, int flags, mode_t mode)
{
    /* O_PATH takes few other flags: openat2 refuses what open would drop. */
    flags |= (flags & O_PATH) ? O_CLOEXEC : ALWAYS;
    int fd = open2(dirfd, path, flags, (flags & O_CREAT) ? mode : 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM) && !(flags & O_NOATIME))
        return open_by_component(dirfd, path, flags, mode);
    return fd;
}

int beneath_open_read(int dirfd, const char *path)
{
    int fd = beneath_open(dirfd, path, O_RDONLY | O_NOATIME, 0);
    if (fd < 0 && (errno == EPERM || errno == ENOSYS)) /* not the owner's, or no openat2 */
        fd = beneath_open(dirfd, path, O_RDONLY, 0);
    return fd;
}

int beneath_open_cached(int dirfd, const char *path)
{
    uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_CACHED;
    int fd = open2(dirfd, path, O_RDONLY | O_NOATIME | ALWAYS, 0, resolve);
    if (fd < 0 && errno == EPERM) /* not the owner's */
        fd = open2(dirfd, path, O_RDONLY | ALWAYS, 0, resolve);
    if (fd < 0 && (errno == ENOSYS || errno == EINVAL || errno == EPERM))
        errno = EAGAIN;
    return fd;
}

ssize_t beneath_read_cached(int fd, void *out, size_t len, off_t at)
{
    struct iovec iov = {.iov_base = out, .iov_len = len};
    return preadv2(fd, &iov, 1, at, RWF_NOWAIT);
}

/* Before Linux 6.5. */
static bool are_all_in_memory(int fd, off_t at, off_t len)
{
    while (len > 0) {
        off_t n = len < BENEATH_MEMORY_MAX ? len : BENEATH_MEMORY_MAX;
        if (!beneath_is_in_memory(fd, at, (size_t)n))
            return false;
        at += n;
        len -= n;
    }
    return true;
}

bool beneath_is_cached(int fd, off_t at, off_t len)
{
    struct {
        uint64_t off, len;
    } range = {(uint64_t)at, (uint64_t)len};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } found = {0};
    if (len <= 0)
        return true;
    if (syscall(NR_CACHESTAT, fd, &range, &found, 0) != 0)
        return are_all_in_memory(fd, at, len);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t pages = ((uint64_t)at + (uint64_t)len - 1) / page - (uint64_t)at / page + 1;
    return found.cached >= pages;
}

bool beneath_is_in_memory(int fd, off_t at, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), before = (size_t)at % page;
    unsigned char in_memory[BENEATH_MEMORY_MAX / 4096 + 1];
    size_t pages = (before + len + page - 1) / page;
    if (len == 0 || pages > sizeof in_memory)
        return len == 0;
    void *map = mmap(NULL, pages * page, PROT_READ, MAP_SHARED, fd, at - (off_t)before);
    if (map == MAP_FAILED)
        return false;
    bool is_told = mincore(map, pages * page, in_memory) == 0;
    (void)munmap(map, pages * page);
    while (is_told && pages > 0 && (in_memory[pages - 1] & 1))
        pages--;
    return is_told && pages == 0;
}
