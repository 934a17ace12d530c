/* SPDX-License-Identifier: MIT */
/* mogtool extract: read a file that was stored whole or in pieces, or unpack a folder. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "tools/big.h"
#include "tools/fetch.h"
#include "tools/flate.h"
#include "tools/savefile.h"

enum { COPY_BLOCK = 1024 * 1024 };

struct extract {
    struct tool *t;
    const char *key, *dest;
    struct http_client *http;
    struct bigfile info;
    bool big;

    int spool; /* one part at a time is gathered here: what has gone down a pipe cannot be taken back */
    struct flate *inflate;
    struct buf inflated;
    struct savefile file;
    bool to_file;
    pid_t tar;
    int out; /* -1: `file` */
};

/* ---- parts ---- */

/* A part's copies: where the tracker sees them now, then where they were when it was stored. */
static enum mog_err part_paths(struct extract *x, const struct bigfile_part *p, const char *key, struct opt_list *paths,
                               struct mog_fail *f)
{
    enum mog_err e = big_paths(x->t->client, x->t->domain, key, false, paths, NULL, f);
    for (size_t i = 0; i < p->paths.n; i++) {
        bool known = false;
        for (size_t j = 0; j < paths->n; j++)
            known |= strcmp(paths->items[j], p->paths.items[i]) == 0;
        if (!known)
            opt_list_add(paths, p->paths.items[i]);
    }
    return paths->n ? MOG_OK : e == MOG_OK ? fail_set(f, MOG_ENOTFOUND, "%s has no copies", key) : e;
}

/*
 * Old versions of mogtool recorded wrong sums for parts they cut from a longer buffer. So a sum that differs is
 * believed to be such a one when the length is right and all copies agree with each other.
 */
static enum mog_err fetch_part(struct extract *x, const struct bigfile_part *p, struct mog_fail *f)
{
    struct opt_list paths = {NULL, 0, 0};
    char *key = big_part_key(x->key, p->number), other[33] = "";
    bool agree = true;
    enum mog_err e = part_paths(x, p, key, &paths, f);
    fprintf(stderr, "Fetching piece %" PRIu64 "...\n", p->number);
    bool have = false;
    for (size_t i = 0; e == MOG_OK && i < paths.n && !have; i++) {
        uint64_t length = 0;
        char md5[33] = "";
        fprintf(stderr, "        Trying %s...\n", paths.items[i]);
        enum mog_err got = big_get(x->http, paths.items[i], x->spool, &length, md5, f);
        if (got != MOG_OK) {
            fprintf(stderr, "                failed: %s\n", f->text);
            continue;
        }
        fprintf(stderr, "                (%" PRIu64 " bytes, %s)\n", length, md5);
        if (length != p->bytes)
            continue;
        have = strcmp(md5, p->md5) == 0;
        agree &= !other[0] || strcmp(other, md5) == 0;
        snprintf(other, sizeof other, "%s", md5);
    }
    if (e == MOG_OK && !have && other[0] && agree) {
        fprintf(stderr, "Warning: piece %" PRIu64 " has another MD5 than recorded, in all its copies\n", p->number);
        uint64_t length;
        char md5[33] = "";
        /* The last try may have been a failed one: read the agreed bytes again. */
        for (size_t i = 0; i < paths.n && !have; i++)
            have = big_get(x->http, paths.items[i], x->spool, &length, md5, f) == MOG_OK && length == p->bytes &&
                   strcmp(md5, other) == 0;
    }
    if (e == MOG_OK && !have)
        e = fail_set(f, MOG_EDIGEST, "no good copy of piece %" PRIu64 " was found", p->number);
    opt_list_fini(&paths);
    free(key);
    return e;
}

/* ---- output ---- */

static enum mog_err put(struct extract *x, const char *data, size_t len, struct mog_fail *f)
{
    struct savefile pipe = {.fd = x->out, .direct = true};
    struct savefile *to = x->to_file ? &x->file : &pipe;
    if (savefile_write(to, data, len))
        return MOG_OK;
    return fail_sys(f, MOG_EIO, to->sys_errno, "cannot write to %s",
                    strcmp(x->dest, "-") == 0 ? "standard output" : x->dest);
}

static enum mog_err put_through(struct extract *x, const char *data, size_t len, bool last, struct mog_fail *f)
{
    if (!x->inflate)
        return put(x, data, len, f);
    buf_reset(&x->inflated);
    enum mog_err e = flate_add(x->inflate, data, len, last, &x->inflated, f);
    return e == MOG_OK ? put(x, buf_cstr(&x->inflated), x->inflated.len, f) : e;
}

/* A stream with a zlib head can only come from an old mogtool --gzip; gzip may be the file's own nature. */
static void choose_inflate(struct extract *x, const char *data, size_t len)
{
    bool tarball = strcmp(x->info.type, "tarball") == 0 && x->tar;
    bool gzip = flate_is_gzip(data, len), zlib = flate_is_zlib(data, len);
    if (x->big && !x->info.compressed && !toolopt_flag(&x->t->opt, "gzip"))
        return;
    if ((gzip && (x->info.deflated || tarball || toolopt_flag(&x->t->opt, "gzip"))) ||
        (zlib && (x->big || toolopt_flag(&x->t->opt, "gzip"))))
        x->inflate = flate_new_inflate();
}

static enum mog_err pour(struct extract *x, bool first, bool last, struct mog_fail *f)
{
    char *block = mem_alloc(COPY_BLOCK);
    enum mog_err e = MOG_OK;
    ssize_t got;
    if (lseek(x->spool, 0, SEEK_SET) != 0)
        e = fail_sys(f, MOG_EIO, errno, "cannot rewind the temporary file");
    while (e == MOG_OK && (got = read(x->spool, block, COPY_BLOCK)) != 0) {
        if (got < 0) {
            e = errno == EINTR ? MOG_OK : fail_sys(f, MOG_EIO, errno, "cannot read the temporary file");
            continue;
        }
        if (first)
            choose_inflate(x, block, (size_t)got);
        first = false;
        e = put_through(x, block, (size_t)got, false, f);
    }
    if (e == MOG_OK && last)
        e = put_through(x, "", 0, true, f);
    free(block);
    return e;
}

static enum mog_err open_output(struct extract *x, struct mog_fail *f)
{
    struct stat st;
    bool tarball = x->big && strcmp(x->info.type, "tarball") == 0 && !toolopt_flag(&x->t->opt, "asfile");
    x->out = -1;
    if (strcmp(x->dest, "-") == 0) {
        x->out = STDOUT_FILENO;
        return MOG_OK;
    }
    bool exists = stat(x->dest, &st) == 0;
    if (tarball && exists && S_ISDIR(st.st_mode)) {
        char *argv[] = {(char *)"tar", (char *)"xf", (char *)"-", (char *)"-C", (char *)(uintptr_t)x->dest, NULL};
        return big_spawn(argv, true, &x->tar, &x->out, f);
    }
    const char *path = x->dest;
    if (strcmp(path, ".") == 0) {
        const char *slash = strrchr(x->info.filename, '/');
        path = slash ? slash + 1 : x->info.filename;
        if (!path[0] || strcmp(path, ".") == 0 || strcmp(path, "..") == 0)
            return fail_set(f, MOG_EINVAL, "no file name is stored: name the destination");
        exists = stat(path, &st) == 0;
    }
    if (exists && !toolopt_flag(&x->t->opt, "overwrite"))
        return fail_set(f, MOG_EEXISTS, "%s exists: use --overwrite", path);
    x->to_file = true;
    return savefile_init(&x->file, path, f);
}

static enum mog_err close_output(struct extract *x, struct mog_fail *f)
{
    if (x->to_file)
        return savefile_commit(&x->file, f);
    if (!x->tar)
        return MOG_OK;
    close(x->out);
    x->out = -1;
    enum mog_err e = big_wait(x->tar, "tar", f);
    x->tar = 0;
    return e;
}

/* ---- the command ---- */

static enum mog_err extract_big(struct extract *x, struct mog_fail *f)
{
    enum mog_err e = open_output(x, f);
    for (size_t i = 0; e == MOG_OK && i < x->info.n_parts; i++) {
        e = fetch_part(x, &x->info.parts[i], f);
        if (e == MOG_OK)
            e = pour(x, i == 0, x->info.n_parts == i + 1, f);
    }
    return e;
}

static enum mog_err extract_whole(struct extract *x, struct mog_fail *f)
{
    struct savefile spool = {.fd = x->spool};
    struct fetch_opts o = {.domain = x->t->domain, .key = span_of(x->key)};
    struct fetch_sink sink = {.write = savefile_write, .restart = savefile_restart, .arg = &spool};
    struct fetch_result r;
    const char *slash = strrchr(x->key, '/');
    free(x->info.filename);
    x->info.filename = mem_strdup(slash ? slash + 1 : x->key);
    enum mog_err e = fetch_run(x->t->client, x->http, &o, &sink, &r, f);
    if (e == MOG_EREFUSED && span_starts(span_of(f->text), "unknown_key"))
        e = fail_set(f, MOG_ENOTFOUND, "there is no key %s", x->key);
    for (size_t i = 0; e != MOG_OK && i < r.errors.n; i++)
        fprintf(stderr, "%s\n", r.errors.items[i]);
    fetch_result_fini(&r);
    if (e == MOG_OK)
        e = open_output(x, f);
    return e == MOG_OK ? pour(x, true, true, f) : e;
}

int big_extract(struct tool *t, const char *key, const char *dest)
{
    struct extract x = {.t = t, .key = key, .dest = dest, .out = -1, .file = {.fd = -1}};
    struct mog_fail f = {.code = MOG_OK};
    x.big = toolopt_flag(&t->opt, "bigfile") || toolopt_flag(&t->opt, "big");
    x.http = tool_http_new();
    bigfile_init(&x.info);
    x.spool = big_temp_file(&f);
    enum mog_err e = x.spool >= 0 ? MOG_OK : MOG_EIO;
    if (e == MOG_OK && x.big)
        e = big_read_info(t->client, x.http, t->domain, key, &x.info, &f);
    if (e == MOG_OK)
        e = x.big ? extract_big(&x, &f) : extract_whole(&x, &f);
    if (e == MOG_OK)
        e = close_output(&x, &f);
    if (e == MOG_OK)
        fprintf(stderr, "Done.\n");
    else
        big_fatal("The file could not be read.", &f);

    if (x.tar) {
        struct mog_fail ignored;
        close(x.out);
        (void)!big_wait(x.tar, "tar", &ignored);
    }
    savefile_fini(&x.file);
    flate_free(x.inflate);
    buf_fini(&x.inflated);
    bigfile_fini(&x.info);
    if (x.spool >= 0)
        close(x.spool);
    http_client_free(x.http);
    return e == MOG_OK ? BIG_OK : e == MOG_ENOTFOUND ? BIG_NOT_FOUND : BIG_FATAL;
}
