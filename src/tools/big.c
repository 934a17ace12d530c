/* SPDX-License-Identifier: MIT */
/* What mogtool's commands share: names of objects, small requests, pipes to other programs. */
#include "tools/big.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/mem.h"
#include "common/urlenc.h"
#include "tools/fetch.h"
#include "tools/savefile.h"

enum { PATHS_MAX = 1024, INFO_MAX = 256 * 1024 * 1024 };

extern char **environ;

char *big_pre_key(const char *key)
{
    return mem_printf("_big_pre:%s", key);
}

char *big_info_key(const char *key)
{
    return mem_printf("_big_info:%s", key);
}

char *big_part_key(const char *key, uint64_t number)
{
    return mem_printf("%s,%" PRIu64, key, number);
}

int big_fatal(const char *text, const struct mog_fail *f)
{
    fflush(stdout);
    fprintf(stderr, "%s\n", text);
    if (f && f->text[0])
        fprintf(stderr, "%s%s\n",
                f->code == MOG_EREFUSED ? "MogileFS backend error message: " : "System error message: ", f->text);
    return BIG_FATAL;
}

enum mog_err big_paths(struct client *c, const char *domain, const char *key, bool verify, struct opt_list *paths,
                       bool *unknown, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    kv_add_str(&args, "domain", domain);
    kv_add_str(&args, "key", key);
    kv_add_str(&args, "noverify", verify ? "0" : "1");
    kv_add_u64(&args, "pathcount", PATHS_MAX);
    enum mog_err e = client_request(c, "get_paths", &args, &a, f);
    if (e == MOG_OK)
        fetch_paths_of(&a.args, paths);
    if (unknown)
        *unknown = strcmp(a.code, "unknown_key") == 0;
    client_answer_fini(&a);
    kv_fini(&args);
    return e;
}

enum mog_err big_delete_key(struct client *c, const char *domain, const char *key, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    kv_add_str(&args, "domain", domain);
    kv_add_str(&args, "key", key);
    enum mog_err e = client_request(c, "delete", &args, &a, f);
    if (e == MOG_EREFUSED && strcmp(a.code, "unknown_key") == 0)
        e = MOG_OK;
    client_answer_fini(&a);
    kv_fini(&args);
    return e;
}

struct get {
    struct savefile out;
    struct digest *digest;
};

static bool on_body(void *arg, const char *data, size_t len)
{
    struct get *g = arg;
    digest_update(g->digest, data, len);
    return savefile_write(&g->out, data, len);
}

enum mog_err big_get(struct http_client *http, const char *url, int fd, uint64_t *length, char md5[33],
                     struct mog_fail *f)
{
    struct get g = {.out = {.fd = fd, .direct = true}};
    if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
        return fail_sys(f, MOG_EIO, errno, "cannot empty the temporary file");
    g.digest = digest_new(DIGEST_MD5);
    struct http_request q = {.method = "GET", .url = url, .write = on_body, .write_arg = &g};
    struct http_answer a = {.status = 0};
    enum mog_err e = http_exchange(http, &q, &a, f);
    if (g.out.sys_errno)
        e = fail_sys(f, MOG_EIO, g.out.sys_errno, "cannot write");
    else if (e == MOG_OK && (a.status < 200 || a.status > 299))
        e = fail_set(f, MOG_EHTTP, "%d from %s", a.status, url);
    if (e == MOG_OK) {
        uint8_t sum[DIGEST_MAX_BYTES];
        struct buf hex = BUF_ZERO;
        digest_final(g.digest, sum);
        urlenc_hex(&hex, sum, digest_size(DIGEST_MD5));
        snprintf(md5, 33, "%s", buf_cstr(&hex));
        buf_fini(&hex);
        *length = a.received;
    }
    digest_free(g.digest);
    return e;
}

static bool info_write(void *arg, const char *data, size_t len)
{
    struct buf *b = arg;
    buf_append(b, data, len);
    return !b->overflowed;
}

static bool info_restart(void *arg)
{
    buf_reset(arg);
    return true;
}

enum mog_err big_read_info(struct client *c, struct http_client *http, const char *domain, const char *key,
                           struct bigfile *b, struct mog_fail *f)
{
    struct buf text;
    char *info_key = big_info_key(key);
    struct fetch_opts o = {.domain = domain, .key = span_of(info_key)};
    struct fetch_sink sink = {.write = info_write, .restart = info_restart, .arg = &text};
    struct fetch_result r;
    buf_init(&text, INFO_MAX);
    enum mog_err e = fetch_run(c, http, &o, &sink, &r, f);
    if (e == MOG_OK)
        e = bigfile_parse(b, buf_as_span(&text), f);
    else if (r.stage == FETCH_PATHS && span_starts(span_of(f->text), "unknown_key"))
        e = fail_set(f, MOG_ENOTFOUND, "%s doesn't seem to be a valid big file.", key);
    fetch_result_fini(&r);
    buf_fini(&text);
    free(info_key);
    return e;
}

int big_temp_file(struct mog_fail *f)
{
    const char *folder = getenv("TMPDIR");
    char *path = mem_printf("%s/mogtool.XXXXXX", folder && folder[0] ? folder : "/tmp");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    else
        (void)fail_sys(f, MOG_EIO, errno, "cannot make a temporary file %s", path);
    free(path);
    return fd;
}

enum mog_err big_spawn(char *const argv[], bool is_input, pid_t *pid, int *fd, struct mog_fail *f)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail_sys(f, MOG_EIO, errno, "cannot make a pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[is_input ? 0 : 1], is_input ? STDIN_FILENO : STDOUT_FILENO);
    int rc = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[is_input ? 0 : 1]);
    *fd = ends[is_input ? 1 : 0];
    if (rc == 0)
        return MOG_OK;
    close(*fd);
    *fd = -1;
    return fail_sys(f, MOG_EIO, rc, "cannot start %s", argv[0]);
}

enum mog_err big_wait(pid_t pid, const char *name, struct mog_fail *f)
{
    int status = 0;
    pid_t done;
    do
        done = waitpid(pid, &status, 0);
    while (done < 0 && errno == EINTR);
    if (done == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return MOG_OK;
    return fail_set(f, MOG_EIO, "%s failed", name);
}
