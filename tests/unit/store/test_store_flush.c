/* SPDX-License-Identifier: MIT */
/* Shared syncs: each caller gets one that began after its call, many share one, and a failure is final. */
#include "store/store_flush.h"

#include "unit.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { THREADS = 16, CALLS = 40 };

struct shared {
    struct store_flush flush;
    char path[64];
    _Atomic unsigned early; /* calls that returned without a sync that began after them */
};

static void *caller(void *arg)
{
    struct shared *s = arg;
    struct mog_fail f = {0};
    for (size_t i = 0; i < CALLS; i++) {
        pthread_mutex_lock(&s->flush.lock);
        uint64_t begun = s->flush.begun;
        pthread_mutex_unlock(&s->flush.lock);
        if (store_flush_wait(&s->flush, s->path, &f) != MOG_OK)
            atomic_fetch_add(&s->early, 1000);
        pthread_mutex_lock(&s->flush.lock);
        if (s->flush.done <= begun)
            atomic_fetch_add(&s->early, 1);
        pthread_mutex_unlock(&s->flush.lock);
    }
    return NULL;
}

START_TEST(many_share_one)
{
    struct shared s = {0};
    pthread_t ids[THREADS];
    store_flush_init(&s.flush);
    (void)snprintf(s.path, sizeof(s.path), "/tmp/mogflush-XXXXXX");
    int fd = mkstemp(s.path);
    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&ids[i], NULL, caller, &s), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    ck_assert_uint_eq(s.early, 0);
    ck_assert_uint_eq(s.flush.begun, s.flush.done);
    ck_assert_uint_ge(s.flush.done, CALLS);           /* one thread's calls follow each other */
    ck_assert_uint_lt(s.flush.done, THREADS * CALLS); /* and those of many were put together */
    (void)close(fd);
    (void)unlink(s.path);
    store_flush_fini(&s.flush);
}
END_TEST

START_TEST(a_failure_is_final)
{
    struct store_flush flush;
    struct mog_fail f = {0};
    store_flush_init(&flush);
    ck_assert(store_flush_wait(&flush, "/nonexistent/file", &f) == MOG_EIO);
    ck_assert_msg(strstr(f.text, "/nonexistent/file") != NULL, "%s", f.text);
    ck_assert(store_flush_wait(&flush, "/dev/null", &f) == MOG_EIO);
    store_flush_fini(&flush);
}
END_TEST

START_TEST(a_want_of_descriptors_passes)
{
    struct store_flush flush;
    struct mog_fail f = {0};
    struct rlimit was, none;
    char path[] = "/tmp/mogflush-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    store_flush_init(&flush);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = was;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum mog_err e = store_flush_wait(&flush, path, &f);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
    ck_assert_int_eq(e, MOG_EIO);
    ck_assert_int_eq(store_flush_wait(&flush, path, &f), MOG_OK);
    (void)close(fd);
    (void)unlink(path);
    store_flush_fini(&flush);
}
END_TEST

UNIT_MAIN("store_flush", many_share_one, a_failure_is_final, a_want_of_descriptors_passes)
