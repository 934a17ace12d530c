/* SPDX-License-Identifier: MIT */
/* What the monitor asks a storage node: the usage file, a test write, and whether wrong MD5s are refused. */
#include "tracker/node/node_priv.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_USAGE = 64 * 1024, TEST_NAMES = 100 };

static bool collect(void *arg, const char *data, size_t len)
{
    buf_append(arg, data, len);
    return true;
}

static enum mog_err get(struct node *n, const char *url, int64_t timeout_ms, struct buf *body, int *status,
                        struct mog_fail *f)
{
    struct http_request r = {.method = "GET",
                             .url = url,
                             .connect_timeout_ms = timeout_ms,
                             .silence_timeout_ms = timeout_ms,
                             .total_timeout_ms = timeout_ms,
                             .write = collect,
                             .write_arg = body,
                             .max_body = MAX_USAGE};
    struct http_answer a;
    enum mog_err e = http_exchange(n->http, &r, &a, f);
    *status = a.status;
    if (e == MOG_OK && (a.status < 200 || a.status > 299))
        return fail_set(f, MOG_EHTTP, "HTTP status %d", a.status);
    return e;
}

/* The value of a "key: value" line; empty when there is none. */
static struct span find_value(struct span text, const char *key)
{
    struct span line;
    while (span_split(&text, '\n', &line)) {
        struct span value = line, name;
        if (span_split(&value, ':', &name) && value.ptr != NULL && span_is(span_trim(name), key))
            return span_trim(value);
    }
    return span_make("<undef>", 0);
}

/* Whole KiB; a fraction, which other writers of usage files may add, does not matter. */
static bool read_kb(struct span value, uint64_t *out)
{
    size_t digits = 0;
    while (digits < value.len && value.ptr[digits] >= '0' && value.ptr[digits] <= '9')
        digits++;
    bool ends = digits == value.len || value.ptr[digits] == '.' || value.ptr[digits] == ' ';
    return ends && num_parse_u64(span_make(value.ptr, digits), 0, INT64_MAX, out) == MOG_OK;
}

/* How much of a value goes into a message; a missing one says so. */
static int shown_len(struct span value)
{
    enum { UNDEF_LEN = 7, MAX_SHOWN = 40 };
    return value.len == 0 ? UNDEF_LEN : value.len < MAX_SHOWN ? (int)value.len : MAX_SHOWN;
}

enum mog_err node_usage(struct node *n, const struct cluster_device *d, int64_t timeout_ms, struct node_usage *out,
                        struct mog_fail *f)
{
    char base[80], url[128];
    int status = 0;
    if (d->host == NULL || !cluster_host_base(d->host, CLUSTER_READ, false, base, sizeof(base)))
        return fail_set(f, MOG_EINVAL, "no address");
    (void)snprintf(url, sizeof(url), "%s/dev%u/usage", base, d->devid);
    struct buf body = BUF_ZERO;
    enum mog_err e = get(n, url, timeout_ms, &body, &status, f);
    if (e == MOG_OK) {
        struct span total = find_value(buf_as_span(&body), "total"), used = find_value(buf_as_span(&body), "used");
        if (!read_kb(total, &out->total_kb) || out->total_kb == 0 || !read_kb(used, &out->used_kb))
            e = fail_set(f, MOG_ESYNTAX, "dev%u reports used = %.*s, total = %.*s, content-length: %zu, error?",
                         d->devid, shown_len(used), used.ptr, shown_len(total), total.ptr, body.len);
    }
    buf_fini(&body);
    return e;
}

static enum mog_err put_small(struct node *n, const char *url, struct span body, const char *header, int64_t timeout_ms,
                              int *status, struct mog_fail *f)
{
    const char *headers[] = {"Content-Type: application/octet-stream", header, NULL};
    struct http_request r = {.method = "PUT",
                             .url = url,
                             .headers = headers,
                             .connect_timeout_ms = timeout_ms,
                             .silence_timeout_ms = timeout_ms,
                             .total_timeout_ms = timeout_ms,
                             .body = body,
                             .max_body = MAX_USAGE};
    struct http_answer a;
    enum mog_err e = http_exchange(n->http, &r, &a, f);
    *status = a.status;
    if (e == MOG_OK && (a.status < 200 || a.status > 299))
        return fail_set(f, MOG_EHTTP, "PUT %s: HTTP status %d", url, a.status);
    return e;
}

enum mog_err node_test_write(struct node *n, const struct cluster *c, const struct cluster_device *d,
                             int64_t timeout_ms, uint64_t random, struct mog_fail *f)
{
    char base[80], get_base[80], url[160], body[80];
    int status = 0;
    if (d->host == NULL || !cluster_host_base(d->host, CLUSTER_WRITE, false, base, sizeof(base)) ||
        !cluster_host_base(d->host, CLUSTER_READ, false, get_base, sizeof(get_base)))
        return fail_set(f, MOG_EINVAL, "no address");
    node_make_test_folder(n, c, d, deadline_in(timeout_ms));
    int len = snprintf(body, sizeof(body), "time=%" PRId64 " rand=%" PRIu64, clock_wall_s(), random);
    (void)snprintf(url, sizeof(url), "%s/dev%u/test-write/test-write-%" PRIu64, base, d->devid, random % TEST_NAMES);
    enum mog_err e = put_small(n, url, span_make(body, (size_t)len), NULL, timeout_ms, &status, f);
    if (e != MOG_OK)
        return e;
    (void)snprintf(url, sizeof(url), "%s/dev%u/test-write/test-write-%" PRIu64, get_base, d->devid,
                   random % TEST_NAMES);
    struct buf back = BUF_ZERO;
    e = get(n, url, timeout_ms, &back, &status, f);
    if (e == MOG_OK && !span_eq(buf_as_span(&back), span_make(body, (size_t)len)))
        e = fail_set(f, MOG_EDIGEST, "GET %s: other bytes came back", url);
    buf_fini(&back);
    return e;
}

enum mog_err node_probe_md5(struct node *n, const struct cluster_device *d, int64_t timeout_ms, bool *rejects)
{
    char base[80], url[160];
    int status = 0;
    struct mog_fail f;
    if (d->host == NULL || !cluster_host_base(d->host, CLUSTER_WRITE, false, base, sizeof(base)))
        return MOG_EINVAL;
    (void)snprintf(url, sizeof(url), "%s/dev%u/test-write/test-md5", base, d->devid);
    /* The MD5 of "!", for a body of ".". */
    enum mog_err e = put_small(n, url, span_of("."), "Content-MD5: kDPg4wXyR8DDyA0MeEjIsw==", timeout_ms, &status, &f);
    if (e == MOG_OK) {
        *rejects = false;
        return MOG_OK;
    }
    /* Only a definite refusal counts: a time-out or a full disk says nothing about checking. */
    if (e == MOG_EHTTP && status >= 400 && status <= 499) {
        *rejects = true;
        return MOG_OK;
    }
    return e;
}
