/* SPDX-License-Identifier: MIT */
/* A file that appears under its name only when it is complete. */
#include "tools/savefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

enum mog_err savefile_init(struct savefile *s, const char *path, struct mog_fail *f)
{
    struct stat st;
    *s = (struct savefile){.fd = -1, .path = mem_strdup(path)};
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return fail_set(f, MOG_EIO, "%s is a folder", path);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        s->direct = true;
        s->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        const char *slash = strrchr(path, '/');
        const char *base = slash ? slash + 1 : path;
        s->temp = mem_printf("%.*s.%.200s.XXXXXX", (int)(base - path), path, base);
        s->fd = mkostemp(s->temp, O_CLOEXEC);
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
    struct stat st;
    mode_t mask = umask(0);
    umask(mask);
    mode_t mode = stat(s->path, &st) == 0 ? st.st_mode & 07777 : 0666 & ~mask;
    if (fchmod(s->fd, mode) != 0 || close(s->fd) != 0) {
        s->fd = -1;
        return fail_sys(f, MOG_EIO, errno, "cannot finish %s", s->path);
    }
    s->fd = -1;
    if (rename(s->temp, s->path) != 0)
        return fail_sys(f, MOG_EIO, errno, "cannot rename %s to %s", s->temp, s->path);
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
    free(s->temp);
    free(s->path);
    *s = (struct savefile){.fd = -1};
}
