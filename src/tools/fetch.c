/* SPDX-License-Identifier: MIT */
/* Reading one file: its paths from the tracker, then GET, going on at the next copy where one breaks off. */
#include "tools/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/mem.h"
#include "common/urlenc.h"
#include "common/httpstat.h"

enum { CONNECT_MS = 3000, SILENCE_MS = 10000, PATHS_MAX = 99, ROUNDS = 2 };

void fetch_result_fini(struct fetch_result *r)
{
    opt_list_fini(&r->errors);
}

void fetch_paths_of(const struct kv *answer, struct opt_list *paths)
{
    uint64_t n = kv_u64(answer, "paths", 0);
    for (uint64_t i = 1; i <= n && i <= PATHS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "path%" PRIu64, i);
        const char *path = kv_str(answer, name, "");
        if (path[0])
            opt_list_add(paths, path);
    }
}

struct fetch {
    const struct fetch_opts *opts;
    const struct fetch_sink *sink;
    struct fetch_result *result;

    /* of the present version */
    char *version; /* its name at the nodes; NULL: none yet */
    bool length_known;
    uint64_t length;
    enum digest_type digest_type;
    uint8_t want_digest[DIGEST_MAX_BYTES];
    struct digest *digest;

    /* of the present copy */
    uint64_t offset; /* where its answer begins in the file */
    uint64_t skip;   /* bytes of its answer that we have already */
    bool asked_range, wrong_length, too_long, sink_failed;
    int64_t told_length;
};

/* ---- what the tracker knows ---- */

static void parse_checksum(struct fetch *x, struct span text)
{
    struct span name;
    if (!span_split(&text, ':', &name) || !text.ptr)
        return;
    enum digest_type type = digest_by_name(name);
    if (type != DIGEST_NONE && urlenc_unhex(text, x->want_digest, digest_size(type)) == MOG_OK)
        x->digest_type = type;
}

/* Forget what was known of the version, and ask for what is known of the present one. */
static void learn(struct fetch *x, struct client *c)
{
    digest_free(x->digest);
    x->digest = NULL;
    x->digest_type = DIGEST_NONE;
    x->length_known = false;
    if (x->opts->no_check)
        return;
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    struct mog_fail f;
    kv_add_str(&args, "domain", x->opts->domain);
    kv_add(&args, "key", x->opts->key);
    /* Without this knowledge the file can still be read; it is only less checked. */
    if (client_request(c, "file_info", &args, &a, &f) == MOG_OK) {
        x->length = kv_u64(&a.args, "length", UINT64_MAX);
        x->length_known = x->length != UINT64_MAX;
        const struct span *checksum = kv_find(&a.args, "checksum");
        if (checksum)
            parse_checksum(x, *checksum);
    }
    client_answer_fini(&a);
    kv_fini(&args);
    if (x->digest_type != DIGEST_NONE)
        x->digest = digest_new(x->digest_type);
}

static enum mog_err ask_paths(struct client *c, const struct fetch_opts *opts, bool verify, struct opt_list *paths,
                              struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    kv_add_str(&args, "domain", opts->domain);
    kv_add(&args, "key", opts->key);
    kv_add_str(&args, "noverify", verify ? "0" : "1");
    kv_add_u64(&args, "pathcount", PATHS_MAX);
    enum mog_err e = client_request(c, "get_paths", &args, &a, f);
    if (e == MOG_OK)
        fetch_paths_of(&a.args, paths);
    client_answer_fini(&a);
    kv_fini(&args);
    return e;
}

/* ---- one copy ---- */

static bool on_head(void *arg, int status, int64_t content_length)
{
    struct fetch *x = arg;
    if (status < 200 || status > 299)
        return true;
    x->offset = status == 206 && x->asked_range ? x->result->length : 0;
    x->skip = x->result->length - x->offset;
    if (x->length_known && content_length >= 0 && x->offset + (uint64_t)content_length != x->length) {
        x->wrong_length = true;
        x->told_length = (int64_t)x->offset + content_length;
        return false;
    }
    return true;
}

static bool on_body(void *arg, const char *data, size_t len)
{
    struct fetch *x = arg;
    size_t drop = x->skip < len ? (size_t)x->skip : len;
    x->skip -= drop;
    data += drop;
    len -= drop;
    if (len == 0)
        return true;
    if (x->length_known && len > x->length - x->result->length) {
        x->too_long = true;
        return false;
    }
    if (!x->sink->write(x->sink->arg, data, len)) {
        x->sink_failed = true;
        return false;
    }
    if (x->digest)
        digest_update(x->digest, data, len);
    x->result->length += len;
    if (x->opts->progress)
        x->opts->progress(x->opts->progress_arg, x->result->length);
    return true;
}

static enum mog_err copy_failed(struct fetch *x, enum mog_err e, const char *text, struct mog_fail *f)
{
    opt_list_add(&x->result->errors, text);
    return fail_set(f, e, "%s", text);
}

static enum mog_err check_end(struct fetch *x, const char *url, struct mog_fail *f)
{
    char text[400];
    if (x->length_known && x->result->length != x->length) {
        snprintf(text, sizeof text, "%s: %" PRIu64 " bytes instead of %" PRIu64, url, x->result->length, x->length);
        return copy_failed(x, MOG_ESIZE, text, f);
    }
    if (!x->digest)
        return MOG_OK;
    uint8_t sum[DIGEST_MAX_BYTES];
    digest_final(x->digest, sum);
    if (memcmp(sum, x->want_digest, digest_size(x->digest_type)) == 0)
        return MOG_OK;
    snprintf(text, sizeof text, "%s: %s checksum differs", url, digest_name(x->digest_type));
    return copy_failed(x, MOG_EDIGEST, text, f);
}

static enum mog_err read_copy(struct fetch *x, struct http_client *http, const char *url, struct mog_fail *f)
{
    char range[64], text[500];
    const char *headers[2] = {NULL, NULL};
    x->asked_range = x->result->length > 0;
    x->skip = 0;
    x->wrong_length = x->too_long = false;
    if (x->asked_range && x->length_known && x->result->length == x->length)
        return check_end(x, url, f);
    if (x->asked_range) {
        snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-", x->result->length);
        headers[0] = range;
    }
    struct http_request q = {.method = "GET",
                             .url = url,
                             .headers = headers,
                             .connect_timeout_ms = CONNECT_MS,
                             .silence_timeout_ms = SILENCE_MS,
                             .write = on_body,
                             .write_arg = x,
                             .head = on_head,
                             .head_arg = x};
    struct http_answer a = {.status = 0};
    struct mog_fail why = {.code = MOG_OK};
    enum mog_err e = http_exchange(http, &q, &a, &why);
    if (x->sink_failed)
        return fail_set(f, MOG_EIO, "cannot write what was received");
    if (x->wrong_length)
        snprintf(text, sizeof text, "%s: %" PRId64 " bytes instead of %" PRIu64, url, x->told_length, x->length);
    else if (x->too_long)
        snprintf(text, sizeof text, "%s: more than %" PRIu64 " bytes", url, x->length);
    else if (e == MOG_OK && a.status >= 200 && a.status <= 299)
        return check_end(x, url, f);
    else
        httpstat_line(text, sizeof text, e, a.status, url, &why);
    return copy_failed(x, MOG_EHTTP, text, f);
}

/* Bytes that were written are known to be wrong: only from the start can it become right. */
static bool start_again(struct fetch *x)
{
    if (x->result->length == 0)
        return true;
    if (!x->sink->restart || !x->sink->restart(x->sink->arg))
        return false;
    x->result->length = 0;
    digest_free(x->digest);
    x->digest = x->digest_type != DIGEST_NONE ? digest_new(x->digest_type) : NULL;
    return true;
}

static enum mog_err read_copies(struct fetch *x, struct http_client *http, const struct opt_list *paths,
                                struct mog_fail *f)
{
    enum mog_err e = MOG_ENOTFOUND;
    for (size_t i = 0; i < paths->n; i++) {
        e = read_copy(x, http, paths->items[i], f);
        if (e == MOG_OK || e == MOG_EIO)
            return e;
        if ((e == MOG_EDIGEST || e == MOG_ESIZE) && !start_again(x))
            return fail_set(f, MOG_EIO, "%s, and what was written cannot be taken back",
                            x->result->errors.items[x->result->errors.n - 1]);
    }
    return e;
}

/* All copies of a version have one name, its fid. Under another name it is another file: we have nothing of it yet. */
static enum mog_err begin_version(struct fetch *x, struct client *c, const char *url, struct mog_fail *f)
{
    const char *slash = strrchr(url, '/'), *version = slash ? slash + 1 : url;
    bool is_first = x->version == NULL;
    if (!is_first && strcmp(x->version, version) == 0)
        return MOG_OK;
    free(x->version);
    x->version = mem_strdup(version);
    if (!is_first && !start_again(x))
        return fail_set(f, MOG_EIO, "the file was replaced while it was read");
    learn(x, c);
    return MOG_OK;
}

enum mog_err fetch_run(struct client *c, struct http_client *http, const struct fetch_opts *opts,
                       const struct fetch_sink *sink, struct fetch_result *r, struct mog_fail *f)
{
    *r = (struct fetch_result){.stage = FETCH_PATHS};
    struct fetch x = {.opts = opts, .sink = sink, .result = r};
    enum mog_err e = MOG_OK;
    for (int round = 0; round < ROUNDS; round++) {
        /* The second time the tracker is to look where the file really is: it may have moved meanwhile. */
        struct opt_list paths = {NULL, 0, 0};
        struct mog_fail *to = f;
        struct mog_fail ignored;
        if (round > 0)
            to = &ignored;
        enum mog_err asked = ask_paths(c, opts, round > 0, &paths, to);
        if (round == 0)
            e = asked;
        if (asked == MOG_OK && paths.n > 0) {
            r->stage = FETCH_BODY;
            e = begin_version(&x, c, paths.items[0], f);
            if (e == MOG_OK)
                e = read_copies(&x, http, &paths, f);
        } else if (asked == MOG_OK && round == 0) {
            r->stage = FETCH_NO_PATHS;
            e = fail_set(f, MOG_ENOTFOUND, "No paths found or key does not exist");
        }
        opt_list_fini(&paths);
        if (e == MOG_OK || e == MOG_EIO || r->stage != FETCH_BODY)
            break;
    }
    if (e == MOG_OK)
        r->stage = FETCH_DONE;
    digest_free(x.digest);
    free(x.version);
    return e;
}
