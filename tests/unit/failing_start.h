/* SPDX-License-Identifier: MIT */
/*
 * A daemon that is started in a process of its own, with one call of its main thread failing: it serves, or ends with a
 * reason; it never crashes, and never stays without serving. Include it in one file.
 */
#ifndef MOG_TESTS_FAILING_START_H
#define MOG_TESTS_FAILING_START_H

#include "failing_calls.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/clock.h"
#include "common/net.h"

enum { START_CALLS_MAX = 400, START_PATIENCE_S = 60, START_AGAIN_MS = 2000, START_HANGS = 99 };

/* ThreadSanitizer needs a second for each start: some of them do there. */
#ifdef __SANITIZE_THREAD__
enum { START_STEP = 5 };
#else
enum { START_STEP = 1 };
#endif

struct failing_start {
    int (*run)(void); /* as main(); the exit status */
    const char *address;
    uint16_t port;
    const char *request, *answer; /* what it is asked, and how the answer begins */
};

static struct failing_start_shared {
    _Atomic(const char *) call; /* what failed; a literal of this program */
    _Atomic bool has_served;
} * start_shared;

/* Its client, on a thread of the daemon's process: asks until it is answered, and ends it. */
static void *start_client(void *arg)
{
    const struct failing_start *s = arg;
    int64_t until = clock_mono_ms() + START_PATIENCE_S * 1000;
    sigset_t all;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (clock_mono_ms() < until) {
        struct mog_fail f = {0};
        char got[100] = "";
        int fd = -1;
        struct deadline by = deadline_in(500);
        if (net_connect(s->address, s->port, by, &fd, &f) == MOG_OK &&
            net_write_all(fd, s->request, strlen(s->request), by) == MOG_OK && net_wait(fd, POLLIN, by) == MOG_OK)
            (void)!recv(fd, got, sizeof got - 1, 0);
        if (fd >= 0)
            close(fd);
        if (strncmp(got, s->answer, strlen(s->answer)) == 0) {
            atomic_store(&start_shared->has_served, true);
            (void)kill(getpid(), SIGTERM);
            clock_sleep_ms(START_AGAIN_MS); /* until the end comes: what failed may have been to note the signal */
        }
        clock_sleep_ms(5);
    }
    _exit(START_HANGS);
}

/* Start it with the n-th call failing; what it said is in the file `said`. False: it has not so many. */
static inline bool failing_start_try(const struct failing_start *s, int n, const char *said)
{
    int status = 0;
    atomic_store(&start_shared->call, NULL);
    atomic_store(&start_shared->has_served, false);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        pthread_t client;
        int out = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        for (int sig = 1; sig < 32; sig++)
            (void)signal(sig, SIG_DFL);
        if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0 || close(out) != 0 ||
            pthread_create(&client, NULL, start_client, (void *)(uintptr_t)s) != 0)
            _exit(START_HANGS);
        failing.told = &start_shared->call;
        failing_begin(n, 0);
        int result = s->run();
        (void)failing_end();
        fflush(NULL);
        _exit(result);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    char text[2000] = "";
    int fd = open(said, O_RDONLY);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    close(fd);
    const char *call = atomic_load(&start_shared->call);
    ck_assert_msg(WIFEXITED(status), "call %d (%s): ended by signal %d: %s", n, call, WTERMSIG(status), text);
    ck_assert_msg(WEXITSTATUS(status) != START_HANGS, "call %d (%s): neither serves nor ends: %s", n, call, text);
    ck_assert_msg(WEXITSTATUS(status) == 0 || (len > 0 && !atomic_load(&start_shared->has_served)),
                  "call %d (%s): status %d, and no reason: %s", n, call, WEXITSTATUS(status), text);
    ck_assert_msg(WEXITSTATUS(status) != 0 || atomic_load(&start_shared->has_served), "call %d (%s): it ended: %s", n,
                  call, text);
    ck_assert_msg(call != NULL || WEXITSTATUS(status) == 0, "it does not start: %s", text);
    return call != NULL;
}

static inline void failing_start_each(const struct failing_start *s, const char *said)
{
    int n = 1;
    start_shared = mmap(NULL, sizeof *start_shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(start_shared, MAP_FAILED);
    ck_assert_msg(!failing_start_try(s, 0, said), "nothing is to fail");
    while (failing_start_try(s, n, said)) {
        n += START_STEP;
        ck_assert_int_lt(n, START_CALLS_MAX);
    }
    ck_assert_int_gt(n, 10);
    printf("start: %d calls\n", n - 1);
}

/* An address that no other process of these tests has. */
static inline const char *failing_start_address(void)
{
    static char text[24];
    unsigned pid = (unsigned)getpid();
    snprintf(text, sizeof text, "127.%u.%u.%u", 64 + (pid >> 16) % 64, pid >> 8 & 255, pid & 255);
    return text;
}

#endif
