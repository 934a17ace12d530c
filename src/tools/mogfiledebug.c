/* SPDX-License-Identifier: MIT */
/* mogfiledebug: all that the database knows of one file, and what its copies really are. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/urlenc.h"
#include "common/httpstat.h"
#include "tools/kvindex.h"
#include "tools/out.h"
#include "tools/tool.h"

enum { HTTP_TIMEOUT_MS = 10000 };

static const struct toolopt_def defs[] = {
    {"key", 0, TOOLOPT_STRING, "key of the file"},
    {"fid", 0, TOOLOPT_INT, "or its id"},
    {"paths", 0, TOOLOPT_STRING, "what to do with the paths: print, stat or fetch (default)"},
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct tool_spec spec = {
    .defs = defs,
    .sample = "--trackers=host --domain=foo --key=\"/hello.jpg\"\n"
              "       mogfiledebug --trackers=host --fid=1234\n"
              "       mogfiledebug --trackers=host --domain=foo --key=\"/hello.jpg\" --paths=print\n"
              "       mogfiledebug --trackers=host --domain=foo --key=\"/hello.jpg\" --paths=stat",
    .family = TOOLOPT_CLIENT,
    .no_domain = true,
};

enum mode { MODE_PRINT, MODE_STAT, MODE_FETCH };

/* One copy of the file. */
struct copy {
    uint64_t devid;
    const char *url;
    bool checked, good;
    char result[500];
    char hash[40], last_modified[64];
    uint64_t length;
};

struct debug {
    struct tool *tool;
    enum mode mode;
    struct kvindex pairs;
    struct copy *copies;
    size_t n_copies;
    bool length_known;
    uint64_t length;
};

/* ---- copies ---- */

static int by_devid(const void *a, const void *b)
{
    const struct copy *x = a, *y = b;
    return (x->devid > y->devid) - (x->devid < y->devid);
}

static void gather_copies(struct debug *d)
{
    d->copies = mem_calloc(d->pairs.n + 1, sizeof *d->copies);
    for (size_t i = 0; i < d->pairs.n; i++) {
        const struct kv_item *p = &d->pairs.sorted[i];
        uint64_t devid;
        if (!span_starts(p->name, "devpath_") || p->value.len == 0)
            continue;
        struct span id = span_make(p->name.ptr + 8, p->name.len - 8);
        if (num_parse_u64(id, 0, UINT32_MAX, &devid) == MOG_OK)
            d->copies[d->n_copies++] = (struct copy){.devid = devid, .url = p->value.ptr};
    }
    if (d->n_copies > 1)
        qsort(d->copies, d->n_copies, sizeof *d->copies, by_devid);
}

static bool on_body(void *arg, const char *data, size_t len)
{
    digest_update(arg, data, len);
    return true;
}

static void check_copy(struct debug *d, struct http_client *http, struct copy *c)
{
    struct digest *digest = digest_new(DIGEST_MD5);
    struct http_request q = {.method = d->mode == MODE_STAT ? "HEAD" : "GET",
                             .url = c->url,
                             .connect_timeout_ms = HTTP_TIMEOUT_MS,
                             .silence_timeout_ms = HTTP_TIMEOUT_MS,
                             .write = on_body,
                             .write_arg = digest};
    struct http_answer a = {.status = 0};
    struct mog_fail f = {.code = MOG_OK};
    enum mog_err e = http_exchange(http, &q, &a, &f);
    c->checked = true;
    c->good = e == MOG_OK && a.status >= 200 && a.status <= 299;
    httpstat_line(c->result, sizeof c->result, e, a.status, c->url, &f);
    snprintf(c->last_modified, sizeof c->last_modified, "%s", a.last_modified);
    c->length = d->mode == MODE_STAT ? (a.content_length > 0 ? (uint64_t)a.content_length : 0) : a.received;
    if (c->good && d->mode == MODE_FETCH) {
        uint8_t sum[DIGEST_MAX_BYTES];
        struct buf hex = BUF_ZERO;
        digest_final(digest, sum);
        urlenc_hex(&hex, sum, digest_size(DIGEST_MD5));
        snprintf(c->hash, sizeof c->hash, "%s", buf_cstr(&hex));
        buf_fini(&hex);
    }
    digest_free(digest);
}

static const char *first_hash(const struct debug *d)
{
    for (size_t i = 0; i < d->n_copies; i++) {
        if (d->copies[i].hash[0])
            return d->copies[i].hash;
    }
    return "";
}

static bool has_other_hash(const struct debug *d, const struct copy *c)
{
    return c->hash[0] && strcmp(c->hash, first_hash(d)) != 0;
}

static bool has_other_length(const struct debug *d, const struct copy *c)
{
    return c->good && d->length_known && c->length != d->length;
}

static void check_copies(struct debug *d)
{
    struct http_client *http = tool_http_new();
    for (size_t i = 0; i < d->n_copies && d->mode != MODE_PRINT; i++)
        check_copy(d, http, &d->copies[i]);
    http_client_free(http);
}

/* ---- text ---- */

static void print_copy(const struct debug *d, const struct copy *c)
{
    printf("\nResults for path: %s\n", c->url);
    if (!c->good) {
        printf(" - ERROR: File copy is missing: %s\n", c->result);
        return;
    }
    if (has_other_hash(d, c))
        printf(" - ERROR: Hash does not match first path!\n");
    if (has_other_length(d, c))
        printf(" - ERROR: Length does not match file row!\n");
    if (c->hash[0])
        printf(" - MD5 Hash: %s\n", c->hash);
    printf(" - Length: %" PRIu64 "\n", c->length);
    if (c->last_modified[0])
        printf(" - Last-Modified: %s\n", c->last_modified);
    printf(" - HTTP result: %s\n", c->result);
}

static void print_paths(const struct debug *d)
{
    static const char *const headings[] = {"Paths...", "Checking status of paths...", "Fetching and summing paths..."};
    if (d->n_copies == 0) {
        printf("No valid-ish paths found\n");
        return;
    }
    printf("%s\n", headings[d->mode]);
    if (d->mode != MODE_PRINT && !d->length_known)
        printf("No length, cannot verify content length\n");
    for (size_t i = 0; i < d->n_copies; i++) {
        if (d->mode == MODE_PRINT)
            printf(" - %s\n", d->copies[i].url);
        else
            print_copy(d, &d->copies[i]);
    }
}

/* The column's name when the pair belongs to `group`: names are split at their last underscore. */
static const char *column_of(const struct kv_item *p, const char *group)
{
    const char *last = strrchr(p->name.ptr, '_');
    size_t len = strlen(group);
    if (!last || (size_t)(last - p->name.ptr) != len || memcmp(p->name.ptr, group, len) != 0)
        return NULL;
    return last + 1;
}

static bool print_group(const struct debug *d, const char *group)
{
    bool any = false;
    for (size_t i = 0; i < d->pairs.n; i++) {
        const char *column = column_of(&d->pairs.sorted[i], group);
        if (!column)
            continue;
        if (!any)
            printf("- %12s\n", group);
        any = true;
        printf("  %20s: %20s\n", column, d->pairs.sorted[i].value.ptr);
    }
    return any;
}

static const char *const queues[] = {"tempfile", "replqueue", "delqueue", "rebqueue", "fsckqueue", NULL};

static void print_queues(const struct debug *d)
{
    bool any = false;
    printf("\nTempfile and/or queue rows...\n");
    for (const char *const *group = queues; *group; group++)
        any |= print_group(d, *group);
    if (!any)
        printf("none.\n");
}

static void print_row(const struct debug *d)
{
    if (!kvindex_find(&d->pairs, "fid_fid")) {
        printf("\n- ERROR: No file row was found!\n"
               "- The file may have been deleted, or its upload was never closed.\n"
               "- Rows of queues above tell what is still to be done about it.\n");
        return;
    }
    printf("\n- File Row:\n");
    for (size_t i = 0; i < d->pairs.n; i++) {
        const char *column = column_of(&d->pairs.sorted[i], "fid");
        if (column)
            printf("  %8s: %20s\n", column, d->pairs.sorted[i].value.ptr);
    }
}

static void print_text(const struct debug *d)
{
    print_paths(d);
    print_queues(d);
    print_row(d);
    const struct span *devids = kvindex_find(&d->pairs, "devids"), *checksum = kvindex_find(&d->pairs, "checksum");
    if (devids)
        printf("\n- Raw devids: %s\n", devids->ptr);
    if (checksum)
        printf("\n- Stored checksum: %s\n", checksum->ptr);
}

/* ---- JSON ---- */

static json_t *group_json(const struct debug *d, const char *group)
{
    json_t *o = NULL;
    for (size_t i = 0; i < d->pairs.n; i++) {
        const char *column = column_of(&d->pairs.sorted[i], group);
        if (!column)
            continue;
        if (!o)
            o = json_object();
        report_json_bytes(o, column, d->pairs.sorted[i].value);
    }
    return o ? o : json_null();
}

static void print_json(const struct debug *d)
{
    json_t *o = json_object(), *copies = json_array();
    json_object_set_new(o, "file", group_json(d, "fid"));
    for (const char *const *group = queues; *group; group++)
        json_object_set_new(o, *group, group_json(d, *group));
    const struct span *checksum = kvindex_find(&d->pairs, "checksum");
    report_json_str(o, "checksum", checksum ? checksum->ptr : NULL);
    for (size_t i = 0; i < d->n_copies; i++) {
        const struct copy *c = &d->copies[i];
        json_t *row = json_object();
        json_object_set_new(row, "devid", json_integer((json_int_t)c->devid));
        report_json_str(row, "url", c->url);
        if (c->checked) {
            report_json_str(row, "result", c->result);
            json_object_set_new(row, "ok", json_boolean(c->good && !has_other_hash(d, c) && !has_other_length(d, c)));
        }
        if (c->good)
            json_object_set_new(row, "length", json_integer((json_int_t)c->length));
        if (c->hash[0])
            report_json_str(row, "md5", c->hash);
        if (c->last_modified[0])
            report_json_str(row, "last_modified", c->last_modified);
        json_array_append_new(copies, row);
    }
    json_object_set_new(o, "copies", copies);
    out_json(o);
}

/* ---- the run ---- */

static bool choose_mode(struct debug *d)
{
    const char *paths = toolopt_text(&d->tool->opt, "paths");
    if (!paths || strcmp(paths, "fetch") == 0)
        d->mode = MODE_FETCH;
    else if (strcmp(paths, "stat") == 0)
        d->mode = MODE_STAT;
    else if (strcmp(paths, "print") == 0)
        d->mode = MODE_PRINT;
    else {
        tool_usage(d->tool, stderr);
        return false;
    }
    return true;
}

static bool add_file(struct tool *t, struct kv *args)
{
    const char *key = toolopt_text(&t->opt, "key"), *fid = toolopt_text(&t->opt, "fid");
    if (fid && strcmp(fid, "0") != 0) {
        kv_add_str(args, "fid", fid);
        kv_add_str(args, "domain", t->domain[0] ? t->domain : "mogfiledebug-unset");
        return true;
    }
    if (!key || !t->domain[0]) {
        fprintf(stderr, "Give --domain and --key, or --fid\n");
        tool_usage(t, stdout);
        return false;
    }
    kv_add_str(args, "key", key);
    tool_add_domain(t, args);
    return true;
}

static int debug_run(struct tool *t)
{
    struct debug d = {.tool = t};
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    int status = 1;
    if (!choose_mode(&d) || !add_file(t, &args))
        goto out;
    if (client_request(t->client, "file_debug", &args, &a, &f) != MOG_OK) {
        tool_fail("Error fetching fid info: ", &f);
        goto out;
    }
    kvindex_init(&d.pairs, &a.args);
    d.length_known = kvindex_u64(&d.pairs, &d.length, "fid_length");
    gather_copies(&d);
    check_copies(&d);
    if (toolopt_flag(&t->opt, "json"))
        print_json(&d);
    else
        print_text(&d);
    status = 0;
out:
    free(d.copies);
    kvindex_fini(&d.pairs);
    client_answer_fini(&a);
    kv_fini(&args);
    return status;
}

int main(int argc, char **argv)
{
    struct tool t;
    int status;
    if (tool_begin(&t, &spec, argc, argv, &status))
        status = debug_run(&t);
    return tool_end(&t, status);
}
