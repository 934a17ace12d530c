/* SPDX-License-Identifier: MIT */
/* Reading all files of a prefix into a folder. */
#include "tools/bulk_fetch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

#include "common/mem.h"
#include "tools/bulk.h"
#include "tools/fetch.h"
#include "tools/keysource.h"
#include "tools/savefile.h"

/* A name that a key got although it is not what stands in the key. */
struct altered {
    UT_hash_handle hh;
    char path[];
};

struct fetch_all {
    struct tool *t;
    const char *prefix, *root;
    bool skip_existing, no_check;
    pthread_mutex_t lock;
    struct altered *altered; /* under `lock` */
};

char *bulk_fetch_path(struct span rest)
{
    struct buf path = BUF_ZERO;
    struct span part;
    bool good = rest.len > 0 && rest.ptr[rest.len - 1] != '/' && !memchr(rest.ptr, '\0', rest.len);
    while (good && span_split(&rest, '/', &part)) {
        if (part.len == 0)
            continue;
        good = !span_is(part, ".") && !span_is(part, "..");
        if (path.len)
            buf_char(&path, '/');
        buf_span(&path, part);
    }
    good = good && path.len > 0;
    char *out = good ? mem_strdup(buf_cstr(&path)) : NULL;
    buf_fini(&path);
    return out;
}

/* Make the folders above `path`, behind its first `from` bytes. */
static enum mog_err make_folders(char *path, size_t from, struct mog_fail *f)
{
    for (char *slash = strchr(path + from, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool ok = mkdir(path, 0777) == 0 || errno == EEXIST;
        int why = errno;
        if (!ok) {
            (void)fail_sys(f, MOG_EIO, why, "cannot make the folder %s", path);
            *slash = '/';
            return MOG_EIO;
        }
        *slash = '/';
    }
    return MOG_OK;
}

static enum mog_err fetch_to(struct fetch_all *x, struct bulk_worker *w, struct span key, const char *path,
                             uint64_t *bytes, struct mog_fail *f)
{
    struct savefile out;
    struct fetch_opts o = {.domain = x->t->domain, .key = key, .no_check = x->no_check};
    enum mog_err e = savefile_init(&out, path, f);
    if (e == MOG_OK) {
        struct fetch_sink sink = {.write = savefile_write, .restart = savefile_restart, .arg = &out};
        struct fetch_result r;
        e = fetch_run(w->client, w->http, &o, &sink, &r, f);
        *bytes = r.length;
        if (out.sys_errno)
            (void)fail_sys(f, MOG_EIO, out.sys_errno, "cannot write to %s", path);
        fetch_result_fini(&r);
    }
    if (e == MOG_OK)
        e = savefile_commit(&out, f);
    savefile_fini(&out);
    return e;
}

/* ---- keys that differ in their slashes only ---- */

/* Whether `path` is given to an altered key for the first time; it is then taken. */
static bool take_altered(struct fetch_all *x, const char *path)
{
    struct altered *a;
    size_t len = strlen(path);
    pthread_mutex_lock(&x->lock);
    HASH_FIND(hh, x->altered, path, len, a);
    bool is_new = a == NULL;
    if (is_new) {
        a = mem_calloc(1, sizeof *a + len + 1);
        memcpy(a->path, path, len);
        HASH_ADD(hh, x->altered, path, len, a);
    }
    pthread_mutex_unlock(&x->lock);
    return is_new;
}

static void free_altered(struct fetch_all *x)
{
    struct altered *a, *next;
    HASH_ITER(hh, x->altered, a, next)
    {
        HASH_DEL(x->altered, a);
        free(a);
    }
}

static enum mog_err key_exists(struct fetch_all *x, struct client *c, struct span key, bool *exists, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    kv_add_str(&args, "domain", x->t->domain);
    kv_add(&args, "key", key);
    enum mog_err e = client_request(c, "file_info", &args, &a, f);
    *exists = e == MOG_OK;
    if (e == MOG_EREFUSED && strcmp(a.code, "unknown_key") == 0)
        e = MOG_OK;
    client_answer_fini(&a);
    kv_fini(&args);
    return e;
}

/*
 * "a//b" becomes the file a/b, which must not be that of "a/b" too: one of them would be lost without a word. The key
 * that needs no change has the right to it; the tracker is asked, since that one may come later.
 */
static enum mog_err claim_path(struct fetch_all *x, struct bulk_worker *w, struct span key, size_t skip,
                               const char *path, struct mog_fail *f)
{
    bool taken = false;
    if (span_is(span_make(key.ptr + skip, key.len - skip), path))
        return MOG_OK;
    struct buf plain = BUF_ZERO;
    buf_append(&plain, key.ptr, skip);
    buf_str(&plain, path);
    enum mog_err e = key_exists(x, w->client, buf_as_span(&plain), &taken, f);
    if (e == MOG_OK && (taken || !take_altered(x, path)))
        e = fail_set(f, MOG_EEXISTS, "another key has the file %s too", path);
    buf_fini(&plain);
    return e;
}

static enum bulk_outcome fetch_item(void *arg, struct bulk_worker *w, struct span key, uint64_t *bytes,
                                    struct mog_fail *f)
{
    struct fetch_all *x = arg;
    size_t skip = strlen(x->prefix);
    if (!span_starts(key, x->prefix))
        skip = 0;
    char *below = bulk_fetch_path(span_make(key.ptr + skip, key.len - skip));
    if (!below) {
        (void)fail_set(f, MOG_EINVAL, "no file can have this name");
        return BULK_FAILED;
    }
    char *path = mem_printf("%s/%s", x->root, below);
    struct stat st;
    enum bulk_outcome outcome = BULK_FAILED;
    if (claim_path(x, w, key, skip, below, f) != MOG_OK)
        outcome = BULK_FAILED;
    else if (x->skip_existing && stat(path, &st) == 0)
        outcome = BULK_SKIPPED;
    else if (make_folders(path, strlen(x->root) + 1, f) == MOG_OK && fetch_to(x, w, key, path, bytes, f) == MOG_OK)
        outcome = BULK_DONE;
    free(path);
    free(below);
    return outcome;
}

int bulk_fetch(struct tool *t, const char *prefix, const char *root)
{
    struct fetch_all x = {.t = t,
                          .prefix = prefix,
                          .root = root,
                          .skip_existing = toolopt_flag(&t->opt, "skip-existing"),
                          .no_check = toolopt_flag(&t->opt, "no-check")};
    struct bulk_opts o = {.fn = fetch_item, .arg = &x, .verb = "fetched"};
    const char *list = toolopt_text(&t->opt, "keys-from");
    struct opt_list keys = {NULL, 0, 0};
    if (!bulk_read_options(t, &o))
        return 1;
    if (mkdir(root, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "cannot make the folder %s: %s\n", root, strerror(errno));
        return 1;
    }
    if (list && keysource_file(list, o.failed_sep, keysource_collect, &keys) != 0) {
        opt_list_fini(&keys);
        return 1;
    }
    pthread_mutex_init(&x.lock, NULL);
    struct bulk *b = bulk_new(t, &o);
    int status = b ? 0 : 1;
    for (size_t i = 0; b && i < keys.n; i++)
        bulk_add(b, span_of(keys.items[i]));
    if (b && !list)
        status = keysource_prefix(t, prefix, "Error listing files: ", bulk_add, b);
    opt_list_fini(&keys);
    if (b && bulk_finish(b) != 0)
        status = 1;
    free_altered(&x);
    pthread_mutex_destroy(&x.lock);
    return status;
}
