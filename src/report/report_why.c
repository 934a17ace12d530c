/* SPDX-License-Identifier: MIT */
/* Why a file has the copies that it has. */
#include "report/report_why.h"

#include "common/num.h"
#include "report/report_json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { END_OF_TIME = 2147483647, SPARE_MB = 100, MANY = 12 /* devices that are told of one by one */ };

uint64_t report_why_wanted(const char *policy, uint64_t mindevcount)
{
    const char *paren = strchr(policy, '(');
    uint64_t n;
    if (paren != NULL && num_parse_u64(span_trim(span_make(paren + 1, strcspn(paren + 1, ",)"))), 1, 255, &n) == MOG_OK)
        return n;
    return mindevcount;
}

/* ---- copies ---- */

static bool is_in_use(const char *status)
{
    return strcmp(status, "alive") == 0 || strcmp(status, "readonly") == 0 || strcmp(status, "drain") == 0;
}

const char *report_why_problem(const struct report_why *w, size_t i, char *out)
{
    const struct report_copy *c = &w->copies[i];
    const struct report_place *p = c->place;
    if (p == NULL || p->host == NULL)
        return "the device is unknown";
    if (strcmp(p->status, "dead") == 0 || strcmp(p->host_status, "dead") == 0)
        return "the device is dead: the copy counts as lost";
    if (!is_in_use(p->status) || !is_in_use(p->host_status))
        return "the device or its host is marked down";
    if (c->err != MOG_OK || c->status < 200 || c->status > 299) {
        bool missing = c->err == MOG_OK && c->status == 404;
        (void)snprintf(out, REPORT_TEXT_MAX, "%s: %s",
                       missing ? "the file is missing there" : "the node does not give it", c->answer);
        return out;
    }
    if (c->length >= 0 && (uint64_t)c->length != w->length) {
        (void)snprintf(out, REPORT_TEXT_MAX, "it has %" PRId64 " bytes instead of %" PRIu64, c->length, w->length);
        return out;
    }
    return NULL;
}

static bool is_good(const struct report_why *w, size_t i)
{
    char text[REPORT_TEXT_MAX];
    return report_why_problem(w, i, text) == NULL;
}

/* Whether one of the first `before` copies is good and on that host. */
static bool host_has_copy(const struct report_why *w, uint64_t hostid, size_t before)
{
    for (size_t i = 0; i < before; i++) {
        if (is_good(w, i) && w->copies[i].place->hostid == hostid)
            return true;
    }
    return false;
}

static bool has_copy(const struct report_why *w, uint64_t devid)
{
    for (size_t i = 0; i < w->n_copies; i++) {
        if (w->copies[i].devid == devid)
            return true;
    }
    return false;
}

/* Copies that may be good, but cannot be looked at: trackers go on counting them until their device is dead. */
static size_t count_cut_off(const struct report_why *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_copies; i++) {
        const struct report_copy *c = &w->copies[i];
        const struct report_place *p = c->place;
        if (p == NULL || p->host == NULL || strcmp(p->status, "dead") == 0 || strcmp(p->host_status, "dead") == 0)
            continue;
        bool has_answered = c->err == MOG_OK && (c->status == 404 || (c->status >= 200 && c->status <= 299));
        n += !has_answered || !is_in_use(p->status) || !is_in_use(p->host_status);
    }
    return n;
}

static void count(const struct report_why *w, size_t *good, size_t *hosts)
{
    *good = *hosts = 0;
    for (size_t i = 0; i < w->n_copies; i++) {
        if (is_good(w, i)) {
            ++*good;
            *hosts += !host_has_copy(w, w->copies[i].place->hostid, i);
        }
    }
}

/* ---- the verdict ---- */

struct speaker {
    void (*say)(void *arg, enum report_tone tone, const char *text);
    void *arg;
};

static void say(const struct speaker *s, enum report_tone tone, const char *fmt, ...) MOG_PRINTF(3, 4);
static void say(const struct speaker *s, enum report_tone tone, const char *fmt, ...)
{
    char text[REPORT_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    s->say(s->arg, tone, text);
}

/* Why a device cannot take another copy; NULL when it can. */
static const char *target_problem(const struct report_why *w, const struct report_place *p)
{
    if (p->host == NULL || strcmp(p->host_status, "alive") != 0)
        return "its host is not alive";
    if (strcmp(p->status, "alive") != 0)
        return "it is not alive";
    if (strcmp(p->observed, "writeable") != 0)
        return "it is not seen as writeable";
    uint64_t left = p->mb_total > p->mb_used ? p->mb_total - p->mb_used : 0;
    if (p->has_usage && p->mb_total != 0 && left < (w->length >> 20) + SPARE_MB)
        return "it is full";
    return NULL;
}

static const char *copies(size_t n)
{
    return n == 1 ? "copy" : "copies";
}

static const char *ending(size_t n) /* of a plural */
{
    return n == 1 ? "" : "s";
}

static void tell_targets(const struct report_why *w, const struct speaker *s)
{
    size_t usable = 0, other_hosts = 0, unusable = 0;
    for (size_t i = 0; i < w->n_places; i++) {
        const struct report_place *p = &w->places[i];
        if (has_copy(w, p->devid))
            continue;
        const char *problem = target_problem(w, p);
        if (problem == NULL) {
            usable++;
            other_hosts += !host_has_copy(w, p->hostid, w->n_copies);
        } else if (strcmp(p->status, "dead") != 0 && ++unusable <= MANY) {
            say(s, REPORT_PLAIN, "dev%" PRIu64 " cannot take a copy: %s.", p->devid, problem);
        }
    }
    if (unusable > MANY)
        say(s, REPORT_PLAIN, "%zu other devices cannot take a copy either.", unusable - MANY);
    if (usable == 0)
        say(s, REPORT_BAD, "There is no device that could take another copy.");
    else if (other_hosts == 0)
        say(s, REPORT_WARN, "Another copy can only go to a host that has one already.");
    else
        say(s, REPORT_PLAIN, "%zu device%s could take another copy, %zu of them on other hosts.", usable,
            ending(usable), other_hosts);
}

static void duration(char *out, size_t size, int64_t s)
{
    if (s < 60)
        (void)snprintf(out, size, "%" PRId64 " s", s);
    else if (s < 3600)
        (void)snprintf(out, size, "%" PRId64 " min", s / 60);
    else if (s < 86400)
        (void)snprintf(out, size, "%" PRId64 " h %02" PRId64 " min", s / 3600, s % 3600 / 60);
    else
        (void)snprintf(out, size, "%" PRId64 " d %" PRId64 " h", s / 86400, s % 86400 / 3600);
}

static void tell_queue(const struct report_why *w, enum report_queued q, const struct speaker *s)
{
    static const char *const whats[] = {"replication", "fsck", "rebalance", "deletion"};
    const struct report_queued_row *row = &w->queued[q];
    char text[64];
    if (!row->is_queued)
        return;
    int64_t wait = row->nexttry_unix_s - w->now_unix_s;
    if (row->nexttry_unix_s == END_OF_TIME) {
        say(s, REPORT_WARN,
            "It is queued for %s, but given up after %" PRIu64 " failures: only fsck or an operator will try again.",
            whats[q], row->failcount);
    } else if (wait <= 0) {
        say(s, REPORT_PLAIN, "It is queued for %s and due now (failed %" PRIu64 " times before).", whats[q],
            row->failcount);
    } else {
        duration(text, sizeof(text), wait);
        say(s, REPORT_PLAIN, "It is queued for %s, next in %s (failed %" PRIu64 " times before).", whats[q], text,
            row->failcount);
    }
    if (q == REPORT_QUEUED_REPLICATE && w->reason != NULL && w->reason[0] != '\0')
        say(s, REPORT_PLAIN, "The last time: %s.", w->reason);
}

/* What brings the missing copies back when no tracker is about to make them. */
static void tell_remedy(const struct report_why *w, size_t good, const struct speaker *s)
{
    if (good + count_cut_off(w) >= w->wanted)
        say(s, REPORT_WARN,
            "It is not queued for replication, since copies that cannot be reached count: bring their devices back, or "
            "mark them dead to have new copies made.");
    else
        say(s, REPORT_WARN, "It is not queued for replication: fsck will find it.");
}

void report_why_verdict(const struct report_why *w, void (*fn)(void *arg, enum report_tone tone, const char *text),
                        void *arg)
{
    const struct speaker s = {fn, arg};
    size_t good, hosts;
    count(w, &good, &hosts);
    if (good == 0)
        say(&s, REPORT_BAD, "No copy can be read now: the file is unavailable.");
    if (w->wanted != 0 && good >= w->wanted && (w->wanted < 2 || hosts >= 2)) {
        say(&s, REPORT_GOOD, "It has %zu good %s on %zu host%s; %" PRIu64 " %s wanted: all is well.", good,
            copies(good), hosts, ending(hosts), w->wanted, w->wanted == 1 ? "is" : "are");
    } else if (w->wanted != 0 && good >= w->wanted) {
        say(&s, REPORT_WARN, "It has %zu good copies, but all on one host.", good);
        tell_targets(w, &s);
    } else {
        say(&s, REPORT_WARN, "It has %zu good %s on %zu host%s; %" PRIu64 " %s wanted.", good, copies(good), hosts,
            ending(hosts), w->wanted, w->wanted == 1 ? "is" : "are");
        tell_targets(w, &s);
    }
    for (size_t q = 0; q < REPORT_QUEUED_N; q++)
        tell_queue(w, (enum report_queued)q, &s);
    if (w->wanted != 0 && good < w->wanted && !w->queued[REPORT_QUEUED_REPLICATE].is_queued)
        tell_remedy(w, good, &s);
}

/* ---- the document ---- */

static void add_finding(void *arg, enum report_tone tone, const char *text)
{
    static const char *const tones[] = {"plain", "good", "warning", "bad"};
    json_t *row = json_object();
    report_json_str(row, "tone", tones[tone]);
    report_json_str(row, "text", text);
    json_array_append_new(arg, row);
}

static json_t *copies_json(const struct report_why *w)
{
    json_t *list = json_array();
    for (size_t i = 0; i < w->n_copies; i++) {
        const struct report_copy *c = &w->copies[i];
        char text[REPORT_TEXT_MAX];
        const char *problem = report_why_problem(w, i, text);
        json_t *row = json_object();
        report_json_u64(row, "devid", c->devid);
        report_json_str(row, "hostname", c->place != NULL ? c->place->host : NULL);
        report_json_str(row, "status", c->place != NULL ? c->place->status : NULL);
        report_json_str(row, "url", c->url);
        report_json_set(row, "ok", json_boolean(problem == NULL));
        report_json_str(row, "problem", problem);
        json_array_append_new(list, row);
    }
    return list;
}

json_t *report_why_json(const struct report_why *w)
{
    json_t *o = json_object(), *findings = json_array();
    size_t good, hosts;
    count(w, &good, &hosts);
    report_json_bytes(o, "domain", w->domain);
    report_json_bytes(o, "key", w->key);
    report_json_u64(o, "fid", w->fid);
    report_json_u64(o, "length", w->length);
    report_json_str(o, "class", w->class_name);
    report_json_str(o, "replpolicy", w->policy);
    report_json_u64(o, "wanted", w->wanted);
    report_json_u64(o, "good", good);
    report_json_u64(o, "good_hosts", hosts);
    report_json_set(o, "copies", copies_json(w));
    report_why_verdict(w, add_finding, findings);
    report_json_set(o, "findings", findings);
    return o;
}
