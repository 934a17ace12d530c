/* SPDX-License-Identifier: MIT */
/* create_close: an upload becomes a file, or is given up. */
#include "tracker/cmd/cmd_list.h"

#include "common/log.h"
#include "common/num.h"
#include "common/urlenc.h"
#include "store/store_file.h"
#include "store/store_topology.h"

#include <inttypes.h>
#include <string.h>

/* One close as it goes through its steps. */
struct closing {
    struct cmd_ctx *ctx;
    uint64_t fid;
    uint32_t devid;
    const struct cluster_device *device;
    struct store_upload upload;
    struct store_checksum checksum; /* of the argument; hashtype 0: none */
    bool has_size;
    int64_t want_size;
    uint64_t size;             /* as the storage node says */
    char url[CLUSTER_URL_MAX]; /* by the main address, for our own requests */
};

static bool parse_checksum(struct closing *c)
{
    struct cmd_ctx *ctx = c->ctx;
    if (!cmd_arg_is_true(ctx, "checksum"))
        return true;
    struct span hex = cmd_arg(ctx, "checksum"), name;
    if (span_split(&hex, ':', &name) && hex.ptr != NULL) {
        enum digest_type type = digest_by_name(name);
        if ((type == DIGEST_MD5 || type == DIGEST_SHA1) &&
            urlenc_unhex(hex, c->checksum.bytes, digest_size(type)) == MOG_OK) {
            c->checksum.hashtype = type;
            c->checksum.len = digest_size(type);
            return true;
        }
    }
    cmd_err(ctx, "invalid_checksum_format");
    return false;
}

static bool check_arguments(struct closing *c)
{
    struct cmd_ctx *ctx = c->ctx;
    static const struct {
        const char *arg, *code;
    } needed[] = {{"fid", "no_fid"}, {"devid", "no_devid"}, {"path", "no_path"}};
    for (size_t i = 0; i < 3; i++) {
        if (!cmd_arg_is_true(ctx, needed[i].arg)) {
            cmd_err(ctx, needed[i].code);
            return false;
        }
    }
    if (!parse_checksum(c))
        return false;
    int64_t fid = cmd_arg_int(ctx, "fid"), devid = cmd_arg_int(ctx, "devid");
    char url[CLUSTER_URL_MAX];
    c->device = devid > 0 && devid <= UINT32_MAX ? cluster_device_by_id(ctx->cluster, (uint32_t)devid) : NULL;
    if (fid <= 0 || c->device == NULL || !cmd_url(ctx, c->device, (uint64_t)fid, CLUSTER_WRITE, url) ||
        !span_is(cmd_arg(ctx, "path"), url) ||
        !cluster_device_url(c->device, (uint64_t)fid, CLUSTER_WRITE, false, c->url)) {
        cmd_err(ctx, "bogus_args");
        return false;
    }
    c->fid = (uint64_t)fid;
    c->devid = (uint32_t)devid;
    c->want_size = cmd_arg_int(ctx, "size");
    c->has_size = cmd_arg_is_true(ctx, "size") && c->want_size >= 0;
    return true;
}

/* A close that succeeded and whose answer was lost is answered OK when it is repeated. */
static bool is_repeat(const struct closing *c)
{
    const struct store_upload *u = &c->upload;
    if (cmd_arg(c->ctx, "key").len == 0 || !u->has_old || u->old.fid != c->fid || !u->old_on_device)
        return false;
    if (c->has_size && (uint64_t)c->want_size != u->old.length)
        return false;
    const struct store_checksum *have = &u->old_checksum;
    return c->checksum.hashtype == 0 || have->hashtype != c->checksum.hashtype ||
           memcmp(have->bytes, c->checksum.bytes, c->checksum.len) == 0;
}

/* What the shared cache knows of the key may be the file before this one. */
static void forget_cached(const struct closing *c)
{
    struct cmd_ctx *ctx = c->ctx;
    fid_cache_forget_key(ctx->cache, ctx->domain->dmid, cmd_arg(ctx, "key"));
    fid_cache_forget_devids(ctx->cache, c->fid);
}

static bool read_upload(struct closing *c)
{
    struct cmd_ctx *ctx = c->ctx;
    store_upload_free(&c->upload);
    enum mog_err e = store_upload_read(ctx->st, c->fid, c->devid, ctx->domain->dmid, cmd_arg(ctx, "key"), &c->upload);
    if (e != MOG_OK) {
        cmd_err_store(ctx, e);
        return false;
    }
    /* An upload of another domain would bring its class along, which means nothing here. */
    if (c->upload.is_open && c->upload.temp.dmid == ctx->domain->dmid)
        return true;
    if (c->upload.is_open || !is_repeat(c))
        cmd_err(ctx, "no_temp_file");
    else
        forget_cached(c); /* the one that did it may have lost the database before it got there */
    return false;
}

/* The upload is given up: its bytes will be deleted. */
static bool discard(struct closing *c)
{
    enum mog_err e = store_file_discard(c->ctx->st, c->fid, c->devid);
    if (e == MOG_ENOTFOUND)
        cmd_err(c->ctx, "no_temp_file");
    else if (e != MOG_OK)
        cmd_err_store(c->ctx, e);
    return e == MOG_OK;
}

static bool device_was_offered(const struct closing *c)
{
    struct span rest = store_bytes_span(&c->upload.temp.devids), part;
    while (span_split(&rest, ',', &part)) {
        uint64_t id = 0;
        if (num_parse_u64(part, 0, UINT32_MAX, &id) == MOG_OK && id == c->devid)
            return true;
    }
    return false;
}

static void bad_destination(struct closing *c)
{
    struct span devids = store_bytes_span(&c->upload.temp.devids);
    if (discard(c))
        cmd_errf(c->ctx, "invalid_destdev", "File uploaded to invalid dest %" PRIu32 ". Valid devices were: %.*s",
                 c->devid, (int)devids.len, devids.ptr != NULL ? devids.ptr : "");
}

/* Ask the node for the size, and compare. */
static bool verify_size(struct closing *c)
{
    struct cmd_ctx *ctx = c->ctx;
    struct mog_fail f = {0};
    int64_t timeout_ms = node_shared_config(ctx->shared->nodes).node_timeout_ms;
    enum node_size_result r = node_size(ctx->node, c->url, timeout_ms, &c->size, &f);
    int64_t expected = cmd_arg_is_true(ctx, "size") ? c->want_size : -1;
    if (r != NODE_SIZE_KNOWN) {
        if (discard(c))
            cmd_errf(ctx, "size_verify_error", "Expected: %" PRId64 "; actual: 0 (%s); path: %s; error: %s", expected,
                     r == NODE_SIZE_MISSING ? "missing" : "cantreach", c->url, f.text);
        return false;
    }
    if (c->has_size && (uint64_t)c->want_size != c->size) {
        if (discard(c))
            cmd_errf(ctx, "size_mismatch", "Expected: %" PRId64 "; actual: %" PRIu64 "; path: %s", c->want_size,
                     c->size, c->url);
        return false;
    }
    return true;
}

static bool verify_checksum(struct closing *c)
{
    struct cmd_ctx *ctx = c->ctx;
    if (c->checksum.hashtype == 0 || !cmd_arg_is_true(ctx, "checksumverify"))
        return true;
    uint8_t there[DIGEST_MAX_BYTES];
    struct mog_fail f = {0};
    enum digest_type type = (enum digest_type)c->checksum.hashtype;
    enum node_digest_result r = node_digest(ctx->node, c->device, c->fid, CLUSTER_WRITE, type, NULL, there, &f);
    if (r == NODE_DIGEST_KNOWN && memcmp(there, c->checksum.bytes, c->checksum.len) == 0)
        return true;
    if (!discard(c))
        return false;
    struct buf want = BUF_ZERO, have = BUF_ZERO;
    urlenc_hex(&want, c->checksum.bytes, c->checksum.len);
    if (r == NODE_DIGEST_KNOWN)
        urlenc_hex(&have, there, c->checksum.len);
    else
        buf_str(&have, r == NODE_DIGEST_MISSING ? "(missing)" : "(cantreach)");
    cmd_errf(ctx, "checksum_mismatch", "Expected: Checksum[f=%" PRIu64 ";%s=%s]; actual: %s:%s; path: %s", c->fid,
             digest_name(type), buf_cstr(&want), digest_name(type), buf_cstr(&have), c->url);
    buf_fini(&want);
    buf_fini(&have);
    return false;
}

static bool has_class(const struct store_classes *l, uint32_t dmid, uint32_t classid)
{
    size_t i = 0;
    while (i < l->n && (l->rows[i].dmid != dmid || l->rows[i].classid != classid))
        i++;
    return i < l->n;
}

/*
 * The class of the file: the upload's, or the default one if that has gone since, or nobody would know how many copies
 * the file needs. A class may also be newer than the snapshot, so that the database decides. False after an error was
 * answered.
 */
static bool find_class(struct closing *c, uint32_t *classid)
{
    struct cmd_ctx *ctx = c->ctx;
    const struct store_tempfile *t = &c->upload.temp;
    struct store_classes all = {0};
    *classid = t->classid;
    if (t->classid == 0 || cluster_class_by_id(ctx->cluster, t->dmid, t->classid) != NULL)
        return true;
    enum mog_err e = store_class_list(ctx->st, &all);
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
    else if (!has_class(&all, t->dmid, t->classid))
        *classid = 0;
    store_classes_free(&all);
    return e == MOG_OK;
}

/* The checksum is kept only when the class asks for this kind. */
static const struct store_checksum *checksum_to_store(const struct closing *c, uint32_t classid)
{
    const struct cluster_class *k = cluster_class_by_id(c->ctx->cluster, c->upload.temp.dmid, classid);
    bool keep = c->checksum.hashtype != 0 && k != NULL && k->hashtype == c->checksum.hashtype;
    return keep ? &c->checksum : NULL;
}

static void store_file_row(struct closing *c)
{
    struct cmd_ctx *ctx = c->ctx;
    struct span key = cmd_arg(ctx, "key");
    uint32_t classid;
    if (c->upload.has_old && c->upload.old.fid == c->fid) {
        cmd_err(ctx, "fid_exists");
        return;
    }
    if (!find_class(c, &classid))
        return;
    struct store_file_close row = {.fid = c->fid,
                                   .devid = c->devid,
                                   .dmid = ctx->domain->dmid,
                                   .classid = classid,
                                   .key = key,
                                   .length = c->size,
                                   .checksum = checksum_to_store(c, classid),
                                   .old_fid = c->upload.has_old ? c->upload.old.fid : 0};
    uint64_t replaced = 0;
    enum mog_err e = store_file_close(ctx->st, &row, &replaced);
    forget_cached(c); /* after an error too: it may be done all the same */
    if (e == MOG_ENOTFOUND) {
        /* Another close of the same upload was faster: perhaps this very one, sent twice. */
        if (read_upload(c))
            cmd_err(ctx, "failure");
        return;
    }
    if (e == MOG_EEXISTS) {
        cmd_err(ctx, "fid_exists");
        return;
    }
    if (e == MOG_EDEAD) {
        /* The device was given up after it was offered: what only it has would be forgotten with it. */
        if (discard(c))
            cmd_errf(ctx, "invalid_destdev", "File uploaded to dead device %" PRIu32, c->devid);
        return;
    }
    if (e != MOG_OK) {
        cmd_err_store(ctx, e);
        return;
    }
    pace_owe(ctx->shared->pace, PACE_REPLICATE);
    if (replaced != 0)
        pace_owe(ctx->shared->pace, PACE_DELETE);
}

void cmd_create_close(struct cmd_ctx *ctx)
{
    struct closing c = {.ctx = ctx};
    if (!check_arguments(&c) || !read_upload(&c)) {
        store_upload_free(&c.upload);
        return;
    }
    if (!device_was_offered(&c))
        bad_destination(&c);
    else if (cmd_arg(ctx, "key").len == 0)
        (void)discard(&c); /* how clients abort an upload: OK */
    else if (verify_size(&c) && verify_checksum(&c))
        store_file_row(&c);
    store_upload_free(&c.upload);
}
