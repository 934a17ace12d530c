/* SPDX-License-Identifier: MIT */
/* DELETE, OPTIONS and MKCOL. */
#include "mogstored/http_request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mogstored/beneath.h"

/* ---- on the device's threads ---- */

static void answer_errno(struct request *r, int err)
{
    switch (err) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        request_answer(r, 404, "no such file");
        return;
    case EACCES:
    case EPERM:
    case ELOOP:
    case EXDEV:
    case EISDIR:
        request_answer(r, 403, strerror(err));
        return;
    case EROFS:
        device_note_errno(r->dev, err, "cannot delete");
        request_answer(r, 403, "read-only device");
        return;
    default:
        (void)upload_fail(r->dev, err, "cannot delete", r->path.below, &r->fail);
        request_answer(r, 500, strerror(err));
        return;
    }
}

/* Unlink the regular file `name` in `dir`. Returns 0 or errno; its size on the disk goes to `*kb`. */
static int unlink_file(int dir, const char *name, int64_t *kb)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    if (!S_ISREG(st.st_mode))
        return EPERM;
    if (unlinkat(dir, name, 0) != 0)
        return errno;
    *kb = st.st_nlink == 1 ? (int64_t)st.st_blocks / 2 : 0;
    return 0;
}

static void delete_work(struct request *r)
{
    int root = -1, dir = -1, err = 0;
    int64_t kb = 0;
    char parent[DPATH_MAX + 1] = ".";
    struct span last = dpath_last(r->path.below);
    if (device_open_root(r->dev, &root, &r->fail) != MOG_OK) {
        request_answer(r, 503, r->fail.text);
        return;
    }
    if (last.ptr != r->path.below) {
        size_t n = (size_t)(last.ptr - r->path.below) - 1;
        memcpy(parent, r->path.below, n);
        parent[n] = '\0';
        dir = beneath_open(root, parent, O_PATH | O_DIRECTORY, 0);
        err = dir < 0 ? errno : 0;
    }
    if (err == 0)
        err = unlink_file(dir >= 0 ? dir : root, last.ptr, &kb);
    if (dir >= 0)
        close(dir);
    close(root);
    if (err != 0) {
        answer_errno(r, err);
        return;
    }
    /* No sync: a file that comes back after a power cut wastes space, and nothing else. */
    device_account(r->dev, -kb);
    request_answer(r, 204, NULL);
}

/* ---- on the connection's thread ---- */

void delete_begin(struct request *r)
{
    switch (r->path.kind) {
    case DPATH_STAR:
        request_answer(r, 400, "Invalid filename");
        return;
    case DPATH_ROOT:
    case DPATH_DEVICE:
    case DPATH_USAGE:
        request_answer(r, 403, "never deleted");
        return;
    case DPATH_FILE:
        break;
    }
    if (device_health(r->dev) == DEVICE_READONLY)
        request_answer(r, 403, "read-only device");
    else
        (void)request_run(r, delete_work, request_has_begun, false);
}

void options_begin(struct request *r)
{
    request_answer(r, 200, NULL);
}

void mkcol_begin(struct request *r)
{
    /* The one status that makes every tracker stop asking. */
    request_answer(r, 400, "directories are made as needed");
}
