/* SPDX-License-Identifier: MIT */
/* mogtool inject: store a file, a folder or a partition, whole or in pieces. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/mem.h"
#include "common/urlenc.h"
#include "tools/big.h"
#include "tools/cluster.h"
#include "tools/flate.h"
#include "tools/upload.h"

enum {
    READ_BLOCK = 1024 * 1024,
    DEFAULT_CHUNK = 64 * 1024 * 1024,
    WHOLE_MAX = 64 * 1024 * 1024, /* larger files have to be asked for by an option */
    UPLOAD_TRIES = 60,
    UPLOAD_PAUSE_MS = 1000,
    WAIT_POLL_MS = 250,
    WAIT_S = 3600,
    CONCURRENT_MAX = 64,
};

/* One piece on its way. */
struct chunk {
    uint64_t number;
    struct buf data;
    char md5[33];
};

struct inject {
    struct tool *t;
    const char *source, *key, *class_name;
    bool big, verify;
    uint64_t chunk_bytes, wanted_copies;
    struct bigfile info;

    int fd;
    pid_t tar;                         /* 0: none */
    uint64_t source_bytes, read_bytes; /* source_bytes 0: not known */
    bool source_ended;
    struct flate *deflate; /* NULL: stored as it is */

    /* Shared with the uploading threads, under `lock`. */
    pthread_mutex_t lock;
    sem_t slots;
    struct mog_fail fail; /* of the first piece that could not be stored */
};

/* ---- the source ---- */

static enum mog_err open_source(struct inject *j, bool gzip, struct mog_fail *f)
{
    struct stat st;
    if (stat(j->source, &st) != 0)
        return fail_sys(f, MOG_EIO, errno, "%s", j->source);
    const char *type = S_ISDIR(st.st_mode) ? "tarball" : S_ISBLK(st.st_mode) ? "partition" : "file";
    free(j->info.type);
    j->info.type = mem_strdup(type);
    if (!S_ISREG(st.st_mode) && !j->big)
        return fail_set(f, MOG_EINVAL, "a %s can only be stored with --bigfile",
                        S_ISDIR(st.st_mode) ? "folder" : "partition");
    if (S_ISREG(st.st_mode) && st.st_size > WHOLE_MAX && !j->big && !toolopt_flag(&j->t->opt, "nobigfile"))
        return fail_set(f, MOG_EINVAL, "a file above 64 MiB needs --bigfile or --nobigfile");
    if (S_ISDIR(st.st_mode)) {
        char *argv[] = {(char *)"tar", (char *)(gzip ? "zcf" : "cf"), (char *)"-",
                        (char *)"-C",  (char *)(uintptr_t)j->source,  (char *)".",
                        NULL};
        return big_spawn(argv, false, &j->tar, &j->fd, f);
    }
    j->source_bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    j->fd = open(j->source, O_RDONLY | O_CLOEXEC);
    return j->fd >= 0 ? MOG_OK : fail_sys(f, MOG_EIO, errno, "%s", j->source);
}

static enum mog_err read_block(struct inject *j, struct buf *to, struct mog_fail *f)
{
    size_t start = to->len;
    while (to->len - start < READ_BLOCK) {
        size_t room = READ_BLOCK - (to->len - start);
        ssize_t got = read(j->fd, buf_reserve(to, room), room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_sys(f, MOG_EIO, errno, "cannot read %s", j->source);
        if (got == 0) {
            j->source_ended = true;
            break;
        }
        buf_commit(to, (size_t)got);
        j->read_bytes += (uint64_t)got;
    }
    return MOG_OK;
}

/* Data that is compressed already is stored as it is, and so described. */
static void choose_compression(struct inject *j, const struct buf *first, bool gzip)
{
    if (flate_is_gzip(buf_cstr(first), first->len)) {
        j->info.compressed = true;
    } else if (gzip) {
        j->info.compressed = j->info.deflated = true;
        j->deflate = flate_new_deflate();
    }
}

/* Fill `pending` until it holds a chunk, or the source has ended. */
static enum mog_err fill(struct inject *j, struct buf *pending, bool gzip, struct mog_fail *f)
{
    struct buf block = BUF_ZERO;
    enum mog_err e = MOG_OK;
    while (e == MOG_OK && !j->source_ended && pending->len < j->chunk_bytes) {
        bool first = j->read_bytes == 0;
        buf_reset(&block);
        e = read_block(j, &block, f);
        if (e != MOG_OK)
            break;
        if (first)
            choose_compression(j, &block, gzip);
        if (j->deflate)
            e = flate_add(j->deflate, buf_cstr(&block), block.len, j->source_ended, pending, f);
        else
            buf_span(pending, buf_as_span(&block));
        if (j->source_bytes)
            printf("Buffer so far: %zu bytes [%.2f%% complete]\r", pending->len,
                   (double)j->read_bytes / (double)j->source_bytes * 100);
        else
            printf("Buffer so far: %zu bytes\r", pending->len);
        fflush(stdout);
    }
    buf_fini(&block);
    return e;
}

static void sum_md5(const struct buf *data, char md5[33])
{
    uint8_t sum[DIGEST_MAX_BYTES];
    struct buf hex = BUF_ZERO;
    struct digest *d = digest_new(DIGEST_MD5);
    digest_update(d, buf_cstr(data), data->len);
    digest_final(d, sum);
    digest_free(d);
    urlenc_hex(&hex, sum, digest_size(DIGEST_MD5));
    snprintf(md5, 33, "%s", buf_cstr(&hex));
    buf_fini(&hex);
}

/* ---- storing ---- */

static enum mog_err store_bytes(struct inject *j, struct client *c, struct http_client *http, const char *key,
                                struct span data, struct mog_fail *f)
{
    struct upload_opts o = {.domain = j->t->domain, .class_name = j->class_name, .key = span_of(key)};
    enum mog_err e = MOG_OK;
    for (int i = 0; i < UPLOAD_TRIES; i++) {
        struct upload_source s;
        struct upload_result r;
        if (i > 0)
            clock_sleep_ms(UPLOAD_PAUSE_MS);
        upload_source_memory(&s, data);
        e = upload_run(c, http, &s, &o, &r, f);
        upload_source_fini(&s);
        if (e == MOG_OK || (e == MOG_EREFUSED && strncmp(f->text, "unreg_", 6) == 0))
            break;
    }
    return e;
}

struct sender {
    struct inject *j;
    struct chunk *chunk;
};

static void *send_chunk(void *arg)
{
    struct sender *s = arg;
    struct inject *j = s->j;
    struct mog_fail f = {.code = MOG_OK};
    int64_t begun = clock_mono_ms();
    struct client *c = client_new(toolopt_text(&j->t->opt, "trackers"), &j->t->client_opts, &f);
    struct http_client *http = tool_http_new();
    char *key = j->big ? big_part_key(j->key, s->chunk->number) : mem_strdup(j->key);
    enum mog_err e = c ? store_bytes(j, c, http, key, buf_as_span(&s->chunk->data), &f) : f.code;

    pthread_mutex_lock(&j->lock);
    if (e == MOG_OK)
        printf("        chunk %" PRIu64 " saved in %.2f seconds.\n", s->chunk->number,
               (double)(clock_mono_ms() - begun) / 1000);
    else if (j->fail.code == MOG_OK)
        j->fail = f;
    pthread_mutex_unlock(&j->lock);

    free(key);
    http_client_free(http);
    client_free(c);
    buf_fini(&s->chunk->data);
    free(s->chunk);
    free(s);
    sem_post(&j->slots);
    return NULL;
}

static bool has_failed(struct inject *j, struct mog_fail *f)
{
    pthread_mutex_lock(&j->lock);
    bool failed = j->fail.code != MOG_OK;
    if (failed)
        *f = j->fail;
    pthread_mutex_unlock(&j->lock);
    return failed;
}

/* Takes `data` (it is empty afterwards). A slot is held. */
static void start_chunk(struct inject *j, uint64_t number, struct buf *data)
{
    struct chunk *c = mem_calloc(1, sizeof *c);
    struct sender *s = mem_calloc(1, sizeof *s);
    *s = (struct sender){j, c};
    c->number = number;
    c->data = *data;
    buf_init(data, 0);
    sum_md5(&c->data, c->md5);
    bigfile_add(&j->info, number, c->data.len, c->md5);
    j->info.chunks = number;
    j->info.size += c->data.len;
    pthread_mutex_lock(&j->lock);
    if (j->big)
        printf("chunk %s,%" PRIu64 ": %s, len = %zu\n", j->key, number, c->md5, c->data.len);
    else
        printf("file %s: %s, len = %zu\n", j->key, c->md5, c->data.len);
    pthread_mutex_unlock(&j->lock);

    pthread_t id;
    if (pthread_create(&id, NULL, send_chunk, s) == 0)
        pthread_detach(id);
    else
        send_chunk(s);
}

static enum mog_err send_all(struct inject *j, bool gzip, unsigned concurrent, struct mog_fail *f)
{
    struct buf pending = BUF_ZERO;
    enum mog_err e = MOG_OK;
    sem_init(&j->slots, 0, concurrent);
    for (uint64_t number = 1; e == MOG_OK; number++) {
        e = fill(j, &pending, gzip, f);
        if (e != MOG_OK || (pending.len == 0 && number > 1))
            break;
        /* What is beyond the chunk begins the next one. */
        struct buf data = BUF_ZERO;
        size_t take = pending.len < j->chunk_bytes ? pending.len : (size_t)j->chunk_bytes;
        buf_append(&data, buf_cstr(&pending), take);
        buf_consume(&pending, take);
        while (sem_wait(&j->slots) != 0)
            ;
        if (has_failed(j, f)) {
            sem_post(&j->slots);
            buf_fini(&data);
            e = f->code;
            break;
        }
        start_chunk(j, number, &data);
        if (j->source_ended && pending.len == 0)
            break;
    }
    for (unsigned i = 0; i < concurrent; i++) {
        while (sem_wait(&j->slots) != 0)
            ;
    }
    sem_destroy(&j->slots);
    buf_fini(&pending);
    if (e == MOG_OK && has_failed(j, f))
        e = f->code;
    return e;
}

/* A file that is stored whole, whatever its size: streamed, not held in memory. */
static enum mog_err send_whole(struct inject *j, struct http_client *http, struct mog_fail *f)
{
    struct upload_source s;
    struct upload_result r = {.size = 0};
    struct upload_opts o = {
        .domain = j->t->domain, .class_name = j->class_name, .key = span_of(j->key), .checksum = DIGEST_MD5};
    enum mog_err e = upload_source_init(&s, j->fd, f);
    if (e == MOG_OK)
        e = upload_run(j->t->client, http, &s, &o, &r, f);
    if (e == MOG_OK) {
        const char *md5 = r.checksum + strlen("MD5:");
        printf("file %s: %s, len = %" PRIu64 "\n", j->key, md5, r.size);
        bigfile_add(&j->info, 1, r.size, md5);
        j->info.chunks = 1;
        j->info.size = r.size;
    }
    upload_source_fini(&s);
    return e;
}

/* ---- afterwards ---- */

/* A class with one copy would be waited for in vain. */
static uint64_t copies_of_class(struct inject *j)
{
    struct cluster c = CLUSTER_ZERO;
    struct mog_fail ignored;
    uint64_t copies = 2;
    if (cluster_load_domains(&c, j->t->client, &ignored) == MOG_OK) {
        const struct cluster_domain *d = cluster_domain_by_name(&c, j->t->domain);
        const char *name = j->class_name && j->class_name[0] ? j->class_name : "default";
        const struct cluster_class *cl = d ? cluster_class_by_name(d, name) : NULL;
        if (cl && cl->mindevcount < copies)
            copies = cl->mindevcount;
    }
    cluster_fini(&c);
    return copies;
}

static enum mog_err wait_copies(struct inject *j, const char *key, uint64_t wanted, struct opt_list *paths,
                                struct mog_fail *f)
{
    struct deadline by = deadline_in((int64_t)WAIT_S * 1000);
    for (;;) {
        enum mog_err e = big_paths(j->t->client, j->t->domain, key, false, paths, NULL, f);
        if (e != MOG_OK || paths->n >= wanted)
            return e;
        if (deadline_is_past(by))
            return fail_set(f, MOG_ETIMEOUT, "%s has %zu copies after %d s", key, paths->n, WAIT_S);
        opt_list_fini(paths);
        clock_sleep_ms(WAIT_POLL_MS);
    }
}

static enum mog_err verify_part(struct http_client *http, const struct bigfile_part *p, struct mog_fail *f)
{
    int fd = big_temp_file(f);
    if (fd < 0)
        return MOG_EIO;
    enum mog_err e = MOG_OK;
    for (size_t i = 0; i < p->paths.n && e == MOG_OK; i++) {
        uint64_t length = 0;
        char md5[33] = "";
        printf("       Verifying chunk %" PRIu64 ", path %s...", p->number, p->paths.items[i]);
        fflush(stdout);
        e = big_get(http, p->paths.items[i], fd, &length, md5, f);
        if (e == MOG_OK && (length != p->bytes || strcmp(md5, p->md5) != 0))
            e = fail_set(f, MOG_EDIGEST, "%s is not what was stored", p->paths.items[i]);
        printf("%s\n", e == MOG_OK ? "ok" : "failed");
    }
    close(fd);
    return e;
}

static enum mog_err check_parts(struct inject *j, struct http_client *http, struct mog_fail *f)
{
    enum mog_err e = MOG_OK;
    if (j->wanted_copies > 1)
        printf("Replicating:");
    for (size_t i = 0; i < j->info.n_parts && e == MOG_OK; i++) {
        struct bigfile_part *p = &j->info.parts[i];
        char *key = j->big ? big_part_key(j->key, p->number) : mem_strdup(j->key);
        e = wait_copies(j, key, j->wanted_copies, &p->paths, f);
        if (e == MOG_OK && j->wanted_copies > 1) {
            printf(" %" PRIu64, p->number);
            fflush(stdout);
        }
        free(key);
    }
    if (j->wanted_copies > 1)
        putchar('\n');
    for (size_t i = 0; i < j->info.n_parts && e == MOG_OK && j->verify; i++)
        e = verify_part(http, &j->info.parts[i], f);
    return e;
}

static void mail_receipt(const char *to, const char *key, const struct buf *text)
{
    char *argv[] = {(char *)"/usr/sbin/sendmail", (char *)"-t", NULL};
    struct mog_fail f = {.code = MOG_OK};
    pid_t pid;
    int fd = -1;
    if (big_spawn(argv, true, &pid, &fd, &f) != MOG_OK) {
        fprintf(stderr, "The receipt was not mailed: %s\n", f.text);
        return;
    }
    struct buf mail = BUF_ZERO;
    buf_printf(&mail, "From: mogtool@dev.null\nTo: %s\nSubject: mogtool.%s.receipt\n\n%s\n.\n", to, key,
               buf_cstr(text));
    bool sent = write(fd, buf_cstr(&mail), mail.len) == (ssize_t)mail.len;
    close(fd);
    buf_fini(&mail);
    if (big_wait(pid, "sendmail", &f) != MOG_OK || !sent)
        fprintf(stderr, "The receipt was not mailed: sendmail failed\n");
}

static void write_receipt(struct inject *j, const struct buf *text)
{
    const char *to = toolopt_text(&j->t->opt, "receipt");
    if (!to)
        to = toolopt_text(&j->t->opt, "reciept");
    if (!to)
        return;
    char *path = mem_printf("mogtool.%s.receipt", j->key);
    for (char *c = path; *c; c++) {
        if (*c == '/')
            *c = '_';
    }
    FILE *out = fopen(path, "we");
    if (!out || fwrite(buf_cstr(text), 1, text->len, out) != text->len)
        fprintf(stderr, "The receipt %s cannot be written: %s\n", path, strerror(errno));
    if (out)
        fclose(out);
    free(path);
    if (!strpbrk(to, "\r\n"))
        mail_receipt(to, j->key, text);
}

static enum mog_err write_info(struct inject *j, struct http_client *http, struct mog_fail *f)
{
    struct buf text = BUF_ZERO;
    struct opt_list paths = {NULL, 0, 0};
    char *key = big_info_key(j->key), *pre = big_pre_key(j->key);
    bigfile_format(&j->info, &text);
    enum mog_err e = store_bytes(j, j->t->client, http, key, buf_as_span(&text), f);
    if (e == MOG_OK) {
        printf("Waiting for info file replication...\n");
        e = wait_copies(j, key, j->wanted_copies, &paths, f);
    }
    if (e == MOG_OK) {
        struct bigfile again;
        bigfile_init(&again);
        e = big_read_info(j->t->client, http, j->t->domain, j->key, &again, f);
        bigfile_fini(&again);
    }
    if (e == MOG_OK) {
        printf("Deleting pre-insert file...\n");
        e = big_delete_key(j->t->client, j->t->domain, pre, f);
    }
    if (e == MOG_OK)
        write_receipt(j, &text);
    opt_list_fini(&paths);
    buf_fini(&text);
    free(key);
    free(pre);
    return e;
}

/* ---- the command ---- */

/* The marker of a running upload: MOG_EEXISTS when there is one already. */
static enum mog_err mark_begun(struct inject *j, struct http_client *http, struct mog_fail *f)
{
    char *pre = big_pre_key(j->key), text[64];
    struct opt_list paths = {NULL, 0, 0};
    bool unknown = false;
    enum mog_err e = big_paths(j->t->client, j->t->domain, pre, false, &paths, &unknown, f);
    if (e == MOG_OK && !toolopt_flag(&j->t->opt, "overwrite"))
        e = fail_set(f, MOG_EEXISTS, "an earlier upload of %s was not finished: use --overwrite", j->key);
    else if (e == MOG_OK)
        e = big_delete_key(j->t->client, j->t->domain, pre, f);
    else if (unknown)
        e = MOG_OK;
    if (e == MOG_OK) {
        int n = snprintf(text, sizeof text, "starttime:%" PRId64, clock_wall_s());
        e = store_bytes(j, j->t->client, http, pre, span_make(text, (size_t)n), f);
    }
    opt_list_fini(&paths);
    free(pre);
    return e;
}

static enum mog_err inject_all(struct inject *j, struct http_client *http, bool gzip, unsigned concurrent,
                               struct mog_fail *f)
{
    enum mog_err e = open_source(j, gzip, f);
    if (e == MOG_OK && j->big)
        e = mark_begun(j, http, f);
    if (e == MOG_OK && j->big)
        printf("NOTE: Using chunksize of %" PRIu64 " bytes.\n", j->chunk_bytes);
    if (e == MOG_OK)
        e = j->big || gzip ? send_all(j, gzip && !j->tar, concurrent, f) : send_whole(j, http, f);
    if (e == MOG_OK && j->tar) {
        close(j->fd);
        j->fd = -1;
        e = big_wait(j->tar, "tar", f);
        j->tar = 0;
    }
    if (e == MOG_OK)
        e = check_parts(j, http, f);
    if (e == MOG_OK && j->big)
        e = write_info(j, http, f);
    return e;
}

static bool read_options(struct inject *j, unsigned *concurrent)
{
    const struct toolopt *o = &j->t->opt;
    const char *size = toolopt_text(o, "chunksize"), *des = toolopt_text(o, "description");
    struct mog_fail f = {.code = MOG_OK};
    int64_t n;
    j->class_name = toolopt_str(o, "class");
    if (j->class_name && strcmp(j->class_name, "default") == 0)
        j->class_name = "";
    j->big = toolopt_flag(o, "bigfile") || toolopt_flag(o, "big");
    j->verify = toolopt_flag(o, "verify");
    j->chunk_bytes = DEFAULT_CHUNK;
    if (!des)
        des = toolopt_text(o, "des");
    if (des) {
        free(j->info.description);
        j->info.description = mem_strdup(des);
        for (char *c = j->info.description; *c; c++)
            *c = *c == '\n' || *c == '\r' ? ' ' : *c;
    }
    if (j->big && toolopt_flag(o, "nobigfile")) {
        fprintf(stderr, "--bigfile and --nobigfile exclude each other\n");
        return false;
    }
    if (size && bigfile_chunksize(size, &j->chunk_bytes) != MOG_OK) {
        fprintf(stderr, "Bad chunk size '%s': use a number with B, K, M or G, up to 4G\n", size);
        return false;
    }
    if (toolopt_int(o, "concurrent", 1, CONCURRENT_MAX, 1, &n, &f) != MOG_OK) {
        fprintf(stderr, "%s\n", f.text);
        return false;
    }
    if (!j->big)
        j->chunk_bytes = UINT64_MAX;
    *concurrent = (unsigned)n;
    return true;
}

int big_inject(struct tool *t, const char *source, const char *key)
{
    struct inject j = {.t = t, .source = source, .key = key, .fd = -1};
    struct mog_fail f = {.code = MOG_OK};
    unsigned concurrent = 1;
    int status = BIG_FATAL;
    struct http_client *http = tool_http_new();
    bigfile_init(&j.info);
    pthread_mutex_init(&j.lock, NULL);
    free(j.info.filename);
    j.info.filename = mem_strdup(source);
    if (read_options(&j, &concurrent)) {
        j.wanted_copies = toolopt_flag(&t->opt, "noreplwait") ? 1 : copies_of_class(&j);
        if (inject_all(&j, http, toolopt_flag(&t->opt, "gzip"), concurrent, &f) == MOG_OK)
            status = BIG_OK;
        else
            big_fatal("The file could not be stored.", &f);
    }
    if (j.fd >= 0)
        close(j.fd);
    if (j.tar)
        (void)!big_wait(j.tar, "tar", &f);
    flate_free(j.deflate);
    bigfile_fini(&j.info);
    pthread_mutex_destroy(&j.lock);
    http_client_free(http);
    return status;
}
