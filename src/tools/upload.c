/* SPDX-License-Identifier: MIT */
/* Storing one file: create_open, PUT to one of the offered devices, create_close; again elsewhere when that fails. */
#include "tools/upload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/urlenc.h"

enum {
    HEAD_BYTES = 1024 * 1024,
    DESTS_MAX = 32,
    ROUNDS = 3,
    ROUND_PAUSE_MS = 200,
    CONNECT_MS = 3000,
    SILENCE_MS = 10000,
    FIRST_BYTE_MS = 30000, /* a node that syncs a large file before it answers takes its time */
    /* What a tracker that reads the file back may need besides; it thinks a node dead that is slower than this. */
    VERIFY_MS = 60000,
    VERIFY_MS_PER_MIB = 500,
};

/* ---- the source ---- */

static ssize_t read_some(int fd, char *out, size_t cap)
{
    ssize_t got;
    do
        got = read(fd, out, cap);
    while (got < 0 && errno == EINTR);
    return got;
}

/*
 * How long the file is, told after its beginning was read: it may grow, and the files of /proc say that they are empty.
 * What is longer than it says is read as a stream.
 */
static void learn_size(struct upload_source *s, const struct stat *st, off_t start)
{
    int64_t size = st->st_size > start ? st->st_size - start : 0;
    if (!S_ISREG(st->st_mode) || start < 0 || size < (int64_t)s->head.len)
        return;
    s->seekable = true;
    s->start = start;
    s->size = size;
}

enum mog_err upload_source_init(struct upload_source *s, int fd, struct mog_fail *f)
{
    struct stat st;
    *s = (struct upload_source){.fd = fd, .size = -1};
    buf_init(&s->head, 0);
    off_t start = lseek(fd, 0, SEEK_CUR);
    while (s->head.len < HEAD_BYTES) {
        size_t room = HEAD_BYTES - s->head.len;
        ssize_t got = read_some(fd, buf_reserve(&s->head, room), room);
        if (got < 0)
            return fail_sys(f, MOG_EIO, errno, "cannot read the source");
        if (got == 0) {
            s->all_in_head = true;
            s->size = (int64_t)s->head.len;
            return MOG_OK;
        }
        buf_commit(&s->head, (size_t)got);
    }
    if (fstat(fd, &st) != 0)
        return fail_sys(f, MOG_EIO, errno, "cannot look at the source");
    learn_size(s, &st, start);
    return MOG_OK;
}

void upload_source_memory(struct upload_source *s, struct span bytes)
{
    *s = (struct upload_source){.fd = -1, .size = (int64_t)bytes.len, .all_in_head = true};
    buf_init(&s->head, 0);
    buf_span(&s->head, bytes);
}

void upload_source_fini(struct upload_source *s)
{
    buf_fini(&s->head);
}

static bool source_can_repeat(const struct upload_source *s)
{
    return s->all_in_head || s->seekable || !s->passed;
}

/* ---- one PUT ---- */

struct put {
    struct upload_source *source;
    const struct upload_opts *opts;
    struct digest *digest;
    uint64_t sent;
    int read_errno;
    bool shrunk;
};

static ssize_t put_read_fd(struct put *p, char *out, size_t cap)
{
    struct upload_source *s = p->source;
    ssize_t got;
    if (s->seekable) {
        /* A file that grows meanwhile is stored as long as it was when we began. */
        uint64_t left = (uint64_t)s->size > p->sent ? (uint64_t)s->size - p->sent : 0;
        if (cap > left)
            cap = (size_t)left;
        if (cap == 0)
            return 0;
        do
            got = pread(s->fd, out, cap, (off_t)(s->start + (int64_t)p->sent));
        while (got < 0 && errno == EINTR);
        if (got == 0) {
            p->shrunk = true;
            return -1;
        }
    } else {
        s->passed = true;
        got = read_some(s->fd, out, cap);
    }
    if (got < 0)
        p->read_errno = errno;
    return got;
}

static ssize_t put_read(void *arg, char *out, size_t cap)
{
    struct put *p = arg;
    struct upload_source *s = p->source;
    ssize_t got;
    if (p->sent < s->head.len) {
        size_t left = s->head.len - (size_t)p->sent;
        got = (ssize_t)(left < cap ? left : cap);
        memcpy(out, s->head.data + p->sent, (size_t)got);
    } else if (s->all_in_head) {
        return 0;
    } else {
        got = put_read_fd(p, out, cap);
    }
    if (got <= 0)
        return got;
    if (p->digest)
        digest_update(p->digest, out, (size_t)got);
    p->sent += (uint64_t)got;
    if (p->opts->progress)
        p->opts->progress(p->opts->progress_arg, p->sent);
    return got;
}

/* Content-MD5 lets the node refuse damaged bytes itself; only what is in memory can be summed before it is sent. */
static bool format_content_md5(const struct upload_source *s, char *out, size_t out_size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t sum[DIGEST_MAX_BYTES + 2] = {0};
    struct digest *d = digest_new(DIGEST_MD5);
    if (!d)
        return false;
    digest_update(d, buf_cstr(&s->head), s->head.len);
    digest_final(d, sum);
    digest_free(d);
    char text[25];
    for (size_t i = 0, o = 0; i < 16; i += 3, o += 4) {
        uint32_t v =
            (uint32_t)sum[i] << 16 | (i + 1 < 16 ? (uint32_t)sum[i + 1] << 8 : 0) | (i + 2 < 16 ? sum[i + 2] : 0);
        text[o] = letters[v >> 18];
        text[o + 1] = letters[v >> 12 & 63];
        text[o + 2] = letters[v >> 6 & 63];
        text[o + 3] = letters[v & 63];
    }
    text[22] = text[23] = '=';
    text[24] = '\0';
    return snprintf(out, out_size, "Content-MD5: %s", text) < (int)out_size;
}

static void format_checksum(struct digest *d, enum digest_type type, char *out, size_t out_size)
{
    uint8_t sum[DIGEST_MAX_BYTES];
    struct buf hex = BUF_ZERO;
    digest_final(d, sum);
    urlenc_hex(&hex, sum, digest_size(type));
    snprintf(out, out_size, "%s:%s", digest_name(type), buf_cstr(&hex));
    buf_fini(&hex);
}

static enum mog_err put_once(struct http_client *http, struct upload_source *s, const struct upload_opts *opts,
                             const char *url, struct upload_result *r, bool *reused, struct mog_fail *f)
{
    struct put p = {.source = s, .opts = opts};
    char md5[64];
    const char *headers[2] = {NULL, NULL};
    if (opts->checksum == DIGEST_MD5 && s->all_in_head && format_content_md5(s, md5, sizeof md5))
        headers[0] = md5;
    if (opts->checksum != DIGEST_NONE)
        p.digest = digest_new(opts->checksum);

    struct http_request q = {.method = "PUT",
                             .url = url,
                             .headers = headers,
                             .connect_timeout_ms = CONNECT_MS,
                             .first_byte_timeout_ms = FIRST_BYTE_MS,
                             .silence_timeout_ms = SILENCE_MS,
                             .body_length = s->size,
                             .read = put_read,
                             .read_arg = &p};
    if (q.first_byte_timeout_ms > q.silence_timeout_ms)
        q.silence_timeout_ms = q.first_byte_timeout_ms;
    struct http_answer a = {.status = 0};
    r->puts++;
    enum mog_err e = http_exchange(http, &q, &a, f);
    *reused = a.reused;
    if (p.read_errno)
        e = fail_sys(f, MOG_EIO, p.read_errno, "cannot read the source");
    else if (p.shrunk)
        e = fail_set(f, MOG_EIO, "the source became shorter while it was read");
    else if (e == MOG_OK && (a.status < 200 || a.status > 299))
        e = fail_set(f, MOG_EHTTP, "storage node answered %d to PUT %s", a.status, url);
    if (e == MOG_OK) {
        r->size = p.sent;
        if (p.digest)
            format_checksum(p.digest, opts->checksum, r->checksum, sizeof r->checksum);
    }
    digest_free(p.digest);
    return e;
}

static enum mog_err put_at(struct http_client *http, struct upload_source *s, const struct upload_opts *opts,
                           const char *url, struct upload_result *r, struct mog_fail *f)
{
    bool reused = false;
    enum mog_err e = put_once(http, s, opts, url, r, &reused, f);
    /* A kept connection that the node had closed meanwhile says nothing about the node. */
    if (reused && (e == MOG_ECLOSED || e == MOG_EPROTO) && source_can_repeat(s))
        e = put_once(http, s, opts, url, r, &reused, f);
    return e;
}

/* ---- the conversation with the tracker ---- */

struct dest {
    uint64_t devid;
    char *path;
};

struct dests {
    uint64_t fid;
    size_t n;
    struct dest list[DESTS_MAX];
};

static void dests_fini(struct dests *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->list[i].path);
    d->n = 0;
}

static void dests_add(struct dests *d, uint64_t devid, const char *path)
{
    if (d->n < DESTS_MAX && devid && path && strncmp(path, "http://", 7) == 0)
        d->list[d->n++] = (struct dest){devid, mem_strdup(path)};
}

static enum mog_err open_file(struct client *c, const struct upload_opts *opts, int64_t size, struct dests *d,
                              struct upload_result *r, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    kv_add_str(&args, "domain", opts->domain);
    kv_add(&args, "key", opts->key);
    if (opts->class_name)
        kv_add_str(&args, "class", opts->class_name);
    kv_add_str(&args, "fid", "0");
    kv_add_str(&args, "multi_dest", "1");
    if (size > 0)
        kv_add_i64(&args, "size", size);

    enum mog_err e = client_request(c, "create_open", &args, &a, f);
    if (e == MOG_OK) {
        d->fid = kv_u64(&a.args, "fid", 0);
        uint64_t n = kv_u64(&a.args, "dev_count", 0);
        if (n == 0)
            dests_add(d, kv_u64(&a.args, "devid", 0), kv_str(&a.args, "path", NULL));
        for (uint64_t i = 1; i <= n && i <= DESTS_MAX; i++) {
            char devid[32], path[32];
            snprintf(devid, sizeof devid, "devid_%" PRIu64, i);
            snprintf(path, sizeof path, "path_%" PRIu64, i);
            dests_add(d, kv_u64(&a.args, devid, 0), kv_str(&a.args, path, NULL));
        }
        if (d->fid == 0 || d->n == 0)
            e = fail_set(f, MOG_EPROTO, "the tracker named no destination");
    }
    snprintf(r->code, sizeof r->code, "%s", a.code);
    client_answer_fini(&a);
    kv_fini(&args);
    return e;
}

/* `key` of length 0 gives the upload up. */
static enum mog_err close_file(struct client *c, const struct upload_opts *opts, const struct dests *d,
                               const struct dest *dest, struct span key, struct upload_result *r, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    kv_add_u64(&args, "fid", d->fid);
    kv_add_u64(&args, "devid", dest->devid);
    kv_add_str(&args, "domain", opts->domain);
    kv_add_u64(&args, "size", key.len ? r->size : 0);
    kv_add(&args, "key", key);
    kv_add_str(&args, "path", dest->path);
    if (key.len && r->checksum[0]) {
        kv_add_str(&args, "checksum", r->checksum);
        if (opts->verify)
            kv_add_str(&args, "checksumverify", "1");
    }
    int64_t extra_ms = 0;
    if (key.len && opts->verify)
        extra_ms = VERIFY_MS + (int64_t)(r->size >> 20) * VERIFY_MS_PER_MIB;
    enum mog_err e = client_request_slow(c, "create_close", &args, extra_ms, &a, f);
    if (key.len)
        snprintf(r->code, sizeof r->code, "%s", a.code);
    client_answer_fini(&a);
    kv_fini(&args);
    return e;
}

static void give_up(struct client *c, const struct upload_opts *opts, const struct dests *d, struct upload_result *r)
{
    struct mog_fail ignored;
    /* Best effort: the tracker forgets unfinished uploads by itself after an hour. */
    if (close_file(c, opts, d, &d->list[0], span_make("", 0), r, &ignored) != MOG_OK)
        return;
}

/* Errors of the tracker that another try cannot change. */
static bool is_final(const struct upload_result *r)
{
    static const char *const codes[] = {
        "no_domain",  "unreg_domain",           "no_key", "unreg_class", "plugin_aborted",
        "bad_params", "invalid_checksum_format"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(codes[i], r->code) == 0)
            return true;
    }
    return false;
}

static enum mog_err upload_round(struct client *c, struct http_client *http, struct upload_source *s,
                                 const struct upload_opts *opts, struct upload_result *r, struct mog_fail *f)
{
    struct dests d = {.n = 0};
    r->stage = UPLOAD_OPEN;
    enum mog_err e = open_file(c, opts, s->size, &d, r, f);
    if (e != MOG_OK)
        goto out;

    r->stage = UPLOAD_PUT;
    e = MOG_ECONN;
    const struct dest *dest = NULL;
    for (size_t i = 0; i < d.n && !dest; i++) {
        if (!source_can_repeat(s))
            break;
        e = put_at(http, s, opts, d.list[i].path, r, f);
        if (e == MOG_OK)
            dest = &d.list[i];
        else if (e == MOG_EIO)
            break;
    }
    if (!dest) {
        give_up(c, opts, &d, r);
        goto out;
    }

    r->stage = UPLOAD_CLOSE;
    r->fid = d.fid;
    r->devid = dest->devid;
    e = close_file(c, opts, &d, dest, opts->key, r, f);
    if (e == MOG_OK)
        r->stage = UPLOAD_DONE;
out:
    dests_fini(&d);
    return e;
}

enum mog_err upload_run(struct client *c, struct http_client *http, struct upload_source *s,
                        const struct upload_opts *opts, struct upload_result *r, struct mog_fail *f)
{
    *r = (struct upload_result){.stage = UPLOAD_OPEN};
    if (opts->key.len == 0)
        return fail_set(f, MOG_EINVAL, "a file without a key would be thrown away");
    unsigned rounds = opts->rounds ? opts->rounds : ROUNDS;
    enum mog_err e = MOG_OK;
    for (unsigned i = 0; i < rounds; i++) {
        if (i > 0)
            clock_sleep_ms(ROUND_PAUSE_MS);
        e = upload_round(c, http, s, opts, r, f);
        /* An unreachable cluster was already tried with patience by the client itself. */
        if (e == MOG_OK || e == MOG_EIO || is_final(r) || !source_can_repeat(s) ||
            (e == MOG_ECONN && r->stage != UPLOAD_PUT))
            break;
    }
    return e;
}
