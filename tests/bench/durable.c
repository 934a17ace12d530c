/* SPDX-License-Identifier: MIT */
/*
 * durable: how many files a second some threads make durable by hand: write, fdatasync, rename, fsync of the directory.
 *
 *     durable FOLDER THREADS SECONDS BYTES       prints the files a second
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/num.h"

enum {
    THREADS_MAX = 1000,
    SECONDS_MAX = 3600,
    BYTES_MAX = 64 << 20,
    FILES_A_FOLDER = 1000,
    NAME_SIZE = 64,
    TEMPORARY_SIZE = NAME_SIZE + 8
};

struct run {
    int dirfd;
    uint64_t bytes;
    char *data;
    struct deadline end;
    _Atomic uint64_t files;
    _Atomic int error;
};

struct worker {
    pthread_t thread;
    struct run *run;
    unsigned number;
};

static int write_all(int fd, const char *data, uint64_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            data += n;
            len -= (uint64_t)n;
        }
    }
    return 0;
}

/* 0 or errno. */
static int store(const struct run *run, int dirfd, const char *name)
{
    char temporary[TEMPORARY_SIZE];
    snprintf(temporary, sizeof temporary, ".%s.tmp", name);
    int fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno;
    int err = write_all(fd, run->data, run->bytes);
    if (err == 0 && fdatasync(fd) != 0)
        err = errno;
    if (close(fd) != 0 && err == 0)
        err = errno;
    if (err == 0 && renameat(dirfd, temporary, dirfd, name) != 0)
        err = errno;
    if (err == 0 && fsync(dirfd) != 0)
        err = errno;
    return err;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct run *run = w->run;
    char name[NAME_SIZE];
    int dirfd = -1, err = 0;
    for (uint64_t n = 0; err == 0 && !deadline_is_past(run->end) && atomic_load(&run->error) == 0; n++) {
        if (n % FILES_A_FOLDER == 0) {
            if (dirfd >= 0)
                close(dirfd);
            snprintf(name, sizeof name, "%u-%03u", w->number, (unsigned)(n / FILES_A_FOLDER % 1000));
            (void)mkdirat(run->dirfd, name, 0755);
            dirfd = openat(run->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (dirfd < 0 || fsync(run->dirfd) != 0) {
                err = errno;
                break;
            }
        }
        snprintf(name, sizeof name, "%llu", (unsigned long long)n);
        err = store(run, dirfd, name);
        if (err == 0)
            atomic_fetch_add(&run->files, 1);
    }
    if (dirfd >= 0)
        close(dirfd);
    if (err != 0)
        atomic_store(&run->error, err);
    return NULL;
}

int main(int argc, char **argv)
{
    struct run run = {0};
    uint64_t threads = 0, seconds = 0;
    if (argc != 5 || num_parse_u64(span_of(argv[2]), 1, THREADS_MAX, &threads) != MOG_OK ||
        num_parse_u64(span_of(argv[3]), 1, SECONDS_MAX, &seconds) != MOG_OK ||
        num_parse_u64(span_of(argv[4]), 0, BYTES_MAX, &run.bytes) != MOG_OK) {
        fprintf(stderr, "usage: durable FOLDER THREADS SECONDS BYTES\n");
        return 2;
    }
    run.dirfd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run.dirfd < 0) {
        fprintf(stderr, "durable: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    run.data = mem_calloc(1, run.bytes + 1);
    memset(run.data, 'x', run.bytes);
    struct worker *workers = mem_calloc(threads, sizeof *workers);
    int64_t began = clock_mono_us();
    run.end = deadline_in((int64_t)seconds * 1000);
    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (struct worker){.run = &run, .number = i};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    double took_s = (double)(clock_mono_us() - began) / 1e6;
    int err = atomic_load(&run.error);
    if (err != 0)
        fprintf(stderr, "durable: %s\n", strerror(err));
    else
        printf("%.1f\n", (double)atomic_load(&run.files) / took_s);
    close(run.dirfd);
    free(workers);
    free(run.data);
    return err == 0 ? 0 : 1;
}
