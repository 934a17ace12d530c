/* SPDX-License-Identifier: MIT */
/*
 * SQLite lets a program put its own functions in the place of the system calls of its "unix" file system (made for
 * tests; a version that does without the call, or without this, never calls ours, and nothing is read without waiting).
 * With RWF_NOWAIT the kernel says EAGAIN where it would have to wait for the disk; it may have the disk begin to read.
 * Instead of sleeping before it tries again to read the index of the log, SQLite tries again at once, and gives up.
 *
 * What could still wait: the index of the log, a mapped file that each commit writes to, and the first look after it,
 * too (the system may have taken it out of memory all the same, or a write to it may wait for the file system's
 * journal); a disk with so much to do that it takes no more orders; whoever looks whether the file is still there; and
 * locks of this process that somebody holds for a moment.
 */
#include "store/sqlite_nowait.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "SQLite hands over offsets of 64 bits");

static _Thread_local struct {
    bool is_on, has_read;
    enum mog_err result;
} mine;

static ssize_t read_at(int fd, void *out, size_t len, off_t at)
{
    mine.has_read = true;
    if (!mine.is_on)
        return pread(fd, out, len, at);
    const struct iovec part = {out, len};
    ssize_t n = preadv2(fd, &part, 1, at, RWF_NOWAIT);
    if (n == 0) { /* Linux 5.9 and 5.10 say so of what is not in memory, too: a page of zeros would be made of it */
        errno = EAGAIN;
        n = -1;
    }
    if (n < 0 && errno == EAGAIN)
        mine.result = MOG_EAGAIN;
    else if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == EPERM))
        mine.result = MOG_EUNSUPPORTED;
    return n;
}

static int (*unix_sleep)(sqlite3_vfs *files, int us);

static int sleep_unless_nowait(sqlite3_vfs *files, int us)
{
    return mine.is_on ? us : unix_sleep(files, us);
}

static const char *files_name;

/* Which of the two SQLite calls depends on how it was built; the other one has no function. */
static void replace_calls(void)
{
    static const char *const names[] = {"pread", "pread64"};
    static sqlite3_vfs ours;
    sqlite3_vfs *unix_files = sqlite3_vfs_find("unix");
    if (unix_files == NULL || unix_files->iVersion < 3)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (unix_files->xGetSystemCall(unix_files, names[i]) != NULL)
            (void)unix_files->xSetSystemCall(unix_files, names[i], (sqlite3_syscall_ptr)read_at);
    }
    unix_sleep = unix_files->xSleep;
    ours = *unix_files;
    ours.zName = "mogilefs-nowait";
    ours.pNext = NULL;
    ours.xSleep = sleep_unless_nowait;
    if (sqlite3_vfs_register(&ours, 0) == SQLITE_OK)
        files_name = ours.zName;
}

const char *sqlite_nowait_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, replace_calls);
    return files_name;
}

bool sqlite_nowait_is_effective(void)
{
    return mine.has_read;
}

void sqlite_nowait_begin(void)
{
    mine.is_on = true;
    mine.result = MOG_OK;
}

void sqlite_nowait_end(void)
{
    mine.is_on = false;
    mine.result = MOG_OK;
}

enum mog_err sqlite_nowait_result(void)
{
    return mine.result;
}
