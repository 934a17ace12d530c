/* SPDX-License-Identifier: MIT */
/* PUT: a small body is one job for the device's threads; a large one is handed over piece by piece. */
#include "mogstored/http_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>

#include "common/digest.h"
#include "common/mem.h"
#include "mogstored/janitor.h"
#include "mogstored/settings.h"

enum { FIRST_BUFFER_BYTES = 16 << 10 };

/* ---- the head ---- */

static bool check_md5(struct request *r)
{
    const char *value = r->head.fields[FIELD_CONTENT_MD5];
    const char *trailer = r->head.fields[FIELD_TRAILER];
    r->put.md5_announced = trailer && strcasestr(trailer, "Content-MD5") != NULL;
    if (!value)
        return true;
    if (md5field_parse(span_of(value), r->put.md5) != MOG_OK) {
        request_answer_close(r, 400, "bad Content-MD5");
        return false;
    }
    r->put.has_md5 = true;
    return true;
}

static bool check_range(struct request *r)
{
    struct upload *u = &r->put.upload;
    const char *value = r->head.fields[FIELD_CONTENT_RANGE];
    if (!value)
        return true;
    if (range_parse_content(span_of(value), &u->range) != MOG_OK) {
        /* The original replaces the whole file by such a fragment. */
        request_answer_close(r, 400, "Content-Range not understood");
        return false;
    }
    if (r->head.is_chunked || !r->head.has_length || r->head.length != u->range.last - u->range.first + 1) {
        request_answer_close(r, 400, "Content-Range needs a Content-Length that fits");
        return false;
    }
    u->has_range = true;
    return true;
}

static bool check_target(struct request *r)
{
    switch (r->path.kind) {
    case DPATH_STAR:
    case DPATH_ROOT:
        request_answer(r, 400, "Does not meet minimum directory requirement");
        return false;
    case DPATH_DEVICE:
        request_answer(r, 409, "a directory");
        return false;
    case DPATH_USAGE:
        request_answer(r, 403, "written by the server only");
        return false;
    case DPATH_FILE:
        break;
    }
    if (dpath_is_temporary(dpath_last(r->path.below))) {
        request_answer(r, 400, "Invalid filename");
        return false;
    }
    return true;
}

static bool check_device(struct request *r)
{
    if (device_health(r->dev) == DEVICE_READONLY) {
        request_answer(r, 403, "read-only device");
        return false;
    }
    if (!r->path.is_test_write && device_is_late(r->dev)) {
        atomic_fetch_add_explicit(&r->dev->stats.refused, 1, memory_order_relaxed);
        request_answer(r, 503, "this device is too slow now");
        return false;
    }
    return true;
}

/* ---- on the device's threads ---- */

/* What is synced waits for the disk most of the time: many of them at once share what they wait for. */
static void waits_begin(const struct request *r)
{
    if (r->put.upload.is_synced)
        device_wait_begin(r->dev);
}

static void waits_end(const struct request *r)
{
    if (r->put.upload.is_synced)
        device_wait_end(r->dev);
}

static void need_open(struct request *r)
{
    struct request_put *p = &r->put;
    if (p->is_open)
        return;
    if (p->has_md5 || p->md5_announced || r->head.is_chunked) /* trailers may bring one unannounced */
        p->upload.md5 = digest_new(DIGEST_MD5);
    p->result = upload_open(&p->upload, &r->fail);
    p->is_open = p->result == MOG_OK;
}

static void open_work(struct request *r)
{
    waits_begin(r);
    need_open(r);
    waits_end(r);
}

static void write_piece(struct request *r)
{
    struct request_put *p = &r->put;
    need_open(r);
    if (p->result == MOG_OK && p->used > 0)
        p->result = upload_write(&p->upload, p->buffer, p->used, &r->fail);
    p->used = 0;
    if (p->result != MOG_OK)
        upload_abort(&p->upload);
}

static void write_work(struct request *r)
{
    waits_begin(r);
    write_piece(r);
    waits_end(r);
}

/* MOG_EDIGEST when the bytes are not those that the client meant. */
static enum mog_err compare_md5(struct request_put *p)
{
    uint8_t actual[DIGEST_MAX_BYTES];
    char expected_text[MD5FIELD_TEXT_SIZE], actual_text[MD5FIELD_TEXT_SIZE];
    if (!p->has_md5)
        return MOG_OK;
    digest_final(p->upload.md5, actual);
    if (memcmp(actual, p->md5, MD5FIELD_BYTES) == 0)
        return MOG_OK;
    md5field_format(p->md5, expected_text);
    md5field_format(actual, actual_text);
    snprintf(p->mismatch, sizeof p->mismatch, "Content-MD5 mismatch, expected: %s actual: %s", expected_text,
             actual_text);
    return MOG_EDIGEST;
}

static void commit(struct request *r)
{
    struct request_put *p = &r->put;
    write_piece(r);
    if (p->result != MOG_OK)
        return;
    p->result = compare_md5(p);
    if (p->result == MOG_OK)
        p->result = upload_commit(&p->upload, &r->fail);
    else
        upload_abort(&p->upload);
}

static void leave_dir(struct job *j, struct job *next)
{
    upload_pass_dir(&request_of(j)->put.upload, next ? &request_of(next)->put.upload : NULL);
}

static void commit_work(struct request *r)
{
    waits_begin(r);
    commit(r);
    waits_end(r);
}

/* ---- on the connection's thread ---- */

static void answer_failure(struct request *r)
{
    switch (r->put.result) {
    case MOG_ENOTFOUND:
        request_answer(r, 404, "Base directory does not exist");
        break;
    case MOG_EEXISTS:
        request_answer(r, 409, "a directory is in the place of a file, or a file in that of a directory");
        break;
    case MOG_EPERM:
        request_answer(r, 403, r->fail.text);
        break;
    case MOG_ENOSPC:
        request_answer(r, 507, "Insufficient Storage");
        break;
    case MOG_ETOOLONG:
        request_answer(r, 400, "Invalid filename");
        break;
    case MOG_EDIGEST:
        request_answer(r, 400, r->put.mismatch);
        break;
    default:
        request_answer(r, device_health(r->dev) == DEVICE_UNHEALTHY && !r->put.is_open ? 503 : 500, r->fail.text);
        break;
    }
    char peer[HTTP_PEER_SIZE];
    if (r->put.result != MOG_EDIGEST && r->put.result != MOG_ENOTFOUND)
        janitor_warn(r->dev->janitor, "put: PUT /%s/%s failed from %s: %s", r->dev->name, r->path.below,
                     http_conn_peer(r->conn->entry, peer), r->fail.text);
}

static void opened(struct request *r)
{
    if (r->answer.status == 0 && r->put.result != MOG_OK)
        answer_failure(r);
    request_has_begun(r);
}

void put_begin(struct request *r)
{
    struct upload *u = &r->put.upload;
    if (!check_target(r) || !check_md5(r) || !check_range(r) || !check_device(r))
        return;
    u->dev = r->dev;
    u->path = r->path.below;
    u->length = r->head.is_chunked ? -1 : (int64_t)r->head.length;
    u->is_synced = atomic_load(&r->http->opts.settings->is_synced) && !r->path.is_test_write;
    /* Who asks before sending must not be told "go on" and then "no". */
    if (r->head.has_expect)
        (void)request_run(r, open_work, opened, false);
}

static size_t buffer_limit(const struct request *r)
{
    if (!r->head.is_chunked && r->head.length < HTTP_BUFFER_BYTES)
        return (size_t)r->head.length;
    return HTTP_BUFFER_BYTES;
}

/* Room for some more bytes, but when the buffer is full; it grows with what really comes, since slow clients may be
 * many. */
static size_t make_room(struct request *r, size_t size)
{
    struct request_put *p = &r->put;
    size_t limit = buffer_limit(r);
    if (p->used + size > p->cap && p->cap < limit) {
        size_t cap = p->cap == 0 ? FIRST_BUFFER_BYTES : p->cap * 4;
        while (cap < p->used + size)
            cap *= 4;
        p->cap = cap > limit ? limit : cap;
        p->buffer = mem_realloc(p->buffer, p->cap, 1);
    }
    return p->cap - p->used;
}

static void written(struct request *r)
{
    if (r->answer.status == 0 && r->put.result != MOG_OK)
        answer_failure(r);
}

/* A full buffer goes to the disk, unless it is all that comes: that is for the end. */
static void write_when_full(struct request *r)
{
    struct request_put *p = &r->put;
    bool is_all = !r->head.is_chunked && p->received == r->head.length;
    if (p->used < HTTP_BUFFER_BYTES || is_all)
        return;
    if (!request_run(r, write_work, written, p->is_open))
        p->used = 0;
}

void put_filled(struct request *r, size_t n)
{
    r->put.used += n;
    r->put.received += n;
    http_conn_enter(r->conn->entry, HTTP_PHASE_BODY);
    write_when_full(r);
}

size_t put_body(struct request *r, const char *data, size_t len)
{
    struct request_put *p = &r->put;
    size_t room = make_room(r, len), n = len < room ? len : room;
    memcpy(p->buffer + p->used, data, n);
    put_filled(r, n);
    return n;
}

char *put_room(struct request *r, size_t *len)
{
    *len = make_room(r, 1);
    return r->put.buffer + r->put.used;
}

/* A trailer may bring the digest. False: the answer is set. */
static bool check_trailer(struct request *r)
{
    struct request_put *p = &r->put;
    const char *value = r->chunked.has_md5 ? r->chunked.md5 : NULL;
    uint8_t md5[MD5FIELD_BYTES];
    if (!value && p->md5_announced && !p->has_md5) {
        request_answer(r, 400, "the announced Content-MD5 did not come");
        return false;
    }
    if (!value)
        return true;
    if (md5field_parse(span_of(value), md5) != MOG_OK) {
        request_answer_close(r, 400, "bad Content-MD5");
        return false;
    }
    if (p->has_md5 && memcmp(md5, p->md5, sizeof md5) != 0) {
        request_answer(r, 400, "more than one Content-MD5");
        return false;
    }
    memcpy(p->md5, md5, sizeof md5);
    p->has_md5 = true;
    return true;
}

static void committed(struct request *r)
{
    if (r->answer.status == 0 && r->put.result != MOG_OK)
        answer_failure(r);
    if (r->answer.status == 0)
        request_answer(r, atomic_load(&r->http->opts.settings->put_status), NULL);
    reply_answer(r);
}

/*
 * A file system makes and renames the files of one directory one after the other: threads that wait for each other
 * there do less than one alone. Synced uploads wait for the disk instead, and do that together.
 */
static unsigned place_of(const struct request *r)
{
    const struct request_put *p = &r->put;
    if (p->upload.is_synced || p->is_open)
        return 0;
    unsigned place;
    HASH_VALUE(r->path.below, (size_t)(dpath_last(r->path.below).ptr - r->path.below), place);
    return place;
}

void put_end(struct request *r)
{
    r->job.place = place_of(r);
    if (r->job.place != 0) {
        r->put.upload.is_whole = true;
        r->job.leave = leave_dir;
    }
    if (!check_trailer(r) || !request_run(r, commit_work, committed, r->put.is_open))
        reply_answer(r);
}

void put_fini(struct request *r, bool is_broken_off)
{
    struct request_put *p = &r->put;
    char peer[HTTP_PEER_SIZE];
    free(p->buffer);
    p->buffer = NULL;
    if (is_broken_off && r->answer.status == 499 && r->dev && r->method && r->method->body)
        janitor_warn(r->dev->janitor, "put: PUT /%s/%s failed from %s after %" PRIu64 " bytes: premature end",
                     r->dev->name, r->path.below, http_conn_peer(r->conn->entry, peer), p->received);
    upload_abandon(&p->upload);
}
