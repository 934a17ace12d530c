/* SPDX-License-Identifier: MIT */
/* mogadm tracker: the admin lines of every tracker at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/num.h"
#include "tools/adm.h"
#include "tools/out.h"

enum { WATCH_WAIT_MS = 24 * 3600 * 1000 };

static const struct toolopt_def watch_opts[] = {
    {"count", 0, TOOLOPT_INT, "end after so many messages"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

struct query {
    const char *line;
    json_t *json; /* NULL: text */
};

static void answer_json(json_t *list, const char *tracker, enum mog_err e, const struct buf *text,
                        const struct mog_fail *f)
{
    json_t *row = json_object(), *lines = json_array();
    json_object_set_new(row, "tracker", json_string(tracker));
    struct span rest = buf_as_span(text), line;
    while (span_split(&rest, '\n', &line)) {
        if (line.len == 0)
            continue;
        json_t *s = json_stringn(line.ptr, line.len);
        json_array_append_new(lines, s ? s : json_string("?"));
    }
    json_object_set_new(row, "lines", lines);
    if (e != MOG_OK)
        report_json_str(row, "error", f->text);
    json_array_append_new(list, row);
}

static int query_one(struct adm *a, struct client *one, void *arg)
{
    struct query *q = arg;
    struct buf text = BUF_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    enum mog_err e = client_admin(one, q->line, &text, &f);
    if (q->json) {
        answer_json(q->json, client_name(one, 0), e, &text, &f);
    } else {
        printf("%s%s%s\n", out_begin(a->color, OUT_BOLD), client_name(one, 0), out_end(a->color));
        struct span rest = buf_as_span(&text), line;
        while (span_split(&rest, '\n', &line)) {
            if (rest.ptr || line.len)
                printf("  %.*s\n", (int)line.len, line.ptr);
        }
        if (e != MOG_OK)
            adm_fail("  ", &f);
    }
    bool refused = text.len >= 5 && memcmp(text.data, "ERROR", 5) == 0;
    buf_fini(&text);
    return e == MOG_OK && !refused ? 0 : 1;
}

static int query_all(struct adm *a, const char *line)
{
    struct query q = {.line = line, .json = adm_json(a) ? json_array() : NULL};
    int status = adm_each_tracker(a, query_one, &q);
    if (q.json)
        out_json(q.json);
    return status;
}

static int tracker_stats(struct adm *a)
{
    return query_all(a, "!stats");
}

static int tracker_jobs(struct adm *a)
{
    return query_all(a, "!jobs");
}

static int tracker_queue(struct adm *a)
{
    return query_all(a, "!queue");
}

static int tracker_recent(struct adm *a)
{
    return query_all(a, "!recent");
}

static int tracker_version(struct adm *a)
{
    return query_all(a, "!version");
}

static bool is_word(const char *text)
{
    return text[0] && strspn(text, "abcdefghijklmnopqrstuvwxyz_") == strlen(text);
}

static int tracker_want(struct adm *a)
{
    uint64_t n;
    if (num_parse_u64(span_of(a->word[0]), 0, 500, &n) != MOG_OK)
        return adm_help_error(a, "count should be a number up to 500");
    if (!is_word(a->word[1]))
        return adm_help_error(a, "'%s' is no job", a->word[1]);
    char line[100];
    snprintf(line, sizeof line, "!want %d %.60s", (int)n, a->word[1]);
    return query_all(a, line);
}

static int tracker_to(struct adm *a)
{
    if (!is_word(a->word[0]) || strpbrk(a->word[1], "\r\n"))
        return adm_help_error(a, "job and text have to be one line");
    char *line = mem_printf("!to %s %s", a->word[0], a->word[1]);
    int status = query_all(a, line);
    free(line);
    return status;
}

static int refresh_one(struct adm *a, struct client *one, void *arg)
{
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    (void)arg;
    enum mog_err e = client_request(one, "clear_cache", NULL, &answer, &f);
    client_answer_fini(&answer);
    if (e != MOG_OK) {
        fprintf(stderr, "%s: ", client_name(one, 0));
        return adm_fail("", &f);
    }
    if (a->verbose)
        printf("%s: refreshed\n", client_name(one, 0));
    return 0;
}

static int tracker_refresh(struct adm *a)
{
    return adm_each_tracker(a, refresh_one, NULL);
}

static int tracker_replicate_now(struct adm *a)
{
    return adm_command(a, "replicate_now", NULL, "", "files that waited are due now");
}

static int tracker_watch(struct adm *a)
{
    struct buf text = BUF_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    int64_t count;
    if (toolopt_int(&a->opt, "count", 1, INT64_MAX, INT64_MAX, &count, &f) != MOG_OK)
        return adm_fail("", &f);
    enum mog_err e = client_admin(a->client, "!watch", &text, &f);
    if (e == MOG_OK)
        printf("watching %s\n", client_current(a->client));
    for (int64_t i = 0; e == MOG_OK && i < count && fflush(stdout) == 0; i++) {
        buf_reset(&text);
        e = client_read_line(a->client, WATCH_WAIT_MS, &text, &f);
        if (e != MOG_OK)
            break;
        struct span line = buf_as_span(&text);
        if (span_starts(line, ":: "))
            line = span_make(line.ptr + 3, line.len - 3);
        printf("%.*s\n", (int)line.len, line.ptr);
    }
    buf_fini(&text);
    return e == MOG_OK ? 0 : adm_fail("", &f);
}

const struct adm_verb adm_tracker_verbs[] = {
    {"stats", NULL, adm_json_opts, "Counters of all trackers.", tracker_stats, ADM_KEEP_ORDER},
    {"jobs", NULL, adm_json_opts, "Workers of all trackers.", tracker_jobs, ADM_KEEP_ORDER},
    {"queue", NULL, adm_json_opts, "Requests that wait.", tracker_queue, ADM_KEEP_ORDER},
    {"recent", NULL, adm_json_opts, "The last requests, and how long they took.", tracker_recent, ADM_KEEP_ORDER},
    {"version", NULL, adm_json_opts, "Versions of all trackers.", tracker_version, ADM_KEEP_ORDER},
    {"want", "count job", NULL, "Change the number of workers of a kind, at all trackers.", tracker_want,
     ADM_KEEP_ORDER},
    {"to", "job text", NULL, "Send a message to all workers of a kind.", tracker_to, ADM_KEEP_ORDER},
    {"refresh", NULL, NULL, "Have all trackers read the database and look at all devices now.", tracker_refresh,
     ADM_KEEP_ORDER},
    {"replicate_now", NULL, NULL, "Make all files that wait for another copy due at once.", tracker_replicate_now, 0},
    {"watch", NULL, watch_opts, "Follow the messages of one tracker.", tracker_watch, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
