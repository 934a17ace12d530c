/* SPDX-License-Identifier: MIT */
/* Reading a database without waiting: what is in memory, and not a byte more. */
#include "store/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* The kernel's part: what it says of pages that are not in memory (0: they are; END: some versions tell of an end). */
enum { END = -1 };
static int said_errno;
static unsigned reads;

ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    reads++;
    if (said_errno != 0 && (flags & RWF_NOWAIT) != 0) {
        errno = said_errno == END ? 0 : said_errno;
        return said_errno == END ? 0 : -1;
    }
    return syscall(SYS_preadv2, fd, iov, n, at, 0L, flags & ~RWF_NOWAIT);
}

enum { KEYS = 3 };

static struct store *nowait;
static uint32_t dmid;
static uint64_t fids[KEYS];
static struct span keys[KEYS];

/* NULL where there is nothing to test. */
static struct store *start(void)
{
    static const char *const names[KEYS] = {"first", "second", "third"};
    said_errno = 0;
    dmid = fixture_domain(fx.st, "d");
    for (size_t i = 0; i < KEYS; i++) {
        keys[i] = span_of(names[i]);
        fids[i] = fixture_file(fx.st, dmid, names[i], (uint32_t)i + 1);
    }
    nowait = store_new_nowait(fx.env);
    ck_assert_int_eq(nowait != NULL, store_backend(fx.st) == STORE_SQLITE);
    return nowait;
}

static enum mog_err look(struct store *st)
{
    struct store_found found[KEYS];
    bool is_sure;
    enum mog_err e = store_file_find_many(st, dmid, keys, KEYS, STORE_READ_DEVIDS | STORE_READ_FID, found, &is_sure);
    for (size_t i = 0; i < KEYS; i++) {
        if (e == MOG_OK) {
            ck_assert(is_sure && found[i].file.fid == fids[i] && found[i].devids.n == 1);
            ck_assert_uint_eq(found[i].devids.rows[0], i + 1);
        } else {
            ck_assert(found[i].file.fid == 0 && found[i].devids.rows == NULL);
        }
        store_found_free(&found[i]);
    }
    return e;
}

/* Somebody writes, and the connection has nothing of its own left of what it has read. */
static void touch(void)
{
    OK(fx.st, store_setting_set(fx.st, "touched", span_of("1")));
    OK(fx.st, store_setting_set(fx.st, "touched", span_of("2")));
}

START_TEST(reads_what_is_in_memory)
{
    struct store *st = start();
    if (st == NULL)
        return;
    ck_assert(!store_nowait_is_connected(st));
    FAILS(st, MOG_EAGAIN, look(st));
    FAILS(st, MOG_EAGAIN, store_validate(st));
    OK(st, store_nowait_connect(st));
    OK(st, store_nowait_connect(st));
    ck_assert(store_nowait_is_connected(st));
    reads = 0;
    OK(st, look(st));
    ck_assert_uint_gt(reads, 0);
    OK(st, store_validate(st));
    touch();
    OK(st, look(st)); /* also what was written since */
    store_free(st);
}
END_TEST

START_TEST(does_not_wait_for_the_disk)
{
    struct store *st = start();
    if (st == NULL)
        return;
    OK(st, store_nowait_connect(st));
    uint64_t errors = metric_get(&store_env_metrics(fx.env)->errors);
    said_errno = EAGAIN;
    FAILS(st, MOG_EAGAIN, look(st));
    FAILS(st, MOG_EAGAIN, look(st));
    said_errno = 0;
    OK(st, look(st));
    touch();
    said_errno = END;
    FAILS(st, MOG_EAGAIN, look(st));
    said_errno = EAGAIN;
    FAILS(st, MOG_EAGAIN, look(st));
    OK(fx.st, store_ping(fx.st));
    OK(fx.st, look(fx.st)); /* others are not concerned */
    said_errno = 0;
    OK(st, look(st));
    ck_assert(store_nowait_is_connected(st));
    ck_assert_uint_eq(store_connects(st), 1);
    ck_assert_uint_eq(metric_get(&store_env_metrics(fx.env)->errors), errors);
    store_free(st);
}
END_TEST

/* Connect, and lose the connection to what the kernel says of a read. */
static void lose_connection(struct store *st, int said, enum mog_err code)
{
    OK(st, store_nowait_connect(st));
    said_errno = said;
    FAILS(st, code, look(st));
    ck_assert_ptr_null(strstr(store_failure(st)->text, "not connected"));
    said_errno = 0;
    ck_assert(!store_nowait_is_connected(st));
    FAILS(st, MOG_EAGAIN, look(st));
    FAILS(st, MOG_EAGAIN, store_validate(st));
}

START_TEST(says_when_it_can_never_be_done)
{
    static const int all[] = {EOPNOTSUPP, ENOSYS, EINVAL, EPERM};
    store_free(start());
    for (size_t i = 0; i < sizeof all / sizeof all[0] && nowait != NULL; i++) {
        struct store *st = store_new_nowait(fx.env);
        lose_connection(st, all[i], MOG_EUNSUPPORTED);
        FAILS(st, MOG_EUNSUPPORTED, store_nowait_connect(st));
        FAILS(st, MOG_EAGAIN, look(st));
        store_free(st);
    }
}
END_TEST

START_TEST(is_connected_anew_after_an_error)
{
    struct store *st = start();
    if (st == NULL)
        return;
    lose_connection(st, EIO, MOG_EDBDOWN);
    OK(st, store_nowait_connect(st));
    OK(st, look(st));
    ck_assert_uint_eq(store_connects(st), 2);
    store_free(st);
}
END_TEST

START_TEST(does_not_write)
{
    struct store *st = start();
    if (st == NULL)
        return;
    OK(st, store_nowait_connect(st));
    FAILS(st, MOG_EAGAIN, store_setting_set(st, "a", span_of("b")));
    FAILS(st, MOG_EAGAIN, store_begin(st));
    FAILS(st, MOG_EAGAIN, store_file_delete(st, dmid, keys[0], NULL));
    FAILS(st, MOG_EAGAIN, store_run_text(st, "DELETE FROM file"));
    /* Another's transaction is no hindrance. */
    OK(fx.st, store_begin(fx.st));
    OK(fx.st, store_setting_set(fx.st, "a", span_of("b")));
    OK(st, look(st));
    OK(fx.st, store_commit(fx.st));
    OK(st, look(st));
    store_free(st);
}
END_TEST

/*
 * Another process mends the index of the log: it has the locks for that, and the two copies of its head differ. All
 * that in a child, since a process does not stand in its own way. Returns when told to go on.
 */
static void mend_index(int n_locks, int told, int go_on)
{
    enum { WRITE_LOCK = 120 };
    char byte = 0, changed, *path = mem_printf("%s-shm", fx.dsn + strlen("DBI:SQLite:"));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = WRITE_LOCK, .l_len = n_locks};
    int fd = open(path, O_RDWR);
    if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0 || pread(fd, &byte, 1, 0) != 1)
        _exit(1);
    changed = (char)(byte + 1);
    if (pwrite(fd, &changed, 1, 0) != 1 || write(told, &byte, 1) != 1 || read(go_on, &changed, 1) != 1 ||
        pwrite(fd, &byte, 1, 0) != 1)
        _exit(1);
    _exit(0);
}

/* With the lock for mending it too, SQLite gives up at once; with the writer's alone it would sleep for ten seconds. */
static void meet_a_lock(struct store *st, int n_locks)
{
    int told[2], go_on[2], status = 0;
    char byte = 0;
    OK(st, look(st));
    ck_assert(pipe(told) == 0 && pipe(go_on) == 0);
    pid_t child = fork();
    if (child == 0)
        mend_index(n_locks, told[1], go_on[0]);
    ck_assert_int_eq(read(told[0], &byte, 1), 1);
    int64_t began_ms = clock_mono_ms();
    FAILS(st, MOG_EAGAIN, look(st));
    ck_assert_int_lt(clock_mono_ms() - began_ms, 500);
    ck_assert_int_eq(write(go_on[1], "", 1), 1);
    ck_assert(waitpid(child, &status, 0) == child && status == 0);
    OK(st, look(st));
    for (size_t i = 0; i < 2; i++) {
        close(told[i]);
        close(go_on[i]);
    }
}

START_TEST(does_not_wait_for_a_lock)
{
    struct store *st = start();
    if (st == NULL)
        return;
    OK(st, store_nowait_connect(st));
    uint64_t errors = metric_get(&store_env_metrics(fx.env)->errors);
    meet_a_lock(st, 1);
    meet_a_lock(st, 3);
    ck_assert_uint_eq(store_connects(st), 1);
    ck_assert_uint_eq(metric_get(&store_env_metrics(fx.env)->errors), errors);
    store_free(st);
}
END_TEST

START_TEST(a_file_that_is_gone_is_noticed)
{
    char *path = NULL;
    struct store *st = start();
    if (st == NULL)
        return;
    OK(st, store_nowait_connect(st));
    OK(st, look(st));
    path = mem_strdup(fx.dsn + strlen("DBI:SQLite:"));
    ck_assert_int_eq(unlink(path), 0);
    FAILS(st, MOG_EAGAIN, store_validate(st));
    ck_assert(!store_nowait_is_connected(st));
    FAILS(st, MOG_EDBDOWN, store_nowait_connect(st));
    ck_assert_msg(access(path, F_OK) != 0, "it does not make an empty one in its place");
    store_free(st);
    free(path);
}
END_TEST

/* A connection of one kind cannot be made into one of the other. */
static enum mog_err connect_to(const char *dsn)
{
    struct mog_fail f;
    struct store_env *env;
    const struct store_config config = {.dsn = dsn};
    ck_assert_int_eq(store_env_new(&config, &env, &f), MOG_OK);
    struct store *st = store_new_nowait(env);
    ck_assert_ptr_nonnull(st);
    enum mog_err e = store_nowait_connect(st);
    ck_assert_int_eq(store_nowait_is_connected(st), e == MOG_OK);
    ck_assert_uint_eq(metric_get(&store_env_metrics(env)->connect_failures), e == MOG_EDBDOWN);
    store_free(st);
    store_env_free(env);
    return e;
}

START_TEST(knows_what_it_cannot_do)
{
    struct mog_fail f;
    struct store_env *env;
    char *text = mem_printf("DBI:SQLite:%s/none/there.db", fx.folder);
    ck_assert_int_eq(connect_to("DBI:SQLite::memory:"), MOG_EUNSUPPORTED);
    ck_assert_int_eq(connect_to(text), MOG_EDBDOWN);
    free(text);
    text = mem_printf("DBI:SQLite:uri=file:%s/uri.db", fx.folder);
    ck_assert_int_eq(connect_to(text), MOG_EDBDOWN); /* it is not there */
    free(text);
    text = mem_printf("DBI:SQLite:uri=file:%s/uri.db?mode=rwc", fx.folder);
    ck_assert_int_eq(connect_to(text), MOG_EUNSUPPORTED);
    free(text);
    const struct store_config config = {.dsn = "DBI:mysql:mogilefs:127.0.0.1"};
    ck_assert_int_eq(store_env_new(&config, &env, &f), MOG_OK);
    ck_assert_ptr_null(store_new_nowait(env));
    store_env_set_alive(env, false);
    store_env_free(env);
}
END_TEST

int main(void)
{
    return FIXTURE_RUN("store_nowait", reads_what_is_in_memory, does_not_wait_for_the_disk,
                       says_when_it_can_never_be_done, is_connected_anew_after_an_error, does_not_write,
                       does_not_wait_for_a_lock, a_file_that_is_gone_is_noticed, knows_what_it_cannot_do);
}
