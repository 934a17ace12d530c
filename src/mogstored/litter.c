/* SPDX-License-Identifier: MIT */
/* Clearing away temporary files that an earlier process left on a device when it was killed. */
#include "mogstored/litter.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "mogstored/device.h"
#include "mogstored/dpath.h"
#include "mogstored/upload.h"

enum { DEPTH_MAX = 32, HEALTH_POLL_MS = 100, IOPRIO_IDLE = 3 << 13, IOPRIO_WHO_THREAD = 1 };

struct litter {
    struct device *device;
    pthread_t thread;
    _Atomic bool is_stopping;
    size_t removed;
};

/* `fd` is taken. Directories are the only entries that cost a look at the disk. */
static void walk(struct litter *l, int fd, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    if (!dir) {
        close(fd);
        return;
    }
    while (!atomic_load(&l->is_stopping) && (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (upload_temp_is_abandoned(name)) {
            struct stat st;
            if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                unlinkat(dirfd(dir), name, 0) == 0)
                l->removed++;
        } else if ((entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) && depth < DEPTH_MAX) {
            int below = openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
            if (below >= 0)
                walk(l, below, depth + 1);
        }
    }
    closedir(dir);
}

static void *run(void *arg)
{
    struct litter *l = arg;
    struct mog_fail f;
    int root = -1;
    char name[16];
    snprintf(name, sizeof name, "l-%s", l->device->name);
    pthread_setname_np(pthread_self(), name);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_THREAD, 0, IOPRIO_IDLE);
    while (!atomic_load(&l->is_stopping) && device_health(l->device) == DEVICE_UNHEALTHY)
        clock_sleep_ms(HEALTH_POLL_MS);
    if (atomic_load(&l->is_stopping) || device_open_root(l->device, &root, &f) != MOG_OK)
        return NULL;
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(root);
    if (fd >= 0)
        walk(l, fd, 0);
    if (l->removed > 0)
        log_info("litter: removed %zu unfinished uploads of an earlier process from %s", l->removed, l->device->name);
    return NULL;
}

struct litter *litter_start(struct device *d)
{
    struct litter *l = mem_calloc(1, sizeof *l);
    l->device = d;
    if (pthread_create(&l->thread, NULL, run, l) != 0) {
        log_warn("litter: cannot start a thread for %s", d->name);
        free(l);
        return NULL;
    }
    return l;
}

void litter_stop(struct litter *l)
{
    if (!l)
        return;
    atomic_store(&l->is_stopping, true);
    pthread_join(l->thread, NULL);
    free(l);
}
