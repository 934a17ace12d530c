/* SPDX-License-Identifier: MIT */
/* Digests of copies: asked of the storage node's side channel, or computed here from the bytes. */
#include "tracker/node/node_priv.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/devpath.h"
#include "common/log.h"
#include "common/net.h"
#include "common/urlenc.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BYTES_PER_SECOND = 2 * 1024 * 1024,
    FSCK_EXTRA_S = 3600,
    MAX_LINE = 1024,
    SILENCE_MS = 45 * 1000,
    SLICE_MS = 500
};

enum side_result { SIDE_KNOWN, SIDE_MISSING, SIDE_NO_ANSWER };

/* Wait for bytes; a digest of a large file takes long, and a stop of the tracker must not wait for it. */
static enum mog_err wait_readable(struct node *n, int fd, struct deadline by)
{
    for (;;) {
        int64_t left = deadline_left_ms(by);
        enum mog_err e = net_wait(fd, POLLIN, deadline_in(left < SLICE_MS ? left : SLICE_MS));
        if (e != MOG_ETIMEOUT || deadline_is_past(by))
            return e;
        if (node_shared_is_stopping(n->shared))
            return MOG_ECANCELED;
        node_tell_alive(n);
    }
}

/* Read up to the line end. */
static enum mog_err read_line(struct node *n, int fd, struct deadline by, char *line, size_t size)
{
    size_t len = 0;
    for (;;) {
        enum mog_err e = wait_readable(n, fd, by);
        if (e != MOG_OK)
            return e;
        ssize_t got = recv(fd, line + len, size - 1 - len, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return MOG_ECLOSED;
        len += (size_t)got;
        line[len] = '\0';
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
            if (end > line && end[-1] == '\r')
                end[-1] = '\0';
            return MOG_OK;
        }
        if (len + 1 == size)
            return MOG_ETOOLONG;
    }
}

static enum side_result parse_side_line(const char *line, const char *path, enum digest_type type, uint8_t *out)
{
    char prefix[DEVPATH_MAX + 16];
    (void)snprintf(prefix, sizeof(prefix), "%s %s=", path, digest_name(type));
    size_t len = strlen(prefix);
    if (strncmp(line, prefix, len) != 0)
        return SIDE_NO_ANSWER;
    if (strcmp(line + len, "-1") == 0)
        return SIDE_MISSING;
    return urlenc_unhex(span_of(line + len), out, digest_size(type)) == MOG_OK ? SIDE_KNOWN : SIDE_NO_ANSWER;
}

struct side_request {
    const char *ip, *path, *purpose;
    enum digest_type type;
    uint64_t size;
};

static enum side_result ask_side(struct node *n, const struct side_request *r, uint8_t *out)
{
    struct node_config config = node_shared_config(n->shared);
    struct mog_fail f = {0};
    int fd = -1;
    char line[MAX_LINE];
    enum side_result result = SIDE_NO_ANSWER;
    int64_t budget_ms = (int64_t)(r->size / BYTES_PER_SECOND) * 1000 +
                        (r->purpose != NULL ? FSCK_EXTRA_S * 1000 : config.node_timeout_ms);
    enum mog_err e = net_connect(r->ip, config.stream_port, deadline_in(config.node_timeout_ms), &fd, &f);
    if (e != MOG_OK) {
        if (node_may_log_side(n->shared, r->ip))
            log_warn("sidechannel failure on %s %s: %s", digest_name(r->type), r->path, f.text);
        return SIDE_NO_ANSWER;
    }
    int len = snprintf(line, sizeof(line), "%s %s%s%s\r\n", digest_name(r->type), r->path,
                       r->purpose != NULL ? " " : "", r->purpose != NULL ? r->purpose : "");
    e = net_write_all(fd, line, (size_t)len, deadline_in(config.node_timeout_ms));
    if (e == MOG_OK)
        e = read_line(n, fd, deadline_in(budget_ms), line, sizeof(line));
    if (e == MOG_OK) {
        result = parse_side_line(line, r->path, r->type, out);
        if (result == SIDE_NO_ANSWER && strncmp(line, "ERROR ", 6) != 0)
            log_warn("mogstored failed to handle (%s %s): %.200s", digest_name(r->type), r->path, line);
    } else if (node_may_log_side(n->shared, r->ip)) {
        log_warn("sidechannel failure on %s %s: %s", digest_name(r->type), r->path, err_text(e));
    }
    (void)close(fd);
    return result;
}

struct feeding {
    const struct node *node;
    struct digest *digest;
};

static bool feed(void *arg, const char *data, size_t len)
{
    struct feeding *f = arg;
    digest_update(f->digest, data, len);
    node_tell_alive(f->node);
    return true;
}

static enum node_digest_result read_it(struct node *n, const char *url, enum digest_type type, uint8_t *out,
                                       struct mog_fail *f)
{
    struct digest *d = digest_new(type);
    struct feeding feeding = {n, d};
    int64_t timeout_ms = node_shared_config(n->shared).node_timeout_ms;
    struct http_request r = {.method = "GET",
                             .url = url,
                             .connect_timeout_ms = timeout_ms,
                             .silence_timeout_ms = SILENCE_MS,
                             .write = feed,
                             .write_arg = &feeding};
    struct http_answer a;
    enum node_digest_result result = NODE_DIGEST_UNKNOWN;
    if (http_exchange(n->http, &r, &a, f) == MOG_OK) {
        if (a.status >= 200 && a.status <= 299)
            result = NODE_DIGEST_KNOWN;
        else if (a.status == 404)
            result = NODE_DIGEST_MISSING;
        else
            (void)fail_set(f, MOG_EHTTP, "GET %s: HTTP status %d", url, a.status);
    }
    digest_final(d, out);
    digest_free(d);
    return result;
}

enum node_digest_result node_digest(struct node *n, const struct cluster_device *d, uint64_t fid,
                                    enum cluster_port port, enum digest_type type, const char *purpose,
                                    uint8_t out[DIGEST_MAX_BYTES], struct mog_fail *f)
{
    char url[CLUSTER_URL_MAX], path[DEVPATH_MAX];
    if (digest_size(type) == 0 || !cluster_device_url(d, fid, port, false, url)) {
        (void)fail_set(f, MOG_EINVAL, "dev%u has no address", d->devid);
        return NODE_DIGEST_UNKNOWN;
    }
    devpath_format(path, d->devid, fid);
    uint64_t size = 0;
    struct mog_fail ignored;
    (void)node_size(n, url, 0, &size, &ignored);
    struct side_request r = {.ip = d->host->ip, .path = path, .purpose = purpose, .type = type, .size = size};
    if (ask_side(n, &r, out) == SIDE_KNOWN)
        return NODE_DIGEST_KNOWN;
    /* "Missing" from the side channel is not believed either: it may look at another folder than the HTTP server. */
    return read_it(n, url, type, out, f);
}
