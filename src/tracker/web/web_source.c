/* SPDX-License-Identifier: MIT */
/* The bytes of a part of a file, from whichever of its copies gives them. */
#include "tracker/web/web_source.h"

#include "common/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BYTE_MS = 5000, SILENCE_MS = 10000, RANGE_MAX = 64 };

static void copy_date(char *out, const struct http_answer *a)
{
    if (out != NULL)
        memcpy(out, a->last_modified, sizeof(a->last_modified));
}

/* What is left of the part, from the copy at hand. */
static enum mog_err open_one(struct web_source *s, char *last_modified, struct mog_fail *f)
{
    char range[RANGE_MAX];
    bool whole = s->next == 0 && s->end == s->length;
    const char *headers[] = {whole ? NULL : range, NULL};
    struct http_request req = {.method = "GET",
                               .url = s->urls[s->at],
                               .headers = headers,
                               .connect_timeout_ms = s->connect_timeout_ms,
                               .first_byte_timeout_ms = FIRST_BYTE_MS,
                               .silence_timeout_ms = SILENCE_MS};
    struct http_answer a;
    (void)snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-%" PRIu64, s->next, s->end - 1);
    enum mog_err e = http_open(s->client, &req, &a, f);
    if (e != MOG_OK)
        return e;
    if (a.status != (whole ? 200 : 206))
        e = fail_set(f, MOG_EHTTP, "GET %s: status %d", s->urls[s->at], a.status);
    else if (a.content_length < 0 || (uint64_t)a.content_length != s->end - s->next)
        e = fail_set(f, MOG_ESIZE, "GET %s: %" PRId64 " bytes instead of %" PRIu64, s->urls[s->at], a.content_length,
                     s->end - s->next);
    if (e != MOG_OK) {
        http_close(s->client);
        return e;
    }
    copy_date(last_modified, &a);
    s->is_open = true;
    return MOG_OK;
}

/* The copy at hand is no good. */
static void give_up(struct web_source *s, const struct mog_fail *f)
{
    log_warn("gateway: %s%s", f->text, s->n > 1 ? ", trying another copy" : "");
    web_source_close(s);
    s->at = (s->at + 1) % s->n;
    s->in_vain++;
}

static enum mog_err none_left(struct mog_fail *f)
{
    struct mog_fail last = *f;
    return fail_set(f, MOG_ECONN, "no copy can be read: %.300s", last.text);
}

enum mog_err web_source_open(struct web_source *s, char *last_modified, struct mog_fail *f)
{
    if (!s->has_begun) {
        s->has_begun = true;
        s->next = s->first;
    }
    while (s->in_vain < s->n) {
        enum mog_err e = open_one(s, last_modified, f);
        if (e == MOG_OK || e == MOG_ECANCELED)
            return e;
        give_up(s, f);
    }
    return none_left(f);
}

enum mog_err web_source_read(struct web_source *s, char *out, size_t cap, size_t *n, struct mog_fail *f)
{
    *n = 0;
    if (s->next == s->end)
        return MOG_OK;
    for (;;) {
        enum mog_err e = s->is_open ? MOG_OK : web_source_open(s, NULL, f);
        if (e != MOG_OK)
            return e;
        e = http_read(s->client, out, cap < s->end - s->next ? cap : (size_t)(s->end - s->next), n, f);
        if (e == MOG_OK && *n != 0)
            break;
        if (e == MOG_ECANCELED)
            return e;
        if (e == MOG_OK)
            (void)fail_set(f, MOG_ECLOSED, "GET %s: ended early", s->urls[s->at]);
        *n = 0;
        give_up(s, f);
    }
    s->next += *n;
    s->in_vain = 0;
    return MOG_OK;
}

void web_source_close(struct web_source *s)
{
    if (s->is_open)
        http_close(s->client);
    s->is_open = false;
}

enum mog_err web_source_head(struct web_source *s, char *last_modified, struct mog_fail *f)
{
    for (; s->in_vain < s->n; give_up(s, f)) {
        struct http_request req = {.method = "HEAD",
                                   .url = s->urls[s->at],
                                   .connect_timeout_ms = s->connect_timeout_ms,
                                   .first_byte_timeout_ms = FIRST_BYTE_MS};
        struct http_answer a;
        enum mog_err e = http_exchange(s->client, &req, &a, f);
        if (e == MOG_ECANCELED)
            return e;
        if (e == MOG_OK && (a.status != 200 || (a.content_length >= 0 && (uint64_t)a.content_length != s->length)))
            e = fail_set(f, MOG_EHTTP, "HEAD %s: status %d, %" PRId64 " bytes", s->urls[s->at], a.status,
                         a.content_length);
        if (e == MOG_OK) {
            copy_date(last_modified, &a);
            return MOG_OK;
        }
    }
    return none_left(f);
}
