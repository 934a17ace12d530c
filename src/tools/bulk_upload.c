/* SPDX-License-Identifier: MIT */
/* Storing a whole folder. */
#include "tools/bulk_upload.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "tools/bulk.h"
#include "tools/keysource.h"

struct upload_all {
    struct tool *t;
    const char *root, *prefix;
    const struct upload_opts *opts;
    bool skip_existing;
    struct bulk *bulk;
};

/* Whether the key has a file of this length already. */
static bool is_stored(struct upload_all *u, struct client *c, struct span key, uint64_t size)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    struct mog_fail ignored;
    kv_add_str(&args, "domain", u->t->domain);
    kv_add(&args, "key", key);
    bool stored =
        client_request(c, "file_info", &args, &a, &ignored) == MOG_OK && kv_u64(&a.args, "length", UINT64_MAX) == size;
    client_answer_fini(&a);
    kv_fini(&args);
    return stored;
}

static enum bulk_outcome upload_open(struct upload_all *u, struct bulk_worker *w, int fd, struct span key,
                                     uint64_t *bytes, struct mog_fail *f)
{
    struct stat st;
    struct upload_source source;
    struct upload_result r = {.size = 0};
    struct upload_opts o = *u->opts;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)fail_set(f, MOG_EINVAL, "is no regular file");
        return BULK_FAILED;
    }
    if (u->skip_existing && is_stored(u, w->client, key, (uint64_t)st.st_size))
        return BULK_SKIPPED;
    o.key = key;
    enum mog_err e = upload_source_init(&source, fd, f);
    if (e == MOG_OK)
        e = upload_run(w->client, w->http, &source, &o, &r, f);
    upload_source_fini(&source);
    *bytes = r.size;
    return e == MOG_OK ? BULK_DONE : BULK_FAILED;
}

static enum bulk_outcome upload_item(void *arg, struct bulk_worker *w, struct span item, uint64_t *bytes,
                                     struct mog_fail *f)
{
    struct upload_all *u = arg;
    char *path = mem_printf("%s/%s", u->root, item.ptr);
    struct buf key = BUF_ZERO;
    enum bulk_outcome outcome = BULK_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    buf_str(&key, u->prefix);
    buf_span(&key, item);
    if (fd < 0)
        (void)fail_sys(f, MOG_EIO, errno, "cannot be opened");
    else
        outcome = upload_open(u, w, fd, buf_as_span(&key), bytes, f);
    if (fd >= 0)
        close(fd);
    buf_fini(&key);
    free(path);
    return outcome;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int walk(struct upload_all *u)
{
    char *paths[] = {(char *)(uintptr_t)u->root, NULL};
    /* The folder itself may be named by a link; links below it are left out. */
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    if (!tree) {
        fprintf(stderr, "%s: %s\n", u->root, strerror(errno));
        return 1;
    }
    FTSENT *e;
    size_t skip = strlen(u->root);
    while ((e = fts_read(tree)) != NULL) {
        const char *below = e->fts_path + skip;
        while (*below == '/')
            below++;
        switch (e->fts_info) {
        case FTS_F:
            bulk_add(u->bulk, span_of(below));
            break;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
            bulk_note_failure(u->bulk, span_of(below[0] ? below : e->fts_path), strerror(e->fts_errno));
            break;
        case FTS_SL:
        case FTS_SLNONE:
        case FTS_DEFAULT:
            fprintf(stderr, "%s: left out, no regular file\n", e->fts_path);
            break;
        default:
            break;
        }
    }
    fts_close(tree);
    return 0;
}

int bulk_upload(struct tool *t, const char *root, const char *prefix, const struct upload_opts *opts)
{
    struct upload_all u = {.t = t, .root = root, .prefix = prefix, .opts = opts};
    struct bulk_opts o = {.fn = upload_item, .arg = &u, .verb = "uploaded"};
    const char *list = toolopt_text(&t->opt, "files-from");
    struct stat st;
    if (!bulk_read_options(t, &o))
        return 1;
    if (stat(root, &st) != 0 || !S_ISDIR(st.st_mode)) {
        fprintf(stderr, "%s is no folder\n", root);
        return 1;
    }
    u.skip_existing = toolopt_flag(&t->opt, "skip-existing");
    /* Read before the list of failures, which may be the same file, is begun anew. */
    struct opt_list names = {NULL, 0, 0};
    if (list && keysource_file(list, o.failed_sep, keysource_collect, &names) != 0) {
        opt_list_fini(&names);
        return 1;
    }
    u.bulk = bulk_new(t, &o);
    int status = u.bulk ? 0 : 1;
    for (size_t i = 0; u.bulk && i < names.n; i++)
        bulk_add(u.bulk, span_of(names.items[i]));
    if (u.bulk && !list)
        status = walk(&u);
    opt_list_fini(&names);
    return u.bulk && bulk_finish(u.bulk) != 0 ? 1 : status;
}
