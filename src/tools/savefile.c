/* SPDX-License-Identifier: MIT */
/* A file that appears under its name only when it is complete. */
#include "tools/savefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

enum { SLOTS = 128, TEMP_LETTERS = 6, TEMP_TRIES = 1000 };

/* ---- what a signal leaves ---- */

/* Temporary files, for the handler of signals, which can wait for no lock: a path holds while its slot is SLOT_HELD. */
enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_HELD };
static struct {
    _Atomic int state;
    char path[PATH_MAX];
} slots[SLOTS];

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static void on_signal(int sig)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (atomic_load(&slots[i].state) == SLOT_HELD)
            (void)unlink(slots[i].path);
    }
    /* The handler is gone by now: this ends us as if there had been none. */
    (void)raise(sig);
}

static void catch_signals(void)
{
    struct sigaction old, new = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    sigfillset(&new.sa_mask);
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++) {
        if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            (void)sigaction(ending[i], &new, NULL);
    }
}

/* -1: there is none, and the file stays when we are ended. */
static int take_slot(void)
{
    for (int i = 0; i < SLOTS; i++) {
        int free_state = SLOT_FREE;
        if (atomic_compare_exchange_strong(&slots[i].state, &free_state, SLOT_TAKEN))
            return i;
    }
    return -1;
}

static void free_slot(struct savefile *s)
{
    if (s->slot > 0)
        atomic_store(&slots[s->slot - 1].state, SLOT_FREE);
    s->slot = 0;
}

/*
 * As mkostemp(), but a new file gets its mode here, from the system: the umask can only be asked for by changing it,
 * under the hands of other threads. What is to replace a file may be as secret as that one.
 */
static int open_temp(struct savefile *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    char *end = s->temp + strlen(s->temp) - TEMP_LETTERS;
    int fd = -1;
    for (int i = 0; fd < 0 && i < TEMP_TRIES; i++) {
        uint8_t chance[TEMP_LETTERS];
        if (getrandom(chance, sizeof chance, 0) != (ssize_t)sizeof chance)
            return -1;
        for (size_t j = 0; j < sizeof chance; j++)
            end[j] = letters[chance[j] % (sizeof letters - 1)];
        fd = open(s->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, s->replaces ? 0600 : 0666);
        if (fd < 0 && errno != EEXIST)
            return -1;
    }
    return fd;
}

/* Make the file, and have it removed when a signal ends us from then on. */
static void make_temp(struct savefile *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sigset_t signals, old;
    (void)pthread_once(&once, catch_signals);
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++)
        sigaddset(&signals, ending[i]);
    (void)pthread_sigmask(SIG_BLOCK, &signals, &old);
    s->fd = open_temp(s);
    int err = errno, slot = s->fd >= 0 && strlen(s->temp) < PATH_MAX ? take_slot() : -1;
    if (slot >= 0) {
        memcpy(slots[slot].path, s->temp, strlen(s->temp) + 1);
        atomic_store(&slots[slot].state, SLOT_HELD);
        s->slot = slot + 1;
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = err;
}

/* ---- the file ---- */

/* The next name in a chain of links that ends with one that is not there yet. */
static char *next_name(const char *path)
{
    char target[PATH_MAX];
    ssize_t len = readlink(path, target, sizeof target);
    if (len < 0 || (size_t)len == sizeof target)
        return NULL;
    const char *slash = strrchr(path, '/');
    int folder = slash && target[0] != '/' ? (int)(slash + 1 - path) : 0;
    return mem_printf("%.*s%.*s", folder, path, (int)len, target);
}

/* What a symbolic link leads to is meant. NULL: that has no name (a file that was removed, through /dev/stdout). */
static char *real_name(const char *path)
{
    struct stat st;
    char *name = mem_strdup(path);
    while (name && lstat(name, &st) == 0 && S_ISLNK(st.st_mode)) {
        bool is_there = stat(name, &st) == 0 || errno != ENOENT;
        char *next = is_there ? realpath(name, NULL) : next_name(name);
        free(name);
        name = next;
    }
    return name;
}

enum mog_err savefile_init(struct savefile *s, const char *path, struct mog_fail *f)
{
    struct stat st;
    *s = (struct savefile){.fd = -1, .path = real_name(path)};
    bool exists = stat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode))
        return fail_set(f, MOG_EIO, "%s is a folder", path);
    if (exists && !S_ISREG(st.st_mode)) {
        s->direct = true;
        s->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else if (!s->path) {
        s->direct = true;
        s->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    } else {
        s->replaces = exists;
        s->mode = exists ? st.st_mode & 07777 : 0;
        const char *slash = strrchr(s->path, '/');
        const char *base = slash ? slash + 1 : s->path;
        s->temp = mem_printf("%.*s.%.200s.XXXXXX", (int)(base - s->path), s->path, base);
        make_temp(s);
    }
    if (s->fd < 0) {
        enum mog_err e = fail_sys(f, MOG_EIO, errno, "cannot write to %s", path);
        free(s->temp);
        s->temp = NULL;
        return e;
    }
    return MOG_OK;
}

bool savefile_write(void *arg, const char *data, size_t len)
{
    struct savefile *s = arg;
    while (len > 0) {
        ssize_t put = write(s->fd, data, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            s->sys_errno = errno;
            return false;
        }
        data += put;
        len -= (size_t)put;
    }
    return true;
}

bool savefile_restart(void *arg)
{
    struct savefile *s = arg;
    return !s->direct && ftruncate(s->fd, 0) == 0 && lseek(s->fd, 0, SEEK_SET) == 0;
}

enum mog_err savefile_commit(struct savefile *s, struct mog_fail *f)
{
    if (s->direct)
        return MOG_OK;
    bool ok = !s->replaces || fchmod(s->fd, s->mode) == 0;
    int err = ok ? 0 : errno;
    if (close(s->fd) != 0 && ok)
        err = errno;
    s->fd = -1;
    if (err != 0)
        return fail_sys(f, MOG_EIO, err, "cannot finish %s", s->path);
    if (rename(s->temp, s->path) != 0)
        return fail_sys(f, MOG_EIO, errno, "cannot rename %s to %s", s->temp, s->path);
    free_slot(s);
    free(s->temp);
    s->temp = NULL;
    return MOG_OK;
}

void savefile_fini(struct savefile *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (s->temp)
        unlink(s->temp);
    free_slot(s);
    free(s->temp);
    free(s->path);
    *s = (struct savefile){.fd = -1};
}
