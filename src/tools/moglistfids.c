/* SPDX-License-Identifier: MIT */
/* moglistfids: files of all domains in the order of their ids. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/kvindex.h"
#include "tools/out.h"
#include "tools/tool.h"

enum { PAGE = 500 }; /* the most that a tracker sends in one answer */

static const struct toolopt_def defs[] = {
    {"fromfid", 0, TOOLOPT_INT, "list files behind this id (default 0)"},
    {"count", 0, TOOLOPT_INT, "list so many files (default 100)"},
    {"json", 0, TOOLOPT_FLAG, "print a JSON array"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct tool_spec spec = {
    .defs = defs,
    .sample = "--trackers=host --fromfid=123 --count=5000",
    .family = TOOLOPT_CLIENT,
    .no_domain = true,
};

static const char *const columns[] = {"class", "devcount", "domain", "key", "length"};

static void print_row(const struct kvindex *x, size_t i, uint64_t fid, json_t *list)
{
    json_t *row = list ? json_object() : NULL;
    if (row)
        json_object_set_new(row, "fid", json_integer((json_int_t)fid));
    else
        printf("fid %" PRIu64 "\n", fid);
    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
        const struct span *v = kvindex_find(x, "fid_%zu_%s", i, columns[c]);
        struct span value = v ? *v : span_make("", 0);
        if (!row) {
            printf("%s ", columns[c]);
            fwrite(value.ptr, 1, value.len, stdout);
            putchar('\n');
        } else if (c == 1 || c == 4) {
            uint64_t n;
            (void)kvindex_u64(x, &n, "fid_%zu_%s", i, columns[c]);
            json_object_set_new(row, columns[c], json_integer((json_int_t)n));
        } else {
            report_json_bytes(row, columns[c], value);
        }
    }
    if (row)
        json_array_append_new(list, row);
    else
        putchar('\n');
}

/* One answer's worth behind `*from`, which moves on. `*n`: how many files were printed. */
static enum mog_err list_page(struct tool *t, uint64_t *from, uint64_t want, json_t *list, uint64_t *n,
                              struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    kv_add_u64(&args, "from", *from);
    kv_add_u64(&args, "to", want);
    enum mog_err e = client_request(t->client, "list_fids", &args, &a, f);
    *n = 0;
    if (e == MOG_OK) {
        struct kvindex x;
        kvindex_init(&x, &a.args);
        uint64_t fid, last = *from;
        while (*n < want && kvindex_u64(&x, &fid, "fid_%" PRIu64 "_fid", *n + 1)) {
            ++*n;
            print_row(&x, (size_t)*n, fid, list);
            if (fid > last)
                last = fid;
        }
        if (last == *from)
            *n = 0; /* no progress: end rather than ask the same for ever */
        *from = last;
        kvindex_fini(&x);
    }
    client_answer_fini(&a);
    kv_fini(&args);
    return e;
}

static int list_run(struct tool *t)
{
    struct mog_fail f = {.code = MOG_OK};
    int64_t from, count;
    if (toolopt_int(&t->opt, "fromfid", 0, INT64_MAX, 0, &from, &f) != MOG_OK ||
        toolopt_int(&t->opt, "count", 1, INT64_MAX, 100, &count, &f) != MOG_OK)
        return tool_fail("", &f);
    json_t *list = toolopt_flag(&t->opt, "json") ? json_array() : NULL;
    uint64_t at = (uint64_t)from, left = (uint64_t)count, n;
    enum mog_err e;
    do {
        e = list_page(t, &at, left < PAGE ? left : PAGE, list, &n, &f);
        left -= n;
    } while (e == MOG_OK && n > 0 && left > 0 && !ferror(stdout));
    if (list && e == MOG_OK)
        out_json(list);
    else
        json_decref(list); /* a part of a list looks like a whole one */
    return e == MOG_OK ? 0 : tool_fail("Error listing fids: ", &f);
}

int main(int argc, char **argv)
{
    struct tool t;
    int status;
    if (tool_begin(&t, &spec, argc, argv, &status))
        status = list_run(&t);
    return tool_end(&t, status);
}
