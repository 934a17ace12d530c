/* SPDX-License-Identifier: MIT */
/* Copying one file from device to device: two HTTP exchanges with a digest between them. */
#include "tracker/node/node_priv.h"

#include "common/buf.h"
#include "common/urlenc.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { SILENCE_MS = 45 * 1000, FOLDERS_MS = 6000 };

/* The state that the destination's read callback works on. */
struct pump {
    const struct node *node;
    struct digest *digest; /* NULL: none wanted */
    uint64_t left;
    bool source_failed;
    struct mog_fail fail;
};

static ssize_t pump_read(void *arg, char *out, size_t cap)
{
    struct pump *p = arg;
    size_t n = 0;
    if (p->left == 0)
        return 0;
    if (cap > p->left)
        cap = (size_t)p->left;
    node_tell_alive(p->node);
    enum mog_err e = http_read(p->node->source, out, cap, &n, &p->fail);
    if (e == MOG_OK && n == 0)
        e = fail_set(&p->fail, MOG_ECLOSED, "EOF reading midway through source: %" PRIu64 " bytes are missing",
                     p->left);
    if (e != MOG_OK) {
        p->source_failed = true;
        return -1;
    }
    if (p->digest != NULL)
        digest_update(p->digest, out, n);
    p->left -= n;
    return (ssize_t)n;
}

static unsigned port_of(const struct cluster_device *d, enum cluster_port port)
{
    return port == CLUSTER_READ && d->host->http_get_port != 0 ? d->host->http_get_port : d->host->http_port;
}

/* "/dev1/..." of a URL. */
static const char *path_of(const char *url)
{
    const char *slashes = strstr(url, "//"), *path = slashes != NULL ? strchr(slashes + 2, '/') : NULL;
    return path != NULL ? path : url;
}

static enum node_copy_result open_source(struct node *n, const struct node_copy *copy, struct mog_fail *f)
{
    struct node_config config = node_shared_config(n->shared);
    char url[CLUSTER_URL_MAX];
    enum cluster_port port = config.repl_use_get_port ? CLUSTER_READ : CLUSTER_WRITE;
    if (!cluster_device_url(copy->from, copy->fid, port, false, url)) {
        (void)fail_set(f, MOG_EINVAL,
                       "Error: unable to replicate file fid=%" PRIu64 " from device id %u to device id %u", copy->fid,
                       copy->from->devid, copy->to->devid);
        return NODE_COPY_SRC_ERROR;
    }
    struct http_request r = {
        .method = "GET", .url = url, .connect_timeout_ms = config.node_timeout_ms, .silence_timeout_ms = SILENCE_MS};
    struct http_answer a;
    struct mog_fail inner = {0};
    enum mog_err e = http_open(n->source, &r, &a, &inner);
    if (e == MOG_ECONN) {
        (void)fail_set(f, e, "Unable to create source socket to %s:%u for %s (%s)", copy->from->host->ip,
                       port_of(copy->from, port), path_of(url), inner.text);
        return NODE_COPY_SRC_ERROR;
    }
    if (e != MOG_OK) {
        (void)fail_set(f, e,
                       "Fid %" PRIu64
                       " unreachable while replicating: Error: Resource %s failed to return an HTTP response (%s)",
                       copy->fid, url, inner.text);
        return NODE_COPY_SRC_ERROR;
    }
    if (a.status < 200 || a.status > 299) {
        (void)fail_set(f, MOG_EHTTP,
                       "Fid %" PRIu64 " unreachable while replicating: Error: Resource %s failed: HTTP %d", copy->fid,
                       url, a.status);
        http_close(n->source);
        return a.status == 404 ? NODE_COPY_SRC_MISSING : NODE_COPY_SRC_ERROR;
    }
    if (a.content_length < 0 || (uint64_t)a.content_length != copy->length) {
        (void)fail_set(f, MOG_ESIZE,
                       "Fid %" PRIu64
                       " unreachable while replicating: File %s has unexpected content-length of %" PRId64
                       ", not %" PRIu64,
                       copy->fid, path_of(url), a.content_length < 0 ? 0 : a.content_length, copy->length);
        http_close(n->source);
        return NODE_COPY_SRC_ERROR;
    }
    return NODE_COPY_OK;
}

/* "Content-MD5: ..." when the wanted digest is an MD5. */
static bool md5_header(const struct node_copy *copy, char *out, size_t size)
{
    if (copy->want_type != DIGEST_MD5)
        return false;
    unsigned char text[32];
    (void)EVP_EncodeBlock(text, copy->want, 16);
    (void)snprintf(out, size, "Content-MD5: %s", (const char *)text);
    return true;
}

/* A partial or wrong file that has no row would never be found again. Best effort. */
static void remove_rest(struct node *n, const char *url)
{
    int status = 0;
    struct mog_fail ignored;
    (void)!node_delete(n, url, &status, &ignored);
}

static enum node_copy_result verify(struct node *n, struct node_copy *copy, bool sent_md5, struct mog_fail *f)
{
    /* A node that refuses wrong MD5s has verified it already, if we told it. */
    if (sent_md5 && copy->to->rejects_bad_md5 && copy->got_type == DIGEST_MD5)
        return NODE_COPY_OK;
    uint8_t there[DIGEST_MAX_BYTES];
    size_t size = digest_size(copy->got_type);
    enum node_digest_result r = node_digest(n, copy->to, copy->fid, CLUSTER_WRITE, copy->got_type, NULL, there, f);
    if (r == NODE_DIGEST_KNOWN && memcmp(there, copy->got, size) == 0)
        return NODE_COPY_OK;
    struct buf expected = BUF_ZERO, actual = BUF_ZERO;
    urlenc_hex(&expected, copy->got, size);
    if (r == NODE_DIGEST_KNOWN)
        urlenc_hex(&actual, there, size);
    else
        buf_str(&actual, r == NODE_DIGEST_MISSING ? "(missing)" : "(unreachable)");
    (void)fail_set(f, MOG_EDIGEST, "checksum mismatch on PUT, expected: %s actual: %s", buf_cstr(&expected),
                   buf_cstr(&actual));
    buf_fini(&expected);
    buf_fini(&actual);
    return NODE_COPY_DEST_ERROR;
}

static enum node_copy_result finish_digest(struct node_copy *copy, struct pump *p, struct mog_fail *f)
{
    if (p->digest == NULL)
        return NODE_COPY_OK;
    digest_final(p->digest, copy->got);
    copy->got_type = copy->want_type != DIGEST_NONE ? copy->want_type : copy->compute;
    size_t size = digest_size(copy->got_type);
    if (copy->want_type == DIGEST_NONE || memcmp(copy->got, copy->want, size) == 0)
        return NODE_COPY_OK;
    struct buf expected = BUF_ZERO, actual = BUF_ZERO;
    urlenc_hex(&expected, copy->want, size);
    urlenc_hex(&actual, copy->got, size);
    (void)fail_set(f, MOG_EDIGEST, "checksum mismatch on GET: expected: %s actual: %s", buf_cstr(&expected),
                   buf_cstr(&actual));
    buf_fini(&expected);
    buf_fini(&actual);
    return NODE_COPY_SRC_DIGEST;
}

/* `*stale`: a kept connection broke before any answer, which says nothing about the destination. */
static enum node_copy_result put(struct node *n, struct node_copy *copy, const char *url, struct pump *p, bool *stale,
                                 struct mog_fail *f)
{
    char md5[80];
    bool sends_md5 = md5_header(copy, md5, sizeof(md5));
    const char *headers[] = {"Content-Type: application/octet-stream", sends_md5 ? md5 : NULL, NULL};
    struct http_request r = {.method = "PUT",
                             .url = url,
                             .headers = headers,
                             .connect_timeout_ms = node_shared_config(n->shared).node_timeout_ms,
                             .silence_timeout_ms = SILENCE_MS,
                             .body_length = (int64_t)copy->length,
                             .read = pump_read,
                             .read_arg = p};
    struct http_answer a;
    struct mog_fail inner = {0};
    enum mog_err e = http_exchange(n->http, &r, &a, &inner);
    if (p->source_failed) {
        *f = p->fail;
        return NODE_COPY_SRC_ERROR;
    }
    /* The bytes are judged before the destination's answer: one that refuses a wrong MD5 is not to blame. */
    enum node_copy_result result = p->left == 0 ? finish_digest(copy, p, f) : NODE_COPY_OK;
    if (result != NODE_COPY_OK)
        return result;
    if (e != MOG_OK) {
        *stale = a.stale || (a.reused && a.status == 0 && e == MOG_ECLOSED);
        if (e == MOG_ECONN)
            (void)fail_set(f, e, "Unable to create dest socket to %s:%u for %s (%s)", copy->to->host->ip,
                           port_of(copy->to, CLUSTER_WRITE), path_of(url), inner.text);
        else if (p->left == 0)
            (void)fail_set(f, e, "Error: HTTP response line not recognized writing to %s (%s)", url, inner.text);
        else
            (void)fail_set(f, e, "Error: syswrite failed after %" PRIu64 " bytes with: %s; failed putting to %s",
                           copy->length - p->left, inner.text, path_of(url));
        return NODE_COPY_DEST_ERROR;
    }
    if (a.status < 200 || a.status > 299 || p->left != 0) {
        (void)fail_set(f, MOG_EHTTP, "Got HTTP status code %d PUTing to %s", a.status, url);
        return NODE_COPY_DEST_ERROR;
    }
    return copy->got_type != DIGEST_NONE ? verify(n, copy, sends_md5, f) : NODE_COPY_OK;
}

/* One try with fresh state: a digest that saw bytes of a broken try would be wrong. */
static enum node_copy_result copy_once(struct node *n, struct node_copy *copy, const char *url, bool *stale,
                                       struct mog_fail *f)
{
    copy->got_type = DIGEST_NONE;
    *stale = false;
    enum node_copy_result result = open_source(n, copy, f);
    if (result != NODE_COPY_OK)
        return result;
    node_make_folders(n, copy->cluster, copy->to, copy->fid, deadline_in(FOLDERS_MS));
    enum digest_type type = copy->want_type != DIGEST_NONE ? copy->want_type : copy->compute;
    struct pump p = {.node = n, .digest = digest_new(type), .left = copy->length};
    copy->began = true;
    result = put(n, copy, url, &p, stale, f);
    http_close(n->source);
    digest_free(p.digest);
    return result;
}

enum node_copy_result node_copy(struct node *n, struct node_copy *copy, struct mog_fail *f)
{
    char url[CLUSTER_URL_MAX];
    bool stale = false;
    copy->began = false;
    copy->got_type = DIGEST_NONE;
    if (!cluster_device_url(copy->to, copy->fid, CLUSTER_WRITE, false, url)) {
        (void)fail_set(f, MOG_EINVAL,
                       "Error: unable to replicate file fid=%" PRIu64 " from device id %u to device id %u", copy->fid,
                       copy->from->devid, copy->to->devid);
        return NODE_COPY_DEST_ERROR;
    }
    enum node_copy_result result = copy_once(n, copy, url, &stale, f);
    if (stale)
        result = copy_once(n, copy, url, &stale, f);
    /* A source that could not even be opened has left nothing at the destination. */
    if (result != NODE_COPY_OK && copy->began)
        remove_rest(n, url);
    return result;
}
