/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a daemon under test: makes calls on chosen files slow, failing or deadly, and tells when a network
 * thread makes a call that may wait for a disk.
 *
 * The file named by MOG_FAULTS holds rules, one a line, and may change at any time:
 *     <call or *> <part of the path> delay <milliseconds>
 *     <call or *> <part of the path> errno <number>
 *     <call or *> <part of the path> kill <n>      SIGKILL before the n-th such call
 * A call that only looks at what is in memory (RESOLVE_CACHED, RWF_NOWAIT) finds nothing there where a rule delays.
 * "<MOG_FAULTS>.calls" gets a line "<call> <path>" for each call that a rule names;
 * "<MOG_FAULTS>.violations" one for each call of a network thread that may block.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static _Atomic int kill_count;

/* Calls of our own must not come back here. */
static long raw(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}

static void append(const char *suffix, const char *call, const char *path)
{
    char name[512], line[1200];
    snprintf(name, sizeof name, "%s.%s", getenv("MOG_FAULTS"), suffix);
    int n = snprintf(line, sizeof line, "%s %s\n", call, path);
    long fd = raw(SYS_open, (long)name, O_WRONLY | O_APPEND | O_CREAT, 0644, 0);
    if (fd >= 0) {
        (void)raw(SYS_write, fd, (long)line, n, 0);
        (void)raw(SYS_close, fd, 0, 0, 0);
    }
}

static void path_of(int dirfd, const char *path, char *out, size_t size)
{
    char link[64];
    size_t n = 0;
    if (!path || path[0] != '/') {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
        long len = raw(SYS_readlink, (long)link, (long)out, (long)size - 1, 0);
        n = len > 0 ? (size_t)len : 0;
    }
    out[n] = '\0';
    if (path)
        snprintf(out + n, size - n, "%s%s", n > 0 ? "/" : "", path);
}

/* What a rule says about the call: 0 go on, an errno, or -1: it would have to wait (`only_memory`). */
static int apply(const char *call, int dirfd, const char *path, int only_memory)
{
    char rules[4096], full[1024], thread[17] = "";
    const char *file = getenv("MOG_FAULTS");
    int verdict = 0;
    if (!file)
        return 0;
    path_of(dirfd, path, full, sizeof full);
    (void)prctl(PR_GET_NAME, thread);
    if (!only_memory && strncmp(thread, "http-", 5) == 0 && strstr(full, "/dev"))
        append("violations", call, full);
    long fd = raw(SYS_open, (long)file, O_RDONLY, 0, 0);
    if (fd < 0)
        return 0;
    long n = raw(SYS_read, fd, (long)rules, sizeof rules - 1, 0);
    (void)raw(SYS_close, fd, 0, 0, 0);
    rules[n > 0 ? n : 0] = '\0';
    char *save = NULL;
    for (char *line = strtok_r(rules, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[32], part[256], action[16];
        long value;
        if (sscanf(line, "%31s %255s %15s %ld", name, part, action, &value) != 4)
            continue;
        if ((strcmp(name, "*") != 0 && strcmp(name, call) != 0) || !strstr(full, part))
            continue;
        if (only_memory) {
            if (strcmp(action, "delay") == 0)
                verdict = -1;
            continue;
        }
        append("calls", call, full);
        if (strcmp(action, "delay") == 0) {
            struct timespec pause = {.tv_sec = value / 1000, .tv_nsec = value % 1000 * 1000000};
            nanosleep(&pause, NULL);
        } else if (strcmp(action, "errno") == 0) {
            verdict = (int)value;
        } else if (strcmp(action, "kill") == 0 && atomic_fetch_add(&kill_count, 1) + 1 == value) {
            raise(SIGKILL);
        }
    }
    return verdict;
}

#define CHECK(call, fd, path, failed)                                                                                  \
    do {                                                                                                               \
        int err_ = apply(call, fd, path, 0);                                                                           \
        if (err_ != 0) {                                                                                               \
            errno = err_;                                                                                              \
            return failed;                                                                                             \
        }                                                                                                              \
    } while (0)

int openat(int dirfd, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    int creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    mode_t mode = creates ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    CHECK(creates ? "create" : "open", dirfd, path, -1);
    return (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

int __openat_2(int dirfd, const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags)
{
    return openat(dirfd, path, flags);
}

long syscall(long number, ...)
{
    long a[6];
    va_list ap;
    va_start(ap, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (number == SYS_openat2) {
        const struct open_how *how = (const struct open_how *)a[2];
        int only_memory = (how->resolve & RESOLVE_CACHED) != 0;
        int err = apply((how->flags & O_CREAT) ? "create" : "open", (int)a[0], (const char *)a[1], only_memory);
        if (err != 0) {
            errno = err < 0 ? EAGAIN : err;
            return -1;
        }
    }
    return ((long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"))(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* In a child that is about to become another program. */
int execve(const char *path, char *const argv[], char *const env[])
{
    CHECK("exec", AT_FDCWD, path, -1);
    return (int)raw(SYS_execve, (long)path, (long)argv, (long)env, 0);
}

ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    int err = apply("read", fd, NULL, (flags & RWF_NOWAIT) != 0);
    if (err != 0) {
        errno = err < 0 ? EAGAIN : err;
        return -1;
    }
    return REAL(preadv2)(fd, iov, n, at, flags);
}

/* The file that this thread has mapped last: mincore is told an address only. */
static _Thread_local int mapped_fd = -1;

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    mapped_fd = fd;
    return (void *)((long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"))(SYS_mmap, at, len, protection, flags, fd, offset);
}

int mincore(void *at, size_t len, unsigned char *in_memory)
{
    if (mapped_fd >= 0 && apply("read", mapped_fd, NULL, 1) != 0) {
        memset(in_memory, 0, (len + 4095) / 4096);
        return 0;
    }
    return REAL(mincore)(at, len, in_memory);
}

/* Waits for the disk when what it sends is not in memory. */
ssize_t sendfile(int to, int from, off_t *at, size_t len)
{
    if (apply("read", from, NULL, 1) != 0) {
        char path[1024];
        path_of(from, NULL, path, sizeof path);
        append("violations", "sendfile", path);
    }
    return REAL(sendfile)(to, from, at, len);
}

ssize_t pread(int fd, void *out, size_t len, off_t at)
{
    CHECK("read", fd, NULL, -1);
    return REAL(pread)(fd, out, len, at);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    CHECK("write", fd, NULL, -1);
    return REAL(pwrite)(fd, data, len, at);
}

int fsync(int fd)
{
    CHECK("fsync", fd, NULL, -1);
    return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    CHECK("fdatasync", fd, NULL, -1);
    return REAL(fdatasync)(fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    CHECK("rename", to_dir, to, -1);
    return REAL(renameat)(from_dir, from, to_dir, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    CHECK("link", to_dir, to, -1);
    return REAL(linkat)(from_dir, from, to_dir, to, flags);
}

int unlinkat(int dirfd, const char *path, int flags)
{
    CHECK("unlink", dirfd, path, -1);
    return REAL(unlinkat)(dirfd, path, flags);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
    CHECK("mkdir", dirfd, path, -1);
    return REAL(mkdirat)(dirfd, path, mode);
}

int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
    CHECK("stat", dirfd, path, -1);
    return REAL(fstatat)(dirfd, path, st, flags);
}

int fstatvfs(int fd, struct statvfs *st)
{
    CHECK("statvfs", fd, NULL, -1);
    return REAL(fstatvfs)(fd, st);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    CHECK("fallocate", fd, NULL, -1);
    return REAL(fallocate)(fd, mode, at, len);
}

int faccessat(int dirfd, const char *path, int mode, int flags)
{
    CHECK("access", dirfd, path, -1);
    return REAL(faccessat)(dirfd, path, mode, flags);
}
