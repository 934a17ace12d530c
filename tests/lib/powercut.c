/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a daemon under test: remembers what a disk would have after a power cut, which is what was synced.
 *
 * In the folder named by MOG_DURABLE there is, for each file that was synced, "f-<inode>-<birth>" with its bytes, and
 * for each directory that was synced, "d-<inode>-<birth>" with a line "<key of the entry> <name>" for each entry.
 * tests/lib/powercut.py makes a tree of these.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* So that a later state of a file is never replaced by an earlier one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A number that was used again is another file: the time of birth tells. */
static int key_of(int fd, const char *name, char out[64])
{
    struct statx sx;
    if (statx(fd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &sx) != 0)
        return -1;
    (void)snprintf(out, 64, "%c-%llu-%lld.%u", S_ISDIR(sx.stx_mode) ? 'd' : 'f', (unsigned long long)sx.stx_ino,
                   (long long)sx.stx_btime.tv_sec, sx.stx_btime.tv_nsec);
    return S_ISDIR(sx.stx_mode) || S_ISREG(sx.stx_mode) ? 0 : -1;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static void copy_file(int fd, FILE *out)
{
    static char data[1 << 20];
    off_t at = 0;
    ssize_t n;
    char name[64];
    /* The descriptor itself may be for writing only. */
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int in = open(name, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        die("cannot read what is synced");
    while ((n = pread(in, data, sizeof data, at)) > 0) {
        if (fwrite(data, 1, (size_t)n, out) != (size_t)n)
            die("write");
        at += n;
    }
    close(in);
}

static void copy_directory(int fd, FILE *out)
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;
    const struct dirent *entry;
    char key[64];
    if (!dir)
        die("cannot read the directory that is synced");
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            key_of(dirfd(dir), entry->d_name, key) == 0)
            (void)fprintf(out, "%s %s\n", key, entry->d_name);
    }
    closedir(dir);
}

static void remember(int fd)
{
    const char *folder = getenv("MOG_DURABLE");
    char key[64], path[512], temporary[540];
    if (!folder || key_of(fd, "", key) != 0)
        return;
    (void)snprintf(path, sizeof path, "%s/%s", folder, key);
    (void)snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid());
    pthread_mutex_lock(&lock);
    FILE *out = fopen(temporary, "we");
    if (!out)
        die(temporary);
    if (key[0] == 'd')
        copy_directory(fd, out);
    else
        copy_file(fd, out);
    if (fclose(out) != 0 || rename(temporary, path) != 0)
        die(path);
    pthread_mutex_unlock(&lock);
}

/* The real disk need not be troubled: the kernel lives on. */
int fsync(int fd)
{
    if (!getenv("MOG_DURABLE"))
        return REAL(fsync)(fd);
    remember(fd);
    return 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}
